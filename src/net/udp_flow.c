/* SPDX-License-Identifier: Apache-2.0 */
/* The table of datagram flows and their sockets. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/iov.h"
#include "net/udp_int.h"

#define REPORTS_PER_EVENT 16
#define CONNECT_TRIES 4

static uint32_t hash_bytes(uint32_t h, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

/* The guest's address is nearly always the same. A guest that makes chains
 * long waits for itself, and not for more than UDP_FLOWS steps. */
static unsigned bucket_of(const struct net_endpoint *guest,
			  const struct net_endpoint *peer)
{
	size_t len = peer->addr.family == AF_INET ? 4 : 16;
	uint32_t h = 2166136261u ^ guest->port ^ (uint32_t)peer->port << 16;

	h = hash_bytes(h, peer->addr.b, len);
	return (h ^ h >> 16) % UDP_BUCKETS;
}

static bool same_end(const struct net_endpoint *a, const struct net_endpoint *b)
{
	return a->port == b->port && net_addr_equal(&a->addr, &b->addr);
}

struct udp_flow *udp_flow_find(struct udp *u, const struct net_endpoint *guest,
			       const struct net_endpoint *peer)
{
	struct udp_flow *f = u->latest;

	if (f && same_end(&f->guest, guest) && same_end(&f->peer, peer))
		return f;
	for (f = u->buckets[bucket_of(guest, peer)]; f; f = f->next)
		if (same_end(&f->guest, guest) && same_end(&f->peer, peer)) {
			u->latest = f;
			return f;
		}
	return NULL;
}

void udp_flow_close(struct udp_flow *f)
{
	struct udp *u = f->udp;
	struct udp_flow **at = &u->buckets[bucket_of(&f->guest, &f->peer)];

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	if (u->latest == f)
		u->latest = NULL;
	udp_in_forget(f);
	loop_unwatch(&f->watch);
	close_fd(&f->fd);
	list_del(&f->link);
	list_add_tail(&u->spare, &f->link);
	atomic_fetch_sub_explicit(&u->net->stats.udp_flows, 1,
				  memory_order_relaxed);
}

void udp_flow_used(struct udp_flow *f)
{
	uint64_t now = loop_now_ms(f->udp->net->loop);

	if (f->used_ms == now)
		return;
	f->used_ms = now;
	list_del(&f->link);
	list_add_tail(&f->udp->used, &f->link);
}

static void report(struct udp_flow *f, const struct icmp_report *r)
{
	struct icmp_quote q = { .src = f->guest.addr,
				.dst = f->peer.addr,
				.proto = IPPROTO_UDP,
				.payload = r->data,
				.payload_len = r->len };
	size_t len = r->len;

	/* Of a packet that was too big only the beginning came back. */
	if (r->reason == ICMP_TOO_BIG && f->longest > len)
		len = f->longest;
	q.l4_len = UDP_HEADER + len;
	be16_put(q.l4, f->guest.port);
	be16_put(q.l4 + 2, f->peer.port);
	be16_put(q.l4 + 4, (uint16_t)q.l4_len);
	icmp_error(f->udp->net, &q, r->reason, r->mtu);
}

int udp_flow_reports(struct udp_flow *f)
{
	struct icmp_report r;
	int n = 0, error = 0;
	socklen_t len = sizeof(error);

	while (n < REPORTS_PER_EVENT && icmp_queue_read(f->fd, f->family, &r)) {
		report(f, &r);
		n++;
	}
	/* An error that came without a report would wake us for ever. */
	if (!n)
		(void)getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return n;
}

static void on_ready(struct watch *w, uint32_t events)
{
	struct udp_flow *f = container_of(w, struct udp_flow, watch);

	if (events & EPOLLERR)
		(void)udp_flow_reports(f);
	if (events & EPOLLIN)
		udp_in_ready(f);
}

/* Is the socket its own peer? The host may choose the very port it is to talk
 * to, and everything sent would come back. */
static bool talks_to_itself(int fd, const struct net_endpoint *to)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct net_endpoint own;

	return getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
	       net_endpoint_from_sockaddr(&ss, &own) == 0 && same_end(&own, to);
}

static int open_socket(const struct net_endpoint *to)
{
	struct sockaddr_storage ss;
	socklen_t len = net_endpoint_to_sockaddr(to, &ss);
	int family = to->addr.family, on = 1, r;
	autoclose int fd = socket(
		family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);

	if (fd < 0)
		return -errno;
	r = icmp_queue_open(fd, family);
	if (r)
		return r;
	/* Rows of datagrams in one buffer, where the host's kernel has them;
	 * older kernels do not know it. */
	(void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&ss, len))
		return -errno;
	if (talks_to_itself(fd, to))
		return -EADDRINUSE;
	return take_fd(&fd);
}

static int connect_to(const struct net_endpoint *to)
{
	int fd = -EADDRINUSE;

	for (int i = 0; i < CONNECT_TRIES && fd == -EADDRINUSE; i++)
		fd = open_socket(to);
	return fd;
}

static void evict_oldest(struct udp *u)
{
	udp_out_flush(u);
	udp_flow_close(container_of(u->used.next, struct udp_flow, link));
}

static void tell_error(struct udp *u, const struct packet *p, int error)
{
	struct icmp_quote q = { .src = p->src,
				.dst = p->dst,
				.proto = IPPROTO_UDP,
				.l4_len = UDP_HEADER + p->payload_len };
	enum icmp_reason reason;

	if (!icmp_reason_of(error, &reason) || reason == ICMP_TOO_BIG ||
	    iov_read(p->iov, p->niov, p->l4_off, q.l4, sizeof(q.l4)) <
		    sizeof(q.l4))
		return;
	icmp_error(u->net, &q, reason, 0);
}

struct udp_flow *udp_flow_get(struct udp *u, const struct packet *p)
{
	struct net_endpoint guest = { .addr = p->src, .port = p->udp.sport };
	struct net_endpoint peer = { .addr = p->dst, .port = p->udp.dport };
	struct net_endpoint to = net_host_end(u->net, &peer);
	unsigned b = bucket_of(&guest, &peer);
	struct udp_flow *f;
	int fd;

	if (list_empty(&u->spare))
		evict_oldest(u);
	fd = connect_to(&to);
	if ((fd == -EMFILE || fd == -ENFILE) && !list_empty(&u->used)) {
		evict_oldest(u);
		fd = connect_to(&to);
	}
	if (fd < 0) {
		tell_error(u, p, -fd);
		return NULL;
	}
	f = container_of(u->spare.next, struct udp_flow, link);
	*f = (struct udp_flow){ .link = f->link,
				.next = u->buckets[b],
				.udp = u,
				.fd = fd,
				.family = to.addr.family,
				.guest = guest,
				.peer = peer,
				.used_ms = loop_now_ms(u->net->loop),
				.judged_ms = loop_now_ms(u->net->loop),
				.first = UDP_NONE,
				.last = UDP_NONE,
				.segments = true };
	list_init(&f->sending);
	list_init(&f->waiting);
	if (loop_watch(u->net->loop, &f->watch, fd, EPOLLIN, on_ready)) {
		close_fd(&f->fd);
		return NULL;
	}
	list_del(&f->link);
	list_add_tail(&u->used, &f->link);
	u->buckets[b] = u->latest = f;
	atomic_fetch_add_explicit(&u->net->stats.udp_flows, 1,
				  memory_order_relaxed);
	return f;
}
