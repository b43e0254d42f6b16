/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments to the guest. Where its driver allows, a segment is a frame of up to
 * 64 KiB, which its kernel takes as the many that it stands for.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/iov.h"
#include "net/tcp_int.h"

#define TCP_CSUM_OFFSET 16
#define SYN_OPTIONS 8u /* MSS, a filler and the scale */

/* One segment's header, as far as it differs. */
struct segment {
	const struct net_endpoint *from, *to;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	uint16_t mss; /* with SYN: the options, 0 = none */
	int8_t scale; /* -1 = none */
};

/*
 * Write all headers of a segment with len bytes behind them, whose sum is
 * data_sum unless the guest does not want sums. Returns their length.
 */
static size_t put_headers(const struct net *n, uint8_t *p,
			  const struct segment *s, const struct iovec *data,
			  unsigned ndata, size_t len, struct net_offload *o)
{
	const struct net_endpoint *from = s->from, *to = s->to;
	size_t opt = s->mss ? SYN_OPTIONS : 0, l4_len = TCP_HEADER + opt + len;
	size_t off = frame_ip_header(p, &n->link_addr, &from->addr, &to->addr,
				     IPPROTO_TCP, l4_len, true);
	uint8_t *h = p + off;
	uint32_t sum = csum_pseudo(&from->addr, &to->addr, IPPROTO_TCP,
				   (uint32_t)l4_len);
	uint16_t v;

	be16_put(h, from->port);
	be16_put(h + 2, to->port);
	be32_put(h + 4, s->seq);
	be32_put(h + 8, s->ack);
	h[12] = (uint8_t)((TCP_HEADER + opt) / 4 << 4);
	h[13] = s->flags;
	be16_put(h + 14, s->window);
	be32_put(h + 16, 0);
	if (opt) {
		be32_put(h + 20, 2u << 24 | 4u << 16 | s->mss);
		be32_put(h + 24, s->scale < 0
					 ? 0x01010101
					 : 0x01030300 | (uint32_t)s->scale);
	}
	memset(o, 0, sizeof(*o));
	if (n->link.csum) {
		/* the pseudo-header's part, not complemented */
		v = (uint16_t)~csum_fold(sum);
		o->needs_csum = true;
		o->csum_start = (uint16_t)off;
		o->csum_offset = TCP_CSUM_OFFSET;
	} else {
		sum = csum_bytes(h, TCP_HEADER + opt, sum);
		v = csum_fold(csum_iov(data, ndata, 0, len, sum));
	}
	memcpy(h + TCP_CSUM_OFFSET, &v, sizeof(v));
	return off + TCP_HEADER + opt;
}

#define HEADERS_MAX (ETH_HEADER + IP6_HEADER + TCP_HEADER + SYN_OPTIONS)

static bool send_bare(struct net *n, const struct segment *s)
{
	uint8_t head[HEADERS_MAX];
	struct net_offload o;
	size_t len = put_headers(n, head, s, NULL, 0, 0, &o);

	return net_send(n, head, len, NULL, 0, 0, &o);
}

/*
 * The window field for a segment, and with it what is now promised. It is
 * rounded up, for which tcp_window() keeps one unit back: what was promised
 * before then is at most less than a unit more, and stays good.
 */
static uint16_t advertise(struct tcp_conn *c, bool scaled)
{
	uint8_t scale = scaled ? c->rcv_scale : 0;
	uint32_t win = (tcp_window(c) + (1u << scale) - 1) >> scale;
	uint32_t edge;

	if (win > UINT16_MAX)
		win = UINT16_MAX;
	edge = c->rcv_nxt + (win << scale);
	if (seq_lt(c->rcv_adv, edge))
		c->rcv_adv = edge;
	return (uint16_t)win;
}

uint32_t tcp_window(const struct tcp_conn *c)
{
	uint32_t taken = c->rcv.used + (1u << TCP_RCV_SCALE);

	return taken < c->rcv_size ? c->rcv_size - taken : 0;
}

uint32_t tcp_unsent(const struct tcp_conn *c)
{
	uint32_t sent = c->snd_nxt - c->snd_una;

	return sent < c->snd.used ? c->snd.used - sent : 0;
}

/* The FIN is queued and, as things stand, still to be sent. */
static bool fin_unsent(const struct tcp_conn *c)
{
	return c->fin_queued && !c->fin_acked &&
	       c->snd_nxt - c->snd_una <= c->snd.used;
}

static size_t headers_len(const struct tcp_conn *c)
{
	return ETH_HEADER + TCP_HEADER +
	       (c->guest.addr.family == AF_INET ? IP4_HEADER : IP6_HEADER);
}

static size_t frame_payload_max(const struct tcp_conn *c)
{
	const struct net_link *l = &c->tcp->net->link;
	bool v4 = c->guest.addr.family == AF_INET;
	size_t max;

	if (!l->csum || !(v4 ? l->tso4 : l->tso6))
		return c->mss;
	/* IPv6 does not count its own header */
	max = TCP_PAYLOAD_MAX - TCP_HEADER - (v4 ? IP4_HEADER : 0);
	return max / c->mss * c->mss;
}

/*
 * Send up to len bytes from s->seq on. How many fitted into the guest: less
 * only if flags that belong to the end were left out. Negative: not even the
 * headers and a segment of the ordinary size did.
 */
static ssize_t send_segment(struct tcp_conn *c, struct segment *s, size_t len)
{
	struct net *n = c->tcp->net;
	uint8_t head[HEADERS_MAX];
	struct iovec data[2];
	const struct iovec *to;
	struct net_offload o;
	size_t room, hlen = headers_len(c);
	unsigned nto, ndata = 0;

	room = net_reserve(n, hlen + (len < c->mss ? len : c->mss), hlen + len,
			   &to, &nto);
	if (!room)
		return -1;
	if (room < hlen + len) {
		len = room - hlen;
		s->flags &= (uint8_t) ~(TH_FIN | TH_PUSH);
	}
	if (len)
		ndata = tcp_ring_used(&c->snd, s->seq - c->snd_una,
				      (uint32_t)len, data);
	(void)put_headers(n, head, s, data, ndata, len, &o);
	if (len > c->mss) {
		o.gso_size = c->mss;
		o.gso_v6 = c->guest.addr.family == AF_INET6;
	}
	(void)iov_write(to, nto, 0, head, hlen);
	net_put(to, nto, hlen, data, ndata);
	net_commit(n, hlen + len, &o);
	return (ssize_t)len;
}

static void wait_for_room(struct tcp_conn *c)
{
	list_del(&c->in_blocked);
	list_add_tail(&c->tcp->blocked, &c->in_blocked);
}

/* The guest is told of everything that came from it. */
static void told(struct tcp_conn *c)
{
	c->ack_now = c->ack_late = false;
	c->acked = c->rcv_nxt;
	list_del(&c->in_late);
}

static void sent(struct tcp_conn *c, uint32_t len)
{
	c->snd_nxt += len;
	if (seq_lt(c->snd_max, c->snd_nxt)) {
		if (!c->rtt_start) {
			c->rtt_start = tcp_now(c->tcp);
			c->rtt_seq = c->snd_nxt;
		}
		c->snd_max = c->snd_nxt;
	}
	if (!c->deadline)
		tcp_deadline(c, c->rto);
}

static bool send_syn(struct tcp_conn *c)
{
	const struct net *n = c->tcp->net;
	unsigned ip = c->guest.addr.family == AF_INET ? IP4_HEADER : IP6_HEADER;
	struct segment s = {
		.from = &c->peer,
		.to = &c->guest,
		.seq = c->iss,
		.flags = TH_SYN,
		.mss = (uint16_t)(n->link_addr.mtu - ip - TCP_HEADER),
		.scale = TCP_RCV_SCALE,
	};

	if (c->phase == CONN_SYN_RCVD) {
		s.flags |= TH_ACK;
		s.ack = c->rcv_nxt;
		if (!c->rcv_scale)
			s.scale = -1;
	}
	s.window = advertise(c, false);
	if (!send_bare(c->tcp->net, &s))
		return false;
	told(c);
	sent(c, 1);
	return true;
}

/* How much data may go into the next segment; *last: it empties the ring. */
static size_t next_len(const struct tcp_conn *c, bool *last)
{
	uint32_t flight = c->snd_nxt - c->snd_una;
	uint32_t window = c->snd_wnd, unsent = tcp_unsent(c);
	size_t max = frame_payload_max(c), len = unsent;

	/* what may have been lost is sent again one frame at a time */
	if (c->recovering && window > max)
		window = (uint32_t)max;
	window = flight < window ? window - flight : 0;
	if (len > window)
		len = window;
	if (len > max)
		len = max;
	*last = len == unsent;
	/* no crumbs: the window will open further (RFC 9293 3.8.6.2.1) */
	if (len < unsent && len < c->mss && flight && len < c->max_wnd / 2)
		return 0;
	return len;
}

/* Data and FIN. false: there was no room for a frame that is due. */
static bool send_data(struct tcp_conn *c)
{
	for (;;) {
		bool last;
		size_t len = next_len(c, &last);
		bool fin = last && fin_unsent(c) &&
			   (len || c->snd_nxt - c->snd_una < c->snd_wnd ||
			    c->snd_nxt == c->snd_una);
		struct segment s = {
			.from = &c->peer,
			.to = &c->guest,
			.seq = c->snd_nxt,
			.ack = c->rcv_nxt,
			.flags = TH_ACK,
		};
		ssize_t done;

		if (!len && !fin)
			return true;
		if (last)
			s.flags |= TH_PUSH;
		if (fin)
			s.flags |= TH_FIN;
		s.window = advertise(c, true);
		done = send_segment(c, &s, len);
		if (done < 0)
			return false;
		fin = s.flags & TH_FIN;
		if (c->heard + TCP_ACK_LATE_MS >= tcp_now(c->tcp))
			c->talkative = true;
		told(c);
		if (fin && !c->rcv_fin)
			c->fin_first = true;
		sent(c, (uint32_t)done + fin);
	}
}

static bool send_ack(struct tcp_conn *c)
{
	struct segment s = {
		.from = &c->peer,
		.to = &c->guest,
		.seq = c->snd_nxt,
		.ack = c->rcv_nxt,
		.flags = TH_ACK,
		.window = advertise(c, true),
	};

	if (!send_bare(c->tcp->net, &s))
		return false;
	told(c);
	return true;
}

void tcp_output(struct tcp_conn *c)
{
	bool done = true;

	if (c->phase == CONN_PENDING || c->phase == CONN_DEAD)
		return;
	if (c->phase == CONN_SYN_SENT || c->phase == CONN_SYN_RCVD) {
		if (c->snd_nxt == c->iss)
			done = send_syn(c);
		if (done && c->phase == CONN_SYN_RCVD && c->ack_now)
			done = send_ack(c);
	} else {
		if (c->phase == CONN_SYNCED)
			done = send_data(c);
		if (done && c->ack_now)
			done = send_ack(c);
	}
	if (!done) {
		wait_for_room(c);
		return;
	}
	list_del(&c->in_blocked);
	/* nothing in flight and a closed window: ask when it opens */
	if (c->phase == CONN_SYNCED && !c->deadline &&
	    (tcp_unsent(c) || fin_unsent(c)))
		tcp_deadline(c, c->rto);
}

void tcp_go_back(struct tcp_conn *c)
{
	c->recovering = true;
	c->recover = c->snd_max;
	c->snd_nxt = c->snd_una;
	c->rtt_start = 0; /* Karn: nobody knows which one was answered */
	c->dup_acks = 0;
}

void tcp_probe(struct tcp_conn *c)
{
	/* a byte of the past, which cannot be taken but must be answered */
	struct segment s = {
		.from = &c->peer,
		.to = &c->guest,
		.seq = c->snd_una - 1,
		.ack = c->rcv_nxt,
		.flags = TH_ACK,
		.window = advertise(c, true),
	};

	(void)send_bare(c->tcp->net, &s);
}

void tcp_send_reset(struct tcp_conn *c)
{
	struct segment s = {
		.from = &c->peer,
		.to = &c->guest,
		.seq = c->snd_max,
		.ack = c->rcv_nxt,
		.flags = TH_RST | TH_ACK,
	};

	if (c->phase == CONN_SYN_SENT)
		return; /* the guest knows of nothing; its SYN-ACK is a stray */
	if (c->phase == CONN_PENDING)
		s.seq = 0;
	(void)send_bare(c->tcp->net, &s);
}

void tcp_reset_stray(struct tcp *t, const struct packet *p)
{
	struct net_endpoint from = { p->dst, p->tcp.dport };
	struct net_endpoint to = { p->src, p->tcp.sport };
	struct segment s = { .from = &from, .to = &to, .flags = TH_RST };

	if (p->tcp.flags & TH_RST)
		return;
	if (p->tcp.flags & TH_ACK) {
		s.seq = p->tcp.ack;
	} else {
		s.flags |= TH_ACK;
		s.ack = p->tcp.seq + (uint32_t)p->payload_len +
			!!(p->tcp.flags & TH_SYN) + !!(p->tcp.flags & TH_FIN);
	}
	(void)send_bare(t->net, &s);
}
