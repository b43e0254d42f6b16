/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one line of exec.log. */
#ifndef MSB_LOGS_EXEC_LINE_H
#define MSB_LOGS_EXEC_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "logs/logs.h"
#include "logs/stamp.h"

/* One entry of any log file. */
struct log_line {
	int64_t time_ns;
	uint64_t id; /* 0: none */
	enum log_stream stream;
	/* Data is the inside of a JSON string, as the file has it, for
	 * json_unescape(); else it is the entry's own bytes. */
	bool escaped;
	const uint8_t *data; /* in the line, or in the parser's scratch */
	size_t len;
};

struct exec_parser {
	struct stamp_cache stamp;
	struct buf scratch; /* of the last line that had to be decoded */
};

void exec_parser_init(struct exec_parser *p);
void exec_parser_fini(struct exec_parser *p);

/* A line without its newline. False: it is no entry. */
bool exec_line_parse(struct exec_parser *p, const uint8_t *line, size_t len,
		     struct log_line *ret);
/* The same for lines in the form that our own writer gives them; false also
 * means that it cannot tell. */
bool exec_line_parse_own(struct exec_parser *p, const uint8_t *line, size_t len,
			 struct log_line *ret);
/* The same for any line, slowly. */
bool exec_line_parse_any(struct exec_parser *p, const uint8_t *line, size_t len,
			 struct log_line *ret);

#endif
