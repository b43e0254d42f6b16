/* SPDX-License-Identifier: Apache-2.0 */
/* Split rings: chains, every kind of broken chain, notification suppression. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "driver.h"

#define GPA 0x100000ull
#define MEM_LEN (1u << 20)

struct fixture {
	struct drv_mem mem;
	struct drv_queue q;
	struct virtqueue vq;
	struct vq_chain c;
	struct iovec iov[VQ_MAX_IOV];
	unsigned notified;
	uint64_t data; /* 4 KiB of guest memory */
};

static void open_queue(struct fixture *f, uint16_t size, bool event_idx)
{
	drv_queue_init(&f->q, &f->mem, size);
	f->data = drv_alloc(&f->mem, 4096);
	assert_int_equal(drv_attach(&f->q, &f->vq, event_idx, &f->notified), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	drv_mem_init(&f->mem, malloc(MEM_LEN), GPA, MEM_LEN);
	*state = f;
	return f->mem.host ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->mem.host);
	free(f);
	return 0;
}

static int pop(struct fixture *f)
{
	return vq_pop(&f->vq, f->iov, &f->c);
}

static void chains_arrive_in_order_with_their_buffers(void **state)
{
	struct fixture *f = *state;
	const struct drv_seg seg[] = { { GPA + 4096, 16, false },
				       { GPA + 8192, 512, false },
				       { GPA + 12288, 1000, true },
				       { GPA + 16384, 1, true } };
	uint32_t id, len;
	uint16_t head;

	open_queue(f, 8, false);
	assert_int_equal(pop(f), 0);
	for (unsigned i = 0; i < 100; i++) {
		head = drv_add(&f->q, seg, 4, i % 3 == 0);
		assert_int_equal(pop(f), 1);
		assert_int_equal(f->c.head, head);
		assert_int_equal(f->c.nread, 2);
		assert_int_equal(f->c.nwrite, 2);
		assert_int_equal(f->c.read_len, 528);
		assert_int_equal(f->c.write_len, 1001);
		assert_ptr_equal(f->c.readable[1].iov_base, f->mem.host + 8192);
		assert_ptr_equal(f->c.writable[1].iov_base,
				 f->mem.host + 16384);
		assert_int_equal(pop(f), 0);
		vq_push(&f->vq, &f->c, 100 + i);
		assert_true(drv_used(&f->q, &id, &len));
		assert_int_equal(id, head);
		assert_int_equal(len, 100 + i);
		assert_false(drv_used(&f->q, &id, &len));
		f->mem.next = 32768; /* the indirect tables of this round */
	}
}

static void an_indirect_table_may_end_a_chain(void **state)
{
	struct fixture *f = *state;
	uint64_t table;

	open_queue(f, 8, false);
	table = drv_alloc(&f->mem, 32 + 8) + 8; /* no alignment needed */
	drv_desc(&f->mem, table, 0, f->data, 10, 1, 1);
	drv_desc(&f->mem, table, 1, f->data + 10, 20, 2, 0);
	drv_desc(&f->mem, f->q.rings.desc, 0, f->data, 5, 1, 1);
	drv_desc(&f->mem, f->q.rings.desc, 1, table, 32, 4, 0);
	drv_publish(&f->q, 0);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->c.read_len, 15);
	assert_int_equal(f->c.write_len, 20);
}

static void an_unpopped_request_comes_again(void **state)
{
	struct fixture *f = *state;
	const struct drv_seg seg = { GPA + 4096, 16, false };
	uint16_t head;

	open_queue(f, 4, false);
	head = drv_add(&f->q, &seg, 1, false);
	assert_int_equal(pop(f), 1);
	vq_unpop(&f->vq);
	assert_true(vq_enable_kick(&f->vq));
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->c.head, head);
	assert_int_equal(pop(f), 0);
}

struct bad {
	const char *name;
	uint16_t head;
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} d[4];
};

/* 0xd000 in addr stands for valid memory, 0x1d000 for an indirect table. */
static const struct bad bad_chains[] = {
	{ "head outside the table", 8, { { 0xd000, 8, 0, 0 } } },
	{ "next outside the table", 0, { { 0xd000, 8, 1, 8 } } },
	{ "self loop", 0, { { 0xd000, 8, 1, 0 } } },
	{ "loop of two", 0, { { 0xd000, 8, 1, 1 }, { 0xd000, 8, 1, 0 } } },
	{ "zero length", 0, { { 0xd000, 0, 0, 0 } } },
	{ "below memory", 0, { { 0x10, 8, 0, 0 } } },
	{ "across the end", 0, { { GPA + MEM_LEN - 4, 8, 0, 0 } } },
	{ "address wraps", 0, { { UINT64_MAX - 3, 8, 0, 0 } } },
	{ "longest length", 0, { { 0xd000, UINT32_MAX, 0, 0 } } },
	{ "readable after writable",
	  0,
	  { { 0xd000, 8, 3, 1 }, { 0xd000, 8, 0, 0 } } },
	{ "indirect with next",
	  0,
	  { { 0x1d000, 32, 5, 1 }, { 0xd000, 8, 0, 0 } } },
	{ "indirect of odd length", 0, { { 0x1d000, 31, 4, 0 } } },
	{ "empty indirect", 0, { { 0x1d000, 0, 4, 0 } } },
	{ "indirect outside memory", 0, { { 0x10, 32, 4, 0 } } },
	{ "huge indirect", 0, { { 0x1d000, (VQ_MAX_IOV + 1) * 16, 4, 0 } } },
};

static void broken_chains_are_refused(void **state)
{
	struct fixture *f = *state;
	uint64_t table;

	for (size_t i = 0; i < sizeof(bad_chains) / sizeof(*bad_chains); i++) {
		const struct bad *b = &bad_chains[i];

		f->mem.next = 0;
		open_queue(f, 8, false);
		table = drv_alloc(&f->mem, 64);
		drv_desc(&f->mem, table, 0, f->data, 8, 1, 1);
		drv_desc(&f->mem, table, 1, f->data, 8, 0, 0);
		for (unsigned k = 0; k < 4; k++) {
			uint64_t addr = b->d[k].addr == 0xd000 ? f->data
					: b->d[k].addr == 0x1d000
						? table
						: b->d[k].addr;

			drv_desc(&f->mem, f->q.rings.desc, k, addr, b->d[k].len,
				 b->d[k].flags, b->d[k].next);
		}
		drv_publish(&f->q, b->head);
		if (pop(f) != -EPROTO)
			fail_msg("accepted: %s", b->name);
	}
}

static void an_indirect_table_inside_another_is_refused(void **state)
{
	struct fixture *f = *state;
	uint64_t inner, outer;

	open_queue(f, 8, false);
	inner = drv_alloc(&f->mem, 16);
	outer = drv_alloc(&f->mem, 16);
	drv_desc(&f->mem, inner, 0, f->data, 8, 0, 0);
	drv_desc(&f->mem, outer, 0, inner, 16, 4, 0);
	drv_desc(&f->mem, f->q.rings.desc, 0, outer, 16, 4, 0);
	drv_publish(&f->q, 0);
	assert_int_equal(pop(f), -EPROTO);
}

static void indirect_needs_the_feature(void **state)
{
	struct fixture *f = *state;
	const struct drv_seg seg = { GPA + 4096, 16, false };

	open_queue(f, 8, false);
	f->vq.indirect = false;
	drv_add(&f->q, &seg, 1, true);
	assert_int_equal(pop(f), -EPROTO);
}

static void an_index_too_far_ahead_is_refused(void **state)
{
	struct fixture *f = *state;

	open_queue(f, 8, false);
	drv_set_avail_idx(&f->q, 9);
	assert_int_equal(pop(f), -EPROTO);
	drv_set_avail_idx(&f->q, 0xffff); /* behind */
	assert_int_equal(pop(f), -EPROTO);
}

static void rings_must_lie_in_memory_and_be_aligned(void **state)
{
	struct fixture *f = *state;
	struct virtqueue vq = { .ready = false };
	struct vq_rings r;

	open_queue(f, 8, false);
	r = f->q.rings;
	assert_int_equal(vq_start(&vq, &f->mem.gm, 8, 0, &r, gmem_range), 0);
	vq_stop(&vq);
	for (unsigned size = 0; size < 65536; size++) {
		int rc = vq_start(&vq, &f->mem.gm, (uint16_t)size, 0, &r,
				  gmem_range);
		bool pow2 = size && !(size & (size - 1));

		assert_int_equal(rc, pow2 && size <= VQ_MAX_SIZE ? 0 : -EPROTO);
	}
	vq_stop(&vq);
	r.desc += 8;
	assert_int_equal(vq_start(&vq, &f->mem.gm, 8, 0, &r, gmem_range),
			 -EPROTO);
	r = f->q.rings;
	r.avail++;
	assert_int_equal(vq_start(&vq, &f->mem.gm, 8, 0, &r, gmem_range),
			 -EPROTO);
	r = f->q.rings;
	r.used = GPA + MEM_LEN - 64; /* needs 70 bytes */
	assert_int_equal(vq_start(&vq, &f->mem.gm, 8, 0, &r, gmem_range),
			 -EPROTO);
	assert_false(vq.ready);
}

static void the_longest_chain_fits_and_one_more_does_not(void **state)
{
	struct fixture *f = *state;
	struct drv_seg *seg = calloc(VQ_MAX_IOV + 1, sizeof(*seg));

	assert_non_null(seg);
	open_queue(f, 8, false);
	for (unsigned i = 0; i <= VQ_MAX_IOV; i++)
		seg[i] = (struct drv_seg){ f->data + i, 1, i > 500 };
	drv_add(&f->q, seg, VQ_MAX_IOV, true);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->c.nread + f->c.nwrite, VQ_MAX_IOV);
	/* a direct descriptor in front makes it too long */
	drv_desc(&f->mem, f->q.rings.desc, 2, f->data, 1, 1, 1);
	drv_desc(&f->mem, f->q.rings.desc, 1,
		 f->mem.gpa + f->mem.next - 16 * VQ_MAX_IOV, 16 * VQ_MAX_IOV, 4,
		 0);
	drv_publish(&f->q, 2);
	assert_int_equal(pop(f), -EPROTO);
	free(seg);
}

static void flags_suppress_notifications(void **state)
{
	struct fixture *f = *state;
	const struct drv_seg seg = { GPA + 4096, 16, true };

	open_queue(f, 4, false);
	for (unsigned i = 0; i < 4; i++) {
		drv_set_avail_flags(&f->q, i % 2);
		drv_add(&f->q, &seg, 1, false);
		assert_int_equal(pop(f), 1);
		vq_push(&f->vq, &f->c, 0);
		vq_signal(&f->vq);
		vq_signal(&f->vq); /* nothing new: no second interrupt */
		assert_int_equal(f->notified, i / 2 + 1);
	}
	vq_disable_kick(&f->vq);
	assert_int_equal(drv_used_flags(&f->q), 1);
	assert_false(vq_enable_kick(&f->vq));
	assert_int_equal(drv_used_flags(&f->q), 0);
	drv_add(&f->q, &seg, 1, false);
	assert_true(vq_enable_kick(&f->vq));
}

static void event_index_suppresses_notifications(void **state)
{
	struct fixture *f = *state;
	const struct drv_seg seg = { GPA + 4096, 16, true };

	open_queue(f, 4, true);
	drv_set_used_event(&f->q, 2); /* interrupt after the third */
	for (unsigned i = 0; i < 6; i++) {
		drv_add(&f->q, &seg, 1, false);
		assert_int_equal(pop(f), 1);
		vq_push(&f->vq, &f->c, 0);
		vq_signal(&f->vq);
		/* the very first may always be signalled */
		assert_int_equal(f->notified, i < 2 ? 1 : 2);
	}
	vq_disable_kick(&f->vq);
	assert_int_equal(drv_avail_event(&f->q), 0);
	assert_false(vq_enable_kick(&f->vq));
	assert_int_equal(drv_avail_event(&f->q), 6);
}

static void indexes_wrap_around(void **state)
{
	struct fixture *f = *state;
	const struct drv_seg seg = { GPA + 4096, 16, true };
	uint32_t id, len;

	open_queue(f, 2, true);
	for (unsigned i = 0; i < 70000; i++) {
		drv_set_used_event(&f->q, (uint16_t)i);
		drv_add(&f->q, &seg, 1, false);
		assert_int_equal(pop(f), 1);
		vq_push(&f->vq, &f->c, i);
		vq_signal(&f->vq);
		assert_true(drv_used(&f->q, &id, &len));
		assert_int_equal(len, i);
		assert_int_equal(f->notified, i + 1);
	}
}

static void a_stopped_queue_is_inert_and_resumes(void **state)
{
	struct fixture *f = *state;
	const struct drv_seg seg = { GPA + 4096, 16, true };
	uint32_t id, len;

	open_queue(f, 4, false);
	drv_add(&f->q, &seg, 1, false);
	drv_add(&f->q, &seg, 1, false);
	assert_int_equal(pop(f), 1);
	vq_push(&f->vq, &f->c, 1);
	vq_stop(&f->vq);
	assert_int_equal(pop(f), 0);
	vq_push(&f->vq, &f->c, 2);
	vq_signal(&f->vq);
	assert_false(vq_enable_kick(&f->vq));
	assert_int_equal(drv_used_idx(&f->q), 1);
	assert_int_equal(vq_start(&f->vq, &f->mem.gm, 4, f->vq.last_avail,
				  &f->q.rings, gmem_range),
			 0);
	assert_int_equal(pop(f), 1);
	vq_push(&f->vq, &f->c, 3);
	assert_true(drv_used(&f->q, &id, &len));
	assert_int_equal(len, 1);
	assert_true(drv_used(&f->q, &id, &len));
	assert_int_equal(len, 3);
}

static void buffers_are_copied_across_elements(void **state)
{
	uint8_t a[3] = { 1, 2, 3 }, b[1] = { 4 }, c[4] = { 5, 6, 7, 8 };
	const struct iovec iov[] = { { a, 3 }, { b, 1 }, { c, 4 } };
	uint8_t out[16];

	(void)state;
	for (size_t off = 0; off <= 9; off++) {
		for (size_t len = 0; len <= 10; len++) {
			size_t want = off >= 8 ? 0 : 8 - off;

			if (want > len)
				want = len;
			assert_int_equal(iov_read(iov, 3, off, out, len), want);
			for (size_t i = 0; i < want; i++)
				assert_int_equal(out[i], off + i + 1);
		}
	}
	assert_int_equal(iov_write(iov, 3, 2, "wxyz!", 4), 4);
	assert_memory_equal(a, "\1\2w", 3);
	assert_memory_equal(b, "x", 1);
	assert_memory_equal(c, "yz\7\10", 4);
}

static void regions_are_checked(void **state)
{
	uint8_t host[64];
	struct guest_memory m = { .nregions = 0 };
	struct gmem_region r = { 1000, 5000, 64, host };

	(void)state;
	assert_int_equal(gmem_add(&m, &r), 0);
	assert_ptr_equal(gmem_range(&m, 1000, 64), host);
	assert_ptr_equal(gmem_range(&m, 1063, 1), host + 63);
	assert_null(gmem_range(&m, 1063, 2));
	assert_null(gmem_range(&m, 999, 1));
	assert_null(gmem_range(&m, 1064, 1));
	assert_null(gmem_range(&m, 1000, 0));
	assert_null(gmem_range(&m, 1001, UINT64_MAX));
	assert_ptr_equal(gmem_user_range(&m, 5010, 54), host + 10);
	assert_null(gmem_user_range(&m, 5010, 55));
	assert_int_equal(gmem_add(&m, &r), -EINVAL); /* overlap */
	r.gpa = 937;
	assert_int_equal(gmem_add(&m, &r), -EINVAL);
	r.gpa = UINT64_MAX - 10;
	assert_int_equal(gmem_add(&m, &r), -EINVAL);
	for (unsigned i = 1; i < GMEM_MAX_REGIONS; i++) {
		r.gpa = 1000 + 64 * i;
		assert_int_equal(gmem_add(&m, &r), 0);
	}
	r.gpa = 1 << 20;
	assert_int_equal(gmem_add(&m, &r), -ENOSPC);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(chains_arrive_in_order_with_their_buffers),
		T(an_indirect_table_may_end_a_chain),
		T(an_unpopped_request_comes_again),
		T(broken_chains_are_refused),
		T(an_indirect_table_inside_another_is_refused),
		T(indirect_needs_the_feature),
		T(an_index_too_far_ahead_is_refused),
		T(rings_must_lie_in_memory_and_be_aligned),
		T(the_longest_chain_fits_and_one_more_does_not),
		T(flags_suppress_notifications),
		T(event_index_suppresses_notifications),
		T(indexes_wrap_around),
		T(a_stopped_queue_is_inert_and_resumes),
		T(buffers_are_copied_across_elements),
		T(regions_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
