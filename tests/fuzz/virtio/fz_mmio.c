/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest behind virtio-mmio: the input is what its vCPU does, one
 * after the other, with a real device of ours. The first byte chooses the
 * device, then follow
 *   'w' reg:1 value:4    write register 4 * reg
 *   'r' off:2 len:1      read
 *   'c' off:1 len:1 bytes  write len (at most 8) bytes of the config space
 *   'm' off:2 len:1 bytes  store into guest memory
 *   'u' features:4       bring the device up: agree to those of its features,
 *                        make all queues ready, DRIVER_OK
 *   's'                  let the device run until it has nothing to do
 * Anything else is skipped. Guest memory is MEM_LEN bytes from MEM_GPA; queue
 * q has its rings from MEM_GPA + q * RING_LEN on, QUEUE_SIZE entries each.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "virtio/dev/balloon.h"
#include "virtio/dev/block.h"
#include "virtio/dev/console.h"
#include "virtio/dev/rng.h"
#include "virtio/thread.h"
#include "virtio/transport/mmio.h"

#define MEM_GPA 0x10000ull
#define MEM_LEN 0x8000u
#define RING_LEN 0x200u
#define QUEUE_SIZE 8u
#define DISK_LEN 65536
#define PAGE 4096u
#define SETTLE_TURNS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct guest {
	struct virtio_thread *owner;
	struct virtio_device *dev;
	struct virtio_device_ops ops;
	struct vconsole *console;
	struct virtio_mmio *m;
	struct guest_memory gm;
	uint8_t *mem;
	int rc;
};

struct input {
	const uint8_t *data;
	size_t left;
};

static const uint8_t *take(struct input *in, size_t n)
{
	const uint8_t *p = in->data;

	if (n > in->left)
		return NULL;
	in->data += n;
	in->left -= n;
	return p;
}

/* --- the device --- */

static void on_console(void *ctx, const void *data, size_t len)
{
	(void)ctx;
	(void)data;
	(void)len;
}

static size_t on_data(void *ctx, const void *data, size_t len)
{
	struct guest *g = ctx;

	/* an echo that now and then does not keep up */
	return vconsole_write(g->console, data, len - len / 4);
}

static void on_writable(void *ctx)
{
	vconsole_resume(((struct guest *)ctx)->console);
}

static void on_open(void *ctx, bool open)
{
	(void)ctx;
	(void)open;
}

static int make_console(struct guest *g)
{
	const struct vconsole_events events = { .ctx = g,
						.on_console = on_console,
						.on_data = on_data,
						.on_writable = on_writable,
						.on_open = on_open };
	int rc = vconsole_new(&events, &g->console);

	if (!rc)
		g->dev = vconsole_device(g->console);
	return rc;
}

static int make_block(struct guest *g)
{
	struct vblock_config config = { .serial = "fuzz" };
	int fd = io_memfd("disk", NULL, 0);

	if (fd < 0 || ftruncate(fd, DISK_LEN) < 0 ||
	    disk_raw(fd, false, &config.disk, NULL))
		return -1;
	return vblock_new(&config, &g->dev);
}

static int make_device(struct guest *g, unsigned which)
{
	int rc;

	switch (which % 4) {
	case 0:
		rc = make_block(g);
		break;
	case 1:
		rc = make_console(g);
		break;
	case 2:
		rc = vballoon_new(&g->dev);
		break;
	default:
		rc = vrng_new(&g->dev);
		break;
	}
	if (rc)
		return rc;
	/* all on the owner's loop, which can be waited for */
	g->ops = *g->dev->ops;
	g->ops.wants_thread = false;
	g->dev->ops = &g->ops;
	return 0;
}

/* --- on the owner's thread --- */

static void begin(void *ctx)
{
	struct guest *g = ctx;

	g->rc = virtio_mmio_new(virtio_thread_loop(g->owner), g->dev, &g->gm,
				eventfd(0, EFD_CLOEXEC), NULL, NULL, &g->m);
}

static void end(void *ctx)
{
	struct guest *g = ctx;

	g->m = virtio_mmio_free(g->m);
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static void settle(struct guest *g)
{
	for (int i = 0; i < SETTLE_TURNS; i++)
		virtio_thread_call(g->owner, nothing, NULL);
}

/* --- the vCPU --- */

static uint32_t reg_read(struct guest *g, uint64_t off)
{
	uint8_t bytes[4];

	virtio_mmio_read(g->m, off, bytes, sizeof(bytes));
	return le32_get(bytes);
}

static void reg_write(struct guest *g, uint64_t off, uint32_t v)
{
	uint8_t bytes[4];

	le32_put(bytes, v);
	virtio_mmio_write(g->m, off, bytes, sizeof(bytes));
}

static void bring_up(struct guest *g, uint32_t features)
{
	uint32_t offered;

	reg_write(g, VIRTIO_MMIO_STATUS, 0);
	reg_write(g, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	offered = reg_read(g, VIRTIO_MMIO_DEVICE_FEATURES);
	reg_write(g, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	reg_write(g, VIRTIO_MMIO_DRIVER_FEATURES, 1); /* VERSION_1 */
	reg_write(g, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	reg_write(g, VIRTIO_MMIO_DRIVER_FEATURES, offered & features);
	reg_write(g, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK);
	for (uint32_t q = 0; q < g->dev->nqueues; q++) {
		uint32_t at = (uint32_t)MEM_GPA + q * RING_LEN;

		reg_write(g, VIRTIO_MMIO_QUEUE_SEL, q);
		reg_write(g, VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
		reg_write(g, VIRTIO_MMIO_QUEUE_DESC_LOW, at);
		reg_write(g, VIRTIO_MMIO_QUEUE_AVAIL_LOW, at + 0x80);
		reg_write(g, VIRTIO_MMIO_QUEUE_USED_LOW, at + 0x100);
		reg_write(g, VIRTIO_MMIO_QUEUE_READY, 1);
	}
	reg_write(g, VIRTIO_MMIO_STATUS,
		  VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void store(struct guest *g, const uint8_t *head, const uint8_t *bytes)
{
	size_t off = le16_get(head) % MEM_LEN, len = head[2];

	memcpy(g->mem + off, bytes, len < MEM_LEN - off ? len : MEM_LEN - off);
}

/* One step; false when the input is used up. */
static bool step(struct guest *g, struct input *in)
{
	const uint8_t *op = take(in, 1), *p, *q;
	uint8_t out[256];

	if (!op)
		return false;
	switch (*op) {
	case 'w':
		if ((p = take(in, 5)))
			reg_write(g, 4u * p[0], le32_get(p + 1));
		break;
	case 'r':
		if ((p = take(in, 3)))
			virtio_mmio_read(g->m, le16_get(p), out, p[2]);
		break;
	case 'c':
		if ((p = take(in, 2)) && (q = take(in, p[1] % 9)))
			virtio_mmio_write(g->m, VIRTIO_MMIO_CONFIG + p[0], q,
					  p[1] % 9);
		break;
	case 'm':
		if ((p = take(in, 3)) && (q = take(in, p[2])))
			store(g, p, q);
		break;
	case 'u':
		if ((p = take(in, 4)))
			bring_up(g, le32_get(p));
		break;
	case 's':
		settle(g);
		break;
	default:
		break;
	}
	return true;
}

/* Whatever happened, a reset works and the identity stays. */
static void check(struct guest *g)
{
	reg_write(g, VIRTIO_MMIO_STATUS, 0);
	if (reg_read(g, VIRTIO_MMIO_STATUS) != 0 ||
	    reg_read(g, VIRTIO_MMIO_INTERRUPT_STATUS) != 0 ||
	    reg_read(g, VIRTIO_MMIO_DEVICE_ID) != g->dev->ops->id)
		__builtin_trap();
	bring_up(g, 0xffffffff);
	if (!(reg_read(g, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_DRIVER_OK))
		__builtin_trap();
}

static void play(struct guest *g, struct input *in)
{
	virtio_thread_call(g->owner, begin, g);
	if (g->rc)
		return;
	while (step(g, in))
		;
	check(g);
	virtio_mmio_release(g->m);
	virtio_thread_call(g->owner, end, g);
}

/* Shared and of a file, which can have holes; nothing lies around it. */
static uint8_t *map_memory(void)
{
	int fd = io_memfd("guest", NULL, 0);
	uint8_t *p = mmap(NULL, MEM_LEN + 2 * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || p == MAP_FAILED || ftruncate(fd, MEM_LEN) < 0 ||
	    mmap(p + PAGE, MEM_LEN, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		return NULL;
	(void)close(fd);
	return p + PAGE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* lives as long as the fuzzer: a thread per input is slow */
	static struct virtio_thread *owner;
	struct gmem_region r = { .gpa = MEM_GPA,
				 .user = MEM_GPA,
				 .len = MEM_LEN };
	struct input in = { data, size };
	const uint8_t *which = take(&in, 1);
	struct guest g = { .rc = 0 };

	if (!which || size > 1 << 15)
		return 0;
	if (!owner && virtio_thread_start("owner", &owner))
		return 0;
	g.owner = owner;
	g.mem = map_memory();
	if (!g.mem)
		return 0;
	r.host = g.mem;
	(void)gmem_add(&g.gm, &r);
	if (make_device(&g, *which) == 0) {
		play(&g, &in);
		g.ops.free(g.dev);
	}
	(void)munmap(g.mem - PAGE, MEM_LEN + 2 * PAGE);
	return 0;
}
