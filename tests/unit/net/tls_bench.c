/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 4000 /* steps of a millisecond */
#define SEGMENT 16000u
#define RECEIVE_MAX (8u << 20)

/* --- set-up --- */

static void on_terminate(void *ctx)
{
	struct tls_bench *b = ctx;

	b->terminated++;
}

/* net_host.ctx is the guest's, who keeps the log. */
static struct tls_bench *current;

static void terminate(void *ctx)
{
	(void)ctx;
	on_terminate(current);
}

static void configure(void *ctx, struct net_config *c, struct net_host *h)
{
	struct tls_bench *b = ctx;
	struct err err = { 0 };

	c->tls.enabled = true;
	c->tls.ports = calloc(1, sizeof(*c->tls.ports));
	assert_non_null(c->tls.ports);
	c->tls.ports[0] = b->at.port;
	c->tls.nports = 1;
	if (!b->no_origin_ca)
		assert_int_equal(strv_add(&c->tls.upstream_cas,
					  pki_at(b->dir, "origin.pem")),
				 0);
	if (b->configure)
		b->configure(b, c);
	if (tls_proxy_new(c, pki_at(b->dir, "tls"),
			  b->values_fd ? b->values_fd : -1, &b->proxy, &err))
		fail_msg("%s", err.msg);
	h->tls_ops = &tls_proxy_ops;
	h->tls = b->proxy;
	h->terminate = terminate;
}

static void on_info(const SSL *ssl, int where, int value)
{
	struct tls_bench *b = SSL_get_app_data(ssl);

	if (where == SSL_CB_READ_ALERT) {
		b->alert = (uint8_t)value;
		b->alerted = true;
	}
}

static void make_contexts(struct tls_bench *b)
{
	const char *pem = tls_proxy_ca_pem(b->proxy);
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	assert_non_null(ca);
	b->server_ctx = SSL_CTX_new(TLS_server_method());
	b->client_ctx = SSL_CTX_new(TLS_client_method());
	assert_true(b->server_ctx && b->client_ctx);
	assert_int_equal(
		X509_STORE_add_cert(SSL_CTX_get_cert_store(b->client_ctx), ca),
		1);
	SSL_CTX_set_verify(b->client_ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_info_callback(b->client_ctx, on_info);
	(void)SSL_CTX_set_mode(b->client_ctx,
			       SSL_MODE_ENABLE_PARTIAL_WRITE |
				       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_CTX_set_mode(b->server_ctx,
			       SSL_MODE_ENABLE_PARTIAL_WRITE |
				       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	X509_free(ca);
	BIO_free(bio);
}

void tls_bench_new(struct tls_bench *b)
{
	const struct guest_options o = { .configure = configure, .ctx = b };
	void *dir;
	struct err err = { 0 };

	assert_int_equal(pki_make_dir(&dir), 0);
	b->dir = dir;
	b->fd = -1;
	current = b;
	if (tls_ca_open(pki_at(b->dir, "origin"), &pki_plain, &b->origin_ca,
			&err))
		fail_msg("%s", err.msg);
	pki_put(pki_at(b->dir, "origin.pem"), tls_ca_pem(b->origin_ca));
	assert_int_equal(
		tls_leaves_new(b->origin_ca, 10, 24, &b->origin_leaves), 0);
	b->listener = host_listen(AF_INET, &b->at);
	assert_int_equal(fcntl(b->listener, F_SETFL, O_NONBLOCK), 0);
	b->g = guest_new(&o);
	make_contexts(b);
	b->port = 2000;
}

/* Frames of a connection that is over. */
static void forget_frames(struct tls_bench *b)
{
	struct seg s;

	while (guest_has_frame(b->g) && guest_receive(b->g, &s))
		guest_segment_free(&s);
}

void tls_bench_hang_up(struct tls_bench *b)
{
	if (b->c.g && conn_inside(&b->c))
		conn_send(&b->c, TH_RST, NULL, 0);
	guest_turn(b->g);
	forget_frames(b);
	SSL_free(b->client); /* with its BIOs */
	SSL_free(b->server);
	b->client = b->server = NULL;
	if (b->fd >= 0)
		(void)close(b->fd);
	b->fd = -1;
	free(b->c.data);
	memset(&b->c, 0, sizeof(b->c));
}

void tls_bench_free(struct tls_bench *b)
{
	void *dir = b->dir;

	tls_bench_hang_up(b);
	guest_free(b->g);
	b->proxy = tls_proxy_free(b->proxy);
	SSL_CTX_free(b->server_ctx);
	SSL_CTX_free(b->client_ctx);
	b->origin_leaves = tls_leaves_free(b->origin_leaves);
	b->origin_ca = tls_ca_free(b->origin_ca);
	(void)close(b->listener);
	assert_int_equal(pki_remove_dir(&dir), 0);
}

/* --- the server --- */

static void serve(struct tls_bench *b)
{
	const char *asked =
		b->client ? SSL_get_servername(b->client,
					       TLSEXT_NAMETYPE_host_name)
			  : NULL;

	b->fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (b->fd < 0)
		return;
	b->server = SSL_new(b->server_ctx);
	assert_non_null(b->server);
	assert_int_equal(SSL_set_fd(b->server, b->fd), 1);
	SSL_set_accept_state(b->server);
	assert_int_equal(tls_leaf_use(b->origin_leaves,
				      b->name ? b->name
				      : asked ? asked
					      : BENCH_NAME,
				      b->now ? b->now : pki_now(), b->server),
			 0);
}

/* --- the guest --- */

static void receive(struct tls_bench *b)
{
	while (guest_has_frame(b->g)) {
		(void)conn_receive(&b->c);
		if (b->in && b->c.received)
			assert_int_equal(
				BIO_write(b->in, b->c.data, (int)b->c.received),
				(int)b->c.received);
		b->c.received = 0;
	}
	if (b->in && b->c.fin)
		BIO_set_mem_eof_return(b->in, 0);
}

static void transmit(struct tls_bench *b)
{
	const size_t max = b->segment ? b->segment : SEGMENT;
	uint8_t seg[SEGMENT];

	while (b->out && !b->c.reset && BIO_ctrl_pending(b->out)) {
		uint32_t used = b->c.snd_nxt - b->c.snd_una;
		size_t room =
			b->c.peer_window > used ? b->c.peer_window - used : 0;
		int n;

		if (!room)
			break;
		n = BIO_read(b->out, seg, room < max ? (int)room : (int)max);
		assert_true(n > 0);
		conn_send(&b->c, 0, seg, (size_t)n);
		guest_turn(b->g);
	}
}

void tls_bench_step(struct tls_bench *b)
{
	assert_int_equal(loop_turn(b->g->loop, 0), 0);
	if (!b->paused)
		receive(b);
	if (b->fd < 0)
		serve(b);
	ERR_clear_error();
	if (b->server && !SSL_is_init_finished(b->server))
		(void)SSL_do_handshake(b->server);
	if (b->client && !SSL_is_init_finished(b->client) &&
	    SSL_do_handshake(b->client) == 1 && b->early)
		assert_int_equal(
			SSL_write(b->client, b->early, (int)strlen(b->early)),
			(int)strlen(b->early));
	transmit(b);
	assert_int_equal(loop_turn(b->g->loop, 0), 0);
}

void tls_bench_until(struct tls_bench *b, bool (*cond)(struct tls_bench *b))
{
	for (int i = 0; !cond(b); i++) {
		struct pollfd none = { .fd = -1 };

		assert_true(i < PATIENCE);
		tls_bench_step(b);
		if (!cond(b) && !guest_has_frame(b->g))
			(void)poll(&none, 1, 1);
	}
}

void tls_bench_call(struct tls_bench *b, const char *name, const char *alpn)
{
	tls_bench_call_with(b, name, alpn, NULL);
}

void tls_bench_call_with(struct tls_bench *b, const char *name,
			 const char *alpn, SSL_SESSION *session)
{
	struct net_endpoint peer = gateway_end(b->g, AF_INET, b->at.port);

	assert_true(conn_open(&b->c, b->g, ++b->port, &peer));
	b->c.data = malloc(RECEIVE_MAX);
	b->c.data_max = RECEIVE_MAX;
	b->alert = 0;
	b->alerted = false;
	b->client = SSL_new(b->client_ctx);
	b->in = BIO_new(BIO_s_mem());
	b->out = BIO_new(BIO_s_mem());
	assert_true(b->c.data && b->client && b->in && b->out);
	BIO_set_mem_eof_return(b->in, -1);
	BIO_set_mem_eof_return(b->out, -1);
	SSL_set_bio(b->client, b->in, b->out);
	assert_int_equal(SSL_set_app_data(b->client, b), 1);
	SSL_set_connect_state(b->client);
	if (name) {
		assert_int_equal(SSL_set_tlsext_host_name(b->client, name), 1);
		assert_int_equal(SSL_set1_host(b->client, name), 1);
	}
	if (alpn)
		assert_int_equal(SSL_set_alpn_protos(b->client,
						     (const uint8_t *)alpn,
						     (unsigned)strlen(alpn)),
				 0);
	if (session)
		assert_int_equal(SSL_set_session(b->client, session), 1);
	(void)SSL_do_handshake(b->client);
	transmit(b);
}

static bool both_up(struct tls_bench *b)
{
	return SSL_is_init_finished(b->client) && b->server &&
	       SSL_is_init_finished(b->server);
}

void tls_bench_open(struct tls_bench *b, const char *name, const char *alpn)
{
	tls_bench_call(b, name, alpn);
	tls_bench_until(b, both_up);
}

bool tls_bench_over(struct tls_bench *b)
{
	return !conn_inside(&b->c) || b->c.fin || b->c.reset;
}

void tls_bench_say(struct tls_bench *b, SSL *from, SSL *to, const void *data,
		   size_t len)
{
	static uint8_t got[65536];
	size_t sent = 0, read = 0;

	for (int idle = 0; read < len; idle++) {
		int n;

		assert_true(idle < PATIENCE);
		n = sent < len ? SSL_write(from, (const uint8_t *)data + sent,
					   (int)(len - sent))
			       : 0;
		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
		}
		tls_bench_step(b);
		while ((n = SSL_read(to, got, sizeof(got))) > 0) {
			assert_true(read + (size_t)n <= len);
			assert_memory_equal(got, (const uint8_t *)data + read,
					    (size_t)n);
			read += (size_t)n;
			idle = 0;
		}
		if (idle)
			(void)poll(NULL, 0, 1);
	}
}
