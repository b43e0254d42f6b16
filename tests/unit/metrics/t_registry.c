/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of metrics: slots, samples, and what an object may be like. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics/registry.h"

static char home[64], name[METRICS_SHM_NAME_MAX];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(home, sizeof(home), "/nowhere/unit-%d", (int)getpid());
	metrics_registry_name(home, name);
	(void)shm_unlink(name);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)shm_unlink(name);
	return 0;
}

static struct metrics_registry *open_it(uint32_t capacity)
{
	struct metrics_registry *r = NULL;
	struct err err = { 0 };

	if (metrics_registry_open(home, capacity, &r, &err))
		print_error("%s\n", err.msg);
	assert_non_null(r);
	return r;
}

static struct metrics_facts facts_of(const char *sandbox)
{
	struct metrics_facts f = { .cpus = 2,
				   .interval_ms = 1000,
				   .memory_limit_bytes = 64 };

	(void)snprintf(f.name, sizeof(f.name), "%s", sandbox);
	return f;
}

static struct metrics_ticket reserve(struct metrics_registry *r,
				     const char *sandbox)
{
	struct metrics_facts f = facts_of(sandbox);
	struct metrics_ticket t = { 0 };
	struct err err = { 0 };

	assert_int_equal(metrics_reserve(r, &f, &t, &err), 0);
	return t;
}

static int reserve_fails(struct metrics_registry *r, const char *sandbox)
{
	struct metrics_facts f = facts_of(sandbox);
	struct metrics_ticket t;
	struct err err = { 0 };
	int rc = metrics_reserve(r, &f, &t, &err);

	assert_true(rc < 0);
	assert_true(err.msg[0]);
	return rc;
}

static struct metrics_writer writer_of(const struct metrics_registry *r,
				       const struct metrics_ticket *t)
{
	struct metrics_writer w;

	assert_int_equal(metrics_writer_open(metrics_registry_fd(r), t->offset,
					     t->generation, &w),
			 0);
	return w;
}

/* A process that does nothing; a stand-in for a runtime. */
static pid_t start_process(void)
{
	pid_t pid = fork();

	if (!pid) {
		for (;;)
			(void)pause();
	}
	assert_true(pid > 0);
	return pid;
}

static void end_process(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void name_is_that_of_the_specification(void **state)
{
	char text[METRICS_SHM_NAME_MAX];

	(void)state;
	metrics_registry_name("", text);
	assert_string_equal(text, "/msb-met-cbf29ce484222325-v2");
	metrics_registry_name("a", text);
	assert_string_equal(text, "/msb-met-af63dc4c8601ec8c-v2");
}

static void nobody_made_one(void **state)
{
	struct metrics_registry *r = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(metrics_registry_open(home, 0, &r, &err), -ENOENT);
	assert_null(r);
	assert_int_equal(err.kind, ERR_NONE);
}

static void from_start_to_end(void **state)
{
	struct metrics_registry *r = open_it(4);
	struct metrics_ticket t = reserve(r, "box");
	struct metrics_sample s = { .started_unix_ms = 1,
				    .sampled_unix_ms = 2,
				    .started_mono_ms = 3,
				    .sampled_mono_ms = 4,
				    .cpu_time_us = 5,
				    .cpu_percent = 6.5,
				    .memory_bytes = 7,
				    .guest_memory_bytes = 8,
				    .guest_memory_total_bytes = 9,
				    .disk_read_bytes = 10,
				    .disk_write_bytes = 11,
				    .net_rx_bytes = 12,
				    .net_tx_bytes = 13,
				    .disk_read_rate = 14,
				    .disk_write_rate = 15,
				    .net_rx_rate = 16,
				    .net_tx_rate = 17 };
	struct metrics_writer w = writer_of(r, &t);
	struct metrics_reading got = { 0 };
	pid_t pid = start_process();

	(void)state;
	assert_int_equal(metrics_find(r, "box", &got), 0);
	metrics_hand_over(r, &t, pid);
	assert_int_equal(metrics_find(r, "box", &got), 0); /* no sample yet */
	assert_int_equal(metrics_write(&w, &s), 0);
	assert_int_equal(metrics_find(r, "other", &got), 0);
	assert_int_equal(metrics_find(r, "box", &got), 1);
	assert_memory_equal(&got.sample, &s, sizeof(s));
	assert_string_equal(got.facts.name, "box");
	assert_int_equal(got.facts.cpus, 2);
	assert_int_equal(got.facts.interval_ms, 1000);
	assert_int_equal(got.facts.memory_limit_bytes, 64);
	assert_int_equal(got.pid, pid);
	assert_false(got.ended);
	metrics_writer_close(&w);
	assert_int_equal(metrics_read(r, t.slot, &got), 1);
	assert_true(got.ended);
	end_process(pid);
	metrics_release(r, "box", false);
	assert_int_equal(metrics_find(r, "box", &got), 1);
	metrics_release(r, "box", true);
	assert_int_equal(metrics_find(r, "box", &got), 0);
	r = metrics_registry_close(r);
}

static void a_runtime_that_was_killed_has_ended_when_somebody_says_so(
	void **state)
{
	struct metrics_registry *r = open_it(4);
	struct metrics_ticket t = reserve(r, "box");
	struct metrics_writer w = writer_of(r, &t);
	const struct metrics_sample s = { .sampled_unix_ms = 1 };
	struct metrics_reading got;
	pid_t pid = start_process();

	(void)state;
	metrics_hand_over(r, &t, pid);
	assert_int_equal(metrics_write(&w, &s), 0);
	assert_false(metrics_process_gone(pid));
	assert_int_equal(kill(pid, SIGKILL), 0);
	/* a zombie counts as gone, too */
	assert_int_equal(
		waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT),
		0);
	assert_true(metrics_process_gone(pid));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(metrics_process_gone(pid));
	assert_int_equal(metrics_find(r, "box", &got), 1);
	assert_false(got.ended);
	metrics_release(r, "box", false);
	assert_int_equal(metrics_find(r, "box", &got), 1);
	assert_true(got.ended);
	metrics_writer_close(&w);
	r = metrics_registry_close(r);
}

static void slots_of_the_living_are_theirs(void **state)
{
	struct metrics_registry *r = open_it(2);
	struct metrics_ticket a = reserve(r, "a"), b = reserve(r, "b"), c;
	pid_t pa = start_process(), pb = start_process();

	(void)state;
	assert_int_not_equal(a.slot, b.slot);
	metrics_hand_over(r, &a, pa);
	metrics_hand_over(r, &b, pb);
	assert_int_equal(reserve_fails(r, "c"), -ENOSPC);
	/* said to have ended, but it lives: it still has its page */
	metrics_release(r, "a", true);
	assert_int_equal(reserve_fails(r, "c"), -ENOSPC);
	end_process(pa);
	c = reserve(r, "c");
	assert_int_equal(c.slot, a.slot);
	assert_true(c.generation > b.generation);
	/* killed, and nobody has looked after it */
	end_process(pb);
	metrics_give_back(r, &c);
	c = reserve(r, "c");
	assert_int_equal(c.slot, a.slot); /* a free one comes first */
	assert_int_equal(reserve(r, "d").slot, b.slot);
	r = metrics_registry_close(r);
}

static void a_start_that_failed_leaves_its_slot(void **state)
{
	struct metrics_registry *r = open_it(1);
	struct metrics_ticket t = reserve(r, "box");
	pid_t pid;

	(void)state;
	assert_int_equal(reserve_fails(r, "other"), -ENOSPC);
	metrics_give_back(r, &t);
	t = reserve(r, "other");
	pid = start_process();
	metrics_hand_over(r, &t, pid);
	end_process(pid);
	metrics_give_back(r, &t);
	(void)reserve(r, "third");
	r = metrics_registry_close(r);
}

static void a_dead_launcher_keeps_nothing(void **state)
{
	struct metrics_registry *r = open_it(1);
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid) {
		struct metrics_facts f = facts_of("box");
		struct metrics_ticket t;

		_exit(metrics_reserve(r, &f, &t, NULL) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)reserve(r, "other");
	r = metrics_registry_close(r);
}

static void a_new_start_supersedes_the_old(void **state)
{
	struct metrics_registry *r = open_it(4);
	struct metrics_ticket old = reserve(r, "box"), new;
	struct metrics_writer w = writer_of(r, &old);
	struct metrics_sample s = { .sampled_unix_ms = 1 };
	struct metrics_reading got;
	pid_t pid = start_process();

	(void)state;
	metrics_hand_over(r, &old, pid);
	assert_int_equal(metrics_write(&w, &s), 0);
	assert_int_equal(metrics_find(r, "box", &got), 1);
	new = reserve(r, "box");
	assert_int_not_equal(new.slot, old.slot); /* it still lives */
	assert_int_equal(metrics_find(r, "box", &got), 0);
	assert_int_equal(metrics_write(&w, &s), 0); /* seen by nobody */
	assert_int_equal(metrics_find(r, "box", &got), 0);
	end_process(pid);
	assert_int_equal(reserve(r, "other").slot, old.slot);
	assert_int_equal(metrics_write(&w, &s), -ESTALE);
	metrics_writer_close(&w);
	r = metrics_registry_close(r);
}

static void a_page_is_asked_for_in_bounds(void **state)
{
	struct metrics_registry *r = open_it(2);
	struct metrics_ticket t = reserve(r, "box");
	int fd = metrics_registry_fd(r);
	struct metrics_writer w = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(
		metrics_writer_open(fd, t.offset + 8, t.generation, &w),
		-EINVAL);
	assert_int_equal(
		metrics_writer_open(fd, (uint64_t)st.st_size, t.generation, &w),
		-EINVAL);
	assert_int_equal(
		metrics_writer_open(fd, UINT64_MAX - 4095, t.generation, &w),
		-EINVAL);
	assert_int_equal(
		metrics_writer_open(fd, t.offset, t.generation + 1, &w),
		-ESTALE);
	assert_null(w.slot);
	assert_int_equal(metrics_write(&w, &(struct metrics_sample){ 0 }),
			 -ESTALE);
	metrics_writer_close(&w);
	r = metrics_registry_close(r);
}

/* The page in a state only a writer that died, or a liar, leaves. */
static void odd_and_hostile_pages(void **state)
{
	struct metrics_registry *r = open_it(1);
	struct metrics_ticket t = reserve(r, "box");
	struct metrics_writer w = writer_of(r, &t);
	struct metrics_sample s = { .started_unix_ms = INT64_MIN,
				    .sampled_unix_ms = INT64_MAX,
				    .started_mono_ms = UINT64_MAX,
				    .sampled_mono_ms = 7,
				    .cpu_percent = -0.0 / 0.0 };
	struct metrics_reading got;
	pid_t pid = start_process();

	(void)state;
	metrics_hand_over(r, &t, pid);
	assert_int_equal(metrics_write(&w, &s), 0);
	assert_int_equal(metrics_find(r, "box", &got), 1);
	assert_int_equal(got.sample.started_unix_ms, 0);
	assert_int_equal(got.sample.sampled_unix_ms, 253402300799999);
	assert_int_equal(got.sample.started_mono_ms, 7);
	assert_true(got.sample.cpu_percent == 0);
	s.cpu_percent = 1e300;
	assert_int_equal(metrics_write(&w, &s), 0);
	assert_int_equal(metrics_find(r, "box", &got), 1);
	assert_true(got.sample.cpu_percent <= 1e7);
	atomic_store(&w.slot->seq, 9); /* within a sample, for ever */
	assert_int_equal(metrics_find(r, "box", &got), 0);
	end_process(pid);
	t = reserve(r, "next");
	assert_int_equal(atomic_load(&w.slot->seq) & 1, 0);
	metrics_writer_close(&w);
	w = writer_of(r, &t);
	metrics_hand_over(r, &t, getpid());
	s.sampled_unix_ms = 5;
	assert_int_equal(metrics_write(&w, &s), 0);
	assert_int_equal(metrics_find(r, "next", &got), 1);
	assert_int_equal(got.sample.sampled_unix_ms, 5);
	/* entries that say more than there is room for */
	atomic_store(&r->entry[0].name_len, UINT64_MAX);
	atomic_store(&r->entry[0].cpus, UINT64_MAX);
	atomic_store(&r->header->used, UINT32_MAX);
	assert_int_equal(metrics_used(r), 1);
	assert_int_equal(metrics_read(r, 0, &got), 1);
	assert_int_equal(got.facts.cpus, UINT32_MAX);
	assert_true(strlen(got.facts.name) <= METRICS_NAME_MAX);
	assert_int_equal(metrics_read(r, 1, &got), 0);
	metrics_writer_close(&w);
	r = metrics_registry_close(r);
}

static void long_names_are_whole(void **state)
{
	struct metrics_registry *r = open_it(1);
	char sandbox[METRICS_NAME_MAX + 1];
	struct metrics_ticket t;
	struct metrics_writer w;
	struct metrics_reading got;

	(void)state;
	memset(sandbox, 'x', METRICS_NAME_MAX);
	sandbox[METRICS_NAME_MAX] = 0;
	t = reserve(r, sandbox);
	w = writer_of(r, &t);
	metrics_hand_over(r, &t, getpid());
	assert_int_equal(
		metrics_write(&w,
			      &(struct metrics_sample){ .sampled_unix_ms = 1 }),
		0);
	assert_int_equal(metrics_find(r, sandbox, &got), 1);
	assert_string_equal(got.facts.name, sandbox);
	metrics_writer_close(&w);
	r = metrics_registry_close(r);
}

/* --- the object --- */

static int make_object(off_t len, const void *head, size_t head_len)
{
	int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, len), 0);
	assert_int_equal(pwrite(fd, head, head_len, 0), (ssize_t)head_len);
	return fd;
}

static void what_a_dead_maker_left_is_made_anew(void **state)
{
	const struct registry_header half = { .magic = REGISTRY_MAGIC,
					      .version = 2,
					      .capacity = 7 };
	static const off_t lengths[] = { 0, 100, 4096, 100 << 20 };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int fd = make_object(lengths[i], &half, i ? sizeof(half) : 0);
		struct metrics_registry *r = NULL;

		assert_int_equal(metrics_registry_open(home, 0, &r, NULL),
				 -ENOENT);
		r = open_it(3);
		assert_int_equal(r->capacity, 3);
		(void)reserve(r, "box");
		r = metrics_registry_close(r);
		assert_int_equal(close(fd), 0);
		assert_int_equal(shm_unlink(name), 0);
	}
}

static void an_existing_capacity_stays(void **state)
{
	struct metrics_registry *r = open_it(3), *again;

	(void)state;
	again = open_it(500);
	assert_int_equal(again->capacity, 3);
	again = metrics_registry_close(again);
	again = open_it(0);
	assert_int_equal(again->capacity, 3);
	again = metrics_registry_close(again);
	r = metrics_registry_close(r);
}

static void strange_objects_are_refused(void **state)
{
	struct registry_header good = { .magic = REGISTRY_MAGIC,
					.version = REGISTRY_VERSION,
					.header_len = HEADER_LEN,
					.entry_len = ENTRY_LEN,
					.slot_len = METRICS_SLOT_LEN,
					.capacity = 2,
					.state = REGISTRY_READY };
	struct registry_header bad[6];
	struct metrics_registry *r = NULL;
	int fd;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		bad[i] = good;
	bad[0].magic = 1;
	bad[1].version = 3;
	bad[2].capacity = 0;
	bad[3].capacity = 3; /* more than there is room for */
	bad[4].capacity = UINT32_MAX;
	bad[5].slot_len = 512;
	for (size_t i = 0; i < 6; i++) {
		struct err err = { 0 };

		fd = make_object(HEADER_LEN + 4096 + 2 * METRICS_SLOT_LEN,
				 &bad[i], sizeof(bad[i]));
		assert_int_equal(metrics_registry_open(home, 2, &r, &err),
				 -EPROTO);
		assert_non_null(strstr(err.msg, "not one of this version"));
		assert_int_equal(close(fd), 0);
		assert_int_equal(shm_unlink(name), 0);
	}
	/* ready, but a page of it would be a SIGBUS */
	fd = make_object(200, &good, sizeof(good));
	assert_int_equal(metrics_registry_open(home, 2, &r, NULL), -EPROTO);
	assert_int_equal(close(fd), 0);
	assert_int_equal(shm_unlink(name), 0);
	fd = make_object(HEADER_LEN + 4096 + 2 * METRICS_SLOT_LEN, &good,
			 sizeof(good));
	r = open_it(0);
	assert_int_equal(r->capacity, 2);
	r = metrics_registry_close(r);
	assert_int_equal(fchmod(fd, 0622), 0); /* others may write to it */
	assert_int_equal(metrics_registry_open(home, 2, &r, NULL), -EPERM);
	assert_int_equal(close(fd), 0);
}

static void another_users_object_is_refused(void **state)
{
	struct metrics_registry *r = open_it(2);

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(fchown(metrics_registry_fd(r), 1, 1), 0);
	r = metrics_registry_close(r);
	/* the home is not that user's either: there is none */
	assert_int_equal(metrics_registry_open(home, 2, &r, NULL), -EPERM);
	assert_null(r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(name_is_that_of_the_specification),
		TEST(nobody_made_one),
		TEST(from_start_to_end),
		TEST(a_runtime_that_was_killed_has_ended_when_somebody_says_so),
		TEST(slots_of_the_living_are_theirs),
		TEST(a_start_that_failed_leaves_its_slot),
		TEST(a_dead_launcher_keeps_nothing),
		TEST(a_new_start_supersedes_the_old),
		TEST(a_page_is_asked_for_in_bounds),
		TEST(odd_and_hostile_pages),
		TEST(long_names_are_whole),
		TEST(what_a_dead_maker_left_is_made_anew),
		TEST(an_existing_capacity_stays),
		TEST(strange_objects_are_refused),
		TEST(another_users_object_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
