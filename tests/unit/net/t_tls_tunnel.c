/* SPDX-License-Identifier: Apache-2.0 */
/* CONNECT, as the guest, the proxy, and whoever ends TLS see it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "tunnel_bench.h"

#define ASK "CONNECT api.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n"
#define ASK_OPEN "CONNECT api.example.com:8443 HTTP/1.1\r\n\r\n"
#define YES "HTTP/1.1 200 Connection established\r\n\r\n"
#define NO                                                                     \
	"HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic\r\n"           \
	"Content-Length: 7\r\n\r\n"

static struct tunnel_bench *open_bench(void)
{
	struct tunnel_bench *b = tunnel_bench_new();

	tunnel_bench_open(b, NULL);
	return b;
}

static struct tunnel_bench *open_with_rules(bool allow, const char *rules)
{
	struct policy p = { .allow_egress = allow };
	struct tunnel_bench *b = tunnel_bench_new();
	struct err err = { 0 };

	if (policy_parse_rules(rules, &p, &err))
		fail_msg("%s", err.msg);
	tunnel_bench_open(b, &p);
	return b;
}

static void tunnel(struct tunnel_bench *b, const char *ask)
{
	guest_says(b, ask);
	server_hears(b, ask);
	server_says(b, YES);
	guest_hears(b, YES);
}

static bool has_session(void *ctx)
{
	return ((struct tunnel_bench *)ctx)->session_fd >= 0;
}

/* TLS for this name arrived where it is ended. */
static void expect_session(struct tunnel_bench *b, const char *name)
{
	uint8_t hello[256];
	const size_t len = bench_hello(hello, name);
	struct iovec ring[2];

	guest_until(b->g, has_session, b);
	assert_string_equal(b->session_name, name);
	assert_int_equal(tcp_peek(b->session, ring), len);
	assert_memory_equal(ring[0].iov_base, hello, len);
	/* the socket is that to the proxy */
	assert_int_equal(write(b->session_fd, "in", 2), 2);
	server_hears(b, "in");
	tcp_reset(b->session);
}

static void says_hello(struct tunnel_bench *b, const char *name)
{
	uint8_t hello[256];

	guest_says_bytes(b, hello, bench_hello(hello, name));
}

/* --- tunnels that are looked into --- */

static void intercepted(void **state)
{
	struct tunnel_bench *b = open_bench();

	(void)state;
	tunnel(b, ASK);
	says_hello(b, "api.example.com");
	expect_session(b, "api.example.com");
	tunnel_bench_free(b);
}

static void in_pieces(void **state)
{
	static const char yes[] = YES;
	struct tunnel_bench *b = open_bench();
	uint8_t hello[256];
	const size_t len = bench_hello(hello, "api.example.com");

	(void)state;
	guest_says(b, "\r\n");
	for (const char *p = ASK; p[1]; p++)
		guest_says_bytes(b, p, 1);
	server_hears_nothing(b);
	guest_says(b, "\n");
	server_hears(b, ASK);
	for (size_t i = 0; i < sizeof(yes) - 1; i++) {
		assert_int_equal(write(b->fd, yes + i, 1), 1);
		guest_turn(b->g);
	}
	guest_hears(b, YES);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(b->session_fd, -1);
		guest_says_bytes(b, hello + i, 1);
		guest_turn(b->g);
	}
	expect_session(b, "api.example.com");
	tunnel_bench_free(b);
}

/* What follows too early is not for the proxy, whatever it answers. */
static void early_hello(void **state)
{
	struct tunnel_bench *b = open_bench();
	uint8_t both[512];
	const size_t ask = sizeof(ASK) - 1;

	(void)state;
	memcpy(both, ASK, ask);
	guest_says_bytes(b, both,
			 ask + bench_hello(both + ask, "api.example.com"));
	server_hears(b, ASK);
	server_hears_nothing(b);
	server_says(b, "HTTP/1.1 103 Early Hints\r\n\r\n");
	server_says(b, YES);
	guest_hears(b, "HTTP/1.1 103 Early Hints\r\n\r\n" YES);
	expect_session(b, "api.example.com");
	tunnel_bench_free(b);
}

static void other_tls(void **state)
{
	static const struct {
		const char *name, *why;
	} t[] = {
		{ "evil.example.com",
		  "its TLS is for another host than its tunnel" },
		{ NULL, "there is no TLS with a name in its tunnel" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct tunnel_bench *b = open_bench();

		tunnel(b, ASK);
		says_hello(b, t[i].name);
		is_blocked(b, t[i].why);
		assert_string_equal(b->name, "api.example.com");
		tunnel_bench_free(b);
	}
}

static void no_tls(void **state)
{
	struct tunnel_bench *b = open_bench();

	(void)state;
	tunnel(b, ASK);
	guest_says(b, "GET / HTTP/1.1\r\n");
	is_blocked(b, "there is no TLS with a name in its tunnel");
	/* nor when it ends first */
	tunnel_bench_again(b);
	tunnel(b, ASK);
	guest_ends(b);
	is_cut(b);
	tunnel_bench_free(b);
}

static void bypassed(void **state)
{
	struct tunnel_bench *b = open_bench();
	uint8_t hello[256];
	const size_t len = bench_hello(hello, "api.example.com");

	(void)state;
	secret_bench_hosts(&b->g->net->config.tls.bypass, "*.example.com");
	tunnel(b, ASK);
	says_hello(b, "api.example.com");
	server_hears_bytes(b, hello, len);
	server_says(b, "as it is");
	guest_hears(b, "as it is");
	/* for its own name only */
	tunnel_bench_again(b);
	tunnel(b, ASK);
	says_hello(b, "www.example.com");
	is_blocked(b, "its TLS is for another host than its tunnel");
	tunnel_bench_free(b);
}

/* --- tunnels that are not --- */

static void opaque(void **state)
{
	struct tunnel_bench *b = open_bench();

	(void)state;
	guest_says(b, ASK_OPEN);
	server_hears(b, ASK_OPEN);
	/* the server inside speaks first */
	server_says(b, YES "220 hello\r\n");
	guest_hears(b, YES "220 hello\r\n");
	guest_says(b, "CONNECT api.example.com:443 HTTP/1.1\r\n\r\n");
	server_hears(b, "CONNECT api.example.com:443 HTTP/1.1\r\n\r\n");
	guest_ends(b);
	server_hears_end(b);
	server_says(b, "still");
	guest_hears(b, "still");
	close_fd(&b->fd);
	guest_hears_end(b);
	tunnel_bench_free(b);
}

static void opaque_and_early(void **state)
{
	struct tunnel_bench *b = open_bench();

	(void)state;
	guest_says(b, ASK_OPEN "early");
	guest_ends(b);
	server_hears(b, ASK_OPEN);
	server_hears_nothing(b);
	server_says(b, YES);
	server_hears(b, "early");
	server_hears_end(b);
	guest_hears(b, YES);
	tunnel_bench_free(b);
}

/* Whoever is greeted does not speak to a proxy. */
static void server_first(void **state)
{
	struct tunnel_bench *b = open_bench();

	(void)state;
	server_says(b, "220 hello\r\n");
	guest_hears(b, "220 hello\r\n");
	guest_says(b, "CONNECT a:443 HTTP/1.1\n");
	server_hears(b, "CONNECT a:443 HTTP/1.1\n");
	tunnel_bench_free(b);
}

static void not_intercepting(void **state)
{
	struct tunnel_bench *b = open_bench();

	(void)state;
	b->g->net->config.tls.enabled = false;
	guest_says(b, "CONNECT a:443 HTTP/1.1\n");
	server_hears(b, "CONNECT a:443 HTTP/1.1\n");
	tunnel_bench_free(b);
}

/* --- what the proxy does not want --- */

static void refused_and_again(void **state)
{
	struct tunnel_bench *b = open_bench();

	(void)state;
	for (int i = 0; i < 3; i++) {
		guest_says(b, ASK);
		server_hears(b, ASK);
		server_says(b, NO "wh");
		guest_hears(b, NO "wh");
		server_says(b, "o is");
		server_says(b, "?");
		guest_hears(b, "o is?");
	}
	tunnel(b, ASK);
	says_hello(b, "api.example.com");
	expect_session(b, "api.example.com");
	tunnel_bench_free(b);
}

/* A refusal opens nothing. */
static void refused_and_something_else(void **state)
{
	struct tunnel_bench *b = open_bench();

	(void)state;
	guest_says(b, ASK_OPEN);
	server_hears(b, ASK_OPEN);
	server_says(b, NO "refused");
	guest_hears(b, NO "refused");
	guest_says(b, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	is_blocked(b, "its CONNECT request names no host:port");
	tunnel_bench_free(b);
}

static void refused_for_good(void **state)
{
	static const char *const t[] = {
		"HTTP/1.1 502 No\r\n\r\nfor some reason",
		"HTTP/1.1 502 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
		"HTTP/1.1 502 No\r\nContent-Length: 2\r\n\r\nand more",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct tunnel_bench *b = open_bench();

		guest_says(b, ASK "too early");
		server_hears(b, ASK);
		server_says(b, t[i]);
		guest_hears(b, t[i]);
		server_says(b, "...");
		guest_hears(b, "...");
		server_hears_nothing(b);
		if (i % 2) {
			close_fd(&b->fd);
			guest_hears_end(b);
		} else {
			guest_says(b, ASK);
			server_hears_end(b);
			guest_hears_end(b);
		}
		assert_int_equal(b->blocked, 0);
		tunnel_bench_free(b);
	}
}

static void proxy_goes(void **state)
{
	static const char *const t[] = { NULL, "", "HTTP/1.1 4", NO, NO "ref" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct tunnel_bench *b = open_bench();

		if (t[i]) {
			guest_says(b, ASK);
			server_hears(b, ASK);
			server_says(b, t[i]);
		} else {
			guest_says(b, "CONNECT ");
			guest_turn(b->g);
			server_says(b, "too slow");
		}
		close_fd(&b->fd);
		guest_hears(b, t[i] ? t[i] : "too slow");
		guest_hears_end(b);
		tunnel_bench_free(b);
	}
}

static void bad_answers(void **state)
{
	static const struct {
		const char *answer, *why;
	} t[] = {
		{ "SSH-2.0-x\r\n\r\n", "the proxy's answer is no HTTP" },
		{ "\r\n\r\n" YES, "the proxy's answer is no HTTP" },
		{ YES "x", "the proxy spoke inside the tunnel" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct tunnel_bench *b = open_bench();

		guest_says(b, ASK);
		server_hears(b, ASK);
		server_says(b, t[i].answer);
		is_blocked(b, t[i].why);
		tunnel_bench_free(b);
	}
}

static void long_answer(void **state)
{
	struct tunnel_bench *b = open_bench();
	char *text = malloc(8193);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', 8192);
	text[8192] = '\0';
	guest_says(b, ASK);
	server_hears(b, ASK);
	server_says(b, "HTTP/1.1 200 OK\r\nA: ");
	server_says(b, text);
	is_blocked(b, "the proxy's answer is too long");
	free(text);
	tunnel_bench_free(b);
}

static void either_resets(void **state)
{
	const struct linger now = { .l_onoff = 1 };
	struct tunnel_bench *b = open_bench();

	(void)state;
	guest_says(b, ASK);
	server_hears(b, ASK);
	assert_int_equal(
		setsockopt(b->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close_fd(&b->fd);
	while (!b->c.reset)
		assert_true(conn_receive(&b->c));
	b->c.reset = false;
	tunnel_bench_again(b);
	guest_says(b, ASK);
	server_hears(b, ASK);
	conn_send_at(&b->c, TH_RST, b->c.snd_nxt, 0, NULL, 0);
	assert_null(conn_inside(&b->c));
	tunnel_bench_free(b);
}

/* --- what nobody is asked --- */

static void bad_requests(void **state)
{
	static const struct {
		const char *ask, *why;
	} t[] = {
		{ "CONNECT a.com HTTP/1.1\r\n\r\n",
		  "its CONNECT request names no host:port" },
		{ "connect a.com:1 HTTP/1.1\r\n\r\n",
		  "its CONNECT request names no host:port" },
		{ "CONNECT a.com:1 HTTP/1.1\n\n",
		  "its CONNECT request is not valid" },
		{ "CONNECT a.com:1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
		  "a field of its CONNECT request is not valid" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct tunnel_bench *b = open_bench();

		guest_says(b, t[i].ask);
		is_blocked(b, t[i].why);
		tunnel_bench_free(b);
	}
}

static void long_request(void **state)
{
	struct tunnel_bench *b = open_bench();
	char *text = malloc((16 << 10) + 1);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', 16 << 10);
	text[16 << 10] = '\0';
	guest_says(b, "CONNECT a.com:1 HTTP/1.1\r\nA: ");
	guest_says(b, text);
	is_blocked(b, "its CONNECT request is too long");
	free(text);
	tunnel_bench_free(b);
}

static void unfinished_request(void **state)
{
	struct tunnel_bench *b = open_bench();

	(void)state;
	guest_says(b, "CONNECT a.com:1 HTTP/1.1\r\n");
	server_hears_nothing(b);
	conn_send_at(&b->c, TH_RST, b->c.snd_nxt, 0, NULL, 0);
	assert_null(conn_inside(&b->c));
	server_hears_end(b);
	tunnel_bench_free(b);
}

/* --- secrets are not for the proxy --- */

static void secrets_outside(void **state)
{
	static const char *const t[] = {
		"CONNECT api.example.com:443 HTTP/1.1\r\nX: $MSB_KEY\r\n\r\n",
		"CONNECT api.example.com:443 HTTP/1.1\r\n"
		"Proxy-Authorization: Bearer %24MSB_KEY\r\n\r\n",
		/* user:$MSB_KEY */
		"CONNECT api.example.com:443 HTTP/1.1\r\n"
		"Proxy-Authorization: Basic dXNlcjokTVNCX0tFWQ==\r\n\r\n",
		"CONNECT api.example.com:443 HTTP/1.1\r\n"
		"Authorization: basic dXNlcjokTVNCX0tFWQ==\r\n\r\n",
		/* also where the request is none */
		"CONNECT $MSB_KEY HTTP/1.1\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct tunnel_bench *b = tunnel_bench_new();

		secret_bench_add(&b->secrets, "KEY", NULL, "value",
				 "api.example.com,*", PLACE_ALL);
		tunnel_bench_open(b, NULL);
		guest_says(b, t[i]);
		is_violation(b, "KEY");
		assert_string_equal(b->found.method, "CONNECT");
		tunnel_bench_free(b);
	}
}

static void secrets_pass(void **state)
{
	static const char ask[] =
		"CONNECT api.example.com:443 HTTP/1.1\r\nX: $MSB_KEY\r\n\r\n";
	struct tunnel_bench *b = tunnel_bench_new();
	struct secret_config *s = secret_bench_add(
		&b->secrets, "KEY", NULL, "value", "other.com", PLACE_ALL);

	(void)state;
	s->on_violation.set = true;
	s->on_violation.action = SECRET_PASSTHROUGH;
	secret_bench_hosts(&s->on_violation.pass, "api.example.com");
	tunnel_bench_open(b, NULL);
	tunnel(b, ask);
	says_hello(b, "api.example.com");
	expect_session(b, "api.example.com");
	tunnel_bench_free(b);
}

/* --- the policy --- */

static void rules(void **state)
{
	static const struct {
		const char *rules, *ask;
		bool denied;
	} t[] = {
		{ "deny@*.example.com", ASK, true },
		{ "deny@*.example.com:tcp:443", ASK, true },
		{ "deny@*.example.com:tcp:444", ASK, false },
		{ "deny@*.example.org", ASK, false },
		{ "deny@metadata",
		  "CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n", true },
		{ "deny@metadata", "CONNECT [::1]:80 HTTP/1.1\r\n\r\n", false },
		{ "deny@loopback", "CONNECT [::1]:80 HTTP/1.1\r\n\r\n", true },
		/* the proxy is allowed, its port is not that of the target */
		{ "deny@host:tcp:443", ASK, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct tunnel_bench *b = open_with_rules(true, t[i].rules);

		guest_says(b, t[i].ask);
		if (t[i].denied) {
			is_cut(b);
			assert_non_null(strstr(b->g->log, t[i].rules));
		} else {
			server_hears(b, t[i].ask);
		}
		tunnel_bench_free(b);
	}
}

/* Who may speak to the proxy may ask for what no rule is about. */
static void proxy_alone_is_allowed(void **state)
{
	struct tunnel_bench *b = open_with_rules(false, "allow@host");

	(void)state;
	tunnel(b, ASK);
	tunnel_bench_again(b);
	tunnel(b, "CONNECT 10.0.0.1:443 HTTP/1.1\r\n\r\n");
	tunnel_bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intercepted),
		cmocka_unit_test(in_pieces),
		cmocka_unit_test(early_hello),
		cmocka_unit_test(other_tls),
		cmocka_unit_test(no_tls),
		cmocka_unit_test(bypassed),
		cmocka_unit_test(opaque),
		cmocka_unit_test(opaque_and_early),
		cmocka_unit_test(server_first),
		cmocka_unit_test(not_intercepting),
		cmocka_unit_test(refused_and_again),
		cmocka_unit_test(refused_and_something_else),
		cmocka_unit_test(refused_for_good),
		cmocka_unit_test(proxy_goes),
		cmocka_unit_test(bad_answers),
		cmocka_unit_test(long_answer),
		cmocka_unit_test(either_resets),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(long_request),
		cmocka_unit_test(unfinished_request),
		cmocka_unit_test(secrets_outside),
		cmocka_unit_test(secrets_pass),
		cmocka_unit_test(rules),
		cmocka_unit_test(proxy_alone_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
