/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads a network, and tells how much went through. One side runs
 *	netload serve ADDRESS PORT
 * (port 0: any; it prints "ready PORT"), the other
 *	netload up|down ADDRESS PORT SECONDS STREAMS
 *	netload rr ADDRESS PORT SECONDS STREAMS SIZE
 *	netload connect ADDRESS PORT SECONDS STREAMS
 *	netload flows ADDRESS PORT TOTAL AT_ONCE
 *	netload udp-flows ADDRESS PORT TOTAL AT_ONCE
 *	netload udp-up|udp-down|udp-rr ADDRESS PORT SECONDS SIZE
 * which prints "NAME COUNT BYTES SECONDS": COUNT of requests, connections or
 * datagrams that arrived. Built statically, it runs in any guest.
 */
#define _GNU_SOURCE
#include "netload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_STREAMS 4096u
#define ANSWER_MS 2000 /* a datagram's answer is lost after that */

struct load {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	uint64_t duration_us;
	unsigned streams, size;
	uint64_t total; /* flows */
	uint64_t count, bytes, took_us;
};

static uint8_t block[BLOCK];

uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void fail(const char *what)
{
	fprintf(stderr, "netload: %s: %s\n", what, strerror(errno));
	exit(1);
}

void send_datagrams(int fd, const struct sockaddr *to, socklen_t to_len,
		    const struct request *r, unsigned count)
{
	static uint8_t data[DATAGRAM_MAX];
	struct sockaddr_storage name = { 0 };
	struct iovec iov = { data, r->size };
	struct mmsghdr m[BATCH] = { 0 };

	memcpy(data, r, sizeof(*r));
	if (to)
		memcpy(&name, to, to_len);
	for (unsigned i = 0; i < count; i++)
		m[i].msg_hdr = (struct msghdr){ .msg_name = to ? &name : NULL,
						.msg_namelen = to ? to_len : 0,
						.msg_iov = &iov,
						.msg_iovlen = 1 };
	/* losing them, or hearing that nobody listens, is part of the game */
	(void)sendmmsg(fd, m, count, 0);
}

static int dial(const struct load *l, int type)
{
	int fd = socket(l->addr.ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	if (connect(fd, (const struct sockaddr *)&l->addr, l->addr_len) < 0)
		fail("connect");
	return fd;
}

static void ask(int fd, enum op op, unsigned size)
{
	struct request r = { .op = (uint8_t)op, .size = size };

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 },
			 sizeof(int));
	if (send(fd, &r, sizeof(r), MSG_NOSIGNAL) != sizeof(r))
		fail("send");
}

static void read_full(int fd, void *data, size_t len)
{
	if (recv(fd, data, len, MSG_WAITALL) != (ssize_t)len)
		fail("an answer is short");
}

/* Streams that all do the same, until the time is over. */
static void bulk(struct load *l, enum op op)
{
	struct pollfd p[MAX_STREAMS];
	uint64_t start, count;
	ssize_t n;

	for (unsigned i = 0; i < l->streams; i++) {
		p[i].fd = dial(l, SOCK_STREAM);
		p[i].events = op == OP_UP ? POLLOUT : POLLIN;
		ask(p[i].fd, op, 0);
	}
	start = now_us();
	while (now_us() - start < l->duration_us) {
		if (poll(p, l->streams, 1000) < 0)
			fail("poll");
		for (unsigned i = 0; i < l->streams; i++) {
			if (!p[i].revents)
				continue;
			n = op == OP_UP
				    ? send(p[i].fd, block, BLOCK,
					   MSG_NOSIGNAL | MSG_DONTWAIT)
				    : recv(p[i].fd, block, BLOCK, MSG_DONTWAIT);
			if (n == 0 || (n < 0 && errno != EAGAIN))
				fail("a stream ended early");
			if (op == OP_DOWN && n > 0)
				l->bytes += (uint64_t)n;
		}
	}
	for (unsigned i = 0; op == OP_UP && i < l->streams; i++)
		shutdown(p[i].fd, SHUT_WR);
	for (unsigned i = 0; op == OP_UP && i < l->streams; i++) {
		read_full(p[i].fd, &count, sizeof(count));
		l->bytes += count;
	}
	l->took_us = now_us() - start;
	for (unsigned i = 0; i < l->streams; i++)
		close(p[i].fd);
}

static void request_response(struct load *l)
{
	size_t have[MAX_STREAMS] = { 0 };
	struct pollfd p[MAX_STREAMS];
	uint64_t start;
	ssize_t n;

	for (unsigned i = 0; i < l->streams; i++) {
		p[i].fd = dial(l, SOCK_STREAM);
		p[i].events = POLLIN;
		ask(p[i].fd, OP_ECHO, l->size);
	}
	start = now_us();
	for (unsigned i = 0; i < l->streams; i++)
		if (send(p[i].fd, block, l->size, MSG_NOSIGNAL) != l->size)
			fail("send");
	while (now_us() - start < l->duration_us) {
		if (poll(p, l->streams, 1000) < 0)
			fail("poll");
		for (unsigned i = 0; i < l->streams; i++) {
			if (!p[i].revents)
				continue;
			n = recv(p[i].fd, block, l->size - have[i], 0);
			if (n <= 0)
				fail("a stream ended early");
			have[i] += (size_t)n;
			if (have[i] < l->size)
				continue;
			have[i] = 0;
			l->count++;
			if (send(p[i].fd, block, l->size, MSG_NOSIGNAL) !=
			    l->size)
				fail("send");
		}
	}
	l->took_us = now_us() - start;
	l->bytes = l->count * l->size * 2;
	for (unsigned i = 0; i < l->streams; i++)
		close(p[i].fd);
}

static void begin_connect(const struct load *l, struct pollfd *p)
{
	p->fd = socket(l->addr.ss_family,
		       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	p->events = POLLOUT;
	if (p->fd < 0)
		fail("socket");
	if (connect(p->fd, (const struct sockaddr *)&l->addr, l->addr_len) <
		    0 &&
	    errno != EINPROGRESS)
		fail("connect");
}

/* Connect, one byte, the end; always so many at once. */
static void connections(struct load *l)
{
	struct pollfd p[MAX_STREAMS];
	uint64_t start = now_us();
	ssize_t n;

	for (unsigned i = 0; i < l->streams; i++)
		begin_connect(l, &p[i]);
	while (now_us() - start < l->duration_us) {
		if (poll(p, l->streams, 1000) < 0)
			fail("poll");
		for (unsigned i = 0; i < l->streams; i++) {
			if (!p[i].revents)
				continue;
			if (p[i].events == POLLOUT) {
				ask(p[i].fd, OP_ONE, 0);
				p[i].events = POLLIN;
				continue;
			}
			n = recv(p[i].fd, block, BLOCK, 0);
			if (n < 0)
				fail("a connection failed");
			l->bytes += (uint64_t)n;
			if (n > 0)
				continue;
			l->count++;
			close(p[i].fd);
			begin_connect(l, &p[i]);
		}
	}
	l->took_us = now_us() - start;
	for (unsigned i = 0; i < l->streams; i++)
		close(p[i].fd);
}

/* So many alive together, each used once, then all are closed; until total. */
static void flows(struct load *l)
{
	int fd[MAX_STREAMS];
	uint64_t start = now_us();

	while (l->count < l->total) {
		for (unsigned i = 0; i < l->streams; i++) {
			fd[i] = dial(l, SOCK_STREAM);
			ask(fd[i], OP_ECHO, 1);
			if (send(fd[i], block, 1, MSG_NOSIGNAL) != 1)
				fail("send");
		}
		for (unsigned i = 0; i < l->streams; i++)
			read_full(fd[i], block, 1);
		for (unsigned i = 0; i < l->streams; i++)
			close(fd[i]);
		l->count += l->streams;
	}
	l->bytes = l->count * 2;
	l->took_us = now_us() - start;
}

/* The same with datagrams; what gets lost is sent again. */
static void udp_flows(struct load *l)
{
	struct request r = { .op = OP_ECHO, .size = sizeof(r) };
	struct pollfd p[MAX_STREAMS];
	uint64_t start = now_us();

	while (l->count < l->total) {
		for (unsigned i = 0; i < l->streams; i++) {
			p[i].fd = dial(l, SOCK_DGRAM);
			p[i].events = POLLIN;
			send_datagrams(p[i].fd, NULL, 0, &r, 1);
		}
		for (unsigned i = 0; i < l->streams; i++) {
			while (poll(&p[i], 1, ANSWER_MS) == 0)
				send_datagrams(p[i].fd, NULL, 0, &r, 1);
			if (recv(p[i].fd, block, BLOCK, 0) != sizeof(r))
				fail("no answer");
		}
		for (unsigned i = 0; i < l->streams; i++)
			close(p[i].fd);
		l->count += l->streams;
	}
	l->bytes = l->count * sizeof(r) * 2;
	l->took_us = now_us() - start;
}

static struct report udp_report(const struct load *l)
{
	int fd = dial(l, SOCK_STREAM);
	struct report r;

	ask(fd, OP_REPORT, 0);
	read_full(fd, &r, sizeof(r));
	close(fd);
	return r;
}

static void udp_up(struct load *l)
{
	struct request r = { .op = OP_UP, .size = l->size };
	int fd = dial(l, SOCK_DGRAM);
	uint64_t start;
	struct report got;

	(void)udp_report(l);
	start = now_us();
	while (now_us() - start < l->duration_us)
		send_datagrams(fd, NULL, 0, &r, BATCH);
	l->took_us = now_us() - start;
	usleep(200000); /* for what is still under way */
	got = udp_report(l);
	l->count = got.count;
	l->bytes = got.bytes;
	close(fd);
}

static void udp_down(struct load *l)
{
	struct request r = { .op = OP_DOWN, .size = l->size };
	struct mmsghdr m[BATCH] = { 0 };
	struct iovec iov = { block, BLOCK };
	int fd = dial(l, SOCK_DGRAM);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int size = 4 << 20;
	uint64_t start = 0, last = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	r.ms = (uint32_t)(l->duration_us / 1000);
	if (send(fd, &r, sizeof(r), 0) < 0)
		fail("send");
	for (unsigned i = 0; i < BATCH; i++)
		m[i].msg_hdr =
			(struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
	while (poll(&p, 1, ANSWER_MS) > 0) {
		int n = recvmmsg(fd, m, BATCH, MSG_DONTWAIT, NULL);

		last = now_us();
		start = start ? start : last;
		for (int i = 0; i < n; i++)
			l->bytes += m[i].msg_len;
		l->count += n > 0 ? (uint64_t)n : 0;
	}
	l->took_us = last - start;
	close(fd);
}

static void udp_rr(struct load *l)
{
	struct request r = { .op = OP_ECHO, .size = l->size };
	int fd = dial(l, SOCK_DGRAM);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t start = now_us();

	while (now_us() - start < l->duration_us) {
		send_datagrams(fd, NULL, 0, &r, 1);
		if (poll(&p, 1, ANSWER_MS) > 0 &&
		    recv(fd, block, BLOCK, 0) == l->size)
			l->count++;
	}
	l->took_us = now_us() - start;
	l->bytes = l->count * l->size * 2;
	close(fd);
}

static unsigned long number(const char *text)
{
	return strtoul(text, NULL, 10);
}

static void parse_address(struct load *l, const char *host, const char *port)
{
	struct sockaddr_in *four = (struct sockaddr_in *)&l->addr;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&l->addr;

	if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		l->addr_len = sizeof(*four);
	} else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		l->addr_len = sizeof(*six);
	} else {
		errno = EINVAL;
		fail(host);
	}
	/* the port lies at the same place for both families */
	four->sin_port = htons((uint16_t)number(port));
}

static bool run(struct load *l, const char *what)
{
	if (!strcmp(what, "up"))
		bulk(l, OP_UP);
	else if (!strcmp(what, "down"))
		bulk(l, OP_DOWN);
	else if (!strcmp(what, "rr"))
		request_response(l);
	else if (!strcmp(what, "connect"))
		connections(l);
	else if (!strcmp(what, "flows"))
		flows(l);
	else if (!strcmp(what, "udp-flows"))
		udp_flows(l);
	else if (!strcmp(what, "udp-up"))
		udp_up(l);
	else if (!strcmp(what, "udp-down"))
		udp_down(l);
	else if (!strcmp(what, "udp-rr"))
		udp_rr(l);
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct load l = { .streams = 1, .size = 1 };
	bool sized; /* and one stream: datagrams */

	if (argc < 4)
		goto usage;
	parse_address(&l, argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve((struct sockaddr *)&l.addr, l.addr_len);
	if (argc < 6)
		goto usage;
	sized = !strncmp(argv[1], "udp-", 4) &&
		strcmp(argv[1], "udp-flows") != 0;
	l.total = strtoull(argv[4], NULL, 10);
	l.duration_us = (uint64_t)(strtod(argv[4], NULL) * 1e6);
	if (!sized)
		l.streams = (unsigned)number(argv[5]);
	if (sized || argc == 7)
		l.size = (unsigned)number(argv[sized ? 5 : 6]);
	if (l.streams < 1 || l.streams > MAX_STREAMS || l.size < 1 ||
	    l.size > DATAGRAM_MAX ||
	    (sized && l.size < sizeof(struct request)) || !run(&l, argv[1]))
		goto usage;
	printf("%s %llu %llu %.6f\n", argv[1], (unsigned long long)l.count,
	       (unsigned long long)l.bytes, (double)l.took_us / 1e6);
	return 0;
usage:
	fprintf(stderr, "usage: see the head of netload.c\n");
	return 2;
}
