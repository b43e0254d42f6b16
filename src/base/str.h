/* SPDX-License-Identifier: Apache-2.0 */
/* Strict text parsing and small string helpers. */
#ifndef MSB_BASE_STR_H
#define MSB_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Whole text as unsigned decimal: 0, -EINVAL (not a number), -ERANGE. */
int str_to_u64(const char *text, uint64_t *ret);
int str_to_u32(const char *text, uint32_t *ret);

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);

/* malloc'ed text, NULL when out of memory. */
char *str_fmt(const char *fmt, ...) MSB_PRINTF(1, 2);

/* True when the bytes are well-formed UTF-8 (no surrogates, no overlongs). */
bool utf8_valid(const void *data, size_t len);
/*
 * Length of the longest prefix that does not end inside an unfinished
 * sequence; 0 to 3 trailing bytes are left for the next chunk.
 */
size_t utf8_complete_prefix(const void *data, size_t len);
/*
 * Bytes at the front, of at least one, that form a character, or else a piece
 * of a broken one: the longest that could have become one.
 */
size_t utf8_step(const void *data, size_t len, bool *ret_valid);

/* Owned list of owned strings, always NULL-terminated once non-empty. */
struct strv {
	char **v;
	size_t n;
};
int strv_add(struct strv *s, const char *text); /* copies; 0 or -ENOMEM */
int strv_take(struct strv *s, char *text);	/* owns text also on error */
void strv_fini(struct strv *s);
int strv_copy(struct strv *dst, const struct strv *src);
/* Set KEY=VALUE: the entry with the same key is replaced in place. */
int strv_env_set(struct strv *s, const char *entry);
/* Take out the entry with this key: 1, or 0: there was none. */
int strv_env_remove(struct strv *s, const char *key);
/* Value of key in a list of KEY=VALUE, or NULL; borrowed. */
const char *strv_env_get(const struct strv *s, const char *key);

#endif
