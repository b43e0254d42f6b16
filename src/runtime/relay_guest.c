/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream from the guest: cut into frames, routed, copied to the log.
 *
 *   | head (9) | body ............ | head (9) | body ...
 *   ^ begin_frame decides who gets it; bytes go out as they arrive
 *                         end_frame ^ what the relay itself learns from it
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "runtime/relay_int.h"

static void noise(struct relay *r, const char *what, uint32_t id)
{
	if (ratelimit_ok(&r->guest_noise, loop_now_ms(r->cfg.loop)))
		log_warn("relay", "guest: %s (id %u)", what, id);
}

static void broken(struct relay *r, const char *why)
{
	if (r->broken)
		return;
	r->broken = true;
	log_error("relay", "the guest's stream is broken: %s", why);
	r->cfg.on_guest_broken(r->cfg.ctx, why);
}

void relay_span_flush(struct relay *r)
{
	struct span s = r->span;

	r->span = (struct span){ 0 };
	if (s.client)
		client_send(s.client, s.p, s.len);
}

static void deliver(struct relay *r, const uint8_t *p, size_t len)
{
	struct relay_client *c = r->in.target;

	if (!c)
		return;
	if (r->span.client == c && r->span.p + r->span.len == p) {
		r->span.len += len;
		return;
	}
	relay_span_flush(r); /* may drop the target */
	if (r->in.target)
		r->span = (struct span){ r->in.target, p, len };
}

/* Who gets a frame with this id; NULL: nobody. */
static struct relay_client *route(struct relay *r, uint32_t id,
				  const struct session *s)
{
	struct relay_client *c;

	if (s)
		return s->owner;
	c = r->slot[relay_slot(id)].client;
	if (c && id >= c->id_start && id < c->id_end)
		return c;
	return NULL;
}

static void begin_frame(struct relay *r)
{
	struct guest_frame *f = &r->in;
	struct session *s;

	f->target = NULL;
	f->collect = false;
	buf_reset(&f->body);
	if (f->flags & FRAME_RELAY) {
		f->collect = r->ready && f->left <= CONTROL_MAX;
		return;
	}
	if (!r->ready) {
		/* whatever comes before ready is nobody's */
		f->collect = f->id == 0 && f->left <= READY_MAX;
		return;
	}
	if (f->id == 0) /* nothing for clients has this id */
		return;
	s = session_find(&r->sessions, f->id);
	f->target = route(r, f->id, s);
	f->collect = s && s->exec && (r->cfg.logs || s->internal);
	if (f->target) {
		f->target->in_frame = true;
		if (s && f->target->congested)
			relay_hold_output(r, s, true);
	}
}

static void learn_ready(struct relay *r, struct view body)
{
	struct envelope e;
	struct msg_ready m;

	if (envelope_parse(body, NULL, &e) || !view_is(e.type, MSG_T_READY) ||
	    msg_decode_ready(e.payload, NULL, &m)) {
		noise(r, "unexpected frame before core.ready", 0);
		return;
	}
	if (frame_put_raw(&r->ready_frame, 0, r->in.flags, body.p, body.len))
		return;
	r->ready = true;
	relay_activity(r);
	r->cfg.on_ready(r->cfg.ctx);
}

static void learn_usage(struct relay *r, struct view payload)
{
	struct msg_usage usage;

	if (r->in.id || msg_decode_usage(payload, &usage))
		noise(r, "malformed usage", r->in.id);
	else if (r->cfg.on_usage)
		r->cfg.on_usage(r->cfg.ctx, &usage);
}

static void learn_control(struct relay *r, struct view body)
{
	struct session *s = session_find(&r->sessions, r->in.id);
	struct envelope e;

	if (envelope_parse(body, NULL, &e)) {
		noise(r, "malformed control frame", r->in.id);
		return;
	}
	if (view_is(e.type, MSG_T_USAGE)) {
		learn_usage(r, e.payload);
		return;
	}
	if (!s)
		return; /* it has just ended */
	if (view_is(e.type, MSG_T_EXEC_PAUSE)) {
		s->in_held = true;
	} else if (view_is(e.type, MSG_T_EXEC_RESUME)) {
		s->in_held = false;
		if (s->owner)
			client_release(s->owner);
	} else {
		noise(r, "unknown control frame", r->in.id);
	}
}

static void capture(struct relay *r, struct session *s,
		    const struct envelope *e)
{
	struct log_capture *to = NULL;
	struct view data;

	if (view_is(e->type, MSG_T_EXEC_STDOUT))
		to = &s->out;
	else if (view_is(e->type, MSG_T_EXEC_STDERR))
		to = &s->err;
	if (to && r->cfg.logs && !msg_decode_data(e->payload, NULL, &data))
		logs_exec(r->cfg.logs, to, data.p, data.len);
}

/* The end of the program that the runtime started; false when it is not. */
static bool internal_exit(const struct session *s, const struct envelope *e,
			  struct relay_exit *ret)
{
	struct msg_exec_failed failed;
	struct msg_exited exited;

	*ret = (struct relay_exit){ .failed = MSG_FAIL_OTHER };
	if (!s || !s->internal || !(e->type.p))
		return false;
	if (view_is(e->type, MSG_T_EXEC_EXITED) &&
	    !msg_decode_exited(e->payload, &exited)) {
		ret->started = true;
		ret->code = exited.code;
		ret->signal = exited.signal.set ? exited.signal.v : 0;
	} else if (view_is(e->type, MSG_T_EXEC_FAILED) &&
		   !msg_decode_exec_failed(e->payload, NULL, &failed)) {
		ret->failed = failed.kind;
	}
	return true;
}

static void end_session_frame(struct relay *r, struct view body)
{
	struct session *s = session_find(&r->sessions, r->in.id);
	struct envelope e = { 0 };
	struct relay_exit end;
	bool was_internal;

	if (!s)
		return;
	if (r->in.collect) {
		if (envelope_parse(body, NULL, &e))
			noise(r, "malformed frame", r->in.id);
		else
			capture(r, s, &e);
	}
	if (!(r->in.flags & FRAME_TERMINAL))
		return;
	was_internal = s->internal;
	internal_exit(s, &e, &end);
	relay_session_end(r, s);
	if (was_internal)
		r->cfg.on_exit(r->cfg.ctx, &end);
}

static void end_frame(struct relay *r, struct view body)
{
	struct guest_frame *f = &r->in;
	bool control = f->flags & FRAME_RELAY;

	f->head_len = 0;
	if (control && f->collect)
		learn_control(r, body);
	else if (!r->ready && f->collect)
		learn_ready(r, body);
	else if (!control)
		end_session_frame(r, body);
	if (f->target)
		client_frame_done(f->target);
	f->target = NULL;
	if (f->body.cap > SMALL_BUF)
		buf_fini(&f->body);
}

/* Take bytes of the head; true when it is complete and begins a frame. */
static bool take_head(struct relay *r, const uint8_t **p, size_t *len)
{
	struct guest_frame *f = &r->in;
	bool in_place = !f->head_len && *len >= FRAME_HEAD_SIZE;
	size_t n = FRAME_HEAD_SIZE - f->head_len;
	uint32_t size;

	if (n > *len)
		n = *len;
	memcpy(f->head + f->head_len, *p, n);
	f->head_len += n;
	*p += n;
	*len -= n;
	if (f->head_len >= 4) { /* a wrong length is told at once */
		size = be32_get(f->head);
		if (size < FRAME_LEN_MIN || size > FRAME_LEN_MAX) {
			broken(r, "impossible frame length");
			return false;
		}
	}
	if (f->head_len < FRAME_HEAD_SIZE)
		return false;
	f->left = be32_get(f->head) - FRAME_LEN_MIN;
	f->id = be32_get(f->head + 4);
	f->flags = f->head[8];
	begin_frame(r);
	if (in_place) {
		deliver(r, *p - FRAME_HEAD_SIZE, FRAME_HEAD_SIZE);
	} else if (f->target) { /* kept bytes: they cannot wait in a span */
		relay_span_flush(r);
		if (f->target)
			client_send(f->target, f->head, FRAME_HEAD_SIZE);
	}
	return true;
}

static void take_body(struct relay *r, const uint8_t **p, size_t *len)
{
	struct guest_frame *f = &r->in;
	size_t n = f->left < *len ? f->left : *len;
	const uint8_t *at = *p;
	struct view body = { at, n };

	*p += n;
	*len -= n;
	f->left -= n;
	deliver(r, at, n);
	if (f->collect && (f->left || buf_len(&f->body))) {
		if (buf_append(&f->body, at, n)) {
			buf_fini(&f->body); /* no memory: not captured */
			f->collect = false;
		}
		body = view_buf(&f->body);
	}
	if (!f->left)
		end_frame(r, body);
}

void relay_from_guest(struct relay *r, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (!r->broken) {
		if (r->in.head_len < FRAME_HEAD_SIZE) {
			if (!len || !take_head(r, &p, &len))
				break;
		}
		/* also with len 0, for a frame without a body */
		if (r->in.left && !len)
			break;
		take_body(r, &p, &len);
	}
	relay_span_flush(r);
}
