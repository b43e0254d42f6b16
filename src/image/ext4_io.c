/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How libext2fs reaches the file of an ext4 disk. Its own way begins with an
 * fsync(): for a file that has just been made the host's file system then
 * commits its journal, which can take longer than the boot of the guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "image/ext4_io.h"

static int file_of(io_channel c)
{
	return (int)(intptr_t)c->private_data;
}

/* The name is the number of the descriptor, which stays the caller's. */
static errcode_t file_open(const char *name, int flags, io_channel *ret)
{
	io_channel c;
	uint32_t fd;
	errcode_t rc = str_to_u32(name, &fd) ? EXT2_ET_BAD_DEVICE_NAME : 0;

	(void)flags;
	if (!rc)
		rc = ext2fs_get_memzero(sizeof(*c), &c);
	if (rc)
		return rc;
	rc = ext2fs_get_memzero(strlen(name) + 1, &c->name);
	if (rc) {
		(void)ext2fs_free_mem(&c);
		return rc;
	}
	memcpy(c->name, name, strlen(name));
	c->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	c->manager = ext4_io_manager;
	c->block_size = 1024;
	c->refcount = 1;
	c->private_data = (void *)(intptr_t)fd;
	*ret = c;
	return 0;
}

static errcode_t file_close(io_channel c)
{
	if (--c->refcount > 0)
		return 0;
	(void)ext2fs_free_mem(&c->name);
	return ext2fs_free_mem(&c);
}

static errcode_t file_set_blksize(io_channel c, int size)
{
	c->block_size = size;
	return 0;
}

/* A negative count is one of bytes. */
static size_t bytes_of(io_channel c, int count)
{
	return count < 0 ? (size_t) - (int64_t)count
			 : (size_t)count * (size_t)c->block_size;
}

static off_t offset_of(io_channel c, unsigned long long block)
{
	return (off_t)(block * (unsigned long long)c->block_size);
}

static errcode_t file_read64(io_channel c, unsigned long long block, int count,
			     void *data)
{
	struct iovec v = { data, bytes_of(c, count) };
	ssize_t n = io_preadv(file_of(c), &v, 1, offset_of(c, block), 0);

	if (n < 0)
		return -n;
	return (size_t)n == bytes_of(c, count) ? 0 : EXT2_ET_SHORT_READ;
}

static errcode_t file_read(io_channel c, unsigned long block, int count,
			   void *data)
{
	return file_read64(c, block, count, data);
}

static errcode_t file_write64(io_channel c, unsigned long long block, int count,
			      const void *data)
{
	struct iovec v = { (void *)(uintptr_t)data, bytes_of(c, count) };
	off_t at = offset_of(c, block);

	while (v.iov_len) {
		ssize_t n = io_pwritev(file_of(c), &v, 1, at, 0);

		if (n < 0)
			return -n;
		if (!n)
			return EXT2_ET_SHORT_WRITE;
		v.iov_base = (uint8_t *)v.iov_base + n;
		v.iov_len -= (size_t)n;
		at += n;
	}
	return 0;
}

static errcode_t file_write(io_channel c, unsigned long block, int count,
			    const void *data)
{
	return file_write64(c, block, count, data);
}

/* Whoever wants it on the disk has the descriptor. */
static errcode_t file_flush(io_channel c)
{
	(void)c;
	return 0;
}

static errcode_t file_zeroout(io_channel c, unsigned long long block,
			      unsigned long long count)
{
	off_t len = offset_of(c, count);

	return fallocate(file_of(c), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 offset_of(c, block), len) < 0
		       ? EXT2_ET_UNIMPLEMENTED
		       : 0;
}

static struct struct_io_manager manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "file",
	.open = file_open,
	.close = file_close,
	.set_blksize = file_set_blksize,
	.read_blk = file_read,
	.write_blk = file_write,
	.flush = file_flush,
	.read_blk64 = file_read64,
	.write_blk64 = file_write64,
	.zeroout = file_zeroout,
};

/* The library wants it writable, but does not write. */
const io_manager ext4_io_manager = &manager;
