/* SPDX-License-Identifier: Apache-2.0 */
/* Putting images together: what is made, what is reused, what is refused. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/assemble.h"
#include "store_fixture.h"
#include "tar_fixture.h"

#define MAX_LAYERS 8

/* What a test says of an image, and what then happened. */
struct source {
	struct buf blobs[MAX_LAYERS];
	uint64_t sizes[MAX_LAYERS]; /* as the manifest says them */
	struct digest digests[MAX_LAYERS];
	struct digest diff_ids[MAX_LAYERS];
	size_t n;
	char manifest[8192], config[4096];
	/* How a blob goes wrong. */
	size_t bad_layer;
	int bad_tries; /* so often it has a byte changed */
	bool read_fails, endless;
	bool retries; /* close() asks for another try */
	/* Counted under the lock. */
	pthread_mutex_t lock;
	unsigned opened, closed, cached, done, merged, mismatches;
	size_t open_now;
};

struct stream {
	struct source *source;
	size_t layer, at;
	bool bad;
};

static int open_blob(void *ctx, size_t layer, void **ret, struct err *err)
{
	struct source *s = ctx;
	struct stream *stream = calloc(1, sizeof(*stream));

	(void)err;
	(void)pthread_mutex_lock(&s->lock);
	s->opened++;
	s->open_now++;
	if (layer == s->bad_layer && s->bad_tries) {
		s->bad_tries--;
		stream->bad = true;
	}
	(void)pthread_mutex_unlock(&s->lock);
	stream->source = s;
	stream->layer = layer;
	*ret = stream;
	return 0;
}

static ssize_t read_blob(void *ctx, void *buf, size_t len, struct err *err)
{
	struct stream *st = ctx;
	const struct buf *b = &st->source->blobs[st->layer];
	size_t left = buf_len(b) - st->at;

	if (st->bad && st->source->read_fails)
		return err_set(err, ERR_IO, ECONNRESET, "the peer went away");
	if (st->bad && st->source->endless && !left) {
		memset(buf, 0, len);
		return (ssize_t)len;
	}
	/* In odd pieces. */
	len = len > 1000 ? 1000 : len;
	len = len > left ? left : len;
	memcpy(buf, buf_data(b) + st->at, len);
	/* Behind the end of the archive, so that only the digest notices. */
	if (st->bad && !st->source->endless && len && len == left)
		((char *)buf)[len - 1] ^= 1;
	st->at += len;
	return (ssize_t)len;
}

static bool close_blob(void *stream, int result)
{
	struct stream *st = stream;
	struct source *s = st->source;

	(void)pthread_mutex_lock(&s->lock);
	s->closed++;
	s->open_now--;
	if (result == -EBADMSG)
		s->mismatches++;
	(void)pthread_mutex_unlock(&s->lock);
	free(st);
	return s->retries && result;
}

/* Not called by two threads at a time, so nothing is locked here. */
static void on_event(void *ctx, const struct assemble_event *e)
{
	struct source *s = ctx;

	if (e->type == ASSEMBLE_CACHED)
		s->cached++;
	if (e->type == ASSEMBLE_DONE)
		s->done++;
	if (e->type == ASSEMBLE_MERGING)
		s->merged++;
	if (e->type == ASSEMBLE_READ)
		assert_true(e->bytes <= e->total);
}

static void source_add(struct source *s, const char *name, const char *text)
{
	struct buf *b = &s->blobs[s->n];

	buf_init(b, 1 << 20);
	tar_add(b, "etc", '5', NULL, "", 0);
	tar_file(b, name, text);
	tar_end(b);
	digest_of(buf_data(b), buf_len(b), &s->digests[s->n]);
	s->diff_ids[s->n] = s->digests[s->n];
	s->sizes[s->n] = buf_len(b);
	s->n++;
}

static void source_init(struct source *s)
{
	memset(s, 0, sizeof(*s));
	s->bad_layer = MAX_LAYERS;
	assert_int_equal(pthread_mutex_init(&s->lock, NULL), 0);
	source_add(s, "etc/passwd", "root:x:0:0::/:/bin/sh\n");
	source_add(s, "etc/group", "root:x:0:\n");
	source_add(s, "file", "contents\n");
}

static void source_fini(struct source *s)
{
	for (size_t i = 0; i < s->n; i++)
		buf_fini(&s->blobs[i]);
	(void)pthread_mutex_destroy(&s->lock);
}

static void write_documents(struct source *s)
{
	struct digest d;
	size_t n;

	(void)snprintf(s->config, sizeof(s->config),
		       "{\"rootfs\":{\"diff_ids\":[");
	for (size_t i = 0; i < s->n; i++) {
		n = strlen(s->config);
		(void)snprintf(s->config + n, sizeof(s->config) - n, "%s\"%s\"",
			       i ? "," : "", s->diff_ids[i].text);
	}
	n = strlen(s->config);
	(void)snprintf(s->config + n, sizeof(s->config) - n, "]}}");
	digest_of(s->config, strlen(s->config), &d);
	(void)snprintf(s->manifest, sizeof(s->manifest),
		       "{\"config\":{\"digest\":\"%s\",\"size\":%zu},"
		       "\"layers\":[",
		       d.text, strlen(s->config));
	for (size_t i = 0; i < s->n; i++) {
		n = strlen(s->manifest);
		(void)snprintf(s->manifest + n, sizeof(s->manifest) - n,
			       "%s{\"digest\":\"%s\",\"size\":%llu}",
			       i ? "," : "", s->digests[i].text,
			       (unsigned long long)s->sizes[i]);
	}
	n = strlen(s->manifest);
	(void)snprintf(s->manifest + n, sizeof(s->manifest) - n, "]}");
}

static int assemble(const struct image_store *store, struct source *s,
		    bool rebuild, struct image *ret, bool *cached,
		    struct err *err)
{
	const struct assemble_source source = { s, open_blob, read_blob,
						close_blob, on_event };
	struct assemble_input in = { .rebuild = rebuild, .threads = 2 };
	struct image img;
	int rc;

	write_documents(s);
	in.manifest = s->manifest;
	in.manifest_len = strlen(s->manifest);
	in.config = s->config;
	in.config_len = strlen(s->config);
	s->opened = s->closed = s->cached = s->done = s->merged = 0;
	rc = image_assemble(store, &in, &source, &img, cached, err);
	assert_int_equal(s->open_now, 0);
	assert_int_equal(s->opened, s->closed);
	if (!rc && ret)
		*ret = img;
	else if (!rc)
		image_fini(&img);
	return rc;
}

/* Files in a directory of the store. */
static unsigned count(const struct image_store *s, const char *dir)
{
	char *path = str_fmt("%s/%s", s->path, dir);
	DIR *d = opendir(path);
	const struct dirent *e;
	unsigned n = 0;

	free(path);
	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static void an_image_is_made_once(void **state)
{
	struct fixture *f = *state;
	struct source s;
	struct image img, found;
	bool cached;

	source_init(&s);
	assert_int_equal(assemble(&f->store, &s, false, &img, &cached, NULL),
			 0);
	assert_false(cached);
	assert_int_equal(s.opened, 3);
	assert_int_equal(s.done, 3);
	assert_int_equal(s.merged, 1);
	assert_string_equal(img.passwd, "root:x:0:0::/:/bin/sh\n");
	assert_string_equal(img.group, "root:x:0:\n");
	assert_int_equal(image_store_find_digest(
				 &f->store, &img.manifest_digest, &found, NULL),
			 0);
	assert_string_equal(found.manifest, s.manifest);
	assert_int_equal(found.layers[1].image_size, img.layers[1].image_size);
	image_fini(&found);
	image_fini(&img);
	assert_int_equal(count(&f->store, "tmp"), 0);
	assert_int_equal(count(&f->store, "layers"), 3);

	assert_int_equal(assemble(&f->store, &s, false, NULL, &cached, NULL),
			 0);
	assert_true(cached);
	assert_int_equal(s.opened + s.cached + s.merged, 0);
	assert_int_equal(assemble(&f->store, &s, true, NULL, &cached, NULL), 0);
	assert_false(cached);
	assert_int_equal(s.opened, 3);
	assert_int_equal(count(&f->store, "tmp"), 0);
	source_fini(&s);
}

static void layers_are_shared(void **state)
{
	struct fixture *f = *state;
	struct source s;
	struct image first, second;
	char *path;

	source_init(&s);
	assert_int_equal(assemble(&f->store, &s, false, &first, NULL, NULL), 0);
	/* The third one again, and a new one. */
	s.diff_ids[3] = s.digests[3] = s.digests[2];
	s.sizes[3] = s.sizes[2];
	s.n = 4;
	buf_init(&s.blobs[3], 1 << 20);
	assert_int_equal(buf_append(&s.blobs[3], buf_data(&s.blobs[2]),
				    buf_len(&s.blobs[2])),
			 0);
	source_add(&s, "new", "n\n");
	assert_int_equal(assemble(&f->store, &s, false, &second, NULL, NULL),
			 0);
	assert_int_equal(s.opened, 1);
	assert_int_equal(s.cached, 4);
	assert_int_equal(count(&f->store, "layers"), 4);
	assert_int_equal(count(&f->store, "manifests"), 4);

	/* One that is damaged is made again. */
	path = image_store_layer_path(&f->store, &first.layers[0].diff_id);
	assert_int_equal(truncate(path, 4096), 0);
	free(path);
	assert_int_equal(assemble(&f->store, &s, false, NULL, NULL, NULL), 0);
	assert_int_equal(s.opened, 1);
	image_fini(&first);
	image_fini(&second);
	source_fini(&s);
}

static void the_same_new_layer_twice_is_made_once(void **state)
{
	struct fixture *f = *state;
	struct source s;

	source_init(&s);
	for (; s.n < MAX_LAYERS; s.n++) {
		s.diff_ids[s.n] = s.digests[s.n] = s.digests[2];
		s.sizes[s.n] = s.sizes[2];
		buf_init(&s.blobs[s.n], 1 << 20);
		assert_int_equal(buf_append(&s.blobs[s.n],
					    buf_data(&s.blobs[2]),
					    buf_len(&s.blobs[2])),
				 0);
	}
	assert_int_equal(assemble(&f->store, &s, false, NULL, NULL, NULL), 0);
	assert_int_equal(s.opened, 3);
	assert_int_equal(s.done + s.cached, MAX_LAYERS);
	source_fini(&s);
}

/* Nothing of a layer that was refused, and no image. */
static void assert_nothing_left(const struct image_store *s, unsigned layers)
{
	assert_int_equal(count(s, "tmp"), 0);
	assert_int_equal(count(s, "manifests"), 0);
	assert_true(count(s, "layers") <= layers);
}

static void wrong_bytes_are_refused(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct source s;

	source_init(&s);
	s.bad_layer = 1;
	s.bad_tries = 1;
	assert_int_equal(assemble(&f->store, &s, false, NULL, NULL, &err),
			 -EBADMSG);
	assert_int_equal(err.kind, ERR_IMAGE);
	assert_non_null(strstr(err.msg, "digest mismatch: expected sha256:"));
	assert_non_null(strstr(err.msg, s.digests[1].text));
	assert_int_equal(s.mismatches, 1);
	assert_nothing_left(&f->store, 2);
	source_fini(&s);
}

static void another_try_is_made_when_asked_for(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct source s;

	source_init(&s);
	s.retries = true;
	s.bad_layer = 1;
	s.bad_tries = ASSEMBLE_TRIES;
	assert_true(assemble(&f->store, &s, false, NULL, NULL, &err) < 0);
	assert_int_equal(s.bad_tries, 0);
	s.bad_tries = ASSEMBLE_TRIES - 1;
	err_clear(&err);
	assert_int_equal(assemble(&f->store, &s, false, NULL, NULL, &err), 0);
	assert_int_equal(err.kind, ERR_NONE);
	source_fini(&s);
}

static void wrong_sizes_are_refused(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct source s;

	source_init(&s);
	s.sizes[0]++;
	assert_true(assemble(&f->store, &s, false, NULL, NULL, &err) < 0);
	assert_int_equal(err.kind, ERR_IMAGE);
	s.sizes[0] -= 2;
	err_clear(&err);
	assert_true(assemble(&f->store, &s, false, NULL, NULL, &err) < 0);
	assert_nothing_left(&f->store, 2);
	source_fini(&s);
}

static void more_than_was_promised_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct source s;

	source_init(&s);
	s.bad_layer = 2;
	s.bad_tries = 1;
	s.endless = true;
	assert_true(assemble(&f->store, &s, false, NULL, NULL, &err) < 0);
	assert_non_null(strstr(err.msg, "larger than"));
	assert_nothing_left(&f->store, 2);
	source_fini(&s);
}

static void errors_of_the_source_are_told(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct source s;

	source_init(&s);
	s.bad_layer = 0;
	s.bad_tries = 1;
	s.read_fails = true;
	assert_int_equal(assemble(&f->store, &s, false, NULL, NULL, &err),
			 -ECONNRESET);
	assert_non_null(strstr(err.msg, "the peer went away"));
	assert_true(str_starts(err.msg, "layer sha256:"));
	assert_nothing_left(&f->store, 2);
	source_fini(&s);
}

static void contents_must_be_those_of_the_configuration(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct source s;

	source_init(&s);
	digest_of("other", 5, &s.diff_ids[1]);
	assert_true(assemble(&f->store, &s, false, NULL, NULL, &err) < 0);
	assert_int_equal(err.kind, ERR_IMAGE);
	assert_nothing_left(&f->store, 2);
	source_fini(&s);
}

static void documents_must_fit_each_other(void **state)
{
	const struct assemble_source source = { NULL, open_blob, read_blob,
						close_blob, NULL };
	struct fixture *f = *state;
	struct assemble_input in = { .manifest = NULL };
	struct err err = { 0 };
	struct source s;
	struct image img;
	struct digest other;

	source_init(&s);
	write_documents(&s);
	digest_of("other", 5, &other);
	in.manifest = s.manifest;
	in.manifest_len = strlen(s.manifest);
	in.config = s.config;
	in.config_len = strlen(s.config);
	in.manifest_digest = &other;
	assert_int_equal(
		image_assemble(&f->store, &in, &source, &img, NULL, &err),
		-EBADMSG);
	assert_non_null(strstr(err.msg, "of the manifest"));
	in.manifest_digest = NULL;
	in.config_len--;
	err_clear(&err);
	assert_int_equal(
		image_assemble(&f->store, &in, &source, &img, NULL, &err),
		-EBADMSG);
	assert_non_null(strstr(err.msg, "of the configuration"));
	/* A configuration with fewer layers, of which the manifest knows. */
	(void)snprintf(s.config, sizeof(s.config),
		       "{\"rootfs\":{\"diff_ids\":[]}}");
	digest_of(s.config, strlen(s.config), &other);
	(void)snprintf(s.manifest, sizeof(s.manifest),
		       "{\"config\":{\"digest\":\"%s\",\"size\":%zu},"
		       "\"layers\":[{\"digest\":\"%s\",\"size\":1}]}",
		       other.text, strlen(s.config), other.text);
	in.manifest_len = strlen(s.manifest);
	in.config_len = strlen(s.config);
	err_clear(&err);
	assert_true(image_assemble(&f->store, &in, &source, &img, NULL, &err) <
		    0);
	assert_non_null(strstr(err.msg, "1 layers, but the configuration 0"));
	assert_nothing_left(&f->store, 0);
	source_fini(&s);
}

struct contender {
	struct fixture *f;
	pthread_t thread;
	unsigned opened;
	int rc;
};

static void *contend(void *ctx)
{
	struct contender *c = ctx;
	struct image_store store;
	struct source s;

	source_init(&s);
	c->rc = image_store_open(c->f->store.path, &store, NULL);
	if (!c->rc) {
		c->rc = assemble(&store, &s, false, NULL, NULL, NULL);
		c->opened = s.opened;
		image_store_close(&store);
	}
	source_fini(&s);
	return NULL;
}

static void several_at_once_make_it_once(void **state)
{
	struct contender c[4] = { 0 };
	unsigned opened = 0;

	for (size_t i = 0; i < 4; i++) {
		c[i].f = *state;
		assert_int_equal(
			pthread_create(&c[i].thread, NULL, contend, &c[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(c[i].thread, NULL), 0);
		assert_int_equal(c[i].rc, 0);
		opened += c[i].opened;
	}
	assert_int_equal(opened, 3);
	assert_int_equal(count(&c[0].f->store, "tmp"), 0);
	assert_int_equal(count(&c[0].f->store, "layers"), 3);
}

#define STORE_TEST(fn)                                                         \
	cmocka_unit_test_setup_teardown(fn, fixture_make, fixture_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(an_image_is_made_once),
		STORE_TEST(layers_are_shared),
		STORE_TEST(the_same_new_layer_twice_is_made_once),
		STORE_TEST(wrong_bytes_are_refused),
		STORE_TEST(another_try_is_made_when_asked_for),
		STORE_TEST(wrong_sizes_are_refused),
		STORE_TEST(more_than_was_promised_is_refused),
		STORE_TEST(errors_of_the_source_are_told),
		STORE_TEST(contents_must_be_those_of_the_configuration),
		STORE_TEST(documents_must_fit_each_other),
		STORE_TEST(several_at_once_make_it_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
