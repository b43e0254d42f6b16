/* SPDX-License-Identifier: Apache-2.0 */
/* Wiring of devices to KVM, and accesses that exit. */
#include "engine/kvm/devices.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/serial_reg.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

/* Registers of the early console are words. */
#define UART_STRIDE 4

static uint64_t slot_addr(const struct devices *d, size_t i)
{
	return d->base + (uint64_t)(1 + i) * ARCH_PAGE;
}

static int add_ioeventfd(const struct devices *d, uint64_t addr, uint32_t value,
			 int fd)
{
	struct kvm_ioeventfd e = {
		.addr = addr,
		.len = 4,
		.fd = fd,
		.datamatch = value,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	return ioctl(d->vm->fd, KVM_IOEVENTFD, &e) < 0 ? -errno : 0;
}

/* KVM holds the file itself, so the descriptor stays ours. */
static int add_irqfd(const struct devices *d, int fd, uint32_t gsi)
{
	struct kvm_irqfd i = { .fd = (uint32_t)fd, .gsi = gsi };

	return ioctl(d->vm->fd, KVM_IRQFD, &i) < 0 ? -errno : 0;
}

static void on_fault(void *ctx, const char *why)
{
	struct device_slot *s = ctx;

	s->all->on_fault(s->all->ctx, s->dev->ops->name, why);
}

static int add_device(struct devices *d, struct loop *loop,
		      struct virtio_device *dev)
{
	size_t i = d->n;
	struct device_slot *s = &d->slot[i];
	const struct virtio_mmio_events ev = { s, on_fault };
	uint64_t addr = slot_addr(d, i);
	int irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int rc = irq < 0 ? -errno : add_irqfd(d, irq, arch_device_gsi(i));

	s->all = d;
	s->dev = dev;
	if (rc) {
		close_fd(&irq);
		return rc;
	}
	rc = virtio_mmio_new(loop, dev, &d->vm->mem, irq,
			     d->vm->window + (addr - d->base), &ev, &s->mmio);
	if (rc)
		return rc;
	d->n++;
	for (unsigned q = 0; !rc && q < dev->nqueues; q++)
		rc = add_ioeventfd(d, addr + VIRTIO_MMIO_NOTIFY_OFFSET, q,
				   virtio_mmio_kick_fd(s->mmio, q));
	if (!rc)
		rc = add_ioeventfd(d, addr + VIRTIO_MMIO_ACK_OFFSET,
				   VIRTIO_MMIO_INT_VRING, d->ack_fd);
	return rc;
}

/* Always ready to send: the guest polls for that before each byte. */
static void init_console(struct devices *d)
{
	d->vm->window[UART_LSR * UART_STRIDE] = UART_LSR_THRE | UART_LSR_TEMT;
}

int devices_init(struct devices *d, struct vm *vm, struct loop *loop,
		 struct virtio_device *const *devs, size_t n, struct err *err)
{
	int rc;

	d->vm = vm;
	d->base = arch_window();
	d->ack_fd = -1;
	init_console(d);
	d->ack_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->ack_fd < 0)
		return err_sys(err, ERR_IO, errno, "make an eventfd");
	for (size_t i = 0; i < n; i++) {
		rc = add_device(d, loop, devs[i]);
		if (rc)
			return err_sys(err, ERR_BOOT, -rc, "device %s",
				       devs[i]->ops->name);
	}
	return 0;
}

void devices_release(struct devices *d)
{
	for (size_t i = 0; i < d->n; i++)
		virtio_mmio_release(d->slot[i].mmio);
}

void devices_fini(struct devices *d)
{
	if (!d->vm)
		return;
	for (size_t i = 0; i < d->n; i++)
		d->slot[i].mmio = virtio_mmio_free(d->slot[i].mmio);
	d->n = 0;
	close_fd(&d->ack_fd);
	d->vm = NULL;
}

/* Without a reader who keeps up bytes are lost, and the guest does not wait. */
static void write_console(const struct devices *d, uint64_t off,
			  const uint8_t *data)
{
	if (off == UART_TX && d->console_fd >= 0)
		(void)io_write(d->console_fd, data, 1);
}

void devices_mmio(struct devices *d, struct vcpu *v, struct kvm_run *run)
{
	uint64_t off = run->mmio.phys_addr - d->base;
	uint64_t page = off / ARCH_PAGE, in_page = off % ARCH_PAGE;
	size_t len = run->mmio.len;
	struct device_slot *s;

	if (len > sizeof(run->mmio.data)) /* KVM never does that */
		len = sizeof(run->mmio.data);
	if (page > d->n || in_page + len > ARCH_PAGE) {
		vcpu_count(v, EXIT_MMIO_UNKNOWN);
		if (!run->mmio.is_write)
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		return;
	}
	if (!page) {
		vcpu_count(v, EXIT_CONSOLE);
		if (run->mmio.is_write)
			write_console(d, in_page, run->mmio.data);
		else
			memcpy(run->mmio.data, d->vm->window + in_page, len);
		return;
	}
	s = &d->slot[page - 1];
	vcpu_count(v, run->mmio.is_write ? EXIT_MMIO_WRITE : EXIT_MMIO_READ);
	if (run->mmio.is_write)
		virtio_mmio_write(s->mmio, in_page, run->mmio.data, len);
	else
		virtio_mmio_read(s->mmio, in_page, run->mmio.data, len);
}
