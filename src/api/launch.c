/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a runtime: its descriptors, the process, its startup report.
 *
 * The child gets 3 = specification, 4 = report pipe, 5 = runtime lock, 6 =
 * watchdog when attached, 7 = values of secrets if any, 8 = the registry of
 * metrics if it has a slot there, and nothing else. It is a direct child that
 * becomes its own session; whoever of us outlives the other does not matter.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api_int.h"
#include "api/cancel.h"
#include "api/exec_int.h"
#include "api/metrics.h"
#include "api/network.h"
#include "api/process.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "engine/engine.h"

/* The runtime gives its guest 180 s and then reports; this is for one that
 * does not report at all. */
#define READY_TIMEOUT_MS 200000u
#define REPORT_MAX (1u << 20)

enum child_fd {
	FD_SPEC = 3,
	FD_REPORT = 4,
	FD_LOCK = 5,
	FD_WATCHDOG = 6,
	FD_SECRETS = 7,
	FD_METRICS = 8
};

/* ---- specification ------------------------------------------------------ */

static json_t *text_list(const struct strv *s)
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

/* The parts of an image's disk, and the writable layer above it. */
static json_t *disks_object(const struct boot_plan *p, const char *sandbox_dir)
{
	autofree char *upper = NULL;

	if (!p->lower.n)
		return json_null();
	upper = str_fmt("%s/" SANDBOX_UPPER, sandbox_dir);
	return json_pack("{s:o,s:s}", "lower", text_list(&p->lower), "upper",
			 upper ? upper : "");
}

/* A directory's users the runtime looks up itself. */
static json_t *owner_object(const struct boot_plan *p)
{
	if (!p->lower.n)
		return json_null();
	return json_pack("{s:I,s:I}", "uid", (json_int_t)p->uid, "gid",
			 (json_int_t)p->gid);
}

/* malloc'ed text; the configuration is put in as it is. */
static char *spec_text(const struct boot *b, const struct metrics_launch *l,
		       const char *sandbox_dir)
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
	o = json_pack("{s:s,s:s,s:s,s:s,s:o,s:b,s:o,s:o,s:I,s:o}",
		      "sandbox_dir", sandbox_dir, "kernel", a->kernel,
		      "initramfs", a->initramfs, "engine", b->plan->engine,
		      "startup", text_list(b->startup), "attached",
		      b->watchdog_rd >= 0, "disks",
		      disks_object(b->plan, sandbox_dir), "default_owner",
		      owner_object(b->plan), "slot", (json_int_t)b->slot,
		      "metrics", metrics_launch_object(l));
	rest = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (!config || !rest)
		return NULL;
	return str_fmt("{\"config\":%s,%s", config, rest + 1);
}

static int make_spec(const struct boot *b, const struct metrics_launch *l,
		     const char *sandbox_dir, struct err *err)
{
	autofree char *text = spec_text(b, l, sandbox_dir);
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
	int fd[6]; /* for FD_SPEC + i; -1 = not given */
};

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

static int spawn_runtime(const msb_t *m, const struct boot *b,
			 struct spawn_fds *fds, pid_t *ret, struct err *err)
{
	const char *path = b->plan->files.runtime;
	char *argv[] = { (char *)(uintptr_t) "msb-runtime", b->config->name,
			 NULL };
	struct strv env = { 0 };
	int rc = spawn_env(m, &env);

	if (!rc)
		rc = program_spawn(path, argv, env.v, fds->fd,
				   ARRAY_SIZE(fds->fd), ret);
	strv_fini(&env);
	return rc ? err_sys(err, ERR_RUNTIME, -rc, "start '%s'", path) : 0;
}

/* ---- report ------------------------------------------------------------- */

/* Collect the report up to its newline: 0, -ENODATA, -ETIMEDOUT, -ECANCELED,
 * -errno. */
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
		rc = cancel_poll(&p, 1, (int)(deadline - now));
		if (rc < 0 && rc != -EINTR)
			return rc;
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

static int boot_error(struct api_err *e, const char *name, const char *stage,
		      int sys, const char *message)
{
	api_detail(e, "sandbox", name);
	api_detail(e, "stage", stage);
	return err_set(&e->err, !strcmp(stage, "patch") ? ERR_PATCH : ERR_BOOT,
		       sys, "%s", message);
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
	else if (rc == -ECANCELED)
		rc = boot_error(e, name, "other", ECANCELED, "cancelled");
	buf_fini(&line);
	if (!rc) {
		api_child_add(m, pid);
		return 0;
	}
	/* After an error report it ends by itself; a silent one is killed. */
	if (e->err.kind == ERR_NONE || e->err.sys == ETIMEDOUT ||
	    e->err.sys == ECANCELED)
		(void)kill(pid, SIGKILL);
	program_end(pid, how, sizeof(how));
	if (e->err.kind != ERR_NONE)
		return rc;
	(void)snprintf(text, sizeof(text),
		       "sandbox process exited (%s) before the guest was ready",
		       how);
	return boot_error(e, name, "other", 0, text);
}

/* ---- boot --------------------------------------------------------------- */

static int plan_engine(const struct sandbox_config *c, struct boot_plan *p,
		       struct err *err)
{
	enum engine_kind asked = ENGINE_AUTO, chosen;
	char reason[240];
	int rc;

	if (!strcmp(c->engine, "uml"))
		asked = ENGINE_UML;
	else if (!strcmp(c->engine, "kvm"))
		asked = ENGINE_KVM;
	rc = engine_select(asked, &chosen, reason, sizeof(reason), err);
	if (!rc)
		p->engine = engine_kind_name(chosen);
	return rc;
}

int boot_plan_make(const msb_t *m, const struct sandbox_config *c,
		   const struct secret_values *given, struct boot_plan *ret,
		   struct err *err)
{
	struct net_config n;
	int rc = plan_engine(c, ret, err);

	if (!rc)
		rc = network_config_of(c, &n, err);
	if (rc)
		return rc;
	rc = artefacts_find(m, ret->engine, net_config_needs_tls(&n),
			    &ret->files, err);
	/* without a card nobody could be given them */
	if (!rc && n.enabled)
		rc = secret_values_open(&m->home, c->name, &n.secrets, given,
					&ret->secrets_fd, err);
	net_config_fini(&n);
	return rc;
}

void boot_plan_fini(struct boot_plan *p)
{
	artefacts_fini(&p->files);
	strv_fini(&p->lower);
	close_fd(&p->secrets_fd);
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

static int make_fds(const struct boot *b, const struct metrics_launch *l,
		    const char *dir, int runtime_dirfd, struct spawn_fds *fds,
		    int *ret_report, struct err *err)
{
	int report[2];
	int fd = make_spec(b, l, dir, err);

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
		fd = fcntl(b->watchdog_rd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return err_sys(err, ERR_IO, errno, "copy a descriptor");
		fds->fd[3] = fd;
	}
	/* once read, the values are nowhere but in the runtime */
	fds->fd[4] = take_fd(&b->plan->secrets_fd);
	fds->fd[5] = metrics_launch_fd(l);
	return 0;
}

static int launch(msb_t *m, const struct boot *b, const char *dir,
		  int runtime_dirfd, enum boot_stage *ret_stage,
		  struct api_err *e)
{
	struct spawn_fds fds = { { -1, -1, -1, -1, -1, -1 } };
	struct metrics_launch metrics;
	autoclose int report = -1;
	pid_t pid = -1;
	int rc;

	*ret_stage = BOOT_NOT_STARTED;
	remove_old_state(runtime_dirfd);
	metrics_launch_begin(m, b->config, &metrics);
	rc = make_fds(b, &metrics, dir, runtime_dirfd, &fds, &report, &e->err);
	if (!rc)
		rc = spawn_runtime(m, b, &fds, &pid, &e->err);
	for (size_t i = 0; i < ARRAY_SIZE(fds.fd); i++)
		close_fd(&fds.fd[i]);
	if (rc) {
		metrics_launch_failed(&metrics);
		return rc;
	}
	metrics_launch_spawned(&metrics, pid);
	*ret_stage = BOOT_MACHINE;
	api_catalogue_settle(m); /* while the guest boots */
	rc = await_ready(m, pid, report, b->config->name, e);
	if (rc)
		metrics_launch_failed(&metrics);
	return rc;
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
	if (cause.kind == ERR_FS || cause.kind == ERR_FS_NOT_FOUND)
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
	rc = network_check(c, b->slot, &e->err);
	if (rc)
		return rc;
	rc = launch(m, b, dir, runtime_dirfd, ret_stage, e);
	if (rc)
		return rc;
	(void)unlinkat(runtime_dirfd, "../" SANDBOX_BOOT_ERROR, 0);
	if (!c->workdir || !strcmp(c->workdir, "/"))
		return 0;
	rc = check_workdir(m, c, &e->err);
	if (rc) {
		*ret_stage = BOOT_CHECKS;
		(void)kill_runtime(m, c->name, NULL); /* nothing of value yet */
		metrics_end(m, c->name, true);
	}
	return rc;
}
