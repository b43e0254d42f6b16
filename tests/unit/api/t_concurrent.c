/* SPDX-License-Identifier: Apache-2.0 */
/* Several processes at one sandbox: creating, holding, stopping, removing. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "world.h"

#define CROWD 8

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

static msb_sandbox_t *get(msb_t *m, const char *name)
{
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;

	if (msb_sandbox_get(m, name, &s, &e))
		print_error("%s\n", msb_error_text(e));
	assert_non_null(s);
	return s;
}

static void make_stopped(const char *name)
{
	msb_sandbox_t *s = NULL;

	assert_int_equal(world_create(w, name, false, &s, NULL), 0);
	assert_int_equal(msb_sandbox_stop(s, 10000, NULL, NULL), 0);
	msb_sandbox_free(s);
}

/* Run fn in CROWD processes of their own homes; returns how many gave 0. All
 * must give 0 or allowed. */
static int crowd(int (*fn)(msb_t *m, int number), int allowed)
{
	int winners = 0;

	for (int i = 0; i < CROWD; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			msb_t *m = world_open(w);
			int rc = fn(m, i);

			msb_close(m);
			_exit(rc);
		}
	}
	for (int i = 0; i < CROWD; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status));
		assert_true(!WEXITSTATUS(status) ||
			    WEXITSTATUS(status) == allowed);
		winners += WEXITSTATUS(status) == 0;
	}
	return winners;
}

static int create_same(msb_t *m, int number)
{
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;
	msb_config_t *c;
	int rc = msb_config_new(m, &c, NULL);

	(void)number;
	if (!rc)
		rc = msb_config_set_name(c, "same", NULL);
	if (!rc)
		rc = msb_config_set_image(c, w->rootfs, NULL);
	if (rc)
		return 9;
	rc = msb_sandbox_create(m, c, &s, &e);
	msb_config_free(c);
	msb_sandbox_free(s);
	if (rc && msb_error_kind(e) != MSB_ERR_SANDBOX_EXISTS)
		print_error("%s\n", msb_error_text(e));
	rc = !rc ? 0 : msb_error_kind(e) == MSB_ERR_SANDBOX_EXISTS ? 1 : 2;
	msb_error_free(e);
	return rc;
}

static void eight_creates_of_one_name(void **state)
{
	(void)state;
	assert_int_equal(crowd(create_same, 1), 1);
	assert_string_equal(world_status(w, "same"), "Running");
}

static int hold_use_drop(msb_t *m, int number)
{
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	msb_exec_options_t *o = msb_exec_options_new();
	const char *const argv[] = { "describe" };
	msb_sandbox_t *s = NULL;
	msb_exec_t *x = NULL;
	msb_error_t *e = NULL;
	int rc = msb_sandbox_get(m, "box", &s, &e);

	(void)number;
	if (!rc)
		rc = msb_sandbox_hold(s, &e);
	if (!rc)
		rc = msb_exec_options_set_command(o, argv, 1, &e);
	if (!rc)
		rc = msb_exec_start(s, o, &x, &e);
	while (!rc && ev.kind != MSB_EXEC_EXITED)
		rc = msb_exec_next(x, 20000, &ev, &e);
	msb_exec_free(x);
	if (!rc)
		rc = msb_sandbox_drop(s, 10000, NULL, &e);
	if (rc)
		print_error("%s\n", msb_error_text(e));
	msb_error_free(e);
	msb_sandbox_free(s);
	msb_exec_options_free(o);
	return rc ? 2 : 0;
}

static void all_commands_on_a_stopped_sandbox_succeed(void **state)
{
	(void)state;
	make_stopped("box");
	for (int round = 0; round < 3; round++) {
		assert_int_equal(crowd(hold_use_drop, 0), CROWD);
		assert_string_equal(world_status(w, "box"), "Stopped");
	}
}

static int chaos(msb_t *m, int number)
{
	for (int i = 0; i < 6; i++) {
		msb_sandbox_t *s = NULL;
		msb_error_t *e = NULL;
		int rc = msb_sandbox_get(m, "box", &s, &e);

		if (!rc && number % 3 == 0)
			rc = msb_sandbox_start(s, false, &e);
		else if (!rc && number % 3 == 1)
			rc = msb_sandbox_stop(s, 5000, NULL, &e);
		else if (!rc)
			rc = msb_sandbox_hold(s, &e);
		msb_sandbox_free(s);
		/* Only being too late or too early is allowed. */
		if (rc && msb_error_kind(e) != MSB_ERR_SANDBOX_RUNNING &&
		    msb_error_kind(e) != MSB_ERR_SANDBOX_STATE) {
			print_error("%d: %s\n", number, msb_error_text(e));
			return 2;
		}
		msb_error_free(e);
	}
	return 0;
}

static void start_stop_and_hold_race(void **state)
{
	msb_sandbox_t *s;

	(void)state;
	make_stopped("box");
	assert_int_equal(crowd(chaos, 0), CROWD);
	s = get(w->m, "box");
	assert_int_equal(msb_sandbox_stop(s, 10000, NULL, NULL), 0);
	assert_int_equal(msb_sandbox_status(s), MSB_STATUS_STOPPED);
	msb_sandbox_free(s);
}

static void last_holder_stops(void **state)
{
	msb_stop_result_t result;
	msb_sandbox_t *a, *b;

	(void)state;
	make_stopped("box");
	a = get(w->m, "box");
	b = get(w->m, "box");
	assert_int_equal(msb_sandbox_hold(a, NULL), 0);
	assert_int_equal(msb_sandbox_hold(a, NULL), 0); /* once is enough */
	assert_int_equal(msb_sandbox_hold(b, NULL), 0);
	assert_int_equal(msb_sandbox_drop(a, 10000, &result, NULL), 0);
	assert_int_equal(result, MSB_STOP_NOT_RUNNING);
	assert_string_equal(world_status(w, "box"), "Running");
	assert_int_equal(msb_sandbox_drop(a, 10000, &result, NULL), 0);
	assert_string_equal(world_status(w, "box"), "Running");
	assert_int_equal(msb_sandbox_drop(b, 10000, &result, NULL), 0);
	assert_int_equal(result, MSB_STOP_GRACEFUL);
	assert_string_equal(world_status(w, "box"), "Stopped");
	msb_sandbox_free(a);
	msb_sandbox_free(b);
}

static void holding_a_running_one_changes_nothing(void **state)
{
	msb_sandbox_t *s = NULL;

	(void)state;
	assert_int_equal(world_create(w, "box", false, &s, NULL), 0);
	assert_int_equal(msb_sandbox_hold(s, NULL), 0);
	assert_int_equal(msb_sandbox_drop(s, 10000, NULL, NULL), 0);
	assert_string_equal(world_status(w, "box"), "Running");
	msb_sandbox_free(s);
}

static void started_or_released_while_held_it_stays(void **state)
{
	msb_sandbox_t *a, *b;

	(void)state;
	make_stopped("box");
	a = get(w->m, "box");
	b = get(w->m, "box");
	assert_int_equal(msb_sandbox_hold(a, NULL), 0);
	assert_int_equal(msb_sandbox_start(b, false, NULL), 0);
	assert_int_equal(msb_sandbox_drop(a, 10000, NULL, NULL), 0);
	assert_string_equal(world_status(w, "box"), "Running");
	assert_int_equal(msb_sandbox_stop(b, 10000, NULL, NULL), 0);

	assert_int_equal(msb_sandbox_hold(a, NULL), 0);
	assert_int_equal(msb_sandbox_hold(b, NULL), 0);
	assert_int_equal(msb_sandbox_release(a, NULL), 0);
	assert_int_equal(msb_sandbox_drop(b, 10000, NULL, NULL), 0);
	assert_string_equal(world_status(w, "box"), "Running");
	msb_sandbox_free(a);
	msb_sandbox_free(b);
}

/* A holder in a process that is then killed without a word. */
static pid_t holder_process(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		msb_sandbox_t *s = get(world_open(w), "box");

		if (msb_sandbox_hold(s, NULL) == 0)
			(void)!write(ready[1], "x", 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

static void dead_holders_have_dropped(void **state)
{
	autoclose int dirfd = -1;
	struct runtime_process p;
	msb_sandbox_t *s;
	pid_t a, b;

	(void)state;
	make_stopped("box");
	a = holder_process();
	b = holder_process();
	dirfd = home_sandbox_open(&w->m->home, "box", SANDBOX_RUNTIME_DIR);
	assert_int_equal(runtime_process_open(dirfd, &p), 0);
	assert_int_equal(kill(a, SIGKILL), 0);
	assert_int_equal(waitpid(a, NULL, 0), a);
	assert_int_equal(runtime_alive(dirfd), 1);
	assert_int_equal(kill(b, SIGKILL), 0);
	assert_int_equal(waitpid(b, NULL, 0), b);
	/* Whether it is still ending or not: a new hold works. */
	s = get(w->m, "box");
	assert_int_equal(msb_sandbox_hold(s, NULL), 0);
	assert_int_equal(runtime_process_wait(&p, -1, 20000), 0);
	assert_int_equal(msb_sandbox_status(s), MSB_STATUS_RUNNING);
	assert_int_not_equal(msb_sandbox_pid(s), p.pid);
	assert_int_equal(msb_sandbox_drop(s, 10000, NULL, NULL), 0);
	assert_string_equal(world_status(w, "box"), "Stopped");
	runtime_process_close(&p);
	msb_sandbox_free(s);
}

/* A stop that may not wait ends a boot that does not end. */
static void forced_stop_does_not_wait_for_others(void **state)
{
	msb_stop_result_t result;
	msb_sandbox_t *s = NULL;
	int ready[2], status;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(world_create(w, "box", false, &s, NULL), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) { /* holds the lock until the runtime is dead */
		msb_t *m = world_open(w);
		int lock = lifecycle_lock(&m->home, "box", 0, NULL);
		int dirfd =
			home_sandbox_open(&m->home, "box", SANDBOX_RUNTIME_DIR);
		struct runtime_process p;

		if (lock < 0 || runtime_process_open(dirfd, &p))
			_exit(1);
		(void)!write(ready[1], "x", 1);
		_exit(runtime_process_wait(&p, -1, 20000) ? 1 : 0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(msb_sandbox_stop(s, 0, &result, NULL), 0);
	assert_int_equal(result, MSB_STOP_FORCED);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
	msb_sandbox_free(s);
}

static int list_a_lot(msb_t *m, int number)
{
	for (int i = 0; i < 30; i++) {
		msb_error_t *e = NULL;
		msb_list_t *l = NULL;

		if (!number && i % 10 == 0) {
			msb_sandbox_t *s = NULL;

			if (world_create(w, NULL, true, &s, &e)) {
				print_error("%s\n", msb_error_text(e));
				return 2;
			}
			(void)msb_sandbox_stop(s, 10000, NULL, NULL);
			msb_sandbox_free(s);
		}
		if (msb_sandbox_list(m, &l, &e)) {
			print_error("%s\n", msb_error_text(e));
			return 2;
		}
		msb_list_free(l);
	}
	return 0;
}

static void listing_while_others_come_and_go(void **state)
{
	msb_list_t *l = NULL;

	(void)state;
	assert_int_equal(crowd(list_a_lot, 0), CROWD);
	assert_int_equal(msb_sandbox_list(w->m, &l, NULL), 0);
	assert_int_equal(msb_list_count(l), 0);
	msb_list_free(l);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(eight_creates_of_one_name),
		TEST(all_commands_on_a_stopped_sandbox_succeed),
		TEST(start_stop_and_hold_race),
		TEST(last_holder_stops),
		TEST(holding_a_running_one_changes_nothing),
		TEST(started_or_released_while_held_it_stays),
		TEST(dead_holders_have_dropped),
		TEST(forced_stop_does_not_wait_for_others),
		TEST(listing_while_others_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
