/* SPDX-License-Identifier: Apache-2.0 */
/* Create, start, stop, remove, and what failures leave behind. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "base/clock.h"
#include "world.h"

static struct world *w;

static int setup(void **state)
{
	*state = w = world_make(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_free(w);
	return 0;
}

static msb_sandbox_t *create(const char *name, bool ephemeral)
{
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;

	if (world_create(w, name, ephemeral, &s, &e))
		print_error("%s\n", msb_error_text(e));
	assert_non_null(s);
	return s;
}

static msb_error_t *create_fails(const char *name, msb_error_kind_t kind)
{
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;

	assert_true(world_create(w, name, false, &s, &e) < 0);
	assert_null(s);
	assert_int_equal(msb_error_kind(e), kind);
	return e;
}

static void expect_status(const char *name, const char *want)
{
	assert_string_equal(world_status(w, name), want);
}

/* The runtime of s has gone; a deadline, not a wait for time to pass. */
static void await_death(const msb_sandbox_t *s)
{
	autoclose int dirfd =
		home_sandbox_open(&s->m->home, s->name, SANDBOX_RUNTIME_DIR);
	struct runtime_process p;

	if (dirfd >= 0 && runtime_process_open(dirfd, &p) == 0) {
		assert_int_equal(runtime_process_wait(&p, -1, 20000), 0);
		runtime_process_close(&p);
	}
}

static void whole_life(void **state)
{
	msb_sandbox_t *s = create("box", false);
	msb_stop_result_t result;
	msb_error_t *e = NULL;
	int pid = msb_sandbox_pid(s);

	(void)state;
	assert_int_equal(msb_sandbox_status(s), MSB_STATUS_RUNNING);
	assert_true(pid > 0);
	assert_string_equal(msb_sandbox_machine_json(s),
			    "{\"engine\":\"uml\"}");
	assert_string_equal(msb_sandbox_image(s), w->rootfs);
	assert_true(msb_sandbox_created_unix_ms(s) > 0);
	expect_status("box", "Running");

	assert_int_equal(msb_sandbox_start(s, false, &e), -EBUSY);
	assert_string_equal(msb_error_text(e),
			    "sandbox still running: cannot start sandbox "
			    "'box': already running");
	msb_error_free(e);
	e = NULL;
	assert_int_equal(msb_sandbox_remove(s, false, &e), -EBUSY);
	assert_string_equal(msb_error_text(e),
			    "sandbox still running: cannot remove sandbox "
			    "'box': still running");
	msb_error_free(e);

	assert_int_equal(msb_sandbox_stop(s, 10000, &result, NULL), 0);
	assert_int_equal(result, MSB_STOP_GRACEFUL);
	assert_int_equal(msb_sandbox_status(s), MSB_STATUS_STOPPED);
	assert_string_equal(msb_sandbox_exit_reason(s), "ShutdownRequested");
	assert_int_equal(msb_sandbox_pid(s), -1);
	assert_null(msb_sandbox_machine_json(s));
	assert_int_equal(msb_sandbox_stop(s, 10000, &result, NULL), 0);
	assert_int_equal(result, MSB_STOP_NOT_RUNNING);
	expect_status("box", "Stopped");

	assert_int_equal(msb_sandbox_start(s, false, NULL), 0);
	assert_int_equal(msb_sandbox_status(s), MSB_STATUS_RUNNING);
	assert_null(msb_sandbox_exit_reason(s));
	assert_int_not_equal(msb_sandbox_pid(s), pid);
	assert_int_equal(msb_sandbox_remove(s, true, NULL), 0);
	assert_false(world_has(w, "box", ""));
	expect_status("box", "none");
	msb_sandbox_free(s);
}

static void stop_by_force(void **state)
{
	msb_sandbox_t *s = create("stubborn", false);
	msb_stop_result_t result;

	(void)state;
	assert_int_equal(msb_sandbox_stop(s, 20, &result, NULL), 0);
	assert_int_equal(result, MSB_STOP_FORCED);
	expect_status("stubborn", "Stopped");
	assert_string_equal(msb_sandbox_exit_reason(s), "Signal");
	assert_int_equal(msb_sandbox_start(s, false, NULL), 0);
	assert_int_equal(msb_sandbox_stop(s, 0, &result, NULL), 0);
	assert_int_equal(result, MSB_STOP_FORCED);
	msb_sandbox_free(s);

	s = create("slowstop", false);
	assert_int_equal(msb_sandbox_stop(s, 10000, &result, NULL), 0);
	assert_int_equal(result, MSB_STOP_FORCED);
	msb_sandbox_free(s);
}

static void names_are_unique(void **state)
{
	msb_sandbox_t *s = create("box", false);
	msb_error_t *e;

	(void)state;
	e = create_fails("box", MSB_ERR_SANDBOX_EXISTS);
	assert_non_null(strstr(msb_error_text(e),
			       "sandbox already exists: sandbox 'box' already "
			       "exists;"));
	msb_error_free(e);
	assert_int_equal(msb_sandbox_stop(s, 10000, NULL, NULL), 0);
	msb_error_free(create_fails("box", MSB_ERR_SANDBOX_EXISTS));
	expect_status("box", "Stopped");
	msb_sandbox_free(s);
}

static void unnamed_ones_get_a_name(void **state)
{
	msb_sandbox_t *s = create(NULL, true);
	char name[64];

	(void)state;
	(void)snprintf(name, sizeof(name), "%s", msb_sandbox_name(s));
	assert_int_equal(strlen(name), 12);
	assert_memory_equal(name, "msb-", 4);
	assert_true(msb_sandbox_is_ephemeral(s));
	assert_int_equal(msb_sandbox_stop(s, 10000, NULL, NULL), 0);
	assert_int_equal(msb_sandbox_status(s), MSB_STATUS_STOPPED);
	assert_false(world_has(w, name, ""));
	expect_status(name, "none");
	msb_sandbox_free(s);
}

static void boot_failure_of_a_named_one_keeps_its_logs(void **state)
{
	msb_error_t *e = create_fails("booterr", MSB_ERR_BOOT);

	(void)state;
	assert_string_equal(msb_error_text(e),
			    "failed to start \"booterr\": mount /data: gone");
	assert_string_equal(msb_error_message(e), "mount /data: gone");
	assert_int_equal(msb_error_errno(e), 2);
	assert_string_equal(msb_error_detail(e, "stage"), "mount");
	assert_string_equal(msb_error_detail(e, "sandbox"), "booterr");
	assert_string_equal(msb_error_detail(e, "kernel_log"), "last words");
	msb_error_free(e);
	expect_status("booterr", "Stopped");
	assert_true(world_has(w, "booterr", "logs"));
}

static void silent_and_babbling_runtimes_are_boot_failures(void **state)
{
	msb_error_t *e = create_fails("silent", MSB_ERR_BOOT);

	(void)state;
	assert_string_equal(msb_error_message(e),
			    "sandbox process exited (status 42) before the "
			    "guest was ready");
	assert_string_equal(msb_error_detail(e, "stage"), "other");
	msb_error_free(e);
	e = create_fails("babble", MSB_ERR_BOOT);
	assert_non_null(strstr(msb_error_message(e), "makes no sense"));
	msb_error_free(e);
}

static void nothing_is_left(void)
{
	msb_list_t *l = NULL;

	assert_int_equal(msb_sandbox_list(w->m, &l, NULL), 0);
	assert_int_equal(msb_list_count(l), 0);
	msb_list_free(l);
}

static void failure_before_the_boot_leaves_nothing(void **state)
{
	char path[128];
	msb_error_t *e;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/linux-um", w->base);
	assert_int_equal(unlink(path), 0);
	e = create_fails("box", MSB_ERR_IO);
	assert_non_null(strstr(msb_error_text(e), "linux-um"));
	msb_error_free(e);
	nothing_is_left();
	assert_false(world_has(w, "box", ""));
}

static void wrong_workdir_leaves_nothing(void **state)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
		{ "/missing", "invalid config: workdir does not exist in "
			      "guest: /missing: stat: No such file" },
		{ "/file", "invalid config: workdir is not a directory in "
			   "guest: /file" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		msb_sandbox_t *s = NULL;
		msb_error_t *e = NULL;
		msb_config_t *c;

		assert_int_equal(msb_config_new(w->m, &c, NULL), 0);
		assert_int_equal(msb_config_set_name(c, "box", NULL), 0);
		assert_int_equal(msb_config_set_image(c, w->rootfs, NULL), 0);
		assert_int_equal(msb_config_set_workdir(c, cases[i].path, NULL),
				 0);
		assert_true(msb_sandbox_create(w->m, c, &s, &e) < 0);
		assert_non_null(strstr(msb_error_text(e), cases[i].want));
		msb_error_free(e);
		msb_config_free(c);
		nothing_is_left();
		assert_false(world_has(w, "box", ""));
	}
}

static void leftover_directory_does_not_block_its_name(void **state)
{
	char path[256];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/sandboxes", w->home);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/sandboxes/box", w->home);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/sandboxes/box/old", w->home);
	world_file(path, "x");
	msb_sandbox_free(create("box", false));
	assert_false(world_has(w, "box", "old"));
}

static void replace_takes_the_place(void **state)
{
	msb_sandbox_t *old = create("box", false), *s = NULL;
	char mark[256];
	msb_config_t *c;

	(void)state;
	(void)snprintf(mark, sizeof(mark), "%s/sandboxes/box/mark", w->home);
	world_file(mark, "x");
	assert_int_equal(msb_config_new(w->m, &c, NULL), 0);
	assert_int_equal(msb_config_set_name(c, "box", NULL), 0);
	assert_int_equal(msb_config_set_image(c, w->rootfs, NULL), 0);
	msb_config_set_replace(c, true, 10000);
	assert_int_equal(msb_sandbox_create(w->m, c, &s, NULL), 0);
	assert_int_not_equal(msb_sandbox_pid(s), msb_sandbox_pid(old));
	assert_false(world_has(w, "box", "mark"));
	assert_true(s->facts->row.id > old->facts->row.id);
	msb_config_free(c);
	msb_sandbox_free(s);
	msb_sandbox_free(old);
}

static void crash_is_seen_and_mended(void **state)
{
	msb_sandbox_t *s = create("box", false);

	(void)state;
	assert_int_equal(kill(msb_sandbox_pid(s), SIGKILL), 0);
	await_death(s);
	expect_status("box", "Crashed");
	assert_int_equal(msb_sandbox_refresh(s, NULL), 0);
	assert_int_equal(msb_sandbox_status(s), MSB_STATUS_CRASHED);
	assert_string_equal(msb_sandbox_exit_reason(s), "InternalError");
	assert_int_equal(msb_sandbox_start(s, false, NULL), 0);
	expect_status("box", "Running");
	msb_sandbox_free(s);
}

static void own_end_is_seen_as_stopped(void **state)
{
	msb_sandbox_t *s = create("box", false), *e = create("short", true);

	(void)state;
	assert_int_equal(kill(msb_sandbox_pid(s), SIGTERM), 0);
	assert_int_equal(kill(msb_sandbox_pid(e), SIGTERM), 0);
	await_death(s);
	await_death(e);
	msb_reconcile(w->m);
	expect_status("box", "Stopped");
	expect_status("short", "none");
	assert_false(world_has(w, "short", ""));
	msb_sandbox_free(s);
	msb_sandbox_free(e);
}

static void killed_ephemeral_one_is_swept(void **state)
{
	msb_sandbox_t *s = create("short", true);

	(void)state;
	assert_int_equal(kill(msb_sandbox_pid(s), SIGKILL), 0);
	await_death(s);
	assert_true(world_has(w, "short", "runtime"));
	nothing_is_left();
	assert_false(world_has(w, "short", ""));
	msb_sandbox_free(s);
}

static enum row_status stored_status(const char *name)
{
	enum row_status status = ROW_STATUS_COUNT;
	struct sandbox_row r;

	if (row_find(w->m, name, &r, NULL) == 1) {
		status = r.status;
		sandbox_row_fini(&r);
	}
	return status;
}

/* Records as a creator leaves them that was killed half way. */
static void half_made_ones_are_recognised(void **state)
{
	struct sandbox_row r = { .name = (char *)(uintptr_t) "half",
				 .image = w->rootfs,
				 .config = (char *)(uintptr_t) "{}",
				 .status = ROW_CREATING };
	msb_sandbox_t *s = create("up", false);
	struct catalogue *cat;
	int lock;

	(void)state;
	assert_int_equal(api_catalogue(w->m, true, &cat, NULL), 0);
	assert_int_equal(catalogue_insert(cat, &r, NULL), 0);
	assert_int_equal(home_sandbox_create(&w->m->home, "half", NULL), 0);
	/* Somebody is at it: hands off. */
	lock = lifecycle_lock(&w->m->home, "half", 0, NULL);
	assert_true(lock >= 0);
	expect_status("half", "Running");
	assert_int_equal(stored_status("half"), ROW_CREATING);
	/* Its creator has died: away with it. */
	(void)close(lock);
	expect_status("half", "none");
	assert_false(world_has(w, "half", ""));
	/* Died after the guest was up: one like any other. */
	assert_int_equal(catalogue_set_status(cat, s->facts->row.id,
					      ROW_CREATING, NULL, 0, NULL),
			 1);
	expect_status("up", "Running");
	assert_int_equal(stored_status("up"), ROW_RUNNING);
	msb_sandbox_free(s);
}

static void attached_one_ends_with_its_creator(void **state)
{
	msb_sandbox_t *s = create("box", false), *t = NULL;

	(void)state;
	assert_int_equal(msb_sandbox_stop(s, 10000, NULL, NULL), 0);
	assert_int_equal(msb_sandbox_start(s, true, NULL), 0);
	assert_int_equal(msb_sandbox_get(w->m, "box", &t, NULL), 0);
	msb_sandbox_free(s);
	await_death(t);
	assert_int_equal(msb_sandbox_refresh(t, NULL), 0);
	assert_string_equal(msb_sandbox_exit_reason(t), "CreatorDied");
	/* Released, it stays. */
	assert_int_equal(msb_sandbox_start(t, true, NULL), 0);
	assert_int_equal(msb_sandbox_release(t, NULL), 0);
	msb_sandbox_free(t);
	expect_status("box", "Running");
}

static void releasing_a_dead_one_is_an_error(void **state)
{
	msb_sandbox_t *s = create("box", false);
	msb_error_t *e = NULL;

	(void)state;
	assert_int_equal(msb_sandbox_release(s, NULL), 0); /* not attached */
	assert_int_equal(msb_sandbox_stop(s, 10000, NULL, NULL), 0);
	assert_int_equal(msb_sandbox_start(s, true, NULL), 0);
	assert_int_equal(kill(msb_sandbox_pid(s), SIGKILL), 0);
	await_death(s);
	assert_true(msb_sandbox_release(s, &e) < 0); /* and no SIGPIPE */
	assert_int_equal(msb_error_kind(e), MSB_ERR_SANDBOX_STATE);
	msb_error_free(e);
	msb_sandbox_free(s);
}

static void missing_image_is_told_before_the_start(void **state)
{
	msb_sandbox_t *s = create("box", false);
	msb_error_t *e = NULL;

	(void)state;
	assert_int_equal(msb_sandbox_stop(s, 10000, NULL, NULL), 0);
	assert_int_equal(rmdir(w->rootfs), 0);
	assert_true(msb_sandbox_start(s, false, &e) < 0);
	assert_non_null(
		strstr(msb_error_text(e), "rootfs bind path does not exist"));
	msb_error_free(e);
	expect_status("box", "Stopped");
	msb_sandbox_free(s);
}

static void unknown_names(void **state)
{
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;
	char path[256];

	(void)state;
	assert_int_equal(msb_sandbox_get(w->m, "nobody", &s, &e), -ENOENT);
	assert_string_equal(msb_error_text(e), "sandbox not found: nobody");
	assert_string_equal(msb_error_kind_name(msb_error_kind(e)),
			    "sandbox_not_found");
	msb_error_free(e);
	assert_int_equal(msb_sandbox_get(w->m, "../x", &s, NULL), -ENOENT);
	/* Looking makes no database. */
	(void)snprintf(path, sizeof(path), "%s/db", w->home);
	assert_int_equal(access(path, F_OK), -1);
}

static int count_checks(void *ctx, const msb_check_t *check)
{
	int *n = ctx;

	assert_non_null(check->name);
	assert_non_null(check->remedy);
	++*n;
	return *n == 3;
}

static void doctor_stops_when_told(void **state)
{
	int n = 0;

	(void)state;
	assert_int_equal(msb_doctor(w->m, count_checks, &n, NULL), 0);
	assert_int_equal(n, 3);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whole_life),
		TEST(stop_by_force),
		TEST(names_are_unique),
		TEST(unnamed_ones_get_a_name),
		TEST(boot_failure_of_a_named_one_keeps_its_logs),
		TEST(silent_and_babbling_runtimes_are_boot_failures),
		TEST(failure_before_the_boot_leaves_nothing),
		TEST(wrong_workdir_leaves_nothing),
		TEST(leftover_directory_does_not_block_its_name),
		TEST(replace_takes_the_place),
		TEST(crash_is_seen_and_mended),
		TEST(own_end_is_seen_as_stopped),
		TEST(killed_ephemeral_one_is_swept),
		TEST(half_made_ones_are_recognised),
		TEST(attached_one_ends_with_its_creator),
		TEST(releasing_a_dead_one_is_an_error),
		TEST(missing_image_is_told_before_the_start),
		TEST(unknown_names),
		TEST(doctor_stops_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
