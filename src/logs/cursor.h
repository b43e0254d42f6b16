/* SPDX-License-Identifier: Apache-2.0 */
/* Places in several chains of log files as text. */
#ifndef MSB_LOGS_CURSOR_H
#define MSB_LOGS_CURSOR_H

#include "base/err.h"
#include "logs/chain.h"

struct cursor {
	unsigned n;
	struct chain_place at[CHAIN_COUNT];
};

/* malloc'ed; NULL: no memory. */
char *cursor_format(const struct cursor *c);
/* ERR_INVALID_CURSOR when it is not one of n places. */
int cursor_parse(const char *text, unsigned n, struct cursor *ret,
		 struct err *err);

#endif
