/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qcow2 images (QEMU's docs/interop/qcow2.txt), versions 2 and 3.
 *
 * Order of what reaches the host's disk, so that a crash at any moment loses
 * only what was not flushed, and leaves at worst clusters that nobody uses:
 *
 *  1. Data goes to its cluster at once. Tables are changed in memory alone and
 *     written by a flush: refcounts first; when they and the data are durable,
 *     L2 tables; when those are durable, the L1 table.
 *  2. A cluster that loses its last pointer is put aside. Its refcount falls,
 *     and it may be used again, only after the flush that made that durable.
 *  3. Refcount blocks and a refcount table that moves are made durable before
 *     anything points to them; both are rare.
 *
 * Everything in the file may be hostile: each offset is checked when it is
 * used, tables have limits, and nothing is followed twice.
 */
#ifndef MSB_VIRTIO_DISK_QCOW2_INT_H
#define MSB_VIRTIO_DISK_QCOW2_INT_H

#include "virtio/disk/disk_int.h"

#define QCOW2_HEADER_LEN 112u /* all fields we know */
#define QCOW2_MIN_CLUSTER_BITS 9u
#define QCOW2_MAX_CLUSTER_BITS 21u
#define QCOW2_MAX_L1_BYTES (32u << 20)
#define QCOW2_MAX_TABLE_BYTES (8u << 20) /* of the refcount table */

/* Where fields of the header are. */
enum {
	QCOW2_AT_TABLE = 48, /* refcount table: offset:8 clusters:4 */
	QCOW2_AT_INCOMPATIBLE = 72,
	QCOW2_AT_AUTOCLEAR = 88,
};
#define QCOW2_INCOMPAT_DIRTY (1ull << 0)
#define QCOW2_INCOMPAT_CORRUPT (1ull << 1)
#define QCOW2_INCOMPAT_DATA_FILE (1ull << 2)
#define QCOW2_INCOMPAT_COMPRESSION (1ull << 3)
#define QCOW2_INCOMPAT_EXTENDED_L2 (1ull << 4)

/* Entries of L1 and L2 tables. */
#define QCOW2_COPIED (1ull << 63) /* its refcount is 1: write in place */
#define QCOW2_COMPRESSED (1ull << 62)
#define QCOW2_ZERO (1ull << 0) /* version 3, L2 only */
#define QCOW2_OFFSET 0x00fffffffffffe00ull

#define QCOW2_CACHE_MAX 64u

struct qcow2_table {
	uint64_t offset; /* of its cluster; 0: empty */
	uint8_t *bytes;	 /* a cluster, as in the file; owned */
	uint64_t used;	 /* when it was last asked for */
	bool dirty;
};

/* L2 tables, or refcount blocks. */
struct qcow2_cache {
	struct qcow2_table tables[QCOW2_CACHE_MAX];
	unsigned n; /* of them in use, from the size of clusters */
	struct qcow2_table *last;
	uint64_t clock;
	unsigned dirty;
};

struct qcow2 {
	struct disk disk;
	int fd; /* owned */
	unsigned version;
	unsigned cluster_bits;
	uint32_t cluster_size;
	unsigned refcount_order;
	bool zstd; /* how compressed clusters are */

	uint64_t l1_offset;
	uint64_t *l1; /* owned */
	uint32_t l1_entries;
	bool l1_dirty;
	uint32_t nsnapshots;

	uint64_t table_offset; /* of the refcount table */
	uint64_t *table;       /* owned: offsets of refcount blocks */
	uint32_t table_entries;
	bool growing; /* the refcount table is being moved */

	uint64_t file_end;  /* a cluster border: all behind it is new */
	uint64_t free_hint; /* no free cluster has a lower index */
	uint64_t *aside;    /* owned; offsets of clusters to be given back */
	size_t naside, aside_max;

	struct qcow2_cache l2, refs;
	uint8_t *cluster;  /* owned scratch of one cluster */
	uint64_t unpacked; /* L2 entry of what is in there; 0: anything */
	uint8_t *packed;   /* owned, from the first compressed cluster on */
	void *zstd_ctx;	   /* owned, likewise */
	bool broken;	   /* tables contradict each other: no more writing */
	struct iovec iov[DISK_IOV_MAX];
};

static inline struct qcow2 *qcow2_of(struct disk *d)
{
	return (struct qcow2 *)(void *)((char *)d -
					offsetof(struct qcow2, disk));
}

static inline uint64_t qcow2_index(const struct qcow2 *q, uint64_t offset)
{
	return offset >> q->cluster_bits;
}

/* Is it where a cluster of the file can be? */
static inline bool qcow2_is_cluster(const struct qcow2 *q, uint64_t offset)
{
	return offset && !(offset & (q->cluster_size - 1)) &&
	       offset < q->file_end;
}

/* -EIO, and no more writing. */
int qcow2_broken(struct qcow2 *q, const char *what);

/* ---- qcow2_cache.c ---- */
void qcow2_cache_init(struct qcow2 *q, struct qcow2_cache *c);
void qcow2_cache_fini(struct qcow2_cache *c);
/*
 * The table at an offset, which is valid until the next call for the same
 * cache; fresh: it is new and all zero, nothing is read. May write others.
 */
int qcow2_cache_get(struct qcow2 *q, struct qcow2_cache *c, uint64_t offset,
		    bool fresh, struct qcow2_table **ret);
void qcow2_cache_dirty(struct qcow2_cache *c, struct qcow2_table *t);
int qcow2_cache_write(struct qcow2 *q, struct qcow2_cache *c);
/* All of it, in the order above. */
int qcow2_flush(struct qcow2 *q);

/* ---- qcow2_refcount.c ---- */
int qcow2_refcount_get(struct qcow2 *q, uint64_t index, uint64_t *ret);
int qcow2_refcount_set(struct qcow2 *q, uint64_t index, uint64_t value);
/* A cluster for whoever asks; *ret_zero: it reads as zeroes. */
int qcow2_allocate(struct qcow2 *q, uint64_t *ret_offset, bool *ret_zero);
/* Put a cluster aside that lost a pointer. Without memory it is leaked. */
void qcow2_put_aside(struct qcow2 *q, uint64_t offset);
/* Flush when too many are; while no table points to what is not written. */
int qcow2_make_room(struct qcow2 *q);
/* After a flush. */
int qcow2_give_back(struct qcow2 *q);
/* Do header or constant tables lie there? */
bool qcow2_is_fixed(const struct qcow2 *q, uint64_t offset);

/* ---- qcow2_io.c ---- */
int qcow2_read(struct disk *d, struct disk_data *data, uint64_t off);
int qcow2_write(struct disk *d, struct disk_data *data, uint64_t off,
		bool durable);
int qcow2_zero(struct disk *d, uint64_t off, uint64_t len, bool unmap);
int qcow2_discard(struct disk *d, uint64_t off, uint64_t len);

/* ---- qcow2_unpack.c ---- */
/* Where a compressed cluster lies: bytes from *ret_offset on. */
void qcow2_packed_range(const struct qcow2 *q, uint64_t entry,
			uint64_t *ret_offset, uint32_t *ret_len);
/* Its contents to q->cluster. */
int qcow2_unpack(struct qcow2 *q, uint64_t entry);
void qcow2_unpack_fini(struct qcow2 *q);

/* ---- qcow2_repair.c ---- */
/* Make refcounts from the tables that have them; for images without
 * snapshots whose last user did not close them. */
int qcow2_repair(struct qcow2 *q, struct err *err);

#endif
