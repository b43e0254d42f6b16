/* SPDX-License-Identifier: Apache-2.0 */
/* Named volumes. */
#include "native.h"

static const char *label_at(const void *v, size_t i)
{
	return msb_volume_label(v, i);
}

static PyObject *describe(const msb_volume_t *v)
{
	PyObject *d = PyDict_New();

	if (d &&
	    (put(d, "name", text(msb_volume_name(v))) ||
	     put(d, "path", text(msb_volume_path(v))) ||
	     put(d, "kind",
		 text(msb_volume_kind(v) == MSB_VOLUME_DISK ? "disk"
							    : "dir")) ||
	     put(d, "quota_mib",
		 PyLong_FromUnsignedLongLong(msb_volume_quota_mib(v))) ||
	     put(d, "capacity_bytes",
		 PyLong_FromUnsignedLongLong(msb_volume_capacity_bytes(v))) ||
	     put(d, "created_ms",
		 PyLong_FromLongLong(msb_volume_created_unix_ms(v))) ||
	     put(d, "labels", labels(label_at, v))))
		Py_CLEAR(d);
	return d;
}

static PyObject *volume_create(PyObject *self, PyObject *args)
{
	msb_volume_options_t o = { .struct_size = sizeof(o) };
	unsigned long long quota, capacity;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	struct strv having;
	const char *name;
	PyObject *list;
	msb_volume_t *v;
	int disk, rc;
	msb_t *m;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&spKKOO&", arg_home, &m, &name, &disk,
			      &quota, &capacity, &list, arg_token, &token) ||
	    strv_init(&having, list))
		return NULL;
	o.kind = disk ? MSB_VOLUME_DISK : MSB_VOLUME_DIR;
	o.quota_mib = quota;
	o.capacity_mib = capacity;
	o.labels = having.v;
	o.nlabels = having.n;
	WAIT(token, rc = msb_volume_create(m, name, &o, &v, &e));
	strv_clear(&having);
	if (rc)
		return fail(e);
	return handle_new(&kind_volume, v, PyTuple_GetItem(args, 0));
}

static PyObject *volume_get(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	const char *name;
	msb_volume_t *v;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&sO&", arg_home, &m, &name, arg_token,
			      &token))
		return NULL;
	WAIT(token, rc = msb_volume_get(m, name, &v, &e));
	if (rc)
		return fail(e);
	return handle_new(&kind_volume, v, PyTuple_GetItem(args, 0));
}

static PyObject *volume_info(PyObject *self, PyObject *args)
{
	msb_volume_t *v;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_volume, &v))
		return NULL;
	return describe(v);
}

static PyObject *volume_used_bytes(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	uint64_t used = 0;
	msb_volume_t *v;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_volume, &v, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_volume_used_bytes(v, &used, &e));
	return rc ? fail(e) : PyLong_FromUnsignedLongLong(used);
}

/* Names. */
static PyObject *volume_list(PyObject *self, PyObject *args)
{
	msb_volume_list_t *l;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	PyObject *list;
	size_t n;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_home, &m, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_volume_list(m, &l, &e));
	if (rc)
		return fail(e);
	n = msb_volume_list_count(l);
	list = PyList_New((Py_ssize_t)n);
	for (size_t i = 0; list && i < n; i++) {
		PyObject *name =
			text(msb_volume_name(msb_volume_list_item(l, i)));

		if (!name)
			Py_CLEAR(list);
		else
			PyList_SetItem(list, (Py_ssize_t)i, name);
	}
	msb_volume_list_free(l);
	return list;
}

static PyObject *volume_remove(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	const char *name;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&sO&", arg_home, &m, &name, arg_token,
			      &token))
		return NULL;
	WAIT(token, rc = msb_volume_remove(m, name, &e));
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

/* Called within WAIT, so without the lock. */
static void add_name(void *list, const char *name)
{
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *item = text(name);

	if (item)
		(void)PyList_Append(list, item);
	Py_XDECREF(item);
	PyGILState_Release(state);
}

/* Names of those that were removed. */
static PyObject *volume_prune(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	PyObject *list;
	int rc = 0;
	msb_t *m;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_home, &m, arg_token, &token))
		return NULL;
	list = PyList_New(0);
	if (list)
		WAIT(token, rc = msb_volume_prune(m, add_name, list, &e));
	if (list && (rc < 0 || PyErr_Occurred())) {
		Py_DECREF(list);
		return rc < 0 ? fail(e) : NULL;
	}
	return list;
}

PyMethodDef volume_methods[] = {
	{ "volume_create", volume_create, METH_VARARGS, NULL },
	{ "volume_get", volume_get, METH_VARARGS, NULL },
	{ "volume_info", volume_info, METH_VARARGS, NULL },
	{ "volume_used_bytes", volume_used_bytes, METH_VARARGS, NULL },
	{ "volume_list", volume_list, METH_VARARGS, NULL },
	{ "volume_remove", volume_remove, METH_VARARGS, NULL },
	{ "volume_prune", volume_prune, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};
