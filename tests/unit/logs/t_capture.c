/* SPDX-License-Identifier: Apache-2.0 */
/* The log queue: order, split characters, markers, all three files. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/io.h"
#include "base/log.h"
#include "logs/logs.h"

static char dir[] = "/tmp/msb-capture-XXXXXX";
static int dirfd_;
static struct logs *logs;

static int setup(void **state)
{
	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0 ? -1 : logs_new(dirfd_, &logs);
}

static int teardown(void **state)
{
	(void)state;
	logs = logs_free(logs);
	(void)close(dirfd_);
	return io_remove_tree(AT_FDCWD, dir);
}

/* Join the bodies of all entries of one stream and id, over rotated files. */
static void collect(const char *stream, int id, struct buf *out)
{
	static const char *const files[] = { "exec.log.4", "exec.log.3",
					     "exec.log.2", "exec.log.1",
					     "exec.log" };

	for (size_t i = 0; i < 5; i++) {
		struct buf b;
		char *line, *save = NULL;

		buf_init(&b, 64 << 20);
		if (io_read_file_at(dirfd_, files[i], &b)) {
			buf_fini(&b);
			continue;
		}
		line = strtok_r((char *)(uintptr_t)buf_cstr(&b), "\n", &save);
		for (; line; line = strtok_r(NULL, "\n", &save)) {
			json_t *o = json_loads(line, JSON_ALLOW_NUL, NULL);
			json_t *d = json_object_get(o, "d");

			assert_non_null(d);
			if (!strcmp(json_string_value(json_object_get(o, "s")),
				    stream) &&
			    json_integer_value(json_object_get(o, "id")) == id)
				assert_int_equal(
					buf_append(out, json_string_value(d),
						   json_string_length(d)),
					0);
			json_decref(o);
		}
		buf_fini(&b);
	}
}

static void expect(const char *stream, int id, const char *text)
{
	struct buf out;

	buf_init(&out, 64 << 20);
	collect(stream, id, &out);
	assert_string_equal(buf_cstr(&out), text);
	buf_fini(&out);
}

static void test_split_characters(void **state)
{
	static const char text[] = "\xf0\x9f\x98\x80 \xe2\x82\xac\xc3\xbc!";
	struct log_capture one = { .stream = LOG_STDOUT, .id = 1 };
	struct log_capture three = { .stream = LOG_STDERR, .id = 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		logs_exec(logs, &one, text + i, 1);
	for (size_t i = 0; i < sizeof(text) - 1; i += 3)
		logs_exec(logs, &three, text + i,
			  sizeof(text) - 1 - i < 3 ? sizeof(text) - 1 - i : 3);
	logs_exec_end(logs, &one);
	logs_exec_end(logs, &three);
	logs = logs_free(logs);
	expect("stdout", 1, text);
	expect("stderr", 1, text);
}

static void test_unfinished_tail(void **state)
{
	struct log_capture c = { .stream = LOG_OUTPUT, .id = 3 };

	(void)state;
	logs_exec(logs, &c, "ab\xe2\x82", 4);
	logs_exec_end(logs, &c);
	logs_exec_end(logs, &c); /* a second end adds nothing */
	logs = logs_free(logs);
	expect("output", 3, "ab4oI="); /* no character, so in base64 */
}

static void test_markers_and_files(void **state)
{
	struct buf b;

	(void)state;
	logs_marker(logs, "--- sandbox started ---\n");
	logs_machine_started(logs);
	logs_kernel(logs, "[    0.1] hi\r\n", 14);
	logs_kernel(logs, "\x1b[0m", 4);
	log_init(LOG_INFO, logs_runtime_line, logs);
	log_warn("test", "one %d", 1);
	logs = logs_free(logs);
	log_init(LOG_INFO, NULL, NULL);
	expect("system", 0, "--- sandbox started ---\n");
	buf_init(&b, 4096);
	assert_int_equal(io_read_file_at(dirfd_, "kernel.log", &b), 0);
	assert_memory_equal(buf_cstr(&b) + 26,
			    "Z machine started\n[    0.1] hi\r\n\x1b[0m", 37);
	assert_int_equal(buf_len(&b), 26 + 36);
	buf_reset(&b);
	assert_int_equal(io_read_file_at(dirfd_, "runtime.log", &b), 0);
	assert_non_null(strstr(buf_cstr(&b), "Z  WARN test: one 1\n"));
	buf_fini(&b);
}

/* Time marks among much text of a console, and none inside of its lines. */
static void test_marks(void **state)
{
	const size_t len = 30 * 50000; /* lines of 30 bytes */
	char *text = malloc(len + 1), *line, *save = NULL;
	size_t at = 0, marks = 0;
	struct buf b;

	(void)state;
	for (unsigned i = 0; i < 50000; i++)
		(void)snprintf(text + (size_t)i * 30, 31,
			       "[%12u.000000] a text.\n", i);
	logs_machine_started(logs);
	for (size_t i = 0; i < len; i += 1000)
		logs_kernel(logs, text + i, len - i < 1000 ? len - i : 1000);
	logs = logs_free(logs);
	buf_init(&b, 4u << 20);
	assert_int_equal(io_read_file_at(dirfd_, "kernel.log", &b), 0);
	line = strtok_r((char *)(uintptr_t)buf_cstr(&b), "\n", &save);
	for (; line; line = strtok_r(NULL, "\n", &save)) {
		if (strstr(line, "Z machine started (continued)")) {
			marks++;
		} else if (at || *line == '[') {
			assert_int_equal(strlen(line), 29);
			assert_memory_equal(line, text + at, 29);
			at += 30;
		}
	}
	assert_int_equal(at, len);
	assert_in_range(marks, 3, 5);
	buf_fini(&b);
	free(text);
}

static void test_order_of_a_burst(void **state)
{
	struct log_capture c = { .stream = LOG_STDOUT, .id = 9 };
	char chunk[4096];
	struct buf got;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) { /* 8 MB, less than the queue */
		for (size_t at = 0; at < sizeof(chunk); at += 8) {
			char number[16];

			(void)snprintf(number, sizeof(number), "%07u\n", n++);
			memcpy(chunk + at, number, 8);
		}
		logs_exec(logs, &c, chunk, sizeof(chunk));
	}
	logs = logs_free(logs);
	buf_init(&got, 64 << 20);
	collect("stdout", 9, &got);
	assert_int_equal(buf_len(&got), n * 8u);
	for (unsigned i = 0; i < n; i++) {
		char number[16];

		(void)snprintf(number, sizeof(number), "%07u\n", i);
		assert_memory_equal(buf_data(&got) + (size_t)i * 8, number, 8);
	}
	buf_fini(&got);
}

/* A disk that is full costs entries; nothing blocks, lines stay whole. */
static void test_disk_full(void **state)
{
	struct log_capture c = { .stream = LOG_STDOUT, .id = 1 };
	struct rlimit old, small = { .rlim_cur = 100 };

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	logs_exec(logs, &c, "kept", 4);
	logs = logs_free(logs);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(logs_new(dirfd_, &logs), 0);
	log_init(LOG_INFO, logs_runtime_line, logs);
	for (int i = 0; i < 100; i++)
		logs_exec(logs, &c, "a full disk takes none of this", 30);
	logs = logs_free(logs);
	log_init(LOG_INFO, NULL, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	expect("stdout", 1, "kept");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_split_characters, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_unfinished_tail, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_markers_and_files, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_marks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order_of_a_burst, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_disk_full, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
