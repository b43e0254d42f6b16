/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648): written in the standard alphabet, read in either. */
#ifndef MSB_BASE_BASE64_H
#define MSB_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

int base64_digit(uint8_t c); /* -1: none of either alphabet */
/* Append, padded. 0 or -ENOMEM. */
int base64_encode(const void *data, size_t len, struct buf *out);
/* Append what text means; padding may be missing. 0, -EINVAL, or -ENOMEM, also
 * when it is more than out takes. */
int base64_decode(const void *text, size_t len, struct buf *out);
/* The same, of nothing but what base64_encode() could have written. */
int base64_decode_strict(const void *text, size_t len, struct buf *out);

#endif
