/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on a volume's files, as requests to a guest's agent are. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/cancel.h"
#include "api/volume_fs_int.h"
#include "base/cleanup.h"

#define STALE_TRIES 4

static int failed(int rc, enum msg_fs_op op, struct err *err)
{
	if (rc == -ENOMEM)
		return api_no_memory(err);
	if (rc == -EXDEV && op != MSG_FS_RENAME)
		return err_set(err, ERR_FS, EXDEV,
			       "the path leads out of the volume");
	return err_sys(err, rc == -ENOENT ? ERR_FS_NOT_FOUND : ERR_FS, -rc,
		       "%s", msg_fs_op_name(op));
}

/* ---- attributes --------------------------------------------------------- */

static const char *kind_of(uint32_t mode)
{
	if (S_ISREG(mode))
		return "file";
	if (S_ISDIR(mode))
		return "dir";
	return S_ISLNK(mode) ? "symlink" : "other";
}

static void info_fill(const struct fuse_attr *a, struct msg_fs_info *ret)
{
	*ret = (struct msg_fs_info){
		.kind = view_cstr(kind_of(a->mode)),
		.size = a->size,
		.mode = a->mode,
		.uid = a->uid,
		.gid = a->gid,
		.atime = { true, (int64_t)a->atime },
		.mtime = { true, (int64_t)a->mtime },
	};
}

static int set_attrs(struct volume_fs *v, uint64_t node,
		     const struct fuse_attr *now, const uint64_t *fh,
		     const struct msg_fs_attrs *at)
{
	struct fuse_setattr_in a = { .fh = fh ? *fh : 0,
				     .valid = fh ? FATTR_FH : 0,
				     .mode = at->mode.v,
				     .uid = at->uid.v,
				     .gid = at->gid.v,
				     .size = at->size.v,
				     .atime = (uint64_t)at->atime.v,
				     .mtime = (uint64_t)at->mtime.v };

	if (S_ISLNK(now->mode) && (at->mode.set || at->size.set))
		return -EOPNOTSUPP;
	if (at->size.set && !S_ISREG(now->mode))
		return S_ISDIR(now->mode) ? -EISDIR : -EINVAL;
	a.valid |= (at->mode.set ? FATTR_MODE : 0) |
		   (at->uid.set ? FATTR_UID : 0) |
		   (at->gid.set ? FATTR_GID : 0) |
		   (at->size.set ? FATTR_SIZE : 0) |
		   (at->atime.set ? FATTR_ATIME : 0) |
		   (at->mtime.set ? FATTR_MTIME : 0);
	return vol_setattr(v, node, &a);
}

static int set_path_attrs(struct volume_fs *v, const char *path, bool follow,
			  const struct msg_fs_attrs *at)
{
	struct fuse_attr now = { 0 };
	struct vol_walk w;
	int rc = vol_walk(v, path, follow ? WALK_FOLLOW : 0, &w);

	if (!rc)
		rc = vol_walk_attr(v, &w, &now);
	if (!rc)
		rc = set_attrs(v, vol_walk_node(&w), &now, NULL, at);
	vol_walk_fini(&w);
	return rc;
}

static int stat_path(struct volume_fs *v, const char *path, bool follow,
		     struct msg_fs_response *ret)
{
	struct fuse_attr a = { 0 };
	struct vol_walk w;
	int rc = vol_walk(v, path, follow ? WALK_FOLLOW : 0, &w);

	if (!rc)
		rc = vol_walk_attr(v, &w, &a);
	vol_walk_fini(&w);
	info_fill(&a, &ret->stat);
	ret->data = MSG_FS_DATA_STAT;
	return rc;
}

/* ---- names -------------------------------------------------------------- */

static int give_text(struct volume_fs *v, char *text,
		     struct msg_fs_response *ret)
{
	free(v->text);
	v->text = text;
	ret->data = MSG_FS_DATA_PATH;
	ret->path = view_cstr(text);
	return text ? 0 : -ENOMEM;
}

static int real_path(struct volume_fs *v, const char *path,
		     struct msg_fs_response *ret)
{
	struct vol_walk w;
	struct buf b;
	int rc = vol_walk(v, path, WALK_FOLLOW | WALK_NEW, &w);

	buf_init(&b, VOL_LINKS_MAX * PATH_MAX);
	for (size_t i = 0; !rc && i < w.n; i++)
		(void)buf_printf(&b, "/%s", w.parts[i].name);
	if (!rc && !w.n)
		(void)buf_str(&b, "/");
	if (!rc)
		rc = give_text(v, buf_take_str(&b), ret);
	buf_fini(&b);
	vol_walk_fini(&w);
	return rc;
}

static int read_link(struct volume_fs *v, const char *path,
		     struct msg_fs_response *ret)
{
	char target[PATH_MAX] = "";
	struct fuse_attr a;
	struct vol_walk w;
	int rc = vol_walk(v, path, 0, &w);

	if (!rc)
		rc = vol_walk_attr(v, &w, &a);
	if (!rc && !S_ISLNK(a.mode))
		rc = -EINVAL;
	if (!rc)
		rc = vol_readlink(v, vol_walk_node(&w), target);
	vol_walk_fini(&w);
	return rc < 0 ? rc : give_text(v, strdup(target), ret);
}

static int make_dir(struct volume_fs *v, const char *path,
		    const struct opt_u32 *mode)
{
	const struct msg_fs_attrs at = { .mode = { true, mode->v & 07777 } };
	struct fuse_attr a = { 0 };
	struct vol_walk w;
	int rc = vol_walk(v, path, WALK_FOLLOW | WALK_MAKE, &w);

	if (!rc)
		rc = vol_walk_attr(v, &w, &a);
	if (!rc && !S_ISDIR(a.mode))
		rc = -EEXIST;
	if (!rc && mode->set)
		rc = set_attrs(v, vol_walk_node(&w), &a, NULL, &at);
	vol_walk_fini(&w);
	return rc;
}

/* A name that can be made, moved or removed. */
static int walk_name(struct volume_fs *v, const char *path, unsigned flags,
		     struct vol_walk *w)
{
	int rc = vol_walk(v, path, flags, w);

	if (!rc && !w->n)
		return -EBUSY; /* the volume itself */
	return !rc && w->dots ? -EINVAL : rc;
}

static int make_link(struct volume_fs *v, const char *path, const char *target)
{
	struct vol_walk w;
	int rc = walk_name(v, path, WALK_NEW, &w);

	if (!rc && vol_walk_node(&w))
		rc = -EEXIST;
	else if (!rc && w.slash)
		rc = -ENOENT;
	if (!rc)
		rc = vol_symlink(v, vol_walk_dir(&w), vol_walk_name(&w),
				 target);
	vol_walk_fini(&w);
	return rc;
}

static int rename_path(struct volume_fs *v, const char *from, const char *to)
{
	struct vol_walk a, b = { 0 };
	int rc = walk_name(v, from, 0, &a);

	if (!rc)
		rc = walk_name(v, to, WALK_NEW, &b);
	if (!rc && b.slash && !S_ISDIR(a.parts[a.n - 1].attr.mode))
		rc = -ENOTDIR;
	if (!rc)
		rc = vol_rename(v, vol_walk_dir(&a), vol_walk_name(&a),
				vol_walk_dir(&b), vol_walk_name(&b));
	vol_walk_fini(&a);
	vol_walk_fini(&b);
	return rc;
}

/* ---- removing ----------------------------------------------------------- */

static int remove_file(struct volume_fs *v, const char *path)
{
	struct vol_walk w;
	int rc = walk_name(v, path, 0, &w);

	if (!rc)
		rc = vol_unlink(v, vol_walk_dir(&w), vol_walk_name(&w), false);
	vol_walk_fini(&w);
	return rc;
}

static int remove_dir(struct volume_fs *v, const char *path, bool recursive)
{
	struct vol_walk w;
	int rc = walk_name(v, path, 0, &w);

	if (!rc && !S_ISDIR(w.parts[w.n - 1].attr.mode))
		rc = -ENOTDIR;
	if (!rc && recursive)
		rc = vol_empty_dir(v, vol_walk_node(&w));
	if (!rc)
		rc = vol_unlink(v, vol_walk_dir(&w), vol_walk_name(&w), true);
	vol_walk_fini(&w);
	return rc;
}

/* ---- open files --------------------------------------------------------- */

static struct vol_file *file_find(struct volume_fs *v, uint64_t handle)
{
	for (size_t i = 0; i < v->nfiles; i++)
		if (v->files[i].handle == handle)
			return &v->files[i];
	return NULL;
}

/* As the agent takes them; -EINVAL. */
static int open_flags(const struct msg_fs_open *o)
{
	bool write = o->write || o->append;

	if (!o->read && !write)
		return -EINVAL;
	if (!write && (o->create || o->truncate || o->create_new))
		return -EINVAL;
	if (o->append && o->truncate && !o->create_new)
		return -EINVAL;
	return (!write	  ? O_RDONLY
		: o->read ? O_RDWR
			  : O_WRONLY) |
	       (o->truncate && !o->create_new ? O_TRUNC : 0);
}

/* Open, or make, the file a path leads to; its node is held. */
static int open_walked(struct volume_fs *v, const struct vol_walk *w,
		       const struct msg_fs_open *o, int flags,
		       struct vol_file *f)
{
	uint32_t mode = o->mode.set ? o->mode.v & 07777 : 0666;
	struct fuse_attr a;
	int rc;

	f->node = vol_walk_node(w);
	if (!f->node && !o->create && !o->create_new)
		return -ENOENT;
	if (!f->node)
		return w->slash ? -EISDIR
				: vol_create(v, vol_walk_dir(w),
					     vol_walk_name(w),
					     (uint32_t)flags | O_EXCL, mode,
					     &f->node, &f->fh);
	if (o->create_new)
		return -EEXIST;
	rc = vol_walk_attr(v, w, &a);
	if (rc)
		return rc;
	if (!S_ISREG(a.mode))
		return S_ISDIR(a.mode) ? -EISDIR : -ENXIO;
	return vol_open(v, f->node, (uint32_t)flags, &f->fh);
}

static int file_open(struct volume_fs *v, const char *path,
		     const struct msg_fs_open *o, struct vol_file *f)
{
	int flags = open_flags(o);
	struct vol_walk w;
	int rc;

	if (flags < 0)
		return flags;
	*f = (struct vol_file){ .append = o->append };
	rc = vol_walk(v, path,
		      o->create_new ? WALK_NEW : WALK_FOLLOW | WALK_NEW, &w);
	if (!rc)
		rc = open_walked(v, &w, o, flags, f);
	vol_walk_fini(&w);
	return rc;
}

static int open_file(struct volume_fs *v, const char *path,
		     const struct msg_fs_open *o, struct msg_fs_response *ret)
{
	struct vol_file *more, f;
	int rc;

	if (v->nfiles == VOL_FILES_MAX)
		return -EMFILE;
	more = reallocarray(v->files, v->nfiles + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	v->files = more;
	rc = file_open(v, path, o, &f);
	if (rc)
		return rc;
	vol_keep(v, f.node);
	f.handle = ++v->next_handle;
	v->files[v->nfiles++] = f;
	ret->data = MSG_FS_DATA_HANDLE;
	ret->handle = f.handle;
	return 0;
}

static void file_close(struct volume_fs *v, struct vol_file *f)
{
	vol_close(v, f->fh);
	vol_forget(v, f->node);
	*f = v->files[--v->nfiles];
}

static int handle_op(struct volume_fs *v, const struct msg_fs_request *m,
		     struct msg_fs_response *ret)
{
	struct vol_file *f = file_find(v, m->handle);
	struct fuse_attr a = { 0 };
	int rc;

	if (!f)
		return -EBADF;
	if (m->op == MSG_FS_CLOSE_HANDLE) {
		file_close(v, f);
		return 0;
	}
	rc = vol_getattr(v, f->node, &f->fh, &a);
	if (rc)
		return rc;
	if (m->op == MSG_FS_FSET_STAT)
		return set_attrs(v, f->node, &a, &f->fh, &m->attrs);
	info_fill(&a, &ret->stat);
	ret->data = MSG_FS_DATA_STAT;
	return 0;
}

static int copy_data(struct volume_fs *v, const struct vol_file *from,
		     const struct vol_file *to)
{
	autofree uint8_t *data = malloc(VOL_IO);
	uint64_t off = 0;
	int rc = data ? 0 : -ENOMEM;

	while (!rc) {
		ssize_t n =
			vol_read(v, from->node, from->fh, off, data, VOL_IO);

		if (n <= 0)
			return (int)n;
		rc = vol_write(v, to, off, data, (size_t)n);
		off += (uint64_t)n;
		if (!rc)
			rc = cancel_check();
	}
	return rc;
}

/* One file: contents and mode. */
static int copy_file(struct volume_fs *v, const char *from, const char *to)
{
	const struct msg_fs_open in = { .read = true };
	struct msg_fs_open out = { .write = true, .create = true };
	const struct msg_fs_attrs empty = { .size = { true, 0 } };
	struct vol_file a, b = { 0 };
	struct fuse_attr attr;
	int rc = file_open(v, from, &in, &a);

	if (rc)
		return rc;
	rc = vol_getattr(v, a.node, &a.fh, &attr);
	if (!rc) {
		out.mode = (struct opt_u32){ true, attr.mode & 0777 };
		rc = file_open(v, to, &out, &b);
	}
	if (!rc) {
		/* not before it is known to be another one */
		rc = a.node == b.node
			     ? -EINVAL
			     : set_attrs(v, b.node, &attr, &b.fh, &empty);
		if (!rc)
			rc = copy_data(v, &a, &b);
		vol_close(v, b.fh);
	}
	vol_close(v, a.fh);
	return rc;
}

/* ---- requests ----------------------------------------------------------- */

static int run(struct volume_fs *v, const struct msg_fs_request *m,
	       const char *path, const char *target,
	       struct msg_fs_response *ret)
{
	switch ((int)m->op) {
	case MSG_FS_REAL_PATH:
		return real_path(v, path, ret);
	case MSG_FS_STAT:
		return stat_path(v, path, m->follow_symlink, ret);
	case MSG_FS_SET_STAT:
		return set_path_attrs(v, path, m->follow_symlink, &m->attrs);
	case MSG_FS_READ_LINK:
		return read_link(v, path, ret);
	case MSG_FS_SYMLINK:
		return make_link(v, path, target);
	case MSG_FS_MKDIR:
		return make_dir(v, path, &m->mode);
	case MSG_FS_REMOVE:
		return remove_file(v, path);
	case MSG_FS_REMOVE_DIR:
		return remove_dir(v, path, m->recursive);
	case MSG_FS_COPY:
		return copy_file(v, path, target);
	case MSG_FS_RENAME:
		return rename_path(v, path, target);
	case MSG_FS_OPEN_FILE:
		return open_file(v, path, &m->options, ret);
	case MSG_FS_CLOSE_HANDLE:
	case MSG_FS_FSTAT:
	case MSG_FS_FSET_STAT:
		return handle_op(v, m, ret);
	default:
		return -EOPNOTSUPP;
	}
}

int volume_fs_call(struct volume_fs *v, const struct msg_fs_request *m,
		   struct msg_fs_response *ret, struct err *err)
{
	autofree char *path = m->path.p ? view_dup(m->path) : strdup("");
	autofree char *target = m->target.p ? view_dup(m->target) : strdup("");
	int rc = path && target ? -ESTALE : -ENOMEM;

	/* stale is what changed between its lookup and its use */
	for (int i = 0; rc == -ESTALE && i < STALE_TRIES; i++) {
		*ret = (struct msg_fs_response){ .ok = true };
		rc = run(v, m, path, target, ret);
		vol_release_nodes(v);
	}
	return rc ? failed(rc, m->op, err) : 0;
}

struct listing {
	fs_entry_fn fn;
	void *ctx;
	struct err *err;
	bool told; /* err is filled */
};

static int on_entry(void *ctx, const char *name, const struct fuse_attr *attr)
{
	static const struct fuse_attr unknown;
	struct listing *l = ctx;
	struct msg_fs_info info;
	msb_fs_info_t shown;
	int rc;

	info_fill(attr ? attr : &unknown, &info);
	rc = fs_info_take(&info, &shown, l->err);
	if (!rc)
		rc = l->fn(l->ctx, name, &shown, l->err);
	l->told = rc != 0;
	return rc;
}

int volume_fs_list(struct volume_fs *v, const char *path, fs_entry_fn fn,
		   void *ctx, struct err *err)
{
	struct listing l = { .fn = fn, .ctx = ctx, .err = err };
	struct vol_walk w;
	int rc = vol_walk(v, path, WALK_FOLLOW, &w);

	if (!rc)
		rc = vol_readdir(v, vol_walk_node(&w), on_entry, &l);
	vol_walk_fini(&w);
	vol_release_nodes(v);
	return rc && !l.told ? failed(rc, MSG_FS_LIST, err) : rc;
}

int volume_fs_get(struct volume_fs *v, uint64_t handle, uint64_t offset,
		  uint64_t len, bool close, fs_sink_fn sink, void *ctx,
		  struct err *err)
{
	struct vol_file *f = file_find(v, handle);
	ssize_t n = f ? 1 : -EBADF;
	int rc = 0;

	while (f && !rc && len && n > 0) {
		rc = cancel_check();
		if (rc)
			break;
		n = vol_read(v, f->node, f->fh, offset, v->out,
			     len < VOL_REPLY ? (size_t)len : VOL_REPLY);
		if (n > 0) {
			rc = sink(ctx, v->out, (size_t)n, err);
			offset += (uint64_t)n;
			len -= (uint64_t)n;
		}
	}
	if (f && close)
		file_close(v, f);
	vol_release_nodes(v);
	return n < 0 ? failed((int)n, MSG_FS_READ, err) : rc;
}

int volume_fs_put(struct volume_fs *v, uint64_t handle, uint64_t offset,
		  const void *data, size_t len, struct err *err)
{
	const struct vol_file *f = file_find(v, handle);
	int rc = f ? vol_write(v, f, offset, data, len) : -EBADF;

	vol_release_nodes(v);
	return rc ? failed(rc, MSG_FS_WRITE, err) : 0;
}

/* ---- birth and death ---------------------------------------------------- */

int volume_fs_open(const char *path, uint64_t quota_mib, struct volume_fs **ret,
		   struct err *err)
{
	autoclose int dirfd =
		open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct fs_config c = { .dir_fd = dirfd,
			       .cache = FS_CACHE_NEVER,
			       .strict_or_relaxed = true,
			       .quota_bytes = quota_mib << 20,
			       .quota_whole = true };
	struct volume_fs *v;
	int rc;

	if (dirfd < 0)
		return errno == ENOENT ? err_set(err, ERR_VOLUME_NOT_FOUND,
						 ENOENT, "%.300s", path)
				       : path_err(err, errno, "open", path);
	v = calloc(1, sizeof(*v));
	if (!v)
		return api_no_memory(err);
	v->out = malloc(VOL_REPLY);
	rc = v->out ? fs_server_new(&c, &v->s, err) : api_no_memory(err);
	if (!rc && vol_init(v))
		rc = api_no_memory(err);
	if (rc) {
		volume_fs_close(v);
		return rc;
	}
	*ret = v;
	return 0;
}

void volume_fs_close(struct volume_fs *v)
{
	if (!v)
		return;
	if (v->s) {
		while (v->nfiles)
			file_close(v, &v->files[0]);
		vol_release_nodes(v);
	}
	(void)fs_server_free(v->s);
	free(v->held);
	free(v->files);
	free(v->text);
	free(v->out);
	free(v);
}
