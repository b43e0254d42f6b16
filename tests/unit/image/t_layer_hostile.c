/* SPDX-License-Identifier: Apache-2.0 */
/* Archives that are wrong, oversized or meant to do harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "erofs_view.h"
#include "tar_make.h"

static struct buf tar;

static int setup(void **state)
{
	(void)state;
	buf_init(&tar, TAR_MAKE_MAX);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_fini(&tar);
	return 0;
}

static void refused(const char *text)
{
	tar_make_refused(&tar, NULL, text);
}

/* n components of one letter. */
static void deep_path(char *to, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		*to++ = 'd';
		*to++ = '/';
	}
	to[-1] = '\0';
}

static void paths_that_lead_out(void **state)
{
	(void)state;
	tar_make_file(&tar, "../x", "");
	refused("path traversal");
	tar_make_file(&tar, "a/../../x", "");
	refused("path traversal");
	tar_make_dir(&tar, "a/..", 0755);
	refused("path traversal");
	tar_make_link(&tar, '1', "x", "../../etc/passwd");
	refused("path traversal");
}

static void paths_over_their_limits(void **state)
{
	char path[5000], target[4200];

	(void)state;
	deep_path(path, 128);
	tar_make_pax_text(&tar, "path", path);
	tar_make_file(&tar, "x", "");
	(void)close(tar_make_layer(&tar));
	deep_path(path, 129);
	tar_make_pax_text(&tar, "path", path);
	tar_make_file(&tar, "x", "");
	refused("path too deep");

	memset(path, 'a', 4097);
	for (int i = 200; i < 4097; i += 200)
		path[i] = '/';
	path[4096] = '\0';
	tar_make_pax_text(&tar, "path", path);
	tar_make_file(&tar, "x", "");
	(void)close(tar_make_layer(&tar));
	path[4096] = 'a';
	path[4097] = '\0';
	tar_make_pax_text(&tar, "path", path);
	tar_make_file(&tar, "x", "");
	refused("path too long");

	memset(path, 'n', 256);
	path[256] = '\0';
	tar_make_pax_text(&tar, "path", path);
	tar_make_file(&tar, "x", "");
	refused("file name too long");

	memset(target, 't', 4097);
	target[4097] = '\0';
	tar_make_pax_text(&tar, "linkpath", target);
	tar_make_link(&tar, '2', "x", "y");
	refused("symlink target too long");
	tar_make_link(&tar, '2', "x", "");
	refused("without a target");
}

/* Each link leads further down than a path could say. */
static void depth_through_symbolic_links(void **state)
{
	char path[400];

	(void)state;
	deep_path(path, 100);
	tar_make_pax_text(&tar, "path", path);
	tar_make_dir(&tar, "x", 0755);
	tar_make_pax_text(&tar, "linkpath", path);
	tar_make_link(&tar, '2', "l", "y");
	memcpy(path, "l/", 2);
	deep_path(path + 2, 50);
	tar_make_pax_text(&tar, "path", path);
	tar_make_file(&tar, "x", "");
	refused("path too deep");
}

static void links_that_lead_nowhere(void **state)
{
	(void)state;
	tar_make_link(&tar, '1', "x", "missing");
	refused("hard link target not found");
	tar_make_link(&tar, '1', "x", "x");
	refused("hard link target not found");
	tar_make_link(&tar, '1', "x", "y");
	tar_make_link(&tar, '1', "y", "x");
	refused("hard link target not found");
	tar_make_dir(&tar, "d", 0755);
	tar_make_link(&tar, '1', "x", "d");
	refused("hard link to a directory");
	tar_make_link(&tar, '1', "x", "d/f");
	tar_make_link(&tar, '1', "y", "d");
	tar_make_file(&tar, "d/f", "");
	refused("hard link to a directory");
	tar_make_file(&tar, ".wh.gone", "");
	tar_make_link(&tar, '1', "x", "gone");
	refused("hard link target not found");
	tar_make_link(&tar, '1', "x", "/");
	refused("hard link target not found");
	tar_make_link(&tar, '2', "a", "b");
	tar_make_link(&tar, '2', "b", "a");
	tar_make_file(&tar, "a/x", "");
	refused("too many symbolic links");
	tar_make_file(&tar, "f", "");
	tar_make_file(&tar, "f/x", "");
	refused("not a directory");
}

static void whiteouts_of_dots(void **state)
{
	(void)state;
	tar_make_file(&tar, "d/.wh..", "");
	refused("whiteout");
	tar_make_file(&tar, "d/.wh...", "");
	refused("whiteout");
}

static void root_that_is_no_directory(void **state)
{
	(void)state;
	tar_make_link(&tar, '2', "/", "x");
	refused("the root");
}

static void more_than_allowed(void **state)
{
	const struct layer_limits limits = { .total_bytes = 100,
					     .file_bytes = 60,
					     .entries = 3 };
	char data[64];

	(void)state;
	memset(data, 'x', sizeof(data) - 1);
	data[61] = '\0';
	tar_make_file(&tar, "a", data);
	tar_make_refused(&tar, &limits, "file too large");
	data[60] = '\0';
	tar_make_file(&tar, "a", data);
	tar_make_file(&tar, "b", data);
	tar_make_refused(&tar, &limits, "total extracted size exceeded");
	for (int i = 0; i < 4; i++)
		tar_make_file(&tar, "a", "");
	tar_make_refused(&tar, &limits, "entry count exceeded");
	/* Implicit directories are counted as well. */
	tar_make_file(&tar, "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x",
		      "");
	tar_make_refused(&tar, &limits, "entry count exceeded");
	/* A size that is only declared. */
	tar_make_raw(&tar, '0', "huge", "60000000000", "", 0);
	tar_make_refused(&tar, NULL, "file too large");
	tar_make_pax_text(&tar, "size", "9223372036854775807");
	tar_make_file(&tar, "huge", "");
	tar_make_refused(&tar, NULL, "size");
}

/* 70 MB of padding in an archive that may hold 100 bytes. */
static void padding_without_end(void **state)
{
	const struct layer_limits limits = { .total_bytes = 100,
					     .file_bytes = 60,
					     .entries = 3 };
	size_t len = (size_t)70 << 20;
	uint8_t *p;

	(void)state;
	tar_make_file(&tar, "a", "");
	tar_make_end(&tar);
	p = buf_reserve(&tar, len);
	assert_non_null(p);
	memset(p, 0, len);
	buf_commit(&tar, len);
	tar_make_refused(&tar, &limits, "total extracted size exceeded");
}

/* libarchive keeps the map of a sparse file in memory. */
static void headers_without_end(void **state)
{
	size_t len = (size_t)40 << 20;
	struct buf records;
	uint8_t *body;
	char size[16];

	(void)state;
	body = malloc(len);
	assert_non_null(body);
	for (size_t i = 0; i < len; i += 2)
		memcpy(body + i, "1\n", 2);
	memcpy(body, "9999999\n", 8);
	buf_init(&records, 1 << 20);
	tar_make_record(&records, "GNU.sparse.major", "1", 1);
	tar_make_record(&records, "GNU.sparse.minor", "0", 1);
	tar_make_record(&records, "GNU.sparse.realsize", "1000", 4);
	tar_make_pax(&tar, &records);
	(void)snprintf(size, sizeof(size), "%011zo", len);
	tar_make_raw(&tar, '0', "map", size, body, len);
	refused("headers are too large");
	free(body);
	buf_fini(&records);
}

static void damaged_archives(void **state)
{
	struct err err = { 0 };
	char data[3000];
	int fd;

	(void)state;
	memset(data, 'x', sizeof(data) - 1);
	data[sizeof(data) - 1] = '\0';
	tar_make_file(&tar, "a", data);
	/* Cut within the data: also the digest of what is there is right. */
	tar.len -= 600;
	fd = tar_make_convert(buf_data(&tar), buf_len(&tar), &tar, NULL, &err);
	assert_true(fd < 0);
	assert_int_equal(err.kind, ERR_IMAGE);
	buf_reset(&tar);
	/* No archive at all. */
	err = (struct err){ 0 };
	(void)buf_append(&tar, data, sizeof(data));
	fd = tar_make_convert(buf_data(&tar), buf_len(&tar), &tar, NULL, &err);
	assert_true(fd < 0);
	assert_int_equal(err.kind, ERR_IMAGE);
	buf_reset(&tar);
	/* A header's checksum does not hold. */
	tar_make_file(&tar, "a", "");
	tar_make_file(&tar, "b", "");
	tar.data[512]++;
	refused("damaged");
	tar_make_pax_text(&tar, "SCHILY.xattr.system.posix_acl_access", "bad");
	tar_make_file(&tar, "a", "");
	refused("attributes");
	tar_make_pax_text(&tar, "uid", "4294967296");
	tar_make_file(&tar, "a", "");
	refused("owner");
	tar_make_item(&tar, &(struct tar_item){
				    .type = '3', .path = "a", .major = 4096 });
	refused("device number");
}

static void numbers_that_are_none(void **state)
{
	struct view v;
	int fd;

	(void)state;
	tar_make_raw(&tar, '0', "a",
		     "\xff\xff\xff\xff\xff\xff\xff\xff\xff"
		     "\xff\xff\xff",
		     "", 0);
	refused("");
	tar_make_file(&tar, "a", "");
	tar_make_raw(&tar, '0', "b", "garbage 8 9", "", 0);
	fd = tar_make_layer(&tar); /* none is nothing */
	view_load(&v, &fd, 1);
	view_is_file(&v, "/b", "");
	view_free(&v);
	(void)close(fd);
}

/* Ten thousand entries of one name leave one. */
static void one_name_again_and_again(void **state)
{
	struct view v;
	int fd;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		if (i % 3 == 0)
			tar_make_file(&tar, "n", "x");
		else if (i % 3 == 1)
			tar_make_dir(&tar, "n", 0755);
		else
			tar_make_file(&tar, "n/c", "x");
	}
	fd = tar_make_layer(&tar);
	view_load(&v, &fd, 1);
	assert_int_equal(view_count(&v, "/"), 1);
	view_is_file(&v, "/n", "x");
	view_free(&v);
	(void)close(fd);
}

/* Text from an archive goes to terminals. */
static void messages_are_printable(void **state)
{
	struct err err = { 0 };
	int fd;

	(void)state;
	tar_make_file(&tar, "a\33[2J/../b", "");
	tar_make_end(&tar);
	fd = tar_make_convert(buf_data(&tar), buf_len(&tar), &tar, NULL, &err);
	assert_true(fd < 0);
	assert_null(strchr(err.msg, '\33'));
	assert_non_null(strstr(err.msg, "a?[2J"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(paths_that_lead_out),
		TEST(paths_over_their_limits),
		TEST(depth_through_symbolic_links),
		TEST(links_that_lead_nowhere),
		TEST(whiteouts_of_dots),
		TEST(root_that_is_no_directory),
		TEST(more_than_allowed),
		TEST(padding_without_end),
		TEST(headers_without_end),
		TEST(damaged_archives),
		TEST(numbers_that_are_none),
		TEST(one_name_again_and_again),
		TEST(messages_are_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
