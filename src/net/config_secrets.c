/* SPDX-License-Identifier: Apache-2.0 */
/* The part about secrets of the network section: its JSON, its checks. Values
 * are in none of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/config_int.h"
#include "net/json.h"

static const struct {
	enum secret_source source;
	const char *kind, *key;
} sources[] = {
	{ SECRET_STORED, "stored", NULL },
	{ SECRET_ENV, "env", "var" },
	{ SECRET_FILE, "file", "path" },
};

static int no_memory(struct err *err)
{
	return err_sys(err, ERR_NO_MEMORY, ENOMEM, "network");
}

/* --- reading --- */

/* An action's word, or {"passthrough": [HOST, ...]}. */
static int get_violation(const json_t *o, struct secret_violation *ret,
			 struct err *err)
{
	const json_t *v = net_json_given(o, "on_violation");
	const char *word = net_json_text_of(v);
	const json_t *pass = json_object_get(v, "passthrough");

	if (!v)
		return 0;
	if (!pass)
		pass = json_object_get(v, "Passthrough");
	ret->set = true;
	ret->action = SECRET_PASSTHROUGH;
	if (pass)
		return host_patterns_from_json(pass, &ret->pass, err);
	if (word && !secret_action_parse(word, &ret->action) &&
	    ret->action != SECRET_PASSTHROUGH)
		return 0;
	return net_json_bad(err, "on_violation",
			    "is none of block, block-and-log, "
			    "block-and-terminate, {\"passthrough\":[HOST]}");
}

static int get_source(const json_t *o, struct secret_config *s, struct err *err)
{
	const json_t *source;
	const char *kind, *name = NULL;
	int rc = net_json_object(o, "source", &source, err);

	if (!rc)
		rc = net_json_text(source, "kind", &kind, err);
	if (rc || !source)
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		if (!str_eq(kind, sources[i].kind))
			continue;
		s->source = sources[i].source;
		if (!sources[i].key)
			return 0;
		rc = net_json_text(source, sources[i].key, &name, err);
		if (!rc && !name)
			rc = net_json_bad(err, "source", "does not say where");
		s->source_name = rc ? NULL : strdup(name);
		return rc || s->source_name ? rc : no_memory(err);
	}
	return net_json_bad(err, "source.kind", "is none of stored, env, file");
}

static int get_places(const json_t *o, struct secret_config *s, struct err *err)
{
	const json_t *places;
	int rc = net_json_object(o, "injection", &places, err);

	if (!rc)
		rc = net_json_bool(places, "headers", &s->headers, err);
	if (!rc)
		rc = net_json_bool(places, "basic_auth", &s->basic_auth, err);
	if (!rc)
		rc = net_json_bool(places, "query_params", &s->query_params,
				   err);
	return rc ? rc : net_json_bool(places, "body", &s->body, err);
}

static int get_names(const json_t *o, struct secret_config *s, struct err *err)
{
	const char *env, *placeholder;
	int rc = net_json_text(o, "env_var", &env, err);

	if (!rc)
		rc = net_json_text(o, "placeholder", &placeholder, err);
	if (rc)
		return rc;
	if (!env)
		return net_json_bad(err, "env_var", "is missing");
	s->env_var = strdup(env);
	s->placeholder = placeholder
				 ? strdup(placeholder)
				 : str_fmt(SECRET_PLACEHOLDER_PREFIX "%s", env);
	return s->env_var && s->placeholder ? 0 : no_memory(err);
}

static int get_secret(const json_t *o, struct secret_config *s, struct err *err)
{
	const json_t *hosts = net_json_given(o, "allowed_hosts");
	int rc = json_is_object(o) ? get_names(o, s, err)
				   : net_json_bad(err, "it", "is no object");

	s->headers = s->basic_auth = s->require_tls_identity = true;
	if (!rc && hosts)
		rc = host_patterns_from_json(hosts, &s->allowed, err);
	if (!rc)
		rc = get_source(o, s, err);
	if (!rc)
		rc = get_places(o, s, err);
	if (!rc)
		rc = get_violation(o, &s->on_violation, err);
	if (!rc)
		rc = net_json_bool(o, "require_tls_identity",
				   &s->require_tls_identity, err);
	return rc;
}

int secrets_config_from_json(const json_t *o, struct secrets_config *s,
			     struct err *err)
{
	const json_t *section, *list = NULL;
	int rc = net_json_object(o, "secrets", &section, err);
	size_t n;

	if (!rc)
		rc = get_violation(section, &s->on_violation, err);
	if (!rc)
		rc = net_json_list(section, "secrets", SECRETS_MAX, &list, err);
	n = json_array_size(list);
	if (!rc && n) {
		s->v = calloc(n, sizeof(*s->v));
		rc = s->v ? 0 : no_memory(err);
	}
	for (size_t i = 0; !rc && i < n; i++) {
		rc = get_secret(json_array_get(list, i), &s->v[s->n++], err);
		if (rc)
			err_prefix(err, "secrets[%zu]", i);
	}
	if (rc < 0)
		err_prefix(err, "secrets");
	return rc;
}

/* --- checks --- */

static int bad(struct err *err, const struct secret_config *s, const char *what)
{
	return err_set(err, ERR_INVALID, 0, "secret '%.100s': %s", s->env_var,
		       what);
}

static int check_names(const struct secret_config *s, struct err *err)
{
	size_t len = strlen(s->placeholder);

	if (!*s->env_var || strchr(s->env_var, '='))
		return bad(err, s,
			   "the name of its environment variable must not be "
			   "empty or hold '='");
	if (str_starts(s->env_var, "MSB_"))
		return bad(err, s, "names that begin with MSB_ are reserved");
	if (!len || len > SECRET_MAX_PLACEHOLDER ||
	    strpbrk(s->placeholder, "\r\n"))
		return err_set(err, ERR_INVALID, 0,
			       "secret '%.100s': a placeholder has 1 to %u "
			       "bytes and no line breaks",
			       s->env_var, SECRET_MAX_PLACEHOLDER);
	if (!s->allowed.n)
		return bad(err, s, "no host is allowed to have it");
	if (s->source == SECRET_FILE && s->source_name[0] != '/')
		return bad(err, s, "its file is no absolute path");
	if (s->source == SECRET_ENV &&
	    (!*s->source_name || strchr(s->source_name, '=')))
		return bad(err, s,
			   "no environment variable has the name that its "
			   "value is to come from");
	return 0;
}

int secrets_config_check(const struct secrets_config *s, struct err *err)
{
	if (s->n > SECRETS_MAX)
		return err_set(err, ERR_INVALID, 0, "more than %u secrets",
			       SECRETS_MAX);
	for (size_t i = 0; i < s->n; i++) {
		const struct secret_config *a = &s->v[i];
		int rc = check_names(a, err);

		if (rc < 0)
			return rc;
		for (size_t k = 0; k < i; k++)
			if (!strcmp(a->env_var, s->v[k].env_var) &&
			    strcmp(a->placeholder, s->v[k].placeholder) != 0)
				return bad(err, a,
					   "one environment variable cannot "
					   "have two placeholders");
	}
	return 0;
}

/* --- writing; NULL = no memory --- */

static json_t *violation_json(const struct secret_violation *v)
{
	if (v->action == SECRET_PASSTHROUGH)
		return json_pack("{s:o}", "passthrough",
				 host_patterns_to_json(&v->pass));
	return json_string(secret_action_name(v->action));
}

static json_t *source_json(const struct secret_config *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		if (sources[i].source == s->source && sources[i].key)
			return json_pack("{s:s,s:s}", "kind", sources[i].kind,
					 sources[i].key, s->source_name);
	return json_pack("{s:s}", "kind", sources[0].kind);
}

static json_t *secret_json(const struct secret_config *s)
{
	json_t *places = json_pack("{s:b,s:b,s:b,s:b}", "headers", s->headers,
				   "basic_auth", s->basic_auth, "query_params",
				   s->query_params, "body", s->body);
	json_t *o = json_pack("{s:s,s:s,s:o,s:o,s:o,s:b}", "env_var",
			      s->env_var, "placeholder", s->placeholder,
			      "source", source_json(s), "allowed_hosts",
			      host_patterns_to_json(&s->allowed), "injection",
			      places, "require_tls_identity",
			      s->require_tls_identity);

	if (!o || !s->on_violation.set ||
	    !json_object_set_new(o, "on_violation",
				 violation_json(&s->on_violation)))
		return o;
	json_decref(o);
	return NULL;
}

json_t *secrets_config_to_json(const struct secrets_config *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++)
		if (json_array_append_new(list, secret_json(&s->v[i]))) {
			json_decref(list);
			list = NULL;
			break;
		}
	return json_pack("{s:o,s:o}", "on_violation",
			 violation_json(&s->on_violation), "secrets", list);
}
