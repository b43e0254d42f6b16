/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the agent protocol:
 *   len u32 BE (what follows) | id u32 BE | flags u8 | body (CBOR envelope)
 * and the envelope {"v": generation, "t": type, "p": payload as bytes}.
 */
#ifndef MSB_PROTOCOL_FRAME_H
#define MSB_PROTOCOL_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "protocol/cbor.h"

#define FRAME_LEN_MAX 4194304u /* of the len field */
#define FRAME_LEN_MIN 5u
#define FRAME_HEAD_SIZE 9u /* len, id, flags */
#define FRAME_BUF_MAX (FRAME_LEN_MAX + 4u)

/* Generation this implementation speaks to clients, see msg.h. */
#define PROTO_GENERATION 6

enum frame_flags {
	FRAME_TERMINAL = 0x01,
	FRAME_SESSION_START = 0x02,
	FRAME_SHUTDOWN = 0x04,
	FRAME_RELAY = 0x80, /* for the relay itself, never forwarded */
};

/* Relay id ranges: slot s owns ids s*STEP+1 .. s*STEP+STEP-1. */
#define RELAY_MAX_CLIENTS 128u
#define RELAY_ID_STEP 33554431u

/* Slot that owns an id (id 0 belongs to none but maps to slot 0). */
unsigned relay_slot(uint32_t id);
/* Ids of a slot: [*ret_start, *ret_end). */
void relay_range(unsigned slot, uint32_t *ret_start, uint32_t *ret_end);

struct frame {
	uint32_t id;
	uint8_t flags;
	struct view body;
	struct view raw; /* the whole frame, length prefix included */
};

/*
 * Find the first frame in data. 1: *ret is filled and borrows from data;
 * 0: more bytes are needed; -EMSGSIZE: len too large; -EBADMSG: len too short.
 */
int frame_parse(const void *data, size_t len, struct frame *ret);

struct envelope {
	uint64_t v;
	struct view type;
	struct view payload;
};

/* 0 or -EBADMSG. Views borrow from body, or from scratch (may be NULL). */
int envelope_parse(struct view body, struct cbor_scratch *scratch,
		   struct envelope *ret);

/*
 * Append one complete frame. The flags follow from the type, which must be one
 * of msg.h's table (else -EINVAL). -EMSGSIZE: the frame would exceed
 * FRAME_LEN_MAX, or the payload buffer had failed; -ENOSPC, -ENOMEM: out
 * cannot take it. On failure out is as it was, and not marked failed.
 */
int frame_put(struct buf *out, uint32_t id, unsigned generation,
	      const char *type, const struct buf *payload);

/* The same for a payload {"data": bytes}, without building it first. */
int frame_put_data(struct buf *out, uint32_t id, unsigned generation,
		   const char *type, const void *data, size_t len);

/* Append a frame around an encoded body with the flags given. */
int frame_put_raw(struct buf *out, uint32_t id, uint8_t flags, const void *body,
		  size_t len);

#endif
