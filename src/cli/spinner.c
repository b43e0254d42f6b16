/* SPDX-License-Identifier: Apache-2.0 */
/* The moving line of a long operation, drawn by a thread of its own. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "cli/table.h"
#include "cli/ui.h"

#define FIRST_MS 200
#define FRAME_MS 80

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool running, stop; /* stop: guarded by lock */
	char text[160];
} spinner = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void draw(size_t frame)
{
	static const char *const frames[] = { "⠋", "⠙", "⠹", "⠸", "⠼",
					      "⠴", "⠦", "⠧", "⠇", "⠏" };
	bool colors = ui_colors(STDERR_FILENO);
	char out[256];
	int n;

	n = snprintf(out, sizeof(out), "\r   %s%s%s %s",
		     colors ? style_on(STYLE_CYAN) : "",
		     frames[frame % ARRAY_SIZE(frames)],
		     colors ? STYLE_OFF : "", spinner.text);
	if (n > 0 && (size_t)n < sizeof(out))
		(void)io_write_full(STDERR_FILENO, out, (size_t)n);
}

static void *spin(void *arg)
{
	uint64_t due = clock_mono_ms() + FIRST_MS;
	size_t frame = 0;

	(void)arg;
	(void)pthread_mutex_lock(&spinner.lock);
	while (!spinner.stop) {
		struct timespec at = { .tv_sec = (time_t)(due / 1000),
				       .tv_nsec =
					       (long)(due % 1000) * 1000000 };

		(void)pthread_cond_timedwait(&spinner.wake, &spinner.lock, &at);
		if (spinner.stop || clock_mono_ms() < due)
			continue;
		draw(frame++);
		due += FRAME_MS;
	}
	(void)pthread_mutex_unlock(&spinner.lock);
	if (frame)
		(void)io_write_full(STDERR_FILENO, "\r\033[K", 4);
	return NULL;
}

void ui_spinner_start(bool quiet, const char *verb, const char *target)
{
	pthread_condattr_t attr;
	sigset_t all, old;

	if (quiet || spinner.running || !isatty(STDERR_FILENO))
		return;
	(void)snprintf(spinner.text, sizeof(spinner.text), "%-12s %s", verb,
		       target);
	spinner.stop = false;
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&spinner.wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	/* Signals are for the main thread. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	spinner.running = !pthread_create(&spinner.thread, NULL, spin, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void ui_spinner_stop(void)
{
	if (!spinner.running)
		return;
	(void)pthread_mutex_lock(&spinner.lock);
	spinner.stop = true;
	(void)pthread_cond_signal(&spinner.wake);
	(void)pthread_mutex_unlock(&spinner.lock);
	(void)pthread_join(spinner.thread, NULL);
	(void)pthread_cond_destroy(&spinner.wake);
	spinner.running = false;
}
