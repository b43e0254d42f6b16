/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts from the tables of commands and options. */
#include "cli/help.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/table.h"

#define HELP_COLUMN 36	 /* where descriptions begin */
#define NARROW_COLUMN 10 /* on a small terminal */

struct writer {
	struct buf *b;
	bool colors;
	size_t width; /* of the terminal; 0: lines are as long as they are */
};

static void styled(struct writer *w, enum table_style style, const char *text)
{
	(void)buf_printf(w->b, "%s%s%s", w->colors ? style_on(style) : "", text,
			 w->colors ? STYLE_OFF : "");
}

/* With an empty line in front. */
static void header(struct writer *w, const char *text)
{
	(void)buf_printf(w->b, "\n%s%s:%s\n",
			 w->colors ? style_on(STYLE_YELLOW_BOLD) : "", text,
			 w->colors ? STYLE_OFF : "");
}

static void spaces(struct writer *w, size_t n)
{
	(void)buf_printf(w->b, "%*s", (int)n, "");
}

/* Text from column on, broken between words where the terminal ends. */
static void wrapped(struct writer *w, size_t column, const char *text)
{
	size_t room = w->width > column ? w->width - column : SIZE_MAX;
	size_t used = 0;

	while (*text) {
		size_t len = strcspn(text, " ");
		char *word = strndup(text, len);
		size_t n = word ? text_width(word) : len;

		free(word);
		if (used && used + 1 + n > room) {
			(void)buf_str(w->b, "\n");
			spaces(w, column);
			used = 0;
		}
		(void)buf_printf(w->b, "%s%.*s", used ? " " : "", (int)len,
				 text);
		used += n + (used > 0);
		text += len + strspn(text + len, " ");
	}
	(void)buf_str(w->b, "\n");
}

/* Description at the column, on a line of its own when the left is long. */
static void describe(struct writer *w, size_t left, const char *text)
{
	size_t column = HELP_COLUMN;

	if (w->width && w->width < 2 * HELP_COLUMN)
		column = NARROW_COLUMN;
	if (left + 2 > column) {
		(void)buf_str(w->b, "\n");
		left = 0;
	}
	spaces(w, column - left);
	wrapped(w, column, text);
}

static void put_option(struct writer *w, const struct option *o)
{
	char text[64];
	size_t left = 6 + 2 + strlen(o->name);

	if (o->letter) {
		(void)snprintf(text, sizeof(text), "-%c", o->letter);
		(void)buf_str(w->b, "  ");
		styled(w, STYLE_BLUE_BOLD, text);
		(void)buf_str(w->b, ", ");
	} else {
		(void)buf_str(w->b, "      ");
	}
	(void)snprintf(text, sizeof(text), "--%s", o->name);
	styled(w, STYLE_BLUE_BOLD, text);
	if (o->value) {
		(void)snprintf(text, sizeof(text), " <%s>", o->value);
		styled(w, STYLE_GREEN, text);
		left += strlen(text);
	}
	describe(w, left, o->help);
}

/*
 * Paragraphs; on a terminal their lines are broken anew, but for those that
 * begin with spaces: these are examples.
 */
static void put_details(struct writer *w, const char *text)
{
	struct buf paragraph;

	if (!w->width) {
		(void)buf_printf(w->b, "%s\n", text);
		return;
	}
	buf_init(&paragraph, 1 << 16);
	for (;;) {
		size_t len = strcspn(text, "\n");
		bool flows = len && *text != ' ';

		if (flows)
			(void)buf_printf(&paragraph, "%s%.*s",
					 buf_len(&paragraph) ? " " : "",
					 (int)len, text);
		if (buf_len(&paragraph) && (!flows || !text[len])) {
			const char *whole = buf_cstr(&paragraph);

			wrapped(w, 0, whole ? whole : "");
			buf_reset(&paragraph);
		}
		if (!flows)
			(void)buf_printf(w->b, "%.*s\n", (int)len, text);
		if (!text[len])
			break;
		text += len + 1;
	}
	buf_fini(&paragraph);
}

static bool any_shown(const struct option *o)
{
	while (o->name && !option_shown(o))
		o++;
	return o->name != NULL;
}

/* The tables of a command, each below its title if it has one. */
static void put_options(struct writer *w, const struct command *cmd,
			const char *title)
{
	for (size_t g = 0; g < MAX_GROUPS && cmd->groups[g]; g++) {
		if (!any_shown(cmd->groups[g]))
			continue;
		if (cmd->titles[g])
			title = cmd->titles[g];
		if (title)
			header(w, title);
		title = NULL;
		for (const struct option *o = cmd->groups[g]; o->name; o++)
			if (option_shown(o))
				put_option(w, o);
	}
}

size_t help_word(const struct positional *p, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s%s%s%s", p->required ? "<" : "[",
			 p->name, p->required ? ">" : "]",
			 p->many ? "..." : "");

	return n > 0 ? (size_t)n : 0;
}

void help_usage(const struct args *a, struct buf *out)
{
	const struct command *cmd = args_command(a);
	char text[96];

	args_command_line(a, text, sizeof(text));
	(void)buf_printf(out, "%s [OPTIONS]", text);
	for (size_t i = 0; i < MAX_POSITIONALS && cmd->words[i].name; i++) {
		(void)help_word(&cmd->words[i], text, sizeof(text));
		(void)buf_printf(out, " %s", text);
	}
	if (cmd->sub)
		(void)buf_str(out, " <COMMAND>");
	if (cmd->rest)
		(void)buf_str(out, " [-- COMMAND...]");
}

static void put_arguments(struct writer *w, const struct command *cmd)
{
	char text[64];

	if (!cmd->words[0].name && !cmd->rest)
		return;
	header(w, "Arguments");
	for (size_t i = 0; i < MAX_POSITIONALS && cmd->words[i].name; i++) {
		size_t n = help_word(&cmd->words[i], text, sizeof(text));

		(void)buf_str(w->b, "  ");
		styled(w, STYLE_GREEN, text);
		describe(w, 2 + n, cmd->words[i].help);
	}
	if (cmd->rest) {
		(void)buf_str(w->b, "  ");
		styled(w, STYLE_GREEN, "[COMMAND...]");
		describe(w, 2 + strlen("[COMMAND...]"), cmd->rest);
	}
}

/* "list, ls" */
static size_t names(const struct command *c, char *buf, size_t size)
{
	size_t used = (size_t)snprintf(buf, size, "%s", c->name);

	for (size_t i = 0; i < MAX_ALIASES && c->aliases[i] && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, ", %s",
					 c->aliases[i]);
	return used < size ? used : size - 1;
}

static bool in_section(const struct command *cmd, const char *name)
{
	for (const struct section *s = cmd->sections; s && s->title; s++)
		for (size_t i = 0; i < ARRAY_SIZE(s->commands); i++)
			if (s->commands[i] && !strcmp(s->commands[i], name))
				return true;
	return false;
}

const struct command *help_nth(const struct command *cmd,
			       const struct section *s, size_t n)
{
	const struct command *c;

	if (s) {
		for (size_t i = 0;
		     i < ARRAY_SIZE(s->commands) && s->commands[i]; i++) {
			c = command_find(cmd, s->commands[i]);
			if (c && command_shown(c) && !n--)
				return c;
		}
		return NULL;
	}
	for (c = cmd->sub; c && c->name; c++)
		if (command_shown(c) && !in_section(cmd, c->name) && !n--)
			return c;
	return NULL;
}

/* Those below a heading, or with s NULL those below none. */
static void put_section(struct writer *w, const struct command *cmd,
			const struct section *s)
{
	const struct command *c;
	char text[64];

	for (size_t n = 0; (c = help_nth(cmd, s, n)); n++) {
		size_t left = names(c, text, sizeof(text));

		if (!n)
			header(w, s ? s->title : "Commands");
		(void)buf_str(w->b, "  ");
		styled(w, STYLE_BLUE_BOLD, text);
		describe(w, 2 + left, c->summary);
	}
}

void help_print(const struct args *a, bool colors, size_t width,
		struct buf *out)
{
	const struct command *cmd = args_command(a);
	struct writer w = { out, colors, width };

	wrapped(&w, 0, cmd->summary);
	if (cmd->details) {
		(void)buf_str(out, "\n");
		put_details(&w, cmd->details);
	}
	(void)buf_str(out, "\n");
	styled(&w, STYLE_YELLOW_BOLD, "Usage:");
	(void)buf_str(out, " ");
	help_usage(a, out);
	(void)buf_str(out, "\n");
	put_arguments(&w, cmd);
	for (const struct section *s = cmd->sections; s && s->title; s++)
		put_section(&w, cmd, s);
	put_section(&w, cmd, NULL);
	put_options(&w, cmd, "Options");
	if (a->depth > 1)
		put_options(&w, a->path[0], "Options of every command");
}
