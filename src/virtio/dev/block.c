/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is {type:4 reserved:4 sector:8}, data, {status:1}; data goes
 * between the disk and guest memory without a copy. Requests are carried out
 * one after the other on the device's own thread: the page cache behind a
 * file is what makes that fast, and the guest's elevator has merged already.
 */
#include "virtio/dev/block.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_blk.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "virtio/disk/disk_int.h"

#define SECTOR DISK_SECTOR
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

static_assert(VQ_MAX_IOV <= DISK_IOV_MAX, "a request fits one call");

struct vblock {
	struct virtio_device dev;
	struct disk *disk; /* owned */
	atomic_bool settled;
	bool owes_flush;
	char serial[VBLOCK_SERIAL_MAX];
	struct virtio_blk_config config;
	struct deferred more;
	struct iovec iov[VQ_MAX_IOV];
};

static struct vblock *of(struct virtio_device *d)
{
	return container_of(d, struct vblock, dev);
}

static int transfer(struct vblock *b, bool write, uint64_t sector,
		    const struct disk_data *d)
{
	/* without the FLUSH feature every write is durable by itself */
	bool durable = !virtio_has(&b->dev, BIT(VIRTIO_BLK_F_FLUSH));
	size_t len = d->len; /* the list is used up in the transfer */
	int rc;

	if (d->len > TRANSFER_MAX || sector > UINT64_MAX / SECTOR)
		return -EIO;
	if (write)
		rc = disk_write(b->disk, d->iov, d->n, sector * SECTOR,
				durable);
	else
		rc = disk_read(b->disk, d->iov, d->n, sector * SECTOR);
	if (!rc)
		virtio_count(write ? &b->dev.written_bytes : &b->dev.read_bytes,
			     len);
	return rc;
}

static int discard_range(const struct vblock *b, bool zero, uint32_t flags,
			 uint64_t off, uint64_t len)
{
	bool unmap = flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

	if (flags & ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP || (!zero && unmap))
		return -EOPNOTSUPP;
	return zero ? disk_zero(b->disk, off, len, unmap)
		    : disk_discard(b->disk, off, len);
}

static int discard(struct vblock *b, bool zero, const struct disk_data *d)
{
	uint8_t segs[DISCARD_SEGS * DISCARD_SEG_LEN];

	if (disk_read_only(b->disk) || d->len == 0 ||
	    d->len % DISCARD_SEG_LEN ||
	    d->len > (zero ? DISCARD_SEG_LEN : sizeof(segs)))
		return -EIO;
	(void)iov_read(d->iov, d->n, 0, segs, d->len);
	for (size_t i = 0; i < d->len; i += DISCARD_SEG_LEN) {
		uint64_t sector = le64_get(segs + i);
		uint32_t sectors = le32_get(segs + i + 8);
		int rc = -EIO;

		if (sector <= UINT64_MAX / SECTOR &&
		    sectors <= DISCARD_MAX_SECTORS)
			rc = discard_range(b, zero, le32_get(segs + i + 12),
					   sector * SECTOR,
					   (uint64_t)sectors * SECTOR);
		if (rc)
			return rc;
	}
	return 0;
}

static int get_id(const struct vblock *b, const struct disk_data *d)
{
	if (d->len < sizeof(b->serial))
		return -EIO;
	(void)iov_write(d->iov, d->n, 0, b->serial, sizeof(b->serial));
	return 0;
}

static int flush(struct vblock *b)
{
	b->owes_flush = !atomic_load(&b->settled);
	return b->owes_flush ? 0 : disk_flush(b->disk);
}

void vblock_settle(struct virtio_device *d)
{
	atomic_store(&of(d)->settled, true);
}

static int execute(struct vblock *b, uint32_t type, uint64_t sector,
		   const struct disk_data *out, const struct disk_data *in)
{
	switch (type) {
	case VIRTIO_BLK_T_IN:
		return transfer(b, false, sector, in);
	case VIRTIO_BLK_T_OUT:
		return transfer(b, true, sector, out);
	case VIRTIO_BLK_T_FLUSH:
		return flush(b);
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
	struct disk_data out = { c->readable, c->nread, c->read_len };
	struct disk_data in = { c->writable, c->nwrite, c->write_len };
	uint8_t header[HEADER_LEN], *status;
	struct iovec *last;
	uint32_t type, written = 1;
	int rc;

	if (iov_read(out.iov, out.n, 0, header, sizeof(header)) !=
		    sizeof(header) ||
	    in.len == 0)
		return false;
	type = le32_get(header);
	disk_data_skip(&out, sizeof(header));
	last = &in.iov[in.n - 1];
	status = (uint8_t *)last->iov_base + --last->iov_len;
	in.len--;
	if (last->iov_len == 0)
		in.n--;
	/* one that fails leaves the disk unsynced: the next is told */
	if (b->owes_flush)
		(void)flush(b);
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

	b->disk = disk_free(b->disk);
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

	c->capacity = htole64(disk_size(b->disk) / SECTOR);
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
	struct vblock *b;

	if (serial_len > VBLOCK_SERIAL_MAX)
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->disk = config->disk;
	atomic_init(&b->settled, !config->unsettled);
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
	b->dev.features |= disk_read_only(b->disk)
				   ? BIT(VIRTIO_BLK_F_RO)
				   : BIT(VIRTIO_BLK_F_DISCARD) |
					     BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	*ret = &b->dev;
	return 0;
}
