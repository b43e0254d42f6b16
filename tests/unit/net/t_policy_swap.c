/* SPDX-License-Identifier: Apache-2.0 */
/* Policies that are exchanged while the network's thread decides by them. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/net_int.h"

#define ROUNDS 20000

static const struct net_addresses *addresses(void)
{
	static struct net_addresses a;

	a.guest4 = (struct net_addr){ AF_INET, { 172, 16, 0, 2 } };
	a.gateway4 = (struct net_addr){ AF_INET, { 172, 16, 0, 1 } };
	return &a;
}

/* A network for which no part of the host is needed. */
static struct net *make(void)
{
	const struct net_host host = { .log = NULL };
	struct net_config c;
	struct err err = { 0 };
	struct net *n = NULL;

	assert_int_equal(net_config_from_json(NULL, &c, NULL), 0);
	if (net_new(&c, addresses(), &host, &n, &err))
		fail_msg("%s", err.msg);
	return n;
}

static struct policy policy(const char *rules)
{
	struct policy p = { .allow_ingress = true };

	assert_int_equal(policy_parse_rules(rules, &p, NULL), 0);
	return p;
}

static enum policy_answer ask(struct net *n, uint8_t last)
{
	const struct policy_flow f = { .direction = POLICY_EGRESS,
				       .proto = POLICY_TCP,
				       .addr = { AF_INET, { 10, 0, 0, last } },
				       .port = 80 };

	return net_judge(n, &f, POLICY_NAMES_CACHED, NULL).answer;
}

static void taken_when_it_is_time(void **state)
{
	struct policy a = policy("allow@10.0.0.1");
	struct policy b = policy("deny@10.0.0.9,allow@10.0.0.2");
	struct net *n = make();

	(void)state;
	assert_int_equal(ask(n, 1), POLICY_DENY);
	assert_int_equal(net_set_policy(n, &a), 0);
	assert_null(a.rules); /* moved from */
	assert_int_equal(ask(n, 1), POLICY_DENY);
	net_take_policy(n);
	assert_int_equal(ask(n, 1), POLICY_ALLOW);
	net_take_policy(n);
	assert_int_equal(ask(n, 1), POLICY_ALLOW);
	/* of two, the last one counts */
	a = policy("allow@any");
	assert_int_equal(net_set_policy(n, &a), 0);
	assert_int_equal(net_set_policy(n, &b), 0);
	net_take_policy(n);
	assert_int_equal(ask(n, 1), POLICY_DENY);
	assert_int_equal(ask(n, 2), POLICY_ALLOW);
	/* one that nobody took is freed with the network */
	a = policy("allow@10.0.0.1");
	assert_int_equal(net_set_policy(n, &a), 0);
	net_free(n);
}

static void *change_often(void *ctx)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct policy p =
			policy(i % 2 ? "deny@10.0.0.2,allow@10.0.0.0/8"
				     : "allow@10.0.0.1,deny@10.0.0.2");

		if (net_set_policy(ctx, &p))
			return ctx;
	}
	return NULL;
}

/* Each of them allows 1 and denies 2: so must whatever is seen. */
static void from_another_thread(void **state)
{
	struct policy first = policy("allow@10.0.0.1");
	struct net *n = make();
	pthread_t thread;
	void *failed;

	(void)state;
	assert_int_equal(net_set_policy(n, &first), 0);
	assert_int_equal(pthread_create(&thread, NULL, change_often, n), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		net_take_policy(n);
		assert_int_equal(ask(n, 1), POLICY_ALLOW);
		assert_int_equal(ask(n, 2), POLICY_DENY);
	}
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	net_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken_when_it_is_time),
		cmocka_unit_test(from_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
