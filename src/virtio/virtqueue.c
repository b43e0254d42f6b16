/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split rings shared with a driver that may be hostile and runs at the same
 * time.
 *
 *   desc:   size x {addr:8 len:4 flags:2 next:2}
 *   avail:  flags:2 idx:2 ring:2 x size  used_event:2     (driver writes)
 *   used:   flags:2 idx:2 {id:4 len:4} x size avail_event:2   (we write)
 *
 * 1. Every field of the driver's is loaded exactly once, through volatile or
 *    atomic accesses, and only the loaded copy is checked and used.
 * 2. Nothing the driver writes can become an index without a comparison with
 *    the queue size, nor a pointer without gmem_range().
 * 3. A walk ends: it takes at most size descriptors from the ring, at most
 *    VQ_MAX_IOV from one indirect table, and follows one table only.
 * 4. Ordering: avail.idx is loaded with acquire before the entries it covers;
 *    used.idx is stored with release after them; between our own store and a
 *    load that decides about (not) notifying stands a full barrier, because
 *    the driver does the same two things in the opposite order.
 */
#include "virtio/virtqueue.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define DESC_F_NEXT 1u
#define DESC_F_WRITE 2u
#define DESC_F_INDIRECT 4u
#define AVAIL_F_NO_INTERRUPT 1u
#define USED_F_NO_NOTIFY 1u
#define DESC_LEN 16u

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/* Indirect tables need not be aligned. */
struct raw64 {
	uint64_t v;
} __attribute__((packed));

static uint64_t load64(const uint8_t *p)
{
	return le64toh(((const volatile struct raw64 *)(const void *)p)->v);
}

static uint16_t load16(const void *p, int order)
{
	const uint16_t *v = p;

	return le16toh(order == __ATOMIC_ACQUIRE
			       ? __atomic_load_n(v, __ATOMIC_ACQUIRE)
			       : __atomic_load_n(v, __ATOMIC_RELAXED));
}

static void store16(void *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)p, htole16(v), __ATOMIC_RELAXED);
}

static uint8_t *at(void *ring, size_t off)
{
	return (uint8_t *)ring + off;
}

static uint8_t *used_event(const struct virtqueue *vq)
{
	return at(vq->avail, 4 + 2 * (size_t)vq->size);
}

static uint8_t *avail_event(const struct virtqueue *vq)
{
	return at(vq->used, 4 + 8 * (size_t)vq->size);
}

int vq_start(struct virtqueue *vq, const struct guest_memory *mem,
	     uint16_t size, uint16_t last_avail, const struct vq_rings *rings,
	     vq_lookup_fn lookup)
{
	void *desc, *avail, *used;

	if (size == 0 || size > VQ_MAX_SIZE || (size & (size - 1)))
		return -EPROTO;
	desc = lookup(mem, rings->desc, (uint64_t)DESC_LEN * size);
	avail = lookup(mem, rings->avail, 6 + 2ull * size);
	used = lookup(mem, rings->used, 6 + 8ull * size);
	if (!desc || !avail || !used)
		return -EPROTO;
	/* of the mapping, which is what our atomic accesses need */
	if ((uintptr_t)desc % 16 || (uintptr_t)avail % 2 || (uintptr_t)used % 4)
		return -EPROTO;
	vq->mem = mem;
	vq->size = size;
	vq->desc = desc;
	vq->avail = avail;
	vq->used = used;
	vq->last_avail = vq->avail_idx = last_avail;
	/* a ring may be handed over half-way: carry on where it stands */
	vq->used_idx = load16(at(used, 2), __ATOMIC_RELAXED);
	vq->signalled = vq->used_idx;
	vq->signalled_valid = false;
	vq->ready = true;
	return 0;
}

void vq_stop(struct virtqueue *vq)
{
	vq->ready = false;
	vq->desc = vq->avail = vq->used = NULL;
	vq->mem = NULL;
}

static struct desc load_desc(const uint8_t *p)
{
	uint64_t rest = load64(p + 8);

	return (struct desc){ .addr = load64(p),
			      .len = (uint32_t)rest,
			      .flags = (uint16_t)(rest >> 32),
			      .next = (uint16_t)(rest >> 48) };
}

/* Refresh avail_idx: 1 when a request waits, 0 when not, -EPROTO. */
static int avail_look(struct virtqueue *vq)
{
	if (vq->avail_idx != vq->last_avail)
		return 1;
	vq->avail_idx = load16(at(vq->avail, 2), __ATOMIC_ACQUIRE);
	if ((uint16_t)(vq->avail_idx - vq->last_avail) > vq->size)
		return -EPROTO;
	return vq->avail_idx != vq->last_avail;
}

static int chain_add(const struct virtqueue *vq, struct vq_chain *c,
		     struct iovec *iov, const struct desc *d)
{
	unsigned n = c->nread + c->nwrite;
	void *p = gmem_range(vq->mem, d->addr, d->len);

	if (!p || n == VQ_MAX_IOV)
		return -EPROTO;
	iov[n] = (struct iovec){ .iov_base = p, .iov_len = d->len };
	if (d->flags & DESC_F_WRITE) {
		c->nwrite++;
		c->write_len += d->len;
	} else if (c->nwrite) {
		return -EPROTO; /* readable after writable */
	} else {
		c->nread++;
		c->read_len += d->len;
	}
	return 0;
}

/*
 * Follow a chain inside one table of n descriptors. On a reference to an
 * indirect table, store it in *ret_indirect and stop: nothing may follow it.
 */
static int walk(const struct virtqueue *vq, const uint8_t *table, unsigned n,
		unsigned next, struct vq_chain *c, struct iovec *iov,
		struct desc *ret_indirect)
{
	for (unsigned steps = 0; steps < n; steps++) {
		struct desc d;
		int rc;

		if (next >= n)
			return -EPROTO;
		d = load_desc(table + (size_t)next * DESC_LEN);
		if (d.flags & DESC_F_INDIRECT) {
			if (!ret_indirect || !vq->indirect ||
			    (d.flags & DESC_F_NEXT))
				return -EPROTO;
			*ret_indirect = d;
			return 0;
		}
		rc = chain_add(vq, c, iov, &d);
		if (rc)
			return rc;
		if (!(d.flags & DESC_F_NEXT))
			return 0;
		next = d.next;
	}
	return -EPROTO; /* a loop */
}

static int walk_indirect(const struct virtqueue *vq, const struct desc *d,
			 struct vq_chain *c, struct iovec *iov)
{
	const uint8_t *table = gmem_range(vq->mem, d->addr, d->len);

	if (!table || d->len % DESC_LEN || d->len / DESC_LEN > VQ_MAX_IOV)
		return -EPROTO;
	return walk(vq, table, d->len / DESC_LEN, 0, c, iov, NULL);
}

int vq_pop(struct virtqueue *vq, struct iovec *iov, struct vq_chain *ret)
{
	struct vq_chain c = { .readable = iov };
	struct desc indirect = { .len = 0 };
	int rc;

	if (!vq->ready)
		return 0;
	rc = avail_look(vq);
	if (rc <= 0)
		return rc;
	c.head = load16(
		at(vq->avail, 4 + 2 * (size_t)(vq->last_avail % vq->size)),
		__ATOMIC_RELAXED);
	rc = walk(vq, vq->desc, vq->size, c.head, &c, iov, &indirect);
	if (!rc && (indirect.flags & DESC_F_INDIRECT))
		rc = walk_indirect(vq, &indirect, &c, iov);
	if (rc)
		return rc;
	vq->last_avail++;
	c.writable = iov + c.nread;
	*ret = c;
	return 1;
}

void vq_unpop(struct virtqueue *vq)
{
	vq->last_avail--;
}

void vq_fill(struct virtqueue *vq, const struct vq_chain *c, uint32_t written)
{
	uint32_t elem[2] = { htole32(c->head), htole32(written) };

	if (!vq->ready)
		return;
	memcpy(at(vq->used, 4 + 8 * (size_t)(vq->used_idx % vq->size)), elem,
	       sizeof(elem));
	vq->used_idx++;
}

void vq_publish(struct virtqueue *vq)
{
	if (vq->ready)
		__atomic_store_n((uint16_t *)(void *)at(vq->used, 2),
				 htole16(vq->used_idx), __ATOMIC_RELEASE);
}

void vq_push(struct virtqueue *vq, const struct vq_chain *c, uint32_t written)
{
	vq_fill(vq, c, written);
	vq_publish(vq);
}

static bool wants_signal(struct virtqueue *vq)
{
	uint16_t old = vq->signalled, event;
	bool valid = vq->signalled_valid;

	vq->signalled = vq->used_idx;
	vq->signalled_valid = true;
	/* used.idx must be visible before we read what the driver asks for */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vq->event_idx)
		return !(load16(vq->avail, __ATOMIC_RELAXED) &
			 AVAIL_F_NO_INTERRUPT);
	event = load16(used_event(vq), __ATOMIC_RELAXED);
	/* virtio 1.2, 2.7.10: did the index move past the event? */
	return !valid || (uint16_t)(vq->used_idx - event - 1) <
				 (uint16_t)(vq->used_idx - old);
}

void vq_signal(struct virtqueue *vq)
{
	if (!vq->ready || vq->signalled == vq->used_idx)
		return;
	if (wants_signal(vq))
		vq->notify(vq);
}

bool vq_waiting(const struct virtqueue *vq)
{
	return vq->ready &&
	       load16(at(vq->avail, 2), __ATOMIC_RELAXED) != vq->last_avail;
}

bool vq_enable_kick(struct virtqueue *vq)
{
	if (!vq->ready)
		return false;
	if (vq->event_idx)
		store16(avail_event(vq), vq->last_avail);
	else
		store16(vq->used, 0);
	/* the request must be visible before we look a last time */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return vq_waiting(vq);
}

void vq_disable_kick(struct virtqueue *vq)
{
	/* with EVENT_IDX an avail_event that stays behind has that effect */
	if (vq->ready && !vq->event_idx)
		store16(vq->used, USED_F_NO_NOTIFY);
}
