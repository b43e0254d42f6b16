/* SPDX-License-Identifier: Apache-2.0 */
/* Records of sandboxes whose process has gone are brought up to date here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/metrics.h"
#include "store/exit_record.h"

#define ENDING_MS 2000u
#define MENDING_MS 200u

int sandbox_alive(const msb_t *m, const char *name)
{
	autoclose int dirfd =
		home_sandbox_open(&m->home, name, SANDBOX_RUNTIME_DIR);

	if (dirfd < 0)
		return dirfd == -ENOENT || dirfd == -ENOTDIR ? 0 : dirfd;
	return runtime_alive_settled(dirfd, ENDING_MS);
}

int erase_row(msb_t *m, const struct sandbox_row *r, struct err *err)
{
	struct catalogue *cat;
	int rc = api_catalogue(m, true, &cat, err);

	metrics_end(m, r->name, true);
	/* In this order: a row without a directory can be removed again. */
	if (!rc)
		rc = home_sandbox_remove(&m->home, r->name, err);
	return rc ? rc : catalogue_delete(cat, r->id, err);
}

/* The last state of a sandbox that is to be kept. */
static int settle_row(msb_t *m, struct sandbox_row *r, struct err *err)
{
	autoclose int dirfd =
		home_sandbox_open(&m->home, r->name, SANDBOX_RUNTIME_DIR);
	struct exit_record exit = { .reason = "InternalError", .code = -1 };
	bool ended = dirfd >= 0 && exit_record_load(dirfd, &exit) == 0;

	metrics_end(m, r->name, false);
	return row_set_status(m, r, ended ? ROW_STOPPED : ROW_CRASHED,
			      exit.reason, exit.code, err);
}

int mend_row(msb_t *m, struct sandbox_row *r, struct err *err)
{
	if (r->ephemeral || r->status == ROW_CREATING)
		return erase_row(m, r, err);
	return row_status_is_active(r->status) ? settle_row(m, r, err) : 1;
}

/* Under the lock: look again, then mend what is really dead. */
static int reconcile_locked(msb_t *m, struct sandbox_row *r, struct err *err)
{
	struct sandbox_row now;
	int rc = row_find(m, r->name, &now, err);

	if (rc <= 0)
		return rc;
	sandbox_row_fini(r);
	*r = now;
	rc = sandbox_alive(m, r->name);
	if (!rc)
		return mend_row(m, r, err);
	if (rc < 0)
		return 1; /* it cannot be told: leave it alone */
	if (r->status != ROW_CREATING)
		return 1;
	/* Its creator died after it was up: from now on it is like others. */
	return row_set_status(m, r, ROW_RUNNING, NULL, 0, err);
}

int reconcile_row(msb_t *m, struct sandbox_row *r, struct err *err)
{
	autoclose int lock = -1;
	bool alive;
	int rc;

	if (!row_status_is_active(r->status) && !r->ephemeral)
		return 1;
	alive = sandbox_alive(m, r->name) != 0;
	if (alive && r->status != ROW_CREATING)
		return 1;
	/* The lock of a dead one is mostly held by somebody else who mends. */
	lock = lifecycle_lock(&m->home, r->name, alive ? 0 : MENDING_MS, NULL);
	if (lock < 0)
		return 1; /* somebody is at it, and the row says what they do */
	rc = reconcile_locked(m, r, err);
	if (!rc)
		lifecycle_lock_retire(&m->home, r->name, &lock);
	return rc;
}

void msb_reconcile(msb_t *m)
{
	struct sandbox_row *rows = NULL;
	struct catalogue *cat;
	size_t n = 0;

	api_children_reap(m);
	if (api_catalogue(m, false, &cat, NULL) || !cat ||
	    catalogue_list(cat, &rows, &n, NULL))
		return;
	for (size_t i = 0; i < n; i++)
		(void)reconcile_row(m, &rows[i], NULL); /* best effort */
	sandbox_rows_free(rows, n);
}
