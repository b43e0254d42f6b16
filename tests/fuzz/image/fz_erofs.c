/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a layer's image. The superblock is put right, or nothing behind
 * it would ever be looked at: its checksum, and that it counts the file's
 * blocks.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "image/erofs_format.h"
#include "image/layer.h"

#define SIZE_MAX_BYTES ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void superblock(uint8_t *image, size_t size)
{
	uint8_t *sb = image + EROFS_SB_OFFSET;

	le32_put(sb + EROFS_SB_MAGIC, EROFS_MAGIC);
	sb[EROFS_SB_BLOCK_BITS] = EROFS_BLOCK_BITS;
	le32_put(sb + EROFS_SB_INCOMPAT, 0);
	le32_put(sb + EROFS_SB_BLOCKS, (uint32_t)(size / EROFS_BLOCK));
	le32_put(sb + EROFS_SB_CHECKSUM, erofs_checksum(image));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = (size + EROFS_BLOCK - 1) / EROFS_BLOCK * EROFS_BLOCK;
	struct merge_result r = { 0 };
	struct merge_layer l[2];
	int layer, out;
	uint8_t *image;

	if (size > SIZE_MAX_BYTES || size < EROFS_BLOCK)
		return 0;
	image = calloc(1, len);
	if (!image)
		abort();
	memcpy(image, data, size);
	superblock(image, len);
	layer = io_memfd("layer", image, len);
	out = memfd_create("out", MFD_CLOEXEC);
	if (layer < 0 || out < 0)
		abort();
	for (int i = 0; i < 2; i++)
		l[i] = (struct merge_layer){ layer, len };
	(void)layers_merge(l, 2, out, &r, NULL);
	free(r.passwd);
	free(r.group);
	if (ftruncate(out, 0) == 0 && lseek(out, 0, SEEK_SET) == 0)
		(void)layer_to_tar(layer, out, NULL);
	(void)close(layer);
	(void)close(out);
	free(image);
	return 0;
}
