/* SPDX-License-Identifier: Apache-2.0 */
/* Judging flows, and what is told of those that may not be. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/net_int.h"

#define BURST 20u	/* lines at once */
#define REFILL_MS 1000u /* and one more after so long */
#define LINE_MAX 640u

struct denials {
	struct net *net;
	unsigned lines;	     /* that may be written now */
	uint64_t refilled;   /* ms */
	uint64_t suppressed; /* since the last line that told of them */
	struct timer timer;  /* armed while there are such */
};

int denials_new(struct net *n, struct denials **ret)
{
	struct denials *d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->net = n;
	d->lines = BURST;
	d->refilled = clock_mono_ms();
	*ret = d;
	return 0;
}

static void tell_suppressed(struct denials *d)
{
	if (d->suppressed)
		net_log(d->net, LOG_WARN, "denied %llu more flows",
			(unsigned long long)d->suppressed);
	d->suppressed = 0;
}

void denials_stop(struct denials *d)
{
	loop_timer_cancel(&d->timer);
	tell_suppressed(d);
}

struct denials *denials_free(struct denials *d)
{
	if (d)
		loop_timer_cancel(&d->timer);
	free(d);
	return NULL;
}

static void on_timer(struct timer *t)
{
	tell_suppressed(container_of(t, struct denials, timer));
}

bool net_may_tell(struct net *n)
{
	struct denials *d = n->denials;
	uint64_t now = clock_mono_ms(), more = (now - d->refilled) / REFILL_MS;
	if (more) {
		d->refilled += more * REFILL_MS;
		d->lines = more < BURST - d->lines ? d->lines + (unsigned)more
						   : BURST;
	}
	if (d->lines) {
		d->lines--;
		return true;
	}
	d->suppressed++;
	if (!d->timer.loop && d->net->loop)
		loop_timer(d->net->loop, &d->timer, REFILL_MS, on_timer);
	return false;
}

static const char *proto_name(enum policy_proto p)
{
	switch (p) {
	case POLICY_TCP:
		return "tcp";
	case POLICY_UDP:
		return "udp";
	case POLICY_ICMP4:
		return "icmpv4";
	case POLICY_ICMP6:
		return "icmpv6";
	}
	return "?";
}

static bool copy_name(void *ctx, const char *name)
{
	memcpy(ctx, name, strlen(name) + 1);
	return true;
}

/* What the guest asked DNS about to get there, when nothing else is known. */
static const char *known_name(const struct net *n, const struct policy_flow *f,
			      const char *name, char buf[NET_NAME_MAX + 1])
{
	if (name && *name)
		return name;
	if (names_any(n->names, &f->addr, clock_mono_ms(), copy_name, buf))
		return buf;
	return NULL;
}

static void flow_text(const struct net *n, const struct policy_flow *f,
		      const char *name, struct buf *out)
{
	char addr[NET_ADDR_TEXT], buf[NET_NAME_MAX + 1];
	bool v6 = f->addr.family == AF_INET6,
	     in = f->direction == POLICY_INGRESS;

	buf_printf(out, "%s %s", in ? "ingress" : "egress",
		   proto_name(f->proto));
	if (f->addr.family != AF_UNSPEC)
		buf_printf(out, " %s %s%s%s", in ? "from" : "to", v6 ? "[" : "",
			   net_addr_text(&f->addr, addr), v6 ? "]" : "");
	if (f->proto == POLICY_TCP || f->proto == POLICY_UDP)
		buf_printf(out, "%s%u", in ? " port " : ":", f->port);
	if (f->addr.family != AF_UNSPEC)
		buf_printf(out, " group=%s",
			   net_group_name(
				   net_addr_group(&f->addr, &n->link_addr)));
	name = known_name(n, f, name, buf);
	if (name)
		buf_printf(out, " name=%s", name);
}

void net_denied(struct net *n, const struct policy_flow *f, const char *name,
		const struct policy_verdict *v)
{
	struct buf line;
	const char *text;

	atomic_fetch_add_explicit(&n->stats.denied, 1, memory_order_relaxed);
	if (!net_may_tell(n))
		return;
	buf_init(&line, LINE_MAX);
	buf_str(&line, "denied ");
	flow_text(n, f, name, &line);
	buf_str(&line, " by ");
	policy_verdict_text(&n->config.policy, v, f->direction, &line);
	text = buf_cstr(&line);
	if (text)
		net_log(n, LOG_WARN, "%s", text);
	buf_fini(&line);
}

void net_blocked(struct net *n, const struct policy_flow *f, const char *name,
		 const char *why)
{
	struct buf line;
	const char *text;

	atomic_fetch_add_explicit(&n->stats.denied, 1, memory_order_relaxed);
	if (!net_may_tell(n))
		return;
	buf_init(&line, LINE_MAX);
	buf_str(&line, "ended ");
	flow_text(n, f, name, &line);
	buf_printf(&line, ": %s", why);
	text = buf_cstr(&line);
	if (text)
		net_log(n, LOG_WARN, "%s", text);
	buf_fini(&line);
}

struct policy_verdict net_judge(struct net *n, const struct policy_flow *f,
				enum policy_names how, const char *sni)
{
	struct policy_verdict v = policy_decide(
		&n->config.policy, &n->link_addr, n->names, f, how, sni);
	if (v.answer == POLICY_DENY)
		net_denied(n, f, sni, &v);
	return v;
}

struct net_endpoint net_host_end(const struct net *n,
				 const struct net_endpoint *guest_view)
{
	static const struct net_addr loopback4 = { AF_INET, { 127, 0, 0, 1 } };
	static const struct net_addr loopback6 = { AF_INET6, { [15] = 1 } };
	struct net_endpoint e = *guest_view;

	if (!net_addr_is_gateway(&e.addr, &n->link_addr)) {
		e.addr = net_addr_unmap(&e.addr);
	} else {
		struct net_addr inner = net_addr_unwrap(&e.addr);
		e.addr = inner.family == AF_INET ? loopback4 : loopback6;
	}
	return e;
}
