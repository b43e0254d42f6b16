/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device, independent of the transport that exposes it (virtio 1.2).
 * A device is written once against struct virtqueue and struct guest_memory.
 *
 * Threads: a device is served by exactly one thread, the one running its
 * transport's loop. Devices that may block on the host (block, fs) ask for a
 * thread of their own with wants_thread; the others share the runtime's loop.
 *
 * Life: start -> queue_ready* -> queue_stop per queue -> stop, any number of
 * times, then free. A driver that breaks the rules is answered with
 * virtio_fault(): its queues go dead until the device is stopped.
 */
#ifndef MSB_VIRTIO_DEVICE_H
#define MSB_VIRTIO_DEVICE_H

#include <linux/virtio_ids.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"
#include "virtio/memory.h"
#include "virtio/virtqueue.h"

#define VIRTIO_MAX_QUEUES 40

/* Features every transport of ours understands, virtio 1.2 section 6, as bits
 * (the names of the kernel's headers are bit numbers). */
#define VIRTIO_BIT_INDIRECT_DESC (1ull << 28)
#define VIRTIO_BIT_EVENT_IDX (1ull << 29)
#define VIRTIO_BIT_VERSION_1 (1ull << 32)

struct virtio_device;

/* All on the serving thread, whose loop is d->loop, except free. */
struct virtio_device_ops {
	uint32_t id; /* VIRTIO_ID_* */
	const char *name;
	bool wants_thread;
	/* Config space, little-endian, config_len bytes in the device. Writes
	 * outside it are ignored by the transport; NULL = read-only. */
	void (*config_written)(struct virtio_device *d, size_t off, size_t len);
	/* Features are agreed; queues become ready one by one from here on.
	 * 0 or -errno: the driver cannot have the device. */
	int (*start)(struct virtio_device *d);
	/* The driver kicked queue q, or it just became usable. */
	void (*queue_ready)(struct virtio_device *d, unsigned q);
	/*
	 * Queue q is about to lose its rings, and the memory behind requests
	 * taken from it: on return nothing may be in flight there. The queue
	 * still works during the call. The same queue may become ready again
	 * and go on where it stood. NULL: never anything in flight.
	 */
	void (*queue_stop)(struct virtio_device *d, unsigned q);
	/* The last queue stopped: forget the driver and what it agreed. */
	void (*stop)(struct virtio_device *d);
	/* By the owner, when no transport serves the device any more. */
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
	const struct guest_memory *mem; /* by the transport, before start */
	struct loop *loop;		/* the serving thread's loop */
	/* Data the guest has read and written since the device was made, of
	 * those that count it; any thread may look. */
	_Atomic uint64_t read_bytes, written_bytes;
	bool broken; /* virtio_fault() was called: NEEDS_RESET, no more work */
	/* Set by the transport while it serves the device, else NULL. */
	const struct virtio_transport_ops *transport;
	void *transport_ctx;
};

/* What a device may ask of whatever carries it; on the serving thread. */
struct virtio_transport_ops {
	void (*fault)(struct virtio_device *d, const char *why);
	void (*config_changed)(struct virtio_device *d);
};

/*
 * The driver broke the rules: no queue works any more until a reset, and the
 * transport's owner is told why. Only the first reason counts.
 */
void virtio_fault(struct virtio_device *d, const char *why);

/* Tell the driver that the config space has changed. */
void virtio_config_changed(struct virtio_device *d);

/* Add to one of the device's counters; on the serving thread, the only one that
 * does. */
static inline void virtio_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(
		counter,
		atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

/* True when the driver agreed to the feature bit(s). */
static inline bool virtio_has(const struct virtio_device *d, uint64_t features)
{
	return (d->acked & features) == features;
}

#endif
