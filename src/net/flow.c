/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission of the guest's TCP connections: what becomes of a SYN.
 *
 * Where the addresses decide, the host is dialed first and the guest answered
 * with what came of it, so that a refusal, an unreachable host or a time-out
 * are the real ones. Only where the first bytes decide, the connection is
 * accepted before: rules about names and interception want to see them.
 */
#include "net/net_int.h"

struct policy_flow flow_question(const struct tcp_conn *c)
{
	const struct net_endpoint *peer = tcp_peer_end(c);
	return (struct policy_flow){
		.direction = POLICY_EGRESS,
		.proto = POLICY_TCP,
		.addr = peer->addr,
		.port = peer->port,
	};
}

bool flow_intercepted(const struct net *n, uint16_t port)
{
	return n->host.tls_ops &&
	       (net_port_intercepted(&n->config, port) ||
		(n->config.tls.enabled && port == DNS_TLS_PORT));
}

void flow_admit(struct net *n, struct tcp_conn *c)
{
	struct policy_flow f = flow_question(c);
	struct policy_verdict v = { POLICY_DENY, POLICY_NO_TLS_DNS };

	if (f.port == DNS_PORT) { /* judged by question */
		dns_stream_start(n, c);
		return;
	}
	if (f.port == DNS_TLS_PORT) { /* hides the questions */
		if (flow_intercepted(n, f.port))
			v.answer = POLICY_DEFER; /* but not from us */
		else
			net_denied(n, &f, NULL, &v);
	} else {
		v = net_judge(n, &f, POLICY_NAMES_DEFERRED, NULL);
		if (v.answer == POLICY_ALLOW && flow_intercepted(n, f.port))
			v.answer = POLICY_DEFER;
	}
	switch (v.answer) {
	case POLICY_DENY:
		tcp_reset(c);
		break;
	case POLICY_ALLOW:
		splice_start(n, c, SPLICE_ACCEPT);
		break;
	case POLICY_DEFER:
		peek_start(n, c);
		break;
	}
}
