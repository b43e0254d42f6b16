/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bench/sdk.py measures, by the C interface. Lines of standard input say
 * what to do with the sandbox "bench": "exec N" runs true N times and prints
 * how many microseconds each took; "stream N" reads N bytes of output and
 * "many N" runs N commands at once: the microseconds of all of it.
 */
#include <microsandbox/microsandbox.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static msb_sandbox_t *sandbox;

static void check(int rc, msb_error_t *e)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s\n", msb_error_text(e));
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static msb_exec_options_t *command(const char *const *argv, size_t n)
{
	msb_exec_options_t *o = msb_exec_options_new();
	msb_error_t *e = NULL;

	check(o ? msb_exec_options_set_command(o, argv, n, &e) : -1, e);
	return o;
}

static void run_true(void)
{
	const char *const argv[] = { "true" };
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	msb_exec_options_t *o = command(argv, 1);
	msb_error_t *e = NULL;

	check(msb_exec_run(sandbox, o, &out, &e), e);
	msb_exec_output_clear(&out);
	msb_exec_options_free(o);
}

static void stream(const char *bytes)
{
	const char *const argv[] = { "head", "-c", bytes, "/dev/zero" };
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	msb_exec_options_t *o = command(argv, 4);
	msb_error_t *e = NULL;
	size_t total = 0;
	msb_exec_t *x;

	check(msb_exec_start(sandbox, o, &x, &e), e);
	while (ev.kind != MSB_EXEC_EXITED) {
		check(msb_exec_next(x, -1, &ev, &e), e);
		if (ev.kind == MSB_EXEC_STDOUT)
			total += ev.len;
	}
	msb_exec_free(x);
	msb_exec_options_free(o);
	if (total != (size_t)atoll(bytes))
		check(-1, NULL);
}

static void *one_of_many(void *arg)
{
	(void)arg;
	run_true();
	return NULL;
}

static void many(unsigned n)
{
	pthread_t *threads = calloc(n, sizeof(*threads));

	for (unsigned i = 0; threads && i < n; i++)
		if (pthread_create(&threads[i], NULL, one_of_many, NULL))
			check(-1, NULL);
	for (unsigned i = 0; threads && i < n; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}

int main(void)
{
	char what[16], count[32];
	msb_error_t *e = NULL;
	msb_t *m;

	check(msb_open(NULL, &m, &e), e);
	check(msb_sandbox_connect(m, "bench", 10000, &sandbox, &e), e);
	while (scanf("%15s %31s", what, count) == 2) {
		double start = now_us();
		long n = atol(count);

		for (long i = 0; what[0] == 'e' && i < n; i++) {
			start = now_us();
			run_true();
			printf("%.0f ", now_us() - start);
		}
		if (what[0] == 's')
			stream(count);
		if (what[0] == 'm')
			many((unsigned)n);
		if (what[0] != 'e')
			printf("%.0f", now_us() - start);
		puts("");
		fflush(stdout);
	}
	msb_sandbox_free(sandbox);
	msb_close(m);
	return 0;
}
