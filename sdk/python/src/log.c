/* SPDX-License-Identifier: Apache-2.0 */
/* What sandboxes have logged. */
#include "native.h"

/* A number, or None. */
struct maybe {
	bool has;
	long long value;
};

static int arg_maybe(PyObject *o, void *out)
{
	struct maybe *m = out;

	m->has = o != Py_None;
	m->value = m->has ? PyLong_AsLongLong(o) : 0;
	return m->value != -1 || !PyErr_Occurred();
}

static PyObject *log_open(PyObject *self, PyObject *args)
{
	msb_log_options_t o = { .struct_size = sizeof(o) };
	struct maybe since, until, tail;
	const char *name, *cursor;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	int follow, rc;
	msb_log_t *l;
	msb_t *m;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&sIO&O&O&zpO&", arg_home, &m, &name,
			      &o.sources, arg_maybe, &since, arg_maybe, &until,
			      arg_maybe, &tail, &cursor, &follow, arg_token,
			      &token))
		return NULL;
	if (tail.value < 0) {
		PyErr_SetString(PyExc_ValueError, "tail is negative");
		return NULL;
	}
	o.has_since = since.has;
	o.since_unix_ns = since.value;
	o.has_until = until.has;
	o.until_unix_ns = until.value;
	o.has_tail = tail.has;
	o.tail = (uint64_t)tail.value;
	o.cursor = cursor;
	o.follow = follow;
	WAIT(token, rc = msb_log_open(m, name, &o, &l, &e));
	if (rc)
		return fail(e);
	return handle_new(&kind_log, l, PyTuple_GetItem(args, 0));
}

/* (time in ns, source, session, data, cursor) */
static PyObject *entry(const msb_log_t *l, const msb_log_entry_t *t)
{
	msb_error_t *e = NULL;
	PyObject *ret;
	char *cursor;

	if (msb_log_cursor(l, &cursor, &e))
		return fail(e);
	ret = Py_BuildValue("LIKy#N", (long long)t->time_unix_ns, t->source,
			    (unsigned long long)t->session,
			    t->data ? t->data : "", (Py_ssize_t)t->len,
			    text(cursor));
	msb_free(cursor);
	return ret;
}

/*
 * Append what there is to a list, at most limit entries, without waiting. Their
 * number; -1: there is nothing more now, -2: nothing will follow.
 */
static PyObject *log_poll(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	PyObject *append;
	msb_log_t *l;
	int limit;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&Oi", arg_log, &l, &append, &limit))
		return NULL;
	for (int i = 0; i < limit; i++) {
		msb_log_entry_t t = { .struct_size = sizeof(t) };
		PyObject *item, *done;
		int rc;

		WAIT(NULL, rc = msb_log_next(l, 0, &t, &e));
		if (rc < 0)
			return fail(e);
		if (!rc)
			return PyLong_FromLong(msb_log_ended(l) ? -2 : -1);
		item = entry(l, &t);
		if (!item)
			return NULL;
		done = PyObject_CallFunctionObjArgs(append, item, NULL);
		Py_DECREF(item);
		if (!done)
			return NULL;
		Py_DECREF(done);
	}
	return PyLong_FromLong(limit);
}

static PyObject *log_fd(PyObject *self, PyObject *args)
{
	msb_log_t *l;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_log, &l))
		return NULL;
	return PyLong_FromLong(msb_log_fd(l));
}

/* Why the last boot failed, as JSON text, or None. */
static PyObject *log_boot_error(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	PyObject *ret;
	msb_log_t *l;
	char *json;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_log, &l))
		return NULL;
	WAIT(NULL, rc = msb_log_boot_error(l, &json, &e));
	if (rc)
		return fail(e);
	ret = text(json);
	msb_free(json);
	return ret;
}

PyMethodDef log_methods[] = {
	{ "log_open", log_open, METH_VARARGS, NULL },
	{ "log_poll", log_poll, METH_VARARGS, NULL },
	{ "log_fd", log_fd, METH_VARARGS, NULL },
	{ "log_boot_error", log_boot_error, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};
