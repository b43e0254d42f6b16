/* SPDX-License-Identifier: Apache-2.0 */
/* The network card between a driver's rings and a network that only records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "driver.h"
#include "virtio/dev/net.h"

#define BIT(n) (1ull << (n))
#define HEADER 12u
#define FRAMES_MAX 600

enum { RX, TX };

/* --- the network --- */

struct frame {
	size_t len;
	struct net_offload o;
	uint8_t head[64];
};

struct net {
	struct net_addresses addr;
	struct net_link link;
	bool attached;
	struct frame frames[FRAMES_MAX];
	unsigned nframes, ends, readies;
};

static struct net the_net;

const struct net_addresses *net_link_addresses(const struct net *n)
{
	return &n->addr;
}

struct net *net_free(struct net *n)
{
	(void)n;
	return NULL;
}

int net_attach(struct net *n, struct loop *l, const struct net_link *link)
{
	assert_non_null(l);
	n->link = *link;
	n->attached = true;
	return 0;
}

void net_detach(struct net *n)
{
	n->attached = false;
}

void net_input(struct net *n, const struct iovec *iov, unsigned niov,
	       const struct net_offload *o)
{
	struct frame *f = &n->frames[n->nframes++];

	assert_true(n->attached && niov > 0 && n->nframes < FRAMES_MAX);
	f->len = iov_len(iov, niov);
	f->o = *o;
	(void)iov_read(iov, niov, 0, f->head, sizeof(f->head));
}

void net_input_end(struct net *n)
{
	n->ends++;
}

void net_link_ready(struct net *n)
{
	n->readies++;
}

/* --- the driver --- */

static uint8_t memory[2 << 20];

struct fixture {
	struct drv_mem mem;
	struct drv_queue q[2];
	struct virtio_device *dev;
	struct loop *loop;
	unsigned notified[2];
};

static struct fixture f;

static void begin(uint64_t without)
{
	f.dev->acked = f.dev->features & ~without;
	assert_int_equal(f.dev->ops->start(f.dev), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(drv_attach(&f.q[i], &f.dev->queues[i], false,
					    &f.notified[i]),
				 0);
}

static int setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	memset(&the_net, 0, sizeof(the_net));
	memset(memory, 0, sizeof(memory));
	the_net.addr = (struct net_addresses){
		.guest_mac = { 2, 0x6d, 0x73, 0x12, 0x34, 2 }, .mtu = 1400
	};
	drv_mem_init(&f.mem, memory, 0x10000, sizeof(memory));
	drv_queue_init(&f.q[RX], &f.mem, 256);
	drv_queue_init(&f.q[TX], &f.mem, 256);
	if (loop_new(&f.loop) || vdev_net_new(&the_net, &f.dev))
		return -1;
	f.dev->loop = f.loop;
	f.dev->mem = &f.mem.gm;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned q = 0; q < 2; q++)
		f.dev->ops->queue_stop(f.dev, q);
	f.dev->ops->stop(f.dev);
	assert_false(the_net.attached);
	f.dev->ops->free(f.dev);
	f.loop = loop_free(f.loop);
	return 0;
}

static void put_header(uint8_t *p, const struct virtio_net_hdr_v1 *h)
{
	memcpy(p, h, sizeof(*h));
}

/* Frame of len bytes behind its header, cut into parts of at most part bytes.
 */
static void post_frame(const struct virtio_net_hdr_v1 *h, uint32_t len,
		       uint32_t part)
{
	uint64_t gpa = drv_alloc(&f.mem, HEADER + (size_t)len);
	struct drv_seg seg[64];
	unsigned n = 0;

	put_header(drv_ptr(&f.mem, gpa), h);
	for (uint32_t i = 0; i < len && i < 64; i++)
		((uint8_t *)drv_ptr(&f.mem, gpa))[HEADER + i] = (uint8_t)i;
	for (uint32_t off = 0; off < HEADER + len; off += part)
		seg[n++] = (struct drv_seg){ gpa + off,
					     part < HEADER + len - off
						     ? part
						     : HEADER + len - off,
					     false };
	(void)drv_add(&f.q[TX], seg, n, false);
}

static void kick(unsigned q)
{
	f.dev->ops->queue_ready(f.dev, q);
}

/* A receive buffer; where it is. */
static uint64_t post_buffer(uint32_t len)
{
	struct drv_seg seg = { drv_alloc(&f.mem, len), len, true };

	(void)drv_add(&f.q[RX], &seg, 1, false);
	return seg.gpa;
}

static size_t reserve(size_t min, size_t max, const struct iovec **iov,
		      unsigned *n)
{
	return the_net.link.ops->reserve(the_net.link.ctx, min, max, iov, n);
}

static void commit(size_t len, const struct net_offload *o)
{
	the_net.link.ops->commit(the_net.link.ctx, len, o);
}

static struct virtio_net_hdr_v1 header_at(uint64_t gpa)
{
	struct virtio_net_hdr_v1 h;

	memcpy(&h, drv_ptr(&f.mem, gpa), sizeof(h));
	return h;
}

static const struct virtio_net_hdr_v1 plain;
static const struct net_offload no_offload;

/* --- tests --- */

static void t_config(void **state)
{
	(void)state;
	assert_int_equal(f.dev->config_len, 12);
	assert_memory_equal(f.dev->config, the_net.addr.guest_mac, 6);
	assert_int_equal(le16_get(f.dev->config + 10), 1400);
	assert_int_equal(f.dev->nqueues, 2);
	assert_true(f.dev->ops->wants_thread);
	begin(0);
	assert_true(the_net.link.csum && the_net.link.tso4 &&
		    the_net.link.tso6);
	f.dev->ops->stop(f.dev);
	begin(BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6));
	assert_true(the_net.link.csum && !the_net.link.tso4 &&
		    !the_net.link.tso6);
}

static void t_transmit(void **state)
{
	static const uint32_t parts[] = { 12 + 100, 12, 5, 13 };

	(void)state;
	begin(0);
	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
		post_frame(&plain, 100, parts[i]);
	kick(TX);
	assert_int_equal(the_net.nframes, ARRAY_SIZE(parts));
	assert_int_equal(the_net.ends, 1);
	assert_int_equal(f.notified[TX], 0); /* there is no hurry */
	while (!f.notified[TX])
		assert_int_equal(loop_turn(f.loop, 1000), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
		uint32_t id, len;

		assert_int_equal(the_net.frames[i].len, 100);
		assert_false(the_net.frames[i].o.needs_csum);
		assert_int_equal(the_net.frames[i].o.gso_size, 0);
		for (unsigned k = 0; k < 64; k++)
			assert_int_equal(the_net.frames[i].head[k], k);
		assert_true(drv_used(&f.q[TX], &id, &len));
		assert_int_equal(len, 0);
	}
}

static void t_transmit_many(void **state)
{
	(void)state;
	begin(0);
	for (unsigned i = 0; i < 64; i++)
		post_frame(&plain, 100, 112);
	kick(TX);
	assert_int_equal(f.notified[TX], 1);
}

static void t_transmit_offloads(void **state)
{
	const struct virtio_net_hdr_v1 csum = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = htole16(34),
		.csum_offset = htole16(16),
	};
	struct virtio_net_hdr_v1 tso = csum;
	const struct frame *at = the_net.frames;

	(void)state;
	tso.gso_type = VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN;
	tso.gso_size = htole16(1348);
	begin(0);
	post_frame(&csum, 60, 4096);
	post_frame(&tso, 65000, 4096);
	tso.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	post_frame(&tso, 3000, 4096);
	kick(TX);
	assert_int_equal(the_net.nframes, 3);
	assert_true(at[0].o.needs_csum && !at[0].o.gso_size);
	assert_int_equal(at[0].o.csum_start, 34);
	assert_int_equal(at[0].o.csum_offset, 16);
	assert_true(at[1].o.needs_csum && at[1].o.gso_v6);
	assert_int_equal(at[1].o.gso_size, 1348);
	assert_int_equal(at[1].len, 65000);
	assert_true(at[2].o.gso_size == 1348 && !at[2].o.gso_v6);
}

/* Frames whose header makes no sense, or claims what was not agreed, are lost;
 * those around them are not. */
static void t_transmit_nonsense(void **state)
{
	const struct virtio_net_hdr_v1 bad[] = {
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		  .csum_start = htole16(50),
		  .csum_offset = htole16(9) }, /* of 60 bytes */
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		  .csum_start = htole16(65535),
		  .csum_offset = htole16(65535) },
		{ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		  .gso_size = htole16(1000) }, /* no checksum */
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		  .csum_start = htole16(34),
		  .csum_offset = htole16(16),
		  .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 }, /* no size */
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		  .csum_start = htole16(34),
		  .csum_offset = htole16(16),
		  .gso_type = VIRTIO_NET_HDR_GSO_UDP,
		  .gso_size = htole16(1000) }, /* never offered */
		{ .gso_type = 77 },
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		  .csum_start = htole16(34),
		  .csum_offset = htole16(16),
		  .gso_type = VIRTIO_NET_HDR_GSO_TCPV6,
		  .gso_size = htole16(1000) }, /* not agreed, see below */
	};

	(void)state;
	begin(BIT(VIRTIO_NET_F_HOST_TSO6));
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		post_frame(&bad[i], 60, 4096);
		post_frame(&plain, 61, 4096);
	}
	post_frame(&plain, 0, 4096);
	post_frame(&plain, 65535 + 40 + 18 + 1, 4096);
	kick(TX);
	assert_false(f.dev->broken);
	assert_int_equal(the_net.nframes, ARRAY_SIZE(bad));
	for (unsigned i = 0; i < the_net.nframes; i++)
		assert_int_equal(the_net.frames[i].len, 61);
	assert_int_equal(drv_used_idx(&f.q[TX]), 2 * ARRAY_SIZE(bad) + 2);
}

/* Without the feature not even a checksum may be left to us. */
static void t_transmit_without_offloads(void **state)
{
	const struct virtio_net_hdr_v1 csum = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = htole16(34),
		.csum_offset = htole16(16),
	};

	(void)state;
	begin(BIT(VIRTIO_NET_F_CSUM));
	post_frame(&csum, 60, 4096);
	post_frame(&plain, 60, 4096);
	kick(TX);
	assert_int_equal(the_net.nframes, 1);
}

static void t_transmit_too_short(void **state)
{
	struct drv_seg seg = { drv_alloc(&f.mem, 16), HEADER - 1, false };

	(void)state;
	begin(0);
	(void)drv_add(&f.q[TX], &seg, 1, false);
	kick(TX);
	assert_true(f.dev->broken);
	assert_int_equal(the_net.nframes, 0);
}

static void t_transmit_writable(void **state)
{
	struct drv_seg seg[2] = { { drv_alloc(&f.mem, 64), 64, false },
				  { drv_alloc(&f.mem, 64), 64, true } };

	(void)state;
	begin(0);
	(void)drv_add(&f.q[TX], seg, 2, false);
	kick(TX);
	assert_true(f.dev->broken);
	assert_int_equal(the_net.nframes, 0);
	/* nothing works any more, and nothing breaks */
	assert_int_equal(reserve(60, 60, &(const struct iovec *){ NULL },
				 &(unsigned){ 0 }),
			 0);
}

/* More than fits a turn is done in several, with the loop in between. */
static void t_transmit_turns(void **state)
{
	uint64_t gpa = drv_alloc(&f.mem, HEADER + 65000);
	struct drv_seg seg = { gpa, HEADER + 65000, false };

	(void)state;
	begin(0);
	for (unsigned i = 0; i < 100; i++)
		(void)drv_add(&f.q[TX], &seg, 1, false);
	kick(TX);
	assert_in_range(the_net.nframes, 1, 99);
	while (the_net.nframes < 100)
		assert_int_equal(loop_turn(f.loop, 0), 0);
	assert_int_equal(drv_used_idx(&f.q[TX]), 100);
}

static void fill(const struct iovec *iov, unsigned n, size_t len, uint8_t seed)
{
	uint8_t bytes[4096];

	for (size_t i = 0; i < len; i++) {
		bytes[i % sizeof(bytes)] = (uint8_t)(seed + i);
		if (i % sizeof(bytes) == sizeof(bytes) - 1 || i + 1 == len)
			(void)iov_write(iov, n, i - i % sizeof(bytes), bytes,
					i % sizeof(bytes) + 1);
	}
}

static void t_receive(void **state)
{
	const struct net_offload o = { .needs_csum = true,
				       .csum_start = 34,
				       .csum_offset = 16,
				       .gso_size = 1448 };
	const struct iovec *iov;
	uint64_t gpa[4];
	uint32_t id, len;
	unsigned n;
	struct virtio_net_hdr_v1 h;

	(void)state;
	begin(0);
	for (unsigned i = 0; i < 4; i++)
		gpa[i] = post_buffer(1500);
	/* three buffers carry 4488 bytes behind one header */
	assert_int_equal(reserve(60, 4000, &iov, &n), 4000);
	assert_int_equal(n, 3);
	assert_int_equal(iov_len(iov, n), 4000);
	fill(iov, n, 4000, 7);
	assert_int_equal(drv_used_idx(&f.q[RX]), 0);
	commit(4000, &o);
	assert_int_equal(f.notified[RX], 0);
	the_net.link.ops->flush(the_net.link.ctx);
	assert_int_equal(f.notified[RX], 1);
	h = header_at(gpa[0]);
	assert_int_equal(le16toh(h.num_buffers), 3);
	assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(le16toh(h.csum_start), 34);
	assert_int_equal(le16toh(h.csum_offset), 16);
	assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(le16toh(h.gso_size), 1448);
	assert_int_equal(le16toh(h.hdr_len), 54);
	for (unsigned i = 0, at = 0; i < 3; i++) {
		uint32_t want = i < 2 ? 1500 : 4012 - 3000;

		assert_true(drv_used(&f.q[RX], &id, &len));
		assert_int_equal(id, i);
		assert_int_equal(len, want);
		for (uint32_t k = i ? 0 : HEADER; k < len; k++, at++)
			assert_int_equal(
				((uint8_t *)drv_ptr(&f.mem, gpa[i]))[k],
				(uint8_t)(7 + at));
	}
	/* the fourth is still there; what is given up costs nothing */
	assert_int_equal(reserve(60, 9000, &iov, &n), 1488);
	assert_int_equal(reserve(60, 100, &iov, &n), 100);
	assert_int_equal(n, 1);
	commit(61, &(struct net_offload){ .csum_valid = true });
	assert_true(drv_used(&f.q[RX], &id, &len));
	assert_int_equal(len, 61 + HEADER);
	h = header_at(gpa[3]);
	assert_int_equal(le16toh(h.num_buffers), 1);
	assert_int_equal(h.flags, VIRTIO_NET_HDR_F_DATA_VALID);
	assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_NONE);
}

/* A header that straddles the parts of a buffer. */
static void t_receive_parts(void **state)
{
	struct drv_seg seg[4];
	const struct iovec *iov;
	unsigned n;
	static const uint32_t lens[] = { 5, 5, 5, 100 };

	(void)state;
	begin(0);
	for (unsigned i = 0; i < 4; i++)
		seg[i] = (struct drv_seg){ drv_alloc(&f.mem, lens[i]), lens[i],
					   true };
	(void)drv_add(&f.q[RX], seg, 4, false);
	assert_int_equal(reserve(60, 103, &iov, &n), 103);
	assert_int_equal(n, 2);
	assert_int_equal(iov[0].iov_len, 3);
	assert_ptr_equal(iov[0].iov_base,
			 (uint8_t *)drv_ptr(&f.mem, seg[2].gpa) + 2);
	commit(103, &no_offload);
	/* num_buffers is bytes 10 and 11 */
	assert_int_equal(((uint8_t *)drv_ptr(&f.mem, seg[2].gpa))[0], 1);
	assert_int_equal(((uint8_t *)drv_ptr(&f.mem, seg[2].gpa))[1], 0);
}

static void t_ring_full(void **state)
{
	const struct iovec *iov;
	unsigned n;

	(void)state;
	begin(0);
	assert_int_equal(reserve(60, 1514, &iov, &n), 0);
	kick(RX); /* a rumour: the network may try, and fails again */
	assert_int_equal(the_net.readies, 1);
	assert_int_equal(reserve(60, 1514, &iov, &n), 0);
	(void)post_buffer(40); /* not enough for what is wanted */
	kick(RX);
	assert_int_equal(the_net.readies, 2);
	assert_int_equal(reserve(60, 1514, &iov, &n), 0);
	assert_int_equal(drv_used_flags(&f.q[RX]), 0);
	(void)post_buffer(1600);
	kick(RX);
	assert_int_equal(the_net.readies, 3);
	assert_int_equal(drv_used_flags(&f.q[RX]), 1); /* no kicks needed */
	assert_int_equal(reserve(60, 1514, &iov, &n), 1514);
	assert_int_equal(n, 2);
	commit(1514, &no_offload);
	kick(RX); /* nobody waits */
	assert_int_equal(the_net.readies, 3);
}

/* A wrapped ring of held buffers: thousands of frames through few buffers. */
static void t_receive_many(void **state)
{
	const struct iovec *iov;
	uint64_t gpa = drv_alloc(&f.mem, 2048);
	unsigned n, sent = 0;

	(void)state;
	begin(0);
	for (unsigned round = 0; round < 400; round++) {
		struct drv_seg seg = { gpa, 600, true };

		for (unsigned i = 0; i < 7; i++)
			(void)drv_add(&f.q[RX], &seg, 1, false);
		while (reserve(1200, 3000, &iov, &n)) {
			commit(1200, &no_offload);
			sent++;
		}
	}
	/* 1212 bytes take three of them */
	assert_int_equal(sent, 400 * 7 / 3);
	assert_int_equal(drv_used_idx(&f.q[RX]), sent * 3);
	assert_false(f.dev->broken);
}

/* A stopping queue gets back what we hold, and goes on where it stood. */
static void t_stop_and_go_on(void **state)
{
	const struct iovec *iov;
	struct virtqueue *vq = &f.dev->queues[RX];
	unsigned n;

	(void)state;
	begin(0);
	for (unsigned i = 0; i < 5; i++)
		(void)post_buffer(1600);
	assert_int_equal(reserve(60, 6000, &iov, &n), 6000);
	assert_int_equal(vq->last_avail, 4);
	commit(100, &no_offload);
	f.dev->ops->queue_stop(f.dev, RX);
	assert_int_equal(vq->last_avail, 1);
	vq_stop(vq);
	assert_int_equal(reserve(60, 60, &iov, &n), 0);
	assert_int_equal(vq_start(vq, &f.mem.gm, 256, vq->last_avail,
				  &f.q[RX].rings, gmem_range),
			 0);
	kick(RX);
	assert_int_equal(the_net.readies, 1);
	assert_true(reserve(60, 60000, &iov, &n) == 4 * 1600 - HEADER);
	commit(4 * 1600 - HEADER, &no_offload);
	assert_int_equal(drv_used_idx(&f.q[RX]), 5);
}

/* Without mergeable buffers each frame has one, of many parts. */
static void t_big_buffers(void **state)
{
	struct drv_seg seg[20];
	const struct iovec *iov;
	unsigned n;

	(void)state;
	begin(BIT(VIRTIO_NET_F_MRG_RXBUF));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 20; i++)
			seg[i] = (struct drv_seg){ drv_alloc(&f.mem, 4096),
						   i ? 4096 : HEADER, true };
		(void)drv_add(&f.q[RX], seg, 20, true);
	}
	for (unsigned round = 0; round < 3; round++) {
		uint32_t id, len;

		assert_int_equal(reserve(60, 65550, &iov, &n), 65550);
		assert_int_equal(n, 17);
		commit(round ? 60 : 65550, &no_offload);
		assert_true(drv_used(&f.q[RX], &id, &len));
		assert_int_equal(id, round);
		assert_int_equal(len, (round ? 60 : 65550) + HEADER);
	}
	assert_int_equal(reserve(60, 60, &iov, &n), 0);
	(void)post_buffer(100);
	(void)post_buffer(2000);
	/* a frame cannot begin in a buffer that is too small for it */
	assert_int_equal(reserve(200, 1500, &iov, &n), 0);
	assert_int_equal(reserve(60, 1500, &iov, &n), 88);
}

static void t_bad_receive_buffers(void **state)
{
	const struct iovec *iov;
	unsigned n;

	(void)state;
	begin(0);
	(void)post_buffer(HEADER - 1);
	assert_int_equal(reserve(60, 60, &iov, &n), 0);
	assert_true(f.dev->broken);
	f.dev->broken = false;
	f.dev->ops->stop(f.dev);

	drv_queue_init(&f.q[RX], &f.mem, 256);
	begin(0);
	struct drv_seg seg = { drv_alloc(&f.mem, 2000), 2000, false };

	(void)drv_add(&f.q[RX], &seg, 1, false);
	assert_int_equal(reserve(60, 60, &iov, &n), 0);
	assert_true(f.dev->broken);
}

/* Buffers so small that no frame fits into as many as we hold. */
static void t_tiny_receive_buffers(void **state)
{
	const struct iovec *iov;
	unsigned n;

	(void)state;
	begin(0);
	for (unsigned i = 0; i < 200; i++)
		(void)post_buffer(16);
	assert_int_equal(reserve(1514, 1514, &iov, &n), 0);
	assert_int_equal(reserve(60, 1514, &iov, &n), 64 * 16 - HEADER);
	commit(64 * 16 - HEADER, &no_offload);
	assert_int_equal(drv_used_idx(&f.q[RX]), 64);
	assert_false(f.dev->broken);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(t_config),
		T(t_transmit),
		T(t_transmit_many),
		T(t_transmit_offloads),
		T(t_transmit_nonsense),
		T(t_transmit_without_offloads),
		T(t_transmit_too_short),
		T(t_transmit_writable),
		T(t_transmit_turns),
		T(t_receive),
		T(t_receive_parts),
		T(t_ring_full),
		T(t_receive_many),
		T(t_stop_and_go_on),
		T(t_big_buffers),
		T(t_bad_receive_buffers),
		T(t_tiny_receive_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
