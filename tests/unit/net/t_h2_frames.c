/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 frames that no client would send, and limits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "h2_bench.h"

#define END NGHTTP2_FLAG_END_STREAM
#define LAST NGHTTP2_FLAG_END_HEADERS
#define PADDED NGHTTP2_FLAG_PADDED
#define PRIORITY NGHTTP2_FLAG_PRIORITY

/* A connection after its preface, and what is to be pushed next. */
struct raw {
	struct bench b;
	struct buf in;
};

static void raw_init(struct raw *r, unsigned flags)
{
	bench_init(&r->b, flags);
	buf_init(&r->in, 64u << 20);
	put_preface(&r->in);
}

static int raw_push(struct raw *r)
{
	int rc = bench_push(&r->b, buf_data(&r->in), buf_len(&r->in));

	buf_reset(&r->in);
	return rc;
}

static void raw_fini(struct raw *r)
{
	buf_fini(&r->in);
	bench_fini(&r->b);
}

static void raw_frame(struct raw *r, unsigned type, unsigned flags,
		      uint32_t stream, const void *data, size_t len)
{
	put_frame(&r->in, type, flags, stream, data, len);
}

static int one_list(const char *fields, unsigned flags)
{
	struct raw r;
	int rc;

	raw_init(&r, flags);
	put_headers(&r.b, &r.in, END, 1, fields);
	rc = raw_push(&r);
	if (rc == -EPROTO)
		assert_non_null(r.b.ctx.why);
	raw_fini(&r);
	return rc;
}

static void test_lists_refused(void **state MSB_UNUSED)
{
	static const char *const bad[] = {
		/* hosts */
		":method: GET\n:scheme: https\n:path: /\n",
		":method: GET\n:scheme: https\n:path: /\nhost: " HOST "\n",
		":method: GET\n:scheme: https\n:authority: other.example\n"
		":path: /\n",
		":method: GET\n:scheme: https\n:authority: \n:path: /\n",
		":method: GET\n:scheme: https\n:authority: a@" HOST
		"\n:path: /\n",
		":method: GET\n:scheme: https\n:authority: " HOST
		":99x\n:path: /\n",
		":method: GET\n:scheme: https\n:authority: " HOST
		",x\n:path: /\n",
		":method: GET\n:scheme: https\n:authority: " HOST
		"\n:authority: " HOST "\n:path: /\n",
		":method: GET\n:scheme: https\n:authority: " HOST
		"\n:authority: other.example\n:path: /\n",
		GET "host: other.example\n",
		GET "host: " HOST "\nhost: " HOST "\n",
		GET "host: \n",
		/* pseudo-fields */
		":scheme: https\n:authority: " HOST "\n:path: /\n",
		":method: GET\n:authority: " HOST "\n:path: /\n",
		":method: GET\n:scheme: https\n:authority: " HOST "\n",
		":method: \n:scheme: https\n:authority: " HOST "\n:path: /\n",
		":method: G T\n:scheme: https\n:authority: " HOST
		"\n:path: /\n",
		":method: GET\n:scheme: https://other.example/?\n"
		":authority: " HOST "\n:path: /\n",
		":method: GET\n:scheme: https\n:authority: " HOST "\n:path: \n",
		":method: GET\n:scheme: https\n:authority: " HOST
		"\n:path: a\n",
		":method: GET\n:scheme: https\n:authority: " HOST
		"\n:path: *\n",
		":method: GET\n:scheme: https\n:authority: " HOST
		"\n:path: https://other.example/\n",
		":method: GET\n:scheme: https\n:authority: " HOST
		"\n:path: / HTTP/1.1\n",
		":method: GET\n:scheme: https\n:authority: " HOST
		"\n:path: /a\rb\n",
		GET ":path: /b\n",
		GET ":method: GET\n",
		GET ":scheme: https\n",
		GET ":other: a\n",
		GET ":status: 200\n",
		GET ":protocol: websocket\n",
		GET "x-a: b\n:protocol: c\n",
		"x-a: b\n" GET,
		":method: CONNECT\n:scheme: https\n:authority: " HOST "\n",
		":method: CONNECT\n:authority: " HOST "\n:path: /\n",
		":method: CONNECT\n:authority: other.example:443\n",
		":method: CONNECT\n:scheme: https\n:authority: " HOST
		"\n:path: /\n:protocol: a b\n",
		/* fields */
		GET "X-Upper: a\n",
		GET "x a: b\n",
		GET "x\r: b\n",
		GET "x(: b\n",
		GET "x-a: a\rb\n",
		GET "x-a: \x01\n",
		GET "x-a: \x7f\n",
		GET "x-a:  b\n",
		GET "x-a: b \n",
		GET "x-a: b\t\n",
		GET "connection: close\n",
		GET "transfer-encoding: chunked\n",
		GET "keep-alive: a\n",
		GET "upgrade: h2c\n",
		GET "proxy-connection: close\n",
		GET "te: gzip\n",
		GET "te: trailers, gzip\n",
		/* lengths; this one has no body */
		GET "content-length: 1\n",
		GET "content-length: \n",
		GET "content-length: -1\n",
		GET "content-length: +0\n",
		GET "content-length: 0, 0\n",
		GET "content-length: 0x\n",
		GET "content-length: 0\ncontent-length: 0\n",
		GET "content-length: 18446744073709551616\n",
		/* a secret that the field cannot have */
		GET "x-a: " BLANK "\n",
		GET "x-huge: " HUGE_KEY HUGE_KEY HUGE_KEY "\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (one_list(bad[i], 0) != -EPROTO)
			fail_msg("let through: %s", bad[i]);
}

static void test_lists_allowed(void **state MSB_UNUSED)
{
	static const char *const good[] = {
		GET,
		GET "host: " HOST "\n",
		GET "host: " HOST ".:443\n",
		GET "te: trailers\n",
		GET "x-a: \n",
		GET "x-a: b\tc d\n",
		GET "x-a: \xff\xfe\n",
		GET "content-length: 0\n",
		GET "x-a: b" BLANK "\n",
		GET "x-huge: " HUGE_KEY HUGE_KEY "\n",
		":method: GET\n:scheme: https\n:authority: SITE.Example:8443\n"
		":path: /\n",
		":method: OPTIONS\n:scheme: https\n:authority: " HOST
		"\n:path: *\n",
		":path: /\n:authority: " HOST
		".\n:scheme: http\n:method: PATCH\n",
		":method: CONNECT\n:authority: " HOST ":443\n",
		":method: CONNECT\n:protocol: websocket\n:scheme: https\n"
		":authority: " HOST "\n:path: /ws\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (one_list(good[i], 0))
			fail_msg("refused: %s", good[i]);
	/* with any host there may be none, but no two */
	assert_int_equal(one_list(":method: GET\n:scheme: https\n:path: /\n",
				  BENCH_ANY_HOST),
			 0);
	assert_int_equal(one_list(GET "host: other.example\n", BENCH_ANY_HOST),
			 -EPROTO);
	assert_int_equal(one_list(GET "host: " HOST "\n", BENCH_ANY_HOST), 0);
}

/* One DATA of this payload, on a stream that is open. */
static int one_data(unsigned flags, const void *data, size_t len,
		    const char *fields)
{
	struct raw r;
	int rc;

	raw_init(&r, 0);
	put_headers(&r.b, &r.in, 0, 1, fields);
	raw_frame(&r, NGHTTP2_DATA, flags, 1, data, len);
	rc = raw_push(&r);
	raw_fini(&r);
	return rc;
}

static void test_data(void **state MSB_UNUSED)
{
	assert_int_equal(one_data(END, "abc", 3, POST), 0);
	assert_int_equal(one_data(END, "", 0, POST), 0);
	assert_int_equal(one_data(END, "abc", 3, POST "content-length: 3\n"),
			 0);
	assert_int_equal(one_data(END, "abc", 3, POST "content-length: 4\n"),
			 -EPROTO);
	assert_int_equal(one_data(0, "abc", 3, POST "content-length: 4\n"), 0);
	assert_int_equal(one_data(0, "abc", 3, POST "content-length: 2\n"),
			 -EPROTO);
	assert_int_equal(one_data(END | PADDED, "\2abc\0\0", 6,
				  POST "content-length: 3\n"),
			 0);
	assert_int_equal(
		one_data(END | PADDED, "\0abc", 4, POST "content-length: 3\n"),
		0);
	assert_int_equal(one_data(PADDED, "\2\0\0", 3, POST), 0);
	assert_int_equal(one_data(PADDED, "\0", 1, POST), 0);
	assert_int_equal(one_data(PADDED, "", 0, POST), -EPROTO);
	assert_int_equal(one_data(PADDED, "\1", 1, POST), -EPROTO);
	assert_int_equal(one_data(PADDED, "\3\0\0", 3, POST), -EPROTO);
	/* nothing hides in padding */
	assert_int_equal(one_data(PADDED, "\2a\0$", 4, POST), -EPROTO);
}

/* HEADERS with something before the fragment; len of head, tail behind it. */
static int framed(unsigned flags, const void *head, size_t head_len,
		  const void *tail, size_t tail_len)
{
	struct buf payload;
	struct raw r;
	int rc;

	raw_init(&r, 0);
	buf_init(&payload, 1 << 20);
	buf_append(&payload, head, head_len);
	pack(&r.b, &payload, GET);
	buf_append(&payload, tail, tail_len);
	raw_frame(&r, NGHTTP2_HEADERS, flags | END | LAST, 1,
		  buf_data(&payload), buf_len(&payload));
	rc = raw_push(&r);
	buf_fini(&payload);
	raw_fini(&r);
	return rc;
}

static void test_padding_and_priority(void **state MSB_UNUSED)
{
	static const char zeros[256];

	assert_int_equal(framed(0, NULL, 0, NULL, 0), 0);
	assert_int_equal(framed(PADDED, "\0", 1, NULL, 0), 0);
	assert_int_equal(framed(PADDED, "\xff", 1, zeros, 255), 0);
	assert_int_equal(framed(PADDED, "\xff", 1, zeros, 1), -EPROTO);
	assert_int_equal(framed(PRIORITY, "\0\0\0\0\20", 5, NULL, 0), 0);
	assert_int_equal(framed(PRIORITY, "\200\0\0\3\20", 5, NULL, 0), 0);
	assert_int_equal(framed(PRIORITY, "\0\0\0\1\20", 5, NULL, 0), -EPROTO);
	assert_int_equal(framed(PRIORITY, "\200\0\0\1\20", 5, NULL, 0),
			 -EPROTO);
	assert_int_equal(
		framed(PADDED | PRIORITY, "\2\0\0\0\3\20", 6, zeros, 2), 0);
}

struct shape {
	uint8_t type, flags;
	uint32_t stream;
	const char *data;
	uint32_t len;
	bool good;
};

/* After stream 1, open, and 3, closed. */
static const struct shape shapes[] = {
	{ NGHTTP2_DATA, 0, 1, "a", 1, true },
	{ NGHTTP2_DATA, 0, 0x80000001, "a", 1, true }, /* a reserved bit */
	{ NGHTTP2_DATA, 0, 0, "a", 1, false },
	{ NGHTTP2_DATA, 0, 3, "a", 1, false },
	{ NGHTTP2_DATA, 0, 5, "a", 1, false },
	{ NGHTTP2_HEADERS, LAST, 0, "", 0, false },
	{ NGHTTP2_HEADERS, LAST, 3, "", 0, false },
	{ NGHTTP2_HEADERS, LAST, 2, "", 0, false },
	{ NGHTTP2_HEADERS, LAST, 1, "", 0, false }, /* trailers, no end */
	{ NGHTTP2_HEADERS, LAST | END, 1, "", 0, true },
	{ NGHTTP2_HEADERS, LAST | END, 1, "\x82", 1, false }, /* :method */
	{ NGHTTP2_HEADERS, LAST | END, 1, "\xff\xff\xff\xff\xff", 5, false },
	{ NGHTTP2_HEADERS, LAST | END, 1, "\xc0", 1, false },
	{ NGHTTP2_HEADERS, LAST | END, 1, "\x20", 1, true }, /* a table of 0 */
	{ NGHTTP2_HEADERS, LAST | END, 1, "\x20\x3f\xe1\x1f", 4, true },
	{ NGHTTP2_HEADERS, LAST | END, 1, "\x20\x20\x20", 3, false },
	{ NGHTTP2_HEADERS, LAST | END, 1, "\x3f\xe2\xff\x03", 4, false },
	{ NGHTTP2_HEADERS, LAST | END, 1, "\x3f\xff\xff\xff\xff\x0f", 6,
	  false },
	{ NGHTTP2_HEADERS, LAST | END, 1, "\x3f\xff", 2, false },
	{ NGHTTP2_HEADERS, LAST | END | PADDED, 1, "", 0, false },
	{ NGHTTP2_HEADERS, LAST | END | PADDED, 1, "\1", 1, false },
	{ NGHTTP2_HEADERS, LAST | END | PADDED, 1, "\1\0", 2, true },
	{ NGHTTP2_HEADERS, LAST | END | PRIORITY, 1, "\0\0\0\0", 4, false },
	{ NGHTTP2_PRIORITY, 0, 7, "\0\0\0\3\1", 5, true },
	{ NGHTTP2_PRIORITY, 0, 7, "\0\0\0\7\1", 5, false },
	{ NGHTTP2_PRIORITY, 0, 7, "\0\0\0\3", 4, false },
	{ NGHTTP2_PRIORITY, 0, 0, "\0\0\0\3\1", 5, false },
	{ NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\0", 4, true },
	{ NGHTTP2_RST_STREAM, 0, 3, "\0\0\0\0", 4, true },
	{ NGHTTP2_RST_STREAM, 0, 1, "\0\0\0", 3, false },
	{ NGHTTP2_RST_STREAM, 0, 0, "\0\0\0\0", 4, false },
	{ NGHTTP2_PUSH_PROMISE, LAST, 1, "\0\0\0\2", 4, false },
	{ NGHTTP2_CONTINUATION, LAST, 1, "", 0, false },
	{ NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0, true },
	{ NGHTTP2_PING, 0, 0, "12345678", 8, true },
	{ NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\1\0", 4, true },
	{ NGHTTP2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0bye", 11, true },
	{ 16, 0, 0, "\0\0\0\1u=1", 7, true }, /* RFC 9218 */
	{ 0xfa, 0xff, 9, "", 0, true },
};

static void test_shapes(void **state MSB_UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct shape *s = &shapes[i];
		struct raw r;
		int rc;

		raw_init(&r, 0);
		put_headers(&r.b, &r.in, 0, 1, POST);
		put_headers(&r.b, &r.in, END, 3, GET);
		raw_frame(&r, s->type, s->flags, s->stream, s->data, s->len);
		rc = raw_push(&r);
		if (rc != (s->good ? 0 : -EPROTO))
			fail_msg("shape %zu: %d", i, rc);
		raw_fini(&r);
	}
}

/* After RST_STREAM a stream is gone. */
static void test_reset_closes(void **state MSB_UNUSED)
{
	struct raw r;

	raw_init(&r, 0);
	put_headers(&r.b, &r.in, 0, 1, POST);
	raw_frame(&r, NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\10", 4);
	assert_int_equal(raw_push(&r), 0);
	raw_frame(&r, NGHTTP2_DATA, 0, 1, "a", 1);
	assert_int_equal(raw_push(&r), -EPROTO);
	raw_fini(&r);
}

static void test_nothing_within_a_block(void **state MSB_UNUSED)
{
	static const struct shape between[] = {
		{ NGHTTP2_DATA, 0, 1, "a", 1, false },
		{ NGHTTP2_PING, 0, 0, "12345678", 8, false },
		{ NGHTTP2_HEADERS, LAST, 3, "", 0, false },
		{ NGHTTP2_CONTINUATION, LAST, 5, "", 0, false },
		{ 0xfa, 0, 0, "", 0, false },
		{ NGHTTP2_CONTINUATION, 0, 3, "", 0, true },
	};
	struct buf block;
	struct raw r;

	for (size_t i = 0; i < ARRAY_SIZE(between); i++) {
		const struct shape *s = &between[i];

		raw_init(&r, 0);
		buf_init(&block, 1 << 20);
		put_headers(&r.b, &r.in, 0, 1, POST);
		pack(&r.b, &block, GET);
		raw_frame(&r, NGHTTP2_HEADERS, END, 3, buf_data(&block), 3);
		raw_frame(&r, s->type, s->flags, s->stream, s->data, s->len);
		raw_frame(&r, NGHTTP2_CONTINUATION, LAST, 3,
			  buf_data(&block) + 3, buf_len(&block) - 3);
		assert_int_equal(raw_push(&r), s->good ? 0 : -EPROTO);
		buf_fini(&block);
		raw_fini(&r);
	}
}

static void test_preface(void **state MSB_UNUSED)
{
	struct raw r;

	for (unsigned i = 0; i < 24; i++) {
		raw_init(&r, 0);
		r.in.data[i] ^= 1;
		assert_int_equal(raw_push(&r), -EPROTO);
		assert_int_equal(buf_len(&r.b.wire), 0);
		raw_fini(&r);
	}
}

/* Small frames; no end. Each is paid for by the guest, none is kept. */
static void test_endless_block(void **state MSB_UNUSED)
{
	unsigned frames = 0;
	struct raw r;

	raw_init(&r, 0);
	raw_frame(&r, NGHTTP2_HEADERS, 0, 1, "", 0);
	while (!raw_push(&r)) {
		raw_frame(&r, NGHTTP2_CONTINUATION, 0, 1, "", 0);
		assert_true(++frames < 1000);
	}
	assert_int_equal(r.b.rc, -EPROTO);
	raw_fini(&r);
}

static void test_long_block(void **state MSB_UNUSED)
{
	static const uint8_t zeros[H2_FRAME_MAX];
	struct raw r;

	raw_init(&r, 0);
	raw_frame(&r, NGHTTP2_HEADERS, 0, 1, zeros, sizeof(zeros));
	for (unsigned i = 0; i < 3; i++)
		raw_frame(&r, NGHTTP2_CONTINUATION, 0, 1, zeros, sizeof(zeros));
	assert_int_equal(raw_push(&r), 0);
	raw_frame(&r, NGHTTP2_CONTINUATION, 0, 1, zeros, 1);
	assert_int_equal(raw_push(&r), -EPROTO);
	raw_fini(&r);
	/* its length alone tells, at once */
	raw_init(&r, 0);
	buf_append(&r.in, "\377\377\377\1\0\0\0\0\1", 9);
	assert_int_equal(raw_push(&r), -EPROTO);
	raw_fini(&r);
}

/* A few bytes that stand for many: fields from the table, again and again. */
static void test_header_bomb(void **state MSB_UNUSED)
{
	struct buf block, list;
	struct raw r;

	raw_init(&r, 0);
	buf_init(&block, 1 << 20);
	buf_init(&list, 1 << 20);
	buf_str(&list, GET "x-bomb: ");
	for (unsigned i = 0; i < 3000; i++)
		buf_str(&list, "b");
	buf_str(&list, "\n");
	pack(&r.b, &block, buf_cstr(&list));
	for (unsigned i = 0; i < 15; i++)
		buf_append(&block, "\xbe", 1); /* index 62: the newest */
	raw_frame(&r, NGHTTP2_HEADERS, END | LAST, 1, buf_data(&block),
		  buf_len(&block));
	assert_int_equal(raw_push(&r), 0);
	buf_reset(&block);
	pack(&r.b, &block, GET);
	for (unsigned i = 0; i < 25; i++)
		buf_append(&block, "\xbe", 1);
	raw_frame(&r, NGHTTP2_HEADERS, END | LAST, 3, buf_data(&block),
		  buf_len(&block));
	assert_int_equal(raw_push(&r), -EPROTO);
	buf_fini(&list);
	buf_fini(&block);
	raw_fini(&r);
}

static int fields(unsigned n)
{
	struct buf block;
	struct raw r;
	int rc;

	raw_init(&r, 0);
	buf_init(&block, 1 << 20);
	pack(&r.b, &block, GET);
	for (unsigned i = 0; i < n; i++)
		pack(&r.b, &block, "a: b\n");
	raw_frame(&r, NGHTTP2_HEADERS, END | LAST, 1, buf_data(&block),
		  buf_len(&block));
	rc = raw_push(&r);
	buf_fini(&block);
	raw_fini(&r);
	return rc;
}

static void test_many_fields(void **state MSB_UNUSED)
{
	assert_int_equal(fields(HTTP_MAX_FIELDS - 4), 0);
	assert_int_equal(fields(HTTP_MAX_FIELDS - 3), -EPROTO);
	assert_int_equal(fields(2 * HTTP_MAX_FIELDS), -EPROTO);
}

static void test_many_streams(void **state MSB_UNUSED)
{
	struct raw r;

	raw_init(&r, 0);
	for (uint32_t i = 0; i < HTTP_MAX_STREAMS; i++)
		put_headers(&r.b, &r.in, 0, 2 * i + 1, POST);
	assert_int_equal(raw_push(&r), 0);
	/* room again after the end of some, wherever they are */
	raw_frame(&r, NGHTTP2_DATA, END, 1, "a", 1);
	raw_frame(&r, NGHTTP2_DATA, END, 999, "a", 1);
	raw_frame(&r, NGHTTP2_RST_STREAM, 0, 2 * HTTP_MAX_STREAMS - 1,
		  "\0\0\0\10", 4);
	for (uint32_t i = 0; i < 3; i++)
		put_headers(&r.b, &r.in, 0, 2 * (HTTP_MAX_STREAMS + i) + 1,
			    POST);
	raw_frame(&r, NGHTTP2_DATA, 0, 3, "a", 1);
	raw_frame(&r, NGHTTP2_DATA, 0, 1001, "a", 1);
	assert_int_equal(raw_push(&r), 0);
	put_headers(&r.b, &r.in, 0, 4 * HTTP_MAX_STREAMS + 1, POST);
	assert_int_equal(raw_push(&r), -EPROTO);
	raw_fini(&r);
}

/* Those of other connections count, too. */
static void test_streams_of_all_connections(void **state MSB_UNUSED)
{
	struct raw r;

	raw_init(&r, 0);
	r.b.room = 2 * HTTP_STREAM_ROOM;
	put_headers(&r.b, &r.in, 0, 1, POST);
	put_headers(&r.b, &r.in, 0, 3, POST);
	assert_int_equal(raw_push(&r), 0);
	raw_frame(&r, NGHTTP2_DATA, END, 1, "a", 1);
	assert_int_equal(raw_push(&r), 0);
	put_headers(&r.b, &r.in, 0, 5, POST);
	assert_int_equal(raw_push(&r), 0);
	put_headers(&r.b, &r.in, 0, 7, POST);
	assert_int_equal(raw_push(&r), -EPROTO);
	raw_fini(&r);
}

/* Other frames than those of requests are looked at, too. */
static void test_leaks_beside_requests(void **state MSB_UNUSED)
{
	static const struct shape where[] = {
		{ NGHTTP2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0$MSB_WORSE", 18, 0 },
		{ 0xfa, 0, 1, "$MSB_WORSE", 10, 0 },
	};
	struct raw r;

	for (size_t i = 0; i < ARRAY_SIZE(where); i++)
		for (size_t cut = 0; cut < 5; cut++) {
			raw_init(&r, 0);
			r.b.cut = cut;
			raw_frame(&r, where[i].type, 0, where[i].stream,
				  where[i].data, where[i].len);
			assert_int_equal(raw_push(&r), -EPERM);
			assert_int_equal(r.b.ctx.found.action,
					 SECRET_BLOCK_TERMINATE);
			assert_string_equal(r.b.ctx.found.location, "unknown");
			raw_fini(&r);
		}
	raw_init(&r, 0);
	raw_frame(&r, NGHTTP2_PING, 0, 0, "..$MSB_W", 8);
	assert_int_equal(raw_push(&r), 0);
	raw_frame(&r, NGHTTP2_PING, 0, 0, "ORSE....", 8);
	assert_int_equal(raw_push(&r), -EPERM);
	raw_fini(&r);
}

/* The strictest of what arrives together counts. */
static void test_strictest_of_a_push(void **state MSB_UNUSED)
{
	struct raw r;

	raw_init(&r, 0);
	put_headers(&r.b, &r.in, END, 1, GET "x-a: " OTHER "\n");
	put_headers(&r.b, &r.in, 0, 3, POST);
	raw_frame(&r, NGHTTP2_DATA, END, 3, WORSE, strlen(WORSE));
	put_headers(&r.b, &r.in, END, 5, GET "x-a: " OTHER "\n");
	assert_int_equal(raw_push(&r), -EPERM);
	assert_int_equal(r.b.ctx.found.action, SECRET_BLOCK_TERMINATE);
	assert_int_equal(r.b.ctx.found.stream, 3);
	assert_string_equal(r.b.ctx.found.env_var, "WORSE");
	raw_fini(&r);
	/* also in a request that would be refused, and before one */
	raw_init(&r, 0);
	put_headers(&r.b, &r.in, END, 1, GET "X-a: " WORSE "\n");
	assert_int_equal(raw_push(&r), -EPERM);
	raw_fini(&r);
	raw_init(&r, 0);
	put_headers(&r.b, &r.in, END, 1, GET "x-a: " WORSE "\n");
	put_headers(&r.b, &r.in, END, 3, "x-a: b\n");
	assert_int_equal(raw_push(&r), -EPERM);
	raw_fini(&r);
}

/* Whatever the cuts, the same is sent on; flow control sees the same DATA. */
static void test_cuts(void **state MSB_UNUSED)
{
	struct buf in, whole;
	struct bench b;

	buf_init(&in, 1 << 20);
	buf_init(&whole, 1 << 20);
	for (size_t cut = 0; cut < 40; cut++) {
		bench_init(&b, BENCH_BODY);
		buf_reset(&in);
		put_preface(&in);
		put_headers(&b, &in, 0, 1, POST "x-a: " KEY "\n");
		put_frame(&in, NGHTTP2_DATA, PADDED, 1, "\3data\0\0\0", 8);
		put_headers(&b, &in, END, 3, GET "authorization: Basic Og==\n");
		put_frame(&in, NGHTTP2_PRIORITY, 0, 5, "\0\0\0\0\1", 5);
		put_frame(&in, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\1\0", 4);
		put_frame(&in, NGHTTP2_DATA, 0, 1, "", 0);
		put_frame(&in, NGHTTP2_DATA, END, 1, KEY, strlen(KEY));
		b.cut = cut;
		assert_int_equal(bench_push(&b, buf_data(&in), buf_len(&in)),
				 0);
		if (!cut)
			buf_append(&whole, buf_data(&b.wire), buf_len(&b.wire));
		assert_int_equal(buf_len(&whole), buf_len(&b.wire));
		assert_memory_equal(buf_data(&whole), buf_data(&b.wire),
				    buf_len(&whole));
		bench_fini(&b);
	}
	buf_fini(&in);
	buf_fini(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_refused),
		cmocka_unit_test(test_lists_allowed),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_padding_and_priority),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_reset_closes),
		cmocka_unit_test(test_nothing_within_a_block),
		cmocka_unit_test(test_preface),
		cmocka_unit_test(test_endless_block),
		cmocka_unit_test(test_long_block),
		cmocka_unit_test(test_header_bomb),
		cmocka_unit_test(test_many_fields),
		cmocka_unit_test(test_many_streams),
		cmocka_unit_test(test_streams_of_all_connections),
		cmocka_unit_test(test_leaks_beside_requests),
		cmocka_unit_test(test_strictest_of_a_push),
		cmocka_unit_test(test_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
