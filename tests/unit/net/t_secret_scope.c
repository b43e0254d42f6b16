/* SPDX-License-Identifier: Apache-2.0 */
/* Which secrets count on a connection, and what happens to the others. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "secret_bench.h"

#define ALIAS NET_HOST_ALIAS

static struct secret_bench bench;

static int start(void **state)
{
	(void)state;
	secret_bench_init(&bench);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	secret_bench_fini(&bench);
	return 0;
}

static struct secret_config *add(const char *name, const char *hosts)
{
	return secret_bench_add(&bench, name, NULL, "value", hosts,
				PLACE_HEADER);
}

/* What becomes of $MSB_K in a header. */
enum fate { GOES_IN, STAYS, BLOCKED, BLOCKED_LOG, BLOCKED_TERMINATE };

static enum fate fate_of(const struct secret_where *w, uint64_t now_ms,
			 const char *placeholder)
{
	const size_t len = strlen(placeholder);
	struct secret_found f = { 0 };
	struct secret_scope *s;
	enum fate fate = STAYS;

	assert_int_equal(secret_scope_new(bench.secrets, bench.names,
					  &bench.link, now_ms, w, &s),
			 0);
	if (secret_scan_text(s, SECRET_RAW, placeholder, len, &f))
		fate = f.action == SECRET_BLOCK	      ? BLOCKED
		       : f.action == SECRET_BLOCK_LOG ? BLOCKED_LOG
						      : BLOCKED_TERMINATE;
	if (secret_present(s, SECRET_IN_HEADER, placeholder, len)) {
		assert_int_equal(fate, STAYS); /* never both */
		fate = GOES_IN;
	}
	if (secret_scope_idle(s))
		assert_int_equal(fate, STAYS);
	secret_scope_free(s);
	return fate;
}

static enum fate at(const char *host, const char *addr, const char *placeholder)
{
	struct net_addr dest = secret_bench_addr(addr);
	struct secret_where w = { .host = host, .dest = &dest, .tls = true };

	return fate_of(&w, 0, placeholder);
}

static void pinned(void **state)
{
	(void)state;
	add("K", "a.example.com,*.example.org");
	secret_bench_start(&bench);
	secret_bench_bind(&bench, "a.example.com", "192.0.2.1");
	secret_bench_bind(&bench, "b.example.com", "192.0.2.2");
	secret_bench_bind(&bench, "x.example.org", "192.0.2.3");
	assert_int_equal(at("a.example.com", "192.0.2.1", "$MSB_K"), GOES_IN);
	/* the same address, differently written */
	assert_int_equal(at("a.example.com", "::ffff:192.0.2.1", "$MSB_K"),
			 GOES_IN);
	/* another name's address, an address without a name */
	assert_int_equal(at("a.example.com", "192.0.2.2", "$MSB_K"), BLOCKED);
	assert_int_equal(at("a.example.com", "192.0.2.9", "$MSB_K"), BLOCKED);
	/* another name */
	assert_int_equal(at("b.example.com", "192.0.2.1", "$MSB_K"), BLOCKED);
	assert_int_equal(at("aa.example.com", "192.0.2.1", "$MSB_K"), BLOCKED);
	/* any name of the wildcard */
	assert_int_equal(at("x.example.org", "192.0.2.3", "$MSB_K"), GOES_IN);
	assert_int_equal(at("y.z.example.org", "192.0.2.3", "$MSB_K"), GOES_IN);
	assert_int_equal(at("example.org", "192.0.2.3", "$MSB_K"), GOES_IN);
	assert_int_equal(at("example.org", "192.0.2.1", "$MSB_K"), BLOCKED);
	assert_int_equal(at("xexample.org", "192.0.2.3", "$MSB_K"), BLOCKED);
	/* no name */
	assert_int_equal(at(NULL, "192.0.2.1", "$MSB_K"), BLOCKED);
}

static void answers_expire(void **state)
{
	struct net_addr dest = secret_bench_addr("192.0.2.1");
	struct secret_where w = { "a.example.com", &dest, .tls = true };

	(void)state;
	add("K", "a.example.com");
	secret_bench_start(&bench);
	secret_bench_bind(&bench, "a.example.com", "192.0.2.1");
	assert_int_equal(fate_of(&w, 59999, "$MSB_K"), GOES_IN);
	assert_int_equal(fate_of(&w, 60000, "$MSB_K"), BLOCKED);
}

static void no_pin_needed(void **state)
{
	struct net_addr dest = secret_bench_addr("192.0.2.1");
	struct secret_where w = { "a.example.com", &dest, true, true, false };

	(void)state;
	add("K", "a.example.com");
	add("ANY", "*");
	secret_bench_start(&bench);
	/* a tunnel to this name */
	assert_int_equal(fate_of(&w, 0, "$MSB_K"), GOES_IN);
	w.host = "b.example.com";
	assert_int_equal(fate_of(&w, 0, "$MSB_K"), BLOCKED);
	/* any host at all */
	w.tunnel = false;
	assert_int_equal(fate_of(&w, 0, "$MSB_ANY"), GOES_IN);
	w.host = NULL;
	assert_int_equal(fate_of(&w, 0, "$MSB_ANY"), GOES_IN);
}

static void alias(void **state)
{
	(void)state;
	add("K", ALIAS);
	secret_bench_start(&bench);
	assert_int_equal(at(ALIAS, "100.96.0.1", "$MSB_K"), GOES_IN);
	assert_int_equal(at(ALIAS, "192.0.2.1", "$MSB_K"), BLOCKED);
	/* whatever a name server of the host says about it */
	secret_bench_bind(&bench, ALIAS, "192.0.2.1");
	assert_int_equal(at(ALIAS, "192.0.2.1", "$MSB_K"), BLOCKED);
}

/* A host that is written as its address. */
static void addresses(void **state)
{
	(void)state;
	add("K", "192.0.2.7,2001:db8::7");
	secret_bench_start(&bench);
	assert_int_equal(at("192.0.2.7", "192.0.2.7", "$MSB_K"), GOES_IN);
	assert_int_equal(at("192.0.2.7", "::ffff:192.0.2.7", "$MSB_K"),
			 GOES_IN);
	assert_int_equal(at("2001:db8::7", "2001:db8::7", "$MSB_K"), GOES_IN);
	assert_int_equal(at("192.0.2.7", "192.0.2.8", "$MSB_K"), BLOCKED);
	assert_int_equal(at("192.0.2.8", "192.0.2.7", "$MSB_K"), BLOCKED);
}

/* Only what says so goes into HTTP without TLS; an allowed host may see the
 * placeholder. */
static void without_tls(void **state)
{
	struct net_addr dest = secret_bench_addr("192.0.2.1");
	struct secret_where w = { .host = "a.example.com", .dest = &dest };

	(void)state;
	add("K", "a.example.com");
	add("PLAIN", "a.example.com")->require_tls_identity = false;
	secret_bench_start(&bench);
	assert_int_equal(fate_of(&w, 0, "$MSB_PLAIN"), BLOCKED);
	secret_bench_bind(&bench, "a.example.com", "192.0.2.1");
	assert_int_equal(fate_of(&w, 0, "$MSB_PLAIN"), GOES_IN);
	assert_int_equal(fate_of(&w, 0, "$MSB_K"), STAYS);
	w.host = "b.example.com";
	assert_int_equal(fate_of(&w, 0, "$MSB_PLAIN"), BLOCKED);
	assert_int_equal(fate_of(&w, 0, "$MSB_K"), BLOCKED);
}

/* A proxy gets none, whoever it is. */
static void outer_head(void **state)
{
	struct net_addr dest = secret_bench_addr("192.0.2.1");
	struct secret_where w = { "a.example.com", &dest, false, false, true };

	(void)state;
	add("K", "*")->require_tls_identity = false;
	secret_bench_start(&bench);
	assert_int_equal(fate_of(&w, 0, "$MSB_K"), BLOCKED);
	w.outer = false;
	assert_int_equal(fate_of(&w, 0, "$MSB_K"), GOES_IN);
}

static void act(struct secret_config *c, enum secret_action action,
		const char *pass)
{
	c->on_violation.set = true;
	c->on_violation.action = action;
	if (pass)
		secret_bench_hosts(&c->on_violation.pass, pass);
}

static void actions(void **state)
{
	static const struct {
		const char *placeholder;
		enum fate pass, other;
	} t[] = {
		{ "$MSB_GLOBAL", STAYS, BLOCKED_LOG },
		{ "$MSB_BLOCK", BLOCKED, BLOCKED },
		{ "$MSB_LOG", BLOCKED_LOG, BLOCKED_LOG },
		{ "$MSB_TERMINATE", BLOCKED_TERMINATE, BLOCKED_TERMINATE },
		/* not for this host: as for all */
		{ "$MSB_PASS", STAYS, STAYS },
		{ "$MSB_ELSEWHERE", STAYS, BLOCKED_LOG },
	};

	(void)state;
	bench.config.on_violation.action = SECRET_PASSTHROUGH;
	secret_bench_hosts(&bench.config.on_violation.pass, "pass.example.com");
	add("GLOBAL", "a.example.com");
	act(add("BLOCK", "a.example.com"), SECRET_BLOCK, NULL);
	act(add("LOG", "a.example.com"), SECRET_BLOCK_LOG, NULL);
	act(add("TERMINATE", "a.example.com"), SECRET_BLOCK_TERMINATE, NULL);
	act(add("PASS", "a.example.com"), SECRET_PASSTHROUGH,
	    "other.example.com");
	act(add("ELSEWHERE", "a.example.com"), SECRET_PASSTHROUGH,
	    "nowhere.example.com");
	secret_bench_start(&bench);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(
			at("pass.example.com", "192.0.2.1", t[i].placeholder),
			t[i].pass);
		assert_int_equal(
			at("other.example.com", "192.0.2.1", t[i].placeholder),
			t[i].other);
	}
}

/* Where it is allowed, passing is not an alternative. */
static void allowed_wins(void **state)
{
	(void)state;
	act(add("K", "a.example.com"), SECRET_PASSTHROUGH, "*");
	secret_bench_start(&bench);
	secret_bench_bind(&bench, "a.example.com", "192.0.2.1");
	assert_int_equal(at("a.example.com", "192.0.2.1", "$MSB_K"), GOES_IN);
	assert_int_equal(at("a.example.com", "192.0.2.2", "$MSB_K"), STAYS);
	assert_int_equal(at("b.example.com", "192.0.2.1", "$MSB_K"), STAYS);
}

static void shared_placeholder(void **state)
{
	static const struct {
		const char *name, *hosts;
		enum secret_action action;
		const char *pass;
	} t[] = {
		{ "A", "a.example.com", SECRET_BLOCK, NULL },
		{ "B", "b.example.com", SECRET_BLOCK_TERMINATE, NULL },
		{ "C", "c.example.com", SECRET_PASSTHROUGH, "*" },
		{ "D", "d.example.com", SECRET_BLOCK_LOG, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		act(secret_bench_add(&bench, t[i].name, "<p>", t[i].name,
				     t[i].hosts, PLACE_HEADER),
		    t[i].action, t[i].pass);
	secret_bench_start(&bench);
	secret_bench_bind(&bench, "a.example.com", "192.0.2.1");
	secret_bench_bind(&bench, "b.example.com", "192.0.2.2");
	secret_bench_bind(&bench, "c.example.com", "192.0.2.3");
	assert_int_equal(at("a.example.com", "192.0.2.1", "<p>"), GOES_IN);
	assert_int_equal(at("b.example.com", "192.0.2.2", "<p>"), GOES_IN);
	assert_int_equal(at("c.example.com", "192.0.2.3", "<p>"), GOES_IN);
	/* one may pass, the others not: the strictest */
	assert_int_equal(at("x.example.com", "192.0.2.4", "<p>"),
			 BLOCKED_TERMINATE);
}

static void none_at_all(void **state)
{
	struct net_addr dest = secret_bench_addr("192.0.2.1");
	struct secret_where w = { .host = "a.example.com", .dest = &dest };
	struct secret_scope *s;
	struct secret_scan *scan;
	struct secret_found f;

	(void)state;
	secret_bench_start(&bench);
	assert_int_equal(
		secret_scope_new(bench.secrets, NULL, &bench.link, 0, &w, &s),
		0);
	assert_true(secret_scope_idle(s));
	assert_int_equal(secret_scope_carry(s, SECRET_IN_BODY), 0);
	assert_int_equal(secret_scan_new(s, &scan), 0);
	assert_false(secret_scan_push(scan, "$MSB_K", 6, &f));
	secret_scan_free(scan);
	secret_scope_free(s);
	secret_scan_free(NULL);
	secret_scope_free(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pinned),	  T(answers_expire),
		T(no_pin_needed), T(alias),
		T(addresses),	  T(without_tls),
		T(outer_head),	  T(actions),
		T(allowed_wins),  T(shared_placeholder),
		T(none_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
