/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors, contents and archives of snapshots. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/snapshot_int.h"
#include "api/snapshot_tar.h"
#include "base/io.h"

#define HEX "6b9445b8b1fb025d437bd214ee737b6003bfbcc43c8de7877f55795d364d4087"
#define UPPER                                                                  \
	"\"upper\":{\"file\":\"upper.ext4\",\"size_bytes\":8192,"              \
	"\"integrity\":null}"
#define HEAD                                                                   \
	"{\"schema\":1,\"format\":\"raw\",\"fstype\":\"ext4\",\"image\":{"     \
	"\"ref\":\"busybox\",\"manifest_digest\":\"sha256:" HEX "\"},"         \
	"\"parent\":null,\"created_at\":\"2026-05-22T10:11:12.5+00:00\","
#define GOOD                                                                   \
	HEAD "\"labels\":{\"a\":\"1\",\"b\":\"x=\\u001f\\\"\\n\"}," UPPER      \
	     ",\"source_sandbox\":\"box\"}"

static struct err err;

static int decode(const char *text)
{
	struct snapshot_desc d;
	int rc = snapshot_desc_decode(text, strlen(text), &d, &err);

	if (!rc)
		snapshot_desc_fini(&d);
	return rc;
}

static void descriptors_are_read_and_written_alike(void **state)
{
	struct snapshot_desc d;
	struct digest digest;
	struct buf b;

	(void)state;
	assert_int_equal(snapshot_desc_decode(GOOD, strlen(GOOD), &d, &err), 0);
	assert_string_equal(d.image_ref, "busybox");
	assert_string_equal(d.image.text, "sha256:" HEX);
	assert_string_equal(d.labels.v[1], "b=x=\x1f\"\n");
	assert_int_equal(d.upper_size, 8192);
	assert_false(d.has_parent);
	assert_null(d.algorithm);
	buf_init(&b, 4096);
	assert_int_equal(snapshot_desc_encode(&d, &b), 0);
	assert_int_equal(buf_len(&b), strlen(GOOD));
	assert_memory_equal(buf_data(&b), GOOD, strlen(GOOD));
	digest_of(buf_data(&b), buf_len(&b), &digest);
	buf_reset(&b);
	/* what else there may be */
	d.has_parent = true;
	d.parent = digest;
	d.algorithm = strdup(SNAPSHOT_SHA256);
	d.integrity = digest;
	free(d.source);
	d.source = NULL;
	assert_int_equal(snapshot_desc_encode(&d, &b), 0);
	assert_int_equal(decode(buf_cstr(&b)), 0);
	assert_non_null(strstr(buf_cstr(&b), "\"source_sandbox\":null"));
	buf_fini(&b);
	snapshot_desc_fini(&d);
}

static void other_descriptors_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"null",
		GOOD " ",				   /* not compact */
		HEAD UPPER ",\"source_sandbox\":\"box\"}", /* a member less */
		HEAD "\"labels\":{}," UPPER ",\"source_sandbox\":\"box\","
		     "\"more\":1}",
		HEAD "\"labels\":{\"a\":\"1\",\"a\":\"2\"}," UPPER
		     ",\"source_sandbox\":\"box\"}",
		HEAD "\"labels\":{\"b\":\"1\",\"a\":\"2\"}," UPPER
		     ",\"source_sandbox\":\"box\"}", /* out of order */
		HEAD "\"labels\":{\"a\":1}," UPPER ",\"source_sandbox\":null}",
		HEAD "\"labels\":{}," UPPER ",\"source_sandbox\":\"\"}",
		HEAD "\"labels\":{},\"upper\":{\"file\":\"../x\","
		     "\"size_bytes\":1,\"integrity\":null},"
		     "\"source_sandbox\":null}",
		HEAD "\"labels\":{},\"upper\":{\"file\":\"snapshot.json\","
		     "\"size_bytes\":1,\"integrity\":null},"
		     "\"source_sandbox\":null}",
		HEAD "\"labels\":{},\"upper\":{\"file\":\"u\","
		     "\"size_bytes\":-1,\"integrity\":null},"
		     "\"source_sandbox\":null}",
		HEAD "\"labels\":{},\"upper\":{\"file\":\"u\","
		     "\"size_bytes\":1,\"integrity\":{\"algorithm\":\"x\"}},"
		     "\"source_sandbox\":null}",
	};
	static const char *const edits[][2] = {
		{ "\"schema\":1", "\"schema\":2" },
		{ "\"raw\"", "\"vmdk\"" },
		{ "\"ext4\"", "\"\"" },
		{ "\"busybox\"", "\"\"" },
		{ "sha256:6b", "sha256:6B" },
		{ "\"parent\":null", "\"parent\":\"sha256:1\"" },
		{ "2026-05-22T", "yesterday" },
		{ "12.5+00:00", "12.5" },
	};

	(void)state;
	assert_int_equal(decode(GOOD), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(decode(bad[i]) < 0);
	for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
		const char *at = strstr(GOOD, edits[i][0]);
		char *text = str_fmt("%.*s%s%s", (int)(at - GOOD), GOOD,
				     edits[i][1], at + strlen(edits[i][0]));

		assert_true(decode(text) < 0);
		assert_int_equal(err.kind, ERR_SNAPSHOT_INTEGRITY);
		free(text);
	}
}

/* --- contents --- */

static int make_file(void)
{
	char name[] = "/tmp/msb-snapshot-XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);

	assert_true(fd >= 0);
	(void)unlink(name);
	return fd;
}

static void put_at(int fd, off_t at, const char *text)
{
	assert_int_equal(pwrite(fd, text, strlen(text), at),
			 (ssize_t)strlen(text));
}

static void hash_is(int fd, const char *algorithm, const char *hex)
{
	struct digest d;

	assert_int_equal(snapshot_hash(fd, algorithm, &d), 0);
	assert_string_equal(d.text + 7, hex);
}

static void hashes_have_the_known_values(void **state)
{
	int fd = make_file();
	struct digest d;

	(void)state;
	hash_is(fd, SNAPSHOT_SPARSE_V1,
		"56ffc9cabb52975b3fa212d61cc53f5fa3b4ff87de8bd70b4ed4c156701e"
		"3931");
	hash_is(fd, SNAPSHOT_SHA256,
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852"
		"b855");
	assert_int_equal(ftruncate(fd, 8192), 0);
	hash_is(fd, SNAPSHOT_SPARSE_V1,
		"10279355c8cfb8d415fa8c6cdf1faca85080c6d8eed600223302bdc9e4c9"
		"d217");
	assert_int_equal(snapshot_hash(fd, "md5", &d), -EINVAL);
	assert_false(snapshot_algorithm_known("md5"));
	(void)close(fd);
}

static void the_second_sparse_hash_is_of_the_contents(void **state)
{
	static const char zeroes[4096 * 3];
	int holes = make_file(), full = make_file();
	struct digest a, b;

	(void)state;
	/* one with holes, one with the same bytes written out */
	assert_int_equal(ftruncate(holes, 4096 * 40 + 100), 0);
	assert_int_equal(ftruncate(full, 4096 * 40 + 100), 0);
	for (int i = 0; i < 39; i += 3)
		assert_int_equal(pwrite(full, zeroes, sizeof(zeroes), i * 4096),
				 sizeof(zeroes));
	for (int i = 0; i < 2; i++) {
		int fd = i ? full : holes;

		put_at(fd, 4096 * 2 + 7, "some");
		put_at(fd, 4096 * 4 - 3, "over an edge");
		put_at(fd, 4096 * 30, "far");
		put_at(fd, 4096 * 40 + 90, "0123456789");
	}
	assert_int_equal(snapshot_hash(holes, SNAPSHOT_SPARSE_V2, &a), 0);
	assert_int_equal(snapshot_hash(full, SNAPSHOT_SPARSE_V2, &b), 0);
	assert_true(digest_eq(&a, &b));
	put_at(full, 4096 * 39, "x");
	assert_int_equal(snapshot_hash(full, SNAPSHOT_SPARSE_V2, &b), 0);
	assert_false(digest_eq(&a, &b));
	(void)close(holes);
	(void)close(full);
}

static void copies_are_equal_and_as_sparse(void **state)
{
	int from = make_file(), to = make_file();
	struct digest a, b;
	struct stat st;

	(void)state;
	assert_int_equal(ftruncate(from, 64 << 20), 0);
	put_at(from, 5 << 20, "here");
	put_at(from, (64 << 20) - 4, "end.");
	assert_int_equal(snapshot_copy(from, to), 0);
	assert_int_equal(fstat(to, &st), 0);
	assert_int_equal(st.st_size, 64 << 20);
	assert_true(st.st_blocks < 2048);
	assert_int_equal(snapshot_hash(from, SNAPSHOT_SHA256, &a), 0);
	assert_int_equal(snapshot_hash(to, SNAPSHOT_SHA256, &b), 0);
	assert_true(digest_eq(&a, &b));
	(void)close(from);
	(void)close(to);
}

/* --- what programs are told --- */

/* A directory dir/name with a snapshot in it. */
static void make_snapshot(const char *dir, const char *name, const char *text,
			  off_t size)
{
	char *path = str_fmt("%s/%s", dir, name);
	autoclose int fd = -1, upper = -1;

	assert_non_null(path);
	assert_int_equal(io_mkdir_p(AT_FDCWD, path, 0700), 0);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(
		io_write_file_at(fd, SNAPSHOT_FILE, text, strlen(text), 0600),
		0);
	upper = openat(fd, SNAPSHOT_UPPER, O_WRONLY | O_CREAT | O_CLOEXEC,
		       0600);
	assert_int_equal(ftruncate(upper, size), 0);
	free(path);
}

static void facts_are_told(const msb_snapshot_t *s)
{
	assert_string_equal(msb_snapshot_image(s), "busybox");
	assert_string_equal(msb_snapshot_image_digest(s), "sha256:" HEX);
	assert_string_equal(msb_snapshot_format(s), "raw");
	assert_string_equal(msb_snapshot_fstype(s), "ext4");
	assert_string_equal(msb_snapshot_source(s), "box");
	assert_string_equal(msb_snapshot_label(s, 0), "a=1");
	assert_string_equal(msb_snapshot_label(s, 1), "b=x=\x1f\"\n");
	assert_null(msb_snapshot_label(s, 2));
	assert_null(msb_snapshot_parent(s));
	assert_null(msb_snapshot_integrity(s));
	assert_int_equal(msb_snapshot_size_bytes(s), 8192);
}

static void a_directory_is_listed_without_being_known(void **state)
{
	char base[] = "/tmp/msb-unit-XXXXXX";
	msb_snapshot_list_t *l;
	char *dir, *home;
	msb_error_t *e = NULL;
	msb_t *m;

	(void)state;
	assert_non_null(mkdtemp(base));
	dir = str_fmt("%s/some", base);
	home = str_fmt("%s/home", base);
	assert_non_null(dir);
	assert_non_null(home);
	make_snapshot(dir, "one", GOOD, 8192);
	make_snapshot(dir, "damaged", GOOD, 100);
	make_snapshot(dir, "no descriptor", "{}", 8192);
	assert_int_equal(msb_open(home, &m, NULL), 0);
	assert_int_equal(msb_snapshot_list_dir(m, dir, &l, NULL), 0);
	assert_int_equal(msb_snapshot_list_count(l), 1);
	assert_null(msb_snapshot_name(msb_snapshot_list_item(l, 0)));
	facts_are_told(msb_snapshot_list_item(l, 0));
	msb_snapshot_list_free(l);
	assert_int_equal(msb_snapshot_list(m, &l, NULL), 0);
	assert_int_equal(msb_snapshot_list_count(l), 0);
	msb_snapshot_list_free(l);
	/* the home's own have names */
	make_snapshot(msb_snapshot_dir(m), "mine", GOOD, 8192);
	assert_int_equal(
		msb_snapshot_list_dir(m, msb_snapshot_dir(m), &l, NULL), 0);
	assert_int_equal(msb_snapshot_list_count(l), 1);
	assert_string_equal(msb_snapshot_name(msb_snapshot_list_item(l, 0)),
			    "mine");
	msb_snapshot_list_free(l);
	assert_int_equal(msb_snapshot_list_dir(m, "/no/such", &l, &e), -ENOENT);
	assert_int_equal(msb_error_kind(e), MSB_ERR_IO);
	msb_error_free(e);
	msb_close(m);
	assert_int_equal(io_remove_tree(AT_FDCWD, base), 0);
	free(dir);
	free(home);
}

/* --- archives --- */

static void archives_are_read_back(void **state)
{
	int tar = make_file(), from = make_file(), to = make_file();
	const struct tar_member *m;
	struct tar_index index;
	struct digest a, b;
	struct buf text;

	(void)state;
	assert_int_equal(ftruncate(from, 10 << 20), 0);
	put_at(from, 100, "here");
	put_at(from, (10 << 20) - 5000, "and here");
	assert_int_equal(tar_put_dir(tar, "d/"), 0);
	assert_int_equal(tar_put_bytes(tar, "d/text", "hello", 5), 0);
	assert_int_equal(tar_put_sparse(tar, "d/data", from), 0);
	assert_int_equal(tar_put_end(tar), 0);
	assert_int_equal(tar_index_read(tar, &index, &err), 0);
	assert_int_equal(index.n, 2);
	assert_null(tar_index_find(&index, "d", "tex"));
	m = tar_index_find(&index, "d", "text");
	assert_non_null(m);
	buf_init(&text, 5);
	assert_int_equal(tar_read_text(tar, m, &text, &err), 0);
	assert_int_equal(buf_len(&text), 5);
	m = tar_index_find(&index, "d", "data");
	assert_non_null(m);
	assert_int_equal(m->size, 10 << 20);
	assert_true(m->stored < 100000);
	assert_int_equal(tar_extract(tar, m, to, &err), 0);
	assert_int_equal(snapshot_hash(from, SNAPSHOT_SHA256, &a), 0);
	assert_int_equal(snapshot_hash(to, SNAPSHOT_SHA256, &b), 0);
	assert_true(digest_eq(&a, &b));
	tar_index_fini(&index);
	buf_fini(&text);
	(void)close(tar);
	(void)close(from);
	(void)close(to);
}

/* Change a byte of the first header, and its sum. */
static void edit(int tar, off_t at, const void *data, size_t len)
{
	uint8_t h[512];
	unsigned sum = 0;

	assert_int_equal(pread(tar, h, sizeof(h), 0), (ssize_t)sizeof(h));
	memcpy(h + at, data, len);
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += h[i];
	(void)snprintf((char *)h + 148, 8, "%06o", sum);
	assert_int_equal(pwrite(tar, h, sizeof(h), 0), (ssize_t)sizeof(h));
}

static void refused(off_t at, const void *data, size_t len)
{
	struct tar_index index;
	int tar = make_file();

	assert_int_equal(tar_put_bytes(tar, "d/file", "hello", 5), 0);
	assert_int_equal(tar_put_end(tar), 0);
	assert_int_equal(tar_index_read(tar, &index, &err), 0);
	tar_index_fini(&index);
	edit(tar, at, data, len);
	assert_true(tar_index_read(tar, &index, &err) < 0);
	(void)close(tar);
}

static void strange_archives_are_refused(void **state)
{
	static const char *const names[] = { "../f", "/d/f",  "d/../f",
					     "d/.f", "d/e/f", "file",
					     "d/",   "d//f",  "d/f\\" };
	struct tar_index index;
	int tar;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		refused(0, names[i], strlen(names[i]) + 1);
	for (const char *type = "123467S"; *type; type++)
		refused(156, type, 1);
	refused(124, "77777777777", 12); /* more than there is */
	refused(124, "x", 1);
	tar = make_file();
	assert_int_equal(tar_put_bytes(tar, "d/f", "1", 1), 0);
	assert_int_equal(tar_put_bytes(tar, "d/f", "2", 1), 0);
	assert_int_equal(tar_put_end(tar), 0);
	assert_int_equal(tar_index_read(tar, &index, &err), -EINVAL);
	assert_int_equal(ftruncate(tar, 0), 0);
	assert_int_equal(tar_index_read(tar, &index, &err), -EINVAL);
	(void)close(tar);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors_are_read_and_written_alike),
		cmocka_unit_test(other_descriptors_are_refused),
		cmocka_unit_test(hashes_have_the_known_values),
		cmocka_unit_test(the_second_sparse_hash_is_of_the_contents),
		cmocka_unit_test(copies_are_equal_and_as_sparse),
		cmocka_unit_test(a_directory_is_listed_without_being_known),
		cmocka_unit_test(archives_are_read_back),
		cmocka_unit_test(strange_archives_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
