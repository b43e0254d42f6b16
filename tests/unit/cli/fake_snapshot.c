/* SPDX-License-Identifier: Apache-2.0 */
/* The stand-in library's snapshots: there is one, "kept", which is sound unless
 * FAKE_DAMAGED is set. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct msb_snapshot {
	const char *name;
};

static struct msb_snapshot kept = { "kept" };

static int not_found(const char *ref, msb_error_t **e)
{
	return fake_fail(e, MSB_ERR_SNAPSHOT_NOT_FOUND, ENOENT,
			 "snapshot not found: ", ref);
}

int msb_config_set_snapshot(msb_config_t *c, const char *ref, msb_error_t **e)
{
	if (strcmp(ref, "kept") != 0)
		return not_found(ref, e);
	fake_called(c->m, "set_snapshot %s", ref);
	return 0;
}

int msb_snapshot_create(msb_t *m, const char *sandbox, const char *dest,
			const msb_snapshot_options_t *o, msb_snapshot_t **ret,
			msb_error_t **ret_err)
{
	(void)ret_err;
	fake_called(m, "snapshot_create %s %s force=%d integrity=%d", sandbox,
		    dest, o->force, o->integrity);
	for (size_t i = 0; i < o->nlabels; i++)
		fake_called(m, "label %s", o->labels[i]);
	*ret = &kept;
	return 0;
}

int msb_snapshot_get(msb_t *m, const char *ref, msb_snapshot_t **ret,
		     msb_error_t **ret_err)
{
	(void)m;
	if (strcmp(ref, "kept") != 0)
		return not_found(ref, ret_err);
	*ret = &kept;
	return 0;
}

void msb_snapshot_free(msb_snapshot_t *s)
{
	(void)s;
}

int msb_snapshot_list(msb_t *m, msb_snapshot_list_t **ret,
		      msb_error_t **ret_err)
{
	(void)m;
	(void)ret_err;
	*ret = NULL;
	return 0;
}

/* FAKE_NO_SNAPSHOTS: the list is empty. */
size_t msb_snapshot_list_count(const msb_snapshot_list_t *l)
{
	(void)l;
	return getenv("FAKE_NO_SNAPSHOTS") ? 0 : 1;
}

const msb_snapshot_t *msb_snapshot_list_item(const msb_snapshot_list_t *l,
					     size_t i)
{
	(void)l;
	(void)i;
	return &kept;
}

void msb_snapshot_list_free(msb_snapshot_list_t *l)
{
	(void)l;
}

int msb_snapshot_verify(const msb_snapshot_t *s, msb_error_t **ret_err)
{
	if (getenv("FAKE_DAMAGED"))
		return fake_fail(ret_err, MSB_ERR_SNAPSHOT_INTEGRITY, EBADMSG,
				 "snapshot integrity check failed: ", s->name);
	return 1;
}

int msb_snapshot_remove(msb_t *m, const char *ref, bool force,
			msb_error_t **ret_err)
{
	if (strcmp(ref, "kept") != 0)
		return not_found(ref, ret_err);
	fake_called(m, "snapshot_remove %s force=%d", ref, force);
	return 0;
}

int64_t msb_snapshot_reindex(msb_t *m, const char *dir, msb_error_t **ret_err)
{
	(void)ret_err;
	fake_called(m, "snapshot_reindex %s", dir ? dir : "-");
	return 3;
}

int msb_snapshot_export(msb_t *m, const char *ref, const char *path,
			bool parents, bool plain, msb_error_t **ret_err)
{
	(void)ret_err;
	fake_called(m, "snapshot_export %s %s %d %d", ref, path, parents,
		    plain);
	return 0;
}

int msb_snapshot_import(msb_t *m, const char *path, const char *dest,
			msb_snapshot_t **ret, msb_error_t **ret_err)
{
	(void)ret_err;
	fake_called(m, "snapshot_import %s %s", path, dest ? dest : "-");
	*ret = &kept;
	return 0;
}

const char *msb_snapshot_digest(const msb_snapshot_t *s)
{
	(void)s;
	return "sha256:" HEX;
}

const char *msb_snapshot_name(const msb_snapshot_t *s)
{
	return s->name;
}

const char *msb_snapshot_path(const msb_snapshot_t *s)
{
	(void)s;
	return "/home/snapshots/kept";
}

const char *msb_snapshot_json(const msb_snapshot_t *s)
{
	(void)s;
	return "{\"schema\":1,\"format\":\"raw\",\"fstype\":\"ext4\","
	       "\"image\":{\"ref\":\"alpine\",\"manifest_digest\":\"sha256:" HEX
	       "\"},\"parent\":null,"
	       "\"created_at\":\"2026-05-22T12:11:12.5+02:00\","
	       "\"labels\":{\"a\":\"1\",\"b\":\"2\"},"
	       "\"upper\":{\"file\":\"upper.ext4\",\"size_bytes\":1048576,"
	       "\"integrity\":{\"algorithm\":\"sha256\","
	       "\"digest\":\"sha256:" HEX "\"}},"
	       "\"source_sandbox\":\"box\"}";
}

const char *msb_snapshot_image(const msb_snapshot_t *s)
{
	(void)s;
	return "alpine";
}

const char *msb_snapshot_created_at(const msb_snapshot_t *s)
{
	(void)s;
	return "2026-05-22T12:11:12.5+02:00";
}

uint64_t msb_snapshot_size_bytes(const msb_snapshot_t *s)
{
	(void)s;
	return 1048576;
}

const char *msb_snapshot_dir(const msb_t *m)
{
	(void)m;
	return "/home/snapshots";
}
