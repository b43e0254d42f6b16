/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text to a tree (RFC 8259), without recursion. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/json.h"

struct reader {
	const char *p, *end;
};

static void skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' ||
				 *r->p == '\n' || *r->p == '\r'))
		r->p++;
}

static bool take(struct reader *r, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return false;
	r->p += n;
	return true;
}

static int hex4(struct reader *r, uint32_t *ret)
{
	uint32_t v = 0;

	if (r->end - r->p < 4)
		return -EINVAL;
	for (int i = 0; i < 4; i++) {
		char c = *r->p++;

		v <<= 4;
		if (c >= '0' && c <= '9')
			v |= (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v |= (uint32_t)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			v |= (uint32_t)(c - 'A' + 10);
		else
			return -EINVAL;
	}
	*ret = v;
	return 0;
}

/* After "\u": the character, from two escapes when it needs them. */
static int unicode_escape(struct reader *r, struct buf *b)
{
	uint32_t c, low;
	uint8_t out[4];
	size_t n;

	if (hex4(r, &c))
		return -EINVAL;
	if (c >= 0xd800 && c < 0xdc00) {
		if (!take(r, "\\u") || hex4(r, &low) || low < 0xdc00 ||
		    low > 0xdfff)
			return -EINVAL;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c >= 0xdc00 && c < 0xe000) {
		return -EINVAL;
	}
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		n = 1;
	} else if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		n = 2;
	} else if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c & 0x3f));
		n = 3;
	} else {
		out[0] = (uint8_t)(0xf0 | c >> 18);
		out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[3] = (uint8_t)(0x80 | (c & 0x3f));
		n = 4;
	}
	return buf_append(b, out, n);
}

static int escape(struct reader *r, struct buf *b)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (r->p == r->end)
		return -EINVAL;
	if (*r->p == 'u') {
		r->p++;
		return unicode_escape(r, b);
	}
	found = *r->p ? strchr(from, *r->p) : NULL;
	if (!found)
		return -EINVAL;
	r->p++;
	return buf_append(b, &to[found - from], 1);
}

/* A string whose opening quote was read; malloc'ed. */
static int string(struct reader *r, char **ret, size_t *ret_len)
{
	struct buf b;
	int rc = 0;

	buf_init(&b, (size_t)(r->end - r->p) + 1);
	while (!rc) {
		const char *start = r->p;

		while (r->p < r->end && *r->p != '"' && *r->p != '\\' &&
		       (unsigned char)*r->p >= 0x20)
			r->p++;
		rc = buf_append(&b, start, (size_t)(r->p - start));
		if (rc)
			break;
		if (r->p == r->end || (unsigned char)*r->p < 0x20)
			rc = -EINVAL;
		else if (*r->p++ == '"')
			break;
		else
			rc = escape(r, &b);
	}
	if (!rc && !utf8_valid(buf_data(&b), buf_len(&b)))
		rc = -EINVAL;
	if (!rc) {
		*ret_len = buf_len(&b);
		*ret = buf_take_str(&b);
		rc = *ret ? 0 : -ENOMEM;
	}
	buf_fini(&b);
	return rc;
}

static bool digits(struct reader *r)
{
	const char *start = r->p;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return r->p > start;
}

static int number(struct reader *r, struct json *j)
{
	const char *start = r->p;

	(void)take(r, "-");
	if (!take(r, "0") && !digits(r))
		return -EINVAL;
	if (take(r, ".") && !digits(r))
		return -EINVAL;
	if (take(r, "e") || take(r, "E")) {
		if (!take(r, "+"))
			(void)take(r, "-");
		if (!digits(r))
			return -EINVAL;
	}
	j->type = JSON_NUMBER;
	j->len = (size_t)(r->p - start);
	j->text = strndup(start, j->len);
	return j->text ? 0 : -ENOMEM;
}

/* A value; of a container only its opening bracket. */
static int value(struct reader *r, struct json *j)
{
	skip_space(r);
	if (take(r, "{")) {
		j->type = JSON_OBJECT;
	} else if (take(r, "[")) {
		j->type = JSON_ARRAY;
	} else if (take(r, "\"")) {
		j->type = JSON_STRING;
		return string(r, &j->text, &j->len);
	} else if (take(r, "true")) {
		j->type = JSON_BOOL;
		j->truth = true;
	} else if (take(r, "false")) {
		j->type = JSON_BOOL;
	} else if (take(r, "null")) {
		j->type = JSON_NULL;
	} else {
		return number(r, j);
	}
	return 0;
}

/* Key and colon in front of a member of an object. */
static int member_key(struct reader *r, char **ret)
{
	size_t len;
	int rc;

	skip_space(r);
	if (!take(r, "\""))
		return -EINVAL;
	rc = string(r, ret, &len);
	if (rc)
		return rc;
	skip_space(r);
	return take(r, ":") && strlen(*ret) == len ? 0 : -EINVAL;
}

/*
 * After an item: close what ends here. 1: another member of stack[*depth - 1]
 * follows, 0: the outermost value is complete.
 */
static int after_item(struct reader *r, struct json **stack, size_t *depth)
{
	while (*depth) {
		struct json *j = stack[*depth - 1];

		skip_space(r);
		if (take(r, j->type == JSON_ARRAY ? "]" : "}")) {
			(*depth)--;
			continue;
		}
		if (!j->first)
			return 1;
		return take(r, ",") ? 1 : -EINVAL;
	}
	return 0;
}

static int parse(struct reader *r, struct json *root)
{
	struct json *stack[JSON_MAX_DEPTH], *j = root;
	size_t depth = 0;
	int rc;

	for (;;) {
		rc = value(r, j);
		if (rc)
			return rc;
		if (j->type == JSON_ARRAY || j->type == JSON_OBJECT) {
			if (depth == JSON_MAX_DEPTH)
				return -EINVAL;
			stack[depth++] = j;
		}
		rc = after_item(r, stack, &depth);
		if (rc <= 0)
			return rc;
		j = jval_array(); /* value() sets the type */
		rc = jval_append(stack[depth - 1], j);
		if (!rc && stack[depth - 1]->type == JSON_OBJECT)
			rc = member_key(r, &j->key);
		if (rc)
			return rc;
	}
}

struct json *jval_parse(const char *text, size_t len)
{
	struct reader r = { text, text + len };
	struct json *root = jval_array();

	if (!root)
		return NULL;
	if (parse(&r, root))
		return jval_free(root);
	skip_space(&r);
	return r.p == r.end ? root : jval_free(root);
}
