/* SPDX-License-Identifier: Apache-2.0 */
/* Split virtqueues, device side (virtio 1.2 section 2.7). */
#ifndef MSB_VIRTIO_VIRTQUEUE_H
#define MSB_VIRTIO_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtio/memory.h"

#define VQ_MAX_SIZE 1024
#define VQ_MAX_IOV 1024

struct virtqueue {
	bool ready;
	bool event_idx; /* VIRTIO_F_EVENT_IDX agreed */
	uint16_t size;	/* power of two, at most VQ_MAX_SIZE */
	uint16_t last_avail;
	uint16_t used_idx;
	uint16_t signalled; /* used index at the last notification */
	bool signalled_valid;
	const struct guest_memory *mem;
	/* Mapped rings, bounds-checked when the queue was made ready. */
	void *desc, *avail, *used;
	/* Interrupt the driver; set by the transport. */
	void (*notify)(struct virtqueue *vq);
	void *notify_ctx;
};

/*
 * One request: readable buffers first, then writable ones, as the standard
 * demands. Pointers are checked guest memory, valid until vq_push.
 */
struct vq_chain {
	uint16_t head;
	unsigned nread, nwrite;
	size_t read_len, write_len; /* sums, in bytes */
	struct iovec *readable;	    /* into the caller's iov array */
	struct iovec *writable;
};

/*
 * Take the next request; iov must hold VQ_MAX_IOV entries. 1: filled; 0: none;
 * -EPROTO: the driver broke the ring or a chain, the caller faults the device.
 */
int vq_pop(struct virtqueue *vq, struct iovec *iov, struct vq_chain *ret);
/* Give the request back with the number of bytes written into it. */
void vq_push(struct virtqueue *vq, const struct vq_chain *c, uint32_t written);
/* Interrupt the driver if it asked for that; call once per batch. */
void vq_signal(struct virtqueue *vq);
/* Ask the driver to kick (or not). Enabling returns true when requests have
 * arrived meanwhile, so the caller looks again. */
bool vq_enable_kick(struct virtqueue *vq);
void vq_disable_kick(struct virtqueue *vq);

/* Copy between a chain's buffers and flat memory; the number copied. */
size_t iov_read(const struct iovec *iov, unsigned n, size_t off, void *dst,
		size_t len);
size_t iov_write(const struct iovec *iov, unsigned n, size_t off,
		 const void *src, size_t len);

#endif
