/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of the behaviour table (ops.md) for the C interface. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"

msb_t *home;
static struct request *background;
static unsigned running;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t one_done = PTHREAD_COND_INITIALIZER;

json_t *problem(struct request *rq, const char *kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	rq->kind = kind;
	(void)vsnprintf(rq->problem, sizeof(rq->problem), fmt, ap);
	va_end(ap);
	return NULL;
}

json_t *done(struct request *rq, int64_t rc)
{
	(void)rq;
	return rc < 0 ? NULL : json_null();
}

/* ---- answers ------------------------------------------------------------- */

static json_t *error_json(const struct request *rq)
{
	const msb_error_t *e = rq->err;
	json_t *details = json_object();
	const char *item;

	if (!e)
		return json_pack("{s:s, s:s, s:i, s:o}", "kind",
				 rq->kind ? rq->kind : "driver", "message",
				 rq->kind ? rq->problem
					  : "failed without an error",
				 "errno", 0, "details", details);
	for (size_t i = 0; (item = msb_error_detail_item(e, i)) != NULL; i++) {
		const char *value = strchr(item, '=');

		if (value)
			(void)json_object_setn_new(details, item,
						   (size_t)(value - item),
						   json_string(value + 1));
	}
	return json_pack("{s:s, s:s, s:i, s:o}", "kind",
			 msb_error_kind_name(msb_error_kind(e)), "message",
			 msb_error_text(e), "errno", msb_error_errno(e),
			 "details", details);
}

static void answer(const struct request *rq, json_t *ok)
{
	json_t *line = ok ? json_pack("{s:I, s:o}", "id", rq->id, "ok", ok)
			  : json_pack("{s:I, s:o}", "id", rq->id, "error",
				      error_json(rq));
	char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;

	if (!text) {
		fprintf(stderr, "answer %lld cannot be written\n",
			(long long)rq->id);
		abort();
	}
	pthread_mutex_lock(&output);
	(void)puts(text);
	(void)fflush(stdout);
	pthread_mutex_unlock(&output);
	free(text);
	json_decref(line);
}

static void request_free(struct request *rq)
{
	msb_cancel_free(rq->cancel);
	msb_error_free(rq->err);
	json_decref(rq->root);
	free(rq);
}

static void handle(struct request *rq)
{
	(void)msb_cancel_use(rq->cancel);
	answer(rq, rq->op->run(rq));
	(void)msb_cancel_use(NULL);
}

static void *handle_thread(void *arg)
{
	struct request *rq = arg;

	handle(rq);
	pthread_mutex_lock(&lock);
	for (struct request **p = &background; *p; p = &(*p)->next)
		if (*p == rq) {
			*p = rq->next;
			break;
		}
	running--;
	pthread_cond_signal(&one_done);
	pthread_mutex_unlock(&lock);
	request_free(rq);
	return NULL;
}

static bool in_background(struct request *rq)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	rq->cancel = msb_cancel_new();
	if (!rq->cancel)
		return false;
	pthread_mutex_lock(&lock);
	rq->next = background;
	background = rq;
	running++;
	pthread_mutex_unlock(&lock);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, handle_thread, rq);
	pthread_attr_destroy(&attr);
	if (rc) {
		fprintf(stderr, "no thread: %s\n", strerror(rc));
		abort();
	}
	return true;
}

/* ---- the driver's own operations ----------------------------------------- */

static json_t *op_hello(struct request *rq)
{
	(void)rq;
	return json_pack("{s:s, s:s}", "language", "c", "version",
			 msb_version());
}

static json_t *op_cancel(struct request *rq)
{
	json_int_t id = int_arg(rq, "request", -1);

	pthread_mutex_lock(&lock);
	for (struct request *r = background; r; r = r->next)
		if (r->id == id)
			msb_cancel_trigger(r->cancel);
	pthread_mutex_unlock(&lock);
	return json_null();
}

static json_t *op_drop(struct request *rq)
{
	object_drop(text_arg(rq, "object"));
	return json_null();
}

static json_t *op_gc(struct request *rq)
{
	(void)rq;
	return json_null();
}

static const struct op own_ops[] = {
	{ "hello", op_hello }, { "cancel", op_cancel }, { "drop", op_drop },
	{ "gc", op_gc },       { NULL, NULL },
};

static json_t *op_unknown(struct request *rq)
{
	return problem(rq, "driver", "no such operation");
}

static const struct op *op_find(const char *name)
{
	static const struct op *const tables[] = {
		own_ops,   sandbox_ops, exec_ops,  fs_ops,
		store_ops, image_ops,	watch_ops, agent_ops,
	};
	static const struct op unknown = { "", op_unknown };

	for (size_t i = 0; name && i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct op *op = tables[i]; op->name; op++)
			if (strcmp(op->name, name) == 0)
				return op;
	return &unknown;
}

static void one_line(const char *line)
{
	struct request *rq = calloc(1, sizeof(*rq));
	json_error_t e;

	if (!rq)
		abort();
	rq->root = json_loads(line, 0, &e);
	if (!rq->root) {
		fprintf(stderr, "not JSON: %s: %s\n", e.text, line);
		free(rq);
		return;
	}
	rq->id = json_integer_value(json_object_get(rq->root, "id"));
	rq->args = json_object_get(rq->root, "args");
	rq->op = op_find(json_string_value(json_object_get(rq->root, "op")));
	if (json_is_true(json_object_get(rq->root, "background")) &&
	    in_background(rq))
		return;
	handle(rq);
	request_free(rq);
}

int main(void)
{
	msb_error_t *e = NULL;
	char *line = NULL;
	size_t size = 0;

	if (msb_open(NULL, &home, &e)) {
		fprintf(stderr, "%s\n", msb_error_text(e));
		msb_error_free(e);
		return 1;
	}
	while (getline(&line, &size, stdin) > 0)
		one_line(line);
	free(line);
	pthread_mutex_lock(&lock);
	for (struct request *r = background; r; r = r->next)
		msb_cancel_trigger(r->cancel);
	while (running)
		pthread_cond_wait(&one_done, &lock);
	pthread_mutex_unlock(&lock);
	objects_free();
	msb_close(home);
	return 0;
}
