/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exposes one virtio device to a guest through the registers of the
 * virtio-mmio transport, version 2 (virtio 1.2, 4.2). It knows nothing of KVM:
 * the engine brings register accesses from its vCPU threads here, and may
 * spare itself most of them:
 *
 * - QueueNotify: KVM_IOEVENTFD at base + VIRTIO_MMIO_NOTIFY_OFFSET, length 4,
 *   datamatch = q, with virtio_mmio_kick_fd(m, q).
 * - Interrupts: KVM_IRQFD (edge, without resampling) with irq_fd.
 * - Reads: regs always holds what the guest is to read. As a memory slot with
 *   KVM_MEM_READONLY at base it spares every exit of a read; writes still exit.
 * - InterruptACK: KVM_IOEVENTFD at base + VIRTIO_MMIO_ACK_OFFSET, length 4,
 *   datamatch = 1, with an eventfd that nobody reads. InterruptStatus then
 *   keeps saying "used buffers" after the first such interrupt, which makes a
 *   driver look at its queues, as each interrupt does; other acknowledgements
 *   (of a changed configuration) do exit.
 *
 * Threads: virtio_mmio_read() and _write() are for vCPU threads, any number of
 * them at a time. What changes the device is carried out by the thread that
 * serves it (device.h), while the vCPU waits. The serving loop may be the
 * owner's own: before the owner waits for vCPU threads it calls
 * virtio_mmio_release(), which lets all of them go.
 */
#ifndef MSB_VIRTIO_TRANSPORT_MMIO_H
#define MSB_VIRTIO_TRANSPORT_MMIO_H

#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"
#include "virtio/device.h"

/* Guest physical space a device takes, page-aligned. */
#define VIRTIO_MMIO_LEN 4096u
#define VIRTIO_MMIO_NOTIFY_OFFSET 0x50u
#define VIRTIO_MMIO_ACK_OFFSET 0x64u
/* Largest size of a queue that is offered. */
#define VIRTIO_MMIO_QUEUE_SIZE 256u

struct virtio_mmio;

struct virtio_mmio_events {
	void *ctx;
	/*
	 * The driver broke the rules: the device works no more until the guest
	 * resets it. On the owner's loop, from a clean stack. NULL = not
	 * wanted.
	 */
	void (*fault)(void *ctx, const char *why);
};

/*
 * Serve dev (borrowed, like mem, until virtio_mmio_free). A device with
 * wants_thread is served by a thread of its own, others on owner_loop. mem
 * does not change meanwhile. Takes irq_fd, an eventfd, also on failure; it is
 * made non-blocking. regs: VIRTIO_MMIO_LEN zeroed bytes, page-aligned,
 * borrowed; NULL = not needed. On the owner loop's thread. 0 or -errno.
 */
int virtio_mmio_new(struct loop *owner_loop, struct virtio_device *dev,
		    const struct guest_memory *mem, int irq_fd, void *regs,
		    const struct virtio_mmio_events *events,
		    struct virtio_mmio **ret);

/*
 * From now on no vCPU waits here: those that do return at once, and writes
 * that would change the device have no effect. Any thread, any number of
 * times. A request that is being carried out is finished or dropped.
 */
void virtio_mmio_release(struct virtio_mmio *m);

/* Stop the device, join its thread. On the owner loop's thread, when no vCPU
 * can be in a function of this header any more. NULL is allowed. */
struct virtio_mmio *virtio_mmio_free(struct virtio_mmio *m);

/*
 * An access at base + off; len bytes in guest order, as the exit has them. Any
 * thread but the serving one. Never fails: what the standard does not define
 * reads as zero and is ignored when written.
 */
void virtio_mmio_read(struct virtio_mmio *m, uint64_t off, void *data,
		      size_t len);
void virtio_mmio_write(struct virtio_mmio *m, uint64_t off, const void *data,
		       size_t len);

/* The eventfd that means a kick of queue q < dev->nqueues; borrowed. */
int virtio_mmio_kick_fd(const struct virtio_mmio *m, unsigned q);

#endif
