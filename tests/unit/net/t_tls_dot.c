/* SPDX-License-Identifier: Apache-2.0 */
/* DNS over TLS: from the guest, and to a server that it chose itself. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "net/dns_int.h"
#include "tls_bench.h"

#define DOT                                                                    \
	"\x03"                                                                 \
	"dot"

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct tls_bench));
	tls_bench_new(*state);
	return 0;
}

static int tear_down(void **state)
{
	tls_bench_free(*state);
	free(*state);
	return 0;
}

/* A question for the address of the gateway, with its length in front. */
static size_t question(uint8_t *p, uint16_t id, const char *name)
{
	uint8_t *q = p + 2;
	struct dns_name n;

	memset(q, 0, DNS_HEADER);
	be16_put(q, id);
	q[2] = 1; /* recursion desired */
	q[5] = 1; /* one question */
	q += DNS_HEADER;
	assert_int_equal(dns_name_parse(name, strlen(name), &n), 0);
	memcpy(q, n.wire, n.len);
	q += n.len;
	be16_put(q, DNS_A);
	be16_put(q + 2, DNS_CLASS_IN);
	q += 4;
	be16_put(p, (uint16_t)(q - p - 2));
	return (size_t)(q - p);
}

/* The connection goes to port 853 of the gateway. */
static void call(struct tls_bench *b, const char *name)
{
	uint16_t port = b->at.port;

	b->at.port = DNS_TLS_PORT;
	tls_bench_call(b, name, DOT);
	b->at.port = port;
}

static bool client_up(struct tls_bench *b)
{
	return SSL_is_init_finished(b->client);
}

static size_t read_all(struct tls_bench *b, uint8_t *p, size_t len)
{
	size_t got = 0;

	for (int i = 0; got < len && i < 2000; i++) {
		int n;

		tls_bench_step(b);
		n = SSL_read(b->client, p + got, (int)(len - got));
		if (n > 0)
			got += (size_t)n;
		else
			(void)poll(NULL, 0, 1);
	}
	return got;
}

static void assert_gateway(const uint8_t *p, uint16_t id, struct tls_bench *b)
{
	const struct net_addresses *a = net_link_addresses(b->g->net);
	size_t len = be16_get(p);

	assert_int_equal(be16_get(p + 2), id);
	assert_int_equal(be16_get(p + 2 + 6), 1); /* answers */
	assert_memory_equal(p + 2 + len - 4, a->gateway4.b, 4);
}

static void test_questions(void **state)
{
	struct tls_bench *b = *state;
	uint8_t q[512], a[512];
	const unsigned char *proto;
	unsigned proto_len;
	size_t len;

	call(b, "dns.test");
	tls_bench_until(b, client_up);
	SSL_get0_alpn_selected(b->client, &proto, &proto_len);
	assert_int_equal(proto_len, 3);
	/* three at once, the last in pieces */
	len = question(q, 1, NET_HOST_ALIAS);
	len += question(q + len, 2, NET_HOST_ALIAS);
	len += question(q + len, 3, NET_HOST_ALIAS);
	assert_int_equal(SSL_write(b->client, q, (int)len - 5), (int)len - 5);
	tls_bench_step(b);
	assert_int_equal(SSL_write(b->client, q + len - 5, 5), 5);
	/* an answer is 16 bytes longer than its question */
	len += 3 * 16;
	assert_int_equal(read_all(b, a, len), len);
	len /= 3;
	for (uint16_t i = 0; i < 3; i++)
		assert_gateway(a + i * len, (uint16_t)(i + 1), b);
}

static bool client_heard_end(struct tls_bench *b)
{
	char c;

	return SSL_read(b->client, &c, 1) <= 0 &&
	       SSL_get_shutdown(b->client) & SSL_RECEIVED_SHUTDOWN;
}

static bool guest_fin(struct tls_bench *b)
{
	return b->c.fin;
}

/* Without a name; what is asked before the end is answered. */
static void test_end(void **state)
{
	struct tls_bench *b = *state;
	uint8_t q[512], a[512];
	size_t len = question(q, 7, NET_HOST_ALIAS);

	SSL_CTX_set_verify(b->client_ctx, SSL_VERIFY_NONE, NULL);
	call(b, NULL);
	tls_bench_until(b, client_up);
	assert_int_equal(SSL_write(b->client, q, (int)len), (int)len);
	assert_int_equal(SSL_shutdown(b->client), 0);
	tls_bench_step(b);
	conn_send(&b->c, TH_FIN, NULL, 0);
	assert_int_equal(read_all(b, a, len + 16), len + 16);
	assert_gateway(a, 7, b);
	tls_bench_until(b, client_heard_end);
	tls_bench_until(b, guest_fin);
	assert_int_equal(b->g->log_lines, 0);
}

static void test_nonsense(void **state)
{
	static const char nonsense[] = "\xff\xff that is too long";
	struct tls_bench *b = *state;

	call(b, "dns.test");
	tls_bench_until(b, client_up);
	assert_true(SSL_write(b->client, nonsense, sizeof(nonsense)) > 0);
	tls_bench_until(b, tls_bench_over);
	tls_bench_hang_up(b);
	call(b, "dns.test");
	tls_bench_until(b, client_up);
	conn_send(&b->c, 0, nonsense, sizeof(nonsense)); /* not TLS */
	tls_bench_until(b, tls_bench_over);
}

/* --- to a server --- */

struct asked {
	struct dns_exchange x;
	bool done;
	size_t len;
};

static void on_done(struct dns_exchange *x, uint8_t *answer, size_t len)
{
	struct asked *a = container_of(x, struct asked, x);

	a->done = true;
	a->len = answer ? len : 0;
}

/* The server answers with nothing, in two records. */
static void answer(struct tls_bench *b, struct asked *a)
{
	uint8_t m[600];
	size_t got = 0;
	int n;

	while (!a->done && (got < 2 || got < 2u + be16_get(m))) {
		tls_bench_step(b);
		n = b->server ? SSL_read(b->server, m + got,
					 (int)(sizeof(m) - got))
			      : 0;
		if (n > 0)
			got += (size_t)n;
	}
	if (a->done)
		return;
	m[4] |= 0x80; /* it is a response */
	assert_int_equal(SSL_write(b->server, m, 7), 7);
	tls_bench_step(b);
	assert_int_equal(SSL_write(b->server, m + 7, (int)got - 7),
			 (int)got - 7);
}

static size_t ask(struct tls_bench *b, const char *server_name)
{
	static uint8_t scratch[DNS_MAX_MSG];
	const struct dns_server server = { .end = b->at };
	struct asked *a = calloc(1, sizeof(*a));
	uint8_t q[512];
	size_t len = question(q, 9, "www.test");

	a->x = (struct dns_exchange){
		.loop = b->g->loop,
		.servers = &server,
		.nservers = 1,
		.tcp = true,
		.timeout_ms = 5000,
		.query = q + 2,
		.len = len - 2,
		.scratch = scratch,
		.wires = &tls_proxy_ops,
		.tls = b->proxy,
		.tls_name = server_name,
		.done = on_done,
	};
	dns_exchange_start(&a->x);
	answer(b, a);
	while (!a->done)
		tls_bench_step(b);
	len = a->len;
	dns_exchange_cancel(&a->x);
	free(a);
	return len;
}

static void test_server(void **state)
{
	struct tls_bench *b = *state;

	assert_int_not_equal(ask(b, BENCH_NAME), 0);
	tls_bench_hang_up(b);
	assert_int_not_equal(ask(b, BENCH_NAME), 0);
}

static void test_server_with_another_name(void **state)
{
	struct tls_bench *b = *state;

	b->name = "other.test";
	assert_int_equal(ask(b, BENCH_NAME), 0);
	tls_bench_hang_up(b);
	b->name = "127.0.0.1";
	assert_int_not_equal(ask(b, "127.0.0.1"), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_questions),
		T(test_end),
		T(test_nonsense),
		T(test_server),
		T(test_server_with_another_name),
	};

	(void)signal(SIGPIPE, SIG_IGN); /* the server writes as it likes */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
