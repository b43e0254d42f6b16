/* SPDX-License-Identifier: Apache-2.0 */
/* JSON trees: building and printing. */
#include "cli/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* Frees without recursion: children are moved up in front of the siblings. */
struct json *jval_free(struct json *j)
{
	while (j) {
		struct json *next;

		if (j->first) {
			j->last->next = j->next;
			j->next = j->first;
		}
		next = j->next;
		free(j->text);
		free(j->key);
		free(j);
		j = next;
	}
	return NULL;
}

static struct json *make(enum json_type type)
{
	struct json *j = calloc(1, sizeof(*j));

	if (j)
		j->type = type;
	return j;
}

struct json *jval_object(void)
{
	return make(JSON_OBJECT);
}

struct json *jval_array(void)
{
	return make(JSON_ARRAY);
}

struct json *jval_string(const char *text)
{
	struct json *j = make(text ? JSON_STRING : JSON_NULL);

	if (!j || !text)
		return j;
	j->len = strlen(text);
	j->text = strdup(text);
	return j->text ? j : jval_free(j);
}

struct json *jval_bool(bool v)
{
	struct json *j = make(JSON_BOOL);

	if (j)
		j->truth = v;
	return j;
}

/* Takes text. */
static struct json *number(char *text)
{
	struct json *j = text ? make(JSON_NUMBER) : NULL;

	if (!j) {
		free(text);
		return NULL;
	}
	j->text = text;
	j->len = strlen(text);
	return j;
}

struct json *jval_number(uint64_t v)
{
	return number(str_fmt("%" PRIu64, v));
}

struct json *jval_decimal(double v, int digits)
{
	return number(str_fmt("%.*f", digits, v));
}

int jval_append(struct json *array, struct json *value)
{
	if (!array || !value) {
		jval_free(value);
		return -ENOMEM;
	}
	if (array->last)
		array->last->next = value;
	else
		array->first = value;
	array->last = value;
	return 0;
}

int jval_add(struct json *object, const char *key, struct json *value)
{
	if (value) {
		free(value->key);
		value->key = strdup(key);
		if (!value->key)
			value = jval_free(value);
	}
	return jval_append(object, value);
}

const struct json *jval_get(const struct json *j, const char *key)
{
	if (!j || j->type != JSON_OBJECT)
		return NULL;
	for (const struct json *m = j->first; m; m = m->next)
		if (!strcmp(m->key, key))
			return m;
	return NULL;
}

const char *jval_str(const struct json *j)
{
	return j && j->type == JSON_STRING ? j->text : NULL;
}

bool jval_is_true(const struct json *j)
{
	return j && j->type == JSON_BOOL && j->truth;
}

/* --- printing --- */

static void put_escaped(struct buf *b, unsigned char c)
{
	if (c == '"' || c == '\\')
		(void)buf_printf(b, "\\%c", c);
	else if (c == '\n')
		(void)buf_str(b, "\\n");
	else if (c == '\t')
		(void)buf_str(b, "\\t");
	else if (c == '\r')
		(void)buf_str(b, "\\r");
	else
		(void)buf_printf(b, "\\u%04x", c);
}

void jval_put_string(struct buf *b, const char *text, size_t len)
{
	size_t plain = 0; /* begin of what can be copied */

	(void)buf_str(b, "\"");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		unsigned char next =
			i + 1 < len ? (unsigned char)text[i + 1] : 0xff;
		/* a control character, which terminals obey */
		bool c1 = c == 0xc2 && next < 0xa0;

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f && !c1)
			continue;
		(void)buf_append(b, text + plain, i - plain);
		if (c1)
			i++;
		put_escaped(b, c1 ? next : c);
		plain = i + 1;
	}
	(void)buf_append(b, text + plain, len - plain);
	(void)buf_str(b, "\"");
}

static void put_indent(struct buf *b, size_t depth)
{
	(void)buf_str(b, "\n");
	for (size_t i = 0; i < depth; i++)
		(void)buf_str(b, "  ");
}

static void put_scalar(struct buf *b, const struct json *j)
{
	switch (j->type) {
	case JSON_NULL:
		(void)buf_str(b, "null");
		break;
	case JSON_BOOL:
		(void)buf_str(b, j->truth ? "true" : "false");
		break;
	case JSON_NUMBER:
		(void)buf_append(b, j->text, j->len);
		break;
	case JSON_STRING:
		jval_put_string(b, j->text, j->len);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		(void)buf_str(b, j->type == JSON_ARRAY ? "[]" : "{}");
		break;
	}
}

static int by_key(const void *a, const void *b)
{
	const struct json *const *x = a, *const *y = b;

	return strcmp((*x)->key, (*y)->key);
}

/* A container being printed: its members in printing order. */
struct level {
	const struct json *j;
	const struct json **members; /* owned */
	size_t n, next;
};

static int open_level(struct level *l, const struct json *j)
{
	size_t n = 0;

	for (const struct json *m = j->first; m; m = m->next)
		n++;
	l->members = calloc(n, sizeof(const struct json *));
	if (!l->members)
		return -ENOMEM;
	l->j = j;
	l->n = l->next = 0;
	for (const struct json *m = j->first; m; m = m->next)
		l->members[l->n++] = m;
	if (j->type == JSON_OBJECT)
		qsort(l->members, l->n, sizeof(const struct json *), by_key);
	return 0;
}

static bool is_scalar(const struct json *j)
{
	return (j->type != JSON_ARRAY && j->type != JSON_OBJECT) || !j->first;
}

static int print(const struct json *j, bool pretty, struct buf *out)
{
	struct level stack[JSON_MAX_DEPTH + 1] = { 0 };
	size_t depth = 0;
	int rc = 0;

	if (!j)
		return -ENOMEM;
	for (;;) {
		struct level *l;

		if (is_scalar(j)) {
			put_scalar(out, j);
		} else if (depth > JSON_MAX_DEPTH) {
			rc = -ENOMEM;
			break;
		} else {
			rc = open_level(&stack[depth], j);
			if (rc)
				break;
			depth++;
			(void)buf_str(out, j->type == JSON_ARRAY ? "[" : "{");
		}
		while (depth && stack[depth - 1].next == stack[depth - 1].n) {
			l = &stack[--depth];
			if (pretty)
				put_indent(out, depth);
			(void)buf_str(out,
				      l->j->type == JSON_ARRAY ? "]" : "}");
			free(l->members);
		}
		if (!depth)
			break;
		l = &stack[depth - 1];
		if (l->next)
			(void)buf_str(out, ",");
		if (pretty)
			put_indent(out, depth);
		j = l->members[l->next++];
		if (l->j->type == JSON_OBJECT) {
			jval_put_string(out, j->key, strlen(j->key));
			(void)buf_str(out, pretty ? ": " : ":");
		}
	}
	while (depth)
		free(stack[--depth].members);
	(void)buf_str(out, "\n");
	return rc || out->failed ? -ENOMEM : 0;
}

int jval_print(const struct json *j, struct buf *out)
{
	return print(j, true, out);
}

int jval_print_line(const struct json *j, struct buf *out)
{
	return print(j, false, out);
}
