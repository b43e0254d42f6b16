/* SPDX-License-Identifier: Apache-2.0 */
/* Partition tables, and the choice of a partition. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/io.h"
#include "virtio/disk/disk.h"

#define SIZE (8u << 20)
#define SECTORS (SIZE / 512)

static const uint8_t linux_guid[16] = { 0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84,
					0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69,
					0xd8, 0x47, 0x7d, 0xe4 };
#if defined(__x86_64__)
static const uint8_t root_guid[16] = { 0xe3, 0xbc, 0x68, 0x4f, 0xcd, 0xe8,
				       0xb1, 0x4d, 0x96, 0xe7, 0xfb, 0xca,
				       0xf9, 0x84, 0xb7, 0x09 };
#else
static const uint8_t root_guid[16] = { 0x45, 0xb0, 0x21, 0xb9, 0xf0, 0x1d,
				       0xc3, 0x41, 0xaf, 0x44, 0x4c, 0x6f,
				       0x28, 0x0d, 0x3f, 0xae };
#endif
static const uint8_t other_guid[16] = { 1, 2, 3 };

static int setup(void **state)
{
	*state = calloc(1, SIZE);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void put_mbr(uint8_t *sector, unsigned i, uint8_t type, uint32_t first,
		    uint32_t n)
{
	uint8_t *e = sector + 446 + i * 16;

	e[4] = type;
	le32_put(e + 8, first);
	le32_put(e + 12, n);
	sector[510] = 0x55;
	sector[511] = 0xaa;
}

/* A file system begins at that sector. */
static void put_ext4(uint8_t *disk, uint32_t first, const char *label)
{
	uint8_t *sb = disk + first * 512ull + 1024;

	le16_put(sb + 56, 0xef53);
	memcpy(sb + 120, label, strlen(label));
}

struct entry {
	const uint8_t *guid;
	uint32_t first, last;
	const char *name;
};

static void put_gpt(uint8_t *disk, uint32_t at, const struct entry *e, size_t n)
{
	uint8_t *h = disk + at * 512ull;
	uint32_t list_at = at == 1 ? 2 : at - 32;
	uint8_t *list = disk + list_at * 512ull;

	put_mbr(disk, 0, 0xee, 1, SECTORS - 1);
	memset(list, 0, 128 * 128);
	for (size_t i = 0; i < n; i++) {
		uint8_t *p = list + i * 128;

		memcpy(p, e[i].guid, 16);
		le64_put(p + 32, e[i].first);
		le64_put(p + 40, e[i].last);
		for (size_t k = 0; e[i].name[k]; k++)
			p[56 + 2 * k] = (uint8_t)e[i].name[k];
	}
	memset(h, 0, 512);
	memcpy(h, "EFI PART", 8);
	le32_put(h + 12, 92);
	le64_put(h + 72, list_at);
	le32_put(h + 80, 128);
	le32_put(h + 84, 128);
	le32_put(h + 88, (uint32_t)crc32(0, list, 128 * 128));
	le32_put(h + 16, (uint32_t)crc32(0, h, 92));
}

static int choose(const uint8_t *bytes, struct disk **ret, struct err *err)
{
	int fd = io_memfd("disk", bytes, SIZE);
	struct disk *d;

	assert_true(fd >= 0);
	assert_int_equal(disk_raw(fd, true, &d, NULL), 0);
	return disk_file_system(d, ret, err);
}

/* The part that begins at first has n sectors; each begins with its number. */
static void expect(uint8_t *bytes, uint32_t first, uint32_t n)
{
	uint8_t data[512];
	struct iovec v = { data, 512 };
	struct err err = { 0 };
	struct disk *d;

	if (choose(bytes, &d, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(disk_size(d), n * 512ull);
	assert_int_equal(disk_read(d, &v, 1, 0), 0);
	assert_memory_equal(data, bytes + first * 512ull, 512);
	disk_free(d);
}

static void disks_without_a_table(void **state)
{
	uint8_t *b = *state;

	expect(b, 0, SECTORS);
	b[510] = 0x55;
	b[511] = 0xaa;
	expect(b, 0, SECTORS);
	/* the boot sector of a FAT: text where entries would be */
	memset(b + 446, 'x', 64);
	expect(b, 0, SECTORS);
	/* entries that lie elsewhere */
	memset(b + 446, 0, 64);
	put_mbr(b, 0, 0x83, 64, 64);
	put_mbr(b, 1, 0x83, SECTORS, 1);
	expect(b, 0, SECTORS);
	/* a file system of its own beside what looks like a table */
	put_mbr(b, 1, 0, 0, 0);
	put_ext4(b, 0, "");
	put_ext4(b, 64, "");
	expect(b, 0, SECTORS);
}

static void mbr_tables(void **state)
{
	uint8_t *b = *state;

	put_mbr(b, 0, 0x0c, 2048, 1000);
	expect(b, 2048, 1000); /* the only one, whatever it is */
	put_mbr(b, 1, 0x83, 4096, 2000);
	put_ext4(b, 4096, "");
	expect(b, 4096, 2000); /* the only one for Linux */
	put_mbr(b, 2, 0x83, 8192, 4000);
	expect(b, 4096, 2000); /* the only one with a file system */
	put_ext4(b, 8192, "");
	expect(b, 8192, 4000); /* the largest */
	put_ext4(b, 4096, "cloud-root");
	expect(b, 4096, 2000); /* the one that is called so */
}

static void logical_partitions(void **state)
{
	uint8_t *b = *state;

	put_mbr(b, 0, 0x0c, 64, 64);
	put_mbr(b, 1, 0x05, 1024, 10000);
	put_mbr(b + 1024 * 512, 0, 0x82, 1, 100);
	put_mbr(b + 1024 * 512, 1, 0x05, 1000, 5000);
	put_mbr(b + 2024 * 512, 0, 0x83, 8, 3000);
	put_ext4(b, 2032, "");
	expect(b, 2032, 3000);
	/* a chain that leads back */
	put_mbr(b + 2024 * 512, 1, 0x05, 1000, 5000);
	expect(b, 2032, 3000);
	put_mbr(b + 2024 * 512, 1, 0x05, 0xffffff00, 5000);
	put_mbr(b + 2024 * 512, 0, 0x83, 0xffffffff, 0xffffffff);
	put_ext4(b, 64, "");
	expect(b, 64, 64);
}

static void gpt_tables(void **state)
{
	const struct entry e[] = {
		{ other_guid, 64, 127, "EFI" },
		{ linux_guid, 128, 2047, "data" },
		{ root_guid, 4096, 5095, "p3" },
		{ linux_guid, 6000, 6999, "my root" },
		{ linux_guid, 6000, 5999, "backwards" },
		{ linux_guid, 7000, 0xfffffff0, "too long" },
	};
	uint8_t *b = *state;

	put_gpt(b, 1, e, 6);
	expect(b, 4096, 1000); /* by its type, even empty */
	put_gpt(b, 1, e, 2);
	put_ext4(b, 64, "");
	expect(b, 64, 64); /* the only one with a file system */
	put_ext4(b, 128, "");
	expect(b, 128, 1920); /* the only one for Linux that has */
	put_ext4(b, 6000, "");
	put_gpt(b, 1, (const struct entry[]){ e[0], e[1], e[3] }, 3);
	expect(b, 6000, 1000); /* by its name */
	/* the copy at the end of the disk */
	put_gpt(b, SECTORS - 1, e, 6);
	b[512 + 20] ^= 1;
	expect(b, 4096, 1000);
}

static void expect_error(const uint8_t *b, const char *why)
{
	struct err err = { 0 };
	struct disk *d;

	assert_true(choose(b, &d, &err) < 0);
	assert_non_null(strstr(err.msg, why));
}

static void damaged_tables(void **state)
{
	const struct entry e[] = { { other_guid, 64, 127, "a" },
				   { other_guid, 128, 227, "b" } };
	static const unsigned fields[] = { 0, 12, 16, 72, 80, 84, 88 };
	uint8_t *b = *state;

	put_gpt(b, 1, e, 2);
	expect_error(b, "none of its 2 partitions");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		uint8_t *p = b + 512;

		put_gpt(b, 1, e, 2);
		/* with a sum that is right nevertheless */
		le32_put(p + fields[i], 0xfffffff0);
		if (fields[i] != 16) {
			le32_put(p + 16, 0);
			le32_put(p + 16, (uint32_t)crc32(0, p, 92));
		}
		expect_error(b, "partition table is damaged");
	}
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(disks_without_a_table), T(mbr_tables),
		T(logical_partitions),	  T(gpt_tables),
		T(damaged_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
