/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection of the guest and a socket of the host, joined. Sockets are
 * watched for edges, in both directions from the beginning: what is readable
 * and writable is remembered here until a system call says otherwise, so that
 * no packet costs a change of the watch.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/net_int.h"

#define WATCHED (EPOLLIN | EPOLLOUT | EPOLLRDHUP | (uint32_t)EPOLLET)
/* Read at a time: it is sent while it is still in the caches. */
#define READ_MAX (256u << 10)
/* So long a guest may take to say what kind of connection it wants. */
#define UNCLEAR_MS 5000u

struct splice {
	struct net *net;
	struct tcp_conn *conn;
	struct watch watch;
	int fd;
	struct net_endpoint to; /* as the host dials it */
	void (*done)(void *ctx);
	void *done_ctx;
	bool dialing;
	bool other_family; /* the other loopback may be tried, too */
	bool up;	   /* the guest's side is established */
	bool held;	   /* nothing of the guest's is sent yet */
	bool unclear;	   /* the same: interception may want it */
	bool wanted;	   /* it does */
	bool readable, writable;
	bool ended;	 /* the host said its last */
	bool hung_up;	 /* an end may follow what is read */
	bool guest_done; /* the guest did, and the host knows */
	int error;	 /* why the host's side ended, if not in order */
	struct deferred look;
	struct timer patience; /* while unclear */
};

static void on_host(struct watch *w, uint32_t events);
static void on_look(struct deferred *d);

static void splice_free(struct splice *s, bool rude)
{
	dial_hang_up(&s->watch, &s->fd, rude);
	loop_defer_cancel(&s->look);
	loop_timer_cancel(&s->patience);
	if (s->done)
		s->done(s->done_ctx);
	free(s);
}

/* The host's side is lost, and the guest is to know. */
static void broken(struct splice *s)
{
	struct tcp_conn *c = s->conn;

	splice_free(s, true);
	tcp_reset(c);
}

/* Nobody but us wants this connection. */
static void settle(struct splice *s)
{
	s->unclear = false;
	loop_timer_cancel(&s->patience);
	loop_defer(s->net->loop, &s->look, on_look);
}

/* --- host to guest --- */

/* Nothing more comes from the host. false: the splice is gone. */
static bool host_ended(struct splice *s, int error)
{
	s->ended = true;
	if (!s->error)
		s->error = error;
	if (!s->error)
		tcp_finish(s->conn);
	if (!s->error || !tcp_drained(s->conn))
		return true; /* what was said before the error comes first */
	broken(s);
	return false;
}

/* false: the splice is gone. */
static bool pump_to_guest(struct splice *s)
{
	while (s->up && s->readable && !s->ended) {
		struct iovec iov[2];
		struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
		size_t space = tcp_space(s->conn, iov), want;
		ssize_t n;
		int error;

		if (!space)
			return true; /* on_space() goes on */
		want = space < READ_MAX ? space : READ_MAX;
		if (iov[0].iov_len > want)
			iov[0].iov_len = want;
		iov[1].iov_len = want - iov[0].iov_len;
		do
			n = recvmsg(s->fd, &m, MSG_DONTWAIT);
		while (n < 0 && errno == EINTR);
		error = n < 0 && errno != EAGAIN ? -errno : 0;
		tcp_commit(s->conn, n > 0 ? (size_t)n : 0);
		if (s->unclear && n >= 0) /* the server speaks first */
			settle(s);
		if (n == 0 || error)
			return host_ended(s, error);
		if (n < 0 || ((size_t)n < want && !s->hung_up))
			s->readable = false;
	}
	return true;
}

/* --- guest to host --- */

/* How many bytes the socket took; negative: it is broken. */
static ssize_t push(struct splice *s, const struct iovec *iov, unsigned n,
		    size_t len)
{
	struct msghdr m = { .msg_iov = (struct iovec *)iov, .msg_iovlen = n };
	ssize_t done;

	do
		done = sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (done < 0 && errno == EINTR);
	if (done < 0 && errno != EAGAIN)
		return -errno;
	if (done < 0)
		done = 0;
	if ((size_t)done < len)
		s->writable = false;
	return done;
}

/* What was kept while the socket was full. false: the splice is gone. */
static bool pump_to_host(struct splice *s)
{
	while (s->writable && !s->held && !s->unclear) {
		struct iovec iov[2];
		size_t len = tcp_peek(s->conn, iov);
		ssize_t n;

		if (!len)
			break;
		n = push(s, iov, iov[1].iov_len ? 2 : 1, len);
		if (n < 0) {
			broken(s);
			return false;
		}
		tcp_consume(s->conn, (size_t)n);
	}
	return true;
}

/* Interception goes on with it. The splice is gone. */
static void hand_over(struct splice *s)
{
	const struct net_host *h = &s->net->host;
	struct tcp_conn *c = s->conn;
	int fd = take_fd(&s->fd);

	loop_unwatch(&s->watch);
	splice_free(s, false);
	h->tls_ops->take(h->tls, c, fd);
}

static void on_patience(struct timer *t)
{
	settle(container_of(t, struct splice, patience));
}

/* What kind of connection do the first bytes begin? */
static void classify(struct splice *s)
{
	const struct net_host *h = &s->net->host;
	struct iovec iov[2]; /* nothing was taken, so all is in the first */
	int rc;

	if (!tcp_peek(s->conn, iov))
		return; /* it may take its time */
	rc = h->tls_ops->classify(h->tls, s->conn, iov[0].iov_base,
				  iov[0].iov_len);
	if (!rc) {
		settle(s);
	} else if (rc == -EAGAIN) {
		if (!s->patience.loop)
			loop_timer(s->net->loop, &s->patience, UNCLEAR_MS,
				   on_patience);
	} else {
		loop_timer_cancel(&s->patience);
		s->wanted = true;
		if (!s->dialing)
			hand_over(s);
	}
}

static bool may_go(struct splice *s)
{
	switch (peek_again(s->net, s->conn)) {
	case POLICY_DEFER:
		break;
	case POLICY_ALLOW:
		s->held = false;
		return true;
	case POLICY_DENY:
		broken(s);
		break;
	}
	return false;
}

/* The first bytes are in the ring now. */
static void on_look(struct deferred *d)
{
	struct splice *s = container_of(d, struct splice, look);

	if (s->held && !may_go(s))
		return;
	if (!s->unclear)
		(void)pump_to_host(s);
	else if (!s->wanted)
		classify(s);
}

static size_t on_data(void *owner, struct tcp_conn *c, const struct iovec *iov,
		      unsigned n, size_t len)
{
	struct splice *s = owner;
	ssize_t done;

	(void)c;
	if (s->held || s->unclear) {
		loop_defer(s->net->loop, &s->look, on_look);
		return 0;
	}
	if (!s->writable || !len)
		return 0;
	done = push(s, iov, n, len);
	if (done >= 0)
		return (size_t)done;
	broken(s);
	return 0;
}

static void on_fin(void *owner, struct tcp_conn *c)
{
	struct splice *s = owner;

	(void)c;
	s->guest_done = true;
	if (!s->dialing)
		(void)shutdown(s->fd, SHUT_WR); /* else when it is connected */
}

static void on_space(void *owner, struct tcp_conn *c)
{
	struct splice *s = owner;
	struct iovec iov[2];

	if (!s->ended || !s->error)
		(void)pump_to_guest(s);
	else if (tcp_drained(c))
		broken(s);
	else
		(void)tcp_space(c, iov); /* ask again */
}

static void on_established(void *owner, struct tcp_conn *c)
{
	struct splice *s = owner;

	(void)c;
	s->up = true;
	(void)pump_to_guest(s);
}

static void on_closed(void *owner, struct tcp_conn *c, int error)
{
	(void)c;
	splice_free(owner, error != 0);
}

static const struct tcp_owner_ops splice_ops = {
	.established = on_established,
	.data = on_data,
	.fin = on_fin,
	.space = on_space,
	.closed = on_closed,
};

/* --- the host's socket --- */

/* 0: under way. */
static int dial(struct splice *s)
{
	int rc = dial_open(&s->to);

	if (rc < 0)
		return rc;
	s->fd = rc;
	rc = loop_watch(s->net->loop, &s->watch, s->fd, WATCHED, on_host);
	if (rc)
		dial_hang_up(&s->watch, &s->fd, false);
	return rc;
}

/* What is not there on one loopback may be on the other. */
static bool try_other(struct splice *s, int error)
{
	if (!s->other_family || !dial_other(&s->to, error))
		return false;
	s->other_family = false;
	s->readable = s->hung_up = false;
	dial_hang_up(&s->watch, &s->fd, false);
	return dial(s) == 0;
}

/* The first error is told when the second try is none the better. */
static void dial_failed(struct splice *s, int error)
{
	struct tcp_conn *c = s->conn;

	if (try_other(s, error))
		return;
	splice_free(s, false);
	tcp_refuse(c, error);
}

static void connected(struct splice *s)
{
	s->dialing = false;
	s->writable = true;
	if (s->wanted) {
		hand_over(s);
		return;
	}
	if (!s->up) {
		tcp_accept(s->conn);
		return;
	}
	if (!pump_to_host(s))
		return;
	if (s->guest_done)
		(void)shutdown(s->fd, SHUT_WR);
	(void)pump_to_guest(s);
}

static void on_dialed(struct splice *s, uint32_t events)
{
	int error = 0;

	if (events & (EPOLLERR | EPOLLHUP))
		error = dial_error(s->fd);
	if (error)
		dial_failed(s, error);
	else if (events & EPOLLOUT)
		connected(s);
}

static void on_host(struct watch *w, uint32_t events)
{
	struct splice *s = container_of(w, struct splice, watch);

	if (!s->dialing && events & EPOLLERR && !s->error)
		s->error = dial_error(s->fd);
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		s->hung_up = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		s->readable = true;
	if (s->dialing) {
		on_dialed(s, events);
		return;
	}
	if (events & EPOLLOUT)
		s->writable = true;
	if (pump_to_host(s))
		(void)pump_to_guest(s);
}

static struct splice *splice_new(struct net *n)
{
	struct splice *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->net = n;
	s->fd = -1;
	return s;
}

void splice_start(struct net *n, struct tcp_conn *c, enum splice_mode mode)
{
	const struct net_endpoint *peer = tcp_peer_end(c);
	struct splice *s = splice_new(n);
	int rc;

	if (!s) {
		tcp_reset(c);
		return;
	}
	s->conn = c;
	s->to = net_host_end(n, peer);
	s->other_family = net_addr_is_gateway(&peer->addr, &n->link_addr);
	s->dialing = true;
	s->up = mode != SPLICE_ACCEPT;
	s->held = mode == SPLICE_HELD;
	s->unclear = n->host.tls_ops &&
		     !net_port_intercepted(&n->config, peer->port);
	/* what is there already is told by nobody */
	if (s->up && s->unclear)
		loop_defer(n->loop, &s->look, on_look);
	tcp_set_owner(c, &splice_ops, s);
	rc = dial(s);
	if (rc)
		dial_failed(s, rc);
}

int splice_inbound(struct net *n, int fd, const struct net_endpoint *from,
		   const struct net_endpoint *to, void (*done)(void *ctx),
		   void *ctx)
{
	const int on = 1;
	struct splice *s = splice_new(n);
	int rc;

	if (!s)
		return -ENOMEM;
	s->conn = tcp_connect(n->tcp, from, to, &splice_ops, s);
	if (!s->conn) {
		rc = -errno;
		free(s);
		return rc;
	}
	rc = loop_watch(n->loop, &s->watch, fd, WATCHED, on_host);
	if (rc) {
		tcp_reset(s->conn);
		free(s);
		return rc;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->fd = fd;
	s->writable = true;
	s->done = done;
	s->done_ctx = ctx;
	return 0;
}

void splice_join(struct net *n, struct tcp_conn *c, int fd)
{
	struct splice *s = splice_new(n);

	if (!s || loop_watch(n->loop, &s->watch, fd, WATCHED, on_host)) {
		free(s);
		close_fd(&fd);
		tcp_reset(c);
		return;
	}
	s->fd = fd;
	s->conn = c;
	s->up = s->writable = true;
	tcp_set_owner(c, &splice_ops, s);
	(void)pump_to_host(s);
}
