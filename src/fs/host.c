/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host system calls on one file. Everything is reached from a directory
 * descriptor by a single component that is never followed, or from a
 * descriptor we hold, through /proc/self/fd. Where the host has openat2(), it
 * is told not to leave the directory nor to follow anything either, and only
 * then are paths of several components given to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "fs/fs_int.h"

/* How far apart two changes are that are bound to have different time stamps:
 * anywhere, and on local file systems that keep fractions of seconds. */
#define STAMP_GRAIN_NS (2 * NSEC_PER_SEC)
#define FINE_GRAIN_NS (100 * NSEC_PER_MSEC)
#define STATX_WANTED (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)

struct fs_proc fs_proc(int fd)
{
	struct fs_proc p;

	/* an int always fits */
	(void)snprintf(p.path, sizeof(p.path), "/proc/self/fd/%d", fd);
	return p;
}

static int open_beneath(int dirfd, const char *path)
{
	const struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

bool fs_probe_openat2(int dirfd)
{
	autoclose int fd = open_beneath(dirfd, ".");

	return fd >= 0;
}

int fs_open_path(const struct fs_server *s, int dirfd, const char *path)
{
	int fd;

	if (!s->openat2)
		return -ENOSYS;
	fd = open_beneath(dirfd, path);
	return fd < 0 ? -errno : fd;
}

static int open_name(const struct fs_server *s, int dirfd, const char *name)
{
	if (s->openat2)
		return open_beneath(dirfd, name);
	return openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

int fs_open_child(const struct fs_server *s, int dirfd, const char *name)
{
	struct fs_widen w = { 0 };
	int fd;

	do
		fd = open_name(s, dirfd, name);
	while (fd < 0 && errno == EACCES && fs_widen(s, &w, dirfd));
	if (fd < 0)
		fd = -errno;
	fs_unwiden(&w);
	return fd;
}

int fs_reopen(const struct fs_server *s, int fd, int flags)
{
	struct fs_widen w = { 0 };
	char name[16];
	int ret;

	(void)snprintf(name, sizeof(name), "%d", fd); /* always fits */
	flags |= O_CLOEXEC | O_NOCTTY;
	do
		ret = openat(s->proc_fd, name, flags);
	while (ret < 0 && errno == EACCES && fs_widen(s, &w, fd));
	if (ret < 0)
		ret = -errno;
	fs_unwiden(&w);
	return ret;
}

int fs_statx(int dirfd, const char *name, struct statx *ret)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;

	if (!*name)
		flags |= AT_EMPTY_PATH;
	return statx(dirfd, name, flags, STATX_WANTED, ret) < 0 ? -errno : 0;
}

uint64_t fs_time_ns(const struct statx_timestamp *t)
{
	return (uint64_t)t->tv_sec * NSEC_PER_SEC + t->tv_nsec;
}

uint64_t fs_settled_ctime_ns(const struct fs_server *s, const struct statx *st)
{
	bool fine = fs_is_local(s, st) && st->stx_ctime.tv_nsec;
	uint64_t ctime = fs_time_ns(&st->stx_ctime);
	uint64_t grain = fine ? FINE_GRAIN_NS : STAMP_GRAIN_NS;

	return ctime + grain < clock_wall_ns() ? ctime : 0;
}

bool fs_is_local(const struct fs_server *s, const struct statx *st)
{
	return s->local && st->stx_dev_major == s->dev_major &&
	       st->stx_dev_minor == s->dev_minor;
}

void fs_key_of(const struct fs_server *s, const struct statx *st,
	       struct fs_key *ret)
{
	*ret = (struct fs_key){
		.ino = st->stx_ino,
		.major = st->stx_dev_major,
		.minor = st->stx_dev_minor,
		.type = st->stx_mode & S_IFMT,
	};
	if (st->stx_mask & STATX_MNT_ID)
		ret->mnt = st->stx_mnt_id;
	/* stacked and network file systems may change it under way */
	if (fs_is_local(s, st) && st->stx_mask & STATX_BTIME)
		ret->btime_ns = fs_time_ns(&st->stx_btime);
}

int fs_utimens(int fd, const struct timespec t[2])
{
	if (utimensat(fd, "", t, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != EINVAL) /* before Linux 5.8 */
		return -errno;
	/* The path ends at the file itself, also at a symbolic link. */
	return utimensat(AT_FDCWD, fs_proc(fd).path, t, 0) < 0 ? -errno : 0;
}

int fs_chmod(int fd, mode_t mode)
{
	/* not chmod(), which is a call of its own on some architectures */
	return fchmodat(AT_FDCWD, fs_proc(fd).path, mode, 0) < 0 ? -errno : 0;
}

mode_t fs_floor(mode_t type)
{
	if (S_ISDIR(type))
		return 0700;
	return S_ISREG(type) ? 0600 : 0;
}

bool fs_widen(const struct fs_server *s, struct fs_widen *w, int fd)
{
	struct statx st;
	mode_t need;

	if (w->on || s->readonly || s->virt == FS_STAT_OFF || s->euid == 0)
		return false;
	if (fs_statx(fd, "", &st) || st.stx_uid != s->euid)
		return false;
	need = fs_floor(st.stx_mode);
	w->mode = st.stx_mode & 07777;
	if ((w->mode & need) == need || fs_chmod(fd, w->mode | need))
		return false;
	w->fd = fd;
	w->on = true;
	return true;
}

void fs_unwiden(struct fs_widen *w)
{
	if (w->on) /* cannot fail where the widening did not */
		(void)fs_chmod(w->fd, w->mode);
	w->on = false;
}
