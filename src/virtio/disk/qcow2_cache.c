/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of a qcow2 image that are kept in memory, and when they are written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "virtio/disk/qcow2_int.h"

/* For each of the two kinds of tables. */
#define CACHE_BYTES (8u << 20)
#define CACHE_MIN 4u

void qcow2_cache_init(struct qcow2 *q, struct qcow2_cache *c)
{
	unsigned n = CACHE_BYTES >> q->cluster_bits;

	memset(c, 0, sizeof(*c));
	c->n = n > QCOW2_CACHE_MAX ? QCOW2_CACHE_MAX
	       : n < CACHE_MIN	   ? CACHE_MIN
				   : n;
}

void qcow2_cache_fini(struct qcow2_cache *c)
{
	for (unsigned i = 0; i < c->n; i++)
		free(c->tables[i].bytes);
	memset(c, 0, sizeof(*c));
}

static struct qcow2_table *lookup(struct qcow2_cache *c, uint64_t offset)
{
	if (c->last && c->last->offset == offset)
		return c->last;
	for (unsigned i = 0; i < c->n; i++)
		if (c->tables[i].offset == offset)
			return &c->tables[i];
	return NULL;
}

static struct qcow2_table *oldest(struct qcow2_cache *c)
{
	struct qcow2_table *t = &c->tables[0];

	for (unsigned i = 1; i < c->n; i++)
		if (c->tables[i].used < t->used)
			t = &c->tables[i];
	return t;
}

static int write_table(struct qcow2 *q, struct qcow2_cache *c,
		       struct qcow2_table *t)
{
	int rc = disk_file_put(q->fd, t->bytes, q->cluster_size, t->offset);

	if (!rc) {
		t->dirty = false;
		c->dirty--;
	}
	return rc;
}

/* Make a table free to hold another one. */
static int evict(struct qcow2 *q, struct qcow2_cache *c, struct qcow2_table *t)
{
	int rc = 0;

	/* refcounts may be written at any time, L2 tables in their turn only */
	if (t->dirty)
		rc = c == &q->refs ? write_table(q, c, t) : qcow2_flush(q);
	if (!rc && !t->bytes) {
		t->bytes = malloc(q->cluster_size);
		if (!t->bytes)
			rc = -ENOMEM;
	}
	if (!rc)
		t->offset = 0;
	return rc;
}

int qcow2_cache_get(struct qcow2 *q, struct qcow2_cache *c, uint64_t offset,
		    bool fresh, struct qcow2_table **ret)
{
	struct qcow2_table *t = lookup(c, offset);
	int rc;

	if (!t) {
		t = oldest(c);
		rc = evict(q, c, t);
		if (!rc && !fresh)
			rc = disk_file_get(q->fd, t->bytes, q->cluster_size,
					   offset);
		if (rc)
			return rc;
		t->offset = offset;
	}
	if (fresh) {
		memset(t->bytes, 0, q->cluster_size);
		qcow2_cache_dirty(c, t);
	}
	t->used = ++c->clock;
	c->last = t;
	*ret = t;
	return 0;
}

void qcow2_cache_dirty(struct qcow2_cache *c, struct qcow2_table *t)
{
	c->dirty += !t->dirty;
	t->dirty = true;
}

int qcow2_cache_write(struct qcow2 *q, struct qcow2_cache *c)
{
	int rc = 0;

	for (unsigned i = 0; c->dirty && i < c->n && !rc; i++)
		if (c->tables[i].dirty)
			rc = write_table(q, c, &c->tables[i]);
	return rc;
}

static int sync_file(const struct qcow2 *q)
{
	return fdatasync(q->fd) < 0 ? -errno : 0;
}

static int write_l1(struct qcow2 *q)
{
	size_t len = (size_t)q->l1_entries * 8;
	uint8_t *bytes = malloc(len);
	int rc;

	if (!bytes)
		return -ENOMEM;
	for (uint32_t i = 0; i < q->l1_entries; i++)
		be64_put(bytes + (size_t)i * 8, q->l1[i]);
	rc = disk_file_put(q->fd, bytes, len, q->l1_offset);
	free(bytes);
	if (!rc)
		q->l1_dirty = false;
	return rc;
}

/* Pointers, when what they point to and its refcounts are durable. */
static int flush_pointers(struct qcow2 *q)
{
	int rc = sync_file(q);

	if (!rc)
		rc = qcow2_cache_write(q, &q->l2);
	if (rc || !q->l1_dirty)
		return rc;
	rc = sync_file(q);
	return rc ? rc : write_l1(q);
}

int qcow2_flush(struct qcow2 *q)
{
	int rc = qcow2_cache_write(q, &q->refs);

	if (!rc && (q->l2.dirty || q->l1_dirty))
		rc = flush_pointers(q);
	if (!rc)
		rc = sync_file(q);
	return rc ? rc : qcow2_give_back(q);
}
