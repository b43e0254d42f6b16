/* SPDX-License-Identifier: Apache-2.0 */
/* Waits that another thread ends, and what they leave behind. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "api/cancel.h"
#include "world.h"

static struct world *w;
static msb_cancel_t *token;

static int setup(void **state)
{
	*state = w = world_make(NULL);
	token = msb_cancel_new();
	return token ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	(void)msb_cancel_use(NULL);
	msb_cancel_free(token);
	world_free(w);
	return 0;
}

/* ---- helpers ------------------------------------------------------------- */

/* Ends the wait of the main thread as soon as that can be under way. */
struct trigger {
	pthread_t thread;
	char path[160]; /* has to be there before */
};

static void *pull_trigger(void *arg)
{
	const struct trigger *t = arg;

	while (*t->path && access(t->path, F_OK) < 0)
		(void)usleep(1000);
	msb_cancel_trigger(token);
	return NULL;
}

static void trigger_begin(struct trigger *t)
{
	assert_int_equal(pthread_create(&t->thread, NULL, pull_trigger, t), 0);
	assert_null(msb_cancel_use(token));
}

static void trigger_end(struct trigger *t)
{
	assert_ptr_equal(msb_cancel_use(NULL), token);
	assert_int_equal(pthread_join(t->thread, NULL), 0);
}

static void expect_cancelled(int rc, msb_error_t **error)
{
	msb_error_t *e = *error;

	if (rc != -ECANCELED)
		print_error("%s\n", msb_error_text(e));
	assert_int_equal(rc, -ECANCELED);
	assert_int_equal(msb_error_kind(e), MSB_ERR_CANCELLED);
	assert_int_equal(msb_error_errno(e), ECANCELED);
	assert_string_equal(msb_error_text(e), "cancelled");
	assert_null(msb_error_detail_item(e, 0));
	msb_error_free(e);
}

/* ---- the helpers themselves ---------------------------------------------- */

static void tokens_belong_to_threads(void **state)
{
	struct pollfd none = { .fd = -1 };
	msb_cancel_t *other = msb_cancel_new();

	(void)state;
	assert_non_null(other);
	assert_false(cancel_in_use());
	assert_int_equal(cancel_poll(&none, 1, 0), 0);
	assert_null(msb_cancel_use(token));
	assert_ptr_equal(msb_cancel_use(other), token);
	msb_cancel_trigger(token); /* not ours any more */
	assert_int_equal(cancel_check(), 0);
	assert_int_equal(cancel_poll(&none, 1, 1), 0);
	assert_ptr_equal(msb_cancel_use(token), other);
	assert_int_equal(cancel_check(), -ECANCELED);
	assert_int_equal(cancel_poll(&none, 1, -1), -ECANCELED);
	assert_int_equal(cancel_sleep(100000), -ECANCELED);
	msb_cancel_free(other);
}

/* ---- create and start ---------------------------------------------------- */

/* "mute" never says that it is ready. */
static void create_leaves_nothing(void **state)
{
	struct trigger t = { 0 };
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;

	(void)state;
	(void)snprintf(t.path, sizeof(t.path), "%s/sandboxes/mute/runtime/here",
		       w->home);
	trigger_begin(&t);
	expect_cancelled(world_create(w, "mute", false, &s, &e), &e);
	trigger_end(&t);
	assert_string_equal(world_status(w, "mute"), "none");
	assert_false(world_has(w, "mute", ""));
}

static void create_does_not_begin(void **state)
{
	struct trigger t = { 0 };
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;

	(void)state;
	msb_cancel_trigger(token);
	trigger_begin(&t);
	expect_cancelled(world_create(w, "box", false, &s, &e), &e);
	trigger_end(&t);
	assert_string_equal(world_status(w, "box"), "none");
	assert_false(world_has(w, "box", ""));
	/* the name is free */
	assert_int_equal(world_create(w, "box", false, &s, NULL), 0);
	msb_sandbox_free(s);
}

static void waiting_for_others_ends(void **state)
{
	struct trigger t = { 0 };
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;
	int lock;

	(void)state;
	assert_int_equal(world_create(w, "box", false, &s, NULL), 0);
	assert_int_equal(msb_sandbox_stop(s, 5000, NULL, NULL), 0);
	lock = lifecycle_lock(&w->m->home, "box", 0, NULL);
	assert_true(lock >= 0);
	trigger_begin(&t);
	expect_cancelled(msb_sandbox_start(s, false, &e), &e);
	trigger_end(&t);
	(void)close(lock);
	assert_int_equal(msb_sandbox_start(s, false, NULL), 0);
	msb_sandbox_free(s);
}

/* ---- stop, wait, logs ---------------------------------------------------- */

static void stop_is_given_up_not_forced(void **state)
{
	struct trigger t = { 0 };
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;

	(void)state;
	assert_int_equal(world_create(w, "stubborn", false, &s, NULL), 0);
	trigger_begin(&t);
	expect_cancelled(msb_sandbox_stop(s, 60000, NULL, &e), &e);
	trigger_end(&t);
	assert_true(msb_sandbox_pid(s) > 0);
	assert_string_not_equal(world_status(w, "stubborn"), "Stopped");
	assert_int_equal(msb_sandbox_stop(s, 0, NULL, NULL), 0);
	assert_string_equal(world_status(w, "stubborn"), "Stopped");
	msb_sandbox_free(s);
}

static void wait_for_its_end_ends(void **state)
{
	struct trigger t = { 0 };
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;

	(void)state;
	assert_int_equal(world_create(w, "box", false, &s, NULL), 0);
	trigger_begin(&t);
	expect_cancelled(msb_sandbox_wait(s, -1, NULL, &e), &e);
	trigger_end(&t);
	assert_string_equal(world_status(w, "box"), "Running");
	msb_sandbox_free(s);
}

static void following_a_log_ends(void **state)
{
	msb_log_options_t o = { .struct_size = sizeof(o), .follow = true };
	msb_log_entry_t entry = { .struct_size = sizeof(entry) };
	struct trigger t = { 0 };
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;
	msb_log_t *l = NULL;
	int rc;

	(void)state;
	assert_int_equal(world_create(w, "box", false, &s, NULL), 0);
	assert_int_equal(msb_log_open(w->m, "box", &o, &l, NULL), 0);
	assert_int_equal(msb_log_next(l, 10, &entry, NULL), 0);
	trigger_begin(&t);
	do
		rc = msb_log_next(l, -1, &entry, &e);
	while (rc > 0);
	expect_cancelled(rc, &e);
	trigger_end(&t);
	msb_log_free(l);
	msb_sandbox_free(s);
}

/* ---- commands and files -------------------------------------------------- */

static void command_dies_with_its_run(void **state)
{
	static const char *const argv[] = { "cat" };
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	msb_exec_options_t *o = msb_exec_options_new();
	struct trigger t = { 0 };
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;
	msb_exec_t *x = NULL;

	(void)state;
	assert_int_equal(world_create(w, "box", false, &s, NULL), 0);
	assert_int_equal(msb_exec_options_set_command(o, argv, 1, NULL), 0);
	assert_int_equal(msb_exec_start(s, o, &x, NULL), 0);
	trigger_begin(&t);
	expect_cancelled(msb_exec_collect(x, &out, &e), &e);
	e = NULL;
	expect_cancelled(msb_exec_run(s, o, &out, &e), &e);
	trigger_end(&t);
	assert_null(out.out);
	/* collecting was given up, the command was not */
	assert_int_equal(msb_exec_close_stdin(x, NULL), 0);
	assert_int_equal(msb_exec_collect(x, &out, NULL), 0);
	assert_int_equal(out.exit_code, 0);
	msb_exec_output_clear(&out);
	msb_exec_free(x);
	msb_exec_options_free(o);
	msb_sandbox_free(s);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tokens_belong_to_threads),
		TEST(create_leaves_nothing),
		TEST(create_does_not_begin),
		TEST(waiting_for_others_ends),
		TEST(stop_is_given_up_not_forced),
		TEST(wait_for_its_end_ends),
		TEST(following_a_log_ends),
		TEST(command_dies_with_its_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
