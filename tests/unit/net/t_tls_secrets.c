/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on intercepted connections: who gets a value, and what becomes of
 * those that are not let through. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "secret_bench.h"
#include "tls_bench.h"

#define VALUE "the-value-of-it"
#define HEAD "GET / HTTP/1.1\r\nHost: " BENCH_NAME "\r\n"
#define H2_H1 "\x02h2\x08http/1.1"

struct both {
	struct tls_bench b; /* first */
	struct secret_bench s;
	enum secret_action action;
};

static int set_up(void **state)
{
	struct both *t = calloc(1, sizeof(*t));

	secret_bench_init(&t->s);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct both *t = *state;

	tls_bench_free(&t->b);
	(void)close(t->b.values_fd);
	secret_bench_fini(&t->s);
	free(t);
	return 0;
}

static void give_secrets(struct tls_bench *b, struct net_config *c)
{
	struct both *t = (struct both *)b;

	t->s.config.on_violation.action = t->action;
	c->secrets = t->s.config;
	t->s.config = (struct secrets_config){ 0 };
}

/* A sandbox with one secret. */
static void begin(struct both *t, const char *hosts, unsigned places)
{
	(void)secret_bench_add(&t->s, "KEY", NULL, VALUE, hosts, places);
	t->b.values_fd = secret_bench_fd(&t->s);
	t->b.configure = give_secrets;
	tls_bench_new(&t->b);
}

/* The client writes it; the server reads something else. */
static void assert_becomes(struct tls_bench *b, const char *said,
			   const char *heard)
{
	char got[4096];
	size_t have = 0;

	assert_int_equal(SSL_write(b->client, said, (int)strlen(said)),
			 (int)strlen(said));
	for (int i = 0; have < strlen(heard); i++) {
		int n;

		assert_true(i < 5000);
		tls_bench_step(b);
		n = SSL_read(b->server, got + have, (int)(sizeof(got) - have));
		if (n > 0)
			have += (size_t)n;
	}
	assert_int_equal(have, strlen(heard));
	assert_memory_equal(got, heard, have);
}

static void test_value_in_a_header(void **state)
{
	struct both *t = *state;

	begin(t, "*", PLACE_HEADER);
	tls_bench_open(&t->b, BENCH_NAME, NULL);
	assert_becomes(&t->b,
		       HEAD "X-Key: $MSB_KEY\r\n\r\n" HEAD
			    "X-Key: a$MSB_KEYb\r\n\r\n",
		       HEAD "X-Key: " VALUE "\r\n\r\n" HEAD "X-Key: a" VALUE
			    "b\r\n\r\n");
	/* answers are not looked at */
	tls_bench_say(&t->b, t->b.server, t->b.client, "$MSB_KEY " VALUE, 24);
}

static void test_http2_is_not_offered_for_bodies(void **state)
{
	struct both *t = *state;
	const unsigned char *offered;
	unsigned n;

	begin(t, "*", PLACE_BODY);
	tls_bench_open(&t->b, BENCH_NAME, H2_H1);
	SSL_get0_alpn_selected(t->b.client, &offered, &n);
	assert_int_equal(n, 0);
	assert_becomes(&t->b,
		       "POST / HTTP/1.1\r\nHost: " BENCH_NAME
		       "\r\nContent-Length: 8\r\n\r\n$MSB_KEY",
		       "POST / HTTP/1.1\r\nHost: " BENCH_NAME
		       "\r\nContent-Length: 15\r\n\r\n" VALUE);
}

/* Nothing of it reaches the server; both ends see a reset. */
static void assert_cut(struct tls_bench *b, const char *said)
{
	char c;
	int n = 0;

	assert_int_equal(SSL_write(b->client, said, (int)strlen(said)),
			 (int)strlen(said));
	tls_bench_until(b, tls_bench_over);
	tls_bench_step(b);
	assert_true(b->c.reset);
	for (int i = 0; i < 10 && n >= 0; i++) {
		tls_bench_step(b);
		n = (int)recv(b->fd, &c, 1, MSG_DONTWAIT | MSG_PEEK);
		assert_true(n <= 0);
	}
	assert_int_equal(n, -1);
	assert_int_equal(errno, ECONNRESET);
}

static void test_block_and_log(void **state)
{
	struct both *t = *state;

	t->action = SECRET_BLOCK_LOG;
	begin(t, "elsewhere.test", PLACE_HEADER);
	tls_bench_open(&t->b, BENCH_NAME, NULL);
	assert_cut(&t->b, HEAD "X-Key: $MSB_KEY\r\n\r\n");
	assert_int_equal(t->b.g->log_lines, 1);
	assert_non_null(strstr(t->b.g->log, "action=block-and-log env=KEY"));
	assert_non_null(strstr(t->b.g->log, "sni=" BENCH_NAME));
	assert_null(strstr(t->b.g->log, VALUE));
	assert_int_equal(t->b.terminated, 0);
}

static void test_block(void **state)
{
	struct both *t = *state;

	t->action = SECRET_BLOCK;
	begin(t, "elsewhere.test", PLACE_HEADER);
	tls_bench_open(&t->b, BENCH_NAME, NULL);
	assert_cut(&t->b, "\x01 is no HTTP: $MSB_KEY");
	assert_int_equal(t->b.g->log_lines, 0);
}

static void test_block_and_terminate(void **state)
{
	struct both *t = *state;

	t->action = SECRET_BLOCK_TERMINATE;
	begin(t, "elsewhere.test", PLACE_HEADER);
	tls_bench_open(&t->b, BENCH_NAME, NULL);
	assert_cut(&t->b, HEAD "X-Key: $MSB_KEY\r\n\r\n");
	assert_int_equal(t->b.terminated, 1);
	assert_non_null(strstr(t->b.g->log, "action=block-and-terminate"));
	/* and nothing is begun any more */
	tls_bench_hang_up(&t->b);
	tls_bench_call(&t->b, BENCH_NAME, NULL);
	tls_bench_until(&t->b, tls_bench_over);
	assert_int_equal(t->b.fd, -1);
}

static void test_smuggling(void **state)
{
	struct both *t = *state;

	begin(t, "*", PLACE_HEADER);
	tls_bench_open(&t->b, BENCH_NAME, NULL);
	assert_cut(&t->b, HEAD "Content-Length: 4\r\n"
			       "Transfer-Encoding: chunked\r\n\r\n");
	assert_non_null(strstr(t->b.g->log, "name=" BENCH_NAME ": "));
	tls_bench_hang_up(&t->b);
	tls_bench_open(&t->b, BENCH_NAME, NULL);
	assert_cut(&t->b, "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_value_in_a_header),
		T(test_http2_is_not_offered_for_bodies),
		T(test_block_and_log),
		T(test_block),
		T(test_block_and_terminate),
		T(test_smuggling),
	};

	(void)signal(SIGPIPE, SIG_IGN); /* the server writes as it likes */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
