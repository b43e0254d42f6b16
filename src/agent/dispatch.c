/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each message from the host leads to.
 *
 * Frames come from clients through the relay, which looks at their header
 * only: everything else is checked here, and nothing in it is fatal. A client
 * of generation 5 or later is told with core.error; an older one in the terms
 * of the message it sent, or not at all.
 */
#include "agent/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/diag.h"
#include "agent/exec.h"
#include "agent/fs.h"
#include "agent/tcp.h"
#include "base/clock.h"

#define ERROR_GENERATION 5
#define CLOCK_STEP_NS (100 * NSEC_PER_MSEC)

struct message {
	uint32_t id;
	uint8_t flags;
	enum msg_type type;
	const char *name;
	bool modern; /* the sender knows core.error */
	struct view payload;
	struct cbor_scratch *scratch;
};

/* Answer a request that cannot be served in the words its sender knows. */
static void refuse(struct agent *a, const struct message *m, const char *kind,
		   enum msg_fail_kind fail, const char *text)
{
	if (!m->id)
		return;
	if (m->modern)
		agent_send_error(a, m->id, kind, m->name, "%s", text);
	else if (m->type == MSG_EXEC_REQUEST)
		exec_send_failed(a, m->id, fail, "%s", text);
	else if (m->type == MSG_FS_REQUEST)
		fs_send_failed(a, m->id, "%s", text);
}

static void bad_payload(struct agent *a, const struct message *m)
{
	char text[120];

	(void)snprintf(text, sizeof(text), "decode payload for %s: malformed",
		       m->name);
	refuse(a, m, MSG_ERROR_PAYLOAD, MSG_FAIL_BAD_ARGS, text);
}

/* Whether a new session may have the message's id. */
static bool id_is_free(struct agent *a, const struct message *m)
{
	if (!m->id)
		return false; /* nobody could get an answer */
	if (!session_find(&a->sessions, m->id))
		return true;
	refuse(a, m, MSG_ERROR_SESSION, MSG_FAIL_OTHER,
	       "the id is in use by another session");
	return false;
}

/* The running session a message is for, if it is of the right kind. */
static struct session *session_of(struct agent *a, const struct message *m,
				  enum session_kind kind)
{
	struct session *s = session_find(&a->sessions, m->id);

	return s && s->kind == kind ? s : NULL;
}

static void on_exec_request(struct agent *a, const struct message *m)
{
	struct msg_exec_request r;

	if (msg_decode_exec_request(m->payload, m->scratch, &r))
		bad_payload(a, m);
	else if (id_is_free(a, m))
		exec_request(a, m->id, &r);
}

static void on_exec_message(struct agent *a, const struct message *m)
{
	struct session *s = session_of(a, m, SESSION_EXEC);
	struct msg_resize size;
	struct view data;
	int32_t sig;

	if (!s)
		return; /* it has ended meanwhile */
	if (m->type == MSG_EXEC_STDIN &&
	    !msg_decode_data(m->payload, m->scratch, &data))
		exec_stdin(a, s, data);
	else if (m->type == MSG_EXEC_RESIZE &&
		 !msg_decode_resize(m->payload, &size))
		exec_resize(a, s, &size);
	else if (m->type == MSG_EXEC_SIGNAL &&
		 !msg_decode_signal(m->payload, &sig))
		exec_signal(a, s, sig);
	/*
	 * A malformed one is dropped in silence: core.error would be the last
	 * word on the id of a program that still runs.
	 */
}

static void on_fs_request(struct agent *a, const struct message *m)
{
	struct msg_fs_request r;

	if (msg_decode_fs_request(m->payload, m->scratch, &r))
		bad_payload(a, m);
	else if (id_is_free(a, m))
		fs_request(a, m->id, &r);
}

static void on_fs_data(struct agent *a, const struct message *m)
{
	struct session *s = session_find(&a->sessions, m->id);
	struct view data;

	if (!m->id || (s && s->kind != SESSION_FS))
		return;
	if (msg_decode_data(m->payload, m->scratch, &data))
		bad_payload(a, m);
	else
		fs_data(a, m->id, s, data);
}

static void on_tcp_connect(struct agent *a, const struct message *m)
{
	struct msg_tcp_connect c;

	if (msg_decode_tcp_connect(m->payload, m->scratch, &c))
		bad_payload(a, m);
	else if (id_is_free(a, m))
		tcp_connect(a, m->id, &c);
}

static void on_tcp_message(struct agent *a, const struct message *m)
{
	struct session *s = session_of(a, m, SESSION_TCP);
	struct view data;

	if (m->type == MSG_TCP_DATA) {
		if (!m->id || (!s && session_find(&a->sessions, m->id)))
			return;
		if (msg_decode_data(m->payload, m->scratch, &data))
			bad_payload(a, m);
		else
			tcp_data(a, m->id, s, data);
	} else if (s && m->type == MSG_TCP_EOF) {
		tcp_eof(a, s);
	} else if (s) {
		tcp_close(a, s);
	}
}

static void on_client_gone(struct agent *a, const struct message *m)
{
	struct msg_id_range r;

	if (m->id || msg_decode_id_range(m->payload, &r))
		return; /* only the relay may say so */
	fs_client_gone(a, &r);
	tcp_client_gone(a, &r);
}

/* Only from the relay: its flag is never forwarded for a client. */
static void on_hold(struct agent *a, const struct message *m)
{
	struct session *s = session_find(&a->sessions, m->id);
	bool hold = m->type == MSG_EXEC_PAUSE;

	if (!s || !(m->flags & FRAME_RELAY))
		return;
	switch (s->kind) {
	case SESSION_EXEC:
		exec_hold(s, hold);
		break;
	case SESSION_FS:
		fs_hold(s, hold);
		break;
	case SESSION_TCP:
		tcp_hold(s, hold);
		break;
	}
}

static void on_clock_sync(const struct message *m)
{
	uint64_t want, now = clock_wall_ns();
	struct timespec ts;

	if (m->id || msg_decode_clock_sync(m->payload, &want) ||
	    want > INT64_MAX)
		return;
	if ((want > now ? want - now : now - want) <= CLOCK_STEP_NS)
		return;
	ts.tv_sec = (time_t)(want / NSEC_PER_SEC);
	ts.tv_nsec = (long)(want % NSEC_PER_SEC);
	if (clock_settime(CLOCK_REALTIME, &ts) < 0)
		diag("cannot set the clock");
}

/* From the relay alone, as what it leads to is not free. */
static void on_usage_request(struct agent *a, const struct message *m)
{
	MSB_CLEANUP(buf_fini) struct buf b = { .max = 256 };
	struct msg_usage usage;

	if (m->id || !(m->flags & FRAME_RELAY))
		return;
	usage_read(&a->usage, &usage);
	msg_encode_usage(&b, &usage);
	(void)agent_send(a, 0, MSG_T_USAGE, &b);
}

static void on_touch(struct agent *a, const struct message *m)
{
	MSB_CLEANUP(buf_fini) struct buf b = { .max = 64 };

	activity_mark(&a->activity);
	msg_encode_touched(&b, a->activity.activity_seq);
	(void)agent_send(a, m->id, MSG_T_TOUCHED, &b);
}

static void handle(struct agent *a, const struct message *m)
{
	switch ((int)m->type) {
	case MSG_SHUTDOWN:
		a->ends = true;
		loop_stop(a->loop);
		break;
	case MSG_CLIENT_DISCONNECTED:
		on_client_gone(a, m);
		break;
	case MSG_EXEC_REQUEST:
		on_exec_request(a, m);
		break;
	case MSG_EXEC_STDIN:
	case MSG_EXEC_RESIZE:
	case MSG_EXEC_SIGNAL:
		on_exec_message(a, m);
		break;
	case MSG_FS_REQUEST:
		on_fs_request(a, m);
		break;
	case MSG_FS_DATA:
		on_fs_data(a, m);
		break;
	case MSG_TCP_CONNECT:
		on_tcp_connect(a, m);
		break;
	case MSG_TCP_DATA:
	case MSG_TCP_EOF:
	case MSG_TCP_CLOSE:
		on_tcp_message(a, m);
		break;
	case MSG_EXEC_PAUSE:
	case MSG_EXEC_RESUME:
		on_hold(a, m);
		break;
	case MSG_CLOCK_SYNC:
		on_clock_sync(m);
		break;
	case MSG_USAGE_REQUEST:
		on_usage_request(a, m);
		break;
	case MSG_PING:
		if (m->id)
			agent_send_empty(a, m->id, MSG_T_PONG);
		break;
	case MSG_TOUCH:
		if (m->id)
			on_touch(a, m);
		break;
	default:
		break; /* not for a guest: ignored */
	}
}

/* Housekeeping must not keep a sandbox alive; touch counts itself. */
static bool is_activity(enum msg_type type)
{
	return type != MSG_CLOCK_SYNC && type != MSG_PING &&
	       type != MSG_TOUCH && type != MSG_EXEC_PAUSE &&
	       type != MSG_EXEC_RESUME && type != MSG_USAGE_REQUEST;
}

static void unknown_type(struct agent *a, const struct frame *f,
			 const struct envelope *e)
{
	char name[64];
	size_t len =
		e->type.len < sizeof(name) - 1 ? e->type.len : sizeof(name) - 1;

	if (!f->id)
		return;
	len = utf8_complete_prefix(e->type.p, len);
	memcpy(name, e->type.p, len);
	name[len] = 0;
	if (e->v >= ERROR_GENERATION)
		agent_send_error(a, f->id, MSG_ERROR_TYPE, name,
				 "unsupported message type: %s", name);
	else if (f->flags & FRAME_SESSION_START)
		exec_send_failed(a, f->id, MSG_FAIL_OTHER,
				 "unsupported message type: %s", name);
}

static void dispatch(struct agent *a, const struct frame *f,
		     struct cbor_scratch *scratch)
{
	struct message m = { .id = f->id, .flags = f->flags };
	struct envelope e;

	a->activity.host_messages++;
	if (envelope_parse(f->body, scratch, &e)) {
		if (f->id && a->modern)
			agent_send_error(a, f->id, MSG_ERROR_MALFORMED, NULL,
					 "malformed message envelope");
		return;
	}
	a->modern |= e.v >= ERROR_GENERATION;
	if (msg_type_find(e.type, &m.type)) {
		unknown_type(a, f, &e);
		return;
	}
	m.name = msg_info(m.type)->name;
	m.modern = e.v >= ERROR_GENERATION;
	m.payload = e.payload;
	m.scratch = scratch;
	if (is_activity(m.type))
		activity_mark(&a->activity);
	handle(a, &m);
}

void dispatch_frame(struct agent *a, const struct frame *f)
{
	/*
	 * For strings sent in pieces, which only foreign encoders do. Asking
	 * for it costs next to nothing, as the memory stays untouched.
	 */
	size_t len = 2 * f->body.len;
	void *pieces = malloc(len ? len : 1);
	struct cbor_scratch scratch;

	cbor_scratch_init(&scratch, pieces, pieces ? len : 0);
	dispatch(a, f, &scratch);
	free(pieces);
}
