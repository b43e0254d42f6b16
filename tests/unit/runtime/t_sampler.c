/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of a sandbox whose machine and guest say what the test wants. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "runtime/sandbox.h"

#define MIB (1ull << 20)

static struct sandbox *s;
static struct metrics_registry *registry;
static struct metrics_ticket ticket;
static char shm[METRICS_SHM_NAME_MAX];
static struct machine_usage machine;
static unsigned questions;
static struct virtio_device nic;
static char box_name[] = "box";

/* In place of the engine's. */
void machine_usage(struct machine *m, struct machine_usage *ret)
{
	(void)m;
	*ret = machine;
}

static size_t on_send(void *ctx, const void *data, size_t len)
{
	(void)ctx;
	questions += memmem(data, len, MSG_T_USAGE_REQUEST,
			    strlen(MSG_T_USAGE_REQUEST)) != NULL;
	return len;
}

static void no_log(void *ctx, const char *line, size_t len)
{
	(void)ctx;
	(void)line;
	(void)len;
}

static int setup(void **state)
{
	struct metrics_facts f = { .name = "box", .interval_ms = 1 };
	struct relay_config cfg = { .guest_send = on_send };
	char home[64];

	(void)state;
	log_init(LOG_INFO, no_log, NULL);
	(void)snprintf(home, sizeof(home), "/nowhere/sampler-%d",
		       (int)getpid());
	metrics_registry_name(home, shm);
	(void)shm_unlink(shm);
	s = calloc(1, sizeof(*s));
	if (!s || loop_new(&s->loop) ||
	    metrics_registry_open(home, 1, &registry, NULL) ||
	    metrics_reserve(registry, &f, &ticket, NULL))
		return -1;
	metrics_hand_over(registry, &ticket, getpid());
	cfg.loop = s->loop;
	if (relay_new(&cfg, &s->relay) ||
	    dup2(metrics_registry_fd(registry), METRICS_FD) != METRICS_FD)
		return -1;
	s->sampler = (struct sampler)SAMPLER_INIT;
	s->state = RUNNING;
	s->started_ns = clock_mono_ns() - 10 * NSEC_PER_SEC;
	s->machine = (struct machine *)(void *)&machine; /* never looked into */
	s->nic = &nic;
	s->spec.config.name = box_name;
	s->spec.config.cpus = 1;
	s->spec.config.memory_mib = 64;
	s->spec.metrics.interval_ms = 1;
	s->spec.metrics.offset = ticket.offset;
	s->spec.metrics.generation = ticket.generation;
	nic = (struct virtio_device){ .read_bytes = 5, .written_bytes = 6 };
	machine = (struct machine_usage){ .cpu_ns = 3 * NSEC_PER_SEC,
					  .memory_bytes = 7 * MIB,
					  .programs_apart = true };
	questions = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sampler_end(s);
	s->relay = relay_free(s->relay);
	s->loop = loop_free(s->loop);
	free(s);
	registry = metrics_registry_close(registry);
	(void)shm_unlink(shm);
	return 0;
}

static struct metrics_reading read_slot(void)
{
	struct metrics_reading r;

	assert_int_equal(metrics_find(registry, "box", &r), 1);
	return r;
}

/* Until there is another sample than the last one seen. */
static struct metrics_sample next_sample(void)
{
	uint64_t before = s->sampler.last_ns;
	struct metrics_reading r;

	while (s->sampler.last_ns == before)
		assert_int_equal(loop_turn(s->loop, 1000), 0);
	r = read_slot();
	return r.sample;
}

/* Have the guest be asked again: it has worked, and some time has passed. */
static void ask_again(void)
{
	unsigned before = questions;

	machine.cpu_ns += 2 * NSEC_PER_MSEC;
	s->sampler.guest.asked_ns = 0;
	while (questions == before)
		(void)next_sample();
}

static void first_sample_and_those_after_it(void **state)
{
	struct metrics_reading r;
	struct metrics_sample v;

	(void)state;
	sampler_open(s);
	assert_int_equal(fcntl(METRICS_FD, F_GETFD), -1);
	assert_int_equal(metrics_find(registry, "box", &r), 0);
	sampler_start(s);
	v = read_slot().sample;
	assert_true(v.cpu_percent == 0);
	assert_true(v.cpu_time_us >= 3000000);
	assert_true(v.memory_bytes > 7 * MIB);
	assert_int_equal(v.net_rx_bytes, 5);
	assert_int_equal(v.net_tx_bytes, 6);
	assert_int_equal(v.net_rx_rate, 0);
	assert_true(v.sampled_mono_ms - v.started_mono_ms >= 10000);
	nic.read_bytes = 1000005;
	machine.cpu_ns += NSEC_PER_SEC;
	v = next_sample();
	assert_true(v.cpu_time_us >= 4000000);
	assert_true(v.cpu_percent > 0);
	assert_true(v.net_rx_rate > 0);
	assert_int_equal(v.net_tx_rate, 0);
	/* what was used never becomes less */
	machine.cpu_ns = 0;
	assert_true(next_sample().cpu_time_us >= 4000000);
	assert_false(read_slot().ended);
	sampler_end(s);
	assert_true(read_slot().ended);
}

static void an_idle_guest_is_left_alone(void **state)
{
	(void)state;
	sampler_open(s);
	sampler_start(s);
	while (!questions) /* it has booted */
		(void)next_sample();
	sampler_on_usage(s, &(struct msg_usage){ .forks = 1 });
	s->sampler.guest.asked_ns = 0;
	for (int i = 0; i < 20; i++)
		(void)next_sample();
	assert_int_equal(questions, 1);
	/* one that does not answer is asked once */
	ask_again();
	s->sampler.guest.asked_ns = 0;
	machine.cpu_ns += NSEC_PER_SEC;
	for (int i = 0; i < 20; i++)
		(void)next_sample();
	assert_int_equal(questions, 2);
}

static void what_the_guest_says_is_what_can_be(void **state)
{
	struct msg_usage u = { .memory_total_bytes = UINT64_MAX,
			       .memory_used_bytes = UINT64_MAX,
			       .busy_us = UINT64_MAX,
			       .forks = 9 };
	struct metrics_sample v;

	(void)state;
	sampler_open(s);
	sampler_start(s);
	sampler_on_usage(s, &u); /* nobody has asked */
	assert_int_equal(next_sample().guest_memory_bytes, 0);
	ask_again();
	sampler_on_usage(s, &u);
	v = next_sample();
	assert_int_equal(v.guest_memory_total_bytes, 64 * MIB);
	assert_int_equal(v.guest_memory_bytes, 64 * MIB);
	assert_true(v.cpu_time_us < 4000000);
	ask_again();
	/* more than there was since the start of the only CPU */
	u.busy_us = 1000000000;
	s->sampler.guest.said.busy_us = 0;
	u.forks++;
	sampler_on_usage(s, &u);
	v = next_sample();
	assert_true(v.cpu_time_us > 9000000);
	assert_true(v.cpu_time_us <
		    1000 * (v.sampled_mono_ms + 1 - v.started_mono_ms) +
			    5000000);
}

/* Time of programs that came and went is added, once. */
static void programs_that_were_missed(void **state)
{
	struct msg_usage u = { .memory_total_bytes = 32 * MIB,
			       .memory_used_bytes = MIB,
			       .busy_us = 3000000 };
	uint64_t base, after;

	(void)state;
	sampler_open(s);
	sampler_start(s);
	ask_again();
	sampler_on_usage(s, &u);
	base = next_sample().cpu_time_us;
	ask_again();
	u.busy_us += 2000000; /* the host has seen all there was to see */
	sampler_on_usage(s, &u);
	after = next_sample().cpu_time_us;
	assert_true(after - base < 1000000);
	ask_again();
	u.busy_us += 2000000;
	u.forks = 3;
	sampler_on_usage(s, &u);
	after = next_sample().cpu_time_us;
	assert_true(after - base > 1900000);
	assert_true(after - base < 2900000);
	ask_again();
	machine.programs_missed = true;
	(void)next_sample();
	machine.programs_missed = false;
	u.busy_us += 1000000;
	sampler_on_usage(s, &u);
	after = next_sample().cpu_time_us;
	assert_true(after - base > 2900000);
	assert_int_equal(next_sample().guest_memory_bytes, MIB);
}

static void a_slot_that_is_lost(void **state)
{
	struct metrics_facts f = { .name = "other" };
	struct metrics_ticket t;
	struct metrics_reading r;

	(void)state;
	sampler_open(s);
	sampler_start(s);
	metrics_give_back(registry, &ticket);
	/* as if this process had gone: only then it is given away */
	ticket.generation++;
	assert_true(metrics_reserve(registry, &f, &t, NULL) < 0);
	s->sampler.writer.generation++;
	while (s->sampler.writer.slot)
		assert_int_equal(loop_turn(s->loop, 1000), 0);
	assert_null(s->sampler.timer.loop);
	assert_int_equal(metrics_find(registry, "box", &r), 0);
}

static void without_a_slot(void **state)
{
	char why[] = "all slots are in use";
	struct metrics_reading r;

	(void)state;
	s->spec.metrics.interval_ms = 0;
	s->spec.metrics.unavailable = why;
	sampler_open(s);
	sampler_start(s);
	assert_null(s->sampler.timer.loop);
	sampler_end(s);
	assert_int_equal(metrics_find(registry, "box", &r), 0);
	assert_int_equal(close(METRICS_FD), 0);
	/* promised, but somebody else's by now */
	s->spec.metrics.interval_ms = 1;
	s->spec.metrics.unavailable = NULL;
	s->spec.metrics.generation++;
	assert_int_equal(dup2(metrics_registry_fd(registry), METRICS_FD),
			 METRICS_FD);
	sampler_open(s);
	assert_null(s->sampler.writer.slot);
	assert_int_equal(fcntl(METRICS_FD, F_GETFD), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(first_sample_and_those_after_it),
		T(an_idle_guest_is_left_alone),
		T(what_the_guest_says_is_what_can_be),
		T(programs_that_were_missed),
		T(a_slot_that_is_lost),
		T(without_a_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
