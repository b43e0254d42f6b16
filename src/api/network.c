/* SPDX-License-Identifier: Apache-2.0 */
/* The network of stored sandboxes: its checks, and what inspect tells of it. */
#include "api/network.h"

#include <errno.h>
#include <stdlib.h>

#define RULE_TEXT_MAX 65536u
#define INTERFACE "eth0"
#define IPV4_PREFIX 30
#define IPV6_PREFIX 64

int network_config_of(const struct sandbox_config *c, struct net_config *ret,
		      struct err *err)
{
	return net_config_from_json(c->network, ret, err);
}

int network_placeholders(const struct sandbox_config *c, struct strv *env)
{
	const json_t *list = json_object_get(
		json_object_get(c->network, "secrets"), "secrets");
	int rc = 0;

	for (size_t i = 0; !rc && i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		const char *name =
			json_string_value(json_object_get(o, "env_var"));
		const char *text =
			json_string_value(json_object_get(o, "placeholder"));
		autofree char *entry = NULL;

		if (!name || !text) /* what is stored has both */
			continue;
		entry = str_fmt("%s=%s", name, text);
		rc = entry ? strv_env_set(env, entry) : -ENOMEM;
	}
	return rc;
}

/* Families that the host lacks are left out. */
static int network_addresses(const struct net_config *c, uint32_t slot,
			     struct net_addresses *ret, struct err *err)
{
	return net_addresses_assign(c, slot, net_host_has(AF_INET),
				    net_host_has(AF_INET6), ret, err);
}

int network_check(const struct sandbox_config *c, uint32_t slot,
		  struct err *err)
{
	struct net_addresses link;
	struct net_config n;
	int rc = network_config_of(c, &n, err);

	if (rc)
		return rc;
	if (n.enabled)
		rc = network_addresses(&n, slot, &link, err);
	net_config_fini(&n);
	return rc;
}

/* ---- for inspect --------------------------------------------------------- */

/* In what follows a NULL value means out of memory. */

static json_t *family_object(const struct net_addr *guest,
			     const struct net_addr *gateway, int prefix)
{
	char a[NET_ADDR_TEXT], g[NET_ADDR_TEXT];

	if (guest->family == AF_UNSPEC)
		return json_null();
	return json_pack("{s:s,s:s,s:i}", "address", net_addr_text(guest, a),
			 "gateway", net_addr_text(gateway, g), "prefix",
			 prefix);
}

static json_t *mac_text(const uint8_t m[NET_MAC_LEN])
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
			    m[3], m[4], m[5]);
}

static json_t *port_text(const struct net_port *p)
{
	bool v6 = p->bind.addr.family == AF_INET6;
	char a[NET_ADDR_TEXT];

	return json_sprintf("%s%s%s:%u->%u/%s", v6 ? "[" : "",
			    net_addr_text(&p->bind.addr, a), v6 ? "]" : "",
			    (unsigned)p->bind.port, (unsigned)p->guest_port,
			    p->udp ? "udp" : "tcp");
}

static json_t *port_list(const struct net_config *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->nports; i++)
		if (json_array_append_new(list, port_text(&c->ports[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *rule_list(const struct policy *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->nrules; i++) {
		struct buf b;
		int rc;

		buf_init(&b, RULE_TEXT_MAX);
		policy_rule_text(&p->rules[i], &b);
		rc = json_array_append_new(
			list, buf_cstr(&b) ? json_string(buf_cstr(&b)) : NULL);
		buf_fini(&b);
		if (rc) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *policy_object(const struct policy *p)
{
	return json_pack("{s:s,s:s,s:o}", "default_egress",
			 p->allow_egress ? "allow" : "deny", "default_ingress",
			 p->allow_ingress ? "allow" : "deny", "rules",
			 rule_list(p));
}

static json_t *dns_object(const struct net_config *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->nameservers.n; i++)
		if (json_array_append_new(list,
					  json_string(c->nameservers.v[i]))) {
			json_decref(list);
			return NULL;
		}
	return json_pack("{s:o,s:I,s:b}", "nameservers", list,
			 "query_timeout_ms", (json_int_t)c->dns_timeout_ms,
			 "rebind_protection", c->rebind_protection);
}

static json_t *pattern_list(const struct host_patterns *p)
{
	char text[HOST_PATTERN_TEXT];
	json_t *list = json_array();

	for (size_t i = 0; i < p->n; i++)
		if (json_array_append_new(list, json_string(host_pattern_text(
							&p->v[i], text)))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *port_numbers(const struct tls_config *t)
{
	json_t *list = json_array();

	if (!t->nports)
		(void)json_array_append_new(list, json_integer(NET_TLS_PORT));
	for (size_t i = 0; i < t->nports; i++)
		(void)json_array_append_new(list, json_integer(t->ports[i]));
	if (json_array_size(list) == (t->nports ? t->nports : 1))
		return list;
	json_decref(list);
	return NULL;
}

static json_t *tls_object(const struct net_config *c)
{
	const struct tls_config *t = &c->tls;

	return json_pack("{s:b,s:o,s:o,s:b,s:b,s:s?,s:b}", "enabled",
			 t->enabled, "ports", port_numbers(t), "bypass",
			 pattern_list(&t->bypass), "block_quic", t->block_quic,
			 "verify_upstream", t->verify_upstream, "ca",
			 t->ca_cert, "trust_host_cas", c->trust_host_cas);
}

static json_t *place_list(const struct secret_config *s)
{
	const struct {
		bool on;
		const char *name;
	} places[] = {
		{ s->headers, "headers" },
		{ s->basic_auth, "basic" },
		{ s->query_params, "query" },
		{ s->body, "body" },
	};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (places[i].on &&
		    json_array_append_new(list, json_string(places[i].name))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* Where its value is from, in words. */
static json_t *source_text(const struct secret_config *s)
{
	switch (s->source) {
	case SECRET_ENV:
		return json_sprintf("environment variable %s", s->source_name);
	case SECRET_FILE:
		return json_sprintf("file %s", s->source_name);
	case SECRET_STORED:
	default:
		return json_string("kept with the sandbox");
	}
}

static json_t *secret_object(const struct secrets_config *all,
			     const struct secret_config *s)
{
	const struct secret_violation *v =
		s->on_violation.set ? &s->on_violation : &all->on_violation;

	return json_pack(
		"{s:s,s:s,s:o,s:o,s:o,s:s,s:o,s:b}", "env", s->env_var,
		"placeholder", s->placeholder, "source", source_text(s),
		"hosts", pattern_list(&s->allowed), "places", place_list(s),
		"on_violation", secret_action_name(v->action), "pass_hosts",
		pattern_list(&v->pass), "plain_http", !s->require_tls_identity);
}

static json_t *secret_list(const struct secrets_config *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++)
		if (json_array_append_new(list, secret_object(s, &s->v[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* A running machine has the families it began with, else the host decides. */
static int addresses_of(const msb_sandbox_t *s, const struct net_config *c,
			struct net_addresses *ret, struct err *err)
{
	autofree char *text = sandbox_machine_text(s);
	json_t *machine = text ? json_loads(text, 0, NULL) : NULL;
	const json_t *network = json_object_get(machine, "network");
	bool has4 = json_object_get(network, "ipv4");
	bool has6 = json_object_get(network, "ipv6");
	bool known = network;

	json_decref(machine);
	if (!known)
		return network_addresses(c, sandbox_slot(s), ret, err);
	return net_addresses_assign(c, sandbox_slot(s), has4, has6, ret, err);
}

/* malloc'ed; NULL when out of memory. */
static char *network_text(const msb_sandbox_t *s, const struct net_config *c)
{
	struct net_addresses link = { 0 };
	struct err err = { 0 };
	bool has = c->enabled && !addresses_of(s, c, &link, &err);
	json_t *o = json_object();
	const struct {
		const char *key;
		json_t *value;
	} members[] = {
		{ "enabled", json_boolean(c->enabled) },
		{ "interface", has ? json_string(INTERFACE) : json_null() },
		{ "mac", has ? mac_text(link.guest_mac) : json_null() },
		{ "mtu", has ? json_integer(link.mtu) : json_null() },
		{ "ipv4",
		  family_object(&link.guest4, &link.gateway4, IPV4_PREFIX) },
		{ "ipv6",
		  family_object(&link.guest6, &link.gateway6, IPV6_PREFIX) },
		{ "problem", *err.msg ? json_string(err.msg) : json_null() },
		{ "host_alias", json_string(NET_HOST_ALIAS) },
		{ "ports", port_list(c) },
		{ "policy", policy_object(&c->policy) },
		{ "dns", dns_object(c) },
		{ "max_connections",
		  json_integer((json_int_t)c->max_connections) },
		{ "tls", tls_object(c) },
		{ "secrets", secret_list(&c->secrets) },
	};
	bool failed = false;
	char *text = NULL;

	/* Every value is handed over, also after a failure. */
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (json_object_set_new(o, members[i].key, members[i].value))
			failed = true;
	if (!failed)
		text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	return text;
}

/* The section of a handle; the caller frees it. */
static int stored(const msb_sandbox_t *s, struct net_config *ret,
		  struct err *err)
{
	struct sandbox_config c;
	int rc = sandbox_config_of(s, &c, err);

	if (rc)
		return rc;
	rc = network_config_of(&c, ret, err);
	sandbox_config_fini(&c);
	return rc;
}

int msb_sandbox_network_json(const msb_sandbox_t *s, char **ret,
			     msb_error_t **ret_err)
{
	struct err err = { 0 };
	struct net_config c;
	int rc = stored(s, &c, &err);

	if (rc)
		return api_fail_err(&err, rc, ret_err);
	*ret = network_text(s, &c);
	net_config_fini(&c);
	return *ret ? 0 : api_fail_err(&err, api_no_memory(&err), ret_err);
}

/* ---- explaining ---------------------------------------------------------- */

/* Takes c. */
static int explain(struct net_config *c, uint32_t slot,
		   const msb_net_question_t *q, char **ret, msb_error_t **e)
{
	struct net_addresses link;
	struct err err = { 0 };
	/* Whether this host has a family is no question of rules. */
	int rc = net_addresses_assign(c, slot, true, true, &link, &err);

	if (!rc)
		rc = network_explain(c, &link, q, ret, &err);
	net_config_fini(c);
	return rc < 0 ? api_fail_err(&err, rc, e) : rc;
}

int msb_config_net_explain(const msb_config_t *c, const msb_net_question_t *q,
			   char **ret_json, msb_error_t **e)
{
	struct net_config section;
	struct err err = { 0 };
	int rc = network_wish_section(c->net, &section, &err);

	return rc ? api_fail_err(&err, rc, e)
		  : explain(&section, 0, q, ret_json, e);
}

int msb_sandbox_net_explain(const msb_sandbox_t *s, const msb_net_question_t *q,
			    char **ret_json, msb_error_t **ret_err)
{
	struct net_config section;
	struct err err = { 0 };
	int rc = stored(s, &section, &err);

	return rc ? api_fail_err(&err, rc, ret_err)
		  : explain(&section, sandbox_slot(s), q, ret_json, ret_err);
}
