/* SPDX-License-Identifier: Apache-2.0 */
/* Refcounts of a qcow2 image: which clusters are in use, and finding free ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "virtio/disk/qcow2_int.h"

/* Clusters put aside before somebody flushes, at the latest. */
#define ASIDE_MAX 65536u

/* As bits of an index: refcounts in a block. */
static unsigned block_bits(const struct qcow2 *q)
{
	return q->cluster_bits + 3 - q->refcount_order;
}

static uint64_t field_get(const struct qcow2 *q, const uint8_t *block,
			  uint64_t i)
{
	unsigned bits = 1u << q->refcount_order;

	switch (q->refcount_order) {
	case 3:
		return block[i];
	case 4:
		return be16_get(block + i * 2);
	case 5:
		return be32_get(block + i * 4);
	case 6:
		return be64_get(block + i * 8);
	default: /* several in a byte, the lowest first */
		return (uint64_t)(block[i * bits / 8] >> (i * bits % 8)) &
		       ((1u << bits) - 1);
	}
}

static void field_put(const struct qcow2 *q, uint8_t *block, uint64_t i,
		      uint64_t v)
{
	unsigned bits = 1u << q->refcount_order;
	unsigned shift = (unsigned)(i * bits % 8);
	uint8_t *p = block + i * bits / 8;

	switch (q->refcount_order) {
	case 3:
		*p = (uint8_t)v;
		break;
	case 4:
		be16_put(p, (uint16_t)v);
		break;
	case 5:
		be32_put(p, (uint32_t)v);
		break;
	case 6:
		be64_put(p, v);
		break;
	default:
		*p = (uint8_t)((*p & ~(((1u << bits) - 1) << shift)) |
			       (uint8_t)(v << shift));
		break;
	}
}

bool qcow2_is_fixed(const struct qcow2 *q, uint64_t offset)
{
	uint64_t mask = ~(uint64_t)(q->cluster_size - 1);
	uint64_t l1_last = q->l1_offset + (uint64_t)q->l1_entries * 8 - 1;
	uint64_t last = q->table_offset + (uint64_t)q->table_entries * 8 - 1;

	offset &= mask;
	return offset == 0 ||
	       (offset >= q->l1_offset && offset <= (l1_last & mask)) ||
	       (offset >= q->table_offset && offset <= (last & mask));
}

/* ---- refcount blocks and their table ---------------------------------- */

static int put_entry(struct qcow2 *q, uint64_t block, uint64_t offset)
{
	uint8_t bytes[8];

	be64_put(bytes, offset);
	return disk_file_put(q->fd, bytes, 8, q->table_offset + block * 8);
}

/*
 * Make the block of that number in a new cluster, whose own refcount is in it
 * or in a block that exists.
 */
static int place_block(struct qcow2 *q, uint64_t block)
{
	uint64_t offset = q->file_end, index = qcow2_index(q, offset);
	struct qcow2_table *t;
	int rc;

	q->file_end += q->cluster_size;
	if (index >> block_bits(q) != block) {
		rc = qcow2_refcount_set(q, index, 1);
		if (rc)
			return rc;
	}
	rc = qcow2_cache_get(q, &q->refs, offset, true, &t);
	if (rc)
		return rc;
	if (index >> block_bits(q) == block)
		field_put(q, t->bytes, index & ((1ull << block_bits(q)) - 1),
			  1);
	rc = qcow2_cache_write(q, &q->refs);
	if (!rc && fdatasync(q->fd) < 0)
		rc = -errno;
	if (!rc)
		rc = put_entry(q, block, offset);
	if (!rc)
		q->table[block] = offset;
	return rc;
}

static int write_table(struct qcow2 *q)
{
	size_t len = (size_t)q->table_entries * 8;
	uint8_t *bytes = malloc(len);
	int rc;

	if (!bytes)
		return -ENOMEM;
	for (uint32_t i = 0; i < q->table_entries; i++)
		be64_put(bytes + (size_t)i * 8, q->table[i]);
	rc = disk_file_put(q->fd, bytes, len, q->table_offset);
	free(bytes);
	return rc;
}

/* The table has moved in memory: the same in the file, and then its header. */
static int commit_table(struct qcow2 *q, uint32_t clusters)
{
	uint64_t first = qcow2_index(q, q->table_offset);
	uint8_t field[12];
	int rc = write_table(q);

	for (uint32_t i = 0; i < clusters && !rc; i++)
		rc = qcow2_refcount_set(q, first + i, 1);
	if (!rc)
		rc = qcow2_cache_write(q, &q->refs);
	if (!rc && fdatasync(q->fd) < 0)
		rc = -errno;
	be64_put(field, q->table_offset);
	be32_put(field + 8, clusters);
	if (!rc)
		rc = disk_file_put(q->fd, field, sizeof(field), QCOW2_AT_TABLE);
	if (!rc && fdatasync(q->fd) < 0)
		rc = -errno;
	return rc;
}

/* Move the table to the end of the file, with room for entry number want. */
static int grow_table(struct qcow2 *q, uint64_t want)
{
	uint32_t per_cluster = q->cluster_size / 8;
	uint64_t entries = (want > q->table_entries ? want : q->table_entries);
	uint64_t old_offset = q->table_offset, clusters;
	uint32_t old_entries = q->table_entries;
	uint64_t *table;
	int rc;

	entries += entries / 2 + 2 * per_cluster;
	clusters = (entries + per_cluster - 1) / per_cluster;
	if (q->growing || clusters * q->cluster_size > QCOW2_MAX_TABLE_BYTES)
		return -EFBIG;
	table = realloc(q->table, clusters * q->cluster_size);
	if (!table)
		return -ENOMEM;
	memset(table + old_entries, 0,
	       clusters * q->cluster_size - (size_t)old_entries * 8);
	q->table = table;
	q->table_entries = (uint32_t)(clusters * per_cluster);
	q->table_offset = q->file_end;
	q->file_end += clusters * q->cluster_size;
	q->growing = true;
	rc = commit_table(q, (uint32_t)clusters);
	q->growing = false;
	if (rc) /* memory and file differ from here on */
		return qcow2_broken(q, "its refcount table cannot be moved");
	for (uint64_t at = 0; at < (uint64_t)old_entries * 8;
	     at += q->cluster_size)
		qcow2_put_aside(q, old_offset + at);
	return 0;
}

static int make_block(struct qcow2 *q, uint64_t block)
{
	for (;;) {
		uint64_t next = qcow2_index(q, q->file_end) >> block_bits(q);
		uint64_t high = next > block ? next : block;
		int rc = 0;

		if (high >= q->table_entries)
			rc = grow_table(q, high);
		if (rc)
			return rc;
		/* moving the table made blocks as well */
		if (q->table[block])
			return 0;
		next = qcow2_index(q, q->file_end) >> block_bits(q);
		if (next >= q->table_entries)
			return -EFBIG;
		if (next == block || q->table[next])
			return place_block(q, block);
		/* the one that counts the cluster we want comes first */
		rc = place_block(q, next);
		if (rc)
			return rc;
	}
}

/* The block of an index, NULL when there is none and it is not to be made. */
static int find_block(struct qcow2 *q, uint64_t index, bool make,
		      struct qcow2_table **ret)
{
	uint64_t block = index >> block_bits(q);
	int rc = 0;

	*ret = NULL;
	if (block >= q->table_entries || !q->table[block]) {
		if (make)
			rc = make_block(q, block);
		if (rc || !make)
			return rc;
	}
	if (!qcow2_is_cluster(q, q->table[block]))
		return qcow2_broken(q, "a refcount block lies outside of it");
	return qcow2_cache_get(q, &q->refs, q->table[block], false, ret);
}

int qcow2_refcount_get(struct qcow2 *q, uint64_t index, uint64_t *ret)
{
	struct qcow2_table *t;
	int rc = find_block(q, index, false, &t);

	*ret = 0;
	if (!rc && t)
		*ret = field_get(q, t->bytes,
				 index & ((1ull << block_bits(q)) - 1));
	return rc;
}

int qcow2_refcount_set(struct qcow2 *q, uint64_t index, uint64_t value)
{
	unsigned bits = 1u << q->refcount_order;
	struct qcow2_table *t;
	int rc;

	if (bits < 64 && value >> bits)
		return qcow2_broken(q, "a refcount is too large");
	rc = find_block(q, index, true, &t);
	if (rc)
		return rc;
	if (!t) /* it was made */
		return -EIO;
	field_put(q, t->bytes, index & ((1ull << block_bits(q)) - 1), value);
	qcow2_cache_dirty(&q->refs, t);
	return 0;
}

/* ---- clusters ---------------------------------------------------------- */

/* The first free cluster from the hint on that is inside the file; the index
 * of its end when there is none. */
static int find_free(struct qcow2 *q, uint64_t *ret)
{
	uint64_t end = qcow2_index(q, q->file_end), i;

	for (i = q->free_hint; i < end; i++) {
		uint64_t refs;
		int rc;

		if (i >> block_bits(q) < q->table_entries) {
			rc = qcow2_refcount_get(q, i, &refs);
			if (rc)
				return rc;
			if (refs)
				continue;
		}
		/* a refcount of 0 would be a lie there */
		if (!qcow2_is_fixed(q, i << q->cluster_bits))
			break;
	}
	*ret = i;
	return 0;
}

int qcow2_allocate(struct qcow2 *q, uint64_t *ret_offset, bool *ret_zero)
{
	uint64_t index;
	int rc = q->broken ? -EIO : find_free(q, &index);

	if (rc)
		return rc;
	*ret_zero = index == qcow2_index(q, q->file_end);
	if (*ret_zero)
		q->file_end += q->cluster_size;
	q->free_hint = index + 1;
	rc = qcow2_refcount_set(q, index, 1);
	*ret_offset = index << q->cluster_bits;
	return rc;
}

void qcow2_put_aside(struct qcow2 *q, uint64_t offset)
{
	if (q->naside == q->aside_max) {
		size_t max = q->aside_max ? 2 * q->aside_max : 64;
		uint64_t *list = reallocarray(q->aside, max, sizeof(*list));

		if (!list)
			return;
		q->aside = list;
		q->aside_max = max;
	}
	q->aside[q->naside++] = offset;
}

int qcow2_make_room(struct qcow2 *q)
{
	return q->naside >= ASIDE_MAX ? qcow2_flush(q) : 0;
}

/* One pointer less to a cluster. */
static int drop(struct qcow2 *q, uint64_t offset)
{
	uint64_t index = qcow2_index(q, offset), refs;
	int rc = qcow2_refcount_get(q, index, &refs);

	if (rc)
		return rc;
	if (!refs)
		return qcow2_broken(q, "a cluster in use counts as free");
	rc = qcow2_refcount_set(q, index, refs - 1);
	if (rc || refs > 1)
		return rc;
	if (index < q->free_hint)
		q->free_hint = index;
	q->unpacked = 0;
	/* a cached copy would be written over its next contents */
	for (unsigned i = 0; i < q->l2.n; i++)
		if (q->l2.tables[i].offset == offset && !q->l2.tables[i].dirty)
			q->l2.tables[i].offset = 0;
	disk_file_punch(q->fd, offset, q->cluster_size);
	return 0;
}

int qcow2_give_back(struct qcow2 *q)
{
	int rc = 0;

	while (q->naside && !rc)
		rc = drop(q, q->aside[--q->naside]);
	return rc;
}
