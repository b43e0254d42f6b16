/* SPDX-License-Identifier: Apache-2.0 */
/* Parser over the command and option tables. */
#include "cli/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/str.h"
#include "base/suggest.h"

struct parser {
	struct args *args;
	struct parse_error *err;
	char **argv;
	int argc, next;
	const char *unavailable; /* first such option that was given */
};

static enum parse_result fail(struct parser *p, const char *fmt, ...)
	MSB_PRINTF(2, 3);

static enum parse_result fail(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(p->err->message, sizeof(p->err->message), fmt, ap);
	va_end(ap);
	return PARSE_USAGE;
}

const struct command *command_find(const struct command *parent,
				   const char *name)
{
	for (const struct command *c = parent->sub; c && c->name; c++) {
		if (!strcmp(c->name, name))
			return c;
		for (size_t i = 0; i < MAX_ALIASES && c->aliases[i]; i++)
			if (!strcmp(c->aliases[i], name))
				return c;
	}
	return NULL;
}

const struct option *option_find(const struct command *cmd, const char *name,
				 char letter)
{
	for (size_t g = 0; g < MAX_GROUPS && cmd->groups[g]; g++)
		for (const struct option *o = cmd->groups[g]; o->name; o++)
			if (name ? !strcmp(o->name, name)
				 : o->letter && o->letter == letter)
				return o;
	return NULL;
}

bool command_shown(const struct command *c)
{
	return !c->hidden && !c->unavailable;
}

bool option_shown(const struct option *o)
{
	return !(o->flags & (OPT_HIDDEN | OPT_UNAVAILABLE));
}

/* The innermost command's own options first, then the program's. */
static const struct option *lookup(const struct parser *p, const char *name,
				   char letter)
{
	const struct command *ends[] = { args_command(p->args),
					 p->args->path[0] };
	const struct option *o = NULL;

	for (size_t i = 0; !o && i < ARRAY_SIZE(ends); i++)
		o = option_find(ends[i], name, letter);
	return o;
}

void args_command_line(const struct args *a, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = 0;
	for (size_t i = 0; i < a->depth && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s",
					 i ? " " : "", a->path[i]->name);
}

static enum parse_result unknown_option(struct parser *p, const char *name)
{
	struct suggest s;

	suggest_init(&s, name);
	for (size_t i = 0; i < p->args->depth; i++) {
		const struct command *c = p->args->path[i];

		if (i && i + 1 < p->args->depth)
			continue;
		for (size_t g = 0; g < MAX_GROUPS && c->groups[g]; g++)
			for (const struct option *o = c->groups[g]; o->name;
			     o++)
				if (option_shown(o))
					suggest_add(&s, o->name);
	}
	if (s.best)
		(void)snprintf(p->err->hint, sizeof(p->err->hint),
			       "did you mean '--%s'?", s.best);
	return fail(p, "unknown option '--%s'", name);
}

const char *command_suggest(const struct command *parent, const char *word)
{
	struct suggest s;

	suggest_init(&s, word);
	for (const struct command *c = parent->sub; c && c->name; c++) {
		if (!command_shown(c))
			continue;
		suggest_add(&s, c->name);
		for (size_t i = 0; i < MAX_ALIASES && c->aliases[i]; i++)
			suggest_add(&s, c->aliases[i]);
	}
	return s.best;
}

static enum parse_result unknown_command(struct parser *p, const char *name)
{
	const char *close = command_suggest(args_command(p->args), name);

	if (close)
		(void)snprintf(p->err->hint, sizeof(p->err->hint),
			       "did you mean '%s'?", close);
	return fail(p, "unknown command '%s'", name);
}

/* How an option is shown in messages: "--memory <SIZE>". */
static const char *shown(const struct option *o, char *buf, size_t size)
{
	if (o->value)
		(void)snprintf(buf, size, "--%s <%s>", o->name, o->value);
	else
		(void)snprintf(buf, size, "--%s", o->name);
	return buf;
}

static enum parse_result check_value(struct parser *p, const struct option *o,
				     struct arg *item)
{
	char name[64], list[128] = "";
	size_t used = 0;

	if (o->kind == OPT_UINT) {
		int rc = str_to_u64(item->text, &item->number);

		if (rc || item->number > o->max)
			return fail(p,
				    "invalid value '%s' for '%s': expected a "
				    "whole number from 0 to %llu",
				    item->text, shown(o, name, sizeof(name)),
				    (unsigned long long)o->max);
		return PARSE_OK;
	}
	if (o->kind != OPT_CHOICE)
		return PARSE_OK;
	for (const char *const *c = o->choices; *c; c++) {
		if (!strcmp(*c, item->text))
			return PARSE_OK;
		if (used < sizeof(list))
			used += (size_t)snprintf(list + used,
						 sizeof(list) - used, "%s%s",
						 used ? ", " : "", *c);
	}
	return fail(p, "invalid value '%s' for '%s': expected %s", item->text,
		    shown(o, name, sizeof(name)), list);
}

/* Record an option; text is NULL for a switch. */
static enum parse_result take_option(struct parser *p, const struct option *o,
				     const char *text)
{
	struct arg *item = &p->args->items[p->args->nitems];
	enum parse_result r;

	if (o->id == OPT_ID_HELP)
		return PARSE_HELP;
	if (o->id == OPT_ID_VERSION)
		return PARSE_VERSION;
	for (size_t i = 0; i < p->args->nitems; i++) {
		const struct option *other = p->args->items[i].opt;

		if (other->id == o->id && o->kind != OPT_LIST)
			return fail(p, "'--%s' cannot be used more than once",
				    o->name);
		if (o->group && other->group == o->group && other->id != o->id)
			return fail(p, "'--%s' cannot be used with '--%s'",
				    o->name, other->name);
	}
	*item = (struct arg){ .opt = o, .id = o->id, .text = text };
	if (text) {
		r = check_value(p, o, item);
		if (r != PARSE_OK)
			return r;
	}
	if ((o->flags & OPT_UNAVAILABLE) && !p->unavailable)
		p->unavailable = o->name;
	p->args->nitems++;
	return PARSE_OK;
}

/* The value of an option that stands in the next word. */
static enum parse_result take_next(struct parser *p, const struct option *o)
{
	const char *text = p->next < p->argc ? p->argv[p->next] : NULL;
	char name[64];

	if (!text || (text[0] == '-' && text[1] && !(o->flags & OPT_HYPHEN)))
		return fail(p, "'%s' needs a value",
			    shown(o, name, sizeof(name)));
	p->next++;
	return take_option(p, o, text);
}

static enum parse_result parse_long(struct parser *p, const char *word)
{
	const char *eq = strchr(word, '=');
	const struct option *o;
	char name[128];

	(void)snprintf(name, sizeof(name), "%.*s",
		       eq ? (int)(eq - word) : (int)strlen(word), word);
	o = lookup(p, name, 0);
	if (!o)
		return unknown_option(p, name);
	if (o->kind == OPT_SWITCH) {
		if (eq)
			return fail(p, "'--%s' does not take a value", name);
		return take_option(p, o, NULL);
	}
	return eq ? take_option(p, o, eq + 1) : take_next(p, o);
}

/* "-dq", "-c2", "-dc2", "-c=2", "-c" and then the next word. */
static enum parse_result parse_short(struct parser *p, const char *word)
{
	enum parse_result r = PARSE_OK;

	for (; *word && r == PARSE_OK; word++) {
		const struct option *o = lookup(p, NULL, *word);

		if (!o)
			return fail(p, "unknown option '-%c'", *word);
		if (o->kind == OPT_SWITCH) {
			if (word[1] == '=')
				return fail(p, "'-%c' does not take a value",
					    *word);
			r = take_option(p, o, NULL);
			continue;
		}
		if (!word[1])
			return take_next(p, o);
		return take_option(p, o, word + (word[1] == '=' ? 2 : 1));
	}
	return r;
}

static size_t max_words(const struct command *c, bool *ret_many)
{
	size_t n = 0;

	*ret_many = false;
	while (n < MAX_POSITIONALS && c->words[n].name) {
		*ret_many |= c->words[n].many;
		n++;
	}
	return n;
}

static enum parse_result parse_word(struct parser *p, const char *word)
{
	const struct command *cmd = args_command(p->args), *sub;
	bool many;
	size_t max;

	if (cmd->sub && !p->args->nwords) {
		sub = command_find(cmd, word);
		if (!sub)
			return unknown_command(p, word);
		p->args->path[p->args->depth++] = sub;
		if (sub->unavailable)
			return PARSE_UNAVAILABLE;
		return PARSE_OK;
	}
	max = max_words(cmd, &many);
	if (p->args->nwords == max && !many) {
		if (cmd->rest)
			(void)snprintf(p->err->hint, sizeof(p->err->hint),
				       "the command to run comes after '--'");
		return fail(p, "unexpected argument '%s'", word);
	}
	p->args->words[p->args->nwords++] = word;
	return PARSE_OK;
}

/* Name of an option of cmd by its id. */
static const char *name_of(const struct command *cmd, int id)
{
	for (size_t g = 0; g < MAX_GROUPS && cmd->groups[g]; g++)
		for (const struct option *o = cmd->groups[g]; o->name; o++)
			if (o->id == id)
				return o->name;
	return "";
}

static enum parse_result check_needs(struct parser *p,
				     const struct command *cmd)
{
	const struct args *a = p->args;

	for (size_t g = 0; g < MAX_GROUPS && cmd->groups[g]; g++)
		for (const struct option *o = cmd->groups[g]; o->name; o++)
			if (o->needs && args_has(a, o->id) &&
			    !args_has(a, o->needs))
				return fail(p, "'--%s' needs '--%s' too",
					    o->name, name_of(cmd, o->needs));
	return PARSE_OK;
}

static enum parse_result check_complete(struct parser *p)
{
	const struct command *cmd = args_command(p->args);
	const struct args *a = p->args;
	size_t needed = 0;

	if (p->unavailable) {
		(void)snprintf(p->err->message, sizeof(p->err->message), "--%s",
			       p->unavailable);
		return PARSE_UNAVAILABLE;
	}
	if (cmd->sub && !cmd->run)
		return PARSE_EMPTY;
	for (size_t i = 0; i < MAX_POSITIONALS && cmd->words[i].name; i++)
		if (cmd->words[i].required && ++needed > a->nwords)
			return fail(p, "<%s> is missing", cmd->words[i].name);
	if (a->rest && !cmd->rest)
		return fail(p, "'--' is not accepted here");
	return check_needs(p, cmd);
}

static enum parse_result parse_all(struct parser *p)
{
	enum parse_result r = PARSE_OK;

	while (r == PARSE_OK && p->next < p->argc) {
		const char *word = p->argv[p->next++];

		if (!strcmp(word, "--")) {
			p->args->rest = (const char *const *)&p->argv[p->next];
			p->args->nrest = (size_t)(p->argc - p->next);
			break;
		}
		if (word[0] == '-' && word[1] == '-')
			r = parse_long(p, word + 2);
		else if (word[0] == '-' && word[1])
			r = parse_short(p, word + 1);
		else
			r = parse_word(p, word);
	}
	if (r == PARSE_UNAVAILABLE)
		args_command_line(p->args, p->err->message,
				  sizeof(p->err->message));
	return r == PARSE_OK ? check_complete(p) : r;
}

/* How many options argv can hold: a bundle of switches is one word. */
static size_t max_items(int argc, char **argv)
{
	size_t n = 1;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && argv[i][1] != '-')
			n += strlen(argv[i]);
		n++;
	}
	return n;
}

enum parse_result args_parse(const struct command *root, int argc, char **argv,
			     struct args *args, struct parse_error *err)
{
	struct parser p = {
		.args = args, .err = err, .argv = argv, .argc = argc, .next = 1
	};

	memset(args, 0, sizeof(*args));
	memset(err, 0, sizeof(*err));
	args->path[args->depth++] = root;
	args->items = calloc(max_items(argc, argv), sizeof(*args->items));
	args->words = calloc((size_t)argc + 1, sizeof(*args->words));
	if (!args->items || !args->words)
		return PARSE_NO_MEMORY;
	return parse_all(&p);
}

void args_fini(struct args *a)
{
	free(a->items);
	free(a->words);
	a->items = NULL;
	a->words = NULL;
}

bool args_has(const struct args *a, int id)
{
	for (size_t i = 0; i < a->nitems; i++)
		if (a->items[i].id == id)
			return true;
	return false;
}

const char *args_text(const struct args *a, int id)
{
	for (size_t i = a->nitems; i-- > 0;)
		if (a->items[i].id == id)
			return a->items[i].text;
	return NULL;
}

bool args_number(const struct args *a, int id, uint64_t *ret)
{
	for (size_t i = a->nitems; i-- > 0;) {
		if (a->items[i].id == id) {
			*ret = a->items[i].number;
			return true;
		}
	}
	return false;
}

const char *args_next(const struct args *a, int id, size_t *pos)
{
	while (*pos < a->nitems) {
		const struct arg *item = &a->items[(*pos)++];

		if (item->id == id)
			return item->text;
	}
	return NULL;
}
