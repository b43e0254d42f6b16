/* SPDX-License-Identifier: Apache-2.0 */
/* Buffered writing of file data, with holes. */
#include "image/erofs_data.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "image/erofs_format.h"

#define BUF_SIZE ((size_t)1 << 20)

int erofs_data_init(struct erofs_data *d, int fd)
{
	d->fd = fd;
	d->len = 0;
	d->pos = EROFS_BLOCK;
	d->buf = malloc(BUF_SIZE);
	return d->buf ? 0 : -ENOMEM;
}

void erofs_data_fini(struct erofs_data *d)
{
	free(d->buf);
	d->buf = NULL;
}

uint32_t erofs_data_block(const struct erofs_data *d)
{
	return (uint32_t)((d->pos + d->len) >> EROFS_BLOCK_BITS);
}

static bool is_zero(const uint8_t *block)
{
	/* Nearly every block that is not zero shows it at once. */
	return block[0] == 0 && !memcmp(block, block + 1, EROFS_BLOCK - 1);
}

static int write_run(struct erofs_data *d, size_t from, size_t to)
{
	while (from < to) {
		struct iovec iov = { d->buf + from, to - from };
		ssize_t n =
			io_pwritev(d->fd, &iov, 1, (off_t)(d->pos + from), 0);

		if (n < 0)
			return (int)n;
		from += (size_t)n;
	}
	return 0;
}

/* The buffer is whole blocks. */
int erofs_data_flush(struct erofs_data *d)
{
	size_t from = 0, at;
	int r = 0;

	for (at = 0; !r && at < d->len; at += EROFS_BLOCK) {
		if (!is_zero(d->buf + at))
			continue;
		r = write_run(d, from, at);
		from = at + EROFS_BLOCK;
	}
	if (!r)
		r = write_run(d, from, at);
	d->pos += d->len;
	d->len = 0;
	return r;
}

int erofs_data_put(struct erofs_data *d, const void *data, size_t len)
{
	int r = 0;

	while (!r && len) {
		size_t n = BUF_SIZE - d->len;

		if (n > len)
			n = len;
		memcpy(d->buf + d->len, data, n);
		d->len += n;
		data = (const char *)data + n;
		len -= n;
		if (d->len == BUF_SIZE)
			r = erofs_data_flush(d);
	}
	return r;
}

int erofs_data_end(struct erofs_data *d)
{
	size_t over = d->len % EROFS_BLOCK;

	if (!over)
		return 0;
	memset(d->buf + d->len, 0, EROFS_BLOCK - over);
	d->len += EROFS_BLOCK - over;
	return d->len == BUF_SIZE ? erofs_data_flush(d) : 0;
}

int erofs_data_zero(struct erofs_data *d, uint64_t len)
{
	size_t over = d->len % EROFS_BLOCK, part;
	int r = 0;

	part = over ? EROFS_BLOCK - over : 0;
	if (part > len)
		part = (size_t)len;
	memset(d->buf + d->len, 0, part);
	d->len += part;
	len -= part;
	if (d->len % EROFS_BLOCK == 0)
		r = erofs_data_flush(d);
	d->pos += len / EROFS_BLOCK * EROFS_BLOCK;
	memset(d->buf + d->len, 0, len % EROFS_BLOCK);
	d->len += len % EROFS_BLOCK;
	return r;
}
