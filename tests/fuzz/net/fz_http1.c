/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a client sends, and however it is cut: the same is sent on, or it is
 * stopped in both cases. A placeholder that may not be sent never is.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../unit/net/secret_bench.h"
#include "net/http/request.h"

#define MAX_OUT (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct stream {
	const uint8_t *data;
	size_t len;
	const struct secret_scope *scope;
	const char *host;
};

static int push(struct request_filter *f, const uint8_t *data, size_t len,
		bool end, struct buf *out)
{
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	if (!copy)
		abort();
	if (len)
		memcpy(copy, data, len);
	rc = request_filter_push(f, copy, len, end, out);
	free(copy);
	return rc;
}

/* Pieces have the lengths of the stream's own bytes, times scale; 0: one. */
static int run(const struct stream *s, unsigned scale, struct buf *out)
{
	size_t room = HTTP_MAX_HELD;
	struct request_filter *f;
	int rc = 0;

	if (request_filter_new(s->scope, s->host, &room, &f))
		abort();
	for (size_t at = 0, n; !rc && at < s->len; at += n) {
		n = scale ? 1 + s->data[at] * scale / 64 : s->len;
		if (n > s->len - at)
			n = s->len - at;
		rc = push(f, s->data + at, n, false, out);
	}
	if (!rc)
		rc = push(f, NULL, 0, true, out);
	f = request_filter_free(f);
	return rc;
}

/* Bodies that were put into new chunks are cut where they were pushed: data
 * and framing are told apart, and chunks joined. */
static void copy_chunks(struct buf *out, const char **p, const char *end)
{
	for (;;) {
		char *digits_end;
		size_t n = strtoull(*p, &digits_end, 16);
		const char *lf =
			memchr(digits_end, '\n', (size_t)(end - digits_end));

		if (digits_end == *p || !lf)
			return;
		*p = lf + 1;
		if (!n)
			return;
		if (n > (size_t)(end - *p))
			n = (size_t)(end - *p);
		buf_append(out, *p, n);
		*p += n;
		if (end - *p < 2)
			return;
		*p += 2;
	}
}

static void join_chunks(struct buf *out, struct buf *in)
{
	static const char field[] = "\ntransfer-encoding:";
	const char *p = buf_cstr(in), *end = p + buf_len(in);

	while (p < end) {
		const char *head = memmem(p, (size_t)(end - p), "\r\n\r\n", 4);
		bool chunked = false;

		if (!head)
			break;
		for (const char *q = p; q < head && !chunked; q++)
			chunked = !strncasecmp(q, field, sizeof(field) - 1);
		buf_append(out, p, (size_t)(head + 4 - p));
		p = head + 4;
		if (chunked)
			copy_chunks(out, &p, end);
	}
	if (p < end)
		buf_append(out, p, (size_t)(end - p));
}

static bool same(struct buf *a, struct buf *b)
{
	return buf_len(a) == buf_len(b) &&
	       (!buf_len(a) || !memcmp(buf_data(a), buf_data(b), buf_len(a)));
}

static void compare(struct buf *a, struct buf *b)
{
	struct buf c, d;

	if (same(a, b))
		return;
	buf_init(&c, MAX_OUT);
	buf_init(&d, MAX_OUT);
	join_chunks(&c, a);
	join_chunks(&d, b);
	if (!same(&c, &d))
		abort();
	buf_fini(&c);
	buf_fini(&d);
}

static void check(const struct stream *s)
{
	static const unsigned scales[] = { 1, 64, 1024 };
	struct buf whole, cut;
	int rc;

	buf_init(&whole, MAX_OUT);
	buf_init(&cut, MAX_OUT);
	rc = run(s, 0, &whole);
	if (!rc && s->host && buf_len(&whole) &&
	    memmem(buf_data(&whole), buf_len(&whole), "$MSB_BAD", 8))
		abort();
	for (size_t i = 0; i < sizeof(scales) / sizeof(*scales); i++) {
		buf_reset(&cut);
		if ((run(s, scales[i], &cut) == 0) != (rc == 0))
			abort();
		if (!rc)
			compare(&whole, &cut);
	}
	buf_fini(&whole);
	buf_fini(&cut);
}

/* The first byte: which secrets there are, and whether there is one host. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct secret_bench b;
	struct secret_scope *scope;
	struct stream s = { 0 };

	/* HTTP/2 has a target of its own */
	if (!size || (size > 4 && !memcmp(data + 1, "PRI ", 4)))
		return 0;
	secret_bench_init(&b);
	secret_bench_add(&b, "KEY", NULL, "sesame", "a.test", data[0] & 15);
	secret_bench_add(&b, "B", NULL, "a-longer-value", "a.test",
			 data[0] >> 4 & 15);
	secret_bench_add(&b, "BAD", NULL, "bad", "b.test", PLACE_ALL);
	secret_bench_start(&b);
	scope = secret_bench_scope(&b, "a.test");
	s = (struct stream){ data + 1, size - 1, scope, "a.test" };
	check(&s);
	s.host = NULL;
	check(&s);
	scope = secret_scope_free(scope);
	secret_bench_fini(&b);
	return 0;
}
