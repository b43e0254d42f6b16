/* SPDX-License-Identifier: Apache-2.0 */
/* Reading options: shapes, paths, and what to say of them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/config_json.h"
#include "base/suggest.h"

#define KEY_SHOWN 80u
#define PART_MIN 3u /* letters that say something about a longer word */

/* ---- where we are -------------------------------------------------------- */

static bool is_plain(const char *key)
{
	return *key && !key[strspn(key, "abcdefghijklmnopqrstuvwxyz"
					"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789_-")];
}

static size_t enter(struct options *o, const char *fmt, ...) MSB_PRINTF(2, 3);

static size_t enter(struct options *o, const char *fmt, ...)
{
	size_t before = o->len, room = sizeof(o->path) - o->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->path + o->len, room, fmt, ap);
	va_end(ap);
	o->len += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
	return before;
}

size_t options_enter(struct options *o, const char *key)
{
	size_t len = strlen(key);

	if (len > KEY_SHOWN)
		len = utf8_complete_prefix(key, KEY_SHOWN);
	if (is_plain(key))
		return enter(o, "%s%.*s", o->len ? "." : "", (int)len, key);
	return enter(o, "[\"%.*s\"]", (int)len, key);
}

size_t options_enter_item(struct options *o, size_t index)
{
	return enter(o, "[%zu]", index);
}

void options_leave(struct options *o, size_t len)
{
	o->path[len] = 0;
	o->len = len;
}

/* ---- failures ------------------------------------------------------------ */

static void fail(struct options *o, const char *key, const struct err *err,
		 int rc)
{
	size_t before = key ? options_enter(o, key) : o->len;

	if (!o->rc) {
		o->rc = rc;
		if (o->err)
			*o->err = *err;
		if (o->len)
			err_prefix(o->err, "%s", o->path);
	}
	options_leave(o, before);
}

void options_bad(struct options *o, const char *key, const char *fmt, ...)
{
	struct err err = { .kind = ERR_INVALID, .sys = EINVAL };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(err.msg, sizeof(err.msg), fmt, ap);
	va_end(ap);
	fail(o, key, &err, -EINVAL);
}

void options_done_err(struct options *o, const char *key, int rc,
		      const struct err *err)
{
	if (rc < 0)
		fail(o, key, err, rc);
}

void options_done(struct options *o, const char *key, int rc, msb_error_t **e)
{
	struct err err = { .kind = (enum err_kind)msb_error_kind(*e),
			   .sys = msb_error_errno(*e) };

	if (rc >= 0)
		return;
	(void)snprintf(err.msg, sizeof(err.msg), "%s", msb_error_message(*e));
	msb_error_free(*e);
	*e = NULL;
	fail(o, key, &err, rc);
}

void options_no_memory(struct options *o)
{
	struct err err = { 0 };

	fail(o, NULL, &err, api_no_memory(&err));
}

/* ---- keys ---------------------------------------------------------------- */

static bool is_known(const char *key, const char *const keys[])
{
	for (size_t i = 0; keys[i]; i++)
		if (!strcmp(keys[i], key))
			return true;
	return false;
}

/* The key that was meant: nearly the same, or one with this as a part. */
static const char *guess(const char *key, const char *const keys[])
{
	struct suggest s;

	suggest_init(&s, key);
	for (size_t i = 0; keys[i]; i++)
		suggest_add(&s, keys[i]);
	for (size_t i = 0; !s.best && keys[i]; i++)
		if ((strlen(key) >= PART_MIN && strstr(keys[i], key)) ||
		    (strlen(keys[i]) >= PART_MIN && strstr(key, keys[i])))
			s.best = keys[i];
	return s.best;
}

void options_only(struct options *o, const json_t *j, const char *const keys[])
{
	const char *key, *best;
	json_t *value;

	if (o->rc)
		return;
	if (!json_is_object(j)) {
		options_bad(o, NULL, "must be an object");
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)j, key, value)
	{
		if (is_known(key, keys))
			continue;
		best = guess(key, keys);
		options_bad(o, key, "no such option%s%s%s",
			    best ? "; did you mean " : "", best ? best : "",
			    best ? "?" : "");
		return;
	}
}

const char *options_one_of(struct options *o, const json_t *j,
			   const char *const keys[])
{
	const char *found = NULL;
	char list[128] = "";
	size_t used = 0;

	for (size_t i = 0; keys[i]; i++) {
		used += (size_t)snprintf(list + used, sizeof(list) - used,
					 "%s%s", i ? ", " : "", keys[i]);
		if (!options_get(o, j, keys[i]))
			continue;
		if (found)
			options_bad(o, NULL, "%s and %s exclude each other",
				    found, keys[i]);
		found = keys[i];
	}
	if (!found)
		options_bad(o, NULL, "needs one of: %s", list);
	return o->rc ? NULL : found;
}

/* ---- values -------------------------------------------------------------- */

const json_t *options_get(const struct options *o, const json_t *j,
			  const char *key)
{
	const json_t *v = o->rc ? NULL : json_object_get(j, key);

	return json_is_null(v) ? NULL : v;
}

const char *options_text(struct options *o, const json_t *j, const char *key)
{
	const json_t *v = options_get(o, j, key);

	if (v && !json_is_string(v))
		options_bad(o, key, "must be a text");
	return json_string_value(v);
}

const json_t *options_object(struct options *o, const json_t *j,
			     const char *key)
{
	const json_t *v = options_get(o, j, key);

	if (!v || json_is_object(v))
		return v;
	options_bad(o, key, "must be an object");
	return NULL;
}

const json_t *options_list(struct options *o, const json_t *j, const char *key)
{
	const json_t *v = options_get(o, j, key);

	if (!v)
		return NULL;
	if (!json_is_array(v))
		options_bad(o, key, "must be a list");
	else if (json_array_size(v) > OPTIONS_LIST)
		options_bad(o, key, "has more than %u entries", OPTIONS_LIST);
	return o->rc ? NULL : v;
}

bool options_bool(struct options *o, const json_t *j, const char *key,
		  bool *ret)
{
	const json_t *v = options_get(o, j, key);

	if (v && !json_is_boolean(v)) {
		options_bad(o, key, "must be true or false");
		return false;
	}
	if (v)
		*ret = json_is_true(v);
	return v;
}

bool options_number(struct options *o, const json_t *j, const char *key,
		    uint64_t max, uint64_t *ret)
{
	const json_t *v = options_get(o, j, key);
	json_int_t n = json_integer_value(v);

	if (!v)
		return false;
	if (!json_is_integer(v))
		options_bad(o, key, "must be a whole number");
	else if (n < 0 || (uint64_t)n > max)
		options_bad(o, key, "must be from 0 to %llu; got %lld",
			    (unsigned long long)max, (long long)n);
	if (o->rc)
		return false;
	*ret = (uint64_t)n;
	return true;
}

bool options_word(struct options *o, const json_t *j, const char *key,
		  const char *const words[], unsigned *ret)
{
	const char *text = options_text(o, j, key);
	char list[160] = "";
	size_t used = 0;

	if (!text)
		return false;
	for (unsigned i = 0; words[i]; i++) {
		if (!strcmp(words[i], text)) {
			*ret = i;
			return true;
		}
		used += (size_t)snprintf(list + used, sizeof(list) - used,
					 "%s%s", i ? ", " : "", words[i]);
	}
	options_bad(o, key, "'%.60s' is none of: %s", text, list);
	return false;
}

bool options_texts(struct options *o, const json_t *j, const char *key,
		   struct strv *ret)
{
	const json_t *list = options_list(o, j, key);
	size_t n = json_array_size(list);

	for (size_t i = 0; !o->rc && i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		size_t before = options_enter(o, key);

		(void)options_enter_item(o, i);
		if (!text)
			options_bad(o, NULL, "must be a text");
		else if (strv_add(ret, text))
			options_no_memory(o);
		options_leave(o, before);
	}
	return list && !o->rc;
}

bool options_pairs(struct options *o, const json_t *j, const char *key,
		   struct strv *ret)
{
	const json_t *map = options_object(o, j, key);
	size_t before = options_enter(o, key);
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)map, name, v)
	{
		if (o->rc)
			break;
		if (!json_is_string(v))
			options_bad(o, name, "must be a text");
		else if (strv_take(ret, str_fmt("%s=%s", name,
						json_string_value(v))))
			options_no_memory(o);
	}
	options_leave(o, before);
	return map && !o->rc;
}

/* ---- tables -------------------------------------------------------------- */

static void apply_number(struct options *o, const json_t *j,
			 const struct option *t)
{
	bool wide = t->type == OPTION_U64;
	msb_error_t *e = NULL;
	uint64_t n;
	int rc;

	if (!options_number(o, j, t->key, wide ? INT64_MAX : UINT32_MAX, &n))
		return;
	rc = wide ? t->set.u64(o->c, n, &e) : t->set.u32(o->c, (uint32_t)n, &e);
	options_done(o, t->key, rc, &e);
}

static void apply_argv(struct options *o, const json_t *j,
		       const struct option *t)
{
	struct strv list = { 0 };
	msb_error_t *e = NULL;

	if (options_texts(o, j, t->key, &list))
		options_done(o, t->key,
			     t->set.argv(o->c, (const char *const *)list.v,
					 list.n, &e),
			     &e);
	strv_fini(&list);
}

static void apply_each(struct options *o, const json_t *j,
		       const struct option *t)
{
	struct strv list = { 0 };
	bool given = options_texts(o, j, t->key, &list);
	size_t before = options_enter(o, t->key);

	for (size_t i = 0; given && !o->rc && i < list.n; i++) {
		size_t at = options_enter_item(o, i);
		msb_error_t *e = NULL;

		options_done(o, NULL, t->set.text(o->c, list.v[i], &e), &e);
		options_leave(o, at);
	}
	options_leave(o, before);
	strv_fini(&list);
}

static void apply_map(struct options *o, const json_t *j,
		      const struct option *t)
{
	const json_t *map = options_object(o, j, t->key);
	size_t before = options_enter(o, t->key);
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)map, key, v)
	{
		const char *text = json_string_value(v);
		msb_error_t *e = NULL;

		if (o->rc)
			break;
		if (!text)
			options_bad(o, key, "must be a text");
		else
			options_done(o, key, t->set.pair(o->c, key, text, &e),
				     &e);
	}
	options_leave(o, before);
}

static void apply_one(struct options *o, const json_t *j,
		      const struct option *t)
{
	const json_t *v = options_get(o, j, t->key);
	msb_error_t *e = NULL;
	const char *text;
	size_t before;
	bool on;

	if (!v)
		return;
	switch (t->type) {
	case OPTION_TEXT:
		text = options_text(o, j, t->key);
		if (text)
			options_done(o, t->key, t->set.text(o->c, text, &e),
				     &e);
		break;
	case OPTION_BOOL:
		if (options_bool(o, j, t->key, &on))
			t->set.flag(o->c, on);
		break;
	case OPTION_U32:
	case OPTION_U64:
		apply_number(o, j, t);
		break;
	case OPTION_EACH:
		apply_each(o, j, t);
		break;
	case OPTION_MAP:
		apply_map(o, j, t);
		break;
	case OPTION_ARGV:
		apply_argv(o, j, t);
		break;
	case OPTION_OWN:
		before = options_enter(o, t->key);
		t->set.own(o, v);
		options_leave(o, before);
		break;
	case OPTION_LATER:
		break;
	}
}

void options_apply(struct options *o, const json_t *j,
		   const struct option *table, size_t n)
{
	const char *keys[OPTIONS_KEYS + 1] = { NULL };

	for (size_t i = 0; i < n && i < OPTIONS_KEYS; i++)
		keys[i] = table[i].key;
	options_only(o, j, keys);
	for (size_t i = 0; i < n; i++)
		apply_one(o, j, &table[i]);
}
