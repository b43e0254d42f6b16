/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-blk over a raw image file or block device (virtio 1.2, 5.2). */
#ifndef MSB_VIRTIO_DEV_BLOCK_H
#define MSB_VIRTIO_DEV_BLOCK_H

#include <stdbool.h>

#include "virtio/device.h"

#define VBLOCK_SERIAL_MAX 20

struct vblock_config {
	int fd; /* opened to match read_only */
	bool read_only;
	const char *serial; /* at most VBLOCK_SERIAL_MAX bytes; NULL = none */
};

/*
 * Takes fd on success. Its size, a multiple of 512, is fixed from here on.
 * 0, -EINVAL (size or serial) or -errno. Free it with ops->free.
 */
int vblock_new(const struct vblock_config *config, struct virtio_device **ret);

#endif
