/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of a guest's agent. */
#include <errno.h>
#include <stdlib.h>

#include "addon.h"

static napi_value done_agent(napi_env env, struct op *o)
{
	void *p = o->p;

	(void)env;
	o->p = NULL;
	return handle_new(o->addon, HANDLE_AGENT, p,
			  o->f->args[0] == 'H' ? o->a[0].h : NULL);
}

static void clear_agent(struct op *o)
{
	msb_agent_free(o->p);
}

/* home, sandbox, timeout */
static int run_connect(struct op *o)
{
	return msb_agent_connect(o->a[0].h->p, o->a[1].s, (uint64_t)o->a[2].n,
				 (msb_agent_t **)&o->p, &o->err);
}

/* path, timeout */
static int run_connect_path(struct op *o)
{
	return msb_agent_connect_path(o->a[0].s, (uint64_t)o->a[1].n,
				      (msb_agent_t **)&o->p, &o->err);
}

static napi_value frame_value(napi_env env, msb_agent_frame_t *f)
{
	napi_value o;

	if (napi_create_object(env, &o))
		return NULL;
	set_number(env, o, "id", f->id);
	set_number(env, o, "flags", f->flags);
	set_value(env, o, "body", value_copy(env, f->body, f->len));
	return o;
}

/* agent, flags, body, timeout (-1: none) */
static int run_request(struct op *o)
{
	msb_agent_frame_t *f = calloc(1, sizeof(*f));

	o->state = f;
	if (!f)
		return -ENOMEM;
	f->struct_size = sizeof(*f);
	return msb_agent_request(o->a[0].h->p, (uint8_t)o->a[1].n,
				 o->a[2].bytes.p, o->a[2].bytes.len,
				 (int)o->a[3].n, f, &o->err);
}

static napi_value done_frame(napi_env env, struct op *o)
{
	return frame_value(env, o->state);
}

static void clear_frame(struct op *o)
{
	if (o->state)
		msb_agent_frame_clear(o->state);
	free(o->state);
}

/* agent, flags, body */
static int run_stream(struct op *o)
{
	return msb_agent_stream_open(o->a[0].h->p, (uint8_t)o->a[1].n,
				     o->a[2].bytes.p, o->a[2].bytes.len,
				     (msb_agent_stream_t **)&o->p, &o->err);
}

static napi_value done_stream(napi_env env, struct op *o)
{
	void *p = o->p;

	(void)env;
	o->p = NULL;
	return handle_new(o->addon, HANDLE_AGENT_STREAM, p, o->a[0].h);
}

static void clear_stream(struct op *o)
{
	msb_agent_stream_free(o->p);
}

/* agent, id, flags, body */
static int run_send(struct op *o)
{
	return msb_agent_send(o->a[0].h->p, (uint32_t)o->a[1].n,
			      (uint8_t)o->a[2].n, o->a[3].bytes.p,
			      o->a[3].bytes.len, &o->err);
}

const struct function functions_agent[] = {
	{ "agentConnect", "Hsnc", run_connect, done_agent, clear_agent },
	{ "agentConnectPath", "snc", run_connect_path, done_agent,
	  clear_agent },
	{ "agentRequest", "Anync", run_request, done_frame, clear_frame },
	{ "agentStream", "Anyc", run_stream, done_stream, clear_stream },
	{ "agentSend", "Annyc", run_send, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static struct handle *get_handle(napi_env env, napi_callback_info info,
				 enum handle_kind kind)
{
	napi_value v;

	return get_args(env, info, 1, &v) ? handle_get(env, v, kind) : NULL;
}

/* agentInfo(agent): what the handshake has brought. */
static napi_value agent_info(napi_env env, napi_callback_info info)
{
	struct handle *h = get_handle(env, info, HANDLE_AGENT);
	msb_agent_ready_t ready = { .struct_size = sizeof(ready) };
	uint32_t first, end;
	const void *body;
	napi_value o;
	size_t len;

	if (!h || napi_create_object(env, &o))
		return NULL;
	msb_agent_id_range(h->p, &first, &end);
	body = msb_agent_ready_bytes(h->p, &len);
	msb_agent_ready(h->p, &ready);
	set_number(env, o, "first", first);
	set_number(env, o, "end", end);
	set_value(env, o, "ready", value_copy(env, body, len));
	set_number(env, o, "generation", ready.generation);
	set_string(env, o, "agentVersion", ready.agent_version);
	return o;
}

static napi_value stream_id(napi_env env, napi_callback_info info)
{
	struct handle *h = get_handle(env, info, HANDLE_AGENT_STREAM);

	return h ? value_number(env, msb_agent_stream_id(h->p)) : NULL;
}

/* agentNext(stream): a frame; undefined: none now; null: that was the last. */
static napi_value stream_next(napi_env env, napi_callback_info info)
{
	struct handle *h = get_handle(env, info, HANDLE_AGENT_STREAM);
	msb_agent_frame_t f = { .struct_size = sizeof(f) };
	msb_error_t *e = NULL;
	napi_value v;
	int rc;

	if (!h)
		return NULL;
	rc = msb_agent_stream_next(h->p, 0, &f, &e);
	if (rc < 0) {
		throw_error(h->addon, e);
		return NULL;
	}
	if (!rc)
		return msb_agent_stream_ended(h->p) ? value_string(env, NULL)
						    : NULL;
	v = frame_value(env, &f);
	msb_agent_frame_clear(&f);
	return v;
}

/* agentClose(agent): the object stays, to say that it is closed. */
static napi_value agent_close(napi_env env, napi_callback_info info)
{
	struct handle *h = get_handle(env, info, HANDLE_AGENT);

	if (h)
		msb_agent_close(h->p);
	return NULL;
}

const struct sync_function sync_agent[] = {
	{ "agentInfo", agent_info },
	{ "agentStreamId", stream_id },
	{ "agentNext", stream_next },
	{ "agentClose", agent_close },
	{ NULL, NULL },
};
