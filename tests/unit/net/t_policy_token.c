/* SPDX-License-Identifier: Apache-2.0 */
/* The words of --net-rule: what they mean, and what is wrong with others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "net/policy.h"

/* A token and how the rule it makes is printed. */
static const struct {
	const char *token, *text;
} good[] = {
	{ "allow@public", "allow@public" },
	{ "deny:ingress@10.0.0.0/8", "deny:ingress@10.0.0.0/8" },
	{ "deny@10.9.8.7/8", "deny@10.0.0.0/8" },
	{ "allow@198.51.100.5:tcp:443", "allow@198.51.100.5:tcp:443" },
	{ "allow@198.51.100.5/32", "allow@198.51.100.5" },
	{ "allow@any:udp:1000-2000", "allow@any:udp:1000-2000" },
	{ "allow@any:any:53", "allow@any:any:53" },
	{ "allow@any:tcp:any", "allow@any:tcp" },
	{ "allow@any:any:any", "allow@any" },
	{ "allow@any:tcp:0-65535", "allow@any:tcp:0-65535" },
	{ "allow@any:tcp:80-80", "allow@any:tcp:80" },
	{ "allow@example.com", "allow@example.com" },
	{ "allow@EXAMPLE.com.", "allow@example.com" },
	{ "allow@a_b.example.com", "allow@a_b.example.com" },
	{ "allow@suffix=example.com", "allow@*.example.com" },
	{ "allow@*.example.com", "allow@*.example.com" },
	{ "allow@suffix=.example.com", "allow@*.example.com" },
	{ "allow@*.co.uk", "allow@*.co.uk" },
	{ "allow@domain=public", "allow@domain=public" },
	{ "allow@domain=localhost", "allow@domain=localhost" },
	{ "allow@domain=1.2.3.4", "allow@domain=1.2.3.4" },
	{ "deny:any@multicast", "deny:any@multicast" },
	{ "allow:egress@private", "allow@private" },
	{ "deny@loopback", "deny@loopback" },
	{ "allow@link_local", "allow@link_local" },
	{ "allow@link-local", "allow@link_local" },
	{ "allow@metadata", "allow@metadata" },
	{ "allow@meta", "allow@metadata" },
	{ "allow@host:tcp:8080", "allow@host:tcp:8080" },
	{ "allow@any:icmpv4", "allow@any:icmpv4" },
	{ "allow@any:icmpv6:any", "allow@any:icmpv6" },
	{ "allow@[2001:db8::1]", "allow@[2001:db8::1]" },
	{ "allow@[2001:db8::1]:tcp:443", "allow@[2001:db8::1]:tcp:443" },
	{ "allow@[2001:db8::/32]", "allow@[2001:db8::]/32" },
	{ "allow@[2001:db8::]/32", "allow@[2001:db8::]/32" },
	{ "allow@[2001:db8::]/32:udp:53", "allow@[2001:db8::]/32:udp:53" },
	{ "allow@[::1]", "allow@[::1]" },
	{ "allow@[::]/0", "allow@[::]/0" },
	{ "allow@0.0.0.0/0", "allow@0.0.0.0/0" },
	{ "allow@dns", "allow@dns" },
	{ "allow@dns:any:53", "allow@dns" },
	{ "deny@dns:tcp", "deny@host:tcp:53" },
};

/* A token, the category of the mistake, and something the message says. */
static const struct {
	const char *token, *category, *says;
} wrong[] = {
	{ "allow", "MissingAt", "ACTION[:DIRECTION]@TARGET" },
	{ "allowpublic", "MissingAt", "\"allowpublic\"" },
	{ "alow@public", "InvalidAction", "did you mean `allow`?" },
	{ "@public", "InvalidAction", "allow, deny" },
	{ "permit@public", "InvalidAction", "(allow, deny)" },
	{ "ALLOW@public", "InvalidAction", "\"ALLOW\"" },
	{ "allow:egres@any", "InvalidDirection", "did you mean `egress`?" },
	{ "allow:@any", "InvalidDirection", "egress, ingress, any" },
	{ "allow@", "InvalidTarget", "empty" },
	{ "allow@:tcp", "InvalidTarget", "empty" },
	{ "allow@publc", "AmbiguousBareToken", "did you mean `public`?" },
	{ "allow@localhost", "AmbiguousBareToken", "domain=localhost" },
	{ "allow@*", "AmbiguousBareToken", "domain=" },
	{ "allow@*.com", "SuffixTooBroad", "suffix=example.com" },
	{ "allow@suffix=local", "SuffixTooBroad", "two labels" },
	{ "allow@suffix=.local.", "SuffixTooBroad", "top-level" },
	{ "allow@*.", "InvalidDomain", "empty" },
	{ "allow@domain=", "InvalidDomain", "empty" },
	{ "allow@domain=..", "InvalidDomain", "empty" },
	{ "allow@a..b", "InvalidDomain", "\"a..b\"" },
	{ "allow@http.//example.com", "InvalidCidr", "ADDRESS/PREFIX" },
	{ "allow@domain=user@example.com", "InvalidDomain", "domain name" },
	{ "allow@exa mple.com", "InvalidDomain", "domain name" },
	{ "allow@m\xc3\xbcnchen.de", "InvalidDomain", "domain name" },
	{ "allow@10.0.0.0/99", "InvalidCidr", "\"10.0.0.0/99\"" },
	{ "allow@example.com/24", "InvalidCidr", "ADDRESS/PREFIX" },
	{ "allow@[2001:db8::/129]", "InvalidCidr", "ADDRESS/PREFIX" },
	{ "allow@[2001:db8::]/x", "InvalidCidr", "ADDRESS/PREFIX" },
	{ "allow@[2001:db8::/32]/32", "InvalidCidr", "ADDRESS/PREFIX" },
	{ "allow@[example.com]", "InvalidIp", "\"example.com\"" },
	{ "allow@[]", "InvalidIp", "IPv6" },
	{ "allow@1.2.3.4:tcpp", "InvalidProtocol", "did you mean `tcp`?" },
	{ "allow@1.2.3.4:", "InvalidProtocol", "icmpv4" },
	{ "allow@1.2.3.4:TCP", "InvalidProtocol", "\"TCP\"" },
	{ "allow@1.2.3.4:tcp:http", "InvalidPorts", "\"http\"" },
	{ "allow@1.2.3.4:tcp:70000", "InvalidPorts", "65535" },
	{ "allow@1.2.3.4:tcp:", "InvalidPorts", "any" },
	{ "allow@1.2.3.4:tcp:80-", "InvalidPorts", "80-" },
	{ "allow@1.2.3.4:tcp:-1", "InvalidPorts", "-1" },
	{ "allow@any:icmpv4:80", "InvalidPorts", "no ports" },
	{ "allow@any:tcp:443-80", "InvalidPortRange", "443-80" },
	{ "allow:ingress@any:icmpv4", "IngressDoesNotSupportIcmp", "egress" },
	{ "allow:any@any:icmpv6", "IngressDoesNotSupportIcmp", "egress" },
	{ "allow@any:tcp:80:81", "TrailingJunk", "\":81\"" },
	{ "allow@2001:db8::1", "TrailingJunk", "[2001:db8::1]" },
	{ "allow@2001:db8::/32", "TrailingJunk", "[2001:db8::/32]" },
	{ "allow@::1", "TrailingJunk", "brackets" },
	{ "allow@2001:db8::1:tcp:443", "TrailingJunk", "brackets" },
	{ "allow@[::1", "UnclosedBracket", "]" },
	{ "allow@[::1]x", "UnexpectedAfterBracket", "\"x\"" },
	{ "allow@[10.0.0.1]", "BracketedNotIpv6", "IPv6" },
	{ "allow@[10.0.0.0/8]", "BracketedNotIpv6", "IPv6" },
	{ "allow@[10.0.0.0]/8", "BracketedNotIpv6", "IPv6" },
	{ "allow@example.com:443", "PortInProtocolSlot",
	  "example.com:tcp:443" },
	{ "allow@example.com:80-443", "PortInProtocolSlot",
	  "example.com:tcp:80-443" },
	{ "allow@[::1]:22", "PortInProtocolSlot", "[::1]:tcp:22" },
	{ "allow:ingress@dns", "DnsMustBeEgress", "egress" },
	{ "allow:any@dns", "DnsMustBeEgress", "egress" },
	{ "allow@dns:icmpv4", "InvalidDnsProtocol", "tcp and udp" },
	{ "allow@dns:udp:5353", "InvalidDnsPort", "53" },
};

static void the_right_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct policy p = { 0 };
		struct err err = { 0 };
		struct buf out;

		buf_init(&out, 1024);
		if (policy_parse_rules(good[i].token, &p, &err))
			fail_msg("%s: %s", good[i].token, err.msg);
		assert_int_equal(p.nrules, 1);
		policy_rule_text(&p.rules[0], &out);
		assert_string_equal(buf_cstr(&out), good[i].text);
		buf_fini(&out);
		policy_fini(&p);
	}
}

static void the_wrong_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct policy p = { 0 };
		struct err err = { 0 };
		size_t n = strlen(wrong[i].category);

		assert_true(policy_parse_rules(wrong[i].token, &p, &err) < 0);
		assert_int_equal(err.kind, ERR_INVALID);
		if (strncmp(err.msg, wrong[i].category, n) ||
		    err.msg[n] != ':' || !strstr(err.msg, wrong[i].says) ||
		    !strstr(err.msg, wrong[i].token))
			fail_msg("%s: %s", wrong[i].token, err.msg);
		policy_fini(&p);
	}
}

static void no_hint_from_afar(void **state)
{
	static const char *const t[] = { "permit@any", "allow:outward@any",
					 "allow@localhost",
					 "allow@any:sctp4x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct policy p = { 0 };
		struct err err = { 0 };

		assert_true(policy_parse_rules(t[i], &p, &err) < 0);
		if (strstr(err.msg, "did you mean"))
			fail_msg("%s: %s", t[i], err.msg);
		policy_fini(&p);
	}
}

static void lists(void **state)
{
	struct policy p = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(
		policy_parse_rules("allow@a.com, ,deny@b.com", &p, &err), 0);
	assert_int_equal(p.nrules, 2);
	assert_true(p.rules[0].allow);
	assert_string_equal(p.rules[0].name, "a.com");
	assert_false(p.rules[1].allow);
	assert_string_equal(p.rules[1].name, "b.com");
	assert_true(p.has_names);
	/* later words are appended; a mistake leaves what was there */
	assert_int_equal(policy_parse_rules(" allow@dns ", &p, &err), 0);
	assert_int_equal(p.nrules, 3);
	assert_int_equal(p.rules[2].protos, POLICY_UDP | POLICY_TCP);
	assert_int_equal(p.rules[2].group, NET_GROUP_HOST);
	assert_true(policy_parse_rules("deny@x", &p, &err) < 0);
	assert_int_equal(p.nrules, 3);
	assert_int_equal(policy_parse_rules("", &p, &err), 0);
	assert_int_equal(policy_parse_rules(",,", &p, &err), 0);
	assert_int_equal(p.nrules, 3);
	policy_fini(&p);
}

/* What a user wrote is quoted, but not without end. */
static void endless_words(void **state)
{
	char *text = malloc(100001);
	struct policy p = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_non_null(text);
	memset(text, 'a', 100000);
	text[100000] = '\0';
	assert_true(policy_parse_rules(text, &p, &err) < 0);
	text[5] = '@';
	assert_true(policy_parse_rules(text, &p, &err) < 0);
	memcpy(text, "allow@", 6);
	assert_true(policy_parse_rules(text, &p, &err) < 0);
	memcpy(text, "allow@a.b", 9);
	assert_true(policy_parse_rules(text, &p, &err) < 0);
	assert_int_equal(p.nrules, 0);
	policy_fini(&p);
	free(text);
}

static void verdicts(void **state)
{
	struct policy p = { .allow_ingress = true };
	struct policy_verdict v = { POLICY_DENY, POLICY_BY_DEFAULT };
	struct err err;
	struct buf out;

	(void)state;
	assert_int_equal(
		policy_parse_rules("allow@public,deny@10.0.0.0/8", &p, &err),
		0);
	buf_init(&out, 1024);
	policy_verdict_text(&p, &v, POLICY_EGRESS, &out);
	assert_string_equal(buf_cstr(&out), "default egress deny");
	buf_reset(&out);
	policy_verdict_text(&p, &v, POLICY_INGRESS, &out);
	assert_string_equal(buf_cstr(&out), "default ingress allow");
	buf_reset(&out);
	v.rule = 1;
	policy_verdict_text(&p, &v, POLICY_EGRESS, &out);
	assert_string_equal(buf_cstr(&out), "rule 2 (deny@10.0.0.0/8)");
	buf_fini(&out);
	policy_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_words),
		cmocka_unit_test(the_wrong_words),
		cmocka_unit_test(no_hint_from_afar),
		cmocka_unit_test(lists),
		cmocka_unit_test(endless_words),
		cmocka_unit_test(verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
