/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream from a client: frames are collected, checked against the client's
 * id range, followed as sessions and forwarded unchanged. Frames with the relay
 * flag are for the relay itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "runtime/relay_int.h"

/* --- disconnect --- */

/* Programs are killed, detached ones and those of the runtime stay. */
static void leave_sessions(struct relay_client *c)
{
	struct relay *r = c->relay;
	struct list *pos, *tmp;
	struct buf kill;

	buf_init(&kill, 64);
	msg_encode_signal(&kill, 9);
	list_for_each_safe(pos, tmp, &c->sessions)
	{
		struct session *s = container_of(pos, struct session, link);

		s->owner = NULL;
		list_del(&s->link);
		if (s->internal) {
			s->state = SESSION_DETACHED;
			list_add_tail(&r->detached, &s->link);
			relay_hold_output(r, s, false);
			continue;
		}
		s->state = SESSION_ORPHAN;
		r->live--;
		if (!s->exec) { /* the guest ends those without a word */
			session_del(&r->sessions, s);
			continue;
		}
		relay_msg_to_guest(r, s->id, MSG_T_EXEC_SIGNAL, &kill);
		relay_hold_output(r, s, false); /* or it never ends */
	}
	buf_fini(&kill);
}

static void tell_guest(struct relay *r, const struct relay_client *c)
{
	struct msg_id_range range = { c->id_start, c->id_end };
	struct buf p;

	buf_init(&p, 128);
	msg_encode_id_range(&p, &range);
	relay_msg_to_guest(r, 0, MSG_T_CLIENT_DISCONNECTED, &p);
	buf_fini(&p);
}

void client_drop(struct relay_client *c, const char *why)
{
	struct relay *r = c->relay;
	unsigned before = r->live;
	bool worked = c->nsessions > 0;

	if (c->dead)
		return;
	c->dead = true;
	if (why)
		log_warn("relay", "client %u: %s; connection closed", c->slot,
			 why);
	else
		log_debug("relay", "client %u: gone", c->slot);
	r->slot[c->slot].client = NULL;
	r->slot[c->slot].freed_ms = loop_now_ms(r->cfg.loop);
	if (c->id_max >= r->slot[c->slot].next_id)
		r->slot[c->slot].next_id = c->id_max + 1;
	if (r->in.target == c)
		r->in.target = NULL;
	if (r->span.client == c)
		r->span = (struct span){ 0 };
	loop_unwatch(&c->watch);
	if (c->fd >= 0)
		(void)close(c->fd);
	leave_sessions(c);
	tell_guest(r, c);
	r->out_total -= c->out.len;
	byteq_fini(&c->out);
	buf_fini(&c->in);
	buf_fini(&c->later);
	list_add_tail(&r->graveyard, &c->grave);
	loop_defer(r->cfg.loop, &r->bury, r->bury.run);
	if (worked) /* who only asked whether we live did not */
		relay_activity(r);
	if (before && !r->live)
		r->cfg.on_quiet(r->cfg.ctx);
}

/* --- answers of the relay --- */

static void answer(struct relay_client *c, uint32_t id, uint8_t flags,
		   const char *type, const struct buf *payload)
{
	struct buf out;

	buf_init(&out, CONTROL_MAX);
	if (!frame_put(&out, id, PROTO_GENERATION, type, payload)) {
		out.data[out.head + FRAME_HEAD_SIZE - 1] = flags;
		client_send_own(c, &out);
	}
	buf_fini(&out);
}

static void answer_error(struct relay_client *c, uint32_t id, uint8_t flags,
			 const char *kind, const char *message)
{
	struct msg_error m = { .kind = view_cstr(kind),
			       .message = view_cstr(message) };
	struct buf p;

	buf_init(&p, CONTROL_MAX);
	msg_encode_error(&p, &m);
	answer(c, id, FRAME_TERMINAL | flags, MSG_T_ERROR, &p);
	buf_fini(&p);
}

void relay_fail_commands(struct relay *r, const char *kind, const char *message)
{
	for (unsigned i = 0; i < RELAY_MAX_CLIENTS; i++) {
		struct relay_client *c = r->slot[i].client;
		struct list *at, *next;

		if (!c || c->dead)
			continue;
		list_for_each_safe(at, next, &c->sessions)
		{
			const struct session *s =
				container_of(at, struct session, link);

			if (s->exec)
				answer_error(c, s->id, 0, kind, message);
			if (c->dead) /* it took too little: all are gone */
				break;
		}
	}
}

static void detach(struct relay_client *c, uint32_t id)
{
	struct session *s = session_find(&c->relay->sessions, id);

	if (!s || s->owner != c || !s->exec) {
		answer_error(c, id, FRAME_RELAY, MSG_ERROR_SESSION,
			     "no such session to detach from");
		return;
	}
	list_del(&s->link);
	c->nsessions--;
	s->owner = NULL;
	s->state = SESSION_DETACHED;
	list_add_tail(&c->relay->detached, &s->link);
	relay_hold_output(c->relay, s, false);
}

static void attach(struct relay_client *c, uint32_t id)
{
	struct relay *r = c->relay;
	struct msg_relay_attached m;
	struct session *s;
	struct buf p;

	if (list_empty(&r->detached)) {
		answer_error(c, id, FRAME_RELAY, MSG_ERROR_SESSION,
			     "no detached session");
		return;
	}
	s = container_of(r->detached.prev, struct session, link);
	list_del(&s->link);
	list_add_tail(&c->sessions, &s->link);
	c->nsessions++;
	s->owner = c;
	s->state = SESSION_OWNED;
	m = (struct msg_relay_attached){ .id = s->id, .tty = s->tty };
	buf_init(&p, CONTROL_MAX);
	msg_encode_relay_attached(&p, &m);
	answer(c, id, FRAME_RELAY | FRAME_TERMINAL, MSG_T_RELAY_ATTACHED, &p);
	buf_fini(&p);
}

static void modify(struct relay_client *c, uint32_t id, struct view payload)
{
	struct relay *r = c->relay;
	struct err err = { 0 };
	struct view text;
	struct buf p;

	if (msg_decode_data(payload, NULL, &text)) {
		answer_error(c, id, FRAME_RELAY, MSG_ERROR_PAYLOAD,
			     "malformed relay request");
		return;
	}
	if (r->cfg.on_modify(r->cfg.ctx, text.p, text.len, &err)) {
		answer_error(c, id, FRAME_RELAY, MSG_ERROR_PAYLOAD, err.msg);
		return;
	}
	buf_init(&p, CONTROL_MAX);
	msg_encode_empty(&p);
	answer(c, id, FRAME_RELAY | FRAME_TERMINAL, MSG_T_RELAY_MODIFIED, &p);
	buf_fini(&p);
}

static void relay_request(struct relay_client *c, const struct frame *f)
{
	struct envelope e;
	void *scratch;

	if (relay_envelope(f->body, &e, &scratch))
		answer_error(c, f->id, FRAME_RELAY, MSG_ERROR_MALFORMED,
			     "malformed relay request");
	else if (view_is(e.type, MSG_T_RELAY_DETACH))
		detach(c, f->id);
	else if (view_is(e.type, MSG_T_RELAY_ATTACH))
		attach(c, f->id);
	else if (view_is(e.type, MSG_T_RELAY_MODIFY))
		modify(c, f->id, e.payload);
	else
		answer_error(c, f->id, FRAME_RELAY, MSG_ERROR_TYPE,
			     "unknown relay request");
	free(scratch);
}

/* --- frames on their way to the guest --- */

/* Follow a session from its first frame; false: the client was dropped, or the
 * frame was answered here. */
static bool start_session(struct relay_client *c, const struct frame *f)
{
	struct relay *r = c->relay;
	struct msg_exec_request req;
	struct session *s;
	struct envelope e;
	void *scratch;
	bool exec;

	if (session_find(&r->sessions, f->id)) {
		answer_error(c, f->id, 0, MSG_ERROR_SESSION,
			     "this id is in use");
		return false;
	}
	if (relay_envelope(f->body, &e, &scratch)) {
		free(scratch);
		return true; /* the agent finds the words */
	}
	exec = view_is(e.type, MSG_T_EXEC_REQUEST);
	if (!exec && !view_is(e.type, MSG_T_FS_REQUEST) &&
	    !view_is(e.type, MSG_T_TCP_CONNECT)) {
		free(scratch);
		return true;
	}
	s = c->nsessions < SESSIONS_PER_CLIENT
		    ? session_add(&r->sessions, f->id)
		    : NULL;
	if (s && exec) {
		s->exec = true;
		s->tty = !msg_decode_exec_request(e.payload, NULL, &req) &&
			 req.tty;
		s->out.id = s->err.id = ++r->next_log_id;
		s->out.stream = s->tty ? LOG_OUTPUT : LOG_STDOUT;
		s->err.stream = LOG_STDERR;
	}
	free(scratch);
	if (!s) {
		client_drop(c, "too many sessions");
		return false;
	}
	s->owner = c;
	list_add_tail(&c->sessions, &s->link);
	c->nsessions++;
	r->live++;
	return true;
}

/* A frame that a held session cannot take now: one that carries input. */
static bool must_wait(const struct session *s, const struct frame *f)
{
	struct envelope e;
	void *scratch;
	bool input;

	if (!s || !s->in_held)
		return false;
	input = !relay_envelope(f->body, &e, &scratch) &&
		(view_is(e.type, MSG_T_EXEC_STDIN) ||
		 view_is(e.type, MSG_T_FS_DATA) ||
		 view_is(e.type, MSG_T_TCP_DATA) ||
		 view_is(e.type, MSG_T_TCP_EOF));
	free(scratch);
	return input;
}

/* core.ping asks whether the agent lives; that is no work. */
static bool is_ping(const struct frame *f)
{
	struct envelope e;
	void *scratch;
	bool ping;

	if (f->body.len > 256)
		return false;
	ping = !relay_envelope(f->body, &e, &scratch) &&
	       view_is(e.type, MSG_T_PING);
	free(scratch);
	return ping;
}

enum verdict { FRAME_DONE, FRAME_WAITS, CLIENT_GONE };

static enum verdict take_frame(struct relay_client *c, const struct frame *f)
{
	bool mine = f->id >= c->id_start && f->id < c->id_end;
	bool off = (f->flags & FRAME_SHUTDOWN) && !(f->flags & FRAME_RELAY);
	struct relay *r = c->relay;
	struct session *s = session_find(&r->sessions, f->id);

	if (!mine && !(s && s->owner == c) && !(off && f->id == 0)) {
		client_drop(c, "frame id outside its range");
		return CLIENT_GONE;
	}
	if (mine && f->id > c->id_max)
		c->id_max = f->id;
	if (f->flags & FRAME_RELAY) {
		relay_request(c, f);
		return c->dead ? CLIENT_GONE : FRAME_DONE;
	}
	if (must_wait(s, f)) {
		if (!c->hung)
			return FRAME_WAITS;
		return FRAME_DONE; /* nobody will want it */
	}
	if (s || (f->flags & FRAME_SESSION_START) || !is_ping(f))
		relay_activity(r);
	if ((f->flags & FRAME_SESSION_START) && !start_session(c, f))
		return c->dead ? CLIENT_GONE : FRAME_DONE;
	relay_to_guest(r, f->raw.p, f->raw.len);
	if (off)
		r->cfg.on_shutdown(r->cfg.ctx);
	return c->dead ? CLIENT_GONE : FRAME_DONE;
}

/*
 * Handle the whole frames at the front of the bytes given; returns how many
 * bytes are done with, or -1 when the client is gone.
 */
static ssize_t take_frames(struct relay_client *c, const uint8_t *p, size_t len)
{
	size_t done = 0;

	for (;;) {
		struct frame f;
		int rc;

		if ((c->stall & STALL_GUEST) && !c->hung)
			return (ssize_t)done;
		rc = frame_parse(p + done, len - done, &f);
		if (rc == 0)
			return (ssize_t)done;
		if (rc < 0) {
			client_drop(c, "impossible frame length");
			return -1;
		}
		switch (take_frame(c, &f)) {
		case CLIENT_GONE:
			return -1;
		case FRAME_WAITS:
			c->stall |= STALL_SESSION;
			return (ssize_t)done;
		case FRAME_DONE:
			done += f.raw.len;
			break;
		}
	}
}

void client_input(struct relay_client *c, const uint8_t *data, size_t len)
{
	ssize_t done;

	if (!buf_len(&c->in)) {
		done = take_frames(c, data, len);
		if (done < 0)
			return;
		data += done;
		len -= (size_t)done;
		if (len && buf_append(&c->in, data, len))
			client_drop(c, "out of memory");
		return;
	}
	if (buf_append(&c->in, data, len)) {
		client_drop(c, "out of memory");
		return;
	}
	client_resume(c);
}

void client_resume(struct relay_client *c)
{
	ssize_t done = 0;

	if (buf_len(&c->in))
		done = take_frames(c, buf_data(&c->in), buf_len(&c->in));
	if (done < 0)
		return;
	buf_consume(&c->in, (size_t)done);
	if (!buf_len(&c->in) && c->in.cap > SMALL_BUF)
		buf_fini(&c->in);
	client_update_watch(c);
}

void client_release(struct relay_client *c)
{
	if (c->dead || !(c->stall & STALL_SESSION))
		return;
	c->stall &= ~(unsigned)STALL_SESSION;
	client_resume(c);
}
