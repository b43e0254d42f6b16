/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables: one row per key of a payload map gives its encoder and its
 * decoder. Rows stand in wire order.
 */
#ifndef MSB_PROTOCOL_MSG_INT_H
#define MSB_PROTOCOL_MSG_INT_H

#include <stddef.h>

#include "protocol/msg.h"

enum field_type {	    /* C type of the member */
		  F_BOOL,   /* bool */
		  F_U16,    /* uint16_t */
		  F_U32,    /* uint32_t */
		  F_U64,    /* uint64_t */
		  F_I32,    /* int32_t */
		  F_TEXT,   /* struct view, written as valid text */
		  F_STRING, /* struct view, text or bytes */
		  F_OPT_U32,
		  F_OPT_U64,
		  F_OPT_I32,
		  F_OPT_I64,
		  F_OPT_TEXT,
		  F_OPT_STRING,
		  F_DATA, /* struct view, bytes */
		  F_ITEM, /* struct cbor over the item; decoding only */
};

enum field_flags {
	F_MUST = 1, /* decoding fails without it */
	F_OMIT = 2, /* an absent value leaves the key out, else null */
};

struct field {
	const char *key;
	enum field_type type;
	unsigned flags;
	size_t offset;
};

#define FIELD(type_, member, key_, ftype, fflags)                              \
	{                                                                      \
		.key = (key_), .type = (ftype), .flags = (fflags),             \
		.offset = offsetof(type_, member)                              \
	}

/* How many of the fields will be written. */
size_t fields_count(const struct field *f, size_t n, const void *in);
/* Key and value of each, without the map's head; F_ITEM rows are skipped. */
void fields_put(struct buf *b, const struct field *f, size_t n, const void *in);
/* Head and fields: a complete map. */
void fields_encode(struct buf *b, const struct field *f, size_t n,
		   const void *in);

/*
 * Read the members of a map iterator into *out, which holds the defaults.
 * Null counts as missing. 0 or -EBADMSG.
 */
int fields_get(struct cbor *it, const struct field *f, size_t n, void *out);
/* Read a whole payload that is one map. */
int fields_decode(struct view payload, struct cbor_scratch *scratch,
		  const struct field *f, size_t n, void *out);

#endif
