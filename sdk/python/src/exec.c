/* SPDX-License-Identifier: Apache-2.0 */
/* Commands in a guest. */
#include "native.h"

#include <string.h>

/* One command, as the package describes it: a tuple of these. */
struct command {
	PyObject *argv, *env, *rlimits; /* lists; argv None: a script */
	const char *script, *cwd, *user;
	unsigned long long timeout_ms;
	const char *stdin_data; /* NULL: what is written to it */
	Py_ssize_t stdin_len;
	int tty;
	unsigned rows, cols;
	Py_ssize_t output_max; /* 0: the default */
};

static int command_parse(PyObject *tuple, struct command *c)
{
	return PyArg_ParseTuple(tuple, "OzOzzOKz#pIIn", &c->argv, &c->script,
				&c->env, &c->cwd, &c->user, &c->rlimits,
				&c->timeout_ms, &c->stdin_data, &c->stdin_len,
				&c->tty, &c->rows, &c->cols, &c->output_max);
}

static int add_env(msb_exec_options_t *o, PyObject *list, msb_error_t **e)
{
	for (Py_ssize_t i = 0; i < PyList_Size(list); i++) {
		const char *key, *value;

		if (!PyArg_ParseTuple(PyList_GetItem(list, i), "ss", &key,
				      &value) ||
		    msb_exec_options_add_env(o, key, value, e))
			return -1;
	}
	return 0;
}

static int add_rlimits(msb_exec_options_t *o, PyObject *list, msb_error_t **e)
{
	for (Py_ssize_t i = 0; i < PyList_Size(list); i++) {
		unsigned long long soft, hard;
		const char *resource;

		if (!PyArg_ParseTuple(PyList_GetItem(list, i), "sKK", &resource,
				      &soft, &hard) ||
		    msb_exec_options_add_rlimit(o, resource, soft, hard, e))
			return -1;
	}
	return 0;
}

static int set_command(msb_exec_options_t *o, const msb_sandbox_t *s,
		       const struct command *c, msb_error_t **e)
{
	struct strv argv;
	int rc;

	if (c->script)
		return msb_exec_options_set_shell(o, s, c->script, e);
	if (strv_init(&argv, c->argv))
		return -1;
	rc = msb_exec_options_set_command(o, argv.v, argv.n, e);
	strv_clear(&argv);
	return rc;
}

/* NULL with an exception. */
static msb_exec_options_t *options_new(const msb_sandbox_t *s, PyObject *tuple)
{
	msb_exec_options_t *o;
	msb_error_t *e = NULL;
	struct command c;

	if (!command_parse(tuple, &c))
		return NULL;
	o = msb_exec_options_new();
	if (!o) {
		PyErr_NoMemory();
		return NULL;
	}
	if (set_command(o, s, &c, &e) || add_env(o, c.env, &e) ||
	    add_rlimits(o, c.rlimits, &e) ||
	    (c.cwd && msb_exec_options_set_cwd(o, c.cwd, &e)) ||
	    (c.user && msb_exec_options_set_user(o, c.user, &e)) ||
	    (c.stdin_data &&
	     msb_exec_options_set_stdin(o, c.stdin_data, (size_t)c.stdin_len,
					&e))) {
		msb_exec_options_free(o);
		if (!PyErr_Occurred())
			fail(e);
		return NULL;
	}
	msb_exec_options_set_timeout_ms(o, c.timeout_ms);
	if (c.tty)
		msb_exec_options_set_tty(o, true, c.rows, c.cols, NULL);
	if (c.output_max)
		msb_exec_options_set_output_max(o, (size_t)c.output_max);
	return o;
}

/* (code, signal, stdout, stderr, truncated) */
static PyObject *output(const msb_exec_output_t *out)
{
	return Py_BuildValue(
		"iiNNN", out->exit_code, out->signal,
		PyBytes_FromStringAndSize(out->out, (Py_ssize_t)out->out_len),
		PyBytes_FromStringAndSize(out->err, (Py_ssize_t)out->err_len),
		PyBool_FromLong(out->truncated));
}

static PyObject *exec_run(PyObject *self, PyObject *args)
{
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	PyObject *tuple, *ret = NULL;
	msb_exec_options_t *o;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O!O&", arg_sandbox, &s, &PyTuple_Type,
			      &tuple, arg_token, &token))
		return NULL;
	o = options_new(s, tuple);
	if (!o)
		return NULL;
	WAIT(token, rc = msb_exec_run(s, o, &out, &e));
	msb_exec_options_free(o);
	if (!rc || msb_error_kind(e) == MSB_ERR_EXEC_TIMEOUT)
		ret = output(&out);
	msb_exec_output_clear(&out);
	if (rc) {
		fail_with(e, ret);
		Py_CLEAR(ret);
	}
	return ret;
}

static PyObject *exec_start(PyObject *self, PyObject *args)
{
	msb_exec_options_t *o;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	PyObject *tuple;
	msb_sandbox_t *s;
	msb_exec_t *x;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O!O&", arg_sandbox, &s, &PyTuple_Type,
			      &tuple, arg_token, &token))
		return NULL;
	o = options_new(s, tuple);
	if (!o)
		return NULL;
	WAIT(token, rc = msb_exec_start(s, o, &x, &e));
	msb_exec_options_free(o);
	if (rc)
		return fail(e);
	return handle_new(&kind_exec, x, PyTuple_GetItem(args, 0));
}

static PyObject *exec_attach(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	msb_exec_t *x;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_sandbox, &s, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_sandbox_attach(s, &x, &e));
	if (rc)
		return fail(e);
	return handle_new(&kind_exec, x, PyTuple_GetItem(args, 0));
}

static PyObject *exec_detach(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_exec_t *x;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_exec, &x, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_exec_detach(x, &e));
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

/* (kind, data, pid, code, signal) */
static PyObject *event(const msb_exec_event_t *ev)
{
	static const char *const names[] = {
		[MSB_EXEC_STARTED] = "started",
		[MSB_EXEC_STDOUT] = "stdout",
		[MSB_EXEC_STDERR] = "stderr",
		[MSB_EXEC_STDIN_ERROR] = "stdin_error",
		[MSB_EXEC_EXITED] = "exited",
	};

	return Py_BuildValue("sy#Iii", names[ev->kind],
			     ev->data ? ev->data : "", (Py_ssize_t)ev->len,
			     (unsigned)ev->pid, ev->exit_code, ev->signal);
}

/*
 * Append what has come to a list, about limit bytes at most, without waiting.
 * The number of bytes; -1: there is nothing more now, -2: the command has
 * ended. An error comes after what was before it.
 */
static PyObject *exec_poll(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	PyObject *append;
	long long limit, size = 0;
	msb_exec_t *x;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&OL", arg_exec, &x, &append, &limit))
		return NULL;
	while (size < limit) {
		msb_exec_event_t ev = { .struct_size = sizeof(ev) };
		PyObject *item, *done;
		int rc;

		WAIT(NULL, rc = msb_exec_next(x, 0, &ev, &e));
		if (rc)
			return fail(e);
		if (ev.kind == MSB_EXEC_NONE)
			return PyLong_FromLong(-1);
		item = event(&ev);
		if (!item)
			return NULL;
		done = PyObject_CallFunctionObjArgs(append, item, NULL);
		Py_DECREF(item);
		if (!done)
			return NULL;
		Py_DECREF(done);
		if (ev.kind == MSB_EXEC_EXITED)
			return PyLong_FromLong(-2);
		size += (long long)ev.len + 64;
	}
	return PyLong_FromLongLong(size);
}

static PyObject *exec_fd(PyObject *self, PyObject *args)
{
	msb_exec_t *x;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_exec, &x))
		return NULL;
	return PyLong_FromLong(msb_exec_fd(x));
}

static PyObject *exec_stdin_fd(PyObject *self, PyObject *args)
{
	msb_exec_t *x;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_exec, &x))
		return NULL;
	return PyLong_FromLong(msb_exec_stdin_fd(x));
}

static PyObject *exec_id(PyObject *self, PyObject *args)
{
	msb_exec_t *x;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_exec, &x))
		return NULL;
	return PyLong_FromUnsignedLong(msb_exec_id(x));
}

static PyObject *exec_wants_write(PyObject *self, PyObject *args)
{
	msb_exec_t *x;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_exec, &x))
		return NULL;
	return PyBool_FromLong(msb_exec_wants_write(x));
}

/* How many of the bytes from offset on were taken. */
static PyObject *exec_write(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	Py_ssize_t offset, len;
	const char *data;
	msb_exec_t *x;
	int64_t n;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&y#n", arg_exec, &x, &data, &len,
			      &offset))
		return NULL;
	WAIT(NULL, n = msb_exec_write_stdin(x, data + offset,
					    (size_t)(len - offset), &e));
	return n < 0 ? fail(e) : PyLong_FromLongLong(n);
}

static PyObject *exec_close_stdin(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_exec_t *x;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_exec, &x))
		return NULL;
	WAIT(NULL, rc = msb_exec_close_stdin(x, &e));
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

static PyObject *exec_resize(PyObject *self, PyObject *args)
{
	unsigned rows, cols;
	msb_error_t *e = NULL;
	msb_exec_t *x;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&II", arg_exec, &x, &rows, &cols))
		return NULL;
	WAIT(NULL, rc = msb_exec_resize(x, rows, cols, &e));
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

static PyObject *exec_signal(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_exec_t *x;
	int signal, rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&i", arg_exec, &x, &signal))
		return NULL;
	WAIT(NULL, rc = msb_exec_signal(x, signal, &e));
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

PyMethodDef exec_methods[] = {
	{ "exec_run", exec_run, METH_VARARGS, NULL },
	{ "exec_start", exec_start, METH_VARARGS, NULL },
	{ "exec_attach", exec_attach, METH_VARARGS, NULL },
	{ "exec_detach", exec_detach, METH_VARARGS, NULL },
	{ "exec_poll", exec_poll, METH_VARARGS, NULL },
	{ "exec_fd", exec_fd, METH_VARARGS, NULL },
	{ "exec_stdin_fd", exec_stdin_fd, METH_VARARGS, NULL },
	{ "exec_id", exec_id, METH_VARARGS, NULL },
	{ "exec_wants_write", exec_wants_write, METH_VARARGS, NULL },
	{ "exec_write", exec_write, METH_VARARGS, NULL },
	{ "exec_close_stdin", exec_close_stdin, METH_VARARGS, NULL },
	{ "exec_resize", exec_resize, METH_VARARGS, NULL },
	{ "exec_signal", exec_signal, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};
