/* SPDX-License-Identifier: Apache-2.0 */
/* What ordinary archives become. */
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

static struct view layer(void)
{
	struct view v;
	int fd = tar_make_layer(&tar);

	view_load(&v, &fd, 1);
	(void)close(fd);
	return v;
}

static struct view_node node(const struct view *v, const char *path)
{
	struct view_node n;

	if (!view_find(v, path, &n))
		fail_msg("%s is missing", path);
	return n;
}

static void every_type_keeps_its_metadata(void **state)
{
	struct view v;
	struct view_node n;

	(void)state;
	tar_make_item(&tar, &(struct tar_item){ .type = '5',
						.path = "./",
						.mode = 0711,
						.mtime = 7 });
	tar_make_item(&tar, &(struct tar_item){ .path = "bin/su",
						.mode = 04755,
						.uid = 1,
						.gid = 2,
						.mtime = 1234567890,
						.data = "#!" });
	tar_make_item(&tar, &(struct tar_item){ .type = '5',
						.path = "tmp/",
						.mode = 01777 });
	/* whatever the archive says */
	tar_make_item(&tar, &(struct tar_item){ .type = '2',
						.path = "lnk",
						.link = "bin/su",
						.mode = 0644 });
	tar_make_item(&tar, &(struct tar_item){ .type = '3',
						.path = "chr",
						.mode = 0666,
						.major = 1,
						.minor = 3 });
	tar_make_item(&tar, &(struct tar_item){ .type = '4',
						.path = "blk",
						.mode = 0660,
						.major = 4095,
						.minor = 0xabcde });
	tar_make_item(&tar, &(struct tar_item){ .type = '6',
						.path = "fifo",
						.mode = 0600 });
	v = layer();
	view_is_dir(&v, "/", 0711);
	assert_int_equal(node(&v, "/").mtime, 7);
	view_is_file(&v, "/bin/su", "#!");
	n = node(&v, "/bin/su");
	assert_int_equal(n.mode, S_IFREG | 04755);
	assert_int_equal(n.uid, 1);
	assert_int_equal(n.gid, 2);
	assert_int_equal(n.mtime, 1234567890);
	assert_int_equal(n.nlink, 1);
	view_is_dir(&v, "/tmp", 01777);
	view_is_link(&v, "/lnk", "bin/su");
	assert_int_equal(node(&v, "/lnk").mode, S_IFLNK | 0777);
	n = node(&v, "/chr");
	assert_int_equal(n.mode, S_IFCHR | 0666);
	assert_int_equal(n.rdev, 0x103);
	n = node(&v, "/blk");
	assert_int_equal(n.mode, S_IFBLK | 0660);
	assert_int_equal(n.rdev, 0xde | 4095 << 8 | 0xabc00u << 12);
	assert_int_equal(node(&v, "/fifo").mode, S_IFIFO | 0600);
	assert_int_equal(node(&v, "/").nlink, 4);
	assert_int_equal(view_count(&v, "/"), 6);
	view_free(&v);
}

static void sizes_around_a_block(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 12288 };
	char data[12289], path[32];
	struct view v;

	(void)state;
	memset(data, 'x', sizeof(data));
	for (size_t i = 0; i < 6; i++) {
		char *end = data + sizes[i];

		*end = '\0';
		(void)snprintf(path, sizeof(path), "f%zu", sizes[i]);
		tar_make_file(&tar, path, data);
		*end = 'x';
	}
	v = layer();
	for (size_t i = 0; i < 6; i++) {
		data[sizes[i]] = '\0';
		(void)snprintf(path, sizeof(path), "/f%zu", sizes[i]);
		view_is_file(&v, path, data);
		data[sizes[i]] = 'x';
	}
	view_free(&v);
}

static void paths_land_inside(void **state)
{
	struct view v;

	(void)state;
	tar_make_file(&tar, "/abs/a", "1");
	tar_make_file(&tar, "./dot/./b", "2");
	tar_make_file(&tar, "//x//y//c", "3");
	v = layer();
	view_is_file(&v, "/abs/a", "1");
	view_is_file(&v, "/dot/b", "2");
	view_is_file(&v, "/x/y/c", "3");
	view_free(&v);
}

static void long_names_and_large_numbers(void **state)
{
	char target[4097], name[256], path[700], size[12];
	struct buf records;
	struct view v;

	(void)state;
	memset(name, 'n', 255);
	name[255] = '\0';
	memset(target, 't', 4096);
	target[4096] = '\0';
	(void)snprintf(path, sizeof(path), "%s/%s/pax", name, name);
	buf_init(&records, 1 << 20);
	tar_make_record(&records, "path", path, strlen(path));
	tar_make_record(&records, "linkpath", target, 4096);
	tar_make_record(&records, "mtime", "1700000000.25", 13);
	tar_make_record(&records, "uid", "3000000000", 10);
	tar_make_record(&records, "gid", "70000", 5);
	tar_make_pax(&tar, &records);
	tar_make_link(&tar, '2', "ignored", "ignored");
	(void)snprintf(path, sizeof(path), "%s/%s/gnu", name, name);
	(void)snprintf(size, sizeof(size), "%011zo", strlen(path) + 1);
	tar_make_raw(&tar, 'L', "././@LongLink", size, path, strlen(path) + 1);
	tar_make_file(&tar, "ignored", "gnu");
	target[4032] = '\0';
	tar_make_pax_text(&tar, "linkpath", target);
	tar_make_link(&tar, '2', "inline", "ignored");
	v = layer();
	(void)snprintf(path, sizeof(path), "/%s/%s/pax", name, name);
	assert_int_equal(node(&v, path).uid, 3000000000u);
	assert_int_equal(node(&v, path).gid, 70000);
	assert_int_equal(node(&v, path).mtime, 1700000000);
	assert_int_equal(node(&v, path).nsec, 250000000);
	view_is_link(&v, "/inline", target);
	target[4032] = 't';
	view_is_link(&v, path, target);
	(void)snprintf(path, sizeof(path), "/%s/%s/gnu", name, name);
	view_is_file(&v, path, "gnu");
	view_is_absent(&v, "/ignored");
	buf_fini(&records);
	view_free(&v);
}

static void names_are_bytes(void **state)
{
	static const char *const names[] = {
		"caf\xc3\xa9", "cafe\xcc\x81", "\xff\xfe", "!", "-", "+x", ".a"
	};
	char path[64];
	struct view v;

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		if (i < 2)
			tar_make_pax_text(&tar, "path", names[i]);
		tar_make_file(&tar, i < 2 ? "ignored" : names[i], names[i]);
	}
	v = layer();
	assert_int_equal(view_count(&v, "/"), 7);
	for (size_t i = 0; i < 7; i++) {
		(void)snprintf(path, sizeof(path), "/%s", names[i]);
		view_is_file(&v, path, names[i]);
	}
	view_free(&v);
}

static void large_directories_can_be_searched(void **state)
{
	char path[64];
	struct view v;

	(void)state;
	for (unsigned i = 0; i < 50000; i++) {
		(void)snprintf(path, sizeof(path), "big/%u-%x",
			       i * 7919 % 50021, i);
		tar_make_file(&tar, path, "");
	}
	tar_make_file(&tar, "big/!first", "");
	tar_make_file(&tar, "big/\xff", "");
	v = layer();
	assert_int_equal(view_count(&v, "/big"), 50002);
	for (unsigned i = 0; i < 50000; i++) {
		(void)snprintf(path, sizeof(path), "/big/%u-%x",
			       i * 7919 % 50021, i);
		assert_int_equal(node(&v, path).size, 0);
	}
	view_is_file(&v, "/big/!first", "");
	view_is_file(&v, "/big/\xff", "");
	view_is_absent(&v, "/big/2");
	view_free(&v);
}

/* Each directory size around the end of a block, inline or not. */
static void directories_of_every_size(void **state)
{
	char path[300];
	struct view v;

	(void)state;
	for (unsigned n = 1; n < 60; n++)
		for (unsigned i = 0; i < n; i++) {
			(void)snprintf(path, sizeof(path), "d%u/%0*u", n,
				       1 + (int)(n * 37 % 90), i);
			tar_make_file(&tar, path, "x");
		}
	v = layer();
	for (unsigned n = 1; n < 60; n++) {
		(void)snprintf(path, sizeof(path), "/d%u", n);
		assert_int_equal(view_count(&v, path), n);
	}
	view_free(&v);
}

static unsigned count_xattrs(const struct view_node *n)
{
	unsigned count = 0;

	for (size_t pos = 0; pos < n->xattr_len; count++)
		pos += (4u + n->xattrs[pos] + n->xattrs[pos + 2] +
			256u * n->xattrs[pos + 3] + 3) &
		       ~3u;
	return count;
}

static void xattrs_are_kept(void **state)
{
	static const char cap[] = "\1\0\0\2\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0";
	static const char acl[] = "\2\0\0\0\1\0\7\0\xff\xff\xff\xff";
	struct buf records;
	struct view_node n;
	struct view v;
	char big[60000];
	size_t len;

	(void)state;
	memset(big, 'b', sizeof(big));
	buf_init(&records, 1 << 20);
	tar_make_record(&records, "SCHILY.xattr.security.capability", cap, 20);
	tar_make_record(&records, "SCHILY.xattr.user.mime", "text", 4);
	tar_make_record(&records, "SCHILY.xattr.user.big", big, sizeof(big));
	tar_make_record(&records, "SCHILY.xattr.user.empty", "", 0);
	tar_make_record(&records, "SCHILY.xattr.trusted.x", "y", 1);
	tar_make_record(&records, "SCHILY.xattr.system.posix_acl_access", acl,
			12);
	/* bsdtar writes both forms */
	tar_make_record(&records, "LIBARCHIVE.xattr.user.mime", "dGV4dA", 6);
	tar_make_record(&records, "SCHILY.xattr.security.selinux", "l", 1);
	tar_make_record(&records, "SCHILY.xattr.trusted.overlay.opaque", "y",
			1);
	tar_make_pax(&tar, &records);
	tar_make_file(&tar, "ping", "data");
	tar_make_pax_text(&tar, "SCHILY.xattr.user.d", "dir");
	tar_make_dir(&tar, "d", 0755);
	tar_make_pax_text(&tar, "SCHILY.xattr.trusted.l", "link");
	tar_make_link(&tar, '2', "l", "ping");
	v = layer();
	view_is_file(&v, "/ping", "data");
	n = node(&v, "/ping");
	assert_memory_equal(view_xattr(&n, 6, "capability", &len), cap, 20);
	assert_int_equal(len, 20);
	assert_memory_equal(view_xattr(&n, 1, "mime", &len), "text", 4);
	assert_memory_equal(view_xattr(&n, 1, "big", &len), big, sizeof(big));
	assert_non_null(view_xattr(&n, 1, "empty", &len));
	assert_int_equal(len, 0);
	assert_non_null(view_xattr(&n, 4, "x", &len));
	assert_memory_equal(view_xattr(&n, 2, "", &len), acl, 12);
	assert_null(view_xattr(&n, 6, "selinux", &len));
	assert_int_equal(count_xattrs(&n), 6);
	assert_null(view_xattr(&n, 4, "overlay.opaque", &len));
	n = node(&v, "/d");
	assert_memory_equal(view_xattr(&n, 1, "d", &len), "dir", 3);
	n = node(&v, "/l");
	assert_memory_equal(view_xattr(&n, 4, "l", &len), "link", 4);
	view_is_link(&v, "/l", "ping");
	buf_fini(&records);
	view_free(&v);
}

static void hard_links_share_an_inode(void **state)
{
	struct view v;

	(void)state;
	tar_make_link(&tar, '1', "early", "sub/later");
	tar_make_link(&tar, '1', "earlier", "early");
	tar_make_file(&tar, "sub/later", "data");
	tar_make_link(&tar, '1', "abs", "/sub/later");
	tar_make_link(&tar, '1', "dot", "./sub/later");
	tar_make_link(&tar, '1', "chain", "abs");
	tar_make_link(&tar, '2', "lnk", "target");
	tar_make_link(&tar, '1', "lnk2", "lnk");
	tar_make_item(&tar, &(struct tar_item){ .type = '3',
						.path = "dev",
						.major = 1,
						.minor = 5 });
	tar_make_link(&tar, '1', "dev2", "dev");
	v = layer();
	assert_int_equal(node(&v, "/sub/later").nlink, 6);
	for (size_t i = 0; i < 5; i++) {
		static const char *const names[] = { "/early", "/earlier",
						     "/abs", "/dot", "/chain" };

		assert_int_equal(node(&v, names[i]).nid,
				 node(&v, "/sub/later").nid);
	}
	view_is_file(&v, "/earlier", "data");
	assert_int_equal(node(&v, "/lnk").nid, node(&v, "/lnk2").nid);
	assert_int_equal(node(&v, "/lnk").nlink, 2);
	assert_int_equal(node(&v, "/dev").nid, node(&v, "/dev2").nid);
	view_free(&v);
}

static bool has_mark(const struct view *v, const char *path, const char *name)
{
	struct view_node n = node(v, path);
	size_t len;

	return view_xattr(&n, 4, name, &len) != NULL;
}

static void whiteouts_and_opaque_directories(void **state)
{
	struct view v;
	struct view_node n;

	(void)state;
	tar_make_file(&tar, "d/.wh.gone", "");
	tar_make_file(&tar, "d/.wh..wh..opq", "");
	tar_make_link(&tar, '2', ".wh.link", "x");
	tar_make_file(&tar, ".wh.", "ordinary");
	tar_make_file(&tar, ".wh..wh.plnk", "");
	tar_make_item(&tar, &(struct tar_item){ .type = '3',
						.path = ".wh.dev",
						.major = 1,
						.minor = 3 });
	tar_make_item(&tar,
		      &(struct tar_item){ .type = '3', .path = "native" });
	v = layer();
	n = node(&v, "/d/gone");
	assert_true(S_ISCHR(n.mode) && n.rdev == 0);
	n = node(&v, "/link");
	assert_true(S_ISCHR(n.mode) && n.rdev == 0);
	n = node(&v, "/.wh.plnk");
	assert_true(S_ISCHR(n.mode) && n.rdev == 0);
	n = node(&v, "/native");
	assert_true(S_ISCHR(n.mode) && n.rdev == 0);
	n = node(&v, "/.wh.dev");
	assert_int_equal(n.rdev, 0x103);
	view_is_file(&v, "/.wh.", "ordinary");
	assert_true(has_mark(&v, "/d", "overlay.opaque"));
	assert_true(has_mark(&v, "/d", "msb.implicit"));
	assert_true(has_mark(&v, "/", "msb.implicit"));
	assert_false(has_mark(&v, "/", "overlay.opaque"));
	assert_int_equal(view_count(&v, "/d"), 1);
	view_free(&v);
}

/* In one layer a whiteout speaks of lower ones, in whatever order. */
static void whiteout_beside_its_own_name(void **state)
{
	struct view v;

	(void)state;
	tar_make_file(&tar, ".wh.a", "");
	tar_make_file(&tar, "a/x", "1");
	tar_make_file(&tar, "b/x", "2");
	tar_make_file(&tar, ".wh.b", "");
	tar_make_file(&tar, ".wh.f", "");
	tar_make_file(&tar, "f", "3");
	tar_make_file(&tar, "g", "4");
	tar_make_file(&tar, ".wh.g", "");
	tar_make_file(&tar, ".wh.c", "");
	tar_make_dir(&tar, "c", 0700);
	v = layer();
	view_is_file(&v, "/a/x", "1");
	view_is_file(&v, "/b/x", "2");
	view_is_file(&v, "/f", "3");
	view_is_file(&v, "/g", "4");
	view_is_dir(&v, "/c", 0700);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = { "/a", "/b", "/c" };

		assert_true(has_mark(&v, names[i], "overlay.opaque"));
		assert_false(has_mark(&v, names[i], "msb.implicit"));
	}
	view_free(&v);
}

static void later_entries_replace_earlier_ones(void **state)
{
	struct view v;

	(void)state;
	tar_make_file(&tar, "f", "old");
	tar_make_file(&tar, "f", "new");
	tar_make_file(&tar, "d/child", "kept");
	tar_make_file(&tar, "d/.wh..wh..opq", "");
	tar_make_dir(&tar, "d", 0700);
	tar_make_file(&tar, "dir/child", "lost");
	tar_make_file(&tar, "dir", "file now");
	tar_make_file(&tar, "file", "x");
	tar_make_dir(&tar, "file", 0751);
	tar_make_file(&tar, "file/child", "y");
	v = layer();
	view_is_file(&v, "/f", "new");
	view_is_dir(&v, "/d", 0700);
	view_is_file(&v, "/d/child", "kept");
	assert_true(has_mark(&v, "/d", "overlay.opaque"));
	assert_false(has_mark(&v, "/d", "msb.implicit"));
	view_is_file(&v, "/dir", "file now");
	view_is_dir(&v, "/file", 0751);
	view_is_file(&v, "/file/child", "y");
	assert_int_equal(view_count(&v, "/"), 4);
	view_free(&v);
}

static void paths_lead_through_symbolic_links(void **state)
{
	struct view v;

	(void)state;
	tar_make_link(&tar, '2', "lib", "usr/lib");
	tar_make_file(&tar, "lib/a", "1");
	tar_make_dir(&tar, "usr/lib", 0755);
	tar_make_link(&tar, '2', "out", "../../../x");
	tar_make_file(&tar, "out/b", "2");
	tar_make_link(&tar, '1', "hard", "lib/a");
	v = layer();
	view_is_link(&v, "/lib", "usr/lib");
	view_is_file(&v, "/usr/lib/a", "1");
	view_is_file(&v, "/x/b", "2");
	view_is_file(&v, "/hard", "1");
	view_free(&v);
}

static void sparse_files_stay_sparse(void **state)
{
	static const char map[] = "2\n"
				  "4294967296\n"
				  "5\n"
				  "4831838208\n"
				  "0\n";
	struct buf records;
	char body[517] = { 0 };
	uint8_t block[4096];
	uint32_t blocks;
	struct stat st;
	int fd;

	(void)state;
	memcpy(body, map, sizeof(map) - 1);
	memcpy(body + 512, "there", 5);
	buf_init(&records, 1 << 20);
	tar_make_record(&records, "GNU.sparse.major", "1", 1);
	tar_make_record(&records, "GNU.sparse.minor", "0", 1);
	tar_make_record(&records, "GNU.sparse.name", "huge", 4);
	tar_make_record(&records, "GNU.sparse.realsize", "4831838208", 10);
	tar_make_pax(&tar, &records);
	tar_make_raw(&tar, '0', "GNUSparseFile.0/huge", "00000001005", body,
		     sizeof(body));
	tar_make_file(&tar, "after", "it");
	fd = tar_make_layer(&tar);
	assert_int_equal(fstat(fd, &st), 0);
	/* 4.5 GiB of holes take no room. */
	assert_true(st.st_size > 4831838208);
	assert_true(st.st_blocks < 2048);
	assert_int_equal(pread(fd, block, 4096, 4294967296 + 4096), 4096);
	assert_memory_equal(block, "there\0\0", 7);
	assert_int_equal(pread(fd, block, 4096, 0), 4096);
	memcpy(&blocks, block + 1024 + 36, 4);
	assert_int_equal((uint64_t)blocks * 4096, st.st_size);
	(void)close(fd);
	buf_fini(&records);
}

static void blocks_of_zeros_are_holes(void **state)
{
	static char data[1 << 20];
	struct stat st;
	int fd;

	(void)state;
	data[500000] = 'x';
	tar_make_item(&tar, &(struct tar_item){ .path = "z",
						.data = data,
						.size = 1 << 20 });
	fd = tar_make_layer(&tar);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, (1 << 20) + 2 * 4096);
	assert_true(st.st_blocks <= 4 * 8);
	(void)close(fd);
}

static void the_same_layer_gives_the_same_bytes(void **state)
{
	struct view a = { 0 }, b = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		tar_make_file(&tar, "x/y", "1");
		tar_make_pax_text(&tar, "SCHILY.xattr.user.a", "b");
		tar_make_file(&tar, "x/z", "2");
		tar_make_link(&tar, '1', "l", "x/z");
		if (i)
			b = layer();
		else
			a = layer();
	}
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	view_free(&a);
	view_free(&b);
}

static void empty_layers(void **state)
{
	struct err err = { 0 };
	struct view v;
	int fd;

	(void)state;
	v = layer(); /* 1024 zeros */
	assert_int_equal(view_count(&v, "/"), 0);
	view_is_dir(&v, "/", 0755);
	view_free(&v);
	/* no byte at all */
	fd = tar_make_convert("", 0, &tar, NULL, &err);
	assert_true(fd >= 0);
	(void)close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_type_keeps_its_metadata),
		TEST(sizes_around_a_block),
		TEST(paths_land_inside),
		TEST(long_names_and_large_numbers),
		TEST(names_are_bytes),
		TEST(large_directories_can_be_searched),
		TEST(directories_of_every_size),
		TEST(xattrs_are_kept),
		TEST(hard_links_share_an_inode),
		TEST(whiteouts_and_opaque_directories),
		TEST(whiteout_beside_its_own_name),
		TEST(later_entries_replace_earlier_ones),
		TEST(paths_lead_through_symbolic_links),
		TEST(sparse_files_stay_sparse),
		TEST(blocks_of_zeros_are_holes),
		TEST(the_same_layer_gives_the_same_bytes),
		TEST(empty_layers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
