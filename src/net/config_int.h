/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by config.c and config_json.c. */
#ifndef MSB_NET_CONFIG_INT_H
#define MSB_NET_CONFIG_INT_H

#include "net/config.h"

#define NET_DEFAULT_MTU 1500u
#define NET_MIN_MTU 1280u /* what IPv6 needs */
#define NET_MAX_MTU 65535u
#define NET_DEFAULT_DNS_TIMEOUT_MS 5000u
#define NET_MAX_DNS_TIMEOUT_MS 600000u

/* The whole of it, as far as values have to fit each other or their use. */
int net_config_check(const struct net_config *c, struct err *err);
struct net_cidr net_default_pool(int family);

#endif
