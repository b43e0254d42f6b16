/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that speaks to a server of the test on a port that is not
 * intercepted, with interception in between. What would end TLS is the test's
 * own: it only notes what it is given.
 */
#ifndef MSB_TESTS_TUNNEL_BENCH_H
#define MSB_TESTS_TUNNEL_BENCH_H

#include "guest.h"
#include "net/tls/proxy_int.h"
#include "secret_bench.h"

struct tunnel_bench {
	struct secret_bench secrets;
	struct tls_proxy proxy;
	struct guest *g;
	struct guest_conn c;
	struct net_endpoint peer; /* as the guest calls it */
	int listener;
	int fd; /* the server's end, does not block; -1 = closed */
	uint8_t got[1 << 16]; /* by the guest */
	/* what the session was given, and what was told */
	struct tcp_conn *session;
	int session_fd; /* -1: there was none */
	char session_name[NET_NAME_MAX + 1];
	unsigned blocked, violations;
	char why[256], name[NET_NAME_MAX + 1];
	struct secret_found found;
};

/* Secrets may be added now. */
struct tunnel_bench *tunnel_bench_new(void);
/* The guest connects; policy (moved from) may be NULL: everything goes. */
void tunnel_bench_open(struct tunnel_bench *b, struct policy *policy);
/* Another connection; the one before is forgotten. */
void tunnel_bench_again(struct tunnel_bench *b);
void tunnel_bench_free(struct tunnel_bench *b);

void guest_says(struct tunnel_bench *b, const char *text);
void guest_says_bytes(struct tunnel_bench *b, const void *data, size_t len);
void guest_ends(struct tunnel_bench *b);
void server_says(struct tunnel_bench *b, const char *text);
/* Exactly this comes next. */
void server_hears(struct tunnel_bench *b, const char *text);
void server_hears_bytes(struct tunnel_bench *b, const void *data, size_t len);
/* In good order or not. */
void server_hears_end(struct tunnel_bench *b);
void guest_hears(struct tunnel_bench *b, const char *text);
void guest_hears_end(struct tunnel_bench *b);
/* Some turns of the loop, in which the server hears nothing. */
void server_hears_nothing(struct tunnel_bench *b);
/* The connection was cut, and the server heard nothing (more). */
void is_cut(struct tunnel_bench *b);
/* The same, with this reason. */
void is_blocked(struct tunnel_bench *b, const char *why);
void is_violation(struct tunnel_bench *b, const char *env_var);
/* A ClientHello with this name (NULL: none) and nothing else; its length. */
size_t bench_hello(uint8_t *p, const char *name);

#endif
