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

/* ---- RFC 3339 ------------------------------------------------------------ */

#define DATE_LEN 19u /* "2026-01-02T03:04:05" */

bool clock_digits(const uint8_t *p, unsigned n, unsigned *ret)
{
	unsigned v = 0;

	for (unsigned i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (p[i] - '0');
	}
	*ret = v;
	return true;
}

/* Days since 1970-01-01 in the Gregorian calendar, years counted from March. */
static int64_t days_of(unsigned year, unsigned month, unsigned day)
{
	/* 400 years later, so that the year 0 has one before it */
	unsigned y = (month <= 2 ? year - 1 : year) + 400;
	unsigned m = month <= 2 ? month + 9 : month - 3;

	return (int64_t)365 * y + y / 4 - y / 100 + y / 400 +
	       (153 * m + 2) / 5 + day - 1 - 719468 - 146097;
}

static bool is_leap(unsigned year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned days_in(unsigned year, unsigned month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30,
					31, 31, 30, 31, 30, 31 };

	return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Date and time of day up to the seconds; a leap second is the next one. */
static bool parse_date(const uint8_t *p, int64_t *ret_seconds)
{
	unsigned year, month, day, hour, minute, second;

	if (p[4] != '-' || p[7] != '-' ||
	    (p[10] != 'T' && p[10] != 't' && p[10] != ' ') || p[13] != ':' ||
	    p[16] != ':')
		return false;
	if (!clock_digits(p, 4, &year) || !clock_digits(p + 5, 2, &month) ||
	    !clock_digits(p + 8, 2, &day) || !clock_digits(p + 11, 2, &hour) ||
	    !clock_digits(p + 14, 2, &minute) ||
	    !clock_digits(p + 17, 2, &second))
		return false;
	if (!month || month > 12 || !day || day > days_in(year, month) ||
	    hour > 23 || minute > 59 || second > 60)
		return false;
	*ret_seconds =
		((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 +
		second;
	return true;
}

/* "Z" or "+01:00", and nothing behind it. */
static bool parse_zone(const uint8_t *p, size_t len, int64_t *ret_seconds)
{
	unsigned hours, minutes;

	*ret_seconds = 0;
	if (len == 1)
		return p[0] == 'Z' || p[0] == 'z';
	if (len != 6 || (p[0] != '+' && p[0] != '-') || p[3] != ':' ||
	    !clock_digits(p + 1, 2, &hours) ||
	    !clock_digits(p + 4, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_seconds = (int64_t)(hours * 60 + minutes) * 60;
	if (p[0] == '-')
		*ret_seconds = -*ret_seconds;
	return true;
}

bool clock_parse_rfc3339(const void *text, size_t len, int64_t *ret_ns)
{
	const uint8_t *p = text;
	int64_t seconds, zone, frac = 0;
	size_t at = DATE_LEN;

	if (len <= DATE_LEN || !parse_date(p, &seconds))
		return false;
	if (p[at] == '.') {
		int64_t unit = NSEC_PER_SEC / 10;
		size_t first = ++at;

		for (; at < len && p[at] >= '0' && p[at] <= '9'; at++) {
			frac += unit * (p[at] - '0');
			unit /= 10;
		}
		if (at == first)
			return false;
	}
	if (!parse_zone(p + at, len - at, &zone))
		return false;
	if (__builtin_mul_overflow(seconds - zone, (int64_t)NSEC_PER_SEC,
				   ret_ns) ||
	    __builtin_add_overflow(*ret_ns, frac, ret_ns))
		*ret_ns = seconds < 0 ? INT64_MIN : INT64_MAX;
	return true;
}
