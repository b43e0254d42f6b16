/* SPDX-License-Identifier: Apache-2.0 */
/* One sandbox's network as a whole, and where its frames go. */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/iov.h"
#include "net/net_int.h"

#define LOG_LINE_MAX 768
#define MAC_GROUP 1 /* broadcast and multicast, in the first byte */
#define ETHERTYPE_ARP 0x0806

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* --- life --- */

/* What lives as long as the network, and may want the host's files. */
static int make_parts(struct net *n, struct err *err)
{
	int rc;

	if (names_new(&n->names) || denials_new(n, &n->denials))
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "network");
	rc = dns_new(n, &n->dns, err);
	if (rc)
		return rc;
	return ports_new(n, &n->ports, err);
}

int net_new(struct net_config *cfg, const struct net_addresses *addr,
	    const struct net_host *host, struct net **ret, struct err *err)
{
	struct net *n = calloc(1, sizeof(*n));
	int rc;

	if (!n)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "network");
	n->config = *cfg;
	n->link_addr = *addr;
	n->host = *host;
	rc = make_parts(n, err);
	if (rc) {
		n->config = (struct net_config){ 0 }; /* still the caller's */
		net_free(n);
		return rc;
	}
	memset(cfg, 0, sizeof(*cfg));
	*ret = n;
	return 0;
}

struct net *net_free(struct net *n)
{
	if (!n)
		return NULL;
	net_detach(n);
	net_take_policy(n); /* so that it is freed */
	n->ports = ports_free(n->ports);
	n->dns = dns_free(n->dns);
	n->denials = denials_free(n->denials);
	n->names = names_free(n->names);
	net_config_fini(&n->config);
	free(n);
	return NULL;
}

const struct net_addresses *net_link_addresses(const struct net *n)
{
	return &n->link_addr;
}

/* What lives as long as the guest's driver. */
static int start_parts(struct net *n)
{
	int rc = tcp_new(n, &n->tcp);

	if (!rc)
		rc = udp_new(n, &n->udp);
	if (!rc)
		rc = icmp_new(n, &n->icmp);
	if (!rc)
		rc = fragments_new(n, &n->fragments);
	if (!rc)
		rc = dns_start(n->dns);
	if (!rc)
		rc = ports_start(n->ports);
	if (!rc && n->host.tls_ops)
		rc = n->host.tls_ops->attach(n->host.tls, n);
	return rc;
}

int net_attach(struct net *n, struct loop *l, const struct net_link *link)
{
	int rc;

	n->loop = l;
	n->link = *link;
	rc = start_parts(n);
	if (rc)
		net_detach(n);
	return rc;
}

void net_detach(struct net *n)
{
	if (!n->loop)
		return;
	ports_stop(n->ports);
	dns_stop(n->dns);
	n->fragments = fragments_free(n->fragments);
	n->icmp = icmp_free(n->icmp);
	n->udp = udp_free(n->udp);
	n->tcp = tcp_free(n->tcp);
	if (n->host.tls_ops)
		n->host.tls_ops->detach(n->host.tls);
	denials_stop(n->denials);
	loop_defer_cancel(&n->flush);
	n->loop = NULL;
}

/* --- frames to the guest --- */

static void on_flush(struct deferred *d)
{
	struct net *n = container_of(d, struct net, flush);

	n->link.ops->flush(n->link.ctx);
}

size_t net_reserve(struct net *n, size_t min, size_t max,
		   const struct iovec **iov, unsigned *niov)
{
	return n->link.ops->reserve(n->link.ctx, min, max, iov, niov);
}

void net_commit(struct net *n, size_t len, const struct net_offload *o)
{
	n->link.ops->commit(n->link.ctx, len, o);
	count(&n->stats.rx_frames, 1);
	count(&n->stats.rx_bytes, len);
	loop_defer(n->loop, &n->flush, on_flush);
}

void net_put(const struct iovec *to, unsigned nto, size_t off,
	     const struct iovec *data, unsigned ndata)
{
	for (unsigned i = 0; i < ndata; i++)
		off += iov_write(to, nto, off, data[i].iov_base,
				 data[i].iov_len);
}

bool net_send(struct net *n, const void *head, size_t head_len,
	      const struct iovec *data, unsigned ndata, size_t data_len,
	      const struct net_offload *o)
{
	size_t len = head_len + data_len;
	const struct iovec *to;
	unsigned nto;

	if (net_reserve(n, len, len, &to, &nto) < len)
		return false;
	(void)iov_write(to, nto, 0, head, head_len);
	net_put(to, nto, head_len, data, ndata);
	net_commit(n, len, o);
	return true;
}

void net_link_ready(struct net *n)
{
	if (!n->loop)
		return;
	tcp_link_ready(n->tcp);
	udp_link_ready(n->udp);
	ports_link_ready(n->ports);
}

/* --- frames of the guest --- */

/* Is it for us, or for everybody? */
static bool is_for_gateway(const struct net *n, const struct packet *p)
{
	return p->dst_mac[0] & MAC_GROUP ||
	       !memcmp(p->dst_mac, n->link_addr.gateway_mac, NET_MAC_LEN);
}

static bool is_from_guest(const struct net *n, const struct packet *p)
{
	const struct net_addr *own = p->src.family == AF_INET
					     ? &n->link_addr.guest4
					     : &n->link_addr.guest6;

	return net_addr_equal(&p->src, own);
}

static void dispatch_l4(struct net *n, const struct packet *p)
{
	switch (p->proto) {
	case IPPROTO_TCP:
		tcp_input(n->tcp, p);
		break;
	case IPPROTO_UDP:
		udp_input(n->udp, p);
		break;
	default: /* the parser lets nothing else through */
		icmp_input(n->icmp, p);
		break;
	}
}

/* false: nobody wants it. */
static bool dispatch(struct net *n, const struct packet *p)
{
	struct packet whole;

	if (!is_for_gateway(n, p))
		return false;
	if (p->ethertype == ETHERTYPE_ARP) {
		neighbour_arp(n, p);
		return true;
	}
	if (p->proto == IPPROTO_ICMPV6 && !p->fragment && neighbour_nd(n, p))
		return true;
	if (!is_from_guest(n, p))
		return false;
	if (!p->fragment)
		dispatch_l4(n, p);
	else if (fragments_add(n->fragments, p, &whole))
		dispatch_l4(n, &whole);
	return true;
}

void net_input(struct net *n, const struct iovec *iov, unsigned niov,
	       const struct net_offload *o)
{
	struct packet p;

	if (!n->loop)
		return;
	net_take_policy(n);
	count(&n->stats.tx_frames, 1);
	count(&n->stats.tx_bytes, iov_len(iov, niov));
	if (packet_parse(iov, niov, o, &p) || !dispatch(n, &p))
		count(&n->stats.dropped, 1);
}

void net_input_end(struct net *n)
{
	if (!n->loop)
		return;
	tcp_input_end(n->tcp);
	udp_input_end(n->udp);
}

/* --- what others want to know --- */

void net_stats_get(const struct net *n, struct net_stats *ret)
{
#define LOAD(name)                                                             \
	ret->name = atomic_load_explicit(&n->stats.name, memory_order_relaxed)
	LOAD(tx_frames);
	LOAD(tx_bytes);
	LOAD(rx_frames);
	LOAD(rx_bytes);
	LOAD(dropped);
	LOAD(denied);
	LOAD(tcp_flows);
	LOAD(udp_flows);
#undef LOAD
}

void net_log(struct net *n, int level, const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	va_list ap;

	if (!n->host.log)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	n->host.log(n->host.ctx, level, line);
}
