/* SPDX-License-Identifier: Apache-2.0 */
/* Placeholders where they must not be are found, in every form and whatever the
 * cuts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "secret_bench.h"

#define HOST "else.example.com"
#define OK "api.example.com"

static struct secret_bench bench;

static int start(void **state)
{
	(void)state;
	secret_bench_init(&bench);
	secret_bench_add(&bench, "KEY", NULL, "sk-1", OK, PLACE_ALL);
	secret_bench_add(&bench, "KEY_TWO", NULL, "sk-2", HOST, PLACE_ALL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	secret_bench_fini(&bench);
	return 0;
}

static struct secret_scope *begin(void)
{
	secret_bench_start(&bench);
	return secret_bench_scope(&bench, HOST);
}

/* In writes of this length. */
static bool scan(const struct secret_scope *s, const void *data, size_t len,
		 size_t step, struct secret_found *found)
{
	struct secret_scan *scan;
	const uint8_t *p = data;
	bool hit = false;

	assert_int_equal(secret_scan_new(s, &scan), 0);
	for (size_t at = 0; at < len && !hit; at += step)
		hit = secret_scan_push(
			scan, p + at, len - at < step ? len - at : step, found);
	secret_scan_free(scan);
	return hit;
}

static void finds(const struct secret_scope *s, const char *text,
		  enum secret_form form)
{
	const size_t len = strlen(text);

	for (size_t step = 1; step <= len; step++) {
		struct secret_found f = { 0 };

		assert_true(scan(s, text, len, step, &f));
		assert_int_equal(f.form, form);
		assert_string_equal(f.env_var, "KEY");
		assert_string_equal(f.placeholder, "$MSB_KEY");
		assert_int_equal(f.action, SECRET_BLOCK);
	}
}

static void lets_pass(const struct secret_scope *s, const char *text)
{
	const size_t len = strlen(text);

	for (size_t step = 1; step <= len; step++) {
		struct secret_found f;

		assert_false(scan(s, text, len, step, &f));
	}
}

static void raw(void **state)
{
	struct secret_scope *s = begin();

	(void)state;
	finds(s, "$MSB_KEY", SECRET_RAW);
	finds(s, "GET /$MSB_KEY HTTP/1.1\r\n\r\n", SECRET_RAW);
	finds(s, "$$MSB_$MSB_KEY_TW", SECRET_RAW);
	lets_pass(s, "$MSB_KE");
	lets_pass(s, "$msb_key $MSB_ KEY");
	secret_scope_free(s);
}

static void percent(void **state)
{
	struct secret_scope *s = begin();

	(void)state;
	finds(s, "a=%24MSB_KEY", SECRET_PERCENT);
	finds(s, "a=%24%4d%53%42%5f%4b%45%59", SECRET_PERCENT);
	finds(s, "a=%24%4D%53%42%5F%4B%45%59", SECRET_PERCENT);
	finds(s, "%%24MSB%5fKEY", SECRET_PERCENT);
	finds(s, "%2%24MSB_KEY", SECRET_PERCENT);
	finds(s, "$MSB_KE%59", SECRET_PERCENT);
	lets_pass(s, "%2 4MSB_KEY %24MSB_KE%5 %%");
	lets_pass(s, "%25%32%34MSB_KEY");
	secret_scope_free(s);
}

static void json(void **state)
{
	struct secret_scope *s = begin();

	(void)state;
	finds(s, "{\"a\":\"\\u0024MSB_KEY\"}", SECRET_JSON);
	finds(s, "\\u0024\\u004d\\u0053\\u0042\\u005F\\u004b\\u0045\\u0059",
	      SECRET_JSON);
	finds(s, "\\u00\\u0024MSB_KEY", SECRET_JSON);
	finds(s, "\\ud83d\\u0024MSB_KEY", SECRET_JSON);
	/* decoded twice by somebody */
	finds(s, "\\\\u0024MSB_KEY", SECRET_JSON);
	finds(s, "\\\\\\u0024MSB_KEY", SECRET_JSON);
	lets_pass(s, "\\u024MSB_KEY \\U0024MSB_KEY \\u0024\\nMSB_KEY");
	secret_scope_free(s);
}

/* Placeholders of characters that JSON has escapes for. */
static void json_of_other_characters(void **state)
{
	static const struct {
		const char *text;
		enum secret_form form;
	} t[] = {
		{ "<a/b\"c\\d\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80>",
		  SECRET_RAW },
		{ "<a\\/b\\\"c\\\\d\\t\\u00e9\\u20aC\\ud83D\\ude00>",
		  SECRET_JSON },
		{ "<a/b\\\"c\\\\d\\u0009\xc3\xa9\\u20ac\xf0\x9f\x98\x80>",
		  SECRET_JSON },
		{ "%3ca%2Fb%22c%5cd%09%c3%a9%e2%82%ac%F0%9f%98%80>",
		  SECRET_PERCENT },
	};
	static const char *none[] = {
		"<a\\/b\\\"c\\\\d\\t\\u00e9\\u20ac\\ude00\\ud83d>",
		"<a\\/b\\\"c\\\\d\\t\\u00e9\\u20ac\\ud83d-\\ude00>",
		"<a\\/b\\\"c\\\\d\\\\t\\u00e9\\u20ac\\ud83d\\ude00>",
	};
	struct secret_scope *s;

	(void)state;
	secret_bench_add(&bench, "ODD", t[0].text, "odd", OK, PLACE_ALL);
	s = begin();
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		for (size_t step = 1; step <= strlen(t[i].text); step++) {
			struct secret_found f = { 0 };

			assert_true(scan(s, t[i].text, strlen(t[i].text), step,
					 &f));
			assert_int_equal(f.form, t[i].form);
			assert_string_equal(f.env_var, "ODD");
		}
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		lets_pass(s, none[i]);
	secret_scope_free(s);
}

static void basic(void **state)
{
	struct secret_scope *s = begin();
	struct secret_found f;

	(void)state;
	/* user:$MSB_KEY, x$MSB_KEY:, $MSB_KEY */
	finds(s, "Authorization: Basic dXNlcjokTVNCX0tFWQ==\r\n", SECRET_BASIC);
	finds(s, "authorization:  bASIC \teCRNU0JfS0VZOg\r\n", SECRET_BASIC);
	finds(s, "Proxy-Authorization: basic JE1TQl9LRVk=", SECRET_BASIC);
	finds(s, "basbasic basic JE1TQl9LRVk", SECRET_BASIC);
	finds(s, "Basic Basic \r\n JE1TQl9LRVk", SECRET_BASIC);
	lets_pass(s, "Bearer JE1TQl9LRVk");
	lets_pass(s, "Basic, JE1TQl9LRVk=");
	lets_pass(s, "BasicJE1TQl9LRVk=");
	lets_pass(s, "Basic JE1T Ql9LRVk=");
	/* the two halves are in different credentials */
	lets_pass(s, "Basic JE1T\r\nBasic Ql9LRVk=");
	/* KEY_TWO, which is allowed here */
	assert_false(scan(s, "Basic JE1TQl9LRVlfVFdPOg==", 26, 26, &f));
	assert_false(scan(s, "Basic JE1TQl9LRVlfVFdPOg==", 26, 25, &f));
	secret_scope_free(s);
}

/* Where a write ends before the other one is complete, it counts as what it
 * is. */
static void beginning_of_another(void **state)
{
	struct secret_scope *s = begin();
	struct secret_found f;

	(void)state;
	for (size_t cut = 1; cut <= 12; cut++)
		/* is there a write that ends in between? */
		assert_int_equal(scan(s, "$MSB_KEY_TWO", 12, cut, &f),
				 11 / cut * cut >= 8);
	assert_true(scan(s, "$MSB_KEY_TW", 11, 11, &f));
	assert_true(scan(s, "$MSB_KEY_TW.", 12, 12, &f));
	secret_scope_free(s);
}

static void far_apart(void **state)
{
	struct secret_scope *s = begin();
	struct secret_found f;
	const size_t len = 70000;
	char *data = malloc(len);

	(void)state;
	assert_non_null(data);
	for (size_t at = 0; at + 10 < len; at += 997) {
		memset(data, at % 3 ? '%' : '\\', len);
		memcpy(data + at, "%24MSB_KEY", 10);
		assert_true(scan(s, data, len, 16384, &f));
		assert_int_equal(f.form, SECRET_PERCENT);
		memcpy(data + at, "$MSB_KEY", 8);
		assert_true(scan(s, data, len, 16384, &f));
		assert_int_equal(f.form, SECRET_RAW);
	}
	free(data);
	secret_scope_free(s);
}

/* All that was found in one write decides. */
static void strictest(void **state)
{
	static const enum secret_action actions[] = { SECRET_BLOCK,
						      SECRET_BLOCK_TERMINATE,
						      SECRET_BLOCK_LOG };
	struct secret_found f = { .stream = 7 };
	struct secret_scope *s;
	char name[2] = "A";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++, name[0]++) {
		struct secret_config *c =
			secret_bench_add(&bench, name, NULL, "v", OK, 0);

		c->on_violation.set = true;
		c->on_violation.action = actions[i];
	}
	s = begin();
	assert_true(scan(s, "$MSB_C $MSB_B $MSB_A", 20, 20, &f));
	assert_int_equal(f.action, SECRET_BLOCK_TERMINATE);
	assert_string_equal(f.env_var, "B");
	assert_int_equal(f.stream, 7); /* of whoever asks */
	assert_true(scan(s, "$MSB_A %24MSB_C", 15, 15, &f));
	assert_int_equal(f.action, SECRET_BLOCK_LOG);
	assert_string_equal(f.env_var, "C");
	assert_int_equal(f.form, SECRET_PERCENT);
	secret_scope_free(s);
}

static void pieces_of_text(void **state)
{
	struct secret_scope *s = begin();
	struct secret_found f;

	(void)state;
	assert_true(secret_scan_text(s, SECRET_RAW, "$MSB_KEY", 8, &f));
	assert_int_equal(f.form, SECRET_RAW);
	assert_true(secret_scan_text(s, SECRET_RAW, "%24MSB_KEY", 10, &f));
	assert_int_equal(f.form, SECRET_PERCENT);
	assert_true(
		secret_scan_text(s, SECRET_RAW, "Basic JE1TQl9LRVk", 17, &f));
	assert_int_equal(f.form, SECRET_BASIC);
	assert_true(secret_scan_text(s, SECRET_BASIC, "me:$MSB_KEY", 11, &f));
	assert_int_equal(f.form, SECRET_BASIC);
	assert_false(secret_scan_text(s, SECRET_BASIC, "%24MSB_KEY", 10, &f));
	assert_false(secret_scan_text(s, SECRET_RAW, "$MSB_KEY_TWO", 12, &f));
	assert_false(secret_scan_text(s, SECRET_RAW, "", 0, &f));
	secret_scope_free(s);
}

/* Nothing is blocked: nothing is looked for. */
static void nothing_to_find(void **state)
{
	struct secret_scope *s;
	struct secret_found f;

	(void)state;
	bench.config.on_violation.action = SECRET_PASSTHROUGH;
	secret_bench_hosts(&bench.config.on_violation.pass, "*");
	s = begin();
	assert_false(scan(s, "$MSB_KEY", 8, 8, &f));
	assert_false(secret_scan_text(s, SECRET_RAW, "$MSB_KEY", 8, &f));
	assert_false(secret_scope_idle(s)); /* KEY_TWO goes in */
	secret_scope_free(s);
	s = secret_bench_scope(&bench, "third.example.com");
	assert_true(secret_scope_idle(s));
	secret_scope_free(s);
}

/* The shortest and the longest there are. */
static void of_any_length(void **state)
{
	char longest[SECRET_MAX_PLACEHOLDER + 1];
	char text[3 * SECRET_MAX_PLACEHOLDER + 1];
	struct secret_found f;
	struct secret_scope *s;

	(void)state;
	memset(longest, 'x', SECRET_MAX_PLACEHOLDER);
	longest[SECRET_MAX_PLACEHOLDER] = 0;
	for (size_t i = 0; i < SECRET_MAX_PLACEHOLDER; i++)
		(void)snprintf(text + 3 * i, 4, "%%%02x", 'x');
	secret_bench_fini(&bench);
	secret_bench_init(&bench);
	secret_bench_add(&bench, "L", longest, "v", OK, 0);
	s = begin();
	for (size_t step = 1; step < sizeof(text); step += 1021) {
		assert_true(scan(s, text, sizeof(text) - 1, step, &f));
		assert_false(scan(s, text, sizeof(text) - 4, step, &f));
		assert_true(scan(s, longest, sizeof(longest) - 1, step, &f));
		assert_false(scan(s, longest, sizeof(longest) - 2, step, &f));
	}
	secret_scope_free(s);
	secret_bench_fini(&bench);
	secret_bench_init(&bench);
	secret_bench_add(&bench, "S", "~", "v", OK, 0);
	s = begin();
	assert_true(scan(s, "a~", 2, 1, &f));
	assert_true(scan(s, "%7E", 3, 1, &f));
	assert_true(scan(s, "\\u007e", 6, 6, &f));
	assert_true(scan(s, "Basic fg", 8, 8, &f));
	assert_false(scan(s, "a%7F", 4, 4, &f));
	secret_scope_free(s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(raw),
		T(percent),
		T(json),
		T(json_of_other_characters),
		T(basic),
		T(beginning_of_another),
		T(far_apart),
		T(strictest),
		T(pieces_of_text),
		T(nothing_to_find),
		T(of_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
