/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the stand-in library: processes of this host. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/io.h"
#include "base/str.h"
#include "fake.h"
#include "microsandbox/microsandbox.h"

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
	return fake_keep(&o->cwd, path);
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
