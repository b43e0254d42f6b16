/* SPDX-License-Identifier: Apache-2.0 */
/* Home resolution, layout, names, and what errors about paths say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "store/paths.h"
#include "tmpdir.h"

static void home_comes_from_argument_variable_or_user(void **state)
{
	char *path, cwd[4096], want[8192];

	(void)state;
	assert_int_equal(setenv("MSB_HOME", "/from/variable", 1), 0);
	assert_int_equal(setenv("HOME", "/user", 1), 0);
	assert_int_equal(home_resolve("/given//", &path, NULL), 0);
	assert_string_equal(path, "/given");
	free(path);
	assert_int_equal(home_resolve(NULL, &path, NULL), 0);
	assert_string_equal(path, "/from/variable");
	free(path);
	assert_int_equal(setenv("MSB_HOME", "", 1), 0);
	assert_int_equal(home_resolve(NULL, &path, NULL), 0);
	assert_string_equal(path, "/user/.microsandbox");
	free(path);
	assert_int_equal(unsetenv("MSB_HOME"), 0);
	assert_int_equal(unsetenv("HOME"), 0);
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	(void)snprintf(want, sizeof(want), "%s/.microsandbox", cwd);
	assert_int_equal(home_resolve(NULL, &path, NULL), 0);
	assert_string_equal(path, want);
	free(path);
}

static void too_long_a_home_is_refused(void **state)
{
	char text[HOME_PATH_MAX + 3];
	struct err err = { 0 };
	char *path;

	(void)state;
	memset(text, 'h', sizeof(text) - 1);
	text[0] = '/';
	text[sizeof(text) - 1] = 0;
	assert_int_equal(home_resolve(text, &path, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.msg, "402 bytes, the limit is 400"));
	text[HOME_PATH_MAX] = 0;
	assert_int_equal(home_resolve(text, &path, &err), 0);
	free(path);
}

static void home_and_sandboxes_are_private(void **state)
{
	struct tmpdir *t = *state;
	char path[128];
	struct home h;
	struct stat st;

	(void)umask(0);
	(void)snprintf(path, sizeof(path), "%s/a/home", t->path);
	assert_int_equal(home_open(path, &h, NULL), 0);
	assert_int_equal(home_sandbox_exists(&h, "box"), 0);
	assert_int_equal(home_sandbox_create(&h, "box", NULL), 0);
	assert_int_equal(home_sandbox_create(&h, "box", NULL), 0);
	assert_int_equal(home_sandbox_exists(&h, "box"), 1);
	for (size_t i = 0; i < 4; i++) {
		static const char *const below[] = { "", "/sandboxes/box",
						     "/sandboxes/box/logs",
						     "/sandboxes/box/runtime" };
		char full[192];

		(void)snprintf(full, sizeof(full), "%s%s", path, below[i]);
		assert_int_equal(stat(full, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
	}
	assert_int_equal(home_sandbox_remove(&h, "box", NULL), 0);
	assert_int_equal(home_sandbox_remove(&h, "box", NULL), 0);
	assert_int_equal(home_sandbox_exists(&h, "box"), 0);
	assert_int_equal(home_sandbox_open(&h, "box", "runtime"), -ENOENT);
	home_fini(&h);
}

static void a_file_in_the_way_is_named(void **state)
{
	struct tmpdir *t = *state;
	struct err err = { 0 };
	char path[128];
	struct home h;

	(void)snprintf(path, sizeof(path), "%s/file", t->path);
	assert_int_equal(io_write_file_at(AT_FDCWD, path, "x", 1, 0600), 0);
	assert_int_equal(home_open(path, &h, &err), -ENOTDIR);
	assert_non_null(strstr(err.msg, path));
}

static void errors_about_paths_name_the_remedy(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(path_err(&err, ENOSPC, "make", "/x"), -ENOSPC);
	assert_int_equal(err.kind, ERR_NO_SPACE);
	assert_string_equal(err.msg,
			    "cannot make '/x': No space left on device; free "
			    "some space, or set MSB_HOME to a directory on "
			    "another file system");
	assert_int_equal(path_err(&err, EACCES, "make", "/x"), -EACCES);
	assert_int_equal(err.kind, ERR_PERMISSION);
	assert_non_null(strstr(err.msg, "Permission denied; give yourself"));
	assert_int_equal(path_err(&err, EIO, "make", "/x"), -EIO);
	assert_int_equal(err.kind, ERR_IO);
	assert_string_equal(err.msg, "cannot make '/x': Input/output error");
}

static void places_do_not_overlap(void **state)
{
	static const struct {
		enum home_place place;
		const char *below, *want; /* of the test's directory */
	} cases[] = {
		{ HOME_CACHE, "/elsewhere/cache", NULL },
		{ HOME_CACHE, "/cache///", NULL },
		{ HOME_CACHE, "/volumes2", NULL },
		{ HOME_CACHE, "/volumes", "must not be in that of volumes" },
		{ HOME_CACHE, "/volumes/x/", "must not be in that of volumes" },
		{ HOME_VOLUMES, "", "must not hold the home directory" },
		{ HOME_SNAPSHOTS, "/", "must not hold the home directory" },
	};
	struct tmpdir *t = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { 0 };
		struct home h;
		char path[128];
		int rc;

		(void)snprintf(path, sizeof(path), "%s%s", t->path,
			       cases[i].below);
		assert_int_equal(home_open(t->path, &h, NULL), 0);
		assert_int_equal(home_set_place(&h, cases[i].place, path, NULL),
				 0);
		assert_int_equal(home_set_place(&h, HOME_SANDBOXES, NULL, NULL),
				 0);
		rc = home_check_places(&h, &err);
		assert_int_equal(rc, cases[i].want ? -EINVAL : 0);
		if (cases[i].want)
			assert_non_null(strstr(err.msg, cases[i].want));
		home_fini(&h);
	}
}

static void a_place_has_a_limit(void **state)
{
	struct tmpdir *t = *state;
	char path[HOME_PATH_MAX + 2];
	struct home h;

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	assert_int_equal(home_open(t->path, &h, NULL), 0);
	assert_int_equal(home_set_place(&h, HOME_CACHE, path, NULL),
			 -ENAMETOOLONG);
	path[HOME_PATH_MAX] = 0;
	assert_int_equal(home_set_place(&h, HOME_CACHE, path, NULL), 0);
	assert_string_equal(h.place[HOME_CACHE], path);
	assert_int_equal(home_set_place(&h, HOME_CACHE, "/", NULL), 0);
	assert_int_equal(home_check_places(&h, NULL), -EINVAL);
	home_fini(&h);
}

static void names_are_checked(void **state)
{
	static const char *const bad[] = { "",	  ".",	      "..",  "a/b",
					   "-a",  "_a",	      ".a",  "a b",
					   "a\n", "\xc3\xa4", "a:b", "a\\b" };
	static const char *const good[] = { "a", "0", "a.b-c_d", "A..", "9-" };
	char name[SANDBOX_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(sandbox_name_valid(bad[i]));
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(sandbox_name_valid(good[i]));
	memset(name, 'n', sizeof(name));
	name[SANDBOX_NAME_MAX + 1] = 0;
	assert_false(sandbox_name_valid(name));
	name[SANDBOX_NAME_MAX] = 0;
	assert_true(sandbox_name_valid(name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(home_comes_from_argument_variable_or_user),
		cmocka_unit_test(too_long_a_home_is_refused),
		cmocka_unit_test_setup_teardown(home_and_sandboxes_are_private,
						tmpdir_make, tmpdir_remove),
		cmocka_unit_test_setup_teardown(a_file_in_the_way_is_named,
						tmpdir_make, tmpdir_remove),
		cmocka_unit_test(errors_about_paths_name_the_remedy),
		cmocka_unit_test_setup_teardown(places_do_not_overlap,
						tmpdir_make, tmpdir_remove),
		cmocka_unit_test_setup_teardown(a_place_has_a_limit,
						tmpdir_make, tmpdir_remove),
		cmocka_unit_test(names_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
