/* SPDX-License-Identifier: Apache-2.0 */
/* Commands in a guest: start, events, input, detach and attach. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/exec_int.h"
#include "base/clock.h"

#define STDIN_CHUNK 65536u
#define STDIN_QUEUE (4 * STDIN_CHUNK)
#define REPLY_TIMEOUT_MS 10000u
#define DETACH_TIMEOUT_MS 5000u

int sandbox_connect(const msb_t *m, const char *name, uint64_t timeout_ms,
		    struct agent_client *ret, struct err *err)
{
	autoclose int dirfd =
		home_sandbox_open(&m->home, name, SANDBOX_RUNTIME_DIR);
	int rc;

	if (dirfd < 0 && dirfd != -ENOENT)
		return err_sys(err, ERR_IO, -dirfd,
			       "open the directory of sandbox '%s'", name);
	rc = dirfd < 0 ? dirfd
		       : agent_connect(dirfd, clock_mono_ms() + timeout_ms, ret,
				       err);
	if (rc && (dirfd < 0 || runtime_alive(dirfd) == 0))
		return err_set(err, ERR_SANDBOX_STATE, ENOTCONN,
			       "sandbox '%s' is not running", name);
	return rc;
}

static int exec_new(const char *sandbox, const char *command, msb_exec_t **ret)
{
	msb_exec_t *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->c.fd = -1;
	x->sandbox = strdup(sandbox);
	x->command = command ? strdup(command) : NULL;
	if (!x->sandbox || (command && !x->command)) {
		msb_exec_free(x);
		return -ENOMEM;
	}
	*ret = x;
	return 0;
}

void msb_exec_free(msb_exec_t *x)
{
	if (!x)
		return;
	agent_close(&x->c); /* the relay ends what has not ended */
	free(x->command);
	free(x->sandbox);
	free(x);
}

static int send_err(struct err *err, int rc)
{
	switch (rc) {
	case -EOPNOTSUPP:
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "the guest's agent is too old for this");
	case -EMSGSIZE:
		return err_set(err, ERR_INVALID, E2BIG,
			       "arguments and environment are too long: "
			       "together they must stay below %u MiB",
			       FRAME_LEN_MAX >> 20);
	case -ETIMEDOUT:
		return err_set(err, ERR_AGENT, ETIMEDOUT,
			       "the sandbox takes no requests");
	case -EPIPE:
	case -ENODATA:
		return err_set(err, ERR_AGENT, ECONNRESET,
			       "the connection to the sandbox has ended");
	default:
		return err_sys(err, ERR_AGENT, -rc, "talk to the sandbox");
	}
}

static int start_exec(msb_sandbox_t *s, const msb_exec_options_t *o,
		      const struct sandbox_config *c, msb_exec_t *x,
		      struct err *err)
{
	struct buf payload;
	int rc = sandbox_connect(s->m, s->row.name, AGENT_HANDSHAKE_MS, &x->c,
				 err);

	if (rc)
		return rc;
	x->tty = o->tty;
	buf_init(&payload, FRAME_LEN_MAX);
	rc = exec_request_encode(c, o, &payload);
	if (!rc)
		rc = agent_id_new(&x->c, &x->id);
	if (!rc)
		rc = agent_send(&x->c, x->id, MSG_EXEC_REQUEST, &payload);
	if (!rc)
		rc = agent_flush_wait(&x->c,
				      clock_mono_ms() + REPLY_TIMEOUT_MS);
	buf_fini(&payload);
	return rc ? send_err(err, rc) : 0;
}

int msb_exec_start(msb_sandbox_t *s, const msb_exec_options_t *o,
		   msb_exec_t **ret, msb_error_t **ret_err)
{
	struct sandbox_config c;
	struct err err = { 0 };
	msb_exec_t *x = NULL;
	int rc;

	if (!o->argv.n)
		return api_fail_err(&err,
				    err_set(&err, ERR_INVALID, EINVAL,
					    "the command must not be empty"),
				    ret_err);
	rc = sandbox_config_of(s, &c, &err);
	if (rc)
		return api_fail_err(&err, rc, ret_err);
	rc = exec_new(s->row.name, o->argv.v[0], &x);
	rc = rc ? api_no_memory(&err) : start_exec(s, o, &c, x, &err);
	sandbox_config_fini(&c);
	if (rc) {
		msb_exec_free(x);
		return api_fail_err(&err, rc, ret_err);
	}
	*ret = x;
	return 0;
}

int msb_exec_fd(const msb_exec_t *x)
{
	return x->c.fd;
}

bool msb_exec_wants_write(const msb_exec_t *x)
{
	return buf_len(&x->c.out) > 0 && !x->c.write_broken;
}

bool msb_exec_is_tty(const msb_exec_t *x)
{
	return x->tty;
}

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

static int agent_error(msb_exec_t *x, const struct agent_frame *f,
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
		return agent_error(x, f, e);
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

int64_t msb_exec_write_stdin(msb_exec_t *x, const void *data, size_t len,
			     msb_error_t **ret_err)
{
	struct err err = { 0 };
	size_t taken = 0;
	int rc = 0;

	if (x->stdin_closed)
		return api_fail_err(&err,
				    err_set(&err, ERR_INVALID, EPIPE,
					    "standard input is closed"),
				    ret_err);
	if (len > INT64_MAX)
		len = INT64_MAX;
	/* Nobody reads it any more; the caller's loop is to find its end. */
	if (x->state != EXEC_RUNNING || x->c.write_broken)
		return (int64_t)len;
	while (!rc && taken < len && buf_len(&x->c.out) < STDIN_QUEUE) {
		size_t part =
			len - taken < STDIN_CHUNK ? len - taken : STDIN_CHUNK;

		rc = agent_send_data(&x->c, x->id, MSG_EXEC_STDIN,
				     (const uint8_t *)data + taken, part);
		if (!rc) {
			taken += part;
			rc = agent_flush(&x->c);
		}
	}
	if (rc)
		return api_fail_err(&err, send_err(&err, rc), ret_err);
	return (int64_t)taken;
}

/* Queue a small frame of the session and write what can be written. */
static int control(msb_exec_t *x, enum msg_type type, struct buf *payload,
		   msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = 0;

	if (x->state == EXEC_RUNNING) {
		rc = agent_send(&x->c, x->id, type, payload);
		if (!rc)
			rc = agent_flush(&x->c);
	}
	buf_fini(payload);
	return rc ? api_fail_err(&err, send_err(&err, rc), ret_err) : 0;
}

int msb_exec_close_stdin(msb_exec_t *x, msb_error_t **ret_err)
{
	struct buf payload;

	if (x->stdin_closed)
		return 0;
	x->stdin_closed = true;
	buf_init(&payload, 64);
	msg_encode_data(&payload, "", 0);
	return control(x, MSG_EXEC_STDIN, &payload, ret_err);
}

int msb_exec_resize(msb_exec_t *x, unsigned rows, unsigned cols,
		    msb_error_t **ret_err)
{
	struct msg_resize size = {
		.rows = rows > UINT16_MAX ? UINT16_MAX : (uint16_t)rows,
		.cols = cols > UINT16_MAX ? UINT16_MAX : (uint16_t)cols,
	};
	struct buf payload;

	buf_init(&payload, 64);
	msg_encode_resize(&payload, &size);
	return control(x, MSG_EXEC_RESIZE, &payload, ret_err);
}

int msb_exec_signal(msb_exec_t *x, int signal, msb_error_t **ret_err)
{
	struct err err = { 0 };
	struct buf payload;

	if (signal < 1 || signal > 64)
		return api_fail_err(&err,
				    err_set(&err, ERR_INVALID, EINVAL,
					    "signal %d does not exist", signal),
				    ret_err);
	buf_init(&payload, 64);
	msg_encode_signal(&payload, signal);
	return control(x, MSG_EXEC_SIGNAL, &payload, ret_err);
}

int msb_exec_detach(msb_exec_t *x, msb_error_t **ret_err)
{
	struct err err = { 0 };
	struct buf payload;
	int rc;

	if (x->state != EXEC_RUNNING)
		return 0;
	buf_init(&payload, 64);
	msg_encode_empty(&payload);
	rc = agent_send(&x->c, x->id, MSG_RELAY_DETACH, &payload);
	buf_fini(&payload);
	if (!rc)
		rc = agent_flush_wait(&x->c,
				      clock_mono_ms() + DETACH_TIMEOUT_MS);
	if (rc)
		return api_fail_err(&err, send_err(&err, rc), ret_err);
	x->state = EXEC_DETACHED;
	return 0;
}

/* Ask for the latest detached session; its id becomes ours. */
static int attach(msb_exec_t *x, struct api_err *e)
{
	uint64_t deadline = clock_mono_ms() + REPLY_TIMEOUT_MS;
	struct msg_relay_attached m;
	struct agent_frame f = { 0 };
	struct buf payload;
	uint32_t id = 0;
	int rc = agent_id_new(&x->c, &id);

	buf_init(&payload, 64);
	msg_encode_empty(&payload);
	if (!rc)
		rc = agent_send(&x->c, id, MSG_RELAY_ATTACH, &payload);
	buf_fini(&payload);
	while (!rc) {
		rc = agent_next(&x->c, deadline, &f);
		if (!rc && clock_mono_ms() >= deadline)
			rc = -ETIMEDOUT;
		if (rc > 0 && f.known && f.type == MSG_ERROR) {
			rc = agent_error(x, &f, e);
			e->err.kind = ERR_SANDBOX_STATE;
			return rc;
		}
	}
	if (rc < 0)
		return send_err(&e->err, rc);
	if (!f.known || f.type != MSG_RELAY_ATTACHED ||
	    msg_decode_relay_attached(f.payload, &m) ||
	    agent_id_add(&x->c, m.id))
		return err_set(&e->err, ERR_PROTOCOL, EPROTO,
			       "the relay's answer makes no sense");
	x->id = m.id;
	x->tty = m.tty;
	return 0;
}

int msb_sandbox_attach(msb_sandbox_t *s, msb_exec_t **ret,
		       msb_error_t **ret_err)
{
	struct api_err e = { 0 };
	msb_exec_t *x = NULL;
	int rc = exec_new(s->row.name, NULL, &x);

	if (rc)
		return api_fail(&e, api_no_memory(&e.err), ret_err);
	rc = sandbox_connect(s->m, s->row.name, AGENT_HANDSHAKE_MS, &x->c,
			     &e.err);
	if (!rc)
		rc = attach(x, &e);
	if (rc) {
		msb_exec_free(x);
		return api_fail(&e, rc, ret_err);
	}
	*ret = x;
	return 0;
}
