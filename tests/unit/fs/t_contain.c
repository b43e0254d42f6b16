/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that wants out, a host that changes under way, and their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/compiler.h"
#include "client.h"

#define ROOT FUSE_ROOT_ID

static struct client c;
static struct rlimit saved;

static int setup(void **state)
{
	(void)state;
	if (!client_dir(&c))
		return -1;
	client_start(&c, (struct fs_config){ 0 });
	return 0;
}

/* Few descriptors: the server keeps 16 names open at most. */
static int setup_poor(void **state)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &saved))
		return -1;
	rl = saved;
	rl.rlim_cur = 64;
	if (setrlimit(RLIMIT_NOFILE, &rl))
		return -1;
	return setup(state);
}

static int teardown(void **state)
{
	(void)state;
	client_stop(&c);
	client_rmdir(&c);
	return 0;
}

static int teardown_poor(void **state)
{
	int rc = setrlimit(RLIMIT_NOFILE, &saved);

	return teardown(state) || rc ? -1 : 0;
}

static const char *number(int i)
{
	static char name[16];

	(void)snprintf(name, sizeof(name), "%d", i);
	return name;
}

static void t_names(void **state)
{
	char name[8193];
	struct fuse_entry_out e;
	uint64_t fh;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	assert_int_equal(client_lookup(&c, ROOT, name, &e), -ENAMETOOLONG);
	name[256] = 0;
	assert_int_equal(client_mkdir(&c, ROOT, name, 0700, &e), -ENAMETOOLONG);
	name[255] = 0;
	assert_int_equal(client_mkdir(&c, ROOT, name, 0700, &e), 0);
	assert_int_equal(client_lookup(&c, ROOT, "..", &e), -EPERM);
	assert_int_equal(client_lookup(&c, ROOT, "a/b", &e), -EPERM);
	assert_int_equal(client_lookup(&c, ROOT, "/etc", &e), -EPERM);
	assert_int_equal(client_lookup(&c, ROOT, "", &e), -EINVAL);
	assert_int_equal(client_lookup(&c, ROOT, ".", &e), -EINVAL);
	assert_int_equal(client_create(&c, ROOT, "../x", O_RDWR, 0600, &e, &fh),
			 -EPERM);
	assert_int_equal(client_rename(&c, ROOT, name, ROOT, "../x", 0),
			 -EPERM);
	assert_int_equal(client_rename(&c, ROOT, "..", ROOT, "x", 0), -EPERM);
	assert_int_equal(client_rmdir_at(&c, ROOT, "."), -EINVAL);
	assert_int_equal(client_mkdir(&c, ROOT, "back\\slash", 0700, &e), 0);
	assert_int_equal(client_mkdir(&c, ROOT, "\377\376", 0700, &e), 0);
	/* no NUL at the end */
	assert_int_equal(client_call(&c, FUSE_LOOKUP, ROOT, NULL, 0, "abc", 3),
			 -EINVAL);
	assert_int_equal(client_call(&c, FUSE_RENAME, ROOT, "\1\0\0\0\0\0\0\0",
				     8, "a\0b", 3),
			 -EINVAL);
}

static void t_links_out(void **state)
{
	struct fuse_entry_out l, e;
	struct fuse_attr a;
	uint64_t fh;

	(void)state;
	assert_int_equal(symlinkat("/", c.dirfd, "root"), 0);
	assert_int_equal(symlinkat("/etc/passwd", c.dirfd, "pw"), 0);
	assert_int_equal(client_lookup(&c, ROOT, "root", &l), 0);
	assert_int_equal(client_lookup(&c, l.nodeid, "etc", &e), -ENOTDIR);
	assert_int_equal(client_opendir(&c, l.nodeid, &fh), -ENOTDIR);
	assert_int_equal(client_mkdir(&c, l.nodeid, "x", 0700, &e), -ENOTDIR);
	assert_int_equal(client_lookup(&c, ROOT, "pw", &l), 0);
	assert_int_equal(
		client_setattr(&c, l.nodeid,
			       &(struct fuse_setattr_in){ .valid = FATTR_SIZE },
			       &a),
		-EINVAL);
	assert_int_equal(client_create(&c, ROOT, "pw", O_RDWR, 0600, &e, &fh),
			 -ESTALE);
}

static void t_special(void **state)
{
	struct fuse_entry_out e;
	struct fuse_open_out o;
	struct fuse_attr a;
	uint64_t fh;

	(void)state;
	assert_int_equal(mkfifoat(c.dirfd, "p", 0666), 0);
	assert_int_equal(client_lookup(&c, ROOT, "p", &e), 0);
	assert_int_equal(e.attr.mode & S_IFMT, S_IFIFO);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), -ENXIO);
	assert_int_equal(client_open(&c, e.nodeid, O_WRONLY, &o), -ENXIO);
	assert_int_equal(client_create(&c, ROOT, "p", O_RDWR, 0600, &e, &fh),
			 -ESTALE);
	assert_int_equal(
		client_setattr(&c, e.nodeid,
			       &(struct fuse_setattr_in){ .valid = FATTR_SIZE },
			       &a),
		-EINVAL);
	assert_true(client_chmod(&c, e.nodeid, 0600, &a) < 0);
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(client_unlink(&c, ROOT, "p"), 0);
}

static void t_forged_ids(void **state)
{
	static const uint64_t ids[] = { 0, 3, 1ull << 32 | 1, ~0ull,
					1ull << 63 };
	struct fuse_entry_out e, f;
	struct fuse_open_out o;
	struct fuse_attr a;
	uint64_t fh, dh;

	(void)state;
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0600, &f, &fh),
			 0);
	assert_int_equal(client_opendir(&c, ROOT, &dh), 0);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		assert_int_equal(client_lookup(&c, ids[i], "f", &e), -ESTALE);
		assert_int_equal(client_getattr(&c, ids[i], &a), -ESTALE);
		assert_int_equal(client_read(&c, f.nodeid, ids[i], 0, 10),
				 -EBADF);
		assert_int_equal(client_release(&c, f.nodeid, ids[i], true),
				 -EBADF);
		assert_int_equal(client_rename(&c, ROOT, "f", ids[i], "g", 0),
				 -ESTALE);
		assert_int_equal(client_link(&c, ids[i], ROOT, "g", &e),
				 -ESTALE);
		client_forget(&c, ids[i], 1);
	}
	/* handles of the other kind, or of another file */
	assert_int_equal(client_read(&c, ROOT, dh, 0, 10), -EBADF);
	assert_int_equal(client_read(&c, ROOT, fh, 0, 10), -EBADF);
	assert_int_equal(client_release(&c, f.nodeid, fh, true), -EBADF);
	/* a forgotten inode with an open file is gone for the guest only */
	client_forget(&c, f.nodeid, ~0ull);
	assert_int_equal(client_open(&c, f.nodeid, O_RDONLY, &o), -ESTALE);
	assert_int_equal(client_release(&c, f.nodeid, fh, false), 0);
	/* and its id is not used again */
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), 0);
	assert_int_not_equal(e.nodeid, f.nodeid);
	client_forget(&c, ROOT, ~0ull);
	assert_int_equal(client_getattr(&c, ROOT, &a), 0);
}

/* Every operation with every length of request and reply. */
static void t_truncated(void **state)
{
	uint8_t in[400] = { 0 }, out[512];
	struct fuse_in_header h = { .nodeid = ROOT, .unique = 1 };

	(void)state;
	host_write(&c, "f", "data");
	for (uint32_t op = 0; op < 60; op++) {
		if (op == FUSE_DESTROY)
			continue;
		h.opcode = op;
		for (size_t len = 0; len < sizeof(in); len += 4) {
			h.len = (uint32_t)len;
			memcpy(in, &h, sizeof(h));
			assert_true(client_raw(&c, in, len, out, 0) == 0);
			assert_true(client_raw(&c, in, len, out, 15) == 0);
			assert_true(client_raw(&c, in, len, out, 16) <= 16);
			assert_true(client_raw(&c, in, len, out, sizeof(out)) <=
				    (ssize_t)sizeof(out));
			/* a length that is not there */
			h.len = (uint32_t)len + 4;
			memcpy(in, &h, sizeof(h));
			if (len >= sizeof(h) && op != FUSE_FORGET &&
			    op != FUSE_BATCH_FORGET && op != FUSE_INTERRUPT)
				assert_int_equal(client_raw(&c, in, len, out,
							    sizeof(out)),
						 16);
		}
	}
	assert_true(host_exists(&c, "f"));
}

static void t_huge_sizes(void **state)
{
	struct fuse_write_in wr = { .size = ~0u };
	uint32_t sx[2] = { ~0u, 0 };
	struct fuse_batch_forget_in bf = { .count = ~0u };
	struct fuse_forget_one one = { .nodeid = ROOT, .nlookup = 5 };
	struct fuse_entry_out e;
	uint64_t fh;

	(void)state;
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0600, &e, &fh),
			 0);
	wr.fh = fh;
	assert_int_equal(
		client_call(&c, FUSE_WRITE, e.nodeid, &wr, sizeof(wr), "x", 1),
		-EINVAL);
	assert_int_equal(client_read(&c, e.nodeid, fh, ~0ull, ~0u), -EINVAL);
	assert_int_equal(client_read(&c, e.nodeid, fh, 0, ~0u), 0);
	assert_int_equal(client_call(&c, FUSE_SETXATTR, e.nodeid, sx,
				     sizeof(sx), "user.x\0v", 8),
			 -EINVAL);
	memset(c.out, 'x', sizeof(c.out));
	assert_int_equal(client_call(&c, FUSE_SETXATTR, e.nodeid, sx,
				     sizeof(sx), c.out, 100000),
			 -E2BIG);
	assert_int_equal(client_call(&c, FUSE_BATCH_FORGET, 0, &bf, sizeof(bf),
				     &one, sizeof(one)),
			 0);
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), 0);
}

static void t_many_files(void **state)
{
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint64_t ids[1000], sub;
	size_t fds;

	(void)state;
	assert_int_equal(client_mkdir(&c, ROOT, "sub", 0755, &e), 0);
	sub = e.nodeid;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(
			client_mknod(&c, sub, number(i), S_IFREG | 0600, 0, &e),
			0);
		ids[i] = e.nodeid;
	}
	fds = open_fds();
	assert_true(fds < 40);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(client_getattr(&c, ids[i], &a), 0);
	assert_true(open_fds() < 40);
	/* all handles the limit allows; then an error, and no harm done */
	for (int i = 0; i < 1000; i++) {
		struct fuse_open_out o;
		int rc = client_open(&c, ids[i], O_RDONLY, &o);

		if (rc) {
			assert_int_equal(rc, -EMFILE);
			assert_true(i > 30);
			break;
		}
		assert_true(i < 64);
	}
	for (int i = 0; i < 10; i++) {
		uint64_t fh;
		int rc = client_create(&c, ROOT, number(i), O_RDWR, 0600, &e,
				       &fh);

		if (rc == -EMFILE) {
			assert_false(host_exists(&c, number(i)));
			return;
		}
		assert_int_equal(rc, 0);
	}
	fail();
}

static void t_deep(void **state)
{
	struct fuse_entry_out e = { .nodeid = ROOT }, f;
	uint64_t mid = 0;
	struct fuse_attr a;

	(void)state;
	for (int i = 0; i < 300; i++) {
		assert_int_equal(client_mkdir(&c, e.nodeid, "d", 0700, &e), 0);
		if (i == 150)
			mid = e.nodeid;
	}
	for (int i = 0; i < 100; i++) /* push the path out of the cache */
		assert_int_equal(client_mkdir(&c, ROOT, number(i), 0700, &f),
				 0);
	assert_int_equal(client_getattr(&c, e.nodeid, &a), 0);
	assert_int_equal(client_rename(&c, mid, "d", ROOT, "up", 0), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(client_lookup(&c, ROOT, number(i), &f), 0);
	assert_int_equal(client_mkdir(&c, e.nodeid, "x", 0700, &f), 0);
	assert_true(open_fds() < 40);
}

/* The host swaps a known directory for a link to outside. */
static void t_swapped_dir(void **state)
{
	struct fuse_entry_out d, e;
	struct fuse_attr a;

	(void)state;
	assert_int_equal(client_mkdir(&c, ROOT, "d", 0700, &d), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(client_mkdir(&c, ROOT, number(i), 0700, &e),
				 0);
	assert_int_equal(renameat(c.dirfd, "d", c.dirfd, "was"), 0);
	assert_int_equal(client_lookup(&c, d.nodeid, "passwd", &e), -ESTALE);
	assert_int_equal(symlinkat("/etc", c.dirfd, "d"), 0);
	assert_int_equal(client_lookup(&c, d.nodeid, "passwd", &e), -ESTALE);
	assert_int_equal(client_getattr(&c, d.nodeid, &a), -ESTALE);
	/* found again under its new name, with its old id */
	assert_int_equal(client_lookup(&c, ROOT, "was", &e), 0);
	assert_int_equal(e.nodeid, d.nodeid);
	assert_int_equal(client_getattr(&c, d.nodeid, &a), 0);
	/* another file under a known name is another inode */
	assert_int_equal(unlinkat(c.dirfd, "d", 0), 0);
	assert_int_equal(mkdirat(c.dirfd, "d", 0700), 0);
	assert_int_equal(client_lookup(&c, ROOT, "d", &e), 0);
	assert_int_not_equal(e.nodeid, d.nodeid);
}

/* What the host did to a file since the guest looked shows at open. */
static void t_changed_file(void **state)
{
	struct fuse_entry_out e, e2;
	struct fuse_open_out o;

	(void)state;
	host_write(&c, "f", "one");
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), 0);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	host_write(&c, "f", "longer");
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), -ESTALE);
	assert_int_equal(client_lookup(&c, ROOT, "f", &e2), 0);
	assert_int_equal(e2.nodeid, e.nodeid);
	assert_int_equal(e2.attr.size, 6);
	assert_int_equal(client_open(&c, e.nodeid, O_RDWR, &o), 0);
	/* what the guest does itself is no surprise to it */
	assert_int_equal(client_write(&c, e.nodeid, o.fh, 6, "est", 0, 0), 3);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	/* one that cannot look again is let in */
	assert_int_equal(client_lookup(&c, ROOT, "f", &e2), 0);
	host_write(&c, "f", "x");
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), -ESTALE);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	assert_int_equal(client_read(&c, e.nodeid, o.fh, 0, 100), 1);
	/* and so is one that has looked, and is overtaken again */
	assert_int_equal(client_lookup(&c, ROOT, "f", &e2), 0);
	host_write(&c, "f", "xy");
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), -ESTALE);
	assert_int_equal(client_lookup(&c, ROOT, "f", &e2), 0);
	host_write(&c, "f", "xyz");
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), -ESTALE);
	assert_int_equal(client_open(&c, e.nodeid, O_RDONLY, &o), 0);
	/* replaced: neither read nor overwritten is the old one */
	assert_int_equal(client_lookup(&c, ROOT, "f", &e2), 0);
	host_write(&c, "g", "other");
	assert_int_equal(renameat(c.dirfd, "g", c.dirfd, "f"), 0);
	assert_int_equal(client_open(&c, e.nodeid, O_WRONLY | O_TRUNC, &o),
			 -ESTALE);
	assert_int_equal(client_lookup(&c, ROOT, "f", &e2), 0);
	assert_int_not_equal(e2.nodeid, e.nodeid);
	assert_int_equal(client_open(&c, e2.nodeid, O_RDONLY, &o), 0);
	assert_int_equal(client_read(&c, e2.nodeid, o.fh, 0, 100), 5);
}

/* Stale names would make each of two directories the parent of the other. */
static void t_cycle(void **state)
{
	struct fuse_entry_out ea, eb, e;
	struct fuse_attr a;

	(void)state;
	assert_int_equal(client_mkdir(&c, ROOT, "a", 0700, &ea), 0);
	assert_int_equal(client_mkdir(&c, ea.nodeid, "b", 0700, &eb), 0);
	assert_int_equal(renameat(c.dirfd, "a/b", c.dirfd, "b"), 0);
	assert_int_equal(renameat(c.dirfd, "a", c.dirfd, "b/a"), 0);
	assert_int_equal(client_lookup(&c, eb.nodeid, "a", &e), 0);
	assert_int_equal(e.nodeid, ea.nodeid);
	for (int i = 0; i < 100; i++)
		assert_int_equal(client_mkdir(&c, ROOT, number(i), 0700, &e),
				 0);
	assert_int_equal(client_getattr(&c, ea.nodeid, &a), -ESTALE);
	assert_int_equal(client_lookup(&c, ROOT, "b", &e), 0);
	assert_int_equal(client_lookup(&c, eb.nodeid, "a", &e), 0);
	assert_int_equal(client_getattr(&c, ea.nodeid, &a), 0);
}

/* Removed files a guest still knows cost descriptors; there is an end to it. */
static void t_pins(void **state)
{
	uint64_t ids[100], fh;
	struct fuse_entry_out e;
	struct fuse_attr a;

	(void)state;
	assert_int_equal(client_create(&c, ROOT, "open", O_RDWR, 0600, &e, &fh),
			 0);
	ids[99] = e.nodeid;
	assert_int_equal(client_unlink(&c, ROOT, "open"), 0);
	for (int i = 0; i < 99; i++) {
		assert_int_equal(
			client_mknod(&c, ROOT, "f", S_IFREG | 0600, 0, &e), 0);
		ids[i] = e.nodeid;
		assert_int_equal(client_unlink(&c, ROOT, "f"), 0);
	}
	assert_true(open_fds() < 60);
	assert_int_equal(client_getattr(&c, ids[98], &a), 0);
	assert_int_equal(client_getattr(&c, ids[0], &a), -ESTALE);
	assert_int_equal(client_getattr(&c, ids[99], &a), 0); /* it is open */
	for (int i = 0; i < 99; i++)
		client_forget(&c, ids[i], 1);
	assert_true(open_fds() < 20);
}

static void t_inode_limit(void **state)
{
	struct fuse_entry_out e;
	uint64_t first = 0;

	(void)state;
	client_stop(&c);
	client_start(&c, (struct fs_config){ .max_inodes = 50 });
	for (int i = 0; i < 49; i++) {
		assert_int_equal(client_mkdir(&c, ROOT, number(i), 0700, &e),
				 0);
		first = first ? first : e.nodeid;
	}
	assert_int_equal(client_mkdir(&c, ROOT, "x", 0700, &e), -ENFILE);
	assert_false(host_exists(&c, "x"));
	client_forget(&c, first, 1);
	assert_int_equal(client_mkdir(&c, ROOT, "x", 0700, &e), 0);
}

static void t_reset(void **state)
{
	struct fuse_init_in a = { .major = 7, .minor = 38 };
	struct fuse_entry_out e;
	size_t fds = open_fds();
	uint64_t fh, dh;

	(void)state;
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0600, &e, &fh),
			 0);
	assert_int_equal(client_opendir(&c, ROOT, &dh), 0);
	assert_int_equal(client_unlink(&c, ROOT, "f"), 0);
	assert_true(client_call(&c, FUSE_INIT, 0, &a, sizeof(a), NULL, 0) > 0);
	assert_int_equal(open_fds(), fds);
	assert_int_equal(client_release(&c, e.nodeid, fh, false), -EBADF);
	fs_server_reset(c.s);
	assert_int_equal(client_lookup(&c, ROOT, "f", &e), -EIO);
}

/* The links of /proc lead past every path: they are links, and no more. */
static void t_magic_links(void **state)
{
	static const char *const names[] = { "root", "cwd", "exe" };
	const struct fs_config cfg = { .path = "/proc/self",
				       .follow_symlinks = true,
				       .stat_virt = FS_STAT_OFF };
	struct fuse_entry_out l, e;
	struct fuse_open_out o;
	struct err err = { 0 };
	char number[16];
	uint64_t fh;

	(void)state;
	client_stop(&c);
	if (fs_server_new(&cfg, &c.s, &err))
		fail_msg("%s", err.msg);
	client_init(&c);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(client_lookup(&c, ROOT, names[i], &l), 0);
		assert_int_equal(l.attr.mode & S_IFMT, S_IFLNK);
		assert_int_equal(client_open(&c, l.nodeid, O_RDONLY, &o),
				 -ENXIO);
		assert_int_equal(client_opendir(&c, l.nodeid, &fh), -ENOTDIR);
		assert_true(client_lookup(&c, l.nodeid, "etc", &e) < 0);
	}
	assert_int_equal(client_lookup(&c, ROOT, "fd", &l), 0);
	(void)snprintf(number, sizeof(number), "%d", c.dirfd);
	assert_int_equal(client_lookup(&c, l.nodeid, number, &e), 0);
	assert_int_equal(e.attr.mode & S_IFMT, S_IFLNK);
	assert_true(client_lookup(&c, e.nodeid, ".", &l) < 0);
	assert_int_equal(client_opendir(&c, e.nodeid, &fh), -ENOTDIR);
}

static atomic_bool race_over;

static void *swap(void *arg)
{
	(void)arg;
	while (!atomic_load(&race_over)) {
		(void)renameat2(c.dirfd, "d", c.dirfd, "evil", RENAME_EXCHANGE);
	}
	return NULL;
}

/* d/f is ours; evil is a link to a directory whose f is not. */
static void t_race(void **state)
{
	struct fuse_entry_out d, e;
	struct fuse_open_out o;
	unsigned opened = 0;
	pthread_t t;

	(void)state;
	assert_int_equal(mkdirat(c.dirfd, "d", 0700), 0);
	host_write(&c, "d/f", "inside");
	assert_int_equal(mkdirat(c.dirfd, "out", 0700), 0);
	host_write(&c, "out/f", "SECRET");
	assert_int_equal(symlinkat("out", c.dirfd, "evil"), 0);
	atomic_store(&race_over, false);
	assert_int_equal(pthread_create(&t, NULL, swap, NULL), 0);
	for (int i = 0; i < 3000; i++) {
		if (client_lookup(&c, ROOT, "d", &d))
			continue;
		if (!client_lookup(&c, d.nodeid, "f", &e)) {
			if (!client_open(&c, e.nodeid, O_RDONLY, &o)) {
				assert_int_equal(
					client_read(&c, e.nodeid, o.fh, 0, 100),
					6);
				assert_memory_equal(c.out, "inside", 6);
				(void)client_release(&c, e.nodeid, o.fh, false);
				opened++;
			}
			client_forget(&c, e.nodeid, 1);
		}
		client_forget(&c, d.nodeid, 1);
	}
	atomic_store(&race_over, true);
	(void)pthread_join(t, NULL);
	assert_true(opened > 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define P(f) cmocka_unit_test_setup_teardown(f, setup_poor, teardown_poor)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(t_names),	  T(t_links_out),    T(t_special),
		T(t_forged_ids),  T(t_truncated),    T(t_huge_sizes),
		P(t_many_files),  P(t_deep),	     P(t_swapped_dir),
		P(t_cycle),	  T(t_changed_file), P(t_pins),
		T(t_inode_limit), T(t_reset),	     T(t_race),
		T(t_magic_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
