/* SPDX-License-Identifier: Apache-2.0 */
/* Streaming decompression through zlib and libzstd. */
#include "image/tar_inflate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define IN_SIZE ((size_t)256 << 10)
#define MAGIC_LEN 4u
#define GZIP_MAGIC 0x8b1fu /* u16 */
#define ZSTD_MAGIC 0xfd2fb528u
/* Any of sixteen, of frames to skip. */
#define ZSTD_SKIP_MAGIC 0x184d2a50u
#define ZSTD_SKIP_MASK 0xfffffff0u
#define GZIP_WINDOW (15 + 16) /* the largest; gzip header */

int tar_inflate_init(struct tar_inflate *z, layer_read_fn *read, void *ctx,
		     struct err *err)
{
	memset(z, 0, sizeof(*z));
	z->read = read;
	z->ctx = ctx;
	z->in = malloc(IN_SIZE);
	if (!z->in)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	return 0;
}

void tar_inflate_fini(struct tar_inflate *z)
{
	if (z->format == TAR_GZIP)
		(void)inflateEnd(&z->gz);
	(void)ZSTD_freeDStream(z->zstd);
	free(z->in);
	memset(z, 0, sizeof(*z));
}

static size_t in_left(const struct tar_inflate *z)
{
	return z->in_len - z->in_pos;
}

/* Have at least want bytes of input, unless it ends before. */
static int in_fill(struct tar_inflate *z, size_t want, struct err *err)
{
	while (in_left(z) < want && !z->in_end) {
		ssize_t n;

		memmove(z->in, z->in + z->in_pos, in_left(z));
		z->in_len -= z->in_pos;
		z->in_pos = 0;
		n = z->read(z->ctx, z->in + z->in_len, IN_SIZE - z->in_len,
			    err);
		if (n < 0)
			return (int)n;
		z->in_end = n == 0;
		z->in_len += (size_t)n;
	}
	return 0;
}

static int in_drain(struct tar_inflate *z, struct err *err)
{
	int r = 0;

	while (!r && !z->in_end) {
		z->in_pos = z->in_len;
		r = in_fill(z, 1, err);
	}
	z->in_pos = z->in_len;
	return r;
}

/* Whether the input goes on in the format, at a boundary. */
static bool in_begins(const struct tar_inflate *z, enum tar_format format)
{
	const uint8_t *p = z->in + z->in_pos;
	size_t left = in_left(z);

	if (format == TAR_GZIP)
		return left >= 2 && le16_get(p) == GZIP_MAGIC;
	return left >= MAGIC_LEN &&
	       (le32_get(p) == ZSTD_MAGIC ||
		(le32_get(p) & ZSTD_SKIP_MASK) == ZSTD_SKIP_MAGIC);
}

static int choose(struct tar_inflate *z, struct err *err)
{
	int r = in_fill(z, MAGIC_LEN, err);

	if (r)
		return r;
	if (in_begins(z, TAR_GZIP)) {
		if (inflateInit2(&z->gz, GZIP_WINDOW) != Z_OK)
			goto no_memory;
		z->format = TAR_GZIP;
	} else if (in_begins(z, TAR_ZSTD)) {
		z->zstd = ZSTD_createDStream();
		if (!z->zstd)
			goto no_memory;
		z->format = TAR_ZSTD;
	} else {
		z->format = TAR_PLAIN;
	}
	return 0;
no_memory:
	return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
}

static int damaged(struct err *err, const char *what)
{
	return err_set(err, ERR_IMAGE, EBADMSG,
		       "the layer's compressed data is damaged (%s)", what);
}

/* Output made, or an error. */
static ssize_t gzip_step(struct tar_inflate *z, void *buf, size_t len,
			 struct err *err)
{
	int r;

	z->gz.next_in = z->in + z->in_pos;
	z->gz.avail_in = (uInt)in_left(z);
	z->gz.next_out = buf;
	z->gz.avail_out = (uInt)len;
	r = inflate(&z->gz, Z_NO_FLUSH);
	z->in_pos = z->in_len - z->gz.avail_in;
	if (r == Z_MEM_ERROR)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	if (r == Z_STREAM_END) {
		z->begun = false;
		(void)inflateReset(&z->gz);
	} else if (r != Z_OK && r != Z_BUF_ERROR) {
		return damaged(err, z->gz.msg ? z->gz.msg : "gzip");
	}
	return (ssize_t)(len - z->gz.avail_out);
}

static ssize_t zstd_step(struct tar_inflate *z, void *buf, size_t len,
			 struct err *err)
{
	ZSTD_inBuffer in = { z->in, z->in_len, z->in_pos };
	ZSTD_outBuffer out = { buf, len, 0 };
	size_t r = ZSTD_decompressStream(z->zstd, &out, &in);

	z->in_pos = in.pos;
	if (ZSTD_isError(r))
		return damaged(err, ZSTD_getErrorName(r));
	if (r == 0)
		z->begun = false;
	return (ssize_t)out.pos;
}

/* Between members or frames: is there another? */
static int at_boundary(struct tar_inflate *z, struct err *err)
{
	int r = in_fill(z, MAGIC_LEN, err);

	if (r)
		return r;
	z->begun = in_begins(z, z->format);
	if (z->begun)
		return 0;
	z->finished = true;
	return in_drain(z, err);
}

static ssize_t plain_read(struct tar_inflate *z, void *buf, size_t len,
			  struct err *err)
{
	size_t left = in_left(z);

	if (!left)
		return z->in_end ? 0 : z->read(z->ctx, buf, len, err);
	if (len > left)
		len = left;
	memcpy(buf, z->in + z->in_pos, len);
	z->in_pos += len;
	return (ssize_t)len;
}

ssize_t tar_inflate_read(struct tar_inflate *z, void *buf, size_t len,
			 struct err *err)
{
	size_t done = 0;

	if (z->format == TAR_UNKNOWN) {
		int r = choose(z, err);

		if (r)
			return r;
	}
	if (z->format == TAR_PLAIN)
		return plain_read(z, buf, len, err);
	while (done < len && !z->finished) {
		size_t before;
		ssize_t n;
		int r = z->begun ? in_fill(z, 1, err) : at_boundary(z, err);

		if (r)
			return r;
		if (z->finished)
			break;
		before = in_left(z);
		n = z->format == TAR_GZIP
			    ? gzip_step(z, (char *)buf + done, len - done, err)
			    : zstd_step(z, (char *)buf + done, len - done, err);
		if (n < 0)
			return n;
		done += (size_t)n;
		if (n == 0 && z->begun && before == in_left(z) && z->in_end)
			return damaged(err, "it ends too early");
	}
	return (ssize_t)done;
}
