/* SPDX-License-Identifier: Apache-2.0 */
/* Scattered buffers: lengths, copies and sub-ranges. */
#ifndef MSB_BASE_IOV_H
#define MSB_BASE_IOV_H

#include <stddef.h>
#include <sys/uio.h>

size_t iov_len(const struct iovec *iov, unsigned n);
/* Copy len bytes from or to offset off of the whole; the number copied. */
size_t iov_read(const struct iovec *iov, unsigned n, size_t off, void *dst,
		size_t len);
size_t iov_write(const struct iovec *iov, unsigned n, size_t off,
		 const void *src, size_t len);
/* The part [off, off+len) as a list of at most max entries; their number. */
unsigned iov_slice(const struct iovec *iov, unsigned n, size_t off, size_t len,
		   struct iovec *dst, unsigned max);

#endif
