/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split virtqueues, device side (virtio 1.2 section 2.7).
 *
 * All calls on one queue are made by the thread that serves its device. On a
 * queue that is not ready, vq_pop() finds nothing and vq_push() does nothing,
 * so a device that was faulted or stopped touches no ring any more.
 */
#ifndef MSB_VIRTIO_VIRTQUEUE_H
#define MSB_VIRTIO_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/iov.h"
#include "virtio/memory.h"

#define VQ_MAX_SIZE 1024
#define VQ_MAX_IOV 1024

struct virtqueue {
	bool ready;
	bool event_idx; /* VIRTIO_F_EVENT_IDX agreed */
	bool indirect;	/* VIRTIO_F_INDIRECT_DESC agreed */
	uint16_t size;	/* power of two, at most VQ_MAX_SIZE */
	uint16_t last_avail;
	uint16_t avail_idx; /* what was last seen in the ring */
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

/* Where the driver put the rings, in the address space of the transport. */
struct vq_rings {
	uint64_t desc, avail, used;
};

/* gmem_range or gmem_user_range. */
typedef void *(*vq_lookup_fn)(const struct guest_memory *, uint64_t, uint64_t);

/*
 * Map the rings and make the queue ready; the transport has set event_idx,
 * indirect and notify. Requests from index last_avail on are new. -EPROTO:
 * impossible size, or rings that are misaligned or outside guest memory.
 */
int vq_start(struct virtqueue *vq, const struct guest_memory *mem,
	     uint16_t size, uint16_t last_avail, const struct vq_rings *rings,
	     vq_lookup_fn lookup);
/* Forget the rings. last_avail stays: the next request to take. */
void vq_stop(struct virtqueue *vq);

/*
 * Take the next request; iov must hold VQ_MAX_IOV entries. 1: filled; 0: none;
 * -EPROTO: the driver broke the ring or a chain, the caller faults the device.
 */
int vq_pop(struct virtqueue *vq, struct iovec *iov, struct vq_chain *ret);
/* Undo the latest vq_pop that was not undone and that nothing was pushed for:
 * the next one finds the same request again and checks it again. */
void vq_unpop(struct virtqueue *vq);
/* Give the request back with the number of bytes written into it. */
void vq_push(struct virtqueue *vq, const struct vq_chain *c, uint32_t written);
/* The same in two steps, where the driver must see several at once or none:
 * nothing of what is filled exists for it before vq_publish(). */
void vq_fill(struct virtqueue *vq, const struct vq_chain *c, uint32_t written);
void vq_publish(struct virtqueue *vq);
/* Interrupt the driver if it asked for that; call once per batch. */
void vq_signal(struct virtqueue *vq);
/* Has the driver put a request into the ring that vq_pop() would find? */
bool vq_waiting(const struct virtqueue *vq);
/* Ask the driver to kick (or not). Enabling returns true when requests have
 * arrived meanwhile, so the caller looks again. */
bool vq_enable_kick(struct virtqueue *vq);
void vq_disable_kick(struct virtqueue *vq);

#endif
