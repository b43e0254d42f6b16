/* SPDX-License-Identifier: Apache-2.0 */
/* Handles: looking up, listing, facts about a sandbox. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_int.h"
#include "api/cancel.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "store/exit_record.h"

#define MACHINE_JSON_MAX 65536u
#define MACHINE_TRIES 250u /* half a second */
#define MACHINE_NEW_MS 10000

int row_find(msb_t *m, const char *name, struct sandbox_row *ret,
	     struct err *err)
{
	struct catalogue *cat;
	int rc = api_catalogue(m, false, &cat, err);

	if (rc || !cat || !sandbox_name_valid(name))
		return rc;
	return catalogue_find(cat, name, ret, err);
}

int row_get(msb_t *m, const char *name, struct sandbox_row *ret,
	    struct err *err)
{
	int rc = row_find(m, name, ret, err);

	if (rc)
		return rc < 0 ? rc : 0;
	return err_set(err, ERR_SANDBOX_NOT_FOUND, ENOENT, "%.200s", name);
}

int row_set_status(msb_t *m, struct sandbox_row *r, enum row_status status,
		   const char *reason, int exit_code, struct err *err)
{
	struct catalogue *cat;
	char *copy = NULL;
	int rc = api_catalogue(m, true, &cat, err);

	if (!rc)
		rc = catalogue_set_status(cat, r->id, status, reason, exit_code,
					  err);
	if (rc <= 0)
		return rc;
	r->status = status;
	if (!reason && !row_status_is_active(status))
		return 1;
	if (reason)
		copy = strdup(reason); /* without it, the next look has it */
	free(r->exit_reason);
	r->exit_reason = copy;
	r->exit_code = exit_code;
	return 1;
}

static msb_status_t status_of(const struct sandbox_row *r)
{
	switch (r->status) {
	case ROW_CREATING:
	case ROW_RUNNING:
		return MSB_STATUS_RUNNING;
	case ROW_DRAINING:
		return MSB_STATUS_DRAINING;
	case ROW_PAUSED:
		return MSB_STATUS_PAUSED;
	case ROW_STOPPED:
		return MSB_STATUS_STOPPED;
	case ROW_CRASHED:
	case ROW_STATUS_COUNT:
	default:
		return MSB_STATUS_CRASHED;
	}
}

static char *read_machine(int runtime_dirfd)
{
	char *text = NULL;
	struct buf b;

	buf_init(&b, MACHINE_JSON_MAX);
	if (io_read_file_at(runtime_dirfd, RUNTIME_MACHINE_JSON, &b) == 0)
		text = buf_take_str(&b);
	buf_fini(&b);
	return text;
}

/* ---- facts -------------------------------------------------------------- */

static struct sandbox_facts *lock_facts(const msb_sandbox_t *s)
{
	(void)pthread_mutex_lock(&s->facts->lock);
	return s->facts;
}

static void unlock_facts(const msb_sandbox_t *s)
{
	(void)pthread_mutex_unlock(&s->facts->lock);
}

/* The text for a caller who keeps it; as before when there is no memory to
 * keep one more. */
static const char *give(struct sandbox_facts *f, const char *text)
{
	if (!text)
		return NULL;
	for (size_t i = f->given.n; i; i--)
		if (!strcmp(f->given.v[i - 1], text))
			return f->given.v[i - 1];
	return strv_add(&f->given, text) ? NULL : f->given.v[f->given.n - 1];
}

/* What the directory of a sandbox tells. */
struct look {
	char *machine_json;
	int pid;
};

static void look(const msb_t *m, const char *name, enum row_status status,
		 struct look *ret)
{
	struct runtime_process p;
	autoclose int dirfd = -1;

	*ret = (struct look){ .pid = -1 };
	if (!row_status_is_active(status))
		return;
	dirfd = home_sandbox_open(&m->home, name, SANDBOX_RUNTIME_DIR);
	if (dirfd < 0)
		return;
	ret->machine_json = read_machine(dirfd);
	if (runtime_process_open(dirfd, &p) == 0) {
		ret->pid = p.pid;
		runtime_process_close(&p);
	}
}

/* With the lock held. */
static void take_look(struct sandbox_facts *f, struct look *l)
{
	f->status = status_of(&f->row);
	f->pid = l->pid;
	free(f->machine_json);
	f->machine_json = l->machine_json;
}

void sandbox_publish(msb_sandbox_t *s, struct sandbox_row *row)
{
	struct sandbox_facts *f;
	struct look l;

	look(s->m, s->name, row->status, &l);
	f = lock_facts(s);
	sandbox_row_fini(&f->row);
	strv_fini(&f->labels);
	f->labels_known = false;
	f->row = *row;
	memset(row, 0, sizeof(*row));
	take_look(f, &l);
	unlock_facts(s);
}

void sandbox_look(msb_sandbox_t *s)
{
	enum row_status status;
	struct look l;

	status = lock_facts(s)->row.status;
	unlock_facts(s);
	look(s->m, s->name, status, &l);
	take_look(lock_facts(s), &l);
	unlock_facts(s);
}

void sandbox_set_ended(msb_sandbox_t *s)
{
	lock_facts(s)->row.status = ROW_STOPPED;
	unlock_facts(s);
	sandbox_look(s);
}

/*
 * A runtime that has just reported ready still closes its jail, and only then
 * describes the machine. Who asks for facts gets them all.
 */
static void await_machine(msb_sandbox_t *s)
{
	int64_t now_ms = (int64_t)(clock_wall_ns() / NSEC_PER_MSEC);

	for (unsigned tries = 0; tries < MACHINE_TRIES; tries++) {
		const struct sandbox_facts *f = lock_facts(s);
		bool waiting = !f->machine_json && f->pid >= 0 &&
			       f->row.status == ROW_RUNNING &&
			       now_ms - f->row.updated_ms <= MACHINE_NEW_MS;

		unlock_facts(s);
		if (!waiting || cancel_sleep(2))
			return;
		sandbox_look(s);
	}
}

/* ---- handles ------------------------------------------------------------ */

static struct sandbox_facts *facts_new(void)
{
	struct sandbox_facts *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	(void)pthread_mutex_init(&f->lock, NULL); /* cannot fail on Linux */
	f->watchdog_fd = f->users_fd = -1;
	return f;
}

static void facts_free(struct sandbox_facts *f)
{
	if (!f)
		return;
	close_fd(&f->watchdog_fd);
	close_fd(&f->users_fd);
	sandbox_row_fini(&f->row);
	strv_fini(&f->labels);
	strv_fini(&f->given);
	free(f->machine_json);
	(void)pthread_mutex_destroy(&f->lock);
	free(f);
}

msb_sandbox_t *sandbox_new(msb_t *m, struct sandbox_row *row)
{
	msb_sandbox_t *s = calloc(1, sizeof(*s));

	if (s) {
		s->m = m;
		s->facts = facts_new();
		s->name = strdup(row->name);
		s->log_dir =
			home_sandbox_path(&m->home, row->name, SANDBOX_LOG_DIR);
		s->agent_sock = home_sandbox_path(&m->home, row->name,
						  SANDBOX_RUNTIME_DIR
						  "/" RUNTIME_AGENT_SOCK);
	}
	if (!s || !s->facts || !s->name || !s->log_dir || !s->agent_sock) {
		sandbox_row_fini(row);
		msb_sandbox_free(s);
		return NULL;
	}
	sandbox_publish(s, row);
	return s;
}

void msb_sandbox_free(msb_sandbox_t *s)
{
	if (!s)
		return;
	facts_free(s->facts);
	free(s->name);
	free(s->log_dir);
	free(s->agent_sock);
	free(s);
}

void sandbox_attach_fds(msb_sandbox_t *s, int *watchdog_fd, int *users_fd)
{
	struct sandbox_facts *f = lock_facts(s);

	close_fd(&f->watchdog_fd);
	close_fd(&f->users_fd);
	f->watchdog_fd = take_fd(watchdog_fd);
	f->users_fd = take_fd(users_fd);
	unlock_facts(s);
}

void sandbox_detach_fds(msb_sandbox_t *s)
{
	int watchdog = -1, users = -1;

	sandbox_attach_fds(s, &watchdog, &users);
}

bool sandbox_is_attached(const msb_sandbox_t *s)
{
	const struct sandbox_facts *f = lock_facts(s);
	bool attached = f->users_fd >= 0 || f->watchdog_fd >= 0;

	unlock_facts(s);
	return attached;
}

int sandbox_users_fd(const msb_sandbox_t *s)
{
	int fd = lock_facts(s)->users_fd;

	unlock_facts(s);
	return fd;
}

int sandbox_release_watchdog(msb_sandbox_t *s)
{
	struct sandbox_facts *f = lock_facts(s);
	int rc = f->watchdog_fd < 0 ? 0 : watchdog_release(f->watchdog_fd);

	if (!rc)
		close_fd(&f->watchdog_fd);
	unlock_facts(s);
	return rc;
}

int sandbox_watchdog_dup(const msb_sandbox_t *s)
{
	const struct sandbox_facts *f = lock_facts(s);
	int fd = f->watchdog_fd < 0 ? -1
				    : fcntl(f->watchdog_fd, F_DUPFD_CLOEXEC, 0);

	unlock_facts(s);
	return fd;
}

static int get(msb_t *m, const char *name, struct sandbox_row *ret,
	       struct err *err)
{
	int rc = row_get(m, name, ret, err);

	if (rc)
		return rc;
	rc = reconcile_row(m, ret, err);
	if (rc > 0)
		return 0;
	sandbox_row_fini(ret);
	if (!rc)
		rc = err_set(err, ERR_SANDBOX_NOT_FOUND, ENOENT, "%.200s",
			     name);
	return rc;
}

int msb_sandbox_get(msb_t *m, const char *name, msb_sandbox_t **ret,
		    msb_error_t **ret_err)
{
	struct sandbox_row row;
	struct err err = { 0 };
	int rc;

	api_children_reap(m);
	rc = get(m, name, &row, &err);
	if (rc)
		return api_fail_err(&err, rc, ret_err);
	*ret = sandbox_new(m, &row);
	if (!*ret)
		return api_fail_err(&err, api_no_memory(&err), ret_err);
	await_machine(*ret);
	return 0;
}

int sandbox_refresh(msb_sandbox_t *s, struct err *err)
{
	struct sandbox_row row;
	int rc;

	api_children_reap(s->m);
	rc = get(s->m, s->name, &row, err);
	if (rc)
		return rc;
	sandbox_publish(s, &row);
	return 0;
}

int msb_sandbox_refresh(msb_sandbox_t *s, msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = sandbox_refresh(s, &err);

	if (rc)
		return api_fail_err(&err, rc, ret_err);
	await_machine(s);
	return 0;
}

/* ---- what is known ------------------------------------------------------ */

const char *msb_status_name(msb_status_t s)
{
	static const char *const names[] = {
		[MSB_STATUS_RUNNING] = "Running",
		[MSB_STATUS_DRAINING] = "Draining",
		[MSB_STATUS_PAUSED] = "Paused",
		[MSB_STATUS_STOPPED] = "Stopped",
		[MSB_STATUS_CRASHED] = "Crashed",
	};

	return (unsigned)s < ARRAY_SIZE(names) ? names[s] : "Unknown";
}

const char *msb_sandbox_name(const msb_sandbox_t *s)
{
	return s->name;
}

msb_status_t msb_sandbox_status(const msb_sandbox_t *s)
{
	msb_status_t v = lock_facts(s)->status;

	unlock_facts(s);
	return v;
}

const char *msb_sandbox_image(const msb_sandbox_t *s)
{
	struct sandbox_facts *f = lock_facts(s);
	const char *text = give(f, f->row.image);

	unlock_facts(s);
	return text;
}

int64_t msb_sandbox_created_unix_ms(const msb_sandbox_t *s)
{
	int64_t v = lock_facts(s)->row.created_ms;

	unlock_facts(s);
	return v;
}

int64_t msb_sandbox_updated_unix_ms(const msb_sandbox_t *s)
{
	int64_t v = lock_facts(s)->row.updated_ms;

	unlock_facts(s);
	return v;
}

bool msb_sandbox_is_ephemeral(const msb_sandbox_t *s)
{
	bool v = lock_facts(s)->row.ephemeral;

	unlock_facts(s);
	return v;
}

const char *msb_sandbox_exit_reason(const msb_sandbox_t *s)
{
	struct sandbox_facts *f = lock_facts(s);
	const char *text = give(f, f->row.exit_reason);

	unlock_facts(s);
	return text;
}

void msb_sandbox_exit_cause(const msb_sandbox_t *s, char *buf, size_t len)
{
	autoclose int dirfd =
		home_sandbox_open(&s->m->home, s->name, SANDBOX_RUNTIME_DIR);
	struct exit_record exit = { .cause = "" };

	/* the next boot removes it */
	if (dirfd < 0 || exit_record_load(dirfd, &exit))
		exit.cause[0] = 0;
	(void)snprintf(buf, len, "%s", exit.cause);
}

const char *msb_sandbox_config_json(const msb_sandbox_t *s)
{
	struct sandbox_facts *f = lock_facts(s);
	const char *text = give(f, f->row.config);

	unlock_facts(s);
	return text;
}

const char *msb_sandbox_machine_json(const msb_sandbox_t *s)
{
	struct sandbox_facts *f = lock_facts(s);
	const char *text = give(f, f->machine_json);

	unlock_facts(s);
	return text;
}

int sandbox_exit_code(const msb_sandbox_t *s)
{
	int code = lock_facts(s)->row.exit_code;

	unlock_facts(s);
	return code;
}

uint32_t sandbox_slot(const msb_sandbox_t *s)
{
	uint32_t slot = lock_facts(s)->row.slot;

	unlock_facts(s);
	return slot;
}

char *sandbox_config_text(const msb_sandbox_t *s)
{
	char *text = strdup(lock_facts(s)->row.config);

	unlock_facts(s);
	return text;
}

char *sandbox_machine_text(const msb_sandbox_t *s)
{
	const struct sandbox_facts *f = lock_facts(s);
	char *text = f->machine_json ? strdup(f->machine_json) : NULL;

	unlock_facts(s);
	return text;
}

int sandbox_config_of(const msb_sandbox_t *s, struct sandbox_config *ret,
		      struct err *err)
{
	const struct sandbox_facts *f = lock_facts(s);
	int rc = sandbox_config_from_json(f->row.config, ret, err);

	unlock_facts(s);
	if (rc)
		err_prefix(err, "sandbox '%s'", s->name);
	return rc;
}

const char *msb_sandbox_label(const msb_sandbox_t *s, size_t i)
{
	struct sandbox_facts *f = lock_facts(s);
	const char *text;

	if (!f->labels_known)
		row_labels(&f->row, &f->labels);
	f->labels_known = true;
	text = i < f->labels.n ? give(f, f->labels.v[i]) : NULL;
	unlock_facts(s);
	return text;
}

int msb_sandbox_pid(const msb_sandbox_t *s)
{
	int v = lock_facts(s)->pid;

	unlock_facts(s);
	return v;
}

const char *msb_sandbox_log_dir(const msb_sandbox_t *s)
{
	return s->log_dir;
}

const char *msb_sandbox_agent_socket(const msb_sandbox_t *s)
{
	return s->agent_sock;
}
