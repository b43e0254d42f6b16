/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rule decides: questions put to a policy without a sandbox. The answers
 * come from the functions that decide in a running one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/network.h"
#include "base/clock.h"
#include "net/dns_answer.h"
#include "net/names.h"

#define PORTS 65536u
#define TEXT_MAX 65536u
#define DNS_PORT 53
#define NAME_TTL_S 3600u /* longer than we live */
/* Stands for "some public address" (RFC 5737); no policy names it. */
#define SOME_IPV4 "192.0.2.1"

/* A question in parts. */
struct question {
	const struct net_config *c;
	const struct net_addresses *link;
	enum policy_direction direction;
	const char *proto_text;
	bool icmp, udp;
	char name[NET_NAME_MAX + 1]; /* "" = the target is an address */
	struct net_addr addr;
	bool has_addr; /* given by the user */
	bool has_port;
	uint16_t port;
	struct names *names;
	json_t *answers;
	bool denied;
};

/* ---- the target ---------------------------------------------------------- */

static int bad_target(const char *target, const char *why, struct err *err)
{
	return err_set(err, ERR_INVALID, EINVAL,
		       "target '%.200s' %s (expected: IP, IP:PORT, "
		       "[IPv6]:PORT, NAME or NAME:PORT)",
		       target, why);
}

static int parse_port(struct question *q, const char *text, const char *target,
		      struct err *err)
{
	uint32_t port;

	if (str_to_u32(text, &port) || port >= PORTS)
		return bad_target(target, "has no valid port", err);
	q->has_port = true;
	q->port = (uint16_t)port;
	return 0;
}

static int parse_bracketed(struct question *q, const char *target,
			   struct err *err)
{
	const char *end = strchr(target, ']');

	if (!end ||
	    net_addr_parse(target + 1, (size_t)(end - target - 1), &q->addr) ||
	    q->addr.family != AF_INET6)
		return bad_target(target, "has no IPv6 address in brackets",
				  err);
	if (!end[1])
		return 0;
	return end[1] == ':' ? parse_port(q, end + 2, target, err)
			     : bad_target(target, "goes on behind ']'", err);
}

static int parse_target(struct question *q, const char *target, struct err *err)
{
	const char *colon = strrchr(target, ':');
	size_t len = strlen(target);

	if (*target == '[')
		return parse_bracketed(q, target, err);
	if (!net_addr_parse(target, len, &q->addr))
		return 0;
	if (colon) {
		int rc = parse_port(q, colon + 1, target, err);

		if (rc)
			return rc;
		len = (size_t)(colon - target);
		if (!net_addr_parse(target, len, &q->addr) &&
		    q->addr.family == AF_INET)
			return 0;
	}
	if (policy_name(target, len, q->name))
		return bad_target(target, "is neither an address nor a name",
				  err);
	return 0;
}

static int parse_proto(struct question *q, const char *proto, struct err *err)
{
	q->proto_text = proto ? proto : "tcp";
	q->udp = !strcmp(q->proto_text, "udp");
	q->icmp = !strcmp(q->proto_text, "icmp");
	if (!q->udp && !q->icmp && strcmp(q->proto_text, "tcp") != 0)
		return err_set(err, ERR_INVALID, EINVAL,
			       "unknown protocol '%.50s' (expected: tcp, udp, "
			       "icmp)",
			       q->proto_text);
	if (q->icmp && q->has_port)
		return err_set(err, ERR_INVALID, EINVAL,
			       "icmp has no ports, but the target has one");
	return 0;
}

static bool is_alias(const struct question *q)
{
	return !strcmp(q->name, NET_HOST_ALIAS);
}

/* The address that the name is to stand for. */
static int choose_address(struct question *q, const char *address,
			  struct err *err)
{
	int rc;

	if (address && !*q->name)
		return err_set(err, ERR_INVALID, EINVAL,
			       "the target is an address already");
	if (!*q->name)
		return 0;
	q->has_addr = address != NULL;
	if (is_alias(q) && !address) {
		q->addr = q->link->gateway4.family ? q->link->gateway4
						   : q->link->gateway6;
		return 0;
	}
	if (!address)
		address = SOME_IPV4;
	rc = net_addr_parse(address, strlen(address), &q->addr);
	if (rc)
		return err_set(err, ERR_INVALID, EINVAL,
			       "'%.100s' is no IP address", address);
	if (is_alias(q)) /* never learnt from DNS */
		return 0;
	rc = names_new(&q->names);
	if (!rc)
		rc = names_bind(q->names, q->name, q->addr.family, &q->addr, 1,
				NAME_TTL_S, clock_mono_ms());
	return rc ? api_no_memory(err) : 0;
}

/* ---- answers ------------------------------------------------------------- */

struct answer {
	const char *protocol;
	bool has_ports;
	unsigned first, last;
	bool allowed;
	int rule;	      /* of a verdict; not looked at when built_in */
	const char *built_in; /* NULL, or what decides instead of rules */
	const char *note;     /* NULL, or what to know besides */
};

/* NULL when out of memory. */
static json_t *decided_by(const struct question *q, const struct answer *a)
{
	const struct policy_verdict v = { a->allowed ? POLICY_ALLOW
						     : POLICY_DENY,
					  a->rule };
	json_t *text = NULL;
	struct buf b;

	if (a->built_in)
		return json_string(a->built_in);
	buf_init(&b, TEXT_MAX);
	policy_verdict_text(&q->c->policy, &v, q->direction, &b);
	if (buf_cstr(&b))
		text = json_string(buf_cstr(&b));
	buf_fini(&b);
	return text;
}

static int add_answer(struct question *q, const struct answer *a,
		      struct err *err)
{
	bool by_rule = !a->built_in && a->rule >= 0;
	bool dns = !strcmp(a->protocol, "dns");
	char address[NET_ADDR_TEXT];
	json_t *ports = a->has_ports
				? json_pack("{s:i,s:i}", "start", (int)a->first,
					    "end", (int)a->last)
				: json_null();
	json_t *o = json_pack(
		"{s:s,s:s,s:s?,s:s?,s:o,s:o,s:o,s:s?}", "action",
		a->allowed ? "allow" : "deny", "protocol", a->protocol, "name",
		*q->name ? q->name : NULL, "address",
		dns ? NULL : net_addr_text(&q->addr, address), "ports", ports,
		"rule", by_rule ? json_integer(a->rule) : json_null(),
		"decided_by", decided_by(q, a), "note", a->note);

	q->denied |= !a->allowed;
	return json_array_append_new(q->answers, o) ? api_no_memory(err) : 0;
}

/* What is refused whatever the rules say: names must not be resolved past the
 * policy. A verdict of a rule when it is not. */
static int never(const struct question *q)
{
	if (q->direction != POLICY_EGRESS || !q->has_port || q->icmp)
		return 0;
	if (q->port == 853)
		return POLICY_NO_TLS_DNS;
	if (q->udp && (q->port == 5353 || q->port == 5355 || q->port == 137))
		return POLICY_LOCAL_NAMES;
	return 0;
}

static struct policy_verdict decide(const struct question *q, uint16_t port,
				    enum policy_names how)
{
	bool v4 = net_addr_unwrap(&q->addr).family == AF_INET;
	const struct policy_flow f = {
		.direction = q->direction,
		.proto = !q->icmp ? (q->udp ? POLICY_UDP : POLICY_TCP)
			 : v4	  ? POLICY_ICMP4
				  : POLICY_ICMP6,
		.addr = q->addr,
		.port = port,
	};

	return policy_decide(&q->c->policy, q->link, q->names, &f, how,
			     how == POLICY_NAMES_SNI ? q->name : NULL);
}

/* A connection of a name begins by telling it; an address tells none. */
static enum policy_names knowledge(const struct question *q)
{
	return *q->name && !q->udp && !q->icmp && q->direction == POLICY_EGRESS
		       ? POLICY_NAMES_SNI
		       : POLICY_NAMES_CACHED;
}

static const char *note_of(const struct question *q, uint16_t port)
{
	if (q->direction != POLICY_EGRESS || q->icmp)
		return NULL;
	if (q->has_port && port == DNS_PORT)
		return "DNS: each question is also judged by its name";
	if (!*q->name && !q->udp && q->c->policy.has_names &&
	    decide(q, port, POLICY_NAMES_DEFERRED).answer == POLICY_DEFER)
		return "a name told by TLS may still decide otherwise";
	return NULL;
}

/* Where verdicts can change: marks[p] when they may between p - 1 and p. */
static void mark_ports(const struct policy *p, uint8_t marks[PORTS + 1])
{
	for (size_t i = 0; i < p->nrules; i++)
		for (size_t k = 0; k < p->rules[i].nports; k++) {
			marks[p->rules[i].ports[k].first] = 1;
			marks[p->rules[i].ports[k].last + 1u] = 1;
		}
}

/* One answer for each run of ports that have the same. */
static int answer_all_ports(struct question *q, struct err *err)
{
	autofree uint8_t *marks = calloc(PORTS + 1, 1);
	enum policy_names how = knowledge(q);
	struct policy_verdict at = decide(q, 0, how);
	unsigned first = 0;
	int rc = 0;

	if (!marks)
		return api_no_memory(err);
	mark_ports(&q->c->policy, marks);
	for (unsigned p = 1; !rc && p <= PORTS; p++) {
		struct policy_verdict next = at;
		struct answer a;

		if (p < PORTS && !marks[p])
			continue;
		if (p < PORTS)
			next = decide(q, (uint16_t)p, how);
		if (p < PORTS && next.answer == at.answer &&
		    next.rule == at.rule)
			continue;
		a = (struct answer){ .protocol = q->proto_text,
				     .has_ports = true,
				     .first = first,
				     .last = p - 1,
				     .allowed = at.answer == POLICY_ALLOW,
				     .rule = at.rule,
				     .note = note_of(q, (uint16_t)first) };
		rc = add_answer(q, &a, err);
		at = next;
		first = p;
	}
	return rc;
}

static int answer_flow(struct question *q, struct err *err)
{
	struct answer a = { .protocol = q->proto_text,
			    .has_ports = q->has_port,
			    .first = q->port,
			    .last = q->port };
	struct policy_verdict v;

	if (!q->has_port && !q->icmp)
		return answer_all_ports(q, err);
	a.rule = never(q);
	if (!a.rule) {
		v = decide(q, q->port, knowledge(q));
		a.allowed = v.answer == POLICY_ALLOW;
		a.rule = v.rule;
		a.note = note_of(q, q->port);
	}
	return add_answer(q, &a, err);
}

/* Would rebind protection withhold this address? */
static bool withheld(const struct question *q)
{
	return q->has_addr && !is_alias(q) && q->c->rebind_protection &&
	       dns_addr_is_inner(&q->addr) &&
	       !policy_opens_answer(&q->c->policy, q->link, &q->addr);
}

static int answer_dns(struct question *q, struct err *err)
{
	struct policy_verdict v = policy_decide_query(&q->c->policy, q->name,
						      POLICY_UDP, DNS_PORT);
	struct answer a = { .protocol = "dns",
			    .allowed = v.answer == POLICY_ALLOW,
			    .rule = v.rule };

	if (a.allowed && withheld(q)) {
		a.allowed = false;
		a.built_in = "rebind protection withholds addresses that are "
			     "not public";
	}
	return add_answer(q, &a, err);
}

static int answer(struct question *q, struct err *err)
{
	int rc = *q->name && q->direction == POLICY_EGRESS ? answer_dns(q, err)
							   : 0;

	return rc ? rc : answer_flow(q, err);
}

int network_explain(const struct net_config *c,
		    const struct net_addresses *link,
		    const msb_net_question_t *question, char **ret,
		    struct err *err)
{
	struct question q = { .c = c,
			      .link = link,
			      .direction = question->ingress ? POLICY_INGRESS
							     : POLICY_EGRESS,
			      .answers = json_array() };
	int rc = parse_target(&q, question->target, err);
	json_t *o;

	if (!rc)
		rc = parse_proto(&q, question->proto, err);
	if (!rc)
		rc = choose_address(&q, question->address, err);
	if (!rc)
		rc = answer(&q, err);
	names_free(q.names);
	if (rc) {
		json_decref(q.answers);
		return rc;
	}
	o = json_pack("{s:b,s:o}", "allowed", !q.denied, "answers", q.answers);
	*ret = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(o);
	return *ret ? !q.denied : api_no_memory(err);
}
