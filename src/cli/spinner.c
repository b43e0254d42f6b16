/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What moves on the terminal while something long runs: a line, and below it
 * perhaps bars. One thread draws it all, and while it lives the signals that
 * end or stop the program are its own to take: it cleans the terminal first, so
 * nothing is ever drawn after that.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "cli/bars.h"
#include "cli/table.h"
#include "cli/tty.h"
#include "cli/ui.h"

#define FIRST_MS 200
#define FRAME_MS 80
#define FRAME_MAX (256u << 10)
#define NOTE_MAX 512

static const int owned[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

static struct {
	pthread_t thread;
	bool running;
	sigset_t old_mask;
	int wake_fd, signal_fd;
	pthread_mutex_t lock; /* of what follows */
	bool stop;
	char text[160];
	struct bars bars;
	char note[NOTE_MAX]; /* to be printed above, "" = none */
	size_t lines;	     /* on the terminal now */
} spinner = { .wake_fd = -1,
	      .signal_fd = -1,
	      .lock = PTHREAD_MUTEX_INITIALIZER };

/* --- drawing: with the lock held --- */

/* To where the first line begins, with nothing behind it. */
static void put_erase(struct buf *b)
{
	if (spinner.lines > 1)
		(void)buf_printf(b, "\r\033[%zuA\033[J", spinner.lines - 1);
	else if (spinner.lines)
		(void)buf_str(b, "\r\033[J");
	spinner.lines = 0;
}

static void put_note(struct buf *b, const char *text)
{
	bool colors = ui_colors(STDERR_FILENO);

	(void)buf_printf(b, "%snote:%s ", colors ? style_on(STYLE_BOLD) : "",
			 colors ? STYLE_OFF : "");
	text_put_safe(b, text);
	(void)buf_str(b, "\n");
}

static void put_head(struct buf *b, size_t frame, size_t columns, bool colors)
{
	static const char *const frames[] = { "⠋", "⠙", "⠹", "⠸", "⠼",
					      "⠴", "⠦", "⠧", "⠇", "⠏" };
	char sums[64] = "", done[24], total[24], all[256];
	uint64_t bytes, sum;
	autofree char *cut = NULL;

	bars_sum(&spinner.bars, &bytes, &sum);
	if (spinner.bars.n)
		(void)snprintf(sums, sizeof(sums), " (%s / %s)",
			       bytes_text(bytes, done, sizeof(done)),
			       bytes_text(sum, total, sizeof(total)));
	(void)snprintf(all, sizeof(all), "%s%s", spinner.text, sums);
	cut = text_cut(all, columns > 8 ? columns - 5 : 3);
	(void)buf_printf(b, "   %s%s%s ", colors ? style_on(STYLE_CYAN) : "",
			 frames[frame % ARRAY_SIZE(frames)],
			 colors ? STYLE_OFF : "");
	text_put_safe(b, cut ? cut : "");
}

static void write_out(struct buf *b)
{
	/* Nothing is left to tell when stderr cannot be written. */
	(void)io_write_full(STDERR_FILENO, buf_data(b), buf_len(b));
	buf_fini(b);
}

static void erase(void)
{
	struct buf b;

	buf_init(&b, FRAME_MAX);
	put_erase(&b);
	write_out(&b);
}

/* One write per frame, so that it never stands there in parts. */
static void draw(size_t frame)
{
	bool colors = ui_colors(STDERR_FILENO);
	struct winsize ws = { 0 };
	size_t rows, columns;
	struct buf b;

	(void)ioctl(STDERR_FILENO, TIOCGWINSZ, &ws); /* zero: not known */
	rows = ws.ws_row ? ws.ws_row : 24;
	columns = ws.ws_col ? ws.ws_col : 80;
	buf_init(&b, FRAME_MAX);
	put_erase(&b);
	if (*spinner.note)
		put_note(&b, spinner.note);
	*spinner.note = 0;
	put_head(&b, frame, columns, colors);
	spinner.lines = 1;
	if (rows > 3) /* the last column is left free: it may wrap */
		spinner.lines += bars_format(&spinner.bars, rows - 2,
					     columns - 1, colors, &b);
	write_out(&b);
}

/* --- the thread --- */

/* With the terminal clean, what the signal would have done. */
static void obey(int sig)
{
	sigset_t one;

	erase();
	tty_restore();
	if (sig == SIGTSTP) {
		(void)raise(SIGSTOP); /* of this thread: it goes no further */
		(void)tty_no_echo();  /* once we are in front again */
		return;
	}
	(void)sigemptyset(&one);
	(void)sigaddset(&one, sig);
	(void)signal(sig, SIG_DFL);
	(void)pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	(void)raise(sig);
}

static void wait_for(uint64_t due)
{
	struct pollfd fds[] = { { .fd = spinner.signal_fd, .events = POLLIN },
				{ .fd = spinner.wake_fd, .events = POLLIN } };
	uint64_t now = clock_mono_ms();

	(void)poll(fds, ARRAY_SIZE(fds), due > now ? (int)(due - now) : 0);
}

static void *spin(void *arg)
{
	uint64_t due = clock_mono_ms() + FIRST_MS;
	struct signalfd_siginfo info;
	size_t frame = 0;

	(void)arg;
	for (;;) {
		wait_for(due);
		(void)pthread_mutex_lock(&spinner.lock);
		if (io_read(spinner.signal_fd, &info, sizeof(info)) ==
		    (ssize_t)sizeof(info))
			obey((int)info.ssi_signo);
		if (spinner.stop)
			break;
		if (clock_mono_ms() >= due) {
			draw(frame++);
			due = clock_mono_ms() + FRAME_MS;
		}
		(void)pthread_mutex_unlock(&spinner.lock);
	}
	erase();
	if (*spinner.note) {
		struct buf b;

		buf_init(&b, 2 * NOTE_MAX);
		put_note(&b, spinner.note);
		write_out(&b);
	}
	(void)pthread_mutex_unlock(&spinner.lock);
	return NULL;
}

/* --- for the rest of the program --- */

/* Those that nobody wanted ignored: nohup, background jobs. */
static void own_signals(sigset_t *ret)
{
	struct sigaction old;

	(void)sigemptyset(ret);
	for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
		if (!sigaction(owned[i], NULL, &old) &&
		    old.sa_handler == SIG_DFL)
			(void)sigaddset(ret, owned[i]);
}

/* The thread inherits a mask of everything: it has its own way to them. */
static bool start_thread(const sigset_t *mine)
{
	sigset_t all;
	bool ok;

	spinner.signal_fd = signalfd(-1, mine, SFD_CLOEXEC | SFD_NONBLOCK);
	spinner.wake_fd = eventfd(0, EFD_CLOEXEC);
	if (spinner.signal_fd < 0 || spinner.wake_fd < 0)
		return false;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL);
	ok = !pthread_create(&spinner.thread, NULL, spin, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &spinner.old_mask, NULL);
	(void)pthread_sigmask(SIG_BLOCK, mine, NULL);
	return ok;
}

/* Before the signals are let through again. */
static void leave(void)
{
	tty_restore();
	close_fd(&spinner.signal_fd);
	close_fd(&spinner.wake_fd);
	(void)pthread_sigmask(SIG_SETMASK, &spinner.old_mask, NULL);
}

void ui_spinner_start(bool quiet, const char *verb, const char *target)
{
	const char *term = getenv("TERM");
	sigset_t mine;

	if (quiet || spinner.running || !isatty(STDERR_FILENO) ||
	    (term && !strcmp(term, "dumb")))
		return;
	spinner.stop = false;
	(void)snprintf(spinner.text, sizeof(spinner.text), "%-12s %s", verb,
		       target);
	own_signals(&mine);
	(void)pthread_sigmask(SIG_BLOCK, &mine, &spinner.old_mask);
	(void)tty_no_echo(); /* typed text would spoil the picture */
	spinner.running = start_thread(&mine);
	if (!spinner.running)
		leave();
}

void ui_spinner_stop(void)
{
	const uint64_t one = 1;

	if (!spinner.running)
		return;
	(void)pthread_mutex_lock(&spinner.lock);
	spinner.stop = true;
	(void)pthread_mutex_unlock(&spinner.lock);
	/* cannot fail: the counter is far from full */
	(void)io_write_full(spinner.wake_fd, &one, sizeof(one));
	(void)pthread_join(spinner.thread, NULL);
	spinner.running = false;
	bars_fini(&spinner.bars);
	*spinner.note = 0;
	leave();
}

void ui_spinner_text(const char *verb, const char *target)
{
	(void)pthread_mutex_lock(&spinner.lock);
	(void)snprintf(spinner.text, sizeof(spinner.text), "%-12s %s", verb,
		       target);
	(void)pthread_mutex_unlock(&spinner.lock);
}

void ui_note(const char *text)
{
	struct buf b;

	if (spinner.running) {
		(void)pthread_mutex_lock(&spinner.lock);
		(void)snprintf(spinner.note, sizeof(spinner.note), "%s", text);
		(void)pthread_mutex_unlock(&spinner.lock);
		return;
	}
	buf_init(&b, 2 * NOTE_MAX);
	put_note(&b, text);
	write_out(&b);
}

void bars_show(size_t n, const uint64_t *totals)
{
	(void)pthread_mutex_lock(&spinner.lock);
	bars_fini(&spinner.bars);
	if (spinner.running && n) /* without memory there are just none */
		(void)bars_init(&spinner.bars, n, totals);
	(void)pthread_mutex_unlock(&spinner.lock);
}

void bars_update(size_t i, enum bar_phase phase, uint64_t bytes, uint64_t total)
{
	(void)pthread_mutex_lock(&spinner.lock);
	if (i < spinner.bars.n)
		bar_set(&spinner.bars.bar[i], phase, bytes, total);
	(void)pthread_mutex_unlock(&spinner.lock);
}
