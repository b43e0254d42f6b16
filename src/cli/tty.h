/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's terminal in raw mode, and the signals that matter while a command
 * runs. The terminal is put back on every way out: tty_restore, exit, and
 * signals that kill.
 */
#ifndef MSB_CLI_TTY_H
#define MSB_CLI_TTY_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Open the terminal of standard input anew (so that non-blocking mode does not
 * reach the other descriptors of it), close-on-exec and non-blocking.
 * Descriptor, or -errno.
 */
int tty_open(void);

/* Raw mode on the terminal of standard input. 0 or -errno. */
int tty_raw(void);
/*
 * No echo of what is typed, on the terminal of standard input if it is ours to
 * change now. 0 or -errno.
 */
int tty_no_echo(void);
/* Back to what it was before tty_raw or tty_no_echo; harmless without. */
void tty_restore(void);

/*
 * Ask on the terminal of standard input for a line that is not echoed. 0 or
 * -errno; -ENODATA at the end of input, -EMSGSIZE for a line that is too long.
 * A signal that ends the program puts the terminal back first.
 */
int tty_read_secret(const char *prompt, char *buf, size_t size);

/* Size of the terminal on stdout, stderr or stdin; 24 x 80 without one. */
void tty_size(unsigned *ret_rows, unsigned *ret_cols);

/*
 * Catch SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH and SIGCONT: the descriptor
 * returned (or -errno) becomes readable, and signals_next gives one after the
 * other, 0 when there are no more. With raw also SIGTSTP. signals_release
 * restores their default action.
 */
int signals_catch(bool raw);
int signals_next(void);
void signals_release(void);

/* Stop like a job-control stop, with the terminal as the shell expects it. */
void tty_suspend(void);

#endif
