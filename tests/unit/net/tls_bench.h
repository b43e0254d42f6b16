/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An intercepted connection between a TLS client in the make-believe guest and
 * a TLS server of the test's own, both OpenSSL, all on one thread.
 */
#ifndef TEST_NET_TLS_BENCH_H
#define TEST_NET_TLS_BENCH_H

#include "guest.h"
#include "net/tls/proxy.h"
#include "pki.h"

#define BENCH_NAME "host.test"

struct tls_bench {
	/* set before tls_bench_new(): */
	void (*configure)(struct tls_bench *b, struct net_config *c);
	bool no_origin_ca; /* the server's authority is not trusted */
	int values_fd;	   /* of secrets; 0 = none */

	struct pki_dir *dir;
	struct tls_ca *origin_ca; /* the server's, not the guest's */
	struct tls_leaves *origin_leaves;
	SSL_CTX *server_ctx, *client_ctx;
	struct guest *g;
	struct tls_proxy *proxy;
	int listener;
	struct net_endpoint at; /* of the server */
	unsigned terminated;

	/* the connection; for the next one tls_bench_hang_up() */
	uint16_t port;	  /* of the guest, the last used */
	const char *name; /* of the server's certificate; NULL: as asked */
	int64_t now;	  /* when that is made; 0: now */
	struct guest_conn c;
	SSL *client;
	BIO *in, *out;
	int fd; /* of the server, -1 */
	SSL *server;
	const char *early; /* said when the client's handshake is over */
	size_t segment;	   /* bytes the guest sends at once; 0: many */
	bool paused;	   /* the guest reads nothing */
	uint8_t alert;	   /* the client's last, received */
	bool alerted;
};

void tls_bench_new(struct tls_bench *b);
void tls_bench_free(struct tls_bench *b);
/* SYN, ClientHello with this name (NULL: without) and list of protocols (as on
 * the wire, NULL: none). */
void tls_bench_call(struct tls_bench *b, const char *name, const char *alpn);
void tls_bench_call_with(struct tls_bench *b, const char *name,
			 const char *alpn, SSL_SESSION *session);
/* The same, and both handshakes; fails unless they succeed. */
void tls_bench_open(struct tls_bench *b, const char *name, const char *alpn);
void tls_bench_hang_up(struct tls_bench *b);
/* Everything that can happen now, once. */
void tls_bench_step(struct tls_bench *b);
/* Steps until cond holds; fails after a while. */
void tls_bench_until(struct tls_bench *b, bool (*cond)(struct tls_bench *b));
/* Write all of it, step until the other side has read it, and compare. */
void tls_bench_say(struct tls_bench *b, SSL *from, SSL *to, const void *data,
		   size_t len);
bool tls_bench_over(struct tls_bench *b); /* the guest's connection is */

#endif
