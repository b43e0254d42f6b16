/* SPDX-License-Identifier: Apache-2.0 */
/* Compiler attributes and the few macros every room uses. */
#ifndef MSB_BASE_COMPILER_H
#define MSB_BASE_COMPILER_H

#include <stddef.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member)                                        \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define MSB_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define MSB_CLEANUP(fn) __attribute__((cleanup(fn)))
#define MSB_UNUSED __attribute__((unused))
#define MSB_MUST_CHECK __attribute__((warn_unused_result))
#define MSB_NORETURN __attribute__((noreturn))
#define MSB_EXPORT __attribute__((visibility("default")))
#define MSB_FALLTHROUGH __attribute__((fallthrough))

#endif
