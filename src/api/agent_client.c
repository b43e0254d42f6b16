/* SPDX-License-Identifier: Apache-2.0 */
/* Client end of the agent protocol. */
#include "api/agent_client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "api/cancel.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "store/paths.h"

#define HANDSHAKE_SIZE 8u
#define READ_CHUNK 65536u
#define READY_MAX READ_CHUNK
#define IN_MAX (FRAME_BUF_MAX + READ_CHUNK)
#define OUT_MAX (FRAME_BUF_MAX + (1u << 20))

/* Milliseconds until the deadline, for poll(). */
static int wait_ms(uint64_t deadline_ms)
{
	uint64_t now;

	if (deadline_ms == AGENT_NO_DEADLINE)
		return -1;
	now = clock_mono_ms();
	if (now >= deadline_ms)
		return 0;
	return deadline_ms - now > 3600000 ? 3600000 : (int)(deadline_ms - now);
}

/* One read into in: 1 something came, 0 would block, -ENODATA, -errno. */
static int fill(struct agent_client *c)
{
	uint8_t *p = buf_reserve(&c->in, READ_CHUNK);
	ssize_t n;

	if (!p)
		return -ENOMEM;
	n = io_read(c->fd, p, READ_CHUNK);
	if (n == -EAGAIN)
		return 0;
	if (n == 0 || n == -ECONNRESET)
		return -ENODATA;
	if (n < 0)
		return (int)n;
	buf_commit(&c->in, (size_t)n);
	return 1;
}

/* 1 readable, 0 the deadline has passed or a signal came, -errno. Writes
 * queued output whenever that is possible. */
static int wait_readable(struct agent_client *c, uint64_t deadline_ms)
{
	for (;;) {
		bool writing = buf_len(&c->out) && !c->write_broken;
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		int rc;

		if (writing)
			p.events |= POLLOUT;
		rc = cancel_poll(&p, 1, wait_ms(deadline_ms));
		if (rc <= 0)
			return rc == -EINTR ? 0 : rc;
		if (p.revents & POLLOUT) {
			rc = agent_flush(c);
			if (rc)
				return rc;
		}
		if (p.revents & ~POLLOUT)
			return 1;
	}
}

static int handshake_err(struct err *err, int sys, const char *what)
{
	if (sys == ETIMEDOUT)
		return err_set(err, ERR_AGENT, ETIMEDOUT,
			       "read %s: timed out before the relay sent it",
			       what);
	if (sys == ENODATA)
		return err_set(err, ERR_AGENT, ECONNRESET,
			       "read %s: the relay closed the connection; the "
			       "sandbox is stopping",
			       what);
	if (sys == EMSGSIZE || sys == EBADMSG)
		return err_set(err, ERR_PROTOCOL, EPROTO,
			       "read %s: a frame of a length that cannot be",
			       what);
	return err_sys(err, ERR_AGENT, sys, "read %s", what);
}

static int handshake_wait(struct agent_client *c, uint64_t deadline_ms)
{
	int rc = wait_readable(c, deadline_ms);

	if (rc <= 0 && clock_mono_ms() >= deadline_ms)
		return -ETIMEDOUT;
	if (rc <= 0)
		return rc;
	rc = fill(c);
	return rc < 0 ? rc : 0;
}

/* The frame at the front, which stays there. */
static int handshake_frame(struct agent_client *c, uint64_t deadline_ms,
			   const char *what, struct frame *ret, struct err *err)
{
	for (;;) {
		int rc = frame_parse(buf_data(&c->in), buf_len(&c->in), ret);

		if (rc > 0)
			return 0;
		if (!rc)
			rc = handshake_wait(c, deadline_ms);
		if (rc)
			return handshake_err(err, -rc, what);
	}
}

/* A range without ids is followed by the reason. */
static int read_refusal(struct agent_client *c, uint64_t deadline_ms,
			struct err *err)
{
	struct msg_error m;
	struct envelope e;
	struct frame f;
	int rc = handshake_frame(c, deadline_ms, "refusal", &f, err);

	if (rc)
		return rc;
	if (envelope_parse(f.body, NULL, &e) || !view_is(e.type, MSG_T_ERROR) ||
	    msg_decode_error(e.payload, NULL, &m))
		return err_set(err, ERR_PROTOCOL, EPROTO,
			       "the relay gives no ids, and no reason");
	if (view_is(m.kind, MSG_ERROR_BUSY))
		return err_set(err, ERR_AGENT_BUSY, EBUSY,
			       "the sandbox has %u clients already",
			       RELAY_MAX_CLIENTS);
	return err_set(err, ERR_AGENT, ECONNREFUSED, "the relay refuses: %.*s",
		       (int)(m.message.len < 300 ? m.message.len : 300),
		       (const char *)m.message.p);
}

static int read_range(struct agent_client *c, uint64_t deadline_ms,
		      struct err *err)
{
	while (buf_len(&c->in) < HANDSHAKE_SIZE) {
		int rc = handshake_wait(c, deadline_ms);

		if (rc)
			return handshake_err(err, -rc, "id range");
	}
	c->id_start = be32_get(buf_data(&c->in));
	c->id_end = be32_get(buf_data(&c->in) + 4);
	buf_consume(&c->in, HANDSHAKE_SIZE);
	if (!c->id_start && !c->id_end)
		return read_refusal(c, deadline_ms, err);
	if (!c->id_start || c->id_start >= c->id_end)
		return err_set(err, ERR_PROTOCOL, EPROTO,
			       "invalid relay id range: start=%u, end=%u",
			       c->id_start, c->id_end);
	c->next_id = c->id_start;
	return 0;
}

static int read_ready(struct agent_client *c, uint64_t deadline_ms,
		      struct err *err)
{
	struct msg_ready ready;
	struct envelope e;
	struct frame f;
	int rc = handshake_frame(c, deadline_ms, "ready frame", &f, err);

	if (rc)
		return rc;
	if (f.id || envelope_parse(f.body, NULL, &e) ||
	    !view_is(e.type, MSG_T_READY) || !e.v)
		return err_set(err, ERR_PROTOCOL, EPROTO,
			       "the relay's first frame is not %s",
			       MSG_T_READY);
	if (f.body.len > READY_MAX || msg_decode_ready(e.payload, NULL, &ready))
		return err_set(err, ERR_PROTOCOL, EPROTO,
			       "the relay's %s is not complete", MSG_T_READY);
	c->generation =
		e.v < PROTO_GENERATION ? (unsigned)e.v : PROTO_GENERATION;
	if (buf_append(&c->ready, f.body.p, f.body.len))
		return err_set(err, ERR_NO_MEMORY, ENOMEM,
			       "Cannot allocate memory");
	buf_consume(&c->in, f.raw.len);
	return 0;
}

int agent_open(int fd, uint64_t deadline_ms, struct agent_client *ret,
	       struct err *err)
{
	struct agent_client c = { .fd = fd };
	int rc = io_set_nonblock(fd, true);

	buf_init(&c.in, IN_MAX);
	buf_init(&c.out, OUT_MAX);
	buf_init(&c.ready, READY_MAX);
	if (rc)
		rc = err_sys(err, ERR_AGENT, -rc, "prepare the agent socket");
	if (!rc)
		rc = read_range(&c, deadline_ms, err);
	if (!rc)
		rc = read_ready(&c, deadline_ms, err);
	if (rc) {
		agent_close(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

int agent_connect_at(int dirfd, const char *name, uint64_t deadline_ms,
		     struct agent_client *ret, struct err *err)
{
	int fd;

	/* A full backlog: the relay is about to take what is in it. */
	for (;;) {
		fd = io_unix_connect_at(dirfd, name);
		if (fd != -EAGAIN || clock_mono_ms() >= deadline_ms)
			break;
		fd = cancel_sleep(2);
		if (fd)
			break;
	}
	if (fd == -EAGAIN)
		fd = -ETIMEDOUT;
	if (fd < 0)
		return err_sys(err, ERR_AGENT, -fd,
			       "connect to the agent socket");
	return agent_open(fd, deadline_ms, ret, err);
}

int agent_connect(int runtime_dirfd, uint64_t deadline_ms,
		  struct agent_client *ret, struct err *err)
{
	return agent_connect_at(runtime_dirfd, RUNTIME_AGENT_SOCK, deadline_ms,
				ret, err);
}

void agent_close(struct agent_client *c)
{
	close_fd(&c->fd);
	buf_fini(&c->in);
	buf_fini(&c->out);
	buf_fini(&c->ready);
}

static bool is_pending(const struct agent_client *c, uint32_t id)
{
	for (size_t i = 0; i < c->npending; i++)
		if (c->pending[i] == id)
			return true;
	return false;
}

static void id_done(struct agent_client *c, uint32_t id)
{
	for (size_t i = 0; i < c->npending; i++)
		if (c->pending[i] == id) {
			c->pending[i] = c->pending[--c->npending];
			return;
		}
}

int agent_id_add(struct agent_client *c, uint32_t id)
{
	if (c->npending == AGENT_PENDING_MAX)
		return -EMFILE;
	c->pending[c->npending++] = id;
	return 0;
}

int agent_id_new(struct agent_client *c, uint32_t *ret)
{
	uint32_t range = c->id_end - c->id_start;

	/* At most AGENT_PENDING_MAX ids are in use: one of the next is free. */
	for (uint32_t i = 0; i < range && i <= AGENT_PENDING_MAX; i++) {
		uint32_t id = c->next_id;

		c->next_id = id + 1 < c->id_end ? id + 1 : c->id_start;
		if (is_pending(c, id))
			continue;
		*ret = id;
		return agent_id_add(c, id);
	}
	return -EMFILE;
}

/* A failed append would mark the queue failed for good: ask before. */
static bool out_has_room(const struct agent_client *c, size_t payload_len)
{
	return payload_len < OUT_MAX - 256 &&
	       buf_len(&c->out) <= OUT_MAX - 256 - payload_len;
}

int agent_send(struct agent_client *c, uint32_t id, enum msg_type type,
	       const struct buf *payload)
{
	const struct msg_info *info = msg_info(type);

	if (!info || info->generation > c->generation)
		return -EOPNOTSUPP;
	if (payload->failed)
		return -EMSGSIZE;
	if (c->write_broken)
		return 0;
	if (!out_has_room(c, buf_len(payload)))
		return -ENOSPC;
	return frame_put(&c->out, id, c->generation, info->name, payload);
}

int agent_send_data(struct agent_client *c, uint32_t id, enum msg_type type,
		    const void *data, size_t len)
{
	const struct msg_info *info = msg_info(type);

	if (!info || info->generation > c->generation)
		return -EOPNOTSUPP;
	if (c->write_broken)
		return 0;
	if (!out_has_room(c, len))
		return -ENOSPC;
	return frame_put_data(&c->out, id, c->generation, info->name, data,
			      len);
}

int agent_flush(struct agent_client *c)
{
	while (buf_len(&c->out) && !c->write_broken) {
		ssize_t n = send(c->fd, buf_data(&c->out), buf_len(&c->out),
				 MSG_NOSIGNAL);

		if (n >= 0) {
			buf_consume(&c->out, (size_t)n);
		} else if (errno == EAGAIN) {
			return 0;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			c->write_broken = true;
			buf_reset(&c->out);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

int agent_flush_wait(struct agent_client *c, uint64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLOUT };
		int rc = agent_flush(c);

		if (rc)
			return rc;
		if (c->write_broken)
			return -EPIPE;
		if (!buf_len(&c->out))
			return 0;
		rc = cancel_poll(&p, 1, wait_ms(deadline_ms));
		if (rc < 0 && rc != -EINTR)
			return rc;
		if (!rc)
			return -ETIMEDOUT;
	}
}

/* Look into one frame: true when it is for somebody. */
static bool take_frame(struct agent_client *c, const struct frame *f,
		       struct agent_frame *ret)
{
	struct envelope e = { 0 };
	bool readable;

	if (!is_pending(c, f->id))
		return false;
	readable = envelope_parse(f->body, NULL, &e) == 0;
	/* A terminal frame counts even when nothing else can be read of it. */
	if (f->flags & FRAME_TERMINAL)
		id_done(c, f->id);
	else if (!readable)
		return false;
	ret->id = f->id;
	ret->flags = f->flags;
	ret->known = readable && msg_type_find(e.type, &ret->type) == 0;
	ret->payload = e.payload;
	return true;
}

/* What was lent out is done with; then a frame of those that are there. */
static int next_buffered(struct agent_client *c, struct agent_frame *ret)
{
	struct frame f;
	int rc;

	buf_consume(&c->in, c->given);
	c->given = 0;
	while ((rc = frame_parse(buf_data(&c->in), buf_len(&c->in), &f)) > 0) {
		if (take_frame(c, &f, ret)) {
			c->given = f.raw.len;
			return 1;
		}
		buf_consume(&c->in, f.raw.len);
	}
	return rc;
}

int agent_next(struct agent_client *c, uint64_t deadline_ms,
	       struct agent_frame *ret)
{
	for (;;) {
		int rc = next_buffered(c, ret);

		if (rc)
			return rc;
		rc = wait_readable(c, deadline_ms);
		if (rc > 0)
			rc = fill(c);
		else if (!rc)
			return 0;
		if (rc < 0)
			return rc;
	}
}

int agent_next_now(struct agent_client *c, struct agent_frame *ret)
{
	int rc;

	while (!(rc = next_buffered(c, ret))) {
		rc = fill(c);
		if (rc <= 0)
			break;
	}
	return rc;
}
