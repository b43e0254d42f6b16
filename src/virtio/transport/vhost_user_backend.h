/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vhost-user front end has configured, and the device behind it: takes
 * one message at a time, knows nothing of the connection.
 *
 * A ring runs while all of these hold: features are set, memory is mapped,
 * size and addresses are known, it has a kick descriptor, and it is enabled
 * (which it is by itself when the front end did not take protocol features).
 * The device is started before its first ring and stopped when, at the end of
 * a message, none runs any more.
 */
#ifndef MSB_VIRTIO_TRANSPORT_VHOST_USER_BACKEND_H
#define MSB_VIRTIO_TRANSPORT_VHOST_USER_BACKEND_H

#include "virtio/device.h"
#include "virtio/guard.h"
#include "virtio/transport/serve.h"
#include "virtio/transport/vhost_user_msg.h"

struct vu_backend;

/* A descriptor on which eight bytes mean an interrupt. */
struct vu_signal {
	int fd; /* owned, or -1 */
	bool socket;
};

enum vu_enable { VU_ENABLE_UNSAID, VU_ENABLE_OFF, VU_ENABLE_ON };

struct vu_ring {
	struct vu_backend *backend;
	struct served_queue served;
	uint16_t size;
	uint16_t base; /* next request, while the ring does not run */
	bool have_addr;
	enum vu_enable enable;
	struct vq_rings addr; /* in the front end's address space */
	int kick_fd;	      /* owned, or -1 */
	struct vu_signal call;
	struct vu_signal err;
};

/* A mapping that gmem_region.host points into. */
struct vu_mapping {
	void *base;
	size_t len;
	struct guard *guard;
};

struct vu_backend {
	struct virtio_device *dev;
	struct loop *loop;
	unsigned flags;	   /* enum vhost_user_flags */
	uint64_t features; /* as the front end set them */
	uint64_t protocol_features;
	struct guest_memory mem;
	struct vu_mapping mapping[GMEM_MAX_REGIONS];
	int mem_fd; /* with VHOST_USER_KEEP_MEMORY, of the first; owned or -1 */
	bool started;
	unsigned running;
	int req_fd; /* our requests to the front end; -1 */
	struct vu_ring ring[VIRTIO_MAX_QUEUES];
	void (*on_fault)(struct vu_backend *b, const char *why);
};

void vu_backend_init(struct vu_backend *b, struct virtio_device *dev,
		     struct loop *loop, unsigned flags,
		     void (*on_fault)(struct vu_backend *, const char *));
/* Stop the device and forget everything but the guest's memory: giving that
 * back takes time. vu_mem_clear() does it. */
void vu_backend_reset(struct vu_backend *b);

/*
 * Obey one message; takes those of its descriptors it needs. 1: *reply is to
 * be sent; 0: nothing is to be sent. -errno: refused, nothing has changed
 * unless the ring it spoke of is now stopped.
 */
int vu_backend_handle(struct vu_backend *b, struct vu_msg *m,
		      struct vu_reply *reply);

/*
 * Rings (vhost_user_ring.c). A message may stop the last ring and start it
 * again; only what holds at its end counts, or a new memory table would reset
 * the device: so vu_ring_stop() leaves the device started, and vu_settle(),
 * called after each message, stops it when no ring runs.
 */
void vu_ring_stop(struct vu_ring *r);
void vu_stop_all(struct vu_backend *b);
void vu_settle(struct vu_backend *b);
/* Run or stop the ring(s) as what the front end has said so far demands. */
int vu_ring_update(struct vu_ring *r);
int vu_update_all(struct vu_backend *b);

/* Interrupts: sending never blocks; setting takes the message's descriptor, or
 * closes the old one when it brings none. */
void vu_signal_send(const struct vu_signal *s);
int vu_signal_set(const struct vu_backend *b, struct vu_signal *s,
		  struct vu_msg *m);

/* Memory table (vhost_user_mem.c): map what the message describes; rings must
 * be stopped. On failure the old table stays. */
int vu_mem_set(struct vu_backend *b, struct vu_msg *m);
void vu_mem_clear(struct vu_backend *b);
/* The front end has truncated its memory under us. */
bool vu_mem_lost(const struct vu_backend *b);

#endif
