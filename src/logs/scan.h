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

#define SCAN_TEXTS 8

/* Borrowed bytes. */
struct log_text {
	const uint8_t *p;
	size_t len;
};

struct scan {
	struct log_text key[SCAN_TEXTS]; /* parts of what is looked for */
	unsigned n;   /* 0: nothing can be told from the raw lines */
	size_t reach; /* the longest */
};

/* Choose a key of each of the texts, one of which is to be found. */
void scan_init(struct scan *s, const struct log_text *texts, unsigned n);
/*
 * Offset of the first place in p that may belong to a line whose data, without
 * its escapes, holds one of the texts: any line without such a place does not.
 * len when there is none.
 */
size_t scan_next(const struct scan *s, const uint8_t *p, size_t len);
/* The same for lines of runtime.log and kernel.log. A line that begins a boot
 * has such a place, too. */
size_t scan_next_text(const struct scan *s, const uint8_t *p, size_t len);

#endif
