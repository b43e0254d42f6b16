/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of --net-rule:
 *   action[:direction]@target[:proto[:ports]]
 * Every mistake has a category of its own, and a message that quotes what was
 * written and says what to write instead.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/suggest.h"
#include "net/policy.h"

#define QUOTE 80u /* bytes of what was written, in a message */
#define WORD_MAX 24u

struct span {
	const char *at;
	size_t len;
};

#define QUOTED(s) (int)((s).len < QUOTE ? (s).len : QUOTE), (s).at

/* A token being read: its fields, and the rule that comes of them. */
struct token {
	struct span text, target, prefix, proto, ports;
	bool bracketed, has_proto, has_ports, dns;
	struct policy_rule rule; /* name and ports borrow from below */
	char name[NET_NAME_MAX + 1];
	struct policy_ports range;
	struct err *err;
};

static const char *const actions[] = { "allow", "deny", NULL };
static const char *const directions[] = { "egress", "ingress", "any", NULL };
static const char *const protos[] = { "any",	"tcp",	  "udp",
				      "icmpv4", "icmpv6", NULL };
static const char *const targets[] = { "any",	   "public",	 "private",
				       "loopback", "link_local", "link-local",
				       "metadata", "meta",	 "multicast",
				       "host",	   "dns",	 NULL };
static const struct {
	const char *word;
	enum net_group group;
} groups[] = {
	{ "public", NET_GROUP_PUBLIC },
	{ "private", NET_GROUP_PRIVATE },
	{ "loopback", NET_GROUP_LOOPBACK },
	{ "link_local", NET_GROUP_LINK_LOCAL },
	{ "link-local", NET_GROUP_LINK_LOCAL },
	{ "metadata", NET_GROUP_METADATA },
	{ "meta", NET_GROUP_METADATA },
	{ "multicast", NET_GROUP_MULTICAST },
	{ "host", NET_GROUP_HOST },
};

/* --- words and messages --- */

static bool span_is(struct span s, const char *word)
{
	return s.len == strlen(word) && !memcmp(s.at, word, s.len);
}

static bool span_starts(struct span s, const char *word)
{
	size_t len = strlen(word);

	return s.len >= len && !memcmp(s.at, word, len);
}

static struct span span_from(struct span s, size_t off)
{
	return (struct span){ s.at + off, s.len - off };
}

/* What is before c; *rest is what is behind it. false: there is no c. */
static bool span_cut(struct span s, char c, struct span *head,
		     struct span *rest)
{
	const char *p = s.len ? memchr(s.at, c, s.len) : NULL;
	size_t at = p ? (size_t)(p - s.at) : s.len;

	*head = (struct span){ s.at, at };
	if (!p)
		return false;
	*rest = span_from(s, at + 1);
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct span trimmed(struct span s)
{
	while (s.len && is_space(*s.at))
		s = span_from(s, 1);
	while (s.len && is_space(s.at[s.len - 1]))
		s.len--;
	return s;
}

/* The index of the word in the list, or -1. */
static int find_word(struct span s, const char *const words[])
{
	for (int i = 0; words[i]; i++)
		if (span_is(s, words[i]))
			return i;
	return -1;
}

static int bad(const struct token *t, const char *category, const char *fmt,
	       ...) MSB_PRINTF(3, 4);

static int bad(const struct token *t, const char *category, const char *fmt,
	       ...)
{
	char msg[320];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return err_set(t->err, ERR_INVALID, 0, "%s: in \"%.*s\": %s", category,
		       QUOTED(t->text), msg);
}

/* As bad(), for a word that is not in the list. */
static int bad_word(const struct token *t, const char *category,
		    struct span word, const char *what,
		    const char *const words[])
{
	char typed[WORD_MAX + 1] = "", hint[WORD_MAX + 20] = "", list[160] = "";
	struct suggest s;

	if (word.len <= WORD_MAX)
		memcpy(typed, word.at, word.len);
	suggest_init(&s, typed);
	for (size_t i = 0, at = 0; words[i]; i++) {
		if (word.len && word.len <= WORD_MAX)
			suggest_add(&s, words[i]);
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s",
				       i ? ", " : "", words[i]);
	}
	if (s.best)
		(void)snprintf(hint, sizeof(hint), "; did you mean `%s`?",
			       s.best);
	return bad(t, category, "\"%.*s\" is not %s (%s)%s", QUOTED(word), what,
		   list, hint);
}

/* --- target --- */

static int name_target(struct token *t, struct span name,
		       enum policy_target_kind kind)
{
	struct span bare = name;

	while (bare.len && *bare.at == '.')
		bare = span_from(bare, 1);
	if (!bare.len)
		return bad(t, "InvalidDomain", "the domain name is empty");
	if (policy_name(name.at, name.len, t->name) < 0)
		return bad(t, "InvalidDomain",
			   "\"%.*s\" is not a domain name: labels of letters, "
			   "digits, - and _ with dots between them, no scheme, "
			   "port or path",
			   QUOTED(name));
	if (kind == POLICY_TARGET_SUFFIX && !strchr(t->name, '.'))
		return bad(t, "SuffixTooBroad",
			   "\"%s\" would match every name under that "
			   "top-level domain; write a suffix of two labels or "
			   "more, such as suffix=example.%s",
			   t->name, t->name);
	t->rule.target = kind;
	t->rule.name = t->name;
	return 0;
}

static int cidr_target(struct token *t, struct span s)
{
	if (net_cidr_parse(s.at, s.len, &t->rule.cidr) < 0)
		return bad(t, "InvalidCidr", "\"%.*s\" is not ADDRESS/PREFIX",
			   QUOTED(s));
	if (t->bracketed && t->rule.cidr.addr.family == AF_INET)
		return bad(t, "BracketedNotIpv6",
			   "only IPv6 goes into brackets");
	t->rule.target = POLICY_TARGET_CIDR;
	return 0;
}

static void addr_target(struct token *t, const struct net_addr *a)
{
	t->rule.target = POLICY_TARGET_CIDR;
	t->rule.cidr.addr = *a;
	t->rule.cidr.prefix = a->family == AF_INET ? 32 : 128;
}

static int bracket_target(struct token *t)
{
	char text[NET_ADDR_TEXT + 8];
	struct net_addr a;
	struct span s = t->target;

	if (t->prefix.len) {
		int len = snprintf(text, sizeof(text), "%.*s%.*s", QUOTED(s),
				   QUOTED(t->prefix));
		s = (struct span){ text, (size_t)len };
		if (s.len >= sizeof(text))
			return bad(t, "InvalidCidr",
				   "no IPv6 prefix is that long");
	}
	if (memchr(s.at, '/', s.len))
		return cidr_target(t, s);
	if (net_addr_parse(s.at, s.len, &a) < 0)
		return bad(t, "InvalidIp", "\"%.*s\" is not an IPv6 address",
			   QUOTED(s));
	if (a.family != AF_INET6)
		return bad(t, "BracketedNotIpv6",
			   "only IPv6 goes into brackets");
	addr_target(t, &a);
	return 0;
}

static bool word_target(struct token *t)
{
	if (span_is(t->target, "any")) {
		t->rule.target = POLICY_TARGET_ANY;
		return true;
	}
	if (span_is(t->target, "dns")) {
		t->dns = true;
		t->rule.target = POLICY_TARGET_GROUP;
		t->rule.group = NET_GROUP_HOST;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (span_is(t->target, groups[i].word)) {
			t->rule.target = POLICY_TARGET_GROUP;
			t->rule.group = groups[i].group;
			return true;
		}
	return false;
}

static int ambiguous(const struct token *t)
{
	char hint[80 + QUOTE];
	struct span s = t->target;

	if (span_is(s, "*"))
		return bad(t, "AmbiguousBareToken",
			   "\"*\" alone is not a target; write any, or "
			   "domain=NAME for one name");
	(void)snprintf(hint, sizeof(hint),
		       "an address or a name with a dot; write domain=%.*s, or "
		       "one of the words",
		       QUOTED(s));
	return bad_word(t, "AmbiguousBareToken", s, hint, targets);
}

static int parse_target(struct token *t)
{
	struct net_addr a;
	struct span s = t->target;

	if (t->bracketed)
		return bracket_target(t);
	if (!s.len)
		return bad(t, "InvalidTarget",
			   "the target is empty; write any, a group, an "
			   "address, ADDRESS/PREFIX, [IPv6], a domain name, "
			   "*.NAME, suffix=NAME or domain=NAME");
	if (word_target(t))
		return 0;
	if (span_starts(s, "*."))
		return name_target(t, span_from(s, 2), POLICY_TARGET_SUFFIX);
	if (span_starts(s, "suffix="))
		return name_target(t, span_from(s, strlen("suffix=")),
				   POLICY_TARGET_SUFFIX);
	if (span_starts(s, "domain="))
		return name_target(t, span_from(s, strlen("domain=")),
				   POLICY_TARGET_NAME);
	if (memchr(s.at, '/', s.len))
		return cidr_target(t, s);
	if (net_addr_parse(s.at, s.len, &a) == 0) {
		addr_target(t, &a);
		return 0;
	}
	if (memchr(s.at, '.', s.len))
		return name_target(t, s, POLICY_TARGET_NAME);
	return ambiguous(t);
}

/* --- protocol and ports --- */

static bool port_number(struct span s, uint32_t *ret)
{
	uint32_t value = 0;

	if (!s.len || s.len > 5)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		value = value * 10 + (uint32_t)(s.at[i] - '0');
	}
	*ret = value;
	return value <= UINT16_MAX;
}

static bool port_range(struct span s, uint32_t *first, uint32_t *last)
{
	struct span lo, hi;

	if (!span_cut(s, '-', &lo, &hi))
		hi = lo;
	return port_number(lo, first) && port_number(hi, last);
}

static int parse_proto(struct token *t)
{
	static const unsigned set[] = { 0, POLICY_TCP, POLICY_UDP, POLICY_ICMP4,
					POLICY_ICMP6 };
	uint32_t lo, hi;
	int i = t->has_proto ? find_word(t->proto, protos) : 0;

	if (i < 0 && port_range(t->proto, &lo, &hi))
		return bad(t, "PortInProtocolSlot",
			   "\"%.*s\" is a port, and stands where the protocol "
			   "belongs; write %s%.*s%s:tcp:%.*s",
			   QUOTED(t->proto), t->bracketed ? "[" : "",
			   QUOTED(t->target), t->bracketed ? "]" : "",
			   QUOTED(t->proto));
	if (i < 0)
		return bad_word(t, "InvalidProtocol", t->proto, "a protocol",
				protos);
	t->rule.protos = set[i];
	if ((set[i] & (POLICY_ICMP4 | POLICY_ICMP6)) &&
	    t->rule.direction != POLICY_EGRESS)
		return bad(t, "IngressDoesNotSupportIcmp",
			   "only egress rules can be about ICMP: nothing else "
			   "comes in than connections to published ports");
	return 0;
}

static int parse_ports(struct token *t)
{
	uint32_t first, last;

	if (!t->has_ports || span_is(t->ports, "any"))
		return 0;
	if (!port_range(t->ports, &first, &last))
		return bad(t, "InvalidPorts",
			   "\"%.*s\" is not a port from 0 to 65535, LOW-HIGH "
			   "or any",
			   QUOTED(t->ports));
	if (first > last)
		return bad(t, "InvalidPortRange",
			   "the range %u-%u ends before it begins", first,
			   last);
	if (t->rule.protos & (POLICY_ICMP4 | POLICY_ICMP6))
		return bad(t, "InvalidPorts", "ICMP has no ports");
	t->range = (struct policy_ports){ (uint16_t)first, (uint16_t)last };
	t->rule.ports = &t->range;
	t->rule.nports = 1;
	return 0;
}

/* The word dns is the resolver at the gateway, and nothing else there. */
static int check_dns(struct token *t)
{
	if (t->rule.direction != POLICY_EGRESS)
		return bad(t, "DnsMustBeEgress",
			   "dns is where the sandbox asks: only egress rules "
			   "can be about it");
	if (t->rule.protos & ~(unsigned)(POLICY_TCP | POLICY_UDP))
		return bad(t, "InvalidDnsProtocol",
			   "dns is spoken over tcp and udp");
	if (t->rule.nports && (t->range.first != 53 || t->range.last != 53))
		return bad(t, "InvalidDnsPort",
			   "dns is on port 53; leave the port out");
	return 0;
}

/* --- tokens --- */

/* [ADDR], [ADDR/PREFIX] and [ADDR]/PREFIX; *rest is what the colon brings. */
static int split_bracketed(struct token *t, struct span s, bool *more,
			   struct span *rest)
{
	struct span after;

	if (!span_cut(span_from(s, 1), ']', &t->target, &after))
		return bad(t, "UnclosedBracket", "\"[\" without \"]\"");
	t->bracketed = true;
	if (after.len && *after.at == '/') {
		*more = span_cut(after, ':', &t->prefix, rest);
		return 0;
	}
	if (after.len && *after.at != ':')
		return bad(t, "UnexpectedAfterBracket",
			   "\"%.*s\" behind the bracket; \":\" or nothing may "
			   "follow",
			   QUOTED(after));
	*more = after.len > 0;
	if (*more)
		*rest = span_from(after, 1);
	return 0;
}

/* What is right of the "@". */
static int split_right(struct token *t, struct span s)
{
	struct net_addr a;
	struct net_cidr c;
	struct span rest = { s.at, 0 }, extra;
	bool more = false;

	if ((net_addr_parse(s.at, s.len, &a) == 0 && a.family == AF_INET6) ||
	    (net_cidr_parse(s.at, s.len, &c) == 0 && c.addr.family == AF_INET6))
		return bad(t, "TrailingJunk", "write IPv6 in brackets: [%.*s]",
			   QUOTED(s));
	if (s.len && *s.at == '[') {
		int rc = split_bracketed(t, s, &more, &rest);
		if (rc < 0)
			return rc;
	} else {
		more = span_cut(s, ':', &t->target, &rest);
	}
	t->has_proto = more;
	if (!more)
		return 0;
	t->has_ports = span_cut(rest, ':', &t->proto, &t->ports);
	if (t->has_ports && span_cut(t->ports, ':', &t->ports, &extra))
		return bad(t, "TrailingJunk",
			   "nothing may follow the ports, \":%.*s\" does; an "
			   "IPv6 address is written in brackets",
			   QUOTED(extra));
	return 0;
}

static int parse_left(struct token *t, struct span left)
{
	static const enum policy_direction way[] = { POLICY_EGRESS,
						     POLICY_INGRESS,
						     POLICY_ANY };
	struct span action, direction = { left.at, 0 };
	bool directed = span_cut(left, ':', &action, &direction);
	int a = find_word(action, actions);
	int d = directed ? find_word(direction, directions) : 0;

	if (a < 0)
		return bad_word(t, "InvalidAction", action, "an action",
				actions);
	if (d < 0)
		return bad_word(t, "InvalidDirection", direction, "a direction",
				directions);
	t->rule.allow = a == 0;
	t->rule.direction = way[d];
	return 0;
}

static int parse_token(struct token *t)
{
	struct span left, right;
	int rc;

	if (!span_cut(t->text, '@', &left, &right))
		return bad(t, "MissingAt",
			   "no \"@\"; a rule is "
			   "ACTION[:DIRECTION]@TARGET[:PROTO[:PORTS]], such as "
			   "allow@example.com:tcp:443");
	rc = parse_left(t, left);
	if (!rc)
		rc = split_right(t, right);
	if (!rc)
		rc = parse_target(t);
	if (!rc)
		rc = parse_proto(t);
	if (!rc)
		rc = parse_ports(t);
	if (!rc && t->dns)
		rc = check_dns(t);
	return rc;
}

static int add_token(struct policy *p, struct span text, struct err *err)
{
	struct token t = { .text = text, .err = err };
	int rc = parse_token(&t);

	if (rc < 0)
		return rc;
	rc = t.dns ? policy_add_dns(p, t.rule.allow, t.rule.protos)
		   : policy_add(p, &t.rule);
	if (rc == -E2BIG)
		return err_set(err, ERR_INVALID, E2BIG,
			       "more than %u network rules", POLICY_MAX_RULES);
	if (rc < 0)
		return err_sys(err, ERR_NO_MEMORY, -rc, "network rules");
	return 0;
}

int policy_parse_rules(const char *text, struct policy *p, struct err *err)
{
	struct span rest = { text, strlen(text) }, token;
	bool more = true;

	while (more) {
		int rc = 0;
		more = span_cut(rest, ',', &token, &rest);
		token = trimmed(token);
		if (token.len)
			rc = add_token(p, token, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
