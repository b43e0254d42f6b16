/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-fs: FUSE requests to a file server (virtio 1.2, 5.11). */
#ifndef MSB_VIRTIO_DEV_FS_H
#define MSB_VIRTIO_DEV_FS_H

#include "fs/fs.h"
#include "virtio/device.h"

#define VFS_TAG_MAX 36

/*
 * A device the guest mounts by tag. Takes the server on success; it is used on
 * the serving thread only. 0, -EINVAL (tag empty or too long) or -ENOMEM. Free
 * it with ops->free.
 */
int vdev_fs_new(const char *tag, struct fs_server *take,
		struct virtio_device **ret);

#endif
