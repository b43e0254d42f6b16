/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and prefixes as text, as groups, and as socket addresses. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define BITS4 32u
#define BITS6 128u

static const char *const group_names[] = {
	[NET_GROUP_NONE] = "none",
	[NET_GROUP_HOST] = "host",
	[NET_GROUP_METADATA] = "metadata",
	[NET_GROUP_LOOPBACK] = "loopback",
	[NET_GROUP_PRIVATE] = "private",
	[NET_GROUP_LINK_LOCAL] = "link_local",
	[NET_GROUP_MULTICAST] = "multicast",
	[NET_GROUP_PUBLIC] = "public",
};

struct range {
	enum net_group group;
	uint8_t prefix;
	uint8_t b[16];
};

/* In the order in which they are asked; what no line has is public. 0.0.0.0, ::
 * and the broadcast address belong nowhere: for the host the first two are
 * itself, the last its own link. */
static const struct range ranges4[] = {
	{ NET_GROUP_METADATA, 32, { 169, 254, 169, 254 } },
	{ NET_GROUP_LOOPBACK, 8, { 127 } },
	{ NET_GROUP_PRIVATE, 8, { 10 } },
	{ NET_GROUP_PRIVATE, 12, { 172, 16 } },
	{ NET_GROUP_PRIVATE, 16, { 192, 168 } },
	{ NET_GROUP_PRIVATE, 10, { 100, 64 } },
	{ NET_GROUP_LINK_LOCAL, 16, { 169, 254 } },
	{ NET_GROUP_MULTICAST, 4, { 224 } },
	{ NET_GROUP_NONE, 32, { 0 } },
	{ NET_GROUP_NONE, 32, { 255, 255, 255, 255 } },
};

/* 64:ff9b:1::/48 is for translators of one site (RFC 8215), fec0::/10 the old
 * form of fc00::/7 (RFC 3879); two clouds have their metadata inside fd00::/8.
 */
static const struct range ranges6[] = {
	{ NET_GROUP_METADATA,
	  128,
	  { 0xfd, 0, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 } },
	{ NET_GROUP_METADATA,
	  128,
	  { 0xfd, 0x20, 0, 0xce, [14] = 0x02, [15] = 0x54 } },
	{ NET_GROUP_LOOPBACK, 128, { [15] = 1 } },
	{ NET_GROUP_PRIVATE, 7, { 0xfc } },
	{ NET_GROUP_PRIVATE, 48, { 0, 0x64, 0xff, 0x9b, 0, 1 } },
	{ NET_GROUP_PRIVATE, 10, { 0xfe, 0xc0 } },
	{ NET_GROUP_LINK_LOCAL, 10, { 0xfe, 0x80 } },
	{ NET_GROUP_MULTICAST, 8, { 0xff } },
	{ NET_GROUP_NONE, 128, { 0 } },
};

/* Prefixes in which the destination is an IPv4 address in the end: mapped,
 * translated (RFC 2765), compatible (RFC 4291), NAT64, 6to4, Teredo. */
struct carrier {
	uint8_t prefix;
	uint8_t at;	/* where the IPv4 address lies */
	uint8_t invert; /* Teredo keeps it complemented */
	uint8_t b[16];
};

static const struct carrier carriers[] = {
	{ 96, 12, 0, { [10] = 0xff, [11] = 0xff } },
	{ 96, 12, 0, { [8] = 0xff, [9] = 0xff } },
	{ 96, 12, 0, { 0, 0x64, 0xff, 0x9b } },
	{ 16, 2, 0, { 0x20, 0x02 } },
	{ 32, 12, 0xff, { 0x20, 0x01 } },
	{ 96, 12, 0, { 0 } },
};

static unsigned family_bits(int family)
{
	return family == AF_INET ? BITS4 : family == AF_INET6 ? BITS6 : 0;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;
	if (memcmp(a, b, bytes) != 0)
		return false;
	return !rest || !((a[bytes] ^ b[bytes]) >> (8 - rest));
}

int net_addr_parse(const char *text, size_t len, struct net_addr *ret)
{
	struct net_addr a = { 0 };
	char copy[NET_ADDR_TEXT];
	if (!len || len >= sizeof(copy) || memchr(text, '\0', len))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	a.family = strchr(copy, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(a.family, copy, a.b) != 1)
		return -EINVAL;
	*ret = a;
	return 0;
}

const char *net_addr_text(const struct net_addr *a, char ret[NET_ADDR_TEXT])
{
	if (!family_bits(a->family) ||
	    !inet_ntop(a->family, a->b, ret, NET_ADDR_TEXT))
		memcpy(ret, "none", sizeof("none"));
	return ret;
}

/* One to three digits and nothing else. */
static int parse_prefix(const char *text, size_t len, unsigned max,
			uint8_t *ret)
{
	unsigned value = 0;
	if (!len || len > 3)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	if (value > max)
		return -EINVAL;
	*ret = (uint8_t)value;
	return 0;
}

int net_cidr_parse(const char *text, size_t len, struct net_cidr *ret)
{
	struct net_cidr c = { 0 };
	const char *slash = len ? memchr(text, '/', len) : NULL;
	if (!slash)
		return -EINVAL;
	size_t head = (size_t)(slash - text);
	if (net_addr_parse(text, head, &c.addr) < 0 ||
	    parse_prefix(slash + 1, len - head - 1, family_bits(c.addr.family),
			 &c.prefix) < 0)
		return -EINVAL;
	net_cidr_mask(&c);
	*ret = c;
	return 0;
}

void net_cidr_mask(struct net_cidr *c)
{
	unsigned bytes = c->prefix / 8, rest = c->prefix % 8;
	if (rest)
		c->addr.b[bytes] &= (uint8_t)(0xff << (8 - rest));
	for (unsigned i = bytes + (rest ? 1 : 0); i < sizeof(c->addr.b); i++)
		c->addr.b[i] = 0;
}

bool net_addr_equal(const struct net_addr *a, const struct net_addr *b)
{
	return a->family == b->family &&
	       !memcmp(a->b, b->b, family_bits(a->family) / 8);
}

static struct net_addr carried(const struct net_addr *a,
			       const struct carrier *c)
{
	struct net_addr v4 = { .family = AF_INET };
	for (unsigned i = 0; i < 4; i++)
		v4.b[i] = a->b[c->at + i] ^ c->invert;
	return v4;
}

struct net_addr net_addr_unmap(const struct net_addr *a)
{
	if (a->family == AF_INET6 &&
	    same_prefix(a->b, carriers[0].b, carriers[0].prefix))
		return carried(a, &carriers[0]);
	return *a;
}

struct net_addr net_addr_unwrap(const struct net_addr *a)
{
	static const uint8_t zero[15];
	if (a->family != AF_INET6)
		return *a;
	/* :: and ::1 are addresses of their own */
	if (!memcmp(a->b, zero, sizeof(zero)) && a->b[15] <= 1)
		return *a;
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++)
		if (same_prefix(a->b, carriers[i].b, carriers[i].prefix))
			return carried(a, &carriers[i]);
	return *a;
}

bool net_cidr_covers(const struct net_cidr *c, const struct net_addr *a)
{
	return c->addr.family == a->family && a->family != AF_UNSPEC &&
	       same_prefix(c->addr.b, a->b, c->prefix);
}

/* Is the whole prefix inside one that carries IPv4 addresses? */
static bool carrier_prefix(const struct net_cidr *c)
{
	if (c->addr.family != AF_INET6)
		return false;
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++)
		if (c->prefix >= carriers[i].prefix &&
		    same_prefix(c->addr.b, carriers[i].b, carriers[i].prefix))
			return true;
	return false;
}

bool net_cidr_contains(const struct net_cidr *c, const struct net_addr *a)
{
	struct net_addr inner = net_addr_unwrap(a);
	if (net_cidr_covers(c, &inner))
		return true;
	return carrier_prefix(c) && net_cidr_covers(c, a);
}

bool net_addr_is_gateway(const struct net_addr *a,
			 const struct net_addresses *link)
{
	struct net_addr inner = net_addr_unwrap(a);
	if (inner.family == AF_UNSPEC)
		return false;
	return net_addr_equal(&inner, &link->gateway4) ||
	       net_addr_equal(&inner, &link->gateway6) ||
	       net_addr_equal(a, &link->gateway6);
}

enum net_group net_addr_group(const struct net_addr *a,
			      const struct net_addresses *link)
{
	struct net_addr inner = net_addr_unwrap(a);
	const struct range *r = ranges4;
	size_t n = sizeof(ranges4) / sizeof(ranges4[0]);
	if (link && net_addr_is_gateway(a, link))
		return NET_GROUP_HOST;
	if (inner.family == AF_UNSPEC)
		return NET_GROUP_NONE;
	if (inner.family == AF_INET6) {
		r = ranges6;
		n = sizeof(ranges6) / sizeof(ranges6[0]);
	}
	for (size_t i = 0; i < n; i++)
		if (same_prefix(inner.b, r[i].b, r[i].prefix))
			return r[i].group;
	return NET_GROUP_PUBLIC;
}

const char *net_group_name(enum net_group g)
{
	return group_names[g];
}

socklen_t net_endpoint_to_sockaddr(const struct net_endpoint *e,
				   struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (e->addr.family == AF_INET) {
		struct sockaddr_in *s = (struct sockaddr_in *)ret;
		s->sin_family = AF_INET;
		s->sin_port = htons(e->port);
		memcpy(&s->sin_addr, e->addr.b, 4);
		return sizeof(*s);
	}
	struct sockaddr_in6 *s = (struct sockaddr_in6 *)ret;
	s->sin6_family = AF_INET6;
	s->sin6_port = htons(e->port);
	memcpy(&s->sin6_addr, e->addr.b, 16);
	return sizeof(*s);
}

int net_endpoint_from_sockaddr(const struct sockaddr_storage *s,
			       struct net_endpoint *ret)
{
	struct net_endpoint e = { 0 };
	if (s->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)s;
		e.addr.family = AF_INET;
		memcpy(e.addr.b, &in->sin_addr, 4);
		e.port = ntohs(in->sin_port);
	} else if (s->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)s;
		e.addr.family = AF_INET6;
		memcpy(e.addr.b, &in->sin6_addr, 16);
		e.addr = net_addr_unmap(&e.addr);
		e.port = ntohs(in->sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}
	*ret = e;
	return 0;
}
