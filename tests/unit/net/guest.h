/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network with a make-believe guest in front of it: frames are written by
 * hand and read one by one. The guest's side of TCP is what the test says.
 */
#ifndef TEST_NET_GUEST_H
#define TEST_NET_GUEST_H

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "net/net_int.h"
#include "net/tcp_int.h"

#define GUEST_FRAMES 4096
#define GUEST_FRAME_MAX 66000u

struct guest_frame {
	uint8_t *data; /* owned */
	size_t len;
	struct net_offload o;
};

struct guest {
	struct loop *loop;
	struct net *net;
	struct guest_frame queue[GUEST_FRAMES]; /* not read yet */
	unsigned first, count;
	unsigned room; /* so many frames fit into the guest */
	unsigned flushes;
	uint8_t buffer[GUEST_FRAME_MAX];
	struct iovec iov[2];
	char log[1024]; /* the last line */
	unsigned log_lines;
};

struct guest_options {
	bool no_csum, no_tso;
	uint32_t max_connections; /* 0 = default */
	struct policy *policy;	  /* moved from; NULL: everything is allowed */
	uint16_t publish;	  /* port of loopback that is the guest's 80 */
	/* the last word on what the network is made of */
	void (*configure)(void *ctx, struct net_config *c, struct net_host *h);
	void *ctx;
};

/* A segment, either way. */
struct seg {
	struct net_endpoint from, to;
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t window;
	uint16_t mss; /* option; 0 = none */
	int scale;    /* option; negative = none */
	const void *data;
	size_t len;
	/* received: */
	struct net_offload o;
	uint8_t *frame; /* owned: guest_segment_free() */
};

/* A connection as the guest sees it. */
struct guest_conn {
	struct guest *g;
	struct net_endpoint own, peer;
	uint32_t snd_nxt, rcv_nxt;
	uint32_t snd_una; /* what the other side acknowledged */
	uint32_t peer_window;
	uint8_t peer_scale;
	uint16_t window; /* what is told to the other side */
	uint8_t scale;
	size_t received;
	bool fin, reset;
	uint8_t *data; /* what came, if the test wants it */
	size_t data_max;
};

struct guest *guest_new(const struct guest_options *o);
void guest_free(struct guest *g);
struct net_endpoint guest_end(const struct guest *g, int family, uint16_t port);
struct net_endpoint gateway_end(const struct guest *g, int family,
				uint16_t port);
/* Turns of the loop until the guest has a frame, or nothing happens. */
bool guest_wait(struct guest *g);
/* Turns of the loop until *cond or for too long: fails. */
void guest_until(struct guest *g, bool (*cond)(void *ctx), void *ctx);
void guest_turn(struct guest *g); /* one, without waiting */

/* A whole frame, from the Ethernet header on, and the end of a batch. */
void guest_send_raw(struct guest *g, const void *frame, size_t len);
void guest_send(struct guest *g, const struct seg *s);
/* Without the end of a batch. */
void guest_send_more(struct guest *g, const struct seg *s);
/* Take the next frame, which must be TCP and well-formed. false: there is
 * none, also not after waiting. */
bool guest_receive(struct guest *g, struct seg *ret);
bool guest_has_frame(const struct guest *g);
void guest_segment_free(struct seg *s);

/* A listener on the host's loopback, which is the guest's gateway. */
int host_listen(int family, struct net_endpoint *ret);
/* A listener that is full: who connects to it waits. */
int host_listen_full(struct net_endpoint *ret, int *ret_filler);
/* The next connection, blocking. */
int host_accept(int listener);
/* Bytes that tell where they belong. */
uint8_t pattern_at(size_t off);
void pattern_fill(uint8_t *p, size_t off, size_t len);
void pattern_check(const uint8_t *p, size_t off, size_t len);

/* The connection itself, or NULL when it is no more. */
struct tcp_conn *conn_inside(const struct guest_conn *c);
/* Its deadline is now. */
void conn_expire(const struct guest_conn *c);
/* Send a segment of the connection; flags besides ACK. */
void conn_send(struct guest_conn *c, uint8_t flags, const void *data,
	       size_t len);
/* Three-way handshake begun by the guest; false: refused. */
bool conn_open(struct guest_conn *c, struct guest *g, uint16_t own_port,
	       const struct net_endpoint *peer);
/* Only the SYN. */
void conn_syn(struct guest_conn *c, struct guest *g, uint16_t own_port,
	      const struct net_endpoint *peer);
/* The same at any place of the circle, and anything else of it. */
void conn_send_at(struct guest_conn *c, uint8_t flags, uint32_t seq,
		  uint32_t ack, const void *data, size_t len);
/* Answer the SYN of the other side. */
void conn_answer(struct guest_conn *c, struct guest *g);
/* Take whatever has come for it, acknowledge it. false: nothing came. */
bool conn_receive(struct guest_conn *c);

#endif
