/* SPDX-License-Identifier: Apache-2.0 */
/* Driver for C: life cycle of sandboxes. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"

static json_t *handle_json(const msb_sandbox_t *s)
{
	const char *name = msb_status_name(msb_sandbox_status(s));
	char status[32] = "";

	for (size_t i = 0; name[i] && i + 1 < sizeof(status); i++)
		status[i] = (char)tolower((unsigned char)name[i]);
	return json_pack(
		"{s:s, s:s, s:o, s:I, s:I}", "name", msb_sandbox_name(s),
		"status", status, "config",
		json_loads(msb_sandbox_config_json(s), 0, NULL), "created_ms",
		(json_int_t)msb_sandbox_created_unix_ms(s), "updated_ms",
		(json_int_t)msb_sandbox_updated_unix_ms(s));
}

static int apply(struct request *rq, msb_config_t *c)
{
	const char *name = text_arg(rq, "name");
	json_t *options = json_object_get(rq->args, "options");
	char *text = json_dumps(options, JSON_COMPACT);
	int rc = name ? msb_config_set_name(c, name, &rq->err) : 0;

	if (!rc && text)
		rc = msb_config_apply_json(c, text, strlen(text), &rq->err);
	free(text);
	msb_config_set_attached(c, !bool_arg(rq, "detached", false));
	return rc;
}

/* Live, and under its name; NULL after a failure. */
static struct object *keep_live(struct request *rq, msb_sandbox_t *s, bool owns)
{
	struct object *o = object_new(OBJECT_SANDBOX, s);

	o->owns = owns;
	object_keep(rq, o);
	return o;
}

static json_t *create(struct request *rq, msb_image_options_t *images)
{
	bool detached = bool_arg(rq, "detached", false);
	msb_sandbox_t *s = NULL;
	msb_config_t *c;
	json_t *ok;
	int rc = msb_config_new(home, &c, &rq->err);

	if (rc)
		return NULL;
	if (images)
		rc = msb_config_set_image_options(c, images, &rq->err);
	if (!rc)
		rc = apply(rq, c);
	if (!rc)
		rc = msb_sandbox_create(home, c, &s, &rq->err);
	msb_config_free(c);
	if (!rc && detached)
		rc = msb_sandbox_release(s, &rq->err);
	if (rc) {
		msb_sandbox_free(s);
		return NULL;
	}
	ok = json_pack("{s:s}", "name", msb_sandbox_name(s));
	(void)keep_live(rq, s, !detached);
	return ok;
}

static json_t *op_create(struct request *rq)
{
	return create(rq, NULL);
}

static json_t *op_create_progress(struct request *rq)
{
	msb_image_options_t *o = msb_image_options_new();
	json_t *events = json_array();
	json_t *ok;

	msb_image_options_set_progress(o, note_event, events);
	ok = create(rq, o);
	if (ok)
		(void)json_object_set(ok, "events", events);
	json_decref(events);
	msb_image_options_free(o);
	return ok;
}

static json_t *op_start(struct request *rq)
{
	bool detached = bool_arg(rq, "detached", false);
	struct object *o = sandbox_arg(rq);
	msb_sandbox_t *s = NULL;
	json_t *ok;

	if (!o)
		return NULL;
	if (msb_sandbox_get(home, msb_sandbox_name(o->p), &s, &rq->err) ||
	    msb_sandbox_start(s, !detached, &rq->err)) {
		msb_sandbox_free(s);
		object_put(o);
		return NULL;
	}
	object_put(o);
	ok = json_pack("{s:s}", "name", msb_sandbox_name(s));
	(void)keep_live(rq, s, !detached);
	return ok;
}

static json_t *op_get(struct request *rq)
{
	msb_sandbox_t *s;
	json_t *ok;

	if (msb_sandbox_get(home, text_arg(rq, "name"), &s, &rq->err))
		return NULL;
	ok = handle_json(s);
	object_keep(rq, object_new(OBJECT_SANDBOX, s));
	return ok;
}

static json_t *op_list(struct request *rq)
{
	json_t *all = json_array();
	msb_list_t *l;

	if (msb_sandbox_list(home, &l, &rq->err)) {
		json_decref(all);
		return NULL;
	}
	for (size_t i = 0; i < msb_list_count(l); i++)
		(void)json_array_append_new(all,
					    handle_json(msb_list_item(l, i)));
	msb_list_free(l);
	return all;
}

static json_t *op_connect(struct request *rq)
{
	uint64_t limit = (uint64_t)int_arg(rq, "timeout_ms", 10000);
	const char *name = text_arg(rq, "name");
	struct object *o = name ? NULL : sandbox_arg(rq);
	msb_sandbox_t *s;
	json_t *ok;
	int rc;

	if (!name && !o)
		return NULL;
	rc = msb_sandbox_connect(home, name ? name : msb_sandbox_name(o->p),
				 limit, &s, &rq->err);
	object_put(o);
	if (rc)
		return NULL;
	ok = json_pack("{s:s}", "name", msb_sandbox_name(s));
	(void)keep_live(rq, s, false);
	return ok;
}

static json_t *op_info(struct request *rq)
{
	struct object *o = sandbox_arg(rq);
	json_t *ok;

	if (!o)
		return NULL;
	ok = json_pack("{s:s, s:b}", "name", msb_sandbox_name(o->p),
		       "owns_lifecycle", o->owns);
	object_put(o);
	return ok;
}

static json_t *stop(struct request *rq, uint64_t limit)
{
	struct object *o = sandbox_arg(rq);
	int rc;

	if (!o)
		return NULL;
	rc = msb_sandbox_stop(o->p, limit, NULL, &rq->err);
	object_put(o);
	return done(rq, rc);
}

static json_t *op_stop(struct request *rq)
{
	return stop(rq, (uint64_t)int_arg(rq, "timeout_ms", 10000));
}

static json_t *op_kill(struct request *rq)
{
	return stop(rq, 0);
}

static json_t *op_request_stop(struct request *rq)
{
	struct object *o = sandbox_arg(rq);
	int rc;

	if (!o)
		return NULL;
	rc = msb_sandbox_request_stop(o->p, &rq->err);
	object_put(o);
	return done(rq, rc);
}

static json_t *op_wait(struct request *rq)
{
	struct object *o = sandbox_arg(rq);
	msb_exit_t exit = { .struct_size = sizeof(exit) };
	int rc;

	if (!o)
		return NULL;
	rc = msb_sandbox_wait(o->p, -1, &exit, &rq->err);
	object_put(o);
	return rc < 0 ? NULL : json_pack("{s:i}", "code", exit.exit_code);
}

static json_t *op_detach(struct request *rq)
{
	struct object *o = sandbox_arg(rq);
	int rc;

	if (!o)
		return NULL;
	rc = msb_sandbox_release(o->p, &rq->err);
	object_put(o);
	if (rc)
		return NULL;
	object_drop(text_arg(rq, "sandbox"));
	return json_null();
}

static json_t *op_remove(struct request *rq)
{
	struct object *o = sandbox_arg(rq);
	int rc;

	if (!o)
		return NULL;
	rc = msb_sandbox_remove(o->p, false, &rq->err);
	object_put(o);
	return done(rq, rc);
}

const struct op sandbox_ops[] = {
	{ "create", op_create }, { "create_progress", op_create_progress },
	{ "start", op_start },	 { "get", op_get },
	{ "list", op_list },	 { "connect", op_connect },
	{ "info", op_info },	 { "stop", op_stop },
	{ "kill", op_kill },	 { "request_stop", op_request_stop },
	{ "wait", op_wait },	 { "detach", op_detach },
	{ "remove", op_remove }, { NULL, NULL },
};
