/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is {type:4 reserved:4 sector:8}, data, {status:1}; data goes
 * between the file and guest memory without a copy. Requests are carried out
 * one after the other on the device's own thread: the page cache behind the
 * file is what makes that fast, and the guest's elevator has merged already.
 */
#include "virtio/dev/block.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/io.h"

#define SECTOR 512u
#define HEADER_LEN 16u
#define SEG_MAX 254u /* what fits a queue of 256 beside header and status */
#define DISCARD_SEGS 32u
#define DISCARD_SEG_LEN 16u /* sector:8 sectors:4 flags:4 */
#define DISCARD_MAX_SECTORS (1u << 21)
#define BIT(n) (1ull << (n))
/* One request; Linux makes none above 16 MiB. Its buffers may all be the same
 * memory, so its length alone costs a hostile driver nothing. */
#define TRANSFER_MAX (64u << 20)
/* Bytes served before the loop gets its turn, so that a driver which never
 * stops asking cannot keep us from stopping the device. */
#define TURN_BUDGET (32u << 20)
#define REQUEST_COST 4096u
/* Completed requests before the driver hears of them, at the latest. */
#define SIGNAL_BATCH 32u

static_assert(VQ_MAX_IOV <= IOV_MAX, "one request fits one system call");

struct vblock {
	struct virtio_device dev;
	int fd; /* owned */
	bool read_only;
	uint64_t size; /* in bytes */
	char serial[VBLOCK_SERIAL_MAX];
	struct virtio_blk_config config;
	struct deferred more;
	struct iovec iov[VQ_MAX_IOV];
};

static struct vblock *of(struct virtio_device *d)
{
	return container_of(d, struct vblock, dev);
}

/* Data of a request: buffers without header and status. */
struct data {
	struct iovec *iov;
	unsigned n;
	size_t len;
};

static void skip_front(struct data *d, size_t len)
{
	d->len -= len;
	while (len) {
		size_t part = len < d->iov->iov_len ? len : d->iov->iov_len;

		d->iov->iov_base = (uint8_t *)d->iov->iov_base + part;
		d->iov->iov_len -= part;
		len -= part;
		if (d->iov->iov_len == 0) {
			d->iov++;
			d->n--;
		}
	}
}

/* Where a transfer starts, or -EIO when it leaves the disk. */
static int check_range(const struct vblock *b, uint64_t sector, uint64_t len,
		       off_t *ret)
{
	uint64_t sectors = b->size / SECTOR;

	if (len % SECTOR || sector > sectors || len / SECTOR > sectors - sector)
		return -EIO;
	*ret = (off_t)(sector * SECTOR);
	return 0;
}

static int transfer(struct vblock *b, bool write, uint64_t sector,
		    struct data d)
{
	/* without the FLUSH feature every write is durable by itself */
	int flags = write && !virtio_has(&b->dev, BIT(VIRTIO_BLK_F_FLUSH))
			    ? RWF_DSYNC
			    : 0;
	off_t off;
	int rc = check_range(b, sector, d.len, &off);

	if (d.len > TRANSFER_MAX)
		return -EIO;
	while (!rc && d.len) {
		ssize_t n =
			write ? io_pwritev(b->fd, d.iov, (int)d.n, off, flags)
			      : io_preadv(b->fd, d.iov, (int)d.n, off, 0);

		if (n <= 0)
			return n ? (int)n : -EIO; /* the file has shrunk */
		off += n;
		skip_front(&d, (size_t)n);
	}
	return rc;
}

static int write_zeroes(const struct vblock *b, off_t off, off_t len)
{
	static const uint8_t zeroes[65536];

	while (len) {
		struct iovec v = { .iov_base = (void *)(uintptr_t)zeroes };
		ssize_t n;

		v.iov_len = len < (off_t)sizeof(zeroes) ? (size_t)len
							: sizeof(zeroes);
		n = io_pwritev(b->fd, &v, 1, off, 0);
		if (n <= 0)
			return n ? (int)n : -EIO;
		off += n;
		len -= n;
	}
	return 0;
}

static int file_allocate(const struct vblock *b, int mode, off_t off, off_t len)
{
	if (fallocate(b->fd, mode | FALLOC_FL_KEEP_SIZE, off, len) == 0)
		return 0;
	return -errno;
}

static int discard_range(const struct vblock *b, bool zero, uint32_t flags,
			 off_t off, off_t len)
{
	bool unmap = flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	int rc = -EOPNOTSUPP;

	if (flags & ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)
		return -EOPNOTSUPP;
	if (!zero && unmap)
		return -EOPNOTSUPP;
	rc = file_allocate(
		b, zero && !unmap ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE,
		off, len);
	if (rc != -EOPNOTSUPP)
		return rc;
	return zero ? write_zeroes(b, off, len) : 0; /* a hint may be lost */
}

static int discard(struct vblock *b, bool zero, const struct data *d)
{
	uint8_t segs[DISCARD_SEGS * DISCARD_SEG_LEN];

	if (b->read_only || d->len == 0 || d->len % DISCARD_SEG_LEN ||
	    d->len > (zero ? DISCARD_SEG_LEN : sizeof(segs)))
		return -EIO;
	(void)iov_read(d->iov, d->n, 0, segs, d->len);
	for (size_t i = 0; i < d->len; i += DISCARD_SEG_LEN) {
		uint64_t len = (uint64_t)le32_get(segs + i + 8) * SECTOR;
		off_t off;
		int rc = check_range(b, le64_get(segs + i), len, &off);

		if (!rc && len > (uint64_t)DISCARD_MAX_SECTORS * SECTOR)
			rc = -EIO;
		if (!rc && len)
			rc = discard_range(b, zero, le32_get(segs + i + 12),
					   off, (off_t)len);
		if (rc)
			return rc;
	}
	return 0;
}

static int get_id(const struct vblock *b, const struct data *d)
{
	if (d->len < sizeof(b->serial))
		return -EIO;
	(void)iov_write(d->iov, d->n, 0, b->serial, sizeof(b->serial));
	return 0;
}

static int execute(struct vblock *b, uint32_t type, uint64_t sector,
		   const struct data *out, const struct data *in)
{
	switch (type) {
	case VIRTIO_BLK_T_IN:
		return transfer(b, false, sector, *in);
	case VIRTIO_BLK_T_OUT:
		return b->read_only ? -EIO : transfer(b, true, sector, *out);
	case VIRTIO_BLK_T_FLUSH:
		return !b->read_only && fdatasync(b->fd) < 0 ? -errno : 0;
	case VIRTIO_BLK_T_GET_ID:
		return get_id(b, in);
	case VIRTIO_BLK_T_DISCARD:
		return discard(b, false, out);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return discard(b, true, out);
	default:
		return -EOPNOTSUPP;
	}
}

/* False when the request has no room for header or status. */
static bool serve_request(struct vblock *b, struct virtqueue *vq,
			  struct vq_chain *c)
{
	struct data out = { c->readable, c->nread, c->read_len };
	struct data in = { c->writable, c->nwrite, c->write_len };
	uint8_t header[HEADER_LEN], *status;
	struct iovec *last;
	uint32_t type, written = 1;
	int rc;

	if (iov_read(out.iov, out.n, 0, header, sizeof(header)) !=
		    sizeof(header) ||
	    in.len == 0)
		return false;
	type = le32_get(header);
	skip_front(&out, sizeof(header));
	last = &in.iov[in.n - 1];
	status = (uint8_t *)last->iov_base + --last->iov_len;
	in.len--;
	if (last->iov_len == 0)
		in.n--;
	rc = execute(b, type, le64_get(header + 8), &out, &in);
	*status = rc == 0	      ? VIRTIO_BLK_S_OK
		  : rc == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP
				      : VIRTIO_BLK_S_IOERR;
	if (type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID)
		written += (uint32_t)in.len;
	vq_push(vq, c, written);
	return true;
}

static void run_more(struct deferred *d)
{
	struct vblock *b = container_of(d, struct vblock, more);

	b->dev.ops->queue_ready(&b->dev, 0);
}

/* Requests until there are none (0), the turn is over (1) or a fault (< 0). */
static int serve_some(struct vblock *b, struct virtqueue *vq, size_t *budget)
{
	unsigned batch = 0;
	struct vq_chain c;
	int rc;

	while ((rc = vq_pop(vq, b->iov, &c)) > 0) {
		size_t cost = c.read_len + c.write_len + REQUEST_COST;

		if (!serve_request(b, vq, &c)) {
			virtio_fault(&b->dev, "block: malformed request");
			return -1;
		}
		if (++batch % SIGNAL_BATCH == 0)
			vq_signal(vq);
		if (cost >= *budget)
			return 1;
		*budget -= cost;
	}
	if (rc < 0)
		virtio_fault(&b->dev, "block: broken ring or request");
	return rc;
}

static void block_queue_ready(struct virtio_device *d, unsigned q)
{
	struct vblock *b = of(d);
	struct virtqueue *vq = &d->queues[q];
	size_t budget = TURN_BUDGET;
	int rc;

	do {
		vq_disable_kick(vq);
		rc = serve_some(b, vq, &budget);
		vq_signal(vq);
	} while (rc == 0 && vq_enable_kick(vq));
	if (rc > 0)
		loop_defer(d->loop, &b->more, run_more);
}

static int block_start(struct virtio_device *d)
{
	(void)d;
	return 0;
}

static void block_stop(struct virtio_device *d)
{
	/* nothing is in flight between two calls */
	loop_defer_cancel(&of(d)->more);
}

static void block_free(struct virtio_device *d)
{
	struct vblock *b = of(d);

	close_fd(&b->fd);
	free(b);
}

static const struct virtio_device_ops block_ops = {
	.id = VIRTIO_ID_BLOCK,
	.name = "block",
	.wants_thread = true,
	.start = block_start,
	.queue_ready = block_queue_ready,
	.stop = block_stop,
	.free = block_free,
};

static void fill_config(struct vblock *b)
{
	struct virtio_blk_config *c = &b->config;

	c->capacity = htole64(b->size / SECTOR);
	c->seg_max = htole32(SEG_MAX);
	c->blk_size = htole32(SECTOR);
	/* file systems below work in pages: 2^3 sectors of 512 */
	c->physical_block_exp = 3;
	c->min_io_size = htole16(8);
	c->max_discard_sectors = htole32(DISCARD_MAX_SECTORS);
	c->max_discard_seg = htole32(DISCARD_SEGS);
	c->discard_sector_alignment = htole32(8);
	c->max_write_zeroes_sectors = htole32(DISCARD_MAX_SECTORS);
	c->max_write_zeroes_seg = htole32(1);
	c->write_zeroes_may_unmap = 1;
}

int vblock_new(const struct vblock_config *config, struct virtio_device **ret)
{
	size_t serial_len = config->serial ? strlen(config->serial) : 0;
	off_t size = lseek(config->fd, 0, SEEK_END);
	struct vblock *b;

	if (size < 0)
		return -errno;
	if (size % SECTOR || serial_len > VBLOCK_SERIAL_MAX)
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->fd = config->fd;
	b->read_only = config->read_only;
	b->size = (uint64_t)size;
	if (serial_len)
		memcpy(b->serial, config->serial, serial_len);
	fill_config(b);
	b->dev = (struct virtio_device){
		.ops = &block_ops,
		.features =
			BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_BLK_SIZE) |
			BIT(VIRTIO_BLK_F_TOPOLOGY) | BIT(VIRTIO_BLK_F_FLUSH),
		.config = (uint8_t *)&b->config,
		.config_len = sizeof(b->config),
		.nqueues = 1,
	};
	b->dev.features |= b->read_only
				   ? BIT(VIRTIO_BLK_F_RO)
				   : BIT(VIRTIO_BLK_F_DISCARD) |
					     BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	*ret = &b->dev;
	return 0;
}
