/* SPDX-License-Identifier: Apache-2.0 */
/* Stat virtualisation, host permissions, read-only, noexec, single files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/io.h"
#include "client.h"

#define ROOT FUSE_ROOT_ID
#define OVERRIDE "user.msb.override_stat"
#define OVERRIDE_OLD "user.containers.override_stat"

static struct client c;

static int setup(void **state)
{
	(void)state;
	return client_dir(&c) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	client_stop(&c);
	client_rmdir(&c);
	return 0;
}

static const char *host_path(const char *name)
{
	static char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", c.dir, name);
	return path;
}

static unsigned host_mode(const char *name)
{
	struct stat st;

	host_stat(&c, name, &st);
	return st.st_mode & 07777;
}

static void plant(const char *name, const char *xattr, const void *value,
		  size_t len)
{
	assert_int_equal(setxattr(host_path(name), xattr, value, len, 0), 0);
}

static void t_private(void **state)
{
	static const uint8_t want[20] = { 1, 0,	   0, 0, 0xe8, 3,    0,
					  0, 0xe9, 3, 0, 0,    0xed, 0x81,
					  0, 0,	   0, 0, 0,    0 };
	uint8_t got[64];
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint64_t fh;

	(void)state;
	client_start(&c, (struct fs_config){ 0 });
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0644, &e, &fh),
			 0);
	assert_int_equal(client_chown(&c, e.nodeid, 1000, 1001, &a), 0);
	assert_int_equal(client_chmod(&c, e.nodeid, 0755, &a), 0);
	assert_int_equal(a.mode, S_IFREG | 0755);
	assert_int_equal(a.uid, 1000);
	assert_int_equal(host_mode("f"), 0600);
	assert_int_equal(getxattr(host_path("f"), OVERRIDE, got, sizeof(got)),
			 20);
	assert_memory_equal(got, want, 20);
	assert_int_equal(client_mkdir(&c, ROOT, "d", 02775, &e), 0);
	assert_int_equal(host_mode("d"), 0700);
	assert_int_equal(client_symlink(&c, ROOT, "l", "x", &e), 0);
	assert_int_equal(host_mode("l"), 0600);
	/* what the guest set outlives the server */
	client_stop(&c);
	client_start(&c, (struct fs_config){ 0 });
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), 0);
	assert_int_equal(e.attr.mode, S_IFREG | 0755);
	assert_int_equal(e.attr.gid, 1001);
	assert_int_equal(client_lookup(&c, ROOT, "d", &e), 0);
	assert_int_equal(e.attr.mode, S_IFDIR | 02775);
	assert_int_equal(client_lookup(&c, ROOT, "l", &e), 0);
	assert_int_equal(e.attr.mode, S_IFLNK | 0777);
}

static void t_mirror(void **state)
{
	struct fuse_entry_out e;
	struct fuse_attr a;
	struct stat before, after;
	uint64_t fh;

	(void)state;
	client_start(&c, (struct fs_config){ .host_perms = FS_PERMS_MIRROR });
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0644, &e, &fh),
			 0);
	assert_int_equal(host_mode("f"), 0644);
	assert_int_equal(client_chmod(&c, e.nodeid, 06755, &a), 0);
	assert_int_equal(a.mode & 07777, 06755);
	assert_int_equal(host_mode("f"), 0755);
	assert_int_equal(client_chmod(&c, e.nodeid, 0, &a), 0);
	assert_int_equal(a.mode & 07777, 0);
	assert_int_equal(host_mode("f"), 0600);
	host_stat(&c, "f", &before);
	assert_int_equal(client_chown(&c, e.nodeid, 1, 1, &a), 0);
	host_stat(&c, "f", &after);
	assert_int_equal(before.st_uid, after.st_uid);
	assert_int_equal(client_mkdir(&c, ROOT, "d", 0755, &e), 0);
	assert_int_equal(host_mode("d"), 0755);
	assert_int_equal(client_chmod(&c, e.nodeid, 0500, &a), 0);
	assert_int_equal(host_mode("d"), 0700);
	assert_int_equal(client_mknod(&c, ROOT, "p", S_IFIFO | 0666, 0, &e), 0);
	assert_int_equal(host_mode("p"), 0600);
}

static void t_old_name(void **state)
{
	static const uint8_t v[20] = { 1, 0, 0,	   0,	 7, 0, 0, 0, 8, 0,
				       0, 0, 0xb6, 0x21, 0, 0, 3, 1, 0, 0 };
	struct fuse_entry_out e;
	struct fuse_attr a;

	(void)state;
	host_write(&c, "null", "");
	plant("null", OVERRIDE_OLD, v, sizeof(v));
	client_start(&c, (struct fs_config){ 0 });
	assert_int_equal(client_lookup(&c, ROOT, "null", &e), 0);
	assert_int_equal(e.attr.mode, S_IFCHR | 0666);
	assert_int_equal(e.attr.rdev, 0x103);
	assert_int_equal(e.attr.uid, 7);
	assert_int_equal(client_chmod(&c, e.nodeid, 0600, &a), 0);
	assert_int_equal(a.rdev, 0x103);
	assert_int_equal(getxattr(host_path("null"), OVERRIDE, NULL, 0), 20);
}

static void corrupt_in(enum fs_stat_virt virt)
{
	static const uint8_t v[4][21] = { { 1 }, { 0 }, { 2 }, { 1, 0, 0 } };
	static const size_t len[4] = { 19, 20, 20, 21 };
	struct fuse_entry_out e;
	size_t fds;

	client_start(&c, (struct fs_config){ .stat_virt = virt });
	assert_int_equal(client_lookup(&c, ROOT, "good", &e), 0);
	fds = open_fds();
	for (size_t i = 0; i < ARRAY_SIZE(len); i++) {
		plant("bad", OVERRIDE, v[i], len[i]);
		for (int n = 0; n < 100; n++)
			assert_int_equal(client_lookup(&c, ROOT, "bad", &e),
					 -EIO);
	}
	/* a directory cannot pretend to be a file */
	plant("dir", OVERRIDE, "\1\0\0\0\0\0\0\0\0\0\0\0\244\201\0\0\0\0\0\0",
	      20);
	assert_int_equal(client_lookup(&c, ROOT, "dir", &e), -EIO);
	assert_int_equal(open_fds(), fds);
	assert_int_equal(client_lookup(&c, ROOT, "good", &e), 0);
	client_stop(&c);
}

static void t_corrupt(void **state)
{
	(void)state;
	host_write(&c, "good", "");
	host_write(&c, "bad", "");
	assert_int_equal(mkdirat(c.dirfd, "dir", 0755), 0);
	corrupt_in(FS_STAT_STRICT);
	corrupt_in(FS_STAT_RELAXED);
}

static void t_off(void **state)
{
	struct fuse_entry_out e;
	struct fuse_attr a;
	struct stat st;
	uint64_t fh;

	(void)state;
	host_write(&c, "f", "x");
	plant("f", OVERRIDE, "\1\0\0\0\5\0\0\0\5\0\0\0\377\201\0\0\0\0\0\0",
	      20);
	client_start(&c, (struct fs_config){ .stat_virt = FS_STAT_OFF });
	host_stat(&c, "f", &st);
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), 0);
	assert_int_equal(e.attr.mode, st.st_mode);
	assert_int_equal(e.attr.uid, st.st_uid);
	assert_int_equal(client_chown(&c, e.nodeid, st.st_uid + 1, 9, &a),
			 -EPERM);
	assert_int_equal(client_chown(&c, e.nodeid, st.st_uid, st.st_gid, &a),
			 0);
	assert_int_equal(client_chmod(&c, e.nodeid, 04455, &a), 0);
	assert_int_equal(a.mode & 07777, 0655);
	assert_int_equal(host_mode("f"), 0655);
	assert_int_equal(client_mknod(&c, ROOT, "n", S_IFCHR | 0666, 1, &e),
			 -EOPNOTSUPP);
	assert_false(host_exists(&c, "n"));
	assert_int_equal(client_mknod(&c, ROOT, "r", S_IFREG | 0640, 1, &e), 0);
	assert_int_equal(host_mode("r"), 0640);
	assert_int_equal(client_create(&c, ROOT, "g", O_RDWR, 0777, &e, &fh),
			 0);
	assert_int_equal(host_mode("g"), 0777);
	assert_int_equal(getxattr(host_path("g"), OVERRIDE, NULL, 0), -1);
	/* set-id bits of the host go when an unprivileged guest writes */
	assert_int_equal(fchmodat(c.dirfd, "g", 04755, 0), 0);
	assert_int_equal(client_write(&c, e.nodeid, fh, 0, "x", 0,
				      FUSE_WRITE_KILL_SUIDGID),
			 1);
	assert_int_equal(host_mode("g"), 0755);
	assert_int_equal(client_call(&c, FUSE_GETXATTR, e.nodeid,
				     &(struct fuse_getxattr_in){ 0 }, 8,
				     OVERRIDE, sizeof(OVERRIDE)),
			 -EACCES);
}

static void t_symlinks(void **state)
{
	struct fuse_setattr_in sa = { .valid = FATTR_MTIME, .mtime = 1234 };
	struct fuse_entry_out e;
	struct fuse_attr a;
	struct stat st;

	(void)state;
	assert_int_equal(symlinkat("/etc/passwd", c.dirfd, "h"), 0);
	client_start(&c, (struct fs_config){ .stat_virt = FS_STAT_RELAXED });
	assert_int_equal(client_symlink(&c, ROOT, "l", "gone", &e), 0);
	host_stat(&c, "l", &st);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(client_lookup(&c, ROOT, "h", &e), 0);
	assert_int_equal(e.attr.mode & S_IFMT, S_IFLNK);
	assert_int_equal(
		client_call(&c, FUSE_READLINK, e.nodeid, NULL, 0, NULL, 0), 11);
	assert_memory_equal(c.out, "/etc/passwd", 11);
	assert_int_equal(client_chown(&c, e.nodeid, 0, 0, &a), 0);
	assert_int_equal(client_chown(&c, e.nodeid, 1, 0, &a), -EPERM);
	assert_int_equal(client_chmod(&c, e.nodeid, 0600, &a), -EOPNOTSUPP);
	/* times are those of the link, not of what it names */
	assert_int_equal(client_setattr(&c, e.nodeid, &sa, &a), 0);
	assert_int_equal(a.mtime, 1234);
	host_stat(&c, "h", &st);
	assert_int_equal(st.st_mtime, 1234);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY,
				     &(struct fuse_open_out){ 0 }),
			 -ENXIO);
	/* a link to a link, not to its target */
	assert_int_equal(client_link(&c, e.nodeid, ROOT, "h2", &e), 0);
	host_stat(&c, "h2", &st);
	assert_true(S_ISLNK(st.st_mode));
}

static void t_owner_map(void **state)
{
	struct fs_config cfg = { .guest_uid = 33, .guest_gid = 44 };
	struct fuse_entry_out e;
	struct fuse_attr a;

	(void)state;
	host_write(&c, "mine", "");
	client_start(&c, cfg);
	assert_int_equal(client_lookup(&c, ROOT, "mine", &e), 0);
	assert_int_equal(e.attr.uid, 33);
	assert_int_equal(e.attr.gid, 44);
	/* the mapped owner is where a change of mode starts from */
	assert_int_equal(client_chmod(&c, e.nodeid, 0600, &a), 0);
	assert_int_equal(a.uid, 33);
	client_stop(&c);
	if (geteuid())
		return; /* the rest needs files of other owners */
	host_write(&c, "theirs", "");
	assert_int_equal(fchownat(c.dirfd, "theirs", 12345, 12346, 0), 0);
	client_start(&c, cfg);
	assert_int_equal(client_lookup(&c, ROOT, "theirs", &e), 0);
	assert_int_equal(e.attr.uid, 12345);
	assert_int_equal(e.attr.gid, 12346);
	client_stop(&c);
	assert_int_equal(fchown(c.dirfd, 1000, 1000), 0);
	client_start(&c, cfg);
	assert_int_equal(client_lookup(&c, ROOT, "theirs", &e), 0);
	assert_int_equal(e.attr.uid, 65534);
	assert_int_equal(e.attr.gid, 65534);
	assert_int_equal(client_getattr(&c, ROOT, &a), 0);
	assert_int_equal(a.uid, 33);
}

/* Requests that change something, on names and nodes that exist. */
static void expect_all(int rc, uint64_t node, uint64_t dir)
{
	struct fuse_setattr_in sa = { .valid = FATTR_MTIME };
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint64_t fh;

	assert_int_equal(client_create(&c, dir, "new", O_RDWR, 0600, &e, &fh),
			 rc);
	assert_int_equal(client_mkdir(&c, dir, "new", 0700, &e), rc);
	assert_int_equal(client_mknod(&c, dir, "new", S_IFREG, 0, &e), rc);
	assert_int_equal(client_symlink(&c, dir, "new", "t", &e), rc);
	assert_int_equal(client_link(&c, node, dir, "new", &e), rc);
	assert_int_equal(client_unlink(&c, dir, "f"), rc);
	assert_int_equal(client_rmdir_at(&c, dir, "f"), rc);
	assert_int_equal(client_rename(&c, dir, "f", dir, "g", 0), rc);
	assert_int_equal(
		client_rename(&c, dir, "f", dir, "g", RENAME_NOREPLACE), rc);
	assert_int_equal(client_setattr(&c, dir, &sa, &a), rc);
	assert_int_equal(client_chmod(&c, dir, 0777, &a), rc);
	assert_int_equal(client_call(&c, FUSE_SETXATTR, dir, "\1\0\0\0\0\0\0\0",
				     8, "user.x\0y", 9),
			 rc);
	assert_int_equal(
		client_call(&c, FUSE_REMOVEXATTR, dir, NULL, 0, "user.x", 7),
		rc);
	assert_int_equal(client_unlink(&c, dir, "../f"), -EPERM);
}

static void t_readonly(void **state)
{
	struct fuse_access_in ac = { .mask = W_OK };
	struct fuse_entry_out e;
	struct fuse_open_out o;
	struct fuse_attr a;

	(void)state;
	host_write(&c, "f", "text");
	client_start(&c, (struct fs_config){ .readonly = true });
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), 0);
	expect_all(-EROFS, e.nodeid, ROOT);
	assert_int_equal(client_chmod(&c, e.nodeid, 0777, &a), -EROFS);
	assert_int_equal(client_open(&c, e.nodeid, O_WRONLY, &o), -EROFS);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY | O_TRUNC, &o),
			 -EROFS);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	assert_int_equal(client_write(&c, e.nodeid, o.fh, 0, "x", 0, 0),
			 -EROFS);
	assert_int_equal(client_read(&c, e.nodeid, o.fh, 0, 10), 4);
	assert_int_equal(client_call(&c, FUSE_FALLOCATE, e.nodeid,
				     &(struct fuse_fallocate_in){ .fh = o.fh },
				     sizeof(struct fuse_fallocate_in), NULL, 0),
			 -EROFS);
	assert_int_equal(client_call(&c, FUSE_ACCESS, e.nodeid, &ac, sizeof(ac),
				     NULL, 0),
			 -EROFS);
	assert_true(host_exists(&c, "f"));
	/* strict needs no attribute to be written here */
	assert_int_equal(fs_server_stat_virt(c.s), FS_STAT_RELAXED);
}

static void t_noexec(void **state)
{
	struct fuse_entry_out e;
	struct fuse_open_out o;
	struct fuse_attr a;
	uint64_t fh;

	(void)state;
	client_start(&c, (struct fs_config){ .noexec = true });
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0755, &e, &fh),
			 0);
	assert_int_equal(e.attr.mode, S_IFREG | 0644);
	assert_int_equal(client_chmod(&c, e.nodeid, 0777, &a), 0);
	assert_int_equal(a.mode, S_IFREG | 0666);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY | 0x20, &o),
			 -EACCES);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	assert_int_equal(client_mkdir(&c, ROOT, "d", 0755, &e), 0);
	assert_int_equal(e.attr.mode, S_IFDIR | 0755);
	/* the bits are hidden, not lost */
	client_stop(&c);
	client_start(&c, (struct fs_config){ 0 });
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), 0);
	assert_int_equal(e.attr.mode, S_IFREG | 0777);
}

static void t_single(void **state)
{
	struct fuse_read_in rd = { .size = 4096 };
	struct fuse_entry_out e, e2;
	struct fuse_open_out o;
	struct fuse_attr a;
	uint64_t dh;

	(void)state;
	host_write(&c, "f", "one");
	host_write(&c, "other", "secret");
	client_start(&c, (struct fs_config){ .file = "f" });
	assert_int_equal(client_getattr(&c, ROOT, &a), 0);
	assert_int_equal(a.mode, S_IFDIR | 0755);
	assert_int_equal(client_lookup(&c, ROOT, "other", &e), -ENOENT);
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), 0);
	expect_all(-EPERM, e.nodeid, ROOT);
	assert_int_equal(client_rename(&c, ROOT, "f", e.nodeid, "x", 0),
			 -EPERM);
	assert_int_equal(client_link(&c, e.nodeid, e.nodeid, "x", &e2),
			 -ENOTDIR);
	assert_int_equal(client_open(&c, e.nodeid, O_RDWR, &o), 0);
	assert_int_equal(client_write(&c, e.nodeid, o.fh, 0, "ONE", 0, 0), 3);
	assert_int_equal(client_chmod(&c, e.nodeid, 0711, &a), 0);
	assert_int_equal(a.mode & 0777, 0711);
	/* the host replaces it: the same inode of the guest, new content */
	host_write(&c, "f.new", "replaced");
	assert_int_equal(renameat(c.dirfd, "f.new", c.dirfd, "f"), 0);
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(a.size, 8);
	assert_int_equal(client_read(&c, e.nodeid, o.fh, 0, 100), 3);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	assert_int_equal(client_read(&c, e.nodeid, o.fh, 0, 100), 8);
	assert_int_equal(client_lookup(&c, ROOT, "f", &e2), 0);
	assert_int_equal(e2.nodeid, e.nodeid);
	/* removed and put back as a link to something else: still the file */
	assert_int_equal(unlinkat(c.dirfd, "f", 0), 0);
	assert_int_equal(symlinkat("other", c.dirfd, "f"), 0);
	assert_int_equal(client_lookup(&c, ROOT, "f", &e2), -ENOENT);
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(a.size, 8);

	assert_int_equal(client_opendir(&c, ROOT, &dh), 0);
	rd.fh = dh;
	assert_int_equal(
		client_call(&c, FUSE_READDIR, ROOT, &rd, sizeof(rd), NULL, 0),
		96);
	rd.offset = 3;
	assert_int_equal(
		client_call(&c, FUSE_READDIR, ROOT, &rd, sizeof(rd), NULL, 0),
		0);
	assert_int_equal(client_release(&c, ROOT, dh, true), 0);
	assert_int_equal(client_call(&c, FUSE_LISTXATTR, ROOT,
				     &(struct fuse_getxattr_in){ .size = 9 }, 8,
				     NULL, 0),
			 0);
}

/* Time stamps decide whether the guest may keep its pages. */
/* An override is not read each time, but what others do to it shows soon. */
static void t_trust(void **state)
{
	uint8_t value[20] = { 1 };
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint64_t fh, start;

	(void)state;
	client_start(&c, (struct fs_config){ .timeout_ms = 20 });
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0644, &e, &fh),
			 0);
	assert_int_equal(client_chown(&c, e.nodeid, 5, 6, &a), 0);
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(a.uid, 5);
	value[4] = 7;
	value[12] = 0xa4; /* 0100644 */
	value[13] = 0x81;
	plant("f", OVERRIDE, value, sizeof(value));
	start = clock_mono_ms();
	while (clock_mono_ms() < start + 21)
		assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(a.uid, 7);
	/* what the guest does shows at once */
	assert_int_equal(client_chown(&c, e.nodeid, 8, 8, &a), 0);
	assert_int_equal(a.uid, 8);
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), 0);
	assert_int_equal(e.attr.uid, 8);
}

/* A file behind links is the file they lead to. */
static void t_single_linked(void **state)
{
	struct fs_config cfg = { .file = "link", .follow_symlinks = true };
	struct fuse_entry_out e;
	struct fuse_attr a;
	struct fs_server *s;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(mkdirat(c.dirfd, "far", 0700), 0);
	host_write(&c, "far/real", "text");
	assert_int_equal(symlinkat("far/real", c.dirfd, "link"), 0);
	cfg.path = c.dir;
	client_start(&c, cfg);
	assert_int_equal(client_lookup(&c, ROOT, "real", &e), -ENOENT);
	assert_int_equal(client_lookup(&c, ROOT, "link", &e), 0);
	assert_int_equal(e.attr.mode & S_IFMT, S_IFREG);
	assert_int_equal(e.attr.size, 4);
	assert_int_equal(unlinkat(c.dirfd, "far/real", 0), 0);
	host_write(&c, "far/real", "longer");
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(a.size, 6);
	cfg.follow_symlinks = false;
	assert_int_equal(fs_server_new(&cfg, &s, &err), -EINVAL);
	cfg.follow_symlinks = true;
	cfg.file = "none";
	assert_int_equal(fs_server_new(&cfg, &s, &err), -ENOENT);
}

static void t_keep_cache(void **state)
{
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	struct fuse_entry_out e;
	struct fuse_open_out o;

	(void)state;
	host_write(&c, "f", "one");
	assert_int_equal(utimensat(c.dirfd, "f", old, 0), 0);
	client_start(&c, (struct fs_config){ .cache = FS_CACHE_ALWAYS });
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), 0);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	assert_true(o.open_flags & FOPEN_KEEP_CACHE);
	assert_true(o.open_flags & FOPEN_NOFLUSH);
	client_stop(&c);
	client_start(&c, (struct fs_config){ .cache = FS_CACHE_NEVER });
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), 0);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	assert_true(o.open_flags & FOPEN_DIRECT_IO);
	client_stop(&c);
	/* changed just now (ctime is): not to be trusted twice */
	client_start(&c, (struct fs_config){ 0 });
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), 0);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	assert_false(o.open_flags & FOPEN_KEEP_CACHE);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	assert_false(o.open_flags & FOPEN_KEEP_CACHE);
	client_stop(&c);
	/* what is only appended to */
	client_start(&c, (struct fs_config){ 0 });
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), 0);
	assert_int_equal(client_open(&c, e.nodeid, O_WRONLY | O_APPEND, &o), 0);
	assert_true(o.open_flags & FOPEN_DIRECT_IO);
	assert_int_equal(client_open(&c, e.nodeid, O_RDWR | O_APPEND, &o), 0);
	assert_false(o.open_flags & FOPEN_DIRECT_IO);
	client_stop(&c);
	/* a file nobody changes */
	(void)close(c.dirfd);
	c.dirfd = open("/proc/self/root/etc", O_RDONLY | O_DIRECTORY);
	assert_true(c.dirfd >= 0);
	client_start(&c, (struct fs_config){ .readonly = true });
	assert_int_equal(client_lookup(&c, ROOT, "passwd", &e), 0);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	assert_false(o.open_flags & FOPEN_KEEP_CACHE);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	assert_true(o.open_flags & FOPEN_KEEP_CACHE);
}

static void t_timeouts(void **state)
{
	struct fuse_entry_out e;

	(void)state;
	client_start(&c, (struct fs_config){ .timeout_ms = 1500,
					     .negative_ms = 250 });
	assert_int_equal(client_lookup(&c, ROOT, "none", &e), 0);
	assert_int_equal(e.nodeid, 0);
	assert_int_equal(e.entry_valid, 0);
	assert_int_equal(e.entry_valid_nsec, 250000000);
	assert_int_equal(client_mkdir(&c, ROOT, "d", 0755, &e), 0);
	assert_int_equal(e.attr_valid, 1);
	assert_int_equal(e.attr_valid_nsec, 500000000);
}

static void t_refusals(void **state)
{
	struct fs_config cfg = { .path = "/proc/self" };
	struct fs_server *s;
	struct err err = { 0 };
	char path[600];
	int rc;

	(void)state;
	cfg.follow_symlinks = true;
	rc = fs_server_new(&cfg, &s, &err); /* no user attributes there */
	assert_true(rc == -EOPNOTSUPP || rc == -EACCES || rc == -EPERM);
	assert_non_null(strstr(err.msg, "stat-virt=relaxed"));
	assert_non_null(strstr(err.msg, "/proc/self"));
	cfg.strict_or_relaxed = true;
	assert_int_equal(fs_server_new(&cfg, &s, NULL), 0);
	assert_int_equal(fs_server_stat_virt(s), FS_STAT_RELAXED);
	(void)fs_server_free(s);

	cfg = (struct fs_config){ .stat_virt = FS_STAT_OFF,
				  .host_perms = FS_PERMS_MIRROR,
				  .path = c.dir };
	assert_int_equal(fs_server_new(&cfg, &s, NULL), -EINVAL);
	assert_int_equal(symlinkat(".", c.dirfd, "link"), 0);
	host_write(&c, "f", "");
	(void)snprintf(path, sizeof(path), "%s/link", c.dir);
	cfg = (struct fs_config){ .path = path };
	assert_int_equal(fs_server_new(&cfg, &s, NULL), -ELOOP);
	cfg.follow_symlinks = true;
	assert_int_equal(fs_server_new(&cfg, &s, NULL), 0);
	(void)fs_server_free(s);
	cfg.follow_symlinks = false;
	(void)snprintf(path, sizeof(path), "%s/../x", c.dir);
	assert_int_equal(fs_server_new(&cfg, &s, NULL), -EINVAL);
	(void)snprintf(path, sizeof(path), "%s/f", c.dir);
	assert_int_equal(fs_server_new(&cfg, &s, NULL), -ENOTDIR);
	(void)snprintf(path, sizeof(path), "%s/none", c.dir);
	err = (struct err){ 0 };
	assert_int_equal(fs_server_new(&cfg, &s, &err), -ENOENT);
	assert_non_null(strstr(err.msg, path));
	cfg = (struct fs_config){ .path = c.dir, .file = "link" };
	assert_int_equal(fs_server_new(&cfg, &s, NULL), -EINVAL);
	cfg.file = "../f";
	assert_int_equal(fs_server_new(&cfg, &s, NULL), -EINVAL);
}

/* On a file system without user attributes. */

static int put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int rc = fd < 0 ? -1 : io_write_full(fd, text, strlen(text));

	(void)close(fd);
	return rc;
}

/* A mount namespace of our own, as root or as the root of a user namespace. */
static int own_mounts(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[2][64];

	if (unshare(CLONE_NEWNS) == 0)
		return 0;
	(void)snprintf(map[0], sizeof(map[0]), "0 %u 1", uid);
	(void)snprintf(map[1], sizeof(map[1]), "0 %u 1", gid);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) ||
	    put_file("/proc/self/setgroups", "deny") ||
	    put_file("/proc/self/uid_map", map[0]))
		return -1;
	return put_file("/proc/self/gid_map", map[1]);
}

/* In a child with its own mounts: 0, the line that failed, or 255 to skip. */
static int no_xattrs(void)
{
	struct fs_config cfg = { .path = c.dir };
	struct fuse_entry_out e;
	struct fuse_attr a;
	struct fs_server *s;
	struct err err = { 0 };
	uint64_t fh;

	if (own_mounts() ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", c.dir, "ramfs", 0, NULL))
		return 255;
	(void)close(c.dirfd);
	c.dirfd = open(c.dir, O_RDONLY | O_DIRECTORY);
	if (setxattr(c.dir, "user.x", "", 0, 0) == 0)
		return 255;
	if (fs_server_new(&cfg, &s, &err) != -EOPNOTSUPP ||
	    !strstr(err.msg, "extended attributes are not supported"))
		return __LINE__;
	client_start(&c, (struct fs_config){ .strict_or_relaxed = true });
	if (fs_server_stat_virt(c.s) != FS_STAT_RELAXED)
		return __LINE__;
	/* the host keeps what it can, and ownership is let go */
	if (client_create(&c, ROOT, "f", O_RDWR, 0751, &e, &fh) ||
	    e.attr.mode != (S_IFREG | 0751) || host_mode("f") != 0751)
		return __LINE__;
	if (client_chown(&c, e.nodeid, 5, 5, &a) ||
	    client_chmod(&c, e.nodeid, 0144, &a) || host_mode("f") != 0744)
		return __LINE__;
	if (client_mkdir(&c, ROOT, "d", 0755, &e) || host_mode("d") != 0755)
		return __LINE__;
	/* what it cannot keep at all is refused, and leaves nothing behind */
	if (client_mknod(&c, ROOT, "n", S_IFCHR | 0666, 1, &e) != -EOPNOTSUPP ||
	    host_exists(&c, "n"))
		return __LINE__;
	return 0;
}

static void t_no_xattrs(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		int line = no_xattrs();

		_exit(line > 255 ? 1 + line % 250 : line);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	client_start(&c, (struct fs_config){ 0 }); /* for the teardown */
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 255)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* As the ordinary owner of files whose modes forbid things. */

static uid_t saved_euid;

static int setup_user(void **state)
{
	saved_euid = geteuid();
	if (saved_euid == 0 && seteuid(65534))
		return -1;
	return setup(state);
}

static int teardown_user(void **state)
{
	int rc = teardown(state);

	return seteuid(saved_euid) ? -1 : rc;
}

static void t_widen(void **state)
{
	struct fuse_entry_out d, e, f;
	struct fuse_open_out o;
	struct fuse_attr a;
	uint64_t fh;

	(void)state;
	assert_int_equal(mkdirat(c.dirfd, "d", 0700), 0);
	host_write(&c, "d/f", "text");
	assert_int_equal(fchmodat(c.dirfd, "d/f", 0400, 0), 0);
	assert_int_equal(fchmodat(c.dirfd, "d", 0555, 0), 0);
	client_start(&c, (struct fs_config){ 0 });
	assert_int_equal(client_lookup(&c, ROOT, "d", &d), 0);
	assert_int_equal(d.attr.mode, S_IFDIR | 0555);
	assert_int_equal(d.attr.uid, 0);
	assert_int_equal(
		client_create(&c, d.nodeid, "new", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(client_mkdir(&c, d.nodeid, "nd", 0755, &e), 0);
	assert_int_equal(client_symlink(&c, d.nodeid, "l", "t", &e), 0);
	assert_int_equal(client_rename(&c, d.nodeid, "new", ROOT, "n", 0), 0);
	assert_int_equal(client_unlink(&c, d.nodeid, "l"), 0);
	assert_int_equal(host_mode("d"), 0555);
	assert_int_equal(client_lookup(&c, d.nodeid, "f", &f), 0);
	assert_int_equal(client_open(&c, f.nodeid, O_RDWR, &o), 0);
	assert_int_equal(client_write(&c, f.nodeid, o.fh, 0, "T", 0, 0), 1);
	assert_int_equal(client_chown(&c, f.nodeid, 3, 3, &a), 0);
	assert_int_equal(a.uid, 3);
	assert_int_equal(a.mode & 0777, 0400);
	assert_int_equal(host_mode("d/f"), 0400);
	client_stop(&c);
	/* not where the host's word is the guest's */
	client_start(&c, (struct fs_config){ .stat_virt = FS_STAT_OFF });
	assert_int_equal(client_lookup(&c, ROOT, "d", &d), 0);
	assert_int_equal(client_unlink(&c, d.nodeid, "f"), -EACCES);
	client_stop(&c);
	assert_int_equal(fchmodat(c.dirfd, "d", 0700, 0), 0);
}

static void t_unreadable(void **state)
{
	struct fs_config cfg = { .path = c.dir };
	struct fs_server *s;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(fchmod(c.dirfd, 0), 0);
	cfg.readonly = true;
	assert_int_equal(fs_server_new(&cfg, &s, &err), -EACCES);
	assert_non_null(strstr(err.msg, c.dir));
	assert_non_null(strstr(err.msg, "ermission denied"));
	assert_int_equal(err.kind, ERR_PERMISSION);
	assert_int_equal(fchmod(c.dirfd, 0700), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define U(f) cmocka_unit_test_setup_teardown(f, setup_user, teardown_user)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(t_private),	T(t_mirror),	    T(t_old_name),
		T(t_corrupt),	T(t_off),	    T(t_symlinks),
		T(t_owner_map), T(t_readonly),	    T(t_noexec),
		T(t_single),	T(t_single_linked), T(t_keep_cache),
		T(t_trust),	T(t_timeouts),	    T(t_refusals),
		T(t_no_xattrs), U(t_widen),	    U(t_unreadable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
