/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 times of log lines. */
#include "logs/stamp.h"

#include <string.h>

#include "base/clock.h"

#define MINUTE_NS (60 * (int64_t)NSEC_PER_SEC)
#define YEAR_MIN 1678 /* what fits into 64 bits of nanoseconds */
#define YEAR_MAX 2261
#define DATE_LEN 19u /* "2026-01-02T03:04:05" */

static bool digits(const uint8_t *p, unsigned n, unsigned *ret)
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
	unsigned y = month <= 2 ? year - 1 : year;
	unsigned m = month <= 2 ? month + 9 : month - 3;

	return (int64_t)365 * y + y / 4 - y / 100 + y / 400 +
	       (153 * m + 2) / 5 + day - 1 - 719468;
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
	if (!digits(p, 4, &year) || !digits(p + 5, 2, &month) ||
	    !digits(p + 8, 2, &day) || !digits(p + 11, 2, &hour) ||
	    !digits(p + 14, 2, &minute) || !digits(p + 17, 2, &second))
		return false;
	if (year < YEAR_MIN || year > YEAR_MAX || !month || month > 12 ||
	    !day || day > days_in(year, month) || hour > 23 || minute > 59 ||
	    second > 60)
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
	    !digits(p + 1, 2, &hours) || !digits(p + 4, 2, &minutes) ||
	    hours > 23 || minutes > 59)
		return false;
	*ret_seconds = (int64_t)(hours * 60 + minutes) * 60;
	if (p[0] == '-')
		*ret_seconds = -*ret_seconds;
	return true;
}

bool stamp_parse(const uint8_t *p, size_t len, int64_t *ret_ns)
{
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
	*ret_ns = (seconds - zone) * (int64_t)NSEC_PER_SEC + frac;
	return true;
}

bool stamp_parse_own(struct stamp_cache *c, const uint8_t *p, int64_t *ret_ns)
{
	unsigned second, ms;

	if (p[16] != ':' || p[19] != '.' || p[23] != 'Z' ||
	    !digits(p + 17, 2, &second) || !digits(p + 20, 3, &ms))
		return false;
	if (c->valid && second < 60 && !memcmp(p, c->text, sizeof(c->text))) {
		*ret_ns = c->minute_ns +
			  (int64_t)second * (int64_t)NSEC_PER_SEC +
			  (int64_t)ms * (int64_t)NSEC_PER_MSEC;
		return true;
	}
	if (!stamp_parse(p, STAMP_LEN, ret_ns))
		return false;
	if (second < 60) {
		memcpy(c->text, p, sizeof(c->text));
		c->minute_ns = *ret_ns -
			       (int64_t)second * (int64_t)NSEC_PER_SEC -
			       (int64_t)ms * (int64_t)NSEC_PER_MSEC;
		c->valid = true;
	}
	return true;
}

static void put_digits(char *out, unsigned n, unsigned v)
{
	while (n--) {
		out[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

/* The other way round: the date of a number of days since 0000-03-01. */
static void put_date(char *out, int64_t days)
{
	unsigned z = (unsigned)(days + 719468);
	unsigned era = z / 146097, in_era = z % 146097;
	unsigned y =
		(in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) /
		365;
	unsigned d = in_era - (365 * y + y / 4 - y / 100);
	unsigned m = (5 * d + 2) / 153;
	unsigned month = m < 10 ? m + 3 : m - 9;

	put_digits(out, 4, era * 400 + y + (month <= 2));
	out[4] = '-';
	put_digits(out + 5, 2, month);
	out[7] = '-';
	put_digits(out + 8, 2, d - (153 * m + 2) / 5 + 1);
	out[10] = 'T';
}

static void set_minute(struct stamp_cache *c, int64_t minute)
{
	const int64_t per_day = 24 * (int64_t)60;
	int64_t day = minute / per_day, rest = minute % per_day;

	if (rest < 0) {
		rest += per_day;
		day--;
	}
	put_date(c->text, day);
	put_digits(c->text + 11, 2, (unsigned)rest / 60);
	c->text[13] = ':';
	put_digits(c->text + 14, 2, (unsigned)rest % 60);
	c->minute_ns = minute * MINUTE_NS;
	c->valid = true;
}

void stamp_format(struct stamp_cache *c, int64_t ns, char *out)
{
	int64_t minute = ns / MINUTE_NS, rest = ns % MINUTE_NS;
	unsigned ms;

	if (rest < 0) {
		rest += MINUTE_NS;
		minute--;
	}
	/* the first minute of all begins before what 64 bits can say */
	if (minute < INT64_MIN / MINUTE_NS) {
		minute++;
		rest = 0;
	}
	if (!c->valid || c->minute_ns != minute * MINUTE_NS)
		set_minute(c, minute);
	memcpy(out, c->text, sizeof(c->text));
	ms = (unsigned)(rest / (int64_t)NSEC_PER_MSEC);
	out[16] = ':';
	put_digits(out + 17, 2, ms / 1000);
	out[19] = '.';
	put_digits(out + 20, 3, ms % 1000);
	out[23] = 'Z';
}
