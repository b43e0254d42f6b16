/* SPDX-License-Identifier: Apache-2.0 */
/* Letting the guest's own init be PID 1. */
#include "agent/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/diag.h"
#include "agent/env.h"
#include "agent/shutdown.h"
#include "base/cleanup.h"

#define LOG_DIR "/run/microsandbox"
#define LOG_FILE LOG_DIR "/agentd.log"

static const char *const auto_list[] = { "/sbin/init", "/lib/systemd/systemd",
					 "/usr/lib/systemd/systemd" };

static bool usable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 0111;
}

static const char *resolve(const char *init, struct err *err)
{
	struct stat st;

	if (!strcmp(init, "auto")) {
		for (size_t i = 0; i < ARRAY_SIZE(auto_list); i++)
			if (usable(auto_list[i]))
				return auto_list[i];
		(void)err_set(err, ERR_INVALID, ENOENT,
			      "auto: no init binary found, checked: "
			      "/sbin/init, /lib/systemd/systemd, "
			      "/usr/lib/systemd/systemd");
		return NULL;
	}
	if (*init != '/' || stat(init, &st) < 0) {
		(void)err_set(err, ERR_INVALID, ENOENT,
			      "handoff init binary not found at %s", init);
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		(void)err_set(err, ERR_INVALID, EINVAL,
			      "handoff init path is not a regular file: %s",
			      init);
		return NULL;
	}
	if (!(st.st_mode & 0111)) {
		(void)err_set(err, ERR_INVALID, EACCES,
			      "handoff init binary is not executable: %s",
			      init);
		return NULL;
	}
	return init;
}

static struct view *views_of(const struct strv *s)
{
	struct view *v = calloc(s->n + 1, sizeof(*v));

	for (size_t i = 0; v && i < s->n; i++)
		v[i] = view_cstr(s->v[i]);
	return v;
}

/* Whatever the kernel could not give the first process when it started. */
static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);

	for (int i = 0; fd > 2 && i < 3; i++)
		(void)dup2(fd, i); /* /dev/null stays otherwise */
}

/* Become the init; only comes back when that fails. */
static void become(const char *path, const struct bootspec *spec)
{
	autofree struct view *own = views_of(&spec->init_env);
	autofree char **argv = calloc(spec->init_args.n + 2, sizeof(*argv));
	struct env_block env = { 0 };
	sigset_t none;

	if (!own || !argv ||
	    env_compose(&spec->env, own, spec->init_env.n, "/", &env)) {
		errno = ENOMEM;
		return;
	}
	argv[0] = (char *)(uintptr_t)path;
	for (size_t i = 0; i < spec->init_args.n; i++)
		argv[i + 1] = spec->init_args.v[i];
	for (int sig = 1; sig <= 31; sig++)
		(void)signal(sig, SIG_DFL); /* two of them cannot be set */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	open_console();
	(void)execve(path, argv, env.envp);
	env_block_fini(&env);
}

/* The console belongs to the init from now on. */
static void own_log(void)
{
	autoclose int fd = -1;

	(void)mkdir("/run", 0755);
	(void)mkdir(LOG_DIR, 0755);
	fd = open(LOG_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd >= 0)
		(void)dup2(fd, 2);
}

/*
 * An init that shuts down signals everybody, while the agent is to serve until
 * the machine is off. Programs it starts get an empty mask.
 */
static void outlive_init(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

int handoff(const struct bootspec *spec, struct err *err)
{
	const char *path = resolve(spec->init, err);
	pid_t pid;

	if (!path)
		return -err->sys;
	pid = fork();
	if (pid < 0)
		return err_sys(err, ERR_IO, errno, "fork");
	if (pid > 0) {
		become(path, spec);
		diag("handoff failed: execute %s: %s", path, strerror(errno));
		shutdown_now();
	}
	(void)setsid(); /* a new process can always have one */
	own_log();
	outlive_init();
	return 0;
}
