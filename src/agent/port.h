/* SPDX-License-Identifier: Apache-2.0 */
/* The console port that leads to the host. */
#ifndef MSB_AGENT_PORT_H
#define MSB_AGENT_PORT_H

#include "base/err.h"

/*
 * Open the virtio console port of that name, by way of /sys and /dev, waiting
 * a short time for it to appear. Returns a non-blocking descriptor or -errno.
 */
int port_open(const char *name, struct err *err);

#endif
