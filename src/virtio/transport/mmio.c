/* SPDX-License-Identifier: Apache-2.0 */
/* Life of an mmio transport, and the way from vCPUs to the serving thread. */
#include "virtio/transport/mmio_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/io.h"

/* --- the slot --- */

static void slot_set(struct virtio_mmio *m, enum mmio_slot s)
{
	m->slot = s;
	pthread_cond_broadcast(&m->cond);
}

bool mmio_slot_take(struct virtio_mmio *m)
{
	while (m->slot != SLOT_FREE && !m->released)
		pthread_cond_wait(&m->cond, &m->lock);
	if (m->released)
		return false;
	m->slot = SLOT_HELD;
	return true;
}

static void post(struct virtio_mmio *m, enum mmio_slot s)
{
	const uint64_t one = 1;

	slot_set(m, s);
	(void)io_write(m->request_fd, &one, sizeof(one)); /* never full */
}

bool mmio_slot_call(struct virtio_mmio *m)
{
	post(m, SLOT_WAITING);
	while (m->slot == SLOT_WAITING && !m->released)
		pthread_cond_wait(&m->cond, &m->lock);
	return !m->released;
}

void mmio_slot_send(struct virtio_mmio *m)
{
	post(m, SLOT_LEFT);
}

void mmio_slot_give(struct virtio_mmio *m)
{
	if (m->slot == SLOT_HELD)
		slot_set(m, SLOT_FREE);
}

/* The descriptor is watched by edge and not read, like a kick. */
static void on_request(struct watch *w, uint32_t events)
{
	struct virtio_mmio *m =
		container_of(w, struct virtio_mmio, request_watch);
	struct mmio_request r;
	bool posted;

	(void)events;
	pthread_mutex_lock(&m->lock);
	posted = m->slot == SLOT_WAITING || m->slot == SLOT_LEFT;
	r = m->request;
	pthread_mutex_unlock(&m->lock);
	if (!posted)
		return;
	mmio_device_obey(m, &r);
	pthread_mutex_lock(&m->lock);
	slot_set(m, m->slot == SLOT_WAITING ? SLOT_HELD : SLOT_FREE);
	pthread_mutex_unlock(&m->lock);
}

void virtio_mmio_release(struct virtio_mmio *m)
{
	pthread_mutex_lock(&m->lock);
	m->released = true;
	pthread_cond_broadcast(&m->cond);
	pthread_mutex_unlock(&m->lock);
}

/* --- life --- */

static void deliver(struct reports *r, enum report_kind kind, const char *why)
{
	const struct virtio_mmio *m =
		container_of(r, struct virtio_mmio, reports);

	(void)kind; /* there is only one */
	if (m->events.fault)
		m->events.fault(m->events.ctx, why);
}

static void begin(void *ctx)
{
	struct virtio_mmio *m = ctx;

	m->rc = loop_watch(m->serving.loop, &m->request_watch, m->request_fd,
			   EPOLLIN | EPOLLET, on_request);
	mmio_device_begin(m);
}

static void end(void *ctx)
{
	struct virtio_mmio *m = ctx;

	loop_unwatch(&m->request_watch);
	mmio_device_end(m);
}

static int make_eventfd(int *ret)
{
	*ret = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *ret < 0 ? -errno : 0;
}

static int setup(struct virtio_mmio *m, struct loop *owner)
{
	int rc = io_set_nonblock(m->irq_fd, true);

	if (!rc)
		rc = make_eventfd(&m->request_fd);
	for (unsigned q = 0; q < m->dev->nqueues && !rc; q++)
		rc = make_eventfd(&m->queue[q].kick_fd);
	if (rc)
		return rc;
	if (!m->regs)
		m->regs = m->own_regs = calloc(1, VIRTIO_MMIO_LEN);
	if (!m->regs)
		return -ENOMEM;
	mmio_regs_init(m);
	rc = serving_start(&m->serving, m->dev, owner);
	if (rc)
		return rc;
	serving_call(&m->serving, begin, m);
	return m->rc;
}

static struct virtio_mmio *alloc(struct virtio_device *dev)
{
	struct virtio_mmio *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->dev = dev;
	m->request_fd = -1;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->cond, NULL);
	for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++) {
		m->queue[q].kick_fd = -1;
		m->queue[q].served =
			(struct served_queue){ .dev = dev, .index = q };
	}
	return m;
}

int virtio_mmio_new(struct loop *owner_loop, struct virtio_device *dev,
		    const struct guest_memory *mem, int irq_fd, void *regs,
		    const struct virtio_mmio_events *events,
		    struct virtio_mmio **ret)
{
	struct virtio_mmio *m = NULL;
	int rc = -EINVAL;

	if (dev->nqueues <= VIRTIO_MAX_QUEUES &&
	    dev->config_len <= MMIO_CONFIG_MAX) {
		m = alloc(dev);
		rc = -ENOMEM;
	}
	if (!m) {
		(void)close(irq_fd);
		return rc;
	}
	m->mem = mem;
	m->irq_fd = irq_fd;
	m->regs = regs;
	if (events)
		m->events = *events;
	rc = reports_init(&m->reports, owner_loop, deliver);
	if (!rc)
		rc = setup(m, owner_loop);
	if (rc)
		virtio_mmio_free(m);
	else
		*ret = m;
	return rc;
}

struct virtio_mmio *virtio_mmio_free(struct virtio_mmio *m)
{
	if (!m)
		return NULL;
	if (m->serving.loop)
		serving_call(&m->serving, end, m);
	serving_stop(&m->serving);
	reports_fini(&m->reports);
	for (unsigned q = 0; q < m->dev->nqueues; q++)
		close_fd(&m->queue[q].kick_fd);
	close_fd(&m->request_fd);
	close_fd(&m->irq_fd);
	pthread_cond_destroy(&m->cond);
	pthread_mutex_destroy(&m->lock);
	free(m->own_regs);
	free(m);
	return NULL;
}

int virtio_mmio_kick_fd(const struct virtio_mmio *m, unsigned q)
{
	return m->queue[q].kick_fd;
}
