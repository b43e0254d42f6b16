/* SPDX-License-Identifier: Apache-2.0 */
/* The module microsandbox._native: handles, home, cancelling. */
#include "native.h"

#include <string.h>
#include <unistd.h>

static PyTypeObject *handle_type;

#define DEFINE_KIND(name_, type, free_)                                        \
	static void release_##name_(void *p)                                   \
	{                                                                      \
		free_((type *)p);                                              \
	}                                                                      \
	struct kind kind_##name_ = { #name_, release_##name_, 0 };             \
	int arg_##name_(PyObject *o, void *out)                                \
	{                                                                      \
		return handle_convert(o, &kind_##name_, out);                  \
	}
KINDS(DEFINE_KIND)

#define KIND_ADDRESS(name, type, free) &kind_##name,
static struct kind *const kinds[] = { KINDS(KIND_ADDRESS) };

PyObject *handle_new(struct kind *k, void *p, PyObject *owner)
{
	struct handle *h = PyObject_New(struct handle, handle_type);

	if (!h) {
		k->free(p);
		return NULL;
	}
	h->kind = k;
	h->p = p;
	h->pid = getpid();
	Py_XINCREF(owner);
	h->owner = owner;
	k->alive++;
	return (PyObject *)h;
}

int handle_convert(PyObject *o, const struct kind *k, void *out)
{
	const struct handle *h = (const struct handle *)o;

	if (!Py_IS_TYPE(o, handle_type) || h->kind != k) {
		PyErr_Format(PyExc_TypeError, "not a handle of a %s", k->name);
		return 0;
	}
	if (h->pid != getpid()) {
		PyErr_Format(PyExc_RuntimeError,
			     "this %s belongs to the parent process", k->name);
		return 0;
	}
	memcpy(out, &h->p, sizeof(h->p));
	return 1;
}

int arg_token(PyObject *o, void *out)
{
	void *none = NULL;

	if (o != Py_None)
		return arg_cancel(o, out);
	memcpy(out, &none, sizeof(none));
	return 1;
}

static void handle_dealloc(PyObject *self)
{
	struct handle *h = (struct handle *)self;
	PyTypeObject *type = Py_TYPE(self);
	freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
	PyObject *owner = h->owner;

	h->kind->alive--;
	if (h->pid == getpid())
		h->kind->free(h->p);
	release(self);
	Py_XDECREF(owner);
	Py_DECREF(type);
}

static PyObject *handle_repr(PyObject *self)
{
	const struct handle *h = (const struct handle *)self;

	return PyUnicode_FromFormat("<%s handle>", h->kind->name);
}

static PyType_Slot handle_slots[] = {
	{ Py_tp_dealloc, (void *)handle_dealloc },
	{ Py_tp_repr, (void *)handle_repr },
	{ Py_tp_doc, (void *)"An object of libmicrosandbox." },
	{ 0, NULL },
};
static PyType_Spec handle_spec = {
	.name = "microsandbox._native.Handle",
	.basicsize = sizeof(struct handle),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = handle_slots,
};

/* How many handles of each kind there are, for who looks for leaks. */
static PyObject *live_handles(PyObject *self, PyObject *none)
{
	PyObject *d = PyDict_New();

	(void)self, (void)none;
	for (size_t i = 0; d && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (put(d, kinds[i]->name, PyLong_FromSsize_t(kinds[i]->alive)))
			Py_CLEAR(d);
	}
	return d;
}

/* The names of all kinds of errors. */
static PyObject *error_kinds(PyObject *self, PyObject *none)
{
	PyObject *list = PyList_New(0);

	(void)self, (void)none;
	for (int i = MSB_ERR_NONE + 1; list && i <= MSB_ERR_AGENT_CLOSED; i++) {
		PyObject *name = text(msb_error_kind_name((msb_error_kind_t)i));

		if (!name || PyList_Append(list, name))
			Py_CLEAR(list);
		Py_XDECREF(name);
	}
	return list;
}

static PyObject *home_open(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	PyObject *path = NULL;
	const char *home = NULL;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O", &path))
		return NULL;
	if (path != Py_None) {
		if (!PyUnicode_FSConverter(path, &path))
			return NULL;
		home = PyBytes_AsString(path);
	} else {
		Py_INCREF(path);
	}
	WAIT(NULL, rc = msb_open(home, &m, &e));
	Py_DECREF(path);
	return rc ? fail(e) : handle_new(&kind_home, m, NULL);
}

static PyObject *home_path(PyObject *self, PyObject *args)
{
	msb_t *m;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_home, &m))
		return NULL;
	return text(msb_home(m));
}

static PyObject *cancel_new(PyObject *self, PyObject *none)
{
	msb_cancel_t *c = msb_cancel_new();

	(void)self, (void)none;
	return c ? handle_new(&kind_cancel, c, NULL) : PyErr_NoMemory();
}

static PyObject *cancel_trigger(PyObject *self, PyObject *args)
{
	msb_cancel_t *c;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_cancel, &c))
		return NULL;
	msb_cancel_trigger(c);
	Py_RETURN_NONE;
}

static PyObject *version(PyObject *self, PyObject *none)
{
	(void)self, (void)none;
	return text(msb_version());
}

static PyObject *abi_version(PyObject *self, PyObject *none)
{
	(void)self, (void)none;
	return PyLong_FromUnsignedLong(msb_abi_version());
}

static PyObject *feature_supported(PyObject *self, PyObject *args)
{
	const char *name;

	(void)self;
	if (!PyArg_ParseTuple(args, "s", &name))
		return NULL;
	return PyBool_FromLong(msb_feature_supported(name));
}

static PyMethodDef module_methods[] = {
	{ "live_handles", live_handles, METH_NOARGS, NULL },
	{ "set_error_factory", set_error_factory, METH_O, NULL },
	{ "error_kinds", error_kinds, METH_NOARGS, NULL },
	{ "home_open", home_open, METH_VARARGS, NULL },
	{ "home_path", home_path, METH_VARARGS, NULL },
	{ "cancel_new", cancel_new, METH_NOARGS, NULL },
	{ "cancel_trigger", cancel_trigger, METH_VARARGS, NULL },
	{ "version", version, METH_NOARGS, NULL },
	{ "abi_version", abi_version, METH_NOARGS, NULL },
	{ "feature_supported", feature_supported, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef module_def = {
	PyModuleDef_HEAD_INIT,
	.m_name = "microsandbox._native",
	.m_doc = "libmicrosandbox; for the use of the package alone.",
	.m_size = -1,
	.m_methods = module_methods,
};

PyMODINIT_FUNC PyInit__native(void);
PyMODINIT_FUNC PyInit__native(void)
{
	PyMethodDef *const tables[] = {
		sandbox_methods,  exec_methods,	 fs_methods,
		log_methods,	  image_methods, volume_methods,
		snapshot_methods, agent_methods, host_methods,
	};
	PyObject *m = PyModule_Create(&module_def);

	if (!m)
		return NULL;
	handle_type = (PyTypeObject *)PyType_FromSpec(&handle_spec);
	if (!handle_type ||
	    PyModule_AddObjectRef(m, "Handle", (PyObject *)handle_type)) {
		Py_DECREF(m);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (PyModule_AddFunctions(m, tables[i])) {
			Py_DECREF(m);
			return NULL;
		}
	}
	return m;
}
