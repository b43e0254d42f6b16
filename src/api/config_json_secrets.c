/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a sandbox as JSON: secrets. No message says a value. */
#include <string.h>

#include "api/config_json.h"

/* ---- violations ---------------------------------------------------------- */

struct violation {
	const char *action; /* NULL: nothing is said of it */
	struct strv hosts;
};

/* v: a text, or {"passthrough": [hosts]}. */
static void read_violation(struct options *o, const json_t *v,
			   struct violation *ret)
{
	static const char *const keys[] = { "passthrough", NULL };

	ret->action = json_string_value(v);
	if (ret->action || o->rc)
		return;
	if (!json_is_object(v)) {
		options_bad(o, NULL, "must be a text or an object");
		return;
	}
	options_only(o, v, keys);
	if (!options_texts(o, v, "passthrough", &ret->hosts))
		options_bad(o, "passthrough", "is required");
	ret->action = "passthrough";
}

void options_violation(struct options *o, const json_t *v)
{
	struct violation one = { 0 };
	msb_error_t *e = NULL;

	read_violation(o, v, &one);
	if (one.action && !o->rc)
		options_done(o, NULL,
			     msb_config_set_secret_violation(
				     o->c, one.action,
				     (const char *const *)one.hosts.v,
				     one.hosts.n, &e),
			     &e);
	strv_fini(&one.hosts);
}

/* ---- secrets ------------------------------------------------------------- */

/* Any host at all is only meant by whoever says so. */
static void check_hosts(struct options *o, const json_t *v, const char *key,
			bool patterns)
{
	const json_t *list = options_list(o, v, key);

	for (size_t i = 0; !o->rc && i < json_array_size(list); i++) {
		const char *host = json_string_value(json_array_get(list, i));

		if (host && !strcmp(host, "*"))
			options_bad(o, key,
				    "'*' is any host: set allow_any_host");
		else if (host && !patterns && *host == '*')
			options_bad(o, key,
				    "'%.100s' is a pattern, for host_patterns",
				    host);
	}
}

static void read_hosts(struct options *o, const json_t *v, struct strv *ret)
{
	bool any = false;

	check_hosts(o, v, "hosts", false);
	check_hosts(o, v, "host_patterns", true);
	(void)options_texts(o, v, "hosts", ret);
	(void)options_texts(o, v, "host_patterns", ret);
	(void)options_bool(o, v, "allow_any_host", &any);
	if (any && ret->n)
		options_bad(o, "allow_any_host", "contradicts a list of hosts");
	if (any && !o->rc && strv_add(ret, "*"))
		options_no_memory(o);
}

static unsigned read_places(struct options *o, const json_t *v)
{
	static const struct {
		const char *key;
		unsigned place;
		bool usual;
	} places[] = {
		{ "headers", MSB_SECRET_IN_HEADERS, true },
		{ "basic_auth", MSB_SECRET_IN_BASIC, true },
		{ "query", MSB_SECRET_IN_QUERY, false },
		{ "body", MSB_SECRET_IN_BODY, false },
	};
	static const char *const keys[] = { "headers", "basic_auth", "query",
					    "body", NULL };
	const json_t *inject = options_object(o, v, "inject");
	size_t before;
	unsigned set = 0;

	if (!inject)
		return 0;
	before = options_enter(o, "inject");
	options_only(o, inject, keys);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		bool on = places[i].usual;

		(void)options_bool(o, inject, places[i].key, &on);
		set |= on ? places[i].place : 0;
	}
	if (!set)
		options_bad(o, NULL, "leaves no place for the value");
	options_leave(o, before);
	return set;
}

static void add_secret(struct options *o, const json_t *v, msb_secret_t *s)
{
	const json_t *violation = options_get(o, v, "on_violation");
	struct violation one = { 0 };
	struct strv hosts = { 0 };
	msb_error_t *e = NULL;

	if (violation) {
		size_t before = options_enter(o, "on_violation");

		read_violation(o, violation, &one);
		options_leave(o, before);
	}
	read_hosts(o, v, &hosts);
	s->on_violation = one.action;
	s->pass_hosts = (const char *const *)one.hosts.v;
	s->npass_hosts = one.hosts.n;
	s->hosts = (const char *const *)hosts.v;
	s->nhosts = hosts.n;
	if (!o->rc)
		options_done(o, NULL, msb_config_add_secret(o->c, s, &e), &e);
	strv_fini(&hosts);
	strv_fini(&one.hosts);
}

static void read_secret(struct options *o, const json_t *v)
{
	static const char *const keys[] = {
		"env",	       "value",		"from_env",	  "from_file",
		"hosts",       "host_patterns", "allow_any_host", "placeholder",
		"require_tls", "inject",	"on_violation",	  NULL
	};
	static const char *const sources[] = { "value", "from_env", "from_file",
					       NULL };
	msb_secret_t s = { .struct_size = sizeof(s) };
	bool tls = true;

	options_only(o, v, keys);
	s.env = options_text(o, v, "env");
	if (!s.env)
		options_bad(o, "env", "is required");
	(void)options_one_of(o, v, sources);
	s.value = options_text(o, v, "value");
	s.from_env = options_text(o, v, "from_env");
	s.from_file = options_text(o, v, "from_file");
	s.placeholder = options_text(o, v, "placeholder");
	s.places = read_places(o, v);
	(void)options_bool(o, v, "require_tls", &tls);
	s.plain_http = !tls;
	add_secret(o, v, &s);
}

void options_secrets(struct options *o, const json_t *v)
{
	if (!json_is_array(v))
		options_bad(o, NULL, "must be a list");
	for (size_t i = 0; !o->rc && i < json_array_size(v); i++) {
		size_t before = options_enter_item(o, i);

		read_secret(o, json_array_get(v, i));
		options_leave(o, before);
	}
}
