/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the relay.
 *
 * Invariants:
 * 1. A frame reaches the guest stream, or a client's stream, whole and without
 *    another frame in between. Clients' frames are therefore collected before
 *    they are forwarded; the guest's frames are passed on as they come, and
 *    frames of the relay's own wait for the end of the one under way.
 * 2. Ids of a connection are fresh: a slot's next connection starts behind the
 *    highest id its predecessor used, so late frames match nobody. A slot
 * starts over only when no session of it is left and some time has passed.
 * 3. A session is in the table from its first frame to its terminal one, longer
 *    than its client if need be.
 * 4. Nobody waits for a slow client: past OUT_HIGH its sessions are paused in
 *    the guest, past OUT_MAX the connection is given up.
 */
#ifndef MSB_RUNTIME_RELAY_INT_H
#define MSB_RUNTIME_RELAY_INT_H

#include "base/buf.h"
#include "base/list.h"
#include "protocol/frame.h"
#include "runtime/byteq.h"
#include "runtime/ratelimit.h"
#include "runtime/relay.h"

#define READ_BYTES 65536u
#define OUT_HIGH (1u << 20) /* queued for one client: pause its sessions */
#define OUT_LOW (256u << 10)
#define OUT_MAX (48u << 20)
#define OUT_TOTAL_MAX (256u << 20) /* queued for all clients */
#define GUEST_HIGH (1u << 20)	   /* queued for the guest: stop reading */
#define GUEST_LOW (256u << 10)
#define READY_MAX (64u << 10)
#define CONTROL_MAX 4096u /* body of a frame for the relay itself */
#define SESSIONS_PER_CLIENT 65536u
#define FRESH_IDS_MIN (1u << 20) /* else the slot must start over */
#define SLOT_REST_MS 5000u
#define SMALL_BUF (256u << 10) /* larger buffers are not kept */
/* Behind the last slot's range; belongs to no client. */
#define INTERNAL_ID (RELAY_MAX_CLIENTS * RELAY_ID_STEP + 1)

enum session_state {
	SESSION_OWNED,	  /* frames flow to and from owner */
	SESSION_DETACHED, /* left running on purpose; output goes to the log */
	SESSION_ORPHAN,	  /* killed with its client; waits for the end */
};

struct session {
	struct session *next; /* in its hash bucket */
	uint32_t id;
	enum session_state state;
	struct relay_client *owner; /* OWNED only */
	bool exec;		    /* else files or tcp */
	bool tty;
	bool internal;	  /* started by the runtime */
	bool started;	  /* internal: core.exec.started was seen */
	bool out_held;	  /* the guest was asked to pause it */
	bool in_held;	  /* the guest asked for no more input */
	struct list link; /* in owner's sessions, or in relay's detached */
	struct log_capture out, err;
};

struct session_table {
	struct session **bucket;
	uint32_t nbuckets; /* power of two */
	uint32_t count;
};

struct session *session_find(const struct session_table *t, uint32_t id);
struct session *session_add(struct session_table *t, uint32_t id); /* or NULL */
void session_del(struct session_table *t, struct session *s);
void session_table_fini(struct session_table *t);

enum stall {
	STALL_GUEST = 1,   /* the guest's queue is full */
	STALL_SESSION = 2, /* the next frame is for a session that is held */
};

struct relay_client {
	struct relay *relay;
	struct watch watch;
	int fd;
	unsigned slot;
	uint32_t id_start, id_end; /* [start, end) */
	uint32_t id_max;	   /* highest one used */
	uint32_t nsessions;
	struct list sessions;
	struct buf in; /* an unfinished frame, or frames that wait */
	unsigned stall;
	bool hung;	/* the peer has closed; what it sent is still read */
	bool dead;	/* on the graveyard */
	bool in_frame;	/* part of a guest frame was delivered */
	bool congested; /* out is past OUT_HIGH and not yet below OUT_LOW */
	struct byteq out;
	struct buf later;  /* own frames that wait for the end of that frame */
	struct list grave; /* link */
};

struct slot {
	struct relay_client *client;
	uint32_t next_id; /* first one no connection has used */
	uint64_t freed_ms;
};

/* The frame from the guest that is under way. */
struct guest_frame {
	uint8_t head[FRAME_HEAD_SIZE];
	size_t head_len;
	uint32_t id;
	uint8_t flags;
	size_t left;  /* body bytes to come */
	bool collect; /* the body is wanted whole */
	struct buf body;
	struct relay_client *target; /* or NULL: nobody */
};

/* Consecutive bytes of the guest's buffer for one client: one system call. */
struct span {
	struct relay_client *client;
	const uint8_t *p;
	size_t len;
};

struct relay {
	struct relay_config cfg;
	struct watch listen;
	struct timer listen_retry;
	struct slot slot[RELAY_MAX_CLIENTS];
	struct session_table sessions;
	struct list detached; /* sessions, the latest last */
	unsigned live;	      /* sessions that are not orphans */
	uint64_t activity_ms;
	uint64_t next_log_id;
	bool ready, broken;
	struct buf ready_frame;
	struct guest_frame in;
	struct span span;
	struct byteq guest_out;
	bool guest_full;
	unsigned next_unstall; /* slot to serve first, for fairness */
	uint64_t out_total;
	uint8_t *read_buf; /* READ_BYTES */
	struct list graveyard;
	struct deferred bury;
	struct ratelimit guest_noise;
};

/* relay.c */
void relay_activity(struct relay *r);
void relay_to_guest(struct relay *r, const void *data, size_t len);
/* A frame of the relay's own; payload NULL = {}. */
void relay_msg_to_guest(struct relay *r, uint32_t id, const char *type,
			const struct buf *payload);
void relay_hold_output(struct relay *r, struct session *s, bool hold);
/* Forget a session that has ended. */
void relay_session_end(struct relay *r, struct session *s);
/* envelope_parse for bodies with strings in pieces too; *ret_scratch must be
 * freed after the last use of the envelope. */
int relay_envelope(struct view body, struct envelope *ret, void **ret_scratch);

/* relay_guest.c: send what has been gathered for one client */
void relay_span_flush(struct relay *r);

/* relay_client.c: what a client sends */
void client_input(struct relay_client *c, const uint8_t *data, size_t len);
/* Go on with frames that had to wait; a stall that still holds returns. */
void client_resume(struct relay_client *c);
/* A session of this client that had been held takes input again. */
void client_release(struct relay_client *c);
/* The whole disconnect procedure; c is freed at the end of the turn. */
void client_drop(struct relay_client *c, const char *why);

/* relay_sock.c: sockets of clients */
void client_send(struct relay_client *c, const void *data, size_t len);
/* Frames of the relay's own: never inside a frame of the guest. */
void client_send_own(struct relay_client *c, const struct buf *frames);
void client_frame_done(struct relay_client *c); /* the guest's frame ended */
void client_update_watch(struct relay_client *c);

#endif
