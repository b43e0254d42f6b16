/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Releases in a home: directories below lib, and the link bin/msb, which says
 * which of them is used. Everything happens under the lock of one updater;
 * whoever is killed leaves a link that leads to a whole release.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/process.h"
#include "api/release_int.h"
#include "base/io.h"

#define LOCK_NAME ".update"
#define LINK "msb"
#define LINK_NEW ".msb.new"
#define LINK_OLD ".msb.old"
#define LIB "../lib/"
#define PROGRAM "/bin/msb"
#define SECOND_NAME "microsandbox"
#define SAME_MAX 1000u

/* ---- directories --------------------------------------------------------- */

static int open_below(const struct home *h, const char *name, struct err *err)
{
	int rc = io_mkdir_p(h->fd, name, 0755), fd = -1;

	if (!rc)
		fd = openat(h->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, ERR_IO, rc ? -rc : errno, "use '%s/%s'",
			       h->path, name);
	return fd;
}

int release_tree_open(msb_t *m, struct release_tree *ret, struct err *err)
{
	struct release_tree t = {
		.home = m->home.path, .lib = -1, .bin = -1, .lock = -1
	};

	t.lock = lifecycle_lock(&m->home, LOCK_NAME, LOCK_WAIT_FOREVER, err);
	if (t.lock < 0)
		return t.lock;
	t.lib = open_below(&m->home, "lib", err);
	if (t.lib >= 0)
		t.bin = open_below(&m->home, "bin", err);
	if (t.bin < 0) {
		int rc = t.lib < 0 ? t.lib : t.bin;

		release_tree_close(&t);
		return rc;
	}
	*ret = t;
	return 0;
}

void release_tree_close(struct release_tree *t)
{
	close_fd(&t->lib);
	close_fd(&t->bin);
	close_fd(&t->lock);
}

void release_tree_unstage(const struct release_tree *t)
{
	(void)io_remove_tree(t->lib,
			     RELEASE_STAGE); /* else the next one does */
}

int release_tree_stage(const struct release_tree *t, struct err *err)
{
	int rc = io_remove_tree(t->lib, RELEASE_STAGE), fd = -1;

	if (!rc && mkdirat(t->lib, RELEASE_STAGE, 0700) < 0)
		rc = -errno;
	if (!rc)
		fd = openat(t->lib, RELEASE_STAGE,
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, ERR_IO, rc ? -rc : errno,
			       "use '%s/lib/" RELEASE_STAGE "'", t->home);
	return fd;
}

/* ---- does it work? ------------------------------------------------------- */

static int run(const char *path, const char *argument, char *how, size_t len)
{
	char *argv[] = { (char *)(uintptr_t)path, (char *)(uintptr_t)argument,
			 NULL };
	pid_t pid;
	int rc = program_spawn(path, argv, environ, NULL, 0, &pid);

	if (!rc)
		program_end(pid, how, len);
	return rc;
}

int release_try(const struct release_tree *t, const char *dir, const char *name,
		const char *argument, int status, struct err *err)
{
	autofree char *path = str_fmt("%s/%s/%s", t->home, dir, name);
	char how[32], want[32];
	int rc = path ? run(path, argument, how, sizeof(how)) : -ENOMEM;

	if (rc)
		return err_sys(err, ERR_RUNTIME, -rc, "start %s of the release",
			       name);
	(void)snprintf(want, sizeof(want), "status %d", status);
	if (!strcmp(how, want))
		return 0;
	return err_set(err, ERR_RUNTIME, ENOEXEC,
		       "%s of the release does not work on this host (%s)",
		       name, how);
}

/* ---- the link ------------------------------------------------------------ */

/* Directory in lib that the link leads into: true if it is one of ours. */
static bool linked_release(const struct release_tree *t, char *ret, size_t size)
{
	static const char before[] = LIB, after[] = PROGRAM;
	char target[PATH_MAX];
	ssize_t len = readlinkat(t->bin, LINK, target, sizeof(target) - 1);
	size_t n = len > 0 ? (size_t)len : 0;
	size_t around = sizeof(before) - 1 + sizeof(after) - 1;

	target[n] = 0;
	if (n <= around || n - around >= size ||
	    !str_starts(target, LIB RELEASE_PREFIX) || !str_ends(target, after))
		return false;
	memcpy(ret, target + sizeof(before) - 1, n - around);
	ret[n - around] = 0;
	return !strchr(ret, '/');
}

bool release_tree_uses(const struct release_tree *t, const char *top)
{
	char used[NAME_MAX + 1];
	size_t n = strlen(top);

	return linked_release(t, used, sizeof(used)) &&
	       !strncmp(used, top, n) && (!used[n] || used[n] == '.');
}

static int link_err(const struct release_tree *t, int rc, struct err *err)
{
	return err_sys(err, rc == -ENOSPC ? ERR_NO_SPACE : ERR_IO, -rc,
		       "replace '%s/bin/" LINK "'", t->home);
}

/* Have what is there now under another name, too: 1, or 0 for nothing. */
static int keep_old(const struct release_tree *t)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(t->bin, LINK, target, sizeof(target) - 1);

	if (n < 0 && errno == ENOENT)
		return 0;
	if (n >= 0) {
		target[n] = 0;
		return symlinkat(target, t->bin, LINK_OLD) < 0 ? -errno : 1;
	}
	if (errno != EINVAL) /* a file */
		return -errno;
	return linkat(t->bin, LINK, t->bin, LINK_OLD, 0) < 0 ? -errno : 1;
}

static void bring_back(const struct release_tree *t, bool had)
{
	if (had)
		(void)renameat(t->bin, LINK_OLD, t->bin, LINK);
	else
		(void)unlinkat(t->bin, LINK, 0);
}

static int switch_to(const struct release_tree *t, const char *name,
		     struct err *err)
{
	autofree char *target = str_fmt(LIB "%s" PROGRAM, name);
	int had, rc;

	if (!target)
		return api_no_memory(err);
	(void)unlinkat(t->bin, LINK_NEW, 0); /* of one that was killed */
	(void)unlinkat(t->bin, LINK_OLD, 0);
	had = keep_old(t);
	rc = had < 0 ? had : 0;
	if (!rc && (symlinkat(target, t->bin, LINK_NEW) < 0 ||
		    renameat(t->bin, LINK_NEW, t->bin, LINK) < 0))
		rc = -errno;
	if (rc) {
		(void)unlinkat(t->bin, LINK_NEW, 0);
		rc = link_err(t, rc, err);
	} else {
		rc = release_try(t, "bin", LINK, "--version", 0, err);
		if (rc)
			bring_back(t, had);
		else
			(void)fsync(t->bin);
	}
	(void)unlinkat(t->bin, LINK_OLD, 0); /* or it is not there any more */
	return rc;
}

/* ---- adopting ------------------------------------------------------------ */

/* Move it into lib by a name that is free. */
static int move_in(const struct release_tree *t, int tree_fd, const char *top,
		   char *name, size_t size, struct err *err)
{
	struct stat st;

	for (unsigned i = 0; i < SAME_MAX; i++) {
		(void)snprintf(name, size, i ? "%s.%u" : "%s", top, i);
		if (fstatat(t->lib, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (renameat(tree_fd, top, t->lib, name) < 0)
			return err_sys(err, ERR_IO, errno, "make '%s/lib/%s'",
				       t->home, name);
		(void)fsync(t->lib);
		return 0;
	}
	return err_set(err, ERR_IO, EEXIST,
		       "'%s/lib/%s' is there in many forms", t->home, top);
}

/* Other releases than these two: programs of the former may still run. */
static void remove_others(const struct release_tree *t, const char *now,
			  const char *before)
{
	int fd = openat(t->lib, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		close_fd(&fd);
		return;
	}
	while ((e = readdir(d)))
		if (str_starts(e->d_name, RELEASE_PREFIX) &&
		    strstr(e->d_name, RELEASE_SUFFIX) &&
		    strcmp(e->d_name, now) != 0 &&
		    strcmp(e->d_name, before) != 0)
			(void)io_remove_tree(t->lib, e->d_name);
	(void)closedir(d);
}

int release_tree_adopt(const struct release_tree *t, int tree_fd,
		       const char *top, struct err *err)
{
	char name[NAME_MAX + 1], before[NAME_MAX + 1] = "";
	int rc = move_in(t, tree_fd, top, name, sizeof(name), err);

	if (rc)
		return rc;
	(void)linked_release(t, before, sizeof(before));
	rc = switch_to(t, name, err);
	if (rc) {
		(void)io_remove_tree(t->lib, name);
		return rc;
	}
	/* the second name, unless something is there */
	(void)!symlinkat(LINK, t->bin, SECOND_NAME);
	remove_others(t, name, before);
	return 0;
}
