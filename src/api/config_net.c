/* SPDX-License-Identifier: Apache-2.0 */
/* Builder of a sandbox's configuration: the network. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/network.h"
#include "base/cleanup.h"

#define TIMEOUT_MAX_MS 3600000u
#define IPV4_POOL_PREFIX 30u /* the longest: one sandbox */
#define IPV6_POOL_PREFIX 64u
#define SECTION_MAX (64u << 20)

/* Groups of profiles, in the order of their rules. */
static const struct {
	const char *name;
	const char *rule;
} profiles[] = {
	{ "public", "allow@public" },
	{ "private", "allow@private" },
	{ "host", "allow@host" },
};
/* Names are resolved by the gateway whatever may be reached. */
#define PROFILE_DNS "allow@dns"

static int done(const struct err *err, int rc, msb_error_t **e)
{
	return rc ? api_fail_err(err, rc, e) : 0;
}

struct network_wish *network_wish_new(void)
{
	struct network_wish *w = calloc(1, sizeof(*w));

	if (w && net_config_init(&w->c)) {
		free(w);
		return NULL;
	}
	return w;
}

struct network_wish *network_wish_of(const struct sandbox_config *c,
				     struct err *err)
{
	struct network_wish *w = calloc(1, sizeof(*w));
	int rc = w ? network_config_of(c, &w->c, err) : api_no_memory(err);

	if (rc) {
		free(w);
		return NULL;
	}
	for (size_t i = 0; !rc && i < w->c.secrets.n; i++)
		rc = secret_values_add(&w->values, w->c.secrets.v[i].env_var,
				       NULL, 0, err);
	if (!rc)
		return w;
	network_wish_free(w);
	return NULL;
}

void network_wish_free(struct network_wish *w)
{
	if (!w)
		return;
	net_config_fini(&w->c);
	secret_values_fini(&w->values);
	free(w);
}

/* ---- the policy ---------------------------------------------------------- */

/* From now on it is the caller's: the product's own is gone. */
static void own_policy(struct network_wish *w)
{
	if (w->own_policy)
		return;
	policy_fini(&w->c.policy);
	w->c.policy =
		(struct policy){ .allow_egress = false, .allow_ingress = true };
	w->own_policy = true;
}

static bool has_profiles(const struct network_wish *w)
{
	return w->profiles || w->everything || w->nothing;
}

static int no_mixture(struct err *err)
{
	return err_set(err, ERR_INVALID, EINVAL,
		       "profiles and defaults of the network cannot be used "
		       "together");
}

int msb_config_set_net_default(msb_config_t *c, unsigned directions, bool allow,
			       msb_error_t **e)
{
	struct network_wish *w = c->net;
	struct err err = { 0 };

	if (has_profiles(w))
		return done(&err, no_mixture(&err), e);
	own_policy(w);
	if (directions & MSB_NET_EGRESS)
		w->c.policy.allow_egress = allow;
	if (directions & MSB_NET_INGRESS)
		w->c.policy.allow_ingress = allow;
	w->defaults |= directions;
	return 0;
}

int msb_config_add_net_rules(msb_config_t *c, const char *tokens,
			     msb_error_t **e)
{
	struct err err = { 0 };

	own_policy(c->net);
	return done(&err, policy_parse_rules(tokens, &c->net->c.policy, &err),
		    e);
}

/* "all" and "none" say everything there is to say. */
static int add_terminal(struct network_wish *w, bool allow, struct err *err)
{
	const char *name = allow ? "all" : "none";

	if (allow ? w->everything : w->nothing)
		return err_set(err, ERR_INVALID, EINVAL,
			       "network profile '%s' is given twice", name);
	if (has_profiles(w))
		return err_set(err, ERR_INVALID, EINVAL,
			       "network profile '%s' cannot be used with "
			       "another one",
			       name);
	w->everything = allow;
	w->nothing = !allow;
	return 0;
}

static int add_profile(struct network_wish *w, const char *name, size_t len,
		       struct err *err)
{
	for (unsigned i = 0; i < ARRAY_SIZE(profiles); i++) {
		if (strlen(profiles[i].name) != len ||
		    strncmp(profiles[i].name, name, len) != 0)
			continue;
		if (w->everything || w->nothing)
			return err_set(err, ERR_INVALID, EINVAL,
				       "network profile '%s' cannot be used "
				       "with another one",
				       w->everything ? "all" : "none");
		w->profiles |= 1u << i;
		return 0;
	}
	if ((len == 3 && !strncmp(name, "all", 3)) ||
	    (len == 4 && !strncmp(name, "none", 4)))
		return add_terminal(w, len == 3, err);
	return err_set(err, ERR_INVALID, EINVAL,
		       "unknown network profile '%.*s' (expected: public, "
		       "private, host, all, none)",
		       (int)(len < 100 ? len : 100), name);
}

int msb_config_add_net_profiles(msb_config_t *c, const char *list,
				msb_error_t **e)
{
	struct err err = { 0 };
	int rc = c->net->defaults ? no_mixture(&err) : 0;

	while (!rc) {
		size_t len = strcspn(list, ","), skip = strspn(list, " \t");
		size_t used = len;

		skip = skip < len ? skip : len;
		while (used > skip && strchr(" \t", list[used - 1]))
			used--;
		rc = add_profile(c->net, list + skip, used - skip, &err);
		if (!list[len])
			break;
		list += len + 1;
	}
	if (!rc)
		own_policy(c->net);
	return done(&err, rc, e);
}

static int add_profile_rules(const struct network_wish *w, struct policy *p,
			     struct err *err)
{
	int rc = w->profiles ? policy_parse_rules(PROFILE_DNS, p, err) : 0;

	for (unsigned i = 0; !rc && i < ARRAY_SIZE(profiles); i++)
		if (w->profiles & 1u << i)
			rc = policy_parse_rules(profiles[i].rule, p, err);
	if (w->everything || w->nothing)
		p->allow_egress = p->allow_ingress = w->everything;
	return rc;
}

/* ---- everything else ----------------------------------------------------- */

static int check_twice(const struct net_config *n, const struct net_port *p,
		       const char *text, struct err *err)
{
	for (size_t i = 0; i < n->nports; i++) {
		const struct net_port *o = &n->ports[i];

		if (o->udp == p->udp && o->bind.port == p->bind.port &&
		    net_addr_equal(&o->bind.addr, &p->bind.addr))
			return err_set(err, ERR_INVALID, EEXIST,
				       "port '%.100s': this port of the host "
				       "is published more than once",
				       text);
	}
	return 0;
}

int msb_config_add_port(msb_config_t *c, const char *port, msb_error_t **e)
{
	struct net_config *n = &c->net->c;
	struct err err = { 0 };
	struct net_port *list;
	struct net_port p;
	int rc = net_port_parse(port, &p, &err);

	if (!rc)
		rc = check_twice(n, &p, port, &err);
	if (!rc && n->nports >= NET_MAX_PORTS)
		rc = err_set(&err, ERR_INVALID, E2BIG,
			     "no more than %u ports can be published",
			     NET_MAX_PORTS);
	if (rc)
		return done(&err, rc, e);
	list = reallocarray(n->ports, n->nports + 1, sizeof(*list));
	if (!list)
		return done(&err, api_no_memory(&err), e);
	list[n->nports++] = p;
	n->ports = list;
	return 0;
}

int msb_config_remove_port(msb_config_t *c, const char *port, msb_error_t **e)
{
	struct net_config *n = &c->net->c;
	struct err err = { 0 };
	struct net_port p;
	size_t kept = 0, before = n->nports;
	/* which port of the guest it led to does not matter */
	autofree char *full = str_fmt("%.*s:1%s", (int)strcspn(port, "/"), port,
				      port + strcspn(port, "/"));
	int rc = full ? net_port_parse(full, &p, &err) : api_no_memory(&err);

	if (rc)
		return done(&err, rc, e);
	for (size_t i = 0; i < before; i++) {
		const struct net_port *o = &n->ports[i];

		if (o->udp != p.udp || o->bind.port != p.bind.port ||
		    !net_addr_equal(&o->bind.addr, &p.bind.addr))
			n->ports[kept++] = *o;
	}
	n->nports = kept;
	return kept < before;
}

void msb_config_set_dns_rebind_protection(msb_config_t *c, bool on)
{
	c->net->c.rebind_protection = on;
}

int msb_config_add_dns_nameserver(msb_config_t *c, const char *server,
				  msb_error_t **e)
{
	struct strv *list = &c->net->c.nameservers;
	struct err err = { 0 };
	int rc = net_nameserver_check(server, &err);

	if (!rc && list->n >= NET_MAX_NAMESERVERS)
		rc = err_set(&err, ERR_INVALID, E2BIG,
			     "no more than %u nameservers can be given",
			     NET_MAX_NAMESERVERS);
	if (!rc && strv_add(list, server))
		rc = api_no_memory(&err);
	return done(&err, rc, e);
}

int msb_config_set_dns_timeout_ms(msb_config_t *c, uint32_t ms, msb_error_t **e)
{
	struct err err = { 0 };

	if (!ms || ms > TIMEOUT_MAX_MS)
		return done(&err,
			    err_set(&err, ERR_INVALID, ERANGE,
				    "the time-out of DNS queries must be from "
				    "1 to %u milliseconds; got %u",
				    TIMEOUT_MAX_MS, ms),
			    e);
	c->net->c.dns_timeout_ms = ms;
	return 0;
}

static int set_pool(struct net_cidr *pool, const char *cidr, int family,
		    struct err *err)
{
	bool v4 = family == AF_INET;
	unsigned longest = v4 ? IPV4_POOL_PREFIX : IPV6_POOL_PREFIX;
	struct net_cidr parsed;

	if (net_cidr_parse(cidr, strlen(cidr), &parsed) ||
	    parsed.addr.family != family)
		return err_set(err, ERR_INVALID, EINVAL,
			       "%s: '%.100s' is no %s prefix such as %s",
			       v4 ? "InvalidIpv4Pool" : "InvalidIpv6Pool", cidr,
			       v4 ? "IPv4" : "IPv6",
			       v4 ? "172.16.0.0/12" : "fd42:6d73:62::/48");
	if (parsed.prefix > longest)
		return err_set(err, ERR_INVALID, EINVAL,
			       "%s: '%.100s': the prefix must be /%u or "
			       "shorter",
			       v4 ? "InvalidIpv4Pool" : "InvalidIpv6Pool", cidr,
			       longest);
	*pool = parsed;
	return 0;
}

int msb_config_set_net_ipv4_pool(msb_config_t *c, const char *cidr,
				 msb_error_t **e)
{
	struct err err = { 0 };

	return done(&err, set_pool(&c->net->c.ipv4_pool, cidr, AF_INET, &err),
		    e);
}

int msb_config_set_net_ipv6_pool(msb_config_t *c, const char *cidr,
				 msb_error_t **e)
{
	struct err err = { 0 };

	return done(&err, set_pool(&c->net->c.ipv6_pool, cidr, AF_INET6, &err),
		    e);
}

int msb_config_set_max_connections(msb_config_t *c, uint32_t n, msb_error_t **e)
{
	struct err err = { 0 };

	if (!n)
		return done(&err,
			    err_set(&err, ERR_INVALID, ERANGE,
				    "max connections must be at least 1"),
			    e);
	if (n > NET_MAX_CONNECTIONS)
		return done(&err,
			    err_set(&err, ERR_INVALID, ERANGE,
				    "MaxConnectionsExceeded: max connections "
				    "must be at most %u; got %u",
				    NET_MAX_CONNECTIONS, n),
			    e);
	c->net->c.max_connections = n;
	return 0;
}

static int read_section(const char *json, struct network_wish *w,
			struct err *err)
{
	json_error_t at;
	size_t len = strlen(json);
	json_t *o = len > SECTION_MAX ? NULL
				      : json_loadb(json, len,
						   JSON_REJECT_DUPLICATES, &at);
	int rc = json_is_object(o)
			 ? network_take_values(o, &w->values, err)
			 : err_set(err, ERR_INVALID, EINVAL,
				   "the network section is not a JSON object");

	if (!rc)
		rc = net_config_from_json(o, &w->c, err);
	json_decref(o);
	if (rc)
		return rc;
	rc = network_check_values(w, err);
	if (rc)
		net_config_fini(&w->c);
	return rc;
}

int msb_config_set_network_json(msb_config_t *c, const char *json,
				msb_error_t **e)
{
	struct network_wish w = { .own_policy = true };
	struct err err = { 0 };
	int rc = read_section(json, &w, &err);

	if (rc) {
		secret_values_fini(&w.values);
		return done(&err, rc, e);
	}
	net_config_fini(&c->net->c);
	secret_values_fini(&c->net->values);
	*c->net = w;
	return 0;
}

/* ---- the whole ----------------------------------------------------------- */

int network_wish_section(const struct network_wish *w, struct net_config *ret,
			 struct err *err)
{
	json_t *copy = net_config_to_json(&w->c);
	int rc = copy ? net_config_from_json(copy, ret, err)
		      : api_no_memory(err);

	json_decref(copy);
	if (rc)
		return rc;
	rc = add_profile_rules(w, &ret->policy, err);
	if (rc)
		net_config_fini(ret);
	return rc;
}

int network_wish_apply(const struct network_wish *w, struct sandbox_config *c,
		       struct err *err)
{
	struct net_config n;
	json_t *section;
	int rc = network_wish_section(w, &n, err);

	if (rc)
		return rc;
	section = net_config_to_json(&n);
	net_config_fini(&n);
	if (!section)
		return api_no_memory(err);
	json_decref(c->network);
	c->network = section;
	return 0;
}
