/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for devices that the kernel is still bringing up. */
#ifndef MSB_AGENT_UEVENT_H
#define MSB_AGENT_UEVENT_H

#include <stdint.h>

/*
 * Call attempt(ctx) until it returns anything but -ENOENT, or limit_ms have
 * passed; again whenever the kernel announces a change of devices. Nothing but
 * the attempt is done when the first one succeeds.
 */
int uevent_retry(uint64_t limit_ms, int (*attempt)(void *ctx), void *ctx);

#endif
