/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of the library that JavaScript holds. One is freed when it is closed
 * or collected, and neither a call nor an object made from it needs it. All of
 * this happens on the thread of JavaScript.
 */
#include <stdlib.h>

#include "addon.h"

static void object_free(enum handle_kind kind, void *p)
{
	switch (kind) {
	case HANDLE_HOME:
		msb_close(p);
		break;
	case HANDLE_SANDBOX:
		msb_sandbox_free(p);
		break;
	case HANDLE_EXEC:
		msb_exec_free(p);
		break;
	case HANDLE_FS:
		msb_fs_free(p);
		break;
	case HANDLE_LOG:
		msb_log_free(p);
		break;
	case HANDLE_AGENT:
		msb_agent_free(p);
		break;
	case HANDLE_AGENT_STREAM:
		msb_agent_stream_free(p);
		break;
	case HANDLE_CANCEL:
		msb_cancel_free(p);
		break;
	case HANDLE_KINDS:
		break;
	}
}

static void settle(struct handle *h)
{
	struct handle *parent = h->parent;

	if (h->uses || !h->closed)
		return;
	if (h->p) {
		object_free(h->kind, h->p);
		h->p = NULL;
		h->addon->handles[h->kind]--;
		h->parent = NULL;
		if (parent)
			handle_unuse(parent);
	}
	if (h->collected) {
		addon_unref(h->addon);
		free(h);
	}
}

void handle_use(struct handle *h)
{
	h->uses++;
}

void handle_unuse(struct handle *h)
{
	h->uses--;
	settle(h);
}

void handle_close(struct handle *h)
{
	if (h->closed)
		return;
	h->closed = true;
	poll_close(h);
	/* whoever waits for an answer ends, too */
	if (h->kind == HANDLE_AGENT && h->p)
		msb_agent_close(h->p);
	if (h->kind == HANDLE_EXEC || h->kind == HANDLE_FS)
		op_cancel_of(h);
	settle(h);
}

static void collected(napi_env env, void *data, void *hint)
{
	struct handle *h = data;

	(void)env;
	(void)hint;
	h->collected = true;
	if (h->closed) {
		settle(h);
		return;
	}
	handle_close(h);
}

napi_value handle_new(struct addon *a, enum handle_kind kind, void *p,
		      struct handle *parent)
{
	struct handle *h = calloc(1, sizeof(*h));
	napi_value v;

	if (!h || napi_create_external(a->env, h, collected, NULL, &v)) {
		free(h);
		object_free(kind, p);
		return NULL;
	}
	h->addon = addon_ref(a);
	h->kind = kind;
	h->p = p;
	h->parent = parent;
	if (parent)
		handle_use(parent);
	a->handles[kind]++;
	return v;
}

struct handle *handle_get(napi_env env, napi_value v, enum handle_kind kind)
{
	napi_valuetype type;
	struct handle *h;
	void *p;

	if (napi_typeof(env, v, &type) || type != napi_external ||
	    napi_get_value_external(env, v, &p)) {
		(void)napi_throw_type_error(env, NULL, "not a native object");
		return NULL;
	}
	h = p;
	if (h->kind != kind) {
		(void)napi_throw_type_error(env, NULL,
					    "not a native object of this kind");
		return NULL;
	}
	if (h->closed) {
		(void)napi_throw_error(env, "ERR_CLOSED",
				       "this object has been closed");
		return NULL;
	}
	return h;
}
