/* SPDX-License-Identifier: Apache-2.0 */
/* Archives of snapshots: compression and its undoing, from file to file. */
#include "image/repack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "image/tar_inflate.h"

#define CHUNK ((size_t)256 << 10)
#define BLOCK 4096u
#define LEVEL 3

static int no_memory(struct err *err)
{
	return err_sys(err, ERR_NO_MEMORY, ENOMEM, "work on an archive");
}

static int io_failed(struct err *err, int rc, const char *what)
{
	return err_sys(err, rc == -ENOSPC ? ERR_NO_SPACE : ERR_IO, -rc,
		       "%s the archive", what);
}

/* ---- compressing -------------------------------------------------------- */

static int put_compressed(ZSTD_CStream *z, ZSTD_inBuffer *in, bool end, int out,
			  uint8_t *chunk, struct err *err)
{
	size_t left;

	do {
		ZSTD_outBuffer o = { chunk, CHUNK, 0 };
		int rc;

		left = ZSTD_compressStream2(z, &o, in,
					    end ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return err_set(err, ERR_IO, EIO, "compress: %s",
				       ZSTD_getErrorName(left));
		rc = io_write_full(out, chunk, o.pos);
		if (rc)
			return io_failed(err, rc, "write");
	} while (end ? left : in->pos < in->size);
	return 0;
}

static int compress_all(ZSTD_CStream *z, int in, int out, uint8_t *from,
			uint8_t *to, struct err *err)
{
	int rc = 0;

	while (!rc) {
		ssize_t n = io_read(in, from, CHUNK);
		ZSTD_inBuffer i = { from, n > 0 ? (size_t)n : 0, 0 };

		if (n < 0)
			return io_failed(err, (int)n, "read");
		rc = put_compressed(z, &i, n == 0, out, to, err);
		if (!n)
			break;
	}
	return rc;
}

int repack_compress(int in, int out, struct err *err)
{
	autofree uint8_t *from = malloc(CHUNK);
	autofree uint8_t *to = malloc(CHUNK);
	ZSTD_CStream *z = ZSTD_createCStream();
	int rc = from && to && z ? 0 : no_memory(err);

	if (!rc) {
		(void)ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, LEVEL);
		(void)ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
		rc = compress_all(z, in, out, from, to, err);
	}
	(void)ZSTD_freeCStream(z);
	return rc;
}

/* ---- expanding ---------------------------------------------------------- */

static ssize_t read_input(void *ctx, void *buf, size_t len, struct err *err)
{
	ssize_t n = io_read(*(const int *)ctx, buf, len);

	return n < 0 ? io_failed(err, (int)n, "read") : n;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

static int put_at(int out, const uint8_t *p, size_t len, uint64_t at)
{
	while (len) {
		struct iovec iov = { (void *)(uintptr_t)p, len };
		ssize_t n = io_pwritev(out, &iov, 1, (off_t)at, 0);

		if (n < 0)
			return (int)n;
		p += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* Without the blocks that hold nothing but zeroes. */
static int put_sparse(int out, const uint8_t *p, size_t len, uint64_t at)
{
	int rc = 0;

	while (!rc && len) {
		size_t n = BLOCK - at % BLOCK < len ? BLOCK - at % BLOCK : len;

		if (!is_zero(p, n))
			rc = put_at(out, p, n, at);
		p += n;
		len -= n;
		at += n;
	}
	return rc;
}

static int expand(struct tar_inflate *z, int out, uint64_t max, uint8_t *chunk,
		  struct err *err)
{
	uint64_t at = 0;

	for (;;) {
		ssize_t n = tar_inflate_read(z, chunk, CHUNK, err);
		int rc;

		if (n < 0)
			return (int)n;
		if (!n)
			break;
		if ((uint64_t)n > max - at)
			return err_set(err, ERR_INVALID, EFBIG,
				       "the archive has more than %llu bytes",
				       (unsigned long long)max);
		rc = put_sparse(out, chunk, (size_t)n, at);
		if (rc)
			return io_failed(err, rc, "unpack");
		at += (uint64_t)n;
	}
	return ftruncate(out, (off_t)at) < 0 ? io_failed(err, -errno, "unpack")
					     : 0;
}

int repack_expand(int in, int out, uint64_t max, struct err *err)
{
	autofree uint8_t *chunk = malloc(CHUNK);
	struct tar_inflate z;
	int rc;

	rc = tar_inflate_init(&z, read_input, &in, err);
	if (!rc) {
		rc = chunk ? expand(&z, out, max, chunk, err) : no_memory(err);
		tar_inflate_fini(&z);
	}
	return rc;
}
