/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Echo and errors of the path, in a namespace of its own with a small MTU, as
 * ping sockets are seldom allowed outside.
 */
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

#define SKIP 77
#define PATH_MTU 1300u

static struct wire w;
static uint8_t data[2000];

static int start(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 3);
	wire_open(&w, NULL, false);
	return 0;
}

static int start_ping4_only(void **state)
{
	(void)state;
	wire_open(&w,
		  "{\"policy\":{\"default_egress\":\"deny\",\"rules\":[{"
		  "\"direction\":\"egress\",\"destination\":\"any\","
		  "\"protocols\":[\"icmpv4\"],\"action\":\"allow\"}]}}",
		  false);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	wire_close(&w);
	return 0;
}

static void expect_reply(const struct net_addr *from, uint16_t id, uint16_t seq,
			 size_t len)
{
	const struct wire_frame *f = wire_next(&w);
	struct wire_view v;

	assert_non_null(f);
	v = wire_view(f);
	assert_true(net_addr_equal(&v.src, from));
	assert_int_equal(v.type, from->family == AF_INET ? 0 : 129);
	assert_int_equal(v.code, 0);
	assert_int_equal(v.word, (uint32_t)id << 16 | seq);
	assert_int_equal(v.payload_len, len);
	assert_memory_equal(v.payload, data, len);
}

static void the_gateway_answers_itself(void **state)
{
	(void)state;
	wire_echo(&w, &w.addr.gateway4, 7, 1, data, 57);
	expect_reply(&w.addr.gateway4, 7, 1, 57);
	wire_echo(&w, &w.addr.gateway6, 8, 2, data, 1452);
	expect_reply(&w.addr.gateway6, 8, 2, 1452);
	wire_echo(&w, &w.addr.gateway4, 7, 3, data, 0);
	expect_reply(&w.addr.gateway4, 7, 3, 0);
}

static void other_hosts_answer_through_ping_sockets(void **state)
{
	static const char *const peers[] = { "127.0.0.1", "127.0.0.2", "::1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		struct net_addr peer = wire_addr(peers[i]);

		/* Two programs at once. */
		wire_echo(&w, &peer, 0x1234, 1, data, 56);
		expect_reply(&peer, 0x1234, 1, 56);
		wire_echo(&w, &peer, 0x4321, 9, data, 1001);
		expect_reply(&peer, 0x4321, 9, 1001);
		wire_echo(&w, &peer, 0x1234, 2, data, 0);
		expect_reply(&peer, 0x1234, 2, 0);
	}
}

static void many_echoes_at_once_are_bounded(void **state)
{
	struct net_addr peer = wire_addr("127.0.0.1");

	(void)state;
	for (uint16_t id = 0; id < 300; id++) {
		wire_echo(&w, &peer, id, id, data, 8);
		expect_reply(&peer, id, id, 8);
	}
}

static void expect_error(const struct net_addr *from, uint8_t type,
			 uint8_t code, uint32_t word, uint8_t proto)
{
	const struct wire_frame *f = wire_next(&w);
	struct wire_view v;

	assert_non_null(f);
	v = wire_view(f);
	assert_true(net_addr_equal(&v.src, from));
	assert_int_equal(v.type, type);
	assert_int_equal(v.code, code);
	assert_int_equal(v.word, word);
	assert_true(f->len <= 14 + (type == 3 ? 576 : 1280));
	assert_int_equal(v.payload[v.src.family == AF_INET ? 9 : 6], proto);
}

static void a_denied_echo_is_prohibited(void **state)
{
	struct net_addr peer = wire_addr("::1");

	(void)state;
	wire_echo(&w, &peer, 7, 1, data, 56);
	expect_error(&w.addr.gateway6, 1, 1, 0, IPPROTO_ICMPV6);
	wire_echo(&w, &w.addr.gateway6, 7, 1, data, 56);
	expect_error(&w.addr.gateway6, 1, 1, 0, IPPROTO_ICMPV6);
	wire_echo(&w, &w.addr.gateway4, 7, 1, data, 56);
	expect_reply(&w.addr.gateway4, 7, 1, 56);
}

static void a_host_out_of_reach_is_told(void **state)
{
	struct net_addr peer = wire_addr("192.0.2.1"),
			peer6 = wire_addr("2001:db8::1");
	struct wire_udp u = { .sport = 1, .dport = 2, .data = data, .len = 9 };

	(void)state;
	wire_echo(&w, &peer, 7, 1, data, 56);
	expect_error(&w.addr.gateway4, 3, 0, 0, IPPROTO_ICMP);
	wire_echo(&w, &peer6, 7, 1, data, 56);
	expect_error(&w.addr.gateway6, 1, 0, 0, IPPROTO_ICMPV6);
	u.dst = peer;
	wire_udp(&w, &u);
	expect_error(&w.addr.gateway4, 3, 0, 0, IPPROTO_UDP);
	u.dst = peer6;
	wire_udp(&w, &u);
	expect_error(&w.addr.gateway6, 1, 0, 0, IPPROTO_UDP);
}

static void nowhere_and_everywhere_get_no_echo(void **state)
{
	struct net_addr nowhere = wire_addr("0.0.0.0");

	(void)state;
	wire_echo(&w, &nowhere, 7, 1, data, 56);
	expect_error(&w.addr.gateway4, 3, 13, 0, IPPROTO_ICMP);
	for (int i = 0; i < 2; i++) {
		struct net_addr all =
			wire_addr(i ? "ff02::1" : "255.255.255.255");

		wire_echo(&w, &all, 7, 1, data, 56);
	}
	wire_settle(&w);
	assert_int_equal(w.count, 1);
}

/* --- the path's MTU --- */

static int host_socket(const char *addr, uint16_t *port)
{
	struct net_endpoint e = { .addr = wire_addr(addr) };
	struct sockaddr_storage ss;
	socklen_t len = net_endpoint_to_sockaddr(&e, &ss);
	int fd = socket(e.addr.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(net_endpoint_from_sockaddr(&ss, &e), 0);
	*port = e.port;
	return fd;
}

static void expect_too_big(bool six, uint8_t proto)
{
	if (six)
		expect_error(&w.addr.gateway6, 2, 0, PATH_MTU, proto);
	else
		expect_error(&w.addr.gateway4, 3, 4, PATH_MTU, proto);
}

static void a_datagram_too_big_for_the_path_is_told(void **state)
{
	uint8_t got[2000];

	(void)state;
	for (int six = 0; six < 2; six++) {
		struct wire_udp u = { .sport = 1000, .data = data };
		int fd = host_socket(six ? "::1" : "127.0.0.1", &u.dport);

		u.dst = six ? w.addr.gateway6 : w.addr.gateway4;
		u.len = 1400;
		wire_udp(&w, &u);
		expect_too_big(six, IPPROTO_UDP);
		/* In a batch: those that are, some twice. */
		for (int i = 0; i < 6; i++) {
			u.len = i % 3 ? 1400 : 1200;
			wire_udp_more(&w, &u);
		}
		net_input_end(w.net);
		wire_settle(&w);
		assert_in_range(w.count - w.taken, 4, 8);
		while (w.taken < w.count)
			expect_too_big(six, IPPROTO_UDP);
		for (int i = 0; i < 2; i++)
			assert_int_equal(
				recv(fd, got, sizeof(got), MSG_DONTWAIT), 1200);
		assert_true(recv(fd, got, sizeof(got), MSG_DONTWAIT) < 0);
		close(fd);
	}
}

static void what_may_be_fragmented_passes(void **state)
{
	struct wire_udp u = {
		.sport = 1000, .data = data, .len = 1400, .may_fragment = true
	};
	uint8_t got[2000];
	int fd = host_socket("127.0.0.1", &u.dport);

	(void)state;
	u.dst = w.addr.gateway4;
	for (int i = 0; i < 3; i++)
		wire_udp_more(&w, &u);
	net_input_end(w.net);
	for (int i = 0; i < 3; i++)
		assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT),
				 1400);
	wire_settle(&w);
	assert_int_equal(w.count, 0);
	close(fd);
}

static void an_echo_too_big_for_the_path_is_told(void **state)
{
	struct net_addr peer = wire_addr("127.0.0.1"), peer6 = wire_addr("::1");

	(void)state;
	wire_echo(&w, &peer, 5, 1, data, 1400);
	expect_too_big(false, IPPROTO_ICMP);
	wire_echo(&w, &peer6, 5, 1, data, 1400);
	expect_too_big(true, IPPROTO_ICMPV6);
	wire_echo(&w, &peer, 5, 2, data, 1200);
	expect_reply(&peer, 5, 2, 1200);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		T(the_gateway_answers_itself),
		T(other_hosts_answer_through_ping_sockets),
		T(many_echoes_at_once_are_bounded),
		cmocka_unit_test_setup_teardown(a_denied_echo_is_prohibited,
						start_ping4_only, stop),
		T(a_host_out_of_reach_is_told),
		T(nowhere_and_everywhere_get_no_echo),
		T(a_datagram_too_big_for_the_path_is_told),
		T(what_may_be_fragmented_passes),
		T(an_echo_too_big_for_the_path_is_told),
	};

	if (!wire_namespace(PATH_MTU))
		return SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
