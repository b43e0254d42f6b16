/* SPDX-License-Identifier: Apache-2.0 */
/* Small text files of a merged tree. */
#ifndef MSB_IMAGE_MERGE_TEXT_H
#define MSB_IMAGE_MERGE_TEXT_H

#include "base/err.h"
#include "image/layer.h"
#include "image/tree.h"

/* The file at a path of the tree; NULL when there is none. */
int merge_text(struct tree *t, const struct merge_layer *layers, size_t n,
	       const char *path, char **ret, struct err *err);

#endif
