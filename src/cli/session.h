/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command in a sandbox, connected to this process: input, output, signals,
 * terminal, time limit.
 *
 * Without a terminal, input goes on as it comes, output and error output are
 * written as they come. Nothing is read from the sandbox while output cannot be
 * written, so a slow reader slows the command down. SIGINT, SIGTERM and SIGQUIT
 * are passed on to the command; the second of them kills it. SIGHUP ends it.
 * With a terminal in raw mode every key goes to the command except the detach
 * keys; any of these signals then ends it.
 */
#ifndef MSB_CLI_SESSION_H
#define MSB_CLI_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/detach.h"
#include "microsandbox/microsandbox.h"

enum session_end {
	SESSION_EXITED,	  /* code holds the exit code for our caller */
	SESSION_DETACHED, /* the command goes on without us */
	SESSION_TIMEOUT,  /* it was killed after timeout_ms */
	SESSION_FAILED,	  /* error holds why; code the exit code */
};

struct session_options {
	bool tty;	     /* the command has a terminal of its own */
	uint64_t timeout_ms; /* 0 = none */
	const uint8_t *detach_keys;
	size_t ndetach_keys;
};

struct session_result {
	enum session_end end;
	int code;
	msb_error_t *error; /* FAILED: to be freed by ui_library_error */
};

/* Drive x to its end; the caller frees x. The terminal is restored. */
struct session_result session_run(msb_exec_t *x,
				  const struct session_options *o);

#endif
