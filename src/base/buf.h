/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing byte buffer with a ceiling given at birth. Appending past the
 * ceiling, or out of memory, marks the buffer failed and leaves its contents;
 * later appends are ignored, so one check at the end is enough.
 */
#ifndef MSB_BASE_BUF_H
#define MSB_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct buf {
	uint8_t *data; /* owned; bytes [head, len) are live */
	size_t head;   /* bytes already consumed from the front */
	size_t len;
	size_t cap;
	size_t max; /* ceiling on live bytes */
	bool failed;
	bool wipe; /* what is dropped is overwritten: it may be secret */
};

void buf_init(struct buf *b, size_t max);
/* One that leaves no copies of its contents behind in memory. */
void buf_init_secret(struct buf *b, size_t max);
void buf_fini(struct buf *b);
void buf_reset(struct buf *b);

/* 0, -ENOSPC at the ceiling, -ENOMEM. */
int buf_append(struct buf *b, const void *data, size_t len);
int buf_str(struct buf *b, const char *text);
int buf_printf(struct buf *b, const char *fmt, ...) MSB_PRINTF(2, 3);

/* Room for len more bytes, to be filled and then counted by buf_commit. */
uint8_t *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);

/* Drop len bytes from the front. */
void buf_consume(struct buf *b, size_t len);

static inline const uint8_t *buf_data(const struct buf *b)
{
	return b->data ? b->data + b->head : b->data;
}

static inline size_t buf_len(const struct buf *b)
{
	return b->len - b->head;
}

/* NUL-terminate (not counted) and lend the text; NULL once failed. */
const char *buf_cstr(struct buf *b);

/* Hand the NUL-terminated contents to the caller, who frees; NULL if failed. */
char *buf_take_str(struct buf *b);

#endif
