/* SPDX-License-Identifier: Apache-2.0 */
/* The first bytes of a connection. What was decided from a part of them stays
 * as it is when more come. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/sni.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum sni_result find(const uint8_t *data, size_t len,
			    char name[NET_NAME_MAX + 1])
{
	/* of exactly this size, so that a read beyond it is noticed */
	uint8_t *copy = malloc(len ? len : 1);
	enum sni_result r;

	if (!copy)
		abort();
	if (len)
		memcpy(copy, data, len);
	r = sni_find(copy, len, name);
	free(copy);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char whole[NET_NAME_MAX + 1], part[NET_NAME_MAX + 1];
	char canonical[NET_NAME_MAX + 1];
	enum sni_result all, some;
	size_t step;

	if (size >= SNI_MAX_HELLO)
		size = SNI_MAX_HELLO - 1;
	step = size / 32 + 1;
	all = find(data, size, whole);
	if (all == SNI_FOUND && whole[0] &&
	    (policy_name(whole, strlen(whole), canonical) ||
	     strcmp(whole, canonical)))
		abort();
	for (size_t len = 0; len < size; len += step) {
		some = find(data, len, part);
		if (some != SNI_MORE &&
		    (some != all || (some == SNI_FOUND && strcmp(part, whole))))
			abort();
	}
	return 0;
}
