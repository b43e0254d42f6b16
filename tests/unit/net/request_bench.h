/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of requests through a filter, in one piece, byte by byte, and in two
 * pieces cut at every place. */
#ifndef MSB_TEST_REQUEST_BENCH_H
#define MSB_TEST_REQUEST_BENCH_H

#include "base/buf.h"
#include "net/http/request.h"

/* Who the requests are for, and with which secrets. */
struct request_bench {
	const struct secret_scope *scope;
	const char *host;
	size_t room;		   /* set by each run */
	struct secret_found found; /* of the last one that was stopped */
	const char *why;
};

/* In pieces of step bytes, the first of them first bytes; what comes out is
 * appended. What request_filter_push() says. */
int request_bench_run(struct request_bench *b, const void *data, size_t len,
		      size_t first, size_t step, struct buf *out);

/* The same comes out whatever the cuts. */
void request_becomes(struct request_bench *b, const void *in, size_t in_len,
		     const void *out, size_t out_len);
/* These all take text. */
void request_is(struct request_bench *b, const char *in, const char *out);
void request_passes(struct request_bench *b, const char *in);
/* -EPROTO whatever the cuts. */
void request_refused(struct request_bench *b, const char *in);
/* -EPERM whatever the cuts, for this variable and at this place. */
void request_violates(struct request_bench *b, const char *in, const char *env,
		      const char *location);

#endif
