/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers kept while they live, so that a guest that asks again need not wait.
 * Only positive ones, of bounded size and number; what is kept is what the
 * server said, so whoever takes an answer from here judges it anew.
 */
#ifndef MSB_NET_DNS_CACHE_H
#define MSB_NET_DNS_CACHE_H

#include "net/dns_msg.h"

#define DNS_CACHE_ENTRIES 128u
#define DNS_CACHE_MAX_ANSWER 1232u

struct dns_cache;

int dns_cache_new(struct dns_cache **ret); /* 0 or -ENOMEM */
struct dns_cache *dns_cache_free(struct dns_cache *c);

/*
 * server: whom the guest asked, or NULL when the configured servers are asked
 * for it. The answer as it would come now: TTLs have grown shorter, the
 * question is written as in this query, the id is the query's. Its length or 0.
 */
size_t dns_cache_get(struct dns_cache *c, const struct net_addr *server,
		     const uint8_t *query, size_t len,
		     const struct dns_request *r, uint64_t now_ms,
		     uint8_t ret[DNS_CACHE_MAX_ANSWER]);
/* Keep an answer that dns_answer_check() liked, if it is of that kind. */
void dns_cache_put(struct dns_cache *c, const struct net_addr *server,
		   const uint8_t *query, size_t len,
		   const struct dns_request *r, const uint8_t *answer,
		   size_t answer_len, uint64_t now_ms);

#endif
