/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as text for a terminal: what is made safe is UTF-8 without control
 * characters; what is cut fits.
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fit(const char *text, size_t max)
{
	char *fit = text_fit(text, max), *cut = text_cut(text, max + 3);

	if (!fit || text_width(fit) > max)
		abort();
	if (!cut || text_width(cut) > max + 3)
		abort();
	if (text_width(text) <= max && strcmp(fit, text) != 0)
		abort();
	free(fit);
	free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct buf out;

	if (!text)
		return 0;
	buf_init(&out, 1 << 24);
	text_put_safe(&out, text);
	if (!buf_cstr(&out) || !utf8_valid(buf_data(&out), buf_len(&out)))
		abort();
	for (size_t i = 0; i < buf_len(&out); i++)
		if (buf_data(&out)[i] < 0x20 || buf_data(&out)[i] == 0x7f)
			abort();
	if (text_width(buf_cstr(&out)) > 2 * strlen(text))
		abort();
	for (size_t max = 0; max < 12; max++)
		check_fit(text, max);
	buf_fini(&out);
	free(text);
	return 0;
}
