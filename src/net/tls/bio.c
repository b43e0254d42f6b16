/* SPDX-License-Identifier: Apache-2.0 */
/* The two ends of an intercepted connection as OpenSSL reads and writes them:
 * the rings of the guest's connection, and a socket. */
#include <errno.h>
#include <openssl/bio.h>
#include <sys/socket.h>

#include "base/iov.h"
#include "net/tls/session_int.h"

/* --- the guest's connection --- */

/* Will nothing more come? */
static bool ended(const struct guest_tls *g)
{
	struct iovec iov[2];

	return !g->conn || (g->fin && !tcp_peek(g->conn, iov));
}

static int guest_read(BIO *b, char *data, int len)
{
	struct guest_tls *g = BIO_get_data(b);
	struct iovec iov[2];
	size_t have, n = len > 0 ? (size_t)len : 0;

	BIO_clear_retry_flags(b);
	have = g->conn ? tcp_peek(g->conn, iov) : 0;
	if (n > have)
		n = have;
	if (!n && ended(g))
		return 0;
	if (!n) {
		BIO_set_retry_read(b);
		return -1;
	}
	(void)iov_read(iov, 2, 0, data, n);
	tcp_consume(g->conn, n);
	return (int)n;
}

static int guest_write(BIO *b, const char *data, int len)
{
	struct guest_tls *g = BIO_get_data(b);
	struct iovec iov[2];
	size_t space, n = len > 0 ? (size_t)len : 0;

	BIO_clear_retry_flags(b);
	if (!g->conn) /* nobody hears it */
		return len;
	space = tcp_space(g->conn, iov);
	g->asked = true;
	if (n > space - g->staged)
		n = space - g->staged;
	if (!n) {
		BIO_set_retry_write(b);
		return -1;
	}
	(void)iov_write(iov, 2, g->staged, data, n);
	g->staged += n;
	return (int)n;
}

static long guest_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	(void)num;
	(void)ptr;
	if (cmd == BIO_CTRL_EOF)
		return ended(BIO_get_data(b));
	return cmd == BIO_CTRL_FLUSH;
}

size_t guest_tls_room(struct guest_tls *g)
{
	struct iovec iov[2];
	size_t space = tcp_space(g->conn, iov);

	g->asked = true;
	return space - g->staged;
}

void guest_tls_flush(struct guest_tls *g)
{
	size_t n = g->staged;

	if (!g->asked)
		return;
	g->asked = false;
	g->staged = 0;
	tcp_commit(g->conn, n);
}

/* --- the server's socket --- */

static int server_read(BIO *b, char *data, int len)
{
	struct server_tls *u = BIO_get_data(b);
	ssize_t n = -1;

	BIO_clear_retry_flags(b);
	if (u->readable && !u->eof && !u->error && len > 0) {
		do
			n = recv(u->fd, data, (size_t)len, MSG_DONTWAIT);
		while (n < 0 && errno == EINTR);
		if (n == 0)
			u->eof = true;
		else if (n < 0 && errno != EAGAIN)
			u->error = -errno;
		else if (n < 0 || (n < len && !u->hung_up))
			u->readable = false;
	}
	if (n > 0)
		return (int)n;
	if (u->eof || u->error)
		return u->error ? -1 : 0;
	BIO_set_retry_read(b);
	return -1;
}

static int server_write(BIO *b, const char *data, int len)
{
	struct server_tls *u = BIO_get_data(b);
	ssize_t n = -1;

	BIO_clear_retry_flags(b);
	if (u->writable && len > 0) {
		do
			n = send(u->fd, data, (size_t)len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		while (n < 0 && errno == EINTR);
		if (n < 0 && errno != EAGAIN) {
			u->error = -errno;
			return -1;
		}
		if (n < len)
			u->writable = false;
	}
	if (n > 0)
		return (int)n;
	BIO_set_retry_write(b);
	return -1;
}

static long server_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	const struct server_tls *u = BIO_get_data(b);

	(void)num;
	(void)ptr;
	if (cmd == BIO_CTRL_EOF)
		return u->eof;
	return cmd == BIO_CTRL_FLUSH;
}

void server_tls_events(struct server_tls *u, uint32_t events)
{
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		u->hung_up = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		u->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		u->writable = true;
}

/* --- made once --- */

static BIO_METHOD *method(const char *name, int (*read)(BIO *, char *, int),
			  int (*write)(BIO *, const char *, int),
			  long (*ctrl)(BIO *, int, long, void *))
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, name);

	if (!m || !BIO_meth_set_read(m, read) ||
	    !BIO_meth_set_write(m, write) || !BIO_meth_set_ctrl(m, ctrl)) {
		BIO_meth_free(m);
		return NULL;
	}
	return m;
}

int tls_bios_new(struct tls_proxy *p)
{
	p->guest_bio = method("guest", guest_read, guest_write, guest_ctrl);
	p->server_bio =
		method("server", server_read, server_write, server_ctrl);
	return p->guest_bio && p->server_bio ? 0 : -ENOMEM;
}

void tls_bios_free(struct tls_proxy *p)
{
	BIO_meth_free(p->guest_bio);
	BIO_meth_free(p->server_bio);
	p->guest_bio = p->server_bio = NULL;
}

static SSL *open_end(SSL_CTX *ctx, const BIO_METHOD *m, void *end, void *app)
{
	SSL *ssl = SSL_new(ctx);
	BIO *b = ssl ? BIO_new(m) : NULL;

	if (!b || !SSL_set_app_data(ssl, app)) {
		BIO_free(b);
		SSL_free(ssl);
		return NULL;
	}
	BIO_set_data(b, end);
	BIO_set_init(b, 1);
	SSL_set_bio(ssl, b, b);
	return ssl;
}

int guest_tls_open(struct guest_tls *g, struct tls_proxy *p, struct tcp_conn *c,
		   void *app)
{
	g->conn = c;
	g->ssl = open_end(p->server, p->guest_bio, g, app);
	if (!g->ssl)
		return -ENOMEM;
	SSL_set_accept_state(g->ssl);
	return 0;
}

void guest_tls_close(struct guest_tls *g)
{
	SSL_free(g->ssl);
	g->ssl = NULL;
}

int server_tls_open(struct server_tls *u)
{
	u->ssl = open_end(u->proxy->client, u->proxy->server_bio, u, u);
	if (!u->ssl)
		return -ENOMEM;
	SSL_set_connect_state(u->ssl);
	return 0;
}

void server_tls_close(struct server_tls *u)
{
	/* one that just ended can be resumed (RFC 5246 7.2.1) */
	if (u->ssl)
		SSL_set_shutdown(u->ssl,
				 SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(u->ssl);
	u->ssl = NULL;
}
