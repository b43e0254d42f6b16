/* SPDX-License-Identifier: Apache-2.0 */
/* The volumes of a sandbox that is about to start. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/volume_int.h"

void volume_wish_fini(struct volume_wish *w)
{
	free(w->name);
	volume_record_fini(&w->record);
}

static int make_missing(const struct volumes *dirs, const struct volume_wish *w,
			struct err *err)
{
	struct volume_record r;
	struct err look = { 0 };
	autoclose int lock = -1;
	int rc;

	if (w->mode == MSB_VOLUME_EXISTING)
		return 0;
	if (w->mode == MSB_VOLUME_ENSURE) {
		rc = volume_load(dirs, w->name, &r, &look);
		if (!rc)
			volume_record_fini(&r);
		if (look.kind != ERR_VOLUME_NOT_FOUND)
			return 0; /* it is there; how, is seen under the lock */
	}
	lock = volume_lock(dirs, w->name, true, VOLUME_LOCK_WAIT_MS, err);
	if (lock < 0)
		return lock;
	rc = volume_make(dirs, w->name, &w->record, err);
	if (rc == -EEXIST && w->mode == MSB_VOLUME_ENSURE) {
		err_clear(err); /* somebody else just made it */
		rc = 0;
	}
	return rc;
}

static int differs(const char *name, struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, EINVAL,
		       "volume '%s' exists with another %s than asked for",
		       name, what);
}

static bool same_labels(const struct strv *a, const struct strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

static int check_wish(const struct volume_wish *w,
		      const struct volume_record *r, struct err *err)
{
	const struct volume_record *want = &w->record;

	if (!w->described)
		return 0;
	if (want->kind != r->kind)
		return differs(w->name, err, "kind");
	if (want->quota_mib &&
	    r->quota_mib !=
		    (want->quota_mib == MSB_QUOTA_NONE ? 0 : want->quota_mib))
		return differs(w->name, err, "quota");
	if (want->capacity_mib && want->capacity_mib != r->capacity_mib)
		return differs(w->name, err, "size");
	if (want->labels.n && !same_labels(&want->labels, &r->labels))
		return differs(w->name, err, "set of labels");
	return 0;
}

static int fill_disk(const struct volume_hold *h, struct mount_config *m,
		     struct err *err)
{
	if (m->stat_virt != STAT_VIRT_STRICT ||
	    m->host_perms != HOST_PERMS_PRIVATE)
		return err_set(err, ERR_INVALID, EINVAL,
			       "volume '%s' is a disk: stat-virt and "
			       "host-perms are not for it",
			       m->name);
	for (const struct mount_config *o = h->mounts; o < m; o++)
		if (o->kind == MOUNT_NAMED && !strcmp(o->name, m->name))
			return err_set(err, ERR_INVALID, EINVAL,
				       "volume '%s' is a disk and can be "
				       "mounted once in a sandbox",
				       m->name);
	m->disk_volume = true;
	m->format = DISK_FORMAT_RAW;
	m->fstype = strdup("ext4");
	return m->fstype ? 0 : api_no_memory(err);
}

/* m of the hold becomes what the volume is. */
static int fill_mount(const struct volume_hold *h, const struct volumes *dirs,
		      struct mount_config *m, const struct volume_record *r,
		      struct err *err)
{
	autofree char *plain = str_fmt("%s/%s", dirs->path, m->name);
	autofree char *real = plain ? realpath(plain, NULL) : NULL;
	bool disk = r->kind == MSB_VOLUME_DISK;
	int rc = disk ? fill_disk(h, m, err) : 0;

	if (rc)
		return rc;
	if (!real)
		return path_err(err, plain ? errno : ENOMEM, "use the volume",
				m->name);
	m->host = str_fmt("%s%s", real, disk ? "/" VOLUME_DISK : "");
	if (!m->host)
		return api_no_memory(err);
	m->quota_mib = (uint32_t)r->quota_mib; /* the record's limit: 16 TiB */
	return 0;
}

static int hold_one(const struct volumes *dirs, struct volume_hold *h,
		    struct mount_config *m, const struct volume_wish *wishes,
		    size_t nwishes, struct err *err)
{
	struct volume_record r;
	int rc = volume_lock(dirs, m->name, false, VOLUME_LOCK_WAIT_MS, err);

	if (rc < 0)
		return rc;
	h->locks[h->nlocks++] = rc;
	rc = volume_load(dirs, m->name, &r, err);
	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < nwishes; i++)
		if (!strcmp(wishes[i].name, m->name))
			rc = check_wish(&wishes[i], &r, err);
	if (!rc)
		rc = fill_mount(h, dirs, m, &r, err);
	volume_record_fini(&r);
	return rc;
}

static int hold_all(msb_t *m, struct volume_hold *h,
		    const struct volume_wish *wishes, size_t nwishes,
		    struct err *err)
{
	struct volumes dirs;
	int rc = volumes_open(m, true, &dirs, err);

	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < nwishes; i++)
		rc = make_missing(&dirs, &wishes[i], err);
	for (size_t i = 0; !rc && i < h->nmounts; i++)
		if (h->mounts[i].kind == MOUNT_NAMED)
			rc = hold_one(&dirs, h, &h->mounts[i], wishes, nwishes,
				      err);
	volumes_close(&dirs);
	return rc;
}

int volumes_hold(msb_t *m, const struct sandbox_config *c,
		 const struct volume_wish *wishes, size_t nwishes,
		 struct volume_hold *ret, struct err *err)
{
	struct volume_hold h = { .nmounts = c->nmounts };
	bool named = false;
	int rc;

	h.mounts = calloc(c->nmounts + 1, sizeof(*h.mounts));
	h.locks = calloc(c->nmounts + 1, sizeof(*h.locks));
	if (!h.mounts || !h.locks) {
		free(h.mounts);
		free(h.locks);
		return api_no_memory(err);
	}
	for (size_t i = 0; i < c->nmounts; i++) {
		h.mounts[i] = c->mounts[i];
		if (h.mounts[i].kind != MOUNT_NAMED)
			continue;
		named = true;
		h.mounts[i].host = h.mounts[i].fstype = NULL;
		h.mounts[i].disk_volume = false;
	}
	rc = named ? hold_all(m, &h, wishes, nwishes, err) : 0;
	if (rc)
		volumes_release(&h);
	else
		*ret = h;
	return rc;
}

void volumes_release(struct volume_hold *h)
{
	for (size_t i = 0; i < h->nlocks; i++)
		close_fd(&h->locks[i]);
	for (size_t i = 0; h->mounts && i < h->nmounts; i++)
		if (h->mounts[i].kind == MOUNT_NAMED) {
			free(h->mounts[i].host);
			free(h->mounts[i].fstype);
		}
	free(h->mounts);
	free(h->locks);
	memset(h, 0, sizeof(*h));
}
