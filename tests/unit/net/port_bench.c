/* SPDX-License-Identifier: Apache-2.0 */
/* The bench of the published ports' tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "port_bench.h"

struct bench t;

/* --- what the rest of the room and the clock would do --- */

void net_take_policy(struct net *n)
{
	(void)n;
}

uint64_t clock_mono_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 +
	       t.skew_ms;
}

void net_log(struct net *n, int level, const char *fmt, ...)
{
	size_t at = strlen(t.log);
	va_list ap;

	(void)n;
	(void)snprintf(t.log + at, sizeof(t.log) - at, "%d ", level);
	at = strlen(t.log);
	va_start(ap, fmt);
	(void)vsnprintf(t.log + at, sizeof(t.log) - at, fmt, ap);
	va_end(ap);
	strncat(t.log, "\n", sizeof(t.log) - strlen(t.log) - 1);
}

struct policy_verdict net_judge(struct net *n, const struct policy_flow *f,
				enum policy_names how, const char *sni)
{
	(void)n;
	assert_int_equal(how, POLICY_NAMES_CACHED);
	assert_null(sni);
	t.judged = *f;
	t.judgements++;
	return (struct policy_verdict){ t.answer, POLICY_BY_DEFAULT };
}

int splice_inbound(struct net *n, int fd, const struct net_endpoint *from,
		   const struct net_endpoint *to, void (*done)(void *ctx),
		   void *ctx)
{
	assert_ptr_equal(n, &t.n);
	if (t.error)
		return t.error;
	if (from->port == t.busy)
		return -EADDRINUSE;
	t.from = *from;
	t.to = *to;
	t.done = done;
	t.done_ctx = ctx;
	assert_in_range(t.dialled, 0, PORT_MAX_INBOUND - 1);
	t.fd[t.dialled++] = fd;
	return 0;
}

bool udp_send(struct net *n, const struct net_endpoint *from,
	      const struct net_endpoint *to, const struct iovec *data,
	      unsigned ndata, size_t len)
{
	assert_ptr_equal(n, &t.n);
	assert_int_equal(ndata, 1);
	assert_int_equal(data->iov_len, len);
	if (t.full)
		return false;
	t.udp_from = *from;
	t.udp_to = *to;
	memcpy(t.data, data->iov_base, len);
	t.len = len;
	t.sent++;
	return true;
}

/* --- fixtures --- */

struct net_addr port_address(const char *text)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse(text, strlen(text), &a), 0);
	return a;
}

int port_setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.answer = POLICY_ALLOW;
	t.n.link_addr = (struct net_addresses){
		.guest4 = port_address("172.16.0.2"),
		.gateway4 = port_address("172.16.0.1"),
		.guest6 = port_address("fd42:6d73:62::2"),
		.gateway6 = port_address("fd42:6d73:62::1"),
	};
	t.n.config.ports = t.port;
	return loop_new(&t.n.loop);
}

int port_teardown(void **state)
{
	(void)state;
	t.n.ports = ports_free(t.n.ports);
	for (unsigned i = 0; i < t.dialled; i++)
		close_fd(&t.fd[i]);
	t.n.loop = loop_free(t.n.loop);
	return 0;
}

void port_publish(size_t count)
{
	struct err err = { 0 };

	t.n.config.nports = count;
	assert_int_equal(ports_new(&t.n, &t.n.ports, &err), 0);
	assert_int_equal(ports_start(t.n.ports), 0);
}

void port_choose(size_t i, const char *addr, uint16_t port, bool udp)
{
	t.port[i] = (struct net_port){ .bind = { port_address(addr), port },
				       .guest_port = SERVICE,
				       .udp = udp };
}

struct net_endpoint port_local_end(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct net_endpoint e;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(net_endpoint_from_sockaddr(&sa, &e), 0);
	return e;
}

int port_open_at(const char *addr, uint16_t port, int type, bool connected)
{
	struct net_endpoint e = { port_address(addr), port };
	struct sockaddr_storage sa;
	socklen_t len = net_endpoint_to_sockaddr(&e, &sa);
	int fd = socket(sa.ss_family, type, 0);

	assert_true(fd >= 0);
	if (connected)
		assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	else
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

int port_reach(size_t i, const char *addr)
{
	const struct port *p = &t.n.ports->list[i];

	return port_open_at(addr, port_local_end(p->fd).port,
			    p->is->udp ? SOCK_DGRAM : SOCK_STREAM, true);
}

void port_turn_until(const unsigned *what, unsigned count)
{
	while (*what < count)
		assert_int_equal(loop_turn(t.n.loop, -1), 0);
	assert_int_equal(*what, count);
}
