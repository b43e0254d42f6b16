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

/* The buffer is emptied in either case: an item that cannot be written is
 * lost, and what is on disk ends with a whole item. */
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
	else if (f->fd >= 0 && ftruncate(f->fd, (off_t)f->size) < 0)
		close_fd(&f->fd); /* half an item stays: start over */
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
