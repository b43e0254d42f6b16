/* SPDX-License-Identifier: Apache-2.0 */
/* Layer archives become EROFS images, and layers become one tree. */
#ifndef MSB_IMAGE_LAYER_H
#define MSB_IMAGE_LAYER_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "image/digest.h"

/*
 * Bytes of a layer as they are in the registry: up to len into buf; 0 at the
 * end, -errno with *err filled.
 */
typedef ssize_t layer_read_fn(void *ctx, void *buf, size_t len,
			      struct err *err);

struct layer_limits {
	uint64_t total_bytes, file_bytes; /* of file data */
	uint64_t entries;
};
extern const struct layer_limits layer_limits_default;

/*
 * Unpack a layer (tar; plain, gzip or zstd, told by its first bytes) into out,
 * an empty file open for reading and writing, by itself an EROFS image of
 * *ret_size bytes. diff_id is what its uncompressed bytes have to hash to.
 * limits is NULL for the usual ones. read is called by another thread, the same
 * one throughout, until this returns; on success it was called until its end.
 * ERR_IMAGE with what is wrong; out then holds rubbish.
 */
int layer_to_erofs(layer_read_fn *read, void *ctx, const struct digest *diff_id,
		   const struct layer_limits *limits, int out,
		   uint64_t *ret_size, struct err *err);

#define LAYER_TEXT_MAX (1u << 20)

struct merge_layer {
	int fd;	       /* layer image, borrowed */
	uint64_t size; /* bytes, a multiple of 4096 */
};
struct merge_result {
	uint64_t size;	      /* bytes of the merged image */
	char *passwd, *group; /* malloc'ed; NULL when there is none */
};
/*
 * The merged metadata of layers (bottom first) into out, an empty file. File
 * data stays in the layers: the disk is out, followed by each layer, all of it.
 * The texts are those of /etc/passwd and /etc/group, cut after the last line
 * that ends within LAYER_TEXT_MAX bytes.
 */
int layers_merge(const struct merge_layer *layers, size_t n, int out,
		 struct merge_result *ret, struct err *err);

/*
 * Write a layer image as an uncompressed tar, whiteouts included: the same
 * image, the same bytes. out is written from its current offset on, and may be
 * a pipe.
 */
int layer_to_tar(int layer_fd, int out, struct err *err);

#endif
