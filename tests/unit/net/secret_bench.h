/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets made up for a test. */
#ifndef MSB_TESTS_SECRET_BENCH_H
#define MSB_TESTS_SECRET_BENCH_H

#include "net/secrets/secrets.h"

#define PLACE_HEADER 1u
#define PLACE_QUERY 2u
#define PLACE_BASIC 4u
#define PLACE_BODY 8u
#define PLACE_ALL 15u

struct secret_bench {
	struct secrets_config config;
	struct buf values;
	struct secrets *secrets;
	struct names *names; /* NULL: nothing is bound yet */
	struct net_addresses link;
};

/* Everything that is violated is SECRET_BLOCK. */
void secret_bench_init(struct secret_bench *b);
void secret_bench_fini(struct secret_bench *b);
/* One more secret; hosts are separated by commas. placeholder NULL: that of the
 * product. */
struct secret_config *secret_bench_add(struct secret_bench *b, const char *name,
				       const char *placeholder,
				       const char *value, const char *hosts,
				       unsigned places);
/* Of a list; the host patterns are added. */
void secret_bench_hosts(struct host_patterns *p, const char *hosts);
/* secrets_new() with what was added; a descriptor of these values. */
void secret_bench_start(struct secret_bench *b);
int secret_bench_fd(const struct secret_bench *b);
struct net_addr secret_bench_addr(const char *text);
void secret_bench_bind(struct secret_bench *b, const char *name,
		       const char *addr);
/* For an intercepted connection to host, whose name belongs to it. */
struct secret_scope *secret_bench_scope(struct secret_bench *b,
					const char *host);

#endif
