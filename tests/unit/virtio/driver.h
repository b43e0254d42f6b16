/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's half of split rings, for tests: lays out rings in flat guest
 * memory, posts chains and collects used entries. */
#ifndef MSB_TEST_VIRTIO_DRIVER_H
#define MSB_TEST_VIRTIO_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/device.h"

/* Guest memory with a bump allocator. */
struct drv_mem {
	uint8_t *host;
	uint64_t gpa;
	size_t len;
	size_t next;
	struct guest_memory gm;
};

void drv_mem_init(struct drv_mem *m, uint8_t *host, uint64_t gpa, size_t len);
/* Guest physical address of zeroed, 16-byte aligned memory. */
uint64_t drv_alloc(struct drv_mem *m, size_t len);
void *drv_ptr(struct drv_mem *m, uint64_t gpa);

struct drv_queue {
	struct drv_mem *mem;
	struct vq_rings rings; /* guest physical addresses */
	uint16_t size;
	uint16_t avail_idx;
	uint16_t used_seen;
	uint16_t next_desc; /* round robin: tests never fill the table twice */
};

struct drv_seg {
	uint64_t gpa;
	uint32_t len;
	bool write;
};

void drv_queue_init(struct drv_queue *q, struct drv_mem *m, uint16_t size);
/* Raw descriptor i of the table at gpa. */
void drv_desc(struct drv_mem *m, uint64_t table, unsigned i, uint64_t addr,
	      uint32_t len, uint16_t flags, uint16_t next);
/* Publish a head in the avail ring. */
void drv_publish(struct drv_queue *q, uint16_t head);
/* Post a chain, in the table or through an indirect one; its head. */
uint16_t drv_add(struct drv_queue *q, const struct drv_seg *seg, unsigned n,
		 bool indirect);
/* Next used entry, if any. */
bool drv_used(struct drv_queue *q, uint32_t *ret_id, uint32_t *ret_len);
uint16_t drv_used_idx(struct drv_queue *q);
/* Fields of the other direction. */
void drv_set_avail_flags(struct drv_queue *q, uint16_t flags);
void drv_set_used_event(struct drv_queue *q, uint16_t idx);
void drv_set_avail_idx(struct drv_queue *q, uint16_t idx);
uint16_t drv_used_flags(struct drv_queue *q);
uint16_t drv_avail_event(struct drv_queue *q);

/* A queue of a device, served directly, without any transport. Counts
 * notifications in *notified (may be NULL). */
int drv_attach(struct drv_queue *q, struct virtqueue *vq, bool event_idx,
	       unsigned *notified);

#endif
