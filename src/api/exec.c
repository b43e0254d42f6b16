/* SPDX-License-Identifier: Apache-2.0 */
/* Commands in a guest: start, input, detach and attach. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

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
	if (rc && (dirfd < 0 || sandbox_alive(m, name) == 0))
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

/*
 * Say that nothing more comes and wait until the relay has hung up: then it has
 * read the request to detach. A connection that is just closed may be found
 * broken by the command's next output before that.
 */
static int part(struct agent_client *c, uint64_t deadline_ms)
{
	struct agent_frame f;
	int rc;

	(void)shutdown(c->fd, SHUT_WR); /* a broken connection shows below */
	do {
		rc = agent_next(c, deadline_ms, &f);
		if (!rc && clock_mono_ms() >= deadline_ms)
			return -ETIMEDOUT;
	} while (rc >= 0);
	return rc == -ENODATA ? 0 : rc;
}

int msb_exec_detach(msb_exec_t *x, msb_error_t **ret_err)
{
	uint64_t deadline = clock_mono_ms() + DETACH_TIMEOUT_MS;
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
		rc = agent_flush_wait(&x->c, deadline);
	if (!rc)
		rc = part(&x->c, deadline);
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
			rc = exec_agent_error(x, &f, e);
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
