/* SPDX-License-Identifier: Apache-2.0 */
/* Files of running guests, and of volumes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addon.h"

static msb_fs_t *fs_of(struct op *o)
{
	return o->a[0].h->p;
}

static napi_value done_fs(napi_env env, struct op *o)
{
	void *p = o->p;

	(void)env;
	o->p = NULL;
	return handle_new(o->addon, HANDLE_FS, p, o->a[0].h);
}

static void clear_fs(struct op *o)
{
	msb_fs_free(o->p);
}

/* sandbox */
static int run_connect(struct op *o)
{
	return msb_fs_connect(o->a[0].h->p, (msb_fs_t **)&o->p, &o->err);
}

/* home, name of a volume */
static int run_open_volume(struct op *o)
{
	msb_volume_t *v;
	int rc = msb_volume_get(o->a[0].h->p, o->a[1].s, &v, &o->err);

	if (rc)
		return rc;
	rc = msb_fs_open_volume(v, (msb_fs_t **)&o->p, &o->err);
	msb_volume_free(v);
	return rc;
}

/* ---- what is known of a file ----------------------------------------------
 */

static const char *kind_name(msb_fs_kind_t kind)
{
	switch (kind) {
	case MSB_FS_FILE:
		return "file";
	case MSB_FS_DIR:
		return "directory";
	case MSB_FS_SYMLINK:
		return "symlink";
	case MSB_FS_OTHER:
		break;
	}
	return "other";
}

static void set_info(napi_env env, napi_value v, const msb_fs_info_t *info)
{
	set_string(env, v, "kind", kind_name(info->kind));
	set_number(env, v, "mode", info->mode);
	set_number(env, v, "size", (double)info->size);
	set_number(env, v, "uid", info->uid);
	set_number(env, v, "gid", info->gid);
	set_number(env, v, "accessedMs", (double)info->atime_s * 1000);
	set_number(env, v, "modifiedMs", (double)info->mtime_s * 1000);
}

static msb_fs_info_t *info_new(struct op *o)
{
	msb_fs_info_t *info = calloc(1, sizeof(*info));

	if (info)
		info->struct_size = sizeof(*info);
	o->state = info;
	return info;
}

static napi_value done_info(napi_env env, struct op *o)
{
	napi_value v;

	if (napi_create_object(env, &v))
		return NULL;
	set_info(env, v, o->state);
	return v;
}

static void clear_state(struct op *o)
{
	free(o->state);
}

/* fs, path, follow */
static int run_stat(struct op *o)
{
	return info_new(o) ? msb_fs_stat(fs_of(o), o->a[1].s, o->a[2].b,
					 o->state, &o->err)
			   : -ENOMEM;
}

/* fs, handle */
static int run_fstat(struct op *o)
{
	return info_new(o) ? msb_fs_fstat(fs_of(o), (uint64_t)o->a[1].n,
					  o->state, &o->err)
			   : -ENOMEM;
}

struct entry {
	char *name;
	msb_fs_info_t info;
};

static int on_entry(void *ctx, const char *name, const msb_fs_info_t *info)
{
	struct items *items = ctx;
	struct entry *e = items_add(items, sizeof(*e));

	if (!e)
		return 1;
	e->name = strdup(name);
	e->info = *info;
	return e->name == NULL;
}

static int run_list(struct op *o)
{
	o->state = calloc(1, sizeof(struct items));
	return o->state ? msb_fs_list(fs_of(o), o->a[1].s, on_entry, o->state,
				      &o->err)
			: -ENOMEM;
}

static napi_value done_list(napi_env env, struct op *o)
{
	const struct items *items = o->state;
	const struct entry *e = (const void *)items->v;
	napi_value list, v;

	if (napi_create_array_with_length(env, items->n, &list))
		return NULL;
	for (uint32_t i = 0; i < items->n; i++) {
		if (napi_create_object(env, &v))
			return NULL;
		set_string(env, v, "name", e[i].name ? e[i].name : "");
		set_info(env, v, &e[i].info);
		(void)napi_set_element(env, list, i, v);
	}
	return list;
}

static void clear_list(struct op *o)
{
	struct items *items = o->state;
	struct entry *e = items ? (void *)items->v : NULL;

	for (size_t i = 0; e && i < items->n; i++)
		free(e[i].name);
	free(e);
	free(items);
}

static int run_exists(struct op *o)
{
	o->n = msb_fs_exists(fs_of(o), o->a[1].s, &o->err);
	return o->n < 0 ? (int)o->n : 0;
}

/* ---- changes --------------------------------------------------------------
 */

/* fs, path, mode */
static int run_mkdir(struct op *o)
{
	return msb_fs_mkdir(fs_of(o), o->a[1].s, (int)o->a[2].n, &o->err);
}

static int run_remove(struct op *o)
{
	return msb_fs_remove(fs_of(o), o->a[1].s, &o->err);
}

/* fs, path, recursive */
static int run_remove_dir(struct op *o)
{
	return msb_fs_remove_dir(fs_of(o), o->a[1].s, o->a[2].b, &o->err);
}

static int run_copy(struct op *o)
{
	return msb_fs_copy(fs_of(o), o->a[1].s, o->a[2].s, &o->err);
}

static int run_rename(struct op *o)
{
	return msb_fs_rename(fs_of(o), o->a[1].s, o->a[2].s, &o->err);
}

/* fs, target, path */
static int run_symlink(struct op *o)
{
	return msb_fs_symlink(fs_of(o), o->a[1].s, o->a[2].s, &o->err);
}

static int run_read_link(struct op *o)
{
	return msb_fs_read_link(fs_of(o), o->a[1].s, (char **)&o->p, &o->err);
}

static int run_real_path(struct op *o)
{
	return msb_fs_real_path(fs_of(o), o->a[1].s, (char **)&o->p, &o->err);
}

/* From a[2]: mode, uid, gid, size, atime, mtime; -1 leaves one as it is. */
static void attrs_of(const struct op *o, msb_fs_attrs_t *ret)
{
	static const unsigned bits[] = { MSB_FS_SET_MODE,  MSB_FS_SET_UID,
					 MSB_FS_SET_GID,   MSB_FS_SET_SIZE,
					 MSB_FS_SET_ATIME, MSB_FS_SET_MTIME };
	const union arg *a = &o->a[3];

	*ret = (msb_fs_attrs_t){
		.struct_size = sizeof(*ret),
		.mode = (uint32_t)a[0].n,
		.uid = (uint32_t)a[1].n,
		.gid = (uint32_t)a[2].n,
		.size = (uint64_t)a[3].n,
		.atime_s = a[4].n,
		.mtime_s = a[5].n,
	};
	for (size_t i = 0; i < COUNT_OF(bits); i++)
		if (a[i].n >= 0)
			ret->set |= bits[i];
}

/* fs, path, follow, attributes */
static int run_set_stat(struct op *o)
{
	msb_fs_attrs_t attrs;

	attrs_of(o, &attrs);
	return msb_fs_set_stat(fs_of(o), o->a[1].s, o->a[2].b, &attrs, &o->err);
}

/* fs, handle, (unused), attributes */
static int run_fset_stat(struct op *o)
{
	msb_fs_attrs_t attrs;

	attrs_of(o, &attrs);
	return msb_fs_fset_stat(fs_of(o), (uint64_t)o->a[1].n, &attrs, &o->err);
}

/* ---- contents -------------------------------------------------------------
 */

static int run_read(struct op *o)
{
	return msb_fs_read_file(fs_of(o), o->a[1].s, 0, &o->p, &o->len,
				&o->err);
}

/* fs, path, data, mode, append */
static int run_write(struct op *o)
{
	return msb_fs_write_file(fs_of(o), o->a[1].s, o->a[2].bytes.p,
				 o->a[2].bytes.len, (int)o->a[3].n, o->a[4].b,
				 &o->err);
}

/* fs, path, flags, mode */
static int run_open(struct op *o)
{
	uint64_t handle = 0;
	int rc = msb_fs_open(fs_of(o), o->a[1].s, (unsigned)o->a[2].n,
			     (int)o->a[3].n, &handle, &o->err);

	o->n = (int64_t)handle;
	return rc;
}

static int run_close(struct op *o)
{
	return msb_fs_close(fs_of(o), (uint64_t)o->a[1].n, &o->err);
}

/* fs, handle, offset, length */
static int run_pread(struct op *o)
{
	size_t len = o->a[3].n < 0 ? 0 : (size_t)o->a[3].n;
	int64_t n;

	o->p = malloc(len ? len : 1);
	if (!o->p)
		return -ENOMEM;
	n = msb_fs_pread(fs_of(o), (uint64_t)o->a[1].n, (uint64_t)o->a[2].n,
			 o->p, len, &o->err);
	o->len = n < 0 ? 0 : (size_t)n;
	return n < 0 ? (int)n : 0;
}

/* fs, handle, offset, data */
static int run_pwrite(struct op *o)
{
	return msb_fs_pwrite(fs_of(o), (uint64_t)o->a[1].n, (uint64_t)o->a[2].n,
			     o->a[3].bytes.p, o->a[3].bytes.len, &o->err);
}

/* ---- between the host and guests ------------------------------------------
 */

static void on_skipped(void *ctx, const char *path, const char *why)
{
	struct items *items = ctx;
	char **entry = items_add(items, sizeof(*entry));

	if (!entry)
		return;
	if (asprintf(entry, "%s: %s", path, why) < 0)
		items->n--;
}

/* sandbox, into the guest, from, to */
static int run_transfer(struct op *o)
{
	msb_sandbox_t *s = o->a[0].h->p;
	bool into = o->a[1].b;
	msb_copy_options_t options = { .struct_size = sizeof(options),
				       .skipped = on_skipped };
	int64_t n;

	o->state = options.ctx = calloc(1, sizeof(struct items));
	if (!o->state)
		return -ENOMEM;
	n = msb_copy(into ? NULL : s, o->a[2].s, into ? s : NULL, o->a[3].s,
		     &options, &o->err);
	return n < 0 ? (int)n : 0;
}

static napi_value done_transfer(napi_env env, struct op *o)
{
	const struct items *items = o->state;
	char *const *text = (void *)items->v;
	napi_value list;

	if (napi_create_array_with_length(env, items->n, &list))
		return NULL;
	for (uint32_t i = 0; i < items->n; i++)
		(void)napi_set_element(env, list, i,
				       value_string(env, text[i]));
	return list;
}

static void clear_transfer(struct op *o)
{
	struct items *items = o->state;
	char **text = items ? (void *)items->v : NULL;

	for (size_t i = 0; text && i < items->n; i++)
		free(text[i]);
	free(text);
	free(items);
}

const struct function functions_fs[] = {
	{ "fsConnect", "Bc", run_connect, done_fs, clear_fs },
	{ "fsOpenVolume", "Hs", run_open_volume, done_fs, clear_fs },
	{ "fsStat", "Fsb", run_stat, done_info, clear_state },
	{ "fsFstat", "Fn", run_fstat, done_info, clear_state },
	{ "fsList", "Fs", run_list, done_list, clear_list },
	{ "fsExists", "Fs", run_exists, done_bool, NULL },
	{ "fsMkdir", "Fsn", run_mkdir, NULL, NULL },
	{ "fsRemove", "Fs", run_remove, NULL, NULL },
	{ "fsRemoveDir", "Fsb", run_remove_dir, NULL, NULL },
	{ "fsCopy", "Fss", run_copy, NULL, NULL },
	{ "fsRename", "Fss", run_rename, NULL, NULL },
	{ "fsSymlink", "Fss", run_symlink, NULL, NULL },
	{ "fsReadLink", "Fs", run_read_link, done_text, clear_p },
	{ "fsRealPath", "Fs", run_real_path, done_text, clear_p },
	{ "fsSetStat", "Fsbnnnnnn", run_set_stat, NULL, NULL },
	{ "fsFsetStat", "Fnbnnnnnn", run_fset_stat, NULL, NULL },
	{ "fsRead", "Fsc", run_read, done_bytes, clear_p },
	{ "fsWrite", "Fsynbc", run_write, NULL, NULL },
	{ "fsOpen", "Fsnn", run_open, done_number, NULL },
	{ "fsClose", "Fn", run_close, NULL, NULL },
	{ "fsPread", "Fnnnc", run_pread, done_bytes, clear_p },
	{ "fsPwrite", "Fnnyc", run_pwrite, NULL, NULL },
	{ "copy", "Bbssc", run_transfer, done_transfer, clear_transfer },
	{ NULL, NULL, NULL, NULL, NULL },
};
