/* SPDX-License-Identifier: Apache-2.0 */
/* Host patterns, and what is owned in the parts of the configuration about TLS
 * and secrets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/config.h"

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
	strcpy(name, net_addr_text(&a, shown));
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

bool net_port_intercepted(const struct net_config *c, uint16_t port)
{
	if (!c->tls.enabled)
		return false;
	for (size_t i = 0; i < c->tls.nports; i++)
		if (c->tls.ports[i] == port)
			return true;
	return !c->tls.nports && port == NET_TLS_PORT;
}

/* --- what is owned --- */

void host_patterns_fini(struct host_patterns *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].name);
	free(p->v);
	*p = (struct host_patterns){ 0 };
}

static void secret_fini(struct secret_config *s)
{
	free(s->env_var);
	free(s->placeholder);
	free(s->source_name);
	host_patterns_fini(&s->allowed);
	host_patterns_fini(&s->on_violation.pass);
}

void secrets_config_fini(struct secrets_config *s)
{
	for (size_t i = 0; i < s->n; i++)
		secret_fini(&s->v[i]);
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
