/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which secrets count on one connection. A name alone is the guest's word: a
 * value only goes to an address that the name, or another one of the same
 * pattern, really has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/secrets/secrets_int.h"

struct question {
	const struct names *names;
	const struct net_addresses *link;
	uint64_t now_ms;
	const struct secret_where *w;
};

static bool bound_name_fits(void *ctx, const char *name)
{
	return host_pattern_match(ctx, name);
}

static bool is_that_address(const char *name, const struct net_addr *dest)
{
	struct net_addr a, at = net_addr_unmap(dest);

	if (net_addr_parse(name, strlen(name), &a))
		return false;
	a = net_addr_unmap(&a);
	return net_addr_equal(&a, &at);
}

/* Is the connection to whom this pattern, which fits the name, is about? */
static bool pinned(const struct question *q, const struct host_pattern *p)
{
	const struct secret_where *w = q->w;

	if (p->kind == HOST_ANY || w->tunnel)
		return true;
	if (strcmp(w->host, NET_HOST_ALIAS) == 0)
		return net_addr_is_gateway(w->dest, q->link);
	if (p->kind == HOST_EXACT && is_that_address(p->name, w->dest))
		return true;
	return names_any(q->names, w->dest, q->now_ms, bound_name_fits,
			 (void *)p);
}

static bool fits(const struct host_pattern *p, const char *host)
{
	return host ? host_pattern_match(p, host) : p->kind == HOST_ANY;
}

static bool any_fits(const struct host_patterns *p, const char *host)
{
	for (size_t i = 0; i < p->n; i++)
		if (fits(&p->v[i], host))
			return true;
	return false;
}

static bool is_allowed(const struct question *q, const struct secret_config *c)
{
	if (q->w->outer)
		return false;
	for (size_t i = 0; i < c->allowed.n; i++)
		if (fits(&c->allowed.v[i], q->w->host) &&
		    pinned(q, &c->allowed.v[i]))
			return true;
	return false;
}

/* For a host that is not allowed. SECRET_PASSTHROUGH: it may pass. */
static enum secret_action action_of(const struct secrets *s,
				    const struct secret_config *c,
				    const char *host)
{
	const struct secret_violation *v = &c->on_violation;

	if (v->set &&
	    (v->action != SECRET_PASSTHROUGH || any_fits(&v->pass, host)))
		return v->action;
	v = &s->c->on_violation;
	if (v->action != SECRET_PASSTHROUGH || any_fits(&v->pass, host))
		return v->action;
	return SECRET_BLOCK_LOG;
}

static void put_in(struct secret_scope *scope, struct standing *at,
		   const struct secret *t, enum secret_place place)
{
	if (at->in[place])
		return; /* the first one that says so */
	at->in[place] = t;
	scope->has[place] = true;
}

static void let_in(struct secret_scope *scope, const struct secret *t)
{
	struct standing *at = &scope->v[t->placeholder];

	if (t->c->headers)
		put_in(scope, at, t, SECRET_IN_HEADER);
	if (t->c->query_params)
		put_in(scope, at, t, SECRET_IN_QUERY);
	if (t->c->basic_auth)
		put_in(scope, at, t, SECRET_IN_BASIC);
	if (t->c->body)
		put_in(scope, at, t, SECRET_IN_BODY);
}

/* The strictest counts where several have the same placeholder. */
static void block(struct secret_scope *scope, const struct secret *t,
		  enum secret_action action)
{
	struct standing *at = &scope->v[t->placeholder];

	if (action == SECRET_PASSTHROUGH ||
	    (at->blocked && at->action >= action))
		return;
	at->blocked = t;
	at->action = action;
}

/* Where one secret is allowed, another one with its placeholder blocks
 * nothing. */
static void fill(struct secret_scope *scope, const struct secrets *s,
		 const struct question *q, bool *allowed)
{
	for (size_t i = 0; i < s->c->n; i++) {
		const struct secret *t = &s->v[i];

		if (!is_allowed(q, t->c))
			continue;
		allowed[t->placeholder] = true;
		if (q->w->tls || !t->c->require_tls_identity)
			let_in(scope, t);
	}
	for (size_t i = 0; i < s->c->n; i++) {
		const struct secret *t = &s->v[i];

		if (!allowed[t->placeholder])
			block(scope, t, action_of(s, t->c, q->w->host));
	}
	for (unsigned i = 0; i < s->placeholders.n; i++)
		if (scope->v[i].blocked)
			scope->blocks = true;
}

int secret_scope_new(const struct secrets *s, const struct names *names,
		     const struct net_addresses *link, uint64_t now_ms,
		     const struct secret_where *w, struct secret_scope **ret)
{
	const struct question q = { names, link, now_ms, w };
	bool allowed[SECRETS_MAX] = { false };
	struct secret_scope *scope = calloc(
		1, sizeof(*scope) + s->placeholders.n * sizeof(scope->v[0]));

	if (!scope)
		return -ENOMEM;
	scope->placeholders = &s->placeholders;
	fill(scope, s, &q, allowed);
	*ret = scope;
	return 0;
}

struct secret_scope *secret_scope_free(struct secret_scope *s)
{
	free(s);
	return NULL;
}

bool secret_scope_idle(const struct secret_scope *s)
{
	for (unsigned i = 0; i < SECRET_PLACES; i++)
		if (s->has[i])
			return false;
	return !s->blocks;
}

bool secret_scope_has(const struct secret_scope *s, enum secret_place place)
{
	return s->has[place];
}

size_t secret_scope_carry(const struct secret_scope *s, enum secret_place place)
{
	return s->has[place] ? s->placeholders->longest - 1 : 0;
}
