/* SPDX-License-Identifier: Apache-2.0 */
/* The serving side of the mmio transport: what the driver's writes do. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <string.h>

#include "virtio/transport/mmio_int.h"

static void notify_driver(struct virtqueue *vq)
{
	mmio_interrupt(vq->notify_ctx, MMIO_INT_USED);
}

/* After a change that the driver is to hear of, if it listens already. */
static void interrupt_config(struct virtio_mmio *m)
{
	bool listens;

	pthread_mutex_lock(&m->lock);
	listens = m->status & VIRTIO_CONFIG_S_DRIVER_OK;
	pthread_mutex_unlock(&m->lock);
	if (listens)
		mmio_interrupt(m, MMIO_INT_CONFIG);
}

static void on_fault(struct virtio_device *dev, const char *why)
{
	struct virtio_mmio *m = dev->transport_ctx;

	for (unsigned i = 0; i < dev->nqueues; i++)
		loop_unwatch(&m->queue[i].served.kick);
	pthread_mutex_lock(&m->lock);
	m->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	mmio_regs_update(m);
	pthread_mutex_unlock(&m->lock);
	interrupt_config(m);
	reports_send(&m->reports, REPORT_FAULT, why);
}

static void on_config_changed(struct virtio_device *dev)
{
	struct virtio_mmio *m = dev->transport_ctx;

	pthread_mutex_lock(&m->lock);
	mmio_regs_config(m, true);
	pthread_mutex_unlock(&m->lock);
	interrupt_config(m);
}

static const struct virtio_transport_ops transport_ops = {
	.fault = on_fault,
	.config_changed = on_config_changed,
};

static void start(struct virtio_mmio *m, uint64_t features)
{
	if (device_start(m->dev, features) != 0)
		return; /* the driver finds FEATURES_OK unset */
	pthread_mutex_lock(&m->lock);
	m->started = true;
	m->status |= VIRTIO_CONFIG_S_FEATURES_OK;
	pthread_mutex_unlock(&m->lock);
}

/* Run or stop one queue, as the driver said. */
static void update_queue(struct virtio_mmio *m, unsigned i)
{
	struct mmio_queue *q = &m->queue[i];
	struct queue_setup s = { .lookup = gmem_range,
				 .kick_fd = q->kick_fd,
				 .notify = notify_driver,
				 .notify_ctx = m };
	int rc = -EPROTO;
	char why[64];
	bool ready;

	pthread_mutex_lock(&m->lock);
	ready = q->ready;
	s.rings = q->rings;
	if (q->num <= VIRTIO_MMIO_QUEUE_SIZE) {
		s.size = (uint16_t)q->num;
		rc = 0;
	}
	pthread_mutex_unlock(&m->lock);
	if (ready == q->served.running)
		return;
	if (!ready) {
		served_queue_stop(&q->served);
		return;
	}
	if (!rc)
		rc = served_queue_start(&q->served, &s);
	if (!rc)
		return;
	(void)snprintf(why, sizeof(why), "%s: queue %u cannot be used",
		       m->dev->ops->name, i);
	virtio_fault(m->dev, why);
}

static void write_config(struct virtio_mmio *m, const struct mmio_request *r)
{
	struct virtio_device *dev = m->dev;

	memcpy(dev->config + r->off, r->data, r->len);
	dev->ops->config_written(dev, r->off, r->len);
	pthread_mutex_lock(&m->lock);
	mmio_regs_config(m, false);
	pthread_mutex_unlock(&m->lock);
}

static void reset(struct virtio_mmio *m)
{
	bool started;

	for (unsigned i = 0; i < m->dev->nqueues; i++)
		served_queue_stop(&m->queue[i].served);
	pthread_mutex_lock(&m->lock);
	started = m->started;
	m->started = false;
	pthread_mutex_unlock(&m->lock);
	if (!started)
		return;
	device_stop(m->dev);
	pthread_mutex_lock(&m->lock);
	mmio_regs_config(m, false); /* fields of the driver's are forgotten */
	pthread_mutex_unlock(&m->lock);
}

void mmio_device_obey(struct virtio_mmio *m, const struct mmio_request *r)
{
	switch (r->act) {
	case MMIO_START:
		start(m, r->features);
		break;
	case MMIO_RUN:
		for (unsigned i = 0; i < m->dev->nqueues; i++)
			update_queue(m, i);
		break;
	case MMIO_QUEUE:
		update_queue(m, r->queue);
		break;
	case MMIO_CONFIG_WRITE:
		write_config(m, r);
		break;
	case MMIO_RESET:
		reset(m);
		break;
	}
}

void mmio_device_begin(void *ctx)
{
	struct virtio_mmio *m = ctx;

	device_attach(m->dev, &transport_ops, m, m->serving.loop, m->mem);
	pthread_mutex_lock(&m->lock);
	mmio_regs_config(m, false);
	pthread_mutex_unlock(&m->lock);
}

void mmio_device_end(void *ctx)
{
	struct virtio_mmio *m = ctx;

	reset(m);
	device_detach(m->dev);
}
