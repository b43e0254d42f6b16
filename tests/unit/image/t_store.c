/* SPDX-License-Identifier: Apache-2.0 */
/* The image store: finding, names, damage, removal. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "store_fixture.h"

static void name_it(const struct image_store *s, const char *text,
		    const struct digest *m)
{
	struct image_ref ref;

	assert_int_equal(image_ref_parse(text, &ref, NULL), 0);
	assert_int_equal(image_store_name(s, &ref, m, NULL), 0);
	image_ref_fini(&ref);
}

static int find(const struct image_store *s, const char *text,
		struct image *ret)
{
	struct image_ref ref;
	int rc;

	assert_int_equal(image_ref_parse(text, &ref, NULL), 0);
	rc = image_store_find(s, &ref, ret, NULL);
	image_ref_fini(&ref);
	return rc;
}

static bool found(const struct image_store *s, const char *text)
{
	struct image img;
	int rc = find(s, text, &img);

	if (!rc)
		image_fini(&img);
	else
		assert_int_equal(rc, -ENOENT);
	return !rc;
}

static void what_was_put_is_found(void **state)
{
	struct fixture *f = *state;
	struct image img, got;
	char text[256];

	assert_false(found(&f->store, "alpine"));
	assert_int_equal(put_image(&f->store, "abc", &img), 0);
	assert_false(found(&f->store, "alpine"));
	name_it(&f->store, "alpine", &img.manifest_digest);
	assert_int_equal(
		find(&f->store, "docker.io/library/alpine:latest", &got), 0);
	assert_true(digest_eq(&got.manifest_digest, &img.manifest_digest));
	assert_string_equal(got.manifest, img.manifest);
	assert_string_equal(got.config_text, img.config_text);
	assert_string_equal(got.passwd, img.passwd);
	assert_null(got.group);
	assert_int_equal(got.nlayers, 3);
	assert_int_equal(image_size(&got), 303);
	assert_true(digest_eq(&got.layers[2].diff_id, &img.layers[2].diff_id));
	assert_int_equal(got.layers[2].image_size, 16384);
	assert_int_equal(got.merged_size, 8192);
	assert_int_equal(got.created_unix_ms, 1700000000123);
	assert_string_equal(got.config.env.v[0], "A=abc");
	image_fini(&got);
	/* By the manifest's digest, whatever the name. */
	(void)snprintf(text, sizeof(text), "x.y/z@%s",
		       img.manifest_digest.text);
	assert_true(found(&f->store, text));
	assert_false(found(&f->store, "alpine:3"));
	image_fini(&img);
}

static void files_are_private_and_durable_names_do_not_collide(void **state)
{
	struct fixture *f = *state;
	struct image img;
	struct stat st;
	char path[256];

	assert_int_equal(put_image(&f->store, "a", &img), 0);
	/* A repository below another one, and tags that look like paths. */
	name_it(&f->store, "h.x:1/a", &img.manifest_digest);
	name_it(&f->store, "h.x:1/a/b", &img.manifest_digest);
	name_it(&f->store, "h.x:1/a/b:json", &img.manifest_digest);
	assert_true(found(&f->store, "h.x:1/a"));
	assert_true(found(&f->store, "h.x:1/a/b:json"));
	(void)snprintf(path, sizeof(path), "%s/cache/refs/h.x:1/a/b/:json.json",
		       f->path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	(void)snprintf(path, sizeof(path), "%s/cache", f->path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	image_fini(&img);
}

static int collect(void *ctx, const struct image_name *n)
{
	struct strv *list = ctx;

	return strv_add(list, n->reference);
}

static int stop_at_once(void *ctx, const struct image_name *n)
{
	(void)n;
	(*(int *)ctx)++;
	return 7;
}

static void names_are_listed_in_order(void **state)
{
	static const char *const want[] = { "docker.io/library/b:1",
					    "docker.io/library/b:2",
					    "docker.io/library/b:latest",
					    "ghcr.io/a/a:latest" };
	struct fixture *f = *state;
	struct strv list = { 0 };
	struct image img;
	int calls = 0;
	char path[256];

	assert_int_equal(put_image(&f->store, "a", &img), 0);
	name_it(&f->store, "ghcr.io/a/a", &img.manifest_digest);
	name_it(&f->store, "b:2", &img.manifest_digest);
	name_it(&f->store, "b", &img.manifest_digest);
	name_it(&f->store, "b:1", &img.manifest_digest);
	/* What is no name of ours is passed over. */
	(void)snprintf(path, sizeof(path),
		       "%s/cache/refs/docker.io/library/b/:3.json", f->path);
	assert_int_equal(io_write_file_at(AT_FDCWD, path, "{", 1, 0600), 0);
	(void)snprintf(path, sizeof(path), "%s/cache/refs/:x.json", f->path);
	assert_int_equal(symlink("docker.io/library/b/:1.json", path), 0);
	assert_int_equal(image_store_names(&f->store, collect, &list, NULL), 0);
	assert_int_equal(list.n, ARRAY_SIZE(want));
	for (size_t i = 0; i < list.n; i++)
		assert_string_equal(list.v[i], want[i]);
	assert_int_equal(
		image_store_names(&f->store, stop_at_once, &calls, NULL), 7);
	assert_int_equal(calls, 1);
	strv_fini(&list);
	image_fini(&img);
}

static int times(void *ctx, const struct image_name *n)
{
	memcpy(ctx, n, sizeof(*n));
	return 0;
}

static void a_name_can_move(void **state)
{
	struct fixture *f = *state;
	struct image a, b, got;
	struct image_name before, after;

	assert_int_equal(put_image(&f->store, "a", &a), 0);
	assert_int_equal(put_image(&f->store, "b", &b), 0);
	name_it(&f->store, "x", &a.manifest_digest);
	assert_int_equal(image_store_names(&f->store, times, &before, NULL), 0);
	name_it(&f->store, "x", &b.manifest_digest);
	assert_int_equal(image_store_names(&f->store, times, &after, NULL), 0);
	assert_int_equal(before.created_unix_ms, after.created_unix_ms);
	assert_true(after.updated_unix_ms >= before.updated_unix_ms);
	assert_int_equal(find(&f->store, "x", &got), 0);
	assert_true(digest_eq(&got.manifest_digest, &b.manifest_digest));
	image_fini(&got);
	image_fini(&a);
	image_fini(&b);
}

static void truncate_to(const char *path, off_t size)
{
	assert_int_equal(truncate(path, size), 0);
}

static void flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char c;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	(void)close(fd);
}

/* Each file of an image, damaged in each way, makes it a stranger. */
static void damaged_files_are_not_used(void **state)
{
	struct fixture *f = *state;
	struct image img;
	char *paths[3], record[512];
	char name[DIGEST_TEXT_MAX + 1];

	assert_int_equal(put_image(&f->store, "ab", &img), 0);
	name_it(&f->store, "x", &img.manifest_digest);
	digest_file_name(&img.manifest_digest, name);
	(void)snprintf(record, sizeof(record), "%s/cache/manifests/%s.json",
		       f->path, name);
	paths[0] = image_store_layer_path(&f->store, &img.layers[1].diff_id);
	paths[1] = image_store_merged_path(&f->store, &img.manifest_digest);
	paths[2] = record;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		static const off_t sizes[] = { 0, 1, 1100, 4096, 1 << 20 };

		for (size_t n = 0; n < ARRAY_SIZE(sizes); n++) {
			assert_true(found(&f->store, "x"));
			truncate_to(paths[i], sizes[n]);
			assert_false(found(&f->store, "x"));
			assert_int_equal(put_image(&f->store, "ab", NULL), 0);
		}
		assert_int_equal(unlink(paths[i]), 0);
		assert_false(found(&f->store, "x"));
		assert_int_equal(symlink("/dev/zero", paths[i]), 0);
		assert_false(found(&f->store, "x"));
		assert_int_equal(unlink(paths[i]), 0);
		assert_int_equal(mkdir(paths[i], 0700), 0);
		assert_false(found(&f->store, "x"));
		assert_int_equal(rmdir(paths[i]), 0);
		assert_int_equal(put_image(&f->store, "ab", NULL), 0);
	}
	flip(paths[0], 1024 + 1); /* magic */
	assert_false(found(&f->store, "x"));
	flip(paths[0], 1024 + 1);
	flip(paths[1], 1024 + 36); /* blocks */
	assert_false(found(&f->store, "x"));
	flip(paths[1], 1024 + 36);
	assert_true(found(&f->store, "x"));
	free(paths[0]);
	free(paths[1]);
	image_fini(&img);
}

/* No byte of a record can change without the record's being refused, except
 * where it does no harm: white space, times, users. */
static void a_changed_record_is_refused_or_the_same(void **state)
{
	struct fixture *f = *state;
	struct image img, got;
	char record[512], name[DIGEST_TEXT_MAX + 1];
	struct stat st;

	assert_int_equal(put_image(&f->store, "ab", &img), 0);
	digest_file_name(&img.manifest_digest, name);
	(void)snprintf(record, sizeof(record), "%s/cache/manifests/%s.json",
		       f->path, name);
	assert_int_equal(stat(record, &st), 0);
	for (off_t at = 0; at < st.st_size; at++) {
		flip(record, at);
		if (!image_store_find_digest(&f->store, &img.manifest_digest,
					     &got, NULL)) {
			assert_string_equal(got.manifest, img.manifest);
			assert_string_equal(got.config_text, img.config_text);
			assert_int_equal(got.nlayers, 2);
			assert_true(digest_eq(&got.layers[1].diff_id,
					      &img.layers[1].diff_id));
			assert_int_equal(got.layers[1].image_size,
					 img.layers[1].image_size);
			image_fini(&got);
		}
		flip(record, at);
	}
	image_fini(&img);
}

static void users_that_are_no_text_are_left_out(void **state)
{
	struct fixture *f = *state;
	struct image img, got;

	assert_int_equal(put_image(&f->store, "a", &img), 0);
	free(img.passwd);
	img.passwd = strdup("a:x:1:1::/:\n\xff:x:2:2::/:\nc:x:3:3::/:");
	assert_int_equal(image_store_put(&f->store, &img, NULL), 0);
	assert_int_equal(image_store_find_digest(
				 &f->store, &img.manifest_digest, &got, NULL),
			 0);
	assert_string_equal(got.passwd, "a:x:1:1::/:\nc:x:3:3::/:");
	image_fini(&got);
	image_fini(&img);
}

static bool is_this(void *ctx, const struct digest *m)
{
	return digest_eq(ctx, m);
}

static int remove_it(const struct image_store *s, const char *text,
		     const struct digest *used, struct image_freed *freed)
{
	struct digest copy;
	struct image_ref ref;
	int rc;

	if (used)
		copy = *used;
	assert_int_equal(image_ref_parse(text, &ref, NULL), 0);
	rc = image_store_remove_name(s, &ref, used ? is_this : NULL, &copy,
				     freed, NULL);
	image_ref_fini(&ref);
	return rc;
}

static bool there(char *path)
{
	struct stat st;
	int rc = lstat(path, &st);

	free(path);
	return rc == 0;
}

static void removal_keeps_what_others_need(void **state)
{
	struct fixture *f = *state;
	const struct image_store *s = &f->store;
	struct image ab, bc;
	struct image_freed freed;

	assert_int_equal(put_image(s, "ab", &ab), 0);
	assert_int_equal(put_image(s, "bc", &bc), 0);
	name_it(s, "one", &ab.manifest_digest);
	name_it(s, "one/more", &ab.manifest_digest);
	name_it(s, "two", &bc.manifest_digest);
	assert_int_equal(remove_it(s, "three", NULL, &freed), -ENOENT);
	assert_int_equal(remove_it(s, "one", NULL, &freed), 0);
	assert_int_equal(freed.names, 1);
	assert_int_equal(freed.manifests + freed.layers + freed.merged, 0);
	assert_true(there(image_store_layer_path(s, &ab.layers[0].diff_id)));
	assert_int_equal(remove_it(s, "one/more", NULL, &freed), 0);
	assert_int_equal(freed.manifests, 1);
	assert_int_equal(freed.merged, 1);
	assert_int_equal(freed.layers, 1);
	assert_true(freed.bytes > 0);
	assert_false(there(image_store_layer_path(s, &ab.layers[0].diff_id)));
	assert_true(there(image_store_layer_path(s, &ab.layers[1].diff_id)));
	assert_false(there(image_store_merged_path(s, &ab.manifest_digest)));
	assert_true(found(s, "two"));
	/* Used by a sandbox: only the name goes. */
	assert_int_equal(remove_it(s, "two", &bc.manifest_digest, &freed), 0);
	assert_int_equal(freed.names, 1);
	assert_int_equal(freed.manifests, 0);
	assert_false(found(s, "two"));
	assert_true(there(image_store_merged_path(s, &bc.manifest_digest)));
	assert_true(there(str_fmt("%s/refs", s->path)));
	assert_false(there(str_fmt("%s/refs/docker.io", s->path)));
	image_fini(&ab);
	image_fini(&bc);
}

static void prune_leaves_only_what_is_used(void **state)
{
	struct fixture *f = *state;
	const struct image_store *s = &f->store;
	struct image ab, cd;
	struct image_freed freed;
	char path[256];

	assert_int_equal(put_image(s, "ab", &ab), 0);
	assert_int_equal(put_image(s, "cd", &cd), 0);
	name_it(s, "one", &ab.manifest_digest);
	name_it(s, "two", &cd.manifest_digest);
	(void)snprintf(path, sizeof(path), "%s/tmp/sha256_x.part", s->path);
	assert_int_equal(io_write_file_at(AT_FDCWD, path, "x", 1, 0600), 0);
	(void)snprintf(path, sizeof(path), "%s/refs/docker.io/:x.json",
		       s->path);
	assert_int_equal(io_write_file_at(AT_FDCWD, path, "x", 1, 0600), 0);
	(void)snprintf(path, sizeof(path), "%s/layers/other", s->path);
	assert_int_equal(io_write_file_at(AT_FDCWD, path, "x", 1, 0600), 0);
	assert_int_equal(image_store_prune(s, is_this, &cd.manifest_digest,
					   &freed, NULL),
			 0);
	assert_int_equal(freed.names,
			 2); /* one, and the one that says nothing */
	assert_int_equal(freed.manifests, 1);
	assert_int_equal(freed.merged, 1);
	assert_int_equal(freed.layers, 2);
	assert_true(found(s, "two"));
	assert_false(found(s, "one"));
	assert_false(there(str_fmt("%s/tmp/sha256_x.part", s->path)));
	assert_true(there(str_fmt("%s/layers/other", s->path)));
	assert_int_equal(image_store_prune(s, NULL, NULL, &freed, NULL), 0);
	assert_int_equal(freed.layers, 2);
	assert_false(found(s, "two"));
	image_fini(&ab);
	image_fini(&cd);
}

static void locks_are_shared_or_exclusive(void **state)
{
	struct fixture *f = *state;
	struct image_store other;

	assert_int_equal(image_store_open(f->store.path, &other, NULL), 0);
	assert_int_equal(image_store_lock(&f->store, false, NULL), 0);
	assert_int_equal(image_store_lock(&other, false, NULL), 0);
	image_store_unlock(&f->store);
	image_store_close(&other);
	assert_int_equal(image_store_lock(&f->store, true, NULL), 0);
	image_store_unlock(&f->store);
}

#define STORE_TEST(fn)                                                         \
	cmocka_unit_test_setup_teardown(fn, fixture_make, fixture_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(what_was_put_is_found),
		STORE_TEST(files_are_private_and_durable_names_do_not_collide),
		STORE_TEST(names_are_listed_in_order),
		STORE_TEST(a_name_can_move),
		STORE_TEST(damaged_files_are_not_used),
		STORE_TEST(a_changed_record_is_refused_or_the_same),
		STORE_TEST(users_that_are_no_text_are_left_out),
		STORE_TEST(removal_keeps_what_others_need),
		STORE_TEST(prune_leaves_only_what_is_used),
		STORE_TEST(locks_are_shared_or_exclusive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
