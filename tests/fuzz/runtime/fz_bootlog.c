/* SPDX-License-Identifier: Apache-2.0 */
/* Console output of a guest that failed to boot. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/bootlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bootlog *b = calloc(1, sizeof(*b));
	char tail[BOOTLOG_TAIL + 1];
	const char *stage;

	if (!b)
		return 0;
	for (size_t at = 0; at < size;) {
		size_t n = data[at] + 1u;

		if (n > size - at)
			n = size - at;
		bootlog_add(b, data + at, n);
		at += n;
	}
	if (bootlog_tail(b, tail) != strlen(tail))
		abort();
	if (bootlog_agent(b, &stage) && !*stage)
		abort();
	free(b);
	return 0;
}
