/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Served on the owner's loop, so a request is short whatever its size: the
 * device may fill less of a buffer than there is, and a turn ends after a few.
 */
#include "virtio/dev/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/compiler.h"

#define REQUEST_MAX 4096u
/* Bytes made before others get their turn on the loop, some 100 us. */
#define TURN_BUDGET (16u * REQUEST_MAX)
#define REQUEST_COST 256u

struct vrng {
	struct virtio_device dev;
	struct deferred more;
	uint8_t bytes[REQUEST_MAX];
	struct iovec iov[VQ_MAX_IOV];
};

static struct vrng *of(struct virtio_device *d)
{
	return container_of(d, struct vrng, dev);
}

/* How many bytes were made, or -1. */
static ssize_t serve_request(struct vrng *r, struct virtqueue *vq,
			     const struct vq_chain *c)
{
	size_t len = c->write_len < REQUEST_MAX ? c->write_len : REQUEST_MAX;
	ssize_t n;

	if (c->nread || !c->nwrite) {
		virtio_fault(&r->dev, "rng: malformed request");
		return -1;
	}
	do
		n = getrandom(r->bytes, len, GRND_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0) { /* a host that has only just been switched on */
		virtio_fault(&r->dev, "rng: the host has no random bytes");
		return -1;
	}
	(void)iov_write(c->writable, c->nwrite, 0, r->bytes, (size_t)n);
	/* these are the guest's secrets now */
	explicit_bzero(r->bytes, (size_t)n);
	vq_push(vq, c, (uint32_t)n);
	return n;
}

/* Requests until there are none (0), the turn is over (1) or a fault (< 0). */
static int serve_some(struct vrng *r, struct virtqueue *vq, size_t *budget)
{
	struct vq_chain c;
	int rc;

	while ((rc = vq_pop(vq, r->iov, &c)) > 0) {
		ssize_t n = serve_request(r, vq, &c);

		if (n < 0)
			return -1;
		if ((size_t)n + REQUEST_COST >= *budget)
			return 1;
		*budget -= (size_t)n + REQUEST_COST;
	}
	if (rc < 0)
		virtio_fault(&r->dev, "rng: broken ring or request");
	return rc;
}

static void run_more(struct deferred *d)
{
	struct vrng *r = container_of(d, struct vrng, more);

	r->dev.ops->queue_ready(&r->dev, 0);
}

static void rng_queue_ready(struct virtio_device *d, unsigned q)
{
	struct vrng *r = of(d);
	struct virtqueue *vq = &d->queues[q];
	size_t budget = TURN_BUDGET;
	int rc;

	do {
		vq_disable_kick(vq);
		rc = serve_some(r, vq, &budget);
		vq_signal(vq);
	} while (rc == 0 && vq_enable_kick(vq));
	if (rc > 0)
		loop_defer(d->loop, &r->more, run_more);
}

static int rng_start(struct virtio_device *d)
{
	(void)d;
	return 0;
}

static void rng_stop(struct virtio_device *d)
{
	/* nothing is in flight between two calls */
	loop_defer_cancel(&of(d)->more);
}

static void rng_free(struct virtio_device *d)
{
	free(of(d));
}

static const struct virtio_device_ops rng_ops = {
	.id = VIRTIO_ID_RNG,
	.name = "rng",
	.start = rng_start,
	.queue_ready = rng_queue_ready,
	.stop = rng_stop,
	.free = rng_free,
};

int vrng_new(struct virtio_device **ret)
{
	struct vrng *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->dev = (struct virtio_device){ .ops = &rng_ops, .nqueues = 1 };
	*ret = &r->dev;
	return 0;
}
