/* SPDX-License-Identifier: Apache-2.0 */
/* Commands: to their end on a thread, or event by event in the loop. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addon.h"

/*
 * sandbox, argv, script or null, env (KEY, VALUE, ...), cwd, user, rlimits
 * (resource, soft, hard, ...), timeout, stdin or null, tty, rows, cols, output
 * limit (-1: default)
 */
#define EXEC_ARGS "BvzvzzvnYbnnn"

static int set_options(struct op *o, msb_exec_options_t *x)
{
	const union arg *a = o->a;
	const struct strings *env = &a[3].strings, *rl = &a[6].strings;
	int rc;

	rc = a[2].s ? msb_exec_options_set_shell(x, a[0].h->p, a[2].s, &o->err)
		    : msb_exec_options_set_command(
			      x, (const char *const *)a[1].strings.v,
			      a[1].strings.n, &o->err);
	for (size_t i = 0; !rc && i + 1 < env->n; i += 2)
		rc = msb_exec_options_add_env(x, env->v[i], env->v[i + 1],
					      &o->err);
	if (!rc && a[4].s)
		rc = msb_exec_options_set_cwd(x, a[4].s, &o->err);
	if (!rc && a[5].s)
		rc = msb_exec_options_set_user(x, a[5].s, &o->err);
	for (size_t i = 0; !rc && i + 2 < rl->n; i += 3)
		rc = msb_exec_options_add_rlimit(
			x, rl->v[i], strtoull(rl->v[i + 1], NULL, 10),
			strtoull(rl->v[i + 2], NULL, 10), &o->err);
	if (!rc && a[8].bytes.p)
		rc = msb_exec_options_set_stdin(x, a[8].bytes.p, a[8].bytes.len,
						&o->err);
	if (rc)
		return rc;
	if (a[9].b)
		msb_exec_options_set_tty(x, true, (unsigned)a[10].n,
					 (unsigned)a[11].n, NULL);
	if (a[12].n >= 0)
		msb_exec_options_set_output_max(x, (size_t)a[12].n);
	msb_exec_options_set_timeout_ms(x, (uint64_t)a[7].n);
	return 0;
}

static int with_options(struct op *o,
			int (*f)(struct op *o, const msb_exec_options_t *x))
{
	msb_exec_options_t *x = msb_exec_options_new();
	int rc = x ? set_options(o, x) : -ENOMEM;

	if (!rc)
		rc = f(o, x);
	msb_exec_options_free(x);
	return rc;
}

/* ---- to its end -----------------------------------------------------------
 */

static msb_exec_output_t *output_new(struct op *o)
{
	msb_exec_output_t *out = calloc(1, sizeof(*out));

	if (out)
		out->struct_size = sizeof(*out);
	o->state = out;
	return out;
}

static int run_to_end(struct op *o, const msb_exec_options_t *x)
{
	return msb_exec_run(o->a[0].h->p, x, o->state, &o->err);
}

static int run_exec(struct op *o)
{
	return output_new(o) ? with_options(o, run_to_end) : -ENOMEM;
}

static int run_collect(struct op *o)
{
	return output_new(o) ? msb_exec_collect(o->a[0].h->p, o->state, &o->err)
			     : -ENOMEM;
}

static napi_value done_output(napi_env env, struct op *o)
{
	msb_exec_output_t *out = o->state;
	napi_value v;

	if (napi_create_object(env, &v))
		return NULL;
	set_number(env, v, "code", out->exit_code);
	set_number(env, v, "signal", out->signal);
	set_bool(env, v, "truncated", out->truncated);
	set_value(env, v, "stdout", value_take(env, out->out, out->out_len));
	out->out = NULL;
	out->out_len = 0;
	set_value(env, v, "stderr", value_take(env, out->err, out->err_len));
	out->err = NULL;
	out->err_len = 0;
	return v;
}

static void clear_output(struct op *o)
{
	if (o->state)
		msb_exec_output_clear(o->state);
	free(o->state);
}

/* ---- event by event -------------------------------------------------------
 */

static int start(struct op *o, const msb_exec_options_t *x)
{
	return msb_exec_start(o->a[0].h->p, x, (msb_exec_t **)&o->p, &o->err);
}

static int run_start(struct op *o)
{
	return with_options(o, start);
}

static napi_value done_exec(napi_env env, struct op *o)
{
	void *p = o->p;

	(void)env;
	o->p = NULL;
	return handle_new(o->addon, HANDLE_EXEC, p, o->a[0].h);
}

static void clear_exec(struct op *o)
{
	msb_exec_free(o->p);
}

const struct function functions_exec[] = {
	{ "execRun", EXEC_ARGS "c", run_exec, done_output, clear_output },
	{ "execStart", EXEC_ARGS "c", run_start, done_exec, clear_exec },
	{ "execCollect", "Xc", run_collect, done_output, clear_output },
	{ NULL, NULL, NULL, NULL, NULL },
};

static struct handle *get_exec(napi_env env, napi_callback_info info, size_t n,
			       napi_value *argv)
{
	return get_args(env, info, n, argv)
		       ? handle_get(env, argv[0], HANDLE_EXEC)
		       : NULL;
}

/* undefined (NULL) when there is none. */
static napi_value event_value(napi_env env, const msb_exec_event_t *ev)
{
	static const char *const names[] = {
		[MSB_EXEC_STARTED] = "started",
		[MSB_EXEC_STDOUT] = "stdout",
		[MSB_EXEC_STDERR] = "stderr",
		[MSB_EXEC_STDIN_ERROR] = "stdin_error",
		[MSB_EXEC_EXITED] = "exited",
	};
	napi_value o;

	if ((size_t)ev->kind >= COUNT_OF(names) || ev->kind == MSB_EXEC_NONE ||
	    napi_create_object(env, &o))
		return NULL;
	set_string(env, o, "kind", names[ev->kind]);
	if (ev->kind == MSB_EXEC_STARTED)
		set_number(env, o, "pid", ev->pid);
	else if (ev->kind == MSB_EXEC_STDIN_ERROR)
		set_value(env, o, "message",
			  value_string_n(env, ev->data, ev->len));
	else if (ev->kind == MSB_EXEC_EXITED) {
		set_number(env, o, "code", ev->exit_code);
		set_number(env, o, "signal", ev->signal);
	} else
		set_value(env, o, "data", value_copy(env, ev->data, ev->len));
	return o;
}

/* execNext(exec): an event, or undefined when there is none now. */
static napi_value exec_next(napi_env env, napi_callback_info info)
{
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	msb_error_t *e = NULL;
	napi_value v;
	struct handle *h = get_exec(env, info, 1, &v);

	if (!h)
		return NULL;
	if (msb_exec_next(h->p, 0, &ev, &e) < 0) {
		throw_error(h->addon, e);
		return NULL;
	}
	return event_value(env, &ev);
}

/* execWrite(exec, bytes, offset): how much of the rest was taken. */
static napi_value exec_write(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct handle *h = get_exec(env, info, 3, argv);
	msb_error_t *e = NULL;
	struct bytes b;
	int64_t at, n;

	if (!h)
		return NULL;
	if (!value_bytes(env, argv[1], &b) || !value_int(env, argv[2], &at) ||
	    at < 0 || (uint64_t)at > b.len) {
		(void)napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE",
					    "data must be a Uint8Array");
		return NULL;
	}
	n = msb_exec_write_stdin(h->p, b.len ? (const char *)b.p + at : "",
				 b.len - (size_t)at, &e);
	if (n < 0) {
		throw_error(h->addon, e);
		return NULL;
	}
	return value_number(env, (double)n);
}

/* Is there input that waits until the command's side takes it? */
static napi_value exec_wants_write(napi_env env, napi_callback_info info)
{
	napi_value v;
	struct handle *h = get_exec(env, info, 1, &v);

	return h ? value_bool(env, msb_exec_wants_write(h->p)) : NULL;
}

static napi_value exec_close_stdin(napi_env env, napi_callback_info info)
{
	msb_error_t *e = NULL;
	napi_value v;
	struct handle *h = get_exec(env, info, 1, &v);

	if (h && msb_exec_close_stdin(h->p, &e) < 0)
		throw_error(h->addon, e);
	return NULL;
}

static napi_value exec_control(napi_env env, napi_callback_info info,
			       int (*f)(msb_exec_t *x, const int64_t *n,
					msb_error_t **e))
{
	napi_value argv[3];
	struct handle *h = get_exec(env, info, 3, argv);
	int64_t n[2] = { 0, 0 };
	msb_error_t *e = NULL;

	if (!h)
		return NULL;
	for (unsigned i = 0; i < 2; i++)
		if (!value_int(env, argv[i + 1], &n[i]) || n[i] < 0 ||
		    n[i] > UINT16_MAX) {
			(void)napi_throw_type_error(
				env, "ERR_INVALID_ARG_TYPE",
				"a number from 0 to 65535 is needed");
			return NULL;
		}
	if (f(h->p, n, &e) < 0)
		throw_error(h->addon, e);
	return NULL;
}

static int do_signal(msb_exec_t *x, const int64_t *n, msb_error_t **e)
{
	return msb_exec_signal(x, (int)n[0], e);
}

static int do_resize(msb_exec_t *x, const int64_t *n, msb_error_t **e)
{
	return msb_exec_resize(x, (unsigned)n[0], (unsigned)n[1], e);
}

static napi_value exec_signal(napi_env env, napi_callback_info info)
{
	return exec_control(env, info, do_signal);
}

static napi_value exec_resize(napi_env env, napi_callback_info info)
{
	return exec_control(env, info, do_resize);
}

static napi_value exec_id(napi_env env, napi_callback_info info)
{
	napi_value v;
	struct handle *h = get_exec(env, info, 1, &v);

	return h ? value_number(env, msb_exec_id(h->p)) : NULL;
}

const struct sync_function sync_exec[] = {
	{ "execNext", exec_next },
	{ "execWrite", exec_write },
	{ "execWantsWrite", exec_wants_write },
	{ "execCloseStdin", exec_close_stdin },
	{ "execSignal", exec_signal },
	{ "execResize", exec_resize },
	{ "execId", exec_id },
	{ NULL, NULL },
};
