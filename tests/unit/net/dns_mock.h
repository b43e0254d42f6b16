/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages made by hand, and a server on loopback that says what a test
 * wants, on the loop of the test. */
#ifndef TESTS_NET_DNS_MOCK_H
#define TESTS_NET_DNS_MOCK_H

#include <netinet/in.h>

#include "loop/loop.h"
#include "net/dns_exchange.h"
#include "net/dns_msg.h"

#define MOCK_CONNS 32

struct mock_msg {
	size_t len;
	uint8_t b[DNS_MAX_MSG];
};

/* flags as on the wire; name NULL: no question */
void mock_begin(struct mock_msg *m, uint16_t id, uint16_t flags,
		const char *name, uint16_t type);
void mock_record(struct mock_msg *m, enum dns_section s, const char *owner,
		 uint16_t type, uint16_t class, uint32_t ttl, const void *data,
		 size_t len);
/* A or AAAA in the answer */
void mock_addr(struct mock_msg *m, const char *owner, uint32_t ttl,
	       const char *addr);
void mock_cname(struct mock_msg *m, const char *owner, uint32_t ttl,
		const char *target);
/* An OPT record; dnssec: its bit. */
void mock_edns(struct mock_msg *m, uint16_t udp_size, bool dnssec);

struct mock_server;
struct mock_conn {
	struct mock_server *server;
	struct watch watch;
	int fd;
	size_t got;
	uint8_t in[2 + 4096];
};

struct mock_server {
	struct loop *loop;
	uint16_t port;
	int udp, tcp; /* -1: nobody listens */
	struct watch udp_watch, tcp_watch;
	struct mock_conn conns[MOCK_CONNS];
	unsigned nconns; /* so far */
	unsigned udp_queries, tcp_queries;
	struct sockaddr_in from; /* of the last datagram */
	uint16_t last_id;
	uint8_t last[4096];
	size_t last_len;
	/* Make the answer to last; false: none. */
	bool (*answer)(struct mock_server *s, const struct dns_request *r,
		       bool tcp, struct mock_msg *m);
	bool hang_up;	/* TCP: close instead of answering */
	bool in_pieces; /* TCP: two bytes at a time */
};

void mock_open(struct mock_server *s, struct loop *l);
void mock_close(struct mock_server *s);
struct dns_server mock_end(const struct mock_server *s);
/* A datagram to whoever asked last. */
void mock_send(struct mock_server *s, const struct mock_msg *m);
/* A port of loopback at which nobody is. */
uint16_t mock_dead_port(void);

#endif
