/* SPDX-License-Identifier: Apache-2.0 */
/* What a command tells: frames of its session become events and errors. */
#include <errno.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "api/exec_int.h"
#include "base/clock.h"

/* What a command that was killed in time may still have to say. */
#define DRAIN_MS 5000u

/* The end of it, unless somebody else has put an end to it before. */
static void end_as(msb_exec_t *x, enum exec_state state)
{
	exec_lock(x);
	if (x->state == EXEC_RUNNING)
		x->state = state;
	x->deadline_ms = x->kill_ms = 0;
	close_fd(&x->timer_fd); /* nothing comes of it any more */
	exec_unlock(x);
}

/* The command could not be started: a typed error with all that is known. */
static int exec_failed(msb_exec_t *x, const struct agent_frame *f,
		       struct api_err *e)
{
	struct msg_exec_failed m;
	int sys;

	end_as(x, EXEC_FAILED);
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

	end_as(x, EXEC_FAILED);
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

static int timed_out(msb_exec_t *x, struct api_err *e)
{
	char ms[24];

	end_as(x, EXEC_TIMED_OUT);
	(void)snprintf(ms, sizeof(ms), "%llu",
		       (unsigned long long)x->timeout_ms);
	api_detail(e, "timeout_ms", ms);
	api_detail(e, "sandbox", x->sandbox);
	api_detail(e, "command", x->command);
	return err_set(&e->err, ERR_EXEC_TIMEOUT, ETIMEDOUT,
		       "the command was killed: it took longer than %s ms", ms);
}

/*
 * With the lock held: has a SIGKILL been read by the relay? It lies behind the
 * command's input, which may wait for a command that does not read. Hanging up
 * kills as well; nothing more is to be heard then, but that is the end.
 */
static int check_kill(msb_exec_t *x)
{
	int unread = 0;

	if (!x->kill_ms || clock_mono_ms() < x->kill_ms)
		return 0;
	x->kill_ms = 0;
	if (!buf_len(&x->c.out) &&
	    (ioctl(x->c.fd, SIOCOUTQ, &unread) < 0 || !unread))
		return exec_timer_set(x);
	(void)shutdown(x->c.fd, SHUT_RDWR);
	x->exited =
		(struct msg_exited){ .code = -1, .signal = { true, SIGKILL } };
	x->state = EXEC_EXITED;
	close_fd(&x->timer_fd);
	return 0;
}

/*
 * With the lock held: kill it when its time is up. 1: the time to say what was
 * left is up as well.
 */
static int check_time(msb_exec_t *x)
{
	if (!x->deadline_ms || clock_mono_ms() < x->deadline_ms)
		return 0;
	if (x->killed) {
		/* what holds on to its output ends with the connection */
		(void)shutdown(x->c.fd, SHUT_RDWR);
		return 1;
	}
	x->killed = true;
	if (exec_deadline_in(x, DRAIN_MS))
		return 1;
	return exec_send_signal(x, SIGKILL);
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
		if (x->killed)
			return timed_out(x, e);
		end_as(x, EXEC_EXITED);
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
	end_as(x, EXEC_FAILED);
	return err_set(&e->err, ERR_PROTOCOL, EPROTO,
		       "the guest ended the command without a result");
}

static int gone(struct api_err *e)
{
	return err_set(&e->err, ERR_AGENT, ENOTCONN,
		       "this command has no connection any more");
}

/* Of whom the connection was taken away, it is not lost. */
static bool is_ours(msb_exec_t *x)
{
	bool ours;

	exec_lock(x);
	ours = x->state == EXEC_RUNNING;
	exec_unlock(x);
	return ours;
}

static int lost(msb_exec_t *x, int rc, struct api_err *e)
{
	if (!is_ours(x))
		return gone(e);
	end_as(x, EXEC_FAILED);
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

/* What has to be done before there is anything to be read: 0 go on. */
static int before_reading(msb_exec_t *x, enum exec_state *ret)
{
	int rc = 0;

	exec_lock(x);
	if (x->state == EXEC_RUNNING)
		rc = check_time(x);
	if (!rc && x->state == EXEC_RUNNING)
		rc = check_kill(x);
	if (!rc)
		rc = exec_pump(x);
	*ret = x->state;
	exec_unlock(x);
	return rc;
}

/* 1 there may be something, 0 not until the deadline, or a signal handler ran;
 * -errno. */
static int wait_event(const msb_exec_t *x, uint64_t deadline)
{
	struct pollfd p = { .fd = x->epoll_fd, .events = POLLIN };
	int ms = -1, rc;

	if (deadline != AGENT_NO_DEADLINE) {
		uint64_t now = clock_mono_ms();

		if (now >= deadline)
			return 0;
		ms = (int)(deadline - now);
	}
	rc = cancel_poll(&p, 1, ms);
	return rc == -EINTR ? 0 : rc;
}

/* A frame that is there: 1 *ev is filled, 0 there is none, negative. */
static int read_event(msb_exec_t *x, msb_exec_event_t *ev, struct api_err *e)
{
	for (;;) {
		struct agent_frame f;
		int rc = agent_next_now(&x->c, &f);

		if (rc < 0)
			return lost(x, rc, e);
		if (!rc)
			return 0;
		if (f.id != x->id)
			continue;
		rc = on_frame(x, &f, ev, e);
		if (rc)
			return rc;
	}
}

static int next_event(msb_exec_t *x, uint64_t deadline, msb_exec_event_t *ev,
		      struct api_err *e)
{
	for (;;) {
		enum exec_state state;
		int rc = before_reading(x, &state);

		if (state == EXEC_EXITED)
			exited_event(x, ev);
		if (state == EXEC_EXITED)
			return 0;
		if (rc > 0 || state == EXEC_TIMED_OUT)
			return timed_out(x, e);
		if (state != EXEC_RUNNING)
			return gone(e);
		if (rc < 0)
			return lost(x, rc, e);
		rc = read_event(x, ev, e);
		if (rc)
			return rc < 0 ? rc : 0;
		rc = wait_event(x, deadline);
		if (rc < 0) /* it runs on, and can be asked again */
			return err_sys(&e->err, ERR_AGENT, -rc,
				       "wait for sandbox '%s'", x->sandbox);
		if (!rc)
			return 0;
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
	if (timeout_ms >= 0)
		deadline =
			timeout_ms ? clock_mono_ms() + (uint64_t)timeout_ms : 0;
	rc = next_event(x, deadline, ev, &e);
	return rc ? api_fail(&e, rc, ret_err) : 0;
}
