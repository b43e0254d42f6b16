/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of exec.log: the quick parser agrees with the slow one about every
 * line that it understands, and what the writer makes of any bytes is a line
 * that the quick one understands.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "logs/exec_entry.h"
#include "logs/exec_line.h"
#include "logs/json_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_data(const struct log_line *quick, const uint8_t *data,
		      size_t len)
{
	uint8_t *own = malloc(quick->len + 1);
	size_t n = quick->len;

	if (!own)
		abort();
	if (quick->escaped)
		n = json_unescape(quick->data, quick->len, own);
	else if (n)
		memcpy(own, quick->data, n);
	if (n != len || (n && memcmp(own, data, n) != 0))
		abort();
	free(own);
}

/* The line at its exact size, so that no byte past it is read unnoticed. */
static void any_line(const uint8_t *data, size_t size)
{
	struct exec_parser quick, slow;
	struct log_line a, b;
	uint8_t *line = malloc(size ? size : 1);

	if (!line)
		abort();
	if (size)
		memcpy(line, data, size);
	exec_parser_init(&quick);
	exec_parser_init(&slow);
	if (exec_line_parse_own(&quick, line, size, &a)) {
		if (!exec_line_parse_any(&slow, line, size, &b) ||
		    a.time_ns != b.time_ns || a.id != b.id ||
		    a.stream != b.stream)
			abort();
		same_data(&a, b.data, b.len);
	} else {
		(void)exec_line_parse_any(&slow, line, size, &b);
	}
	exec_parser_fini(&quick);
	exec_parser_fini(&slow);
	free(line);
}

static void written_line(const uint8_t *data, size_t size)
{
	struct stamp_cache stamp = { 0 };
	struct exec_parser p;
	struct log_line l;
	struct buf line;

	buf_init(&line, 8u << 20);
	exec_parser_init(&p);
	if (exec_entry_format(&line, &stamp, 1767323045678000000ull, LOG_OUTPUT,
			      size, data, size))
		abort();
	if (!exec_line_parse_own(&p, buf_data(&line), buf_len(&line) - 1, &l) ||
	    l.time_ns != 1767323045678000000 || l.id != size ||
	    l.stream != LOG_OUTPUT)
		abort();
	same_data(&l, data, size);
	exec_parser_fini(&p);
	buf_fini(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1u << 16)
		return 0;
	any_line(data, size);
	written_line(data, size);
	return 0;
}
