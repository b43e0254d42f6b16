/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-balloon (virtio 1.2, 5.5): gives memory the guest does not use back
 * to the host, reported free pages by themselves, and pages of the balloon,
 * whose size the owner sets.
 *
 * Guest memory must be a shared, writable mapping of a file that can have
 * holes (a memfd). A page given back is a hole: whoever else has mapped the
 * file reads zeroes there, too, until the guest writes to the page again.
 *
 * Served on the owner's loop; every function is on its thread.
 */
#ifndef MSB_VIRTIO_DEV_BALLOON_H
#define MSB_VIRTIO_DEV_BALLOON_H

#include <stdint.h>

#include "virtio/device.h"

#define VBALLOON_PAGE 4096u

/* 0 or -ENOMEM. Free it with ops->free. */
int vballoon_new(struct virtio_device **ret);

/* Ask the guest to keep this many pages in the balloon, or all that it can. */
void vballoon_set_target(struct virtio_device *d, uint32_t pages);
/* How many pages are in it, by what the guest says. */
uint32_t vballoon_actual(const struct virtio_device *d);

#endif
