/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for calls that block: as many as there are such calls, since each may
 * wait for another one. They are no part of libuv's pool, which files and names
 * of Node.js need. A thread that has had nothing to do for a while ends.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "addon.h"

#define THREADS_MAX 1024
#define STACK_SIZE (1u << 20)
#define IDLE_SECONDS 10

/* Of the process: its environments share them. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct op *first, **last;
	unsigned threads, idle, queued;
	void (*f)(struct op *o);
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .work = PTHREAD_COND_INITIALIZER,
	   .last = &pool.first };

/* The next job, or NULL when there was none for long; under the lock. */
static struct op *next_job(void)
{
	struct timespec end;
	struct op *o;
	int rc = 0;

	(void)clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += IDLE_SECONDS;
	pool.idle++;
	while (!pool.first && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&pool.work, &pool.lock, &end);
	pool.idle--;
	o = pool.first;
	if (o) {
		pool.first = o->next_job;
		if (!pool.first)
			pool.last = &pool.first;
		pool.queued--;
	}
	return o;
}

static void *thread_main(void *arg)
{
	struct op *o;

	(void)pthread_mutex_lock(&pool.lock);
	while ((o = next_job())) {
		(void)pthread_mutex_unlock(&pool.lock);
		pool.f(o);
		(void)pthread_mutex_lock(&pool.lock);
	}
	pool.threads--;
	(void)pthread_mutex_unlock(&pool.lock);
	return arg;
}

static int thread_new(void)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	if (pthread_attr_init(&attr))
		return -EAGAIN;
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	/* signals are for the program's own threads */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, &attr, thread_main, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return rc ? -EAGAIN : 0;
}

int thread_run(struct op *o, void (*f)(struct op *o))
{
	int rc = 0;

	(void)pthread_mutex_lock(&pool.lock);
	pool.f = f;
	if (pool.idle <= pool.queued && pool.threads < THREADS_MAX) {
		rc = thread_new();
		if (!rc)
			pool.threads++;
		else if (pool.threads)
			rc = 0; /* it waits for one of those */
	}
	if (!rc) {
		o->next_job = NULL;
		*pool.last = o;
		pool.last = &o->next_job;
		pool.queued++;
		(void)pthread_cond_signal(&pool.work);
	}
	(void)pthread_mutex_unlock(&pool.lock);
	return rc;
}
