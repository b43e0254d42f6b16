/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time: RFC 3339, or how long ago. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/str.h"
#include "cli/grammar.h"

/* Exactly n digits at *p, which moves behind them; -1 when there are fewer. */
static int digits(const char **p, int n)
{
	int v = 0;

	for (; n; n--, (*p)++) {
		if (**p < '0' || **p > '9')
			return -1;
		v = v * 10 + (**p - '0');
	}
	return v;
}

static bool skip(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* Digits behind a point; those past nanoseconds count nothing. */
static bool fraction(const char **p, int64_t *ret_ns)
{
	int64_t unit = (int64_t)NSEC_PER_SEC;
	const char *start = *p;

	for (*ret_ns = 0; **p >= '0' && **p <= '9'; (*p)++) {
		unit /= 10;
		*ret_ns += unit * (**p - '0');
	}
	return *p > start;
}

/* "Z" or "+02:00", in seconds east of Greenwich. */
static bool zone(const char **p, int64_t *ret_s)
{
	int64_t sign = **p == '-' ? -1 : 1;
	int h, m;

	*ret_s = 0;
	if (skip(p, 'Z') || skip(p, 'z'))
		return true;
	if (!skip(p, '+') && !skip(p, '-'))
		return false;
	h = digits(p, 2);
	if (h < 0 || h > 23 || !skip(p, ':'))
		return false;
	m = digits(p, 2);
	if (m < 0 || m > 59)
		return false;
	*ret_s = sign * (h * 3600 + m * 60);
	return true;
}

static int days_of_month(const struct tm *tm)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30,
					31, 31, 30, 31, 30, 31 };
	int year = tm->tm_year + 1900;
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[tm->tm_mon] + (leap && tm->tm_mon == 1);
}

static bool date(const char **p, struct tm *tm)
{
	tm->tm_year = digits(p, 4) - 1900;
	if (tm->tm_year < -1900 || !skip(p, '-'))
		return false;
	tm->tm_mon = digits(p, 2) - 1;
	if (tm->tm_mon < 0 || tm->tm_mon > 11 || !skip(p, '-'))
		return false;
	tm->tm_mday = digits(p, 2);
	return tm->tm_mday >= 1 && tm->tm_mday <= days_of_month(tm);
}

static bool time_of_day(const char **p, struct tm *tm)
{
	tm->tm_hour = digits(p, 2);
	if (tm->tm_hour < 0 || tm->tm_hour > 23 || !skip(p, ':'))
		return false;
	tm->tm_min = digits(p, 2);
	if (tm->tm_min < 0 || tm->tm_min > 59 || !skip(p, ':'))
		return false;
	tm->tm_sec = digits(p, 2); /* 60: a leap second */
	return tm->tm_sec >= 0 && tm->tm_sec <= 60;
}

/* Years 0 to 9999 are more than nanoseconds can tell apart. */
static int64_t to_ns(int64_t s, int64_t ns)
{
	int64_t v;

	if (__builtin_mul_overflow(s, (int64_t)NSEC_PER_SEC, &v) ||
	    __builtin_add_overflow(v, ns, &v))
		return s < 0 ? INT64_MIN : INT64_MAX;
	return v;
}

static bool rfc3339(const char *p, int64_t *ret_ns)
{
	int64_t ns = 0, east = 0;
	struct tm tm = { 0 };

	if (!date(&p, &tm))
		return false;
	if (!skip(&p, 'T') && !skip(&p, 't') && !skip(&p, ' '))
		return false;
	if (!time_of_day(&p, &tm))
		return false;
	if (skip(&p, '.') && !fraction(&p, &ns))
		return false;
	if (!zone(&p, &east) || *p)
		return false;
	*ret_ns = to_ns(timegm(&tm) - east, ns);
	return true;
}

static bool ago(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t len = strlen(text);
	char number[24];
	uint64_t n, unit = 0;
	int64_t span;

	if (len < 2 || len > sizeof(number))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (text[len - 1] == units[i].letter)
			unit = units[i].seconds;
	memcpy(number, text, len - 1);
	number[len - 1] = 0;
	if (!unit || str_to_u64(number, &n))
		return false;
	if (__builtin_mul_overflow(n, unit * NSEC_PER_SEC, &span) ||
	    __builtin_sub_overflow(now_ns, span, ret_ns))
		*ret_ns = INT64_MIN;
	return true;
}

int grammar_time(const char *text, int64_t now_ns, int64_t *ret_ns,
		 struct err *err)
{
	if (rfc3339(text, ret_ns) || ago(text, now_ns, ret_ns))
		return 0;
	return err_set(err, ERR_INVALID, EINVAL,
		       "could not parse time \"%s\" (expected RFC 3339 or `5m` "
		       "etc.)",
		       text);
}
