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
};

/* Relay id ranges: slot s owns ids s*STEP+1 .. s*STEP+STEP-1. */
#define RELAY_MAX_CLIENTS 128u
#define RELAY_ID_STEP 33554431u

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

/* 0 or -EBADMSG. Views borrow from body, or from scratch. */
int envelope_parse(struct view body, struct envelope *ret, void *scratch,
		   size_t scratch_len);

/*
 * Append one complete frame; flags are derived from the type. Fails with
 * -EMSGSIZE (nothing appended) when the frame would exceed FRAME_LEN_MAX, and
 * with -ENOSPC/-ENOMEM when the buffer cannot take it.
 */
int frame_put(struct buf *out, uint32_t id, unsigned generation,
	      const char *type, const struct buf *payload);

#endif
