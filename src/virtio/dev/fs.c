/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue 0 carries FORGET, ahead of everything else; queue 1 the requests that
 * are answered. They are carried out one after the other on the device's own
 * thread: on one guest CPU there is rarely a second one waiting, and the host's
 * page cache answers faster than a hand-over to another thread would.
 *
 * Programs that work on many files ask for one thing at a time. To be woken for
 * each, and the guest's kick before, takes longer than most answers. So while
 * requests follow each other closely the thread does not sleep at once but
 * watches the rings for a while. Each request that comes too late for that, but
 * soon, doubles the while; one that does not come soon ends the watching.
 */
#include "virtio/dev/fs.h"

#include <errno.h>
#include <linux/virtio_fs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"

#define NQUEUES 2u
/* One request; FUSE is told to send none above 1 MiB. */
#define TRANSFER_MAX (4u << 20)
/* Before the loop gets its turn, so that a driver which never stops asking
 * cannot keep us from stopping the device. */
#define TURN_BYTES (32u << 20)
#define TURN_NS (10 * NSEC_PER_MSEC)
#define REQUEST_COST 4096u
/* The first while, and "soon": what KVM spends on a vCPU that waits. */
#define WATCH_MIN_NS 50000u
#define WATCH_MAX_NS 200000u
/* Whoever watches offers the processor to others all the time. When one of them
 * took it for this long, there is no watching for the latter time: they need it
 * more. */
#define YIELD_MAX_NS 60000u
#define CROWDED_NS (10 * NSEC_PER_MSEC)
/* Completed requests, or bytes of theirs, before the driver hears of them at
 * the latest: with data it has something to do while we go on. */
#define SIGNAL_BATCH 16u
#define SIGNAL_BYTES (64u << 10)

struct vfs {
	struct virtio_device dev;
	struct fs_server *server; /* owned */
	struct virtio_fs_config config;
	struct deferred more;
	uint64_t idle_since_ns;
	uint64_t watch_ns; /* before sleeping */
	uint64_t crowded_until_ns;
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

/*
 * Both queues. The driver is told at once of answers; of FORGETs that are done
 * it has only buffers back, which can wait until it is told to kick again.
 */
static int serve_queues(struct vfs *f, size_t *budget)
{
	struct virtqueue *forgets = &f->dev.queues[0];
	struct virtqueue *requests = &f->dev.queues[1];
	int rc;

	vq_disable_kick(forgets);
	rc = serve_some(f, forgets, budget);
	if (rc)
		return rc;
	vq_disable_kick(requests);
	rc = serve_some(f, requests, budget);
	vq_signal(requests);
	return rc;
}

static bool any_waits(const struct vfs *f)
{
	return vq_waiting(&f->dev.queues[0]) || vq_waiting(&f->dev.queues[1]);
}

/* True when a request came while the rings were watched. */
static bool watch_rings(struct vfs *f)
{
	uint64_t now = clock_mono_ns(), end = now + f->watch_ns;
	uint64_t before = now;

	f->idle_since_ns = now;
	while (!any_waits(f)) {
		if (now >= end)
			return false;
		if (now - before > YIELD_MAX_NS) {
			f->watch_ns = 0;
			f->crowded_until_ns = now + CROWDED_NS;
			return false;
		}
		before = now;
		(void)sched_yield();
		now = clock_mono_ns();
	}
	return true;
}

/* A request came after all; was it worth watching for? */
static void adapt_watch(struct vfs *f)
{
	uint64_t now = clock_mono_ns();

	if (now - f->idle_since_ns > WATCH_MAX_NS || now < f->crowded_until_ns)
		f->watch_ns = 0;
	else if (!f->watch_ns)
		f->watch_ns = WATCH_MIN_NS;
	else if (f->watch_ns < WATCH_MAX_NS)
		f->watch_ns *= 2;
}

/* True when requests have arrived meanwhile. */
static bool enable_kicks(struct vfs *f)
{
	bool more = false;

	vq_signal(&f->dev.queues[0]);
	for (unsigned q = 0; q < NQUEUES; q++)
		more |= vq_enable_kick(&f->dev.queues[q]);
	return more;
}

static void run_more(struct deferred *d);

static void serve_turn(struct vfs *f)
{
	uint64_t end = clock_mono_ns() + TURN_NS;
	size_t budget = TURN_BYTES;
	int rc;

	do {
		rc = serve_queues(f, &budget);
		if (rc)
			break;
		fs_idle(f->server);
		rc = clock_mono_ns() >= end;
	} while (!rc && (watch_rings(f) || enable_kicks(f)));
	if (rc <= 0)
		return;
	vq_signal(&f->dev.queues[0]);
	loop_defer(f->dev.loop, &f->more, run_more);
}

static void run_more(struct deferred *d)
{
	serve_turn(container_of(d, struct vfs, more));
}

static void fs_queue_ready(struct virtio_device *d, unsigned q)
{
	(void)q;
	if (any_waits(of(d))) /* else the other queue's kick was enough */
		adapt_watch(of(d));
	serve_turn(of(d));
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
