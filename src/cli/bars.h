/* SPDX-License-Identifier: Apache-2.0 */
/* A bar per layer of an image, as text for a terminal. */
#ifndef MSB_CLI_BARS_H
#define MSB_CLI_BARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum bar_phase {
	BAR_WAITING, /* nothing yet, or another process works on it */
	BAR_DOWNLOAD,
	BAR_UNPACK,
	BAR_CACHED,
	BAR_DONE,
};

struct bar {
	enum bar_phase phase;
	uint64_t bytes, total;
};

struct bars {
	struct bar *bar; /* owned, n of them */
	size_t n;
};

/* n bars with these totals; 0 or -ENOMEM, and then there are none. */
int bars_init(struct bars *b, size_t n, const uint64_t *totals);
void bars_fini(struct bars *b);
/*
 * News of one. A layer is unpacked while it is being downloaded: what is shown
 * of the two is the one that is further. total 0: as before.
 */
void bar_set(struct bar *bar, enum bar_phase phase, uint64_t bytes,
	     uint64_t total);
/* Bytes of all that have been downloaded, and of all there are. */
void bars_sum(const struct bars *b, uint64_t *ret_bytes, uint64_t *ret_total);

/*
 * Append at most max_lines lines of at most columns cells, each after a
 * newline; returns how many. Where there is not room for all, finished bars are
 * left out, and the last line counts what is.
 */
size_t bars_format(const struct bars *b, size_t max_lines, size_t columns,
		   bool colors, struct buf *out);

/* Bars below the spinner, while it is on; 0 removes them. */
void bars_show(size_t n, const uint64_t *totals);
void bars_update(size_t i, enum bar_phase phase, uint64_t bytes,
		 uint64_t total);

/* "1.5 GiB", "17 B". buf >= 24 bytes */
const char *bytes_text(uint64_t bytes, char *buf, size_t size);

#endif
