/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of stopped sandboxes. */
#include "native.h"

static const char *label_at(const void *s, size_t i)
{
	return msb_snapshot_label(s, i);
}

static PyObject *describe(const msb_snapshot_t *s)
{
	PyObject *d = PyDict_New();

	if (d &&
	    (put(d, "digest", text(msb_snapshot_digest(s))) ||
	     put(d, "name", text(msb_snapshot_name(s))) ||
	     put(d, "path", text(msb_snapshot_path(s))) ||
	     put(d, "descriptor_json", text(msb_snapshot_json(s))) ||
	     put(d, "image_ref", text(msb_snapshot_image(s))) ||
	     put(d, "image_manifest_digest",
		 text(msb_snapshot_image_digest(s))) ||
	     put(d, "created_at", text(msb_snapshot_created_at(s))) ||
	     put(d, "size_bytes",
		 PyLong_FromUnsignedLongLong(msb_snapshot_size_bytes(s))) ||
	     put(d, "integrity", text(msb_snapshot_integrity(s))) ||
	     put(d, "format", text(msb_snapshot_format(s))) ||
	     put(d, "fstype", text(msb_snapshot_fstype(s))) ||
	     put(d, "parent", text(msb_snapshot_parent(s))) ||
	     put(d, "source_sandbox", text(msb_snapshot_source(s))) ||
	     put(d, "labels", labels(label_at, s))))
		Py_CLEAR(d);
	return d;
}

static PyObject *snapshot_create(PyObject *self, PyObject *args)
{
	msb_snapshot_options_t o = { .struct_size = sizeof(o) };
	int force, integrity, rc;
	msb_error_t *e = NULL;
	const char *sandbox;
	msb_cancel_t *token;
	struct strv having;
	msb_snapshot_t *s;
	PyObject *dest, *list;
	msb_t *m;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&sO&OppO&", arg_home, &m, &sandbox,
			      PyUnicode_FSConverter, &dest, &list, &force,
			      &integrity, arg_token, &token))
		return NULL;
	if (strv_init(&having, list)) {
		Py_DECREF(dest);
		return NULL;
	}
	o.labels = having.v;
	o.nlabels = having.n;
	o.force = force;
	o.integrity = integrity;
	WAIT(token, rc = msb_snapshot_create(m, sandbox, PyBytes_AsString(dest),
					     &o, &s, &e));
	strv_clear(&having);
	Py_DECREF(dest);
	if (rc)
		return fail(e);
	return handle_new(&kind_snapshot, s, PyTuple_GetItem(args, 0));
}

static PyObject *snapshot_get(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_snapshot_t *s;
	PyObject *ref;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&O&", arg_home, &m,
			      PyUnicode_FSConverter, &ref, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_snapshot_get(m, PyBytes_AsString(ref), &s, &e));
	Py_DECREF(ref);
	if (rc)
		return fail(e);
	return handle_new(&kind_snapshot, s, PyTuple_GetItem(args, 0));
}

static PyObject *snapshot_info(PyObject *self, PyObject *args)
{
	msb_snapshot_t *s;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_snapshot, &s))
		return NULL;
	return describe(s);
}

/* A path, or NULL for None; a bytes object that is to be given back. */
static int arg_path(PyObject *o, void *out)
{
	PyObject **path = out;

	if (o != Py_None)
		return PyUnicode_FSConverter(o, out);
	*path = NULL;
	return 1;
}

static const char *path_of(PyObject *bytes)
{
	return bytes ? PyBytes_AsString(bytes) : NULL;
}

/* Of a directory, or (None) of those the home knows. */
static PyObject *snapshot_list(PyObject *self, PyObject *args)
{
	msb_snapshot_list_t *l;
	PyObject *dir, *list;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	size_t n;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&O&", arg_home, &m, arg_path, &dir,
			      arg_token, &token))
		return NULL;
	WAIT(token, rc = dir ? msb_snapshot_list_dir(m, path_of(dir), &l, &e)
			     : msb_snapshot_list(m, &l, &e));
	Py_XDECREF(dir);
	if (rc)
		return fail(e);
	n = msb_snapshot_list_count(l);
	list = PyList_New((Py_ssize_t)n);
	for (size_t i = 0; list && i < n; i++) {
		PyObject *d = describe(msb_snapshot_list_item(l, i));

		if (!d)
			Py_CLEAR(list);
		else
			PyList_SetItem(list, (Py_ssize_t)i, d);
	}
	msb_snapshot_list_free(l);
	return list;
}

/* Was a digest recorded? */
static PyObject *snapshot_verify(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_snapshot_t *s;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_snapshot, &s, arg_token,
			      &token))
		return NULL;
	WAIT(token, rc = msb_snapshot_verify(s, &e));
	return rc < 0 ? fail(e) : PyBool_FromLong(rc);
}

static PyObject *snapshot_remove(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	PyObject *ref;
	int force, rc;
	msb_t *m;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&pO&", arg_home, &m,
			      PyUnicode_FSConverter, &ref, &force, arg_token,
			      &token))
		return NULL;
	WAIT(token,
	     rc = msb_snapshot_remove(m, PyBytes_AsString(ref), force, &e));
	Py_DECREF(ref);
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

static PyObject *snapshot_reindex(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	PyObject *dir;
	int64_t n;
	msb_t *m;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&O&", arg_home, &m, arg_path, &dir,
			      arg_token, &token))
		return NULL;
	WAIT(token, n = msb_snapshot_reindex(m, path_of(dir), &e));
	Py_XDECREF(dir);
	return n < 0 ? fail(e) : PyLong_FromLongLong(n);
}

static PyObject *snapshot_export(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	int parents, plain, rc;
	PyObject *ref, *path;
	msb_cancel_t *token;
	msb_t *m;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&O&ppO&", arg_home, &m,
			      PyUnicode_FSConverter, &ref,
			      PyUnicode_FSConverter, &path, &parents, &plain,
			      arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_snapshot_export(m, PyBytes_AsString(ref),
					     PyBytes_AsString(path), parents,
					     plain, &e));
	Py_DECREF(ref);
	Py_DECREF(path);
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

static PyObject *snapshot_import(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	PyObject *path, *dest;
	msb_cancel_t *token;
	msb_snapshot_t *s;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&O&O&", arg_home, &m,
			      PyUnicode_FSConverter, &path, arg_path, &dest,
			      arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_snapshot_import(m, PyBytes_AsString(path),
					     path_of(dest), &s, &e));
	Py_DECREF(path);
	Py_XDECREF(dest);
	if (rc)
		return fail(e);
	return handle_new(&kind_snapshot, s, PyTuple_GetItem(args, 0));
}

PyMethodDef snapshot_methods[] = {
	{ "snapshot_create", snapshot_create, METH_VARARGS, NULL },
	{ "snapshot_get", snapshot_get, METH_VARARGS, NULL },
	{ "snapshot_info", snapshot_info, METH_VARARGS, NULL },
	{ "snapshot_list", snapshot_list, METH_VARARGS, NULL },
	{ "snapshot_verify", snapshot_verify, METH_VARARGS, NULL },
	{ "snapshot_remove", snapshot_remove, METH_VARARGS, NULL },
	{ "snapshot_reindex", snapshot_reindex, METH_VARARGS, NULL },
	{ "snapshot_export", snapshot_export, METH_VARARGS, NULL },
	{ "snapshot_import", snapshot_import, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};
