/* SPDX-License-Identifier: Apache-2.0 */
/* Layers put together: the guest's disk, looked at as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "erofs_view.h"
#include "tar_make.h"

#define LAYERS 130

static struct buf tar;
static int fds[LAYERS + 1]; /* the merged image, then the layers */
static size_t count;
static struct merge_result result;
static struct view view;

static int setup(void **state)
{
	(void)state;
	buf_init(&tar, TAR_MAKE_MAX);
	count = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_fini(&tar);
	for (size_t i = 0; i <= count; i++)
		(void)close(fds[i]);
	free(result.passwd);
	free(result.group);
	view_free(&view);
	memset(&result, 0, sizeof(result));
	memset(&view, 0, sizeof(view));
	return 0;
}

/* What was made since becomes the next layer. */
static void layer(void)
{
	fds[++count] = tar_make_layer(&tar);
}

static void merge(void)
{
	struct merge_layer layers[LAYERS];
	struct err err = { 0 };
	int r;

	for (size_t i = 0; i < count; i++) {
		layers[i].fd = fds[i + 1];
		layers[i].size = (uint64_t)lseek(fds[i + 1], 0, SEEK_END);
	}
	fds[0] = memfd_create("merged", MFD_CLOEXEC);
	assert_true(fds[0] >= 0);
	r = layers_merge(layers, count, fds[0], &result, &err);
	if (r)
		fail_msg("%s", err.msg);
	assert_int_equal(lseek(fds[0], 0, SEEK_END), result.size);
	view_load(&view, fds, count + 1);
}

static struct view_node node(const char *path)
{
	struct view_node n;

	if (!view_find(&view, path, &n))
		fail_msg("%s is missing", path);
	return n;
}

static void names_come_from_their_topmost_layer(void **state)
{
	struct view_node n;

	(void)state;
	tar_make_file(&tar, "d/both", "low");
	tar_make_file(&tar, "d/low", "only low");
	tar_make_file(&tar, "dir-to-file/x", "");
	tar_make_file(&tar, "file-to-dir", "");
	layer();
	tar_make_item(&tar, &(struct tar_item){ .type = '5',
						.path = "d",
						.mode = 0700,
						.uid = 5,
						.mtime = 9 });
	tar_make_file(&tar, "d/both", "high");
	tar_make_file(&tar, "dir-to-file", "file");
	tar_make_file(&tar, "file-to-dir/y", "in dir");
	layer();
	merge();
	view_is_file(&view, "/d/both", "high");
	view_is_file(&view, "/d/low", "only low");
	view_is_dir(&view, "/d", 0700);
	n = node("/d");
	assert_int_equal(n.uid, 5);
	assert_int_equal(n.mtime, 9);
	view_is_file(&view, "/dir-to-file", "file");
	view_is_file(&view, "/file-to-dir/y", "in dir");
	assert_int_equal(node("/").nlink, 4);
	assert_null(result.passwd);
}

static void whiteouts_are_consumed(void **state)
{
	(void)state;
	tar_make_file(&tar, "gone", "");
	tar_make_file(&tar, "tree/a/b/c", "");
	tar_make_file(&tar, "hides/old", "");
	tar_make_file(&tar, "again/old", "");
	tar_make_file(&tar, "f", "low");
	layer();
	tar_make_file(&tar, ".wh.gone", "");
	tar_make_file(&tar, ".wh.tree", "");
	tar_make_file(&tar, "hides/.wh..wh..opq", "");
	tar_make_file(&tar, "hides/new", "");
	tar_make_file(&tar, ".wh.again", "");
	tar_make_file(&tar, "again/new", "");
	tar_make_file(&tar, ".wh.f", "");
	tar_make_file(&tar, "f", "high");
	tar_make_file(&tar, "new/.wh.nothing", "");
	tar_make_file(&tar, "new/deep/.wh.nothing", "");
	tar_make_file(&tar, ".wh.never", "");
	layer();
	merge();
	view_is_absent(&view, "/gone");
	view_is_absent(&view, "/tree");
	view_is_absent(&view, "/hides/old");
	view_is_file(&view, "/hides/new", "");
	view_is_absent(&view, "/again/old");
	view_is_file(&view, "/again/new", "");
	view_is_file(&view, "/f", "high");
	assert_int_equal(view_count(&view, "/new"), 1);
	assert_int_equal(view_count(&view, "/new/deep"), 0);
	assert_int_equal(view_count(&view, "/"), 4);
	assert_null(node("/hides").xattrs);
	assert_null(node("/").xattrs);
}

static void an_opaque_root_starts_anew(void **state)
{
	(void)state;
	tar_make_file(&tar, "old", "");
	layer();
	tar_make_file(&tar, ".wh..wh..opq", "");
	tar_make_file(&tar, "new", "");
	layer();
	merge();
	assert_int_equal(view_count(&view, "/"), 1);
	view_is_file(&view, "/new", "");
}

static void implicit_parents_change_nothing(void **state)
{
	struct view_node n;
	size_t len;

	(void)state;
	tar_make_dir(&tar, "./", 0711);
	tar_make_pax_text(&tar, "SCHILY.xattr.user.a", "b");
	tar_make_item(&tar, &(struct tar_item){ .type = '5',
						.path = "root",
						.mode = 0700,
						.uid = 3,
						.mtime = 77 });
	tar_make_dir(&tar, "gone", 0700);
	layer();
	tar_make_file(&tar, "root/.bashrc", "x");
	tar_make_file(&tar, ".wh.gone", "");
	tar_make_file(&tar, "gone/x", "x");
	tar_make_file(&tar, "opq/.wh..wh..opq", "");
	layer();
	tar_make_file(&tar, "root/other", "y");
	layer();
	merge();
	view_is_dir(&view, "/", 0711);
	view_is_dir(&view, "/root", 0700);
	n = node("/root");
	assert_int_equal(n.uid, 3);
	assert_int_equal(n.mtime, 77);
	assert_memory_equal(view_xattr(&n, 1, "a", &len), "b", 1);
	view_is_dir(&view, "/gone", 0755);
	assert_int_equal(view_count(&view, "/root"), 2);
}

static void hard_links_over_layers(void **state)
{
	(void)state;
	tar_make_file(&tar, "a", "data");
	tar_make_link(&tar, '1', "b", "a");
	tar_make_link(&tar, '1', "c", "a");
	layer();
	tar_make_file(&tar, ".wh.b", "");
	layer();
	tar_make_file(&tar, "c", "own");
	layer();
	merge();
	view_is_file(&view, "/a", "data");
	view_is_absent(&view, "/b");
	view_is_file(&view, "/c", "own");
	assert_int_equal(node("/a").nlink, 1);
	assert_int_equal(node("/c").nlink, 1);
}

static void hard_links_within_a_layer(void **state)
{
	(void)state;
	tar_make_file(&tar, "x/a", "data");
	tar_make_link(&tar, '1', "y/b", "x/a");
	layer();
	tar_make_file(&tar, "z", "");
	layer();
	merge();
	assert_int_equal(node("/x/a").nlink, 2);
	assert_int_equal(node("/x/a").nid, node("/y/b").nid);
}

/* "lib/x" over "lib -> usr/lib" means usr/lib/x. */
static void implicit_parents_follow_links(void **state)
{
	(void)state;
	tar_make_dir(&tar, "usr/lib", 0711);
	tar_make_file(&tar, "usr/lib/libc", "c");
	tar_make_link(&tar, '2', "lib", "usr/lib");
	tar_make_link(&tar, '2', "abs", "/usr");
	tar_make_link(&tar, '2', "dangling", "not/yet");
	tar_make_link(&tar, '2', "loop", "loop");
	tar_make_link(&tar, '2', "out", "../../..");
	layer();
	tar_make_file(&tar, "lib/new", "n");
	tar_make_file(&tar, "lib/.wh.libc", "");
	tar_make_file(&tar, "abs/share/doc", "d");
	tar_make_file(&tar, "dangling/x", "x");
	tar_make_file(&tar, "loop/x", "x");
	tar_make_file(&tar, "out/top", "t");
	layer();
	merge();
	view_is_link(&view, "/lib", "usr/lib");
	view_is_dir(&view, "/usr/lib", 0711);
	view_is_file(&view, "/usr/lib/new", "n");
	view_is_absent(&view, "/usr/lib/libc");
	view_is_file(&view, "/usr/share/doc", "d");
	view_is_link(&view, "/dangling", "not/yet");
	view_is_file(&view, "/not/yet/x", "x");
	view_is_file(&view, "/loop/x", "x");
	view_is_file(&view, "/top", "t");
	assert_int_equal(node("/usr").nlink, 4);
}

static void explicit_directories_replace_links(void **state)
{
	(void)state;
	tar_make_file(&tar, "real/x", "");
	tar_make_link(&tar, '2', "lnk", "real");
	layer();
	tar_make_dir(&tar, "lnk", 0700);
	tar_make_file(&tar, "lnk/y", "");
	layer();
	merge();
	view_is_dir(&view, "/lnk", 0700);
	assert_int_equal(view_count(&view, "/lnk"), 1);
	assert_int_equal(view_count(&view, "/real"), 1);
}

static void data_of_many_layers(void **state)
{
	char path[32], data[64];

	(void)state;
	for (int i = 0; i < 127; i++) {
		(void)snprintf(path, sizeof(path), "f%d", i % 100);
		(void)snprintf(data, sizeof(data), "layer %d", i);
		tar_make_file(&tar, path, data);
		tar_make_file(&tar, "top", data);
		layer();
	}
	merge();
	view_is_file(&view, "/top", "layer 126");
	for (int i = 0; i < 100; i++) {
		(void)snprintf(path, sizeof(path), "/f%d", i);
		(void)snprintf(data, sizeof(data), "layer %d",
			       i < 27 ? i + 100 : i);
		view_is_file(&view, path, data);
	}
}

static void passwd_and_group_are_read(void **state)
{
	char *big = malloc(LAYER_TEXT_MAX + 10);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', LAYER_TEXT_MAX + 8);
	big[LAYER_TEXT_MAX - 5] = '\n';
	big[LAYER_TEXT_MAX + 8] = '\0';
	tar_make_file(&tar, "etc/passwd", "old");
	tar_make_file(&tar, "etc/group", big);
	layer();
	tar_make_file(&tar, "usr/lib/passwd", "root:x:0:0::/root:/bin/sh\n");
	tar_make_link(&tar, '2', "etc/passwd", "../../usr/./lib/passwd");
	layer();
	merge();
	assert_string_equal(result.passwd, "root:x:0:0::/root:/bin/sh\n");
	assert_int_equal(strlen(result.group), LAYER_TEXT_MAX - 4);
	free(big);
}

static void passwd_that_cannot_be_read(void **state)
{
	(void)state;
	tar_make_link(&tar, '2', "etc/passwd", "passwd");
	tar_make_dir(&tar, "etc/group", 0755);
	layer();
	merge();
	assert_null(result.passwd);
	assert_null(result.group);
}

static void no_layer_at_all(void **state)
{
	(void)state;
	merge();
	view_is_dir(&view, "/", 0755);
	assert_int_equal(view_count(&view, "/"), 0);
}

static void long_links_have_blocks_of_their_own(void **state)
{
	char target[4097];

	(void)state;
	memset(target, 't', 4096);
	target[4096] = '\0';
	tar_make_pax_text(&tar, "linkpath", target);
	tar_make_link(&tar, '2', "long", "t");
	tar_make_pax_text(&tar, "linkpath", target + 30);
	tar_make_link(&tar, '2', "longish", "t");
	layer();
	tar_make_file(&tar, "x", "x");
	layer();
	merge();
	view_is_link(&view, "/long", target);
	view_is_link(&view, "/longish", target + 30);
	view_is_file(&view, "/x", "x");
}

static void damaged_layers_are_told(void **state)
{
	struct merge_layer l;
	struct merge_result r;
	struct err err = { 0 };
	int out = memfd_create("merged", MFD_CLOEXEC);

	(void)state;
	assert_true(out >= 0);
	tar_make_file(&tar, "d/x", "x");
	layer();
	fds[0] = out;
	l.fd = fds[1];
	l.size = (uint64_t)lseek(fds[1], 0, SEEK_END);
	assert_int_equal(ftruncate(fds[1], (off_t)l.size - 4096), 0);
	assert_true(layers_merge(&l, 1, out, &r, &err) < 0);
	assert_int_equal(err.kind, ERR_IMAGE);
	err = (struct err){ 0 };
	assert_int_equal(ftruncate(fds[1], 0), 0);
	assert_true(layers_merge(&l, 1, out, &r, &err) < 0);
	assert_int_equal(err.kind, ERR_IMAGE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_come_from_their_topmost_layer),
		TEST(whiteouts_are_consumed),
		TEST(an_opaque_root_starts_anew),
		TEST(implicit_parents_change_nothing),
		TEST(hard_links_over_layers),
		TEST(hard_links_within_a_layer),
		TEST(implicit_parents_follow_links),
		TEST(explicit_directories_replace_links),
		TEST(data_of_many_layers),
		TEST(passwd_and_group_are_read),
		TEST(passwd_that_cannot_be_read),
		TEST(no_layer_at_all),
		TEST(long_links_have_blocks_of_their_own),
		TEST(damaged_layers_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
