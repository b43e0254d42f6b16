/* SPDX-License-Identifier: Apache-2.0 */
/* Sandboxes that somebody else runs: reaching them, waiting for their end. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "api/exec_int.h"
#include "base/clock.h"

#define LOOK_AGAIN_MS 10u
#define WAIT_MAX_MS (365ull * 24 * 3600 * 1000)

/* ---- connect ------------------------------------------------------------ */

static int not_running(const char *name, struct err *err)
{
	return err_set(err, ERR_SANDBOX_STATE, ENOTCONN,
		       "sandbox '%s' is not running", name);
}

/* One that is just booting has no socket yet. */
static int reach(msb_t *m, const char *name, uint64_t deadline, struct err *err)
{
	for (;;) {
		uint64_t now = clock_mono_ms();
		struct agent_client c = { .fd = -1 };
		int rc = sandbox_connect(
			m, name, deadline > now ? deadline - now : 0, &c, err);

		if (!rc)
			rc = agent_answers(&c, name, deadline, err);
		agent_close(&c);
		if (!rc || rc == -ECANCELED)
			return rc;
		now = clock_mono_ms();
		if (now >= deadline && rc != -ENOTCONN)
			return err_set(err, ERR_TIMEOUT, ETIMEDOUT,
				       "sandbox '%s' did not answer in time",
				       name);
		if (rc != -ENOENT && rc != -ECONNREFUSED)
			return rc;
		rc = cancel_sleep(LOOK_AGAIN_MS);
		if (rc)
			return err_sys(err, ERR_AGENT, -rc, "wait");
		err_clear(err);
	}
}

int msb_sandbox_connect(msb_t *m, const char *name, uint64_t timeout_ms,
			msb_sandbox_t **ret, msb_error_t **ret_err)
{
	uint64_t deadline =
		clock_mono_ms() +
		(timeout_ms < WAIT_MAX_MS ? timeout_ms : WAIT_MAX_MS);
	struct err err = { 0 };
	msb_sandbox_t *s = NULL;
	int rc = msb_sandbox_get(m, name, &s, ret_err);

	if (rc)
		return rc;
	if (msb_sandbox_status(s) == MSB_STATUS_RUNNING)
		rc = reach(m, name, deadline, &err);
	else
		rc = not_running(name, &err);
	if (rc) {
		msb_sandbox_free(s);
		return api_fail_err(&err, rc, ret_err);
	}
	*ret = s;
	return 0;
}

/* ---- stop without waiting ----------------------------------------------- */

/* Whoever changes its state just now knows better what to write down. */
static void note_draining(msb_t *m, const char *name)
{
	autoclose int lock = lifecycle_lock(&m->home, name, 0, NULL);
	struct sandbox_row row;

	if (lock < 0 || row_find(m, name, &row, NULL) <= 0)
		return;
	if (row.status == ROW_RUNNING)
		(void)row_set_status(m, &row, ROW_DRAINING, NULL, 0, NULL);
	sandbox_row_fini(&row);
}

int msb_sandbox_request_stop(msb_sandbox_t *s, msb_error_t **ret_err)
{
	const char *name = s->name;
	autoclose int dirfd =
		home_sandbox_open(&s->m->home, name, SANDBOX_RUNTIME_DIR);
	struct runtime_process p;
	struct err err = { 0 };
	int rc = dirfd < 0 ? -ESRCH : process_open(dirfd, &p);

	if (rc == -ESRCH)
		return 0; /* as asked for */
	if (rc)
		return api_fail_err(&err, process_err(&err, rc, name), ret_err);
	note_draining(s->m, name);
	rc = runtime_process_signal(&p, RUNTIME_STOP_SIGNAL);
	runtime_process_close(&p);
	if (rc && rc != -ESRCH)
		return api_fail_err(&err, process_err(&err, rc, name), ret_err);
	return 0;
}

/* ---- wait --------------------------------------------------------------- */

/* 1 it has ended, 0 not within the time. */
static int await_end(const msb_sandbox_t *s, uint64_t timeout_ms,
		     struct err *err)
{
	autoclose int dirfd =
		home_sandbox_open(&s->m->home, s->name, SANDBOX_RUNTIME_DIR);
	struct runtime_process p;
	int rc = dirfd < 0 ? -ESRCH : process_open(dirfd, &p);

	if (rc == -ESRCH)
		return 1;
	if (rc)
		return process_err(err, rc, s->name);
	rc = cancel_process_wait(&p, -1, timeout_ms);
	runtime_process_close(&p);
	if (rc == -ETIMEDOUT)
		return 0;
	return rc ? process_err(err, rc, s->name) : 1;
}

/* What is known of the end; an ephemeral one leaves no record behind. */
static int take_exit(msb_sandbox_t *s, msb_exit_t *ret, struct err *err)
{
	const char *reason;
	int rc = sandbox_refresh(s, err);

	if (rc == -ENOENT && err->kind == ERR_SANDBOX_NOT_FOUND) {
		err_clear(err);
		sandbox_set_ended(s);
	} else if (rc) {
		return rc;
	}
	if (!ret)
		return 0;
	reason = msb_sandbox_exit_reason(s);
	ret->status = msb_sandbox_status(s);
	ret->reason = reason;
	ret->exit_code = -1;
	/* the reasons of a startup command; the code of others says less */
	if (reason &&
	    (!strcmp(reason, "Completed") || !strcmp(reason, "Failed")))
		ret->exit_code = sandbox_exit_code(s);
	return 0;
}

int msb_sandbox_wait(msb_sandbox_t *s, int64_t timeout_ms, msb_exit_t *ret,
		     msb_error_t **ret_err)
{
	uint64_t limit = timeout_ms < 0 || (uint64_t)timeout_ms > WAIT_MAX_MS
				 ? WAIT_MAX_MS
				 : (uint64_t)timeout_ms;
	struct err err = { 0 };
	int rc;

	if (ret && ret->struct_size < sizeof(*ret))
		rc = err_set(&err, ERR_INVALID, EINVAL,
			     "struct_size is not set");
	else
		rc = await_end(s, limit, &err);
	if (!rc)
		return 0;
	if (rc > 0)
		rc = take_exit(s, ret, &err);
	return rc ? api_fail_err(&err, rc, ret_err) : 1;
}
