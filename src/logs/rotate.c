/* SPDX-License-Identifier: Apache-2.0 */
/* Files that rotate by size. */
#include "logs/rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define FLUSH_BYTES 65536u

/* Does the file end in the middle of a line, as after a crash? The jail may
 * forbid to look; then the answer is yes, and costs an empty line. */
static bool ends_open(const struct rotfile *f, off_t size)
{
	autoclose int fd =
		openat(f->dirfd, f->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char last = 0;
	struct iovec iov = { .iov_base = &last, .iov_len = 1 };

	if (!size)
		return false;
	return fd < 0 || io_preadv(fd, &iov, 1, size - 1, 0) != 1 ||
	       last != '\n';
}

static int open_live(struct rotfile *f)
{
	struct stat st;
	int fd = openat(f->dirfd, f->name,
			O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
			0600);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		int rc = -errno;

		(void)close(fd);
		return rc;
	}
	f->fd = fd;
	f->size = (uint64_t)st.st_size;
	/* nothing is to be added to half a line; if this fails, so will the
	 * rest */
	if (ends_open(f, st.st_size) && io_write_full(fd, "\n", 1) == 0)
		f->size++;
	return 0;
}

void rotfile_init(struct rotfile *f, int dirfd, const char *name,
		  uint64_t limit)
{
	memset(f, 0, sizeof(*f));
	f->dirfd = dirfd;
	f->name = name;
	f->fd = -1;
	f->limit = limit;
	buf_init(&f->buffer, SIZE_MAX / 2);
}

/* After a write that failed: what has become whole lines stays, as readers may
 * have seen it, and half a line goes. */
static void keep_whole_lines(struct rotfile *f)
{
	uint64_t written = 0;
	const uint8_t *last;
	struct stat st;

	if (fstat(f->fd, &st) == 0 && (uint64_t)st.st_size > f->size)
		written = (uint64_t)st.st_size - f->size;
	if (written > buf_len(&f->buffer))
		written = buf_len(&f->buffer);
	last = memrchr(buf_data(&f->buffer), '\n', (size_t)written);
	if (last)
		f->size += (uint64_t)(last + 1 - buf_data(&f->buffer));
	if (ftruncate(f->fd, (off_t)f->size) < 0)
		close_fd(&f->fd); /* start over, which ends the line */
}

/* The buffer is emptied in either case: an item that cannot be written is
 * lost, and what is on disk ends with a whole line. */
int rotfile_flush(struct rotfile *f)
{
	size_t len = buf_len(&f->buffer);
	int rc = 0;

	if (!len)
		return 0;
	if (f->fd < 0)
		rc = open_live(f);
	if (!rc)
		rc = io_write_full(f->fd, buf_data(&f->buffer), len);
	if (!rc)
		f->size += len;
	else if (f->fd >= 0)
		keep_whole_lines(f);
	if (f->buffer.cap > 4 * FLUSH_BYTES)
		buf_fini(&f->buffer);
	else
		buf_reset(&f->buffer);
	return rc;
}

static int rotate(struct rotfile *f)
{
	char from[64], to[64];

	for (int i = ROTATE_KEEP; i > 0; i--) {
		(void)snprintf(to, sizeof(to), "%s.%d", f->name, i);
		if (i > 1)
			(void)snprintf(from, sizeof(from), "%s.%d", f->name,
				       i - 1);
		else
			(void)snprintf(from, sizeof(from), "%s", f->name);
		if (renameat(f->dirfd, from, f->dirfd, to) < 0 &&
		    errno != ENOENT)
			return -errno;
	}
	close_fd(&f->fd);
	if (f->head)
		(void)buf_str(&f->buffer, f->head); /* or without it */
	return open_live(f);
}

void rotfile_prepare(struct rotfile *f)
{
	if (f->fd < 0)
		(void)open_live(f);
}

int rotfile_add(struct rotfile *f, const void *item, size_t len)
{
	int rc = f->fd < 0 ? open_live(f) : 0;
	uint64_t used = f->size + buf_len(&f->buffer);

	if (rc)
		return rc;
	if (used && used + len > f->limit) {
		rc = rotfile_flush(f);
		if (!rc && f->size)
			rc = rotate(f);
		if (rc)
			return rc;
	}
	rc = buf_append(&f->buffer, item, len);
	if (rc) {
		buf_fini(&f->buffer); /* clears its failed mark */
		return rc;
	}
	return buf_len(&f->buffer) >= FLUSH_BYTES ? rotfile_flush(f) : 0;
}

void rotfile_close(struct rotfile *f)
{
	(void)rotfile_flush(f); /* nobody left to tell */
	buf_fini(&f->buffer);
	close_fd(&f->fd);
}
