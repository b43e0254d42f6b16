/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's connection and a socket, watched for edges; as splice.c, but
 * with an owner in between. */
#include "net/tls/relay.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/iov.h"

#define WATCHED (EPOLLIN | EPOLLOUT | EPOLLRDHUP | (uint32_t)EPOLLET)
#define COPY_MAX (256u << 10) /* at a time */

/* --- what asks for a step --- */

static void on_again(struct deferred *d)
{
	struct tls_relay *r = container_of(d, struct tls_relay, again);

	r->ops->step(r);
}

static void ask(struct tls_relay *r)
{
	loop_defer(r->proxy->net->loop, &r->again, on_again);
}

static void on_timer(struct timer *t)
{
	struct tls_relay *r = container_of(t, struct tls_relay, timer);

	r->ops->late(r);
}

static int socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static void on_host(struct watch *w, uint32_t events)
{
	struct tls_relay *r = container_of(w, struct tls_relay, watch);

	if (events & EPOLLERR && !r->error)
		r->error = socket_error(r->fd);
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		r->hung_up = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		r->readable = true;
	if (events & EPOLLOUT)
		r->writable = true;
	ask(r);
}

static void on_established(void *owner, struct tcp_conn *c)
{
	(void)c;
	ask(owner);
}

static size_t on_data(void *owner, struct tcp_conn *c, const struct iovec *iov,
		      unsigned n, size_t len)
{
	(void)c;
	(void)iov;
	(void)n;
	(void)len;
	ask(owner);
	return 0;
}

static void on_fin(void *owner, struct tcp_conn *c)
{
	struct tls_relay *r = owner;

	(void)c;
	r->guest_done = true;
	ask(r);
}

static void on_space(void *owner, struct tcp_conn *c)
{
	(void)c;
	ask(owner);
}

static void on_closed(void *owner, struct tcp_conn *c, int error)
{
	struct tls_relay *r = owner;

	(void)c;
	tls_relay_fini(r, error != 0);
	r->ops->gone(r);
}

static const struct tcp_owner_ops owner_ops = {
	.established = on_established,
	.data = on_data,
	.fin = on_fin,
	.space = on_space,
	.closed = on_closed,
};

/* --- beginning and end --- */

int tls_relay_init(struct tls_relay *r, const struct tls_relay_ops *ops,
		   struct tls_proxy *p, struct tcp_conn *c, int fd)
{
	int rc;

	*r = (struct tls_relay){
		.ops = ops, .proxy = p, .conn = c, .fd = fd, .writable = true
	};
	rc = loop_watch(p->net->loop, &r->watch, fd, WATCHED, on_host);
	if (rc)
		return rc;
	tcp_set_owner(c, &owner_ops, r);
	ask(r);
	return 0;
}

static void let_go(struct tls_relay *r)
{
	loop_unwatch(&r->watch);
	loop_timer_cancel(&r->timer);
	loop_defer_cancel(&r->again);
}

void tls_relay_fini(struct tls_relay *r, bool rude)
{
	const struct linger now = { .l_onoff = 1 };

	let_go(r);
	if (rude && r->fd >= 0)
		(void)setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &now,
				 sizeof(now));
	close_fd(&r->fd);
}

int tls_relay_take_fd(struct tls_relay *r)
{
	let_go(r);
	return take_fd(&r->fd);
}

void tls_relay_break(struct tls_relay *r)
{
	tls_relay_fini(r, true);
	tcp_reset(r->conn);
}

void tls_relay_timer(struct tls_relay *r, uint32_t ms)
{
	loop_timer(r->proxy->net->loop, &r->timer, ms, on_timer);
}

/* --- bytes --- */

int tls_relay_send(struct tls_relay *r, struct buf *b)
{
	while (r->writable && buf_len(b)) {
		const size_t len = buf_len(b);
		ssize_t n;

		do
			n = send(r->fd, buf_data(b), len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		while (n < 0 && errno == EINTR);
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n < 0 || (size_t)n < len)
			r->writable = false;
		if (n > 0)
			buf_consume(b, (size_t)n);
	}
	return 0;
}

/* What a receiving call for want bytes returned. */
static void received(struct tls_relay *r, ssize_t n, size_t want)
{
	if (n < 0 && errno != EAGAIN)
		r->error = -errno;
	if (n == 0 || (n < 0 && errno != EAGAIN))
		r->ended = true;
	if (n <= 0 || ((size_t)n < want && !r->hung_up))
		r->readable = false;
}

int tls_relay_read(struct tls_relay *r, struct buf *b, size_t max)
{
	while (r->readable && !r->ended && max) {
		uint8_t *to = buf_reserve(b, max);
		ssize_t n;

		if (!to)
			return -ENOMEM;
		do
			n = recv(r->fd, to, max, MSG_DONTWAIT);
		while (n < 0 && errno == EINTR);
		received(r, n, max);
		if (n > 0) {
			buf_commit(b, (size_t)n);
			max -= (size_t)n;
		}
	}
	return 0;
}

bool tls_relay_to_guest(struct tls_relay *r, struct buf *b)
{
	while (buf_len(b)) {
		size_t n = tcp_send(r->conn, buf_data(b), buf_len(b));

		if (!n)
			return false;
		buf_consume(b, n);
	}
	return true;
}

uint64_t tls_relay_copy(struct tls_relay *r, uint64_t max)
{
	uint64_t left = max;

	while (r->readable && !r->ended && left) {
		struct iovec iov[2];
		struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
		size_t want = tcp_space(r->conn, iov);
		ssize_t n;

		if (!want)
			break; /* on_space() goes on */
		if (want > COPY_MAX)
			want = COPY_MAX;
		if (want > left)
			want = (size_t)left;
		if (iov[0].iov_len > want)
			iov[0].iov_len = want;
		iov[1].iov_len = want - iov[0].iov_len;
		do
			n = recvmsg(r->fd, &m, MSG_DONTWAIT);
		while (n < 0 && errno == EINTR);
		received(r, n, want);
		tcp_commit(r->conn, n > 0 ? (size_t)n : 0);
		left -= n > 0 ? (uint64_t)n : 0;
	}
	return max - left;
}

int tls_relay_collect(struct tls_relay *r, struct buf *b, size_t max)
{
	struct iovec iov[2];
	size_t have = tcp_peek(r->conn, iov), left = 0, moved = 0;
	int rc = 0;

	if (buf_len(b) < max)
		left = max - buf_len(b);
	if (left > have)
		left = have;
	for (unsigned i = 0; i < 2 && !rc && moved < left; i++) {
		size_t n = iov[i].iov_len < left - moved ? iov[i].iov_len
							 : left - moved;

		rc = buf_append(b, iov[i].iov_base, n);
		moved += rc ? 0 : n;
	}
	tcp_consume(r->conn, moved);
	return rc;
}
