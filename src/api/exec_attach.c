/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that are left running, and come back to. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "api/exec_int.h"
#include "base/clock.h"
#include "base/io.h"

#define REPLY_TIMEOUT_MS 10000u
#define DETACH_TIMEOUT_MS 5000u

/* ---- detach ------------------------------------------------------------- */

static int poll_until(int fd, short events, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now = clock_mono_ms();
	int rc;

	if (now >= deadline_ms)
		return -ETIMEDOUT;
	rc = cancel_poll(&p, 1, (int)(deadline_ms - now));
	return rc < 0 && rc != -EINTR ? rc : 0;
}

/* Queue the request; from then on nobody else sends. 0; 1: it has ended. */
static int begin_detach(msb_exec_t *x)
{
	struct buf payload;
	int rc = 1;

	buf_init(&payload, 64);
	msg_encode_empty(&payload);
	exec_lock(x);
	if (x->state == EXEC_RUNNING)
		rc = agent_send(&x->c, x->id, MSG_RELAY_DETACH, &payload);
	if (!rc)
		x->state = EXEC_PARTING;
	exec_unlock(x);
	buf_fini(&payload);
	return rc;
}

static int send_all(msb_exec_t *x, uint64_t deadline_ms)
{
	for (;;) {
		bool done, broken;
		int rc;

		exec_lock(x);
		rc = agent_flush(&x->c);
		done = !buf_len(&x->c.out);
		broken = x->c.write_broken;
		exec_unlock(x);
		if (!rc && broken)
			rc = -EPIPE;
		if (rc || done)
			return rc;
		rc = poll_until(x->c.fd, POLLOUT, deadline_ms);
		if (rc)
			return rc;
	}
}

/*
 * Say that nothing more comes and wait until the relay has hung up: then it has
 * read the request to detach. A connection that is just closed may be found
 * broken by the command's next output before that. What comes meanwhile is in
 * exec.log; the reader's buffer is left alone, it may be lent out.
 */
static int part(const msb_exec_t *x, uint64_t deadline_ms)
{
	uint8_t dropped[4096];

	(void)shutdown(x->c.fd, SHUT_WR); /* a broken one shows below */
	for (;;) {
		ssize_t n = io_read(x->c.fd, dropped, sizeof(dropped));
		int rc;

		if (!n || n == -ECONNRESET)
			return 0;
		if (n < 0 && n != -EAGAIN)
			return (int)n;
		rc = n > 0 ? 0 : poll_until(x->c.fd, POLLIN, deadline_ms);
		if (rc)
			return rc;
	}
}

int msb_exec_detach(msb_exec_t *x, msb_error_t **ret_err)
{
	uint64_t deadline = clock_mono_ms() + DETACH_TIMEOUT_MS;
	struct err err = { 0 };
	int rc = begin_detach(x);

	if (rc > 0)
		return 0;
	if (!rc)
		rc = send_all(x, deadline);
	if (!rc)
		rc = part(x, deadline);
	exec_lock(x);
	if (x->state == EXEC_PARTING)
		x->state = rc ? EXEC_RUNNING : EXEC_DETACHED;
	exec_unlock(x);
	return rc ? api_fail_err(&err, exec_send_err(&err, rc), ret_err) : 0;
}

/* ---- attach ------------------------------------------------------------- */

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
		return exec_send_err(&e->err, rc);
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
	int rc = exec_new(s->name, NULL, &x);

	if (rc)
		return api_fail(&e, api_no_memory(&e.err), ret_err);
	rc = sandbox_connect(s->m, s->name, AGENT_HANDSHAKE_MS, &x->c, &e.err);
	if (!rc)
		rc = exec_connected(x, &e.err);
	if (!rc)
		rc = attach(x, &e);
	if (rc) {
		msb_exec_free(x);
		return api_fail(&e, rc, ret_err);
	}
	*ret = x;
	return 0;
}
