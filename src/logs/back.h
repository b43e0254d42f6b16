/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a chain of log files backwards, to find where to begin. */
#ifndef MSB_LOGS_BACK_H
#define MSB_LOGS_BACK_H

#include "logs/chain.h"

/*
 * Where the last n entries that pass begin, as they are when the chain is
 * opened; *ret_count: how many there are from there on, which is fewer when
 * there are no more, and may be some more. The chain is set to begin there.
 */
int chain_tail(struct chain *c, const struct log_filter *f, uint64_t n,
	       uint64_t *ret_count, struct err *err);
/*
 * Begin at offset in file number i of the chain, knowing what the lines before
 * it say about the time of those that follow.
 */
int chain_resume(struct chain *c, unsigned i, uint64_t offset, struct err *err);

#endif
