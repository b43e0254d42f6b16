/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of connections that interception ends. Never a value of a
 * secret, and nothing of a query. */
#include "base/log.h"

#include <stdatomic.h>

#include "net/tls/proxy_int.h"

#define TEXT_MAX 1500u

void tls_blocked(struct tls_proxy *p, const struct tcp_conn *c,
		 const char *name, const char *why)
{
	const struct policy_flow f = flow_question(c);

	net_blocked(p->net, &f, name, why);
}

static const char *action_name(enum secret_action a)
{
	switch (a) {
	case SECRET_BLOCK:
		return "block";
	case SECRET_BLOCK_LOG:
		return "block-and-log";
	case SECRET_BLOCK_TERMINATE:
		return "block-and-terminate";
	case SECRET_PASSTHROUGH:
		return "passthrough";
	}
	return "?";
}

static const char *form_name(enum secret_form f)
{
	switch (f) {
	case SECRET_RAW:
		return "raw";
	case SECRET_PERCENT:
		return "percent_decoded";
	case SECRET_JSON:
		return "json_unescaped";
	case SECRET_BASIC:
		return "basic_auth_decoded";
	}
	return "?";
}

/* " key=text"; the guest's text is quoted where it could be taken for more. */
static void field(struct buf *out, const char *key, const char *text)
{
	bool plain = true;

	if (!text || !*text)
		return;
	for (const char *t = text; *t; t++)
		plain = plain && *t > ' ' && *t < 0x7f && *t != '"' &&
			*t != '=' && *t != '\\';
	if (plain) {
		buf_printf(out, " %s=%s", key, text);
		return;
	}
	buf_printf(out, " %s=\"", key);
	for (const char *t = text; *t; t++)
		buf_printf(out, *t == '"' || *t == '\\' ? "\\%c" : "%c", *t);
	buf_str(out, "\"");
}

static void describe(const struct net_endpoint *peer, const char *sni,
		     const struct secret_found *v, struct buf *out)
{
	char addr[NET_ADDR_TEXT];
	bool v6 = peer->addr.family == AF_INET6;

	buf_str(out, "secret violation");
	field(out, "action", action_name(v->action));
	field(out, "env", v->env_var);
	field(out, "placeholder", v->placeholder);
	field(out, "protocol", v->protocol);
	field(out, "sni", sni);
	field(out, "host", v->host);
	field(out, "method", v->method);
	field(out, "path", v->path);
	field(out, "location", v->location ? v->location : "unknown");
	field(out, "form", form_name(v->form));
	buf_printf(out, " to=%s%s%s:%u", v6 ? "[" : "",
		   net_addr_text(&peer->addr, addr), v6 ? "]" : "", peer->port);
	if (v->stream)
		buf_printf(out, " stream=%u", v->stream);
}

static void tell(struct tls_proxy *p, const struct net_endpoint *peer,
		 const char *sni, const struct secret_found *v, int level)
{
	struct buf line;
	const char *text;

	buf_init(&line, TEXT_MAX);
	describe(peer, sni, v, &line);
	text = buf_cstr(&line);
	if (text)
		net_log(p->net, level, "%s", text);
	buf_fini(&line);
}

void tls_violation_at(struct tls_proxy *p, const struct net_endpoint *peer,
		      const char *sni, const struct secret_found *found)
{
	struct net *n = p->net;

	atomic_fetch_add_explicit(&n->stats.denied, 1, memory_order_relaxed);
	switch (found->action) {
	case SECRET_BLOCK_LOG:
		if (net_may_tell(n))
			tell(p, peer, sni, found, LOG_WARN);
		break;
	case SECRET_BLOCK_TERMINATE:
		if (p->terminated)
			break;
		p->terminated = true; /* nothing is begun any more */
		tell(p, peer, sni, found, LOG_ERROR);
		if (n->host.terminate)
			n->host.terminate(n->host.ctx);
		break;
	case SECRET_BLOCK:
	case SECRET_PASSTHROUGH:
		break;
	}
}

void tls_violation(struct tls_proxy *p, const struct tcp_conn *c,
		   const struct secret_found *found)
{
	tls_violation_at(p, tcp_peer_end(c), NULL, found);
}
