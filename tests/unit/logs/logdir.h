/* SPDX-License-Identifier: Apache-2.0 */
/* A log directory for tests, and what a reader makes of it. */
#ifndef MSB_TESTS_UNIT_LOGS_LOGDIR_H
#define MSB_TESTS_UNIT_LOGS_LOGDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "logs/reader.h"

#define ALL_STREAMS 15u
#define OUTPUT_STREAMS 7u

struct logdir {
	char path[64];
	int fd;
	_Atomic bool alive; /* what readers are told */
};

int logdir_setup(void **state);	   /* *state = struct logdir */
int logdir_teardown(void **state); /* cmocka fixtures */

/* Append to a file, or make it. */
void logdir_add(struct logdir *d, const char *name, const char *text);
void logdir_add_bytes(struct logdir *d, const char *name, const void *data,
		      size_t len);
/* One line of exec.log: time in seconds since 2026-01-02T03:04:00Z. */
void logdir_exec(struct logdir *d, const char *name, unsigned at,
		 const char *stream, const char *body);
void logdir_rotate(struct logdir *d, const char *name);

/* Options for everything. */
struct log_reader_options logdir_options(struct logdir *d, unsigned streams);
struct log_reader *logdir_open(struct logdir *d,
			       const struct log_reader_options *o);
/* The entries up to the end or until there is none now, each with '|' in front.
 * The text lives until the next call. */
const char *logdir_read(struct log_reader *r);
/* All that a reader with these options finds. */
const char *logdir_all(struct logdir *d, const struct log_reader_options *o);

#endif
