/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP without TLS in a sandbox with secrets. */
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
#include "net/http/request.h"
#include "tunnel_bench.h"

#define GET(target, host, more)                                                \
	"GET " target " HTTP/1.1\r\nHost: " host "\r\n" more "\r\n"

/* One secret, for these hosts; plain: it does not ask for TLS. */
static struct tunnel_bench *open_bench(const char *hosts, bool plain)
{
	struct tunnel_bench *b = tunnel_bench_new();
	struct secret_config *s = secret_bench_add(&b->secrets, "KEY", NULL,
						   "value", hosts, PLACE_ALL);

	s->require_tls_identity = !plain;
	tunnel_bench_open(b, NULL);
	return b;
}

/* The server is one that this name resolved to. */
static void bind_name(struct tunnel_bench *b, const char *name)
{
	assert_int_equal(names_bind(b->g->net->names, name, AF_INET,
				    &b->peer.addr, 1, 60, clock_mono_ms()),
			 0);
}

static void put_in(void **state)
{
	struct tunnel_bench *b = open_bench("api.com", true);

	(void)state;
	bind_name(b, "api.com");
	guest_says(b, GET("/?k=$MSB_KEY", "api.com:80", "A: $MSB_KEY\r\n"));
	server_hears(b, GET("/?k=value", "api.com:80", "A: value\r\n"));
	server_says(b, "HTTP/1.1 204 OK\r\n\r\n");
	guest_hears(b, "HTTP/1.1 204 OK\r\n\r\n");
	/* also in what follows, byte by byte */
	for (const char *p = GET("/", "API.com", "B: $MSB_KEY\r\n"); *p; p++) {
		guest_says_bytes(b, p, 1);
		guest_turn(b->g);
	}
	server_hears(b, GET("/", "API.com", "B: value\r\n"));
	tunnel_bench_free(b);
}

static void put_into_body(void **state)
{
	struct tunnel_bench *b = open_bench("api.com", true);

	(void)state;
	bind_name(b, "api.com");
	guest_says(b, "POST / HTTP/1.1\r\nHost: api.com\r\n"
		      "Content-Length: 10\r\n\r\n$MSB_");
	server_hears_nothing(b);
	guest_says(b, "KEY..");
	server_hears(b, "POST / HTTP/1.1\r\nHost: api.com\r\n"
			"Content-Length: 7\r\n\r\nvalue..");
	guest_turn(b->g);
	assert_int_equal(b->proxy.room, HTTP_MAX_HELD);
	tunnel_bench_free(b);
}

/* Who says it is that host has not been resolved as it. */
static void not_pinned(void **state)
{
	struct tunnel_bench *b = open_bench("api.com", true);

	(void)state;
	bind_name(b, "other.com");
	guest_says(b, GET("/", "api.com", "A: $MSB_KEY\r\n"));
	is_violation(b, "KEY");
	tunnel_bench_free(b);
}

static void tls_only(void **state)
{
	struct tunnel_bench *b = open_bench("api.com", false);

	(void)state;
	bind_name(b, "api.com");
	/* as it is where it would be allowed, were there TLS */
	guest_says(b, GET("/", "api.com", "A: $MSB_KEY\r\n"));
	server_hears(b, GET("/", "api.com", "A: $MSB_KEY\r\n"));
	/* and not to anyone else */
	tunnel_bench_again(b);
	guest_says(b, GET("/", "other.com", "A: $MSB_KEY\r\n"));
	is_violation(b, "KEY");
	tunnel_bench_free(b);
}

static void another_host_follows(void **state)
{
	struct tunnel_bench *b = open_bench("api.com", true);

	(void)state;
	bind_name(b, "api.com");
	guest_says(b, GET("/", "api.com", ""));
	server_hears(b, GET("/", "api.com", ""));
	guest_says(b, GET("/", "other.com", "A: $MSB_KEY\r\n"));
	is_cut(b);
	assert_int_equal(b->blocked, 1);
	assert_string_equal(b->name, "api.com");
	tunnel_bench_free(b);
}

static void two_hosts(void **state)
{
	struct tunnel_bench *b = open_bench("api.com", true);

	(void)state;
	bind_name(b, "api.com");
	guest_says(b, GET("/", "api.com", "Host: other.com\r\n"));
	is_cut(b);
	assert_int_equal(b->blocked, 1);
	tunnel_bench_free(b);
}

/* --- who names no host --- */

static void no_host(void **state)
{
	static const struct {
		const char *hosts;
		bool plain;
		const char *says, *hears; /* NULL: not let through */
	} t[] = {
		{ "api.com", true, "GET / HTTP/1.0\r\n\r\n", NULL },
		{ "api.com", false, "GET / HTTP/1.0\r\n\r\n",
		  "GET / HTTP/1.0\r\n\r\n" },
		{ "*", true, "GET /?$MSB_KEY HTTP/1.0\r\n\r\n",
		  "GET /?value HTTP/1.0\r\n\r\n" },
		{ "*", false, "GET /?$MSB_KEY HTTP/1.0\r\n\r\n",
		  "GET /?$MSB_KEY HTTP/1.0\r\n\r\n" },
		{ "api.com,*", true, "GET / HTTP/1.0\r\n\r\n",
		  "GET / HTTP/1.0\r\n\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct tunnel_bench *b = open_bench(t[i].hosts, t[i].plain);

		guest_says(b, t[i].says);
		if (t[i].hears)
			server_hears(b, t[i].hears);
		else
			is_blocked(b, "its first request names no host");
		tunnel_bench_free(b);
	}
}

static void no_host_leaks(void **state)
{
	struct tunnel_bench *b = open_bench("api.com", false);

	(void)state;
	guest_says(b, "GET /?$MSB_KEY HTTP/1.0\r\n\r\n");
	is_violation(b, "KEY");
	tunnel_bench_free(b);
}

/* The preface of HTTP/2 and settings; then headers that are not compressed. */
static void http2(void **state)
{
	char rest[64];
	static const char first[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
				    "\0\0\0\4\0\0\0\0\0";
	/* GET, http, /, :authority x, a: ... */
	static const char good[] = "\0\0\x0b\1\5\0\0\0\1\x82\x86\x84"
				   "\x41\1x\x40\1a\1b";
	static const char bad[] = "\0\0\x12\1\5\0\0\0\3\x82\x86\x84"
				  "\x41\1x\x40\1a\x08$MSB_KEY";
	struct tunnel_bench *b = open_bench("api.com", true);

	(void)state;
	guest_says_bytes(b, first, sizeof(first) - 1);
	server_hears_bytes(b, first, sizeof(first) - 1);
	guest_says_bytes(b, good, sizeof(good) - 1);
	server_hears_bytes(b, good, 9); /* as long as it was */
	guest_turn(b->g);
	assert_true(recv(b->fd, rest, sizeof(rest), 0) > 0);
	guest_says_bytes(b, bad, sizeof(bad) - 1);
	is_violation(b, "KEY");
	assert_string_equal(b->found.protocol, "http/2");
	tunnel_bench_free(b);
}

/* --- proxies --- */

static void to_proxy(void **state)
{
	struct tunnel_bench *b = open_bench("api.com", false);

	(void)state;
	guest_says(b, GET("http://api.com/", "api.com", ""));
	server_hears(b, GET("http://api.com/", "api.com", ""));
	guest_says(b, GET("http://other.com/", "other.com", ""));
	server_hears(b, GET("http://other.com/", "other.com", ""));
	/* it is for no proxy */
	guest_says(b, GET("http://api.com/", "api.com", "A: $MSB_KEY\r\n"));
	is_violation(b, "KEY");
	tunnel_bench_free(b);
}

/* A secret for any host goes to one. */
static void to_proxy_with_secret(void **state)
{
	struct tunnel_bench *b = open_bench("*", true);

	(void)state;
	guest_says(b, GET("http://api.com/", "api.com", "A: $MSB_KEY\r\n"));
	server_hears(b, GET("http://api.com/", "api.com", "A: value\r\n"));
	guest_says(b, GET("http://other.com/", "other.com", ""));
	is_cut(b);
	assert_int_equal(b->blocked, 1);
	tunnel_bench_free(b);
}

/* --- what is none of it --- */

static void not_http(void **state)
{
	struct tunnel_bench *b = open_bench("api.com", true);

	(void)state;
	guest_says(b, "PING\r\n");
	server_hears(b, "PING\r\n");
	guest_says(b, "GET $MSB_KEY HTTP/1.1\r\n");
	server_hears(b, "GET $MSB_KEY HTTP/1.1\r\n");
	tunnel_bench_free(b);
}

static void no_secrets(void **state)
{
	struct tunnel_bench *b = tunnel_bench_new();

	(void)state;
	tunnel_bench_open(b, NULL);
	guest_says(b, "GET"); /* nobody waits for what comes of it */
	server_hears(b, "GET");
	tunnel_bench_free(b);
}

static void endless_head(void **state)
{
	struct tunnel_bench *b = open_bench("api.com", true);
	char *text = malloc(8 << 10);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', 8 << 10);
	guest_says(b, "GET / HTTP/1.1\r\nA: ");
	for (int i = 0; i < 8; i++) {
		guest_says_bytes(b, text, 8 << 10);
		guest_turn(b->g);
	}
	is_blocked(b, "the head of its first request is too long");
	free(text);
	tunnel_bench_free(b);
}

/* --- bytes --- */

static void server_speaks_meanwhile(void **state)
{
	struct tunnel_bench *b = open_bench("api.com", true);

	(void)state;
	bind_name(b, "api.com");
	guest_says(b, "GET / HTTP/1.1\r\n");
	server_hears_nothing(b);
	server_says(b, "HTTP/1.1 408 Too slow\r\n\r\n");
	guest_hears(b, "HTTP/1.1 408 Too slow\r\n\r\n");
	guest_says(b, "Host: api.com\r\n\r\n");
	server_hears(b, "GET / HTTP/1.1\r\nHost: api.com\r\n\r\n");
	tunnel_bench_free(b);
}

static void half_closed(void **state)
{
	struct tunnel_bench *b = open_bench("api.com", true);

	(void)state;
	bind_name(b, "api.com");
	guest_says(b, GET("/", "api.com", ""));
	guest_ends(b);
	server_hears(b, GET("/", "api.com", ""));
	server_hears_end(b);
	server_says(b, "answer");
	guest_hears(b, "answer");
	close_fd(&b->fd);
	guest_hears_end(b);
	/* the other way round */
	tunnel_bench_again(b);
	guest_says(b, GET("/", "api.com", ""));
	server_hears(b, GET("/", "api.com", ""));
	assert_int_equal(shutdown(b->fd, SHUT_WR), 0);
	guest_hears_end(b);
	guest_says(b, GET("/2", "api.com", "A: $MSB_KEY\r\n"));
	server_hears(b, GET("/2", "api.com", "A: value\r\n"));
	guest_ends(b);
	server_hears_end(b);
	tunnel_bench_free(b);
}

static void unfinished(void **state)
{
	struct tunnel_bench *b = open_bench("api.com", true);

	(void)state;
	bind_name(b, "api.com");
	guest_says(b, "GET / HTTP/1.1\r\nHost: api.com\r\nA: $MSB_");
	guest_ends(b);
	server_hears_end(b);
	tunnel_bench_free(b);
}

/* A body goes on while the server reads; it waits while it does not. */
static void upload(void **state)
{
	const size_t total = 16u << 20;
	struct tunnel_bench *b = open_bench("api.com", true);
	uint8_t *out = malloc(60000), *in = malloc(1 << 20);
	size_t said = 0, heard = 0;

	(void)state;
	assert_true(out && in);
	bind_name(b, "api.com");
	guest_says(b, GET("/", "api.com",
			  "Content-Length: 16777216\r\n"
			  "Content-Encoding: gzip\r\n"));
	server_hears(b, GET("/", "api.com",
			    "Content-Length: 16777216\r\n"
			    "Content-Encoding: gzip\r\n"));
	for (bool full = false; heard < total;) {
		size_t window = b->c.snd_una + b->c.peer_window - b->c.snd_nxt;
		size_t n = total - said < 60000 ? total - said : 60000;
		ssize_t r;

		n = n < window ? n : window;
		if (n) {
			pattern_fill(out, said, n);
			guest_says_bytes(b, out, n);
			said += n;
			(void)conn_receive(&b->c);
			if (!full)
				continue;
		}
		full = true;
		guest_turn(b->g);
		r = read(b->fd, in, 1 << 20);
		if (r > 0) {
			pattern_check(in, heard, (size_t)r);
			heard += (size_t)r;
		}
		if (b->c.peer_window < 60000)
			(void)conn_receive(&b->c);
	}
	free(out);
	free(in);
	tunnel_bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(put_in),
		cmocka_unit_test(put_into_body),
		cmocka_unit_test(not_pinned),
		cmocka_unit_test(tls_only),
		cmocka_unit_test(another_host_follows),
		cmocka_unit_test(two_hosts),
		cmocka_unit_test(no_host),
		cmocka_unit_test(no_host_leaks),
		cmocka_unit_test(http2),
		cmocka_unit_test(to_proxy),
		cmocka_unit_test(to_proxy_with_secret),
		cmocka_unit_test(not_http),
		cmocka_unit_test(no_secrets),
		cmocka_unit_test(endless_head),
		cmocka_unit_test(server_speaks_meanwhile),
		cmocka_unit_test(half_closed),
		cmocka_unit_test(unfinished),
		cmocka_unit_test(upload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
