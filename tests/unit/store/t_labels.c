/* SPDX-License-Identifier: Apache-2.0 */
/* Labels: what is one, their limits, selecting by them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/compiler.h"
#include "store/labels.h"

static void what_is_a_label(void **state)
{
	static const char *const good[] = { "a=b", "a=", "a.b/c=d=e",
					    "\xc3\xa4=\xe2\x82\xac", "a= b " };
	static const char *const bad[] = { "",	"a",	  "=b",
					   "=", "a=\xff", "\xc3=b" };
	struct strv labels = { 0 };
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(labels_add(&labels, good[i], &err), 0);
	assert_int_equal(labels.n, 3); /* one a, of three */
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(labels_add(&labels, bad[i], &err) < 0);
	assert_int_equal(labels.n, 3);
	strv_fini(&labels);
}

static void there_are_limits(void **state)
{
	struct strv labels = { 0 };
	struct err err = { 0 };
	char text[4098];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[1] = '=';
	text[4097] = 0;
	assert_int_equal(labels_add(&labels, text, &err), -E2BIG);
	text[4096] = 0;
	assert_int_equal(labels_add(&labels, text, &err), 0);
	for (int i = 1; i < 256; i++) {
		(void)snprintf(text, sizeof(text), "k%d=v", i);
		assert_int_equal(labels_add(&labels, text, &err), 0);
	}
	assert_int_equal(labels_add(&labels, "more=v", &err), -E2BIG);
	assert_non_null(strstr(err.msg, "one too many"));
	/* another value is not another label */
	assert_int_equal(labels_add(&labels, "k255=w", &err), 0);
	assert_int_equal(strv_env_remove(&labels, "k1"), 1);
	assert_int_equal(strv_env_remove(&labels, "k1"), 0);
	assert_int_equal(labels_add(&labels, "more=v", &err), 0);
	assert_int_equal(labels.n, 256);
	assert_null(labels.v[labels.n]);
	strv_fini(&labels);
}

static void selecting(void **state)
{
	static const struct {
		const char *selector;
		bool want;
	} cases[] = {
		{ "app", true },   { "app=web", true }, { "app=", false },
		{ "ap", false },   { "app=we", false }, { "app=web2", false },
		{ "empty", true }, { "empty=", true },	{ "apps", false },
		{ "x", true },	   { "x=a=b", true },	{ "x=a", false },
		{ "APP", false },
	};
	struct strv labels = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(labels_add(&labels, "app=web", NULL), 0);
	assert_int_equal(labels_add(&labels, "empty=", NULL), 0);
	assert_int_equal(labels_add(&labels, "x=a=b", NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(label_selector_check(cases[i].selector, &err),
				 0);
		assert_int_equal(label_selected(&labels, cases[i].selector),
				 cases[i].want);
	}
	assert_int_equal(label_selector_check("", &err), -EINVAL);
	assert_int_equal(label_selector_check("=x", &err), -EINVAL);
	assert_string_equal(err.msg, "invalid label '=x': expected K or K=V");
	strv_fini(&labels);
}

static int from_json(const char *text, struct strv *ret)
{
	json_t *o = json_loads(text, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	struct err err = { 0 };
	int rc = labels_from_json(o, ret, &err);

	json_decref(o);
	return rc;
}

static void as_json(void **state)
{
	struct strv labels = { 0 };
	char *text;
	json_t *o;

	(void)state;
	assert_int_equal(from_json("{\"b\":\"x=y\",\"a\":\"\"}", &labels), 0);
	assert_int_equal(labels.n, 2);
	assert_string_equal(labels.v[0], "a=");
	assert_string_equal(labels.v[1], "b=x=y");
	o = labels_to_json(&labels);
	text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, "{\"a\":\"\",\"b\":\"x=y\"}");
	free(text);
	json_decref(o);
	strv_fini(&labels);
	assert_true(from_json("{\"a\":1}", &labels) < 0);
	assert_true(from_json("{\"\":\"x\"}", &labels) < 0);
	assert_true(from_json("{\"a=b\":\"x\"}", &labels) < 0);
	assert_true(from_json("{\"a\":\"b\\u0000c\"}", &labels) < 0);
	assert_int_equal(labels.n, 0);
	assert_int_equal(labels_from_json(NULL, &labels, NULL), 0);
	strv_fini(&labels);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_a_label),
		cmocka_unit_test(there_are_limits),
		cmocka_unit_test(selecting),
		cmocka_unit_test(as_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
