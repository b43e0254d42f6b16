/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's TCP connections, terminated here (RFC 9293). The link to the
 * guest is memory: nothing is lost on it but what the guest's kernel itself
 * drops, so there is no congestion control, only windows and a retransmission
 * timer. Behind each connection stands an owner: a host socket, the DNS
 * server, a published port.
 */
#ifndef MSB_NET_TCP_H
#define MSB_NET_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "net/addr.h"
#include "net/frame.h"

struct tcp;	 /* all connections of a sandbox */
struct tcp_conn; /* one */

struct tcp_owner_ops {
	/* Both sides know of each other; data may come and go. */
	void (*established)(void *owner, struct tcp_conn *c);
	/*
	 * In-order bytes from the guest, in memory it can still change.
	 * Returns how many were taken at once; the rest is kept, the window
	 * shrinks, and tcp_peek()/tcp_consume() give it when the owner wants.
	 * With n and len 0 when more has joined what was kept.
	 */
	size_t (*data)(void *owner, struct tcp_conn *c, const struct iovec *iov,
		       unsigned n, size_t len);
	/* The guest will send no more; everything before was taken. */
	void (*fin)(void *owner, struct tcp_conn *c);
	/* After tcp_space() was 0 or too little for the owner: there is more.
	 * Also called when everything sent was acknowledged. */
	void (*space)(void *owner, struct tcp_conn *c);
	/* The connection is over: 0 in good order, -ECONNRESET by the guest,
	 * -ETIMEDOUT. It is freed after the call, the owner does not touch it
	 * again. Not called for tcp_reset(). */
	void (*closed)(void *owner, struct tcp_conn *c, int error);
};

/*
 * A SYN arrived and a connection was made for it, not yet answered. Its new
 * owner is told by tcp_set_owner(), now or later, and answers with tcp_accept()
 * or tcp_reset(), which is what the guest sees as refusal. The next owner of a
 * connection finds in tcp_peek() what the one before did not take, and is told
 * of a FIN again.
 */
void tcp_set_owner(struct tcp_conn *c, const struct tcp_owner_ops *ops,
		   void *owner);
void tcp_accept(struct tcp_conn *c);
/* RST to the guest, whatever the state; the connection is gone. */
void tcp_reset(struct tcp_conn *c);
/*
 * The host could not connect, for this reason: the guest learns it as if it had
 * tried itself. A connection that was accepted already is reset. It is gone.
 */
void tcp_refuse(struct tcp_conn *c, int error);
/* No more data from us: FIN behind what is queued. */
void tcp_finish(struct tcp_conn *c);
/* The owner has lost interest: finish, and throw away what still comes. No
 * callback follows. */
void tcp_abandon(struct tcp_conn *c);

/*
 * Connect to the guest: from is what the guest sees as its peer. NULL with the
 * reason in errno: EADDRINUSE, EMFILE (limit), ENOMEM. established() or
 * closed(-ECONNREFUSED, -ETIMEDOUT) follows.
 */
struct tcp_conn *tcp_connect(struct tcp *t, const struct net_endpoint *from,
			     const struct net_endpoint *to,
			     const struct tcp_owner_ops *ops, void *owner);

/* The two ends as the guest names them. */
const struct net_endpoint *tcp_guest_end(const struct tcp_conn *c);
const struct net_endpoint *tcp_peer_end(const struct tcp_conn *c);

/* --- to the guest --- */

/* Room in the send ring, as at most two parts to write into; how much. 0 when
 * no ring could be had for now: space() follows. */
size_t tcp_space(struct tcp_conn *c, struct iovec ret[2]);
/* n bytes were written there: they are sent as the guest's window allows. */
void tcp_commit(struct tcp_conn *c, size_t n);
/* Copying form; how many bytes were taken. */
size_t tcp_send(struct tcp_conn *c, const void *data, size_t len);
bool tcp_drained(const struct tcp_conn *c); /* everything was acknowledged */

/* --- from the guest, what data() did not take --- */

size_t tcp_peek(const struct tcp_conn *c, struct iovec ret[2]);
/* The window opens again when there is room worth telling. */
void tcp_consume(struct tcp_conn *c, size_t n);

#endif
