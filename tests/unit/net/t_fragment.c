/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams in fragments, out of the guest and into it. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "wire.h"

#define GUEST_PORT 4000

static struct wire w;
static uint8_t datagram[65536]; /* with its UDP header */
static uint8_t got[65536];

struct host {
	int fd;
	struct net_addr guest_view;
	uint16_t port;
};

static int start(void **state)
{
	(void)state;
	wire_open(&w, NULL, true);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	wire_close(&w);
	return 0;
}

static void host_open(struct host *h, int family)
{
	struct net_endpoint e = {
		.addr = wire_addr(family == AF_INET ? "127.0.0.1" : "::1"),
	};
	struct sockaddr_storage ss;
	socklen_t len = net_endpoint_to_sockaddr(&e, &ss);

	h->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(h->fd >= 0);
	assert_int_equal(bind(h->fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(getsockname(h->fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(net_endpoint_from_sockaddr(&ss, &e), 0);
	h->port = e.port;
	h->guest_view = family == AF_INET ? w.addr.gateway4 : w.addr.gateway6;
}

/* A datagram of len bytes in all. */
static void make(const struct host *h, size_t len)
{
	bool v4 = h->guest_view.family == AF_INET;

	for (size_t i = 8; i < len; i++)
		datagram[i] = (uint8_t)(i * 7 + i / 251);
	be16_put(datagram, GUEST_PORT);
	be16_put(datagram + 2, h->port);
	be16_put(datagram + 4, (uint16_t)len);
	be16_put(datagram + 6, 0);
	be16_put(datagram + 6,
		 wire_csum(datagram, len,
			   wire_pseudo(v4 ? &w.addr.guest4 : &w.addr.guest6,
				       &h->guest_view, IPPROTO_UDP, len)));
}

struct piece {
	size_t off, len;
	bool more;
};

static void give(const struct host *h, uint32_t ident, const struct piece *p,
		 size_t n)
{
	for (size_t i = 0; i < n; i++)
		wire_fragment(&w, &h->guest_view, IPPROTO_UDP, ident, p[i].off,
			      p[i].more, datagram + p[i].off, p[i].len);
}

static void expect(const struct host *h, size_t len)
{
	assert_int_equal(recv(h->fd, got, sizeof(got), MSG_DONTWAIT), len - 8);
	assert_memory_equal(got, datagram + 8, len - 8);
}

static void expect_nothing(const struct host *h)
{
	assert_true(recv(h->fd, got, sizeof(got), MSG_DONTWAIT) < 0);
}

static void pieces_in_any_order_make_a_datagram(void **state)
{
	static const struct piece forth[] = { { 0, 8, true },
					      { 8, 1000, true },
					      { 1008, 992, false } };
	static const struct piece back[] = { { 1008, 992, false },
					     { 8, 1000, true },
					     { 0, 8, true } };

	(void)state;
	for (int six = 0; six < 2; six++) {
		struct host h;

		host_open(&h, six ? AF_INET6 : AF_INET);
		make(&h, 2000);
		give(&h, 1, forth, ARRAY_SIZE(forth));
		expect(&h, 2000);
		give(&h, 2, back, ARRAY_SIZE(back));
		expect(&h, 2000);
		/* Two at a time, and an identifier used again. */
		give(&h, 3, forth, 2);
		give(&h, 1, back, 2);
		expect_nothing(&h);
		give(&h, 3, forth + 2, 1);
		expect(&h, 2000);
		give(&h, 1, back + 2, 1);
		expect(&h, 2000);
		close(h.fd);
	}
}

static void the_longest_datagram_fits(void **state)
{
	(void)state;
	for (int six = 0; six < 2; six++) {
		size_t len = six ? 65535 : 65515;
		struct host h;

		host_open(&h, six ? AF_INET6 : AF_INET);
		make(&h, len);
		for (size_t off = 0; off < len; off += 1448) {
			bool more = len - off > 1448;
			struct piece p = { off, more ? 1448 : len - off, more };

			give(&h, 7, &p, 1);
		}
		expect(&h, len);
		close(h.fd);
	}
}

/* Each is the end of a set that would else be complete. */
static void odd_pieces_discard_the_datagram(void **state)
{
	static const struct piece sets[][4] = {
		{ { 0, 16, true }, { 8, 8, true }, { 16, 84, false } },
		{ { 0, 16, true }, { 0, 16, true }, { 16, 84, false } },
		{ { 16, 84, false }, { 0, 24, true }, { 0, 16, true } },
		{ { 0, 8, true }, { 0, 16, true }, { 16, 84, false } },
		{ { 0, 16, true }, { 16, 0, true }, { 16, 84, false } },
		{ { 0, 16, true }, { 16, 12, true }, { 16, 84, false } },
		{ { 0, 4, true }, { 0, 16, true }, { 16, 84, false } },
		{ { 0, 16, true }, { 96, 8, false }, { 16, 84, false } },
		{ { 16, 84, false }, { 96, 8, true }, { 0, 16, true } },
		{ { 16, 84, false }, { 104, 8, true }, { 0, 16, true } },
		{ { 104, 8, true }, { 16, 84, false }, { 0, 16, true } },
		{ { 16, 84, false }, { 24, 8, false }, { 0, 16, true } },
	};

	(void)state;
	for (int six = 0; six < 2; six++) {
		struct host h;

		host_open(&h, six ? AF_INET6 : AF_INET);
		make(&h, 100);
		for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
			give(&h, (uint32_t)i, sets[i], 3);
			expect_nothing(&h);
		}
		/* Nor does the set come back to life. */
		give(&h, 0, sets[0] + 2, 1);
		give(&h, 0, sets[0], 1);
		expect_nothing(&h);
		close(h.fd);
	}
}

static void what_is_put_together_is_checked(void **state)
{
	static const struct piece halves[] = { { 0, 56, true },
					       { 56, 44, false } };
	struct host h, h6;

	(void)state;
	host_open(&h, AF_INET);
	host_open(&h6, AF_INET6);
	make(&h, 100);
	datagram[50] ^= 1; /* the sum is wrong */
	give(&h, 1, halves, 2);
	expect_nothing(&h);
	make(&h, 100);
	be16_put(datagram + 4, 101); /* longer than there is */
	be16_put(datagram + 6, 0);
	give(&h, 2, halves, 2);
	expect_nothing(&h);
	make(&h, 100);
	be16_put(datagram + 4, 7);
	be16_put(datagram + 6, 0);
	give(&h, 3, halves, 2);
	expect_nothing(&h);
	make(&h, 100);
	be16_put(datagram + 6, 0); /* allowed in IPv4 alone */
	give(&h, 4, halves, 2);
	expect(&h, 100);
	be16_put(datagram + 2, h6.port);
	give(&h6, 5, halves, 2);
	expect_nothing(&h6);
	close(h.fd);
	close(h6.fd);
}

static void only_datagrams_are_put_together(void **state)
{
	struct host h;

	(void)state;
	host_open(&h, AF_INET);
	make(&h, 100);
	wire_fragment(&w, &h.guest_view, IPPROTO_TCP, 1, 0, true, datagram, 56);
	wire_fragment(&w, &h.guest_view, IPPROTO_UDP, 1, 56, false,
		      datagram + 56, 44);
	expect_nothing(&h);
	close(h.fd);
}

static void unfinished_datagrams_are_bounded(void **state)
{
	static const struct piece halves[] = { { 0, 56, true },
					       { 56, 44, false } };
	struct host h;

	(void)state;
	host_open(&h, AF_INET);
	make(&h, 100);
	for (uint32_t i = 0; i < 1000; i++)
		give(&h, i, halves, 1);
	/* The oldest made room for the latest. */
	give(&h, 1000 - 65, halves + 1, 1);
	expect_nothing(&h);
	give(&h, 999, halves + 1, 1);
	expect(&h, 100);
	/* 128 pieces, and not one more. */
	make(&h, 8 * 128);
	for (size_t i = 0; i < 128; i++) {
		struct piece p = { i * 8, 8, i < 127 };

		give(&h, 2000, &p, 1);
	}
	expect(&h, 8 * 128);
	make(&h, 8 * 129);
	for (size_t i = 0; i < 129; i++) {
		struct piece p = { i * 8, 8, i < 128 };

		give(&h, 2001, &p, 1);
	}
	expect_nothing(&h);
	close(h.fd);
}

static void unfinished_datagrams_expire(void **state)
{
	static const struct piece halves[] = { { 0, 56, true },
					       { 56, 44, false } };
	struct host h;

	(void)state;
	host_open(&h, AF_INET);
	make(&h, 100);
	give(&h, 1, halves, 1);
	wire_advance(6000);
	wire_settle(&w);
	give(&h, 2, halves, 1);
	wire_advance(5000); /* the first has had its ten seconds */
	wire_settle(&w);
	give(&h, 1, halves + 1, 1);
	expect_nothing(&h);
	give(&h, 2, halves + 1, 1);
	expect(&h, 100);
	close(h.fd);
}

/* --- to the guest --- */

static void send_to_guest(const struct host *h, size_t len)
{
	struct wire_udp u = { .dst = h->guest_view,
			      .sport = GUEST_PORT,
			      .dport = h->port,
			      .data = "go",
			      .len = 2 };
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer);

	wire_udp(&w, &u);
	assert_int_equal(recvfrom(h->fd, got, sizeof(got), 0,
				  (struct sockaddr *)&peer, &peer_len),
			 2);
	assert_int_equal(sendto(h->fd, datagram + 8, len - 8, 0,
				(struct sockaddr *)&peer, peer_len),
			 len - 8);
}

static void take_fragments(const struct host *h, size_t len)
{
	size_t have = 0;
	uint32_t ident = 0;

	while (have < len) {
		const struct wire_frame *f = wire_next(&w);
		struct wire_view v;

		assert_non_null(f);
		assert_true(f->len <= 14 + WIRE_MTU);
		v = wire_view(f);
		assert_true(net_addr_equal(&v.src, &h->guest_view));
		assert_int_equal(v.proto, IPPROTO_UDP);
		assert_false(v.df);
		assert_int_equal(v.fragment_off, have);
		assert_int_equal(v.more, have + v.l4_len < len);
		if (v.more)
			assert_int_equal(v.l4_len % 8, 0);
		if (have)
			assert_int_equal(v.ident, ident);
		ident = v.ident;
		memcpy(got + have, v.l4, v.l4_len);
		have += v.l4_len;
	}
	assert_int_equal(have, len);
}

static void long_answers_come_in_fragments(void **state)
{
	(void)state;
	for (int six = 0; six < 2; six++) {
		static const size_t lengths[] = { 1481, 2000, 8200, 65515 };
		struct net_addr *guest = six ? &w.addr.guest6 : &w.addr.guest4;
		struct host h;

		host_open(&h, six ? AF_INET6 : AF_INET);
		for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
			size_t len = lengths[i];

			make(&h, len);
			send_to_guest(&h, len);
			take_fragments(&h, len);
			assert_int_equal(be16_get(got), h.port);
			assert_int_equal(be16_get(got + 2), GUEST_PORT);
			assert_int_equal(be16_get(got + 4), len);
			assert_int_equal(
				wire_csum(got, len,
					  wire_pseudo(&h.guest_view, guest,
						      IPPROTO_UDP, len)),
				0);
			assert_memory_equal(got + 8, datagram + 8, len - 8);
		}
		/* The longest that needs none. */
		make(&h, six ? 1460 : 1480);
		send_to_guest(&h, six ? 1460 : 1480);
		assert_int_equal(wire_next(&w)->len, 1514);
		assert_int_equal(w.count, w.taken);
		close(h.fd);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		T(pieces_in_any_order_make_a_datagram),
		T(the_longest_datagram_fits),
		T(odd_pieces_discard_the_datagram),
		T(what_is_put_together_is_checked),
		T(only_datagrams_are_put_together),
		T(unfinished_datagrams_are_bounded),
		T(unfinished_datagrams_expire),
		T(long_answers_come_in_fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
