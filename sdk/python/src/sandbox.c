/* SPDX-License-Identifier: Apache-2.0 */
/* Sandboxes: making, finding, starting, stopping, and what is known of them. */
#include "native.h"

#include <string.h>

/* A configuration out of one JSON object; name may be NULL. */
static int configure(msb_t *m, const char *name, const char *json, size_t len,
		     const msb_image_options_t *o, msb_config_t **ret,
		     msb_error_t **e)
{
	msb_config_t *c;
	int rc = msb_config_new(m, &c, e);

	if (rc)
		return rc;
	if (name)
		rc = msb_config_set_name(c, name, e);
	/* before the options, which say more about pulling */
	if (!rc && o)
		rc = msb_config_set_image_options(c, o, e);
	if (!rc)
		rc = msb_config_apply_json(c, json, len, e);
	if (rc)
		msb_config_free(c);
	else
		*ret = c;
	return rc;
}

static PyObject *sandbox_create(PyObject *self, PyObject *args)
{
	msb_image_options_t *o = NULL;
	struct progress progress;
	const char *name, *json;
	msb_config_t *c = NULL;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	Py_ssize_t len;
	PyObject *fn;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&zs#OO&", arg_home, &m, &name, &json,
			      &len, &fn, arg_token, &token))
		return NULL;
	if (fn != Py_None && !(o = image_options_new(&progress, fn)))
		return NULL;
	WAIT(token, {
		rc = configure(m, name, json, (size_t)len, o, &c, &e);
		if (!rc)
			rc = msb_sandbox_create(m, c, &s, &e);
		msb_config_free(c);
	});
	msb_image_options_free(o);
	if (rc)
		return fail(e);
	return handle_new(&kind_sandbox, s, PyTuple_GetItem(args, 0));
}

static PyObject *sandbox_get(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	const char *name;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&sO&", arg_home, &m, &name, arg_token,
			      &token))
		return NULL;
	WAIT(token, rc = msb_sandbox_get(m, name, &s, &e));
	if (rc)
		return fail(e);
	return handle_new(&kind_sandbox, s, PyTuple_GetItem(args, 0));
}

static PyObject *sandbox_connect(PyObject *self, PyObject *args)
{
	unsigned long long timeout_ms;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	const char *name;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&sKO&", arg_home, &m, &name, &timeout_ms,
			      arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_sandbox_connect(m, name, timeout_ms, &s, &e));
	if (rc)
		return fail(e);
	return handle_new(&kind_sandbox, s, PyTuple_GetItem(args, 0));
}

static const char *label_at(const void *s, size_t i)
{
	return msb_sandbox_label(s, i);
}

static PyObject *describe(const msb_sandbox_t *s)
{
	PyObject *d = PyDict_New();
	char cause[64];

	if (!d)
		return NULL;
	msb_sandbox_exit_cause(s, cause, sizeof(cause));
	if (put(d, "name", text(msb_sandbox_name(s))) ||
	    put(d, "status", text(msb_status_name(msb_sandbox_status(s)))) ||
	    put(d, "image", text(msb_sandbox_image(s))) ||
	    put(d, "config_json", text(msb_sandbox_config_json(s))) ||
	    put(d, "created_ms",
		PyLong_FromLongLong(msb_sandbox_created_unix_ms(s))) ||
	    put(d, "updated_ms",
		PyLong_FromLongLong(msb_sandbox_updated_unix_ms(s))) ||
	    put(d, "ephemeral", PyBool_FromLong(msb_sandbox_is_ephemeral(s))) ||
	    put(d, "exit_reason", text(msb_sandbox_exit_reason(s))) ||
	    put(d, "exit_cause", text(cause[0] ? cause : NULL)) ||
	    put(d, "labels", labels(label_at, s)) ||
	    put(d, "pid", PyLong_FromLong(msb_sandbox_pid(s))) ||
	    put(d, "log_dir", text(msb_sandbox_log_dir(s))) ||
	    put(d, "agent_socket", text(msb_sandbox_agent_socket(s))))
		Py_CLEAR(d);
	return d;
}

static PyObject *sandbox_info(PyObject *self, PyObject *args)
{
	msb_sandbox_t *s;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&", arg_sandbox, &s))
		return NULL;
	return describe(s);
}

static PyObject *sandbox_list(PyObject *self, PyObject *args)
{
	PyObject *wanted, *ret;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	struct strv having;
	msb_list_t *l;
	size_t n;
	msb_t *m;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&OO&", arg_home, &m, &wanted, arg_token,
			      &token) ||
	    strv_init(&having, wanted))
		return NULL;
	WAIT(token,
	     rc = msb_sandbox_list_labelled(m, having.v, having.n, &l, &e));
	strv_clear(&having);
	if (rc)
		return fail(e);
	n = msb_list_count(l);
	ret = PyList_New((Py_ssize_t)n);
	for (size_t i = 0; ret && i < n; i++) {
		PyObject *d = describe(msb_list_item(l, i));

		if (!d)
			Py_CLEAR(ret);
		else
			PyList_SetItem(ret, (Py_ssize_t)i, d);
	}
	msb_list_free(l);
	return ret;
}

static PyObject *sandbox_start(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	int attached, rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&pO&", arg_sandbox, &s, &attached,
			      arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_sandbox_start(s, attached, &e));
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

/* "not_running", "graceful" or "forced". */
static PyObject *sandbox_stop(PyObject *self, PyObject *args)
{
	static const char *const names[] = {
		[MSB_STOP_NOT_RUNNING] = "not_running",
		[MSB_STOP_GRACEFUL] = "graceful",
		[MSB_STOP_FORCED] = "forced",
	};
	msb_stop_result_t result = MSB_STOP_NOT_RUNNING;
	unsigned long long timeout_ms;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&KO&", arg_sandbox, &s, &timeout_ms,
			      arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_sandbox_stop(s, timeout_ms, &result, &e));
	return rc ? fail(e) : text(names[result]);
}

static PyObject *sandbox_request_stop(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_sandbox, &s, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_sandbox_request_stop(s, &e));
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

/* (status, reason, exit code), or None: it still runs. */
static PyObject *sandbox_wait(PyObject *self, PyObject *args)
{
	msb_exit_t end = { .struct_size = sizeof(end) };
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	long long timeout_ms;
	msb_sandbox_t *s;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&LO&", arg_sandbox, &s, &timeout_ms,
			      arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_sandbox_wait(s, timeout_ms, &end, &e));
	if (rc < 0)
		return fail(e);
	if (!rc)
		Py_RETURN_NONE;
	return Py_BuildValue("NNi", text(msb_status_name(end.status)),
			     text(end.reason), end.exit_code);
}

static PyObject *sandbox_release(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_sandbox, &s, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_sandbox_release(s, &e));
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

static PyObject *sandbox_remove(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	int force, rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&pO&", arg_sandbox, &s, &force, arg_token,
			      &token))
		return NULL;
	WAIT(token, rc = msb_sandbox_remove(s, force, &e));
	if (rc)
		return fail(e);
	Py_RETURN_NONE;
}

/* Microseconds until the agent answered. */
static PyObject *sandbox_ping(PyObject *self, PyObject *args)
{
	unsigned long long timeout_ms;
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	uint64_t us = 0;
	int touch, rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&KpO&", arg_sandbox, &s, &timeout_ms,
			      &touch, arg_token, &token))
		return NULL;
	WAIT(token, rc = touch ? msb_sandbox_touch(s, timeout_ms, &e)
			       : msb_sandbox_ping(s, timeout_ms, &us, &e));
	return rc ? fail(e) : PyLong_FromUnsignedLongLong(us);
}

static PyObject *sandbox_network_json(PyObject *self, PyObject *args)
{
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	PyObject *ret;
	char *json;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_sandbox, &s, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_sandbox_network_json(s, &json, &e));
	if (rc)
		return fail(e);
	ret = text(json);
	msb_free(json);
	return ret;
}

static PyObject *sample(const msb_metrics_t *t)
{
	static const char *const states[] = {
		[MSB_METRICS_RUNNING] = "running",
		[MSB_METRICS_STALLED] = "stalled",
		[MSB_METRICS_EXITED] = "exited",
	};
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{ "cpus", t->cpus },
		{ "uptime_ms", t->uptime_ms },
		{ "cpu_time_us", t->cpu_time_us },
		{ "memory_bytes", t->memory_bytes },
		{ "memory_limit_bytes", t->memory_limit_bytes },
		{ "guest_memory_bytes", t->guest_memory_bytes },
		{ "guest_memory_total_bytes", t->guest_memory_total_bytes },
		{ "disk_read_bytes", t->disk_read_bytes },
		{ "disk_write_bytes", t->disk_write_bytes },
		{ "net_rx_bytes", t->net_rx_bytes },
		{ "net_tx_bytes", t->net_tx_bytes },
		{ "disk_read_rate", t->disk_read_rate },
		{ "disk_write_rate", t->disk_write_rate },
		{ "net_rx_rate", t->net_rx_rate },
		{ "net_tx_rate", t->net_tx_rate },
		{ "interval_ms", t->interval_ms },
	};
	PyObject *d = PyDict_New();

	for (size_t i = 0; d && i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (put(d, numbers[i].key,
			PyLong_FromUnsignedLongLong(numbers[i].value)))
			Py_CLEAR(d);
	}
	if (d &&
	    (put(d, "name", text(t->name)) ||
	     put(d, "state", text(states[t->state])) ||
	     put(d, "cpu_percent", PyFloat_FromDouble(t->cpu_percent)) ||
	     put(d, "started_ms", PyLong_FromLongLong(t->started_unix_ms)) ||
	     put(d, "timestamp_ms", PyLong_FromLongLong(t->sampled_unix_ms))))
		Py_CLEAR(d);
	return d;
}

static PyObject *sandbox_metrics(PyObject *self, PyObject *args)
{
	msb_metrics_t t = { .struct_size = sizeof(t) };
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	msb_sandbox_t *s;
	int rc;

	(void)self;
	if (!PyArg_ParseTuple(args, "O&O&", arg_sandbox, &s, arg_token, &token))
		return NULL;
	WAIT(token, rc = msb_sandbox_metrics(s, &t, &e));
	return rc ? fail(e) : sample(&t);
}

/* Called within WAIT, so without the lock. */
static int add_sample(void *list, const msb_metrics_t *t)
{
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *d = sample(t);
	int rc = d ? PyList_Append(list, d) : -1;

	Py_XDECREF(d);
	PyGILState_Release(state);
	return rc;
}

static PyObject *metrics_all(PyObject *self, PyObject *args)
{
	PyObject *list = PyList_New(0);
	msb_error_t *e = NULL;
	msb_cancel_t *token;
	int exited, rc;
	msb_t *m;

	(void)self;
	if (!list || !PyArg_ParseTuple(args, "O&pO&", arg_home, &m, &exited,
				       arg_token, &token)) {
		Py_XDECREF(list);
		return NULL;
	}
	WAIT(token,
	     rc = msb_metrics_all(m, exited ? MSB_METRICS_WITH_EXITED : 0,
				  add_sample, list, &e));
	if (rc || PyErr_Occurred()) {
		Py_DECREF(list);
		return rc ? fail(e) : NULL;
	}
	return list;
}

PyMethodDef sandbox_methods[] = {
	{ "sandbox_create", sandbox_create, METH_VARARGS, NULL },
	{ "sandbox_get", sandbox_get, METH_VARARGS, NULL },
	{ "sandbox_connect", sandbox_connect, METH_VARARGS, NULL },
	{ "sandbox_info", sandbox_info, METH_VARARGS, NULL },
	{ "sandbox_list", sandbox_list, METH_VARARGS, NULL },
	{ "sandbox_start", sandbox_start, METH_VARARGS, NULL },
	{ "sandbox_stop", sandbox_stop, METH_VARARGS, NULL },
	{ "sandbox_request_stop", sandbox_request_stop, METH_VARARGS, NULL },
	{ "sandbox_wait", sandbox_wait, METH_VARARGS, NULL },
	{ "sandbox_release", sandbox_release, METH_VARARGS, NULL },
	{ "sandbox_remove", sandbox_remove, METH_VARARGS, NULL },
	{ "sandbox_ping", sandbox_ping, METH_VARARGS, NULL },
	{ "sandbox_network_json", sandbox_network_json, METH_VARARGS, NULL },
	{ "sandbox_metrics", sandbox_metrics, METH_VARARGS, NULL },
	{ "metrics_all", metrics_all, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};
