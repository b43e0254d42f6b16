/* SPDX-License-Identifier: Apache-2.0 */
/* The network of configurations: how policies are put together, what is
 * refused, what explaining and inspecting tell. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/network.h"
#include "base/buf.h"
#include "world.h"

static struct world *w;
static msb_config_t *c;

static int setup(void **state)
{
	w = world_make(NULL);
	*state = w;
	return msb_config_new(w->m, &c, NULL);
}

static int teardown(void **state)
{
	(void)state;
	msb_config_free(c);
	world_free(w);
	return 0;
}

/* Begin anew. */
static void fresh(void)
{
	msb_config_free(c);
	assert_int_equal(msb_config_new(w->m, &c, NULL), 0);
}

static void expect_in(const char *text, const char *want)
{
	if (!strstr(text, want))
		print_error("'%s' lacks '%s'\n", text, want);
	assert_non_null(strstr(text, want));
}

#define REFUSED(call, want)                                                    \
	do {                                                                   \
		msb_error_t *e = NULL;                                         \
		assert_true((call) < 0);                                       \
		assert_int_equal(msb_error_kind(e), MSB_ERR_INVALID);          \
		expect_in(msb_error_message(e), want);                         \
		msb_error_free(e);                                             \
	} while (0)
#define TAKEN(call)                                                            \
	do {                                                                   \
		msb_error_t *e = NULL;                                         \
		int taken_ = (call);                                           \
		if (taken_)                                                    \
			print_error("%s\n", msb_error_text(e));                \
		assert_int_equal(taken_, 0);                                   \
	} while (0)

/* "deny allow: rule, rule": the defaults and the rules as tokens. */
static void expect_policy(const char *want)
{
	struct net_config n;
	struct err err = { 0 };
	struct buf b;

	assert_int_equal(network_wish_section(c->net, &n, &err), 0);
	buf_init(&b, 65536);
	(void)buf_printf(&b, "%s %s:", n.policy.allow_egress ? "allow" : "deny",
			 n.policy.allow_ingress ? "allow" : "deny");
	for (size_t i = 0; i < n.policy.nrules; i++) {
		(void)buf_str(&b, " ");
		policy_rule_text(&n.policy.rules[i], &b);
	}
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
	net_config_fini(&n);
}

#define BOTH (MSB_NET_EGRESS | MSB_NET_INGRESS)

/* Without flags the product's own; the words of its first rule are not ours
 * to say here, only that it opens DNS. */
static void the_default_is_public_only(void **state)
{
	struct net_config n;

	(void)state;
	assert_int_equal(network_wish_section(c->net, &n, NULL), 0);
	assert_true(n.enabled && n.rebind_protection);
	assert_false(n.policy.allow_egress);
	assert_true(n.policy.allow_ingress);
	assert_int_equal(n.policy.nrules, 2);
	assert_int_equal(n.policy.rules[0].group, NET_GROUP_HOST);
	assert_int_equal(n.policy.rules[0].protos, POLICY_TCP | POLICY_UDP);
	assert_int_equal(n.policy.rules[0].ports[0].first, 53);
	assert_int_equal(n.policy.rules[1].group, NET_GROUP_PUBLIC);
	assert_int_equal(n.max_connections, NET_DEFAULT_CONNECTIONS);
	assert_int_equal(n.dns_timeout_ms, 5000);
	net_config_fini(&n);
}

/* Spec 10.2, 1 to 7. */
static void policies_are_put_together(void **state)
{
	(void)state;
	TAKEN(msb_config_set_net_default(c, BOTH, false, &e));
	expect_policy("deny deny:");
	fresh();
	TAKEN(msb_config_set_net_default(c, BOTH, true, &e));
	expect_policy("allow allow:");
	fresh();
	TAKEN(msb_config_set_net_default(c, BOTH, false, &e));
	TAKEN(msb_config_add_net_rules(c, "allow@example.com", &e));
	expect_policy("deny deny: allow@example.com");
	fresh();
	TAKEN(msb_config_add_net_rules(c, "deny@1.2.3.4", &e));
	expect_policy("deny allow: deny@1.2.3.4");
	fresh();
	TAKEN(msb_config_set_net_default(c, MSB_NET_EGRESS, true, &e));
	expect_policy("allow allow:");
	fresh();
	TAKEN(msb_config_set_net_default(c, MSB_NET_INGRESS, false, &e));
	expect_policy("deny deny:");
	fresh();
	TAKEN(msb_config_add_net_rules(c, "allow@a.com, ,deny@b.com", &e));
	TAKEN(msb_config_add_net_rules(c, "allow:ingress@any:tcp:80", &e));
	expect_policy("deny allow: allow@a.com deny@b.com "
		      "allow:ingress@any:tcp:80");
}

/* Spec 10.2, 11. */
static void profiles(void **state)
{
	(void)state;
	TAKEN(msb_config_add_net_profiles(c, "host, private", &e));
	TAKEN(msb_config_add_net_rules(c, "deny@10.0.0.1", &e));
	TAKEN(msb_config_add_net_profiles(c, "public,private", &e));
	expect_policy("deny allow: deny@10.0.0.1 allow@dns allow@public "
		      "allow@private allow@host");
	fresh();
	TAKEN(msb_config_add_net_profiles(c, "all", &e));
	TAKEN(msb_config_add_net_rules(c, "deny@metadata", &e));
	expect_policy("allow allow: deny@metadata");
	REFUSED(msb_config_add_net_profiles(c, "all", &e),
		"profile 'all' is given twice");
	REFUSED(msb_config_add_net_profiles(c, "host", &e),
		"profile 'all' cannot be used with another one");
	fresh();
	REFUSED(msb_config_add_net_profiles(c, "none,public", &e),
		"profile 'none' cannot be used with another one");
	fresh();
	REFUSED(msb_config_add_net_profiles(c, "public,none", &e),
		"profile 'none' cannot be used with another one");
	fresh();
	TAKEN(msb_config_add_net_profiles(c, "none", &e));
	expect_policy("deny deny:");
	REFUSED(msb_config_set_net_default(c, BOTH, true, &e),
		"cannot be used together");
	fresh();
	TAKEN(msb_config_set_net_default(c, BOTH, true, &e));
	REFUSED(msb_config_add_net_profiles(c, "none", &e),
		"cannot be used together");
	REFUSED(msb_config_add_net_rules(c, "allowpublic", &e), "MissingAt");
	fresh();
	REFUSED(msb_config_add_net_profiles(c, "publik", &e),
		"unknown network profile 'publik' (expected: public, ");
	REFUSED(msb_config_add_net_profiles(c, "public,,host", &e),
		"unknown network profile ''");
	REFUSED(msb_config_add_net_profiles(c, " ", &e),
		"unknown network profile ''");
}

/* Spec 10.2, 8 and 12. */
static void everything_else(void **state)
{
	struct net_config n;

	(void)state;
	TAKEN(msb_config_add_port(c, "8080:80", &e));
	TAKEN(msb_config_add_port(c, "0.0.0.0:8080:81/udp", &e));
	TAKEN(msb_config_add_port(c, "[::1]:8080:80", &e));
	REFUSED(msb_config_add_port(c, "127.0.0.1:8080:81", &e),
		"port '127.0.0.1:8080:81': this port of the host is published "
		"more than once");
	REFUSED(msb_config_add_port(c, "8080", &e), "HOST:GUEST");
	REFUSED(msb_config_add_port(c, "::1:8080:80", &e), "");
	TAKEN(msb_config_add_dns_nameserver(c, "1.1.1.1", &e));
	TAKEN(msb_config_add_dns_nameserver(c, "[::1]:5353", &e));
	REFUSED(msb_config_add_dns_nameserver(c, "", &e), "");
	TAKEN(msb_config_set_net_ipv4_pool(c, "10.9.8.7/16", &e));
	TAKEN(msb_config_set_net_ipv6_pool(c, "fd00:1::/64", &e));
	REFUSED(msb_config_set_net_ipv4_pool(c, "10.0.0.0/31", &e),
		"InvalidIpv4Pool: '10.0.0.0/31': the prefix must be /30 or "
		"shorter");
	REFUSED(msb_config_set_net_ipv4_pool(c, "fd00::/48", &e),
		"InvalidIpv4Pool: 'fd00::/48' is no IPv4 prefix");
	REFUSED(msb_config_set_net_ipv6_pool(c, "fd00::/65", &e),
		"InvalidIpv6Pool: 'fd00::/65': the prefix must be /64 or "
		"shorter");
	REFUSED(msb_config_set_net_ipv6_pool(c, "x", &e), "InvalidIpv6Pool");
	TAKEN(msb_config_set_max_connections(c, 4096, &e));
	REFUSED(msb_config_set_max_connections(c, 4097, &e),
		"MaxConnectionsExceeded: max connections must be at most 4096");
	REFUSED(msb_config_set_max_connections(c, 0, &e), "at least 1");
	TAKEN(msb_config_set_dns_timeout_ms(c, 10, &e));
	REFUSED(msb_config_set_dns_timeout_ms(c, 0, &e), "from 1 to");
	msb_config_set_dns_rebind_protection(c, false);
	assert_int_equal(network_wish_section(c->net, &n, NULL), 0);
	assert_int_equal(n.nports, 3);
	assert_true(n.ports[1].udp && n.ports[1].guest_port == 81);
	assert_int_equal(n.nameservers.n, 2);
	assert_int_equal(n.ipv4_pool.prefix, 16);
	assert_int_equal(n.ipv4_pool.addr.b[1], 9);
	assert_int_equal(n.ipv4_pool.addr.b[2], 0);
	assert_int_equal(n.ipv6_pool.prefix, 64);
	assert_int_equal(n.max_connections, 4096);
	assert_int_equal(n.dns_timeout_ms, 10);
	assert_false(n.rebind_protection);
	/* None of these is a policy. */
	assert_int_equal(n.policy.nrules, 2);
	net_config_fini(&n);
	fresh();
	for (unsigned i = 0; i < NET_MAX_NAMESERVERS; i++)
		TAKEN(msb_config_add_dns_nameserver(c, "::1", &e));
	REFUSED(msb_config_add_dns_nameserver(c, "::1", &e), "no more than");
	for (unsigned i = 0; i < NET_MAX_PORTS; i++) {
		char port[32];

		(void)snprintf(port, sizeof(port), "%u:1", i + 1);
		TAKEN(msb_config_add_port(c, port, &e));
	}
	REFUSED(msb_config_add_port(c, "9999:1", &e), "no more than");
}

static void a_whole_section(void **state)
{
	struct net_config n;

	(void)state;
	TAKEN(msb_config_add_port(c, "1:1", &e));
	REFUSED(msb_config_set_network_json(c, "[]", &e), "not a JSON object");
	REFUSED(msb_config_set_network_json(c, "{\"enabled\":1}", &e),
		"enabled");
	TAKEN(msb_config_set_network_json(
		c,
		"{\"interface\":{\"mtu\":1400},\"unknown\":1,\"policy\":{"
		"\"rules\":[{\"direction\":\"egress\",\"destination\":{"
		"\"domain\":\"A.b\"},\"action\":\"allow\"}]}}",
		&e));
	TAKEN(msb_config_add_net_rules(c, "deny@any", &e));
	expect_policy("deny deny: allow@a.b deny@any");
	assert_int_equal(network_wish_section(c->net, &n, NULL), 0);
	assert_int_equal(n.mtu, 1400);
	assert_int_equal(n.nports, 0);
	net_config_fini(&n);
	/* Without a card there is nothing to be had, whatever else is said. */
	TAKEN(msb_config_set_network_json(c, "{\"enabled\":false}", &e));
	TAKEN(msb_config_add_net_rules(c, "allow@any", &e));
	expect_policy("deny deny:");
}

/* ---- hints --------------------------------------------------------------- */

static char hints[4096];

static void add_hint(void *ctx, const char *text)
{
	(void)ctx;
	(void)strncat(hints, text, sizeof(hints) - strlen(hints) - 2);
	(void)strncat(hints, "\n", sizeof(hints) - strlen(hints) - 1);
}

static const char *hints_of(const char *rules)
{
	fresh();
	hints[0] = 0;
	if (rules)
		TAKEN(msb_config_add_net_rules(c, rules, &e));
	TAKEN(msb_config_network_hints(c, add_hint, NULL, &e));
	return hints;
}

static void hints_are_given(void **state)
{
	(void)state;
	assert_string_equal(hints_of(NULL), "");
	assert_string_equal(hints_of("allow@dns,allow@10.0.0.0/8"), "");
	assert_string_equal(hints_of("allow@example.com"), "");
	expect_in(hints_of("allow@10.0.0.0/8"), "allow@dns would open DNS\n");
	expect_in(hints_of("allow@dns,deny@private,allow@private:tcp:80"),
		  "never decides anything: ");
	expect_in(hints_of("allow@dns,allow@10.0.0.0/8:tcp:1-9,"
			   "deny@10.1.0.0/16:tcp:3"),
		  "never decides anything: ");
	expect_in(hints_of("deny:any@any:tcp,allow:ingress@1.2.3.4:tcp"),
		  "never decides anything: ");
	assert_string_equal(hints_of("allow@dns,allow@10.0.0.0/8:tcp:1-9,"
				     "deny@10.1.0.0/16:tcp,"
				     "deny@10.0.0.0/9,"
				     "deny@10.0.0.0/8:udp,"
				     "deny:ingress@10.0.0.0/8:tcp:3,"
				     "deny@any:tcp,allow@x.org"),
			    "");
}

/* ---- explaining ---------------------------------------------------------- */

static json_t *asked(const char *rules, msb_net_question_t q, int want)
{
	msb_error_t *why = NULL;
	char *text = NULL;
	json_t *o;
	int rc;

	fresh();
	if (rules)
		TAKEN(msb_config_add_net_rules(c, rules, &e));
	q.struct_size = sizeof(q);
	rc = msb_config_net_explain(c, &q, &text, &why);
	if (rc < 0)
		print_error("%s\n", msb_error_text(why));
	else
		print_message("%s\n", text);
	assert_int_equal(rc, want);
	o = json_loads(text, 0, NULL);
	assert_non_null(o);
	assert_int_equal(json_is_true(json_object_get(o, "allowed")), want);
	msb_free(text);
	return o;
}

/* The i-th answer as "allow tcp 80-80 0: rule ...". */
static void expect_answer(const json_t *o, size_t i, const char *want)
{
	const json_t *a = json_array_get(json_object_get(o, "answers"), i);
	const json_t *ports = json_object_get(a, "ports");
	const json_t *rule = json_object_get(a, "rule");
	char text[512], range[32] = "-", number[32] = "-";

	assert_non_null(a);
	if (json_is_object(ports))
		(void)snprintf(
			range, sizeof(range), "%d-%d",
			(int)json_integer_value(
				json_object_get(ports, "start")),
			(int)json_integer_value(json_object_get(ports, "end")));
	if (json_is_integer(rule))
		(void)snprintf(number, sizeof(number), "%d",
			       (int)json_integer_value(rule));
	(void)snprintf(text, sizeof(text), "%s %s %s %s",
		       json_string_value(json_object_get(a, "action")),
		       json_string_value(json_object_get(a, "protocol")), range,
		       number);
	assert_string_equal(text, want);
	assert_non_null(json_string_value(json_object_get(a, "decided_by")));
}

static void expect_answers(const char *rules, msb_net_question_t q, int want,
			   const char *first, const char *second,
			   const char *third)
{
	json_t *o = asked(rules, q, want);
	const char *const all[] = { first, second, third };
	size_t n = 0;

	for (; n < 3 && all[n]; n++)
		expect_answer(o, n, all[n]);
	assert_int_equal(json_array_size(json_object_get(o, "answers")), n);
	json_decref(o);
}

#define Q(target_, ...) ((msb_net_question_t){ .target = target_, __VA_ARGS__ })

static void addresses_are_explained(void **state)
{
	(void)state;
	expect_answers(NULL, Q("8.8.8.8:443"), 1, "allow tcp 443-443 1", NULL,
		       NULL);
	expect_answers(NULL, Q("192.168.1.1:80"), 0, "deny tcp 80-80 -", NULL,
		       NULL);
	expect_answers(NULL, Q("[2606:4700::1111]:1", .proto = "udp"), 1,
		       "allow udp 1-1 1", NULL, NULL);
	expect_answers(NULL, Q("2606:4700::1111", .proto = "icmp"), 1,
		       "allow icmp - 1", NULL, NULL);
	expect_answers(NULL, Q("172.16.0.1:53", .proto = "udp"), 1,
		       "allow udp 53-53 0", NULL, NULL);
	expect_answers(NULL, Q("172.16.0.1:80"), 0, "deny tcp 80-80 -", NULL,
		       NULL);
	expect_answers("allow@any:icmpv4", Q("8.8.8.8", .proto = "icmp"), 1,
		       "allow icmp - 0", NULL, NULL);
	expect_answers("allow@any:icmpv4", Q("2606::1", .proto = "icmp"), 0,
		       "deny icmp - -", NULL, NULL);
	/* Mapped addresses are what they map. */
	expect_answers(NULL, Q("[::ffff:10.0.0.1]:80"), 0, "deny tcp 80-80 -",
		       NULL, NULL);
}

static void ports_are_put_together(void **state)
{
	(void)state;
	expect_answers(NULL, Q("8.8.8.8"), 1, "allow tcp 0-65535 1", NULL,
		       NULL);
	expect_answers("allow@8.8.8.8:tcp:80-90,allow@9.9.9.9:tcp:1",
		       Q("8.8.8.8"), 0, "deny tcp 0-79 -", "allow tcp 80-90 0",
		       "deny tcp 91-65535 -");
	expect_answers("deny@any:tcp:65535,allow@any", Q("[::1]"), 0,
		       "allow tcp 0-65534 1", "deny tcp 65535-65535 0", NULL);
	expect_answers("allow@any:udp:0", Q("1.1.1.1", .proto = "udp"), 0,
		       "allow udp 0-0 0", "deny udp 1-65535 -", NULL);
}

static void names_are_explained(void **state)
{
	(void)state;
	expect_answers(NULL, Q("Example.COM.:443"), 1, "allow dns - 0",
		       "allow tcp 443-443 1", NULL);
	expect_answers("allow@example.com:tcp:443", Q("example.com:443"), 1,
		       "allow dns - 0", "allow tcp 443-443 0", NULL);
	expect_answers("allow@example.com:tcp:443", Q("example.com:80"), 0,
		       "allow dns - 0", "deny tcp 80-80 -", NULL);
	expect_answers("allow@example.com:tcp:443", Q("other.com:443"), 0,
		       "deny dns - -", "deny tcp 443-443 -", NULL);
	expect_answers("deny@*.example.com,allow@any", Q("a.example.com"), 0,
		       "deny dns - 0", "deny tcp 0-65535 0", NULL);
	/* What it resolved to matters where rules are about addresses. */
	expect_answers("allow@dns,allow@10.0.0.0/8",
		       Q("in.example.com:80", .address = "10.0.0.9"), 1,
		       "allow dns - 0", "allow tcp 80-80 1", NULL);
	expect_answers("allow@dns,allow@any",
		       Q("in.example.com:80", .address = "10.0.0.9"), 0,
		       "deny dns - -", "allow tcp 80-80 1", NULL);
	/* The alias is the gateway, and not learnt from DNS. */
	expect_answers("allow@host", Q(NET_HOST_ALIAS ":80"), 1,
		       "allow dns - 0", "allow tcp 80-80 0", NULL);
	expect_answers("allow@" NET_HOST_ALIAS, Q(NET_HOST_ALIAS ":80"), 0,
		       "allow dns - 0", "deny tcp 80-80 -", NULL);
}

static void what_no_rule_decides(void **state)
{
	json_t *o;

	(void)state;
	expect_answers("allow@any", Q("1.1.1.1:853"), 0, "deny tcp 853-853 -",
		       NULL, NULL);
	expect_answers("allow@any", Q("1.1.1.1:5353", .proto = "udp"), 0,
		       "deny udp 5353-5353 -", NULL, NULL);
	expect_answers("allow@any", Q("1.1.1.1:5353"), 1,
		       "allow tcp 5353-5353 0", NULL, NULL);
	/* What an address alone does not tell. */
	o = asked("deny@example.com,allow@any", Q("1.1.1.1:443"), 1);
	expect_in(json_string_value(json_object_get(
			  json_array_get(json_object_get(o, "answers"), 0),
			  "note")),
		  "may still decide otherwise");
	json_decref(o);
}

static void ingress_is_explained(void **state)
{
	const char *rules = "deny:ingress@10.0.0.0/8";

	(void)state;
	expect_answers(rules, Q("10.1.1.1:80", .ingress = true), 0,
		       "deny tcp 80-80 0", NULL, NULL);
	expect_answers(rules, Q("127.0.0.1:80", .ingress = true), 1,
		       "allow tcp 80-80 -", NULL, NULL);
	expect_answers(rules, Q("10.1.1.1:853", .ingress = true), 0,
		       "deny tcp 853-853 0", NULL, NULL);
	expect_answers("deny:ingress@peer.example.com",
		       Q("peer.example.com:80", .ingress = true), 0,
		       "deny tcp 80-80 0", NULL, NULL);
}

static void bad_questions(void **state)
{
	static const struct {
		msb_net_question_t q;
		const char *want;
	} bad[] = {
		{ { .target = "" }, "neither an address nor a name" },
		{ { .target = "a b" }, "neither an address nor a name" },
		{ { .target = "http://x/" }, "has no valid port" },
		{ { .target = "1.2.3.4:65536" }, "has no valid port" },
		{ { .target = "x:" }, "has no valid port" },
		{ { .target = "[::1" }, "no IPv6 address in brackets" },
		{ { .target = "[1.2.3.4]:1" }, "no IPv6 address in brackets" },
		{ { .target = "[::1]x" }, "goes on behind ']'" },
		{ { .target = "x", .proto = "sctp" }, "unknown protocol" },
		{ { .target = "x:1", .proto = "icmp" }, "icmp has no ports" },
		{ { .target = "x", .address = "y" }, "'y' is no IP address" },
		{ { .target = "::1", .address = "::1" }, "an address already" },
	};
	char *text = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		REFUSED(msb_config_net_explain(c, &bad[i].q, &text, &e),
			bad[i].want);
	assert_null(text);
}

/* ---- stored sandboxes ---------------------------------------------------- */

static msb_sandbox_t *create(const char *name)
{
	msb_sandbox_t *s = NULL;

	TAKEN(msb_config_set_image(c, w->rootfs, &e));
	TAKEN(msb_config_set_name(c, name, &e));
	TAKEN(msb_sandbox_create(w->m, c, &s, &e));
	return s;
}

static json_t *network(const msb_sandbox_t *s)
{
	char *text = NULL;
	json_t *o;

	TAKEN(msb_sandbox_network_json(s, &text, &e));
	o = json_loads(text, 0, NULL);
	assert_non_null(o);
	msb_free(text);
	return o;
}

static void sandboxes_keep_their_network(void **state)
{
	msb_net_question_t q = Q("10.0.0.1:80");
	msb_sandbox_t *a, *b;
	char *text = NULL;
	json_t *o, *policy;

	(void)state;
	a = create("a");
	fresh();
	TAKEN(msb_config_add_net_rules(c, "allow@private", &e));
	TAKEN(msb_config_add_port(c, "[::1]:8080:80", &e));
	b = create("b");
	o = network(a);
	assert_string_equal(json_string_value(json_object_get(o, "mac")),
			    "02:6d:73:00:00:02");
	assert_true(json_is_null(json_object_get(o, "problem")));
	json_decref(o);
	/* It is stopped and found again, by who knows nothing of it. */
	TAKEN(msb_sandbox_stop(b, 0, NULL, &e));
	msb_sandbox_free(b);
	TAKEN(msb_sandbox_get(w->m, "b", &b, &e));
	TAKEN(msb_sandbox_start(b, false, &e));
	o = network(b);
	policy = json_object_get(o, "policy");
	assert_string_equal(json_string_value(json_object_get(o, "mac")),
			    "02:6d:73:00:01:02");
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(o, "ports"), 0)),
			    "[::1]:8080->80/tcp");
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(policy, "rules"), 0)),
			    "allow@private");
	assert_string_equal(
		json_string_value(json_object_get(policy, "default_egress")),
		"deny");
	json_decref(o);
	assert_int_equal(msb_sandbox_net_explain(b, &q, &text, NULL), 1);
	msb_free(text);
	assert_int_equal(msb_sandbox_net_explain(a, &q, &text, NULL), 0);
	msb_free(text);
	msb_sandbox_free(a);
	msb_sandbox_free(b);
}

/* What runs keeps the families it began with. */
static void a_running_machine_knows_its_families(void **state)
{
	msb_sandbox_t *s = create("only6");
	json_t *o = network(s);

	(void)state;
	assert_true(json_is_null(json_object_get(o, "ipv4")));
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(o, "ipv6"), "address")),
			    "fd42:6d73:62::2");
	json_decref(o);
	msb_sandbox_free(s);
}

/* A pool with room for one: the second sandbox is not made. */
static void pools_end(void **state)
{
	static const char section[] =
		"{\"interface\":{\"ipv4_pool\":\"10.0.0.0/30\","
		"\"ipv6_address\":\"fd00::2\"}}";
	msb_sandbox_t *a, *b;

	(void)state;
	TAKEN(msb_config_set_network_json(c, section, &e));
	a = create("a");
	fresh();
	b = create("b"); /* of the default pool */
	fresh();
	TAKEN(msb_config_set_network_json(c, section, &e));
	TAKEN(msb_config_set_image(c, w->rootfs, &e));
	TAKEN(msb_config_set_name(c, "c", &e));
	if (net_host_has(AF_INET)) {
		msb_sandbox_t *none;

		REFUSED(msb_sandbox_create(w->m, c, &none, &e), "10.0.0.0/30");
		assert_string_equal(world_status(w, "c"), "none");
	}
	msb_sandbox_free(a);
	msb_sandbox_free(b);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_default_is_public_only),
		TEST(policies_are_put_together),
		TEST(profiles),
		TEST(everything_else),
		TEST(a_whole_section),
		TEST(hints_are_given),
		TEST(addresses_are_explained),
		TEST(ports_are_put_together),
		TEST(names_are_explained),
		TEST(what_no_rule_decides),
		TEST(ingress_is_explained),
		TEST(bad_questions),
		TEST(sandboxes_keep_their_network),
		TEST(a_running_machine_knows_its_families),
		TEST(pools_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
