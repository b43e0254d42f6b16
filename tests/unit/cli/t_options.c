/* SPDX-License-Identifier: Apache-2.0 */
/* Parser over a small table of its own, and rules every table must keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/suggest.h"
#include "cli/cli.h"

enum {
	X_SWITCH = 10,
	X_OTHER,
	X_TEXT,
	X_LIST,
	X_NUMBER,
	X_CHOICE,
	X_LATER,
	X_GLOBAL,
	X_ARG
};

static const char *const choices[] = { "json", "yaml", NULL };

static const struct option global[] = {
	{ .id = X_GLOBAL, .kind = OPT_SWITCH, .name = "loud", .help = "h" },
	{ .id = OPT_ID_HELP,
	  .kind = OPT_SWITCH,
	  .letter = 'h',
	  .name = "help",
	  .help = "h" },
	{ 0 },
};

static const struct option options[] = {
	{ .id = X_SWITCH,
	  .kind = OPT_SWITCH,
	  .letter = 'd',
	  .name = "detach",
	  .help = "h",
	  .group = 1 },
	{ .id = X_OTHER,
	  .kind = OPT_SWITCH,
	  .letter = 'q',
	  .name = "quiet",
	  .help = "h" },
	{ .id = X_TEXT,
	  .kind = OPT_TEXT,
	  .letter = 'm',
	  .name = "memory",
	  .value = "SIZE",
	  .help = "h",
	  .group = 1 },
	{ .id = X_LIST,
	  .kind = OPT_LIST,
	  .letter = 'e',
	  .name = "env",
	  .value = "K=V",
	  .help = "h" },
	{ .id = X_NUMBER,
	  .kind = OPT_UINT,
	  .letter = 'c',
	  .name = "cpus",
	  .value = "N",
	  .help = "h",
	  .max = 255 },
	{ .id = X_CHOICE,
	  .kind = OPT_CHOICE,
	  .name = "format",
	  .value = "FORMAT",
	  .help = "h",
	  .choices = choices },
	{ .id = X_LATER,
	  .kind = OPT_TEXT,
	  .name = "port",
	  .value = "P",
	  .flags = OPT_UNAVAILABLE },
	{ .id = X_ARG,
	  .kind = OPT_LIST,
	  .name = "init-arg",
	  .value = "ARG",
	  .help = "h",
	  .flags = OPT_HYPHEN,
	  .needs = X_TEXT },
	{ 0 },
};

static int nothing(struct cli *cli)
{
	(void)cli;
	return 0;
}

static const struct command inner[] = {
	{ .name = "remove",
	  .aliases = { "rm" },
	  .summary = "s",
	  .run = nothing },
	{ 0 },
};

static const struct command commands[] = {
	{ .name = "run",
	  .summary = "s",
	  .groups = { options },
	  .words = { { .name = "IMAGE", .help = "h", .required = true } },
	  .rest = "r",
	  .run = nothing },
	{ .name = "stop",
	  .summary = "s",
	  .words = { { .name = "NAME",
		       .help = "h",
		       .required = true,
		       .many = true } },
	  .run = nothing },
	{ .name = "image", .aliases = { "img" }, .summary = "s", .sub = inner },
	{ .name = "logs", .unavailable = true },
	{ 0 },
};

static const struct command root = {
	.name = "prog", .summary = "s", .groups = { global }, .sub = commands
};

static struct args args;
static struct parse_error err;

/* Parse words separated by blanks; what they point to stays valid. */
static enum parse_result parse(const char *line)
{
	static char text[512];
	static char *argv[32];
	char *rest = text;
	int argc = 0;

	args_fini(&args);
	(void)snprintf(text, sizeof(text), "prog %s", line);
	while (rest && *rest)
		argv[argc++] = strsep(&rest, " ");
	argv[argc] = NULL;
	return args_parse(&root, argc, argv, &args, &err);
}

static void expect_usage(const char *line, const char *message)
{
	assert_int_equal(parse(line), PARSE_USAGE);
	if (!strstr(err.message, message))
		fail_msg("'%s' gave '%s', not '%s'", line, err.message,
			 message);
}

static void values_in_every_form(void **state)
{
	static const char *const lines[] = {
		"run x -m 5 -c 2",	 "run -m5 -c2 x",
		"run -m=5 -c=2 x",	 "run --memory 5 --cpus=2 x",
		"run x --memory=5 -c 2",
	};
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(parse(lines[i]), PARSE_OK);
		assert_string_equal(args_text(&args, X_TEXT), "5");
		assert_true(args_number(&args, X_NUMBER, &n));
		assert_int_equal(n, 2);
		assert_string_equal(args.words[0], "x");
	}
	assert_int_equal(parse("run --memory= x"), PARSE_OK);
	assert_string_equal(args_text(&args, X_TEXT), "");
	assert_int_equal(parse("run --memory=-1 x"), PARSE_OK);
	assert_string_equal(args_text(&args, X_TEXT), "-1");
	assert_int_equal(parse("run -m - x"), PARSE_OK);
	assert_string_equal(args_text(&args, X_TEXT), "-");
}

static void bundled_switches(void **state)
{
	(void)state;
	assert_int_equal(parse("run -dq x"), PARSE_OK);
	assert_true(args_has(&args, X_SWITCH) && args_has(&args, X_OTHER));
	assert_int_equal(parse("run -qc7 x"), PARSE_OK);
	assert_true(args_has(&args, X_OTHER));
	assert_string_equal(args_text(&args, X_NUMBER), "7");
	expect_usage("run -dx x", "unknown option '-x'");
	expect_usage("run -d=1 x", "'-d' does not take a value");
	expect_usage("run --detach=1 x", "'--detach' does not take a value");
}

static void repeated_options(void **state)
{
	const char *text;
	size_t pos = 0;

	(void)state;
	assert_int_equal(parse("run -e A=1 --env B=2 x -eC"), PARSE_OK);
	text = args_next(&args, X_LIST, &pos);
	assert_string_equal(text, "A=1");
	text = args_next(&args, X_LIST, &pos);
	assert_string_equal(text, "B=2");
	text = args_next(&args, X_LIST, &pos);
	assert_string_equal(text, "C");
	assert_null(args_next(&args, X_LIST, &pos));
	expect_usage("run -c1 -c1 x", "'--cpus' cannot be used more than once");
	expect_usage("run -d --detach x", "more than once");
	expect_usage("run -qq x", "more than once");
}

static void what_follows_the_dashes_is_passed_on(void **state)
{
	(void)state;
	assert_int_equal(parse("run x -- ls -l --help -- y"), PARSE_OK);
	assert_int_equal(args.nrest, 5);
	assert_string_equal(args.rest[2], "--help");
	assert_string_equal(args.rest[3], "--");
	assert_int_equal(parse("run x --"), PARSE_OK);
	assert_non_null(args.rest);
	assert_int_equal(args.nrest, 0);
	expect_usage("run x echo hi", "unexpected argument 'echo'");
	assert_non_null(strstr(err.hint, "'--'"));
	expect_usage("stop a -- b", "'--' is not accepted here");
}

static void values_that_begin_with_a_dash(void **state)
{
	(void)state;
	expect_usage("run -m -5 x", "'--memory <SIZE>' needs a value");
	expect_usage("run x -m", "needs a value");
	expect_usage("run x -m --", "needs a value");
	assert_int_equal(parse("run -m1 --init-arg --unit --init-arg -x x"),
			 PARSE_OK);
	assert_string_equal(args_text(&args, X_ARG), "-x");
}

static void numbers_and_choices_are_checked(void **state)
{
	(void)state;
	expect_usage("run -c 256 x", "invalid value '256' for '--cpus <N>'");
	expect_usage("run -c 2x x", "invalid value '2x'");
	expect_usage("run --cpus=-1 x", "invalid value '-1'");
	expect_usage("run --cpus= x", "invalid value ''");
	expect_usage("run --format xml x", "expected json, yaml");
	assert_int_equal(parse("run --format yaml x"), PARSE_OK);
}

static void conflicts_and_needs(void **state)
{
	(void)state;
	expect_usage("run -d -m1 x",
		     "'--memory' cannot be used with '--detach'");
	expect_usage("run --init-arg a x", "'--init-arg' needs '--memory' too");
}

static void missing_and_surplus_words(void **state)
{
	(void)state;
	expect_usage("run", "<IMAGE> is missing");
	expect_usage("stop", "<NAME> is missing");
	assert_int_equal(parse("stop a b c"), PARSE_OK);
	assert_int_equal(args.nwords, 3);
}

static void commands_and_aliases(void **state)
{
	char line[64];

	(void)state;
	assert_int_equal(parse("img rm"), PARSE_OK);
	args_command_line(&args, line, sizeof(line));
	assert_string_equal(line, "prog image remove");
	assert_int_equal(parse("image"), PARSE_EMPTY);
	assert_int_equal(parse(""), PARSE_EMPTY);
	expect_usage("image frob", "unknown command 'frob'");
	expect_usage("rnu x", "unknown command 'rnu'");
	assert_string_equal(err.hint, "did you mean 'run'?");
	assert_int_equal(parse("logs --whatever x"), PARSE_UNAVAILABLE);
	assert_string_equal(err.message, "prog logs");
}

static void unavailable_options_are_named(void **state)
{
	(void)state;
	assert_int_equal(parse("run --port 80 x"), PARSE_UNAVAILABLE);
	assert_string_equal(err.message, "--port");
	/* it is not offered as a correction */
	expect_usage("run --prot 80 x", "unknown option '--prot'");
	assert_string_equal(err.hint, "");
	expect_usage("run --memroy 80 x", "unknown option '--memroy'");
	assert_string_equal(err.hint, "did you mean '--memory'?");
}

static void global_options_stand_anywhere(void **state)
{
	(void)state;
	assert_int_equal(parse("--loud run x"), PARSE_OK);
	assert_true(args_has(&args, X_GLOBAL));
	assert_int_equal(parse("run x --loud"), PARSE_OK);
	assert_true(args_has(&args, X_GLOBAL));
	assert_int_equal(parse("run --help"), PARSE_HELP);
	assert_string_equal(args_command(&args)->name, "run");
	assert_int_equal(parse("-h"), PARSE_HELP);
}

static void suggestions(void **state)
{
	struct suggest s;

	(void)state;
	suggest_init(&s, "volme");
	suggest_add(&s, "verbose");
	suggest_add(&s, "volume");
	assert_string_equal(s.best, "volume");
	suggest_init(&s, "ab");
	suggest_add(&s, "xy");
	assert_null(s.best);
	suggest_init(&s, "stpo");
	suggest_add(&s, "stop");
	assert_string_equal(s.best, "stop");
}

static void options_are_sound(const struct command *c)
{
	bool letters[256] = { false };

	for (size_t g = 0; g < MAX_GROUPS && c->groups[g]; g++) {
		for (const struct option *o = c->groups[g]; o->name; o++) {
			assert_ptr_equal(option_find(c, o->name, 0), o);
			assert_null(option_find(&cli_root, o->name, 0));
			assert_true(o->id > 2);
			assert_true(o->help || (o->flags & OPT_UNAVAILABLE));
			assert_true(!o->value == (o->kind == OPT_SWITCH));
			assert_true(o->kind != OPT_CHOICE || o->choices);
			assert_true(o->choices || !(o->flags & OPT_COMMAS));
			if (!o->letter)
				continue;
			assert_null(option_find(&cli_root, NULL, o->letter));
			assert_false(letters[(uint8_t)o->letter]);
			letters[(uint8_t)o->letter] = true;
		}
	}
}

/* Each name once, every shown entry explained in one line. */
static void commands_are_sound(const struct command *parent)
{
	for (const struct command *c = parent->sub; c->name; c++) {
		if (c->unavailable)
			continue;
		assert_non_null(c->summary);
		assert_null(strchr(c->summary, '\n'));
		assert_true(!c->run == (c->sub != NULL));
		for (const struct command *d = parent->sub; d != c; d++)
			assert_string_not_equal(c->name, d->name);
		for (size_t i = 0; i < MAX_ALIASES && c->aliases[i]; i++)
			assert_ptr_equal(command_find(parent, c->aliases[i]),
					 c);
		for (size_t i = 0; i < MAX_POSITIONALS && c->words[i].name; i++)
			assert_non_null(c->words[i].help);
		options_are_sound(c);
	}
}

static void the_real_tables_are_sound(void **state)
{
	(void)state;
	commands_are_sound(&cli_root);
	for (const struct command *c = cli_root.sub; c->name; c++)
		if (c->sub)
			commands_are_sound(c);
}

static void headings_name_commands(void **state)
{
	(void)state;
	for (const struct section *s = cli_root.sections; s->title; s++)
		for (size_t i = 0;
		     i < ARRAY_SIZE(s->commands) && s->commands[i]; i++)
			if (!command_find(&cli_root, s->commands[i]))
				fail_msg("no command %s", s->commands[i]);
}

static int fini(void **state)
{
	(void)state;
	args_fini(&args);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_in_every_form),
		cmocka_unit_test(bundled_switches),
		cmocka_unit_test(repeated_options),
		cmocka_unit_test(what_follows_the_dashes_is_passed_on),
		cmocka_unit_test(values_that_begin_with_a_dash),
		cmocka_unit_test(numbers_and_choices_are_checked),
		cmocka_unit_test(conflicts_and_needs),
		cmocka_unit_test(missing_and_surplus_words),
		cmocka_unit_test(commands_and_aliases),
		cmocka_unit_test(unavailable_options_are_named),
		cmocka_unit_test(global_options_stand_anywhere),
		cmocka_unit_test(suggestions),
		cmocka_unit_test(the_real_tables_are_sound),
		cmocka_unit_test(headings_name_commands),
	};

	return cmocka_run_group_tests(tests, NULL, fini);
}
