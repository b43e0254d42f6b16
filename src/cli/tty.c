/* SPDX-License-Identifier: Apache-2.0 */
/* Raw terminal mode and signals of the foreground command. */
#include "cli/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/io.h"

/* Process-wide because signal handlers and exit reach for it. */
static struct {
	struct termios saved, changed;
	volatile sig_atomic_t active;
	bool hooked;
} terminal;

static int signal_pipe[2] = { -1, -1 };

static const int caught[] = { SIGINT,	SIGTERM, SIGHUP, SIGQUIT,
			      SIGWINCH, SIGCONT, SIGTSTP };
static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

int tty_open(void)
{
	char path[128];
	int fd, rc;

	rc = ttyname_r(STDIN_FILENO, path, sizeof(path));
	if (rc)
		return -rc;
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void tty_restore(void)
{
	if (!terminal.active)
		return;
	terminal.active = 0;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal.saved);
}

/* A crash must not leave the user without echo. */
static void on_fatal(int sig)
{
	if (terminal.active)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal.saved);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

static void hook_fatal(void)
{
	struct sigaction sa = { .sa_handler = on_fatal,
				.sa_flags = SA_RESETHAND | SA_NODEFER };

	(void)sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		(void)sigaction(fatal[i], &sa, NULL);
}

/* Change to terminal.changed; terminal.saved is what there was. */
static int change(void)
{
	if (!terminal.hooked) {
		terminal.hooked = true;
		if (atexit(tty_restore))
			return -ENOMEM;
		hook_fatal();
	}
	terminal.active = 1;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal.changed)) {
		int rc = -errno;

		terminal.active = 0;
		return rc;
	}
	return 0;
}

int tty_raw(void)
{
	if (!terminal.active) {
		if (tcgetattr(STDIN_FILENO, &terminal.saved))
			return -errno;
		terminal.changed = terminal.saved;
		cfmakeraw(&terminal.changed);
	}
	return change();
}

int tty_no_echo(void)
{
	/* From the background it would stop the program. */
	if (terminal.active || tcgetpgrp(STDIN_FILENO) != getpgrp())
		return -EBUSY;
	if (tcgetattr(STDIN_FILENO, &terminal.saved))
		return -errno;
	terminal.changed = terminal.saved;
	terminal.changed.c_lflag &= ~(tcflag_t)ECHO;
	return change();
}

void tty_size(unsigned *ret_rows, unsigned *ret_cols)
{
	static const int fds[] = { STDOUT_FILENO, STDERR_FILENO, STDIN_FILENO };
	struct winsize ws;

	*ret_rows = 24;
	*ret_cols = 80;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (ioctl(fds[i], TIOCGWINSZ, &ws) || !ws.ws_row || !ws.ws_col)
			continue;
		*ret_rows = ws.ws_row;
		*ret_cols = ws.ws_col;
		return;
	}
}

static void on_signal(int sig)
{
	uint8_t byte = (uint8_t)sig;
	int saved = errno;

	/* A full pipe already holds more signals than anyone will act on. */
	(void)!write(signal_pipe[1], &byte, 1);
	errno = saved;
}

int signals_catch(bool raw)
{
	struct sigaction sa = { .sa_handler = on_signal,
				.sa_flags = SA_RESTART };

	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	(void)sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++) {
		struct sigaction old;

		if (caught[i] == SIGTSTP && !raw)
			continue;
		/* nohup and background shells ignore some on purpose. */
		if (!sigaction(caught[i], NULL, &old) &&
		    old.sa_handler == SIG_IGN)
			continue;
		(void)sigaction(caught[i], &sa, NULL);
	}
	return signal_pipe[0];
}

int signals_next(void)
{
	uint8_t byte;

	return io_read(signal_pipe[0], &byte, 1) == 1 ? byte : 0;
}

void signals_release(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };

	if (signal_pipe[0] < 0)
		return;
	(void)sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++) {
		struct sigaction old;

		if (!sigaction(caught[i], NULL, &old) &&
		    old.sa_handler == on_signal)
			(void)sigaction(caught[i], &sa, NULL);
	}
	close_fd(&signal_pipe[0]);
	close_fd(&signal_pipe[1]);
}

void tty_suspend(void)
{
	bool raw = terminal.active;

	tty_restore();
	(void)raise(SIGSTOP);
	if (raw)
		(void)tty_raw();
}

/* --- secrets --- */

/* Wait for input: 0, or the signal that came instead. */
static int await_input(int signals)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = signals, .events = POLLIN } };

	for (;;) {
		int sig = signals_next();

		if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP ||
		    sig == SIGQUIT)
			return sig;
		if (poll(fds, ARRAY_SIZE(fds), -1) > 0 && fds[0].revents)
			return 0;
	}
}

static int read_line(int signals, char *buf, size_t size, int *ret_sig)
{
	size_t used = 0;

	for (;;) {
		ssize_t n;
		char c;

		*ret_sig = await_input(signals);
		if (*ret_sig)
			return -EINTR;
		n = io_read(STDIN_FILENO, &c, 1);
		if (n <= 0)
			return n ? (int)n : -ENODATA;
		if (c == '\n')
			break;
		if (used + 1 == size)
			return -EMSGSIZE;
		buf[used++] = c;
	}
	buf[used] = 0;
	return 0;
}

int tty_read_secret(const char *prompt, char *buf, size_t size)
{
	struct termios saved, quiet;
	int signals, rc, sig = 0;

	if (tcgetattr(STDIN_FILENO, &saved))
		return -errno;
	signals = signals_catch(false);
	if (signals < 0)
		return signals;
	quiet = saved;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
	quiet.c_lflag |= ECHONL;
	rc = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) ? -errno : 0;
	(void)io_write_full(STDERR_FILENO, prompt, strlen(prompt));
	if (!rc)
		rc = read_line(signals, buf, size, &sig);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
	signals_release();
	if (sig) {
		(void)io_write_full(STDERR_FILENO, "\n", 1);
		(void)raise(sig);
	}
	return rc;
}
