/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR (RFC 8949), the part the agent protocol uses. No heap. */
#include "protocol/cbor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"

enum major {
	MAJ_UINT,
	MAJ_NINT,
	MAJ_BYTES,
	MAJ_TEXT,
	MAJ_ARRAY,
	MAJ_MAP,
	MAJ_TAG,
	MAJ_SIMPLE
};

#define AI_INDEFINITE 31u
#define BREAK 0xffu
#define SIMPLE_FALSE 0xf4u
#define SIMPLE_TRUE 0xf5u
#define SIMPLE_NULL 0xf6u
#define SIMPLE_UNDEFINED 0xf7u

/* --- writing --- */

void cbor_put_head(struct buf *b, unsigned major, uint64_t v)
{
	uint8_t head[9], *first = head;
	size_t len;

	if (v < 24) {
		*first = (uint8_t)v;
		len = 1;
	} else if (v <= UINT8_MAX) {
		*first = 24;
		head[1] = (uint8_t)v;
		len = 2;
	} else if (v <= UINT16_MAX) {
		*first = 25;
		be16_put(head + 1, (uint16_t)v);
		len = 3;
	} else if (v <= UINT32_MAX) {
		*first = 26;
		be32_put(head + 1, (uint32_t)v);
		len = 5;
	} else {
		*first = 27;
		be64_put(head + 1, v);
		len = 9;
	}
	*first |= (uint8_t)(major << 5);
	(void)buf_append(b, head, len); /* failure stays in b->failed */
}

void cbor_put_uint(struct buf *b, uint64_t v)
{
	cbor_put_head(b, MAJ_UINT, v);
}

void cbor_put_int(struct buf *b, int64_t v)
{
	if (v < 0)
		cbor_put_head(b, MAJ_NINT, ~(uint64_t)v);
	else
		cbor_put_head(b, MAJ_UINT, (uint64_t)v);
}

static void put_byte(struct buf *b, uint8_t byte)
{
	(void)buf_append(b, &byte, 1); /* failure stays in b->failed */
}

void cbor_put_bool(struct buf *b, bool v)
{
	put_byte(b, v ? SIMPLE_TRUE : SIMPLE_FALSE);
}

void cbor_put_null(struct buf *b)
{
	put_byte(b, SIMPLE_NULL);
}

void cbor_put_text(struct buf *b, const char *text)
{
	cbor_put_text_n(b, text, strlen(text));
}

void cbor_put_text_n(struct buf *b, const void *text, size_t len)
{
	cbor_put_head(b, MAJ_TEXT, len);
	(void)buf_append(b, text, len); /* failure stays in b->failed */
}

void cbor_put_bytes(struct buf *b, const void *data, size_t len)
{
	cbor_put_head(b, MAJ_BYTES, len);
	(void)buf_append(b, data, len); /* failure stays in b->failed */
}

void cbor_put_string(struct buf *b, const void *data, size_t len)
{
	if (utf8_valid(data, len))
		cbor_put_text_n(b, data, len);
	else
		cbor_put_bytes(b, data, len);
}

/* Length of the UTF-8 sequence at p, 0 when there is none. */
static size_t utf8_len(const uint8_t *p, size_t left)
{
	for (size_t n = 1; n <= 4 && n <= left; n++)
		if (utf8_valid(p, n))
			return n;
	return 0;
}

void cbor_put_lossy(struct buf *b, const void *data, size_t len)
{
	static const char replacement[] = "\xef\xbf\xbd";
	const uint8_t *p = data;
	size_t out = 0;

	if (utf8_valid(data, len)) {
		cbor_put_text_n(b, data, len);
		return;
	}
	for (size_t i = 0, n; i < len; i += n ? n : 1) {
		n = utf8_len(p + i, len - i);
		out += n ? n : strlen(replacement);
	}
	cbor_put_head(b, MAJ_TEXT, out);
	for (size_t i = 0, n; i < len; i += n ? n : 1) {
		n = utf8_len(p + i, len - i);
		if (n)
			(void)buf_append(b, p + i, n);
		else
			(void)buf_str(b, replacement);
	}
}

void cbor_put_array(struct buf *b, size_t count)
{
	cbor_put_head(b, MAJ_ARRAY, count);
}

void cbor_put_map(struct buf *b, size_t pairs)
{
	cbor_put_head(b, MAJ_MAP, pairs);
}

/* --- reading --- */

struct head {
	enum major major;
	uint8_t ai;   /* additional information, 0..27 or AI_INDEFINITE */
	uint64_t arg; /* 0 when indefinite */
};

/*
 * Read one head and move *p past it. A break is returned as MAJ_SIMPLE with
 * AI_INDEFINITE; everything else that RFC 8949 reserves is -EBADMSG.
 */
static int read_head(const uint8_t **p, const uint8_t *end, struct head *ret)
{
	const uint8_t *q = *p;
	size_t extra;

	if (q == end)
		return -EBADMSG;
	ret->major = (enum major)(*q >> 5);
	ret->ai = *q & 31;
	ret->arg = ret->ai;
	q++;
	if (ret->ai >= 24 && ret->ai <= 27) {
		extra = (size_t)1 << (ret->ai - 24);
		if ((size_t)(end - q) < extra)
			return -EBADMSG;
		if (extra == 1)
			ret->arg = *q;
		else if (extra == 2)
			ret->arg = be16_get(q);
		else if (extra == 4)
			ret->arg = be32_get(q);
		else
			ret->arg = be64_get(q);
		q += extra;
	} else if (ret->ai == AI_INDEFINITE) {
		if (ret->major == MAJ_UINT || ret->major == MAJ_NINT ||
		    ret->major == MAJ_TAG)
			return -EBADMSG;
		ret->arg = 0;
	} else if (ret->ai > 27) {
		return -EBADMSG;
	}
	if (ret->major == MAJ_SIMPLE && ret->ai == 24 && ret->arg < 32)
		return -EBADMSG; /* must have used the short form */
	*p = q;
	return 0;
}

/*
 * Next chunk of an indefinite string: 0 and the chunk, 1 at the break,
 * -EBADMSG.
 */
static int next_chunk(const uint8_t **p, const uint8_t *end, enum major major,
		      struct view *ret)
{
	struct head h;

	if (read_head(p, end, &h))
		return -EBADMSG;
	if (h.major == MAJ_SIMPLE && h.ai == AI_INDEFINITE)
		return 1;
	if (h.major != major || h.ai == AI_INDEFINITE ||
	    h.arg > (uint64_t)(end - *p))
		return -EBADMSG;
	*ret = (struct view){ *p, (size_t)h.arg };
	*p += h.arg;
	return 0;
}

static int skip_string(const uint8_t **p, const uint8_t *end,
		       const struct head *h)
{
	struct view chunk;
	int rc;

	if (h->ai != AI_INDEFINITE) {
		if (h->arg > (uint64_t)(end - *p))
			return -EBADMSG;
		*p += h->arg;
		return 0;
	}
	do {
		rc = next_chunk(p, end, h->major, &chunk);
	} while (!rc);
	return rc < 0 ? rc : 0;
}

struct level {
	uint64_t left; /* definite: items still to come */
	bool indefinite, map, odd;
};

/* Push the container whose head was just read. */
static int open_level(const struct head *h, const uint8_t *p,
		      const uint8_t *end, struct level *level)
{
	uint64_t room = (uint64_t)(end - p);

	*level = (struct level){ .indefinite = h->ai == AI_INDEFINITE,
				 .map = h->major == MAJ_MAP };
	/* Every item takes a byte, which bounds the count by what is there. */
	if (h->arg > room || (level->map && h->arg > room / 2))
		return -EBADMSG;
	level->left = level->map ? h->arg * 2 : h->arg;
	return 0;
}

/*
 * Move past one well-formed item. On success *ret_inner_end (may be NULL) is
 * where the contents of an outermost container end, before its break.
 */
static int skip_item(const uint8_t **pos, const uint8_t *end,
		     const uint8_t **ret_inner_end)
{
	struct level stack[CBOR_MAX_DEPTH];
	const uint8_t *p = *pos, *inner;
	bool tagged = false; /* an item must follow */
	size_t depth = 0;
	struct head h;

	for (;;) {
		inner = p;
		if (read_head(&p, end, &h))
			return -EBADMSG;
		if (h.major == MAJ_TAG) {
			tagged = true;
			continue;
		}
		if (h.major == MAJ_SIMPLE && h.ai == AI_INDEFINITE) {
			if (tagged || !depth || !stack[depth - 1].indefinite ||
			    (stack[depth - 1].map && stack[depth - 1].odd))
				return -EBADMSG;
			depth--;
		} else if (h.major == MAJ_ARRAY || h.major == MAJ_MAP) {
			if (depth == CBOR_MAX_DEPTH ||
			    open_level(&h, p, end, &stack[depth]))
				return -EBADMSG;
			depth++;
			tagged = false;
			if (stack[depth - 1].indefinite ||
			    stack[depth - 1].left)
				continue;
			inner = p;
			depth--;
		} else if (h.major == MAJ_BYTES || h.major == MAJ_TEXT) {
			if (skip_string(&p, end, &h))
				return -EBADMSG;
			inner = p;
		} else {
			inner = p;
		}
		tagged = false;
		/* One item is complete; it may complete those around it. */
		while (depth && !stack[depth - 1].indefinite &&
		       --stack[depth - 1].left == 0) {
			inner = p;
			depth--;
		}
		if (!depth)
			break;
		stack[depth - 1].odd = !stack[depth - 1].odd;
	}
	if (ret_inner_end)
		*ret_inner_end = inner;
	*pos = p;
	return 0;
}

void cbor_scratch_init(struct cbor_scratch *s, void *data, size_t len)
{
	s->p = data;
	s->end = data ? s->p + len : NULL;
}

void cbor_init(struct cbor *c, struct view data, struct cbor_scratch *scratch)
{
	c->p = data.p;
	c->end = data.p ? data.p + data.len : data.p;
	c->scratch = scratch;
}

bool cbor_at_end(const struct cbor *c)
{
	return c->p == c->end;
}

static enum cbor_type simple_type(const struct head *h)
{
	switch (h->ai) {
	case 20:
	case 21:
		return CBOR_BOOL;
	case 22:
	case 23:
		return CBOR_NULL;
	case 25:
	case 26:
	case 27:
		return CBOR_FLOAT;
	default:
		return CBOR_OTHER;
	}
}

int cbor_peek(const struct cbor *c, enum cbor_type *ret)
{
	static const enum cbor_type types[] = {
		[MAJ_UINT] = CBOR_UINT,	  [MAJ_NINT] = CBOR_NINT,
		[MAJ_BYTES] = CBOR_BYTES, [MAJ_TEXT] = CBOR_TEXT,
		[MAJ_ARRAY] = CBOR_ARRAY, [MAJ_MAP] = CBOR_MAP,
		[MAJ_TAG] = CBOR_TAG,	  [MAJ_SIMPLE] = CBOR_OTHER,
	};
	const uint8_t *p = c->p;
	struct head h;

	if (read_head(&p, c->end, &h) ||
	    (h.major == MAJ_SIMPLE && h.ai == AI_INDEFINITE))
		return -EBADMSG;
	*ret = h.major == MAJ_SIMPLE ? simple_type(&h) : types[h.major];
	return 0;
}

int cbor_get_u64(struct cbor *c, uint64_t *ret)
{
	const uint8_t *p = c->p;
	struct head h;

	if (read_head(&p, c->end, &h))
		return -EBADMSG;
	if (h.major == MAJ_NINT)
		return -ERANGE;
	if (h.major != MAJ_UINT)
		return -EBADMSG;
	c->p = p;
	*ret = h.arg;
	return 0;
}

int cbor_get_u32(struct cbor *c, uint32_t *ret)
{
	struct cbor start = *c;
	uint64_t v;
	int rc = cbor_get_u64(c, &v);

	if (!rc && v > UINT32_MAX) {
		*c = start;
		rc = -ERANGE;
	}
	if (rc)
		return rc;
	*ret = (uint32_t)v;
	return 0;
}

int cbor_get_i64(struct cbor *c, int64_t *ret)
{
	const uint8_t *p = c->p;
	struct head h;

	if (read_head(&p, c->end, &h) ||
	    (h.major != MAJ_UINT && h.major != MAJ_NINT))
		return -EBADMSG;
	if (h.arg > INT64_MAX)
		return -ERANGE;
	c->p = p;
	*ret = h.major == MAJ_NINT ? -1 - (int64_t)h.arg : (int64_t)h.arg;
	return 0;
}

int cbor_get_bool(struct cbor *c, bool *ret)
{
	if (c->p == c->end || (*c->p != SIMPLE_FALSE && *c->p != SIMPLE_TRUE))
		return -EBADMSG;
	*ret = *c->p == SIMPLE_TRUE;
	c->p++;
	return 0;
}

/* Append to the joined string that starts at start; -EBADMSG when full. */
static int scratch_add(struct cbor_scratch *s, const void *data, size_t len)
{
	if (!len)
		return 0;
	if (!s || !s->p || (size_t)(s->end - s->p) < len)
		return -EBADMSG;
	memcpy(s->p, data, len);
	s->p += len;
	return 0;
}

static int join_string(struct cbor *c, const uint8_t **p, enum major major,
		       struct view *ret)
{
	uint8_t *start = c->scratch ? c->scratch->p : NULL;
	struct view chunk;
	int rc;

	for (;;) {
		rc = next_chunk(p, c->end, major, &chunk);
		if (rc)
			break;
		if (major == MAJ_TEXT && !utf8_valid(chunk.p, chunk.len))
			rc = -EBADMSG; /* RFC 8949, 3.2.3: each chunk is text */
		else
			rc = scratch_add(c->scratch, chunk.p, chunk.len);
		if (rc)
			break;
	}
	if (rc < 0) {
		if (c->scratch)
			c->scratch->p = start;
		return rc;
	}
	if (start)
		*ret = (struct view){ start, (size_t)(c->scratch->p - start) };
	else
		*ret = (struct view){ *p, 0 };
	return 0;
}

static int get_string(struct cbor *c, enum major major, struct view *ret)
{
	const uint8_t *p = c->p;
	struct view v;
	struct head h;

	if (read_head(&p, c->end, &h) || h.major != major)
		return -EBADMSG;
	if (h.ai == AI_INDEFINITE) {
		if (join_string(c, &p, major, &v))
			return -EBADMSG;
	} else {
		if (h.arg > (uint64_t)(c->end - p))
			return -EBADMSG;
		v = (struct view){ p, (size_t)h.arg };
		p += h.arg;
		if (major == MAJ_TEXT && !utf8_valid(v.p, v.len))
			return -EBADMSG;
	}
	c->p = p;
	*ret = v;
	return 0;
}

int cbor_get_text(struct cbor *c, struct view *ret)
{
	return get_string(c, MAJ_TEXT, ret);
}

int cbor_get_string(struct cbor *c, struct view *ret)
{
	if (c->p != c->end && *c->p >> 5 == MAJ_BYTES)
		return get_string(c, MAJ_BYTES, ret);
	return get_string(c, MAJ_TEXT, ret);
}

/* An array of small integers, joined into scratch. */
static int get_byte_array(struct cbor *c, struct view *ret)
{
	uint8_t *start = c->scratch ? c->scratch->p : NULL;
	struct cbor outer = *c, it;
	uint64_t v;
	int rc;

	rc = cbor_enter_array(&outer, &it, NULL);
	while (!rc && !cbor_at_end(&it)) {
		uint8_t byte;

		rc = cbor_get_u64(&it, &v);
		if (!rc && v > UINT8_MAX)
			rc = -ERANGE;
		byte = rc ? 0 : (uint8_t)v;
		if (!rc)
			rc = scratch_add(c->scratch, &byte, 1);
	}
	if (rc) {
		if (c->scratch)
			c->scratch->p = start;
		return rc;
	}
	if (start)
		*ret = (struct view){ start, (size_t)(c->scratch->p - start) };
	else
		*ret = (struct view){ outer.p, 0 };
	c->p = outer.p;
	return 0;
}

int cbor_get_bytes(struct cbor *c, struct view *ret)
{
	if (c->p != c->end && *c->p >> 5 == MAJ_ARRAY)
		return get_byte_array(c, ret);
	return get_string(c, MAJ_BYTES, ret);
}

int cbor_skip(struct cbor *c)
{
	return skip_item(&c->p, c->end, NULL);
}

/* Items in a range that is known to be a sequence of well-formed ones. */
static size_t count_items(const uint8_t *p, const uint8_t *end)
{
	size_t n = 0;

	while (p < end && !skip_item(&p, end, NULL))
		n++;
	return n;
}

static int enter(struct cbor *c, enum major major, struct cbor *it,
		 size_t *ret_count)
{
	const uint8_t *p = c->p, *first = c->p, *last;
	struct head h;

	if (read_head(&first, c->end, &h) || h.major != major ||
	    skip_item(&p, c->end, &last))
		return -EBADMSG;
	if (ret_count && h.ai != AI_INDEFINITE)
		*ret_count = (size_t)h.arg;
	else if (ret_count)
		*ret_count =
			count_items(first, last) / (major == MAJ_MAP ? 2 : 1);
	*it = (struct cbor){ first, last, c->scratch };
	c->p = p;
	return 0;
}

int cbor_enter_array(struct cbor *c, struct cbor *it, size_t *ret_count)
{
	return enter(c, MAJ_ARRAY, it, ret_count);
}

int cbor_enter_map(struct cbor *c, struct cbor *it, size_t *ret_count)
{
	return enter(c, MAJ_MAP, it, ret_count);
}

int cbor_next_key(struct cbor *it, struct view *ret_key)
{
	if (cbor_at_end(it))
		return -ENOENT;
	return cbor_get_text(it, ret_key);
}

bool view_is(struct view v, const char *text)
{
	size_t len = strlen(text);

	return v.len == len && (!len || !memcmp(v.p, text, len));
}

struct view view_cstr(const char *text)
{
	return (struct view){ (const uint8_t *)text, text ? strlen(text) : 0 };
}

char *view_dup(struct view v)
{
	char *copy;

	if (v.len && memchr(v.p, 0, v.len))
		return NULL;
	copy = malloc(v.len + 1);
	if (!copy)
		return NULL;
	if (v.len)
		memcpy(copy, v.p, v.len);
	copy[v.len] = 0;
	return copy;
}
