/* SPDX-License-Identifier: Apache-2.0 */
/* The host: what it lacks, and releases to install. */
#include "native.h"

/* Called within WAIT, so without the lock. */
static int add_check(void *list, const msb_check_t *c)
{
	static const char *const states[] = {
		[MSB_CHECK_OK] = "ok",
		[MSB_CHECK_WARN] = "warn",
		[MSB_CHECK_FAIL] = "fail",
		[MSB_CHECK_INFO] = "info",
	};
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *item = Py_BuildValue("sNNN", states[c->state], text(c->name),
				       text(c->detail), text(c->remedy));
	int rc = item ? PyList_Append(list, item) : -1;

	Py_XDECREF(item);
	PyGILState_Release(state);
	return rc;
}

/* A list of (state, name, detail, remedy). */
static PyObject *doctor(PyObject *self, PyObject *args)
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
		WAIT(token, rc = msb_doctor(m, add_check, list, &e));
	if (list && (rc < 0 || PyErr_Occurred())) {
		Py_DECREF(list);
		return rc < 0 ? fail(e) : NULL;
	}
	return list;
}

/* Find a release and install it; its version. */
static PyObject *release_install(PyObject *self, PyObject *args)
{
	msb_release_query_t q = { .struct_size = sizeof(q) };
	msb_release_t *r = NULL;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	PyObject *ret;
	int again, rc;
	msb_t *m;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&zzpO&", arg_home, &m, &q.source,
			      &q.version, &again, arg_token, &token))
		return NULL;
	WAIT(token, {
		rc = msb_release_find(m, &q, &r, &e);
		if (!rc)
			rc = msb_release_install(r, again, NULL, &e);
	});
	ret = rc ? fail(e) : text(msb_release_version(r));
	msb_release_free(r);
	return ret;
}

PyMethodDef host_methods[] = {
	{ "doctor", doctor, METH_VARARGS, NULL },
	{ "release_install", release_install, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};
