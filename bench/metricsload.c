/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A home directory with the slots of many sandboxes, whose samples this process
 * writes, and what reading them costs: msb-metricsload HOME SLOTS READINGS.
 * Prints CPU nanoseconds per reading, samples per reading and blocks written,
 * then goes on sampling until its standard input ends.
 */
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "metrics/metrics.h"
#include "microsandbox/microsandbox.h"

#define MAX_SLOTS 65536u
#define SAMPLE_EVERY_MS 200

struct load {
	struct metrics_registry *registry;
	struct metrics_writer *writer;
	uint32_t slots;
	uint64_t started_mono_ms;
	int64_t started_unix_ms;
	uint64_t round;
};

static void sample_all(struct load *l)
{
	uint64_t now = clock_mono_ms();

	l->round++;
	for (uint32_t i = 0; i < l->slots; i++) {
		struct metrics_sample s = {
			.started_unix_ms = l->started_unix_ms,
			.sampled_unix_ms =
				(int64_t)(clock_wall_ns() / NSEC_PER_MSEC),
			.started_mono_ms = l->started_mono_ms,
			.sampled_mono_ms = now,
			.cpu_time_us = (now - l->started_mono_ms) * 10 * i,
			.cpu_percent = i,
			.memory_bytes = (100u + i) << 20,
			.guest_memory_bytes = (50u + i) << 20,
			.guest_memory_total_bytes = 500u << 20,
			.disk_read_bytes = l->round << 12,
			.disk_write_bytes = l->round << 13,
			.net_rx_bytes = l->round * 1500,
			.net_tx_bytes = l->round * 60,
		};

		if (metrics_write(&l->writer[i], &s))
			exit(1);
	}
}

static void reserve(struct load *l)
{
	for (uint32_t i = 0; i < l->slots; i++) {
		struct metrics_facts f = { .cpus = 2,
					   .interval_ms = 1000,
					   .memory_limit_bytes = 512u << 20 };
		struct metrics_ticket t;
		struct err err = { 0 };

		(void)snprintf(f.name, sizeof(f.name), "sandbox-%u", i);
		if (metrics_reserve(l->registry, &f, &t, &err) ||
		    metrics_writer_open(metrics_registry_fd(l->registry),
					t.offset, t.generation,
					&l->writer[i])) {
			(void)fprintf(stderr, "slot %u: %s\n", i, err.msg);
			exit(1);
		}
		metrics_hand_over(l->registry, &t, getpid());
	}
}

static int count(void *ctx, const msb_metrics_t *m)
{
	uint64_t *n = ctx;

	*n += m->state == MSB_METRICS_RUNNING;
	return 0;
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void measure(msb_t *m, uint32_t readings)
{
	struct rusage before, after;
	uint64_t start, n = 0;

	(void)getrusage(RUSAGE_SELF, &before);
	start = cpu_ns();
	for (uint32_t i = 0; i < readings; i++)
		if (msb_metrics_all(m, 0, count, &n, NULL))
			exit(1);
	start = cpu_ns() - start;
	(void)getrusage(RUSAGE_SELF, &after);
	(void)printf("%" PRIu64 " %" PRIu64 " %ld\n", start / readings,
		     n / readings, after.ru_oublock - before.ru_oublock);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	struct load l = { .started_mono_ms = clock_mono_ms() };
	char home[PATH_MAX], name[METRICS_SHM_NAME_MAX];
	struct err err = { 0 };
	uint32_t readings;
	msb_t *m;

	if (argc != 4 || str_to_u32(argv[2], &l.slots) || l.slots < 1 ||
	    l.slots > MAX_SLOTS || str_to_u32(argv[3], &readings) || !readings)
		return 2;
	l.started_unix_ms = (int64_t)(clock_wall_ns() / NSEC_PER_MSEC);
	l.writer = calloc(l.slots, sizeof(*l.writer));
	if (!l.writer || msb_open(argv[1], &m, NULL) ||
	    !realpath(argv[1], home))
		return 1;
	if (metrics_registry_open(home, l.slots, &l.registry, &err)) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	reserve(&l);
	sample_all(&l);
	measure(m, readings);
	while (poll(&in, 1, SAMPLE_EVERY_MS) == 0)
		sample_all(&l);
	metrics_registry_close(l.registry);
	msb_close(m);
	metrics_registry_name(home, name);
	(void)shm_unlink(name);
	free(l.writer);
	return 0;
}
