/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONNECT, with any guest and any proxy, in any order. Until a tunnel is handed
 * on, the proxy has heard whole requests for tunnels and nothing else, no
 * placeholder is in them, and TLS is for the host of the last one.
 *
 * Input: steps. A byte says who speaks (its low bits) and how much (the others,
 * the next byte if they are all set), what is said follows. 3: somebody ends.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../unit/net/secret_bench.h"
#include "base/iov.h"
#include "net/tls/head.h"
#include "net/tls/proxy_int.h"

#define RING_MAX (64u << 10)
#define STEPS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The guest's connection, as far as its owner sees it. */
struct tcp_conn {
	const struct tcp_owner_ops *ops; /* NULL: it is over */
	void *owner;
	struct net_endpoint peer;
	uint8_t ring[RING_MAX], to_guest[4096];
	size_t len;
	bool fin;
};

static struct {
	struct tcp_conn c;
	struct tls_proxy proxy;
	struct net net;
	int far; /* the proxy's end */
	uint8_t heard[4 * RING_MAX];
	size_t nheard;
	char name[NET_NAME_MAX + 1]; /* of the last whole request */
	bool handed_on, session;
} w;

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* --- tcp.h, for one connection --- */

void tcp_set_owner(struct tcp_conn *c, const struct tcp_owner_ops *ops,
		   void *owner)
{
	c->ops = ops;
	c->owner = owner;
}

const struct net_endpoint *tcp_peer_end(const struct tcp_conn *c)
{
	return &c->peer;
}

size_t tcp_peek(const struct tcp_conn *c, struct iovec ret[2])
{
	/* in two parts, so that nobody takes it for one */
	const size_t first = c->len / 2;

	ret[0] = (struct iovec){ (void *)c->ring, first };
	ret[1] = (struct iovec){ (void *)(c->ring + first), c->len - first };
	if (!first) {
		ret[0] = ret[1];
		ret[1].iov_len = 0;
	}
	return c->len;
}

void tcp_consume(struct tcp_conn *c, size_t n)
{
	must(n <= c->len);
	memmove(c->ring, c->ring + n, c->len - n);
	c->len -= n;
}

/* A guest that takes everything at once. */
size_t tcp_space(struct tcp_conn *c, struct iovec ret[2])
{
	ret[0] = (struct iovec){ c->to_guest, sizeof(c->to_guest) };
	ret[1] = (struct iovec){ 0 };
	return sizeof(c->to_guest);
}

void tcp_commit(struct tcp_conn *c, size_t n)
{
	must(n <= sizeof(c->to_guest));
}

size_t tcp_send(struct tcp_conn *c, const void *data, size_t len)
{
	(void)c;
	(void)data;
	return len;
}

void tcp_reset(struct tcp_conn *c)
{
	c->ops = NULL;
}

void tcp_abandon(struct tcp_conn *c)
{
	c->ops = NULL;
}

/* --- the rest of the network --- */

struct policy_flow flow_question(const struct tcp_conn *c)
{
	return (struct policy_flow){ .direction = POLICY_EGRESS,
				     .proto = POLICY_TCP,
				     .addr = c->peer.addr,
				     .port = c->peer.port };
}

void net_denied(struct net *n, const struct policy_flow *f, const char *name,
		const struct policy_verdict *v)
{
	(void)n;
	(void)f;
	(void)name;
	must(v->answer == POLICY_DENY);
}

void tls_blocked(struct tls_proxy *p, const struct tcp_conn *c,
		 const char *name, const char *why)
{
	(void)p;
	(void)c;
	(void)name;
	must(why != NULL);
}

void tls_violation(struct tls_proxy *p, const struct tcp_conn *c,
		   const struct secret_found *found)
{
	(void)p;
	(void)c;
	must(found->env_var != NULL);
}

static void hear(void)
{
	ssize_t n;

	while ((n = recv(w.far, w.heard + w.nheard, sizeof(w.heard) - w.nheard,
			 MSG_DONTWAIT)) > 0)
		w.nheard += (size_t)n;
}

/* What the proxy heard until now is requests. */
static void check_heard(void)
{
	size_t at = 0, end;
	struct connect_head head;

	hear();
	for (; at < w.nheard; at += end) {
		const char *text = (const char *)w.heard + at;

		end = head_end(text, w.nheard - at, 0);
		must(end && !connect_parse(text, end, &head));
		memcpy(w.name, head.host, sizeof(w.name));
	}
	must(!memmem(w.heard, w.nheard, "$MSB_KEY", 8));
}

static void hand_on(struct tcp_conn *c, int fd)
{
	check_heard();
	must(w.nheard && !w.handed_on);
	w.handed_on = true;
	c->ops = NULL;
	must(close(fd) == 0);
}

void splice_join(struct net *n, struct tcp_conn *c, int fd)
{
	(void)n;
	hand_on(c, fd);
}

void tls_session_tunnelled(struct tls_proxy *p, struct tcp_conn *c, int fd,
			   const char *name)
{
	(void)p;
	hand_on(c, fd);
	must(strcmp(name, w.name) == 0 && c->len);
}

/* --- a run --- */

static void turn(void)
{
	for (int i = 0; i < 3; i++)
		must(loop_turn(w.net.loop, 0) == 0);
	if (!w.handed_on)
		check_heard();
}

static void guest_speaks(const uint8_t *data, size_t len)
{
	struct tcp_conn *c = &w.c;

	if (c->fin || len > RING_MAX - c->len)
		return;
	memcpy(c->ring + c->len, data, len);
	c->len += len;
	(void)c->ops->data(c->owner, c, NULL, 0, 0);
}

static void step(unsigned who, const uint8_t *data, size_t len)
{
	struct tcp_conn *c = &w.c;

	switch (who) {
	case 0:
	case 1:
		guest_speaks(data, len);
		break;
	case 2:
		(void)!send(w.far, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	default:
		if (len & 1)
			(void)shutdown(w.far, SHUT_WR);
		else if (!c->fin)
			c->fin = true;
		if (c->fin && !c->len)
			c->ops->fin(c->owner, c);
	}
	turn();
}

static void run(const uint8_t *data, size_t size)
{
	for (int i = 0; i < STEPS && size && w.c.ops; i++) {
		const unsigned who = *data & 3;
		size_t len = *data >> 2;

		data++;
		size--;
		if (len == 63 && size) {
			len += *data++;
			size--;
		}
		if (len > size && who != 3)
			len = size;
		step(who, data, len);
		if (who != 3) {
			data += len;
			size -= len;
		}
	}
	if (w.c.ops) /* the guest goes */
		w.c.ops->closed(w.c.owner, &w.c, -ECONNRESET);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct secret_bench b;
	int pair[2];

	memset(&w, 0, sizeof(w));
	secret_bench_init(&b);
	secret_bench_add(&b, "KEY", NULL, "value", "*", PLACE_ALL);
	secret_bench_start(&b);
	w.c.peer.addr = secret_bench_addr("192.0.2.1");
	w.c.peer.port = 3128;
	w.net.config.tls.enabled = true;
	w.net.config.policy.allow_egress = true;
	w.net.config.secrets = b.config;
	w.net.names = b.names;
	w.proxy.net = &w.net;
	w.proxy.secrets = b.secrets;
	must(loop_new(&w.net.loop) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			pair) == 0);
	w.far = pair[1];
	tunnel_start(&w.proxy, &w.c, pair[0]);
	run(data, size);
	must(close(w.far) == 0);
	w.net.loop = loop_free(w.net.loop);
	secret_bench_fini(&b);
	return 0;
}
