/* SPDX-License-Identifier: Apache-2.0 */
/* The image store's directory: opening, locking, paths, atomic files. */
#include "image/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "image/store_int.h"

int store_err(struct err *err, int sys, const char *fmt, ...)
{
	enum err_kind kind = ERR_IO;
	char what[256], text[128];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (sys == ENOSPC || sys == EDQUOT)
		kind = ERR_NO_SPACE;
	else if (sys == EACCES || sys == EPERM || sys == EROFS)
		kind = ERR_PERMISSION;
	else if (sys == ENOMEM)
		kind = ERR_NO_MEMORY;
	return err_set(err, kind, sys, "cannot %s: %s", what,
		       strerror_r(sys, text, sizeof(text)));
}

/* Missing parts are made on the way: most often nothing is missing. */
static int open_layout(struct image_store *s)
{
	static const char *const dirs[] = { STORE_LAYERS, STORE_MANIFESTS,
					    STORE_REFS, STORE_TMP };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdirat(s->fd, dirs[i], 0700) < 0 && errno != EEXIST)
			return -errno;
	s->lock_fd = openat(s->fd, ".lock",
			    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return s->lock_fd < 0 ? -errno : 0;
}

int image_store_open(const char *path, struct image_store *ret, struct err *err)
{
	struct image_store s = { .fd = -1, .lock_fd = -1 };
	int rc = 0;

	s.path = strdup(path);
	if (!s.path)
		return store_err(err, ENOMEM, "open the image store");
	s.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.fd < 0 && errno == ENOENT) {
		rc = io_mkdir_p(AT_FDCWD, path, 0700);
		if (!rc)
			s.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (!rc && s.fd < 0)
		rc = -errno;
	if (!rc)
		rc = open_layout(&s);
	if (rc) {
		rc = store_err(err, -rc, "open the image store '%s'", s.path);
		image_store_close(&s);
		return rc;
	}
	*ret = s;
	return 0;
}

void image_store_close(struct image_store *s)
{
	free(s->path);
	s->path = NULL;
	close_fd(&s->fd);
	close_fd(&s->lock_fd);
}

int image_store_lock(struct image_store *s, bool exclusive, struct err *err)
{
	while (flock(s->lock_fd, exclusive ? LOCK_EX : LOCK_SH) < 0)
		if (errno != EINTR)
			return store_err(err, errno,
					 "lock the image store '%s'", s->path);
	return 0;
}

void image_store_unlock(struct image_store *s)
{
	(void)flock(s->lock_fd, LOCK_UN); /* does not fail on a lock held */
}

static void digest_path(const char *dir, const struct digest *d,
			const char *suffix, char ret[STORE_PATH_MAX])
{
	char name[DIGEST_TEXT_MAX + 1];

	digest_file_name(d, name);
	(void)snprintf(ret, STORE_PATH_MAX, "%s/%s%s", dir, name, suffix);
}

void store_layer_file(const struct digest *diff_id, char ret[STORE_PATH_MAX])
{
	digest_path(STORE_LAYERS, diff_id, ".erofs", ret);
}

void store_merged_file(const struct digest *m, char ret[STORE_PATH_MAX])
{
	digest_path(STORE_MANIFESTS, m, ".erofs", ret);
}

void store_record_file(const struct digest *m, char ret[STORE_PATH_MAX])
{
	digest_path(STORE_MANIFESTS, m, ".json", ret);
}

bool store_file_digest(const char *name, const char *suffix, struct digest *ret)
{
	char text[DIGEST_TEXT_MAX + 1], *bar;
	size_t len = strlen(name), cut = strlen(suffix);

	if (len <= cut || strcmp(name + len - cut, suffix) != 0 ||
	    len - cut > DIGEST_TEXT_MAX)
		return false;
	memcpy(text, name, len - cut);
	text[len - cut] = 0;
	bar = strchr(text, '_');
	if (!bar)
		return false;
	*bar = ':';
	return digest_parse(text, ret) == 0;
}

char *image_store_merged_path(const struct image_store *s,
			      const struct digest *manifest)
{
	char file[STORE_PATH_MAX];

	store_merged_file(manifest, file);
	return str_fmt("%s/%s", s->path, file);
}

char *image_store_layer_path(const struct image_store *s,
			     const struct digest *diff_id)
{
	char file[STORE_PATH_MAX];

	store_layer_file(diff_id, file);
	return str_fmt("%s/%s", s->path, file);
}

static int open_part(int dirfd, const char *name, bool create)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dirfd, name, flags);

	if (fd < 0 && errno == ENOENT && create) {
		if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
			return -errno;
		fd = openat(dirfd, name, flags);
	}
	return fd < 0 ? -errno : fd;
}

int store_open_dir(int dirfd, const char *path, bool create)
{
	autofree char *copy = strdup(path);
	char *save = NULL;
	int fd = -1;

	if (!copy)
		return -ENOMEM;
	for (char *part = strtok_r(copy, "/", &save); part;
	     part = strtok_r(NULL, "/", &save)) {
		int next = open_part(fd < 0 ? dirfd : fd, part, create);

		close_fd(&fd);
		if (next < 0)
			return next;
		fd = next;
	}
	return fd < 0 ? -EINVAL : fd;
}

/* Written under a name nobody else uses, so that two writers do no harm. */
static int write_new(int tmp, const char *name, const void *data, size_t len)
{
	autoclose int fd = openat(
		tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		0600);
	int rc;

	if (fd < 0)
		return -errno;
	rc = io_write_full(fd, data, len);
	if (!rc && fsync(fd) < 0)
		rc = -errno;
	if (rc)
		(void)unlinkat(tmp, name, 0); /* the first error matters */
	return rc;
}

int store_write_file(const struct image_store *s, int dirfd, const char *name,
		     const void *data, size_t len)
{
	autoclose int tmp = store_open_dir(s->fd, STORE_TMP, true);
	char unique[48];
	uint64_t random;
	int rc;

	if (tmp < 0)
		return tmp;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	(void)snprintf(unique, sizeof(unique), "record-%016llx",
		       (unsigned long long)random);
	rc = write_new(tmp, unique, data, len);
	if (rc)
		return rc;
	if (renameat(tmp, unique, dirfd, name) < 0) {
		rc = -errno;
		(void)unlinkat(tmp, unique, 0);
		return rc;
	}
	return fsync(dirfd) < 0 ? -errno : 0;
}
