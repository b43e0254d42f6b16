/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server's answer says, and whether it may be believed and passed on.
 * Pure functions over hostile bytes.
 */
#ifndef MSB_NET_DNS_ANSWER_H
#define MSB_NET_DNS_ANSWER_H

#include "net/dns_msg.h"
#include "net/policy.h"

/* Addresses of one family a guest may learn from one answer. */
#define DNS_MAX_ADDRS 256u
/* Aliases (CNAME) followed from the name that was asked for. */
#define DNS_MAX_CHAIN 16u

/*
 * Is this the answer to that query? Its length without what may follow the
 * message; 0: it belongs to another query; -EBADMSG: it does, and is broken.
 */
int dns_answer_check(const uint8_t *query, size_t query_len, const uint8_t *msg,
		     size_t len);

/* Never the address of a public name (spec of rebind protection). */
bool dns_addr_is_inner(const struct net_addr *a);
/*
 * Does the answer name an address of that kind which no rule opens? Then *ret
 * is the first. Addresses in HTTPS and SVCB records count.
 */
bool dns_answer_rebinds(const uint8_t *msg, size_t len,
			const struct policy *policy,
			const struct net_addresses *link, struct net_addr *ret);

/*
 * The addresses of a family that the answer gives for the name asked for,
 * itself or along its aliases; how many. *ret_ttl_s: the least of what led
 * there; 0 when there are none.
 */
size_t dns_answer_addresses(const uint8_t *msg, size_t len, int family,
			    struct net_addr ret[DNS_MAX_ADDRS],
			    uint32_t *ret_ttl_s);

#endif
