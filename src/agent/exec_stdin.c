/* SPDX-License-Identifier: Apache-2.0 */
/* Input of a program. */
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "agent/exec_int.h"
#include "base/cleanup.h"
#include "base/io.h"

static void on_writable(struct watch *w, uint32_t events);

void exec_stdin_init(struct exec *x, int fd)
{
	x->in_fd = fd;
	inflow_init(&x->in_queue, &x->a->chan, x->session.id);
}

void exec_stdin_close(struct exec *x)
{
	loop_unwatch(&x->in_watch);
	close_fd(&x->in_fd);
	inflow_fini(&x->in_queue);
}

static void send_error(struct exec *x, int sys, const char *text)
{
	struct msg_stdin_error m = { .err_no = { true, sys },
				     .errno_name = agent_errno_name(sys),
				     .message = view_cstr(text) };
	MSB_CLEANUP(buf_fini) struct buf b = { .max = 4096 };

	/* the only names this message knows */
	if (sys != EPIPE && sys != EBADF && sys != EINVAL && sys != EIO &&
	    sys != ENOSPC && sys != EFBIG)
		m.errno_name = (struct view){ 0 };
	msg_encode_stdin_error(&b, &m);
	(void)agent_send(x->a, x->session.id, MSG_T_EXEC_STDIN_ERROR, &b);
}

static void fail(struct exec *x, int sys)
{
	char text[160] = "io error: ";
	const size_t used = sizeof("io error: ") - 1;

	(void)agent_errno_text(sys, text + used, sizeof(text) - used);
	if (!x->in_overrun) /* the client has been told already */
		send_error(x, sys, text);
	exec_stdin_close(x);
}

/*
 * Never waits, whatever state the program put its end in: the flag of a pipe
 * is shared with everybody who opens it through /proc.
 */
static ssize_t write_some(struct exec *x, const uint8_t *p, size_t len)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = len };
	ssize_t n;

	if (x->tty)
		return io_write(x->in_fd, p, len);
	do
		n = pwritev2(x->in_fd, &iov, 1, -1, RWF_NOWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0 || errno != EOPNOTSUPP)
		return n < 0 ? -errno : n;
	(void)io_set_nonblock(x->in_fd, true); /* the write tells */
	return io_write(x->in_fd, p, len);
}

/* Bytes taken, or -1 when the input is gone and closed. */
static ssize_t push(struct exec *x, const uint8_t *p, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write_some(x, p + done, len - done);

		if (n == -EAGAIN)
			break;
		if (n < 0) {
			fail(x, (int)-n);
			return -1;
		}
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static void on_writable(struct watch *w, uint32_t events)
{
	struct exec *x = container_of(w, struct exec, in_watch);
	const struct buf *queue = &x->in_queue.queue;
	ssize_t n = push(x, buf_data(queue), buf_len(queue));

	(void)events;
	if (n < 0)
		return;
	inflow_consume(&x->in_queue, (size_t)n);
	if (!inflow_empty(&x->in_queue))
		return;
	loop_unwatch(w);
	if (x->in_eof)
		exec_stdin_close(x);
}

static void enqueue(struct exec *x, struct view data)
{
	int rc = inflow_append(&x->in_queue, data.p, data.len);

	if (rc) {
		x->in_overrun = true;
		send_error(x, ENOSPC, "stdin queue is full");
		return;
	}
	if (!x->in_watch.loop)
		rc = loop_watch(x->a->loop, &x->in_watch, x->in_fd, EPOLLOUT,
				on_writable);
	if (rc)
		fail(x, -rc);
}

void exec_stdin(struct agent *a, struct session *s, struct view data)
{
	struct exec *x = container_of(s, struct exec, session);

	(void)a;
	if (x->in_fd < 0 || x->in_eof)
		return;
	if (!data.len) {
		/* a terminal's end of file is a character */
		x->in_eof = !x->tty;
		if (x->in_eof && inflow_empty(&x->in_queue))
			exec_stdin_close(x);
		return;
	}
	if (x->in_overrun)
		return;
	if (inflow_empty(&x->in_queue)) {
		ssize_t n = push(x, data.p, data.len);

		if (n < 0)
			return;
		data.p += n;
		data.len -= (size_t)n;
	}
	if (data.len)
		enqueue(x, data);
}
