/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-balloon: memory really goes back, over both transports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/virtio_balloon.h>

#include "base/bytes.h"
#include "frontend.h"
#include "vcpu.h"
#include "virtio/dev/balloon.h"

#define PAGE 4096u
#define REPORTING (1ull << VIRTIO_BALLOON_F_REPORTING)

enum { INFLATE, DEFLATE, REPORT, REPORT_BY_NUMBER = 4 };

struct fixture {
	struct frontend fe;
	struct vcpu v;
	struct virtio_device *dev;
};

static struct fixture *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(vballoon_new(&f->dev), 0);
	assert_int_equal(f->dev->ops->id, VIRTIO_ID_BALLOON);
	return f;
}

static int setup(void **state)
{
	struct fixture *f = fixture_new();

	fe_open(&f->fe, f->dev, 0);
	fe_negotiate(&f->fe, REPORTING);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	for (unsigned q = 0; q < f->dev->nqueues; q++)
		fe_queue(&f->fe, q, 64, true);
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

	vcpu_open(&f->v, f->dev, false);
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

/* Pages of guest memory the host keeps. */
static size_t kept(int memfd)
{
	struct stat st;

	assert_int_equal(fstat(memfd, &st), 0);
	return (size_t)st.st_blocks * 512 / PAGE;
}

/* Page-aligned guest memory, all of it touched. */
static uint64_t pages(struct drv_mem *m, size_t n)
{
	uint64_t at;

	m->next = (m->next + PAGE - 1) & ~(size_t)(PAGE - 1);
	at = drv_alloc(m, n * PAGE);
	memset(drv_ptr(m, at), 0xab, n * PAGE);
	return at;
}

static bool all(const struct fixture *f, uint64_t at, size_t len, uint8_t want)
{
	const uint8_t *p = f->fe.mem.host + (at - f->fe.mem.gpa);

	for (size_t i = 0; i < len; i++)
		if (p[i] != want)
			return false;
	return true;
}

static void report(struct fixture *f, unsigned q, const struct drv_seg *seg,
		   unsigned n)
{
	uint16_t used = drv_used_idx(&f->fe.q[q]);

	drv_add(&f->fe.q[q], seg, n, false);
	fe_kick(&f->fe, q);
	while (drv_used_idx(&f->fe.q[q]) == used && !f->fe.faults)
		assert_int_equal(loop_turn(f->fe.loop, 1000), 0);
}

/* Send page numbers; big endian hosts are not what is tested. */
static void send_pfns(struct fixture *f, unsigned q, const uint32_t *pfn,
		      unsigned n)
{
	struct drv_seg seg = { drv_alloc(&f->fe.mem, 4 * (size_t)n), 4 * n,
			       false };

	for (unsigned i = 0; i < n; i++)
		le32_put((uint8_t *)drv_ptr(&f->fe.mem, seg.gpa) + 4 * i,
			 pfn[i]);
	report(f, q, &seg, 1);
}

static void expect_fault(struct fixture *f, const char *why)
{
	fe_wait(&f->fe, &f->fe.faults, 1);
	assert_string_equal(f->fe.why, why);
}

static void test_report(void **state)
{
	struct fixture *f = *state;
	uint64_t a = pages(&f->fe.mem, 4), b = pages(&f->fe.mem, 300),
		 c = pages(&f->fe.mem, 2);
	size_t before = kept(f->fe.memfd);
	struct drv_seg seg[2] = { { b, 300 * PAGE, true },
				  { a, 3 * PAGE, true } };

	report(f, REPORT, seg, 2);
	assert_int_equal(before - kept(f->fe.memfd), 303);
	assert_true(all(f, b, 300 * PAGE, 0));
	assert_true(all(f, a, 3 * PAGE, 0));
	assert_true(all(f, a + 3 * PAGE, PAGE, 0xab));
	assert_true(all(f, c, 2 * PAGE, 0xab));
	assert_true(fe_interrupts(&f->fe, REPORT) > 0);
	/* they are there again as soon as the guest writes */
	memset(drv_ptr(&f->fe.mem, b), 1, PAGE);
	assert_true(all(f, b, PAGE, 1));
}

/* Drivers that number queues by the standard's list find it, too. */
static void test_report_by_number(void **state)
{
	struct fixture *f = *state;
	struct drv_seg seg = { pages(&f->fe.mem, 8), 8 * PAGE, true };
	size_t before = kept(f->fe.memfd);

	report(f, REPORT_BY_NUMBER, &seg, 1);
	assert_int_equal(before - kept(f->fe.memfd), 8);
}

/* Only whole pages inside the buffer. */
static void test_unaligned(void **state)
{
	struct fixture *f = *state;
	uint64_t at = pages(&f->fe.mem, 4);
	size_t before = kept(f->fe.memfd);
	struct drv_seg seg[3] = { { at + 16, 3 * PAGE - 32, true },
				  { at + 3 * PAGE, PAGE - 1, true },
				  { at + 3 * PAGE + 1, 100, true } };

	report(f, REPORT, seg, 3);
	assert_int_equal(before - kept(f->fe.memfd), 1);
	assert_true(all(f, at, PAGE, 0xab));
	assert_true(all(f, at + PAGE, PAGE, 0));
	assert_true(all(f, at + 2 * PAGE, 2 * PAGE, 0xab));
}

/* A big report is worked off in several turns, completely. */
static void test_turns(void **state)
{
	struct fixture *f = *state;
	struct drv_seg seg[40];
	uint64_t at = pages(&f->fe.mem, 400);
	unsigned turns = 0;
	size_t before;

	for (unsigned i = 0; i < 40; i++)
		seg[i] =
			(struct drv_seg){ at + i * 10 * PAGE, 10 * PAGE, true };
	for (int round = 0; round < 4; round++)
		drv_add(&f->fe.q[REPORT], seg, 40, true);
	before = kept(f->fe.memfd);
	fe_kick(&f->fe, REPORT);
	while (drv_used_idx(&f->fe.q[REPORT]) < 4) {
		uint16_t used = drv_used_idx(&f->fe.q[REPORT]);

		assert_int_equal(loop_turn(f->fe.loop, 1000), 0);
		assert_in_range(drv_used_idx(&f->fe.q[REPORT]) - used, 0, 3);
		turns++;
	}
	assert_true(turns > 1);
	assert_int_equal(before - kept(f->fe.memfd), 400);
	assert_int_equal(f->fe.faults, 0);
}

static void test_inflate(void **state)
{
	struct fixture *f = *state;
	uint64_t at = pages(&f->fe.mem, 20);
	uint32_t first = (uint32_t)(at / PAGE);
	/* out of order, doubled, alone, and far outside */
	const uint32_t pfn[] = {
		first + 5,  first + 3, first + 4,  first + 4,
		first + 19, 0,	       UINT32_MAX, 0x7fffffff
	};
	size_t before = kept(f->fe.memfd);

	send_pfns(f, INFLATE, pfn, 8);
	/* the array took a page itself */
	assert_in_range(before - kept(f->fe.memfd), 3, 4);
	assert_true(all(f, at, 3 * PAGE, 0xab));
	assert_true(all(f, at + 3 * PAGE, 3 * PAGE, 0));
	assert_true(all(f, at + 6 * PAGE, 13 * PAGE, 0xab));
	assert_true(all(f, at + 19 * PAGE, PAGE, 0));
	assert_int_equal(f->fe.faults, 0);
	/* deflating costs nothing and changes nothing */
	before = kept(f->fe.memfd);
	send_pfns(f, DEFLATE, pfn, 4);
	assert_in_range(kept(f->fe.memfd), before, before + 1);
	assert_true(fe_interrupts(&f->fe, DEFLATE) > 0);
}

static void test_malformed_report(void **state)
{
	struct fixture *f = *state;
	struct drv_seg seg = { pages(&f->fe.mem, 1), PAGE, false };

	report(f, REPORT, &seg, 1);
	expect_fault(f, "balloon: malformed report");
	assert_true(all(f, seg.gpa, PAGE, 0xab));
}

static void test_more_than_memory(void **state)
{
	struct fixture *f = *state;
	struct drv_seg seg[3];

	for (unsigned i = 0; i < 3; i++)
		seg[i] = (struct drv_seg){ FE_GPA + FE_MEM_LEN / 2,
					   FE_MEM_LEN / 2, true };
	report(f, REPORT, seg, 3);
	expect_fault(f, "balloon: malformed report");
}

static void test_outside_memory(void **state)
{
	struct fixture *f = *state;
	struct drv_seg seg = { FE_GPA + FE_MEM_LEN - PAGE, 2 * PAGE, true };

	report(f, REPORT, &seg, 1);
	expect_fault(f, "balloon: broken ring or request");
}

static void bad_pfns(struct fixture *f, uint32_t len, bool write)
{
	struct drv_seg seg = { drv_alloc(&f->fe.mem, len), len, write };

	report(f, INFLATE, &seg, 1);
	expect_fault(f, "balloon: malformed request");
}

static void test_odd_length(void **state)
{
	bad_pfns(*state, 6, false);
}

static void test_too_many(void **state)
{
	bad_pfns(*state, 4 * 1025, false);
}

static void test_writable_pfns(void **state)
{
	bad_pfns(*state, 4, true);
}

struct target {
	struct virtio_device *dev;
	uint32_t pages;
};

static void set_target(void *ctx)
{
	const struct target *t = ctx;

	vballoon_set_target(t->dev, t->pages);
}

static void get_actual(void *ctx)
{
	struct target *t = ctx;

	t->pages = vballoon_actual(t->dev);
}

/* The whole way of a target: config interrupt, inflate, what the guest says. */
static void test_target(void **state)
{
	struct fixture *f = *state;
	struct vcpu *v = &f->v;
	struct target t = { f->dev, 3 };
	struct drv_seg seg;
	uint64_t at;

	vcpu_on_owner(v, set_target, &t); /* before there is a driver */
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_CONFIG), 3);
	assert_true(vcpu_negotiate(v, REPORTING) & STATUS_FEATURES_OK);
	for (unsigned q = 0; q < 3; q++)
		vcpu_queue(v, q, 16);
	vcpu_driver_ok(v);
	t.pages = 7;
	vcpu_on_owner(v, set_target, &t);
	assert_int_equal(vcpu_interrupt(v), 2);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_CONFIG), 7);

	at = pages(&v->mem, 7);
	seg = (struct drv_seg){ drv_alloc(&v->mem, 28), 28, false };
	for (uint32_t i = 0; i < 7; i++)
		le32_put((uint8_t *)drv_ptr(&v->mem, seg.gpa) + 4 * i,
			 (uint32_t)(at / PAGE) + i);
	drv_add(&v->q[INFLATE], &seg, 1, false);
	vcpu_notify(v, INFLATE);
	assert_int_equal(vcpu_used(v, INFLATE), 0);
	assert_int_equal(*(uint8_t *)drv_ptr(&v->mem, at + 6 * PAGE), 0);
	/* the guest may write its field and no other */
	vcpu_write(v, VIRTIO_MMIO_CONFIG + 4, 7);
	vcpu_write(v, VIRTIO_MMIO_CONFIG, 99);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_CONFIG), 7);
	vcpu_on_owner(v, get_actual, &t);
	assert_int_equal(t.pages, 7);
	/* a new driver starts with an empty balloon, the target stays */
	vcpu_reset(v);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_CONFIG + 4), 0);
	assert_int_equal(vcpu_read(v, VIRTIO_MMIO_CONFIG), 7);
}

static void test_mmio_report(void **state)
{
	struct fixture *f = *state;
	struct vcpu *v = &f->v;
	struct drv_seg seg;
	size_t before;

	assert_true(vcpu_negotiate(v, REPORTING) & STATUS_FEATURES_OK);
	for (unsigned q = 0; q < 3; q++)
		vcpu_queue(v, q, 16);
	vcpu_driver_ok(v);
	seg = (struct drv_seg){ pages(&v->mem, 64), 64 * PAGE, true };
	before = kept(v->memfd);
	drv_add(&v->q[REPORT], &seg, 1, false);
	vcpu_notify(v, REPORT);
	assert_int_equal(vcpu_used(v, REPORT), 0);
	assert_int_equal(before - kept(v->memfd), 64);
}

#define OVER_VHOST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define OVER_MMIO(fn)                                                          \
	cmocka_unit_test_setup_teardown(fn, setup_mmio, teardown_mmio)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER_VHOST(test_report),
		OVER_VHOST(test_report_by_number),
		OVER_VHOST(test_unaligned),
		OVER_VHOST(test_turns),
		OVER_VHOST(test_inflate),
		OVER_VHOST(test_malformed_report),
		OVER_VHOST(test_more_than_memory),
		OVER_VHOST(test_outside_memory),
		OVER_VHOST(test_odd_length),
		OVER_VHOST(test_too_many),
		OVER_VHOST(test_writable_pfns),
		OVER_MMIO(test_target),
		OVER_MMIO(test_mmio_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
