/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rule decides. A policy may have thousands of rules and is asked for
 * every connection, so each rule has a key of a few words beside it: what fails
 * there cannot match, what passes is compared in full. Names have a hash in
 * their key; a question collects the hashes of all names that are at hand, each
 * with all its suffixes, into a filter.
 *
 * An IPv6 address that carries an IPv4 one is judged as that one. A rule that
 * denies is also asked about the address as written, so that neither form is a
 * way around it. What the host would take for itself, or for its whole link, is
 * nobody's address: no rule opens it.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "net/names.h"
#include "net/policy.h"

/* accept: one bit for each of these in a question */
#define DIRECTION_SHIFT 0
#define PROTO_SHIFT 2
#define GROUP_SHIFT 6
#define FAMILY4 (1u << 16)
#define FAMILY6 (1u << 17)
#define ANY_FAMILY (FAMILY4 | FAMILY6)
#define ANY_GROUP (0xffu << GROUP_SHIFT)
#define ALLOWS (1u << 18) /* not asked for: the rule's action */

#define NAMES_AT_HAND 64
#define FILTER_BITS 1024u

static_assert(NET_GROUP_PUBLIC < 8, "a group is a bit of eight");

/* The names known for the peer, and a filter over them and their suffixes. */
struct facts {
	bool ready;
	bool overflow; /* more than these */
	unsigned n;
	unsigned exact; /* the first so many belong to the address as it is */
	const char *name[NAMES_AT_HAND];
	uint64_t filter[FILTER_BITS / 64];
};

struct question {
	const struct policy *policy;
	const struct policy_flow *flow;
	const struct names *names;
	const char *sni;
	uint64_t now_ms;
	struct net_addr inner;	/* flow->addr unwrapped */
	uint32_t need;		/* all these bits of accept */
	uint32_t families;	/* and one of these */
	uint32_t word, written; /* the first of inner, of flow->addr */
	bool wrapped;		/* they are not the same address */
	struct facts facts;
};

/* --- keys --- */

static uint32_t first_word(const uint8_t b[4])
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	       (uint32_t)b[2] << 8 | b[3];
}

static uint32_t family_bit(int family)
{
	return family == AF_INET ? FAMILY4 : family == AF_INET6 ? FAMILY6 : 0;
}

/* From the last byte on, so that the hash of every suffix is met on the way.
 * Never 0. */
static uint32_t hash_step(uint32_t h, char c)
{
	return (h ^ (uint8_t)c) * 16777619u;
}

static uint32_t hash_end(uint32_t h)
{
	h ^= h >> 15;
	return h ? h : 1;
}

static uint32_t hash_name(const char *name)
{
	uint32_t h = 2166136261u;
	for (size_t i = strlen(name); i > 0; i--)
		h = hash_step(h, name[i - 1]);
	return hash_end(h);
}

static uint32_t prefix_mask(unsigned prefix)
{
	if (prefix >= 32)
		return UINT32_MAX;
	return prefix ? UINT32_MAX << (32 - prefix) : 0;
}

/* A rule with ports says nothing about what has none. */
static unsigned rule_protos(const struct policy_rule *r)
{
	unsigned all = POLICY_TCP | POLICY_UDP | POLICY_ICMP4 | POLICY_ICMP6;
	unsigned protos = r->protos ? r->protos & all : all;
	return r->nports ? protos & (POLICY_TCP | POLICY_UDP) : protos;
}

static void key_ports(const struct policy_rule *r, struct policy_key *k)
{
	uint16_t first = r->nports ? UINT16_MAX : 0;
	uint16_t last = r->nports ? 0 : UINT16_MAX;
	for (size_t i = 0; i < r->nports; i++) {
		if (r->ports[i].first < first)
			first = r->ports[i].first;
		if (r->ports[i].last > last)
			last = r->ports[i].last;
	}
	k->port = first;
	k->span = (uint16_t)(last - first);
}

struct policy_key policy_key_of(const struct policy_rule *r)
{
	struct policy_key k = {
		.accept = (uint32_t)r->direction << DIRECTION_SHIFT |
			  rule_protos(r) << PROTO_SHIFT | ANY_GROUP |
			  ANY_FAMILY | (r->allow ? ALLOWS : 0),
	};
	key_ports(r, &k);
	switch (r->target) {
	case POLICY_TARGET_ANY:
		break;
	case POLICY_TARGET_GROUP:
		k.accept &= ~ANY_GROUP;
		k.accept |= 1u << r->group << GROUP_SHIFT;
		break;
	case POLICY_TARGET_CIDR:
		k.accept &= ~ANY_FAMILY;
		k.accept |= family_bit(r->cidr.addr.family);
		k.mask = prefix_mask(r->cidr.prefix);
		k.value = first_word(r->cidr.addr.b);
		break;
	case POLICY_TARGET_NAME:
	case POLICY_TARGET_SUFFIX:
		k.hash = hash_name(r->name);
		break;
	}
	return k;
}

/* In the order in which most rules that do not fit are found out. */
static bool key_fits(const struct policy_key *k, const struct question *q)
{
	return ((q->word & k->mask) == k->value ||
		(q->written & k->mask) == k->value) &&
	       (uint16_t)(q->flow->port - k->port) <= k->span &&
	       (k->accept & q->need) == q->need && (k->accept & q->families);
}

/* --- names --- */

static bool name_fits(const struct policy_rule *r, const char *name)
{
	size_t len = strlen(name), want = strlen(r->name);
	if (r->target == POLICY_TARGET_NAME)
		return len == want && !memcmp(name, r->name, len);
	return len >= want && !memcmp(name + len - want, r->name, want) &&
	       (len == want || name[len - want - 1] == '.');
}

static void filter_add(struct facts *f, uint32_t hash)
{
	unsigned bit = hash % FILTER_BITS;
	f->filter[bit / 64] |= 1ull << bit % 64;
}

static bool filter_has(const struct facts *f, uint32_t hash)
{
	unsigned bit = hash % FILTER_BITS;
	return f->overflow || f->filter[bit / 64] & 1ull << bit % 64;
}

static void filter_add_name(struct facts *f, const char *name)
{
	uint32_t h = 2166136261u;
	for (size_t i = strlen(name); i > 0; i--) {
		if (name[i - 1] == '.')
			filter_add(f, hash_end(h));
		h = hash_step(h, name[i - 1]);
	}
	filter_add(f, hash_end(h));
}

static bool collect_name(void *ctx, const char *name)
{
	struct facts *f = ctx;
	if (f->n == NAMES_AT_HAND) {
		f->overflow = true;
		return true;
	}
	f->name[f->n++] = name;
	filter_add_name(f, name);
	return false;
}

/* Only done when the first rule about a name is met. */
static void collect_facts(struct question *q)
{
	struct facts *f = &q->facts;
	if (f->ready)
		return;
	f->ready = true;
	if (q->sni)
		filter_add_name(f, q->sni);
	if (!q->names)
		return;
	q->now_ms = clock_mono_ms();
	names_any(q->names, &q->flow->addr, q->now_ms, collect_name, f);
	f->exact = f->n;
	if (q->wrapped)
		names_any(q->names, &q->inner, q->now_ms, collect_name, f);
}

static bool name_fits_cb(void *ctx, const char *name)
{
	return name_fits(ctx, name);
}

/* Is a name that fits bound to the peer's address? What allows needs that very
 * address, what denies is content with one that it carries. */
static bool bound(const struct question *q, const struct policy_rule *r)
{
	const struct facts *f = &q->facts;
	unsigned n = r->allow ? f->exact : f->n;
	if (f->overflow)
		return names_any(q->names, &q->flow->addr, q->now_ms,
				 name_fits_cb, (void *)r) ||
		       (!r->allow && names_any(q->names, &q->inner, q->now_ms,
					       name_fits_cb, (void *)r));
	for (unsigned i = 0; i < n; i++)
		if (name_fits(r, f->name[i]))
			return true;
	return false;
}

static bool name_rule_fits(const struct question *q, enum policy_names how,
			   const struct policy_rule *r)
{
	if (how != POLICY_NAMES_SNI)
		return bound(q, r);
	return q->sni && name_fits(r, q->sni) && (!r->allow || bound(q, r));
}

/* --- rules --- */

static bool ports_fit(const struct policy_rule *r, uint16_t port)
{
	if (r->nports < 2) /* the key knew */
		return true;
	for (size_t i = 0; i < r->nports; i++)
		if (port >= r->ports[i].first && port <= r->ports[i].last)
			return true;
	return false;
}

/* Of a rule that is not about a name, and whose key fits; as
 * net_cidr_contains(), and more for what denies. */
static bool addr_fits(const struct question *q, const struct policy_rule *r)
{
	if (r->target != POLICY_TARGET_CIDR)
		return true;
	if (net_cidr_covers(&r->cidr, &q->inner))
		return true;
	if (!q->wrapped || !net_cidr_covers(&r->cidr, &q->flow->addr))
		return false;
	return !r->allow || net_cidr_contains(&r->cidr, &q->flow->addr);
}

/* false: about nobody. */
static bool ask(struct question *q, const struct net_addresses *link)
{
	const struct policy_flow *f = q->flow;
	enum net_group group = net_addr_group(&f->addr, link);
	q->inner = net_addr_unwrap(&f->addr);
	q->need = (uint32_t)f->direction << DIRECTION_SHIFT |
		  (uint32_t)f->proto << PROTO_SHIFT |
		  1u << group << GROUP_SHIFT;
	q->families = family_bit(f->addr.family) | family_bit(q->inner.family);
	q->word = first_word(q->inner.b);
	q->written = first_word(f->addr.b);
	q->wrapped = !net_addr_equal(&q->inner, &f->addr);
	return group != NET_GROUP_NONE;
}

static struct policy_verdict verdict(bool allow, bool defer, int rule)
{
	return (struct policy_verdict){
		.answer = !allow  ? POLICY_DENY
			  : defer ? POLICY_DEFER
				  : POLICY_ALLOW,
		.rule = rule,
	};
}

/*
 * A rule about a name, whose key fits. Before the connection has said anything,
 * one that allows can only come true if the address is bound to the name; one
 * that denies may come true whatever the address is, which matters if the flow
 * is allowed otherwise: *defer.
 */
static bool name_rule(struct question *q, enum policy_names how, size_t i,
		      bool *defer)
{
	const struct policy_key *k = &q->policy->keys[i];

	if (how == POLICY_NAMES_DEFERRED && !(k->accept & ALLOWS)) {
		if (!*defer)
			*defer = ports_fit(&q->policy->rules[i], q->flow->port);
		return false;
	}
	collect_facts(q);
	return filter_has(&q->facts, k->hash) &&
	       name_rule_fits(q, how, &q->policy->rules[i]);
}

struct policy_verdict policy_decide(const struct policy *p,
				    const struct net_addresses *link,
				    const struct names *names,
				    const struct policy_flow *f,
				    enum policy_names how, const char *sni)
{
	struct question q = { .policy = p, .flow = f, .names = names };
	bool defer = false;

	q.sni = how == POLICY_NAMES_SNI ? sni : NULL;
	if (!ask(&q, link))
		return verdict(false, false, POLICY_NO_HOST);
	for (size_t i = 0; i < p->nrules; i++) {
		const struct policy_key *k = &p->keys[i];
		const struct policy_rule *r = &p->rules[i];

		if (!key_fits(k, &q))
			continue;
		if (k->hash) {
			if (name_rule(&q, how, i, &defer) &&
			    ports_fit(r, f->port))
				return verdict(
					r->allow,
					defer || how == POLICY_NAMES_DEFERRED,
					(int)i);
		} else if (addr_fits(&q, r) && ports_fit(r, f->port)) {
			return verdict(r->allow, defer, (int)i);
		}
	}
	return verdict(f->direction == POLICY_EGRESS ? p->allow_egress
						     : p->allow_ingress,
		       defer, POLICY_BY_DEFAULT);
}

/* --- questions to DNS --- */

/* Does a rule about addresses speak of DNS itself? Who may reach the whole
 * world gains nothing from a resolver; what denies the world does not mean the
 * resolver, for which there is a word of its own. */
static bool opens_dns(const struct policy_rule *r)
{
	if (r->target == POLICY_TARGET_ANY)
		return true;
	return r->target == POLICY_TARGET_GROUP &&
	       (r->group == NET_GROUP_HOST ||
		(r->group == NET_GROUP_PUBLIC && r->allow));
}

struct policy_verdict policy_decide_query(const struct policy *p,
					  const char *name,
					  enum policy_proto proto,
					  uint16_t port)
{
	const uint32_t egress = (uint32_t)POLICY_EGRESS << DIRECTION_SHIFT;
	const uint32_t need = egress | (uint32_t)proto << PROTO_SHIFT;
	struct facts facts = { 0 };

	if (name)
		filter_add_name(&facts, name);
	for (size_t i = 0; i < p->nrules; i++) {
		const struct policy_rule *r = &p->rules[i];
		const struct policy_key *k = &p->keys[i];
		if (!(k->accept & egress))
			continue;
		if (k->hash) {
			if (name ? filter_has(&facts, k->hash) &&
					    name_fits(r, name)
				 : !r->allow)
				return verdict(r->allow, false, (int)i);
		} else if ((k->accept & need) == need &&
			   (uint16_t)(port - k->port) <= k->span &&
			   opens_dns(r) && ports_fit(r, port)) {
			return verdict(r->allow, false, (int)i);
		}
	}
	return verdict(p->allow_egress, false, POLICY_BY_DEFAULT);
}

bool policy_opens_answer(const struct policy *p,
			 const struct net_addresses *link,
			 const struct net_addr *a)
{
	for (size_t i = 0; i < p->nrules; i++) {
		const struct policy_rule *r = &p->rules[i];
		struct net_addr inner = net_addr_unwrap(a);
		bool fits = false;
		if (!(r->direction & POLICY_EGRESS) || r->nports ||
		    !(rule_protos(r) & (POLICY_TCP | POLICY_UDP)))
			continue;
		if (r->target == POLICY_TARGET_GROUP)
			fits = r->group == net_addr_group(&inner, link);
		else if (r->target == POLICY_TARGET_CIDR)
			fits = net_cidr_contains(&r->cidr, a);
		else if (r->target == POLICY_TARGET_ANY)
			fits = !r->allow;
		if (fits)
			return r->allow;
	}
	return false;
}

/* A rule after which some question may be answered. */
static bool allows_dns(const struct policy_rule *r)
{
	const struct policy_key k = policy_key_of(r);
	if (policy_rule_has_name(r))
		return true;
	return opens_dns(r) && (rule_protos(r) & (POLICY_UDP | POLICY_TCP)) &&
	       (uint16_t)(53 - k.port) <= k.span && ports_fit(r, 53);
}

bool policy_lacks_dns(const struct policy *p)
{
	bool addresses = false;
	if (p->allow_egress)
		return false;
	for (size_t i = 0; i < p->nrules; i++) {
		const struct policy_rule *r = &p->rules[i];
		if (!(r->direction & POLICY_EGRESS))
			continue;
		if (allows_dns(r)) /* or it was closed on purpose */
			return false;
		addresses |= r->allow;
	}
	return addresses;
}
