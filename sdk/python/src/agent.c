/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to and from a guest's agent. */
#include "native.h"

static PyObject *agent_connect(PyObject *self, PyObject *args)
{
	unsigned long long timeout_ms;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	const char *name;
	msb_agent_t *a;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&sKO&", arg_home, &m, &name, &timeout_ms,
			      arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_agent_connect(m, name, timeout_ms, &a, &e));
	if (rc)
		return fail(e);
	return handle_new(&kind_agent, a, PyTuple_GetItem(args, 0));
}

static PyObject *agent_connect_path(PyObject *self, PyObject *args)
{
	unsigned long long timeout_ms;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	PyObject *path;
	msb_agent_t *a;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&KO&", PyUnicode_FSConverter, &path,
			      &timeout_ms, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_agent_connect_path(PyBytes_AsString(path),
						timeout_ms, &a, &e));
	Py_DECREF(path);
	return rc ? fail(e) : handle_new(&kind_agent, a, NULL);
}

static PyObject *agent_close(PyObject *self, PyObject *args)
{
	msb_agent_t *a;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_agent, &a))
		return NULL;
	WAIT(NULL, msb_agent_close(a));
	Py_RETURN_NONE;
}

static PyObject *agent_id_range(PyObject *self, PyObject *args)
{
	uint32_t first, end;
	msb_agent_t *a;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_agent, &a))
		return NULL;
	msb_agent_id_range(a, &first, &end);
	return Py_BuildValue("II", first, end);
}

static PyObject *agent_ready_bytes(PyObject *self, PyObject *args)
{
	const void *body;
	msb_agent_t *a;
	size_t len;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_agent, &a))
		return NULL;
	body = msb_agent_ready_bytes(a, &len);
	return PyBytes_FromStringAndSize(body, (Py_ssize_t)len);
}

/* (boot, init, ready in ns, generation, version of the agent) */
static PyObject *agent_ready(PyObject *self, PyObject *args)
{
	msb_agent_ready_t r = { .struct_size = sizeof(r) };
	msb_agent_t *a;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_agent, &a))
		return NULL;
	msb_agent_ready(a, &r);
	return Py_BuildValue("KKKIN", (unsigned long long)r.boot_time_ns,
			     (unsigned long long)r.init_time_ns,
			     (unsigned long long)r.ready_time_ns, r.generation,
			     text(r.agent_version));
}

/* (id, flags, body) */
static PyObject *frame(msb_agent_frame_t *f)
{
	PyObject *ret =
		Py_BuildValue("IBy#", f->id, f->flags, f->body ? f->body : "",
			      (Py_ssize_t)f->len);

	msb_agent_frame_clear(f);
	return ret;
}

static PyObject *agent_request(PyObject *self, PyObject *args)
{
	msb_agent_frame_t f = { .struct_size = sizeof(f) };
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	unsigned char flags;
	const char *body;
	int timeout_ms, rc;
	msb_agent_t *a;
	Py_ssize_t len;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&by#iO&", arg_agent, &a, &flags, &body,
			      &len, &timeout_ms, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_agent_request(a, flags, body, (size_t)len,
					   timeout_ms, &f, &e));
	return rc < 0 ? fail(e) : frame(&f);
}

static PyObject *agent_stream_open(PyObject *self, PyObject *args)
{
	msb_agent_stream_t *st;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	unsigned char flags;
	const char *body;
	msb_agent_t *a;
	Py_ssize_t len;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&by#O&", arg_agent, &a, &flags, &body,
			      &len, arg_token, &token))
		return NULL;
	WAIT(token,
	     rc = msb_agent_stream_open(a, flags, body, (size_t)len, &st, &e));
	if (rc)
		return fail(e);
	return handle_new(&kind_agent_stream, st, PyTuple_GetItem(args, 0));
}

static PyObject *agent_stream_id(PyObject *self, PyObject *args)
{
	msb_agent_stream_t *st;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_agent_stream, &st))
		return NULL;
	return PyLong_FromUnsignedLong(msb_agent_stream_id(st));
}

static PyObject *agent_stream_fd(PyObject *self, PyObject *args)
{
	msb_agent_stream_t *st;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_agent_stream, &st))
		return NULL;
	return PyLong_FromLong(msb_agent_stream_fd(st));
}

/* As log_poll(); limit is in bytes. */
static PyObject *agent_stream_poll(PyObject *self, PyObject *args)
{
	msb_agent_stream_t *st;
	long long limit, size = 0;
	msb_error_t *e = NULL;
	PyObject *append;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&OL", arg_agent_stream, &st, &append,
			      &limit))
		return NULL;
	while (size < limit) {
		msb_agent_frame_t f = { .struct_size = sizeof(f) };
		PyObject *item, *done;
		int rc;

		WAIT(NULL, rc = msb_agent_stream_next(st, 0, &f, &e));
		if (rc < 0)
			return fail(e);
		if (!rc)
			return PyLong_FromLong(msb_agent_stream_ended(st) ? -2
									  : -1);
		size += (long long)f.len + 64;
		item = frame(&f);
		if (!item)
			return NULL;
		done = PyObject_CallFunctionObjArgs(append, item, NULL);
		Py_DECREF(item);
		if (!done)
			return NULL;
		Py_DECREF(done);
	}
	return PyLong_FromLongLong(size);
}

static PyObject *agent_send(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	unsigned char flags;
	const char *body;
	msb_agent_t *a;
	Py_ssize_t len;
	unsigned id;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&Iby#O&", arg_agent, &a, &id, &flags,
			      &body, &len, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_agent_send(a, id, flags, body, (size_t)len, &e));
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

/* The body of a message, from its type and the CBOR of its payload. */
static PyObject *agent_encode(PyObject *self, PyObject *args)
{
	const char *type, *payload;
	msb_error_t *e = NULL;
	Py_ssize_t len;
	PyObject *ret;
	size_t body_len;
	void *body;

	(void)self;
	if (!PyArg_ParseTuple(args, "sy#", &type, &payload, &len))
		return NULL;
	if (msb_agent_encode(type, payload, (size_t)len, &body, &body_len, &e))
		return fail(e);
	ret = PyBytes_FromStringAndSize(body, (Py_ssize_t)body_len);
	msb_free(body);
	return ret;
}

/* (version, type, payload) */
static PyObject *agent_decode(PyObject *self, PyObject *args)
{
	msb_agent_message_t msg = { .struct_size = sizeof(msg) };
	msb_error_t *e = NULL;
	const char *body;
	Py_ssize_t len;

	(void)self;
	if (!PyArg_ParseTuple(args, "y#", &body, &len))
		return NULL;
	if (msb_agent_decode(body, (size_t)len, &msg, &e))
		return fail(e);
	return Py_BuildValue("INy#", msg.version,
			     text_n(msg.type, msg.type_len), msg.payload,
			     (Py_ssize_t)msg.payload_len);
}

PyMethodDef agent_methods[] = {
	{ "agent_connect", agent_connect, METH_VARARGS, NULL },
	{ "agent_connect_path", agent_connect_path, METH_VARARGS, NULL },
	{ "agent_close", agent_close, METH_VARARGS, NULL },
	{ "agent_id_range", agent_id_range, METH_VARARGS, NULL },
	{ "agent_ready_bytes", agent_ready_bytes, METH_VARARGS, NULL },
	{ "agent_ready", agent_ready, METH_VARARGS, NULL },
	{ "agent_request", agent_request, METH_VARARGS, NULL },
	{ "agent_stream_open", agent_stream_open, METH_VARARGS, NULL },
	{ "agent_stream_id", agent_stream_id, METH_VARARGS, NULL },
	{ "agent_stream_fd", agent_stream_fd, METH_VARARGS, NULL },
	{ "agent_stream_poll", agent_stream_poll, METH_VARARGS, NULL },
	{ "agent_send", agent_send, METH_VARARGS, NULL },
	{ "agent_encode", agent_encode, METH_VARARGS, NULL },
	{ "agent_decode", agent_decode, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};
