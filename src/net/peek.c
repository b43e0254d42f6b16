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
 */
#include <stdlib.h>

#include "base/iov.h"
#include "net/net_int.h"
#include "net/sni.h"

#define MOMENT_MS 250u
#define PEEK_MS 5000u /* all in all */

struct peek {
	struct net *net;
	struct tcp_conn *conn;
	bool waited; /* for a moment */
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

static void look(struct deferred *d)
{
	struct peek *p = container_of(d, struct peek, look);
	enum policy_answer a = peek_again(p->net, p->conn);

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
	const struct policy_verdict bad = { POLICY_DENY, POLICY_BAD_HELLO };
	struct peek *p = container_of(t, struct peek, timer);
	const struct policy_flow f = flow_question(p->conn);
	struct iovec parts[2];

	if (!tcp_peek(p->conn, parts)) {
		on_silence(p);
	} else if (!p->waited) {
		p->waited = true;
		loop_timer(p->net->loop, &p->timer, PEEK_MS - MOMENT_MS,
			   on_timer);
	} else { /* a hello that does not end */
		net_denied(p->net, &f, NULL, &bad);
		finish(p, POLICY_DENY, SPLICE_ACCEPTED);
	}
}

static void on_established(void *owner, struct tcp_conn *c)
{
	struct peek *p = owner;

	(void)c;
	loop_timer(p->net->loop, &p->timer, MOMENT_MS, on_timer);
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
	tcp_set_owner(c, &peek_ops, p);
	tcp_accept(c);
}
