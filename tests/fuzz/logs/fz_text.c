/* SPDX-License-Identifier: Apache-2.0 */
/* A line of runtime.log or kernel.log: its body is UTF-8, ends with its only
 * newline, and holds no escape. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "logs/text_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_line(const uint8_t *line, size_t len, bool kernel)
{
	struct text_line l;
	struct buf scratch;

	buf_init(&scratch, 1u << 20);
	if (!text_line_parse(&scratch, kernel, line, len, &l))
		abort();
	if (l.kind != TEXT_NONE &&
	    (!l.len || l.body[l.len - 1] != '\n' ||
	     memchr(l.body, '\n', l.len) != l.body + l.len - 1 ||
	     memchr(l.body, 0x1b, l.len) || !utf8_valid(l.body, l.len)))
		abort();
	if (!kernel && l.kind > TEXT_DATED)
		abort();
	buf_fini(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;

	if (size > 1u << 16)
		return 0;
	while (data < end) {
		const uint8_t *nl = memchr(data, '\n', (size_t)(end - data));
		size_t n = (size_t)((nl ? nl + 1 : end) - data);
		uint8_t *line = malloc(n);

		if (!line)
			abort();
		memcpy(line, data, n);
		one_line(line, n, true);
		one_line(line, n, false);
		free(line);
		data += n;
	}
	return 0;
}
