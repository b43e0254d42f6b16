/* SPDX-License-Identifier: Apache-2.0 */
/* Commands in a guest: start, input, signals. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "api/exec_int.h"
#include "base/clock.h"

#define REPLY_TIMEOUT_MS 10000u
/* Behind input that the command does not read, a SIGKILL would never come. */
#define KILL_READ_MS 2000u
/* A command that is gone may leave a writer waiting; it looks again. */
#define ROOM_POLL_MS 500

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

/* ---- control ------------------------------------------------------------ */

static int control(msb_exec_t *x, enum msg_type type, struct buf *payload,
		   msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc;

	exec_lock(x);
	rc = exec_send_frame(x, type, payload);
	exec_unlock(x);
	buf_fini(payload);
	return rc ? api_fail_err(&err, exec_send_err(&err, rc), ret_err) : 0;
}

/* ---- start -------------------------------------------------------------- */

static int take_options(msb_exec_t *x, const msb_exec_options_t *o)
{
	x->tty = o->tty;
	x->output_max = o->output_max;
	x->timeout_ms = o->timeout_ms;
	x->feeding = x->stdin_closed = o->stdin_given;
	x->type_end = o->tty && o->stdin_given;
	if (!o->stdin_len)
		return 0;
	x->feed = malloc(o->stdin_len);
	if (!x->feed)
		return -ENOMEM;
	memcpy(x->feed, o->stdin_data, o->stdin_len);
	x->feed_len = o->stdin_len;
	return 0;
}

static int send_request(msb_exec_t *x, const struct sandbox_config *c,
			const msb_exec_options_t *o)
{
	struct buf payload;
	int rc;

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
	if (!rc && x->timeout_ms)
		rc = exec_deadline_in(x, x->timeout_ms);
	return rc ? rc : exec_pump(x);
}

static int start_exec(msb_sandbox_t *s, const msb_exec_options_t *o,
		      const struct sandbox_config *c, msb_exec_t *x,
		      struct err *err)
{
	int rc = take_options(x, o);

	if (rc)
		return api_no_memory(err);
	rc = sandbox_connect(s->m, s->name, AGENT_HANDSHAKE_MS, &x->c, err);
	if (!rc)
		rc = exec_connected(x, err);
	if (rc)
		return rc;
	rc = send_request(x, c, o);
	return rc ? exec_send_err(err, rc) : 0;
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
	rc = exec_new(s->name, o->argv.v[0], &x);
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
	return x->epoll_fd;
}

bool msb_exec_is_tty(const msb_exec_t *x)
{
	return x->tty;
}

uint32_t msb_exec_id(const msb_exec_t *x)
{
	return x->id;
}

/* ---- input and control -------------------------------------------------- */

int msb_exec_stdin_fd(const msb_exec_t *x)
{
	return x->c.fd;
}

bool msb_exec_wants_write(const msb_exec_t *x)
{
	/* only the lock is written to */
	msb_exec_t *mine = (msb_exec_t *)(uintptr_t)x;
	bool wants;

	exec_lock(mine);
	wants = buf_len(&x->c.out) > 0 && !x->c.write_broken;
	exec_unlock(mine);
	return wants;
}

static int stdin_is_closed(struct err *err)
{
	return err_set(err, ERR_INVALID, EPIPE, "standard input is closed");
}

/* With the lock held: as much as there is room for. */
static int queue_stdin(msb_exec_t *x, const uint8_t *data, size_t len,
		       size_t *ret, struct err *err)
{
	int rc;

	*ret = 0;
	if (x->stdin_closed)
		return stdin_is_closed(err);
	/* Nobody reads it any more; whoever reads the events finds the end. */
	if (x->state != EXEC_RUNNING || x->c.write_broken) {
		*ret = len;
		return 0;
	}
	rc = agent_flush(&x->c);
	while (!rc && *ret < len && buf_len(&x->c.out) < EXEC_STDIN_QUEUE) {
		size_t part = len - *ret < EXEC_STDIN_CHUNK ? len - *ret
							    : EXEC_STDIN_CHUNK;

		rc = agent_send_data(&x->c, x->id, MSG_EXEC_STDIN, data + *ret,
				     part);
		if (!rc) {
			*ret += part;
			rc = agent_flush(&x->c);
		}
	}
	if (!rc)
		rc = exec_watch_room(x);
	return rc ? exec_send_err(err, rc) : 0;
}

int64_t msb_exec_write_stdin(msb_exec_t *x, const void *data, size_t len,
			     msb_error_t **ret_err)
{
	struct err err = { 0 };
	size_t taken;
	int rc;

	if (len > INT64_MAX)
		len = INT64_MAX;
	exec_lock(x);
	rc = queue_stdin(x, data, len, &taken, &err);
	exec_unlock(x);
	return rc ? api_fail_err(&err, rc, ret_err) : (int64_t)taken;
}

/* With the lock held: has everything gone out, or is nobody left to read it? */
static int all_out(msb_exec_t *x, struct err *err)
{
	int rc = x->state == EXEC_RUNNING ? agent_flush(&x->c) : 0;

	if (!rc)
		rc = exec_watch_room(x);
	if (rc)
		return exec_send_err(err, rc);
	return x->state != EXEC_RUNNING || !buf_len(&x->c.out);
}

int msb_exec_send_stdin(msb_exec_t *x, const void *data, size_t len,
			msb_error_t **ret_err)
{
	const uint8_t *p = data;
	struct err err = { 0 };

	for (;;) {
		struct pollfd wait = { .fd = x->c.fd, .events = POLLOUT };
		size_t taken;
		int rc;

		exec_lock(x);
		rc = queue_stdin(x, p, len, &taken, &err);
		p += taken;
		len -= taken;
		if (!rc && !len)
			rc = all_out(x, &err);
		exec_unlock(x);
		if (rc > 0)
			return 0;
		if (!rc)
			rc = cancel_poll(&wait, 1, ROOM_POLL_MS);
		if (rc < 0 && rc != -EINTR) {
			if (err.kind == ERR_NONE)
				rc = exec_send_err(&err, rc);
			return api_fail_err(&err, rc, ret_err);
		}
	}
}

int msb_exec_close_stdin(msb_exec_t *x, msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = 0;

	exec_lock(x);
	if (!x->stdin_closed) {
		x->stdin_closed = x->feeding = true; /* nothing, and its end */
		rc = exec_pump(x);
	}
	exec_unlock(x);
	return rc ? api_fail_err(&err, exec_send_err(&err, rc), ret_err) : 0;
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
	int rc;

	if (signal < 1 || signal > 64)
		return api_fail_err(&err,
				    err_set(&err, ERR_INVALID, EINVAL,
					    "signal %d does not exist", signal),
				    ret_err);
	exec_lock(x);
	rc = exec_send_signal(x, signal);
	if (!rc && signal == SIGKILL && x->state == EXEC_RUNNING) {
		x->kill_ms = clock_mono_ms() + KILL_READ_MS;
		rc = exec_timer_set(x);
	}
	exec_unlock(x);
	return rc ? api_fail_err(&err, exec_send_err(&err, rc), ret_err) : 0;
}
