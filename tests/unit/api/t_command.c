/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what `run` and `exec` execute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "api/api_int.h"

/* Words as one text; "" is an empty list. */
static void split(const char *text, struct strv *out)
{
	while (*text) {
		size_t len = strcspn(text, " ");

		assert_int_equal(strv_take(out, strndup(text, len)), 0);
		text += len + (text[len] == ' ');
	}
}

static const struct {
	const char *entrypoint, *cmd, *shell, *words;
	bool with_entrypoint, interactive;
	const char *want;
} cases[] = {
	/* run */
	{ "", "", NULL, "u v", true, false, "u v" },
	{ "e f", "", NULL, "u v", true, false, "e f u v" },
	{ "e f", "c d", NULL, "u v", true, false, "e f u v" },
	{ "", "c d", NULL, "u", true, true, "u" },
	{ "e f", "c d", NULL, "", true, false, "e f c d" },
	{ "e f", "", NULL, "", true, true, "e f" },
	{ "", "c d", NULL, "", true, true, "c d" },
	{ "", "", NULL, "", true, true, "/bin/sh" },
	{ "", "", "bash", "", true, true, "bash" },
	{ "", "", "bash", "", true, false, "" },
	/* exec: words are literal, nothing given is as in run */
	{ "e f", "c d", NULL, "u v", false, false, "u v" },
	{ "e f", "c d", NULL, "u v", false, true, "u v" },
	{ "e f", "c d", NULL, "", false, false, "e f c d" },
	{ "", "c d", NULL, "", false, false, "c d" },
	{ "", "", NULL, "", false, true, "/bin/sh" },
	{ "", "", NULL, "", false, false, "" },
};

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sandbox_config c = {
			.shell = (char *)(uintptr_t)cases[i].shell
		};
		struct strv words = { 0 }, want = { 0 }, out = { 0 };

		split(cases[i].entrypoint, &c.entrypoint);
		split(cases[i].cmd, &c.cmd);
		split(cases[i].words, &words);
		split(cases[i].want, &want);
		assert_int_equal(command_resolve(&c, cases[i].with_entrypoint,
						 (const char *const *)words.v,
						 words.n, cases[i].interactive,
						 &out),
				 0);
		assert_int_equal(out.n, want.n);
		for (size_t k = 0; k < out.n; k++)
			assert_string_equal(out.v[k], want.v[k]);
		strv_fini(&c.entrypoint);
		strv_fini(&c.cmd);
		strv_fini(&words);
		strv_fini(&want);
		strv_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
