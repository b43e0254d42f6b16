/* SPDX-License-Identifier: Apache-2.0 */
/* What all devices share: faults and config changes. */
#include "virtio/device.h"

void virtio_fault(struct virtio_device *d, const char *why)
{
	if (d->broken)
		return;
	d->broken = true;
	for (unsigned i = 0; i < d->nqueues; i++)
		d->queues[i].ready = false;
	if (d->transport)
		d->transport->fault(d, why);
}

void virtio_config_changed(struct virtio_device *d)
{
	if (d->transport && !d->broken)
		d->transport->config_changed(d);
}
