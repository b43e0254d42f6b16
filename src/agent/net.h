/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's network interfaces. */
#ifndef MSB_AGENT_NET_H
#define MSB_AGENT_NET_H

#include "base/err.h"

/* Bring the loopback interface up; the kernel gives it 127.0.0.1 and ::1. */
int net_loopback_up(struct err *err);

#endif
