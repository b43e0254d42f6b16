/* SPDX-License-Identifier: Apache-2.0 */
/* Contents of a writable layer: copying and hashing files full of holes. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/cancel.h"
#include "api/snapshot_int.h"
#include "base/bytes.h"
#include "base/io.h"

#define CHUNK ((size_t)1 << 20)
#define PART (64u << 20) /* of what the kernel copies in one go */
#define BLOCK 4096u

/* ---- extents ------------------------------------------------------------ */

/* The next data at or behind *pos: 1 with its end, 0 at the end, -errno. */
static int next_extent(int fd, uint64_t size, uint64_t *pos, uint64_t *ret_end)
{
	off_t data, hole;

	if (*pos >= size)
		return 0;
	data = lseek(fd, (off_t)*pos, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? 0 : -errno;
	hole = lseek(fd, data, SEEK_HOLE);
	if (hole < 0)
		return -errno;
	if ((uint64_t)data >= size)
		return 0;
	*pos = (uint64_t)data;
	*ret_end = (uint64_t)hole < size ? (uint64_t)hole : size;
	return 1;
}

static int file_size(int fd, uint64_t *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (uint64_t)st.st_size;
	return 0;
}

#define EXTENTS_MAX 4000000u

int snapshot_extents(int fd, struct snapshot_extent **ret, size_t *ret_n)
{
	struct snapshot_extent *list = NULL;
	uint64_t size = 0, pos = 0, end = 0;
	size_t n = 0, room = 0;
	int rc = file_size(fd, &size);

	while (!rc && (rc = next_extent(fd, size, &pos, &end)) > 0) {
		rc = 0;
		if (n == room) {
			struct snapshot_extent *more = NULL;

			room = room * 2 + 64;
			if (room <= EXTENTS_MAX)
				more = reallocarray(list, room, sizeof(*list));
			if (!more)
				rc = -ENOMEM;
			else
				list = more;
		}
		if (!rc)
			list[n++] = (struct snapshot_extent){ pos, end };
		pos = end;
	}
	if (rc) {
		free(list);
		return rc;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

static ssize_t read_at(int fd, void *buf, size_t len, uint64_t pos)
{
	struct iovec iov = { buf, len };

	return io_preadv(fd, &iov, 1, (off_t)pos, 0);
}

/* ---- copying ------------------------------------------------------------ */

static int copy_bytes(int from, int to, uint64_t pos, uint64_t end,
		      uint8_t *chunk)
{
	while (pos < end) {
		size_t want = end - pos < CHUNK ? (size_t)(end - pos) : CHUNK;
		ssize_t n = read_at(from, chunk, want, pos);
		struct iovec iov = { chunk, n > 0 ? (size_t)n : 0 };

		if (cancel_requested())
			return -ECANCELED;
		if (n <= 0)
			return n ? (int)n : -ENODATA; /* it became shorter */
		while (iov.iov_len) {
			ssize_t put = io_pwritev(to, &iov, 1, (off_t)pos, 0);

			if (put < 0)
				return (int)put;
			iov.iov_base = (uint8_t *)iov.iov_base + put;
			iov.iov_len -= (size_t)put;
			pos += (uint64_t)put;
		}
	}
	return 0;
}

/* Let the kernel do it as far as it can: 0, or 1 with *pos where it stopped. */
static int copy_in_kernel(int from, int to, uint64_t *pos, uint64_t end)
{
	while (*pos < end) {
		off_t in = (off_t)*pos, out = (off_t)*pos;
		uint64_t len = end - *pos < PART ? end - *pos : PART;
		ssize_t n =
			copy_file_range(from, &in, to, &out, (size_t)len, 0);

		if (cancel_requested())
			return -ECANCELED;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EIO))
			return -errno;
		if (n <= 0)
			return 1;
		*pos += (uint64_t)n;
	}
	return 0;
}

static int copy_extents(int from, int to, uint64_t size, uint8_t *chunk)
{
	uint64_t pos = 0, end = 0;
	int rc;

	while ((rc = next_extent(from, size, &pos, &end)) > 0) {
		rc = copy_in_kernel(from, to, &pos, end);
		if (rc > 0)
			rc = copy_bytes(from, to, pos, end, chunk);
		if (rc)
			return rc;
		pos = end;
	}
	return rc;
}

int snapshot_copy(int from, int to)
{
	autofree uint8_t *chunk = NULL;
	uint64_t size = 0;
	int rc;

	if (ioctl(to, FICLONE, from) == 0)
		return fsync(to) < 0 ? -errno : 0;
	if (errno != EOPNOTSUPP && errno != EXDEV && errno != EINVAL &&
	    errno != ENOTTY && errno != EPERM && errno != EBADF)
		return -errno;
	chunk = malloc(CHUNK);
	rc = chunk ? file_size(from, &size) : -ENOMEM;
	if (!rc && ftruncate(to, (off_t)size) < 0)
		rc = -errno;
	if (!rc)
		rc = copy_extents(from, to, size, chunk);
	if (!rc && fsync(to) < 0)
		rc = -errno;
	return rc;
}

/* ---- hashing ------------------------------------------------------------ */

static void add_number(struct hasher *h, uint64_t v)
{
	uint8_t b[8];

	le64_put(b, v);
	hasher_add(h, b, sizeof(b));
}

static int add_bytes(struct hasher *h, int fd, uint64_t pos, uint64_t end,
		     uint8_t *chunk)
{
	while (pos < end) {
		size_t want = end - pos < CHUNK ? (size_t)(end - pos) : CHUNK;
		ssize_t n = read_at(fd, chunk, want, pos);

		if (cancel_requested())
			return -ECANCELED;
		if (n <= 0)
			return n ? (int)n : -ENODATA;
		hasher_add(h, chunk, (size_t)n);
		pos += (uint64_t)n;
	}
	return 0;
}

static int add_extent(struct hasher *h, int fd, uint64_t pos, uint64_t end,
		      uint8_t *chunk)
{
	hasher_add(h, "D", 1);
	add_number(h, pos);
	add_number(h, end - pos);
	return add_bytes(h, fd, pos, end, chunk);
}

static int hash_v1(struct hasher *h, int fd, uint64_t size, uint8_t *chunk)
{
	uint64_t pos = 0, end = 0;
	int rc;

	while ((rc = next_extent(fd, size, &pos, &end)) > 0) {
		rc = add_extent(h, fd, pos, end, chunk);
		if (rc)
			return rc;
		pos = end;
	}
	return rc;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return !len || (!p[0] && !memcmp(p, p + 1, len - 1));
}

/* The run of blocks that are not zero and are not yet hashed. */
struct run {
	struct hasher *h;
	int fd;
	uint64_t start, end;
	uint8_t *chunk;
};

static int end_run(struct run *r, uint64_t next)
{
	int rc = 0;

	if (r->end > r->start)
		rc = add_extent(r->h, r->fd, r->start, r->end, r->chunk);
	r->start = r->end = next;
	return rc;
}

/* Blocks of one extent, which starts and ends anywhere. */
static int scan(struct run *r, uint64_t pos, uint64_t end, uint64_t size,
		uint8_t *look)
{
	pos -= pos % BLOCK;
	if (pos < r->end)
		pos = r->end; /* a block of two extents */
	while (pos < end) {
		size_t want = size - pos < CHUNK ? (size_t)(size - pos) : CHUNK;
		ssize_t n = read_at(r->fd, look, want, pos);

		if (n != (ssize_t)want)
			return n < 0 ? (int)n : -ENODATA;
		for (size_t at = 0; at < want && pos < end; at += BLOCK) {
			size_t len = want - at < BLOCK ? want - at : BLOCK;
			int rc = 0;

			if (is_zero(look + at, len))
				rc = end_run(r, pos + len);
			else if (r->end != pos)
				rc = end_run(r, pos);
			if (rc)
				return rc;
			if (!is_zero(look + at, len))
				r->end = pos + len;
			pos += len;
		}
	}
	return 0;
}

static int hash_v2(struct hasher *h, int fd, uint64_t size, uint8_t *chunk)
{
	autofree uint8_t *look = malloc(CHUNK);
	struct run r = { .h = h, .fd = fd, .chunk = chunk };
	uint64_t pos = 0, end = 0;
	int rc;

	if (!look)
		return -ENOMEM;
	while ((rc = next_extent(fd, size, &pos, &end)) > 0) {
		rc = scan(&r, pos, end, size, look);
		if (rc)
			return rc;
		pos = end;
	}
	return rc ? rc : end_run(&r, size);
}

static const struct {
	const char *name;
	int (*hash)(struct hasher *h, int fd, uint64_t size, uint8_t *chunk);
} sparse[] = {
	{ SNAPSHOT_SPARSE_V1, hash_v1 },
	{ SNAPSHOT_SPARSE_V2, hash_v2 },
};

bool snapshot_algorithm_known(const char *algorithm)
{
	for (size_t i = 0; i < ARRAY_SIZE(sparse); i++)
		if (!strcmp(sparse[i].name, algorithm))
			return true;
	return !strcmp(algorithm, SNAPSHOT_SHA256);
}

int snapshot_hash(int fd, const char *algorithm, struct digest *ret)
{
	autofree uint8_t *chunk = malloc(CHUNK);
	struct hasher h;
	uint64_t size = 0;
	int rc = file_size(fd, &size);

	if (rc || !chunk)
		return rc ? rc : -ENOMEM;
	hasher_init(&h, DIGEST_SHA256);
	rc = -EINVAL;
	if (!strcmp(algorithm, SNAPSHOT_SHA256))
		rc = add_bytes(&h, fd, 0, size, chunk);
	for (size_t i = 0; i < ARRAY_SIZE(sparse); i++) {
		if (strcmp(sparse[i].name, algorithm) != 0)
			continue;
		hasher_add(&h, algorithm, strlen(algorithm) + 1);
		add_number(&h, size);
		rc = sparse[i].hash(&h, fd, size, chunk);
	}
	hasher_done(&h, ret);
	return rc;
}
