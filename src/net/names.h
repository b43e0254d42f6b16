/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses the guest's own DNS answers bound to which names, for as long
 * as those answers live. Security state: one writer (dns.c), normalised names,
 * the monotonic clock, bounded.
 */
#ifndef MSB_NET_NAMES_H
#define MSB_NET_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

struct names;

int names_new(struct names **ret); /* 0 or -ENOMEM */
struct names *names_free(struct names *n);

/*
 * An answer for (name, family) arrived: it replaces what was known; count 0
 * clears it. ttl_s below 1 counts as 1. When the table is full, the entry that
 * would expire first makes room. 0 or -ENOMEM, then nothing is bound.
 */
int names_bind(struct names *n, const char *name, int family,
	       const struct net_addr *addrs, size_t count, uint32_t ttl_s,
	       uint64_t now_ms);
/* Does fn(ctx, name) hold for any name bound to this address now? names may be
 * NULL: nothing is bound. */
bool names_any(const struct names *n, const struct net_addr *a, uint64_t now_ms,
	       bool (*fn)(void *ctx, const char *name), void *ctx);
void names_sweep(struct names *n, uint64_t now_ms);

#endif
