/* SPDX-License-Identifier: Apache-2.0 */
/* TLS interception of one sandbox, and what its secrets need: everything that
 * outlives a connection. */
#ifndef MSB_NET_TLS_PROXY_H
#define MSB_NET_TLS_PROXY_H

#include "base/err.h"
#include "net/config.h"
#include "net/net.h"

/*
 * Reads what interception needs from the host: the authority (see tls/ca.h;
 * ca_dir: <home>/tls), roots, and the secrets' values from values_fd (-1: there
 * are none; see secrets/secrets.h), which stays the caller's.
 */
int tls_proxy_new(const struct net_config *c, const char *ca_dir, int values_fd,
		  struct tls_proxy **ret, struct err *err);
struct tls_proxy *tls_proxy_free(struct tls_proxy *p);
const char *tls_proxy_ca_pem(const struct tls_proxy *p);
extern const struct net_tls_ops tls_proxy_ops;

#endif
