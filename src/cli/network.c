/* SPDX-License-Identifier: Apache-2.0 */
/* From the network's options to the configuration of a sandbox. */
#include "cli/network.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/secret.h"
#include "cli/ui.h"

/* ---- usage --------------------------------------------------------------- */

static const struct {
	int id;
	const char *name;
	unsigned directions;
} defaults[] = {
	{ O_NET_DEFAULT, "--net-default", MSB_NET_EGRESS | MSB_NET_INGRESS },
	{ O_NET_DEFAULT_EGRESS, "--net-default-egress", MSB_NET_EGRESS },
	{ O_NET_DEFAULT_INGRESS, "--net-default-ingress", MSB_NET_INGRESS },
};

static int exclude(const struct cli *cli, const char *a, const char *b)
{
	return cli_usage(cli, "'%s' cannot be used with '%s'", a, b);
}

int network_check_usage(const struct cli *cli)
{
	bool profiles = cli_has(cli, O_NET), none = cli_has(cli, O_NO_NET);

	if (profiles && none)
		return exclude(cli, "--net", "--no-net");
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		if (!cli_has(cli, defaults[i].id))
			continue;
		if (profiles)
			return exclude(cli, defaults[i].name, "--net");
		if (none)
			return exclude(cli, defaults[i].name, "--no-net");
		if (i && cli_has(cli, O_NET_DEFAULT))
			return exclude(cli, defaults[i].name, "--net-default");
	}
	return 0;
}

bool network_has_policy_options(const struct cli *cli)
{
	return cli_has(cli, O_NET) || cli_has(cli, O_NO_NET) ||
	       cli_has(cli, O_NET_RULE) || cli_has(cli, O_NET_DEFAULT) ||
	       cli_has(cli, O_NET_DEFAULT_EGRESS) ||
	       cli_has(cli, O_NET_DEFAULT_INGRESS);
}

/* ---- options ------------------------------------------------------------- */

typedef int (*add_text_fn)(msb_config_t *c, const char *text, msb_error_t **e);

static bool add_texts(struct cli *cli, msb_config_t *c, int id, add_text_fn add)
{
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, id, &pos))) {
		msb_error_t *e = NULL;

		if (!cli_ok(add(c, text, &e), &e))
			return false;
	}
	return true;
}

static bool set_number(struct cli *cli, msb_config_t *c, int id,
		       int (*set)(msb_config_t *c, uint32_t n, msb_error_t **e))
{
	msb_error_t *e = NULL;
	uint64_t n;

	return !args_number(&cli->args, id, &n) ||
	       cli_ok(set(c, (uint32_t)n, &e), &e);
}

static bool set_default(struct cli *cli, msb_config_t *c, size_t i)
{
	const char *text = cli_text(cli, defaults[i].id);
	msb_error_t *e = NULL;
	bool allow;

	if (!text)
		return true;
	allow = !strcmp(text, "allow");
	if (!allow && strcmp(text, "deny") != 0) {
		ui_error("unknown %s value \"%s\"; expected `allow` or `deny`",
			 defaults[i].name, text);
		return false;
	}
	return cli_ok(msb_config_set_net_default(c, defaults[i].directions,
						 allow, &e),
		      &e);
}

bool network_set_policy(struct cli *cli, msb_config_t *c)
{
	msb_error_t *e = NULL;

	if (cli_has(cli, O_NO_NET) &&
	    !cli_ok(msb_config_set_net_default(
			    c, MSB_NET_EGRESS | MSB_NET_INGRESS, false, &e),
		    &e))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
		if (!set_default(cli, c, i))
			return false;
	return add_texts(cli, c, O_NET_RULE, msb_config_add_net_rules) &&
	       add_texts(cli, c, O_NET, msb_config_add_net_profiles);
}

bool network_set(struct cli *cli, msb_config_t *c)
{
	if (!network_set_policy(cli, c) ||
	    !add_texts(cli, c, O_PORT, msb_config_add_port) ||
	    !add_texts(cli, c, O_NAMESERVER, msb_config_add_dns_nameserver) ||
	    !set_number(cli, c, O_DNS_TIMEOUT, msb_config_set_dns_timeout_ms) ||
	    !add_texts(cli, c, O_IPV4_POOL, msb_config_set_net_ipv4_pool) ||
	    !add_texts(cli, c, O_IPV6_POOL, msb_config_set_net_ipv6_pool) ||
	    !set_number(cli, c, O_MAX_CONNECTIONS,
			msb_config_set_max_connections) ||
	    !tls_set(cli, c) || !secrets_set(cli, c))
		return false;
	if (cli_has(cli, O_NO_REBIND))
		msb_config_set_dns_rebind_protection(c, false);
	return true;
}

static void warn(void *ctx, const char *text)
{
	(void)ctx;
	ui_warn("%s", text);
}

bool network_warn(const msb_config_t *c)
{
	msb_error_t *e = NULL;

	return cli_ok(msb_config_network_hints(c, warn, NULL, &e), &e);
}

/* ---- what inspect and ps show -------------------------------------------- */

#define VALUE_COLUMN 16 /* of page_sub_line() */

struct json *network_of(const msb_sandbox_t *s)
{
	struct json *j = NULL;
	msb_error_t *e = NULL;
	char *text = NULL;

	if (msb_sandbox_network_json(s, &text, &e)) {
		ui_warn("the network of '%s' cannot be told: %s",
			msb_sandbox_name(s), msb_error_text(e));
		msb_error_free(e);
		return NULL;
	}
	j = jval_parse(text, strlen(text));
	msb_free(text);
	return j;
}

static const char *text_of(const struct json *o, const char *key)
{
	const struct json *j = jval_get(o, key);

	return j && (j->type == JSON_STRING || j->type == JSON_NUMBER) ? j->text
								       : NULL;
}

static void put_family(struct page *p, const char *name, const struct json *f)
{
	char line[160];

	if (!text_of(f, "address"))
		return;
	(void)snprintf(line, sizeof(line), "%s/%s, gateway %s",
		       text_of(f, "address"), text_of(f, "prefix"),
		       text_of(f, "gateway"));
	page_sub_line(p, name, line, "");
}

/* One line for each; the name stands in the first. */
static void put_list(struct page *p, const char *name, const struct json *list)
{
	for (const struct json *i = list ? list->first : NULL; i; i = i->next) {
		const char *text = jval_str(i);

		if (i == list->first) {
			page_sub_line(p, name, text, "");
			continue;
		}
		(void)buf_printf(&p->b, "%*s", VALUE_COLUMN, "");
		text_put_safe(&p->b, text ? text : "-");
		(void)buf_str(&p->b, "\n");
	}
}

static void put_rules(struct page *p, const struct json *policy)
{
	const struct json *rules = jval_get(policy, "rules");
	unsigned n = 1;

	page_section(p, "Network policy");
	for (const struct json *r = rules ? rules->first : NULL; r;
	     r = r->next) {
		char name[24];

		(void)snprintf(name, sizeof(name), "Rule %u", n++);
		page_sub_line(p, name, jval_str(r), "");
	}
	page_sub_line(p, "Egress", text_of(policy, "default_egress"),
		      n > 1 ? " otherwise" : "");
	page_sub_line(p, "Ingress", text_of(policy, "default_ingress"),
		      n > 1 ? " otherwise" : "");
}

/* "a, b": room enough for what fits on a line, else "..." at its end. */
static const char *joined(const struct json *list, char *text, size_t size)
{
	size_t used = 0;

	text[0] = 0;
	for (const struct json *i = list ? list->first : NULL; i; i = i->next) {
		const char *one = i->text ? i->text : "";

		if (used + strlen(one) + sizeof(", ...") >= size) {
			(void)snprintf(text + used, size - used, ", ...");
			break;
		}
		used += (size_t)snprintf(text + used, size - used, "%s%s",
					 used ? ", " : "", one);
	}
	return text;
}

static void put_tls(struct page *p, const struct json *tls)
{
	char line[512];

	if (jval_is_true(jval_get(tls, "trust_host_cas")))
		page_sub_line(p, "Host's CAs", "trusted", "");
	if (!jval_is_true(jval_get(tls, "enabled")))
		return;
	page_section(p, "TLS interception");
	page_sub_line(p, "Ports",
		      joined(jval_get(tls, "ports"), line, sizeof(line)), "");
	put_list(p, "Bypassed", jval_get(tls, "bypass"));
	page_sub_line(p, "CA", text_of(tls, "ca"), "");
	page_sub_line(p, "QUIC",
		      jval_is_true(jval_get(tls, "block_quic")) ? "blocked"
								: "let through",
		      "");
	page_sub_line(p, "Upstream",
		      jval_is_true(jval_get(tls, "verify_upstream"))
			      ? "verified"
			      : "not verified",
		      "");
}

static void put_secret(struct page *p, const struct json *s)
{
	char line[512];

	page_section(p, "Secret");
	page_sub_line(p, "Variable", text_of(s, "env"), "");
	page_sub_line(p, "Placeholder", text_of(s, "placeholder"), "");
	page_sub_line(p, "Value", text_of(s, "source"), "");
	put_list(p, "Hosts", jval_get(s, "hosts"));
	page_sub_line(p, "Put into",
		      joined(jval_get(s, "places"), line, sizeof(line)), "");
	page_sub_line(p, "Elsewhere", text_of(s, "on_violation"), "");
	put_list(p, "Passed to", jval_get(s, "pass_hosts"));
	if (jval_is_true(jval_get(s, "plain_http")))
		page_sub_line(p, "Plain HTTP", "too", "");
}

void network_page(struct page *p, const struct json *network)
{
	const struct json *secrets = jval_get(network, "secrets");
	const struct json *dns = jval_get(network, "dns");

	if (!network)
		return;
	page_section(p, "Network");
	if (!jval_is_true(jval_get(network, "enabled"))) {
		page_sub_line(p, "Interface", "none", "");
		return;
	}
	page_sub_line(p, "Problem", text_of(network, "problem"), "");
	page_sub_line(p, "MAC", text_of(network, "mac"), "");
	put_family(p, "IPv4", jval_get(network, "ipv4"));
	put_family(p, "IPv6", jval_get(network, "ipv6"));
	put_list(p, "Nameservers", jval_get(dns, "nameservers"));
	page_sub_line(p, "Rebinding",
		      jval_is_true(jval_get(dns, "rebind_protection"))
			      ? "refused"
			      : "allowed",
		      "");
	page_sub_line(p, "Connections", text_of(network, "max_connections"),
		      " at most");
	put_list(p, "Ports", jval_get(network, "ports"));
	put_rules(p, jval_get(network, "policy"));
	put_tls(p, jval_get(network, "tls"));
	for (const struct json *i = secrets ? secrets->first : NULL; i;
	     i = i->next)
		put_secret(p, i);
}

struct json *network_ports(const struct json *config)
{
	const struct json *ports =
		jval_get(jval_get(config, "network"), "ports");
	struct json *list = jval_array();

	for (const struct json *p = ports ? ports->first : NULL; p;
	     p = p->next) {
		const char *bind = text_of(p, "host_bind");
		const char *host = text_of(p, "host_port");
		const char *guest = text_of(p, "guest_port");
		const char *proto = text_of(p, "protocol");
		bool v6 = bind && strchr(bind, ':');
		char line[160];

		if (!bind || !host || !guest || !proto)
			continue;
		(void)snprintf(line, sizeof(line), "%s%s%s:%s->%s/%s",
			       v6 ? "[" : "", bind, v6 ? "]" : "", host, guest,
			       proto);
		if (jval_append(list, jval_string(line)))
			return jval_free(list);
	}
	return list;
}
