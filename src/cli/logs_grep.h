/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions over log entries; the only user of PCRE2. */
#ifndef MSB_CLI_LOGS_GREP_H
#define MSB_CLI_LOGS_GREP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "microsandbox/microsandbox.h"

struct log_grep;

/*
 * A pattern of the syntax that Perl and Rust have in common, of Unicode
 * characters; "." is no newline, "$" is the end of the entry or of its last
 * line. What the two read differently is refused. 0 or -errno.
 */
int log_grep_new(const char *pattern, struct log_grep **ret, struct err *err);
struct log_grep *log_grep_free(struct log_grep *g); /* NULL */

/*
 * Texts of which whatever matches holds one, borrowed: how many; 0 when there
 * is no saying.
 */
unsigned log_grep_texts(const struct log_grep *g,
			msb_log_text_t ret[MSB_LOG_TEXTS_MAX]);
/* To hold one of them is all there is to matching. */
bool log_grep_is_text(const struct log_grep *g);

/*
 * 1, 0, or -errno: -ETIME for a pattern that takes too many steps with this
 * data. Bytes that are not UTF-8 match nothing.
 */
int log_grep_match(struct log_grep *g, const void *data, size_t len);

#endif
