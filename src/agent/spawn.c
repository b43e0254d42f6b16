/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting one program.
 *
 * The child shares the agent's memory until it executes the program
 * (CLONE_VM | CLONE_VFORK): copying page tables is what makes fork() slow,
 * most of all in a guest kernel that is itself a process. The rules for the
 * code between clone and exec:
 *
 *  1. The agent sleeps until the child has executed or exited, so the child
 *     may write to memory of the agent that was set aside for it: struct
 *     spawner. It has a stack of its own.
 *  2. It must not allocate, lock, or change any other state of the agent.
 *     Its descriptors, signal handlers, directory and credentials are copies.
 *  3. Identity is changed with plain system calls; libc's functions would try
 *     to change that of "all threads".
 *  4. A failing step is written to struct spawner, no pipe is needed.
 */
#include "agent/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define STACK_SIZE 65536

/*
 * The kernel lets arguments and environment take a quarter of the stack
 * limit, and never more than 6 MB. Beyond the first threshold the soft limit
 * is raised to what allows the maximum; the program then sees that limit.
 */
#define LARGE_BLOCK (1u << 20)
#define LARGE_STACK (32u << 20)

struct spawner {
	const struct spawn_params *p;
	struct spawn_error error; /* written by the child */
	char candidate[PATH_MAX]; /* scratch of the child's PATH search */
	void *stack;		  /* owned mapping */
};

static const char *const step_names[] = {
	[SPAWN_CLONE] = "fork",	 [SPAWN_SETSID] = "setsid",
	[SPAWN_TTY] = "tty",	 [SPAWN_STDIO] = "stdio",
	[SPAWN_CHDIR] = "chdir", [SPAWN_RLIMIT] = "setrlimit",
	[SPAWN_USER] = "setuid", [SPAWN_EXEC] = "execvp",
};
static_assert(ARRAY_SIZE(step_names) == SPAWN_STEP_COUNT,
	      "step_names[] doesn't match enum spawn_step");

const char *spawn_step_name(enum spawn_step step)
{
	return step_names[step];
}

int spawner_new(struct spawner **ret)
{
	struct spawner *s = calloc(1, sizeof(*s));
	void *stack;

	if (!s)
		return -ENOMEM;
	stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED) {
		free(s);
		return -ENOMEM;
	}
	s->stack = stack;
	*ret = s;
	return 0;
}

struct spawner *spawner_free(struct spawner *s)
{
	if (s) {
		(void)munmap(s->stack, STACK_SIZE);
		free(s);
	}
	return NULL;
}

/* A source below 3 would be overwritten by an earlier dup2. */
static int child_stdio(const struct spawn_params *p)
{
	int fd[3];

	for (int i = 0; i < 3; i++) {
		fd[i] = p->stdio[i];
		if (fd[i] < 3)
			fd[i] = fcntl(fd[i], F_DUPFD_CLOEXEC, 3);
		if (fd[i] < 0)
			return -1;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(fd[i], i) < 0)
			return -1;
	return 0;
}

static int child_limits(const struct spawn_params *p)
{
	bool own_stack = false;
	struct rlimit r;

	for (size_t i = 0; i < p->nlimits; i++) {
		if (setrlimit((__rlimit_resource_t)p->limits[i].resource,
			      &p->limits[i].limit) < 0)
			return -1;
		own_stack |= p->limits[i].resource == (int)RLIMIT_STACK;
	}
	if (p->block_bytes < LARGE_BLOCK || own_stack ||
	    getrlimit(RLIMIT_STACK, &r) < 0 || r.rlim_cur >= LARGE_STACK)
		return 0;
	r.rlim_cur = r.rlim_max < LARGE_STACK ? r.rlim_max : LARGE_STACK;
	/* when it fails, execve tells */
	(void)setrlimit(RLIMIT_STACK, &r);
	return 0;
}

static int child_user(const struct user_creds *c)
{
	if (!c->change)
		return 0;
	if (syscall(SYS_setgroups, c->ngroups, c->groups) < 0 ||
	    syscall(SYS_setresgid, c->gid, c->gid, c->gid) < 0 ||
	    syscall(SYS_setresuid, c->uid, c->uid, c->uid) < 0)
		return -1;
	return 0;
}

/*
 * execve along PATH: missing candidates and those that may not be executed are
 * passed over, and the latter remembered for the verdict. There is no detour
 * over /bin/sh for scripts without an interpreter line.
 */
static void child_exec(struct spawner *s)
{
	const struct spawn_params *p = s->p;
	const char *dir = p->path;
	size_t cmd_len = strlen(p->cmd);
	int verdict = ENOENT;

	if (strchr(p->cmd, '/') || !cmd_len) {
		(void)execve(p->cmd, p->argv, p->envp);
		return; /* errno says why */
	}
	for (;;) {
		size_t len = strcspn(dir, ":");

		if (len + 1 + cmd_len < sizeof(s->candidate)) {
			char *to = s->candidate;

			/* an empty element is the working directory */
			memcpy(to, dir, len);
			to += len;
			if (len)
				*to++ = '/';
			memcpy(to, p->cmd, cmd_len + 1);
			(void)execve(s->candidate, p->argv, p->envp);
			if (errno == EACCES)
				verdict = EACCES;
			else if (errno != ENOENT && errno != ENOTDIR)
				return;
		}
		if (!dir[len])
			break;
		dir += len + 1;
	}
	errno = verdict;
}

/* Handlers are reset by exec itself; what is ignored stays ignored. */
static void child_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	(void)sigaction(SIGPIPE, &dfl, NULL); /* valid arguments cannot fail */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int child_main(void *arg)
{
	struct spawner *s = arg;
	const struct spawn_params *p = s->p;

	s->error.step = SPAWN_SETSID;
	if (setsid() < 0)
		goto fail;
	s->error.step = SPAWN_TTY;
	if (p->tty && ioctl(p->stdio[0], TIOCSCTTY, 0) < 0)
		goto fail;
	s->error.step = SPAWN_STDIO;
	if (child_stdio(p) < 0)
		goto fail;
	s->error.step = SPAWN_CHDIR;
	if (chdir(p->cwd) < 0)
		goto fail;
	s->error.step = SPAWN_RLIMIT;
	if (child_limits(p) < 0)
		goto fail;
	s->error.step = SPAWN_USER;
	if (child_user(p->creds) < 0)
		goto fail;
	s->error.step = SPAWN_EXEC;
	child_signals();
	child_exec(s);
fail:
	s->error.sys = errno ? errno : EIO;
	_exit(127);
}

pid_t spawn(struct spawner *s, const struct spawn_params *p,
	    struct spawn_error *ret_error)
{
	pid_t pid;

	s->p = p;
	s->error = (struct spawn_error){ .step = SPAWN_CLONE };
	pid = clone(child_main, (char *)s->stack + STACK_SIZE,
		    CLONE_VM | CLONE_VFORK | SIGCHLD, s);
	if (pid < 0)
		s->error.sys = errno;
	else if (!s->error.sys)
		return pid;
	else
		/* it has left our memory, so it is about to be a zombie */
		(void)waitpid(pid, NULL, 0);
	*ret_error = s->error;
	return -s->error.sys;
}
