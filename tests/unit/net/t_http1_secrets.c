/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets in requests of HTTP/1: where they go, and what is stopped. */
#include <errno.h>
#include <malloc.h>
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
#define POST "POST /p?q HTTP/1.1\r\n" HOST
#define LENGTH(n) "Content-Length: " #n "\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define GZIP "Content-Encoding: gzip\r\n"

struct fixture {
	struct secret_bench secrets;
	struct secret_scope *scope;
	struct request_bench b;
};

/* On this connection: KEY goes into heads, QUERY into queries, BODY and SAME
 * into bodies, NONE nowhere. BAD, WORSE and the like may not be sent. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct secret_bench *s;
	struct secret_config *c;

	if (!f)
		return -1;
	s = &f->secrets;
	secret_bench_init(s);
	secret_bench_add(s, "KEY", NULL, "sesame", "a.test",
			 PLACE_HEADER | PLACE_BASIC);
	secret_bench_add(s, "QUERY", NULL, "a b", "a.test", PLACE_QUERY);
	secret_bench_add(s, "BODY", NULL, "a-much-longer-value", "a.test",
			 PLACE_BODY);
	secret_bench_add(s, "SAME", NULL, "123456789", "a.test", PLACE_BODY);
	secret_bench_add(s, "NONE", NULL, "never", "a.test", 0);
	c = secret_bench_add(s, "BAD", NULL, "bad-value", "b.test", PLACE_ALL);
	c->on_violation.set = true;
	c->on_violation.action = SECRET_BLOCK_LOG;
	c = secret_bench_add(s, "WORSE", NULL, "worse-value", "b.test",
			     PLACE_ALL);
	c->on_violation.set = true;
	c->on_violation.action = SECRET_BLOCK_TERMINATE;
	secret_bench_start(s);
	f->scope = secret_bench_scope(s, "a.test");
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

static void into_fields(void **state)
{
	request_is(bench(state),
		   GET "Authorization: Bearer $MSB_KEY\r\n"
		       "X-$MSB_KEY: $MSB_KEY$MSB_KEY, $MSB_NONE \r\n\r\n",
		   GET "Authorization: Bearer sesame\r\n"
		       "X-sesame: sesamesesame, $MSB_NONE \r\n\r\n");
	/* nowhere else */
	request_passes(bench(state),
		       "POST /$MSB_KEY?$MSB_KEY HTTP/1.1\r\n" HOST LENGTH(
			       8) "\r\n$MSB_KEY");
	request_passes(bench(state), GET "X: $MSB_QUERY $MSB_BODY\r\n\r\n");
	/* every request of a connection has its own */
	request_is(bench(state),
		   GET "X: $MSB_KEY\r\n\r\n" POST LENGTH(
			   2) "Y: $MSB_KEY\r\n\r\nhi" GET "Z: $MSB_KEY\r\n\r\n",
		   GET
		   "X: sesame\r\n\r\n" POST LENGTH(2) "Y: sesame\r\n\r\nhi" GET
						      "Z: sesame\r\n\r\n");
}

static void into_basic_credentials(void **state)
{
	/* user:$MSB_KEY, user:sesame */
	request_is(bench(state),
		   GET "authorization:  basic dXNlcjokTVNCX0tFWQ==\t\r\n\r\n",
		   GET "authorization:  basic dXNlcjpzZXNhbWU=\t\r\n\r\n");
	/* user:$MSB_NONE is nobody's */
	request_passes(bench(state), GET "Authorization: Basic "
					 "dXNlcjokTVNCX05PTkU=\r\n\r\n");
	/* other fields are left alone */
	request_passes(bench(state), GET "X-Authorization: Basic "
					 "dXNlcjokTVNCX0tFWQ==\r\n\r\n");
}

static void into_queries(void **state)
{
	/* a value that no target may have in it, too */
	request_is(bench(state),
		   "GET /$MSB_QUERY?k=$MSB_QUERY&l=$MSB_KEY HTTP/1.1\r\n" HOST
		   "X: $MSB_QUERY\r\n\r\n",
		   "GET /$MSB_QUERY?k=a%20b&l=$MSB_KEY HTTP/1.1\r\n" HOST
		   "X: $MSB_QUERY\r\n\r\n");
	request_is(bench(state),
		   "GET http://a.test??$MSB_QUERY HTTP/1.1\r\n" HOST "\r\n",
		   "GET http://a.test??a%20b HTTP/1.1\r\n" HOST "\r\n");
	request_passes(bench(state), "GET /x? HTTP/1.1\r\n" HOST "\r\n");
}

static void into_counted_bodies(void **state)
{
	request_is(bench(state),
		   POST LENGTH(16) "X: y\r\n\r\n<$MSB_BODY>a\xff"
				   "c" GET "\r\n",
		   POST LENGTH(26) "X: y\r\n\r\n<a-much-longer-value>a\xff"
				   "c" GET "\r\n");
	/* the same length: nothing else is touched */
	request_is(bench(state), POST "content-length:   009 \r\n\r\n$MSB_SAME",
		   POST "content-length:   009 \r\n\r\n123456789");
	request_is(bench(state), POST LENGTH(9) LENGTH(9) "\r\n$MSB_BODY",
		   POST LENGTH(19) LENGTH(19) "\r\na-much-longer-value");
	request_passes(bench(state), POST LENGTH(9) "\r\n$MSB_BOD?");
	request_passes(bench(state), POST LENGTH(0) "\r\n" GET "\r\n");
	request_passes(bench(state), POST LENGTH(8) "\r\n$MSB_KEY");
	/* half of one is not sent: nobody could answer it */
	request_is(bench(state), POST LENGTH(99) "\r\n$MSB_BODY", "");
}

/* A head, and the data of its chunks; framing is looked at on the way. */
static void dechunk(struct buf *b, struct buf *ret)
{
	const char *text = buf_cstr(b), *p;
	char *end;

	p = strstr(text, "\r\n\r\n");
	assert_non_null(p);
	p += 4;
	buf_append(ret, text, (size_t)(p - text));
	for (;;) {
		const size_t n = strtoul(p, &end, 16);

		assert_true(end > p && end - p <= 8);
		for (const char *c = p; c < end; c++)
			assert_non_null(strchr("0123456789ABCDEF", *c));
		assert_memory_equal(end, "\r\n", 2);
		p = end + 2;
		if (!n)
			break;
		buf_append(ret, p, n);
		p += n;
		assert_memory_equal(p, "\r\n", 2);
		p += 2;
	}
	buf_str(ret, "|");
	buf_str(ret, p);
}

static void check_chunks(struct request_bench *b, const char *in, size_t cut,
			 size_t step, const char *want)
{
	struct buf out, plain;

	buf_init(&out, 1 << 20);
	buf_init(&plain, 1 << 20);
	assert_int_equal(request_bench_run(b, in, strlen(in), cut, step, &out),
			 0);
	dechunk(&out, &plain);
	assert_string_equal(buf_cstr(&plain), want);
	buf_fini(&out);
	buf_fini(&plain);
}

/* want: head, data, and | before what is behind the last chunk's line */
static void chunks_become(struct request_bench *b, const char *in,
			  const char *want)
{
	check_chunks(b, in, 1, 1, want);
	for (size_t cut = 1; cut <= strlen(in); cut++)
		check_chunks(b, in, cut, strlen(in), want);
}

static void into_chunks(void **state)
{
#define HEAD POST CHUNKED "\r\n"
	struct request_bench *b = bench(state);

	chunks_become(b, HEAD "9\r\n$MSB_BODY\r\n0\r\n\r\n",
		      HEAD "a-much-longer-value|\r\n");
	/* cut by the guest: in itself, by extensions, and by every byte */
	chunks_become(b,
		      HEAD "4\r\nx$MS\r\n2;a=b\r\nB_\r\n00005\r\nBODYy\r\n"
			   "0;c\r\nT: $MSB_BODY\r\n\r\n",
		      HEAD "xa-much-longer-valuey|T: $MSB_BODY\r\n\r\n");
	chunks_become(b, HEAD "a\r\n$$MSB_BODY\r\n8\r\n$MSB_BOD\r\n0\r\n\r\n",
		      HEAD "$a-much-longer-value$MSB_BOD|\r\n");
	chunks_become(b, HEAD "7\r\n0\r\n\r\nGE\r\n0\r\n\r\n",
		      HEAD "0\r\n\r\nGE|\r\n");
	chunks_become(b, HEAD "0\r\n\r\n" GET "X: $MSB_KEY\r\n\r\n",
		      HEAD "|\r\n" GET "X: sesame\r\n\r\n");
#undef HEAD
}

static void encoded_bodies_stay_as_they_are(void **state)
{
	struct request_bench *b = bench(state);

	request_passes(b, POST GZIP LENGTH(9) "\r\n\x1f\x8b$MSB_BO" GET "\r\n");
	request_passes(b,
		       POST GZIP CHUNKED "\r\n03;x\r\n\x1f\x8b$\r\n0\r\n\r\n");
	request_passes(b, POST GZIP LENGTH(8) "\r\n$MSB_KEY");
	request_is(b, POST GZIP "X: $MSB_KEY\r\n" LENGTH(2) "\r\nxy",
		   POST GZIP "X: sesame\r\n" LENGTH(2) "\r\nxy");
	/* identity is none */
	request_is(b,
		   POST
		   "Content-Encoding: Identity\r\n" LENGTH(9) "\r\n$MSB_BODY",
		   POST "Content-Encoding: Identity\r\n" LENGTH(
			   19) "\r\na-much-longer-value");
	/* a server that does not look at the coding would see it */
	request_refused(b, POST GZIP LENGTH(11) "\r\nx$MSB_BODYx");
	request_refused(b, POST "Content-Encoding: identity, br\r\n" LENGTH(
				   9) "\r\n$MSB_BODY");
	request_refused(b, POST GZIP CHUNKED
			"\r\n5\r\n$MSB_\r\n4\r\nBODY\r\n0\r\n\r\n");
	/* one request's end is not the next one's beginning */
	request_passes(b, POST GZIP LENGTH(5) "\r\n$MSB_" POST GZIP LENGTH(
				  4) "\r\nBODY");
}

static void what_may_not_be_sent_is_stopped(void **state)
{
	static const struct {
		const char *in, *location;
	} bad[] = {
		{ GET "X: $MSB_BAD\r\n\r\n", "header" },
		{ GET "$MSB_BAD: x\r\n\r\n", "header" },
		{ GET "Authorization: Bearer $MSB_BAD\r\n\r\n", "header" },
		/* user:$MSB_BAD */
		{ GET "Authorization: Basic dXNlcjokTVNCX0JBRA==\r\n\r\n",
		  "authorization_basic" },
		{ "GET /?$MSB_BAD HTTP/1.1\r\n" HOST "\r\n", "query" },
		{ "GET /?%24MSB%5fBAD HTTP/1.1\r\n" HOST "\r\n", "query" },
		{ "GET /$MSB_BAD HTTP/1.1\r\n" HOST "\r\n", "unknown" },
		{ POST LENGTH(8) "\r\n$MSB_BAD", "body" },
		{ POST LENGTH(80) "\r\n$MSB_BAD", "body" },
		{ POST LENGTH(18) "\r\n{\"\\u0024MSB_BAD\"}.", "body" },
		{ POST LENGTH(12) "\r\na=%24MSB_BAD", "body" },
		{ POST GZIP LENGTH(8) "\r\n$MSB_BAD", "body" },
		{ POST CHUNKED "\r\n3\r\n$MS\r\n5;x\r\nB_BAD\r\n0\r\n\r\n",
		  "body" },
		{ POST CHUNKED GZIP "\r\n3\r\n$MS\r\n5\r\nB_BAD\r\n0\r\n\r\n",
		  "body" },
		{ POST CHUNKED "\r\n1;$MSB_BAD\r\nx\r\n0\r\n\r\n", "body" },
		{ POST CHUNKED "\r\n0\r\nX: $MSB_BAD\r\n\r\n", "header" },
		{ GET "\r\n" GET "\r\n" GET "X: $MSB_BAD\r\n\r\n", "header" },
		{ "\001$MSB_BAD", "unknown" },
		{ "a $MSB_BAD\r\n", "unknown" },
		{ "a $MSB_BAD", "unknown" },
		{ GET "Upgrade: x\r\n\r\n\x81xx$MSB_BAD", "unknown" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		request_violates(bench(state), bad[i].in, "BAD",
				 bad[i].location);
}

static void the_report_says_what_it_was(void **state)
{
	struct request_bench *b = bench(state);
	const struct secret_found *f = &b->found;

	request_violates(b,
			 "PUT /a/b?c=$MSB_KEY HTTP/1.1\r\n" HOST
			 "X: %24MSB_BAD\r\n\r\n",
			 "BAD", "header");
	assert_int_equal(f->action, SECRET_BLOCK_LOG);
	assert_int_equal(f->form, SECRET_PERCENT);
	assert_string_equal(f->placeholder, "$MSB_BAD");
	assert_string_equal(f->protocol, "http/1.1");
	assert_string_equal(f->method, "PUT");
	assert_string_equal(f->path, "/a/b");
	assert_string_equal(f->host, "a.test");
	assert_int_equal(f->stream, 0);
	request_violates(b, "\001$MSB_BAD", "BAD", "unknown");
	assert_null(f->protocol);
	assert_string_equal(f->method, "");
	/* the strictest of one head */
	request_violates(b, GET "X: $MSB_BAD\r\nY: $MSB_WORSE\r\n\r\n", "WORSE",
			 "header");
	assert_int_equal(f->action, SECRET_BLOCK_TERMINATE);
	/* $MSB_WORSE: */
	request_violates(b,
			 GET "X: $MSB_BAD\r\nAuthorization: Basic "
			     "JE1TQl9XT1JTRTo=\r\n\r\n",
			 "WORSE", "authorization_basic");
}

static void a_head_may_become_long_but_not_endless(void **state)
{
	struct secret_bench s;
	struct request_bench b = { .host = "a.test" };
	struct secret_scope *scope;
	struct buf value, in;

	buf_init(&value, SECRET_MAX_VALUE);
	while (buf_len(&value) < SECRET_MAX_VALUE - 1)
		buf_str(&value, "v");
	secret_bench_init(&s);
	secret_bench_add(&s, "K", "%", buf_cstr(&value), "a.test", PLACE_ALL);
	secret_bench_start(&s);
	scope = secret_bench_scope(&s, "a.test");
	b.scope = scope;
	buf_init(&in, 1 << 20);
	buf_str(&in, GET "X: ");
	for (unsigned i = 0; i < 40000; i++)
		buf_str(&in, "%");
	buf_str(&in, "\r\n\r\n");
	assert_int_equal(request_bench_run(&b, buf_data(&in), buf_len(&in),
					   1000, 1000, &value),
			 -EPROTO);
	buf_reset(&in);
	buf_str(&in, POST LENGTH(4000) "\r\n");
	for (unsigned i = 0; i < 4000; i++)
		buf_str(&in, "%");
	assert_int_equal(request_bench_run(&b, buf_data(&in), buf_len(&in),
					   1000, 1000, &value),
			 -EPROTO);
	request_refused(&b, POST LENGTH(16777217) "\r\n");
	buf_fini(&in);
	buf_fini(&value);
	scope = secret_scope_free(scope);
	secret_bench_fini(&s);
	(void)state;
}

/* --- long bodies --- */

#define PIECE (64u << 10)
#define PIECES 4096u /* 256 MiB */

static void push(struct request_filter *f, const void *data, size_t len,
		 struct buf *out)
{
	buf_reset(out);
	assert_int_equal(request_filter_push(f, data, len, false, out), 0);
	assert_true(buf_len(out) < 2 * PIECE);
}

static void push_text(struct request_filter *f, const char *text,
		      struct buf *out)
{
	push(f, text, strlen(text), out);
}

/* Pieces of a body, and a placeholder at its end. */
static void long_body(struct request_filter *f, bool chunked, struct buf *out)
{
	static const char line[] = "some text, and a $ now and then %20 \\u00 ";
	size_t memory = 0;
	char *piece = malloc(PIECE);

	assert_non_null(piece);
	for (size_t i = 0; i < PIECE; i++)
		piece[i] = line[i % (sizeof(line) - 1)];
	for (unsigned i = 0; i < PIECES; i++) {
		if (chunked)
			push_text(f, "10000\r\n", out);
		push(f, piece, PIECE, out);
		if (chunked)
			push_text(f, "\r\n", out);
		if (i == 16)
			memory = mallinfo2().uordblks;
	}
	assert_true(mallinfo2().uordblks <= memory + PIECE);
	free(piece);
}

static void long_uploads_take_constant_memory(void **state)
{
	struct request_bench *b = bench(state);
	struct request_filter *f;
	struct buf out;

	buf_init(&out, 4 * PIECE);
	assert_int_equal(request_filter_new(b->scope, b->host, &b->room, &f),
			 0);
	push_text(f, POST CHUNKED "\r\n", &out);
	long_body(f, true, &out);
	push_text(f, "4\r\n$MSB\r\n", &out);
	push_text(f, "5\r\n_BODY\r\n0\r\n\r\n", &out);
	assert_string_equal(buf_cstr(&out),
			    "13\r\na-much-longer-value\r\n0\r\n\r\n");
	/* and a counted one that cannot be changed: nothing is held */
	push_text(f, POST GZIP LENGTH(268435465) "\r\n", &out);
	long_body(f, false, &out);
	push_text(f, "$MSB_", &out);
	assert_int_equal(request_filter_push(f, "BODY", 4, false, &out),
			 -EPROTO);
	f = request_filter_free(f);
	buf_fini(&out);
}

/* What is held counts until it is sent, whoever's request it is in. */
static void held_bodies_share_what_room_there_is(void **state)
{
	struct request_bench *b = bench(state);
	struct request_filter *f, *other;
	struct buf out;

	buf_init(&out, 4096);
	b->room = 10;
	assert_int_equal(request_filter_new(b->scope, b->host, &b->room, &f),
			 0);
	assert_int_equal(
		request_filter_new(b->scope, b->host, &b->room, &other), 0);
	push_text(f, POST LENGTH(6) "\r\n123", &out);
	assert_int_equal(b->room, 4);
	request_filter_sent(f); /* the body is not there yet */
	assert_int_equal(b->room, 4);
	push_text(f, "456" POST LENGTH(4) "\r\n1234", &out);
	assert_int_equal(b->room, 0);
	assert_int_equal(request_filter_push(other, POST LENGTH(1) "\r\n",
					     strlen(POST LENGTH(1) "\r\n"),
					     false, &out),
			 -EPROTO);
	assert_string_equal(request_filter_why(other),
			    "too many bodies wait for their secrets");
	other = request_filter_free(other);
	request_filter_sent(f);
	assert_int_equal(b->room, 10);
	push_text(f, POST LENGTH(9) "\r\n", &out);
	f = request_filter_free(f);
	assert_int_equal(b->room, 10);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(into_fields),
		cmocka_unit_test(into_basic_credentials),
		cmocka_unit_test(into_queries),
		cmocka_unit_test(into_counted_bodies),
		cmocka_unit_test(into_chunks),
		cmocka_unit_test(encoded_bodies_stay_as_they_are),
		cmocka_unit_test(what_may_not_be_sent_is_stopped),
		cmocka_unit_test(the_report_says_what_it_was),
		cmocka_unit_test(a_head_may_become_long_but_not_endless),
		cmocka_unit_test(long_uploads_take_constant_memory),
		cmocka_unit_test(held_bodies_share_what_room_there_is),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
