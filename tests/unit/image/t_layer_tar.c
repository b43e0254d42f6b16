/* SPDX-License-Identifier: Apache-2.0 */
/* A layer's image becomes an archive again. */
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

#include "base/io.h"
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

/* What layer_to_tar() makes of an image, into the buffer. */
static void to_tar(int layer, struct buf *ret)
{
	struct err err = { 0 };
	int fd = memfd_create("tar", MFD_CLOEXEC);

	assert_true(fd >= 0);
	if (layer_to_tar(layer, fd, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_all(fd, ret), 0);
	assert_int_equal(buf_len(ret) % 512, 0);
	(void)close(fd);
}

static int unpack(const struct buf *b)
{
	struct err err = { 0 };
	int fd = tar_make_convert(buf_data(b), buf_len(b), b, NULL, &err);

	if (fd < 0)
		fail_msg("%s", err.msg);
	return fd;
}

/* To an archive and back; the view is of what came out. A second time neither
 * the archive nor the image changes any more. */
static struct view round_trip(void)
{
	int first = tar_make_layer(&tar), second, third;
	struct buf a, b;
	struct view v, w;

	buf_init(&a, TAR_MAKE_MAX);
	buf_init(&b, TAR_MAKE_MAX);
	to_tar(first, &a);
	second = unpack(&a);
	to_tar(second, &b);
	assert_int_equal(buf_len(&a), buf_len(&b));
	assert_memory_equal(buf_data(&a), buf_data(&b), buf_len(&a));
	third = unpack(&b);
	view_load(&v, &second, 1);
	view_load(&w, &third, 1);
	assert_int_equal(v.len, w.len);
	assert_memory_equal(v.data, w.data, v.len);
	view_free(&w);
	buf_fini(&a);
	buf_fini(&b);
	(void)close(first);
	(void)close(second);
	(void)close(third);
	return v;
}

static struct view_node node(const struct view *v, const char *path)
{
	struct view_node n;

	if (!view_find(v, path, &n))
		fail_msg("%s is missing", path);
	return n;
}

static bool has_mark(const struct view *v, const char *path, const char *name)
{
	struct view_node n = node(v, path);
	size_t len;

	return view_xattr(&n, 4, name, &len) != NULL;
}

static void everything_comes_back(void **state)
{
	static char big[3 << 20];
	char name[256], path[600], target[4097];
	struct buf records;
	struct view v;
	struct view_node n;
	size_t len;

	(void)state;
	memset(name, 'n', 255);
	name[255] = '\0';
	memset(target, 't', 4096);
	target[4096] = '\0';
	(void)snprintf(path, sizeof(path), "%s/%s/file", name, name);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i >> 10);
	buf_init(&records, 1 << 20);
	tar_make_record(&records, "path", path, strlen(path));
	tar_make_record(&records, "uid", "4294967294", 10);
	tar_make_record(&records, "gid", "2097152", 7);
	tar_make_record(&records, "mtime", "-2", 2);
	tar_make_record(&records, "SCHILY.xattr.user.a", "x\0y", 3);
	tar_make_pax(&tar, &records);
	tar_make_file(&tar, "ignored", "data");
	tar_make_pax_text(&tar, "linkpath", target);
	tar_make_link(&tar, '2', "long", "t");
	tar_make_pax_text(&tar, "mtime", "1700000000.000000001");
	tar_make_item(&tar, &(struct tar_item){ .path = "big",
						.mode = 06755,
						.data = big,
						.size = sizeof(big) - 1 });
	tar_make_item(&tar, &(struct tar_item){ .type = '4',
						.path = "dev/blk",
						.mode = 0660,
						.gid = 6,
						.major = 259,
						.minor = 70000 });
	tar_make_item(&tar, &(struct tar_item){ .type = '6', .path = "fifo" });
	tar_make_file(&tar, "empty", "");
	tar_make_pax_text(&tar, "mtime", "-86400.25");
	tar_make_file(&tar, "early", "");
	v = round_trip();
	(void)snprintf(path, sizeof(path), "/%s/%s/file", name, name);
	view_is_file(&v, path, "data");
	n = node(&v, path);
	assert_int_equal(n.uid, 4294967294u);
	assert_int_equal(n.gid, 2097152);
	assert_int_equal(n.mtime, -2);
	assert_int_equal(n.nsec, 0);
	assert_memory_equal(view_xattr(&n, 1, "a", &len), "x\0y", 3);
	view_is_link(&v, "/long", target);
	n = node(&v, "/big");
	assert_int_equal(n.mode & 07777, 06755);
	assert_int_equal(n.mtime, 1700000000);
	assert_int_equal(n.nsec, 1);
	assert_int_equal(n.size, sizeof(big) - 1);
	assert_memory_equal(view_data(&v, &n, 0), big, n.size);
	n = node(&v, "/dev/blk");
	assert_int_equal(n.mode, S_IFBLK | 0660);
	assert_int_equal(n.gid, 6);
	assert_int_equal(n.rdev,
			 (70000 & 0xff) | 259 << 8 | (70000 & ~0xff) << 12);
	assert_int_equal(node(&v, "/fifo").mode, S_IFIFO);
	view_is_file(&v, "/empty", "");
	n = node(&v, "/early");
	assert_int_equal(n.mtime, -86401);
	assert_int_equal(n.nsec, 750000000);
	buf_fini(&records);
	view_free(&v);
}

static void links_and_marks_come_back(void **state)
{
	struct view v;
	struct view_node n;

	(void)state;
	tar_make_file(&tar, "z/a", "data");
	tar_make_link(&tar, '1', "b", "z/a");
	tar_make_link(&tar, '2', "s", "x");
	tar_make_link(&tar, '1', "s2", "s");
	tar_make_file(&tar, "opq/.wh..wh..opq", "");
	tar_make_file(&tar, "opq/new", "");
	tar_make_file(&tar, "z/.wh.gone", "");
	tar_make_dir(&tar, "own", 0750);
	tar_make_file(&tar, ".wh.redone", "");
	tar_make_file(&tar, "redone/x", "");
	v = round_trip();
	assert_int_equal(node(&v, "/z/a").nid, node(&v, "/b").nid);
	assert_int_equal(node(&v, "/b").nlink, 2);
	view_is_file(&v, "/b", "data");
	assert_int_equal(node(&v, "/s").nid, node(&v, "/s2").nid);
	n = node(&v, "/z/gone");
	assert_true(S_ISCHR(n.mode) && n.rdev == 0);
	assert_true(has_mark(&v, "/opq", "overlay.opaque"));
	assert_true(has_mark(&v, "/opq", "msb.implicit"));
	assert_true(has_mark(&v, "/z", "msb.implicit"));
	assert_true(has_mark(&v, "/", "msb.implicit"));
	assert_true(has_mark(&v, "/redone", "overlay.opaque"));
	assert_false(has_mark(&v, "/redone", "msb.implicit"));
	view_is_dir(&v, "/own", 0750);
	view_free(&v);
}

static void the_root_comes_back(void **state)
{
	struct view v;

	(void)state;
	tar_make_dir(&tar, "./", 0700);
	tar_make_file(&tar, ".wh..wh..opq", "");
	v = round_trip();
	view_is_dir(&v, "/", 0700);
	assert_true(has_mark(&v, "/", "overlay.opaque"));
	assert_false(has_mark(&v, "/", "msb.implicit"));
	view_free(&v);
}

static void an_empty_layer_comes_back(void **state)
{
	struct buf a;
	struct view v;
	int fd;

	(void)state;
	buf_init(&a, TAR_MAKE_MAX);
	fd = tar_make_layer(&tar);
	to_tar(fd, &a);
	assert_int_equal(buf_len(&a), 1024);
	(void)close(fd);
	buf_fini(&a);
	v = round_trip();
	assert_int_equal(view_count(&v, "/"), 0);
	view_free(&v);
}

/*
 * Every byte of the metadata of an image is damaged in turn. Nothing may crash;
 * the sanitizers watch. Most damage goes unnoticed, as it hits a name or a
 * time.
 */
static void damage_is_survived(void **state)
{
	struct view v;
	uint64_t meta;
	uint32_t block;
	int fd, out = memfd_create("out", MFD_CLOEXEC);

	(void)state;
	assert_true(out >= 0);
	tar_make_pax_text(&tar, "SCHILY.xattr.user.a", "b");
	tar_make_file(&tar, "d/e/f", "data");
	tar_make_link(&tar, '1', "l", "d/e/f");
	tar_make_link(&tar, '2', "s", "target");
	tar_make_file(&tar, "o/.wh..wh..opq", "");
	tar_make_file(&tar, "o/.wh.x", "");
	fd = tar_make_layer(&tar);
	view_load(&v, &fd, 1);
	memcpy(&block, v.data + 1024 + 40, 4);
	meta = (uint64_t)block * 4096;
	for (uint64_t at = meta; at < v.len && at < meta + 1024; at++) {
		static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0xff };

		for (size_t i = 0; i < sizeof(values); i++) {
			struct merge_layer l = { .fd = fd, .size = v.len };
			struct merge_result r = { 0 };
			uint8_t b = v.data[at] ^ (values[i] ? values[i] : 0x80);

			assert_int_equal(pwrite(fd, &b, 1, (off_t)at), 1);
			assert_int_equal(ftruncate(out, 0), 0);
			(void)lseek(out, 0, SEEK_SET);
			(void)layer_to_tar(fd, out, NULL);
			assert_int_equal(ftruncate(out, 0), 0);
			(void)layers_merge(&l, 1, out, &r, NULL);
			free(r.passwd);
			free(r.group);
		}
		assert_int_equal(pwrite(fd, v.data + at, 1, (off_t)at), 1);
	}
	view_free(&v);
	(void)close(fd);
	(void)close(out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_comes_back), TEST(links_and_marks_come_back),
		TEST(the_root_comes_back),   TEST(an_empty_layer_comes_back),
		TEST(damage_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
