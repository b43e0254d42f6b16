/* SPDX-License-Identifier: Apache-2.0 */
/* Disks of any kind, parts of them, and the file access they share. */
#include "virtio/disk/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/io.h"
#include "virtio/disk/disk_int.h"

/* ---- lists of buffers -------------------------------------------------- */

void disk_data_skip(struct disk_data *d, size_t len)
{
	d->len -= len;
	while (len && d->n) {
		size_t part = len < d->iov->iov_len ? len : d->iov->iov_len;

		d->iov->iov_base = (uint8_t *)d->iov->iov_base + part;
		d->iov->iov_len -= part;
		len -= part;
		if (d->iov->iov_len == 0) {
			d->iov++;
			d->n--;
		}
	}
}

void disk_data_front(const struct disk_data *d, size_t len, struct iovec *iov,
		     struct disk_data *ret)
{
	*ret = (struct disk_data){ .iov = iov };
	while (len && ret->n < d->n && ret->n < DISK_IOV_MAX) {
		struct iovec *v = &iov[ret->n];

		*v = d->iov[ret->n++];
		if (v->iov_len > len)
			v->iov_len = len;
		len -= v->iov_len;
		ret->len += v->iov_len;
	}
}

/* ---- files ------------------------------------------------------------- */

int disk_file_read(int fd, struct disk_data *d, uint64_t off)
{
	while (d->len) {
		ssize_t n = io_preadv(fd, d->iov, (int)d->n, (off_t)off, 0);

		if (n <= 0)
			return n ? (int)n : -EIO; /* the file has shrunk */
		off += (uint64_t)n;
		disk_data_skip(d, (size_t)n);
	}
	return 0;
}

int disk_file_write(int fd, struct disk_data *d, uint64_t off, int flags)
{
	while (d->len) {
		ssize_t n =
			io_pwritev(fd, d->iov, (int)d->n, (off_t)off, flags);

		if (n <= 0)
			return n ? (int)n : -EIO;
		off += (uint64_t)n;
		disk_data_skip(d, (size_t)n);
	}
	return 0;
}

int disk_file_get(int fd, void *data, size_t len, uint64_t off)
{
	struct iovec v = { data, len };
	struct disk_data d = { &v, 1, len };

	return disk_file_read(fd, &d, off);
}

int disk_file_put(int fd, const void *data, size_t len, uint64_t off)
{
	struct iovec v = { (void *)(uintptr_t)data, len };
	struct disk_data d = { &v, 1, len };

	return disk_file_write(fd, &d, off, 0);
}

static int allocate(int fd, int mode, uint64_t off, uint64_t len)
{
	if (fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) ==
	    0)
		return 0;
	return -errno;
}

static int write_zeroes(int fd, uint64_t off, uint64_t len)
{
	static const uint8_t zeroes[65536];

	while (len) {
		size_t n = len < sizeof(zeroes) ? (size_t)len : sizeof(zeroes);
		int rc = disk_file_put(fd, zeroes, n, off);

		if (rc)
			return rc;
		off += n;
		len -= n;
	}
	return 0;
}

int disk_file_zero(int fd, uint64_t off, uint64_t len, bool unmap)
{
	int rc = allocate(fd,
			  unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE,
			  off, len);

	return rc == -EOPNOTSUPP ? write_zeroes(fd, off, len) : rc;
}

void disk_file_punch(int fd, uint64_t off, uint64_t len)
{
	(void)allocate(fd, FALLOC_FL_PUNCH_HOLE, off, len);
}

/* ---- all disks --------------------------------------------------------- */

static bool outside(const struct disk *d, uint64_t off, uint64_t len)
{
	return off % DISK_SECTOR || len % DISK_SECTOR || off > d->size ||
	       len > d->size - off;
}

/* Length of all buffers; false when they are too many or overflow. */
static bool gather(struct iovec *iov, unsigned n, struct disk_data *ret)
{
	*ret = (struct disk_data){ iov, n, 0 };
	for (unsigned i = 0; i < n; i++)
		if (__builtin_add_overflow(ret->len, iov[i].iov_len, &ret->len))
			return false;
	return n <= DISK_IOV_MAX;
}

int disk_read(struct disk *d, struct iovec *iov, unsigned n, uint64_t off)
{
	struct disk_data data;

	if (!gather(iov, n, &data) || outside(d, off, data.len))
		return -EIO;
	return data.len ? d->ops->read(d, &data, off) : 0;
}

int disk_write(struct disk *d, struct iovec *iov, unsigned n, uint64_t off,
	       bool durable)
{
	struct disk_data data;

	if (!gather(iov, n, &data) || outside(d, off, data.len))
		return -EIO;
	if (d->read_only)
		return -EROFS;
	d->flushed = false;
	return data.len ? d->ops->write(d, &data, off, durable) : 0;
}

int disk_flush(struct disk *d)
{
	int rc;

	/* a guest's journal often asks twice in a row */
	if (d->read_only || d->flushed)
		return 0;
	rc = d->ops->flush(d);
	d->flushed = !rc;
	return rc;
}

int disk_zero(struct disk *d, uint64_t off, uint64_t len, bool unmap)
{
	if (outside(d, off, len))
		return -EIO;
	if (d->read_only)
		return -EROFS;
	d->flushed = false;
	return len ? d->ops->zero(d, off, len, unmap) : 0;
}

int disk_discard(struct disk *d, uint64_t off, uint64_t len)
{
	if (outside(d, off, len))
		return -EIO;
	if (d->read_only)
		return -EROFS;
	d->flushed = false;
	return len ? d->ops->discard(d, off, len) : 0;
}

uint64_t disk_size(const struct disk *d)
{
	return d->size;
}

bool disk_read_only(const struct disk *d)
{
	return d->read_only;
}

struct disk *disk_free(struct disk *d)
{
	if (d)
		d->ops->free(d);
	return NULL;
}

/* ---- a part of a disk -------------------------------------------------- */

struct window {
	struct disk disk;
	struct disk *inner; /* owned */
	uint64_t offset;
};

static struct window *window_of(struct disk *d)
{
	return container_of(d, struct window, disk);
}

static int window_read(struct disk *d, struct disk_data *data, uint64_t off)
{
	struct window *w = window_of(d);

	return w->inner->ops->read(w->inner, data, w->offset + off);
}

static int window_write(struct disk *d, struct disk_data *data, uint64_t off,
			bool durable)
{
	struct window *w = window_of(d);

	return w->inner->ops->write(w->inner, data, w->offset + off, durable);
}

static int window_flush(struct disk *d)
{
	struct window *w = window_of(d);

	return w->inner->ops->flush(w->inner);
}

static int window_zero(struct disk *d, uint64_t off, uint64_t len, bool unmap)
{
	struct window *w = window_of(d);

	return w->inner->ops->zero(w->inner, w->offset + off, len, unmap);
}

static int window_discard(struct disk *d, uint64_t off, uint64_t len)
{
	struct window *w = window_of(d);

	return w->inner->ops->discard(w->inner, w->offset + off, len);
}

static void window_free(struct disk *d)
{
	struct window *w = window_of(d);

	disk_free(w->inner);
	free(w);
}

static const struct disk_ops window_ops = {
	.read = window_read,
	.write = window_write,
	.flush = window_flush,
	.zero = window_zero,
	.discard = window_discard,
	.free = window_free,
};

int disk_window(struct disk *inner, uint64_t offset, uint64_t length,
		struct disk **ret, struct err *err)
{
	struct window *w;

	if (outside(inner, offset, length)) {
		disk_free(inner);
		return err_set(err, ERR_INVALID, EINVAL,
			       "a part of a disk lies outside of it");
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		disk_free(inner);
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	}
	w->disk = (struct disk){ &window_ops, length, inner->read_only, false };
	w->inner = inner;
	w->offset = offset;
	*ret = &w->disk;
	return 0;
}
