/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The uncompressed bytes of a layer, made by a thread of their own while the
 * caller works on those before: decompression is what takes the time.
 */
#ifndef MSB_IMAGE_TAR_STREAM_H
#define MSB_IMAGE_TAR_STREAM_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "image/layer.h"

struct tar_stream;

/* read is called by that thread alone. */
int tar_stream_new(layer_read_fn *read, void *ctx, struct tar_stream **ret,
		   struct err *err);
/* Waits for a read() that is under way. NULL is nothing. */
void tar_stream_free(struct tar_stream *s);

/* The next bytes, there until the following call. 0 at the end. */
ssize_t tar_stream_next(struct tar_stream *s, const void **ret_data,
			struct err *err);

#endif
