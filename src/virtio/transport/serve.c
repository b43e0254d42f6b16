/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serving a device, whatever carries it.
 *
 * Kick descriptors are watched edge-triggered and never read: every write to
 * an eventfd is an edge, also when its counter was not zero. That spares one
 * system call per kick, and where the peer shares the descriptor's blocking
 * mode, a read could block.
 */
#include "virtio/transport/serve.h"

#include <stdio.h>

#include "base/compiler.h"

int serving_start(struct serving *s, const struct virtio_device *dev,
		  struct loop *owner)
{
	char name[16];
	int rc;

	if (!dev->ops->wants_thread) {
		s->loop = owner;
		return 0;
	}
	(void)snprintf(name, sizeof(name), "virtio-%s", dev->ops->name);
	rc = virtio_thread_start(name, &s->thread);
	if (!rc)
		s->loop = virtio_thread_loop(s->thread);
	return rc;
}

void serving_call(struct serving *s, void (*fn)(void *ctx), void *ctx)
{
	if (s->thread)
		virtio_thread_call(s->thread, fn, ctx);
	else
		fn(ctx);
}

void serving_stop(struct serving *s)
{
	s->thread = virtio_thread_stop(s->thread);
	s->loop = NULL;
}

void device_attach(struct virtio_device *dev,
		   const struct virtio_transport_ops *ops, void *ctx,
		   struct loop *loop, const struct guest_memory *mem)
{
	dev->transport = ops;
	dev->transport_ctx = ctx;
	dev->loop = loop;
	dev->mem = mem;
}

void device_detach(struct virtio_device *dev)
{
	dev->transport = NULL;
	dev->transport_ctx = NULL;
	dev->loop = NULL;
	dev->mem = NULL;
}

int device_start(struct virtio_device *dev, uint64_t features)
{
	int rc;

	dev->acked = features;
	dev->broken = false;
	rc = dev->ops->start(dev);
	if (rc)
		dev->acked = 0;
	return rc;
}

void device_stop(struct virtio_device *dev)
{
	dev->ops->stop(dev);
	dev->broken = false;
	dev->acked = 0;
}

static void on_kick(struct watch *w, uint32_t events)
{
	struct served_queue *q = container_of(w, struct served_queue, kick);

	if (!(events & EPOLLIN)) { /* the other end of a pipe is gone */
		loop_unwatch(w);
		return;
	}
	if (!q->dev->broken)
		q->dev->ops->queue_ready(q->dev, q->index);
	if (q->after_kick)
		q->after_kick(q);
}

int served_queue_start(struct served_queue *q, const struct queue_setup *s)
{
	struct virtio_device *dev = q->dev;
	struct virtqueue *vq = &dev->queues[q->index];
	int rc;

	vq->event_idx = virtio_has(dev, VIRTIO_BIT_EVENT_IDX);
	vq->indirect = virtio_has(dev, VIRTIO_BIT_INDIRECT_DESC);
	vq->notify = s->notify;
	vq->notify_ctx = s->notify_ctx;
	rc = vq_start(vq, dev->mem, s->size, s->base, &s->rings, s->lookup);
	if (rc)
		return rc;
	rc = loop_watch(dev->loop, &q->kick, s->kick_fd, EPOLLIN | EPOLLET,
			on_kick);
	if (rc) {
		vq_stop(vq);
		return rc;
	}
	q->running = true;
	if (dev->broken) { /* since another queue's fault */
		vq->ready = false;
		loop_unwatch(&q->kick);
	} else {
		dev->ops->queue_ready(dev, q->index);
	}
	return 0;
}

void served_queue_stop(struct served_queue *q)
{
	struct virtio_device *dev = q->dev;

	if (!q->running)
		return;
	loop_unwatch(&q->kick);
	if (dev->ops->queue_stop)
		dev->ops->queue_stop(dev, q->index);
	q->running = false;
	vq_stop(&dev->queues[q->index]);
}
