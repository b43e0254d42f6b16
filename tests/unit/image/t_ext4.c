/* SPDX-License-Identifier: Apache-2.0 */
/* Writable layers: sizes, what is in them, and what e2fsck has to say. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <ext2fs/ext2fs.h>

#include "base/compiler.h"
#include "image/ext4.h"

#define MIB (1ull << 20)

/* In place of the C library's, also for libext2fs. */
static unsigned syncs;

int fsync(int fd)
{
	(void)fd;
	syncs++;
	return 0;
}

static char path[] = "/tmp/msb-ext4-XXXXXX";

static int setup(void **state)
{
	int *fd = malloc(sizeof(*fd));

	assert_non_null(fd);
	memset(path + sizeof(path) - 7, 'X', 6);
	*fd = mkstemp(path);
	assert_true(*fd >= 0);
	*state = fd;
	return 0;
}

static int teardown(void **state)
{
	int *fd = *state;

	(void)close(*fd);
	(void)unlink(path);
	free(fd);
	return 0;
}

static void expect_clean(void)
{
	char *const argv[] = { (char *)(uintptr_t) "e2fsck",
			       (char *)(uintptr_t) "-fn", path, NULL };
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		(void)setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void expect_directory(ext2_filsys fs, const char *name)
{
	struct ext2_inode inode;
	ext2_ino_t ino;

	assert_int_equal(
		ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, name, &ino), 0);
	assert_int_equal(ext2fs_read_inode(fs, ino, &inode), 0);
	assert_int_equal(inode.i_mode, S_IFDIR | 0755);
	assert_int_equal(inode.i_uid, 0);
	assert_int_equal(inode.i_gid, 0);
}

/* No thread of the guest's has to clear anything. */
static void expect_zeroed(ext2_filsys fs)
{
	for (dgrp_t g = 0; g < fs->group_desc_count; g++)
		assert_true(ext2fs_bg_flags_test(fs, g, EXT2_BG_INODE_ZEROED));
}

static void sizes(void **state)
{
	static const uint64_t all[] = {
		64 * MIB,
		64 * MIB + 4096,
		128 * MIB + 8 * 4096, /* a last group too small to be one */
		1000 * MIB,
		4096 * MIB,
		17408 * MIB,
		(1ull << 40) + 512 * MIB,
	};
	int fd = *(int *)*state;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct err err = { 0 };
		ext2_filsys fs;
		struct stat st;

		syncs = 0;
		assert_int_equal(ext4_create(fd, all[i], &err), 0);
		/* nobody waits for the host's disk */
		assert_int_equal(syncs, 0);
		assert_int_equal(fstat(fd, &st), 0);
		assert_true((uint64_t)st.st_size == all[i]);
		/* sparse: less than a thousandth, and 256 KiB */
		assert_true((uint64_t)st.st_blocks * 512 <
			    all[i] / 1000 + (256u << 10));
		assert_int_equal(ext2fs_open(path, EXT2_FLAG_64BITS, 0, 0,
					     unix_io_manager, &fs),
				 0);
		expect_directory(fs, "/upper");
		expect_directory(fs, "/work");
		expect_zeroed(fs);
		assert_true(ext2fs_has_feature_journal(fs->super));
		assert_int_equal(ext2fs_r_blocks_count(fs->super), 0);
		assert_int_not_equal(fs->super->s_overhead_clusters, 0);
		(void)ext2fs_close_free(&fs);
		expect_clean();
	}
}

static void identities_differ(void **state)
{
	int fd = *(int *)*state;
	unsigned char uuid[2][16];

	for (int i = 0; i < 2; i++) {
		assert_int_equal(ext4_create(fd, 64 * MIB, NULL), 0);
		/* superblock at 1024, the identity 0x68 into it */
		assert_int_equal(pread(fd, uuid[i], 16, 1024 + 0x68), 16);
	}
	assert_memory_not_equal(uuid[0], uuid[1], 16);
}

static void refusals(void **state)
{
	static const uint64_t bad[] = { 0, 4096, 64 * MIB - 4096,
					64 * MIB + 512, EXT4_SIZE_MAX + 4096 };
	int fd = *(int *)*state, ro;
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err_clear(&err);
		assert_int_equal(ext4_create(fd, bad[i], &err), -EINVAL);
		assert_int_equal(err.kind, ERR_INVALID);
	}
	err_clear(&err);
	assert_true(ext4_create(-1, 64 * MIB, &err) < 0);
	assert_int_equal(err.kind, ERR_IO);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	err_clear(&err);
	assert_true(ext4_create(ro, 64 * MIB, &err) < 0);
	(void)close(ro);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(identities_differ, setup,
						teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
