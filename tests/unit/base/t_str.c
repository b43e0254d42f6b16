/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, UTF-8 and string vectors. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void numbers_are_taken_whole_or_not_at_all(void **state)
{
	uint64_t v = 7;
	uint32_t w;

	(void)state;
	assert_int_equal(str_to_u64("18446744073709551615", &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(str_to_u64("18446744073709551616", &v), -ERANGE);
	assert_int_equal(str_to_u32("4294967296", &w), -ERANGE);
	for (const char *const *p =
		     (const char *const[]){ "", "-1", "+1", " 1", "1 ", "0x1",
					    "1.0", NULL };
	     *p; p++)
		assert_int_equal(str_to_u64(*p, &v), -EINVAL);
	assert_true(v == UINT64_MAX); /* untouched by failures */
}

static void utf8_is_judged_as_the_standard_does(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{ "plain", true },	   { "gr\xc3\xbcn", true },
		{ "\xe2\x82\xac", true },  { "\xf0\x9f\x98\x80", true },
		{ "\xc0\xaf", false },	   { "\xe0\x80\xaf", false },
		{ "\xed\xa0\x80", false }, { "\xf4\x90\x80\x80", false },
		{ "\x80", false },	   { "\xff", false },
		{ "\xe2\x82", false },	   { "a\xf0\x9f\x98", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			utf8_valid(cases[i].text, strlen(cases[i].text)),
			cases[i].valid);
}

static void unfinished_characters_wait_for_the_next_chunk(void **state)
{
	(void)state;
	assert_int_equal(utf8_complete_prefix("ab\xc3", 3), 2);
	assert_int_equal(utf8_complete_prefix("ab\xe2\x82", 4), 2);
	assert_int_equal(utf8_complete_prefix("ab\xf0\x9f\x98", 5), 2);
	assert_int_equal(utf8_complete_prefix("ab\xc3\xbc", 4), 4);
	assert_int_equal(utf8_complete_prefix("\x80\x80\x80\x80", 4), 4);
	assert_int_equal(utf8_complete_prefix("ab\xff", 3), 3);
	assert_int_equal(utf8_complete_prefix("", 0), 0);
}

static void environment_entries_replace_by_key(void **state)
{
	struct strv env = { 0 };

	(void)state;
	assert_int_equal(strv_env_set(&env, "A=1"), 0);
	assert_int_equal(strv_env_set(&env, "AB=2"), 0);
	assert_int_equal(strv_env_set(&env, "A=3=4"), 0);
	assert_int_equal(env.n, 2);
	assert_string_equal(strv_env_get(&env, "A"), "3=4");
	assert_string_equal(strv_env_get(&env, "AB"), "2");
	assert_null(strv_env_get(&env, "B"));
	assert_null(env.v[2]);
	assert_int_equal(strv_env_remove(&env, "B"), 0);
	assert_int_equal(strv_env_set(&env, "C="), 0);
	assert_int_equal(strv_env_remove(&env, "A"), 1);
	assert_int_equal(strv_env_remove(&env, "A"), 0);
	assert_int_equal(env.n, 2);
	assert_string_equal(env.v[0], "AB=2");
	assert_string_equal(env.v[1], "C=");
	assert_null(env.v[2]);
	strv_fini(&env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_taken_whole_or_not_at_all),
		cmocka_unit_test(utf8_is_judged_as_the_standard_does),
		cmocka_unit_test(unfinished_characters_wait_for_the_next_chunk),
		cmocka_unit_test(environment_entries_replace_by_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
