/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages from the tables of commands and options. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/help.h"

/* As roff reads it: no requests, no escapes, hyphens that can be copied. */
static void put_text(struct buf *b, const char *text, bool line_start)
{
	for (; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			(void)buf_str(b, "\\&");
		line_start = *text == '\n';
		if (*text == '\\')
			(void)buf_str(b, "\\e");
		else if (*text == '-')
			(void)buf_str(b, "\\-");
		else if (*text == '`')
			(void)buf_str(b, "\\(ga");
		else if (*text == '^')
			(void)buf_str(b, "\\(ha");
		else if (*text == '~')
			(void)buf_str(b, "\\(ti");
		else
			(void)buf_append(b, text, 1);
	}
}

static void request(struct buf *b, const char *name, const char *text)
{
	(void)buf_printf(b, ".%s ", name);
	put_text(b, text, false);
	(void)buf_str(b, "\n");
}

static void line(struct buf *b, const char *text)
{
	put_text(b, text, true);
	(void)buf_str(b, "\n");
}

/* \fB or \fI, and back. */
static void font(struct buf *b, char which, const char *text)
{
	(void)buf_printf(b, "\\f%c", which);
	put_text(b, text, false);
	(void)buf_str(b, "\\fR");
}

/*
 * Text with empty lines between paragraphs; lines that begin with four spaces
 * are examples.
 */
static void put_paragraphs(struct buf *b, const char *text)
{
	bool example = false, gap = false;

	while (*text) {
		size_t len = strcspn(text, "\n");
		bool indented = !strncmp(text, "    ", 4);
		autofree char *one = strndup(text, len);

		text += len + (text[len] == '\n');
		if (!len) {
			gap = true;
			continue;
		}
		if (example && !indented)
			(void)buf_str(b, ".fi\n.RE\n");
		if (gap)
			(void)buf_str(b, ".PP\n");
		if (indented && !example)
			(void)buf_str(b, ".RS 4\n.nf\n");
		example = indented;
		gap = false;
		if (one)
			line(b, one + (indented ? 4 : 0));
		else
			b->failed = true;
	}
	if (example)
		(void)buf_str(b, ".fi\n.RE\n");
}

static void put_option(struct buf *b, const struct option *o)
{
	char text[64];

	(void)buf_str(b, ".TP\n");
	if (o->letter) {
		(void)snprintf(text, sizeof(text), "-%c", o->letter);
		font(b, 'B', text);
		(void)buf_str(b, ", ");
	}
	(void)snprintf(text, sizeof(text), "--%s", o->name);
	font(b, 'B', text);
	if (o->value) {
		(void)buf_str(b, " ");
		font(b, 'I', o->value);
	}
	(void)buf_str(b, "\n");
	line(b, o->help);
}

static void put_options(struct buf *b, const struct command *cmd,
			const char *title)
{
	for (size_t g = 0; g < MAX_GROUPS && cmd->groups[g]; g++) {
		bool first = true;

		for (const struct option *o = cmd->groups[g]; o->name; o++) {
			if (!option_shown(o))
				continue;
			if (first && title)
				request(b, "SH", title);
			if (first && cmd->titles[g])
				request(b, "SS", cmd->titles[g]);
			title = first ? NULL : title;
			first = false;
			put_option(b, o);
		}
	}
}

static void put_arguments(struct buf *b, const struct command *cmd)
{
	char text[64];

	if (cmd->words[0].name || cmd->rest)
		request(b, "SH", "ARGUMENTS");
	for (size_t i = 0; i < MAX_POSITIONALS && cmd->words[i].name; i++) {
		(void)help_word(&cmd->words[i], text, sizeof(text));
		(void)buf_str(b, ".TP\n");
		font(b, 'I', text);
		(void)buf_str(b, "\n");
		line(b, cmd->words[i].help);
	}
	if (cmd->rest) {
		(void)buf_str(b, ".TP\n");
		font(b, 'I', "COMMAND...");
		(void)buf_str(b, "\n");
		line(b, cmd->rest);
	}
}

void man_name(const struct args *a, char *buf, size_t size)
{
	args_command_line(a, buf, size);
	for (; *buf; buf++)
		if (*buf == ' ')
			*buf = '-';
}

static void put_command(struct buf *b, const struct args *a,
			const struct command *c)
{
	char name[128];

	man_name(a, name, sizeof(name));
	(void)buf_str(b, ".TP\n\\fB");
	put_text(b, name, false);
	(void)buf_str(b, "\\-");
	put_text(b, c->name, false);
	(void)buf_str(b, "\\fR(1)");
	for (size_t i = 0; i < MAX_ALIASES && c->aliases[i]; i++) {
		(void)buf_str(b, ", ");
		font(b, 'B', c->aliases[i]);
	}
	(void)buf_str(b, "\n");
	line(b, c->summary);
}

static void put_commands(struct buf *b, const struct args *a)
{
	const struct command *cmd = args_command(a), *c;
	const struct section *s = cmd->sections;

	if (cmd->sub)
		request(b, "SH", "COMMANDS");
	for (; s && s->title; s++)
		for (size_t n = 0; (c = help_nth(cmd, s, n)); n++) {
			if (!n)
				request(b, "SS", s->title);
			put_command(b, a, c);
		}
	for (size_t n = 0; (c = help_nth(cmd, NULL, n)); n++)
		put_command(b, a, c);
}

static void put_exit_status(struct buf *b, const struct command *cmd)
{
	static const char *const codes[][2] = {
		{ "0 and above", "The command's own." },
		{ "128+N", "Signal N ended the command." },
		{ "127", "The program was not found." },
		{ "126", "It is not executable." },
		{ "125", "msb itself failed." },
		{ "124", "The time given with --timeout is over." },
	};

	request(b, "SH", "EXIT STATUS");
	if (cmd->failure != EXIT_MSB) {
		line(b, "0 on success, 1 after a failure, 2 after wrong usage. "
			"With several names all are tried.");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		(void)buf_str(b, ".TP\n");
		font(b, 'B', codes[i][0]);
		(void)buf_str(b, "\n");
		line(b, codes[i][1]);
	}
	(void)buf_str(b, ".PP\n");
	line(b, "2 after wrong usage.");
}

/* What is the same for every command; on the page of msb itself. */
static void put_surroundings(struct buf *b)
{
	static const char *const variables[][2] = {
		{ "MSB_HOME", "Where everything is kept, instead of "
			      "~/.microsandbox." },
		{ "NO_COLOR", "No colours, whatever else says." },
		{ "CLICOLOR_FORCE", "Colours also where no terminal is." },
		{ "CLICOLOR", "0: no colours." },
	};
	static const char *const files[][2] = {
		{ "~/.microsandbox", "Sandboxes, images, volumes, snapshots "
				     "and the catalogue of them." },
		{ "~/.microsandbox/config.json", "The configuration." },
	};

	request(b, "SH", "ENVIRONMENT");
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		(void)buf_str(b, ".TP\n");
		font(b, 'B', variables[i][0]);
		(void)buf_str(b, "\n");
		line(b, variables[i][1]);
	}
	request(b, "SH", "FILES");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void)buf_str(b, ".TP\n");
		font(b, 'I', files[i][0]);
		(void)buf_str(b, "\n");
		line(b, files[i][1]);
	}
}

static void put_synopsis(struct buf *b, const struct args *a)
{
	struct buf usage;
	char name[128];

	args_command_line(a, name, sizeof(name));
	request(b, "SH", "SYNOPSIS");
	request(b, "B", name);
	buf_init(&usage, 1024);
	help_usage(a, &usage);
	if (buf_cstr(&usage))
		line(b, buf_cstr(&usage) + strlen(name) + 1);
	buf_fini(&usage);
}

static void put_see_also(struct buf *b, const struct args *a)
{
	struct args parent = *a;
	char name[128];

	if (a->depth == 1)
		return;
	request(b, "SH", "SEE ALSO");
	while (--parent.depth) {
		man_name(&parent, name, sizeof(name));
		font(b, 'B', name);
		(void)buf_str(b, parent.depth > 1 ? "(1),\n" : "(1)\n");
	}
}

void man_page(const struct args *a, const char *date, struct buf *out)
{
	const struct command *cmd = args_command(a);
	char name[128], title[128];
	size_t n;

	man_name(a, name, sizeof(name));
	for (n = 0; name[n]; n++)
		title[n] = (char)toupper((unsigned char)name[n]);
	title[n] = 0;
	(void)buf_str(out, ".TH ");
	put_text(out, title, false);
	(void)buf_printf(out, " 1 \"%s\" \"msb " MSB_VERSION "\" \"msb\"\n",
			 date);
	request(out, "SH", "NAME");
	put_text(out, name, true);
	(void)buf_str(out, " \\- ");
	line(out, cmd->summary);
	put_synopsis(out, a);
	request(out, "SH", "DESCRIPTION");
	if (cmd->details)
		put_paragraphs(out, cmd->details);
	else
		(void)buf_printf(out, "%s.\n", cmd->summary);
	put_arguments(out, cmd);
	put_commands(out, a);
	put_options(out, cmd, "OPTIONS");
	if (a->depth > 1)
		put_options(out, a->path[0], "OPTIONS OF EVERY COMMAND");
	put_exit_status(out, cmd);
	if (a->depth == 1)
		put_surroundings(out);
	put_see_also(out, a);
}
