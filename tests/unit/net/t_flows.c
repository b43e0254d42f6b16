/* SPDX-License-Identifier: Apache-2.0 */
/* Ten thousand connections, each way, leave everything as it was. */
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "guest.h"

#define WARM 300
#define MANY 10000

/* What this process has at hand. */
struct usage {
	size_t heap;
	unsigned files, mappings;
};

static struct usage usage_now(void)
{
	struct usage u = { .heap = mallinfo2().uordblks };
	DIR *d = opendir("/proc/self/fd");
	FILE *f = fopen("/proc/self/maps", "r");
	int c;

	assert_true(d && f);
	while (readdir(d))
		u.files++;
	while ((c = getc(f)) != EOF)
		u.mappings += c == '\n';
	(void)closedir(d);
	(void)fclose(f);
	return u;
}

/* Both ends are there; each says something, then it ends in some way. */
static void use_up(struct guest_conn *c, int host, unsigned way)
{
	const struct linger now = { .l_onoff = 1 };
	char byte;

	conn_send(c, TH_PUSH, "x", 1);
	assert_int_equal(recv(host, &byte, 1, 0), 1);
	assert_int_equal(send(host, "y", 1, MSG_NOSIGNAL), 1);
	while (c->received < 1)
		assert_true(conn_receive(c));
	switch (way % 4) {
	case 0: /* the guest ends first */
		conn_send(c, TH_FIN, NULL, 0);
		assert_int_equal(recv(host, &byte, 1, 0), 0);
		close(host);
		while (!c->fin)
			assert_true(conn_receive(c));
		break;
	case 1: /* the host */
		close(host);
		while (!c->fin)
			assert_true(conn_receive(c));
		conn_send(c, TH_FIN, NULL, 0);
		break;
	case 2:
		conn_send(c, TH_RST, NULL, 0);
		assert_int_equal(recv(host, &byte, 1, 0), -1);
		assert_int_equal(errno, ECONNRESET);
		close(host);
		break;
	case 3:
		(void)setsockopt(host, SOL_SOCKET, SO_LINGER, &now,
				 sizeof(now));
		close(host);
		while (!c->reset)
			assert_true(conn_receive(c));
		break;
	}
	while (guest_has_frame(c->g))
		(void)conn_receive(c);
}

/* All are gone: those in TIME-WAIT, too. */
static struct usage settle(struct guest *g)
{
	guest_turn(g);
	while (g->net->tcp->ntime_wait)
		assert_int_equal(loop_turn(g->loop, -1), 0);
	guest_turn(g);
	return usage_now();
}

/* begin() makes the i-th connection and returns its end on the host. */
static void check_many(struct guest *g, void *ctx,
		       int (*begin)(void *ctx, unsigned i,
				    struct guest_conn *ret))
{
	struct usage before, after;
	struct guest_conn c;
	unsigned i = 0;

	for (; i < WARM; i++)
		use_up(&c, begin(ctx, i, &c), i);
	before = settle(g);
	for (; i < WARM + MANY; i++)
		use_up(&c, begin(ctx, i, &c), i);
	after = settle(g);
	assert_int_equal(after.files, before.files);
	assert_true(after.mappings <= before.mappings);
	/* the allocator keeps some at hand for itself */
	assert_in_range(after.heap, 0, before.heap + MANY);
}

struct out {
	struct guest *g;
	int listener;
	struct net_endpoint peer;
};

static int begin_out(void *ctx, unsigned i, struct guest_conn *ret)
{
	struct out *o = ctx;

	assert_true(conn_open(ret, o->g, (uint16_t)(1024 + i), &o->peer));
	return host_accept(o->listener);
}

static void t_out(void **state)
{
	struct out o = { .g = guest_new(&(struct guest_options){ 0 }) };
	struct net_endpoint at;

	(void)state;
	o.listener = host_listen(AF_INET, &at);
	o.peer = gateway_end(o.g, AF_INET, at.port);
	check_many(o.g, &o, begin_out);
	close(o.listener);
	guest_free(o.g);
}

struct in {
	struct guest *g;
	struct sockaddr_storage at;
	socklen_t len;
};

static int begin_in(void *ctx, unsigned i, struct guest_conn *ret)
{
	struct in *in = ctx;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)i;
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&in->at, in->len), 0);
	conn_answer(ret, in->g);
	return fd;
}

static void t_in(void **state)
{
	struct net_endpoint at;
	int fd = host_listen(AF_INET, &at);
	struct in in = { 0 };

	(void)state;
	close(fd); /* the port is free */
	in.len = net_endpoint_to_sockaddr(&at, &in.at);
	in.g = guest_new(&(struct guest_options){ .publish = at.port });
	check_many(in.g, &in, begin_in);
	guest_free(in.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_out),
		cmocka_unit_test(t_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
