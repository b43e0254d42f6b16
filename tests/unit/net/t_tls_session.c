/* SPDX-License-Identifier: Apache-2.0 */
/* Intercepted connections: what both ends see of one another. */
#include <errno.h>
#include <openssl/err.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/tls/proxy_int.h"
#include "tls_bench.h"

#define H2_H1 "\x02h2\x08http/1.1"
#define H1 "\x08http/1.1"

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct tls_bench));
	return 0;
}

static int tear_down(void **state)
{
	tls_bench_free(*state);
	free(*state);
	return 0;
}

static bool both_up(struct tls_bench *b)
{
	return SSL_is_init_finished(b->client) && b->server &&
	       SSL_is_init_finished(b->server);
}

static void both_ways(struct tls_bench *b)
{
	tls_bench_say(b, b->client, b->server, "ping", 4);
	tls_bench_say(b, b->server, b->client, "pong!", 5);
}

static void test_words(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	tls_bench_open(b, BENCH_NAME, H2_H1);
	both_ways(b);
	assert_int_equal(b->g->log_lines, 0);
	assert_string_equal(
		SSL_get_servername(b->server, TLSEXT_NAMETYPE_host_name),
		BENCH_NAME);
}

/* --- protocols --- */

static int choose(SSL *ssl, const unsigned char **out, unsigned char *len,
		  const unsigned char *in, unsigned in_len, void *arg)
{
	const char *want = arg;

	(void)ssl;
	return SSL_select_next_proto((unsigned char **)out, len,
				     (const unsigned char *)want,
				     (unsigned)strlen(want), in,
				     in_len) == OPENSSL_NPN_NEGOTIATED
		       ? SSL_TLSEXT_ERR_OK
		       : SSL_TLSEXT_ERR_NOACK;
}

static void assert_protocol(struct tls_bench *b, const char *want)
{
	const unsigned char *p;
	unsigned n;

	SSL_get0_alpn_selected(b->client, &p, &n);
	assert_int_equal(n, strlen(want));
	if (n)
		assert_memory_equal(p, want, n);
}

static void test_protocol_is_the_servers_choice(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	SSL_CTX_set_alpn_select_cb(b->server_ctx, choose,
				   (void *)(uintptr_t)H2_H1);
	tls_bench_open(b, BENCH_NAME, H2_H1);
	assert_protocol(b, "h2");
	tls_bench_hang_up(b);
	SSL_CTX_set_alpn_select_cb(b->server_ctx, choose,
				   (void *)(uintptr_t)H1);
	tls_bench_open(b, BENCH_NAME, H2_H1);
	assert_protocol(b, "http/1.1");
	tls_bench_hang_up(b);
	SSL_CTX_set_alpn_select_cb(b->server_ctx, NULL, NULL);
	tls_bench_open(b, BENCH_NAME, H2_H1);
	assert_protocol(b, "");
	both_ways(b);
}

static void test_versions(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct tls_bench *b = *state;

	tls_bench_new(b);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(SSL_CTX_set_max_proto_version(b->client_ctx,
							       versions[i & 1]),
				 1);
		assert_int_equal(SSL_CTX_set_max_proto_version(
					 b->server_ctx, versions[i >> 1]),
				 1);
		tls_bench_open(b, BENCH_NAME, NULL);
		assert_int_equal(SSL_version(b->client), versions[i & 1]);
		assert_int_equal(SSL_version(b->server), versions[i >> 1]);
		both_ways(b);
		tls_bench_hang_up(b);
	}
}

static void test_old_version_is_refused(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	SSL_CTX_set_security_level(b->client_ctx, 0);
	assert_int_equal(
		SSL_CTX_set_min_proto_version(b->client_ctx, TLS1_1_VERSION),
		1);
	assert_int_equal(
		SSL_CTX_set_max_proto_version(b->client_ctx, TLS1_1_VERSION),
		1);
	tls_bench_call(b, BENCH_NAME, NULL);
	tls_bench_until(b, tls_bench_over);
	assert_int_equal(b->alert, SSL_AD_PROTOCOL_VERSION);
}

/* --- servers that will not do --- */

static void assert_refused(struct tls_bench *b, uint8_t alert,
			   const char *words)
{
	tls_bench_call(b, BENCH_NAME, NULL);
	tls_bench_until(b, tls_bench_over);
	for (int i = 0; i < 3; i++)
		tls_bench_step(b);
	assert_false(SSL_is_init_finished(b->client));
	assert_true(b->alerted);
	assert_int_equal(b->alert, alert);
	if (!strstr(b->g->log, words))
		fail_msg("the log says: %s", b->g->log);
	assert_non_null(strstr(b->g->log, "name=" BENCH_NAME));
	assert_int_equal(b->g->log_lines, 1);
}

static void test_refused(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	assert_int_equal(shutdown(b->listener, SHUT_RDWR), 0);
	assert_refused(b, SSL_AD_INTERNAL_ERROR, "Connection refused");
}

static void test_expired(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	b->now = pki_now() - 100L * HOUR;
	assert_refused(b, SSL_AD_CERTIFICATE_EXPIRED, "expired");
}

static void test_other_name(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	b->name = "other.test";
	assert_refused(b, SSL_AD_BAD_CERTIFICATE, "ostname mismatch");
}

static void test_unknown_authority(void **state)
{
	struct tls_bench *b = *state;

	b->no_origin_ca = true;
	tls_bench_new(b);
	assert_refused(b, SSL_AD_UNKNOWN_CA, "the server's certificate");
}

static void do_not_verify(struct tls_bench *b, struct net_config *c)
{
	(void)b;
	c->tls.verify_upstream = false;
}

static void test_not_verified(void **state)
{
	struct tls_bench *b = *state;

	b->no_origin_ca = true;
	b->configure = do_not_verify;
	tls_bench_new(b);
	b->name = "other.test";
	b->now = pki_now() - 100L * HOUR;
	tls_bench_open(b, BENCH_NAME, NULL);
	both_ways(b);
}

static int refuse_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl;
	(void)arg;
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	return SSL_CLIENT_HELLO_ERROR;
}

static void test_server_alert_is_passed_on(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	SSL_CTX_set_client_hello_cb(b->server_ctx, refuse_name, NULL);
	assert_refused(b, SSL_AD_UNRECOGNIZED_NAME, "unrecognized name");
}

/* --- bytes --- */

static uint8_t *pattern(size_t len)
{
	uint8_t *p = malloc(len);

	assert_non_null(p);
	pattern_fill(p, 0, len);
	return p;
}

static void test_bulk(void **state)
{
	const size_t len = 3u << 20;
	struct tls_bench *b = *state;
	uint8_t *data = pattern(len);

	tls_bench_new(b);
	tls_bench_open(b, BENCH_NAME, NULL);
	tls_bench_say(b, b->client, b->server, data, len);
	tls_bench_say(b, b->server, b->client, data, len);
	free(data);
}

/* The hello, too, and each record comes byte by byte. */
static void test_small_pieces(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	b->segment = 1;
	tls_bench_open(b, BENCH_NAME, H2_H1);
	for (int i = 0; i < 3; i++)
		both_ways(b);
}

/* What is said as soon as the guest may, with the last of its handshake. */
static void test_words_with_the_handshake(void **state)
{
	static const char words[] = "at once";
	struct tls_bench *b = *state;
	char got[sizeof(words)];

	tls_bench_new(b);
	b->early = words;
	tls_bench_open(b, BENCH_NAME, NULL);
	for (int i = 0; SSL_read(b->server, got, sizeof(got)) <= 0; i++) {
		assert_true(i < 1000);
		tls_bench_step(b);
	}
	assert_memory_equal(got, words, sizeof(words) - 1);
}

/* Both sides write until nobody takes any more; then both read it all. */
static void test_slow_readers(void **state)
{
	struct tls_bench *b = *state;
	size_t max = 64u << 20, up = 0, down = 0, got = 0;
	uint8_t *data = pattern(max), buf[16384];
	int n, idle = 0;

	tls_bench_new(b);
	tls_bench_open(b, BENCH_NAME, NULL);
	b->paused = true; /* the guest's window closes */
	while (idle < 50) {
		idle++;
		n = SSL_write(b->server, data + down, 16384);
		if (n > 0) {
			down += (size_t)n;
			idle = 0;
		}
		tls_bench_step(b);
	}
	b->paused = false;
	assert_true(down < max / 2);
	while (got < down) {
		tls_bench_step(b);
		while ((n = SSL_read(b->client, buf, sizeof(buf))) > 0) {
			pattern_check(buf, got, (size_t)n);
			got += (size_t)n;
		}
	}
	for (idle = 0; idle < 50; idle++) {
		if (BIO_ctrl_pending(b->out) < 65536) {
			n = SSL_write(b->client, data + up, 16384);
			assert_true(n > 0);
			up += (size_t)n;
			idle = 0;
		}
		tls_bench_step(b);
	}
	assert_true(up < max / 2);
	for (got = 0; got < up;) {
		tls_bench_step(b);
		while ((n = SSL_read(b->server, buf, sizeof(buf))) > 0) {
			pattern_check(buf, got, (size_t)n);
			got += (size_t)n;
		}
	}
	free(data);
}

static void test_resumption_with_the_server(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	tls_bench_open(b, BENCH_NAME, NULL);
	assert_false(SSL_session_reused(b->server));
	both_ways(b);
	tls_bench_hang_up(b);
	tls_bench_open(b, BENCH_NAME, NULL);
	assert_true(SSL_session_reused(b->server));
	both_ways(b);
	tls_bench_hang_up(b);
	tls_bench_open(b, "other.test", NULL);
	assert_false(SSL_session_reused(b->server));
	both_ways(b);
}

/* The server is verified anew for a guest that resumes its own session. */
static void test_resumption_by_the_guest(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct tls_bench *b = *state;

	tls_bench_new(b);
	(void)SSL_CTX_set_session_cache_mode(b->client_ctx,
					     SSL_SESS_CACHE_CLIENT);
	for (int i = 0; i < 2; i++) {
		SSL_SESSION *s;

		assert_int_equal(SSL_CTX_set_max_proto_version(b->client_ctx,
							       versions[i]),
				 1);
		tls_bench_open(b, BENCH_NAME, NULL);
		both_ways(b);
		s = SSL_get1_session(b->client);
		assert_non_null(s);
		SSL_set_shutdown(b->client, SSL_SENT_SHUTDOWN);
		tls_bench_hang_up(b);
		tls_bench_call_with(b, BENCH_NAME, NULL, s);
		tls_bench_until(b, both_up);
		assert_int_equal(SSL_session_reused(b->client), 1);
		both_ways(b);
		tls_bench_hang_up(b);
		SSL_SESSION_free(s);
	}
}

/* It has to say hello twice. */
static void test_other_group_than_guessed(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	assert_int_equal(SSL_CTX_set1_groups_list(b->proxy->server, "P-256"),
			 1);
	assert_int_equal(
		SSL_CTX_set1_groups_list(b->client_ctx, "X25519:P-256"), 1);
	tls_bench_open(b, BENCH_NAME, H2_H1);
	both_ways(b);
}

/* --- ends --- */

static bool server_heard_end(struct tls_bench *b)
{
	char c;

	return SSL_read(b->server, &c, 1) <= 0 &&
	       SSL_get_shutdown(b->server) & SSL_RECEIVED_SHUTDOWN;
}

static bool client_heard_end(struct tls_bench *b)
{
	char c;

	return SSL_read(b->client, &c, 1) <= 0 &&
	       SSL_get_shutdown(b->client) & SSL_RECEIVED_SHUTDOWN;
}

static bool guest_fin(struct tls_bench *b)
{
	return b->c.fin;
}

static bool is_gone(struct tls_bench *b)
{
	return !conn_inside(&b->c) ||
	       conn_inside(&b->c)->phase == CONN_TIME_WAIT;
}

static void test_half_close_by_the_guest(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	tls_bench_open(b, BENCH_NAME, NULL);
	tls_bench_say(b, b->client, b->server, "last words", 10);
	assert_int_equal(SSL_shutdown(b->client), 0);
	tls_bench_step(b);
	conn_send(&b->c, TH_FIN, NULL, 0);
	tls_bench_until(b, server_heard_end);
	tls_bench_say(b, b->server, b->client, "an answer", 9);
	assert_int_equal(SSL_shutdown(b->server), 1);
	assert_int_equal(shutdown(b->fd, SHUT_WR), 0);
	tls_bench_until(b, client_heard_end);
	tls_bench_until(b, guest_fin);
	tls_bench_until(b, is_gone);
	assert_int_equal(b->g->log_lines, 0);
}

static void test_half_close_by_the_server(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	tls_bench_open(b, BENCH_NAME, NULL);
	tls_bench_say(b, b->server, b->client, "last words", 10);
	assert_int_equal(SSL_shutdown(b->server), 0);
	tls_bench_until(b, client_heard_end);
	tls_bench_until(b, guest_fin);
	tls_bench_say(b, b->client, b->server, "an answer", 9);
	assert_int_equal(SSL_shutdown(b->client), 1);
	tls_bench_step(b);
	conn_send(&b->c, TH_FIN, NULL, 0);
	tls_bench_until(b, server_heard_end);
	tls_bench_until(b, is_gone);
}

/* An end that nobody announced is not announced to the guest. */
static void test_truncation(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	tls_bench_open(b, BENCH_NAME, NULL);
	tls_bench_say(b, b->server, b->client, "half of", 7);
	assert_int_equal(shutdown(b->fd, SHUT_WR), 0);
	tls_bench_until(b, guest_fin);
	assert_false(client_heard_end(b));
}

static void test_reset_by_the_server(void **state)
{
	const struct linger now = { .l_onoff = 1 };
	struct tls_bench *b = *state;

	tls_bench_new(b);
	tls_bench_open(b, BENCH_NAME, NULL);
	both_ways(b);
	assert_int_equal(
		setsockopt(b->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	(void)close(b->fd);
	b->fd = dup(b->listener); /* nobody is to be accepted */
	tls_bench_until(b, tls_bench_over);
	assert_true(b->c.reset);
}

static void test_reset_by_the_guest(void **state)
{
	struct tls_bench *b = *state;
	char c;

	tls_bench_new(b);
	tls_bench_open(b, BENCH_NAME, NULL);
	both_ways(b);
	conn_send(&b->c, TH_RST, NULL, 0);
	tls_bench_until(b, is_gone);
	assert_true(recv(b->fd, &c, 1, 0) < 0);
	assert_int_equal(errno, ECONNRESET);
}

/* What the guest said before it went reaches a server that was busy. */
static void test_last_words_linger(void **state)
{
	const size_t max = 64u << 20;
	struct tls_bench *b = *state;
	uint8_t *data = pattern(max), buf[16384];
	size_t up = 0, got = 0;
	int n;

	tls_bench_new(b);
	tls_bench_open(b, BENCH_NAME, NULL);
	for (int idle = 0; idle < 50; idle++) {
		if (BIO_ctrl_pending(b->out) < 65536) {
			n = SSL_write(b->client, data + up, 16384);
			assert_true(n > 0);
			up += (size_t)n;
			idle = 0;
		}
		tls_bench_step(b);
	}
	assert_int_equal(SSL_shutdown(b->server), 0);
	tls_bench_until(b, guest_fin);
	(void)SSL_shutdown(b->client);
	while (BIO_ctrl_pending(b->out) || got < up) {
		tls_bench_step(b);
		while ((n = SSL_read(b->server, buf, sizeof(buf))) > 0) {
			pattern_check(buf, got, (size_t)n);
			got += (size_t)n;
		}
		if (!BIO_ctrl_pending(b->out) && !b->c.reset &&
		    conn_inside(&b->c) && !conn_inside(&b->c)->rcv_fin)
			conn_send(&b->c, TH_FIN, NULL, 0);
	}
	assert_int_equal(got, up);
	tls_bench_until(b, server_heard_end);
	free(data);
}

/* --- guests that misbehave --- */

static void test_renegotiation(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	assert_int_equal(
		SSL_CTX_set_max_proto_version(b->client_ctx, TLS1_2_VERSION),
		1);
	tls_bench_open(b, BENCH_NAME, NULL);
	both_ways(b);
	assert_int_equal(SSL_renegotiate(b->client), 1);
	(void)SSL_do_handshake(b->client);
	for (int i = 0; i < 20; i++)
		tls_bench_step(b);
	assert_int_equal(b->alert, SSL_AD_NO_RENEGOTIATION);
}

static void test_garbage_after_the_handshake(void **state)
{
	static const char garbage[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	struct tls_bench *b = *state;
	char c;

	tls_bench_new(b);
	tls_bench_open(b, BENCH_NAME, NULL);
	both_ways(b);
	conn_send(&b->c, 0, garbage, sizeof(garbage) - 1);
	tls_bench_until(b, tls_bench_over);
	assert_true(recv(b->fd, &c, 1, 0) < 0 ||
		    SSL_read(b->server, &c, 1) < 0);
}

static void assert_closed_at_once(struct tls_bench *b, const char *words)
{
	tls_bench_until(b, tls_bench_over);
	tls_bench_step(b);
	assert_true(b->c.reset);
	assert_int_equal(b->fd, -1);
	if (!strstr(b->g->log, words))
		fail_msg("the log says: %s", b->g->log);
}

static void test_no_name(void **state)
{
	struct tls_bench *b = *state;

	tls_bench_new(b);
	tls_bench_call(b, NULL, NULL);
	assert_closed_at_once(b, "interception");
}

static void test_no_tls(void **state)
{
	struct net_endpoint peer;
	struct tls_bench *b = *state;

	tls_bench_new(b);
	peer = gateway_end(b->g, AF_INET, b->at.port);
	assert_true(conn_open(&b->c, b->g, 2000, &peer));
	conn_send(&b->c, 0, "GET / HTTP/1.1\r\n", 16);
	assert_closed_at_once(b, "interception");
}

/* --- who is intercepted --- */

static void bypass(struct tls_bench *b, struct net_config *c)
{
	(void)b;
	c->tls.bypass.v = calloc(1, sizeof(*c->tls.bypass.v));
	assert_non_null(c->tls.bypass.v);
	assert_int_equal(host_pattern_parse("*.test", c->tls.bypass.v, NULL),
			 0);
	c->tls.bypass.n = 1;
}

static void test_bypass(void **state)
{
	struct tls_bench *b = *state;
	X509 *leaf;
	EVP_PKEY *key;

	b->configure = bypass;
	tls_bench_new(b);
	SSL_CTX_set_verify(b->client_ctx, SSL_VERIFY_NONE, NULL);
	tls_bench_open(b, BENCH_NAME, NULL);
	both_ways(b);
	leaf = SSL_get1_peer_certificate(b->client);
	key = X509_get0_pubkey(SSL_get_certificate(b->server));
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(leaf), key), 1);
	X509_free(leaf);
}

static void deny_name(struct tls_bench *b, struct net_config *c)
{
	struct err err = { 0 };

	(void)b;
	c->policy.allow_egress = true;
	assert_int_equal(
		policy_parse_rules("deny@" BENCH_NAME, &c->policy, &err), 0);
	c->policy.has_names = true;
}

static void test_policy_counts_the_name(void **state)
{
	struct tls_bench *b = *state;

	b->configure = deny_name;
	tls_bench_new(b);
	tls_bench_call(b, BENCH_NAME, NULL);
	assert_closed_at_once(b, "rule 1");
	tls_bench_hang_up(b);
	tls_bench_open(b, "other.test", NULL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_words),
		T(test_protocol_is_the_servers_choice),
		T(test_versions),
		T(test_old_version_is_refused),
		T(test_refused),
		T(test_expired),
		T(test_other_name),
		T(test_unknown_authority),
		T(test_not_verified),
		T(test_server_alert_is_passed_on),
		T(test_bulk),
		T(test_small_pieces),
		T(test_words_with_the_handshake),
		T(test_slow_readers),
		T(test_resumption_with_the_server),
		T(test_resumption_by_the_guest),
		T(test_other_group_than_guessed),
		T(test_half_close_by_the_guest),
		T(test_half_close_by_the_server),
		T(test_truncation),
		T(test_reset_by_the_server),
		T(test_reset_by_the_guest),
		T(test_last_words_linger),
		T(test_renegotiation),
		T(test_garbage_after_the_handshake),
		T(test_no_name),
		T(test_no_tls),
		T(test_bypass),
		T(test_policy_counts_the_name),
	};

	(void)signal(SIGPIPE,
		     SIG_IGN); /* the server writes without MSG_NOSIGNAL */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
