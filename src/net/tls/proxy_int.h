/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of interception share.
 *
 *   guest -- tcp_conn -- TLS server -- request_filter --> TLS client -- socket
 *         <------------------------- as it is ----------
 *
 * proxy.c    what outlives connections; the entry points of the stack
 * session.c  one intercepted connection
 * tunnel.c   CONNECT through a company's proxy; then session.c inside it
 * plain.c    HTTP without TLS, when there are secrets
 * relay.c    what these two do with the guest's connection and a socket
 */
#ifndef MSB_NET_TLS_PROXY_INT_H
#define MSB_NET_TLS_PROXY_INT_H

#include "base/list.h"
#include "net/net_int.h"
#include "net/secrets/secrets.h"
#include "net/tls/ca.h"
#include "net/tls/proxy.h"

#define TLS_HANDSHAKE_MS 10000u
/* Plaintext on its way within one call; one record's. */
#define TLS_SCRATCH 16384u

struct tls_resume; /* session_int.h */

struct tls_proxy {
	/* What it points to is the network's. */
	struct net_config config;
	struct net *net; /* while attached */
	struct tls_ca *ca;
	struct tls_leaves *leaves;
	struct tls_roots *roots;
	struct secrets *secrets; /* never NULL, may have none */
	SSL_CTX *server, *client;
	struct tls_resume *resume;
	BIO_METHOD *guest_bio, *server_bio;
	struct list lingering; /* struct tls_session: without a guest */
	unsigned nlingering;
	size_t room;	 /* for bodies that requests' filters hold */
	bool terminated; /* a violation ends the sandbox */
	uint8_t scratch[TLS_SCRATCH];
};

/*
 * Take over an accepted connection whose ClientHello is in tcp_peek().
 * name: of the server, canonical; what its certificate is checked for, what
 * requests must be addressed to.
 */
void tls_session_start(struct tls_proxy *p, struct tcp_conn *c,
		       const char *name);
/* The same inside a tunnel: fd (owned from now on) is where the server already
 * answers, the name has been compared with the tunnel's authority. */
void tls_session_tunnelled(struct tls_proxy *p, struct tcp_conn *c, int fd,
			   const char *name);
/* bio.c */
int tls_bios_new(struct tls_proxy *p); /* 0 or -ENOMEM */
void tls_bios_free(struct tls_proxy *p);
/* classify.c: net_tls_ops.classify and take. */
int tls_classify(struct tls_proxy *p, const struct tcp_conn *c,
		 const void *data, size_t len);
void tls_take(struct tls_proxy *p, struct tcp_conn *c, int fd);
/* plain.c: the HTTP request at hand and all that follow, fd is connected. */
void plain_start(struct tls_proxy *p, struct tcp_conn *c, int fd);
/* tunnel.c: a CONNECT request is at hand. */
void tunnel_start(struct tls_proxy *p, struct tcp_conn *c, int fd);
/* One line about a connection that was not let through, rate-limited with the
 * denials of the policy. The connection is for the caller to end. */
void tls_blocked(struct tls_proxy *p, const struct tcp_conn *c,
		 const char *name, const char *why);
/* A violation on c: log and terminate as its action says. */
void tls_violation(struct tls_proxy *p, const struct tcp_conn *c,
		   const struct secret_found *found);
/* The same where the connection is no more. sni: NULL = none. */
void tls_violation_at(struct tls_proxy *p, const struct net_endpoint *peer,
		      const char *sni, const struct secret_found *found);

#endif
