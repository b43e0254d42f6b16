/* SPDX-License-Identifier: Apache-2.0 */
/* First bytes, heads of requests and of answers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "net/tls/head.h"

/* --- the first bytes --- */

static void kinds(void **state)
{
	static const struct {
		const char *text;
		enum http_first want;
	} t[] = {
		{ "", HTTP_UNSURE },
		{ "\r\n", HTTP_UNSURE },
		{ "CON", HTTP_UNSURE },
		{ "CONNECT", HTTP_UNSURE },
		{ "CONNECT ", HTTP_CONNECT },
		{ "connect x", HTTP_CONNECT },
		{ "\r\n\nCONNECT a:1 HTTP/1.1\r\n", HTTP_CONNECT },
		{ "CONNECTS ", HTTP_UNSURE },
		{ "conn", HTTP_UNSURE },
		{ "conx", HTTP_NOT },
		{ "ping", HTTP_NOT },
		{ "M-SEARCH * HTTP/1.1\r\n", HTTP_REQUEST },
		{ "HELLO ", HTTP_UNSURE },
		{ "HELLO w", HTTP_NOT },
		{ "GET h", HTTP_UNSURE },
		{ "GET http://a", HTTP_UNSURE },
		{ "GET http://a HTTP/", HTTP_REQUEST },
		{ "GET hello", HTTP_NOT },
		{ "CONNECT\ta:1 HTTP/1.1\r\n", HTTP_NOT },
		{ "GET", HTTP_UNSURE },
		{ "GET /", HTTP_UNSURE },
		{ "GET / ", HTTP_UNSURE },
		{ "GET / HTT", HTTP_UNSURE },
		{ "GET / HTTP/", HTTP_REQUEST },
		{ "GET / HTTP/1.1\r\nHost: a\r\n", HTTP_REQUEST },
		{ "\r\nPURGE * HTTP/9", HTTP_REQUEST },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP_REQUEST },
		{ "GET / RTSP/1.0\r\n", HTTP_NOT },
		{ "GET /\r\n", HTTP_NOT },
		{ "GET  / HTTP/1.1", HTTP_NOT },
		{ " GET / HTTP/1.1", HTTP_NOT },
		{ "\x16\x03\x01", HTTP_NOT },
		{ "*1\r\n$4\r\nPING\r\n", HTTP_NOT },
		{ "PING\r\n", HTTP_NOT },
		{ "get foo\r\n", HTTP_NOT },
		{ "NICK foo\r\nUSER bar\r\n", HTTP_NOT },
		{ "SSH-2.0-OpenSSH_9.2\r\n", HTTP_NOT },
		{ "AMQP\x01", HTTP_NOT },
		{ "0123456789012345678901234567890123", HTTP_NOT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(http_first(t[i].text, strlen(t[i].text)),
				 t[i].want);
}

static void may_connect(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} t[] = {
		{ "", true },	       { "\r\n", true }, { "C", true },
		{ "\nConnect", true }, { "G", false },	 { "CONNECTS", false },
		{ "COPY", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(http_may_connect(t[i].text, strlen(t[i].text)),
				 t[i].want);
}

static void kinds_without_end(void **state)
{
	static char text[10000];

	(void)state;
	memset(text, '\n', sizeof(text));
	assert_int_equal(http_first(text, 64), HTTP_UNSURE);
	assert_int_equal(http_first(text, 65), HTTP_NOT);
	memset(text, 'a', sizeof(text));
	memcpy(text, "GET /", 5);
	assert_int_equal(http_first(text, 8000), HTTP_UNSURE);
	assert_int_equal(http_first(text, sizeof(text)), HTTP_REQUEST);
}

/* --- where a head ends --- */

static void ends(void **state)
{
	static const struct {
		const char *text;
		size_t want;
	} t[] = {
		{ "", 0 },
		{ "a\r\n", 0 },
		{ "a\r\n\r", 0 },
		{ "a\r\n\r\n", 5 },
		{ "a\r\n\r\nb\r\n\r\n", 5 },
		{ "a\n\n", 3 },
		{ "a\n\r\n", 4 },
		{ "a\r\n\n", 4 },
		{ "a\r\r\n\r\n", 6 },
		{ "a\r\n\rb\n\n", 7 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		const size_t len = strlen(t[i].text);

		assert_int_equal(head_end(t[i].text, len, 0), t[i].want);
		/* as it arrives */
		for (size_t n = 0, end = 0; n < len && !end; n++) {
			end = head_end(t[i].text, n + 1, n);
			assert_int_equal(end, n + 1 == t[i].want ? n + 1 : 0);
		}
	}
}

static void fields(void **state)
{
	static const char head[] = "GET / HTTP/1.1\r\nA: 1\r\nno field\r\n"
				   " B :\t2 \r\nC:\n: d\r\n\r\n";
	struct head_field f;
	size_t pos = 0;

	(void)state;
	assert_true(head_next(head, sizeof(head) - 1, &pos, &f));
	assert_true(head_is(&f, "a"));
	assert_false(head_is(&f, "aa"));
	assert_memory_equal(f.value, "1", 1);
	assert_int_equal(f.value_len, 1);
	assert_true(head_next(head, sizeof(head) - 1, &pos, &f));
	assert_true(head_is(&f, "b"));
	assert_int_equal(f.value_len, 1);
	assert_memory_equal(f.value, "2", 1);
	assert_true(head_next(head, sizeof(head) - 1, &pos, &f));
	assert_true(head_is(&f, "c"));
	assert_int_equal(f.value_len, 0);
	assert_true(head_next(head, sizeof(head) - 1, &pos, &f));
	assert_int_equal(f.name_len, 0);
	assert_false(head_next(head, sizeof(head) - 1, &pos, &f));
}

/* --- CONNECT --- */

static void good_connects(void **state)
{
	static const struct {
		const char *head, *host;
		uint16_t port;
	} t[] = {
		{ "CONNECT a.com:443 HTTP/1.1\r\n\r\n", "a.com", 443 },
		{ "CONNECT A.Com.:1 HTTP/1.0\r\nHost: other\r\n\r\n", "a.com",
		  1 },
		{ "CONNECT 192.0.2.1:65535 HTTP/1.1\r\n"
		  "Proxy-Authorization: Basic eA==\r\nX-Y_z:\t\r\n\r\n",
		  "192.0.2.1", 65535 },
		{ "CONNECT [2001:DB8::1]:443 HTTP/1.1\r\n"
		  "Content-Length: 0\r\n\r\n",
		  "2001:db8::1", 443 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct connect_head c;

		assert_null(connect_parse(t[i].head, strlen(t[i].head), &c));
		assert_string_equal(c.host, t[i].host);
		assert_int_equal(c.port, t[i].port);
	}
}

static void bad_connects(void **state)
{
	static const char *const t[] = {
		"connect a.com:443 HTTP/1.1\r\n\r\n",
		"CONNECT a.com HTTP/1.1\r\n\r\n",
		"CONNECT a.com: HTTP/1.1\r\n\r\n",
		"CONNECT a.com:0 HTTP/1.1\r\n\r\n",
		"CONNECT a.com:65536 HTTP/1.1\r\n\r\n",
		"CONNECT a.com:99999999999999999999 HTTP/1.1\r\n\r\n",
		"CONNECT a.com:+443 HTTP/1.1\r\n\r\n",
		"CONNECT :443 HTTP/1.1\r\n\r\n",
		"CONNECT [::1] HTTP/1.1\r\n\r\n",
		"CONNECT a.com:1:443 HTTP/1.1\r\n\r\n",
		"CONNECT user@a.com:443 HTTP/1.1\r\n\r\n",
		"CONNECT a%2ecom:443 HTTP/1.1\r\n\r\n",
		"CONNECT http://a.com:443 HTTP/1.1\r\n\r\n",
		"CONNECT a.com:443/ HTTP/1.1\r\n\r\n",
		"CONNECT  a.com:443 HTTP/1.1\r\n\r\n",
		"CONNECT a.com:443  HTTP/1.1\r\n\r\n",
		"CONNECT a.com:443 b.com:443 HTTP/1.1\r\n\r\n",
		"CONNECT a.com:443\tHTTP/1.1\r\n\r\n",
		"CONNECT a.com:443 HTTP/2.0\r\n\r\n",
		"CONNECT a.com:443 HTTP/1.2\r\n\r\n",
		"CONNECT a.com:443 HTTP/1.11\r\n\r\n",
		"CONNECT a.com:443\r\n\r\n",
		"CONNECT HTTP/1.1\r\n\r\n",
		"CONNECT ",
		"CONNECT a.com:443 HTTP/1.1\n\n",
		"CONNECT a.com:443 HTTP/1.1\r\nA: 1\n\r\n",
		"CONNECT a.com:443 HTTP/1.1\r\nA: 1\rB: 2\r\n\r\n",
		"CONNECT a.com:443 HTTP/1.1\r\nA: \x01\r\n\r\n",
		"CONNECT a.com:443 HTTP/1.1\r\nA: \x7f\r\n\r\n",
		"CONNECT a.com:443 HTTP/1.1\r\n: 1\r\n\r\n",
		"CONNECT a.com:443 HTTP/1.1\r\nA : 1\r\n\r\n",
		"CONNECT a.com:443 HTTP/1.1\r\nA: 1\r\n B: 2\r\n\r\n",
		"CONNECT a.com:443 HTTP/1.1\r\nno colon\r\n\r\n",
		"CONNECT a.com:443 HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
		"CONNECT a.com:443 HTTP/1.1\r\nContent-Length: 00\r\n\r\n",
		"CONNECT a.com:443 HTTP/1.1\r\n"
		"Transfer-Encoding: identity\r\n\r\n",
		"CONNECT a.com:443 HTTP/1.1\r\n\r\nmore",
		"CONNECT a.com:443 HTTP/1.1\r\n\r\nmore\r\n",
		"",
	};
	struct connect_head c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (!connect_parse(t[i], strlen(t[i]), &c))
			fail_msg("accepted: %s", t[i]);
	assert_non_null(
		connect_parse("CONNECT a.com:4\0003 HTTP/1.1\r\n\r\n", 31, &c));
}

/* --- answers --- */

static void replies(void **state)
{
	static const struct {
		const char *head;
		int rc;
		struct reply_head want;
	} t[] = {
		{ "HTTP/1.1 200 OK\r\n\r\n", 0, { 200, false, 0 } },
		{ "HTTP/1.0 299\r\n\r\n", 0, { 299, false, 0 } },
		{ "HTTP/1.1 407 No\nContent-Length: 12\n\n",
		  0,
		  { 407, true, 12 } },
		{ "HTTP/1.1 407 No\r\ncontent-length:0\r\n"
		  "Content-Length: 0\r\n\r\n",
		  0,
		  { 407, true, 0 } },
		{ "HTTP/1.1 403 No\r\nContent-Length: 3\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n",
		  0,
		  { 403, false, 3 } },
		{ "HTTP/1.1 407 No\r\nContent-Length: 1\r\n"
		  "Content-Length: 2\r\n\r\n",
		  -EPROTO,
		  { 0 } },
		{ "HTTP/1.1 407 No\r\nContent-Length: -1\r\n\r\n",
		  -EPROTO,
		  { 0 } },
		{ "HTTP/1.1 407 No\r\n"
		  "Content-Length: 9223372036854775808\r\n\r\n",
		  -EPROTO,
		  { 0 } },
		{ "HTTP/2.0 200 OK\r\n\r\n", -EPROTO, { 0 } },
		{ "HTTP/1.1 20 OK\r\n\r\n", -EPROTO, { 0 } },
		{ "HTTP/1.1 2000 OK\r\n\r\n", -EPROTO, { 0 } },
		{ "HTTP/1.1 099 OK\r\n\r\n", -EPROTO, { 0 } },
		{ "HTTP/1.1  200 OK\r\n\r\n", -EPROTO, { 0 } },
		{ "HTTP/1.1 2\r\n\r\n", -EPROTO, { 0 } },
		{ "SSH-2.0-x\r\n\r\n", -EPROTO, { 0 } },
		{ "\r\n", -EPROTO, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct reply_head h;

		assert_int_equal(reply_parse(t[i].head, strlen(t[i].head), &h),
				 t[i].rc);
		if (t[i].rc)
			continue;
		assert_int_equal(h.status, t[i].want.status);
		assert_int_equal(h.has_length, t[i].want.has_length);
		assert_int_equal(h.length, t[i].want.length);
	}
}

/* --- requests --- */

static void targets(void **state)
{
	static const struct {
		const char *head, *host;
		bool absolute;
	} t[] = {
		{ "GET / HTTP/1.1\r\nHost: A.com:80\r\n\r\n", "a.com", false },
		{ "GET / HTTP/1.1\r\nX: y\r\nhOST:[::1]\r\n\r\n", "::1",
		  false },
		{ "GET / HTTP/1.1\r\nHost: a.com\r\nHost: b.com\r\n\r\n",
		  "a.com", false },
		{ "GET http://b.com:8/x?y HTTP/1.1\r\nHost: a.com\r\n\r\n",
		  "b.com", true },
		{ "GET HTTPS://b.com HTTP/1.1\r\nHost: a.com\r\n\r\n", "b.com",
		  true },
		{ "GET http://b.com?q HTTP/1.1\r\n\r\n", "b.com", true },
		{ "GET http:///x HTTP/1.1\r\nHost: a.com\r\n\r\n", "", true },
		{ "GET http:// HTTP/1.1\r\n\r\n", "", true },
		{ "GET http://u@b.com/ HTTP/1.1\r\n\r\n", "", true },
		{ "GET / HTTP/1.0\r\n\r\n", "", false },
		{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", "", false },
		{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "", false },
		{ "GET / HTTP/1.1\r\nHost: a.c", "a.c", false },
		{ "PRI * HTTP/2.0\r\n\r\n", "", false },
		{ "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct request_target r;

		request_target(t[i].head, strlen(t[i].head), &r);
		assert_string_equal(r.host, t[i].host);
		assert_int_equal(r.absolute, t[i].absolute);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(may_connect),
		cmocka_unit_test(kinds_without_end),
		cmocka_unit_test(ends),
		cmocka_unit_test(fields),
		cmocka_unit_test(good_connects),
		cmocka_unit_test(bad_connects),
		cmocka_unit_test(replies),
		cmocka_unit_test(targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
