/* SPDX-License-Identifier: Apache-2.0 */
/* Programs run for clients. */
#include "agent/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/diag.h"
#include "agent/exec_int.h"
#include "agent/launch.h"
#include "base/cleanup.h"
#include "base/io.h"

/* What a console port takes in one write. */
#define OUTPUT_CHUNK 32768u

static void on_output(struct watch *w, uint32_t events);

static void output_close(struct exec_output *o)
{
	loop_unwatch(&o->watch);
	close_fd(&o->fd);
}

static void exec_free(struct exec *x)
{
	struct agent *a = x->a;

	exec_stdin_close(x);
	output_close(&x->out);
	output_close(&x->err);
	chan_wait_cancel(&x->room);
	session_del(&a->sessions, &x->session);
	if (!x->reaped)
		session_del(&a->pids, &x->by_pid);
	a->activity.execs--;
	activity_changed(&a->activity);
	free(x);
}

static void finish_if_done(struct exec *x)
{
	struct msg_exited m = { .code = -1 };
	MSB_CLEANUP(buf_fini) struct buf b = { .max = 64 };

	if (!x->reaped || x->out.fd >= 0 || x->err.fd >= 0)
		return;
	if (WIFEXITED(x->status))
		m.code = WEXITSTATUS(x->status);
	else
		m.signal = (struct opt_i32){ true, WTERMSIG(x->status) };
	exec_stdin_close(x); /* nothing is said after the last word */
	msg_encode_exited(&b, &m);
	(void)agent_send(x->a, x->session.id, MSG_T_EXEC_EXITED, &b);
	exec_free(x);
}

static int output_watch(struct exec_output *o)
{
	if (o->fd < 0 || o->watch.loop || o->x->held)
		return 0;
	return loop_watch(o->x->a->loop, &o->watch, o->fd, EPOLLIN, on_output);
}

static void outputs_watch(struct exec *x)
{
	/* without memory to watch it, the stream is as good as ended */
	if (output_watch(&x->out))
		output_close(&x->out);
	if (output_watch(&x->err))
		output_close(&x->err);
	finish_if_done(x);
}

/* Not only disarmed: a hang-up would be reported all along. */
static void outputs_unwatch(struct exec *x)
{
	loop_unwatch(&x->out.watch);
	loop_unwatch(&x->err.watch);
}

static void on_room(struct chan_waiter *w)
{
	outputs_watch(container_of(w, struct exec, room));
}

void exec_hold(struct session *s, bool hold)
{
	struct exec *x = container_of(s, struct exec, session);

	if (x->held == hold)
		return;
	x->held = hold;
	if (hold)
		outputs_unwatch(x);
	else if (!x->room.waiting)
		outputs_watch(x); /* may end the session */
}

/* See write_some() in exec_stdin.c: somebody else may read from our pipe. */
static ssize_t read_some(const struct exec_output *o, uint8_t *p, size_t len)
{
	struct iovec iov = { .iov_base = p, .iov_len = len };
	ssize_t n;

	if (o->x->tty)
		return io_read(o->fd, p, len);
	do
		n = preadv2(o->fd, &iov, 1, -1, RWF_NOWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0 || errno != EOPNOTSUPP)
		return n < 0 ? -errno : n;
	(void)io_set_nonblock(o->fd, true); /* the read tells */
	return io_read(o->fd, p, len);
}

static void on_output(struct watch *w, uint32_t events)
{
	struct exec_output *o = container_of(w, struct exec_output, watch);
	struct exec *x = o->x;
	struct agent *a = x->a;
	ssize_t n;

	(void)events;
	if (chan_full(&a->chan)) {
		outputs_unwatch(x);
		chan_wait(&a->chan, &x->room, on_room);
		return;
	}
	n = read_some(o, a->io_buf, OUTPUT_CHUNK);
	if (n == -EAGAIN)
		return;
	if (n <= 0) { /* a terminal without a program reads as EIO */
		output_close(o);
		finish_if_done(x);
		return;
	}
	if (agent_send_data(a, x->session.id, o->type, a->io_buf, (size_t)n))
		diag("out of memory: lost %zd bytes of output", n);
	a->activity.exec_bytes += (uint64_t)n;
	activity_mark(&a->activity);
}

void exec_reaped(struct agent *a, pid_t pid, int status)
{
	struct session *s = session_find(&a->pids, (uint32_t)pid);
	struct exec *x;

	if (!s)
		return; /* an orphan */
	session_del(&a->pids, s);
	x = container_of(s, struct exec, by_pid);
	x->reaped = true;
	x->status = status;
	finish_if_done(x);
}

static void send_spawn_failed(struct agent *a, uint32_t id,
			      const struct launch *l)
{
	struct msg_exec_failed m = {
		.kind = exec_fail_kind(l->error.step, l->error.sys),
		.err_no = { true, l->error.sys },
		.errno_name = agent_errno_name(l->error.sys),
	};
	MSB_CLEANUP(buf_fini) struct buf text = { .max = 16384 };
	MSB_CLEANUP(buf_fini) struct buf b = { .max = 32768 };

	exec_fail_text(&text, l->argv.v[0], l->error.sys);
	m.message = view_buf(&text);
	m.stage = view_cstr(l->error.step == SPAWN_EXEC && !l->tty
				    ? "Command::spawn"
				    : spawn_step_name(l->error.step));
	msg_encode_exec_failed(&b, &m);
	(void)agent_send(a, id, MSG_T_EXEC_FAILED, &b);
}

/* Take over the parent's ends of a launched program. */
static struct exec *adopt(struct agent *a, uint32_t id, struct launch *l)
{
	struct exec *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->a = a;
	x->tty = l->tty;
	x->pid = l->pid;
	x->out = (struct exec_output){ .x = x,
				       .type = MSG_T_EXEC_STDOUT,
				       .fd = take_fd(&l->ours[1]) };
	x->err = (struct exec_output){ .x = x,
				       .type = MSG_T_EXEC_STDERR,
				       .fd = take_fd(&l->ours[2]) };
	session_add(&a->sessions, &x->session, id, SESSION_EXEC);
	exec_stdin_init(x, take_fd(&l->ours[0]));
	session_add(&a->pids, &x->by_pid, (uint32_t)x->pid, SESSION_EXEC);
	a->activity.execs++;
	if (!output_watch(&x->out) && !output_watch(&x->err))
		return x;
	exec_free(x);
	return NULL;
}

void exec_request(struct agent *a, uint32_t id,
		  const struct msg_exec_request *r)
{
	MSB_CLEANUP(buf_fini) struct buf b = { .max = 64 };
	struct launch l;
	struct err err = { 0 };
	int rc = launch_prepare(&l, a, r, &err);

	if (rc) {
		exec_send_failed(a, id, l.fail_kind, "%s", err.msg);
		goto out;
	}
	rc = launch_start(&l, a);
	if (rc) {
		send_spawn_failed(a, id, &l);
		goto out;
	}
	if (!adopt(a, id, &l)) {
		(void)kill(-l.pid, SIGKILL);
		exec_send_failed(a, id, MSG_FAIL_OUT_OF_MEMORY,
				 "out of memory");
		goto out;
	}
	msg_encode_exec_started(&b, (uint32_t)l.pid);
	(void)agent_send(a, id, MSG_T_EXEC_STARTED, &b);
out:
	launch_fini(&l);
}

void exec_resize(struct agent *a, struct session *s, const struct msg_resize *r)
{
	const struct exec *x = container_of(s, struct exec, session);
	struct winsize ws = { .ws_row = r->rows, .ws_col = r->cols };

	(void)a;
	if (x->tty && x->out.fd >= 0)
		(void)ioctl(x->out.fd, TIOCSWINSZ, &ws); /* best effort */
}

/*
 * The program leads a process group of the number of its pid, which stays
 * taken while the group has members; so after the leader's end the number is
 * signalled only as a group. With the group gone too, and its number used
 * again within the life of this session, a stranger would get the signal:
 * that takes a full round of pids while a member that left the group still
 * holds our pipe, and is accepted.
 */
void exec_signal(struct agent *a, struct session *s, int32_t sig)
{
	const struct exec *x = container_of(s, struct exec, session);

	(void)a;
	if (sig < 1 || sig > 64)
		return;
	if (kill(-x->pid, sig) < 0 && !x->reaped)
		(void)kill(x->pid, sig); /* it may be gone: no news then */
}

static void signal_one(struct session *s, void *ctx)
{
	exec_signal(NULL, s, *(const int *)ctx);
}

void exec_signal_all(struct agent *a, int sig)
{
	session_each(&a->sessions, SESSION_EXEC, signal_one, &sig);
}

static void drop_one(struct session *s, void *ctx)
{
	(void)ctx;
	exec_free(container_of(s, struct exec, session));
}

void exec_drop_all(struct agent *a)
{
	session_each(&a->sessions, SESSION_EXEC, drop_one, NULL);
}
