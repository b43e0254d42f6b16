/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing qcow2 images. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "virtio/disk/qcow2_int.h"

#define MAGIC 0x514649fbu
#define V2_HEADER_LEN 72u
#define V3_HEADER_LEN 104u
#define CRYPT_NONE 0u
#define COMPRESSION_ZLIB 0u
#define COMPRESSION_ZSTD 1u

#define REFUSE(err, ...) err_set((err), ERR_INVALID, EINVAL, __VA_ARGS__)
#define UNSUPPORTED(err, ...)                                                  \
	err_set((err), ERR_UNSUPPORTED, EOPNOTSUPP, __VA_ARGS__)

struct header {
	uint32_t version, cluster_bits, crypt, l1_entries, table_clusters;
	uint32_t nsnapshots, refcount_order, header_len, backing_len;
	uint64_t backing, size, l1, table;
	uint64_t incompatible, autoclear;
	uint8_t compression;
};

int qcow2_broken(struct qcow2 *q, const char *what)
{
	if (!q->broken)
		log_error("disk", "qcow2 image is damaged: %s", what);
	q->broken = true;
	return -EIO;
}

/* ---- header ------------------------------------------------------------ */

static void parse(const uint8_t *p, struct header *h)
{
	*h = (struct header){
		.version = be32_get(p + 4),
		.backing = be64_get(p + 8),
		.backing_len = be32_get(p + 16),
		.cluster_bits = be32_get(p + 20),
		.size = be64_get(p + 24),
		.crypt = be32_get(p + 32),
		.l1_entries = be32_get(p + 36),
		.l1 = be64_get(p + 40),
		.table = be64_get(p + QCOW2_AT_TABLE),
		.table_clusters = be32_get(p + QCOW2_AT_TABLE + 8),
		.nsnapshots = be32_get(p + 60),
		.refcount_order = 4,
		.header_len = V2_HEADER_LEN,
	};
	if (h->version < 3)
		return;
	h->incompatible = be64_get(p + QCOW2_AT_INCOMPATIBLE);
	h->autoclear = be64_get(p + QCOW2_AT_AUTOCLEAR);
	h->refcount_order = be32_get(p + 96);
	h->header_len = be32_get(p + 100);
	/* shorter headers of version 3 have none */
	if (h->header_len > V3_HEADER_LEN)
		h->compression = p[104];
}

static int read_header(int fd, struct header *ret, struct err *err)
{
	uint8_t p[QCOW2_HEADER_LEN] = { 0 };
	ssize_t n = pread(fd, p, sizeof(p), 0);

	if (n < 0)
		return err_sys(err, ERR_IO, errno, "read the disk image");
	if (n < (ssize_t)V2_HEADER_LEN || be32_get(p) != MAGIC)
		return REFUSE(err, "it is not a qcow2 image");
	parse(p, ret);
	if (ret->version != 2 && ret->version != 3)
		return UNSUPPORTED(err, "version %u of qcow2 is not supported",
				   ret->version);
	if (ret->version == 3 && n < (ssize_t)V3_HEADER_LEN)
		return REFUSE(err, "its header is cut short");
	return 0;
}

/* What makes an image one that others can use and we cannot. */
static int check_features(const struct header *h, struct err *err)
{
	uint64_t known = QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT |
			 QCOW2_INCOMPAT_COMPRESSION;

	if (h->backing || h->backing_len)
		return UNSUPPORTED(err, "it needs a backing file; make one "
					"file of both with `qemu-img convert`");
	if (h->crypt != CRYPT_NONE)
		return UNSUPPORTED(err, "it is encrypted");
	if (h->incompatible & QCOW2_INCOMPAT_DATA_FILE)
		return UNSUPPORTED(err, "its data is in another file");
	if (h->incompatible & QCOW2_INCOMPAT_EXTENDED_L2)
		return UNSUPPORTED(err, "it has subclusters; `qemu-img "
					"convert` makes one without");
	if (h->incompatible & ~known)
		return UNSUPPORTED(
			err,
			"it has features that are not known "
			"(0x%llx)",
			(unsigned long long)(h->incompatible & ~known));
	if (h->compression > COMPRESSION_ZSTD ||
	    (h->compression != COMPRESSION_ZLIB &&
	     !(h->incompatible & QCOW2_INCOMPAT_COMPRESSION)))
		return UNSUPPORTED(err, "its compression is not known");
	return 0;
}

static int check_numbers(const struct header *h, uint64_t file_size,
			 struct err *err)
{
	uint64_t cluster = 1ull << (h->cluster_bits & 31), covered, needed;

	if (h->cluster_bits < QCOW2_MIN_CLUSTER_BITS ||
	    h->cluster_bits > QCOW2_MAX_CLUSTER_BITS)
		return REFUSE(err, "its cluster size is not possible");
	if (h->refcount_order > 6 ||
	    (h->version == 3 && h->header_len < V3_HEADER_LEN) ||
	    h->header_len % 8 || h->header_len > cluster)
		return REFUSE(err, "its header makes no sense");
	if (!h->size || h->size % DISK_SECTOR || h->size > INT64_MAX)
		return REFUSE(err, "its size is not possible");
	if (h->l1 % cluster || !h->l1 || h->table % cluster || !h->table ||
	    !h->l1_entries || !h->table_clusters ||
	    h->l1_entries > QCOW2_MAX_L1_BYTES / 8 ||
	    h->table_clusters > QCOW2_MAX_TABLE_BYTES / cluster)
		return REFUSE(err, "its tables make no sense");
	if (h->l1 > file_size ||
	    (uint64_t)h->l1_entries * 8 > file_size - h->l1 ||
	    h->table > file_size ||
	    h->table_clusters * cluster > file_size - h->table)
		return REFUSE(err, "its tables lie outside of it");
	covered = cluster * (cluster / 8); /* by one L2 table */
	needed = (h->size - 1) / covered + 1;
	if (needed > h->l1_entries)
		return REFUSE(err, "its L1 table is too short");
	return 0;
}

/* ---- tables ------------------------------------------------------------ */

/* Big-endian numbers of the file; malloc'ed. */
static int load(int fd, uint64_t offset, size_t n, uint64_t **ret)
{
	uint64_t *list = calloc(n, sizeof(*list));
	int rc = list ? disk_file_get(fd, list, n * sizeof(*list), offset)
		      : -ENOMEM;

	for (size_t i = 0; !rc && i < n; i++)
		list[i] = be64_get(&list[i]);
	*ret = list;
	return rc;
}

static int load_tables(struct qcow2 *q, const struct header *h, struct err *err)
{
	int rc;

	q->l1_offset = h->l1;
	q->l1_entries = h->l1_entries;
	q->table_offset = h->table;
	q->table_entries = h->table_clusters << (q->cluster_bits - 3);
	q->cluster = malloc(q->cluster_size);
	rc = q->cluster ? 0 : -ENOMEM;
	if (!rc)
		rc = load(q->fd, q->l1_offset, q->l1_entries, &q->l1);
	if (!rc)
		rc = load(q->fd, q->table_offset, q->table_entries, &q->table);
	/* reserved bits may not be there, but the low ones are no offset */
	for (uint32_t i = 0; !rc && i < q->table_entries; i++)
		q->table[i] &= ~(uint64_t)511;
	return rc ? err_sys(err, ERR_IO, -rc, "read its tables") : 0;
}

static int put_be64(const struct qcow2 *q, uint64_t at, uint64_t value)
{
	uint8_t bytes[8];
	int rc;

	be64_put(bytes, value);
	rc = disk_file_put(q->fd, bytes, sizeof(bytes), at);
	if (!rc && fdatasync(q->fd) < 0)
		rc = -errno;
	return rc;
}

/* Before anything is changed. */
static int prepare_writing(struct qcow2 *q, const struct header *h,
			   struct err *err)
{
	int rc = 0;

	if (h->incompatible & QCOW2_INCOMPAT_CORRUPT)
		return REFUSE(err, "it is marked as damaged; see `qemu-img "
				   "check`");
	if (h->incompatible & QCOW2_INCOMPAT_DIRTY) {
		rc = qcow2_repair(q, err);
		if (rc)
			return rc;
		rc = put_be64(q, QCOW2_AT_INCOMPATIBLE,
			      h->incompatible & ~QCOW2_INCOMPAT_DIRTY);
	}
	/* what they speak of is not kept up to date from here on */
	if (!rc && h->autoclear)
		rc = put_be64(q, QCOW2_AT_AUTOCLEAR, 0);
	return rc ? err_sys(err, ERR_IO, -rc, "write its header") : 0;
}

/* ---- all of it --------------------------------------------------------- */

static int flush(struct disk *d)
{
	return qcow2_flush(qcow2_of(d));
}

static void release(struct qcow2 *q)
{
	qcow2_cache_fini(&q->l2);
	qcow2_cache_fini(&q->refs);
	qcow2_unpack_fini(q);
	free(q->l1);
	free(q->table);
	free(q->aside);
	free(q->cluster);
	close_fd(&q->fd);
	free(q);
}

static void close_image(struct disk *d)
{
	struct qcow2 *q = qcow2_of(d);
	int rc = 0;

	if (!d->read_only &&
	    (q->refs.dirty || q->l2.dirty || q->l1_dirty || q->naside)) {
		rc = qcow2_flush(q);
		if (!rc) /* of what the flush gave back */
			rc = qcow2_cache_write(q, &q->refs);
	}
	if (rc)
		log_error("disk", "close a qcow2 image: %s", strerror(-rc));
	release(q);
}

static const struct disk_ops qcow2_ops = {
	.read = qcow2_read,
	.write = qcow2_write,
	.flush = flush,
	.zero = qcow2_zero,
	.discard = qcow2_discard,
	.free = close_image,
};

static int fill(struct qcow2 *q, const struct header *h, struct err *err)
{
	int rc;

	q->version = h->version;
	q->cluster_bits = h->cluster_bits;
	q->cluster_size = 1u << h->cluster_bits;
	q->refcount_order = h->refcount_order;
	q->nsnapshots = h->nsnapshots;
	q->zstd = h->compression == COMPRESSION_ZSTD;
	q->disk.size = h->size;
	qcow2_cache_init(q, &q->l2);
	qcow2_cache_init(q, &q->refs);
	rc = load_tables(q, h, err);
	if (!rc && !q->disk.read_only)
		rc = prepare_writing(q, h, err);
	return rc;
}

static int open_image(struct qcow2 *q, struct err *err)
{
	struct header h = { 0 };
	struct stat st;
	int rc;

	if (fstat(q->fd, &st) < 0)
		return err_sys(err, ERR_IO, errno, "open the disk image");
	rc = read_header(q->fd, &h, err);
	if (!rc)
		rc = check_features(&h, err);
	if (!rc)
		rc = check_numbers(&h, (uint64_t)st.st_size, err);
	if (rc)
		return rc;
	q->file_end = (uint64_t)st.st_size + (1u << h.cluster_bits) - 1;
	q->file_end &= ~((1ull << h.cluster_bits) - 1);
	return fill(q, &h, err);
}

int disk_qcow2(int fd, bool read_only, struct disk **ret, struct err *err)
{
	struct qcow2 *q = calloc(1, sizeof(*q));
	int rc;

	if (!q) {
		(void)close(fd);
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	}
	q->fd = fd;
	q->disk.ops = &qcow2_ops;
	q->disk.read_only = read_only;
	rc = open_image(q, err);
	if (rc)
		release(q);
	else
		*ret = &q->disk;
	return rc;
}
