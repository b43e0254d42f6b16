/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a guest's questions by datagram. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "dns_bench.h"

static unsigned asked_server(void)
{
	return bench.server.udp_queries + bench.server.tcp_queries;
}

static int teardown(void **state)
{
	(void)state;
	bench_close();
	return 0;
}

static void questions_are_answered_by_servers(void **state)
{
	struct net_endpoint v6;
	struct dns_record rec;

	(void)state;
	bench_open(NULL);
	assert_int_equal(bench_ask("A.eXample", DNS_A), DNS_NOERROR);
	assert_string_equal(bench_asked(&bench.server), "A.eXample");
	assert_int_equal(bench_records(DNS_A, &rec), 1);
	assert_memory_equal(bench.answer.b + rec.data, "\x8\x8\x8\x8", 4);
	assert_int_equal(rec.ttl, 60);
	assert_true(bench_pinned("8.8.8.8", "a.example"));

	v6 = gateway_end(bench.g, AF_INET6, DNS_PORT);
	bench_query("b.example", DNS_AAAA);
	bench_send(&v6, 5001);
	assert_true(bench_receive(5001));
	assert_true(net_addr_equal(&bench.answer_from.addr, &v6.addr));
	assert_int_equal(bench_records(DNS_AAAA, &rec), 1);
	assert_true(bench_pinned("2606:4700::1111", "b.example"));
	assert_false(bench_pinned("8.8.8.8", "b.example"));
}

static void forbidden_names_do_not_exist(void **state)
{
	(void)state;
	bench_open("deny@bad.example,deny@suffix=evil.example,allow@dns");
	assert_int_equal(bench_ask("bad.example", DNS_A), DNS_NXDOMAIN);
	assert_int_equal(bench.header.answers, 0);
	assert_int_equal(bench.answer.len, bench.query.len);
	assert_non_null(strstr(bench.g->log, "bad.example"));
	assert_int_equal(bench_ask("EVIL.example", DNS_A), DNS_NXDOMAIN);
	assert_int_equal(bench_ask("x.evil.example", DNS_HTTPS), DNS_NXDOMAIN);
	assert_int_equal(asked_server(), 0);
	assert_int_equal(bench_ask("xevil.example", DNS_A), DNS_NOERROR);
	assert_int_equal(bench_ask("sub.bad.example", DNS_A), DNS_NOERROR);
	assert_int_equal(asked_server(), 2);
}

static void allowed_names_alone_exist(void **state)
{
	(void)state;
	bench_open("allow@good.example:tcp:443");
	assert_int_equal(bench_ask("good.example", DNS_A), DNS_NOERROR);
	assert_int_equal(bench_ask("other.example", DNS_A), DNS_NXDOMAIN);
	/* one label of these bytes is not that name */
	bench_query("good.example", DNS_A);
	bench.query.b[12] = 12;
	bench.query.b[17] = '.';
	{
		struct net_endpoint to =
			gateway_end(bench.g, AF_INET, DNS_PORT);

		bench_send(&to, 5000);
		assert_true(bench_receive(5000));
		assert_int_equal(bench.header.flags & DNS_FLAG_RCODE,
				 DNS_NXDOMAIN);
	}
	assert_int_equal(asked_server(), 1);
}

static void the_alias_is_the_gateway(void **state)
{
	struct dns_record rec;

	(void)state;
	bench_open(NULL);
	assert_int_equal(bench_ask("Host.microsandbox.INTERNAL", DNS_A),
			 DNS_NOERROR);
	assert_true(bench.header.flags & DNS_FLAG_AA);
	assert_int_equal(bench_records(DNS_A, &rec), 1);
	assert_int_equal(rec.ttl, 60);
	assert_memory_equal(bench.answer.b + rec.data,
			    bench.g->net->link_addr.gateway4.b, 4);
	assert_int_equal(bench_ask(NET_HOST_ALIAS, DNS_AAAA), DNS_NOERROR);
	assert_int_equal(bench_records(DNS_AAAA, &rec), 1);
	assert_memory_equal(bench.answer.b + rec.data,
			    bench.g->net->link_addr.gateway6.b, 16);
	assert_int_equal(asked_server(), 0);
	assert_false(bench_pinned("172.16.0.1", NET_HOST_ALIAS));
	/* of other types a server may know */
	assert_int_equal(bench_ask(NET_HOST_ALIAS, 16), DNS_NOERROR);
	assert_int_equal(asked_server(), 1);
}

static void the_alias_is_a_name_like_others_to_rules(void **state)
{
	(void)state;
	bench_open("allow@good.example");
	assert_int_equal(bench_ask(NET_HOST_ALIAS, DNS_A), DNS_NXDOMAIN);
}

static void absent_families_have_no_addresses(void **state)
{
	(void)state;
	bench_open(NULL);
	bench.g->net->link_addr.gateway6.family = AF_UNSPEC;
	assert_int_equal(bench_ask("a.example", DNS_AAAA), DNS_NOERROR);
	assert_int_equal(bench.header.answers, 0);
	assert_int_equal(bench_ask(NET_HOST_ALIAS, DNS_AAAA), DNS_NOERROR);
	assert_int_equal(bench.header.answers, 0);
	assert_int_equal(asked_server(), 0);
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NOERROR);
	assert_int_equal(bench.header.answers, 1);
}

static bool answer_inner(struct mock_server *s, const struct dns_request *r,
			 bool tcp, struct mock_msg *m)
{
	const char *name = bench_asked(s);

	(void)tcp;
	mock_begin(m, r->header.id, 0x8180, name, r->question.type);
	mock_addr(m, name, 60, "8.8.8.8");
	mock_addr(m, name, 60, "192.168.1.1");
	return true;
}

static void inner_addresses_are_withheld(void **state)
{
	struct dns_record rec;

	(void)state;
	bench_open("allow@public");
	bench.server.answer = answer_inner;
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NXDOMAIN);
	assert_int_equal(bench.header.answers, 0);
	assert_false(bench_pinned("8.8.8.8", "a.example"));
	/* from the cache, too */
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NXDOMAIN);
	bench.g->net->config.rebind_protection = false;
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NOERROR);
	assert_int_equal(bench_records(DNS_A, &rec), 2);
	assert_true(bench_pinned("192.168.1.1", "a.example"));
}

static void rules_for_inner_addresses_let_them_pass(void **state)
{
	(void)state;
	bench_open("allow@public,allow@192.168.0.0/16");
	bench.server.answer = answer_inner;
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NOERROR);
	assert_true(bench_pinned("192.168.1.1", "a.example"));
}

static void silence_is_a_failure(void **state)
{
	(void)state;
	bench_open(NULL);
	bench.g->net->config.dns_timeout_ms = 20;
	bench.server.answer = bench_silence;
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_SERVFAIL);
	bench.g->net->dns->servers.n = 0;
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_SERVFAIL);
}

static bool answer_bare_refusal(struct mock_server *s,
				const struct dns_request *r, bool tcp,
				struct mock_msg *m)
{
	(void)s;
	(void)tcp;
	mock_begin(m, r->header.id, 0x8185, NULL, 0);
	return true;
}

static void refusals_come_with_the_question(void **state)
{
	(void)state;
	bench_open(NULL);
	bench.server.answer = answer_bare_refusal;
	assert_int_equal(bench_ask("a.example", DNS_A), 5);
	assert_int_equal(bench.header.answers, 0);
}

static void odd_messages_get_what_they_deserve(void **state)
{
	struct net_endpoint to;

	(void)state;
	bench_open(NULL);
	to = gateway_end(bench.g, AF_INET, DNS_PORT);
	bench_query("a.example", DNS_A);
	be16_put(bench.query.b + 4, 2);
	bench_send(&to, 5000);
	assert_true(bench_receive(5000));
	assert_int_equal(bench.header.flags & DNS_FLAG_RCODE, DNS_FORMERR);
	assert_int_equal(bench.header.id, BENCH_ID);
	be16_put(bench.query.b + 4, 0);
	bench_send(&to, 5000);
	assert_true(bench_receive(5000));
	assert_int_equal(bench.header.flags & DNS_FLAG_RCODE, DNS_FORMERR);
	/* an answer, a torso, nothing at all, too much: no answer */
	bench_query("a.example", DNS_A);
	be16_put(bench.query.b + 2, 0x8180);
	bench_send(&to, 5000);
	bench_query("a.example", DNS_A);
	bench.query.len -= 3;
	bench_send(&to, 5000);
	bench.query.len = 0;
	bench_send(&to, 5000);
	assert_false(bench_receive(5000));
	/* what is no question is not for us */
	bench_query("example", 6);
	be16_put(bench.query.b + 2, 5 << 11);
	bench_send(&to, 5000);
	assert_true(bench_receive(5000));
	assert_int_equal(bench.header.flags & DNS_FLAG_RCODE, DNS_NOTIMP);
	assert_int_equal(bench.header.flags & DNS_FLAG_OPCODE, 5 << 11);
	assert_int_equal(bench_ask("example", DNS_AXFR), DNS_NOTIMP);
	assert_int_equal(bench_ask("example", DNS_IXFR), DNS_NOTIMP);
	assert_int_equal(asked_server(), 0);
}

static bool answer_long(struct mock_server *s, const struct dns_request *r,
			bool tcp, struct mock_msg *m)
{
	bench_answer(s, r, tcp, m);
	while (m->len < 1000)
		mock_addr(m, bench_asked(s), 60, "8.8.4.4");
	return true;
}

static void long_answers_are_cut(void **state)
{
	struct net_endpoint to;

	(void)state;
	bench_open(NULL);
	to = gateway_end(bench.g, AF_INET, DNS_PORT);
	bench.server.answer = answer_long;
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NOERROR);
	assert_true(bench.header.flags & DNS_FLAG_TC);
	assert_int_equal(bench.answer.len, bench.query.len);
	/* but what they say is known: the guest may have it otherwise */
	assert_true(bench_pinned("8.8.4.4", "a.example"));

	bench_query("a.example", DNS_A);
	mock_edns(&bench.query, 1232, true);
	bench_send(&to, 5000);
	assert_true(bench_receive(5000));
	assert_false(bench.header.flags & DNS_FLAG_TC);
	assert_true(bench.answer.len >= 1000);
	/* the extension went on as it came */
	assert_int_equal(bench.server.last_len, bench.query.len);
	assert_memory_equal(bench.server.last + 2, bench.query.b + 2,
			    bench.query.len - 2);
	bench_query("a.example", DNS_A);
	mock_edns(&bench.query, 900, true);
	bench_send(&to, 5000);
	assert_true(bench_receive(5000));
	assert_true(bench.header.flags & DNS_FLAG_TC);
}

static void answers_are_kept_for_their_time(void **state)
{
	struct dns_record rec;

	(void)state;
	bench_open(NULL);
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NOERROR);
	bench_clock(20000);
	assert_int_equal(bench_ask("A.Example", DNS_A), DNS_NOERROR);
	assert_int_equal(asked_server(), 1);
	assert_int_equal(bench_records(DNS_A, &rec), 1);
	assert_in_range(rec.ttl, 39, 40);
	bench_clock(39000);
	assert_true(bench_pinned("8.8.8.8", "a.example"));
	bench_clock(1000);
	assert_false(bench_pinned("8.8.8.8", "a.example"));
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NOERROR);
	assert_int_equal(asked_server(), 2);
	assert_true(bench_pinned("8.8.8.8", "a.example"));
}

static unsigned step;

static bool answer_in_steps(struct mock_server *s, const struct dns_request *r,
			    bool tcp, struct mock_msg *m)
{
	const char *name = bench_asked(s);

	(void)tcp;
	mock_begin(m, r->header.id, step == 1 ? 0x8182 : 0x8180, name, DNS_A);
	if (step == 0) { /* TTL 0: not kept */
		mock_cname(m, name, 0, "edge.cdn");
		mock_addr(m, "edge.cdn", 3600, "8.8.8.8");
		mock_addr(m, "unrelated.example", 3600, "9.9.9.9");
	} else if (step == 2) { /* cut, and empty */
		be16_put(m->b + 2, 0x8380);
	}
	return true;
}

static void pins_follow_answers(void **state)
{
	(void)state;
	bench_open(NULL);
	bench.server.answer = answer_in_steps;
	step = 0;
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NOERROR);
	assert_true(bench_pinned("8.8.8.8", "a.example"));
	assert_false(bench_pinned("8.8.8.8", "edge.cdn"));
	assert_false(bench_pinned("9.9.9.9", "a.example"));
	assert_false(bench_pinned("9.9.9.9", "unrelated.example"));
	/* neither a failure nor a cut says that there is nothing */
	step = 1;
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_SERVFAIL);
	step = 2;
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NOERROR);
	assert_true(bench_pinned("8.8.8.8", "a.example"));
	step = 3;
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NOERROR);
	assert_false(bench_pinned("8.8.8.8", "a.example"));
}

static void pins_live_for_a_second_at_least(void **state)
{
	(void)state;
	bench_open(NULL);
	bench.server.answer = answer_in_steps;
	step = 0;
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NOERROR);
	assert_true(bench_pinned("8.8.8.8", "a.example"));
	bench_clock(1001);
	assert_false(bench_pinned("8.8.8.8", "a.example"));
}

static bool heard_of(void *ctx)
{
	return asked_server() >= *(unsigned *)ctx;
}

static void repetitions_are_passed_on_and_answered_once(void **state)
{
	struct net_endpoint to;
	unsigned n = 1;

	(void)state;
	bench_open(NULL);
	to = gateway_end(bench.g, AF_INET, DNS_PORT);
	bench.server.answer = bench_silence; /* the first is lost */
	bench_query("a.example", DNS_A);
	bench_send(&to, 5000);
	guest_until(bench.g, heard_of, &n);
	bench.server.answer = bench_answer;
	bench_send(&to, 5000);
	assert_int_equal(bench.g->net->dns->outstanding, 1);
	assert_true(bench_receive(5000));
	assert_int_equal(bench.header.flags & DNS_FLAG_RCODE, DNS_NOERROR);
	assert_int_equal(asked_server(), 2);
	assert_false(bench_receive(5000));
}

static void outstanding_queries_are_bounded(void **state)
{
	struct net_endpoint to;
	unsigned n = DNS_MAX_OUTSTANDING;

	(void)state;
	bench_open(NULL);
	to = gateway_end(bench.g, AF_INET, DNS_PORT);
	bench.server.answer = bench_silence;
	for (unsigned i = 0; i < DNS_MAX_OUTSTANDING + 10; i++) {
		bench_query("a.example", DNS_A);
		be16_put(bench.query.b, (uint16_t)i);
		bench_send(&to, 5000);
	}
	assert_int_equal(bench.g->net->dns->outstanding, n);
	guest_until(bench.g, heard_of, &n);
	assert_int_equal(asked_server(), n);
	bench_clock(bench.g->net->config.dns_timeout_ms);
	for (unsigned i = 0; i < n; i++) {
		assert_true(bench_receive(5000));
		assert_int_equal(bench.header.flags & DNS_FLAG_RCODE,
				 DNS_SERVFAIL);
	}
	assert_int_equal(bench.g->net->dns->outstanding, 0);
	bench.server.answer = bench_answer;
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NOERROR);
}

/* A server of the guest's choice: its port cannot be chosen. */
static const struct net_endpoint elsewhere = {
	.addr = { AF_INET, { 127, 53, 53, 53 } },
	.port = DNS_PORT,
};

static void servers_of_the_guest_need_a_rule(void **state)
{
	(void)state;
	bench_open("allow@public,allow@dns");
	bench_query("a.example", DNS_A);
	bench_send(&elsewhere, 5000);
	assert_true(bench_receive(5000));
	assert_true(net_addr_equal(&bench.answer_from.addr, &elsewhere.addr));
	assert_int_equal(bench.header.flags & DNS_FLAG_RCODE, DNS_NXDOMAIN);
	assert_non_null(strstr(bench.g->log, "127.53.53.53"));
	assert_int_equal(asked_server(), 0);
}

/* The host would take these for itself. */
static void servers_that_are_nobody(void **state)
{
	static const struct net_endpoint nobody = { { AF_INET, { 0 } },
						    DNS_PORT };

	(void)state;
	bench_open("allow@any");
	bench_query("a.example", DNS_A);
	bench_send(&nobody, 5000);
	assert_true(bench_receive(5000));
	assert_int_equal(bench.header.flags & DNS_FLAG_RCODE, DNS_NXDOMAIN);
	assert_non_null(strstr(bench.g->log, "no address of a host"));
	assert_int_equal(asked_server(), 0);
}

static bool answer_elsewhere(struct mock_server *s, const struct dns_request *r,
			     bool tcp, struct mock_msg *m)
{
	(void)tcp;
	mock_begin(m, r->header.id, 0x8180, bench_asked(s), DNS_A);
	mock_addr(m, bench_asked(s), 60, "8.8.4.4");
	return true;
}

/* The server listens at that address for once; false: it may not. */
static bool move_server(void)
{
	struct watch *w = &bench.server.udp_watch;
	struct sockaddr_storage a;
	socklen_t len = net_endpoint_to_sockaddr(&elsewhere, &a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&a, len) < 0) {
		(void)close(fd);
		return false;
	}
	loop_unwatch(w);
	(void)close(bench.server.udp);
	bench.server.udp = fd;
	bench.server.answer = answer_elsewhere;
	assert_int_equal(loop_watch(bench.g->loop, w, fd, EPOLLIN, w->on_ready),
			 0);
	return true;
}

static int ask_elsewhere(void)
{
	bench_query("a.example", DNS_A);
	bench_send(&elsewhere, 5000);
	if (!bench_receive(5000))
		return -1;
	assert_true(net_addr_equal(&bench.answer_from.addr, &elsewhere.addr));
	return bench.header.flags & DNS_FLAG_RCODE;
}

static void servers_of_the_guest_are_asked_themselves(void **state)
{
	(void)state;
	bench_open(NULL);
	assert_int_equal(bench_ask("a.example", DNS_A), DNS_NOERROR);
	if (!move_server()) { /* nobody is there */
		assert_int_equal(ask_elsewhere(), DNS_SERVFAIL);
		return;
	}
	for (int i = 0; i < 2; i++) { /* the second is kept */
		assert_int_equal(ask_elsewhere(), DNS_NOERROR);
		/* not what the other one said, which is kept, too */
		assert_int_equal(bench.header.answers, 1);
		assert_int_equal(bench.answer.b[bench.answer.len - 1], 4);
		/* an accomplice's word binds no name */
		assert_false(bench_pinned("8.8.4.4", "a.example"));
		assert_true(bench_pinned("8.8.8.8", "a.example"));
	}
	assert_int_equal(asked_server(), 2);
}

static void servers_that_rules_name_are_trusted(void **state)
{
	struct dns *d;

	(void)state;
	bench_open("allow@127.53.53.53:udp:53,allow@a.example");
	if (!move_server())
		skip();
	assert_int_equal(ask_elsewhere(), DNS_NOERROR);
	assert_true(bench_pinned("8.8.4.4", "a.example"));
	bench_close();

	/* a range does not name it, unless it is the host's own server */
	bench_open("allow@127.0.0.0/8:udp:53,allow@a.example");
	d = bench.g->net->dns;
	assert_true(move_server());
	assert_int_equal(ask_elsewhere(), DNS_NOERROR);
	assert_false(bench_pinned("8.8.4.4", "a.example"));
	d->servers.v[1] = (struct dns_server){ .end = elsewhere };
	d->servers.n = 2;
	assert_int_equal(ask_elsewhere(), DNS_NOERROR);
	assert_true(bench_pinned("8.8.4.4", "a.example"));
}

static void the_end_may_come_at_any_time(void **state)
{
	struct net_endpoint to;
	unsigned n = 1;

	(void)state;
	bench_open(NULL);
	to = gateway_end(bench.g, AF_INET, DNS_PORT);
	bench.server.answer = bench_silence;
	bench_query("a.example", DNS_A);
	bench_send(&to, 5000);
	guest_until(bench.g, heard_of, &n);
	net_detach(bench.g->net);
	assert_int_equal(bench.g->net->dns->outstanding, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(questions_are_answered_by_servers),
		TEST(forbidden_names_do_not_exist),
		TEST(allowed_names_alone_exist),
		TEST(the_alias_is_the_gateway),
		TEST(the_alias_is_a_name_like_others_to_rules),
		TEST(absent_families_have_no_addresses),
		TEST(inner_addresses_are_withheld),
		TEST(rules_for_inner_addresses_let_them_pass),
		TEST(silence_is_a_failure),
		TEST(refusals_come_with_the_question),
		TEST(odd_messages_get_what_they_deserve),
		TEST(long_answers_are_cut),
		TEST(answers_are_kept_for_their_time),
		TEST(pins_follow_answers),
		TEST(pins_live_for_a_second_at_least),
		TEST(repetitions_are_passed_on_and_answered_once),
		TEST(outstanding_queries_are_bounded),
		TEST(servers_that_are_nobody),
		TEST(servers_of_the_guest_need_a_rule),
		TEST(servers_of_the_guest_are_asked_themselves),
		TEST(servers_that_rules_name_are_trusted),
		TEST(the_end_may_come_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
