/* SPDX-License-Identifier: Apache-2.0 */
/* Driver for C: images. */
#include <string.h>

#include "drive.h"

int note_event(void *ctx, const msb_image_event_t *event)
{
	static const char *const names[] = {
		[MSB_IMAGE_RESOLVING] = "resolving",
		[MSB_IMAGE_RESOLVED] = "resolved",
		[MSB_IMAGE_DOWNLOAD] = "download",
		[MSB_IMAGE_UNPACK] = "unpack",
		[MSB_IMAGE_WAITING] = "waiting",
		[MSB_IMAGE_CACHED] = "cached",
		[MSB_IMAGE_LAYER] = "layer",
		[MSB_IMAGE_MERGING] = "merging",
		[MSB_IMAGE_NOTE] = "note",
		[MSB_IMAGE_DONE] = "done",
	};
	json_t *events = ctx;
	const char *name = names[event->kind];
	size_t n = json_array_size(events);
	const char *last =
		n ? json_string_value(json_array_get(events, n - 1)) : "";

	if (strcmp(last, name) != 0)
		(void)json_array_append_new(events, json_string(name));
	return 0;
}

static json_t *ms_or_null(int64_t ms)
{
	return ms < 0 ? json_null() : json_integer((json_int_t)ms);
}

static json_t *image_json(const msb_image_t *img)
{
	return json_pack(
		"{s:s, s:s, s:o, s:o, s:o, s:I, s:o, s:o}", "reference",
		msb_image_reference(img), "digest", msb_image_digest(img),
		"size_bytes", ms_or_null(msb_image_size_bytes(img)),
		"architecture", text_or_null(msb_image_architecture(img)), "os",
		text_or_null(msb_image_os(img)), "layer_count",
		(json_int_t)msb_image_layer_count(img), "created_ms",
		ms_or_null(msb_image_created_unix_ms(img)), "last_used_ms",
		ms_or_null(msb_image_last_used_unix_ms(img)));
}

static json_t *op_pull(struct request *rq)
{
	static const char *const policies[] = { "if-missing", "always",
						"never" };
	msb_image_options_t *o = msb_image_options_new();
	const char *policy = text_arg(rq, "policy");
	json_t *events = json_array();
	bool cached = false;
	int rc;

	for (unsigned i = 0; policy && i < 3; i++)
		if (strcmp(policy, policies[i]) == 0)
			msb_image_options_set_policy(o, (msb_pull_policy_t)i);
	msb_image_options_set_force(o, bool_arg(rq, "force", false));
	msb_image_options_set_progress(o, note_event, events);
	rc = msb_image_pull(home, text_arg(rq, "reference"), o, &cached,
			    &rq->err);
	msb_image_options_free(o);
	if (rc) {
		json_decref(events);
		return NULL;
	}
	return json_pack("{s:b, s:o}", "cached", cached, "events", events);
}

static json_t *op_list(struct request *rq)
{
	json_t *all = json_array();
	msb_image_list_t *l;

	if (msb_image_list(home, &l, &rq->err)) {
		json_decref(all);
		return NULL;
	}
	for (size_t i = 0; i < msb_image_list_count(l); i++)
		(void)json_array_append_new(
			all, image_json(msb_image_list_item(l, i)));
	msb_image_list_free(l);
	return all;
}

static json_t *op_get(struct request *rq)
{
	msb_image_t *img;
	json_t *ok;

	if (msb_image_get(home, text_arg(rq, "reference"), &img, &rq->err))
		return NULL;
	ok = image_json(img);
	msb_image_free(img);
	return ok;
}

static json_t *op_inspect(struct request *rq)
{
	msb_image_layer_t l = { .struct_size = sizeof(l) };
	json_t *layers = json_array();
	json_t *all, *ok;
	msb_image_t *img;

	if (msb_image_get(home, text_arg(rq, "reference"), &img, &rq->err)) {
		json_decref(layers);
		return NULL;
	}
	for (size_t i = 0; !msb_image_layer(img, i, &l); i++)
		(void)json_array_append_new(
			layers,
			json_pack("{s:s, s:s, s:I}", "diff_id", l.diff_id,
				  "digest", l.digest, "size_bytes",
				  (json_int_t)l.size_bytes));
	all = json_loads(msb_image_json(img), 0, NULL);
	ok = json_pack("{s:s, s:s, s:O, s:o}", "reference",
		       msb_image_reference(img), "digest",
		       msb_image_digest(img), "config",
		       json_object_get(all, "config"), "layers", layers);
	json_decref(all);
	msb_image_free(img);
	return ok;
}

static json_t *op_remove(struct request *rq)
{
	return done(rq,
		    msb_image_remove(home, text_arg(rq, "reference"),
				     bool_arg(rq, "force", false), &rq->err));
}

static json_t *op_prune(struct request *rq)
{
	return done(rq, msb_image_prune(home, NULL, &rq->err));
}

const struct op image_ops[] = {
	{ "image_pull", op_pull },
	{ "image_list", op_list },
	{ "image_get", op_get },
	{ "image_inspect", op_inspect },
	{ "image_remove", op_remove },
	{ "image_prune", op_prune },
	{ NULL, NULL },
};
