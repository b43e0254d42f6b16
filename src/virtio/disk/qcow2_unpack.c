/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed clusters of a qcow2 image. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/io.h"
#include "virtio/disk/qcow2_int.h"

#define SECTOR 512u
/* Memory for a window is taken on the word of whoever made the image. */
#define ZSTD_WINDOW_MAX 22

void qcow2_packed_range(const struct qcow2 *q, uint64_t entry,
			uint64_t *ret_offset, uint32_t *ret_len)
{
	unsigned bits = 62 - (q->cluster_bits - 8);
	uint32_t sectors = (uint32_t)((entry & (QCOW2_COMPRESSED - 1)) >> bits);

	*ret_offset = entry & ((1ull << bits) - 1);
	*ret_len =
		(sectors + 1) * SECTOR - (uint32_t)(*ret_offset & (SECTOR - 1));
}

/* Longest that qcow2_packed_range() gives. */
static size_t packed_max(const struct qcow2 *q)
{
	return (size_t)SECTOR << (q->cluster_bits - 8);
}

/* Up to len bytes; how many there are. */
static ssize_t get_packed(struct qcow2 *q, uint64_t offset, size_t len)
{
	size_t done = 0;

	if (!q->packed)
		q->packed = malloc(packed_max(q));
	if (!q->packed)
		return -ENOMEM;
	while (done < len) {
		const struct iovec v = { q->packed + done, len - done };
		ssize_t n = io_preadv(q->fd, &v, 1, (off_t)(offset + done), 0);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* A raw deflate stream; what follows it does not matter. */
static int inflate_cluster(struct qcow2 *q, size_t len)
{
	z_stream z = { .next_in = q->packed,
		       .avail_in = (uInt)len,
		       .next_out = q->cluster,
		       .avail_out = q->cluster_size };
	int rc = inflateInit2(&z, -MAX_WBITS);

	if (rc != Z_OK)
		return rc == Z_MEM_ERROR ? -ENOMEM : -EIO;
	do
		rc = inflate(&z, Z_FINISH);
	while (rc == Z_OK);
	(void)inflateEnd(&z);
	return z.avail_out ? -EIO : 0;
}

static int zstd_cluster(struct qcow2 *q, size_t len)
{
	ZSTD_inBuffer in = { q->packed, len, 0 };
	ZSTD_outBuffer out = { q->cluster, q->cluster_size, 0 };
	size_t before, rc;

	if (!q->zstd_ctx)
		q->zstd_ctx = ZSTD_createDCtx();
	if (!q->zstd_ctx)
		return -ENOMEM;
	(void)ZSTD_DCtx_reset(q->zstd_ctx, ZSTD_reset_session_only);
	(void)ZSTD_DCtx_setParameter(q->zstd_ctx, ZSTD_d_windowLogMax,
				     ZSTD_WINDOW_MAX);
	while (out.pos < out.size) {
		before = in.pos + out.pos;
		rc = ZSTD_decompressStream(q->zstd_ctx, &out, &in);
		if (ZSTD_isError(rc) || before == in.pos + out.pos)
			return -EIO;
	}
	return 0;
}

int qcow2_unpack(struct qcow2 *q, uint64_t entry)
{
	uint64_t offset;
	uint32_t len;
	ssize_t n;
	int rc;

	if (q->unpacked == entry)
		return 0;
	qcow2_packed_range(q, entry, &offset, &len);
	if (offset >= q->file_end)
		return qcow2_broken(q, "a cluster lies outside of it");
	n = get_packed(q, offset, len);
	if (n < 0)
		return (int)n;
	q->unpacked = 0;
	rc = q->zstd ? zstd_cluster(q, (size_t)n)
		     : inflate_cluster(q, (size_t)n);
	if (!rc)
		q->unpacked = entry;
	return rc;
}

void qcow2_unpack_fini(struct qcow2 *q)
{
	free(q->packed);
	(void)ZSTD_freeDCtx(q->zstd_ctx);
	q->packed = NULL;
	q->zstd_ctx = NULL;
}
