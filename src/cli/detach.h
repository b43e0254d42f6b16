/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recognises the detach keys in what is typed. A typed prefix of the sequence
 * is held back and given on once it turns out to be something else.
 */
#ifndef MSB_CLI_DETACH_H
#define MSB_CLI_DETACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/grammar.h"

struct detach {
	uint8_t keys[DETACH_MAX_KEYS];
	size_t n;
	size_t held; /* keys[0, held) were typed and not given on */
};

/*
 * Take len bytes of input; out (room for len + DETACH_MAX_KEYS) gets those that
 * go on to the guest. True when the sequence was completed: then what followed
 * it is dropped.
 */
bool detach_feed(struct detach *d, const uint8_t *in, size_t len, uint8_t *out,
		 size_t *ret_len);

#endif
