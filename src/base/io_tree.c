/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing and measuring directory trees of any depth.
 *
 * What is in such a tree may be a guest's work, so there is neither recursion
 * nor a descriptor per level: one descriptor walks down by name and up by "..".
 * Going up is checked against what was there on the way down, so that somebody
 * who moves directories about meanwhile cannot lead the walk elsewhere.
 * Symbolic links are entries, never ways to go.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"

#define DEPTH_MAX 1000000u
#define DENTS_SIZE 16384

/* A directory on the way from the root of the tree to where the walk is. */
struct level {
	dev_t dev;
	ino_t ino;
	off_t next;	/* where to go on reading when back */
	char name[256]; /* in its parent; "" for the root */
};

struct walk {
	int fd; /* owned: directory of the deepest level */
	struct level *levels;
	size_t depth, room;
};

static void walk_fini(struct walk *w)
{
	close_fd(&w->fd);
	free(w->levels);
}

static int push(struct walk *w, int fd, const char *name)
{
	struct level *l;
	struct stat st;

	if (w->depth == w->room) {
		size_t room = w->room ? w->room * 2 : 16;

		if (w->room >= DEPTH_MAX)
			return -ENAMETOOLONG;
		l = reallocarray(w->levels, room, sizeof(*l));
		if (!l)
			return -ENOMEM;
		w->levels = l;
		w->room = room;
	}
	if (strlen(name) >= sizeof(l->name))
		return -ENAMETOOLONG;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* Mounted by somebody: not ours to touch. */
	if (w->depth && st.st_dev != w->levels[w->depth - 1].dev)
		return -EXDEV;
	l = &w->levels[w->depth++];
	*l = (struct level){ .dev = st.st_dev, .ino = st.st_ino };
	(void)stpcpy(l->name, name);
	return 0;
}

static int open_dir(int at, const char *name, bool force)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(at, name, flags);
	struct stat st;

	if (fd < 0 && errno == EACCES && force &&
	    fchmodat(at, name, 0700, 0) == 0) /* our own unreadable one */
		fd = openat(at, name, flags);
	if (fd < 0)
		return -errno;
	if (force && fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
		(void)fchmod(fd, 0700); /* else removing tells */
	return fd;
}

static int enter(struct walk *w, const char *name, bool force)
{
	autoclose int fd = open_dir(w->fd, name, force);
	int rc = fd < 0 ? fd : push(w, fd, name);

	if (rc)
		return rc;
	close_fd(&w->fd);
	w->fd = take_fd(&fd);
	return 0;
}

/* To the parent; its entry for what was left is in name. */
static int leave(struct walk *w, char name[256])
{
	const struct level *up = &w->levels[w->depth - 2];
	autoclose int fd =
		openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != up->dev || st.st_ino != up->ino)
		return -ESTALE;
	(void)stpcpy(name, up[1].name);
	w->depth--;
	close_fd(&w->fd);
	w->fd = take_fd(&fd);
	return 0;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* 1 a directory, 0 something else, -ENOENT: it has gone meanwhile. */
static int entry_stat(int fd, const struct dirent64 *e, struct stat *st)
{
	if (fstatat(fd, e->d_name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return S_ISDIR(st->st_mode);
}

/* ---- removing ----------------------------------------------------------- */

/* 1: removed, 0: it is a directory. */
static int unlink_entry(int fd, const struct dirent64 *e)
{
	struct stat st;
	int rc = e->d_type == DT_DIR;

	if (e->d_type == DT_UNKNOWN)
		rc = entry_stat(fd, e, &st);
	if (rc == -ENOENT)
		return 1;
	if (rc)
		return rc < 0 ? rc : 0;
	if (unlinkat(fd, e->d_name, 0) < 0 && errno != ENOENT)
		return errno == EISDIR ? 0 : -errno;
	return 1;
}

/*
 * One pass over the current directory, from its start as entries vanish under
 * the reading: 1 went into a directory, 0 it is empty.
 */
static int remove_pass(struct walk *w)
{
	_Alignas(struct dirent64) char dents[DENTS_SIZE];

	if (lseek(w->fd, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		ssize_t n = getdents64(w->fd, dents, sizeof(dents));

		if (n <= 0)
			return n ? -errno : 0;
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(dents + at);
			int rc;

			at += e->d_reclen;
			if (is_dots(e->d_name))
				continue;
			rc = unlink_entry(w->fd, e);
			if (rc < 0)
				return rc;
			if (rc)
				continue;
			rc = enter(w, e->d_name, true);
			return rc ? rc : 1;
		}
	}
}

static int remove_contents(struct walk *w)
{
	char name[256];
	int rc;

	for (;;) {
		rc = remove_pass(w);
		if (rc < 0)
			return rc;
		if (rc)
			continue;
		if (w->depth == 1)
			return 0;
		rc = leave(w, name);
		if (rc)
			return rc;
		/* Not empty: somebody adds to it; then it is read again. */
		if (unlinkat(w->fd, name, AT_REMOVEDIR) < 0 &&
		    errno != ENOENT && errno != ENOTEMPTY)
			return -errno;
	}
}

int io_remove_tree(int dirfd, const char *path)
{
	MSB_CLEANUP(walk_fini) struct walk w = { .fd = -1 };
	struct stat st;
	int rc;

	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode)) {
		if (unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
			return -errno;
		return 0;
	}
	w.fd = open_dir(dirfd, path, true);
	if (w.fd < 0)
		return w.fd == -ENOENT ? 0 : w.fd;
	rc = push(&w, w.fd, "");
	if (!rc)
		rc = remove_contents(&w);
	if (rc)
		return rc;
	if (unlinkat(dirfd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

/* ---- measuring ---------------------------------------------------------- */

/* 1 went into a directory, 0 it is done. What cannot be read counts nothing. */
static int usage_pass(struct walk *w, uint64_t *sum)
{
	_Alignas(struct dirent64) char dents[DENTS_SIZE];

	for (;;) {
		ssize_t n = getdents64(w->fd, dents, sizeof(dents));

		if (n <= 0)
			return n ? -errno : 0;
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(dents + at);
			struct stat st;
			int rc;

			at += e->d_reclen;
			if (is_dots(e->d_name) ||
			    (rc = entry_stat(w->fd, e, &st)) < 0)
				continue;
			/* Each name of a file counts its share. */
			if (S_ISREG(st.st_mode) && st.st_nlink)
				*sum += (uint64_t)st.st_size / st.st_nlink;
			if (!rc)
				continue;
			w->levels[w->depth - 1].next = e->d_off;
			rc = enter(w, e->d_name, false);
			if (!rc)
				return 1;
			if (rc == -ENOMEM)
				return rc;
		}
	}
}

int io_tree_usage(int dirfd, const char *path, uint64_t *ret)
{
	MSB_CLEANUP(walk_fini) struct walk w = { .fd = -1 };
	uint64_t sum = 0;
	char name[256];
	int rc;

	w.fd = open_dir(dirfd, path, false);
	if (w.fd < 0)
		return w.fd;
	rc = push(&w, w.fd, "");
	while (!rc) {
		rc = usage_pass(&w, &sum);
		if (rc > 0) {
			rc = 0;
			continue;
		}
		if (rc || w.depth == 1)
			break;
		rc = leave(&w, name);
		if (!rc &&
		    lseek(w.fd, w.levels[w.depth - 1].next, SEEK_SET) < 0)
			rc = -errno;
	}
	if (!rc)
		*ret = sum;
	return rc;
}
