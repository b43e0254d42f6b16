/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's end of the link for tests: makes frames with its own hands (no
 * code of the stack), keeps what comes back, and checks all of its checksums.
 */
#ifndef MSB_TESTS_NET_WIRE_H
#define MSB_TESTS_NET_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/net.h"

#define WIRE_FRAMES 512u
#define WIRE_FRAME_MAX 9216u
#define WIRE_MTU 1500u

struct wire_frame {
	uint8_t *data; /* Ethernet header first */
	size_t len;
	struct net_offload o;
};

struct wire {
	struct loop *loop;
	struct net *net;
	struct net_addresses addr;
	struct net_link link;
	struct wire_frame frames[WIRE_FRAMES];
	unsigned count, taken;
	unsigned room; /* frames the guest has buffers for */
	unsigned refused, flushes;
	uint8_t reserved[WIRE_FRAME_MAX];
	struct iovec reserved_iov;
	char log[4096];
};

/* A network with this configuration in JSON (NULL = everything is allowed),
 * whose guest takes checksums that are not complete when csum. */
void wire_open(struct wire *w, const char *config, bool csum);
void wire_close(struct wire *w);

struct wire_udp {
	struct net_addr dst;
	uint16_t sport, dport;
	const void *data;
	size_t len;
	bool may_fragment; /* DF is not set */
	bool no_csum;
};

struct net_addr wire_addr(const char *text);
/* Give a frame; then net_input_end(). */
void wire_input(struct wire *w, const void *frame, size_t len);
void wire_udp(struct wire *w, const struct wire_udp *u);
/* Only give it: the batch goes on. */
void wire_udp_more(struct wire *w, const struct wire_udp *u);
void wire_echo(struct wire *w, const struct net_addr *dst, uint16_t id,
	       uint16_t seq, const void *data, size_t len);
/* Ethernet and IP headers around l4_len bytes at the returned offset. */
size_t wire_ip(const struct wire *w, uint8_t *frame, const struct net_addr *dst,
	       uint8_t proto, size_t l4_len);
/* One fragment of an IP payload; ident is cut to 16 bits for IPv4. */
void wire_fragment(struct wire *w, const struct net_addr *dst, uint8_t proto,
		   uint32_t ident, size_t off, bool more, const void *data,
		   size_t len);

/* The next frame, waited for a while; NULL when none comes. */
const struct wire_frame *wire_next(struct wire *w);
/* Turns of the loop until nothing happens any more. */
void wire_settle(struct wire *w);

/* What a frame is; fails the test when a length or checksum is wrong. */
struct wire_view {
	struct net_addr src, dst;
	uint8_t proto, hop_limit;
	bool df, more;
	size_t fragment_off;
	uint32_t ident;
	const uint8_t *l4, *payload;
	size_t l4_len, payload_len;
	uint16_t sport, dport; /* UDP */
	uint8_t type, code;    /* ICMP */
	uint32_t word;	       /* bytes 4 to 7 of ICMP */
};
struct wire_view wire_view(const struct wire_frame *f);

uint16_t wire_csum(const void *p, size_t len, uint32_t initial);
uint32_t wire_pseudo(const struct net_addr *src, const struct net_addr *dst,
		     uint8_t proto, size_t len);

/* Make the clocks of this process run ahead by so much more. */
void wire_advance(uint64_t ms);

/* A network namespace of this process alone, with a loopback of that MTU, in
 * which everybody may ping. false: not allowed here. */
bool wire_namespace(unsigned mtu);

#endif
