/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing a directory with everything in it, in steps.
 *
 * The tree belongs to the guest and may be of any depth, so there is neither
 * recursion nor a descriptor per level: one descriptor walks down by name and
 * up by "..". Going up is checked against what was there on the way down, so
 * that somebody who moves directories about meanwhile cannot lead the walk to
 * another place. Symbolic links are removed, never followed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/fs_int.h"
#include "base/cleanup.h"

#define DEPTH_MAX 65536
#define ROUNDS_MAX 128
#define DENTS_SIZE 8192

/* A directory on the way from the root of the tree to where the walk is. */
struct level {
	dev_t dev;
	ino_t ino;
	char *name; /* in its parent; NULL for the root of the tree */
};

struct fs_removal {
	struct fs_stream stream;
	char *path; /* owned */
	int fd;	    /* owned: directory of the deepest level */
	struct level *levels;
	size_t depth, room;
};

/* Room for one more level. */
static int grow(struct fs_removal *r)
{
	size_t room = r->room ? r->room * 2 : 16;
	struct level *more;

	if (r->depth == DEPTH_MAX)
		return -ENAMETOOLONG;
	if (r->depth < r->room)
		return 0;
	more = realloc(r->levels, room * sizeof(*more));
	if (!more)
		return -ENOMEM;
	r->levels = more;
	r->room = room;
	return 0;
}

static int push_level(struct fs_removal *r, int fd, const char *name)
{
	struct level *l;
	struct stat st;
	int rc = grow(r);

	if (rc)
		return rc;
	if (fstat(fd, &st) < 0)
		return -errno;
	l = &r->levels[r->depth];
	*l = (struct level){ .dev = st.st_dev, .ino = st.st_ino };
	if (name) {
		l->name = strdup(name);
		if (!l->name)
			return -ENOMEM;
	}
	r->depth++;
	return 0;
}

static int descend(struct fs_removal *r, const char *name)
{
	autoclose int fd = openat(
		r->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc = fd < 0 ? -errno : push_level(r, fd, name);

	if (rc)
		return rc;
	close_fd(&r->fd);
	r->fd = take_fd(&fd);
	return 0;
}

/* Leave the empty directory and remove it from its parent. */
static int ascend(struct fs_removal *r)
{
	struct level *left = &r->levels[r->depth - 1];
	const struct level *up = left - 1;
	autofree char *name = take_ptr(left->name);
	autoclose int fd = -1;
	struct stat st;

	r->depth--;
	if (!r->depth)
		return rmdir(r->path) < 0 ? -errno : 0;
	fd = openat(r->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != up->dev || st.st_ino != up->ino)
		return -ESTALE;
	close_fd(&r->fd);
	r->fd = take_fd(&fd);
	return unlinkat(r->fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* 1: removed, 0: it is a directory. */
static int unlink_entry(int fd, const struct dirent64 *e)
{
	struct stat st;
	bool is_dir = e->d_type == DT_DIR;

	if (e->d_type == DT_UNKNOWN) {
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 1 : -errno;
		is_dir = S_ISDIR(st.st_mode);
	}
	if (is_dir)
		return 0;
	if (unlinkat(fd, e->d_name, 0) < 0 && errno != ENOENT)
		return errno == EISDIR ? 0 : -errno;
	return 1;
}

/*
 * Read the current directory from its start, as entries vanish under the
 * reading; remove what is no directory, go into the first that is one.
 * Returns 1 to go on, 0 when all is gone, -errno.
 */
static int tree_step(struct fs_removal *r)
{
	_Alignas(struct dirent64) char dents[DENTS_SIZE];
	bool seen = false;
	int rc;

	if (lseek(r->fd, 0, SEEK_SET) < 0)
		return -errno;
	for (int round = 0; round < ROUNDS_MAX; round++) {
		ssize_t n = getdents64(r->fd, dents, sizeof(dents));

		if (n < 0)
			return -errno;
		if (!n)
			break;
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(dents + at);

			at += e->d_reclen;
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
				continue;
			seen = true;
			rc = unlink_entry(r->fd, e);
			if (!rc)
				rc = descend(r, e->d_name);
			else if (rc > 0)
				continue;
			return rc < 0 ? rc : 1;
		}
		if (seen)
			return 1;
	}
	rc = ascend(r);
	return rc ? rc : r->depth > 0;
}

static bool remove_step(struct fs_stream *one)
{
	struct fs_removal *r = container_of(one, struct fs_removal, stream);
	int rc = tree_step(r);

	if (rc > 0)
		return true;
	fs_send_result(one->service->a, one->session.id, "remove_dir", rc);
	return false;
}

static void remove_fini(struct fs_stream *one)
{
	struct fs_removal *r = container_of(one, struct fs_removal, stream);

	for (size_t i = 0; i < r->depth; i++)
		free(r->levels[i].name);
	free(r->levels);
	free(r->path);
	close_fd(&r->fd);
}

void fs_remove_tree(struct fs_service *s, uint32_t id, const char *path)
{
	struct fs_removal *r;
	struct stat st;
	int rc = 0;

	/* a link to a directory is a thing to remove, not a way to go */
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
		fs_send_result(s->a, id, "remove_dir",
			       unlink(path) < 0 ? -errno : 0);
		return;
	}
	r = (struct fs_removal *)fs_stream_new(s, id, sizeof(*r));
	if (!r)
		return;
	r->fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r->fd < 0)
		rc = -errno;
	if (!rc)
		rc = push_level(r, r->fd, NULL);
	if (!rc) {
		r->path = strdup(path);
		rc = r->path ? 0 : -ENOMEM;
	}
	r->stream.step = remove_step;
	r->stream.fini = remove_fini;
	if (!rc) {
		fs_stream_start(&r->stream);
		return;
	}
	fs_send_errno(s->a, id, "remove_dir", -rc);
	remove_fini(&r->stream);
	free(r);
}
