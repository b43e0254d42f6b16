/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CBOR (RFC 8949), the part the agent protocol uses. No heap.
 *
 * Writing gives deterministic encoding: definite lengths, shortest heads, keys
 * in the order the caller puts them. Reading accepts any order, unknown keys,
 * longer heads and indefinite lengths; it never recurses deeper than
 * CBOR_MAX_DEPTH and never trusts a length it has not checked.
 */
#ifndef MSB_PROTOCOL_CBOR_H
#define MSB_PROTOCOL_CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define CBOR_MAX_DEPTH 16

/*
 * Borrowed bytes; text views are checked UTF-8 and are not NUL-terminated. A
 * value that was read never has p == NULL, even when it is empty.
 */
struct view {
	const uint8_t *p;
	size_t len;
};

/* Writers append to a capped buffer; check buf->failed once at the end. */
void cbor_put_uint(struct buf *b, uint64_t v);
void cbor_put_int(struct buf *b, int64_t v);
void cbor_put_bool(struct buf *b, bool v);
void cbor_put_null(struct buf *b);
void cbor_put_text(struct buf *b, const char *text);
void cbor_put_text_n(struct buf *b, const void *text, size_t len);
void cbor_put_bytes(struct buf *b, const void *data, size_t len);
/* Text when the bytes are UTF-8, else a byte string: see cbor_get_string. */
void cbor_put_string(struct buf *b, const void *data, size_t len);
/* Text; what is not UTF-8 becomes U+FFFD, so that any peer can decode it. */
void cbor_put_lossy(struct buf *b, const void *data, size_t len);
void cbor_put_head(struct buf *b, unsigned major, uint64_t v);
void cbor_put_array(struct buf *b, size_t count); /* then count items */
void cbor_put_map(struct buf *b, size_t pairs);	  /* then key, value, ... */

enum cbor_type {
	CBOR_UINT,
	CBOR_NINT,
	CBOR_BYTES,
	CBOR_TEXT,
	CBOR_ARRAY,
	CBOR_MAP,
	CBOR_TAG,
	CBOR_BOOL,
	CBOR_NULL, /* null and undefined */
	CBOR_FLOAT,
	CBOR_OTHER
};

/*
 * Where strings that are not contiguous in the input are joined. One scratch
 * serves all cursors of a message, so the views read through them never
 * overlap; as many bytes as the input has are always enough for one pass.
 */
struct cbor_scratch {
	uint8_t *p, *end;
};

void cbor_scratch_init(struct cbor_scratch *s, void *data, size_t len);

/*
 * A cursor over encoded items. Every reader function returns 0 and moves past
 * what it read, or returns -EBADMSG (malformed or wrong type), -ERANGE (does
 * not fit the output), and leaves the cursor where it was.
 *
 * Strings of indefinite length are joined into scratch, which must outlive the
 * cursors and the views; without (enough) scratch they are -EBADMSG.
 */
struct cbor {
	const uint8_t *p, *end;
	struct cbor_scratch *scratch; /* borrowed, may be NULL */
};

void cbor_init(struct cbor *c, struct view data, struct cbor_scratch *scratch);
bool cbor_at_end(const struct cbor *c);
int cbor_peek(const struct cbor *c, enum cbor_type *ret);
int cbor_get_u64(struct cbor *c, uint64_t *ret); /* negative: -ERANGE */
int cbor_get_u32(struct cbor *c, uint32_t *ret);
int cbor_get_i64(struct cbor *c, int64_t *ret);
int cbor_get_bool(struct cbor *c, bool *ret);
int cbor_get_text(struct cbor *c, struct view *ret);
/* A byte string, or (given enough scratch) an array of integers 0..255. */
int cbor_get_bytes(struct cbor *c, struct view *ret);
/* A text string, or a byte string of any content (a name of the host or the
 * guest that is not UTF-8). */
int cbor_get_string(struct cbor *c, struct view *ret);
int cbor_skip(struct cbor *c); /* any one item with all that is in it */

/*
 * Enter a container: *it becomes a cursor over its members only, and the outer
 * cursor moves past it. The whole container is checked to be well-formed here,
 * so iterating cannot run off the end. For a map, members alternate key and
 * value. *ret_count (may be NULL) is the number of items or pairs.
 */
int cbor_enter_array(struct cbor *c, struct cbor *it, size_t *ret_count);
int cbor_enter_map(struct cbor *c, struct cbor *it, size_t *ret_count);
/* In a map iterator: read the next key as text. -ENOENT at the end. */
int cbor_next_key(struct cbor *it, struct view *ret_key);

bool view_is(struct view v, const char *text);
/* {NULL, 0} for NULL. */
struct view view_cstr(const char *text);
static inline struct view view_buf(const struct buf *b)
{
	return (struct view){ buf_data(b), buf_len(b) };
}
/* malloc'ed NUL-terminated copy; NULL on no memory or an interior NUL. */
char *view_dup(struct view v);

#endif
