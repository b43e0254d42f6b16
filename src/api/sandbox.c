/* SPDX-License-Identifier: Apache-2.0 */
/* Handles: looking up, listing, facts about a sandbox. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/api_int.h"
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

int sandbox_config_of(const msb_sandbox_t *s, struct sandbox_config *ret,
		      struct err *err)
{
	int rc = sandbox_config_from_json(s->row.config, ret, err);

	if (rc)
		err_prefix(err, "sandbox '%s'", s->row.name);
	return rc;
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

void sandbox_look(msb_sandbox_t *s)
{
	struct runtime_process p;
	autoclose int dirfd = -1;

	s->status = status_of(&s->row);
	s->pid = -1;
	free(s->machine_json);
	s->machine_json = NULL;
	if (!row_status_is_active(s->row.status))
		return;
	dirfd = home_sandbox_open(&s->m->home, s->row.name,
				  SANDBOX_RUNTIME_DIR);
	if (dirfd < 0)
		return;
	s->machine_json = read_machine(dirfd);
	if (runtime_process_open(dirfd, &p) == 0) {
		s->pid = p.pid;
		runtime_process_close(&p);
	}
}

/*
 * A runtime that has just reported ready still closes its jail, and only then
 * describes the machine. Who asks for facts gets them all.
 */
static void await_machine(msb_sandbox_t *s)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	int64_t now_ms = (int64_t)(clock_wall_ns() / NSEC_PER_MSEC);

	if (now_ms - s->row.updated_ms > MACHINE_NEW_MS)
		return;
	for (unsigned tries = 0; tries < MACHINE_TRIES; tries++) {
		if (s->machine_json || s->pid < 0 ||
		    s->row.status != ROW_RUNNING)
			return;
		(void)nanosleep(&pause, NULL); /* early is one more look */
		sandbox_look(s);
	}
}

void sandbox_take_row(msb_sandbox_t *s, struct sandbox_row *row)
{
	sandbox_row_fini(&s->row);
	strv_fini(&s->labels->v);
	s->labels->known = false;
	s->row = *row;
	memset(row, 0, sizeof(*row));
}

msb_sandbox_t *sandbox_new(msb_t *m, struct sandbox_row *row)
{
	msb_sandbox_t *s = calloc(1, sizeof(*s));

	if (s)
		s->labels = calloc(1, sizeof(*s->labels));
	if (!s || !s->labels) {
		sandbox_row_fini(row);
		free(s);
		return NULL;
	}
	s->m = m;
	s->watchdog_fd = s->users_fd = -1;
	sandbox_take_row(s, row);
	s->log_dir = home_sandbox_path(&m->home, s->row.name, SANDBOX_LOG_DIR);
	s->agent_sock =
		home_sandbox_path(&m->home, s->row.name,
				  SANDBOX_RUNTIME_DIR "/" RUNTIME_AGENT_SOCK);
	if (!s->log_dir || !s->agent_sock) {
		msb_sandbox_free(s);
		return NULL;
	}
	sandbox_look(s);
	return s;
}

void sandbox_detach_fds(msb_sandbox_t *s)
{
	close_fd(&s->watchdog_fd);
	close_fd(&s->users_fd);
}

void msb_sandbox_free(msb_sandbox_t *s)
{
	if (!s)
		return;
	sandbox_detach_fds(s);
	sandbox_row_fini(&s->row);
	strv_fini(&s->labels->v);
	free(s->labels);
	free(s->log_dir);
	free(s->agent_sock);
	free(s->machine_json);
	free(s);
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
	rc = get(s->m, s->row.name, &row, err);
	if (rc)
		return rc;
	sandbox_take_row(s, &row);
	sandbox_look(s);
	return 0;
}

void sandbox_set_ended(msb_sandbox_t *s)
{
	s->row.status = ROW_STOPPED;
	sandbox_look(s);
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

/* ---- facts -------------------------------------------------------------- */

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
	return s->row.name;
}

msb_status_t msb_sandbox_status(const msb_sandbox_t *s)
{
	return s->status;
}

const char *msb_sandbox_image(const msb_sandbox_t *s)
{
	return s->row.image;
}

int64_t msb_sandbox_created_unix_ms(const msb_sandbox_t *s)
{
	return s->row.created_ms;
}

int64_t msb_sandbox_updated_unix_ms(const msb_sandbox_t *s)
{
	return s->row.updated_ms;
}

bool msb_sandbox_is_ephemeral(const msb_sandbox_t *s)
{
	return s->row.ephemeral;
}

const char *msb_sandbox_exit_reason(const msb_sandbox_t *s)
{
	return s->row.exit_reason;
}

void msb_sandbox_exit_cause(const msb_sandbox_t *s, char *buf, size_t len)
{
	autoclose int dirfd = home_sandbox_open(&s->m->home, s->row.name,
						SANDBOX_RUNTIME_DIR);
	struct exit_record exit = { .cause = "" };

	/* the next boot removes it */
	if (dirfd < 0 || exit_record_load(dirfd, &exit))
		exit.cause[0] = 0;
	(void)snprintf(buf, len, "%s", exit.cause);
}

const char *msb_sandbox_config_json(const msb_sandbox_t *s)
{
	return s->row.config;
}

const char *msb_sandbox_machine_json(const msb_sandbox_t *s)
{
	return s->machine_json;
}

int msb_sandbox_pid(const msb_sandbox_t *s)
{
	return s->pid;
}

const char *msb_sandbox_log_dir(const msb_sandbox_t *s)
{
	return s->log_dir;
}

const char *msb_sandbox_agent_socket(const msb_sandbox_t *s)
{
	return s->agent_sock;
}
