/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed-endian loads and stores, and checked size arithmetic. */
#ifndef MSB_BASE_BYTES_H
#define MSB_BASE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BYTES_ACCESS(name, type, from, to)                                     \
	static inline type name##_get(const void *p)                           \
	{                                                                      \
		type v;                                                        \
		memcpy(&v, p, sizeof(v));                                      \
		return from(v);                                                \
	}                                                                      \
	static inline void name##_put(void *p, type v)                         \
	{                                                                      \
		v = to(v);                                                     \
		memcpy(p, &v, sizeof(v));                                      \
	}

BYTES_ACCESS(le16, uint16_t, le16toh, htole16)
BYTES_ACCESS(le32, uint32_t, le32toh, htole32)
BYTES_ACCESS(le64, uint64_t, le64toh, htole64)
BYTES_ACCESS(be16, uint16_t, be16toh, htobe16)
BYTES_ACCESS(be32, uint32_t, be32toh, htobe32)
BYTES_ACCESS(be64, uint64_t, be64toh, htobe64)

/* True on success; *ret is untouched on overflow. */
static inline bool add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t v;

	if (__builtin_add_overflow(a, b, &v))
		return false;
	*ret = v;
	return true;
}

static inline bool mul_size(size_t a, size_t b, size_t *ret)
{
	size_t v;

	if (__builtin_mul_overflow(a, b, &v))
		return false;
	*ret = v;
	return true;
}

#endif
