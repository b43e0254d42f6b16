/* SPDX-License-Identifier: Apache-2.0 */
/* A layer's archive, entry by entry, becomes a tree and file data. */
#ifndef MSB_IMAGE_TAR_UNPACK_H
#define MSB_IMAGE_TAR_UNPACK_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "image/erofs_data.h"
#include "image/layer.h"
#include "image/tar_path.h"
#include "image/tree.h"

struct archive;
struct archive_entry;

struct tar_unpack {
	struct tree tree;
	struct erofs_data data;
	const struct layer_limits *limits;
	uint64_t entries, bytes; /* so far */
	struct tar_path path;	 /* of the entry */
	struct buf xattrs;	 /* of the entry */
	struct buf pending;	 /* uint32_t, entries of TREE_PENDING nodes */
};

int tar_unpack_init(struct tar_unpack *u, const struct layer_limits *limits,
		    int out, struct err *err);
void tar_unpack_fini(struct tar_unpack *u);

/* Take the entry whose header the reader has just given, and its data. */
int tar_unpack_entry(struct tar_unpack *u, struct archive *a,
		     struct archive_entry *e, struct err *err);
/* After the last: hard links to what came later, and what is buffered. */
int tar_unpack_finish(struct tar_unpack *u, struct err *err);

#endif
