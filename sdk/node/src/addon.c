/* SPDX-License-Identifier: Apache-2.0 */
/* Loading and unloading, and messages from threads to the loop. */
#include <stdlib.h>

#include "addon.h"

struct addon *addon_of(napi_env env)
{
	void *a = NULL;

	(void)napi_get_instance_data(env, &a);
	return a;
}

struct addon *addon_ref(struct addon *a)
{
	a->refs++;
	return a;
}

void addon_unref(struct addon *a)
{
	if (--a->refs)
		return;
	uv_mutex_destroy(&a->lock);
	free(a);
}

void addon_send(struct addon *a, struct message *msg)
{
	bool first;

	msg->next = NULL;
	uv_mutex_lock(&a->lock);
	first = !a->first;
	*a->last = msg;
	a->last = &msg->next;
	/* under the lock: unloading closes the handle once all is delivered */
	if (first)
		(void)uv_async_send(&a->async);
	uv_mutex_unlock(&a->lock);
}

bool addon_enter(struct addon *a, struct scope *s)
{
	napi_value resource;

	if (a->closing || napi_open_handle_scope(a->env, &s->handles))
		return false;
	if (!napi_get_reference_value(a->env, a->resource, &resource) &&
	    !napi_open_callback_scope(a->env, resource, a->context,
				      &s->callback))
		return true;
	(void)napi_close_handle_scope(a->env, s->handles);
	return false;
}

void addon_leave(struct addon *a, struct scope *s)
{
	/* runs what waits for the promises that were settled */
	(void)napi_close_callback_scope(a->env, s->callback);
	(void)napi_close_handle_scope(a->env, s->handles);
}

static void async_closed(uv_handle_t *handle)
{
	struct addon *a = handle->data;

	(void)napi_remove_async_cleanup_hook(a->cleanup);
	addon_unref(a);
}

/* Its last call has been delivered: nothing will be sent any more. */
static void finish_closing(struct addon *a)
{
	if (!a->closing || a->running ||
	    uv_is_closing((uv_handle_t *)&a->async))
		return;
	uv_close((uv_handle_t *)&a->async, async_closed);
}

static void on_messages(uv_async_t *async)
{
	struct addon *a = async->data;
	struct message *msg;
	struct scope scope;

	uv_mutex_lock(&a->lock);
	msg = a->first;
	a->first = NULL;
	a->last = &a->first;
	uv_mutex_unlock(&a->lock);
	while (msg) {
		struct message *next = msg->next;
		bool js = addon_enter(a, &scope);

		msg->deliver(msg, js);
		if (js)
			addon_leave(a, &scope);
		msg = next;
	}
	/* what runs keeps the program alive, and nothing else does */
	if (!a->running && !a->closing)
		uv_unref((uv_handle_t *)&a->async);
	finish_closing(a);
}

static void on_unload(napi_async_cleanup_hook_handle handle, void *arg)
{
	struct addon *a = arg;

	(void)handle;
	a->closing = true;
	uv_ref((uv_handle_t *)&a->async);
	poll_close_all(a);
	op_cancel_all(a);
	finish_closing(a);
}

static napi_value counts(napi_env env, napi_callback_info info)
{
	static const char *const names[] = { "home",	    "sandbox", "exec",
					     "fs",	    "log",     "agent",
					     "agentStream", "cancel" };
	struct addon *a = addon_of(env);
	napi_value o;

	(void)info;
	if (napi_create_object(env, &o))
		return NULL;
	for (unsigned i = 0; i < HANDLE_KINDS; i++)
		set_number(env, o, names[i], a->handles[i]);
	return o;
}

static napi_value set_make_error(napi_env env, napi_callback_info info)
{
	struct addon *a = addon_of(env);
	napi_value f;

	if (get_args(env, info, 1, &f) && !a->make_error)
		(void)napi_create_reference(env, f, 1, &a->make_error);
	return NULL;
}

static napi_value close_handle(napi_env env, napi_callback_info info)
{
	napi_value v;
	void *h;

	if (get_args(env, info, 1, &v) && !napi_get_value_external(env, v, &h))
		handle_close(h);
	return NULL;
}

static napi_value version(napi_env env, napi_callback_info info)
{
	(void)info;
	return value_string(env, msb_version());
}

static napi_value abi_version(napi_env env, napi_callback_info info)
{
	(void)info;
	return value_number(env, msb_abi_version());
}

static napi_value feature(napi_env env, napi_callback_info info)
{
	union arg name;
	napi_value v;
	bool is;

	if (!get_args(env, info, 1, &v) ||
	    !arg_get(env, 's', v, "feature", 1, &name))
		return NULL;
	is = msb_feature_supported(name.s);
	arg_clear(env, 's', &name);
	return value_bool(env, is);
}

static napi_value cancel_new(napi_env env, napi_callback_info info)
{
	msb_cancel_t *c = msb_cancel_new();

	(void)info;
	if (!c) {
		(void)napi_throw_error(env, "ENOMEM", "out of memory");
		return NULL;
	}
	return handle_new(addon_of(env), HANDLE_CANCEL, c, NULL);
}

static napi_value cancel_trigger(napi_env env, napi_callback_info info)
{
	struct handle *h;
	napi_value v;

	if (!get_args(env, info, 1, &v))
		return NULL;
	h = handle_get(env, v, HANDLE_CANCEL);
	if (h)
		msb_cancel_trigger(h->p);
	return NULL;
}

static const struct sync_function sync_addon[] = {
	{ "counts", counts },
	{ "setMakeError", set_make_error },
	{ "close", close_handle },
	{ "version", version },
	{ "abiVersion", abi_version },
	{ "feature", feature },
	{ "cancelNew", cancel_new },
	{ "cancelTrigger", cancel_trigger },
	{ "wait", poll_wait },
	{ "wake", poll_wake },
	{ NULL, NULL },
};

static bool define(napi_env env, napi_value exports, const char *name,
		   napi_callback call, void *data)
{
	napi_value f;

	return !napi_create_function(env, name, NAPI_AUTO_LENGTH, call, data,
				     &f) &&
	       !napi_set_named_property(env, exports, name, f);
}

static bool define_all(napi_env env, napi_value exports)
{
	static const struct function *const calls[] = {
		functions_sandbox, functions_exec,  functions_fs,
		functions_log,	   functions_store, functions_agent
	};
	static const struct sync_function *const syncs[] = {
		sync_addon, sync_sandbox, sync_exec, sync_log, sync_agent
	};

	for (size_t i = 0; i < COUNT_OF(calls); i++)
		for (const struct function *f = calls[i]; f->name; f++)
			if (!define(env, exports, f->name, op_start, (void *)f))
				return false;
	for (size_t i = 0; i < COUNT_OF(syncs); i++)
		for (const struct sync_function *f = syncs[i]; f->name; f++)
			if (!define(env, exports, f->name, f->call, NULL))
				return false;
	return true;
}

static struct addon *addon_new(napi_env env)
{
	struct addon *a = calloc(1, sizeof(*a));
	napi_value name, resource;

	if (!a)
		return NULL;
	a->env = env;
	a->refs = 1;
	a->last = &a->first;
	if (napi_get_uv_event_loop(env, &a->loop) ||
	    napi_create_string_utf8(env, "microsandbox", NAPI_AUTO_LENGTH,
				    &name) ||
	    napi_create_object(env, &resource) ||
	    napi_create_reference(env, resource, 1, &a->resource) ||
	    napi_async_init(env, resource, name, &a->context) ||
	    uv_mutex_init(&a->lock)) {
		free(a);
		return NULL;
	}
	if (uv_async_init(a->loop, &a->async, on_messages)) {
		addon_unref(a);
		return NULL;
	}
	a->async.data = a;
	uv_unref((uv_handle_t *)&a->async);
	return a;
}

NAPI_MODULE_INIT()
{
	struct addon *a = addon_new(env);

	if (!a || napi_set_instance_data(env, a, NULL, NULL) ||
	    napi_add_async_cleanup_hook(env, on_unload, a, &a->cleanup) ||
	    !define_all(env, exports)) {
		(void)napi_throw_error(env, NULL,
				       "the addon of microsandbox cannot be "
				       "initialized");
		return NULL;
	}
	return exports;
}
