/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of requests, parts of answers, and the objects in between. */
#include <nettle/base64.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"

static struct object *objects;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- arguments ----------------------------------------------------------- */

const char *text_arg(const struct request *rq, const char *key)
{
	return json_string_value(json_object_get(rq->args, key));
}

json_int_t int_arg(const struct request *rq, const char *key,
		   json_int_t missing)
{
	const json_t *v = json_object_get(rq->args, key);

	return json_is_number(v) ? (json_int_t)json_number_value(v) : missing;
}

bool bool_arg(const struct request *rq, const char *key, bool missing)
{
	const json_t *v = json_object_get(rq->args, key);

	return json_is_boolean(v) ? json_is_true(v) : missing;
}

void *bytes_of(const json_t *value, size_t *ret_len)
{
	const json_t *b64 = json_object_get(value, "b64");
	struct base64_decode_ctx ctx;
	size_t len = json_string_length(b64);
	uint8_t *data;

	if (json_is_string(value)) {
		*ret_len = json_string_length(value);
		data = malloc(*ret_len + 1);
		if (data)
			memcpy(data, json_string_value(value), *ret_len + 1);
		return data;
	}
	if (!b64)
		return NULL;
	data = malloc(BASE64_DECODE_LENGTH(len) + 1);
	*ret_len = BASE64_DECODE_LENGTH(len);
	base64_decode_init(&ctx);
	if (data && (!base64_decode_update(&ctx, ret_len, data, len,
					   json_string_value(b64)) ||
		     !base64_decode_final(&ctx))) {
		free(data);
		return NULL;
	}
	return data;
}

void *bytes_arg(struct request *rq, const char *key, size_t *ret_len)
{
	void *data = bytes_of(json_object_get(rq->args, key), ret_len);

	if (!data)
		(void)problem(rq, "type", "%s: bytes are missing", key);
	return data;
}

const char **strings_arg(const struct request *rq, const char *key,
			 size_t *ret_n)
{
	const json_t *list = json_object_get(rq->args, key);
	size_t n = json_array_size(list);
	const char **strings = calloc(n + 1, sizeof(*strings));

	for (size_t i = 0; strings && i < n; i++)
		strings[i] = json_string_value(json_array_get(list, i));
	*ret_n = strings ? n : 0;
	return strings;
}

char **pairs_arg(const struct request *rq, const char *key, size_t *ret_n)
{
	json_t *map = json_object_get(rq->args, key);
	char **pairs = calloc(json_object_size(map) + 1, sizeof(*pairs));
	const char *name;
	json_t *value;
	size_t n = 0;

	*ret_n = 0;
	if (!pairs)
		return NULL;
	json_object_foreach(map, name,
			    value) if (asprintf(&pairs[n], "%s=%s", name,
						json_string_value(value)) > 0)
		n++;
	*ret_n = n;
	return pairs;
}

void pairs_free(char **pairs)
{
	for (char **p = pairs; p && *p; p++)
		free(*p);
	free(pairs);
}

/* ---- parts of answers ---------------------------------------------------- */

json_t *bytes_json(const void *data, size_t len)
{
	char *text = malloc(BASE64_ENCODE_RAW_LENGTH(len) + 1);
	json_t *value;

	if (!text)
		return NULL;
	base64_encode_raw(text, len, data);
	value = json_pack("{s:s%}", "b64", text, BASE64_ENCODE_RAW_LENGTH(len));
	free(text);
	return value;
}

json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

json_t *labels_json(const char *(*get)(const void *obj, size_t i),
		    const void *obj)
{
	json_t *labels = json_object();
	const char *label;

	for (size_t i = 0; (label = get(obj, i)) != NULL; i++) {
		size_t len = strcspn(label, "=");

		(void)json_object_setn_new(
			labels, label, len,
			json_string(label[len] ? label + len + 1 : ""));
	}
	return labels;
}

/* ---- objects ------------------------------------------------------------- */

static void object_free(struct object *o)
{
	msb_fs_free(o->fs);
	switch (o->kind) {
	case OBJECT_SANDBOX:
		msb_sandbox_free(o->p);
		break;
	case OBJECT_EXEC:
		msb_exec_free(o->p);
		break;
	case OBJECT_LOG:
		msb_log_free(o->p);
		break;
	case OBJECT_AGENT:
		msb_agent_free(o->p);
		break;
	case OBJECT_STREAM:
		msb_agent_stream_free(o->p);
		object_put(o->parent);
		break;
	}
	free(o->name);
	free(o);
}

struct object *object_new(enum object_kind kind, void *p)
{
	struct object *o = calloc(1, sizeof(*o));

	if (!o)
		abort();
	o->kind = kind;
	o->p = p;
	o->refs = 1;
	return o;
}

void object_put(struct object *o)
{
	bool last;

	if (!o)
		return;
	pthread_mutex_lock(&lock);
	last = --o->refs == 0;
	pthread_mutex_unlock(&lock);
	if (last)
		object_free(o);
}

void object_drop(const char *name)
{
	struct object *found = NULL;

	pthread_mutex_lock(&lock);
	for (struct object **p = &objects; name && *p; p = &(*p)->next)
		if (strcmp((*p)->name, name) == 0) {
			found = *p;
			*p = found->next;
			break;
		}
	pthread_mutex_unlock(&lock);
	object_put(found);
}

void object_keep(const struct request *rq, struct object *o)
{
	const char *name = text_arg(rq, "as");

	if (!name) {
		object_put(o);
		return;
	}
	object_drop(name);
	o->name = strdup(name);
	if (!o->name)
		abort();
	pthread_mutex_lock(&lock);
	o->next = objects;
	objects = o;
	pthread_mutex_unlock(&lock);
}

struct object *object_arg(struct request *rq, const char *key,
			  enum object_kind kind)
{
	const char *name = text_arg(rq, key);
	struct object *o;

	pthread_mutex_lock(&lock);
	for (o = objects; o; o = o->next)
		if (name && strcmp(o->name, name) == 0 && o->kind == kind)
			break;
	if (o)
		o->refs++;
	pthread_mutex_unlock(&lock);
	if (!o)
		(void)problem(rq, "driver", "no object '%s'",
			      name ? name : key);
	return o;
}

struct object *sandbox_arg(struct request *rq)
{
	const char *name = text_arg(rq, "name");
	msb_sandbox_t *s;

	if (!name)
		return object_arg(rq, "sandbox", OBJECT_SANDBOX);
	if (msb_sandbox_get(home, name, &s, &rq->err))
		return NULL;
	return object_new(OBJECT_SANDBOX, s);
}

msb_fs_t *object_fs(struct request *rq, struct object *o)
{
	msb_fs_t *fs, *spare = NULL;

	pthread_mutex_lock(&lock);
	fs = o->fs;
	pthread_mutex_unlock(&lock);
	if (fs || msb_fs_connect(o->p, &fs, &rq->err))
		return fs;
	pthread_mutex_lock(&lock);
	if (o->fs)
		spare = fs;
	else
		o->fs = fs;
	fs = o->fs;
	pthread_mutex_unlock(&lock);
	msb_fs_free(spare);
	return fs;
}

void objects_free(void)
{
	/* Streams come after their clients in no order that matters: they have
	 * a reference each. */
	while (objects) {
		struct object *o = objects;

		objects = o->next;
		object_put(o);
	}
}
