/* SPDX-License-Identifier: Apache-2.0 */
/* Files, trees, long socket paths and passed descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"

static char dir_path[64];

static int make_dir(void **state)
{
	static int fd;

	(void)snprintf(dir_path, sizeof(dir_path), "/tmp/msb-t-io-XXXXXX");
	if (!mkdtemp(dir_path))
		return -1;
	fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &fd;
	return fd < 0;
}

static int drop_dir(void **state)
{
	(void)close(*(int *)*state);
	return io_remove_tree(AT_FDCWD, dir_path);
}

static void files_are_replaced_whole(void **state)
{
	int dir = *(int *)*state;
	struct buf b;

	assert_int_equal(io_write_file_at(dir, "f", "one", 3, 0600), 0);
	assert_int_equal(io_write_file_at(dir, "f", "twelve", 6, 0600), 0);
	buf_init(&b, 6);
	assert_int_equal(io_read_file_at(dir, "f", &b), 0);
	assert_int_equal(buf_len(&b), 6);
	assert_memory_equal(buf_data(&b), "twelve", 6);
	buf_fini(&b);
	buf_init(&b, 5);
	assert_int_equal(io_read_file_at(dir, "f", &b), -EFBIG);
	buf_fini(&b);
	assert_int_equal(faccessat(dir, "f.tmp", F_OK, 0), -1);
}

static void trees_go_without_following_links(void **state)
{
	int dir = *(int *)*state;

	assert_int_equal(io_mkdir_p(dir, "keep", 0700), 0);
	assert_int_equal(io_write_file_at(dir, "keep/file", "x", 1, 0600), 0);
	assert_int_equal(io_mkdir_p(dir, "tree/a/b/c", 0700), 0);
	assert_int_equal(io_mkdir_p(dir, "tree/a/b/c", 0700), 0);
	assert_int_equal(symlinkat("../../keep", dir, "tree/a/link"), 0);
	assert_int_equal(mkdirat(dir, "tree/locked", 0), 0);
	assert_int_equal(io_remove_tree(dir, "tree"), 0);
	assert_int_equal(faccessat(dir, "tree", F_OK, 0), -1);
	assert_int_equal(faccessat(dir, "keep/file", F_OK, 0), 0);
	assert_int_equal(io_remove_tree(dir, "tree"), 0); /* missing is fine */
	assert_int_equal(io_mkdir_p(dir, "keep/file/x", 0700), -ENOTDIR);
}

static void trees_may_be_deeper_than_descriptors_last(void **state)
{
	autoclose int at = -1;
	int dir = *(int *)*state;
	uint64_t bytes = 0;

	at = dup(dir);
	for (int i = 0; i < 3000; i++) {
		const char *name = i ? "d" : "deep";
		int next;

		assert_int_equal(mkdirat(at, name, 0700), 0);
		next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close_fd(&at);
		at = next;
		if (i % 1000 == 0)
			assert_int_equal(
				io_write_file_at(at, "f", "12345", 5, 0400), 0);
	}
	assert_int_equal(io_write_file_at(at, "g", "1234", 4, 0400), 0);
	assert_int_equal(linkat(at, "g", at, "h", 0), 0);
	assert_int_equal(io_tree_usage(dir, "deep", &bytes), 0);
	assert_int_equal(bytes, 19); /* two names, one file */
	assert_int_equal(fchmod(at, 0400), 0);
	assert_int_equal(io_remove_tree(dir, "deep"), 0);
	assert_int_equal(faccessat(dir, "deep", F_OK, 0), -1);
	assert_int_equal(io_tree_usage(dir, "deep", &bytes), -ENOENT);
}

static void sockets_work_below_long_paths(void **state)
{
	char name[101];
	autoclose int deep = -1, lst = -1, a = -1, b = -1;
	int dir = *(int *)*state, got[2] = { -1, -1 }, pipes[2];
	size_t n;
	char byte;

	memset(name, 'd', 100);
	name[100] = 0;
	assert_int_equal(mkdirat(dir, name, 0700), 0);
	deep = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	lst = io_unix_listen_at(deep, "s.sock", 4);
	assert_true(lst >= 0);
	assert_int_equal(io_unix_connect_at(deep, "none"), -ENOENT);
	a = io_unix_connect_at(deep, "s.sock");
	assert_true(a >= 0);
	b = accept4(lst, NULL, NULL, SOCK_CLOEXEC);
	assert_true(b >= 0);

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(io_send_fds(a, "x", 1, pipes, 2), 1);
	/* room for one only: the other is closed, not leaked */
	assert_int_equal(io_recv_fds(b, &byte, 1, got, 1, &n), 1);
	assert_int_equal(n, 1);
	assert_int_equal(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	(void)close(got[0]);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_replaced_whole),
		cmocka_unit_test(trees_go_without_following_links),
		cmocka_unit_test(trees_may_be_deeper_than_descriptors_last),
		cmocka_unit_test(sockets_work_below_long_paths),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
