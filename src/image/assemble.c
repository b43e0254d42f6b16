/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From manifest, configuration and blobs to an image in the store. Layers are
 * made by several threads, the largest first; then they are merged.
 */
#include "image/assemble.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/store_int.h"
#include "image/store_work.h"

#define REPORT_STEP (256u << 10)
#define DRAIN_CHUNK (64u << 10)
#define MIN_THREADS 4u
#define MAX_THREADS 16u

struct assembly {
	const struct image_store *store;
	const struct assemble_input *in;
	const struct assemble_source *source;
	struct oci_manifest manifest;
	struct image image; /* what is being put together */
	size_t *order;	    /* layers, the largest blob first */
	atomic_size_t next; /* into it */
	atomic_bool cancel;
	atomic_bool built;    /* something had to be made */
	pthread_mutex_t lock; /* of events, and of what follows */
	int rc;		      /* the first failure */
	struct err err;
};

/* A blob on its way into a layer: counted and hashed. */
struct blob {
	struct assembly *a;
	size_t layer;
	void *stream;
	struct hasher hasher;
	uint64_t size, taken, reported;
	bool ended;
};

static void report(struct assembly *a, enum assemble_event_type type,
		   size_t layer, uint64_t bytes, uint64_t total)
{
	const struct assemble_event event = { type, layer, bytes, total };

	if (!a->source->on_event)
		return;
	(void)pthread_mutex_lock(&a->lock);
	a->source->on_event(a->source->ctx, &event);
	(void)pthread_mutex_unlock(&a->lock);
}

static int canceled(struct err *err)
{
	return err_set(err, ERR_IO, ECANCELED, "another layer failed");
}

/* layer_read_fn */
static ssize_t blob_read(void *ctx, void *buf, size_t len, struct err *err)
{
	struct blob *b = ctx;
	uint64_t left = b->size - b->taken;
	uint8_t more;
	ssize_t n;

	if (atomic_load(&b->a->cancel))
		return canceled(err);
	if (b->ended || !len)
		return 0;
	/* One byte more would be one too many. */
	n = left ? b->a->source->read(b->stream, buf, len < left ? len : left,
				      err)
		 : b->a->source->read(b->stream, &more, 1, err);
	if (n < 0)
		return n;
	if (n == 0) {
		b->ended = true;
		return 0;
	}
	if ((uint64_t)n > left)
		return err_set(err, ERR_IMAGE, EBADMSG,
			       "the blob is larger than the %llu bytes that "
			       "the manifest says",
			       (unsigned long long)b->size);
	hasher_add(&b->hasher, buf, (size_t)n);
	b->taken += (uint64_t)n;
	if (b->taken - b->reported >= REPORT_STEP || b->taken == b->size) {
		b->reported = b->taken;
		report(b->a, ASSEMBLE_READ, b->layer, b->taken, b->size);
	}
	return n;
}

/* There is no more of it: whether it is what it should be. */
static int blob_check(struct blob *b, const struct digest *want,
		      struct err *err)
{
	struct digest got;

	if (b->taken != b->size) {
		err_clear(err);
		return err_set(err, ERR_IMAGE, EBADMSG,
			       "the blob has %llu bytes, but the manifest says "
			       "%llu",
			       (unsigned long long)b->taken,
			       (unsigned long long)b->size);
	}
	hasher_done(&b->hasher, &got);
	if (digest_eq(&got, want))
		return 0;
	err_clear(err);
	return err_set(err, ERR_IMAGE, EBADMSG,
		       "digest mismatch: expected %s, got %s", want->text,
		       got.text);
}

/* Take what follows the end of the archive, then check the whole. */
static int blob_finish(struct blob *b, const struct digest *want,
		       struct err *err)
{
	autofree uint8_t *rest = malloc(DRAIN_CHUNK);
	ssize_t n;

	if (!rest)
		return store_err(err, ENOMEM, "read a layer");
	do
		n = blob_read(b, rest, DRAIN_CHUNK, err);
	while (n > 0);
	if (n < 0)
		return (int)n;
	return blob_check(b, want, err);
}

/* Whether the layer's file is there; its size is taken down. */
static bool layer_present(const struct assembly *a, struct image_layer *l)
{
	char path[STORE_PATH_MAX];
	struct stat st;

	if (a->in->rebuild)
		return false;
	store_layer_file(&l->diff_id, path);
	if (fstatat(a->store->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !store_erofs_sound(a->store, path, (uint64_t)st.st_size,
			       (uint64_t)st.st_size))
		return false;
	l->image_size = (uint64_t)st.st_size;
	return true;
}

static int unpack(struct blob *b, struct image_layer *l,
		  const struct store_work *w, struct err *err)
{
	const struct layer_limits *limits = b->a->in->limits;
	char path[STORE_PATH_MAX];
	autoclose int fd = store_work_file(w, err);
	uint64_t size;
	int rc;

	if (fd < 0)
		return fd;
	rc = layer_to_erofs(blob_read, b, &l->diff_id, limits, fd, &size, err);
	if (!rc)
		rc = blob_finish(b, &l->blob, err);
	else if ((b->ended || b->taken == b->size) &&
		 blob_check(b, &l->blob, err))
		rc = -EBADMSG; /* which is why it could not be unpacked */
	if (rc)
		return rc;
	store_work_path(w, path);
	if (!store_erofs_sound(b->a->store, path, size, size))
		return err_set(err, ERR_IO, EIO,
			       "what was made of it is not "
			       "an image");
	store_layer_file(&l->diff_id, path);
	rc = store_work_publish(w, fd, path, err);
	if (!rc)
		l->image_size = size;
	return rc;
}

static int build_layer(struct assembly *a, size_t i, const struct store_work *w,
		       struct err *err)
{
	struct image_layer *l = &a->image.layers[i];

	for (unsigned tries = 1;; tries++) {
		struct blob b = { .a = a, .layer = i, .size = l->blob_size };
		int rc;

		err_clear(err);
		rc = a->source->open(a->source->ctx, i, &b.stream, err);
		if (rc)
			return rc;
		hasher_init(&b.hasher, digest_alg(&l->blob));
		rc = unpack(&b, l, w, err);
		if (!a->source->close(b.stream, rc) || !rc ||
		    tries == ASSEMBLE_TRIES || atomic_load(&a->cancel))
			return rc;
	}
}

struct waiting {
	struct assembly *a;
	size_t layer;
};

static void on_wait(void *ctx)
{
	const struct waiting *w = ctx;

	report(w->a, ASSEMBLE_WAITING, w->layer, 0, 0);
}

static int make_layer(struct assembly *a, size_t i, struct err *err)
{
	struct image_layer *l = &a->image.layers[i];
	struct waiting waiting = { a, i };
	char name[DIGEST_TEXT_MAX + 1];
	struct store_work w;
	bool made = false;
	int rc = 0;

	if (!layer_present(a, l)) {
		digest_file_name(&l->diff_id, name);
		rc = store_work_begin(a->store, name, &a->cancel, on_wait,
				      &waiting, &w, err);
		if (rc)
			return rc;
		made = !layer_present(a, l);
		if (made) {
			atomic_store(&a->built, true);
			rc = build_layer(a, i, &w, err);
		}
		store_work_end(&w);
	}
	if (!rc)
		report(a, made ? ASSEMBLE_DONE : ASSEMBLE_CACHED, i, 0, 0);
	return rc;
}

/*
 * The first failure is the one that is told; the others follow from it. A layer
 * that was given up because of it may be here before it.
 */
static void fail(struct assembly *a, size_t i, int rc, struct err *err)
{
	const struct image_layer *l = &a->image.layers[i];

	err_prefix(err, "layer %.19s", l->blob.text);
	(void)pthread_mutex_lock(&a->lock);
	if (!a->rc || a->rc == -ECANCELED) {
		a->rc = rc;
		a->err = *err;
	}
	(void)pthread_mutex_unlock(&a->lock);
	atomic_store(&a->cancel, true);
}

static void *work(void *ctx)
{
	struct assembly *a = ctx;

	while (!atomic_load(&a->cancel)) {
		size_t at = atomic_fetch_add(&a->next, 1);
		struct err err = { 0 };
		int rc;

		if (at >= a->image.nlayers)
			break;
		rc = make_layer(a, a->order[at], &err);
		if (rc)
			fail(a, a->order[at], rc, &err);
	}
	return NULL;
}

static size_t count_threads(const struct assembly *a)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t n = a->in->threads;

	if (!n) {
		n = cpus > 0 ? (size_t)cpus * 2 : 1;
		n = n < MIN_THREADS ? MIN_THREADS : n;
		n = n > MAX_THREADS ? MAX_THREADS : n;
	}
	return n < a->image.nlayers ? n : a->image.nlayers;
}

static int make_layers(struct assembly *a, struct err *err)
{
	pthread_t threads[OCI_MAX_LAYERS];
	size_t started = 0, want = count_threads(a);

	/* This thread is one of them: without any other it goes on alone. */
	while (started + 1 < want &&
	       !pthread_create(&threads[started], NULL, work, a))
		started++;
	(void)work(a);
	for (size_t i = 0; i < started; i++)
		(void)pthread_join(threads[i], NULL);
	if (a->rc && err)
		*err = a->err;
	return a->rc;
}

/* Less than the blobs themselves cannot be enough. */
static int check_space(const struct assembly *a, struct err *err)
{
	uint64_t need = 0;
	struct statvfs fs;

	if (fstatvfs(a->store->fd, &fs) < 0)
		return 0; /* then it will show */
	for (size_t i = 0; i < a->image.nlayers; i++)
		if (!layer_present(a, &a->image.layers[i]))
			need += a->image.layers[i].blob_size;
	if (need / fs.f_frsize <= fs.f_bavail)
		return 0;
	return err_set(
		err, ERR_NO_SPACE, ENOSPC,
		"the image needs more than %llu MiB in '%s', where "
		"%llu MiB are free",
		(unsigned long long)(need >> 20), a->store->path,
		(unsigned long long)((uint64_t)fs.f_bavail * fs.f_frsize >>
				     20));
}

static int merge_into(struct assembly *a, struct merge_layer *layers,
		      const struct store_work *w, struct err *err)
{
	autoclose int fd = store_work_file(w, err);
	struct merge_result merged = { 0 };
	char path[STORE_PATH_MAX];
	int rc;

	if (fd < 0)
		return fd;
	rc = layers_merge(layers, a->image.nlayers, fd, &merged, err);
	if (rc)
		return rc;
	a->image.merged_size = merged.size;
	a->image.passwd = merged.passwd;
	a->image.group = merged.group;
	store_merged_file(&a->image.manifest_digest, path);
	rc = store_work_publish(w, fd, path, err);
	return rc ? rc : image_store_put(a->store, &a->image, err);
}

static int open_layers(const struct assembly *a, struct merge_layer *layers,
		       struct err *err)
{
	char path[STORE_PATH_MAX];

	for (size_t i = 0; i < a->image.nlayers; i++) {
		store_layer_file(&a->image.layers[i].diff_id, path);
		layers[i].fd = openat(a->store->fd, path,
				      O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (layers[i].fd < 0)
			return store_err(err, errno, "open '%s/%s'",
					 a->store->path, path);
		layers[i].size = a->image.layers[i].image_size;
	}
	return 0;
}

static int merge(struct assembly *a, const struct store_work *w,
		 struct err *err)
{
	size_t n = a->image.nlayers;
	struct merge_layer *layers = calloc(n ? n : 1, sizeof(*layers));
	int rc;

	if (!layers)
		return store_err(err, ENOMEM, "put the layers together");
	for (size_t i = 0; i < n; i++)
		layers[i].fd = -1;
	rc = open_layers(a, layers, err);
	if (!rc)
		rc = merge_into(a, layers, w, err);
	for (size_t i = 0; i < n; i++)
		close_fd(&layers[i].fd);
	free(layers);
	return rc;
}

/* All layers are there: the rest, unless another process has done it. */
static int finish(struct assembly *a, struct image *ret, struct err *err)
{
	const struct digest *m = &a->image.manifest_digest;
	char name[DIGEST_TEXT_MAX + 1];
	struct store_work w;
	int rc;

	report(a, ASSEMBLE_MERGING, 0, 0, 0);
	digest_file_name(m, name);
	rc = store_work_begin(a->store, name, NULL, NULL, NULL, &w, err);
	if (rc)
		return rc;
	rc = a->in->rebuild ? -ENOENT
			    : image_store_find_digest(a->store, m, ret, err);
	if (rc == -ENOENT) {
		atomic_store(&a->built, true);
		rc = merge(a, &w, err);
		if (!rc) {
			*ret = a->image;
			memset(&a->image, 0, sizeof(a->image));
		}
	}
	store_work_end(&w);
	return rc;
}

static int by_blob_size(const void *x, const void *y, void *ctx)
{
	const struct image_layer *layers = ctx;
	uint64_t a = layers[*(const size_t *)x].blob_size;
	uint64_t b = layers[*(const size_t *)y].blob_size;

	return (a < b) - (a > b);
}

static char *copy_text(const char *text, size_t len)
{
	/* Neither can hold a NUL: it was parsed as JSON. */
	return strndup(text, len);
}

static int fill_layers(struct assembly *a, struct err *err)
{
	struct image *img = &a->image;
	size_t n = a->manifest.nlayers;

	img->layers = calloc(n ? n : 1, sizeof(*img->layers));
	a->order = calloc(n ? n : 1, sizeof(*a->order));
	if (!img->layers || !a->order)
		return store_err(err, ENOMEM, "put an image together");
	for (size_t i = 0; i < n; i++) {
		const struct oci_descriptor *d = &a->manifest.layers[i];
		struct image_layer *l = &img->layers[i];

		l->media_type = strdup(d->media_type);
		if (!l->media_type)
			return store_err(err, ENOMEM, "put an image together");
		img->nlayers = i + 1;
		l->blob = d->digest;
		l->blob_size = d->size;
		l->diff_id = img->config.diff_ids[i];
		a->order[i] = i;
	}
	qsort_r(a->order, n, sizeof(*a->order), by_blob_size, img->layers);
	return 0;
}

static int check_digest(const char *text, size_t len, const struct digest *want,
			const char *what, struct err *err)
{
	struct digest got;
	struct hasher h;

	hasher_init(&h, digest_alg(want));
	hasher_add(&h, text, len);
	hasher_done(&h, &got);
	if (digest_eq(&got, want))
		return 0;
	return err_set(err, ERR_IMAGE, EBADMSG,
		       "digest mismatch of %s: expected %s, got %s", what,
		       want->text, got.text);
}

/* Everything that the two texts say, checked. */
static int read_input(struct assembly *a, struct err *err)
{
	const struct assemble_input *in = a->in;
	struct image *img = &a->image;
	int rc;

	if (in->manifest_digest)
		img->manifest_digest = *in->manifest_digest;
	else
		digest_of(in->manifest, in->manifest_len,
			  &img->manifest_digest);
	rc = check_digest(in->manifest, in->manifest_len, &img->manifest_digest,
			  "the manifest", err);
	if (!rc)
		rc = oci_manifest_parse(in->manifest, in->manifest_len,
					&a->manifest, err);
	if (rc)
		return rc;
	if (a->manifest.kind != OCI_MANIFEST)
		return err_set(err, ERR_IMAGE, EINVAL,
			       "an index of images is where an image should "
			       "be");
	img->config_digest = a->manifest.config.digest;
	rc = check_digest(in->config, in->config_len, &img->config_digest,
			  "the configuration", err);
	if (!rc)
		rc = oci_config_parse(in->config, in->config_len, &img->config,
				      err);
	if (rc)
		return rc;
	if (img->config.ndiff_ids != a->manifest.nlayers)
		return err_set(err, ERR_IMAGE, EINVAL,
			       "the manifest has %zu layers, but the "
			       "configuration %zu",
			       a->manifest.nlayers, img->config.ndiff_ids);
	img->manifest = copy_text(in->manifest, in->manifest_len);
	img->config_text = copy_text(in->config, in->config_len);
	img->media_type = strdup(a->manifest.media_type);
	if (!img->manifest || !img->config_text || !img->media_type)
		return store_err(err, ENOMEM, "put an image together");
	img->created_unix_ms = store_now_ms();
	return fill_layers(a, err);
}

static int run(struct assembly *a, struct image *ret, struct err *err)
{
	int rc = read_input(a, err);

	if (rc)
		return rc;
	if (!a->in->rebuild) {
		rc = image_store_find_digest(
			a->store, &a->image.manifest_digest, ret, err);
		if (rc != -ENOENT)
			return rc;
	}
	rc = check_space(a, err);
	if (!rc)
		rc = make_layers(a, err);
	return rc ? rc : finish(a, ret, err);
}

int image_assemble(const struct image_store *s, const struct assemble_input *in,
		   const struct assemble_source *source, struct image *ret,
		   bool *ret_cached, struct err *err)
{
	struct assembly a = { .store = s, .in = in, .source = source };
	int rc;

	rc = pthread_mutex_init(&a.lock, NULL);
	if (rc)
		return store_err(err, rc, "make a lock");
	rc = run(&a, ret, err);
	if (!rc && ret_cached)
		*ret_cached = !atomic_load(&a.built);
	(void)pthread_mutex_destroy(&a.lock);
	oci_manifest_fini(&a.manifest);
	image_fini(&a.image);
	free(a.order);
	return rc;
}
