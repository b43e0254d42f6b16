/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A malicious front end against the whole server: thousands of random
 * messages, descriptors and rings, guest memory scribbled over while a device
 * thread reads it. The server must survive and serve a well-behaved
 * front end afterwards. MSB_TEST_SEED repeats a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/virtio_blk.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"
#include "frontend.h"
#include "virtio/dev/block.h"
#include "virtio/dev/console.h"

#define ROUNDS 150
#define STEPS 40
#define DISK_LEN (1u << 20)

struct fixture {
	struct frontend fe;
	struct virtio_device *dev;
	struct vconsole *console;
	uint64_t features;
	uint64_t seed;
	unsigned faults, disconnects;
};

static uint32_t rnd(struct fixture *f)
{
	/* xorshift64: the same numbers everywhere */
	f->seed ^= f->seed << 13;
	f->seed ^= f->seed >> 7;
	f->seed ^= f->seed << 17;
	return (uint32_t)(f->seed >> 16);
}

static void start_seed(struct fixture *f)
{
	const char *text = getenv("MSB_TEST_SEED");

	if (!text || str_to_u64(text, &f->seed) || !f->seed)
		f->seed = clock_mono_ns() | 1;
	print_message("MSB_TEST_SEED=%llu\n", (unsigned long long)f->seed);
}

static void on_console(void *ctx, const void *data, size_t len)
{
	(void)ctx;
	(void)data;
	(void)len;
}

static size_t on_data(void *ctx, const void *data, size_t len)
{
	struct fixture *f = ctx;

	return vconsole_write(f->console, data, len - len / 4);
}

static void on_writable(void *ctx)
{
	struct fixture *f = ctx;

	vconsole_resume(f->console);
}

static void on_open(void *ctx, bool open)
{
	(void)ctx;
	(void)open;
}

static struct fixture *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	start_seed(f);
	return f;
}

static int setup_console(void **state)
{
	struct fixture *f = fixture_new();
	const struct vconsole_events events = { .ctx = f,
						.on_console = on_console,
						.on_data = on_data,
						.on_writable = on_writable,
						.on_open = on_open };

	assert_int_equal(vconsole_new(&events, &f->console), 0);
	f->dev = vconsole_device(f->console);
	f->features = f->dev->features;
	*state = f;
	return 0;
}

static int setup_block(void **state)
{
	struct fixture *f = fixture_new();
	struct vblock_config config = { .serial = "hostile" };
	int fd = io_memfd("disk", NULL, 0);

	assert_int_equal(ftruncate(fd, DISK_LEN), 0);
	assert_int_equal(disk_raw(fd, false, &config.disk, NULL), 0);
	assert_int_equal(vblock_new(&config, &f->dev), 0);
	f->features = f->dev->features;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fe_close(&f->fe);
	f->dev->ops->free(f->dev);
	free(f);
	return 0;
}

/* Mostly small, sometimes huge, now and then a valid address. */
static uint64_t odd_number(struct fixture *f)
{
	switch (rnd(f) % 6) {
	case 0:
		return rnd(f) % 16;
	case 1:
		return FE_GPA + rnd(f) % FE_MEM_LEN;
	case 2:
		return FE_USER + rnd(f) % FE_MEM_LEN;
	case 3:
		return (uint64_t)rnd(f) << 32 | rnd(f);
	case 4:
		return UINT64_MAX - rnd(f) % 4096;
	default:
		return 1ull << (rnd(f) % 64);
	}
}

static int random_fd(struct fixture *f)
{
	int pair[2];

	switch (rnd(f) % 4) {
	case 0:
		return dup(f->fe.memfd);
	case 1:
		return eventfd(0, EFD_CLOEXEC);
	case 2:
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			return -1;
		break;
	default:
		if (pipe(pair))
			return -1;
		break;
	}
	(void)close(pair[1]);
	return pair[0];
}

static void random_message(struct fixture *f)
{
	static const uint32_t sizes[] = { 0, 8, 8, 8, 40, 40, 12, 20, 72, 264 };
	uint32_t request = rnd(f) % 40;
	uint32_t size =
		rnd(f) % 10 ? sizes[rnd(f) % ARRAY_SIZE(sizes)] : rnd(f) % 600;
	uint32_t flags = rnd(f) % 16 ? VU_VERSION | (rnd(f) & 8) : rnd(f);
	uint8_t payload[600], drop[512];
	int fds[8] = { 0 };
	size_t nfds = rnd(f) % 4 ? rnd(f) % 2 : rnd(f) % 8;

	for (size_t i = 0; i + 8 <= sizeof(payload); i += 8)
		le64_put(payload + i, odd_number(f));
	if (rnd(f) % 2)
		le32_put(payload, rnd(f) % 6);
	for (size_t i = 0; i < nfds; i++)
		fds[i] = random_fd(f);
	fe_send(&f->fe, request, flags, payload, size, fds, nfds);
	for (size_t i = 0; i < nfds; i++)
		close_fd(&fds[i]);
	while (io_read(f->fe.sock, drop, sizeof(drop)) > 0)
		;
}

/* A descriptor that is nearly right, and an index that says so. */
static void random_chain(struct fixture *f, unsigned i)
{
	struct drv_queue *q = &f->fe.q[i];
	unsigned n = 1 + rnd(f) % 4;
	uint16_t first = (uint16_t)(rnd(f) % q->size);

	for (unsigned k = 0; k < n; k++) {
		bool odd = rnd(f) % 12 == 0;
		uint64_t at = FE_GPA + FE_MEM_LEN / 2 + rnd(f) % 65536;
		uint16_t flags = (uint16_t)((k + 1 < n ? 1 : 0) |
					    (k + 1 == n || rnd(f) % 2 ? 2 : 0));

		drv_desc(&f->fe.mem, q->rings.desc, (first + k) % q->size,
			 odd ? odd_number(f) : at,
			 odd ? (uint32_t)odd_number(f) : 1 + rnd(f) % 2048,
			 odd ? (uint16_t)rnd(f) : flags,
			 (uint16_t)(odd ? rnd(f) : (first + k + 1) % q->size));
		/* a plausible header for block and console control */
		le32_put(drv_ptr(&f->fe.mem, at), rnd(f) % 16);
		le64_put((uint8_t *)drv_ptr(&f->fe.mem, at) + 4, rnd(f) % 8);
		if (k == 0)
			le16_put((uint8_t *)drv_ptr(&f->fe.mem, at) + 6, 1);
	}
	drv_publish(q, rnd(f) % 40 ? first : (uint16_t)rnd(f));
	if (rnd(f) % 50 == 0)
		drv_set_avail_idx(q, (uint16_t)rnd(f));
}

static void scribble(struct fixture *f, unsigned nqueues)
{
	for (unsigned k = rnd(f) % 64; k; k--) {
		uint64_t off = rnd(f) % 4 ? rnd(f) % (nqueues * 1024)
					  : rnd(f) % (FE_MEM_LEN - 8);

		le64_put(f->fe.mem.host + off, odd_number(f));
	}
}

static void hostile_step(struct fixture *f, bool messages)
{
	unsigned i = rnd(f) % f->dev->nqueues;

	if (messages && rnd(f) % 3 == 0) {
		random_message(f);
	} else {
		random_chain(f, i);
		fe_kick(&f->fe, i);
		if (rnd(f) % 8 == 0) /* while the device is at it */
			scribble(f, f->dev->nqueues);
	}
	if (rnd(f) % 4 == 0)
		assert_int_equal(loop_turn(f->fe.loop, 0), 0);
	(void)fe_interrupts(&f->fe, i);
}

static void start_over(struct fixture *f)
{
	f->faults += f->fe.faults;
	f->disconnects += f->fe.disconnects;
	f->fe.faults = f->fe.disconnects = 0;
	fe_reconnect(&f->fe, f->dev, 0);
	memset(f->fe.mem.host, 0, FE_MEM_LEN / 8);
	fe_negotiate(&f->fe, f->features);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	for (unsigned i = 0; i < f->dev->nqueues; i++)
		fe_queue(&f->fe, i, 16, true);
}

static void attack(struct fixture *f)
{
	unsigned fds;

	fe_open(&f->fe, f->dev, 0);
	start_over(f);
	fds = fe_count_fds();
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned s = 0; s < STEPS && !f->fe.disconnects; s++)
			hostile_step(f, round % 2);
		start_over(f);
		assert_int_equal(fe_count_fds(), fds);
	}
	/* the attack did something: both ways out were taken */
	assert_true(f->faults > 0);
	assert_true(f->disconnects > 0);
}

static void the_console_survives(void **state)
{
	struct fixture *f = *state;
	struct drv_seg seg;
	uint32_t id, len;

	attack(f);
	seg = (struct drv_seg){ drv_alloc(&f->fe.mem, 4), 4, false };
	drv_add(&f->fe.q[1], &seg, 1, false);
	fe_kick(&f->fe, 1);
	fe_pump(&f->fe);
	assert_true(drv_used(&f->fe.q[1], &id, &len));
}

static void the_block_device_survives(void **state)
{
	struct fixture *f = *state;
	struct drv_seg seg[2];
	uint32_t id, len;

	attack(f);
	seg[0] = (struct drv_seg){ drv_alloc(&f->fe.mem, 16), 16, false };
	seg[1] = (struct drv_seg){ drv_alloc(&f->fe.mem, 513), 513, true };
	drv_add(&f->fe.q[0], seg, 2, false);
	fe_kick(&f->fe, 0);
	while (!drv_used(&f->fe.q[0], &id, &len))
		assert_int_equal(loop_turn(f->fe.loop, 1), 0);
	assert_int_equal(len, 513);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_console_survives,
						setup_console, teardown),
		cmocka_unit_test_setup_teardown(the_block_device_survives,
						setup_block, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
