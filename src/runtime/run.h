/* SPDX-License-Identifier: Apache-2.0 */
/* The process of one sandbox, with or without a TLS library. */
#ifndef MSB_RUNTIME_RUN_H
#define MSB_RUNTIME_RUN_H

#include "base/buf.h"
#include "base/err.h"
#include "net/net.h"

/* What only msb-runtime-tls carries: see net/tls/{proxy,ca}.h. */
struct runtime_tls {
	int (*open)(const struct net_config *c, const char *ca_dir,
		    int values_fd, struct tls_proxy **ret, struct err *err);
	struct tls_proxy *(*close)(struct tls_proxy *p);
	const char *(*ca_pem)(const struct tls_proxy *p);
	int (*host_roots_pem)(struct buf *out);
	const struct net_tls_ops *ops;
};

/* tls: NULL in msb-runtime. Gives back the exit status. */
int runtime_main(int argc, char **argv, const struct runtime_tls *tls);

#endif
