/* SPDX-License-Identifier: Apache-2.0 */
/* Quotas: what is charged, what is credited, and when the tree is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/compiler.h"
#include "client.h"

#define ROOT FUSE_ROOT_ID
#define KIB 1024
#define MIB (1024 * KIB)

static struct client c;
static char text[64 * KIB + 1];

static int setup(void **state)
{
	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	return client_dir(&c) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	client_stop(&c);
	client_rmdir(&c);
	return 0;
}

static void start(uint64_t quota)
{
	client_start(&c, (struct fs_config){ .quota_bytes = quota });
}

/* A new file with n blocks of 64 KiB; those that found room. */
static unsigned fill(const char *name, unsigned n, struct fuse_entry_out *e,
		     uint64_t *fh)
{
	unsigned i;

	assert_int_equal(client_create(&c, ROOT, name, O_RDWR, 0600, e, fh), 0);
	for (i = 0; i < n; i++) {
		ssize_t rc = client_write(&c, e->nodeid, *fh,
					  (uint64_t)i * 64 * KIB, text, 0, 0);

		if (rc == -ENOSPC)
			break;
		assert_int_equal(rc, 64 * KIB);
	}
	return i;
}

static void statfs_of(struct fuse_kstatfs *ret)
{
	struct fuse_statfs_out o;

	assert_int_equal(client_call(&c, FUSE_STATFS, ROOT, NULL, 0, NULL, 0),
			 sizeof(o));
	memcpy(&o, c.out, sizeof(o));
	*ret = o.st;
}

static int resize(uint64_t node, uint64_t size)
{
	struct fuse_setattr_in a = { .valid = FATTR_SIZE, .size = size };
	struct fuse_attr got;

	return client_setattr(&c, node, &a, &got);
}

static void t_write(void **state)
{
	struct fuse_entry_out e, e2;
	uint64_t fh, fh2;

	(void)state;
	assert_int_equal(mkdirat(c.dirfd, "before", 0700), 0);
	host_write(&c, "before/f", text);
	start(MIB);
	assert_int_equal(fill("a", 17, &e, &fh), 16);
	assert_int_equal(client_write(&c, e.nodeid, fh, MIB, "x", 0, 0),
			 -ENOSPC);
	/* what is there can be written again */
	assert_int_equal(client_write(&c, e.nodeid, fh, MIB - 1, "y", 0, 0), 1);
	assert_int_equal(client_write(&c, e.nodeid, fh, 0, text, 0, 0),
			 64 * KIB);
	/* and a write that fits in part does so in part */
	assert_int_equal(resize(e.nodeid, MIB - 10), 0);
	assert_int_equal(client_write(&c, e.nodeid, fh, MIB - 20, text, 0, 0),
			 20);
	assert_int_equal(client_write(&c, e.nodeid, fh, 0, "xy", O_APPEND, 0),
			 -ENOSPC);
	assert_int_equal(resize(e.nodeid, MIB - 1), 0);
	assert_int_equal(client_write(&c, e.nodeid, fh, 0, "xy", O_APPEND, 0),
			 1);
	/* a hole is no way around */
	assert_int_equal(fill("b", 0, &e2, &fh2), 0);
	assert_int_equal(
		client_write(&c, e2.nodeid, fh2, 1ull << 40, "x", 0, 0),
		-ENOSPC);
	assert_int_equal(resize(e2.nodeid, 1), -ENOSPC);
	assert_int_equal(resize(e.nodeid, MIB / 2), 0);
	assert_int_equal(resize(e2.nodeid, MIB / 2), 0);
	assert_int_equal(resize(e2.nodeid, MIB / 2 + 1), -ENOSPC);
}

static void t_removed(void **state)
{
	struct fuse_entry_out e, e2;
	struct fuse_open_out o;
	uint64_t fh, fh2;

	(void)state;
	start(MIB);
	assert_int_equal(fill("a", 17, &e, &fh), 16);
	/* its space is not free before the guest lets go of it */
	assert_int_equal(client_unlink(&c, ROOT, "a"), 0);
	assert_int_equal(fill("b", 1, &e2, &fh2), 0);
	assert_int_equal(client_release(&c, e.nodeid, fh, false), 0);
	assert_int_equal(client_write(&c, e2.nodeid, fh2, 0, "x", 0, 0),
			 -ENOSPC);
	client_forget(&c, e.nodeid, 1);
	assert_int_equal(client_write(&c, e2.nodeid, fh2, 0, text, 0, 0),
			 64 * KIB);
	/* replaced by rename, truncated when opened */
	assert_int_equal(fill("c", 16, &e, &fh), 15);
	assert_int_equal(client_rename(&c, ROOT, "b", ROOT, "c", 0), 0);
	assert_int_equal(client_release(&c, e.nodeid, fh, false), 0);
	client_forget(&c, e.nodeid, 1);
	assert_int_equal(fill("d", 16, &e, &fh), 15);
	assert_int_equal(client_open(&c, e.nodeid, O_RDWR | O_TRUNC, &o), 0);
	assert_int_equal(fill("e", 16, &e2, &fh2), 15);
}

/* The host's changes are seen before anything is refused. */
static void t_recount(void **state)
{
	struct fuse_entry_out e, e2;
	uint64_t fh, fh2;

	(void)state;
	host_write(&c, "host", text);
	start(MIB);
	assert_int_equal(fill("a", 17, &e, &fh), 16);
	assert_int_equal(unlinkat(c.dirfd, "host", 0), 0);
	assert_int_equal(fill("b", 2, &e2, &fh2), 1);
	host_write(&c, "b", "");
	assert_int_equal(client_write(&c, e2.nodeid, fh2, 0, text, 0, 0),
			 64 * KIB);
	assert_int_equal(client_write(&c, e2.nodeid, fh2, 64 * KIB, "x", 0, 0),
			 -ENOSPC);
}

static void t_whole(void **state)
{
	struct fuse_entry_out e;
	struct fuse_kstatfs st;
	uint64_t fh;

	(void)state;
	assert_int_equal(mkdirat(c.dirfd, "before", 0700), 0);
	host_write(&c, "before/f", text);
	assert_int_equal(linkat(c.dirfd, "before/f", c.dirfd, "again", 0), 0);
	assert_int_equal(symlinkat("/", c.dirfd, "link"), 0);
	client_start(&c, (struct fs_config){ .quota_bytes = MIB,
					     .quota_whole = true });
	assert_int_equal(fill("a", 17, &e, &fh), 15);
	statfs_of(&st);
	assert_int_equal(st.blocks, MIB / 4096);
	assert_int_equal(st.bavail, 0);
}

/* One that was told of is counted at once, not only when there is no room. */
static void t_whole_of_two(void **state)
{
	static struct client other;
	const struct fs_config cfg = { .quota_bytes = MIB,
				       .quota_whole = true };
	struct fuse_entry_out e;
	uint64_t fh;

	(void)state;
	client_start(&c, cfg);
	other.dirfd = c.dirfd;
	client_start(&other, cfg);
	assert_int_equal(fill("a", 4, &e, &fh), 4); /* it has counted */
	assert_int_equal(client_create(&other, 1, "b", O_RDWR, 0600, &e, &fh),
			 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(client_write(&other, e.nodeid, fh,
					      (uint64_t)i * 64 * KIB, text, 0,
					      0),
				 64 * KIB);
	fs_tell_growth(other.s);
	assert_int_equal(fill("c", 17, &e, &fh), 4);
	client_stop(&other);
}

static void t_statfs(void **state)
{
	struct fuse_kstatfs st;
	struct fuse_entry_out e;
	uint64_t fh;

	(void)state;
	host_write(&c, "before", text);
	start(MIB);
	statfs_of(&st);
	assert_int_equal(st.bsize, 4096);
	assert_int_equal(st.frsize, 4096);
	assert_int_equal(st.namelen, 255);
	assert_int_equal(st.blocks, (MIB + 64 * KIB) / 4096);
	assert_int_equal(st.bfree, MIB / 4096);
	assert_int_equal(st.bavail, MIB / 4096);
	assert_int_equal(fill("a", 4, &e, &fh), 4);
	statfs_of(&st);
	assert_int_equal(st.blocks, (MIB + 64 * KIB) / 4096);
	assert_int_equal(st.bavail, (MIB - 256 * KIB) / 4096);
	/* never more than the host has */
	client_stop(&c);
	start(INT64_MAX);
	statfs_of(&st);
	assert_true(st.bavail < st.blocks);
}

static ssize_t allocate(uint64_t node, uint64_t fh, uint32_t mode, uint64_t off,
			uint64_t len)
{
	struct fuse_fallocate_in a = {
		.fh = fh, .offset = off, .length = len, .mode = mode
	};

	return client_call(&c, FUSE_FALLOCATE, node, &a, sizeof(a), NULL, 0);
}

static void t_allocate(void **state)
{
	struct fuse_entry_out e, e2;
	uint64_t fh, fh2;
	struct fuse_copy_file_range_in cp = { 0 };
	struct fuse_write_out w;

	(void)state;
	start(MIB);
	assert_int_equal(fill("a", 1, &e, &fh), 1);
	assert_int_equal(allocate(e.nodeid, fh, 0, 0, MIB + 1), -ENOSPC);
	assert_int_equal(
		allocate(e.nodeid, fh, FALLOC_FL_KEEP_SIZE, 0, MIB + 1),
		-ENOSPC);
	assert_int_equal(
		allocate(e.nodeid, fh, FALLOC_FL_INSERT_RANGE, 0, 4096),
		-EOPNOTSUPP);
	assert_int_equal(allocate(e.nodeid, fh, 0, 0, MIB / 2), 0);
	assert_int_equal(allocate(e.nodeid, fh,
				  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				  64 * KIB),
			 0);
	assert_int_equal(fill("b", 0, &e2, &fh2), 0);
	cp.fh_in = fh;
	cp.fh_out = fh2;
	cp.nodeid_out = e2.nodeid;
	cp.off_out = 100;
	cp.len = MIB;
	assert_int_equal(client_call(&c, FUSE_COPY_FILE_RANGE, e.nodeid, &cp,
				     sizeof(cp), NULL, 0),
			 sizeof(w));
	memcpy(&w, c.out, sizeof(w));
	assert_int_equal(w.size, MIB / 2 - 100);
	assert_int_equal(client_write(&c, e2.nodeid, fh2, 0, "x", O_APPEND, 0),
			 -ENOSPC);
}

/* Space behind the end of a file is space. */
static void t_reserved(void **state)
{
	struct fuse_entry_out e, e2;
	uint64_t fh, fh2;

	(void)state;
	start(4 * MIB);
	assert_int_equal(fill("a", 1, &e, &fh), 1);
	assert_int_equal(
		allocate(e.nodeid, fh, FALLOC_FL_KEEP_SIZE, 0, 3 * MIB), 0);
	assert_int_equal(fill("b", 17, &e2, &fh2), 16);
	assert_int_equal(resize(e2.nodeid, 0), 0);
	/* and what was reserved can be written */
	for (uint64_t off = 0; off < 3 * MIB; off += 64 * KIB)
		assert_int_equal(
			client_write(&c, e.nodeid, fh, off, text, 0, 0),
			64 * KIB);
	assert_int_equal(fill("c", 17, &e2, &fh2), 16);
}

static ssize_t set_user(uint64_t node, const char *name, const char *value,
			uint32_t len)
{
	const uint32_t a[2] = { len, 0 };
	char body[64 * KIB];
	size_t n = strlen(name) + 1;

	memcpy(body, name, n);
	memcpy(body + n, value, len);
	return client_call(&c, FUSE_SETXATTR, node, a, sizeof(a), body,
			   n + len);
}

static void t_xattr(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh;

	(void)state;
	start(4096);
	assert_int_equal(fill("a", 0, &e, &fh), 0);
	assert_int_equal(set_user(e.nodeid, "user.a", text, 2000), 0);
	assert_int_equal(set_user(e.nodeid, "user.a", text, 1000), 0);
	assert_int_equal(set_user(e.nodeid, "user.b", text, 1000), 0);
	assert_int_equal(set_user(e.nodeid, "user.c", text, 3000), -ENOSPC);
	assert_int_equal(client_write(&c, e.nodeid, fh, 0, text, 0, 0),
			 4096 - 2 * 1006);
	assert_int_equal(client_call(&c, FUSE_REMOVEXATTR, e.nodeid, NULL, 0,
				     "user.a", 7),
			 0);
	assert_int_equal(set_user(e.nodeid, "user.d", text, 1000), 0);
	assert_int_equal(client_write(&c, e.nodeid, fh, 0, "x", O_APPEND, 0),
			 -ENOSPC);
}

/* A chain that is deeper than any path, and a wide directory. */
static void t_deep(void **state)
{
	int fd = dup(c.dirfd), next;
	struct fuse_kstatfs st;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(mkdirat(fd, "deeper", 0700), 0);
		next = openat(fd, "deeper", O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		(void)close(fd);
		fd = next;
	}
	for (int i = 0; i < 1000; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%d", i);
		next = openat(fd, name, O_CREAT | O_WRONLY, 0600);
		assert_int_equal(ftruncate(next, 4096), 0);
		(void)close(next);
		(void)snprintf(name, sizeof(name), "d%d", i);
		assert_int_equal(mkdirat(fd, name, 0700), 0);
	}
	(void)close(fd);
	start(MIB);
	statfs_of(&st);
	assert_int_equal(st.blocks, 1000 + MIB / 4096);
	assert_int_equal(st.files, 3000 + 2000 + 65536);
}

static void t_files(void **state)
{
	struct fuse_entry_out e;
	struct fuse_kstatfs st, now;
	uint64_t fh;

	(void)state;
	start(MIB);
	statfs_of(&st);
	assert_int_equal(st.files, 65536);
	assert_int_equal(client_mkdir(&c, ROOT, "d", 0700, &e), 0);
	assert_int_equal(client_symlink(&c, ROOT, "l", "target", &e), 0);
	assert_int_equal(client_create(&c, ROOT, "f", O_RDWR, 0600, &e, &fh),
			 0);
	assert_int_equal(client_link(&c, e.nodeid, ROOT, "g", &e), 0);
	statfs_of(&now);
	assert_int_equal(now.files, 65536);
	assert_int_equal(st.ffree - now.ffree, 3);
	assert_int_equal(client_rmdir_at(&c, ROOT, "d"), 0);
	assert_int_equal(client_unlink(&c, ROOT, "g"), 0);
	statfs_of(&now);
	assert_int_equal(st.ffree - now.ffree, 3); /* the guest knows d */
}

static void t_refusals(void **state)
{
	const struct fs_config cfg = { .path = c.dir,
				       .file = "f",
				       .quota_bytes = 1 };
	struct fs_server *s;
	struct err err = { 0 };

	(void)state;
	host_write(&c, "f", "");
	assert_int_equal(fs_server_new(&cfg, &s, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "quota"));
	start(1);
	assert_int_equal(fcntl(fs_server_dir(c.s), F_GETFL) & O_PATH, O_PATH);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(t_write),	   T(t_removed), T(t_recount),	T(t_whole),
		T(t_whole_of_two), T(t_statfs),	 T(t_allocate), T(t_reserved),
		T(t_xattr),	   T(t_deep),	 T(t_files),	T(t_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
