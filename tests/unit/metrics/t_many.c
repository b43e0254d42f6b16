/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of metrics with many processes at it at once. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics/registry.h"

#define LAUNCHERS 12
#define ROUNDS 80
#define CAPACITY 24 /* as many as live at once, and their remains */
#define SAMPLES 200000u

static char home[64], name[METRICS_SHM_NAME_MAX];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(home, sizeof(home), "/nowhere/many-%d", (int)getpid());
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

/* Every field has the same number, or it was torn. */
static struct metrics_sample sample_of(uint64_t n)
{
	return (struct metrics_sample){ .started_unix_ms = (int64_t)n,
					.sampled_unix_ms = (int64_t)n,
					.started_mono_ms = n,
					.sampled_mono_ms = n,
					.cpu_time_us = n,
					.cpu_percent = (double)n,
					.memory_bytes = n,
					.guest_memory_bytes = n,
					.guest_memory_total_bytes = n,
					.disk_read_bytes = n,
					.disk_write_bytes = n,
					.net_rx_bytes = n,
					.net_tx_bytes = n,
					.disk_read_rate = n,
					.disk_write_rate = n,
					.net_rx_rate = n,
					.net_tx_rate = n };
}

static bool is_whole(const struct metrics_sample *s)
{
	struct metrics_sample want = sample_of(s->cpu_time_us);

	return !memcmp(s, &want, sizeof(want));
}

/* --- torn reads --- */

static void *write_samples(void *arg)
{
	struct metrics_writer *w = arg;

	for (uint64_t i = 1; i <= SAMPLES; i++) {
		struct metrics_sample s = sample_of(i);

		if (metrics_write(w, &s))
			return w;
	}
	return NULL;
}

static void a_sample_is_whole_or_none(void **state)
{
	struct metrics_registry *r;
	const struct metrics_facts f = { .name = "box" };
	struct metrics_reading got;
	struct metrics_ticket t;
	struct metrics_writer w;
	uint64_t last = 0, seen = 0;
	pthread_t thread;
	void *failed;

	(void)state;
	assert_int_equal(metrics_registry_open(home, 1, &r, NULL), 0);
	assert_int_equal(metrics_reserve(r, &f, &t, NULL), 0);
	assert_int_equal(metrics_writer_open(metrics_registry_fd(r), t.offset,
					     t.generation, &w),
			 0);
	metrics_hand_over(r, &t, getpid());
	assert_int_equal(pthread_create(&thread, NULL, write_samples, &w), 0);
	while (last < SAMPLES) {
		if (!metrics_read(r, 0, &got))
			continue;
		assert_true(is_whole(&got.sample));
		assert_true(got.sample.cpu_time_us >= last);
		seen += got.sample.cpu_time_us > last;
		last = got.sample.cpu_time_us;
	}
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	assert_true(seen > 0);
	metrics_writer_close(&w);
	r = metrics_registry_close(r);
}

/* --- launchers and runtimes that come, work, and die --- */

/* Who uses which slot, as they themselves say. */
static _Atomic pid_t *owner;

/* A runtime of its own process: claims the slot for itself alone. */
static int be_runtime(const struct metrics_registry *r,
		      const struct metrics_ticket *t, unsigned round)
{
	struct metrics_writer w;
	pid_t before = atomic_exchange(&owner[t->slot], getpid());

	if (before && !metrics_process_gone(before))
		return 2; /* two of them have it */
	if (metrics_writer_open(metrics_registry_fd(r), t->offset,
				t->generation, &w))
		return 3;
	for (uint64_t i = 1; i < 50; i++) {
		struct metrics_sample s = sample_of(i);

		if (metrics_write(&w, &s))
			return 4;
	}
	if (atomic_load(&owner[t->slot]) != getpid())
		return 5;
	if (round % 3 == 0) /* in the middle of a sample */
		atomic_fetch_add(&w.slot->seq, 1);
	else if (round % 3 == 1)
		metrics_writer_close(&w);
	return 0;
}

static int be_launcher(unsigned number)
{
	struct metrics_facts f = { .cpus = number };
	struct metrics_registry *r;
	int bad = 0;

	if (metrics_registry_open(home, CAPACITY, &r, NULL))
		return 10;
	if (r->capacity != CAPACITY)
		return 11;
	(void)snprintf(f.name, sizeof(f.name), "box-%u", number);
	for (unsigned i = 0; i < ROUNDS && !bad; i++) {
		struct metrics_ticket t;
		int status = 0;
		pid_t pid;

		if (metrics_reserve(r, &f, &t, NULL))
			return 12;
		pid = fork();
		if (!pid)
			_exit(be_runtime(r, &t, i));
		metrics_hand_over(r, &t, pid);
		if (waitpid(pid, &status, 0) != pid || status)
			return status ? WEXITSTATUS(status) : 13;
		if (i % 4 == 1)
			metrics_release(r, f.name, true);
		else if (i % 4 == 2)
			metrics_release(r, f.name, false);
		else if (i % 4 == 3)
			metrics_give_back(r, &t);
		/* else nobody has looked after it */
	}
	r = metrics_registry_close(r);
	return bad;
}

static bool nobody_ended(void)
{
	siginfo_t info = { 0 };

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       !info.si_pid;
}

static void one_slot_one_runtime(void **state)
{
	struct metrics_registry *r = NULL;
	struct metrics_reading got;
	pid_t pids[LAUNCHERS];

	(void)state;
	owner = mmap(NULL, CAPACITY * sizeof(*owner), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(owner != MAP_FAILED);
	for (unsigned i = 0; i < LAUNCHERS; i++) {
		pids[i] = fork(); /* all of them make the object */
		if (!pids[i])
			_exit(be_launcher(i));
	}
	while (metrics_registry_open(home, 0, &r, NULL))
		assert_true(nobody_ended());
	while (nobody_ended()) /* and a reader all the while */
		for (uint32_t i = 0; i < metrics_used(r); i++)
			if (metrics_read(r, i, &got)) {
				assert_true(is_whole(&got.sample));
				assert_int_equal(
					strncmp(got.facts.name, "box-", 4), 0);
			}
	for (unsigned i = 0; i < LAUNCHERS; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	r = metrics_registry_close(r);
	(void)munmap((void *)owner, CAPACITY * sizeof(*owner));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_sample_is_whole_or_none),
		TEST(one_slot_one_runtime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
