/* SPDX-License-Identifier: Apache-2.0 */
/* Patches made on a directory that stands in for a guest's root. */
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

#include "agent/patch.h"
#include "base/cleanup.h"
#include "base/io.h"

static char base[64];
static int root;
static struct buf b;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(base, sizeof(base), "/tmp/msb-patch-XXXXXX");
	assert_non_null(mkdtemp(base));
	assert_int_equal(chdir(base), 0);
	assert_int_equal(mkdir("root", 0755), 0);
	assert_int_equal(mkdir("outside", 0755), 0);
	root = open("root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	buf_init(&b, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_fini(&b);
	(void)close(root);
	assert_int_equal(chdir("/"), 0);
	return io_remove_tree(AT_FDCWD, base);
}

static void add(enum patch_kind kind, const char *path, const char *data,
		unsigned mode, bool replace)
{
	const struct patch p = { .kind = kind,
				 .path = view_cstr(path),
				 .data = view_cstr(data),
				 .mode = mode,
				 .replace = replace };

	patch_put(&b, &p);
	assert_false(b.failed);
}

/* Make what was added, and forget it. */
static int make(struct err *err)
{
	int rc = patch_apply_all(root, view_buf(&b), err);

	buf_reset(&b);
	return rc;
}

static void made(void)
{
	struct err err = { 0 };

	if (make(&err))
		print_error("%s\n", err.msg);
	assert_int_equal(err.kind, ERR_NONE);
}

static void refused(int sys, const char *want)
{
	struct err err = { 0 };

	assert_int_equal(make(&err), -sys);
	assert_int_equal(err.kind, ERR_PATCH);
	assert_string_equal(err.msg, want);
}

static void expect_file(const char *path, const char *want, unsigned mode)
{
	MSB_CLEANUP(buf_fini) struct buf got = { .max = 65536 };
	struct stat st;

	assert_int_equal(io_read_file_at(root, path, &got), 0);
	assert_string_equal(buf_cstr(&got), want);
	assert_int_equal(fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static bool is_there(const char *path)
{
	return faccessat(root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void every_kind(void **state)
{
	char target[32] = "";
	struct stat st;

	(void)state;
	add(PATCH_FILE, "/a/b/file", "one", 04711, false);
	add(PATCH_APPEND, "/a/b/file", "two", 0, false);
	add(PATCH_SYMLINK, "/a/link", "b/file", 0, false);
	add(PATCH_MKDIR, "/c/d", "", 01777, false);
	add(PATCH_MKDIR, "/a/b", "", 0700, false); /* it is there */
	add(PATCH_TREE, "/t", "", 0710, false);
	add(PATCH_FILE, "/t/x", "", 0600, false);
	made();
	expect_file("a/b/file", "onetwo", 04711);
	assert_int_equal(readlinkat(root, "a/link", target, 31), 6);
	assert_string_equal(target, "b/file");
	assert_int_equal(fstatat(root, "c/d", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
	assert_int_equal(fstatat(root, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(fstatat(root, "t", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0710);
	expect_file("t/x", "", 0600);
	add(PATCH_REMOVE, "/a", "", 0, false);
	add(PATCH_REMOVE, "/a/b/c", "", 0, false); /* never was */
	add(PATCH_REMOVE, "/t/x", "", 0, false);
	add(PATCH_REMOVE, "/c/d", "", 0, false);
	made();
	assert_false(is_there("a") || is_there("t/x") || is_there("c/d"));
	assert_true(is_there("c") && is_there("t"));
}

static void what_exists(void **state)
{
	static const char exists[] =
		"/f: it exists already, and replace was not asked for";

	(void)state;
	add(PATCH_FILE, "/f", "1", 0644, false);
	add(PATCH_MKDIR, "/d/sub", "", 0755, false);
	add(PATCH_SYMLINK, "/l", "f", 0, false);
	made();
	add(PATCH_FILE, "/f", "2", 0644, false);
	refused(EEXIST, exists);
	add(PATCH_SYMLINK, "/f", "x", 0, false);
	refused(EEXIST, exists);
	add(PATCH_TREE, "/f", "", 0755, false);
	refused(EEXIST, exists);
	expect_file("f", "1", 0644);
	add(PATCH_FILE, "/d", "2", 0644, true);
	refused(EISDIR, "/d: a directory is there");
	add(PATCH_MKDIR, "/f", "", 0755, false);
	refused(ENOTDIR, "/f: Not a directory");
	add(PATCH_FILE, "/f/g", "2", 0644, false);
	refused(ENOTDIR, "/f/g: Not a directory");
	/* a link is replaced, not what it leads to; a tree begins empty */
	add(PATCH_FILE, "/l", "3", 0640, true);
	add(PATCH_TREE, "/d", "", 0755, true);
	made();
	expect_file("l", "3", 0640);
	expect_file("f", "1", 0644);
	assert_false(is_there("d/sub"));
}

/* The first that fails is the last one made. */
static void order(void **state)
{
	(void)state;
	add(PATCH_FILE, "/1", "", 0644, false);
	add(PATCH_APPEND, "/2", "", 0, false);
	add(PATCH_FILE, "/3", "", 0644, false);
	refused(ENOENT, "/2: No such file or directory");
	assert_true(is_there("1") && !is_there("3"));
}

static void appending(void **state)
{
	(void)state;
	assert_int_equal(mkfifoat(root, "fifo", 0600), 0);
	add(PATCH_APPEND, "/fifo", "x", 0, false);
	refused(ENXIO, "/fifo: No such device or address");
	add(PATCH_MKDIR, "/d", "", 0755, false);
	add(PATCH_APPEND, "/d", "x", 0, false);
	refused(EISDIR, "/d: a directory is there");
	/* by way of a link: that file, within the root */
	add(PATCH_FILE, "/d/f", "1", 0644, false);
	add(PATCH_SYMLINK, "/link", "/d/f", 0, false);
	add(PATCH_APPEND, "/link", "2", 0, false);
	made();
	expect_file("d/f", "12", 0644);
}

/* Links and ".." are of the root, even those made by patches themselves. */
static void nothing_outside(void **state)
{
	char away[80];

	(void)state;
	(void)snprintf(away, sizeof(away), "%s/outside", base);
	add(PATCH_SYMLINK, "/away", away, 0, false);
	add(PATCH_FILE, "/away/x", "", 0644, false);
	assert_int_equal(make(NULL), -ENOENT);
	add(PATCH_SYMLINK, "/up", "../../../outside", 0, false);
	add(PATCH_FILE, "/up/x", "", 0644, false);
	assert_int_equal(make(NULL), -ENOENT); /* a dead link in the root */
	add(PATCH_MKDIR, "/outside", "", 0755, false);
	add(PATCH_FILE, "/up/x", "in", 0644, false);
	made();
	expect_file("outside/x", "in", 0644);
	add(PATCH_FILE, "/../outside/y", "", 0644, false);
	refused(EINVAL, "/../outside/y: Invalid argument");
	add(PATCH_REMOVE, "/up/../../outside", "", 0, false);
	refused(EINVAL, "/up/../../outside: Invalid argument");
	add(PATCH_SYMLINK, "/root", "..", 0, false);
	add(PATCH_REMOVE, "/root/outside", "", 0, false);
	made();
	assert_false(is_there("outside"));
	assert_int_equal(rmdir("outside"), 0); /* still there, and empty */
}

static void broken(const void *data, size_t len)
{
	struct err err = { 0 };

	assert_int_equal(
		patch_apply_all(root, (struct view){ data, len }, &err),
		-EBADMSG);
	assert_string_equal(err.msg, "they cannot be read");
}

static void not_patches(void **state)
{
	static const struct patch bad[] = {
		{ .kind = PATCH_FILE },
		{ .kind = PATCH_FILE, .path = { (const uint8_t *)"/", 1 } },
		{ .kind = PATCH_FILE, .path = { (const uint8_t *)"ab", 2 } },
		{ .kind = PATCH_FILE, .path = { (const uint8_t *)"/a\0b", 4 } },
		{ .kind = PATCH_FILE,
		  .path = { (const uint8_t *)"/a", 2 },
		  .mode = 010000 },
		{ .kind = PATCH_SYMLINK, .path = { (const uint8_t *)"/a", 2 } },
	};

	(void)state;
	broken("x", 1);
	broken("\xa0", 1); /* a map without members */
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_reset(&b);
		patch_put(&b, &bad[i]);
		broken(buf_data(&b), buf_len(&b));
	}
	buf_reset(&b);
	add(PATCH_FILE, "/a", "data", 0644, false);
	for (size_t len = 1; len < buf_len(&b); len++)
		broken(buf_data(&b), len);
	assert_false(is_there("a"));
}

static void round_trip(void **state)
{
	const struct patch in = { .kind = PATCH_SYMLINK,
				  .path = { (const uint8_t *)"/\xff", 2 },
				  .data = { (const uint8_t *)"t", 1 },
				  .mode = 07777,
				  .replace = true };
	struct patch out;
	struct cbor c;

	(void)state;
	patch_put(&b, &in);
	cbor_init(&c, view_buf(&b), NULL);
	assert_int_equal(patch_next(&c, &out), 1);
	assert_int_equal(out.kind, in.kind);
	assert_int_equal(out.path.len, 2);
	assert_memory_equal(out.path.p, in.path.p, 2);
	assert_memory_equal(out.data.p, "t", 1);
	assert_int_equal(out.mode, 07777);
	assert_true(out.replace);
	assert_int_equal(patch_next(&c, &out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(what_exists, setup, teardown),
		cmocka_unit_test_setup_teardown(order, setup, teardown),
		cmocka_unit_test_setup_teardown(appending, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_outside, setup,
						teardown),
		cmocka_unit_test_setup_teardown(not_patches, setup, teardown),
		cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
