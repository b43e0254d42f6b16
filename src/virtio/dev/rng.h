/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-entropy: random bytes of the host's kernel (virtio 1.2, 5.4). */
#ifndef MSB_VIRTIO_DEV_RNG_H
#define MSB_VIRTIO_DEV_RNG_H

#include "virtio/device.h"

/* 0 or -ENOMEM. Free it with ops->free. */
int vrng_new(struct virtio_device **ret);

#endif
