/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnostic log lines. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"

#define LINE_MAX_BYTES 1024

static const char *const level_text[] = { "error", "warn", "info", "debug",
					  "trace" };
static const char *const level_tag[] = { "ERROR", " WARN", " INFO", "DEBUG",
					 "TRACE" };

static struct {
	enum log_level level;
	log_sink_fn sink;
	void *ctx;
} state = { .level = LOG_INFO };

void log_init(enum log_level level, log_sink_fn sink, void *ctx)
{
	state.level = level;
	state.sink = sink;
	state.ctx = ctx;
}

enum log_level log_level(void)
{
	return state.level;
}

int log_level_parse(const char *text, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_text); i++)
		if (!strcmp(text, level_text[i])) {
			*ret = (enum log_level)i;
			return 0;
		}
	return -EINVAL;
}

/* Append text with control characters as \xNN; keeps room for a newline. */
static size_t append_escaped(char *line, size_t used, const char *text)
{
	for (; *text && used + 6 < LINE_MAX_BYTES; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c != 0x7f)
			line[used++] = (char)c;
		else
			used += (size_t)snprintf(line + used,
						 LINE_MAX_BYTES - used,
						 "\\x%02x", c);
	}
	return used;
}

void log_line(enum log_level level, const char *component, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES], msg[LINE_MAX_BYTES], stamp[40];
	size_t used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	clock_format_rfc3339(clock_wall_ns(), 6, stamp, sizeof(stamp));
	n = snprintf(line, sizeof(line), "%s %s %s: ", stamp, level_tag[level],
		     component);
	if (n < 0 || (size_t)n >= sizeof(line))
		return;
	used = append_escaped(line, (size_t)n, msg);
	line[used++] = '\n';
	if (state.sink)
		state.sink(state.ctx, line, used);
	else
		(void)io_write_full(2, line, used); /* nowhere else to tell */
}
