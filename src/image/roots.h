/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles of certificates that are trusted besides the host's. */
#ifndef MSB_IMAGE_ROOTS_H
#define MSB_IMAGE_ROOTS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define ROOTS_MAX (16u << 20)

/* ERR_INVALID unless each certificate of a PEM bundle, at least one, has the
 * form of one. */
int roots_check(const char *text, size_t len, struct err *err);
/* Append the bundle in a file, checked; name for messages. */
int roots_add_file(struct buf *out, const char *path, struct err *err);

#endif
