/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads of one process at one home, one handle, one command. Also built with
 * -fsanitize=thread, which sees what these tests themselves cannot.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "world.h"

#define MANY 100
#define CROWD 9
#define ROUNDS 8

static struct world *w;
static msb_sandbox_t *s;

static int setup(void **state)
{
	*state = w = world_make(NULL);
	return world_create(w, "box", false, &s, NULL);
}

static int teardown(void **state)
{
	(void)state;
	(void)msb_sandbox_stop(s, 0, NULL, NULL);
	msb_sandbox_free(s);
	world_free(w);
	return 0;
}

/* What a thread found wrong is told by the one that may. */
struct worker {
	pthread_t thread;
	int number;
	const char *wrong;
	msb_error_kind_t kind;
};

static void crowd(void *(*fn)(void *), struct worker *all, int n)
{
	for (int i = 0; i < n; i++) {
		all[i] = (struct worker){ .number = i };
		assert_int_equal(
			pthread_create(&all[i].thread, NULL, fn, &all[i]), 0);
	}
	for (int i = 0; i < n; i++)
		assert_int_equal(pthread_join(all[i].thread, NULL), 0);
	for (int i = 0; i < n; i++)
		if (all[i].wrong)
			fail_msg("thread %d: %s (%s)", i, all[i].wrong,
				 msb_error_kind_name(all[i].kind));
}

/* Run a command that says what it got; only what is in allowed may fail. */
static int run_one(struct worker *me, const msb_error_kind_t *allowed, size_t n)
{
	static const char *const argv[] = { "describe", "word" };
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	msb_exec_options_t *o = msb_exec_options_new();
	msb_error_t *e = NULL;
	int rc = msb_exec_options_set_command(o, argv, 2, &e);

	if (!rc)
		rc = msb_exec_run(s, o, &out, &e);
	if (!rc && (out.exit_code != 3 || !strstr(out.out, "arg word")))
		me->wrong = "another answer than expected";
	me->kind = msb_error_kind(e);
	for (size_t i = 0; rc && i < n; i++)
		if (allowed[i] == me->kind)
			rc = 0;
	if (rc)
		me->wrong = "the command failed";
	msb_error_free(e);
	msb_exec_output_clear(&out);
	msb_exec_options_free(o);
	return me->wrong ? -1 : 0;
}

static void *run_it(void *arg)
{
	(void)run_one(arg, NULL, 0);
	return NULL;
}

static void hundred_commands_at_once(void **state)
{
	struct worker all[MANY];

	(void)state;
	crowd(run_it, all, MANY);
}

/* ---- one handle ---------------------------------------------------------- */

static size_t length(const char *text)
{
	return text ? strlen(text) : 0;
}

static void look_at_all(void)
{
	volatile size_t sum = 0;

	sum += length(msb_sandbox_name(s)) + length(msb_sandbox_image(s));
	sum += length(msb_sandbox_config_json(s));
	sum += length(msb_sandbox_machine_json(s));
	sum += length(msb_sandbox_exit_reason(s));
	sum += length(msb_sandbox_label(s, 0));
	sum += (size_t)msb_sandbox_status(s) + (size_t)msb_sandbox_pid(s);
	sum += (size_t)msb_sandbox_updated_unix_ms(s);
}

static int list_all(msb_error_t **e)
{
	msb_list_t *l = NULL;
	int rc = msb_sandbox_list(w->m, &l, e);

	if (!rc && !msb_list_count(l))
		rc = -ENOENT;
	msb_list_free(l);
	return rc;
}

static int use_briefly(msb_error_t **e)
{
	int rc = msb_sandbox_hold(s, e);

	return rc ? rc : msb_sandbox_drop(s, 5000, NULL, e);
}

static int label_it(msb_error_t **e)
{
	msb_config_t *c = NULL;
	int rc = msb_sandbox_config(s, &c, e);

	if (!rc)
		rc = msb_config_add_label(c, "team", "a", e);
	if (!rc)
		rc = msb_sandbox_modify(s, c, false, NULL, NULL, e);
	msb_config_free(c);
	return rc < 0 ? rc : 0;
}

static int wait_a_moment(msb_error_t **e)
{
	msb_exit_t end = { .struct_size = sizeof(end) };
	int rc = msb_sandbox_wait(s, 5, &end, e);

	return rc < 0 ? rc : 0;
}

static int ask_for_metrics(msb_error_t **e)
{
	msb_metrics_t now = { .struct_size = sizeof(now) };

	return msb_sandbox_metrics(s, &now, e);
}

static int operate(int number, msb_error_t **e)
{
	look_at_all();
	switch (number % CROWD) {
	case 0:
		return msb_sandbox_start(s, number % 2, e);
	case 1:
		return msb_sandbox_stop(s, 5000, NULL, e);
	case 2:
		return use_briefly(e);
	case 3:
		return list_all(e);
	case 4:
		return label_it(e);
	case 5:
		return wait_a_moment(e);
	case 6:
		return ask_for_metrics(e);
	case 7:
		return msb_sandbox_request_stop(s, e);
	default:
		return msb_sandbox_refresh(s, e);
	}
}

/* Being too early or too late is all that may go wrong. */
static void *do_everything(void *arg)
{
	static const msb_error_kind_t too_late[] = {
		MSB_ERR_SANDBOX_STATE, MSB_ERR_SANDBOX_RUNNING,
		MSB_ERR_METRICS_UNAVAILABLE, MSB_ERR_AGENT
	};
	struct worker *me = arg;

	for (int i = 0; i < ROUNDS && !me->wrong; i++) {
		msb_error_t *e = NULL;
		bool late = false;
		int rc = operate(me->number + i, &e);

		me->kind = msb_error_kind(e);
		for (size_t k = 0; k < sizeof(too_late) / sizeof(*too_late);
		     k++)
			late |= too_late[k] == me->kind;
		if (rc && !late)
			me->wrong = "an operation failed";
		msb_error_free(e);
		if (!me->wrong)
			(void)run_one(me, too_late,
				      sizeof(too_late) / sizeof(*too_late));
	}
	return NULL;
}

static void one_handle_in_many_hands(void **state)
{
	struct worker all[CROWD];
	const char *before = msb_sandbox_config_json(s);
	char *copy = strdup(before);

	(void)state;
	crowd(do_everything, all, CROWD);
	/* what was given out is still there */
	assert_string_equal(before, copy);
	free(copy);
}

/* ---- one connection for files -------------------------------------------- */

static msb_fs_t *fs;

static void *ask_for_files(void *arg)
{
	struct worker *me = arg;

	for (int i = 0; i < 30 && !me->wrong; i++) {
		const char *path = me->number % 2 ? "/file" : "/dir";
		msb_error_t *e = NULL;
		msb_fs_info_t info;

		if (msb_fs_stat(fs, path, true, &info, &e))
			me->wrong = "no answer";
		else if ((info.kind == MSB_FS_FILE) != (me->number % 2))
			me->wrong = "the answer to another question";
		me->kind = msb_error_kind(e);
		msb_error_free(e);
	}
	return NULL;
}

static void answers_go_to_who_asked(void **state)
{
	struct worker all[CROWD];

	(void)state;
	assert_int_equal(msb_fs_connect(s, &fs, NULL), 0);
	crowd(ask_for_files, all, CROWD);
	msb_fs_free(fs);
}

/* Also across a boot; but what was open is not. */
static void files_are_found_again(void **state)
{
	uint64_t before = 0, after = 0;
	msb_error_t *e = NULL;
	msb_fs_info_t info;

	(void)state;
	assert_int_equal(msb_fs_connect(s, &fs, NULL), 0);
	assert_int_equal(msb_fs_open(fs, "/file", MSB_FS_READ, 0, &before, &e),
			 0);
	assert_int_equal(msb_fs_fstat(fs, before, &info, &e), 0);
	assert_int_equal(msb_fs_stat(fs, "/missing", true, &info, &e), -ENOENT);
	assert_int_equal(msb_error_kind(e), MSB_ERR_FS_NOT_FOUND);
	assert_string_equal(msb_error_kind_name(MSB_ERR_FS_NOT_FOUND),
			    "path_not_found");
	msb_error_free(e);
	e = NULL;
	assert_int_equal(msb_sandbox_stop(s, 5000, NULL, NULL), 0);
	assert_int_equal(msb_fs_stat(fs, "/file", true, &info, &e), -ENOTCONN);
	assert_int_equal(msb_error_kind(e), MSB_ERR_SANDBOX_STATE);
	msb_error_free(e);
	e = NULL;
	assert_int_equal(msb_sandbox_start(s, false, NULL), 0);
	assert_int_equal(msb_fs_stat(fs, "/file", true, &info, &e), 0);
	assert_int_equal(msb_fs_fstat(fs, before, &info, &e), -EBADF);
	assert_int_equal(msb_error_kind(e), MSB_ERR_FS);
	msb_error_free(e);
	e = NULL;
	assert_int_equal(msb_fs_open(fs, "/file", MSB_FS_READ, 0, &after, &e),
			 0);
	assert_true(after != before);
	assert_int_equal(msb_fs_fstat(fs, after, &info, &e), 0);
	msb_fs_free(fs);
}

/* ---- one home ------------------------------------------------------------ */

static void *come_and_go(void *arg)
{
	struct worker *me = arg;

	for (int i = 0; i < 3 && !me->wrong; i++) {
		msb_sandbox_t *mine = NULL;
		msb_error_t *e = NULL;

		if (world_create(w, NULL, i == 1, &mine, &e))
			me->wrong = "no sandbox was made";
		else if (msb_sandbox_stop(mine, 5000, NULL, &e))
			me->wrong = "it could not be stopped";
		else if (i != 1 && msb_sandbox_remove(mine, false, &e))
			me->wrong = "it could not be removed";
		me->kind = msb_error_kind(e);
		msb_error_free(e);
		msb_sandbox_free(mine);
	}
	return NULL;
}

static void many_sandboxes_come_and_go(void **state)
{
	struct worker all[CROWD];
	msb_list_t *l = NULL;

	(void)state;
	crowd(come_and_go, all, CROWD);
	assert_int_equal(msb_sandbox_list(w->m, &l, NULL), 0);
	assert_int_equal(msb_list_count(l), 1);
	msb_list_free(l);
}

/* ---- one command --------------------------------------------------------- */

static msb_exec_t *x;
static atomic_bool over;

static void *push_input(void *arg)
{
	static const uint8_t data[100000];
	struct worker *me = arg;

	for (int i = 0; i < 20; i++)
		if (msb_exec_send_stdin(x, data, sizeof(data), NULL))
			me->wrong = "input was not taken";
	if (msb_exec_close_stdin(x, NULL))
		me->wrong = "input could not be closed";
	return NULL;
}

static void *resize_it(void *arg)
{
	struct worker *me = arg;

	while (!atomic_load(&over))
		if (msb_exec_resize(x, 20, 20, NULL) ||
		    (msb_exec_wants_write(x) && msb_exec_fd(x) < 0))
			me->wrong = "a size was not taken";
	return NULL;
}

static void *read_it(void *arg)
{
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	struct worker *me = arg;

	if (msb_exec_collect(x, &out, NULL) || out.out_len != 2000000)
		me->wrong = "not all came back";
	msb_exec_output_clear(&out);
	atomic_store(&over, true);
	return NULL;
}

static void *take_part(void *arg)
{
	static void *(*const parts[])(void *) = { push_input, resize_it,
						  read_it };
	const struct worker *me = arg;

	return parts[me->number](arg);
}

static void one_command_in_three_hands(void **state)
{
	static const char *const argv[] = { "cat" };
	msb_exec_options_t *o = msb_exec_options_new();
	struct worker all[3];

	(void)state;
	assert_int_equal(msb_exec_options_set_command(o, argv, 1, NULL), 0);
	msb_exec_options_set_timeout_ms(o, 60000);
	assert_int_equal(msb_exec_start(s, o, &x, NULL), 0);
	crowd(take_part, all, 3);
	msb_exec_free(x);
	msb_exec_options_free(o);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hundred_commands_at_once),
		TEST(one_handle_in_many_hands),
		TEST(answers_go_to_who_asked),
		TEST(files_are_found_again),
		TEST(many_sandboxes_come_and_go),
		TEST(one_command_in_three_hands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
