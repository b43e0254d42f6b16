/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ends or disturbs a sandbox from outside: signals, the creator's death,
 * time. Nothing here polls; an idle sandbox wakes up once a minute, to set the
 * guest's clock.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/str.h"
#include "runtime/sandbox.h"
#include "store/lock.h"

#define RELEASED_BYTE 0x01
#define FOREVER_S 315360000u /* ten years */

uint64_t sandbox_flush_window_ms(void)
{
	const char *text = getenv("MSB_SHUTDOWN_FLUSH_TIMEOUT_MS");
	uint64_t ms;

	if (text && !str_to_u64(text, &ms) && ms <= 3600000)
		return ms;
	return FLUSH_WINDOW_MS;
}

/* --- signals and the creator --- */

static void on_signal(struct watch *w, uint32_t events)
{
	struct sandbox *s = container_of(w, struct sandbox, signals);
	struct signalfd_siginfo si;

	(void)events;
	while (io_read(w->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		bool asked = si.ssi_signo == RUNTIME_STOP_SIGNAL;

		log_info("runtime", "signal %u", si.ssi_signo);
		sandbox_stop(s, asked ? EXIT_SHUTDOWN_REQUESTED : EXIT_SIGNAL);
	}
}

static void on_watchdog(struct watch *w, uint32_t events)
{
	struct sandbox *s = container_of(w, struct sandbox, watchdog);
	uint8_t byte;
	ssize_t n = io_read(w->fd, &byte, 1);

	(void)events;
	if (n == -EAGAIN)
		return;
	if (n == 1 && byte != RELEASED_BYTE)
		return;
	loop_unwatch(w);
	(void)close(WATCHDOG_FD);
	s->attached = false;
	if (n != 1) {
		log_info("runtime", "the creator is gone");
		sandbox_stop(s, EXIT_CREATOR_DIED);
		return;
	}
	s->released = true;
	if (s->spec.config.ephemeral && s->state == RUNNING &&
	    !relay_sessions(s->relay))
		sandbox_stop(s, EXIT_COMPLETED);
}

/* --- time --- */

static void on_ready_deadline(struct timer *t)
{
	struct sandbox *s = container_of(t, struct sandbox, ready_timer);

	sandbox_fail_boot(s, "other", ETIMEDOUT,
			  "the guest's agent was not ready after %u seconds",
			  READY_TIMEOUT_MS / 1000);
	sandbox_kill(s, EXIT_AGENT_UNRESPONSIVE);
}

static void on_max_duration(struct timer *t)
{
	struct sandbox *s = container_of(t, struct sandbox, max_timer);

	sandbox_stop(s, EXIT_MAX_DURATION);
}

static void on_idle_check(struct timer *t)
{
	struct sandbox *s = container_of(t, struct sandbox, idle_timer);
	uint64_t limit = s->spec.config.idle_timeout_s * 1000;
	uint64_t now = clock_mono_ms();
	uint64_t last = relay_last_activity_ms(s->relay);
	uint64_t idle = now > last ? now - last : 0;

	if (relay_sessions(s->relay))
		idle = 0; /* its end is an activity and starts the clock */
	if (idle >= limit) {
		sandbox_stop(s, EXIT_IDLE_TIMEOUT);
		return;
	}
	loop_timer(s->loop, t, limit - idle, on_idle_check);
}

static void sync_clock(struct sandbox *s)
{
	if (s->state == RUNNING)
		relay_send_clock(s->relay, clock_wall_ns());
}

static void on_clock_timer(struct timer *t)
{
	struct sandbox *s = container_of(t, struct sandbox, clock_timer);

	sync_clock(s);
	loop_timer(s->loop, t, CLOCK_SYNC_MS, on_clock_timer);
}

/* A timer that never fires, but is cancelled when the wall clock jumps: by
 * hand, or because the host slept. */
static int arm_clock_jump(int fd)
{
	const struct itimerspec never = { .it_value.tv_sec = INT64_MAX / 4 };

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
			       &never, NULL) < 0
		       ? -errno
		       : 0;
}

static void on_clock_jump(struct watch *w, uint32_t events)
{
	struct sandbox *s = container_of(w, struct sandbox, clock_jump);
	uint64_t expirations;

	(void)events;
	if (io_read(w->fd, &expirations, sizeof(expirations)) != -ECANCELED)
		return;
	log_info("runtime", "the host's clock was set");
	(void)arm_clock_jump(w->fd); /* else the timer each minute is left */
	sync_clock(s);
}

/* --- all together --- */

static int watch_signals(struct sandbox *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, RUNTIME_STOP_SIGNAL);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return -errno;
	return loop_watch(s->loop, &s->signals, s->signal_fd, EPOLLIN,
			  on_signal);
}

/* From the start of the sandbox; at once when that is longer ago. */
static void arm_max_duration(struct sandbox *s)
{
	uint64_t max = s->spec.config.max_duration_s, end;
	uint64_t now = loop_now_ms(s->loop);

	if (!max)
		return;
	end = s->watched_ms + (max < FOREVER_S ? max : FOREVER_S) * 1000;
	loop_timer(s->loop, &s->max_timer, end > now ? end - now : 0,
		   on_max_duration);
}

/* The check itself finds out how long it has been idle already. */
static void arm_idle(struct sandbox *s)
{
	struct sandbox_config *c = &s->spec.config;
	uint64_t now = clock_mono_ms(), last, end;

	if (c->idle_timeout_s > FOREVER_S)
		c->idle_timeout_s = FOREVER_S;
	if (!c->idle_timeout_s)
		return;
	last = relay_last_activity_ms(s->relay);
	end = last + c->idle_timeout_s * 1000;
	loop_timer(s->loop, &s->idle_timer, end > now ? end - now : 0,
		   on_idle_check);
}

int sandbox_watch(struct sandbox *s)
{
	int rc = watch_signals(s);

	if (!rc && s->attached)
		rc = io_set_nonblock(WATCHDOG_FD, true);
	if (!rc && s->attached)
		rc = loop_watch(s->loop, &s->watchdog, WATCHDOG_FD, EPOLLIN,
				on_watchdog);
	if (rc)
		return rc;
	loop_timer(s->loop, &s->ready_timer, READY_TIMEOUT_MS,
		   on_ready_deadline);
	s->watched_ms = loop_now_ms(s->loop);
	arm_max_duration(s);
	return 0;
}

void sandbox_set_limits(struct sandbox *s, uint64_t max_s, uint64_t idle_s)
{
	struct sandbox_config *c = &s->spec.config;

	c->max_duration_s = max_s;
	c->idle_timeout_s = idle_s;
	loop_timer_cancel(&s->max_timer);
	loop_timer_cancel(&s->idle_timer);
	arm_max_duration(s);
	arm_idle(s);
}

void sandbox_watch_ready(struct sandbox *s)
{
	arm_idle(s);
	loop_timer(s->loop, &s->clock_timer, CLOCK_SYNC_MS, on_clock_timer);
	sync_clock(s);
	s->clock_fd =
		timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->clock_fd < 0 || arm_clock_jump(s->clock_fd) ||
	    loop_watch(s->loop, &s->clock_jump, s->clock_fd, EPOLLIN,
		       on_clock_jump))
		log_warn("runtime", "jumps of the host's clock go unnoticed");
}

void sandbox_watch_end(struct sandbox *s)
{
	loop_unwatch(&s->signals);
	loop_unwatch(&s->watchdog);
	loop_unwatch(&s->clock_jump);
	loop_timer_cancel(&s->ready_timer);
	loop_timer_cancel(&s->stop_timer);
	loop_timer_cancel(&s->idle_timer);
	loop_timer_cancel(&s->max_timer);
	loop_timer_cancel(&s->clock_timer);
	close_fd(&s->signal_fd);
	close_fd(&s->clock_fd);
}
