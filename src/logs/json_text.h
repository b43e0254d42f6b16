/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of JSON strings: escaped, found, unescaped. */
#ifndef MSB_LOGS_JSON_TEXT_H
#define MSB_LOGS_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* How many bytes from p on are ASCII that a JSON string holds as it is. */
size_t json_plain_run(const uint8_t *p, size_t len);
/* Append UTF-8 escaped. False: it is not UTF-8 (out is as before), or there is
 * no memory (out has failed). */
bool json_put_text(struct buf *out, const uint8_t *p, size_t len);
void json_put_number(struct buf *out, uint64_t v);
/*
 * The closing quote of the string whose inside begins at p, or NULL: there is
 * none, or the inside is not such that json_unescape() understands it. Whether
 * bytes past ASCII are UTF-8 is the caller's business when *ret_high is set.
 */
const uint8_t *json_string_end(const uint8_t *p, const uint8_t *end,
			       bool *ret_high);
/* Undo the escapes of what json_string_end() accepted; out may be as long as
 * the text. Returns the length. */
size_t json_unescape(const uint8_t *p, size_t len, uint8_t *out);
/* Length of one character at p, or of one broken piece of it. */
size_t utf8_piece(const uint8_t *p, size_t len, bool *ret_valid);

#endif
