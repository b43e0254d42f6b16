/* SPDX-License-Identifier: Apache-2.0 */
/* Rotation by size, and files that end with a whole line whatever happens. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "logs/rotate.h"

static char dir[] = "/tmp/msb-rotate-XXXXXX";
static int dirfd_;

static int setup(void **state)
{
	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(dirfd_);
	return io_remove_tree(AT_FDCWD, dir);
}

static void expect_file(const char *name, const char *content)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	assert_int_equal(io_read_file_at(dirfd_, name, &b), 0);
	assert_string_equal(buf_cstr(&b), content);
	buf_fini(&b);
}

static void add(struct rotfile *f, const char *text)
{
	assert_int_equal(rotfile_add(f, text, strlen(text)), 0);
}

static void test_shifts_and_keeps_four(void **state)
{
	struct rotfile f;

	(void)state;
	rotfile_init(&f, dirfd_, "x.log", 8);
	for (int i = 0; i < 7; i++) {
		char line[8];

		(void)snprintf(line, sizeof(line), "line%d\n", i);
		add(&f, line);
	}
	rotfile_close(&f);
	expect_file("x.log", "line6\n");
	expect_file("x.log.1", "line5\n");
	expect_file("x.log.4", "line2\n");
	assert_int_equal(faccessat(dirfd_, "x.log.5", F_OK, 0), -1);
}

static void test_fills_up_to_the_limit(void **state)
{
	struct rotfile f;

	(void)state;
	rotfile_init(&f, dirfd_, "x.log", 8);
	add(&f, "abc\n");
	add(&f, "def\n"); /* exactly the limit: no rotation yet */
	assert_int_equal(rotfile_flush(&f), 0);
	expect_file("x.log", "abc\ndef\n");
	add(&f, "g\n");
	rotfile_close(&f);
	expect_file("x.log", "g\n");
	expect_file("x.log.1", "abc\ndef\n");
}

static void test_oversized_line_is_whole(void **state)
{
	struct rotfile f;

	(void)state;
	rotfile_init(&f, dirfd_, "x.log", 8);
	add(&f, "a line longer than a file may be\n");
	add(&f, "b\n");
	rotfile_close(&f);
	expect_file("x.log.1", "a line longer than a file may be\n");
	expect_file("x.log", "b\n");
}

static void test_appends_over_restarts(void **state)
{
	struct rotfile f;

	(void)state;
	rotfile_init(&f, dirfd_, "x.log", 8);
	add(&f, "one\n");
	rotfile_close(&f);
	rotfile_init(&f, dirfd_, "x.log", 8);
	add(&f, "two\n");
	add(&f, "3\n");
	rotfile_close(&f);
	expect_file("x.log.1", "one\ntwo\n");
	expect_file("x.log", "3\n");
}

/* A file size limit stands in for a full disk: the write comes back short. */
static void test_no_half_lines_when_full(void **state)
{
	struct rlimit old, small = { .rlim_cur = 10 };
	struct rotfile f;

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	rotfile_init(&f, dirfd_, "x.log", 1000);
	add(&f, "first\n");
	assert_int_equal(rotfile_flush(&f), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	add(&f, "second\n");
	assert_int_equal(rotfile_flush(&f), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	expect_file("x.log", "first\n");
	add(&f, "third\n");
	rotfile_close(&f);
	expect_file("x.log", "first\nthird\n");
}

static void test_does_not_follow_links(void **state)
{
	struct rotfile f;

	(void)state;
	assert_int_equal(symlinkat("/tmp/elsewhere", dirfd_, "x.log"), 0);
	rotfile_init(&f, dirfd_, "x.log", 8);
	assert_int_equal(rotfile_add(&f, "lost\n", 5), -ELOOP);
	assert_int_equal(unlinkat(dirfd_, "x.log", 0), 0);
	add(&f, "late\n");
	rotfile_close(&f);
	expect_file("x.log", "late\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_shifts_and_keeps_four,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_fills_up_to_the_limit,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_oversized_line_is_whole,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_appends_over_restarts,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_half_lines_when_full,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_does_not_follow_links,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
