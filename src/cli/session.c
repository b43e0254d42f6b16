/* SPDX-License-Identifier: Apache-2.0 */
/* A command in a sandbox, connected to this process. */
#include "cli/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "cli/tty.h"
#include "cli/ui.h"

#define IN_SIZE 65536
#define TYPED_SIZE 4096
/* A pipe or terminal that polls writable takes this much without blocking. */
#define OUT_PIECE 4096
#define DRAIN_MS 5000

struct session {
	msb_exec_t *x;
	const struct session_options *o;
	struct detach detach;

	int in_fd;   /* own descriptor of the terminal, or standard input */
	bool own_in; /* in_fd is ours to close */
	bool raw;
	bool in_eof;  /* nothing more to read */
	bool in_done; /* and the guest was told */
	uint8_t in[IN_SIZE + DETACH_MAX_KEYS];
	size_t in_off, in_len;

	const uint8_t *out; /* rest of the current event's data */
	size_t out_len;
	int out_fd;
	bool regular[3]; /* by descriptor: a file, which never blocks */
	bool err_gone;	 /* stderr cannot be written any more */

	int signals_fd;
	int interrupts; /* how often we were asked to end it */
	bool timed_out;
	uint64_t deadline_ms; /* monotonic; 0 = none */

	bool done;
	struct session_result result;
};

static void finish(struct session *s, enum session_end end, int code)
{
	s->done = true;
	s->result.end = end;
	s->result.code = code;
}

static void fail(struct session *s, msb_error_t *e)
{
	int code = 125;

	if (e && msb_error_kind(e) == MSB_ERR_EXEC_FAILED)
		code = ui_exec_failure_code(e);
	finish(s, SESSION_FAILED, code);
	s->result.error = e;
}

static void kill_command(struct session *s)
{
	/* A lost connection is reported by the next event. */
	(void)msb_exec_signal(s->x, SIGKILL, NULL);
}

/* --- from the sandbox --- */

static void on_exited(struct session *s, const msb_exec_event_t *ev)
{
	if (s->timed_out)
		finish(s, SESSION_TIMEOUT, 124);
	else if (ev->signal > 0)
		finish(s, SESSION_EXITED, 128 + ev->signal);
	else
		finish(s, SESSION_EXITED,
		       ev->exit_code < 0 ? 255 : ev->exit_code & 0xff);
}

/*
 * Take events until there is output to write, or none is left: then true. A
 * command that never stops talking leaves here after each piece, so that input,
 * signals and time are looked at in between.
 */
static bool take_events(struct session *s)
{
	while (!s->done && !s->out_len) {
		msb_exec_event_t ev = { .struct_size = sizeof(ev) };
		msb_error_t *e = NULL;

		if (msb_exec_next(s->x, 0, &ev, &e) < 0) {
			fail(s, e);
			break;
		}
		switch (ev.kind) {
		case MSB_EXEC_NONE:
			return true;
		case MSB_EXEC_STARTED:
			break;
		case MSB_EXEC_STDOUT:
		case MSB_EXEC_STDERR:
			s->out = ev.data;
			s->out_len = ev.len;
			s->out_fd = ev.kind == MSB_EXEC_STDOUT ? STDOUT_FILENO
							       : STDERR_FILENO;
			if (s->out_fd == STDERR_FILENO && s->err_gone)
				s->out_len = 0;
			break;
		case MSB_EXEC_STDIN_ERROR: /* it closed its input */
			s->in_eof = s->in_done = true;
			s->in_len = 0;
			break;
		case MSB_EXEC_EXITED:
			on_exited(s, &ev);
			break;
		}
	}
	return false;
}

/* Write what the current event holds; stops where it would block. */
static void write_output(struct session *s)
{
	while (s->out_len && !s->done) {
		struct pollfd p = { .fd = s->out_fd, .events = POLLOUT };
		size_t n = s->out_len;
		ssize_t wrote;

		if (!s->regular[s->out_fd]) {
			if (poll(&p, 1, 0) <= 0)
				return;
			if (n > OUT_PIECE)
				n = OUT_PIECE;
		}
		wrote = io_write(s->out_fd, s->out, n);
		if (wrote == -EAGAIN)
			return;
		if (wrote >= 0) {
			s->out += wrote;
			s->out_len -= (size_t)wrote;
		} else if (s->out_fd == STDERR_FILENO) {
			s->err_gone = true;
			s->out_len = 0;
		} else {
			/* Nobody reads: end like a program that gets SIGPIPE,
			 * without a word. Freeing x kills the command. */
			if (wrote != -EPIPE)
				ui_error("write to standard output: %s",
					 strerror((int)-wrote));
			finish(s, SESSION_EXITED,
			       wrote == -EPIPE ? 128 + SIGPIPE : 125);
		}
	}
}

/* --- to the sandbox --- */

static void end_input(struct session *s)
{
	if (!s->in_eof || s->in_len || s->in_done)
		return;
	s->in_done = true;
	/* A lost connection is reported by the next event. */
	(void)msb_exec_close_stdin(s->x, NULL);
}

/* What was read goes on as far as there is room for it. */
static void send_input(struct session *s)
{
	while (s->in_len) {
		int64_t n = msb_exec_write_stdin(s->x, s->in + s->in_off,
						 s->in_len, NULL);

		if (n <= 0)
			return; /* full, or lost: the next event tells */
		s->in_off += (size_t)n;
		s->in_len -= (size_t)n;
	}
	end_input(s);
}

static void detach(struct session *s)
{
	msb_error_t *e = NULL;

	if (msb_exec_detach(s->x, &e) < 0)
		fail(s, e);
	else
		finish(s, SESSION_DETACHED, 0);
}

static void read_input(struct session *s)
{
	uint8_t typed[TYPED_SIZE];
	bool found = false;
	ssize_t n;

	if (s->raw)
		n = io_read(s->in_fd, typed, sizeof(typed));
	else
		n = io_read(s->in_fd, s->in, IN_SIZE);
	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		if (s->raw) { /* the terminal is gone */
			finish(s, SESSION_EXITED, 128 + SIGHUP);
			return;
		}
		s->in_eof = true;
		end_input(s);
		return;
	}
	s->in_off = 0;
	s->in_len = (size_t)n;
	if (s->raw)
		found = detach_feed(&s->detach, typed, (size_t)n, s->in,
				    &s->in_len);
	send_input(s);
	if (found)
		detach(s);
}

/* --- signals and time --- */

static void resize(struct session *s)
{
	unsigned rows, cols;

	if (!s->o->tty)
		return;
	tty_size(&rows, &cols);
	/* A lost connection is reported by the next event. */
	(void)msb_exec_resize(s->x, rows, cols, NULL);
}

static void on_signal(struct session *s, int sig)
{
	switch (sig) {
	case SIGWINCH:
		resize(s);
		break;
	case SIGTSTP:
		tty_suspend();
		resize(s);
		break;
	case SIGCONT: /* the shell may have changed the modes meanwhile */
		if (s->raw)
			(void)tty_raw();
		resize(s);
		break;
	default:
		/* The keys of a raw terminal are not signals: these come from
		 * elsewhere and are for us. */
		if (sig == SIGHUP || s->raw)
			finish(s, SESSION_EXITED, 128 + sig);
		else if (s->interrupts++)
			kill_command(s);
		else
			(void)msb_exec_signal(s->x, sig, NULL);
		break;
	}
}

static void check_deadline(struct session *s)
{
	uint64_t now = clock_mono_ms();

	if (!s->deadline_ms || now < s->deadline_ms)
		return;
	if (s->timed_out) {
		finish(s, SESSION_TIMEOUT, 124);
		return;
	}
	/* Killed; what it still had to say may come for a while. */
	s->timed_out = true;
	s->deadline_ms = now + DRAIN_MS;
	kill_command(s);
}

static int poll_timeout(const struct session *s)
{
	uint64_t now = clock_mono_ms();
	uint64_t left;

	if (!s->deadline_ms)
		return -1;
	left = s->deadline_ms > now ? s->deadline_ms - now : 0;
	return left > 60000 ? 60000 : (int)left;
}

/* idle: there was no event left, so wait for something to happen. */
static void wait_for_something(struct session *s, bool idle)
{
	enum { EXEC, SIGNALS, INPUT, OUTPUT, COUNT };
	struct pollfd p[COUNT] = {
		[EXEC] = { .fd = msb_exec_fd(s->x) },
		[SIGNALS] = { .fd = s->signals_fd, .events = POLLIN },
		[INPUT] = { .fd = -1, .events = POLLIN },
		[OUTPUT] = { .fd = -1, .events = POLLOUT },
	};

	if (s->out_len) {
		p[OUTPUT].fd = s->out_fd;
		p[EXEC].fd = -1; /* back-pressure */
	} else {
		p[EXEC].events = POLLIN;
		if (msb_exec_wants_write(s->x))
			p[EXEC].events |= POLLOUT;
	}
	if (!s->in_eof && !s->in_len)
		p[INPUT].fd = s->in_fd;
	if (poll(p, COUNT, idle || s->out_len ? poll_timeout(s) : 0) < 0)
		return; /* a signal: the next round reads it */
	/* A signal that came before the input is to be handled before it, also
	 * when poll() saw only the input. */
	if (p[SIGNALS].revents || p[INPUT].revents) {
		for (int sig = signals_next(); sig && !s->done;
		     sig = signals_next())
			on_signal(s, sig);
	}
	if (!s->done && p[INPUT].revents)
		read_input(s);
}

static int begin(struct session *s)
{
	struct stat st;
	int fd;

	for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++)
		s->regular[i] = !fstat(i, &st) && S_ISREG(st.st_mode);
	s->in_fd = STDIN_FILENO;
	if (s->o->tty && isatty(STDIN_FILENO)) {
		fd = tty_open();
		if (fd < 0)
			return fd;
		s->in_fd = fd;
		s->own_in = true;
		s->raw = true;
		memcpy(s->detach.keys, s->o->detach_keys, s->o->ndetach_keys);
		s->detach.n = s->o->ndetach_keys;
	}
	s->signals_fd = signals_catch(s->raw);
	if (s->signals_fd < 0)
		return s->signals_fd;
	/* the terminal may have changed since the command's was made, or be
	 * another one, and only from here on do we hear of it */
	resize(s);
	if (s->o->timeout_ms)
		s->deadline_ms = clock_mono_ms() + s->o->timeout_ms;
	return s->raw ? tty_raw() : 0;
}

struct session_result session_run(msb_exec_t *x,
				  const struct session_options *o)
{
	struct session s = { .x = x, .o = o, .in_fd = -1, .signals_fd = -1 };
	int rc = begin(&s);

	if (rc) {
		ui_error("cannot use the terminal: %s", strerror(-rc));
		finish(&s, SESSION_FAILED, 125);
	}
	while (!s.done) {
		bool idle = take_events(&s);

		write_output(&s);
		if (s.done)
			break;
		send_input(&s);
		wait_for_something(&s, idle);
		check_deadline(&s);
	}
	tty_restore();
	signals_release();
	if (s.own_in)
		close_fd(&s.in_fd);
	return s.result;
}
