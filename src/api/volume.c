/* SPDX-License-Identifier: Apache-2.0 */
/* Named volumes of the public interface. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/volume_int.h"
#include "base/io.h"

struct msb_volume {
	char *name, *path;
	struct volume_record record;
};

struct msb_volume_list {
	msb_volume_t **items;
	size_t n;
};

void msb_volume_free(msb_volume_t *v)
{
	if (!v)
		return;
	free(v->name);
	free(v->path);
	volume_record_fini(&v->record);
	free(v);
}

static int read_volume(const struct volumes *dirs, const char *name,
		       msb_volume_t **ret, struct err *err)
{
	msb_volume_t *v = calloc(1, sizeof(*v));
	int rc;

	if (!v)
		return api_no_memory(err);
	rc = volume_load(dirs, name, &v->record, err);
	if (rc) {
		free(v);
		return rc;
	}
	v->name = strdup(name);
	v->path = str_fmt("%s/%s", dirs->path, name);
	if (!v->name || !v->path) {
		msb_volume_free(v);
		return api_no_memory(err);
	}
	*ret = v;
	return 0;
}

static int not_found(const char *name, struct err *err)
{
	return err_set(err, ERR_VOLUME_NOT_FOUND, ENOENT, "%.200s", name);
}

/* ---- create ------------------------------------------------------------- */

static int create_locked(const struct volumes *dirs, const char *name,
			 const struct volume_record *r, msb_volume_t **ret,
			 struct err *err)
{
	autoclose int lock =
		volume_lock(dirs, name, true, VOLUME_LOCK_WAIT_MS, err);
	int rc = lock < 0 ? lock : volume_make(dirs, name, r, err);

	return !rc && ret ? read_volume(dirs, name, ret, err) : rc;
}

int msb_volume_create(msb_t *m, const char *name, const msb_volume_options_t *o,
		      msb_volume_t **ret, msb_error_t **ret_err)
{
	struct volume_record r = { .kind = MSB_VOLUME_DIR };
	struct volumes dirs;
	struct err err = { 0 };
	int rc = volume_name_check(name, &err);

	if (!rc)
		rc = volume_record_make(o, &r, &err);
	if (!rc)
		rc = volumes_open(m, true, &dirs, &err);
	if (!rc) {
		volumes_sweep(&dirs);
		rc = create_locked(&dirs, name, &r, ret, &err);
		volumes_close(&dirs);
	}
	volume_record_fini(&r);
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

/* ---- get and list ------------------------------------------------------- */

int msb_volume_get(msb_t *m, const char *name, msb_volume_t **ret,
		   msb_error_t **ret_err)
{
	struct volumes dirs;
	struct err err = { 0 };
	int rc = sandbox_name_valid(name) ? volumes_open(m, false, &dirs, &err)
					  : -ENOENT;

	if (rc == -ENOENT && err.kind == ERR_NONE) {
		rc = not_found(name, &err);
	} else if (!rc) {
		rc = read_volume(&dirs, name, ret, &err);
		volumes_close(&dirs);
	}
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

static int list_fill(msb_volume_list_t *l, const struct volumes *dirs,
		     struct err *err)
{
	struct strv names = { 0 };
	int rc = volume_names(dirs, &names, err);

	if (!rc) {
		l->items = calloc(names.n + 1, sizeof(msb_volume_t *));
		rc = l->items ? 0 : api_no_memory(err);
	}
	for (size_t i = 0; !rc && l->items && i < names.n; i++) {
		struct err one = { 0 };

		rc = read_volume(dirs, names.v[i], &l->items[l->n], &one);
		if (!rc)
			l->n++;
		else if (one.kind == ERR_VOLUME_NOT_FOUND)
			rc = 0; /* removed meanwhile */
		else
			*err = one;
	}
	strv_fini(&names);
	return rc;
}

int msb_volume_list(msb_t *m, msb_volume_list_t **ret, msb_error_t **ret_err)
{
	msb_volume_list_t *l = calloc(1, sizeof(*l));
	struct volumes dirs;
	struct err err = { 0 };
	int rc;

	if (!l)
		return api_fail_err(&err, api_no_memory(&err), ret_err);
	rc = volumes_open(m, false, &dirs, &err);
	if (rc == -ENOENT && err.kind == ERR_NONE) {
		rc = 0;
	} else if (!rc) {
		rc = list_fill(l, &dirs, &err);
		volumes_close(&dirs);
	}
	if (rc) {
		msb_volume_list_free(l);
		return api_fail_err(&err, rc, ret_err);
	}
	*ret = l;
	return 0;
}

size_t msb_volume_list_count(const msb_volume_list_t *l)
{
	return l->n;
}

const msb_volume_t *msb_volume_list_item(const msb_volume_list_t *l, size_t i)
{
	return i < l->n ? l->items[i] : NULL;
}

void msb_volume_list_free(msb_volume_list_t *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		msb_volume_free(l->items[i]);
	free(l->items);
	free(l);
}

/* ---- remove ------------------------------------------------------------- */

static bool config_uses(const char *config, const char *volume)
{
	struct sandbox_config c;
	bool found = false;

	if (sandbox_config_from_json(config, &c, NULL))
		return strstr(config, volume); /* rather kept than lost */
	for (size_t i = 0; i < c.nmounts; i++)
		found |= c.mounts[i].kind == MOUNT_NAMED &&
			 !strcmp(c.mounts[i].name, volume);
	sandbox_config_fini(&c);
	return found;
}

/*
 * Name of a sandbox that is configured with the volume, and that runs unless
 * idle ones count, too; malloc'ed, NULL when there is none. The exclusive lock
 * of the volume keeps others from starting.
 */
static int find_user(msb_t *m, const char *volume, bool idle, char **ret,
		     struct err *err)
{
	struct sandbox_row *rows = NULL;
	struct catalogue *cat;
	size_t n = 0;
	int rc = api_catalogue(m, false, &cat, err);

	*ret = NULL;
	if (rc || !cat)
		return rc;
	rc = catalogue_list(cat, &rows, &n, err);
	for (size_t i = 0; !rc && !*ret && i < n; i++) {
		if (!config_uses(rows[i].config, volume) ||
		    (!idle && (!row_status_is_active(rows[i].status) ||
			       !sandbox_alive(m, rows[i].name))))
			continue;
		*ret = strdup(rows[i].name);
		rc = *ret ? 0 : api_no_memory(err);
	}
	sandbox_rows_free(rows, n);
	return rc;
}

/* 1 removed, 0 in use (idle: also by a sandbox that does not run). */
static int remove_unused(msb_t *m, const struct volumes *dirs, const char *name,
			 bool idle, char **ret_user, struct err *err)
{
	autoclose int lock =
		volume_lock(dirs, name, true, VOLUME_LOCK_WAIT_MS, err);
	struct volume_record r;
	int rc = lock < 0 ? lock : volume_load(dirs, name, &r, err);

	if (lock >= 0 && rc == -ENOENT)
		volume_lock_retire(dirs, name, &lock);
	if (rc)
		return rc;
	volume_record_fini(&r);
	rc = find_user(m, name, idle, ret_user, err);
	if (!rc && *ret_user)
		return 0;
	if (!rc)
		rc = volume_unmake(dirs, name, &lock, err);
	return rc ? rc : 1;
}

static int remove_named(msb_t *m, const struct volumes *dirs, const char *name,
			struct err *err)
{
	autofree char *user = NULL;
	int rc = remove_unused(m, dirs, name, false, &user, err);

	if (!rc)
		rc = err_set(err, ERR_VOLUME_IN_USE, EBUSY,
			     "volume '%s' is in use by sandbox '%s'", name,
			     user);
	return rc < 0 ? rc : 0;
}

int msb_volume_remove(msb_t *m, const char *name, msb_error_t **ret_err)
{
	struct volumes dirs;
	struct err err = { 0 };
	int rc = sandbox_name_valid(name) ? volumes_open(m, false, &dirs, &err)
					  : -ENOENT;

	api_children_reap(m);
	if (rc == -ENOENT && err.kind == ERR_NONE) {
		rc = not_found(name, &err);
	} else if (!rc) {
		volumes_sweep(&dirs);
		rc = remove_named(m, &dirs, name, &err);
		volumes_close(&dirs);
	}
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

static int prune(msb_t *m, const struct volumes *dirs,
		 void (*removed)(void *ctx, const char *name), void *ctx,
		 struct err *err)
{
	struct strv names = { 0 };
	int rc = volume_names(dirs, &names, err);

	volumes_sweep(dirs);
	for (size_t i = 0; !rc && i < names.n; i++) {
		autofree char *user = NULL;
		struct err one = { 0 };

		rc = remove_unused(m, dirs, names.v[i], true, &user, &one);
		if (rc > 0 && removed)
			removed(ctx, names.v[i]);
		if (rc > 0 || one.kind == ERR_VOLUME_NOT_FOUND ||
		    one.kind == ERR_VOLUME_IN_USE)
			rc = 0;
		else if (rc)
			*err = one;
	}
	strv_fini(&names);
	return rc;
}

int msb_volume_prune(msb_t *m, void (*removed)(void *ctx, const char *name),
		     void *ctx, msb_error_t **ret_err)
{
	struct volumes dirs;
	struct err err = { 0 };
	int rc = volumes_open(m, false, &dirs, &err);

	if (rc == -ENOENT && err.kind == ERR_NONE)
		return 0;
	if (!rc) {
		rc = prune(m, &dirs, removed, ctx, &err);
		volumes_close(&dirs);
	}
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

/* ---- facts -------------------------------------------------------------- */

const char *msb_volume_name(const msb_volume_t *v)
{
	return v->name;
}

const char *msb_volume_path(const msb_volume_t *v)
{
	return v->path;
}

msb_volume_kind_t msb_volume_kind(const msb_volume_t *v)
{
	return v->record.kind;
}

uint64_t msb_volume_quota_mib(const msb_volume_t *v)
{
	return v->record.quota_mib;
}

uint64_t msb_volume_capacity_bytes(const msb_volume_t *v)
{
	return v->record.capacity_mib << 20;
}

int64_t msb_volume_created_unix_ms(const msb_volume_t *v)
{
	return v->record.created_ms;
}

const char *msb_volume_label(const msb_volume_t *v, size_t i)
{
	return i < v->record.labels.n ? v->record.labels.v[i] : NULL;
}

int msb_volume_used_bytes(const msb_volume_t *v, uint64_t *ret,
			  msb_error_t **ret_err)
{
	autofree char *disk = str_fmt("%s/" VOLUME_DISK, v->path);
	struct err err = { 0 };
	struct stat st;
	int rc = disk ? 0 : api_no_memory(&err);

	if (!rc && v->record.kind == MSB_VOLUME_DIR) {
		rc = io_tree_usage(AT_FDCWD, v->path, ret);
	} else if (disk) {
		rc = lstat(disk, &st) < 0 ? -errno : 0;
		if (!rc)
			*ret = (uint64_t)st.st_blocks * 512;
	}
	if (rc == -ENOENT)
		rc = not_found(v->name, &err);
	else if (rc && err.kind == ERR_NONE)
		rc = path_err(&err, -rc, "look through", v->path);
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}
