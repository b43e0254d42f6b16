/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: text, prefixes, groups, and everything that carries IPv4. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "net/addr.h"

static struct net_addr addr(const char *text)
{
	struct net_addr a;
	assert_int_equal(net_addr_parse(text, strlen(text), &a), 0);
	return a;
}

static struct net_cidr cidr(const char *text)
{
	struct net_cidr c;
	assert_int_equal(net_cidr_parse(text, strlen(text), &c), 0);
	return c;
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

static void parse_and_print(void **state)
{
	(void)state;
	static const char *const same[] = { "1.2.3.4",	   "0.0.0.0",
					    "::",	   "::1",
					    "2001:db8::1", "::ffff:10.0.0.1" };
	static const char *const bad[] = { "",
					   "1.2.3",
					   "1.2.3.256",
					   "01.2.3.4",
					   "::g",
					   "fe80::1%eth0",
					   "[::1]",
					   "1.2.3.4 ",
					   ":::",
					   "1.2.3.4/8",
					   "0000:0000:0000:0000:0000:0000:"
					   "0000:0000:0000" };
	char text[NET_ADDR_TEXT];
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		struct net_addr a = addr(same[i]);
		assert_string_equal(net_addr_text(&a, text), same[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct net_addr a = { .family = 99 };
		assert_int_equal(net_addr_parse(bad[i], strlen(bad[i]), &a),
				 -EINVAL);
		assert_int_equal(a.family, 99);
	}
	struct net_addr none = { 0 };
	assert_string_equal(net_addr_text(&none, text), "none");
	assert_int_equal(net_addr_parse("1.2.3.4\0", 8, &none), -EINVAL);
}

static void prefixes(void **state)
{
	(void)state;
	static const char *const bad[] = { "10.0.0.0",	   "10.0.0.0/",
					   "10.0.0.0/33",  "10.0.0.0/8 ",
					   "::/129",	   "/8",
					   "10.0.0.0/-1",  "10.0.0.0/8/8",
					   "10.0.0.0/0008" };
	struct net_cidr c = cidr("10.1.2.3/9");
	struct net_addr want = addr("10.0.0.0");
	assert_true(net_addr_equal(&c.addr, &want));
	assert_int_equal(c.prefix, 9);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(net_cidr_parse(bad[i], strlen(bad[i]), &c),
				 -EINVAL);
	static const struct {
		const char *cidr, *addr;
		bool contains;
	} t[] = {
		{ "0.0.0.0/0", "255.1.2.3", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "1.2.3.4", false },
		{ "::/0", "::ffff:1.2.3.4", false },
		{ "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0/8", "::ffff:10.0.0.1", true },
		{ "10.0.0.0/8", "64:ff9b::10.0.0.1", true },
		{ "10.0.0.0/8", "2002:a00:1::5", true },
		{ "10.0.0.0/8", "2001:0:1:2:3:4:f5ff:fffe", true },
		{ "10.0.0.0/8", "::10.0.0.1", true },
		{ "10.0.0.0/8", "::ffff:0:10.0.0.1", true },
		{ "2002::/16", "2002:a00:1::5", true },
		{ "64:ff9b::/96", "64:ff9b::a00:1", true },
		{ "2001:db8::/33", "2001:db8:8000::", false },
		{ "172.16.0.0/12", "172.31.255.255", true },
		{ "172.16.0.0/12", "172.32.0.0", false },
		{ "1.2.3.4/32", "1.2.3.4", true },
		{ "1.2.3.4/32", "1.2.3.5", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct net_addr a = addr(t[i].addr);
		c = cidr(t[i].cidr);
		if (net_cidr_contains(&c, &a) != t[i].contains)
			fail_msg("%s in %s", t[i].addr, t[i].cidr);
	}
}

static void groups(void **state)
{
	(void)state;
	static const struct {
		const char *addr;
		enum net_group group;
	} t[] = {
		{ "127.0.0.5", NET_GROUP_LOOPBACK },
		{ "127.255.255.255", NET_GROUP_LOOPBACK },
		{ "::1", NET_GROUP_LOOPBACK },
		{ "10.1.2.3", NET_GROUP_PRIVATE },
		{ "172.31.0.1", NET_GROUP_PRIVATE },
		{ "172.16.0.3", NET_GROUP_PRIVATE },
		{ "192.168.1.1", NET_GROUP_PRIVATE },
		{ "100.64.0.1", NET_GROUP_PRIVATE },
		{ "100.128.0.1", NET_GROUP_PUBLIC },
		{ "172.32.0.1", NET_GROUP_PUBLIC },
		{ "fd00::1", NET_GROUP_PRIVATE },
		{ "fc00::1", NET_GROUP_PRIVATE },
		{ "fec0::1", NET_GROUP_PRIVATE },
		{ "64:ff9b:1::1", NET_GROUP_PRIVATE },
		{ "169.254.1.1", NET_GROUP_LINK_LOCAL },
		{ "169.254.169.254", NET_GROUP_METADATA },
		{ "fd00:ec2::254", NET_GROUP_METADATA },
		{ "fd20:ce::254", NET_GROUP_METADATA },
		{ "fe80::1", NET_GROUP_LINK_LOCAL },
		{ "febf::1", NET_GROUP_LINK_LOCAL },
		{ "224.0.0.1", NET_GROUP_MULTICAST },
		{ "239.255.255.255", NET_GROUP_MULTICAST },
		{ "ff02::1", NET_GROUP_MULTICAST },
		{ "8.8.8.8", NET_GROUP_PUBLIC },
		{ "2606:4700::1111", NET_GROUP_PUBLIC },
		{ "172.16.0.1", NET_GROUP_HOST },
		{ "fd42:6d73:62::1", NET_GROUP_HOST },
		{ "0.0.0.0", NET_GROUP_NONE },
		{ "::", NET_GROUP_NONE },
		{ "255.255.255.255", NET_GROUP_NONE },
		/* the same in disguise */
		{ "::ffff:0.0.0.0", NET_GROUP_NONE },
		{ "::ffff:10.0.0.1", NET_GROUP_PRIVATE },
		{ "::ffff:8.8.8.8", NET_GROUP_PUBLIC },
		{ "::ffff:127.0.0.1", NET_GROUP_LOOPBACK },
		{ "::ffff:169.254.169.254", NET_GROUP_METADATA },
		{ "::ffff:172.16.0.1", NET_GROUP_HOST },
		{ "::ffff:0:10.0.0.1", NET_GROUP_PRIVATE },
		{ "::127.0.0.1", NET_GROUP_LOOPBACK },
		{ "::2", NET_GROUP_PUBLIC },
		{ "64:ff9b::127.0.0.1", NET_GROUP_LOOPBACK },
		{ "64:ff9b::169.254.169.254", NET_GROUP_METADATA },
		{ "64:ff9b::192.168.1.1", NET_GROUP_PRIVATE },
		{ "64:ff9b::8.8.8.8", NET_GROUP_PUBLIC },
		{ "64:ff9b::172.16.0.1", NET_GROUP_HOST },
		{ "2002:7f00:1::1", NET_GROUP_LOOPBACK },
		{ "2002:a9fe:a9fe::1", NET_GROUP_METADATA },
		{ "2002:c0a8:101::1", NET_GROUP_PRIVATE },
		{ "2002:808:808::1", NET_GROUP_PUBLIC },
		{ "2001:0:808:808:0:0:5601:5601", NET_GROUP_METADATA },
		{ "2001:db8::1", NET_GROUP_PUBLIC },
	};
	struct net_addresses l = link();
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct net_addr a = addr(t[i].addr);
		if (net_addr_group(&a, &l) != t[i].group)
			fail_msg("%s is %s", t[i].addr,
				 net_group_name(net_addr_group(&a, &l)));
	}
	/* without a family its gateway does not match "no address" */
	struct net_addresses none = { 0 };
	struct net_addr a = { 0 };
	assert_int_equal(net_addr_group(&a, &none), NET_GROUP_NONE);
	a = addr("172.16.0.1");
	assert_int_equal(net_addr_group(&a, &none), NET_GROUP_PRIVATE);
	assert_int_equal(net_addr_group(&a, NULL), NET_GROUP_PRIVATE);
}

static void socket_addresses(void **state)
{
	(void)state;
	static const char *const t[] = { "1.2.3.4", "2001:db8::1" };
	struct sockaddr_storage s;
	struct net_endpoint e, back;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		e = (struct net_endpoint){ addr(t[i]), 8080 };
		socklen_t len = net_endpoint_to_sockaddr(&e, &s);
		assert_int_equal(len, i ? sizeof(struct sockaddr_in6)
					: sizeof(struct sockaddr_in));
		assert_int_equal(net_endpoint_from_sockaddr(&s, &back), 0);
		assert_true(net_addr_equal(&e.addr, &back.addr));
		assert_int_equal(back.port, 8080);
	}
	e.addr = addr("::ffff:1.2.3.4");
	net_endpoint_to_sockaddr(&e, &s);
	assert_int_equal(net_endpoint_from_sockaddr(&s, &back), 0);
	assert_int_equal(back.addr.family, AF_INET);
	s.ss_family = AF_UNIX;
	assert_int_equal(net_endpoint_from_sockaddr(&s, &back), -EAFNOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_and_print),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(groups),
		cmocka_unit_test(socket_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
