/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner of a connection may do with it, and is told of it. */
#include <errno.h>

#include "base/bytes.h"
#include "base/iov.h"
#include "net/tcp_int.h"

/* Less room than this is not worth a system call of the owner. */
#define SPACE_WORTH (128u << 10)

void tcp_set_owner(struct tcp_conn *c, const struct tcp_owner_ops *ops,
		   void *owner)
{
	c->ops = ops;
	c->owner = owner;
	c->want_space = false;
	if (c->fin_told) {
		c->fin_told = false;
		tcp_work_later(c);
	}
}

const struct net_endpoint *tcp_guest_end(const struct tcp_conn *c)
{
	return &c->guest;
}

const struct net_endpoint *tcp_peer_end(const struct tcp_conn *c)
{
	return &c->peer;
}

void tcp_accept(struct tcp_conn *c)
{
	if (c->phase != CONN_PENDING)
		return;
	c->phase = CONN_SYN_RCVD;
	tcp_output(c);
}

void tcp_reset(struct tcp_conn *c)
{
	if (c->phase == CONN_DEAD)
		return;
	tcp_send_reset(c);
	c->ops = NULL;
	tcp_conn_end(c, -ECONNABORTED);
}

/* An ICMP error about the guest's SYN; false: there is none for this. */
static bool send_unreachable(struct tcp_conn *c, int error)
{
	struct icmp_quote q = {
		.src = c->guest.addr,
		.dst = c->peer.addr,
		.proto = IPPROTO_TCP,
		.l4_len = TCP_HEADER,
	};
	enum icmp_reason reason;

	if (error == -ENETUNREACH)
		reason = ICMP_NO_ROUTE;
	else if (error == -EHOSTUNREACH || error == -EHOSTDOWN)
		reason = ICMP_NO_HOST;
	else
		return false;
	be16_put(q.l4, c->guest.port);
	be16_put(q.l4 + 2, c->peer.port);
	be32_put(q.l4 + 4, c->irs);
	icmp_error(c->tcp->net, &q, reason, 0);
	return true;
}

void tcp_refuse(struct tcp_conn *c, int error)
{
	if (c->phase == CONN_DEAD)
		return;
	if (c->phase != CONN_PENDING || c->inbound ||
	    (error != -ETIMEDOUT && !send_unreachable(c, error)))
		tcp_send_reset(c);
	c->ops = NULL;
	tcp_conn_end(c, error);
}

void tcp_finish(struct tcp_conn *c)
{
	if (c->phase == CONN_DEAD || c->fin_queued)
		return;
	c->fin_queued = true;
	if (!c->snd.used)
		tcp_ring_put(&c->snd);
	tcp_output(c);
	/* where it is filed may change, and its end may be near */
	tcp_settle(c);
}

void tcp_abandon(struct tcp_conn *c)
{
	if (c->phase == CONN_DEAD)
		return;
	c->ops = NULL;
	if (c->phase == CONN_PENDING || c->phase == CONN_SYN_SENT) {
		tcp_reset(c);
		return;
	}
	if (c->rcv.used)
		c->ack_now = true; /* the window is open again */
	tcp_ring_put(&c->rcv);
	c->orphan_until = tcp_now(c->tcp) + TCP_ORPHAN_MS;
	if (!c->deadline)
		tcp_deadline(c, TCP_ORPHAN_MS);
	c->fin_queued = true;
	tcp_output(c);
	tcp_settle(c);
}

struct tcp_conn *tcp_connect(struct tcp *t, const struct net_endpoint *from,
			     const struct net_endpoint *to,
			     const struct tcp_owner_ops *ops, void *owner)
{
	struct tcp_conn *c;

	if (tcp_find(t, to, from)) {
		errno = EADDRINUSE;
		return NULL;
	}
	if (t->ninbound >= TCP_INBOUND_MAX) {
		errno = EMFILE;
		return NULL;
	}
	c = tcp_conn_new(t, to, from, true);
	if (!c) {
		errno = ENOMEM;
		return NULL;
	}
	c->phase = CONN_SYN_SENT;
	c->ops = ops;
	c->owner = owner;
	tcp_output(c);
	return c;
}

/* --- to the guest --- */

size_t tcp_space(struct tcp_conn *c, struct iovec ret[2])
{
	size_t space;

	ret[0] = ret[1] = (struct iovec){ 0 };
	c->want_space = true;
	if (c->phase != CONN_SYNCED || c->fin_queued)
		return 0;
	if (!c->snd.mem && !tcp_ring_get_snd(c->tcp, &c->snd)) {
		/* no memory now: ask again with the next tick */
		if (!c->deadline)
			tcp_deadline(c, TCP_TICK_MS);
		return 0;
	}
	space = tcp_ring_free(&c->snd, ret);
	return space;
}

void tcp_commit(struct tcp_conn *c, size_t n)
{
	if (c->phase == CONN_DEAD)
		return;
	c->snd.used += (uint32_t)n;
	if (!c->snd.used)
		tcp_ring_put(&c->snd);
	else
		tcp_output(c);
}

size_t tcp_send(struct tcp_conn *c, const void *data, size_t len)
{
	struct iovec to[2];
	size_t space = tcp_space(c, to);

	if (len > space)
		len = space;
	(void)iov_write(to, 2, 0, data, len);
	tcp_commit(c, len);
	return len;
}

bool tcp_drained(const struct tcp_conn *c)
{
	return !c->snd.used;
}

void tcp_tell_space(struct tcp_conn *c)
{
	uint32_t worth = c->snd.size / 4;

	if (!c->want_space || !c->ops || c->phase != CONN_SYNCED)
		return;
	if (worth > SPACE_WORTH)
		worth = SPACE_WORTH;
	if (c->snd.used && c->snd.size - c->snd.used < worth)
		return;
	c->want_space = false;
	if (c->ops->space)
		c->ops->space(c->owner, c);
}

/* --- from the guest --- */

void tcp_tell_fin(struct tcp_conn *c)
{
	if (!c->rcv_fin || c->fin_told || c->rcv.used || !c->ops)
		return;
	c->fin_told = true;
	c->ops->fin(c->owner, c);
}

size_t tcp_peek(const struct tcp_conn *c, struct iovec ret[2])
{
	ret[0] = ret[1] = (struct iovec){ 0 };
	if (c->rcv.used)
		(void)tcp_ring_used(&c->rcv, 0, c->rcv.used, ret);
	return c->rcv.used;
}

void tcp_consume(struct tcp_conn *c, size_t n)
{
	uint32_t told, open;

	if (!n || n > c->rcv.used)
		return;
	tcp_ring_drop(&c->rcv, (uint32_t)n);
	if (!c->rcv.used)
		tcp_ring_put(&c->rcv);
	if (c->rcv_fin) {
		tcp_work_later(c);
		return;
	}
	told = c->rcv_adv - c->rcv_nxt;
	open = tcp_window(c);
	/* worth telling: a good part of it, or the first after none */
	if (open > told &&
	    (open - told >= c->rcv_size / 4 || (!told && open >= c->mss))) {
		c->ack_now = true;
		tcp_output(c);
	}
}
