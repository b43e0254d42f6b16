/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of msb_agent_t: one connection, one thread that reads it and writes
 * what the socket did not take at once, and any number of threads that use it.
 *
 * Invariants, all under the lock:
 * 1. A frame is queued for the socket whole or not at all, so a caller that
 *    gives up leaves nothing half written.
 * 2. An id is in the table from its first frame to its last one, also when
 *    nobody waits for it any more: until then it is not given out again.
 * 3. A signal is readable exactly while what it stands for holds. Whoever waits
 *    polls it without the lock, and looks again.
 */
#ifndef MSB_API_AGENT_INT_H
#define MSB_API_AGENT_INT_H

#include "api/agent_client.h"
#include "api/api_int.h"

#define AGENT_OUT_HIGH (1u << 20) /* queued for the socket: senders wait */
#define AGENT_BUCKETS 64u
#define AGENT_ABANDONED_MAX 65536u

/* A condition as a descriptor. */
struct agent_signal {
	int fd; /* eventfd */
	bool on;
};

/* A frame that was received; its body is lent out. */
struct agent_piece {
	struct agent_piece *next;
	size_t len;
	uint32_t id;
	uint8_t flags;
	uint8_t body[];
};

struct msb_agent_stream {
	msb_agent_t *a;
	struct msb_agent_stream *next; /* in its bucket */
	uint32_t id;
	bool complete;	/* the last frame has come */
	bool given;	/* and was given */
	bool abandoned; /* the caller has let go: the table's own */
	struct agent_piece *first, **last;
	struct agent_signal news; /* a call of stream_next would not wait */
};

struct msb_agent {
	pthread_mutex_t lock;
	pthread_t thread;
	unsigned refs; /* of the handle and of its streams; under the lock */
	int fd;
	uint32_t first, end, next_id;
	struct buf ready; /* body of core.ready */
	struct msg_ready times;
	char *version;
	unsigned generation;

	struct buf in; /* of the thread alone */
	struct buf out;
	struct agent_signal room; /* out takes another frame */
	struct agent_signal wake; /* for the thread: look again */
	size_t queued;		  /* bytes that wait in all streams */
	bool stalled;		  /* too many: nothing is read */
	bool closed;		  /* by its user */
	bool over;		  /* by its peer, or an error: why */
	struct err why;
	struct msb_agent_stream *bucket[AGENT_BUCKETS];
	size_t nabandoned;
};

/* ---- agent_streams.c: under the lock, but for new and unref -------------- */

/*
 * The state of a connection that has shaken hands, which is taken over, also on
 * failure. NULL: out of memory or descriptors.
 */
msb_agent_t *agent_new(struct agent_client *c);
/* The last one frees it. */
void agent_unref(msb_agent_t *a);

void agent_signal_set(struct agent_signal *s, bool on);
/* The connection is of no use any more, and all are told: the first reason
 * counts. NULL: its user closed it. */
void agent_over(msb_agent_t *a, const struct err *why);
/* Why nothing can be done: 0 while something can. */
int agent_state(const msb_agent_t *a, struct err *err);

/* A stream with a fresh id, in the table. */
int agent_stream_new(msb_agent_t *a, msb_agent_stream_t **ret, struct err *err);
/* Done with, by its owner; asked: something was sent. */
void agent_stream_drop(msb_agent_stream_t *st, bool asked);
/* The next frame of a stream: 1, 0 there is none now. */
int agent_stream_pop(msb_agent_stream_t *st, msb_agent_frame_t *ret);
/* What the peer has sent: hand out its whole frames. */
void agent_deliver(msb_agent_t *a, struct buf *in);

/* ---- agent_io.c ---------------------------------------------------------- */

/* Start the thread. -errno. */
int agent_run(msb_agent_t *a);
/* Wait for a descriptor to be readable: 1, 0 the deadline has passed, -errno.
 */
int agent_wait(int fd, uint64_t deadline_ms, struct err *err);
/* Queue a frame, waiting for room. */
int agent_put(msb_agent_t *a, uint32_t id, uint8_t flags, const void *body,
	      size_t len, uint64_t deadline_ms, struct err *err);

#endif
