/* SPDX-License-Identifier: Apache-2.0 */
/* Images of the cache, and registries. */
#include "native.h"

#include <string.h>

/* Called within WAIT, so without the lock; 1 cancels what it is told of. */
static int on_progress(void *ctx, const msb_image_event_t *ev)
{
	static const char *const names[] = {
		[MSB_IMAGE_RESOLVING] = "resolving",
		[MSB_IMAGE_RESOLVED] = "resolved",
		[MSB_IMAGE_DOWNLOAD] = "download",
		[MSB_IMAGE_UNPACK] = "unpack",
		[MSB_IMAGE_WAITING] = "waiting",
		[MSB_IMAGE_CACHED] = "cached",
		[MSB_IMAGE_LAYER] = "layer",
		[MSB_IMAGE_MERGING] = "merging",
		[MSB_IMAGE_NOTE] = "note",
		[MSB_IMAGE_DONE] = "done",
	};
	PyGILState_STATE state = PyGILState_Ensure();
	const struct progress *p = ctx;
	PyObject *done;

	done = PyObject_CallFunction(
		p->fn, "sNnnKKN", names[ev->kind], text(ev->reference),
		(Py_ssize_t)ev->layer, (Py_ssize_t)ev->layer_count,
		(unsigned long long)ev->bytes, (unsigned long long)ev->total,
		text(ev->message));
	/* Nobody listens any more; the work goes on. */
	if (!done)
		PyErr_Clear();
	Py_XDECREF(done);
	PyGILState_Release(state);
	return 0;
}

msb_image_options_t *image_options_new(struct progress *p, PyObject *fn)
{
	msb_image_options_t *o = msb_image_options_new();

	if (!o) {
		PyErr_NoMemory();
		return NULL;
	}
	p->fn = fn;
	if (fn != Py_None)
		msb_image_options_set_progress(o, on_progress, p);
	return o;
}

/* JSON of all that is known, and what has a function of its own. */
static PyObject *describe(const msb_image_t *img)
{
	PyObject *d = PyDict_New();

	if (d && (put(d, "reference", text(msb_image_reference(img))) ||
		  put(d, "canonical", text(msb_image_canonical(img))) ||
		  put(d, "digest", text(msb_image_digest(img))) ||
		  put(d, "created_ms",
		      PyLong_FromLongLong(msb_image_created_unix_ms(img))) ||
		  put(d, "last_used_ms",
		      PyLong_FromLongLong(msb_image_last_used_unix_ms(img))) ||
		  put(d, "size_bytes",
		      PyLong_FromLongLong(msb_image_size_bytes(img))) ||
		  put(d, "architecture", text(msb_image_architecture(img))) ||
		  put(d, "os", text(msb_image_os(img))) ||
		  put(d, "layer_count",
		      PyLong_FromSize_t(msb_image_layer_count(img)))))
		Py_CLEAR(d);
	return d;
}

static PyObject *layers(const msb_image_t *img)
{
	size_t n = msb_image_layer_count(img);
	PyObject *list = PyList_New((Py_ssize_t)n);

	for (size_t i = 0; list && i < n; i++) {
		msb_image_layer_t l = { .struct_size = sizeof(l) };
		PyObject *item;

		msb_image_layer(img, i, &l);
		item = Py_BuildValue("NNNK", text(l.diff_id), text(l.digest),
				     text(l.media_type),
				     (unsigned long long)l.size_bytes);
		if (!item)
			Py_CLEAR(list);
		else
			PyList_SetItem(list, (Py_ssize_t)i, item);
	}
	return list;
}

static PyObject *describe_list(msb_image_list_t *l)
{
	size_t n = msb_image_list_count(l);
	PyObject *list = PyList_New((Py_ssize_t)n);

	for (size_t i = 0; list && i < n; i++) {
		PyObject *d = describe(msb_image_list_item(l, i));

		if (!d)
			Py_CLEAR(list);
		else
			PyList_SetItem(list, (Py_ssize_t)i, d);
	}
	msb_image_list_free(l);
	return list;
}

static const char *const policies[] = {
	[MSB_PULL_IF_MISSING] = "if-missing",
	[MSB_PULL_ALWAYS] = "always",
	[MSB_PULL_NEVER] = "never",
};

static int set_policy(msb_image_options_t *o, const char *name)
{
	for (int i = 0; name && i < 3; i++) {
		if (strcmp(name, policies[i]) == 0) {
			msb_image_options_set_policy(o, (msb_pull_policy_t)i);
			name = NULL;
		}
	}
	if (!name)
		return 0;
	PyErr_Format(PyExc_ValueError, "no policy of pulling: '%s'", name);
	return -1;
}

/* Was it in the cache? */
static PyObject *image_pull(PyObject *self, PyObject *args)
{
	const char *ref, *policy, *ca, *user, *password;
	struct progress progress;
	msb_image_options_t *o;
	msb_error_t *e = NULL;
	int force, insecure, rc;
	msb_cancel_t *token;
	bool cached = false;
	PyObject *fn;
	msb_t *m;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&szppzzzOO&", arg_home, &m, &ref, &policy,
			      &force, &insecure, &ca, &user, &password, &fn,
			      arg_token, &token))
		return NULL;
	o = image_options_new(&progress, fn);
	if (!o)
		return NULL;
	if (set_policy(o, policy)) {
		msb_image_options_free(o);
		return NULL;
	}
	msb_image_options_set_force(o, force);
	msb_image_options_set_insecure(o, insecure);
	rc = ca ? msb_image_options_set_ca_certs(o, ca, &e) : 0;
	if (!rc && user)
		rc = msb_image_options_set_login(o, user,
						 password ? password : "", &e);
	if (!rc)
		WAIT(token, rc = msb_image_pull(m, ref, o, &cached, &e));
	msb_image_options_free(o);
	return rc ? fail(e) : PyBool_FromLong(cached);
}

/* (what is known, layers, JSON text) */
static PyObject *image_get(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_image_t *img;
	const char *ref;
	PyObject *ret;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&sO&", arg_home, &m, &ref, arg_token,
			      &token))
		return NULL;
	WAIT(token, rc = msb_image_get(m, ref, &img, &e));
	if (rc)
		return fail(e);
	ret = Py_BuildValue("NNN", describe(img), layers(img),
			    text(msb_image_json(img)));
	msb_image_free(img);
	return ret;
}

static PyObject *image_list(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_image_list_t *l;
	msb_cancel_t *token;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_home, &m, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_image_list(m, &l, &e));
	return rc ? fail(e) : describe_list(l);
}

static PyObject *image_remove(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	const char *ref;
	int force, rc;
	msb_t *m;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&spO&", arg_home, &m, &ref, &force,
			      arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_image_remove(m, ref, force, &e));
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

/* (references, manifests, layers, merged, bytes) */
static PyObject *image_prune(PyObject *self, PyObject *args)
{
	msb_image_freed_t f = { .struct_size = sizeof(f) };
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_home, &m, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_image_prune(m, &f, &e));
	if (rc)
		return fail(e);
	return Py_BuildValue("IIIIK", f.references, f.manifests, f.layers,
			     f.merged, (unsigned long long)f.bytes);
}

static PyObject *image_load(PyObject *self, PyObject *args)
{
	struct progress progress;
	msb_image_options_t *o;
	PyObject *list, *fn;
	msb_error_t *e = NULL;
	msb_image_list_t *l;
	msb_cancel_t *token;
	const char *input;
	struct strv refs;
	int fd, rc;
	msb_t *m;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&isOOO&", arg_home, &m, &fd, &input,
			      &list, &fn, arg_token, &token))
		return NULL;
	o = image_options_new(&progress, fn);
	if (!o || strv_init(&refs, list)) {
		msb_image_options_free(o);
		return NULL;
	}
	WAIT(token,
	     rc = msb_image_load(m, fd, input, refs.v, refs.n, o, &l, &e));
	msb_image_options_free(o);
	strv_clear(&refs);
	return rc ? fail(e) : describe_list(l);
}

static PyObject *image_save(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	struct strv refs;
	PyObject *list;
	int fd, oci, rc;
	msb_t *m;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&OpiO&", arg_home, &m, &list, &oci, &fd,
			      arg_token, &token) ||
	    strv_init(&refs, list))
		return NULL;
	WAIT(token,
	     rc = msb_image_save(m, refs.v, refs.n,
				 oci ? MSB_ARCHIVE_OCI : MSB_ARCHIVE_DOCKER, fd,
				 NULL, &e));
	strv_clear(&refs);
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

static PyObject *registry_login(PyObject *self, PyObject *args)
{
	const char *host, *user, *password;
	msb_error_t *e = NULL;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&sss", arg_home, &m, &host, &user,
			      &password))
		return NULL;
	WAIT(NULL, rc = msb_registry_login(m, host, user, password, &e));
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

static PyObject *registry_logout(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	bool found = false;
	const char *host;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&s", arg_home, &m, &host))
		return NULL;
	WAIT(NULL, rc = msb_registry_logout(m, host, &found, &e));
	return rc ? fail(e) : PyBool_FromLong(found);
}

PyMethodDef image_methods[] = {
	{ "image_pull", image_pull, METH_VARARGS, NULL },
	{ "image_get", image_get, METH_VARARGS, NULL },
	{ "image_list", image_list, METH_VARARGS, NULL },
	{ "image_remove", image_remove, METH_VARARGS, NULL },
	{ "image_prune", image_prune, METH_VARARGS, NULL },
	{ "image_load", image_load, METH_VARARGS, NULL },
	{ "image_save", image_save, METH_VARARGS, NULL },
	{ "registry_login", registry_login, METH_VARARGS, NULL },
	{ "registry_logout", registry_logout, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};
