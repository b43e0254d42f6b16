/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's half of virtio-mmio, for tests. */
#include "vcpu.h"

#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"

#define DEADLINE_MS 20000

static void on_fault(void *ctx, const char *why)
{
	struct vcpu *v = ctx;

	(void)snprintf(v->why, sizeof(v->why), "%s", why);
	__atomic_add_fetch(&v->faults, 1, __ATOMIC_SEQ_CST);
}

struct creation {
	struct vcpu *v;
	int rc;
};

static void create(void *ctx)
{
	struct creation *c = ctx;
	struct vcpu *v = c->v;
	const struct virtio_mmio_events events = { v, on_fault };

	c->rc = virtio_mmio_new(virtio_thread_loop(v->owner), v->dev,
				&v->mem.gm, dup(v->irq), v->regs, &events,
				&v->m);
}

static void destroy(void *ctx)
{
	struct vcpu *v = ctx;

	v->m = virtio_mmio_free(v->m);
}

void vcpu_open(struct vcpu *v, struct virtio_device *dev, bool page)
{
	struct creation c = { .v = v };
	uint8_t *host;

	memset(v, 0, sizeof(*v));
	v->dev = dev;
	v->memfd = io_memfd("guest", NULL, 0);
	assert_true(v->memfd >= 0);
	assert_int_equal(ftruncate(v->memfd, VCPU_MEM_LEN), 0);
	host = mmap(NULL, VCPU_MEM_LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
		    v->memfd, 0);
	assert_ptr_not_equal(host, MAP_FAILED);
	drv_mem_init(&v->mem, host, VCPU_GPA, VCPU_MEM_LEN);
	v->irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(v->irq >= 0);
	if (page) {
		v->regs = aligned_alloc(VIRTIO_MMIO_LEN, VIRTIO_MMIO_LEN);
		assert_non_null(v->regs);
		memset(v->regs, 0, VIRTIO_MMIO_LEN);
	}
	assert_int_equal(virtio_thread_start("owner", &v->owner), 0);
	vcpu_on_owner(v, create, &c);
	assert_int_equal(c.rc, 0);
}

void vcpu_close(struct vcpu *v)
{
	if (v->m) {
		virtio_mmio_release(v->m);
		vcpu_on_owner(v, destroy, v);
	}
	v->owner = virtio_thread_stop(v->owner);
	munmap(v->mem.host, VCPU_MEM_LEN);
	close_fd(&v->memfd);
	close_fd(&v->irq);
	free(v->regs);
	v->regs = NULL;
}

uint32_t vcpu_read(struct vcpu *v, uint64_t off)
{
	uint8_t bytes[4] = { 0xaa, 0xaa, 0xaa, 0xaa };

	virtio_mmio_read(v->m, off, bytes, sizeof(bytes));
	return le32_get(bytes);
}

void vcpu_write(struct vcpu *v, uint64_t off, uint32_t value)
{
	uint8_t bytes[4];

	le32_put(bytes, value);
	virtio_mmio_write(v->m, off, bytes, sizeof(bytes));
}

static void add_status(struct vcpu *v, uint32_t bit)
{
	vcpu_write(v, VIRTIO_MMIO_STATUS,
		   vcpu_read(v, VIRTIO_MMIO_STATUS) | bit);
}

uint32_t vcpu_negotiate(struct vcpu *v, uint64_t features)
{
	features |= VIRTIO_BIT_VERSION_1;
	vcpu_reset(v);
	add_status(v, STATUS_ACKNOWLEDGE);
	add_status(v, STATUS_DRIVER);
	vcpu_write(v, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	vcpu_write(v, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
	vcpu_write(v, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	vcpu_write(v, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
	add_status(v, STATUS_FEATURES_OK);
	return vcpu_read(v, VIRTIO_MMIO_STATUS);
}

static void write_address(struct vcpu *v, uint64_t off, uint64_t address)
{
	vcpu_write(v, off, (uint32_t)address);
	vcpu_write(v, off + 4, (uint32_t)(address >> 32));
}

void vcpu_queue(struct vcpu *v, unsigned i, uint16_t size)
{
	const struct vq_rings *r = &v->q[i].rings;

	drv_queue_init(&v->q[i], &v->mem, size);
	vcpu_write(v, VIRTIO_MMIO_QUEUE_SEL, i);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_true(vcpu_read(v, VIRTIO_MMIO_QUEUE_NUM_MAX) >= size);
	vcpu_write(v, VIRTIO_MMIO_QUEUE_NUM, size);
	write_address(v, VIRTIO_MMIO_QUEUE_DESC_LOW, r->desc);
	write_address(v, VIRTIO_MMIO_QUEUE_AVAIL_LOW, r->avail);
	write_address(v, VIRTIO_MMIO_QUEUE_USED_LOW, r->used);
	vcpu_write(v, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_QUEUE_READY), 1);
}

void vcpu_driver_ok(struct vcpu *v)
{
	add_status(v, STATUS_DRIVER_OK);
}

void vcpu_reset(struct vcpu *v)
{
	vcpu_write(v, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_STATUS), 0);
	v->mem.next = 0;
}

void vcpu_notify(struct vcpu *v, unsigned i)
{
	vcpu_write(v, VIRTIO_MMIO_QUEUE_NOTIFY, i);
}

uint64_t vcpu_irqs(struct vcpu *v)
{
	uint64_t n;

	return io_read(v->irq, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

uint32_t vcpu_interrupt(struct vcpu *v)
{
	struct pollfd p = { .fd = v->irq, .events = POLLIN };
	uint32_t status;

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	(void)vcpu_irqs(v);
	status = vcpu_read(v, VIRTIO_MMIO_INTERRUPT_STATUS);
	vcpu_write(v, VIRTIO_MMIO_INTERRUPT_ACK, status);
	return status;
}

void vcpu_wait(const unsigned *counter, unsigned want)
{
	uint64_t deadline = clock_mono_ms() + DEADLINE_MS;

	while (__atomic_load_n(counter, __ATOMIC_SEQ_CST) < want) {
		assert_true(clock_mono_ms() < deadline);
		(void)sched_yield();
	}
}

uint32_t vcpu_used(struct vcpu *v, unsigned i)
{
	uint64_t deadline = clock_mono_ms() + DEADLINE_MS;
	uint32_t id, len;

	while (!drv_used(&v->q[i], &id, &len)) {
		assert_true(clock_mono_ms() < deadline);
		(void)sched_yield();
	}
	return len;
}

void vcpu_on_owner(struct vcpu *v, void (*fn)(void *ctx), void *ctx)
{
	virtio_thread_call(v->owner, fn, ctx);
}
