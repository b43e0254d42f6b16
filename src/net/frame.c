/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the guest's frames and writing the headers of ours. The guest may
 * change a frame while it is read, so each header is copied once, and every
 * decision is about that copy.
 */
#include "net/frame.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/bytes.h"
#include "base/iov.h"

#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IP4 0x0800
#define ETHERTYPE_IP6 0x86dd
#define IP4_HEADER_MAX 60u
#define TCP_HEADER_MAX 60u
#define IP6_EXTENSIONS_MAX 4
#define IP6_FRAGMENT_LEN 8u

#define IP4_DF 0x4000
#define IP4_MF 0x2000
#define IP4_OFFSET 0x1fff

/* RFC 9293 3.2, RFC 7323 */
#define TCPOPT_END 0
#define TCPOPT_NOTHING 1
#define TCPOPT_SEGMENT_MAX 2
#define TCPOPT_SCALE 3

/* Copy len bytes at off of the frame, of which end bytes are the packet. */
static bool take(const struct packet *p, size_t end, size_t off, void *dst,
		 size_t len)
{
	if (off > end || len > end - off)
		return false;
	return iov_read(p->iov, p->niov, off, dst, len) == len;
}

static bool l4_csum_ok(const struct packet *p, const struct net_offload *o,
		       size_t len, uint8_t csum_offset)
{
	uint32_t sum = 0;

	if (o->needs_csum)
		return o->csum_start == p->l4_off &&
		       o->csum_offset == csum_offset;
	if (p->proto != IPPROTO_ICMP)
		sum = csum_pseudo(&p->src, &p->dst, p->proto, (uint32_t)len);
	return csum_fold(csum_iov(p->iov, p->niov, p->l4_off, len, sum)) == 0;
}

static void parse_tcp_options(const uint8_t *opt, size_t len,
			      struct packet *ret)
{
	size_t i = 0;

	while (i < len && opt[i] != TCPOPT_END) {
		size_t n;

		if (opt[i] == TCPOPT_NOTHING) {
			i++;
			continue;
		}
		if (i + 2 > len)
			return;
		n = opt[i + 1];
		if (n < 2 || n > len - i)
			return;
		if (opt[i] == TCPOPT_SEGMENT_MAX && n == 4)
			ret->tcp.mss = be16_get(opt + i + 2);
		else if (opt[i] == TCPOPT_SCALE && n == 3)
			ret->tcp.wscale =
				(int8_t)(opt[i + 2] > 14 ? 14 : opt[i + 2]);
		i += n;
	}
}

static int parse_tcp(struct packet *p, size_t end, const struct net_offload *o)
{
	uint8_t h[TCP_HEADER_MAX];
	size_t len;

	if (!take(p, end, p->l4_off, h, TCP_HEADER))
		return -EBADMSG;
	len = (size_t)(h[12] >> 4) * 4;
	if (len < TCP_HEADER || !take(p, end, p->l4_off + TCP_HEADER,
				      h + TCP_HEADER, len - TCP_HEADER))
		return -EBADMSG;
	if (!l4_csum_ok(p, o, end - p->l4_off, 16))
		return -EBADMSG;
	p->tcp.sport = be16_get(h);
	p->tcp.dport = be16_get(h + 2);
	p->tcp.seq = be32_get(h + 4);
	p->tcp.ack = be32_get(h + 8);
	p->tcp.flags = h[13];
	p->tcp.window = be16_get(h + 14);
	p->tcp.mss = 0;
	p->tcp.wscale = -1;
	if (p->tcp.flags & TH_SYN)
		parse_tcp_options(h + TCP_HEADER, len - TCP_HEADER, p);
	p->payload_off = p->l4_off + len;
	p->payload_len = end - p->payload_off;
	return 0;
}

static int parse_udp(struct packet *p, size_t end, const struct net_offload *o)
{
	uint8_t h[UDP_HEADER];
	size_t len;

	if (!take(p, end, p->l4_off, h, sizeof(h)))
		return -EBADMSG;
	len = be16_get(h + 4);
	if (len < UDP_HEADER || len > end - p->l4_off)
		return -EBADMSG;
	if (be16_get(h + 6)) {
		if (!l4_csum_ok(p, o, len, 6))
			return -EBADMSG;
	} else if (p->src.family == AF_INET6) {
		return -EBADMSG; /* RFC 8200 8.1: it must be there */
	}
	p->udp.sport = be16_get(h);
	p->udp.dport = be16_get(h + 2);
	p->payload_off = p->l4_off + UDP_HEADER;
	p->payload_len = len - UDP_HEADER;
	return 0;
}

static int parse_icmp(struct packet *p, size_t end, const struct net_offload *o)
{
	uint8_t h[ICMP_HEADER];

	if (!take(p, end, p->l4_off, h, sizeof(h)) ||
	    !l4_csum_ok(p, o, end - p->l4_off, 2))
		return -EBADMSG;
	p->icmp.type = h[0];
	p->icmp.code = h[1];
	p->icmp.id = be16_get(h + 4);
	p->icmp.seq = be16_get(h + 6);
	p->payload_off = p->l4_off + ICMP_HEADER;
	p->payload_len = end - p->payload_off;
	return 0;
}

/* Behind the IP headers; end is where the packet ends in the frame. */
static int parse_l4(struct packet *p, size_t end, const struct net_offload *o)
{
	p->l4_off = p->payload_off = p->ip_off + p->ip_len;
	p->payload_len = end - p->l4_off;
	if (p->fragment)
		return 0;
	if (p->proto == IPPROTO_TCP)
		return parse_tcp(p, end, o);
	if (p->proto == IPPROTO_UDP)
		return parse_udp(p, end, o);
	if (p->proto ==
	    (p->src.family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return parse_icmp(p, end, o);
	return -EPROTONOSUPPORT;
}

static int parse_ip4(struct packet *p, size_t frame_len,
		     const struct net_offload *o)
{
	uint8_t h[IP4_HEADER_MAX];
	uint16_t frag;
	size_t len, total;

	if (!take(p, frame_len, p->ip_off, h, IP4_HEADER))
		return -EBADMSG;
	len = (size_t)(h[0] & 0xf) * 4;
	total = be16_get(h + 2);
	if (h[0] >> 4 != 4 || len < IP4_HEADER || total < len ||
	    total > frame_len - p->ip_off)
		return -EBADMSG;
	if (!take(p, frame_len, p->ip_off + IP4_HEADER, h + IP4_HEADER,
		  len - IP4_HEADER) ||
	    csum_fold(csum_bytes(h, len, 0)) != 0)
		return -EBADMSG;
	frag = be16_get(h + 6);
	p->ip_len = len;
	p->hop_limit = h[8];
	p->proto = h[9];
	p->src.family = p->dst.family = AF_INET;
	memcpy(p->src.b, h + 12, 4);
	memcpy(p->dst.b, h + 16, 4);
	p->dont_fragment = frag & IP4_DF;
	p->more_fragments = frag & IP4_MF;
	p->fragment_off = (uint16_t)((frag & IP4_OFFSET) * 8);
	p->fragment = p->more_fragments || p->fragment_off;
	p->fragment_id = be16_get(h + 4);
	return parse_l4(p, p->ip_off + total, o);
}

static bool is_extension(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING ||
	       next == IPPROTO_DSTOPTS || next == IPPROTO_AH;
}

/* The fragment header at off; RFC 6946: one that is alone is no fragment. */
static int parse_ip6_fragment(struct packet *p, size_t end, size_t off,
			      uint8_t *next)
{
	uint8_t h[IP6_FRAGMENT_LEN];
	uint16_t v;

	if (!take(p, end, off, h, sizeof(h)))
		return -EBADMSG;
	v = be16_get(h + 2);
	if (h[1] || v & 6)
		return -EBADMSG;
	*next = h[0];
	p->more_fragments = v & 1;
	p->fragment_off = v & 0xfff8;
	p->fragment = p->more_fragments || p->fragment_off;
	p->fragment_id = be32_get(h + 4);
	return 0;
}

/* Walk the extension headers from off on, up to the transport or a fragment. */
static int parse_ip6_extensions(struct packet *p, size_t end, size_t off,
				uint8_t next)
{
	bool seen_fragment = false;

	for (int i = 0; is_extension(next) || next == IPPROTO_FRAGMENT; i++) {
		uint8_t h[2];

		if (i == IP6_EXTENSIONS_MAX)
			return -EPROTONOSUPPORT;
		if (next == IPPROTO_FRAGMENT) {
			if (seen_fragment ||
			    parse_ip6_fragment(p, end, off, &next))
				return -EBADMSG;
			seen_fragment = true;
			off += IP6_FRAGMENT_LEN;
			if (p->fragment)
				break;
			continue;
		}
		if (!take(p, end, off, h, sizeof(h)))
			return -EBADMSG;
		off += next == IPPROTO_AH ? (size_t)(h[1] + 2) * 4
					  : (size_t)(h[1] + 1) * 8;
		next = h[0];
	}
	if (off > end)
		return -EBADMSG;
	p->proto = next;
	p->ip_len = off - p->ip_off;
	return 0;
}

static int parse_ip6(struct packet *p, size_t frame_len,
		     const struct net_offload *o)
{
	uint8_t h[IP6_HEADER];
	size_t end;
	int rc;

	if (!take(p, frame_len, p->ip_off, h, sizeof(h)) || h[0] >> 4 != 6)
		return -EBADMSG;
	end = p->ip_off + IP6_HEADER + be16_get(h + 4);
	if (end > frame_len)
		return -EBADMSG;
	p->hop_limit = h[7];
	p->src.family = p->dst.family = AF_INET6;
	memcpy(p->src.b, h + 8, 16);
	memcpy(p->dst.b, h + 24, 16);
	rc = parse_ip6_extensions(p, end, p->ip_off + IP6_HEADER, h[6]);
	if (rc)
		return rc;
	p->dont_fragment = !p->fragment;
	return parse_l4(p, end, o);
}

int packet_parse(const struct iovec *iov, unsigned niov,
		 const struct net_offload *o, struct packet *ret)
{
	size_t len = iov_len(iov, niov);
	uint8_t h[ETH_HEADER];

	memset(ret, 0, sizeof(*ret));
	ret->iov = iov;
	ret->niov = niov;
	if (!take(ret, len, 0, h, sizeof(h)))
		return -EBADMSG;
	memcpy(ret->dst_mac, h, NET_MAC_LEN);
	memcpy(ret->src_mac, h + NET_MAC_LEN, NET_MAC_LEN);
	ret->ethertype = be16_get(h + 12);
	ret->ip_off = ret->payload_off = ETH_HEADER;
	ret->payload_len = len - ETH_HEADER;
	if (ret->ethertype == ETHERTYPE_IP4)
		return parse_ip4(ret, len, o);
	if (ret->ethertype == ETHERTYPE_IP6)
		return parse_ip6(ret, len, o);
	return ret->ethertype == ETHERTYPE_ARP ? 0 : -EPROTONOSUPPORT;
}

size_t frame_ip_header(uint8_t *p, const struct net_addresses *link,
		       const struct net_addr *src, const struct net_addr *dst,
		       uint8_t proto, size_t l4_len, bool dont_fragment)
{
	uint8_t *ip = p + ETH_HEADER;
	uint16_t sum;

	memcpy(p, link->guest_mac, NET_MAC_LEN);
	memcpy(p + NET_MAC_LEN, link->gateway_mac, NET_MAC_LEN);
	if (src->family == AF_INET6) {
		be16_put(p + 12, ETHERTYPE_IP6);
		be32_put(ip, 6u << 28);
		be16_put(ip + 4, (uint16_t)l4_len);
		ip[6] = proto;
		ip[7] = FRAME_HOP_LIMIT;
		memcpy(ip + 8, src->b, 16);
		memcpy(ip + 24, dst->b, 16);
		return ETH_HEADER + IP6_HEADER;
	}
	be16_put(p + 12, ETHERTYPE_IP4);
	memset(ip, 0, IP4_HEADER);
	ip[0] = 4 << 4 | IP4_HEADER / 4;
	be16_put(ip + 2, (uint16_t)(IP4_HEADER + l4_len));
	be16_put(ip + 6, dont_fragment ? IP4_DF : 0);
	ip[8] = FRAME_HOP_LIMIT;
	ip[9] = proto;
	memcpy(ip + 12, src->b, 4);
	memcpy(ip + 16, dst->b, 4);
	sum = csum_fold(csum_bytes(ip, IP4_HEADER, 0));
	memcpy(ip + 10, &sum, sizeof(sum));
	return ETH_HEADER + IP4_HEADER;
}
