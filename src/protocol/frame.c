/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the agent protocol and the envelope inside them. */
#include "protocol/frame.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "protocol/msg.h"

#define MAJOR_BYTES 2

unsigned relay_slot(uint32_t id)
{
	unsigned slot = id / RELAY_ID_STEP;

	return slot < RELAY_MAX_CLIENTS ? slot : RELAY_MAX_CLIENTS - 1;
}

void relay_range(unsigned slot, uint32_t *ret_start, uint32_t *ret_end)
{
	*ret_start = slot * RELAY_ID_STEP + 1;
	*ret_end = slot * RELAY_ID_STEP + RELAY_ID_STEP;
}

int frame_parse(const void *data, size_t len, struct frame *ret)
{
	const uint8_t *p = data;
	uint32_t size;

	if (len < 4)
		return 0;
	size = be32_get(p);
	if (size > FRAME_LEN_MAX)
		return -EMSGSIZE;
	if (size < FRAME_LEN_MIN)
		return -EBADMSG;
	if (len - 4 < size)
		return 0;
	ret->id = be32_get(p + 4);
	ret->flags = p[8];
	ret->body = (struct view){ p + FRAME_HEAD_SIZE, size - FRAME_LEN_MIN };
	ret->raw = (struct view){ p, (size_t)size + 4 };
	return 1;
}

int envelope_parse(struct view body, struct cbor_scratch *scratch,
		   struct envelope *ret)
{
	struct envelope e = { 0 };
	bool has_v = false;
	struct cbor c, it;
	struct view key;

	cbor_init(&c, body, scratch);
	if (cbor_enter_map(&c, &it, NULL) || !cbor_at_end(&c))
		return -EBADMSG;
	while (!cbor_at_end(&it)) {
		int rc;

		if (cbor_next_key(&it, &key))
			return -EBADMSG;
		if (view_is(key, "v")) {
			rc = cbor_get_u64(&it, &e.v);
			has_v = true;
		} else if (view_is(key, "t")) {
			rc = cbor_get_text(&it, &e.type);
		} else if (view_is(key, "p")) {
			rc = cbor_get_bytes(&it, &e.payload);
		} else {
			rc = cbor_skip(&it);
		}
		if (rc)
			return -EBADMSG;
	}
	if (!has_v || !e.type.p || !e.payload.p)
		return -EBADMSG;
	*ret = e;
	return 0;
}

/* Bytes the head of a CBOR item with this argument takes. */
static size_t head_size(uint64_t v)
{
	return v < 24		 ? 1
	       : v <= UINT8_MAX	 ? 2
	       : v <= UINT16_MAX ? 3
	       : v <= UINT32_MAX ? 5
				 : 9;
}

/* 0 when out has room for len more bytes; leaves out usable either way. */
static int reserve(struct buf *out, size_t len)
{
	if (out->failed || len > out->max || buf_len(out) > out->max - len)
		return -ENOSPC;
	if (!buf_reserve(out, len)) {
		out->failed = false;
		return -ENOMEM;
	}
	return 0;
}

static void put_frame_head(struct buf *out, uint32_t id, uint8_t flags,
			   size_t body)
{
	uint8_t head[FRAME_HEAD_SIZE];

	be32_put(head, (uint32_t)(body + FRAME_LEN_MIN));
	be32_put(head + 4, id);
	head[8] = flags;
	(void)buf_append(out, head, sizeof(head)); /* room was reserved */
}

/* Everything of a frame up to the payload's own bytes, with room for them. */
static int put_prefix(struct buf *out, uint32_t id, unsigned generation,
		      const char *type, size_t payload)
{
	struct view name = view_cstr(type);
	enum msg_type known;
	size_t body;
	int rc;

	if (msg_type_find(name, &known))
		return -EINVAL;
	if (payload > FRAME_LEN_MAX)
		return -EMSGSIZE;
	body = 1 + 2 + head_size(generation) + 2 + head_size(name.len) +
	       name.len + 2 + head_size(payload) + payload;
	if (body > FRAME_LEN_MAX - FRAME_LEN_MIN)
		return -EMSGSIZE;
	rc = reserve(out, FRAME_HEAD_SIZE + body);
	if (rc)
		return rc;
	put_frame_head(out, id, msg_info(known)->flags, body);
	cbor_put_map(out, 3);
	cbor_put_text(out, "v");
	cbor_put_uint(out, generation);
	cbor_put_text(out, "t");
	cbor_put_text(out, type);
	cbor_put_text(out, "p");
	cbor_put_head(out, MAJOR_BYTES, payload);
	return 0;
}

int frame_put(struct buf *out, uint32_t id, unsigned generation,
	      const char *type, const struct buf *payload)
{
	int rc;

	if (payload->failed)
		return -EMSGSIZE;
	rc = put_prefix(out, id, generation, type, buf_len(payload));
	if (rc)
		return rc;
	return buf_append(out, buf_data(payload), buf_len(payload));
}

int frame_put_data(struct buf *out, uint32_t id, unsigned generation,
		   const char *type, const void *data, size_t len)
{
	int rc;

	if (len > FRAME_LEN_MAX)
		return -EMSGSIZE;
	/* a1 64 "data" <bytes> */
	rc = put_prefix(out, id, generation, type,
			1 + 5 + head_size(len) + len);
	if (rc)
		return rc;
	msg_encode_data(out, data, len);
	return 0;
}

int frame_put_raw(struct buf *out, uint32_t id, uint8_t flags, const void *body,
		  size_t len)
{
	int rc;

	if (len > FRAME_LEN_MAX - FRAME_LEN_MIN)
		return -EMSGSIZE;
	rc = reserve(out, FRAME_HEAD_SIZE + len);
	if (rc)
		return rc;
	put_frame_head(out, id, flags, len);
	return buf_append(out, body, len);
}
