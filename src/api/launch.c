/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a runtime: its descriptors, the process, its startup report.
 *
 * The child gets 3 = specification, 4 = report pipe, 5 = runtime lock, 6 =
 * watchdog when attached, and nothing else. It is a direct child that becomes
 * its own session; whoever of us outlives the other does not matter.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/api_int.h"
#include "api/exec_int.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "engine/engine.h"

/* The runtime gives its guest 180 s and then reports; this is for one that
 * does not report at all. */
#define READY_TIMEOUT_MS 200000u
#define EXIT_TIMEOUT_MS 10000u
#define REPORT_MAX (1u << 20)

enum child_fd { FD_SPEC = 3, FD_REPORT = 4, FD_LOCK = 5, FD_WATCHDOG = 6 };
#define FD_ABOVE 16 /* sources must not lie among their targets */

/* ---- specification ------------------------------------------------------ */

static json_t *startup_list(const struct strv *s)
{
	json_t *list;

	if (!s || !s->n)
		return json_null();
	list = json_array();
	for (size_t i = 0; i < s->n; i++)
		if (json_array_append_new(list, json_string(s->v[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* malloc'ed text; the configuration is put in as it is. */
static char *spec_text(const struct boot *b, const char *sandbox_dir)
{
	const struct artefacts *a = &b->plan->files;
	struct sandbox_config c = *b->config; /* shallow: only to name it */
	autofree char *config = NULL;
	autofree char *rest = NULL;
	char hostname[SANDBOX_NAME_MAX + 1];
	json_t *o;

	hostname_derive(b->config, hostname, sizeof(hostname));
	c.hostname = hostname;
	config = sandbox_config_to_json(&c);
	o = json_pack("{s:s,s:s,s:s,s:s,s:o,s:b}", "sandbox_dir", sandbox_dir,
		      "kernel", a->kernel, "initramfs", a->initramfs, "engine",
		      b->plan->engine, "startup", startup_list(b->startup),
		      "attached", b->watchdog_rd >= 0);
	rest = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (!config || !rest)
		return NULL;
	return str_fmt("{\"config\":%s,%s", config, rest + 1);
}

static int make_spec(const struct boot *b, const char *sandbox_dir,
		     struct err *err)
{
	autofree char *text = spec_text(b, sandbox_dir);
	int fd;

	if (!text)
		return api_no_memory(err);
	fd = io_memfd("msb-spec", text, strlen(text));
	return fd < 0 ? err_sys(err, ERR_IO, -fd,
				"make the runtime's specification")
		      : fd;
}

/* ---- process ------------------------------------------------------------ */

struct spawn_fds {
	int fd[4]; /* for FD_SPEC + i; -1 = not given */
};

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

static int file_actions(posix_spawn_file_actions_t *fa,
			const struct spawn_fds *fds)
{
	int above = FD_SPEC;
	int rc =
		posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDWR, 0);

	if (!rc)
		rc = posix_spawn_file_actions_adddup2(fa, 0, 1);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(fa, 0, 2);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(fds->fd); i++) {
		if (fds->fd[i] < 0)
			continue;
		above = FD_SPEC + (int)i + 1;
		rc = posix_spawn_file_actions_adddup2(fa, fds->fd[i],
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

/* What a runtime may need to know of our environment. */
static int spawn_env(const msb_t *m, struct strv *env)
{
	static const char *const kept[] = {
		"HOME",
		"TMPDIR",
		"MSB_SHUTDOWN_FLUSH_TIMEOUT_MS",
#ifdef __SANITIZE_ADDRESS__ /* or its reports would be lost */
		"ASAN_OPTIONS",
		"UBSAN_OPTIONS",
#endif
	};
	int rc = strv_add(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
			       "/usr/bin:/sbin:/bin");

	if (!rc)
		rc = strv_take(env, str_fmt("MSB_HOME=%s", m->home.path));
	for (size_t i = 0; !rc && i < ARRAY_SIZE(kept); i++) {
		const char *value = getenv(kept[i]);

		if (value)
			rc = strv_take(env, str_fmt("%s=%s", kept[i], value));
	}
	return rc;
}

static int spawn(const char *path, const char *name, char *const *env,
		 const struct spawn_fds *fds, pid_t *ret)
{
	char *argv[] = { (char *)(uintptr_t) "msb-runtime",
			 (char *)(uintptr_t)name, NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int rc = posix_spawn_file_actions_init(&fa);

	if (rc)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (!rc) {
		rc = file_actions(&fa, fds);
		if (!rc)
			rc = spawn_attr(&attr);
		if (!rc)
			rc = posix_spawn(ret, path, &fa, &attr, argv, env);
		(void)posix_spawnattr_destroy(&attr);
	}
	(void)posix_spawn_file_actions_destroy(&fa);
	return rc;
}

static int spawn_runtime(const msb_t *m, const struct boot *b,
			 struct spawn_fds *fds, pid_t *ret, struct err *err)
{
	const char *path = b->plan->files.runtime;
	struct strv env = { 0 };
	int rc = 0;

	for (size_t i = 0; !rc && i < ARRAY_SIZE(fds->fd); i++)
		rc = -lift(&fds->fd[i]);
	if (!rc)
		rc = -spawn_env(m, &env);
	if (!rc)
		rc = spawn(path, b->config->name, env.v, fds, ret);
	strv_fini(&env);
	return rc ? err_sys(err, ERR_RUNTIME, rc, "start '%s'", path) : 0;
}

/* ---- report ------------------------------------------------------------- */

/* Collect the report up to its newline: 0, -ENODATA, -ETIMEDOUT, -errno. */
static int read_report(int fd, struct buf *line)
{
	uint64_t deadline = clock_mono_ms() + READY_TIMEOUT_MS;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_mono_ms();
		uint8_t *room;
		ssize_t n;
		int rc;

		if (now >= deadline)
			return -ETIMEDOUT;
		rc = poll(&p, 1, (int)(deadline - now));
		if (rc < 0 && errno != EINTR)
			return -errno;
		if (rc <= 0)
			continue;
		room = buf_reserve(line, 4096);
		if (!room)
			return -EMSGSIZE;
		n = io_read(fd, room, 4096);
		if (n <= 0)
			return n ? (int)n : -ENODATA;
		buf_commit(line, (size_t)n);
		if (memchr(room, '\n', (size_t)n))
			return 0;
	}
}

/* How a child ended; kills it when it is still there after a while. */
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

static void describe_status(int status, char *text, size_t len)
{
	if (WIFSIGNALED(status))
		(void)snprintf(text, len, "signal %d", WTERMSIG(status));
	else
		(void)snprintf(text, len, "status %d", WEXITSTATUS(status));
}

static int boot_error(struct api_err *e, const char *name, const char *stage,
		      int sys, const char *message)
{
	api_detail(e, "sandbox", name);
	api_detail(e, "stage", stage);
	return err_set(&e->err, ERR_BOOT, sys, "%s", message);
}

/* The runtime said {"error":{...}}. */
static int reported_error(struct api_err *e, const char *name,
			  const json_t *error)
{
	const char *stage = json_string_value(json_object_get(error, "stage"));
	const char *message =
		json_string_value(json_object_get(error, "message"));
	const char *log =
		json_string_value(json_object_get(error, "kernel_log"));
	json_int_t sys = json_integer_value(json_object_get(error, "errno"));

	if (log && *log)
		api_detail(e, "kernel_log", log);
	return boot_error(e, name, stage ? stage : "other",
			  sys > 0 && sys < 4096 ? (int)sys : 0,
			  message ? message : "the machine did not come up");
}

/* 0 ready; else e is filled. */
static int parse_report(struct api_err *e, const char *name,
			const struct buf *line)
{
	json_t *o = json_loadb((const char *)buf_data(line), buf_len(line),
			       JSON_DISABLE_EOF_CHECK, NULL);
	const json_t *error = json_object_get(o, "error");
	int rc = 0;

	if (error)
		rc = reported_error(e, name, error);
	else if (!json_is_object(json_object_get(o, "ready")))
		rc = boot_error(e, name, "other", EPROTO,
				"the runtime's startup report makes no sense");
	json_decref(o);
	return rc;
}

/* Wait for the report; after a failure the process is gone. */
static int await_ready(msb_t *m, pid_t pid, int report_fd, const char *name,
		       struct api_err *e)
{
	char text[160], how[32];
	struct buf line;
	int rc;

	buf_init(&line, REPORT_MAX);
	rc = read_report(report_fd, &line);
	if (!rc)
		rc = parse_report(e, name, &line);
	else if (rc == -ETIMEDOUT)
		rc = boot_error(e, name, "other", ETIMEDOUT,
				"the guest did not become ready");
	buf_fini(&line);
	if (!rc) {
		api_child_add(m, pid);
		return 0;
	}
	/* After an error report it ends by itself; a silent one is killed. */
	if (e->err.kind == ERR_NONE || e->err.sys == ETIMEDOUT)
		(void)kill(pid, SIGKILL);
	describe_status(reap(pid), how, sizeof(how));
	if (e->err.kind != ERR_NONE)
		return rc;
	(void)snprintf(text, sizeof(text),
		       "sandbox process exited (%s) before the guest was ready",
		       how);
	return boot_error(e, name, "other", 0, text);
}

/* ---- boot --------------------------------------------------------------- */

int boot_plan_make(const msb_t *m, const struct sandbox_config *c,
		   struct boot_plan *ret, struct err *err)
{
	enum engine_kind asked = ENGINE_AUTO, chosen;
	char reason[240];
	int rc;

	if (!strcmp(c->engine, "uml"))
		asked = ENGINE_UML;
	else if (!strcmp(c->engine, "kvm"))
		asked = ENGINE_KVM;
	rc = engine_select(asked, &chosen, reason, sizeof(reason), err);
	if (rc)
		return rc;
	ret->engine = engine_kind_name(chosen);
	return artefacts_find(m, ret->engine, &ret->files, err);
}

void boot_plan_fini(struct boot_plan *p)
{
	artefacts_fini(&p->files);
}

/* What an earlier boot left would be taken for news of this one. */
static void remove_old_state(int runtime_dirfd)
{
	static const char *const names[] = { RUNTIME_EXIT_JSON,
					     RUNTIME_MACHINE_JSON,
					     RUNTIME_AGENT_SOCK };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unlinkat(runtime_dirfd, names[i], 0); /* mostly absent */
}

static int make_fds(const struct boot *b, const char *dir, int runtime_dirfd,
		    struct spawn_fds *fds, int *ret_report, struct err *err)
{
	int report[2];
	int fd = make_spec(b, dir, err);

	if (fd < 0)
		return fd;
	fds->fd[0] = fd;
	if (pipe2(report, O_CLOEXEC) < 0)
		return err_sys(err, ERR_IO, errno, "make a pipe");
	*ret_report = report[0];
	fds->fd[1] = report[1];
	fd = runtime_lock_create(runtime_dirfd);
	if (fd < 0)
		return path_err(err, -fd, "make the runtime lock in", dir);
	fds->fd[2] = fd;
	if (b->watchdog_rd >= 0) {
		fd = fcntl(b->watchdog_rd, F_DUPFD_CLOEXEC, FD_ABOVE);
		if (fd < 0)
			return err_sys(err, ERR_IO, errno, "copy a descriptor");
		fds->fd[3] = fd;
	}
	return 0;
}

static int launch(msb_t *m, const struct boot *b, const char *dir,
		  int runtime_dirfd, enum boot_stage *ret_stage,
		  struct api_err *e)
{
	struct spawn_fds fds = { { -1, -1, -1, -1 } };
	autoclose int report = -1;
	pid_t pid = -1;
	int rc;

	*ret_stage = BOOT_NOT_STARTED;
	remove_old_state(runtime_dirfd);
	rc = make_fds(b, dir, runtime_dirfd, &fds, &report, &e->err);
	if (!rc)
		rc = spawn_runtime(m, b, &fds, &pid, &e->err);
	for (size_t i = 0; i < ARRAY_SIZE(fds.fd); i++)
		close_fd(&fds.fd[i]);
	if (rc)
		return rc;
	*ret_stage = BOOT_MACHINE;
	if (m->cat)
		catalogue_settle(m->cat); /* while the guest boots */
	return await_ready(m, pid, report, b->config->name, e);
}

static int check_workdir(msb_t *m, const struct sandbox_config *c,
			 struct err *err)
{
	struct err cause = { 0 };
	int rc = guest_is_dir(m, c->name, c->workdir, &cause);

	if (rc == 1)
		return 0;
	if (!rc)
		return err_set(err, ERR_INVALID, ENOTDIR,
			       "workdir is not a directory in guest: %s",
			       c->workdir);
	if (cause.kind == ERR_FS)
		return err_set(err, ERR_INVALID, -rc,
			       "workdir does not exist in guest: %s: %s",
			       c->workdir, cause.msg);
	if (err)
		*err = cause;
	return rc;
}

int boot_sandbox(msb_t *m, const struct boot *b, enum boot_stage *ret_stage,
		 struct api_err *e)
{
	const struct sandbox_config *c = b->config;
	autofree char *dir = home_sandbox_path(&m->home, c->name, NULL);
	autoclose int runtime_dirfd =
		home_sandbox_open(&m->home, c->name, SANDBOX_RUNTIME_DIR);
	int rc;

	*ret_stage = BOOT_NOT_STARTED;
	if (!dir)
		return api_no_memory(&e->err);
	if (runtime_dirfd < 0)
		return path_err(&e->err, -runtime_dirfd, "open", dir);
	rc = launch(m, b, dir, runtime_dirfd, ret_stage, e);
	if (rc)
		return rc;
	(void)unlinkat(runtime_dirfd, "../" SANDBOX_BOOT_ERROR, 0);
	if (!c->workdir)
		return 0;
	rc = check_workdir(m, c, &e->err);
	if (rc) {
		*ret_stage = BOOT_CHECKS;
		(void)kill_runtime(m, c->name, NULL); /* nothing of value yet */
	}
	return rc;
}
