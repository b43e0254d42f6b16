/* SPDX-License-Identifier: Apache-2.0 */
/* Reading JSON of which every value is checked, and writing some of it. */
#ifndef MSB_NET_JSON_H
#define MSB_NET_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* ERR_INVALID: "<where> <what>". */
static inline int net_json_bad(struct err *err, const char *where,
			       const char *what)
{
	return err_set(err, ERR_INVALID, 0, "%s %s", where, what);
}

/* The value at key; NULL when there is none, or null. */
static inline const json_t *net_json_given(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_null(v) ? NULL : v;
}

/* The whole number at key, which must be there, from 0 to max. */
int net_json_number(const json_t *o, const char *key, uint64_t max,
		    uint64_t *ret, struct err *err);

/* In what follows a key that is not given leaves *ret as it is, or NULL;
 * ERR_INVALID. */
int net_json_bool(const json_t *o, const char *key, bool *ret, struct err *err);
int net_json_u32(const json_t *o, const char *key, uint32_t max, uint32_t *ret,
		 struct err *err);
int net_json_object(const json_t *o, const char *key, const json_t **ret,
		    struct err *err);
int net_json_list(const json_t *o, const char *key, size_t max,
		  const json_t **ret, struct err *err);
/* Text without NUL bytes, borrowed. */
int net_json_text(const json_t *o, const char *key, const char **ret,
		  struct err *err);

/* The text of v, borrowed; NULL: it is none, or has a NUL byte. */
const char *net_json_text_of(const json_t *v);
json_t *net_json_texts(const struct strv *s); /* NULL: no memory */

#endif
