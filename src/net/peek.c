/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections about which a rule that names a domain has a say. The guest is
 * answered, and its first bytes are looked at: a TLS ClientHello tells the
 * name, anything else is judged by the addresses that DNS answered. They stay
 * where they are, in the connection's ring, and are sent on once the flow is
 * allowed.
 *
 * The host is not dialed before. Only when the guest says nothing for a moment,
 * as where the server speaks first, and may speak to this address in any case,
 * it is: then its first bytes are looked at when they come, and are kept until
 * then.
 *
 * A connection to a port whose TLS is intercepted comes here, too, and has to
 * begin with a hello that names a server: there is no way around interception
 * but the names that are excepted from it.
 */
#include <stdlib.h>

#include "base/iov.h"
#include "net/net_int.h"
#include "net/sni.h"

#define MOMENT_MS 250u
#define PEEK_MS 5000u /* all in all */
/* For a hello that is waited for whatever comes. */
#define HELLO_MS 10000u

struct peek {
	struct net *net;
	struct tcp_conn *conn;
	bool waited; /* for a moment */
	bool intercepted;
	struct timer timer;
	struct deferred look;
};

static void peek_free(struct peek *p)
{
	loop_timer_cancel(&p->timer);
	loop_defer_cancel(&p->look);
	free(p);
}

/* The first bytes, in one piece. */
static enum sni_result find_name(const struct tcp_conn *c,
				 char name[NET_NAME_MAX + 1])
{
	uint8_t copy[SNI_MAX_HELLO];
	struct iovec parts[2];
	size_t len = tcp_peek(c, parts);

	if (len > sizeof(copy))
		len = sizeof(copy);
	if (parts[0].iov_len >= len)
		return sni_find(parts[0].iov_base, len, name);
	iov_read(parts, 2, 0, copy, len);
	return sni_find(copy, len, name);
}

enum policy_answer peek_again(struct net *n, const struct tcp_conn *c)
{
	const struct policy_verdict bad = { POLICY_DENY, POLICY_BAD_HELLO };
	const struct policy_flow f = flow_question(c);
	char name[NET_NAME_MAX + 1];

	switch (find_name(c, name)) {
	case SNI_FOUND:
		return net_judge(n, &f, POLICY_NAMES_SNI, name).answer;
	case SNI_NONE:
	case SNI_NOT_TLS:
		return net_judge(n, &f, POLICY_NAMES_CACHED, NULL).answer;
	case SNI_BAD:
		net_denied(n, &f, NULL, &bad);
		return POLICY_DENY;
	case SNI_MORE:
		break;
	}
	return POLICY_DEFER;
}

/* The connection is handed on, or over. */
static void finish(struct peek *p, enum policy_answer answer,
		   enum splice_mode mode)
{
	struct net *n = p->net;
	struct tcp_conn *c = p->conn;

	peek_free(p);
	if (answer == POLICY_ALLOW)
		splice_start(n, c, mode);
	else
		tcp_reset(c);
}

static void refuse(struct peek *p, int why)
{
	const struct policy_verdict v = { POLICY_DENY, why };
	const struct policy_flow f = flow_question(p->conn);

	net_denied(p->net, &f, NULL, &v);
	finish(p, POLICY_DENY, SPLICE_ACCEPTED);
}

static void hand_over(struct peek *p, const char *name)
{
	const struct net_host *h = &p->net->host;
	struct tcp_conn *c = p->conn;

	peek_free(p);
	h->tls_ops->start(h->tls, c, name);
}

/* May the guest speak to this server? Name is empty when the hello has none. */
static bool may_speak(const struct peek *p, const struct policy_flow *f,
		      const char *name)
{
	const enum policy_names how =
		*name ? POLICY_NAMES_SNI : POLICY_NAMES_CACHED;

	if (f->port == DNS_TLS_PORT &&
	    net_addr_is_gateway(&f->addr, &p->net->link_addr))
		return true; /* it is us, who judge each question */
	return net_judge(p->net, f, how, name).answer == POLICY_ALLOW;
}

/* The hello is complete. */
static void intercept(struct peek *p, const char *name)
{
	const struct policy_flow f = flow_question(p->conn);
	const bool dns = f.port == DNS_TLS_PORT;

	if (!dns && !*name)
		refuse(p, POLICY_NO_SERVER_NAME);
	else if (!may_speak(p, &f, name))
		finish(p, POLICY_DENY, SPLICE_ACCEPTED);
	else if (!dns && host_patterns_match(&p->net->config.tls.bypass, name))
		finish(p, POLICY_ALLOW, SPLICE_ACCEPTED);
	else
		hand_over(p, name);
}

static void look_for_hello(struct peek *p)
{
	char name[NET_NAME_MAX + 1];

	switch (find_name(p->conn, name)) {
	case SNI_MORE:
		break;
	case SNI_FOUND:
	case SNI_NONE:
		intercept(p, name);
		break;
	case SNI_NOT_TLS:
		refuse(p, POLICY_NO_SERVER_NAME);
		break;
	case SNI_BAD:
		refuse(p, POLICY_BAD_HELLO);
		break;
	}
}

static void look(struct deferred *d)
{
	struct peek *p = container_of(d, struct peek, look);
	enum policy_answer a;

	if (p->intercepted) {
		look_for_hello(p);
		return;
	}
	a = peek_again(p->net, p->conn);
	if (a != POLICY_DEFER)
		finish(p, a, SPLICE_ACCEPTED);
}

static void on_timer(struct timer *t);

/* It said nothing: may it speak to this address at all? */
static void on_silence(struct peek *p)
{
	const struct policy_flow f = flow_question(p->conn);
	struct policy_verdict v;

	if (p->waited) {
		v = net_judge(p->net, &f, POLICY_NAMES_CACHED, NULL);
		finish(p, v.answer, SPLICE_HELD);
		return;
	}
	p->waited = true;
	v = policy_decide(&p->net->config.policy, &p->net->link_addr,
			  p->net->names, &f, POLICY_NAMES_CACHED, NULL);
	if (v.answer == POLICY_ALLOW)
		finish(p, v.answer, SPLICE_HELD);
	else
		loop_timer(p->net->loop, &p->timer, PEEK_MS - MOMENT_MS,
			   on_timer);
}

static void on_timer(struct timer *t)
{
	struct peek *p = container_of(t, struct peek, timer);
	struct iovec parts[2];

	if (p->intercepted) {
		refuse(p, POLICY_NO_SERVER_NAME);
	} else if (!tcp_peek(p->conn, parts)) {
		on_silence(p);
	} else if (!p->waited) {
		p->waited = true;
		loop_timer(p->net->loop, &p->timer, PEEK_MS - MOMENT_MS,
			   on_timer);
	} else { /* a hello that does not end */
		refuse(p, POLICY_BAD_HELLO);
	}
}

static void on_established(void *owner, struct tcp_conn *c)
{
	struct peek *p = owner;

	(void)c;
	loop_timer(p->net->loop, &p->timer,
		   p->intercepted ? HELLO_MS : MOMENT_MS, on_timer);
}

/* Looked at where it will be kept, when this call is over. */
static size_t on_data(void *owner, struct tcp_conn *c, const struct iovec *iov,
		      unsigned n, size_t len)
{
	struct peek *p = owner;

	(void)c;
	(void)iov;
	(void)n;
	(void)len;
	loop_defer(p->net->loop, &p->look, look);
	return 0;
}

/* It will never say anything. */
static void on_fin(void *owner, struct tcp_conn *c)
{
	struct peek *p = owner;

	(void)c;
	p->waited = true;
	loop_timer(p->net->loop, &p->timer, 0, on_timer);
}

static void on_space(void *owner, struct tcp_conn *c)
{
	(void)owner;
	(void)c;
}

static void on_closed(void *owner, struct tcp_conn *c, int error)
{
	(void)c;
	(void)error;
	peek_free(owner);
}

static const struct tcp_owner_ops peek_ops = {
	.established = on_established,
	.data = on_data,
	.fin = on_fin,
	.space = on_space,
	.closed = on_closed,
};

void peek_start(struct net *n, struct tcp_conn *c)
{
	struct peek *p = calloc(1, sizeof(*p));

	if (!p) {
		tcp_reset(c);
		return;
	}
	p->net = n;
	p->conn = c;
	p->intercepted = flow_intercepted(n, tcp_peer_end(c)->port);
	tcp_set_owner(c, &peek_ops, p);
	tcp_accept(c);
}
