/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ARP (RFC 826) and neighbour discovery (RFC 4861): the gateway is the only
 * neighbour. Nothing else is answered for, so that the guest's own search for
 * duplicates of its addresses (RFC 5227, RFC 4862) finds none; one for the
 * gateway's is told that it is taken.
 */
#include <netinet/in.h>
#include <string.h>

#include "base/bytes.h"
#include "base/iov.h"
#include "net/net_int.h"

#define ETHERTYPE_ARP 0x0806
#define ARP_LEN 28u
#define ARP_REQUEST 1
#define ARP_REPLY 2

#define ND_ROUTER_SOLICIT 133
#define ND_SOLICIT 135
#define ND_ADVERT 136
#define ND_REDIRECT 137
#define ND_LEN 24u /* with the target */
#define ND_OPTION_LEN 8u
#define ND_OPTIONS_MAX 256u
#define OPT_SOURCE_MAC 1
#define OPT_TARGET_MAC 2
#define ADVERT_SOLICITED 0x40
#define ADVERT_OVERRIDE 0x20
#define ADVERT_ROUTER 0x80

void neighbour_arp(struct net *n, const struct packet *p)
{
	static const uint8_t head[8] = { 0, 1, 0x08, 0, 6, 4, 0, ARP_REQUEST };
	const struct net_addresses *l = &n->link_addr;
	struct net_offload o = { .needs_csum = false };
	uint8_t arp[ARP_LEN], frame[ETH_HEADER + ARP_LEN];
	uint8_t *out = frame + ETH_HEADER;

	if (iov_read(p->iov, p->niov, ETH_HEADER, arp, sizeof(arp)) <
		    sizeof(arp) ||
	    memcmp(arp, head, sizeof(head)) != 0)
		return;
	if (l->gateway4.family != AF_INET ||
	    memcmp(arp + 24, l->gateway4.b, 4) != 0)
		return;
	memcpy(frame, p->src_mac, NET_MAC_LEN);
	memcpy(frame + 6, l->gateway_mac, NET_MAC_LEN);
	be16_put(frame + 12, ETHERTYPE_ARP);
	memcpy(out, head, 6);
	be16_put(out + 6, ARP_REPLY);
	memcpy(out + 8, l->gateway_mac, NET_MAC_LEN);
	memcpy(out + 14, l->gateway4.b, 4);
	memcpy(out + 18, arp + 8, 10); /* who asked */
	(void)net_send(n, frame, sizeof(frame), NULL, 0, 0, &o);
}

static bool unspecified(const struct net_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->b, zero, sizeof(zero)) == 0;
}

/* Every option has a length; a search for duplicates tells no address
 * (RFC 4861, 7.1.1). */
static bool options_are_good(const uint8_t *opt, size_t len, bool probe)
{
	while (len) {
		size_t n;

		if (len < ND_OPTION_LEN)
			return false;
		n = (size_t)opt[1] * ND_OPTION_LEN;
		if (!n || n > len || (probe && opt[0] == OPT_SOURCE_MAC))
			return false;
		opt += n;
		len -= n;
	}
	return true;
}

/* ff02::1:ff00:0/104 and the end of the address asked for. */
static bool solicited_node(const struct net_addr *dst, const uint8_t *target)
{
	static const uint8_t prefix[13] = { 0xff, 2, [11] = 1, [12] = 0xff };

	return memcmp(dst->b, prefix, sizeof(prefix)) == 0 &&
	       memcmp(dst->b + 13, target + 13, 3) == 0;
}

static void advertise(struct net *n, const struct packet *p, bool probe)
{
	static const struct net_addr all_nodes = { .family = AF_INET6,
						   .b = { 0xff, 2, [15] = 1 } };
	static const uint8_t all_nodes_mac[] = { 0x33, 0x33, 0, 0, 0, 1 };
	const struct net_addresses *l = &n->link_addr;
	const struct net_addr *dst = probe ? &all_nodes : &p->src;
	const size_t len = ND_LEN + ND_OPTION_LEN;
	struct net_offload o = { .csum_valid = n->link.csum };
	uint8_t frame[ETH_HEADER + IP6_HEADER + ND_LEN + ND_OPTION_LEN];
	uint8_t *nd = frame + ETH_HEADER + IP6_HEADER;
	uint16_t c;

	(void)frame_ip_header(frame, l, &l->gateway6, dst, IPPROTO_ICMPV6, len,
			      false);
	memcpy(frame, probe ? all_nodes_mac : p->src_mac, NET_MAC_LEN);
	frame[ETH_HEADER + 7] = 255; /* or it is not believed */
	memset(nd, 0, len);
	nd[0] = ND_ADVERT;
	nd[4] = ADVERT_ROUTER | ADVERT_OVERRIDE |
		(probe ? 0 : ADVERT_SOLICITED);
	memcpy(nd + 8, l->gateway6.b, 16);
	nd[24] = OPT_TARGET_MAC;
	nd[25] = 1;
	memcpy(nd + 26, l->gateway_mac, NET_MAC_LEN);
	c = csum_fold(csum_bytes(
		nd, len,
		csum_pseudo(&l->gateway6, dst, IPPROTO_ICMPV6, (uint32_t)len)));
	memcpy(nd + 2, &c, sizeof(c));
	(void)net_send(n, frame, sizeof(frame), NULL, 0, 0, &o);
}

bool neighbour_nd(struct net *n, const struct packet *p)
{
	uint8_t nd[ND_LEN + ND_OPTIONS_MAX];
	const struct net_addresses *l = &n->link_addr;
	size_t len = p->payload_off + p->payload_len - p->l4_off;
	bool probe = unspecified(&p->src);

	if (p->icmp.type < ND_ROUTER_SOLICIT || p->icmp.type > ND_REDIRECT)
		return false;
	if (p->icmp.type != ND_SOLICIT || p->icmp.code || p->hop_limit != 255 ||
	    len < ND_LEN || len > sizeof(nd) || l->gateway6.family != AF_INET6)
		return true;
	if (iov_read(p->iov, p->niov, p->l4_off, nd, len) < len ||
	    memcmp(nd + 8, l->gateway6.b, 16) != 0 ||
	    !options_are_good(nd + ND_LEN, len - ND_LEN, probe))
		return true;
	if (probe && !solicited_node(&p->dst, nd + 8))
		return true;
	advertise(n, p, probe);
	return true;
}
