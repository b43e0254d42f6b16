/* SPDX-License-Identifier: Apache-2.0 */
/* Credential helpers: programs that are asked for a password. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"
#include "image/docker_config.h"

#define TIME_LIMIT_MS 30000u
#define ANSWER_MAX (2 * CREDENTIAL_MAX)
#define CHUNK 4096u

int docker_helper_parse(const char *text, size_t len, struct credential *ret)
{
	json_t *root = json_loadb(text, len, 0, NULL);
	const char *user = json_string_value(json_object_get(root, "Username"));
	const char *pass = json_string_value(json_object_get(root, "Secret"));
	struct credential c = { .username = NULL };
	int rc = 1;

	if (!user || !pass) {
		rc = -EPROTO;
	} else if (!*user || !*pass || strchr(user, ':') ||
		   !strcmp(user, "<token>")) {
		rc = 0;
	} else {
		c.username = strdup(user);
		c.password = strdup(pass);
		if (!c.username || !c.password) {
			credential_fini(&c);
			rc = -ENOMEM;
		}
	}
	json_decref(root);
	if (rc > 0)
		*ret = c;
	return rc;
}

/* In a process group of its own, with our signals as they were. */
static int spawn(const char *program, int in, int out, pid_t *ret)
{
	char *const argv[] = { (char *)program, (char *)"get", NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t defaults, none;
	int rc;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGXFSZ);
	if (posix_spawn_file_actions_init(&files))
		return -ENOMEM;
	if (posix_spawnattr_init(&attr)) {
		(void)posix_spawn_file_actions_destroy(&files);
		return -ENOMEM;
	}
	rc = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&files, out,
						      STDOUT_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_addopen(&files, STDERR_FILENO,
						      "/dev/null", O_WRONLY, 0);
	if (!rc)
		rc = posix_spawn_file_actions_addclosefrom_np(&files, 3);
	(void)posix_spawnattr_setsigdefault(&attr, &defaults);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
						      POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETSIGMASK);
	if (!rc)
		rc = posix_spawnp(ret, program, &files, &attr, argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&files);
	return -rc;
}

/* Wait for fd to have something, until a point in time: 0 or -ETIMEDOUT. */
static int wait_for(int fd, uint64_t end_ms)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_mono_ms();

		if (now >= end_ms)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)(end_ms - now)) > 0)
			return 0;
	}
}

/* Everything until the end of the output; -ETIMEDOUT, -EFBIG. */
static int collect(int fd, uint64_t end_ms, struct buf *out)
{
	for (;;) {
		int rc = wait_for(fd, end_ms);
		uint8_t *room;
		ssize_t n;

		if (rc)
			return rc;
		room = buf_reserve(out, CHUNK);
		if (!room)
			return -EFBIG;
		n = io_read(fd, room, CHUNK);
		if (n <= 0)
			return (int)n;
		buf_commit(out, (size_t)n);
	}
}

/* 0 when the helper ended well, 1 when it ended otherwise; -errno when it had
 * to be ended. */
static int reap(pid_t pid, int rc, uint64_t end_ms)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int status = 0;

	if (!rc && pidfd >= 0)
		rc = wait_for(pidfd, end_ms);
	if (rc)
		(void)kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (rc)
		return rc;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

/* As reap(), or -errno when it did not start. */
static int ask(const char *program, const char *server, struct buf *out)
{
	uint64_t end_ms = clock_mono_ms() + TIME_LIMIT_MS;
	int in[2], answer[2], rc;
	pid_t pid = -1;

	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(answer, O_CLOEXEC) < 0) {
		rc = -errno;
		(void)close(in[0]);
		(void)close(in[1]);
		return rc;
	}
	rc = spawn(program, in[0], answer[1], &pid);
	(void)close(in[0]);
	(void)close(answer[1]);
	if (!rc) /* one that does not want to know need not be told */
		(void)io_write_full(in[1], server, strlen(server));
	(void)close(in[1]);
	if (!rc)
		rc = reap(pid, collect(answer[0], end_ms, out), end_ms);
	(void)close(answer[0]);
	return rc;
}

int docker_helper_get(const char *name, const char *server,
		      struct credential *ret, struct err *err)
{
	autofree char *program = str_fmt("docker-credential-%s", name);
	struct buf out;
	int rc;

	if (!program)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "ask a helper");
	buf_init(&out, ANSWER_MAX);
	rc = ask(program, server, &out);
	if (rc == 1)
		rc = 0; /* how helpers say that they know nothing */
	else if (!rc)
		rc = docker_helper_parse((const char *)buf_data(&out),
					 buf_len(&out), ret);
	if (out.data)
		explicit_bzero(out.data, out.len);
	buf_fini(&out);
	return rc < 0 ? err_sys(err, ERR_IO, -rc, "%s gave no credentials",
				program)
		      : rc;
}
