/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, section 4) of log entries and cursors. */
#ifndef MSB_LOGS_BASE64_H
#define MSB_LOGS_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* Append the text, padded. */
void base64_put(struct buf *out, const void *data, size_t len);
/*
 * Append the bytes that a padded text stands for; -EINVAL when it is not one
 * that base64_put could have written, -ENOMEM or -ENOSPC as buf_reserve.
 */
int base64_take(struct buf *out, const uint8_t *text, size_t len);

#endif
