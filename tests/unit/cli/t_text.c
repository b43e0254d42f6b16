/* SPDX-License-Identifier: Apache-2.0 */
/* Display width, tables, JSON trees, pieces of listings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "cli/json.h"
#include "cli/show.h"
#include "cli/table.h"
#include "cli/ui.h"

static void widths(void **state)
{
	(void)state;
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("gr\xc3\xbcn"), 4);
	assert_int_equal(text_width("\xe6\x97\xa5\xe6\x9c\xac"), 4); /* 日本 */
	assert_int_equal(text_width("e\xcc\x81"), 1); /* combining accent */
	assert_int_equal(text_width("\xf0\x9f\x9a\x80"), 2); /* rocket */
	assert_int_equal(text_width("a\xff\xfe"), 3);	     /* not UTF-8 */
	assert_int_equal(text_width("\xe6\x97"), 2);	     /* cut off */
}

static void widths_of_more_than_one_character(void **state)
{
	static const struct {
		const char *text;
		size_t want;
	} cases[] = {
		{ "\u2764", 1 },			 /* a heart */
		{ "\u2764\ufe0f", 2 },			 /* in red */
		{ "1\ufe0f\u20e3", 2 },			 /* a key */
		{ "\U0001F44D", 2 },			 /* a thumb */
		{ "\U0001F44D\U0001F3FD", 2 },		 /* of a skin */
		{ "\U0001F3FD", 2 },			 /* skin alone */
		{ "\U0001F1E9\U0001F1EA", 2 },		 /* a flag */
		{ "\U0001F1E9\U0001F1EA\U0001F1EB", 3 }, /* and a letter */
		{ "\U0001F468\u200d\U0001F469\u200d\U0001F467", 2 },
		{ "\U0001F468\U0001F469", 4 }, /* no family */
		{ "a\u200db", 2 },	       /* nothing to join */
		{ "\u1112\u1161\u11ab", 2 },   /* a syllable */
		{ "\uff21", 2 },	       /* full width A */
		{ "\uff71", 1 },	       /* half width */
		{ "\u0e01\u0e34\u0e49", 1 },   /* Thai marks */
		{ "\u0302x", 1 },	       /* a mark on nothing */
		{ "\u00ad", 1 },
		{ "\U00020000", 2 },
		{ "\U0010ffff", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (text_width(cases[i].text) != cases[i].want)
			fail_msg("case %zu is %zu wide", i,
				 text_width(cases[i].text));
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	text_put_safe(&b, "a\033[2Jb\xff\xc2\x9b"
			  "c\n\xc3\xa4");
	assert_string_equal(buf_cstr(&b), "a?[2Jb??c?\xc3\xa4");
	buf_reset(&b);
	text_put_safe(&b, "a\u202eb\u2066c\u2028d\u200fe");
	assert_string_equal(buf_cstr(&b), "a?b?c?d\u200fe");
	buf_fini(&b);
}

static void cutting(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "abcdefgh", "abcdefgh" },
		{ "abcdefghi", "abcde..." },
		{ "\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac\xe6\x97"
		  "\xa5",
		  "\xe6\x97\xa5\xe6\x9c\xac..." },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *cut = text_cut(cases[i].text, 8);

		assert_string_equal(cut, cases[i].want);
		free(cut);
	}
}

static void fitting(void **state)
{
	static const struct {
		const char *text;
		size_t max;
		const char *want;
	} cases[] = {
		{ "abc", 3, "abc" },
		{ "abcd", 3, "ab…" },
		{ "abcd", 1, "…" },
		{ "abcd", 0, "" },
		{ "", 0, "" },
		{ "日本語", 5, "日本…" },
		{ "日本語", 4, "日…" }, /* half a character is none */
		{ "e\u0301e\u0301e\u0301", 2, "e\u0301…" },
		{ "\U0001F1E9\U0001F1EA\U0001F1EB", 2, "…" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *cut = text_fit(cases[i].text, cases[i].max);

		assert_string_equal(cut, cases[i].want);
		assert_true(text_width(cut) <= cases[i].max);
		free(cut);
	}
}

/* The lines of t when it has to fit into width columns. */
static void check_fit(struct table *t, size_t width, const char *want)
{
	struct buf b;

	buf_init(&b, 4096);
	t->max_width = width;
	assert_int_equal(table_print(t, false, &b), 0);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

static void tables_that_fit(void **state)
{
	static const char *const header[] = { "NAME", "IMAGE", "COMMAND" };
	struct table t;

	(void)state;
	table_init(&t, header, 3);
	table_row(&t);
	table_set(&t, 0, "a-sandbox-name", STYLE_PLAIN);
	table_set(&t, 1, "registry.example/日本語", STYLE_PLAIN);
	table_set(&t, 2, "sleep 1000000", STYLE_PLAIN);
	check_fit(&t, 0,
		  "NAME              IMAGE                      COMMAND\n"
		  "a-sandbox-name    registry.example/日本語    sleep "
		  "1000000\n");
	check_fit(&t, 58,
		  "NAME              IMAGE                      COMMAND\n"
		  "a-sandbox-name    registry.example/日本語    sleep "
		  "1000000\n");
	/* first the gaps, then the widest column */
	check_fit(&t, 57,
		  "NAME            IMAGE                    COMMAND\n"
		  "a-sandbox-name  registry.example/日本語  sleep 1000000\n");
	check_fit(&t, 50,
		  "NAME            IMAGE                COMMAND\n"
		  "a-sandbox-name  registry.example/…   sleep 1000000\n");
	/* then others, and at last what the row is about */
	check_fit(&t, 34,
		  "NAME            IMAGE     COMMAND\n"
		  "a-sandbox-name  registr…  sleep 1…\n");
	check_fit(&t, 31,
		  "NAME         IMAGE     COMMAND\n"
		  "a-sandbox-…  registr…  sleep 1…\n");
	/* a narrower column would be of no use */
	check_fit(&t, 5,
		  "NAME      IMAGE     COMMAND\n"
		  "a-sandb…  registr…  sleep 1…\n");
	table_fini(&t);
}

static void tables(void **state)
{
	static const char *const header[] = { "NAME", "N", "STATUS" };
	struct table t;
	struct buf b;

	(void)state;
	buf_init(&b, 1024);
	table_init(&t, header, 3);
	assert_int_equal(table_print(&t, false, &b), 0);
	assert_int_equal(buf_len(&b), 0); /* not even the header */
	table_row(&t);
	table_set(&t, 0, "\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5", STYLE_PLAIN);
	table_set(&t, 1, "1", STYLE_PLAIN);
	table_set(&t, 2, "running", STYLE_GREEN_BOLD);
	table_row(&t);
	table_set(&t, 0, "x", STYLE_PLAIN);
	table_set(&t, 2, "stopped", STYLE_DIM);
	assert_int_equal(table_print(&t, false, &b), 0);
	assert_string_equal(buf_cstr(&b),
			    "NAME      N    STATUS\n"
			    "\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5    1    "
			    "running\n"
			    "x              stopped\n");
	buf_reset(&b);
	assert_int_equal(table_print(&t, true, &b), 0);
	assert_non_null(strstr(buf_cstr(&b), "\033[1;32mrunning\033[0m\n"));
	assert_non_null(strstr(buf_cstr(&b), "\033[1;36mNAME\033[0m      "));
	table_fini(&t);
	buf_fini(&b);
}

/* The document as printed, or NULL when it does not parse; to be freed. */
static char *reprint(const char *text)
{
	struct json *j = jval_parse(text, strlen(text));
	char *out = NULL;
	struct buf b;

	if (!j)
		return NULL;
	buf_init(&b, 1 << 20);
	assert_int_equal(jval_print(j, &b), 0);
	out = buf_take_str(&b);
	buf_fini(&b);
	jval_free(j);
	return out;
}

static void json_is_sorted_and_indented(void **state)
{
	char *out = reprint("{\"b\":[1,-2.5e+3,{}],\"a\":{\"z\":null,\"k\":"
			    "\"q\\\"\\u00e4\\n\\u0001\\ud83d\\ude80\"},"
			    "\"c\":[],\"B\":true}");

	(void)state;
	assert_string_equal(out, "{\n"
				 "  \"B\": true,\n"
				 "  \"a\": {\n"
				 "    \"k\": \"q\\\"\xc3\xa4\\n\\u0001"
				 "\xf0\x9f\x9a\x80\",\n"
				 "    \"z\": null\n"
				 "  },\n"
				 "  \"b\": [\n"
				 "    1,\n"
				 "    -2.5e+3,\n"
				 "    {}\n"
				 "  ],\n"
				 "  \"c\": []\n"
				 "}\n");
	free(out);
}

static void json_cannot_drive_a_terminal(void **state)
{
	char *out = reprint("[\"\\u009b\\u007f\\u00a0\\u001b\"]");

	(void)state;
	assert_string_equal(out, "[\n  \"\\u009b\\u007f\xc2\xa0\\u001b\"\n]\n");
	free(out);
}

static void json_that_is_wrong_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"}",
		"[1,]",
		"[,1]",
		"{\"a\"}",
		"{\"a\":}",
		"{a:1}",
		"[1 2]",
		"\"x",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\ud800\"",
		"\"\\udc00x\"",
		"01",
		"1.",
		"-",
		"+1",
		"1e",
		"tru",
		"nul",
		"[1]x",
		"\"\x01\"",
		"\"\xff\"",
		"{\"a\\u0000\":1}",
	};
	char deep[JSON_MAX_DEPTH * 2 + 3];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (jval_parse(bad[i], strlen(bad[i])))
			fail_msg("'%s' was accepted", bad[i]);
	memset(deep, '[', JSON_MAX_DEPTH + 1);
	memset(deep + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
	assert_null(jval_parse(deep, (JSON_MAX_DEPTH + 1) * 2));
}

static void json_depth_at_the_limit(void **state)
{
	char deep[JSON_MAX_DEPTH * 2];
	struct json *j;
	struct buf b;

	(void)state;
	memset(deep, '[', JSON_MAX_DEPTH);
	memset(deep + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
	j = jval_parse(deep, sizeof(deep));
	assert_non_null(j);
	buf_init(&b, 1 << 16);
	assert_int_equal(jval_print(j, &b), 0);
	buf_fini(&b);
	jval_free(j);
}

static void json_lookups(void **state)
{
	const char *text = "{\"s\":\"x\",\"t\":true,\"n\":1}";
	struct json *j = jval_parse(text, strlen(text));

	(void)state;
	assert_string_equal(jval_str(jval_get(j, "s")), "x");
	assert_null(jval_str(jval_get(j, "n")));
	assert_null(jval_get(j, "none"));
	assert_null(jval_get(jval_get(j, "s"), "x"));
	assert_true(jval_is_true(jval_get(j, "t")));
	assert_false(jval_is_true(jval_get(j, "none")));
	jval_free(j);
}

static void json_building(void **state)
{
	struct json *o = jval_object(), *l = jval_array();
	struct buf b;

	(void)state;
	assert_int_equal(jval_append(l, jval_string("x")), 0);
	assert_int_equal(jval_append(l, jval_string(NULL)), 0);
	assert_int_equal(jval_add(o, "z", l), 0);
	assert_int_equal(jval_add(o, "a", jval_bool(false)), 0);
	assert_true(jval_add(NULL, "a", jval_bool(false)) < 0);
	assert_true(jval_add(o, "a", NULL) < 0);
	buf_init(&b, 256);
	assert_int_equal(jval_print(o, &b), 0);
	assert_string_equal(buf_cstr(&b), "{\n  \"a\": false,\n  \"z\": [\n"
					  "    \"x\",\n    null\n  ]\n}\n");
	buf_fini(&b);
	jval_free(o);
}

static void commands_of_configurations(void **state)
{
	static const struct {
		const char *config, *want;
	} cases[] = {
		{ "{}", "-" },
		{ "{\"entrypoint\":null,\"cmd\":[\"a\",\"b c\"]}",
		  "\"a b c\"" },
		{ "{\"entrypoint\":[\"e\"],\"cmd\":[\"a\"]}", "\"e a\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json *j =
			jval_parse(cases[i].config, strlen(cases[i].config));
		char *text = show_command(j);

		assert_string_equal(text, cases[i].want);
		free(text);
		jval_free(j);
	}
}

static void no_configuration_has_no_command(void **state)
{
	char *text = show_command(NULL);

	(void)state;
	assert_string_equal(text, "-");
	free(text);
}

static void times_and_durations(void **state)
{
	char text[TIME_SIZE];

	(void)state;
	assert_string_equal(show_json_time(1700000000123, text, sizeof(text)),
			    "2023-11-14T22:13:20+00:00");
	assert_string_equal(ui_duration(0, text, sizeof(text)), "0.0s");
	assert_string_equal(ui_duration(1290, text, sizeof(text)), "1.2s");
	assert_string_equal(ui_duration(59999, text, sizeof(text)), "59.9s");
	assert_string_equal(ui_duration(125000, text, sizeof(text)), "2m5s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(widths),
		cmocka_unit_test(control_characters_do_not_reach_the_terminal),
		cmocka_unit_test(widths_of_more_than_one_character),
		cmocka_unit_test(cutting),
		cmocka_unit_test(fitting),
		cmocka_unit_test(tables_that_fit),
		cmocka_unit_test(tables),
		cmocka_unit_test(json_is_sorted_and_indented),
		cmocka_unit_test(json_cannot_drive_a_terminal),
		cmocka_unit_test(json_that_is_wrong_is_refused),
		cmocka_unit_test(json_depth_at_the_limit),
		cmocka_unit_test(json_lookups),
		cmocka_unit_test(json_building),
		cmocka_unit_test(commands_of_configurations),
		cmocka_unit_test(no_configuration_has_no_command),
		cmocka_unit_test(times_and_durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
