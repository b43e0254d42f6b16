/* SPDX-License-Identifier: Apache-2.0 */
/* Which answers are kept, for which questions, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "dns_mock.h"
#include "net/dns_cache.h"

#define S 1000u

static struct dns_cache *cache;
static struct mock_msg query, answer;
static uint8_t got[DNS_CACHE_MAX_ANSWER];

static int setup(void **state)
{
	(void)state;
	return dns_cache_new(&cache);
}

static int teardown(void **state)
{
	(void)state;
	cache = dns_cache_free(cache);
	return 0;
}

static void ask_for(const char *name, uint16_t type)
{
	mock_begin(&query, 0x1111, DNS_FLAG_RD, name, type);
}

static void answer_with(const char *name, uint32_t ttl, const char *addr)
{
	mock_begin(&answer, 0x2222, 0x8180, name, DNS_A);
	if (addr)
		mock_addr(&answer, name, ttl, addr);
}

static void put(uint64_t now_ms)
{
	struct dns_request r;

	assert_int_equal(dns_request_read(query.b, query.len, &r), 0);
	dns_cache_put(cache, NULL, query.b, query.len, &r, answer.b, answer.len,
		      now_ms);
}

static size_t get_from(const char *server, uint64_t now_ms)
{
	struct net_addr a;
	struct dns_request r;

	assert_int_equal(dns_request_read(query.b, query.len, &r), 0);
	if (server)
		assert_int_equal(net_addr_parse(server, strlen(server), &a), 0);
	return dns_cache_get(cache, server ? &a : NULL, query.b, query.len, &r,
			     now_ms, got);
}

static size_t get(uint64_t now_ms)
{
	return get_from(NULL, now_ms);
}

static void answers_live_as_long_as_they_say(void **state)
{
	struct dns_request r;
	struct dns_reader reader;
	struct dns_record rec;
	struct dns_header h;
	size_t n;

	(void)state;
	ask_for("a.example", DNS_A);
	answer_with("a.example", 60, "8.8.8.8");
	mock_record(&answer, DNS_ADDITIONAL, "ns.example", DNS_A, DNS_CLASS_IN,
		    300, "\1\1\1\1", 4);
	mock_edns(&answer, 1232, true);
	assert_int_equal(get(5 * S), 0);
	put(5 * S);

	/* in capitals, with another id: written as asked, and older */
	mock_begin(&query, 0x3333, DNS_FLAG_RD, "A.eXample", DNS_A);
	n = get(15 * S + 999);
	assert_int_equal(n, answer.len);
	assert_int_equal(be16_get(got), 0x3333);
	assert_memory_equal(got + 12, query.b + 12, query.len - 12);
	assert_int_equal(dns_request_read(query.b, query.len, &r), 0);
	assert_int_equal(dns_header_read(got, n, &h), 0);
	dns_reader_init(&reader, got, n, r.question.end, &h);
	assert_int_equal(dns_reader_next(&reader, &rec), 1);
	assert_int_equal(rec.ttl, 50);
	assert_int_equal(dns_reader_next(&reader, &rec), 1);
	assert_int_equal(rec.ttl, 290);
	assert_int_equal(dns_reader_next(&reader, &rec), 1);
	assert_int_equal(be16_get(got + rec.ttl_off + 2), 0x8000); /* DO */

	assert_int_not_equal(get(65 * S - 1), 0);
	assert_int_equal(get(65 * S), 0);
	assert_int_equal(get(64 * S), 0); /* it was forgotten */
}

static void other_questions_have_other_answers(void **state)
{
	(void)state;
	ask_for("a.example", DNS_A);
	answer_with("a.example", 60, "8.8.8.8");
	put(0);
	assert_int_not_equal(get(1), 0);
	assert_int_equal(get_from("9.9.9.9", 1), 0);
	ask_for("a.example", DNS_AAAA);
	assert_int_equal(get(1), 0);
	ask_for("b.example", DNS_A);
	assert_int_equal(get(1), 0);
	ask_for("a.example", DNS_A);
	mock_edns(&query, 1232, false);
	assert_int_equal(get(1), 0);
	ask_for("a.example", DNS_A);
	be16_put(query.b + 2, DNS_FLAG_RD | 0x10); /* checking disabled */
	assert_int_equal(get(1), 0);
}

static void only_positive_answers_are_kept(void **state)
{
	(void)state;
	ask_for("a.example", DNS_A);
	answer_with("a.example", 0, "8.8.8.8"); /* not for keeping */
	put(0);
	answer_with("a.example", 60, NULL); /* no such data */
	put(0);
	answer_with("a.example", 60, "8.8.8.8");
	be16_put(answer.b + 2, 0x8183);
	put(0);
	be16_put(answer.b + 2, 0x8380); /* cut */
	put(0);
	mock_begin(&answer, 0x2222, 0x8180, "a.example", DNS_A);
	mock_cname(&answer, "a.example", 60, "b.example");
	put(0);
	mock_begin(&answer, 0x2222, 0x8180, NULL, 0);
	put(0);
	answer_with("a.example", 60, "8.8.8.8");
	while (answer.len <= DNS_CACHE_MAX_ANSWER)
		mock_addr(&answer, "a.example", 60, "8.8.8.8");
	put(0);
	assert_int_equal(get(1), 0);
}

static void some_questions_are_never_kept(void **state)
{
	(void)state;
	ask_for("a.example", DNS_ANY);
	mock_begin(&answer, 0x2222, 0x8180, "a.example", DNS_ANY);
	mock_record(&answer, DNS_ANSWER, "a.example", DNS_ANY, DNS_CLASS_IN, 60,
		    "", 0);
	put(0);
	assert_int_equal(get(1), 0);
	/* with an option, such as a cookie */
	ask_for("a.example", DNS_A);
	mock_record(&query, DNS_ADDITIONAL, "", DNS_OPT, 1232, 0,
		    "\0\12\0\10cccccccc", 12);
	answer_with("a.example", 60, "8.8.8.8");
	put(0);
	assert_int_equal(get(1), 0);
}

static void the_newest_answer_replaces(void **state)
{
	(void)state;
	ask_for("a.example", DNS_A);
	answer_with("a.example", 60, "8.8.8.8");
	put(0);
	answer_with("a.example", 60, "8.8.4.4");
	put(1);
	assert_int_not_equal(get(2), 0);
	assert_int_equal(got[answer.len - 1], 4);
}

static void what_was_not_used_makes_room(void **state)
{
	char name[32];

	(void)state;
	for (unsigned i = 0; i < DNS_CACHE_ENTRIES; i++) {
		(void)snprintf(name, sizeof(name), "n%u.example", i);
		ask_for(name, DNS_A);
		answer_with(name, 60, "8.8.8.8");
		put(i);
	}
	ask_for("n0.example", DNS_A);
	assert_int_not_equal(get(1 * S), 0);
	ask_for("more.example", DNS_A);
	answer_with("more.example", 60, "8.8.8.8");
	put(1 * S);
	assert_int_not_equal(get(1 * S), 0);
	ask_for("n0.example", DNS_A);
	assert_int_not_equal(get(1 * S), 0);
	ask_for("n1.example", DNS_A);
	assert_int_equal(get(1 * S), 0);
	ask_for("n2.example", DNS_A);
	assert_int_not_equal(get(1 * S), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(answers_live_as_long_as_they_say),
		TEST(other_questions_have_other_answers),
		TEST(only_positive_answers_are_kept),
		TEST(some_questions_are_never_kept),
		TEST(the_newest_answer_replaces),
		TEST(what_was_not_used_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
