/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults, checks and command-line forms of the network's configuration, and
 * the addresses of a sandbox. */
#include "net/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/config_int.h"
#include "net/dns_host.h"

#define SLOT_BITS4 30u /* a /30 for each */
#define SLOT_BITS6 64u

struct net_cidr net_default_pool(int family)
{
	static const struct net_cidr pool4 = { { AF_INET, { 172, 16 } }, 12 };
	static const struct net_cidr pool6 = {
		{ AF_INET6, { 0xfd, 0x42, 0x6d, 0x73, 0, 0x62 } }, 48
	};

	return family == AF_INET ? pool4 : pool6;
}

int net_config_init(struct net_config *c)
{
	*c = (struct net_config){
		.enabled = true,
		.ipv4_pool = net_default_pool(AF_INET),
		.ipv6_pool = net_default_pool(AF_INET6),
		.rebind_protection = true,
		.dns_timeout_ms = NET_DEFAULT_DNS_TIMEOUT_MS,
		.max_connections = NET_DEFAULT_CONNECTIONS,
		.tls = { .verify_upstream = true,
			 .block_quic = true,
			 .cache_capacity = NET_DEFAULT_LEAVES,
			 .validity_hours = NET_DEFAULT_LEAF_HOURS },
		.secrets.on_violation = { .set = true,
					  .action = SECRET_BLOCK_LOG },
	};
	return policy_public_only(&c->policy);
}

void net_config_fini(struct net_config *c)
{
	free(c->ports);
	policy_fini(&c->policy);
	strv_fini(&c->nameservers);
	tls_config_fini(&c->tls);
	secrets_config_fini(&c->secrets);
	*c = (struct net_config){ 0 };
}

/* --- checks --- */

static int check_pool(const struct net_cidr *pool, int family,
		      const char *category, unsigned longest, struct err *err)
{
	enum net_group g = net_addr_group(&pool->addr, NULL);

	if (pool->addr.family != family)
		return err_set(err, ERR_INVALID, 0, "%s: not an %s prefix",
			       category, family == AF_INET ? "IPv4" : "IPv6");
	if (pool->prefix > longest)
		return err_set(err, ERR_INVALID, 0,
			       "%s: the prefix must be /%u or shorter",
			       category, longest);
	if (g == NET_GROUP_LOOPBACK || g == NET_GROUP_MULTICAST ||
	    g == NET_GROUP_NONE)
		return err_set(err, ERR_INVALID, 0,
			       "%s: no host can have such addresses", category);
	return 0;
}

static int check_explicit(const struct net_config *c, struct err *err)
{
	const struct net_addr *v4 = &c->ipv4_address, *v6 = &c->ipv6_address;
	enum net_group g4 = net_addr_group(v4, NULL);
	enum net_group g6 = net_addr_group(v6, NULL);
	static const uint8_t gateway[8] = { [7] = 1 };

	if (c->has_mac && (c->mac[0] & 1))
		return err_set(err, ERR_INVALID, 0,
			       "interface.mac is a group address");
	if (c->mtu && c->mtu < NET_MIN_MTU)
		return err_set(err, ERR_INVALID, 0,
			       "interface.mtu must be from %u to %u",
			       NET_MIN_MTU, NET_MAX_MTU);
	if (v4->family != AF_UNSPEC &&
	    (v4->family != AF_INET || (v4->b[3] & 3) != 2 ||
	     g4 == NET_GROUP_LOOPBACK || g4 == NET_GROUP_MULTICAST))
		return err_set(err, ERR_INVALID, 0,
			       "interface.ipv4_address must be the second host "
			       "of a /30 (its last byte a multiple of four, "
			       "plus two)");
	if (v6->family != AF_UNSPEC &&
	    (v6->family != AF_INET6 || g6 == NET_GROUP_LOOPBACK ||
	     g6 == NET_GROUP_MULTICAST || g6 == NET_GROUP_NONE ||
	     !memcmp(v6->b + 8, gateway, sizeof(gateway))))
		return err_set(err, ERR_INVALID, 0,
			       "interface.ipv6_address must be a host's and "
			       "not end in ::1, which is the gateway");
	return 0;
}

int net_config_check(const struct net_config *c, struct err *err)
{
	int rc = check_pool(&c->ipv4_pool, AF_INET, "InvalidIpv4Pool",
			    SLOT_BITS4, err);

	if (!rc)
		rc = check_pool(&c->ipv6_pool, AF_INET6, "InvalidIpv6Pool",
				SLOT_BITS6, err);
	if (!rc)
		rc = check_explicit(c, err);
	if (rc < 0)
		return rc;
	if (c->max_connections > NET_MAX_CONNECTIONS)
		return err_set(err, ERR_INVALID, 0,
			       "MaxConnectionsExceeded: %u connections are "
			       "more than the limit of %u",
			       c->max_connections, NET_MAX_CONNECTIONS);
	if (!c->dns_timeout_ms || c->dns_timeout_ms > NET_MAX_DNS_TIMEOUT_MS)
		return err_set(err, ERR_INVALID, 0,
			       "the DNS query time-out must be from 1 to %u ms",
			       NET_MAX_DNS_TIMEOUT_MS);
	if (c->nports > NET_MAX_PORTS)
		return err_set(err, ERR_INVALID, 0,
			       "more than %u published ports", NET_MAX_PORTS);
	if (c->nameservers.n > NET_MAX_NAMESERVERS)
		return err_set(err, ERR_INVALID, 0, "more than %u nameservers",
			       NET_MAX_NAMESERVERS);
	rc = tls_config_check(&c->tls, err);
	return rc ? rc : secrets_config_check(&c->secrets, err);
}

/* --- published ports --- */

struct part {
	const char *at;
	size_t len;
};

static struct part part_trim(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (at < end && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (struct part){ at, (size_t)(end - at) };
}

static bool part_port(struct part p, uint16_t *ret)
{
	char text[8];
	uint32_t port;

	if (!p.len || p.len >= sizeof(text))
		return false;
	memcpy(text, p.at, p.len);
	text[p.len] = '\0';
	if (str_to_u32(text, &port) < 0 || !port || port > UINT16_MAX)
		return false;
	*ret = (uint16_t)port;
	return true;
}

/* /udp or /tcp at the end; where the rest ends. */
static const char *cut_protocol(const char *text, const char *end, bool *udp)
{
	static const char udp_word[] = "/udp", tcp_word[] = "/tcp";
	size_t len = (size_t)(end - text), word = sizeof(udp_word) - 1;

	*udp = len > word && !memcmp(end - word, udp_word, word);
	if (*udp || (len > word && !memcmp(end - word, tcp_word, word)))
		end -= word;
	return end;
}

/* [BIND:]HOST:GUEST into its parts; bind.len 0 when there is none. */
static bool split_port(const char *at, const char *end, struct part *bind,
		       struct part *host, struct part *guest)
{
	const char *last = memrchr(at, ':', (size_t)(end - at));
	const char *first = last ? memrchr(at, ':', (size_t)(last - at)) : NULL;
	bool bracket = *at == '[';

	if (!last || (bracket && (!first || first[-1] != ']')))
		return false;
	if (first && !bracket && memchr(at, ':', (size_t)(first - at)))
		return false;
	*bind = part_trim(at, first ? first : at);
	*host = part_trim(first ? first + 1 : at, last);
	*guest = part_trim(last + 1, end);
	return !first || bind->len;
}

static bool parse_bind(struct part p, struct net_addr *ret)
{
	bool bracketed = p.at[0] == '[';

	if (bracketed)
		p = (struct part){ p.at + 1, p.len - 2 };
	return net_addr_parse(p.at, p.len, ret) == 0 &&
	       bracketed == (ret->family == AF_INET6);
}

static int bad_port(struct err *err, const char *what, struct part p)
{
	return err_set(err, ERR_INVALID, 0, "invalid %s: %.*s", what,
		       (int)(p.len < 100 ? p.len : 100), p.at);
}

int net_port_parse(const char *text, struct net_port *ret, struct err *err)
{
	struct net_port port = { .bind.addr = { AF_INET, { 127, 0, 0, 1 } } };
	struct part whole = part_trim(text, text + strlen(text));
	struct part bind, host, guest;
	const char *end =
		cut_protocol(whole.at, whole.at + whole.len, &port.udp);

	if (!split_port(whole.at, end, &bind, &host, &guest))
		return err_set(err, ERR_INVALID, 0,
			       "port must be in format HOST:GUEST[/udp] or "
			       "BIND_ADDR:HOST:GUEST[/udp], an IPv6 address "
			       "in brackets: [ADDR]:HOST:GUEST[/udp]");
	if (bind.len && !parse_bind(bind, &port.bind.addr))
		return bad_port(err, "bind address", bind);
	if (!part_port(host, &port.bind.port))
		return bad_port(err, "host port", host);
	if (!part_port(guest, &port.guest_port))
		return bad_port(err, "guest port", guest);
	*ret = port;
	return 0;
}

/* --- nameservers --- */

int net_nameserver_check(const char *text, struct err *err)
{
	struct dns_server server;
	struct dns_name name;

	if (dns_nameserver_parse(text, &server, &name) == 0)
		return 0;
	return err_set(err, ERR_INVALID, 0,
		       "invalid nameserver \"%.256s\": it is IP, IP:PORT, "
		       "[IPv6]:PORT, HOST or HOST:PORT",
		       text);
}

/* --- addresses --- */

static void assign_mac(uint8_t mac[NET_MAC_LEN], uint32_t slot, uint8_t host)
{
	const uint8_t m[NET_MAC_LEN] = { 0x02,		0x6d,
					 0x73,		(uint8_t)(slot >> 8),
					 (uint8_t)slot, host };

	memcpy(mac, m, sizeof(m));
}

static int beyond(const struct net_cidr *pool, uint32_t slot, unsigned bits,
		  struct err *err)
{
	char addr[NET_ADDR_TEXT];

	return err_set(err, ERR_INVALID, 0,
		       "the address pool %s/%u (capacity %llu) has no slot %u; "
		       "choose a larger pool or remove a sandbox",
		       net_addr_text(&pool->addr, addr), pool->prefix,
		       1ull << bits, slot);
}

static struct net_addr host_of4(const struct net_cidr *pool, uint32_t slot,
				uint32_t host)
{
	struct net_addr a = pool->addr;
	uint32_t at = slot << 2 | host;

	for (unsigned i = 0; i < 4; i++)
		a.b[i] |= (uint8_t)(at >> (24 - 8 * i));
	return a;
}

static struct net_addr host_of6(const struct net_cidr *pool, uint32_t slot,
				uint8_t host)
{
	struct net_addr a = pool->addr;

	for (unsigned i = 0; i < 4; i++)
		a.b[4 + i] |= (uint8_t)(slot >> (24 - 8 * i));
	a.b[15] = host;
	return a;
}

static int assign4(const struct net_config *c, uint32_t slot,
		   struct net_addresses *a, struct err *err)
{
	unsigned bits = SLOT_BITS4 - c->ipv4_pool.prefix;

	if (c->ipv4_address.family == AF_INET) {
		a->guest4 = a->gateway4 = c->ipv4_address;
		a->gateway4.b[3]--;
		return 0;
	}
	if (slot >> bits)
		return beyond(&c->ipv4_pool, slot, bits, err);
	a->guest4 = host_of4(&c->ipv4_pool, slot, 2);
	a->gateway4 = host_of4(&c->ipv4_pool, slot, 1);
	return 0;
}

static int assign6(const struct net_config *c, uint32_t slot,
		   struct net_addresses *a, struct err *err)
{
	unsigned bits = SLOT_BITS6 - c->ipv6_pool.prefix;

	if (c->ipv6_address.family == AF_INET6) {
		a->guest6 = a->gateway6 = c->ipv6_address;
		memset(a->gateway6.b + 8, 0, 8);
		a->gateway6.b[15] = 1;
		return 0;
	}
	if (bits < 32 && slot >> bits)
		return beyond(&c->ipv6_pool, slot, bits, err);
	a->guest6 = host_of6(&c->ipv6_pool, slot, 2);
	a->gateway6 = host_of6(&c->ipv6_pool, slot, 1);
	return 0;
}

int net_addresses_assign(const struct net_config *c, uint32_t slot, bool has4,
			 bool has6, struct net_addresses *ret, struct err *err)
{
	struct net_addresses a = { .mtu = c->mtu ? c->mtu : NET_DEFAULT_MTU };
	int rc = 0;

	assign_mac(a.guest_mac, slot, 2);
	assign_mac(a.gateway_mac, slot, 1);
	if (c->has_mac)
		memcpy(a.guest_mac, c->mac, sizeof(a.guest_mac));
	if (has4 || c->ipv4_address.family != AF_UNSPEC)
		rc = assign4(c, slot, &a, err);
	if (!rc && (has6 || c->ipv6_address.family != AF_UNSPEC))
		rc = assign6(c, slot, &a, err);
	if (!rc)
		*ret = a;
	return rc;
}

bool net_host_has(int family)
{
	/* documentation addresses (RFC 5737, RFC 3849) */
	static const struct net_addr far4 = { AF_INET, { 192, 0, 2, 1 } };
	static const struct net_addr far6 = {
		AF_INET6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 }
	};
	const struct net_endpoint to = { family == AF_INET ? far4 : far6, 443 };
	struct sockaddr_storage s;
	socklen_t len = net_endpoint_to_sockaddr(&to, &s);
	autoclose int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&s, len) == 0;
}
