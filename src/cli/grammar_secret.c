/* SPDX-License-Identifier: Apache-2.0 */
/* How secrets are written on the command line. */
#include "cli/grammar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "microsandbox/microsandbox.h"

static int no_memory(struct err *err)
{
	return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
}

static int bad_shape(struct err *err, bool file, bool empty)
{
	return err_set(err, ERR_INVALID, EINVAL, "%s%s",
		       file ? "secret-file must be in format "
			      "ENV=PATH@HOST[,HOST...]"
			    : "secret must be in format ENV=VALUE@HOST or "
			      "ENV@HOST[,HOST...]",
		       empty ? " (all parts required)" : "");
}

void secret_arg_fini(struct secret_arg *a)
{
	if (a->value)
		explicit_bzero(a->value, strlen(a->value));
	free(a->env);
	free(a->value);
	free(a->path);
	free(a->text);
	free(a->hosts);
	*a = (struct secret_arg){ 0 };
}

/* The hosts of a list; none may be empty. */
static int split_hosts(const char *list, bool file, struct secret_arg *a,
		       struct err *err)
{
	size_t n = 1;
	char *p;

	for (const char *c = list; *c; c++)
		n += *c == ',';
	a->text = strdup(list);
	a->hosts = calloc(n, sizeof(*a->hosts));
	if (!a->text || !a->hosts)
		return no_memory(err);
	p = a->text;
	while (a->nhosts < n) {
		char *comma = strchr(p, ',');

		if (comma)
			*comma = 0;
		if (!*p)
			return bad_shape(err, file, true);
		a->hosts[a->nhosts++] = p;
		p = comma ? comma + 1 : p;
	}
	return 0;
}

static int fill(const char *text, const char *eq, const char *at, bool file,
		struct secret_arg *a, struct err *err)
{
	char *middle = NULL;

	a->env = strndup(text, (size_t)((eq ? eq : at) - text));
	if (eq)
		middle = strndup(eq + 1, (size_t)(at - eq - 1));
	if (file)
		a->path = middle;
	else
		a->value = middle;
	if (!a->env || (eq && !middle))
		return no_memory(err);
	return split_hosts(at + 1, file, a, err);
}

int grammar_secret(const char *text, bool file, struct secret_arg *ret,
		   struct err *err)
{
	/* a value may have both signs, a name and a host neither */
	const char *eq = strchr(text, '='), *at = strrchr(text, '@');
	int rc;

	*ret = (struct secret_arg){ 0 };
	if (!at || (eq && eq > at) || (file && !eq))
		return bad_shape(err, file, false);
	if ((eq ? eq : at) == text || (eq && eq + 1 == at) || !at[1])
		return bad_shape(err, file, true);
	rc = fill(text, eq, at, file, ret, err);
	if (rc)
		secret_arg_fini(ret);
	return rc;
}

int grammar_secret_places(const char *text, size_t *ret_env, unsigned *places,
			  struct err *err)
{
	static const struct {
		const char *name;
		unsigned place;
	} known[] = {
		{ "headers", MSB_SECRET_IN_HEADERS },
		{ "basic", MSB_SECRET_IN_BASIC },
		{ "query", MSB_SECRET_IN_QUERY },
		{ "body", MSB_SECRET_IN_BODY },
	};
	const char *p = strchr(text, '=');

	if (!p || p == text || !p[1])
		return err_set(err, ERR_INVALID, EINVAL,
			       "secret-inject must be in format "
			       "ENV=PLACE[,PLACE...]");
	*ret_env = (size_t)(p - text);
	do {
		size_t len = strcspn(++p, ","), i = 0;

		while (i < ARRAY_SIZE(known) &&
		       (strlen(known[i].name) != len ||
			strncmp(known[i].name, p, len) != 0))
			i++;
		if (i == ARRAY_SIZE(known))
			return err_set(err, ERR_INVALID, EINVAL,
				       "invalid place of a secret: %.*s "
				       "(expected: headers, basic, query, "
				       "body)",
				       (int)(len < 100 ? len : 100), p);
		*places |= known[i].place;
		p += len;
	} while (*p);
	return 0;
}

void grammar_secret_hide(char *text)
{
	char *eq = strchr(text, '='), *at = strrchr(text, '@');
	size_t hosts;

	if (!eq || !at || at < eq)
		return;
	hosts = strlen(at);
	memmove(eq + 1, at, hosts);
	explicit_bzero(eq + 1 + hosts, (size_t)(at - eq - 1));
}
