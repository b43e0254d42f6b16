/* SPDX-License-Identifier: Apache-2.0 */
/* The TCP endpoint and the host sockets behind it. */
#include <errno.h>
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

#include "guest.h"

/* A listener on the loopback; the guest finds it at the gateway. */
static int serve(int family, struct net_endpoint *ret)
{
	struct net_endpoint e = { .addr = { .family = (uint8_t)family } };
	struct sockaddr_storage sa;
	socklen_t len;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET)
		memcpy(e.addr.b, "\x7f\0\0\1", 4);
	else
		e.addr.b[15] = 1;
	len = net_endpoint_to_sockaddr(&e, &sa);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(net_endpoint_from_sockaddr(&sa, ret), 0);
	return fd;
}

static void t_bytes(void **state)
{
	struct guest *g = guest_new(&(struct guest_options){ 0 });
	struct net_endpoint at, peer;
	struct guest_conn c;
	int listener = serve(AF_INET, &at), fd;
	char buf[64];

	(void)state;
	peer = gateway_end(g, AF_INET, at.port);
	assert_true(conn_open(&c, g, 1000, &peer));
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	conn_send(&c, TH_PUSH, "hello", 5);
	assert_int_equal(read(fd, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_true(conn_receive(&c));
	assert_int_equal(c.snd_una, c.snd_nxt);
	assert_int_equal(write(fd, "world!", 6), 6);
	c.data = (uint8_t *)buf;
	c.data_max = sizeof(buf);
	assert_true(conn_receive(&c));
	assert_int_equal(c.received, 6);
	assert_memory_equal(buf, "world!", 6);
	assert_int_equal(close(fd), 0);
	assert_true(conn_receive(&c));
	assert_true(c.fin);
	conn_send(&c, TH_FIN, NULL, 0);
	assert_true(conn_receive(&c));
	assert_int_equal(c.snd_una, c.snd_nxt);
	assert_int_equal(close(listener), 0);
	guest_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
