/* SPDX-License-Identifier: Apache-2.0 */
/* Rules and verdicts for people: in the words of --net-rule. */
#include "net/policy.h"

#include <string.h>

#include "base/compiler.h"

static const struct {
	enum policy_proto proto;
	const char *name;
} protos[] = {
	{ POLICY_TCP, "tcp" },
	{ POLICY_UDP, "udp" },
	{ POLICY_ICMP4, "icmpv4" },
	{ POLICY_ICMP6, "icmpv6" },
};

static bool is_dns(const struct policy_rule *r)
{
	return r->target == POLICY_TARGET_GROUP && r->group == NET_GROUP_HOST &&
	       r->direction == POLICY_EGRESS &&
	       r->protos == (POLICY_TCP | POLICY_UDP) && r->nports == 1 &&
	       r->ports[0].first == 53 && r->ports[0].last == 53;
}

static void cidr_text(const struct net_cidr *c, struct buf *out)
{
	char addr[NET_ADDR_TEXT];
	bool v6 = c->addr.family == AF_INET6;

	buf_printf(out, v6 ? "[%s]" : "%s", net_addr_text(&c->addr, addr));
	if (c->prefix < (v6 ? 128 : 32))
		buf_printf(out, "/%u", c->prefix);
}

/* Without the prefix a name of one label, or a keyword, would be none. */
static void target_text(const struct policy_rule *r, struct buf *out)
{
	struct net_addr a;

	switch (r->target) {
	case POLICY_TARGET_ANY:
		buf_str(out, "any");
		break;
	case POLICY_TARGET_GROUP:
		buf_str(out, net_group_name(r->group));
		break;
	case POLICY_TARGET_CIDR:
		cidr_text(&r->cidr, out);
		break;
	case POLICY_TARGET_NAME:
		if (!strchr(r->name, '.') ||
		    !net_addr_parse(r->name, strlen(r->name), &a))
			buf_str(out, "domain=");
		buf_str(out, r->name);
		break;
	case POLICY_TARGET_SUFFIX:
		buf_printf(out, "*.%s", r->name);
		break;
	}
}

static void proto_text(unsigned set, struct buf *out)
{
	const char *before = ":";

	if (!set)
		buf_str(out, ":any");
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (!(set & protos[i].proto))
			continue;
		buf_printf(out, "%s%s", before, protos[i].name);
		before = "|";
	}
}

static void ports_text(const struct policy_rule *r, struct buf *out)
{
	for (size_t i = 0; i < r->nports; i++) {
		buf_printf(out, "%s%u", i ? "|" : ":", r->ports[i].first);
		if (r->ports[i].last != r->ports[i].first)
			buf_printf(out, "-%u", r->ports[i].last);
	}
}

void policy_rule_text(const struct policy_rule *r, struct buf *out)
{
	buf_str(out, r->allow ? "allow" : "deny");
	if (r->direction != POLICY_EGRESS)
		buf_str(out, r->direction == POLICY_ANY ? ":any" : ":ingress");
	if (is_dns(r)) {
		buf_str(out, "@dns");
		return;
	}
	buf_str(out, "@");
	target_text(r, out);
	if (r->protos || r->nports)
		proto_text(r->protos, out);
	ports_text(r, out);
}

void policy_verdict_text(const struct policy *p, const struct policy_verdict *v,
			 enum policy_direction d, struct buf *out)
{
	bool allow = d == POLICY_EGRESS ? p->allow_egress : p->allow_ingress;

	switch (v->rule) {
	case POLICY_BY_DEFAULT:
		buf_printf(out, "default %s %s",
			   d == POLICY_EGRESS ? "egress" : "ingress",
			   allow ? "allow" : "deny");
		return;
	case POLICY_NO_TLS_DNS:
		buf_str(out, "nature (DNS that cannot be read)");
		return;
	case POLICY_BAD_HELLO:
		buf_str(out, "nature (no well-formed TLS ClientHello)");
		return;
	case POLICY_LOCAL_NAMES:
		buf_str(out, "nature (names of the local link)");
		return;
	case POLICY_NO_SERVER_NAME:
		buf_str(out, "interception (no TLS ClientHello with a name)");
		return;
	case POLICY_NO_HOST:
		buf_str(out, "nature (no address of a host)");
		return;
	default:
		break;
	}
	if (v->rule < 0 || (size_t)v->rule >= p->nrules)
		return;
	buf_printf(out, "rule %d (", v->rule + 1);
	policy_rule_text(&p->rules[v->rule], out);
	buf_str(out, ")");
}
