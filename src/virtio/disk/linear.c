/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that are a file, or files in a row, without any format. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/compiler.h"
#include "virtio/disk/disk_int.h"

#define EXTENTS_MAX 4096u

struct extent {
	uint64_t start; /* on the disk */
	uint64_t length;
	uint64_t offset; /* in the file */
	int fd;		 /* owned; -1: zeroes */
};

struct linear {
	struct disk disk;
	size_t n;
	struct extent extents[];
};

static struct linear *of(struct disk *d)
{
	return container_of(d, struct linear, disk);
}

/* The extent an address inside the disk belongs to. */
static const struct extent *find(const struct linear *l, uint64_t off)
{
	size_t low = 0, high = l->n;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (l->extents[mid].start <= off)
			low = mid;
		else
			high = mid;
	}
	return &l->extents[low];
}

static void clear(struct disk_data *d)
{
	for (unsigned i = 0; i < d->n; i++)
		memset(d->iov[i].iov_base, 0, d->iov[i].iov_len);
}

static int read_extent(const struct extent *e, struct disk_data *d,
		       uint64_t off)
{
	if (e->fd >= 0)
		return disk_file_read(e->fd, d, e->offset + off - e->start);
	clear(d);
	return 0;
}

static int write_extent(const struct extent *e, struct disk_data *d,
			uint64_t off, int flags)
{
	if (e->fd < 0)
		return 0;
	return disk_file_write(e->fd, d, e->offset + off - e->start, flags);
}

/* Across a border between extents: piece by piece. */
static int in_pieces(struct linear *l, bool write, struct disk_data *d,
		     uint64_t off, int flags)
{
	struct iovec iov[DISK_IOV_MAX];

	while (d->len) {
		const struct extent *e = find(l, off);
		uint64_t left = e->length - (off - e->start);
		struct disk_data part;
		size_t len;
		int rc;

		disk_data_front(d, left < d->len ? (size_t)left : d->len, iov,
				&part);
		len = part.len;
		rc = write ? write_extent(e, &part, off, flags)
			   : read_extent(e, &part, off);
		if (rc)
			return rc;
		disk_data_skip(d, len);
		off += len;
	}
	return 0;
}

static int linear_read(struct disk *disk, struct disk_data *d, uint64_t off)
{
	struct linear *l = of(disk);
	const struct extent *e = find(l, off);

	if (d->len <= e->length - (off - e->start))
		return read_extent(e, d, off);
	return in_pieces(l, false, d, off, 0);
}

static int linear_write(struct disk *disk, struct disk_data *d, uint64_t off,
			bool durable)
{
	struct linear *l = of(disk);
	const struct extent *e = find(l, off);
	int flags = durable ? RWF_DSYNC : 0;

	if (d->len <= e->length - (off - e->start))
		return write_extent(e, d, off, flags);
	return in_pieces(l, true, d, off, flags);
}

static int linear_flush(struct disk *d)
{
	const struct linear *l = of(d);

	for (size_t i = 0; i < l->n; i++)
		if (l->extents[i].fd >= 0 && fdatasync(l->extents[i].fd) < 0)
			return -errno;
	return 0;
}

/* Zero or punch, extent by extent. */
static int clear_range(struct linear *l, uint64_t off, uint64_t len, bool zero,
		       bool unmap)
{
	int rc = 0;

	while (len && !rc) {
		const struct extent *e = find(l, off);
		uint64_t part = e->length - (off - e->start);
		uint64_t at = e->offset + off - e->start;

		if (part > len)
			part = len;
		if (e->fd >= 0 && zero)
			rc = disk_file_zero(e->fd, at, part, unmap);
		else if (e->fd >= 0)
			disk_file_punch(e->fd, at, part);
		off += part;
		len -= part;
	}
	return rc;
}

static int linear_zero(struct disk *d, uint64_t off, uint64_t len, bool unmap)
{
	return clear_range(of(d), off, len, true, unmap);
}

static int linear_discard(struct disk *d, uint64_t off, uint64_t len)
{
	return clear_range(of(d), off, len, false, true);
}

static void linear_free(struct disk *d)
{
	struct linear *l = of(d);

	for (size_t i = 0; i < l->n; i++)
		close_fd(&l->extents[i].fd);
	free(l);
}

static const struct disk_ops linear_ops = {
	.read = linear_read,
	.write = linear_write,
	.flush = linear_flush,
	.zero = linear_zero,
	.discard = linear_discard,
	.free = linear_free,
};

static int fill(struct linear *l, const struct disk_extent *extents, size_t n,
		struct err *err)
{
	uint64_t size = 0;

	for (size_t i = 0; i < n; i++) {
		const struct disk_extent *e = &extents[i];
		uint64_t end;

		if (!e->length || e->length % DISK_SECTOR ||
		    !add_u64(e->offset, e->length, &end) || end > INT64_MAX ||
		    size > INT64_MAX - e->length)
			return err_set(err, ERR_INVALID, EINVAL,
				       "size of a disk is not a multiple of "
				       "%u bytes, or is not possible",
				       DISK_SECTOR);
		l->extents[i].start = size;
		l->extents[i].length = e->length;
		l->extents[i].offset = e->offset;
		size += e->length;
	}
	l->disk.size = size;
	return 0;
}

int disk_linear(const struct disk_extent *extents, size_t n, bool read_only,
		struct disk **ret, struct err *err)
{
	struct linear *l = NULL;
	int rc;

	if (n > 0 && n <= EXTENTS_MAX)
		l = calloc(1, sizeof(*l) + n * sizeof(l->extents[0]));
	if (!l) {
		for (size_t i = 0; i < n; i++)
			if (extents[i].fd >= 0)
				(void)close(extents[i].fd);
		return err_set(err, ERR_NO_MEMORY, ENOMEM,
			       "a disk of %zu pieces", n);
	}
	l->disk = (struct disk){ &linear_ops, 0, read_only, false };
	l->n = n;
	for (size_t i = 0; i < n; i++)
		l->extents[i].fd = extents[i].fd;
	rc = fill(l, extents, n, err);
	if (rc)
		linear_free(&l->disk);
	else
		*ret = &l->disk;
	return rc;
}

int disk_raw(int fd, bool read_only, struct disk **ret, struct err *err)
{
	off_t size = lseek(fd, 0, SEEK_END);
	struct disk_extent e = { .fd = fd, .length = (uint64_t)size };
	int rc;

	if (size < 0) {
		rc = err_sys(err, ERR_IO, errno, "size of a disk");
		(void)close(fd);
		return rc;
	}
	return disk_linear(&e, 1, read_only, ret, err);
}
