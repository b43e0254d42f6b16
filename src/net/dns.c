/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's resolver: every query to port 53, of whatever address, passes
 * here, and so does every answer, whether it came now or is kept from before:
 *
 *   query -> policy by name -> alias -> absent family -> policy by address of
 *   the server -> cache or servers -> rebind protection -> pins -> guest
 *
 * Nothing a guest may not know is asked for, and nothing reaches it before what
 * it says has been written down.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/iov.h"
#include "base/log.h"
#include "net/dns_answer.h"
#include "net/dns_int.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define HOSTS "/etc/hosts"
#define ALIAS_TTL_S 60
#define PROBLEMS_MAX 4096

/* --- to the guest --- */

/* msg is writable and may be cut. */
static void release(struct dns *d, const struct dns_asker *who,
		    const struct dns_request *r, uint8_t *msg, size_t len)
{
	struct iovec iov;

	be16_put(msg, r->header.id);
	if (who->stream) {
		dns_stream_answer(who->stream, msg, len);
		return;
	}
	if (len > r->udp_size || len > DNS_MAX_QUERY)
		len = dns_truncate(msg, len);
	iov = (struct iovec){ .iov_base = msg, .iov_len = len };
	/* no room in the guest: lost, as datagrams may be */
	(void)udp_send(d->net, &who->asked, &who->guest, &iov, 1, len);
}

static void release_status(struct dns *d, const struct dns_asker *who,
			   const struct dns_request *r, const uint8_t *msg,
			   enum dns_rcode rcode)
{
	uint8_t answer[DNS_LOCAL_MAX];
	bool one = r->header.questions == 1;

	release(d, who, r, answer,
		dns_status_write(answer, msg, r, one, rcode));
}

static void release_address(struct dns *d, const struct dns_asker *who,
			    const struct dns_request *r, const uint8_t *msg,
			    const struct net_addr *a)
{
	uint8_t answer[DNS_LOCAL_MAX];

	release(d, who, r, answer,
		dns_address_write(answer, msg, r, a, ALIAS_TTL_S));
}

/* --- before anything is asked --- */

static struct policy_flow flow_of(const struct dns_asker *who)
{
	return (struct policy_flow){
		.direction = POLICY_EGRESS,
		.proto = who->stream ? POLICY_TCP : POLICY_UDP,
		.addr = who->asked.addr,
		.port = who->asked.port,
	};
}

static bool may_ask_for(struct dns *d, const struct dns_asker *who,
			const struct dns_request *r)
{
	struct policy_flow f = flow_of(who);
	struct policy_verdict v;
	char wire[DNS_NAME_PRINT], name[NET_NAME_MAX + 1];
	bool valid = dns_name_text(&r->question.name, wire) &&
		     !policy_name(wire, strlen(wire), name);

	v = policy_decide_query(&d->net->config.policy, valid ? name : NULL,
				f.proto, DNS_PORT);
	if (v.answer == POLICY_ALLOW)
		return true;
	net_denied(d->net, &f, dns_name_print(&r->question.name, wire), &v);
	return false;
}

static bool is_gateway(const struct dns *d, const struct dns_asker *who)
{
	return net_addr_is_gateway(&who->asked.addr, &d->net->link_addr);
}

static bool is_configured(const struct dns *d, const struct net_endpoint *e)
{
	for (size_t i = 0; i < d->servers.n; i++)
		if ((d->servers.v[i].end.port == e->port ||
		     e->port == DNS_TLS_PORT) &&
		    net_addr_equal(&d->servers.v[i].end.addr, &e->addr))
			return true;
	return false;
}

/* A rule for this address alone, not for a range that it is in. */
static bool rule_names_it(const struct policy *p, int rule)
{
	const struct policy_rule *r;

	if (rule < 0) /* the default, or no rule can */
		return false;
	r = &p->rules[rule];
	return r->target == POLICY_TARGET_CIDR &&
	       r->cidr.prefix == (r->cidr.addr.family == AF_INET ? 32 : 128);
}

/*
 * A server of the guest's own choice is an address like any other. Its word
 * binds names only if the policy's author meant that server: else a guest that
 * may ask anybody would have an accomplice bind an allowed name to any address.
 */
static bool may_ask_server(struct dns *d, struct dns_asker *who)
{
	struct policy_flow f = flow_of(who);
	struct policy_verdict v;

	who->trusted = true;
	if (is_gateway(d, who))
		return true;
	v = net_judge(d->net, &f, POLICY_NAMES_CACHED, NULL);
	who->trusted = is_configured(d, &who->asked) ||
		       rule_names_it(&d->net->config.policy, v.rule);
	return v.answer == POLICY_ALLOW;
}

/* The sandbox's address of the family that a type is about, or NULL. */
static const struct net_addr *gateway_for(const struct dns *d, uint16_t type)
{
	const struct net_addresses *l = &d->net->link_addr;
	const struct net_addr *a = type == DNS_A ? &l->gateway4 : &l->gateway6;

	return a->family == AF_UNSPEC ? NULL : a;
}

/* Names and families whose answers are known here. */
static bool answer_locally(struct dns *d, const struct dns_asker *who,
			   const struct dns_request *r, const uint8_t *msg)
{
	const struct dns_question *q = &r->question;
	const struct net_addr *gateway;

	if ((q->type != DNS_A && q->type != DNS_AAAA) ||
	    q->class != DNS_CLASS_IN)
		return false;
	gateway = gateway_for(d, q->type);
	if (dns_name_equal(&q->name, &d->alias))
		release_address(d, who, r, msg, gateway);
	else if (!gateway) /* it could not be reached */
		release_status(d, who, r, msg, DNS_NOERROR);
	else
		return false;
	return true;
}

/* Only questions are passed on: changes to zones, and copies of them, are not
 * what a host lends its name to. */
static bool is_lookup(const struct dns_request *r)
{
	return !(r->header.flags & DNS_FLAG_OPCODE) &&
	       r->question.type != DNS_AXFR && r->question.type != DNS_IXFR;
}

/* --- answers --- */

static void pin(struct dns *d, const struct dns_request *r, const uint8_t *msg,
		size_t len, int family)
{
	struct net_addr addrs[DNS_MAX_ADDRS];
	char name[DNS_NAME_PRINT];
	uint16_t flags = be16_get(msg + 2);
	uint32_t ttl;
	size_t n;

	if (!dns_name_text(&r->question.name, name))
		return;
	n = dns_answer_addresses(msg, len, family, addrs, &ttl);
	/* what was cut off is no proof that there is nothing */
	if (!n && (flags & DNS_FLAG_TC || r->question.type == DNS_ANY))
		return;
	names_sweep(d->net->names, loop_now_ms(d->net->loop));
	/* out of memory: the addresses stay unknown, and closed */
	(void)names_bind(d->net->names, name, family, addrs, n, ttl,
			 loop_now_ms(d->net->loop));
}

static void pin_answer(struct dns *d, const struct dns_request *r,
		       const uint8_t *msg, size_t len)
{
	uint16_t type = r->question.type;

	if (be16_get(msg + 2) & DNS_FLAG_RCODE ||
	    r->question.class != DNS_CLASS_IN)
		return;
	if (type == DNS_A || type == DNS_ANY)
		pin(d, r, msg, len, AF_INET);
	if (type == DNS_AAAA || type == DNS_ANY)
		pin(d, r, msg, len, AF_INET6);
}

/* An answer for the guest, if it is one that it may have; msg is writable,
 * query is what was asked. */
static void release_answer(struct dns *d, const struct dns_asker *who,
			   const struct dns_request *r, const uint8_t *query,
			   uint8_t *msg, size_t len)
{
	struct net *n = d->net;
	char name[DNS_NAME_PRINT], text[NET_ADDR_TEXT];
	struct net_addr inner;

	if (!be16_get(msg + 4)) { /* a failure that lacks the question */
		release_status(d, who, r, query,
			       be16_get(msg + 2) & DNS_FLAG_RCODE);
		return;
	}
	if (n->config.rebind_protection &&
	    dns_answer_rebinds(msg, len, &n->config.policy, &n->link_addr,
			       &inner)) {
		net_log(n, LOG_DEBUG, "dns: %s leads to %s: withheld",
			dns_name_print(&r->question.name, name),
			net_addr_text(&inner, text));
		release_status(d, who, r, query, DNS_NXDOMAIN);
		return;
	}
	if (who->trusted)
		pin_answer(d, r, msg, len);
	release(d, who, r, msg, len);
}

static void query_free(struct dns_query *q)
{
	dns_exchange_cancel(&q->exchange);
	q->busy = false;
	q->dns->outstanding--;
}

static void on_done(struct dns_exchange *x, uint8_t *answer, size_t len)
{
	struct dns_query *q = container_of(x, struct dns_query, exchange);
	struct dns_stream *stream = q->who.stream;
	struct dns *d = q->dns;
	char name[DNS_NAME_PRINT];

	if (!answer) {
		net_log(d->net, LOG_DEBUG, "dns: no server answered for %s",
			dns_name_print(&q->request.question.name, name));
		release_status(d, &q->who, &q->request, q->msg, DNS_SERVFAIL);
	} else {
		dns_cache_put(d->cache,
			      q->elsewhere ? &q->server.end.addr : NULL, q->msg,
			      x->len, &q->request, answer, len,
			      loop_now_ms(d->net->loop));
		release_answer(d, &q->who, &q->request, q->msg, answer, len);
	}
	query_free(q);
	if (stream)
		dns_stream_done(stream);
	dns_streams_resume(d);
}

/* --- queries --- */

static struct dns_query *query_alloc(struct dns *d)
{
	for (size_t i = 0; i < DNS_MAX_OUTSTANDING; i++) {
		struct dns_query *q = &d->queries[i];

		if (q->busy)
			continue;
		q->busy = true;
		q->dns = d;
		d->outstanding++;
		return q;
	}
	return NULL;
}

static bool same_end(const struct net_endpoint *a, const struct net_endpoint *b)
{
	return a->port == b->port && net_addr_equal(&a->addr, &b->addr);
}

/* A guest that heard nothing asks the same again: so does its query. */
static bool repeat(struct dns *d, const struct dns_asker *who,
		   const struct dns_request *r, const uint8_t *msg, size_t len)
{
	for (size_t i = 0; i < DNS_MAX_OUTSTANDING; i++) {
		struct dns_query *q = &d->queries[i];

		if (!q->busy || q->who.stream ||
		    q->request.header.id != r->header.id ||
		    q->exchange.len != len ||
		    !same_end(&q->who.guest, &who->guest) ||
		    !same_end(&q->who.asked, &who->asked) ||
		    memcmp(q->msg + 2, msg + 2, len - 2) != 0)
			continue;
		dns_exchange_repeat(&q->exchange);
		return true;
	}
	return false;
}

static int forward(struct dns *d, const struct dns_asker *who,
		   const struct dns_request *r, const uint8_t *msg, size_t len)
{
	struct dns_query *q;

	if (!who->stream && d->outstanding && repeat(d, who, r, msg, len))
		return 0;
	q = query_alloc(d);
	if (!q)
		return -EBUSY;
	q->who = *who;
	q->request = *r;
	q->elsewhere = !is_gateway(d, who);
	q->server = (struct dns_server){ .end = who->asked };
	memcpy(q->msg, msg, len);
	q->exchange = (struct dns_exchange){
		.loop = d->net->loop,
		.servers = q->elsewhere ? &q->server : d->servers.v,
		.nservers = q->elsewhere ? 1 : d->servers.n,
		.tcp = who->stream != NULL,
		.timeout_ms = d->net->config.dns_timeout_ms,
		.query = q->msg,
		.len = len,
		.scratch = d->scratch,
		.done = on_done,
		.wires = q->elsewhere && who->tls_name ? d->net->host.tls_ops
						       : NULL,
		.tls = d->net->host.tls,
		.tls_name = who->tls_name,
	};
	dns_exchange_start(&q->exchange);
	return 1;
}

int dns_ask(struct dns *d, const struct dns_asker *asker, const uint8_t *msg,
	    size_t len)
{
	struct dns_asker who = *asker;
	struct dns_request r;
	uint8_t kept[DNS_CACHE_MAX_ANSWER];
	size_t kept_len;
	int rc = dns_request_read(msg, len, &r);

	if (rc == -EPROTO)
		release_status(d, &who, &r, msg, DNS_FORMERR);
	if (rc)
		return 0;
	if (!may_ask_for(d, &who, &r)) {
		release_status(d, &who, &r, msg, DNS_NXDOMAIN);
		return 0;
	}
	if (!is_lookup(&r)) {
		release_status(d, &who, &r, msg, DNS_NOTIMP);
		return 0;
	}
	if (answer_locally(d, &who, &r, msg))
		return 0;
	if (!may_ask_server(d, &who)) {
		release_status(d, &who, &r, msg, DNS_NXDOMAIN);
		return 0;
	}
	kept_len = dns_cache_get(d->cache,
				 is_gateway(d, &who) ? NULL : &who.asked.addr,
				 msg, len, &r, loop_now_ms(d->net->loop), kept);
	if (!kept_len)
		return forward(d, &who, &r, msg, len);
	release_answer(d, &who, &r, msg, kept, kept_len);
	return 0;
}

void dns_datagram(struct dns *d, const struct packet *p)
{
	struct dns_asker who = {
		.guest = { .addr = p->src, .port = p->udp.sport },
		.asked = { .addr = p->dst, .port = p->udp.dport },
	};

	if (p->payload_len > sizeof(d->in) ||
	    net_addr_group(&p->dst, &d->net->link_addr) == NET_GROUP_MULTICAST)
		return;
	(void)iov_read(p->iov, p->niov, p->payload_off, d->in, p->payload_len);
	/* -EBUSY: lost, the guest will ask again */
	(void)dns_ask(d, &who, d->in, p->payload_len);
}

void dns_forget(struct dns *d, const struct dns_stream *s)
{
	for (size_t i = 0; i < DNS_MAX_OUTSTANDING; i++)
		if (d->queries[i].busy && d->queries[i].who.stream == s)
			query_free(&d->queries[i]);
}

/* --- life --- */

int dns_new(struct net *n, struct dns **ret, struct err *err)
{
	struct dns_host host = {
		.resolv_conf = RESOLV_CONF,
		.hosts = HOSTS,
		.port = DNS_PORT,
		.timeout_ms = n->config.dns_timeout_ms,
	};
	struct buf problems;
	struct dns *d;
	int rc;

	/* large and untouched: it costs memory as it is used */
	d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	d->net = n;
	list_init(&d->streams);
	list_init(&d->waiting);
	(void)dns_name_parse(NET_HOST_ALIAS, strlen(NET_HOST_ALIAS), &d->alias);
	buf_init(&problems, PROBLEMS_MAX);
	rc = dns_cache_new(&d->cache);
	if (!rc)
		rc = dns_servers_find(&host, &n->config.nameservers,
				      &d->servers, &problems);
	if (!rc && buf_len(&problems) && buf_cstr(&problems))
		net_log(n, LOG_WARN, "dns: %s", buf_cstr(&problems));
	if (!rc && !d->servers.n)
		net_log(n, LOG_WARN, "dns: no server: names do not resolve");
	buf_fini(&problems);
	if (rc) {
		dns_free(d);
		return err_sys(err, ERR_IO, -rc, "find nameservers");
	}
	*ret = d;
	return 0;
}

int dns_start(struct dns *d)
{
	(void)d; /* sockets are opened as queries come */
	return 0;
}

void dns_stop(struct dns *d)
{
	dns_streams_stop(d);
	for (size_t i = 0; i < DNS_MAX_OUTSTANDING; i++)
		if (d->queries[i].busy)
			query_free(&d->queries[i]);
}

struct dns *dns_free(struct dns *d)
{
	if (!d)
		return NULL;
	dns_cache_free(d->cache);
	free(d);
	return NULL;
}
