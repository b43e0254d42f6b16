/* SPDX-License-Identifier: Apache-2.0 */
/* What happens while an image is pulled, told to JavaScript as it happens. */
#include "progress.h"

#include <stdlib.h>
#include <string.h>

/* So many events may be on their way; of more, only what is no step is lost. */
#define EVENTS_MAX 512

struct progress {
	struct message msg; /* first */
	struct op *op;
	napi_ref function;
	msb_image_event_kind_t kind;
	char *reference, *text;
	size_t layer, layer_count;
	double bytes, total;
};

static void progress_free(struct progress *p)
{
	free(p->reference);
	free(p->text);
	free(p);
}

static const char *event_name(msb_image_event_kind_t kind)
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

	return (size_t)kind < COUNT_OF(names) ? names[kind] : "note";
}

static void progress_deliver(struct message *msg, bool js)
{
	struct progress *p = (struct progress *)msg;
	napi_env env = p->op->addon->env;
	napi_value f, self, o, ignored;

	__atomic_fetch_sub(&p->op->unread, 1, __ATOMIC_RELAXED);
	if (js && !napi_get_reference_value(env, p->function, &f) &&
	    !napi_get_undefined(env, &self) && !napi_create_object(env, &o)) {
		set_string(env, o, "kind", event_name(p->kind));
		set_string(env, o, "reference", p->reference);
		set_number(env, o, "layer", (double)p->layer);
		set_number(env, o, "layerCount", (double)p->layer_count);
		set_number(env, o, "bytes", p->bytes);
		set_number(env, o, "total", p->total);
		set_string(env, o, "message", p->text);
		if (napi_call_function(env, self, f, 1, &o, &ignored) ==
			    napi_pending_exception &&
		    !napi_get_and_clear_last_exception(env, &o))
			/* nobody called it who could catch that */
			(void)napi_fatal_exception(env, o);
	}
	progress_free(p);
}

int on_progress(void *ctx, const msb_image_event_t *event)
{
	const struct progress_of *of = ctx;
	unsigned unread = __atomic_load_n(&of->op->unread, __ATOMIC_RELAXED);
	struct progress *p;

	if (unread >= EVENTS_MAX && (event->kind == MSB_IMAGE_DOWNLOAD ||
				     event->kind == MSB_IMAGE_UNPACK))
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return 0;
	p->msg.deliver = progress_deliver;
	p->op = of->op;
	p->function = of->function;
	p->kind = event->kind;
	p->reference = event->reference ? strdup(event->reference) : NULL;
	p->text = event->message ? strdup(event->message) : NULL;
	p->layer = event->layer;
	p->layer_count = event->layer_count;
	p->bytes = (double)event->bytes;
	p->total = (double)event->total;
	__atomic_fetch_add(&of->op->unread, 1, __ATOMIC_RELAXED);
	addon_send(of->op->addon, &p->msg);
	return 0;
}
