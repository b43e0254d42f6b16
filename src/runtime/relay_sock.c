/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of relay clients: accepting, reading, writing without waiting. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "runtime/relay_int.h"

#define IOV_PER_SEND 32
#define ACCEPTS_PER_TURN 16
#define LISTEN_RETRY_MS 200

void client_update_watch(struct relay_client *c)
{
	uint32_t events = 0;

	if (c->dead || !c->watch.loop)
		return;
	if (!c->stall)
		events |= EPOLLIN;
	else if (!c->hung)
		events |= EPOLLRDHUP; /* the only news that matters now */
	if (c->out.len)
		events |= EPOLLOUT;
	if (loop_rewatch(&c->watch, events))
		client_drop(c, "cannot watch its socket");
}

/* Bytes the socket took; -1 when the client was dropped. */
static ssize_t send_now(struct relay_client *c, struct iovec *iov, size_t n)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
	ssize_t sent;

	do
		sent = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	if (errno == EAGAIN || errno == ENOBUFS)
		return 0;
	client_drop(c, NULL); /* it closed */
	return -1;
}

void client_send(struct relay_client *c, const void *data, size_t len)
{
	struct relay *r = c->relay;
	const uint8_t *p = data;

	if (c->dead || !len)
		return;
	if (!c->out.len) {
		struct iovec iov = { (void *)(uintptr_t)data, len };
		ssize_t n = send_now(c, &iov, 1);

		if (n < 0)
			return;
		p += n;
		len -= (size_t)n;
	}
	if (!len)
		return;
	if (c->out.len + len > OUT_MAX || r->out_total + len > OUT_TOTAL_MAX) {
		client_drop(c, "it does not read what it asked for");
		return;
	}
	if (byteq_append(&c->out, p, len)) {
		client_drop(c, "out of memory");
		return;
	}
	r->out_total += len;
	if (c->out.len > OUT_HIGH)
		c->congested = true;
	client_update_watch(c);
}

void client_send_own(struct relay_client *c, const struct buf *frames)
{
	if (c->dead)
		return;
	if (c->in_frame) {
		if (buf_append(&c->later, buf_data(frames), buf_len(frames)))
			client_drop(c, "it does not read answers");
		return;
	}
	if (c->relay->span.client == c)
		relay_span_flush(c->relay);
	client_send(c, buf_data(frames), buf_len(frames));
}

void client_frame_done(struct relay_client *c)
{
	struct buf own;

	c->in_frame = false;
	if (!buf_len(&c->later))
		return;
	own = c->later;
	buf_init(&c->later, own.max);
	client_send_own(c, &own);
	buf_fini(&own);
}

static void uncongest(struct relay_client *c)
{
	struct list *pos, *tmp;

	c->congested = false;
	list_for_each_safe(pos, tmp, &c->sessions) relay_hold_output(
		c->relay, container_of(pos, struct session, link), false);
}

static void on_writable(struct relay_client *c)
{
	while (c->out.len) {
		struct iovec iov[IOV_PER_SEND];
		size_t want = 0, n = byteq_iov(&c->out, iov, IOV_PER_SEND);
		ssize_t sent;

		for (size_t i = 0; i < n; i++)
			want += iov[i].iov_len;
		sent = send_now(c, iov, n);
		if (sent < 0)
			return;
		byteq_consume(&c->out, (size_t)sent);
		c->relay->out_total -= (size_t)sent;
		if ((size_t)sent < want)
			break;
	}
	if (c->congested && c->out.len <= OUT_LOW)
		uncongest(c);
	client_update_watch(c);
}

/* The peer has closed: nothing may hold up what it sent before that. */
static void on_hangup(struct relay_client *c)
{
	c->hung = true;
	c->stall = 0;
	client_resume(c);
}

static void on_readable(struct relay_client *c)
{
	struct relay *r = c->relay;
	ssize_t n = io_read(c->fd, r->read_buf, READ_BYTES);

	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		client_drop(c, NULL);
		return;
	}
	client_input(c, r->read_buf, (size_t)n);
	client_update_watch(c);
}

static void on_client(struct watch *w, uint32_t events)
{
	struct relay_client *c = container_of(w, struct relay_client, watch);

	if (events & EPOLLOUT)
		on_writable(c);
	if (c->dead)
		return;
	if (c->stall && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
		on_hangup(c);
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		on_readable(c);
}

/* --- connections --- */

static bool slot_usable(struct relay *r, unsigned i)
{
	struct slot *slot = &r->slot[i];
	uint32_t start, end;

	relay_range(i, &start, &end);
	if (slot->next_id < end && end - slot->next_id >= FRESH_IDS_MIN)
		return true;
	if (loop_now_ms(r->cfg.loop) - slot->freed_ms < SLOT_REST_MS)
		return false;
	for (uint32_t b = 0; b < r->sessions.nbuckets; b++)
		for (struct session *s = r->sessions.bucket[b]; s; s = s->next)
			if (s->id >= start && s->id < end)
				return false;
	slot->next_id = start;
	return true;
}

static int slot_find(struct relay *r)
{
	for (unsigned i = 0; i < RELAY_MAX_CLIENTS; i++)
		if (!r->slot[i].client && slot_usable(r, i))
			return (int)i;
	return -1;
}

static void handshake(struct relay_client *c)
{
	const struct buf *ready = &c->relay->ready_frame;
	struct buf hello;
	uint8_t range[8];

	be32_put(range, c->id_start);
	be32_put(range + 4, c->id_end);
	buf_init(&hello, sizeof(range) + buf_len(ready));
	(void)buf_append(&hello, range, sizeof(range));
	(void)buf_append(&hello, buf_data(ready), buf_len(ready));
	if (hello.failed)
		client_drop(c, "out of memory");
	else
		client_send(c, buf_data(&hello), buf_len(&hello));
	buf_fini(&hello);
}

/*
 * No slot is free. Where the ids would be there are none, which no client takes
 * for a range, and then the reason; whoever does not know it sees the end.
 */
static void refuse(int fd)
{
	const struct msg_error m = {
		.kind = view_cstr(MSG_ERROR_BUSY),
		.message = view_cstr("as many clients as there may be are "
				     "connected"),
	};
	static const uint8_t no_range[8];
	struct buf hello, p;

	log_warn("relay", "connection refused: %u clients are connected",
		 RELAY_MAX_CLIENTS);
	buf_init(&hello, CONTROL_MAX);
	buf_init(&p, CONTROL_MAX);
	msg_encode_error(&p, &m);
	if (!buf_append(&hello, no_range, sizeof(no_range)) &&
	    !frame_put(&hello, 0, PROTO_GENERATION, MSG_T_ERROR, &p)) {
		/* a new socket takes it all; if not, the end says enough */
		(void)send(fd, buf_data(&hello), buf_len(&hello),
			   MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	buf_fini(&p);
	buf_fini(&hello);
	(void)close(fd);
}

void relay_add_client(struct relay *r, int fd)
{
	int slot = slot_find(r);
	struct relay_client *c;
	uint32_t start;

	if (slot < 0) {
		refuse(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c || loop_watch(r->cfg.loop, &c->watch, fd, EPOLLIN, on_client)) {
		log_warn("relay", "connection refused: out of memory");
		free(c);
		(void)close(fd); /* the client sees the end of file */
		return;
	}
	c->relay = r;
	c->fd = fd;
	c->slot = (unsigned)slot;
	relay_range(c->slot, &start, &c->id_end);
	c->id_start = r->slot[slot].next_id;
	list_init(&c->sessions);
	list_init(&c->grave);
	buf_init(&c->in, FRAME_BUF_MAX + READ_BYTES);
	buf_init(&c->later, SMALL_BUF);
	r->slot[slot].client = c;
	if (r->guest_full)
		c->stall = STALL_GUEST;
	log_debug("relay", "client %u: connected", c->slot);
	handshake(c);
	client_update_watch(c);
}

static void on_listen_retry(struct timer *t)
{
	struct relay *r = container_of(t, struct relay, listen_retry);

	(void)loop_rewatch(&r->listen, EPOLLIN); /* as at the first time */
}

static void on_listen(struct watch *w, uint32_t events)
{
	struct relay *r = container_of(w, struct relay, listen);

	(void)events;
	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(w->fd, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			relay_add_client(r, fd);
			continue;
		}
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		/* out of descriptors or memory: waiting callers stay queued */
		log_warn("relay", "accept: %s", strerror(errno));
		(void)loop_rewatch(&r->listen, 0);
		loop_timer(r->cfg.loop, &r->listen_retry, LISTEN_RETRY_MS,
			   on_listen_retry);
		return;
	}
}

int relay_listen(struct relay *r, int listen_fd)
{
	return loop_watch(r->cfg.loop, &r->listen, listen_fd, EPOLLIN,
			  on_listen);
}

void relay_flush(struct relay *r, unsigned timeout_ms)
{
	uint64_t end = clock_mono_ms() + timeout_ms;

	for (;;) {
		struct pollfd p[RELAY_MAX_CLIENTS];
		uint64_t now = clock_mono_ms();
		nfds_t n = 0;

		for (unsigned i = 0; i < RELAY_MAX_CLIENTS; i++) {
			struct relay_client *c = r->slot[i].client;

			if (c && c->out.len)
				on_writable(c);
			c = r->slot[i].client; /* it may be gone by now */
			if (c && c->out.len)
				p[n++] = (struct pollfd){ .fd = c->fd,
							  .events = POLLOUT };
		}
		if (!n || now >= end ||
		    (poll(p, n, (int)(end - now)) < 0 && errno != EINTR))
			return;
	}
}
