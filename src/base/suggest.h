/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the closest of several words. */
#ifndef MSB_BASE_SUGGEST_H
#define MSB_BASE_SUGGEST_H

#include <stddef.h>

struct suggest {
	const char *typed; /* borrowed */
	const char *best;  /* borrowed; NULL while nothing is close */
	size_t distance;
};

void suggest_init(struct suggest *s, const char *typed);
/* Closest within two edits wins; the first of equals. */
void suggest_add(struct suggest *s, const char *candidate);

#endif
