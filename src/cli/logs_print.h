/* SPDX-License-Identifier: Apache-2.0 */
/* Log entries as text, or as lines of JSON, on a descriptor. */
#ifndef MSB_CLI_LOGS_PRINT_H
#define MSB_CLI_LOGS_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "microsandbox/microsandbox.h"

struct log_layout {
	bool timestamps;
	bool show_id;	     /* of the session */
	bool color_sessions; /* a colour for each; includes show_id */
	bool colors;	     /* of our own */
	bool strip;	     /* escape sequences are left out */
	bool raw;	     /* bytes that are no text stay what they are */
};

/* Where in an escape sequence a stream is. */
struct log_escape {
	uint64_t session;
	unsigned source;
	unsigned len; /* of the sequence so far */
	uint8_t state;
};

#define LOG_STREAMS 64

struct log_printer {
	struct log_layout layout;
	int fd; /* borrowed */
	struct buf out;
	struct buf text;  /* of one entry: without broken characters */
	struct buf plain; /* and without escape sequences */
	int64_t second;	  /* that stamp holds */
	char stamp[40];	  /* "2026-05-22T10:11:12" */
	struct log_escape streams[LOG_STREAMS];
};

void log_printer_init(struct log_printer *p, const struct log_layout *layout,
		      int fd);
void log_printer_fini(struct log_printer *p);

/* 0, or -errno of a write: -EPIPE when nobody reads any more. */
int log_print_entry(struct log_printer *p, const msb_log_entry_t *e);
int log_print_line(struct log_printer *p, const char *line, size_t len);
int log_print_flush(struct log_printer *p);

#endif
