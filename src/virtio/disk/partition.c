/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which part of a disk image holds the file system it is about: all of it, or
 * one partition of an MBR or GPT table. The guest gets just that part, and
 * needs to know nothing of partitions.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/log.h"
#include "virtio/disk/disk_int.h"

#define PARTITIONS_MAX 128u
#define LOGICAL_MAX 64u /* links of a chain that may lead in a circle */
#define GPT_HEADER_MIN 92u
#define GPT_ENTRIES_MAX 1024u
#define GPT_ENTRY_MAX 4096u
#define NAME_MAX_LEN 40u

struct partition {
	uint64_t off, len; /* bytes */
	bool linux_type;   /* for Linux file systems, by its type */
	bool root_type;	   /* for the root of this machine, likewise */
	bool known;	   /* a file system was found in it */
	char name[NAME_MAX_LEN + 1], label[NAME_MAX_LEN + 1];
};

struct table {
	struct disk *disk;
	struct partition list[PARTITIONS_MAX];
	size_t n;
};

static int get(struct disk *d, uint64_t off, void *data, size_t len)
{
	struct iovec v = { data, len };

	return disk_read(d, &v, 1, off);
}

/* ---- file systems ------------------------------------------------------ */

/* Printable ASCII of a fixed field. */
static void copy_name(char *to, const uint8_t *from, size_t len, size_t step)
{
	size_t used = 0;

	for (size_t i = 0; i < len && used < NAME_MAX_LEN; i += step) {
		if (!from[i])
			break;
		to[used++] =
			from[i] > ' ' && from[i] < 0x7f ? (char)from[i] : '_';
	}
	to[used] = 0;
}

static const struct magic {
	uint32_t block; /* 4096 bytes there are looked at */
	uint16_t at, len;
	uint16_t label_at, label_len;
	const char *bytes, *type;
} magics[] = {
	/* also ext2 and ext3 */
	{ 0, 1024 + 56, 2, 1024 + 120, 16, "\x53\xef", "ext4" },
	{ 0, 1024, 4, 1024 + 64, 16, "\xe2\xe1\xf5\xe0", "erofs" },
	{ 0, 0, 4, 108, 12, "XFSB", "xfs" },
	{ 0, 0, 4, 0, 0, "hsqs", "squashfs" },
	{ 32768, 1, 5, 40, 32, "CD001", "iso9660" },
	{ 65536, 64, 8, 299, 40, "_BHRfS_M", "btrfs" },
};

/* A file system that says so from off on. */
static const struct magic *probe(struct disk *d, uint64_t off, uint64_t len,
				 char *label)
{
	uint8_t data[4096];
	uint32_t loaded = UINT32_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		const struct magic *m = &magics[i];

		if (len < m->block + sizeof(data))
			continue;
		if (loaded != m->block &&
		    get(d, off + m->block, data, sizeof(data)))
			continue;
		loaded = m->block;
		if (memcmp(data + m->at, m->bytes, m->len) != 0)
			continue;
		copy_name(label, data + m->label_at, m->label_len, 1);
		return m;
	}
	return NULL;
}

#define EXT4_INCOMPAT (1024u + 96)
#define EXT4_RECOVER 0x4u

const char *disk_fs_type(struct disk *d, bool *ret_clean)
{
	char label[NAME_MAX_LEN + 1];
	const struct magic *m = probe(d, 0, disk_size(d), label);
	uint8_t super[2048];

	if (ret_clean)
		*ret_clean = m && m == &magics[0] &&
			     !get(d, 0, super, sizeof(super)) &&
			     !(le32_get(super + EXT4_INCOMPAT) & EXT4_RECOVER);
	return m ? m->type : NULL;
}

/* ---- tables ------------------------------------------------------------ */

static bool is_there(const struct table *t, uint64_t off)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].off == off)
			return true;
	return false;
}

/* False when it does not lie on the disk. */
static bool add(struct table *t, uint64_t first, uint64_t sectors,
		struct partition p)
{
	uint64_t all = disk_size(t->disk) / DISK_SECTOR;

	if (!first || !sectors || first >= all || sectors > all - first)
		return false;
	p.off = first * DISK_SECTOR;
	p.len = sectors * DISK_SECTOR;
	/* a chain that leads in a circle gives each of them many times */
	if (t->n < PARTITIONS_MAX && !is_there(t, p.off)) {
		p.known = probe(t->disk, p.off, p.len, p.label) != NULL;
		t->list[t->n++] = p;
	}
	return true;
}

#define MBR_ENTRIES 446u
#define MBR_ENTRY 16u
#define MBR_SIGNATURE 510u
#define TYPE_LINUX 0x83
#define TYPE_GPT 0xee

static bool has_signature(const uint8_t *sector)
{
	return sector[MBR_SIGNATURE] == 0x55 &&
	       sector[MBR_SIGNATURE + 1] == 0xaa;
}

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

/* Each link has one partition, relative to itself, and the next link. */
static void add_logical(struct table *t, uint64_t start)
{
	uint64_t at = start;

	for (unsigned i = 0; i < LOGICAL_MAX; i++) {
		uint8_t s[DISK_SECTOR];
		const uint8_t *e = s + MBR_ENTRIES;

		if (at >= disk_size(t->disk) / DISK_SECTOR ||
		    get(t->disk, at * DISK_SECTOR, s, sizeof(s)) ||
		    !has_signature(s))
			return;
		if (e[4])
			(void)add(t, at + le32_get(e + 8), le32_get(e + 12),
				  (struct partition){
					  .linux_type = e[4] == TYPE_LINUX });
		e += MBR_ENTRY;
		if (!is_extended(e[4]))
			return;
		at = start + le32_get(e + 8);
	}
}

/* What is no table, such as the boot sector of a FAT, gives none. */
static void read_mbr(struct table *t, const uint8_t *sector)
{
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *e = sector + MBR_ENTRIES + i * MBR_ENTRY;
		uint64_t first = le32_get(e + 8), n = le32_get(e + 12);

		if (e[0] & 0x7f) { /* active or not, there is nothing else */
			t->n = 0;
			return;
		}
		if (!e[4])
			continue;
		if (is_extended(e[4])) {
			add_logical(t, first);
		} else if (!add(t, first, n,
				(struct partition){ .linux_type =
							    e[4] == TYPE_LINUX,
						    .name = "" })) {
			t->n = 0;
			return;
		}
	}
}

/* As they are on the disk. */
#define GUID_LINUX                                                             \
	"\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4"
#if defined(__x86_64__)
#define GUID_ROOT                                                              \
	"\xe3\xbc\x68\x4f\xcd\xe8\xb1\x4d\x96\xe7\xfb\xca\xf9\x84\xb7\x09"
#elif defined(__aarch64__)
#define GUID_ROOT                                                              \
	"\x45\xb0\x21\xb9\xf0\x1d\xc3\x41\xaf\x44\x4c\x6f\x28\x0d\x3f\xae"
#endif

static void add_gpt(struct table *t, const uint8_t *e)
{
	static const uint8_t none[16];
	uint64_t first = le64_get(e + 32), last = le64_get(e + 40);
	struct partition p = { .root_type = !memcmp(e, GUID_ROOT, 16) };

	if (!memcmp(e, none, 16) || last < first || last == UINT64_MAX)
		return;
	p.linux_type = p.root_type || !memcmp(e, GUID_LINUX, 16);
	copy_name(p.name, e + 56, 72, 2);
	(void)add(t, first, last - first + 1, p);
}

/* A header at that sector, if it is sound; its entries. -EIO when not. */
static int read_gpt_at(struct table *t, uint64_t at)
{
	uint8_t h[DISK_SECTOR], sum[4], *entries;
	uint32_t len, n, size;
	size_t bytes;
	int rc = get(t->disk, at * DISK_SECTOR, h, sizeof(h));

	len = le32_get(h + 12);
	if (rc || memcmp(h, "EFI PART", 8) != 0 || len < GPT_HEADER_MIN ||
	    len > sizeof(h))
		return -EIO;
	memcpy(sum, h + 16, sizeof(sum));
	memset(h + 16, 0, sizeof(sum));
	n = le32_get(h + 80);
	size = le32_get(h + 84);
	if (crc32(0, h, len) != le32_get(sum) || size < 128 || size % 8 ||
	    size > GPT_ENTRY_MAX || n > GPT_ENTRIES_MAX ||
	    le64_get(h + 72) > UINT64_MAX / DISK_SECTOR)
		return -EIO;
	bytes = ((size_t)n * size + DISK_SECTOR - 1) / DISK_SECTOR *
		DISK_SECTOR;
	entries = malloc(bytes ? bytes : 1);
	if (!entries)
		return -ENOMEM;
	rc = get(t->disk, le64_get(h + 72) * DISK_SECTOR, entries, bytes);
	if (!rc && crc32(0, entries, n * size) != le32_get(h + 88))
		rc = -EIO;
	for (uint32_t i = 0; !rc && i < n; i++)
		add_gpt(t, entries + (size_t)i * size);
	free(entries);
	return rc;
}

static int read_table(struct table *t)
{
	uint8_t sector[DISK_SECTOR];
	int rc = get(t->disk, 0, sector, sizeof(sector));

	if (rc || !has_signature(sector))
		return rc;
	for (unsigned i = 0; i < 4; i++) {
		if (sector[MBR_ENTRIES + i * MBR_ENTRY + 4] != TYPE_GPT)
			continue;
		rc = read_gpt_at(t, 1);
		if (rc == -EIO) /* the other copy is at the end */
			rc = read_gpt_at(t,
					 disk_size(t->disk) / DISK_SECTOR - 1);
		return rc;
	}
	read_mbr(t, sector);
	return 0;
}

/* ---- choice ------------------------------------------------------------ */

static bool is_any(const struct partition *p)
{
	(void)p;
	return true;
}

static bool is_root(const struct partition *p)
{
	return p->root_type;
}

static bool is_known_linux(const struct partition *p)
{
	return p->linux_type && p->known;
}

static bool is_known(const struct partition *p)
{
	return p->known;
}

static bool is_called_root(const struct partition *p)
{
	return p->known && (strstr(p->name, "root") ||
			    strstr(p->label, "root") || !strcmp(p->label, "/"));
}

/* The only one that a rule holds for, or NULL. */
static const struct partition *only(const struct table *t,
				    bool (*rule)(const struct partition *))
{
	const struct partition *found = NULL;

	for (size_t i = 0; i < t->n; i++) {
		if (!rule(&t->list[i]))
			continue;
		if (found)
			return NULL;
		found = &t->list[i];
	}
	return found;
}

static const struct partition *largest(const struct table *t)
{
	const struct partition *found = NULL;

	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].known && (!found || t->list[i].len > found->len))
			found = &t->list[i];
	return found;
}

static const struct partition *choose(const struct table *t)
{
	static bool (*const rules[])(const struct partition *) = {
		is_any, is_root, is_known_linux, is_known, is_called_root,
	};
	const struct partition *p = NULL;

	for (size_t i = 0; !p && i < ARRAY_SIZE(rules); i++)
		p = only(t, rules[i]);
	return p ? p : largest(t);
}

static int find(struct table *t, uint64_t *off, uint64_t *len, struct err *err)
{
	char label[NAME_MAX_LEN + 1];
	const struct partition *p;
	int rc;

	*off = 0;
	*len = disk_size(t->disk);
	if (probe(t->disk, 0, *len, label))
		return 0;
	rc = read_table(t);
	if (rc)
		return err_set(err, ERR_INVALID, -rc,
			       "its partition table is damaged");
	if (!t->n)
		return 0;
	p = choose(t);
	if (!p)
		return err_set(err, ERR_INVALID, ENOENT,
			       "none of its %zu partitions holds a file "
			       "system that is known",
			       t->n);
	log_info("disk", "partition %zu of %zu: from %llu, %llu MiB%s%s",
		 (size_t)(p - t->list) + 1, t->n, (unsigned long long)p->off,
		 (unsigned long long)p->len >> 20, *p->label ? ", " : "",
		 p->label);
	*off = p->off;
	*len = p->len;
	return 0;
}

int disk_file_system(struct disk *inner, struct disk **ret, struct err *err)
{
	struct table *t = calloc(1, sizeof(*t));
	uint64_t off = 0, len = 0;
	int rc;

	if (t) {
		t->disk = inner;
		rc = find(t, &off, &len, err);
	} else {
		rc = err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	}
	free(t);
	if (rc)
		disk_free(inner);
	else if (off || len != disk_size(inner))
		rc = disk_window(inner, off, len, ret, err);
	else
		*ret = inner;
	return rc;
}
