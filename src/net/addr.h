/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses, prefixes, and the groups a policy knows. */
#ifndef MSB_NET_ADDR_H
#define MSB_NET_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define NET_ADDR_TEXT 46 /* longest text with its NUL */
#define NET_MAC_LEN 6

struct net_addr {
	uint8_t family; /* AF_INET, AF_INET6; AF_UNSPEC = none */
	uint8_t b[16];	/* network order; IPv4 uses the first four */
};

struct net_cidr {
	struct net_addr addr; /* host bits are zero */
	uint8_t prefix;
};

struct net_endpoint {
	struct net_addr addr;
	uint16_t port; /* host order */
};

/* Exclusive: an address is in exactly one. NONE are 0.0.0.0 and ::, which the
 * host would take for itself, and 255.255.255.255. */
enum net_group {
	NET_GROUP_NONE,
	NET_GROUP_HOST, /* this sandbox's gateway */
	NET_GROUP_METADATA,
	NET_GROUP_LOOPBACK,
	NET_GROUP_PRIVATE,
	NET_GROUP_LINK_LOCAL,
	NET_GROUP_MULTICAST,
	NET_GROUP_PUBLIC,
};

/* The addresses of one sandbox's link; a family the host lacks is AF_UNSPEC. */
struct net_addresses {
	uint8_t guest_mac[NET_MAC_LEN], gateway_mac[NET_MAC_LEN];
	uint16_t mtu;
	struct net_addr guest4, gateway4; /* a /30 */
	struct net_addr guest6, gateway6; /* a /64 */
};

/* 0 or -EINVAL; no zone, no brackets. */
int net_addr_parse(const char *text, size_t len, struct net_addr *ret);
const char *net_addr_text(const struct net_addr *a, char ret[NET_ADDR_TEXT]);
/* ADDR/PREFIX; host bits are cleared. 0 or -EINVAL. */
int net_cidr_parse(const char *text, size_t len, struct net_cidr *ret);

void net_cidr_mask(struct net_cidr *c); /* clear the host bits */

bool net_addr_equal(const struct net_addr *a, const struct net_addr *b);
/* The same host written differently: a mapped address (::ffff:0:0/96) as the
 * IPv4 address that a socket of the host would use, any other as it is. */
struct net_addr net_addr_unmap(const struct net_addr *a);
/*
 * What a policy looks at: an IPv6 address that carries an IPv4 one (mapped and
 * its older forms, NAT64 64:ff9b::/96, 6to4 2002::/16, Teredo 2001::/32) as
 * that IPv4 address, any other as it is.
 */
struct net_addr net_addr_unwrap(const struct net_addr *a);
/* The bits, as they are. */
bool net_cidr_covers(const struct net_cidr *c, const struct net_addr *a);
/* a is unwrapped first unless the prefix itself is in such a range. */
bool net_cidr_contains(const struct net_cidr *c, const struct net_addr *a);
/* link may be NULL: then no address is the gateway. */
enum net_group net_addr_group(const struct net_addr *a,
			      const struct net_addresses *link);
const char *net_group_name(enum net_group g); /* as in JSON */
/* Also in its unwrapped form. */
bool net_addr_is_gateway(const struct net_addr *a,
			 const struct net_addresses *link);

/* For host sockets; the length for connect() and the like. */
socklen_t net_endpoint_to_sockaddr(const struct net_endpoint *e,
				   struct sockaddr_storage *ret);
/* 0 or -EAFNOSUPPORT. A mapped IPv4 address comes back as IPv4. */
int net_endpoint_from_sockaddr(const struct sockaddr_storage *s,
			       struct net_endpoint *ret);

#endif
