/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a layer. What is taken must be an image that can be merged and
 * written as an archive, and that archive must be taken again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "image/layer.h"
#include "image/tar_inflate.h"

#define STREAM_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct layer_limits limits = {
	.total_bytes = 4 << 20,
	.file_bytes = 4 << 20,
	.entries = 1000,
};

struct source {
	const uint8_t *data;
	size_t left;
};

static ssize_t read_source(void *ctx, void *buf, size_t len, struct err *err)
{
	struct source *s = ctx;

	(void)err;
	if (len > s->left)
		len = s->left;
	memcpy(buf, s->data, len);
	s->data += len;
	s->left -= len;
	return (ssize_t)len;
}

/* The digest of the stream, which has to be right to get any further. */
static bool digest_stream(const uint8_t *data, size_t size, struct digest *ret)
{
	struct source s = { data, size };
	struct tar_inflate z;
	struct hasher h;
	size_t total = 0;
	ssize_t n = -1;
	char *buf = malloc(1 << 16);

	hasher_init(&h, DIGEST_SHA256);
	if (buf && !tar_inflate_init(&z, read_source, &s, NULL)) {
		while ((n = tar_inflate_read(&z, buf, 1 << 16, NULL)) > 0 &&
		       (total += (size_t)n) < STREAM_MAX)
			hasher_add(&h, buf, (size_t)n);
		tar_inflate_fini(&z);
	}
	free(buf);
	hasher_done(&h, ret);
	return n == 0;
}

static int unpack(const uint8_t *data, size_t size, int out, uint64_t *ret_size)
{
	struct source s = { data, size };
	struct digest d;

	if (!digest_stream(data, size, &d))
		return -1;
	return layer_to_erofs(read_source, &s, &d, &limits, out, ret_size,
			      NULL);
}

static void check(int layer, uint64_t size)
{
	struct merge_layer l[2] = { { layer, size }, { layer, size } };
	int out = memfd_create("out", MFD_CLOEXEC);
	struct merge_result r = { 0 };
	struct buf tar;

	buf_init(&tar, STREAM_MAX);
	if (out < 0)
		abort();
	if (layers_merge(l, 2, out, &r, NULL))
		abort();
	free(r.passwd);
	free(r.group);
	if (ftruncate(out, 0) || lseek(out, 0, SEEK_SET))
		abort();
	if (layer_to_tar(layer, out, NULL) || lseek(out, 0, SEEK_SET))
		abort();
	if (io_read_all(out, &tar))
		abort();
	/* Names may have become too long for an archive: no more is asked. */
	if (!ftruncate(out, 0))
		(void)unpack(buf_data(&tar), buf_len(&tar), out, &size);
	buf_fini(&tar);
	(void)close(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int out = memfd_create("layer", MFD_CLOEXEC);
	uint64_t image;

	if (out < 0)
		abort();
	if (!unpack(data, size, out, &image))
		check(out, image);
	(void)close(out);
	return 0;
}
