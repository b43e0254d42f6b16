/* SPDX-License-Identifier: Apache-2.0 */
/* Time sources and RFC 3339 text. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(id, &ts); /* these clocks always exist on Linux */
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void)
{
	return clock_mono_ns() / NSEC_PER_MSEC;
}

uint64_t clock_boot_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

uint64_t clock_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

void clock_format_rfc3339(uint64_t wall_ns, int digits, char *buf, size_t len)
{
	time_t sec = (time_t)(wall_ns / NSEC_PER_SEC);
	unsigned frac = (unsigned)(wall_ns % NSEC_PER_SEC);
	char date[24] = "";
	struct tm tm;

	if (gmtime_r(&sec, &tm))
		(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	if (digits == 3)
		(void)snprintf(buf, len, "%s.%03uZ", date, frac / 1000000);
	else if (digits == 6)
		(void)snprintf(buf, len, "%s.%06uZ", date, frac / 1000);
	else
		(void)snprintf(buf, len, "%sZ", date);
}
