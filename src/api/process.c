/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a program of ours that gets its work through descriptors. */
#include "api/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define EXIT_TIMEOUT_MS 10000u
#define FD_ABOVE 16 /* sources must not lie among their targets */

/* Move a descriptor out of the way of the numbers it is copied to. */
static int lift(int *fd)
{
	int high;

	if (*fd < 0 || *fd >= FD_ABOVE)
		return 0;
	high = fcntl(*fd, F_DUPFD_CLOEXEC, FD_ABOVE);
	if (high < 0)
		return -errno;
	close_fd(fd);
	*fd = high;
	return 0;
}

static int file_actions(posix_spawn_file_actions_t *fa, const int *fds,
			size_t n)
{
	int above = PROGRAM_FIRST_FD;
	int rc =
		posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDWR, 0);

	if (!rc)
		rc = posix_spawn_file_actions_adddup2(fa, 0, 1);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(fa, 0, 2);
	for (size_t i = 0; !rc && i < n; i++) {
		above = PROGRAM_FIRST_FD + (int)i + 1;
		rc = fds[i] < 0
			     ? posix_spawn_file_actions_addclose(fa, above - 1)
			     : posix_spawn_file_actions_adddup2(fa, fds[i],
								above - 1);
	}
	/* Also what the program we live in left open across exec. */
	if (!rc)
		rc = posix_spawn_file_actions_addclosefrom_np(fa, above);
	return rc;
}

static int spawn_attr(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int rc;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	rc = posix_spawnattr_setsigmask(attr, &none);
	if (!rc)
		rc = posix_spawnattr_setsigdefault(attr, &all);
	if (!rc)
		rc = posix_spawnattr_setflags(
			attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
				      POSIX_SPAWN_SETSIGDEF);
	return rc;
}

int program_spawn(const char *path, char *const argv[], char *const env[],
		  int *fds, size_t n, pid_t *ret)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++)
		rc = lift(&fds[i]);
	if (rc)
		return rc;
	rc = posix_spawn_file_actions_init(&fa);
	if (rc)
		return -rc;
	rc = posix_spawnattr_init(&attr);
	if (!rc) {
		rc = file_actions(&fa, fds, n);
		if (!rc)
			rc = spawn_attr(&attr);
		if (!rc)
			rc = posix_spawn(ret, path, &fa, &attr, argv, env);
		(void)posix_spawnattr_destroy(&attr);
	}
	(void)posix_spawn_file_actions_destroy(&fa);
	return -rc;
}

static int reap(pid_t pid)
{
	uint64_t deadline = clock_mono_ms() + EXIT_TIMEOUT_MS;
	const struct timespec pause = { .tv_nsec = 1000000 };
	int status = 0;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return status;
		if (got < 0 && errno != EINTR)
			return 0; /* our host program reaped it */
		if (clock_mono_ms() >= deadline) {
			(void)kill(pid, SIGKILL); /* ours, and not reaped */
			deadline = UINT64_MAX;
		}
		(void)nanosleep(&pause, NULL);
	}
}

void program_end(pid_t pid, char *how, size_t len)
{
	int status = reap(pid);

	if (WIFSIGNALED(status))
		(void)snprintf(how, len, "signal %d", WTERMSIG(status));
	else
		(void)snprintf(how, len, "status %d", WEXITSTATUS(status));
}
