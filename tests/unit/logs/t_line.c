/* SPDX-License-Identifier: Apache-2.0 */
/* Single lines: times, JSON, text, base64, and the search in raw lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "logs/exec_line.h"
#include "logs/json_text.h"
#include "logs/scan.h"
#include "logs/text_line.h"

#define WALL 1767323045678000000 /* 2026-01-02T03:04:05.678Z */

static void expect_time(const char *text, int64_t ns)
{
	int64_t got = 0;

	if (!stamp_parse((const uint8_t *)text, strlen(text), &got))
		fail_msg("%s: no time", text);
	assert_true(got == ns);
}

static void test_times(void **state)
{
	static const char *const wrong[] = {
		"",
		"2026-01-02T03:04:05",
		"2026-01-02T03:04:05.Z",
		"2026-01-02T03:04:05.1",
		"2026-13-02T03:04:05Z",
		"2026-02-29T03:04:05Z",
		"2026-01-02T24:04:05Z",
		"2026-01-02T03:04:61Z",
		"2026-01-02T03:04:05+1:00",
		"2026-01-02T03:04:05ZZ",
		"1677-12-31T00:00:00Z",
		"2262-01-01T00:00:00Z",
		"x026-01-02T03:04:05Z",
	};
	int64_t got;

	(void)state;
	expect_time("2026-01-02T03:04:05.678Z", WALL);
	expect_time("2026-01-02t03:04:05.678z", WALL);
	expect_time("2026-01-02 04:04:05.678000+01:00", WALL);
	expect_time("2026-01-02T02:34:05.6780000009-00:30", WALL);
	expect_time("2026-01-02T03:04:05.678000123Z", WALL + 123);
	expect_time("1970-01-01T00:00:00Z", 0);
	expect_time("1969-12-31T23:59:59.999Z", -1000000);
	expect_time("2024-02-29T00:00:00Z", 1709164800000000000);
	expect_time("2016-12-31T23:59:60Z", 1483228800000000000);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(stamp_parse((const uint8_t *)wrong[i],
					 strlen(wrong[i]), &got));
}

/* What is written is what is read, minute by minute, over all years. */
static void test_times_both_ways(void **state)
{
	struct stamp_cache in = { 0 }, out = { 0 };
	const int64_t step = INT64_MAX / 20000;
	int64_t ns = -9214560000000000000; /* 1678-01-01 */
	char text[STAMP_LEN + 1] = "";

	(void)state;
	for (; ns < 9214646400000000000 - step; ns += step) {
		int64_t ms = ns - ((ns % 1000000) + 1000000) % 1000000, got;

		stamp_format(&out, ms, text);
		assert_true(stamp_parse_own(&in, (const uint8_t *)text, &got));
		assert_true(got == ms);
		assert_true(
			stamp_parse((const uint8_t *)text, STAMP_LEN, &got));
		assert_true(got == ms);
	}
	stamp_format(&out, INT64_MIN, text);
	assert_string_equal(text, "1677-09-21T00:13:00.000Z");
	stamp_format(&out, INT64_MAX, text);
	assert_string_equal(text, "2262-04-11T23:47:16.854Z");
}

#define HEAD "{\"t\":\"2026-01-02T03:04:05.678Z\",\"s\":\"stderr\",\"d\":\""

static bool parse(struct exec_parser *p, const char *line, struct log_line *ret)
{
	return exec_line_parse(p, (const uint8_t *)line, strlen(line), ret);
}

static void expect_exec(const char *line, bool own, const char *data,
			size_t len, uint64_t id)
{
	uint8_t out[512];
	struct exec_parser p;
	struct log_line l;

	exec_parser_init(&p);
	if (!parse(&p, line, &l))
		fail_msg("%s: no entry", line);
	assert_int_equal(exec_line_parse_own(&p, (const uint8_t *)line,
					     strlen(line), &l),
			 own);
	assert_true(parse(&p, line, &l));
	assert_true(l.time_ns == WALL);
	assert_int_equal(l.stream, LOG_STDERR);
	assert_int_equal(l.id, id);
	assert_true(l.len <= sizeof(out));
	if (l.escaped) {
		l.len = json_unescape(l.data, l.len, out);
		l.data = out;
	}
	assert_int_equal(l.len, len);
	assert_memory_equal(l.data, data, len);
	exec_parser_fini(&p);
}

#define EXPECT(line, own, data, id)                                            \
	expect_exec(line, own, data, sizeof(data) - 1, id)

static void test_exec_lines(void **state)
{
	(void)state;
	EXPECT(HEAD "hello\\n\",\"id\":7}", true, "hello\n", 7);
	EXPECT(HEAD "\"}", true, "", 0);
	EXPECT(HEAD "a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u001fz\"}", true,
	       "a\"\\/\b\f\n\r\t\0\x1fz", 0);
	EXPECT(HEAD "gr\xc3\xbc\xc3\x9f, and then some more of it\"}", true,
	       "gr\xc3\xbc\xc3\x9f, and then some more of it", 0);
	EXPECT(HEAD "Yf9igA==\",\"id\":1,\"e\":\"b64\"}", true,
	       "a\xff"
	       "b\x80",
	       1);
	/* in any form that is JSON */
	EXPECT("  {\"s\":\"stderr\", \"id\":null, "
	       "\"t\":\"2026-01-02T04:04:05.678+01:00\",\"x\":[1,{}]}",
	       false, "", 0);
	EXPECT(HEAD "\\u00fc\\ud83d\\ude00\"}", false,
	       "\xc3\xbc\xf0\x9f\x98\x80", 0);
	EXPECT(HEAD "x\",\"id\":9223372036854775807}", false, "x",
	       9223372036854775807u);
	EXPECT(HEAD "eA==\",\"e\":\"b64\",\"id\":2}", false, "x", 2);
}

static void test_lines_that_are_none(void **state)
{
	static const char *const wrong[] = {
		"",
		"x",
		"[]",
		HEAD,
		HEAD "cut",
		HEAD "cut\\",
		HEAD "cut\\u00",
		HEAD "x\",\"id\":7",
		HEAD "x\",\"id\":-7}",
		HEAD "x\",\"id\":07}",
		HEAD "x\",\"id\":7.5}",
		HEAD "x\",\"id\":99999999999999999999}",
		HEAD "x\"} x",
		HEAD "a\tb\"}",
		HEAD "\xff\"}",
		HEAD "\\x\"}",
		HEAD "x\",\"e\":\"gz\"}",
		HEAD "Yf9ig===\",\"e\":\"b64\"}",
		HEAD "x\"}" HEAD "y\"}",
		"{\"t\":\"yesterday\",\"s\":\"stderr\",\"d\":\"x\"}",
		"{\"t\":\"2026-01-02T03:04:05.678Z\",\"s\":\"stdlog\",\"d\":"
		"\"x\"}",
		"{\"t\":\"2026-01-02T03:04:05.678Z\",\"s\":\"stderr\",\"d\":1}",
		"{\"s\":\"stderr\",\"d\":\"x\"}",
	};
	struct exec_parser p;
	struct log_line l;

	(void)state;
	exec_parser_init(&p);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (parse(&p, wrong[i], &l))
			fail_msg("%s: an entry", wrong[i]);
	exec_parser_fini(&p);
}

static void expect_text(const char *line, bool kernel, enum text_kind kind,
			const char *body)
{
	struct text_line l;
	struct buf scratch;

	buf_init(&scratch, 4096);
	assert_true(text_line_parse(&scratch, kernel, (const uint8_t *)line,
				    strlen(line), &l));
	if (l.kind != kind)
		fail_msg("%s: kind %d", line, (int)l.kind);
	if (kind != TEXT_NONE) {
		assert_int_equal(l.len, strlen(body));
		assert_memory_equal(l.body, body, l.len);
	}
	if (kind == TEXT_DATED || kind == TEXT_BOOT || kind == TEXT_BOOT_AGAIN)
		assert_true(l.ns == WALL);
	if (kind == TEXT_UPTIME)
		assert_true(l.ns == 12345678000);
	buf_fini(&scratch);
}

#define STAMP "2026-01-02T03:04:05.678000Z"

static void test_text_lines(void **state)
{
	(void)state;
	expect_text(STAMP "  INFO a: b\n", false, TEXT_DATED, "INFO a: b\n");
	expect_text(STAMP " b", false, TEXT_DATED, "b\n");
	expect_text(STAMP "\n", false, TEXT_DATED, "\n");
	expect_text("2026-01-02T03:04:05.678 b\n", false, TEXT_UNDATED,
		    "2026-01-02T03:04:05.678 b\n");
	expect_text("2026-01-02T03:04:0x.678Z b\n", false, TEXT_UNDATED,
		    "2026-01-02T03:04:0x.678Z b\n");
	expect_text("\x1b[2m" STAMP "\x1b[0m \x1b[32m INFO\x1b]0;t\x07 b\r\n",
		    false, TEXT_DATED, "INFO b\n");
	expect_text("a\x1b]8;;x\x1b\\b\x1b(c\xff\xe2\x82\n", false,
		    TEXT_UNDATED, "abc\xef\xbf\xbd\xef\xbf\xbd\n");
	expect_text("gr\xc3\xbc\n", false, TEXT_UNDATED, "gr\xc3\xbc\n");
	expect_text("cut\x1b[3", false, TEXT_UNDATED, "cut\n");
	expect_text("\n", false, TEXT_NONE, "");
	expect_text("\r\n", true, TEXT_NONE, "");
	expect_text("\x1b[0m\n", true, TEXT_NONE, "");
	expect_text("", true, TEXT_NONE, "");
}

static void test_console_lines(void **state)
{
	(void)state;
	expect_text("[   12.345678] x\n", true, TEXT_UPTIME,
		    "[   12.345678] x\n");
	expect_text("[   12.345678] x\n", false, TEXT_UNDATED,
		    "[   12.345678] x\n");
	expect_text("[12.345678][ T1] x\r\n", true, TEXT_UPTIME,
		    "[12.345678][ T1] x\n");
	expect_text("[   12.34567] x\n", true, TEXT_UNDATED,
		    "[   12.34567] x\n");
	expect_text("[1234567890.123456] x\n", true, TEXT_UNDATED,
		    "[1234567890.123456] x\n");
	expect_text("[ .123456] x\n", true, TEXT_UNDATED, "[ .123456] x\n");
	expect_text("[   12.345678", true, TEXT_UNDATED, "[   12.345678\n");
	expect_text(STAMP " machine started\n", true, TEXT_BOOT,
		    "machine started\n");
	expect_text(STAMP " machine started (continued)\n", true,
		    TEXT_BOOT_AGAIN, "machine started (continued)\n");
	expect_text(STAMP " machine started\n", false, TEXT_DATED,
		    "machine started\n");
	expect_text(STAMP " machine started up\n", true, TEXT_DATED,
		    "machine started up\n");
}

static void test_base64(void **state)
{
	static const char *const wrong[] = { "Y",	 "YQ",	 "YQ=",	 "=YQ=",
					     "YR==",	 "YWF=", "Y===", "====",
					     "YQ==YQ==", "YW\nF" };
	uint8_t data[300];
	struct buf text, back;

	(void)state;
	buf_init(&text, 4096);
	buf_init(&back, 4096);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37);
	for (size_t n = 0; n < sizeof(data); n++) {
		buf_reset(&text);
		buf_reset(&back);
		assert_int_equal(base64_encode(data, n, &text), 0);
		assert_int_equal(base64_decode_strict(buf_data(&text),
						      buf_len(&text), &back),
				 0);
		assert_int_equal(buf_len(&back), n);
		if (n)
			assert_memory_equal(buf_data(&back), data, n);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_true(base64_decode_strict(wrong[i], strlen(wrong[i]),
						 &back) < 0);
	buf_fini(&text);
	buf_fini(&back);
}

static void expect_key(const char *text, const char *key)
{
	struct log_text all = { (const uint8_t *)text, strlen(text) };
	struct scan s;

	scan_init(&s, &all, 1);
	assert_int_equal(s.n, *key != 0);
	if (s.n) {
		assert_int_equal(s.key[0].len, strlen(key));
		assert_memory_equal(s.key[0].p, key, s.key[0].len);
	}
}

static void test_search_key(void **state)
{
	(void)state;
	expect_key("needle", "needle");
	expect_key("a/long \"quoted\" path", "quoted");
	expect_key("\n\t/\"", "");
	expect_key("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
	expect_key("ab\xef\xbf\xbd"
		   "c",
		   "ab");
}

/* Each kind of place, at each distance from the ends. */
static void test_search(void **state)
{
	static const struct log_text texts[] = {
		{ (const uint8_t *)"needle", 6 },
		{ (const uint8_t *)"hay", 3 },
		{ (const uint8_t *)"~", 1 },
	};
	static const char *const places[] = { "needle",	 "hay",	    "~",
					      "\\u00fc", "\\u0020", "\"e\"" };
	static const char *const nothing[] = { "needl", "\\u001b", "\\n",
					       "\"d\"", "\"e" };
	uint8_t text[80];
	struct scan s;

	(void)state;
	scan_init(&s, texts, ARRAY_SIZE(texts));
	assert_int_equal(s.n, 3);
	for (size_t at = 0; at < 70; at++) {
		for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
			memset(text, '-', sizeof(text));
			memcpy(text + at, places[i], strlen(places[i]));
			assert_int_equal(scan_next(&s, text, sizeof(text)), at);
			assert_int_equal(
				scan_next(&s, text, at + strlen(places[i])),
				at);
		}
		for (size_t i = 0; i < ARRAY_SIZE(nothing); i++) {
			memset(text, '-', sizeof(text));
			memcpy(text + at, nothing[i], strlen(nothing[i]));
			assert_int_equal(scan_next(&s, text, sizeof(text)),
					 sizeof(text));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_times_both_ways),
		cmocka_unit_test(test_exec_lines),
		cmocka_unit_test(test_lines_that_are_none),
		cmocka_unit_test(test_text_lines),
		cmocka_unit_test(test_console_lines),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_search_key),
		cmocka_unit_test(test_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
