/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of commands and options. */
#include <stdio.h>
#include <string.h>

#include "cli/help.h"
#include "cli/table.h"

#define MAX_COLUMN 56 /* of descriptions */

struct item {
	char left[112];
	const char *help;
	const struct command *sub;
};

struct tree {
	struct buf *b;	      /* NULL: only measure */
	size_t column;	      /* where descriptions begin */
	bool last[MAX_DEPTH]; /* on the way down: nothing follows there */
};

static void option_item(const struct option *o, struct item *ret)
{
	char letter[8] = "";

	if (o->letter)
		(void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	(void)snprintf(ret->left, sizeof(ret->left), "%s--%s%s%s%s", letter,
		       o->name, o->value ? " <" : "", o->value ? o->value : "",
		       o->value ? ">" : "");
	ret->help = o->help;
}

static void command_item(const struct command *c, struct item *ret)
{
	size_t size = sizeof(ret->left), used;

	used = (size_t)snprintf(ret->left, size, "%s", c->name);
	for (size_t i = 0; i < MAX_ALIASES && c->aliases[i] && used < size; i++)
		used += (size_t)snprintf(
			ret->left + used, size - used, "%s%s",
			i ? ", " : " (aliases: ", c->aliases[i]);
	if (c->aliases[0] && used < size)
		(void)snprintf(ret->left + used, size - used, ")");
	ret->help = c->summary;
	ret->sub = c;
}

/* Positionals, then options, then commands: the n-th child of cmd. */
static bool child(const struct command *cmd, size_t n, struct item *ret)
{
	ret->sub = NULL;
	for (size_t i = 0; i < MAX_POSITIONALS && cmd->words[i].name; i++) {
		if (n--)
			continue;
		(void)help_word(&cmd->words[i], ret->left, sizeof(ret->left));
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
			if (!option_shown(o) || n--)
				continue;
			option_item(o, ret);
			return true;
		}
	}
	for (const struct command *c = cmd->sub; c && c->name; c++) {
		if (!command_shown(c) || n--)
			continue;
		command_item(c, ret);
		return true;
	}
	return false;
}

static void put_line(struct tree *t, size_t depth, const struct item *item)
{
	size_t width = 4 * (depth + 1) + text_width(item->left);

	if (!t->b) {
		if (width > t->column && width <= MAX_COLUMN)
			t->column = width;
		return;
	}
	for (size_t i = 0; i < depth; i++)
		(void)buf_str(t->b, t->last[i] ? "    " : "│   ");
	(void)buf_printf(t->b, "%s%s", t->last[depth] ? "└── " : "├── ",
			 item->left);
	(void)buf_printf(t->b, "%*s  %s\n",
			 t->column > width ? (int)(t->column - width) : 0, "",
			 item->help);
}

/* Everything below cmd, the children of each command behind it. */
static void walk(struct tree *t, const struct command *cmd)
{
	const struct command *at[MAX_DEPTH] = { cmd };
	size_t next[MAX_DEPTH] = { 0 }, depth = 0;
	struct item item, following;

	for (;;) {
		if (!child(at[depth], next[depth], &item)) {
			if (!depth--)
				return;
			continue;
		}
		next[depth]++;
		t->last[depth] = !child(at[depth], next[depth], &following);
		put_line(t, depth, &item);
		if (item.sub && depth + 1 < MAX_DEPTH) {
			at[++depth] = item.sub;
			next[depth] = 0;
		}
	}
}

void help_tree(const struct command *root, int argc, char **argv,
	       struct buf *out)
{
	const struct command *cmd = root;
	struct tree t = { 0 };

	for (int i = 1; i < argc && cmd->sub; i++) {
		const struct command *sub;

		if (!strcmp(argv[i], "--"))
			break;
		if (argv[i][0] == '-')
			continue;
		sub = command_find(cmd, argv[i]);
		if (!sub || !command_shown(sub))
			break;
		cmd = sub;
	}
	walk(&t, cmd);
	t.b = out;
	(void)buf_printf(out, "%s\n", cmd->name);
	walk(&t, cmd);
}
