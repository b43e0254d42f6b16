/* SPDX-License-Identifier: Apache-2.0 */
/* Relay: life cycle, the stream towards the guest, sessions of the runtime. */
#include "runtime/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "runtime/relay_int.h"

void relay_activity(struct relay *r)
{
	r->activity_ms = loop_now_ms(r->cfg.loop);
}

uint64_t relay_last_activity_ms(const struct relay *r)
{
	return r->activity_ms;
}

unsigned relay_sessions(const struct relay *r)
{
	return r->live;
}

static void bury_dead(struct deferred *d)
{
	struct relay *r = container_of(d, struct relay, bury);
	struct list *pos, *tmp;

	list_for_each_safe(pos, tmp, &r->graveyard)
	{
		list_del(pos);
		free(container_of(pos, struct relay_client, grave));
	}
}

int relay_new(const struct relay_config *cfg, struct relay **ret)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->read_buf = malloc(READ_BYTES);
	if (!r->read_buf) {
		free(r);
		return -ENOMEM;
	}
	r->cfg = *cfg;
	list_init(&r->detached);
	list_init(&r->graveyard);
	buf_init(&r->ready_frame, READY_MAX + FRAME_BUF_MAX);
	buf_init(&r->in.body, FRAME_BUF_MAX);
	r->bury.run = bury_dead;
	for (unsigned i = 0; i < RELAY_MAX_CLIENTS; i++) {
		uint32_t end;

		relay_range(i, &r->slot[i].next_id, &end);
	}
	relay_activity(r);
	*ret = r;
	return 0;
}

struct relay *relay_free(struct relay *r)
{
	if (!r)
		return NULL;
	relay_guest_gone(r);
	for (unsigned i = 0; i < RELAY_MAX_CLIENTS; i++)
		if (r->slot[i].client)
			client_drop(r->slot[i].client, NULL);
	bury_dead(&r->bury);
	loop_defer_cancel(&r->bury);
	loop_unwatch(&r->listen);
	loop_timer_cancel(&r->listen_retry);
	session_table_fini(&r->sessions);
	byteq_fini(&r->guest_out);
	buf_fini(&r->ready_frame);
	buf_fini(&r->in.body);
	free(r->read_buf);
	free(r);
	return NULL;
}

static size_t guest_push(struct relay *r, const void *data, size_t len)
{
	return r->cfg.guest_send(r->cfg.ctx, data, len);
}

static void guest_stall(struct relay *r)
{
	r->guest_full = true;
	for (unsigned i = 0; i < RELAY_MAX_CLIENTS; i++) {
		struct relay_client *c = r->slot[i].client;

		if (c && !c->hung) {
			c->stall |= STALL_GUEST;
			client_update_watch(c);
		}
	}
}

void relay_to_guest(struct relay *r, const void *data, size_t len)
{
	const uint8_t *p = data;

	if (r->broken)
		return;
	if (!r->guest_out.len) {
		size_t n = guest_push(r, p, len);

		p += n;
		len -= n;
	}
	if (!len)
		return;
	if (byteq_append(&r->guest_out, p, len)) {
		/* half a frame may be gone: the stream cannot be saved */
		r->broken = true;
		r->cfg.on_guest_broken(r->cfg.ctx, "out of memory");
		return;
	}
	if (r->guest_out.len > GUEST_HIGH && !r->guest_full)
		guest_stall(r);
}

static void guest_unstall(struct relay *r)
{
	unsigned first = r->next_unstall;

	r->guest_full = false;
	r->next_unstall = (first + 1) % RELAY_MAX_CLIENTS;
	for (unsigned i = 0; i < RELAY_MAX_CLIENTS; i++) {
		struct relay_client *c =
			r->slot[(first + i) % RELAY_MAX_CLIENTS].client;

		if (!c || !(c->stall & STALL_GUEST))
			continue;
		if (r->guest_full) /* full again: the others keep waiting */
			return;
		c->stall &= ~(unsigned)STALL_GUEST;
		client_resume(c);
	}
}

void relay_guest_writable(struct relay *r)
{
	struct iovec iov;

	while (!r->broken && byteq_iov(&r->guest_out, &iov, 1)) {
		size_t n = guest_push(r, iov.iov_base, iov.iov_len);

		byteq_consume(&r->guest_out, n);
		if (n < iov.iov_len)
			break;
	}
	if (r->guest_full && r->guest_out.len <= GUEST_LOW)
		guest_unstall(r);
}

void relay_guest_gone(struct relay *r)
{
	r->broken = true;
}

void relay_msg_to_guest(struct relay *r, uint32_t id, const char *type,
			const struct buf *payload)
{
	struct buf frame, empty;
	int rc;

	buf_init(&frame, FRAME_BUF_MAX);
	buf_init(&empty, 16);
	if (!payload) {
		msg_encode_empty(&empty);
		payload = &empty;
	}
	rc = frame_put(&frame, id, PROTO_GENERATION, type, payload);
	if (rc)
		log_error("relay", "%s: %s", type, strerror(-rc));
	else
		relay_to_guest(r, buf_data(&frame), buf_len(&frame));
	buf_fini(&frame);
	buf_fini(&empty);
}

void relay_send_shutdown(struct relay *r)
{
	struct buf none;

	buf_init(&none, 16);
	msg_encode_null(&none);
	relay_msg_to_guest(r, 0, MSG_T_SHUTDOWN, &none);
	buf_fini(&none);
}

void relay_send_clock(struct relay *r, uint64_t wall_ns)
{
	struct buf p;

	buf_init(&p, 64);
	msg_encode_clock_sync(&p, wall_ns);
	relay_msg_to_guest(r, 0, MSG_T_CLOCK_SYNC, &p);
	buf_fini(&p);
}

void relay_ask_usage(struct relay *r)
{
	relay_msg_to_guest(r, 0, MSG_T_USAGE_REQUEST, NULL);
}

void relay_hold_output(struct relay *r, struct session *s, bool hold)
{
	if (s->out_held == hold)
		return;
	s->out_held = hold;
	relay_msg_to_guest(r, s->id,
			   hold ? MSG_T_EXEC_PAUSE : MSG_T_EXEC_RESUME, NULL);
}

void relay_session_end(struct relay *r, struct session *s)
{
	struct relay_client *held = s->in_held ? s->owner : NULL;
	bool live = s->state != SESSION_ORPHAN;

	if (r->cfg.logs && s->exec) {
		logs_exec_end(r->cfg.logs, &s->out);
		logs_exec_end(r->cfg.logs, &s->err);
	}
	if (s->owner)
		s->owner->nsessions--;
	session_del(&r->sessions, s);
	relay_activity(r);
	if (live && --r->live == 0)
		r->cfg.on_quiet(r->cfg.ctx);
	if (held) /* its input waits for nothing any more */
		client_release(held);
}

int relay_exec_start(struct relay *r, const struct msg_exec_params *p)
{
	struct session *s;
	struct buf payload, frames;
	int rc;

	buf_init(&payload, FRAME_LEN_MAX);
	buf_init(&frames, 2 * FRAME_BUF_MAX);
	msg_encode_exec_request(&payload, p);
	rc = frame_put(&frames, INTERNAL_ID, PROTO_GENERATION,
		       MSG_T_EXEC_REQUEST, &payload);
	if (!rc)
		rc = frame_put_data(&frames, INTERNAL_ID, PROTO_GENERATION,
				    MSG_T_EXEC_STDIN, "", 0);
	s = rc ? NULL : session_add(&r->sessions, INTERNAL_ID);
	if (!rc && !s)
		rc = -ENOMEM;
	if (s) {
		s->state = SESSION_DETACHED;
		s->internal = s->exec = true;
		s->tty = p->tty;
		s->out.id = s->err.id = ++r->next_log_id;
		s->out.stream = p->tty ? LOG_OUTPUT : LOG_STDOUT;
		s->err.stream = LOG_STDERR;
		list_add_tail(&r->detached, &s->link);
		r->live++;
		relay_to_guest(r, buf_data(&frames), buf_len(&frames));
	}
	buf_fini(&payload);
	buf_fini(&frames);
	return rc;
}

int relay_envelope(struct view body, struct envelope *ret, void **ret_scratch)
{
	struct cbor_scratch scratch;
	int rc = envelope_parse(body, NULL, ret);

	*ret_scratch = NULL;
	if (!rc || !body.len)
		return rc;
	*ret_scratch = malloc(body.len);
	if (!*ret_scratch)
		return -ENOMEM;
	cbor_scratch_init(&scratch, *ret_scratch, body.len);
	return envelope_parse(body, &scratch, ret);
}
