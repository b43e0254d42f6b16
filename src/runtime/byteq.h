/* SPDX-License-Identifier: Apache-2.0 */
/* First-in first-out queue of bytes in chunks: appending to a long queue moves
 * nothing, and an empty queue holds no memory. */
#ifndef MSB_RUNTIME_BYTEQ_H
#define MSB_RUNTIME_BYTEQ_H

#include <stddef.h>
#include <sys/uio.h>

struct byteq_chunk;

struct byteq {
	struct byteq_chunk *first, *last; /* owned */
	size_t len;
};

/* All of it or nothing: 0 or -ENOMEM. */
int byteq_append(struct byteq *q, const void *data, size_t len);
/* Describe the front of the queue; returns the number of entries used. */
size_t byteq_iov(const struct byteq *q, struct iovec *iov, size_t max);
/* Drop len bytes, at most all, from the front. */
void byteq_consume(struct byteq *q, size_t len);
void byteq_fini(struct byteq *q);

#endif
