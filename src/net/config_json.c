/* SPDX-License-Identifier: Apache-2.0 */
/* The network section as JSON (docs/json.md). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/config_int.h"
#include "net/json.h"

/* --- reading --- */

static int get_addr(const json_t *o, const char *key, struct net_addr *ret,
		    struct err *err)
{
	const json_t *v = net_json_given(o, key);

	if (!v)
		return 0;
	if (!json_is_string(v) ||
	    net_addr_parse(json_string_value(v), json_string_length(v), ret) <
		    0)
		return net_json_bad(err, key, "is no IP address");
	return 0;
}

static int get_pool(const json_t *o, const char *key, struct net_cidr *ret,
		    struct err *err)
{
	const json_t *v = net_json_given(o, key);

	if (!v)
		return 0;
	if (!json_is_string(v) ||
	    net_cidr_parse(json_string_value(v), json_string_length(v), ret) <
		    0)
		return net_json_bad(err, key, "is not ADDRESS/PREFIX");
	return 0;
}

static int get_mac(const json_t *o, struct net_config *c, struct err *err)
{
	const json_t *v = net_json_given(o, "mac");

	if (!v)
		return 0;
	if (json_array_size(v) != NET_MAC_LEN)
		return net_json_bad(err, "interface.mac", "is not six numbers");
	for (size_t i = 0; i < NET_MAC_LEN; i++) {
		const json_t *b = json_array_get(v, i);
		json_int_t n = json_integer_value(b);
		if (!json_is_integer(b) || n < 0 || n > UINT8_MAX)
			return net_json_bad(err, "interface.mac",
					    "is not six numbers");
		c->mac[i] = (uint8_t)n;
	}
	c->has_mac = true;
	return 0;
}

static int get_interface(const json_t *o, struct net_config *c, struct err *err)
{
	const json_t *i;
	uint32_t mtu = c->mtu;
	int rc = net_json_object(o, "interface", &i, err);

	if (!rc)
		rc = get_mac(i, c, err);
	if (!rc)
		rc = net_json_u32(i, "mtu", NET_MAX_MTU, &mtu, err);
	if (!rc)
		rc = get_addr(i, "ipv4_address", &c->ipv4_address, err);
	if (!rc)
		rc = get_addr(i, "ipv6_address", &c->ipv6_address, err);
	if (!rc)
		rc = get_pool(i, "ipv4_pool", &c->ipv4_pool, err);
	if (!rc)
		rc = get_pool(i, "ipv6_pool", &c->ipv6_pool, err);
	if (!rc && net_json_given(i, "mtu") && mtu < NET_MIN_MTU)
		return net_json_bad(err, "interface.mtu", "is below 1280");
	c->mtu = (uint16_t)mtu;
	return rc;
}

static int get_port(const json_t *o, struct net_port *p, struct err *err)
{
	const json_t *v = net_json_given(o, "protocol");
	const char *proto = v ? json_string_value(v) : "tcp";
	uint64_t host = 0, guest = 0;
	int rc = net_json_number(o, "host_port", UINT16_MAX, &host, err);

	if (!rc)
		rc = net_json_number(o, "guest_port", UINT16_MAX, &guest, err);
	if (!rc && (!host || !guest))
		return net_json_bad(err, "a published port", "is 0");
	p->bind.addr = (struct net_addr){ AF_INET, { 127, 0, 0, 1 } };
	if (!rc)
		rc = get_addr(o, "host_bind", &p->bind.addr, err);
	if (rc < 0)
		return rc;
	p->bind.port = (uint16_t)host;
	p->guest_port = (uint16_t)guest;
	p->udp = str_eq(proto, "udp") || str_eq(proto, "Udp");
	if (!p->udp && !str_eq(proto, "tcp") && !str_eq(proto, "Tcp"))
		return net_json_bad(err, "protocol", "is neither tcp nor udp");
	return 0;
}

static int get_ports(const json_t *o, struct net_config *c, struct err *err)
{
	const json_t *list;
	int rc = net_json_list(o, "ports", NET_MAX_PORTS, &list, err);
	size_t n = json_array_size(list);

	if (rc < 0 || !n)
		return rc;
	c->ports = calloc(n, sizeof(*c->ports));
	if (!c->ports)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "network");
	for (c->nports = 0; c->nports < n; c->nports++) {
		rc = get_port(json_array_get(list, c->nports),
			      &c->ports[c->nports], err);
		if (rc < 0) {
			err_prefix(err, "ports[%zu]", c->nports);
			return rc;
		}
	}
	return 0;
}

static int get_policy(const json_t *o, struct net_config *c, struct err *err)
{
	const json_t *v = net_json_given(o, "policy");
	struct policy p;
	int rc = v ? policy_from_json(v, &p, err) : 0;

	if (v && !rc) {
		policy_fini(&c->policy);
		c->policy = p;
	}
	return rc;
}

static int get_nameservers(const json_t *dns, struct net_config *c,
			   struct err *err)
{
	const json_t *list;
	int rc = net_json_list(dns, "nameservers", NET_MAX_NAMESERVERS, &list,
			       err);

	for (size_t i = 0; !rc && i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);
		const char *text = json_string_value(v);
		if (!text || strlen(text) != json_string_length(v))
			return net_json_bad(err, "nameservers",
					    "has what is no text");
		rc = net_nameserver_check(text, err);
		if (!rc && strv_add(&c->nameservers, text) < 0)
			rc = err_sys(err, ERR_NO_MEMORY, ENOMEM, "network");
	}
	return rc;
}

static int get_dns(const json_t *o, struct net_config *c, struct err *err)
{
	const json_t *dns;
	int rc = net_json_object(o, "dns", &dns, err);

	if (!rc)
		rc = net_json_bool(dns, "rebind_protection",
				   &c->rebind_protection, err);
	if (!rc)
		rc = net_json_u32(dns, "query_timeout_ms",
				  NET_MAX_DNS_TIMEOUT_MS, &c->dns_timeout_ms,
				  err);
	if (!rc)
		rc = get_nameservers(dns, c, err);
	return rc;
}

static int get_all(const json_t *j, struct net_config *c, struct err *err)
{
	int rc = net_json_bool(j, "enabled", &c->enabled, err);

	if (!rc)
		rc = get_interface(j, c, err);
	if (!rc)
		rc = get_ports(j, c, err);
	if (!rc)
		rc = get_policy(j, c, err);
	if (!rc)
		rc = get_dns(j, c, err);
	if (!rc)
		rc = net_json_u32(j, "max_connections", UINT32_MAX,
				  &c->max_connections, err);
	if (!rc)
		rc = tls_config_from_json(j, &c->tls, err);
	if (!rc)
		rc = secrets_config_from_json(j, &c->secrets, err);
	if (!rc)
		rc = net_json_bool(j, "trust_host_cas", &c->trust_host_cas,
				   err);
	/* a value is put in where the guest's TLS ends */
	if (c->secrets.n)
		c->tls.enabled = true;
	if (!rc)
		rc = net_config_check(c, err);
	return rc;
}

/* Without a card there is nothing to allow, or to look into. */
static void close_all(struct net_config *c)
{
	policy_fini(&c->policy);
	free(c->ports);
	c->ports = NULL;
	c->nports = 0;
	c->tls.enabled = false;
}

int net_config_from_json(const json_t *j, struct net_config *ret,
			 struct err *err)
{
	int rc = net_config_init(ret);

	if (rc < 0)
		return err_sys(err, ERR_NO_MEMORY, -rc, "network");
	if (!j || json_is_null(j))
		return 0;
	rc = json_is_object(j) ? get_all(j, ret, err)
			       : net_json_bad(err, "it", "is no object");
	if (rc < 0) {
		net_config_fini(ret);
		err_prefix(err, "network");
		return rc;
	}
	if (!ret->enabled)
		close_all(ret);
	return 0;
}

/* --- writing; NULL = no memory --- */

static json_t *addr_json(const struct net_addr *a)
{
	char text[NET_ADDR_TEXT];

	return a->family == AF_UNSPEC ? json_null()
				      : json_string(net_addr_text(a, text));
}

static json_t *pool_json(const struct net_cidr *c)
{
	const struct net_cidr usual = net_default_pool(c->addr.family);
	char text[NET_ADDR_TEXT];

	if (c->prefix == usual.prefix && net_addr_equal(&c->addr, &usual.addr))
		return json_null();
	return json_sprintf("%s/%u", net_addr_text(&c->addr, text), c->prefix);
}

static json_t *mac_json(const struct net_config *c)
{
	const uint8_t *m = c->mac;

	if (!c->has_mac)
		return json_null();
	return json_pack("[i,i,i,i,i,i]", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static json_t *interface_json(const struct net_config *c)
{
	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "mac", mac_json(c), "mtu",
			 c->mtu ? json_integer(c->mtu) : json_null(),
			 "ipv4_address", addr_json(&c->ipv4_address),
			 "ipv4_pool", pool_json(&c->ipv4_pool), "ipv6_address",
			 addr_json(&c->ipv6_address), "ipv6_pool",
			 pool_json(&c->ipv6_pool));
}

static json_t *ports_json(const struct net_config *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->nports; i++) {
		const struct net_port *p = &c->ports[i];
		if (json_array_append_new(
			    list,
			    json_pack("{s:i,s:i,s:s,s:o}", "host_port",
				      p->bind.port, "guest_port", p->guest_port,
				      "protocol", p->udp ? "udp" : "tcp",
				      "host_bind", addr_json(&p->bind.addr)))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

json_t *net_config_to_json(const struct net_config *c)
{
	json_t *dns = json_pack(
		"{s:b,s:o,s:I}", "rebind_protection", c->rebind_protection,
		"nameservers", net_json_texts(&c->nameservers),
		"query_timeout_ms", (json_int_t)c->dns_timeout_ms);

	return json_pack("{s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:b}", "enabled",
			 c->enabled, "interface", interface_json(c), "ports",
			 ports_json(c), "policy", policy_to_json(&c->policy),
			 "dns", dns, "tls", tls_config_to_json(&c->tls),
			 "secrets", secrets_config_to_json(&c->secrets),
			 "max_connections", (json_int_t)c->max_connections,
			 "trust_host_cas", c->trust_host_cas);
}
