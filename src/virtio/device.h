/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device, independent of the transport that exposes it (virtio 1.2).
 * A device is written once against struct virtqueue and struct guest_memory.
 *
 * Threads: a device is served by exactly one thread, the one running its
 * transport's loop. Devices that may block on the host (block, fs) ask for a
 * thread of their own with wants_thread; the others share the runtime's loop.
 */
#ifndef MSB_VIRTIO_DEVICE_H
#define MSB_VIRTIO_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"
#include "virtio/memory.h"
#include "virtio/virtqueue.h"

#define VIRTIO_MAX_QUEUES 40

/* Device ids, virtio 1.2 section 5. */
enum virtio_id {
	VIRTIO_ID_NET = 1,
	VIRTIO_ID_BLOCK = 2,
	VIRTIO_ID_CONSOLE = 3,
	VIRTIO_ID_RNG = 4,
	VIRTIO_ID_BALLOON = 5,
	VIRTIO_ID_FS = 26,
};

struct virtio_device;

struct virtio_device_ops {
	uint32_t id; /* enum virtio_id */
	const char *name;
	bool wants_thread;
	/* Config space, little-endian, config_len bytes in the device. Writes
	 * outside it are ignored by the transport; NULL = read-only. */
	void (*config_written)(struct virtio_device *d, size_t off, size_t len);
	/* Features are agreed and queues are usable; on the serving thread,
	 * whose loop is d->loop. 0 or -errno. */
	int (*start)(struct virtio_device *d);
	/* The driver kicked queue q, or it just became usable. */
	void (*queue_ready)(struct virtio_device *d, unsigned q);
	/* Reset: forget everything in flight. Queues become unusable. */
	void (*stop)(struct virtio_device *d);
	void (*free)(struct virtio_device *d);
};

struct virtio_device {
	const struct virtio_device_ops *ops;
	uint64_t features; /* offered, without the transport's own */
	uint64_t acked;	   /* agreed with the driver */
	uint8_t *config;   /* owned by the device */
	size_t config_len;
	unsigned nqueues;
	struct virtqueue queues[VIRTIO_MAX_QUEUES];
	struct guest_memory *mem; /* set by the transport before start */
	struct loop *loop;	  /* the serving thread's loop */
	bool broken; /* vq_fault() was called: NEEDS_RESET, no more work */
};

#endif
