/* SPDX-License-Identifier: Apache-2.0 */
/* Growing byte buffer with a ceiling. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void buf_init_secret(struct buf *b, size_t max)
{
	buf_init(b, max);
	b->wipe = true;
}

void buf_fini(struct buf *b)
{
	const bool wipe = b->wipe;

	buf_reset(b);
	free(b->data);
	buf_init(b, b->max);
	b->wipe = wipe;
}

void buf_reset(struct buf *b)
{
	if (b->wipe && b->data)
		explicit_bzero(b->data, b->len);
	b->head = 0;
	b->len = 0;
	b->failed = false;
}

/* Live bytes to the front; what they leave behind is no copy. */
static void move_down(struct buf *b)
{
	const size_t live = buf_len(b);

	memmove(b->data, b->data + b->head, live);
	if (b->wipe)
		explicit_bzero(b->data + live, b->len - live);
	b->head = 0;
	b->len = live;
}

static uint8_t *grow(struct buf *b, size_t cap)
{
	uint8_t *p;

	if (!b->wipe)
		return realloc(b->data, cap);
	p = malloc(cap);
	if (!p || !b->data)
		return p;
	memcpy(p, b->data, b->len);
	explicit_bzero(b->data, b->len);
	free(b->data);
	return p;
}

uint8_t *buf_reserve(struct buf *b, size_t len)
{
	size_t live = buf_len(b);
	size_t cap;
	uint8_t *p;

	if (b->failed)
		return NULL;
	if (len > b->max || live > b->max - len) {
		b->failed = true;
		return NULL;
	}
	if (b->data && b->cap - b->len >= len)
		return b->data + b->len;
	if (b->data && b->head) {
		move_down(b);
		if (b->cap - live >= len)
			return b->data + live;
	}
	cap = b->cap ? b->cap : 64;
	while (cap < live + len)
		cap *= 2;
	p = grow(b, cap);
	if (!p) {
		b->failed = true;
		return NULL;
	}
	b->data = p;
	b->cap = cap;
	return p + live;
}

void buf_commit(struct buf *b, size_t len)
{
	b->len += len;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	uint8_t *p = buf_reserve(b, len);

	if (!p)
		return buf_len(b) + len > b->max ? -ENOSPC : -ENOMEM;
	if (len)
		memcpy(p, data, len);
	buf_commit(b, len);
	return 0;
}

int buf_str(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	/* Most fits; part of a secret would be left behind where it does not */
	size_t room = b->data && !b->wipe ? b->cap - b->len : 0;
	va_list ap;
	uint8_t *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? (char *)b->data + b->len : NULL, room, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	p = buf_reserve(b, (size_t)n + 1);
	if (!p)
		return -ENOSPC;
	if ((size_t)n >= room) {
		va_start(ap, fmt);
		(void)vsnprintf((char *)p, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	buf_commit(b, (size_t)n);
	return 0;
}

void buf_consume(struct buf *b, size_t len)
{
	if (len > buf_len(b))
		len = buf_len(b);
	if (b->wipe && len)
		explicit_bzero(b->data + b->head, len);
	b->head += len;
	if (b->head == b->len) {
		b->head = 0;
		b->len = 0;
	}
}

const char *buf_cstr(struct buf *b)
{
	uint8_t *p = buf_reserve(b, 1);

	if (!p)
		return NULL;
	*p = 0;
	return (const char *)buf_data(b);
}

char *buf_take_str(struct buf *b)
{
	char *text;

	if (!buf_cstr(b))
		return NULL;
	if (b->head)
		memmove(b->data, b->data + b->head, buf_len(b) + 1);
	text = (char *)b->data;
	b->data = NULL;
	b->cap = 0;
	buf_reset(b);
	return text;
}
