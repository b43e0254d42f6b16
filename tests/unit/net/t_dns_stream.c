/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a guest's questions by connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "dns_bench.h"

static struct guest_conn conn;
static uint8_t received[1 << 20];
static size_t taken; /* of what conn received */

static void open_with(const char *rules)
{
	struct net_endpoint to;

	bench_open(rules);
	to = gateway_end(bench.g, AF_INET, DNS_PORT);
	assert_true(conn_open(&conn, bench.g, 6000, &to));
	conn.data = received;
	conn.data_max = sizeof(received);
	taken = 0;
}

static int teardown(void **state)
{
	(void)state;
	bench_close();
	return 0;
}

/* The bytes of bench.query with its length in front. */
static size_t framed(uint8_t *out, uint16_t id)
{
	be16_put(bench.query.b, id);
	be16_put(out, (uint16_t)bench.query.len);
	memcpy(out + 2, bench.query.b, bench.query.len);
	return 2 + bench.query.len;
}

static void send_query(const char *name, uint16_t type, uint16_t id)
{
	static uint8_t out[2 + DNS_MAX_MSG];

	bench_query(name, type);
	conn_send(&conn, TH_PUSH, out, framed(out, id));
}

/* The next answer, into bench.answer. */
static void take_answer(void)
{
	size_t len = 0;

	for (int i = 0; i < 100 && (len == 0 || conn.received - taken < len);
	     i++) {
		(void)conn_receive(&conn);
		if (conn.received - taken >= 2)
			len = 2u + be16_get(received + taken);
	}
	assert_true(len && conn.received - taken >= len);
	bench.answer.len = len - 2;
	memcpy(bench.answer.b, received + taken + 2, len - 2);
	taken += len;
	assert_int_equal(dns_header_read(bench.answer.b, bench.answer.len,
					 &bench.header),
			 0);
}

static void questions_go_on_by_connection(void **state)
{
	struct dns_record rec;

	(void)state;
	open_with(NULL);
	send_query("a.example", DNS_A, 1);
	take_answer();
	assert_int_equal(bench.header.id, 1);
	assert_int_equal(bench_records(DNS_A, &rec), 1);
	assert_int_equal(bench.server.tcp_queries, 1);
	assert_int_equal(bench.server.udp_queries, 0);
	assert_true(bench_pinned("8.8.8.8", "a.example"));
}

static void rules_look_at_the_transport(void **state)
{
	(void)state;
	open_with("allow@dns:udp,allow@good.example");
	send_query("a.example", DNS_A, 1);
	take_answer();
	assert_int_equal(bench.header.flags & DNS_FLAG_RCODE, DNS_NXDOMAIN);
	send_query("good.example", DNS_A, 2);
	take_answer();
	assert_int_equal(bench.header.flags & DNS_FLAG_RCODE, DNS_NOERROR);
}

static bool answer_huge(struct mock_server *s, const struct dns_request *r,
			bool tcp, struct mock_msg *m)
{
	bench_answer(s, r, tcp, m);
	while (m->len < 65000)
		mock_addr(m, bench_asked(s), 60, "8.8.4.4");
	return true;
}

static void answers_may_be_as_long_as_they_like(void **state)
{
	(void)state;
	open_with(NULL);
	bench.server.answer = answer_huge;
	send_query("a.example", DNS_A, 1);
	take_answer();
	assert_true(bench.answer.len >= 65000);
	assert_false(bench.header.flags & DNS_FLAG_TC);
}

static void several_questions_may_be_outstanding(void **state)
{
	uint8_t out[1024];
	size_t n = 0;
	bool seen[5] = { false };

	(void)state;
	open_with("deny@bad.example,allow@any");
	/* an empty one between them is nothing */
	for (uint16_t i = 0; i < 4; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "n%u.example", i);
		bench_query(name, DNS_A);
		n += framed(out + n, i);
		memcpy(out + n, "\0", 2);
		n += 2;
	}
	bench_query("bad.example", DNS_A);
	n += framed(out + n, 4);
	conn_send(&conn, TH_PUSH, out, n);
	for (int i = 0; i < 5; i++) {
		take_answer();
		assert_in_range(bench.header.id, 0, 4);
		assert_false(seen[bench.header.id]);
		seen[bench.header.id] = true;
		assert_int_equal(bench.header.answers, bench.header.id < 4);
	}
	assert_int_equal(bench.server.tcp_queries, 4);
}

static void questions_may_come_byte_by_byte(void **state)
{
	uint8_t out[512];
	size_t n;

	(void)state;
	open_with(NULL);
	bench_query("a.example", DNS_A);
	n = framed(out, 9);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(bench.server.tcp_queries, 0);
		conn_send(&conn, TH_PUSH, out + i, 1);
		guest_turn(bench.g);
	}
	take_answer();
	assert_int_equal(bench.header.id, 9);
}

static void a_guest_that_has_finished_gets_its_answer(void **state)
{
	(void)state;
	open_with(NULL);
	send_query("a.example", DNS_A, 1);
	conn_send(&conn, TH_FIN, NULL, 0);
	take_answer();
	assert_int_equal(bench.header.answers, 1);
	for (int i = 0; i < 10 && !conn.fin; i++)
		(void)conn_receive(&conn);
	assert_true(conn.fin);
	assert_false(conn.reset);
	assert_true(list_empty(&bench.g->net->dns->streams));
}

static void too_long_a_question_ends_the_connection(void **state)
{
	(void)state;
	open_with(NULL);
	conn_send(&conn, TH_PUSH, "\x10\x01", 2);
	for (int i = 0; i < 10 && !conn.reset; i++)
		(void)conn_receive(&conn);
	assert_true(conn.reset);
	assert_true(list_empty(&bench.g->net->dns->streams));
}

static void idle_connections_end(void **state)
{
	(void)state;
	open_with(NULL);
	bench_clock(29000);
	send_query("a.example", DNS_A, 1);
	take_answer();
	bench_clock(29000);
	assert_false(list_empty(&bench.g->net->dns->streams));
	conn_send(&conn, TH_PUSH, "\0", 1); /* half a length is no question */
	bench_clock(2000);
	for (int i = 0; i < 10 && !conn.fin; i++)
		(void)conn_receive(&conn);
	assert_true(conn.fin);
	assert_true(list_empty(&bench.g->net->dns->streams));
}

static bool heard_of(void *ctx)
{
	return bench.server.tcp_queries >= *(unsigned *)ctx;
}

static void a_reset_forgets_its_questions(void **state)
{
	unsigned n = 1;

	(void)state;
	open_with(NULL);
	bench.server.answer = bench_silence;
	send_query("a.example", DNS_A, 1);
	guest_until(bench.g, heard_of, &n);
	assert_int_equal(bench.g->net->dns->outstanding, 1);
	conn_send(&conn, TH_RST, NULL, 0);
	guest_turn(bench.g);
	assert_int_equal(bench.g->net->dns->outstanding, 0);
	assert_true(list_empty(&bench.g->net->dns->streams));
}

static void questions_wait_for_their_turn(void **state)
{
	uint8_t out[4096];
	size_t n = 0;
	unsigned max = 16;

	(void)state;
	open_with(NULL);
	bench.server.answer = bench_silence;
	for (uint16_t i = 0; i < 40; i++) {
		bench_query("a.example", 16); /* never kept */
		n += framed(out + n, i);
	}
	for (size_t at = 0; at < n; at += 1000)
		conn_send(&conn, TH_PUSH, out + at,
			  n - at < 1000 ? n - at : 1000);
	guest_until(bench.g, heard_of, &max);
	assert_int_equal(bench.g->net->dns->outstanding, max);
	/* when these have failed, the next are asked */
	bench_clock(bench.g->net->config.dns_timeout_ms);
	for (unsigned i = 0; i < max; i++) {
		take_answer();
		assert_int_equal(bench.header.flags & DNS_FLAG_RCODE,
				 DNS_SERVFAIL);
	}
	assert_int_equal(bench.g->net->dns->outstanding, max);
}

static void connections_wait_for_each_other(void **state)
{
	struct dns *d;

	(void)state;
	open_with(NULL);
	d = bench.g->net->dns;
	bench.server.answer = bench_silence;
	for (unsigned i = 0; i < DNS_MAX_OUTSTANDING; i++) {
		struct net_endpoint to =
			gateway_end(bench.g, AF_INET, DNS_PORT);

		bench_query("a.example", DNS_A);
		bench_send(&to, (uint16_t)(7000 + i));
	}
	assert_int_equal(d->outstanding, DNS_MAX_OUTSTANDING);
	send_query("b.example", DNS_A, 1);
	guest_turn(bench.g);
	guest_turn(bench.g);
	assert_int_equal(bench.server.tcp_queries, 0);
	assert_false(list_empty(&d->waiting));
	bench.server.answer = bench_answer;
	bench_clock(bench.g->net->config.dns_timeout_ms);
	while (bench.server.tcp_queries == 0)
		guest_turn(bench.g);
	assert_true(list_empty(&d->waiting));
}

/* A guest that asks and never reads: what it is owed is bounded. */
static void answers_that_are_not_read_are_bounded(void **state)
{
	uint8_t out[512];
	struct dns *d;
	unsigned i;
	size_t n;

	(void)state;
	open_with(NULL);
	d = bench.g->net->dns;
	bench.g->net->config.rebind_protection = false;
	bench.server.answer = answer_huge;
	conn.window = 0;
	bench_query("a.example", DNS_A);
	n = framed(out, 1);
	for (i = 0; i < 2000 && !list_empty(&d->streams); i++) {
		conn_send(&conn, TH_PUSH, out, n);
		guest_turn(bench.g);
		bench_discard();
		assert_in_range(d->backlog, 0, DNS_STREAM_BACKLOG);
		if (bench.server.nconns == MOCK_CONNS)
			break;
	}
	/* it is not asked for more while answers lie there */
	assert_in_range(bench.server.tcp_queries, 1, MOCK_CONNS);
	assert_true(d->backlog > 0);
	bench_clock(31000);
	guest_turn(bench.g);
	assert_true(list_empty(&d->streams));
	assert_int_equal(d->backlog, 0);
}

static void the_end_may_come_at_any_time(void **state)
{
	unsigned n = 1;

	(void)state;
	open_with(NULL);
	bench.server.answer = bench_silence;
	send_query("a.example", DNS_A, 1);
	guest_until(bench.g, heard_of, &n);
	net_detach(bench.g->net);
	assert_int_equal(bench.g->net->dns->outstanding, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(questions_go_on_by_connection),
		TEST(rules_look_at_the_transport),
		TEST(answers_may_be_as_long_as_they_like),
		TEST(several_questions_may_be_outstanding),
		TEST(questions_may_come_byte_by_byte),
		TEST(a_guest_that_has_finished_gets_its_answer),
		TEST(too_long_a_question_ends_the_connection),
		TEST(idle_connections_end),
		TEST(a_reset_forgets_its_questions),
		TEST(questions_wait_for_their_turn),
		TEST(connections_wait_for_each_other),
		TEST(answers_that_are_not_read_are_bounded),
		TEST(the_end_may_come_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
