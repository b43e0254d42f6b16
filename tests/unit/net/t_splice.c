/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of the guest and sockets of the host, both ways. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "guest.h"

static const struct guest_options defaults;

/* A connection of the guest to a server of the test. */
struct path {
	struct guest *g;
	struct guest_conn c;
	int listener, fd;
};

static void path_open(struct path *p, const struct guest_options *o)
{
	struct net_endpoint at, peer;

	memset(p, 0, sizeof(*p));
	p->g = guest_new(o);
	p->listener = host_listen(AF_INET, &at);
	peer = gateway_end(p->g, AF_INET, at.port);
	assert_true(conn_open(&p->c, p->g, 1000, &peer));
	p->fd = host_accept(p->listener);
}

static void path_close(struct path *p)
{
	if (p->fd >= 0)
		close(p->fd);
	close(p->listener);
	guest_free(p->g);
	free(p->c.data);
}

static void set_nonblock(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static bool is_gone(void *ctx)
{
	return !conn_inside(&((struct path *)ctx)->c);
}

/* --- guest to host --- */

static void t_up(void **state)
{
	const size_t total = 24 << 20;
	size_t said = 0, read_off = 0;
	uint8_t *chunk = malloc(60000), *got = malloc(1 << 20);
	struct path p;

	(void)state;
	path_open(&p, &defaults);
	set_nonblock(p.fd);
	assert_true(chunk && got);
	/* the host does not read until nothing goes any more */
	for (bool full = false; read_off < total;) {
		size_t window = p.c.snd_una + p.c.peer_window - p.c.snd_nxt;
		size_t n = total - said < 60000 ? total - said : 60000;
		ssize_t r;

		n = n < window ? n : window;
		if (n) {
			pattern_fill(chunk, said, n);
			conn_send(&p.c, said + n == total ? TH_PUSH : 0, chunk,
				  n);
			said += n;
			(void)conn_receive(&p.c);
			if (!full)
				continue;
		}
		full = true;
		r = read(p.fd, got, 1 << 20);
		if (r > 0) {
			pattern_check(got, read_off, (size_t)r);
			read_off += (size_t)r;
		}
		if (p.c.peer_window < 60000)
			(void)conn_receive(&p.c);
	}
	/* the ring was given back */
	assert_null(conn_inside(&p.c)->rcv.mem);
	free(chunk);
	free(got);
	path_close(&p);
}

static void t_guest_fin(void **state)
{
	struct path p;
	char buf[8];

	(void)state;
	path_open(&p, &defaults);
	conn_send(&p.c, TH_FIN, "bye", 3);
	assert_int_equal(read(p.fd, buf, sizeof(buf)), 3);
	assert_int_equal(read(p.fd, buf, sizeof(buf)), 0);
	/* half closed: the host goes on */
	assert_int_equal(write(p.fd, "still", 5), 5);
	while (p.c.received < 5)
		assert_true(conn_receive(&p.c));
	close(p.fd);
	p.fd = -1;
	while (!p.c.fin)
		assert_true(conn_receive(&p.c));
	guest_until(p.g, is_gone, &p);
	assert_int_equal(tcp_count(p.g->net->tcp), 0);
	path_close(&p);
}

static void t_guest_reset(void **state)
{
	struct path p;
	char buf[8];

	(void)state;
	path_open(&p, &defaults);
	conn_send_at(&p.c, TH_RST, p.c.snd_nxt, 0, NULL, 0);
	assert_null(conn_inside(&p.c));
	assert_int_equal(read(p.fd, buf, sizeof(buf)), -1);
	assert_int_equal(errno, ECONNRESET);
	path_close(&p);
}

/* --- host to guest --- */

static void t_down(void **state)
{
	const size_t total = 24 << 20;
	size_t said = 0;
	uint8_t *chunk = malloc(1 << 20);
	struct path p;

	(void)state;
	path_open(&p, &defaults);
	set_nonblock(p.fd);
	p.c.data = malloc(total);
	p.c.data_max = total;
	assert_true(chunk && p.c.data);
	while (p.c.received < total) {
		size_t n = total - said < 1 << 20 ? total - said : 1 << 20;
		ssize_t w;

		pattern_fill(chunk, said, n);
		w = n ? write(p.fd, chunk, n) : 0;
		if (w > 0)
			said += (size_t)w;
		assert_true(conn_receive(&p.c));
	}
	pattern_check(p.c.data, 0, total);
	assert_true(conn_receive(&p.c) || !conn_inside(&p.c)->snd.mem);
	free(chunk);
	path_close(&p);
}

static void t_host_fin(void **state)
{
	struct path p;
	char buf[8];

	(void)state;
	path_open(&p, &defaults);
	assert_int_equal(write(p.fd, "bye", 3), 3);
	assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
	while (!p.c.fin)
		assert_true(conn_receive(&p.c));
	assert_int_equal(p.c.received, 3);
	/* half closed: the guest goes on */
	conn_send(&p.c, TH_PUSH, "still", 5);
	assert_int_equal(read(p.fd, buf, sizeof(buf)), 5);
	conn_send(&p.c, TH_FIN, NULL, 0);
	assert_int_equal(read(p.fd, buf, sizeof(buf)), 0);
	assert_int_equal(tcp_count(p.g->net->tcp), 0); /* TIME-WAIT is free */
	path_close(&p);
}

static void t_host_reset(void **state)
{
	const struct linger now = { .l_onoff = 1 };
	struct path p;

	(void)state;
	path_open(&p, &defaults);
	/* what it said before arrives before */
	assert_int_equal(write(p.fd, "dying", 5), 5);
	assert_int_equal(
		setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(p.fd);
	p.fd = -1;
	while (!p.c.reset)
		assert_true(conn_receive(&p.c));
	assert_int_equal(p.c.received, 5);
	assert_null(conn_inside(&p.c));
	path_close(&p);
}

/* Frames that ask whether a window has opened. */
static void drop_questions(struct guest *g)
{
	while (guest_has_frame(g)) {
		struct seg s;

		assert_true(guest_receive(g, &s));
		assert_int_equal(s.len, 0);
		guest_segment_free(&s);
	}
}

/* A guest that never reads: bounded, and nobody else notices. */
static void t_never_reads(void **state)
{
	struct path p;
	struct guest_conn other;
	size_t said = 0, last;
	uint8_t *chunk = calloc(1, 1 << 20);
	int fd;

	(void)state;
	path_open(&p, &defaults);
	set_nonblock(p.fd);
	p.c.window = 0;
	conn_send(&p.c, 0, NULL, 0);
	do {
		ssize_t w = write(p.fd, chunk, 1 << 20);

		last = said;
		said += w > 0 ? (size_t)w : 0;
		(void)guest_wait(p.g);
		drop_questions(p.g);
	} while (said != last);
	assert_true(conn_inside(&p.c)->snd.used <= TCP_RING_LARGE);
	conn_inside(&p.c)->deadline = 0; /* no more questions */
	assert_true(conn_open(&other, p.g, 1001, &p.c.peer));
	fd = host_accept(p.listener);
	assert_int_equal(write(fd, "hello", 5), 5);
	while (other.received < 5)
		assert_true(conn_receive(&other));
	close(fd);
	free(chunk);
	path_close(&p);
}

/* A server that speaks first, before the guest has answered. */
static void t_banner(void **state)
{
	struct guest *g = guest_new(&defaults);
	struct net_endpoint at, peer;
	int listener = host_listen(AF_INET, &at), fd;
	struct guest_conn c;
	struct seg s;

	(void)state;
	peer = gateway_end(g, AF_INET, at.port);
	conn_syn(&c, g, 1000, &peer);
	fd = host_accept(listener);
	assert_int_equal(write(fd, "220 hello", 9), 9);
	close(fd);
	assert_true(guest_receive(g, &s));
	assert_int_equal(s.flags, TH_SYN | TH_ACK);
	c.rcv_nxt = s.seq + 1;
	guest_segment_free(&s);
	assert_false(guest_wait(g));
	conn_send(&c, 0, NULL, 0);
	while (!c.fin)
		assert_true(conn_receive(&c));
	assert_int_equal(c.received, 9);
	close(listener);
	guest_free(g);
}

/* --- published ports --- */

static void on_done(void *ctx)
{
	++*(unsigned *)ctx;
}

static void inbound(struct guest *g, int *ret_host, unsigned *done)
{
	struct net_endpoint from = gateway_end(g, AF_INET, 50000);
	struct net_endpoint to = guest_end(g, AF_INET, 80);
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	*ret_host = pair[0];
	assert_int_equal(
		splice_inbound(g->net, pair[1], &from, &to, on_done, done), 0);
}

static void t_inbound(void **state)
{
	struct guest *g = guest_new(&defaults);
	struct guest_conn c;
	unsigned done = 0;
	char buf[16];
	int fd;

	(void)state;
	inbound(g, &fd, &done);
	assert_int_equal(write(fd, "question", 8), 8);
	conn_answer(&c, g);
	while (c.received < 8)
		assert_true(conn_receive(&c));
	conn_send(&c, TH_PUSH, "answer", 6);
	assert_int_equal(read(fd, buf, sizeof(buf)), 6);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	while (!c.fin)
		assert_true(conn_receive(&c));
	assert_int_equal(done, 0);
	conn_send(&c, TH_FIN, NULL, 0);
	assert_int_equal(done, 1);
	assert_int_equal(read(fd, buf, sizeof(buf)), 0);
	close(fd);
	guest_free(g);
}

static void t_inbound_refused(void **state)
{
	struct guest *g = guest_new(&defaults);
	struct guest_conn c = { .g = g };
	unsigned done = 0;
	struct seg s;
	char buf[1];
	int fd;

	(void)state;
	inbound(g, &fd, &done);
	assert_true(guest_receive(g, &s));
	c.own = s.to;
	c.peer = s.from;
	conn_send_at(&c, TH_RST | TH_ACK, 0, s.seq + 1, NULL, 0);
	guest_segment_free(&s);
	assert_int_equal(done, 1);
	assert_int_equal(read(fd, buf, 1), 0);
	close(fd);
	guest_free(g);
}

/* --- many --- */

static void t_many(void **state)
{
	struct guest *g = guest_new(&defaults);
	struct net_endpoint at, peer;
	int listener = host_listen(AF_INET, &at);
	struct net_stats stats;
	struct tcp *t = g->net->tcp;

	(void)state;
	peer = gateway_end(g, AF_INET, at.port);
	for (unsigned i = 0; i < 2000; i++) {
		struct guest_conn c;
		int fd;

		assert_true(conn_open(&c, g, (uint16_t)(1000 + i), &peer));
		fd = host_accept(listener);
		conn_send(&c, TH_PUSH, "x", 1);
		assert_int_equal(write(fd, "y", 1), 1);
		close(fd); /* first, with something to read: a reset */
		while (!c.fin && !c.reset)
			assert_true(conn_receive(&c));
		if (c.fin)
			conn_send(&c, TH_FIN, NULL, 0);
		while (guest_has_frame(g))
			(void)conn_receive(&c);
	}
	guest_turn(g);
	assert_int_equal(tcp_count(t), 0);
	assert_true(t->ntime_wait <= NET_DEFAULT_CONNECTIONS);
	assert_null(t->dead);
	assert_int_equal(t->large_windows, 0);
	assert_int_equal(t->large_snd.out + t->large_rcv.out + t->small.out, 0);
	net_stats_get(g->net, &stats);
	assert_int_equal(stats.tcp_flows, 0);
	close(listener);
	guest_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_up),
		cmocka_unit_test(t_guest_fin),
		cmocka_unit_test(t_guest_reset),
		cmocka_unit_test(t_down),
		cmocka_unit_test(t_host_fin),
		cmocka_unit_test(t_host_reset),
		cmocka_unit_test(t_never_reads),
		cmocka_unit_test(t_banner),
		cmocka_unit_test(t_inbound),
		cmocka_unit_test(t_inbound_refused),
		cmocka_unit_test(t_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
