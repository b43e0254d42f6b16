/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of rules, and the canonical form of names in them. */
#include "net/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LABEL 63u

void policy_rule_fini(struct policy_rule *r)
{
	free(r->name);
	free(r->ports);
	*r = (struct policy_rule){ 0 };
}

void policy_fini(struct policy *p)
{
	for (size_t i = 0; i < p->nrules; i++)
		policy_rule_fini(&p->rules[i]);
	free(p->rules);
	free(p->keys);
	*p = (struct policy){ 0 };
}

static int copy_rule(const struct policy_rule *r, struct policy_rule *ret)
{
	struct policy_rule copy = *r;
	copy.name = NULL;
	copy.ports = NULL;
	if (r->name && !(copy.name = strdup(r->name)))
		return -ENOMEM;
	if (r->nports) {
		copy.ports = calloc(r->nports, sizeof(*copy.ports));
		if (!copy.ports) {
			free(copy.name);
			return -ENOMEM;
		}
		memcpy(copy.ports, r->ports, r->nports * sizeof(*copy.ports));
	}
	*ret = copy;
	return 0;
}

/* Room for one more rule and its key; the size is a power of two. */
static int grow(struct policy *p)
{
	size_t n = p->nrules;
	if (n && (n & (n - 1)))
		return 0;
	size_t cap = n ? 2 * n : 1;
	struct policy_rule *rules =
		reallocarray(p->rules, cap, sizeof(*p->rules));
	if (!rules)
		return -ENOMEM;
	p->rules = rules;
	struct policy_key *keys = reallocarray(p->keys, cap, sizeof(*p->keys));
	if (!keys)
		return -ENOMEM;
	p->keys = keys;
	return 0;
}

int policy_add(struct policy *p, const struct policy_rule *r)
{
	if (p->nrules >= POLICY_MAX_RULES)
		return -E2BIG;
	int rc = grow(p);
	if (!rc)
		rc = copy_rule(r, &p->rules[p->nrules]);
	if (rc)
		return rc;
	p->keys[p->nrules] = policy_key_of(r);
	p->nrules++;
	if (policy_rule_has_name(r))
		p->has_names = true;
	return 0;
}

int policy_add_dns(struct policy *p, bool allow, unsigned protos)
{
	struct policy_ports port = { 53, 53 };
	const struct policy_rule r = {
		.allow = allow,
		.direction = POLICY_EGRESS,
		.target = POLICY_TARGET_GROUP,
		.group = NET_GROUP_HOST,
		.protos = protos ? protos : POLICY_UDP | POLICY_TCP,
		.ports = &port,
		.nports = 1,
	};
	return policy_add(p, &r);
}

int policy_add_group(struct policy *p, bool allow, enum net_group g)
{
	const struct policy_rule r = {
		.allow = allow,
		.direction = POLICY_EGRESS,
		.target = POLICY_TARGET_GROUP,
		.group = g,
	};
	return policy_add(p, &r);
}

int policy_public_only(struct policy *ret)
{
	struct policy p = { .allow_ingress = true };
	int rc = policy_add_dns(&p, true, 0);
	if (!rc)
		rc = policy_add_group(&p, true, NET_GROUP_PUBLIC);
	if (rc)
		policy_fini(&p);
	else
		*ret = p;
	return rc;
}

static bool label_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_' ||
	       c == '-';
}

int policy_name(const char *text, size_t len, char *ret)
{
	size_t label = 0;
	while (len && *text == '.') {
		text++;
		len--;
	}
	if (len && text[len - 1] == '.')
		len--;
	if (!len || len > NET_NAME_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c - 'A' + 'a');
		if (c == '.' ? !label : !label_char(c) || label >= MAX_LABEL)
			return -EINVAL;
		label = c == '.' ? 0 : label + 1;
		ret[i] = (char)c;
	}
	if (!label)
		return -EINVAL;
	ret[len] = '\0';
	return 0;
}
