/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qcow2 against QEMU's own tools: what they made is read, random work on it
 * equals a model, and qemu-img check and convert agree with both afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "virtio/disk/disk.h"

#define SIZE (3u << 20)
#define MAX_SIZE (64u << 20)

struct fixture {
	char dir[32];
	uint8_t *model, *data; /* SIZE bytes each */
	uint32_t seed;
};

static uint32_t rnd(struct fixture *f)
{
	f->seed = f->seed * 1664525u + 1013904223u;
	return f->seed >> 8;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	/* in memory: there is a lot of syncing */
	(void)snprintf(f->dir, sizeof(f->dir), "%s/msb-qcow2-XXXXXX",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	f->model = calloc(1, SIZE);
	f->data = malloc(SIZE);
	assert_true(f->model && f->data);
	f->seed = 1;
	*state = f;
	return 0;
}

static int run(struct fixture *f, const char *fmt, ...) MSB_PRINTF(2, 3);
static int run(struct fixture *f, const char *fmt, ...)
{
	char command[512];
	va_list ap;
	int status;
	pid_t pid;

	va_start(ap, fmt);
	(void)vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (chdir(f->dir) == 0)
			(void)execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	(void)run(f, "rm -rf \"%s\"", f->dir);
	free(f->model);
	free(f->data);
	free(f);
	return 0;
}

static int open_file(struct fixture *f, const char *name, int flags)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static struct disk *open_disk(struct fixture *f, const char *name,
			      bool read_only)
{
	struct err err = { 0 };
	struct disk *d = NULL;
	int fd = open_file(f, name, read_only ? O_RDONLY : O_RDWR);

	if (disk_qcow2(fd, read_only, &d, &err))
		fail_msg("%s", err.msg);
	return d;
}

/* In up to five buffers. */
static unsigned split(struct fixture *f, uint8_t *p, size_t len,
		      struct iovec *iov)
{
	unsigned n = 0;

	while (n < 4 && len > 1024) {
		size_t part = 1 + rnd(f) % (len / 2);

		iov[n++] = (struct iovec){ p, part };
		p += part;
		len -= part;
	}
	iov[n++] = (struct iovec){ p, len };
	return n;
}

static void expect_model(struct fixture *f, struct disk *d)
{
	struct iovec iov[8];
	unsigned n = split(f, f->data, SIZE, iov);

	memset(f->data, 0xee, SIZE);
	assert_int_equal(disk_read(d, iov, n, 0), 0);
	assert_memory_equal(f->data, f->model, SIZE);
}

/* QEMU sees the same, and finds nothing wrong, at most (leaks) unused ones. */
static void expect_sound(struct fixture *f, const char *name, bool leaks)
{
	int rc = run(f, "qemu-img check -q %s >check.txt 2>&1", name);
	int fd;

	if (rc && !(leaks && rc == 3)) {
		(void)run(f, "cat check.txt >&2");
		fail_msg("qemu-img check: %d", rc);
	}
	assert_int_equal(run(f, "qemu-img convert -O raw %s out.raw", name), 0);
	fd = open_file(f, "out.raw", O_RDONLY);
	assert_int_equal(read(fd, f->data, SIZE), SIZE);
	(void)close(fd);
	assert_memory_equal(f->data, f->model, SIZE);
}

static void one_write(struct fixture *f, struct disk *d, size_t off, size_t len)
{
	struct iovec iov[8];
	uint8_t seed = (uint8_t)rnd(f);

	for (size_t i = 0; i < len; i++)
		f->data[i] = (uint8_t)(seed + i * 13 + i / 255);
	memcpy(f->model + off, f->data, len);
	assert_int_equal(disk_write(d, iov, split(f, f->data, len, iov), off,
				    rnd(f) % 16 == 0),
			 0);
}

static void one_read(struct fixture *f, struct disk *d, size_t off, size_t len)
{
	struct iovec iov[8];

	memset(f->data, 0xee, len);
	assert_int_equal(disk_read(d, iov, split(f, f->data, len, iov), off),
			 0);
	assert_memory_equal(f->data, f->model + off, len);
}

/* What is in a discarded range is the format's business. */
static void one_discard(struct fixture *f, struct disk *d, size_t off,
			size_t len)
{
	struct iovec v = { f->model + off, len };

	assert_int_equal(disk_discard(d, off, len), 0);
	assert_int_equal(disk_read(d, &v, 1, off), 0);
}

static void work(struct fixture *f, struct disk *d, unsigned rounds)
{
	while (rounds--) {
		size_t max = rnd(f) % 8 ? 40 : SIZE / 512;
		size_t off = rnd(f) % (SIZE / 512);
		size_t len = 1 + rnd(f) % max;

		if (off + len > SIZE / 512)
			len = SIZE / 512 - off;
		off *= 512;
		len *= 512;
		switch (rnd(f) % 8) {
		case 0:
			assert_int_equal(disk_zero(d, off, len, rnd(f) % 2), 0);
			memset(f->model + off, 0, len);
			break;
		case 1:
			one_discard(f, d, off, len);
			break;
		case 2:
		case 3:
			one_read(f, d, off, len);
			break;
		case 4:
			if (rnd(f) % 4 == 0)
				assert_int_equal(disk_flush(d), 0);
			break;
		default:
			one_write(f, d, off, len);
			break;
		}
	}
}

static void random_work(struct fixture *f, const char *name, unsigned rounds)
{
	struct disk *d = open_disk(f, name, false);

	assert_int_equal(disk_size(d), SIZE);
	work(f, d, rounds / 2);
	disk_free(d);
	d = open_disk(f, name, false);
	work(f, d, rounds / 2);
	expect_model(f, d);
	disk_free(d);
	expect_sound(f, name, false);
	d = open_disk(f, name, true);
	expect_model(f, d);
	disk_free(d);
}

static void images_of_all_shapes(void **state)
{
	static const char *const options[] = {
		"compat=1.1,cluster_size=65536",
		"compat=0.10,cluster_size=65536",
		"compat=1.1,cluster_size=512",
		"compat=1.1,cluster_size=512,refcount_bits=64",
		"compat=0.10,cluster_size=512",
		"compat=1.1,cluster_size=4096,refcount_bits=1",
		"compat=1.1,cluster_size=4096,refcount_bits=2",
		"compat=1.1,cluster_size=1024,refcount_bits=4",
		"compat=1.1,cluster_size=4096,refcount_bits=8",
		"compat=1.1,cluster_size=4096,refcount_bits=32",
		"compat=1.1,cluster_size=2M",
		"compat=1.1,cluster_size=65536,preallocation=metadata",
		"compat=1.1,cluster_size=4096,preallocation=falloc",
		"compat=1.1,cluster_size=4096,lazy_refcounts=on",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		memset(f->model, 0, SIZE);
		assert_int_equal(run(f,
				     "qemu-img create -q -f qcow2 -o %s "
				     "d.qcow2 %u",
				     options[i], SIZE),
				 0);
		random_work(f, "d.qcow2", 400);
	}
}

/* Patterns that compress, and some that do not. */
static void make_raw(struct fixture *f)
{
	int fd;

	for (size_t i = 0; i < SIZE; i++)
		f->model[i] = i / 65536 % 3 == 0   ? 0
			      : i / 65536 % 3 == 1 ? (uint8_t)(i / 977)
						   : (uint8_t)rnd(f);
	fd = open_file(f, "in.raw", O_RDWR | O_CREAT | O_TRUNC);
	assert_int_equal(write(fd, f->model, SIZE), SIZE);
	(void)close(fd);
}

static void compressed_images(void **state)
{
	static const char *const options[] = {
		"cluster_size=65536",
		"cluster_size=4096",
		"cluster_size=512",
		"compression_type=zstd,cluster_size=65536",
		"compression_type=zstd,cluster_size=2M",
		"compat=0.10,cluster_size=1M",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct disk *d;

		make_raw(f);
		assert_int_equal(run(f,
				     "qemu-img convert -c -O qcow2 -o %s "
				     "in.raw d.qcow2",
				     options[i]),
				 0);
		d = open_disk(f, "d.qcow2", true);
		expect_model(f, d);
		for (unsigned k = 0; k < 50; k++)
			one_read(f, d, rnd(f) % 4096 * 512, 4096);
		disk_free(d);
		random_work(f, "d.qcow2", 300);
	}
}

/* Snapshots keep what they had, whatever is written later. */
static void images_with_snapshots(void **state)
{
	static const char *const options[] = { "cluster_size=65536",
					       "cluster_size=4096",
					       "cluster_size=512" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		uint8_t *first = malloc(SIZE);

		assert_non_null(first);
		make_raw(f);
		assert_int_equal(run(f,
				     "qemu-img convert %s -O qcow2 -o %s "
				     "in.raw d.qcow2",
				     i ? "" : "-c", options[i]),
				 0);
		random_work(f, "d.qcow2", 100);
		memcpy(first, f->model, SIZE);
		assert_int_equal(run(f, "qemu-img snapshot -c a d.qcow2"), 0);
		random_work(f, "d.qcow2", 200);
		assert_int_equal(run(f, "qemu-img snapshot -c b d.qcow2"), 0);
		random_work(f, "d.qcow2", 200);
		assert_int_equal(run(f, "qemu-img snapshot -a a d.qcow2"), 0);
		memcpy(f->model, first, SIZE);
		free(first);
		expect_sound(f, "d.qcow2", false);
		random_work(f, "d.qcow2", 100);
		assert_int_equal(run(f, "qemu-img snapshot -d b d.qcow2"), 0);
		random_work(f, "d.qcow2", 100);
	}
}

/* So that the refcount table has to grow: 512-byte clusters, one of the table
 * counts 4 MiB of the file with 64-bit refcounts. */
static void tables_grow(void **state)
{
	struct fixture *f = *state;
	uint8_t *big = malloc(MAX_SIZE);
	struct iovec v = { big, MAX_SIZE };
	struct disk *d;

	assert_non_null(big);
	assert_int_equal(run(f,
			     "qemu-img create -q -f qcow2 -o cluster_size=512,"
			     "refcount_bits=64 d.qcow2 %u",
			     MAX_SIZE),
			 0);
	for (size_t i = 0; i < MAX_SIZE; i++)
		big[i] = (uint8_t)(i / 512 + i);
	d = open_disk(f, "d.qcow2", false);
	assert_int_equal(disk_write(d, &v, 1, 0, false), 0);
	disk_free(d);
	memcpy(f->model, big, SIZE);
	expect_sound(f, "d.qcow2", false);
	d = open_disk(f, "d.qcow2", false);
	assert_int_equal(disk_discard(d, 0, MAX_SIZE), 0);
	disk_free(d);
	memset(f->model, 0, SIZE);
	expect_sound(f, "d.qcow2", false);
	free(big);
}

/* A crash: the process is gone with all that it had in memory. */
static void flushed_data_survives(void **state)
{
	struct fixture *f = *state;
	struct disk *d;

	make_raw(f);
	assert_int_equal(run(f, "qemu-img convert -c -O qcow2 -o "
				"cluster_size=4096 in.raw d.qcow2"),
			 0);
	for (unsigned i = 0; i < 12; i++) {
		d = open_disk(f, "d.qcow2", false);
		work(f, d, 20);
		assert_int_equal(disk_flush(d), 0);
		/* as it is in the file now, before the disk is closed */
		assert_int_equal(run(f, "cp d.qcow2 crash.qcow2"), 0);
		expect_sound(f, "crash.qcow2", true);
		disk_free(d);
		expect_sound(f, "d.qcow2", false);
		assert_int_equal(run(f, "qemu-img check -q -r leaks "
					"crash.qcow2 >check.txt 2>&1 && "
					"mv crash.qcow2 d.qcow2"),
				 0);
	}
}

static void repair_of_lazy_refcounts(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct disk *d;
	uint8_t flag;
	int fd;

	assert_int_equal(run(f,
			     "qemu-img create -q -f qcow2 -o lazy_refcounts=on"
			     ",cluster_size=4096 d.qcow2 %u",
			     SIZE),
			 0);
	/* QEMU dies with data in place and refcounts in memory */
	assert_int_not_equal(
		run(f, "qemu-io -f qcow2 -t writeback -c 'write -P 7 4096 "
		       "200000' -c 'flush' -c 'abort' d.qcow2 >/dev/null 2>&1"),
		0);
	memset(f->model + 4096, 7, 200000);
	fd = open_file(f, "d.qcow2", O_RDWR);
	assert_int_equal(pread(fd, &flag, 1, 79), 1);
	assert_int_equal(flag & 1, 1);
	(void)close(fd);
	d = open_disk(f, "d.qcow2", true);
	expect_model(f, d);
	disk_free(d);
	random_work(f, "d.qcow2", 300);
	fd = open_file(f, "d.qcow2", O_RDWR);
	assert_int_equal(pread(fd, &flag, 1, 79), 1);
	assert_int_equal(flag & 1, 0);
	/* with snapshots it is left to others */
	assert_int_equal(run(f, "qemu-img snapshot -c a d.qcow2"), 0);
	flag = 1;
	assert_int_equal(pwrite(fd, &flag, 1, 79), 1);
	assert_int_equal(disk_qcow2(fd, false, &d, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "it was not closed"));
}

static void expect_refused(struct fixture *f, const char *name, const char *why)
{
	struct err err = { 0 };
	struct disk *d;

	assert_true(disk_qcow2(open_file(f, name, O_RDWR), false, &d, &err) <
		    0);
	if (!strstr(err.msg, why))
		fail_msg("%s: %s", name, err.msg);
}

static void what_we_cannot_do_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "qemu-img create -q -f qcow2 base.qcow2 1M && "
				"qemu-img create -q -f qcow2 -b base.qcow2 -F "
				"qcow2 back.qcow2 && "
				"qemu-img create -q -f qcow2 -o "
				"data_file=x.raw data.qcow2 1M && "
				"qemu-img create -q -f qcow2 -o "
				"extended_l2=on,cluster_size=128k l2.qcow2 1M "
				"&& truncate -s 1M zero.qcow2 && "
				": >empty.qcow2"),
			 0);
	expect_refused(f, "back.qcow2", "backing file");
	expect_refused(f, "data.qcow2", "in another file");
	expect_refused(f, "l2.qcow2", "subclusters");
	expect_refused(f, "zero.qcow2", "not a qcow2 image");
	expect_refused(f, "empty.qcow2", "not a qcow2 image");
}

static void broken_headers_are_refused(void **state)
{
	static const struct {
		unsigned at, len;
		uint64_t value;
		const char *why;
	} cases[] = {
		{ 4, 4, 4, "version 4" },
		{ 4, 4, 1, "version 1" },
		{ 20, 4, 8, "cluster size" },
		{ 20, 4, 22, "cluster size" },
		{ 20, 4, 0xffffffff, "cluster size" },
		{ 24, 8, 0, "size is not possible" },
		{ 24, 8, 513, "size is not possible" },
		{ 24, 8, 1ull << 63, "size is not possible" },
		{ 24, 8, 1ull << 50, "L1 table is too short" },
		{ 32, 4, 1, "encrypted" },
		{ 32, 4, 2, "encrypted" },
		{ 36, 4, 0, "tables make no sense" },
		{ 36, 4, 0xffffffff, "tables make no sense" },
		{ 40, 8, 0, "tables make no sense" },
		{ 40, 8, 1, "tables make no sense" },
		{ 40, 8, 1ull << 62, "lie outside" },
		{ 48, 8, 512, "tables make no sense" },
		{ 48, 8, ~0ull << 16, "lie outside" },
		{ 56, 4, 0, "tables make no sense" },
		{ 56, 4, 129, "tables make no sense" },
		{ 56, 4, 128, "lie outside" },
		{ 72, 8, 2, "damaged" },
		{ 72, 8, 32, "not known" },
		{ 72, 8, 8, NULL }, /* zlib all the same */
		{ 96, 4, 7, "header makes no sense" },
		{ 100, 4, 96, "header makes no sense" },
		{ 100, 4, 105, "header makes no sense" },
		{ 100, 4, 1u << 20, "header makes no sense" },
		{ 104, 1, 1, "compression" },
		{ 104, 1, 9, "compression" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t value[8];
		int fd;

		assert_int_equal(run(f, "rm -f d.qcow2; qemu-img create -q -f "
					"qcow2 d.qcow2 1M"),
				 0);
		fd = open_file(f, "d.qcow2", O_RDWR);
		be64_put(value, cases[i].value << (64 - cases[i].len * 8));
		assert_int_equal(pwrite(fd, value, cases[i].len, cases[i].at),
				 cases[i].len);
		(void)close(fd);
		if (cases[i].why)
			expect_refused(f, "d.qcow2", cases[i].why);
		else
			disk_free(open_disk(f, "d.qcow2", false));
	}
}

/* Tables that point to where nothing can be, and to themselves. */
static void broken_tables_are_errors(void **state)
{
	static const uint64_t entries[] = {
		1ull << 63 | 1ull << 40, /* outside */
		1ull << 63 | 0x200,	 /* inside of a cluster */
		1ull << 63 | 0x10000,	 /* the refcount table */
		1ull << 62 | 1ull << 40, /* compressed, outside */
		1ull << 62 | 0x30000,	 /* compressed, but not so */
	};
	struct fixture *f = *state;
	uint8_t data[512] = { 1 }, value[8];
	struct iovec v;

	for (size_t i = 0; i < ARRAY_SIZE(entries) * 2; i++) {
		uint64_t l1, at = 0x30000;
		struct disk *d;
		int fd;

		assert_int_equal(run(f, "rm -f d.qcow2; qemu-img create -q -f "
					"qcow2 d.qcow2 1M; qemu-io -c 'write 0 "
					"64k' d.qcow2 >/dev/null"),
				 0);
		fd = open_file(f, "d.qcow2", O_RDWR);
		assert_int_equal(pread(fd, value, 8, (off_t)at), 8);
		l1 = be64_get(value);
		/* of the L1 table or of the L2 table */
		if (i % 2)
			at = l1 & 0x00fffffffffffe00ull;
		be64_put(value, entries[i / 2]);
		assert_int_equal(pwrite(fd, value, 8, (off_t)at), 8);
		assert_int_equal(disk_qcow2(fd, false, &d, NULL), 0);
		v = (struct iovec){ data, 512 };
		(void)disk_read(d, &v, 1, 0);
		v = (struct iovec){ data, 512 };
		if (entries[i / 2] != (1ull << 63 | 0x10000) || i % 2)
			assert_int_equal(disk_write(d, &v, 1, 0, false), -EIO);
		disk_free(d);
	}
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(images_of_all_shapes),	 T(compressed_images),
		T(images_with_snapshots),	 T(tables_grow),
		T(flushed_data_survives),	 T(repair_of_lazy_refcounts),
		T(what_we_cannot_do_is_refused), T(broken_headers_are_refused),
		T(broken_tables_are_errors),
	};

	if (access("/usr/bin/qemu-img", X_OK) < 0 ||
	    access("/usr/bin/qemu-io", X_OK) < 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
