/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's half of virtio-mmio, for tests: the test's thread is a vCPU, and
 * the owner's loop runs on a thread of its own, as in a virtual machine.
 */
#ifndef MSB_TEST_VIRTIO_VCPU_H
#define MSB_TEST_VIRTIO_VCPU_H

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "driver.h"
#include "virtio/thread.h"
#include "virtio/transport/mmio.h"

#define VCPU_MEM_LEN (4u << 20)
#define VCPU_GPA 0x100000ull
#define VCPU_QUEUES 8

#define STATUS_ACKNOWLEDGE VIRTIO_CONFIG_S_ACKNOWLEDGE
#define STATUS_DRIVER VIRTIO_CONFIG_S_DRIVER
#define STATUS_FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define STATUS_DRIVER_OK VIRTIO_CONFIG_S_DRIVER_OK
#define STATUS_NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET

struct vcpu {
	struct virtio_thread *owner;
	struct virtio_device *dev;
	struct virtio_mmio *m;
	uint8_t *regs; /* page given to the transport, or NULL */
	int memfd;
	int irq; /* eventfd of the interrupt */
	struct drv_mem mem;
	struct drv_queue q[VCPU_QUEUES];
	unsigned faults; /* atomic */
	char why[120];	 /* of the last one; after reading faults */
};

/* Expose dev at a fresh transport; with a page of registers when asked. */
void vcpu_open(struct vcpu *v, struct virtio_device *dev, bool page);
void vcpu_close(struct vcpu *v);

uint32_t vcpu_read(struct vcpu *v, uint64_t off);
void vcpu_write(struct vcpu *v, uint64_t off, uint32_t value);

/* Reset, ACKNOWLEDGE, DRIVER, features with VERSION_1, FEATURES_OK; the status
 * afterwards. */
uint32_t vcpu_negotiate(struct vcpu *v, uint64_t features);
/* Lay out queue i and make it ready. */
void vcpu_queue(struct vcpu *v, unsigned i, uint16_t size);
void vcpu_driver_ok(struct vcpu *v);
void vcpu_reset(struct vcpu *v);
void vcpu_notify(struct vcpu *v, unsigned i);

/* Wait for the next interrupt: what InterruptStatus says, acknowledged. */
uint32_t vcpu_interrupt(struct vcpu *v);
/* Interrupts sent since the last time; does not wait. */
uint64_t vcpu_irqs(struct vcpu *v);
/* Wait until *counter, atomic, is at least want. */
void vcpu_wait(const unsigned *counter, unsigned want);
/* Wait for the next used entry of queue i; its length. */
uint32_t vcpu_used(struct vcpu *v, unsigned i);
/* Run fn on the owner's thread. */
void vcpu_on_owner(struct vcpu *v, void (*fn)(void *ctx), void *ctx);

#endif
