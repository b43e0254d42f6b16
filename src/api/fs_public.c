/* SPDX-License-Identifier: Apache-2.0 */
/* Files in a guest, of the public interface. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/exec_int.h"
#include "api/fs_int.h"

#define CHECK_WAIT_MS 10000u
#define READ_FILE_MAX (1ull << 31)

int guest_is_dir(const msb_t *m, const char *name, const char *path,
		 struct err *err)
{
	struct msb_fs fs;
	msb_fs_info_t info;
	int rc = fs_connect(m, name, &fs, err);

	if (rc)
		return rc;
	fs.wait_ms = CHECK_WAIT_MS;
	rc = fs_stat(&fs, path, true, &info, err);
	fs_disconnect(&fs);
	return rc ? rc : info.kind == MSB_FS_DIR;
}

static int done(const struct err *err, int rc, msb_error_t **e)
{
	return rc < 0 ? api_fail_err(err, rc, e) : rc;
}

int msb_sandbox_is_dir(msb_sandbox_t *s, const char *path,
		       msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = guest_is_dir(s->m, s->name, path, &err);

	if (rc == -ENOENT && err.kind == ERR_FS_NOT_FOUND)
		return 0;
	return done(&err, rc, ret_err);
}

/* ---- paths -------------------------------------------------------------- */

int msb_fs_stat(msb_fs_t *fs, const char *path, bool follow, msb_fs_info_t *ret,
		msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = fs_enter(fs, &err);

	if (!rc)
		rc = fs_leave(fs, fs_stat(fs, path, follow, ret, &err));
	return done(&err, rc, ret_err);
}

int msb_fs_exists(msb_fs_t *fs, const char *path, msb_error_t **ret_err)
{
	struct err err = { 0 };
	msb_fs_info_t info;
	int rc = fs_enter(fs, &err);

	if (!rc)
		rc = fs_leave(fs, fs_stat(fs, path, false, &info, &err));
	if ((err.kind == ERR_FS || err.kind == ERR_FS_NOT_FOUND) &&
	    (rc == -ENOENT || rc == -ENOTDIR))
		return 0;
	return done(&err, rc ? rc : 1, ret_err);
}

/* A request whose answer says no more than that it was done. */
static int plain(msb_fs_t *fs, const struct msg_fs_request *m,
		 msb_error_t **ret_err)
{
	struct msg_fs_response a;
	struct err err = { 0 };
	int rc = fs_enter(fs, &err);

	if (!rc)
		rc = fs_leave(fs, fs_call(fs, m, &a, &err));
	return done(&err, rc, ret_err);
}

int msb_fs_mkdir(msb_fs_t *fs, const char *path, int mode,
		 msb_error_t **ret_err)
{
	const struct msg_fs_request m = { .op = MSG_FS_MKDIR,
					  .path = view_cstr(path),
					  .mode = { mode >= 0,
						    (uint32_t)mode } };

	return plain(fs, &m, ret_err);
}

int msb_fs_remove(msb_fs_t *fs, const char *path, msb_error_t **ret_err)
{
	const struct msg_fs_request m = { .op = MSG_FS_REMOVE,
					  .path = view_cstr(path) };

	return plain(fs, &m, ret_err);
}

int msb_fs_remove_dir(msb_fs_t *fs, const char *path, bool recursive,
		      msb_error_t **ret_err)
{
	const struct msg_fs_request m = { .op = MSG_FS_REMOVE_DIR,
					  .path = view_cstr(path),
					  .recursive = recursive };

	return plain(fs, &m, ret_err);
}

static int two_paths(msb_fs_t *fs, enum msg_fs_op op, const char *path,
		     const char *target, msb_error_t **ret_err)
{
	const struct msg_fs_request m = { .op = op,
					  .path = view_cstr(path),
					  .target = view_cstr(target) };

	return plain(fs, &m, ret_err);
}

int msb_fs_copy(msb_fs_t *fs, const char *from, const char *to,
		msb_error_t **ret_err)
{
	return two_paths(fs, MSG_FS_COPY, from, to, ret_err);
}

int msb_fs_rename(msb_fs_t *fs, const char *from, const char *to,
		  msb_error_t **ret_err)
{
	return two_paths(fs, MSG_FS_RENAME, from, to, ret_err);
}

int msb_fs_symlink(msb_fs_t *fs, const char *target, const char *path,
		   msb_error_t **ret_err)
{
	return two_paths(fs, MSG_FS_SYMLINK, path, target, ret_err);
}

int msb_fs_read_link(msb_fs_t *fs, const char *path, char **ret,
		     msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = fs_enter(fs, &err);

	if (!rc)
		rc = fs_leave(fs, fs_path_answer(fs, MSG_FS_READ_LINK, path,
						 ret, &err));
	return done(&err, rc, ret_err);
}

int msb_fs_real_path(msb_fs_t *fs, const char *path, char **ret,
		     msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = fs_enter(fs, &err);

	if (!rc)
		rc = fs_leave(fs, fs_path_answer(fs, MSG_FS_REAL_PATH, path,
						 ret, &err));
	return done(&err, rc, ret_err);
}

static struct msg_fs_attrs attrs_of(const msb_fs_attrs_t *a)
{
	return (struct msg_fs_attrs){
		.mode = { a->set & MSB_FS_SET_MODE, a->mode },
		.uid = { a->set & MSB_FS_SET_UID, a->uid },
		.gid = { a->set & MSB_FS_SET_GID, a->gid },
		.size = { a->set & MSB_FS_SET_SIZE, a->size },
		.atime = { a->set & MSB_FS_SET_ATIME, a->atime_s },
		.mtime = { a->set & MSB_FS_SET_MTIME, a->mtime_s },
	};
}

int msb_fs_set_stat(msb_fs_t *fs, const char *path, bool follow,
		    const msb_fs_attrs_t *attrs, msb_error_t **ret_err)
{
	const struct msg_fs_request m = { .op = MSG_FS_SET_STAT,
					  .path = view_cstr(path),
					  .follow_symlink = follow,
					  .attrs = attrs_of(attrs) };

	return plain(fs, &m, ret_err);
}

struct entries {
	int (*fn)(void *ctx, const char *name, const msb_fs_info_t *info);
	void *ctx;
	bool stopped; /* by fn */
};

static int on_entry(void *ctx, const char *name, const msb_fs_info_t *info,
		    struct err *err)
{
	struct entries *e = ctx;

	e->stopped = e->fn(e->ctx, name, info);
	return e->stopped ? err_set(err, ERR_FS, ECANCELED, "stopped") : 0;
}

int msb_fs_list(msb_fs_t *fs, const char *path,
		int (*fn)(void *ctx, const char *name,
			  const msb_fs_info_t *info),
		void *ctx, msb_error_t **ret_err)
{
	struct entries e = { .fn = fn, .ctx = ctx };
	struct err err = { 0 };
	int rc = fs_enter(fs, &err);

	if (!rc)
		rc = fs_leave(fs, fs_list_dir(fs, path, on_entry, &e, &err));
	return e.stopped ? 0 : done(&err, rc, ret_err);
}

/* ---- open files --------------------------------------------------------- */

int msb_fs_open(msb_fs_t *fs, const char *path, unsigned flags, int mode,
		uint64_t *ret_handle, msb_error_t **ret_err)
{
	const struct msg_fs_open o = { .read = flags & MSB_FS_READ,
				       .write = flags & MSB_FS_WRITE,
				       .append = flags & MSB_FS_APPEND,
				       .create = flags & MSB_FS_CREATE,
				       .truncate = flags & MSB_FS_TRUNCATE,
				       .create_new = flags & MSB_FS_CREATE_NEW,
				       .mode = { mode >= 0, (uint32_t)mode } };
	struct err err = { 0 };
	int rc = fs_enter(fs, &err);

	if (rc)
		return done(&err, rc, ret_err);
	rc = fs_open_handle(fs, path, &o, ret_handle, &err);
	if (!rc)
		rc = fs_handle_out(fs, ret_handle, &err);
	return done(&err, fs_leave(fs, rc), ret_err);
}

int msb_fs_close(msb_fs_t *fs, uint64_t handle, msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = fs_enter_handle(fs, &handle, &err);

	if (!rc)
		rc = fs_leave(fs, fs_close_handle(fs, handle, &err));
	return done(&err, rc, ret_err);
}

int msb_fs_fstat(msb_fs_t *fs, uint64_t handle, msb_fs_info_t *ret,
		 msb_error_t **ret_err)
{
	struct msg_fs_request m = { .op = MSG_FS_FSTAT };
	struct msg_fs_response a;
	struct err err = { 0 };
	int rc = fs_enter_handle(fs, &handle, &err);

	if (rc)
		return done(&err, rc, ret_err);
	m.handle = handle;
	rc = fs_call(fs, &m, &a, &err);
	if (!rc && a.data != MSG_FS_DATA_STAT)
		rc = err_set(&err, ERR_PROTOCOL, EPROTO,
			     "the guest's answer makes no sense");
	if (!rc)
		rc = fs_info_take(&a.stat, ret, &err);
	return done(&err, fs_leave(fs, rc), ret_err);
}

int msb_fs_fset_stat(msb_fs_t *fs, uint64_t handle, const msb_fs_attrs_t *attrs,
		     msb_error_t **ret_err)
{
	struct msg_fs_request m = { .op = MSG_FS_FSET_STAT,
				    .attrs = attrs_of(attrs) };
	struct msg_fs_response a;
	struct err err = { 0 };
	int rc = fs_enter_handle(fs, &handle, &err);

	m.handle = handle;
	if (!rc)
		rc = fs_leave(fs, fs_call(fs, &m, &a, &err));
	return done(&err, rc, ret_err);
}

struct span {
	uint8_t *data;
	size_t len;
};

static int fill_span(void *ctx, const void *data, size_t len, struct err *err)
{
	struct span *s = ctx;

	(void)err; /* fs_get gives no more than was asked for */
	memcpy(s->data + s->len, data, len);
	s->len += len;
	return 0;
}

int64_t msb_fs_pread(msb_fs_t *fs, uint64_t handle, uint64_t offset, void *data,
		     size_t len, msb_error_t **ret_err)
{
	struct span s = { .data = data };
	struct err err = { 0 };
	int rc = fs_enter_handle(fs, &handle, &err);

	if (!rc)
		rc = fs_leave(fs, fs_get(fs, handle, offset, len, false,
					 fill_span, &s, &err));
	return rc ? done(&err, rc, ret_err) : (int64_t)s.len;
}

int msb_fs_pwrite(msb_fs_t *fs, uint64_t handle, uint64_t offset,
		  const void *data, size_t len, msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = fs_enter_handle(fs, &handle, &err);

	if (!rc)
		rc = fs_leave(fs,
			      fs_put_all(fs, handle, offset, data, len, &err));
	return done(&err, rc, ret_err);
}

/* ---- whole files -------------------------------------------------------- */

static int fill_buf(void *ctx, const void *data, size_t len, struct err *err)
{
	if (!buf_append(ctx, data, len))
		return 0;
	return err_set(err, ERR_FS, EFBIG,
		       "file is too large to be read whole");
}

/* With fs entered; b is empty, and of the largest size allowed. */
static int read_whole(msb_fs_t *fs, const char *path, struct buf *b,
		      struct err *err)
{
	const struct msg_fs_open o = { .read = true };
	uint64_t handle;
	int rc = fs_open_handle(fs, path, &o, &handle, err);

	return rc ? rc
		  : fs_get(fs, handle, 0, UINT64_MAX, true, fill_buf, b, err);
}

int msb_fs_read_file(msb_fs_t *fs, const char *path, size_t max, void **ret,
		     size_t *ret_len, msb_error_t **ret_err)
{
	struct err err = { 0 };
	struct buf b;
	int rc = fs_enter(fs, &err);

	if (rc)
		return done(&err, rc, ret_err);
	buf_init(&b, max && max < READ_FILE_MAX ? max + 1 : READ_FILE_MAX);
	rc = fs_leave(fs, read_whole(fs, path, &b, &err));
	if (!rc && max && buf_len(&b) > max) {
		rc = err_set(&err, ERR_FS, EFBIG,
			     "file is larger than %zu bytes", max);
	}
	if (!rc) {
		*ret_len = buf_len(&b);
		*ret = buf_take_str(&b);
		rc = *ret ? 0 : api_no_memory(&err);
	}
	buf_fini(&b);
	return done(&err, rc, ret_err);
}

/* With fs entered. */
static int write_whole(msb_fs_t *fs, const char *path,
		       const struct msg_fs_open *o, const void *data,
		       size_t len, struct err *err)
{
	uint64_t handle = 0;
	int rc = fs_open_handle(fs, path, o, &handle, err), closed;

	if (rc)
		return rc;
	rc = fs_put_all(fs, handle, 0, data, len, err);
	closed = fs->broken ? 0 : fs_close_handle(fs, handle, rc ? NULL : err);
	return rc ? rc : closed;
}

int msb_fs_write_file(msb_fs_t *fs, const char *path, const void *data,
		      size_t len, int mode, bool append, msb_error_t **ret_err)
{
	const struct msg_fs_open o = { .write = true,
				       .create = true,
				       .append = append,
				       .truncate = !append,
				       .mode = { mode >= 0, (uint32_t)mode } };
	struct err err = { 0 };
	int rc = fs_enter(fs, &err);

	if (!rc)
		rc = fs_leave(fs, write_whole(fs, path, &o, data, len, &err));
	return done(&err, rc, ret_err);
}
