/* SPDX-License-Identifier: Apache-2.0 */
/* A tree becomes the metadata of an EROFS image. The same tree, the same
 * bytes. */
#ifndef MSB_IMAGE_EROFS_WRITE_H
#define MSB_IMAGE_EROFS_WRITE_H

#include <stdint.h>

#include "base/err.h"
#include "image/tree.h"

enum erofs_kind {
	/* File data is in the image, before the metadata; marks are kept. */
	EROFS_LAYER,
	/* File data follows the image: blocks of files count from its end. */
	EROFS_MERGED,
};

struct erofs_target {
	int fd;
	enum erofs_kind kind;
	uint32_t meta_block;	/* where the metadata starts, at least 1 */
	uint64_t blocks_behind; /* of file data behind the image */
};

/*
 * The superblock is written last. The tree is laid out: it can be written only
 * once. *ret_size are the bytes of the image without what is behind it.
 */
int erofs_write(struct tree *t, const struct erofs_target *target,
		uint64_t *ret_size, struct err *err);

#endif
