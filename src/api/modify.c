/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing sandboxes that exist. A configuration is made from the stored one,
 * changed by its caller, and compared with the stored one again: what differs
 * is stored, told, and handed to a running sandbox as far as that can take it.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/exec_int.h"
#include "api/network.h"
#include "base/clock.h"

#define ANSWER_TIMEOUT_MS 10000u

/* ---- the configuration of a sandbox -------------------------------------- */

static int fill(msb_config_t *c, const msb_sandbox_t *s, struct err *err)
{
	int rc;

	c->base = sandbox_config_text(s);
	if (!c->base)
		return api_no_memory(err);
	rc = sandbox_config_from_json(c->base, &c->c, err);
	if (rc) {
		c->c = (struct sandbox_config){ 0 };
		err_prefix(err, "sandbox '%s'", s->name);
		return rc;
	}
	c->net = network_wish_of(&c->c, err);
	c->named = true;
	return c->net ? 0 : -EINVAL;
}

int msb_sandbox_config(const msb_sandbox_t *s, msb_config_t **ret,
		       msb_error_t **ret_err)
{
	msb_config_t *c = calloc(1, sizeof(*c));
	struct err err = { 0 };
	int rc;

	if (!c)
		return api_fail_err(&err, api_no_memory(&err), ret_err);
	c->m = s->m;
	rc = fill(c, s, &err);
	if (rc) {
		msb_config_free(c);
		return api_fail_err(&err, rc, ret_err);
	}
	*ret = c;
	return 0;
}

int msb_config_remove_env(msb_config_t *c, const char *key)
{
	return strv_env_remove(&c->c.env, key);
}

int msb_config_remove_label(msb_config_t *c, const char *key)
{
	return strv_env_remove(&c->c.labels, key);
}

/* ---- differences --------------------------------------------------------- */

/* Whoever is to be told of changes, or nobody. */
struct teller {
	msb_change_fn fn;
	void *ctx;
	bool alive, live; /* it runs; it has taken what it could */
	unsigned n;
	/* of the changes, those that a running sandbox is to be given */
	bool limits, policy;
};

static void tell(struct teller *t, const char *field, const char *name,
		 bool removed, msb_change_time_t when)
{
	const msb_change_t change = { .struct_size = sizeof(change),
				      .field = field,
				      .name = name,
				      .removed = removed,
				      .when = when };

	t->n++;
	if (t->fn)
		t->fn(t->ctx, &change);
}

/* Entries of KEY=VALUE that are in one list and not, or otherwise, in the
 * other; 0 or -ENOMEM. */
static int tell_entries(struct teller *t, const char *field,
			const struct strv *old, const struct strv *now,
			msb_change_time_t set, msb_change_time_t gone)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		const struct strv *from = pass ? now : old;
		const struct strv *other = pass ? old : now;

		for (size_t i = 0; i < from->n; i++) {
			size_t len = strcspn(from->v[i], "=");
			autofree char *key =
				str_fmt("%.*s", (int)len, from->v[i]);
			const char *value;

			if (!key)
				return -ENOMEM;
			value = strv_env_get(other, key);
			if (pass && (!value ||
				     strcmp(value, from->v[i] + len + 1) != 0))
				tell(t, field, key, false, set);
			else if (!pass && !value)
				tell(t, field, key, true, gone);
		}
	}
	return 0;
}

static char *port_name(const json_t *p)
{
	const char *bind = json_string_value(json_object_get(p, "host_bind"));
	const char *proto = json_string_value(json_object_get(p, "protocol"));
	bool six = bind && strchr(bind, ':');

	return str_fmt(
		"%s%s%s:%lld:%lld/%s", six ? "[" : "", bind ? bind : "",
		six ? "]" : "",
		(long long)json_integer_value(json_object_get(p, "host_port")),
		(long long)json_integer_value(json_object_get(p, "guest_port")),
		proto ? proto : "");
}

static bool holds(const json_t *list, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), value))
			return true;
	return false;
}

static int tell_ports(struct teller *t, const json_t *old, const json_t *now,
		      msb_change_time_t when)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		const json_t *from = pass ? now : old;

		for (size_t i = 0; i < json_array_size(from); i++) {
			const json_t *p = json_array_get(from, i);
			autofree char *name = NULL;

			if (holds(pass ? old : now, p))
				continue;
			name = port_name(p);
			if (!name)
				return -ENOMEM;
			tell(t, "port", name, !pass, when);
		}
	}
	return 0;
}

/* Two configurations, and their network sections as they are written now. */
struct pair {
	struct sandbox_config *old, *now;
	json_t *old_net, *new_net;
};

static int tell_all(struct teller *t, const struct pair *p)
{
	const msb_change_time_t later =
		t->alive ? MSB_CHANGE_NEXT_START : MSB_CHANGE_NOW;
	const msb_change_time_t live = t->live ? MSB_CHANGE_NOW : later;
	const json_t *policy = json_object_get(p->new_net, "policy");
	int rc = tell_entries(t, "label", &p->old->labels, &p->now->labels,
			      MSB_CHANGE_NOW, MSB_CHANGE_NOW);

	/* commands come with their variables, and find those of the boot */
	if (!rc)
		rc = tell_entries(t, "env", &p->old->env, &p->now->env,
				  t->alive ? MSB_CHANGE_NEW_COMMANDS
					   : MSB_CHANGE_NOW,
				  later);
	if (p->old->max_duration_s != p->now->max_duration_s) {
		t->limits = true;
		tell(t, "max_duration", NULL, !p->now->max_duration_s, live);
	}
	if (p->old->idle_timeout_s != p->now->idle_timeout_s) {
		t->limits = true;
		tell(t, "idle_timeout", NULL, !p->now->idle_timeout_s, live);
	}
	if (!json_equal(json_object_get(p->old_net, "policy"), policy)) {
		t->policy = true;
		tell(t, "policy", NULL, false, live);
	}
	if (!rc)
		rc = tell_ports(t, json_object_get(p->old_net, "ports"),
				json_object_get(p->new_net, "ports"), later);
	return rc;
}

/* A section as this version writes it, which an older one may not have. */
static int normal_section(const struct sandbox_config *c, json_t **ret,
			  struct err *err)
{
	struct net_config n;
	int rc = network_config_of(c, &n, err);

	if (rc)
		return rc;
	*ret = net_config_to_json(&n);
	net_config_fini(&n);
	return *ret ? 0 : api_no_memory(err);
}

/* The JSON form without what may differ; malloc'ed, NULL: out of memory. */
static char *rest_of(const struct sandbox_config *c, const json_t *net)
{
	struct sandbox_config rest = *c; /* shallow */
	json_t *copy = json_copy((json_t *)(uintptr_t)net);
	char *text = NULL;

	rest.labels = rest.env = (struct strv){ 0 };
	rest.max_duration_s = rest.idle_timeout_s = 0;
	(void)json_object_del(copy, "policy"); /* both always have them */
	(void)json_object_del(copy, "ports");
	rest.network = copy;
	if (copy)
		text = sandbox_config_to_json(&rest);
	json_decref(copy);
	return text;
}

static int check_rest(const struct pair *p, struct err *err)
{
	autofree char *a = rest_of(p->old, p->old_net);
	autofree char *b = rest_of(p->now, p->new_net);

	if (!a || !b)
		return api_no_memory(err);
	if (!strcmp(a, b))
		return 0;
	return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
		       "of a sandbox that exists only the environment, labels, "
		       "limits of time, the network's policy and ports can be "
		       "changed");
}

/* ---- a sandbox that runs ------------------------------------------------- */

/* What it can take while it runs, as JSON; malloc'ed. */
static char *live_text(const struct sandbox_config *c)
{
	struct sandbox_config part = *c; /* shallow */

	part.env = part.labels = part.entrypoint = part.cmd =
		(struct strv){ 0 };
	part.nscripts = part.nmounts = 0;
	return sandbox_config_to_json(&part);
}

/* 0: it has it. */
static int hand_over(msb_t *m, const char *name, const struct sandbox_config *c)
{
	uint64_t deadline = clock_mono_ms() + ANSWER_TIMEOUT_MS;
	autofree char *text = live_text(c);
	struct agent_client a;
	struct agent_frame f = { 0 };
	uint32_t id = 0;
	int rc;

	if (!text)
		return -ENOMEM;
	rc = sandbox_connect(m, name, ANSWER_TIMEOUT_MS, &a, NULL);
	if (rc)
		return rc;
	rc = agent_id_new(&a, &id);
	if (!rc)
		rc = agent_send_data(&a, id, MSG_RELAY_MODIFY, text,
				     strlen(text));
	while (!rc) {
		rc = agent_next(&a, deadline, &f);
		if (!rc && clock_mono_ms() >= deadline)
			rc = -ETIMEDOUT;
	}
	agent_close(&a);
	if (rc < 0)
		return rc;
	return f.known && f.type == MSG_RELAY_MODIFIED ? 0 : -EPROTO;
}

/* ---- all together -------------------------------------------------------- */

/* Under the lock: the row as it is, which has to be the one that was read. */
static int read_again(msb_sandbox_t *s, const msb_config_t *c,
		      struct sandbox_row *ret, struct err *err)
{
	int rc = row_get(s->m, s->name, ret, err);

	if (rc)
		return rc;
	if (!strcmp(ret->config, c->base))
		return 0;
	sandbox_publish(s, ret);
	return err_set(err, ERR_SANDBOX_STATE, ESTALE,
		       "sandbox '%s' was changed meanwhile", s->name);
}

static int store(msb_sandbox_t *s, struct sandbox_row *r,
		 struct sandbox_config *now, struct err *err)
{
	struct catalogue *cat;
	char *text = sandbox_config_to_json(now);
	int rc = text ? api_catalogue(s->m, true, &cat, err)
		      : api_no_memory(err);

	if (!rc)
		rc = catalogue_set_config(cat, r->id, text, err);
	if (rc <= 0) {
		free(text);
		return rc ? rc
			  : err_set(err, ERR_SANDBOX_NOT_FOUND, ENOENT, "%s",
				    s->name);
	}
	free(r->config);
	r->config = text;
	return 0;
}

/* What there is to do is found out first, and told last. */
static int apply(msb_sandbox_t *s, struct sandbox_row *r, struct pair *p,
		 struct teller *t, bool dry_run, struct err *err)
{
	struct teller probe = { .alive = t->alive };
	int rc = tell_all(&probe, p);

	if (rc)
		return api_no_memory(err);
	if (!probe.n)
		return 0;
	t->live = t->alive;
	if (!dry_run) {
		rc = store(s, r, p->now, err);
		if (rc)
			return rc;
		if (t->alive && (probe.limits || probe.policy))
			t->live = !hand_over(s->m, s->name, p->now);
	}
	return tell_all(t, p) ? api_no_memory(err) : 0;
}

/* r is the row, and becomes what it is afterwards. */
static int modify_row(msb_sandbox_t *s, struct sandbox_row *r,
		      const msb_config_t *c, bool dry_run, struct teller *t,
		      struct err *err)
{
	struct sandbox_config old, now = c->c; /* shallow: another network */
	struct pair p = { &old, &now, NULL, NULL };
	int rc = sandbox_config_from_json(r->config, &old, err);

	if (rc)
		return rc;
	now.network = NULL;
	rc = network_wish_apply(c->net, &now, err);
	if (!rc)
		rc = normal_section(&old, &p.old_net, err);
	if (!rc)
		rc = normal_section(&now, &p.new_net, err);
	if (!rc)
		rc = check_rest(&p, err);
	if (!rc) {
		t->alive = sandbox_alive(s->m, s->name) == 1;
		rc = apply(s, r, &p, t, dry_run, err);
	}
	json_decref(p.old_net);
	json_decref(p.new_net);
	json_decref(now.network);
	sandbox_config_fini(&old);
	return rc;
}

static int modify_locked(msb_sandbox_t *s, const msb_config_t *c, bool dry_run,
			 struct teller *t, struct err *err)
{
	struct sandbox_row row;
	int rc = read_again(s, c, &row, err);

	if (rc)
		return rc;
	rc = modify_row(s, &row, c, dry_run, t, err);
	sandbox_publish(s, &row);
	return rc;
}

int msb_sandbox_modify(msb_sandbox_t *s, const msb_config_t *c, bool dry_run,
		       msb_change_fn fn, void *ctx, msb_error_t **ret_err)
{
	struct teller t = { .fn = fn, .ctx = ctx };
	struct err err = { 0 };
	autoclose int lock = -1;
	int rc;

	if (!c->base)
		return api_fail_err(&err,
				    err_set(&err, ERR_INVALID, EINVAL,
					    "not the configuration of a "
					    "sandbox that exists"),
				    ret_err);
	lock = cancel_lifecycle_lock(&s->m->home, s->name, LOCK_WAIT_FOREVER,
				     &err);
	rc = lock < 0 ? lock : modify_locked(s, c, dry_run, &t, &err);
	return rc ? api_fail_err(&err, rc, ret_err) : (int)t.n;
}
