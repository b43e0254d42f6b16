/* SPDX-License-Identifier: Apache-2.0 */
/* Samples again and again. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "cli/metrics.h"
#include "cli/show.h"
#include "cli/tty.h"
#include "cli/ui.h"

#define OUTPUT_MAX (64u << 20)

/* Another screen, with its cursor hidden, whose long lines are cut off. */
#define SCREEN_ON "\033[?1049h\033[?25l\033[?7l"
#define SCREEN_OFF "\033[?7h\033[?25h\033[?1049l"
#define HOME "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_REST "\033[J"

struct watch {
	const struct metrics_query *q;
	bool json;
	bool in_place; /* on a terminal */
	bool colors;
	bool seen; /* the sandbox asked for has had a sample */
	bool told; /* that there are none */
	int signals;
	struct samples now, before;
	bool failed;
	msb_error_t *error; /* owned; why, unless memory was short */
};

static int put(const char *text)
{
	return io_write_full(STDOUT_FILENO, text, strlen(text));
}

/* --- reading --- */

/* Does the sandbox that has no sample run all the same? */
static bool still_runs(const struct metrics_query *q)
{
	msb_sandbox_t *s;
	msb_status_t status;

	if (msb_sandbox_get(q->cli->m, q->name, &s, NULL) < 0)
		return false;
	status = msb_sandbox_status(s);
	msb_sandbox_free(s);
	return status == MSB_STATUS_RUNNING || status == MSB_STATUS_DRAINING;
}

/*
 * Read into w->now; those of the last time go to w->before. False at the end,
 * with the last samples there were in w->now.
 */
static bool refresh(struct watch *w)
{
	struct samples old = w->before;
	msb_error_t *e = NULL;
	msb_error_kind_t kind;
	bool gone;

	w->before = w->now;
	w->now = old;
	if (samples_read(w->q, &w->now, &e) >= 0) {
		w->seen |= w->now.n > 0;
		return true;
	}
	kind = e ? msb_error_kind(e) : MSB_ERR_IO;
	gone = w->q->name && (kind == MSB_ERR_SANDBOX_NOT_FOUND ||
			      kind == MSB_ERR_METRICS_UNAVAILABLE);
	if (gone && still_runs(w->q)) {
		msb_error_free(e); /* it has just been started */
		return true;
	}
	samples_fini(&w->now);
	w->now = w->before;
	w->before = (struct samples){ .v = NULL };
	if (gone && w->seen) {
		msb_error_free(e);
	} else {
		w->failed = true;
		w->error = e;
	}
	return false;
}

/* --- one below the other --- */

static bool is_new(const struct watch *w, const msb_metrics_t *m)
{
	for (size_t i = 0; i < w->before.n; i++) {
		const msb_metrics_t *old = &w->before.v[i].m;

		if (!strcmp(old->name, m->name))
			return old->sampled_unix_ms != m->sampled_unix_ms ||
			       old->state != m->state;
	}
	return true;
}

static int append_json(const struct watch *w, struct buf *b)
{
	for (size_t i = 0; i < w->now.n; i++) {
		const msb_metrics_t *m = &w->now.v[i].m;
		struct json *j;
		int rc;

		if (!is_new(w, m))
			continue;
		j = sample_json(m);
		rc = jval_print_line(j, b);
		jval_free(j);
		if (rc)
			return rc;
	}
	return 0;
}

static int append(struct watch *w)
{
	struct buf b;
	int rc = 0;

	buf_init(&b, OUTPUT_MAX);
	if (w->json) {
		rc = append_json(w, &b);
	} else if (w->now.n) {
		rc = samples_table(&w->now, 0, w->colors, &b);
		(void)buf_str(&b, "\n");
	} else if (!w->q->name && !w->told) {
		show_none(samples_none(w->q));
		w->told = true;
	}
	if (rc)
		b.failed = true;
	return ui_print(&b);
}

/* --- in place --- */

/* The first lines of text, and how many are not among them. */
static void put_lines(struct buf *out, const char *text, size_t max)
{
	size_t left = 0;

	while (*text && max) {
		size_t n = strcspn(text, "\n");

		(void)buf_append(out, text, n);
		(void)buf_str(out, CLEAR_LINE "\n");
		text += n + (text[n] == '\n');
		max--;
	}
	for (; *text; text++)
		left += *text == '\n';
	if (left)
		(void)buf_printf(out, "... and %zu more" CLEAR_LINE, left);
}

static int draw(const struct watch *w)
{
	unsigned rows, columns;
	struct buf table, b;
	int rc;

	tty_size(&rows, &columns);
	buf_init(&table, OUTPUT_MAX);
	buf_init(&b, OUTPUT_MAX);
	rc = samples_table(&w->now, columns, w->colors, &table);
	if (!w->now.n)
		(void)buf_printf(&table, "%s\n", samples_none(w->q));
	(void)buf_str(&b, HOME);
	if (!rc && buf_cstr(&table))
		put_lines(&b, buf_cstr(&table), rows > 1 ? rows - 1 : 1);
	else
		b.failed = true;
	(void)buf_str(&b, CLEAR_REST);
	buf_fini(&table);
	return ui_print(&b);
}

/* The last of them stays on the screen there was. */
static int leave(const struct watch *w)
{
	unsigned rows, columns;
	struct buf b;

	tty_restore();
	if (put(SCREEN_OFF))
		return 1;
	if (!w->now.n)
		return 0;
	tty_size(&rows, &columns);
	buf_init(&b, OUTPUT_MAX);
	if (samples_table(&w->now, columns, w->colors, &b))
		b.failed = true;
	return ui_print(&b) ? 1 : 0;
}

static int enter(void)
{
	(void)tty_no_echo(); /* it may be another's to change */
	return put(SCREEN_ON);
}

static int suspend(void)
{
	tty_restore();
	if (put(SCREEN_OFF))
		return -1;
	(void)raise(SIGSTOP);
	return enter();
}

/* Act on the signals that came: that which ends it, 0, or -1: no output. */
static int take_signals(const struct watch *w)
{
	bool again = false;
	int sig;

	while ((sig = signals_next())) {
		switch (sig) {
		case SIGWINCH:
		case SIGCONT:
			again = true;
			break;
		case SIGTSTP:
			if (suspend())
				return -1;
			again = true;
			break;
		default:
			return sig;
		}
	}
	return again ? draw(w) : 0;
}

/* --- the loop --- */

/* Until then: 0, or what take_signals gave. */
static int wait_until(const struct watch *w, uint64_t end_ms)
{
	struct pollfd p = { .fd = w->signals, .events = POLLIN };

	for (;;) {
		uint64_t now = clock_mono_ms();
		int sig;

		if (now >= end_ms)
			return 0;
		if (poll(&p, 1, (int)(end_ms - now)) <= 0)
			continue; /* the clock decides; also after a signal */
		sig = take_signals(w);
		if (sig)
			return sig;
	}
}

/* Exit code, and the signal that ended it. */
static int watch(struct watch *w, uint64_t interval_ms, int *ret_sig)
{
	uint64_t next = clock_mono_ms();

	while (refresh(w)) {
		int rc = w->in_place ? draw(w) : append(w);

		if (rc)
			return 1;
		next += interval_ms;
		if (next < clock_mono_ms()) /* it was stopped for a while */
			next = clock_mono_ms();
		rc = wait_until(w, next);
		if (rc > 0)
			*ret_sig = rc;
		if (rc)
			return rc > 0 ? 128 + rc : 1;
	}
	return w->failed ? 1 : 0;
}

static bool can_draw(bool json)
{
	const char *term = getenv("TERM");

	return !json && isatty(STDOUT_FILENO) && term && *term &&
	       strcmp(term, "dumb") != 0;
}

int samples_watch(const struct metrics_query *q, uint64_t interval_ms,
		  bool json)
{
	struct watch w = { .q = q,
			   .json = json,
			   .in_place = can_draw(json),
			   .colors = ui_colors(STDOUT_FILENO),
			   .signals = -1 };
	int code, sig = 0;

	if (w.in_place) {
		w.signals = signals_catch(true);
		if (w.signals < 0) {
			ui_error("signals: %s", strerror(-w.signals));
			return 1;
		}
		if (enter())
			return 1;
	}
	code = watch(&w, interval_ms, &sig);
	if (w.in_place && leave(&w))
		code = 1;
	signals_release();
	if (w.failed)
		(void)cli_ok(-1, &w.error);
	samples_fini(&w.now);
	samples_fini(&w.before);
	if (sig)
		(void)raise(sig); /* the shell is to know */
	return code;
}
