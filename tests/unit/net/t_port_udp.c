/* SPDX-License-Identifier: Apache-2.0 */
/* Published UDP ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "port_bench.h"

/* --- datagrams --- */

static bool answer(uint16_t gateway_port, const char *src, const char *dst,
		   uint16_t sport, const void *data, size_t len)
{
	struct iovec iov[2] = { { (void *)(uintptr_t) "headers", 7 },
				{ (void *)(uintptr_t)data, len } };
	struct packet p = { .iov = iov,
			    .niov = 2,
			    .src = port_address(src),
			    .dst = port_address(dst),
			    .proto = IPPROTO_UDP,
			    .udp = { .sport = sport, .dport = gateway_port },
			    .payload_off = 7,
			    .payload_len = len };

	return ports_reply(t.n.ports, &p);
}

static bool answer4(uint16_t gateway_port, const char *text)
{
	return answer(gateway_port, "172.16.0.2", "172.16.0.1", SERVICE, text,
		      strlen(text));
}

static void expect_text(int fd, const char *text)
{
	char got[64] = { 0 };

	assert_int_equal(recv(fd, got, sizeof(got) - 1, 0), strlen(text));
	assert_string_equal(got, text);
}

static uint16_t say(int fd, const char *text)
{
	unsigned before = t.sent;

	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
	port_turn_until(&t.sent, before + 1);
	assert_int_equal(t.len, strlen(text));
	assert_memory_equal(t.data, text, t.len);
	assert_int_equal(t.udp_to.port, SERVICE);
	assert_in_range(t.udp_from.port, PORT_FIRST, UINT16_MAX);
	return t.udp_from.port;
}

static void t_udp(void **state)
{
	uint16_t one, two;
	int a, b;

	(void)state;
	port_choose(0, "127.0.0.1", 0, true);
	port_publish(1);
	a = port_reach(0, "127.0.0.1");
	b = port_reach(0, "127.0.0.1");
	one = say(a, "from a");
	assert_true(net_addr_equal(&t.udp_from.addr, &t.n.link_addr.gateway4));
	assert_true(net_addr_equal(&t.udp_to.addr, &t.n.link_addr.guest4));
	two = say(b, "from b");
	assert_int_not_equal(one, two);
	assert_int_equal(say(a, "a again"), one);
	assert_true(answer4(two, "to b"));
	assert_true(answer4(one, "to a"));
	expect_text(a, "to a");
	expect_text(b, "to b");
	/* not from the service, not to the gateway, not to a peer */
	assert_false(answer(one, "172.16.0.2", "172.16.0.1", 81, "x", 1));
	assert_false(answer(one, "172.16.0.2", "172.16.0.5", SERVICE, "x", 1));
	assert_false(answer(one, "172.16.0.3", "172.16.0.1", SERVICE, "x", 1));
	assert_false(answer4((uint16_t)(two + 1), "x"));
	assert_false(answer4(PORT_FIRST - 1, "x"));
	assert_int_equal(recv(a, t.data, 1, MSG_DONTWAIT), -1);
	assert_int_equal(t.judgements, 2); /* once for each peer */
	close(a);
	close(b);
}

/* Bound to all addresses, answers come from the one that was written to. */
static void t_udp_wildcard(void **state)
{
	uint16_t port;
	int a, b;

	(void)state;
	port_choose(0, "0.0.0.0", 0, true);
	port_choose(1, "::", 0, true);
	port_publish(2);
	a = port_reach(0, "127.1.2.3"); /* connected: takes no other answer */
	port = say(a, "hello");
	assert_true(answer4(port, "here"));
	expect_text(a, "here");
	b = port_reach(1, "::1");
	port = say(b, "hello");
	assert_true(net_addr_equal(&t.udp_to.addr, &t.n.link_addr.guest6));
	assert_true(net_addr_equal(&t.udp_from.addr, &t.n.link_addr.gateway6));
	assert_true(answer(port, "fd42:6d73:62::2", "fd42:6d73:62::1", SERVICE,
			   "six", 3));
	expect_text(b, "six");
	close(a);
	close(b);
}

static void t_udp_large(void **state)
{
	static uint8_t data[65507], got[65508];
	uint16_t port;
	int fd;

	(void)state;
	memset(data, 'd', sizeof(data));
	port_choose(0, "127.0.0.1", 0, true);
	port_publish(1);
	fd = port_reach(0, "127.0.0.1");
	assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
	port_turn_until(&t.sent, 1);
	assert_int_equal(t.len, sizeof(data));
	assert_memory_equal(t.data, data, sizeof(data));
	port = t.udp_from.port;
	assert_true(answer(port, "172.16.0.2", "172.16.0.1", SERVICE, data,
			   sizeof(data)));
	assert_int_equal(recv(fd, got, sizeof(got), 0), sizeof(data));
	assert_memory_equal(got, data, sizeof(data));
	/* and nothing at all is a datagram too */
	assert_int_equal(send(fd, data, 0, 0), 0);
	port_turn_until(&t.sent, 2);
	assert_int_equal(t.len, 0);
	assert_true(answer4(port, ""));
	assert_int_equal(recv(fd, got, sizeof(got), 0), 0);
	close(fd);
}

/* While the guest has no buffers, datagrams wait where they are. */
static void t_udp_no_room(void **state)
{
	int a, b;

	(void)state;
	port_choose(0, "127.0.0.1", 0, true);
	port_choose(1, "127.0.0.2", 0, true);
	port_publish(2);
	a = port_reach(0, "127.0.0.1");
	b = port_reach(1, "127.0.0.2");
	t.full = true;
	for (char c = 'a'; c < 'a' + 26; c++)
		assert_int_equal(send(a, &c, 1, 0), 1);
	assert_int_equal(loop_turn(t.n.loop, -1), 0);
	assert_int_equal(send(b, "b", 1, 0), 1);
	/* nobody is asked, and nobody asks again and again */
	assert_int_equal(t.n.ports->list[0].watch.events, 0);
	assert_int_equal(t.n.ports->list[1].watch.events, 0);
	ports_link_ready(t.n.ports);
	assert_int_equal(t.sent, 0);
	t.full = false;
	ports_link_ready(t.n.ports);
	assert_in_range(t.sent, 1, 25);
	assert_int_equal(t.data[0], 'a' + t.sent - 1);
	port_turn_until(&t.sent, 27);
	ports_link_ready(t.n.ports); /* nothing waits */
	assert_int_equal(t.sent, 27);
	/* what waits is gone with the device */
	t.full = true;
	assert_int_equal(send(a, "x", 1, 0), 1);
	assert_int_equal(loop_turn(t.n.loop, -1), 0);
	ports_stop(t.n.ports);
	t.full = false;
	assert_int_equal(ports_start(t.n.ports), 0);
	ports_link_ready(t.n.ports);
	assert_int_equal(t.sent, 27);
	(void)say(a, "again");
	close(a);
	close(b);
}

static void t_udp_denied(void **state)
{
	int a, b;

	(void)state;
	port_choose(0, "127.0.0.1", 0, true);
	port_publish(1);
	a = port_reach(0, "127.0.0.1");
	b = port_reach(0, "127.0.0.1");
	t.answer = POLICY_DENY;
	assert_int_equal(send(a, "x", 1, 0), 1);
	port_turn_until(&t.judgements, 1);
	assert_int_equal(t.judged.proto, POLICY_UDP);
	assert_int_equal(t.judged.direction, POLICY_INGRESS);
	assert_int_equal(t.sent, 0);
	/* who may enter is asked again where rules are about names */
	t.answer = POLICY_ALLOW;
	(void)say(b, "x");
	t.n.config.policy.has_names = true;
	t.answer = POLICY_DENY;
	assert_int_equal(send(b, "x", 1, 0), 1);
	port_turn_until(&t.judgements, 3);
	assert_int_equal(t.sent, 1);
	close(a);
	close(b);
}

/* One socket for each peer would take many: addresses of 127/8 do as well. */
static uint16_t from_peer(int fd, unsigned i)
{
	struct net_endpoint to = port_local_end(t.n.ports->list[0].fd);
	struct sockaddr_storage sa;
	socklen_t len = net_endpoint_to_sockaddr(&to, &sa);
	_Alignas(struct cmsghdr) uint8_t control[64] = { 0 };
	struct iovec iov = { (void *)(uintptr_t) "x", 1 };
	struct msghdr m = { .msg_name = &sa,
			    .msg_namelen = len,
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen =
				    CMSG_SPACE(sizeof(struct in_pktinfo)) };
	struct in_pktinfo from = { .ipi_spec_dst.s_addr =
					   htonl(0x7f010000u + i) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	unsigned before = t.judgements + t.sent;

	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(from));
	memcpy(CMSG_DATA(c), &from, sizeof(from));
	assert_int_equal(sendmsg(fd, &m, 0), 1);
	while (t.judgements + t.sent == before)
		assert_int_equal(loop_turn(t.n.loop, -1), 0);
	return t.udp_from.port;
}

enum { MANY = 1024 };

static void t_udp_full(void **state)
{
	bool used[PORT_COUNT] = { false };
	int fd = port_open_at("0.0.0.0", 0, SOCK_DGRAM, false);
	uint16_t port, answered;

	(void)state;
	port_choose(0, "127.0.0.1", 0, true);
	port_publish(1);
	answered = from_peer(fd, 0);
	assert_true(answer4(answered, "x"));
	for (unsigned i = 1; i < MANY; i++) {
		port = from_peer(fd, i);
		assert_false(used[port - PORT_FIRST]);
		used[port - PORT_FIRST] = true;
	}
	assert_int_equal(t.judgements, MANY);
	/* the first whom the guest did not answer makes room */
	(void)from_peer(fd, MANY);
	assert_int_equal(t.sent, MANY + 1);
	assert_int_equal(from_peer(fd, 0), answered);
	(void)from_peer(fd, 2);
	assert_int_equal(t.judgements, MANY + 1);
	(void)from_peer(fd, 1);
	assert_int_equal(t.judgements, MANY + 2);
	/* a flood does not end what there is with those who were answered */
	for (unsigned i = 0; i < 3 * MANY; i++)
		assert_false(from_peer(fd, 2 * MANY + i) == answered);
	assert_true(answer4(answered, "x"));
	close(fd);
}

/* When all were answered, the oldest of them makes room, and not the newest. */
static void t_udp_all_answered(void **state)
{
	int fd = port_open_at("0.0.0.0", 0, SOCK_DGRAM, false);
	uint16_t ports[2 * MANY];

	(void)state;
	port_choose(0, "127.0.0.1", 0, true);
	port_publish(1);
	for (unsigned i = 0; i < 2 * MANY; i++) {
		ports[i] = from_peer(fd, i);
		assert_true(answer4(ports[i], "x"));
	}
	for (unsigned i = 0; i < 2 * MANY; i++)
		assert_int_equal(answer4(ports[i], "x"), i >= MANY);
	close(fd);
}

static void t_udp_idle(void **state)
{
	int fd = port_open_at("0.0.0.0", 0, SOCK_DGRAM, false);
	uint16_t idle, busy;

	(void)state;
	port_choose(0, "127.0.0.1", 0, true);
	port_publish(1);
	idle = from_peer(fd, 0);
	busy = from_peer(fd, 1);
	t.skew_ms += 40000;
	assert_int_equal(loop_turn(t.n.loop, 0), 0);
	assert_true(answer4(busy, "x"));
	t.skew_ms += 20001;
	assert_int_equal(loop_turn(t.n.loop, 0), 0);
	assert_false(answer4(idle, "x"));
	assert_true(answer4(busy, "x"));
	assert_int_not_equal(from_peer(fd, 0), idle);
	assert_int_equal(from_peer(fd, 1), busy);
	/* all are forgotten with the guest's device */
	ports_stop(t.n.ports);
	assert_int_equal(ports_start(t.n.ports), 0);
	assert_false(answer4(busy, "x"));
	assert_int_not_equal(from_peer(fd, 1), busy);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_udp, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_udp_wildcard, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_udp_large, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_udp_no_room, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_udp_denied, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_udp_full, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_udp_all_answered, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_udp_idle, port_setup,
						port_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
