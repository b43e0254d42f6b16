/* SPDX-License-Identifier: Apache-2.0 */
/* A call that may block: its arguments, its thread, and its promise. */
#include <stdlib.h>
#include <string.h>

#include "addon.h"

static void op_unlink(struct op *o)
{
	if (!o->prev)
		return;
	*o->prev = o->next;
	if (o->next)
		o->next->prev = o->prev;
	o->prev = NULL;
}

static void op_free(struct op *o)
{
	napi_env env = o->addon->env;

	op_unlink(o);
	if (o->f->clear)
		o->f->clear(o);
	for (unsigned i = 0; o->f->args[i]; i++)
		arg_clear(o->addon->closing ? NULL : env, o->f->args[i],
			  &o->a[i]);
	msb_cancel_free(o->own_cancel);
	msb_error_free(o->err);
	free(o);
}

/* Give what failed to whoever waits for the promise. */
static void reject(struct op *o)
{
	napi_env env = o->addon->env;
	msb_error_t *e = o->err;
	napi_value error = NULL;
	bool pending = false;

	o->err = NULL;
	(void)napi_is_exception_pending(env, &pending);
	if (pending)
		(void)napi_get_and_clear_last_exception(env, &error);
	if (!error)
		error = value_error(o->addon, e);
	else
		msb_error_free(e);
	if (error)
		(void)napi_reject_deferred(env, o->deferred, error);
}

static void op_deliver(struct message *msg, bool js)
{
	struct op *o = (struct op *)msg;
	napi_env env = o->addon->env;
	napi_value v = NULL;

	if (js && o->rc >= 0) {
		if (o->f->done)
			v = o->f->done(env, o);
		else
			(void)napi_get_undefined(env, &v);
		if (v)
			(void)napi_resolve_deferred(env, o->deferred, v);
		else
			reject(o);
	} else if (js) {
		reject(o);
	}
	op_free(o);
}

static void op_run(struct op *o)
{
	msb_cancel_t *before = msb_cancel_use(o->cancel);

	o->rc = o->f->run(o);
	(void)msb_cancel_use(before);
	addon_send(o->addon, &o->msg);
}

void op_cancel_all(struct addon *a)
{
	for (struct op *o = a->running; o; o = o->next)
		if (o->cancel)
			msb_cancel_trigger(o->cancel);
}

void op_cancel_of(struct handle *h)
{
	for (struct op *o = h->addon->running; o; o = o->next)
		if (o->cancel && strchr("XF", o->f->args[0]) && o->a[0].h == h)
			msb_cancel_trigger(o->cancel);
}

static struct op *op_new(struct addon *a, const struct function *f)
{
	struct op *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->addon = a;
	o->f = f;
	o->msg.deliver = op_deliver;
	return o;
}

static bool op_args(napi_env env, napi_callback_info info, struct op *o)
{
	napi_value argv[ARGS_MAX];
	size_t n = strlen(o->f->args);

	if (!get_args(env, info, n, argv))
		return false;
	for (unsigned i = 0; i < n; i++) {
		char letter = o->f->args[i];

		if (!arg_get(env, letter, argv[i], o->f->name, i + 1, &o->a[i]))
			return false;
		if (letter == 'c' && o->a[i].h)
			o->cancel = o->a[i].h->p;
	}
	if (!o->cancel)
		o->cancel = o->own_cancel = msb_cancel_new();
	return true;
}

napi_value op_start(napi_env env, napi_callback_info info)
{
	struct addon *a = addon_of(env);
	napi_value promise;
	struct op *o;
	void *f;

	if (napi_get_cb_info(env, info, NULL, NULL, NULL, &f))
		return NULL;
	o = op_new(a, f);
	if (!o || !op_args(env, info, o) ||
	    napi_create_promise(env, &o->deferred, &promise)) {
		if (o)
			op_free(o);
		return NULL;
	}
	if (thread_run(o, op_run)) {
		(void)napi_throw_error(env, "EAGAIN",
				       "no thread can be started");
		op_free(o);
		return NULL;
	}
	if (!a->running)
		uv_ref((uv_handle_t *)&a->async);
	o->next = a->running;
	o->prev = &a->running;
	if (o->next)
		o->next->prev = &o->next;
	a->running = o;
	return promise;
}

napi_value done_number(napi_env env, struct op *o)
{
	return value_number(env, (double)o->n);
}

napi_value done_bool(napi_env env, struct op *o)
{
	return value_bool(env, o->n > 0);
}

napi_value done_text(napi_env env, struct op *o)
{
	return value_string(env, o->p);
}

napi_value done_bytes(napi_env env, struct op *o)
{
	void *p = o->p;

	o->p = NULL;
	return value_take(env, p, o->len);
}

void clear_p(struct op *o)
{
	msb_free(o->p);
}
