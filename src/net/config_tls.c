/* SPDX-License-Identifier: Apache-2.0 */
/* Host patterns, and what is owned in the parts of the configuration about TLS
 * and secrets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/config_int.h"

/* --- patterns --- */

bool host_pattern_match(const struct host_pattern *p, const char *name)
{
	size_t whole, tail;

	if (p->kind == HOST_ANY)
		return true;
	whole = strlen(name);
	tail = strlen(p->name);
	if (p->kind == HOST_EXACT || whole <= tail)
		return strcmp(p->name, name) == 0;
	return name[whole - tail - 1] == '.' &&
	       strcmp(name + whole - tail, p->name) == 0;
}

bool host_patterns_match(const struct host_patterns *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (host_pattern_match(&p->v[i], name))
			return true;
	return false;
}

/* An address is written as it is shown: it is compared as text. */
static int canonical(const char *text, char name[NET_NAME_MAX + 1])
{
	struct net_addr a;
	char shown[NET_ADDR_TEXT];

	if (net_addr_parse(text, strlen(text), &a))
		return policy_name(text, strlen(text), name);
	(void)snprintf(name, NET_NAME_MAX + 1, "%s", net_addr_text(&a, shown));
	return 0;
}

int host_pattern_parse(const char *text, struct host_pattern *ret,
		       struct err *err)
{
	char name[NET_NAME_MAX + 1];
	const bool wild = strncmp(text, "*.", 2) == 0;

	*ret = (struct host_pattern){ .kind = HOST_ANY };
	if (strcmp(text, "*") == 0)
		return 0;
	if (wild ? policy_name(text + 2, strlen(text + 2), name)
		 : canonical(text, name))
		return err_set(err, ERR_INVALID, 0,
			       "'%s' is no host: write a name, *.name or *",
			       text);
	ret->kind = wild ? HOST_WILDCARD : HOST_EXACT;
	ret->name = strdup(name);
	if (!ret->name)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "host");
	return 0;
}

const char *host_pattern_text(const struct host_pattern *p,
			      char text[HOST_PATTERN_TEXT])
{
	(void)snprintf(text, HOST_PATTERN_TEXT, "%s%s",
		       p->kind == HOST_EXACT	  ? ""
		       : p->kind == HOST_WILDCARD ? "*."
						  : "*",
		       p->kind == HOST_ANY ? "" : p->name);
	return text;
}

static int no_memory(struct err *err)
{
	return err_sys(err, ERR_NO_MEMORY, ENOMEM, "network");
}

static int too_many(struct err *err, const char *what, size_t max)
{
	return err_set(err, ERR_INVALID, E2BIG, "more than %zu %s", max, what);
}

int host_patterns_add(struct host_patterns *p, const char *text,
		      struct err *err)
{
	struct host_pattern *list, one;
	int rc = p->n < NET_MAX_PATTERNS
			 ? host_pattern_parse(text, &one, err)
			 : too_many(err, "hosts in one list", NET_MAX_PATTERNS);

	if (rc < 0)
		return rc;
	list = reallocarray(p->v, p->n + 1, sizeof(*list));
	if (!list) {
		free(one.name);
		return no_memory(err);
	}
	list[p->n++] = one;
	p->v = list;
	return 0;
}

/* --- actions --- */

static const struct {
	const char *text;
	enum secret_action action;
} actions[] = {
	/* the first of each is written */
	{ "block", SECRET_BLOCK },
	{ "block-and-log", SECRET_BLOCK_LOG },
	{ "block-and-terminate", SECRET_BLOCK_TERMINATE },
	{ "passthrough", SECRET_PASSTHROUGH },
	{ "Block", SECRET_BLOCK },
	{ "BlockAndLog", SECRET_BLOCK_LOG },
	{ "block_and_log", SECRET_BLOCK_LOG },
	{ "BlockAndTerminate", SECRET_BLOCK_TERMINATE },
	{ "block_and_terminate", SECRET_BLOCK_TERMINATE },
	{ "Passthrough", SECRET_PASSTHROUGH },
};

const char *secret_action_name(enum secret_action action)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (actions[i].action == action)
			return actions[i].text;
	return "block";
}

int secret_action_parse(const char *text, enum secret_action *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strcmp(actions[i].text, text)) {
			*ret = actions[i].action;
			return 0;
		}
	return -EINVAL;
}

/* --- TLS --- */

bool net_config_needs_tls(const struct net_config *c)
{
	return c->trust_host_cas || (c->enabled && c->tls.enabled);
}

bool net_port_intercepted(const struct net_config *c, uint16_t port)
{
	if (!c->tls.enabled)
		return false;
	for (size_t i = 0; i < c->tls.nports; i++)
		if (c->tls.ports[i] == port)
			return true;
	return !c->tls.nports && port == NET_TLS_PORT;
}

int tls_config_add_port(struct tls_config *t, uint16_t port, struct err *err)
{
	uint16_t *list;

	for (size_t i = 0; i < t->nports; i++)
		if (t->ports[i] == port)
			return 0;
	if (!port)
		return err_set(err, ERR_INVALID, ERANGE,
			       "port 0 cannot be intercepted");
	if (t->nports >= NET_MAX_PORTS)
		return too_many(err, "intercepted ports", NET_MAX_PORTS);
	list = reallocarray(t->ports, t->nports + 1, sizeof(*list));
	if (!list)
		return no_memory(err);
	list[t->nports++] = port;
	t->ports = list;
	return 0;
}

/* Whoever wants nothing intercepted says so, instead of this. */
int tls_config_add_bypass(struct tls_config *t, const char *text,
			  struct err *err)
{
	if (!strcmp(text, "*"))
		return err_set(err, ERR_INVALID, EINVAL,
			       "a bypass of all names would leave nothing to "
			       "intercept");
	return host_patterns_add(&t->bypass, text, err);
}

int tls_config_add_scope(struct tls_config *t, const char *pattern,
			 const char *ca_cert, bool verify, struct err *err)
{
	struct tls_scope *list, s = { .verify = verify };
	int rc = t->nscopes < NET_MAX_SCOPES
			 ? host_pattern_parse(pattern, &s.pattern, err)
			 : too_many(err,
				    "hosts with a verification of their "
				    "own",
				    NET_MAX_SCOPES);

	if (rc < 0)
		return rc;
	s.ca_cert = ca_cert ? strdup(ca_cert) : NULL;
	list = reallocarray(t->scopes, t->nscopes + 1, sizeof(*list));
	if (list)
		t->scopes = list;
	if (!list || (ca_cert && !s.ca_cert)) {
		free(s.pattern.name);
		free(s.ca_cert);
		return no_memory(err);
	}
	list[t->nscopes++] = s;
	return 0;
}

static int check_path(const char *path, const char *what, struct err *err)
{
	if (!path || path[0] == '/')
		return 0;
	return err_set(err, ERR_INVALID, EINVAL,
		       "the path of %s is not absolute: %.200s", what, path);
}

int tls_config_check(const struct tls_config *t, struct err *err)
{
	int rc = check_path(t->ca_cert, "the interception CA", err);

	if (!rc)
		rc = check_path(t->ca_key, "the interception CA's key", err);
	for (size_t i = 0; !rc && i < t->upstream_cas.n; i++)
		rc = check_path(t->upstream_cas.v[i], "an upstream CA", err);
	for (size_t i = 0; !rc && i < t->nscopes; i++)
		rc = check_path(t->scopes[i].ca_cert, "an upstream CA", err);
	if (!rc && !t->ca_cert != !t->ca_key)
		rc = err_set(err, ERR_INVALID, EINVAL,
			     "IncompleteInterceptCaConfig: an interception CA "
			     "needs both its certificate and its key");
	if (!rc && t->upstream_cas.n > NET_MAX_CA_FILES)
		rc = too_many(err, "upstream CA files", NET_MAX_CA_FILES);
	return rc;
}

/* --- what is owned --- */

void host_patterns_fini(struct host_patterns *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].name);
	free(p->v);
	*p = (struct host_patterns){ 0 };
}

void secret_config_fini(struct secret_config *s)
{
	free(s->env_var);
	free(s->placeholder);
	free(s->source_name);
	host_patterns_fini(&s->allowed);
	host_patterns_fini(&s->on_violation.pass);
	*s = (struct secret_config){ 0 };
}

void secrets_config_fini(struct secrets_config *s)
{
	for (size_t i = 0; i < s->n; i++)
		secret_config_fini(&s->v[i]);
	free(s->v);
	host_patterns_fini(&s->on_violation.pass);
	*s = (struct secrets_config){ 0 };
}

void tls_config_fini(struct tls_config *t)
{
	free(t->ports);
	host_patterns_fini(&t->bypass);
	strv_fini(&t->upstream_cas);
	for (size_t i = 0; i < t->nscopes; i++) {
		free(t->scopes[i].pattern.name);
		free(t->scopes[i].ca_cert);
	}
	free(t->scopes);
	free(t->ca_cert);
	free(t->ca_key);
	*t = (struct tls_config){ 0 };
}
