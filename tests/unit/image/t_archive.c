/* SPDX-License-Identifier: Apache-2.0 */
/* Archives: both layouts loaded and saved, and hostile ones refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "image/archive.h"
#include "store_fixture.h"
#include "tar_fixture.h"

#define NAME_KEY "org.opencontainers.image.ref.name"

/* An image in the making: one layer, its documents, as texts. */
struct made {
	struct buf layer;
	struct digest layer_digest, config_digest, manifest_digest;
	char config[1024], manifest[1024];
};

static void make_image(struct made *m, const char *arch, const char *contents)
{
	buf_init(&m->layer, 1 << 20);
	tar_file(&m->layer, "file", contents);
	tar_end(&m->layer);
	digest_of(buf_data(&m->layer), buf_len(&m->layer), &m->layer_digest);
	(void)snprintf(m->config, sizeof(m->config),
		       "{\"os\":\"linux\",\"architecture\":\"%s\",\"rootfs\":"
		       "{\"diff_ids\":[\"%s\"]}}",
		       arch, m->layer_digest.text);
	digest_of(m->config, strlen(m->config), &m->config_digest);
	(void)snprintf(m->manifest, sizeof(m->manifest),
		       "{\"config\":{\"digest\":\"%s\",\"size\":%zu},"
		       "\"layers\":[{\"digest\":\"%s\",\"size\":%zu}]}",
		       m->config_digest.text, strlen(m->config),
		       m->layer_digest.text, buf_len(&m->layer));
	digest_of(m->manifest, strlen(m->manifest), &m->manifest_digest);
}

static void made_fini(struct made *m)
{
	buf_fini(&m->layer);
}

static void put_blob(struct buf *tar, const struct digest *d, const void *data,
		     size_t len)
{
	char name[256];

	(void)snprintf(name, sizeof(name), "blobs/sha256/%s", digest_hex(d));
	tar_add(tar, name, '0', NULL, data, len);
}

static void put_blobs(struct buf *tar, const struct made *m)
{
	put_blob(tar, &m->layer_digest, buf_data(&m->layer),
		 buf_len(&m->layer));
	put_blob(tar, &m->config_digest, m->config, strlen(m->config));
	put_blob(tar, &m->manifest_digest, m->manifest, strlen(m->manifest));
}

/* An index with entries as given, each completed by the image's descriptor. */
static void put_index(struct buf *tar, const struct made *m,
		      const char *annotations)
{
	char text[2048];

	tar_file(tar, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	(void)snprintf(text, sizeof(text),
		       "{\"manifests\":[{\"digest\":\"%s\",\"size\":%zu%s}]}",
		       m->manifest_digest.text, strlen(m->manifest),
		       annotations);
	tar_file(tar, "index.json", text);
}

/* What was told while an archive was loaded. */
struct told {
	unsigned begun, done, cached;
	struct strv names;
	struct digest last;
};

static void on_begin(void *ctx, const struct archive_image *image)
{
	((struct told *)ctx)->begun++;
	assert_int_equal(image->manifest->nlayers, 1);
}

static void on_done(void *ctx, const struct archive_image *image)
{
	struct told *t = ctx;

	t->done++;
	t->cached += image->cached;
	t->last = image->manifest_digest;
	for (size_t i = 0; i < image->names.n; i++)
		assert_int_equal(strv_add(&t->names, image->names.v[i]), 0);
}

static int load_fd(const struct image_store *s, int fd, const char *name,
		   struct told *told, struct err *err)
{
	struct strv names = { 0 };
	struct archive_load load = { .fd = fd,
				     .input = "x.tar",
				     .names = &names,
				     .arch = "amd64",
				     .ctx = told,
				     .on_begin = on_begin,
				     .on_done = on_done };
	int rc;

	strv_fini(&told->names);
	memset(told, 0, sizeof(*told));
	err_clear(err);
	if (name)
		assert_int_equal(strv_add(&names, name), 0);
	rc = archive_load(s, &load, err);
	strv_fini(&names);
	return rc;
}

static int load(const struct image_store *s, const struct buf *tar,
		const char *name, struct told *told, struct err *err)
{
	int fd = io_memfd("archive", buf_data(tar), buf_len(tar)), rc;

	assert_true(fd >= 0);
	rc = load_fd(s, fd, name, told, err);
	(void)close(fd);
	return rc;
}

static bool named(const struct image_store *s, const char *text)
{
	struct image_ref ref;
	struct image img;
	int rc;

	assert_int_equal(image_ref_parse(text, &ref, NULL), 0);
	rc = image_store_find(s, &ref, &img, NULL);
	image_ref_fini(&ref);
	if (!rc)
		image_fini(&img);
	return !rc;
}

static void layouts_are_loaded(void **state)
{
	struct fixture *f = *state;
	struct told told = { 0 };
	struct err err = { 0 };
	struct made m;
	struct buf tar;

	make_image(&m, "amd64", "one");
	buf_init(&tar, 1 << 20);
	put_index(&tar, &m, ",\"annotations\":{\"" NAME_KEY "\":\"a/b:1\"}");
	put_blobs(&tar, &m);
	tar_end(&tar);
	assert_int_equal(load(&f->store, &tar, NULL, &told, &err), 0);
	assert_int_equal(told.begun, 1);
	assert_int_equal(told.done, 1);
	assert_int_equal(told.cached, 0);
	assert_true(digest_eq(&told.last, &m.manifest_digest));
	assert_int_equal(told.names.n, 1);
	assert_string_equal(told.names.v[0], "docker.io/a/b:1");
	assert_true(named(&f->store, "a/b:1"));
	/* Again, with one more name. */
	assert_int_equal(load(&f->store, &tar, "more", &told, &err), 0);
	assert_int_equal(told.cached, 1);
	assert_int_equal(told.names.n, 2);
	assert_true(named(&f->store, "more"));
	strv_fini(&told.names);
	buf_fini(&tar);
	made_fini(&m);
}

static void a_bare_tag_gives_way_to_a_name(void **state)
{
	struct fixture *f = *state;
	struct told told = { 0 };
	struct err err = { 0 };
	struct made m;
	struct buf tar;

	make_image(&m, "amd64", "one");
	buf_init(&tar, 1 << 20);
	put_index(&tar, &m, ",\"annotations\":{\"" NAME_KEY "\":\"latest\"}");
	put_blobs(&tar, &m);
	tar_end(&tar);
	assert_int_equal(load(&f->store, &tar, "x.y/z", &told, &err), 0);
	assert_int_equal(told.names.n, 1);
	assert_string_equal(told.names.v[0], "x.y/z:latest");
	strv_fini(&told.names);
	buf_fini(&tar);
	made_fini(&m);
}

static void docker_archives_are_loaded(void **state)
{
	struct fixture *f = *state;
	struct told told = { 0 };
	struct err err = { 0 };
	struct made m;
	struct buf tar;
	char name[128], text[1024];

	make_image(&m, "amd64", "one");
	buf_init(&tar, 1 << 20);
	(void)snprintf(name, sizeof(name), "%s.json",
		       digest_hex(&m.config_digest));
	tar_add(&tar, "one/layer.tar", '0', NULL, buf_data(&m.layer),
		buf_len(&m.layer));
	tar_add(&tar, "two/layer.tar", '2', "../one/layer.tar", "", 0);
	tar_file(&tar, name, m.config);
	(void)snprintf(text, sizeof(text),
		       "[{\"Config\":\"%s\",\"RepoTags\":[\"<none>:<none>\","
		       "\"a:1\",\"b:2\"],\"Layers\":[\"two/layer.tar\"]}]",
		       name);
	tar_file(&tar, "manifest.json", text);
	tar_end(&tar);
	assert_int_equal(load(&f->store, &tar, NULL, &told, &err), 0);
	assert_int_equal(told.names.n, 2);
	assert_true(named(&f->store, "a:1"));
	assert_true(named(&f->store, "b:2"));
	assert_int_equal(load(&f->store, &tar, NULL, &told, &err), 0);
	assert_int_equal(told.cached, 1);
	strv_fini(&told.names);
	buf_fini(&tar);
	made_fini(&m);
}

static void only_images_for_this_platform_are_loaded(void **state)
{
	struct fixture *f = *state;
	struct told told = { 0 };
	struct err err = { 0 };
	struct made ours, other;
	struct buf tar;
	char text[2048];

	make_image(&ours, "amd64", "one");
	make_image(&other, "arm64", "two");
	buf_init(&tar, 1 << 20);
	put_index(&tar, &other, ",\"annotations\":{\"" NAME_KEY "\":\"x\"}");
	put_blobs(&tar, &other);
	/* Nobody says in the index that it is for another one. */
	assert_true(load(&f->store, &tar, NULL, &told, &err) < 0);
	assert_non_null(strstr(err.msg, "no image for platform linux/amd64"));
	(void)snprintf(text, sizeof(text),
		       "{\"manifests\":[{\"digest\":\"%s\",\"size\":%zu},"
		       "{\"digest\":\"%s\",\"size\":%zu,\"annotations\":{"
		       "\"" NAME_KEY "\":\"y\"}},"
		       "{\"digest\":\"sha256:%064d\",\"size\":3,"
		       "\"platform\":{\"os\":\"linux\",\"architecture\":"
		       "\"s390x\"}}]}",
		       other.manifest_digest.text, strlen(other.manifest),
		       ours.manifest_digest.text, strlen(ours.manifest), 0);
	tar_file(&tar, "index.json", text);
	put_blobs(&tar, &ours);
	tar_end(&tar);
	assert_int_equal(load(&f->store, &tar, NULL, &told, &err), 0);
	assert_int_equal(told.done, 1);
	assert_true(digest_eq(&told.last, &ours.manifest_digest));
	strv_fini(&told.names);
	buf_fini(&tar);
	made_fini(&ours);
	made_fini(&other);
}

/* An index that leads to another one, and so on, the name on top. */
static void nested_indexes_pass_names_on(void **state)
{
	struct fixture *f = *state;

	for (unsigned depth = 30; depth <= 40; depth += 10) {
		struct told told = { 0 };
		struct err err = { 0 };
		struct digest inner;
		struct made m;
		struct buf tar;
		char text[1024];

		make_image(&m, "amd64", "one");
		buf_init(&tar, 1 << 20);
		put_blobs(&tar, &m);
		inner = m.manifest_digest;
		(void)snprintf(text, sizeof(text), "%s", m.manifest);
		for (unsigned i = 0; i < depth; i++) {
			size_t size = strlen(text);

			(void)snprintf(text, sizeof(text),
				       "{\"manifests\":[{\"digest\":\"%s\","
				       "\"size\":%zu}]}",
				       inner.text, size);
			digest_of(text, strlen(text), &inner);
			put_blob(&tar, &inner, text, strlen(text));
		}
		m.manifest_digest = inner;
		(void)snprintf(m.manifest, sizeof(m.manifest), "%s", text);
		put_index(&tar, &m,
			  ",\"annotations\":{\"" NAME_KEY "\":\"deep:1\"}");
		tar_end(&tar);
		if (depth < 32) {
			assert_int_equal(
				load(&f->store, &tar, NULL, &told, &err), 0);
			assert_string_equal(told.names.v[0],
					    "docker.io/library/deep:1");
		} else {
			assert_true(load(&f->store, &tar, NULL, &told, &err) <
				    0);
			assert_non_null(strstr(err.msg, "nested too deep"));
		}
		strv_fini(&told.names);
		buf_fini(&tar);
		made_fini(&m);
	}
}

/* An index that names one thing n times. */
static void repeat(struct buf *text, int n, const struct digest *d, size_t size)
{
	buf_reset(text);
	for (int i = 0; i < n; i++)
		assert_int_equal(
			buf_printf(text, "%s{\"digest\":\"%s\",\"size\":%zu}",
				   i ? "," : "{\"manifests\":[", d->text, size),
			0);
	assert_int_equal(buf_str(text, "]}"), 0);
}

/* Entries that all name the same and are skipped cost time each. */
static void lists_without_end_are_refused(void **state)
{
	struct fixture *f = *state;
	struct told told = { 0 };
	struct err err = { 0 };
	struct digest list;
	struct buf tar, text;
	struct made m;

	make_image(&m, "arm64", "one");
	buf_init(&text, 4 << 20);
	buf_init(&tar, 8 << 20);
	for (int i = 0; i < 1025; i++)
		assert_int_equal(buf_printf(&text, "%c{\"Config\":\"c\"}",
					    i ? ',' : '['),
				 0);
	assert_int_equal(buf_str(&text, "]"), 0);
	tar_file(&tar, "manifest.json", buf_cstr(&text));
	tar_file(&tar, "c", m.config);
	tar_end(&tar);
	assert_int_equal(load(&f->store, &tar, NULL, &told, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "more than 1024 images"));

	/* Three times the same list of 4096 times the same manifest. */
	buf_reset(&tar);
	put_blobs(&tar, &m);
	repeat(&text, 4096, &m.manifest_digest, strlen(m.manifest));
	digest_of(buf_cstr(&text), buf_len(&text), &list);
	put_blob(&tar, &list, buf_data(&text), buf_len(&text));
	repeat(&text, 3, &list, buf_len(&text));
	tar_file(&tar, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	tar_file(&tar, "index.json", buf_cstr(&text));
	tar_end(&tar);
	assert_int_equal(load(&f->store, &tar, NULL, &told, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "more than 8192 manifests"));
	buf_fini(&text);
	buf_fini(&tar);
	made_fini(&m);
}

static void directories_are_loaded(void **state)
{
	struct fixture *f = *state;
	struct told told = { 0 };
	struct err err = { 0 };
	char *dir = str_fmt("%s/layout", f->path), text[1024], path[256];
	struct made m;
	int fd;

	make_image(&m, "amd64", "one");
	assert_int_equal(mkdir(dir, 0700), 0);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(fd, "one", 0700), 0);
	(void)snprintf(text, sizeof(text),
		       "[{\"Config\":\"c.json\",\"RepoTags\":[\"d\"],"
		       "\"Layers\":[\"link\"]}]");
	assert_int_equal(
		io_write_file_at(fd, "manifest.json", text, strlen(text), 0600),
		0);
	assert_int_equal(io_write_file_at(fd, "c.json", m.config,
					  strlen(m.config), 0600),
			 0);
	assert_int_equal(io_write_file_at(fd, "one/layer", buf_data(&m.layer),
					  buf_len(&m.layer), 0600),
			 0);
	assert_int_equal(symlinkat("one/layer", fd, "link"), 0);
	assert_int_equal(load_fd(&f->store, fd, NULL, &told, &err), 0);
	assert_true(named(&f->store, "d"));

	/* The same file, but by a way that leads outside. */
	(void)snprintf(path, sizeof(path), "../layout/one/layer");
	assert_int_equal(unlinkat(fd, "link", 0), 0);
	assert_int_equal(symlinkat(path, fd, "link"), 0);
	assert_true(load_fd(&f->store, fd, "other", &told, &err) < 0);
	assert_non_null(strstr(err.msg, "does not lie within"));
	assert_int_equal(unlinkat(fd, "link", 0), 0);
	assert_int_equal(mkfifoat(fd, "link", 0600), 0);
	assert_true(load_fd(&f->store, fd, "other", &told, &err) < 0);
	strv_fini(&told.names);
	(void)close(fd);
	free(dir);
	made_fini(&m);
}

static void refuse(const struct image_store *s, struct buf *tar,
		   const char *name, const char *says)
{
	struct told told = { 0 };
	struct err err = { 0 };

	tar_end(tar);
	assert_true(load(s, tar, name, &told, &err) < 0);
	assert_true(str_starts(err.msg, "cannot load 'x.tar': "));
	if (!strstr(err.msg, says))
		fail_msg("%s", err.msg);
	assert_int_equal(told.done, 0);
	strv_fini(&told.names);
	buf_fini(tar);
	buf_init(tar, 1 << 20);
}

static void hostile_layouts_are_refused(void **state)
{
	struct fixture *f = *state;
	const struct image_store *s = &f->store;
	const char *name = ",\"annotations\":{\"" NAME_KEY "\":\"x\"}";
	struct made m;
	struct buf tar;

	make_image(&m, "amd64", "one");
	buf_init(&tar, 1 << 20);
	tar_file(&tar, "something", "else");
	refuse(s, &tar, "x", "no image archive");
	put_index(&tar, &m, "");
	put_blobs(&tar, &m);
	refuse(s, &tar, NULL, "has no name");
	put_index(&tar, &m, name);
	put_blobs(&tar, &m);
	refuse(s, &tar, "Not/A/Reference", "not an image reference");
	put_index(&tar, &m, name);
	refuse(s, &tar, NULL, "the archive has no file 'blobs/sha256/");
	/* Each of the three is not what it is called. */
	for (int i = 0; i < 3; i++) {
		static const char *const what[] = { "x", "y", "z" };

		put_index(&tar, &m, name);
		put_blobs(&tar, &m);
		put_blob(&tar,
			 i == 0	  ? &m.manifest_digest
			 : i == 1 ? &m.config_digest
				  : &m.layer_digest,
			 what[i], 1);
		refuse(s, &tar, NULL, i < 2 ? "has 1 bytes" : "the blob has 1");
	}
	m.manifest[1] ^= 2;
	put_index(&tar, &m, name);
	put_blobs(&tar, &m);
	refuse(s, &tar, NULL, "digest mismatch");
	m.manifest[1] ^= 2;
	buf_data(&m.layer); /* its last block, which is empty */
	m.layer.data[m.layer.head + buf_len(&m.layer) - 1] ^= 1;
	put_index(&tar, &m, name);
	put_blobs(&tar, &m);
	refuse(s, &tar, NULL, "digest mismatch");
	tar_file(&tar, "oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}");
	refuse(s, &tar, "x", "not known");
	tar_file(&tar, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	tar_file(&tar, "index.json", "{\"manifests\":[]}");
	refuse(s, &tar, "x", "no image in it");
	tar_file(&tar, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	tar_file(&tar, "index.json", m.manifest);
	refuse(s, &tar, "x", "not an index");
	buf_fini(&tar);
	made_fini(&m);
}

static void hostile_docker_archives_are_refused(void **state)
{
	static const struct {
		const char *manifest, *says;
	} cases[] = {
		{ "{}", "not an array" },
		{ "[]", "no image in it" },
		{ "[7]", "'Config'" },
		{ "[{\"Config\":\"../c.json\"}]", "does not lie within" },
		{ "[{\"Config\":\"/etc/passwd\"}]", "does not lie within" },
		{ "[{\"Config\":\"./c.json\"}]", "does not lie within" },
		{ "[{\"Config\":\"no.json\"}]", "has no file" },
		{ "[{\"Config\":\"c.json\",\"Layers\":[\"l\"]}]",
		  "has no name" },
		{ "[{\"Config\":\"c.json\",\"RepoTags\":[\"A B\"]}]",
		  "no reference" },
		{ "[{\"Config\":\"c.json\",\"RepoTags\":\"a\"}]",
		  "not an array of strings" },
		{ "[{\"Config\":\"c.json\",\"RepoTags\":[\"a\"]}]",
		  "lists 0 layers" },
		{ "[{\"Config\":\"c.json\",\"RepoTags\":[\"a\"],\"Layers\":["
		  "\"../l\"]}]",
		  "does not lie within" },
		{ "[{\"Config\":\"c.json\",\"RepoTags\":[\"a\"],\"Layers\":["
		  "\"up\"]}]",
		  "does not lie within" },
		{ "[{\"Config\":\"c.json\",\"RepoTags\":[\"a\"],\"Layers\":["
		  "\"l\",\"l\"]}]",
		  "lists 2 layers" },
		{ "[{\"Config\":\"c.json\",\"RepoTags\":[\"a\"],\"Layers\":["
		  "\"c.json\"]}]",
		  "digest mismatch" },
		{ "[{\"Config\":\"0000000000000000000000000000000000000000000"
		  "000000000000000000000.json\",\"RepoTags\":[\"a\"]}]",
		  "digest mismatch" },
	};
	struct fixture *f = *state;
	struct made m;
	struct buf tar;

	make_image(&m, "amd64", "one");
	buf_init(&tar, 1 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char zeros[80];

		(void)snprintf(zeros, sizeof(zeros), "%064d.json", 0);
		tar_file(&tar, "manifest.json", cases[i].manifest);
		tar_file(&tar, "c.json", m.config);
		tar_file(&tar, zeros, m.config);
		tar_add(&tar, "l", '0', NULL, buf_data(&m.layer),
			buf_len(&m.layer));
		tar_add(&tar, "up", '2', "../../etc/passwd", "", 0);
		refuse(&f->store, &tar, NULL, cases[i].says);
	}
	buf_fini(&tar);
	made_fini(&m);
}

static int save(const struct image_store *s, const char *const *names, size_t n,
		enum archive_format format, struct err *err)
{
	struct image_ref refs[4];
	int fd = io_memfd("saved", "", 0), rc;

	assert_true(fd >= 0 && n <= ARRAY_SIZE(refs));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(image_ref_parse(names[i], &refs[i], NULL), 0);
	rc = archive_save(s, refs, n, format, fd, err);
	for (size_t i = 0; i < n; i++)
		image_ref_fini(&refs[i]);
	if (rc) {
		(void)close(fd);
		return rc;
	}
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* What is saved can be loaded, into an empty store, under the same names. */
static void saved_archives_are_loaded(void **state)
{
	static const char *const names[] = { "a:1", "x.y/b", "a:2" };
	struct fixture *f = *state;

	for (int format = ARCHIVE_DOCKER; format <= ARCHIVE_OCI; format++) {
		void *state_of_other = NULL;
		struct fixture *other;
		struct told told = { 0 };
		struct err err = { 0 };
		struct made one, two;
		struct buf tar;
		int fd;

		make_image(&one, "amd64", "one");
		make_image(&two, "amd64", "two");
		buf_init(&tar, 1 << 20);
		put_index(&tar, &one,
			  ",\"annotations\":{\"" NAME_KEY "\":\"a:1\"}");
		put_blobs(&tar, &one);
		assert_int_equal(load(&f->store, &tar, "a:2", &told, &err), 0);
		put_index(&tar, &two,
			  ",\"annotations\":{\"" NAME_KEY "\":\"x.y/b\"}");
		put_blobs(&tar, &two);
		assert_int_equal(load(&f->store, &tar, NULL, &told, &err), 0);
		fd = save(&f->store, names, ARRAY_SIZE(names),
			  (enum archive_format)format, &err);
		assert_true(fd >= 0);
		assert_int_equal(fixture_make(&state_of_other), 0);
		other = state_of_other;
		assert_int_equal(load_fd(&other->store, fd, NULL, &told, &err),
				 0);
		assert_int_equal(told.done, 2);
		assert_int_equal(told.names.n, 3);
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			assert_true(named(&other->store, names[i]));
		(void)close(fd);
		/* Saved from there it is the same, byte for byte. */
		fd = save(&other->store, names, ARRAY_SIZE(names),
			  (enum archive_format)format, &err);
		assert_true(fd >= 0);
		assert_int_equal(load_fd(&other->store, fd, NULL, &told, &err),
				 0);
		assert_int_equal(told.cached, 2);
		(void)close(fd);
		assert_int_equal(fixture_remove(&state_of_other), 0);
		strv_fini(&told.names);
		buf_fini(&tar);
		made_fini(&one);
		made_fini(&two);
	}
}

static void what_is_not_there_is_not_saved(void **state)
{
	static const char *const name = "nothing";
	struct fixture *f = *state;
	struct err err = { 0 };

	assert_int_equal(save(&f->store, &name, 1, ARCHIVE_OCI, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_IMAGE_NOT_FOUND);
	assert_string_equal(err.msg, "image not found: nothing");
}

#define STORE_TEST(fn)                                                         \
	cmocka_unit_test_setup_teardown(fn, fixture_make, fixture_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(layouts_are_loaded),
		STORE_TEST(a_bare_tag_gives_way_to_a_name),
		STORE_TEST(docker_archives_are_loaded),
		STORE_TEST(only_images_for_this_platform_are_loaded),
		STORE_TEST(nested_indexes_pass_names_on),
		STORE_TEST(lists_without_end_are_refused),
		STORE_TEST(directories_are_loaded),
		STORE_TEST(hostile_layouts_are_refused),
		STORE_TEST(hostile_docker_archives_are_refused),
		STORE_TEST(saved_archives_are_loaded),
		STORE_TEST(what_is_not_there_is_not_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
