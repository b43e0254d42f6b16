/* SPDX-License-Identifier: Apache-2.0 */
/* Matcher of the detach keys. */
#include "cli/detach.h"

#include <string.h>

bool detach_feed(struct detach *d, const uint8_t *in, size_t len, uint8_t *out,
		 size_t *ret_len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t seen[DETACH_MAX_KEYS + 1];
		size_t have = d->held + 1, keep;

		memcpy(seen, d->keys, d->held);
		seen[d->held] = in[i];
		/* The longest end of what was seen that begins the keys. */
		for (keep = have < d->n ? have : d->n; keep > 0; keep--)
			if (!memcmp(seen + have - keep, d->keys, keep))
				break;
		memcpy(out + n, seen, have - keep);
		n += have - keep;
		d->held = keep;
		if (d->n && keep == d->n) {
			d->held = 0;
			*ret_len = n;
			return true;
		}
	}
	*ret_len = n;
	return false;
}
