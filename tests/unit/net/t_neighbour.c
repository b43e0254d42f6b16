/* SPDX-License-Identifier: Apache-2.0 */
/* ARP and neighbour discovery for the gateway, and for nobody else. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "wire.h"

#define ETH 14u
#define ARP 28u

static struct wire w;

static int start(void **state)
{
	(void)state;
	wire_open(&w, NULL, false);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	wire_close(&w);
	return 0;
}

static void arp(uint8_t *frame, const char *sender, const char *target)
{
	static const uint8_t head[] = { 0, 1, 8, 0, 6, 4, 0, 1 };
	struct net_addr from = wire_addr(sender), to = wire_addr(target);

	memset(frame, 0xff, 6);
	memcpy(frame + 6, w.addr.guest_mac, 6);
	be16_put(frame + 12, 0x0806);
	memcpy(frame + ETH, head, sizeof(head));
	memcpy(frame + ETH + 8, w.addr.guest_mac, 6);
	memcpy(frame + ETH + 14, from.b, 4);
	memset(frame + ETH + 18, 0, 6);
	memcpy(frame + ETH + 24, to.b, 4);
}

static void arp_asks(const char *sender, const char *target, bool answered)
{
	uint8_t frame[ETH + ARP];
	const struct wire_frame *f;
	struct net_addr from = wire_addr(sender);
	unsigned before = w.count;

	arp(frame, sender, target);
	wire_input(&w, frame, sizeof(frame));
	net_input_end(w.net);
	assert_int_equal(w.count, before + answered);
	if (!answered)
		return;
	f = wire_next(&w);
	assert_int_equal(f->len, ETH + ARP);
	assert_memory_equal(f->data, w.addr.guest_mac, 6);
	assert_memory_equal(f->data + 6, w.addr.gateway_mac, 6);
	assert_int_equal(be16_get(f->data + ETH + 6), 2);
	assert_memory_equal(f->data + ETH + 8, w.addr.gateway_mac, 6);
	assert_memory_equal(f->data + ETH + 14, w.addr.gateway4.b, 4);
	assert_memory_equal(f->data + ETH + 18, w.addr.guest_mac, 6);
	assert_memory_equal(f->data + ETH + 24, from.b, 4);
}

static void arp_is_answered_for_the_gateway_alone(void **state)
{
	(void)state;
	arp_asks("172.16.0.2", "172.16.0.1", true);
	arp_asks("0.0.0.0", "172.16.0.1", true); /* it is taken */
	arp_asks("0.0.0.0", "172.16.0.2", false);
	arp_asks("172.16.0.2", "172.16.0.2", false);
	arp_asks("172.16.0.2", "172.16.0.3", false);
}

static void odd_arp_is_ignored(void **state)
{
	uint8_t good[ETH + ARP], frame[ETH + ARP];

	(void)state;
	arp(good, "172.16.0.2", "172.16.0.1");
	for (unsigned i = ETH; i < ETH + 8; i++) {
		memcpy(frame, good, sizeof(good));
		frame[i] ^= 4;
		wire_input(&w, frame, sizeof(frame));
	}
	for (size_t len = 0; len < sizeof(good); len++)
		wire_input(&w, good, len);
	net_input_end(w.net);
	assert_int_equal(w.count, 0);
}

struct solicit {
	const char *src, *dst, *target;
	uint8_t hop_limit, code, option, option_len;
	size_t len; /* from the ICMP header on */
};

static void solicit(const struct solicit *s)
{
	uint8_t frame[ETH + 40 + 64] = { 0 };
	struct net_addr src = wire_addr(s->src), dst = wire_addr(s->dst),
			target = wire_addr(s->target);
	size_t at = wire_ip(&w, frame, &dst, IPPROTO_ICMPV6, s->len);
	uint8_t *nd = frame + at;

	memcpy(frame + ETH + 8, src.b, 16);
	frame[ETH + 7] = s->hop_limit;
	nd[0] = 135;
	nd[1] = s->code;
	memcpy(nd + 8, target.b, 16);
	nd[24] = s->option;
	nd[25] = s->option_len;
	be16_put(nd + 2,
		 wire_csum(nd, s->len,
			   wire_pseudo(&src, &dst, IPPROTO_ICMPV6, s->len)));
	wire_input(&w, frame, at + s->len);
	net_input_end(w.net);
}

#define GUEST "fd42:6d73:62::2"
#define GATEWAY "fd42:6d73:62::1"
#define NODE "ff02::1:ff00:1"

static const struct solicit good_solicit = { GUEST, NODE, GATEWAY, 255,
					     0,	    1,	  1,	   32 };
static const struct solicit good_probe = { "::", NODE, GATEWAY, 255,
					   0,	 14,   1,	32 };

static void expect_advert(const char *dst, uint8_t flags)
{
	const struct wire_frame *f = wire_next(&w);
	struct net_addr to = wire_addr(dst);
	struct wire_view v;

	assert_non_null(f);
	v = wire_view(f);
	assert_true(net_addr_equal(&v.src, &w.addr.gateway6));
	assert_true(net_addr_equal(&v.dst, &to));
	assert_int_equal(v.hop_limit, 255);
	assert_int_equal(v.type, 136);
	assert_int_equal(v.l4_len, 32);
	assert_int_equal(v.word >> 24, flags);
	assert_memory_equal(v.l4 + 8, w.addr.gateway6.b, 16);
	assert_int_equal(v.l4[24], 2);
	assert_int_equal(v.l4[25], 1);
	assert_memory_equal(v.l4 + 26, w.addr.gateway_mac, 6);
}

static void a_solicitation_for_the_gateway_is_answered(void **state)
{
	struct solicit s = good_solicit;

	(void)state;
	solicit(&s);
	expect_advert(GUEST, 0xe0);
	s.dst = GATEWAY; /* is it still there? */
	solicit(&s);
	expect_advert(GUEST, 0xe0);
	s.src = "fe80::1234";
	s.len = 24;
	solicit(&s);
	expect_advert("fe80::1234", 0xe0);
}

static void the_gateway_defends_its_address(void **state)
{
	(void)state;
	solicit(&good_probe);
	expect_advert("ff02::1", 0xa0);
	assert_memory_equal(w.frames[0].data, "\x33\x33\0\0\0\1", 6);
}

static void the_guest_finds_no_duplicate_of_its_own(void **state)
{
	struct solicit s = good_probe;

	(void)state;
	s.dst = "ff02::1:ff00:2";
	s.target = GUEST;
	solicit(&s);
	s.dst = "ff02::1:ff00:1234";
	s.target = "fe80::1234";
	solicit(&s);
	assert_int_equal(w.count, 0);
}

static void odd_solicitations_are_ignored(void **state)
{
	struct solicit s;

	(void)state;
#define WITH(base, ...)                                                        \
	do {                                                                   \
		s = base;                                                      \
		__VA_ARGS__;                                                   \
		solicit(&s);                                                   \
		assert_int_equal(w.count, 0);                                  \
	} while (0)
	WITH(good_solicit, s.hop_limit = 254);
	WITH(good_solicit, s.code = 1);
	WITH(good_solicit, s.option_len = 0);
	WITH(good_solicit, s.option_len = 2);
	WITH(good_solicit, s.len = 23);
	WITH(good_solicit, s.len = 28);
	WITH(good_solicit, s.target = "fd42:6d73:62::3");
	WITH(good_probe, s.option = 1);
	WITH(good_probe, s.dst = GATEWAY);
	WITH(good_probe, s.dst = "ff02::1");
#undef WITH
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		T(arp_is_answered_for_the_gateway_alone),
		T(odd_arp_is_ignored),
		T(a_solicitation_for_the_gateway_is_answered),
		T(the_gateway_defends_its_address),
		T(the_guest_finds_no_duplicate_of_its_own),
		T(odd_solicitations_are_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
