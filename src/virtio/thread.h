/* SPDX-License-Identifier: Apache-2.0 */
/* A thread running a loop of its own, for devices that may block. */
#ifndef MSB_VIRTIO_THREAD_H
#define MSB_VIRTIO_THREAD_H

#include "loop/loop.h"

struct virtio_thread;

/* It starts with the caller's signal mask, which should keep away what the
 * process handles elsewhere. name: at most 15 bytes. 0 or -errno. */
int virtio_thread_start(const char *name, struct virtio_thread **ret);
struct loop *virtio_thread_loop(struct virtio_thread *t);

/* Run fn(ctx) on the thread and wait for it; not from the thread itself. */
void virtio_thread_call(struct virtio_thread *t, void (*fn)(void *ctx),
			void *ctx);

/* Stop the loop, join and free; the caller has removed its watches by then
 * (with virtio_thread_call). NULL is allowed. */
struct virtio_thread *virtio_thread_stop(struct virtio_thread *t);

#endif
