/* SPDX-License-Identifier: Apache-2.0 */
/* The console port that leads to the host. */
#ifndef MSB_AGENT_PORT_H
#define MSB_AGENT_PORT_H

#include "base/err.h"

/*
 * Open the virtio console port of that name, waiting about a second for it to
 * appear. sys and dev are where sysfs and devtmpfs are mounted ("." relative
 * paths allowed). Returns a non-blocking descriptor or -errno.
 */
int port_open(const char *sys, const char *dev, const char *name,
	      struct err *err);

#endif
