/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue 0 carries FORGET, ahead of everything else; queue 1 the requests that
 * are answered. They are carried out one after the other on the device's own
 * thread: on one guest CPU there is rarely a second one waiting, and the host's
 * page cache answers faster than a hand-over to another thread would.
 */
#include "virtio/dev/fs.h"

#include <errno.h>
#include <linux/virtio_fs.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define NQUEUES 2u
/* One request; FUSE is told to send none above 1 MiB. */
#define TRANSFER_MAX (4u << 20)
/* Bytes served before the loop gets its turn, so that a driver which never
 * stops asking cannot keep us from stopping the device. */
#define TURN_BUDGET (32u << 20)
#define REQUEST_COST 4096u
/* Completed requests, or bytes of theirs, before the driver hears of them at
 * the latest: with data it has something to do while we go on. */
#define SIGNAL_BATCH 16u
#define SIGNAL_BYTES (64u << 10)

struct vfs {
	struct virtio_device dev;
	struct fs_server *server; /* owned */
	struct virtio_fs_config config;
	struct deferred more;
	struct iovec iov[VQ_MAX_IOV];
};

static struct vfs *of(struct virtio_device *d)
{
	return container_of(d, struct vfs, dev);
}

/* The server counts what is data among its requests and replies. */
static void count(struct vfs *f)
{
	uint64_t read, written;

	fs_server_counts(f->server, &read, &written);
	atomic_store_explicit(&f->dev.read_bytes, read, memory_order_relaxed);
	atomic_store_explicit(&f->dev.written_bytes, written,
			      memory_order_relaxed);
}

/* Requests until there are none (0), the turn is over (1) or a fault (< 0). */
static int serve_some(struct vfs *f, struct virtqueue *vq, size_t *budget)
{
	size_t bytes = 0;
	unsigned batch = 0;
	struct vq_chain c;
	int rc;

	while ((rc = vq_pop(vq, f->iov, &c)) > 0) {
		size_t cost = c.read_len + c.write_len + REQUEST_COST;
		ssize_t len;

		if (c.read_len > TRANSFER_MAX || c.write_len > TRANSFER_MAX) {
			virtio_fault(&f->dev, "fs: request too large");
			return -1;
		}
		len = fs_handle(f->server, c.readable, c.nread, c.writable,
				c.nwrite);
		vq_push(vq, &c, (uint32_t)len);
		count(f);
		bytes += c.read_len + c.write_len;
		if (++batch == SIGNAL_BATCH || bytes >= SIGNAL_BYTES) {
			vq_signal(vq);
			batch = 0;
			bytes = 0;
		}
		if (cost >= *budget)
			return 1;
		*budget -= cost;
	}
	if (rc < 0)
		virtio_fault(&f->dev, "fs: broken ring or request");
	return rc;
}

static void run_more(struct deferred *d)
{
	struct vfs *f = container_of(d, struct vfs, more);

	for (unsigned q = 0; q < NQUEUES; q++)
		f->dev.ops->queue_ready(&f->dev, q);
}

static void fs_queue_ready(struct virtio_device *d, unsigned q)
{
	struct vfs *f = of(d);
	struct virtqueue *vq = &d->queues[q];
	size_t budget = TURN_BUDGET;
	int rc;

	do {
		vq_disable_kick(vq);
		rc = serve_some(f, vq, &budget);
		vq_signal(vq);
	} while (rc == 0 && vq_enable_kick(vq));
	if (rc == 0)
		fs_idle(of(d)->server);
	if (rc > 0)
		loop_defer(d->loop, &f->more, run_more);
}

static int fs_start(struct virtio_device *d)
{
	fs_server_reset(of(d)->server);
	return 0;
}

static void fs_stop(struct virtio_device *d)
{
	/* nothing is in flight between two calls */
	loop_defer_cancel(&of(d)->more);
	fs_server_reset(of(d)->server);
}

static void fs_free(struct virtio_device *d)
{
	struct vfs *f = of(d);

	f->server = fs_server_free(f->server);
	free(f);
}

static const struct virtio_device_ops fs_ops = {
	.id = VIRTIO_ID_FS,
	.name = "fs",
	.wants_thread = true,
	.start = fs_start,
	.queue_ready = fs_queue_ready,
	.stop = fs_stop,
	.free = fs_free,
};

int vdev_fs_new(const char *tag, struct fs_server *take,
		struct virtio_device **ret)
{
	size_t len = strlen(tag);
	struct vfs *f;

	if (!len || len > VFS_TAG_MAX)
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	memcpy(f->config.tag, tag, len);
	f->config.num_request_queues = htole32(NQUEUES - 1);
	f->server = take;
	f->dev = (struct virtio_device){
		.ops = &fs_ops,
		.config = (uint8_t *)&f->config,
		.config_len = sizeof(f->config),
		.nqueues = NQUEUES,
	};
	*ret = &f->dev;
	return 0;
}
