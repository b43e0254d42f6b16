/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating sandboxes. Everything that can be found out without changing
 * anything is found out first; a failure after that takes back what was made.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api/cancel.h"
#include "api/image_int.h"
#include "api/network.h"
#include "api/volume_int.h"

#define NAME_TRIES 8

static int exists_err(struct err *err, const char *name)
{
	return err_set(err, ERR_SANDBOX_EXISTS, EEXIST,
		       "sandbox '%s' already exists; remove it, start it, or "
		       "replace it",
		       name);
}

/* What the single setters cannot see. */
static int check_config(const msb_config_t *c, struct err *err)
{
	const struct sandbox_config *s = &c->c;
	int rc;

	if (c->base)
		return err_set(err, ERR_INVALID, EINVAL,
			       "the configuration of a sandbox that exists is "
			       "for changing that one");
	if (s->root.kind == ROOT_NONE)
		return err_set(err, ERR_INVALID, EINVAL,
			       "image source is required");
	if (!s->init && (s->init_args.n || s->init_env.n))
		return err_set(err, ERR_INVALID, EINVAL,
			       "init arguments and environment need an init "
			       "program");
	/* Both may have changed since they were set. */
	for (size_t i = 0; i < s->nmounts; i++)
		if (s->mounts[i].host && access(s->mounts[i].host, F_OK) < 0)
			return err_set(err, ERR_INVALID, errno,
				       "host path does not exist: %.300s",
				       s->mounts[i].host);
	rc = patches_check(c, err);
	if (rc)
		return rc;
	if (c->upper_size_mib && c->snapshot)
		return err_set(err, ERR_INVALID, EINVAL,
			       "the size of a snapshot's layer cannot be "
			       "changed");
	if (c->upper_size_mib && s->root.kind != ROOT_OCI)
		return err_set(err, ERR_INVALID, EINVAL,
			       "oci_upper_size() is only valid for OCI images");
	return root_check(&s->root, err);
}

/* What one create works on. */
struct creation {
	msb_t *m;
	const msb_config_t *given;
	struct sandbox_config c; /* the given one, and what it inherits */
	char name[SANDBOX_NAME_MAX + 1];
	struct strv startup;
	struct boot_plan plan;
	struct catalogue *cat;
	struct sandbox_row row;
	int watchdog[2];
	/* Of a sandbox from an image: locked until the record names it. */
	struct image_store store;
	bool has_store;
};

static int make_up_name(char *buf, size_t len, struct err *err)
{
	uint32_t n;

	if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		return err_sys(err, ERR_IO, errno, "make up a name");
	(void)snprintf(buf, len, "msb-%08x", n);
	return 0;
}

/*
 * Settle what is in the way of the name, under its lock. 0: the way is free.
 */
static int clear_way(struct creation *n, struct err *err)
{
	msb_stop_result_t result;
	struct sandbox_row old;
	int rc = catalogue_find(n->cat, n->name, &old, err);

	if (rc < 0)
		return rc;
	if (rc) {
		if (sandbox_alive(n->m, n->name) == 0)
			rc = mend_row(n->m, &old, err);
		if (rc > 0 && !n->given->replace)
			rc = exists_err(err, n->name);
		if (rc > 0)
			rc = stop_row(n->m, &old, -1, n->given->grace_ms,
				      &result, err);
		if (rc > 0)
			rc = erase_row(n->m, &old, err);
		sandbox_row_fini(&old);
		return rc;
	}
	/* A directory without a record: left behind, unless it lives. */
	rc = sandbox_alive(n->m, n->name);
	if (rc > 0 && !n->given->replace)
		return exists_err(err, n->name);
	if (rc > 0)
		rc = kill_runtime(n->m, n->name, err);
	return rc < 0 ? rc : home_sandbox_remove(&n->m->home, n->name, err);
}

static int insert_row(struct creation *n, struct err *err)
{
	struct sandbox_row *r = &n->row;

	r->name = strdup(n->name);
	r->image = strdup(root_config_text(&n->c.root));
	r->config = sandbox_config_to_json(&n->c);
	r->status = ROW_CREATING;
	r->ephemeral = n->c.ephemeral;
	if (!r->name || !r->image || !r->config)
		return api_no_memory(err);
	return catalogue_insert(n->cat, r, err);
}

/*
 * After a failure: the record and logs of a named sandbox whose machine did
 * not come up are kept for whoever looks for the cause; all else goes, also
 * everything when it was the caller who gave up.
 */
static void take_back(struct creation *n, enum boot_stage stage)
{
	bool keep = stage == BOOT_MACHINE && n->given->named &&
		    !n->c.ephemeral && !cancel_requested();

	/* The failure itself is told; what fails here is mended by the next
	 * reconcile, because the row still says CREATING. */
	if (keep)
		(void)catalogue_set_status(n->cat, n->row.id, ROW_STOPPED,
					   "InternalError", -1, NULL);
	else if (n->row.id)
		(void)erase_row(n->m, &n->row, NULL);
	else
		(void)home_sandbox_remove(&n->m->home, n->name, NULL);
}

static void close_store(struct creation *n)
{
	if (n->has_store)
		image_store_close(&n->store);
	n->has_store = false;
}

static int boot_made(struct creation *n, struct api_err *e)
{
	enum boot_stage stage = BOOT_NOT_STARTED;
	struct boot b = { .config = &n->c,
			  .plan = &n->plan,
			  .startup = &n->startup,
			  .watchdog_rd = n->watchdog[0] };
	/* The record first: what a dead creator leaves goes with it. */
	int rc = insert_row(n, &e->err);

	b.slot = n->row.slot;
	if (!rc)
		close_store(n);
	if (!rc)
		rc = home_sandbox_create(&n->m->home, n->name, &e->err);
	/* one that ends for good needs no values a second time */
	if (!rc && n->given->net->c.secrets.n && !n->c.ephemeral)
		rc = secret_values_keep(&n->m->home, n->name,
					&n->given->net->c.secrets,
					&n->given->net->values, &e->err);
	if (!rc)
		rc = patches_keep(n->given, n->name, &e->err);
	if (!rc && n->c.root.kind == ROOT_OCI)
		rc = image_root_make_upper(n->m, n->given, &n->c, &e->err);
	if (!rc)
		rc = boot_sandbox(n->m, &b, &stage, e);
	if (!rc) {
		rc = row_set_status(n->m, &n->row, ROW_RUNNING, NULL, 0,
				    &e->err);
		rc = rc < 0 ? rc : 0;
		if (rc)
			(void)kill_runtime(n->m, n->name, NULL); /* unknown */
	}
	if (rc)
		take_back(n, stage);
	return rc;
}

static int boot_new(struct creation *n, struct api_err *e)
{
	struct mount_config *own = n->c.mounts;
	struct volume_hold hold;
	int rc = volumes_hold(n->m, &n->c, n->given->wishes, n->given->nwishes,
			      &hold, &e->err);

	if (rc)
		return rc;
	n->c.mounts = hold.mounts;
	rc = boot_made(n, e);
	n->c.mounts = own;
	volumes_release(&hold);
	return rc;
}

/* After a failure: the lock file of a name that nobody has. */
static void retire_unless_kept(struct creation *n, int *lock)
{
	struct sandbox_row left;
	int rc = catalogue_find(n->cat, n->name, &left, NULL);

	if (rc > 0)
		sandbox_row_fini(&left);
	else if (!rc)
		lifecycle_lock_retire(&n->m->home, n->name, lock);
}

/* Is the name taken for certain, whatever the holder of its lock does? */
static int check_taken(struct creation *n, struct err *err)
{
	struct sandbox_row old;
	int rc = catalogue_find(n->cat, n->name, &old, err);
	bool taken;

	if (rc <= 0)
		return rc;
	taken = !old.ephemeral && (old.status != ROW_CREATING ||
				   sandbox_alive(n->m, n->name) == 1);
	sandbox_row_fini(&old);
	return taken ? exists_err(err, n->name) : 0;
}

static int create_named(struct creation *n, struct api_err *e)
{
	autoclose int lock = -1;
	int rc = n->given->replace ? 0 : check_taken(n, &e->err);

	if (rc)
		return rc;
	lock = cancel_lifecycle_lock(&n->m->home, n->name, LOCK_WAIT_FOREVER,
				     &e->err);
	if (lock < 0)
		return lock;
	rc = clear_way(n, &e->err);
	if (!rc)
		rc = boot_new(n, e);
	if (rc)
		retire_unless_kept(n, &lock);
	return rc;
}

/* A copy by way of the stored form, which has everything. */
static int copy_config(struct creation *n, struct err *err)
{
	autofree char *text = sandbox_config_to_json(&n->given->c);
	int rc = text ? sandbox_config_from_json(text, &n->c, err)
		      : api_no_memory(err);

	return rc ? rc : network_wish_apply(n->given->net, &n->c, err);
}

static int take_image(struct creation *n, struct err *err)
{
	int rc = image_store_of(n->m, &n->store, err);

	if (rc)
		return rc;
	n->has_store = true;
	rc = image_store_lock(&n->store, false, err);
	return rc ? rc
		  : image_root_settle(n->m, &n->store, n->given, &n->c,
				      &n->plan, err);
}

/* Everything but the name and what happens under its lock. */
static int prepare(struct creation *n, struct err *err)
{
	int rc = check_config(n->given, err);

	if (!rc)
		rc = copy_config(n, err);
	if (!rc)
		rc = boot_plan_make(n->m, &n->c, &n->given->net->values,
				    &n->plan, err);
	if (!rc)
		rc = api_catalogue(n->m, true, &n->cat, err);
	if (!rc && n->given->named && !n->given->replace)
		rc = check_taken(n, err); /* before anything is pulled */
	if (!rc && n->c.root.kind == ROOT_OCI)
		rc = take_image(n, err);
	if (!rc && n->given->has_startup &&
	    command_resolve(&n->c, true,
			    (const char *const *)n->given->startup.v,
			    n->given->startup.n, false, &n->startup))
		rc = api_no_memory(err);
	if (!rc && n->given->attached)
		rc = watchdog_pipe(n->watchdog, err);
	return rc;
}

static int create_as(struct creation *n, struct api_err *e)
{
	free(n->c.name);
	n->c.name = strdup(n->name);
	return n->c.name ? create_named(n, e) : api_no_memory(&e->err);
}

static int create(struct creation *n, struct api_err *e)
{
	int rc;

	if (n->given->named)
		(void)snprintf(n->name, sizeof(n->name), "%s",
			       n->given->c.name);
	rc = prepare(n, &e->err);
	if (rc || n->given->named)
		return rc ? rc : create_as(n, e);
	for (unsigned tries = 0; tries < NAME_TRIES; tries++) {
		rc = make_up_name(n->name, sizeof(n->name), &e->err);
		if (!rc)
			rc = create_as(n, e);
		if (rc != -EEXIST || e->err.kind != ERR_SANDBOX_EXISTS)
			return rc;
		sandbox_row_fini(&n->row);
		api_err_clear(e);
	}
	return exists_err(&e->err, n->name);
}

int msb_sandbox_create(msb_t *m, const msb_config_t *c, msb_sandbox_t **ret,
		       msb_error_t **ret_err)
{
	struct creation n = { .m = m,
			      .given = c,
			      .plan = BOOT_PLAN_INIT,
			      .watchdog = { -1, -1 } };
	struct api_err e = { 0 };
	int rc, users = -1;

	api_children_reap(m);
	rc = create(&n, &e);
	close_store(&n);
	sandbox_config_fini(&n.c);
	strv_fini(&n.startup);
	boot_plan_fini(&n.plan);
	close_fd(&n.watchdog[0]);
	if (!rc) {
		*ret = sandbox_new(m, &n.row);
		if (*ret)
			sandbox_attach_fds(*ret, &n.watchdog[1], &users);
		else
			rc = api_no_memory(&e.err); /* it runs, unattended */
	}
	sandbox_row_fini(&n.row);
	close_fd(&n.watchdog[1]);
	return rc ? api_fail(&e, rc, ret_err) : 0;
}
