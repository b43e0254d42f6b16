/* SPDX-License-Identifier: Apache-2.0 */
/* Disks of one file, of several, and parts of disks. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/io.h"
#include "virtio/disk/disk.h"

static int file_of(const void *data, size_t len)
{
	int fd = io_memfd("disk", data, len);

	assert_true(fd >= 0);
	return fd;
}

/* In n buffers of odd sizes. */
static unsigned split(uint8_t *data, size_t len, unsigned n, struct iovec *iov)
{
	unsigned i;

	for (i = 0; i + 1 < n && len > 7 * (i + 1); i++) {
		iov[i] = (struct iovec){ data, 7 * (i + 1) };
		data += iov[i].iov_len;
		len -= iov[i].iov_len;
	}
	iov[i] = (struct iovec){ data, len };
	return i + 1;
}

static void expect_read(struct disk *d, uint64_t off, const uint8_t *want,
			size_t len, unsigned pieces)
{
	struct iovec iov[32];
	uint8_t *data = malloc(len);
	unsigned n;

	assert_non_null(data);
	memset(data, 0xaa, len);
	n = split(data, len, pieces, iov);
	assert_int_equal(disk_read(d, iov, n, off), 0);
	assert_memory_equal(data, want, len);
	free(data);
}

static int put(struct disk *d, uint64_t off, void *data, size_t len)
{
	struct iovec iov[32];
	unsigned n = split(data, len, 9, iov);

	return disk_write(d, iov, n, off, false);
}

static int get(struct disk *d, uint64_t off, size_t len)
{
	uint8_t data[4096];
	struct iovec v = { data, len };

	assert_true(len <= sizeof(data));
	return disk_read(d, &v, 1, off);
}

#define PART 4096u

static void fill(uint8_t *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + i / 251 + seed);
}

/* Three files, one of them from its middle, and a gap of zeroes. */
static struct disk *make_row(uint8_t *want, bool read_only, int fds[3])
{
	struct disk_extent e[4] = { { .length = PART },
				    { .fd = -1, .length = 2 * PART },
				    { .offset = 512, .length = 512 },
				    { .length = PART } };
	uint8_t data[3][PART];
	struct disk *d;

	for (unsigned i = 0; i < 3; i++) {
		fill(data[i], PART, i);
		fds[i] = file_of(data[i], PART);
	}
	e[0].fd = fds[0];
	e[2].fd = fds[1];
	e[3].fd = fds[2];
	memcpy(want, data[0], PART);
	memset(want + PART, 0, 2 * PART);
	memcpy(want + 3 * PART, data[1] + 512, 512);
	memcpy(want + 3 * PART + 512, data[2], PART);
	assert_int_equal(disk_linear(e, 4, read_only, &d, NULL), 0);
	return d;
}
#define ROW (4 * PART + 512)

static void files_in_a_row_are_one_disk(void **state)
{
	uint8_t want[ROW];
	struct disk *d;
	int fds[3];

	(void)state;
	d = make_row(want, true, fds);
	assert_int_equal(disk_size(d), ROW);
	for (size_t off = 0; off < ROW; off += 512)
		for (size_t len = 512; off + len <= ROW; len += 512)
			expect_read(d, off, want + off, len,
				    1 + (unsigned)(off / 512 + len / 512) % 20);
	assert_int_equal(get(d, ROW, 512), -EIO);
	assert_int_equal(get(d, ROW - 512, 1024), -EIO);
	assert_int_equal(get(d, 1, 512), -EIO);
	assert_int_equal(get(d, 0, 511), -EIO);
	assert_int_equal(get(d, UINT64_MAX - 511, 512), -EIO);
	assert_int_equal(put(d, 0, want, 512), -EROFS);
	assert_int_equal(disk_zero(d, 0, 512, true), -EROFS);
	assert_int_equal(disk_discard(d, 0, 512), -EROFS);
	disk_free(d);
}

static void a_row_can_be_written(void **state)
{
	uint8_t want[ROW], data[3 * PART + 1024];
	struct disk *d;
	struct stat st;
	int fds[3];

	(void)state;
	d = make_row(want, false, fds);
	fill(data, sizeof(data), 99);
	assert_int_equal(put(d, PART - 512, data, sizeof(data)), 0);
	memcpy(want + PART - 512, data, 512);
	/* what goes into the gap is swallowed */
	memcpy(want + 3 * PART, data + 512 + 2 * PART,
	       sizeof(data) - 512 - 2 * PART);
	expect_read(d, 0, want, ROW, 3);
	assert_int_equal(disk_flush(d), 0);
	assert_int_equal(disk_zero(d, 512, ROW - 1024, false), 0);
	memset(want + 512, 0, ROW - 1024);
	expect_read(d, 0, want, ROW, 1);
	assert_int_equal(disk_discard(d, 0, PART), 0);
	memset(want, 0, PART);
	expect_read(d, 0, want, ROW, 1);
	assert_int_equal(fstat(fds[0], &st), 0);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(st.st_size, PART);
	disk_free(d);
}

static void a_part_of_a_disk(void **state)
{
	uint8_t want[ROW], data[1024];
	struct disk *d, *w;
	int fds[3];

	(void)state;
	d = make_row(want, false, fds);
	assert_int_equal(disk_window(d, 1024, 3 * PART, &w, NULL), 0);
	assert_int_equal(disk_size(w), 3 * PART);
	expect_read(w, 0, want + 1024, 3 * PART, 5);
	fill(data, sizeof(data), 3);
	assert_int_equal(put(w, 512, data, sizeof(data)), 0);
	memcpy(want + 1536, data, sizeof(data));
	assert_int_equal(disk_zero(w, 512, 512, true), 0);
	memset(want + 1536, 0, 512);
	expect_read(w, 0, want + 1024, 3 * PART, 5);
	assert_int_equal(disk_discard(w, 0, 512), 0);
	assert_int_equal(get(w, 3 * PART, 512), -EIO);
	assert_int_equal(put(w, 3 * PART - 512, data, 1024), -EIO);
	assert_int_equal(disk_flush(w), 0);
	disk_free(w);
	d = make_row(want, true, fds);
	assert_int_equal(disk_window(d, ROW, 512, &w, NULL), -EINVAL);
}

static void impossible_disks_are_refused(void **state)
{
	struct disk_extent e[2] = { { .fd = -1, .length = INT64_MAX - 511 },
				    { .fd = -1, .length = 512 } };
	struct err err = { 0 };
	struct disk *d;

	(void)state;
	assert_true(disk_linear(e, 2, true, &d, &err) < 0);
	assert_true(disk_linear(e, 0, true, &d, &err) < 0);
	assert_true(disk_raw(file_of("", 0), true, &d, &err) < 0);
	assert_true(disk_raw(file_of("x", 1), true, &d, &err) < 0);
	assert_true(disk_raw(-1, true, &d, &err) < 0);
	e[0] = (struct disk_extent){ .fd = -1,
				     .offset = UINT64_MAX - 511,
				     .length = 512 };
	assert_true(disk_linear(e, 1, true, &d, &err) < 0);
}

/* The host took a piece of the file away. */
static void a_file_that_shrank_is_an_error(void **state)
{
	uint8_t data[4096] = { 0 };
	int fd = file_of(data, sizeof(data));
	struct disk *d;

	(void)state;
	assert_int_equal(disk_raw(fd, true, &d, NULL), 0);
	assert_int_equal(ftruncate(fd, 1024), 0);
	assert_int_equal(get(d, 512, 1024), -EIO);
	assert_int_equal(get(d, 0, 1024), 0);
	disk_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_in_a_row_are_one_disk),
		cmocka_unit_test(a_row_can_be_written),
		cmocka_unit_test(a_part_of_a_disk),
		cmocka_unit_test(impossible_disks_are_refused),
		cmocka_unit_test(a_file_that_shrank_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
