/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-blk (virtio 1.2, 5.2). */
#ifndef MSB_VIRTIO_DEV_BLOCK_H
#define MSB_VIRTIO_DEV_BLOCK_H

#include <stdbool.h>

#include "virtio/device.h"
#include "virtio/disk/disk.h"

#define VBLOCK_SERIAL_MAX 20

struct vblock_config {
	struct disk *disk;
	const char *serial; /* at most VBLOCK_SERIAL_MAX bytes; NULL = none */
	/* Flushes do nothing until vblock_settle(): for a disk that the guest
	 * mounts, as long as nothing on it is of value to anybody. */
	bool unsettled;
};

/*
 * Takes the disk on success: requests are served from it, by the device's own
 * thread. 0, -EINVAL (serial) or -ENOMEM. Free it with ops->free.
 */
int vblock_new(const struct vblock_config *config, struct virtio_device **ret);

/* From here on a flush is a flush, and the next request makes good those that
 * did nothing. Any thread. */
void vblock_settle(struct virtio_device *d);

#endif
