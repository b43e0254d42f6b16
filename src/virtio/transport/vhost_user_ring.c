/* SPDX-License-Identifier: Apache-2.0 */
/* Rings of a vhost-user device: when they run, and interrupts. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "virtio/transport/vhost_user.h"
#include "virtio/transport/vhost_user_backend.h"

#define MEMORY_LOST "guest memory was truncated"

void vu_signal_send(const struct vu_signal *s)
{
	const uint64_t one = 1;

	if (s->fd < 0)
		return;
	/* when it is full, the peer has unread ones already */
	if (s->socket)
		(void)send(s->fd, &one, sizeof(one),
			   MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		(void)io_write(s->fd, &one, sizeof(one));
}

int vu_signal_set(const struct vu_backend *b, struct vu_signal *s,
		  struct vu_msg *m)
{
	struct stat st;

	if (m->nfds == 0) {
		close_fd(&s->fd);
		return 0;
	}
	if (fstat(m->fds[0], &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode)) {
		int rc;

		/* an eventfd has no file type */
		if (!(b->flags & VHOST_USER_EVENTFD_CALL) ||
		    (st.st_mode & S_IFMT))
			return -EPERM;
		rc = io_set_nonblock(m->fds[0], true);
		if (rc)
			return rc;
	}
	close_fd(&s->fd);
	s->fd = take_fd(&m->fds[0]);
	s->socket = S_ISSOCK(st.st_mode);
	return 0;
}

static void notify_driver(struct virtqueue *vq)
{
	const struct vu_ring *r = vq->notify_ctx;

	vu_signal_send(&r->call);
}

static void after_kick(struct served_queue *q)
{
	const struct vu_ring *r = container_of(q, struct vu_ring, served);

	if (vu_mem_lost(r->backend))
		virtio_fault(q->dev, MEMORY_LOST);
}

static void backend_fault(struct virtio_device *dev, const char *why)
{
	struct vu_backend *b = dev->transport_ctx;

	for (unsigned i = 0; i < dev->nqueues; i++) {
		loop_unwatch(&b->ring[i].served.kick);
		vu_signal_send(&b->ring[i].err);
	}
	/* a ring full of zeroes only follows from it */
	b->on_fault(b, vu_mem_lost(b) ? MEMORY_LOST : why);
}

static void backend_config_changed(struct virtio_device *dev)
{
	const struct vu_backend *b = dev->transport_ctx;
	uint8_t header[VU_HEADER_LEN];

	if (b->req_fd < 0)
		return;
	le32_put(header, VU_BACKEND_CONFIG_CHANGED);
	le32_put(header + 4, VU_VERSION);
	le32_put(header + 8, 0);
	/* a front end that does not read these misses a hint, no more */
	(void)send(b->req_fd, header, sizeof(header),
		   MSG_DONTWAIT | MSG_NOSIGNAL);
}

static const struct virtio_transport_ops transport_ops = {
	.fault = backend_fault,
	.config_changed = backend_config_changed,
};

static void ring_init(struct vu_backend *b, unsigned i)
{
	b->ring[i] = (struct vu_ring){ .backend = b,
				       .served = { .dev = b->dev,
						   .index = i,
						   .after_kick = after_kick },
				       .kick_fd = -1,
				       .call.fd = -1,
				       .err.fd = -1 };
}

void vu_backend_init(struct vu_backend *b, struct virtio_device *dev,
		     struct loop *loop, unsigned flags,
		     void (*on_fault)(struct vu_backend *, const char *))
{
	*b = (struct vu_backend){ .dev = dev,
				  .loop = loop,
				  .flags = flags,
				  .req_fd = -1,
				  .mem_fd = -1,
				  .on_fault = on_fault };
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++)
		ring_init(b, i);
	device_attach(dev, &transport_ops, b, loop, &b->mem);
}

void vu_ring_stop(struct vu_ring *r)
{
	struct vu_backend *b = r->backend;

	if (!r->served.running)
		return;
	served_queue_stop(&r->served);
	r->base = b->dev->queues[r->served.index].last_avail;
	b->running--;
}

void vu_settle(struct vu_backend *b)
{
	if (!b->started || b->running)
		return;
	b->started = false;
	device_stop(b->dev);
}

static int ring_start(struct vu_ring *r)
{
	struct vu_backend *b = r->backend;
	const struct queue_setup setup = { .size = r->size,
					   .base = r->base,
					   .rings = r->addr,
					   .lookup = gmem_user_range,
					   .kick_fd = r->kick_fd,
					   .notify = notify_driver,
					   .notify_ctx = r };
	int rc;

	if (!b->started) {
		rc = device_start(b->dev, b->features);
		if (rc)
			return rc;
		b->started = true;
	}
	rc = served_queue_start(&r->served, &setup);
	if (!rc)
		b->running++;
	return rc;
}

int vu_ring_update(struct vu_ring *r)
{
	const struct vu_backend *b = r->backend;
	bool enabled = r->enable == VU_ENABLE_UNSAID
			       ? !(b->features & VU_F_PROTOCOL_FEATURES)
			       : r->enable == VU_ENABLE_ON;
	bool run = enabled && r->kick_fd >= 0 && r->have_addr && r->size &&
		   b->mem.nregions && (b->features & VIRTIO_BIT_VERSION_1);

	if (run == r->served.running)
		return 0;
	if (run)
		return ring_start(r);
	vu_ring_stop(r);
	return 0;
}

int vu_update_all(struct vu_backend *b)
{
	int rc = 0;

	for (unsigned i = 0; i < b->dev->nqueues && !rc; i++)
		rc = vu_ring_update(&b->ring[i]);
	return rc;
}

void vu_stop_all(struct vu_backend *b)
{
	for (unsigned i = 0; i < b->dev->nqueues; i++)
		vu_ring_stop(&b->ring[i]);
}

void vu_backend_reset(struct vu_backend *b)
{
	vu_stop_all(b);
	vu_settle(b);
	for (unsigned i = 0; i < b->dev->nqueues; i++) {
		close_fd(&b->ring[i].kick_fd);
		close_fd(&b->ring[i].call.fd);
		close_fd(&b->ring[i].err.fd);
		ring_init(b, i);
	}
	close_fd(&b->req_fd);
	b->features = b->protocol_features = 0;
}
