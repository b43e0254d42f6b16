/* SPDX-License-Identifier: Apache-2.0 */
/* A command's connection: what is sent over it, and when there is what to do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "api/exec_int.h"
#include "base/clock.h"

#define TIMEOUT_MAX_MS (365ull * 24 * 3600 * 1000)

/* ---- the object --------------------------------------------------------- */

void exec_lock(msb_exec_t *x)
{
	(void)pthread_mutex_lock(&x->lock);
}

void exec_unlock(msb_exec_t *x)
{
	(void)pthread_mutex_unlock(&x->lock);
}

int exec_new(const char *sandbox, const char *command, msb_exec_t **ret)
{
	msb_exec_t *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	(void)pthread_mutex_init(&x->lock, NULL); /* cannot fail on Linux */
	x->c.fd = x->epoll_fd = x->timer_fd = -1;
	x->output_max = MSB_OUTPUT_MAX_BYTES;
	x->sandbox = strdup(sandbox);
	x->command = command ? strdup(command) : NULL;
	if (!x->sandbox || (command && !x->command)) {
		msb_exec_free(x);
		return -ENOMEM;
	}
	*ret = x;
	return 0;
}

static int watch(const msb_exec_t *x, int fd, int op, bool writing)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (writing)
		ev.events |= EPOLLOUT;
	return epoll_ctl(x->epoll_fd, op, fd, &ev) < 0 ? -errno : 0;
}

int exec_connected(msb_exec_t *x, struct err *err)
{
	int rc = 0;

	x->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (x->epoll_fd < 0)
		rc = -errno;
	if (!rc)
		rc = watch(x, x->c.fd, EPOLL_CTL_ADD, false);
	return rc ? err_sys(err, ERR_IO, -rc, "watch a connection") : 0;
}

void msb_exec_free(msb_exec_t *x)
{
	if (!x)
		return;
	agent_close(&x->c); /* the relay ends what has not ended */
	close_fd(&x->timer_fd);
	close_fd(&x->epoll_fd);
	free(x->feed);
	free(x->command);
	free(x->sandbox);
	(void)pthread_mutex_destroy(&x->lock);
	free(x);
}

int exec_timer_set(msb_exec_t *x)
{
	uint64_t first = x->deadline_ms, now = clock_mono_ms(), left;
	struct itimerspec t = { 0 };
	int rc = 0;

	if (x->kill_ms && (!first || x->kill_ms < first))
		first = x->kill_ms;
	left = first > now ? first - now : 0;
	t.it_value.tv_sec = (time_t)(left / 1000);
	t.it_value.tv_nsec = (long)(left % 1000) * 1000000;
	if (first && !left)
		t.it_value.tv_nsec = 1; /* 0 would be never */
	if (x->timer_fd < 0) {
		x->timer_fd = timerfd_create(CLOCK_MONOTONIC,
					     TFD_CLOEXEC | TFD_NONBLOCK);
		rc = x->timer_fd < 0
			     ? -errno
			     : watch(x, x->timer_fd, EPOLL_CTL_ADD, false);
	}
	if (!rc && timerfd_settime(x->timer_fd, 0, &t, NULL) < 0)
		rc = -errno;
	return rc;
}

int exec_deadline_in(msb_exec_t *x, uint64_t ms)
{
	if (ms > TIMEOUT_MAX_MS)
		ms = TIMEOUT_MAX_MS;
	x->deadline_ms = clock_mono_ms() + ms;
	return exec_timer_set(x);
}

/* ---- sending ------------------------------------------------------------ */

int exec_send_err(struct err *err, int rc)
{
	switch (rc) {
	case -EOPNOTSUPP:
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "the guest's agent is too old for this");
	case -EMSGSIZE:
		return err_set(err, ERR_INVALID, E2BIG,
			       "arguments and environment are too long: "
			       "together they must stay below %u MiB",
			       FRAME_LEN_MAX >> 20);
	case -ETIMEDOUT:
		return err_set(err, ERR_AGENT, ETIMEDOUT,
			       "the sandbox takes no requests");
	case -EPIPE:
	case -ENODATA:
		return err_set(err, ERR_AGENT, ECONNRESET,
			       "the connection to the sandbox has ended");
	default:
		return err_sys(err, ERR_AGENT, -rc, "talk to the sandbox");
	}
}

int exec_watch_room(msb_exec_t *x)
{
	bool writing = buf_len(&x->c.out) > 0 && !x->c.write_broken;
	int rc = writing == x->writing
			 ? 0
			 : watch(x, x->c.fd, EPOLL_CTL_MOD, writing);

	if (!rc)
		x->writing = writing;
	return rc;
}

/* Ctrl-D; twice when it first ends an unfinished line. */
static int type_end(msb_exec_t *x)
{
	bool whole = !x->feed_len || x->feed[x->feed_len - 1] == '\n';

	x->type_end = false;
	return agent_send_data(&x->c, x->id, MSG_EXEC_STDIN, "\x04\x04",
			       whole ? 1 : 2);
}

/* One piece of what was given beforehand; the empty one is the end. */
static int feed_piece(msb_exec_t *x)
{
	size_t left = x->feed_len - x->feed_off;
	size_t part = left < EXEC_STDIN_CHUNK ? left : EXEC_STDIN_CHUNK;
	int rc = 0;

	if (!part && x->type_end)
		rc = type_end(x);
	if (!rc)
		rc = agent_send_data(
			&x->c, x->id, MSG_EXEC_STDIN,
			part ? x->feed + x->feed_off : (uint8_t *)"", part);
	if (rc)
		return rc;
	x->feed_off += part;
	x->feeding = part > 0;
	return 0;
}

int exec_pump(msb_exec_t *x)
{
	int rc = 0;

	if (x->state != EXEC_RUNNING)
		return 0;
	if (x->writing)
		rc = agent_flush(&x->c);
	while (!rc && x->feeding && !x->c.write_broken &&
	       buf_len(&x->c.out) < EXEC_STDIN_QUEUE) {
		rc = feed_piece(x);
		if (!rc)
			rc = agent_flush(&x->c);
	}
	return rc ? rc : exec_watch_room(x);
}

int exec_send_frame(msb_exec_t *x, enum msg_type type,
		    const struct buf *payload)
{
	int rc = 0;

	if (x->state == EXEC_RUNNING)
		rc = agent_send(&x->c, x->id, type, payload);
	if (!rc)
		rc = agent_flush(&x->c);
	return rc ? rc : exec_watch_room(x);
}

int exec_send_signal(msb_exec_t *x, int signal)
{
	struct buf payload;
	int rc;

	buf_init(&payload, 64);
	msg_encode_signal(&payload, signal);
	rc = exec_send_frame(x, MSG_EXEC_SIGNAL, &payload);
	buf_fini(&payload);
	return rc;
}
