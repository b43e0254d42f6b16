/* SPDX-License-Identifier: Apache-2.0 */
/* How TCP connections of the guest begin, or do not. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "guest.h"

static const struct guest_options defaults;

static void expect(struct guest *g, uint8_t flags, uint32_t seq, uint32_t ack)
{
	struct seg s;

	assert_true(guest_receive(g, &s));
	assert_int_equal(s.flags, flags);
	assert_int_equal(s.seq, seq);
	assert_int_equal(s.ack, ack);
	guest_segment_free(&s);
}

static void t_handshake(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct guest *g = guest_new(&defaults);
		struct net_endpoint at;
		int listener = host_listen(families[i], &at);
		struct net_endpoint peer = gateway_end(g, families[i], at.port);
		struct guest_conn c;
		struct seg s;

		conn_syn(&c, g, 1000, &peer);
		assert_true(guest_receive(g, &s));
		assert_int_equal(s.flags, TH_SYN | TH_ACK);
		assert_int_equal(s.ack, c.snd_nxt);
		assert_int_equal(s.mss, families[i] == AF_INET ? 1460 : 1440);
		assert_int_equal(s.scale, TCP_RCV_SCALE);
		assert_int_equal(s.window, 65535);
		/* once more: the guest did not hear it */
		conn_syn(&c, g, 1000, &peer);
		expect(g, TH_SYN | TH_ACK, s.seq, c.snd_nxt);
		/* not the answer */
		conn_send_at(&c, TH_ACK, c.snd_nxt, s.seq + 2, NULL, 0);
		expect(g, TH_RST, s.seq + 2, 0);
		c.rcv_nxt = s.seq + 1;
		conn_send(&c, 0, NULL, 0);
		assert_int_equal(conn_inside(&c)->phase, CONN_SYNCED);
		close(host_accept(listener));
		guest_segment_free(&s);
		close(listener);
		guest_free(g);
	}
}

static void t_synack_again(void **state)
{
	struct guest *g = guest_new(&defaults);
	struct net_endpoint at, peer;
	int listener = host_listen(AF_INET, &at);
	struct guest_conn c;
	struct seg s;

	(void)state;
	peer = gateway_end(g, AF_INET, at.port);
	conn_syn(&c, g, 1000, &peer);
	for (unsigned i = 0; i <= TCP_SYN_TRIES; i++) {
		assert_true(guest_receive(g, &s));
		assert_int_equal(s.flags, TH_SYN | TH_ACK);
		guest_segment_free(&s);
		conn_expire(&c);
		while (!guest_has_frame(g) && conn_inside(&c))
			loop_turn(g->loop, 100);
	}
	/* nobody is there: the host's peer is told as well */
	assert_true(guest_receive(g, &s));
	assert_int_equal(s.flags, TH_RST | TH_ACK);
	guest_segment_free(&s);
	assert_null(conn_inside(&c));
	assert_int_equal(tcp_count(g->net->tcp), 0);
	close(listener);
	guest_free(g);
}

static void t_no_options(void **state)
{
	struct guest *g = guest_new(&defaults);
	struct net_endpoint at, peer;
	int listener = host_listen(AF_INET, &at);
	struct guest_conn c = { .g = g, .window = 1000 };
	struct seg s;

	(void)state;
	peer = gateway_end(g, AF_INET, at.port);
	s = (struct seg){ .from = guest_end(g, AF_INET, 5),
			  .to = peer,
			  .flags = TH_SYN,
			  .seq = 77,
			  .window = 1000,
			  .scale = -1 };
	c.own = s.from;
	c.peer = s.to;
	c.snd_nxt = 78;
	guest_send(g, &s);
	assert_true(guest_receive(g, &s));
	assert_int_equal(s.flags, TH_SYN | TH_ACK);
	assert_int_equal(s.scale, -1);
	c.rcv_nxt = s.seq + 1;
	guest_segment_free(&s);
	conn_send(&c, TH_PUSH, "x", 1);
	assert_int_equal(conn_inside(&c)->mss, 536);
	assert_true(guest_receive(g, &s));
	assert_int_equal(s.window, 65535); /* no scale, no more */
	guest_segment_free(&s);
	close(listener);
	guest_free(g);
}

static void t_refused(void **state)
{
	struct guest *g = guest_new(&defaults);
	struct net_endpoint at, peer;
	struct guest_conn c;

	(void)state;
	close(host_listen(AF_INET, &at));
	peer = gateway_end(g, AF_INET, at.port);
	conn_syn(&c, g, 1000, &peer);
	expect(g, TH_RST | TH_ACK, 0, c.snd_nxt);
	assert_null(conn_inside(&c));
	assert_int_equal(tcp_count(g->net->tcp), 0);
	guest_free(g);
}

/* What listens on one loopback only is there on both gateways. */
static void t_other_loopback(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct guest *g = guest_new(&defaults);
		struct net_endpoint at, peer;
		int listener = host_listen(families[i], &at);
		struct guest_conn c;

		peer = gateway_end(g, families[!i], at.port);
		assert_true(conn_open(&c, g, 1000, &peer));
		close(host_accept(listener));
		close(listener);
		guest_free(g);
	}
}

static void t_pending(void **state)
{
	struct guest *g = guest_new(&defaults);
	struct net_endpoint at, peer;
	int filler, listener = host_listen_full(&at, &filler);
	struct guest_conn c;
	struct seg s;

	(void)state;
	peer = gateway_end(g, AF_INET, at.port);
	conn_syn(&c, g, 1000, &peer);
	assert_false(guest_wait(g)); /* the host waits, the guest, too */
	conn_syn(&c, g, 1000, &peer);
	assert_int_equal(tcp_count(g->net->tcp), 1);
	/* from a new program of the guest, which took the old one's port */
	s = (struct seg){ .from = c.own,
			  .to = peer,
			  .flags = TH_SYN,
			  .seq = 5,
			  .window = 100,
			  .scale = -1 };
	guest_send(g, &s);
	assert_int_equal(tcp_count(g->net->tcp), 1);
	assert_int_equal(conn_inside(&c)->irs, 5);
	/* a reset that knows nothing of it, and one that does */
	conn_send_at(&c, TH_RST, 4711, 0, NULL, 0);
	assert_int_equal(tcp_count(g->net->tcp), 1);
	conn_send_at(&c, TH_RST, 6, 0, NULL, 0);
	assert_int_equal(tcp_count(g->net->tcp), 0);
	assert_false(guest_wait(g));
	close(filler);
	close(listener);
	guest_free(g);
}

static void t_strays(void **state)
{
	struct guest *g = guest_new(&defaults);
	struct guest_conn c = { .g = g,
				.own = guest_end(g, AF_INET6, 1),
				.peer = gateway_end(g, AF_INET6, 2) };

	(void)state;
	conn_send_at(&c, TH_ACK, 10, 20, "abc", 3);
	expect(g, TH_RST, 20, 0);
	conn_send_at(&c, TH_FIN, 10, 20, "abc", 3);
	expect(g, TH_RST | TH_ACK, 0, 14);
	conn_send_at(&c, 0, 10, 20, NULL, 0);
	expect(g, TH_RST | TH_ACK, 0, 10);
	conn_send_at(&c, TH_SYN | TH_FIN, 10, 20, NULL, 0);
	expect(g, TH_RST | TH_ACK, 0, 12);
	conn_send_at(&c, TH_SYN | TH_ACK, 10, 20, NULL, 0);
	expect(g, TH_RST, 20, 0);
	conn_send_at(&c, TH_RST, 10, 20, NULL, 0);
	conn_send_at(&c, TH_RST | TH_SYN, 10, 20, NULL, 0);
	assert_false(guest_wait(g));
	c.peer.port = 0;
	conn_send_at(&c, TH_SYN, 10, 0, NULL, 0);
	expect(g, TH_RST | TH_ACK, 0, 11);
	assert_int_equal(tcp_count(g->net->tcp), 0);
	guest_free(g);
}

static void t_spoofed(void **state)
{
	struct guest *g = guest_new(&defaults);
	struct net_endpoint at;
	int listener = host_listen(AF_INET, &at);
	struct guest_conn c = { .g = g,
				.own = guest_end(g, AF_INET, 1),
				.peer = gateway_end(g, AF_INET, at.port) };
	struct net_stats stats;

	(void)state;
	c.own.addr.b[3] ^= 1;
	conn_send_at(&c, TH_SYN, 10, 0, NULL, 0);
	assert_false(guest_wait(g));
	net_stats_get(g->net, &stats);
	assert_int_equal(stats.dropped, 1);
	close(listener);
	guest_free(g);
}

static void t_limit(void **state)
{
	struct guest *g =
		guest_new(&(struct guest_options){ .max_connections = 2 });
	struct net_endpoint at, peer;
	int listener = host_listen(AF_INET, &at), fd;
	struct guest_conn a, b, c;

	(void)state;
	peer = gateway_end(g, AF_INET, at.port);
	assert_true(conn_open(&a, g, 1, &peer));
	assert_true(conn_open(&b, g, 2, &peer));
	assert_false(conn_open(&c, g, 3, &peer));
	assert_true(c.reset);
	assert_non_null(strstr(g->log, "limit of 2 connections"));
	/* one that is going away makes room at once */
	fd = host_accept(listener);
	conn_send(&a, TH_FIN, NULL, 0);
	assert_true(conn_receive(&a));
	close(fd);
	assert_true(guest_wait(g));
	struct seg s;
	assert_true(guest_receive(g, &s)); /* its FIN, not acknowledged */
	assert_int_equal(s.flags & TH_FIN, TH_FIN);
	guest_segment_free(&s);
	conn_syn(&c, g, 3, &peer);
	assert_true(guest_receive(g, &s));
	assert_int_equal(s.flags, TH_RST | TH_ACK);
	assert_int_equal(s.to.port, 1);
	guest_segment_free(&s);
	assert_true(guest_receive(g, &s));
	assert_int_equal(s.flags, TH_SYN | TH_ACK);
	assert_int_equal(s.to.port, 3);
	guest_segment_free(&s);
	assert_null(conn_inside(&a));
	assert_int_equal(tcp_count(g->net->tcp), 2);
	close(listener);
	guest_free(g);
}

/* Many that nobody answers: a limit, and the others do not notice. */
static void t_syn_flood(void **state)
{
	struct guest *g =
		guest_new(&(struct guest_options){ .max_connections = 8 });
	struct net_endpoint at, peer, busy;
	int filler, full = host_listen_full(&busy, &filler);
	int listener = host_listen(AF_INET, &at), fd;
	struct guest_conn c, flood;
	char buf[8];

	(void)state;
	peer = gateway_end(g, AF_INET, at.port);
	assert_true(conn_open(&c, g, 1, &peer));
	fd = host_accept(listener);
	peer = gateway_end(g, AF_INET, busy.port);
	for (uint16_t port = 1000; port < 3000; port++) {
		struct seg s;

		conn_syn(&flood, g, port, &peer);
		if (!guest_has_frame(g))
			continue;
		assert_true(guest_receive(g, &s));
		assert_int_equal(s.flags, TH_RST | TH_ACK);
		guest_segment_free(&s);
	}
	assert_int_equal(tcp_count(g->net->tcp), 8);
	assert_int_equal(g->log_lines, 1);
	conn_send(&c, TH_PUSH, "here", 4);
	assert_int_equal(read(fd, buf, sizeof(buf)), 4);
	close(fd);
	close(listener);
	close(filler);
	close(full);
	guest_free(g);
}

/* A network of its own that leads nowhere; false: not allowed here. */
static bool leave_network(void)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

static void t_unreachable(void **state)
{
	struct guest *g;
	struct net_endpoint peer = { .port = 80 };
	struct guest_conn c;
	struct guest_frame *f;

	(void)state;
	if (!leave_network())
		skip();
	g = guest_new(&defaults);
	assert_int_equal(net_addr_parse("192.0.2.1", 9, &peer.addr), 0);
	conn_syn(&c, g, 1000, &peer);
	assert_true(guest_wait(g));
	f = &g->queue[g->first];
	assert_int_equal(f->data[ETH_HEADER + 9], IPPROTO_ICMP);
	assert_int_equal(f->data[ETH_HEADER + IP4_HEADER], 3);
	/* about this SYN */
	assert_int_equal(
		be16_get(f->data + ETH_HEADER + 2 * IP4_HEADER + ICMP_HEADER),
		1000);
	assert_int_equal(be32_get(f->data + ETH_HEADER + 2 * IP4_HEADER +
				  ICMP_HEADER + 4),
			 c.snd_nxt - 1);
	assert_null(conn_inside(&c));
	guest_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_handshake),
		cmocka_unit_test(t_synack_again),
		cmocka_unit_test(t_no_options),
		cmocka_unit_test(t_refused),
		cmocka_unit_test(t_other_loopback),
		cmocka_unit_test(t_pending),
		cmocka_unit_test(t_strays),
		cmocka_unit_test(t_spoofed),
		cmocka_unit_test(t_limit),
		cmocka_unit_test(t_syn_flood),
		cmocka_unit_test(t_unreachable), /* last: no way back */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
