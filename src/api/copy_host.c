/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of a copy. Below the root no symbolic link is followed, in
 * either direction: each part of a path is opened by itself.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/copy_int.h"
#include "base/io.h"

#define CHUNK 262144u
#define LINK_MAX_LEN 4096u

struct host_end {
	struct copy_end end;
	char *root; /* for messages */
	int dir_fd; /* destination: directory of the root, when it has a name */
	char *name; /* of the root in it; NULL: the root is what root names */
	int root_fd;   /* directory, or the source's file */
	bool is_file;  /* source */
	int fd;	       /* file being written */
	char *writing; /* its rel */
	uint8_t *chunk;
};

static struct host_end *host_of(struct copy_end *e)
{
	return container_of(e, struct host_end, end);
}

static int host_err(const struct host_end *h, int sys, const char *action,
		    const char *rel, struct err *err)
{
	autofree char *full = h->root ? copy_join(h->root, rel) : strdup(rel);

	return path_err(err, sys, action, full ? full : rel);
}

static void host_free(struct copy_end *e)
{
	struct host_end *h = host_of(e);

	close_fd(&h->dir_fd);
	close_fd(&h->root_fd);
	close_fd(&h->fd);
	free(h->root);
	free(h->name);
	free(h->writing);
	free(h->chunk);
	free(h);
}

static void node_of(const struct stat *st, struct copy_node *ret)
{
	*ret = (struct copy_node){
		.kind = S_ISREG(st->st_mode)   ? MSB_FS_FILE
			: S_ISDIR(st->st_mode) ? MSB_FS_DIR
			: S_ISLNK(st->st_mode) ? MSB_FS_SYMLINK
					       : MSB_FS_OTHER,
		.mode = st->st_mode & 07777,
		.mtime_s = st->st_mtim.tv_sec,
	};
}

static int host_look(struct copy_end *e, const char *path,
		     struct copy_node *ret, struct err *err)
{
	struct stat st;

	(void)e;
	if (stat(path, &st) < 0)
		return err_sys(err, ERR_IO, errno, "'%.300s'", path);
	node_of(&st, ret);
	return 0;
}

static int host_canonical(struct copy_end *e, const char *path, char **ret,
			  struct err *err)
{
	(void)e;
	*ret = realpath(path, NULL);
	return *ret ? 0 : err_sys(err, ERR_IO, errno, "'%.300s'", path);
}

/* ---- below the root ----------------------------------------------------- */

/*
 * The directory that rel is in, opened, and its last part; for "" the root's
 * own directory and name.
 */
static int open_parent(const struct host_end *h, const char *rel, int *ret_fd,
		       const char **ret_last)
{
	autoclose int fd = -1;
	const char *slash;

	if (!*rel) {
		if (!h->name)
			return -EISDIR;
		*ret_last = h->name;
		*ret_fd = fcntl(h->dir_fd, F_DUPFD_CLOEXEC, 3);
		return *ret_fd < 0 ? -errno : 0;
	}
	fd = fcntl(h->root_fd, F_DUPFD_CLOEXEC, 3);
	while (fd >= 0 && (slash = strchr(rel, '/'))) {
		char part[256];
		int next;

		if ((size_t)(slash - rel) >= sizeof(part))
			return -ENAMETOOLONG;
		memcpy(part, rel, (size_t)(slash - rel));
		part[slash - rel] = 0;
		next = openat(fd, part,
			      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close_fd(&fd);
		fd = next;
		rel = slash + 1;
	}
	if (fd < 0)
		return -errno;
	*ret_last = rel;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* A directory below the root, or the root. */
static int open_dir(const struct host_end *h, const char *rel)
{
	autoclose int at = -1;
	const char *last = NULL;
	int fd, rc;

	if (!*rel)
		fd = openat(h->root_fd, ".",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else {
		rc = open_parent(h, rel, &at, &last);
		if (!last)
			return rc;
		fd = openat(at, last,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

/* ---- source ------------------------------------------------------------- */

static int host_from(struct copy_end *e, const char *path,
		     const struct copy_node *node, struct err *err)
{
	struct host_end *h = host_of(e);
	struct stat st;

	h->root = strdup(path);
	if (!h->root)
		return api_no_memory(err);
	h->is_file = node->kind == MSB_FS_FILE;
	h->root_fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC |
					(h->is_file ? 0 : O_DIRECTORY));
	if (h->root_fd < 0)
		return host_err(h, errno, "read", "", err);
	if (h->is_file && (fstat(h->root_fd, &st) < 0 || !S_ISREG(st.st_mode)))
		return host_err(h, EINVAL, "read", "", err);
	return 0;
}

static int list_one(DIR *d, const char *name, copy_entry_fn fn, void *ctx,
		    struct err *err)
{
	struct copy_node node;
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* it has gone */
	node_of(&st, &node);
	return fn(ctx, name, &node, err);
}

static int host_list(struct copy_end *e, const char *rel, copy_entry_fn fn,
		     void *ctx, struct err *err)
{
	struct host_end *h = host_of(e);
	int fd = open_dir(h, rel), rc = 0;
	const struct dirent *entry;
	DIR *d;

	if (fd < 0)
		return host_err(h, -fd, "read the directory", rel, err);
	d = fdopendir(fd);
	if (!d) {
		close_fd(&fd);
		return api_no_memory(err);
	}
	while (!rc && (entry = readdir(d)))
		rc = list_one(d, entry->d_name, fn, ctx, err);
	(void)closedir(d);
	return rc;
}

static int open_source(const struct host_end *h, const char *rel)
{
	autoclose int at = -1, fd = -1;
	const char *last = NULL;
	struct stat st;
	int rc;

	if (!*rel) {
		fd = fcntl(h->root_fd, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? -errno : take_fd(&fd);
	}
	rc = open_parent(h, rel, &at, &last);
	if (rc)
		return rc;
	fd = openat(at, last,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? take_fd(&fd) : -EINVAL;
}

static int host_read(struct copy_end *e, const char *rel, copy_sink_fn sink,
		     void *ctx, struct err *err)
{
	struct host_end *h = host_of(e);
	autoclose int fd = open_source(h, rel);
	int rc = 0;

	if (fd < 0)
		return host_err(h, -fd, "read", rel, err);
	while (!rc) {
		ssize_t n = io_read(fd, h->chunk, CHUNK);

		if (n < 0)
			return host_err(h, (int)-n, "read", rel, err);
		if (!n)
			break;
		rc = sink(ctx, h->chunk, (size_t)n, err);
	}
	return rc;
}

static int host_read_link(struct copy_end *e, const char *rel, char **ret,
			  struct err *err)
{
	struct host_end *h = host_of(e);
	char target[LINK_MAX_LEN + 1];
	autoclose int at = -1;
	const char *last = NULL;
	ssize_t n;
	int rc = open_parent(h, rel, &at, &last);

	if (rc)
		return host_err(h, -rc, "read the link", rel, err);
	n = readlinkat(at, last, target, sizeof(target));
	if (n < 0 || n > (ssize_t)LINK_MAX_LEN)
		return host_err(h, n < 0 ? errno : ENAMETOOLONG,
				"read the link", rel, err);
	*ret = strndup(target, (size_t)n);
	return *ret ? 0 : api_no_memory(err);
}

/* ---- destination -------------------------------------------------------- */

static int host_to(struct copy_end *e, const char *path, const char *name,
		   struct err *err)
{
	struct host_end *h = host_of(e);

	h->root = name ? copy_join(path, name) : strdup(path);
	h->name = name ? strdup(name) : NULL;
	if (!h->root || (name && !h->name))
		return api_no_memory(err);
	h->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->dir_fd < 0 && (name || errno != ENOTDIR))
		return host_err(h, errno, "open the directory", "", err);
	return 0;
}

static int host_make_dir(struct copy_end *e, const char *rel, struct err *err)
{
	struct host_end *h = host_of(e);
	autoclose int at = -1, fd = -1;
	const char *last = NULL;
	bool made;
	int rc = 0;

	if (!*rel && !h->name) { /* the user's own directory */
		h->root_fd = take_fd(&h->dir_fd);
		return 0;
	}
	rc = open_parent(h, rel, &at, &last);
	if (rc)
		return host_err(h, -rc, "create directory", rel, err);
	made = mkdirat(at, last, 0700) == 0;
	if (!made && errno != EEXIST)
		return host_err(h, errno, "create directory", rel, err);
	fd = openat(at, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return host_err(h, errno, "write into the directory", rel, err);
	if (!*rel)
		h->root_fd = take_fd(&fd);
	return made;
}

static int host_make_link(struct copy_end *e, const char *rel,
			  const char *target, struct err *err)
{
	struct host_end *h = host_of(e);
	autoclose int at = -1;
	const char *last = NULL;
	int rc = open_parent(h, rel, &at, &last);

	if (!rc && unlinkat(at, last, 0) < 0 && errno != ENOENT)
		rc = -errno;
	if (!rc && symlinkat(target, at, last) < 0)
		rc = -errno;
	return rc ? host_err(h, -rc, "create the link", rel, err) : 0;
}

/* A file in the tree: whatever has its name goes, unless it is a directory. */
static int create_in_tree(const struct host_end *h, const char *rel)
{
	autoclose int at = -1;
	const char *last = NULL;
	int rc = open_parent(h, rel, &at, &last), fd;

	if (rc)
		return rc;
	if (unlinkat(at, last, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(at, last,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int host_create(struct copy_end *e, const char *rel,
		       const struct copy_node *node, struct err *err)
{
	struct host_end *h = host_of(e);

	(void)node; /* its mode comes last: it may forbid to write */
	h->writing = strdup(rel);
	if (!h->writing)
		return api_no_memory(err);
	if (!*rel && !h->name) { /* the user's own file, also a device */
		h->fd = open(h->root,
			     O_WRONLY | O_TRUNC | O_NOCTTY | O_CLOEXEC);
		if (h->fd < 0)
			h->fd = -errno;
	} else {
		h->fd = create_in_tree(h, rel);
	}
	if (h->fd >= 0)
		return 0;
	free(take_ptr(h->writing));
	return host_err(h, -h->fd, "create", rel, err);
}

static int host_write(struct copy_end *e, const void *data, size_t len,
		      struct err *err)
{
	struct host_end *h = host_of(e);
	int rc = io_write_full(h->fd, data, len);

	return rc ? host_err(h, -rc, "write", h->writing, err) : 0;
}

/*
 * Owner's bits of a guest's file mean the guest's users: without set-uid and
 * set-gid, which would be ours here.
 */
static int set_attributes(int fd, const struct copy_node *node)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   { .tv_sec = node->mtime_s } };

	if (fchmod(fd, node->mode & 0777) < 0)
		return -errno;
	/* A time the file system does not have is no reason to fail. */
	(void)!futimens(fd, times);
	return 0;
}

static int host_finish(struct copy_end *e, const struct copy_node *node,
		       struct err *err)
{
	struct host_end *h = host_of(e);
	autofree char *rel = take_ptr(h->writing);
	struct stat st;
	int rc = 0;

	/* What the user named and had before keeps its own mode. */
	if ((*rel || h->name) && fstat(h->fd, &st) == 0)
		rc = set_attributes(h->fd, node);
	if (close(take_fd(&h->fd)) < 0 && !rc)
		rc = -errno;
	return rc ? host_err(h, -rc, "write", rel, err) : 0;
}

static void host_abandon(struct copy_end *e)
{
	struct host_end *h = host_of(e);
	autofree char *rel = take_ptr(h->writing);
	autoclose int at = -1;
	const char *last = NULL;

	close_fd(&h->fd);
	if (rel && !open_parent(h, rel, &at, &last))
		(void)unlinkat(at, last, 0); /* better than half a file */
}

static int host_finish_dir(struct copy_end *e, const char *rel,
			   const struct copy_node *node, struct err *err)
{
	struct host_end *h = host_of(e);
	autoclose int fd = open_dir(h, rel);
	int rc = fd < 0 ? fd : set_attributes(fd, node);

	return rc ? host_err(h, -rc, "set the mode of", rel, err) : 0;
}

static const struct copy_ops host_ops = {
	.free = host_free,
	.look = host_look,
	.canonical = host_canonical,
	.from = host_from,
	.list = host_list,
	.read = host_read,
	.read_link = host_read_link,
	.to = host_to,
	.make_dir = host_make_dir,
	.make_link = host_make_link,
	.create = host_create,
	.write = host_write,
	.finish = host_finish,
	.abandon = host_abandon,
	.finish_dir = host_finish_dir,
};

int copy_host_new(struct copy_end **ret, struct err *err)
{
	struct host_end *h = calloc(1, sizeof(*h));

	if (h)
		h->chunk = malloc(CHUNK);
	if (!h || !h->chunk) {
		free(h);
		return api_no_memory(err);
	}
	h->end = (struct copy_end){ .ops = &host_ops, .confined = true };
	h->dir_fd = h->root_fd = h->fd = -1;
	*ret = &h->end;
	return 0;
}
