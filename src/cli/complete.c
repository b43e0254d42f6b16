/* SPDX-License-Identifier: Apache-2.0 */
/* Completion of command lines, from the tables of commands and options. */
#include "cli/complete.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/table.h"

#define ANSWER_MAX (16u << 20)
#define HELP_COLUMNS 72
#define PLAIN                                                                  \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"       \
	"_-.,:=@/%+"

/* What the words in front of the last one say. */
struct line {
	const struct command *path[MAX_DEPTH]; /* root first */
	size_t depth;
	const struct option *waiting; /* the next word is its value */
	bool *used;		      /* of words: is an option */
	const char *const *words;
	size_t n;
	size_t nwords; /* positionals so far */
	bool rest;     /* behind "--" */
};

void candidate_add(struct candidates *c, const char *text, const char *help)
{
	const char *value = c->word + c->head;
	autofree char *cut = NULL;

	if (!str_starts(text, value) || text[strspn(text, PLAIN)] || !*text)
		return;
	(void)buf_append(&c->lines, c->word, c->head);
	(void)buf_printf(&c->lines, "%s\t", text);
	cut = help ? text_cut(help, HELP_COLUMNS) : NULL;
	text_put_safe(&c->lines, cut ? cut : "");
	(void)buf_str(&c->lines, "\n");
}

/* --- what is there already --- */

static const struct command *innermost(const struct line *l)
{
	return l->path[l->depth - 1];
}

/* As the parser does it: the command's own first, then the program's. */
static const struct option *lookup(const struct line *l, const char *name,
				   char letter)
{
	const struct option *o = option_find(innermost(l), name, letter);

	return o ? o : option_find(l->path[0], name, letter);
}

static const struct option *lookup_long(const struct line *l, const char *word)
{
	autofree char *name = strndup(word, strcspn(word, "="));

	return name ? lookup(l, name, 0) : NULL;
}

/*
 * The option in a bundle such as "-dv" that takes a value, or NULL. What is
 * behind it, if anything, is the value.
 */
static const struct option *in_bundle(const struct line *l, const char *word,
				      const char **ret_value)
{
	for (const char *p = word + 1; *p; p++) {
		const struct option *o = lookup(l, NULL, *p);

		if (!o)
			return NULL;
		if (o->kind == OPT_SWITCH)
			continue;
		*ret_value = p + 1 + (p[1] == '=');
		return o;
	}
	return NULL;
}

static void take_option(struct line *l, const char *word)
{
	const struct option *o;
	const char *value = "";

	if (word[1] == '-') {
		o = lookup_long(l, word + 2);
		if (o && o->kind != OPT_SWITCH && !strchr(word, '='))
			l->waiting = o;
		return;
	}
	o = in_bundle(l, word, &value);
	if (o && !*value)
		l->waiting = o;
}

static void take_word(struct line *l, const char *word)
{
	const struct command *sub = NULL;

	if (innermost(l)->sub && !l->nwords && l->depth < MAX_DEPTH)
		sub = command_find(innermost(l), word);
	if (sub)
		l->path[l->depth++] = sub;
	else
		l->nwords++;
}

static void take_words(struct line *l)
{
	for (size_t i = 0; i + 1 < l->n && !l->rest; i++) {
		const char *word = l->words[i];

		if (l->waiting) {
			l->waiting = NULL;
		} else if (!strcmp(word, "--")) {
			l->rest = true;
		} else if (word[0] == '-' && word[1]) {
			take_option(l, word);
			l->used[i] = true;
		} else {
			take_word(l, word);
		}
	}
}

/* --- values --- */

static bool is_path(const char *text)
{
	return *text && strchr("./~", *text);
}

/* The path begins at offset of the word; further ones are counted in
 * characters, which only ASCII makes the same in every shell. */
static void want_paths(struct candidates *c, enum paths paths, size_t offset)
{
	for (size_t i = 0; i < offset; i++)
		if ((unsigned char)c->word[i] >= 0x80)
			return;
	c->paths = paths;
	c->path_head = offset;
}

static void put_choices(struct candidates *c, const char *const *choices,
			bool commas)
{
	const char *comma = commas ? strrchr(c->word + c->head, ',') : NULL;

	if (comma)
		c->head = (size_t)(comma + 1 - c->word);
	for (; *choices; choices++)
		candidate_add(c, *choices, NULL);
}

/* Names of the environment, each with an end such as "@". */
static void put_variables(struct candidates *c, const char *end)
{
	if (strpbrk(c->word + c->head, "=@"))
		return;
	for (char **e = environ; *e; e++) {
		autofree char *name =
			str_fmt("%.*s%s", (int)strcspn(*e, "="), *e, end);

		if (name)
			candidate_add(c, name, NULL);
	}
}

static void put_value(struct cli *cli, struct candidates *c,
		      enum value_kind what)
{
	const char *value = c->word + c->head;

	switch (what) {
	case VALUE_OTHER:
	case VALUE_COMMAND: /* of words, not of options */
		break;
	case VALUE_FILE:
		want_paths(c, PATHS_FILES, c->head);
		break;
	case VALUE_DIR:
		want_paths(c, PATHS_DIRS, c->head);
		break;
	case VALUE_KEY_FILE:
		if (value[strcspn(value, "=:")])
			want_paths(c, PATHS_FILES,
				   c->head + strcspn(value, "=:") + 1);
		break;
	case VALUE_VARIABLE:
		put_variables(c, "");
		break;
	case VALUE_SECRET:
		put_variables(c, "@");
		break;
	case VALUE_ENDPOINT:
		if (!strchr(value, ':') || is_path(value))
			want_paths(c, PATHS_FILES, c->head);
		complete_names(cli, what, c);
		break;
	case VALUE_ROOT:
	case VALUE_MOUNT:
	case VALUE_SNAPSHOT:
		if (is_path(value))
			want_paths(c, PATHS_FILES, c->head);
		else
			complete_names(cli, what, c);
		break;
	case VALUE_SANDBOX:
	case VALUE_RUNNING:
	case VALUE_STOPPED:
	case VALUE_IMAGE:
	case VALUE_VOLUME:
	case VALUE_REGISTRY:
	case VALUE_INSTALLED:
	case VALUE_LABEL:
		complete_names(cli, what, c);
		break;
	}
}

static void put_option_value(struct cli *cli, struct candidates *c,
			     const struct option *o)
{
	if (o->kind == OPT_SWITCH)
		return;
	if (o->choices)
		put_choices(c, o->choices, o->flags & OPT_COMMAS);
	else
		put_value(cli, c, o->what);
}

/* --- options, commands and words --- */

/* An option that would be refused beside those that are there. */
static bool excluded(const struct line *l, const struct option *o)
{
	for (size_t i = 0; i + 1 < l->n; i++) {
		const char *word = l->words[i];
		const struct option *other;

		if (!l->used[i])
			continue;
		if (word[1] == '-') {
			other = lookup_long(l, word + 2);
			if (other &&
			    ((other->id == o->id && o->kind != OPT_LIST) ||
			     (o->group && other->group == o->group)))
				return true;
			continue;
		}
		for (const char *p = word + 1; *p; p++) {
			other = lookup(l, NULL, *p);
			if (!other)
				break;
			if ((other->id == o->id && o->kind != OPT_LIST) ||
			    (o->group && other->group == o->group))
				return true;
			if (other->kind != OPT_SWITCH)
				break;
		}
	}
	return false;
}

static void put_options(const struct line *l, struct candidates *c)
{
	const struct command *from[] = { innermost(l), l->path[0] };
	size_t n = l->depth > 1 ? 2 : 1;

	for (size_t f = 0; f < n; f++)
		for (size_t g = 0; g < MAX_GROUPS && from[f]->groups[g]; g++)
			for (const struct option *o = from[f]->groups[g];
			     o->name; o++) {
				autofree char *text = str_fmt("--%s", o->name);

				if (text && option_shown(o) && !excluded(l, o))
					candidate_add(c, text, o->help);
			}
}

static void put_commands(const struct command *parent, struct candidates *c)
{
	for (const struct command *s = parent->sub; s && s->name; s++) {
		if (!command_shown(s))
			continue;
		candidate_add(c, s->name, s->summary);
		/* both names of one thing only for who began with the other */
		for (size_t i = 0; i < MAX_ALIASES && s->aliases[i]; i++)
			if (c->word[c->head])
				candidate_add(c, s->aliases[i], s->summary);
	}
}

/* What "msb help" is about: the words in front of the last name a command. */
static void put_help(const struct line *l, struct candidates *c)
{
	const struct command *at = l->path[0];
	bool behind = false; /* of the word "help" */

	for (size_t i = 0; i + 1 < l->n && at; i++) {
		if (l->used[i])
			continue;
		if (behind)
			at = command_find(at, l->words[i]);
		behind = true;
	}
	if (at)
		put_commands(at, c);
}

/* The word that the next positional is, or NULL when there are enough. */
static const struct positional *next_word(const struct line *l)
{
	const struct command *cmd = innermost(l);
	const struct positional *last = NULL;
	size_t n = l->nwords;

	for (size_t i = 0; i < MAX_POSITIONALS && cmd->words[i].name; i++) {
		last = &cmd->words[i];
		if (last->many || !n)
			return last;
		n--;
	}
	return NULL;
}

static void put_word(struct cli *cli, const struct line *l,
		     struct candidates *c)
{
	const struct positional *p = next_word(l);

	if (p && p->choices)
		put_choices(c, p->choices, false);
	else if (p && p->what == VALUE_COMMAND)
		put_help(l, c);
	else if (p)
		put_value(cli, c, p->what);
	else if (innermost(l)->rest && !*c->word)
		candidate_add(c, "--", innermost(l)->rest);
	else if (!*c->word)
		put_options(l, c);
}

static void put_last(struct cli *cli, struct line *l, struct candidates *c)
{
	const struct option *o;
	const char *value = NULL;

	if (l->rest)
		return; /* of the guest, of which nothing is known */
	if (l->waiting) {
		put_option_value(cli, c, l->waiting);
	} else if (str_starts(c->word, "--") && strchr(c->word, '=')) {
		o = lookup_long(l, c->word + 2);
		c->head = strcspn(c->word, "=") + 1;
		if (o)
			put_option_value(cli, c, o);
	} else if (c->word[0] == '-') {
		o = c->word[1] && c->word[1] != '-'
			    ? in_bundle(l, c->word, &value)
			    : NULL;
		if (o && *value) {
			c->head = (size_t)(value - c->word);
			put_option_value(cli, c, o);
		} else if (o) {
			candidate_add(c, c->word, o->help);
		} else {
			put_options(l, c);
			if (innermost(l)->rest)
				candidate_add(c, "--", innermost(l)->rest);
		}
	} else if (innermost(l)->sub && !l->nwords) {
		put_commands(innermost(l), c);
	} else {
		put_word(cli, l, c);
	}
}

void complete_words(struct cli *cli, const char *const *words, size_t n,
		    struct buf *out)
{
	static const char *const modes[] = { [PATHS_NONE] = "none",
					     [PATHS_FILES] = "files",
					     [PATHS_DIRS] = "dirs" };
	static const char *const nothing[] = { "" };
	struct line l = { .path = { &cli_root }, .depth = 1 };
	struct candidates c = { .paths = PATHS_NONE };
	autofree bool *used = calloc(n + 1, sizeof(*used));

	l.words = n ? words : nothing;
	l.n = n ? n : 1;
	l.used = used;
	c.word = l.words[l.n - 1];
	buf_init(&c.lines, ANSWER_MAX);
	if (used) {
		take_words(&l);
		put_last(cli, &l, &c);
	}
	(void)buf_printf(out, "%s %zu\n", modes[c.paths], c.path_head);
	if (buf_cstr(&c.lines))
		(void)buf_str(out, buf_cstr(&c.lines));
	buf_fini(&c.lines);
}
