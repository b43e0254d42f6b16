/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's half of split rings, for tests. */
#include "driver.h"

#include <string.h>

#include "base/bytes.h"

void drv_mem_init(struct drv_mem *m, uint8_t *host, uint64_t gpa, size_t len)
{
	*m = (struct drv_mem){ .host = host, .gpa = gpa, .len = len };
	m->gm.nregions = 1;
	m->gm.region[0] = (struct gmem_region){
		.gpa = gpa, .user = gpa + 0x7000000000, .len = len, .host = host
	};
}

uint64_t drv_alloc(struct drv_mem *m, size_t len)
{
	size_t off = (m->next + 15) & ~(size_t)15;

	if (off > m->len || len > m->len - off)
		return 0; /* outside every region: the test fails there */
	m->next = off + len;
	memset(m->host + off, 0, len);
	return m->gpa + off;
}

void *drv_ptr(struct drv_mem *m, uint64_t gpa)
{
	return m->host + (gpa - m->gpa);
}

void drv_queue_init(struct drv_queue *q, struct drv_mem *m, uint16_t size)
{
	*q = (struct drv_queue){ .mem = m, .size = size };
	q->rings.desc = drv_alloc(m, 16 * (size_t)size);
	q->rings.avail = drv_alloc(m, 6 + 2 * (size_t)size);
	q->rings.used = drv_alloc(m, 6 + 8 * (size_t)size);
}

static uint8_t *field(struct drv_queue *q, uint64_t ring, size_t off)
{
	return (uint8_t *)drv_ptr(q->mem, ring) + off;
}

void drv_desc(struct drv_mem *m, uint64_t table, unsigned i, uint64_t addr,
	      uint32_t len, uint16_t flags, uint16_t next)
{
	uint8_t *d = (uint8_t *)drv_ptr(m, table) + 16 * (size_t)i;

	le64_put(d, addr);
	le32_put(d + 8, len);
	le16_put(d + 12, flags);
	le16_put(d + 14, next);
}

void drv_set_avail_idx(struct drv_queue *q, uint16_t idx)
{
	q->avail_idx = idx;
	__atomic_store_n((uint16_t *)(void *)field(q, q->rings.avail, 2),
			 htole16(idx), __ATOMIC_SEQ_CST);
}

void drv_publish(struct drv_queue *q, uint16_t head)
{
	size_t slot = q->avail_idx % q->size;

	le16_put(field(q, q->rings.avail, 4 + 2 * slot), head);
	drv_set_avail_idx(q, (uint16_t)(q->avail_idx + 1));
}

static void fill_table(struct drv_queue *q, uint64_t table, unsigned first,
		       unsigned mod, const struct drv_seg *seg, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned next = (first + i + 1) % mod;
		uint16_t flags = (uint16_t)((i + 1 < n ? 1 : 0) |
					    (seg[i].write ? 2 : 0));

		drv_desc(q->mem, table, (first + i) % mod, seg[i].gpa,
			 seg[i].len, flags, (uint16_t)(i + 1 < n ? next : 0));
	}
}

uint16_t drv_add(struct drv_queue *q, const struct drv_seg *seg, unsigned n,
		 bool indirect)
{
	uint16_t head = q->next_desc;

	if (indirect) {
		uint64_t table = drv_alloc(q->mem, 16 * (size_t)n);

		fill_table(q, table, 0, n, seg, n);
		drv_desc(q->mem, q->rings.desc, head, table, 16 * n, 4, 0);
		q->next_desc = (uint16_t)((head + 1) % q->size);
	} else {
		fill_table(q, q->rings.desc, head, q->size, seg, n);
		q->next_desc = (uint16_t)((head + n) % q->size);
	}
	drv_publish(q, head);
	return head;
}

uint16_t drv_used_idx(struct drv_queue *q)
{
	return le16toh(
		__atomic_load_n((uint16_t *)(void *)field(q, q->rings.used, 2),
				__ATOMIC_SEQ_CST));
}

bool drv_used(struct drv_queue *q, uint32_t *ret_id, uint32_t *ret_len)
{
	const uint8_t *elem;

	if (drv_used_idx(q) == q->used_seen)
		return false;
	elem = field(q, q->rings.used,
		     4 + 8 * (size_t)(q->used_seen % q->size));
	*ret_id = le32_get(elem);
	*ret_len = le32_get(elem + 4);
	q->used_seen++;
	return true;
}

void drv_set_avail_flags(struct drv_queue *q, uint16_t flags)
{
	le16_put(field(q, q->rings.avail, 0), flags);
}

void drv_set_used_event(struct drv_queue *q, uint16_t idx)
{
	le16_put(field(q, q->rings.avail, 4 + 2 * (size_t)q->size), idx);
}

uint16_t drv_used_flags(struct drv_queue *q)
{
	return le16_get(field(q, q->rings.used, 0));
}

uint16_t drv_avail_event(struct drv_queue *q)
{
	return le16_get(field(q, q->rings.used, 4 + 8 * (size_t)q->size));
}

static void count_notify(struct virtqueue *vq)
{
	unsigned *n = vq->notify_ctx;

	if (n)
		(*n)++;
}

int drv_attach(struct drv_queue *q, struct virtqueue *vq, bool event_idx,
	       unsigned *notified)
{
	*vq = (struct virtqueue){ .event_idx = event_idx,
				  .indirect = true,
				  .notify = count_notify,
				  .notify_ctx = notified };
	return vq_start(vq, &q->mem->gm, q->size, q->avail_idx, &q->rings,
			gmem_range);
}
