/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a sandbox's agent socket: handshake, ids, frames in and
 * out. The descriptor never blocks; functions that may wait take an absolute
 * deadline on the monotonic clock, and end with -ECANCELED when the thread's
 * token is triggered.
 */
#ifndef MSB_API_AGENT_CLIENT_H
#define MSB_API_AGENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "protocol/msg.h"

#define AGENT_HANDSHAKE_MS 10000u
#define AGENT_NO_DEADLINE UINT64_MAX
#define AGENT_PENDING_MAX 16u

struct agent_client {
	int fd;
	uint32_t id_start, id_end; /* ids of this connection: [start, end) */
	uint32_t next_id;
	uint32_t pending[AGENT_PENDING_MAX]; /* ids in use */
	size_t npending;
	unsigned generation; /* negotiated */
	struct buf ready;    /* body of core.ready */
	struct buf in, out;
	size_t given;	   /* bytes of in lent out by the last agent_next */
	bool write_broken; /* the peer has gone; what it sent can be read */
};

struct agent_frame {
	uint32_t id;
	uint8_t flags;
	bool known;	    /* type is in the table */
	enum msg_type type; /* when known */
	struct view payload;
};

/*
 * Connect to agent.sock in a runtime directory and shake hands. -ENOENT or
 * -ECONNREFUSED when nobody serves it, -ETIMEDOUT, ... with err filled;
 * -EBUSY (ERR_AGENT_BUSY): it has as many clients as it takes.
 */
int agent_connect(int runtime_dirfd, uint64_t deadline_ms,
		  struct agent_client *ret, struct err *err);
/* The same with the socket's name. */
int agent_connect_at(int dirfd, const char *name, uint64_t deadline_ms,
		     struct agent_client *ret, struct err *err);
/* Shake hands on a connected socket (owned from here on, also on failure). */
int agent_open(int fd, uint64_t deadline_ms, struct agent_client *ret,
	       struct err *err);
void agent_close(struct agent_client *c);

/* A fresh id, marked pending until its terminal frame; -EMFILE. */
int agent_id_new(struct agent_client *c, uint32_t *ret);
/* Wait for frames of this id, too. */
int agent_id_add(struct agent_client *c, uint32_t id);

/*
 * Queue one frame. payload must not have failed. -EOPNOTSUPP when the peer is
 * too old for the type, -EMSGSIZE when it is too large, -ENOSPC when the queue
 * cannot take it.
 */
int agent_send(struct agent_client *c, uint32_t id, enum msg_type type,
	       const struct buf *payload);
int agent_send_data(struct agent_client *c, uint32_t id, enum msg_type type,
		    const void *data, size_t len);
/* Write what the socket takes now. A peer that has gone is not an error here:
 * what it said last comes first. */
int agent_flush(struct agent_client *c);
/* Write everything that is queued: 0, -ETIMEDOUT, -EPIPE. */
int agent_flush_wait(struct agent_client *c, uint64_t deadline_ms);

/*
 * Next frame that belongs to a pending id; queued output is written meanwhile.
 * 1: *ret is filled and borrows until the next call; 0: the deadline has passed
 * or a signal handler ran; -ENODATA: the connection has ended; -EBADMSG,
 * -EMSGSIZE: the peer broke the framing. A frame whose body makes no sense is
 * skipped.
 */
int agent_next(struct agent_client *c, uint64_t deadline_ms,
	       struct agent_frame *ret);
/* The same of what has come already: it waits for nothing and writes nothing,
 * so others may queue and flush meanwhile. */
int agent_next_now(struct agent_client *c, struct agent_frame *ret);

#endif
