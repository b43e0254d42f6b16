/* SPDX-License-Identifier: Apache-2.0 */
/* Asking servers over real sockets of loopback: which answers count, and when
 * the next server is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/bytes.h"
#include "dns_mock.h"

#define GUEST_ID 0x1234

static struct {
	struct loop *loop;
	struct mock_server first, second;
	struct dns_server servers[2];
	struct dns_exchange x;
	struct mock_msg query;
	uint8_t scratch[DNS_MAX_MSG];
	unsigned calls;
	bool failed;
	uint8_t answer[DNS_MAX_MSG];
	size_t len;
	uint16_t ids[64], ports[64];
} t;

static bool say_yes(struct mock_server *s, const struct dns_request *r,
		    bool tcp, struct mock_msg *m)
{
	(void)tcp;
	mock_begin(m, r->header.id, 0x8180, "example.com", r->question.type);
	mock_addr(m, "example.com", 60,
		  s == &t.first ? "192.0.2.1" : "192.0.2.2");
	return true;
}

static bool say_nothing(struct mock_server *s, const struct dns_request *r,
			bool tcp, struct mock_msg *m)
{
	(void)s;
	(void)r;
	(void)tcp;
	(void)m;
	return false;
}

static void on_done(struct dns_exchange *x, uint8_t *answer, size_t len)
{
	assert_ptr_equal(x, &t.x);
	t.calls++;
	t.failed = !answer;
	t.len = len;
	if (answer)
		memcpy(t.answer, answer, len);
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	if (loop_new(&t.loop))
		return -1;
	mock_open(&t.first, t.loop);
	mock_open(&t.second, t.loop);
	t.first.answer = t.second.answer = say_yes;
	t.servers[0] = mock_end(&t.first);
	t.servers[1] = mock_end(&t.second);
	mock_begin(&t.query, GUEST_ID, DNS_FLAG_RD, "example.com", DNS_A);
	t.x = (struct dns_exchange){
		.loop = t.loop,
		.servers = t.servers,
		.nservers = 2,
		.timeout_ms = 60000,
		.query = t.query.b,
		.len = t.query.len,
		.scratch = t.scratch,
		.done = on_done,
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dns_exchange_cancel(&t.x);
	mock_close(&t.first);
	mock_close(&t.second);
	loop_free(t.loop);
	return 0;
}

static void ask(void)
{
	unsigned before = t.calls;

	dns_exchange_start(&t.x);
	assert_int_equal(t.calls, before); /* never at once */
	while (t.calls == before)
		assert_int_equal(loop_turn(t.loop, -1), 0);
	assert_int_equal(t.calls, before + 1);
}

/* The last byte of an answer is that of its address. */
static void assert_answer_of(const struct mock_server *s)
{
	assert_false(t.failed);
	assert_int_equal(t.answer[t.len - 1], s == &t.first ? 1 : 2);
}

static void the_first_server_answers(void **state)
{
	(void)state;
	ask();
	assert_answer_of(&t.first);
	assert_int_equal(t.second.udp_queries, 0);
	assert_int_equal(t.first.last_len, t.query.len);
	/* everything but the id is as it came */
	assert_memory_equal(t.first.last + 2, t.query.b + 2, t.query.len - 2);
}

static bool differ(const uint16_t *v, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (v[i] != v[0] && v[i] != v[i - 1] + 1)
			return true;
	return false;
}

static void ids_and_ports_are_random(void **state)
{
	(void)state;
	for (size_t i = 0; i < 64; i++) {
		ask();
		t.ids[i] = t.first.last_id;
		t.ports[i] = ntohs(t.first.from.sin_port);
	}
	assert_true(differ(t.ids, 64));
	assert_true(differ(t.ports, 64));
}

static bool say_too_much(struct mock_server *s, const struct dns_request *r,
			 bool tcp, struct mock_msg *m)
{
	(void)tcp;
	mock_begin(m, r->header.id ^ 1, 0x8180, "example.com", DNS_A);
	mock_addr(m, "example.com", 60, "203.0.113.66");
	mock_send(s, m); /* another id */
	mock_begin(m, r->header.id, 0x8180, "example.org", DNS_A);
	mock_addr(m, "example.org", 60, "203.0.113.66");
	mock_send(s, m); /* another question */
	mock_begin(m, r->header.id, 0x8180, "example.com", DNS_AAAA);
	mock_send(s, m);
	mock_begin(m, r->header.id, 0x0180, "example.com", DNS_A);
	mock_send(s, m); /* a question itself */
	mock_begin(m, r->header.id, 0xa980, "example.com", DNS_A);
	mock_send(s, m); /* of another kind */
	m->len = 5;
	mock_send(s, m);
	mock_begin(m, r->header.id, 0x8180, NULL, 0);
	mock_send(s, m); /* success, of nothing */
	mock_begin(m, r->header.id, 0x8180, "EXAMPLE.com", DNS_A);
	mock_addr(m, "example.com", 60, "192.0.2.1");
	return true;
}

static void only_the_answer_to_the_question_counts(void **state)
{
	(void)state;
	t.first.answer = say_too_much;
	ask();
	assert_answer_of(&t.first);
	assert_int_equal(t.second.udp_queries, 0);
}

static bool say_refused(struct mock_server *s, const struct dns_request *r,
			bool tcp, struct mock_msg *m)
{
	(void)tcp;
	if (s->udp_queries % 2) /* without and with the question */
		mock_begin(m, r->header.id, 0x8185, NULL, 0);
	else
		mock_begin(m, r->header.id, 0x8182, "example.com", DNS_A);
	return true;
}

static void failures_that_servers_tell_are_final(void **state)
{
	(void)state;
	t.first.answer = say_refused;
	ask();
	assert_false(t.failed);
	assert_int_equal(t.len, DNS_HEADER);
	ask();
	assert_false(t.failed);
	assert_int_equal(t.answer[3] & DNS_FLAG_RCODE, DNS_SERVFAIL);
	assert_int_equal(t.second.udp_queries, 0);
}

static void silence_is_followed_by_the_next(void **state)
{
	(void)state;
	t.x.timeout_ms = 20;
	t.first.answer = say_nothing;
	ask();
	assert_answer_of(&t.second);
	assert_int_equal(t.first.udp_queries, 1);
	t.second.answer = say_nothing;
	ask();
	assert_true(t.failed);
	assert_int_equal(t.second.udp_queries, 2);
}

static void a_closed_port_is_followed_by_the_next(void **state)
{
	(void)state;
	t.servers[0].end.port = mock_dead_port();
	ask();
	assert_answer_of(&t.second);
	t.x.tcp = true;
	ask();
	assert_answer_of(&t.second);
	t.servers[1].end.port = t.servers[0].end.port;
	ask();
	assert_true(t.failed);
}

static void unreachable_servers_fail_by_and_by(void **state)
{
	(void)state;
	/* no socket can be connected to these */
	t.servers[0].end.addr = (struct net_addr){ .family = AF_UNSPEC };
	ask();
	assert_answer_of(&t.second);
	t.x.nservers = 1;
	ask();
	assert_true(t.failed);
	t.x.nservers = 0;
	ask();
	assert_true(t.failed);
}

static bool say_garbage(struct mock_server *s, const struct dns_request *r,
			bool tcp, struct mock_msg *m)
{
	say_yes(s, r, tcp, m);
	if (s == &t.first)
		m->len -= 2; /* an address of two bytes is missing the rest */
	return true;
}

static void broken_answers_are_followed_by_the_next(void **state)
{
	(void)state;
	t.first.answer = t.second.answer = say_garbage;
	ask();
	assert_answer_of(&t.second);
	t.x.tcp = true;
	ask();
	assert_answer_of(&t.second);
}

static bool say_more(struct mock_server *s, const struct dns_request *r,
		     bool tcp, struct mock_msg *m)
{
	say_yes(s, r, tcp, m);
	memcpy(m->b + m->len, "junk", 4);
	m->len += 4;
	return true;
}

static void what_follows_an_answer_is_cut_off(void **state)
{
	(void)state;
	t.first.answer = say_more;
	ask();
	assert_answer_of(&t.first);
}

static void the_asker_may_repeat(void **state)
{
	(void)state;
	t.first.answer = say_nothing;
	dns_exchange_start(&t.x);
	while (!t.first.udp_queries)
		assert_int_equal(loop_turn(t.loop, -1), 0);
	t.first.answer = say_yes;
	dns_exchange_repeat(&t.x);
	while (!t.calls)
		assert_int_equal(loop_turn(t.loop, -1), 0);
	assert_answer_of(&t.first);
	assert_int_equal(t.first.udp_queries, 2);
}

/* --- TCP --- */

static bool say_a_lot(struct mock_server *s, const struct dns_request *r,
		      bool tcp, struct mock_msg *m)
{
	say_yes(s, r, tcp, m);
	while (m->len < 60000)
		mock_addr(m, "example.com", 60, "192.0.2.1");
	return true;
}

static void streams_carry_large_answers(void **state)
{
	(void)state;
	t.x.tcp = true;
	t.first.answer = say_a_lot;
	ask();
	assert_answer_of(&t.first);
	assert_true(t.len >= 60000);
	assert_int_equal(t.first.tcp_queries, 1);
	assert_int_equal(t.first.udp_queries, 0);
}

static void streams_come_in_pieces(void **state)
{
	(void)state;
	t.x.tcp = true;
	t.first.in_pieces = true;
	ask();
	assert_answer_of(&t.first);
}

static void streams_that_break_off_are_followed_by_the_next(void **state)
{
	(void)state;
	t.x.tcp = true;
	t.first.answer = say_nothing;
	t.first.hang_up = true;
	ask();
	assert_answer_of(&t.second);
	assert_int_equal(t.first.tcp_queries, 1);
}

static void silent_streams_are_followed_by_the_next(void **state)
{
	(void)state;
	t.x.tcp = true;
	t.x.timeout_ms = 20;
	t.first.answer = say_nothing;
	ask();
	assert_answer_of(&t.second);
}

static bool say_another(struct mock_server *s, const struct dns_request *r,
			bool tcp, struct mock_msg *m)
{
	say_yes(s, r, tcp, m);
	be16_put(m->b, r->header.id ^ 1);
	return true;
}

static void streams_with_anothers_answer_are_followed_by_the_next(void **state)
{
	(void)state;
	t.x.tcp = true;
	t.first.answer = say_another;
	ask();
	assert_answer_of(&t.second);
}

static void nothing_comes_after_a_cancel(void **state)
{
	(void)state;
	dns_exchange_start(&t.x);
	dns_exchange_cancel(&t.x);
	t.x.tcp = true;
	dns_exchange_start(&t.x);
	while (!t.first.tcp_queries)
		assert_int_equal(loop_turn(t.loop, -1), 0);
	dns_exchange_cancel(&t.x);
	dns_exchange_cancel(&t.x);
	while (t.first.conns[0].fd >= 0) /* it sees that we are gone */
		assert_int_equal(loop_turn(t.loop, -1), 0);
	assert_int_equal(t.calls, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(the_first_server_answers),
		TEST(ids_and_ports_are_random),
		TEST(only_the_answer_to_the_question_counts),
		TEST(failures_that_servers_tell_are_final),
		TEST(silence_is_followed_by_the_next),
		TEST(a_closed_port_is_followed_by_the_next),
		TEST(unreachable_servers_fail_by_and_by),
		TEST(broken_answers_are_followed_by_the_next),
		TEST(what_follows_an_answer_is_cut_off),
		TEST(the_asker_may_repeat),
		TEST(streams_carry_large_answers),
		TEST(streams_come_in_pieces),
		TEST(streams_that_break_off_are_followed_by_the_next),
		TEST(silent_streams_are_followed_by_the_next),
		TEST(streams_with_anothers_answer_are_followed_by_the_next),
		TEST(nothing_comes_after_a_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
