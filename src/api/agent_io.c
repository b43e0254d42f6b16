/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of an agent's client, and sending. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "api/agent_int.h"
#include "api/cancel.h"
#include "base/clock.h"
#include "base/io.h"

#define READ_CHUNK 65536u
#define WAIT_SLICE_MS 3600000

static void ended(msb_agent_t *a, int sys)
{
	struct err why = { 0 };

	if (sys == ENODATA || sys == EPIPE || sys == ECONNRESET)
		(void)err_set(&why, ERR_AGENT, ECONNRESET,
			      "the connection to the sandbox has ended");
	else
		(void)err_sys(&why, ERR_AGENT, sys, "talk to the sandbox");
	agent_over(a, &why);
}

/* Write what the socket takes. A peer that has gone is found by reading, behind
 * what it said last. */
static void flush(msb_agent_t *a)
{
	while (buf_len(&a->out)) {
		ssize_t n = send(a->fd, buf_data(&a->out), buf_len(&a->out),
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			buf_consume(&a->out, (size_t)n);
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			buf_reset(&a->out);
	}
	agent_signal_set(&a->room, buf_len(&a->out) < AGENT_OUT_HIGH);
}

/* One read, and what has come whole by it. */
static void take(msb_agent_t *a)
{
	uint8_t *p = buf_reserve(&a->in, READ_CHUNK);
	ssize_t n = p ? io_read(a->fd, p, READ_CHUNK) : -ENOMEM;

	if (n > 0)
		buf_commit(&a->in, (size_t)n);
	(void)pthread_mutex_lock(&a->lock);
	if (n > 0)
		agent_deliver(a, &a->in);
	else if (n != -EAGAIN && !a->closed)
		ended(a, n ? (int)-n : ENODATA);
	(void)pthread_mutex_unlock(&a->lock);
}

/* What to poll for; false: nothing any more. */
static bool plan(msb_agent_t *a, struct pollfd *sock)
{
	bool go;

	(void)pthread_mutex_lock(&a->lock);
	agent_signal_set(&a->wake, false);
	go = !a->closed && !a->over;
	sock->events = a->stalled ? 0 : POLLIN;
	if (buf_len(&a->out))
		sock->events |= POLLOUT;
	/* without a wish, its end would be told again and again */
	sock->fd = sock->events ? a->fd : -1;
	(void)pthread_mutex_unlock(&a->lock);
	return go;
}

static void *run(void *arg)
{
	msb_agent_t *a = arg;
	struct pollfd p[2] = { { .fd = a->fd },
			       { .fd = a->wake.fd, .events = POLLIN } };

	(void)pthread_mutex_lock(&a->lock);
	agent_deliver(a, &a->in); /* what came with the handshake */
	(void)pthread_mutex_unlock(&a->lock);
	while (plan(a, &p[0])) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents & ~POLLIN) {
			(void)pthread_mutex_lock(&a->lock);
			flush(a);
			(void)pthread_mutex_unlock(&a->lock);
		}
		if ((p[0].events & POLLIN) && (p[0].revents & ~POLLOUT))
			take(a);
	}
	return NULL;
}

int agent_run(msb_agent_t *a)
{
	sigset_t all, before;
	int rc;

	/* the program's handlers run on its own threads */
	(void)sigfillset(&all);
	rc = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (rc)
		return -rc;
	rc = pthread_create(&a->thread, NULL, run, a);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -rc;
}

int agent_wait(int fd, uint64_t deadline_ms, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		uint64_t now = clock_mono_ms();
		uint64_t left = deadline_ms > now ? deadline_ms - now : 0;
		int wait = left < WAIT_SLICE_MS ? (int)left : WAIT_SLICE_MS;
		int rc = cancel_poll(
			&p, 1, deadline_ms == AGENT_NO_DEADLINE ? -1 : wait);

		if (rc > 0)
			return 1;
		if (rc == -ECANCELED)
			return err_set(err, ERR_CANCELLED, ECANCELED,
				       "cancelled");
		if (rc < 0 && rc != -EINTR)
			return err_sys(err, ERR_IO, -rc, "wait");
		if (clock_mono_ms() >= deadline_ms)
			return 0;
	}
}

int agent_put(msb_agent_t *a, uint32_t id, uint8_t flags, const void *body,
	      size_t len, uint64_t deadline_ms, struct err *err)
{
	int rc;

	if (len > FRAME_LEN_MAX - FRAME_LEN_MIN)
		return err_set(err, ERR_INVALID, EMSGSIZE,
			       "a frame takes at most %u bytes",
			       FRAME_LEN_MAX - FRAME_LEN_MIN);
	(void)pthread_mutex_lock(&a->lock);
	rc = agent_state(a, err);
	while (!rc && !a->room.on) {
		(void)pthread_mutex_unlock(&a->lock);
		rc = agent_wait(a->room.fd, deadline_ms, err);
		if (!rc)
			rc = err_set(err, ERR_TIMEOUT, ETIMEDOUT,
				     "the sandbox takes no requests");
		(void)pthread_mutex_lock(&a->lock);
		if (rc > 0)
			rc = agent_state(a, err);
	}
	if (!rc && frame_put_raw(&a->out, id, flags, body, len))
		rc = api_no_memory(err);
	if (!rc) {
		flush(a);
		if (buf_len(&a->out))
			agent_signal_set(&a->wake, true);
	}
	(void)pthread_mutex_unlock(&a->lock);
	return rc;
}
