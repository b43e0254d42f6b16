/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes on disk: locks, making, removing, reading. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "api/cancel.h"
#include "api/volume_int.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "image/ext4.h"

#define RECORDS ".records"
#define LOCKS ".locks"
#define RECORD_MAX (2u << 20)
#define TEMP_SIZE (SANDBOX_NAME_MAX + 16)
#define PATH_SIZE (SANDBOX_NAME_MAX + 32)

static int volumes_err(const struct volumes *v, int sys, const char *action,
		       const char *name, struct err *err)
{
	autofree char *path = str_fmt("%s/%s", v->path, name);

	return path_err(err, sys, action, path ? path : name);
}

int volumes_open(const msb_t *m, bool create, struct volumes *ret,
		 struct err *err)
{
	struct volumes v = { .path = strdup(m->home.place[HOME_VOLUMES]) };
	int rc = 0;

	if (!v.path)
		return api_no_memory(err);
	v.fd = open(v.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v.fd < 0 && errno == ENOENT && !create) {
		free(v.path);
		return -ENOENT;
	}
	if (v.fd < 0 && errno == ENOENT) {
		rc = io_mkdir_p(AT_FDCWD, v.path, 0700);
		v.fd = rc ? -1
			  : open(v.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (v.fd < 0)
		rc = rc ? rc : -errno;
	if (!rc && create)
		rc = io_mkdir_p(v.fd, RECORDS, 0700);
	if (!rc && create)
		rc = io_mkdir_p(v.fd, LOCKS, 0700);
	if (rc) {
		rc = path_err(err, -rc, "open the directory", v.path);
		volumes_close(&v);
		return rc;
	}
	*ret = v;
	return 0;
}

void volumes_close(struct volumes *v)
{
	free(v->path);
	v->path = NULL;
	close_fd(&v->fd);
}

/* ---- locks -------------------------------------------------------------- */

static void lock_path(const char *name, char path[PATH_SIZE])
{
	(void)snprintf(path, PATH_SIZE, LOCKS "/%.*s.lock", SANDBOX_NAME_MAX,
		       name);
}

/* A lock file that was removed between our open and our lock locks nothing. */
static bool still_named(int dirfd, const char *path, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 &&
	       fstatat(dirfd, path, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int volume_lock(const struct volumes *v, const char *name, bool exclusive,
		uint64_t timeout_ms, struct err *err)
{
	const int how = (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
	uint64_t start = clock_mono_ms();
	char path[PATH_SIZE];

	lock_path(name, path);
	for (;;) {
		autoclose int fd =
			openat(v->fd, path,
			       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return volumes_err(v, errno, "open the lock file", path,
					   err);
		if (flock(fd, how) == 0) {
			if (still_named(v->fd, path, fd))
				return take_fd(&fd);
			continue;
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return volumes_err(v, errno, "lock", path, err);
		if (clock_mono_ms() - start >= timeout_ms)
			return err_set(err, ERR_VOLUME_IN_USE, ETIMEDOUT,
				       "volume '%s' is in use: a sandbox with "
				       "it is just being started, or it is "
				       "being made or removed",
				       name);
		if (cancel_sleep(5))
			return err_sys(err, ERR_VOLUME_IN_USE, ECANCELED,
				       "lock volume '%s'", name);
	}
}

void volume_lock_retire(const struct volumes *v, const char *name, int *lock)
{
	char path[PATH_SIZE];

	lock_path(name, path);
	(void)unlinkat(v->fd, path, 0); /* a leftover file is harmless */
	close_fd(lock);
}

/* ---- reading ------------------------------------------------------------ */

static void record_path(const char *name, char path[PATH_SIZE])
{
	(void)snprintf(path, PATH_SIZE, RECORDS "/%.*s.json", SANDBOX_NAME_MAX,
		       name);
}

static int read_record(const struct volumes *v, const char *name,
		       const struct stat *dir, struct volume_record *ret,
		       struct err *err)
{
	char path[PATH_SIZE];
	struct buf b;
	int rc;

	record_path(name, path);
	buf_init(&b, RECORD_MAX);
	rc = io_read_file_at(v->fd, path, &b);
	if (rc == -ENOENT) { /* a directory somebody put there */
		*ret = (struct volume_record){
			.created_ms = (int64_t)dir->st_ctim.tv_sec * 1000
		};
		rc = 0;
	} else if (rc) {
		rc = volumes_err(v, -rc, "read", path, err);
	} else {
		rc = volume_record_from_json((const char *)buf_data(&b),
					     buf_len(&b), ret, err);
		if (rc)
			err_prefix(err, "volume '%s'", name);
	}
	buf_fini(&b);
	return rc;
}

int volume_load(const struct volumes *v, const char *name,
		struct volume_record *ret, struct err *err)
{
	struct stat st;

	if (fstatat(v->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return volumes_err(v, errno, "look at", name, err);
		return err_set(err, ERR_VOLUME_NOT_FOUND, ENOENT, "%s", name);
	}
	if (!S_ISDIR(st.st_mode))
		return volumes_err(v, ENOTDIR, "use the volume", name, err);
	return read_record(v, name, &st, ret, err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static DIR *open_listing(const struct volumes *v)
{
	int fd = openat(v->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close_fd(&fd);
	return d;
}

int volume_names(const struct volumes *v, struct strv *ret, struct err *err)
{
	DIR *d = open_listing(v);
	const struct dirent *e;
	struct stat st;
	int rc = 0;

	if (!d)
		return volumes_err(v, errno, "list", "", err);
	while (!rc && (e = readdir(d)))
		if (sandbox_name_valid(e->d_name) &&
		    fstatat(v->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode))
			rc = strv_add(ret, e->d_name);
	(void)closedir(d);
	if (rc)
		return api_no_memory(err);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(char *), by_name);
	return 0;
}

/* ---- making and removing ------------------------------------------------ */

static int temp_name(const char *name, char temp[TEMP_SIZE], struct err *err)
{
	uint32_t n;

	if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		return err_sys(err, ERR_IO, errno, "make up a name");
	(void)snprintf(temp, TEMP_SIZE, ".%.*s.%08x", SANDBOX_NAME_MAX, name,
		       n);
	return 0;
}

static int make_disk(const struct volumes *v, int dirfd, const char *name,
		     uint64_t capacity_mib, struct err *err)
{
	autoclose int fd = openat(dirfd, VOLUME_DISK,
				  O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return volumes_err(v, errno, "create the disk of", name, err);
	rc = ext4_create_empty(fd, capacity_mib << 20, err);
	if (!rc && fsync(fd) < 0)
		rc = volumes_err(v, errno, "write the disk of", name, err);
	return rc;
}

/* The volume under its temporary name. */
static int make_temp(const struct volumes *v, const char *temp,
		     const struct volume_record *r, struct err *err)
{
	autoclose int fd = -1;

	if (mkdirat(v->fd, temp, 0700) < 0)
		return volumes_err(v, errno, "create directory", temp, err);
	if (r->kind == MSB_VOLUME_DIR)
		return 0;
	fd = openat(v->fd, temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return volumes_err(v, errno, "open directory", temp, err);
	return make_disk(v, fd, temp, r->capacity_mib, err);
}

static int write_record(const struct volumes *v, const char *name,
			const struct volume_record *r, struct err *err)
{
	struct volume_record now = *r; /* shallow */
	autofree char *text = NULL;
	char path[PATH_SIZE];
	int rc;

	now.created_ms = (int64_t)(clock_wall_ns() / NSEC_PER_MSEC);
	text = volume_record_to_json(&now);
	if (!text)
		return api_no_memory(err);
	record_path(name, path);
	rc = io_write_file_at(v->fd, path, text, strlen(text), 0600);
	return rc ? volumes_err(v, -rc, "write", path, err) : 0;
}

int volume_make(const struct volumes *v, const char *name,
		const struct volume_record *r, struct err *err)
{
	char temp[TEMP_SIZE];
	int rc;

	if (faccessat(v->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(err, ERR_VOLUME_EXISTS, EEXIST, "%s", name);
	rc = temp_name(name, temp, err);
	if (rc)
		return rc;
	rc = make_temp(v, temp, r, err);
	if (!rc)
		rc = write_record(v, name, r, err);
	if (!rc && renameat2(v->fd, temp, v->fd, name, RENAME_NOREPLACE) < 0)
		rc = errno == EEXIST ? err_set(err, ERR_VOLUME_EXISTS, EEXIST,
					       "%s", name)
				     : volumes_err(v, errno, "create directory",
						   name, err);
	if (rc)
		(void)io_remove_tree(v->fd, temp); /* or swept later */
	return rc;
}

int volume_unmake(const struct volumes *v, const char *name, int *lock,
		  struct err *err)
{
	char temp[TEMP_SIZE], path[PATH_SIZE];
	int rc = temp_name(name, temp, err);

	if (rc)
		return rc;
	if (renameat(v->fd, name, v->fd, temp) < 0) {
		if (errno == ENOENT)
			return err_set(err, ERR_VOLUME_NOT_FOUND, ENOENT, "%s",
				       name);
		return volumes_err(v, errno, "remove", name, err);
	}
	record_path(name, path);
	(void)unlinkat(v->fd, path, 0); /* without a volume it says nothing */
	rc = io_remove_tree(v->fd, temp);
	volume_lock_retire(v, name, lock);
	return rc ? volumes_err(v, -rc, "remove", temp, err) : 0;
}

/* ".NAME.xxxxxxxx" to NAME. */
static bool temp_owner(const char *temp, char name[SANDBOX_NAME_MAX + 1])
{
	size_t len = strlen(temp);

	if (temp[0] != '.' || len < 11 || len - 10 > SANDBOX_NAME_MAX ||
	    temp[len - 9] != '.' ||
	    strspn(temp + len - 8, "0123456789abcdef") != 8)
		return false;
	memcpy(name, temp + 1, len - 10);
	name[len - 10] = 0;
	return sandbox_name_valid(name);
}

void volumes_sweep(const struct volumes *v)
{
	char name[SANDBOX_NAME_MAX + 1];
	DIR *d = open_listing(v);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		autoclose int lock = -1;

		if (!temp_owner(e->d_name, name))
			continue;
		lock = volume_lock(v, name, true, 0, NULL);
		if (lock >= 0) /* what cannot go now is tried again */
			(void)io_remove_tree(v->fd, e->d_name);
	}
	if (d)
		(void)closedir(d);
}
