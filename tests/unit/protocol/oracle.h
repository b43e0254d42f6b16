/* SPDX-License-Identifier: Apache-2.0 */
/* A second CBOR implementation behind names that do not clash with ours. */
#ifndef MSB_TEST_PROTOCOL_ORACLE_H
#define MSB_TEST_PROTOCOL_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the first item, 0 when it is malformed. */
size_t oracle_item(const uint8_t *data, size_t len);
/* Load and write again; malloc'ed, NULL when malformed. */
uint8_t *oracle_rewrite(const uint8_t *data, size_t len, size_t *ret_len);
/* A random item of any shape, written by the oracle; malloc'ed. */
uint8_t *oracle_random(uint64_t seed, size_t *ret_len);
/* {"data": <bytes>, "cmd": ..., "args": [...]}, all indefinite and with the
 * widest integers; malloc'ed. */
uint8_t *oracle_loose_exec(size_t *ret_len);

#endif
