/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on attributes: getattr, setattr, statx, access, statfs, readlink.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "fs/ops.h"

/* From later versions of <linux/fuse.h>. */
struct fs_statx_in {
	uint32_t getattr_flags, reserved;
	uint64_t fh;
	uint32_t sx_flags, sx_mask;
};

struct fs_sx_time {
	int64_t sec;
	uint32_t nsec;
	int32_t reserved;
};

struct fs_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec, flags;
	uint64_t spare[2];
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, spare0;
	uint64_t ino, size, blocks, attributes_mask;
	struct fs_sx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t spare2[14];
};

static_assert(sizeof(struct fs_statx_in) == 24, "wire format");
static_assert(sizeof(struct fs_statx_out) == 288, "wire format");

/* Of an open handle, which may have no name any more, else of the inode. */
static int stat_of(struct fs_server *s, struct fs_req *r, uint32_t flags,
		   uint64_t fh, struct fs_stat *st)
{
	const struct fs_handle *h = NULL;

	if (flags & FUSE_GETATTR_FH)
		h = fs_handle_get(s, fh, r->inode, false);
	if (h)
		return fs_stat_fd(s, h->fd, r->inode, st);
	return fs_stat_inode(s, r->inode, st);
}

static ssize_t attr_reply(struct fs_server *s, const struct fs_req *r,
			  const struct fs_stat *st)
{
	struct fuse_attr_out o = { 0 };
	uint32_t ms = fs_attr_fill(s, r->inode, st, &o.attr);

	fs_valid(ms, &o.attr_valid, &o.attr_valid_nsec);
	return fs_reply(s, &o, sizeof(o));
}

ssize_t fs_op_getattr(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_getattr_in *a = r->arg;
	struct fs_stat st;
	int rc = stat_of(s, r, a->getattr_flags, a->fh, &st);

	return rc ? rc : attr_reply(s, r, &st);
}

static void sx_time(const struct statx_timestamp *t, struct fs_sx_time *ret)
{
	*ret = (struct fs_sx_time){ .sec = t->tv_sec, .nsec = t->tv_nsec };
}

ssize_t fs_op_statx(struct fs_server *s, struct fs_req *r)
{
	const struct fs_statx_in *a = r->arg;
	struct fs_statx_out o = { 0 };
	struct fuse_attr attr;
	struct fs_stat st;
	uint32_t ms;
	int rc = stat_of(s, r, a->getattr_flags, a->fh, &st);

	if (rc)
		return rc;
	ms = fs_attr_fill(s, r->inode, &st, &attr);
	fs_valid(ms, &o.attr_valid, &o.attr_valid_nsec);
	o.mask = STATX_BASIC_STATS | (st.host.stx_mask & STATX_BTIME);
	o.blksize = attr.blksize;
	o.nlink = attr.nlink;
	o.uid = attr.uid;
	o.gid = attr.gid;
	o.mode = (uint16_t)attr.mode;
	o.ino = attr.ino;
	o.size = attr.size;
	o.blocks = attr.blocks;
	sx_time(&st.host.stx_atime, &o.atime);
	sx_time(&st.host.stx_btime, &o.btime);
	sx_time(&st.host.stx_ctime, &o.ctime);
	sx_time(&st.host.stx_mtime, &o.mtime);
	o.rdev_major = attr.rdev >> 8 & 0xfff;
	o.rdev_minor = (attr.rdev & 0xff) | (attr.rdev >> 12 & 0xfff00);
	return fs_reply(s, &o, sizeof(o));
}

/* Owner and mode; the base is what the guest sees now. */
static int set_owner_mode(struct fs_server *s, struct fs_inode *in, int fd,
			  const struct fuse_setattr_in *a)
{
	bool kill = (a->valid & FATTR_SIZE && a->valid & FATTR_KILL_SUIDGID);
	bool owner = a->valid & (FATTR_UID | FATTR_GID);
	struct fs_stat st, old;
	bool moved;
	int rc;

	if (!kill && !owner && !(a->valid & FATTR_MODE))
		return 0;
	rc = s->virt == FS_STAT_OFF ? fs_stat_fd(s, fd, in, &st)
				    : fs_stat_owner(s, in, &st);
	if (rc)
		return rc;
	old = st;
	if (a->valid & FATTR_UID)
		st.uid = a->uid;
	if (a->valid & FATTR_GID)
		st.gid = a->gid;
	moved = st.uid != old.uid || st.gid != old.gid;
	if (S_ISLNK(st.host.stx_mode)) { /* nowhere to keep a change */
		if (a->valid & FATTR_MODE)
			return -EOPNOTSUPP;
		return moved ? -EPERM : 0;
	}
	if ((kill || owner) && !S_ISDIR(st.mode))
		st.mode = fs_kill_suidgid(st.mode);
	if (a->valid & FATTR_MODE)
		st.mode = (st.mode & S_IFMT) | (a->mode & 07777);
	if (s->virt == FS_STAT_OFF) {
		if (moved)
			return -EPERM;
		if (!(a->valid & FATTR_MODE) && st.mode != old.mode)
			return fs_chmod(fd, st.mode & 07777);
	} else if (kill && !owner && !(a->valid & FATTR_MODE) &&
		   st.mode == old.mode) {
		return 0; /* a plain truncation makes no override */
	}
	return fs_stat_apply(s, fd, in, &st,
			     a->valid & FATTR_MODE || st.mode != old.mode);
}

static int set_size(struct fs_server *s, struct fs_req *r, int fd,
		    const struct fuse_setattr_in *a)
{
	const struct fs_handle *h = NULL;
	autoclose int own = -1;
	uint64_t old;
	int rc;

	if (a->size > INT64_MAX)
		return -EFBIG;
	if (r->inode->key.type != S_IFREG)
		return S_ISDIR(r->inode->key.type) ? -EISDIR : -EINVAL;
	rc = fs_quota_resize(s, fd, a->size, &old);
	if (rc)
		return rc;
	if (a->valid & FATTR_FH)
		h = fs_handle_get(s, a->fh, r->inode, false);
	if (!h || ftruncate(h->fd, (off_t)a->size) < 0) {
		own = fs_reopen(s, fd, O_WRONLY);
		if (own < 0)
			return own;
		if (ftruncate(own, (off_t)a->size) < 0)
			return -errno;
	}
	fs_quota_add(s, (int64_t)a->size - (int64_t)old, 0);
	return 0;
}

static struct timespec time_arg(uint32_t valid, uint32_t set, uint32_t now,
				uint64_t sec, uint32_t nsec)
{
	struct timespec t = { .tv_nsec = UTIME_OMIT };

	if (valid & now)
		t.tv_nsec = UTIME_NOW;
	else if (valid & set)
		t = (struct timespec){ .tv_sec = (time_t)sec, .tv_nsec = nsec };
	return t;
}

static int set_times(int fd, const struct fuse_setattr_in *a)
{
	struct timespec t[2];

	if (!(a->valid & (FATTR_ATIME | FATTR_MTIME)))
		return 0;
	if (a->atimensec > 999999999 || a->mtimensec > 999999999)
		return -EINVAL; /* else the guest could pick UTIME_NOW */
	t[0] = time_arg(a->valid, FATTR_ATIME, FATTR_ATIME_NOW, a->atime,
			a->atimensec);
	t[1] = time_arg(a->valid, FATTR_MTIME, FATTR_MTIME_NOW, a->mtime,
			a->mtimensec);
	return fs_utimens(fd, t);
}

ssize_t fs_op_setattr(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_setattr_in *a = r->arg;
	int fd = fs_inode_fd(s, r->inode);
	struct fs_stat st;
	int rc;

	if (fd < 0)
		return fd;
	rc = set_owner_mode(s, r->inode, fd, a);
	if (!rc && a->valid & FATTR_SIZE)
		rc = set_size(s, r, fd, a);
	if (!rc)
		rc = set_times(fd, a);
	if (!rc)
		rc = fs_stat_fd(s, fd, r->inode, &st);
	return rc ? rc : attr_reply(s, r, &st);
}

ssize_t fs_op_access(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_access_in *a = r->arg;
	struct fs_stat st;
	uint32_t bits;
	int rc = fs_stat_inode(s, r->inode, &st);

	if (rc)
		return rc;
	if (a->mask & W_OK && s->readonly)
		return -EROFS;
	if (s->noexec && S_ISREG(st.mode))
		st.mode &= ~0111u;
	if (r->h.uid == 0)
		bits = R_OK | W_OK |
		       (S_ISDIR(st.mode) || st.mode & 0111 ? X_OK : 0u);
	else if (r->h.uid == st.uid)
		bits = st.mode >> 6;
	else if (r->h.gid == st.gid)
		bits = st.mode >> 3;
	else
		bits = st.mode;
	return a->mask & 7 & ~bits ? -EACCES : 0;
}

ssize_t fs_op_statfs(struct fs_server *s, struct fs_req *r)
{
	int fd = fs_inode_fd(s, r->inode);
	struct fuse_statfs_out o = { 0 };
	struct statfs st;

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &st) < 0)
		return -errno;
	o.st = (struct fuse_kstatfs){
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.bsize = (uint32_t)st.f_bsize,
		.namelen = (uint32_t)st.f_namelen,
		.frsize = (uint32_t)st.f_frsize,
	};
	fs_quota_statfs(s, &o.st);
	return fs_reply(s, &o, sizeof(o));
}

/* A link made by a strict guest is a file that holds the target. */
static ssize_t read_link_file(struct fs_server *s, struct fs_inode *in, int fd,
			      size_t room)
{
	autoclose int own = -1;
	struct fs_stat st;
	int rc = fs_stat_fd(s, fd, in, &st);

	if (rc)
		return rc;
	if (!S_ISLNK(st.mode) || !S_ISREG(st.host.stx_mode))
		return -EINVAL;
	own = fs_reopen(s, fd, O_RDONLY);
	if (own < 0)
		return own;
	return io_read(own, s->out, room);
}

ssize_t fs_op_readlink(struct fs_server *s, struct fs_req *r)
{
	int fd = fs_inode_fd(s, r->inode);
	size_t room = r->room < PATH_MAX ? r->room : PATH_MAX;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (r->inode->key.type != S_IFLNK)
		return read_link_file(s, r->inode, fd, room);
	n = readlinkat(fd, "", (char *)s->out, room);
	return n < 0 ? -errno : n;
}
