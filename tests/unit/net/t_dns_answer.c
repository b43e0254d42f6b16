/* SPDX-License-Identifier: Apache-2.0 */
/* What answers say: inner addresses, aliases, lifetimes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "dns_mock.h"
#include "net/dns_answer.h"

static struct mock_msg m;

static struct net_addr address(const char *text)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse(text, strlen(text), &a), 0);
	return a;
}

static void inner_addresses_are_known(void **state)
{
	static const char *const inner[] = {
		"0.0.0.0",
		"0.1.2.3",
		"10.0.0.1",
		"100.64.0.1",
		"100.127.255.255",
		"127.0.0.1",
		"127.9.9.9",
		"169.254.1.1",
		"169.254.169.254",
		"172.16.0.1",
		"172.31.255.255",
		"192.0.0.9",
		"192.0.2.7",
		"192.88.99.1",
		"192.168.1.1",
		"198.18.0.1",
		"198.19.255.255",
		"198.51.100.1",
		"203.0.113.1",
		"224.0.0.1",
		"239.1.1.1",
		"240.0.0.1",
		"255.255.255.255",
		"::",
		"::1",
		"fc00::1",
		"fd12::1",
		"fe80::1",
		"febf::1",
		"fec0::1",
		"ff02::1",
		"100::1",
		"64:ff9b:1::1",
		"64:ff9b:1:ffff::1",
		"2001:db8::1",
		"3fff::1",
		"3fff:fff:ffff::",
		"::ffff:10.0.0.1",
		"::ffff:127.0.0.1",
		"64:ff9b::10.0.0.1",
		"64:ff9b::169.254.169.254",
		"2002:a00:1::1",
		"2002:7f00:1::",
	};
	static const char *const outer[] = {
		"1.1.1.1",	   "8.8.8.8",	       "11.0.0.1",
		"100.63.255.255",  "100.128.0.0",      "126.255.255.255",
		"128.0.0.1",	   "169.253.1.1",      "172.15.255.255",
		"172.32.0.0",	   "192.0.1.1",	       "192.0.3.1",
		"192.167.1.1",	   "198.17.255.255",   "198.20.0.0",
		"198.51.101.1",	   "203.0.114.1",      "223.255.255.255",
		"2606:4700::1111", "::2:1:1",	       "fbff::1",
		"2001:db7::1",	   "2001:db9::1",      "3ffe::1",
		"3fff:1000::1",	   "100:0:0:1::1",     "64:ff9b:2::1",
		"::ffff:8.8.8.8",  "64:ff9b::8.8.8.8", "2002:808:808::1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(inner); i++) {
		struct net_addr a = address(inner[i]);

		if (!dns_addr_is_inner(&a))
			fail_msg("%s is inner", inner[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(outer); i++) {
		struct net_addr a = address(outer[i]);

		if (dns_addr_is_inner(&a))
			fail_msg("%s is outer", outer[i]);
	}
}

static bool rebinds(const char *rules)
{
	struct policy p = { 0 };
	struct net_addresses link = { .gateway4 = address("172.16.0.1") };
	struct net_addr a;
	struct err err = { 0 };
	bool yes;

	assert_int_equal(policy_parse_rules(rules, &p, &err), 0);
	yes = dns_answer_rebinds(m.b, m.len, &p, &link, &a);
	policy_fini(&p);
	return yes;
}

static void one_inner_address_spoils_an_answer(void **state)
{
	struct net_addr a = address("10.1.2.3");

	(void)state;
	mock_begin(&m, 1, 0x8180, "a.example", DNS_A);
	mock_addr(&m, "a.example", 60, "8.8.8.8");
	assert_false(rebinds("allow@public"));
	mock_addr(&m, "elsewhere.example", 60, "10.1.2.3");
	assert_true(rebinds("allow@public"));
	assert_true(rebinds("allow@any"));

	mock_begin(&m, 1, 0x8180, "a.example", DNS_AAAA);
	mock_addr(&m, "a.example", 60, "::ffff:10.1.2.3");
	assert_true(rebinds("allow@public"));

	/* beside the answer it harms nobody: no resolver looks there */
	mock_begin(&m, 1, 0x8180, "a.example", DNS_A);
	mock_addr(&m, "a.example", 60, "8.8.8.8");
	mock_record(&m, DNS_ADDITIONAL, "ns.example", DNS_A, DNS_CLASS_IN, 1,
		    a.b, 4);
	assert_false(rebinds("allow@public"));
}

static void rules_for_addresses_open_them(void **state)
{
	(void)state;
	mock_begin(&m, 1, 0x8180, "a.example", DNS_A);
	mock_addr(&m, "a.example", 60, "10.1.2.3");
	assert_false(rebinds("allow@private"));
	assert_false(rebinds("allow@10.0.0.0/8"));
	assert_false(rebinds("allow@10.0.0.0/8:udp"));
	assert_true(rebinds("allow@10.0.0.0/8:tcp:443"));
	assert_true(rebinds("deny@10.1.0.0/16,allow@private"));
	assert_true(rebinds("allow:ingress@10.0.0.0/8"));
	assert_true(rebinds("allow@a.example"));
	assert_true(rebinds("allow@10.0.0.0/8:icmpv4"));
	/* every one of them */
	mock_addr(&m, "a.example", 60, "127.0.0.1");
	assert_true(rebinds("allow@private"));
	assert_false(rebinds("allow@private,allow@loopback"));
}

static void service_records(const void *params, size_t len)
{
	uint8_t data[256] = { 0, 1, 0 }; /* priority, root */

	memcpy(data + 3, params, len);
	mock_begin(&m, 1, 0x8180, "a.example", DNS_HTTPS);
	mock_record(&m, DNS_ANSWER, "a.example", DNS_HTTPS, DNS_CLASS_IN, 60,
		    data, 3 + len);
}

static void hints_of_services_count(void **state)
{
#define PARAMS(text) text, sizeof(text) - 1
	(void)state;
	service_records(PARAMS("\0\1\0\3\2h2\0\4\0\4\x8\x8\x8\x8"));
	assert_false(rebinds("allow@public"));
	service_records(PARAMS("\0\1\0\3\2h2\0\4\0\x8\x8\x8\x8\x8\x7f\0\0\1"));
	assert_true(rebinds("allow@public"));
	assert_false(rebinds("allow@loopback"));
	service_records(PARAMS("\0\6\0\20\xfc\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"));
	assert_true(rebinds("allow@public"));
	/* broken ones are broken for everybody */
	service_records(PARAMS("\0\4\0\xff\x7f\0\0\1"));
	assert_false(rebinds("allow@public"));
	service_records(PARAMS(""));
	assert_false(rebinds("allow@public"));
}

static size_t addresses(int family, uint32_t *ttl)
{
	static struct net_addr a[DNS_MAX_ADDRS];

	return dns_answer_addresses(m.b, m.len, family, a, ttl);
}

static void aliases_are_followed_in_any_order(void **state)
{
	uint32_t ttl;

	(void)state;
	mock_begin(&m, 1, 0x8180, "www.example", DNS_A);
	mock_addr(&m, "edge.cdn", 300, "8.8.8.8");
	mock_cname(&m, "pool.cdn", 20, "edge.cdn");
	mock_addr(&m, "EDGE.cdn", 200, "8.8.4.4");
	mock_cname(&m, "WWW.example", 3000, "pool.cdn");
	mock_addr(&m, "www.other", 1, "9.9.9.9");
	mock_addr(&m, "edge.cdn", 1, "2606:4700::1111");
	assert_int_equal(addresses(AF_INET, &ttl), 2);
	assert_int_equal(ttl, 20);
	assert_int_equal(addresses(AF_INET6, &ttl), 1);
	assert_int_equal(ttl, 1);
}

static void unrelated_owners_give_nothing(void **state)
{
	uint32_t ttl;

	(void)state;
	mock_begin(&m, 1, 0x8180, "www.example", DNS_A);
	mock_addr(&m, "evil.example", 60, "8.8.8.8");
	mock_cname(&m, "evil.example", 60, "www.example");
	assert_int_equal(addresses(AF_INET, &ttl), 0);
	assert_int_equal(ttl, 0);
	/* of a class that is not the Internet's */
	mock_begin(&m, 1, 0x8180, "www.example", DNS_A);
	mock_record(&m, DNS_ANSWER, "www.example", DNS_A, 3, 60, "\x8\x8\x8\x8",
		    4);
	assert_int_equal(addresses(AF_INET, &ttl), 0);
}

static void aliases_in_circles_end(void **state)
{
	uint32_t ttl;

	(void)state;
	mock_begin(&m, 1, 0x8180, "a.example", DNS_A);
	mock_cname(&m, "a.example", 60, "b.example");
	mock_cname(&m, "b.example", 60, "a.example");
	mock_addr(&m, "b.example", 60, "8.8.8.8");
	assert_int_equal(addresses(AF_INET, &ttl), 1);
}

static void chains_are_bounded(void **state)
{
	uint32_t ttl;

	(void)state;
	for (unsigned links = DNS_MAX_CHAIN; links <= DNS_MAX_CHAIN + 1;
	     links++) {
		char from[32], to[32];

		mock_begin(&m, 1, 0x8180, "n0.example", DNS_A);
		for (unsigned i = 0; i < links; i++) {
			(void)snprintf(from, sizeof(from), "n%u.example", i);
			(void)snprintf(to, sizeof(to), "n%u.example", i + 1);
			mock_cname(&m, from, 60, to);
		}
		mock_addr(&m, to, 60, "8.8.8.8");
		assert_int_equal(addresses(AF_INET, &ttl),
				 links == DNS_MAX_CHAIN);
	}
}

static void addresses_are_bounded(void **state)
{
	uint32_t ttl;

	(void)state;
	mock_begin(&m, 1, 0x8180, "a.example", DNS_A);
	for (int i = 0; i < 1000; i++)
		mock_addr(&m, "a.example", 60, "8.8.8.8");
	assert_int_equal(addresses(AF_INET, &ttl), DNS_MAX_ADDRS);
}

static void addresses_of_odd_length_break_an_answer(void **state)
{
	struct mock_msg q;

	(void)state;
	mock_begin(&q, 7, 0x0100, "a.example", DNS_A);
	mock_begin(&m, 7, 0x8180, "a.example", DNS_A);
	mock_addr(&m, "a.example", 60, "8.8.8.8");
	assert_int_equal(dns_answer_check(q.b, q.len, m.b, m.len), m.len);
	mock_record(&m, DNS_ANSWER, "a.example", DNS_A, DNS_CLASS_IN, 60,
		    "\1\2\3\4\5", 5);
	assert_int_equal(dns_answer_check(q.b, q.len, m.b, m.len), -EBADMSG);
	mock_begin(&m, 7, 0x8180, "a.example", DNS_A);
	mock_record(&m, DNS_ADDITIONAL, "a.example", DNS_AAAA, DNS_CLASS_IN, 60,
		    "\1\2\3\4", 4);
	assert_int_equal(dns_answer_check(q.b, q.len, m.b, m.len), -EBADMSG);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(inner_addresses_are_known),
		cmocka_unit_test(one_inner_address_spoils_an_answer),
		cmocka_unit_test(rules_for_addresses_open_them),
		cmocka_unit_test(hints_of_services_count),
		cmocka_unit_test(aliases_are_followed_in_any_order),
		cmocka_unit_test(unrelated_owners_give_nothing),
		cmocka_unit_test(aliases_in_circles_end),
		cmocka_unit_test(chains_are_bounded),
		cmocka_unit_test(addresses_are_bounded),
		cmocka_unit_test(addresses_of_odd_length_break_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
