/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile driver of the network card: the input is the whole of guest memory,
 * both rings included. Input: flags:1 size_log2:1 last_avail:2, then desc:2
 * avail:2 used:2 of each ring, then memory. The network behind the card reads
 * every byte it gets, and answers each frame with others, as far as there are
 * buffers.
 */
#include <linux/virtio_net.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "virtio/dev/net.h"

#define HEAD 16
#define GPA 0x1000ull
#define TURNS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct net {
	struct net_addresses addr;
	struct net_link link;
	uint32_t sum; /* what was read, and decides what is answered */
};

static struct net the_net;

const struct net_addresses *net_link_addresses(const struct net *n)
{
	return &n->addr;
}

int net_set_policy(struct net *n, struct policy *take)
{
	(void)n;
	(void)take;
	return 0;
}

struct net *net_free(struct net *n)
{
	(void)n;
	return NULL;
}

int net_attach(struct net *n, struct loop *l, const struct net_link *link)
{
	(void)l;
	n->link = *link;
	return 0;
}

void net_detach(struct net *n)
{
	(void)n;
}

static void answer(struct net *n)
{
	const struct net_offload o = { .needs_csum = n->sum & 1,
				       .csum_start = 34,
				       .csum_offset = 16,
				       .gso_size = n->sum & 2 ? 1448 : 0 };
	const struct iovec *iov;
	unsigned niov;
	size_t len = n->link.ops->reserve(n->link.ctx, 60, 60 + n->sum % 65000,
					  &iov, &niov);

	if (!len)
		return;
	if (len < 60 || len != iov_len(iov, niov))
		abort();
	for (unsigned i = 0; i < niov; i++)
		memset(iov[i].iov_base, (int)n->sum, iov[i].iov_len);
	if (n->sum & 4) /* else it is not sent after all */
		n->link.ops->commit(n->link.ctx, n->sum & 8 ? len : 60, &o);
}

void net_input(struct net *n, const struct iovec *iov, unsigned niov,
	       const struct net_offload *o)
{
	size_t len = 0;

	for (unsigned i = 0; i < niov; i++) {
		const uint8_t *p = iov[i].iov_base;

		len += iov[i].iov_len;
		for (size_t k = 0; k < iov[i].iov_len; k++)
			n->sum = n->sum * 31 + p[k];
	}
	if (!len ||
	    (o->needs_csum && (size_t)o->csum_start + o->csum_offset + 2 > len))
		abort();
	if (o->gso_size && !o->needs_csum)
		abort();
	answer(n);
}

void net_input_end(struct net *n)
{
	n->link.ops->flush(n->link.ctx);
}

void net_link_ready(struct net *n)
{
	answer(n);
}

static void count(struct virtqueue *vq)
{
	(*(unsigned *)vq->notify_ctx)++;
}

static void serve(struct virtio_device *dev)
{
	for (unsigned i = 0; i < TURNS; i++) {
		dev->ops->queue_ready(dev, 1);
		dev->ops->queue_ready(dev, 0);
		answer(&the_net);
		(void)loop_turn(dev->loop, 0);
	}
	for (unsigned q = 0; q < 2; q++) {
		dev->ops->queue_stop(dev, q);
		vq_stop(&dev->queues[q]);
	}
	dev->ops->stop(dev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loop *loop;
	struct guest_memory m = { .nregions = 0 };
	struct gmem_region r = { .gpa = GPA, .user = GPA };
	struct virtio_device *dev;
	unsigned notified = 0;
	uint8_t *mem;

	if (size <= HEAD || size > 1 << 18 || (!loop && loop_new(&loop)) ||
	    vdev_net_new(&the_net, &dev))
		return 0;
	/* of exactly the size, so that the sanitizer sees the ends */
	if (posix_memalign((void **)&mem, 16, size - HEAD)) {
		dev->ops->free(dev);
		return 0;
	}
	memcpy(mem, data + HEAD, size - HEAD);
	r.host = mem;
	r.len = size - HEAD;
	(void)gmem_add(&m, &r);
	the_net.sum = 0;
	dev->loop = loop;
	dev->mem = &m;
	dev->acked = dev->features;
	if (data[0] & 4)
		dev->acked &= ~(1ull << VIRTIO_NET_F_MRG_RXBUF);
	if (data[0] & 8)
		dev->acked &= ~(1ull << VIRTIO_NET_F_CSUM);
	(void)dev->ops->start(dev);
	for (unsigned q = 0; q < 2; q++) {
		struct virtqueue *vq = &dev->queues[q];
		const uint8_t *at = data + 4 + 6 * (size_t)q;
		const struct vq_rings rings = {
			GPA + (uint64_t)le16_get(at),
			GPA + (uint64_t)le16_get(at + 2),
			GPA + (uint64_t)le16_get(at + 4),
		};

		vq->event_idx = data[0] & 1;
		vq->indirect = data[0] & 2;
		vq->notify = count;
		vq->notify_ctx = &notified;
		(void)vq_start(vq, &m, (uint16_t)(1u << (data[1] & 15)),
			       le16_get(data + 2), &rings, gmem_range);
	}
	serve(dev);
	dev->ops->free(dev);
	free(mem);
	return 0;
}
