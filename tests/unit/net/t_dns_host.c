/* SPDX-License-Identifier: Apache-2.0 */
/* Nameservers: their texts, resolv.conf, hosts, and names among them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dns_mock.h"
#include "net/dns_host.h"

static const char *text_of(const struct dns_server *s)
{
	static char out[NET_ADDR_TEXT + 8];
	char addr[NET_ADDR_TEXT];

	(void)snprintf(out, sizeof(out), "%s@%u",
		       net_addr_text(&s->end.addr, addr), s->end.port);
	return out;
}

static void nameservers_have_many_forms(void **state)
{
	static const struct {
		const char *text, *want;
	} addrs[] = {
		{ "1.1.1.1", "1.1.1.1@53" },
		{ "127.0.0.1:5353", "127.0.0.1@5353" },
		{ "2606:4700::1111", "2606:4700::1111@53" },
		{ "[2606:4700::1111]", "2606:4700::1111@53" },
		{ "[::1]:5353", "::1@5353" },
		{ " 1.1.1.1:54\t", "1.1.1.1@54" },
	}, names[] = {
		{ "dns.example", "dns.example" },
		{ "dns.example:5353", "dns.example" },
		{ "Resolver", "resolver" },
		{ " dns1.example. ", "dns1.example" },
	};
	static const char *const bad[] = {
		"",	      "1.1.1.1:", "1.1.1.1:0",	"1.1.1.1:65536",
		"1.1.1.1:x",  "[::1",	  "[::1]x",	"[::1]:",
		"[1.1.1.1]",  "[name]",	  "a b",	"::1:x:y",
		"dns..local", "1.2.3",	  "256.1.1.1",	"1.2.3.4.",
		"53",	      " ",	  "a\t1.1.1.1", "https://dns",
		"dns.local:", ":53",
	};
	struct dns_server s;
	struct dns_name n;
	char name[DNS_NAME_PRINT];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
		assert_int_equal(dns_nameserver_parse(addrs[i].text, &s, &n),
				 0);
		assert_string_equal(text_of(&s), addrs[i].want);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(dns_nameserver_parse(names[i].text, &s, &n),
				 0);
		assert_int_equal(s.end.addr.family, AF_UNSPEC);
		assert_int_equal(s.end.port, i == 1 ? 5353 : 53);
		assert_string_equal(dns_name_print(&n, name), names[i].want);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (dns_nameserver_parse(bad[i], &s, &n) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
}

static void resolv_conf_is_read(void **state)
{
	static const char text[] = "# made by hand\n"
				   "search example.com\n"
				   "nameserver 192.0.2.1 # first\n"
				   "  nameserver\t2001:db8::53\n"
				   "nameserver fe80::1%lo\r\n"
				   "nameserver fe80::2%nosuchcard\n"
				   "nameserver fe80::2%\n"
				   "nameservers 192.0.2.9\n"
				   "nameserver bad\n"
				   "nameserver\n"
				   ";nameserver 192.0.2.8\n"
				   "options timeout:1\n"
				   "nameserver 192.0.2.2";
	struct dns_servers s;
	char many[64 * 24];
	size_t n = 0;

	(void)state;
	dns_resolv_parse(text, sizeof(text) - 1, 53, &s);
	assert_int_equal(s.n, 4);
	assert_string_equal(text_of(&s.v[0]), "192.0.2.1@53");
	assert_string_equal(text_of(&s.v[1]), "2001:db8::53@53");
	assert_string_equal(text_of(&s.v[2]), "fe80::1@53");
	assert_int_equal(s.v[2].scope, if_nametoindex("lo"));
	assert_string_equal(text_of(&s.v[3]), "192.0.2.2@53");
	assert_int_equal(s.v[3].scope, 0);
	dns_resolv_parse(NULL, 0, 53, &s);
	assert_int_equal(s.n, 0);
	dns_resolv_parse("nameserver 1\0.1.1.1\n", 21, 53, &s);
	assert_int_equal(s.n, 0);
	for (int i = 0; i < 64; i++)
		n += (size_t)snprintf(many + n, sizeof(many) - n,
				      "nameserver 192.0.2.%d\n", i);
	dns_resolv_parse(many, n, 53, &s);
	assert_int_equal(s.n, NET_MAX_NAMESERVERS);
}

static void hosts_are_read(void **state)
{
	static const char text[] =
		"127.0.0.1 localhost\n"
		"192.0.2.1\tone.example one # dns.example\n"
		"bad dns.example\n"
		"192.0.2.2 two.example Dns.Example dns.example\n"
		"2001:db8::2 dns.example.";
	struct net_addr a[4];
	struct dns_name name;
	char out[NET_ADDR_TEXT];

	(void)state;
	assert_int_equal(dns_name_parse("dns.example", 11, &name), 0);
	assert_int_equal(dns_hosts_find(text, sizeof(text) - 1, &name, a, 4),
			 2);
	assert_string_equal(net_addr_text(&a[0], out), "192.0.2.2");
	assert_string_equal(net_addr_text(&a[1], out), "2001:db8::2");
	assert_int_equal(dns_hosts_find(text, sizeof(text) - 1, &name, a, 1),
			 1);
	assert_int_equal(dns_hosts_find(NULL, 0, &name, a, 4), 0);
	assert_int_equal(dns_name_parse("example", 7, &name), 0);
	assert_int_equal(dns_hosts_find(text, sizeof(text) - 1, &name, a, 4),
			 0);
}

/* --- with files and a server --- */

static struct {
	char dir[32], resolv[64], hosts[64];
	struct dns_host host;
	struct strv config;
	struct dns_servers found;
	struct buf problems;
} t;

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	strncpy(t.dir, "dns-host-XXXXXX", sizeof(t.dir) - 1);
	if (!mkdtemp(t.dir))
		return -1;
	(void)snprintf(t.resolv, sizeof(t.resolv), "%s/resolv", t.dir);
	(void)snprintf(t.hosts, sizeof(t.hosts), "%s/hosts", t.dir);
	t.host = (struct dns_host){ t.resolv, t.hosts, 53, 5000 };
	buf_init(&t.problems, 4096);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(t.resolv);
	(void)unlink(t.hosts);
	(void)rmdir(t.dir);
	strv_fini(&t.config);
	buf_fini(&t.problems);
	return 0;
}

static void find(void)
{
	buf_reset(&t.problems);
	assert_int_equal(
		dns_servers_find(&t.host, &t.config, &t.found, &t.problems), 0);
}

static void the_host_s_servers_are_the_default(void **state)
{
	(void)state;
	find();
	assert_int_equal(t.found.n, 0);
	assert_non_null(strstr(buf_cstr(&t.problems), "no nameserver in"));
	write_file(t.hosts, "nameserver 192.0.2.7\n");
	assert_int_equal(symlink("hosts", t.resolv), 0); /* as is usual */
	find();
	assert_int_equal(t.found.n, 1);
	assert_int_equal(buf_len(&t.problems), 0);
	assert_string_equal(text_of(&t.found.v[0]), "192.0.2.7@53");
}

static void addresses_need_nothing(void **state)
{
	(void)state;
	assert_int_equal(strv_add(&t.config, "192.0.2.1:5353"), 0);
	assert_int_equal(strv_add(&t.config, "not a server"), 0);
	assert_int_equal(strv_add(&t.config, "::1"), 0);
	find();
	assert_int_equal(t.found.n, 2);
	assert_string_equal(text_of(&t.found.v[0]), "192.0.2.1@5353");
	assert_string_equal(text_of(&t.found.v[1]), "::1@53");
	assert_non_null(strstr(buf_cstr(&t.problems), "'not a server'"));
}

static void names_may_be_in_the_hosts_file(void **state)
{
	(void)state;
	write_file(t.hosts, "192.0.2.5 dns.example\n2001:db8::5 dns.example\n");
	assert_int_equal(strv_add(&t.config, "192.0.2.1"), 0);
	assert_int_equal(strv_add(&t.config, "dns.example:5353"), 0);
	assert_int_equal(strv_add(&t.config, "192.0.2.2"), 0);
	find();
	assert_int_equal(t.found.n, 4);
	assert_string_equal(text_of(&t.found.v[1]), "192.0.2.5@5353");
	assert_string_equal(text_of(&t.found.v[2]), "2001:db8::5@5353");
	assert_string_equal(text_of(&t.found.v[3]), "192.0.2.2@53");
}

/* A server in a process of its own, as the search has a loop of its own. */
static pid_t serve(uint16_t *port, const char *mode)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	pid = fork();
	assert_true(pid >= 0);
	if (pid) {
		(void)close(fd);
		return pid;
	}
	for (;;) {
		static struct mock_msg m;
		struct dns_request r;
		uint8_t q[512];
		ssize_t n = recvfrom(fd, q, sizeof(q), 0, (struct sockaddr *)&a,
				     &len);

		if (n < 0 || dns_request_read(q, (size_t)n, &r))
			_exit(1);
		mock_begin(&m, r.header.id, 0x8180, "dns.example",
			   r.question.type);
		mock_cname(&m, "dns.example", 1, "real.example");
		if (r.question.type == DNS_A)
			mock_addr(&m, "real.example", 1, "192.0.2.6");
		else
			mock_addr(&m, "real.example", 1, "2001:db8::6");
		if (*mode == 's') /* silent */
			continue;
		(void)sendto(fd, m.b, m.len, 0, (struct sockaddr *)&a, len);
	}
}

static void names_are_resolved_with_the_host_s_servers(void **state)
{
	pid_t pid;

	(void)state;
	write_file(t.resolv, "nameserver 127.0.0.1\n");
	pid = serve(&t.host.port, "answers");
	assert_int_equal(strv_add(&t.config, "dns.example"), 0);
	find();
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	assert_int_equal(t.found.n, 2);
	assert_string_equal(text_of(&t.found.v[0]), "192.0.2.6@53");
	assert_string_equal(text_of(&t.found.v[1]), "2001:db8::6@53");
	assert_int_equal(buf_len(&t.problems), 0);
}

static void names_that_do_not_resolve_are_left_out(void **state)
{
	pid_t pid;

	(void)state;
	write_file(t.resolv, "nameserver 127.0.0.1\n");
	t.host.timeout_ms = 20;
	pid = serve(&t.host.port, "silent");
	assert_int_equal(strv_add(&t.config, "dns.example"), 0);
	assert_int_equal(strv_add(&t.config, "other.example"), 0);
	assert_int_equal(strv_add(&t.config, "192.0.2.2"), 0);
	find();
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	assert_int_equal(t.found.n, 1);
	assert_string_equal(text_of(&t.found.v[0]), "192.0.2.2@53");
	assert_string_equal(buf_cstr(&t.problems),
			    "no address for nameserver 'dns.example'; "
			    "no address for nameserver 'other.example'");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nameservers_have_many_forms),
		cmocka_unit_test(resolv_conf_is_read),
		cmocka_unit_test(hosts_are_read),
		TEST(the_host_s_servers_are_the_default),
		TEST(addresses_need_nothing),
		TEST(names_may_be_in_the_hosts_file),
		TEST(names_are_resolved_with_the_host_s_servers),
		TEST(names_that_do_not_resolve_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
