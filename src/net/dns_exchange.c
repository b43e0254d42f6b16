/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A query on its way to servers. Each attempt has a socket of its own,
 * connected, with a port the kernel picks at random, and a random id: an answer
 * must come from that server, to that port, with that id and that question.
 */
#include "net/dns_exchange.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "net/dns_answer.h"

/* Datagrams looked at before others on the loop get their turn. */
#define BATCH 16

static void try_server(struct dns_exchange *x);
static void on_socket(struct watch *w, uint32_t events);

static void close_attempt(struct dns_exchange *x)
{
	loop_timer_cancel(&x->timer);
	loop_unwatch(&x->watch);
	if (x->wire)
		x->wires->wire_close(x->wire);
	x->wire = NULL;
	if (x->open)
		close_fd(&x->fd);
	x->open = x->asked = false;
	free(take_ptr(x->answer));
	x->sent = x->got = 0;
}

void dns_exchange_cancel(struct dns_exchange *x)
{
	close_attempt(x);
}

static void finish(struct dns_exchange *x, uint8_t *answer, size_t len)
{
	autofree uint8_t *kept = take_ptr(x->answer);

	close_attempt(x);
	x->done(x, answer, len);
}

static void next_server(struct dns_exchange *x)
{
	close_attempt(x);
	x->at++;
	try_server(x);
}

static void on_timer(struct timer *t)
{
	next_server(container_of(t, struct dns_exchange, timer));
}

static int choose_id(struct dns_exchange *x)
{
	uint8_t id[2];

	/* so few bytes are never given in part */
	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return -errno;
	memcpy(x->query, id, sizeof(id));
	return 0;
}

static int open_socket(struct dns_exchange *x)
{
	const struct dns_server *s = &x->servers[x->at];
	struct sockaddr_storage addr;
	socklen_t len = net_endpoint_to_sockaddr(&s->end, &addr);
	int type = x->tcp ? SOCK_STREAM : SOCK_DGRAM;

	if (addr.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&addr)->sin6_scope_id = s->scope;
	x->fd = socket(addr.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (x->fd < 0)
		return -errno;
	x->open = true;
	if (connect(x->fd, (struct sockaddr *)&addr, len) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return 0;
}

static int send_datagram(struct dns_exchange *x)
{
	return send(x->fd, x->query, x->len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int open_wire(struct dns_exchange *x)
{
	x->wire = x->wires->wire_open(x->tls, x->fd, &x->servers[x->at].end,
				      x->tls_name);
	return x->wire ? 0 : -ENOMEM;
}

static int begin(struct dns_exchange *x)
{
	int rc = choose_id(x);

	if (!rc)
		rc = open_socket(x);
	if (!rc && x->wires)
		rc = open_wire(x);
	if (!rc && !x->tcp)
		rc = send_datagram(x);
	if (!rc)
		rc = loop_watch(x->loop, &x->watch, x->fd,
				x->tcp ? EPOLLOUT : EPOLLIN, on_socket);
	return rc;
}

static void try_server(struct dns_exchange *x)
{
	if (x->at >= x->nservers) {
		finish(x, NULL, 0);
		return;
	}
	/* what fails at once goes on by the timer, not by recursion */
	loop_timer(x->loop, &x->timer, begin(x) ? 0 : x->timeout_ms, on_timer);
}

void dns_exchange_start(struct dns_exchange *x)
{
	x->at = 0;
	x->fd = -1;
	if (x->nservers)
		try_server(x);
	else
		loop_timer(x->loop, &x->timer, 0, on_timer);
}

void dns_exchange_repeat(struct dns_exchange *x)
{
	/* a failure shows on the socket, or as silence */
	if (!x->tcp && x->open)
		(void)send_datagram(x);
}

/* --- UDP --- */

static void read_datagrams(struct dns_exchange *x)
{
	for (unsigned i = 0; i < BATCH; i++) {
		ssize_t n = recv(x->fd, x->scratch, DNS_MAX_MSG, 0);
		int len;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			next_server(x);
			return;
		}
		len = dns_answer_check(x->query, x->len, x->scratch, (size_t)n);
		if (len < 0) {
			next_server(x);
			return;
		}
		if (len > 0) {
			finish(x, x->scratch, (size_t)len);
			return;
		}
	}
}

/* --- TCP, and TLS on it --- */

static ssize_t wire_write(struct dns_exchange *x, const struct iovec *iov)
{
	const struct iovec *first = iov[0].iov_len ? iov : iov + 1;
	uint8_t *whole = x->scratch; /* of 65535, which a query is not */
	size_t n = iov[0].iov_len + iov[1].iov_len;

	if (first != iov)
		return x->wires->wire_send(x->wire, first->iov_base, n);
	memcpy(whole, iov[0].iov_base, iov[0].iov_len);
	memcpy(whole + iov[0].iov_len, iov[1].iov_base, iov[1].iov_len);
	return x->wires->wire_send(x->wire, whole, n);
}

static ssize_t stream_send(struct dns_exchange *x, struct iovec iov[2])
{
	const struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (x->wire)
		return wire_write(x, iov);
	n = sendmsg(x->fd, &m, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

static ssize_t stream_recv(struct dns_exchange *x, void *to, size_t len)
{
	ssize_t n;

	if (x->wire)
		return x->wires->wire_recv(x->wire, to, len);
	n = recv(x->fd, to, len, 0);
	return n < 0 ? -errno : n;
}

/* Wait for what the socket, or TLS on it, wants now. */
static int await(struct dns_exchange *x, uint32_t events)
{
	return loop_rewatch(&x->watch,
			    x->wire ? x->wires->wire_waits(x->wire) : events);
}

/* 0 when all is sent, -EAGAIN, or another error. */
static int write_query(struct dns_exchange *x)
{
	uint8_t prefix[2];
	struct iovec iov[2];
	ssize_t n;

	be16_put(prefix, (uint16_t)x->len);
	while (x->sent < sizeof(prefix) + x->len) {
		bool started = x->sent >= sizeof(prefix);
		size_t head = started ? 0 : sizeof(prefix) - x->sent;
		size_t body = started ? x->sent - sizeof(prefix) : 0;

		iov[0].iov_base = prefix + sizeof(prefix) - head;
		iov[0].iov_len = head;
		iov[1].iov_base = x->query + body;
		iov[1].iov_len = x->len - body;
		n = stream_send(x, iov);
		if (n < 0)
			return (int)n;
		x->sent += (size_t)n;
	}
	return 0;
}

/* 1 when the answer is complete, 0 when something came, or an error. */
static int read_some(struct dns_exchange *x)
{
	size_t head = sizeof(x->prefix), want;
	uint8_t *to;
	ssize_t n;

	if (x->got < head) {
		to = x->prefix + x->got;
		want = head - x->got;
	} else {
		to = x->answer + (x->got - head);
		want = be16_get(x->prefix) - (x->got - head);
	}
	n = stream_recv(x, to, want);
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	x->got += (size_t)n;
	if (x->got == head) {
		if (be16_get(x->prefix) < DNS_HEADER)
			return -EBADMSG;
		x->answer = malloc(be16_get(x->prefix));
		if (!x->answer)
			return -ENOMEM;
	}
	return x->got >= head && x->got == head + be16_get(x->prefix);
}

static void read_stream(struct dns_exchange *x)
{
	int rc, len;

	do
		rc = read_some(x);
	while (!rc);
	if ((rc == -EAGAIN || rc == -EINTR) && !await(x, EPOLLIN))
		return;
	len = rc < 0 ? rc
		     : dns_answer_check(x->query, x->len, x->answer,
					be16_get(x->prefix));
	/* on a connection of its own there is nobody else's answer */
	if (len <= 0)
		next_server(x);
	else
		finish(x, x->answer, (size_t)len);
}

static void write_stream(struct dns_exchange *x)
{
	int rc = write_query(x);

	if ((rc == -EAGAIN || rc == -EINTR) && !await(x, EPOLLOUT))
		return;
	if (!rc)
		rc = loop_rewatch(&x->watch, EPOLLIN);
	if (rc) {
		next_server(x);
		return;
	}
	x->asked = true;
	if (x->wire) /* the answer may have been read with the handshake */
		read_stream(x);
}

static void on_socket(struct watch *w, uint32_t events)
{
	struct dns_exchange *x = container_of(w, struct dns_exchange, watch);

	(void)events; /* errors show in what is tried next */
	if (!x->tcp)
		read_datagrams(x);
	else if (!x->asked)
		write_stream(x);
	else
		read_stream(x);
}
