/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about ICMP share with those about datagrams. */
#ifndef MSB_NET_ICMP_INT_H
#define MSB_NET_ICMP_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "loop/loop.h"
#include "net/net_int.h"

#define ICMP_FLOWS 64u
#define ICMP_IDLE_MS 10000u
#define ICMP_ERRORS_PER_S 100u
#define ICMP_ERRORS_BURST 50u

/* The echo requests of one program of the guest to one peer: a ping socket,
 * whose identifier the host's kernel chooses. */
struct icmp_flow {
	struct watch watch;
	struct list link; /* of used, oldest first, or of spare */
	struct icmp *icmp;
	int fd;
	struct net_addr guest, peer;
	uint16_t id; /* the guest's */
	bool dont_fragment;
	uint64_t used_ms;
	size_t last_len; /* of the latest request, with its header */
};

struct icmp {
	struct net *net;
	struct icmp_flow flows[ICMP_FLOWS];
	struct list used, spare;
	struct timer expiry;
	bool told4, told6; /* that there are no ping sockets */
	/* errors to the guest, in thousandths */
	uint64_t tokens, tokens_ms;
	uint8_t *buf; /* one reply; owned */
	size_t buf_len;
};

/* --- icmp_queue.c: what the host's kernel says about sent packets --- */

#define ICMP_REPORT_DATA 1280u

struct icmp_report {
	enum icmp_reason reason;
	uint32_t mtu; /* ICMP_TOO_BIG */
	/* What was sent, behind UDP's header or from ICMP's header on. */
	uint8_t data[ICMP_REPORT_DATA];
	size_t len;
};

/* Ask for reports on a socket, and for IPv6 alone on one of that family. */
int icmp_queue_open(int fd, int family);
/* May the host fragment what is sent, or is it to say that it is too big? */
int icmp_queue_set_df(int fd, int family, bool dont_fragment);
/* The next report the guest can be told of: true; else there is none. */
bool icmp_queue_read(int fd, int family, struct icmp_report *ret);

/* The reason for an errno of connect() or send(); false: nothing to tell. */
bool icmp_reason_of(int error, enum icmp_reason *ret);

#endif
