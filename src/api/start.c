/* SPDX-License-Identifier: Apache-2.0 */
/* Booting stopped sandboxes, holding them, letting them go. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api_int.h"
#include "api/cancel.h"
#include "api/exec_int.h"
#include "api/image_int.h"
#include "api/volume_int.h"

/*
 * Holding. A sandbox that a hold started has a FIFO, runtime/watchdog, whose
 * read end its runtime has as the watchdog, and every holder has a write end:
 * when the last one closes, by whatever cause, the runtime sees the end of
 * file and stops. runtime/users.lock, shared by the holders, lets one of them
 * find out that it is the last and do the stop itself, with a result.
 *
 *  1. Shared locks are taken and given up under the lifecycle lock only, except
 *     by a process that dies.
 *  2. So, under the lifecycle lock, "nobody has it and the FIFO exists" means
 *     that all holders died: that sandbox is ending, and nobody may join it.
 *  3. A permanent sandbox has no FIFO.
 */

static int runtime_dir(const msb_t *m, const char *name)
{
	return home_sandbox_open(&m->home, name, SANDBOX_RUNTIME_DIR);
}

bool sandbox_is_temporary(const msb_t *m, const char *name)
{
	autoclose int dirfd = runtime_dir(m, name);
	struct stat st;

	return dirfd >= 0 &&
	       fstatat(dirfd, RUNTIME_WATCHDOG, &st, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       S_ISFIFO(st.st_mode);
}

static int open_watchdog(int dirfd)
{
	int fd = openat(dirfd, RUNTIME_WATCHDOG,
			O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

int sandbox_make_permanent(msb_t *m, const char *name, struct err *err)
{
	autoclose int dirfd = runtime_dir(m, name);
	autoclose int fd = dirfd < 0 ? dirfd : open_watchdog(dirfd);
	int rc = fd < 0 ? fd : watchdog_release(fd);

	if (rc)
		return err_set(err, ERR_SANDBOX_STATE, -rc,
			       "sandbox '%s' is just ending", name);
	(void)unlinkat(dirfd, RUNTIME_WATCHDOG, 0); /* was there: just opened */
	return 0;
}

/* ---- start -------------------------------------------------------------- */

static int boot_row(msb_t *m, struct sandbox_row *r, const struct boot *b,
		    struct api_err *e)
{
	enum boot_stage stage;
	int rc = row_set_status(m, r, ROW_RUNNING, NULL, 0, &e->err);

	if (!rc)
		rc = err_set(&e->err, ERR_SANDBOX_NOT_FOUND, ENOENT, "%s",
			     r->name);
	if (rc < 0)
		return rc;
	rc = boot_sandbox(m, b, &stage, e);
	if (rc) /* the boot's error is the one to tell */
		(void)row_set_status(m, r, ROW_STOPPED, "InternalError", -1,
				     NULL);
	return rc;
}

/* The same, while nobody can take its volumes away. */
static int boot_held(msb_t *m, struct sandbox_row *r, const struct boot *b,
		     struct api_err *e)
{
	struct sandbox_config c = *b->config; /* shallow: for its mounts */
	struct boot held = *b;
	struct volume_hold hold;
	int rc = volumes_hold(m, b->config, NULL, 0, &hold, &e->err);

	if (rc)
		return rc;
	c.mounts = hold.mounts;
	held.config = &c;
	rc = boot_row(m, r, &held, e);
	volumes_release(&hold);
	return rc;
}

/* Everything a start needs that is found out without changing anything; *c
 * and *plan are to be freed, also after a failure. */
static int plan_start(const msb_t *m, const struct sandbox_row *r,
		      struct sandbox_config *c, struct boot_plan *plan,
		      struct err *err)
{
	int rc = sandbox_config_from_json(r->config, c, err);

	if (rc) {
		*c = (struct sandbox_config){ 0 };
		err_prefix(err, "sandbox '%s'", r->name);
		return rc;
	}
	if (!c->name || c->root.kind == ROOT_NONE ||
	    strcmp(c->name, r->name) != 0)
		rc = err_set(err, ERR_INVALID, EINVAL,
			     "the stored configuration of sandbox '%s' is not "
			     "complete",
			     r->name);
	if (!rc)
		rc = root_check(&c->root, err);
	return rc ? rc : boot_plan_make(m, c, NULL, plan, err);
}

int start_row(msb_t *m, struct sandbox_row *r, int watchdog_rd,
	      struct api_err *e)
{
	struct boot_plan plan = BOOT_PLAN_INIT;
	struct sandbox_config c;
	struct boot b = { .config = &c,
			  .plan = &plan,
			  .slot = r->slot,
			  .watchdog_rd = watchdog_rd };
	int rc;

	if (r->status == ROW_PAUSED)
		return err_set(&e->err, ERR_SANDBOX_STATE, EBUSY,
			       "cannot start sandbox '%s': status is Paused "
			       "(expected Stopped or Crashed)",
			       r->name);
	rc = plan_start(m, r, &c, &plan, &e->err);
	if (!rc && c.root.kind == ROOT_OCI)
		rc = image_root_plan(m, &c, &plan, &e->err);
	if (!rc)
		rc = home_sandbox_create(&m->home, r->name, &e->err);
	if (!rc)
		rc = boot_held(m, r, &b, e);
	boot_plan_fini(&plan);
	sandbox_config_fini(&c);
	return rc;
}

int msb_sandbox_check_start(const msb_sandbox_t *s, msb_error_t **ret_err)
{
	struct boot_plan plan = BOOT_PLAN_INIT;
	struct sandbox_config c = { 0 };
	struct sandbox_row row = { .name = s->name };
	struct err err = { 0 };
	int rc;

	row.config = sandbox_config_text(s);
	rc = row.config ? plan_start(s->m, &row, &c, &plan, &err)
			: api_no_memory(&err);
	free(row.config);
	boot_plan_fini(&plan);
	sandbox_config_fini(&c);
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

/* The row of a handle as it is now; 1 its runtime lives, 0 it does not. *ret
 * is to be freed, or published, also after a failure. */
static int look_again(msb_sandbox_t *s, struct sandbox_row *ret,
		      struct err *err)
{
	int rc = row_get(s->m, s->name, ret, err);

	if (rc)
		return rc;
	rc = sandbox_alive(s->m, s->name);
	if (rc < 0)
		return err_sys(err, ERR_IO, -rc, "look at sandbox '%s'",
			       s->name);
	if (rc)
		return 1;
	rc = mend_row(s->m, ret, err);
	if (!rc)
		rc = err_set(err, ERR_SANDBOX_NOT_FOUND, ENOENT, "%s", s->name);
	return rc < 0 ? rc : 0;
}

/* What was found out about the row of a handle is known from now on. */
static void publish_found(msb_sandbox_t *s, struct sandbox_row *row)
{
	if (row->name)
		sandbox_publish(s, row);
}

static int start_attached(msb_sandbox_t *s, struct sandbox_row *r,
			  struct api_err *e)
{
	int fds[2], users = -1;
	int rc = watchdog_pipe(fds, &e->err);

	if (rc)
		return rc;
	rc = start_row(s->m, r, fds[0], e);
	close_fd(&fds[0]);
	if (!rc)
		sandbox_attach_fds(s, &fds[1], &users);
	close_fd(&fds[1]);
	return rc;
}

static int already_running(const msb_sandbox_t *s, struct err *err)
{
	return err_set(err, ERR_SANDBOX_RUNNING, EBUSY,
		       "cannot start sandbox '%s': already running", s->name);
}

static int start_locked(msb_sandbox_t *s, struct sandbox_row *r, bool attached,
			struct api_err *e)
{
	autoclose int dirfd = -1;
	int rc = look_again(s, r, &e->err);

	if (rc < 0)
		return rc;
	if (rc && sandbox_is_temporary(s->m, s->name))
		return sandbox_make_permanent(s->m, s->name, &e->err);
	if (rc)
		return already_running(s, &e->err);
	sandbox_detach_fds(s); /* of an earlier boot */
	dirfd = runtime_dir(s->m, s->name);
	if (dirfd >= 0)
		(void)unlinkat(dirfd, RUNTIME_WATCHDOG, 0); /* mostly absent */
	return attached ? start_attached(s, r, e) : start_row(s->m, r, -1, e);
}

int msb_sandbox_start(msb_sandbox_t *s, bool attached, msb_error_t **ret_err)
{
	struct sandbox_row row = { 0 };
	struct api_err e = { 0 };
	autoclose int lock = -1;
	int rc;

	/* No need to wait for whoever is just booting it. */
	if (sandbox_alive(s->m, s->name) == 1 &&
	    !sandbox_is_temporary(s->m, s->name))
		return api_fail(&e, already_running(s, &e.err), ret_err);
	lock = cancel_lifecycle_lock(&s->m->home, s->name, LOCK_WAIT_FOREVER,
				     &e.err);
	rc = lock < 0 ? lock : start_locked(s, &row, attached, &e);
	publish_found(s, &row);
	return rc ? api_fail(&e, rc, ret_err) : 0;
}

/* ---- hold and drop ------------------------------------------------------ */

#define ENDING_TIMEOUT_MS 15000u

static int open_users(int dirfd)
{
	int fd = openat(dirfd, RUNTIME_USERS_LOCK,
			O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? -errno : fd;
}

/* 1: nobody has it (and fd has it now), 0: somebody has. */
static int users_none(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* Become one more holder: 1, or 0 when the sandbox is ending (rule 2). */
static int join_holders(msb_sandbox_t *s, int dirfd, struct err *err)
{
	autoclose int users = open_users(dirfd);
	autoclose int watchdog = -1;

	if (users < 0)
		return path_err(err, -users, "open the users lock in",
				s->log_dir);
	if (users_none(users))
		return 0;
	watchdog = open_watchdog(dirfd);
	if (watchdog < 0)
		return 0;
	if (flock(users, LOCK_SH) < 0)
		return err_sys(err, ERR_IO, errno, "lock sandbox '%s'",
			       s->name);
	sandbox_attach_fds(s, &watchdog, &users);
	return 1;
}

/* Start it with a FIFO as its watchdog, and be its first holder. */
static int start_held(msb_sandbox_t *s, struct sandbox_row *r,
		      struct api_err *e)
{
	autoclose int dirfd = -1, users = -1, rd = -1, wr = -1;
	int rc = home_sandbox_create(&s->m->home, s->name, &e->err);

	if (rc)
		return rc;
	dirfd = runtime_dir(s->m, s->name);
	users = dirfd < 0 ? dirfd : open_users(dirfd);
	if (users < 0)
		return path_err(&e->err, -users, "use the directory of",
				s->name);
	if (flock(users, LOCK_SH | LOCK_NB) < 0)
		return err_sys(&e->err, ERR_IO, errno, "lock sandbox '%s'",
			       s->name);
	(void)unlinkat(dirfd, RUNTIME_WATCHDOG, 0); /* mostly absent */
	if (mkfifoat(dirfd, RUNTIME_WATCHDOG, 0600) < 0)
		return path_err(&e->err, errno, "make a FIFO in", s->log_dir);
	rd = openat(dirfd, RUNTIME_WATCHDOG, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	wr = open_watchdog(dirfd);
	if (rd < 0 || wr < 0)
		return err_sys(&e->err, ERR_IO, rd < 0 ? errno : -wr,
			       "open the watchdog of sandbox '%s'", s->name);
	rc = start_row(s->m, r, rd, e);
	if (rc) {
		(void)unlinkat(dirfd, RUNTIME_WATCHDOG, 0); /* ours */
		return rc;
	}
	sandbox_attach_fds(s, &wr, &users);
	return 0;
}

/* All its holders died: the runtime is stopping, or is about to. */
static int await_ending(msb_sandbox_t *s, struct sandbox_row *r, int dirfd,
			struct err *err)
{
	struct runtime_process p;
	int rc = runtime_process_open(dirfd, &p);

	if (!rc) {
		rc = cancel_process_wait(&p, -1, ENDING_TIMEOUT_MS);
		runtime_process_close(&p);
	}
	if (rc == -ECANCELED)
		return err_sys(err, ERR_RUNTIME, ECANCELED, "wait");
	rc = rc && rc != -ESRCH ? kill_runtime(s->m, s->name, err) : 0;
	api_children_reap(s->m);
	if (rc < 0)
		return rc;
	sandbox_row_fini(r);
	*r = (struct sandbox_row){ 0 };
	return look_again(s, r, err);
}

static int hold_locked(msb_sandbox_t *s, struct sandbox_row *r,
		       struct api_err *e)
{
	int rc = look_again(s, r, &e->err);

	if (rc < 0)
		return rc;
	sandbox_detach_fds(s); /* of an earlier boot or hold */
	if (rc) {
		autoclose int dirfd = runtime_dir(s->m, s->name);

		if (!sandbox_is_temporary(s->m, s->name))
			return 0;
		rc = join_holders(s, dirfd, &e->err);
		if (rc)
			return rc < 0 ? rc : 0;
		rc = await_ending(s, r, dirfd, &e->err);
		if (rc < 0)
			return rc;
	}
	return start_held(s, r, e);
}

int msb_sandbox_hold(msb_sandbox_t *s, msb_error_t **ret_err)
{
	struct sandbox_row row = { 0 };
	struct api_err e = { 0 };
	autoclose int lock = -1;
	int rc;

	if (sandbox_is_attached(s))
		return 0; /* it is ours already */
	lock = cancel_lifecycle_lock(&s->m->home, s->name, LOCK_WAIT_FOREVER,
				     &e.err);
	if (lock < 0)
		rc = lock;
	else if (sandbox_is_attached(s)) /* by another thread */
		rc = 0;
	else
		rc = hold_locked(s, &row, &e);
	publish_found(s, &row);
	return rc ? api_fail(&e, rc, ret_err) : 0;
}

/* Under the lock: is a stop due when we let go? */
static bool is_last_holder(const msb_sandbox_t *s)
{
	int users = sandbox_users_fd(s);

	/* One open file has one lock: ours becomes exclusive if it can. */
	return users >= 0 && users_none(users) &&
	       sandbox_is_temporary(s->m, s->name);
}

static int drop_locked(msb_sandbox_t *s, uint64_t timeout_ms, int *lock,
		       msb_stop_result_t *ret, struct err *err)
{
	autoclose int watchdog = sandbox_watchdog_dup(s);
	struct sandbox_row row;
	int rc = 1;

	if (is_last_holder(s)) {
		rc = row_find(s->m, s->name, &row, err);
		if (rc > 0) {
			rc = stop_row(s->m, &row, watchdog, timeout_ms, ret,
				      err);
			sandbox_publish(s, &row);
		}
		if (!rc)
			lifecycle_lock_retire(&s->m->home, s->name, lock);
	}
	close_fd(&watchdog);
	sandbox_detach_fds(s);
	sandbox_look(s);
	return rc < 0 ? rc : 0;
}

int msb_sandbox_drop(msb_sandbox_t *s, uint64_t timeout_ms,
		     msb_stop_result_t *ret_result, msb_error_t **ret_err)
{
	msb_stop_result_t result = MSB_STOP_NOT_RUNNING;
	struct err err = { 0 };
	autoclose int lock = -1;
	int rc;

	if (ret_result)
		*ret_result = result;
	if (sandbox_users_fd(s) < 0)
		return 0;
	lock = cancel_lifecycle_lock(&s->m->home, s->name, LOCK_WAIT_FOREVER,
				     &err);
	rc = lock < 0 ? lock : drop_locked(s, timeout_ms, &lock, &result, &err);
	if (rc)
		return api_fail_err(&err, rc, ret_err);
	if (ret_result)
		*ret_result = result;
	return 0;
}

static int release_held(msb_sandbox_t *s, struct err *err)
{
	autoclose int lock = cancel_lifecycle_lock(&s->m->home, s->name,
						   LOCK_WAIT_FOREVER, err);

	int rc = lock < 0 ? lock : 0;

	if (!rc && sandbox_is_temporary(s->m, s->name))
		rc = sandbox_make_permanent(s->m, s->name, err);
	if (!rc)
		sandbox_detach_fds(s);
	return rc;
}

int msb_sandbox_release(msb_sandbox_t *s, msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc;

	if (sandbox_users_fd(s) >= 0) {
		rc = release_held(s, &err);
	} else {
		rc = sandbox_release_watchdog(s);
		if (rc)
			rc = err_set(&err, ERR_SANDBOX_STATE, -rc,
				     "sandbox '%s' is not running any more",
				     s->name);
	}
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}
