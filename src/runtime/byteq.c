/* SPDX-License-Identifier: Apache-2.0 */
/* Queue of bytes in chunks. */
#include "runtime/byteq.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 32768u

struct byteq_chunk {
	struct byteq_chunk *next;
	size_t head, tail; /* live bytes are [head, tail) */
	size_t cap;
	uint8_t data[];
};

/* Chunks for len more bytes after what the last one can take. */
static int grow(struct byteq_chunk **ret_list, struct byteq_chunk **ret_last,
		size_t len)
{
	struct byteq_chunk *list = NULL, **at = &list, *last = NULL;

	while (len) {
		size_t cap = len > CHUNK_BYTES ? len : CHUNK_BYTES;
		struct byteq_chunk *c;

		if (len < CHUNK_BYTES / 8) /* a lone small frame */
			cap = CHUNK_BYTES / 8;
		if (cap > 8 * CHUNK_BYTES)
			cap = 8 * CHUNK_BYTES;
		c = malloc(sizeof(*c) + cap);
		if (!c) {
			while (list) {
				c = list->next;
				free(list);
				list = c;
			}
			return -ENOMEM;
		}
		*c = (struct byteq_chunk){ .cap = cap };
		*at = last = c;
		at = &c->next;
		len -= len < cap ? len : cap;
	}
	*ret_list = list;
	*ret_last = last;
	return 0;
}

int byteq_append(struct byteq *q, const void *data, size_t len)
{
	size_t room = q->last ? q->last->cap - q->last->tail : 0;
	struct byteq_chunk *c = q->last, *list, *last;
	const uint8_t *p = data;

	if (len > room) {
		if (grow(&list, &last, len - room))
			return -ENOMEM;
		if (c)
			c->next = list;
		else
			q->first = c = list;
		q->last = last;
	}
	q->len += len;
	while (len) {
		size_t n = c->cap - c->tail;

		if (n > len)
			n = len;
		memcpy(c->data + c->tail, p, n);
		c->tail += n;
		p += n;
		len -= n;
		c = c->next;
	}
	return 0;
}

size_t byteq_iov(const struct byteq *q, struct iovec *iov, size_t max)
{
	size_t n = 0;

	for (struct byteq_chunk *c = q->first; c && n < max; c = c->next)
		if (c->tail > c->head)
			iov[n++] = (struct iovec){ c->data + c->head,
						   c->tail - c->head };
	return n;
}

void byteq_consume(struct byteq *q, size_t len)
{
	if (len > q->len)
		len = q->len;
	q->len -= len;
	while (q->first) {
		struct byteq_chunk *c = q->first;
		size_t live = c->tail - c->head;

		if (len < live) {
			c->head += len;
			return;
		}
		len -= live;
		q->first = c->next;
		free(c);
	}
	q->last = NULL;
}

void byteq_fini(struct byteq *q)
{
	byteq_consume(q, q->len);
}
