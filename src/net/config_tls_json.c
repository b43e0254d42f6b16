/* SPDX-License-Identifier: Apache-2.0 */
/* The part about TLS of the network section, and host patterns, as JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/config_int.h"
#include "net/json.h"

static int no_memory(struct err *err)
{
	return err_sys(err, ERR_NO_MEMORY, ENOMEM, "network");
}

/* --- host patterns --- */

/* {"exact": NAME}, {"wildcard": "*.NAME"}, "any" */
static int get_pattern(const json_t *v, struct host_pattern *ret,
		       struct err *err)
{
	const char *word = json_string_value(v), *text;
	const json_t *name = json_object_get(v, "exact");
	bool wild = false;
	int rc;

	*ret = (struct host_pattern){ .kind = HOST_ANY };
	if (word && (!strcmp(word, "any") || !strcmp(word, "Any")))
		return 0;
	if (!name)
		name = json_object_get(v, "Exact");
	if (!name) {
		wild = true;
		name = json_object_get(v, "wildcard");
	}
	if (!name)
		name = json_object_get(v, "Wildcard");
	text = net_json_text_of(name);
	if (!text)
		return net_json_bad(err, "a host",
				    "is none of {\"exact\":NAME}, "
				    "{\"wildcard\":\"*.NAME\"}, \"any\"");
	rc = host_pattern_parse(text, ret, err);
	if (!rc && ret->kind != (wild ? HOST_WILDCARD : HOST_EXACT)) {
		free(ret->name);
		ret->name = NULL;
		rc = err_set(err, ERR_INVALID, 0,
			     "the host '%.100s' is not of the kind it is said "
			     "to be",
			     text);
	}
	return rc;
}

int host_patterns_from_json(const json_t *list, struct host_patterns *ret,
			    struct err *err)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list))
		return net_json_bad(err, "hosts", "is no list");
	if (n > NET_MAX_PATTERNS)
		return net_json_bad(err, "hosts", "is too long");
	ret->v = calloc(n + 1, sizeof(*ret->v));
	if (!ret->v)
		return no_memory(err);
	for (; ret->n < n; ret->n++) {
		int rc = get_pattern(json_array_get(list, ret->n),
				     &ret->v[ret->n], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static json_t *pattern_json(const struct host_pattern *p)
{
	char text[HOST_PATTERN_TEXT];

	if (p->kind == HOST_ANY)
		return json_string("any");
	return json_pack("{s:s}",
			 p->kind == HOST_WILDCARD ? "wildcard" : "exact",
			 host_pattern_text(p, text));
}

json_t *host_patterns_to_json(const struct host_patterns *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->n; i++)
		if (json_array_append_new(list, pattern_json(&p->v[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* --- reading --- */

static int get_ports(const json_t *tls, struct tls_config *t, struct err *err)
{
	const json_t *list;
	int rc = net_json_list(tls, "intercepted_ports", NET_MAX_PORTS, &list,
			       err);

	for (size_t i = 0; !rc && i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);
		json_int_t n = json_integer_value(v);

		if (!json_is_integer(v) || n < 1 || n > UINT16_MAX)
			return net_json_bad(err, "intercepted_ports",
					    "has what is no port");
		rc = tls_config_add_port(t, (uint16_t)n, err);
	}
	return rc;
}

static int get_bypass(const json_t *tls, struct tls_config *t, struct err *err)
{
	const json_t *list;
	int rc = net_json_list(tls, "bypass", NET_MAX_PATTERNS, &list, err);

	for (size_t i = 0; !rc && i < json_array_size(list); i++) {
		const char *text = net_json_text_of(json_array_get(list, i));

		rc = text ? tls_config_add_bypass(t, text, err)
			  : net_json_bad(err, "bypass", "has what is no text");
	}
	return rc;
}

static int get_upstream_cas(const json_t *tls, struct tls_config *t,
			    struct err *err)
{
	const json_t *list;
	int rc = net_json_list(tls, "upstream_ca_cert", NET_MAX_CA_FILES, &list,
			       err);

	for (size_t i = 0; !rc && i < json_array_size(list); i++) {
		const char *text = net_json_text_of(json_array_get(list, i));

		if (!text)
			return net_json_bad(err, "upstream_ca_cert",
					    "has what is no text");
		if (strv_add(&t->upstream_cas, text))
			return no_memory(err);
	}
	return rc;
}

static int get_path(const json_t *o, const char *key, char **ret,
		    struct err *err)
{
	const char *text;
	int rc = net_json_text(o, key, &text, err);

	if (rc < 0 || !text)
		return rc;
	*ret = strdup(text);
	return *ret ? 0 : no_memory(err);
}

static int get_ca(const json_t *tls, struct tls_config *t, struct err *err)
{
	const json_t *ca;
	int rc = net_json_object(tls, "intercept_ca", &ca, err);

	if (!rc && !ca)
		rc = net_json_object(tls, "ca", &ca, err);
	if (!rc)
		rc = get_path(ca, "cert_path", &t->ca_cert, err);
	return rc ? rc : get_path(ca, "key_path", &t->ca_key, err);
}

static int get_cache(const json_t *tls, struct tls_config *t, struct err *err)
{
	const json_t *cache;
	int rc = net_json_object(tls, "cache", &cache, err);

	if (!rc)
		rc = net_json_u32(cache, "capacity", NET_MAX_LEAVES,
				  &t->cache_capacity, err);
	if (!rc)
		rc = net_json_u32(cache, "validity_hours", NET_MAX_LEAF_HOURS,
				  &t->validity_hours, err);
	/* both as the reference takes them */
	if (!t->cache_capacity)
		t->cache_capacity = NET_DEFAULT_LEAVES;
	if (!t->validity_hours)
		t->validity_hours = NET_DEFAULT_LEAF_HOURS;
	return rc;
}

/* One of scoped_upstream_ca_cert (which has a path), or of
 * scoped_verify_upstream. */
static int get_scope(const json_t *v, bool ca, struct tls_config *t,
		     struct err *err)
{
	const char *pattern, *path = NULL;
	bool verify = true;
	int rc = net_json_text(v, "pattern", &pattern, err);

	if (!rc && ca)
		rc = net_json_text(v, "path", &path, err);
	else if (!rc)
		rc = net_json_bool(v, "verify", &verify, err);
	if (rc)
		return rc;
	if (!pattern || (ca && !path))
		return net_json_bad(err,
				    ca ? "scoped_upstream_ca_cert"
				       : "scoped_verify_upstream",
				    "has one that lacks something");
	return tls_config_add_scope(t, pattern, path, verify, err);
}

static int get_scopes(const json_t *tls, const char *key, bool ca,
		      struct tls_config *t, struct err *err)
{
	const json_t *list;
	int rc = net_json_list(tls, key, NET_MAX_SCOPES, &list, err);

	for (size_t i = 0; !rc && i < json_array_size(list); i++)
		rc = get_scope(json_array_get(list, i), ca, t, err);
	return rc;
}

int tls_config_from_json(const json_t *o, struct tls_config *t, struct err *err)
{
	const json_t *tls;
	int rc = net_json_object(o, "tls", &tls, err);

	if (!rc)
		rc = net_json_bool(tls, "enabled", &t->enabled, err);
	if (!rc)
		rc = get_ports(tls, t, err);
	if (!rc)
		rc = get_bypass(tls, t, err);
	if (!rc)
		rc = net_json_bool(tls, "verify_upstream", &t->verify_upstream,
				   err);
	if (!rc)
		rc = net_json_bool(tls, "block_quic_on_intercept",
				   &t->block_quic, err);
	if (!rc)
		rc = get_upstream_cas(tls, t, err);
	if (!rc)
		rc = get_scopes(tls, "scoped_upstream_ca_cert", true, t, err);
	if (!rc)
		rc = get_scopes(tls, "scoped_verify_upstream", false, t, err);
	if (!rc)
		rc = get_ca(tls, t, err);
	if (!rc)
		rc = get_cache(tls, t, err);
	if (rc < 0)
		err_prefix(err, "tls");
	return rc;
}

/* --- writing; NULL = no memory --- */

static json_t *ports_json(const struct tls_config *t)
{
	json_t *list = json_array();

	/* without any it is the usual one */
	if (!t->nports &&
	    json_array_append_new(list, json_integer(NET_TLS_PORT)))
		goto failed;
	for (size_t i = 0; i < t->nports; i++)
		if (json_array_append_new(list, json_integer(t->ports[i])))
			goto failed;
	return list;
failed:
	json_decref(list);
	return NULL;
}

static json_t *bypass_json(const struct host_patterns *p)
{
	char text[HOST_PATTERN_TEXT];
	json_t *list = json_array();

	for (size_t i = 0; i < p->n; i++)
		if (json_array_append_new(list, json_string(host_pattern_text(
							&p->v[i], text)))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *scope_json(const struct tls_scope *s)
{
	char text[HOST_PATTERN_TEXT];

	(void)host_pattern_text(&s->pattern, text);
	return s->ca_cert ? json_pack("{s:s,s:s}", "pattern", text, "path",
				      s->ca_cert)
			  : json_pack("{s:s,s:b}", "pattern", text, "verify",
				      s->verify);
}

static json_t *scopes_json(const struct tls_config *t, bool ca)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->nscopes; i++)
		if ((t->scopes[i].ca_cert != NULL) == ca &&
		    json_array_append_new(list, scope_json(&t->scopes[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *path_json(const char *path)
{
	return path ? json_string(path) : json_null();
}

json_t *tls_config_to_json(const struct tls_config *t)
{
	json_t *ca = json_pack("{s:o,s:o}", "cert_path", path_json(t->ca_cert),
			       "key_path", path_json(t->ca_key));
	json_t *cache = json_pack(
		"{s:I,s:I}", "capacity", (json_int_t)t->cache_capacity,
		"validity_hours", (json_int_t)t->validity_hours);
	json_t *o = json_pack(
		"{s:b,s:o,s:o,s:b,s:b,s:o,s:o,s:o}", "enabled", t->enabled,
		"intercepted_ports", ports_json(t), "bypass",
		bypass_json(&t->bypass), "verify_upstream", t->verify_upstream,
		"block_quic_on_intercept", t->block_quic, "upstream_ca_cert",
		net_json_texts(&t->upstream_cas), "intercept_ca", ca, "cache",
		cache);
	bool failed = !o;

	/* these are rarely there */
	if (t->nscopes && !failed)
		failed = json_object_set_new(o, "scoped_upstream_ca_cert",
					     scopes_json(t, true)) ||
			 json_object_set_new(o, "scoped_verify_upstream",
					     scopes_json(t, false));
	if (!failed)
		return o;
	json_decref(o);
	return NULL;
}
