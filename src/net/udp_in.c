/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams to the guest. While it has no buffers nothing more is read, so what
 * arrives waits in the host's sockets, whose limits then decide what is lost.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/bytes.h"
#include "base/iov.h"
#include "net/udp_int.h"

#define FRAGMENT_HEADER 8u
#define SEND_PARTS 8u
#define IP4_MORE 0x2000

void udp_in_init(struct udp *u, uint8_t *memory)
{
	list_init(&u->in.waiting);
	for (unsigned i = 0; i < UDP_IN_MAX; i++) {
		u->in.iov[i].iov_base = memory + (size_t)i * UDP_IN_SLOT;
		u->in.iov[i].iov_len = UDP_IN_SLOT;
	}
}

/* --- frames --- */

static void put_udp(uint8_t *udp, const struct net_endpoint *from,
		    const struct net_endpoint *to, size_t len)
{
	be16_put(udp, from->port);
	be16_put(udp + 2, to->port);
	be16_put(udp + 4, (uint16_t)(UDP_HEADER + len));
	be16_put(udp + 6, 0);
}

static void put_csum(uint8_t *udp, uint16_t csum)
{
	memcpy(udp + 6, &csum, sizeof(csum));
}

/* RFC 768: a sum of zero would mean that there is none. */
static uint16_t full_csum(const uint8_t *udp, const struct iovec *data,
			  unsigned ndata, size_t len, uint32_t initial)
{
	uint32_t sum = csum_bytes(udp, UDP_HEADER, initial);
	uint16_t csum = csum_fold(csum_iov(data, ndata, 0, len, sum));

	return csum ? csum : UINT16_MAX;
}

static uint32_t pseudo(const struct net_endpoint *from,
		       const struct net_endpoint *to, size_t l4)
{
	return csum_pseudo(&from->addr, &to->addr, IPPROTO_UDP, (uint32_t)l4);
}

static bool send_one(struct net *n, const struct net_endpoint *from,
		     const struct net_endpoint *to, const struct iovec *data,
		     unsigned ndata, size_t len)
{
	uint8_t frame[ETH_HEADER + IP6_HEADER + UDP_HEADER];
	struct net_offload o = { .needs_csum = false };
	size_t l4 = UDP_HEADER + len;
	size_t head = frame_ip_header(frame, &n->link_addr, &from->addr,
				      &to->addr, IPPROTO_UDP, l4, true);
	uint8_t *udp = frame + head;

	put_udp(udp, from, to, len);
	if (n->link.csum && from->addr.family == AF_INET) {
		o.csum_valid = true; /* and IPv4 can do without one */
	} else if (n->link.csum) {
		o.needs_csum = true;
		o.csum_start = (uint16_t)head;
		o.csum_offset = 6;
		/* Not complemented: the guest goes on from it. */
		put_csum(udp, (uint16_t)~csum_fold(pseudo(from, to, l4)));
	} else {
		put_csum(udp, full_csum(udp, data, ndata, len,
					pseudo(from, to, l4)));
	}
	return net_send(n, frame, head + UDP_HEADER, data, ndata, len, &o);
}

/* Make the header of an unfragmented packet that of a fragment; what its header
 * grew by. */
static size_t make_fragment(uint8_t *ip, bool v4, uint16_t ident, size_t off,
			    bool more)
{
	uint8_t *h = ip + IP6_HEADER;
	uint16_t csum;

	if (v4) {
		be16_put(ip + 4, ident);
		be16_put(ip + 6, (uint16_t)(off / 8 | (more ? IP4_MORE : 0)));
		be16_put(ip + 10, 0);
		csum = csum_fold(csum_bytes(ip, IP4_HEADER, 0));
		memcpy(ip + 10, &csum, sizeof(csum));
		return 0;
	}
	h[0] = IPPROTO_UDP;
	h[1] = 0;
	be16_put(h + 2, (uint16_t)(off | (more ? 1 : 0)));
	be32_put(h + 4, ident);
	return FRAGMENT_HEADER;
}

/* A datagram that goes in fragments. */
struct whole {
	const struct net_endpoint *from, *to;
	uint8_t udp[UDP_HEADER];
	const struct iovec *data;
	unsigned ndata;
};

/* Bytes [off, off+len) of the UDP header and the data behind it. */
static bool send_fragment(struct net *n, const struct whole *w, size_t off,
			  size_t len, bool more)
{
	uint8_t frame[ETH_HEADER + IP6_HEADER + FRAGMENT_HEADER + UDP_HEADER];
	const struct net_addr *from = &w->from->addr;
	bool v4 = from->family == AF_INET;
	size_t extra = v4 ? 0 : FRAGMENT_HEADER;
	size_t head = frame_ip_header(frame, &n->link_addr, from, &w->to->addr,
				      v4 ? IPPROTO_UDP : IPPROTO_FRAGMENT,
				      extra + len, false);
	struct net_offload o = { .needs_csum = false };
	struct iovec part[SEND_PARTS];
	unsigned nparts;

	head += make_fragment(frame + ETH_HEADER, v4, n->udp->ident, off, more);
	if (off == 0) {
		memcpy(frame + head, w->udp, UDP_HEADER);
		head += UDP_HEADER;
		len -= UDP_HEADER;
	} else {
		off -= UDP_HEADER;
	}
	nparts = iov_slice(w->data, w->ndata, off, len, part, SEND_PARTS);
	return net_send(n, frame, head, part, nparts, len, &o);
}

/* room: how much of it fits one frame */
static bool send_fragments(struct net *n, struct whole *w, size_t len,
			   size_t room)
{
	size_t l4 = UDP_HEADER + len;

	put_udp(w->udp, w->from, w->to, len);
	put_csum(w->udp, full_csum(w->udp, w->data, w->ndata, len,
				   pseudo(w->from, w->to, l4)));
	n->udp->ident++;
	for (size_t off = 0; off < l4; off += room) {
		bool more = l4 - off > room;

		if (!send_fragment(n, w, off, more ? room : l4 - off, more))
			return off != 0; /* begun: it cannot be taken back */
	}
	return true;
}

bool udp_send(struct net *n, const struct net_endpoint *from,
	      const struct net_endpoint *to, const struct iovec *data,
	      unsigned ndata, size_t len)
{
	bool v4 = from->addr.family == AF_INET;
	size_t room = n->link_addr.mtu - (v4 ? IP4_HEADER : IP6_HEADER);
	size_t most = v4 ? UINT16_MAX - IP4_HEADER : UINT16_MAX;
	struct whole w = {
		.from = from, .to = to, .data = data, .ndata = ndata
	};

	if (ndata > SEND_PARTS || len > most - UDP_HEADER)
		return false;
	if (UDP_HEADER + len <= room)
		return send_one(n, from, to, data, ndata, len);
	if (!v4)
		room -= FRAGMENT_HEADER;
	return send_fragments(n, &w, len, room & ~(size_t)7);
}

/* --- from sockets --- */

/* How long the datagrams of one message are. */
static size_t segment_size(struct msghdr *m, size_t len)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int size;

		if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO ||
		    c->cmsg_len < CMSG_LEN(sizeof(size)))
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		if (size > 0)
			return (size_t)size;
	}
	return len;
}

/* The rest of one message; false when the guest has no room for it. */
static bool deliver(struct udp *u, struct udp_flow *f, unsigned i)
{
	struct mmsghdr *m = &u->in.msgs[i];
	size_t len = m->msg_len, size = segment_size(&m->msg_hdr, len);

	do {
		size_t part = len - u->in.off < size ? len - u->in.off : size;
		struct iovec data = {
			.iov_base =
				(uint8_t *)u->in.iov[i].iov_base + u->in.off,
			.iov_len = part,
		};

		if (!udp_send(u->net, &f->peer, &f->guest, &data, 1, part))
			return false;
		u->in.off += part;
	} while (u->in.off < len);
	u->in.off = 0;
	return true;
}

/* What was received; false when some of it has to wait. */
static bool deliver_all(struct udp *u)
{
	for (; u->in.next < u->in.count; u->in.next++)
		if (!deliver(u, u->in.owner, u->in.next))
			return false;
	u->in.owner = NULL;
	return true;
}

static int receive(struct udp *u, struct udp_flow *f)
{
	for (unsigned i = 0; i < UDP_IN_MAX; i++)
		u->in.msgs[i].msg_hdr = (struct msghdr){
			.msg_iov = &u->in.iov[i],
			.msg_iovlen = 1,
			.msg_control = u->in.control[i],
			.msg_controllen = sizeof(u->in.control[i]),
		};
	return recvmmsg(f->fd, u->in.msgs, UDP_IN_MAX, MSG_DONTWAIT, NULL);
}

static void wait_for_guest(struct udp_flow *f)
{
	struct udp *u = f->udp;

	if (!list_empty(&f->waiting))
		return;
	(void)loop_rewatch(&f->watch, 0);
	list_add_tail(&u->in.waiting, &f->waiting);
}

void udp_in_ready(struct udp_flow *f)
{
	struct udp *u = f->udp;

	if (u->in.owner) {
		wait_for_guest(f);
		return;
	}
	for (int round = 0; round < UDP_IN_ROUNDS; round++) {
		int n = receive(u, f);

		if (n <= 0)
			return; /* nothing, or an error that comes as EPOLLERR
				 */
		udp_flow_used(f);
		u->in.owner = f;
		u->in.next = 0;
		u->in.count = (unsigned)n;
		u->in.off = 0;
		if (!deliver_all(u)) {
			wait_for_guest(f);
			return;
		}
		if ((unsigned)n < UDP_IN_MAX)
			return;
	}
}

void udp_in_resume(struct udp *u)
{
	if (u->in.owner && !deliver_all(u))
		return;
	while (!list_empty(&u->in.waiting)) {
		struct udp_flow *f = container_of(u->in.waiting.next,
						  struct udp_flow, waiting);

		list_del(&f->waiting);
		(void)loop_rewatch(&f->watch, EPOLLIN);
	}
}

void udp_in_forget(struct udp_flow *f)
{
	struct udp *u = f->udp;

	list_del(&f->waiting);
	if (u->in.owner == f) {
		u->in.owner = NULL;
		u->in.next = u->in.count = 0;
	}
}
