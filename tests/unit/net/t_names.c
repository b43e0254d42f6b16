/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses are bound to which names, and for how long. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "net/names.h"

static struct net_addr addr(const char *text)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse(text, strlen(text), &a), 0);
	return a;
}

static struct net_addr number(unsigned n)
{
	return (struct net_addr){ AF_INET,
				  { 10, (uint8_t)(n >> 16), (uint8_t)(n >> 8),
				    (uint8_t)n } };
}

static void bind_one(struct names *n, const char *name, const char *text,
		     uint32_t ttl_s, uint64_t now_ms)
{
	struct net_addr a = addr(text);

	assert_int_equal(names_bind(n, name, a.family, &a, 1, ttl_s, now_ms),
			 0);
}

static bool is(void *ctx, const char *name)
{
	return !strcmp(ctx, name);
}

static bool bound(const struct names *n, const char *text, uint64_t now_ms,
		  const char *name)
{
	struct net_addr a = addr(text);

	return names_any(n, &a, now_ms, is, (void *)name);
}

static void answers_replace(void **state)
{
	struct names *n;
	struct net_addr two[2] = { addr("1.1.1.1"), addr("1.1.1.2") };

	(void)state;
	assert_int_equal(names_new(&n), 0);
	assert_int_equal(names_bind(n, "a.com", AF_INET, two, 2, 60, 0), 0);
	bind_one(n, "a.com", "2001:db8::1", 60, 0);
	bind_one(n, "b.com", "1.1.1.1", 60, 0);
	assert_true(bound(n, "1.1.1.1", 1, "a.com"));
	assert_true(bound(n, "1.1.1.2", 1, "a.com"));
	assert_true(bound(n, "1.1.1.1", 1, "b.com"));
	assert_false(bound(n, "1.1.1.2", 1, "b.com"));
	assert_false(bound(n, "1.1.1.3", 1, "a.com"));
	/* the families know nothing of each other */
	bind_one(n, "a.com", "1.1.1.3", 60, 0);
	assert_false(bound(n, "1.1.1.1", 1, "a.com"));
	assert_true(bound(n, "1.1.1.3", 1, "a.com"));
	assert_true(bound(n, "2001:db8::1", 1, "a.com"));
	assert_true(bound(n, "1.1.1.1", 1, "b.com"));
	/* an answer without addresses clears */
	assert_int_equal(names_bind(n, "a.com", AF_INET, NULL, 0, 60, 0), 0);
	assert_false(bound(n, "1.1.1.3", 1, "a.com"));
	assert_true(bound(n, "2001:db8::1", 1, "a.com"));
	assert_int_equal(names_bind(n, "new.com", AF_INET, NULL, 0, 60, 0), 0);
	names_free(n);
}

static void life_of_an_answer(void **state)
{
	struct names *n;

	(void)state;
	assert_int_equal(names_new(&n), 0);
	bind_one(n, "a.com", "1.1.1.1", 2, 1000);
	bind_one(n, "b.com", "1.1.1.2", 0, 1000);
	assert_true(bound(n, "1.1.1.1", 2999, "a.com"));
	assert_false(bound(n, "1.1.1.1", 3000, "a.com"));
	assert_true(bound(n, "1.1.1.2", 1999, "b.com"));
	assert_false(bound(n, "1.1.1.2", 2000, "b.com"));
	/* a sweep for the older does not take what replaced it */
	bind_one(n, "a.com", "1.1.1.1", 60, 1500);
	names_sweep(n, 5000);
	assert_true(bound(n, "1.1.1.1", 5000, "a.com"));
	assert_false(bound(n, "1.1.1.2", 5000, "b.com"));
	/* the longest life there is does not wrap */
	bind_one(n, "c.com", "1.1.1.4", UINT32_MAX, 1000);
	assert_true(bound(n, "1.1.1.4", UINT32_MAX, "c.com"));
	names_free(n);
}

static void mapped_addresses(void **state)
{
	struct names *n;

	(void)state;
	assert_int_equal(names_new(&n), 0);
	bind_one(n, "a.com", "1.1.1.1", 60, 0);
	bind_one(n, "b.com", "::ffff:2.2.2.2", 60, 0);
	assert_true(bound(n, "::ffff:1.1.1.1", 1, "a.com"));
	assert_true(bound(n, "2.2.2.2", 1, "b.com"));
	assert_false(bound(n, "64:ff9b::101:101", 1, "a.com"));
	names_free(n);
}

static void nothing_is_bound(void **state)
{
	struct net_addr a = addr("1.1.1.1");

	(void)state;
	assert_false(names_any(NULL, &a, 1, is, (void *)"a.com"));
	assert_null(names_free(NULL));
}

/* A guest asks for more than is kept: what would expire first goes. */
static void full_table(void **state)
{
	struct names *n;
	char name[32], text[NET_ADDR_TEXT];

	(void)state;
	assert_int_equal(names_new(&n), 0);
	bind_one(n, "lasting.com", "1.1.1.1", 100000, 0);
	bind_one(n, "brief.com", "1.1.1.2", 10, 0);
	for (unsigned i = 0; i < 5000; i++) {
		struct net_addr a = number(i);

		(void)snprintf(name, sizeof(name), "n%u.com", i);
		assert_int_equal(names_bind(n, name, AF_INET, &a, 1, 60 + i, 0),
				 0);
	}
	assert_true(bound(n, "1.1.1.1", 1, "lasting.com"));
	assert_false(bound(n, "1.1.1.2", 1, "brief.com"));
	struct net_addr first = number(0), last = number(4999);
	assert_false(bound(n, net_addr_text(&first, text), 1, "n0.com"));
	assert_true(bound(n, net_addr_text(&last, text), 1, "n4999.com"));
	names_free(n);
}

/* One answer with very many addresses, and many such answers. */
static void many_addresses(void **state)
{
	struct net_addr *all = calloc(4000, sizeof(*all));
	struct names *n;
	char name[32];

	(void)state;
	assert_non_null(all);
	assert_int_equal(names_new(&n), 0);
	for (unsigned i = 0; i < 4000; i++)
		all[i] = number(i);
	for (unsigned i = 0; i < 400; i++) {
		(void)snprintf(name, sizeof(name), "n%u.com", i);
		assert_int_equal(
			names_bind(n, name, AF_INET, all, 4000, 60 + i, 0), 0);
	}
	assert_true(bound(n, "10.0.0.255", 1, "n399.com"));
	assert_false(bound(n, "10.0.1.0", 1, "n399.com"));
	assert_false(bound(n, "10.0.0.1", 1, "n0.com"));
	names_free(n);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_replace),
		cmocka_unit_test(life_of_an_answer),
		cmocka_unit_test(mapped_addresses),
		cmocka_unit_test(nothing_is_bound),
		cmocka_unit_test(full_table),
		cmocka_unit_test(many_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
