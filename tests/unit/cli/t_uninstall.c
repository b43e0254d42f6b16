/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks in start-up files of shells, and the keys of the menu. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "cli/menu.h"
#include "cli/shell_rc.h"

#define BEGIN "# >>> microsandbox >>>\n"
#define END "# <<< microsandbox <<<\n"

static void blocks(void **state)
{
	static const struct {
		const char *text, *want;
		int rc;
		size_t line;
	} cases[] = {
		{ "", "", 0, 0 },
		{ "a\nb", "a\nb", 0, 0 },
		{ "a\n" BEGIN "x\n" END "b\n", "a\nb\n", 1, 0 },
		{ BEGIN END, "", 1, 0 },
		{ BEGIN "x\n" END "m\n  " BEGIN "y\n" END, "m\n", 2, 0 },
		{ "a\n# <<< microsandbox <<<", "a\n# <<< microsandbox <<<", 0,
		  0 },
		{ BEGIN "x\n# <<< microsandbox <<<", "", 1, 0 },
		{ "a\n" BEGIN "rest of the file\n", NULL, -EINVAL, 2 },
		{ "a\n\n# >>> microsandbox >>>", NULL, -EINVAL, 3 },
		{ "a\n" BEGIN "x\n" BEGIN "y\n" END "b\n", NULL, -EINVAL, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf b;
		size_t line;

		buf_init(&b, 4096);
		assert_int_equal(shell_rc_strip(cases[i].text,
						strlen(cases[i].text), &b,
						&line),
				 cases[i].rc);
		assert_int_equal(line, cases[i].line);
		if (cases[i].want)
			assert_string_equal(buf_cstr(&b), cases[i].want);
		buf_fini(&b);
	}
}

static void keys(void **state)
{
	static const struct {
		const char *bytes;
		size_t used;
		enum menu_key key;
	} cases[] = {
		{ "", 0, MENU_NONE },	      { "k", 1, MENU_UP },
		{ "jj", 1, MENU_DOWN },	      { " ", 1, MENU_TOGGLE },
		{ "\r", 1, MENU_OK },	      { "\n", 1, MENU_OK },
		{ "q", 1, MENU_GIVE_UP },     { "\003", 1, MENU_GIVE_UP },
		{ "x", 1, MENU_NONE },	      { "\033", 0, MENU_NONE },
		{ "\033[", 0, MENU_NONE },    { "\033[A", 3, MENU_UP },
		{ "\033OB", 3, MENU_DOWN },   { "\033[Z", 3, MENU_NONE },
		{ "\033x", 1, MENU_GIVE_UP }, { "\033\033", 1, MENU_GIVE_UP },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum menu_key key;

		assert_int_equal(menu_key_parse(cases[i].bytes,
						strlen(cases[i].bytes), &key),
				 cases[i].used);
		assert_int_equal(key, cases[i].key);
	}
}

static void pressing(void **state)
{
	bool chosen[4] = { false };
	struct menu m = { .n = 4, .chosen = chosen };

	(void)state;
	menu_press(&m, MENU_UP);
	assert_int_equal(m.at, 3);
	menu_press(&m, MENU_DOWN);
	assert_int_equal(m.at, 0);
	menu_press(&m, MENU_TOGGLE); /* all */
	for (size_t i = 0; i < 4; i++)
		assert_true(chosen[i]);
	menu_press(&m, MENU_DOWN);
	menu_press(&m, MENU_TOGGLE);
	assert_false(chosen[0]); /* not all any more */
	assert_false(chosen[1]);
	assert_true(chosen[2]);
	menu_press(&m, MENU_TOGGLE);
	assert_true(chosen[0]); /* all again */
	menu_press(&m, MENU_UP);
	menu_press(&m, MENU_TOGGLE);
	for (size_t i = 0; i < 4; i++)
		assert_false(chosen[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks),
		cmocka_unit_test(keys),
		cmocka_unit_test(pressing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
