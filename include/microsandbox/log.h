/* SPDX-License-Identifier: Apache-2.0 */
/* What sandboxes have logged (docs/logs.md). */
#ifndef MICROSANDBOX_LOG_H
#define MICROSANDBOX_LOG_H

#include "microsandbox/core.h"

MSB_BEGIN_DECLS

/* Where an entry comes from. */
enum {
	MSB_LOG_STDOUT = 1 << 0,
	MSB_LOG_STDERR = 1 << 1,
	MSB_LOG_OUTPUT = 1 << 2, /* of a terminal: both in one */
	MSB_LOG_SYSTEM = 1 << 3, /* markers, the runtime's log, the console */
};
#define MSB_LOG_TEXTS_MAX 8
typedef struct {
	const void *data; /* any bytes */
	size_t len;
} msb_log_text_t;
typedef struct {
	size_t struct_size; /* set by the caller to sizeof(...) */
	unsigned sources;   /* MSB_LOG_*; 0: all but MSB_LOG_SYSTEM */
	bool has_since, has_until, has_tail;
	int64_t since_unix_ns; /* entries of this time and later */
	int64_t until_unix_ns; /* entries before this time */
	uint64_t tail;	       /* the last so many of those there are now */
	/* From msb_log_cursor() of the same sources: go on behind that entry.
	 * Not together with tail. MSB_ERR_INVALID_CURSOR when what it points
	 * to is gone, or was never there. */
	const char *cursor;
	/* Only entries whose data holds one of these texts, at most
	 * MSB_LOG_TEXTS_MAX, if there are any. */
	const msb_log_text_t *contains;
	size_t contains_count;
	bool follow; /* wait for more, until the sandbox has ended */
} msb_log_options_t;
/* Of a sandbox that runs, is stopped or has crashed; also of one whose record
 * is lost. o may be NULL. */
int msb_log_open(msb_t *m, const char *sandbox, const msb_log_options_t *o,
		 msb_log_t **ret, msb_error_t **ret_err);
void msb_log_free(msb_log_t *l);

typedef struct {
	size_t struct_size; /* set by the caller to sizeof(...) */
	unsigned source;    /* one of MSB_LOG_* */
	int64_t time_unix_ns;
	uint64_t session; /* counts the commands of one boot; 0: none */
	const void *data; /* any bytes; valid until the next call with l */
	size_t len;
} msb_log_entry_t;
/*
 * The next entry, in the order of time; entries of one file keep their order
 * whatever the clock did. 1, or 0: there is none now, also within timeout_ms
 * (-1: however long) when following. MSB_ERR_MISSED_ROTATION: entries that this
 * follower had not read yet are gone; there will be no more for it.
 */
int msb_log_next(msb_log_t *l, int timeout_ms, msb_log_entry_t *ret,
		 msb_error_t **ret_err);
/* After a 0: nothing will follow, whoever waits. */
bool msb_log_ended(const msb_log_t *l);
/* For a loop of the caller's own: readable when msb_log_next with a timeout of
 * 0 is worth a call, which also is so every 100 ms. -1 when not following. */
int msb_log_fd(const msb_log_t *l);
/* The last entry as a line of JSON (docs/json.md), without its newline; valid
 * until the next call with l. */
int msb_log_json(msb_log_t *l, const char **ret, size_t *ret_len,
		 msb_error_t **ret_err);
/* The place behind the last entry, as text; to be freed with msb_free(). */
int msb_log_cursor(const msb_log_t *l, char **ret, msb_error_t **ret_err);
/* Why the last boot failed, as JSON text (docs/json.md), or *ret = NULL; to be
 * freed with msb_free(). */
int msb_log_boot_error(const msb_log_t *l, char **ret, msb_error_t **ret_err);

MSB_END_DECLS

#endif
