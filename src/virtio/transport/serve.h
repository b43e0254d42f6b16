/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every transport does with a device: find it a thread, start and stop
 * it, and run its queues on their kick descriptors.
 */
#ifndef MSB_VIRTIO_TRANSPORT_SERVE_H
#define MSB_VIRTIO_TRANSPORT_SERVE_H

#include "loop/loop.h"
#include "virtio/device.h"
#include "virtio/thread.h"

/* Where a device is served. */
struct serving {
	struct virtio_thread *thread; /* NULL: on the owner's loop */
	struct loop *loop;	      /* the serving one; NULL: not yet */
};

/* A thread of its own if the device wants one, else the owner's loop. */
int serving_start(struct serving *s, const struct virtio_device *dev,
		  struct loop *owner);
/* Run fn(ctx) on the serving thread and wait for it; on the owner's. */
void serving_call(struct serving *s, void (*fn)(void *ctx), void *ctx);
/* End the thread; harmless when not started. */
void serving_stop(struct serving *s);

/* --- all below on the serving thread --- */

void device_attach(struct virtio_device *dev,
		   const struct virtio_transport_ops *ops, void *ctx,
		   struct loop *loop, const struct guest_memory *mem);
void device_detach(struct virtio_device *dev);
/* The driver has agreed to features. 0 or -errno of the device. */
int device_start(struct virtio_device *dev, uint64_t features);
/* Its queues are stopped. */
void device_stop(struct virtio_device *dev);

/* A queue of an attached device; zero-initialise but for dev and index. */
struct served_queue {
	struct virtio_device *dev;
	unsigned index;
	bool running;
	struct watch kick;
	/* After a kick was served, or NULL. */
	void (*after_kick)(struct served_queue *q);
};

struct queue_setup {
	uint16_t size;
	uint16_t base; /* the next request to take */
	struct vq_rings rings;
	vq_lookup_fn lookup;
	int kick_fd;
	void (*notify)(struct virtqueue *vq);
	void *notify_ctx;
};

/* Run a stopped queue of a started device; -errno: it stays stopped. When the
 * device is broken, the queue runs but does nothing. */
int served_queue_start(struct served_queue *q, const struct queue_setup *s);
/* Stop it if it runs; virtqueue.last_avail says where it stood. */
void served_queue_stop(struct served_queue *q);

#endif
