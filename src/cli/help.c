/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts from the tables of commands and options. */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/table.h"

#define HELP_COLUMN 36 /* where descriptions begin */

struct writer {
	struct buf *b;
	bool colors;
};

static void styled(struct writer *w, enum table_style style, const char *text)
{
	(void)buf_printf(w->b, "%s%s%s", w->colors ? style_on(style) : "", text,
			 w->colors ? STYLE_OFF : "");
}

static void header(struct writer *w, const char *text)
{
	styled(w, STYLE_YELLOW_BOLD, text);
	(void)buf_str(w->b, "\n");
}

/* Description at the column, on a line of its own when the left is long. */
static void describe(struct writer *w, size_t left, const char *text)
{
	if (left + 2 > HELP_COLUMN) {
		(void)buf_str(w->b, "\n");
		left = 0;
	}
	for (; left < HELP_COLUMN; left++)
		(void)buf_str(w->b, " ");
	(void)buf_printf(w->b, "%s\n", text);
}

static bool shown(const struct option *o)
{
	return !(o->flags & (OPT_HIDDEN | OPT_UNAVAILABLE));
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

static void put_options(struct writer *w, const struct command *cmd)
{
	for (size_t g = 0; g < MAX_GROUPS && cmd->groups[g]; g++)
		for (const struct option *o = cmd->groups[g]; o->name; o++)
			if (shown(o))
				put_option(w, o);
}

static size_t word_text(const struct positional *p, char *buf, size_t size)
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
		(void)word_text(&cmd->words[i], text, sizeof(text));
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
	(void)buf_str(w->b, "\n");
	header(w, "Arguments:");
	for (size_t i = 0; i < MAX_POSITIONALS && cmd->words[i].name; i++) {
		size_t n = word_text(&cmd->words[i], text, sizeof(text));

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

	for (size_t i = 0; i < MAX_ALIASES && c->aliases[i]; i++)
		used += (size_t)snprintf(buf + used, size - used, ", %s",
					 c->aliases[i]);
	return used;
}

static void put_commands(struct writer *w, const struct command *cmd)
{
	char text[64];

	if (!cmd->sub)
		return;
	(void)buf_str(w->b, "\n");
	header(w, "Commands:");
	for (const struct command *c = cmd->sub; c->name; c++) {
		size_t n;

		if (c->hidden || c->unavailable)
			continue;
		n = names(c, text, sizeof(text));
		(void)buf_str(w->b, "  ");
		styled(w, STYLE_BLUE_BOLD, text);
		describe(w, 2 + n, c->summary);
	}
}

void help_print(const struct args *a, bool colors, struct buf *out)
{
	const struct command *cmd = args_command(a);
	struct writer w = { out, colors };

	(void)buf_printf(out, "%s\n", cmd->summary);
	if (cmd->details)
		(void)buf_printf(out, "\n%s\n", cmd->details);
	(void)buf_str(out, "\n");
	styled(&w, STYLE_YELLOW_BOLD, "Usage:");
	(void)buf_str(out, " ");
	help_usage(a, out);
	(void)buf_str(out, "\n");
	put_arguments(&w, cmd);
	put_commands(&w, cmd);
	(void)buf_str(out, "\n");
	header(&w, "Options:");
	put_options(&w, cmd);
	if (a->depth > 1)
		put_options(&w, a->path[0]);
}

/* --- tree --- */

struct tree {
	struct buf *b;
	size_t column; /* where descriptions begin */
};

struct item {
	char left[96];
	const char *help;
};

/* Positionals, then options, then commands: the n-th child of cmd. */
static bool child(const struct command *cmd, size_t n, struct item *ret,
		  const struct command **ret_sub)
{
	char text[80];

	*ret_sub = NULL;
	for (size_t i = 0; i < MAX_POSITIONALS && cmd->words[i].name; i++) {
		if (n--)
			continue;
		(void)word_text(&cmd->words[i], ret->left, sizeof(ret->left));
		ret->help = cmd->words[i].help;
		return true;
	}
	if (cmd->rest && !n--) {
		(void)snprintf(ret->left, sizeof(ret->left), "[-- COMMAND...]");
		ret->help = cmd->rest;
		return true;
	}
	for (size_t g = 0; g < MAX_GROUPS && cmd->groups[g]; g++) {
		for (const struct option *o = cmd->groups[g]; o->name; o++) {
			if (!shown(o) || n--)
				continue;
			text[0] = 0;
			if (o->letter)
				(void)snprintf(text, sizeof(text), "-%c, ",
					       o->letter);
			(void)snprintf(
				ret->left, sizeof(ret->left), "%s--%s%s%s%s",
				text, o->name, o->value ? " <" : "",
				o->value ? o->value : "", o->value ? ">" : "");
			ret->help = o->help;
			return true;
		}
	}
	for (const struct command *c = cmd->sub; c && c->name; c++) {
		if (c->hidden || c->unavailable || n--)
			continue;
		if (c->aliases[0])
			(void)snprintf(ret->left, sizeof(ret->left),
				       "%s (aliases: %s)", c->name,
				       c->aliases[0]);
		else
			(void)snprintf(ret->left, sizeof(ret->left), "%s",
				       c->name);
		ret->help = c->summary;
		*ret_sub = c;
		return true;
	}
	return false;
}

static void tree_line(struct tree *t, const char *indent, const char *branch,
		      const struct item *item)
{
	char left[160];
	size_t width;

	(void)snprintf(left, sizeof(left), "%s%s%s", indent, branch,
		       item->left);
	(void)buf_str(t->b, left);
	for (width = text_width(left); width < t->column; width++)
		(void)buf_str(t->b, " ");
	(void)buf_printf(t->b, "  %s\n", item->help);
}

/* The children of cmd and, one level further, those of its commands. */
static void tree_children(struct tree *t, const struct command *cmd,
			  const char *indent)
{
	const struct command *sub, *unused;
	struct item item, next;

	for (size_t n = 0; child(cmd, n, &item, &sub); n++) {
		bool last = !child(cmd, n + 1, &next, &unused);

		tree_line(t, indent, last ? "└── " : "├── ", &item);
		for (size_t k = 0; sub && child(sub, k, &item, &unused); k++) {
			bool end = !child(sub, k + 1, &next, &unused);
			char deeper[32];

			(void)snprintf(deeper, sizeof(deeper), "%s%s", indent,
				       last ? "    " : "│   ");
			tree_line(t, deeper, end ? "└── " : "├── ", &item);
		}
	}
}

void help_tree(const struct command *root, int argc, char **argv,
	       struct buf *out)
{
	const struct command *cmd = root;
	struct tree t = { out, 52 };

	for (int i = 1; i < argc && cmd->sub; i++) {
		const struct command *sub;

		if (!strcmp(argv[i], "--"))
			break;
		if (argv[i][0] == '-')
			continue;
		sub = command_find(cmd, argv[i]);
		if (!sub || sub->hidden || sub->unavailable)
			break;
		cmd = sub;
	}
	(void)buf_printf(out, "%s\n", cmd->name);
	tree_children(&t, cmd, "");
}
