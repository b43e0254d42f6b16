/* SPDX-License-Identifier: Apache-2.0 */
/* Compressing a file, and expanding one that somebody else has made. */
#ifndef MSB_IMAGE_REPACK_H
#define MSB_IMAGE_REPACK_H

#include <stdint.h>

#include "base/err.h"

/* in from its offset to its end, as one zstd frame into out. */
int repack_compress(int in, int out, struct err *err);
/*
 * in, compressed with zstd or gzip or not at all, into the empty file out,
 * which gets holes where there are zeroes; at most max bytes.
 */
int repack_expand(int in, int out, uint64_t max, struct err *err);

#endif
