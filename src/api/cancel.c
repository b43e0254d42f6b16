/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens, and waiting that heeds them. */
#include "api/cancel.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* How long what cannot be polled may leave a token unnoticed. */
#define SLICE_MS 20u

struct msb_cancel {
	atomic_bool triggered;
	int fd; /* an eventfd; readable from then on */
};

/* The only state that belongs to no object: a call finds the token of its
 * caller without every function having to pass it on. */
static _Thread_local msb_cancel_t *current;

msb_cancel_t *msb_cancel_new(void)
{
	msb_cancel_t *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	atomic_init(&c->triggered, false);
	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->fd >= 0)
		return c;
	free(c);
	return NULL;
}

/* Also from signal handlers: errno is somebody else's. */
void msb_cancel_trigger(msb_cancel_t *c)
{
	const uint64_t one = 1;
	int saved = errno;

	atomic_store(&c->triggered, true);
	(void)!write(c->fd, &one, sizeof(one)); /* full is readable, too */
	errno = saved;
}

void msb_cancel_free(msb_cancel_t *c)
{
	if (!c)
		return;
	(void)close(c->fd);
	free(c);
}

msb_cancel_t *msb_cancel_use(msb_cancel_t *c)
{
	msb_cancel_t *before = current;

	current = c;
	return before;
}

bool cancel_in_use(void)
{
	return current;
}

bool cancel_requested(void)
{
	return current && atomic_load(&current->triggered);
}

int cancel_check(void)
{
	return cancel_requested() ? -ECANCELED : 0;
}

int cancel_poll(struct pollfd *p, unsigned n, int timeout_ms)
{
	struct pollfd all[CANCEL_POLL_MAX + 1];
	int rc;

	if (n > CANCEL_POLL_MAX)
		return -EINVAL;
	if (cancel_requested())
		return -ECANCELED;
	if (!current) {
		rc = poll(p, n, timeout_ms);
		return rc < 0 ? -errno : rc;
	}
	memcpy(all, p, n * sizeof(*p));
	all[n] = (struct pollfd){ .fd = current->fd, .events = POLLIN };
	rc = poll(all, n + 1, timeout_ms);
	if (rc < 0)
		return -errno;
	if (all[n].revents)
		return -ECANCELED;
	memcpy(p, all, n * sizeof(*p));
	return rc;
}

int cancel_sleep(unsigned ms)
{
	struct pollfd none = { .fd = -1 };
	int rc = cancel_poll(&none, 1, (int)ms);

	return rc == -ECANCELED ? rc : 0; /* early is one more look */
}

int cancel_mutex_lock(pthread_mutex_t *lock)
{
	while (current) {
		struct timespec until;
		int rc = cancel_check();

		if (rc)
			return rc;
		(void)clock_gettime(CLOCK_REALTIME, &until); /* cannot fail */
		until.tv_nsec += SLICE_MS * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		if (!pthread_mutex_timedlock(lock, &until))
			return 0;
	}
	(void)pthread_mutex_lock(lock);
	return 0;
}

int cancel_lifecycle_lock(const struct home *h, const char *name,
			  uint64_t timeout_ms, struct err *err)
{
	uint64_t start = clock_mono_ms();

	for (;;) {
		uint64_t spent = clock_mono_ms() - start;
		uint64_t left = spent < timeout_ms ? timeout_ms - spent : 0;
		int fd, rc;

		if (!current)
			return lifecycle_lock(h, name, left, err);
		rc = cancel_check();
		if (rc)
			return err_set(err, ERR_CANCELLED, -rc, "cancelled");
		fd = lifecycle_lock(h, name, left < SLICE_MS ? left : SLICE_MS,
				    err);
		if (fd != -ETIMEDOUT || left <= SLICE_MS)
			return fd;
		err_clear(err);
	}
}

int cancel_process_wait(const struct runtime_process *p, int end_fd,
			uint64_t timeout_ms)
{
	uint64_t start = clock_mono_ms();

	for (;;) {
		uint64_t spent = clock_mono_ms() - start;
		uint64_t left = spent < timeout_ms ? timeout_ms - spent : 0;
		int rc;

		if (!current)
			return runtime_process_wait(p, end_fd, left);
		rc = cancel_check();
		if (rc)
			return rc;
		rc = runtime_process_wait(p, end_fd,
					  left < SLICE_MS ? left : SLICE_MS);
		if (rc != -ETIMEDOUT || left <= SLICE_MS)
			return rc;
	}
}
