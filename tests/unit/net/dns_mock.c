/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages made by hand, and a server on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "dns_mock.h"

static void put(struct mock_msg *m, const void *data, size_t len)
{
	assert_in_range(m->len + len, 0, sizeof(m->b));
	memcpy(m->b + m->len, data, len);
	m->len += len;
}

static void put16(struct mock_msg *m, uint16_t v)
{
	uint8_t b[2];

	be16_put(b, v);
	put(m, b, sizeof(b));
}

/* As written, upper case too; "" is the root. */
static void put_name(struct mock_msg *m, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");
		uint8_t len = (uint8_t)n;

		put(m, &len, 1);
		put(m, name, n);
		name += n + (name[n] == '.');
	}
	put(m, "", 1);
}

void mock_begin(struct mock_msg *m, uint16_t id, uint16_t flags,
		const char *name, uint16_t type)
{
	m->len = 0;
	put16(m, id);
	put16(m, flags);
	put16(m, name != NULL);
	put(m, "\0\0\0\0\0", 6);
	if (!name)
		return;
	put_name(m, name);
	put16(m, type);
	put16(m, DNS_CLASS_IN);
}

void mock_record(struct mock_msg *m, enum dns_section s, const char *owner,
		 uint16_t type, uint16_t class, uint32_t ttl, const void *data,
		 size_t len)
{
	uint8_t *count = m->b + 6 + 2 * (size_t)s;

	be16_put(count, be16_get(count) + 1);
	put_name(m, owner);
	put16(m, type);
	put16(m, class);
	put16(m, (uint16_t)(ttl >> 16));
	put16(m, (uint16_t)ttl);
	put16(m, (uint16_t)len);
	put(m, data, len);
}

void mock_addr(struct mock_msg *m, const char *owner, uint32_t ttl,
	       const char *addr)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse(addr, strlen(addr), &a), 0);
	mock_record(m, DNS_ANSWER, owner,
		    a.family == AF_INET ? DNS_A : DNS_AAAA, DNS_CLASS_IN, ttl,
		    a.b, a.family == AF_INET ? 4 : 16);
}

void mock_cname(struct mock_msg *m, const char *owner, uint32_t ttl,
		const char *target)
{
	struct dns_name n;

	assert_int_equal(dns_name_parse(target, strlen(target), &n), 0);
	mock_record(m, DNS_ANSWER, owner, DNS_CNAME, DNS_CLASS_IN, ttl, n.wire,
		    n.len);
}

void mock_edns(struct mock_msg *m, uint16_t udp_size, bool dnssec)
{
	mock_record(m, DNS_ADDITIONAL, "", DNS_OPT, udp_size,
		    dnssec ? 0x8000 : 0, "", 0);
}

/* --- the server --- */

static bool make_answer(struct mock_server *s, const uint8_t *q, size_t len,
			bool tcp, struct mock_msg *m)
{
	struct dns_request r;

	assert_in_range(len, 0, sizeof(s->last));
	memcpy(s->last, q, len);
	s->last_len = len;
	assert_int_equal(dns_request_read(q, len, &r), 0);
	s->last_id = r.header.id;
	return s->answer(s, &r, tcp, m);
}

static void on_datagram(struct watch *w, uint32_t events)
{
	struct mock_server *s = container_of(w, struct mock_server, udp_watch);
	static struct mock_msg m;
	socklen_t from_len = sizeof(s->from);
	uint8_t q[4096];
	ssize_t n = recvfrom(s->udp, q, sizeof(q), 0,
			     (struct sockaddr *)&s->from, &from_len);

	(void)events;
	assert_true(n > 0);
	s->udp_queries++;
	if (make_answer(s, q, (size_t)n, false, &m))
		mock_send(s, &m);
}

void mock_send(struct mock_server *s, const struct mock_msg *m)
{
	assert_int_equal(sendto(s->udp, m->b, m->len, 0,
				(struct sockaddr *)&s->from, sizeof(s->from)),
			 m->len);
}

static void close_conn(struct mock_conn *c)
{
	loop_unwatch(&c->watch);
	close_fd(&c->fd);
}

static void send_all(int fd, const uint8_t *data, size_t len, size_t piece)
{
	while (len) {
		size_t n = len < piece ? len : piece;

		assert_int_equal(send(fd, data, n, MSG_NOSIGNAL), n);
		data += n;
		len -= n;
	}
}

static void on_bytes(struct watch *w, uint32_t events)
{
	struct mock_conn *c = container_of(w, struct mock_conn, watch);
	struct mock_server *s = c->server;
	static struct mock_msg m;
	uint8_t prefix[2];
	ssize_t n = recv(c->fd, c->in + c->got, sizeof(c->in) - c->got, 0);

	(void)events;
	if (n <= 0) {
		close_conn(c);
		return;
	}
	c->got += (size_t)n;
	if (c->got < 2 || c->got < 2u + be16_get(c->in))
		return;
	s->tcp_queries++;
	if (make_answer(s, c->in + 2, c->got - 2, true, &m)) {
		be16_put(prefix, (uint16_t)m.len);
		send_all(c->fd, prefix, 2, s->in_pieces ? 1 : 2);
		send_all(c->fd, m.b, m.len, s->in_pieces ? 2 : m.len);
	}
	c->got = 0;
	if (s->hang_up)
		close_conn(c);
}

static void on_connection(struct watch *w, uint32_t events)
{
	struct mock_server *s = container_of(w, struct mock_server, tcp_watch);
	struct mock_conn *c;

	(void)events;
	assert_in_range(s->nconns, 0, MOCK_CONNS - 1);
	c = &s->conns[s->nconns++];
	c->server = s;
	c->fd = accept4(s->tcp, NULL, NULL, SOCK_CLOEXEC);
	assert_true(c->fd >= 0);
	assert_int_equal(
		loop_watch(s->loop, &c->watch, c->fd, EPOLLIN, on_bytes), 0);
}

static int bind_loopback(int type, uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(*port) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (bind(fd, (struct sockaddr *)&a, len) < 0) {
		(void)close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

void mock_open(struct mock_server *s, struct loop *l)
{
	memset(s, 0, sizeof(*s));
	s->loop = l;
	do { /* the same port for both */
		s->port = 0;
		s->tcp = bind_loopback(SOCK_STREAM, &s->port);
		s->udp = bind_loopback(SOCK_DGRAM, &s->port);
		if (s->udp < 0)
			(void)close(s->tcp);
	} while (s->udp < 0);
	assert_int_equal(listen(s->tcp, MOCK_CONNS), 0);
	assert_int_equal(
		loop_watch(l, &s->udp_watch, s->udp, EPOLLIN, on_datagram), 0);
	assert_int_equal(
		loop_watch(l, &s->tcp_watch, s->tcp, EPOLLIN, on_connection),
		0);
}

void mock_close(struct mock_server *s)
{
	for (unsigned i = 0; i < s->nconns; i++)
		if (s->conns[i].fd >= 0)
			close_conn(&s->conns[i]);
	loop_unwatch(&s->udp_watch);
	loop_unwatch(&s->tcp_watch);
	close_fd(&s->udp);
	close_fd(&s->tcp);
}

struct dns_server mock_end(const struct mock_server *s)
{
	return (struct dns_server){
		.end = { .addr = { .family = AF_INET, .b = { 127, 0, 0, 1 } },
			 .port = s->port },
	};
}

uint16_t mock_dead_port(void)
{
	uint16_t port = 0;
	int fd = bind_loopback(SOCK_DGRAM, &port);

	(void)close(fd);
	return port;
}
