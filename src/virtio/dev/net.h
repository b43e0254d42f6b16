/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net: the guest's network card, in front of a user-mode network
 * (virtio 1.2, 5.1). */
#ifndef MSB_VIRTIO_DEV_NET_H
#define MSB_VIRTIO_DEV_NET_H

#include "net/net.h"
#include "virtio/device.h"

/*
 * A card with the address and the MTU of take's link, which is owned from then
 * on and used on the serving thread only. 0 or -ENOMEM. Free it with ops->free.
 */
int vdev_net_new(struct net *take, struct virtio_device **ret);
/* As net_set_policy(), of its network. */
int vdev_net_set_policy(struct virtio_device *d, struct policy *take);

#endif
