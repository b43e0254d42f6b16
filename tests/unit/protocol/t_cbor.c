/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR: heads, limits, well-formedness, cursors that stay put on failure. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/cbor.h"

#define BYTES(text)                                                            \
	{                                                                      \
		(text), sizeof(text) - 1                                       \
	}

static struct cbor over(const char *bytes, size_t len)
{
	struct cbor c;

	cbor_init(&c, (struct view){ (const uint8_t *)bytes, len }, NULL);
	return c;
}
#define OVER(text) over(text, sizeof(text) - 1)

static void expect_int(int64_t v, const char *bytes, size_t len)
{
	struct cbor c;
	int64_t back;
	struct buf b;

	buf_init(&b, 16);
	cbor_put_int(&b, v);
	assert_int_equal(buf_len(&b), len);
	assert_memory_equal(buf_data(&b), bytes, len);
	cbor_init(&c, view_buf(&b), NULL);
	assert_int_equal(cbor_get_i64(&c, &back), 0);
	assert_true(back == v);
	assert_true(cbor_at_end(&c));
	buf_fini(&b);
}

/* The examples of RFC 8949, appendix A. */
static void integers(void **state)
{
	(void)state;
	expect_int(0, "\x00", 1);
	expect_int(23, "\x17", 1);
	expect_int(24, "\x18\x18", 2);
	expect_int(255, "\x18\xff", 2);
	expect_int(256, "\x19\x01\x00", 3);
	expect_int(65536, "\x1a\x00\x01\x00\x00", 5);
	expect_int(1000000000000, "\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00", 9);
	expect_int(-1, "\x20", 1);
	expect_int(-100, "\x38\x63", 2);
	expect_int(-1000, "\x39\x03\xe7", 3);
	expect_int(INT64_MIN, "\x3b\x7f\xff\xff\xff\xff\xff\xff\xff", 9);
}

static void integer_ranges(void **state)
{
	struct cbor c = OVER("\x1b\xff\xff\xff\xff\xff\xff\xff\xff");
	const uint8_t *start = c.p;
	uint64_t u64;
	uint32_t u32;
	int64_t i64;

	(void)state;
	assert_int_equal(cbor_get_u32(&c, &u32), -ERANGE);
	assert_ptr_equal(c.p, start);
	assert_int_equal(cbor_get_i64(&c, &i64), -ERANGE);
	assert_ptr_equal(c.p, start);
	assert_int_equal(cbor_get_u64(&c, &u64), 0);
	assert_true(u64 == UINT64_MAX);
	c = OVER("\x20");
	assert_int_equal(cbor_get_u64(&c, &u64), -ERANGE);
	c = OVER("\x3b\xff\xff\xff\xff\xff\xff\xff\xff");
	assert_int_equal(cbor_get_i64(&c, &i64), -ERANGE);
	c = OVER("\x1b\x00\x00\x00\x00\x00\x00\x00\x07"); /* not shortest */
	assert_int_equal(cbor_get_u32(&c, &u32), 0);
	assert_int_equal(u32, 7);
}

static void malformed_items_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		BYTES(""),
		BYTES("\x18"),
		BYTES("\x19\x01"),
		BYTES("\x1c"), /* reserved */
		BYTES("\x1f"), /* indefinite integer */
		BYTES("\x3f"),
		BYTES("\xdf\x00"), /* indefinite tag */
		BYTES("\xff"),	   /* break outside */
		BYTES("\xf8\x1f"), /* simple value in the wrong form */
		BYTES("\x42\x00"), /* string cut off */
		BYTES("\x5b\xff\xff\xff\xff\xff\xff\xff\xff"),
		BYTES("\x82\x00"), /* array cut off */
		BYTES("\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x00"),
		BYTES("\xbb\x80\x00\x00\x00\x00\x00\x00\x00\x00"),
		BYTES("\xa1\x00"),		/* value missing */
		BYTES("\xbf\x00\xff"),		/* odd map */
		BYTES("\x9f\x00"),		/* no break */
		BYTES("\x82\x00\xff"),		/* break in a definite array */
		BYTES("\x5f\x61x\xff"),		/* chunk of another type */
		BYTES("\x5f\x5f\x41x\xff\xff"), /* nested chunks */
		BYTES("\x5f\x41x"),
		BYTES("\xc1"), /* tag of nothing */
		BYTES("\x9f\xc1\xff"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cbor c = over(bad[i].bytes, bad[i].len);

		assert_int_equal(cbor_skip(&c), -EBADMSG);
		assert_ptr_equal(c.p, bad[i].bytes);
	}
}

static void whole_items_are_skipped(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} good[] = {
		BYTES("\x00"),
		BYTES("\x80"),
		BYTES("\xa0"),
		BYTES("\x9f\xff"),
		BYTES("\xbf\xff"),
		BYTES("\xbf\x01\x9f\x80\xff\xff"),
		BYTES("\x82\xa1\x01\x9f\xff\x80"),
		BYTES("\x9f\xa0\xbf\x01\x82\x80\x80\xff\xff"),
		BYTES("\xc1\xc2\x82\xc3\x01\xc4\x80"),
		BYTES("\x7f\x61x\x60\xff"),
		BYTES("\xf9\x7c\x00"),
		BYTES("\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00"),
		BYTES("\xf8\x20"),
		BYTES("\xe0"),
		BYTES("\xf7"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct cbor c = over(good[i].bytes, good[i].len);

		assert_int_equal(cbor_skip(&c), 0);
		assert_true(cbor_at_end(&c));
		/* nothing shorter is an item */
		for (size_t n = 0; n < good[i].len; n++) {
			c = over(good[i].bytes, n);
			assert_int_equal(cbor_skip(&c), -EBADMSG);
		}
	}
}

static void depth_is_limited(void **state)
{
	uint8_t nest[CBOR_MAX_DEPTH + 2];
	struct cbor c;

	(void)state;
	memset(nest, 0x81, sizeof(nest));
	nest[CBOR_MAX_DEPTH] = 0;
	cbor_init(&c, (struct view){ nest, CBOR_MAX_DEPTH + 1 }, NULL);
	assert_int_equal(cbor_skip(&c), 0);
	nest[CBOR_MAX_DEPTH] = 0x81;
	nest[CBOR_MAX_DEPTH + 1] = 0;
	cbor_init(&c, (struct view){ nest, sizeof(nest) }, NULL);
	assert_int_equal(cbor_skip(&c), -EBADMSG);
}

static void containers(void **state)
{
	struct cbor c = OVER("\x9f\xbf\x61k\x80\xff\x82\x01\x02\xff\x05");
	struct cbor a, m, in;
	struct view key;
	uint64_t v;
	size_t n;

	(void)state;
	assert_int_equal(cbor_enter_map(&c, &m, &n), -EBADMSG);
	assert_int_equal(cbor_enter_array(&c, &a, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(cbor_enter_map(&a, &m, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(cbor_next_key(&m, &key), 0);
	assert_true(view_is(key, "k"));
	assert_int_equal(cbor_enter_array(&m, &in, &n), 0);
	assert_int_equal(n, 0);
	assert_true(cbor_at_end(&in));
	assert_int_equal(cbor_next_key(&m, &key), -ENOENT);
	assert_int_equal(cbor_enter_array(&a, &in, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(cbor_get_u64(&in, &v), 0);
	assert_int_equal(cbor_get_u64(&in, &v), 0);
	assert_int_equal(v, 2);
	assert_int_equal(cbor_get_u64(&in, &v), -EBADMSG);
	assert_true(cbor_at_end(&a));
	assert_int_equal(cbor_get_u64(&c, &v), 0);
	assert_int_equal(v, 5);
}

static void types_are_told_apart(void **state)
{
	static const struct {
		const char *byte;
		enum cbor_type type;
	} items[] = {
		{ "\x01", CBOR_UINT },	{ "\x21", CBOR_NINT },
		{ "\x41", CBOR_BYTES }, { "\x61", CBOR_TEXT },
		{ "\x81", CBOR_ARRAY }, { "\xa1", CBOR_MAP },
		{ "\xc1", CBOR_TAG },	{ "\xf4", CBOR_BOOL },
		{ "\xf5", CBOR_BOOL },	{ "\xf6", CBOR_NULL },
		{ "\xf7", CBOR_NULL },	{ "\xf9zz", CBOR_FLOAT },
		{ "\xe1", CBOR_OTHER },
	};
	enum cbor_type type;
	struct cbor c;

	(void)state;
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		c = over(items[i].byte, strlen(items[i].byte));
		assert_int_equal(cbor_peek(&c, &type), 0);
		assert_int_equal(type, items[i].type);
	}
	c = OVER("\xff");
	assert_int_equal(cbor_peek(&c, &type), -EBADMSG);
}

static void strings_that_are_not_utf8(void **state)
{
	struct cbor c;
	struct view v;
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	cbor_put_string(&b, "a\xff", 2);
	cbor_put_lossy(&b, "a\xff\xc3\xa4\xe2\x82", 6);
	assert_int_equal(buf_len(&b), 3 + 1 + 12);
	cbor_init(&c, view_buf(&b), NULL);
	assert_int_equal(cbor_get_text(&c, &v), -EBADMSG);
	assert_int_equal(cbor_get_string(&c, &v), 0);
	assert_int_equal(v.len, 2);
	assert_int_equal(cbor_get_string(&c, &v), 0);
	assert_true(
		view_is(v, "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd"));
	buf_fini(&b);
	/* a character split between chunks is not text (RFC 8949, 3.2.3) */
	c = OVER("\x7f\x61\xc3\x61\xa4\xff");
	assert_int_equal(cbor_get_text(&c, &v), -EBADMSG);
}

static void views(void **state)
{
	char *copy;

	(void)state;
	assert_true(view_is(view_cstr(""), ""));
	assert_true(view_is(view_cstr(NULL), ""));
	assert_false(view_is(view_cstr("ab"), "abc"));
	copy = view_dup(view_cstr("ab"));
	assert_string_equal(copy, "ab");
	free(copy);
	assert_null(view_dup((struct view){ (const uint8_t *)"a\0b", 3 }));
}

static void writers_stop_at_the_ceiling(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	cbor_put_text(&b, "abcdef");
	assert_true(b.failed);
	assert_true(buf_len(&b) <= 4);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers),
		cmocka_unit_test(integer_ranges),
		cmocka_unit_test(malformed_items_are_refused),
		cmocka_unit_test(whole_items_are_skipped),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(containers),
		cmocka_unit_test(types_are_told_apart),
		cmocka_unit_test(strings_that_are_not_utf8),
		cmocka_unit_test(views),
		cmocka_unit_test(writers_stop_at_the_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
