/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front end's half of vhost-user, for tests: a server is given one end of
 * a socket pair, guest memory is a memfd. Waiting pumps the server's loop.
 */
#ifndef MSB_TEST_VIRTIO_FRONTEND_H
#define MSB_TEST_VIRTIO_FRONTEND_H

#include "driver.h"
#include "virtio/transport/vhost_user.h"
#include "virtio/transport/vhost_user_msg.h"

#define FE_MEM_LEN (4u << 20)
#define FE_GPA 0x10000ull
#define FE_USER 0x7f0000000000ull
#define FE_QUEUES 8

struct frontend {
	struct loop *loop;
	struct vhost_user *vu;
	int sock;
	int memfd;
	struct drv_mem mem;
	struct drv_queue q[FE_QUEUES];
	int kick[FE_QUEUES]; /* eventfd, as UML's */
	int call[FE_QUEUES]; /* our end of a socket pair, as UML's */
	unsigned faults, disconnects;
	char why[160];
};

/* Serve dev and connect to it. */
void fe_open(struct frontend *fe, struct virtio_device *dev, unsigned flags);
void fe_close(struct frontend *fe);
/* A new connection to the same device. */
void fe_reconnect(struct frontend *fe, struct virtio_device *dev,
		  unsigned flags);

/* Let the server work until nothing is left to do. */
void fe_pump(struct frontend *fe);
/* Wait, pumping, until *cond is at least want. */
void fe_wait(struct frontend *fe, const unsigned *cond, unsigned want);

void fe_send(struct frontend *fe, uint32_t request, uint32_t flags,
	     const void *payload, uint32_t size, const int *fds, size_t nfds);
/* The reply's payload length, or -1 when the server hung up. */
int fe_reply(struct frontend *fe, uint32_t request, void *payload, size_t max);
/* Send with NEED_REPLY: the acknowledgement, or -1 when hung up. */
int64_t fe_ack(struct frontend *fe, uint32_t request, const void *payload,
	       uint32_t size, const int *fds, size_t nfds);
int64_t fe_ack_u64(struct frontend *fe, uint32_t request, uint64_t v);
int64_t fe_ack_state(struct frontend *fe, uint32_t request, uint32_t index,
		     uint32_t num);
uint64_t fe_get_u64(struct frontend *fe, uint32_t request);

/* Features and memory, as virtio_uml.c sets them up. */
void fe_negotiate(struct frontend *fe, uint64_t device_features);
int64_t fe_set_memory(struct frontend *fe);
/* Everything of queue i up to the kick; enabled when asked. */
void fe_queue(struct frontend *fe, unsigned i, uint16_t size, bool enable);
void fe_kick(struct frontend *fe, unsigned i);
/* Interrupts received on queue i since the last time. */
unsigned fe_interrupts(struct frontend *fe, unsigned i);
/* Open descriptors of this process. */
unsigned fe_count_fds(void);

#endif
