/* SPDX-License-Identifier: Apache-2.0 */
/* Scattered buffers: lengths, copies and sub-ranges. */
#include "fs/iov.h"

#include <stdint.h>
#include <string.h>

size_t fs_iov_len(const struct iovec *iov, unsigned n)
{
	size_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

unsigned fs_iov_slice(const struct iovec *iov, unsigned n, size_t off,
		      size_t len, struct iovec *dst, unsigned max)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n && len && count < max; i++) {
		size_t part = iov[i].iov_len;

		if (off >= part) {
			off -= part;
			continue;
		}
		part -= off;
		if (part > len)
			part = len;
		dst[count].iov_base = (uint8_t *)iov[i].iov_base + off;
		dst[count++].iov_len = part;
		len -= part;
		off = 0;
	}
	return count;
}

size_t fs_iov_gather(const struct iovec *iov, unsigned n, size_t off, void *dst,
		     size_t len)
{
	uint8_t *p = dst;
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t part = iov[i].iov_len;

		if (off >= part) {
			off -= part;
			continue;
		}
		part -= off;
		if (part > len - done)
			part = len - done;
		memcpy(p + done, (const uint8_t *)iov[i].iov_base + off, part);
		done += part;
		off = 0;
	}
	return done;
}

size_t fs_iov_scatter(const struct iovec *iov, unsigned n, size_t off,
		      const void *src, size_t len)
{
	const uint8_t *p = src;
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t part = iov[i].iov_len;

		if (off >= part) {
			off -= part;
			continue;
		}
		part -= off;
		if (part > len - done)
			part = len - done;
		memcpy((uint8_t *)iov[i].iov_base + off, p + done, part);
		done += part;
		off = 0;
	}
	return done;
}
