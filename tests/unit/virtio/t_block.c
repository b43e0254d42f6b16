/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-blk over a memfd: data, ranges, discard, identity, bad requests. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/virtio_blk.h>

#include "base/bytes.h"
#include "base/io.h"
#include "frontend.h"
#include "virtio/dev/block.h"
#include "virtio/disk/disk_int.h"

#define DISK_LEN (1u << 20)
#define SECTORS (DISK_LEN / 512)
#define FLUSH_F (1ull << VIRTIO_BLK_F_FLUSH)

struct fixture {
	struct frontend fe;
	struct virtio_device *dev;
	int disk; /* the device's own descriptor */
};

static void connect_driver(struct fixture *f)
{
	fe_open(&f->fe, f->dev, 0);
	fe_negotiate(&f->fe, FLUSH_F);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 64, true);
}

static void open_disk(struct fixture *f, bool read_only)
{
	struct vblock_config config = { .serial = "serial-of-20-bytes!!" };

	f->disk = io_memfd("disk", NULL, 0);
	assert_true(f->disk >= 0);
	assert_int_equal(ftruncate(f->disk, DISK_LEN), 0);
	assert_int_equal(disk_raw(f->disk, read_only, &config.disk, NULL), 0);
	assert_int_equal(vblock_new(&config, &f->dev), 0);
	connect_driver(f);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	open_disk(f, false);
	*state = f;
	return 0;
}

static int setup_read_only(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	open_disk(f, true);
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

/* Wait, from another thread than the device's, for the next used entry. */
static uint32_t wait_used(struct fixture *f)
{
	uint32_t id, len;

	while (!drv_used(&f->fe.q[0], &id, &len))
		assert_int_equal(loop_turn(f->fe.loop, 1), 0);
	return len;
}

/* One request with data in n segments of len bytes; its status. */
static int request(struct fixture *f, uint32_t type, uint64_t sector,
		   void *data, size_t len, unsigned n)
{
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	uint64_t head = drv_alloc(&f->fe.mem, 16), at;
	uint64_t status = drv_alloc(&f->fe.mem, 1);
	struct drv_seg seg[20] = { { head, 16, false } };
	uint8_t *h = drv_ptr(&f->fe.mem, head);

	assert_true(n <= 18);
	at = drv_alloc(&f->fe.mem, len * n);
	if (!in && n)
		memcpy(drv_ptr(&f->fe.mem, at), data, len * n);
	le32_put(h, type);
	le64_put(h + 8, sector);
	for (unsigned i = 0; i < n; i++)
		seg[1 + i] =
			(struct drv_seg){ at + len * i, (uint32_t)len, in };
	seg[1 + n] = (struct drv_seg){ status, 1, true };
	*(uint8_t *)drv_ptr(&f->fe.mem, status) = 0xaa;
	drv_add(&f->fe.q[0], seg, n + 2, n > 2);
	fe_kick(&f->fe, 0);
	assert_int_equal(wait_used(f), in ? len * n + 1 : 1);
	if (in)
		memcpy(data, drv_ptr(&f->fe.mem, at), len * n);
	return *(uint8_t *)drv_ptr(&f->fe.mem, status);
}

static void fill(uint8_t *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 31 + i / 256 + seed);
}

static void data_goes_to_the_file_and_back(void **state)
{
	struct fixture *f = *state;
	uint8_t out[16 * 1024], in[16 * 1024];

	for (unsigned i = 0; i < 50; i++) {
		unsigned n = 1 + i % 16;

		fill(out, sizeof(out), i);
		assert_int_equal(
			request(f, VIRTIO_BLK_T_OUT, i * 32, out, 1024, n),
			VIRTIO_BLK_S_OK);
		assert_int_equal(pread(f->disk, in, 1024 * n, i * 32 * 512),
				 1024 * n);
		assert_memory_equal(in, out, 1024 * n);
		memset(in, 0, sizeof(in));
		assert_int_equal(
			request(f, VIRTIO_BLK_T_IN, i * 32, in, 1024, n),
			VIRTIO_BLK_S_OK);
		assert_memory_equal(in, out, 1024 * n);
		f->fe.mem.next = 65536;
	}
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, 0),
			 VIRTIO_BLK_S_OK);
}

static void nothing_outside_the_disk_is_touched(void **state)
{
	struct fixture *f = *state;
	uint8_t data[4096] = { 1 };
	struct stat st;
	const struct {
		uint64_t sector;
		size_t len;
		int want;
	} cases[] = {
		{ SECTORS - 8, 4096, VIRTIO_BLK_S_OK },
		{ SECTORS - 7, 4096, VIRTIO_BLK_S_IOERR },
		{ SECTORS, 512, VIRTIO_BLK_S_IOERR },
		{ SECTORS + 1, 512, VIRTIO_BLK_S_IOERR },
		{ UINT64_MAX, 512, VIRTIO_BLK_S_IOERR },
		{ UINT64_MAX / 512 + 1, 512, VIRTIO_BLK_S_IOERR },
		{ 0, 511, VIRTIO_BLK_S_IOERR },
		{ 0, 1, VIRTIO_BLK_S_IOERR },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(request(f, VIRTIO_BLK_T_OUT, cases[i].sector,
					 data, cases[i].len, 1),
				 cases[i].want);
		assert_int_equal(request(f, VIRTIO_BLK_T_IN, cases[i].sector,
					 data, cases[i].len, 1),
				 cases[i].want);
	}
	assert_int_equal(fstat(f->disk, &st), 0);
	assert_int_equal(st.st_size, DISK_LEN);
	assert_int_equal(f->fe.faults, 0);
}

static void put_range(uint8_t *p, uint64_t sector, uint32_t n, uint32_t flags)
{
	le64_put(p, sector);
	le32_put(p + 8, n);
	le32_put(p + 12, flags);
}

static void expect_bytes(struct fixture *f, size_t off, size_t len, uint8_t v)
{
	uint8_t data[4096];

	while (len) {
		size_t n = len < sizeof(data) ? len : sizeof(data);

		assert_int_equal(pread(f->disk, data, n, (off_t)off), n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(data[i], v);
		off += n;
		len -= n;
	}
}

static void ranges_are_discarded_and_zeroed(void **state)
{
	struct fixture *f = *state;
	uint8_t *ones = malloc(DISK_LEN), seg[3 * 16];
	struct stat st;

	assert_non_null(ones);
	memset(ones, 1, DISK_LEN);
	assert_int_equal(pwrite(f->disk, ones, DISK_LEN, 0), DISK_LEN);
	free(ones);
	put_range(seg, 8, 8, 0);
	put_range(seg + 16, 64, 128, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, seg, 32, 1),
			 VIRTIO_BLK_S_OK);
	expect_bytes(f, 0, 4096, 1);
	expect_bytes(f, 4096, 4096, 0);
	expect_bytes(f, 8192, 24576, 1);
	expect_bytes(f, 32768, 65536, 0);
	expect_bytes(f, 98304, 4096, 1);
	assert_int_equal(fstat(f->disk, &st), 0);
	assert_true(st.st_blocks * 512 < DISK_LEN);
	put_range(seg, 1024, 3, 0); /* unaligned, keep allocated */
	assert_int_equal(request(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, seg, 16, 1),
			 VIRTIO_BLK_S_OK);
	expect_bytes(f, 1024 * 512, 3 * 512, 0);
	expect_bytes(f, 1027 * 512, 512, 1);
	put_range(seg, 1032, 8, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	assert_int_equal(request(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, seg, 16, 1),
			 VIRTIO_BLK_S_OK);
	expect_bytes(f, 1032 * 512, 8 * 512, 0);
}

static void bad_ranges_are_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t seg[33 * 16] = { 0 };

	put_range(seg, SECTORS - 1, 2, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, seg, 16, 1),
			 VIRTIO_BLK_S_IOERR);
	put_range(seg, UINT64_MAX, UINT32_MAX, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, seg, 16, 1),
			 VIRTIO_BLK_S_IOERR);
	put_range(seg, 0, 1, 1); /* unmap means nothing for discard */
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, seg, 16, 1),
			 VIRTIO_BLK_S_UNSUPP);
	put_range(seg, 0, 1, 2);
	assert_int_equal(request(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, seg, 16, 1),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, seg, 15, 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, seg, 33 * 16, 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, NULL, 0, 0),
			 VIRTIO_BLK_S_IOERR);
}

static void identity_and_size_are_told(void **state)
{
	struct fixture *f = *state;
	char id[20];

	assert_int_equal(request(f, VIRTIO_BLK_T_GET_ID, 0, id, 20, 1),
			 VIRTIO_BLK_S_OK);
	assert_memory_equal(id, "serial-of-20-bytes!!", 20);
	assert_int_equal(request(f, VIRTIO_BLK_T_GET_ID, 0, id, 19, 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(le64_get(f->dev->config), SECTORS);
	assert_int_equal(request(f, 12345, 0, NULL, 0, 0), VIRTIO_BLK_S_UNSUPP);
}

static void a_read_only_disk_stays_as_it_is(void **state)
{
	struct fixture *f = *state;
	uint8_t data[512] = { 1 }, seg[16];

	assert_true(f->dev->features & (1 << VIRTIO_BLK_F_RO));
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, data, 512, 1),
			 VIRTIO_BLK_S_OK);
	data[0] = 1;
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 0, data, 512, 1),
			 VIRTIO_BLK_S_IOERR);
	put_range(seg, 0, 1, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, seg, 16, 1),
			 VIRTIO_BLK_S_IOERR);
	expect_bytes(f, 0, 4096, 0);
}

static void requests_without_header_or_status_fault_the_device(void **state)
{
	static const struct {
		uint32_t out, in;
	} bad[] = { { 15, 1 }, { 16, 0 }, { 0, 17 }, { 600, 0 } };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct drv_seg seg[2];
		unsigned n = 0;

		if (bad[i].out)
			seg[n++] = (struct drv_seg){ drv_alloc(&f->fe.mem,
							       bad[i].out),
						     bad[i].out, false };
		if (bad[i].in)
			seg[n++] = (struct drv_seg){ drv_alloc(&f->fe.mem,
							       bad[i].in),
						     bad[i].in, true };
		drv_add(&f->fe.q[0], seg, n, false);
		f->fe.faults = 0;
		fe_kick(&f->fe, 0);
		fe_wait(&f->fe, &f->fe.faults, 1);
		assert_string_equal(f->fe.why, "block: malformed request");
		fe_reconnect(&f->fe, f->dev, 0);
		fe_negotiate(&f->fe, FLUSH_F);
		assert_int_equal(fe_set_memory(&f->fe), 0);
		fe_queue(&f->fe, 0, 64, true);
	}
}

static void a_header_and_status_may_be_split_and_joined(void **state)
{
	struct fixture *f = *state;
	uint64_t at = drv_alloc(&f->fe.mem, 4096);
	/* 7+9+... of header and data in odd pieces, status with the data */
	struct drv_seg w[3] = { { at, 7, false },
				{ at + 7, 521, false },
				{ at + 1000, 1, true } };
	struct drv_seg r[3] = { { at, 16, false },
				{ at + 2000, 100, true },
				{ at + 2100, 413, true } };
	uint8_t *p = drv_ptr(&f->fe.mem, at), data[512];

	fill(data, 512, 9);
	le32_put(p, VIRTIO_BLK_T_OUT);
	le64_put(p + 8, 3);
	memcpy(p + 16, data, 512);
	p[1000] = 0xaa;
	drv_add(&f->fe.q[0], w, 3, false);
	fe_kick(&f->fe, 0);
	assert_int_equal(wait_used(f), 1);
	assert_int_equal(p[1000], VIRTIO_BLK_S_OK);
	le32_put(p, VIRTIO_BLK_T_IN);
	p[2512] = 0xaa;
	drv_add(&f->fe.q[0], r, 3, false);
	fe_kick(&f->fe, 0);
	assert_int_equal(wait_used(f), 513);
	assert_int_equal(p[2512], VIRTIO_BLK_S_OK);
	assert_memory_equal(p + 2000, data, 512);
}

/* A disk that counts. */
struct counter {
	struct disk disk;
	unsigned flushes;
};

static int count_write(struct disk *d, struct disk_data *data, uint64_t off,
		       bool durable)
{
	(void)d;
	(void)data;
	(void)off;
	(void)durable;
	return 0;
}

static int count_flush(struct disk *d)
{
	container_of(d, struct counter, disk)->flushes++;
	return 0;
}

static void count_free(struct disk *d)
{
	(void)d;
}

static const struct disk_ops count_ops = { .write = count_write,
					   .flush = count_flush,
					   .free = count_free };

static void flush_and_expect(struct fixture *f, const struct counter *c,
			     unsigned want)
{
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, 0),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(c->flushes, want);
}

static void flushes_wait_until_it_is_settled(void **state)
{
	struct counter c = { .disk = { &count_ops, DISK_LEN, false, false } };
	struct vblock_config config = { .disk = &c.disk, .unsettled = true };
	struct fixture f = { 0 };
	uint8_t data[512] = { 0 };

	(void)state;
	assert_int_equal(vblock_new(&config, &f.dev), 0);
	connect_driver(&f);
	flush_and_expect(&f, &c, 0);
	vblock_settle(f.dev);
	/* made good by the next request, whatever it is */
	assert_int_equal(request(&f, VIRTIO_BLK_T_OUT, 0, data, 512, 1),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(c.flushes, 1);
	flush_and_expect(&f, &c, 2);
	/* nothing was written since */
	flush_and_expect(&f, &c, 2);
	fe_close(&f.fe);
	f.dev->ops->free(f.dev);
}

static void bad_configurations_are_refused(void **state)
{
	struct vblock_config config = { .serial = "123456789012345678901" };
	struct virtio_device *dev;
	int fd;

	(void)state;
	fd = io_memfd("disk", NULL, 0);
	assert_int_equal(ftruncate(fd, 512), 0);
	assert_int_equal(disk_raw(fd, false, &config.disk, NULL), 0);
	assert_int_equal(vblock_new(&config, &dev), -EINVAL);
	disk_free(config.disk);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(data_goes_to_the_file_and_back),
		T(nothing_outside_the_disk_is_touched),
		T(ranges_are_discarded_and_zeroed),
		T(bad_ranges_are_refused),
		T(identity_and_size_are_told),
		T(requests_without_header_or_status_fault_the_device),
		T(a_header_and_status_may_be_split_and_joined),
		cmocka_unit_test_setup_teardown(a_read_only_disk_stays_as_it_is,
						setup_read_only, teardown),
		cmocka_unit_test(flushes_wait_until_it_is_settled),
		cmocka_unit_test(bad_configurations_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
