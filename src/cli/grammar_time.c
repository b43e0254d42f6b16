/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time: RFC 3339, or how long ago. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/str.h"
#include "cli/grammar.h"

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
	if (clock_parse_rfc3339(text, strlen(text), ret_ns) ||
	    ago(text, now_ns, ret_ns))
		return 0;
	return err_set(err, ERR_INVALID, EINVAL,
		       "could not parse time \"%s\" (expected RFC 3339 or `5m` "
		       "etc.)",
		       text);
}
