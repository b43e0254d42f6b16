/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP errors to the guest about packets it sent (RFC 792, 1812, 4443). */
#include <netinet/in.h>
#include <string.h>

#include "base/bytes.h"
#include "base/iov.h"
#include "net/icmp_int.h"

/* The longest error, from its IP header on. */
#define ERROR4_MAX 576u
#define ERROR6_MAX 1280u
#define TOKEN 1000u

static void put_csum(uint8_t *at, uint32_t sum)
{
	uint16_t c = csum_fold(sum);

	memcpy(at, &c, sizeof(c));
}

/* So many errors a second, or a guest that floods has twice the work. */
static bool may_send(struct icmp *i)
{
	uint64_t now = loop_now_ms(i->net->loop);
	uint64_t gained = (now - i->tokens_ms) * ICMP_ERRORS_PER_S;
	uint64_t most = (uint64_t)ICMP_ERRORS_BURST * TOKEN;

	i->tokens = gained > most - i->tokens ? most : i->tokens + gained;
	i->tokens_ms = now;
	if (i->tokens < TOKEN)
		return false;
	i->tokens -= TOKEN;
	return true;
}

/* No errors about what went to many (RFC 1122, 3.2.2). */
static bool to_many(const struct net_addr *a)
{
	static const uint8_t all[4] = { 255, 255, 255, 255 };

	if (a->family == AF_INET6)
		return a->b[0] == 0xff;
	return (a->b[0] & 0xf0) == 0xe0 || memcmp(a->b, all, 4) == 0;
}

static void put_type4(uint8_t *p, enum icmp_reason reason, uint32_t mtu)
{
	static const uint8_t code[] = {
		[ICMP_NO_ROUTE] = 0,	[ICMP_NO_HOST] = 1, [ICMP_NO_PORT] = 3,
		[ICMP_PROHIBITED] = 13, [ICMP_TOO_BIG] = 4,
	};

	p[0] = 3;
	p[1] = code[reason];
	if (reason == ICMP_TOO_BIG)
		be16_put(p + 6,
			 (uint16_t)(mtu > UINT16_MAX ? UINT16_MAX : mtu));
}

static void put_type6(uint8_t *p, enum icmp_reason reason, uint32_t mtu)
{
	static const uint8_t code[] = {
		[ICMP_NO_ROUTE] = 0,   [ICMP_NO_HOST] = 3, [ICMP_NO_PORT] = 4,
		[ICMP_PROHIBITED] = 1, [ICMP_TOO_BIG] = 0,
	};

	p[0] = reason == ICMP_TOO_BIG ? 2 : 1;
	p[1] = code[reason];
	if (reason == ICMP_TOO_BIG)
		be32_put(p + 4, mtu);
}

/* The IP header, the transport header and what fits of the rest; its length. */
static size_t put_quote(uint8_t *p, size_t room, const struct net *n,
			const struct icmp_quote *q)
{
	uint8_t frame[ETH_HEADER + IP6_HEADER];
	bool v4 = q->src.family == AF_INET;
	size_t most = v4 ? UINT16_MAX - IP4_HEADER : UINT16_MAX;
	size_t l4 = q->l4_len < most ? q->l4_len : most;
	size_t ip = frame_ip_header(frame, &n->link_addr, &q->src, &q->dst,
				    q->proto, l4, true) -
		    ETH_HEADER;
	size_t len;

	memcpy(p, frame + ETH_HEADER, ip);
	memcpy(p + ip, q->l4, sizeof(q->l4));
	ip += sizeof(q->l4);
	len = q->payload_len < room - ip ? q->payload_len : room - ip;
	if (len)
		memcpy(p + ip, q->payload, len);
	return ip + len;
}

void icmp_error(struct net *n, const struct icmp_quote *q,
		enum icmp_reason reason, uint32_t mtu)
{
	uint8_t frame[ETH_HEADER + ERROR6_MAX] = { 0 };
	bool v4 = q->src.family == AF_INET;
	size_t ip_len = v4 ? IP4_HEADER : IP6_HEADER;
	uint8_t *icmp = frame + ETH_HEADER + ip_len;
	uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	const struct net_addr *from =
		v4 ? &n->link_addr.gateway4 : &n->link_addr.gateway6;
	struct net_offload o = { .csum_valid = n->link.csum };
	size_t len;
	uint32_t sum;

	if (q->src.family != q->dst.family || from->family != q->src.family ||
	    to_many(&q->dst) || !may_send(n->icmp))
		return;
	if (reason == ICMP_NO_PORT)
		from = &q->dst; /* the host itself says so */
	if (v4)
		put_type4(icmp, reason, mtu);
	else
		put_type6(icmp, reason, mtu);
	len = ICMP_HEADER +
	      put_quote(icmp + ICMP_HEADER,
			(v4 ? ERROR4_MAX : ERROR6_MAX) - ip_len - ICMP_HEADER,
			n, q);
	sum = v4 ? 0 : csum_pseudo(from, &q->src, proto, (uint32_t)len);
	put_csum(icmp + 2, csum_bytes(icmp, len, sum));
	len += frame_ip_header(frame, &n->link_addr, from, &q->src, proto, len,
			       false);
	/* Lost when there is no room: the guest has to expect that. */
	(void)net_send(n, frame, len, NULL, 0, 0, &o);
}

void icmp_prohibited(struct net *n, const struct packet *about)
{
	uint8_t rest[ERROR6_MAX];
	struct icmp_quote q = { .src = about->src,
				.dst = about->dst,
				.proto = about->proto,
				.payload = rest };
	size_t len = about->payload_off + about->payload_len - about->l4_off;

	if (iov_read(about->iov, about->niov, about->l4_off, q.l4,
		     sizeof(q.l4)) < sizeof(q.l4))
		return;
	q.l4_len = len < sizeof(q.l4) ? sizeof(q.l4) : len;
	len = q.l4_len - sizeof(q.l4);
	q.payload_len =
		iov_read(about->iov, about->niov, about->l4_off + sizeof(q.l4),
			 rest, len < sizeof(rest) ? len : sizeof(rest));
	icmp_error(n, &q, ICMP_PROHIBITED, 0);
}

void icmp_port_unreachable(struct net *n, const struct net_endpoint *guest,
			   const struct net_endpoint *peer)
{
	struct icmp_quote q = { .src = guest->addr,
				.dst = peer->addr,
				.proto = IPPROTO_UDP,
				.l4_len = UDP_HEADER };

	be16_put(q.l4, guest->port);
	be16_put(q.l4 + 2, peer->port);
	be16_put(q.l4 + 4, UDP_HEADER);
	icmp_error(n, &q, ICMP_NO_PORT, 0);
}
