/* SPDX-License-Identifier: Apache-2.0 */
/* Reading small text files of a merged tree out of the layers. */
#include "image/merge_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "image/erofs_format.h"

/* The layer that holds a block, which becomes one of it. */
static const struct merge_layer *find_layer(const struct merge_layer *layers,
					    size_t n, uint64_t *block)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t blocks = layers[i].size / EROFS_BLOCK;

		if (*block < blocks)
			return &layers[i];
		*block -= blocks;
	}
	return NULL;
}

static int read_at(const struct merge_layer *l, uint64_t block, char *buf,
		   size_t len)
{
	size_t done = 0;

	while (done < len) {
		struct iovec iov = { buf + done, len - done };
		ssize_t n = io_preadv(l->fd, &iov, 1,
				      (off_t)(block * EROFS_BLOCK + done), 0);

		if (n <= 0)
			return n ? (int)n : -EUCLEAN;
		done += (size_t)n;
	}
	return 0;
}

/* Of a longer file, the lines that fit. */
static void cut(char *text, size_t len)
{
	char *end = memrchr(text, '\n', len);

	text[end ? (size_t)(end - text) + 1 : 0] = '\0';
}

int merge_text(struct tree *t, const struct merge_layer *layers, size_t n,
	       const char *path, char **ret, struct err *err)
{
	autofree char *text = NULL;
	const struct merge_layer *l;
	const struct tree_node *file;
	uint64_t block;
	uint32_t node;
	size_t len;
	int r = 0;

	*ret = NULL;
	if (tree_walk_file(t, path, &node) ||
	    !S_ISREG(tree_node(t, node)->mode))
		return 0;
	file = tree_node(t, node);
	len = file->size < LAYER_TEXT_MAX ? (size_t)file->size : LAYER_TEXT_MAX;
	text = calloc(1, len + 1);
	if (!text)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	block = file->block;
	l = len ? find_layer(layers, n, &block) : NULL;
	if (l)
		r = read_at(l, block, text, len);
	if (r)
		return err_sys(err, ERR_IO, -r, "cannot read %s of the image",
			       path);
	if (file->size > len)
		cut(text, len);
	*ret = take_ptr(text);
	return 0;
}
