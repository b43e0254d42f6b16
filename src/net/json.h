/* SPDX-License-Identifier: Apache-2.0 */
/* Reading JSON of which every value is checked. */
#ifndef MSB_NET_JSON_H
#define MSB_NET_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

/* ERR_INVALID: "<where> <what>". */
static inline int net_json_bad(struct err *err, const char *where,
			       const char *what)
{
	return err_set(err, ERR_INVALID, 0, "%s %s", where, what);
}

/* The whole number at key, which must be there, from 0 to max. */
static inline int net_json_number(const json_t *o, const char *key,
				  uint64_t max, uint64_t *ret, struct err *err)
{
	const json_t *v = json_object_get(o, key);
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0 || (uint64_t)n > max)
		return err_set(err, ERR_INVALID, 0,
			       "%s is not a whole number from 0 to %llu", key,
			       (unsigned long long)max);
	*ret = (uint64_t)n;
	return 0;
}

#endif
