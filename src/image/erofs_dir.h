/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks of an EROFS directory, made of a sorted directory of a tree. */
#ifndef MSB_IMAGE_EROFS_DIR_H
#define MSB_IMAGE_EROFS_DIR_H

#include "image/erofs_format.h"
#include "image/tree.h"

/* Position in a directory: "." and ".." are sorted among the other names. */
struct erofs_dir_pack {
	const struct tree *tree;
	uint32_t dir, entry;
	unsigned dots;
};

void erofs_dir_begin(struct erofs_dir_pack *p, const struct tree *t,
		     uint32_t dir);
/*
 * Bytes used of the next block, 0 at the end. All blocks but the last count as
 * whole ones. The block is zeroed and filled unless NULL, which only counts.
 */
size_t erofs_dir_next(struct erofs_dir_pack *p, uint8_t *block);

#endif
