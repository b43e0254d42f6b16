/* SPDX-License-Identifier: Apache-2.0 */
/* What is allowed in a network section, but perhaps not what was meant. */
#include "api/network.h"

/* Rules are compared with each other; of more than these that takes long. */
#define COMPARED_MAX 4096u
#define HINT_MAX 1024u

struct hints {
	void (*fn)(void *ctx, const char *text);
	void *ctx;
	bool no_memory;
};

static void tell(struct hints *h, struct buf *text)
{
	const char *line = buf_cstr(text);

	if (line)
		h->fn(h->ctx, line);
	else
		h->no_memory = true;
	buf_fini(text);
}

/* Is every port of b one of a? A list is mostly one range or two. */
static bool covers_ports(const struct policy_rule *a,
			 const struct policy_rule *b)
{
	if (!a->nports || !b->nports)
		return !a->nports;
	for (size_t i = 0; i < b->nports; i++) {
		bool found = false;

		for (size_t k = 0; !found && k < a->nports; k++)
			found = a->ports[k].first <= b->ports[i].first &&
				a->ports[k].last >= b->ports[i].last;
		if (!found)
			return false;
	}
	return true;
}

static bool covers_target(const struct policy_rule *a,
			  const struct policy_rule *b)
{
	if (a->target == POLICY_TARGET_ANY)
		return b->target != POLICY_TARGET_NAME &&
		       b->target != POLICY_TARGET_SUFFIX;
	if (a->target != b->target)
		return false;
	if (a->target == POLICY_TARGET_GROUP)
		return a->group == b->group;
	return a->target == POLICY_TARGET_CIDR &&
	       a->cidr.prefix <= b->cidr.prefix &&
	       a->cidr.addr.family == b->cidr.addr.family &&
	       net_cidr_contains(&a->cidr, &b->cidr.addr);
}

/* Does a, standing in front of b, leave nothing for b to decide? */
static bool covers(const struct policy_rule *a, const struct policy_rule *b)
{
	unsigned directions = (unsigned)b->direction;

	return (directions & ~(unsigned)a->direction) == 0 &&
	       (!a->protos || (b->protos && !(b->protos & ~a->protos))) &&
	       covers_target(a, b) && covers_ports(a, b);
}

static void put_rule(const struct policy *p, size_t i, struct buf *b)
{
	const struct policy_verdict v = { POLICY_DENY, (int)i };

	policy_verdict_text(p, &v, POLICY_EGRESS, b);
}

static void tell_covered(const struct policy *p, struct hints *h)
{
	size_t n = p->nrules < COMPARED_MAX ? p->nrules : COMPARED_MAX;

	for (size_t i = 1; i < n; i++) {
		for (size_t k = 0; k < i; k++) {
			struct buf b;

			if (!covers(&p->rules[k], &p->rules[i]))
				continue;
			buf_init(&b, HINT_MAX);
			put_rule(p, i, &b);
			(void)buf_str(&b, " never decides anything: ");
			put_rule(p, k, &b);
			(void)buf_str(&b, " in front of it covers it");
			tell(h, &b);
			break;
		}
	}
}

/* Names of a, or all of them, are names of b. */
static bool covers_host(const struct host_pattern *b,
			const struct host_pattern *a)
{
	return a->kind != HOST_ANY && host_pattern_match(b, a->name) &&
	       (a->kind == HOST_EXACT || b->kind != HOST_EXACT);
}

static void tell_hosts(const struct net_config *n,
		       const struct secret_config *s, struct hints *h)
{
	char name[HOST_PATTERN_TEXT];
	struct buf b;

	for (size_t i = 0; i < s->allowed.n; i++) {
		const struct host_pattern *p = &s->allowed.v[i];
		bool bypassed = false;

		for (size_t k = 0; !bypassed && k < n->tls.bypass.n; k++)
			bypassed = covers_host(&n->tls.bypass.v[k], p);
		if (p->kind != HOST_ANY && !bypassed)
			continue;
		buf_init(&b, HINT_MAX);
		if (bypassed)
			(void)buf_printf(&b,
					 "secret '%.100s' never reaches %s: "
					 "--tls-bypass leaves what goes there "
					 "as it is",
					 s->env_var,
					 host_pattern_text(p, name));
		else
			(void)buf_printf(&b,
					 "secret '%.100s' goes to every host "
					 "that the guest sends it to",
					 s->env_var);
		tell(h, &b);
	}
}

static void tell_secrets(const struct net_config *n, struct hints *h)
{
	for (size_t i = 0; i < n->secrets.n; i++)
		tell_hosts(n, &n->secrets.v[i], h);
	if (n->secrets.n && !n->tls.verify_upstream)
		h->fn(h->ctx, "servers are not verified: whoever answers in "
			      "their place gets the secrets");
}

int msb_config_network_hints(const msb_config_t *c,
			     void (*fn)(void *ctx, const char *text), void *ctx,
			     msb_error_t **e)
{
	struct hints h = { .fn = fn, .ctx = ctx };
	struct net_config section;
	struct err err = { 0 };
	int rc = network_wish_section(c->net, &section, &err);

	if (rc)
		return api_fail_err(&err, rc, e);
	if (policy_lacks_dns(&section.policy))
		fn(ctx, "the network rules open addresses, but no name can be "
			"resolved; allow@dns would open DNS");
	tell_covered(&section.policy, &h);
	tell_secrets(&section, &h);
	net_config_fini(&section);
	if (h.no_memory)
		return api_fail_err(&err, api_no_memory(&err), e);
	return 0;
}
