/* SPDX-License-Identifier: Apache-2.0 */
/* Scattered buffers: lengths, copies and sub-ranges. */
#ifndef MSB_FS_IOV_H
#define MSB_FS_IOV_H

#include <stddef.h>
#include <sys/uio.h>

size_t fs_iov_len(const struct iovec *iov, unsigned n);
size_t fs_iov_gather(const struct iovec *iov, unsigned n, size_t off, void *dst,
		     size_t len);
size_t fs_iov_scatter(const struct iovec *iov, unsigned n, size_t off,
		      const void *src, size_t len);
/* The part [off, off+len) as a list of at most max entries; their number. */
unsigned fs_iov_slice(const struct iovec *iov, unsigned n, size_t off,
		      size_t len, struct iovec *dst, unsigned max);

#endif
