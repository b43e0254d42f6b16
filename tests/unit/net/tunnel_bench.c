/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel_bench.h"

#include <errno.h>
#include <fcntl.h>
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

#include "base/cleanup.h"
#include "net/http/request.h"

#define TURNS 20

/* --- in place of the rest of interception --- */

static struct tunnel_bench *bench_of(struct tls_proxy *p)
{
	return container_of(p, struct tunnel_bench, proxy);
}

static void no_conn(void *owner, struct tcp_conn *c)
{
	(void)owner;
	(void)c;
}

static size_t no_data(void *owner, struct tcp_conn *c, const struct iovec *iov,
		      unsigned n, size_t len)
{
	(void)owner;
	(void)c;
	(void)iov;
	(void)n;
	(void)len;
	return 0;
}

static void no_end(void *owner, struct tcp_conn *c, int error)
{
	(void)owner;
	(void)c;
	(void)error;
}

static const struct tcp_owner_ops nobody = { no_conn, no_data, no_conn, no_conn,
					     no_end };

void tls_session_tunnelled(struct tls_proxy *p, struct tcp_conn *c, int fd,
			   const char *name)
{
	struct tunnel_bench *b = bench_of(p);

	assert_int_equal(b->session_fd, -1);
	b->session = c;
	b->session_fd = fd;
	(void)snprintf(b->session_name, sizeof(b->session_name), "%s", name);
	tcp_set_owner(c, &nobody, b);
}

void tls_blocked(struct tls_proxy *p, const struct tcp_conn *c,
		 const char *name, const char *why)
{
	struct tunnel_bench *b = bench_of(p);

	(void)c;
	b->blocked++;
	(void)snprintf(b->why, sizeof(b->why), "%s", why);
	(void)snprintf(b->name, sizeof(b->name), "%s", name ? name : "");
}

void tls_violation(struct tls_proxy *p, const struct tcp_conn *c,
		   const struct secret_found *found)
{
	struct tunnel_bench *b = bench_of(p);

	(void)c;
	b->violations++;
	b->found = *found;
}

static int on_attach(struct tls_proxy *p, struct net *n)
{
	p->net = n;
	return 0;
}

static void on_detach(struct tls_proxy *p)
{
	p->net = NULL;
}

static void on_start(struct tls_proxy *p, struct tcp_conn *c, const char *name)
{
	(void)p;
	(void)c;
	fail_msg("a session for %s", name);
}

static const struct net_tls_ops ops = {
	.attach = on_attach,
	.detach = on_detach,
	.start = on_start,
	.classify = tls_classify,
	.take = tls_take,
};

/* --- the bench --- */

struct tunnel_bench *tunnel_bench_new(void)
{
	struct tunnel_bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	secret_bench_init(&b->secrets);
	b->fd = b->session_fd = b->listener = -1;
	return b;
}

/* The guest breaks what is still there. */
static void end_conn(struct tunnel_bench *b)
{
	struct seg s;

	close_fd(&b->fd);
	close_fd(&b->session_fd);
	if (b->c.g && conn_inside(&b->c))
		conn_send_at(&b->c, TH_RST, b->c.snd_nxt, 0, NULL, 0);
	guest_turn(b->g);
	while (guest_has_frame(b->g)) {
		assert_true(guest_receive(b->g, &s));
		guest_segment_free(&s);
	}
}

void tunnel_bench_again(struct tunnel_bench *b)
{
	static uint16_t port = 1000;

	end_conn(b);
	b->blocked = b->violations = 0;
	assert_true(conn_open(&b->c, b->g, ++port, &b->peer));
	b->c.data = b->got;
	b->c.data_max = sizeof(b->got);
}

void tunnel_bench_open(struct tunnel_bench *b, struct policy *policy)
{
	const struct guest_options o = { .policy = policy };
	struct net_endpoint at;

	secret_bench_start(&b->secrets);
	b->g = guest_new(&o);
	b->g->net->host.tls_ops = &ops;
	b->g->net->host.tls = &b->proxy;
	b->g->net->config.tls.enabled = true;
	b->g->net->config.secrets = b->secrets.config; /* lent */
	b->proxy.net = b->g->net;
	b->proxy.secrets = b->secrets.secrets;
	b->proxy.room = HTTP_MAX_HELD;
	b->listener = host_listen(AF_INET, &at);
	assert_int_equal(fcntl(b->listener, F_SETFL, O_NONBLOCK), 0);
	b->peer = gateway_end(b->g, AF_INET, at.port);
	tunnel_bench_again(b);
}

void tunnel_bench_free(struct tunnel_bench *b)
{
	close_fd(&b->fd);
	close_fd(&b->session_fd);
	close_fd(&b->listener);
	b->g->net->config.secrets = (struct secrets_config){ 0 };
	guest_free(b->g);
	secret_bench_fini(&b->secrets);
	free(b);
}

/* --- what is said and heard --- */

void guest_says_bytes(struct tunnel_bench *b, const void *data, size_t len)
{
	conn_send(&b->c, TH_PUSH, data, len);
}

void guest_says(struct tunnel_bench *b, const char *text)
{
	guest_says_bytes(b, text, strlen(text));
}

void guest_ends(struct tunnel_bench *b)
{
	conn_send(&b->c, TH_FIN, NULL, 0);
}

/* It may be dialed late: when the guest has said something. */
static bool is_served(void *ctx)
{
	struct tunnel_bench *b = ctx;

	if (b->fd < 0)
		b->fd = accept4(b->listener, NULL, NULL,
				SOCK_NONBLOCK | SOCK_CLOEXEC);
	return b->fd >= 0;
}

void server_says(struct tunnel_bench *b, const char *text)
{
	guest_until(b->g, is_served, b);
	assert_int_equal(write(b->fd, text, strlen(text)), strlen(text));
}

struct hearing {
	struct tunnel_bench *b;
	uint8_t *to;
	size_t want, have;
	bool end;
};

static bool has_heard(void *ctx)
{
	struct hearing *h = ctx;
	ssize_t n;

	if (!is_served(h->b))
		return false;
	n = read(h->b->fd, h->to + h->have, h->want - h->have);
	if (n > 0)
		h->have += (size_t)n;
	if (n < 0 && errno != ECONNRESET)
		assert_int_equal(errno, EAGAIN);
	h->end = n == 0 || (n < 0 && errno == ECONNRESET);
	return h->end || h->have == h->want;
}

void server_hears_bytes(struct tunnel_bench *b, const void *data, size_t len)
{
	struct hearing h = { .b = b, .to = malloc(len), .want = len };

	assert_non_null(h.to);
	guest_until(b->g, has_heard, &h);
	if (h.have != len || memcmp(h.to, data, len))
		fail_msg("the server heard %.*s", (int)h.have,
			 (const char *)h.to);
	free(h.to);
}

void server_hears(struct tunnel_bench *b, const char *text)
{
	server_hears_bytes(b, text, strlen(text));
}

void server_hears_end(struct tunnel_bench *b)
{
	uint8_t byte;
	struct hearing h = { .b = b, .to = &byte, .want = 1 };

	guest_until(b->g, has_heard, &h);
	assert_true(h.end && !h.have);
}

void server_hears_nothing(struct tunnel_bench *b)
{
	char byte;

	for (int i = 0; i < TURNS; i++)
		assert_int_equal(loop_turn(b->g->loop, 1), 0);
	if (!is_served(b))
		return;
	assert_int_equal(read(b->fd, &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
}

void guest_hears(struct tunnel_bench *b, const char *text)
{
	const size_t len = strlen(text);

	while (b->c.received < len)
		assert_true(conn_receive(&b->c));
	assert_int_equal(b->c.received, len);
	assert_memory_equal(b->got, text, len);
	b->c.received = 0;
}

void guest_hears_end(struct tunnel_bench *b)
{
	while (!b->c.fin)
		assert_true(conn_receive(&b->c));
	assert_int_equal(b->c.received, 0);
}

static bool is_over(void *ctx)
{
	return !conn_inside(&((struct tunnel_bench *)ctx)->c);
}

void is_cut(struct tunnel_bench *b)
{
	char byte;

	guest_until(b->g, is_over, b);
	if (is_served(b) && read(b->fd, &byte, 1))
		assert_int_equal(errno, ECONNRESET);
	while (!b->c.reset)
		assert_true(conn_receive(&b->c));
	assert_int_equal(b->c.received, 0);
	assert_int_equal(b->session_fd, -1);
}

void is_blocked(struct tunnel_bench *b, const char *why)
{
	is_cut(b);
	assert_int_equal(b->blocked, 1);
	assert_int_equal(b->violations, 0);
	assert_string_equal(b->why, why);
}

void is_violation(struct tunnel_bench *b, const char *env_var)
{
	is_cut(b);
	assert_int_equal(b->blocked, 0);
	assert_int_equal(b->violations, 1);
	assert_string_equal(b->found.env_var, env_var);
}

size_t bench_hello(uint8_t *p, const char *name)
{
	static const uint8_t fixed[] = {
		22, 3, 1,    0, 0,		      /* record */
		1,  0, 0,    0, 3, 3, [43] = 0,	      /* hello, session id */
		0,  2, 0x13, 1, 1, 0,		      /* suite, compression */
		0,  0,				      /* extensions */
		0,  0, 0,    0, 0, 0, 0,	0, 0, /* server_name */
	};
	const size_t head = name ? sizeof(fixed) : sizeof(fixed) - 9;
	const size_t len = name ? strlen(name) : 0, all = head + len;

	memcpy(p, fixed, head);
	p[4] = (uint8_t)(all - 5);
	p[8] = (uint8_t)(all - 9);
	if (!name)
		return all;
	memcpy(p + head, name, len);
	p[51] = (uint8_t)(len + 9);
	p[55] = (uint8_t)(len + 5);
	p[57] = (uint8_t)(len + 3);
	p[60] = (uint8_t)len;
	return all;
}
