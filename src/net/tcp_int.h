/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the TCP endpoint share.
 *
 *   tcp.c         the table of connections, their birth and end, time
 *   tcp_input.c   segments of the guest
 *   tcp_output.c  segments to the guest
 *   tcp_ring.c    buffers and their budget
 *   tcp_owner.c   what an owner may do with a connection
 */
#ifndef MSB_NET_TCP_INT_H
#define MSB_NET_TCP_INT_H

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/list.h"
#include "net/net_int.h"
#include "net/tcp.h"

#define TCP_RING_SMALL_MIN (64u << 10)
#define TCP_RING_LARGE (1u << 20)
/* So many large rings, in each direction, may be promised at a time. */
#define TCP_RINGS_LARGE 32u
#define TCP_RINGS_BUDGET (64u << 20) /* of small ones, per direction */
#define TCP_RINGS_KEPT 4u	     /* of a kind, for the next who asks */

#define TCP_RCV_SCALE 5
#define TCP_PAYLOAD_MAX 65535u
#define TCP_INBOUND_MAX 256u /* connections to the guest */

#define TCP_TICK_MS 50u
/*
 * So long an acknowledgment may wait for data to go with, or for more to
 * acknowledge. Each one costs the guest an interrupt.
 */
#define TCP_ACK_LATE_MS 3u
#define TCP_ACK_BULK (16u << 10)   /* a frame like that is part of a stream */
#define TCP_ACK_AFTER (256u << 10) /* of which so much at once is due */
/* So much without such a gap: by then the guest's own window is wide open. */
#define TCP_STREAM_BEGINS (1u << 20)
#define TCP_STREAM_GAP_MS 50u
#define TCP_RTO_MIN_MS 200u
#define TCP_RTO_FIRST_MS 1000u
#define TCP_RTO_MAX_MS 60000u
#define TCP_TRIES 12u	 /* of data: some minutes */
#define TCP_SYN_TRIES 5u /* about half a minute */
#define TCP_TIME_WAIT_MS 1000u
#define TCP_ORPHAN_MS 30000u /* to take what is left and say goodbye */

/* Sequence numbers are on a circle. */
static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

/* Where rings of one size and purpose come from. */
struct tcp_rings {
	uint32_t size;
	unsigned out, nkept;
	uint8_t *kept[TCP_RINGS_KEPT];
};

struct tcp_ring {
	uint8_t *mem; /* NULL: none */
	uint32_t size, head, used;
	struct tcp_rings *from;
};

enum conn_phase {
	CONN_PENDING,  /* the guest's SYN is not answered yet */
	CONN_SYN_SENT, /* ours is not */
	CONN_SYN_RCVD, /* SYN-ACK sent */
	CONN_SYNCED,   /* from ESTABLISHED to LAST-ACK; the FINs tell */
	CONN_TIME_WAIT,
	CONN_DEAD, /* freed when the turn ends */
};

struct tcp_conn {
	struct tcp *tcp;
	struct tcp_conn *next;	/* in its bucket */
	struct list in_state;	/* t->closing or t->time_wait, or none */
	struct list in_timed;	/* t->timed, while there is a deadline */
	struct list in_work;	/* t->work: to be seen to at the batch's end */
	struct list in_blocked; /* t->blocked: wants room in the guest */
	struct list in_late;	/* t->late: an acknowledgment may wait */
	struct net_endpoint guest, peer;
	const struct tcp_owner_ops *ops; /* NULL: nobody, or no more */
	void *owner;
	enum conn_phase phase;
	bool inbound;	   /* we called the guest */
	bool counted;	   /* against a limit */
	bool large_window; /* holds one of the large rings promised */

	/* to the guest */
	uint32_t iss, snd_una, snd_nxt, snd_max;
	uint32_t snd_wnd, max_wnd, snd_wl1, snd_wl2;
	uint8_t snd_scale, rcv_scale;
	uint16_t mss;
	struct tcp_ring snd; /* from snd_una on */
	bool want_space;     /* tell the owner */
	bool fin_queued;     /* behind what is in the ring */
	bool fin_acked;
	bool fin_first;	  /* ours was sent before the guest's came */
	uint32_t recover; /* until here everything is sent once more */
	bool recovering;
	uint8_t dup_acks;

	/* from the guest */
	uint32_t irs, rcv_nxt, rcv_adv; /* adv: what it may send up to */
	uint32_t rcv_size;		/* of the ring that backs the window */
	struct tcp_ring rcv;		/* what the owner did not take yet */
	bool rcv_fin, fin_told;
	bool ack_now;	   /* it is due when the batch ends */
	bool ack_late;	   /* soon, on its own if nothing else goes */
	bool talkative;	   /* what comes is answered at once */
	uint32_t acked;	   /* rcv_nxt as the guest knows it */
	uint64_t heard;	   /* when data came last */
	uint32_t streamed; /* so much came without a gap; see choose_ack() */

	/* time, in the loop's milliseconds; 0 = no deadline */
	uint64_t deadline, orphan_until, rtt_start;
	uint32_t rtt_seq;
	uint32_t srtt8, rttvar4; /* scaled by 8 and 4 */
	uint32_t rto;
	uint8_t tries;
};

struct tcp {
	struct net *net;
	struct tcp_conn **buckets;
	uint32_t mask;
	uint64_t seed[2];
	unsigned nguest, ninbound, ntime_wait;
	struct list closing; /* counted, going away; oldest first */
	struct list time_wait;
	struct list timed, work, blocked, late;
	struct tcp_conn *dead;
	struct tcp_rings large_snd, large_rcv, small;
	unsigned large_windows; /* promised to the guest */
	struct timer tick, late_timer;
	struct deferred turn_end;
	uint64_t told_full_ms; /* when the log last said so */
};

/* --- tcp.c --- */

struct tcp_conn *tcp_find(const struct tcp *t, const struct net_endpoint *guest,
			  const struct net_endpoint *peer);
/* In the table, without owner; NULL when there is no memory. */
struct tcp_conn *tcp_conn_new(struct tcp *t, const struct net_endpoint *guest,
			      const struct net_endpoint *peer, bool inbound);
/* Out of the table; error goes to the owner, if any is left. */
void tcp_conn_end(struct tcp_conn *c, int error);
/* May the guest have one more? Old ones that are going away make room. */
bool tcp_may_grow(struct tcp *t);
/* The FINs or the owner changed: file it where it belongs now. */
void tcp_settle(struct tcp_conn *c);
void tcp_deadline(struct tcp_conn *c, uint64_t delay_ms);
/* None but that of a connection without owner. */
void tcp_deadline_off(struct tcp_conn *c);
/* See to it when the guest's frames have been read, or the turn ends. */
void tcp_work_later(struct tcp_conn *c);
/* Acknowledge within TCP_ACK_LATE_MS. */
void tcp_ack_later(struct tcp_conn *c);
uint64_t tcp_now(const struct tcp *t);

/* --- tcp_output.c --- */

/* Whatever is to be said and may be said. */
void tcp_output(struct tcp_conn *c);
/* Begin again behind what was acknowledged. */
void tcp_go_back(struct tcp_conn *c);
/* A question to which the guest must answer with its window. */
void tcp_probe(struct tcp_conn *c);
void tcp_send_reset(struct tcp_conn *c);
/* The answer to a segment of no connection. */
void tcp_reset_stray(struct tcp *t, const struct packet *p);
/* What the guest may send now, in bytes. */
uint32_t tcp_window(const struct tcp_conn *c);
/* Data and FIN that were never sent; the ring's part of it. */
uint32_t tcp_unsent(const struct tcp_conn *c);

/* --- tcp_owner.c --- */

/* He may write again, if that is what he waits for and it is worth it. */
void tcp_tell_space(struct tcp_conn *c);
/* The guest will say no more, once everything before was taken. */
void tcp_tell_fin(struct tcp_conn *c);

/* --- tcp_ring.c --- */

void tcp_rings_init(struct tcp *t, uint32_t connections);
void tcp_rings_fini(struct tcp *t);
/* For what goes to the guest: as large as may be. false: no memory. */
bool tcp_ring_get_snd(struct tcp *t, struct tcp_ring *r);
bool tcp_ring_get_rcv(struct tcp_conn *c);
void tcp_ring_put(struct tcp_ring *r);
/* Which bytes are free, or used from off on; at most two parts, their sum. */
uint32_t tcp_ring_free(const struct tcp_ring *r, struct iovec ret[2]);
unsigned tcp_ring_used(const struct tcp_ring *r, uint32_t off, uint32_t len,
		       struct iovec ret[2]);
/* Forget the first n bytes. */
void tcp_ring_drop(struct tcp_ring *r, uint32_t n);
/* How much to promise to the guest on this connection. */
void tcp_window_choose(struct tcp_conn *c);

#endif
