/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-console with two ports (virtio 1.2 section 5.3): port 0 is the
 * guest's console, whose output is its kernel log and which has no input;
 * port 1, named "agent", is the byte stream between runtime and agent.
 *
 * Served on the runtime's loop; every function and callback is on its thread.
 * Callbacks may call any function of this header except vconsole_free.
 */
#ifndef MSB_VIRTIO_DEV_CONSOLE_H
#define MSB_VIRTIO_DEV_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

#include "virtio/device.h"

#define VCONSOLE_AGENT_PORT "agent"

struct vconsole;

struct vconsole_events {
	void *ctx;
	/* Kernel log bytes. data is our copy, valid during the call. */
	void (*on_console)(void *ctx, const void *data, size_t len);
	/*
	 * Bytes from the agent, in order; data is our copy. Returns how many
	 * were taken. The rest stays in the guest, and nothing more comes,
	 * until vconsole_resume().
	 */
	size_t (*on_data)(void *ctx, const void *data, size_t len);
	/* After vconsole_write() took less than all: it will take more. */
	void (*on_writable)(void *ctx);
	/* The agent opened or closed its end, or the guest was reset. Bytes
	 * can be written while it is open. */
	void (*on_open)(void *ctx, bool open);
};

/* 0 or -ENOMEM. All callbacks must be given. */
int vconsole_new(const struct vconsole_events *events, struct vconsole **ret);
struct vconsole *vconsole_free(struct vconsole *c);

/* Borrowed; served by a transport that is freed before the console. */
struct virtio_device *vconsole_device(struct vconsole *c);

/* Send to the agent: how many bytes fitted into the guest's buffers; 0 while
 * the agent's end is closed. */
size_t vconsole_write(struct vconsole *c, const void *data, size_t len);

/* on_data can take more. Delivered from the loop, not from inside this call. */
void vconsole_resume(struct vconsole *c);

#endif
