/* SPDX-License-Identifier: Apache-2.0 */
/* Logs over the public interface: which sandbox, which options, what errors. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "world.h"

#define AT(sec, s, d)                                                          \
	"{\"t\":\"2026-01-02T03:04:" sec ".000Z\",\"s\":\"" s "\",\"d\":\"" d  \
	"\",\"id\":3}\n"
#define BASE_NS 1767323040000000000 /* 2026-01-02T03:04:00Z */
#define PATIENCE_MS 20000

static struct world *w;

static void put(const char *rest, const char *text)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/sandboxes/box/%s", w->home,
		       rest);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
	(void)close(fd);
}

/* A sandbox of which only the directory is left. */
static int setup(void **state)
{
	char path[256];

	w = world_make(NULL);
	*state = w;
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/sandboxes/box/%s",
			       w->home, i ? "runtime" : "logs");
		if (io_mkdir_p(AT_FDCWD, path, 0700))
			return -1;
	}
	put("logs/exec.log", AT("01", "stdout", "a") AT("02", "system", "b")
				     AT("03", "stderr", "c"));
	put("logs/runtime.log", "2026-01-02T03:04:02.500000Z  INFO x: y\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_free(w);
	return 0;
}

static msb_log_t *open_log(const msb_log_options_t *o)
{
	msb_error_t *e = NULL;
	msb_log_t *l = NULL;

	if (msb_log_open(w->m, "box", o, &l, &e))
		fail_msg("%s", msb_error_text(e));
	return l;
}

static void expect_refused(const char *name, const msb_log_options_t *o,
			   msb_error_kind_t kind, const char *message)
{
	msb_error_t *e = NULL;
	msb_log_t *l = NULL;

	assert_true(msb_log_open(w->m, name, o, &l, &e) < 0);
	assert_int_equal(msb_error_kind(e), kind);
	if (!strstr(msb_error_message(e), message))
		fail_msg("%s", msb_error_message(e));
	assert_null(l);
	msb_error_free(e);
}

static void expect_all(const msb_log_options_t *o, const char *want)
{
	msb_log_entry_t entry = { .struct_size = sizeof(entry) };
	msb_log_t *l = open_log(o);
	char text[256] = "";

	while (msb_log_next(l, 0, &entry, NULL) > 0) {
		(void)strncat(text, entry.data, entry.len);
		(void)strncat(text, "|", sizeof(text) - strlen(text) - 1);
	}
	assert_string_equal(text, want);
	assert_true(msb_log_ended(l));
	assert_int_equal(msb_log_fd(l), -1);
	msb_log_free(l);
}

static void test_options(void **state)
{
	static const msb_log_text_t texts[] = { { "a", 1 }, { "c", 1 } };
	msb_log_options_t o = { .struct_size = sizeof(o) };

	(void)state;
	expect_all(NULL, "a|c|");
	expect_all(&o, "a|c|");
	o.sources = MSB_LOG_SYSTEM | MSB_LOG_STDERR;
	expect_all(&o, "b|INFO x: y\n|c|");
	o.has_since = true;
	o.since_unix_ns = BASE_NS + 2500000000;
	expect_all(&o, "INFO x: y\n|c|");
	o.has_until = true;
	o.until_unix_ns = BASE_NS + 3000000000;
	expect_all(&o, "INFO x: y\n|");
	o = (msb_log_options_t){ .struct_size = sizeof(o),
				 .has_tail = true,
				 .tail = 1 };
	expect_all(&o, "c|");
	o = (msb_log_options_t){ .struct_size = sizeof(o),
				 .contains = texts,
				 .contains_count = 1 };
	expect_all(&o, "a|");
	o.contains_count = 2;
	expect_all(&o, "a|c|");
	/* of a caller who does not know more */
	o.struct_size = offsetof(msb_log_options_t, contains);
	expect_all(&o, "a|c|");
}

static void test_refusals(void **state)
{
	msb_log_options_t o = { .struct_size = sizeof(o), .sources = 16 };

	(void)state;
	expect_refused("nobody", NULL, MSB_ERR_SANDBOX_NOT_FOUND,
		       "no logs directory for sandbox \"nobody\" (sandbox not "
		       "found?)");
	expect_refused("../box", NULL, MSB_ERR_SANDBOX_NOT_FOUND,
		       "no logs directory");
	expect_refused("box", &o, MSB_ERR_INVALID, "sources");
	o.sources = 0;
	o.cursor = "AQ";
	expect_refused("box", &o, MSB_ERR_INVALID_CURSOR, "base64");
	o.has_tail = true;
	expect_refused("box", &o, MSB_ERR_INVALID, "cursor");
	o.struct_size = sizeof(o) + 8;
	expect_refused("box", &o, MSB_ERR_INVALID, "newer");
}

static void test_entries(void **state)
{
	msb_log_entry_t entry = { .struct_size = sizeof(entry) };
	msb_log_options_t o = { .struct_size = sizeof(o) };
	msb_log_t *l = open_log(NULL);
	const char *json;
	char *cursor;
	size_t len;

	(void)state;
	assert_int_equal(msb_log_next(l, -1, &entry, NULL), 1);
	assert_int_equal(entry.source, MSB_LOG_STDOUT);
	assert_true(entry.time_unix_ns == BASE_NS + 1000000000);
	assert_int_equal(entry.session, 3);
	assert_int_equal(msb_log_json(l, &json, &len, NULL), 0);
	assert_string_equal(json, "{\"d\":\"a\",\"e\":null,\"id\":3,\"s\":"
				  "\"stdout\",\"t\":"
				  "\"2026-01-02T03:04:01.000Z\"}");
	assert_int_equal(len, strlen(json));
	assert_int_equal(msb_log_cursor(l, &cursor, NULL), 0);
	/* one that knows no more than where an entry comes from */
	entry = (msb_log_entry_t){ .struct_size = offsetof(msb_log_entry_t,
							   time_unix_ns) };
	assert_int_equal(msb_log_next(l, -1, &entry, NULL), 1);
	assert_int_equal(entry.source, MSB_LOG_STDERR);
	assert_int_equal(entry.len, 0);
	msb_log_free(l);
	o.cursor = cursor;
	expect_all(&o, "c|");
	msb_free(cursor);
	msb_log_free(NULL);
}

static void test_boot_error(void **state)
{
	msb_log_t *l = open_log(NULL);
	char *text = NULL;

	(void)state;
	assert_int_equal(msb_log_boot_error(l, &text, NULL), 0);
	assert_null(text);
	put("logs/boot-error.json", "{\n  \"stage\": \"mount\",");
	assert_int_equal(msb_log_boot_error(l, &text, NULL), 0);
	assert_null(text); /* half of it says nothing */
	put("logs/boot-error.json", "\n  \"message\": \"no\"\n}\n");
	assert_int_equal(msb_log_boot_error(l, &text, NULL), 0);
	assert_string_equal(text, "{\"message\":\"no\",\"stage\":\"mount\"}");
	msb_free(text);
	msb_log_free(l);
}

/* The sandbox lives as long as the runtime's lock is held. */
static void test_follow(void **state)
{
	msb_log_entry_t entry = { .struct_size = sizeof(entry) };
	msb_log_options_t o = { .struct_size = sizeof(o), .follow = true };
	char path[256];
	msb_log_t *l;
	int lock;

	(void)state;
	put("runtime/runtime.lock", "");
	(void)snprintf(path, sizeof(path),
		       "%s/sandboxes/box/runtime/runtime.lock", w->home);
	lock = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
	o.has_tail = true;
	l = open_log(&o);
	assert_true(msb_log_fd(l) >= 0);
	assert_int_equal(msb_log_next(l, 0, &entry, NULL), 0);
	assert_false(msb_log_ended(l));
	put("logs/exec.log", AT("09", "stdout", "z"));
	assert_int_equal(msb_log_next(l, PATIENCE_MS, &entry, NULL), 1);
	assert_memory_equal(entry.data, "z", 1);
	(void)close(lock);
	assert_int_equal(msb_log_next(l, PATIENCE_MS, &entry, NULL), 0);
	assert_true(msb_log_ended(l));
	msb_log_free(l);
}

static void test_missed_rotation(void **state)
{
	msb_log_entry_t entry = { .struct_size = sizeof(entry) };
	msb_log_options_t o = { .struct_size = sizeof(o), .follow = true };
	msb_log_t *l = open_log(&o);
	msb_error_t *e = NULL;
	char path[256];

	(void)state;
	assert_int_equal(msb_log_next(l, 0, &entry, NULL), 1);
	assert_int_equal(msb_log_next(l, 0, &entry, NULL), 1);
	(void)snprintf(path, sizeof(path), "%s/sandboxes/box/logs/exec.log",
		       w->home);
	assert_int_equal(unlink(path), 0);
	put("logs/exec.log", AT("05", "stdout", "later"));
	assert_true(msb_log_next(l, 0, &entry, &e) < 0);
	assert_int_equal(msb_error_kind(e), MSB_ERR_MISSED_ROTATION);
	assert_string_equal(msb_error_detail(e, "file"), "exec.log");
	assert_string_equal(msb_error_detail(e, "offset"), "183");
	msb_error_free(e);
	assert_int_equal(msb_log_next(l, 0, &entry, &e), 0);
	assert_true(msb_log_ended(l));
	msb_log_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_options, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entries, setup, teardown),
		cmocka_unit_test_setup_teardown(test_boot_error, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_follow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missed_rotation, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
