/* SPDX-License-Identifier: Apache-2.0 */
/* The serving agent. */
#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/diag.h"
#include "agent/dispatch.h"
#include "agent/exec.h"
#include "agent/fs.h"
#include "agent/tcp.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"

#define REAPS_PER_TURN 64

const char *agent_errno_text(int sys, char *buf, size_t len)
{
	char text[96];

	(void)snprintf(buf, len, "%s (os error %d)",
		       strerror_r(sys, text, sizeof(text)), sys);
	return buf;
}

struct view agent_errno_name(int sys)
{
	static const struct {
		int sys;
		const char *name;
	} names[] = {
#define NAME(x) { x, #x }
		NAME(E2BIG),  NAME(EACCES), NAME(EAGAIN),	NAME(EBADF),
		NAME(EBUSY),  NAME(EFAULT), NAME(EFBIG),	NAME(EINVAL),
		NAME(EIO),    NAME(EISDIR), NAME(ELOOP),	NAME(EMFILE),
		NAME(ENFILE), NAME(ENOENT), NAME(ENAMETOOLONG), NAME(ENOEXEC),
		NAME(ENOMEM), NAME(ENOSPC), NAME(ENOSYS),	NAME(ENOTDIR),
		NAME(ENXIO),  NAME(EPERM),  NAME(EPIPE),	NAME(ETXTBSY),
#undef NAME
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].sys == sys)
			return view_cstr(names[i].name);
	return (struct view){ 0 };
}

int agent_send(struct agent *a, uint32_t id, const char *type,
	       const struct buf *payload)
{
	a->activity.guest_messages++;
	return chan_send(&a->chan, id, type, payload);
}

int agent_send_data(struct agent *a, uint32_t id, const char *type,
		    const void *data, size_t len)
{
	a->activity.guest_messages++;
	return chan_send_data(&a->chan, id, type, data, len);
}

void agent_send_empty(struct agent *a, uint32_t id, const char *type)
{
	MSB_CLEANUP(buf_fini) struct buf b = { .max = 16 };

	msg_encode_empty(&b);
	/* only fails without memory, and then there is nothing to be done */
	(void)agent_send(a, id, type, &b);
}

void agent_send_error(struct agent *a, uint32_t id, const char *kind,
		      const char *type, const char *fmt, ...)
{
	struct msg_error m = { .kind = view_cstr(kind),
			       .offending_type = view_cstr(type) };
	MSB_CLEANUP(buf_fini) struct buf b = { .max = 4096 };
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	m.message = view_cstr(text);
	msg_encode_error(&b, &m);
	(void)agent_send(a, id, MSG_T_ERROR, &b);
}

static void on_frame(struct chan *c, const struct frame *f)
{
	dispatch_frame(container_of(c, struct agent, chan), f);
}

static void on_end(struct chan *c, int error)
{
	struct agent *a = container_of(c, struct agent, chan);

	if (error)
		diag("agent loop error: %s", strerror(-error));
	a->ends = true;
	a->end_error = error;
	loop_stop(a->loop);
}

static const struct chan_ops chan_ops = { .on_frame = on_frame,
					  .on_end = on_end };

static void reap(struct deferred *d)
{
	struct agent *a = container_of(d, struct agent, reap_more);
	int status;

	for (int i = 0; i < REAPS_PER_TURN; i++) {
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid <= 0)
			return;
		exec_reaped(a, pid, status);
	}
	/* a flood of orphans must not keep the others from their turn */
	loop_defer(a->loop, d, reap);
}

static void on_child(struct watch *w, uint32_t events)
{
	struct agent *a = container_of(w, struct agent, child_watch);
	struct signalfd_siginfo info;

	(void)events;
	/* one is pending at most, however many children it stands for */
	(void)io_read(w->fd, &info, sizeof(info));
	reap(&a->reap_more);
}

static int watch_children(struct agent *a)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
	    sigaction(SIGPIPE, &ignore, NULL) < 0)
		return -errno;
	a->sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (a->sigfd < 0)
		return -errno;
	return loop_watch(a->loop, &a->child_watch, a->sigfd, EPOLLIN,
			  on_child);
}

static int send_ready(struct agent *a, const struct agent_times *t)
{
	struct msg_ready m = { .boot_time_ns = t->boot_ns,
			       .init_time_ns = t->init_ns,
			       .ready_time_ns = clock_boot_ns(),
			       .agent_version = view_cstr(MSB_VERSION) };
	MSB_CLEANUP(buf_fini) struct buf b = { .max = 256 };
	int rc;

	msg_encode_ready(&b, &m);
	rc = agent_send(a, 0, MSG_T_READY, &b);
	if (!rc)
		chan_flush(&a->chan);
	return rc;
}

/* Everything that can fail before the first frame. */
static int set_up(struct agent *a, int channel_fd)
{
	int rc = loop_new(&a->loop);

	if (rc) {
		(void)close(channel_fd);
		return rc;
	}
	activity_init(&a->activity, a->loop);
	a->usage = (struct usage)USAGE_INIT;
	rc = chan_open(&a->chan, a->loop, channel_fd, &chan_ops);
	if (rc)
		return rc;
	a->io_buf = malloc(AGENT_IO_BUF);
	if (!a->io_buf)
		return -ENOMEM;
	rc = fs_service_new(a, &a->fs);
	if (!rc)
		rc = spawner_new(&a->spawner);
	return rc ? rc : watch_children(a);
}

int agent_serve(struct agent *a, int channel_fd, const struct agent_times *t,
		void (*after_ready)(struct agent *a, void *ctx), void *ctx)
{
	int rc = set_up(a, channel_fd);

	if (!rc)
		rc = send_ready(a, t);
	if (rc)
		return rc;
	if (after_ready)
		after_ready(a, ctx);
	rc = loop_run(a->loop);
	return rc ? rc : a->end_error;
}

void agent_end(struct agent *a)
{
	exec_signal_all(a, SIGTERM);
	exec_drop_all(a);
	tcp_drop_all(a);
	a->fs = fs_service_free(a->fs);
	a->spawner = spawner_free(a->spawner);
	loop_unwatch(&a->child_watch);
	loop_defer_cancel(&a->reap_more);
	close_fd(&a->sigfd);
	activity_fini(&a->activity);
	usage_fini(&a->usage);
	if (a->chan.loop && a->role == AGENT_HOSTED)
		chan_close(&a->chan);
	a->loop = loop_free(a->loop);
	free(a->io_buf);
	a->io_buf = NULL;
	user_files_fini(&a->users);
	strv_fini(&a->env);
	free(a->user);
	free(a->workdir);
	a->user = a->workdir = NULL;
}
