/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What dns.c and dns_stream.c share: the guest's resolver.
 *
 * A query comes by datagram or stream, is judged, and is answered at once or
 * becomes one of a fixed number of outstanding queries; when its answer has
 * come, it is judged again, pinned (names.h), and released.
 */
#ifndef MSB_NET_DNS_INT_H
#define MSB_NET_DNS_INT_H

#include "base/list.h"
#include "net/dns_cache.h"
#include "net/dns_host.h"
#include "net/net_int.h"

/* Queries waiting for a server; further datagrams are lost, streams wait. */
#define DNS_MAX_OUTSTANDING 64u
/* Of a query; and the longest answer by UDP. */
#define DNS_MAX_QUERY 4096u
/* Answers of all streams that their guests have not read yet. */
#define DNS_STREAM_BACKLOG (4u << 20)

struct dns_stream;

/* Who asked, and whom. */
struct dns_asker {
	struct net_endpoint guest, asked;
	struct dns_stream *stream; /* NULL: by datagram */
	const char *tls_name;	   /* by TLS: of the server; the stream's */
	bool trusted; /* what that server says binds names; set by dns_ask() */
};

struct dns_query {
	struct dns *dns;
	bool busy;
	struct dns_asker who;
	struct dns_request request;
	struct dns_server server; /* asked for by the guest itself */
	bool elsewhere;		  /* that, not the configured ones */
	struct dns_exchange exchange;
	uint8_t msg[DNS_MAX_QUERY];
};

struct dns {
	struct net *net;
	struct dns_servers servers;
	struct dns_name alias;
	struct dns_cache *cache;
	struct list streams; /* struct dns_stream */
	struct list waiting; /* those of them that found no query free */
	size_t backlog;	     /* bytes, see DNS_STREAM_BACKLOG */
	unsigned outstanding;
	struct dns_query queries[DNS_MAX_OUTSTANDING];
	uint8_t in[DNS_MAX_QUERY];    /* a query as it comes */
	uint8_t scratch[DNS_MAX_MSG]; /* an answer as it comes */
};

/*
 * A query of len bytes (at most DNS_MAX_QUERY). 0: it is answered, or not worth
 * an answer; 1: a stream's answer will come by dns_stream_answer(), then
 * dns_stream_done(); -EBUSY: too many are outstanding.
 */
int dns_ask(struct dns *d, const struct dns_asker *asker, const uint8_t *msg,
	    size_t len);
/* Are as many outstanding as there may be? */
static inline bool dns_is_busy(const struct dns *d)
{
	return d->outstanding == DNS_MAX_OUTSTANDING;
}
/* Drop a stream's queries. */
void dns_forget(struct dns *d, const struct dns_stream *s);

/* --- dns_stream.c --- */

void dns_stream_answer(struct dns_stream *s, const uint8_t *msg, size_t len);
void dns_stream_done(struct dns_stream *s);
/* A query has ended: a stream that waited for that may go on. */
void dns_streams_resume(struct dns *d);
void dns_streams_stop(struct dns *d); /* all are reset */

#endif
