/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams of the guest: who gets them, and whether they may go. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "net/udp_int.h"

#define MEMORY (UDP_OUT_BYTES + UDP_IN_MAX * UDP_IN_SLOT)

/* Name resolution around the DNS server, as rules about names must not be. */
#define DOQ_PORT 853
#define MDNS_PORT 5353
#define LLMNR_PORT 5355
#define NETBIOS_PORT 137

int udp_new(struct net *n, struct udp **ret)
{
	struct udp *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (u->memory == MAP_FAILED) {
		free(u);
		return -ENOMEM;
	}
	u->net = n;
	list_init(&u->used);
	list_init(&u->spare);
	list_init(&u->out.flows);
	for (unsigned i = 0; i < UDP_FLOWS; i++)
		list_add_tail(&u->spare, &u->flows[i].link);
	u->out.bytes = u->memory;
	udp_in_init(u, u->memory + UDP_OUT_BYTES);
	*ret = u;
	return 0;
}

struct udp *udp_free(struct udp *u)
{
	if (!u)
		return NULL;
	while (!list_empty(&u->used))
		udp_flow_close(
			container_of(u->used.next, struct udp_flow, link));
	loop_timer_cancel(&u->expiry);
	(void)munmap(u->memory, MEMORY);
	free(u);
	return NULL;
}

static void on_expiry(struct timer *t)
{
	struct udp *u = container_of(t, struct udp, expiry);
	uint64_t now = loop_now_ms(u->net->loop);

	while (!list_empty(&u->used)) {
		struct udp_flow *f =
			container_of(u->used.next, struct udp_flow, link);
		uint64_t idle = now - f->used_ms;

		if (idle < UDP_IDLE_MS) {
			loop_timer(u->net->loop, t, UDP_IDLE_MS - idle,
				   on_expiry);
			return;
		}
		udp_flow_close(f);
	}
	/* Between batches nothing is in it that anybody waits for. */
	(void)madvise(u->memory, MEMORY, MADV_DONTNEED);
}

static bool evades_dns(uint16_t port)
{
	return port == DOQ_PORT || port == MDNS_PORT || port == LLMNR_PORT ||
	       port == NETBIOS_PORT;
}

/* Programs whose QUIC comes to nothing go on with TLS, which is inspected. */
static bool evades_interception(const struct net_config *c, uint16_t port)
{
	return c->tls.block_quic && net_port_intercepted(c, port);
}

static bool allowed(struct net *n, const struct packet *p)
{
	struct policy_flow q = { .direction = POLICY_EGRESS,
				 .proto = POLICY_UDP,
				 .addr = p->dst,
				 .port = p->udp.dport };

	return net_judge(n, &q, POLICY_NAMES_CACHED, NULL).answer ==
	       POLICY_ALLOW;
}

/*
 * A flow that exists was allowed, and stays so unless rules are about names,
 * whose addresses come and go.
 */
static bool still_allowed(struct udp *u, struct udp_flow *f,
			  const struct packet *p)
{
	uint64_t now = loop_now_ms(u->net->loop);

	if (!u->net->config.policy.has_names || f->judged_ms == now)
		return true;
	f->judged_ms = now;
	return allowed(u->net, p);
}

void udp_input(struct udp *u, const struct packet *p)
{
	struct net *n = u->net;
	struct net_endpoint guest = { .addr = p->src, .port = p->udp.sport };
	struct net_endpoint peer = { .addr = p->dst, .port = p->udp.dport };
	struct udp_flow *f;

	if (p->udp.dport == DNS_PORT) {
		dns_datagram(n->dns, p);
		return;
	}
	if (ports_reply(n->ports, p))
		return;
	if (!p->udp.sport || !p->udp.dport || evades_dns(p->udp.dport) ||
	    evades_interception(&n->config, p->udp.dport)) {
		atomic_fetch_add_explicit(&n->stats.dropped, 1,
					  memory_order_relaxed);
		return;
	}
	f = udp_flow_find(u, &guest, &peer);
	if (f ? !still_allowed(u, f, p) : !allowed(n, p)) {
		icmp_prohibited(n, p);
		return;
	}
	if (!f)
		f = udp_flow_get(u, p);
	if (!f)
		return;
	if (!u->expiry.loop)
		loop_timer(n->loop, &u->expiry, UDP_IDLE_MS, on_expiry);
	udp_flow_used(f);
	udp_out_add(f, p);
}

void udp_input_end(struct udp *u)
{
	udp_out_flush(u);
}

void udp_link_ready(struct udp *u)
{
	udp_in_resume(u);
}
