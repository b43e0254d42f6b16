/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting that another thread can end. The token is the calling thread's, set
 * with msb_cancel_use(); whatever waits in this room does it with one of these,
 * and passes -ECANCELED on like any other failure: where the error is handed
 * out, it becomes ERR_CANCELLED.
 */
#ifndef MSB_API_CANCEL_H
#define MSB_API_CANCEL_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>

#include "microsandbox/core.h"
#include "store/lock.h"

#define CANCEL_POLL_MAX 4u

/* Is there a token that could be triggered? */
bool cancel_in_use(void);
/* Has the thread's token been triggered? */
bool cancel_requested(void);
/* The same, for loops that work rather than wait: 0 or -ECANCELED. */
int cancel_check(void);
/*
 * poll() of at most CANCEL_POLL_MAX descriptors: the number of those that are
 * ready, 0 when timeout_ms (-1: never) have passed, -ECANCELED, -EINTR after a
 * signal handler, -errno.
 */
int cancel_poll(struct pollfd *p, unsigned n, int timeout_ms);
/* Wait for a moment, or less: 0 or -ECANCELED. */
int cancel_sleep(unsigned ms);

/* Take a lock that somebody may keep over a wait: 0 or -ECANCELED. */
int cancel_mutex_lock(pthread_mutex_t *lock);

/* lifecycle_lock() and runtime_process_wait(); also -ECANCELED. */
int cancel_lifecycle_lock(const struct home *h, const char *name,
			  uint64_t timeout_ms, struct err *err);
int cancel_process_wait(const struct runtime_process *p, int end_fd,
			uint64_t timeout_ms);

/* What undoes things after a failure waits in other ways: it is not to be cut
 * short itself. */

#endif
