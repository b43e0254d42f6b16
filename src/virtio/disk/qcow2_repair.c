/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refcounts of an image that was not closed by a program that postpones them
 * ("lazy refcounts"): they are counted anew, from the tables that are right.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "virtio/disk/qcow2_int.h"

#define CLUSTERS_MAX (128ull << 20)

struct count {
	struct qcow2 *q;
	uint16_t *refs; /* owned */
	uint64_t n;	/* clusters of the file */
};

/* Clusters of a range; those that may have one user only are refused when they
 * have one. */
static int use(struct count *c, uint64_t offset, uint64_t len, bool shared)
{
	uint64_t first = qcow2_index(c->q, offset);
	uint64_t last = qcow2_index(c->q, offset + len - 1);

	if (offset > INT64_MAX || len > INT64_MAX || last >= c->n)
		return -EIO;
	for (uint64_t i = first; i <= last; i++) {
		if (c->refs[i] == UINT16_MAX || (c->refs[i] && !shared))
			return -EIO;
		c->refs[i]++;
	}
	return 0;
}

static int use_cluster(struct count *c, uint64_t offset)
{
	if (!qcow2_is_cluster(c->q, offset))
		return -EIO;
	return use(c, offset, c->q->cluster_size, false);
}

static int count_entry(struct count *c, uint64_t entry)
{
	uint64_t offset;
	uint32_t len;

	if (!(entry & QCOW2_COMPRESSED))
		return entry & QCOW2_OFFSET
			       ? use_cluster(c, entry & QCOW2_OFFSET)
			       : 0;
	qcow2_packed_range(c->q, entry, &offset, &len);
	return use(c, offset, len, true);
}

static int count_table(struct count *c, uint64_t offset)
{
	const uint8_t *table = c->q->cluster;
	int rc = use_cluster(c, offset);

	if (!rc)
		rc = disk_file_get(c->q->fd, c->q->cluster, c->q->cluster_size,
				   offset);
	for (uint32_t i = 0; !rc && i < c->q->cluster_size / 8; i++)
		rc = count_entry(c, be64_get(table + (size_t)i * 8));
	return rc;
}

static int count_all(struct count *c)
{
	const struct qcow2 *q = c->q;
	int rc = use(c, 0, q->cluster_size, false);

	if (!rc)
		rc = use(c, q->l1_offset, (uint64_t)q->l1_entries * 8, false);
	if (!rc)
		rc = use(c, q->table_offset, (uint64_t)q->table_entries * 8,
			 false);
	for (uint32_t i = 0; !rc && i < q->table_entries; i++)
		if (q->table[i])
			rc = use_cluster(c, q->table[i]);
	for (uint32_t i = 0; !rc && i < q->l1_entries; i++)
		if (q->l1[i] & QCOW2_OFFSET)
			rc = count_table(c, q->l1[i] & QCOW2_OFFSET);
	return rc;
}

static int store(const struct count *c)
{
	uint64_t changed = 0;
	int rc = 0;

	for (uint64_t i = 0; !rc && i < c->n; i++) {
		uint64_t is;

		rc = qcow2_refcount_get(c->q, i, &is);
		if (rc || is == c->refs[i])
			continue;
		rc = qcow2_refcount_set(c->q, i, c->refs[i]);
		changed++;
	}
	if (!rc)
		rc = qcow2_flush(c->q);
	if (!rc)
		log_info("disk", "refcounts of a qcow2 image: %llu put right",
			 (unsigned long long)changed);
	return rc;
}

int qcow2_repair(struct qcow2 *q, struct err *err)
{
	struct count c = { .q = q, .n = qcow2_index(q, q->file_end) };
	int rc;

	/* the tables of snapshots would have to be counted as well */
	if (q->nsnapshots || c.n > CLUSTERS_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "it was not closed; `qemu-img check -r all` "
			       "makes it usable");
	c.refs = calloc(c.n, sizeof(*c.refs));
	if (!c.refs)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	rc = count_all(&c);
	if (!rc)
		rc = store(&c);
	free(c.refs);
	q->unpacked = 0;
	return rc ? err_sys(err, ERR_INVALID, -rc,
			    "it was not closed, and cannot be repaired")
		  : 0;
}
