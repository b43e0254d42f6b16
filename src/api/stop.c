/* SPDX-License-Identifier: Apache-2.0 */
/* Ending runtimes: through the guest, or by force. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "api/cancel.h"
#include "api/metrics.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "store/exit_record.h"

#define IDENTITY_TIMEOUT_MS 2000u
#define KILL_TIMEOUT_MS 5000u
#define LOCK_AFTER_KILL_MS 15000u

int process_open(int runtime_dirfd, struct runtime_process *ret)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t deadline = clock_mono_ms() + IDENTITY_TIMEOUT_MS;
	int rc;

	while ((rc = runtime_process_open(runtime_dirfd, ret)) == -EAGAIN &&
	       clock_mono_ms() < deadline)
		(void)nanosleep(&pause, NULL); /* early is one more look */
	return rc;
}

int process_err(struct err *err, int rc, const char *name)
{
	if (rc == -ENXIO)
		return err_set(
			err, ERR_RUNTIME, ENXIO,
			"the process of sandbox '%s' cannot be seen from "
			"here; is it in another container?",
			name);
	return err_sys(err, ERR_RUNTIME, -rc,
		       "find the process of sandbox '%s'", name);
}

/* Kill and wait; -ESRCH from the kill means that it has just ended. */
static int kill_process(const struct runtime_process *p, const char *name,
			struct err *err)
{
	int rc = runtime_process_signal(p, SIGKILL);

	if (!rc)
		rc = runtime_process_wait(p, -1, KILL_TIMEOUT_MS);
	if (!rc || rc == -ESRCH)
		return 0;
	return err_sys(err, ERR_RUNTIME, -rc,
		       "kill the process of sandbox '%s'", name);
}

int kill_runtime(msb_t *m, const char *name, struct err *err)
{
	autoclose int dirfd =
		home_sandbox_open(&m->home, name, SANDBOX_RUNTIME_DIR);
	struct runtime_process p;
	int rc = dirfd < 0 ? -ESRCH : process_open(dirfd, &p);

	if (rc == -ESRCH)
		return 0;
	if (rc)
		return process_err(err, rc, name);
	rc = kill_process(&p, name, err);
	runtime_process_close(&p);
	return rc ? rc : 1;
}

/* *ret_killed: it had to be done by force. */
static int end_process(msb_t *m, const struct sandbox_row *r,
		       const struct runtime_process *p, int watchdog_fd,
		       uint64_t timeout_ms, bool *ret_killed, struct err *err)
{
	uint64_t now = clock_mono_ms(), deadline;
	int rc;

	if (!add_u64(now, timeout_ms, &deadline))
		deadline = UINT64_MAX;
	*ret_killed = false;
	if (timeout_ms) {
		/* a runtime that is gone by now is what we want */
		(void)runtime_process_signal(p, RUNTIME_STOP_SIGNAL);
		api_catalogue_settle(m); /* while the guest flushes */
		now = clock_mono_ms();
		rc = cancel_process_wait(p, watchdog_fd,
					 deadline > now ? deadline - now : 0);
		if (!rc)
			return 0;
		if (rc != -ETIMEDOUT)
			return process_err(err, rc, r->name);
	}
	*ret_killed = true;
	return kill_process(p, r->name, err);
}

/* The row after a kill: stopped, because that is what was asked for. */
static int settle_killed(msb_t *m, struct sandbox_row *r, struct err *err)
{
	if (r->ephemeral || r->status == ROW_CREATING)
		return erase_row(m, r, err);
	metrics_end(m, r->name, false);
	return row_set_status(m, r, ROW_STOPPED, "Signal", 128 + SIGKILL, err);
}

static int stop_process(msb_t *m, struct sandbox_row *r, int dirfd,
			const struct runtime_process *p, int watchdog_fd,
			uint64_t timeout_ms, msb_stop_result_t *ret,
			struct err *err)
{
	struct exit_record exit;
	bool killed;
	int rc = 0;

	if (timeout_ms && r->status == ROW_RUNNING)
		rc = row_set_status(m, r, ROW_DRAINING, NULL, 0, err);
	if (rc < 0)
		return rc;
	rc = end_process(m, r, p, watchdog_fd, timeout_ms, &killed, err);
	if (rc)
		return rc;
	/* An ephemeral one has removed its record with everything else. */
	if (!killed && exit_record_load(dirfd, &exit) == 0 && !exit.graceful)
		*ret = MSB_STOP_FORCED;
	else
		*ret = killed ? MSB_STOP_FORCED : MSB_STOP_GRACEFUL;
	api_children_reap(m);
	return killed ? settle_killed(m, r, err) : mend_row(m, r, err);
}

int stop_row(msb_t *m, struct sandbox_row *r, int watchdog_fd,
	     uint64_t timeout_ms, msb_stop_result_t *ret, struct err *err)
{
	autoclose int dirfd =
		home_sandbox_open(&m->home, r->name, SANDBOX_RUNTIME_DIR);
	struct runtime_process p;
	int rc = dirfd < 0 ? -ESRCH : process_open(dirfd, &p);

	*ret = MSB_STOP_NOT_RUNNING;
	if (rc == -ESRCH)
		return mend_row(m, r, err);
	if (rc)
		return process_err(err, rc, r->name);
	rc = stop_process(m, r, dirfd, &p, watchdog_fd, timeout_ms, ret, err);
	runtime_process_close(&p);
	return rc;
}

/*
 * The lock for a stop. Whoever boots or stops the sandbox has it; when they
 * take longer than we may, their runtime is killed under them.
 */
static int lock_for_stop(msb_t *m, const char *name, uint64_t timeout_ms,
			 bool *ret_killed, struct err *err)
{
	int fd = cancel_lifecycle_lock(&m->home, name, timeout_ms, err);
	int rc;

	*ret_killed = false;
	if (fd != -ETIMEDOUT)
		return fd;
	err_clear(err);
	rc = kill_runtime(m, name, err);
	if (rc < 0)
		return rc;
	*ret_killed = rc > 0;
	return lifecycle_lock(&m->home, name, LOCK_AFTER_KILL_MS, err);
}

/* What stop, drop and remove have in common: s is brought up to date. */
static int stop_locked(msb_sandbox_t *s, uint64_t timeout_ms, int *lock,
		       msb_stop_result_t *ret, struct err *err)
{
	autoclose int watchdog = sandbox_watchdog_dup(s);
	struct sandbox_row row;
	int rc = row_find(s->m, s->name, &row, err);

	*ret = MSB_STOP_NOT_RUNNING;
	if (rc > 0) {
		rc = stop_row(s->m, &row, watchdog, timeout_ms, ret, err);
		sandbox_publish(s, &row);
	}
	if (rc < 0)
		return rc;
	sandbox_detach_fds(s);
	if (!rc) { /* it removed itself: it is as stopped as can be */
		sandbox_set_ended(s);
		lifecycle_lock_retire(&s->m->home, s->name, lock);
	}
	return 0;
}

int msb_sandbox_stop(msb_sandbox_t *s, uint64_t timeout_ms,
		     msb_stop_result_t *ret_result, msb_error_t **ret_err)
{
	msb_stop_result_t result = MSB_STOP_NOT_RUNNING;
	uint64_t start = clock_mono_ms(), spent;
	struct err err = { 0 };
	bool killed;
	autoclose int lock =
		lock_for_stop(s->m, s->name, timeout_ms, &killed, &err);
	int rc = lock;

	if (lock >= 0) {
		spent = clock_mono_ms() - start;
		rc = stop_locked(s, spent < timeout_ms ? timeout_ms - spent : 0,
				 &lock, &result, &err);
	}
	if (rc < 0)
		return api_fail_err(&err, rc, ret_err);
	if (ret_result)
		*ret_result = killed ? MSB_STOP_FORCED : result;
	return 0;
}

static int still_running(const msb_sandbox_t *s, struct err *err)
{
	return err_set(err, ERR_SANDBOX_RUNNING, EBUSY,
		       "cannot remove sandbox '%s': still running", s->name);
}

static int remove_row(const msb_sandbox_t *s, struct sandbox_row *r, bool force,
		      struct err *err)
{
	msb_stop_result_t result;
	int rc = sandbox_alive(s->m, s->name);

	if (rc < 0)
		return err_sys(err, ERR_IO, -rc, "look at sandbox '%s'",
			       s->name);
	if (rc && !force)
		return still_running(s, err);
	rc = rc ? stop_row(s->m, r, -1, 0, &result, err) : 1;
	return rc > 0 ? erase_row(s->m, r, err) : rc;
}

static int remove_locked(msb_sandbox_t *s, bool force, int *lock,
			 struct err *err)
{
	struct sandbox_row row;
	int rc = row_get(s->m, s->name, &row, err);

	if (rc)
		return rc;
	rc = remove_row(s, &row, force, err);
	sandbox_publish(s, &row);
	if (rc < 0)
		return rc;
	sandbox_detach_fds(s);
	sandbox_set_ended(s);
	lifecycle_lock_retire(&s->m->home, s->name, lock);
	return 0;
}

int msb_sandbox_remove(msb_sandbox_t *s, bool force, msb_error_t **ret_err)
{
	struct err err = { 0 };
	bool killed = false;
	autoclose int lock = -1;
	int rc;

	/* No need to wait for whoever is just booting it. */
	if (!force && sandbox_alive(s->m, s->name) == 1)
		return api_fail_err(&err, still_running(s, &err), ret_err);
	lock = force ? lock_for_stop(s->m, s->name, 0, &killed, &err)
		     : cancel_lifecycle_lock(&s->m->home, s->name,
					     LOCK_WAIT_FOREVER, &err);
	rc = lock < 0 ? lock : remove_locked(s, force, &lock, &err);
	/* Killed under its creator, who then removed it himself. */
	if (rc == -ENOENT && killed)
		return 0;
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}
