/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one line of runtime.log or kernel.log. */
#ifndef MSB_LOGS_TEXT_LINE_H
#define MSB_LOGS_TEXT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * Behind the time of a boot, in kernel.log, where the console's text of that
 * boot begins. The second one is at the top of a file that goes on with a boot:
 * it is for readers who do not have the file before, and no entry.
 */
#define BOOT_MARK "machine started"
#define BOOT_MARK_AGAIN "machine started (continued)"

enum text_kind {
	TEXT_NONE, /* nothing in it */
	TEXT_UNDATED,
	TEXT_DATED,	 /* ns is the time */
	TEXT_UPTIME,	 /* ns is the time since the machine's start */
	TEXT_BOOT,	 /* dated, and of the machine's start */
	TEXT_BOOT_AGAIN, /* the same, but no entry */
};

struct text_line {
	enum text_kind kind;
	int64_t ns;
	const uint8_t *body; /* with a newline; in the line or in scratch */
	size_t len;
};

/*
 * A line with its newline, if it has one. Its text becomes UTF-8 without escape
 * sequences. False: no memory. kernel: the last two kinds are looked for, too.
 */
bool text_line_parse(struct buf *scratch, bool kernel, const uint8_t *line,
		     size_t len, struct text_line *ret);

#endif
