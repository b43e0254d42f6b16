/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File data of a layer image, written in the order it comes, through one large
 * buffer. Blocks of zeros are never written: they stay holes.
 */
#ifndef MSB_IMAGE_EROFS_DATA_H
#define MSB_IMAGE_EROFS_DATA_H

#include <stddef.h>
#include <stdint.h>

struct erofs_data {
	int fd;
	uint8_t *buf; /* owned */
	size_t len;
	uint64_t pos; /* of the buffer in the file; always a block's start */
};

/* Data starts with block 1. */
int erofs_data_init(struct erofs_data *d, int fd);
void erofs_data_fini(struct erofs_data *d);

/* The block the next byte goes to; only between files. */
uint32_t erofs_data_block(const struct erofs_data *d);
int erofs_data_put(struct erofs_data *d, const void *data, size_t len);
int erofs_data_zero(struct erofs_data *d, uint64_t len);
/* End of a file: fills its last block. */
int erofs_data_end(struct erofs_data *d);
/* Write what is left; only between files. */
int erofs_data_flush(struct erofs_data *d);

#endif
