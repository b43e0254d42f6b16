/* SPDX-License-Identifier: Apache-2.0 */
/* JSON from strangers: bounds, and typed access. */
#include "image/oci_json.h"

#include <errno.h>
#include <stdbool.h>

/* A look at the brackets and commas alone; the rest is the parser's. */
static bool within_bounds(const char *text, size_t len)
{
	size_t depth = 0, values = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
			continue;
		}
		if (c == '"')
			quoted = true;
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && depth)
			depth--;
		if (c == '{' || c == '[' || c == ',')
			values++;
		if (depth > JSON_MAX_DEPTH || values > JSON_MAX_VALUES)
			return false;
	}
	return true;
}

int oci_json_load(const char *text, size_t len, size_t max, const char *what,
		  json_t **ret, struct err *err)
{
	json_error_t fault;
	json_t *root;

	if (len > max)
		return err_set(err, ERR_IMAGE, EFBIG,
			       "%s is larger than %zu bytes", what, max);
	if (!within_bounds(text, len))
		return err_set(err, ERR_IMAGE, EINVAL,
			       "%s is nested too deep or has too many values",
			       what);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &fault);
	if (!root && json_error_code(&fault) == json_error_out_of_memory)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "read %s", what);
	if (!root)
		return err_set(err, ERR_IMAGE, EINVAL,
			       "%s is not JSON: %s (line %d)", what, fault.text,
			       fault.line);
	if (!json_is_object(root) && !json_is_array(root)) {
		json_decref(root);
		return err_set(err, ERR_IMAGE, EINVAL,
			       "%s is neither an object nor an array", what);
	}
	*ret = root;
	return 0;
}

static json_t *present(const json_t *o, const char *member)
{
	json_t *value = json_object_get(o, member);

	return json_is_null(value) ? NULL : value;
}

int oci_json_object(const json_t *o, const char *member, json_t **ret)
{
	*ret = present(o, member);
	return *ret && !json_is_object(*ret) ? -EINVAL : 0;
}

int oci_json_array(const json_t *o, const char *member, json_t **ret)
{
	*ret = present(o, member);
	return *ret && !json_is_array(*ret) ? -EINVAL : 0;
}

int oci_json_text(const json_t *o, const char *member, const char **ret)
{
	const json_t *value = present(o, member);

	*ret = json_string_value(value);
	return value && !*ret ? -EINVAL : 0;
}

int oci_json_u64(const json_t *o, const char *member, uint64_t max,
		 uint64_t *ret)
{
	const json_t *value = present(o, member);
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || (uint64_t)n > max)
		return -EINVAL;
	*ret = (uint64_t)n;
	return 0;
}

int oci_json_strv(const json_t *o, const char *member, size_t max,
		  struct strv *ret)
{
	json_t *array;
	size_t n;

	if (oci_json_array(o, member, &array))
		return -EINVAL;
	n = json_array_size(array);
	if (n > max)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(array, i));
		int rc = text ? strv_add(ret, text) : -EINVAL;

		if (rc)
			return rc;
	}
	return 0;
}
