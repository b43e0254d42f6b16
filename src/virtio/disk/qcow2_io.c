/* SPDX-License-Identifier: Apache-2.0 */
/* Data of a qcow2 image: from addresses on the disk to clusters of the file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "virtio/disk/qcow2_int.h"

/* What an L2 entry says. */
enum kind { EMPTY, PLAIN, PACKED };

static uint64_t per_table(const struct qcow2 *q)
{
	return q->cluster_size / 8;
}

/* Number of an entry within its L2 table. */
static uint64_t entry_index(const struct qcow2 *q, uint64_t off)
{
	return qcow2_index(q, off) % per_table(q);
}

static uint64_t in_cluster(const struct qcow2 *q, uint64_t off)
{
	return off & (q->cluster_size - 1);
}

/* What is left of off's cluster, or len when that is less. */
static size_t cluster_part(const struct qcow2 *q, uint64_t off, uint64_t len)
{
	uint64_t left = q->cluster_size - in_cluster(q, off);

	return (size_t)(left < len ? left : len);
}

static uint64_t entry_get(const struct qcow2_table *t, uint64_t i)
{
	return be64_get(t->bytes + i * 8);
}

static void entry_put(struct qcow2 *q, struct qcow2_table *t, uint64_t i,
		      uint64_t entry)
{
	be64_put(t->bytes + i * 8, entry);
	qcow2_cache_dirty(&q->l2, t);
}

/* Its kind, or -EIO. */
static int classify(struct qcow2 *q, uint64_t entry)
{
	if (entry & QCOW2_COMPRESSED)
		return PACKED;
	if (q->version >= 3 && entry & QCOW2_ZERO)
		return EMPTY; /* it may have a cluster nevertheless */
	if (!(entry & QCOW2_OFFSET))
		return EMPTY;
	if (!qcow2_is_cluster(q, entry & QCOW2_OFFSET))
		return qcow2_broken(q, "a cluster lies outside of it");
	return PLAIN;
}

/* ---- L2 tables --------------------------------------------------------- */

/* For reading; NULL when there is none. */
static int find_table(struct qcow2 *q, uint64_t off, struct qcow2_table **ret)
{
	uint64_t l1 = q->l1[qcow2_index(q, off) / per_table(q)];

	*ret = NULL;
	if (!(l1 & QCOW2_OFFSET))
		return 0;
	if (!qcow2_is_cluster(q, l1 & QCOW2_OFFSET))
		return qcow2_broken(q, "an L2 table lies outside of it");
	return qcow2_cache_get(q, &q->l2, l1 & QCOW2_OFFSET, false, ret);
}

/*
 * For writing: one that only we use. A copy of a shared table lives in its
 * place in the cache, the original in the file.
 */
static int own_table(struct qcow2 *q, uint64_t off, struct qcow2_table **ret)
{
	uint64_t *l1 = &q->l1[qcow2_index(q, off) / per_table(q)];
	uint64_t old = *l1 & QCOW2_OFFSET, offset;
	int rc = find_table(q, off, ret);
	bool zero;

	if (rc || (*ret && *l1 & QCOW2_COPIED))
		return rc;
	rc = qcow2_allocate(q, &offset, &zero);
	if (!rc && !*ret)
		rc = qcow2_cache_get(q, &q->l2, offset, true, ret);
	if (rc)
		return rc;
	if (old) {
		(*ret)->offset = offset;
		qcow2_cache_dirty(&q->l2, *ret);
		qcow2_put_aside(q, old);
	}
	*l1 = offset | QCOW2_COPIED;
	q->l1_dirty = true;
	return 0;
}

/* ---- reading ----------------------------------------------------------- */

static void clear(const struct disk_data *d)
{
	for (unsigned i = 0; i < d->n; i++)
		memset(d->iov[i].iov_base, 0, d->iov[i].iov_len);
}

/* The last cluster may be cut short; the rest of it is zeroes. */
static int read_plain(struct qcow2 *q, struct disk_data *d, uint64_t at)
{
	while (d->len) {
		ssize_t n = io_preadv(q->fd, d->iov, (int)d->n, (off_t)at, 0);

		if (n < 0)
			return (int)n;
		if (n == 0) {
			clear(d);
			return 0;
		}
		disk_data_skip(d, (size_t)n);
		at += (uint64_t)n;
	}
	return 0;
}

static int read_packed(struct qcow2 *q, uint64_t entry, struct disk_data *d,
		       uint64_t off)
{
	const uint8_t *from = q->cluster + in_cluster(q, off);
	int rc = qcow2_unpack(q, entry);

	for (unsigned i = 0; !rc && i < d->n; i++) {
		memcpy(d->iov[i].iov_base, from, d->iov[i].iov_len);
		from += d->iov[i].iov_len;
	}
	return rc;
}

/* How much from off on, up to len, is one piece: nothing, a cluster of its
 * own, or clusters that follow each other in the file. */
static size_t piece(struct qcow2 *q, const struct qcow2_table *t, uint64_t off,
		    uint64_t len, int kind)
{
	uint64_t i = entry_index(q, off), first = entry_get(t, i);
	size_t done = cluster_part(q, off, len);

	while (kind != PACKED && done < len && ++i < per_table(q)) {
		uint64_t entry = entry_get(t, i);
		uint64_t want = (first & QCOW2_OFFSET) + in_cluster(q, off) +
				done - in_cluster(q, off + done);

		if (classify(q, entry) != kind ||
		    (kind == PLAIN && (entry & QCOW2_OFFSET) != want))
			break;
		done += cluster_part(q, off + done, len - done);
	}
	return done;
}

static int read_piece(struct qcow2 *q, struct disk_data *all, uint64_t off,
		      size_t *ret)
{
	struct disk_data part;
	struct qcow2_table *t;
	uint64_t entry = 0;
	int kind, rc = find_table(q, off, &t);
	size_t len;

	if (rc)
		return rc;
	kind = EMPTY;
	len = cluster_part(q, off, all->len);
	if (t) {
		entry = entry_get(t, entry_index(q, off));
		kind = classify(q, entry);
		if (kind < 0)
			return kind;
		len = piece(q, t, off, all->len, kind);
	}
	disk_data_front(all, len, q->iov, &part);
	*ret = part.len;
	if (kind == PLAIN)
		return read_plain(q, &part,
				  (entry & QCOW2_OFFSET) + in_cluster(q, off));
	if (kind == PACKED)
		return read_packed(q, entry, &part, off);
	clear(&part);
	return 0;
}

int qcow2_read(struct disk *d, struct disk_data *data, uint64_t off)
{
	struct qcow2 *q = qcow2_of(d);
	int rc = 0;

	while (data->len && !rc) {
		size_t len = 0;

		rc = read_piece(q, data, off, &len);
		if (!rc)
			disk_data_skip(data, len);
		off += len;
	}
	return rc;
}

/* ---- writing ----------------------------------------------------------- */

/* Nobody points to what an entry says any more. */
static void release(struct qcow2 *q, uint64_t entry)
{
	uint64_t offset, end;
	uint32_t len;

	if (!(entry & QCOW2_COMPRESSED)) {
		offset = entry & QCOW2_OFFSET;
		if (qcow2_is_cluster(q, offset) && !qcow2_is_fixed(q, offset))
			qcow2_put_aside(q, offset);
		return;
	}
	qcow2_packed_range(q, entry, &offset, &len);
	end = offset + len;
	for (offset &= ~(uint64_t)(q->cluster_size - 1); offset < end;
	     offset += q->cluster_size)
		if (qcow2_is_cluster(q, offset) && !qcow2_is_fixed(q, offset))
			qcow2_put_aside(q, offset);
}

/* Part of a cluster in its new place: what was there before. */
static int copy_part(struct qcow2 *q, int kind, uint64_t from, uint64_t to,
		     size_t start, size_t end)
{
	struct iovec v = { q->cluster + start, end - start };
	struct disk_data d = { &v, 1, end - start };
	int rc;

	if (start == end)
		return 0;
	if (kind == EMPTY)
		return disk_file_zero(q->fd, to + start, end - start, true);
	if (kind == PLAIN) {
		q->unpacked = 0;
		rc = read_plain(q, &d, (from & QCOW2_OFFSET) + start);
		if (rc)
			return rc;
	}
	return disk_file_put(q->fd, q->cluster + start, end - start,
			     to + start);
}

/* A cluster for an entry that has none of its own, ready to be written from
 * start to end: the rest is as it was. */
static int own_cluster(struct qcow2 *q, uint64_t entry, int kind, size_t start,
		       size_t end, uint64_t *ret)
{
	bool zero, whole = start == 0 && end == q->cluster_size;
	int rc = qcow2_allocate(q, ret, &zero);

	if (rc || whole || (kind == EMPTY && zero))
		return rc;
	if (kind == PACKED)
		rc = qcow2_unpack(q, entry);
	if (!rc)
		rc = copy_part(q, kind, entry, *ret, 0, start);
	if (!rc)
		rc = copy_part(q, kind, entry, *ret, end, q->cluster_size);
	if (rc)
		qcow2_put_aside(q, *ret);
	return rc;
}

/* Where len bytes at off, of one cluster, are to be written. */
static int target(struct qcow2 *q, struct qcow2_table *t, uint64_t off,
		  size_t len, uint64_t *ret)
{
	uint64_t i = entry_index(q, off), entry = entry_get(t, i), offset;
	uint64_t start = in_cluster(q, off);
	int rc, kind = classify(q, entry);

	if (kind < 0)
		return kind;
	if (kind == PLAIN && entry & QCOW2_COPIED) {
		offset = entry & QCOW2_OFFSET;
		if (qcow2_is_fixed(q, offset))
			return qcow2_broken(q, "data lies in its tables");
	} else {
		rc = own_cluster(q, entry, kind, start, start + len, &offset);
		if (rc)
			return rc;
		entry_put(q, t, i, offset | QCOW2_COPIED);
		release(q, entry);
	}
	*ret = offset + start;
	return 0;
}

/*
 * As much as goes to clusters that follow each other, and has its entries in
 * one table: so nothing is flushed between the change of the first entry and
 * the write.
 */
static int write_piece(struct qcow2 *q, const struct disk_data *all,
		       uint64_t off, size_t *ret)
{
	uint64_t i = entry_index(q, off), at = 0, next = 0;
	size_t len = cluster_part(q, off, all->len);
	struct disk_data part;
	struct qcow2_table *t;
	int rc = own_table(q, off, &t);

	if (!rc)
		rc = target(q, t, off, len, &at);
	if (rc)
		return rc;
	while (len < all->len && ++i < per_table(q)) {
		size_t more = cluster_part(q, off + len, all->len - len);
		uint64_t entry = entry_get(t, i);

		/* those that have their place already, and it is elsewhere */
		if (entry & QCOW2_COPIED && (entry & QCOW2_OFFSET) != at + len)
			break;
		rc = target(q, t, off + len, more, &next);
		if (rc || next != at + len)
			break; /* the next turn finds it */
		len += more;
	}
	disk_data_front(all, len, q->iov, &part);
	*ret = part.len;
	return disk_file_write(q->fd, &part, at, 0);
}

int qcow2_write(struct disk *d, struct disk_data *data, uint64_t off,
		bool durable)
{
	struct qcow2 *q = qcow2_of(d);
	int rc = q->broken ? -EIO : qcow2_make_room(q);

	while (data->len && !rc) {
		size_t len = 0;

		rc = write_piece(q, data, off, &len);
		if (!rc)
			disk_data_skip(data, len);
		off += len;
	}
	return rc || !durable ? rc : qcow2_flush(q);
}

/* ---- zeroes ------------------------------------------------------------ */

static int write_zeroes(struct qcow2 *q, uint64_t off, size_t len)
{
	static const uint8_t zeroes[65536];
	int rc = 0;

	while (len && !rc) {
		struct iovec v = { (void *)(uintptr_t)zeroes,
				   len < sizeof(zeroes) ? len
							: sizeof(zeroes) };
		struct disk_data d = { &v, 1, v.iov_len };

		off += d.len;
		len -= d.len;
		rc = qcow2_write(&q->disk, &d, off - d.len, false);
	}
	return rc;
}

/* Entries of one table are emptied, up to len bytes on; a part of a cluster
 * is written with zeroes, or left when exact is not asked for. */
static int empty_piece(struct qcow2 *q, uint64_t off, uint64_t len, bool exact,
		       uint64_t *ret)
{
	uint64_t i = entry_index(q, off), entry;
	struct qcow2_table *t;
	int rc = qcow2_make_room(q);

	*ret = cluster_part(q, off, len);
	if (!rc)
		rc = find_table(q, off, &t);
	if (rc)
		return rc;
	if (!t) { /* as far as it would reach */
		uint64_t reach = (per_table(q) - i) * q->cluster_size -
				 in_cluster(q, off);

		*ret = reach < len ? reach : len;
		return 0;
	}
	entry = entry_get(t, i);
	rc = classify(q, entry);
	if (rc < 0 || entry == 0)
		return rc < 0 ? rc : 0;
	if (*ret < q->cluster_size)
		return exact && rc != EMPTY ? write_zeroes(q, off, *ret) : 0;
	rc = own_table(q, off, &t);
	if (rc)
		return rc;
	entry_put(q, t, i, 0); /* there is no backing file to show through */
	release(q, entry);
	return 0;
}

static int empty(struct qcow2 *q, uint64_t off, uint64_t len, bool exact)
{
	int rc = q->broken ? -EIO : 0;

	while (len && !rc) {
		uint64_t part = 0;

		rc = empty_piece(q, off, len, exact, &part);
		off += part;
		len -= part;
	}
	return rc;
}

int qcow2_zero(struct disk *d, uint64_t off, uint64_t len, bool unmap)
{
	(void)unmap; /* emptying is the cheapest way in either case */
	return empty(qcow2_of(d), off, len, true);
}

int qcow2_discard(struct disk *d, uint64_t off, uint64_t len)
{
	return empty(qcow2_of(d), off, len, false);
}
