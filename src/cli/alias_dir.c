/* SPDX-License-Identifier: Apache-2.0 */
/* Files of installed commands. */
#include "cli/alias_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define NAMES_MAX 65536

static int no_memory(struct err *err)
{
	return err_sys(err, ERR_NO_MEMORY, ENOMEM, "look at commands");
}

int alias_dir_open(const char *path, bool make, struct err *err)
{
	int rc = make ? io_mkdir_p(AT_FDCWD, path, 0755) : 0, fd = -1;

	if (!rc)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, ERR_IO, rc ? -rc : errno, "use '%s'", path);
	return fd;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int alias_dir_names(int dir, struct strv *ret, struct err *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int rc = 0;

	if (!d) {
		rc = err_sys(err, ERR_IO, errno, "list commands");
		close_fd(&fd);
		return rc;
	}
	while (!rc && (e = readdir(d))) {
		if (*e->d_name == '.')
			continue;
		if (ret->n >= NAMES_MAX || strv_add(ret, e->d_name))
			rc = no_memory(err);
	}
	(void)closedir(d);
	if (!rc && ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	return rc;
}

int alias_dir_read(int dir, const char *name, struct alias_info *ret)
{
	/* whatever waits at the other end, we do not */
	autoclose int fd = openat(
		dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	struct buf b;
	int rc;

	if (fd < 0) /* ELOOP: a link, ENXIO: a socket */
		return errno == ELOOP || errno == ENXIO ? -EINVAL : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > ALIAS_SCRIPT_MAX)
		return -EINVAL;
	buf_init(&b, ALIAS_SCRIPT_MAX);
	rc = io_read_all(fd, &b);
	if (!rc)
		rc = alias_parse((const char *)buf_data(&b), buf_len(&b), ret);
	buf_fini(&b);
	return rc;
}

static int exists(const char *name, struct err *err)
{
	return err_set(err, ERR_INVALID, EEXIST,
		       "alias '%s' already exists (use --force to overwrite)",
		       name);
}

int alias_dir_check_free(int dir, const char *name, bool force, struct err *err)
{
	struct alias_info info;
	struct stat st;
	int rc;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : err_sys(err, ERR_IO, errno,
						 "look at '%s'", name);
	if (!force)
		return exists(name, err);
	rc = alias_dir_read(dir, name, &info);
	if (!rc)
		alias_info_fini(&info);
	else if (rc == -EINVAL)
		return err_set(err, ERR_INVALID, EEXIST,
			       "'%s' is not an msb-installed alias, and is "
			       "not overwritten",
			       name);
	else if (rc != -ENOENT)
		return err_sys(err, ERR_IO, -rc, "look at '%s'", name);
	return 0;
}

static int put(int fd, const void *data, size_t len)
{
	int rc = io_write_full(fd, data, len);

	/* whoever calls it may be anybody; the umask does not matter */
	if (!rc && fchmod(fd, 0755) < 0)
		rc = -errno;
	if (!rc && fsync(fd) < 0)
		rc = -errno;
	return rc;
}

int alias_dir_write(int dir, const char *name, const void *data, size_t len,
		    bool force, struct err *err)
{
	autofree char *tmp = str_fmt(".%s.%d.tmp", name, (int)getpid());
	autoclose int fd = -1;
	int rc;

	if (!tmp)
		return no_memory(err);
	(void)unlinkat(dir, tmp, 0); /* of a process that was killed */
	fd = openat(dir, tmp,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0755);
	rc = fd < 0 ? -errno : put(fd, data, len);
	if (!rc && (force ? renameat(dir, tmp, dir, name)
			  : linkat(dir, tmp, dir, name, 0)) < 0)
		rc = -errno;
	if (fd >= 0 && (rc || !force))
		(void)unlinkat(dir, tmp, 0);
	if (rc == -EEXIST)
		return exists(name, err);
	return rc ? err_sys(err, ERR_IO, -rc, "write '%s'", name) : 0;
}

/* Call fn with each directory of PATH until it says true. */
static bool any_on_path(bool (*fn)(int dir, void *ctx), void *ctx)
{
	const char *path = getenv("PATH");

	while (path && *path) {
		size_t n = strcspn(path, ":");
		autofree char *one = strndup(path, n);
		autoclose int dir = -1;

		if (one && *one)
			dir = open(one, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0 && fn(dir, ctx))
			return true;
		path += n + (path[n] == ':');
	}
	return false;
}

static bool is_same(int dir, void *ctx)
{
	const struct stat *want = ctx;
	struct stat st;

	return fstat(dir, &st) == 0 && st.st_dev == want->st_dev &&
	       st.st_ino == want->st_ino;
}

bool alias_dir_on_path(const char *dir)
{
	struct stat st;

	return stat(dir, &st) == 0 && any_on_path(is_same, &st);
}

static bool has_program(int dir, void *ctx)
{
	struct stat st;

	return fstatat(dir, ctx, &st, 0) == 0 && S_ISREG(st.st_mode) &&
	       faccessat(dir, ctx, X_OK, 0) == 0;
}

bool alias_dir_finds(const char *program)
{
	return any_on_path(has_program, (void *)(uintptr_t)program);
}

struct search {
	const char *program;
	struct stat in; /* the directory that is hoped for */
	bool there;
};

/* The first directory with such a program ends the search. */
static bool is_first(int dir, void *ctx)
{
	struct search *s = ctx;

	if (!has_program(dir, (void *)(uintptr_t)s->program))
		return false;
	s->there = is_same(dir, &s->in);
	return true;
}

bool alias_dir_leads_to(const char *program, const char *dir)
{
	struct search s = { .program = program };

	return stat(dir, &s.in) == 0 && any_on_path(is_first, &s) && s.there;
}
