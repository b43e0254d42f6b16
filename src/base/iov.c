/* SPDX-License-Identifier: Apache-2.0 */
#include "base/iov.h"

#include <stdint.h>
#include <string.h>

size_t iov_len(const struct iovec *iov, unsigned n)
{
	size_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

/*
 * The part of one element that lies in [off, off+len) of the whole; both are
 * advanced. Returns its length, 0 when the element lies before.
 */
static size_t iov_part(const struct iovec *v, size_t *off, size_t len,
		       uint8_t **ret)
{
	size_t n;

	if (*off >= v->iov_len) {
		*off -= v->iov_len;
		return 0;
	}
	n = v->iov_len - *off;
	*ret = (uint8_t *)v->iov_base + *off;
	*off = 0;
	return n < len ? n : len;
}

size_t iov_read(const struct iovec *iov, unsigned n, size_t off, void *dst,
		size_t len)
{
	uint8_t *out = dst, *p = NULL;
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t part = iov_part(&iov[i], &off, len - done, &p);

		if (part)
			memcpy(out + done, p, part);
		done += part;
	}
	return done;
}

size_t iov_write(const struct iovec *iov, unsigned n, size_t off,
		 const void *src, size_t len)
{
	const uint8_t *in = src;
	uint8_t *p = NULL;
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t part = iov_part(&iov[i], &off, len - done, &p);

		if (part)
			memcpy(p, in + done, part);
		done += part;
	}
	return done;
}

unsigned iov_slice(const struct iovec *iov, unsigned n, size_t off, size_t len,
		   struct iovec *dst, unsigned max)
{
	unsigned count = 0;
	uint8_t *p = NULL;

	for (unsigned i = 0; i < n && len && count < max; i++) {
		size_t part = iov_part(&iov[i], &off, len, &p);

		if (!part)
			continue;
		dst[count].iov_base = p;
		dst[count++].iov_len = part;
		len -= part;
	}
	return count;
}
