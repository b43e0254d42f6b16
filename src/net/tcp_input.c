/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments of the guest (RFC 9293 3.10.7, with the stricter answers of RFC 5961
 * to what an attacker might guess). Data goes from the frame to the owner, and
 * what he does not take at once into the connection's ring. Nothing is kept out
 * of order: the guest's link loses nothing, so what comes too early is
 * something odd, and will come again.
 */
#include <errno.h>

#include "base/iov.h"
#include "net/tcp_int.h"

#define SLICE 32 /* parts of a frame handed over at a time */

/* --- beginnings --- */

static bool is_first_syn(const struct packet *p)
{
	return (p->tcp.flags & (TH_SYN | TH_ACK | TH_RST | TH_FIN)) == TH_SYN;
}

static void take_options(struct tcp_conn *c, const struct packet *p)
{
	unsigned ip = c->guest.addr.family == AF_INET ? IP4_HEADER : IP6_HEADER;
	uint16_t most =
		(uint16_t)(c->tcp->net->link_addr.mtu - ip - TCP_HEADER);

	if (p->tcp.mss)
		c->mss = p->tcp.mss;
	/* a guest that asks for crumbs gets crumbs of a bearable size */
	if (c->mss < 64)
		c->mss = 64;
	if (c->mss > most)
		c->mss = most;
	if (p->tcp.wscale >= 0) {
		c->snd_scale = (uint8_t)p->tcp.wscale;
		c->rcv_scale = TCP_RCV_SCALE;
	} else {
		c->snd_scale = c->rcv_scale = 0;
	}
	c->irs = p->tcp.seq;
	c->rcv_nxt = c->rcv_adv = p->tcp.seq + 1;
	c->snd_wnd = c->max_wnd = p->tcp.window;
}

static void admit(struct tcp *t, const struct packet *p)
{
	struct net_endpoint guest = { p->src, p->tcp.sport };
	struct net_endpoint peer = { p->dst, p->tcp.dport };
	struct tcp_conn *c = NULL;

	if (p->tcp.sport && p->tcp.dport && tcp_may_grow(t))
		c = tcp_conn_new(t, &guest, &peer, false);
	if (!c) {
		tcp_reset_stray(t, p);
		return;
	}
	take_options(c, p);
	flow_admit(t->net, c);
}

/* A segment of a connection that is not answered yet. */
static void input_pending(struct tcp_conn *c, const struct packet *p)
{
	struct tcp *t = c->tcp;

	if (p->tcp.flags & TH_RST) {
		if (p->tcp.seq == c->rcv_nxt || p->tcp.seq == c->irs)
			tcp_conn_end(c, -ECONNRESET);
	} else if (is_first_syn(p) && p->tcp.seq != c->irs) {
		/* the old one was given up in silence, as Linux does */
		tcp_conn_end(c, -ECONNRESET);
		admit(t, p);
	}
}

static void become_established(struct tcp_conn *c)
{
	c->phase = CONN_SYNCED;
	c->snd_una = c->snd_nxt = c->iss + 1;
	c->tries = 0;
	c->rto = TCP_RTO_FIRST_MS;
	c->deadline = 0;
	c->recovering = false;
	tcp_work_later(c);
	if (c->ops)
		c->ops->established(c->owner, c);
}

/* The answer to our SYN. */
static void input_syn_sent(struct tcp_conn *c, const struct packet *p)
{
	uint8_t flags = p->tcp.flags;
	bool acks = flags & TH_ACK && p->tcp.ack == c->iss + 1;

	if (flags & TH_ACK && !acks) {
		tcp_reset_stray(c->tcp, p);
		return;
	}
	if (flags & TH_RST) {
		if (acks)
			tcp_conn_end(c, -ECONNREFUSED);
		return;
	}
	if (!acks || !(flags & TH_SYN))
		return;
	take_options(c, p);
	c->snd_wl1 = p->tcp.seq;
	c->snd_wl2 = p->tcp.ack;
	c->ack_now = true;
	become_established(c);
}

/* --- acknowledgments --- */

static void measure(struct tcp_conn *c, uint32_t rtt)
{
	int32_t diff;

	if (!c->srtt8) {
		c->srtt8 = rtt * 8;
		c->rttvar4 = rtt * 2;
	} else { /* RFC 6298 */
		diff = (int32_t)rtt - (int32_t)(c->srtt8 / 8);
		c->srtt8 += (uint32_t)diff;
		diff = (diff < 0 ? -diff : diff) - (int32_t)(c->rttvar4 / 4);
		c->rttvar4 += (uint32_t)diff;
	}
}

static void set_rto(struct tcp_conn *c)
{
	uint32_t slack =
		c->rttvar4 > TCP_RTO_MIN_MS ? c->rttvar4 : TCP_RTO_MIN_MS;

	c->rto = c->srtt8 / 8 + slack;
	if (c->rto > TCP_RTO_MAX_MS)
		c->rto = TCP_RTO_MAX_MS;
}

/* ack is new: snd_una < ack <= snd_max. */
static void acknowledged(struct tcp_conn *c, uint32_t ack)
{
	uint32_t n = ack - c->snd_una;

	if (c->rtt_start && seq_le(c->rtt_seq, ack)) {
		measure(c, (uint32_t)(tcp_now(c->tcp) - c->rtt_start));
		c->rtt_start = 0;
	}
	if (n > c->snd.used) {
		c->fin_acked = true;
		n = c->snd.used;
	}
	if (n)
		tcp_ring_drop(&c->snd, n);
	if (!c->snd.used)
		tcp_ring_put(&c->snd);
	c->snd_una = ack;
	if (seq_lt(c->snd_nxt, ack))
		c->snd_nxt = ack;
	if (c->recovering && seq_le(c->recover, ack))
		c->recovering = false;
	c->dup_acks = 0;
	set_rto(c);
	if (c->snd_una == c->snd_max)
		tcp_deadline_off(c);
	else
		tcp_deadline(c, c->rto);
}

/* The third repetition of an acknowledgment says that something is missing. */
static void repeated(struct tcp_conn *c)
{
	if (c->recovering || c->snd_una == c->snd_max || ++c->dup_acks < 3)
		return;
	tcp_go_back(c);
}

/* false: the segment says what cannot be, or is too old: no more of it. */
static bool input_ack(struct tcp_conn *c, const struct packet *p)
{
	uint32_t ack = p->tcp.ack;
	uint32_t wnd = (uint32_t)p->tcp.window << c->snd_scale;

	if (seq_lt(c->snd_max, ack) || seq_lt(ack, c->snd_una - c->max_wnd)) {
		c->ack_now = true;
		return false;
	}
	c->tries = 0;
	if (seq_lt(c->snd_una, ack))
		acknowledged(c, ack);
	else if (ack == c->snd_una && !p->payload_len && wnd == c->snd_wnd &&
		 !(p->tcp.flags & TH_FIN))
		repeated(c);
	if (seq_lt(c->snd_wl1, p->tcp.seq) ||
	    (c->snd_wl1 == p->tcp.seq && seq_le(c->snd_wl2, ack))) {
		c->snd_wnd = wnd;
		c->snd_wl1 = p->tcp.seq;
		c->snd_wl2 = ack;
		if (wnd > c->max_wnd)
			c->max_wnd = wnd;
	}
	return true;
}

/* The guest's answer to our SYN-ACK. */
static bool input_syn_rcvd(struct tcp_conn *c, const struct packet *p)
{
	if (p->tcp.ack != c->iss + 1 || c->snd_max == c->iss) {
		tcp_reset_stray(c->tcp, p);
		return false;
	}
	c->snd_wnd = (uint32_t)p->tcp.window << c->snd_scale;
	c->max_wnd = c->snd_wnd;
	c->snd_wl1 = p->tcp.seq;
	c->snd_wl2 = p->tcp.ack;
	if (c->rtt_start)
		measure(c, (uint32_t)(tcp_now(c->tcp) - c->rtt_start));
	c->rtt_start = 0;
	become_established(c);
	return c->phase == CONN_SYNCED;
}

/* --- data --- */

/* Into the ring; how much of it. */
static size_t keep(struct tcp_conn *c, const struct iovec *iov, unsigned n,
		   size_t off, size_t len)
{
	struct iovec to[2];
	size_t space, first;

	if (!c->rcv.mem && !tcp_ring_get_rcv(c))
		return 0;
	space = tcp_ring_free(&c->rcv, to);
	if (len > space)
		len = space;
	first = to[0].iov_len < len ? to[0].iov_len : len;
	(void)iov_read(iov, n, off, to[0].iov_base, first);
	(void)iov_read(iov, n, off + first, to[1].iov_base, len - first);
	c->rcv.used += (uint32_t)len;
	return len;
}

/* What the owner takes of it at once, straight from the guest's memory. */
static size_t offer(struct tcp_conn *c, const struct packet *p, size_t off,
		    size_t len)
{
	size_t done = 0;

	while (done < len && c->ops && !c->rcv.used) {
		struct iovec part[SLICE];
		unsigned n = iov_slice(p->iov, p->niov, off + done, len - done,
				       part, SLICE);
		size_t want = iov_len(part, n), got;

		got = c->ops->data(c->owner, c, part, n, want);
		done += got;
		if (got < want)
			break;
	}
	return done;
}

/*
 * When to acknowledge what just came, len bytes of it in one frame. A stream is
 * acknowledged now and then, for the guest counts bytes, not segments. A few
 * bytes that are usually answered wait for the answer. Everything else is
 * acknowledged at once: a guest that fills its first windows, or does not send
 * small segments before the last one has arrived, is not to wait.
 */
static void choose_ack(struct tcp_conn *c, uint32_t len)
{
	uint32_t due = c->rcv_size / 4 < TCP_ACK_AFTER ? c->rcv_size / 4
						       : TCP_ACK_AFTER;
	uint64_t now = tcp_now(c->tcp);
	bool may_wait;

	if (now - c->heard > TCP_STREAM_GAP_MS)
		c->streamed = 0;
	c->heard = now;
	if (c->streamed < TCP_STREAM_BEGINS)
		c->streamed += len;
	may_wait = len >= TCP_ACK_BULK ? c->streamed >= TCP_STREAM_BEGINS
				       : c->talkative;
	if (may_wait && c->rcv_nxt - c->acked < due)
		c->ack_late = true;
	else
		c->ack_now = true;
}

/* len bytes at off of the frame are next in order and in the window. */
static void input_data(struct tcp_conn *c, const struct packet *p, size_t off,
		       size_t len)
{
	bool joined = false;
	size_t done = 0;

	if (!c->ops) {
		c->ack_now = true;
		c->rcv_nxt += (uint32_t)len;
		return;
	}
	if (!c->rcv.used)
		done = offer(c, p, off, len);
	else
		joined = true;
	if (c->phase == CONN_DEAD)
		return;
	if (!c->ops)
		done = len;
	else if (done < len)
		done += keep(c, p->iov, p->niov, off + done, len - done);
	c->rcv_nxt += (uint32_t)done;
	if (done < len)
		c->ack_now = true;
	else
		choose_ack(c, (uint32_t)len);
	if (joined)
		(void)c->ops->data(c->owner, c, NULL, 0, 0);
}

static void input_fin(struct tcp_conn *c)
{
	c->rcv_fin = true;
	c->rcv_nxt++;
	c->rcv_adv = c->rcv_nxt;
	c->ack_late = true; /* the owner is told when the batch ends */
}

/* The part of the segment that is new and in the window. */
static void input_text(struct tcp_conn *c, const struct packet *p)
{
	uint32_t old = c->rcv_nxt - p->tcp.seq;
	uint32_t room = c->rcv_adv - c->rcv_nxt;
	size_t len = p->payload_len, off = p->payload_off;
	bool fin = p->tcp.flags & TH_FIN;

	if (c->rcv_fin) {
		if (len || fin)
			c->ack_now = true;
		return;
	}
	if (seq_lt(c->rcv_nxt, p->tcp.seq)) {
		c->ack_now = true; /* something is missing before it */
		return;
	}
	off += old; /* at most all of it, or it were not acceptable */
	len -= old;
	if (len > room) {
		len = room;
		fin = false;
		c->ack_now = true;
	}
	if (len) {
		uint32_t before = c->rcv_nxt;

		input_data(c, p, off, len);
		if (c->phase == CONN_DEAD)
			return;
		if (c->rcv_nxt - before < len)
			fin = false;
	} else if (p->payload_len) {
		c->ack_now = true;
	}
	if (fin)
		input_fin(c);
}

/* RFC 9293, table 6; the edge itself is let in for windows of nothing. */
static bool acceptable(const struct tcp_conn *c, const struct packet *p)
{
	uint32_t len = (uint32_t)p->payload_len + !!(p->tcp.flags & TH_SYN) +
		       !!(p->tcp.flags & TH_FIN);
	uint32_t seq = p->tcp.seq;

	if (seq == c->rcv_nxt)
		return true;
	if (seq_lt(c->rcv_nxt, seq))
		return seq_lt(seq, c->rcv_adv);
	return seq_lt(c->rcv_nxt, seq + len);
}

static void input_synced(struct tcp_conn *c, const struct packet *p)
{
	uint8_t flags = p->tcp.flags;

	if (!acceptable(c, p)) {
		if (flags & TH_RST)
			return;
		/* also the answer to keep-alive probes */
		c->ack_now = true;
		if (c->phase == CONN_SYN_RCVD && p->tcp.seq == c->irs)
			c->snd_nxt = c->iss; /* say it once more */
		/* a window may have opened in spite of it all */
		if (c->phase == CONN_SYNCED && flags & TH_ACK &&
		    !(flags & TH_SYN) && p->tcp.seq + 1 == c->rcv_nxt)
			(void)input_ack(c, p);
		return;
	}
	if (flags & TH_RST) {
		if (p->tcp.seq == c->rcv_nxt)
			tcp_conn_end(c, -ECONNRESET);
		else
			c->ack_now = true; /* RFC 5961 3.2 */
		return;
	}
	if (flags & TH_SYN) {
		c->ack_now = true; /* RFC 5961 4.2 */
		return;
	}
	if (!(flags & TH_ACK))
		return;
	if (c->phase == CONN_SYN_RCVD ? input_syn_rcvd(c, p)
	    : c->phase == CONN_SYNCED ? input_ack(c, p)
				      : true)
		input_text(c, p);
}

static bool may_begin_anew(const struct tcp_conn *c, const struct packet *p)
{
	return c->phase == CONN_TIME_WAIT && is_first_syn(p) &&
	       seq_lt(c->rcv_nxt, p->tcp.seq);
}

void tcp_input(struct tcp *t, const struct packet *p)
{
	struct net_endpoint guest = { p->src, p->tcp.sport };
	struct net_endpoint peer = { p->dst, p->tcp.dport };
	struct tcp_conn *c = tcp_find(t, &guest, &peer);

	if (c && may_begin_anew(c, p)) {
		tcp_conn_end(c, 0);
		c = NULL;
	}
	if (!c) {
		if (is_first_syn(p))
			admit(t, p);
		else
			tcp_reset_stray(t, p);
		return;
	}
	if (c->phase == CONN_PENDING) {
		input_pending(c, p);
		return;
	}
	if (c->phase == CONN_SYN_SENT)
		input_syn_sent(c, p);
	else
		input_synced(c, p);
	if (c->phase != CONN_DEAD)
		tcp_work_later(c);
}

void tcp_input_end(struct tcp *t)
{
	while (!list_empty(&t->work)) {
		struct tcp_conn *c =
			container_of(t->work.next, struct tcp_conn, in_work);

		list_del(&c->in_work);
		tcp_tell_fin(c);
		tcp_tell_space(c);
		tcp_output(c);
		if (c->ack_late && c->phase != CONN_DEAD)
			tcp_ack_later(c);
		tcp_settle(c);
	}
}
