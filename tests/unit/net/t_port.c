/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published ports over real sockets of loopback; the guest's side of the stack
 * is this file: it notes what would be sent to the guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/port_int.h"

#define SERVICE 80

static struct {
	struct net n;
	struct net_port port[2];
	/* splice_inbound() */
	unsigned dialled;
	uint16_t busy; /* this port of the gateway is taken */
	int error;     /* or nothing works */
	struct net_endpoint from, to;
	int fd[PORT_MAX_INBOUND];
	void (*done)(void *ctx);
	void *done_ctx;
	/* udp_send() */
	unsigned sent;
	struct net_endpoint udp_from, udp_to;
	uint8_t data[65536];
	size_t len;
	/* net_judge() and net_log() */
	enum policy_answer answer;
	struct policy_flow judged;
	unsigned judgements;
	char log[4096];
	uint64_t skew_ms;
} t;

/* --- what the rest of the room and the clock would do --- */

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
	t.udp_from = *from;
	t.udp_to = *to;
	memcpy(t.data, data->iov_base, len);
	t.len = len;
	t.sent++;
	return true;
}

/* --- fixtures --- */

static struct net_addr address(const char *text)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse(text, strlen(text), &a), 0);
	return a;
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.answer = POLICY_ALLOW;
	t.n.link_addr = (struct net_addresses){
		.guest4 = address("172.16.0.2"),
		.gateway4 = address("172.16.0.1"),
		.guest6 = address("fd42:6d73:62::2"),
		.gateway6 = address("fd42:6d73:62::1"),
	};
	t.n.config.ports = t.port;
	return loop_new(&t.n.loop);
}

static int teardown(void **state)
{
	(void)state;
	t.n.ports = ports_free(t.n.ports);
	for (unsigned i = 0; i < t.dialled; i++)
		close_fd(&t.fd[i]);
	t.n.loop = loop_free(t.n.loop);
	return 0;
}

/* Publishes t.port[]; port 0 becomes the one that was chosen. */
static void publish(size_t count)
{
	struct err err = { 0 };

	t.n.config.nports = count;
	assert_int_equal(ports_new(&t.n, &t.n.ports, &err), 0);
	assert_int_equal(ports_start(t.n.ports), 0);
}

static void choose(size_t i, const char *addr, uint16_t port, bool udp)
{
	t.port[i] = (struct net_port){ .bind = { address(addr), port },
				       .guest_port = SERVICE,
				       .udp = udp };
}

static struct net_endpoint local_end(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct net_endpoint e;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(net_endpoint_from_sockaddr(&sa, &e), 0);
	return e;
}

static int open_at(const char *addr, uint16_t port, int type, bool connected)
{
	struct net_endpoint e = { address(addr), port };
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

/* A connection, or datagram socket, to published port i over addr. */
static int reach(size_t i, const char *addr)
{
	const struct port *p = &t.n.ports->list[i];

	return open_at(addr, local_end(p->fd).port,
		       p->is->udp ? SOCK_DGRAM : SOCK_STREAM, true);
}

/* The peer of fd sees a reset. */
static void expect_reset(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	while (poll(&p, 1, 0) == 0)
		assert_int_equal(loop_turn(t.n.loop, -1), 0);
	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
}

/* --- who has it --- */

static void expect_conflict(const char *addr, uint16_t port, bool udp,
			    const char *holder)
{
	struct err err = { 0 };
	char text[PORT_TEXT], want[512];

	choose(0, addr, port, udp);
	t.n.config.nports = 1;
	assert_int_equal(ports_new(&t.n, &t.n.ports, &err), -EADDRINUSE);
	assert_int_equal(err.sys, EADDRINUSE);
	(void)snprintf(want, sizeof(want), "port %s is already in use by %s",
		       port_text(&t.port[0], text), holder);
	assert_string_equal(err.msg, want);
}

static void myself(char ret[64])
{
	FILE *f = fopen("/proc/self/comm", "r");
	char name[32];

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%31s", name), 1);
	(void)fclose(f);
	(void)snprintf(ret, 64, "%s (pid %d)", name, (int)getpid());
}

static void t_conflict(void **state)
{
	static const struct {
		const char *theirs, *ours;
		int type;
	} v[] = {
		{ "127.0.0.1", "127.0.0.1", SOCK_STREAM },
		{ "0.0.0.0", "127.0.0.1", SOCK_STREAM },
		{ "127.0.0.1", "0.0.0.0", SOCK_STREAM },
		{ "::", "127.0.0.1", SOCK_STREAM }, /* takes both families */
		{ "::1", "::1", SOCK_STREAM },
		{ "::", "::1", SOCK_STREAM },
		{ "127.0.0.1", "127.0.0.1", SOCK_DGRAM },
		{ "::", "0.0.0.0", SOCK_DGRAM },
		{ "::1", "::", SOCK_DGRAM },
	};
	char me[64];

	(void)state;
	myself(me);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		int fd = open_at(v[i].theirs, 0, v[i].type, false);

		if (v[i].type == SOCK_STREAM)
			assert_int_equal(listen(fd, 1), 0);
		expect_conflict(v[i].ours, local_end(fd).port,
				v[i].type == SOCK_DGRAM, me);
		close(fd);
	}
}

static void t_no_conflict(void **state)
{
	int fd = open_at("127.0.0.1", 0, SOCK_STREAM, false);
	uint16_t port = local_end(fd).port;

	(void)state;
	assert_int_equal(listen(fd, 1), 0);
	choose(0, "127.0.0.2", port, false);
	choose(1, "127.0.0.1", port, true);
	publish(2);
	close(fd);
}

/* A process that says it is a sandbox's runtime; this program again. */
static pid_t start_runtime(uint16_t *port)
{
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		int fd = open_at("127.0.0.1", 0, SOCK_STREAM, false);

		*port = local_end(fd).port;
		if (listen(fd, 1) || dup2(ends[1], STDOUT_FILENO) < 0 ||
		    write(STDOUT_FILENO, port, sizeof(*port)) < 0)
			_exit(1);
		execl("/proc/self/exe", "msb-runtime", "web", NULL);
		_exit(1);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], port, sizeof(*port)), sizeof(*port));
	/* and once more when it has its new name */
	assert_int_equal(read(ends[0], &(char){ 0 }, 1), 1);
	close(ends[0]);
	return pid;
}

static void t_conflict_sandbox(void **state)
{
	uint16_t port;
	pid_t pid = start_runtime(&port);
	char want[64];

	(void)state;
	(void)snprintf(want, sizeof(want), "sandbox 'web' (pid %d)", (int)pid);
	expect_conflict("127.0.0.1", port, false, want);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void t_twice(void **state)
{
	int fd = open_at("127.0.0.1", 0, SOCK_STREAM, false);
	uint16_t port = local_end(fd).port;
	struct err err = { 0 };

	(void)state;
	close(fd);
	choose(0, "127.0.0.1", port, false);
	choose(1, "127.0.0.1", port, false);
	t.n.config.nports = 2;
	assert_int_equal(ports_new(&t.n, &t.n.ports, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "published twice"));
	/* nothing is left open */
	fd = open_at("127.0.0.1", port, SOCK_STREAM, false);
	close(fd);
}

static void t_foreign_address(void **state)
{
	struct err err = { 0 };

	(void)state;
	choose(0, "192.0.2.1", 8080, false);
	t.n.config.nports = 1;
	assert_int_equal(ports_new(&t.n, &t.n.ports, &err), -EADDRNOTAVAIL);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(err.msg, "port 192.0.2.1:8080/tcp: this host does "
				     "not have that address");
}

static void t_rows(void **state)
{
	static const char *const bad[] = {
		"",
		"  sl  local_address rem_address   st tx_queue rx_queue tr",
		"   0: 0100007F:1F90",
		"   0: 0100007:1F90 00000000:0000 0A 00000000:00000000"
		" 00:00000000 00000000 0 0 1 1",
		"   0: 0100007F0100007F:1F90 00000000:0000 0A 00000000:00000000"
		" 00:00000000 00000000 0 0 1 1",
	};
	static const char four[] =
		"   3: 0100007F:1F90 00000000:0000 0A 00000000:00000000"
		" 00:00000000 00000000  1000        0 12345 1 0000000000000000"
		" 100 0 0 10 0\n";
	static const char six[] =
		"   0: 00000000000000000000000001000000:0016"
		" 00000000000000000000000000000000:0000 07 00000000:00000000"
		" 00:00000000 00000000     0        0 18446744073709551615 2\n";
	struct net_addr a;
	struct port_row r;
	struct net_port p = { .guest_port = SERVICE };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(port_row_parse(bad[i], &r));
	assert_true(port_row_parse(six, &r));
	a = address("::1");
	assert_true(net_addr_equal(&r.local.addr, &a));
	assert_int_equal(r.local.port, 22);
	assert_true(r.inode == UINT64_MAX);
	assert_true(port_row_parse(four, &r));
	a = address("127.0.0.1");
	assert_true(net_addr_equal(&r.local.addr, &a));
	assert_int_equal(r.local.port, 8080);
	assert_int_equal(r.uid, 1000);
	assert_true(r.inode == 12345);
	p.bind = (struct net_endpoint){ address("127.0.0.1"), 8080 };
	assert_true(port_row_blocks(&r, &p));
	p.bind.addr = address("127.0.0.2");
	assert_false(port_row_blocks(&r, &p));
	p.bind.addr = address("0.0.0.0");
	assert_true(port_row_blocks(&r, &p));
	p.bind.addr = address("::");
	assert_false(port_row_blocks(&r, &p));
	p.bind = (struct net_endpoint){ address("127.0.0.1"), 8081 };
	assert_false(port_row_blocks(&r, &p));
	p.bind.port = 8080;
	r.state = 1; /* a connection does not hold the port */
	assert_false(port_row_blocks(&r, &p));
	p.udp = true;
	assert_true(port_row_blocks(&r, &p));
	r.local.addr = address("::ffff:127.0.0.1");
	assert_true(port_row_blocks(&r, &p));
	r.local.addr = address("::1");
	assert_false(port_row_blocks(&r, &p));
}

static void t_warning(void **state)
{
	(void)state;
	choose(0, "0.0.0.0", 0, false);
	choose(1, "::1", 0, false);
	publish(2);
	assert_non_null(strstr(t.log, "2 published 0.0.0.0:"));
	assert_non_null(strstr(t.log, "1 port 0.0.0.0:"));
	assert_non_null(strstr(t.log, "2 published [::1]:"));
	assert_null(strstr(t.log, "1 port [::1]:"));
}

static void t_no_family(void **state)
{
	(void)state;
	t.n.link_addr.guest6 = (struct net_addr){ 0 };
	choose(0, "::1", 0, true);
	choose(1, "::1", 0, false); /* a connection may change family */
	publish(2);
	assert_int_equal(t.n.ports->count, 1);
	assert_false(t.n.ports->list[0].is->udp);
	assert_non_null(strstr(t.log, "/udp is not published"));
}

/* --- connections --- */

static void turn_until(const unsigned *what, unsigned count)
{
	while (*what < count)
		assert_int_equal(loop_turn(t.n.loop, -1), 0);
	assert_int_equal(*what, count);
}

static void t_connection(void **state)
{
	int fd;

	(void)state;
	choose(0, "127.0.0.1", 0, false);
	choose(1, "::1", 0, false);
	publish(2);
	fd = reach(0, "127.0.0.1");
	turn_until(&t.dialled, 1);
	assert_true(net_addr_equal(&t.from.addr, &t.n.link_addr.gateway4));
	assert_int_equal(t.from.port, PORT_FIRST);
	assert_true(net_addr_equal(&t.to.addr, &t.n.link_addr.guest4));
	assert_int_equal(t.to.port, SERVICE);
	assert_int_equal(t.judged.direction, POLICY_INGRESS);
	assert_int_equal(t.judged.proto, POLICY_TCP);
	assert_int_equal(t.judged.port, SERVICE);
	assert_int_equal(t.judged.addr.b[0], 127);
	close(fd);
	/* a port that is in use is passed over */
	t.busy = PORT_FIRST + 1;
	fd = reach(1, "::1");
	turn_until(&t.dialled, 2);
	assert_int_equal(t.from.port, PORT_FIRST + 2);
	assert_true(net_addr_equal(&t.to.addr, &t.n.link_addr.guest4));
	close(fd);
	/* and they begin anew after the last */
	t.n.ports->next = PORT_COUNT - 1;
	t.busy = UINT16_MAX;
	fd = reach(0, "127.0.0.1");
	turn_until(&t.dialled, 3);
	assert_int_equal(t.from.port, PORT_FIRST);
	close(fd);
}

static void t_only_six(void **state)
{
	(void)state;
	t.n.link_addr.guest4 = t.n.link_addr.gateway4 = (struct net_addr){ 0 };
	choose(0, "127.0.0.1", 0, false);
	publish(1);
	close(reach(0, "127.0.0.1"));
	turn_until(&t.dialled, 1);
	assert_true(net_addr_equal(&t.to.addr, &t.n.link_addr.guest6));
	assert_true(net_addr_equal(&t.from.addr, &t.n.link_addr.gateway6));
}

static void t_denied(void **state)
{
	(void)state;
	t.answer = POLICY_DENY;
	choose(0, "127.0.0.1", 0, false);
	publish(1);
	expect_reset(reach(0, "127.0.0.1"));
	assert_int_equal(t.dialled, 0);
}

static void t_no_way(void **state)
{
	(void)state;
	choose(0, "127.0.0.1", 0, false);
	publish(1);
	t.error = -EMFILE;
	expect_reset(reach(0, "127.0.0.1"));
	t.error = -EADDRINUSE; /* all ports */
	expect_reset(reach(0, "127.0.0.1"));
	assert_int_equal(t.n.ports->inbound, 0);
}

static void t_limit(void **state)
{
	int fd[PORT_MAX_INBOUND];

	(void)state;
	choose(0, "127.0.0.1", 0, false);
	publish(1);
	for (unsigned i = 0; i < PORT_MAX_INBOUND; i++) {
		fd[i] = reach(0, "127.0.0.1");
		turn_until(&t.dialled, i + 1);
	}
	expect_reset(reach(0, "127.0.0.1"));
	assert_int_equal(t.dialled, PORT_MAX_INBOUND);
	/* one ends: there is room again */
	t.done(t.done_ctx);
	close_fd(&t.fd[--t.dialled]);
	close(reach(0, "127.0.0.1"));
	turn_until(&t.dialled, PORT_MAX_INBOUND);
	for (unsigned i = 0; i < PORT_MAX_INBOUND; i++)
		close(fd[i]);
}

/* Without descriptors nothing is accepted, nothing is lost, nothing spins. */
static void t_pause(void **state)
{
	struct rlimit old, few;
	int fd;

	(void)state;
	choose(0, "127.0.0.1", 0, false);
	publish(1);
	fd = reach(0, "127.0.0.1");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(loop_turn(t.n.loop, -1), 0);
	assert_int_equal(t.dialled, 0);
	assert_non_null(t.n.ports->pause.loop);
	assert_int_equal(t.n.ports->list[0].watch.events, 0);
	assert_int_equal(loop_turn(t.n.loop, 0), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	turn_until(&t.dialled, 1);
	close(fd);
}

/* --- datagrams --- */

static bool answer(uint16_t gateway_port, const char *src, const char *dst,
		   uint16_t sport, const void *data, size_t len)
{
	struct iovec iov[2] = { { (void *)(uintptr_t) "headers", 7 },
				{ (void *)(uintptr_t)data, len } };
	struct packet p = { .iov = iov,
			    .niov = 2,
			    .src = address(src),
			    .dst = address(dst),
			    .proto = IPPROTO_UDP,
			    .udp = { .sport = sport, .dport = gateway_port },
			    .payload_off = 7,
			    .payload_len = len };

	return ports_reply(t.n.ports, &p);
}

static bool answer4(uint16_t gateway_port, const char *text)
{
	return answer(gateway_port, "172.16.0.2", "172.16.0.1", SERVICE, text,
		      strlen(text));
}

static void expect_text(int fd, const char *text)
{
	char got[64] = { 0 };

	assert_int_equal(recv(fd, got, sizeof(got) - 1, 0), strlen(text));
	assert_string_equal(got, text);
}

static uint16_t say(int fd, const char *text)
{
	unsigned before = t.sent;

	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
	turn_until(&t.sent, before + 1);
	assert_int_equal(t.len, strlen(text));
	assert_memory_equal(t.data, text, t.len);
	assert_int_equal(t.udp_to.port, SERVICE);
	assert_in_range(t.udp_from.port, PORT_FIRST, UINT16_MAX);
	return t.udp_from.port;
}

static void t_udp(void **state)
{
	uint16_t one, two;
	int a, b;

	(void)state;
	choose(0, "127.0.0.1", 0, true);
	publish(1);
	a = reach(0, "127.0.0.1");
	b = reach(0, "127.0.0.1");
	one = say(a, "from a");
	assert_true(net_addr_equal(&t.udp_from.addr, &t.n.link_addr.gateway4));
	assert_true(net_addr_equal(&t.udp_to.addr, &t.n.link_addr.guest4));
	two = say(b, "from b");
	assert_int_not_equal(one, two);
	assert_int_equal(say(a, "a again"), one);
	assert_true(answer4(two, "to b"));
	assert_true(answer4(one, "to a"));
	expect_text(a, "to a");
	expect_text(b, "to b");
	/* not from the service, not to the gateway, not to a peer */
	assert_false(answer(one, "172.16.0.2", "172.16.0.1", 81, "x", 1));
	assert_false(answer(one, "172.16.0.2", "172.16.0.5", SERVICE, "x", 1));
	assert_false(answer(one, "172.16.0.3", "172.16.0.1", SERVICE, "x", 1));
	assert_false(answer4((uint16_t)(two + 1), "x"));
	assert_false(answer4(PORT_FIRST - 1, "x"));
	assert_int_equal(recv(a, t.data, 1, MSG_DONTWAIT), -1);
	assert_int_equal(t.judgements, 2); /* once for each peer */
	close(a);
	close(b);
}

/* Bound to all addresses, answers come from the one that was written to. */
static void t_udp_wildcard(void **state)
{
	uint16_t port;
	int a, b;

	(void)state;
	choose(0, "0.0.0.0", 0, true);
	choose(1, "::", 0, true);
	publish(2);
	a = reach(0, "127.1.2.3"); /* connected: takes no other answer */
	port = say(a, "hello");
	assert_true(answer4(port, "here"));
	expect_text(a, "here");
	b = reach(1, "::1");
	port = say(b, "hello");
	assert_true(net_addr_equal(&t.udp_to.addr, &t.n.link_addr.guest6));
	assert_true(net_addr_equal(&t.udp_from.addr, &t.n.link_addr.gateway6));
	assert_true(answer(port, "fd42:6d73:62::2", "fd42:6d73:62::1", SERVICE,
			   "six", 3));
	expect_text(b, "six");
	close(a);
	close(b);
}

static void t_udp_large(void **state)
{
	static uint8_t data[65507], got[65508];
	uint16_t port;
	int fd;

	(void)state;
	memset(data, 'd', sizeof(data));
	choose(0, "127.0.0.1", 0, true);
	publish(1);
	fd = reach(0, "127.0.0.1");
	assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
	turn_until(&t.sent, 1);
	assert_int_equal(t.len, sizeof(data));
	assert_memory_equal(t.data, data, sizeof(data));
	port = t.udp_from.port;
	assert_true(answer(port, "172.16.0.2", "172.16.0.1", SERVICE, data,
			   sizeof(data)));
	assert_int_equal(recv(fd, got, sizeof(got), 0), sizeof(data));
	assert_memory_equal(got, data, sizeof(data));
	/* and nothing at all is a datagram too */
	assert_int_equal(send(fd, data, 0, 0), 0);
	turn_until(&t.sent, 2);
	assert_int_equal(t.len, 0);
	assert_true(answer4(port, ""));
	assert_int_equal(recv(fd, got, sizeof(got), 0), 0);
	close(fd);
}

static void t_udp_denied(void **state)
{
	int a, b;

	(void)state;
	choose(0, "127.0.0.1", 0, true);
	publish(1);
	a = reach(0, "127.0.0.1");
	b = reach(0, "127.0.0.1");
	t.answer = POLICY_DENY;
	assert_int_equal(send(a, "x", 1, 0), 1);
	turn_until(&t.judgements, 1);
	assert_int_equal(t.judged.proto, POLICY_UDP);
	assert_int_equal(t.judged.direction, POLICY_INGRESS);
	assert_int_equal(t.sent, 0);
	/* who may enter is asked again where rules are about names */
	t.answer = POLICY_ALLOW;
	(void)say(b, "x");
	t.n.config.policy.has_names = true;
	t.answer = POLICY_DENY;
	assert_int_equal(send(b, "x", 1, 0), 1);
	turn_until(&t.judgements, 3);
	assert_int_equal(t.sent, 1);
	close(a);
	close(b);
}

/* One socket for each peer would take many: addresses of 127/8 do as well. */
static uint16_t from_peer(int fd, unsigned i)
{
	struct net_endpoint to = local_end(t.n.ports->list[0].fd);
	struct sockaddr_storage sa;
	socklen_t len = net_endpoint_to_sockaddr(&to, &sa);
	_Alignas(struct cmsghdr) uint8_t control[64] = { 0 };
	struct iovec iov = { (void *)(uintptr_t) "x", 1 };
	struct msghdr m = { .msg_name = &sa,
			    .msg_namelen = len,
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen =
				    CMSG_SPACE(sizeof(struct in_pktinfo)) };
	struct in_pktinfo from = { .ipi_spec_dst.s_addr =
					   htonl(0x7f010000u + i) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	unsigned before = t.judgements + t.sent;

	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(from));
	memcpy(CMSG_DATA(c), &from, sizeof(from));
	assert_int_equal(sendmsg(fd, &m, 0), 1);
	while (t.judgements + t.sent == before)
		assert_int_equal(loop_turn(t.n.loop, -1), 0);
	return t.udp_from.port;
}

static void t_udp_full(void **state)
{
	enum { MANY = 1024 };
	bool used[PORT_COUNT] = { false };
	int fd = open_at("0.0.0.0", 0, SOCK_DGRAM, false);
	uint16_t port;

	(void)state;
	choose(0, "127.0.0.1", 0, true);
	publish(1);
	for (unsigned i = 0; i < MANY; i++) {
		port = from_peer(fd, i);
		assert_false(used[port - PORT_FIRST]);
		used[port - PORT_FIRST] = true;
	}
	assert_int_equal(t.sent, MANY);
	(void)from_peer(fd, MANY); /* one too many is dropped */
	assert_int_equal(t.sent, MANY);
	(void)from_peer(fd, 7); /* the others are as they were */
	assert_int_equal(t.sent, MANY + 1);
	/* after a minute their places are free, their ports come last */
	t.skew_ms += 30000;
	assert_int_equal(loop_turn(t.n.loop, 0), 0);
	port = from_peer(fd, 9);
	t.skew_ms += 30001;
	for (unsigned i = MANY; i < 2 * MANY - 1; i++)
		assert_false(used[from_peer(fd, i) - PORT_FIRST]);
	assert_int_equal(from_peer(fd, 9), port);
	/* all are forgotten with the guest's device */
	ports_stop(t.n.ports);
	assert_false(answer4(port, "x"));
	assert_int_equal(ports_start(t.n.ports), 0);
	assert_int_not_equal(from_peer(fd, 9), port);
	close(fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_conflict, setup, teardown),
		cmocka_unit_test_setup_teardown(t_no_conflict, setup, teardown),
		cmocka_unit_test_setup_teardown(t_conflict_sandbox, setup,
						teardown),
		cmocka_unit_test_setup_teardown(t_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(t_foreign_address, setup,
						teardown),
		cmocka_unit_test_setup_teardown(t_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(t_warning, setup, teardown),
		cmocka_unit_test_setup_teardown(t_no_family, setup, teardown),
		cmocka_unit_test_setup_teardown(t_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(t_only_six, setup, teardown),
		cmocka_unit_test_setup_teardown(t_denied, setup, teardown),
		cmocka_unit_test_setup_teardown(t_no_way, setup, teardown),
		cmocka_unit_test_setup_teardown(t_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(t_pause, setup, teardown),
		cmocka_unit_test_setup_teardown(t_udp, setup, teardown),
		cmocka_unit_test_setup_teardown(t_udp_wildcard, setup,
						teardown),
		cmocka_unit_test_setup_teardown(t_udp_large, setup, teardown),
		cmocka_unit_test_setup_teardown(t_udp_denied, setup, teardown),
		cmocka_unit_test_setup_teardown(t_udp_full, setup, teardown),
	};

	if (argc > 1 && !strcmp(argv[0], "msb-runtime")) {
		while (write(STDOUT_FILENO, "", 1) == 1)
			pause();
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
