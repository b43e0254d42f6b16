/* SPDX-License-Identifier: Apache-2.0 */
/* Lifecycle and runtime locks. */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"

#define LOCK_DIR "run/locks"
#define RUNTIME_LOCK_NEW RUNTIME_LOCK ".new"

static void sleep_ms(unsigned ms)
{
	struct timespec ts = { .tv_sec = ms / 1000,
			       .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&ts, NULL); /* waking early only means one more try */
}

static int flock_retry(int fd, int op)
{
	int rc;

	do
		rc = flock(fd, op);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

static int open_lock_file(const struct home *h, const char *path)
{
	const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(h->fd, path, flags, 0600);
	int rc;

	if (fd < 0 && errno == ENOENT) {
		rc = io_mkdir_p(h->fd, LOCK_DIR, 0700);
		if (rc)
			return rc;
		fd = openat(h->fd, path, flags, 0600);
	}
	return fd < 0 ? -errno : fd;
}

/*
 * The file may have been unlinked by its last holder between our open and our
 * lock; then we hold the lock of a file nobody else will ever open.
 */
static bool still_named(int dirfd, const char *path, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 &&
	       fstatat(dirfd, path, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int lock_file_err(const struct home *h, const char *path, int rc,
			 struct err *err)
{
	autofree char *full = str_fmt("%s/%s", h->path, path);

	return path_err(err, -rc, "open the lock file", full ? full : path);
}

int lifecycle_lock(const struct home *h, const char *name, uint64_t timeout_ms,
		   struct err *err)
{
	uint64_t start = clock_mono_ms();
	char path[sizeof(LOCK_DIR) + SANDBOX_NAME_MAX + sizeof("/.lock")];
	unsigned pause_ms = 1;

	(void)snprintf(path, sizeof(path), LOCK_DIR "/%.*s.lock",
		       SANDBOX_NAME_MAX, name);
	for (;;) {
		autoclose int fd = open_lock_file(h, path);
		int rc;

		if (fd < 0)
			return lock_file_err(h, path, fd, err);
		rc = flock_retry(fd, LOCK_EX | LOCK_NB);
		if (!rc) {
			if (still_named(h->fd, path, fd))
				return take_fd(&fd);
			continue;
		}
		if (rc != -EWOULDBLOCK)
			return err_sys(err, ERR_IO, -rc, "lock '%s'", path);
		if (clock_mono_ms() - start >= timeout_ms)
			return err_set(err, ERR_TIMEOUT, ETIMEDOUT,
				       "another process is busy with sandbox "
				       "'%s'",
				       name);
		sleep_ms(pause_ms);
		if (pause_ms < 16)
			pause_ms *= 2;
	}
}

void lifecycle_lock_retire(const struct home *h, const char *name, int *fd)
{
	char path[sizeof(LOCK_DIR) + SANDBOX_NAME_MAX + sizeof("/.lock")];

	(void)snprintf(path, sizeof(path), LOCK_DIR "/%.*s.lock",
		       SANDBOX_NAME_MAX, name);
	(void)unlinkat(h->fd, path, 0); /* a leftover file is harmless */
	close_fd(fd);
}

int runtime_lock_create(int runtime_dirfd)
{
	autoclose int fd = -1;
	int rc;

	if (unlinkat(runtime_dirfd, RUNTIME_LOCK_NEW, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(runtime_dirfd, RUNTIME_LOCK_NEW,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	rc = flock_retry(fd, LOCK_EX | LOCK_NB);
	if (rc)
		return rc;
	/* Only a file that is already locked ever has the real name. */
	if (renameat(runtime_dirfd, RUNTIME_LOCK_NEW, runtime_dirfd,
		     RUNTIME_LOCK) < 0)
		return -errno;
	return take_fd(&fd);
}

/* 1 held by the runtime, 0 free, -errno. Never keeps the lock. */
static int lock_is_held(int fd)
{
	int rc = flock_retry(fd, LOCK_SH | LOCK_NB);

	if (rc == -EWOULDBLOCK)
		return 1;
	if (rc)
		return rc;
	return flock_retry(fd, LOCK_UN);
}

static int open_runtime_lock(int runtime_dirfd)
{
	int fd = openat(runtime_dirfd, RUNTIME_LOCK,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

int runtime_alive(int runtime_dirfd)
{
	autoclose int fd = open_runtime_lock(runtime_dirfd);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	return lock_is_held(fd);
}

/* Field number of /proc/<pid>/stat, as text in buf; 0 or -errno. */
static int process_stat(pid_t pid, int field, char *buf, size_t len)
{
	char path[32], text[1024];
	autoclose int fd = -1;
	ssize_t n;
	char *p;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = io_read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return (int)n;
	text[n] = 0;
	p = strrchr(text, ')'); /* the name before it may hold anything */
	for (int i = 2; p && i < field; i++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -EBADMSG;
	p[1 + strcspn(p + 1, " \n")] = 0;
	(void)snprintf(buf, len, "%s", p + 1);
	return 0;
}

int process_start_time(pid_t pid, uint64_t *ret)
{
	char text[32] = "";
	int rc = process_stat(pid, 22, text, sizeof(text));

	if (rc)
		return rc;
	return str_to_u64(text, ret) ? -EBADMSG : 0;
}

/* "<pid> <start time>\n"; -EAGAIN while it is not complete. */
static int read_identity(int fd, pid_t *ret_pid, uint64_t *ret_start)
{
	char text[64], *space;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	uint32_t pid;

	if (n < 0)
		return -errno;
	text[n] = 0;
	if (!n || text[n - 1] != '\n')
		return -EAGAIN;
	text[n - 1] = 0;
	space = strchr(text, ' ');
	if (!space)
		return -EBADMSG;
	*space = 0;
	if (str_to_u32(text, &pid) || str_to_u64(space + 1, ret_start) ||
	    !pid || pid > INT32_MAX)
		return -EBADMSG;
	*ret_pid = (pid_t)pid;
	return 0;
}

#define STAT_FLAGS 9
#define PF_EXITING 0x4u /* of these flags; include/linux/sched.h */

/* Is the lock's holder about to let go? */
static bool is_ending(int runtime_dirfd, int lock_fd)
{
	uint64_t start, flags;
	char text[32] = "";
	pid_t pid = 0;

	if (faccessat(runtime_dirfd, RUNTIME_EXIT_JSON, F_OK,
		      AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	return read_identity(lock_fd, &pid, &start) == 0 &&
	       process_stat(pid, STAT_FLAGS, text, sizeof(text)) == 0 &&
	       str_to_u64(text, &flags) == 0 && (flags & PF_EXITING);
}

int runtime_alive_settled(int runtime_dirfd, uint64_t timeout_ms)
{
	autoclose int fd = open_runtime_lock(runtime_dirfd);
	uint64_t start = clock_mono_ms();
	int rc;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	rc = lock_is_held(fd);
	if (rc != 1 || !is_ending(runtime_dirfd, fd))
		return rc;
	while (rc == 1 && clock_mono_ms() - start < timeout_ms) {
		sleep_ms(1);
		rc = lock_is_held(fd);
	}
	return rc;
}

static int open_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

/*
 * Order matters. The pidfd pins one process; only when the lock is still held
 * after that, by an owner with this pid and start time, it pins the runtime.
 */
int runtime_process_open(int runtime_dirfd, struct runtime_process *ret)
{
	struct runtime_process p = { .pidfd = -1 };
	autoclose int fd = open_runtime_lock(runtime_dirfd);
	autoclose int pidfd = -1;
	uint64_t want = 0, start = 0;
	int rc;

	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	rc = lock_is_held(fd);
	if (rc <= 0)
		return rc ? rc : -ESRCH;
	rc = read_identity(fd, &p.pid, &want);
	if (rc)
		return rc;
	pidfd = open_pidfd(p.pid);
	if (pidfd == -ESRCH || process_start_time(p.pid, &start) != 0 ||
	    start != want) {
		rc = lock_is_held(fd);
		return rc == 1 ? -ENXIO : rc ? rc : -ESRCH;
	}
	rc = lock_is_held(fd);
	if (rc <= 0)
		return rc ? rc : -ESRCH;
	p.lock_fd = take_fd(&fd);
	p.pidfd = pidfd < 0 ? -1 : take_fd(&pidfd);
	*ret = p;
	return 0;
}

void runtime_process_close(struct runtime_process *p)
{
	close_fd(&p->lock_fd);
	close_fd(&p->pidfd);
}

int runtime_process_signal(const struct runtime_process *p, int sig)
{
	int rc = lock_is_held(p->lock_fd);

	if (rc <= 0)
		return rc ? rc : -ESRCH;
	if (p->pidfd >= 0)
		rc = (int)syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL,
				  0);
	else
		rc = kill(p->pid, sig);
	return rc < 0 ? -errno : 0;
}

int runtime_process_wait(const struct runtime_process *p, int end_fd,
			 uint64_t timeout_ms)
{
	uint64_t start = clock_mono_ms();
	bool dead = false;

	for (;;) {
		struct pollfd pfd[] = { { .fd = p->pidfd, .events = POLLIN },
					{ .fd = end_fd } };
		uint64_t spent = clock_mono_ms() - start;
		uint64_t left = spent < timeout_ms ? timeout_ms - spent : 0;
		int rc = lock_is_held(p->lock_fd);

		if (rc <= 0)
			return rc;
		if (!left)
			return -ETIMEDOUT;
		if (left > 3600000)
			left = 3600000;
		/* Without a pidfd, or once it is dead but its lock is not yet
		 * dropped, look again shortly. */
		if (p->pidfd < 0 || dead) {
			sleep_ms(p->pidfd < 0 ? 10 : 1);
			continue;
		}
		rc = poll(pfd, ARRAY_SIZE(pfd), (int)left);
		if (rc < 0 && errno != EINTR)
			return -errno;
		dead = rc > 0 && pfd[0].revents;
		if (rc > 0 && pfd[1].revents)
			end_fd = -1;
	}
}
