/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the lines of log files that may hold a text, without taking them
 * apart.
 */
#ifndef MSB_LOGS_SCAN_H
#define MSB_LOGS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scan {
	const uint8_t *key; /* borrowed; part of the text that is looked for */
	size_t len;	    /* 0: nothing can be told from the raw lines */
};

/* Choose the key. The text is borrowed. */
void scan_init(struct scan *s, const uint8_t *text, size_t len);
/*
 * Offset of the first place in p that may belong to a line whose data, without
 * its escapes, holds the text: any line without such a place does not. len when
 * there is none.
 */
size_t scan_next(const struct scan *s, const uint8_t *p, size_t len);
/* The same for lines of runtime.log and kernel.log. A line that begins a boot
 * has such a place, too. */
size_t scan_next_text(const struct scan *s, const uint8_t *p, size_t len);

#endif
