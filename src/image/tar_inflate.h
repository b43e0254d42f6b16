/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression of a layer: gzip, zstd or none, told by the first bytes. */
#ifndef MSB_IMAGE_TAR_INFLATE_H
#define MSB_IMAGE_TAR_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <zlib.h>
#include <zstd.h>

#include "base/err.h"
#include "image/layer.h"

enum tar_format { TAR_UNKNOWN, TAR_PLAIN, TAR_GZIP, TAR_ZSTD };

struct tar_inflate {
	layer_read_fn *read;
	void *ctx;
	enum tar_format format;
	uint8_t *in; /* owned */
	size_t in_pos, in_len;
	bool in_end;   /* the source has ended */
	bool finished; /* what follows the compressed data does not count */
	bool begun;    /* inside of a gzip member or zstd frame */
	z_stream gz;
	ZSTD_DStream *zstd;
};

int tar_inflate_init(struct tar_inflate *z, layer_read_fn *read, void *ctx,
		     struct err *err);
void tar_inflate_fini(struct tar_inflate *z);

/*
 * Fill buf; 0 at the end. Several gzip members or zstd frames are one stream;
 * anything else behind the last is read and dropped, as gzip does with padding.
 */
ssize_t tar_inflate_read(struct tar_inflate *z, void *buf, size_t len,
			 struct err *err);

#endif
