/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of HTTP/1: what is one, where it ends, and who it is for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "request_bench.h"
#include "secret_bench.h"

#define HOST "Host: a.test\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST /p HTTP/1.1\r\n" HOST
#define NEXT "GET /next HTTP/1.1\r\n" HOST "\r\n"
#define LENGTH(n) "Content-Length: " #n "\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

struct fixture {
	struct secret_bench secrets;
	struct secret_scope *scope;
	struct request_bench b;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	secret_bench_init(&f->secrets);
	secret_bench_start(&f->secrets);
	f->scope = secret_bench_scope(&f->secrets, "a.test");
	f->b.scope = f->scope;
	f->b.host = "a.test";
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->scope = secret_scope_free(f->scope);
	secret_bench_fini(&f->secrets);
	free(f);
	return 0;
}

static struct request_bench *bench(void **state)
{
	return &((struct fixture *)*state)->b;
}

static void ordinary_requests_stay_as_they_are(void **state)
{
	static const char *const ok[] = {
		GET "\r\n",
		GET "\r\n" NEXT NEXT,
		"OPTIONS * HTTP/1.1\r\n" HOST "\r\n" NEXT,
		"GET /a?b=c&d HTTP/1.0\r\nhost:a.test\r\n\r\n",
		"GET /\xc3\xa4?\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n",
		"M-SEARCH /x#y HTTP/1.1\r\n" HOST "X:\r\nY: \t z \t\r\n\r\n",
		"GET / HTTP/1.1\r\nHOST: A.TEST.:443\r\n\r\n",
		"GET http://a.test/ HTTP/1.1\r\n" HOST "\r\n",
		"GET https://A.test:8443?q HTTP/1.1\r\n" HOST "\r\n",
		POST LENGTH(5) "\r\nhello" NEXT,
		POST LENGTH(0) "\r\n" NEXT,
		POST LENGTH(5) LENGTH(05) "\r\nhello" NEXT,
		POST "content-length:  5 \r\n\r\nhello" NEXT,
		POST LENGTH(9) "\r\n0\r\n\r\nGET " NEXT,
		POST "\r\n" NEXT, /* no body at all */
		POST CHUNKED "\r\n5\r\nhello\r\n0\r\n\r\n" NEXT,
		POST "TRANSFER-ENCODING: Chunked\r\n\r\n0\r\n\r\n" NEXT,
		POST CHUNKED
		"\r\n0000a;x=\"y\"\r\n0\r\n\r\n0\r\n\r\n\r\n0;z\r\n"
		"T: u\r\nV: w\r\n\r\n" NEXT,
		POST CHUNKED "Content-Encoding: gzip\r\n\r\n1\r\n\xff\r\n0\r\n"
			     "\r\n" NEXT,
		POST "Connection: close, TE\r\nExpect: 100-continue\r\n" LENGTH(
			1) "\r\n\xff",
	};

	for (size_t i = 0; i < ARRAY_SIZE(ok); i++)
		request_passes(bench(state), ok[i]);
}

static void empty_lines_before_a_request_are_left_out(void **state)
{
	request_is(bench(state), "\r\n\r\n\n" GET "\r\n", GET "\r\n");
	request_is(bench(state), GET "\r\n\r\n\r\n" NEXT "\r\n",
		   GET "\r\n" NEXT);
	/* and no reason to look less closely */
	request_refused(bench(state),
			"\r\n\r\nGET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
}

static void request_lines_are_strict(void **state)
{
	static const char *const bad[] = {
		"GET /\r\n", /* HTTP/0.9 */
		"GET\r\n",
		"GET  / HTTP/1.1\r\n" HOST "\r\n",
		"GET /  HTTP/1.1\r\n" HOST "\r\n",
		"GET / HTTP/1.1 \r\n" HOST "\r\n",
		" GET / HTTP/1.1\r\n" HOST "\r\n",
		"\tGET / HTTP/1.1\r\n" HOST "\r\n",
		"GET\t/ HTTP/1.1\r\n" HOST "\r\n",
		"GET /a b HTTP/1.1\r\n" HOST "\r\n",
		"GET /a\tb HTTP/1.1\r\n" HOST "\r\n",
		"GET /a\001 HTTP/1.1\r\n" HOST "\r\n",
		"GET / HTTP/1.1\n" HOST "\r\n",
		"GET / HTTP/1.1\r\r\n" HOST "\r\n",
		"GET / HTTP/2.0\r\n" HOST "\r\n",
		"GET / HTTP/1.10\r\n" HOST "\r\n",
		"GET / HTTP/1.\r\n" HOST "\r\n",
		"GET / http/1.1\r\n" HOST "\r\n",
		"GET / HTTP/0.9\r\n" HOST "\r\n",
		"G(T / HTTP/1.1\r\n" HOST "\r\n",
		"GET x HTTP/1.1\r\n" HOST "\r\n",
		"GET * HTTP/1.1\r\n" HOST "\r\n",
		"GET a.test:443 HTTP/1.1\r\n" HOST "\r\n",
		"GET HTTP/1.1\r\n" HOST "\r\n",
		"PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		request_refused(bench(state), bad[i]);
}

static void fields_are_strict(void **state)
{
	static const char *const bad[] = {
		GET "X : y\r\n\r\n",
		GET "X\r\n\r\n",
		GET ": y\r\n\r\n",
		GET " X: y\r\n\r\n",
		GET "X: y\r\n z\r\n\r\n", /* a line that is continued */
		GET "X: y\r\n\tz\r\n\r\n",
		GET "X\v: y\r\n\r\n",
		GET "X: a\rb\r\n\r\n",
		GET "X: a\nb: c\r\n\r\n",
		GET "X: a\001\r\n\r\n",
		GET "X: a\177\r\n\r\n",
		GET "X: \xff\r\n\r\n", /* no UTF-8 */
		GET "X: \xed\xa0\x80\r\n\r\n",
		GET "X(: a\r\n\r\n",
		GET "X: y\r\n\n",
		GET "X: y\n\r\n",
	};
	static const char zero[] = GET "X: a\0b\r\n\r\n";
	struct buf out;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		request_refused(bench(state), bad[i]);
	buf_init(&out, 4096);
	assert_true(request_bench_run(bench(state), zero, sizeof(zero) - 1, 9,
				      9, &out) < 0);
	buf_fini(&out);
}

static void only_requests_for_this_host_pass(void **state)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: b.test\r\n\r\n",
		"GET / HTTP/1.1\r\nHost:\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a.test b.test\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: b.test@a.test\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a.test@b.test\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a.test:80:80\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a.test:x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a.test/b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a.test..\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: xa.test\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x.a.test\r\n\r\n",
		GET HOST "\r\n",
		GET "Host: b.test\r\n\r\n",
		"GET http://b.test/ HTTP/1.1\r\n" HOST "\r\n",
		"GET http://a.test@b.test/ HTTP/1.1\r\n" HOST "\r\n",
		"GET http://b.test@a.test/ HTTP/1.1\r\n" HOST "\r\n",
		"GET http://a.test#@b.test/ HTTP/1.1\r\n" HOST "\r\n",
		"GET http://a.test\\@b.test/ HTTP/1.1\r\n" HOST "\r\n",
		"GET http:///x HTTP/1.1\r\n" HOST "\r\n",
		"GET http:a.test HTTP/1.1\r\n" HOST "\r\n",
		"GET ://a.test/ HTTP/1.1\r\n" HOST "\r\n",
		"GET b?http://a.test/ HTTP/1.1\r\n" HOST "\r\n",
		"GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n",
		"CONNECT b.test:443 HTTP/1.1\r\n" HOST "\r\n",
		"CONNECT / HTTP/1.1\r\n" HOST "\r\n",
		GET "Connection: close, Host\r\n\r\n",
		/* every one of them is looked at */
		GET "\r\nGET / HTTP/1.1\r\nHost: b.test\r\n\r\n",
		POST LENGTH(2) "\r\nhiGET / HTTP/1.1\r\nHost: b.test\r\n\r\n",
		POST CHUNKED "\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		request_refused(bench(state), bad[i]);
}

static void addresses_are_hosts_as_well(void **state)
{
	struct request_bench b = *bench(state);

	b.host = "2001:db8::1";
	request_passes(&b, "GET / HTTP/1.1\r\nHost: [2001:DB8:0::1]:443\r\n"
			   "\r\n");
	request_refused(&b, "GET / HTTP/1.1\r\nHost: 2001:db8::1\r\n\r\n");
	request_refused(&b, "GET / HTTP/1.1\r\nHost: [2001:db8::2]\r\n\r\n");
	b.host = "192.0.2.1";
	request_passes(&b, "GET http://192.0.2.1/ HTTP/1.1\r\n"
			   "Host: 192.0.2.1:80\r\n\r\n");
}

static void a_body_has_one_length(void **state)
{
	static const char *const bad[] = {
		POST LENGTH(5) LENGTH(6) "\r\nhello",
		POST LENGTH(+5) "\r\nhello",
		POST LENGTH(-1) "\r\nhello",
		POST LENGTH(0x5) "\r\nhello",
		POST "Content-Length: 5, 5\r\n\r\nhello",
		POST "Content-Length: 5 5\r\n\r\nhello",
		POST "Content-Length:\r\n\r\nhello",
		POST "Content-Length: 1e1\r\n\r\nhello",
		POST LENGTH(18446744073709551621) "\r\nhello",
		POST LENGTH(5) CHUNKED "\r\n0\r\n\r\n",
		POST CHUNKED LENGTH(5) "\r\n0\r\n\r\n",
		POST CHUNKED CHUNKED "\r\n0\r\n\r\n",
		POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: x\r\n" CHUNKED "\r\n0\r\n\r\n",
		POST "Connection: Content-Length\r\n" LENGTH(1) "\r\nx",
		POST "Connection: x , transfer-encoding\r\n\r\n",
		"POST / HTTP/1.0\r\n" HOST CHUNKED "\r\n0\r\n\r\n",
		"CONNECT a.test:443 HTTP/1.1\r\n" HOST LENGTH(1) "\r\nx",
		/* a body that was not announced is no request */
		GET "\r\nhello\r\n\r\n",
		POST LENGTH(4) "\r\nhell(" NEXT,
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		request_refused(bench(state), bad[i]);
}

static void chunks_are_strict(void **state)
{
	static const char *const bad[] = {
		"\r\n",
		"5\nhello\r\n0\r\n\r\n",
		"5 \r\nhello\r\n0\r\n\r\n",
		" 5\r\nhello\r\n0\r\n\r\n",
		"5 ;x\r\nhello\r\n0\r\n\r\n",
		"+5\r\nhello\r\n0\r\n\r\n",
		"-5\r\nhello\r\n0\r\n\r\n",
		"0x5\r\nhello\r\n0\r\n\r\n",
		"g\r\nhello\r\n0\r\n\r\n",
		"5,\r\nhello\r\n0\r\n\r\n",
		"5;x\001\r\nhello\r\n0\r\n\r\n",
		"5;a\nb\r\nhello\r\n0\r\n\r\n",
		"5;a\r\r\nhello\r\n0\r\n\r\n",
		"10000000000000005\r\nhello\r\n0\r\n\r\n",
		"4\r\nhello\r\n0\r\n\r\n",
		"5\r\nhello0\r\n\r\n",
		"5\r\nhello\n0\r\n\r\n",
		"5\r\nhello\r0\r\n\r\n",
		"0\r\nX\r\n\r\n",
		"0\r\nX : y\r\n\r\n",
		"0\r\n X: y\r\n\r\n",
		"0\r\nX: y\n\r\n",
		"0\r\n\n",
		"0\r\nHost: b.test\r\n\r\n",
		"0\r\nContent-Length: 3\r\n\r\n",
		"0\r\ntransfer-encoding: chunked\r\n\r\n",
		"0\r\nAuthorization: x\r\n\r\n",
		"0\r\n" GET "\r\n",
	};
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		(void)snprintf(text, sizeof(text), POST CHUNKED "\r\n%s",
			       bad[i]);
		request_refused(bench(state), text);
	}
}

static void what_is_no_http_goes_through(void **state)
{
	static const char *const other[] = {
		"EHLO x\r\nGET / HTTP/1.1\r\n",
		"a001 LOGIN u p\r\n",
		"*1\r\n$4\r\nPING\r\n",
		"SSH-2.0-x\r\n",
		"\026\003\001\002\001",
		"GE\001T / HTTP/1.1\r\n\r\n",
		"\r\n\r\nhello\n",
		"hello",
		"\r\n",
		"P",
		"PRI * HTTQ",
		"",
	};
	static const char zeros[] = "\0\0\0\010\004\322\026\057";
	struct buf in;

	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		request_passes(bench(state), other[i]);
	request_becomes(bench(state), zeros, sizeof(zeros), zeros,
			sizeof(zeros));
	buf_init(&in, 1 << 20);
	buf_str(&in, "A\001");
	while (buf_len(&in) < 2 * HTTP_MAX_HEAD)
		buf_str(&in, "long and without any line");
	request_passes(bench(state), buf_cstr(&in));
	buf_fini(&in);
}

static void other_protocols_may_follow_an_upgrade(void **state)
{
#define UPGRADE GET "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	request_passes(bench(state), UPGRADE "\201\205abcdhello");
	request_passes(bench(state), UPGRADE "A\205abcdhello");
	request_passes(bench(state), UPGRADE NEXT); /* it was turned down */
	request_passes(bench(state), UPGRADE NEXT NEXT);
	request_refused(bench(state), UPGRADE "GET / HTTP/1.1\r\n\r\n");
	request_refused(bench(state), UPGRADE NEXT "\201\205abcdhello");
	request_refused(bench(state), UPGRADE "GET /\r\n");
	/* behind a body */
	request_passes(bench(state),
		       POST "Upgrade: x\r\n" LENGTH(2) "\r\nhi\201\205abcd");
	request_passes(bench(state), POST "Upgrade: x\r\n" CHUNKED
					  "\r\n0\r\n\r\n\201\205abcd");
	request_passes(bench(state), "CONNECT a.test:443 HTTP/1.1\r\n" HOST
				     "\r\n\026\003\001");
	request_refused(bench(state), GET "Upgrade: h2c\r\n\r\n");
	request_refused(bench(state), GET "Upgrade: x, H2C\r\n\r\n");
	request_refused(bench(state), GET "Upgrade: HTTP/2.0\r\n\r\n");
	/* without one, none follow */
	request_refused(bench(state), GET "\r\n\201\205abcdhello");
}

static void half_a_request_is_not_sent(void **state)
{
	request_is(bench(state), GET, "");
	request_is(bench(state), "GET /", "");
	request_is(bench(state), "nothing of HTTP/1.1", "");
	request_is(bench(state), NEXT GET, NEXT);
	/* but half a body is */
	request_passes(bench(state), POST LENGTH(9) "\r\nhello");
	request_passes(bench(state), POST CHUNKED "\r\n9\r\nhello");
}

/* GET with a field of n bytes in all, or n fields. */
static void head_of(struct buf *b, size_t bytes, size_t fields)
{
	buf_init(b, 1 << 20);
	buf_str(b, GET);
	for (size_t i = 0; i < fields; i++)
		buf_str(b, "X:y\r\n");
	if (bytes) {
		buf_str(b, "X:");
		while (buf_len(b) + 4 < bytes)
			buf_str(b, "z");
		buf_str(b, "\r\n");
	}
	buf_str(b, "\r\n");
}

static void heads_are_bounded(void **state)
{
	const size_t max = HTTP_MAX_HEAD;
	struct buf in;

	head_of(&in, max, 0);
	assert_int_equal(buf_len(&in), max);
	request_becomes(bench(state), buf_data(&in), max, buf_data(&in), max);
	buf_fini(&in);
	head_of(&in, max + 1, 0);
	request_refused(bench(state), buf_cstr(&in));
	buf_fini(&in);
	head_of(&in, 0, HTTP_MAX_FIELDS - 1); /* and Host */
	request_becomes(bench(state), buf_data(&in), buf_len(&in),
			buf_data(&in), buf_len(&in));
	buf_fini(&in);
	head_of(&in, 0, HTTP_MAX_FIELDS);
	request_refused(bench(state), buf_cstr(&in));
	buf_fini(&in);
}

/* What has no end is given up, also if no line ever ends. */
static void endless_heads_are_given_up(void **state)
{
	static const char *const begin[] = { GET "X: ",
					     "GET /",
					     "\r\n",
					     "word ",
					     POST CHUNKED "\r\n1;",
					     POST CHUNKED "\r\n0\r\nX: " };
	static const char *const more[] = { "zzzz", "X:y\r\n" };
	struct buf in;

	for (size_t i = 0; i < ARRAY_SIZE(begin); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(more); k++) {
			buf_init(&in, 1 << 20);
			buf_str(&in, begin[i]);
			while (buf_len(&in) < 3 * HTTP_MAX_HEAD)
				buf_str(&in, i == 2 ? "\r\n" : more[k]);
			/* some words are no request as soon as a line ends */
			if (i != 3 || k == 0)
				request_refused(bench(state), buf_cstr(&in));
			buf_fini(&in);
		}
	}
}

/* Long streams of short requests take time that grows with their length. */
static void many_requests_at_once(void **state)
{
	struct buf in;

	buf_init(&in, 4 << 20);
	while (buf_len(&in) < 2 << 20)
		buf_str(&in, NEXT);
	request_becomes(bench(state), buf_data(&in), buf_len(&in),
			buf_data(&in), buf_len(&in));
	buf_fini(&in);
}

static void without_a_host_any_will_do(void **state)
{
	struct request_bench b = { 0 };
	struct secret_bench secrets;
	struct secret_scope *scope;

	secret_bench_init(&secrets);
	secret_bench_add(&secrets, "A", NULL, "v", "*", PLACE_HEADER);
	secret_bench_start(&secrets);
	scope = secret_bench_scope(&secrets, "a.test");
	b.scope = scope;
	request_passes(&b, "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
	request_passes(&b, "GET http://c.test/ HTTP/1.0\r\n\r\n");
	request_passes(&b, "CONNECT c.test:1 HTTP/1.1\r\n\r\n\026\003\001");
	request_refused(&b, GET HOST "\r\n");
	request_refused(&b, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
	scope = secret_scope_free(scope);
	secret_bench_fini(&secrets);
	(void)state;
}

static bool passes_after(const struct request_bench *b, const char *text)
{
	size_t room = HTTP_MAX_HELD;
	struct request_filter *f;
	struct buf out;
	bool ret;

	buf_init(&out, 4096);
	assert_int_equal(request_filter_new(b->scope, b->host, &room, &f), 0);
	assert_int_equal(
		request_filter_push(f, text, strlen(text), false, &out), 0);
	ret = request_filter_passes(f);
	f = request_filter_free(f);
	buf_fini(&out);
	return ret;
}

static void it_says_when_it_is_not_needed(void **state)
{
	struct request_bench b = *bench(state);

	assert_false(passes_after(&b, ""));
	assert_false(passes_after(&b, GET "\r\n"));
	assert_true(passes_after(&b, "\001"));
	b.host = NULL; /* and there are no secrets */
	assert_true(passes_after(&b, ""));
	request_passes(&b, "GET / HTTP/9\n\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_requests_stay_as_they_are),
		cmocka_unit_test(empty_lines_before_a_request_are_left_out),
		cmocka_unit_test(request_lines_are_strict),
		cmocka_unit_test(fields_are_strict),
		cmocka_unit_test(only_requests_for_this_host_pass),
		cmocka_unit_test(addresses_are_hosts_as_well),
		cmocka_unit_test(a_body_has_one_length),
		cmocka_unit_test(chunks_are_strict),
		cmocka_unit_test(what_is_no_http_goes_through),
		cmocka_unit_test(other_protocols_may_follow_an_upgrade),
		cmocka_unit_test(half_a_request_is_not_sent),
		cmocka_unit_test(heads_are_bounded),
		cmocka_unit_test(endless_heads_are_given_up),
		cmocka_unit_test(many_requests_at_once),
		cmocka_unit_test(without_a_host_any_will_do),
		cmocka_unit_test(it_says_when_it_is_not_needed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
