/* SPDX-License-Identifier: Apache-2.0 */
/* Commands as a whole, their limits of time, several threads at one command. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "world.h"

#define WAIT_MS 20000

static struct world *w;
static msb_sandbox_t *s;

static int setup(void **state)
{
	msb_error_t *e = NULL;
	int rc;

	w = world_make(NULL);
	*state = w;
	rc = world_create(w, "box", false, &s, &e);
	if (rc)
		print_error("%s\n", msb_error_text(e));
	msb_error_free(e);
	return rc;
}

static int teardown(void **state)
{
	(void)state;
	msb_sandbox_free(s);
	world_free(w);
	return 0;
}

static msb_exec_options_t *options(const char *command)
{
	msb_exec_options_t *o = msb_exec_options_new();

	assert_non_null(o);
	assert_int_equal(msb_exec_options_set_command(o, &command, 1, NULL), 0);
	return o;
}

static msb_exec_t *start(msb_exec_options_t *o)
{
	msb_exec_t *x = NULL;
	msb_error_t *e = NULL;

	if (msb_exec_start(s, o, &x, &e))
		print_error("%s\n", msb_error_text(e));
	assert_non_null(x);
	msb_exec_options_free(o);
	return x;
}

/* ---- run and collect ----------------------------------------------------- */

static void output_is_collected(void **state)
{
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	msb_exec_options_t *o = options("describe");

	(void)state;
	assert_int_equal(msb_exec_run(s, o, &out, NULL), 0);
	assert_int_equal(out.exit_code, 3);
	assert_int_equal(out.signal, 0);
	assert_false(out.truncated);
	assert_int_equal(out.err_len, 0);
	assert_string_equal(out.out, "env BASE=1\ncwd /\nuser \ntty 0 24x80\n");
	assert_int_equal(out.out_len, strlen(out.out));
	msb_exec_output_clear(&out);
	assert_null(out.out);

	msb_exec_options_set_output_max(o, 3);
	assert_int_equal(msb_exec_run(s, o, &out, NULL), 0);
	assert_true(out.truncated);
	assert_string_equal(out.out, "env");
	msb_exec_output_clear(&out);

	out.struct_size = 0;
	assert_int_equal(msb_exec_run(s, o, &out, NULL), -EINVAL);
	msb_exec_options_free(o);
}

/* More than all queues hold goes in while as much comes out. */
static void given_input_goes_in_and_ends(void **state)
{
	const size_t total = 9u << 20;
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	msb_exec_options_t *o = options("cat");
	uint8_t *data = malloc(total);
	msb_exec_t *x;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < total; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	assert_int_equal(msb_exec_options_set_stdin(o, data, total, NULL), 0);
	assert_int_equal(msb_exec_run(s, o, &out, NULL), 0);
	assert_int_equal(out.exit_code, 0);
	assert_int_equal(out.out_len, total);
	assert_memory_equal(out.out, data, total);
	msb_exec_output_clear(&out);

	x = start(o);
	assert_true(msb_exec_id(x) > 0);
	assert_true(msb_exec_write_stdin(x, "x", 1, NULL) == -EPIPE);
	assert_int_equal(msb_exec_collect(x, &out, NULL), 0);
	assert_int_equal(out.out_len, total);
	msb_exec_output_clear(&out);
	msb_exec_free(x);

	/* without any, it finds the end at once */
	o = options("cat");
	assert_int_equal(msb_exec_run(s, o, &out, NULL), 0);
	assert_int_equal(out.out_len, 0);
	msb_exec_output_clear(&out);
	msb_exec_options_free(o);
	free(data);
}

static void shell_is_that_of_the_sandbox(void **state)
{
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	msb_exec_options_t *o = msb_exec_options_new();
	msb_sandbox_t *own = NULL;
	msb_config_t *c = NULL;

	(void)state;
	assert_int_equal(msb_config_new(w->m, &c, NULL), 0);
	assert_int_equal(msb_config_set_image(c, w->rootfs, NULL), 0);
	assert_int_equal(msb_config_set_shell(c, "describe", NULL), 0);
	assert_int_equal(msb_sandbox_create(w->m, c, &own, NULL), 0);
	msb_config_free(c);
	assert_int_equal(msb_exec_options_set_shell(o, own, "a && b", NULL), 0);
	assert_int_equal(msb_exec_run(own, o, &out, NULL), 0);
	assert_int_equal(out.exit_code, 3);
	assert_ptr_equal(strstr(out.out, "arg -c\narg a && b\n"), out.out);
	msb_exec_output_clear(&out);
	msb_exec_options_free(o);
	assert_int_equal(msb_sandbox_stop(own, 5000, NULL, NULL), 0);
	msb_sandbox_free(own);
}

static void failures_are_those_of_starting(void **state)
{
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	msb_exec_options_t *o = options("missing");
	msb_error_t *e = NULL;

	(void)state;
	assert_int_equal(msb_exec_run(s, o, &out, &e), -ENOENT);
	assert_int_equal(msb_error_kind(e), MSB_ERR_EXEC_FAILED);
	assert_null(out.out);
	msb_error_free(e);
	msb_exec_options_free(o);
}

/* ---- time ---------------------------------------------------------------- */

static void time_is_up(void **state)
{
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	msb_exec_options_t *o = options("hello");
	msb_error_t *e = NULL;
	msb_exec_t *x;

	(void)state;
	msb_exec_options_set_timeout_ms(o, 30);
	x = start(o); /* its input stays open: nothing else would end it */
	assert_int_equal(msb_exec_collect(x, &out, &e), -ETIMEDOUT);
	assert_int_equal(msb_error_kind(e), MSB_ERR_EXEC_TIMEOUT);
	assert_string_equal(msb_error_detail(e, "timeout_ms"), "30");
	assert_string_equal(out.out, "hello\n");
	assert_int_equal(out.exit_code, -1);
	msb_exec_output_clear(&out);
	msb_error_free(e);
	msb_exec_free(x);
}

/* Who has a loop of his own is woken for it, and told as often as he asks. */
static void time_is_up_in_a_loop_of_ones_own(void **state)
{
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	msb_exec_options_t *o = options("cat");
	msb_error_t *e = NULL;
	msb_exec_t *x;
	int rc = 0;

	(void)state;
	msb_exec_options_set_timeout_ms(o, 30);
	x = start(o);
	while (!rc) {
		struct pollfd p = { .fd = msb_exec_fd(x), .events = POLLIN };

		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		do
			rc = msb_exec_next(x, 0, &ev, &e);
		while (!rc && ev.kind != MSB_EXEC_NONE);
	}
	assert_int_equal(msb_error_kind(e), MSB_ERR_EXEC_TIMEOUT);
	msb_error_free(e);
	e = NULL;
	assert_int_equal(msb_exec_next(x, 0, &ev, &e), -ETIMEDOUT);
	assert_int_equal(msb_error_kind(e), MSB_ERR_EXEC_TIMEOUT);
	msb_error_free(e);
	msb_exec_free(x);
}

static void enough_time_changes_nothing(void **state)
{
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	msb_exec_options_t *o = options("describe");

	(void)state;
	msb_exec_options_set_timeout_ms(o, UINT64_MAX);
	assert_int_equal(msb_exec_run(s, o, &out, NULL), 0);
	assert_int_equal(out.exit_code, 3);
	msb_exec_output_clear(&out);
	msb_exec_options_free(o);
}

/* Behind input that nobody reads it would wait forever. */
static void kill_reaches_what_does_not_read(void **state)
{
	static const uint8_t data[65536];
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	msb_exec_t *x = start(options("clog"));

	(void)state;
	while (msb_exec_write_stdin(x, data, sizeof(data), NULL) > 0)
		;
	assert_int_equal(msb_exec_signal(x, 9, NULL), 0);
	assert_int_equal(msb_exec_collect(x, &out, NULL), 0);
	assert_int_equal(out.exit_code, -1);
	assert_int_equal(out.signal, 9);
	msb_exec_output_clear(&out);
	msb_exec_free(x);
}

/* ---- threads ------------------------------------------------------------- */

struct reader {
	msb_exec_t *x;
	msb_cancel_t *token;
	pthread_t thread;
	int rc;
	msb_error_kind_t kind;
	msb_exec_output_t out;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;
	msb_error_t *e = NULL;

	(void)msb_cancel_use(r->token);
	r->rc = msb_exec_collect(r->x, &r->out, &e);
	r->kind = msb_error_kind(e);
	msb_error_free(e);
	return NULL;
}

static void reader_begin(struct reader *r, msb_exec_t *x, msb_cancel_t *token)
{
	*r = (struct reader){ .x = x, .token = token };
	r->out.struct_size = sizeof(r->out);
	assert_int_equal(pthread_create(&r->thread, NULL, read_all, r), 0);
}

static void reader_end(struct reader *r)
{
	assert_int_equal(pthread_join(r->thread, NULL), 0);
	msb_exec_free(r->x);
}

static void signal_while_another_thread_waits(void **state)
{
	struct reader r;

	(void)state;
	reader_begin(&r, start(options("cat")), NULL);
	assert_int_equal(msb_exec_resize(r.x, 10, 10, NULL), 0);
	assert_int_equal(msb_exec_signal(r.x, 15, NULL), 0);
	reader_end(&r);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.out.signal, 15);
	msb_exec_output_clear(&r.out);
}

static void input_while_another_thread_reads(void **state)
{
	const size_t total = 5u << 20;
	uint8_t *data = malloc(total);
	struct reader r;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < total; i++)
		data[i] = (uint8_t)(i * 11 + i / 253);
	reader_begin(&r, start(options("cat")), NULL);
	assert_int_equal(msb_exec_send_stdin(r.x, data, total, NULL), 0);
	assert_int_equal(msb_exec_close_stdin(r.x, NULL), 0);
	reader_end(&r);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.out.out_len, total);
	assert_memory_equal(r.out.out, data, total);
	msb_exec_output_clear(&r.out);
	free(data);
}

static void detach_while_another_thread_waits(void **state)
{
	struct reader r;
	msb_exec_t *y = NULL;

	(void)state;
	reader_begin(&r, start(options("cat")), NULL);
	assert_int_equal(msb_exec_detach(r.x, NULL), 0);
	reader_end(&r);
	assert_int_equal(r.rc, -ENOTCONN);
	assert_int_equal(msb_sandbox_attach(s, &y, NULL), 0);
	msb_exec_free(y);
}

static void token_ends_a_wait(void **state)
{
	msb_cancel_t *token = msb_cancel_new();
	msb_error_t *e = NULL;
	struct reader r;

	(void)state;
	assert_non_null(token);
	reader_begin(&r, start(options("cat")), token);
	msb_cancel_trigger(token);
	reader_end(&r);
	assert_int_equal(r.rc, -ECANCELED);
	assert_int_equal(r.kind, MSB_ERR_CANCELLED);
	/* and whatever is tried with it from then on */
	assert_null(msb_cancel_use(token));
	assert_int_equal(msb_sandbox_ping(s, 1000, NULL, &e), -ECANCELED);
	assert_int_equal(msb_error_kind(e), MSB_ERR_CANCELLED);
	assert_string_equal(msb_error_text(e), "cancelled");
	msb_error_free(e);
	assert_ptr_equal(msb_cancel_use(NULL), token);
	assert_int_equal(msb_sandbox_ping(s, 1000, NULL, NULL), 0);
	msb_cancel_free(token);
}

/* ---- sandboxes that others run ------------------------------------------- */

static void *stop_it(void *arg)
{
	(void)arg;
	(void)msb_sandbox_request_stop(s, NULL);
	return NULL;
}

static void connect_and_wait(void **state)
{
	msb_exit_t end = { .struct_size = sizeof(end) };
	msb_sandbox_t *other = NULL;
	msb_error_t *e = NULL;
	pthread_t t;

	(void)state;
	assert_int_equal(msb_sandbox_connect(w->m, "box", 5000, &other, NULL),
			 0);
	assert_int_equal(msb_sandbox_wait(other, 0, &end, NULL), 0);
	assert_int_equal(msb_sandbox_wait(other, 10, &end, NULL), 0);
	assert_int_equal(pthread_create(&t, NULL, stop_it, NULL), 0);
	assert_int_equal(msb_sandbox_wait(other, -1, &end, NULL), 1);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(end.status, MSB_STATUS_STOPPED);
	assert_string_equal(end.reason, "ShutdownRequested");
	assert_int_equal(end.exit_code, -1);
	assert_int_equal(msb_sandbox_request_stop(other, NULL), 0);
	assert_int_equal(msb_sandbox_wait(other, 0, &end, NULL), 1);
	msb_sandbox_free(other);
	other = NULL;
	assert_int_equal(msb_sandbox_connect(w->m, "box", 5000, &other, &e),
			 -ENOTCONN);
	assert_int_equal(msb_error_kind(e), MSB_ERR_SANDBOX_STATE);
	msb_error_free(e);
	e = NULL;
	assert_int_equal(msb_sandbox_connect(w->m, "nobox", 5000, &other, &e),
			 -ENOENT);
	assert_int_equal(msb_error_kind(e), MSB_ERR_SANDBOX_NOT_FOUND);
	msb_error_free(e);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(output_is_collected),
		TEST(given_input_goes_in_and_ends),
		TEST(shell_is_that_of_the_sandbox),
		TEST(failures_are_those_of_starting),
		TEST(time_is_up),
		TEST(time_is_up_in_a_loop_of_ones_own),
		TEST(enough_time_changes_nothing),
		TEST(kill_reaches_what_does_not_read),
		TEST(signal_while_another_thread_waits),
		TEST(input_while_another_thread_reads),
		TEST(detach_while_another_thread_waits),
		TEST(token_ends_a_wait),
		TEST(connect_and_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
