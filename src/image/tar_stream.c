/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of buffers between the decompressing thread and the caller. */
#include "image/tar_stream.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "image/tar_inflate.h"

/* Large enough to make waking the other side cheap, and to stay in a cache. */
#define CHUNK_SIZE ((size_t)256 << 10)
#define CHUNKS 6u

struct tar_stream {
	struct tar_inflate inflate; /* the thread's */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* guarded by lock; a chunk belongs to the side that may pass it on */
	size_t len[CHUNKS];
	unsigned made, taken; /* chunks; they only count up */
	bool stop, ended;     /* told by the caller, by the thread */
	int result;	      /* of the thread */
	struct err err;
	bool holds; /* the caller's: it still uses chunk `taken` */
	uint8_t *chunks;
};

/* Wait for a free chunk; false to stop. */
static bool may_make(struct tar_stream *s)
{
	bool go;

	(void)pthread_mutex_lock(&s->lock);
	while (!s->stop && s->made - s->taken == CHUNKS)
		(void)pthread_cond_wait(&s->changed, &s->lock);
	go = !s->stop;
	(void)pthread_mutex_unlock(&s->lock);
	return go;
}

static void *make(void *arg)
{
	struct tar_stream *s = arg;
	struct err err = { 0 };
	unsigned i = 0;
	ssize_t n = 0;

	while (may_make(s)) {
		n = tar_inflate_read(&s->inflate,
				     s->chunks + (i % CHUNKS) * CHUNK_SIZE,
				     CHUNK_SIZE, &err);
		if (n <= 0)
			break;
		(void)pthread_mutex_lock(&s->lock);
		s->len[i++ % CHUNKS] = (size_t)n;
		s->made++;
		(void)pthread_cond_signal(&s->changed);
		(void)pthread_mutex_unlock(&s->lock);
	}
	(void)pthread_mutex_lock(&s->lock);
	s->result = (int)n;
	s->err = err;
	s->ended = true;
	(void)pthread_cond_signal(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Signals are for the threads that know of them. */
static int start(struct tar_stream *s)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&s->thread, NULL, make, s);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int tar_stream_new(layer_read_fn *read, void *ctx, struct tar_stream **ret,
		   struct err *err)
{
	struct tar_stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	s->chunks = malloc(CHUNKS * CHUNK_SIZE);
	r = tar_inflate_init(&s->inflate, read, ctx, err);
	if (!r && !s->chunks)
		r = err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	if (r)
		goto free_stream;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->changed, NULL);
	r = start(s);
	if (r) {
		(void)err_sys(err, ERR_IO, -r, "cannot start a thread");
		goto destroy_lock;
	}
	*ret = s;
	return 0;
destroy_lock:
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->lock);
free_stream:
	tar_inflate_fini(&s->inflate);
	free(s->chunks);
	free(s);
	return r;
}

void tar_stream_free(struct tar_stream *s)
{
	if (!s)
		return;
	(void)pthread_mutex_lock(&s->lock);
	s->stop = true;
	(void)pthread_cond_signal(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
	(void)pthread_join(s->thread, NULL);
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->lock);
	tar_inflate_fini(&s->inflate);
	free(s->chunks);
	free(s);
}

ssize_t tar_stream_next(struct tar_stream *s, const void **ret_data,
			struct err *err)
{
	ssize_t n;

	(void)pthread_mutex_lock(&s->lock);
	if (s->holds) {
		s->holds = false;
		s->taken++;
		(void)pthread_cond_signal(&s->changed);
	}
	while (s->made == s->taken && !s->ended)
		(void)pthread_cond_wait(&s->changed, &s->lock);
	if (s->made != s->taken) {
		unsigned i = s->taken % CHUNKS;

		s->holds = true;
		*ret_data = s->chunks + i * CHUNK_SIZE;
		n = (ssize_t)s->len[i];
	} else {
		n = s->result;
		if (n < 0 && err)
			*err = s->err;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}
