/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The logs of a sandbox in the order of time: exec.log, runtime.log and
 * kernel.log with their rotated siblings, from a place on, or the last of them,
 * and on as long as they are written. What this needs of memory does not depend
 * on how long the logs are.
 */
#ifndef MSB_LOGS_READER_H
#define MSB_LOGS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "logs/logs.h"
#include "logs/scan.h"

struct log_reader_options {
	unsigned streams; /* 1 << enum log_stream, at least one */
	bool has_since, has_until, has_tail;
	int64_t since_ns, until_ns; /* from .. to, without the latter */
	uint64_t tail;		    /* the last so many that pass all else */
	const char *cursor;	    /* go on behind this place; or NULL */
	/* The data holds one of these, if there are any; copied. */
	const struct log_text *texts;
	unsigned ntexts;
	bool follow;
	/* For notifications; without it, or without them, it is looked for news
	 * ten times in a second. */
	const char *dir_path;
	/* Does the sandbox live, so that there may be more? */
	bool (*is_alive)(void *ctx);
	void *ctx;
};

struct log_reader;

struct log_entry {
	int64_t time_ns;
	uint64_t id; /* 0: none */
	enum log_stream stream;
	const uint8_t *data; /* until the next call */
	size_t len;
};

/* dirfd is the log directory, and is borrowed. */
int log_reader_open(int dirfd, const struct log_reader_options *o,
		    struct log_reader **ret, struct err *err);
struct log_reader *log_reader_free(struct log_reader *r); /* NULL */

/*
 * The next entry: 1; 0 when there is none within timeout_ms (-1: any time), or
 * there never will be one; ERR_MISSED_ROTATION, once, when entries are gone
 * before they were read.
 */
int log_reader_next(struct log_reader *r, int timeout_ms, struct log_entry *ret,
		    struct err *err);
bool log_reader_ended(const struct log_reader *r);
/* After an error: the file that could not be read on, and where; or NULL. */
const char *log_reader_failed(const struct log_reader *r, uint64_t *ret_offset);
/* To wait on for a next entry, readable also ten times in a second; or -1. */
int log_reader_fd(const struct log_reader *r);

/* The last entry as JSON without a newline; lent until the next call. */
int log_reader_json(struct log_reader *r, const char **ret, size_t *ret_len,
		    struct err *err);
/* The place behind the last entry; malloc'ed, NULL: no memory. */
char *log_reader_cursor(const struct log_reader *r);

#endif
