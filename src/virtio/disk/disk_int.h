/* SPDX-License-Identifier: Apache-2.0 */
/* Between the kinds of disks. */
#ifndef MSB_VIRTIO_DISK_DISK_INT_H
#define MSB_VIRTIO_DISK_DISK_INT_H

#include "virtio/disk/disk.h"

/* A list of buffers that is used up from its front. */
struct disk_data {
	struct iovec *iov;
	unsigned n;
	size_t len;
};

/* Ranges lie inside the disk and are not empty; writes only come when the disk
 * is not read-only. read and write may use up the data or leave it. */
struct disk_ops {
	int (*read)(struct disk *d, struct disk_data *data, uint64_t off);
	int (*write)(struct disk *d, struct disk_data *data, uint64_t off,
		     bool durable);
	int (*flush)(struct disk *d);
	int (*zero)(struct disk *d, uint64_t off, uint64_t len, bool unmap);
	int (*discard)(struct disk *d, uint64_t off, uint64_t len);
	void (*free)(struct disk *d);
};

struct disk {
	const struct disk_ops *ops;
	uint64_t size; /* a multiple of DISK_SECTOR */
	bool read_only;
	bool flushed; /* nothing was written since */
};

void disk_data_skip(struct disk_data *d, size_t len);
/* Up to len bytes of the front, in at most DISK_IOV_MAX buffers of iov; what
 * they hold together is in *ret. */
void disk_data_front(const struct disk_data *d, size_t len, struct iovec *iov,
		     struct disk_data *ret);

/* All of it between a file and the buffers, which are used up. -EIO when the
 * file ends early. flags as of preadv2 and pwritev2. */
int disk_file_read(int fd, struct disk_data *d, uint64_t off);
int disk_file_write(int fd, struct disk_data *d, uint64_t off, int flags);
/* Plain memory, the same. */
int disk_file_get(int fd, void *data, size_t len, uint64_t off);
int disk_file_put(int fd, const void *data, size_t len, uint64_t off);
int disk_file_zero(int fd, uint64_t off, uint64_t len, bool unmap);
/* What it fails with does not matter: the space stays in use. */
void disk_file_punch(int fd, uint64_t off, uint64_t len);

#endif
