/* SPDX-License-Identifier: Apache-2.0 */
/* The jobs, cut into pieces of one large page each. */
#include "engine/kvm/loader.h"

#include <errno.h>
#include <sys/uio.h>

#include "base/io.h"

#define PIECE (2ull << 20)

void loader_init(struct loader *l)
{
	*l = (struct loader){ .njobs = 0 };
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->cond, NULL);
}

int loader_add_file(struct loader *l, void *to, int fd, uint64_t off,
		    uint64_t len)
{
	if (!len)
		return 0;
	if (l->njobs == LOADER_JOBS)
		return -E2BIG;
	l->job[l->njobs++] = (struct load_job){ to, len, off, fd };
	return 0;
}

static int read_piece(const struct load_job *piece)
{
	uint64_t done = 0;

	while (done < piece->len) {
		const struct iovec left = { piece->to + done,
					    piece->len - done };
		ssize_t n = io_preadv(piece->fd, &left, 1,
				      (off_t)(piece->off + done), 0);

		if (n <= 0)
			return n ? (int)n : -ENODATA;
		done += (uint64_t)n;
	}
	return 0;
}

/* Cut the next piece from a job; pieces end where large pages do, so that two
 * threads do not wait for the same one. Holds the lock. */
static bool next_piece(struct loader *l, struct load_job *piece)
{
	struct load_job *job;

	while (l->at < l->njobs && !l->job[l->at].len)
		l->at++;
	if (l->stop || l->rc || l->at == l->njobs)
		return false;
	job = &l->job[l->at];
	*piece = *job;
	piece->len = PIECE - ((uintptr_t)job->to & (PIECE - 1));
	if (piece->len > job->len)
		piece->len = job->len;
	job->to += piece->len;
	job->off += piece->len;
	job->len -= piece->len;
	return true;
}

static void work(struct loader *l)
{
	struct load_job piece;

	pthread_mutex_lock(&l->lock);
	while (next_piece(l, &piece)) {
		int rc;

		l->reading++;
		pthread_mutex_unlock(&l->lock);
		rc = read_piece(&piece);
		pthread_mutex_lock(&l->lock);
		l->reading--;
		if (!l->rc)
			l->rc = rc;
		pthread_cond_broadcast(&l->cond);
	}
	pthread_mutex_unlock(&l->lock);
}

/* It does not end by itself: whoever closes the process's jail meanwhile waits
 * for an answer of each thread there is. */
static void *thread_main(void *arg)
{
	struct loader *l = arg;

	work(l);
	pthread_mutex_lock(&l->lock);
	while (!l->stop)
		pthread_cond_wait(&l->cond, &l->lock);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

void loader_start(struct loader *l)
{
	l->started = !pthread_create(&l->thread, NULL, thread_main, l);
	if (l->started)
		(void)pthread_setname_np(l->thread, "loader");
}

int loader_finish(struct loader *l)
{
	int rc;

	work(l);
	pthread_mutex_lock(&l->lock);
	while (l->reading)
		pthread_cond_wait(&l->cond, &l->lock);
	rc = l->rc;
	pthread_mutex_unlock(&l->lock);
	return rc;
}

void loader_fini(struct loader *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->cond);
	pthread_mutex_unlock(&l->lock);
	if (l->started)
		(void)pthread_join(l->thread, NULL);
	l->started = false;
	pthread_cond_destroy(&l->cond);
	pthread_mutex_destroy(&l->lock);
}
