/* SPDX-License-Identifier: Apache-2.0 */
/* Files of guests and of volumes. */
#include "native.h"

#include <string.h>

/* (kind, mode, uid, gid, size, atime, mtime) */
static PyObject *info(const msb_fs_info_t *i)
{
	static const char *const kinds[] = {
		[MSB_FS_FILE] = "file",
		[MSB_FS_DIR] = "directory",
		[MSB_FS_SYMLINK] = "symlink",
		[MSB_FS_OTHER] = "other",
	};

	return Py_BuildValue("sIIIKLL", kinds[i->kind], i->mode, i->uid, i->gid,
			     (unsigned long long)i->size, (long long)i->atime_s,
			     (long long)i->mtime_s);
}

static PyObject *done(int rc, msb_error_t *e)
{
	if (rc < 0)
		return fail(e);
	Py_RETURN_NONE;
}

static PyObject *fs_connect(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	msb_fs_t *fs;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_sandbox, &s, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_fs_connect(s, &fs, &e));
	if (rc)
		return fail(e);
	return handle_new(&kind_fs, fs, PyTuple_GetItem(args, 0));
}

static PyObject *fs_open_volume(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_volume_t *v;
	msb_fs_t *fs;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_volume, &v, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_fs_open_volume(v, &fs, &e));
	if (rc)
		return fail(e);
	return handle_new(&kind_fs, fs, PyTuple_GetItem(args, 0));
}

/* Functions of one path, and of two. */
typedef int (*path_fn)(msb_fs_t *fs, const char *path, msb_error_t **e);
typedef int (*paths_fn)(msb_fs_t *fs, const char *from, const char *to,
			msb_error_t **e);
typedef int (*text_fn)(msb_fs_t *fs, const char *path, char **ret,
		       msb_error_t **e);

static int call_path(PyObject *args, path_fn fn, int *ret, msb_error_t **e)
{
	msb_cancel_t *token;
	PyObject *path;
	msb_fs_t *fs;

	if (!PyArg_ParseTuple(args, "O&O&O&", arg_fs, &fs,
			      PyUnicode_FSConverter, &path, arg_token, &token))
		return -1;
	WAIT(token, *ret = fn(fs, PyBytes_AsString(path), e));
	Py_DECREF(path);
	return 0;
}

static PyObject *fs_exists(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	int rc;

	(void)self;
	if (call_path(args, msb_fs_exists, &rc, &e))
		return NULL;
	return rc < 0 ? fail(e) : PyBool_FromLong(rc);
}

static PyObject *fs_remove(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	int rc;

	(void)self;
	return call_path(args, msb_fs_remove, &rc, &e) ? NULL : done(rc, e);
}

static PyObject *call_paths(PyObject *args, paths_fn fn)
{
	PyObject *from, *to;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_fs_t *fs;
	int rc;

	if (!PyArg_ParseTuple(args, "O&O&O&O&", arg_fs, &fs,
			      PyUnicode_FSConverter, &from,
			      PyUnicode_FSConverter, &to, arg_token, &token))
		return NULL;
	WAIT(token,
	     rc = fn(fs, PyBytes_AsString(from), PyBytes_AsString(to), &e));
	Py_DECREF(from);
	Py_DECREF(to);
	return done(rc, e);
}

static PyObject *fs_copy(PyObject *self, PyObject *args)
{
	(void)self;
	return call_paths(args, msb_fs_copy);
}

static PyObject *fs_rename(PyObject *self, PyObject *args)
{
	(void)self;
	return call_paths(args, msb_fs_rename);
}

static PyObject *fs_symlink(PyObject *self, PyObject *args)
{
	(void)self;
	return call_paths(args, msb_fs_symlink);
}

static PyObject *call_text(PyObject *args, text_fn fn)
{
	PyObject *path, *ret;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_fs_t *fs;
	char *s;
	int rc;

	if (!PyArg_ParseTuple(args, "O&O&O&", arg_fs, &fs,
			      PyUnicode_FSConverter, &path, arg_token, &token))
		return NULL;
	WAIT(token, rc = fn(fs, PyBytes_AsString(path), &s, &e));
	Py_DECREF(path);
	if (rc)
		return fail(e);
	ret = text(s);
	msb_free(s);
	return ret;
}

static PyObject *fs_read_link(PyObject *self, PyObject *args)
{
	(void)self;
	return call_text(args, msb_fs_read_link);
}

static PyObject *fs_real_path(PyObject *self, PyObject *args)
{
	(void)self;
	return call_text(args, msb_fs_real_path);
}

static PyObject *fs_mkdir(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	PyObject *path;
	msb_fs_t *fs;
	int mode, rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&iO&", arg_fs, &fs,
			      PyUnicode_FSConverter, &path, &mode, arg_token,
			      &token))
		return NULL;
	WAIT(token, rc = msb_fs_mkdir(fs, PyBytes_AsString(path), mode, &e));
	Py_DECREF(path);
	return done(rc, e);
}

static PyObject *fs_remove_dir(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	int recursive, rc;
	PyObject *path;
	msb_fs_t *fs;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&pO&", arg_fs, &fs,
			      PyUnicode_FSConverter, &path, &recursive,
			      arg_token, &token))
		return NULL;
	WAIT(token,
	     rc = msb_fs_remove_dir(fs, PyBytes_AsString(path), recursive, &e));
	Py_DECREF(path);
	return done(rc, e);
}

static PyObject *fs_stat(PyObject *self, PyObject *args)
{
	msb_fs_info_t i = { .struct_size = sizeof(i) };
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	PyObject *path;
	int follow, rc;
	msb_fs_t *fs;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&pO&", arg_fs, &fs,
			      PyUnicode_FSConverter, &path, &follow, arg_token,
			      &token))
		return NULL;
	WAIT(token,
	     rc = msb_fs_stat(fs, PyBytes_AsString(path), follow, &i, &e));
	Py_DECREF(path);
	return rc ? fail(e) : info(&i);
}

/* Of (mode, uid, gid, size, atime, mtime), None is left as it is. */
static int attrs_parse(PyObject *tuple, msb_fs_attrs_t *a)
{
	static const unsigned bits[] = { MSB_FS_SET_MODE,  MSB_FS_SET_UID,
					 MSB_FS_SET_GID,   MSB_FS_SET_SIZE,
					 MSB_FS_SET_ATIME, MSB_FS_SET_MTIME };
	long long v[6] = { 0 };

	if (!PyTuple_Check(tuple) || PyTuple_Size(tuple) != 6) {
		PyErr_SetString(PyExc_TypeError, "not six attributes");
		return -1;
	}
	memset(a, 0, sizeof(*a));
	a->struct_size = sizeof(*a);
	for (Py_ssize_t i = 0; i < 6; i++) {
		PyObject *o = PyTuple_GetItem(tuple, i);

		if (o == Py_None)
			continue;
		v[i] = PyLong_AsLongLong(o);
		if (v[i] == -1 && PyErr_Occurred())
			return -1;
		if (i < 4 && (v[i] < 0 || (i < 3 && v[i] > UINT32_MAX))) {
			PyErr_SetString(PyExc_ValueError,
					"attribute out of range");
			return -1;
		}
		a->set |= bits[i];
	}
	a->mode = (uint32_t)v[0];
	a->uid = (uint32_t)v[1];
	a->gid = (uint32_t)v[2];
	a->size = (uint64_t)v[3];
	a->atime_s = v[4];
	a->mtime_s = v[5];
	return 0;
}

static PyObject *fs_set_stat(PyObject *self, PyObject *args)
{
	PyObject *path, *tuple;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_fs_attrs_t a;
	int follow, rc;
	msb_fs_t *fs;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&pOO&", arg_fs, &fs,
			      PyUnicode_FSConverter, &path, &follow, &tuple,
			      arg_token, &token))
		return NULL;
	if (attrs_parse(tuple, &a)) {
		Py_DECREF(path);
		return NULL;
	}
	WAIT(token,
	     rc = msb_fs_set_stat(fs, PyBytes_AsString(path), follow, &a, &e));
	Py_DECREF(path);
	return done(rc, e);
}

/* Called within WAIT, so without the lock. */
static int add_entry(void *list, const char *name, const msb_fs_info_t *i)
{
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *entry = Py_BuildValue("NN", text(name), info(i));
	int rc = entry ? PyList_Append(list, entry) : -1;

	Py_XDECREF(entry);
	PyGILState_Release(state);
	return rc;
}

static PyObject *fs_list(PyObject *self, PyObject *args)
{
	PyObject *path, *list;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_fs_t *fs;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&O&", arg_fs, &fs,
			      PyUnicode_FSConverter, &path, arg_token, &token))
		return NULL;
	list = PyList_New(0);
	if (list)
		WAIT(token, rc = msb_fs_list(fs, PyBytes_AsString(path),
					     add_entry, list, &e));
	Py_DECREF(path);
	if (list && (rc || PyErr_Occurred())) {
		Py_DECREF(list);
		return rc ? fail(e) : NULL;
	}
	return list;
}

static PyObject *fs_read_file(PyObject *self, PyObject *args)
{
	PyObject *path, *ret;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_fs_t *fs;
	size_t len;
	void *data;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&O&", arg_fs, &fs,
			      PyUnicode_FSConverter, &path, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_fs_read_file(fs, PyBytes_AsString(path), 0, &data,
					  &len, &e));
	Py_DECREF(path);
	if (rc < 0)
		return fail(e);
	ret = PyBytes_FromStringAndSize(data, (Py_ssize_t)len);
	msb_free(data);
	return ret;
}

static PyObject *fs_write_file(PyObject *self, PyObject *args)
{
	int mode, append, rc;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	const char *data;
	PyObject *path;
	Py_ssize_t len;
	msb_fs_t *fs;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&y#ipO&", arg_fs, &fs,
			      PyUnicode_FSConverter, &path, &data, &len, &mode,
			      &append, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_fs_write_file(fs, PyBytes_AsString(path), data,
					   (size_t)len, mode, append, &e));
	Py_DECREF(path);
	return done(rc, e);
}

static PyObject *fs_open(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	uint64_t handle = 0;
	unsigned flags;
	PyObject *path;
	msb_fs_t *fs;
	int mode, rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&IiO&", arg_fs, &fs,
			      PyUnicode_FSConverter, &path, &flags, &mode,
			      arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_fs_open(fs, PyBytes_AsString(path), flags, mode,
				     &handle, &e));
	Py_DECREF(path);
	return rc ? fail(e) : PyLong_FromUnsignedLongLong(handle);
}

static PyObject *fs_close(PyObject *self, PyObject *args)
{
	unsigned long long handle;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_fs_t *fs;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&KO&", arg_fs, &fs, &handle, arg_token,
			      &token))
		return NULL;
	WAIT(token, rc = msb_fs_close(fs, handle, &e));
	return done(rc, e);
}

static PyObject *fs_fstat(PyObject *self, PyObject *args)
{
	msb_fs_info_t i = { .struct_size = sizeof(i) };
	unsigned long long handle;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_fs_t *fs;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&KO&", arg_fs, &fs, &handle, arg_token,
			      &token))
		return NULL;
	WAIT(token, rc = msb_fs_fstat(fs, handle, &i, &e));
	return rc ? fail(e) : info(&i);
}

static PyObject *fs_fset_stat(PyObject *self, PyObject *args)
{
	unsigned long long handle;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_fs_attrs_t a;
	PyObject *tuple;
	msb_fs_t *fs;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&KOO&", arg_fs, &fs, &handle, &tuple,
			      arg_token, &token) ||
	    attrs_parse(tuple, &a))
		return NULL;
	WAIT(token, rc = msb_fs_fset_stat(fs, handle, &a, &e));
	return done(rc, e);
}

static PyObject *fs_pread(PyObject *self, PyObject *args)
{
	unsigned long long handle, offset;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	PyObject *ret;
	Py_ssize_t len;
	msb_fs_t *fs;
	int64_t n;
	char *buf;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&KKnO&", arg_fs, &fs, &handle, &offset,
			      &len, arg_token, &token))
		return NULL;
	buf = len < 0 ? NULL : PyMem_Malloc((size_t)len);
	if (!buf)
		return PyErr_NoMemory();
	WAIT(token, n = msb_fs_pread(fs, handle, offset, buf, (size_t)len, &e));
	ret = n < 0 ? fail(e) : PyBytes_FromStringAndSize(buf, (Py_ssize_t)n);
	PyMem_Free(buf);
	return ret;
}

static PyObject *fs_pwrite(PyObject *self, PyObject *args)
{
	unsigned long long handle, offset;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	const char *data;
	Py_ssize_t len;
	msb_fs_t *fs;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&KKy#O&", arg_fs, &fs, &handle, &offset,
			      &data, &len, arg_token, &token))
		return NULL;
	WAIT(token,
	     rc = msb_fs_pwrite(fs, handle, offset, data, (size_t)len, &e));
	return done(rc, e);
}

/* Called within WAIT, so without the lock. */
static void add_skipped(void *list, const char *path, const char *why)
{
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *entry = Py_BuildValue("NN", text(path), text(why));

	/* What cannot be listed is raised after the call. */
	if (entry)
		(void)PyList_Append(list, entry);
	Py_XDECREF(entry);
	PyGILState_Release(state);
}

/* A sandbox, or NULL for None: the host. */
static int arg_place(PyObject *o, void *out)
{
	return o == Py_None ? arg_token(o, out) : arg_sandbox(o, out);
}

/* What could not be copied: a list of (path, why). */
static PyObject *copy(PyObject *self, PyObject *args)
{
	PyObject *from_path, *to_path, *list;
	msb_copy_options_t o = { .struct_size = sizeof(o),
				 .skipped = add_skipped };
	msb_sandbox_t *from, *to;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	int64_t n = 0;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&O&O&O&", arg_place, &from,
			      PyUnicode_FSConverter, &from_path, arg_place, &to,
			      PyUnicode_FSConverter, &to_path, arg_token,
			      &token))
		return NULL;
	list = o.ctx = PyList_New(0);
	if (list)
		WAIT(token, n = msb_copy(from, PyBytes_AsString(from_path), to,
					 PyBytes_AsString(to_path), &o, &e));
	Py_DECREF(from_path);
	Py_DECREF(to_path);
	if (list && (n < 0 || PyErr_Occurred())) {
		Py_DECREF(list);
		return n < 0 ? fail(e) : NULL;
	}
	return list;
}

PyMethodDef fs_methods[] = {
	{ "fs_connect", fs_connect, METH_VARARGS, NULL },
	{ "fs_open_volume", fs_open_volume, METH_VARARGS, NULL },
	{ "fs_exists", fs_exists, METH_VARARGS, NULL },
	{ "fs_remove", fs_remove, METH_VARARGS, NULL },
	{ "fs_copy", fs_copy, METH_VARARGS, NULL },
	{ "fs_rename", fs_rename, METH_VARARGS, NULL },
	{ "fs_symlink", fs_symlink, METH_VARARGS, NULL },
	{ "fs_read_link", fs_read_link, METH_VARARGS, NULL },
	{ "fs_real_path", fs_real_path, METH_VARARGS, NULL },
	{ "fs_mkdir", fs_mkdir, METH_VARARGS, NULL },
	{ "fs_remove_dir", fs_remove_dir, METH_VARARGS, NULL },
	{ "fs_stat", fs_stat, METH_VARARGS, NULL },
	{ "fs_set_stat", fs_set_stat, METH_VARARGS, NULL },
	{ "fs_list", fs_list, METH_VARARGS, NULL },
	{ "fs_read_file", fs_read_file, METH_VARARGS, NULL },
	{ "fs_write_file", fs_write_file, METH_VARARGS, NULL },
	{ "fs_open", fs_open, METH_VARARGS, NULL },
	{ "fs_close", fs_close, METH_VARARGS, NULL },
	{ "fs_fstat", fs_fstat, METH_VARARGS, NULL },
	{ "fs_fset_stat", fs_fset_stat, METH_VARARGS, NULL },
	{ "fs_pread", fs_pread, METH_VARARGS, NULL },
	{ "fs_pwrite", fs_pwrite, METH_VARARGS, NULL },
	{ "copy", copy, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};
