/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of requests through a filter. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "request_bench.h"

#define MAX_OUT (64u << 20)
#define MANY_CUTS 600u /* longer ones are not cut at every place */

/* A piece is memory of its own, so that a look behind it is noticed. */
static int push(struct request_filter *f, const uint8_t *data, size_t len,
		bool end, struct buf *out)
{
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	if (len)
		memcpy(copy, data, len);
	rc = request_filter_push(f, copy, len, end, out);
	free(copy);
	return rc;
}

int request_bench_run(struct request_bench *b, const void *data, size_t len,
		      size_t first, size_t step, struct buf *out)
{
	const uint8_t *p = data;
	struct request_filter *f;
	int rc = 0;

	b->room = HTTP_MAX_HELD;
	assert_int_equal(request_filter_new(b->scope, b->host, &b->room, &f),
			 0);
	for (size_t at = 0, n; !rc && at < len; at += n) {
		n = at ? step : first;
		if (n > len - at)
			n = len - at;
		rc = push(f, p + at, n, false, out);
	}
	if (!rc)
		rc = push(f, NULL, 0, true, out);
	if (rc == -EPERM)
		b->found = *request_filter_found(f);
	if (rc == -EPROTO)
		b->why = request_filter_why(f);
	f = request_filter_free(f);
	assert_int_equal(b->room, HTTP_MAX_HELD);
	return rc;
}

/* want: NULL = it is stopped, with rc */
static void check(struct request_bench *b, const void *in, size_t in_len,
		  size_t first, size_t step, int rc, const void *want,
		  size_t want_len)
{
	struct buf out;

	buf_init(&out, MAX_OUT);
	assert_int_equal(request_bench_run(b, in, in_len, first, step, &out),
			 rc);
	if (want) {
		assert_int_equal(buf_len(&out), want_len);
		if (want_len)
			assert_memory_equal(buf_data(&out), want, want_len);
	}
	buf_fini(&out);
}

static void check_all(struct request_bench *b, const void *in, size_t in_len,
		      int rc, const void *want, size_t want_len)
{
	check(b, in, in_len, in_len, in_len, rc, want, want_len);
	check(b, in, in_len, 1, 1, rc, want, want_len);
	check(b, in, in_len, 7, 5, rc, want, want_len);
	for (size_t cut = 1; cut < in_len && in_len < MANY_CUTS; cut++)
		check(b, in, in_len, cut, in_len, rc, want, want_len);
}

void request_becomes(struct request_bench *b, const void *in, size_t in_len,
		     const void *out, size_t out_len)
{
	check_all(b, in, in_len, 0, out, out_len);
}

void request_is(struct request_bench *b, const char *in, const char *out)
{
	request_becomes(b, in, strlen(in), out, strlen(out));
}

void request_passes(struct request_bench *b, const char *in)
{
	request_is(b, in, in);
}

void request_refused(struct request_bench *b, const char *in)
{
	b->why = NULL;
	check_all(b, in, strlen(in), -EPROTO, NULL, 0);
	assert_non_null(b->why);
}

void request_violates(struct request_bench *b, const char *in, const char *env,
		      const char *location)
{
	memset(&b->found, 0, sizeof(b->found));
	check_all(b, in, strlen(in), -EPERM, NULL, 0);
	assert_string_equal(b->found.env_var, env);
	assert_string_equal(b->found.location, location);
}
