/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS over TLS (RFC 7858): the guest's TLS ends here, and its questions go the
 * way of all others. It sees a leaf for the name it asked for, or for the
 * address it dialed.
 */
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/iov.h"
#include "net/tls/session_int.h"

/* A query with its length, and the beginning of the next. */
#define IN_MAX 8192u

struct dot {
	struct tls_proxy *proxy;
	struct guest_tls guest;
	struct dns_stream *stream; /* NULL during the handshake */
	struct timer timer;	   /* of the handshake */
	struct deferred work;
	bool fin;    /* the guest asks no more, and the stream knows */
	bool failed; /* to be ended as soon as nobody stands in it */
	char name[NET_NAME_MAX + 1];
	struct buf in; /* plaintext the stream has not consumed */
};

static void on_work(struct deferred *d);

static void dot_free(struct dot *d)
{
	loop_timer_cancel(&d->timer);
	loop_defer_cancel(&d->work);
	if (d->stream)
		dns_stream_close(d->stream);
	guest_tls_close(&d->guest);
	buf_fini(&d->in);
	free(d);
}

/* What is written for the guest goes out, then the connection ends. */
static void part(struct dot *d)
{
	struct tcp_conn *c = d->guest.conn;

	guest_tls_flush(&d->guest);
	dot_free(d);
	tcp_abandon(c);
}

static void schedule(struct dot *d)
{
	loop_defer(d->proxy->net->loop, &d->work, on_work);
}

/* --- the stream's carrier --- */

/* Read ahead, as far as there is room. */
static void fill(struct dot *d)
{
	int n = 1;

	ERR_clear_error();
	while (n > 0 && !d->fin && !d->failed && buf_len(&d->in) < IN_MAX) {
		size_t room = IN_MAX - buf_len(&d->in);
		uint8_t *p = buf_reserve(&d->in, room);

		n = p ? SSL_read(d->guest.ssl, p, (int)room) : -1;
		if (n > 0) {
			buf_commit(&d->in, (size_t)n);
			continue;
		}
		switch (SSL_get_error(d->guest.ssl, n)) {
		case SSL_ERROR_WANT_READ:
		case SSL_ERROR_WANT_WRITE:
			break;
		case SSL_ERROR_ZERO_RETURN:
			d->fin = true;
			dns_stream_fin(d->stream);
			break;
		default:
			d->failed = true;
			schedule(d);
			break;
		}
	}
}

static size_t dot_peek(void *carrier, struct iovec ret[2])
{
	struct dot *d = carrier;

	fill(d);
	ret[0] = (struct iovec){ (void *)buf_data(&d->in), buf_len(&d->in) };
	ret[1] = (struct iovec){ 0 };
	return ret[0].iov_len;
}

static void dot_consume(void *carrier, size_t n)
{
	buf_consume(&((struct dot *)carrier)->in, n);
}

static size_t dot_send(void *carrier, const struct iovec *data, unsigned n)
{
	struct dot *d = carrier;
	uint8_t *record = d->proxy->scratch;
	size_t room = guest_tls_room(&d->guest), len = 0;

	if (room > TLS_RECORD_MORE && !d->failed) {
		room -= TLS_RECORD_MORE;
		len = iov_read(data, n, 0, record,
			       room < TLS_SCRATCH ? room : TLS_SCRATCH);
	}
	ERR_clear_error();
	if (len && SSL_write(d->guest.ssl, record, (int)len) != (int)len) {
		d->failed = true; /* there was room for all of it */
		schedule(d);
	}
	guest_tls_flush(&d->guest);
	return len;
}

static void dot_end(void *carrier, bool rude)
{
	struct dot *d = carrier;
	struct tcp_conn *c = d->guest.conn;

	d->stream = NULL; /* it goes by itself */
	if (rude) {
		guest_tls_flush(&d->guest);
		dot_free(d);
		tcp_reset(c);
		return;
	}
	ERR_clear_error();
	(void)SSL_shutdown(d->guest.ssl);
	part(d);
}

static const struct dns_carrier_ops carrier_ops = {
	.peek = dot_peek,
	.consume = dot_consume,
	.send = dot_send,
	.end = dot_end,
};

/* --- the connection --- */

static void greeted(struct dot *d)
{
	const struct dns_carrier from = {
		.ops = &carrier_ops,
		.carrier = d,
		.server_name = d->name,
		.guest = *tcp_guest_end(d->guest.conn),
		.asked = *tcp_peer_end(d->guest.conn),
	};

	loop_timer_cancel(&d->timer);
	guest_tls_flush(&d->guest);
	d->stream = dns_stream_open(d->proxy->net, &from);
	if (d->stream)
		dns_stream_wake(d->stream);
	else
		part(d);
}

static void greet(struct dot *d)
{
	const char *reason;
	int rc;

	ERR_clear_error();
	rc = SSL_do_handshake(d->guest.ssl);
	if (rc == 1) {
		greeted(d);
		return;
	}
	rc = SSL_get_error(d->guest.ssl, rc);
	if (rc == SSL_ERROR_WANT_READ || rc == SSL_ERROR_WANT_WRITE) {
		guest_tls_flush(&d->guest);
		return;
	}
	reason = ERR_reason_error_string(ERR_peek_error());
	tls_blocked(d->proxy, d->guest.conn, d->name,
		    reason ? reason : "the guest ended its TLS handshake");
	part(d);
}

static void on_work(struct deferred *w)
{
	struct dot *d = container_of(w, struct dot, work);

	if (d->failed)
		part(d);
	else if (d->stream)
		dns_stream_wake(d->stream);
	else
		greet(d);
}

static void on_timer(struct timer *t)
{
	struct dot *d = container_of(t, struct dot, timer);

	tls_blocked(d->proxy, d->guest.conn, d->name,
		    "the guest's TLS handshake takes too long");
	part(d);
}

static void on_established(void *owner, struct tcp_conn *c)
{
	(void)owner; /* it was, before it came here */
	(void)c;
}

static size_t on_data(void *owner, struct tcp_conn *c, const struct iovec *iov,
		      unsigned n, size_t len)
{
	(void)c;
	(void)iov;
	(void)n;
	(void)len;
	schedule(owner); /* it is read from the ring */
	return 0;
}

static void on_fin(void *owner, struct tcp_conn *c)
{
	struct dot *d = owner;

	(void)c;
	d->guest.fin = true;
	schedule(d);
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
	dot_free(owner);
}

static const struct tcp_owner_ops dot_ops = {
	.established = on_established,
	.data = on_data,
	.fin = on_fin,
	.space = on_space,
	.closed = on_closed,
};

void dot_start(struct tls_proxy *p, struct tcp_conn *c, const char *name)
{
	struct dot *d = p->terminated ? NULL : calloc(1, sizeof(*d));
	char addr[NET_ADDR_TEXT];
	int rc;

	if (!d) {
		tcp_reset(c);
		return;
	}
	d->proxy = p;
	buf_init(&d->in, IN_MAX);
	if (!*name)
		name = net_addr_text(&tcp_peer_end(c)->addr, addr);
	(void)snprintf(d->name, sizeof(d->name), "%s", name);
	rc = guest_tls_open(&d->guest, p, c, NULL);
	if (!rc)
		rc = tls_leaf_use(p->leaves, d->name,
				  (int64_t)(clock_wall_ns() / NSEC_PER_SEC),
				  d->guest.ssl);
	if (rc == -EINVAL)
		tls_blocked(p, c, d->name,
			    "no certificate can carry this name");
	if (rc) {
		dot_free(d);
		tcp_reset(c);
		return;
	}
	tcp_set_owner(c, &dot_ops, d);
	loop_timer(p->net->loop, &d->timer, TLS_HANDSHAKE_MS, on_timer);
	greet(d);
}
