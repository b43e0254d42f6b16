/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs of layers: fetched into a file by one thread, read by another. */
#include "image/download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "image/store_work.h"

/*
 * The fetching thread writes at the end of the file and then moves `there` on;
 * the reader never goes beyond it. What is in the file is never changed, only
 * removed: a part that turns out to be wrong is fetched anew in another file.
 */
struct download {
	struct list link;
	struct downloads *all;
	size_t layer;
	struct store_work lock_file;
	char name[STORE_PATH_MAX]; /* in tmp/ */
	int fd;
	bool resumed, running;
	pthread_t thread;
	struct registry_fetch fetch;
	atomic_bool cancel;
	uint64_t offset; /* of the reader */
	pthread_mutex_t lock;
	pthread_cond_t moved;
	uint64_t there; /* bytes in the file */
	bool ended;
	int rc;
	struct err err; /* of rc */
};

void downloads_init(struct downloads *d)
{
	(void)pthread_mutex_init(&d->lock, NULL); /* cannot fail on Linux */
	list_init(&d->list);
	atomic_init(&d->cancel, false);
	atomic_init(&d->full, false);
	atomic_init(&d->received, 0);
}

void downloads_fini(struct downloads *d)
{
	(void)pthread_mutex_destroy(&d->lock);
}

/* ---- the fetching thread ------------------------------------------------- */

static int write_at(int fd, const void *data, size_t len, uint64_t off)
{
	const uint8_t *p = data;

	while (len) {
		struct iovec v = { .iov_base = (void *)p, .iov_len = len };
		ssize_t n = io_pwritev(fd, &v, 1, (off_t)off, 0);

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		p += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

static int take(void *ctx, const void *data, size_t len)
{
	struct download *d = ctx;
	uint64_t off = d->fetch.have;
	int rc = write_at(d->fd, data, len, off);

	if (rc)
		return rc == -EDQUOT ? -ENOSPC : rc;
	(void)pthread_mutex_lock(&d->lock);
	d->there = off + len;
	(void)pthread_cond_signal(&d->moved);
	(void)pthread_mutex_unlock(&d->lock);
	(void)atomic_fetch_add(&d->all->received, len);
	if (d->all->on_progress)
		d->all->on_progress(d->all->ctx, d->layer, off + len,
				    d->fetch.size);
	return 0;
}

static void *run(void *ctx)
{
	struct download *d = ctx;
	struct err err = { .kind = ERR_NONE };
	int rc = registry_fetch(d->all->registry, &d->fetch, &err);

	if (rc == -ENOSPC) {
		atomic_store(&d->all->full, true);
		(void)err_sys(&err, ERR_NO_SPACE, ENOSPC,
			      "cannot download to '%s'", d->all->store->path);
	}
	(void)pthread_mutex_lock(&d->lock);
	d->rc = rc;
	d->err = err;
	d->ended = true;
	(void)pthread_cond_signal(&d->moved);
	(void)pthread_mutex_unlock(&d->lock);
	return NULL;
}

/* ---- open ---------------------------------------------------------------- */

/* Under the lock, the file is ours: take what an earlier attempt has left. */
static int open_part(struct download *d, struct err *err)
{
	int tmp = d->lock_file.tmp_fd;
	struct stat st;

	if (d->all->from_zero)
		(void)unlinkat(tmp, d->name, 0); /* or it is not there */
	d->fd = openat(tmp, d->name,
		       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		       0600);
	if (d->fd < 0 || fstat(d->fd, &st) < 0)
		return store_err(err, errno, "open '%s/" STORE_TMP "/%s'",
				 d->all->store->path, d->name);
	if (!S_ISREG(st.st_mode))
		return store_err(err, EINVAL, "use '%s/" STORE_TMP "/%s'",
				 d->all->store->path, d->name);
	if ((uint64_t)st.st_size > d->fetch.size) {
		if (ftruncate(d->fd, 0) < 0)
			return store_err(err, errno, "empty '%s'", d->name);
		st.st_size = 0;
	}
	d->there = d->fetch.have = (uint64_t)st.st_size;
	d->resumed = d->there > 0;
	return 0;
}

static int start(struct download *d, struct err *err)
{
	int rc;

	if (d->resumed && d->all->on_progress)
		d->all->on_progress(d->all->ctx, d->layer, d->there,
				    d->fetch.size);
	d->ended = d->there == d->fetch.size;
	if (d->ended)
		return 0;
	rc = pthread_create(&d->thread, NULL, run, d);
	if (rc)
		return err_sys(err, ERR_NO_MEMORY, rc, "start a download");
	d->running = true;
	return 0;
}

static struct download *release(struct download *d)
{
	close_fd(&d->fd);
	(void)pthread_cond_destroy(&d->moved);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
	return NULL;
}

/* From now on it is told when the others are cancelled. */
static void enlist(struct download *d)
{
	struct downloads *all = d->all;

	(void)pthread_mutex_lock(&all->lock);
	list_add_tail(&all->list, &d->link);
	if (atomic_load(&all->cancel))
		atomic_store(&d->cancel, true);
	(void)pthread_mutex_unlock(&all->lock);
}

static void delist(struct download *d)
{
	(void)pthread_mutex_lock(&d->all->lock);
	list_del(&d->link);
	(void)pthread_mutex_unlock(&d->all->lock);
}

int download_open(void *ctx, size_t layer, void **ret_stream, struct err *err)
{
	struct downloads *all = ctx;
	const struct oci_descriptor *desc = &all->layers[layer];
	struct download *d = calloc(1, sizeof(*d));
	char digest[DIGEST_TEXT_MAX + 1], name[DIGEST_TEXT_MAX + 8];
	int rc;

	if (!d)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "download");
	d->all = all;
	d->layer = layer;
	d->fd = -1;
	d->fetch = (struct registry_fetch){ .digest = &desc->digest,
					    .size = desc->size,
					    .take = take,
					    .ctx = d,
					    .cancel = &d->cancel };
	(void)pthread_mutex_init(&d->lock, NULL); /* cannot fail on Linux */
	(void)pthread_cond_init(&d->moved, NULL);
	digest_file_name(&desc->digest, digest);
	(void)snprintf(d->name, sizeof(d->name), "blob_%s.part", digest);
	/* a name of its own: a blob may be called as the layer it makes */
	(void)snprintf(name, sizeof(name), "get_%s", digest);
	rc = store_work_begin(all->store, name, &all->cancel, NULL, NULL,
			      &d->lock_file, err);
	if (rc) {
		(void)release(d);
		return rc;
	}
	enlist(d);
	rc = open_part(d, err);
	if (!rc)
		rc = start(d, err);
	if (rc) {
		delist(d);
		store_work_end(&d->lock_file);
		(void)release(d);
		return rc;
	}
	*ret_stream = d;
	return 0;
}

/* ---- read ---------------------------------------------------------------- */

/* Bytes that can be read; 0 at the end. */
static int64_t await(struct download *d, struct err *err)
{
	int64_t n;

	(void)pthread_mutex_lock(&d->lock);
	while (d->there == d->offset && !d->ended && !atomic_load(&d->cancel))
		(void)pthread_cond_wait(&d->moved, &d->lock);
	n = (int64_t)(d->there - d->offset);
	if (atomic_load(&d->cancel)) {
		n = err_set(err, ERR_IMAGE, ECANCELED, "cancelled");
	} else if (!n && d->rc) {
		if (err)
			*err = d->err;
		n = d->rc;
	}
	(void)pthread_mutex_unlock(&d->lock);
	return n;
}

ssize_t download_read(void *stream, void *buf, size_t len, struct err *err)
{
	struct download *d = stream;
	struct iovec v = { .iov_base = buf, .iov_len = len };
	int64_t there = await(d, err);
	ssize_t n;

	if (there <= 0)
		return (ssize_t)there;
	if ((uint64_t)there < len)
		v.iov_len = (size_t)there;
	n = io_preadv(d->fd, &v, 1, (off_t)d->offset, 0);
	if (n <= 0)
		return store_err(err, n ? (int)-n : EIO,
				 "read '%s/" STORE_TMP "/%s'",
				 d->all->store->path, d->name);
	d->offset += (uint64_t)n;
	return n;
}

/* ---- close --------------------------------------------------------------- */

static void cancel(struct download *d)
{
	(void)pthread_mutex_lock(&d->lock);
	atomic_store(&d->cancel, true);
	(void)pthread_cond_signal(&d->moved);
	(void)pthread_mutex_unlock(&d->lock);
}

static void cancel_all(struct downloads *all)
{
	struct list *pos, *tmp;

	atomic_store(&all->cancel, true);
	(void)pthread_mutex_lock(&all->lock);
	list_for_each_safe(pos, tmp, &all->list)
		cancel(container_of(pos, struct download, link));
	(void)pthread_mutex_unlock(&all->lock);
	registry_wake(all->registry);
}

/* What there is of a blob is of use to a later attempt. */
static bool worth_keeping(const struct download *d, int result)
{
	if (!result || result == -EBADMSG || d->rc == -EBADMSG ||
	    atomic_load(&d->all->full))
		return false;
	/* it broke off; otherwise the fault is in what it holds */
	return result == -ECANCELED || (d->rc && d->rc != -ECANCELED);
}

bool download_close(void *stream, int result)
{
	struct download *d = stream;
	struct downloads *all = d->all;
	bool broke_off, again;

	if (result == -ENOSPC)
		atomic_store(&all->full, true);
	(void)pthread_mutex_lock(&d->lock);
	broke_off = d->rc;
	(void)pthread_mutex_unlock(&d->lock);
	if (d->running) {
		cancel(d);
		registry_wake(all->registry);
		(void)pthread_join(d->thread, NULL);
	}
	/* Bytes of an earlier attempt may be to blame: once more, from zero. */
	again = result && d->resumed && !broke_off && result != -ECANCELED &&
		!atomic_load(&all->full);
	if (again || !worth_keeping(d, result))
		(void)unlinkat(d->lock_file.tmp_fd, d->name, 0);
	delist(d);
	store_work_end(&d->lock_file);
	(void)release(d);
	if (result && !again)
		cancel_all(all);
	return again;
}
