/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet, ARP, IPv4, IPv6, TCP, UDP and ICMP headers: read from hostile
 * frames and written into frames for the guest. Pure functions. */
#ifndef MSB_NET_FRAME_H
#define MSB_NET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "net/addr.h"
#include "net/net.h"

#define ETH_HEADER 14u
#define IP4_HEADER 20u
#define IP6_HEADER 40u
#define TCP_HEADER 20u
#define UDP_HEADER 8u
#define ICMP_HEADER 8u
#define FRAME_HOP_LIMIT 64

/*
 * One frame of the guest. Everything here is a copy; only the payload still
 * lies in guest memory, from payload_off of the frame on.
 */
struct packet {
	const struct iovec *iov;
	unsigned niov;
	uint8_t src_mac[NET_MAC_LEN], dst_mac[NET_MAC_LEN];
	uint16_t ethertype;
	struct net_addr src, dst;
	uint8_t proto; /* IPPROTO_*; of the payload behind extensions */
	uint8_t hop_limit;
	/* The IP header (with extensions) begins here and is this long. */
	size_t ip_off, ip_len;
	/* A fragment: then proto's header has not been looked at, and payload
	 * is what follows the IP headers. */
	bool fragment, more_fragments;
	bool dont_fragment; /* DF; an IPv6 packet that is no fragment */
	uint32_t fragment_id;
	uint16_t fragment_off; /* bytes */
	/* proto's header */
	size_t l4_off;
	union {
		struct {
			uint16_t sport, dport;
			uint32_t seq, ack;
			uint8_t flags; /* TH_* */
			uint16_t window;
			uint16_t mss;  /* option, 0 = none */
			int8_t wscale; /* option, -1 = none */
		} tcp;
		struct {
			uint16_t sport, dport;
		} udp;
		struct {
			uint8_t type, code;
			uint16_t id, seq; /* echo */
		} icmp;
	};
	size_t payload_off, payload_len;
};

/*
 * Parse and check everything up to the payload: lengths, header checksums,
 * and proto's checksum unless o says that the guest left it to us. 0; -EBADMSG:
 * to be dropped; -EPROTONOSUPPORT: well-formed, of no kind we serve.
 */
int packet_parse(const struct iovec *iov, unsigned niov,
		 const struct net_offload *o, struct packet *ret);

/* RFC 1071 over a part of scattered memory; initial is a sum so far, the result
 * is not yet complemented or folded below 16 bits. */
uint32_t csum_iov(const struct iovec *iov, unsigned n, size_t off, size_t len,
		  uint32_t initial);
uint32_t csum_bytes(const void *p, size_t len, uint32_t initial);
uint32_t csum_pseudo(const struct net_addr *src, const struct net_addr *dst,
		     uint8_t proto, uint32_t len);
uint16_t csum_fold(uint32_t sum); /* complemented, network order */

/* Headers of a frame to the guest: Ethernet and IP around l4_len bytes of
 * proto. Returns their length (at most ETH_HEADER + IP6_HEADER). */
size_t frame_ip_header(uint8_t *p, const struct net_addresses *link,
		       const struct net_addr *src, const struct net_addr *dst,
		       uint8_t proto, size_t l4_len, bool dont_fragment);

#endif
