/* SPDX-License-Identifier: Apache-2.0 */
/* Patches of the root file system. */
#include "agent/patch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define PARENT_MODE 0755u

/* One path on its way: text is relative to the root. */
struct place {
	int root;
	char text[PATH_MAX];
	int parent;	  /* owned; -1: not open */
	const char *name; /* in it; points into text */
};

/* Descriptor or -errno; links are followed as if root were "/". */
static int open_in(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, root, *path ? path : ".", &how,
			  sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* The directory at a prefix of the path, made in its parent when missing. */
static int step(const struct place *p, char *prefix, int parent)
{
	const char *name = strrchr(prefix, '/');
	int fd = open_in(p->root, prefix, O_PATH | O_DIRECTORY);

	if (fd != -ENOENT)
		return fd;
	name = name ? name + 1 : prefix;
	if (mkdirat(parent, name, PARENT_MODE) < 0)
		return errno == EEXIST ? -ENOENT : -errno; /* a dead link */
	fd = openat(parent, name,
		    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int make_parents(struct place *p)
{
	int parent = open_in(p->root, "", O_PATH | O_DIRECTORY);

	for (char *at = p->text; parent >= 0 && (at = strchr(at, '/')); at++) {
		int next;

		*at = 0;
		next = step(p, p->text, parent);
		*at = '/';
		(void)close(parent);
		parent = next;
	}
	return parent;
}

/* "/a//b" and "/a/./b" were made "/a/b" by whoever took the path from a
 * person; other forms come from nobody we know. */
static bool is_plain(const char *path)
{
	for (const char *at = path; *at;) {
		size_t len = strcspn(at, "/");

		if (!len || (len <= 2 && !strncmp(at, "..", len)))
			return false;
		at += len;
		if (*at && !*++at)
			return false;
	}
	return *path;
}

/* Open the parent of the path; make: also when it has to be made. */
static int place_open(struct place *p, const struct patch *patch, bool make)
{
	char *slash;

	memcpy(p->text, patch->path.p + 1, patch->path.len - 1);
	p->text[patch->path.len - 1] = 0;
	if (!is_plain(p->text))
		return -EINVAL;
	slash = strrchr(p->text, '/');
	p->name = slash ? slash + 1 : p->text;
	if (slash)
		*slash = 0;
	p->parent =
		open_in(p->root, slash ? p->text : "", O_PATH | O_DIRECTORY);
	if (slash)
		*slash = '/';
	if (p->parent == -ENOENT && make)
		p->parent = make_parents(p);
	return p->parent < 0 ? p->parent : 0;
}

/* Out of the way with what is there: 0, or why it has to stay. */
static int clear_place(const struct place *p, const struct patch *patch)
{
	struct stat st;

	if (fstatat(p->parent, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!patch->replace)
		return -EEXIST;
	if (S_ISDIR(st.st_mode) && patch->kind != PATCH_TREE)
		return -EISDIR;
	if (S_ISDIR(st.st_mode))
		return io_remove_tree(p->parent, p->name);
	return unlinkat(p->parent, p->name, 0) < 0 ? -errno : 0;
}

static int write_new(const struct place *p, const struct patch *patch)
{
	autoclose int fd = openat(
		p->parent, p->name,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (patch->data.len) {
		int rc = io_write_full(fd, patch->data.p, patch->data.len);

		if (rc)
			return rc;
	}
	return fchmod(fd, patch->mode) < 0 ? -errno : 0;
}

static int append(int root, const struct patch *patch, const char *path)
{
	/* not blocking: there may be a FIFO */
	int fd = open_in(root, path,
			 O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int rc = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -EINVAL;
	else if (patch->data.len)
		rc = io_write_full(fd, patch->data.p, patch->data.len);
	(void)close(fd);
	return rc;
}

static int make_dir(const struct place *p, const struct patch *patch)
{
	int fd;

	if (mkdirat(p->parent, p->name, 0700) == 0)
		return fchmodat(p->parent, p->name, patch->mode, 0) < 0 ? -errno
									: 0;
	if (errno != EEXIST || patch->kind == PATCH_TREE)
		return -errno;
	fd = open_in(p->root, p->text, O_PATH | O_DIRECTORY);
	if (fd >= 0)
		(void)close(fd);
	return fd < 0 ? fd : 0;
}

static int make_link(const struct place *p, const struct patch *patch)
{
	char target[PATH_MAX];

	memcpy(target, patch->data.p, patch->data.len);
	target[patch->data.len] = 0;
	return symlinkat(target, p->parent, p->name) < 0 ? -errno : 0;
}

static int apply_at(struct place *p, const struct patch *patch)
{
	bool make = patch->kind != PATCH_REMOVE && patch->kind != PATCH_APPEND;
	int rc = place_open(p, patch, make);

	if (patch->kind == PATCH_REMOVE && (rc == -ENOENT || rc == -ENOTDIR))
		return 0;
	if (!rc && make && patch->kind != PATCH_MKDIR)
		rc = clear_place(p, patch);
	if (rc)
		return rc;
	switch (patch->kind) {
	case PATCH_FILE:
		return write_new(p, patch);
	case PATCH_APPEND:
		return append(p->root, patch, p->text);
	case PATCH_SYMLINK:
		return make_link(p, patch);
	case PATCH_MKDIR:
	case PATCH_TREE:
		return make_dir(p, patch);
	case PATCH_REMOVE:
		break;
	}
	return io_remove_tree(p->parent, p->name);
}

static int apply(int root, const struct patch *patch)
{
	struct place p = { .root = root, .parent = -1 };
	int rc = apply_at(&p, patch);

	close_fd(&p.parent);
	return rc;
}

static const char *reason(const struct patch *patch, int rc)
{
	if (rc == -EEXIST)
		return "it exists already, and replace was not asked for";
	if (rc == -EISDIR)
		return "a directory is there";
	if (rc == -EINVAL && patch->kind == PATCH_APPEND)
		return "it is no regular file";
	return strerror(-rc);
}

int patch_apply_all(int rootfd, struct view encoded, struct err *err)
{
	struct patch patch;
	struct cbor c;
	int rc, got;

	cbor_init(&c, encoded, NULL);
	while ((got = patch_next(&c, &patch)) > 0) {
		rc = apply(rootfd, &patch);
		if (rc)
			return err_set(
				err, ERR_PATCH, -rc, "%.*s: %s",
				patch.path.len < 200 ? (int)patch.path.len
						     : 200,
				(const char *)patch.path.p, reason(&patch, rc));
	}
	return got ? err_set(err, ERR_PATCH, -got, "they cannot be read") : 0;
}

int patch_root(uint64_t bytes, struct err *err)
{
	autoclose int fd = open(PATCHES_PATH, O_RDONLY | O_CLOEXEC);
	autoclose int root = -1;
	struct stat st;
	void *data;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_PATCH, errno, "read " PATCHES_PATH);
	if ((uint64_t)st.st_size != bytes) /* no room to unpack it */
		return err_set(err, ERR_PATCH, ENOMEM,
			       "they did not fit into the guest's memory");
	/* they lie in memory already: no copies */
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_sys(err, ERR_PATCH, errno, "read " PATCHES_PATH);
	root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = root < 0 ? err_sys(err, ERR_PATCH, errno, "open the root")
		      : patch_apply_all(
				root, (struct view){ data, (size_t)st.st_size },
				err);
	(void)munmap(data, (size_t)st.st_size);
	(void)unlink(PATCHES_PATH);
	/* they are not sent a second time: what can be lost later must not be
	 * these */
	if (!rc && syncfs(root) < 0)
		rc = err_sys(err, ERR_PATCH, errno, "write them to the disk");
	return rc;
}
