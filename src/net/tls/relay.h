/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An accepted connection of the guest's and a connected socket of the host,
 * for those who look at what goes through. Nothing is done in the callbacks of
 * either: they ask for a step, which is taken at the end of the loop's turn.
 * Bytes of the guest's are looked at in the connection's ring only, where the
 * guest cannot change them any more.
 */
#ifndef MSB_NET_TLS_RELAY_H
#define MSB_NET_TLS_RELAY_H

#include "base/buf.h"
#include "net/tls/proxy_int.h"

struct tls_relay;

struct tls_relay_ops {
	/* Something may be possible that was not. May free the relay. */
	void (*step)(struct tls_relay *r);
	/* The time given to tls_relay_timer() is over. May free the relay. NULL
	 * where that is never called. */
	void (*late)(struct tls_relay *r);
	/* The connection is gone, tls_relay_fini() was called: free the owner.
	 */
	void (*gone)(struct tls_relay *r);
};

/* Embedded in its owner. */
struct tls_relay {
	const struct tls_relay_ops *ops;
	struct tls_proxy *proxy;
	struct tcp_conn *conn;
	struct watch watch;
	int fd; /* owned */
	struct timer timer;
	struct deferred again;
	bool readable, writable; /* the socket, until a call says otherwise */
	bool hung_up;		 /* its end may follow what is read */
	bool ended;		 /* it did */
	bool guest_done; /* the guest said its last, all of it was taken */
	int error;	 /* of the socket, which has no order in its end then */
};

/* Takes conn and fd over, and a step is taken; or -errno, and they stay the
 * caller's. */
int tls_relay_init(struct tls_relay *r, const struct tls_relay_ops *ops,
		   struct tls_proxy *p, struct tcp_conn *c, int fd);
/* The socket is closed; rude: its peer sees a reset. The connection is the
 * caller's again, who must give it another owner or end it. */
void tls_relay_fini(struct tls_relay *r, bool rude);
/* The same, with the socket, which has no watch any more. */
int tls_relay_take_fd(struct tls_relay *r);
/* The guest and the host's peer see that it broke. */
void tls_relay_break(struct tls_relay *r);

/* Send what is in b, as far as the socket takes it. 0; negative: it broke. */
int tls_relay_send(struct tls_relay *r, struct buf *b);
/* What the socket has, at most max bytes, behind what is in b. 0, also when
 * there was nothing or the end came (ended, error); -ENOMEM. */
int tls_relay_read(struct tls_relay *r, struct buf *b, size_t max);
/* As far as there is room at the guest's; true: all of b went. */
bool tls_relay_to_guest(struct tls_relay *r, struct buf *b);
/* At most max bytes from the socket to the guest as they are; how many. */
uint64_t tls_relay_copy(struct tls_relay *r, uint64_t max);
/* Move what is in the ring, at most max bytes in it then, behind what is in b.
 * 0 or -errno of buf_append(). */
int tls_relay_collect(struct tls_relay *r, struct buf *b, size_t max);
void tls_relay_timer(struct tls_relay *r, uint32_t ms);
static inline void tls_relay_no_timer(struct tls_relay *r)
{
	loop_timer_cancel(&r->timer);
}

#endif
