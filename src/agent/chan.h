/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's end of the channel to the host: reassembles frames from a byte
 * stream, queues frames to send, and tells producers when to pause.
 */
#ifndef MSB_AGENT_CHAN_H
#define MSB_AGENT_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "loop/loop.h"
#include "protocol/frame.h"

struct chan;

/* Somebody who stopped producing until the queue has drained. */
struct chan_waiter {
	void (*on_room)(struct chan_waiter *w); /* may wait again */
	bool waiting;
	struct list link; /* private to the channel */
};

struct chan_ops {
	/* The frame borrows from the channel and ends with the call. */
	void (*on_frame)(struct chan *c, const struct frame *f);
	/* End of file (0), a read or write error, or a stream that cannot be
	 * reassembled (-EMSGSIZE, -EBADMSG). The channel is dead then. */
	void (*on_end)(struct chan *c, int error);
};

struct chan {
	struct loop *loop;
	const struct chan_ops *ops;
	struct watch watch;
	struct timer retry; /* the host has not connected yet */
	struct deferred flush, resume;
	struct list waiters;
	struct buf in, out;
	int fd;		 /* owned */
	uint32_t events; /* wanted now */
	unsigned early_ends;
	bool heard;   /* something has been received */
	bool stalled; /* frames wait in the input for the output to drain */
	bool dead;
};

/* Takes fd (non-blocking) in any case. 0 or -errno. */
int chan_open(struct chan *c, struct loop *loop, int fd,
	      const struct chan_ops *ops);
void chan_close(struct chan *c);

/*
 * Queue one frame; it is written when the loop's turn ends. Failures: the
 * frame is larger than the protocol allows (-EMSGSIZE), -ENOSPC, -ENOMEM.
 */
int chan_send(struct chan *c, uint32_t id, const char *type,
	      const struct buf *payload);
/* The same for a {data: bytes} message. */
int chan_send_data(struct chan *c, uint32_t id, const char *type,
		   const void *data, size_t len);
/* Write what is queued as far as that goes without waiting. */
void chan_flush(struct chan *c);

/* True while producers of bulk data should pause; then wait for on_room. */
bool chan_full(const struct chan *c);
void chan_wait(struct chan *c, struct chan_waiter *w,
	       void (*on_room)(struct chan_waiter *));
void chan_wait_cancel(struct chan_waiter *w); /* harmless when not waiting */

#endif
