/* SPDX-License-Identifier: Apache-2.0 */
/* netload's server: one thread over epoll, for streams and datagrams. */
#define _GNU_SOURCE
#include "netload.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct peer {
	int fd;
	bool known; /* the request is whole */
	size_t have;
	struct request request;
	uint64_t bytes;
	/* OP_ECHO: what was read and not yet sent back */
	uint8_t *echo;
	size_t echoed;
};

struct server {
	int epfd, listener, udp;
	struct report report;
};

static uint8_t block[BLOCK];

static void drop(struct peer *p)
{
	close(p->fd);
	free(p->echo);
	free(p);
}

/* Each of these says whether the peer is to be kept. */
static bool serve_up(struct peer *p)
{
	ssize_t n = recv(p->fd, block, sizeof(block), 0);

	if (n > 0) {
		p->bytes += (uint64_t)n;
		return true;
	}
	if (n == 0)
		(void)send(p->fd, &p->bytes, sizeof(p->bytes), MSG_NOSIGNAL);
	return n < 0 && errno == EAGAIN;
}

static bool serve_down(struct peer *p)
{
	ssize_t n = send(p->fd, block, sizeof(block), MSG_NOSIGNAL);

	return n >= 0 || errno == EAGAIN;
}

static bool serve_echo(struct peer *p)
{
	ssize_t n = recv(p->fd, p->echo + p->echoed,
			 p->request.size - p->echoed, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	p->echoed += (size_t)n;
	if (p->echoed < p->request.size)
		return true;
	p->echoed = 0;
	/* one request at a time: an answer always fits */
	return send(p->fd, p->echo, p->request.size, MSG_NOSIGNAL) ==
	       (ssize_t)p->request.size;
}

static bool begin(struct server *s, struct peer *p)
{
	struct epoll_event e = { .events = EPOLLOUT, .data.ptr = p };

	p->known = true;
	switch ((enum op)p->request.op) {
	case OP_UP:
		return true;
	case OP_DOWN:
		return !epoll_ctl(s->epfd, EPOLL_CTL_MOD, p->fd, &e);
	case OP_ECHO:
		if (p->request.size < 1 || p->request.size > DATAGRAM_MAX)
			return false;
		p->echo = malloc(p->request.size);
		return p->echo;
	case OP_REPORT:
		(void)send(p->fd, &s->report, sizeof(s->report), MSG_NOSIGNAL);
		s->report = (struct report){ 0 };
		return false;
	case OP_ONE:
		(void)send(p->fd, block, 1, MSG_NOSIGNAL);
		return false;
	}
	return false;
}

static bool on_peer(struct server *s, struct peer *p)
{
	ssize_t n;

	if (p->known)
		return p->request.op == OP_UP	  ? serve_up(p)
		       : p->request.op == OP_DOWN ? serve_down(p)
						  : serve_echo(p);
	n = recv(p->fd, (uint8_t *)&p->request + p->have,
		 sizeof(p->request) - p->have, 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	p->have += (size_t)n;
	return p->have < sizeof(p->request) || begin(s, p);
}

static void on_listener(struct server *s)
{
	struct epoll_event e = { .events = EPOLLIN };
	int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct peer *p;

	if (fd < 0)
		return;
	p = calloc(1, sizeof(*p));
	if (!p)
		fail("memory");
	p->fd = fd;
	e.data.ptr = p;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 },
			 sizeof(int));
	if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, fd, &e) < 0)
		drop(p);
}

/* A process of its own sends, so that others are served meanwhile. */
static void flood(struct server *s, const struct request *r,
		  const struct sockaddr_storage *to, socklen_t len)
{
	uint64_t end = now_us() + r->ms * 1000ull;

	if (r->size < sizeof(*r) || r->size > DATAGRAM_MAX || fork() != 0)
		return;
	while (now_us() < end)
		send_datagrams(s->udp, (const struct sockaddr *)to, len, r,
			       BATCH);
	_exit(0);
}

static void on_datagram(struct server *s, const uint8_t *data, size_t len,
			const struct sockaddr_storage *from, socklen_t from_len)
{
	struct request r;

	if (len < sizeof(r))
		return;
	memcpy(&r, data, sizeof(r));
	if (r.op == OP_UP) {
		s->report.count++;
		s->report.bytes += len;
	} else if (r.op == OP_ECHO) {
		(void)sendto(s->udp, data, len, 0,
			     (const struct sockaddr *)from, from_len);
	} else if (r.op == OP_DOWN) {
		flood(s, &r, from, from_len);
	}
}

static void on_udp(struct server *s)
{
	static uint8_t data[BATCH][2048];
	static uint8_t large[DATAGRAM_MAX];
	struct sockaddr_storage from[BATCH];
	struct mmsghdr m[BATCH] = { 0 };
	struct iovec iov[BATCH][2];
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		iov[i][0] = (struct iovec){ data[i], sizeof(data[i]) };
		/* whatever is longer shares one place: only its head counts,
		 * but an echo of such comes alone */
		iov[i][1] = (struct iovec){ large, sizeof(large) };
		m[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
						.msg_namelen = sizeof(from[i]),
						.msg_iov = iov[i],
						.msg_iovlen = 2 };
	}
	n = recvmmsg(s->udp, m, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		size_t len = m[i].msg_len;

		if (len > sizeof(data[i]) && data[i][0] == OP_ECHO) {
			struct msghdr *h = &m[i].msg_hdr;

			iov[i][1].iov_len = len - sizeof(data[i]);
			(void)sendmsg(s->udp, h, 0);
			continue;
		}
		on_datagram(s, data[i], len, &from[i],
			    m[i].msg_hdr.msg_namelen);
	}
}

static void open_sockets(struct server *s, const struct sockaddr *addr,
			 socklen_t len)
{
	struct sockaddr_storage bound;
	socklen_t bound_len = sizeof(bound);
	int size = 4 << 20;

	s->listener = socket(addr->sa_family,
			     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	s->udp = socket(addr->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->listener < 0 || s->udp < 0)
		fail("socket");
	(void)setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 },
			 sizeof(int));
	(void)setsockopt(s->udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(s->listener, addr, len) < 0 || listen(s->listener, 4096) < 0)
		fail("listen");
	if (getsockname(s->listener, (struct sockaddr *)&bound, &bound_len) < 0)
		fail("getsockname");
	if (bind(s->udp, (struct sockaddr *)&bound, bound_len) < 0)
		fail("bind");
	/* the port lies at the same place for both families */
	printf("ready %u\n", ntohs(((struct sockaddr_in *)&bound)->sin_port));
	(void)fflush(stdout);
}

int serve(const struct sockaddr *addr, socklen_t len)
{
	struct server s = { .epfd = epoll_create1(EPOLL_CLOEXEC) };
	struct epoll_event e = { .events = EPOLLIN };
	struct epoll_event got[64];

	signal(SIGCHLD, SIG_IGN);
	open_sockets(&s, addr, len);
	e.data.ptr = &s.listener;
	if (epoll_ctl(s.epfd, EPOLL_CTL_ADD, s.listener, &e) < 0)
		fail("epoll");
	e.data.ptr = &s.udp;
	if (epoll_ctl(s.epfd, EPOLL_CTL_ADD, s.udp, &e) < 0)
		fail("epoll");
	for (;;) {
		int n = epoll_wait(s.epfd, got, 64, -1);

		for (int i = 0; i < n; i++) {
			void *who = got[i].data.ptr;

			if (who == &s.listener)
				on_listener(&s);
			else if (who == &s.udp)
				on_udp(&s);
			else if (!on_peer(&s, who))
				drop(who);
		}
	}
}
