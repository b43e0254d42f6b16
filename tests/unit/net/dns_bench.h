/* SPDX-License-Identifier: Apache-2.0 */
/* A whole network with a guest that asks, a server on loopback that answers,
 * and a clock that can be moved on. */
#ifndef TESTS_NET_DNS_BENCH_H
#define TESTS_NET_DNS_BENCH_H

#include "dns_mock.h"
#include "guest.h"
#include "net/dns_int.h"

#define BENCH_ID 0x1234

struct dns_bench {
	struct guest *g;
	struct mock_server server;
	struct mock_msg query, answer; /* of the guest, to the guest */
	struct net_endpoint answer_from;
	struct dns_header header; /* of the answer */
};

extern struct dns_bench bench;

/* rules as for --net-rule; NULL: everything is allowed. The server answers
 * questions for addresses with 8.8.8.8 or 2606:4700::1111. */
void bench_open(const char *rules);
void bench_close(void);
/* What the server does when it is not told otherwise. */
bool bench_answer(struct mock_server *s, const struct dns_request *r, bool tcp,
		  struct mock_msg *m);
bool bench_silence(struct mock_server *s, const struct dns_request *r, bool tcp,
		   struct mock_msg *m);
/* The name that the server was asked for, as it came. */
const char *bench_asked(const struct mock_server *s);
void bench_clock(uint64_t ms); /* moves on by so much */

/* bench.query: a question. */
void bench_query(const char *name, uint16_t type);
/* Send it to this address, from this port. */
void bench_send(const struct net_endpoint *to, uint16_t from_port);
/* bench.answer: the next datagram for the guest; false: none comes. */
bool bench_receive(uint16_t port);
void bench_discard(void); /* whatever the guest has not read */
/* Ask the gateway and wait: the answer's code, or -1. */
int bench_ask(const char *name, uint16_t type);
/* Records of type in the answer section; *ret: the last. */
unsigned bench_records(uint16_t type, struct dns_record *ret);
/* Is the address bound to that name? */
bool bench_pinned(const char *addr, const char *name);

#endif
