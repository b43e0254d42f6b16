/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three log files of a running sandbox: exec.log (captured output),
 * runtime.log (diagnostics) and kernel.log (guest console). Callers only copy
 * bytes into a bounded queue; one thread formats and writes. A full disk, or a
 * disk slower than the guest, costs log entries and never anything else.
 */
#ifndef MSB_LOGS_LOGS_H
#define MSB_LOGS_LOGS_H

#include <stddef.h>
#include <stdint.h>

enum log_stream {
	LOG_STDOUT,
	LOG_STDERR,
	LOG_OUTPUT, /* a terminal: both in one */
	LOG_SYSTEM,
	LOG_STREAM_COUNT
};

/* "stdout", as in the files. */
const char *log_stream_name(enum log_stream stream);

/* One output stream of one session; zero-initialise, then set the first two.
 * Holds back the unfinished end of a UTF-8 sequence for the next chunk. */
struct log_capture {
	enum log_stream stream;
	uint64_t id;
	uint8_t tail[3];
	uint8_t ntail;
};

struct logs;

/*
 * Start the writer for the files below dirfd (borrowed, must outlive the
 * object). It makes exec.log at once, the others when the first entry comes.
 */
int logs_new(int dirfd, struct logs **ret); /* 0 or -errno */
/* Write what is queued, stop the writer. */
struct logs *logs_free(struct logs *l);

/* All of these may be called from any thread, and none of them blocks. */
void logs_exec(struct logs *l, struct log_capture *c, const void *data,
	       size_t len);
void logs_exec_end(struct logs *l, struct log_capture *c); /* flush the tail */
void logs_marker(struct logs *l, const char *text);	   /* system entry */
/* A machine starts now: what its console says is dated from here. */
void logs_machine_started(struct logs *l);
void logs_kernel(struct logs *l, const void *data, size_t len);
/* A log_sink_fn for base/log.h; ctx is the struct logs. */
void logs_runtime_line(void *ctx, const char *line, unsigned long len);

#endif
