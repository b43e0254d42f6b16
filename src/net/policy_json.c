/* SPDX-License-Identifier: Apache-2.0 */
/* A policy as JSON (docs/json.md). What is missing denies. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "net/json.h"
#include "net/policy.h"

#define MAX_PORTS 1024u /* ranges in one rule */

struct word {
	const char *name;
	unsigned value;
};

static const struct word actions[] = { { "deny", 0 }, { "allow", 1 } };
static const struct word directions[] = {
	{ "egress", POLICY_EGRESS },
	{ "ingress", POLICY_INGRESS },
	{ "any", POLICY_ANY },
};
static const struct word protos[] = {
	{ "tcp", POLICY_TCP },
	{ "udp", POLICY_UDP },
	{ "icmpv4", POLICY_ICMP4 },
	{ "icmpv6", POLICY_ICMP6 },
};
static const struct word groups[] = {
	{ "public", NET_GROUP_PUBLIC },
	{ "loopback", NET_GROUP_LOOPBACK },
	{ "private", NET_GROUP_PRIVATE },
	{ "link_local", NET_GROUP_LINK_LOCAL },
	{ "link-local", NET_GROUP_LINK_LOCAL },
	{ "metadata", NET_GROUP_METADATA },
	{ "meta", NET_GROUP_METADATA },
	{ "multicast", NET_GROUP_MULTICAST },
	{ "host", NET_GROUP_HOST },
};

static const char *word_of(const struct word *words, size_t n, unsigned value)
{
	for (size_t i = 0; i < n; i++)
		if (words[i].value == value)
			return words[i].name;
	return "";
}

/* --- reading --- */

static int get_word(const json_t *j, const struct word *words, size_t n,
		    const char *where, unsigned *ret, struct err *err)
{
	const char *text = json_string_value(j);

	for (size_t i = 0; text && i < n; i++)
		if (!strcmp(text, words[i].name)) {
			*ret = words[i].value;
			return 0;
		}
	return net_json_bad(err, where, "is not one of its words");
}

#define GET_WORD(j, words, where, ret, err)                                    \
	get_word(j, words, ARRAY_SIZE(words), where, ret, err)

static int get_default(const json_t *j, const char *key, bool *ret,
		       struct err *err)
{
	const json_t *v = json_object_get(j, key);
	unsigned allow = 0;
	int rc = 0;

	if (v && !json_is_null(v))
		rc = GET_WORD(v, actions, key, &allow, err);
	*ret = allow;
	return rc;
}

static int get_name(const json_t *j, enum policy_target_kind kind,
		    struct policy_rule *r, struct err *err)
{
	char name[NET_NAME_MAX + 1];
	const char *text = json_string_value(j);

	if (!text || policy_name(text, json_string_length(j), name) < 0)
		return net_json_bad(err, "destination", "is no domain name");
	if (kind == POLICY_TARGET_SUFFIX && !strchr(name, '.'))
		return net_json_bad(err, "destination",
				    "SuffixTooBroad: a suffix has two labels "
				    "or more");
	r->target = kind;
	r->name = strdup(name);
	return r->name ? 0 : err_sys(err, ERR_NO_MEMORY, ENOMEM, "policy");
}

static int get_cidr(const json_t *j, struct policy_rule *r, struct err *err)
{
	const char *text = json_string_value(j);
	size_t len = json_string_length(j);

	r->target = POLICY_TARGET_CIDR;
	if (text && net_cidr_parse(text, len, &r->cidr) == 0)
		return 0;
	if (!text || net_addr_parse(text, len, &r->cidr.addr) < 0)
		return net_json_bad(err, "destination.cidr",
				    "is not ADDRESS/PREFIX");
	r->cidr.prefix = r->cidr.addr.family == AF_INET ? 32 : 128;
	return 0;
}

static int get_destination(const json_t *j, struct policy_rule *r,
			   struct err *err)
{
	const char *text = json_string_value(j);
	const json_t *v;
	unsigned group = 0;
	int rc;

	if (text && !strcmp(text, "any")) {
		r->target = POLICY_TARGET_ANY;
		return 0;
	}
	if ((v = json_object_get(j, "cidr")))
		return get_cidr(v, r, err);
	if ((v = json_object_get(j, "domain")))
		return get_name(v, POLICY_TARGET_NAME, r, err);
	if ((v = json_object_get(j, "domain_suffix")))
		return get_name(v, POLICY_TARGET_SUFFIX, r, err);
	if (!(v = json_object_get(j, "group")))
		return net_json_bad(err, "destination", "is missing");
	rc = GET_WORD(v, groups, "destination.group", &group, err);
	r->target = POLICY_TARGET_GROUP;
	r->group = (enum net_group)group;
	return rc;
}

static int get_protos(const json_t *list, struct policy_rule *r,
		      struct err *err)
{
	const json_t *v;
	size_t i;

	if (list && !json_is_null(list) && !json_is_array(list))
		return net_json_bad(err, "protocols", "is no list");
	json_array_foreach((json_t *)list, i, v)
	{
		unsigned proto = 0;
		int rc = GET_WORD(v, protos, "protocols", &proto, err);
		if (rc < 0)
			return rc;
		r->protos |= proto;
	}
	if ((r->protos & (POLICY_ICMP4 | POLICY_ICMP6)) &&
	    r->direction != POLICY_EGRESS)
		return net_json_bad(err, "protocols",
				    "IngressDoesNotSupportIcmp: only egress "
				    "rules can be about ICMP");
	return 0;
}

static int get_ports(const json_t *list, struct policy_rule *r, struct err *err)
{
	const json_t *v;
	size_t i;

	if (list && !json_is_null(list) && !json_is_array(list))
		return net_json_bad(err, "ports", "is no list");
	if (!json_array_size(list))
		return 0;
	if (json_array_size(list) > MAX_PORTS)
		return net_json_bad(err, "ports", "is too long");
	r->ports = calloc(json_array_size(list), sizeof(*r->ports));
	if (!r->ports)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "policy");
	json_array_foreach((json_t *)list, i, v)
	{
		uint64_t first = 0, last = 0;
		int rc = net_json_number(v, "start", UINT16_MAX, &first, err);
		if (!rc)
			rc = net_json_number(v, "end", UINT16_MAX, &last, err);
		if (rc < 0)
			return rc;
		if (first > last)
			return net_json_bad(err, "ports",
					    "InvalidPortRange: a range ends "
					    "before it begins");
		r->ports[i] = (struct policy_ports){ (uint16_t)first,
						     (uint16_t)last };
	}
	r->nports = json_array_size(list);
	return 0;
}

static int get_rule(const json_t *j, struct policy_rule *r, struct err *err)
{
	const json_t *v;
	unsigned value = POLICY_EGRESS;
	int rc = 0;

	if (!json_is_object(j))
		return net_json_bad(err, "rules", "has what is no object");
	v = json_object_get(j, "direction");
	if (v && !json_is_null(v))
		rc = GET_WORD(v, directions, "direction", &value, err);
	r->direction = (enum policy_direction)value;
	if (!rc)
		rc = GET_WORD(json_object_get(j, "action"), actions, "action",
			      &value, err);
	r->allow = value;
	if (!rc)
		rc = get_destination(json_object_get(j, "destination"), r, err);
	if (!rc)
		rc = get_protos(json_object_get(j, "protocols"), r, err);
	if (!rc)
		rc = get_ports(json_object_get(j, "ports"), r, err);
	return rc;
}

static int add_rule(const json_t *j, struct policy *p, struct err *err)
{
	struct policy_rule r = { 0 };
	int rc = get_rule(j, &r, err);

	if (!rc) {
		rc = policy_add(p, &r);
		if (rc < 0)
			err_sys(err, ERR_NO_MEMORY, -rc, "policy");
	} else {
		err_prefix(err, "rules[%zu]", p->nrules);
	}
	policy_rule_fini(&r);
	return rc;
}

int policy_from_json(const json_t *j, struct policy *ret, struct err *err)
{
	const json_t *rules, *v;
	struct policy p = { 0 };
	size_t i;
	int rc;

	if (!json_is_object(j))
		return net_json_bad(err, "policy", "is no object");
	rc = get_default(j, "default_egress", &p.allow_egress, err);
	if (!rc)
		rc = get_default(j, "default_ingress", &p.allow_ingress, err);
	rules = json_object_get(j, "rules");
	if (!rc && rules && !json_is_null(rules) && !json_is_array(rules))
		rc = net_json_bad(err, "rules", "is no list");
	if (!rc && json_array_size(rules) > POLICY_MAX_RULES)
		rc = net_json_bad(err, "rules", "is too long");
	if (!rc)
		json_array_foreach((json_t *)rules, i, v)
		{
			rc = add_rule(v, &p, err);
			if (rc < 0)
				break;
		}
	if (rc < 0) {
		policy_fini(&p);
		err_prefix(err, "policy");
		return rc;
	}
	*ret = p;
	return 0;
}

/* --- writing; NULL = no memory --- */

static json_t *cidr_json(const struct net_cidr *c)
{
	char addr[NET_ADDR_TEXT];

	return json_sprintf("%s/%u", net_addr_text(&c->addr, addr), c->prefix);
}

static json_t *destination_json(const struct policy_rule *r)
{
	switch (r->target) {
	case POLICY_TARGET_GROUP:
		return json_pack("{s:s}", "group", net_group_name(r->group));
	case POLICY_TARGET_CIDR:
		return json_pack("{s:o}", "cidr", cidr_json(&r->cidr));
	case POLICY_TARGET_NAME:
		return json_pack("{s:s}", "domain", r->name);
	case POLICY_TARGET_SUFFIX:
		return json_pack("{s:s}", "domain_suffix", r->name);
	case POLICY_TARGET_ANY:
		break;
	}
	return json_string("any");
}

static json_t *protos_json(unsigned set)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
		if ((set & protos[i].value) &&
		    json_array_append_new(list, json_string(protos[i].name))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *ports_json(const struct policy_rule *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->nports; i++)
		if (json_array_append_new(list,
					  json_pack("{s:i,s:i}", "start",
						    r->ports[i].first, "end",
						    r->ports[i].last))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

#define NAME_OF(words, value) word_of(words, ARRAY_SIZE(words), value)

static json_t *rule_json(const struct policy_rule *r)
{
	return json_pack("{s:s,s:o,s:o,s:o,s:s}", "direction",
			 NAME_OF(directions, r->direction), "destination",
			 destination_json(r), "protocols",
			 protos_json(r->protos), "ports", ports_json(r),
			 "action", NAME_OF(actions, r->allow));
}

json_t *policy_to_json(const struct policy *p)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < p->nrules; i++)
		if (json_array_append_new(rules, rule_json(&p->rules[i]))) {
			json_decref(rules);
			return NULL;
		}
	return json_pack("{s:s,s:s,s:o}", "default_egress",
			 NAME_OF(actions, p->allow_egress), "default_ingress",
			 NAME_OF(actions, p->allow_ingress), "rules", rules);
}
