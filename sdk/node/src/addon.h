/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addon for Node.js: functions of libmicrosandbox as functions of
 * JavaScript. What may block runs on threads of the addon and gives a promise;
 * what has a descriptor is polled in the loop of Node.js itself.
 */
#ifndef MSB_NODE_ADDON_H
#define MSB_NODE_ADDON_H

#include <microsandbox/microsandbox.h>
#include <node_api.h>
#include <stdbool.h>
#include <uv.h>

#define ARGS_MAX 16
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* What crosses from a thread to the loop, in the order in which it was sent. */
struct message {
	struct message *next;
	/* js false: the environment is going away, only release memory */
	void (*deliver)(struct message *msg, bool js);
};

enum handle_kind {
	HANDLE_HOME,
	HANDLE_SANDBOX,
	HANDLE_EXEC,
	HANDLE_FS,
	HANDLE_LOG,
	HANDLE_AGENT,
	HANDLE_AGENT_STREAM,
	HANDLE_CANCEL,
	HANDLE_KINDS
};

/* One environment of Node.js: the main program, or one of its workers. */
struct addon {
	napi_env env;
	uv_loop_t *loop;
	uv_async_t async; /* there are messages */
	uv_mutex_t lock;  /* of the messages */
	struct message *first, **last;
	struct op *running; /* everything that has not been delivered */
	struct poller *pollers;
	napi_async_context context;
	napi_ref resource, make_error;
	napi_async_cleanup_hook_handle cleanup;
	unsigned refs; /* handles, and the environment itself */
	unsigned handles[HANDLE_KINDS];
	bool closing; /* no JavaScript any more */
};

struct addon *addon_ref(struct addon *a);
void addon_unref(struct addon *a);
/* From any thread. */
void addon_send(struct addon *a, struct message *msg);
/* Around all that is done outside of a call from JavaScript. */
struct scope {
	napi_handle_scope handles;
	napi_callback_scope callback;
};
bool addon_enter(struct addon *a, struct scope *s);
void addon_leave(struct addon *a, struct scope *s);

/* ---- handles (handle.c): objects of the library, owned by JavaScript ------
 */

struct handle {
	struct addon *addon;
	enum handle_kind kind;
	void *p; /* NULL once freed */
	struct handle *parent;
	struct poller *pollers[2]; /* to read, to write */
	unsigned uses;	/* calls that run, and objects made from it */
	bool closed;	/* by its owner, or with its owner */
	bool collected; /* no value of JavaScript refers to it any more */
};
/* Takes p, also when it fails (NULL). */
napi_value handle_new(struct addon *a, enum handle_kind kind, void *p,
		      struct handle *parent);
/* NULL with an exception when v is not an open handle of that kind. */
struct handle *handle_get(napi_env env, napi_value v, enum handle_kind kind);
void handle_use(struct handle *h);
void handle_unuse(struct handle *h);
void handle_close(struct handle *h);

/* ---- calls (op.c, thread.c) ---------------------------------------------- */

struct bytes {
	void *p;
	size_t len;
};
struct strings {
	char **v;
	size_t n;
};
union arg {
	struct handle *h;
	char *s;
	int64_t n;
	bool b;
	struct bytes bytes;
	struct strings strings;
	napi_ref function;
};

/* A call that may block. */
struct op {
	struct message msg; /* first */
	struct op *next_job;
	struct addon *addon;
	const struct function *f;
	union arg a[ARGS_MAX];
	msb_cancel_t *cancel, *own_cancel;
	napi_deferred deferred;
	struct op *next, **prev;
	int rc;
	msb_error_t *err;
	/* The result, as run() and done() have agreed. */
	void *p;
	size_t len;
	int64_t n;
	void *state;	 /* released by the function's clear() */
	unsigned unread; /* events on their way to JavaScript; atomic */
};

/*
 * args: one letter for each argument. Handles: H home, B sandbox, X exec, F fs,
 * L log, A agent, T stream of an agent. s string, z string or null, n integer,
 * b boolean, y bytes (copied), Y bytes or null, v array of strings, f function
 * or null, c cancel token or null.
 */
struct function {
	const char *name;
	const char *args;
	int (*run)(struct op *o); /* on a thread; negative: o->err is set */
	napi_value (*done)(napi_env env, struct op *o); /* NULL: undefined */
	void (*clear)(struct op *o);
};
napi_value op_start(napi_env env, napi_callback_info info);
void op_cancel_all(struct addon *a);
/* What is done with h, its first argument. */
void op_cancel_of(struct handle *h);

/* Run f(job) on a thread of the addon: 0, or -EAGAIN. */
int thread_run(struct op *o, void (*f)(struct op *o));

/* ---- polling (poll.c) -----------------------------------------------------
 */

napi_value poll_wait(napi_env env, napi_callback_info info);
napi_value poll_wake(napi_env env, napi_callback_info info);
/* Nobody is to poll any more; whoever waits is told. */
void poll_close(struct handle *h);
void poll_close_all(struct addon *a);

/* ---- values (value.c) -----------------------------------------------------
 */

/* All of them are false (NULL) with an exception that is pending. */
bool arg_get(napi_env env, char letter, napi_value v, const char *function,
	     unsigned n, union arg *ret);
void arg_clear(napi_env env, char letter, union arg *a);
bool value_bytes(napi_env env, napi_value v, struct bytes *ret);
bool value_int(napi_env env, napi_value v, int64_t *ret);
napi_value value_string(napi_env env, const char *s); /* NULL: null */
napi_value value_string_n(napi_env env, const void *s, size_t len);
napi_value value_number(napi_env env, double n);
napi_value value_bool(napi_env env, bool b);
napi_value value_copy(napi_env env, const void *p, size_t len);
/* A Buffer of memory that msb_free() releases; takes p. */
napi_value value_take(napi_env env, void *p, size_t len);
void set_value(napi_env env, napi_value o, const char *key, napi_value v);
void set_string(napi_env env, napi_value o, const char *key, const char *s);
void set_number(napi_env env, napi_value o, const char *key, double n);
void set_bool(napi_env env, napi_value o, const char *key, bool b);
/* Labels: item(i) is KEY=VALUE, or NULL past the end. */
napi_value value_labels(napi_env env, const void *object,
			const char *(*item)(const void *object, size_t i));
/* An Error, made by JavaScript; takes e. */
napi_value value_error(struct addon *a, msb_error_t *e);
void throw_error(struct addon *a, msb_error_t *e);
struct addon *addon_of(napi_env env);
/* Give argc arguments; undefined where there are none. */
bool get_args(napi_env env, napi_callback_info info, size_t argc,
	      napi_value *argv);

/* A growing array of elements of one size. */
struct items {
	char *v;
	size_t n, size;
};
void *items_add(struct items *items, size_t size); /* zeroed; NULL: ENOMEM */

/* Results that many functions have. */
napi_value done_number(napi_env env, struct op *o); /* o->n */
napi_value done_bool(napi_env env, struct op *o);   /* o->n */
napi_value done_text(napi_env env, struct op *o);   /* o->p, by clear_p */
napi_value done_bytes(napi_env env, struct op *o);  /* takes o->p */
void clear_p(struct op *o);			    /* msb_free(o->p) */

/* ---- the functions --------------------------------------------------------
 */

extern const struct function functions_sandbox[], functions_exec[],
	functions_fs[], functions_log[], functions_store[], functions_agent[];
struct sync_function {
	const char *name;
	napi_callback call;
};
extern const struct sync_function sync_sandbox[], sync_exec[], sync_log[],
	sync_agent[];

#endif
