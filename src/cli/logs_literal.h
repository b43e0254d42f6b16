/* SPDX-License-Identifier: Apache-2.0 */
/* What can be told of a regular expression without compiling it. */
#ifndef MSB_CLI_LOGS_LITERAL_H
#define MSB_CLI_LOGS_LITERAL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

#define LOG_LITERALS 8

struct log_literal {
	/* Every match holds one of these texts. */
	struct buf text[LOG_LITERALS];
	unsigned n; /* 0: that is unknown */
	bool whole; /* and to hold one of them is a match */
};

/* 0, or -errno for what would not mean the same in Rust as in PCRE2; then there
 * is nothing to free. */
int log_literal_init(struct log_literal *l, const char *pattern,
		     struct err *err);
void log_literal_fini(struct log_literal *l);

#endif
