/* SPDX-License-Identifier: Apache-2.0 */
/* Start, call into and join a loop thread. */
#include "virtio/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/compiler.h"

struct virtio_thread {
	struct loop *loop;
	pthread_t id;
};

/* Lives on the caller's stack until done. */
struct call {
	struct posted posted;
	void (*fn)(void *ctx);
	void *ctx;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done; /* guarded by lock */
};

static void *thread_main(void *arg)
{
	struct virtio_thread *t = arg;

	/* fails only when epoll itself does; the joiner needs no reason */
	(void)loop_run(t->loop);
	return NULL;
}

int virtio_thread_start(const char *name, struct virtio_thread **ret)
{
	struct virtio_thread *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return -ENOMEM;
	rc = loop_new(&t->loop);
	if (rc)
		goto free_thread;
	rc = -pthread_create(&t->id, NULL, thread_main, t);
	if (rc)
		goto free_loop;
	/* only a name for people; a longer one is refused, nothing else */
	(void)pthread_setname_np(t->id, name);
	*ret = t;
	return 0;
free_loop:
	loop_free(t->loop);
free_thread:
	free(t);
	return rc;
}

struct loop *virtio_thread_loop(struct virtio_thread *t)
{
	return t->loop;
}

static void run_call(struct posted *p)
{
	struct call *c = container_of(p, struct call, posted);

	c->fn(c->ctx);
	pthread_mutex_lock(&c->lock);
	c->done = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

void virtio_thread_call(struct virtio_thread *t, void (*fn)(void *ctx),
			void *ctx)
{
	struct call c = { .fn = fn, .ctx = ctx };

	pthread_mutex_init(&c.lock, NULL);
	pthread_cond_init(&c.cond, NULL);
	loop_post(t->loop, &c.posted, run_call);
	pthread_mutex_lock(&c.lock);
	while (!c.done)
		pthread_cond_wait(&c.cond, &c.lock);
	pthread_mutex_unlock(&c.lock);
	pthread_cond_destroy(&c.cond);
	pthread_mutex_destroy(&c.lock);
}

struct virtio_thread *virtio_thread_stop(struct virtio_thread *t)
{
	if (!t)
		return NULL;
	loop_stop(t->loop);
	(void)pthread_join(t->id, NULL);
	loop_free(t->loop);
	free(t);
	return NULL;
}
