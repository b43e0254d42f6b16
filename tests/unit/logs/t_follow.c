/* SPDX-License-Identifier: Apache-2.0 */
/* Following logs: news, rotation at full speed, slow readers, endings. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/io.h"
#include "logdir.h"
#include "logs/exec_entry.h"
#include "logs/rotate.h"

#define PATIENCE_MS 20000 /* of a test that is about to fail */

static struct log_reader *follow(struct logdir *d, unsigned streams)
{
	struct log_reader_options o = logdir_options(d, streams);

	d->alive = true;
	o.follow = true;
	return logdir_open(d, &o);
}

/* The next entry, which comes for sure. */
static void expect_next(struct log_reader *r, const char *text)
{
	struct err err = { 0 };
	struct log_entry e;
	int rc = log_reader_next(r, PATIENCE_MS, &e, &err);

	if (rc != 1)
		fail_msg("%d, not \"%s\": %s", rc, text, err.msg);
	assert_int_equal(e.len, strlen(text));
	assert_memory_equal(e.data, text, e.len);
}

static void expect_none(struct log_reader *r)
{
	assert_string_equal(logdir_read(r), "");
	assert_false(log_reader_ended(r));
}

static void expect_end(struct log_reader *r)
{
	struct err err = { 0 };
	struct log_entry e;

	assert_int_equal(log_reader_next(r, PATIENCE_MS, &e, &err), 0);
	assert_true(log_reader_ended(r));
	assert_int_equal(log_reader_next(r, PATIENCE_MS, &e, &err), 0);
}

static void test_news(void **state)
{
	struct logdir *d = *state;
	struct log_reader *r;

	logdir_exec(d, "exec.log", 1, "stdout", "a");
	r = follow(d, 15);
	expect_next(r, "a");
	expect_none(r);
	logdir_exec(d, "exec.log", 2, "stdout", "b");
	expect_next(r, "b");
	logdir_add(d, "kernel.log", "text\n"); /* its first line */
	expect_next(r, "text\n");
	logdir_add(d, "exec.log", "{\"t\":\"2026-01-02T03:04:03.000Z\",\"s\":");
	expect_none(r);
	logdir_add(d, "exec.log", "\"stdout\",\"d\":\"c\"}\n");
	expect_next(r, "c");
	log_reader_free(r);
}

static void *add_later(void *arg)
{
	logdir_exec(arg, "exec.log", 1, "stdout", "late");
	return NULL;
}

/* With notifications and without: somebody who waits is woken. */
static void test_waiting(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, OUTPUT_STREAMS);
	pthread_t thread;

	d->alive = true;
	o.follow = true;
	for (int i = 0; i < 2; i++) {
		struct log_reader *r = logdir_open(d, &o);

		assert_string_equal(logdir_read(r), i ? "|late" : "");
		assert_int_equal(pthread_create(&thread, NULL, add_later, d),
				 0);
		expect_next(r, "late");
		assert_int_equal(pthread_join(thread, NULL), 0);
		log_reader_free(r);
		o.dir_path = NULL;
	}
}

/* The descriptor says when there is something, and stops saying so. */
static void test_descriptor(void **state)
{
	struct logdir *d = *state;
	struct log_reader *r = follow(d, OUTPUT_STREAMS);
	struct pollfd p = { .fd = log_reader_fd(r), .events = POLLIN };
	uint64_t end = clock_mono_ms() + PATIENCE_MS;
	bool quiet = false;

	while (!quiet && clock_mono_ms() < end) {
		expect_none(r);
		quiet = poll(&p, 1, 0) == 0;
	}
	assert_true(quiet);
	logdir_exec(d, "exec.log", 1, "stdout", "a");
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	expect_next(r, "a");
	log_reader_free(r);
}

static void test_ends_with_the_sandbox(void **state)
{
	struct logdir *d = *state;
	struct log_reader *r;

	logdir_exec(d, "exec.log", 1, "stdout", "a");
	r = follow(d, ALL_STREAMS);
	expect_next(r, "a");
	expect_none(r);
	logdir_exec(d, "exec.log", 2, "stdout", "b");
	logdir_add(d, "kernel.log", "last words");
	d->alive = false;
	expect_next(r, "b");
	expect_next(r, "last words\n");
	expect_end(r);
	log_reader_free(r);
	/* one that has ended long ago */
	r = follow(d, OUTPUT_STREAMS);
	d->alive = false;
	expect_next(r, "a");
	expect_next(r, "b");
	expect_end(r);
	log_reader_free(r);
}

static void test_ends_at_a_time(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, OUTPUT_STREAMS);
	struct log_reader *r;

	logdir_exec(d, "exec.log", 1, "stdout", "a");
	logdir_exec(d, "exec.log", 3, "stdout", "b");
	d->alive = true;
	o.follow = true;
	o.has_until = true;
	o.until_ns = 1767323042000000000; /* 03:04:02 */
	r = logdir_open(d, &o);
	expect_next(r, "a");
	expect_end(r);
	log_reader_free(r);
}

static void test_removed_directory(void **state)
{
	struct logdir *d = *state;
	struct log_reader *r;

	logdir_exec(d, "exec.log", 1, "stdout", "a");
	r = follow(d, ALL_STREAMS);
	assert_int_equal(io_remove_tree(AT_FDCWD, d->path), 0);
	expect_next(r, "a");
	expect_none(r);
	d->alive = false;
	expect_end(r);
	log_reader_free(r);
}

static void test_tail_and_on(void **state)
{
	struct logdir *d = *state;
	struct log_reader_options o = logdir_options(d, OUTPUT_STREAMS);
	struct log_reader *r;
	char *cursor;

	for (unsigned i = 0; i < 9; i++)
		logdir_exec(d, i < 5 ? "exec.log.1" : "exec.log", i, "stdout",
			    i < 7 ? "old" : "new");
	d->alive = true;
	o.follow = true;
	o.has_tail = true;
	o.tail = 2;
	r = logdir_open(d, &o);
	assert_string_equal(logdir_read(r), "|new|new");
	logdir_exec(d, "exec.log", 10, "stdout", "newer");
	expect_next(r, "newer");
	cursor = log_reader_cursor(r);
	log_reader_free(r);
	logdir_rotate(d, "exec.log");
	logdir_exec(d, "exec.log", 11, "stdout", "newest");
	o.has_tail = false;
	o.cursor = cursor;
	r = logdir_open(d, &o);
	assert_string_equal(logdir_read(r), "|newest");
	free(cursor);
	log_reader_free(r);
}

/* Half a line, which a write that failed had left, is taken back. */
static void test_cut_back(void **state)
{
	struct logdir *d = *state;
	struct log_reader *r;
	off_t size;
	int fd;

	logdir_exec(d, "exec.log", 1, "stdout", "a");
	fd = openat(d->fd, "exec.log", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	size = lseek(fd, 0, SEEK_END);
	r = follow(d, OUTPUT_STREAMS);
	expect_next(r, "a");
	logdir_add(d, "exec.log", "{\"t\":\"2026-01-02T03:04:02.000Z\",\"s\":");
	expect_none(r);
	assert_int_equal(ftruncate(fd, size), 0);
	expect_none(r);
	logdir_exec(d, "exec.log", 3, "stdout", "b");
	expect_next(r, "b");
	(void)close(fd);
	log_reader_free(r);
}

/* ---- numbered records, written by rotate.c in a thread --------------------
 */

#define RECORDS 120000u
#define LIMIT (64u << 10) /* of one file: several hundred records */
#define AHEAD 1200u /* records that the files that are kept have for sure */

struct writer {
	struct logdir *d;
	unsigned n;
	bool paced;
	_Atomic unsigned read; /* by the follower that sets the pace */
	pthread_t thread;
};

static void *write_records(void *arg)
{
	struct writer *w = arg;
	struct stamp_cache stamp = { 0 };
	struct rotfile f;
	struct buf line;

	buf_init(&line, 4096);
	rotfile_init(&f, w->d->fd, "exec.log", LIMIT);
	for (unsigned i = 0; i < w->n; i++) {
		char text[64];
		int len = snprintf(text, sizeof(text), "%u", i);

		buf_reset(&line);
		(void)exec_entry_format(&line, &stamp, clock_wall_ns(),
					LOG_STDOUT, 1, text, (size_t)len);
		(void)rotfile_add(&f, buf_data(&line), buf_len(&line));
		if (i % 64 == 0)
			(void)rotfile_flush(&f);
		while (w->paced && i >= w->read + AHEAD) {
			(void)rotfile_flush(&f);
			(void)sched_yield();
		}
	}
	rotfile_close(&f);
	buf_fini(&line);
	w->d->alive = false;
	return NULL;
}

static void writer_start(struct writer *w, struct logdir *d, bool paced,
			 unsigned n)
{
	memset(w, 0, sizeof(*w));
	w->d = d;
	w->n = n;
	w->paced = paced;
	d->alive = true;
	assert_int_equal(pthread_create(&w->thread, NULL, write_records, w), 0);
}

static unsigned number_of(const struct log_entry *e)
{
	char text[32] = "";

	assert_true(e->len < sizeof(text));
	memcpy(text, e->data, e->len);
	return (unsigned)strtoul(text, NULL, 10);
}

/* Files rotate many times under a follower who keeps up: it gets each record
 * once, and no notice. */
static void test_rotation_at_full_speed(void **state)
{
	struct logdir *d = *state;
	struct err err = { 0 };
	struct log_reader *r;
	struct log_entry e;
	struct writer w;
	unsigned n = 0;
	int rc;

	r = follow(d, OUTPUT_STREAMS);
	writer_start(&w, d, true, RECORDS);
	while ((rc = log_reader_next(r, PATIENCE_MS, &e, &err)) > 0) {
		assert_int_equal(number_of(&e), n);
		w.read = ++n;
	}
	if (rc < 0)
		fail_msg("after %u: %s", n, err.msg);
	assert_int_equal(n, RECORDS);
	assert_true(log_reader_ended(r));
	assert_int_equal(pthread_join(w.thread, NULL), 0);
	log_reader_free(r);
}

/* Nobody waits for the follower: whenever records are missing, it has been
 * told. */
static void test_writer_waits_for_nobody(void **state)
{
	struct logdir *d = *state;
	unsigned next = 0, gaps = 0, notices = 0;
	struct log_reader *r;
	struct log_entry e;
	struct writer w;
	int rc;

	r = follow(d, OUTPUT_STREAMS);
	writer_start(&w, d, false, RECORDS);
	for (;;) {
		struct err err = { 0 };
		bool first = true;

		while ((rc = log_reader_next(r, PATIENCE_MS, &e, &err)) > 0) {
			unsigned n = number_of(&e);

			/* one that begins anew sees old ones again */
			if (notices && n < next)
				continue;
			gaps += n > next;
			if (n != next && !(first && notices))
				fail_msg("%u after %u", n, next - 1);
			first = false;
			next = n + 1;
		}
		if (!rc)
			break;
		assert_int_equal(err.kind, ERR_MISSED_ROTATION);
		notices++;
		log_reader_free(r);
		r = follow(d, OUTPUT_STREAMS);
		d->alive = next < RECORDS; /* the writer may have ended */
	}
	assert_int_equal(next, RECORDS);
	assert_true(gaps <= notices);
	assert_int_equal(pthread_join(w.thread, NULL), 0);
	log_reader_free(r);
}

/* Two followers: one keeps up; the other one reads what it had opened and is
 * then told that there was more. */
static void test_one_is_slow(void **state)
{
	struct logdir *d = *state;
	struct log_reader *quick, *slow;
	struct err err = { 0 };
	struct log_entry e;
	struct writer w;
	unsigned n = 0;
	int rc;

	quick = follow(d, OUTPUT_STREAMS);
	slow = follow(d, OUTPUT_STREAMS);
	writer_start(&w, d, true, RECORDS / 4);
	while ((rc = log_reader_next(quick, PATIENCE_MS, &e, &err)) > 0) {
		assert_int_equal(number_of(&e), n);
		if (n == 0) {
			assert_int_equal(
				log_reader_next(slow, PATIENCE_MS, &e, &err),
				1);
			assert_int_equal(number_of(&e), 0);
		}
		w.read = ++n;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(n, RECORDS / 4);
	assert_int_equal(pthread_join(w.thread, NULL), 0);
	n = 1;
	while ((rc = log_reader_next(slow, 0, &e, &err)) > 0)
		assert_int_equal(number_of(&e), n++);
	assert_true(n > 1 && n < RECORDS / 4);
	assert_true(rc < 0);
	assert_int_equal(err.kind, ERR_MISSED_ROTATION);
	assert_non_null(strstr(err.msg, "offset"));
	expect_end(slow);
	log_reader_free(quick);
	log_reader_free(slow);
}

/* ---- the writer of a sandbox ----------------------------------------------
 */

#define CHUNK 4096u
#define CHUNKS 8000u	   /* 32 MB: three files are full */
#define CHUNKS_AHEAD 1000u /* the writer's queue holds more */

struct producer {
	struct logs *logs;
	_Atomic unsigned read;
};

static void *produce(void *arg)
{
	struct log_capture c = { .stream = LOG_STDOUT, .id = 1 };
	struct producer *p = arg;
	char chunk[CHUNK];

	memset(chunk, 'x', sizeof(chunk));
	for (unsigned i = 0; i < CHUNKS; i++) {
		while (i >= p->read + CHUNKS_AHEAD)
			(void)sched_yield();
		(void)snprintf(chunk, sizeof(chunk), "%u", i);
		logs_exec(p->logs, &c, chunk, sizeof(chunk));
	}
	return NULL;
}

static void test_of_a_sandbox(void **state)
{
	struct logdir *d = *state;
	struct err err = { 0 };
	struct producer p = { 0 };
	struct log_reader *r;
	struct log_entry e;
	pthread_t thread;
	unsigned n = 0;

	assert_int_equal(logs_new(d->fd, &p.logs), 0);
	r = follow(d, OUTPUT_STREAMS);
	assert_int_equal(pthread_create(&thread, NULL, produce, &p), 0);
	while (n < CHUNKS && log_reader_next(r, PATIENCE_MS, &e, &err) > 0) {
		assert_int_equal(e.len, CHUNK);
		assert_int_equal(strtoul((const char *)e.data, NULL, 10), n);
		p.read = ++n;
	}
	if (n < CHUNKS)
		fail_msg("after %u: %s", n, err.msg);
	assert_int_equal(pthread_join(thread, NULL), 0);
	p.logs = logs_free(p.logs);
	d->alive = false;
	expect_end(r);
	assert_int_equal(faccessat(d->fd, "exec.log.3", F_OK, 0), 0);
	log_reader_free(r);
}

#define TEST(f)                                                                \
	cmocka_unit_test_setup_teardown(f, logdir_setup, logdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_news),
		TEST(test_waiting),
		TEST(test_descriptor),
		TEST(test_ends_with_the_sandbox),
		TEST(test_ends_at_a_time),
		TEST(test_removed_directory),
		TEST(test_tail_and_on),
		TEST(test_cut_back),
		TEST(test_rotation_at_full_speed),
		TEST(test_writer_waits_for_nobody),
		TEST(test_one_is_slow),
		TEST(test_of_a_sandbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
