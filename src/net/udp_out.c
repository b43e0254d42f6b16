/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams to the host. What the guest gives in one batch is copied out of its
 * memory and sent with as few calls as possible: neighbours of one length go as
 * segments of one message, and messages in one sendmmsg().
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/bytes.h"
#include "base/iov.h"
#include "net/udp_int.h"

/* Reports of earlier datagrams that may come in the way of one. */
#define RETRIES 4

void udp_out_add(struct udp_flow *f, const struct packet *p)
{
	struct udp *u = f->udp;
	size_t len = p->payload_len;
	struct udp_out *o;
	uint16_t at;

	if (u->out.count == UDP_OUT_MAX || u->out.used + len > UDP_OUT_BYTES)
		udp_out_flush(u);
	at = (uint16_t)u->out.count;
	o = &u->out.queue[at];
	if (iov_read(p->iov, p->niov, p->payload_off,
		     u->out.bytes + u->out.used, len) < len)
		return;
	*o = (struct udp_out){ .off = (uint32_t)u->out.used,
			       .len = (uint32_t)len,
			       .next = UDP_NONE,
			       .dont_fragment = p->dont_fragment };
	u->out.used += len;
	u->out.count++;
	if (len > f->longest)
		f->longest = len;
	if (f->first == UDP_NONE) {
		f->first = at;
		list_add_tail(&u->out.flows, &f->sending);
	} else {
		u->out.queue[f->last].next = at;
	}
	f->last = at;
}

/* The datagrams from at on that can be segments of one message: their number,
 * and in *len their bytes. */
static unsigned row(const struct udp_flow *f, uint16_t at, size_t *len)
{
	const struct udp_out *queue = f->udp->out.queue;
	const struct udp_out *head = &queue[at];
	unsigned n = 1;

	*len = head->len;
	if (!f->segments || !head->len)
		return 1;
	for (at = head->next; at != UDP_NONE && n < UDP_SEGMENTS;
	     at = queue[at].next) {
		const struct udp_out *o = &queue[at];

		if (!o->len || o->len > head->len ||
		    o->dont_fragment != head->dont_fragment ||
		    *len + o->len > UDP_SEGMENTS_BYTES)
			break;
		*len += o->len;
		n++;
		if (o->len < head->len)
			break; /* only the last may be shorter */
	}
	return n;
}

static void put_segment_size(struct msghdr *m, char *control, uint16_t size)
{
	struct cmsghdr *c;

	m->msg_control = control;
	m->msg_controllen = CMSG_SPACE(sizeof(size));
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
}

/* Messages for the datagrams from at on, as far as they are to be treated
 * alike. */
static void prepare(const struct udp_flow *f, uint16_t at, struct udp_call *c)
{
	const struct udp *u = f->udp;
	bool df = u->out.queue[at].dont_fragment;
	unsigned niov = 0;

	c->count = 0;
	while (at != UDP_NONE && u->out.queue[at].dont_fragment == df) {
		struct msghdr *m = &c->msgs[c->count].msg_hdr;
		const struct udp_out *o = &u->out.queue[at];
		size_t len, size = o->len;
		unsigned n = row(f, at, &len);

		*m = (struct msghdr){ .msg_iov = &c->iov[niov],
				      .msg_iovlen = n };
		if (n > 1)
			put_segment_size(m, c->control[c->count],
					 (uint16_t)size);
		for (unsigned i = 0; i < n; i++) {
			o = &u->out.queue[at];
			c->iov[niov].iov_base = u->out.bytes + o->off;
			c->iov[niov++].iov_len = o->len;
			at = o->next;
		}
		c->count++;
	}
}

/* The datagram behind n others. */
static uint16_t skip(const struct udp *u, uint16_t at, size_t n)
{
	while (n--)
		at = u->out.queue[at].next;
	return at;
}

static void count_dropped(struct udp *u, uint16_t at)
{
	for (; at != UDP_NONE; at = u->out.queue[at].next)
		atomic_fetch_add_explicit(&u->net->stats.dropped, 1,
					  memory_order_relaxed);
}

static void tell_error(struct udp_flow *f, uint16_t at, int error)
{
	const struct udp_out *o = &f->udp->out.queue[at];
	struct icmp_quote q = { .src = f->guest.addr,
				.dst = f->peer.addr,
				.proto = IPPROTO_UDP,
				.l4_len = UDP_HEADER + o->len,
				.payload = f->udp->out.bytes + o->off,
				.payload_len = o->len };
	enum icmp_reason reason;

	if (!icmp_reason_of(error, &reason) || reason == ICMP_TOO_BIG)
		return;
	be16_put(q.l4, f->guest.port);
	be16_put(q.l4 + 2, f->peer.port);
	be16_put(q.l4 + 4, (uint16_t)q.l4_len);
	icmp_error(f->udp->net, &q, reason, 0);
}

/*
 * The first message of a call could not be sent. Where to go on, UDP_NONE when
 * there is no sense in it.
 */
static uint16_t after_error(struct udp_flow *f, uint16_t at, size_t n,
			    int error, int *tries)
{
	bool told;

	if (error == EAGAIN || error == ENOBUFS || error == ENOMEM) {
		count_dropped(f->udp, at); /* the host is busy: lost */
		return UDP_NONE;
	}
	/* The call may have been told of an earlier datagram's error. */
	told = udp_flow_reports(f) > 0;
	if (told && error != EMSGSIZE && (*tries)++ < RETRIES)
		return at;
	if (n > 1) {
		f->segments = false; /* one by one, then it is known which */
		return at;
	}
	if (!told)
		tell_error(f, at, error);
	return f->udp->out.queue[at].next;
}

static void set_df(struct udp_flow *f, bool dont_fragment)
{
	if (f->dont_fragment == dont_fragment)
		return;
	if (!icmp_queue_set_df(f->fd, f->family, dont_fragment))
		f->dont_fragment = dont_fragment;
}

static void send_queued(struct udp_flow *f)
{
	struct udp *u = f->udp;
	uint16_t at = f->first;
	struct udp_call *c = &u->out.call;
	int tries = 0;

	while (at != UDP_NONE) {
		size_t n = 0;
		int sent;

		set_df(f, u->out.queue[at].dont_fragment);
		prepare(f, at, c);
		sent = sendmmsg(f->fd, c->msgs, c->count,
				MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent <= 0) {
			at = after_error(f, at, c->msgs[0].msg_hdr.msg_iovlen,
					 errno, &tries);
			continue;
		}
		for (int i = 0; i < sent; i++)
			n += c->msgs[i].msg_hdr.msg_iovlen;
		at = skip(u, at, n);
	}
}

void udp_out_flush(struct udp *u)
{
	while (!list_empty(&u->out.flows)) {
		struct udp_flow *f = container_of(u->out.flows.next,
						  struct udp_flow, sending);

		send_queued(f);
		f->first = f->last = UDP_NONE;
		list_del(&f->sending);
	}
	u->out.count = 0;
	u->out.used = 0;
}
