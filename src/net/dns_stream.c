/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS over TCP (RFC 7766): queries one after another on a connection, each with
 * its length in front, several of them outstanding, answered as answers come.
 * The same over TLS (RFC 7858), where somebody else carries the bytes.
 *
 * What arrives stays in the connection's own ring until a query is complete and
 * there is room to deal with it; a guest that asks faster than it reads, or
 * than servers answer, so finds its window closed.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/iov.h"
#include "net/dns_int.h"

#define IDLE_MS 30000
#define PREFIX 2u
/* Queries of one connection that wait for servers. */
#define MAX_PENDING 16u
/* Queries dealt with before others on the loop get their turn. */
#define BATCH 32u

struct dns_stream {
	struct dns *dns;
	const struct dns_carrier_ops *ops;
	void *carrier;
	const char *server_name; /* of TLS, the carrier's; NULL: none */
	struct net_endpoint guest, asked;
	struct list link, waiting;
	struct timer idle;
	struct deferred work;
	unsigned pending;
	bool fin;	/* the guest will ask no more */
	bool broken;	/* to be reset as soon as nobody stands in it */
	struct buf out; /* answers that found no room in the connection */
};

static void on_work(struct deferred *w);

static void stream_free(struct dns_stream *s)
{
	struct dns *d = s->dns;

	dns_forget(d, s);
	loop_timer_cancel(&s->idle);
	loop_defer_cancel(&s->work);
	list_del(&s->link);
	list_del(&s->waiting);
	d->backlog -= buf_len(&s->out);
	buf_fini(&s->out);
	free(s);
	dns_streams_resume(d);
}

static void stream_reset(struct dns_stream *s)
{
	s->ops->end(s->carrier, true);
	stream_free(s);
}

/* Everything was said: the connection sends what it has, and ends. */
static void stream_end(struct dns_stream *s)
{
	s->ops->end(s->carrier, false);
	stream_free(s);
}

static void schedule(struct dns_stream *s)
{
	loop_defer(s->dns->net->loop, &s->work, on_work);
}

static void on_idle(struct timer *t)
{
	struct dns_stream *s = container_of(t, struct dns_stream, idle);

	if (buf_len(&s->out)) /* it does not read what it asked for */
		stream_reset(s);
	else
		stream_end(s);
}

/* It is not idle while servers are being asked: they have their time-outs. */
static void touch(struct dns_stream *s)
{
	if (s->pending)
		loop_timer_cancel(&s->idle);
	else
		loop_timer(s->dns->net->loop, &s->idle, IDLE_MS, on_idle);
}

/* --- answers --- */

static void flush(struct dns_stream *s)
{
	const struct iovec data = { (void *)buf_data(&s->out),
				    buf_len(&s->out) };
	size_t n;

	if (!data.iov_len)
		return;
	n = s->ops->send(s->carrier, &data, 1);
	buf_consume(&s->out, n);
	s->dns->backlog -= n;
	if (n)
		touch(s);
}

static void keep(struct dns_stream *s, const uint8_t *data, size_t len)
{
	struct dns *d = s->dns;

	if (d->backlog + len > DNS_STREAM_BACKLOG ||
	    buf_append(&s->out, data, len)) {
		s->broken = true;
		schedule(s);
		return;
	}
	d->backlog += len;
}

void dns_stream_answer(struct dns_stream *s, const uint8_t *msg, size_t len)
{
	uint8_t prefix[PREFIX];
	const struct iovec data[] = { { prefix, PREFIX },
				      { (void *)msg, len } };
	size_t head = 0, n = 0;

	be16_put(prefix, (uint16_t)len);
	if (!buf_len(&s->out)) {
		n = s->ops->send(s->carrier, data, 2);
		head = n < PREFIX ? n : PREFIX;
		n -= head;
	}
	if (head < PREFIX)
		keep(s, prefix + head, PREFIX - head);
	if (n < len && !s->broken)
		keep(s, msg + n, len - n);
}

void dns_stream_done(struct dns_stream *s)
{
	s->pending--;
	touch(s);
	schedule(s);
}

/* --- queries --- */

/* Deal with the first query that has arrived. 1; 0: it is not complete, or must
 * wait; -EMSGSIZE. */
static int take_query(struct dns_stream *s)
{
	struct dns *d = s->dns;
	struct dns_asker who = {
		.guest = s->guest,
		.asked = s->asked,
		.stream = s,
		.tls_name = s->server_name,
	};
	struct iovec iov[2] = { { 0 }, { 0 } };
	uint8_t prefix[PREFIX];
	size_t have = s->ops->peek(s->carrier, iov), len;
	int rc;

	if (have < PREFIX)
		return 0;
	(void)iov_read(iov, 2, 0, prefix, PREFIX);
	len = be16_get(prefix);
	if (len > sizeof(d->in))
		return -EMSGSIZE;
	if (have < PREFIX + len)
		return 0;
	(void)iov_read(iov, 2, PREFIX, d->in, len);
	rc = dns_ask(d, &who, d->in, len);
	if (rc < 0) {
		list_del(&s->waiting);
		list_add_tail(&d->waiting, &s->waiting);
		return 0;
	}
	s->ops->consume(s->carrier, PREFIX + len);
	s->pending += (unsigned)rc;
	touch(s);
	return 1;
}

static void on_work(struct deferred *w)
{
	struct dns_stream *s = container_of(w, struct dns_stream, work);
	struct dns *d = s->dns;
	unsigned n = 0;
	int rc = 1;

	list_del(&s->waiting);
	flush(s);
	while (!s->broken && rc > 0 && n++ < BATCH && !buf_len(&s->out) &&
	       s->pending < MAX_PENDING)
		rc = take_query(s);
	if (s->broken || rc < 0)
		stream_reset(s);
	else if (s->fin && !rc && list_empty(&s->waiting) && !s->pending &&
		 !buf_len(&s->out))
		stream_end(s);
	else if (rc > 0 && n > BATCH)
		schedule(s);
	if (!dns_is_busy(d))
		dns_streams_resume(d);
}

void dns_streams_resume(struct dns *d)
{
	struct dns_stream *s;

	if (list_empty(&d->waiting))
		return;
	s = container_of(d->waiting.next, struct dns_stream, waiting);
	list_del(&s->waiting);
	schedule(s);
}

/* --- who carries it --- */

struct dns_stream *dns_stream_open(struct net *n,
				   const struct dns_carrier *from)
{
	struct dns_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->dns = n->dns;
	s->ops = from->ops;
	s->carrier = from->carrier;
	s->server_name = from->server_name;
	s->guest = from->guest;
	s->asked = from->asked;
	buf_init(&s->out, DNS_STREAM_BACKLOG);
	list_init(&s->waiting);
	list_add_tail(&n->dns->streams, &s->link);
	touch(s);
	return s;
}

void dns_stream_wake(struct dns_stream *s)
{
	schedule(s);
}

void dns_stream_fin(struct dns_stream *s)
{
	s->fin = true;
	schedule(s);
}

void dns_stream_close(struct dns_stream *s)
{
	stream_free(s);
}

void dns_streams_stop(struct dns *d)
{
	while (!list_empty(&d->streams))
		stream_reset(
			container_of(d->streams.next, struct dns_stream, link));
}

/* --- an ordinary connection: it is itself the carrier --- */

static size_t conn_peek(void *carrier, struct iovec ret[2])
{
	return tcp_peek(carrier, ret);
}

static void conn_consume(void *carrier, size_t n)
{
	tcp_consume(carrier, n);
}

static size_t conn_send(void *carrier, const struct iovec *data, unsigned n)
{
	struct iovec to[2];
	size_t space = tcp_space(carrier, to), done = 0;

	for (unsigned i = 0; i < n && done < space; i++) {
		size_t len = data[i].iov_len;

		if (len > space - done)
			len = space - done;
		(void)iov_write(to, 2, done, data[i].iov_base, len);
		done += len;
	}
	tcp_commit(carrier, done);
	return done;
}

static void conn_end(void *carrier, bool rude)
{
	if (rude)
		tcp_reset(carrier);
	else
		tcp_abandon(carrier);
}

static const struct dns_carrier_ops conn_ops = {
	.peek = conn_peek,
	.consume = conn_consume,
	.send = conn_send,
	.end = conn_end,
};

static void on_established(void *owner, struct tcp_conn *c)
{
	(void)c;
	touch(owner);
}

static size_t on_data(void *owner, struct tcp_conn *c, const struct iovec *iov,
		      unsigned n, size_t len)
{
	(void)c;
	(void)iov;
	(void)n;
	(void)len;
	schedule(owner); /* it is looked at in the ring */
	return 0;
}

static void on_fin(void *owner, struct tcp_conn *c)
{
	(void)c;
	dns_stream_fin(owner);
}

static void on_space(void *owner, struct tcp_conn *c)
{
	(void)c;
	schedule(owner);
}

static void on_closed(void *owner, struct tcp_conn *c, int error)
{
	(void)c;
	(void)error;
	stream_free(owner);
}

static const struct tcp_owner_ops stream_ops = {
	.established = on_established,
	.data = on_data,
	.fin = on_fin,
	.space = on_space,
	.closed = on_closed,
};

void dns_stream_start(struct net *n, struct tcp_conn *c)
{
	const struct dns_carrier from = {
		.ops = &conn_ops,
		.carrier = c,
		.guest = *tcp_guest_end(c),
		.asked = *tcp_peer_end(c),
	};
	struct dns_stream *s = dns_stream_open(n, &from);

	if (!s) {
		tcp_reset(c);
		return;
	}
	tcp_set_owner(c, &stream_ops, s);
	tcp_accept(c);
}
