/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 times of log lines. */
#include "logs/stamp.h"

#include <string.h>

#include "base/clock.h"

#define MINUTE_NS (60 * (int64_t)NSEC_PER_SEC)
/* The whole years that fit into 64 bits of nanoseconds: 1678 to 2261. */
#define FIRST_NS (-9214560000 * (int64_t)NSEC_PER_SEC)
#define END_NS (9214646400 * (int64_t)NSEC_PER_SEC)

bool stamp_parse(const uint8_t *p, size_t len, int64_t *ret_ns)
{
	return clock_parse_rfc3339(p, len, ret_ns) && *ret_ns >= FIRST_NS &&
	       *ret_ns < END_NS;
}

bool stamp_parse_own(struct stamp_cache *c, const uint8_t *p, int64_t *ret_ns)
{
	unsigned second, ms;

	if (p[16] != ':' || p[19] != '.' || p[23] != 'Z' ||
	    !clock_digits(p + 17, 2, &second) || !clock_digits(p + 20, 3, &ms))
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
