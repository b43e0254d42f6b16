/* SPDX-License-Identifier: Apache-2.0 */
/* Reading log directories: order, filters, tails, cursors, damaged files. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/io.h"
#include "logdir.h"

#define BASE_NS 1767323040000000000 /* 2026-01-02T03:04:00Z */
#define SECONDS(n) (BASE_NS + (n) * (int64_t)NSEC_PER_SEC)

#define LINE(sec, text) "2026-01-02T03:04:" sec ".000000Z  INFO " text "\n"
#define BOOT(sec) "2026-01-02T03:04:" sec ".000000Z machine started\n"

static void test_empty(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, ALL_STREAMS);

	assert_string_equal(logdir_all(d, &o), "");
	o.has_tail = true;
	o.tail = 5;
	assert_string_equal(logdir_all(d, &o), "");
}

static void test_rotated_files_in_order(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, OUTPUT_STREAMS);

	logdir_exec(d, "exec.log.4", 1, "stdout", "a");
	logdir_exec(d, "exec.log.2", 2, "stderr", "b"); /* .3 is missing */
	logdir_exec(d, "exec.log.1", 3, "output", "c");
	logdir_exec(d, "exec.log.1", 3, "system", "marker");
	logdir_exec(d, "exec.log", 4, "stdout", "d");
	logdir_exec(d, "exec.log.5", 9, "stdout", "not ours");
	assert_string_equal(logdir_all(d, &o), "|a|b|c|d");
}

static void add_three(struct logdir *d)
{
	logdir_exec(d, "exec.log", 10, "stdout", "e10");
	logdir_exec(d, "exec.log", 20, "system", "e20");
	logdir_add(d, "runtime.log", LINE("05", "r05") LINE("20", "r20"));
	logdir_add(d, "kernel.log",
		   BOOT("08") "[    1.500000] k09.5\r\nk09.5 again\n"
			      "[   12.000000] k20\n");
}

static void test_merged_by_time(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, ALL_STREAMS);

	add_three(d);
	assert_string_equal(logdir_all(d, &o),
			    "|INFO r05\n|machine started\n"
			    "|[    1.500000] k09.5\n|k09.5 again\n|e10|e20"
			    "|INFO r20\n|[   12.000000] k20\n");
	o.streams = OUTPUT_STREAMS;
	assert_string_equal(logdir_all(d, &o), "|e10");
}

/* A clock that is set back reorders no file and keeps no other one waiting; one
 * that is set forward neither. */
static void test_clock_steps(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, ALL_STREAMS);

	logdir_exec(d, "exec.log", 10, "stdout", "e1");
	logdir_exec(d, "exec.log", 500, "stdout", "e2");
	logdir_exec(d, "exec.log", 12, "stdout", "e3");
	logdir_exec(d, "exec.log", 501, "stdout", "e4");
	logdir_add(d, "runtime.log",
		   LINE("11", "r11") LINE("03", "r03") LINE("50", "r50"));
	assert_string_equal(logdir_all(d, &o),
			    "|e1|INFO r11\n|INFO r03\n|INFO r50\n|e2|e3|e4");
}

static void test_since_and_until(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, ALL_STREAMS);

	add_three(d);
	o.has_since = o.has_until = true;
	o.since_ns = SECONDS(8);
	o.until_ns = SECONDS(20);
	assert_string_equal(logdir_all(d, &o),
			    "|machine started\n|[    1.500000] k09.5\n"
			    "|k09.5 again\n|e10");
	o.has_tail = true;
	o.tail = 3;
	assert_string_equal(logdir_all(d, &o),
			    "|[    1.500000] k09.5\n|k09.5 again\n|e10");
	o.tail = 2;
	assert_string_equal(logdir_all(d, &o), "|k09.5 again\n|e10");
	o.since_ns = SECONDS(9);
	o.tail = 9;
	assert_string_equal(logdir_all(d, &o),
			    "|[    1.500000] k09.5\n|k09.5 again\n|e10");
	o.since_ns = SECONDS(20);
	o.until_ns = SECONDS(21);
	o.tail = 2;
	assert_string_equal(logdir_all(d, &o),
			    "|INFO r20\n|[   12.000000] k20\n");
}

/* Every tail is the end of everything. */
static void test_tails(void **state)
{
	static char all[65536];
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, ALL_STREAMS);
	unsigned n = 0;

	add_three(d);
	for (unsigned i = 0; i < 300; i++) {
		char body[32];

		(void)snprintf(body, sizeof(body), "body %u", i);
		logdir_exec(d, i < 150 ? "exec.log.1" : "exec.log",
			    i < 150 ? i / 15 : 20 + i / 2, "stdout", body);
	}
	logdir_add(d, "runtime.log", "undated\n" LINE("30", "r30"));
	(void)snprintf(all, sizeof(all), "%s", logdir_all(d, &o));
	o.has_tail = true;
	for (const char *p = all; *p; p++)
		n += *p == '|';
	assert_true(n > 300);
	for (unsigned i = 0; i <= n + 1; i++) {
		const char *want = all + strlen(all);

		for (unsigned k = i; k && want > all; k--)
			while (*--want != '|' && want > all)
				;
		o.tail = i;
		assert_string_equal(logdir_all(d, &o), want);
	}
	o.tail = UINT64_MAX;
	assert_string_equal(logdir_all(d, &o), all);
}

/* A tail of the console's text needs the time of its boot, wherever that is. */
static void test_tail_of_console(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, ALL_STREAMS);
	struct log_reader *r;
	struct log_entry e;
	struct err err;

	logdir_add(d, "kernel.log.1", BOOT("01") "[    1.000000] old\n");
	logdir_add(d, "kernel.log.1", BOOT("30") "[    1.000000] a\n");
	logdir_add(d, "kernel.log",
		   "2026-01-02T03:04:30.000000Z machine started (continued)\n"
		   "[    2.000000] b\nplain\n");
	o.has_tail = true;
	o.tail = 1;
	r = logdir_open(d, &o);
	assert_int_equal(log_reader_next(r, 0, &e, &err), 1);
	assert_true(e.time_ns == SECONDS(32));
	log_reader_free(r);
	o.tail = 3;
	assert_string_equal(logdir_all(d, &o),
			    "|[    1.000000] a\n|[    2.000000] b\n|plain\n");
	o.has_since = true;
	o.since_ns = SECONDS(31);
	o.tail = 10;
	assert_string_equal(logdir_all(d, &o),
			    "|[    1.000000] a\n|[    2.000000] b\n|plain\n");
	o.has_until = true;
	o.until_ns = SECONDS(32);
	assert_string_equal(logdir_all(d, &o), "|[    1.000000] a\n");
}

static void test_undated_text(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, ALL_STREAMS);
	const struct timespec times[2] = { { .tv_sec = BASE_NS / 1000000000 },
					   { .tv_sec = BASE_NS / 1000000000 } };
	struct log_reader *r;
	struct log_entry e;
	struct err err;

	logdir_add(d, "kernel.log", "no time\n[    1.000000] nor here\n");
	assert_int_equal(utimensat(d->fd, "kernel.log", times, 0), 0);
	for (int tail = 0; tail < 2; tail++) {
		o.has_tail = o.has_since = tail;
		o.tail = 5;
		o.since_ns = SECONDS(0);
		r = logdir_open(d, &o);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(log_reader_next(r, 0, &e, &err), 1);
			assert_true(e.time_ns == BASE_NS);
		}
		assert_int_equal(log_reader_next(r, 0, &e, &err), 0);
		log_reader_free(r);
	}
}

static void test_contains(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, ALL_STREAMS);

	add_three(d);
	logdir_exec(d, "exec.log", 30, "stdout", "a needle\\n");
	logdir_exec(d, "exec.log", 31, "stdout", "need\\u006ce");
	logdir_exec(d, "exec.log", 32, "needle", "of no stream");
	logdir_exec(d, "exec.log", 33, "stdout", "a \\\"needle\\\"");
	logdir_exec(d, "exec.log", 34, "stdout", "hay\\u001b[0m");
	logdir_add(d, "exec.log",
		   "{\"t\":\"2026-01-02T03:04:35.000Z\",\"s\":\"stdout\",\"d\":"
		   "\"bmVlZGxl\",\"e\":\"b64\"}\n");
	logdir_add(d, "runtime.log", LINE("45", "needles") LINE("46", "pins"));
	o.texts = &(struct log_text){ (const uint8_t *)"needle", 6 };
	o.ntexts = 1;
	assert_string_equal(logdir_all(d, &o),
			    "|a needle\n|needle|a \"needle\"|needle"
			    "|INFO needles\n");
	o.texts = &(struct log_text){ (const uint8_t *)" \"needle\"", 9 };
	o.ntexts = 1;
	assert_string_equal(logdir_all(d, &o), "|a \"needle\"");
	o.texts = &(struct log_text){ (const uint8_t *)"\n", 1 };
	o.ntexts = 1;
	o.streams = OUTPUT_STREAMS;
	assert_string_equal(logdir_all(d, &o), "|a needle\n");
	o.texts = &(struct log_text){ (const uint8_t *)"needle", 6 };
	o.ntexts = 1;
	o.has_tail = true;
	o.tail = 2;
	assert_string_equal(logdir_all(d, &o), "|a \"needle\"|needle");
}

static void test_damaged_files(void **state)
{
	static const uint8_t odd[] = "\0\xff\xfe{\n\n\0\n\"\\\n";
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, ALL_STREAMS);

	logdir_exec(d, "exec.log.1", 1, "stdout", "a");
	logdir_add(d, "exec.log.1", "{\"t\":\"2026-01-02T03:04:01.000Z\",\"s");
	logdir_add_bytes(d, "exec.log", odd, sizeof(odd) - 1);
	logdir_exec(d, "exec.log", 2, "stdout", "b");
	logdir_add_bytes(d, "exec.log", odd, sizeof(odd) - 1);
	logdir_exec(d, "exec.log", 3, "stdout", "c");
	logdir_add(d, "exec.log", "{\"t\":\"2026-01-02T03:04:03.000Z\",\"s");
	logdir_add(d, "runtime.log", LINE("04", "d") "cut");
	assert_string_equal(logdir_all(d, &o), "|a|b|c|INFO d\n|cut\n");
	o.has_tail = true;
	o.tail = 3;
	assert_string_equal(logdir_all(d, &o), "|c|INFO d\n|cut\n");
	/* while it runs, the rest of the last line may still come */
	d->alive = true;
	assert_string_equal(logdir_all(d, &o), "|b|c|INFO d\n");
	o.has_tail = false;
	assert_string_equal(logdir_all(d, &o), "|a|b|c|INFO d\n");
}

static void test_what_is_no_log_file(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, ALL_STREAMS);

	assert_int_equal(mkdirat(d->fd, "kernel.log", 0700), 0);
	assert_int_equal(mkfifoat(d->fd, "exec.log", 0600), 0);
	assert_int_equal(symlinkat("/etc/passwd", d->fd, "runtime.log"), 0);
	logdir_exec(d, "exec.log.1", 1, "stdout", "a");
	assert_string_equal(logdir_all(d, &o), "|a");
}

/* The longest line that the writer makes is read, in spite of its six blocks;
 * what nobody wrote is passed over, forwards and backwards. */
static void test_huge_lines(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, OUTPUT_STREAMS);
	const size_t huge = 3u << 20, large = 256u << 10;
	char *text = malloc(huge);
	struct log_reader *r;
	struct log_entry e;
	struct buf line;
	struct err err;

	assert_non_null(text);
	memset(text, 'x', huge);
	buf_init(&line, 16u << 20);
	logdir_exec(d, "exec.log", 1, "stdout", "a");
	logdir_add_bytes(d, "exec.log", text, huge);
	logdir_add(d, "exec.log", "\n");
	(void)buf_str(&line, "{\"t\":\"2026-01-02T03:04:02.000Z\",\"s\":"
			     "\"stdout\",\"d\":\"");
	for (size_t i = 0; i < large; i++)
		(void)buf_str(&line, "\\u0001");
	(void)buf_str(&line, "\"}\n");
	assert_false(line.failed);
	logdir_add_bytes(d, "exec.log", buf_data(&line), buf_len(&line));
	logdir_exec(d, "exec.log", 3, "stdout", "b");
	for (int tail = 0; tail < 2; tail++) {
		o.has_tail = tail;
		o.tail = 3;
		r = logdir_open(d, &o);
		assert_int_equal(log_reader_next(r, 0, &e, &err), 1);
		assert_int_equal(e.len, 1);
		assert_int_equal(log_reader_next(r, 0, &e, &err), 1);
		assert_int_equal(e.len, large);
		assert_int_equal(e.data[large - 1], 1);
		assert_int_equal(log_reader_next(r, 0, &e, &err), 1);
		assert_int_equal(e.len, 1);
		assert_int_equal(log_reader_next(r, 0, &e, &err), 0);
		assert_true(log_reader_ended(r));
		log_reader_free(r);
	}
	o.has_tail = false;
	o.texts = &(struct log_text){ (const uint8_t *)"b", 1 };
	o.ntexts = 1;
	assert_string_equal(logdir_all(d, &o), "|b");
	buf_fini(&line);
	free(text);
}

/* From the cursor of each entry on, the rest comes, whatever has been rotated
 * meanwhile; at the end, nothing does. */
static void test_cursors(void **state)
{
	static char all[4096];
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, ALL_STREAMS);
	char *cursor[32];
	const char *rest = all;
	struct log_reader *r;
	struct log_entry e;
	struct err err;
	unsigned n = 0;

	add_three(d);
	logdir_exec(d, "exec.log.1", 1, "stdout", "older");
	logdir_exec(d, "exec.log.1", 2, "stdout", "older still");
	(void)snprintf(all, sizeof(all), "%s", logdir_all(d, &o));
	r = logdir_open(d, &o);
	cursor[n++] = log_reader_cursor(r);
	while (log_reader_next(r, 0, &e, &err) > 0)
		cursor[n++] = log_reader_cursor(r);
	log_reader_free(r);
	assert_int_equal(n, 11);
	logdir_rotate(d, "exec.log");
	logdir_rotate(d, "kernel.log");
	for (unsigned i = 0; i < n; i++) {
		o.cursor = cursor[i];
		assert_string_equal(logdir_all(d, &o), rest);
		for (rest++; *rest && *rest != '|'; rest++)
			;
	}
	logdir_exec(d, "exec.log", 50, "stdout", "new");
	logdir_add(d, "kernel.log", "[   50.000000] new\n");
	assert_string_equal(logdir_all(d, &o), "|new|[   50.000000] new\n");
	for (unsigned i = 0; i < n; i++)
		free(cursor[i]);
}

/* The cursor of a filtered reader is behind what it has passed over. */
static void test_cursor_behind_what_was_filtered(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, OUTPUT_STREAMS);
	struct log_reader *r;
	char *cursor;

	logdir_exec(d, "exec.log", 1, "stdout", "a");
	logdir_exec(d, "exec.log", 2, "stdout", "b");
	o.has_until = true;
	o.until_ns = SECONDS(1);
	r = logdir_open(d, &o);
	assert_string_equal(logdir_read(r), "");
	cursor = log_reader_cursor(r);
	log_reader_free(r);
	o.has_until = false;
	o.cursor = cursor;
	assert_string_equal(logdir_all(d, &o), "");
	free(cursor);
}

static void expect_refused(struct logdir *d, struct log_reader_options *o,
			   const char *message)
{
	struct log_reader *r = NULL;
	struct err err = { 0 };

	assert_true(log_reader_open(d->fd, o, &r, &err) < 0);
	assert_int_equal(err.kind, ERR_INVALID_CURSOR);
	if (!strstr(err.msg, message))
		fail_msg("%s", err.msg);
}

static void test_wrong_cursors(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, OUTPUT_STREAMS);
	struct log_reader *r;
	char *one, *late;

	logdir_exec(d, "exec.log", 1, "stdout", "a");
	r = logdir_open(d, &o);
	one = log_reader_cursor(r);
	(void)logdir_read(r);
	late = log_reader_cursor(r);
	log_reader_free(r);
	o.cursor = "not base64";
	expect_refused(d, &o, "cursor is not valid base64");
	o.cursor = "";
	expect_refused(d, &o, "unexpected length (0 bytes)");
	o.cursor = "AQAA";
	expect_refused(d, &o, "unexpected length (3 bytes)");
	o.cursor = "AQEAAAAAAAAAAAAAAAAAAAA=";
	expect_refused(d, &o, "exec.log generation 1 is not in the current");
	o.cursor = one;
	o.streams = ALL_STREAMS;
	expect_refused(d, &o, "of other sources");
	o.streams = OUTPUT_STREAMS;
	assert_string_equal(logdir_all(d, &o), "|a");
	/* the file is still there, but never was so long */
	o.cursor = late;
	{
		int fd = openat(d->fd, "exec.log", O_WRONLY | O_CLOEXEC);

		assert_int_equal(ftruncate(fd, 5), 0);
		(void)close(fd);
	}
	expect_refused(d, &o, "exec.log generation");
	/* the last file of all is rotated away */
	o.cursor = one;
	for (int i = 0; i < 5; i++)
		logdir_rotate(d, "exec.log");
	expect_refused(d, &o, "exec.log generation");
	free(one);
	free(late);
}

/* A new file gets the inode number of the one that was removed; a cursor of
 * the old one stays invalid. */
static void test_inode_reuse(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, OUTPUT_STREAMS);
	struct log_reader *r;
	struct stat before, after;
	char *cursor;

	for (int i = 0; i < 200; i++) {
		logdir_exec(d, "exec.log", 1, "stdout", "a");
		r = logdir_open(d, &o);
		(void)logdir_read(r);
		cursor = log_reader_cursor(r);
		log_reader_free(r);
		assert_int_equal(fstatat(d->fd, "exec.log", &before, 0), 0);
		assert_int_equal(unlinkat(d->fd, "exec.log", 0), 0);
		logdir_exec(d, "exec.log", 1, "stdout", "a");
		assert_int_equal(fstatat(d->fd, "exec.log", &after, 0), 0);
		o.cursor = cursor;
		expect_refused(d, &o, "exec.log generation");
		o.cursor = NULL;
		free(cursor);
		if (before.st_ino == after.st_ino)
			return;
	}
	/* this file system does not use numbers again: no harm either */
}

static void expect_json(struct logdir *d, const char *want)
{
	struct log_reader_options o = logdir_options(d, ALL_STREAMS);
	struct log_reader *r = logdir_open(d, &o);
	struct log_entry e;
	const char *text;
	struct err err;
	char all[2048] = "";
	size_t len;

	while (log_reader_next(r, 0, &e, &err) > 0) {
		assert_int_equal(log_reader_json(r, &text, &len, &err), 0);
		assert_int_equal(strlen(text), len);
		(void)strncat(all, text, sizeof(all) - strlen(all) - 1);
		(void)strncat(all, "\n", sizeof(all) - strlen(all) - 1);
	}
	assert_string_equal(all, want);
	log_reader_free(r);
}

#define T(sec) ",\"t\":\"2026-01-02T03:04:" sec ".000Z\"}\n"

static void test_json(void **state)
{
	struct logdir *d = *state;

	logdir_exec(d, "exec.log", 1, "stdout", "a\\n\\u001b\\\"\xc3\xbc");
	logdir_add(d, "exec.log",
		   "{\"s\":\"system\",\"d\":\"\\u00fc\\/\",\"t\":"
		   "\"2026-01-02T03:04:02Z\"}\n");
	logdir_add(d, "exec.log",
		   "{\"t\":\"2026-01-02T03:04:03.000Z\",\"s\":\"output\",\"d\":"
		   "\"Yf9igA==\",\"id\":18,\"e\":\"b64\"}\n");
	logdir_add(d, "exec.log",
		   "{\"t\":\"2026-01-02T03:04:04.000Z\",\"s\":\"output\",\"d\":"
		   "\"YQ==\",\"e\":\"b64\"}\n");
	logdir_add(d, "kernel.log", BOOT("05") "[    1.000000] \"k\"\r\n");
	expect_json(d, "{\"d\":\"a\\n\\u001b\\\"\xc3\xbc\",\"e\":null,\"id\":1,"
		       "\"s\":\"stdout\"" T(
			       "01") "{\"d\":\"\xc3\xbc/\",\"e\":null,"
				     "\"id\":null,\"s\":\"system\"" T(
					     "02") "{\"d\":\"Yf9igA==\",\"e\":"
						   "\"b64\",\"id\":18,"
						   "\"s\":\"output\"" T("03") "{\"d\":\"a\",\"e\":null,\"id\":null,\"s\":\"output\"" T(
							   "04") "{\"d\":"
								 "\"machine "
								 "started\\n\","
								 "\"e\":null,"
								 "\"id\":null,"
								 "\"s\":"
								 "\"system\"" T(
									 "05") "{\"d\":\"[    1.000000] \\\"k\\\"\\n\",\"e\":null,"
									       "\"id\":null,\"s\":\"system\"" T(
										       "06"));
}

#define TEST(f)                                                                \
	cmocka_unit_test_setup_teardown(f, logdir_setup, logdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty),
		TEST(test_rotated_files_in_order),
		TEST(test_merged_by_time),
		TEST(test_clock_steps),
		TEST(test_since_and_until),
		TEST(test_tails),
		TEST(test_tail_of_console),
		TEST(test_undated_text),
		TEST(test_contains),
		TEST(test_damaged_files),
		TEST(test_what_is_no_log_file),
		TEST(test_huge_lines),
		TEST(test_cursors),
		TEST(test_cursor_behind_what_was_filtered),
		TEST(test_wrong_cursors),
		TEST(test_inode_reuse),
		TEST(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
