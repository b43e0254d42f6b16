/* SPDX-License-Identifier: Apache-2.0 */
/* What a command tells: frames of its session become events and errors. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "api/exec_int.h"
#include "base/clock.h"

/* The command could not be started: a typed error with all that is known. */
static int exec_failed(msb_exec_t *x, const struct agent_frame *f,
		       struct api_err *e)
{
	struct msg_exec_failed m;
	int sys;

	x->state = EXEC_FAILED;
	if (msg_decode_exec_failed(f->payload, NULL, &m))
		return err_set(&e->err, ERR_PROTOCOL, EPROTO,
			       "the guest's answer makes no sense");
	sys = m.err_no.set && m.err_no.v > 0 ? m.err_no.v : 0;
	api_detail(e, "kind", msg_fail_kind_name(m.kind));
	api_detail(e, "sandbox", x->sandbox);
	api_detail(e, "command", x->command);
	if (m.errno_name.p)
		api_detail_n(e, "errno_name", m.errno_name.p, m.errno_name.len);
	return err_set(&e->err, ERR_EXEC_FAILED, sys, "%.*s",
		       (int)m.message.len, (const char *)m.message.p);
}

int exec_agent_error(msb_exec_t *x, const struct agent_frame *f,
		     struct api_err *e)
{
	struct msg_error m;

	x->state = EXEC_FAILED;
	if (msg_decode_error(f->payload, NULL, &m))
		return err_set(&e->err, ERR_PROTOCOL, EPROTO,
			       "the guest's answer makes no sense");
	return err_set(&e->err, ERR_AGENT, EPROTO, "%.*s (%.*s)",
		       (int)m.message.len, (const char *)m.message.p,
		       (int)m.kind.len, (const char *)m.kind.p);
}

static void exited_event(const msb_exec_t *x, msb_exec_event_t *ev)
{
	ev->kind = MSB_EXEC_EXITED;
	ev->exit_code = x->exited.code;
	ev->signal = x->exited.signal.set ? x->exited.signal.v : 0;
}

static int data_event(const struct agent_frame *f, msb_exec_event_kind_t kind,
		      msb_exec_event_t *ev)
{
	struct view data;

	if (msg_decode_data(f->payload, NULL, &data) || !data.len)
		return 0;
	ev->kind = kind;
	ev->data = data.p;
	ev->len = data.len;
	return 1;
}

/* 1: *ev is filled; 0: nothing for the caller; negative: e is filled. */
static int on_frame(msb_exec_t *x, const struct agent_frame *f,
		    msb_exec_event_t *ev, struct api_err *e)
{
	struct msg_stdin_error in;

	switch (f->known ? (int)f->type : -1) {
	case MSG_EXEC_STARTED:
		if (msg_decode_exec_started(f->payload, &ev->pid))
			return 0;
		ev->kind = MSB_EXEC_STARTED;
		return 1;
	case MSG_EXEC_STDOUT:
		return data_event(f, MSB_EXEC_STDOUT, ev);
	case MSG_EXEC_STDERR:
		return data_event(f, MSB_EXEC_STDERR, ev);
	case MSG_EXEC_STDIN_ERROR:
		if (msg_decode_stdin_error(f->payload, NULL, &in))
			return 0;
		ev->kind = MSB_EXEC_STDIN_ERROR;
		ev->data = in.message.p;
		ev->len = in.message.len;
		return 1;
	case MSG_EXEC_EXITED:
		if (msg_decode_exited(f->payload, &x->exited))
			break;
		x->state = EXEC_EXITED;
		exited_event(x, ev);
		return 1;
	case MSG_EXEC_FAILED:
		return exec_failed(x, f, e);
	case MSG_ERROR:
		return exec_agent_error(x, f, e);
	default:
		break;
	}
	if (!(f->flags & FRAME_TERMINAL))
		return 0;
	x->state = EXEC_FAILED;
	return err_set(&e->err, ERR_PROTOCOL, EPROTO,
		       "the guest ended the command without a result");
}

static int lost(msb_exec_t *x, int rc, struct api_err *e)
{
	x->state = EXEC_FAILED;
	if (rc == -ENODATA)
		return err_set(&e->err, ERR_AGENT, ECONNRESET,
			       "sandbox '%s' went away while the command ran",
			       x->sandbox);
	if (rc == -EBADMSG || rc == -EMSGSIZE)
		return err_set(&e->err, ERR_PROTOCOL, EPROTO,
			       "sandbox '%s' sent what is not a frame",
			       x->sandbox);
	return err_sys(&e->err, ERR_AGENT, -rc, "read from sandbox '%s'",
		       x->sandbox);
}

static void event_init(msb_exec_event_t *ev)
{
	size_t size = ev->struct_size;

	/* A caller built against an earlier header has a smaller structure. */
	memset(ev, 0, size < sizeof(*ev) ? size : sizeof(*ev));
	ev->struct_size = size;
}

static int next_event(msb_exec_t *x, uint64_t deadline, msb_exec_event_t *ev,
		      struct api_err *e)
{
	for (;;) {
		struct agent_frame f;
		int rc = agent_next(&x->c, deadline, &f);

		if (rc < 0)
			return lost(x, rc, e);
		if (!rc)
			return 0;
		if (f.id != x->id)
			continue;
		rc = on_frame(x, &f, ev, e);
		if (rc)
			return rc < 0 ? rc : 0;
	}
}

int msb_exec_next(msb_exec_t *x, int timeout_ms, msb_exec_event_t *ev,
		  msb_error_t **ret_err)
{
	uint64_t deadline = AGENT_NO_DEADLINE;
	struct api_err e = { 0 };
	int rc;

	if (ev->struct_size <
	    offsetof(msb_exec_event_t, signal) + sizeof(ev->signal))
		return api_fail_err(&e.err,
				    err_set(&e.err, ERR_INVALID, EINVAL,
					    "struct_size is not set"),
				    ret_err);
	event_init(ev);
	if (x->state == EXEC_EXITED) {
		exited_event(x, ev);
		return 0;
	}
	if (x->state != EXEC_RUNNING) {
		rc = err_set(&e.err, ERR_AGENT, ENOTCONN,
			     "this command has no connection any more");
		return api_fail(&e, rc, ret_err);
	}
	if (timeout_ms >= 0)
		deadline = clock_mono_ms() + (uint64_t)timeout_ms;
	rc = next_event(x, deadline, ev, &e);
	return rc ? api_fail(&e, rc, ret_err) : 0;
}
