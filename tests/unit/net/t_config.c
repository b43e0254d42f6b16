/* SPDX-License-Identifier: Apache-2.0 */
/* The network section: JSON both ways, ports, nameservers, addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "net/config.h"

static struct net_config read_json(const char *text)
{
	struct net_config c;
	struct err err = { 0 };
	json_error_t where;
	json_t *j = json_loads(text, JSON_DECODE_ANY, &where);

	if (!j)
		fail_msg("%s: %s", text, where.text);
	if (net_config_from_json(j, &c, &err))
		fail_msg("%s: %s", text, err.msg);
	json_decref(j);
	return c;
}

static char *written(const struct net_config *c)
{
	json_t *j = net_config_to_json(c);
	char *text;

	assert_non_null(j);
	text = json_dumps(j, JSON_COMPACT);
	assert_non_null(text);
	json_decref(j);
	return text;
}

static const char defaults[] =
	"{\"enabled\":true,\"interface\":{\"mac\":null,\"mtu\":null,"
	"\"ipv4_address\":null,\"ipv4_pool\":null,\"ipv6_address\":null,"
	"\"ipv6_pool\":null},\"ports\":[],\"policy\":{\"default_egress\":"
	"\"deny\",\"default_ingress\":\"allow\",\"rules\":[{\"direction\":"
	"\"egress\",\"destination\":{\"group\":\"host\"},\"protocols\":["
	"\"tcp\","
	"\"udp\"],\"ports\":[{\"start\":53,\"end\":53}],\"action\":\"allow\"},"
	"{\"direction\":\"egress\",\"destination\":{\"group\":\"public\"},"
	"\"protocols\":[],\"ports\":[],\"action\":\"allow\"}]},\"dns\":"
	"{\"rebind_protection\":true,\"nameservers\":[],\"query_timeout_ms\":"
	"5000},"
	"\"tls\":{\"enabled\":false,\"intercepted_ports\":[443],\"bypass\":[],"
	"\"verify_upstream\":true,\"block_quic_on_intercept\":true,"
	"\"upstream_ca_cert\":[],\"intercept_ca\":{\"cert_path\":null,"
	"\"key_path\":null},\"cache\":{\"capacity\":1000,\"validity_hours\":24}"
	"},"
	"\"secrets\":{\"on_violation\":\"block-and-log\",\"secrets\":[]},"
	"\"max_connections\":256,\"trust_host_cas\":false}";

static void default_values(void **state)
{
	static const char *const t[] = {
		"null",
		"{}",
		"{\"policy\":null,\"dns\":{},\"interface\":null,\"ports\":"
		"null}",
		"{\"unknown\":1,\"max_connections\":null}",
		/* what the reference writes when nobody asked for it */
		"{\"tls\":{\"enabled\":false,\"intercepted_ports\":[443]},"
		"\"secrets\":{\"on_violation\":\"block-and-log\",\"secrets\":[]"
		"}"
		",\"trust_host_cas\":false}",
		defaults,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct net_config c = read_json(t[i]);
		char *text = written(&c);

		assert_string_equal(text, defaults);
		free(text);
		net_config_fini(&c);
	}
	struct net_config c;
	assert_int_equal(net_config_from_json(NULL, &c, NULL), 0);
	assert_int_equal(c.policy.nrules, 2);
	net_config_fini(&c);
}

static const char everything[] =
	"{\"enabled\":true,\"interface\":{\"mac\":[2,0,0,0,0,1],\"mtu\":9000,"
	"\"ipv4_address\":\"10.1.0.2\",\"ipv4_pool\":\"10.0.0.0/16\","
	"\"ipv6_address\":\"fd00::2\",\"ipv6_pool\":\"fd00::/56\"},"
	"\"ports\":[{\"host_port\":8080,\"guest_port\":80,\"protocol\":\"tcp\","
	"\"host_bind\":\"127.0.0.1\"},{\"host_port\":53,\"guest_port\":5353,"
	"\"protocol\":\"udp\",\"host_bind\":\"::\"}],"
	"\"policy\":{\"default_egress\":\"allow\",\"default_ingress\":\"deny\","
	"\"rules\":[{\"direction\":\"any\",\"destination\":\"any\","
	"\"protocols\":[\"udp\"],\"ports\":[{\"start\":1,\"end\":2},{\"start\":"
	"5,\"end\":5}],\"action\":\"deny\"},"
	"{\"direction\":\"egress\",\"destination\":{\"cidr\":\"10.0.0.0/8\"},"
	"\"protocols\":[\"icmpv4\",\"icmpv6\"],\"ports\":[],\"action\":"
	"\"allow\"},{\"direction\":\"ingress\",\"destination\":{\"domain\":"
	"\"a.com\"},\"protocols\":[],\"ports\":[],\"action\":\"deny\"},"
	"{\"direction\":\"egress\",\"destination\":{\"domain_suffix\":"
	"\"b.com\"},\"protocols\":[],\"ports\":[],\"action\":\"deny\"}]},"
	"\"dns\":{\"rebind_protection\":false,\"nameservers\":[\"1.1.1.1\","
	"\"[::1]:5353\",\"dns.example\"],\"query_timeout_ms\":100},"
	"\"tls\":{\"enabled\":false,\"intercepted_ports\":[443],\"bypass\":[],"
	"\"verify_upstream\":true,\"block_quic_on_intercept\":true,"
	"\"upstream_ca_cert\":[],\"intercept_ca\":{\"cert_path\":null,"
	"\"key_path\":null},\"cache\":{\"capacity\":1000,\"validity_hours\":24}"
	"},"
	"\"secrets\":{\"on_violation\":\"block-and-log\",\"secrets\":[]},"
	"\"max_connections\":4096,\"trust_host_cas\":false}";

static void all_values(void **state)
{
	struct net_config c = read_json(everything);
	char *text = written(&c);

	(void)state;
	assert_string_equal(text, everything);
	assert_true(c.policy.has_names);
	assert_true(c.ports[1].udp);
	assert_int_equal(c.ports[1].bind.addr.family, AF_INET6);
	assert_int_equal(c.ports[1].guest_port, 5353);
	free(text);
	net_config_fini(&c);
}

static void other_spellings(void **state)
{
	struct net_config c = read_json(
		"{\"ports\":[{\"host_port\":1,\"guest_port\":2,\"protocol\":"
		"\"Udp\"},{\"host_port\":1,\"guest_port\":2}],"
		"\"policy\":{\"rules\":[{\"destination\":{\"group\":"
		"\"link-local\"},\"action\":\"allow\"},{\"destination\":"
		"{\"domain\":\"A.Com.\"},\"action\":\"allow\"},"
		"{\"destination\":{\"cidr\":\"10.9.9.9/8\"},\"action\":"
		"\"allow\"},{\"direction\":null,\"destination\":{\"group\":"
		"\"meta\"},\"ports\":null,\"protocols\":null,\"action\":"
		"\"deny\"}]}}");

	(void)state;
	assert_true(c.ports[0].udp);
	assert_false(c.ports[1].udp);
	assert_int_equal(c.ports[1].bind.addr.b[0], 127);
	/* what a policy does not say, it denies */
	assert_false(c.policy.allow_egress);
	assert_false(c.policy.allow_ingress);
	assert_int_equal(c.policy.rules[0].group, NET_GROUP_LINK_LOCAL);
	assert_int_equal(c.policy.rules[0].direction, POLICY_EGRESS);
	assert_string_equal(c.policy.rules[1].name, "a.com");
	assert_int_equal(c.policy.rules[2].cidr.addr.b[1], 0);
	assert_int_equal(c.policy.rules[3].group, NET_GROUP_METADATA);
	net_config_fini(&c);
	c = read_json("{\"enabled\":false,\"ports\":[{\"host_port\":1,"
		      "\"guest_port\":2}]}");
	assert_false(c.enabled);
	assert_int_equal(c.policy.nrules, 0);
	assert_false(c.policy.allow_ingress);
	assert_int_equal(c.nports, 0);
	net_config_fini(&c);
}

#define RULE(body) "{\"policy\":{\"rules\":[{" body "}]}}"
#define DEST(body) RULE("\"action\":\"deny\",\"destination\":" body)

static void bad_values(void **state)
{
	static const struct {
		const char *json, *says;
	} t[] = {
		{ "[]", "network" },
		{ "{\"enabled\":1}", "enabled" },
		{ "{\"interface\":[]}", "interface" },
		{ "{\"interface\":{\"mac\":[1,2,3]}}", "mac" },
		{ "{\"interface\":{\"mac\":[2,0,0,0,0,256]}}", "mac" },
		{ "{\"interface\":{\"mac\":[2,0,0,0,0,\"1\"]}}", "mac" },
		{ "{\"interface\":{\"mac\":[1,0,0,0,0,1]}}", "mac" },
		{ "{\"interface\":{\"mtu\":0}}", "mtu" },
		{ "{\"interface\":{\"mtu\":1279}}", "mtu" },
		{ "{\"interface\":{\"mtu\":65536}}", "mtu" },
		{ "{\"interface\":{\"mtu\":1500.0}}", "mtu" },
		{ "{\"interface\":{\"ipv4_pool\":\"10.0.0.0/31\"}}",
		  "InvalidIpv4Pool" },
		{ "{\"interface\":{\"ipv6_pool\":\"fd00::/65\"}}",
		  "InvalidIpv6Pool" },
		{ "{\"interface\":{\"ipv4_pool\":\"fd00::/60\"}}",
		  "InvalidIpv4Pool" },
		{ "{\"interface\":{\"ipv4_pool\":\"127.0.0.0/8\"}}",
		  "InvalidIpv4Pool" },
		{ "{\"interface\":{\"ipv4_pool\":\"10.0.0.0\"}}", "ipv4_pool" },
		{ "{\"interface\":{\"ipv4_address\":\"10.0.0.1\"}}", "/30" },
		{ "{\"interface\":{\"ipv4_address\":\"fd00::2\"}}", "/30" },
		{ "{\"interface\":{\"ipv6_address\":\"fd00::1\"}}", "::1" },
		{ "{\"interface\":{\"ipv6_address\":\"ff02::2\"}}", "::1" },
		{ "{\"interface\":{\"ipv4_address\":7}}", "ipv4_address" },
		{ "{\"ports\":{}}", "ports" },
		{ "{\"ports\":[{\"host_port\":1}]}", "ports[0]" },
		{ "{\"ports\":[{\"host_port\":0,\"guest_port\":1}]}", "0" },
		{ "{\"ports\":[{\"host_port\":70000,\"guest_port\":1}]}",
		  "65535" },
		{ "{\"ports\":[{\"host_port\":1,\"guest_port\":1,\"protocol\":"
		  "\"sctp\"}]}",
		  "protocol" },
		{ "{\"ports\":[{\"host_port\":1,\"guest_port\":1,\"host_bind\":"
		  "\"localhost\"}]}",
		  "host_bind" },
		{ "{\"policy\":[]}", "policy" },
		{ "{\"policy\":{\"rules\":{}}}", "rules" },
		{ "{\"policy\":{\"rules\":[1]}}", "rules[0]" },
		{ "{\"policy\":{\"default_egress\":\"maybe\"}}",
		  "default_egress" },
		{ "{\"policy\":{\"default_egress\":true}}", "default_egress" },
		{ RULE("\"destination\":\"any\""), "action" },
		{ RULE("\"action\":\"deny\""), "destination" },
		{ RULE("\"action\":\"deny\",\"destination\":\"any\","
		       "\"direction\":\"up\""),
		  "direction" },
		{ DEST("\"all\""), "destination" },
		{ DEST("{\"group\":\"all\"}"), "group" },
		{ DEST("{\"group\":\"none\"}"), "group" },
		{ DEST("{\"cidr\":\"10.0.0.0/33\"}"), "cidr" },
		{ DEST("{\"domain\":\"a b\"}"), "domain" },
		{ DEST("{\"domain\":\"a\\u0000.com\"}"), "domain" },
		{ DEST("{\"domain_suffix\":\"com\"}"), "SuffixTooBroad" },
		{ DEST("\"any\",\"protocols\":[\"sctp\"]"), "protocols" },
		{ DEST("\"any\",\"protocols\":\"tcp\""), "protocols" },
		{ DEST("\"any\",\"direction\":\"any\",\"protocols\":["
		       "\"icmpv4\"]"),
		  "IngressDoesNotSupportIcmp" },
		{ DEST("\"any\",\"ports\":[{\"start\":2,\"end\":1}]"),
		  "InvalidPortRange" },
		{ DEST("\"any\",\"ports\":[{\"start\":1}]"), "end" },
		{ DEST("\"any\",\"ports\":[80]"), "start" },
		{ "{\"dns\":{\"nameservers\":[\"\"]}}", "nameserver" },
		{ "{\"dns\":{\"nameservers\":[53]}}", "nameservers" },
		{ "{\"dns\":{\"query_timeout_ms\":0}}", "time-out" },
		{ "{\"dns\":{\"query_timeout_ms\":-1}}", "query_timeout_ms" },
		{ "{\"max_connections\":4097}", "MaxConnectionsExceeded" },
		{ "{\"max_connections\":-1}", "max_connections" },
		{ "{\"trust_host_cas\":1}", "trust_host_cas" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct net_config c;
		struct err err = { 0 };
		json_error_t where;
		json_t *j = json_loads(t[i].json, JSON_ALLOW_NUL, &where);

		if (!j)
			fail_msg("%s: %s", t[i].json, where.text);
		if (net_config_from_json(j, &c, &err) >= 0)
			fail_msg("%s was accepted", t[i].json);
		if (strncmp(err.msg, "network: ", 9) ||
		    !strstr(err.msg, t[i].says))
			fail_msg("%s: %s", t[i].json, err.msg);
		json_decref(j);
	}
}

static void published_ports(void **state)
{
	static const struct {
		const char *text, *bind;
		uint16_t host, guest;
		bool udp;
	} good[] = {
		{ "8080:80", "127.0.0.1", 8080, 80, false },
		{ "8080:80/tcp", "127.0.0.1", 8080, 80, false },
		{ "127.0.0.1:8080:80", "127.0.0.1", 8080, 80, false },
		{ "0.0.0.0:8080:80/udp", "0.0.0.0", 8080, 80, true },
		{ "[::1]:8080:80", "::1", 8080, 80, false },
		{ "[::]:53:5353/udp", "::", 53, 5353, true },
		{ " 8080 : 80 ", "127.0.0.1", 8080, 80, false },
		{ "65535:1", "127.0.0.1", 65535, 1, false },
	};
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "8080", "HOST:GUEST" },
		{ "", "HOST:GUEST" },
		{ "a:80", "invalid host port: a" },
		{ "8080:b", "invalid guest port: b" },
		{ "8080:", "invalid guest port" },
		{ ":80", "invalid host port" },
		{ "::1:8080:80", "brackets" },
		{ "x.y:1:2", "invalid bind address: x.y" },
		{ "[::1:8080:80", "[ADDR]:HOST:GUEST" },
		{ "[10.0.0.1]:1:2", "invalid bind address" },
		{ "[::1]:80", "[ADDR]:HOST:GUEST" },
		{ "[::1]", "[ADDR]:HOST:GUEST" },
		{ "[", "HOST:GUEST" },
		{ "[:1:2", "HOST:GUEST" },
		{ "]:1:2", "invalid bind address" },
		{ ":1:2", "HOST:GUEST" },
		{ "1:2:3", "invalid bind address: 1" },
		{ "1.2.3.4:5:6:7", "HOST:GUEST" },
		{ "8080:80/sctp", "invalid guest port: 80/sctp" },
		{ "8080:80/UDP", "invalid guest port: 80/UDP" },
		{ "70000:80", "invalid host port: 70000" },
		{ "80:65536", "invalid guest port: 65536" },
		{ "0:80", "invalid host port: 0" },
		{ "80:0", "invalid guest port: 0" },
		{ "+80:80", "invalid host port: +80" },
		{ "/udp", "HOST:GUEST" },
	};
	struct net_port p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		char addr[NET_ADDR_TEXT];
		struct err err = { 0 };

		if (net_port_parse(good[i].text, &p, &err))
			fail_msg("%s: %s", good[i].text, err.msg);
		assert_string_equal(net_addr_text(&p.bind.addr, addr),
				    good[i].bind);
		assert_int_equal(p.bind.port, good[i].host);
		assert_int_equal(p.guest_port, good[i].guest);
		assert_int_equal(p.udp, good[i].udp);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = { 0 };

		assert_true(net_port_parse(bad[i].text, &p, &err) < 0);
		if (err.kind != ERR_INVALID || !strstr(err.msg, bad[i].says))
			fail_msg("%s: %s", bad[i].text, err.msg);
	}
}

static void nameservers(void **state)
{
	static const char *const good[] = { "1.1.1.1",	   "1.1.1.1:5353",
					    "2001:db8::1", "[2001:db8::1]",
					    "[::1]:53",	   "dns.example",
					    "localhost",   "dns.example:53" };
	static const char *const bad[] = { "",
					   ":53",
					   "1.1.1.1:",
					   "1.1.1.1:0",
					   "1.1.1.1:65536",
					   "a b",
					   "dns.example:x",
					   "[1.1.1.1]:53",
					   "[::1",
					   "[::1]x",
					   "2001:db8::g" };
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (net_nameserver_check(good[i], &err))
			fail_msg("%s: %s", good[i], err.msg);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (net_nameserver_check(bad[i], &err) >= 0)
			fail_msg("%s was accepted", bad[i]);
		assert_non_null(strstr(err.msg, "HOST:PORT"));
	}
}

static void addresses(void **state)
{
	static const struct {
		uint32_t slot;
		const char *interface, *guest4, *gateway4, *guest6, *gateway6;
	} t[] = {
		{ 0, "", "172.16.0.2", "172.16.0.1", "fd42:6d73:62::2",
		  "fd42:6d73:62::1" },
		{ 1, "", "172.16.0.6", "172.16.0.5", "fd42:6d73:62:1::2",
		  "fd42:6d73:62:1::1" },
		{ 300, "", "172.16.4.178", "172.16.4.177",
		  "fd42:6d73:62:12c::2", "fd42:6d73:62:12c::1" },
		{ 42, "", "172.16.0.170", "172.16.0.169", "fd42:6d73:62:2a::2",
		  "fd42:6d73:62:2a::1" },
		{ 65535, "", "172.19.255.254", "172.19.255.253",
		  "fd42:6d73:62:ffff::2", "fd42:6d73:62:ffff::1" },
		{ 0, "\"ipv4_pool\":\"172.31.240.0/24\"", "172.31.240.2",
		  "172.31.240.1", "fd42:6d73:62::2", "fd42:6d73:62::1" },
		{ 63, "\"ipv4_pool\":\"172.31.240.77/24\"", "172.31.240.254",
		  "172.31.240.253", "fd42:6d73:62:3f::2",
		  "fd42:6d73:62:3f::1" },
		{ 3, "\"ipv6_pool\":\"fd7a:115c:a1e0:100::/56\"", "172.16.0.14",
		  "172.16.0.13", "fd7a:115c:a1e0:103::2",
		  "fd7a:115c:a1e0:103::1" },
		{ 0,
		  "\"ipv4_pool\":\"10.1.2.4/30\",\"ipv6_pool\":\"fd00::/64\"",
		  "10.1.2.6", "10.1.2.5", "fd00::2", "fd00::1" },
		{ 9,
		  "\"ipv4_address\":\"10.0.0.6\",\"ipv6_address\":"
		  "\"fd00:1:2:3::77\"",
		  "10.0.0.6", "10.0.0.5", "fd00:1:2:3::77", "fd00:1:2:3::1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char json[256], text[NET_ADDR_TEXT];
		struct net_addresses a;
		struct net_config c;
		struct err err = { 0 };

		(void)snprintf(json, sizeof(json), "{\"interface\":{%s}}",
			       t[i].interface);
		c = read_json(json);
		if (net_addresses_assign(&c, t[i].slot, true, true, &a, &err))
			fail_msg("%s", err.msg);
		assert_string_equal(net_addr_text(&a.guest4, text),
				    t[i].guest4);
		assert_string_equal(net_addr_text(&a.gateway4, text),
				    t[i].gateway4);
		assert_string_equal(net_addr_text(&a.guest6, text),
				    t[i].guest6);
		assert_string_equal(net_addr_text(&a.gateway6, text),
				    t[i].gateway6);
		assert_int_equal(a.mtu, 1500);
		net_config_fini(&c);
	}
}

static void addresses_at_an_end(void **state)
{
	struct net_config c = read_json(
		"{\"interface\":{\"ipv4_pool\":\"172.31.240.0/24\"}}");
	struct net_addresses a;
	struct err err;

	(void)state;
	assert_true(net_addresses_assign(&c, 64, true, true, &a, &err) < 0);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_non_null(strstr(err.msg, "172.31.240.0/24"));
	assert_non_null(strstr(err.msg, "capacity 64"));
	assert_non_null(strstr(err.msg, "slot 64"));
	/* a family that is not there needs no pool */
	assert_int_equal(net_addresses_assign(&c, 64, false, true, &a, &err),
			 0);
	assert_int_equal(a.guest4.family, AF_UNSPEC);
	assert_int_equal(a.gateway4.family, AF_UNSPEC);
	assert_int_equal(net_addresses_assign(&c, 0, false, false, &a, &err),
			 0);
	assert_int_equal(a.guest6.family, AF_UNSPEC);
	net_config_fini(&c);
	c = read_json("{\"interface\":{\"ipv6_pool\":\"fd00::/64\"}}");
	assert_true(net_addresses_assign(&c, 1, false, true, &a, &err) < 0);
	assert_non_null(strstr(err.msg, "capacity 1)"));
	net_config_fini(&c);
	/* an explicit address makes its family there */
	c = read_json("{\"interface\":{\"ipv4_address\":\"10.0.0.2\"}}");
	assert_int_equal(net_addresses_assign(&c, 0, false, false, &a, &err),
			 0);
	assert_int_equal(a.guest4.family, AF_INET);
	net_config_fini(&c);
}

static void hardware_addresses(void **state)
{
	const uint8_t guest[] = { 2, 0x6d, 0x73, 0x12, 0x34, 2 };
	const uint8_t gateway[] = { 2, 0x6d, 0x73, 0x12, 0x34, 1 };
	const uint8_t own[] = { 2, 1, 2, 3, 4, 5 };
	struct net_config c = read_json("{}");
	struct net_addresses a;

	(void)state;
	assert_int_equal(net_addresses_assign(&c, 0x1234, true, true, &a, NULL),
			 0);
	assert_memory_equal(a.guest_mac, guest, 6);
	assert_memory_equal(a.gateway_mac, gateway, 6);
	net_config_fini(&c);
	c = read_json("{\"interface\":{\"mac\":[2,1,2,3,4,5],\"mtu\":9000}}");
	assert_int_equal(net_addresses_assign(&c, 0x1234, true, true, &a, NULL),
			 0);
	assert_memory_equal(a.guest_mac, own, 6);
	assert_memory_equal(a.gateway_mac, gateway, 6);
	assert_int_equal(a.mtu, 9000);
	net_config_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_values),
		cmocka_unit_test(all_values),
		cmocka_unit_test(other_spellings),
		cmocka_unit_test(bad_values),
		cmocka_unit_test(published_ports),
		cmocka_unit_test(nameservers),
		cmocka_unit_test(addresses),
		cmocka_unit_test(addresses_at_an_end),
		cmocka_unit_test(hardware_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
