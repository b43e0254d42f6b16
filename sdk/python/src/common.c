/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of the library as exceptions, and values in both directions. */
#include "native.h"

#include <string.h>

static PyObject *error_factory;

/* What makes an exception of (kind, text, message, errno, details). */
PyObject *set_error_factory(PyObject *self, PyObject *factory)
{
	PyObject *before = error_factory;

	(void)self;
	Py_INCREF(factory);
	error_factory = factory;
	Py_XDECREF(before);
	Py_RETURN_NONE;
}

static const char *detail_at(const void *object, size_t i)
{
	return msb_error_detail_item(object, i);
}

PyObject *fail_with(msb_error_t *e, PyObject *extra)
{
	PyObject *details = labels(detail_at, e), *error = NULL;

	if (!error_factory)
		PyErr_SetString(PyExc_RuntimeError, "errors have no classes");
	else if (details)
		error = PyObject_CallFunction(
			error_factory, "sNNiO",
			msb_error_kind_name(msb_error_kind(e)),
			text(msb_error_text(e)), text(msb_error_message(e)),
			msb_error_errno(e), details);
	Py_XDECREF(details);
	msb_error_free(e);
	if (error && extra && PyObject_SetAttrString(error, "output", extra))
		Py_CLEAR(error);
	if (error) {
		PyErr_SetObject((PyObject *)Py_TYPE(error), error);
		Py_DECREF(error);
	}
	return NULL;
}

PyObject *fail(msb_error_t *e)
{
	return fail_with(e, NULL);
}

PyObject *text_n(const char *s, size_t len)
{
	return PyUnicode_DecodeUTF8(s, (Py_ssize_t)len, "surrogateescape");
}

PyObject *text(const char *s)
{
	if (!s)
		Py_RETURN_NONE;
	return text_n(s, strlen(s));
}

int put(PyObject *d, const char *key, PyObject *v)
{
	int rc = v ? PyDict_SetItemString(d, key, v) : -1;

	Py_XDECREF(v);
	return rc;
}

PyObject *labels(label_fn at, const void *object)
{
	PyObject *d = PyDict_New();
	const char *item;

	for (size_t i = 0; d && (item = at(object, i)); i++) {
		const char *equals = strchr(item, '=');
		size_t n = equals ? (size_t)(equals - item) : strlen(item);
		PyObject *key = text_n(item, n);
		PyObject *value = text(equals ? equals + 1 : "");

		if (!key || !value || PyDict_SetItem(d, key, value))
			Py_CLEAR(d);
		Py_XDECREF(key);
		Py_XDECREF(value);
	}
	return d;
}

int strv_init(struct strv *s, PyObject *sequence)
{
	Py_ssize_t n;

	memset(s, 0, sizeof(*s));
	if (sequence == Py_None)
		return 0;
	if (!PyList_Check(sequence)) {
		PyErr_SetString(PyExc_TypeError, "not a list of strings");
		return -1;
	}
	n = PyList_Size(sequence);
	s->items = PyList_New(n);
	s->v = PyMem_Calloc((size_t)n + 1, sizeof(*s->v));
	if (!s->items || !s->v) {
		strv_clear(s);
		PyErr_NoMemory();
		return -1;
	}
	for (Py_ssize_t i = 0; i < n; i++) {
		PyObject *bytes;

		if (!PyUnicode_FSConverter(PyList_GetItem(sequence, i),
					   &bytes)) {
			strv_clear(s);
			return -1;
		}
		s->v[i] = PyBytes_AsString(bytes);
		PyList_SetItem(s->items, i, bytes); /* takes it */
	}
	s->n = (size_t)n;
	return 0;
}

void strv_clear(struct strv *s)
{
	PyMem_Free((void *)s->v);
	Py_CLEAR(s->items);
	s->v = NULL;
	s->n = 0;
}
