/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the store that are being made: locks, and the way into place. */
#include "image/store_work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

/* A waiter looks this often, so that it also sees that it need not wait. */
#define POLL_FIRST_NS 1000000
#define POLL_MAX_NS 50000000

/* Whether the lock file we hold is still the one others would open. */
static bool still_named(const struct store_work *w)
{
	struct stat mine, named;

	return fstat(w->lock_fd, &mine) == 0 &&
	       fstatat(w->tmp_fd, w->lock, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
}

/* 1 when it is ours, 0 when it is somebody else's, -errno. */
static int try_lock(struct store_work *w)
{
	w->lock_fd = openat(w->tmp_fd, w->lock,
			    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->lock_fd < 0)
		return -errno;
	if (flock(w->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		int sys = errno;

		close_fd(&w->lock_fd);
		return sys == EWOULDBLOCK || sys == EINTR ? 0 : -sys;
	}
	/* Its last owner may have removed it before we got it. */
	if (!still_named(w)) {
		close_fd(&w->lock_fd);
		return 0;
	}
	return 1;
}

int store_work_begin(const struct image_store *s, const char *name,
		     const atomic_bool *cancel, void (*on_wait)(void *ctx),
		     void *ctx, struct store_work *ret, struct err *err)
{
	struct store_work w = { .store = s, .lock_fd = -1 };
	struct timespec pause = { .tv_nsec = POLL_FIRST_NS };
	int rc;

	(void)snprintf(w.lock, sizeof(w.lock), "%s.lock", name);
	(void)snprintf(w.part, sizeof(w.part), "%s.part", name);
	w.tmp_fd = store_open_dir(s->fd, STORE_TMP, true);
	if (w.tmp_fd < 0)
		return store_err(err, -w.tmp_fd, "open '%s/" STORE_TMP "'",
				 s->path);
	while ((rc = try_lock(&w)) == 0) {
		if (on_wait)
			on_wait(ctx);
		on_wait = NULL;
		if (cancel && atomic_load(cancel)) {
			rc = -ECANCELED;
			break;
		}
		(void)nanosleep(&pause, NULL); /* earlier is as good */
		if (pause.tv_nsec < POLL_MAX_NS)
			pause.tv_nsec *= 2;
	}
	if (rc < 0) {
		close_fd(&w.tmp_fd);
		return store_err(err, -rc, "lock '%s/" STORE_TMP "/%s'",
				 s->path, w.lock);
	}
	*ret = w;
	return 0;
}

int store_work_file(const struct store_work *w, struct err *err)
{
	int fd;

	if (unlinkat(w->tmp_fd, w->part, 0) < 0 && errno != ENOENT)
		return store_err(err, errno, "remove '%s/" STORE_TMP "/%s'",
				 w->store->path, w->part);
	fd = openat(w->tmp_fd, w->part,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? store_err(err, errno, "create '%s/" STORE_TMP "/%s'",
				  w->store->path, w->part)
		      : fd;
}

void store_work_path(const struct store_work *w, char ret[STORE_PATH_MAX])
{
	(void)snprintf(ret, STORE_PATH_MAX, STORE_TMP "/%.*s",
		       (int)(STORE_PATH_MAX - sizeof(STORE_TMP "/")), w->part);
}

int store_work_publish(const struct store_work *w, int fd, const char *path,
		       struct err *err)
{
	const struct image_store *s = w->store;
	autoclose int dirfd = -1;
	char dir[STORE_PATH_MAX];
	char *slash;

	if (fsync(fd) < 0)
		return store_err(err, errno, "write '%s/%s'", s->path, path);
	(void)snprintf(dir, sizeof(dir), "%s", path);
	slash = strchr(dir, '/');
	*slash = 0;
	dirfd = store_open_dir(s->fd, dir, true);
	if (dirfd < 0)
		return store_err(err, -dirfd, "open '%s/%s'", s->path, dir);
	if (renameat(w->tmp_fd, w->part, dirfd, slash + 1) < 0 ||
	    fsync(dirfd) < 0)
		return store_err(err, errno, "put '%s/%s' into place", s->path,
				 path);
	return 0;
}

int store_nameless_file(const struct image_store *s, struct err *err)
{
	char name[48];
	uint64_t random;
	int fd = openat(s->fd, STORE_TMP, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	/* Not every file system can do that. */
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return store_err(err, EIO, "find a name for a file");
		(void)snprintf(name, sizeof(name), STORE_TMP "/spool-%016llx",
			       (unsigned long long)random);
		fd = openat(s->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			    0600);
		if (fd >= 0)
			(void)unlinkat(s->fd, name, 0); /* a prune would, too */
	}
	return fd < 0 ? store_err(err, errno,
				  "create a file in '%s/" STORE_TMP "'",
				  s->path)
		      : fd;
}

void store_work_end(struct store_work *w)
{
	(void)unlinkat(w->tmp_fd, w->part, 0); /* most often it has moved */
	(void)unlinkat(w->tmp_fd, w->lock, 0);
	close_fd(&w->lock_fd);
	close_fd(&w->tmp_fd);
}
