/* SPDX-License-Identifier: Apache-2.0 */
/* Between values of JavaScript and those of C. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addon.h"

/* Larger results are given away, smaller ones copied. */
#define COPY_MAX 4096

bool get_args(napi_env env, napi_callback_info info, size_t argc,
	      napi_value *argv)
{
	return !napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
}

/* ---- from JavaScript ------------------------------------------------------
 */

static bool is_absent(napi_env env, napi_value v)
{
	napi_valuetype type;

	return napi_typeof(env, v, &type) || type == napi_undefined ||
	       type == napi_null;
}

/* malloc'ed; what has a NUL inside is no text for C. */
static char *get_string(napi_env env, napi_value v)
{
	size_t len;
	char *s;

	if (napi_get_value_string_utf8(env, v, NULL, 0, &len))
		return NULL;
	s = malloc(len + 1);
	if (!s || napi_get_value_string_utf8(env, v, s, len + 1, &len) ||
	    strlen(s) != len) {
		free(s);
		return NULL;
	}
	return s;
}

static bool get_strings(napi_env env, napi_value v, struct strings *ret)
{
	bool is_array = false;
	uint32_t n = 0;

	if (napi_is_array(env, v, &is_array) || !is_array ||
	    napi_get_array_length(env, v, &n))
		return false;
	ret->v = calloc((size_t)n + 1, sizeof(*ret->v));
	if (!ret->v)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		napi_value item;

		if (napi_get_element(env, v, i, &item))
			return false;
		ret->v[i] = get_string(env, item);
		if (!ret->v[i])
			return false;
		ret->n++;
	}
	return true;
}

bool value_bytes(napi_env env, napi_value v, struct bytes *ret)
{
	napi_typedarray_type type;
	bool is = false;
	void *p = NULL;

	if (napi_is_typedarray(env, v, &is) || !is ||
	    napi_get_typedarray_info(env, v, &type, &ret->len, &p, NULL,
				     NULL) ||
	    (type != napi_uint8_array && type != napi_uint8_clamped_array))
		return false;
	ret->p = p;
	return true;
}

/* A copy: the program may change its array while the call runs. */
static bool copy_bytes(napi_env env, napi_value v, struct bytes *ret)
{
	struct bytes b;

	if (!value_bytes(env, v, &b))
		return false;
	ret->p = malloc(b.len ? b.len : 1);
	if (!ret->p)
		return false;
	if (b.len)
		memcpy(ret->p, b.p, b.len);
	ret->len = b.len;
	return true;
}

bool value_int(napi_env env, napi_value v, int64_t *ret)
{
	double d;

	/* NaN becomes 0 and what is too large is cut, if C does it */
	if (napi_get_value_double(env, v, &d) || !(d >= -9007199254740991.0) ||
	    !(d <= 9007199254740991.0) || d != (double)(int64_t)d)
		return false;
	*ret = (int64_t)d;
	return true;
}

static bool get_function(napi_env env, napi_value v, napi_ref *ret)
{
	napi_valuetype type;

	return !napi_typeof(env, v, &type) && type == napi_function &&
	       !napi_create_reference(env, v, 1, ret);
}

static enum handle_kind kind_of(char letter)
{
	switch (letter) {
	case 'H':
		return HANDLE_HOME;
	case 'B':
		return HANDLE_SANDBOX;
	case 'X':
		return HANDLE_EXEC;
	case 'F':
		return HANDLE_FS;
	case 'L':
		return HANDLE_LOG;
	case 'A':
		return HANDLE_AGENT;
	case 'T':
		return HANDLE_AGENT_STREAM;
	case 'c':
		return HANDLE_CANCEL;
	default:
		return HANDLE_KINDS;
	}
}

static bool get_one(napi_env env, char letter, napi_value v, union arg *ret)
{
	switch (letter) {
	case 's':
		return (ret->s = get_string(env, v)) != NULL;
	case 'n':
		return value_int(env, v, &ret->n);
	case 'b':
		return !napi_get_value_bool(env, v, &ret->b);
	case 'y':
		return copy_bytes(env, v, &ret->bytes);
	case 'v':
		return get_strings(env, v, &ret->strings);
	case 'f':
		return get_function(env, v, &ret->function);
	default:
		ret->h = handle_get(env, v, kind_of(letter));
		if (ret->h)
			handle_use(ret->h);
		return ret->h != NULL;
	}
}

/* Those that may be absent, and as what they are then read. */
static char required(char letter)
{
	switch (letter) {
	case 'z':
		return 's';
	case 'Y':
		return 'y';
	case 'f':
	case 'c':
		return letter;
	default:
		return 0;
	}
}

static const char *what(char letter)
{
	switch (letter) {
	case 's':
		return "a string without NUL";
	case 'n':
		return "an integer";
	case 'b':
		return "a boolean";
	case 'y':
		return "a Uint8Array";
	case 'v':
		return "an array of strings without NUL";
	case 'f':
		return "a function";
	default:
		return "an object of this package";
	}
}

bool arg_get(napi_env env, char letter, napi_value v, const char *function,
	     unsigned n, union arg *ret)
{
	char base = required(letter);
	bool pending = false;
	char text[160];

	memset(ret, 0, sizeof(*ret));
	if (base && is_absent(env, v))
		return true;
	if (!base)
		base = letter;
	if (get_one(env, base, v, ret))
		return true;
	arg_clear(env, letter, ret);
	if (!napi_is_exception_pending(env, &pending) && !pending) {
		(void)snprintf(text, sizeof(text), "%s: argument %u must be %s",
			       function, n, what(base));
		(void)napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", text);
	}
	return false;
}

void arg_clear(napi_env env, char letter, union arg *a)
{
	switch (letter) {
	case 's':
	case 'z':
		free(a->s);
		break;
	case 'n':
	case 'b':
		break;
	case 'y':
	case 'Y':
		free(a->bytes.p);
		break;
	case 'v':
		for (size_t i = 0; i < a->strings.n; i++)
			free(a->strings.v[i]);
		free(a->strings.v);
		break;
	case 'f':
		if (a->function && env)
			(void)napi_delete_reference(env, a->function);
		break;
	default:
		if (a->h)
			handle_unuse(a->h);
		break;
	}
	memset(a, 0, sizeof(*a));
}

/* ---- to JavaScript --------------------------------------------------------
 */

napi_value value_string_n(napi_env env, const void *s, size_t len)
{
	napi_value v = NULL;

	return napi_create_string_utf8(env, s, len, &v) ? NULL : v;
}

napi_value value_string(napi_env env, const char *s)
{
	napi_value v = NULL;

	if (!s)
		return napi_get_null(env, &v) ? NULL : v;
	return value_string_n(env, s, strlen(s));
}

napi_value value_number(napi_env env, double n)
{
	napi_value v = NULL;

	return napi_create_double(env, n, &v) ? NULL : v;
}

napi_value value_bool(napi_env env, bool b)
{
	napi_value v = NULL;

	return napi_get_boolean(env, b, &v) ? NULL : v;
}

napi_value value_copy(napi_env env, const void *p, size_t len)
{
	napi_value v = NULL;

	return napi_create_buffer_copy(env, len, p, NULL, &v) ? NULL : v;
}

static void release(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)hint;
	msb_free(data);
}

napi_value value_take(napi_env env, void *p, size_t len)
{
	napi_value v = NULL;

	if (len > COPY_MAX &&
	    !napi_create_external_buffer(env, len, p, release, NULL, &v))
		return v;
	v = value_copy(env, p, len);
	msb_free(p);
	return v;
}

void set_value(napi_env env, napi_value o, const char *key, napi_value v)
{
	if (v)
		(void)napi_set_named_property(env, o, key, v);
}

void set_string(napi_env env, napi_value o, const char *key, const char *s)
{
	set_value(env, o, key, value_string(env, s));
}

void set_number(napi_env env, napi_value o, const char *key, double n)
{
	set_value(env, o, key, value_number(env, n));
}

void set_bool(napi_env env, napi_value o, const char *key, bool b)
{
	set_value(env, o, key, value_bool(env, b));
}

napi_value value_labels(napi_env env, const void *object,
			const char *(*item)(const void *object, size_t i))
{
	const char *entry;
	napi_value o;

	if (napi_create_array(env, &o))
		return NULL;
	for (uint32_t i = 0; (entry = item(object, i)) != NULL; i++)
		(void)napi_set_element(env, o, i, value_string(env, entry));
	return o;
}

/* ---- errors ---------------------------------------------------------------
 */

static const char *detail(const void *e, size_t i)
{
	return e ? msb_error_detail_item(e, i) : NULL;
}

napi_value value_error(struct addon *a, msb_error_t *e)
{
	napi_env env = a->env;
	napi_value f, self, argv[4], ret = NULL;
	msb_error_kind_t kind = e ? msb_error_kind(e) : MSB_ERR_NO_MEMORY;

	argv[0] = value_string(env, msb_error_kind_name(kind));
	argv[1] = value_string(env, e ? msb_error_text(e) : "out of memory");
	argv[2] = value_number(env, e ? msb_error_errno(e) : 0);
	argv[3] = value_labels(env, e, detail);
	msb_error_free(e);
	if (!napi_get_reference_value(env, a->make_error, &f) &&
	    !napi_get_undefined(env, &self) && argv[0] && argv[1] && argv[2] &&
	    argv[3])
		(void)napi_call_function(env, self, f, COUNT_OF(argv), argv,
					 &ret);
	return ret;
}

void throw_error(struct addon *a, msb_error_t *e)
{
	napi_value error = value_error(a, e);

	if (error)
		(void)napi_throw(a->env, error);
}

void *items_add(struct items *items, size_t size)
{
	size_t room = items->size ? items->size * 2 : 16;
	char *v = items->v;

	if (items->n == items->size) {
		v = realloc(v, room * size);
		if (!v)
			return NULL;
		items->v = v;
		items->size = room;
	}
	v += items->n++ * size;
	return memset(v, 0, size);
}
