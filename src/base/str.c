/* SPDX-License-Identifier: Apache-2.0 */
/* Strict text parsing and small string helpers. */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int str_to_u64(const char *text, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*text)
		return -EINVAL;
	for (const char *p = text; *p; p++)
		if (*p < '0' || *p > '9')
			return -EINVAL;
	for (const char *p = text; *p; p++) {
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

int str_to_u32(const char *text, uint32_t *ret)
{
	uint64_t v;
	int rc = str_to_u64(text, &v);

	if (rc)
		return rc;
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

bool str_starts(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

bool str_ends(const char *text, const char *suffix)
{
	size_t n = strlen(text), m = strlen(suffix);

	return n >= m && !strcmp(text + n - m, suffix);
}

char *str_fmt(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : text;
}

/*
 * Length of the well-formed sequence at p (Unicode 15, table 3-7), 0 when it
 * is ill-formed, -1 when it is a proper prefix cut off by the end.
 */
static int utf8_seq(const uint8_t *p, size_t len)
{
	uint8_t lo = 0x80, hi = 0xbf;
	int need;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	for (int i = 1; i < need; i++) {
		if ((size_t)i >= len)
			return -1;
		if (p[i] < lo || p[i] > hi)
			return 0;
		lo = 0x80;
		hi = 0xbf;
	}
	return need;
}

/* Bytes at the front that are ASCII, in steps of eight. */
static size_t ascii_prefix(const uint8_t *p, size_t len)
{
	size_t n = 0;

	for (; len - n >= sizeof(uint64_t); n += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, p + n, sizeof(word));
		if (word & 0x8080808080808080u)
			break;
	}
	return n;
}

bool utf8_valid(const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		size_t ascii = ascii_prefix(p, len);
		int n;

		p += ascii;
		len -= ascii;
		if (!len)
			break;
		n = utf8_seq(p, len);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

size_t utf8_step(const void *data, size_t len, bool *ret_valid)
{
	int n = utf8_seq(data, len);

	*ret_valid = n > 0;
	if (n > 0)
		return (size_t)n;
	if (len > 3)
		len = 3;
	while (len > 1 && utf8_seq(data, len) != -1)
		len--;
	return len;
}

size_t utf8_complete_prefix(const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t back = 1; back <= 3 && back <= len; back++) {
		const uint8_t *q = p + len - back;

		if ((*q & 0xc0) == 0x80)
			continue; /* continuation byte: look further left */
		return utf8_seq(q, back) == -1 ? len - back : len;
	}
	return len;
}

int strv_take(struct strv *s, char *text)
{
	char **v;

	if (!text)
		return -ENOMEM;
	v = realloc(s->v, (s->n + 2) * sizeof(*v));
	if (!v) {
		free(text);
		return -ENOMEM;
	}
	v[s->n++] = text;
	v[s->n] = NULL;
	s->v = v;
	return 0;
}

int strv_add(struct strv *s, const char *text)
{
	return strv_take(s, strdup(text));
}

void strv_fini(struct strv *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	s->v = NULL;
	s->n = 0;
}

int strv_copy(struct strv *dst, const struct strv *src)
{
	for (size_t i = 0; i < src->n; i++) {
		int rc = strv_add(dst, src->v[i]);

		if (rc)
			return rc;
	}
	return 0;
}

static size_t key_len(const char *entry)
{
	return strcspn(entry, "=");
}

int strv_env_set(struct strv *s, const char *entry)
{
	size_t len = key_len(entry);

	for (size_t i = 0; i < s->n; i++) {
		char *copy;

		if (key_len(s->v[i]) != len ||
		    strncmp(s->v[i], entry, len) != 0)
			continue;
		copy = strdup(entry);
		if (!copy)
			return -ENOMEM;
		free(s->v[i]);
		s->v[i] = copy;
		return 0;
	}
	return strv_add(s, entry);
}

const char *strv_env_get(const struct strv *s, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < s->n; i++)
		if (!strncmp(s->v[i], key, len) && s->v[i][len] == '=')
			return s->v[i] + len + 1;
	return NULL;
}

int strv_env_remove(struct strv *s, const char *key)
{
	size_t len = strlen(key), i = 0;

	while (i < s->n &&
	       (strncmp(s->v[i], key, len) != 0 || s->v[i][len] != '='))
		i++;
	if (i == s->n)
		return 0;
	free(s->v[i]);
	for (s->n--; i < s->n; i++)
		s->v[i] = s->v[i + 1];
	s->v[s->n] = NULL;
	return 1;
}
