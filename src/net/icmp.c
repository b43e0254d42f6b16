/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Echo requests of the guest. The gateway answers its own; for other hosts the
 * request leaves through a ping socket of the host, which needs no privilege,
 * and what comes back gets the guest's identifier again. An answer is never
 * made up: what the host may not ask stays unanswered.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/iov.h"
#include "base/log.h"
#include "net/icmp_int.h"

#define ECHO4 8
#define ECHO4_REPLY 0
#define ECHO6 128
#define ECHO6_REPLY 129
#define IOV_MAX_PARTS 64u
#define READS_PER_EVENT 16

int icmp_new(struct net *n, struct icmp **ret)
{
	struct icmp *i = calloc(1, sizeof(*i));

	if (!i)
		return -ENOMEM;
	/* Requests fit a frame, so do their answers. */
	i->buf_len = n->link_addr.mtu;
	i->buf = malloc(i->buf_len);
	if (!i->buf) {
		free(i);
		return -ENOMEM;
	}
	i->net = n;
	i->tokens = (uint64_t)ICMP_ERRORS_BURST * 1000;
	list_init(&i->used);
	list_init(&i->spare);
	for (unsigned k = 0; k < ICMP_FLOWS; k++)
		list_add_tail(&i->spare, &i->flows[k].link);
	*ret = i;
	return 0;
}

static void flow_close(struct icmp_flow *f)
{
	loop_unwatch(&f->watch);
	close_fd(&f->fd);
	list_del(&f->link);
	list_add_tail(&f->icmp->spare, &f->link);
}

static struct icmp_flow *oldest(struct icmp *i)
{
	return container_of(i->used.next, struct icmp_flow, link);
}

struct icmp *icmp_free(struct icmp *i)
{
	if (!i)
		return NULL;
	while (!list_empty(&i->used))
		flow_close(oldest(i));
	loop_timer_cancel(&i->expiry);
	free(i->buf);
	free(i);
	return NULL;
}

static void on_expiry(struct timer *t)
{
	struct icmp *i = container_of(t, struct icmp, expiry);
	uint64_t now = loop_now_ms(i->net->loop);

	while (!list_empty(&i->used)) {
		uint64_t idle = now - oldest(i)->used_ms;

		if (idle < ICMP_IDLE_MS) {
			loop_timer(i->net->loop, t, ICMP_IDLE_MS - idle,
				   on_expiry);
			return;
		}
		flow_close(oldest(i));
	}
}

/* --- to the guest --- */

static void send_reply(struct net *n, const struct net_addr *from,
		       const struct net_addr *to, uint16_t id, uint16_t seq,
		       const struct iovec *data, unsigned ndata, size_t len)
{
	bool v4 = from->family == AF_INET;
	uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	uint8_t frame[ETH_HEADER + IP6_HEADER + ICMP_HEADER];
	size_t head = frame_ip_header(frame, &n->link_addr, from, to, proto,
				      ICMP_HEADER + len, false);
	struct net_offload o = { .csum_valid = n->link.csum };
	uint8_t *icmp = frame + head;
	uint32_t sum = 0;
	uint16_t c;

	icmp[0] = v4 ? ECHO4_REPLY : ECHO6_REPLY;
	icmp[1] = 0;
	be16_put(icmp + 2, 0);
	be16_put(icmp + 4, id);
	be16_put(icmp + 6, seq);
	if (!v4)
		sum = csum_pseudo(from, to, proto,
				  (uint32_t)(ICMP_HEADER + len));
	sum = csum_bytes(icmp, ICMP_HEADER, sum);
	c = csum_fold(csum_iov(data, ndata, 0, len, sum));
	memcpy(icmp + 2, &c, sizeof(c));
	(void)net_send(n, frame, head + ICMP_HEADER, data, ndata, len, &o);
}

/* The quoted packet begins with the ICMP header as the host sent it. */
static void report(struct icmp_flow *f, const struct icmp_report *r)
{
	bool v4 = f->peer.family == AF_INET;
	struct icmp_quote q = { .src = f->guest,
				.dst = f->peer,
				.proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
				.l4_len = f->last_len };

	if (r->len > ICMP_HEADER) {
		q.payload = r->data + ICMP_HEADER;
		q.payload_len = r->len - ICMP_HEADER;
	}
	if (r->len >= ICMP_HEADER)
		memcpy(q.l4, r->data, ICMP_HEADER);
	else
		q.l4[0] = v4 ? ECHO4 : ECHO6;
	be16_put(q.l4 + 4, f->id);
	icmp_error(f->icmp->net, &q, r->reason, r->mtu);
}

/* Passes them on; how many there were. */
static int read_reports(struct icmp_flow *f)
{
	struct icmp_report r;
	int n = 0, error = 0;
	socklen_t len = sizeof(error);

	while (n < READS_PER_EVENT &&
	       icmp_queue_read(f->fd, f->peer.family, &r)) {
		report(f, &r);
		n++;
	}
	/* An error that came without a report would wake us for ever. */
	if (!n)
		(void)getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return n;
}

/* One answer: false when there is none. */
static bool read_reply(struct icmp_flow *f)
{
	struct icmp *i = f->icmp;
	struct sockaddr_storage from;
	struct net_endpoint peer;
	struct iovec iov = { .iov_base = i->buf, .iov_len = i->buf_len };
	struct msghdr msg = { .msg_name = &from,
			      .msg_namelen = sizeof(from),
			      .msg_iov = &iov,
			      .msg_iovlen = 1 };
	bool v4 = f->peer.family == AF_INET;
	size_t ip = v4 ? IP4_HEADER : IP6_HEADER;
	ssize_t n = recvmsg(f->fd, &msg, MSG_DONTWAIT);

	if (n < 0)
		return errno != EAGAIN && errno != EINTR;
	/* The kernel looks at the identifier only, not at who answers. */
	if ((size_t)n < ICMP_HEADER || (msg.msg_flags & MSG_TRUNC) ||
	    (size_t)n + ip > i->net->link_addr.mtu ||
	    i->buf[0] != (v4 ? ECHO4_REPLY : ECHO6_REPLY) ||
	    net_endpoint_from_sockaddr(&from, &peer) ||
	    !net_addr_equal(&peer.addr, &f->peer))
		return true;
	iov.iov_base = i->buf + ICMP_HEADER;
	iov.iov_len = (size_t)n - ICMP_HEADER;
	send_reply(i->net, &f->peer, &f->guest, f->id, be16_get(i->buf + 6),
		   &iov, 1, iov.iov_len);
	return true;
}

static void on_ready(struct watch *w, uint32_t events)
{
	struct icmp_flow *f = container_of(w, struct icmp_flow, watch);

	if (events & EPOLLERR)
		read_reports(f);
	if (!(events & EPOLLIN))
		return;
	for (int k = 0; k < READS_PER_EVENT; k++)
		if (!read_reply(f))
			return;
}

/* --- from the guest --- */

static struct icmp_flow *flow_find(struct icmp *i, const struct packet *p)
{
	for (struct list *l = i->used.next; l != &i->used; l = l->next) {
		struct icmp_flow *f = container_of(l, struct icmp_flow, link);

		if (f->id == p->icmp.id && net_addr_equal(&f->peer, &p->dst) &&
		    net_addr_equal(&f->guest, &p->src))
			return f;
	}
	return NULL;
}

static void tell_missing(struct icmp *i, int family, int error)
{
	bool *told = family == AF_INET ? &i->told4 : &i->told6;

	if (*told)
		return;
	*told = true;
	net_log(i->net, LOG_WARN,
		"the host allows no ping sockets for %s (%s; see "
		"net.ipv4.ping_group_range): pings to other hosts stay "
		"unanswered",
		family == AF_INET ? "IPv4" : "IPv6", strerrordesc_np(error));
}

/* A ping socket connected to the peer, or -errno. */
static int ping_socket(struct icmp *i, const struct net_addr *peer)
{
	struct net_endpoint to = { .addr = *peer };
	struct sockaddr_storage ss;
	autoclose int fd = -1;
	socklen_t len;
	int family = peer->family, r;

	len = net_endpoint_to_sockaddr(&to, &ss);
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	if (fd < 0) {
		r = errno;
		if (r == EACCES || r == EPERM || r == EPROTONOSUPPORT ||
		    r == EAFNOSUPPORT) {
			tell_missing(i, family, r);
			r = EPROTONOSUPPORT; /* not the guest's affair */
		}
		return -r;
	}
	r = icmp_queue_open(fd, family);
	if (r)
		return r;
	if (connect(fd, (struct sockaddr *)&ss, len))
		return -errno;
	return take_fd(&fd);
}

static void tell_error(struct icmp *i, const struct packet *p, int error)
{
	struct icmp_quote q = { .src = p->src,
				.dst = p->dst,
				.proto = p->proto,
				.l4_len = ICMP_HEADER + p->payload_len };
	enum icmp_reason reason;

	if (!icmp_reason_of(error, &reason) || reason == ICMP_TOO_BIG ||
	    iov_read(p->iov, p->niov, p->l4_off, q.l4, sizeof(q.l4)) <
		    sizeof(q.l4))
		return;
	icmp_error(i->net, &q, reason, 0);
}

static struct icmp_flow *flow_new(struct icmp *i, const struct packet *p)
{
	struct loop *l = i->net->loop;
	struct icmp_flow *f;
	int r;

	if (list_empty(&i->spare))
		flow_close(oldest(i));
	f = container_of(i->spare.next, struct icmp_flow, link);
	r = ping_socket(i, &p->dst);
	if (r < 0) {
		tell_error(i, p, -r);
		return NULL;
	}
	*f = (struct icmp_flow){ .link = f->link,
				 .icmp = i,
				 .fd = r,
				 .guest = p->src,
				 .peer = p->dst,
				 .id = p->icmp.id };
	if (loop_watch(l, &f->watch, f->fd, EPOLLIN, on_ready)) {
		close_fd(&f->fd);
		return NULL;
	}
	list_del(&f->link);
	list_add_tail(&i->used, &f->link);
	if (!i->expiry.loop)
		loop_timer(l, &i->expiry, ICMP_IDLE_MS, on_expiry);
	return f;
}

static void set_df(struct icmp_flow *f, bool dont_fragment)
{
	if (f->dont_fragment == dont_fragment)
		return;
	if (!icmp_queue_set_df(f->fd, f->peer.family, dont_fragment))
		f->dont_fragment = dont_fragment;
}

static void relay(struct icmp_flow *f, const struct packet *p)
{
	struct iovec iov[IOV_MAX_PARTS + 1];
	uint8_t head[ICMP_HEADER] = { 0 };
	struct msghdr msg = { .msg_iov = iov };
	unsigned n = iov_slice(p->iov, p->niov, p->payload_off, p->payload_len,
			       iov + 1, IOV_MAX_PARTS);
	int error;

	if (iov_len(iov + 1, n) < p->payload_len)
		return; /* in more pieces than any driver makes */
	/* Identifier and checksum are the kernel's. */
	head[0] = p->src.family == AF_INET ? ECHO4 : ECHO6;
	be16_put(head + 6, p->icmp.seq);
	iov[0].iov_base = head;
	iov[0].iov_len = sizeof(head);
	msg.msg_iovlen = n + 1;
	set_df(f, p->dont_fragment);
	f->last_len = ICMP_HEADER + p->payload_len;
	if (sendmsg(f->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return;
	if (errno == EAGAIN || errno == EINTR)
		return; /* lost, as on any link */
	/* It may be about an earlier request: that is told, this one goes. */
	error = errno;
	if (read_reports(f) && error == EMSGSIZE)
		return;
	if (sendmsg(f->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return;
	error = errno;
	if (!read_reports(f))
		tell_error(f->icmp, p, error);
}

static void answer_for_gateway(struct net *n, const struct packet *p)
{
	struct iovec iov[IOV_MAX_PARTS];
	size_t head = (p->src.family == AF_INET ? IP4_HEADER : IP6_HEADER) +
		      ICMP_HEADER;
	unsigned parts = iov_slice(p->iov, p->niov, p->payload_off,
				   p->payload_len, iov, IOV_MAX_PARTS);

	if (iov_len(iov, parts) < p->payload_len ||
	    head + p->payload_len > n->link_addr.mtu)
		return;
	send_reply(n, &p->dst, &p->src, p->icmp.id, p->icmp.seq, iov, parts,
		   p->payload_len);
}

static bool allowed(struct net *n, const struct packet *p)
{
	struct policy_flow q = { .direction = POLICY_EGRESS,
				 .proto = p->src.family == AF_INET
						  ? POLICY_ICMP4
						  : POLICY_ICMP6,
				 .addr = p->dst };

	return net_judge(n, &q, POLICY_NAMES_CACHED, NULL).answer ==
	       POLICY_ALLOW;
}

void icmp_input(struct icmp *i, const struct packet *p)
{
	struct net *n = i->net;
	uint64_t now = loop_now_ms(n->loop);
	struct icmp_flow *f;

	if (p->icmp.type != (p->src.family == AF_INET ? ECHO4 : ECHO6) ||
	    p->icmp.code)
		return;
	if (!allowed(n, p)) {
		icmp_prohibited(n, p);
		return;
	}
	if (net_addr_is_gateway(&p->dst, &n->link_addr)) {
		answer_for_gateway(n, p);
		return;
	}
	f = flow_find(i, p);
	if (!f)
		f = flow_new(i, p);
	if (!f)
		return;
	f->used_ms = now;
	list_del(&f->link);
	list_add_tail(&i->used, &f->link);
	relay(f, p);
}
