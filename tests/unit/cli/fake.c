/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for libmicrosandbox: sandboxes are directories below $MSB_HOME and
 * commands are processes of this host. It lets the command line be tested
 * without a machine. Which calls were made is appended to $MSB_HOME/calls.
 *
 * FAKE_BOOT_ERROR, FAKE_EXEC_KIND: make boots, commands fail in that way.
 */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/io.h"
#include "base/str.h"
#include "fake.h"
#include "microsandbox/microsandbox.h"

struct msb_error {
	msb_error_kind_t kind;
	int sys;
	char message[512], text[600];
	char stage[32], sandbox[160], exec_kind[32], command[256];
};

struct msb_sandbox {
	msb_t *m;
	char *name, *config;
	msb_status_t status;
	bool held;
};

struct msb_list {
	msb_sandbox_t *items[64];
	size_t n;
};

struct msb_exec_options {
	struct strv argv, env;
	bool tty;
	unsigned rows, cols;
	char *cwd;
};

struct msb_exec {
	int epoll, in, out, err;
	pid_t pid;
	bool tty, started, detached, exited;
	int status;
	char buf[4096];
	char failed[256]; /* command that could not be started */
};

void fake_called(const msb_t *m, const char *fmt, ...)
{
	char *path = str_fmt("%s/calls", m->home);
	FILE *f = fopen(path, "ae");
	va_list ap;

	free(path);
	if (!f)
		return;
	va_start(ap, fmt);
	(void)vfprintf(f, fmt, ap);
	va_end(ap);
	(void)fputc('\n', f);
	(void)fclose(f);
}

msb_t *fake_home(const msb_sandbox_t *s)
{
	return s->m;
}

int fake_fail(msb_error_t **e, msb_error_kind_t kind, int sys,
	      const char *prefix, const char *message)
{
	if (e) {
		*e = calloc(1, sizeof(**e));
		(*e)->kind = kind;
		(*e)->sys = sys;
		(void)snprintf((*e)->message, sizeof((*e)->message), "%s",
			       message);
		(void)snprintf((*e)->text, sizeof((*e)->text), "%s%s", prefix,
			       message);
	}
	return -(sys ? sys : EINVAL);
}

msb_error_kind_t msb_error_kind(const msb_error_t *e)
{
	return e->kind;
}

const char *msb_error_message(const msb_error_t *e)
{
	return e->message;
}

const char *msb_error_text(const msb_error_t *e)
{
	return e->text;
}

int msb_error_errno(const msb_error_t *e)
{
	return e->sys;
}

const char *msb_error_detail(const msb_error_t *e, const char *key)
{
	const char *v =
		!strcmp(key, "stage")	  ? e->stage
		: !strcmp(key, "sandbox") ? e->sandbox
		: !strcmp(key, "kind")	  ? e->exec_kind
		: !strcmp(key, "command") ? e->command
		: !strcmp(key, "offset") && e->kind == MSB_ERR_MISSED_ROTATION
			? e->message
		: !strcmp(key, "errno_name") &&
				!strcmp(e->exec_kind, "not_found")
			? "ENOENT"
			: "";

	return *v ? v : NULL;
}

void msb_error_free(msb_error_t *e)
{
	free(e);
}

void msb_free(void *p)
{
	free(p);
}

const char *msb_version(void)
{
	return MSB_VERSION;
}

int msb_open(const char *home, msb_t **ret, msb_error_t **ret_err)
{
	const char *dir = home ? home : getenv("MSB_HOME");
	msb_t *m = calloc(1, sizeof(*m));

	(void)ret_err;
	m->home = strdup(dir);
	(void)mkdir(dir, 0700);
	*ret = m;
	return 0;
}

void msb_close(msb_t *m)
{
	free(m->home);
	free(m);
}

const char *msb_home(const msb_t *m)
{
	return m->home;
}

void msb_home_forget(const msb_t *m)
{
	fake_called(m, "forget");
}

void msb_reconcile(msb_t *m)
{
	(void)m;
}

/* ---- configuration ------------------------------------------------------- */

int msb_config_new(msb_t *m, msb_config_t **ret, msb_error_t **ret_err)
{
	(void)ret_err;
	*ret = calloc(1, sizeof(**ret));
	(*ret)->m = m;
	(*ret)->cpus = 1;
	(*ret)->memory_mib = 512;
	return 0;
}

void msb_config_free(msb_config_t *c)
{
	if (!c)
		return;
	free(c->name);
	free(c->image);
	free(c->shell);
	free(c->workdir);
	free(c->entrypoint);
	strv_fini(&c->env);
	strv_fini(&c->labels);
	free(c);
}

static int keep(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
	return 0;
}

int msb_config_set_name(msb_config_t *c, const char *name, msb_error_t **e)
{
	if (strchr(name, '/'))
		return fake_fail(e, MSB_ERR_INVALID, EINVAL,
				 "invalid config: ", "bad sandbox name");
	c->named = true;
	return keep(&c->name, name);
}

int msb_config_set_image(msb_config_t *c, const char *image, msb_error_t **e)
{
	if (strchr("./", *image) && access(image, F_OK))
		return fake_fail(e, MSB_ERR_INVALID, ENOENT, "invalid config: ",
				 "rootfs bind path does not exist");
	return keep(&c->image, image);
}

int msb_config_set_cpus(msb_config_t *c, unsigned cpus, msb_error_t **e)
{
	(void)e;
	c->cpus = cpus;
	return 0;
}

int msb_config_set_memory_mib(msb_config_t *c, uint32_t mib, msb_error_t **e)
{
	(void)e;
	c->memory_mib = mib;
	return 0;
}

int msb_config_set_workdir(msb_config_t *c, const char *path, msb_error_t **e)
{
	(void)e;
	return keep(&c->workdir, path);
}

int msb_config_set_shell(msb_config_t *c, const char *shell, msb_error_t **e)
{
	(void)e;
	return keep(&c->shell, shell);
}

int msb_config_set_entrypoint(msb_config_t *c, const char *const *argv,
			      size_t n, msb_error_t **e)
{
	(void)e;
	(void)n;
	return keep(&c->entrypoint, argv[0]);
}

int msb_config_add_env(msb_config_t *c, const char *key, const char *value,
		       msb_error_t **e)
{
	(void)e;
	return strv_take(&c->env, str_fmt("%s=%s", key, value));
}

#define RECORDED_TEXT(name)                                                    \
	int msb_config_##name(msb_config_t *c, const char *text,               \
			      msb_error_t **e)                                 \
	{                                                                      \
		(void)e;                                                       \
		fake_called(c->m, #name " %s", text);                          \
		return 0;                                                      \
	}
RECORDED_TEXT(set_hostname)
RECORDED_TEXT(set_user)
RECORDED_TEXT(set_log_level)
RECORDED_TEXT(set_init)
RECORDED_TEXT(add_init_arg)
RECORDED_TEXT(set_engine)
RECORDED_TEXT(set_engine_jail)
RECORDED_TEXT(set_engine_mode)

int msb_config_add_init_env(msb_config_t *c, const char *key, const char *value,
			    msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "add_init_env %s=%s", key, value);
	return 0;
}

int msb_config_add_rlimit(msb_config_t *c, const char *resource, uint64_t soft,
			  uint64_t hard, msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "add_rlimit %s %llu %llu", resource,
		    (unsigned long long)soft, (unsigned long long)hard);
	return 0;
}

int msb_config_add_script(msb_config_t *c, const char *name, const void *data,
			  size_t len, msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "add_script %s %.*s", name, (int)len,
		    (const char *)data);
	return 0;
}

int msb_config_set_max_duration_s(msb_config_t *c, uint64_t s, msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "set_max_duration_s %llu", (unsigned long long)s);
	return 0;
}

int msb_config_set_idle_timeout_s(msb_config_t *c, uint64_t s, msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "set_idle_timeout_s %llu", (unsigned long long)s);
	return 0;
}

void msb_config_set_ephemeral(msb_config_t *c, bool on)
{
	c->ephemeral = on;
}

void msb_config_set_attached(msb_config_t *c, bool on)
{
	fake_called(c->m, "set_attached %d", on);
}

void msb_config_set_replace(msb_config_t *c, bool on, uint64_t grace_ms)
{
	c->replace = on;
	if (on)
		fake_called(c->m, "set_replace %llu",
			    (unsigned long long)grace_ms);
}

int msb_config_set_startup(msb_config_t *c, const char *const *argv, size_t n,
			   msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "set_startup %zu %s", n, n ? argv[0] : "");
	return 0;
}

/* ---- sandboxes ----------------------------------------------------------- */

static const char *const status_names[] = { "Running", "Draining", "Paused",
					    "Stopped", "Crashed" };

const char *msb_status_name(msb_status_t s)
{
	return status_names[s];
}

static void store(const msb_sandbox_t *s)
{
	char *path = str_fmt("%s/box-%s", s->m->home, s->name);
	char *text = str_fmt("%d%s", (int)s->status, s->config);

	(void)io_write_file_at(AT_FDCWD, path, text, strlen(text), 0600);
	free(text);
	free(path);
}

static void forget(const msb_sandbox_t *s)
{
	char *path = str_fmt("%s/box-%s", s->m->home, s->name);

	(void)unlink(path);
	free(path);
}

static msb_sandbox_t *load(msb_t *m, const char *name)
{
	char *path = str_fmt("%s/box-%s", m->home, name);
	msb_sandbox_t *s = NULL;
	struct buf b;

	buf_init(&b, 1 << 16);
	if (!io_read_file_at(AT_FDCWD, path, &b)) {
		s = calloc(1, sizeof(*s));
		s->m = m;
		s->name = strdup(name);
		s->status = (msb_status_t)(*buf_data(&b) - '0');
		buf_consume(&b, 1);
		s->config = buf_take_str(&b);
	}
	buf_fini(&b);
	free(path);
	return s;
}

/* What others see of us while the library works. */
static void keep_command_line(void)
{
	const char *path = getenv("FAKE_CMDLINE");
	char words[4096];
	FILE *from = fopen("/proc/self/cmdline", "re");
	FILE *to = path ? fopen(path, "we") : NULL;
	size_t n = from ? fread(words, 1, sizeof(words), from) : 0;

	if (to)
		(void)fwrite(words, 1, n, to);
	if (to)
		(void)fclose(to);
	if (from)
		(void)fclose(from);
}

int msb_sandbox_create(msb_t *m, const msb_config_t *c, msb_sandbox_t **ret,
		       msb_error_t **ret_err)
{
	const char *name = c->name ? c->name : "msb-0badcafe";
	msb_sandbox_t *s = load(m, name);

	keep_command_line();
	fake_called(m, "create %s ephemeral=%d cpus=%u memory=%u", name,
		    c->ephemeral, c->cpus, c->memory_mib);
	if (s && !c->replace) {
		msb_sandbox_free(s);
		return fake_fail(ret_err, MSB_ERR_SANDBOX_EXISTS, EEXIST,
				 "sandbox already exists: ",
				 "sandbox 'box' already exists; remove it");
	}
	msb_sandbox_free(s);
	if (getenv("FAKE_BOOT_ERROR")) {
		int rc = fake_fail(ret_err, MSB_ERR_BOOT, ENOENT, "",
				   "no such directory");

		(void)snprintf((*ret_err)->stage, sizeof((*ret_err)->stage),
			       "mount");
		(void)snprintf((*ret_err)->sandbox, sizeof((*ret_err)->sandbox),
			       "%s", name);
		return rc;
	}
	s = calloc(1, sizeof(*s));
	s->m = m;
	s->name = strdup(name);
	s->status = MSB_STATUS_RUNNING;
	s->config = str_fmt(
		"{\"name\":\"%s\",\"image\":{\"Bind\":\"%s\"},\"cpus\":%u,"
		"\"memory_mib\":%u,\"workdir\":null,\"shell\":null,"
		"\"user\":\"app:users\",\"hostname\":\"h1\","
		"\"init\":{\"cmd\":\"/sbin/init\",\"args\":[\"-v\"],"
		"\"env\":[]},\"scripts\":{\"go\":\"x\",\"on\":\"y\"},"
		"\"policy\":{\"max_duration_secs\":90,"
		"\"idle_timeout_secs\":null},\"log_level\":\"debug\","
		"\"rlimits\":[{\"resource\":\"Nofile\",\"soft\":1024,"
		"\"hard\":null}],\"manifest_digest\":\"sha256:ab\","
		"\"env\":[[\"A\",\"1\"]],\"mounts\":[{\"type\":\"Bind\","
		"\"host\":\"/src\",\"guest\":\"/dst\",\"readonly\":true,"
		"\"noexec\":true,\"stat_virtualization\":\"relaxed\","
		"\"host_permissions\":\"private\"},{\"type\":\"Tmpfs\","
		"\"guest\":\"/t\",\"size_mib\":64,\"readonly\":false}],"
		"\"network\":{\"ports\":[{\"host_bind\":\"127.0.0.1\","
		"\"host_port\":8080,\"guest_port\":80,\"protocol\":"
		"\"tcp\"},{\"host_bind\":\"::1\",\"host_port\":53,"
		"\"guest_port\":5353,\"protocol\":\"udp\"}]},"
		"\"entrypoint\":[%s%s%s],\"cmd\":null,\"ephemeral\":%s}",
		name, c->image, c->cpus, c->memory_mib,
		c->entrypoint ? "\"" : "", c->entrypoint ? c->entrypoint : "",
		c->entrypoint ? "\"" : "", c->ephemeral ? "true" : "false");
	store(s);
	fake_keep_labels(m, name, &c->labels);
	*ret = s;
	return 0;
}

int msb_sandbox_get(msb_t *m, const char *name, msb_sandbox_t **ret,
		    msb_error_t **ret_err)
{
	*ret = load(m, name);
	if (*ret)
		return 0;
	return fake_fail(ret_err, MSB_ERR_SANDBOX_NOT_FOUND, ENOENT,
			 "sandbox not found: ", name);
}

void msb_sandbox_free(msb_sandbox_t *s)
{
	if (!s)
		return;
	free(s->name);
	free(s->config);
	free(s);
}

int msb_sandbox_start(msb_sandbox_t *s, bool attached, msb_error_t **ret_err)
{
	fake_called(s->m, "start %s attached=%d", s->name, attached);
	if (s->status == MSB_STATUS_RUNNING)
		return fake_fail(ret_err, MSB_ERR_SANDBOX_RUNNING, EBUSY,
				 "sandbox still running: ",
				 "cannot start sandbox: already running");
	s->status = MSB_STATUS_RUNNING;
	store(s);
	return 0;
}

int msb_sandbox_release(msb_sandbox_t *s, msb_error_t **ret_err)
{
	(void)ret_err;
	fake_called(s->m, "release %s", s->name);
	return 0;
}

int msb_sandbox_stop(msb_sandbox_t *s, uint64_t timeout_ms,
		     msb_stop_result_t *ret_result, msb_error_t **ret_err)
{
	(void)ret_err;
	fake_called(s->m, "stop %s %llu", s->name,
		    (unsigned long long)timeout_ms);
	if (ret_result)
		*ret_result = s->status != MSB_STATUS_RUNNING
				      ? MSB_STOP_NOT_RUNNING
			      : timeout_ms ? MSB_STOP_GRACEFUL
					   : MSB_STOP_FORCED;
	s->status = MSB_STATUS_STOPPED;
	if (strstr(s->config, "\"ephemeral\":true"))
		forget(s);
	else
		store(s);
	return 0;
}

int msb_sandbox_check_start(const msb_sandbox_t *s, msb_error_t **ret_err)
{
	(void)s;
	if (getenv("FAKE_NO_START"))
		return fake_fail(ret_err, MSB_ERR_INVALID, ENOENT,
				 "invalid config: ", "no value");
	return 0;
}

int msb_sandbox_hold(msb_sandbox_t *s, msb_error_t **ret_err)
{
	(void)ret_err;
	keep_command_line();
	fake_called(s->m, "hold %s", s->name);
	s->held = s->status != MSB_STATUS_RUNNING;
	s->status = MSB_STATUS_RUNNING;
	store(s);
	return 0;
}

int msb_sandbox_drop(msb_sandbox_t *s, uint64_t timeout_ms,
		     msb_stop_result_t *ret_result, msb_error_t **ret_err)
{
	(void)timeout_ms;
	(void)ret_result;
	(void)ret_err;
	fake_called(s->m, "drop %s", s->name);
	if (s->held)
		s->status = MSB_STATUS_STOPPED;
	store(s);
	return 0;
}

int msb_sandbox_remove(msb_sandbox_t *s, bool force, msb_error_t **ret_err)
{
	if (s->status == MSB_STATUS_RUNNING && !force)
		return fake_fail(ret_err, MSB_ERR_SANDBOX_RUNNING, EBUSY,
				 "sandbox still running: ",
				 "cannot remove sandbox: still running");
	forget(s);
	return 0;
}

const char *msb_sandbox_name(const msb_sandbox_t *s)
{
	return s->name;
}

msb_status_t msb_sandbox_status(const msb_sandbox_t *s)
{
	return s->status;
}

const char *msb_sandbox_image(const msb_sandbox_t *s)
{
	(void)s;
	return "/rootfs/with/a/rather/long/path/of/directories";
}

int64_t msb_sandbox_created_unix_ms(const msb_sandbox_t *s)
{
	(void)s;
	return 1700000000123;
}

int64_t msb_sandbox_updated_unix_ms(const msb_sandbox_t *s)
{
	(void)s;
	return 1700000060000;
}

const char *msb_sandbox_exit_reason(const msb_sandbox_t *s)
{
	(void)s;
	return NULL;
}

void msb_sandbox_exit_cause(const msb_sandbox_t *s, char *buf, size_t len)
{
	(void)s;
	(void)snprintf(buf, len, "secret-violation");
}

const char *msb_sandbox_config_json(const msb_sandbox_t *s)
{
	return s->config;
}

const char *msb_sandbox_machine_json(const msb_sandbox_t *s)
{
	return s->status == MSB_STATUS_RUNNING
		       ? "{\"engine\":\"uml\",\"mode\":\"ptrace\",\"cpu\":1,"
			 "\"pid\":42,\"jail\":{\"user_ns\":\"on\"}}"
		       : NULL;
}

const char *msb_sandbox_log_dir(const msb_sandbox_t *s)
{
	(void)s;
	return "/nonexistent/logs";
}

int msb_sandbox_list_labelled(msb_t *m, const char *const *labels, size_t n,
			      msb_list_t **ret, msb_error_t **ret_err)
{
	static const char *const names[] = { "zeta", "alpha", "box",
					     "msb-0badcafe" };
	msb_list_t *l = calloc(1, sizeof(*l));

	(void)ret_err;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!fake_has_labels(m, names[i], labels, n))
			continue;
		l->items[l->n] = load(m, names[i]);
		if (l->items[l->n])
			l->n++;
	}
	*ret = l;
	return 0;
}

size_t msb_list_count(const msb_list_t *l)
{
	return l->n;
}

const msb_sandbox_t *msb_list_item(const msb_list_t *l, size_t i)
{
	return l->items[i];
}

void msb_list_free(msb_list_t *l)
{
	for (size_t i = 0; i < l->n; i++)
		msb_sandbox_free(l->items[i]);
	free(l);
}

/* ---- commands ------------------------------------------------------------ */

msb_exec_options_t *msb_exec_options_new(void)
{
	return calloc(1, sizeof(msb_exec_options_t));
}

void msb_exec_options_free(msb_exec_options_t *o)
{
	if (!o)
		return;
	strv_fini(&o->argv);
	strv_fini(&o->env);
	free(o->cwd);
	free(o);
}

int msb_exec_options_set_command(msb_exec_options_t *o, const char *const *argv,
				 size_t n, msb_error_t **e)
{
	(void)e;
	for (size_t i = 0; i < n; i++)
		(void)strv_add(&o->argv, argv[i]);
	return 0;
}

int msb_exec_options_add_env(msb_exec_options_t *o, const char *key,
			     const char *value, msb_error_t **e)
{
	(void)e;
	return strv_take(&o->env, str_fmt("%s=%s", key, value));
}

int msb_exec_options_set_cwd(msb_exec_options_t *o, const char *path,
			     msb_error_t **e)
{
	(void)e;
	return keep(&o->cwd, path);
}

int msb_exec_options_set_user(msb_exec_options_t *o, const char *user,
			      msb_error_t **e)
{
	(void)e;
	return strv_take(&o->env, str_fmt("FAKE_USER=%s", user));
}

int msb_exec_options_add_rlimit(msb_exec_options_t *o, const char *resource,
				uint64_t soft, uint64_t hard, msb_error_t **e)
{
	(void)e;
	(void)hard;
	return strv_take(&o->env, str_fmt("FAKE_RLIMIT=%s:%llu", resource,
					  (unsigned long long)soft));
}

void msb_exec_options_set_tty(msb_exec_options_t *o, bool tty, unsigned rows,
			      unsigned cols, const char *term)
{
	o->tty = tty;
	o->rows = rows;
	o->cols = cols;
	(void)strv_take(&o->env, str_fmt("TERM=%s", term));
}

int msb_sandbox_resolve_command(const msb_sandbox_t *s, bool with_entrypoint,
				const char *const *user_argv, size_t n,
				bool interactive, char ***ret_argv,
				size_t *ret_n, msb_error_t **ret_err)
{
	char **argv = calloc(n + 2, sizeof(*argv));

	(void)s;
	(void)with_entrypoint;
	(void)ret_err;
	for (size_t i = 0; i < n; i++)
		argv[i] = (char *)(uintptr_t)user_argv[i];
	if (!n && interactive)
		argv[n++] = (char *)(uintptr_t) "/bin/sh";
	*ret_n = n;
	*ret_argv = n ? argv : NULL;
	if (!n)
		free(argv);
	return 0;
}

static void watch(msb_exec_t *x, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	(void)epoll_ctl(x->epoll, EPOLL_CTL_ADD, fd, &ev);
}

static void run_child(const msb_exec_options_t *o)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };

	(void)sigaction(SIGPIPE, &sa, NULL);
	for (size_t i = 0; i < o->env.n; i++)
		(void)putenv(o->env.v[i]);
	if (o->cwd && chdir(o->cwd))
		_exit(125);
	(void)execvp(o->argv.v[0], o->argv.v);
	_exit(127);
}

static void spawn(msb_exec_t *x, const msb_exec_options_t *o)
{
	struct winsize ws = { .ws_row = (unsigned short)o->rows,
			      .ws_col = (unsigned short)o->cols };
	int in[2], out[2], err[2];

	if (o->tty) {
		x->pid = forkpty(&x->out, NULL, NULL, &ws);
		if (!x->pid)
			run_child(o);
		x->in = fcntl(x->out, F_DUPFD_CLOEXEC, 3);
		return;
	}
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) ||
	    pipe2(err, O_CLOEXEC))
		abort();
	x->pid = fork();
	if (!x->pid) {
		(void)setsid();
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)dup2(err[1], 2);
		run_child(o);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	(void)close(err[1]);
	x->in = in[1];
	x->out = out[0];
	x->err = err[0];
}

int msb_exec_start(msb_sandbox_t *s, const msb_exec_options_t *o,
		   msb_exec_t **ret, msb_error_t **ret_err)
{
	msb_exec_t *x = calloc(1, sizeof(*x));

	(void)ret_err;
	fake_called(s->m, "exec %s", o->argv.v[0]);
	x->epoll = epoll_create1(EPOLL_CLOEXEC);
	x->in = x->out = x->err = -1;
	x->tty = o->tty;
	*ret = x;
	if (getenv("FAKE_EXEC_KIND")) {
		(void)snprintf(x->failed, sizeof(x->failed), "%s",
			       o->argv.v[0]);
		return 0;
	}
	spawn(x, o);
	(void)io_set_nonblock(x->in, true);
	(void)io_set_nonblock(x->out, true);
	watch(x, x->out, EPOLLIN);
	if (x->err >= 0) {
		(void)io_set_nonblock(x->err, true);
		watch(x, x->err, EPOLLIN);
	}
	return 0;
}

void msb_exec_free(msb_exec_t *x)
{
	if (!x)
		return;
	if (!x->detached && !x->exited && x->pid > 0) {
		(void)kill(-x->pid, SIGKILL);
		(void)waitpid(x->pid, NULL, 0);
	}
	(void)close(x->epoll);
	free(x);
}

int msb_exec_fd(const msb_exec_t *x)
{
	return x->epoll;
}

bool msb_exec_wants_write(const msb_exec_t *x)
{
	(void)x;
	return false;
}

bool msb_exec_is_tty(const msb_exec_t *x)
{
	return x->tty;
}

static int exec_failed(const msb_exec_t *x, msb_error_t **e)
{
	int rc = fake_fail(e, MSB_ERR_EXEC_FAILED, ENOENT, "",
			   "No such file or directory");

	(void)snprintf((*e)->exec_kind, sizeof((*e)->exec_kind), "%s",
		       getenv("FAKE_EXEC_KIND"));
	(void)snprintf((*e)->command, sizeof((*e)->command), "%s", x->failed);
	return rc;
}

static bool take(msb_exec_t *x, int *fd, msb_exec_event_kind_t kind,
		 msb_exec_event_t *ev)
{
	ssize_t n;

	if (*fd < 0)
		return false;
	n = io_read(*fd, x->buf, sizeof(x->buf));
	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		(void)close(*fd);
		*fd = -1;
		return false;
	}
	ev->kind = kind;
	ev->data = x->buf;
	ev->len = (size_t)n;
	return true;
}

int msb_exec_next(msb_exec_t *x, int timeout_ms, msb_exec_event_t *ev,
		  msb_error_t **ret_err)
{
	struct epoll_event ready;

	ev->kind = MSB_EXEC_NONE;
	if (x->failed[0])
		return exec_failed(x, ret_err);
	if (!x->started) {
		x->started = true;
		ev->kind = MSB_EXEC_STARTED;
		return 0;
	}
	if (x->out >= 0 || x->err >= 0)
		(void)epoll_wait(x->epoll, &ready, 1, timeout_ms);
	if (take(x, &x->out, MSB_EXEC_STDOUT, ev) ||
	    take(x, &x->err, MSB_EXEC_STDERR, ev) || x->out >= 0 || x->err >= 0)
		return 0;
	if (!x->exited)
		(void)waitpid(x->pid, &x->status, 0);
	x->exited = true;
	ev->kind = MSB_EXEC_EXITED;
	ev->exit_code = WIFEXITED(x->status) ? WEXITSTATUS(x->status) : -1;
	ev->signal = WIFSIGNALED(x->status) ? WTERMSIG(x->status) : 0;
	return 0;
}

int64_t msb_exec_write_stdin(msb_exec_t *x, const void *data, size_t len,
			     msb_error_t **ret_err)
{
	ssize_t n = io_write(x->in, data, len);

	(void)ret_err;
	if (n == -EAGAIN) { /* be asked again when it drains */
		watch(x, x->in, EPOLLOUT);
		return 0;
	}
	return n < 0 ? (int64_t)len : n;
}

int msb_exec_close_stdin(msb_exec_t *x, msb_error_t **ret_err)
{
	(void)ret_err;
	if (!x->tty)
		(void)close(x->in);
	return 0;
}

int msb_exec_resize(msb_exec_t *x, unsigned rows, unsigned cols,
		    msb_error_t **ret_err)
{
	struct winsize ws = { .ws_row = (unsigned short)rows,
			      .ws_col = (unsigned short)cols };

	(void)ret_err;
	return ioctl(x->out, TIOCSWINSZ, &ws);
}

int msb_exec_signal(msb_exec_t *x, int signal, msb_error_t **ret_err)
{
	(void)ret_err;
	return kill(-x->pid, signal);
}

int msb_exec_detach(msb_exec_t *x, msb_error_t **ret_err)
{
	(void)ret_err;
	x->detached = true;
	return 0;
}

int msb_sandbox_attach(msb_sandbox_t *s, msb_exec_t **ret,
		       msb_error_t **ret_err)
{
	(void)s;
	(void)ret;
	return fake_fail(ret_err, MSB_ERR_SANDBOX_STATE, ENOENT, "",
			 "no command to come back to");
}

int msb_sandbox_is_dir(msb_sandbox_t *s, const char *path,
		       msb_error_t **ret_err)
{
	struct stat st;

	(void)s;
	if (stat(path, &st))
		return fake_fail(ret_err, MSB_ERR_FS, errno,
				 "sandbox fs error: ", strerror(errno));
	return S_ISDIR(st.st_mode);
}

int msb_doctor(msb_t *m, int (*fn)(void *ctx, const msb_check_t *check),
	       void *ctx, msb_error_t **ret_err)
{
	const msb_check_t checks[] = {
		{ sizeof(msb_check_t), MSB_CHECK_OK, "engine uml", "available",
		  "" },
		{ sizeof(msb_check_t), MSB_CHECK_WARN, "engine kvm",
		  "no hardware", "enable it" },
	};

	(void)m;
	(void)ret_err;
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (fn(ctx, &checks[i]))
			break;
	return 0;
}
