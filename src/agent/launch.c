/* SPDX-License-Identifier: Apache-2.0 */
/* From an exec request to a started child. */
#include "agent/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "agent/files.h"
#include "base/cleanup.h"

/* The kernel takes 6 MB of both lists together at most, pointers included;
 * refusing more entries early keeps small guests from running out of memory. */
#define STRINGS_MAX (512u << 10)

static int refuse(struct launch *l, struct err *err, enum msg_fail_kind kind,
		  const char *text)
{
	l->fail_kind = kind;
	return err_set(err, ERR_INVALID, EINVAL, "%s", text);
}

static int no_memory(struct launch *l, struct err *err)
{
	l->fail_kind = MSG_FAIL_OUT_OF_MEMORY;
	return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
}

/* Borrowed views of all strings behind a checked cursor. */
static struct view *list_strings(struct cbor cursor, size_t n)
{
	struct view *list = calloc(n + 1, sizeof(*list));

	for (size_t i = 0; list && i < n; i++)
		if (cbor_get_string(&cursor, &list[i]))
			list[i] = (struct view){ (const uint8_t *)"", 0 };
	return list;
}

static bool has_nul(struct view v)
{
	return v.len && memchr(v.p, 0, v.len);
}

static void argv_put(struct launch *l, struct view v)
{
	char *to = l->argv.text + l->argv.bytes;

	l->argv.v[l->argv.n++] = to;
	memcpy(to, v.p, v.len);
	to[v.len] = 0;
	l->argv.bytes += v.len + 1;
}

static int fill_argv(struct launch *l, struct view cmd, const struct view *args,
		     size_t n, struct err *err)
{
	size_t bytes = cmd.len + 1;

	if (has_nul(cmd))
		return refuse(l, err, MSG_FAIL_BAD_ARGS,
			      "command with a NUL byte");
	for (size_t i = 0; i < n; i++) {
		bytes += args[i].len + 1;
		if (has_nul(args[i]))
			return refuse(l, err, MSG_FAIL_BAD_ARGS,
				      "argument with a NUL byte");
	}
	l->argv.text = malloc(bytes);
	l->argv.v = calloc(n + 2, sizeof(*l->argv.v));
	if (!l->argv.text || !l->argv.v)
		return no_memory(l, err);
	argv_put(l, cmd);
	for (size_t i = 0; i < n; i++)
		argv_put(l, args[i]);
	return 0;
}

static int prepare_argv(struct launch *l, const struct msg_exec_request *r,
			struct err *err)
{
	struct view *args;
	int rc;

	if (r->nargs > STRINGS_MAX)
		return refuse(l, err, MSG_FAIL_BAD_ARGS, "too many arguments");
	args = list_strings(r->args, r->nargs);
	if (!args)
		return no_memory(l, err);
	rc = fill_argv(l, r->cmd, args, r->nargs, err);
	free(args);
	return rc;
}

static int prepare_env(struct launch *l, const struct agent *a,
		       const struct msg_exec_request *r, struct err *err)
{
	struct view *env;
	int rc;

	if (r->nenv > STRINGS_MAX)
		return refuse(l, err, MSG_FAIL_BAD_ARGS,
			      "too many environment variables");
	env = list_strings(r->env, r->nenv);
	if (!env)
		return no_memory(l, err);
	rc = env_compose(&a->env, env, r->nenv,
			 l->creds.home[0] ? l->creds.home : "/", &l->env);
	free(env);
	if (rc == -EINVAL)
		return refuse(l, err, MSG_FAIL_BAD_ARGS,
			      "environment variable with a NUL byte");
	return rc ? no_memory(l, err) : 0;
}

static int prepare_cwd(struct launch *l, const struct agent *a,
		       const struct msg_exec_request *r, struct err *err)
{
	struct view cwd = r->cwd;

	if (!cwd.p || !cwd.len)
		cwd = view_cstr(a->workdir && *a->workdir ? a->workdir : "/");
	if (has_nul(cwd))
		return refuse(l, err, MSG_FAIL_BAD_CWD,
			      "working directory with a NUL byte");
	l->cwd = view_dup(cwd);
	return l->cwd ? 0 : no_memory(l, err);
}

static int prepare_user(struct launch *l, struct agent *a,
			const struct msg_exec_request *r, struct err *err)
{
	struct view spec = r->user;
	int rc;

	if (user_spec_is_blank(spec))
		spec = a->user ? view_cstr(a->user) : (struct view){ 0 };
	rc = user_resolve(&a->users, spec, &l->creds, err);
	if (rc) {
		l->fail_kind = MSG_FAIL_USER_SETUP;
		err_prefix(err, "exec session error");
	}
	return rc;
}

static void prepare_limits(struct launch *l, const struct agent *a,
			   const struct msg_exec_request *r)
{
	struct cbor it = r->rlimits;
	struct msg_rlimit m;

	/*
	 * The first place is for the agent's own affairs, so that the request's
	 * limit comes after it.
	 */
	l->limits[0].resource = RLIMIT_NOFILE;
	l->skip_limits = !files_child_limit(&a->files, &l->limits[0].limit);
	l->nlimits = 1;
	while (l->nlimits < LAUNCH_LIMITS_MAX && !msg_next_rlimit(&it, &m)) {
		struct rlimit_set *set = &l->limits[l->nlimits];

		set->resource = rlimit_find(m.resource);
		set->limit = (struct rlimit){ .rlim_cur = m.soft,
					      .rlim_max = m.hard };
		if (set->resource >= 0)
			l->nlimits++;
	}
}

int launch_prepare(struct launch *l, struct agent *a,
		   const struct msg_exec_request *r, struct err *err)
{
	int rc;

	memset(l, 0, sizeof(*l));
	for (int i = 0; i < 3; i++)
		l->ours[i] = l->theirs[i] = -1;
	l->fail_kind = MSG_FAIL_OTHER;
	l->tty = r->tty;
	l->rows = r->rows;
	l->cols = r->cols;
	prepare_limits(l, a, r);
	rc = prepare_argv(l, r, err);
	if (!rc)
		rc = prepare_cwd(l, a, r, err);
	if (!rc)
		rc = prepare_user(l, a, r, err);
	if (!rc)
		rc = prepare_env(l, a, r, err);
	return rc;
}

static int open_pipes(struct launch *l)
{
	int p[2];

	for (int i = 0; i < 3; i++) {
		if (pipe2(p, O_CLOEXEC) < 0)
			return -errno;
		l->ours[i] = i ? p[0] : p[1];
		l->theirs[i] = i ? p[1] : p[0];
	}
	return 0;
}

/*
 * The terminal's other end comes from the master itself, not by a path: the
 * guest may have mounted anything on /dev/pts.
 */
static int open_tty(struct launch *l)
{
	struct winsize ws = { .ws_row = l->rows, .ws_col = l->cols };
	int unlocked = 0;
	int flags = O_RDWR | O_NOCTTY | O_CLOEXEC;

	l->ours[1] = open("/dev/ptmx", flags | O_NONBLOCK);
	if (l->ours[1] < 0 || ioctl(l->ours[1], TIOCSPTLCK, &unlocked) < 0)
		return -errno;
	l->theirs[0] = ioctl(l->ours[1], TIOCGPTPEER, flags);
	if (l->theirs[0] < 0)
		return -errno;
	if (ioctl(l->ours[1], TIOCSWINSZ, &ws) < 0)
		return -errno;
	/* a descriptor of its own, to be watched for another direction */
	l->ours[0] = fcntl(l->ours[1], F_DUPFD_CLOEXEC, 3);
	return l->ours[0] < 0 ? -errno : 0;
}

static void close_all(struct launch *l)
{
	for (int i = 0; i < 3; i++) {
		close_fd(&l->ours[i]);
		close_fd(&l->theirs[i]);
	}
}

/* So that the program may open /dev/stdout, and its terminal, by name. */
static void give_away(const struct launch *l)
{
	for (int i = 0; i < 3; i++)
		if (l->theirs[i] >= 0 &&
		    fchown(l->theirs[i], l->creds.uid, (gid_t)-1) < 0)
			return; /* it can still use what it inherits */
}

static int open_stdio(struct launch *l, struct agent *a)
{
	int rc = l->tty ? open_tty(l) : open_pipes(l);

	if (rc == -EMFILE && files_raise(&a->files)) {
		close_all(l);
		l->skip_limits =
			!files_child_limit(&a->files, &l->limits[0].limit);
		rc = l->tty ? open_tty(l) : open_pipes(l);
	}
	if (!rc && l->creds.change && l->creds.uid)
		give_away(l);
	return rc;
}

int launch_start(struct launch *l, struct agent *a)
{
	int rc = open_stdio(l, a);
	struct spawn_params p = {
		.cmd = l->argv.v[0],
		.argv = l->argv.v,
		.envp = l->env.envp,
		.path = env_path(&l->env),
		.cwd = l->cwd,
		.tty = l->tty,
		.creds = &l->creds,
		.block_bytes = l->argv.bytes + l->env.bytes +
			       sizeof(char *) * (l->argv.n + l->env.n),
	};

	if (rc) {
		l->error = (struct spawn_error){ .step = l->tty ? SPAWN_TTY
								: SPAWN_STDIO,
						 .sys = -rc };
		return rc;
	}
	p.limits = l->limits + l->skip_limits;
	p.nlimits = l->nlimits - l->skip_limits;
	for (int i = 0; i < 3; i++)
		p.stdio[i] = l->theirs[l->tty ? 0 : i];
	l->pid = spawn(a->spawner, &p, &l->error);
	for (int i = 0; i < 3; i++)
		close_fd(&l->theirs[i]);
	return l->pid < 0 ? (int)l->pid : 0;
}

void launch_fini(struct launch *l)
{
	close_all(l);
	free(l->argv.v);
	free(l->argv.text);
	free(l->cwd);
	env_block_fini(&l->env);
}
