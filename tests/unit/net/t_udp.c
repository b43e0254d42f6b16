/* SPDX-License-Identifier: Apache-2.0 */
/* Datagram flows between frames of the guest and sockets of this host. */
#include <netinet/in.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "net/net_int.h"
#include "wire.h"

#define GUEST_PORT 4000
#define FLOWS 256u
#define BURST 50u

static struct wire w;

/* A socket of the host on its loopback, and what the guest calls it. */
struct host {
	int fd;
	struct net_addr guest_view;
	uint16_t port;
	struct sockaddr_storage peer; /* who sent last */
	socklen_t peer_len;
};

static void host_open(struct host *h, int family)
{
	struct net_endpoint e = {
		.addr = wire_addr(family == AF_INET ? "127.0.0.1" : "::1"),
	};
	struct timeval limit = { .tv_sec = 5 };
	int room = 200000; /* for what is not read at once */
	struct sockaddr_storage ss;
	socklen_t len = net_endpoint_to_sockaddr(&e, &ss);

	h->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(h->fd >= 0);
	assert_int_equal(bind(h->fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(getsockname(h->fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(setsockopt(h->fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
				    sizeof(limit)),
			 0);
	assert_int_equal(
		setsockopt(h->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)),
		0);
	assert_int_equal(net_endpoint_from_sockaddr(&ss, &e), 0);
	h->port = e.port;
	h->guest_view = family == AF_INET ? w.addr.gateway4 : w.addr.gateway6;
}

static ssize_t host_recv(struct host *h, void *buf, size_t len)
{
	h->peer_len = sizeof(h->peer);
	return recvfrom(h->fd, buf, len, 0, (struct sockaddr *)&h->peer,
			&h->peer_len);
}

static void host_send(const struct host *h, const void *data, size_t len)
{
	assert_int_equal(sendto(h->fd, data, len, 0,
				(const struct sockaddr *)&h->peer, h->peer_len),
			 len);
}

static bool host_is_empty(const struct host *h)
{
	char c;

	return recv(h->fd, &c, 1, MSG_DONTWAIT) < 0;
}

static void guest_send(const struct host *h, uint16_t sport, const void *data,
		       size_t len)
{
	struct wire_udp u = { .dst = h->guest_view,
			      .sport = sport,
			      .dport = h->port,
			      .data = data,
			      .len = len };

	wire_udp(&w, &u);
}

static void expect_from(const struct host *h, const void *data, size_t len)
{
	const struct wire_frame *f = wire_next(&w);
	struct wire_view v;

	assert_non_null(f);
	v = wire_view(f);
	assert_true(net_addr_equal(&v.src, &h->guest_view));
	assert_true(net_addr_equal(&v.dst, v.src.family == AF_INET
						   ? &w.addr.guest4
						   : &w.addr.guest6));
	assert_int_equal(v.proto, IPPROTO_UDP);
	assert_int_equal(v.sport, h->port);
	assert_int_equal(v.dport, GUEST_PORT);
	assert_int_equal(v.payload_len, len);
	assert_memory_equal(v.payload, data, len);
}

static uint64_t flows(void)
{
	struct net_stats s;

	net_stats_get(w.net, &s);
	return s.udp_flows;
}

static int start(void **state)
{
	wire_open(&w, NULL, *state != NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	wire_close(&w);
	return 0;
}

static void round_trip(int family)
{
	char buf[64];
	struct host h;

	host_open(&h, family);
	guest_send(&h, GUEST_PORT, "question", 8);
	assert_int_equal(host_recv(&h, buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "question", 8);
	host_send(&h, "answers", 7); /* of odd length */
	expect_from(&h, "answers", 7);
	guest_send(&h, GUEST_PORT, NULL, 0);
	assert_int_equal(host_recv(&h, buf, sizeof(buf)), 0);
	host_send(&h, NULL, 0);
	expect_from(&h, "", 0);
	assert_int_equal(flows(), 1);
	close(h.fd);
}

static void datagrams_go_both_ways(void **state)
{
	(void)state;
	round_trip(AF_INET);
}

static void datagrams_go_both_ways_over_ipv6(void **state)
{
	(void)state;
	round_trip(AF_INET6);
}

static void a_datagram_without_checksum_is_taken(void **state)
{
	struct wire_udp u = {
		.sport = GUEST_PORT, .data = "x", .len = 1, .no_csum = true
	};
	struct host h, h6;
	char c;

	(void)state;
	host_open(&h, AF_INET);
	host_open(&h6, AF_INET6);
	u.dst = h6.guest_view; /* but not over IPv6 */
	u.dport = h6.port;
	wire_udp(&w, &u);
	u.dst = h.guest_view;
	u.dport = h.port;
	wire_udp(&w, &u);
	assert_int_equal(host_recv(&h, &c, 1), 1);
	assert_true(host_is_empty(&h6));
	close(h.fd);
	close(h6.fd);
}

/* Lengths that can be segments of one message, and such that cannot. */
static void a_batch_arrives_whole_and_in_order(void **state)
{
	static const size_t lengths[] = { 700,	700, 700,  64, 64, 0, 64, 1400,
					  1400, 1,   1400, 3,  3,  3, 2,  3 };
	struct host h, other;
	struct wire_udp u = { .sport = GUEST_PORT };
	uint8_t data[1400], got[2000];

	(void)state;
	host_open(&h, AF_INET);
	host_open(&other, AF_INET);
	for (unsigned i = 0; i < 200; i++) {
		memset(data, (int)i, sizeof(data));
		u.data = data;
		u.len = lengths[i % ARRAY_SIZE(lengths)];
		u.dst = h.guest_view;
		u.dport = i % 3 ? h.port : other.port;
		u.may_fragment = i % 50 > 40;
		wire_udp_more(&w, &u);
	}
	net_input_end(w.net);
	for (unsigned i = 0; i < 200; i++) {
		size_t len = lengths[i % ARRAY_SIZE(lengths)];

		memset(data, (int)i, sizeof(data));
		assert_int_equal(
			host_recv(i % 3 ? &h : &other, got, sizeof(got)), len);
		assert_memory_equal(got, data, len);
	}
	assert_true(host_is_empty(&h));
	assert_true(host_is_empty(&other));
	close(h.fd);
	close(other.fd);
}

static void the_guest_is_told_once_of_a_batch(void **state)
{
	struct host h;
	char buf[8];

	(void)state;
	host_open(&h, AF_INET);
	guest_send(&h, GUEST_PORT, "go", 2);
	assert_int_equal(host_recv(&h, buf, sizeof(buf)), 2);
	for (unsigned i = 0; i < 20; i++)
		host_send(&h, &i, sizeof(i));
	w.flushes = 0;
	assert_int_equal(loop_turn(w.loop, 5000), 0);
	assert_int_equal(w.count, 20);
	assert_int_equal(w.flushes, 1);
	for (unsigned i = 0; i < 20; i++)
		expect_from(&h, &i, sizeof(i));
	close(h.fd);
}

static void nothing_is_lost_while_the_guest_has_no_room(void **state)
{
	struct host h, other;
	char buf[8];

	(void)state;
	host_open(&h, AF_INET);
	host_open(&other, AF_INET);
	guest_send(&h, GUEST_PORT, "go", 2);
	guest_send(&other, GUEST_PORT, "go", 2);
	assert_int_equal(host_recv(&h, buf, sizeof(buf)), 2);
	assert_int_equal(host_recv(&other, buf, sizeof(buf)), 2);
	for (unsigned i = 0; i < 100; i++)
		host_send(&h, &i, sizeof(i));
	w.room = 10;
	wire_settle(&w);
	assert_int_equal(w.count, 10);
	host_send(&other, "later", 5);
	wire_settle(&w);
	w.room = 50;
	net_link_ready(w.net);
	wire_settle(&w);
	assert_int_equal(w.count, 60);
	w.room = 400;
	net_link_ready(w.net);
	for (unsigned i = 0; i < 60; i++)
		expect_from(&h, &i, sizeof(i));
	wire_settle(&w);
	assert_int_equal(w.count, 101);
	close(h.fd);
	close(other.fd);
}

static void a_flow_may_end_while_the_guest_has_no_room(void **state)
{
	struct host h;
	char buf[8];

	(void)state;
	host_open(&h, AF_INET);
	guest_send(&h, GUEST_PORT, "go", 2);
	assert_int_equal(host_recv(&h, buf, sizeof(buf)), 2);
	for (unsigned i = 0; i < 100; i++)
		host_send(&h, &i, sizeof(i));
	w.room = 0;
	wire_settle(&w);
	for (unsigned i = 1; i <= FLOWS; i++)
		guest_send(&h, (uint16_t)(10000 + i), "new", 3);
	assert_int_equal(flows(), FLOWS);
	w.room = 400;
	net_link_ready(w.net);
	wire_settle(&w);
	assert_int_equal(w.count, 0);
	close(h.fd);
}

static void only_the_peer_may_answer(void **state)
{
	struct host h, stranger;
	char buf[8];

	(void)state;
	host_open(&h, AF_INET);
	host_open(&stranger, AF_INET);
	guest_send(&h, GUEST_PORT, "go", 2);
	assert_int_equal(host_recv(&h, buf, sizeof(buf)), 2);
	stranger.peer = h.peer;
	stranger.peer_len = h.peer_len;
	(void)sendto(stranger.fd, "evil", 4, 0, (struct sockaddr *)&h.peer,
		     h.peer_len);
	host_send(&h, "good", 4);
	expect_from(&h, "good", 4);
	wire_settle(&w);
	assert_int_equal(w.count, 1);
	close(h.fd);
	close(stranger.fd);
}

static void expect_unreachable(const struct net_addr *from, uint8_t type,
			       uint8_t code, uint16_t dport)
{
	const struct wire_frame *f = wire_next(&w);
	struct wire_view v;
	size_t ip;

	assert_non_null(f);
	v = wire_view(f);
	assert_true(net_addr_equal(&v.src, from));
	assert_int_equal(v.type, type);
	assert_int_equal(v.code, code);
	ip = v.src.family == AF_INET ? 20 : 40;
	assert_int_equal(v.payload_len, ip + 8 + 5);
	assert_int_equal(be16_get(v.payload + ip), GUEST_PORT);
	assert_int_equal(be16_get(v.payload + ip + 2), dport);
	assert_int_equal(be16_get(v.payload + ip + 4), 8 + 5);
	assert_memory_equal(v.payload + ip + 8, "knock", 5);
}

static void a_closed_port_is_unreachable(void **state)
{
	struct host h, again;
	char buf[8];

	(void)state;
	for (int six = 0; six < 2; six++) {
		host_open(&h, six ? AF_INET6 : AF_INET);
		close(h.fd);
		guest_send(&h, GUEST_PORT, "knock", 5);
		expect_unreachable(&h.guest_view, six ? 1 : 3, six ? 4 : 3,
				   h.port);
		/* The flow is none the worse for it. */
		guest_send(&h, GUEST_PORT, "knock", 5);
		guest_send(&h, GUEST_PORT, "knock", 5);
		expect_unreachable(&h.guest_view, six ? 1 : 3, six ? 4 : 3,
				   h.port);
		wire_settle(&w);
		w.taken = w.count;
		host_open(&again, six ? AF_INET6 : AF_INET);
		guest_send(&again, GUEST_PORT, "hello", 5);
		assert_int_equal(host_recv(&again, buf, sizeof(buf)), 5);
		close(again.fd);
	}
}

static void the_longest_unused_flow_makes_room(void **state)
{
	struct host h;
	char buf[8];

	(void)state;
	host_open(&h, AF_INET);
	for (unsigned i = 0; i < FLOWS + 40; i++) {
		guest_send(&h, (uint16_t)(2000 + i), "hello", 5);
		assert_int_equal(host_recv(&h, buf, sizeof(buf)), 5);
	}
	assert_int_equal(flows(), FLOWS);
	/* Many new ones in one batch: each still gets its datagram. */
	for (unsigned i = 0; i < FLOWS + 40; i++) {
		struct wire_udp u = { .dst = h.guest_view,
				      .sport = (uint16_t)(6000 + i),
				      .dport = h.port,
				      .data = &i,
				      .len = sizeof(i) };

		wire_udp_more(&w, &u);
	}
	net_input_end(w.net);
	for (unsigned i = 0; i < FLOWS + 40; i++)
		assert_int_equal(host_recv(&h, buf, sizeof(buf)), sizeof(i));
	assert_int_equal(flows(), FLOWS);
	close(h.fd);
}

static void flows_make_do_with_few_descriptors(void **state)
{
	struct rlimit all, few;
	struct host h;
	char buf[8];

	(void)state;
	host_open(&h, AF_INET);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = (struct rlimit){ (rlim_t)h.fd + 10, all.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (unsigned i = 0; i < 40; i++) {
		guest_send(&h, (uint16_t)(2000 + i), "hello", 5);
		assert_int_equal(host_recv(&h, buf, sizeof(buf)), 5);
	}
	assert_in_range(flows(), 1, 10);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	close(h.fd);
}

static void idle_flows_end(void **state)
{
	struct host h;
	char buf[8];

	(void)state;
	host_open(&h, AF_INET);
	guest_send(&h, GUEST_PORT, "one", 3);
	guest_send(&h, GUEST_PORT + 1, "two", 3);
	assert_int_equal(host_recv(&h, buf, sizeof(buf)), 3);
	assert_int_equal(host_recv(&h, buf, sizeof(buf)), 3);
	for (int i = 0; i < 3; i++) {
		wire_advance(40000);
		wire_settle(&w);
		guest_send(&h, GUEST_PORT, "one", 3);
		assert_int_equal(host_recv(&h, buf, sizeof(buf)), 3);
	}
	assert_int_equal(flows(), 1);
	/* An answer keeps it as well. */
	wire_advance(40000);
	host_send(&h, "answer", 6);
	expect_from(&h, "answer", 6);
	wire_advance(40000);
	wire_settle(&w);
	assert_int_equal(flows(), 1);
	wire_advance(40000);
	wire_settle(&w);
	assert_int_equal(flows(), 0);
	guest_send(&h, GUEST_PORT, "again", 5);
	assert_int_equal(host_recv(&h, buf, sizeof(buf)), 5);
	host_send(&h, "answer", 6);
	expect_from(&h, "answer", 6);
	close(h.fd);
}

/* The host's kernel gives such a row in one piece. */
static void rows_of_datagrams_are_taken_apart(void **state)
{
	uint8_t data[20 * 100 - 30], buf[8];
	uint16_t size = 100;
	struct host h;

	(void)state;
	host_open(&h, AF_INET);
	guest_send(&h, GUEST_PORT, "go", 2);
	assert_int_equal(host_recv(&h, buf, sizeof(buf)), 2);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i / 7);
	assert_int_equal(setsockopt(h.fd, IPPROTO_UDP, UDP_SEGMENT,
				    &(int){ size }, sizeof(int)),
			 0);
	host_send(&h, data, sizeof(data));
	w.room = 7; /* in the midst of it */
	wire_settle(&w);
	assert_int_equal(w.count, 7);
	w.room = 100;
	net_link_ready(w.net);
	for (size_t off = 0; off < sizeof(data); off += size)
		expect_from(&h, data + off,
			    off + size < sizeof(data) ? size : 70);
	wire_settle(&w);
	assert_int_equal(w.count, 20);
	close(h.fd);
}

static void some_ports_are_never_served(void **state)
{
	static const uint16_t ports[] = { 853, 5353, 5355, 137, 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		struct wire_udp u = { .dst = w.addr.gateway4,
				      .sport = GUEST_PORT,
				      .dport = ports[i],
				      .data = "x",
				      .len = 1 };

		wire_udp(&w, &u);
	}
	wire_settle(&w);
	assert_int_equal(flows(), 0);
	assert_int_equal(w.count, 0);
}

/* The host would take them for itself. */
static void nowhere_is_not_the_host(void **state)
{
	static const char *const nowhere[] = { "0.0.0.0", "::" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
		struct wire_udp u = { .dst = wire_addr(nowhere[i]),
				      .sport = GUEST_PORT,
				      .data = "knock",
				      .len = 5 };
		struct host h;

		host_open(&h, u.dst.family);
		u.dport = h.port;
		wire_udp(&w, &u);
		wire_settle(&w);
		assert_true(host_is_empty(&h));
		close(h.fd);
	}
	assert_int_equal(flows(), 0);
}

/* --- with the policy of the product --- */

static int start_public_only(void **state)
{
	(void)state;
	wire_open(&w, "{}", false);
	return 0;
}

static void what_is_denied_is_told_but_not_too_often(void **state)
{
	struct host h, h6;

	(void)state;
	host_open(&h, AF_INET);
	host_open(&h6, AF_INET6);
	guest_send(&h, GUEST_PORT, "knock", 5);
	expect_unreachable(&h.guest_view, 3, 13, h.port);
	guest_send(&h6, GUEST_PORT, "knock", 5);
	expect_unreachable(&h6.guest_view, 1, 1, h6.port);
	for (unsigned i = 0; i < 1000; i++)
		guest_send(&h, GUEST_PORT, "knock", 5);
	/* The burst, and what a test this slow has gained meanwhile. */
	assert_in_range(w.count, BURST, 400);
	assert_true(host_is_empty(&h));
	assert_int_equal(flows(), 0);
	assert_non_null(strstr(w.log, "denied"));
	close(h.fd);
	close(h6.fd);
}

/* --- rules about names --- */

static int start_names(void **state)
{
	(void)state;
	wire_open(&w,
		  "{\"policy\":{\"default_egress\":\"deny\",\"rules\":[{"
		  "\"direction\":\"egress\",\"action\":\"allow\","
		  "\"destination\":{\"domain\":\"a.example\"}}]}}",
		  false);
	return 0;
}

static void a_name_opens_its_address_while_it_is_known(void **state)
{
	struct host h;
	char buf[8];

	(void)state;
	host_open(&h, AF_INET);
	h.guest_view = wire_addr("127.0.0.1");
	guest_send(&h, GUEST_PORT, "knock", 5);
	expect_unreachable(&w.addr.gateway4, 3, 13, h.port);
	assert_int_equal(names_bind(w.net->names, "a.example", AF_INET,
				    &h.guest_view, 1, 5, clock_mono_ms()),
			 0);
	guest_send(&h, GUEST_PORT, "enter", 5);
	assert_int_equal(host_recv(&h, buf, sizeof(buf)), 5);
	wire_advance(6000);
	wire_settle(&w);
	guest_send(&h, GUEST_PORT, "knock", 5);
	expect_unreachable(&w.addr.gateway4, 3, 13, h.port);
	assert_true(host_is_empty(&h));
	close(h.fd);
}

/* --- with interception of TLS --- */

#define OPEN "{\"policy\":{\"default_egress\":\"allow\"},\"tls\":"

static int start_intercepted(void **state)
{
	wire_open(&w,
		  *state ? OPEN "{\"enabled\":true,"
				"\"block_quic_on_intercept\":false}}"
			 : OPEN "{\"enabled\":true}}",
		  false);
	return 0;
}

/* It would go past interception; programs then take TCP. */
static void quic_is_dropped(void **state)
{
	struct wire_udp u = { .dst = w.addr.gateway4,
			      .sport = GUEST_PORT,
			      .dport = 443,
			      .data = "x",
			      .len = 1 };

	wire_udp(&w, &u);
	wire_settle(&w);
	assert_int_equal(flows(), *state ? 1 : 0);
	if (!*state) /* nothing is said about it */
		assert_int_equal(w.count, 0);
	u.dport = 444;
	wire_udp(&w, &u);
	assert_int_equal(flows(), *state ? 2 : 1);
}

int main(void)
{
	int csum = 1;
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(quic_is_dropped,
						start_intercepted, stop),
		cmocka_unit_test_prestate_setup_teardown(
			quic_is_dropped, start_intercepted, stop, &csum),
		T(datagrams_go_both_ways),
		T(datagrams_go_both_ways_over_ipv6),
		cmocka_unit_test_prestate_setup_teardown(datagrams_go_both_ways,
							 start, stop, &csum),
		cmocka_unit_test_prestate_setup_teardown(
			datagrams_go_both_ways_over_ipv6, start, stop, &csum),
		T(a_datagram_without_checksum_is_taken),
		T(a_batch_arrives_whole_and_in_order),
		T(the_guest_is_told_once_of_a_batch),
		T(nothing_is_lost_while_the_guest_has_no_room),
		T(a_flow_may_end_while_the_guest_has_no_room),
		T(only_the_peer_may_answer),
		T(a_closed_port_is_unreachable),
		T(the_longest_unused_flow_makes_room),
		T(flows_make_do_with_few_descriptors),
		T(idle_flows_end),
		T(rows_of_datagrams_are_taken_apart),
		T(some_ports_are_never_served),
		T(nowhere_is_not_the_host),
		cmocka_unit_test_setup_teardown(
			what_is_denied_is_told_but_not_too_often,
			start_public_only, stop),
		cmocka_unit_test_setup_teardown(
			a_name_opens_its_address_while_it_is_known, start_names,
			stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
