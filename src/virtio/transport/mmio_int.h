/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the mmio transport among themselves: registers as the driver
 * sees them (mmio_regs.c), the device behind them (mmio_device.c), life and
 * hand-over between the two (mmio.c).
 *
 * Two worlds meet here. vCPU threads change what the driver has written, under
 * the lock. The serving thread alone touches the device and its queues, takes
 * the lock only to look at the former, and never while it calls the device.
 *
 * A write that concerns the device holds the slot from before it looks at the
 * state until its effect is complete, so such writes happen one by one,
 * whichever vCPUs they come from; all other accesses go on meanwhile.
 */
#ifndef MSB_VIRTIO_TRANSPORT_MMIO_INT_H
#define MSB_VIRTIO_TRANSPORT_MMIO_INT_H

#include <pthread.h>

#include "virtio/transport/mmio.h"
#include "virtio/transport/reports.h"
#include "virtio/transport/serve.h"

#define MMIO_TRANSPORT_FEATURES                                                \
	(VIRTIO_BIT_VERSION_1 | VIRTIO_BIT_EVENT_IDX | VIRTIO_BIT_INDIRECT_DESC)

#define MMIO_CONFIG 0x100u
#define MMIO_CONFIG_MAX (VIRTIO_MMIO_LEN - MMIO_CONFIG)
/* The widest access of a vCPU. */
#define MMIO_ACCESS_MAX 8u

#define MMIO_INT_USED 1u
#define MMIO_INT_CONFIG 2u

struct mmio_queue {
	/* As the driver wrote them; under the lock. */
	bool ready;
	uint32_t num;
	struct vq_rings rings;
	int kick_fd; /* owned */
	/* On the serving thread. */
	struct served_queue served;
};

enum mmio_act {
	MMIO_START, /* FEATURES_OK: may the driver have the device? */
	MMIO_RUN,   /* DRIVER_OK: all ready queues */
	MMIO_QUEUE, /* one queue became ready, or is not any more */
	MMIO_CONFIG_WRITE,
	MMIO_RESET,
};

struct mmio_request {
	enum mmio_act act;
	uint64_t features;
	unsigned queue;
	size_t off, len; /* of data, in the config space */
	uint8_t data[MMIO_ACCESS_MAX];
};

enum mmio_slot {
	SLOT_FREE,
	SLOT_HELD,    /* by a vCPU that looks and decides */
	SLOT_WAITING, /* request posted, the vCPU waits for the answer */
	SLOT_LEFT,    /* request posted, free when it is done */
};

struct virtio_mmio {
	struct virtio_device *dev; /* borrowed */
	const struct guest_memory *mem;
	struct virtio_mmio_events events;
	struct serving serving;
	struct reports reports;
	int irq_fd;
	struct mmio_queue queue[VIRTIO_MAX_QUEUES];

	/* Page of registers; words are stored atomically. */
	uint8_t *regs;
	uint8_t *own_regs; /* or NULL: regs is borrowed */

	pthread_mutex_t lock;
	pthread_cond_t cond; /* the slot has changed, or released has */
	/* All below under the lock. */
	bool released;
	enum mmio_slot slot;
	struct mmio_request request;
	uint32_t status;
	bool started; /* the device agreed; cleared by a reset */
	uint32_t device_features_sel, driver_features_sel, queue_sel;
	uint64_t driver_features;
	bool unknown_features; /* it wants bits beyond 63 */
	uint32_t generation;

	/* On the serving thread, but for creation. */
	int request_fd; /* owned; eight bytes mean a request */
	struct watch request_watch;
	int rc; /* of mmio_device_begin */
};

/*
 * Hand-over (mmio.c), by vCPU threads with the lock held. False: released, the
 * access is to have no more effect.
 */
bool mmio_slot_take(struct virtio_mmio *m);
/* Have m->request carried out and wait; the slot stays taken. */
bool mmio_slot_call(struct virtio_mmio *m);
/* The same without waiting: this gives the slot up, too. */
void mmio_slot_send(struct virtio_mmio *m);
void mmio_slot_give(struct virtio_mmio *m);

/* Registers (mmio_regs.c). */
void mmio_regs_init(struct virtio_mmio *m);
/* Show the driver what has changed; with the lock held. */
void mmio_regs_update(struct virtio_mmio *m);
/* Show the device's config space as it is now; on the serving thread, with the
 * lock held. */
void mmio_regs_config(struct virtio_mmio *m, bool changed);
/* Set InterruptStatus, then interrupt the guest. */
void mmio_interrupt(struct virtio_mmio *m, uint32_t bits);

/* The device (mmio_device.c), on the serving thread; ctx is the transport. */
void mmio_device_begin(void *ctx);
void mmio_device_end(void *ctx);
/* Carry out one request; without the lock. */
void mmio_device_obey(struct virtio_mmio *m, const struct mmio_request *r);

#endif
