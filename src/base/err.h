/* SPDX-License-Identifier: Apache-2.0 */
/* Errors a person may read: filled once where most is known, printed once. */
#ifndef MSB_BASE_ERR_H
#define MSB_BASE_ERR_H

#include "base/compiler.h"

/*
 * What a caller may branch on. The public library exports the same list with
 * the same numbers, so values are only ever added at the end.
 */
enum err_kind {
	ERR_NONE,
	ERR_IO,	     /* a host system call failed */
	ERR_INVALID, /* the caller's configuration is wrong */
	ERR_SANDBOX_NOT_FOUND,
	ERR_SANDBOX_EXISTS,
	ERR_SANDBOX_RUNNING, /* the operation needs a stopped sandbox */
	ERR_SANDBOX_STATE,   /* any other wrong state */
	ERR_DATABASE,
	ERR_RUNTIME,	 /* the sandbox's own process misbehaved */
	ERR_BOOT,	 /* the machine did not come up */
	ERR_PROTOCOL,	 /* the peer broke the wire protocol */
	ERR_AGENT,	 /* the agent connection failed or ended */
	ERR_EXEC_FAILED, /* the guest could not start the program */
	ERR_TIMEOUT,
	ERR_UNSUPPORTED, /* known, but this build or host cannot do it */
	ERR_NO_SPACE,
	ERR_PERMISSION,
	ERR_NO_MEMORY,
	ERR_FS,	   /* a guest file operation failed */
	ERR_IMAGE, /* an image, or the registry it comes from, is unsound */
	ERR_IMAGE_NOT_FOUND,
	ERR_IMAGE_IN_USE,
	ERR_VOLUME_NOT_FOUND,
	ERR_VOLUME_EXISTS,
	ERR_VOLUME_IN_USE,
	ERR_SNAPSHOT_NOT_FOUND,
	ERR_SNAPSHOT_EXISTS,
	ERR_SNAPSHOT_SOURCE, /* its sandbox runs, or has no image */
	ERR_SNAPSHOT_IMAGE_MISSING,
	ERR_SNAPSHOT_INTEGRITY,
	ERR_MISSED_ROTATION,
	ERR_INVALID_CURSOR,
	ERR_METRICS_DISABLED,
	ERR_METRICS_UNAVAILABLE,
	ERR_CANCELLED,
	ERR_EXEC_TIMEOUT,
	ERR_PATCH,
	ERR_FS_NOT_FOUND,
	ERR_AGENT_BUSY,
	ERR_AGENT_CLOSED,
	ERR_KIND_COUNT
};

struct err {
	enum err_kind kind;
	int sys;       /* errno at the failure; 0 only when none applies */
	char msg[480]; /* outermost context first, no newline */
};

/*
 * Fill *err (NULL allowed) and return -sys, or -EINVAL when sys is 0.
 * When sys is not 0 and the format ends in ": %m"-less text, the caller adds
 * the system's text itself with err_sys().
 */
int err_set(struct err *err, enum err_kind kind, int sys, const char *fmt, ...)
	MSB_PRINTF(4, 5);

/* As err_set, and appends ": <strerror(sys)>" to the message. */
int err_sys(struct err *err, enum err_kind kind, int sys, const char *fmt, ...)
	MSB_PRINTF(4, 5);

/* The static analyser sees one file at a time, and is to know that a failure is
 * negative. */
#ifdef __clang_analyzer__
#define err_set(...) ((void)err_set(__VA_ARGS__), -1)
#define err_sys(...) ((void)err_sys(__VA_ARGS__), -1)
#endif

/* Put "<text>: " in front of a message that is already set. */
void err_prefix(struct err *err, const char *fmt, ...) MSB_PRINTF(2, 3);

void err_clear(struct err *err);

/* Stable lower-case name of a kind, e.g. "sandbox_not_found". */
const char *err_kind_name(enum err_kind kind);

#endif
