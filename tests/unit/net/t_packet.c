/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the guest: what is read from them, and what is not believed. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "net/frame.h"

static const struct net_addresses link_addr = {
	.guest_mac = { 2, 0, 0, 0, 0, 2 },
	.gateway_mac = { 2, 0, 0, 0, 0, 1 },
};
static const struct net_addr a4 = { AF_INET, { 172, 16, 0, 2 } };
static const struct net_addr b4 = { AF_INET, { 192, 0, 2, 1 } };
static const struct net_addr a6 = { AF_INET6, { 0xfd, [15] = 2 } };
static const struct net_addr b6 = { AF_INET6, { 0x20, 1, [15] = 9 } };
static const struct net_offload none;

static int parse(const uint8_t *p, size_t len, const struct net_offload *o,
		 struct packet *ret)
{
	static struct iovec iov;

	iov = (struct iovec){ (void *)p, len };
	return packet_parse(&iov, 1, o, ret);
}

/* A TCP SYN with options and data; its length. */
static size_t make_syn(uint8_t *p, bool six)
{
	const struct net_addr *a = six ? &a6 : &a4, *b = six ? &b6 : &b4;
	size_t l4 = TCP_HEADER + 12 + 3;
	size_t off =
		frame_ip_header(p, &link_addr, a, b, IPPROTO_TCP, l4, true);
	uint8_t *h = p + off;
	uint16_t sum;

	memset(h, 0, l4);
	be16_put(h, 1234);
	be16_put(h + 2, 443);
	be32_put(h + 4, 0x01020304);
	be32_put(h + 8, 0x05060708);
	h[12] = (TCP_HEADER + 12) / 4 << 4;
	h[13] = TH_SYN;
	be16_put(h + 14, 4000);
	be32_put(h + 20, 0x01020405); /* NOP, MSS 1400 */
	be32_put(h + 24, 0x78030320); /* scale: 32, which is too much */
	memcpy(h + 32, "xyz", 3);
	sum = csum_fold(csum_bytes(
		h, l4, csum_pseudo(a, b, IPPROTO_TCP, (uint32_t)l4)));
	memcpy(h + 16, &sum, sizeof(sum));
	return off + l4;
}

static void t_tcp(void **state)
{
	(void)state;
	for (int six = 0; six < 2; six++) {
		uint8_t f[128];
		struct packet p;
		size_t len = make_syn(f, six);

		assert_int_equal(parse(f, len, &none, &p), 0);
		assert_true(net_addr_equal(&p.src, six ? &a6 : &a4));
		assert_true(net_addr_equal(&p.dst, six ? &b6 : &b4));
		assert_int_equal(p.proto, IPPROTO_TCP);
		assert_int_equal(p.hop_limit, FRAME_HOP_LIMIT);
		assert_int_equal(p.tcp.sport, 1234);
		assert_int_equal(p.tcp.dport, 443);
		assert_int_equal(p.tcp.seq, 0x01020304);
		assert_int_equal(p.tcp.ack, 0x05060708);
		assert_int_equal(p.tcp.flags, TH_SYN);
		assert_int_equal(p.tcp.window, 4000);
		assert_int_equal(p.tcp.mss, 0x578);
		assert_int_equal(p.tcp.wscale, 14);
		assert_int_equal(p.payload_len, 3);
		assert_memory_equal(f + p.payload_off, "xyz", 3);
		/* padding of short frames is no payload */
		memset(f + len, 0xee, 5);
		assert_int_equal(parse(f, len + 5, &none, &p), 0);
		assert_int_equal(p.payload_len, 3);
	}
}

static void t_cut(void **state)
{
	(void)state;
	for (int six = 0; six < 2; six++) {
		uint8_t f[128];
		struct packet p;
		size_t len = make_syn(f, six);

		for (size_t n = 0; n < len; n++)
			assert_int_equal(parse(f, n, &none, &p), -EBADMSG);
	}
}

/* Every bit that is flipped behind the addresses of Ethernet is noticed, but
 * for those that no sum covers. */
static void t_flipped(void **state)
{
	uint8_t f[128];
	struct packet p;
	size_t len = make_syn(f, false);

	(void)state;
	for (size_t i = 8 * ETH_HEADER; i < 8 * len; i++) {
		f[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_not_equal(parse(f, len, &none, &p), 0);
		f[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(parse(f, len, &none, &p), 0);
}

static void t_offload(void **state)
{
	struct net_offload o = { .needs_csum = true,
				 .csum_start = ETH_HEADER + IP4_HEADER,
				 .csum_offset = 16 };
	uint8_t f[128];
	struct packet p;
	size_t len = make_syn(f, false);

	(void)state;
	f[ETH_HEADER + IP4_HEADER + 16] ^= 1; /* not a sum yet */
	assert_int_equal(parse(f, len, &o, &p), 0);
	o.csum_offset = 6;
	assert_int_equal(parse(f, len, &o, &p), -EBADMSG);
	o.csum_offset = 16;
	o.csum_start += 20;
	assert_int_equal(parse(f, len, &o, &p), -EBADMSG);
}

static void fix_ip4(uint8_t *f)
{
	uint16_t sum;

	memset(f + ETH_HEADER + 10, 0, 2);
	sum = csum_fold(csum_bytes(f + ETH_HEADER, IP4_HEADER, 0));
	memcpy(f + ETH_HEADER + 10, &sum, sizeof(sum));
}

static void t_fragments(void **state)
{
	uint8_t f[128] = { 0 };
	struct packet p;
	size_t off;

	(void)state;
	off = frame_ip_header(f, &link_addr, &a4, &b4, IPPROTO_UDP, 16, false);
	be16_put(f + ETH_HEADER + 4, 77);
	be16_put(f + ETH_HEADER + 6, 0x2003);
	fix_ip4(f);
	assert_int_equal(parse(f, off + 16, &none, &p), 0);
	assert_true(p.fragment && p.more_fragments);
	assert_int_equal(p.fragment_off, 24);
	assert_int_equal(p.fragment_id, 77);
	assert_int_equal(p.payload_len, 16);
	off = frame_ip_header(f, &link_addr, &a6, &b6, IPPROTO_FRAGMENT, 24,
			      false);
	memcpy(f + off, "\x11\0\0\x10\0\0\0\x4d", 8);
	assert_int_equal(parse(f, off + 24, &none, &p), 0);
	assert_true(p.fragment && !p.more_fragments);
	assert_int_equal(p.fragment_off, 16);
	assert_int_equal(p.proto, IPPROTO_UDP);
	assert_int_equal(p.payload_len, 16);
	f[off + 3] |= 2; /* reserved */
	assert_int_equal(parse(f, off + 24, &none, &p), -EBADMSG);
}

/* At most four extension headers, none of which may lead beyond the packet. */
static void t_extensions(void **state)
{
	uint8_t f[256] = { 0 };
	struct packet p;

	(void)state;
	for (unsigned n = 0; n < 6; n++) {
		size_t l4 = n * 8 + UDP_HEADER;
		size_t off = frame_ip_header(f, &link_addr, &a6, &b6,
					     n ? IPPROTO_DSTOPTS : IPPROTO_UDP,
					     l4, false);
		uint16_t sum;
		uint8_t *h = f + off + (size_t)n * 8;

		for (unsigned i = 0; i < n; i++) {
			memset(f + off + (size_t)i * 8, 0, 8);
			f[off + (size_t)i * 8] =
				i + 1 < n ? IPPROTO_DSTOPTS : IPPROTO_UDP;
		}
		memcpy(h, "\0\1\0\2\0\x8\0\0", 8);
		sum = csum_fold(csum_bytes(
			h, 8, csum_pseudo(&a6, &b6, IPPROTO_UDP, 8)));
		memcpy(h + 6, &sum, sizeof(sum));
		assert_int_equal(parse(f, off + l4, &none, &p),
				 n <= 4 ? 0 : -EPROTONOSUPPORT);
		if (!n)
			continue;
		f[off + 1] = 200;
		assert_int_equal(parse(f, off + l4, &none, &p), -EBADMSG);
	}
}

/* However memory is cut, the sum is the same. */
static void t_sums(void **state)
{
	uint8_t data[61];
	uint16_t whole;

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37 + 200);
	whole = csum_fold(csum_bytes(data, sizeof(data), 5));
	for (size_t a = 0; a <= sizeof(data); a++) {
		for (size_t b = a; b <= sizeof(data); b++) {
			const struct iovec iov[] = {
				{ data, a },
				{ data + a, b - a },
				{ data + b, sizeof(data) - b },
			};
			uint32_t sum = csum_iov(iov, 3, 0, sizeof(data), 5);

			assert_int_equal(csum_fold(sum), whole);
			assert_int_equal(
				csum_fold(csum_iov(iov, 3, a, b - a, 0)),
				csum_fold(csum_bytes(data + a, b - a, 0)));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_tcp),       cmocka_unit_test(t_cut),
		cmocka_unit_test(t_flipped),   cmocka_unit_test(t_offload),
		cmocka_unit_test(t_fragments), cmocka_unit_test(t_extensions),
		cmocka_unit_test(t_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
