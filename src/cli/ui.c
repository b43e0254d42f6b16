/* SPDX-License-Identifier: Apache-2.0 */
/* Messages, success lines and plain output. */
#include "cli/ui.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/table.h"

#define MAX_LINE 4096
#define SLOW_MS 500

bool ui_colors(int fd)
{
	const char *v = getenv("NO_COLOR");

	if (v && *v)
		return false;
	v = getenv("CLICOLOR_FORCE");
	if (v && *v && strcmp(v, "0") != 0)
		return true;
	v = getenv("CLICOLOR");
	if (v && !strcmp(v, "0"))
		return false;
	v = getenv("TERM");
	return isatty(fd) && !(v && !strcmp(v, "dumb"));
}

size_t ui_columns(int fd)
{
	struct winsize ws = { 0 };

	if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &ws) < 0)
		return 0;
	return ws.ws_col;
}

/* One write per line, so that lines of several processes do not mix. */
static void line(enum table_style style, const char *before, const char *label,
		 const char *fmt, va_list ap)
{
	bool colors = ui_colors(STDERR_FILENO);
	char text[MAX_LINE];
	struct buf b;

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	buf_init(&b, 2 * MAX_LINE);
	(void)buf_printf(&b, "%s%s%s%s ", before, colors ? style_on(style) : "",
			 label, colors ? STYLE_OFF : "");
	text_put_safe(&b, text);
	(void)buf_str(&b, "\n");
	/* Nothing is left to tell when stderr cannot be written. */
	(void)io_write_full(STDERR_FILENO, buf_data(&b), buf_len(&b));
	buf_fini(&b);
}

void ui_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(STYLE_RED_BOLD, "", "error:", fmt, ap);
	va_end(ap);
}

void ui_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(STYLE_YELLOW_BOLD, "", "warn:", fmt, ap);
	va_end(ap);
}

void ui_context(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(STYLE_DIM, "  ", "→", fmt, ap);
	va_end(ap);
}

void ui_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(STYLE_CYAN_BOLD, "", "info", fmt, ap);
	va_end(ap);
}

void ui_done(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(STYLE_GREEN_BOLD, "", "done", fmt, ap);
	va_end(ap);
}

void ui_grammar_error(const struct err *err)
{
	ui_error("%s", err->msg);
}

static const char *boot_hint(const char *stage, int sys)
{
	if (!strcmp(stage, "mount") && sys == ENOENT)
		return "the host path of a mount does not exist";
	if (!strcmp(stage, "mount") && sys == EACCES)
		return "the host path of a mount is not readable";
	if (!strcmp(stage, "image") && sys == ENOENT)
		return "the root directory does not exist";
	if (!strcmp(stage, "network") && sys == EADDRINUSE)
		return "publish another port of the host, or end what has this "
		       "one";
	return NULL;
}

/* The last lines of the guest kernel's log, when there are any. */
static void show_kernel_log(const char *log)
{
	enum { LINES = 6 };
	const char *start = log + strlen(log);
	int lines = 0;

	while (start > log && lines < LINES) {
		start--;
		while (start > log && start[-1] != '\n')
			start--;
		lines++;
	}
	while (*start) {
		size_t n = strcspn(start, "\n");

		if (n)
			ui_context("kernel: %.*s", (int)n, start);
		start += n + (start[n] == '\n');
	}
}

void ui_boot_failure(const struct ui_boot_failure *f)
{
	const char *hint;

	ui_error("failed to start \"%s\"",
		 f->sandbox ? f->sandbox : "<unknown>");
	ui_context("%s: %s", f->stage ? f->stage : "other", f->message);
	hint = f->stage ? boot_hint(f->stage, f->sys) : NULL;
	if (hint)
		ui_context("%s", hint);
	if (f->kernel_log)
		show_kernel_log(f->kernel_log);
	if (f->sandbox && f->more_in_logs)
		ui_context("run `msb logs --source system %s` for full "
			   "diagnostics",
			   f->sandbox);
}

static void boot_failure(const msb_error_t *e, const char *log_dir)
{
	ui_boot_failure(&(struct ui_boot_failure){
		.sandbox = msb_error_detail(e, "sandbox"),
		.stage = msb_error_detail(e, "stage"),
		.message = msb_error_message(e),
		.sys = msb_error_errno(e),
		.kernel_log = msb_error_detail(e, "kernel_log"),
		.more_in_logs = log_dir && !access(log_dir, F_OK),
	});
}

struct exec_kind {
	const char *kind, *label, *hint;
	int code;
};

static const struct exec_kind exec_kinds[] = {
	{ "not_found", "not found",
	  "check the name and PATH inside the sandbox (which <cmd>)", 127 },
	{ "permission_denied", "permission denied",
	  "make it executable: chmod +x", 126 },
	{ "not_executable", "not executable",
	  "wrong architecture, missing interpreter or damaged file", 126 },
	{ "bad_cwd", "bad cwd", "create the working directory first", 125 },
	{ "bad_args", "bad args",
	  "arguments are too long, hold NUL bytes or too many links", 125 },
	{ "resource_limit", "resource limit", "raise it with --rlimit", 125 },
	{ "user_setup_failed", "user setup",
	  "the user must exist in the sandbox's /etc/passwd", 125 },
	{ "out_of_memory", "out of memory", "give more with --memory", 125 },
	{ "pty_setup_failed", "pty setup", "use --no-tty", 125 },
	{ "other", "exec", NULL, 125 },
};

static const struct exec_kind *exec_kind(const msb_error_t *e)
{
	const char *kind = msb_error_detail(e, "kind");
	size_t last = ARRAY_SIZE(exec_kinds) - 1;

	for (size_t i = 0; kind && i < last; i++)
		if (!strcmp(exec_kinds[i].kind, kind))
			return &exec_kinds[i];
	return &exec_kinds[last];
}

int ui_exec_failure_code(const msb_error_t *e)
{
	return exec_kind(e)->code;
}

static void exec_failure(const msb_error_t *e)
{
	const struct exec_kind *k = exec_kind(e);
	const char *command = msb_error_detail(e, "command");
	const char *name = msb_error_detail(e, "errno_name");
	int sys = msb_error_errno(e);

	ui_error("failed to exec \"%s\"", command ? command : "<unknown>");
	if (name)
		ui_context("%s: %s (%s)", k->label, msb_error_message(e), name);
	else if (sys)
		ui_context("%s: %s (errno %d)", k->label, msb_error_message(e),
			   sys);
	else
		ui_context("%s: %s", k->label, msb_error_message(e));
	if (k->hint)
		ui_context("%s", k->hint);
}

void ui_library_error(msb_error_t *e, const char *log_dir)
{
	if (!e)
		ui_error("out of memory");
	else if (msb_error_kind(e) == MSB_ERR_BOOT)
		boot_failure(e, log_dir);
	else if (msb_error_kind(e) == MSB_ERR_EXEC_FAILED)
		exec_failure(e);
	else
		ui_error("%s", msb_error_text(e));
	msb_error_free(e);
}

const char *ui_duration(uint64_t ms, char *buf, size_t size)
{
	uint64_t s = ms / 1000;

	if (s < 60)
		(void)snprintf(buf, size, "%llu.%llus", (unsigned long long)s,
			       (unsigned long long)(ms % 1000 / 100));
	else
		(void)snprintf(buf, size, "%llum%llus",
			       (unsigned long long)(s / 60),
			       (unsigned long long)(s % 60));
	return buf;
}

void ui_success(const char *verb, const char *target, const char *note,
		uint64_t took_ms)
{
	bool colors = ui_colors(STDERR_FILENO), slow = took_ms > SLOW_MS;
	char time[32] = "";
	struct buf b;

	if (slow)
		(void)ui_duration(took_ms, time, sizeof(time));
	buf_init(&b, MAX_LINE);
	(void)buf_printf(&b, "   %s✓%s %-12s ",
			 colors ? style_on(STYLE_GREEN) : "",
			 colors ? STYLE_OFF : "", verb);
	text_put_safe(&b, target);
	if (note || slow)
		(void)buf_printf(&b, "%s (%s%s%s)%s",
				 colors ? style_on(STYLE_DIM) : "",
				 note ? note : "", note && slow ? ", " : "",
				 time, colors ? STYLE_OFF : "");
	(void)buf_str(&b, "\n");
	/* Nothing is left to tell when stderr cannot be written. */
	(void)io_write_full(STDERR_FILENO, buf_data(&b), buf_len(&b));
	buf_fini(&b);
}

void ui_failure(const char *verb, const char *target)
{
	bool colors = ui_colors(STDERR_FILENO);
	struct buf b;

	buf_init(&b, MAX_LINE);
	(void)buf_printf(&b, "   %s✗%s %-12s ",
			 colors ? style_on(STYLE_RED_BOLD) : "",
			 colors ? STYLE_OFF : "", verb);
	text_put_safe(&b, target);
	(void)buf_str(&b, "\n");
	(void)io_write_full(STDERR_FILENO, buf_data(&b), buf_len(&b));
	buf_fini(&b);
}

int ui_print(struct buf *b)
{
	int rc = b->failed ? -ENOMEM : 0;

	if (rc)
		ui_error("out of memory");
	else
		rc = io_write_full(STDOUT_FILENO, buf_data(b), buf_len(b));
	buf_fini(b);
	if (!rc)
		return 0;
	if (rc != -EPIPE && rc != -ENOMEM)
		ui_error("write to standard output: %s", strerror(-rc));
	return -1;
}

bool ui_confirm(const char *question)
{
	char answer[16];

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		ui_error("non-interactive terminal; use --yes");
		return false;
	}
	(void)fprintf(stderr, "%s [y/N] ", question);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	answer[strcspn(answer, "\n")] = 0;
	return !strcasecmp(answer, "y") || !strcasecmp(answer, "yes");
}
