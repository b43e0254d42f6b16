/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagram flows: one connected socket of the host for each pair of ends the
 * guest uses. Only udp*.c see this.
 */
#ifndef MSB_NET_UDP_INT_H
#define MSB_NET_UDP_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/list.h"
#include "loop/loop.h"
#include "net/icmp_int.h"
#include "net/net_int.h"

#define UDP_FLOWS 256u
#define UDP_BUCKETS 256u
#define UDP_IDLE_MS 60000u
#define UDP_NONE UINT16_MAX

/* From the guest: what one batch may hold before it is sent. */
#define UDP_OUT_MAX 128u
#define UDP_OUT_BYTES (256u * 1024)
/* The kernel's limits on one call's segments. */
#define UDP_SEGMENTS 64u
#define UDP_SEGMENTS_BYTES 65000u

/* To the guest: datagrams, or rows of them, per call. Slots do not begin at
 * the same place of a page, or they would fight for the same cache lines. */
#define UDP_IN_MAX 32u
#define UDP_IN_SLOT (65536u + 320u)
#define UDP_IN_ROUNDS 4

struct udp_flow {
	struct watch watch;
	struct list link;      /* of used, oldest first, or of spare */
	struct list sending;   /* of out.flows, while something is queued */
	struct list waiting;   /* of in.waiting, while the guest has no room */
	struct udp_flow *next; /* in its bucket */
	struct udp *udp;
	int fd, family; /* of the socket */
	struct net_endpoint guest, peer;
	uint64_t used_ms, judged_ms;
	size_t longest;	      /* datagram so far */
	uint16_t first, last; /* queued, UDP_NONE = nothing */
	bool dont_fragment;   /* how the socket is set */
	bool segments;	      /* several datagrams go in one call */
};

struct udp_out {
	uint32_t off, len; /* in the bytes */
	uint16_t next;	   /* of the same flow */
	bool dont_fragment;
};

/* What one sendmmsg() is given. */
struct udp_call {
	struct mmsghdr msgs[UDP_OUT_MAX];
	struct iovec iov[UDP_OUT_MAX];
	_Alignas(struct cmsghdr) char control[UDP_OUT_MAX]
					     [CMSG_SPACE(sizeof(uint16_t))];
	unsigned count;
};

struct udp {
	struct net *net;
	struct udp_flow flows[UDP_FLOWS];
	struct udp_flow *buckets[UDP_BUCKETS];
	struct udp_flow *latest; /* looked at first */
	struct list used, spare;
	struct timer expiry;
	uint16_t ident;	 /* of fragments to the guest */
	uint8_t *memory; /* mapped: out.bytes, then in's slots */
	struct {
		uint8_t *bytes;
		size_t used;
		unsigned count;
		struct udp_out queue[UDP_OUT_MAX];
		struct list flows;
		struct udp_call call;
	} out;
	struct {
		struct mmsghdr msgs[UDP_IN_MAX];
		struct iovec iov[UDP_IN_MAX];
		_Alignas(struct cmsghdr) char control[UDP_IN_MAX]
						     [CMSG_SPACE(sizeof(int))];
		/* Received, and not yet with the guest: of owner, the messages
		 * from next on, of the first without its first off bytes. */
		struct udp_flow *owner;
		unsigned next, count;
		size_t off;
		struct list waiting;
	} in;
};

/* --- udp_flow.c --- */

/* The flow, made if need be; NULL when that fails, which the guest is told. */
struct udp_flow *udp_flow_get(struct udp *u, const struct packet *p);
struct udp_flow *udp_flow_find(struct udp *u, const struct net_endpoint *guest,
			       const struct net_endpoint *peer);
void udp_flow_close(struct udp_flow *f);
void udp_flow_used(struct udp_flow *f);
/* Tell the guest what the host's kernel reported: how much that was. */
int udp_flow_reports(struct udp_flow *f);

/* --- udp_out.c: to the host --- */

/* Queue a datagram whose payload is still in the guest's memory. */
void udp_out_add(struct udp_flow *f, const struct packet *p);
void udp_out_flush(struct udp *u);

/* --- udp_in.c: to the guest --- */

void udp_in_init(struct udp *u, uint8_t *memory);
/* Read what the socket has. */
void udp_in_ready(struct udp_flow *f);
/* The guest has buffers again. */
void udp_in_resume(struct udp *u);
/* f is going away. */
void udp_in_forget(struct udp_flow *f);

#endif
