/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that make files. On the host a new file is always a directory, a
 * regular file or (without strict virtualisation) a symbolic link, owned by
 * the exporting user; what the guest asked for goes to the override. A file
 * whose override cannot be written is removed again.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "fs/ops.h"

/* Owner and mode of a new file, with set-gid directories inherited. */
static int new_attr(struct fs_server *s, const struct fs_req *r, uint32_t mode,
		    uint32_t rdev, struct fs_stat *ret)
{
	struct fs_stat dir;
	int rc = fs_stat_owner(s, r->inode, &dir);

	if (rc)
		return rc;
	*ret = (struct fs_stat){
		.uid = r->h.uid, .gid = r->h.gid, .mode = mode, .rdev = rdev
	};
	if (dir.mode & S_ISGID) {
		ret->gid = dir.gid;
		if (S_ISDIR(mode))
			ret->mode |= S_ISGID;
	}
	return 0;
}

/*
 * Finish the file behind fd (O_PATH or real): attributes as wanted, then an
 * inode named r->name, or nameless with *path as its descriptor, and the entry
 * for the reply. fd is left open.
 */
static int finish(struct fs_server *s, const struct fs_req *r, int fd,
		  int *path, struct fs_stat *want, struct fuse_entry_out *e,
		  struct fs_inode **ret)
{
	struct fs_key key;
	int rc = 0;

	/* As it was made, or nearly: an inherited ACL may have taken more. */
	want->host.stx_mode =
		S_ISDIR(want->mode) ? S_IFDIR | 0700 : S_IFREG | 0600;
	if (s->virt == FS_STAT_OFF || s->perms == FS_PERMS_MIRROR)
		rc = fs_statx(fd, "", &want->host);
	if (!rc)
		rc = fs_stat_apply(s, fd, NULL, want, true);
	if (!rc)
		rc = fs_statx(fd, "", &want->host);
	if (rc)
		return rc;
	fs_stat_show(s, want);
	fs_key_of(s, &want->host, &key);
	rc = fs_inode_get(s, &key, r->name ? r->inode : NULL, r->name, path,
			  ret);
	if (rc)
		return rc;
	fs_stat_keep(s, *ret, want);
	fs_entry_fill(s, *ret, want, e);
	return 0;
}

/* An exclusively new regular file; its descriptor. */
static int make_file(struct fs_server *s, int dirfd, const char *name,
		     int flags)
{
	struct fs_widen w = { 0 };
	struct statx st;
	int fd = fs_quota_inode(s);

	if (fd) /* what exists needs no room */
		return fs_statx(dirfd, name, &st) ? fd : -EEXIST;
	do
		fd = openat(dirfd, name,
			    flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY |
				    O_CLOEXEC,
			    0600);
	while (fd < 0 && errno == EACCES && fs_widen(s, &w, dirfd));
	if (fd < 0)
		fd = -errno;
	fs_unwiden(&w);
	return fd;
}

static int host_flags(uint32_t g_flags)
{
	return (int)g_flags & (O_ACCMODE | O_SYNC | O_DSYNC);
}

static ssize_t create_reply(struct fs_server *s, struct fs_inode *in, int *fd,
			    uint32_t flags, const struct fuse_entry_out *e)
{
	struct fuse_open_out o;
	int rc = fs_open_reply(s, in, fd, flags, NULL, &o);

	if (rc) {
		fs_inode_forget(s, in, 1);
		return rc;
	}
	memcpy(s->out, e, sizeof(*e));
	memcpy(s->out + sizeof(*e), &o, sizeof(o));
	return (ssize_t)(sizeof(*e) + sizeof(o));
}

/* Open what in turned out to be, a file the guest did not know of. */
static int open_existing(struct fs_server *s, struct fs_inode *in,
			 const struct fuse_create_in *a,
			 struct fuse_entry_out *e, int *ret_fd)
{
	int path_fd = fs_inode_fd(s, in);
	autoclose int fd = -1;
	struct fs_stat st;
	uint64_t old = 0;
	int rc;

	if (path_fd < 0)
		return path_fd;
	if (!S_ISREG(in->key.type) || !S_ISREG(e->attr.mode))
		return -ESTALE; /* the guest looks again, and sees what it is */
	rc = a->flags & O_TRUNC ? fs_quota_resize(s, path_fd, 0, &old) : 0;
	if (rc)
		return rc;
	fd = fs_reopen(s, path_fd,
		       host_flags(a->flags) | (int)(a->flags & O_TRUNC));
	if (fd < 0)
		return fd;
	fs_quota_add(s, -(int64_t)old, 0);
	if (a->flags & O_TRUNC) {
		rc = a->open_flags & FUSE_OPEN_KILL_SUIDGID
			     ? fs_kill_priv(s, fd, in)
			     : 0;
		if (!rc)
			rc = fs_stat_fd(s, fd, in, &st);
		if (rc)
			return rc;
		fs_entry_fill(s, in, &st, e);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

/* The name turned out to exist: open it, and leave what it is alone. */
static ssize_t create_existing(struct fs_server *s, struct fs_req *r,
			       const struct fuse_create_in *a)
{
	struct fuse_entry_out e;
	autoclose int fd = -1;
	struct fs_inode *in;
	int rc = fs_lookup(s, r->inode, r->name, &e);

	if (rc)
		return rc;
	in = fs_inode_by_id(s, e.nodeid);
	rc = open_existing(s, in, a, &e, &fd);
	if (rc) {
		fs_inode_forget(s, in, 1);
		return rc;
	}
	return create_reply(s, in, &fd, a->flags, &e);
}

ssize_t fs_op_create(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_create_in *a = r->arg;
	int dirfd = fs_inode_fd(s, r->inode);
	struct fuse_entry_out e;
	autoclose int fd = -1;
	struct fs_stat want;
	struct fs_inode *in;
	int none = -1;
	ssize_t rc;

	if (dirfd < 0)
		return dirfd;
	if ((a->flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	rc = new_attr(s, r, S_IFREG | (a->mode & ~a->umask & 07777), 0, &want);
	if (rc)
		return rc;
	fd = make_file(s, dirfd, r->name, host_flags(a->flags));
	if (fd == -EEXIST && !(a->flags & O_EXCL))
		return create_existing(s, r, a);
	if (fd < 0)
		return fd;
	rc = finish(s, r, fd, &none, &want, &e, &in);
	if (!rc)
		rc = create_reply(s, in, &fd, a->flags, &e);
	if (rc < 0)
		(void)unlinkat(dirfd, r->name, 0); /* the first error counts */
	else
		fs_quota_add(s, 0, 1);
	return rc;
}

ssize_t fs_op_tmpfile(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_create_in *a = r->arg;
	int dirfd = fs_inode_fd(s, r->inode);
	struct fs_widen w = { 0 };
	struct fuse_entry_out e;
	autoclose int fd = -1;
	autoclose int path = -1;
	struct fs_stat want;
	struct fs_inode *in;
	ssize_t rc;

	if (dirfd < 0)
		return dirfd;
	if ((a->flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if (!S_ISDIR(r->inode->key.type))
		return -ENOTDIR;
	rc = new_attr(s, r, S_IFREG | (a->mode & ~a->umask & 07777), 0, &want);
	if (!rc)
		rc = fs_quota_inode(s);
	if (rc)
		return rc;
	do
		fd = open(fs_proc(dirfd).path,
			  host_flags(a->flags) | O_TMPFILE | O_CLOEXEC, 0600);
	while (fd < 0 && errno == EACCES && fs_widen(s, &w, dirfd));
	rc = fd < 0 ? -errno : 0;
	fs_unwiden(&w);
	if (!rc && (path = fs_reopen(s, fd, O_PATH)) < 0)
		rc = path;
	if (!rc)
		rc = finish(s, r, fd, &path, &want, &e, &in);
	if (rc)
		return rc;
	fs_quota_add(s, 0, 1); /* taken back when it is closed nameless */
	return create_reply(s, in, &fd, a->flags, &e);
}

static ssize_t entry_reply(struct fs_server *s, struct fs_req *r, int dirfd,
			   int fd, int *path, struct fs_stat *want)
{
	struct fuse_entry_out e;
	struct fs_inode *in;
	int rc = finish(s, r, fd, path, want, &e, &in);

	if (!rc) {
		fs_quota_add(s, 0, 1);
		return fs_reply(s, &e, sizeof(e));
	}
	/* the first error counts */
	(void)unlinkat(dirfd, r->name, S_ISDIR(want->mode) ? AT_REMOVEDIR : 0);
	return rc;
}

ssize_t fs_op_mkdir(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_mkdir_in *a = r->arg;
	int dirfd = fs_inode_fd(s, r->inode);
	struct fs_widen w = { 0 };
	autoclose int fd = -1;
	struct fs_stat want;
	int rc;

	if (dirfd < 0)
		return dirfd;
	rc = new_attr(s, r, S_IFDIR | (a->mode & ~a->umask & 07777), 0, &want);
	if (!rc)
		rc = fs_quota_inode(s);
	if (rc)
		return rc;
	do
		rc = mkdirat(dirfd, r->name, 0700) < 0 ? -errno : 0;
	while (rc == -EACCES && fs_widen(s, &w, dirfd));
	fs_unwiden(&w);
	if (rc)
		return rc;
	/* ours and new, so it can be opened in earnest: see read_xattr() */
	fd = openat(dirfd, r->name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		(void)unlinkat(dirfd, r->name, AT_REMOVEDIR);
		return rc;
	}
	return entry_reply(s, r, dirfd, fd, &fd, &want);
}

ssize_t fs_op_mknod(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_mknod_in *a = r->arg;
	uint32_t type = a->mode & S_IFMT ? a->mode & S_IFMT : S_IFREG;
	int dirfd = fs_inode_fd(s, r->inode);
	autoclose int fd = -1;
	struct fs_stat want;
	int none = -1;
	int rc;

	if (dirfd < 0)
		return dirfd;
	switch (type) {
	case S_IFREG:
		break;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		if (s->virt == FS_STAT_OFF)
			return -EOPNOTSUPP;
		break;
	default:
		return -EINVAL;
	}
	rc = new_attr(s, r, type | (a->mode & ~a->umask & 07777),
		      type == S_IFCHR || type == S_IFBLK ? a->rdev : 0, &want);
	if (rc)
		return rc;
	fd = make_file(s, dirfd, r->name, O_WRONLY);
	if (fd < 0)
		return fd;
	return entry_reply(s, r, dirfd, fd, &none, &want);
}

static int host_symlink(const struct fs_server *s, int dirfd, const char *name,
			const char *target)
{
	struct fs_widen w = { 0 };
	int rc;

	do
		rc = symlinkat(target, dirfd, name) < 0 ? -errno : 0;
	while (rc == -EACCES && fs_widen(s, &w, dirfd));
	fs_unwiden(&w);
	return rc;
}

ssize_t fs_op_symlink(struct fs_server *s, struct fs_req *r)
{
	int dirfd = fs_inode_fd(s, r->inode);
	const char *target = (const char *)r->rest;
	size_t len = strnlen(target, r->rest_len);
	struct fuse_entry_out e;
	autoclose int fd = -1;
	struct fs_stat want;
	int none = -1;
	ssize_t n;
	int rc;

	if (dirfd < 0)
		return dirfd;
	if (!len || len == r->rest_len)
		return len ? -EINVAL : -ENOENT;
	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	if (s->virt != FS_STAT_STRICT) {
		rc = fs_quota_inode(s);
		if (!rc)
			rc = host_symlink(s, dirfd, r->name, target);
		if (rc)
			return rc;
		rc = fs_lookup(s, r->inode, r->name, &e);
		if (!rc) {
			fs_quota_add(s, 0, 1);
			return fs_reply(s, &e, sizeof(e));
		}
		(void)unlinkat(dirfd, r->name, 0); /* the first error counts */
		return rc;
	}
	rc = new_attr(s, r, S_IFLNK | 0777, 0, &want);
	if (rc)
		return rc;
	if (fs_quota_room(s, len) < len)
		return -ENOSPC;
	fd = make_file(s, dirfd, r->name, O_WRONLY);
	if (fd < 0)
		return fd;
	rc = io_write_full(fd, target, len);
	if (rc) {
		(void)unlinkat(dirfd, r->name, 0); /* the first error counts */
		return rc;
	}
	n = entry_reply(s, r, dirfd, fd, &none, &want);
	if (n > 0)
		fs_quota_add(s, (int64_t)len, 0);
	return n;
}
