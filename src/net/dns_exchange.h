/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One query to one of several servers, in their order: the next is asked when
 * one cannot be reached, breaks off, or stays silent. Whatever message a server
 * answers with is final.
 */
#ifndef MSB_NET_DNS_EXCHANGE_H
#define MSB_NET_DNS_EXCHANGE_H

#include "loop/loop.h"
#include "net/dns_msg.h"
#include "net/net.h"

struct dns_server {
	struct net_endpoint end;
	uint32_t scope; /* interface of a link-local address, or 0 */
};

/* Embedded in whoever asks; zero-initialise before the first use. */
struct dns_exchange {
	/* Set by the owner, constant until done: */
	struct loop *loop;
	const struct dns_server *servers; /* borrowed */
	size_t nservers;
	bool tcp;
	uint32_t timeout_ms; /* for each server */
	uint8_t *query;	     /* borrowed; its id is ours to choose */
	size_t len;
	uint8_t *scratch; /* borrowed, DNS_MAX_MSG, shared on this loop */
	/* NULL, or TLS with the servers, which must be tls_name. TCP only. */
	const struct net_tls_ops *wires;
	struct tls_proxy *tls;
	const char *tls_name;
	/*
	 * The end, never called from dns_exchange_start(): an answer to the
	 * query, valid during the call and writable, or NULL: no server had
	 * one. Not called after dns_exchange_cancel().
	 */
	void (*done)(struct dns_exchange *x, uint8_t *answer, size_t len);

	/* private */
	size_t at; /* the server being asked */
	int fd;
	bool open;  /* fd is */
	bool asked; /* TCP: the query is sent */
	struct watch watch;
	struct timer timer;
	size_t sent;	   /* TCP: of length and query */
	size_t got;	   /* TCP: of length and answer */
	uint8_t prefix[2]; /* TCP: the answer's length */
	uint8_t *answer;   /* TCP: owned */
	struct tls_wire *wire;
};

void dns_exchange_start(struct dns_exchange *x);
/* The asker became impatient: ask the same server again, if by UDP. */
void dns_exchange_repeat(struct dns_exchange *x);
void dns_exchange_cancel(struct dns_exchange *x); /* harmless when idle */

#endif
