/* SPDX-License-Identifier: Apache-2.0 */
/* Data of TCP connections, and how they end: segment by segment. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guest.h"

static const struct guest_options defaults;

/* An owner that does as it is told, and a guest's connection with it. */
struct pair {
	struct guest *g;
	struct guest_conn c;
	struct tcp_conn *conn; /* NULL when it is over */
	size_t take;	       /* so many bytes at once, at most */
	size_t taken;
	bool keep; /* nothing of what is kept is consumed */
	bool established, fin, closed;
	int error;
	unsigned spaces, joined;
};

static void on_established(void *owner, struct tcp_conn *c)
{
	struct pair *p = owner;

	assert_ptr_equal(p->conn, c);
	p->established = true;
}

static size_t on_data(void *owner, struct tcp_conn *c, const struct iovec *iov,
		      unsigned n, size_t len)
{
	struct pair *p = owner;
	size_t done = 0;

	assert_ptr_equal(p->conn, c);
	if (!len)
		p->joined++;
	for (unsigned i = 0; i < n && done < p->take; i++) {
		size_t part = iov[i].iov_len < p->take - done ? iov[i].iov_len
							      : p->take - done;

		pattern_check(iov[i].iov_base, p->taken, part);
		p->taken += part;
		done += part;
	}
	return done;
}

static void on_fin(void *owner, struct tcp_conn *c)
{
	struct pair *p = owner;
	struct iovec iov[2];

	assert_false(p->fin);
	assert_int_equal(tcp_peek(c, iov), 0);
	p->fin = true;
}

static void on_space(void *owner, struct tcp_conn *c)
{
	(void)c;
	((struct pair *)owner)->spaces++;
}

static void on_closed(void *owner, struct tcp_conn *c, int error)
{
	struct pair *p = owner;

	assert_ptr_equal(p->conn, c);
	assert_false(p->closed);
	p->closed = true;
	p->error = error;
	p->conn = NULL;
}

static const struct tcp_owner_ops ops = { on_established, on_data, on_fin,
					  on_space, on_closed };

static void pair_dial(struct pair *p, const struct guest_options *o, int family)
{
	struct net_endpoint from, to;

	memset(p, 0, sizeof(*p));
	p->take = SIZE_MAX;
	p->g = guest_new(o);
	from = gateway_end(p->g, family, 50000);
	to = guest_end(p->g, family, 80);
	p->conn = tcp_connect(p->g->net->tcp, &from, &to, &ops, p);
	assert_non_null(p->conn);
}

static void pair_open(struct pair *p, const struct guest_options *o)
{
	pair_dial(p, o, AF_INET);
	conn_answer(&p->c, p->g);
	assert_true(p->established);
	conn_send(&p->c, 0, NULL, 0); /* the window as it is, scaled */
}

static void pair_close(struct pair *p)
{
	guest_free(p->g);
	assert_true(p->closed);
	free(p->c.data);
}

/* The guest says len bytes of the pattern from its offset off on. */
static void say(struct pair *p, size_t off, size_t len, uint8_t flags)
{
	uint8_t *data = malloc(len + 1);

	assert_non_null(data);
	pattern_fill(data, off, len);
	conn_send_at(&p->c, flags | TH_ACK, 1001 + (uint32_t)off, p->c.rcv_nxt,
		     data, len);
	free(data);
}

static void expect_ack(struct pair *p, size_t off)
{
	struct seg s;

	assert_true(guest_receive(p->g, &s));
	assert_int_equal(s.flags, TH_ACK);
	assert_int_equal(s.ack, 1001 + (uint32_t)off);
	assert_int_equal(s.len, 0);
	guest_segment_free(&s);
}

static void expect_silence(struct pair *p)
{
	assert_false(guest_wait(p->g));
}

/* What the owner says; the pattern from off on. */
static size_t tell(struct pair *p, size_t off, size_t len)
{
	uint8_t *data = malloc(len);
	size_t n;

	assert_non_null(data);
	pattern_fill(data, off, len);
	n = tcp_send(p->conn, data, len);
	free(data);
	return n;
}

/* A segment to the guest: its offset and length, and the pattern in it. */
static void expect_data(struct pair *p, size_t off, size_t len)
{
	struct seg s;

	assert_true(guest_receive(p->g, &s));
	assert_int_equal(s.seq - p->c.rcv_nxt, (uint32_t)off);
	assert_int_equal(s.len, len);
	pattern_check(s.data, off, len);
	guest_segment_free(&s);
}

static void ack(struct pair *p, size_t off)
{
	conn_send_at(&p->c, TH_ACK, p->c.snd_nxt, p->c.rcv_nxt + (uint32_t)off,
		     NULL, 0);
}

/* --- opening --- */

static void t_connect_refused(void **state)
{
	struct pair p;
	struct seg s;

	(void)state;
	pair_dial(&p, &defaults, AF_INET6);
	assert_null(tcp_connect(
		p.g->net->tcp,
		&(struct net_endpoint){ gateway_end(p.g, AF_INET6, 0).addr,
					50000 },
		&(struct net_endpoint){ guest_end(p.g, AF_INET6, 0).addr, 80 },
		&ops, &p));
	assert_int_equal(errno, EADDRINUSE);
	assert_true(guest_receive(p.g, &s));
	assert_int_equal(s.flags, TH_SYN);
	p.c = (struct guest_conn){ .g = p.g, .own = s.to, .peer = s.from };
	/* answers to something else */
	conn_send_at(&p.c, TH_RST | TH_ACK, 0, s.seq + 2, NULL, 0);
	conn_send_at(&p.c, TH_RST, 0, 0, NULL, 0);
	conn_send_at(&p.c, TH_ACK, 0, s.seq + 1, NULL, 0);
	conn_send_at(&p.c, TH_SYN, 0, 0, NULL, 0);
	assert_false(p.closed);
	conn_send_at(&p.c, TH_SYN | TH_ACK, 7, s.seq + 9, NULL, 0);
	guest_segment_free(&s);
	assert_true(guest_receive(p.g, &s));
	assert_int_equal(s.flags, TH_RST);
	guest_segment_free(&s);
	assert_false(p.closed);
	conn_send_at(&p.c, TH_RST | TH_ACK, 0, p.conn->iss + 1, NULL, 0);
	assert_int_equal(p.error, -ECONNREFUSED);
	pair_close(&p);
}

static void t_connect_silence(void **state)
{
	struct pair p;
	struct seg s;

	(void)state;
	pair_dial(&p, &defaults, AF_INET);
	for (unsigned i = 0; i <= TCP_SYN_TRIES; i++) {
		assert_true(guest_receive(p.g, &s));
		assert_int_equal(s.flags, TH_SYN);
		p.c = (struct guest_conn){ .g = p.g,
					   .own = s.to,
					   .peer = s.from };
		guest_segment_free(&s);
		conn_expire(&p.c);
		while (!guest_has_frame(p.g) && !p.closed)
			loop_turn(p.g->loop, 100);
	}
	assert_int_equal(p.error, -ETIMEDOUT);
	pair_close(&p);
}

/* --- from the guest --- */

static void t_in_order(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, &defaults);
	say(&p, 0, 1000, TH_PUSH);
	assert_int_equal(p.taken, 1000);
	expect_ack(&p, 1000);
	/* a large one, as segmentation offload makes them */
	say(&p, 1000, 60000, TH_PUSH);
	assert_int_equal(p.taken, 61000);
	expect_ack(&p, 61000);
	expect_silence(&p);
	pair_close(&p);
}

static void t_overlaps(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, &defaults);
	say(&p, 0, 1000, TH_PUSH);
	expect_ack(&p, 1000);
	say(&p, 0, 1000, TH_PUSH); /* all known */
	expect_ack(&p, 1000);
	say(&p, 500, 1000, TH_PUSH); /* half of it */
	assert_int_equal(p.taken, 1500);
	expect_ack(&p, 1500);
	say(&p, 2000, 500, TH_PUSH); /* too early */
	assert_int_equal(p.taken, 1500);
	expect_ack(&p, 1500);
	say(&p, 0, 2500, TH_PUSH); /* over everything */
	assert_int_equal(p.taken, 2500);
	expect_ack(&p, 2500);
	/* its end is known, its FIN is not */
	say(&p, 2400, 100, TH_FIN);
	assert_true(p.fin);
	expect_ack(&p, 2501);
	say(&p, 2400, 100, TH_FIN);
	expect_ack(&p, 2501);
	say(&p, 2501, 100, TH_PUSH); /* behind its end */
	assert_int_equal(p.taken, 2500);
	expect_ack(&p, 2501);
	pair_close(&p);
}

/* What is not taken is kept, and the window says how much more may come. */
static void t_kept(void **state)
{
	struct pair p;
	struct iovec iov[2];
	size_t off = 0, len;

	(void)state;
	pair_open(&p, &defaults);
	p.take = 100;
	say(&p, 0, 1000, TH_PUSH);
	p.take = 0;
	assert_int_equal(p.taken, 100);
	assert_true(conn_receive(&p.c));
	off = 1000;
	while (p.c.peer_window) {
		len = p.c.peer_window < 50000 ? p.c.peer_window : 50000;
		say(&p, off, len, TH_PUSH);
		off += len;
		assert_true(conn_receive(&p.c));
		assert_int_equal(p.c.snd_una, 1001 + off);
		assert_true(off <= TCP_RING_LARGE + 100);
	}
	assert_true(p.joined > 10);
	/* more than was promised */
	say(&p, off, 1000, TH_PUSH);
	assert_true(conn_receive(&p.c));
	assert_in_range(p.c.snd_una - 1001, off, off + 31);
	off = p.c.snd_una - 1001;
	assert_int_equal(tcp_peek(p.conn, iov), off - 100);
	pattern_check(iov[0].iov_base, 100, iov[0].iov_len);
	tcp_consume(p.conn, 10);
	expect_silence(&p); /* not worth telling */
	tcp_consume(p.conn, TCP_RING_LARGE / 2);
	assert_true(conn_receive(&p.c));
	assert_true(p.c.peer_window >= TCP_RING_LARGE / 2);
	say(&p, off, 1000, TH_FIN);
	assert_false(p.fin);
	expect_ack(&p, off + 1001);
	while ((len = tcp_peek(p.conn, iov)) != 0) {
		size_t at = off + 1000 - len;

		pattern_check(iov[0].iov_base, at, iov[0].iov_len);
		pattern_check(iov[1].iov_base, at + iov[0].iov_len,
			      iov[1].iov_len);
		tcp_consume(p.conn, len);
	}
	guest_turn(p.g);
	assert_true(p.fin);
	assert_null(p.conn->rcv.mem);
	pair_close(&p);
}

static void t_hostile_numbers(void **state)
{
	struct pair p;
	uint32_t seq, mine;

	(void)state;
	pair_open(&p, &defaults);
	seq = p.c.snd_nxt;
	mine = p.c.rcv_nxt;
	/* acknowledges what was never sent, and what was long ago */
	conn_send_at(&p.c, TH_ACK, seq, mine + 1, "abc", 3);
	expect_ack(&p, 0);
	conn_send_at(&p.c, TH_ACK, seq, mine - (16u << 20), "abc", 3);
	expect_ack(&p, 0);
	/* beyond the window, and long before it */
	conn_send_at(&p.c, TH_ACK, seq + (8u << 20), mine, "abc", 3);
	expect_ack(&p, 0);
	conn_send_at(&p.c, TH_ACK, seq - 1000, mine, "abc", 3);
	expect_ack(&p, 0);
	/* without ACK: nothing at all */
	conn_send_at(&p.c, 0, seq, mine, "abc", 3);
	expect_silence(&p);
	/* SYN where none can be (RFC 5961 4) */
	conn_send_at(&p.c, TH_SYN, seq + 5, 0, NULL, 0);
	expect_ack(&p, 0);
	conn_send_at(&p.c, TH_SYN, seq - 1, 0, NULL, 0);
	expect_ack(&p, 0);
	/* resets by guess (RFC 5961 3) */
	conn_send_at(&p.c, TH_RST, seq + 1, 0, NULL, 0);
	expect_ack(&p, 0);
	conn_send_at(&p.c, TH_RST, seq - 1, 0, NULL, 0);
	conn_send_at(&p.c, TH_RST, seq + (8u << 20), 0, NULL, 0);
	expect_silence(&p);
	assert_int_equal(p.taken, 0);
	assert_false(p.closed);
	/* the keep-alive probe of an idle guest */
	conn_send_at(&p.c, TH_ACK, seq - 1, mine, NULL, 0);
	expect_ack(&p, 0);
	/* and one that is real */
	conn_send_at(&p.c, TH_RST, seq, 0, NULL, 0);
	assert_int_equal(p.error, -ECONNRESET);
	pair_close(&p);
}

/* --- to the guest --- */

static void flood(struct pair *p, size_t total)
{
	size_t sent = 0;

	p->c.data = malloc(total);
	p->c.data_max = total;
	assert_non_null(p->c.data);
	while (p->c.received < total) {
		if (sent < total)
			sent += tell(p, sent,
				     total - sent < 300000 ? total - sent
							   : 300000);
		assert_true(conn_receive(&p->c));
	}
	pattern_check(p->c.data, 0, total);
	assert_true(tcp_drained(p->conn));
	assert_null(p->conn->snd.mem);
	assert_true(p->spaces > 0);
}

static void t_out(void **state)
{
	static const struct guest_options kinds[] = {
		{ 0 },
		{ .no_tso = true },
		{ .no_tso = true, .no_csum = true },
	};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct pair p;

		pair_dial(&p, &kinds[i / 2], i % 2 ? AF_INET6 : AF_INET);
		conn_answer(&p.c, p.g);
		flood(&p, 3 << 20);
		pair_close(&p);
	}
}

static void t_offload(void **state)
{
	struct pair p;
	struct seg s;

	(void)state;
	pair_open(&p, &defaults);
	assert_int_equal(tell(&p, 0, 100000), 100000);
	assert_true(guest_receive(p.g, &s));
	assert_int_equal(s.len, 65495 / 1460 * 1460);
	assert_int_equal(s.o.gso_size, 1460);
	assert_false(s.o.gso_v6);
	assert_int_equal(s.flags, TH_ACK);
	guest_segment_free(&s);
	assert_true(guest_receive(p.g, &s));
	assert_int_equal(s.len, 100000 - 65495 / 1460 * 1460);
	assert_int_equal(s.flags, TH_ACK | TH_PUSH);
	guest_segment_free(&s);
	ack(&p, 100000);
	assert_int_equal(tell(&p, 0, 1460), 1460);
	assert_true(guest_receive(p.g, &s));
	assert_int_equal(s.o.gso_size, 0); /* one segment is no many */
	guest_segment_free(&s);
	pair_close(&p);
}

/* A guest that has no buffers for a while. */
static void t_no_room(void **state)
{
	struct pair p;
	size_t total = 2 << 20, sent = 0;

	(void)state;
	pair_open(&p, &defaults);
	p.c.data = malloc(total);
	p.c.data_max = total;
	p.g->room = 0;
	while (p.c.received < total) {
		if (sent < total)
			sent += tell(&p, sent, total - sent);
		p.g->room = 2;
		net_link_ready(p.g->net);
		assert_true(conn_receive(&p.c));
		p.g->room = 0;
	}
	pattern_check(p.c.data, 0, total);
	/* an acknowledgment waits as well */
	say(&p, 0, 10, TH_PUSH);
	assert_int_equal(p.g->count, 0);
	p.g->room = 1;
	net_link_ready(p.g->net);
	assert_true(conn_receive(&p.c));
	assert_int_equal(p.c.snd_una, 1011);
	pair_close(&p);
}

static void t_window(void **state)
{
	struct pair p;
	struct seg s;

	(void)state;
	pair_open(&p, &defaults);
	p.c.window = 10; /* 1280 bytes */
	ack(&p, 0);
	assert_int_equal(tell(&p, 0, 10000), 10000);
	expect_data(&p, 0, 1280);
	expect_silence(&p);
	/* crumbs are not sent */
	p.c.window = 1;
	ack(&p, 1280);
	expect_data(&p, 1280, 128); /* nothing was in flight */
	p.c.window = 3;
	ack(&p, 1280);
	expect_silence(&p);
	p.c.window = 0;
	ack(&p, 1408);
	expect_silence(&p);
	for (unsigned i = 0; i < 3; i++) {
		conn_expire(&p.c);
		assert_true(guest_receive(p.g, &s));
		assert_int_equal(s.len, 0);
		assert_int_equal(s.seq, p.c.rcv_nxt + 1407); /* of the past */
		guest_segment_free(&s);
		ack(&p, 1408);
	}
	/* as long as it answers, it may take its time */
	assert_int_equal(p.conn->tries, 0);
	p.c.window = 8192;
	ack(&p, 1408);
	expect_data(&p, 1408, 10000 - 1408);
	/* a window that closes over what was sent */
	p.c.window = 0;
	ack(&p, 1408);
	conn_expire(&p.c);
	assert_true(guest_receive(p.g, &s));
	assert_int_equal(s.len, 0);
	guest_segment_free(&s);
	pair_close(&p);
}

static void t_lost(void **state)
{
	struct pair p;
	size_t first = 65495 / 1460 * 1460;

	(void)state;
	pair_open(&p, &defaults);
	assert_int_equal(tell(&p, 0, 150000), 150000);
	expect_data(&p, 0, first);
	expect_data(&p, first, first);
	expect_data(&p, 2 * first, 150000 - 2 * first);
	/* nothing of it arrives: one at a time again */
	conn_expire(&p.c);
	expect_data(&p, 0, first);
	expect_silence(&p);
	ack(&p, first);
	expect_data(&p, first, first);
	/* everything else had arrived */
	ack(&p, 150000);
	expect_silence(&p);
	assert_false(p.conn->recovering);
	assert_int_equal(p.conn->deadline, 0);
	/* three repetitions say the same, faster */
	assert_int_equal(tell(&p, 150000, 100000), 100000);
	expect_data(&p, 150000, first);
	expect_data(&p, 150000 + first, 100000 - first);
	for (unsigned i = 0; i < 3; i++)
		ack(&p, 150000);
	expect_data(&p, 150000, first);
	ack(&p, 250000);
	/* a guest that is dead */
	assert_int_equal(tell(&p, 0, 10), 10);
	for (unsigned i = 0; !p.closed; i++) {
		struct seg s;

		assert_true(i <= TCP_TRIES);
		assert_true(guest_receive(p.g, &s));
		assert_int_equal(s.len, 10);
		guest_segment_free(&s);
		conn_expire(&p.c);
		while (!guest_has_frame(p.g) && !p.closed)
			loop_turn(p.g->loop, 100);
	}
	assert_int_equal(p.error, -ETIMEDOUT);
	pair_close(&p);
}

/* A guest without room is not a dead one. */
static void t_stalled(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, &defaults);
	p.g->room = 1;
	assert_int_equal(tell(&p, 0, 100000), 100000);
	assert_int_equal(p.g->count, 1);
	for (unsigned i = 0; i < 3 * TCP_TRIES; i++) {
		conn_expire(&p.c);
		while (p.conn->deadline == 1)
			loop_turn(p.g->loop, 100);
	}
	assert_false(p.closed);
	p.g->room = 100;
	net_link_ready(p.g->net);
	p.c.data = malloc(100000);
	p.c.data_max = 100000;
	while (p.c.received < 100000)
		assert_true(conn_receive(&p.c));
	pattern_check(p.c.data, 0, 100000);
	pair_close(&p);
}

/* --- ends --- */

/* Let the time of a connection that waits pass. */
static void pass(struct pair *p)
{
	while (conn_inside(&p->c)) {
		conn_expire(&p->c);
		loop_turn(p->g->loop, 100);
	}
}

static void t_guest_first(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, &defaults);
	say(&p, 0, 5, TH_FIN);
	assert_true(p.fin);
	assert_int_equal(p.taken, 5);
	expect_ack(&p, 6);
	/* half closed: we go on */
	assert_int_equal(tell(&p, 0, 3000), 3000);
	expect_data(&p, 0, 3000);
	tcp_finish(p.conn);
	assert_true(conn_receive(&p.c)); /* the FIN */
	assert_false(p.c.fin);		 /* behind what is not taken yet */
	conn_send_at(&p.c, TH_ACK, 1007, p.c.rcv_nxt + 3001, NULL, 0);
	assert_true(p.closed);
	assert_int_equal(p.error, 0);
	assert_null(conn_inside(&p.c)); /* no TIME-WAIT for who is second */
	pair_close(&p);
}

static void t_host_first(void **state)
{
	struct pair p;
	struct seg s;

	(void)state;
	pair_open(&p, &defaults);
	assert_int_equal(tell(&p, 0, 100), 100);
	expect_data(&p, 0, 100);
	tcp_finish(p.conn);
	tcp_finish(p.conn); /* once is enough */
	assert_int_equal(tell(&p, 0, 100), 0);
	assert_true(guest_receive(p.g, &s));
	assert_int_equal(s.flags & TH_FIN, TH_FIN);
	assert_int_equal(s.seq, p.c.rcv_nxt + 100);
	guest_segment_free(&s);
	/* it was lost */
	conn_expire(&p.c);
	assert_true(guest_receive(p.g, &s));
	assert_int_equal(s.len, 100);
	assert_int_equal(s.flags & TH_FIN, TH_FIN);
	guest_segment_free(&s);
	ack(&p, 101);
	/* half closed: the guest goes on */
	say(&p, 0, 500, TH_PUSH);
	assert_int_equal(p.taken, 500);
	assert_true(conn_receive(&p.c));
	p.c.rcv_nxt += 101;
	say(&p, 500, 0, TH_FIN);
	assert_true(p.fin && p.closed);
	assert_int_equal(p.error, 0);
	expect_ack(&p, 501);
	/* TIME-WAIT: the FIN once more is answered once more */
	assert_int_equal(conn_inside(&p.c)->phase, CONN_TIME_WAIT);
	assert_int_equal(p.g->net->tcp->ninbound, 0);
	say(&p, 500, 0, TH_FIN);
	expect_ack(&p, 501);
	/* a reset that is too late does no harm, and time ends it */
	pass(&p);
	say(&p, 500, 0, TH_FIN);
	assert_true(guest_receive(p.g, &s));
	assert_int_equal(s.flags, TH_RST);
	guest_segment_free(&s);
	pair_close(&p);
}

static void t_both_at_once(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, &defaults);
	tcp_finish(p.conn);
	say(&p, 0, 0, TH_FIN); /* does not know of ours */
	assert_true(p.fin);
	assert_false(p.closed);
	assert_true(conn_receive(&p.c));
	assert_true(p.c.fin);
	conn_send_at(&p.c, TH_ACK, 1002, p.c.rcv_nxt, NULL, 0);
	assert_true(p.closed);
	assert_int_equal(conn_inside(&p.c)->phase, CONN_TIME_WAIT);
	/* the guest begins anew with the same ends */
	conn_send_at(&p.c, TH_SYN, 500, 0, NULL, 0); /* an old one */
	assert_int_equal(conn_inside(&p.c)->phase, CONN_TIME_WAIT);
	conn_send_at(&p.c, TH_SYN, 5000000, 0, NULL, 0);
	assert_true(!conn_inside(&p.c) ||
		    conn_inside(&p.c)->phase != CONN_TIME_WAIT);
	pair_close(&p);
}

static void t_reset_by_owner(void **state)
{
	struct pair p;
	struct seg s;

	(void)state;
	pair_open(&p, &defaults);
	assert_int_equal(tell(&p, 0, 100), 100);
	expect_data(&p, 0, 100);
	tcp_reset(p.conn);
	assert_true(guest_receive(p.g, &s));
	assert_int_equal(s.flags, TH_RST | TH_ACK);
	assert_int_equal(s.seq, p.c.rcv_nxt + 100);
	guest_segment_free(&s);
	assert_null(conn_inside(&p.c));
	assert_false(p.closed); /* he knows */
	guest_free(p.g);
	assert_false(p.closed);
}

static void t_abandoned(void **state)
{
	struct pair p;
	struct seg s;

	(void)state;
	pair_open(&p, &defaults);
	p.take = 0;
	say(&p, 0, 1000, TH_PUSH);
	assert_true(conn_receive(&p.c));
	tcp_abandon(p.conn);
	assert_true(conn_receive(&p.c));
	assert_true(p.c.fin);
	/* what still comes is thrown away */
	say(&p, 1000, 50000, TH_PUSH);
	assert_true(conn_receive(&p.c));
	assert_int_equal(p.c.snd_una, 1001 + 51000);
	assert_true(p.c.peer_window > TCP_RING_LARGE / 2);
	/* but not for ever */
	conn_inside(&p.c)->orphan_until = 1;
	conn_expire(&p.c);
	assert_true(guest_receive(p.g, &s));
	assert_int_equal(s.flags, TH_RST | TH_ACK);
	guest_segment_free(&s);
	assert_false(p.closed);
	guest_free(p.g);
	assert_false(p.closed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_connect_refused),
		cmocka_unit_test(t_connect_silence),
		cmocka_unit_test(t_in_order),
		cmocka_unit_test(t_overlaps),
		cmocka_unit_test(t_kept),
		cmocka_unit_test(t_hostile_numbers),
		cmocka_unit_test(t_out),
		cmocka_unit_test(t_offload),
		cmocka_unit_test(t_no_room),
		cmocka_unit_test(t_window),
		cmocka_unit_test(t_lost),
		cmocka_unit_test(t_stalled),
		cmocka_unit_test(t_guest_first),
		cmocka_unit_test(t_host_first),
		cmocka_unit_test(t_both_at_once),
		cmocka_unit_test(t_reset_by_owner),
		cmocka_unit_test(t_abandoned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
