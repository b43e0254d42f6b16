/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of the file service: reading, writing, copying. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/fs_int.h"
#include "base/cleanup.h"
#include "base/io.h"

static void on_run(struct deferred *d);

static void on_room(struct chan_waiter *w)
{
	struct fs_service *s = container_of(w, struct fs_service, room);

	loop_defer(s->a->loop, &s->run, on_run);
}

static void schedule(struct fs_service *s)
{
	if (list_empty(&s->running))
		return;
	if (chan_full(&s->a->chan))
		chan_wait(&s->a->chan, &s->room, on_room);
	else
		loop_defer(s->a->loop, &s->run, on_run);
}

/* One step of every stream; they go to a list of their own meanwhile, as a
 * step may end its stream. */
static void on_run(struct deferred *d)
{
	struct fs_service *s = container_of(d, struct fs_service, run);
	struct list batch;

	if (list_empty(&s->running))
		return;
	batch = s->running;
	batch.next->prev = &batch;
	batch.prev->next = &batch;
	list_init(&s->running);
	while (!list_empty(&batch)) {
		struct fs_stream *one =
			container_of(batch.next, struct fs_stream, link);

		list_del(&one->link);
		if (chan_full(&s->a->chan) || one->step(one))
			list_add_tail(&s->running, &one->link);
		else
			fs_stream_end(one);
	}
	schedule(s);
}

struct fs_stream *fs_stream_new(struct fs_service *s, uint32_t id, size_t size)
{
	struct fs_stream *one;

	if (s->nstreams >= FS_STREAMS_MAX) {
		fs_send_failed(s->a, id, "too many file operations at once");
		return NULL;
	}
	one = calloc(1, size);
	if (!one) {
		fs_send_failed(s->a, id, "out of memory");
		return NULL;
	}
	one->service = s;
	one->session.id = id;
	list_init(&one->link);
	return one;
}

void fs_stream_start(struct fs_stream *one)
{
	struct fs_service *s = one->service;

	session_add(&s->a->sessions, &one->session, one->session.id,
		    SESSION_FS);
	s->nstreams++;
	s->a->activity.fs_streams++;
	if (!one->step)
		return;
	list_add_tail(&s->running, &one->link);
	schedule(s);
}

void fs_stream_end(struct fs_stream *one)
{
	struct fs_service *s = one->service;

	if (one->fini)
		one->fini(one);
	if (one->handle)
		fs_handle_unref(one->handle);
	list_del(&one->link);
	session_del(&s->a->sessions, &one->session);
	s->nstreams--;
	s->a->activity.fs_streams--;
	activity_changed(&s->a->activity);
	free(one);
}

void fs_hold(struct session *session, bool hold)
{
	struct fs_stream *one =
		container_of(session, struct fs_stream, session);

	if (!one->step)
		return; /* it only receives */
	list_del(&one->link);
	if (hold)
		return;
	list_add_tail(&one->service->running, &one->link);
	schedule(one->service);
}

struct fs_transfer {
	struct fs_stream stream;
	uint64_t offset, done;
	struct opt_u64 len;
};

static bool read_step(struct fs_stream *one)
{
	struct fs_transfer *t = container_of(one, struct fs_transfer, stream);
	struct agent *a = one->service->a;
	uint64_t left = t->len.set ? t->len.v - t->done : UINT64_MAX;
	size_t want = left < AGENT_IO_BUF ? (size_t)left : AGENT_IO_BUF;
	ssize_t n = 0;

	if (want)
		n = pread(one->handle->fd, a->io_buf, want,
			  (off_t)(t->offset + t->done));
	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0) {
		fs_send_result(a, one->session.id,
			       errno == ESPIPE ? "seek" : "read",
			       n < 0 ? -errno : 0);
		return false;
	}
	if (agent_send_data(a, one->session.id, MSG_T_FS_DATA, a->io_buf,
			    (size_t)n)) {
		fs_send_failed(a, one->session.id, "out of memory");
		return false;
	}
	t->done += (uint64_t)n;
	a->activity.fs_bytes += (uint64_t)n;
	activity_mark(&a->activity);
	return true;
}

/* The checks reading and writing share; NULL after an answer was sent. */
static struct fs_transfer *transfer_new(struct fs_service *s, uint32_t id,
					const struct msg_fs_request *r,
					bool reading)
{
	struct fs_handle *h = fs_handle_get(s, id, r->handle);
	struct fs_transfer *t;

	if (!h)
		return NULL;
	if (h->dir || !(reading ? h->can_read : h->can_write)) {
		fs_send_failed(s->a, id,
			       h->dir	 ? "handle %" PRIu64 " is a directory"
			       : reading ? "handle %" PRIu64
					   " is not open for reading"
					 : "handle %" PRIu64
					   " is not open for writing",
			       r->handle);
		return NULL;
	}
	if (r->offset > INT64_MAX) {
		fs_send_errno(s->a, id, "seek", EINVAL);
		return NULL;
	}
	t = (struct fs_transfer *)fs_stream_new(s, id, sizeof(*t));
	if (!t)
		return NULL;
	t->offset = r->offset;
	t->len = r->len;
	t->stream.handle = h;
	fs_handle_ref(h);
	return t;
}

void fs_read(struct fs_service *s, uint32_t id, const struct msg_fs_request *r)
{
	struct fs_transfer *t = transfer_new(s, id, r, true);

	if (!t)
		return;
	t->stream.step = read_step;
	fs_stream_start(&t->stream);
}

void fs_write(struct fs_service *s, uint32_t id, const struct msg_fs_request *r)
{
	struct fs_transfer *t = transfer_new(s, id, r, false);

	/* no answer yet: the data follows */
	if (t)
		fs_stream_start(&t->stream);
}

static int write_all(struct fs_transfer *t, struct view data)
{
	const struct fs_handle *h = t->stream.handle;

	while (data.len) {
		ssize_t n = h->append ? write(h->fd, data.p, data.len)
				      : pwrite(h->fd, data.p, data.len,
					       (off_t)(t->offset + t->done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		t->done += (uint64_t)n;
		data.p += n;
		data.len -= (size_t)n;
	}
	return 0;
}

void fs_data(struct agent *a, uint32_t id, struct session *s, struct view data)
{
	struct fs_stream *one;
	struct fs_transfer *t;
	int rc;

	if (!s) {
		fs_send_failed(a, id, "unknown write session: %" PRIu32, id);
		return;
	}
	one = container_of(s, struct fs_stream, session);
	if (one->step)
		return; /* it only sends */
	t = container_of(one, struct fs_transfer, stream);
	rc = write_all(t, data);
	a->activity.fs_bytes += data.len;
	if (!rc && data.len)
		return;
	if (!rc && t->len.set && t->len.v != t->done)
		fs_send_failed(a, id,
			       "write length mismatch: expected %" PRIu64
			       ", wrote %" PRIu64,
			       t->len.v, t->done);
	else
		fs_send_result(a, id, rc == -ESPIPE ? "seek" : "write", rc);
	fs_stream_end(one);
}

struct fs_copying {
	struct fs_stream stream;
	int from, to; /* owned */
};

static bool copy_step(struct fs_stream *one)
{
	struct fs_copying *c = container_of(one, struct fs_copying, stream);
	struct agent *a = one->service->a;
	ssize_t n = io_read(c->from, a->io_buf, AGENT_IO_BUF);
	int rc = n < 0 ? (int)n : 0;

	if (n > 0)
		rc = io_write_full(c->to, a->io_buf, (size_t)n);
	if (n > 0 && !rc)
		return true;
	fs_send_result(a, one->session.id, "copy", rc);
	return false;
}

static void copy_fini(struct fs_stream *one)
{
	struct fs_copying *c = container_of(one, struct fs_copying, stream);

	close_fd(&c->from);
	close_fd(&c->to);
}

/* 1 when both are one file, which is its own copy already. */
static int copy_open(struct fs_copying *c, const char *from, const char *to)
{
	const int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	struct stat src, dst;

	c->from = open(from, O_RDONLY | flags);
	if (c->from < 0 || fstat(c->from, &src) < 0)
		return -errno;
	if (!S_ISREG(src.st_mode))
		return -EINVAL;
	c->to = open(to, O_WRONLY | O_CREAT | flags, src.st_mode & 07777);
	if (c->to < 0 || fstat(c->to, &dst) < 0)
		return -errno;
	if (src.st_dev == dst.st_dev && src.st_ino == dst.st_ino)
		return 1;
	if (!S_ISREG(dst.st_mode))
		return 0;
	if (ftruncate(c->to, 0) < 0 || fchmod(c->to, src.st_mode & 07777) < 0)
		return -errno;
	return 0;
}

void fs_copy(struct fs_service *s, uint32_t id, const char *from,
	     const char *to)
{
	struct fs_copying *c =
		(struct fs_copying *)fs_stream_new(s, id, sizeof(*c));
	int rc;

	if (!c)
		return;
	c->from = c->to = -1;
	c->stream.step = copy_step;
	c->stream.fini = copy_fini;
	rc = copy_open(c, from, to);
	if (!rc) {
		fs_stream_start(&c->stream);
		return;
	}
	fs_send_result(s->a, id, "copy", rc < 0 ? rc : 0);
	copy_fini(&c->stream);
	free(c);
}
