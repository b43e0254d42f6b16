/* SPDX-License-Identifier: Apache-2.0 */
/* What `run` and `exec` execute. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_int.h"

#define DEFAULT_SHELL "/bin/sh"

/*
 * E entrypoint, C command, U the user's words, S shell:
 *   U given:            E + U with the entrypoint, U without
 *   no U, E not empty:  E + C
 *   no U, E empty:      C, or S when interactive, or nothing
 */
int command_resolve(const struct sandbox_config *c, bool with_entrypoint,
		    const char *const *user_argv, size_t n, bool interactive,
		    struct strv *out)
{
	int rc = 0;

	if (with_entrypoint || !n)
		rc = strv_copy(out, &c->entrypoint);
	if (!rc && !n)
		rc = strv_copy(out, &c->cmd);
	for (size_t i = 0; !rc && i < n; i++)
		rc = strv_add(out, user_argv[i]);
	if (!rc && !out->n && interactive)
		rc = strv_add(out, c->shell ? c->shell : DEFAULT_SHELL);
	if (rc)
		strv_fini(out);
	return rc;
}

int command_shell(const struct sandbox_config *c, const char *script,
		  struct strv *out)
{
	int rc = strv_add(out, c->shell ? c->shell : DEFAULT_SHELL);

	if (!rc)
		rc = strv_add(out, "-c");
	if (!rc)
		rc = strv_add(out, script);
	if (rc)
		strv_fini(out);
	return rc;
}

/* One block: the pointers, then the texts they point to. */
static char **flatten(const struct strv *s)
{
	size_t size = (s->n + 1) * sizeof(char *);
	char **out, *text;

	for (size_t i = 0; i < s->n; i++)
		size += strlen(s->v[i]) + 1;
	out = malloc(size);
	if (!out)
		return NULL;
	text = (char *)(out + s->n + 1);
	for (size_t i = 0; i < s->n; i++) {
		out[i] = text;
		text = stpcpy(text, s->v[i]) + 1;
	}
	out[s->n] = NULL;
	return out;
}

int msb_sandbox_resolve_command(const msb_sandbox_t *s, bool with_entrypoint,
				const char *const *user_argv, size_t n,
				bool interactive, char ***ret_argv,
				size_t *ret_n, msb_error_t **ret_err)
{
	struct sandbox_config c;
	struct strv words = { 0 };
	struct err err = { 0 };
	char **flat = NULL;
	int rc = sandbox_config_of(s, &c, &err);

	if (rc)
		return api_fail_err(&err, rc, ret_err);
	rc = command_resolve(&c, with_entrypoint, user_argv, n, interactive,
			     &words);
	sandbox_config_fini(&c);
	if (!rc && words.n) {
		flat = flatten(&words);
		rc = flat ? 0 : -ENOMEM;
	}
	if (!rc) {
		*ret_argv = flat;
		*ret_n = words.n;
	}
	strv_fini(&words);
	return rc ? api_fail_err(&err, api_no_memory(&err), ret_err) : 0;
}
