/* SPDX-License-Identifier: Apache-2.0 */
/* Commands over the public interface, against the stand-in runtime. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
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

static msb_exec_t *start(msb_exec_options_t *o, const char *command)
{
	const char *const argv[] = { command, "one", "two words" };
	msb_exec_t *x = NULL;
	msb_error_t *e = NULL;

	assert_int_equal(msb_exec_options_set_command(o, argv, 3, &e), 0);
	if (msb_exec_start(s, o, &x, &e))
		print_error("%s\n", msb_error_text(e));
	assert_non_null(x);
	return x;
}

static msb_exec_event_t next(msb_exec_t *x)
{
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	msb_error_t *e = NULL;

	if (msb_exec_next(x, WAIT_MS, &ev, &e))
		print_error("%s\n", msb_error_text(e));
	assert_null(e);
	assert_true(ev.kind != MSB_EXEC_NONE);
	return ev;
}

static void request_is_composed_from_sandbox_and_options(void **state)
{
	static const char want[] =
		"arg one\narg two words\nenv BASE=2\nenv NEW=x\n"
		"env TERM=screen\ncwd /w\nuser 5:6\ntty 1 7x9\n";
	msb_exec_options_t *o = msb_exec_options_new();
	msb_exec_event_t ev;
	msb_exec_t *x;

	(void)state;
	assert_int_equal(msb_exec_options_add_env(o, "BASE", "2", NULL), 0);
	assert_int_equal(msb_exec_options_add_env(o, "NEW", "x", NULL), 0);
	assert_int_equal(msb_exec_options_set_cwd(o, "/w", NULL), 0);
	assert_int_equal(msb_exec_options_set_user(o, "5:6", NULL), 0);
	msb_exec_options_set_tty(o, true, 7, 9, "screen");
	x = start(o, "describe");
	msb_exec_options_free(o);
	assert_true(msb_exec_is_tty(x));
	ev = next(x);
	assert_int_equal(ev.kind, MSB_EXEC_STARTED);
	assert_int_equal(ev.pid, 4711);
	ev = next(x);
	assert_int_equal(ev.kind, MSB_EXEC_STDOUT);
	assert_int_equal(ev.len, sizeof(want) - 1);
	assert_memory_equal(ev.data, want, ev.len);
	for (int i = 0; i < 2; i++) { /* it can be asked for again */
		ev = next(x);
		assert_int_equal(ev.kind, MSB_EXEC_EXITED);
		assert_int_equal(ev.exit_code, 3);
		assert_int_equal(ev.signal, 0);
	}
	msb_exec_free(x);
}

static void plain_request_has_defaults(void **state)
{
	static const char want[] = "arg one\narg two words\nenv BASE=1\ncwd "
				   "/\nuser \ntty 0 24x80\n";
	msb_exec_options_t *o = msb_exec_options_new();
	msb_exec_t *x = start(o, "describe");
	msb_exec_event_t ev;

	(void)state;
	(void)next(x);
	ev = next(x);
	assert_int_equal(ev.len, sizeof(want) - 1);
	assert_memory_equal(ev.data, want, ev.len);
	msb_exec_free(x);
	/* A terminal without a usable TERM is an xterm. */
	msb_exec_options_set_tty(o, true, 0, 0, "dumb");
	x = start(o, "describe");
	(void)next(x);
	ev = next(x);
	assert_non_null(memmem(ev.data, ev.len, "env TERM=xterm\n", 15));
	assert_non_null(memmem(ev.data, ev.len, "tty 1 24x80\n", 12));
	msb_exec_free(x);
	msb_exec_options_free(o);
}

/* More than all queues together hold goes through, in order. */
static void input_comes_back(void **state)
{
	const size_t total = 3u << 20;
	msb_exec_options_t *o = msb_exec_options_new();
	msb_exec_t *x = start(o, "cat");
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	uint8_t *data = malloc(total);
	size_t sent = 0, got = 0;
	bool closed = false;

	(void)state;
	msb_exec_options_free(o);
	assert_non_null(data);
	for (size_t i = 0; i < total; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	while (ev.kind != MSB_EXEC_EXITED) {
		struct pollfd p = { .fd = msb_exec_fd(x), .events = POLLIN };
		int64_t n = 0;

		if (sent < total) {
			n = msb_exec_write_stdin(x, data + sent, total - sent,
						 NULL);
			assert_true(n >= 0);
			sent += (size_t)n;
		} else if (!closed) {
			closed = true;
			assert_int_equal(msb_exec_close_stdin(x, NULL), 0);
		}
		assert_int_equal(msb_exec_next(x, 0, &ev, NULL), 0);
		if (ev.kind == MSB_EXEC_STDOUT) {
			assert_true(got + ev.len <= total);
			assert_memory_equal(ev.data, data + got, ev.len);
			got += ev.len;
		}
		if (ev.kind != MSB_EXEC_NONE || n > 0)
			continue;
		if (msb_exec_wants_write(x))
			p.events |= POLLOUT;
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	}
	assert_int_equal(got, total);
	assert_int_equal(ev.exit_code, 0);
	assert_true(msb_exec_write_stdin(x, "x", 1, NULL) == -EPIPE);
	free(data);
	msb_exec_free(x);
}

static void signals_end_it(void **state)
{
	msb_exec_options_t *o = msb_exec_options_new();
	msb_exec_t *x = start(o, "cat");
	msb_exec_event_t ev;

	(void)state;
	msb_exec_options_free(o);
	assert_int_equal(next(x).kind, MSB_EXEC_STARTED);
	assert_int_equal(msb_exec_resize(x, 100000, 1, NULL), 0);
	assert_int_equal(msb_exec_signal(x, 0, NULL), -EINVAL);
	assert_int_equal(msb_exec_signal(x, 15, NULL), 0);
	ev = next(x);
	assert_int_equal(ev.kind, MSB_EXEC_EXITED);
	assert_int_equal(ev.exit_code, -1);
	assert_int_equal(ev.signal, 15);
	/* Late input is nobody's business any more. */
	assert_true(msb_exec_write_stdin(x, "late", 4, NULL) == 4);
	assert_int_equal(msb_exec_signal(x, 9, NULL), 0);
	msb_exec_free(x);
}

static void missing_program_is_a_typed_error(void **state)
{
	msb_exec_options_t *o = msb_exec_options_new();
	msb_exec_t *x = start(o, "missing");
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	msb_error_t *e = NULL;

	(void)state;
	msb_exec_options_free(o);
	assert_true(msb_exec_next(x, WAIT_MS, &ev, &e) < 0);
	assert_int_equal(msb_error_kind(e), MSB_ERR_EXEC_FAILED);
	assert_int_equal(msb_error_errno(e), ENOENT);
	assert_string_equal(msb_error_detail(e, "kind"), "not_found");
	assert_string_equal(msb_error_detail(e, "errno_name"), "ENOENT");
	assert_string_equal(msb_error_detail(e, "command"), "missing");
	assert_string_equal(msb_error_detail(e, "sandbox"), "box");
	assert_null(msb_error_detail(e, "stage"));
	assert_string_equal(msb_error_text(e),
			    "failed to exec \"missing\": spawn \"missing\": No "
			    "such file or directory (os error 2)");
	msb_error_free(e);
	e = NULL;
	assert_true(msb_exec_next(x, 0, &ev, &e) < 0);
	assert_int_equal(msb_error_kind(e), MSB_ERR_AGENT);
	msb_error_free(e);
	msb_exec_free(x);
}

static void lost_connection_is_an_error_not_an_exit(void **state)
{
	msb_exec_options_t *o = msb_exec_options_new();
	msb_exec_t *x = start(o, "vanish");
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	msb_error_t *e = NULL;

	(void)state;
	msb_exec_options_free(o);
	assert_int_equal(next(x).kind, MSB_EXEC_STARTED);
	assert_true(msb_exec_next(x, WAIT_MS, &ev, &e) < 0);
	assert_int_equal(msb_error_kind(e), MSB_ERR_AGENT);
	assert_non_null(strstr(msb_error_text(e), "sandbox 'box' went away"));
	msb_error_free(e);
	msb_exec_free(x);
}

static void detached_command_can_be_attached_again(void **state)
{
	msb_exec_options_t *o = msb_exec_options_new();
	msb_exec_t *x, *y = NULL;
	msb_exec_event_t ev;
	msb_error_t *e = NULL;

	(void)state;
	assert_true(msb_sandbox_attach(s, &y, &e) < 0);
	assert_int_equal(msb_error_kind(e), MSB_ERR_SANDBOX_STATE);
	assert_non_null(strstr(msb_error_message(e), "nothing is detached"));
	msb_error_free(e);
	e = NULL;
	x = start(o, "cat");
	msb_exec_options_free(o);
	assert_int_equal(next(x).kind, MSB_EXEC_STARTED);
	assert_int_equal(msb_exec_detach(x, &e), 0);
	assert_int_equal(msb_sandbox_attach(s, &y, &e), 0);
	msb_exec_free(x);
	assert_true(msb_exec_is_tty(y));
	assert_true(msb_exec_write_stdin(y, "again", 5, &e) == 5);
	ev = next(y);
	assert_int_equal(ev.kind, MSB_EXEC_STDOUT);
	assert_memory_equal(ev.data, "again", 5);
	msb_exec_free(y);
}

static void timeout_gives_nothing(void **state)
{
	msb_exec_options_t *o = msb_exec_options_new();
	msb_exec_t *x = start(o, "cat");
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };

	(void)state;
	msb_exec_options_free(o);
	(void)next(x);
	assert_int_equal(msb_exec_next(x, 0, &ev, NULL), 0);
	assert_int_equal(ev.kind, MSB_EXEC_NONE);
	ev.struct_size = 0;
	assert_int_equal(msb_exec_next(x, 0, &ev, NULL), -EINVAL);
	msb_exec_free(x);
}

static void guest_directories(void **state)
{
	(void)state;
	assert_int_equal(msb_sandbox_is_dir(s, "/dir", NULL), 1);
	assert_int_equal(msb_sandbox_is_dir(s, "/file", NULL), 0);
	assert_int_equal(msb_sandbox_is_dir(s, "/missing", NULL), 0);
}

static void too_large_a_request_is_refused_here(void **state)
{
	msb_exec_options_t *o = msb_exec_options_new();
	char *word = malloc(5u << 20);
	const char *const argv[] = { "echo", word };
	msb_exec_t *x = NULL;
	msb_error_t *e = NULL;

	(void)state;
	assert_non_null(word);
	memset(word, 'x', 5u << 20);
	word[(5u << 20) - 1] = 0;
	assert_int_equal(msb_exec_options_set_command(o, argv, 2, &e), 0);
	assert_true(msb_exec_start(s, o, &x, &e) < 0);
	assert_non_null(strstr(msb_error_text(e), "must stay below 4 MiB"));
	msb_error_free(e);
	msb_exec_options_free(o);
	free(word);
}

static void stopped_sandbox_says_so(void **state)
{
	msb_exec_options_t *o = msb_exec_options_new();
	const char *const argv[] = { "true" };
	msb_exec_t *x = NULL;
	msb_error_t *e = NULL;

	(void)state;
	assert_int_equal(msb_sandbox_stop(s, 10000, NULL, NULL), 0);
	assert_int_equal(msb_exec_options_set_command(o, argv, 1, &e), 0);
	assert_true(msb_exec_start(s, o, &x, &e) < 0);
	assert_int_equal(msb_error_kind(e), MSB_ERR_SANDBOX_STATE);
	assert_string_equal(msb_error_text(e), "sandbox 'box' is not running");
	msb_error_free(e);
	msb_exec_options_free(o);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(request_is_composed_from_sandbox_and_options),
		TEST(plain_request_has_defaults),
		TEST(input_comes_back),
		TEST(signals_end_it),
		TEST(missing_program_is_a_typed_error),
		TEST(lost_connection_is_an_error_not_an_exit),
		TEST(detached_command_can_be_attached_again),
		TEST(timeout_gives_nothing),
		TEST(guest_directories),
		TEST(too_large_a_request_is_refused_here),
		TEST(stopped_sandbox_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
