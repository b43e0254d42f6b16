/* SPDX-License-Identifier: Apache-2.0 */
/* Driver for C: commands in guests. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"

static int set_command(struct request *rq, msb_exec_options_t *o,
		       msb_sandbox_t *s)
{
	const char *script = text_arg(rq, "script");
	const char **args;
	const char **argv;
	size_t n;
	int rc;

	if (script)
		return msb_exec_options_set_shell(o, s, script, &rq->err);
	args = strings_arg(rq, "args", &n);
	argv = calloc(n + 1, sizeof(*argv));
	if (!args || !argv)
		abort();
	argv[0] = text_arg(rq, "command");
	memcpy(argv + 1, args, n * sizeof(*args));
	rc = msb_exec_options_set_command(o, argv, n + 1, &rq->err);
	free(args);
	free(argv);
	return rc;
}

static int set_limits(struct request *rq, msb_exec_options_t *o)
{
	const json_t *list = json_object_get(rq->args, "rlimits");
	int rc = 0;

	for (size_t i = 0; !rc && i < json_array_size(list); i++) {
		const json_t *l = json_array_get(list, i);
		const json_t *hard = json_object_get(l, "hard");
		const json_t *soft = json_object_get(l, "soft");

		rc = msb_exec_options_add_rlimit(
			o, json_string_value(json_object_get(l, "resource")),
			(uint64_t)json_integer_value(soft),
			(uint64_t)json_integer_value(hard ? hard : soft),
			&rq->err);
	}
	return rc;
}

static int set_env(struct request *rq, msb_exec_options_t *o)
{
	json_t *env = json_object_get(rq->args, "env");
	const char *key;
	json_t *value;

	json_object_foreach(env, key, value)
	{
		int rc = msb_exec_options_add_env(
			o, key, json_string_value(value), &rq->err);

		if (rc)
			return rc;
	}
	return 0;
}

static int set_stdin(struct request *rq, msb_exec_options_t *o)
{
	const json_t *in = json_object_get(rq->args, "stdin");
	const char *word = json_string_value(in);
	size_t len = 0;
	void *data = json_is_object(in) ? bytes_of(in, &len) : NULL;
	int rc = 0;

	if (!word || strcmp(word, "pipe") != 0)
		rc = msb_exec_options_set_stdin(o, data ? data : "", len,
						&rq->err);
	free(data);
	return rc;
}

/* NULL after a failure. */
static msb_exec_options_t *options(struct request *rq, msb_sandbox_t *s)
{
	msb_exec_options_t *o = msb_exec_options_new();
	const char *cwd = text_arg(rq, "cwd");
	const char *user = text_arg(rq, "user");
	int rc = set_command(rq, o, s);

	if (!rc)
		rc = set_env(rq, o);
	if (!rc)
		rc = set_limits(rq, o);
	if (!rc)
		rc = set_stdin(rq, o);
	if (!rc && cwd)
		rc = msb_exec_options_set_cwd(o, cwd, &rq->err);
	if (!rc && user)
		rc = msb_exec_options_set_user(o, user, &rq->err);
	if (bool_arg(rq, "tty", false))
		msb_exec_options_set_tty(o, true, 24, 80, NULL);
	msb_exec_options_set_timeout_ms(o,
					(uint64_t)int_arg(rq, "timeout_ms", 0));
	if (rc) {
		msb_exec_options_free(o);
		return NULL;
	}
	return o;
}

static json_t *output_json(msb_exec_output_t *out)
{
	json_t *ok = json_pack("{s:i, s:i, s:o, s:o}", "code", out->exit_code,
			       "signal", out->signal, "stdout",
			       bytes_json(out->out, out->out_len), "stderr",
			       bytes_json(out->err, out->err_len));

	msb_exec_output_clear(out);
	return ok;
}

static json_t *op_exec(struct request *rq)
{
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	struct object *s = sandbox_arg(rq);
	msb_exec_options_t *o = s ? options(rq, s->p) : NULL;
	int rc = o ? msb_exec_run(s->p, o, &out, &rq->err) : -1;

	msb_exec_options_free(o);
	object_put(s);
	if (rc) {
		msb_exec_output_clear(&out);
		return NULL;
	}
	return output_json(&out);
}

static json_t *op_exec_start(struct request *rq)
{
	struct object *s = sandbox_arg(rq);
	msb_exec_options_t *o = s ? options(rq, s->p) : NULL;
	msb_exec_t *x = NULL;
	char id[16];
	int rc = o ? msb_exec_start(s->p, o, &x, &rq->err) : -1;

	msb_exec_options_free(o);
	object_put(s);
	if (rc)
		return NULL;
	(void)snprintf(id, sizeof(id), "%u", msb_exec_id(x));
	object_keep(rq, object_new(OBJECT_EXEC, x));
	return json_pack("{s:s}", "id", id);
}

static json_t *event_json(const msb_exec_event_t *ev)
{
	switch (ev->kind) {
	case MSB_EXEC_STARTED:
		return json_pack("{s:s, s:I}", "event", "started", "pid",
				 (json_int_t)ev->pid);
	case MSB_EXEC_STDOUT:
	case MSB_EXEC_STDERR:
		return json_pack("{s:s, s:o}", "event",
				 ev->kind == MSB_EXEC_STDOUT ? "stdout"
							     : "stderr",
				 "data", bytes_json(ev->data, ev->len));
	case MSB_EXEC_STDIN_ERROR:
		return json_pack("{s:s, s:s%}", "event", "stdin_error",
				 "message", ev->data, ev->len);
	case MSB_EXEC_EXITED:
		return json_pack("{s:s, s:i, s:i}", "event", "exited", "code",
				 ev->exit_code, "signal", ev->signal);
	case MSB_EXEC_NONE:
		break;
	}
	return json_null();
}

static json_t *op_exec_recv(struct request *rq)
{
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	struct object *x = object_arg(rq, "exec", OBJECT_EXEC);
	json_t *ok = NULL;

	if (!x)
		return NULL;
	if (x->ended)
		ok = json_null();
	while (!ok && !msb_exec_next(x->p, -1, &ev, &rq->err))
		if (ev.kind != MSB_EXEC_NONE)
			ok = event_json(&ev);
	if (ev.kind == MSB_EXEC_EXITED)
		x->ended = true;
	object_put(x);
	return ok;
}

static json_t *op_exec_write(struct request *rq)
{
	struct object *x = object_arg(rq, "exec", OBJECT_EXEC);
	size_t len = 0, sent = 0;
	uint8_t *data = x ? bytes_arg(rq, "data", &len) : NULL;
	int64_t n = data ? 0 : -1;

	while (n >= 0 && sent < len) {
		struct pollfd p = { .events = POLLOUT };

		n = msb_exec_write_stdin(x->p, data + sent, len - sent,
					 &rq->err);
		if (n > 0)
			sent += (size_t)n;
		p.fd = msb_exec_stdin_fd(x->p);
		if (n == 0)
			(void)poll(&p, 1, 1000);
	}
	free(data);
	object_put(x);
	return done(rq, n);
}

static json_t *op_exec_close_stdin(struct request *rq)
{
	struct object *x = object_arg(rq, "exec", OBJECT_EXEC);
	int rc = x ? msb_exec_close_stdin(x->p, &rq->err) : -1;

	object_put(x);
	return done(rq, rc);
}

static json_t *send_signal(struct request *rq, int number)
{
	struct object *x = object_arg(rq, "exec", OBJECT_EXEC);
	int rc = x ? msb_exec_signal(x->p, number, &rq->err) : -1;

	object_put(x);
	return done(rq, rc);
}

static json_t *op_exec_signal(struct request *rq)
{
	return send_signal(rq, (int)int_arg(rq, "signal", 0));
}

static json_t *op_exec_kill(struct request *rq)
{
	return send_signal(rq, SIGKILL);
}

static json_t *op_exec_resize(struct request *rq)
{
	struct object *x = object_arg(rq, "exec", OBJECT_EXEC);
	int rc =
		x ? msb_exec_resize(x->p, (unsigned)int_arg(rq, "rows", 24),
				    (unsigned)int_arg(rq, "cols", 80), &rq->err)
		  : -1;

	object_put(x);
	return done(rq, rc);
}

static json_t *op_exec_wait(struct request *rq)
{
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	struct object *x = object_arg(rq, "exec", OBJECT_EXEC);
	int rc = x ? 0 : -1;

	while (!rc && ev.kind != MSB_EXEC_EXITED)
		rc = msb_exec_next(x->p, -1, &ev, &rq->err);
	object_put(x);
	return rc ? NULL
		  : json_pack("{s:i, s:i}", "code", ev.exit_code, "signal",
			      ev.signal);
}

static json_t *op_exec_collect(struct request *rq)
{
	msb_exec_output_t out = { .struct_size = sizeof(out) };
	struct object *x = object_arg(rq, "exec", OBJECT_EXEC);
	int rc = x ? msb_exec_collect(x->p, &out, &rq->err) : -1;

	object_put(x);
	if (rc) {
		msb_exec_output_clear(&out);
		return NULL;
	}
	return output_json(&out);
}

const struct op exec_ops[] = {
	{ "exec", op_exec },
	{ "shell", op_exec },
	{ "exec_start", op_exec_start },
	{ "shell_start", op_exec_start },
	{ "exec_recv", op_exec_recv },
	{ "exec_write", op_exec_write },
	{ "exec_close_stdin", op_exec_close_stdin },
	{ "exec_kill", op_exec_kill },
	{ "exec_signal", op_exec_signal },
	{ "exec_resize", op_exec_resize },
	{ "exec_wait", op_exec_wait },
	{ "exec_collect", op_exec_collect },
	{ NULL, NULL },
};
