/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is behind a block device: a row of sectors, kept in files of the host.
 *
 * A disk is used by one thread at a time. Data goes between the files and the
 * caller's buffers; buffer lists are used up by a call. Addresses and lengths
 * are in bytes, multiples of DISK_SECTOR, and checked against the size here.
 * What the files hold may be hostile: it leads to errors, never further.
 */
#ifndef MSB_VIRTIO_DISK_DISK_H
#define MSB_VIRTIO_DISK_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"

#define DISK_SECTOR 512u
/* Buffers of one call, at most. */
#define DISK_IOV_MAX 1024u

struct disk;

/* A piece of a linear disk. */
struct disk_extent {
	int fd;		 /* -1: it holds zeroes, and swallows what is written */
	uint64_t offset; /* in the file */
	uint64_t length;
};

/*
 * One file or several in a row. Takes the descriptors, also on failure; they
 * are open for writing too unless read_only. Beyond the end of its file, an
 * extent cannot be used.
 */
int disk_linear(const struct disk_extent *extents, size_t n, bool read_only,
		struct disk **ret, struct err *err);
/* All of one file; its length is a multiple of DISK_SECTOR. Takes fd. */
int disk_raw(int fd, bool read_only, struct disk **ret, struct err *err);
/*
 * A qcow2 image, of version 2 or 3, without backing file, encryption or data
 * in other files; compressed clusters and those of snapshots are read, and
 * written to a new place. Takes fd. err says what is wrong with "it".
 */
int disk_qcow2(int fd, bool read_only, struct disk **ret, struct err *err);
/* Part of a disk, which is taken, also on failure. */
int disk_window(struct disk *inner, uint64_t offset, uint64_t length,
		struct disk **ret, struct err *err);
/*
 * The part of a disk that holds its file system: all of it, or with a partition
 * table the partition that looks like the root, or is the only one. Takes the
 * disk, also on failure. What was found there is told by disk_fs_type().
 */
int disk_file_system(struct disk *inner, struct disk **ret, struct err *err);
/* By its superblock: "ext4", "erofs", "xfs", ...; NULL when it is not known.
 * *ret_clean: it is an ext4 with nothing to recover; NULL is allowed. */
const char *disk_fs_type(struct disk *d, bool *ret_clean);
/* Brings what is behind it in order; NULL is allowed. Returns NULL. */
struct disk *disk_free(struct disk *d);

uint64_t disk_size(const struct disk *d);
bool disk_read_only(const struct disk *d);

/*
 * 0 or -errno: -EIO outside the disk or when its format is broken, -EROFS,
 * -ENOSPC. A durable write is on the host's disk when the call returns.
 */
int disk_read(struct disk *d, struct iovec *iov, unsigned n, uint64_t off);
int disk_write(struct disk *d, struct iovec *iov, unsigned n, uint64_t off,
	       bool durable);
/* All that was written before survives a power failure from here on. */
int disk_flush(struct disk *d);
/* It reads as zeroes afterwards; with unmap it need not take space. */
int disk_zero(struct disk *d, uint64_t off, uint64_t len, bool unmap);
/* A hint: nobody needs what is there. */
int disk_discard(struct disk *d, uint64_t off, uint64_t len);

#endif
