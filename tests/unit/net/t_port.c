/* SPDX-License-Identifier: Apache-2.0 */
/* Published ports: binding, who has a port, and connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "port_bench.h"

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

	port_choose(0, addr, port, udp);
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
		int fd = port_open_at(v[i].theirs, 0, v[i].type, false);

		if (v[i].type == SOCK_STREAM)
			assert_int_equal(listen(fd, 1), 0);
		expect_conflict(v[i].ours, port_local_end(fd).port,
				v[i].type == SOCK_DGRAM, me);
		close(fd);
	}
}

/* A connection whose own end is bound there. */
static void t_conflict_connection(void **state)
{
	int listener = port_open_at("127.0.0.1", 0, SOCK_STREAM, false);
	int fd = port_open_at("127.0.0.1", 0, SOCK_STREAM, false);
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	char me[64];

	(void)state;
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len),
			 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	myself(me);
	expect_conflict("127.0.0.1", port_local_end(fd).port, false, me);
	close(listener);
	close(fd);
}

static void t_no_conflict(void **state)
{
	int fd = port_open_at("127.0.0.1", 0, SOCK_STREAM, false);
	uint16_t port = port_local_end(fd).port;

	(void)state;
	assert_int_equal(listen(fd, 1), 0);
	port_choose(0, "127.0.0.2", port, false);
	port_choose(1, "127.0.0.1", port, true);
	port_publish(2);
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
		int fd = port_open_at("127.0.0.1", 0, SOCK_STREAM, false);

		*port = port_local_end(fd).port;
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
	int fd = port_open_at("127.0.0.1", 0, SOCK_STREAM, false);
	uint16_t port = port_local_end(fd).port;
	struct err err = { 0 };

	(void)state;
	close(fd);
	port_choose(0, "127.0.0.1", port, false);
	port_choose(1, "127.0.0.1", port, false);
	t.n.config.nports = 2;
	assert_int_equal(ports_new(&t.n, &t.n.ports, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "published twice"));
	/* nothing is left open */
	fd = port_open_at("127.0.0.1", port, SOCK_STREAM, false);
	close(fd);
}

static void t_foreign_address(void **state)
{
	struct err err = { 0 };

	(void)state;
	port_choose(0, "192.0.2.1", 8080, false);
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
		"   0: 0100007F:11F90 00000000:0000 0A 00000000:00000000"
		" 00:00000000 00000000 0 0 1 1",
		"   0: 0100007G:1F90 00000000:0000 0A 00000000:00000000"
		" 00:00000000 00000000 0 0 1 1",
		"   0: 0100007F 00000000:0000 0A 00000000:00000000"
		" 00:00000000 00000000 0 0 1 1",
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000"
		" 00:00000000 00000000 -1 0 1 1",
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
	a = port_address("::1");
	assert_true(net_addr_equal(&r.local.addr, &a));
	assert_int_equal(r.local.port, 22);
	assert_true(r.inode == UINT64_MAX);
	assert_true(port_row_parse(four, &r));
	a = port_address("127.0.0.1");
	assert_true(net_addr_equal(&r.local.addr, &a));
	assert_int_equal(r.local.port, 8080);
	assert_int_equal(r.uid, 1000);
	assert_true(r.inode == 12345);
	p.bind = (struct net_endpoint){ port_address("127.0.0.1"), 8080 };
	assert_true(port_row_blocks(&r, &p, false));
	p.bind.addr = port_address("127.0.0.2");
	assert_false(port_row_blocks(&r, &p, false));
	p.bind.addr = port_address("0.0.0.0");
	assert_true(port_row_blocks(&r, &p, false));
	p.bind.addr = port_address("::");
	assert_false(port_row_blocks(&r, &p, false));
	p.bind = (struct net_endpoint){ port_address("127.0.0.1"), 8081 };
	assert_false(port_row_blocks(&r, &p, false));
	p.bind.port = 8080;
	r.state = 1; /* a connection does not hold the port */
	assert_false(port_row_blocks(&r, &p, false));
	assert_true(port_row_blocks(&r, &p, true));
	p.udp = true;
	assert_true(port_row_blocks(&r, &p, false));
	r.local.addr = port_address("::ffff:127.0.0.1");
	assert_true(port_row_blocks(&r, &p, false));
	r.local.addr = port_address("::1");
	assert_false(port_row_blocks(&r, &p, false));
}

static void t_warning(void **state)
{
	(void)state;
	port_choose(0, "0.0.0.0", 0, false);
	port_choose(1, "::1", 0, false);
	port_publish(2);
	assert_non_null(strstr(t.log, "2 published 0.0.0.0:"));
	assert_non_null(strstr(t.log, "1 port 0.0.0.0:"));
	assert_non_null(strstr(t.log, "2 published [::1]:"));
	assert_null(strstr(t.log, "1 port [::1]:"));
}

static void t_no_family(void **state)
{
	(void)state;
	t.n.link_addr.guest6 = (struct net_addr){ 0 };
	port_choose(0, "::1", 0, true);
	port_choose(1, "::1", 0, false); /* a connection may change family */
	port_publish(2);
	assert_int_equal(t.n.ports->count, 1);
	assert_false(t.n.ports->list[0].is->udp);
	assert_non_null(strstr(t.log, "/udp is not published"));
}

/* --- connections --- */

static void t_connection(void **state)
{
	int fd;

	(void)state;
	port_choose(0, "127.0.0.1", 0, false);
	port_choose(1, "::1", 0, false);
	port_publish(2);
	fd = port_reach(0, "127.0.0.1");
	port_turn_until(&t.dialled, 1);
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
	fd = port_reach(1, "::1");
	port_turn_until(&t.dialled, 2);
	assert_int_equal(t.from.port, PORT_FIRST + 2);
	assert_true(net_addr_equal(&t.to.addr, &t.n.link_addr.guest4));
	close(fd);
	/* and they begin anew after the last */
	t.n.ports->next = PORT_COUNT - 1;
	t.busy = UINT16_MAX;
	fd = port_reach(0, "127.0.0.1");
	port_turn_until(&t.dialled, 3);
	assert_int_equal(t.from.port, PORT_FIRST);
	close(fd);
}

static void t_only_six(void **state)
{
	(void)state;
	t.n.link_addr.guest4 = t.n.link_addr.gateway4 = (struct net_addr){ 0 };
	port_choose(0, "127.0.0.1", 0, false);
	port_publish(1);
	close(port_reach(0, "127.0.0.1"));
	port_turn_until(&t.dialled, 1);
	assert_true(net_addr_equal(&t.to.addr, &t.n.link_addr.guest6));
	assert_true(net_addr_equal(&t.from.addr, &t.n.link_addr.gateway6));
}

static void t_denied(void **state)
{
	(void)state;
	t.answer = POLICY_DENY;
	port_choose(0, "127.0.0.1", 0, false);
	port_publish(1);
	expect_reset(port_reach(0, "127.0.0.1"));
	assert_int_equal(t.dialled, 0);
}

static void t_no_way(void **state)
{
	(void)state;
	port_choose(0, "127.0.0.1", 0, false);
	port_publish(1);
	t.error = -EMFILE;
	expect_reset(port_reach(0, "127.0.0.1"));
	t.error = -EADDRINUSE; /* all ports */
	expect_reset(port_reach(0, "127.0.0.1"));
	assert_int_equal(t.n.ports->inbound, 0);
}

static void t_limit(void **state)
{
	int fd[PORT_MAX_INBOUND], late, later;
	struct pollfd p = { .events = POLLIN };

	(void)state;
	port_choose(0, "127.0.0.1", 0, false);
	port_publish(1);
	for (unsigned i = 0; i < PORT_MAX_INBOUND; i++) {
		fd[i] = port_reach(0, "127.0.0.1");
		port_turn_until(&t.dialled, i + 1);
	}
	/* one too many waits for a moment, in case that one ends */
	late = port_reach(0, "127.0.0.1");
	assert_int_equal(loop_turn(t.n.loop, -1), 0);
	assert_int_equal(t.n.ports->admission, PORT_WAIT);
	t.done(t.done_ctx);
	close_fd(&t.fd[--t.dialled]);
	port_turn_until(&t.dialled, PORT_MAX_INBOUND);
	/* none does */
	later = port_reach(0, "127.0.0.1");
	assert_int_equal(loop_turn(t.n.loop, -1), 0);
	p.fd = later;
	assert_int_equal(poll(&p, 1, 0), 0);
	t.skew_ms += 1001;
	expect_reset(later);
	assert_non_null(strstr(t.log, "refused: there are 256"));
	/* the next need not wait for that */
	expect_reset(port_reach(0, "127.0.0.1"));
	assert_int_equal(t.dialled, PORT_MAX_INBOUND);
	t.done(t.done_ctx);
	close_fd(&t.fd[--t.dialled]);
	close(port_reach(0, "127.0.0.1"));
	port_turn_until(&t.dialled, PORT_MAX_INBOUND);
	for (unsigned i = 0; i < PORT_MAX_INBOUND; i++)
		close(fd[i]);
	close(late);
}

/* Without descriptors nothing is accepted, nothing is lost, nothing spins. */
static void t_pause(void **state)
{
	struct rlimit old, few;
	int fd;

	(void)state;
	port_choose(0, "127.0.0.1", 0, false);
	port_publish(1);
	fd = port_reach(0, "127.0.0.1");
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
	port_turn_until(&t.dialled, 1);
	close(fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_conflict, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_conflict_connection,
						port_setup, port_teardown),
		cmocka_unit_test_setup_teardown(t_no_conflict, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_conflict_sandbox, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_twice, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_foreign_address, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_rows, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_warning, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_no_family, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_connection, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_only_six, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_denied, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_no_way, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_limit, port_setup,
						port_teardown),
		cmocka_unit_test_setup_teardown(t_pause, port_setup,
						port_teardown),
	};

	if (argc > 1 && !strcmp(argv[0], "msb-runtime")) {
		while (write(STDOUT_FILENO, "", 1) == 1)
			pause();
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
