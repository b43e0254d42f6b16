/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to places the guest can reach. */
#include "agent/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/inflow.h"
#include "base/cleanup.h"
#include "base/io.h"

#define READ_SIZE 65536u
#define CONNECT_MS 30000
#define ADDRS_MAX 8
#define HOSTS_MAX (1u << 20)

/*
 * connecting: fd is -1 or a socket whose connect is under way.
 * open: each direction ends on its own; the stream when both have.
 */
struct tcp {
	struct session session;
	struct agent *a;
	int fd; /* owned */
	struct watch watch;
	struct timer timeout; /* of connecting */
	struct chan_waiter room;
	struct inflow queue; /* to the destination */
	bool open;
	bool held;		    /* the relay wants no more data for now */
	bool read_done, write_done; /* by direction, of the socket */
	bool host_eof;
	size_t naddrs, next_addr;
	int connect_errno;
	char *name; /* owned: "HOST:PORT" */
	struct tcp_addr addrs[ADDRS_MAX];
};

static void on_ready(struct watch *w, uint32_t events);

static void tcp_free(struct tcp *t)
{
	struct agent *a = t->a;

	loop_unwatch(&t->watch);
	loop_timer_cancel(&t->timeout);
	chan_wait_cancel(&t->room);
	inflow_fini(&t->queue);
	close_fd(&t->fd);
	session_del(&a->sessions, &t->session);
	a->activity.tcp_streams--;
	activity_changed(&a->activity);
	free(t->name);
	free(t);
}

static void send_failed(struct agent *a, uint32_t id, const char *fmt, ...)
	MSB_PRINTF(3, 4);

static void send_failed(struct agent *a, uint32_t id, const char *fmt, ...)
{
	MSB_CLEANUP(buf_fini) struct buf b = { .max = 4096 };
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	msg_encode_tcp_failed(&b, view_cstr(text));
	(void)agent_send(a, id, MSG_T_TCP_FAILED, &b);
}

/* Tell, and forget the stream. */
static void fail(struct tcp *t, const char *prefix, int sys)
{
	char text[160];

	send_failed(t->a, t->session.id, "%s: %s", prefix,
		    agent_errno_text(sys, text, sizeof(text)));
	tcp_free(t);
}

static void fail_connect(struct tcp *t)
{
	char text[160];

	send_failed(t->a, t->session.id, "connect %s: %s", t->name,
		    agent_errno_text(t->connect_errno, text, sizeof(text)));
	tcp_free(t);
}

/* Watch for what can be done next. False when the stream had to be ended. */
static bool arm(struct tcp *t)
{
	uint32_t want = 0;
	int rc;

	if (!t->open || !inflow_empty(&t->queue))
		want |= EPOLLOUT;
	if (t->open && !t->read_done && !t->room.waiting && !t->held)
		want |= EPOLLIN;
	if (!want) {
		/* not with an empty set: that still reports hang-ups */
		loop_unwatch(&t->watch);
		return true;
	}
	rc = t->watch.loop
		     ? loop_rewatch(&t->watch, want)
		     : loop_watch(t->a->loop, &t->watch, t->fd, want, on_ready);
	if (rc)
		fail(t, "watch TCP stream", -rc);
	return !rc;
}

/* End the write direction once the host has, and the stream with both. */
static void settle(struct tcp *t)
{
	if (t->open && t->host_eof && !t->write_done &&
	    inflow_empty(&t->queue)) {
		t->write_done = true;
		/* not connected any more: then reading ends as well */
		(void)shutdown(t->fd, SHUT_WR);
	}
	if (t->read_done && t->write_done) {
		agent_send_empty(t->a, t->session.id, MSG_T_TCP_CLOSED);
		tcp_free(t);
		return;
	}
	(void)arm(t);
}

static void on_room(struct chan_waiter *w)
{
	(void)arm(container_of(w, struct tcp, room));
}

static void do_read(struct tcp *t)
{
	struct agent *a = t->a;
	ssize_t n;

	if (chan_full(&a->chan)) {
		chan_wait(&a->chan, &t->room, on_room);
		(void)arm(t);
		return;
	}
	n = io_read(t->fd, a->io_buf, READ_SIZE);
	if (n == -EAGAIN)
		return;
	if (n < 0) {
		fail(t, "read TCP stream", (int)-n);
		return;
	}
	if (n == 0) {
		t->read_done = true;
		agent_send_empty(a, t->session.id, MSG_T_TCP_EOF);
		settle(t);
		return;
	}
	if (agent_send_data(a, t->session.id, MSG_T_TCP_DATA, a->io_buf,
			    (size_t)n)) {
		fail(t, "read TCP stream", ENOMEM);
		return;
	}
	a->activity.tcp_bytes += (uint64_t)n;
	activity_mark(&a->activity);
}

/* False when the stream is gone. */
static bool do_write(struct tcp *t)
{
	const struct buf *q = &t->queue.queue;

	while (!inflow_empty(&t->queue)) {
		ssize_t n = io_write(t->fd, buf_data(q), buf_len(q));

		if (n == -EAGAIN)
			return true;
		if (n < 0) {
			fail(t, "write TCP stream", (int)-n);
			return false;
		}
		t->a->activity.tcp_bytes += (uint64_t)n;
		inflow_consume(&t->queue, (size_t)n);
	}
	return true;
}

static void connected(struct tcp *t)
{
	const int on = 1;

	loop_timer_cancel(&t->timeout);
	t->open = true;
	/* frames are delays enough; without it only slower */
	(void)setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	agent_send_empty(t->a, t->session.id, MSG_T_TCP_CONNECTED);
	if (do_write(t))
		settle(t);
}

/* Try the remaining addresses until one is under way. */
static void try_next(struct tcp *t)
{
	const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

	loop_unwatch(&t->watch);
	close_fd(&t->fd);
	while (t->next_addr < t->naddrs) {
		const struct tcp_addr *to = &t->addrs[t->next_addr++];
		int rc;

		t->fd = socket(to->sa.ss_family, type, 0);
		if (t->fd < 0 && errno == EMFILE && files_raise(&t->a->files))
			t->fd = socket(to->sa.ss_family, type, 0);
		if (t->fd < 0) {
			t->connect_errno = errno;
			continue;
		}
		rc = connect(t->fd, (const struct sockaddr *)&to->sa, to->len);
		if (!rc) {
			connected(t);
			return;
		}
		if (errno == EINPROGRESS) {
			(void)arm(t);
			return;
		}
		t->connect_errno = errno;
		close_fd(&t->fd);
	}
	fail_connect(t);
}

static void on_ready(struct watch *w, uint32_t events)
{
	struct tcp *t = container_of(w, struct tcp, watch);
	socklen_t len = sizeof(int);
	int sys = 0;

	if (!t->open) {
		if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &sys, &len) < 0)
			sys = errno;
		t->connect_errno = sys;
		if (sys)
			try_next(t);
		else
			connected(t);
		return;
	}
	if (events & EPOLLOUT && !inflow_empty(&t->queue)) {
		if (!do_write(t))
			return;
		if (inflow_empty(&t->queue)) {
			settle(t);
			return; /* level-triggered: reading has its turn */
		}
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !t->read_done &&
	    !t->held)
		do_read(t);
}

static void on_timeout(struct timer *timer)
{
	struct tcp *t = container_of(timer, struct tcp, timeout);

	send_failed(t->a, t->session.id, "connect %s timed out", t->name);
	tcp_free(t);
}

/* The hosts file as it is now; what cannot be read is empty. */
static void read_hosts(struct buf *b)
{
	autoclose int fd =
		open("/etc/hosts", O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		(void)io_read_all(fd, b);
}

void tcp_connect(struct agent *a, uint32_t id, const struct msg_tcp_connect *m)
{
	MSB_CLEANUP(buf_fini) struct buf hosts = { .max = HOSTS_MAX };
	struct tcp *t = calloc(1, sizeof(*t));

	read_hosts(&hosts);
	if (t)
		t->name = str_fmt("%.*s:%u",
				  (int)(m->host.len < 256 ? m->host.len : 256),
				  (const char *)m->host.p, m->port);
	if (!t || !t->name) {
		free(t);
		send_failed(a, id, "out of memory");
		return;
	}
	t->a = a;
	t->fd = -1;
	t->naddrs = tcp_resolve(m->host, m->port, view_buf(&hosts), t->addrs,
				ADDRS_MAX);
	if (!t->naddrs) {
		send_failed(a, id,
			    "connect %s: failed to lookup address "
			    "information: Name or service not known",
			    t->name);
		free(t->name);
		free(t);
		return;
	}
	inflow_init(&t->queue, &a->chan, id);
	session_add(&a->sessions, &t->session, id, SESSION_TCP);
	a->activity.tcp_streams++;
	loop_timer(a->loop, &t->timeout, CONNECT_MS, on_timeout);
	try_next(t);
}

void tcp_data(struct agent *a, uint32_t id, struct session *s, struct view data)
{
	struct tcp *t;

	if (!s) {
		send_failed(a, id, "unknown TCP session: %u", id);
		return;
	}
	t = container_of(s, struct tcp, session);
	if (t->host_eof)
		return;
	if (inflow_append(&t->queue, data.p, data.len)) {
		fail(t, "write TCP stream", ENOBUFS);
		return;
	}
	if (t->open && do_write(t))
		(void)arm(t);
}

void tcp_eof(struct agent *a, struct session *s)
{
	struct tcp *t = container_of(s, struct tcp, session);

	(void)a;
	t->host_eof = true;
	if (t->open)
		settle(t);
}

void tcp_hold(struct session *s, bool hold)
{
	struct tcp *t = container_of(s, struct tcp, session);

	t->held = hold;
	if (t->open)
		(void)arm(t);
}

void tcp_close(struct agent *a, struct session *s)
{
	(void)a;
	tcp_free(container_of(s, struct tcp, session));
}

static void drop_in_range(struct session *s, void *ctx)
{
	const struct msg_id_range *r = ctx;

	if (s->id >= r->id_start && s->id < r->id_end_exclusive)
		tcp_free(container_of(s, struct tcp, session));
}

void tcp_client_gone(struct agent *a, const struct msg_id_range *r)
{
	struct msg_id_range range = *r;

	session_each(&a->sessions, SESSION_TCP, drop_in_range, &range);
}

void tcp_drop_all(struct agent *a)
{
	tcp_client_gone(a, &(struct msg_id_range){ 0, UINT32_MAX });
}
