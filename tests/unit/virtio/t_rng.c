/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-entropy over both transports: bytes, bounds, bad requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frontend.h"
#include "vcpu.h"
#include "virtio/dev/rng.h"

#define REQUEST_MAX 4096u /* the most one request is given */

struct fixture {
	struct frontend fe;
	struct vcpu v;
	struct virtio_device *dev;
};

static struct fixture *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(vrng_new(&f->dev), 0);
	assert_int_equal(f->dev->ops->id, VIRTIO_ID_RNG);
	return f;
}

static int setup(void **state)
{
	struct fixture *f = fixture_new();

	fe_open(&f->fe, f->dev, 0);
	fe_negotiate(&f->fe, 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 64, true);
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

static int setup_mmio(void **state)
{
	struct fixture *f = fixture_new();

	vcpu_open(&f->v, f->dev, true);
	*state = f;
	return 0;
}

static int teardown_mmio(void **state)
{
	struct fixture *f = *state;

	vcpu_close(&f->v);
	f->dev->ops->free(f->dev);
	free(f);
	return 0;
}

static size_t zeroes(const uint8_t *p, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += p[i] == 0;
	return n;
}

static uint64_t post(struct fixture *f, uint32_t len)
{
	struct drv_seg seg = { drv_alloc(&f->fe.mem, len), len, true };

	drv_add(&f->fe.q[0], &seg, 1, false);
	return seg.gpa;
}

static void expect_used(struct fixture *f, uint32_t want)
{
	uint32_t id, len;

	assert_true(drv_used(&f->fe.q[0], &id, &len));
	assert_int_equal(len, want);
}

static void test_bytes(void **state)
{
	struct fixture *f = *state;
	uint64_t a = post(f, 64), b = post(f, 64);
	const uint8_t *first = drv_ptr(&f->fe.mem, a);

	fe_kick(&f->fe, 0);
	fe_pump(&f->fe);
	expect_used(f, 64);
	expect_used(f, 64);
	/* neither constant nor repeated; 2^-100 says otherwise */
	assert_true(zeroes(first, 64) < 16);
	assert_memory_not_equal(first, drv_ptr(&f->fe.mem, b), 64);
	assert_true(fe_interrupts(&f->fe, 0) > 0);
}

/* Never more than was asked for, and the rest of a big buffer is untouched. */
static void test_large(void **state)
{
	struct fixture *f = *state;
	uint64_t at = post(f, 64 * 1024), end = post(f, 1), guard;
	const uint8_t *p = drv_ptr(&f->fe.mem, at);

	guard = drv_alloc(&f->fe.mem, 16);
	fe_kick(&f->fe, 0);
	fe_pump(&f->fe);
	expect_used(f, REQUEST_MAX);
	expect_used(f, 1);
	assert_true(zeroes(p, REQUEST_MAX) < REQUEST_MAX / 16);
	assert_int_equal(zeroes(p + REQUEST_MAX, 60 * 1024), 60 * 1024);
	assert_int_equal(zeroes(drv_ptr(&f->fe.mem, end + 1), 15), 15);
	assert_int_equal(zeroes(drv_ptr(&f->fe.mem, guard), 16), 16);
}

static void test_scattered(void **state)
{
	struct fixture *f = *state;
	struct drv_seg seg[3];
	uint32_t total = 0;

	for (unsigned i = 0; i < 3; i++) {
		seg[i].len = 100 * (i + 1);
		seg[i].gpa = drv_alloc(&f->fe.mem, seg[i].len);
		seg[i].write = true;
		total += seg[i].len;
	}
	drv_add(&f->fe.q[0], seg, 3, true);
	fe_kick(&f->fe, 0);
	fe_pump(&f->fe);
	expect_used(f, total);
	for (unsigned i = 0; i < 3; i++)
		assert_true(zeroes(drv_ptr(&f->fe.mem, seg[i].gpa),
				   seg[i].len) < seg[i].len / 4);
}

/* A driver that asks for a lot does not keep the loop for itself. */
static void test_turns(void **state)
{
	struct fixture *f = *state;
	unsigned turns = 0;

	for (int i = 0; i < 64; i++)
		(void)post(f, 8192);
	fe_kick(&f->fe, 0);
	while (drv_used_idx(&f->fe.q[0]) < 64) {
		uint16_t before = drv_used_idx(&f->fe.q[0]);

		assert_int_equal(loop_turn(f->fe.loop, 1000), 0);
		/* the turn's own, and what it put off */
		assert_in_range(drv_used_idx(&f->fe.q[0]) - before, 0, 32);
		turns++;
	}
	assert_true(turns >= 3);
}

static void bad_request(struct fixture *f, const struct drv_seg *seg,
			unsigned n)
{
	drv_add(&f->fe.q[0], seg, n, false);
	fe_kick(&f->fe, 0);
	fe_wait(&f->fe, &f->fe.faults, 1);
	assert_string_equal(f->fe.why, "rng: malformed request");
	assert_int_equal(drv_used_idx(&f->fe.q[0]), 0);
}

static void test_readable(void **state)
{
	struct fixture *f = *state;
	struct drv_seg seg = { drv_alloc(&f->fe.mem, 64), 64, false };

	bad_request(f, &seg, 1);
}

static void test_mixed(void **state)
{
	struct fixture *f = *state;
	struct drv_seg seg[2] = { { drv_alloc(&f->fe.mem, 64), 64, false },
				  { drv_alloc(&f->fe.mem, 64), 64, true } };

	bad_request(f, seg, 2);
}

static void test_broken_ring(void **state)
{
	struct fixture *f = *state;

	drv_set_avail_idx(&f->fe.q[0], 65);
	fe_kick(&f->fe, 0);
	fe_wait(&f->fe, &f->fe.faults, 1);
	assert_string_equal(f->fe.why, "rng: broken ring or request");
}

static void test_mmio(void **state)
{
	struct fixture *f = *state;
	struct vcpu *v = &f->v;
	struct drv_seg seg;

	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_RNG);
	for (int life = 0; life < 2; life++) {
		assert_true(vcpu_negotiate(v, VIRTIO_BIT_EVENT_IDX) &
			    STATUS_FEATURES_OK);
		vcpu_queue(v, 0, 8);
		vcpu_driver_ok(v);
		seg = (struct drv_seg){ drv_alloc(&v->mem, 64), 64, true };
		drv_add(&v->q[0], &seg, 1, false);
		vcpu_notify(v, 0);
		assert_int_equal(vcpu_used(v, 0), 64);
		assert_int_equal(vcpu_interrupt(v), 1);
		assert_true(zeroes(drv_ptr(&v->mem, seg.gpa), 64) < 16);
	}
}

#define OVER_VHOST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER_VHOST(test_bytes),
		OVER_VHOST(test_large),
		OVER_VHOST(test_scattered),
		OVER_VHOST(test_turns),
		OVER_VHOST(test_readable),
		OVER_VHOST(test_mixed),
		OVER_VHOST(test_broken_ring),
		cmocka_unit_test_setup_teardown(test_mmio, setup_mmio,
						teardown_mmio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
