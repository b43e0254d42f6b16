/* SPDX-License-Identifier: Apache-2.0 */
/* The files of an archive: opening it, and finding them. */
#include "image/archive_input.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "image/oci.h"
#include "image/store_int.h"
#include "image/store_work.h"
#include "image/tar_inflate.h"

#define SPOOL_MAX (64ull << 30)
#define SPOOL_CHUNK (256u << 10)

/* Whether the archive can be read where it is: a file, not compressed. */
static int readable_in_place(int fd, const struct stat *st, off_t at,
			     struct err *err)
{
	static const uint8_t gzip[] = { 0x1f, 0x8b };
	static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	uint8_t magic[4] = { 0 };
	struct iovec iov = { magic, sizeof(magic) };
	ssize_t n;

	if (!S_ISREG(st->st_mode) || at < 0)
		return 0;
	n = io_preadv(fd, &iov, 1, at, 0);
	if (n < 0)
		return err_sys(err, ERR_IO, (int)-n, "read the archive");
	return memcmp(magic, gzip, sizeof(gzip)) != 0 &&
	       memcmp(magic, zstd, sizeof(zstd)) != 0;
}

/* layer_read_fn */
static ssize_t read_fd(void *ctx, void *buf, size_t len, struct err *err)
{
	ssize_t n = io_read(*(const int *)ctx, buf, len);

	return n < 0 ? err_sys(err, ERR_IO, (int)-n, "read the archive") : n;
}

/* Zeros become a hole, so that they cost nothing however many they are. */
static int put_chunk(int fd, uint64_t at, const uint8_t *data, size_t len)
{
	size_t done = 0;

	if (!data[0] && !memcmp(data, data + 1, len - 1))
		return 0;
	while (done < len) {
		struct iovec iov = { (void *)(uintptr_t)(data + done),
				     len - done };
		ssize_t n = io_pwritev(fd, &iov, 1, (off_t)(at + done), 0);

		if (n < 0)
			return (int)n;
		done += (size_t)n;
	}
	return 0;
}

static int spool_into(struct tar_inflate *z, int to, const char *path,
		      struct err *err)
{
	autofree uint8_t *chunk = malloc(SPOOL_CHUNK);
	uint64_t at = 0;
	ssize_t n;

	if (!chunk)
		return store_err(err, ENOMEM, "unpack the archive");
	while ((n = tar_inflate_read(z, chunk, SPOOL_CHUNK, err)) > 0) {
		int rc = put_chunk(to, at, chunk, (size_t)n);

		if (rc)
			return store_err(err, -rc, "write to '%s'", path);
		at += (uint64_t)n;
		if (at > SPOOL_MAX)
			return err_set(err, ERR_IMAGE, EFBIG,
				       "the archive is larger than %llu GiB",
				       (unsigned long long)(SPOOL_MAX >> 30));
	}
	if (n < 0)
		return (int)n;
	return ftruncate(to, (off_t)at) < 0
		       ? store_err(err, errno, "write to '%s'", path)
		       : 0;
}

/* A nameless copy in the store, without compression. */
static int spool(const struct image_store *s, int from, struct err *err)
{
	struct tar_inflate z;
	autoclose int to = -1;
	int rc;

	to = store_nameless_file(s, err);
	if (to < 0)
		return to;
	rc = tar_inflate_init(&z, read_fd, &from, err);
	if (rc)
		return rc;
	rc = spool_into(&z, to, s->path, err);
	tar_inflate_fini(&z);
	return rc ? rc : take_fd(&to);
}

int archive_input_open(const struct image_store *s, int fd,
		       struct archive_input *ret, struct err *err)
{
	struct archive_input in = { .fd = fd };
	off_t at = lseek(fd, 0, SEEK_CUR);
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_IO, errno, "read the archive");
	if (S_ISDIR(st.st_mode)) {
		in.directory = true;
		*ret = in;
		return 0;
	}
	rc = readable_in_place(fd, &st, at, err);
	if (rc < 0)
		return rc;
	if (!rc) {
		in.fd = spool(s, fd, err);
		if (in.fd < 0)
			return in.fd;
		in.owned = true;
		at = 0;
	}
	rc = archive_tar_index(in.fd, (uint64_t)at, &in.tar, err);
	if (rc) {
		archive_input_fini(&in);
		return rc;
	}
	*ret = in;
	return 0;
}

void archive_input_fini(struct archive_input *in)
{
	if (!in->directory)
		archive_tar_fini(&in->tar);
	if (in->owned)
		close_fd(&in->fd);
	in->fd = -1;
}

/* Without openat2() links are not followed at all. */
static int open_plainly(int dirfd, const char *path, int flags)
{
	autofree char *dir = strdup(path);
	autoclose int parent = -1;
	char *slash;
	int fd;

	if (!dir)
		return -ENOMEM;
	slash = strrchr(dir, '/');
	if (slash) {
		*slash = 0;
		parent = store_open_dir(dirfd, dir, false);
		if (parent < 0)
			return parent;
	}
	fd = openat(slash ? parent : dirfd, slash ? slash + 1 : path,
		    flags | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static int open_below(int dirfd, const char *path)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	const struct open_how how = {
		.flags = (uint64_t)flags,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		return open_plainly(dirfd, path, flags);
	return fd < 0 ? -errno : fd;
}

static int find_in_directory(const struct archive_input *in, const char *path,
			     struct archive_file *ret)
{
	autoclose int fd = open_below(in->fd, path);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	ret->offset = 0;
	ret->size = (uint64_t)st.st_size;
	ret->fd = take_fd(&fd);
	return 0;
}

static int find_in_tar(const struct archive_input *in, const char *path,
		       struct archive_file *ret)
{
	int rc = archive_tar_find(&in->tar, path, &ret->offset, &ret->size);

	if (rc)
		return rc;
	ret->fd = fcntl(in->fd, F_DUPFD_CLOEXEC, 0);
	return ret->fd < 0 ? -errno : 0;
}

static int find(const struct archive_input *in, const char *path,
		struct archive_file *ret)
{
	char plain[ARCHIVE_PATH_MAX];

	/* Whatever is not its own normal form is not plain. */
	if (archive_path_join("", 0, path, plain) || strcmp(plain, path) != 0)
		return -EINVAL;
	return in->directory ? find_in_directory(in, path, ret)
			     : find_in_tar(in, path, ret);
}

int archive_input_file(const struct archive_input *in, const char *path,
		       struct archive_file *ret, struct err *err)
{
	int rc = find(in, path, ret);

	if (rc == -ENOENT)
		return err_set(err, ERR_IMAGE, ENOENT,
			       "the archive has no file '%.200s'", path);
	if (rc == -EINVAL || rc == -ELOOP || rc == -EXDEV ||
	    rc == -ENAMETOOLONG)
		return err_set(err, ERR_IMAGE, -rc,
			       "'%.200s' does not lie within the archive",
			       path);
	return rc ? store_err(err, -rc, "read '%.200s' of the archive", path)
		  : 0;
}

bool archive_input_has(const struct archive_input *in, const char *path)
{
	struct archive_file f = { .fd = -1 };

	if (find(in, path, &f))
		return false;
	(void)close(f.fd);
	return true;
}

ssize_t archive_file_read(const struct archive_file *f, uint64_t at, void *buf,
			  size_t len)
{
	struct iovec iov = { buf, len };

	if (at >= f->size)
		return 0;
	if (iov.iov_len > f->size - at)
		iov.iov_len = f->size - at;
	return io_preadv(f->fd, &iov, 1, (off_t)(f->offset + at), 0);
}

int archive_input_text(const struct archive_input *in, const char *path,
		       char **ret_text, size_t *ret_len, struct err *err)
{
	struct archive_file f = { .fd = -1 };
	char *text = NULL;
	size_t len = 0;
	ssize_t n = 1;
	int rc = archive_input_file(in, path, &f, err);

	if (rc)
		return rc;
	if (f.size > OCI_DOCUMENT_MAX)
		rc = err_set(err, ERR_IMAGE, EFBIG,
			     "'%.200s' of the archive is larger than %u MiB",
			     path, OCI_DOCUMENT_MAX >> 20);
	else
		text = malloc(f.size + 1);
	if (!rc && !text)
		rc = store_err(err, ENOMEM, "read the archive");
	while (!rc && text && len < f.size && n > 0) {
		n = archive_file_read(&f, len, text + len, f.size - len);
		if (n < 0)
			rc = store_err(err, (int)-n, "read the archive");
		else
			len += (size_t)n;
	}
	(void)close(f.fd);
	if (rc || !text) {
		free(text);
		return rc;
	}
	text[len] = 0;
	*ret_text = text;
	*ret_len = len;
	return 0;
}
