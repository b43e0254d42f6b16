/* SPDX-License-Identifier: Apache-2.0 */
/* The exact form of exec.log lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "logs/exec_entry.h"

#define WALL 1767323045678000000ull /* 2026-01-02T03:04:05.678Z */
#define HEAD "{\"t\":\"2026-01-02T03:04:05.678Z\",\"s\":\""

static void expect_line(const void *data, size_t len, const char *d,
			const char *end)
{
	struct stamp_cache cache = { 0 };
	struct buf out;
	char *want = NULL;
	size_t size = strlen(d) + 128;

	want = malloc(size);
	assert_non_null(want);
	buf_init(&out, 1 << 20);
	assert_int_equal(
		exec_entry_format(&out, &cache, WALL, LOG_STDOUT, 7, data, len),
		0);
	(void)strncpy(want, HEAD "stdout\",\"d\":\"", size);
	(void)strncat(want, d, size - strlen(want) - 1);
	(void)strncat(want, end, size - strlen(want) - 1);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
	free(want);
}

static void expect(const void *data, size_t len, const char *d)
{
	expect_line(data, len, d, "\",\"id\":7}\n");
}

#define EXPECT(bytes, d) expect(bytes, sizeof(bytes) - 1, d)
#define EXPECT_BASE64(bytes, d)                                                \
	expect_line(bytes, sizeof(bytes) - 1, d, "\",\"id\":7,\"e\":\"b64\"}\n")

static void test_keys_in_order(void **state)
{
	struct stamp_cache cache = { 0 };
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	(void)exec_entry_format(&out, &cache, WALL, LOG_SYSTEM, 0,
				"--- sandbox started ---\n", 24);
	(void)exec_entry_format(&out, &cache, WALL, LOG_OUTPUT, 12, "", 0);
	assert_string_equal(
		buf_cstr(&out),
		HEAD "system\",\"d\":\"--- sandbox started ---\\n\"}\n" HEAD
		     "output\",\"d\":\"\",\"id\":12}\n");
	buf_fini(&out);
}

static void test_escapes(void **state)
{
	(void)state;
	EXPECT("hello\n", "hello\\n");
	EXPECT("q\"b\\s/\t\r\b\f", "q\\\"b\\\\s/\\t\\r\\b\\f");
	EXPECT("\0\x01\x1b[0m\x7f", "\\u0000\\u0001\\u001b[0m\x7f");
}

static void test_utf8(void **state)
{
	(void)state;
	EXPECT("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
	       "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
	/* sixteen bytes at a time, and what is left */
	EXPECT("0123456789abcde\xc3\xbc"
	       "0123456789abcde\n0123456789abcdef\"",
	       "0123456789abcde\xc3\xbc"
	       "0123456789abcde\\n0123456789abcdef\\\"");
}

/* No byte is lost. */
static void test_other_bytes(void **state)
{
	(void)state;
	EXPECT_BASE64("a\xff"
		      "b\x80",
		      "Yf9igA==");
	EXPECT_BASE64("\n\n\xe2\x82"
		      "A",
		      "CgrigkE=");
	EXPECT_BASE64("\xf0\x9f\x98", "8J+Y");
	/* overlong, surrogate, beyond the last character */
	EXPECT_BASE64("\xc0\xaf", "wK8=");
	EXPECT_BASE64("\xed\xa0\x80", "7aCA");
	EXPECT_BASE64("\xf5\x80", "9YA=");
}

/* Characters at every offset around the formatter's slice border. */
static void test_slice_borders(void **state)
{
	char data[4096 + 16], want[4096 + 64];

	(void)state;
	for (size_t at = 4090; at < 4100; at++) {
		memset(data, 'x', sizeof(data));
		memcpy(data + at, "\xf0\x9f\x98\x80", 4);
		memset(want, 0, sizeof(want));
		memcpy(want, data, sizeof(data));
		expect(data, sizeof(data), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_in_order),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_other_bytes),
		cmocka_unit_test(test_slice_borders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
