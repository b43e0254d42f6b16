/* SPDX-License-Identifier: Apache-2.0 */
/* The pipe by which a runtime learns that its creator has gone. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "api/api_int.h"
#include "base/io.h"

#define WATCHDOG_RELEASE 0x01

int watchdog_pipe(int fds[2], struct err *err)
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, ERR_IO, errno, "make a pipe");
	return 0;
}

/*
 * Writing to a pipe nobody reads raises SIGPIPE, and a library must not decide
 * what that does to its program: block it here, and take it back if it came.
 */
int watchdog_release(int fd)
{
	const struct timespec now = { 0 };
	const uint8_t byte = WATCHDOG_RELEASE;
	sigset_t pipe_set, old, before;
	ssize_t n;

	(void)sigemptyset(&pipe_set);
	(void)sigaddset(&pipe_set, SIGPIPE);
	(void)sigemptyset(&before);
	(void)sigpending(&before);
	if (pthread_sigmask(SIG_BLOCK, &pipe_set, &old) != 0)
		return -EINVAL;
	n = io_write(fd, &byte, 1);
	if (n == -EPIPE && !sigismember(&before, SIGPIPE))
		(void)sigtimedwait(&pipe_set, NULL, &now);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return n == 1 ? 0 : n < 0 ? (int)n : -EIO;
}
