/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking a release. Each entry is made new, by descriptors of directories
 * that are made here, so nothing in the archive leads out of the tree.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "image/fetch.h"
#include "image/tar_inflate.h"

#define CHUNK ((size_t)256 << 10)
#define DEPTH_MAX 32u

struct extraction {
	struct tar_inflate z;
	uint8_t *chunk;
	int in, dir;
	int rc; /* of reading */
	struct err err;
	uint64_t left;
	unsigned entries;
};

static ssize_t read_input(void *ctx, void *buf, size_t len, struct err *err)
{
	ssize_t n = io_read(*(const int *)ctx, buf, len);

	return n < 0 ? err_sys(err, ERR_IO, (int)-n, "read the archive") : n;
}

static la_ssize_t on_read(struct archive *a, void *ctx, const void **ret)
{
	struct extraction *x = ctx;
	ssize_t n = tar_inflate_read(&x->z, x->chunk, CHUNK, &x->err);

	if (n < 0) {
		x->rc = (int)n;
		archive_set_error(a, EIO, "read");
		return ARCHIVE_FATAL;
	}
	*ret = x->chunk;
	return n;
}

/* What the archive says stands in messages without control characters. */
static int refuse(const char *path, const char *what, struct err *err)
{
	char shown[160];
	size_t n = strnlen(path, sizeof(shown) - 1);

	for (size_t i = 0; i < n; i++)
		shown[i] = path[i] >= ' ' && path[i] < 0x7f ? path[i] : '?';
	shown[n] = 0;
	return err_set(err, ERR_INVALID, EINVAL, "the archive's '%s' %s", shown,
		       what);
}

static int cannot(const char *path, int sys, struct err *err)
{
	return err_sys(err,
		       sys == ENOSPC || sys == EDQUOT ? ERR_NO_SPACE : ERR_IO,
		       sys, "unpack '%.200s'", path);
}

/*
 * The directory that path lies in, made as far as it is missing; *ret_name is
 * what is below it ("" for the top itself).
 */
static int open_parent(const struct extraction *x, const char *path,
		       const char **ret_name, struct err *err)
{
	int fd = fcntl(x->dir, F_DUPFD_CLOEXEC, 0);
	unsigned depth = 0;

	for (const char *p = path; fd >= 0; depth++) {
		size_t n = strcspn(p, "/"), slashes = strspn(p + n, "/");
		char name[NAME_MAX + 1];
		int next;

		if (n > NAME_MAX || depth == DEPTH_MAX) {
			close_fd(&fd);
			return refuse(path, "is too long", err);
		}
		if (!p[n + slashes]) { /* the last one */
			*ret_name = p;
			return fd;
		}
		memcpy(name, p, n);
		name[n] = 0;
		if (mkdirat(fd, name, 0700) < 0 && errno != EEXIST)
			break;
		next = openat(fd, name,
			      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close_fd(&fd);
		fd = next;
		p += n + slashes;
	}
	close_fd(&fd); /* keeps errno */
	return cannot(path, errno, err);
}

/* Relative, and not upwards from depth levels below the top. */
static bool stays_inside(const char *path, unsigned depth)
{
	if (*path == '/' || !*path)
		return false;
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && !memcmp(path, "..", 2)) {
			if (!depth--)
				return false;
		} else if (n && !(n == 1 && *path == '.')) {
			depth++;
		}
		path += n + strspn(path + n, "/");
	}
	return true;
}

static bool is_plain_path(const char *path)
{
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");

		if (!n || (n == 1 && *p == '.') ||
		    (n == 2 && !memcmp(p, "..", 2)))
			return false;
		p += n + (p[n] == '/');
	}
	return *path;
}

static unsigned depth_of(const char *path)
{
	unsigned depth = 0;

	for (const char *p = path; (p = strchr(p, '/')); p++)
		depth++;
	return depth;
}

static int put_data(struct extraction *x, struct archive *a, int fd)
{
	const void *data;
	size_t len;
	int64_t at;
	int r;

	while ((r = archive_read_data_block(a, &data, &len, &at)) ==
	       ARCHIVE_OK) {
		if (len > x->left)
			return -EFBIG;
		x->left -= len;
		for (size_t done = 0; done < len;) {
			struct iovec v = { (void *)((uintptr_t)data + done),
					   len - done };
			ssize_t n = io_pwritev(fd, &v, 1, at + (off_t)done, 0);

			if (n <= 0)
				return n ? (int)n : -EIO;
			done += (size_t)n;
		}
	}
	return r == ARCHIVE_EOF ? 0 : -EBADMSG;
}

static int put_file(struct extraction *x, struct archive *a,
		    struct archive_entry *e, int parent, const char *name,
		    struct err *err)
{
	mode_t mode = archive_entry_perm(e) & 0100 ? 0755 : 0644;
	autoclose int fd = openat(
		parent, name,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int64_t size = archive_entry_size(e);
	int rc;

	if (fd < 0)
		return cannot(name, errno, err);
	if (size < 0 || (uint64_t)size > x->left)
		return refuse(name, "is too large", err);
	rc = put_data(x, a, fd);
	if (rc == -EFBIG)
		return refuse(name, "is too large", err);
	if (!rc && (fchmod(fd, mode) < 0 || ftruncate(fd, size) < 0))
		rc = -errno;
	if (rc == -EBADMSG && !x->rc)
		return refuse(name, "is damaged", err);
	return rc ? cannot(name, -rc, err) : 0;
}

static int put_link(struct archive_entry *e, const char *path, int parent,
		    const char *name, struct err *err)
{
	const char *target = archive_entry_symlink(e);
	unsigned depth = depth_of(path); /* the topmost directory stays */

	if (!target || !depth || !stays_inside(target, depth - 1))
		return refuse(path, "is a link that leads elsewhere", err);
	return symlinkat(target, parent, name) < 0 ? cannot(path, errno, err)
						   : 0;
}

static int put_entry(struct extraction *x, struct archive *a,
		     struct archive_entry *e, struct err *err)
{
	const char *path = archive_entry_pathname(e), *name = "";
	autoclose int parent = -1;

	if (!path || !is_plain_path(path))
		return refuse(path ? path : "?", "is no proper path", err);
	if (++x->entries > EXTRACT_ENTRIES_MAX)
		return refuse(path, "is one file too many", err);
	if (archive_entry_hardlink(e))
		return refuse(path, "is a hard link", err);
	parent = open_parent(x, path, &name, err);
	if (parent < 0)
		return parent;
	switch (archive_entry_filetype(e)) {
	case AE_IFDIR:
		if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
			return cannot(path, errno, err);
		return 0;
	case AE_IFREG:
		return put_file(x, a, e, parent, name, err);
	case AE_IFLNK:
		return put_link(e, path, parent, name, err);
	default:
		return refuse(path, "is of a kind that no release has", err);
	}
}

static int damaged(const struct extraction *x, struct err *err)
{
	/* the reader speaks of layers, which this is none of */
	if (x->rc && x->err.kind != ERR_IMAGE) {
		if (err)
			*err = x->err;
		return x->rc;
	}
	return err_set(err, ERR_INVALID, EBADMSG,
		       "the archive is damaged or cut off, or is none");
}

static int put_all(struct extraction *x, struct archive *a, struct err *err)
{
	for (;;) {
		struct archive_entry *e;
		int r = archive_read_next_header(a, &e);
		int rc;

		if (r == ARCHIVE_EOF)
			return x->entries ? 0 : damaged(x, err);
		if (r != ARCHIVE_OK)
			return damaged(x, err);
		rc = put_entry(x, a, e, err);
		if (rc)
			return x->rc ? damaged(x, err) : rc;
	}
}

static int with_archive(struct extraction *x, struct err *err)
{
	struct archive *a = archive_read_new();
	int rc;

	if (!a)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "unpack");
	if (archive_read_support_format_tar(a) < ARCHIVE_WARN ||
	    archive_read_open(a, x, NULL, on_read, NULL) != ARCHIVE_OK)
		rc = damaged(x, err);
	else
		rc = put_all(x, a, err);
	(void)archive_read_free(a);
	return rc;
}

int extract(int in, int dir, struct err *err)
{
	struct extraction x = { .in = in,
				.dir = dir,
				.left = EXTRACT_BYTES_MAX };
	int rc;

	x.chunk = malloc(CHUNK);
	if (!x.chunk)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "unpack");
	rc = tar_inflate_init(&x.z, read_input, &x.in, err);
	if (!rc) {
		rc = with_archive(&x, err);
		tar_inflate_fini(&x.z);
	}
	free(x.chunk);
	return rc;
}
