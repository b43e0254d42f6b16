/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of the behaviour table for the C interface: what its parts share. */
#ifndef DRIVE_H
#define DRIVE_H

#include <jansson.h>
#include <microsandbox/microsandbox.h>
#include <stdbool.h>

/* ---- requests ------------------------------------------------------------ */

struct request {
	struct request *next; /* of those in the background */
	json_int_t id;
	json_t *root, *args;
	const struct op *op;
	msb_cancel_t *cancel;
	/* How it failed: one of these, when its answer is NULL. */
	msb_error_t *err;
	const char *kind; /* with problem */
	char problem[200];
};
struct op {
	const char *name;
	json_t *(*run)(struct request *rq); /* NULL: it failed */
};
extern msb_t *home;

/* An error of the driver's own; always gives NULL. */
json_t *problem(struct request *rq, const char *kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* null, or the failure that rc and rq->err tell of. */
json_t *done(struct request *rq, int64_t rc);

/* Arguments: NULL or what stands in for those that are missing. */
const char *text_arg(const struct request *rq, const char *key);
json_int_t int_arg(const struct request *rq, const char *key,
		   json_int_t missing);
bool bool_arg(const struct request *rq, const char *key, bool missing);
/* Bytes, or the UTF-8 of a string; to be freed. NULL: neither. */
void *bytes_of(const json_t *value, size_t *ret_len);
void *bytes_arg(struct request *rq, const char *key, size_t *ret_len);
/* Strings of an array, which owns them; to be freed with free(). */
const char **strings_arg(const struct request *rq, const char *key,
			 size_t *ret_n);
/* KEY=VALUE of an object; to be freed with pairs_free(). */
char **pairs_arg(const struct request *rq, const char *key, size_t *ret_n);
void pairs_free(char **pairs);

/* Parts of answers. */
json_t *bytes_json(const void *data, size_t len);
json_t *text_or_null(const char *text);
json_t *labels_json(const char *(*get)(const void *obj, size_t i),
		    const void *obj);

/* ---- objects ------------------------------------------------------------- */

enum object_kind {
	OBJECT_SANDBOX,
	OBJECT_EXEC,
	OBJECT_LOG,
	OBJECT_AGENT,
	OBJECT_STREAM
};
struct object {
	struct object *next;
	char *name;
	unsigned refs;
	enum object_kind kind;
	void *p;
	msb_fs_t *fs;	       /* of a sandbox, once it was needed */
	struct object *parent; /* of a stream: its client */
	bool owns;  /* of a sandbox: is it attached to this handle? */
	bool ended; /* of a command: its last event has been given */
};
/* Takes p. NULL: there was no memory for it, and p is freed. */
struct object *object_new(enum object_kind kind, void *p);
/* Under the name that the request has for it; takes the reference. */
void object_keep(const struct request *rq, struct object *o);
/* A reference to the object that argument key names, or NULL. */
struct object *object_arg(struct request *rq, const char *key,
			  enum object_kind kind);
/* The sandbox that the arguments mean: object, or name in the catalogue. */
struct object *sandbox_arg(struct request *rq);
void object_put(struct object *o);
void object_drop(const char *name);
void objects_free(void);
msb_fs_t *object_fs(struct request *rq, struct object *o);

/* ---- operations ---------------------------------------------------------- */

extern const struct op sandbox_ops[], exec_ops[], fs_ops[], store_ops[],
	image_ops[], watch_ops[], agent_ops[];
/* Kinds of image events in the order they came; ctx is an array. */
int note_event(void *ctx, const msb_image_event_t *event);

#endif
