/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's end of the channel to the host. */
#include "agent/chan.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

#define READ_SIZE 65536u
/* A console port hands out at most a page per read: go on at once within a
 * frame, but let the others have a turn now and then. */
#define READS_PER_TURN 64
#define IN_MAX (FRAME_BUF_MAX + READ_SIZE)

/* Bulk producers pause above HIGH and go on below LOW. */
#define OUT_HIGH (1u << 20)
#define OUT_LOW (256u << 10)
/* Above this nothing more is read, as any request may add a frame; the
 * ceiling leaves room for what one request can add. */
#define OUT_CONGESTED (16u << 20)
/* An empty buffer that is larger gives its memory back. */
#define KEEP_MAX (256u << 10)
#define OUT_MAX (OUT_CONGESTED + 4 * FRAME_BUF_MAX)

/* Until the host has connected its side, a console port reads as ended. */
#define EARLY_RETRY_MS 5
#define EARLY_RETRIES 1000

static void on_ready(struct watch *w, uint32_t events);

static void end(struct chan *c, int error)
{
	if (c->dead)
		return;
	c->dead = true;
	loop_unwatch(&c->watch);
	c->ops->on_end(c, error);
}

/* Bring what epoll watches in line with what is wanted. */
static void arm(struct chan *c)
{
	uint32_t want = 0;
	int rc;

	if (c->dead || c->retry.loop)
		return;
	if (buf_len(&c->out) < OUT_CONGESTED)
		want |= EPOLLIN;
	if (buf_len(&c->out) && !c->flush.queued)
		want |= EPOLLOUT;
	if (want == c->events)
		return;
	c->events = want;
	/* unwatched when idle: a hang-up would be reported all the time */
	if (!want) {
		loop_unwatch(&c->watch);
		return;
	}
	rc = c->watch.loop
		     ? loop_rewatch(&c->watch, want)
		     : loop_watch(c->loop, &c->watch, c->fd, want, on_ready);
	if (rc)
		end(c, rc);
}

static void wake_waiters(struct chan *c)
{
	struct list batch;

	if (list_empty(&c->waiters) || buf_len(&c->out) > OUT_LOW)
		return;
	/* those that wait again go to the new list, behind the others */
	batch = c->waiters;
	batch.next->prev = &batch;
	batch.prev->next = &batch;
	list_init(&c->waiters);
	while (!list_empty(&batch)) {
		struct chan_waiter *w =
			container_of(batch.next, struct chan_waiter, link);

		if (chan_full(c)) {
			list_del(&w->link);
			list_add_tail(&c->waiters, &w->link);
			continue;
		}
		chan_wait_cancel(w);
		w->on_room(w);
	}
}

/* One huge frame must not keep its memory for good. */
static void release_memory(struct buf *b)
{
	if (!buf_len(b) && b->cap > KEEP_MAX)
		buf_fini(b);
}

static void on_resume(struct deferred *d);

void chan_flush(struct chan *c)
{
	while (!c->dead && buf_len(&c->out)) {
		ssize_t n =
			io_write(c->fd, buf_data(&c->out), buf_len(&c->out));

		if (n == -EAGAIN)
			break;
		if (n < 0) {
			end(c, (int)n);
			return;
		}
		buf_consume(&c->out, (size_t)n);
	}
	release_memory(&c->out);
	wake_waiters(c);
	if (c->stalled && buf_len(&c->out) < OUT_CONGESTED) {
		c->stalled = false;
		loop_defer(c->loop, &c->resume, on_resume);
	}
	arm(c);
}

static void on_flush(struct deferred *d)
{
	chan_flush(container_of(d, struct chan, flush));
}

static void process(struct chan *c)
{
	struct frame f;
	int rc;

	while (!c->dead) {
		if (buf_len(&c->out) >= OUT_CONGESTED) {
			c->stalled = true;
			return;
		}
		rc = frame_parse(buf_data(&c->in), buf_len(&c->in), &f);
		if (rc < 0) {
			end(c, rc);
			return;
		}
		if (!rc)
			break;
		c->ops->on_frame(c, &f);
		buf_consume(&c->in, f.raw.len);
	}
	release_memory(&c->in);
}

static void on_resume(struct deferred *d)
{
	struct chan *c = container_of(d, struct chan, resume);

	process(c);
	arm(c);
}

static void on_retry(struct timer *t)
{
	arm(container_of(t, struct chan, retry));
}

/* End of file, or the host that is not there yet. */
static void on_eof(struct chan *c)
{
	if (c->heard || ++c->early_ends > EARLY_RETRIES) {
		end(c, 0);
		return;
	}
	loop_unwatch(&c->watch);
	c->events = 0;
	loop_timer(c->loop, &c->retry, EARLY_RETRY_MS, on_retry);
}

static void receive(struct chan *c)
{
	for (int i = 0; i < READS_PER_TURN && !c->dead; i++) {
		uint8_t *p = buf_reserve(&c->in, READ_SIZE);
		ssize_t n = p ? io_read(c->fd, p, READ_SIZE) : -ENOMEM;

		if (n == -EAGAIN)
			break;
		if (n == 0) {
			on_eof(c);
			return;
		}
		if (n < 0) {
			end(c, (int)n);
			return;
		}
		c->heard = true;
		buf_commit(&c->in, (size_t)n);
		process(c);
		/* what is left over is held back, or not yet complete */
		if (!buf_len(&c->in) || c->stalled)
			break;
	}
	arm(c);
}

static void on_ready(struct watch *w, uint32_t events)
{
	struct chan *c = container_of(w, struct chan, watch);

	if (events & EPOLLOUT) {
		chan_flush(c);
		if (c->dead)
			return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && c->events & EPOLLIN)
		receive(c);
}

int chan_open(struct chan *c, struct loop *loop, int fd,
	      const struct chan_ops *ops)
{
	memset(c, 0, sizeof(*c));
	c->loop = loop;
	c->ops = ops;
	c->fd = fd;
	buf_init(&c->in, IN_MAX);
	buf_init(&c->out, OUT_MAX);
	list_init(&c->waiters);
	c->events = EPOLLIN;
	return loop_watch(loop, &c->watch, fd, EPOLLIN, on_ready);
}

void chan_close(struct chan *c)
{
	c->dead = true;
	loop_unwatch(&c->watch);
	loop_timer_cancel(&c->retry);
	loop_defer_cancel(&c->flush);
	loop_defer_cancel(&c->resume);
	buf_fini(&c->in);
	buf_fini(&c->out);
	close_fd(&c->fd);
}

static int queued(struct chan *c, int rc)
{
	if (!rc && !c->dead && !(c->events & EPOLLOUT))
		loop_defer(c->loop, &c->flush, on_flush);
	return rc;
}

int chan_send(struct chan *c, uint32_t id, const char *type,
	      const struct buf *payload)
{
	return queued(c,
		      frame_put(&c->out, id, PROTO_GENERATION, type, payload));
}

int chan_send_data(struct chan *c, uint32_t id, const char *type,
		   const void *data, size_t len)
{
	return queued(c, frame_put_data(&c->out, id, PROTO_GENERATION, type,
					data, len));
}

bool chan_full(const struct chan *c)
{
	return buf_len(&c->out) >= OUT_HIGH;
}

void chan_wait(struct chan *c, struct chan_waiter *w,
	       void (*on_room)(struct chan_waiter *))
{
	if (w->waiting)
		return;
	w->on_room = on_room;
	w->waiting = true;
	list_add_tail(&c->waiters, &w->link);
}

void chan_wait_cancel(struct chan_waiter *w)
{
	if (!w->waiting)
		return;
	list_del(&w->link);
	w->waiting = false;
}
