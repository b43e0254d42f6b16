/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the archives of snapshots. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/cancel.h"
#include "api/snapshot_int.h"
#include "api/snapshot_tar.h"
#include "base/io.h"

#define BLOCK 512u
#define CHUNK ((size_t)1 << 20)
#define MAP_MAX (256u << 20)
#define OCTAL_MAX 077777777777ull

static int put_padding(int fd, uint64_t len)
{
	static const uint8_t zero[BLOCK];

	return len % BLOCK ? io_write_full(fd, zero, BLOCK - len % BLOCK) : 0;
}

/* Names are short: "sha256-<16 digits>/<file>". */
static int put_header(int fd, const char *name, uint64_t size, char type)
{
	static const uint8_t magic[8] = {
		'u', 's', 't', 'a', 'r', 0, '0', '0'
	};
	uint8_t h[BLOCK] = { 0 };
	unsigned sum = 0;

	if (strlen(name) >= 100 || size > OCTAL_MAX)
		return -EINVAL;
	for (size_t i = 0; name[i]; i++)
		h[i] = (uint8_t)name[i];
	memcpy(h + 100, type == '5' ? "0000700" : "0000600", 8);
	memcpy(h + 108, "0000000", 8);
	memcpy(h + 116, "0000000", 8);
	(void)snprintf((char *)h + 124, 12, "%011" PRIo64, size);
	memcpy(h + 136, "00000000000", 12);
	memset(h + 148, ' ', 8);
	h[156] = (uint8_t)type;
	memcpy(h + 257, magic, sizeof(magic));
	for (size_t i = 0; i < BLOCK; i++)
		sum += h[i];
	(void)snprintf((char *)h + 148, 8, "%06o", sum & 0777777);
	return io_write_full(fd, h, sizeof(h));
}

int tar_put_dir(int fd, const char *name)
{
	return put_header(fd, name, 0, '5');
}

int tar_put_bytes(int fd, const char *name, const void *data, size_t len)
{
	int rc = put_header(fd, name, len, '0');

	if (!rc)
		rc = io_write_full(fd, data, len);
	return rc ? rc : put_padding(fd, len);
}

int tar_put_end(int fd)
{
	static const uint8_t zero[2 * BLOCK];

	return io_write_full(fd, zero, sizeof(zero));
}

/* "<length> <key>=<value>\n", the length its own digits included. */
static void put_record(struct buf *b, const char *key, const char *value)
{
	size_t rest = strlen(key) + strlen(value) + 3, len = rest + 1;
	char digits[24];

	while (len !=
	       rest + (size_t)snprintf(digits, sizeof(digits), "%zu", len))
		len = rest + strlen(digits);
	(void)buf_printf(b, "%zu %s=%s\n", len, key, value);
}

static void put_number(struct buf *b, const char *key, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, v);
	put_record(b, key, text);
}

static int put_pax(int fd, const char *name, uint64_t real, uint64_t stored)
{
	struct buf b;
	int rc;

	buf_init(&b, 4096);
	put_record(&b, "GNU.sparse.major", "1");
	put_record(&b, "GNU.sparse.minor", "0");
	put_record(&b, "GNU.sparse.name", name);
	put_number(&b, "GNU.sparse.realsize", real);
	if (stored > OCTAL_MAX)
		put_number(&b, "size", stored);
	rc = b.failed ? -ENOMEM : put_header(fd, "pax", buf_len(&b), 'x');
	if (!rc)
		rc = io_write_full(fd, buf_data(&b), buf_len(&b));
	if (!rc)
		rc = put_padding(fd, buf_len(&b));
	buf_fini(&b);
	return rc;
}

static int put_data(int fd, int from, const struct snapshot_extent *e,
		    uint8_t *chunk)
{
	uint64_t pos = e->start;

	while (pos < e->end) {
		size_t want =
			e->end - pos < CHUNK ? (size_t)(e->end - pos) : CHUNK;
		struct iovec iov = { chunk, want };
		ssize_t n = io_preadv(from, &iov, 1, (off_t)pos, 0);
		int rc;

		if (n <= 0)
			return n ? (int)n : -ENODATA;
		rc = cancel_check();
		if (!rc)
			rc = io_write_full(fd, chunk, (size_t)n);
		if (rc)
			return rc;
		pos += (uint64_t)n;
	}
	return 0;
}

/* The map of a sparse file: how many pieces, and where each is. */
static int make_map(const struct snapshot_extent *e, size_t n, uint64_t real,
		    struct buf *map, uint64_t *ret_data)
{
	*ret_data = 0;
	(void)buf_printf(map, "%zu\n", n + 1);
	for (size_t i = 0; i < n; i++) {
		(void)buf_printf(map, "%" PRIu64 "\n%" PRIu64 "\n", e[i].start,
				 e[i].end - e[i].start);
		*ret_data += e[i].end - e[i].start;
	}
	(void)buf_printf(map, "%" PRIu64 "\n0\n", real); /* the file's end */
	while (buf_len(map) % BLOCK)
		if (buf_append(map, "", 1))
			break;
	return map->failed ? -ENOMEM : 0;
}

static int put_sparse(int fd, const char *name, int from,
		      const struct snapshot_extent *e, size_t n, uint64_t real)
{
	autofree uint8_t *chunk = malloc(CHUNK);
	autofree char *stand_in = str_fmt("%.80s.sparse", name);
	uint64_t data;
	struct buf map;
	int rc;

	buf_init(&map, MAP_MAX);
	rc = chunk && stand_in ? make_map(e, n, real, &map, &data) : -ENOMEM;
	if (!rc)
		rc = put_pax(fd, name, real, buf_len(&map) + data);
	if (!rc)
		rc = put_header(fd, stand_in,
				buf_len(&map) + data > OCTAL_MAX
					? 0
					: buf_len(&map) + data,
				'0');
	if (!rc)
		rc = io_write_full(fd, buf_data(&map), buf_len(&map));
	for (size_t i = 0; !rc && i < n; i++)
		rc = put_data(fd, from, &e[i], chunk);
	buf_fini(&map);
	return rc ? rc : put_padding(fd, data);
}

int tar_put_sparse(int fd, const char *name, int from)
{
	autofree struct snapshot_extent *e = NULL;
	struct stat st;
	size_t n = 0;
	int rc = fstat(from, &st) < 0 ? -errno : snapshot_extents(from, &e, &n);

	return rc ? rc : put_sparse(fd, name, from, e, n, (uint64_t)st.st_size);
}
