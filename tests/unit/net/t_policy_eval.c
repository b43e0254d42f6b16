/* SPDX-License-Identifier: Apache-2.0 */
/* Which rule decides: the vectors of the policy, and the ways around it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "net/names.h"
#include "net/policy.h"

#define A POLICY_ALLOW
#define D POLICY_DENY
#define F POLICY_DEFER

static struct net_addr addr(const char *text)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse(text, strlen(text), &a), 0);
	return a;
}

static struct net_addresses link(void)
{
	return (struct net_addresses){
		.guest4 = addr("172.16.0.2"),
		.gateway4 = addr("172.16.0.1"),
		.guest6 = addr("fd42:6d73:62::2"),
		.gateway6 = addr("fd42:6d73:62::1"),
	};
}

/* "public", "allow" and "deny" are defaults of egress; then rules. */
static struct policy make(const char *base, const char *rules)
{
	struct policy p = { .allow_ingress = true };
	struct err err = { 0 };

	if (!strcmp(base, "public"))
		assert_int_equal(policy_public_only(&p), 0);
	p.allow_egress = !strcmp(base, "allow");
	if (policy_parse_rules(rules, &p, &err))
		fail_msg("%s: %s", rules, err.msg);
	return p;
}

static void bind_to(struct names *n, const char *name, const char *text)
{
	struct net_addr a = addr(text);

	assert_int_equal(
		names_bind(n, name, a.family, &a, 1, 60, clock_mono_ms()), 0);
}

static enum policy_answer ask(const struct policy *p, const struct names *n,
			      enum policy_proto proto, const char *to,
			      uint16_t port, enum policy_names how,
			      const char *sni)
{
	struct net_addresses l = link();
	struct policy_flow f = { POLICY_EGRESS, proto, addr(to), port };

	return policy_decide(p, &l, n, &f, how, sni).answer;
}

/* --- addresses --- */

static const struct {
	const char *base, *rules;
	enum policy_proto proto;
	const char *to;
	uint16_t port;
	enum policy_answer want;
} flows[] = {
	{ "public", "", POLICY_TCP, "8.8.8.8", 443, A },
	{ "public", "", POLICY_UDP, "8.8.8.8", 443, A },
	{ "public", "", POLICY_ICMP4, "8.8.8.8", 0, A },
	{ "public", "", POLICY_ICMP6, "2606:4700::1111", 0, A },
	{ "public", "", POLICY_TCP, "2606:4700::1111", 443, A },
	{ "public", "", POLICY_TCP, "192.168.1.1", 80, D },
	{ "public", "", POLICY_TCP, "169.254.169.254", 80, D },
	{ "public", "", POLICY_TCP, "169.254.7.7", 80, D },
	{ "public", "", POLICY_TCP, "127.0.0.1", 22, D },
	{ "public", "", POLICY_TCP, "172.16.0.1", 8080, D },
	{ "public", "", POLICY_UDP, "172.16.0.1", 53, A },
	{ "public", "", POLICY_TCP, "172.16.0.1", 53, A },
	{ "public", "", POLICY_ICMP4, "172.16.0.1", 0, D },
	{ "public", "", POLICY_TCP, "0.0.0.0", 80, D },
	{ "public", "", POLICY_TCP, "::", 80, D },
	{ "public", "", POLICY_TCP, "::1", 80, D },
	{ "public", "", POLICY_TCP, "fe80::1", 80, D },
	{ "public", "", POLICY_TCP, "fd00::1", 80, D },
	{ "public", "", POLICY_UDP, "255.255.255.255", 67, D },
	{ "public", "", POLICY_UDP, "224.0.0.251", 5000, D },
	{ "public", "", POLICY_UDP, "ff02::fb", 5000, D },
	/* disguises */
	{ "public", "", POLICY_TCP, "::ffff:127.0.0.1", 22, D },
	{ "public", "", POLICY_TCP, "::ffff:0.0.0.0", 22, D },
	{ "public", "", POLICY_TCP, "::ffff:10.0.0.1", 22, D },
	{ "public", "", POLICY_TCP, "::ffff:169.254.169.254", 80, D },
	{ "public", "", POLICY_TCP, "::ffff:172.16.0.1", 80, D },
	{ "public", "", POLICY_TCP, "::ffff:8.8.8.8", 80, A },
	{ "public", "", POLICY_TCP, "64:ff9b::a00:1", 80, D },
	{ "public", "", POLICY_TCP, "64:ff9b::7f00:1", 80, D },
	{ "public", "", POLICY_TCP, "64:ff9b::a9fe:a9fe", 80, D },
	{ "public", "", POLICY_TCP, "64:ff9b:1::a00:1", 80, D },
	{ "public", "", POLICY_TCP, "2002:a00:1::1", 80, D },
	{ "public", "", POLICY_TCP, "2002:a9fe:a9fe::1", 80, D },
	{ "public", "", POLICY_TCP, "2002:808:808::1", 80, A },
	{ "public", "", POLICY_TCP, "2001:0:1::f5ff:fffe", 80, D },
	{ "public", "", POLICY_TCP, "::10.0.0.1", 80, D },
	{ "public", "", POLICY_TCP, "::ffff:0:10.0.0.1", 80, D },
	/* groups */
	{ "deny", "allow@host", POLICY_TCP, "172.16.0.1", 8080, A },
	{ "deny", "allow@host", POLICY_TCP, "fd42:6d73:62::1", 8080, A },
	{ "deny", "allow@host", POLICY_TCP, "10.0.0.1", 80, D },
	{ "allow", "deny@host", POLICY_TCP, "172.16.0.1", 80, D },
	{ "allow", "deny@host", POLICY_TCP, "::ffff:172.16.0.1", 80, D },
	{ "allow", "deny@host", POLICY_TCP, "64:ff9b::172.16.0.1", 80, D },
	{ "allow", "deny@host", POLICY_TCP, "8.8.8.8", 80, A },
	{ "deny", "deny@private,allow@host", POLICY_TCP, "172.16.0.1", 80, A },
	{ "deny", "allow@private", POLICY_TCP, "172.16.0.1", 80, D },
	{ "deny", "allow@private", POLICY_TCP, "172.16.0.5", 80, A },
	{ "deny", "allow@private", POLICY_TCP, "fd00:ec2::254", 80, D },
	{ "deny", "allow@link-local", POLICY_TCP, "169.254.169.254", 80, D },
	{ "deny", "allow@link-local", POLICY_TCP, "fe80::1", 80, A },
	{ "deny", "allow@meta", POLICY_TCP, "169.254.169.254", 80, A },
	{ "deny", "allow@loopback", POLICY_TCP, "127.0.0.1", 80, A },
	{ "deny", "allow@multicast", POLICY_UDP, "224.1.1.1", 80, A },
	{ "deny", "allow@any", POLICY_TCP, "0.0.0.0", 80, D },
	{ "allow", "", POLICY_UDP, "0.0.0.0", 80, D },
	{ "allow", "deny@loopback", POLICY_TCP, "::", 80, D },
	{ "allow", "", POLICY_UDP, "255.255.255.255", 67, D },
	{ "deny", "allow@0.0.0.0", POLICY_TCP, "0.0.0.0", 80, D },
	{ "allow", "deny@loopback", POLICY_TCP, "::ffff:127.0.0.1", 80, D },
	/* prefixes */
	{ "deny", "allow@172.16.0.0/12", POLICY_TCP, "172.16.0.1", 80, A },
	{ "allow", "deny@172.16.0.1/32", POLICY_TCP, "172.16.0.1", 80, D },
	{ "deny", "allow@10.0.0.0/8", POLICY_TCP, "::ffff:10.0.0.1", 80, A },
	{ "allow", "deny@10.0.0.0/8", POLICY_TCP, "::ffff:10.0.0.1", 80, D },
	{ "allow", "deny@10.0.0.0/8", POLICY_TCP, "64:ff9b::a00:1", 80, D },
	{ "allow", "deny@10.0.0.0/8", POLICY_TCP, "2002:a00:1::", 80, D },
	{ "allow", "deny@[::]/0", POLICY_TCP, "2002:808:808::1", 80, D },
	{ "allow", "deny@[::]/0", POLICY_TCP, "::ffff:8.8.8.8", 80, D },
	{ "allow", "deny@[::]/0", POLICY_TCP, "8.8.8.8", 80, A },
	{ "deny", "allow@[::]/0", POLICY_TCP, "64:ff9b::a00:1", 80, D },
	{ "deny", "allow@[64:ff9b::]/96", POLICY_TCP, "64:ff9b::a00:1", 80, A },
	{ "deny", "allow@[2001:db8::]/32", POLICY_TCP, "2001:db8:1::1", 80, A },
	{ "deny", "allow@[2001:db8::]/33", POLICY_TCP, "2001:db8:8000::1", 80,
	  D },
	{ "deny", "allow@0.0.0.0/0", POLICY_TCP, "2001:db8::1", 80, D },
	{ "deny", "allow@1.2.3.4", POLICY_TCP, "1.2.3.4", 80, A },
	{ "deny", "allow@1.2.3.4", POLICY_TCP, "1.2.3.5", 80, D },
	/* protocols and ports */
	{ "deny", "allow@any:icmpv4", POLICY_ICMP4, "8.8.8.8", 0, A },
	{ "deny", "allow@any:icmpv4", POLICY_ICMP6, "2001:db8::1", 0, D },
	{ "deny", "allow@any:icmpv4", POLICY_TCP, "8.8.8.8", 80, D },
	{ "deny", "allow@any:tcp:80", POLICY_ICMP4, "8.8.8.8", 0, D },
	{ "deny", "allow@any:any:0", POLICY_ICMP4, "8.8.8.8", 0, D },
	{ "allow", "deny@any:any:80", POLICY_ICMP4, "8.8.8.8", 0, A },
	{ "deny", "allow@any:tcp:80", POLICY_TCP, "8.8.8.8", 80, A },
	{ "deny", "allow@any:tcp:80", POLICY_TCP, "8.8.8.8", 81, D },
	{ "deny", "allow@any:tcp:80", POLICY_UDP, "8.8.8.8", 80, D },
	{ "deny", "allow@any:any:80-90", POLICY_UDP, "8.8.8.8", 90, A },
	{ "deny", "allow@any:any:80-90", POLICY_UDP, "8.8.8.8", 79, D },
	{ "deny", "allow@any:tcp:65535", POLICY_TCP, "8.8.8.8", 65535, A },
	{ "deny", "allow@any:tcp:0-65535", POLICY_TCP, "8.8.8.8", 0, A },
	/* order, direction, nothing */
	{ "deny", "deny@8.8.8.8,allow@public", POLICY_TCP, "8.8.8.8", 80, D },
	{ "deny", "allow@8.8.8.8,deny@public", POLICY_TCP, "8.8.8.8", 80, A },
	{ "deny", "allow:ingress@any", POLICY_TCP, "8.8.8.8", 80, D },
	{ "allow", "deny:ingress@any", POLICY_TCP, "8.8.8.8", 80, A },
	{ "allow", "deny:any@1.2.3.4", POLICY_TCP, "1.2.3.4", 80, D },
	{ "deny", "", POLICY_TCP, "8.8.8.8", 80, D },
	{ "allow", "", POLICY_TCP, "127.0.0.1", 80, A },
};

static void addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
		struct policy p = make(flows[i].base, flows[i].rules);

		if (ask(&p, NULL, flows[i].proto, flows[i].to, flows[i].port,
			POLICY_NAMES_DEFERRED, NULL) != flows[i].want)
			fail_msg("%s %s: %s port %u", flows[i].base,
				 flows[i].rules, flows[i].to, flows[i].port);
		policy_fini(&p);
	}
}

static void several_ports_in_a_rule(void **state)
{
	struct policy_ports ports[] = { { 80, 80 }, { 443, 445 } };
	const struct policy_rule r = {
		.allow = true,
		.direction = POLICY_EGRESS,
		.target = POLICY_TARGET_ANY,
		.protos = POLICY_TCP | POLICY_UDP,
		.ports = ports,
		.nports = 2,
	};
	static const struct {
		uint16_t port;
		enum policy_answer want;
	} t[] = { { 79, D },  { 80, A },  { 81, D }, { 442, D },
		  { 443, A }, { 445, A }, { 446, D } };
	struct policy p = { 0 };

	(void)state;
	assert_int_equal(policy_add(&p, &r), 0);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(ask(&p, NULL, POLICY_UDP, "8.8.8.8", t[i].port,
				     POLICY_NAMES_CACHED, NULL),
				 t[i].want);
	policy_fini(&p);
}

static void ingress(void **state)
{
	static const struct {
		const char *rules, *from;
		bool allow_default;
		enum policy_answer want;
	} t[] = {
		{ "deny:ingress@10.0.0.0/8", "10.1.1.1", true, D },
		{ "deny:ingress@10.0.0.0/8", "127.0.0.1", true, A },
		{ "deny:ingress@10.0.0.0/8", "::ffff:10.1.1.1", true, D },
		{ "deny:any@1.2.3.4", "1.2.3.4", true, D },
		{ "deny@1.2.3.4", "1.2.3.4", true, A },
		{ "allow:ingress@loopback:tcp:80", "127.0.0.1", false, A },
		{ "allow:ingress@loopback:tcp:81", "127.0.0.1", false, D },
		{ "allow:ingress@public", "127.0.0.1", false, D },
		{ "", "8.8.8.8", true, A },
		{ "", "8.8.8.8", false, D },
		{ "deny:ingress@b.com", "1.2.3.4", true, D },
		{ "deny:ingress@b.com", "1.2.3.5", true, A },
	};
	struct net_addresses l = link();
	struct names *n;

	(void)state;
	assert_int_equal(names_new(&n), 0);
	bind_to(n, "b.com", "1.2.3.4");
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct policy p = make("deny", t[i].rules);
		struct policy_flow f = { POLICY_INGRESS, POLICY_TCP,
					 addr(t[i].from), 80 };

		p.allow_ingress = t[i].allow_default;
		if (policy_decide(&p, &l, n, &f, POLICY_NAMES_CACHED, NULL)
			    .answer != t[i].want)
			fail_msg("%s: %s", t[i].rules, t[i].from);
		policy_fini(&p);
	}
	names_free(n);
}

/* --- names; 1.1.1.1 is bound to a.com, 2.2.2.2 to b.com, 3.3.3.3 to both,
 * 4.4.4.4 to y.a.com --- */

static const struct {
	const char *base, *rules, *to;
	const char *sni; /* NULL: none was seen */
	enum policy_answer at_syn, cached, by_sni;
} names[] = {
	/* allowed by name */
	{ "deny", "allow@a.com", "1.1.1.1", "a.com", F, A, A },
	{ "deny", "allow@a.com", "9.9.9.9", "a.com", D, D, D },
	{ "deny", "allow@a.com", "2.2.2.2", "a.com", D, D, D },
	{ "deny", "allow@a.com", "3.3.3.3", "b.com", F, A, D },
	{ "deny", "allow@a.com", "3.3.3.3", "a.com", F, A, A },
	{ "deny", "allow@a.com", "1.1.1.1", "", F, A, D },
	{ "deny", "allow@*.a.com", "4.4.4.4", "x.a.com", F, A, A },
	{ "deny", "allow@*.a.com", "4.4.4.4", "a.com", F, A, A },
	{ "deny", "allow@*.a.com", "4.4.4.4", "xa.com", F, A, D },
	{ "deny", "allow@*.a.com", "1.1.1.1", "a.com", F, A, A },
	{ "deny", "allow@*.a.com", "2.2.2.2", "x.a.com", D, D, D },
	{ "deny", "allow@*.y.a.com", "1.1.1.1", "y.a.com", D, D, D },
	{ "deny", "allow@a.com", "::ffff:1.1.1.1", "a.com", F, A, A },
	{ "deny", "allow@a.com", "64:ff9b::101:101", "a.com", D, D, D },
	{ "deny", "allow@a.com", "2002:101:101::1", "a.com", D, D, D },
	/* denied by name */
	{ "allow", "deny@b.com", "9.9.9.9", "b.com", F, A, D },
	{ "allow", "deny@b.com", "9.9.9.9", "c.com", F, A, A },
	{ "allow", "deny@b.com", "2.2.2.2", "c.com", F, D, A },
	{ "allow", "deny@b.com", "3.3.3.3", "c.com", F, D, A },
	{ "allow", "deny@b.com", "9.9.9.9", "", F, A, A },
	{ "allow", "deny@*.b.com", "9.9.9.9", "x.y.b.com", F, A, D },
	{ "allow", "deny@*.b.com", "9.9.9.9", "xb.com", F, A, A },
	{ "allow", "deny@b.com", "64:ff9b::202:202", "c.com", F, D, A },
	/* deferred only where it can matter */
	{ "deny", "deny@b.com", "9.9.9.9", "b.com", D, D, D },
	{ "deny", "deny@b.com,allow@public", "9.9.9.9", "b.com", F, A, D },
	{ "deny", "deny@b.com,allow@private", "9.9.9.9", "b.com", D, D, D },
	{ "deny", "deny@b.com,deny@any,allow@any", "9.9.9.9", "b.com", D, D,
	  D },
	{ "allow", "allow@9.9.9.9,deny@b.com", "9.9.9.9", "b.com", A, A, A },
	{ "deny", "deny@b.com,allow@a.com", "3.3.3.3", "a.com", F, D, A },
	{ "deny", "allow@a.com,deny@b.com,allow@any", "3.3.3.3", "b.com", F, A,
	  D },
	/* filters */
	{ "deny", "allow@a.com:udp", "1.1.1.1", "a.com", D, D, D },
	{ "deny", "allow@a.com:tcp:80", "1.1.1.1", "a.com", D, D, D },
	{ "deny", "allow@a.com:tcp:443", "1.1.1.1", "a.com", F, A, A },
	{ "allow", "deny@a.com:udp", "1.1.1.1", "a.com", A, A, A },
	/* the alias is bound to nothing */
	{ "deny", "allow@host.microsandbox.internal", "172.16.0.1",
	  "host.microsandbox.internal", D, D, D },
};

static struct names *bound_names(void)
{
	struct names *n;

	assert_int_equal(names_new(&n), 0);
	bind_to(n, "a.com", "1.1.1.1");
	bind_to(n, "b.com", "2.2.2.2");
	bind_to(n, "y.a.com", "4.4.4.4");
	struct net_addr two[2] = { addr("1.1.1.1"), addr("3.3.3.3") };
	assert_int_equal(
		names_bind(n, "a.com", AF_INET, two, 2, 60, clock_mono_ms()),
		0);
	two[0] = addr("2.2.2.2");
	assert_int_equal(
		names_bind(n, "b.com", AF_INET, two, 2, 60, clock_mono_ms()),
		0);
	return n;
}

static void domain_rules(void **state)
{
	struct names *n = bound_names();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct policy p = make(names[i].base, names[i].rules);

		if (ask(&p, n, POLICY_TCP, names[i].to, 443,
			POLICY_NAMES_DEFERRED, NULL) != names[i].at_syn ||
		    ask(&p, n, POLICY_TCP, names[i].to, 443,
			POLICY_NAMES_CACHED, NULL) != names[i].cached ||
		    ask(&p, n, POLICY_TCP, names[i].to, 443, POLICY_NAMES_SNI,
			names[i].sni) != names[i].by_sni)
			fail_msg("%s %s: %s %s", names[i].base, names[i].rules,
				 names[i].to, names[i].sni);
		policy_fini(&p);
	}
	names_free(n);
}

/* More names on one address than are looked at together. */
static void crowded_address(void **state)
{
	struct policy p = make("deny", "allow@n199.example.com");
	struct policy q = make("allow", "deny@*.n199.example.com");
	struct names *n;

	(void)state;
	assert_int_equal(names_new(&n), 0);
	for (unsigned i = 0; i < 200; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "n%u.example.com", i);
		bind_to(n, name, "1.1.1.1");
	}
	assert_int_equal(ask(&p, n, POLICY_UDP, "1.1.1.1", 443,
			     POLICY_NAMES_CACHED, NULL),
			 A);
	assert_int_equal(ask(&q, n, POLICY_UDP, "64:ff9b::101:101", 443,
			     POLICY_NAMES_CACHED, NULL),
			 D);
	assert_int_equal(ask(&p, n, POLICY_UDP, "64:ff9b::101:101", 443,
			     POLICY_NAMES_CACHED, NULL),
			 D);
	names_free(n);
	policy_fini(&p);
	policy_fini(&q);
}

/* --- DNS --- */

static const struct {
	const char *base, *rules, *name; /* NULL: not a valid name */
	enum policy_answer udp, tcp;
} queries[] = {
	{ "public", "", "any.example", A, A },
	{ "allow", "", "any.example", A, A },
	{ "deny", "", "any.example", D, D },
	{ "deny", "allow@any:udp:53", "x.com", A, D },
	{ "deny", "allow@any:tcp:443", "x.com", D, D },
	{ "deny", "allow@any", "x.com", A, A },
	{ "deny", "allow@public", "x.com", A, A },
	{ "deny", "allow@public:tcp:443", "x.com", D, D },
	{ "deny", "allow@public:udp", "x.com", A, D },
	{ "deny", "allow@private", "x.com", D, D },
	{ "deny", "allow@1.2.3.4", "x.com", D, D },
	{ "deny", "allow@0.0.0.0/0", "x.com", D, D },
	{ "deny", "allow@host", "x.com", A, A },
	{ "deny", "allow@host:tcp:8080", "x.com", D, D },
	{ "deny", "allow@dns", "x.com", A, A },
	{ "deny", "allow@dns:udp", "x.com", A, D },
	{ "allow", "deny@dns", "x.com", D, D },
	{ "deny", "deny@dns,allow@public", "x.com", D, D },
	{ "allow", "deny@public", "x.com", A, A },
	{ "allow", "deny@any:udp:53", "x.com", D, A },
	{ "deny", "allow@a.com:tcp:443", "a.com", A, A },
	{ "deny", "allow@a.com", "b.com", D, D },
	{ "deny", "allow@a.com", "x.a.com", D, D },
	{ "allow", "deny@*.a.com", "a.com", D, D },
	{ "allow", "deny@*.a.com", "x.a.com", D, D },
	{ "allow", "deny@*.a.com", "b.com", A, A },
	{ "allow", "deny@*.a.com", "xa.com", A, A },
	{ "deny", "allow@a.com,deny@a.com", "a.com", A, A },
	{ "deny", "allow:ingress@a.com", "a.com", D, D },
	{ "deny", "allow:any@a.com", "a.com", A, A },
	/* what is no name is allowed by no name, and may be meant by a denial
	 */
	{ "deny", "allow@a.com", NULL, D, D },
	{ "deny", "allow@dns", NULL, A, A },
	{ "allow", "", NULL, A, A },
	{ "allow", "deny@*.a.com", NULL, D, D },
};

static void dns_questions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		struct policy p = make(queries[i].base, queries[i].rules);

		if (policy_decide_query(&p, queries[i].name, POLICY_UDP, 53)
				    .answer != queries[i].udp ||
		    policy_decide_query(&p, queries[i].name, POLICY_TCP, 53)
				    .answer != queries[i].tcp)
			fail_msg("%s %s: %s", queries[i].base, queries[i].rules,
				 queries[i].name ? queries[i].name : "-");
		policy_fini(&p);
	}
}

static void answers_opened(void **state)
{
	static const struct {
		const char *base, *rules, *answer;
		bool opens;
	} t[] = {
		{ "deny", "allow@private", "10.0.0.1", true },
		{ "deny", "allow@10.0.0.0/8", "10.0.0.1", true },
		{ "deny", "allow@10.0.0.0/8", "11.0.0.1", false },
		{ "deny", "allow@10.0.0.0/8:tcp", "10.0.0.1", true },
		{ "deny", "allow@10.0.0.0/8:tcp:80", "10.0.0.1", false },
		{ "deny", "allow@10.0.0.0/8:icmpv4", "10.0.0.1", false },
		{ "deny", "deny@10.0.0.1,allow@private", "10.0.0.1", false },
		{ "deny", "allow@any", "10.0.0.1", false },
		{ "allow", "", "10.0.0.1", false },
		{ "deny", "allow:ingress@private", "10.0.0.1", false },
		{ "deny", "allow@private", "::ffff:10.0.0.1", true },
		{ "deny", "allow@private", "127.0.0.1", false },
		{ "deny", "deny@any,allow@private", "10.0.0.1", false },
	};
	struct net_addresses l = link();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct policy p = make(t[i].base, t[i].rules);
		struct net_addr a = addr(t[i].answer);

		if (policy_opens_answer(&p, &l, &a) != t[i].opens)
			fail_msg("%s %s", t[i].rules, t[i].answer);
		policy_fini(&p);
	}
}

static void hints(void **state)
{
	static const struct {
		const char *base, *rules;
		bool lacks;
	} t[] = {
		{ "public", "", false },
		{ "allow", "", false },
		{ "deny", "", false },
		{ "deny", "allow@public", false },
		{ "deny", "allow@private", true },
		{ "deny", "allow@1.2.3.4:tcp:443", true },
		{ "deny", "allow@public:tcp:443", true },
		{ "deny", "allow@private,allow@dns", false },
		{ "deny", "allow@private,deny@dns", false },
		{ "deny", "allow@private,allow@a.com", false },
		{ "deny", "allow:ingress@private", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct policy p = make(t[i].base, t[i].rules);

		if (policy_lacks_dns(&p) != t[i].lacks)
			fail_msg("%s %s", t[i].base, t[i].rules);
		policy_fini(&p);
	}
}

/* --- the shape of a policy --- */

static void canonical_names(void **state)
{
	static const struct {
		const char *text, *name; /* NULL: refused */
	} t[] = {
		{ "Example.COM.", "example.com" },
		{ "..example", "example" },
		{ "_dmarc.a-b.c", "_dmarc.a-b.c" },
		{ "-x.b.com", "-x.b.com" },
		{ "", NULL },
		{ "...", NULL },
		{ "a..b", NULL },
		{ "a b", NULL },
		{ "http://a", NULL },
		{ "a:80", NULL },
		{ "a/b", NULL },
		{ "a?b", NULL },
		{ "a#b", NULL },
		{ "u@a", NULL },
		{ "\xc3\xa9.fr", NULL },
		{ "a..", NULL },
	};
	char name[NET_NAME_MAX + 1], text[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		int rc = policy_name(t[i].text, strlen(t[i].text), name);
		if ((rc == 0) != !!t[i].name ||
		    (!rc && strcmp(name, t[i].name)))
			fail_msg("%s", t[i].text);
	}
	memset(text, 'a', sizeof(text));
	assert_int_equal(policy_name(text, 63, name), 0);
	assert_true(policy_name(text, 64, name) < 0);
	for (size_t i = 63; i < sizeof(text); i += 64)
		text[i] = '.';
	assert_int_equal(policy_name(text, 253, name), 0);
	assert_true(policy_name(text, 254, name) < 0);
}

static void many_rules(void **state)
{
	struct policy p = { 0 };
	struct policy_rule r = {
		.allow = true,
		.direction = POLICY_EGRESS,
		.target = POLICY_TARGET_CIDR,
		.cidr = { { AF_INET, { 9, 0, 0, 0 } }, 32 },
	};
	struct net_addresses l = link();

	(void)state;
	for (unsigned i = 0; i < POLICY_MAX_RULES; i++) {
		r.cidr.addr.b[1] = (uint8_t)(i >> 8);
		r.cidr.addr.b[2] = (uint8_t)i;
		assert_int_equal(policy_add(&p, &r), 0);
	}
	assert_int_equal(policy_add(&p, &r), -E2BIG);
	struct policy_flow f = { POLICY_EGRESS, POLICY_TCP, addr("9.255.255.0"),
				 80 };
	struct policy_verdict v =
		policy_decide(&p, &l, NULL, &f, POLICY_NAMES_DEFERRED, NULL);
	assert_int_equal(v.answer, POLICY_ALLOW);
	assert_int_equal(v.rule, POLICY_MAX_RULES - 1);
	policy_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(several_ports_in_a_rule),
		cmocka_unit_test(ingress),
		cmocka_unit_test(domain_rules),
		cmocka_unit_test(crowded_address),
		cmocka_unit_test(dns_questions),
		cmocka_unit_test(answers_opened),
		cmocka_unit_test(hints),
		cmocka_unit_test(canonical_names),
		cmocka_unit_test(many_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
