/* SPDX-License-Identifier: Apache-2.0 */
/* Every operation of the file server, in its default configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/str.h"
#include "client.h"

#define ROOT FUSE_ROOT_ID

static struct client c;

static int setup(void **state)
{
	(void)state;
	if (!client_dir(&c))
		return -1;
	client_start(&c, (struct fs_config){ 0 });
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	client_stop(&c);
	client_rmdir(&c);
	return 0;
}

static void t_init(void **state)
{
	struct fuse_init_in a = { .major = 7,
				  .minor = 45,
				  .max_readahead = 65536,
				  .flags = 0x7fffffff };
	struct fuse_init_out o;

	(void)state;
	assert_int_equal(client_call(&c, FUSE_INIT, 0, &a, sizeof(a), NULL, 0),
			 sizeof(o));
	memcpy(&o, c.out, sizeof(o));
	assert_int_equal(o.major, 7);
	assert_int_equal(o.max_write, 1 << 20);
	assert_int_equal(o.max_pages, 256);
	assert_int_equal(o.max_readahead, 65536);
	assert_true(o.flags & FUSE_HANDLE_KILLPRIV_V2);
	assert_true(o.flags & FUSE_DO_READDIRPLUS);
	assert_true(o.flags & FUSE_CACHE_SYMLINKS);
	assert_false(o.flags & (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS |
				FUSE_POSIX_ACL | FUSE_WRITEBACK_CACHE |
				FUSE_EXPORT_SUPPORT | FUSE_SUBMOUNTS));
	/* nothing that was not offered, also in the short form */
	a.flags = FUSE_BIG_WRITES;
	assert_int_equal(client_call(&c, FUSE_INIT, 0, &a, 16, NULL, 0),
			 sizeof(o));
	memcpy(&o, c.out, sizeof(o));
	assert_int_equal(o.flags, FUSE_BIG_WRITES);
	assert_int_equal(o.flags2, 0);
	a.minor = 20;
	assert_int_equal(client_call(&c, FUSE_INIT, 0, &a, 16, NULL, 0),
			 -EPROTO);
	a.major = 8;
	assert_int_equal(client_call(&c, FUSE_INIT, 0, &a, 16, NULL, 0),
			 sizeof(o));
	memcpy(&o, c.out, sizeof(o));
	assert_int_equal(o.major, 7);
}

static void t_create_read_write(void **state)
{
	struct fuse_entry_out e, e2;
	struct fuse_attr a;
	struct fuse_open_out o;
	uint64_t fh;

	(void)state;
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0640, &e, &fh),
			 0);
	assert_int_equal(e.attr.mode, S_IFREG | 0640);
	assert_int_equal(e.attr.uid, 0);
	assert_int_equal(e.entry_valid, 5);
	assert_int_equal(
		client_write(&c, e.nodeid, fh, 0, "hello world", O_RDWR, 0),
		11);
	assert_int_equal(client_read(&c, e.nodeid, fh, 6, 100), 5);
	assert_memory_equal(c.out, "world", 5);
	assert_int_equal(client_read(&c, e.nodeid, fh, 11, 100), 0);
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(a.size, 11);
	assert_int_equal(client_release(&c, e.nodeid, fh, false), 0);
	assert_int_equal(client_release(&c, e.nodeid, fh, false), -EBADF);
	assert_int_equal(client_read(&c, e.nodeid, fh, 0, 1), -EBADF);

	assert_int_equal(client_lookup(&c, ROOT, "f", &e2), 0);
	assert_int_equal(e2.nodeid, e.nodeid);
	assert_int_equal(client_lookup(&c, ROOT, "none", &e2), -ENOENT);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	assert_int_equal(client_write(&c, e.nodeid, o.fh, 0, "x", 0, 0),
			 -EBADF);
	/* an existing name: exclusive or as it is */
	assert_int_equal(
		client_create(&c, ROOT, "f", O_RDWR | O_EXCL, 0777, &e2, &fh),
		-EEXIST);
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0777, &e2, &fh),
			 0);
	assert_int_equal(e2.nodeid, e.nodeid);
	assert_int_equal(e2.attr.mode, S_IFREG | 0640);
	assert_int_equal(e2.attr.size, 11);
	assert_int_equal(
		client_create(&c, ROOT, "f", O_RDWR | O_TRUNC, 0, &e2, &fh), 0);
	assert_int_equal(e2.attr.size, 0);
}

static void t_append(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh;

	(void)state;
	assert_int_equal(
		client_create(&c, ROOT, "f", O_RDWR | O_APPEND, 0600, &e, &fh),
		0);
	assert_int_equal(
		client_write(&c, e.nodeid, fh, 0, "aaaa", O_RDWR | O_APPEND, 0),
		4);
	host_write(&c, "f", "host says ");
	/* the end is where the host has it, not where the guest thinks */
	assert_int_equal(
		client_write(&c, e.nodeid, fh, 4, "bbbb", O_RDWR | O_APPEND, 0),
		4);
	assert_int_equal(client_read(&c, e.nodeid, fh, 0, 100), 14);
	assert_memory_equal(c.out, "host says bbbb", 14);
	/* pages written back go where they belong */
	assert_int_equal(client_write(&c, e.nodeid, fh, 0, "HOST",
				      O_RDWR | O_APPEND, FUSE_WRITE_CACHE),
			 4);
	assert_int_equal(client_read(&c, e.nodeid, fh, 0, 100), 14);
	assert_memory_equal(c.out, "HOST says bbbb", 14);
}

static void t_dirs(void **state)
{
	struct fuse_entry_out d, e;
	uint64_t fh;

	(void)state;
	assert_int_equal(client_mkdir(&c, ROOT, "d", 02755, &d), 0);
	assert_int_equal(d.attr.mode, S_IFDIR | 02755);
	assert_int_equal(client_mkdir(&c, ROOT, "d", 0755, &e), -EEXIST);
	assert_int_equal(
		client_create(&c, d.nodeid, "f", O_RDWR, 0600, &e, &fh), 0);
	assert_int_equal(client_rmdir_at(&c, ROOT, "d"), -ENOTEMPTY);
	assert_int_equal(client_rmdir_at(&c, d.nodeid, "f"), -ENOTDIR);
	assert_int_equal(client_unlink(&c, d.nodeid, "f"), 0);
	assert_int_equal(client_unlink(&c, ROOT, "d"), -EISDIR);
	assert_int_equal(client_rmdir_at(&c, ROOT, "d"), 0);
	assert_int_equal(client_lookup(&c, ROOT, "d", &e), -ENOENT);
	assert_int_equal(client_lookup(&c, d.nodeid, "f", &e), -ENOENT);
	assert_int_equal(client_mkdir(&c, d.nodeid, "x", 0755, &e), -ENOENT);
}

static void t_setgid_dir(void **state)
{
	struct fuse_entry_out d, e;
	struct fuse_attr a;
	uint64_t fh;

	(void)state;
	assert_int_equal(client_mkdir(&c, ROOT, "d", 0777, &d), 0);
	assert_int_equal(client_chown(&c, d.nodeid, 5, 50, &a), 0);
	assert_int_equal(client_chmod(&c, d.nodeid, 02777, &a), 0);
	c.uid = c.gid = 7;
	assert_int_equal(
		client_create(&c, d.nodeid, "f", O_RDWR, 0600, &e, &fh), 0);
	assert_int_equal(e.attr.uid, 7);
	assert_int_equal(e.attr.gid, 50);
	assert_int_equal(client_mkdir(&c, d.nodeid, "s", 0755, &e), 0);
	assert_int_equal(e.attr.gid, 50);
	assert_int_equal(e.attr.mode, S_IFDIR | 02755);
}

static void t_rename(void **state)
{
	struct fuse_entry_out d, x, y, e;
	struct fuse_open_out o;
	uint64_t fx, fy;

	(void)state;
	assert_int_equal(client_mkdir(&c, ROOT, "d", 0755, &d), 0);
	assert_int_equal(
		client_create(&c, d.nodeid, "x", O_RDWR, 0600, &x, &fx), 0);
	assert_int_equal(client_create(&c, ROOT, "y", O_RDWR, 0600, &y, &fy),
			 0);
	assert_int_equal(client_write(&c, y.nodeid, fy, 0, "yyy", 0, 0), 3);
	assert_int_equal(client_release(&c, y.nodeid, fy, false), 0);
	assert_int_equal(
		client_rename(&c, d.nodeid, "x", ROOT, "y", RENAME_NOREPLACE),
		-EEXIST);
	assert_int_equal(
		client_rename(&c, d.nodeid, "x", ROOT, "z", RENAME_WHITEOUT),
		-EINVAL);
	assert_int_equal(
		client_rename(&c, d.nodeid, "x", ROOT, "y", RENAME_EXCHANGE),
		0);
	assert_int_equal(client_lookup(&c, ROOT, "y", &e), 0);
	assert_int_equal(e.nodeid, x.nodeid);
	/* a moved directory takes its children along */
	assert_int_equal(client_rename(&c, ROOT, "d", ROOT, "dd", 0), 0);
	assert_int_equal(client_open(&c, y.nodeid, O_RDONLY, &o), 0);
	assert_int_equal(client_release(&c, y.nodeid, o.fh, false), 0);
	/* an overwritten file lives on for who knows it */
	assert_int_equal(client_rename(&c, ROOT, "y", d.nodeid, "x", 0), 0);
	assert_int_equal(client_open(&c, y.nodeid, O_RDONLY, &o), 0);
	assert_int_equal(client_read(&c, y.nodeid, o.fh, 0, 10), 3);
	assert_memory_equal(c.out, "yyy", 3);
	assert_int_equal(client_lookup(&c, d.nodeid, "x", &e), 0);
	assert_int_equal(e.nodeid, x.nodeid);
}

static void t_unlinked(void **state)
{
	struct fuse_setattr_in sa = { .valid = FATTR_SIZE, .size = 2 };
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint64_t fh;

	(void)state;
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0600, &e, &fh),
			 0);
	assert_int_equal(client_write(&c, e.nodeid, fh, 0, "data", 0, 0), 4);
	assert_int_equal(client_unlink(&c, ROOT, "f"), 0);
	assert_false(host_exists(&c, "f"));
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(a.nlink, 0);
	assert_int_equal(client_setattr(&c, e.nodeid, &sa, &a), 0);
	assert_int_equal(a.size, 2);
	assert_int_equal(client_chmod(&c, e.nodeid, 04755, &a), 0);
	assert_int_equal(a.mode, S_IFREG | 04755);
	assert_int_equal(client_read(&c, e.nodeid, fh, 0, 10), 2);
	/* and without a handle, until forgotten */
	assert_int_equal(client_release(&c, e.nodeid, fh, false), 0);
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	client_forget(&c, e.nodeid, 1);
	assert_int_equal(client_getattr(&c, e.nodeid, &a), -ESTALE);
}

static void t_links(void **state)
{
	struct fuse_entry_out e, l, s;
	struct fuse_attr a;
	uint64_t fh;

	(void)state;
	assert_int_equal(client_create(&c, ROOT, "a", O_RDWR, 0600, &e, &fh),
			 0);
	assert_int_equal(client_link(&c, e.nodeid, ROOT, "b", &l), 0);
	assert_int_equal(l.nodeid, e.nodeid);
	assert_int_equal(l.attr.nlink, 2);
	assert_int_equal(client_link(&c, e.nodeid, ROOT, "b", &l), -EEXIST);
	assert_int_equal(client_chown(&c, l.nodeid, 5, 5, &a), 0);
	assert_int_equal(client_lookup(&c, ROOT, "a", &e), 0);
	assert_int_equal(e.attr.uid, 5);
	/* the name known last goes, the other still works */
	assert_int_equal(client_unlink(&c, ROOT, "a"), 0);
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(a.nlink, 1);

	assert_int_equal(client_symlink(&c, ROOT, "s", "/no/such", &s), 0);
	assert_int_equal(s.attr.mode, S_IFLNK | 0777);
	assert_int_equal(s.attr.size, 8);
	assert_int_equal(
		client_call(&c, FUSE_READLINK, s.nodeid, NULL, 0, NULL, 0), 8);
	assert_memory_equal(c.out, "/no/such", 8);
	assert_int_equal(
		client_call(&c, FUSE_READLINK, e.nodeid, NULL, 0, NULL, 0),
		-EINVAL);
	assert_int_equal(client_symlink(&c, ROOT, "t", "", &s), -ENOENT);
}

static void t_mknod(void **state)
{
	struct fuse_entry_out e;
	struct stat st;

	(void)state;
	assert_int_equal(client_mknod(&c, ROOT, "n", S_IFCHR | 0666, 0x103, &e),
			 0);
	assert_int_equal(e.attr.mode, S_IFCHR | 0666);
	assert_int_equal(e.attr.rdev, 0x103);
	host_stat(&c, "n", &st);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(client_mknod(&c, ROOT, "p", S_IFIFO | 0600, 9, &e), 0);
	assert_int_equal(e.attr.mode, S_IFIFO | 0600);
	assert_int_equal(e.attr.rdev, 0);
	assert_int_equal(client_mknod(&c, ROOT, "r", 0644, 0, &e), 0);
	assert_int_equal(e.attr.mode, S_IFREG | 0644);
	assert_int_equal(client_mknod(&c, ROOT, "d", S_IFDIR | 0755, 0, &e),
			 -EINVAL);
	assert_int_equal(client_unlink(&c, ROOT, "n"), 0);
}

static void t_setattr(void **state)
{
	struct fuse_setattr_in sa = { .valid = FATTR_SIZE | FATTR_MTIME |
					       FATTR_ATIME,
				      .size = 100,
				      .mtime = 1000000000,
				      .mtimensec = 5,
				      .atime = 999 };
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint64_t fh;

	(void)state;
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0600, &e, &fh),
			 0);
	assert_int_equal(client_setattr(&c, e.nodeid, &sa, &a), 0);
	assert_int_equal(a.size, 100);
	assert_int_equal(a.mtime, 1000000000);
	assert_int_equal(a.mtimensec, 5);
	assert_int_equal(a.atime, 999);
	sa.valid = FATTR_MTIME;
	sa.mtimensec = 0x3fffffff; /* UTIME_NOW */
	assert_int_equal(client_setattr(&c, e.nodeid, &sa, &a), -EINVAL);
	sa.valid = FATTR_MTIME | FATTR_MTIME_NOW;
	sa.mtimensec = 0;
	assert_int_equal(client_setattr(&c, e.nodeid, &sa, &a), 0);
	assert_true(a.mtime > 1000000000);
	assert_int_equal(a.atime, 999);
	sa = (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = ~0ull };
	assert_int_equal(client_setattr(&c, e.nodeid, &sa, &a), -EFBIG);
	assert_int_equal(client_setattr(&c, ROOT, &sa, &a), -EFBIG);
	sa.size = 0;
	assert_int_equal(client_setattr(&c, ROOT, &sa, &a), -EISDIR);
}

static void t_kill_priv(void **state)
{
	struct fuse_setattr_in sa = { .valid =
					      FATTR_SIZE | FATTR_KILL_SUIDGID };
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint64_t fh;

	(void)state;
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0600, &e, &fh),
			 0);
	assert_int_equal(client_chmod(&c, e.nodeid, 06755, &a), 0);
	assert_int_equal(client_write(&c, e.nodeid, fh, 0, "x", 0, 0), 1);
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(a.mode & 07777, 06755);
	assert_int_equal(client_write(&c, e.nodeid, fh, 0, "x", 0,
				      FUSE_WRITE_KILL_SUIDGID),
			 1);
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(a.mode & 07777, 0755);
	/* mandatory locking bits are not privileges */
	assert_int_equal(client_chmod(&c, e.nodeid, 06644, &a), 0);
	assert_int_equal(client_setattr(&c, e.nodeid, &sa, &a), 0);
	assert_int_equal(a.mode & 07777, 02644);
	assert_int_equal(client_chmod(&c, e.nodeid, 04755, &a), 0);
	assert_int_equal(client_chown(&c, e.nodeid, 1, 1, &a), 0);
	assert_int_equal(a.mode & 07777, 0755);
}

static void t_space(void **state)
{
	struct fuse_fallocate_in fa = { .length = 65536 };
	struct fuse_lseek_in sk = { .whence = SEEK_HOLE };
	struct fuse_copy_file_range_in cp = { .len = 5 };
	struct fuse_entry_out e, e2;
	struct fuse_lseek_out so;
	struct fuse_attr a;
	uint64_t fh, fh2;

	(void)state;
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0600, &e, &fh),
			 0);
	assert_int_equal(client_create(&c, ROOT, "g", O_RDWR, 0600, &e2, &fh2),
			 0);
	assert_int_equal(client_write(&c, e.nodeid, fh, 0, "hello", 0, 0), 5);
	fa.fh = sk.fh = fh;
	assert_int_equal(client_call(&c, FUSE_FALLOCATE, e.nodeid, &fa,
				     sizeof(fa), NULL, 0),
			 0);
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(a.size, 65536);
	assert_int_equal(
		client_call(&c, FUSE_LSEEK, e.nodeid, &sk, sizeof(sk), NULL, 0),
		sizeof(so));
	memcpy(&so, c.out, sizeof(so));
	assert_true(so.offset >= 5 && so.offset <= 65536);
	sk.whence = SEEK_SET;
	assert_int_equal(
		client_call(&c, FUSE_LSEEK, e.nodeid, &sk, sizeof(sk), NULL, 0),
		-EINVAL);
	cp.fh_in = fh;
	cp.fh_out = fh2;
	cp.nodeid_out = e2.nodeid;
	assert_int_equal(client_call(&c, FUSE_COPY_FILE_RANGE, e.nodeid, &cp,
				     sizeof(cp), NULL, 0),
			 sizeof(struct fuse_write_out));
	assert_int_equal(client_read(&c, e2.nodeid, fh2, 0, 10), 5);
	assert_memory_equal(c.out, "hello", 5);
}

static void t_misc(void **state)
{
	struct fuse_fsync_in fy = { .fsync_flags = FUSE_FSYNC_FDATASYNC };
	struct fuse_flush_in fl = { 0 };
	struct fuse_statfs_out sf;
	struct fuse_access_in ac = { .mask = R_OK | W_OK };
	struct fuse_entry_out e;
	struct statvfs sv;
	uint64_t fh, dh;

	(void)state;
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0640, &e, &fh),
			 0);
	fy.fh = fl.fh = fh;
	assert_int_equal(
		client_call(&c, FUSE_FSYNC, e.nodeid, &fy, sizeof(fy), NULL, 0),
		0);
	assert_int_equal(
		client_call(&c, FUSE_FLUSH, e.nodeid, &fl, sizeof(fl), NULL, 0),
		0);
	assert_int_equal(client_call(&c, FUSE_FSYNCDIR, e.nodeid, &fy,
				     sizeof(fy), NULL, 0),
			 -EBADF);
	assert_int_equal(client_opendir(&c, ROOT, &dh), 0);
	fy.fh = dh;
	assert_int_equal(
		client_call(&c, FUSE_FSYNCDIR, ROOT, &fy, sizeof(fy), NULL, 0),
		0);
	assert_int_equal(client_call(&c, FUSE_STATFS, ROOT, NULL, 0, NULL, 0),
			 sizeof(sf));
	memcpy(&sf, c.out, sizeof(sf));
	assert_int_equal(fstatvfs(c.dirfd, &sv), 0);
	assert_int_equal(sf.st.blocks, sv.f_blocks);
	assert_int_equal(sf.st.namelen, 255);
	assert_int_equal(client_call(&c, FUSE_ACCESS, e.nodeid, &ac, sizeof(ac),
				     NULL, 0),
			 0);
	ac.mask = X_OK;
	assert_int_equal(client_call(&c, FUSE_ACCESS, e.nodeid, &ac, sizeof(ac),
				     NULL, 0),
			 -EACCES);
	c.uid = 9;
	ac.mask = R_OK;
	assert_int_equal(client_call(&c, FUSE_ACCESS, e.nodeid, &ac, sizeof(ac),
				     NULL, 0),
			 0); /* by group */
	c.gid = 9;
	assert_int_equal(client_call(&c, FUSE_ACCESS, e.nodeid, &ac, sizeof(ac),
				     NULL, 0),
			 -EACCES);
	assert_int_equal(
		client_call(&c, FUSE_GETLK, e.nodeid, NULL, 0, NULL, 0),
		-ENOSYS);
	assert_int_equal(client_call(&c, FUSE_INTERRUPT, 0, NULL, 0, NULL, 0),
			 0);
	assert_int_equal(client_call(&c, FUSE_DESTROY, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), -EIO);
}

static void t_tmpfile(void **state)
{
	struct fuse_create_in a = { .flags = O_RDWR, .mode = S_IFREG | 0644 };
	struct {
		struct fuse_entry_out e;
		struct fuse_open_out o;
	} ret;
	struct fuse_entry_out l;
	struct fuse_attr at;
	ssize_t n = client_call(&c, FUSE_TMPFILE, ROOT, &a, sizeof(a), "/", 2);

	(void)state;
	if (n == -EOPNOTSUPP)
		skip(); /* the host's file system has none */
	assert_int_equal(n, sizeof(ret));
	memcpy(&ret, c.out, sizeof(ret));
	assert_int_equal(ret.e.attr.mode, S_IFREG | 0644);
	assert_int_equal(ret.e.attr.nlink, 0);
	assert_int_equal(client_write(&c, ret.e.nodeid, ret.o.fh, 0, "t", 0, 0),
			 1);
	assert_int_equal(client_release(&c, ret.e.nodeid, ret.o.fh, false), 0);
	assert_int_equal(client_getattr(&c, ret.e.nodeid, &at), 0);
	assert_int_equal(client_link(&c, ret.e.nodeid, ROOT, "t", &l), 0);
	assert_int_equal(l.nodeid, ret.e.nodeid);
	assert_int_equal(l.attr.size, 1);
}

static void t_statx(void **state)
{
	uint8_t arg[24] = { 0 };
	struct fuse_entry_out e;
	uint32_t mask;
	uint16_t mode;

	(void)state;
	assert_int_equal(client_mknod(&c, ROOT, "f", S_IFIFO | 0611, 0, &e), 0);
	assert_int_equal(
		client_call(&c, 52, e.nodeid, arg, sizeof(arg), NULL, 0), 288);
	memcpy(&mask, c.out + 32, sizeof(mask));
	assert_int_equal(mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	memcpy(&mode, c.out + 60, sizeof(mode));
	assert_int_equal(mode, S_IFIFO | 0611);
}

struct listing {
	unsigned n;
	uint64_t last_off;
	unsigned types[16]; /* by DT_ value */
	bool seen[2048];
};

/* One READDIR(PLUS) from off into *l; names are numbers or dots. */
static bool list_some(uint64_t fh, uint64_t off, bool plus, uint32_t size,
		      struct listing *l)
{
	struct fuse_read_in a = { .fh = fh, .offset = off, .size = size };
	ssize_t n = client_call(&c, plus ? FUSE_READDIRPLUS : FUSE_READDIR,
				ROOT, &a, sizeof(a), NULL, 0);

	assert_true(n >= 0);
	for (size_t at = 0; at < (size_t)n;) {
		struct fuse_entry_out e;
		struct fuse_dirent d;
		char name[256] = { 0 };
		uint32_t number = 0;

		if (plus) {
			memcpy(&e, c.out + at, sizeof(e));
			at += sizeof(e);
		}
		memcpy(&d, c.out + at, FUSE_NAME_OFFSET);
		memcpy(name, c.out + at + FUSE_NAME_OFFSET, d.namelen);
		at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + d.namelen);
		l->last_off = d.off;
		l->types[d.type & 15]++;
		if (name[0] == '.')
			continue;
		l->n++;
		assert_int_equal(str_to_u32(name, &number), 0);
		assert_true(number < ARRAY_SIZE(l->seen));
		assert_false(l->seen[number]);
		l->seen[number] = true;
		if (plus) {
			assert_true(e.nodeid > 1);
			client_forget(&c, e.nodeid, 1);
		}
	}
	return n > 0;
}

static void list_all(bool plus, uint32_t size, unsigned expect)
{
	struct listing l = { 0 };
	uint64_t fh;

	assert_int_equal(client_opendir(&c, ROOT, &fh), 0);
	while (list_some(fh, l.last_off, plus, size, &l))
		;
	assert_int_equal(l.n, expect);
	/* rewind reads the directory again */
	host_write(&c, "2000", "");
	l = (struct listing){ 0 };
	while (list_some(fh, l.last_off, plus, size, &l))
		;
	assert_int_equal(l.n, expect + 1);
	assert_int_equal(unlinkat(c.dirfd, "2000", 0), 0);
	assert_int_equal(client_release(&c, ROOT, fh, true), 0);
}

static void t_readdir(void **state)
{
	struct fuse_entry_out e;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%d", i);
		host_write(&c, name, "");
	}
	list_all(false, 4096, 1000);
	list_all(false, 1 << 20, 1000);
	list_all(true, 4096, 1000);
	/* every reference was given back */
	assert_int_equal(client_lookup(&c, ROOT, "5", &e), 0);
	client_forget(&c, e.nodeid, 1);
	assert_int_equal(client_open(&c, e.nodeid, 0, NULL), -ESTALE);
}

static void t_readdir_interleaved(void **state)
{
	struct listing a = { 0 }, b = { 0 };
	bool more_a = true, more_b = true;
	struct fuse_entry_out e;
	uint64_t fa, fb;

	(void)state;
	for (int i = 0; i < 500; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%d", i);
		host_write(&c, name, "");
	}
	assert_int_equal(client_mknod(&c, ROOT, "500", S_IFSOCK, 0, &e), 0);
	assert_int_equal(client_opendir(&c, ROOT, &fa), 0);
	assert_int_equal(client_opendir(&c, ROOT, &fb), 0);
	while (more_a || more_b) {
		more_a = list_some(fa, a.last_off, false, 1000, &a);
		more_b = list_some(fb, b.last_off, true, 5000, &b);
	}
	assert_int_equal(a.n, 501);
	assert_int_equal(b.n, 501);
	assert_int_equal(a.types[DT_SOCK], 1);
	assert_int_equal(b.types[DT_SOCK], 1);
	assert_int_equal(a.types[DT_DIR], 2);
	/* a buffer too small for one entry must not look like the end */
	assert_int_equal(
		client_call(&c, FUSE_READDIR, ROOT,
			    &(struct fuse_read_in){ .fh = fa, .size = 24 },
			    sizeof(struct fuse_read_in), NULL, 0),
		-EINVAL);
}

static int set_xattr(uint64_t node, const char *name, const char *value)
{
	uint32_t head[2] = { (uint32_t)strlen(value), 0 };
	char data[600];
	size_t len = strlen(name) + 1;

	memcpy(data, name, len);
	memcpy(data + len, value, head[0]);
	return (int)client_call(&c, FUSE_SETXATTR, node, head, sizeof(head),
				data, len + head[0]);
}

static ssize_t get_xattr(uint64_t node, const char *name, uint32_t size)
{
	struct fuse_getxattr_in a = { .size = size };

	return client_call(&c, FUSE_GETXATTR, node, &a, sizeof(a), name,
			   strlen(name) + 1);
}

static void t_xattr(void **state)
{
	static const char *const hidden[] = { "user.msb.override_stat",
					      "user.containers.override_stat",
					      "user.msb._probe",
					      "user.containers._probe" };
	struct fuse_getxattr_in a = { .size = 100 };
	struct fuse_getxattr_out o;
	struct fuse_entry_out e;
	uint64_t fh;

	(void)state;
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0444, &e, &fh),
			 0);
	assert_int_equal(set_xattr(e.nodeid, "user.foo", "bar"), 0);
	assert_int_equal(get_xattr(e.nodeid, "user.foo", 0), sizeof(o));
	memcpy(&o, c.out, sizeof(o));
	assert_int_equal(o.size, 3);
	assert_int_equal(get_xattr(e.nodeid, "user.foo", 2), -ERANGE);
	assert_int_equal(get_xattr(e.nodeid, "user.foo", 10), 3);
	assert_memory_equal(c.out, "bar", 3);
	assert_int_equal(get_xattr(e.nodeid, "user.none", 10), -ENODATA);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(set_xattr(e.nodeid, hidden[i], "x"), -EACCES);
		assert_int_equal(get_xattr(e.nodeid, hidden[i], 100), -EACCES);
		assert_int_equal(client_call(&c, FUSE_REMOVEXATTR, e.nodeid,
					     NULL, 0, hidden[i],
					     strlen(hidden[i]) + 1),
				 -EACCES);
	}
	assert_int_equal(set_xattr(e.nodeid, "security.capability", "x"),
			 -EOPNOTSUPP);
	assert_int_equal(set_xattr(e.nodeid, "trusted.x", "x"), -EOPNOTSUPP);
	assert_int_equal(get_xattr(e.nodeid, "system.posix_acl_access", 0),
			 -EOPNOTSUPP);
	assert_int_equal(client_call(&c, FUSE_LISTXATTR, e.nodeid, &a,
				     sizeof(a), NULL, 0),
			 9);
	assert_memory_equal(c.out, "user.foo", 9);
	a.size = 0;
	assert_int_equal(client_call(&c, FUSE_LISTXATTR, e.nodeid, &a,
				     sizeof(a), NULL, 0),
			 sizeof(o));
	memcpy(&o, c.out, sizeof(o));
	assert_int_equal(o.size, 9);
	assert_int_equal(client_call(&c, FUSE_REMOVEXATTR, e.nodeid, NULL, 0,
				     "user.foo", 9),
			 0);
	assert_int_equal(get_xattr(e.nodeid, "user.foo", 10), -ENODATA);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(t_init),
		T(t_create_read_write),
		T(t_append),
		T(t_dirs),
		T(t_setgid_dir),
		T(t_rename),
		T(t_unlinked),
		T(t_links),
		T(t_mknod),
		T(t_setattr),
		T(t_kill_priv),
		T(t_space),
		T(t_misc),
		T(t_tmpfile),
		T(t_statx),
		T(t_readdir),
		T(t_readdir_interleaved),
		T(t_xattr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
