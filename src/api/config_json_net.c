/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a sandbox as JSON: network, and TLS. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/config_json.h"
#include "api/network.h"

#define PORTS_MAX 1024u /* of one rule */

/* ---- published ports ----------------------------------------------------- */

/* As the text that the setter takes. */
static char *port_text(struct options *o, const json_t *v)
{
	static const char *const keys[] = { "host", "guest", "bind", "protocol",
					    NULL };
	const char *bind, *protocol;
	uint64_t host, guest;

	options_only(o, v, keys);
	bind = options_text(o, v, "bind");
	protocol = options_text(o, v, "protocol");
	if (!options_number(o, v, "host", UINT16_MAX, &host))
		options_bad(o, "host", "is required");
	if (!options_number(o, v, "guest", UINT16_MAX, &guest))
		options_bad(o, "guest", "is required");
	if (o->rc)
		return NULL;
	bind = bind ? bind : "127.0.0.1";
	return str_fmt("%s%s%s:%llu:%llu/%s", strchr(bind, ':') ? "[" : "",
		       bind, strchr(bind, ':') ? "]" : "",
		       (unsigned long long)host, (unsigned long long)guest,
		       protocol ? protocol : "tcp");
}

static void read_port(struct options *o, const json_t *v)
{
	autofree char *made = NULL;
	const char *text = json_string_value(v);
	msb_error_t *e = NULL;

	if (!text && !json_is_object(v))
		options_bad(o, NULL, "must be a text or an object");
	if (!text && !o->rc) {
		made = port_text(o, v);
		if (!made && !o->rc)
			options_no_memory(o);
		text = made;
	}
	if (text && !o->rc)
		options_done(o, NULL, msb_config_add_port(o->c, text, &e), &e);
}

void options_ports(struct options *o, const json_t *v)
{
	if (!json_is_array(v))
		options_bad(o, NULL, "must be a list");
	for (size_t i = 0; !o->rc && i < json_array_size(v); i++) {
		size_t before = options_enter_item(o, i);

		read_port(o, json_array_get(v, i));
		options_leave(o, before);
	}
}

/* ---- policy -------------------------------------------------------------- */

static const struct {
	const char *name, *profiles;
} presets[] = {
	{ "none", "none" },
	{ "public_only", "public" },
	{ "non_local", "public,private" },
	{ "allow_all", "all" },
};

static void add_preset(struct options *o, const char *name)
{
	msb_error_t *e = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(presets); i++) {
		if (strcmp(presets[i].name, name) != 0)
			continue;
		options_done(o, NULL,
			     msb_config_add_net_profiles(
				     o->c, presets[i].profiles, &e),
			     &e);
		return;
	}
	options_bad(o, NULL,
		    "'%.60s' is none of: none, public_only, non_local, "
		    "allow_all",
		    name);
}

static void add_token(struct options *o, const char *token)
{
	msb_error_t *e = NULL;

	if (token)
		options_done(o, NULL, msb_config_add_net_rules(o->c, token, &e),
			     &e);
	else
		options_no_memory(o);
}

/* Does it stay one part of a token, whatever is in it? */
static bool is_part(const char *text)
{
	return *text && !text[strcspn(text, ",@: \t\r\n[]")];
}

static bool is_ipv6(const char *text)
{
	return strchr(text, ':') &&
	       !text[strspn(text, "0123456789abcdefABCDEF:./")];
}

/* A destination as a token has it, malloc'ed. */
static char *target_text(struct options *o, const json_t *v)
{
	const char *text = options_text(o, v, "destination");

	if (!text || !strcmp(text, "*"))
		return o->rc ? NULL : strdup("any");
	if (is_ipv6(text))
		return str_fmt("[%s]", text);
	if (!is_part(text)) {
		options_bad(o, "destination",
			    "'%.100s' is no address, prefix, name, .suffix, "
			    "group or *",
			    text);
		return NULL;
	}
	return *text == '.' ? str_fmt("suffix=%s", text + 1) : strdup(text);
}

/* "port": a number or a text with a range; "ports": a list of such. */
static void add_port_text(struct options *o, const json_t *v, struct strv *ret)
{
	const char *text = json_string_value(v);
	int rc = 0;

	if (json_is_integer(v))
		rc = strv_take(
			ret, str_fmt("%lld", (long long)json_integer_value(v)));
	else if (text && is_part(text))
		rc = strv_add(ret, text);
	else
		options_bad(o, NULL,
			    "must be a port or a range such as \"8000-9000\"");
	if (rc)
		options_no_memory(o);
}

static void read_rule_ports(struct options *o, const json_t *v,
			    struct strv *ret)
{
	static const char *const both[] = { "port", "ports", NULL };
	const json_t *one = options_get(o, v, "port");
	const json_t *list = options_list(o, v, "ports");
	size_t before;

	if (one && list)
		(void)options_one_of(o, v, both);
	if (json_array_size(list) > PORTS_MAX)
		options_bad(o, "ports", "has more than %u entries", PORTS_MAX);
	if (one && !o->rc) {
		before = options_enter(o, "port");
		add_port_text(o, one, ret);
		options_leave(o, before);
	}
	for (size_t i = 0; !o->rc && i < json_array_size(list); i++) {
		before = options_enter(o, "ports");
		(void)options_enter_item(o, i);
		add_port_text(o, json_array_get(list, i), ret);
		options_leave(o, before);
	}
}

static void read_protocols(struct options *o, const json_t *v, struct strv *ret)
{
	static const char *const both[] = { "protocol", "protocols", NULL };
	const char *one = options_text(o, v, "protocol");

	if (one && options_get(o, v, "protocols"))
		(void)options_one_of(o, v, both);
	(void)options_texts(o, v, "protocols", ret);
	if (one && !o->rc && strv_add(ret, one))
		options_no_memory(o);
	if (!ret->n && !o->rc && strv_add(ret, "any"))
		options_no_memory(o);
	for (size_t i = 0; !o->rc && i < ret->n; i++)
		if (!is_part(ret->v[i]))
			options_bad(o, one ? "protocol" : "protocols",
				    "'%.40s' is no protocol", ret->v[i]);
}

/* The first part of a token, malloc'ed. */
static char *verb_text(struct options *o, const json_t *v)
{
	const char *action = options_text(o, v, "action");
	const char *direction = options_text(o, v, "direction");

	if (!action)
		options_bad(o, "action", "is required");
	else if (!is_part(action))
		options_bad(o, "action", "must be allow or deny");
	else if (direction && !is_part(direction))
		options_bad(o, "direction", "must be egress, ingress or any");
	if (o->rc)
		return NULL;
	return str_fmt("%s:%s", action, direction ? direction : "egress");
}

/* Rules have one protocol and one range of ports each in that grammar. */
static void rule_object(struct options *o, const json_t *v)
{
	static const char *const keys[] = { "action",	   "direction",
					    "destination", "protocol",
					    "protocols",   "port",
					    "ports",	   NULL };
	autofree char *verb = NULL;
	autofree char *target = NULL;
	struct strv protocols = { 0 }, ports = { 0 };

	options_only(o, v, keys);
	verb = verb_text(o, v);
	target = target_text(o, v);
	read_protocols(o, v, &protocols);
	read_rule_ports(o, v, &ports);
	if (!o->rc && (!verb || !target))
		options_no_memory(o);
	for (size_t i = 0; !o->rc && i < protocols.n; i++)
		for (size_t k = 0; !o->rc && k < (ports.n ? ports.n : 1); k++) {
			autofree char *token = str_fmt(
				"%s@%s:%s%s%s", verb, target, protocols.v[i],
				ports.n ? ":" : "", ports.n ? ports.v[k] : "");

			add_token(o, token);
		}
	strv_fini(&protocols);
	strv_fini(&ports);
}

static void read_rules(struct options *o, const json_t *v)
{
	const json_t *list = options_list(o, v, "rules");
	size_t before = options_enter(o, "rules");

	for (size_t i = 0; !o->rc && i < json_array_size(list); i++) {
		const json_t *rule = json_array_get(list, i);
		size_t at = options_enter_item(o, i);

		if (json_is_string(rule))
			add_token(o, json_string_value(rule));
		else if (json_is_object(rule))
			rule_object(o, rule);
		else
			options_bad(o, NULL, "must be a text or an object");
		options_leave(o, at);
	}
	options_leave(o, before);
}

static void read_default(struct options *o, const json_t *v, const char *key,
			 unsigned directions)
{
	static const char *const actions[] = { "deny", "allow", NULL };
	msb_error_t *e = NULL;
	unsigned allow;

	if (options_word(o, v, key, actions, &allow))
		options_done(
			o, key,
			msb_config_set_net_default(o->c, directions, allow, &e),
			&e);
}

static void read_policy(struct options *o, const json_t *v)
{
	static const char *const keys[] = { "default_egress", "default_ingress",
					    "rules", NULL };

	if (json_is_string(v)) {
		add_preset(o, json_string_value(v));
		return;
	}
	if (!json_is_object(v))
		options_bad(o, NULL, "must be a text or an object");
	options_only(o, v, keys);
	if (!o->rc)
		add_token(o, ""); /* a policy of one's own, also without any */
	read_default(o, v, "default_egress", MSB_NET_EGRESS);
	read_default(o, v, "default_ingress", MSB_NET_INGRESS);
	read_rules(o, v);
}

static void deny_names(struct options *o, const json_t *v, const char *key,
		       const char *word)
{
	struct strv names = { 0 };
	size_t before;

	(void)options_texts(o, v, key, &names);
	before = options_enter(o, key);
	for (size_t i = 0; !o->rc && i < names.n; i++) {
		autofree char *token = str_fmt("deny@%s=%s", word, names.v[i]);
		size_t at = options_enter_item(o, i);

		if (is_part(names.v[i]))
			add_token(o, token);
		else
			options_bad(o, NULL, "'%.100s' is no domain name",
				    names.v[i]);
		options_leave(o, at);
	}
	options_leave(o, before);
	strv_fini(&names);
}

/* Names that are denied come before every other rule; when there is nothing
 * else, all else is allowed. */
static void read_policies(struct options *o, const json_t *v)
{
	const json_t *policy = options_get(o, v, "policy");
	bool had_own = o->c->net->own_policy;
	msb_error_t *e = NULL;
	size_t before;

	deny_names(o, v, "deny_domains", "domain");
	deny_names(o, v, "deny_domain_suffixes", "suffix");
	if (policy && !o->rc) {
		before = options_enter(o, "policy");
		read_policy(o, policy);
		options_leave(o, before);
	} else if (!o->rc && !had_own && o->c->net->own_policy) {
		options_done(o, NULL,
			     msb_config_set_net_default(
				     o->c, MSB_NET_EGRESS | MSB_NET_INGRESS,
				     true, &e),
			     &e);
	}
}

/* ---- DNS, TLS, interface ------------------------------------------------- */

static void read_dns(struct options *o, const json_t *v)
{
	static const struct option table[] = {
		{ "rebind_protection",
		  OPTION_BOOL,
		  { .flag = msb_config_set_dns_rebind_protection } },
		{ "nameservers",
		  OPTION_EACH,
		  { .text = msb_config_add_dns_nameserver } },
		{ "query_timeout_ms",
		  OPTION_U32,
		  { .u32 = msb_config_set_dns_timeout_ms } },
	};

	options_apply(o, v, table, ARRAY_SIZE(table));
}

static void read_tls_ports(struct options *o, const json_t *v)
{
	if (!json_is_array(v))
		options_bad(o, NULL, "must be a list");
	for (size_t i = 0; !o->rc && i < json_array_size(v); i++) {
		const json_t *port = json_array_get(v, i);
		json_int_t n = json_integer_value(port);
		size_t before = options_enter_item(o, i);
		msb_error_t *e = NULL;

		if (!json_is_integer(port) || n < 0 || n > UINT16_MAX)
			options_bad(o, NULL, "must be a port");
		else
			options_done(
				o, NULL,
				msb_config_add_tls_port(o->c, (uint16_t)n, &e),
				&e);
		options_leave(o, before);
	}
}

static void read_verify(struct options *o, const json_t *v)
{
	msb_error_t *e = NULL;

	if (!json_is_boolean(v))
		options_bad(o, NULL, "must be true or false");
	else
		options_done(o, NULL,
			     msb_config_set_tls_verify_upstream(
				     o->c, NULL, json_is_true(v), &e),
			     &e);
}

static int add_upstream_ca(msb_config_t *c, const char *path, msb_error_t **e)
{
	return msb_config_add_tls_upstream_ca(c, NULL, path, e);
}

static void read_tls(struct options *o, const json_t *v)
{
	static const struct option table[] = {
		{ "intercept", OPTION_LATER, { 0 } },
		{ "ports", OPTION_OWN, { .own = read_tls_ports } },
		{ "bypass",
		  OPTION_EACH,
		  { .text = msb_config_add_tls_bypass } },
		{ "verify_upstream", OPTION_OWN, { .own = read_verify } },
		{ "block_quic",
		  OPTION_BOOL,
		  { .flag = msb_config_set_tls_block_quic } },
		{ "ca_cert", OPTION_LATER, { 0 } },
		{ "ca_key", OPTION_LATER, { 0 } },
		{ "upstream_ca_certs",
		  OPTION_EACH,
		  { .text = add_upstream_ca } },
	};
	const char *cert, *key;
	msb_error_t *e = NULL;
	bool on = true;

	options_apply(o, v, table, ARRAY_SIZE(table));
	cert = options_text(o, v, "ca_cert");
	key = options_text(o, v, "ca_key");
	if ((cert || key) && !o->rc)
		options_done(o, NULL,
			     msb_config_set_tls_ca(o->c, cert, key, &e), &e);
	(void)options_bool(o, v, "intercept", &on);
	o->no_intercept = !on;
	if (on && !o->rc)
		msb_config_set_tls_intercept(o->c);
}

static bool is_mac(const char *text)
{
	size_t i = 0;

	for (; text[i]; i++)
		if (i % 3 == 2 ? text[i] != ':'
			       : !isxdigit((unsigned char)text[i]))
			return false;
	return i == 3 * NET_MAC_LEN - 1;
}

/* "02:6d:73:00:00:02" as the list that the network section has; NULL: it is no
 * address, or out of memory. */
static json_t *mac_list(struct options *o, const char *text)
{
	json_t *list = json_array();

	if (!is_mac(text)) {
		options_bad(o, "mac",
			    "must be six pairs of hexadecimal digits with "
			    "colons between");
		json_decref(list);
		return NULL;
	}
	for (size_t i = 0; i < NET_MAC_LEN; i++) {
		unsigned long byte = strtoul(text + 3 * i, NULL, 16);

		if (json_array_append_new(list,
					  json_integer((json_int_t)byte))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* There are no setters for it: by way of the section's own form. */
static void set_interface(struct options *o, json_t *interface)
{
	struct net_config *now = &o->c->net->c, fresh;
	json_t *section = net_config_to_json(now);
	json_t *to = json_object_get(section, "interface");
	struct err err = { 0 };
	int rc = json_object_update(to, interface) ? api_no_memory(&err) : 0;

	if (!rc)
		rc = net_config_from_json(section, &fresh, &err);
	json_decref(section);
	options_done_err(o, NULL, rc, &err);
	if (rc)
		return;
	net_config_fini(now);
	*now = fresh;
}

static void read_interface(struct options *o, const json_t *v)
{
	static const char *const keys[] = { "mac", "mtu", "ipv4", "ipv6",
					    NULL };
	const char *mac, *ipv4, *ipv6;
	json_t *to = json_object();
	uint64_t mtu;
	int rc = 0;

	options_only(o, v, keys);
	mac = options_text(o, v, "mac");
	ipv4 = options_text(o, v, "ipv4");
	ipv6 = options_text(o, v, "ipv6");
	if (options_number(o, v, "mtu", UINT16_MAX, &mtu))
		rc |= json_object_set_new(to, "mtu",
					  json_integer((json_int_t)mtu));
	if (mac)
		rc |= json_object_set_new(to, "mac", mac_list(o, mac));
	if (ipv4)
		rc |= json_object_set_new(to, "ipv4_address",
					  json_string(ipv4));
	if (ipv6)
		rc |= json_object_set_new(to, "ipv6_address",
					  json_string(ipv6));
	if (rc || !to)
		options_no_memory(o);
	if (!o->rc)
		set_interface(o, to);
	json_decref(to);
}

/* ---- all ----------------------------------------------------------------- */

static void set_enabled(msb_config_t *c, bool on)
{
	c->net->c.enabled = on;
}

void options_network(struct options *o, const json_t *v)
{
	static const struct option table[] = {
		{ "policy", OPTION_LATER, { 0 } },
		{ "deny_domains", OPTION_LATER, { 0 } },
		{ "deny_domain_suffixes", OPTION_LATER, { 0 } },
		{ "dns", OPTION_OWN, { .own = read_dns } },
		{ "tls", OPTION_OWN, { .own = read_tls } },
		{ "ipv4_pool",
		  OPTION_TEXT,
		  { .text = msb_config_set_net_ipv4_pool } },
		{ "ipv6_pool",
		  OPTION_TEXT,
		  { .text = msb_config_set_net_ipv6_pool } },
		{ "max_connections",
		  OPTION_U32,
		  { .u32 = msb_config_set_max_connections } },
		{ "trust_host_cas",
		  OPTION_BOOL,
		  { .flag = msb_config_set_trust_host_cas } },
		{ "interface", OPTION_OWN, { .own = read_interface } },
		{ "ports", OPTION_OWN, { .own = options_ports } },
		{ "enabled", OPTION_BOOL, { .flag = set_enabled } },
	};

	options_apply(o, v, table, ARRAY_SIZE(table));
	read_policies(o, v);
}

void options_network_check(struct options *o)
{
	const struct network_wish *w = o->c->net;
	const char *what = w->c.secrets.n     ? "secrets"
			   : w->c.nports      ? "published ports"
			   : w->c.tls.enabled ? "TLS interception"
			   : w->own_policy    ? "a policy"
					      : NULL;

	if (!w->c.enabled && what)
		options_bad(o, "network",
			    "enabled: false contradicts %s: there is no "
			    "network",
			    what);
	if (o->no_intercept && w->c.tls.enabled)
		options_bad(o, "network",
			    "tls: intercept: false contradicts %s",
			    w->c.secrets.n ? "secrets, which need it"
					   : "what is said of interception");
}
