/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of files, and the options of opening them. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/fs_int.h"

int fs_open_flags(const struct msg_fs_open *o)
{
	int flags;

	if (!o->read && !o->write && !o->append)
		return -EINVAL;
	if (!o->write && !o->append &&
	    (o->create || o->truncate || o->create_new))
		return -EINVAL;
	if (o->append && o->truncate && !o->create_new)
		return -EINVAL;
	if (o->write || o->append)
		flags = o->read ? O_RDWR : O_WRONLY;
	else
		flags = O_RDONLY;
	if (o->append)
		flags |= O_APPEND;
	if (o->create_new)
		flags |= O_CREAT | O_EXCL;
	else
		flags |=
			(o->create ? O_CREAT : 0) | (o->truncate ? O_TRUNC : 0);
	return flags | O_CLOEXEC;
}

static const char *kind_name(mode_t mode)
{
	if (S_ISREG(mode))
		return "file";
	if (S_ISDIR(mode))
		return "dir";
	return S_ISLNK(mode) ? "symlink" : "other";
}

void fs_info_fill(struct msg_fs_info *m, struct view path,
		  const struct stat *st)
{
	*m = (struct msg_fs_info){
		.path = path,
		.kind = view_cstr(kind_name(st->st_mode)),
		.size = (uint64_t)st->st_size,
		.mode = st->st_mode,
		.modified = { true, st->st_mtim.tv_sec },
		.uid = st->st_uid,
		.gid = st->st_gid,
		.atime = { true, st->st_atim.tv_sec },
		.mtime = { true, st->st_mtim.tv_sec },
	};
}

static uid_t owner(const struct opt_u32 *o)
{
	return o->set ? o->v : (uid_t)-1;
}

/* Both times, the one that is not given as it is now, in whole seconds. */
static void fill_times(const struct msg_fs_attrs *at, const struct stat *st,
		       struct timespec t[2])
{
	t[0] = (struct timespec){ .tv_sec = at->atime.set
						    ? at->atime.v
						    : st->st_atim.tv_sec };
	t[1] = (struct timespec){ .tv_sec = at->mtime.set
						    ? at->mtime.v
						    : st->st_mtim.tv_sec };
}

static int set_size(const char *path, const struct msg_fs_attrs *at)
{
	if (!at->size.set)
		return 0;
	if (at->size.v > INT64_MAX)
		return -EFBIG;
	return truncate(path, (off_t)at->size.v) < 0 ? -errno : 0;
}

int fs_set_path_attrs(const char *path, bool follow,
		      const struct msg_fs_attrs *at)
{
	int flag = follow ? 0 : AT_SYMLINK_NOFOLLOW;
	struct timespec t[2];
	struct stat st;
	int rc;

	if (fstatat(AT_FDCWD, path, &st, flag) < 0)
		return -errno;
	/* a symbolic link has neither a size nor a mode to set */
	if (S_ISLNK(st.st_mode) && (at->mode.set || at->size.set))
		return -EOPNOTSUPP;
	rc = set_size(path, at);
	if (rc)
		return rc;
	if (at->mode.set && chmod(path, at->mode.v & 07777) < 0)
		return -errno;
	if ((at->uid.set || at->gid.set) &&
	    fchownat(AT_FDCWD, path, owner(&at->uid), owner(&at->gid), flag) <
		    0)
		return -errno;
	if (!at->atime.set && !at->mtime.set)
		return 0;
	fill_times(at, &st, t);
	return utimensat(AT_FDCWD, path, t, flag) < 0 ? -errno : 0;
}

int fs_set_fd_attrs(int fd, const struct msg_fs_attrs *at)
{
	struct timespec t[2];
	struct stat st;

	if (at->size.set && at->size.v > INT64_MAX)
		return -EFBIG;
	if (at->size.set && ftruncate(fd, (off_t)at->size.v) < 0)
		return -errno;
	if (at->mode.set && fchmod(fd, at->mode.v & 07777) < 0)
		return -errno;
	if ((at->uid.set || at->gid.set) &&
	    fchown(fd, owner(&at->uid), owner(&at->gid)) < 0)
		return -errno;
	if (!at->atime.set && !at->mtime.set)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	fill_times(at, &st, t);
	return futimens(fd, t) < 0 ? -errno : 0;
}
