/* SPDX-License-Identifier: Apache-2.0 */
/* TLS as a client, for the resolver: somebody else watches the socket. */
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls/session_int.h"

struct tls_wire {
	struct server_tls server;
	char name[NET_NAME_MAX + 1];
	uint32_t waits; /* EPOLLIN or EPOLLOUT */
};

struct tls_wire *wire_open(struct tls_proxy *p, int fd,
			   const struct net_endpoint *to, const char *name)
{
	struct tls_wire *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	(void)snprintf(w->name, sizeof(w->name), "%s", name);
	w->server = (struct server_tls){
		.fd = fd,
		.proxy = p,
		.name = w->name,
		.peer = *to,
	};
	w->waits = EPOLLOUT;
	if (server_tls_open(&w->server) ||
	    server_tls_prepare(&w->server, NULL, 0)) {
		wire_close(w);
		return NULL;
	}
	return w;
}

/* What an SSL call that gave rc has come to. */
static ssize_t outcome(struct tls_wire *w, int rc)
{
	if (rc > 0)
		return rc;
	switch (SSL_get_error(w->server.ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		w->waits = EPOLLIN;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		w->waits = EPOLLOUT;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return w->server.error ? w->server.error : -EPROTO;
	}
}

/* The socket may have become ready since: whoever calls was told so. */
static int length(struct tls_wire *w, size_t len)
{
	ERR_clear_error();
	w->server.readable = w->server.writable = true;
	return len < TLS_RECORD_MAX ? (int)len : (int)TLS_RECORD_MAX;
}

ssize_t wire_send(struct tls_wire *w, const void *data, size_t len)
{
	int n = length(w, len);

	return outcome(w, SSL_write(w->server.ssl, data, n));
}

ssize_t wire_recv(struct tls_wire *w, void *data, size_t len)
{
	int n = length(w, len);

	return outcome(w, SSL_read(w->server.ssl, data, n));
}

uint32_t wire_waits(const struct tls_wire *w)
{
	return w->waits;
}

void wire_close(struct tls_wire *w)
{
	server_tls_close(&w->server);
	free(w);
}
