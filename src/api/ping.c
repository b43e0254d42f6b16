/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a guest's agent whether it is there, and telling it that we are. */
#include <errno.h>
#include <string.h>

#include "api/exec_int.h"
#include "base/clock.h"

#define WAIT_MAX_MS (24ull * 3600 * 1000)

static int no_answer(struct err *err, int rc, const char *sandbox)
{
	switch (rc) {
	case -EOPNOTSUPP:
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "the agent of sandbox '%s' is too old for this",
			       sandbox);
	case -ETIMEDOUT:
		return err_set(err, ERR_TIMEOUT, ETIMEDOUT,
			       "the agent of sandbox '%s' does not answer",
			       sandbox);
	case -EPIPE:
	case -ENODATA:
		return err_set(err, ERR_AGENT, ECONNRESET,
			       "the connection to sandbox '%s' has ended",
			       sandbox);
	default:
		return err_sys(err, ERR_AGENT, -rc, "talk to sandbox '%s'",
			       sandbox);
	}
}

/* One small question; its answer is of the type wanted. */
static int ask(struct agent_client *c, enum msg_type question,
	       enum msg_type wanted, uint64_t deadline_ms)
{
	struct agent_frame f = { 0 };
	struct buf payload;
	uint32_t id = 0;
	int rc = agent_id_new(c, &id);

	buf_init(&payload, 64);
	msg_encode_empty(&payload);
	if (!rc)
		rc = agent_send(c, id, question, &payload);
	buf_fini(&payload);
	while (!rc) {
		rc = agent_next(c, deadline_ms, &f);
		if (!rc && clock_mono_ms() >= deadline_ms)
			rc = -ETIMEDOUT;
	}
	if (rc < 0)
		return rc;
	return f.known && f.type == wanted ? 0 : -EPROTO;
}

int agent_answers(struct agent_client *c, const char *sandbox,
		  uint64_t deadline_ms, struct err *err)
{
	int rc = ask(c, MSG_PING, MSG_PONG, deadline_ms);

	return rc ? no_answer(err, rc, sandbox) : 0;
}

static int ask_sandbox(msb_sandbox_t *s, enum msg_type question,
		       enum msg_type wanted, uint64_t timeout_ms,
		       uint64_t *ret_us, msb_error_t **ret_err)
{
	struct agent_client c = { .fd = -1 };
	struct err err = { 0 };
	uint64_t deadline, begin;
	int rc;

	if (timeout_ms > WAIT_MAX_MS)
		timeout_ms = WAIT_MAX_MS;
	deadline = clock_mono_ms() + timeout_ms;
	rc = sandbox_connect(s->m, s->name, timeout_ms, &c, &err);

	if (rc)
		return api_fail_err(&err, rc, ret_err);
	begin = clock_mono_ns();
	rc = ask(&c, question, wanted, deadline);
	if (ret_us)
		*ret_us = (clock_mono_ns() - begin) / 1000;
	agent_close(&c);
	if (rc)
		return api_fail_err(&err, no_answer(&err, rc, s->name),
				    ret_err);
	return 0;
}

int msb_sandbox_ping(msb_sandbox_t *s, uint64_t timeout_ms, uint64_t *ret_us,
		     msb_error_t **ret_err)
{
	return ask_sandbox(s, MSG_PING, MSG_PONG, timeout_ms, ret_us, ret_err);
}

int msb_sandbox_touch(msb_sandbox_t *s, uint64_t timeout_ms,
		      msb_error_t **ret_err)
{
	return ask_sandbox(s, MSG_TOUCH, MSG_TOUCHED, timeout_ms, NULL,
			   ret_err);
}
