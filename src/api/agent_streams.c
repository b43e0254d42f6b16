/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for which frames of an agent's client. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "api/agent_int.h"
#include "base/io.h"

#define PIECE_COST(len) ((len) + sizeof(struct agent_piece))

static int signal_init(struct agent_signal *s)
{
	s->on = false;
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s->fd < 0 ? -errno : 0;
}

void agent_signal_set(struct agent_signal *s, bool on)
{
	uint64_t n = 1;

	if (s->on == on || s->fd < 0)
		return;
	s->on = on;
	/* neither can fail: it never overflows, and is read when it is set */
	if (on)
		(void)io_write(s->fd, &n, sizeof(n));
	else
		(void)io_read(s->fd, &n, sizeof(n));
}

/* ---- the client --------------------------------------------------------- */

static int read_ready(msb_agent_t *a)
{
	struct envelope e;

	if (envelope_parse(view_buf(&a->ready), NULL, &e) ||
	    msg_decode_ready(e.payload, NULL, &a->times))
		return -EBADMSG; /* the handshake has looked */
	a->version = a->times.agent_version.p ? view_dup(a->times.agent_version)
					      : strdup("");
	return a->version ? 0 : -ENOMEM;
}

msb_agent_t *agent_new(struct agent_client *c)
{
	msb_agent_t *a = calloc(1, sizeof(*a));

	if (!a || pthread_mutex_init(&a->lock, NULL)) {
		agent_close(c);
		free(a);
		return NULL;
	}
	a->refs = 1;
	a->fd = take_fd(&c->fd);
	a->first = a->next_id = c->id_start;
	a->end = c->id_end;
	a->generation = c->generation;
	a->ready = c->ready;
	a->in = c->in;
	buf_fini(&c->out);
	buf_init(&a->out, AGENT_OUT_HIGH + FRAME_BUF_MAX);
	a->room.fd = a->wake.fd = -1;
	if (signal_init(&a->room) || signal_init(&a->wake) || read_ready(a)) {
		agent_unref(a);
		return NULL;
	}
	agent_signal_set(&a->room, true);
	return a;
}

static void forget(msb_agent_stream_t *st)
{
	msb_agent_stream_t **at = &st->a->bucket[st->id % AGENT_BUCKETS];

	while (*at != st)
		at = &(*at)->next;
	*at = st->next;
	free(st);
}

void agent_unref(msb_agent_t *a)
{
	bool last;

	(void)pthread_mutex_lock(&a->lock);
	last = --a->refs == 0;
	(void)pthread_mutex_unlock(&a->lock);
	if (!last)
		return;
	for (size_t i = 0; i < AGENT_BUCKETS; i++)
		while (a->bucket[i])
			forget(a->bucket[i]);
	close_fd(&a->fd);
	close_fd(&a->room.fd);
	close_fd(&a->wake.fd);
	buf_fini(&a->in);
	buf_fini(&a->out);
	buf_fini(&a->ready);
	free(a->version);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}

int agent_state(const msb_agent_t *a, struct err *err)
{
	if (a->closed)
		return err_set(err, ERR_AGENT_CLOSED, ESHUTDOWN,
			       "the client has been closed");
	if (!a->over)
		return 0;
	if (err)
		*err = a->why;
	return -a->why.sys;
}

/* A call of stream_next would give something, or say why not. */
static void tell(msb_agent_stream_t *st)
{
	const msb_agent_t *a = st->a;

	agent_signal_set(&st->news,
			 st->first || st->given || a->over || a->closed);
}

void agent_over(msb_agent_t *a, const struct err *why)
{
	if (why && !a->over)
		a->why = *why;
	if (why)
		a->over = true;
	else
		a->closed = true;
	buf_reset(&a->out);
	agent_signal_set(&a->room, true);
	for (size_t i = 0; i < AGENT_BUCKETS; i++)
		for (msb_agent_stream_t *st = a->bucket[i]; st; st = st->next)
			tell(st);
	(void)shutdown(a->fd, SHUT_RDWR); /* it may be down already */
	agent_signal_set(&a->wake, true);
}

/* ---- streams ------------------------------------------------------------ */

static msb_agent_stream_t *find(const msb_agent_t *a, uint32_t id)
{
	msb_agent_stream_t *st = a->bucket[id % AGENT_BUCKETS];

	while (st && st->id != id)
		st = st->next;
	return st;
}

static int fresh_id(msb_agent_t *a, uint32_t *ret)
{
	uint32_t range = a->end - a->first;

	/* few are in use: of as many and one more, one is free */
	for (uint32_t i = 0; i < range; i++) {
		uint32_t id = a->next_id;

		a->next_id = id + 1 < a->end ? id + 1 : a->first;
		if (find(a, id))
			continue;
		*ret = id;
		return 0;
	}
	return -EMFILE;
}

int agent_stream_new(msb_agent_t *a, msb_agent_stream_t **ret, struct err *err)
{
	msb_agent_stream_t *st = calloc(1, sizeof(*st));
	int rc;

	if (!st)
		return api_no_memory(err);
	st->a = a;
	st->last = &st->first;
	st->news.fd = -1;
	if (a->nabandoned >= AGENT_ABANDONED_MAX || fresh_id(a, &st->id)) {
		free(st);
		return err_set(err, ERR_AGENT, EMFILE,
			       "too many requests of this client have not been "
			       "answered to their end");
	}
	rc = signal_init(&st->news);
	if (rc) {
		free(st);
		return err_sys(err, ERR_IO, -rc, "make an event");
	}
	st->next = a->bucket[st->id % AGENT_BUCKETS];
	a->bucket[st->id % AGENT_BUCKETS] = st;
	a->refs++;
	*ret = st;
	return 0;
}

static void taken(msb_agent_t *a, size_t bytes)
{
	a->queued -= bytes;
	if (!a->stalled || a->queued > MSB_AGENT_QUEUE_MAX / 2)
		return;
	a->stalled = false;
	agent_signal_set(&a->wake, true);
}

static struct agent_piece *unlink_piece(msb_agent_stream_t *st)
{
	struct agent_piece *p = st->first;

	if (!p)
		return NULL;
	st->first = p->next;
	if (!st->first)
		st->last = &st->first;
	taken(st->a, PIECE_COST(p->len));
	return p;
}

void agent_stream_drop(msb_agent_stream_t *st, bool asked)
{
	msb_agent_t *a = st->a;
	struct agent_piece *p;

	while ((p = unlink_piece(st)))
		free(p);
	close_fd(&st->news.fd);
	if (!asked || st->complete || a->over || a->closed) {
		forget(st);
		return;
	}
	st->abandoned = true;
	a->nabandoned++;
}

int agent_stream_pop(msb_agent_stream_t *st, msb_agent_frame_t *ret)
{
	struct agent_piece *p = unlink_piece(st);

	if (!p)
		return 0;
	ret->id = p->id;
	ret->flags = p->flags;
	ret->body = p->body;
	ret->len = p->len;
	if (p->flags & FRAME_TERMINAL)
		st->given = true;
	tell(st);
	return 1;
}

void msb_agent_frame_clear(msb_agent_frame_t *frame)
{
	if (frame->body)
		free(container_of(frame->body, struct agent_piece, body));
	frame->body = NULL;
	frame->len = 0;
}

/* ---- frames ------------------------------------------------------------- */

static int give(msb_agent_t *a, const struct frame *f)
{
	msb_agent_stream_t *st = find(a, f->id);
	struct agent_piece *p;

	if (!st || st->complete)
		return 0;
	if (f->flags & FRAME_TERMINAL)
		st->complete = true;
	if (st->abandoned) {
		if (st->complete) {
			a->nabandoned--;
			forget(st);
		}
		return 0;
	}
	p = malloc(sizeof(*p) + f->body.len);
	if (!p)
		return -ENOMEM;
	p->next = NULL;
	p->id = f->id;
	p->flags = f->flags;
	p->len = f->body.len;
	memcpy(p->body, f->body.p, f->body.len);
	*st->last = p;
	st->last = &p->next;
	a->queued += PIECE_COST(p->len);
	tell(st);
	return 0;
}

void agent_deliver(msb_agent_t *a, struct buf *in)
{
	struct err why = { 0 };
	struct frame f;
	int rc = 0;

	while (!a->over && !a->closed && !rc) {
		rc = frame_parse(buf_data(in), buf_len(in), &f);
		if (rc <= 0)
			break;
		rc = give(a, &f);
		buf_consume(in, f.raw.len);
	}
	a->stalled = a->queued >= MSB_AGENT_QUEUE_MAX;
	if (rc == -ENOMEM)
		(void)api_no_memory(&why);
	else if (rc)
		(void)err_set(&why, ERR_PROTOCOL, EPROTO,
			      "the relay sent a frame of a length that cannot "
			      "be");
	if (rc)
		agent_over(a, &why);
}
