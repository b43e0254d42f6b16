/* SPDX-License-Identifier: Apache-2.0 */
/* A cursor that is accepted is the one that is written for what it says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "logs/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = { 0 };
	struct err err = { 0 };
	char *text, *again;

	if (size > 8192)
		return 0;
	text = malloc(size + 1);
	if (!text)
		abort();
	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	for (unsigned n = 1; n <= CHAIN_COUNT; n += 2) {
		if (cursor_parse(text, n, &c, &err))
			continue;
		again = cursor_format(&c);
		if (!again || c.n != n || strcmp(again, text) != 0)
			abort();
		free(again);
	}
	free(text);
	return 0;
}
