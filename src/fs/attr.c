/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes as the guest sees them: the host's, with owner, mode and device
 * number replaced by an override kept in an extended attribute, or with the
 * owner mapped when there is none.
 *
 * Without an override, what belongs to the exporting user (who runs the
 * server, or owns the exported directory) is shown as the guest's user. The
 * other owners mean something only in a tree made by the host's root: there
 * they are shown as they are, elsewhere as nobody.
 */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "fs/fs_int.h"

#define OVERRIDE_NAME "user.msb.override_stat"
#define OVERRIDE_NAME_OLD "user.containers.override_stat"
#define PROBE_NAME "user.msb._probe"
#define PROBE_NAME_OLD "user.containers._probe"
#define OVERRIDE_VERSION 1
#define NOBODY 65534u

bool fs_xattr_hidden(const char *name)
{
	static const char *const names[] = { OVERRIDE_NAME, OVERRIDE_NAME_OLD,
					     PROBE_NAME, PROBE_NAME_OLD,
					     FS_MARK_NAME };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

int fs_xattr_probe(int fd)
{

	if (setxattr(fs_proc(fd).path, PROBE_NAME, "\1", 1, 0) < 0)
		return -errno;
	return removexattr(fs_proc(fd).path, PROBE_NAME) < 0 ? -errno : 0;
}

/* Version, padding, uid, gid, mode, rdev; false when malformed. */
static bool override_decode(const uint8_t *b, struct fs_override *ret)
{
	if (b[0] != OVERRIDE_VERSION)
		return false;
	*ret = (struct fs_override){ .present = true,
				     .uid = le32_get(b + 4),
				     .gid = le32_get(b + 8),
				     .mode = le32_get(b + 12),
				     .rdev = le32_get(b + 16) };
	return true;
}

static void override_encode(const struct fs_stat *st, uint8_t *b)
{
	memset(b, 0, FS_OVERRIDE_LEN);
	b[0] = OVERRIDE_VERSION;
	le32_put(b + 4, st->uid);
	le32_put(b + 8, st->gid);
	le32_put(b + 12, st->mode);
	le32_put(b + 16, st->rdev);
}

/* The way through /proc costs several times more, but O_PATH needs it. */
static ssize_t read_xattr(int fd, const char *name, void *value, size_t len)
{
	ssize_t n = fgetxattr(fd, name, value, len);

	if (n < 0 && errno == EBADF)
		n = getxattr(fs_proc(fd).path, name, value, len);
	return n;
}

/* Is a file system without extended attributes put up with? */
static bool does_without(const struct fs_server *s)
{
	return s->virt == FS_STAT_RELAXED || s->lenient;
}

/* Is neither name among the attributes? False when that cannot be told. */
static bool has_no_override(int fd)
{
	char names[1024];
	ssize_t n = flistxattr(fd, names, sizeof(names));

	if (n < 0 && errno == EBADF)
		n = listxattr(fs_proc(fd).path, names, sizeof(names));
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1)
		if (!strcmp(names + i, OVERRIDE_NAME) ||
		    !strcmp(names + i, OVERRIDE_NAME_OLD))
			return false;
	return n >= 0;
}

static int override_get(struct fs_server *s, int fd, mode_t host_mode,
			struct fs_override *ret)
{
	uint8_t b[FS_OVERRIDE_LEN];
	ssize_t n;

	*ret = (struct fs_override){ 0 };
	if (s->virt == FS_STAT_OFF ||
	    (!S_ISREG(host_mode) && !S_ISDIR(host_mode)))
		return 0;
	/* One call for both names, where it is likely that neither is there. */
	if (s->plain && has_no_override(fd))
		return 0;
	n = read_xattr(fd, OVERRIDE_NAME, b, sizeof(b));
	if (n < 0 && errno == ENODATA)
		n = read_xattr(fd, OVERRIDE_NAME_OLD, b, sizeof(b));
	s->plain = n < 0;
	if (n < 0) {
		/* What we may not read is not ours, so has no override. */
		if (errno == ENODATA || errno == EACCES || errno == EPERM)
			return 0;
		if (errno == EOPNOTSUPP && does_without(s))
			return 0;
		return errno == ERANGE || errno == EOPNOTSUPP ? -EIO : -errno;
	}
	if (n != sizeof(b) || !override_decode(b, ret) ||
	    S_ISDIR(ret->mode) != S_ISDIR(host_mode))
		return -EIO;
	return 0;
}

static int override_set(const struct fs_server *s, int fd,
			const struct fs_stat *st)
{
	struct fs_widen w = { 0 };
	uint8_t b[FS_OVERRIDE_LEN];
	int rc;

	override_encode(st, b);
	if (fsetxattr(fd, OVERRIDE_NAME, b, sizeof(b), 0) == 0)
		return 0;
	do
		rc = setxattr(fs_proc(fd).path, OVERRIDE_NAME, b, sizeof(b),
			      0) < 0
			     ? -errno
			     : 0;
	while (rc == -EACCES && fs_widen(s, &w, fd));
	fs_unwiden(&w);
	return rc;
}

static void map_owner(const struct fs_server *s, struct fs_stat *st)
{
	bool real_ids = s->owner_uid == 0;

	if (st->uid == s->owner_uid || st->uid == s->euid) {
		st->uid = s->guest_uid;
		if (!real_ids || st->gid == s->owner_gid)
			st->gid = s->guest_gid;
	} else if (!real_ids) {
		st->uid = NOBODY;
		st->gid = NOBODY;
	}
}

/* As the guest encodes device numbers on the wire. */
static uint32_t rdev_encode(const struct statx *st)
{
	return (st->stx_rdev_minor & 0xff) | st->stx_rdev_major << 8 |
	       (st->stx_rdev_minor & ~0xffu) << 12;
}

int fs_stat_fd(struct fs_server *s, int fd, struct fs_inode *in,
	       struct fs_stat *ret)
{
	int rc = fs_statx(fd, "", &ret->host);

	return rc ? rc : fs_stat_view(s, fd, in, ret);
}

static void keep(const struct fs_server *s, struct fs_inode *in,
		 const struct fs_override *ov)
{
	in->ov = *ov;
	in->ov_ctime_ns = 0;
	in->ov_until_ms = s->cache == FS_CACHE_ALWAYS
				  ? UINT64_MAX
				  : clock_mono_ms() + s->trust_ms;
}

/* Writing an extended attribute changes the ctime. */
void fs_stat_keep(const struct fs_server *s, struct fs_inode *in,
		  const struct fs_stat *st)
{
	keep(s, in, &st->ov);
	if (fs_is_local(s, &st->host))
		in->ov_ctime_ns = fs_settled_ctime_ns(s, &st->host);
}

static bool is_known(const struct fs_inode *in, const struct statx *st)
{
	if (in->ov_ctime_ns && in->ov_ctime_ns == fs_time_ns(&st->stx_ctime))
		return true;
	return in->ov_until_ms && clock_mono_ms() < in->ov_until_ms;
}

void fs_stat_show(const struct fs_server *s, struct fs_stat *st)
{
	const struct fs_override *ov = &st->ov;

	if (ov->present) {
		st->uid = ov->uid;
		st->gid = ov->gid;
		st->mode = ov->mode;
		st->rdev =
			S_ISCHR(ov->mode) || S_ISBLK(ov->mode) ? ov->rdev : 0;
		return;
	}
	st->uid = st->host.stx_uid;
	st->gid = st->host.stx_gid;
	st->mode = st->host.stx_mode;
	st->rdev = rdev_encode(&st->host);
	if (s->virt != FS_STAT_OFF)
		map_owner(s, st);
}

int fs_stat_view(struct fs_server *s, int fd, struct fs_inode *in,
		 struct fs_stat *ret)
{
	if (in && is_known(in, &ret->host)) {
		ret->ov = in->ov;
	} else {
		int rc = override_get(s, fd, ret->host.stx_mode, &ret->ov);

		if (rc)
			return rc;
		if (in)
			fs_stat_keep(s, in, ret);
	}
	fs_stat_show(s, ret);
	return 0;
}

int fs_stat_inode(struct fs_server *s, struct fs_inode *in, struct fs_stat *ret)
{
	int fd = fs_inode_fd(s, in);

	if (fd < 0)
		return fd;
	if (!s->file || in != s->root)
		return fs_stat_fd(s, fd, in, ret);
	/* A directory that exists nowhere. */
	*ret = (struct fs_stat){ .uid = s->guest_uid,
				 .gid = s->guest_gid,
				 .mode = S_IFDIR | 0755 };
	ret->host.stx_mask = STATX_BASIC_STATS;
	ret->host.stx_mode = S_IFDIR | 0755;
	ret->host.stx_ino = FUSE_ROOT_ID;
	ret->host.stx_nlink = 2;
	ret->host.stx_blksize = 4096;
	return 0;
}

int fs_stat_owner(struct fs_server *s, struct fs_inode *in, struct fs_stat *ret)
{
	if (!in->ov.present || clock_mono_ms() >= in->ov_until_ms)
		return fs_stat_inode(s, in, ret);
	ret->host.stx_mode = (uint16_t)in->key.type;
	ret->ov = in->ov;
	fs_stat_show(s, ret);
	return 0;
}

uint32_t fs_attr_fill(const struct fs_server *s, struct fs_inode *in,
		      const struct fs_stat *st, struct fuse_attr *ret)
{
	const struct statx *h = &st->host;

	*ret = (struct fuse_attr){
		.ino = h->stx_ino,
		.size = h->stx_size,
		.blocks = h->stx_blocks,
		.atime = (uint64_t)h->stx_atime.tv_sec,
		.mtime = (uint64_t)h->stx_mtime.tv_sec,
		.ctime = (uint64_t)h->stx_ctime.tv_sec,
		.atimensec = h->stx_atime.tv_nsec,
		.mtimensec = h->stx_mtime.tv_nsec,
		.ctimensec = h->stx_ctime.tv_nsec,
		.mode = st->mode,
		.nlink = h->stx_nlink,
		.uid = st->uid,
		.gid = st->gid,
		.rdev = st->rdev,
		.blksize = h->stx_blksize,
	};
	/* Without an x bit not even the guest's root can execute a file. */
	if (s->noexec && S_ISREG(st->mode))
		ret->mode &= ~0111u;
	in->told_size = h->stx_size;
	in->told_mtime_ns = fs_time_ns(&h->stx_mtime);
	in->told = true;
	/* No lookup ever refreshes a file that is mounted by itself. */
	return in == s->single ? 0 : s->timeout_ms;
}

void fs_valid(uint32_t ms, uint64_t *ret_sec, uint32_t *ret_nsec)
{
	*ret_sec = ms / 1000;
	*ret_nsec = ms % 1000 * 1000000;
}

static int chmod_host(int fd, const struct fs_stat *st)
{
	mode_t type = st->host.stx_mode & S_IFMT;
	mode_t mode = st->mode & 07777;

	if (S_ISREG(type) || S_ISDIR(type))
		mode = (mode & 0777) | fs_floor(type);
	if (mode == (st->host.stx_mode & 07777))
		return 0;
	return fs_chmod(fd, mode);
}

static int apply(const struct fs_server *s, int fd, struct fs_stat *st,
		 bool mode_changed)
{
	bool special = !S_ISREG(st->mode) && !S_ISDIR(st->mode);
	int rc = 0;

	if (s->virt == FS_STAT_OFF)
		return mode_changed ? chmod_host(fd, st) : 0;
	if (S_ISLNK(st->host.stx_mode))
		return -EPERM; /* the host keeps no attributes on links */
	if (s->perms == FS_PERMS_MIRROR && mode_changed && !special)
		rc = chmod_host(fd, st);
	if (!rc)
		rc = override_set(s, fd, st);
	if (!rc)
		st->ov = (struct fs_override){ .present = true,
					       .uid = st->uid,
					       .gid = st->gid,
					       .mode = st->mode,
					       .rdev = st->rdev };
	if (rc != -EOPNOTSUPP || !does_without(s))
		return rc;
	/* No place for the rest: keep what the host can. */
	if (special)
		return rc;
	return mode_changed ? chmod_host(fd, st) : 0;
}

int fs_stat_apply(const struct fs_server *s, int fd, struct fs_inode *in,
		  struct fs_stat *st, bool mode_changed)
{
	int rc = apply(s, fd, st, mode_changed);

	if (in && !rc)
		keep(s, in, &st->ov);
	else if (in)
		in->ov_ctime_ns = in->ov_until_ms = 0;
	return rc;
}

uint32_t fs_kill_suidgid(uint32_t mode)
{
	mode &= ~(uint32_t)S_ISUID;
	return mode & S_IXGRP ? mode & ~(uint32_t)S_ISGID : mode;
}

int fs_kill_priv(struct fs_server *s, int fd, struct fs_inode *in)
{
	struct fs_stat st;
	uint32_t mode;
	int rc = fs_stat_fd(s, fd, in, &st);

	if (rc)
		return rc;
	mode = fs_kill_suidgid(st.mode);
	if (mode == st.mode)
		return 0;
	if (s->virt == FS_STAT_OFF)
		return fs_chmod(fd, mode & 07777);
	st.mode = mode;
	return fs_stat_apply(s, fd, in, &st, true);
}
