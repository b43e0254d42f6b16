/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the guest's connections under a policy: refused, dialed, or
 * looked at first; and what the log says. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "guest.h"

/* A guest under these rules, and a listener on the host's loopback, which the
 * guest finds at its gateway; names of the gateway are as good as any. */
struct world {
	struct guest *g;
	int listener;
	struct net_endpoint peer;
	struct guest_conn c;
	char got[256];
};

static void serve(struct world *w)
{
	struct sockaddr_storage sa;
	struct net_endpoint e = { { AF_INET, { 127, 0, 0, 1 } }, 0 };
	socklen_t len = net_endpoint_to_sockaddr(&e, &sa);

	w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(w->listener, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(w->listener, 16), 0);
	assert_int_equal(getsockname(w->listener, (struct sockaddr *)&sa, &len),
			 0);
	assert_int_equal(net_endpoint_from_sockaddr(&sa, &e), 0);
	w->peer = gateway_end(w->g, AF_INET, e.port);
}

static void world_new(struct world *w, bool allow, const char *rules)
{
	struct policy p = { .allow_egress = allow, .allow_ingress = true };
	struct guest_options o = { .policy = &p };
	struct err err = { 0 };

	if (policy_parse_rules(rules, &p, &err))
		fail_msg("%s", err.msg);
	memset(w, 0, sizeof(*w));
	w->g = guest_new(&o);
	serve(w);
}

static void world_free(struct world *w)
{
	guest_free(w->g);
	assert_int_equal(close(w->listener), 0);
}

static void name_the_gateway(struct world *w, const char *name)
{
	assert_int_equal(names_bind(w->g->net->names, name, AF_INET,
				    &w->peer.addr, 1, 60, clock_mono_ms()),
			 0);
}

static bool open_conn(struct world *w)
{
	static uint16_t port = 2000;
	bool ok = conn_open(&w->c, w->g, port++, &w->peer);

	w->c.data = (uint8_t *)w->got;
	w->c.data_max = sizeof(w->got);
	return ok;
}

/* Turns until the host has a connection; -1 when none comes. */
static int host_accepts(struct world *w, unsigned patience_ms)
{
	struct pollfd p = { w->listener, POLLIN, 0 };
	uint64_t end = clock_mono_ms() + patience_ms;

	do {
		assert_int_equal(loop_turn(w->g->loop, 1), 0);
		if (poll(&p, 1, 0) == 1)
			return accept(w->listener, NULL, NULL);
	} while (clock_mono_ms() < end);
	return -1;
}

static bool is_reset(void *ctx)
{
	struct world *w = ctx;

	if (guest_has_frame(w->g))
		(void)conn_receive(&w->c);
	return w->c.reset;
}

/* The guest sees a reset, the host never saw anything. */
static void expect_refusal(struct world *w)
{
	guest_until(w->g, is_reset, w);
	assert_int_equal(host_accepts(w, 0), -1);
}

static void expect_bytes(struct world *w, int fd, const void *data, size_t len)
{
	char buf[1024];
	size_t n = 0;

	assert_true(len <= sizeof(buf));
	while (n < len) {
		ssize_t r = recv(fd, buf + n, len - n, MSG_DONTWAIT);

		assert_true(r > 0 || errno == EAGAIN);
		n += r > 0 ? (size_t)r : 0;
		assert_int_equal(loop_turn(w->g->loop, 1), 0);
	}
	assert_memory_equal(buf, data, len);
}

/* A ClientHello with this name and nothing else. */
static size_t hello(uint8_t *p, const char *name)
{
	static const uint8_t fixed[] = {
		22, 3, 1,    0, 0,		      /* record */
		1,  0, 0,    0, 3, 3, [43] = 0,	      /* hello, session id */
		0,  2, 0x13, 1, 1, 0,		      /* suite, compression */
		0,  0,				      /* extensions */
		0,  0, 0,    0, 0, 0, 0,	0, 0, /* server_name */
	};
	size_t len = strlen(name), all = sizeof(fixed) + len;

	memcpy(p, fixed, sizeof(fixed));
	memcpy(p + sizeof(fixed), name, len);
	p[4] = (uint8_t)(all - 5);
	p[8] = (uint8_t)(all - 9);
	p[51] = (uint8_t)(len + 9);
	p[55] = (uint8_t)(len + 5);
	p[57] = (uint8_t)(len + 3);
	p[60] = (uint8_t)len;
	return all;
}

/* --- by addresses --- */

static void refused_at_once(void **state)
{
	static const struct {
		const char *to;
		uint16_t port;
		const char *log;
	} t[] = {
		{ "10.0.0.1", 80,
		  "denied egress tcp to 10.0.0.1:80 group=private by rule 1 "
		  "(deny@private)" },
		{ "fd00::1", 80,
		  "denied egress tcp to [fd00::1]:80 group=private by rule 1 "
		  "(deny@private)" },
		{ "64:ff9b::a00:1", 80, "group=private by rule 1" },
		{ "2002:a00:1::5", 80, "group=private by rule 1" },
		{ "::ffff:169.254.169.254", 80,
		  "group=metadata by default egress deny" },
		{ "0.0.0.0", 80,
		  "group=none by nature (no address of a host)" },
		{ "127.0.0.1", 22, "group=loopback by default egress deny" },
		{ "172.16.0.1", 853, "group=host by nature (DNS" },
	};
	struct world w;

	(void)state;
	world_new(&w, false, "deny@private,allow@public,allow@host");
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(
			net_addr_parse(t[i].to, strlen(t[i].to), &w.peer.addr),
			0);
		w.peer.port = t[i].port;
		assert_false(open_conn(&w));
		assert_true(w.c.reset);
		if (!strstr(w.g->log, t[i].log))
			fail_msg("%s: %s", t[i].to, w.g->log);
	}
	assert_int_equal(w.g->log_lines, ARRAY_SIZE(t));
	world_free(&w);
}

static void dialed_before_it_is_accepted(void **state)
{
	struct world w;

	(void)state;
	world_new(&w, false, "allow@host");
	assert_true(open_conn(&w));
	assert_int_equal(close(host_accepts(&w, 1000)), 0);
	world_free(&w);
	world_new(&w, false, "allow@host");
	assert_int_equal(close(w.listener), 0);
	assert_false(open_conn(&w));
	assert_true(w.c.reset);
	assert_int_equal(w.g->log_lines, 0); /* nobody denied that */
	serve(&w);
	world_free(&w);
}

/* --- by names --- */

static void no_answer_no_connection(void **state)
{
	struct world w;

	(void)state;
	world_new(&w, false, "allow@a.com");
	assert_false(open_conn(&w));
	assert_true(w.c.reset);
	name_the_gateway(&w, "b.com");
	assert_false(open_conn(&w));
	assert_true(w.c.reset);
	assert_non_null(strstr(w.g->log, "name=b.com by default egress deny"));
	world_free(&w);
}

static void hello_decides(void **state)
{
	static const struct {
		bool allow;
		const char *rules, *sni;
		bool passes;
	} t[] = {
		{ false, "allow@a.com", "a.com", true },
		{ false, "allow@a.com", "A.COM.", true },
		{ false, "allow@a.com", "b.com", false },
		{ false, "allow@*.a.com", "x.a.com", true },
		{ false, "allow@*.a.com", "xa.com", false },
		{ true, "deny@b.com", "b.com", false },
		{ true, "deny@b.com", "c.com", true },
		{ true, "deny@*.b.com", "x.b.com", false },
		{ true, "deny@b.com", "b.com ", false },
		{ true, "deny@b.com", "", false },
	};
	uint8_t data[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		size_t len = hello(data, t[i].sni);
		struct world w;

		world_new(&w, t[i].allow, t[i].rules);
		name_the_gateway(&w, "a.com");
		assert_true(open_conn(&w));
		conn_send(&w.c, TH_PUSH, data, len);
		if (t[i].passes) {
			int fd = host_accepts(&w, 1000);

			assert_true(fd >= 0);
			expect_bytes(&w, fd, data, len);
			conn_send(&w.c, TH_PUSH, "more", 4);
			expect_bytes(&w, fd, "more", 4);
			assert_int_equal(w.g->log_lines, 0);
			assert_int_equal(close(fd), 0);
		} else {
			expect_refusal(&w);
			assert_int_equal(w.g->log_lines, 1);
		}
		world_free(&w);
	}
}

static void hello_in_small_pieces(void **state)
{
	uint8_t data[300];
	size_t len = hello(data, "b.com"), half = len / 2;
	struct world w;

	(void)state;
	world_new(&w, true, "deny@b.com");
	assert_true(open_conn(&w));
	for (size_t i = 0; i < len; i++) {
		assert_false(w.c.reset);
		conn_send(&w.c, TH_PUSH, data + i, 1);
		assert_int_equal(host_accepts(&w, 0), -1);
	}
	expect_refusal(&w);
	assert_non_null(strstr(w.g->log, "name=b.com by rule 1 (deny@b.com)"));
	len = hello(data, "c.com");
	assert_true(open_conn(&w));
	conn_send(&w.c, TH_PUSH, data, half);
	conn_send(&w.c, TH_PUSH, data + half, len - half);
	int fd = host_accepts(&w, 1000);
	assert_true(fd >= 0);
	expect_bytes(&w, fd, data, len);
	assert_int_equal(close(fd), 0);
	world_free(&w);
}

static void not_tls_is_judged_by_address(void **state)
{
	static const struct {
		bool allow;
		const char *rules;
		bool passes;
	} t[] = {
		{ false, "allow@a.com", true },
		{ true, "deny@b.com", true },
		{ true, "deny@a.com", false },
		{ true, "deny@*.a.com", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		static const char get[] = "GET / HTTP/1.1\r\nHost: b.com\r\n";
		struct world w;

		world_new(&w, t[i].allow, t[i].rules);
		name_the_gateway(&w, "a.com");
		assert_true(open_conn(&w));
		conn_send(&w.c, TH_PUSH, get, strlen(get));
		if (t[i].passes) {
			int fd = host_accepts(&w, 1000);

			assert_true(fd >= 0);
			expect_bytes(&w, fd, get, strlen(get));
			assert_int_equal(close(fd), 0);
		} else {
			expect_refusal(&w);
		}
		world_free(&w);
	}
}

/* --- servers that speak first --- */

static bool has_banner(void *ctx)
{
	struct world *w = ctx;

	if (guest_has_frame(w->g))
		(void)conn_receive(&w->c);
	return w->c.received >= 6;
}

/* The guest says nothing, the host is dialed, and greets it. */
static int greeted(struct world *w)
{
	int fd;

	assert_true(open_conn(w));
	fd = host_accepts(w, 4000);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "HELLO\n", 6), 6);
	guest_until(w->g, has_banner, w);
	assert_memory_equal(w->got, "HELLO\n", 6);
	return fd;
}

static void server_speaks_first(void **state)
{
	struct world w;
	int fd;

	(void)state;
	world_new(&w, true, "deny@b.com");
	fd = greeted(&w);
	conn_send(&w.c, TH_PUSH, "SSH-2.0\r\n", 9);
	expect_bytes(&w, fd, "SSH-2.0\r\n", 9);
	conn_send(&w.c, TH_PUSH, "\x16\x03\x01", 3); /* now it is anything */
	expect_bytes(&w, fd, "\x16\x03\x01", 3);
	assert_int_equal(close(fd), 0);
	world_free(&w);
}

/* Who waits before he tells the name is found out all the same. */
static void late_hello(void **state)
{
	static const struct {
		const char *sni;
		bool passes;
	} t[] = { { "b.com", false }, { "c.com", true } };
	uint8_t data[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		size_t len = hello(data, t[i].sni);
		struct world w;
		char byte;
		int fd;

		world_new(&w, true, "deny@b.com");
		fd = greeted(&w);
		conn_send(&w.c, TH_PUSH, data, 10);
		assert_int_equal(host_accepts(&w, 0), -1);
		assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
		conn_send(&w.c, TH_PUSH, data + 10, len - 10);
		if (t[i].passes) {
			expect_bytes(&w, fd, data, len);
		} else {
			guest_until(w.g, is_reset, &w);
			assert_int_equal(recv(fd, &byte, 1, 0), -1);
			assert_int_equal(errno, ECONNRESET);
		}
		assert_int_equal(close(fd), 0);
		world_free(&w);
	}
}

static void guest_that_says_nothing(void **state)
{
	struct world w;
	int fd;

	(void)state;
	/* and never will: no need to wait */
	world_new(&w, true, "deny@a.com");
	name_the_gateway(&w, "a.com");
	assert_true(open_conn(&w));
	conn_send(&w.c, TH_FIN, NULL, 0);
	expect_refusal(&w);
	world_free(&w);
	world_new(&w, true, "deny@b.com");
	assert_true(open_conn(&w));
	conn_send(&w.c, TH_FIN, NULL, 0);
	fd = host_accepts(&w, 1000);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "HELLO\n", 6), 6);
	guest_until(w.g, has_banner, &w);
	assert_int_equal(close(fd), 0);
	world_free(&w);
}

static void gone_while_looked_at(void **state)
{
	struct world w;
	struct seg rst;

	(void)state;
	world_new(&w, true, "deny@b.com");
	assert_true(open_conn(&w));
	rst = (struct seg){ .from = w.c.own,
			    .to = w.c.peer,
			    .flags = TH_RST,
			    .seq = w.c.snd_nxt,
			    .scale = -1 };
	guest_send(w.g, &rst);
	assert_int_equal(tcp_count(w.g->net->tcp), 0);
	assert_true(open_conn(&w));
	conn_send(&w.c, TH_PUSH, "\x16", 1);
	world_free(&w); /* with one that waits */
}

/* --- the log --- */

static void lines_have_a_limit(void **state)
{
	struct guest *g;
	struct policy p = { 0 };
	struct guest_options o = { .policy = &p };
	const struct policy_flow f = {
		POLICY_EGRESS, POLICY_UDP, { AF_INET, { 10, 0, 0, 1 } }, 7
	};
	struct net_stats stats;

	(void)state;
	g = guest_new(&o);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(
			net_judge(g->net, &f, POLICY_NAMES_CACHED, NULL).answer,
			POLICY_DENY);
	assert_true(g->log_lines >= 20 && g->log_lines < 30);
	assert_string_equal(g->log, "denied egress udp to 10.0.0.1:7 "
				    "group=private by default egress deny");
	net_stats_get(g->net, &stats);
	assert_int_equal(stats.denied, 1000);
	net_detach(g->net);
	assert_non_null(strstr(g->log, "more flows"));
	guest_free(g);
}

static void kinds_of_denials(void **state)
{
	static const struct {
		struct policy_flow flow;
		const char *name, *log;
		int rule;
	} t[] = {
		{ { POLICY_EGRESS,
		    POLICY_ICMP4,
		    { AF_INET, { 1, 1, 1, 1 } },
		    0 },
		  NULL,
		  "denied egress icmpv4 to 1.1.1.1 group=public by default "
		  "egress deny",
		  POLICY_BY_DEFAULT },
		{ { POLICY_INGRESS,
		    POLICY_TCP,
		    { AF_INET, { 127, 0, 0, 1 } },
		    80 },
		  NULL,
		  "denied ingress tcp from 127.0.0.1 port 80 group=loopback by "
		  "default ingress deny",
		  POLICY_BY_DEFAULT },
		{ { POLICY_EGRESS,
		    POLICY_UDP,
		    { AF_INET, { 8, 8, 8, 8 } },
		    5353 },
		  NULL,
		  "denied egress udp to 8.8.8.8:5353 group=public by nature "
		  "(names of the local link)",
		  POLICY_LOCAL_NAMES },
		{ { POLICY_EGRESS,
		    POLICY_TCP,
		    { AF_INET, { 8, 8, 8, 8 } },
		    443 },
		  "evil.example",
		  "name=evil.example by nature (no well-formed TLS",
		  POLICY_BAD_HELLO },
	};
	struct guest *g;
	struct policy p = { 0 };
	struct guest_options o = { .policy = &p };

	(void)state;
	g = guest_new(&o);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		const struct policy_verdict v = { POLICY_DENY, t[i].rule };

		net_denied(g->net, &t[i].flow, t[i].name, &v);
		if (!strstr(g->log, t[i].log))
			fail_msg("%s", g->log);
	}
	guest_free(g);
}

static void where_the_host_goes(void **state)
{
	static const struct {
		const char *guest, *host;
	} t[] = {
		{ "172.16.0.1", "127.0.0.1" },
		{ "fd42:6d73:62::1", "::1" },
		{ "::ffff:172.16.0.1", "127.0.0.1" },
		{ "64:ff9b::ac10:1", "127.0.0.1" },
		{ "8.8.8.8", "8.8.8.8" },
		{ "::ffff:8.8.8.8", "8.8.8.8" },
		{ "64:ff9b::808:808", "64:ff9b::808:808" },
		{ "172.16.0.3", "172.16.0.3" },
	};
	struct guest *g = guest_new(&(struct guest_options){ 0 });

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct net_endpoint e = { .port = 99 };
		char text[NET_ADDR_TEXT];

		assert_int_equal(
			net_addr_parse(t[i].guest, strlen(t[i].guest), &e.addr),
			0);
		e = net_host_end(g->net, &e);
		assert_string_equal(net_addr_text(&e.addr, text), t[i].host);
		assert_int_equal(e.port, 99);
	}
	guest_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_at_once),
		cmocka_unit_test(dialed_before_it_is_accepted),
		cmocka_unit_test(no_answer_no_connection),
		cmocka_unit_test(hello_decides),
		cmocka_unit_test(hello_in_small_pieces),
		cmocka_unit_test(not_tls_is_judged_by_address),
		cmocka_unit_test(server_speaks_first),
		cmocka_unit_test(late_hello),
		cmocka_unit_test(guest_that_says_nothing),
		cmocka_unit_test(gone_while_looked_at),
		cmocka_unit_test(lines_have_a_limit),
		cmocka_unit_test(kinds_of_denials),
		cmocka_unit_test(where_the_host_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
