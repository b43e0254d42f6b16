/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stand-in library's mounts and volumes. There are two volumes: "data", a
 * directory with labels, and "disk".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

struct msb_volume {
	const char *name;
	msb_volume_kind_t kind;
	uint64_t quota_mib, capacity_mib;
	const char *const *labels;
};

static const char *const some_labels[] = { "a=1", "b=x=y", NULL };
static const char *const no_labels[] = { NULL };
static const struct msb_volume volumes[] = {
	{ "data", MSB_VOLUME_DIR, 2048, 0, some_labels },
	{ "disk", MSB_VOLUME_DISK, 0, 1500, no_labels },
	{ "plain", MSB_VOLUME_DIR, 0, 0, no_labels },
};

static void mount_called(const msb_config_t *c, const char *what,
			 const char *source, const char *guest,
			 const msb_mount_options_t *o)
{
	fake_called(c->m, "%s %s %s %u %d %d quota=%lld size=%u %s %s", what,
		    source, guest, o->flags, (int)o->stat_virt,
		    (int)o->host_perms, (long long)o->quota_mib, o->size_mib,
		    o->format ? o->format : "-", o->fstype ? o->fstype : "-");
}

int msb_config_add_tmpfs(msb_config_t *c, const char *guest_path,
			 const msb_mount_options_t *o, msb_error_t **e)
{
	(void)e;
	mount_called(c, "add_tmpfs", "-", guest_path, o);
	return 0;
}

int msb_config_add_bind(msb_config_t *c, const char *host,
			const char *guest_path, const msb_mount_options_t *o,
			msb_error_t **e)
{
	if (guest_path[0] != '/')
		return fake_fail(e, MSB_ERR_INVALID, EINVAL, "invalid config: ",
				 "guest path must be absolute");
	mount_called(c, "add_bind", host, guest_path, o);
	return 0;
}

int msb_config_add_disk(msb_config_t *c, const char *image,
			const char *guest_path, const msb_mount_options_t *o,
			msb_error_t **e)
{
	(void)e;
	mount_called(c, "add_disk", image, guest_path, o);
	return 0;
}

int msb_config_add_named(msb_config_t *c, const char *volume,
			 const char *guest_path, msb_volume_mode_t mode,
			 const msb_volume_options_t *v,
			 const msb_mount_options_t *o, msb_error_t **e)
{
	(void)e;
	mount_called(c, "add_named", volume, guest_path, o);
	if (v)
		fake_called(c->m, "volume %d %d %lld %llu", (int)mode,
			    (int)v->kind, (long long)v->quota_mib,
			    (unsigned long long)v->capacity_mib);
	return 0;
}

static const struct msb_volume *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(volumes); i++)
		if (!strcmp(volumes[i].name, name))
			return &volumes[i];
	return NULL;
}

int msb_volume_create(msb_t *m, const char *name, const msb_volume_options_t *o,
		      msb_volume_t **ret, msb_error_t **ret_err)
{
	(void)ret;
	if (find(name))
		return fake_fail(ret_err, MSB_ERR_VOLUME_EXISTS, EEXIST,
				 "volume already exists: ", name);
	fake_called(m, "volume_create %s %d %llu %llu", name, (int)o->kind,
		    (unsigned long long)o->quota_mib,
		    (unsigned long long)o->capacity_mib);
	for (size_t i = 0; i < o->nlabels; i++)
		fake_called(m, "label %s", o->labels[i]);
	return 0;
}

int msb_volume_get(msb_t *m, const char *name, msb_volume_t **ret,
		   msb_error_t **ret_err)
{
	const struct msb_volume *v = find(name);

	(void)m;
	if (!v)
		return fake_fail(ret_err, MSB_ERR_VOLUME_NOT_FOUND, ENOENT,
				 "volume not found: ", name);
	*ret = (msb_volume_t *)(uintptr_t)v;
	return 0;
}

void msb_volume_free(msb_volume_t *v)
{
	(void)v;
}

/* FAKE_NO_VOLUMES: the list is empty. */
int msb_volume_list(msb_t *m, msb_volume_list_t **ret, msb_error_t **ret_err)
{
	(void)m;
	(void)ret_err;
	*ret = NULL;
	return 0;
}

size_t msb_volume_list_count(const msb_volume_list_t *l)
{
	(void)l;
	return getenv("FAKE_NO_VOLUMES") ? 0 : ARRAY_SIZE(volumes);
}

const msb_volume_t *msb_volume_list_item(const msb_volume_list_t *l, size_t i)
{
	(void)l;
	return &volumes[i];
}

void msb_volume_list_free(msb_volume_list_t *l)
{
	(void)l;
}

int msb_volume_remove(msb_t *m, const char *name, msb_error_t **ret_err)
{
	if (!find(name))
		return fake_fail(ret_err, MSB_ERR_VOLUME_NOT_FOUND, ENOENT,
				 "volume not found: ", name);
	fake_called(m, "volume_remove %s", name);
	return 0;
}

int msb_volume_prune(msb_t *m, void (*removed)(void *ctx, const char *name),
		     void *ctx, msb_error_t **ret_err)
{
	(void)ret_err;
	fake_called(m, "volume_prune");
	removed(ctx, "data");
	removed(ctx, "disk");
	return 0;
}

const char *msb_volume_name(const msb_volume_t *v)
{
	return v->name;
}

const char *msb_volume_path(const msb_volume_t *v)
{
	(void)v;
	return "/home/volumes/some";
}

msb_volume_kind_t msb_volume_kind(const msb_volume_t *v)
{
	return v->kind;
}

uint64_t msb_volume_quota_mib(const msb_volume_t *v)
{
	return v->quota_mib;
}

uint64_t msb_volume_capacity_bytes(const msb_volume_t *v)
{
	return v->capacity_mib << 20;
}

int64_t msb_volume_created_unix_ms(const msb_volume_t *v)
{
	(void)v;
	return 1779444672000;
}

const char *msb_volume_label(const msb_volume_t *v, size_t i)
{
	return v->labels[i];
}

int msb_volume_used_bytes(const msb_volume_t *v, uint64_t *ret,
			  msb_error_t **ret_err)
{
	(void)v;
	(void)ret_err;
	*ret = 4711;
	return 0;
}

/* "bad" cannot be copied; of "some" one entry cannot. */
int64_t msb_copy(msb_sandbox_t *from, const char *from_path, msb_sandbox_t *to,
		 const char *to_path, const msb_copy_options_t *o,
		 msb_error_t **ret_err)
{
	if (strstr(from_path, "bad"))
		return fake_fail(ret_err, MSB_ERR_FS, ENOENT,
				 "sandbox fs error: ", from_path);
	if (strstr(from_path, "some"))
		o->skipped(o->ctx, from_path, "no reason");
	fake_called(fake_home(from ? from : to), "copy %s %s %s %s",
		    from ? msb_sandbox_name(from) : "-", from_path,
		    to ? msb_sandbox_name(to) : "-", to_path);
	return strstr(from_path, "some") ? 1 : 0;
}
