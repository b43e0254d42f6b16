/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices of a machine in its address space.
 *
 * The device window begins with the early console, a 16550 of which only the
 * transmitter works, with registers four bytes apart. Behind it each virtio
 * device has a page. Reads of the window never exit (vm.h); kicks and
 * acknowledgements of interrupts end in eventfds inside the kernel. What exits
 * is the setting up of a device.
 */
#ifndef MSB_ENGINE_KVM_DEVICES_H
#define MSB_ENGINE_KVM_DEVICES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/kvm/vcpu.h"
#include "engine/kvm/vm.h"
#include "loop/loop.h"
#include "virtio/device.h"
#include "virtio/transport/mmio.h"

#define DEVICES_MAX 80
#define DEVICES_PAGES(n) (1 + (n))

struct devices;

struct device_slot {
	struct devices *all;
	struct virtio_device *dev; /* borrowed */
	struct virtio_mmio *mmio;  /* owned */
};

struct devices {
	struct vm *vm;
	int ack_fd;	/* owned; swallows acknowledgements of interrupts */
	int console_fd; /* borrowed, non-blocking; -1 = nowhere */
	uint64_t base;
	/* A driver broke the rules; on the loop's thread. */
	void (*on_fault)(void *ctx, const char *device, const char *why);
	void *ctx;
	size_t n;
	struct device_slot slot[DEVICES_MAX];
};

/* At most DEVICES_MAX. Callbacks, ctx and console_fd are set before; the window
 * of vm has DEVICES_PAGES(n) pages. On failure devices_fini() is still called.
 */
int devices_init(struct devices *d, struct vm *vm, struct loop *loop,
		 struct virtio_device *const *devs, size_t n, struct err *err);
/* No vCPU waits for a device any more. */
void devices_release(struct devices *d);
/* When no vCPU runs. */
void devices_fini(struct devices *d);

/* A KVM_EXIT_MMIO of v. */
void devices_mmio(struct devices *d, struct vcpu *v, struct kvm_run *run);

#endif
