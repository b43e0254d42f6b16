/* SPDX-License-Identifier: Apache-2.0 */
/* Internet checksums (RFC 1071), over plain and scattered memory. */
#include <string.h>

#include "net/frame.h"

/*
 * Sums are of 16-bit words as they lie in memory: the one's complement sum
 * does not mind the order of bytes as long as everybody keeps to one.
 */
static uint32_t fold32(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	return (uint32_t)sum;
}

static uint32_t swap_lanes(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum >> 8 & 0xff) | (sum & 0xff) << 8;
}

uint32_t csum_bytes(const void *p, size_t len, uint32_t initial)
{
	const uint8_t *b = p;
	uint64_t sum = initial;
	size_t i = 0;

	for (; i + 4 <= len; i += 4) {
		uint32_t v;

		memcpy(&v, b + i, sizeof(v));
		sum += v;
	}
	if (len - i >= 2) {
		uint16_t v;

		memcpy(&v, b + i, sizeof(v));
		sum += v;
		i += 2;
	}
	if (i < len) {
		uint8_t last[2] = { b[i], 0 };
		uint16_t v;

		memcpy(&v, last, sizeof(v));
		sum += v;
	}
	return fold32(sum);
}

uint32_t csum_iov(const struct iovec *iov, unsigned n, size_t off, size_t len,
		  uint32_t initial)
{
	uint64_t sum = initial;
	bool odd = false;

	for (unsigned i = 0; i < n && len; i++) {
		size_t part = iov[i].iov_len;
		uint32_t s;

		if (off >= part) {
			off -= part;
			continue;
		}
		part -= off;
		if (part > len)
			part = len;
		s = csum_bytes((const uint8_t *)iov[i].iov_base + off, part, 0);
		/* a part that begins at an odd byte has its lanes swapped */
		sum += odd ? swap_lanes(s) : s;
		odd ^= part & 1;
		len -= part;
		off = 0;
	}
	return fold32(sum);
}

uint32_t csum_pseudo(const struct net_addr *src, const struct net_addr *dst,
		     uint8_t proto, uint32_t len)
{
	size_t n = src->family == AF_INET ? 4 : 16;
	uint8_t tail[8] = { (uint8_t)(len >> 24),
			    (uint8_t)(len >> 16),
			    (uint8_t)(len >> 8),
			    (uint8_t)len,
			    0,
			    0,
			    0,
			    proto };

	return csum_bytes(tail, sizeof(tail),
			  csum_bytes(dst->b, n, csum_bytes(src->b, n, 0)));
}

uint16_t csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
