/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user sees: errors, warnings and success lines on stderr, data on
 * stdout. Colours only where the stream shows them.
 */
#ifndef MSB_CLI_UI_H
#define MSB_CLI_UI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "microsandbox/microsandbox.h"

/* NO_COLOR, CLICOLOR_FORCE, CLICOLOR, and whether fd is a terminal. */
bool ui_colors(int fd);

/* Width of the terminal that fd is; 0 when it is none, or does not say. */
size_t ui_columns(int fd);

/* "error: ..." and "warn: ..." lines. */
void ui_error(const char *fmt, ...) MSB_PRINTF(1, 2);
void ui_warn(const char *fmt, ...) MSB_PRINTF(1, 2);
/* "  → ..." below an error. */
void ui_context(const char *fmt, ...) MSB_PRINTF(1, 2);

/* "info ..." and "done ..." lines of msb self. */
void ui_info(const char *fmt, ...) MSB_PRINTF(1, 2);
void ui_done(const char *fmt, ...) MSB_PRINTF(1, 2);

/* A failure of the value grammars. */
void ui_grammar_error(const struct err *err);
/*
 * A failure of the library, with its details for boot and exec failures.
 * Frees e. When log_dir (may be NULL) exists, msb logs is pointed to.
 */
void ui_library_error(msb_error_t *e, const char *log_dir);

struct ui_boot_failure {
	const char *sandbox, *stage; /* NULL: unknown */
	const char *message;
	const char *kernel_log; /* NULL: none */
	int sys;		/* errno, or 0 */
	bool more_in_logs;
};
void ui_boot_failure(const struct ui_boot_failure *f);

/* Exit code for a program that could not be started: 127, 126 or 125. */
int ui_exec_failure_code(const msb_error_t *e);

/*
 * "   ✓ Started      name (1.2s)"; note, if given, and a time over half a
 * second stand in the parentheses.
 */
void ui_success(const char *verb, const char *target, const char *note,
		uint64_t took_ms);
/* "   ✗ Pulling      name", before the error. */
void ui_failure(const char *verb, const char *target);
/* "1.2s", "2m5s". buf >= 32 bytes */
const char *ui_duration(uint64_t ms, char *buf, size_t size);

/*
 * A moving line on a terminal while something long runs: it appears after a
 * fifth of a second and is gone after ui_spinner_stop, and before a signal ends
 * or stops the program. Nothing when quiet or stderr is no terminal.
 */
void ui_spinner_start(bool quiet, const char *verb, const char *target);
void ui_spinner_stop(void);
/* Another text, while it is on. */
void ui_spinner_text(const char *verb, const char *target);
/* "note: ...", above the spinner when it is on. */
void ui_note(const char *text);

/*
 * Ask a yes-or-no question on the terminal; only "y" or "yes" is yes. Without a
 * terminal nobody can say yes: that is an error message and a no.
 */
bool ui_confirm(const char *question);

/*
 * Write b to stdout and free it. 0, or -1 when that failed: a reader that went
 * away is no error worth a message.
 */
int ui_print(struct buf *b);

#endif
