/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnostic log of the long-running processes (runtime.log). Library rooms do
 * not log: they return errors. One line per call:
 *   2026-05-22T10:11:12.123456Z  INFO component: message key=value
 * Control characters in the message are escaped, so guest-controlled text
 * cannot forge lines; a line is cut at 1 KiB.
 */
#ifndef MSB_BASE_LOG_H
#define MSB_BASE_LOG_H

#include <stdbool.h>

#include "base/compiler.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

/*
 * Lines go to sink(ctx, line, len); NULL sink writes to stderr. Process-wide;
 * set once at start before other threads exist.
 */
typedef void (*log_sink_fn)(void *ctx, const char *line, unsigned long len);
void log_init(enum log_level level, log_sink_fn sink, void *ctx);
enum log_level log_level(void);
void log_line(enum log_level level, const char *component, const char *fmt, ...)
	MSB_PRINTF(3, 4);

/* Text to level: 0 or -EINVAL. Names: error warn info debug trace. */
int log_level_parse(const char *text, enum log_level *ret);

#define log_at(lvl, ...)                                                       \
	do {                                                                   \
		if ((lvl) <= log_level())                                      \
			log_line((lvl), __VA_ARGS__);                          \
	} while (0)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_trace(...) log_at(LOG_TRACE, __VA_ARGS__)

#endif
