/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the configuration. */
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
int tls_config_check(const struct tls_config *t, struct err *err);
struct net_cidr net_default_pool(int family);

/* Parts of the network section o. What a failed call leaves in its last
 * argument is for its fini. */
int tls_config_from_json(const json_t *o, struct tls_config *t,
			 struct err *err);
json_t *tls_config_to_json(const struct tls_config *t);
int secrets_config_from_json(const json_t *o, struct secrets_config *s,
			     struct err *err);
json_t *secrets_config_to_json(const struct secrets_config *s);
int host_patterns_from_json(const json_t *list, struct host_patterns *ret,
			    struct err *err);
json_t *host_patterns_to_json(const struct host_patterns *p);

#endif
