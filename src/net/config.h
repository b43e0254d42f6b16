/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network section of a sandbox's configuration and its JSON form (docs:
 * json.md), and the choice of a sandbox's addresses.
 */
#ifndef MSB_NET_CONFIG_H
#define MSB_NET_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/addr.h"
#include "net/policy.h"

#define NET_DEFAULT_CONNECTIONS 256u
#define NET_MAX_CONNECTIONS 4096u
#define NET_MAX_PORTS 1024u
#define NET_MAX_NAMESERVERS 16u
#define NET_HOST_ALIAS "host.microsandbox.internal"

struct net_port {
	struct net_endpoint bind; /* on the host */
	uint16_t guest_port;
	bool udp;
};

struct net_config {
	bool enabled; /* false: no NIC at all */
	/* interface: explicit values or pools; unset = AF_UNSPEC, 0 */
	bool has_mac;
	uint8_t mac[NET_MAC_LEN];
	uint16_t mtu; /* 0 = 1500 */
	struct net_addr ipv4_address, ipv6_address;
	struct net_cidr ipv4_pool, ipv6_pool;
	struct net_port *ports;
	size_t nports;
	struct policy policy;
	bool rebind_protection;
	struct strv nameservers; /* as written: IP, IP:PORT, HOST[:PORT] */
	uint32_t dns_timeout_ms;
	uint32_t max_connections;
};

/* Defaults of the product; 0 or -ENOMEM. */
int net_config_init(struct net_config *c);
void net_config_fini(struct net_config *c);
/* NULL or null = all defaults. Unknown keys are tolerated, bad values are
 * ERR_INVALID. *ret is initialised by this call. */
int net_config_from_json(const json_t *j, struct net_config *ret,
			 struct err *err);
json_t *net_config_to_json(const struct net_config *c); /* NULL = no memory */

/* HOST:GUEST, BIND:HOST:GUEST, with /tcp or /udp; ERR_INVALID. */
int net_port_parse(const char *text, struct net_port *ret, struct err *err);
/* IP, IP:PORT, [IPv6]:PORT, HOST, HOST:PORT: only its shape. ERR_INVALID. */
int net_nameserver_check(const char *text, struct err *err);

/*
 * The addresses of the sandbox that has this slot. has4, has6: the host can
 * reach others over that family, or it is left out unless set explicitly.
 * ERR_INVALID when the slot is beyond a pool, which it names.
 */
int net_addresses_assign(const struct net_config *c, uint32_t slot, bool has4,
			 bool has6, struct net_addresses *ret, struct err *err);
/* Does the host have a route for this family? No packet is sent. */
bool net_host_has(int family);

#endif
