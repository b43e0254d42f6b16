/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue 0 carries frames to the guest, queue 1 frames of the guest. Each frame
 * begins with a header that says what the other side may still have to do to
 * it: the checksum, or cutting one long TCP segment into many.
 *
 * Buffers for the guest are taken from the ring ahead of need and held, so that
 * the network can write into several of them at once (VIRTIO_NET_F_MRG_RXBUF).
 * What is held are always the latest requests taken, in order: that is what
 * lets a stopping queue have them back.
 */
#include "virtio/dev/net.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"

#define BIT(n) (1ull << (n))
#define HEADER_LEN sizeof(struct virtio_net_hdr_v1)
#define CONFIG_LEN (offsetof(struct virtio_net_config, mtu) + 2)

/* The longest IPv6 packet in the longest frame; a longer one is dropped. */
#define FRAME_MAX (65535u + 40u + 18u)
/* Buffers held, and parts of each. Without mergeable buffers there is one,
 * which has the parts of all. */
#define HELD_MAX 64u
#define HELD_PARTS 8u
#define PARTS_MAX (HELD_MAX * HELD_PARTS)

/* What a turn may do before the loop looks at the sockets. */
#define TURN_BUDGET (1u << 20)
#define FRAME_COST 2048u
/* Frames of the guest that are answered together. */
#define BATCH 64u

/*
 * The guest takes back what was sent when it sends or receives something else.
 * It is told only of so much, or after so long, in case it waits for that: an
 * interrupt for every few datagrams would cost it more than they do. Not of
 * more: a program that sends datagrams waits when its socket's share of memory
 * is under way, which is less than a hundred of them.
 */
#define SENT_FRAMES 16u
#define SENT_BYTES (64u * 1024)
#define SENT_MS 1u

#define TCP_HEADER_MIN 20u

enum queue { Q_RX, Q_TX, Q_COUNT };

struct vnet {
	struct virtio_device dev;
	struct net *net; /* owned */
	uint8_t config[CONFIG_LEN];
	bool mergeable;
	bool starved; /* the network waits for buffers of the guest */
	struct deferred more;
	unsigned sent_frames; /* since the guest was told */
	size_t sent_bytes;
	struct timer sent;
	/* Held buffers: a ring of which count are used, from first on. */
	struct vq_chain held[HELD_MAX];
	unsigned first, count;
	size_t room; /* bytes in them */
	struct iovec parts[PARTS_MAX];
	struct iovec window[PARTS_MAX]; /* what reserve() gave out */
	struct iovec iov[VQ_MAX_IOV];
};

static struct vnet *of(struct virtio_device *d)
{
	return container_of(d, struct vnet, dev);
}

/* --- frames to the guest --- */

static unsigned held_max(const struct vnet *v)
{
	return v->mergeable ? HELD_MAX : 1;
}

static struct vq_chain *held_at(struct vnet *v, unsigned i)
{
	return &v->held[(v->first + i) % held_max(v)];
}

/* Keep a buffer with its parts, which lie in v->iov; false: a fault. */
static bool hold(struct vnet *v, const struct vq_chain *c)
{
	unsigned slot = (v->first + v->count) % held_max(v);
	unsigned max = PARTS_MAX / held_max(v);
	struct iovec *parts = &v->parts[(size_t)slot * max];

	if (c->nread || c->write_len < HEADER_LEN || c->nwrite > max) {
		virtio_fault(&v->dev, "net: malformed receive buffer");
		return false;
	}
	memcpy(parts, c->writable, c->nwrite * sizeof(*parts));
	v->held[slot] = *c;
	v->held[slot].writable = parts;
	v->count++;
	v->room += c->write_len;
	return true;
}

/* Hold buffers for a frame of len bytes, as far as there are any. */
static void gather(struct vnet *v, size_t len)
{
	while (v->room < len + HEADER_LEN && v->count < held_max(v)) {
		struct vq_chain c;
		int rc = vq_pop(&v->dev.queues[Q_RX], v->iov, &c);

		if (rc < 0)
			virtio_fault(&v->dev, "net: broken receive ring");
		if (rc <= 0 || !hold(v, &c))
			return;
	}
}

static size_t held_room(const struct vnet *v)
{
	return v->room > HEADER_LEN ? v->room - HEADER_LEN : 0;
}

/* What is held, without the place of the header, as one list of len bytes. */
static unsigned make_window(struct vnet *v, size_t len)
{
	size_t skip = HEADER_LEN;
	unsigned n = 0;

	for (unsigned i = 0; i < v->count && len; i++) {
		const struct vq_chain *c = held_at(v, i);
		size_t part = c->write_len - skip;

		part = part < len ? part : len;
		n += iov_slice(c->writable, c->nwrite, skip, part,
			       v->window + n, PARTS_MAX - n);
		len -= part;
		skip = 0;
	}
	return n;
}

static size_t link_reserve(void *ctx, size_t min, size_t max,
			   const struct iovec **iov, unsigned *n)
{
	struct vnet *v = ctx;
	struct virtqueue *vq = &v->dev.queues[Q_RX];
	size_t len;

	gather(v, max);
	while (held_room(v) < min) {
		if (v->count == held_max(v))
			return 0; /* the driver's buffers are too small */
		if (!vq_enable_kick(vq)) {
			v->starved = true;
			return 0;
		}
		vq_disable_kick(vq);
		gather(v, max);
	}
	len = held_room(v) < max ? held_room(v) : max;
	*n = make_window(v, len);
	*iov = v->window;
	return len;
}

static void put_header(const struct net_offload *o, uint16_t buffers,
		       uint8_t ret[HEADER_LEN])
{
	struct virtio_net_hdr_v1 h = { .num_buffers = htole16(buffers) };

	if (o->needs_csum) {
		h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h.csum_start = htole16(o->csum_start);
		h.csum_offset = htole16(o->csum_offset);
	} else if (o->csum_valid) {
		h.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
	if (o->gso_size) {
		h.gso_type = o->gso_v6 ? VIRTIO_NET_HDR_GSO_TCPV6
				       : VIRTIO_NET_HDR_GSO_TCPV4;
		h.gso_size = htole16(o->gso_size);
		h.hdr_len = htole16((uint16_t)(o->csum_start + TCP_HEADER_MIN));
	}
	memcpy(ret, &h, HEADER_LEN);
}

static void link_commit(void *ctx, size_t len, const struct net_offload *o)
{
	struct vnet *v = ctx;
	struct virtqueue *vq = &v->dev.queues[Q_RX];
	const struct vq_chain *head = held_at(v, 0);
	uint8_t header[HEADER_LEN];
	uint16_t buffers = 0;

	virtio_count(&v->dev.read_bytes, len);
	len += HEADER_LEN;
	for (size_t left = len; left && buffers < v->count; buffers++) {
		const struct vq_chain *c = held_at(v, buffers);

		left -= left < c->write_len ? left : c->write_len;
	}
	put_header(o, buffers, header);
	(void)iov_write(head->writable, head->nwrite, 0, header, HEADER_LEN);
	for (; buffers; buffers--) {
		const struct vq_chain *c = held_at(v, 0);
		size_t part = len < c->write_len ? len : c->write_len;

		vq_fill(vq, c, (uint32_t)part);
		len -= part;
		v->room -= c->write_len;
		v->first = (v->first + 1) % held_max(v);
		v->count--;
	}
	vq_publish(vq); /* virtio 1.2, 5.1.6.4: all of a frame at once */
}

static void link_flush(void *ctx)
{
	struct vnet *v = ctx;

	vq_signal(&v->dev.queues[Q_RX]);
}

static const struct net_link_ops link_ops = {
	.reserve = link_reserve,
	.commit = link_commit,
	.flush = link_flush,
};

static void drop_held(struct vnet *v)
{
	v->first = v->count = 0;
	v->room = 0;
	v->starved = false;
}

/* There may be new buffers. */
static void rx_ready(struct vnet *v)
{
	if (!v->starved)
		return;
	v->starved = false;
	vq_disable_kick(&v->dev.queues[Q_RX]);
	net_link_ready(v->net);
}

/* --- frames of the guest --- */

/* False: nonsense, or something that was not agreed. */
static bool get_header(const struct vnet *v, const struct virtio_net_hdr_v1 *h,
		       size_t frame_len, struct net_offload *ret)
{
	struct net_offload o = { .gso_size = le16toh(h->gso_size) };
	unsigned type = h->gso_type & ~(unsigned)VIRTIO_NET_HDR_GSO_ECN;
	uint64_t feature;

	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		o.needs_csum = true;
		o.csum_start = le16toh(h->csum_start);
		o.csum_offset = le16toh(h->csum_offset);
		if (!virtio_has(&v->dev, BIT(VIRTIO_NET_F_CSUM)) ||
		    (size_t)o.csum_start + o.csum_offset + 2 > frame_len)
			return false;
	}
	switch (type) {
	case VIRTIO_NET_HDR_GSO_NONE:
		o.gso_size = 0;
		*ret = o;
		return true;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		feature = BIT(VIRTIO_NET_F_HOST_TSO4);
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		feature = BIT(VIRTIO_NET_F_HOST_TSO6);
		o.gso_v6 = true;
		break;
	default:
		return false;
	}
	*ret = o;
	return virtio_has(&v->dev, feature) && o.needs_csum && o.gso_size;
}

/* One frame of the guest; false: a fault. */
static bool serve_frame(struct vnet *v, const struct vq_chain *c)
{
	struct virtio_net_hdr_v1 h;
	struct net_offload o;
	struct iovec *iov = c->readable;
	unsigned n = c->nread;
	size_t skip = HEADER_LEN;

	if (c->nwrite || c->read_len < HEADER_LEN) {
		virtio_fault(&v->dev, "net: malformed frame");
		return false;
	}
	(void)iov_read(iov, n, 0, &h, HEADER_LEN);
	while (n && skip >= iov->iov_len) {
		skip -= iov->iov_len;
		iov++;
		n--;
	}
	if (!n || c->read_len > FRAME_MAX + HEADER_LEN ||
	    !get_header(v, &h, c->read_len - HEADER_LEN, &o))
		return true; /* lost, as on any link */
	virtio_count(&v->dev.written_bytes, c->read_len - HEADER_LEN);
	iov->iov_base = (uint8_t *)iov->iov_base + skip;
	iov->iov_len -= skip;
	net_input(v->net, iov, n, &o);
	return true;
}

/* Frames until there are none (0), the turn is over (1) or a fault (< 0). */
static int serve_some(struct vnet *v, size_t *budget)
{
	struct virtqueue *vq = &v->dev.queues[Q_TX];
	struct vq_chain c;
	int rc = 0;

	for (unsigned i = 0; i < BATCH; i++) {
		size_t cost;

		rc = vq_pop(vq, v->iov, &c);
		if (rc <= 0)
			break;
		if (!serve_frame(v, &c))
			return -1;
		vq_push(vq, &c, 0);
		v->sent_frames++;
		v->sent_bytes += c.read_len;
		cost = c.read_len + FRAME_COST;
		*budget -= cost < *budget ? cost : *budget;
		if (!*budget)
			return 1;
	}
	if (rc < 0)
		virtio_fault(&v->dev, "net: broken transmit ring or frame");
	return rc;
}

static void tell_sent(struct vnet *v)
{
	loop_timer_cancel(&v->sent);
	v->sent_frames = 0;
	v->sent_bytes = 0;
	vq_signal(&v->dev.queues[Q_TX]);
}

static void on_sent(struct timer *t)
{
	tell_sent(container_of(t, struct vnet, sent));
}

/* At the end of a turn. */
static void tell_sent_soon(struct vnet *v)
{
	unsigned few = v->dev.queues[Q_TX].size / 4;

	if (v->sent_frames >= SENT_FRAMES || v->sent_frames > few ||
	    v->sent_bytes >= SENT_BYTES)
		tell_sent(v);
	else if (v->sent_frames && !v->sent.loop)
		loop_timer(v->dev.loop, &v->sent, SENT_MS, on_sent);
}

static void tx_ready(struct vnet *v);

static void run_more(struct deferred *d)
{
	tx_ready(container_of(d, struct vnet, more));
}

static void tx_ready(struct vnet *v)
{
	struct virtqueue *vq = &v->dev.queues[Q_TX];
	size_t budget = TURN_BUDGET;
	int rc;

	do {
		vq_disable_kick(vq);
		rc = serve_some(v, &budget);
		net_input_end(v->net);
		tell_sent_soon(v);
	} while (budget && (rc > 0 || (rc == 0 && vq_enable_kick(vq))));
	if (rc > 0)
		loop_defer(v->dev.loop, &v->more, run_more);
}

/* --- device --- */

static void net_queue_ready(struct virtio_device *d, unsigned q)
{
	if (q == Q_RX)
		rx_ready(of(d));
	else
		tx_ready(of(d));
}

static void net_queue_stop(struct virtio_device *d, unsigned q)
{
	struct vnet *v = of(d);

	if (q == Q_TX) {
		loop_defer_cancel(&v->more);
		loop_timer_cancel(&v->sent);
		v->sent_frames = 0;
		v->sent_bytes = 0;
		return;
	}
	for (; v->count; v->count--)
		vq_unpop(&d->queues[Q_RX]);
	drop_held(v);
	v->starved = true; /* to be told when the queue works again */
}

static int net_start(struct virtio_device *d)
{
	struct vnet *v = of(d);
	const struct net_link link = {
		.ops = &link_ops,
		.ctx = v,
		.csum = virtio_has(d, BIT(VIRTIO_NET_F_GUEST_CSUM)),
		.tso4 = virtio_has(d, BIT(VIRTIO_NET_F_GUEST_TSO4)),
		.tso6 = virtio_has(d, BIT(VIRTIO_NET_F_GUEST_TSO6)),
	};

	drop_held(v);
	v->mergeable = virtio_has(d, BIT(VIRTIO_NET_F_MRG_RXBUF));
	return net_attach(v->net, d->loop, &link);
}

static void net_stop(struct virtio_device *d)
{
	struct vnet *v = of(d);

	loop_defer_cancel(&v->more);
	loop_timer_cancel(&v->sent);
	net_detach(v->net);
	drop_held(v);
}

static void vnet_free(struct virtio_device *d)
{
	struct vnet *v = of(d);

	v->net = net_free(v->net);
	free(v);
}

static const struct virtio_device_ops net_ops = {
	.id = VIRTIO_ID_NET,
	.name = "net",
	.wants_thread = true,
	.start = net_start,
	.queue_ready = net_queue_ready,
	.queue_stop = net_queue_stop,
	.stop = net_stop,
	.free = vnet_free,
};

/* No VIRTIO_NET_F_STATUS: the link is always up, and a driver that may ask
 * does so later and in the background. */
static void set_config(struct vnet *v, const struct net_addresses *a)
{
	memcpy(v->config, a->guest_mac, NET_MAC_LEN);
	le16_put(v->config + offsetof(struct virtio_net_config, mtu), a->mtu);
}

int vdev_net_new(struct net *take, struct virtio_device **ret)
{
	struct vnet *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->net = take;
	set_config(v, net_link_addresses(take));
	v->dev = (struct virtio_device){
		.ops = &net_ops,
		.features = BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_MTU) |
			    BIT(VIRTIO_NET_F_CSUM) |
			    BIT(VIRTIO_NET_F_GUEST_CSUM) |
			    BIT(VIRTIO_NET_F_HOST_TSO4) |
			    BIT(VIRTIO_NET_F_HOST_TSO6) |
			    BIT(VIRTIO_NET_F_GUEST_TSO4) |
			    BIT(VIRTIO_NET_F_GUEST_TSO6) |
			    BIT(VIRTIO_NET_F_MRG_RXBUF),
		.config = v->config,
		.config_len = CONFIG_LEN,
		.nqueues = Q_COUNT,
	};
	*ret = &v->dev;
	return 0;
}

int vdev_net_set_policy(struct virtio_device *d, struct policy *take)
{
	return net_set_policy(of(d)->net, take);
}
