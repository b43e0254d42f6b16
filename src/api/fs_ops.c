/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on paths and handles, and what is believed of their answers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/fs_int.h"
#include "api/volume_fs.h"

#define PAGE_ENTRIES 512
#define ENTRIES_MAX 4000000u

static int senseless(struct msb_fs *fs, struct err *err)
{
	fs->broken = true;
	return err_set(err, ERR_PROTOCOL, EPROTO,
		       "the guest's answer makes no sense");
}

int fs_info_take(const struct msg_fs_info *from, msb_fs_info_t *ret,
		 struct err *err)
{
	static const char *const kinds[] = { [MSB_FS_FILE] = "file",
					     [MSB_FS_DIR] = "dir",
					     [MSB_FS_SYMLINK] = "symlink",
					     [MSB_FS_OTHER] = "other" };
	msb_fs_info_t info = { .struct_size = sizeof(info),
			       .mode = from->mode & 07777,
			       .uid = from->uid,
			       .gid = from->gid,
			       .size = from->size,
			       .atime_s = from->atime.v,
			       .mtime_s = from->mtime.set ? from->mtime.v
							  : from->modified.v };
	size_t i = 0;

	while (i < ARRAY_SIZE(kinds) && !view_is(from->kind, kinds[i]))
		i++;
	if (i == ARRAY_SIZE(kinds) || from->size > INT64_MAX)
		return err_set(err, ERR_PROTOCOL, EPROTO,
			       "the guest's answer makes no sense");
	info.kind = (msb_fs_kind_t)i;
	*ret = info;
	return 0;
}

int fs_name_take(struct view path, char *name, struct err *err)
{
	const uint8_t *slash = memrchr(path.p, '/', path.len);
	const uint8_t *start = slash ? slash + 1 : path.p;
	size_t len = path.len - (size_t)(start - path.p);

	if (!len || len > FS_NAME_MAX || memchr(start, 0, len) ||
	    (start[0] == '.' && (len == 1 || (len == 2 && start[1] == '.'))))
		return err_set(err, ERR_PROTOCOL, EPROTO,
			       "the guest lists a name that cannot be");
	memcpy(name, start, len);
	name[len] = 0;
	return 0;
}

int fs_stat(struct msb_fs *fs, const char *path, bool follow,
	    msb_fs_info_t *ret, struct err *err)
{
	const struct msg_fs_request m = { .op = MSG_FS_STAT,
					  .path = view_cstr(path),
					  .follow_symlink = follow };
	struct msg_fs_response a;
	int rc = fs_call(fs, &m, &a, err);

	if (rc)
		return rc;
	if (a.data != MSG_FS_DATA_STAT || fs_info_take(&a.stat, ret, err))
		return senseless(fs, err);
	return 0;
}

int fs_open_handle(struct msb_fs *fs, const char *path,
		   const struct msg_fs_open *o, uint64_t *ret, struct err *err)
{
	struct msg_fs_request m = { .op = o ? MSG_FS_OPEN_FILE
					    : MSG_FS_OPEN_DIR,
				    .path = view_cstr(path) };
	struct msg_fs_response a;
	int rc;

	if (o)
		m.options = *o;
	rc = fs_call(fs, &m, &a, err);
	if (rc)
		return rc;
	if (a.data != MSG_FS_DATA_HANDLE)
		return senseless(fs, err);
	*ret = a.handle;
	return 0;
}

int fs_close_handle(struct msb_fs *fs, uint64_t handle, struct err *err)
{
	const struct msg_fs_request m = { .op = MSG_FS_CLOSE_HANDLE,
					  .handle = handle };
	struct msg_fs_response a;

	return fs_call(fs, &m, &a, err);
}

int fs_path_answer(struct msb_fs *fs, enum msg_fs_op op, const char *path,
		   char **ret, struct err *err)
{
	const struct msg_fs_request m = { .op = op, .path = view_cstr(path) };
	struct msg_fs_response a;
	int rc = fs_call(fs, &m, &a, err);

	if (rc)
		return rc;
	if (a.data != MSG_FS_DATA_PATH || !a.path.len ||
	    memchr(a.path.p, 0, a.path.len))
		return senseless(fs, err);
	*ret = strndup((const char *)a.path.p, a.path.len);
	return *ret ? 0 : api_no_memory(err);
}

/* One page: the number of its entries. */
static int list_page(struct msb_fs *fs, uint64_t handle, uint32_t limit,
		     fs_entry_fn fn, void *ctx, struct err *err)
{
	const struct msg_fs_request m = { .op = MSG_FS_READ_DIR,
					  .handle = handle,
					  .limit = { true, limit } };
	struct msg_fs_response a;
	struct msg_fs_info entry;
	int rc = fs_call(fs, &m, &a, err), n = 0;

	if (rc)
		return rc;
	if (a.data != MSG_FS_DATA_LIST || a.list_count > limit)
		return senseless(fs, err);
	while (!rc && msg_next_fs_info(&a.list, &entry) == 0) {
		char name[FS_NAME_MAX + 1];
		msb_fs_info_t info;

		rc = fs_name_take(entry.path, name, err);
		if (!rc)
			rc = fs_info_take(&entry, &info, err);
		if (rc)
			fs->broken = true;
		else
			rc = fn(ctx, name, &info, err);
		n++;
	}
	return rc ? rc : n;
}

int fs_list_dir(struct msb_fs *fs, const char *path, fs_entry_fn fn, void *ctx,
		struct err *err)
{
	uint64_t handle = 0;
	size_t total = 0;
	int rc, n;

	if (fs->volume)
		return volume_fs_list(fs->volume, path, fn, ctx, err);
	rc = fs_open_handle(fs, path, NULL, &handle, err);
	if (rc)
		return rc;
	do {
		n = list_page(fs, handle, PAGE_ENTRIES, fn, ctx, err);
		if (n > 0)
			total += (size_t)n;
		if (total > ENTRIES_MAX)
			n = err_set(err, ERR_FS, EFBIG,
				    "directory has more than %u entries",
				    ENTRIES_MAX);
	} while (n > 0);
	rc = fs->broken ? 0 : fs_close_handle(fs, handle, n ? NULL : err);
	return n ? n : rc;
}
