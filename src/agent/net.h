/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's network interfaces. */
#ifndef MSB_AGENT_NET_H
#define MSB_AGENT_NET_H

#include "base/err.h"
#include "protocol/bootspec.h"

/* Bring the loopback up, with its addresses, and the network card with its own
 * and the routes through it; n is NULL when there is none. */
int net_configure(const struct boot_network *n, struct err *err);

#endif
