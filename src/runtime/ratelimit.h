/* SPDX-License-Identifier: Apache-2.0 */
/* Limits log lines about a misbehaving guest: a burst, then a few a minute. */
#ifndef MSB_RUNTIME_RATELIMIT_H
#define MSB_RUNTIME_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define RATELIMIT_BURST 10u
#define RATELIMIT_WINDOW_MS 60000u

struct ratelimit {
	uint64_t window_ms; /* start of the current window */
	unsigned used;
};

static inline bool ratelimit_ok(struct ratelimit *r, uint64_t now_ms)
{
	if (!r->used || now_ms - r->window_ms >= RATELIMIT_WINDOW_MS) {
		r->window_ms = now_ms;
		r->used = 0;
	}
	return r->used++ < RATELIMIT_BURST;
}

#endif
