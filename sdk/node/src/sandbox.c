/* SPDX-License-Identifier: Apache-2.0 */
/* The life of sandboxes, the home directory, and releases of msb. */
#include <stdlib.h>

#include "addon.h"
#include "progress.h"

/* ---- home -----------------------------------------------------------------
 */

static int run_open(struct op *o)
{
	return msb_open(o->a[0].s, (msb_t **)&o->p, &o->err);
}

static napi_value done_home(napi_env env, struct op *o)
{
	void *p = o->p;

	(void)env;
	o->p = NULL;
	return handle_new(o->addon, HANDLE_HOME, p, NULL);
}

static void clear_home(struct op *o)
{
	msb_close(o->p);
}

/* ---- create, get ----------------------------------------------------------
 */

static napi_value done_sandbox(napi_env env, struct op *o)
{
	void *p = o->p;

	(void)env;
	o->p = NULL;
	return handle_new(o->addon, HANDLE_SANDBOX, p, o->a[0].h);
}

static void clear_sandbox(struct op *o)
{
	msb_sandbox_free(o->p);
}

/* Progress goes first: what the options say of images is added to it. */
static int configure(struct op *o, msb_config_t *c, struct progress_of *of,
		     const char *name, const struct bytes *options)
{
	msb_image_options_t *io;
	int rc = 0;

	if (of->function) {
		io = msb_image_options_new();
		if (io) {
			msb_image_options_set_progress(io, on_progress, of);
			rc = msb_config_set_image_options(c, io, &o->err);
			msb_image_options_free(io);
		}
	}
	if (!rc && name)
		rc = msb_config_set_name(c, name, &o->err);
	if (!rc)
		rc = msb_config_apply_json(c, options->p, options->len,
					   &o->err);
	return rc;
}

/* home, name, options, detached, progress */
static int run_create(struct op *o)
{
	struct progress_of of = { o, o->a[4].function };
	msb_t *m = o->a[0].h->p;
	msb_sandbox_t *s = NULL;
	msb_config_t *c;
	int rc = msb_config_new(m, &c, &o->err);

	if (rc)
		return rc;
	rc = configure(o, c, &of, o->a[1].s, &o->a[2].bytes);
	if (!rc) {
		msb_config_set_attached(c, !o->a[3].b);
		rc = msb_sandbox_create(m, c, &s, &o->err);
	}
	msb_config_free(c);
	if (!rc && o->a[3].b)
		rc = msb_sandbox_release(s, &o->err);
	if (rc) {
		msb_sandbox_free(s);
		return rc;
	}
	o->p = s;
	return 0;
}

/* home, name, options: are they good? */
static int run_check(struct op *o)
{
	struct progress_of of = { o, NULL };
	msb_config_t *c;
	int rc = msb_config_new(o->a[0].h->p, &c, &o->err);

	if (rc)
		return rc;
	rc = configure(o, c, &of, o->a[1].s, &o->a[2].bytes);
	msb_config_free(c);
	return rc;
}

static int run_get(struct op *o)
{
	return msb_sandbox_get(o->a[0].h->p, o->a[1].s, (msb_sandbox_t **)&o->p,
			       &o->err);
}

/* home, name, timeout */
static int run_connect(struct op *o)
{
	return msb_sandbox_connect(o->a[0].h->p, o->a[1].s, (uint64_t)o->a[2].n,
				   (msb_sandbox_t **)&o->p, &o->err);
}

/* home, name, detached */
static int run_start(struct op *o)
{
	msb_sandbox_t *s;
	int rc = msb_sandbox_get(o->a[0].h->p, o->a[1].s, &s, &o->err);

	if (rc)
		return rc;
	rc = msb_sandbox_start(s, !o->a[2].b, &o->err);
	if (!rc && o->a[2].b)
		rc = msb_sandbox_release(s, &o->err);
	if (rc) {
		msb_sandbox_free(s);
		return rc;
	}
	o->p = s;
	return 0;
}

/* ---- what is known --------------------------------------------------------
 */

static const char *label(const void *s, size_t i)
{
	return msb_sandbox_label(s, i);
}

static napi_value info_value(napi_env env, const msb_sandbox_t *s)
{
	napi_value o;

	if (napi_create_object(env, &o))
		return NULL;
	set_string(env, o, "name", msb_sandbox_name(s));
	set_string(env, o, "status", msb_status_name(msb_sandbox_status(s)));
	set_string(env, o, "configJson", msb_sandbox_config_json(s));
	set_string(env, o, "image", msb_sandbox_image(s));
	set_number(env, o, "createdMs", (double)msb_sandbox_created_unix_ms(s));
	set_number(env, o, "updatedMs", (double)msb_sandbox_updated_unix_ms(s));
	set_bool(env, o, "ephemeral", msb_sandbox_is_ephemeral(s));
	set_string(env, o, "exitReason", msb_sandbox_exit_reason(s));
	set_value(env, o, "labels", value_labels(env, s, label));
	return o;
}

static napi_value sandbox_info(napi_env env, napi_callback_info info)
{
	struct handle *h;
	napi_value v;

	if (!get_args(env, info, 1, &v))
		return NULL;
	h = handle_get(env, v, HANDLE_SANDBOX);
	return h ? info_value(env, h->p) : NULL;
}

/* home, labels */
static int run_list(struct op *o)
{
	const struct strings *labels = &o->a[1].strings;
	msb_list_t **l = (msb_list_t **)&o->p;

	if (!labels->n)
		return msb_sandbox_list(o->a[0].h->p, l, &o->err);
	return msb_sandbox_list_labelled(o->a[0].h->p,
					 (const char *const *)labels->v,
					 labels->n, l, &o->err);
}

static napi_value done_list(napi_env env, struct op *o)
{
	size_t n = msb_list_count(o->p);
	napi_value v;

	if (napi_create_array_with_length(env, n, &v))
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		(void)napi_set_element(env, v, i,
				       info_value(env, msb_list_item(o->p, i)));
	return v;
}

static void clear_list(struct op *o)
{
	msb_list_free(o->p);
}

/* ---- the end --------------------------------------------------------------
 */

static int run_refresh(struct op *o)
{
	return msb_sandbox_refresh(o->a[0].h->p, &o->err);
}

static napi_value done_info(napi_env env, struct op *o)
{
	return info_value(env, o->a[0].h->p);
}

/* sandbox, timeout */
static int run_stop(struct op *o)
{
	msb_stop_result_t result = MSB_STOP_NOT_RUNNING;
	int rc = msb_sandbox_stop(o->a[0].h->p, (uint64_t)o->a[1].n, &result,
				  &o->err);

	o->n = result;
	return rc;
}

static napi_value done_stop(napi_env env, struct op *o)
{
	return value_string(env, o->n == MSB_STOP_NOT_RUNNING ? "not_running"
				 : o->n == MSB_STOP_FORCED    ? "forced"
							      : "graceful");
}

static int run_request_stop(struct op *o)
{
	return msb_sandbox_request_stop(o->a[0].h->p, &o->err);
}

/* sandbox, timeout or -1 */
static int run_wait(struct op *o)
{
	msb_exit_t *x = calloc(1, sizeof(*x));

	o->state = x;
	if (!x)
		return -1;
	x->struct_size = sizeof(*x);
	o->n = msb_sandbox_wait(o->a[0].h->p, o->a[1].n, x, &o->err);
	return o->n < 0 ? (int)o->n : 0;
}

static napi_value done_wait(napi_env env, struct op *o)
{
	const msb_exit_t *x = o->state;
	napi_value v;

	if (!o->n)
		return value_string(env, NULL);
	if (napi_create_object(env, &v))
		return NULL;
	set_string(env, v, "status", msb_status_name(x->status));
	set_string(env, v, "reason", x->reason);
	set_number(env, v, "code", x->exit_code);
	return v;
}

static void clear_state(struct op *o)
{
	free(o->state);
}

static int run_release(struct op *o)
{
	return msb_sandbox_release(o->a[0].h->p, &o->err);
}

/* sandbox, force */
static int run_remove(struct op *o)
{
	return msb_sandbox_remove(o->a[0].h->p, o->a[1].b, &o->err);
}

/* sandbox, timeout */
static int run_ping(struct op *o)
{
	uint64_t us = 0;
	int rc = msb_sandbox_ping(o->a[0].h->p, (uint64_t)o->a[1].n, &us,
				  &o->err);

	o->n = (int64_t)us;
	return rc;
}

/* sandbox, timeout */
static int run_touch(struct op *o)
{
	return msb_sandbox_touch(o->a[0].h->p, (uint64_t)o->a[1].n, &o->err);
}

const struct function functions_sandbox[] = {
	{ "open", "z", run_open, done_home, clear_home },
	{ "create", "Hzybfc", run_create, done_sandbox, clear_sandbox },
	{ "check", "Hzy", run_check, NULL, NULL },
	{ "get", "Hsc", run_get, done_sandbox, clear_sandbox },
	{ "connect", "Hsnc", run_connect, done_sandbox, clear_sandbox },
	{ "start", "Hsbc", run_start, done_sandbox, clear_sandbox },
	{ "list", "Hvc", run_list, done_list, clear_list },
	{ "refresh", "Bc", run_refresh, done_info, NULL },
	{ "stop", "Bnc", run_stop, done_stop, NULL },
	{ "requestStop", "Bc", run_request_stop, NULL, NULL },
	{ "waitStopped", "Bnc", run_wait, done_wait, clear_state },
	{ "release", "B", run_release, NULL, NULL },
	{ "remove", "Bbc", run_remove, NULL, NULL },
	{ "ping", "Bnc", run_ping, done_number, NULL },
	{ "touch", "Bnc", run_touch, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static napi_value sandbox_text(napi_env env, napi_callback_info info,
			       const char *(*get)(const msb_sandbox_t *s))
{
	struct handle *h;
	napi_value v;

	if (!get_args(env, info, 1, &v))
		return NULL;
	h = handle_get(env, v, HANDLE_SANDBOX);
	return h ? value_string(env, get(h->p)) : NULL;
}

static napi_value agent_socket(napi_env env, napi_callback_info info)
{
	return sandbox_text(env, info, msb_sandbox_agent_socket);
}

static napi_value machine_json(napi_env env, napi_callback_info info)
{
	return sandbox_text(env, info, msb_sandbox_machine_json);
}

static napi_value home_path(napi_env env, napi_callback_info info)
{
	struct handle *h;
	napi_value v;

	if (!get_args(env, info, 1, &v))
		return NULL;
	h = handle_get(env, v, HANDLE_HOME);
	return h ? value_string(env, msb_home(h->p)) : NULL;
}

const struct sync_function sync_sandbox[] = {
	{ "info", sandbox_info },
	{ "agentSocket", agent_socket },
	{ "machineJson", machine_json },
	{ "homePath", home_path },
	{ NULL, NULL },
};
