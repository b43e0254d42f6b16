/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serves one virtio device to a front end over a Unix socket: the back-end
 * side of the public vhost-user protocol, as QEMU and Linux's
 * arch/um/drivers/virtio_uml.c speak it.
 */
#ifndef MSB_VIRTIO_TRANSPORT_VHOST_USER_H
#define MSB_VIRTIO_TRANSPORT_VHOST_USER_H

#include "loop/loop.h"
#include "virtio/device.h"

struct vhost_user;

/* Both arrive on the loop given to vhost_user_serve(), from a clean stack: the
 * server may be freed in them. NULL = not wanted. */
struct vhost_user_events {
	void *ctx;
	/* The driver broke the rules of its rings: the device works no more
	 * until the front end resets it. */
	void (*on_fault)(void *ctx, const char *why);
	/* The connection ended and the device stopped; why is "" when the
	 * front end just closed it, else what was wrong with its messages. */
	void (*on_disconnect)(void *ctx, const char *why);
};

enum vhost_user_flags {
	/*
	 * Accept eventfds for interrupts. Their blocking mode is shared with
	 * the front end, which could make our writes hang; only for a front
	 * end that is trusted. UML sends sockets, which are always accepted.
	 */
	VHOST_USER_EVENTFD_CALL = 1,
	/*
	 * Do not offer acknowledgements. A front end that asks for one with
	 * every message (UML does) waits for us dozens of times while it
	 * boots; messages take effect in order without them, too, and a bad
	 * one ends the connection.
	 */
	VHOST_USER_NO_ACKS = 2,
	/* Keep the file of the guest's memory, for vhost_user_memory_bytes().
	 * Of no use with a device that wants a thread. */
	VHOST_USER_KEEP_MEMORY = 4,
};

/*
 * Serve dev (borrowed until vhost_user_free) on a connected or a listening
 * Unix stream socket. A connected one serves that connection; a listening one
 * serves one connection after the other. A device with wants_thread is served
 * by a thread of its own, others on the loop. Takes fd, also on failure.
 * 0 or -errno.
 */
int vhost_user_serve(struct loop *loop, struct virtio_device *dev, int fd,
		     unsigned flags, const struct vhost_user_events *events,
		     struct vhost_user **ret);

/*
 * How much of the host's memory the file of the guest's memory takes, whoever
 * has touched it: 0 when there is none yet. Opens nothing.
 */
uint64_t vhost_user_memory_bytes(const struct vhost_user *vu);

/* Stop the device, disconnect, join the thread. On the loop's own thread. */
struct vhost_user *vhost_user_free(struct vhost_user *vu);

#endif
