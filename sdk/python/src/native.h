/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of microsandbox._native share: handles, errors, arguments. */
#ifndef NATIVE_H
#define NATIVE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030a0000
#include <Python.h>

#include <sys/types.h>

#include "microsandbox/microsandbox.h"

/*
 * Every object of the library is in a handle, which frees it with its last
 * reference; the handle it came from lives at least as long. A call has its
 * arguments' references, so nothing is freed while it is in use. A forked child
 * leaves its parent's objects alone.
 */
struct kind {
	const char *name;
	void (*free)(void *p);
	Py_ssize_t alive;
};

struct handle {
	PyObject_HEAD struct kind *kind;
	void *p;
	PyObject *owner;
	pid_t pid;
};

/* Takes p, also when it fails; owner may be NULL. */
PyObject *handle_new(struct kind *k, void *p, PyObject *owner);
int handle_convert(PyObject *o, const struct kind *k, void *out);

/* For "O&": the library's pointer within a handle of that kind. */
#define KINDS(X)                                                               \
	X(home, msb_t, msb_close)                                              \
	X(cancel, msb_cancel_t, msb_cancel_free)                               \
	X(sandbox, msb_sandbox_t, msb_sandbox_free)                            \
	X(exec, msb_exec_t, msb_exec_free)                                     \
	X(fs, msb_fs_t, msb_fs_free)                                           \
	X(log, msb_log_t, msb_log_free)                                        \
	X(volume, msb_volume_t, msb_volume_free)                               \
	X(snapshot, msb_snapshot_t, msb_snapshot_free)                         \
	X(agent, msb_agent_t, msb_agent_free)                                  \
	X(agent_stream, msb_agent_stream_t, msb_agent_stream_free)
#define DECLARE_KIND(name, type, free)                                         \
	extern struct kind kind_##name;                                        \
	int arg_##name(PyObject *o, void *out);
KINDS(DECLARE_KIND)
/* For "O&": a cancel token, or NULL for None. */
int arg_token(PyObject *o, void *out);

/* Raise what e says and free it; extra (may be NULL) is its output. */
PyObject *fail(msb_error_t *e);
PyObject *fail_with(msb_error_t *e, PyObject *extra);
PyObject *set_error_factory(PyObject *self, PyObject *factory);

/* A call that may wait: without the interpreter's lock, ended by token. */
#define WAIT(token, call)                                                      \
	do {                                                                   \
		msb_cancel_t *was_;                                            \
                                                                               \
		Py_BEGIN_ALLOW_THREADS;                                        \
		was_ = msb_cancel_use(token);                                  \
		call;                                                          \
		msb_cancel_use(was_);                                          \
		Py_END_ALLOW_THREADS;                                          \
	} while (0)

/* Text of a host or guest, which need not be UTF-8; NULL is None. */
PyObject *text(const char *s);
PyObject *text_n(const char *s, size_t len);
/* What gives "KEY=VALUE" for an index, as a dictionary; takes a cast. */
typedef const char *(*label_fn)(const void *object, size_t i);
PyObject *labels(label_fn at, const void *object);
/* Put a new reference into d; -1 with an exception, also when v is NULL. */
int put(PyObject *d, const char *key, PyObject *v);

/* Strings of a sequence, alive as long as the vector. */
struct strv {
	const char **v;
	size_t n;
	PyObject *items; /* of bytes objects */
};
/* None is none. */
int strv_init(struct strv *s, PyObject *sequence);
void strv_clear(struct strv *s);

/* Progress of images, told to a Python function; NULL with an exception. */
struct progress {
	PyObject *fn; /* borrowed; NULL: nobody */
};
msb_image_options_t *image_options_new(struct progress *p, PyObject *fn);

/* The tables of functions, one per file. */
extern PyMethodDef sandbox_methods[], exec_methods[], fs_methods[],
	log_methods[], image_methods[], volume_methods[], snapshot_methods[],
	agent_methods[], host_methods[];

#endif
