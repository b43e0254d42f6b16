/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published UDP ports. Each peer of a published port is, to the guest, a port
 * of the gateway; what the guest's service sends to that port goes back to the
 * peer, through the socket and from the address that it had written to.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/iov.h"
#include "net/port_int.h"

#define PEERS 1024u
#define BUCKETS 1024u
/* So many places are for those whom the guest has not answered yet. */
#define FRESH_MIN (PEERS / 4)
#define IDLE_MS 60000u
#define SWEEP_MS 10000u
#define DATAGRAM_MAX 65535u
#define BATCH 16u
#define BATCHES_PER_TURN 2u
#define SLICE_MAX 64u
#define NONE UINT16_MAX

/* As the kernel's control message has it: the address that was written to. */
union local {
	struct in_pktinfo four;
	struct in6_pktinfo six;
};

#define CONTROL_LEN CMSG_SPACE(sizeof(union local))

struct peer {
	struct port *port; /* borrowed; NULL = free */
	union {
		struct sockaddr any;
		struct sockaddr_in four;
		struct sockaddr_in6 six;
	} addr;
	union local local;
	bool has_local;
	bool answered; /* by the guest, at least once */
	uint16_t gateway_port;
	uint16_t next; /* in its bucket, or of those that are free */
	uint64_t used_ms;
	struct list link; /* in order of use */
};

struct port_peers {
	struct ports *ports;
	struct peer peers[PEERS];
	uint16_t free;
	uint16_t bucket[BUCKETS];
	uint16_t by_port[PORT_COUNT]; /* of the gateway */
	uint16_t next_port;
	uint64_t seed;
	/* Of those answered and those not, the one idle for longest first. */
	struct list order[2];
	unsigned nfresh; /* not answered */
	struct timer sweep;
	/* what recvmmsg() fills; while some of it waits for room in the guest,
	 * nothing more is read */
	struct port *owner;
	unsigned first, count;
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage from[BATCH];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL_LEN];
	uint8_t data[BATCH][DATAGRAM_MAX];
};

int port_udp_prepare(int fd, const struct net_port *p)
{
	bool six = p->bind.addr.family == AF_INET6;
	const int on = 1;

	return setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP,
			  six ? IPV6_RECVPKTINFO : IP_PKTINFO, &on,
			  sizeof(on)) < 0
		       ? -errno
		       : 0;
}

static void forget_all(struct port_peers *t)
{
	memset(t->bucket, 0xff, sizeof(t->bucket));
	memset(t->by_port, 0xff, sizeof(t->by_port));
	for (uint16_t i = 0; i < PEERS; i++) {
		t->peers[i].port = NULL;
		t->peers[i].next = i < PEERS - 1 ? i + 1 : NONE;
	}
	t->free = 0;
	t->nfresh = 0;
	t->first = t->count = 0;
	list_init(&t->order[false]);
	list_init(&t->order[true]);
}

int port_peers_new(struct ports *p, struct port_peers **ret)
{
	struct port_peers *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->ports = p;
	if (getrandom(&t->seed, sizeof(t->seed), 0) != sizeof(t->seed)) {
		free(t);
		return -EIO;
	}
	forget_all(t);
	*ret = t;
	return 0;
}

struct port_peers *port_peers_free(struct port_peers *t)
{
	if (t)
		loop_timer_cancel(&t->sweep);
	free(t);
	return NULL;
}

void port_peers_clear(struct port_peers *t)
{
	if (!t)
		return;
	loop_timer_cancel(&t->sweep);
	forget_all(t);
}

/* --- the table --- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

/* Seeded, for peers choose their addresses; that they cannot fill more than the
 * table bounds what a collision costs. */
static unsigned bucket_of(const struct port_peers *t, const struct port *p,
			  const struct sockaddr *sa)
{
	uint64_t h = mix(t->seed, (uint64_t)(p - t->ports->list));

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *four = (const void *)sa;

		h = mix(h, four->sin_addr.s_addr);
		h = mix(h, four->sin_port);
	} else {
		const struct sockaddr_in6 *six = (const void *)sa;
		uint64_t part[2];

		memcpy(part, &six->sin6_addr, sizeof(part));
		h = mix(mix(h, part[0]), part[1]);
		h = mix(h, (uint64_t)six->sin6_scope_id << 16 | six->sin6_port);
	}
	return (unsigned)(h >> 40) % BUCKETS;
}

static bool is_from(const struct peer *q, const struct port *p,
		    const struct sockaddr *sa)
{
	if (q->port != p)
		return false;
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *four = (const void *)sa;

		return q->addr.four.sin_addr.s_addr == four->sin_addr.s_addr &&
		       q->addr.four.sin_port == four->sin_port;
	}
	return !memcmp(&q->addr.six.sin6_addr,
		       &((const struct sockaddr_in6 *)sa)->sin6_addr,
		       sizeof(struct in6_addr)) &&
	       q->addr.six.sin6_port ==
		       ((const struct sockaddr_in6 *)sa)->sin6_port &&
	       q->addr.six.sin6_scope_id ==
		       ((const struct sockaddr_in6 *)sa)->sin6_scope_id;
}

static void forget(struct port_peers *t, struct peer *q)
{
	uint16_t i = (uint16_t)(q - t->peers);
	uint16_t *at = &t->bucket[bucket_of(t, q->port, &q->addr.any)];

	while (*at != i)
		at = &t->peers[*at].next;
	*at = q->next;
	t->by_port[q->gateway_port - PORT_FIRST] = NONE;
	list_del(&q->link);
	t->nfresh -= !q->answered;
	q->port = NULL;
	q->next = t->free;
	t->free = i;
}

static struct peer *oldest(const struct port_peers *t, bool answered)
{
	return container_of(t->order[answered].next, struct peer, link);
}

static bool is_used(const struct port_peers *t)
{
	return !list_empty(&t->order[false]) || !list_empty(&t->order[true]);
}

static void on_sweep(struct timer *timer)
{
	struct port_peers *t = container_of(timer, struct port_peers, sweep);
	struct loop *l = t->ports->n->loop;
	uint64_t now = loop_now_ms(l);

	for (int answered = 0; answered < 2; answered++)
		while (!list_empty(&t->order[answered]) &&
		       now - oldest(t, answered)->used_ms >= IDLE_MS)
			forget(t, oldest(t, answered));
	if (is_used(t))
		loop_timer(l, timer, SWEEP_MS, on_sweep);
}

/*
 * The table is full: who has been idle for longest goes. Those whom the guest
 * never answered go first, so that a flood of datagrams from nowhere does not
 * end what others have with the guest.
 */
static void make_room(struct port_peers *t)
{
	bool answered = t->nfresh < FRESH_MIN;

	forget(t, oldest(t, answered));
}

/* A port is used again as late as can be: an answer to who had it before must
 * not reach another. */
static uint16_t take_port(struct port_peers *t, uint16_t peer)
{
	while (t->by_port[t->next_port % PORT_COUNT] != NONE)
		t->next_port++;
	t->by_port[t->next_port % PORT_COUNT] = peer;
	return (uint16_t)(PORT_FIRST + t->next_port++ % PORT_COUNT);
}

static struct peer *add_peer(struct port_peers *t, struct port *p,
			     const struct sockaddr *sa)
{
	struct loop *l = t->ports->n->loop;
	unsigned bucket = bucket_of(t, p, sa);
	uint16_t i;
	struct peer *q;

	if (t->free == NONE)
		make_room(t);
	i = t->free;
	q = &t->peers[i];
	t->free = q->next;
	q->port = p;
	memcpy(&q->addr, sa,
	       sa->sa_family == AF_INET ? sizeof(q->addr.four)
					: sizeof(q->addr.six));
	q->gateway_port = take_port(t, i);
	q->next = t->bucket[bucket];
	t->bucket[bucket] = i;
	q->answered = false;
	t->nfresh++;
	list_add_tail(&t->order[false], &q->link);
	if (!t->sweep.loop)
		loop_timer(l, &t->sweep, SWEEP_MS, on_sweep);
	return q;
}

static struct peer *find_peer(struct port_peers *t, const struct port *p,
			      const struct sockaddr *sa)
{
	uint16_t i = t->bucket[bucket_of(t, p, sa)];

	while (i != NONE && !is_from(&t->peers[i], p, sa))
		i = t->peers[i].next;
	return i == NONE ? NULL : &t->peers[i];
}

static void touch(struct port_peers *t, struct peer *q)
{
	q->used_ms = loop_now_ms(t->ports->n->loop);
	list_del(&q->link);
	list_add_tail(&t->order[q->answered], &q->link);
}

/* --- to the guest --- */

static bool may_enter(struct port *p, const struct sockaddr_storage *from)
{
	struct policy_flow f = { .direction = POLICY_INGRESS,
				 .proto = POLICY_UDP,
				 .port = p->is->guest_port };
	struct net_endpoint peer;

	if (net_endpoint_from_sockaddr(from, &peer))
		return false;
	f.addr = peer.addr;
	return net_judge(p->ports->n, &f, POLICY_NAMES_CACHED, NULL).answer ==
	       POLICY_ALLOW;
}

static void note_local(struct peer *q, const struct msghdr *m)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);

	q->has_local = false;
	if (!c)
		return;
	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		memcpy(&q->local.four, CMSG_DATA(c), sizeof(q->local.four));
		/* the route decides which way */
		q->local.four.ipi_ifindex = 0;
		q->has_local = true;
	} else if (c->cmsg_level == IPPROTO_IPV6 &&
		   c->cmsg_type == IPV6_PKTINFO) {
		memcpy(&q->local.six, CMSG_DATA(c), sizeof(q->local.six));
		if (!IN6_IS_ADDR_LINKLOCAL(&q->local.six.ipi6_addr))
			q->local.six.ipi6_ifindex = 0;
		q->has_local = true;
	}
}

/* false: the guest has no room for it yet. */
static bool pass_on(struct port_peers *t, struct port *p,
		    const struct mmsghdr *m)
{
	const struct sockaddr_storage *from = m->msg_hdr.msg_name;
	const struct iovec iov = { m->msg_hdr.msg_iov->iov_base, m->msg_len };
	struct net *n = t->ports->n;
	struct net_endpoint gateway = { .addr = p->gateway };
	struct peer *q;

	if (from->ss_family != p->is->bind.addr.family)
		return true;
	q = find_peer(t, p, (const struct sockaddr *)from);
	/* what was allowed stays so, unless names come and go */
	if ((!q || n->config.policy.has_names) && !may_enter(p, from))
		return true;
	if (!q)
		q = add_peer(t, p, (const struct sockaddr *)from);
	note_local(q, &m->msg_hdr);
	touch(t, q);
	gateway.port = q->gateway_port;
	return udp_send(n, &gateway, &p->service, &iov, 1, m->msg_len);
}

/* false: some of it has to wait. */
static bool pass_all_on(struct port_peers *t)
{
	for (; t->first < t->count; t->first++)
		if (!pass_on(t, t->owner, &t->msgs[t->first]))
			return false;
	return true;
}

static unsigned receive(struct port_peers *t, int fd)
{
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		t->iov[i] = (struct iovec){ t->data[i], DATAGRAM_MAX };
		t->msgs[i].msg_hdr =
			(struct msghdr){ .msg_name = &t->from[i],
					 .msg_namelen = sizeof(t->from[i]),
					 .msg_iov = &t->iov[i],
					 .msg_iovlen = 1,
					 .msg_control = t->control[i],
					 .msg_controllen = CONTROL_LEN };
	}
	n = recvmmsg(fd, t->msgs, BATCH, MSG_DONTWAIT, NULL);
	return n > 0 ? (unsigned)n : 0;
}

static void watch_all(struct ports *p, uint32_t events)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->list[i].is->udp)
			(void)loop_rewatch(&p->list[i].watch, events);
}

void port_udp_ready(struct watch *w, uint32_t events)
{
	struct port *p = container_of(w, struct port, watch);
	struct port_peers *t = p->ports->peers;

	(void)events;
	net_take_policy(p->ports->n);
	/* an event from before somebody else had to wait */
	if (t->first < t->count)
		return;
	for (unsigned turn = 0; turn < BATCHES_PER_TURN; turn++) {
		t->owner = p;
		t->first = 0;
		t->count = receive(t, w->fd);
		if (!pass_all_on(t)) {
			watch_all(p->ports, 0);
			return;
		}
		if (t->count < BATCH)
			return;
	}
}

void port_peers_resume(struct port_peers *t)
{
	if (t->first < t->count && pass_all_on(t))
		watch_all(t->ports, EPOLLIN);
}

/* --- from the guest --- */

static void send_to(const struct peer *q, struct iovec *iov, unsigned n)
{
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_LEN] = { 0 };
	bool four = q->addr.any.sa_family == AF_INET;
	struct msghdr m = { .msg_name = (void *)(uintptr_t)&q->addr,
			    .msg_namelen = four ? sizeof(q->addr.four)
						: sizeof(q->addr.six),
			    .msg_iov = iov,
			    .msg_iovlen = n };

	if (q->has_local) {
		size_t len =
			four ? sizeof(q->local.four) : sizeof(q->local.six);
		struct cmsghdr *c;

		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(len);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = four ? IPPROTO_IP : IPPROTO_IPV6;
		c->cmsg_type = four ? IP_PKTINFO : IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(len);
		memcpy(CMSG_DATA(c), &q->local, len);
	}
	/* what the host does not take is lost, as on any link */
	(void)sendmsg(q->port->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool ports_reply(struct ports *p, const struct packet *pkt)
{
	struct port_peers *t = p->peers;
	struct iovec iov[SLICE_MAX];
	unsigned at = pkt->udp.dport - PORT_FIRST;
	struct peer *q;
	unsigned n;

	if (!t || at >= PORT_COUNT || t->by_port[at] == NONE)
		return false;
	q = &t->peers[t->by_port[at]];
	if (pkt->udp.sport != q->port->service.port ||
	    !net_addr_equal(&pkt->src, &q->port->service.addr) ||
	    !net_addr_equal(&pkt->dst, &q->port->gateway))
		return false;
	t->nfresh -= !q->answered;
	q->answered = true;
	touch(t, q);
	n = iov_slice(pkt->iov, pkt->niov, pkt->payload_off, pkt->payload_len,
		      iov, SLICE_MAX);
	if (iov_len(iov, n) == pkt->payload_len) /* not in crumbs */
		send_to(q, iov, n);
	return true;
}
