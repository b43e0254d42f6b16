/* SPDX-License-Identifier: Apache-2.0 */
/* Reading JSON of which every value is checked, and writing some of it. */
#include "net/json.h"

#include <string.h>

int net_json_number(const json_t *o, const char *key, uint64_t max,
		    uint64_t *ret, struct err *err)
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

int net_json_bool(const json_t *o, const char *key, bool *ret, struct err *err)
{
	const json_t *v = net_json_given(o, key);

	if (v && !json_is_boolean(v))
		return net_json_bad(err, key, "is neither true nor false");
	if (v)
		*ret = json_is_true(v);
	return 0;
}

int net_json_u32(const json_t *o, const char *key, uint32_t max, uint32_t *ret,
		 struct err *err)
{
	uint64_t n = 0;
	int rc = 0;

	if (!net_json_given(o, key))
		return 0;
	rc = net_json_number(o, key, max, &n, err);
	if (!rc)
		*ret = (uint32_t)n;
	return rc;
}

int net_json_object(const json_t *o, const char *key, const json_t **ret,
		    struct err *err)
{
	*ret = net_json_given(o, key);
	if (*ret && !json_is_object(*ret))
		return net_json_bad(err, key, "is no object");
	return 0;
}

int net_json_list(const json_t *o, const char *key, size_t max,
		  const json_t **ret, struct err *err)
{
	*ret = net_json_given(o, key);
	if (*ret && !json_is_array(*ret))
		return net_json_bad(err, key, "is no list");
	if (json_array_size(*ret) > max)
		return net_json_bad(err, key, "is too long");
	return 0;
}

const char *net_json_text_of(const json_t *v)
{
	const char *text = json_string_value(v);

	return text && strlen(text) == json_string_length(v) ? text : NULL;
}

int net_json_text(const json_t *o, const char *key, const char **ret,
		  struct err *err)
{
	const json_t *v = net_json_given(o, key);

	*ret = net_json_text_of(v);
	if (v && !*ret)
		return net_json_bad(err, key, "is no text");
	return 0;
}

json_t *net_json_texts(const struct strv *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++)
		if (json_array_append_new(list, json_string(s->v[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}
