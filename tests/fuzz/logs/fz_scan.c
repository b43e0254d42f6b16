/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search in raw lines: a line whose entry holds the text is never passed
 * over. The input is the text, after a byte with its length, and lines.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "logs/exec_line.h"
#include "logs/json_text.h"
#include "logs/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool holds(const struct log_line *l, const uint8_t *text, size_t len)
{
	uint8_t *own = malloc(l->len + 1);
	size_t n = l->len;
	bool found;

	if (!own)
		abort();
	if (l->escaped)
		n = json_unescape(l->data, l->len, own);
	else if (n)
		memcpy(own, l->data, n);
	found = memmem(own, n, text, len) != NULL;
	free(own);
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct exec_parser p;
	struct log_line l;
	const uint8_t *text = data + 1, *end = data + size;
	size_t len = size ? data[0] % 16 : 0;
	struct log_text texts[2];
	struct scan s;

	if (size < 2 + len || !len || size > 1u << 16)
		return 0;
	/* one of two, the other of which is also looked for */
	texts[0] = (struct log_text){ (const uint8_t *)"other", 5 };
	texts[1] = (struct log_text){ text, len };
	scan_init(&s, texts, 2);
	if (!s.n)
		return 0;
	exec_parser_init(&p);
	for (data = text + len; data < end;) {
		const uint8_t *nl = memchr(data, '\n', (size_t)(end - data));
		size_t n = (size_t)((nl ? nl : end) - data);
		uint8_t *line = malloc(n + 1);

		if (!line)
			abort();
		memcpy(line, data, n);
		line[n] = '\n';
		if (exec_line_parse(&p, line, n, &l) && holds(&l, text, len) &&
		    scan_next(&s, line, n + 1) > n)
			abort();
		free(line);
		data += n + 1;
	}
	exec_parser_fini(&p);
	return 0;
}
