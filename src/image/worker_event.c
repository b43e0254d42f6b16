/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the image worker: lines of JSON, written and read. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/digest.h"
#include "image/oci.h"
#include "image/worker.h"

#define MAX_IMAGES 1024u

static const char *const event_names[] = {
	[WORKER_RESOLVING] = "resolving", [WORKER_RESOLVED] = "resolved",
	[WORKER_DOWNLOAD] = "download",	  [WORKER_UNPACK] = "unpack",
	[WORKER_LAYER] = "layer",	  [WORKER_MERGING] = "merging",
	[WORKER_NOTE] = "note",		  [WORKER_DONE] = "done",
	[WORKER_ERROR] = "error",
};
_Static_assert(ARRAY_SIZE(event_names) == WORKER_EVENT_COUNT,
	       "event_names[] doesn't match enum worker_event_type");

static const char *const state_names[] = {
	[WORKER_LAYER_WAITING] = "waiting",
	[WORKER_LAYER_CACHED] = "cached",
	[WORKER_LAYER_DONE] = "done",
};
_Static_assert(ARRAY_SIZE(state_names) == WORKER_LAYER_STATE_COUNT,
	       "state_names[] doesn't match enum worker_layer_state");

void worker_event_fini(struct worker_event *e)
{
	for (size_t i = 0; i < e->nlayers; i++)
		free(e->layers[i].digest);
	free(e->layers);
	for (size_t i = 0; i < e->nimages; i++) {
		strv_fini(&e->images[i].references);
		free(e->images[i].manifest_digest);
	}
	free(e->images);
	free(e->reference);
	free(e->manifest_digest);
	free(e->message);
	memset(e, 0, sizeof(*e));
}

/* ---- writing ------------------------------------------------------------- */

/* Messages may quote what a stranger sent. */
static json_t *any_text(const char *text)
{
	json_t *t = json_string(text ? text : "");

	return t ? t : json_string("(text that is not UTF-8)");
}

static json_t *layers_json(const struct worker_event *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < e->nlayers; i++)
		(void)json_array_append_new(
			list,
			json_pack("{s:s, s:I}", "digest", e->layers[i].digest,
				  "size", (json_int_t)e->layers[i].size));
	return list;
}

static json_t *images_json(const struct worker_event *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < e->nimages; i++) {
		const struct worker_image *img = &e->images[i];
		json_t *names = json_array();

		for (size_t k = 0; k < img->references.n; k++)
			(void)json_array_append_new(
				names, json_string(img->references.v[k]));
		(void)json_array_append_new(
			list, json_pack("{s:o, s:s, s:b}", "references", names,
					"manifest_digest", img->manifest_digest,
					"cached", (int)img->cached));
	}
	return list;
}

static json_t *body_json(const struct worker_event *e)
{
	switch (e->type) {
	case WORKER_RESOLVING:
		return json_pack("{s:s}", "reference", e->reference);
	case WORKER_RESOLVED:
		return json_pack("{s:s, s:s, s:o, s:I}", "reference",
				 e->reference, "manifest_digest",
				 e->manifest_digest, "layers", layers_json(e),
				 "total", (json_int_t)e->total);
	case WORKER_DOWNLOAD:
	case WORKER_UNPACK:
		return json_pack("{s:I, s:I, s:I}", "layer",
				 (json_int_t)e->layer, "bytes",
				 (json_int_t)e->bytes, "total",
				 (json_int_t)e->total);
	case WORKER_LAYER:
		return json_pack("{s:I, s:s}", "layer", (json_int_t)e->layer,
				 "state", state_names[e->state]);
	case WORKER_NOTE:
		return json_pack("{s:o}", "message", any_text(e->message));
	case WORKER_DONE:
		return json_pack("{s:o, s:I}", "images", images_json(e),
				 "bytes", (json_int_t)e->bytes);
	case WORKER_ERROR:
		return json_pack("{s:s, s:i, s:o}", "kind",
				 err_kind_name(e->err.kind), "errno",
				 e->err.sys, "message", any_text(e->err.msg));
	case WORKER_MERGING:
	case WORKER_EVENT_COUNT:
	default:
		return json_object();
	}
}

char *worker_event_format(const struct worker_event *e)
{
	json_t *root = json_object();
	autofree char *text = NULL;

	if (!json_object_set_new(root, event_names[e->type], body_json(e)))
		text = json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(root);
	return text ? str_fmt("%s\n", text) : NULL;
}

/* ---- reading ------------------------------------------------------------- */

static int take_text(const json_t *body, const char *name, char **ret)
{
	const char *text = json_string_value(json_object_get(body, name));

	if (!text)
		return -EPROTO;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int take_digest(const json_t *body, const char *name, char **ret)
{
	int rc = take_text(body, name, ret);
	struct digest d;

	return !rc && digest_parse(*ret, &d) ? -EPROTO : rc;
}

static int take_count(const json_t *body, const char *name, uint64_t *ret)
{
	const json_t *v = json_object_get(body, name);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return -EPROTO;
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

static int take_layer(const json_t *body, struct worker_event *e)
{
	uint64_t layer;
	int rc = take_count(body, "layer", &layer);

	if (!rc && layer >= OCI_MAX_LAYERS)
		rc = -EPROTO;
	if (!rc)
		e->layer = (size_t)layer;
	return rc;
}

static int take_layers(const json_t *body, struct worker_event *e)
{
	const json_t *list = json_object_get(body, "layers"), *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > OCI_MAX_LAYERS)
		return -EPROTO;
	e->layers = calloc(json_array_size(list) + 1, sizeof(*e->layers));
	if (!e->layers)
		return -ENOMEM;
	json_array_foreach(list, i, item)
	{
		int rc = take_digest(item, "digest", &e->layers[i].digest);

		e->nlayers = i + 1;
		if (!rc)
			rc = take_count(item, "size", &e->layers[i].size);
		if (rc)
			return rc;
	}
	return 0;
}

static int take_references(const json_t *body, struct strv *ret)
{
	const json_t *list = json_object_get(body, "references"), *item;
	size_t i;

	if (!json_is_array(list))
		return -EPROTO;
	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item))
			return -EPROTO;
		if (strv_add(ret, json_string_value(item)))
			return -ENOMEM;
	}
	return 0;
}

static int take_images(const json_t *body, struct worker_event *e)
{
	const json_t *list = json_object_get(body, "images"), *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > MAX_IMAGES)
		return -EPROTO;
	e->images = calloc(json_array_size(list) + 1, sizeof(*e->images));
	if (!e->images)
		return -ENOMEM;
	json_array_foreach(list, i, item)
	{
		struct worker_image *img = &e->images[i];
		const json_t *cached = json_object_get(item, "cached");
		int rc = take_references(item, &img->references);

		e->nimages = i + 1;
		if (!rc)
			rc = take_digest(item, "manifest_digest",
					 &img->manifest_digest);
		if (!rc && !json_is_boolean(cached))
			rc = -EPROTO;
		if (rc)
			return rc;
		img->cached = json_is_true(cached);
	}
	return 0;
}

static int take_state(const json_t *body, enum worker_layer_state *ret)
{
	const char *text = json_string_value(json_object_get(body, "state"));

	for (int i = 0; i < WORKER_LAYER_STATE_COUNT; i++)
		if (str_eq(state_names[i], text)) {
			*ret = (enum worker_layer_state)i;
			return 0;
		}
	return -EPROTO;
}

static int take_error(const json_t *body, struct err *ret)
{
	const char *kind = json_string_value(json_object_get(body, "kind"));
	const char *text = json_string_value(json_object_get(body, "message"));
	uint64_t sys;

	if (!text || take_count(body, "errno", &sys) || sys > 4095)
		return -EPROTO;
	for (int i = ERR_NONE + 1; i < ERR_KIND_COUNT; i++)
		if (str_eq(err_kind_name((enum err_kind)i), kind)) {
			(void)err_set(ret, (enum err_kind)i, (int)sys, "%s",
				      text);
			return 0;
		}
	return -EPROTO;
}

static int take_body(const json_t *body, struct worker_event *e)
{
	int rc;

	switch (e->type) {
	case WORKER_RESOLVING:
		return take_text(body, "reference", &e->reference);
	case WORKER_RESOLVED:
		rc = take_text(body, "reference", &e->reference);
		if (!rc)
			rc = take_digest(body, "manifest_digest",
					 &e->manifest_digest);
		if (!rc)
			rc = take_layers(body, e);
		return rc ? rc : take_count(body, "total", &e->total);
	case WORKER_DOWNLOAD:
	case WORKER_UNPACK:
		rc = take_layer(body, e);
		if (!rc)
			rc = take_count(body, "bytes", &e->bytes);
		return rc ? rc : take_count(body, "total", &e->total);
	case WORKER_LAYER:
		rc = take_layer(body, e);
		return rc ? rc : take_state(body, &e->state);
	case WORKER_MERGING:
		return 0;
	case WORKER_NOTE:
		return take_text(body, "message", &e->message);
	case WORKER_DONE:
		rc = take_images(body, e);
		return rc ? rc : take_count(body, "bytes", &e->bytes);
	case WORKER_ERROR:
		return take_error(body, &e->err);
	case WORKER_EVENT_COUNT:
	default:
		return -EPROTO;
	}
}

int worker_event_parse(const char *line, size_t len, struct worker_event *ret)
{
	struct worker_event e = { .type = WORKER_EVENT_COUNT };
	json_t *root = NULL;
	const char *name = NULL;
	const json_t *body;
	int rc;

	if (len <= WORKER_LINE_MAX)
		root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(root) && json_object_size(root) == 1)
		name = json_object_iter_key(json_object_iter(root));
	for (int i = 0; i < WORKER_EVENT_COUNT; i++)
		if (str_eq(event_names[i], name))
			e.type = (enum worker_event_type)i;
	body = name ? json_object_get(root, name) : NULL;
	rc = json_is_object(body) ? take_body(body, &e) : -EPROTO;
	json_decref(root);
	if (rc) {
		worker_event_fini(&e);
		return rc;
	}
	*ret = e;
	return 0;
}
