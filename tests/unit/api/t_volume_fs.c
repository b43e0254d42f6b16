/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a volume from the host: every operation, and no way out. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/str.h"
#include "world.h"

#define SECRET "the host's own"

static struct world *w;
static msb_volume_t *v;
static msb_fs_t *fs;
static char *dir; /* of the volume, on the host */

/* ---- the world ---------------------------------------------------------- */

static int make(uint64_t quota_mib)
{
	msb_volume_options_t o = { .struct_size = sizeof(o),
				   .quota_mib = quota_mib };
	char *out;

	w = world_make(NULL);
	assert_int_equal(msb_volume_create(w->m, "data", &o, &v, NULL), 0);
	dir = strdup(msb_volume_path(v));
	out = str_fmt("%s/../outside", dir);
	assert_non_null(dir);
	assert_non_null(out);
	world_file(out, SECRET);
	free(out);
	assert_int_equal(msb_fs_open_volume(v, &fs, NULL), 0);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return make(0);
}

static int setup_quota(void **state)
{
	(void)state;
	return make(1);
}

static int teardown(void **state)
{
	(void)state;
	msb_fs_free(fs);
	msb_volume_free(v);
	free(dir);
	world_free(w);
	return 0;
}

/* ---- asking ------------------------------------------------------------- */

static void put(const char *path, const char *text)
{
	assert_int_equal(msb_fs_write_file(fs, path, text, strlen(text), -1,
					   false, NULL),
			 0);
}

static void holds(const char *path, const char *text)
{
	void *data;
	size_t len;

	assert_int_equal(msb_fs_read_file(fs, path, 0, &data, &len, NULL), 0);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(data, text, len);
	msb_free(data);
}

/* The error of a call is of the kind that goes with its errno. */
static void is_error(int64_t rc, int sys, msb_error_t *e)
{
	assert_int_equal(rc, -sys);
	assert_int_equal(msb_error_errno(e), sys);
	assert_int_equal(msb_error_kind(e),
			 sys == ENOENT ? MSB_ERR_FS_NOT_FOUND : MSB_ERR_FS);
	msb_error_free(e);
}

#define FAILS(sys, call)                                                       \
	do {                                                                   \
		msb_error_t *e = NULL;                                         \
		int64_t rc_ = (call);                                          \
                                                                               \
		is_error(rc_, sys, e);                                         \
	} while (0)

static msb_fs_info_t info(const char *path, bool follow)
{
	msb_fs_info_t i;

	assert_int_equal(msb_fs_stat(fs, path, follow, &i, NULL), 0);
	return i;
}

static void link_to(const char *target, const char *path)
{
	assert_int_equal(msb_fs_symlink(fs, target, path, NULL), 0);
}

/* The same, as the host or a guest without virtual links makes it. */
static void host_link(const char *target, const char *name)
{
	char *path = str_fmt("%s/%s", dir, name);

	assert_non_null(path);
	assert_int_equal(symlink(target, path), 0);
	free(path);
}

static void mkdirs(const char *path)
{
	assert_int_equal(msb_fs_mkdir(fs, path, -1, NULL), 0);
}

/* ---- files -------------------------------------------------------------- */

static void a_file_is_written_and_read(void **state)
{
	static uint8_t big[(3 << 20) + 7];
	msb_fs_info_t i;
	void *data;
	size_t len;

	(void)state;
	put("/a", "one");
	holds("/a", "one");
	holds("a", "one"); /* paths begin at the volume, all of them */
	assert_int_equal(msb_fs_write_file(fs, "/a", "two", 3, -1, true, NULL),
			 0);
	holds("//./a", "onetwo");
	put("/a", "x");
	holds("/a", "x");
	i = info("/a", true);
	assert_int_equal(i.kind, MSB_FS_FILE);
	assert_int_equal(i.size, 1);
	assert_int_equal(i.mode, 0644);
	assert_int_equal(i.uid, 0);
	for (size_t k = 0; k < sizeof(big); k++)
		big[k] = (uint8_t)(k * 7);
	assert_int_equal(msb_fs_write_file(fs, "/big", big, sizeof(big), 0600,
					   false, NULL),
			 0);
	assert_int_equal(msb_fs_read_file(fs, "/big", 0, &data, &len, NULL), 0);
	assert_int_equal(len, sizeof(big));
	assert_memory_equal(data, big, len);
	msb_free(data);
	assert_int_equal(info("/big", true).mode, 0600);
	FAILS(EFBIG, msb_fs_read_file(fs, "/big", 100, &data, &len, &e));
}

static void what_is_not_there_is_told_apart(void **state)
{
	msb_fs_info_t i;
	uint64_t h;

	(void)state;
	put("/a", "one");
	FAILS(ENOENT, msb_fs_stat(fs, "/no", true, &i, &e));
	FAILS(ENOENT, msb_fs_stat(fs, "/no/way", true, &i, &e));
	FAILS(ENOENT, msb_fs_stat(fs, "", true, &i, &e));
	FAILS(ENOTDIR, msb_fs_stat(fs, "/a/b", true, &i, &e));
	FAILS(ENOTDIR, msb_fs_stat(fs, "/a/", true, &i, &e));
	FAILS(ENOTDIR, msb_fs_stat(fs, "/a/.", true, &i, &e));
	FAILS(ENOTDIR, msb_fs_stat(fs, "/a/..", true, &i, &e));
	FAILS(ENOENT, msb_fs_open(fs, "/no", MSB_FS_READ, -1, &h, &e));
	FAILS(ENOENT, msb_fs_remove(fs, "/no", &e));
	FAILS(ENOENT, msb_fs_rename(fs, "/no", "/b", &e));
	FAILS(ENOENT, msb_fs_copy(fs, "/no", "/b", &e));
	FAILS(ENOENT, msb_fs_symlink(fs, "x", "/no/b", &e));
	assert_int_equal(msb_fs_exists(fs, "/no", NULL), 0);
	assert_int_equal(msb_fs_exists(fs, "/a", NULL), 1);
	assert_int_equal(msb_fs_exists(fs, "/a/b", NULL), 0);
	assert_int_equal(msb_fs_exists(fs, "/", NULL), 1);
}

static void handles_are_good_until_closed(void **state)
{
	msb_fs_attrs_t a = { .struct_size = sizeof(a),
			     .set = MSB_FS_SET_SIZE | MSB_FS_SET_MODE,
			     .size = 4,
			     .mode = 0640 };
	msb_fs_info_t i;
	uint64_t h, other;
	char buf[16];

	(void)state;
	assert_int_equal(
		msb_fs_open(fs, "/f",
			    MSB_FS_READ | MSB_FS_WRITE | MSB_FS_CREATE_NEW,
			    0600, &h, NULL),
		0);
	FAILS(EEXIST, msb_fs_open(fs, "/f", MSB_FS_WRITE | MSB_FS_CREATE_NEW,
				  -1, &other, &e));
	assert_int_equal(msb_fs_pwrite(fs, h, 2, "cdef", 4, NULL), 0);
	assert_int_equal(msb_fs_pread(fs, h, 0, buf, sizeof(buf), NULL), 6);
	assert_memory_equal(buf, "\0\0cdef", 6);
	assert_int_equal(msb_fs_pread(fs, h, 99, buf, sizeof(buf), NULL), 0);
	assert_int_equal(msb_fs_fset_stat(fs, h, &a, NULL), 0);
	assert_int_equal(msb_fs_fstat(fs, h, &i, NULL), 0);
	assert_int_equal(i.size, 4);
	assert_int_equal(i.mode, 0640);
	/* it is the file, not the name */
	assert_int_equal(msb_fs_rename(fs, "/f", "/g", NULL), 0);
	put("/f", "another");
	assert_int_equal(msb_fs_pread(fs, h, 2, buf, 2, NULL), 2);
	assert_memory_equal(buf, "cd", 2);
	assert_int_equal(msb_fs_remove(fs, "/g", NULL), 0);
	assert_int_equal(msb_fs_pread(fs, h, 2, buf, 2, NULL), 2);
	assert_int_equal(msb_fs_close(fs, h, NULL), 0);
	FAILS(EBADF, msb_fs_close(fs, h, &e));
	FAILS(EBADF, msb_fs_pread(fs, h, 0, buf, 1, &e));
	FAILS(EBADF, msb_fs_pwrite(fs, h, 0, "x", 1, &e));
	FAILS(EBADF, msb_fs_fstat(fs, h, &i, &e));
}

static void opening_obeys_its_flags(void **state)
{
	uint64_t h;

	(void)state;
	put("/a", "one");
	mkdirs("/d");
	FAILS(EINVAL, msb_fs_open(fs, "/a", 0, -1, &h, &e));
	FAILS(EINVAL,
	      msb_fs_open(fs, "/a", MSB_FS_READ | MSB_FS_CREATE, -1, &h, &e));
	FAILS(EINVAL, msb_fs_open(fs, "/a", MSB_FS_APPEND | MSB_FS_TRUNCATE, -1,
				  &h, &e));
	FAILS(EISDIR, msb_fs_open(fs, "/d", MSB_FS_READ, -1, &h, &e));
	FAILS(EISDIR, msb_fs_open(fs, "/new/", MSB_FS_WRITE | MSB_FS_CREATE, -1,
				  &h, &e));
	assert_int_equal(msb_fs_open(fs, "/a", MSB_FS_READ, -1, &h, NULL), 0);
	FAILS(EBADF, msb_fs_pwrite(fs, h, 0, "x", 1, &e));
	assert_int_equal(msb_fs_close(fs, h, NULL), 0);
	assert_int_equal(msb_fs_open(fs, "/a", MSB_FS_APPEND, -1, &h, NULL), 0);
	assert_int_equal(msb_fs_pwrite(fs, h, 0, "!", 1, NULL), 0);
	assert_int_equal(msb_fs_close(fs, h, NULL), 0);
	holds("/a", "one!");
	assert_int_equal(msb_fs_open(fs, "/a", MSB_FS_WRITE | MSB_FS_TRUNCATE,
				     -1, &h, NULL),
			 0);
	holds("/a", "");
	/* left open: closed with fs */
}

static void no_more_handles_than_there_may_be(void **state)
{
	uint64_t h = 0, last = 0;
	int n = 0;

	(void)state;
	put("/a", "one");
	while (!msb_fs_open(fs, "/a", MSB_FS_READ, -1, &h, NULL)) {
		last = h;
		n++;
	}
	assert_in_range(n, 100, 1024);
	FAILS(EMFILE, msb_fs_open(fs, "/a", MSB_FS_READ, -1, &h, &e));
	assert_int_equal(msb_fs_close(fs, last, NULL), 0);
	holds("/a", "one");
}

/* ---- directories -------------------------------------------------------- */

struct seen {
	unsigned n, files, dirs, links;
	unsigned stop_at;
};

static int on_entry(void *ctx, const char *name, const msb_fs_info_t *i)
{
	struct seen *s = ctx;

	assert_null(strchr(name, '/'));
	assert_true(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
	s->n++;
	s->files += i->kind == MSB_FS_FILE;
	s->dirs += i->kind == MSB_FS_DIR;
	s->links += i->kind == MSB_FS_SYMLINK;
	return s->stop_at && s->n == s->stop_at;
}

static void directories_are_made_and_listed(void **state)
{
	struct seen s = { 0 }, two = { .stop_at = 2 };

	(void)state;
	assert_int_equal(msb_fs_mkdir(fs, "/a/b/c", 0750, NULL), 0);
	assert_int_equal(info("/a/b/c", true).mode, 0750);
	assert_int_equal(info("/a/b", true).mode, 0755);
	mkdirs("/a/b/c"); /* it is there: no error */
	put("/a/f", "x");
	FAILS(EEXIST, msb_fs_mkdir(fs, "/a/f", -1, &e));
	FAILS(ENOTDIR, msb_fs_mkdir(fs, "/a/f/g", -1, &e));
	link_to("f", "/a/l");
	for (int i = 0; i < 700; i++) {
		char name[40];

		(void)snprintf(name, sizeof(name), "/a/some long name %d", i);
		put(name, "");
	}
	assert_int_equal(msb_fs_list(fs, "/a", on_entry, &s, NULL), 0);
	assert_int_equal(s.n, 703);
	assert_int_equal(s.dirs, 1);
	assert_int_equal(s.links, 1);
	assert_int_equal(s.files, 701);
	assert_int_equal(msb_fs_list(fs, "/a", on_entry, &two, NULL), 0);
	assert_int_equal(two.n, 2);
	FAILS(ENOTDIR, msb_fs_list(fs, "/a/f", on_entry, &s, &e));
	FAILS(ENOENT, msb_fs_list(fs, "/no", on_entry, &s, &e));
}

static void trees_are_removed(void **state)
{
	char path[900 * 3 + 1];
	struct seen s = { 0 };

	(void)state;
	mkdirs("/t/a/b");
	mkdirs("/keep");
	put("/keep/f", "x");
	link_to("../../keep", "/t/a/l");
	host_link("../../keep", "t/a/h");
	put("/t/a/b/f", "x");
	for (int i = 0; i < 600; i++) {
		char name[40];

		(void)snprintf(name, sizeof(name), "/t/a/%d", i);
		put(name, "");
	}
	for (size_t i = 0; i + 3 < sizeof(path); i += 3)
		memcpy(path + i, "/dd", 4);
	mkdirs(path);
	FAILS(ENOTEMPTY, msb_fs_remove_dir(fs, "/t", false, &e));
	FAILS(ENOTDIR, msb_fs_remove_dir(fs, "/t/a/l", true, &e));
	FAILS(ENOTDIR, msb_fs_remove_dir(fs, "/keep/f", true, &e));
	FAILS(EISDIR, msb_fs_remove(fs, "/t", &e));
	assert_int_equal(msb_fs_remove_dir(fs, "/t", true, NULL), 0);
	assert_int_equal(msb_fs_remove_dir(fs, "/dd", true, NULL), 0);
	holds("/keep/f", "x");
	assert_int_equal(msb_fs_remove(fs, "/keep/f", NULL), 0);
	assert_int_equal(msb_fs_remove_dir(fs, "/keep", false, NULL), 0);
	assert_int_equal(msb_fs_list(fs, "/", on_entry, &s, NULL), 0);
	assert_int_equal(s.n, 0);
	FAILS(EBUSY, msb_fs_remove_dir(fs, "/", true, &e));
	mkdirs("/x");
	FAILS(EINVAL, msb_fs_remove_dir(fs, "/x/.", true, &e));
	FAILS(EBUSY, msb_fs_remove_dir(fs, "/x/..", true, &e));
}

static void names_are_moved_and_files_copied(void **state)
{
	(void)state;
	put("/a", "one");
	mkdirs("/d/e");
	assert_int_equal(msb_fs_rename(fs, "/a", "/d/b", NULL), 0);
	assert_int_equal(msb_fs_exists(fs, "/a", NULL), 0);
	put("/c", "old");
	assert_int_equal(msb_fs_rename(fs, "/d/b", "/c", NULL), 0);
	holds("/c", "one");
	assert_int_equal(msb_fs_rename(fs, "/d", "/moved/", NULL), 0);
	FAILS(EINVAL, msb_fs_rename(fs, "/moved", "/moved/e/x", &e));
	FAILS(ENOTDIR, msb_fs_rename(fs, "/c", "/z/", &e));
	FAILS(EISDIR, msb_fs_rename(fs, "/c", "/moved", &e));
	FAILS(EBUSY, msb_fs_rename(fs, "/", "/z", &e));
	FAILS(EBUSY, msb_fs_rename(fs, "/c", "/", &e));
	assert_int_equal(
		msb_fs_write_file(fs, "/s", "text", 4, 0751, false, NULL), 0);
	put("/t", "longer than that");
	assert_int_equal(msb_fs_copy(fs, "/s", "/t", NULL), 0);
	holds("/t", "text");
	assert_int_equal(msb_fs_copy(fs, "/s", "/new", NULL), 0);
	holds("/new", "text");
	assert_int_equal(info("/new", true).mode & 0700, 0700);
	FAILS(EINVAL, msb_fs_copy(fs, "/s", "/s", &e));
	holds("/s", "text");
	FAILS(EISDIR, msb_fs_copy(fs, "/moved", "/x", &e));
	FAILS(EISDIR, msb_fs_copy(fs, "/s", "/moved", &e));
}

/* ---- links and attributes ----------------------------------------------- */

static void links_are_followed_inside(void **state)
{
	char *text;

	(void)state;
	mkdirs("/d/e");
	put("/d/f", "found");
	link_to("d", "/l");
	link_to("../f", "/d/e/up");
	link_to("l/e/up", "/far");
	host_link("d/../l/f", "host");
	holds("/l/f", "found");
	holds("/far", "found");
	holds("/host", "found");
	assert_int_equal(info("/far", false).kind, MSB_FS_SYMLINK);
	assert_int_equal(info("/far", true).kind, MSB_FS_FILE);
	assert_int_equal(msb_fs_read_link(fs, "/far", &text, NULL), 0);
	assert_string_equal(text, "l/e/up");
	msb_free(text);
	assert_int_equal(msb_fs_read_link(fs, "/host", &text, NULL), 0);
	assert_string_equal(text, "d/../l/f");
	msb_free(text);
	FAILS(EINVAL, msb_fs_read_link(fs, "/d/f", &text, &e));
	FAILS(EINVAL, msb_fs_read_link(fs, "/", &text, &e));
	assert_int_equal(msb_fs_real_path(fs, "/l/e/../e/up", &text, NULL), 0);
	assert_string_equal(text, "/d/f");
	msb_free(text);
	assert_int_equal(msb_fs_real_path(fs, "/l/new", &text, NULL), 0);
	assert_string_equal(text, "/d/new");
	msb_free(text);
	assert_int_equal(msb_fs_real_path(fs, "/l/..", &text, NULL), 0);
	assert_string_equal(text, "/");
	msb_free(text);
	/* a file is made where a link leads */
	link_to("d/made", "/dangling");
	assert_int_equal(msb_fs_exists(fs, "/dangling", NULL), 1);
	put("/dangling", "x");
	holds("/d/made", "x");
	FAILS(EEXIST, msb_fs_symlink(fs, "y", "/l", &e));
	FAILS(ENOENT, msb_fs_symlink(fs, "", "/empty", &e));
	/* what is removed or moved is the link */
	assert_int_equal(msb_fs_remove(fs, "/l", NULL), 0);
	holds("/d/f", "found");
	link_to("loop", "/loop");
	link_to("pong", "/ping");
	link_to("ping", "/pong");
	FAILS(ELOOP, msb_fs_read_file(fs, "/loop", 0, (void **)&text,
				      &(size_t){ 0 }, &e));
	FAILS(ELOOP,
	      msb_fs_stat(fs, "/ping/x", true, &(msb_fs_info_t){ 0 }, &e));
}

static void attributes_are_those_of_a_guest(void **state)
{
	msb_fs_attrs_t a = { .struct_size = sizeof(a),
			     .set = MSB_FS_SET_MODE | MSB_FS_SET_UID |
				    MSB_FS_SET_GID | MSB_FS_SET_MTIME,
			     .mode = 04710,
			     .uid = 1234,
			     .gid = 99,
			     .mtime_s = 1000000000 };
	msb_fs_info_t i, before;
	struct stat st;
	char *path;

	(void)state;
	put("/f", "x");
	before = info("/f", true);
	assert_int_equal(msb_fs_set_stat(fs, "/f", true, &a, NULL), 0);
	i = info("/f", true);
	assert_int_equal(i.mode, 04710);
	assert_int_equal(i.uid, 1234);
	assert_int_equal(i.gid, 99);
	assert_int_equal(i.mtime_s, 1000000000);
	assert_int_equal(i.atime_s, before.atime_s);
	/* on the host it stays private, and its owner's */
	path = str_fmt("%s/f", dir);
	assert_non_null(path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, geteuid());
	free(path);
	link_to("f", "/l");
	FAILS(EOPNOTSUPP, msb_fs_set_stat(fs, "/l", false, &a, &e));
	a = (msb_fs_attrs_t){ .struct_size = sizeof(a),
			      .set = MSB_FS_SET_SIZE,
			      .size = 5 };
	assert_int_equal(msb_fs_set_stat(fs, "/l", true, &a, NULL), 0);
	assert_int_equal(info("/f", true).size, 5);
	FAILS(EISDIR, msb_fs_set_stat(fs, "/", true, &a, &e));
	a.set = MSB_FS_SET_ATIME;
	a.atime_s = -5; /* before 1970 */
	assert_int_equal(msb_fs_set_stat(fs, "/", true, &a, NULL), 0);
	assert_int_equal(info("/", true).atime_s, -5);
}

static void special_files_are_not_opened(void **state)
{
	char *path = str_fmt("%s/fifo", dir);
	uint64_t h;

	(void)state;
	assert_non_null(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	free(path);
	assert_int_equal(info("/fifo", true).kind, MSB_FS_OTHER);
	FAILS(ENXIO, msb_fs_open(fs, "/fifo", MSB_FS_READ, -1, &h, &e));
	FAILS(ENXIO, msb_fs_copy(fs, "/fifo", "/x", &e));
	assert_int_equal(msb_fs_remove(fs, "/fifo", NULL), 0);
}

/* ---- no way out --------------------------------------------------------- */

static void nothing_leads_out(const char *path)
{
	msb_fs_attrs_t a = { .struct_size = sizeof(a),
			     .set = MSB_FS_SET_MODE,
			     .mode = 0777 };
	struct seen s = { 0 };
	msb_fs_info_t i;
	void *data;
	size_t len;
	char *text;
	uint64_t h;

	FAILS(EXDEV, msb_fs_stat(fs, path, true, &i, &e));
	FAILS(EXDEV, msb_fs_read_file(fs, path, 0, &data, &len, &e));
	FAILS(EXDEV, msb_fs_write_file(fs, path, "x", 1, -1, false, &e));
	FAILS(EXDEV, msb_fs_open(fs, path, MSB_FS_READ, -1, &h, &e));
	FAILS(EXDEV, msb_fs_set_stat(fs, path, true, &a, &e));
	FAILS(EXDEV, msb_fs_mkdir(fs, path, -1, &e));
	FAILS(EXDEV, msb_fs_copy(fs, path, "/stolen", &e));
	FAILS(EXDEV, msb_fs_copy(fs, "/inside", path, &e));
	FAILS(EXDEV, msb_fs_list(fs, path, on_entry, &s, &e));
	FAILS(EXDEV, msb_fs_real_path(fs, path, &text, &e));
	assert_int_equal(s.n, 0);
	assert_int_equal(msb_fs_exists(fs, "/stolen", NULL), 0);
}

/* Names below a directory that is not in the volume. */
static void nothing_is_moved_out(const char *path)
{
	FAILS(EXDEV, msb_fs_remove(fs, path, &e));
	FAILS(EXDEV, msb_fs_remove_dir(fs, path, true, &e));
	FAILS(EXDEV, msb_fs_symlink(fs, "x", path, &e));
	FAILS(EXDEV, msb_fs_rename(fs, "/inside", path, &e));
	FAILS(EXDEV, msb_fs_rename(fs, path, "/stolen", &e));
}

static void there_is_no_way_out(void **state)
{
	char *out = str_fmt("%s/../outside", dir);
	struct buf b;

	(void)state;
	assert_non_null(out);
	put("/inside", "mine");
	mkdirs("/d");
	link_to("../outside", "/l");
	link_to("/etc/passwd", "/absolute");
	link_to("..", "/up");
	link_to("/", "/root");
	host_link("../outside", "hl");
	host_link(out, "habsolute");
	host_link("/proc/self/root", "magic");
	nothing_leads_out("../outside");
	nothing_leads_out("/../outside");
	nothing_leads_out("/d/../../outside");
	nothing_leads_out("/l");
	nothing_leads_out("/absolute");
	nothing_leads_out("/up/outside");
	nothing_leads_out("/hl");
	nothing_leads_out("/habsolute");
	nothing_leads_out("/magic/etc/passwd");
	nothing_leads_out("/root/etc/passwd");
	nothing_leads_out("d/../l");
	nothing_is_moved_out("../outside");
	nothing_is_moved_out("/up/outside");
	nothing_is_moved_out("/root/tmp/x");
	nothing_is_moved_out("/magic/tmp/x");
	/* an absolute path is the volume's */
	assert_int_equal(msb_fs_exists(fs, out, NULL), 0);
	buf_init(&b, 4096);
	assert_int_equal(io_read_file_at(AT_FDCWD, out, &b), 0);
	assert_int_equal(buf_len(&b), strlen(SECRET));
	assert_memory_equal(buf_data(&b), SECRET, buf_len(&b));
	buf_fini(&b);
	holds("/inside", "mine");
	free(out);
}

/* Somebody who makes a directory a link, and a directory again. */
static void *swap(void *arg)
{
	atomic_bool *end = arg;
	char *d = str_fmt("%s/race", dir), *l = str_fmt("%s/trap", dir);

	while (d && l && !atomic_load(end))
		if (renameat2(AT_FDCWD, d, AT_FDCWD, l, RENAME_EXCHANGE) < 0)
			break;
	free(d);
	free(l);
	return NULL;
}

static void a_race_leads_nowhere(void **state)
{
	atomic_bool end = false;
	unsigned good = 0;
	pthread_t t;

	(void)state;
	mkdirs("/race");
	put("/race/outside", "inside");
	host_link("..", "trap");
	assert_int_equal(pthread_create(&t, NULL, swap, &end), 0);
	for (int i = 0; i < 3000 || !good; i++) {
		msb_error_t *e = NULL;
		size_t len = 0;
		void *data;

		if (msb_fs_read_file(fs, "/race/outside", 0, &data, &len, &e)) {
			assert_true(msb_error_errno(e) == EXDEV ||
				    msb_error_errno(e) == ESTALE ||
				    msb_error_errno(e) == ENOTDIR ||
				    msb_error_errno(e) == ENOENT ||
				    msb_error_errno(e) == EINVAL);
			msb_error_free(e);
			continue;
		}
		assert_int_equal(len, 6);
		assert_memory_equal(data, "inside", 6);
		msb_free(data);
		good++;
	}
	atomic_store(&end, true);
	assert_int_equal(pthread_join(t, NULL), 0);
}

static void a_triggered_token_ends_what_takes_long(void **state)
{
	msb_cancel_t *token = msb_cancel_new();
	msb_error_t *e = NULL;
	void *data;
	size_t len;

	(void)state;
	assert_non_null(token);
	mkdirs("/t/a");
	put("/t/a/f", "x");
	msb_cancel_trigger(token);
	(void)msb_cancel_use(token);
	assert_true(msb_fs_remove_dir(fs, "/t", true, &e) < 0);
	assert_int_equal(msb_error_kind(e), MSB_ERR_CANCELLED);
	msb_error_free(e);
	assert_true(msb_fs_read_file(fs, "/t/a/f", 0, &data, &len, &e) < 0);
	assert_int_equal(msb_error_kind(e), MSB_ERR_CANCELLED);
	msb_error_free(e);
	(void)msb_cancel_use(NULL);
	holds("/t/a/f", "x");
	msb_cancel_free(token);
}

/* ---- the volume --------------------------------------------------------- */

static void the_quota_holds(void **state)
{
	static char block[256 << 10];
	msb_fs_attrs_t a = { .struct_size = sizeof(a),
			     .set = MSB_FS_SET_SIZE,
			     .size = 2 << 20 };
	char name[] = "/0", *path;

	(void)state;
	for (int i = 0; i < 4; i++, name[1]++)
		assert_int_equal(msb_fs_write_file(fs, name, block,
						   sizeof(block), -1, false,
						   NULL),
				 0);
	FAILS(ENOSPC, msb_fs_write_file(fs, "/more", "x", 1, -1, false, &e));
	FAILS(ENOSPC, msb_fs_set_stat(fs, "/0", true, &a, &e));
	FAILS(ENOSPC, msb_fs_copy(fs, "/0", "/more", &e));
	/* what others put there counts, too; and what they take away */
	assert_int_equal(msb_fs_remove(fs, "/0", NULL), 0);
	put("/more", "x");
	path = str_fmt("%s/1", dir);
	assert_non_null(path);
	world_file(path, "small now");
	free(path);
	assert_int_equal(msb_fs_write_file(fs, "/1", block, sizeof(block), -1,
					   false, NULL),
			 0);
}

static void disks_have_no_files_here(void **state)
{
	msb_volume_options_t o = { .struct_size = sizeof(o),
				   .kind = MSB_VOLUME_DISK,
				   .capacity_mib = 64 };
	msb_volume_t *disk;
	msb_error_t *e = NULL;
	msb_fs_t *none;

	(void)state;
	if (msb_volume_create(w->m, "disk", &o, &disk, &e))
		fail_msg("%s", msb_error_text(e));
	assert_true(msb_fs_open_volume(disk, &none, &e) < 0);
	assert_int_equal(msb_error_kind(e), MSB_ERR_UNSUPPORTED);
	msb_error_free(e);
	msb_volume_free(disk);
}

static void a_volume_that_is_gone_is_told(void **state)
{
	msb_error_t *e = NULL;
	msb_fs_t *none;

	(void)state;
	assert_int_equal(msb_volume_remove(w->m, "data", NULL), 0);
	assert_true(msb_fs_open_volume(v, &none, &e) < 0);
	assert_int_equal(msb_error_kind(e), MSB_ERR_VOLUME_NOT_FOUND);
	msb_error_free(e);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_file_is_written_and_read),
		T(what_is_not_there_is_told_apart),
		T(handles_are_good_until_closed),
		T(opening_obeys_its_flags),
		T(no_more_handles_than_there_may_be),
		T(directories_are_made_and_listed),
		T(trees_are_removed),
		T(names_are_moved_and_files_copied),
		T(links_are_followed_inside),
		T(attributes_are_those_of_a_guest),
		T(special_files_are_not_opened),
		T(there_is_no_way_out),
		T(a_race_leads_nowhere),
		T(a_triggered_token_ends_what_takes_long),
		cmocka_unit_test_setup_teardown(the_quota_holds, setup_quota,
						teardown),
		T(disks_have_no_files_here),
		T(a_volume_that_is_gone_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
