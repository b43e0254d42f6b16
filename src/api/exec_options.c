/* SPDX-License-Identifier: Apache-2.0 */
/* Options of one command, and the request they make. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/exec_int.h"
#include "api/network.h"

#define OUTPUT_MAX (SIZE_MAX / 4)

static int done(const struct err *err, int rc, msb_error_t **e)
{
	return rc ? api_fail_err(err, rc, e) : 0;
}

static int replace_text(char **field, const char *text, struct err *err)
{
	char *copy = strdup(text);

	if (!copy)
		return api_no_memory(err);
	free(*field);
	*field = copy;
	return 0;
}

msb_exec_options_t *msb_exec_options_new(void)
{
	msb_exec_options_t *o = calloc(1, sizeof(*o));

	if (o)
		o->output_max = MSB_OUTPUT_MAX_BYTES;
	return o;
}

void msb_exec_options_free(msb_exec_options_t *o)
{
	if (!o)
		return;
	strv_fini(&o->argv);
	strv_fini(&o->env);
	free(o->cwd);
	free(o->user);
	free(o->term);
	free(o->rlimits);
	free(o->stdin_data);
	free(o);
}

int msb_exec_options_set_command(msb_exec_options_t *o, const char *const *argv,
				 size_t n, msb_error_t **e)
{
	struct strv copy = { 0 };
	struct err err = { 0 };
	int rc = 0;

	if (!n || !*argv[0])
		rc = err_set(&err, ERR_INVALID, EINVAL,
			     "the command must not be empty");
	for (size_t i = 0; !rc && i < n; i++)
		if (strv_add(&copy, argv[i]))
			rc = api_no_memory(&err);
	if (rc) {
		strv_fini(&copy);
		return done(&err, rc, e);
	}
	strv_fini(&o->argv);
	o->argv = copy;
	return 0;
}

int msb_exec_options_add_env(msb_exec_options_t *o, const char *key,
			     const char *value, msb_error_t **e)
{
	autofree char *entry = NULL;
	struct err err = { 0 };
	int rc = env_entry(key, value, &entry, &err);

	if (!rc && strv_env_set(&o->env, entry))
		rc = api_no_memory(&err);
	return done(&err, rc, e);
}

int msb_exec_options_set_cwd(msb_exec_options_t *o, const char *path,
			     msb_error_t **e)
{
	struct err err = { 0 };
	int rc = *path ? replace_text(&o->cwd, path, &err)
		       : err_set(&err, ERR_INVALID, EINVAL,
				 "the working directory must not be empty");

	return done(&err, rc, e);
}

int msb_exec_options_set_user(msb_exec_options_t *o, const char *user,
			      msb_error_t **e)
{
	struct err err = { 0 };
	int rc = user_check(user, &err);

	if (!rc)
		rc = replace_text(&o->user, user, &err);
	return done(&err, rc, e);
}

int msb_exec_options_add_rlimit(msb_exec_options_t *o, const char *resource,
				uint64_t soft, uint64_t hard, msb_error_t **e)
{
	struct rlimit_config r;
	struct err err = { 0 };
	int rc = rlimit_parse(resource, soft, hard, &r, &err);

	if (!rc && rlimits_set(&o->rlimits, &o->nrlimits, &r))
		rc = api_no_memory(&err);
	return done(&err, rc, e);
}

static uint16_t clamp_u16(unsigned v)
{
	return v > UINT16_MAX ? UINT16_MAX : (uint16_t)v;
}

void msb_exec_options_set_tty(msb_exec_options_t *o, bool tty, unsigned rows,
			      unsigned cols, const char *term)
{
	o->tty = tty;
	o->rows = clamp_u16(rows);
	o->cols = clamp_u16(cols);
	free(o->term);
	o->term = term ? strdup(term) : NULL; /* without it "xterm" is used */
}

void msb_exec_options_set_timeout_ms(msb_exec_options_t *o, uint64_t ms)
{
	o->timeout_ms = ms;
}

int msb_exec_options_set_stdin(msb_exec_options_t *o, const void *data,
			       size_t len, msb_error_t **e)
{
	struct err err = { 0 };
	uint8_t *copy = len ? malloc(len) : NULL;

	if (len && !copy)
		return done(&err, api_no_memory(&err), e);
	if (len)
		memcpy(copy, data, len);
	free(o->stdin_data);
	o->stdin_data = copy;
	o->stdin_len = len;
	o->stdin_given = true;
	return 0;
}

void msb_exec_options_set_output_max(msb_exec_options_t *o, size_t bytes)
{
	o->output_max = bytes < OUTPUT_MAX ? bytes : OUTPUT_MAX;
}

int msb_exec_options_set_shell(msb_exec_options_t *o, const msb_sandbox_t *s,
			       const char *script, msb_error_t **e)
{
	struct sandbox_config c;
	struct strv shell = { 0 };
	struct err err = { 0 };
	int rc = sandbox_config_of(s, &c, &err);

	if (rc)
		return done(&err, rc, e);
	rc = command_shell(&c, script, &shell);
	sandbox_config_fini(&c);
	if (rc)
		return done(&err, api_no_memory(&err), e);
	strv_fini(&o->argv);
	o->argv = shell;
	return 0;
}

/* A value of TERM worth passing on. */
static const char *usable_term(const char *term)
{
	const char *p = term;

	while (p && isspace((unsigned char)*p))
		p++;
	return p && *p && strcmp(p, "dumb") != 0 ? term : "xterm";
}

static int compose_env(const struct sandbox_config *c,
		       const msb_exec_options_t *o, struct strv *out)
{
	autofree char *term = NULL;
	int rc = strv_copy(out, &c->env);

	/* secrets count more than what was set, also by an image */
	if (!rc)
		rc = network_placeholders(c, out);
	for (size_t i = 0; !rc && i < o->env.n; i++)
		rc = strv_env_set(out, o->env.v[i]);
	if (rc || !o->tty || strv_env_get(out, "TERM"))
		return rc;
	term = str_fmt("TERM=%s", usable_term(o->term));
	return term ? strv_add(out, term) : -ENOMEM;
}

int exec_request_encode(const struct sandbox_config *c,
			const msb_exec_options_t *o, struct buf *payload)
{
	struct msg_rlimit limits[EXEC_RLIMITS_MAX];
	struct msg_exec_params p = { 0 };
	struct strv env = { 0 };

	if (compose_env(c, o, &env)) {
		strv_fini(&env);
		return -ENOMEM;
	}
	for (size_t i = 0; i < o->nrlimits; i++) {
		limits[i].resource = view_cstr(o->rlimits[i].resource);
		limits[i].soft = o->rlimits[i].soft;
		limits[i].hard = o->rlimits[i].hard;
	}
	p.cmd = o->argv.v[0];
	p.args = (const char *const *)o->argv.v + 1;
	p.nargs = o->argv.n - 1;
	p.env = (const char *const *)env.v;
	p.nenv = env.n;
	p.cwd = o->cwd ? o->cwd : c->workdir ? c->workdir : "/";
	p.user = o->user ? o->user : c->user;
	p.tty = o->tty;
	p.rows = o->rows ? o->rows : 24;
	p.cols = o->cols ? o->cols : 80;
	p.rlimits = limits;
	p.nrlimits = o->nrlimits;
	msg_encode_exec_request(payload, &p);
	strv_fini(&env);
	return payload->failed ? -EMSGSIZE : 0;
}
