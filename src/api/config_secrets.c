/* SPDX-License-Identifier: Apache-2.0 */
/* Builder of a sandbox's configuration: secrets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/network.h"

static int done(const struct err *err, int rc, msb_error_t **e)
{
	return rc ? api_fail_err(err, rc, e) : 0;
}

/* ---- violations ---------------------------------------------------------- */

/* *ret is filled also on failure. */
static int parse_violation(const char *action, const char *const *hosts,
			   size_t n, struct secret_violation *ret,
			   struct err *err)
{
	int rc = 0;

	*ret = (struct secret_violation){ .set = true };
	if (secret_action_parse(action, &ret->action))
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid violation action: %.100s (expected: "
			       "block, block-and-log, block-and-terminate, "
			       "passthrough)",
			       action);
	if (n && ret->action != SECRET_PASSTHROUGH)
		return err_set(err, ERR_INVALID, EINVAL,
			       "violation action %s is not for some hosts "
			       "only",
			       action);
	for (size_t i = 0; !rc && i < n; i++)
		rc = host_patterns_add(&ret->pass, hosts[i], err);
	return rc;
}

int msb_config_set_secret_violation(msb_config_t *c, const char *action,
				    const char *const *pass_hosts, size_t n,
				    msb_error_t **e)
{
	struct secret_violation v, *to = &c->net->c.secrets.on_violation;
	struct err err = { 0 };
	int rc = parse_violation(action, pass_hosts, n, &v, &err);

	if (rc) {
		host_patterns_fini(&v.pass);
		return done(&err, rc, e);
	}
	host_patterns_fini(&to->pass);
	*to = v;
	return 0;
}

/* ---- secrets ------------------------------------------------------------- */

static int bad(struct err *err, const char *env, const char *what)
{
	return err_set(err, ERR_INVALID, EINVAL, "secret '%.100s': %s", env,
		       what);
}

static int set_source(const msb_secret_t *s, struct secret_config *to,
		      struct err *err)
{
	if (!!s->value + !!s->from_env + !!s->from_file != 1)
		return bad(err, s->env, "it must have one source");
	if (s->from_file) {
		to->source = SECRET_FILE;
		return host_path_absolute(s->from_file, &to->source_name, err);
	}
	if (!s->from_env)
		return 0;
	to->source = SECRET_ENV;
	to->source_name = strdup(s->from_env);
	return to->source_name ? 0 : api_no_memory(err);
}

static int set_places(unsigned places, struct secret_config *to,
		      struct err *err)
{
	const unsigned all = MSB_SECRET_IN_HEADERS | MSB_SECRET_IN_BASIC |
			     MSB_SECRET_IN_QUERY | MSB_SECRET_IN_BODY;

	if (places & ~all)
		return bad(err, to->env_var, "it has an unknown place");
	if (!places)
		places = MSB_SECRET_IN_HEADERS | MSB_SECRET_IN_BASIC;
	to->headers = places & MSB_SECRET_IN_HEADERS;
	to->basic_auth = places & MSB_SECRET_IN_BASIC;
	to->query_params = places & MSB_SECRET_IN_QUERY;
	to->body = places & MSB_SECRET_IN_BODY;
	return 0;
}

static int set_names(const msb_secret_t *s, struct secret_config *to,
		     struct err *err)
{
	to->env_var = strdup(s->env);
	to->placeholder =
		s->placeholder
			? strdup(s->placeholder)
			: str_fmt(SECRET_PLACEHOLDER_PREFIX "%s", s->env);
	if (!to->env_var || !to->placeholder)
		return api_no_memory(err);
	if (!utf8_valid(to->env_var, strlen(to->env_var)) ||
	    !utf8_valid(to->placeholder, strlen(to->placeholder)) ||
	    (s->from_env && !utf8_valid(s->from_env, strlen(s->from_env))))
		return bad(err, s->env, "its names are not valid UTF-8");
	return 0;
}

/* *to is filled also on failure. */
static int make_secret(const msb_secret_t *s, struct secret_config *to,
		       struct err *err)
{
	const struct secrets_config one = { .v = to, .n = 1 };
	int rc;

	*to = (struct secret_config){ .require_tls_identity = !s->plain_http };
	if (s->struct_size < sizeof(*s) || !s->env)
		return err_set(err, ERR_INVALID, EINVAL,
			       "a secret without a name or size");
	rc = set_names(s, to, err);
	if (!rc)
		rc = set_source(s, to, err);
	if (!rc)
		rc = set_places(s->places, to, err);
	for (size_t i = 0; !rc && i < s->nhosts; i++)
		rc = host_patterns_add(&to->allowed, s->hosts[i], err);
	if (!rc && s->on_violation)
		rc = parse_violation(s->on_violation, s->pass_hosts,
				     s->npass_hosts, &to->on_violation, err);
	return rc ? rc : secrets_config_check(&one, err);
}

static bool same_patterns(const struct host_patterns *a,
			  const struct host_patterns *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].kind != b->v[i].kind ||
		    !str_eq(a->v[i].name, b->v[i].name))
			return false;
	return true;
}

/* But for the hosts that may have it. */
static bool same_secret(const struct secret_config *a,
			const struct secret_config *b)
{
	return str_eq(a->env_var, b->env_var) &&
	       str_eq(a->placeholder, b->placeholder) &&
	       a->source == b->source &&
	       str_eq(a->source_name, b->source_name) &&
	       a->headers == b->headers && a->basic_auth == b->basic_auth &&
	       a->query_params == b->query_params && a->body == b->body &&
	       a->require_tls_identity == b->require_tls_identity &&
	       a->on_violation.set == b->on_violation.set &&
	       a->on_violation.action == b->on_violation.action &&
	       same_patterns(&a->on_violation.pass, &b->on_violation.pass);
}

static bool same_value(const struct secret_value *a, const char *value)
{
	size_t len = value ? strlen(value) : 0;

	return len == a->len && (!len || !memcmp(a->data, value, len));
}

static int add_hosts(const struct host_patterns *from, struct host_patterns *to,
		     struct err *err)
{
	char text[HOST_PATTERN_TEXT];
	int rc = 0;

	for (size_t i = 0; !rc && i < from->n; i++)
		rc = host_patterns_add(to, host_pattern_text(&from->v[i], text),
				       err);
	return rc;
}

/* Takes what *one has when it succeeds, but for the hosts of one that is there
 * already. */
static int append(struct network_wish *w, struct secret_config *one,
		  const char *value, struct err *err)
{
	struct secrets_config *s = &w->c.secrets;
	struct secret_config *list;
	int rc;

	if (s->n >= SECRETS_MAX)
		return err_set(err, ERR_INVALID, E2BIG, "more than %u secrets",
			       SECRETS_MAX);
	list = reallocarray(s->v, s->n + 1, sizeof(*list));
	if (!list)
		return api_no_memory(err);
	s->v = list;
	rc = secret_values_add(&w->values, one->env_var, value,
			       value ? strlen(value) : 0, err);
	if (rc)
		return rc;
	list[s->n++] = *one;
	*one = (struct secret_config){ 0 };
	w->c.tls.enabled = true;
	return 0;
}

int msb_config_add_secret(msb_config_t *c, const msb_secret_t *s,
			  msb_error_t **e)
{
	struct secrets_config *all = &c->net->c.secrets;
	struct secret_config one;
	struct err err = { 0 };
	int rc = make_secret(s, &one, &err);
	bool found = false;

	for (size_t i = 0; !rc && !found && i < all->n; i++) {
		found = same_secret(&all->v[i], &one) &&
			same_value(&c->net->values.v[i], s->value);
		if (found)
			rc = add_hosts(&one.allowed, &all->v[i].allowed, &err);
	}
	if (!rc && !found)
		rc = append(c->net, &one, s->value, &err);
	secret_config_fini(&one);
	return done(&err, rc, e);
}

/* ---- values in a section ------------------------------------------------- */

static void wipe(const json_t *text)
{
	/* its bytes are on the heap, and its own */
	void *bytes = (void *)(uintptr_t)json_string_value(text);

	explicit_bzero(bytes, json_string_length(text));
}

int network_take_values(json_t *section, struct secret_values *ret,
			struct err *err)
{
	const json_t *list =
		json_object_get(json_object_get(section, "secrets"), "secrets");
	int rc = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *o = json_array_get(list, i);
		const json_t *value = json_object_get(o, "value");
		const char *env =
			json_string_value(json_object_get(o, "env_var"));
		size_t len = json_string_length(value);

		if (!rc)
			rc = secret_values_add(ret, env ? env : "",
					       len ? json_string_value(value)
						   : NULL,
					       len, err);
		if (len)
			wipe(value);
		(void)json_object_del(o, "value"); /* mostly there is none */
	}
	return rc;
}

int network_check_values(const struct network_wish *w, struct err *err)
{
	const struct secrets_config *s = &w->c.secrets;

	for (size_t i = 0; i < s->n; i++) {
		bool stored = s->v[i].source == SECRET_STORED;

		if (stored != (w->values.v[i].data != NULL))
			return bad(err, s->v[i].env_var,
				   stored ? "it has no value"
					  : "it has a value and a source");
	}
	return 0;
}
