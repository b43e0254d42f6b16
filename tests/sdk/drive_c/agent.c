/* SPDX-License-Identifier: Apache-2.0 */
/* Driver for C: clients of agents. */
#include <stdlib.h>

#include "drive.h"

static json_t *frame_json(msb_agent_frame_t *f)
{
	json_t *ok =
		json_pack("{s:I, s:i, s:o}", "id", (json_int_t)f->id, "flags",
			  (int)f->flags, "body", bytes_json(f->body, f->len));

	msb_agent_frame_clear(f);
	return ok;
}

static json_t *op_connect(struct request *rq)
{
	uint64_t limit = (uint64_t)int_arg(rq, "timeout_ms", 10000);
	const char *path = text_arg(rq, "path");
	uint32_t first, end;
	msb_agent_t *a;
	int rc = path ? msb_agent_connect_path(path, limit, &a, &rq->err)
		      : msb_agent_connect(home, text_arg(rq, "name"), limit, &a,
					  &rq->err);

	if (rc)
		return NULL;
	msb_agent_id_range(a, &first, &end);
	object_keep(rq, object_new(OBJECT_AGENT, a));
	return json_pack("{s:I, s:I}", "first", (json_int_t)first, "end",
			 (json_int_t)end);
}

static json_t *op_ready(struct request *rq)
{
	struct object *a = object_arg(rq, "agent", OBJECT_AGENT);
	const void *body;
	json_t *ok;
	size_t len;

	if (!a)
		return NULL;
	body = msb_agent_ready_bytes(a->p, &len);
	ok = bytes_json(body, len);
	object_put(a);
	return ok;
}

static json_t *op_request(struct request *rq)
{
	msb_agent_frame_t f = { .struct_size = sizeof(f) };
	struct object *a = object_arg(rq, "agent", OBJECT_AGENT);
	size_t len = 0;
	void *body = a ? bytes_arg(rq, "body", &len) : NULL;
	int rc = body ? msb_agent_request(
				a->p, (uint8_t)int_arg(rq, "flags", 0), body,
				len, (int)int_arg(rq, "timeout_ms", -1), &f,
				&rq->err)
		      : -1;

	free(body);
	object_put(a);
	return rc ? NULL : frame_json(&f);
}

static json_t *op_stream(struct request *rq)
{
	struct object *a = object_arg(rq, "agent", OBJECT_AGENT), *o;
	size_t len = 0;
	void *body = a ? bytes_arg(rq, "body", &len) : NULL;
	msb_agent_stream_t *st;
	json_t *ok;
	int rc = body ? msb_agent_stream_open(a->p,
					      (uint8_t)int_arg(rq, "flags", 0),
					      body, len, &st, &rq->err)
		      : -1;

	free(body);
	if (rc) {
		object_put(a);
		return NULL;
	}
	ok = json_integer((json_int_t)msb_agent_stream_id(st));
	o = object_new(OBJECT_STREAM, st);
	o->parent = a; /* with the reference */
	object_keep(rq, o);
	return json_pack("{s:o}", "id", ok);
}

static json_t *op_next(struct request *rq)
{
	msb_agent_frame_t f = { .struct_size = sizeof(f) };
	struct object *st = object_arg(rq, "stream", OBJECT_STREAM);
	int rc;

	if (!st)
		return NULL;
	do
		rc = msb_agent_stream_next(st->p, -1, &f, &rq->err);
	while (!rc && !msb_agent_stream_ended(st->p));
	object_put(st);
	if (rc < 0)
		return NULL;
	return rc ? frame_json(&f) : json_null();
}

static json_t *op_send(struct request *rq)
{
	struct object *a = object_arg(rq, "agent", OBJECT_AGENT);
	size_t len = 0;
	void *body = a ? bytes_arg(rq, "body", &len) : NULL;
	int rc = body ? msb_agent_send(a->p, (uint32_t)int_arg(rq, "id", 0),
				       (uint8_t)int_arg(rq, "flags", 0), body,
				       len, &rq->err)
		      : -1;

	free(body);
	object_put(a);
	return done(rq, rc);
}

static json_t *op_close(struct request *rq)
{
	struct object *a = object_arg(rq, "agent", OBJECT_AGENT);

	if (!a)
		return NULL;
	msb_agent_close(a->p);
	object_put(a);
	return json_null();
}

const struct op agent_ops[] = {
	{ "agent_connect", op_connect }, { "agent_ready", op_ready },
	{ "agent_request", op_request }, { "agent_stream", op_stream },
	{ "agent_next", op_next },	 { "agent_send", op_send },
	{ "agent_close", op_close },	 { NULL, NULL },
};
