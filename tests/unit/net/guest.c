/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/iov.h"

#define PATIENCE_MS 5000
#define SILENCE_MS 120 /* longer than anything is put off by itself */

/* --- the link --- */

static size_t link_reserve(void *ctx, size_t min, size_t max,
			   const struct iovec **iov, unsigned *n)
{
	struct guest *g = ctx;
	size_t half = 1000;

	if (!g->room || max > sizeof(g->buffer) || min > max)
		return 0;
	/* two parts, so that nobody takes it for one */
	g->iov[0] = (struct iovec){ g->buffer, max < half ? max : half };
	g->iov[1] =
		(struct iovec){ g->buffer + half, max < half ? 0 : max - half };
	*iov = g->iov;
	*n = 2;
	return max;
}

static void link_commit(void *ctx, size_t len, const struct net_offload *o)
{
	struct guest *g = ctx;
	struct guest_frame *f;

	assert_true(g->count < GUEST_FRAMES && g->room);
	g->room--;
	f = &g->queue[(g->first + g->count++) % GUEST_FRAMES];
	f->data = malloc(len);
	assert_non_null(f->data);
	memcpy(f->data, g->buffer, len);
	f->len = len;
	f->o = *o;
}

static void link_flush(void *ctx)
{
	((struct guest *)ctx)->flushes++;
}

static const struct net_link_ops link_ops = { link_reserve, link_commit,
					      link_flush };

static void on_log(void *ctx, int level, const char *line)
{
	struct guest *g = ctx;

	(void)level;
	(void)snprintf(g->log, sizeof(g->log), "%s", line);
	g->log_lines++;
}

static void set_addresses(struct net_addresses *a)
{
	memcpy(a->guest_mac, "\x02\x6d\x73\0\0\2", NET_MAC_LEN);
	memcpy(a->gateway_mac, "\x02\x6d\x73\0\0\1", NET_MAC_LEN);
	a->mtu = 1500;
	assert_int_equal(net_addr_parse("172.16.0.2", 10, &a->guest4), 0);
	assert_int_equal(net_addr_parse("172.16.0.1", 10, &a->gateway4), 0);
	assert_int_equal(net_addr_parse("fd42:6d73:62::2", 15, &a->guest6), 0);
	assert_int_equal(net_addr_parse("fd42:6d73:62::1", 15, &a->gateway6),
			 0);
}

struct guest *guest_new(const struct guest_options *o)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct net_host host = { .ctx = g, .log = on_log };
	struct net_link link = { .ops = &link_ops, .ctx = g };
	struct net_addresses a = { 0 };
	struct net_config c;
	struct err err = { 0 };

	assert_non_null(g);
	link.csum = !o->no_csum;
	link.tso4 = link.tso6 = !o->no_tso;
	g->room = UINT32_MAX;
	set_addresses(&a);
	assert_int_equal(net_config_init(&c), 0);
	if (o->max_connections)
		c.max_connections = o->max_connections;
	policy_fini(&c.policy);
	if (o->policy)
		c.policy = *o->policy;
	else
		c.policy = (struct policy){ .allow_egress = true,
					    .allow_ingress = true };
	if (o->publish) {
		c.ports = calloc(1, sizeof(*c.ports));
		assert_non_null(c.ports);
		c.nports = 1;
		c.ports->bind =
			(struct net_endpoint){ { AF_INET, { 127, 0, 0, 1 } },
					       o->publish };
		c.ports->guest_port = 80;
	}
	if (o->configure)
		o->configure(o->ctx, &c, &host);
	assert_int_equal(loop_new(&g->loop), 0);
	assert_int_equal(net_new(&c, &a, &host, &g->net, &err), 0);
	assert_int_equal(net_attach(g->net, g->loop, &link), 0);
	return g;
}

void guest_free(struct guest *g)
{
	g->net = net_free(g->net);
	g->loop = loop_free(g->loop);
	while (g->count--)
		free(g->queue[g->first++ % GUEST_FRAMES].data);
	free(g);
}

struct net_endpoint guest_end(const struct guest *g, int family, uint16_t port)
{
	const struct net_addresses *a = net_link_addresses(g->net);

	return (struct net_endpoint){ family == AF_INET ? a->guest4 : a->guest6,
				      port };
}

struct net_endpoint gateway_end(const struct guest *g, int family,
				uint16_t port)
{
	const struct net_addresses *a = net_link_addresses(g->net);

	return (struct net_endpoint){ family == AF_INET ? a->gateway4
							: a->gateway6,
				      port };
}

void guest_turn(struct guest *g)
{
	assert_int_equal(loop_turn(g->loop, 0), 0);
}

bool guest_has_frame(const struct guest *g)
{
	return g->count;
}

bool guest_wait(struct guest *g)
{
	uint64_t end = clock_mono_ms() + SILENCE_MS, now;

	while (!g->count && (now = clock_mono_ms()) < end)
		assert_int_equal(loop_turn(g->loop, (int)(end - now)), 0);
	return g->count;
}

void guest_until(struct guest *g, bool (*cond)(void *ctx), void *ctx)
{
	for (int i = 0; !cond(ctx); i++) {
		assert_true(i < PATIENCE_MS);
		assert_int_equal(loop_turn(g->loop, 1), 0);
	}
}

/* --- frames --- */

static const struct net_offload plain;

void guest_send_raw(struct guest *g, const void *frame, size_t len)
{
	struct iovec iov = { (void *)frame, len };

	net_input(g->net, &iov, 1, &plain);
	net_input_end(g->net);
}

static size_t put_options(uint8_t *p, const struct seg *s)
{
	size_t n = 0;

	if (s->mss) {
		be32_put(p, 2u << 24 | 4u << 16 | s->mss);
		n += 4;
	}
	if (s->flags & TH_SYN && s->scale >= 0) {
		be32_put(p + n, 0x01030300u | (uint32_t)s->scale);
		n += 4;
	}
	return n;
}

void guest_send_more(struct guest *g, const struct seg *s)
{
	static uint8_t frame[GUEST_FRAME_MAX];
	struct net_addresses swapped = g->net->link_addr;
	struct iovec iov[3];
	size_t off, opt, l4;
	uint16_t sum;
	uint8_t *h, options[8];

	memcpy(swapped.guest_mac, g->net->link_addr.gateway_mac, NET_MAC_LEN);
	memcpy(swapped.gateway_mac, g->net->link_addr.guest_mac, NET_MAC_LEN);
	opt = put_options(options, s);
	l4 = TCP_HEADER + opt + s->len;
	off = frame_ip_header(frame, &swapped, &s->from.addr, &s->to.addr,
			      IPPROTO_TCP, l4, true);
	h = frame + off;
	be16_put(h, s->from.port);
	be16_put(h + 2, s->to.port);
	be32_put(h + 4, s->seq);
	be32_put(h + 8, s->ack);
	h[12] = (uint8_t)((TCP_HEADER + opt) / 4 << 4);
	h[13] = s->flags;
	be16_put(h + 14, s->window);
	be32_put(h + 16, 0);
	memcpy(h + TCP_HEADER, options, opt);
	assert_true(off + l4 <= sizeof(frame));
	if (s->len)
		memcpy(h + TCP_HEADER + opt, s->data, s->len);
	sum = csum_fold(csum_bytes(h, l4,
				   csum_pseudo(&s->from.addr, &s->to.addr,
					       IPPROTO_TCP, (uint32_t)l4)));
	memcpy(h + 16, &sum, sizeof(sum));
	/* parts of odd lengths, as a driver may give them */
	iov[0] = (struct iovec){ frame, 7 };
	iov[1] = (struct iovec){ frame + 7, off + 3 - 7 };
	iov[2] = (struct iovec){ frame + off + 3, l4 - 3 };
	net_input(g->net, iov, 3, &plain);
}

void guest_send(struct guest *g, const struct seg *s)
{
	guest_send_more(g, s);
	net_input_end(g->net);
}

/* The sum of a frame whose sum was left to the guest, or was not. */
static void check_sum(const struct guest_frame *f, const struct packet *p)
{
	size_t len = f->len - p->l4_off;
	uint32_t sum =
		csum_pseudo(&p->src, &p->dst, IPPROTO_TCP, (uint32_t)len);
	uint16_t pseudo;

	if (!f->o.needs_csum)
		return; /* packet_parse() looked */
	pseudo = (uint16_t)~csum_fold(sum);
	assert_int_equal(f->o.csum_start, p->l4_off);
	assert_int_equal(f->o.csum_offset, 16);
	assert_memory_equal(f->data + p->l4_off + 16, &pseudo, sizeof(pseudo));
}

bool guest_receive(struct guest *g, struct seg *ret)
{
	struct guest_frame *f;
	struct packet p;
	struct iovec iov;

	if (!guest_wait(g))
		return false;
	f = &g->queue[g->first];
	g->first = (g->first + 1) % GUEST_FRAMES;
	g->count--;
	iov = (struct iovec){ f->data, f->len };
	assert_int_equal(packet_parse(&iov, 1, &f->o, &p), 0);
	assert_int_equal(p.proto, IPPROTO_TCP);
	assert_memory_equal(p.dst_mac, g->net->link_addr.guest_mac,
			    NET_MAC_LEN);
	check_sum(f, &p);
	*ret = (struct seg){
		.from = { p.src, p.tcp.sport },
		.to = { p.dst, p.tcp.dport },
		.flags = p.tcp.flags,
		.seq = p.tcp.seq,
		.ack = p.tcp.ack,
		.window = p.tcp.window,
		.mss = p.tcp.mss,
		.scale = p.tcp.wscale,
		.data = f->data + p.payload_off,
		.len = p.payload_len,
		.o = f->o,
		.frame = f->data,
	};
	assert_int_equal(f->len, p.payload_off + p.payload_len);
	return true;
}

void guest_segment_free(struct seg *s)
{
	free(s->frame);
	s->frame = NULL;
}

/* --- connections --- */

int host_listen(int family, struct net_endpoint *ret)
{
	struct net_endpoint e = { .addr = { .family = (uint8_t)family } };
	struct sockaddr_storage sa;
	socklen_t len;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET)
		memcpy(e.addr.b, "\x7f\0\0\1", 4);
	else
		e.addr.b[15] = 1;
	len = net_endpoint_to_sockaddr(&e, &sa);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(net_endpoint_from_sockaddr(&sa, ret), 0);
	return fd;
}

int host_listen_full(struct net_endpoint *ret, int *ret_filler)
{
	int fd = host_listen(AF_INET, ret);
	struct sockaddr_storage sa;
	socklen_t len = net_endpoint_to_sockaddr(ret, &sa);

	/* a queue of nothing holds one */
	assert_int_equal(listen(fd, 0), 0);
	*ret_filler = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(*ret_filler, (struct sockaddr *)&sa, len), 0);
	return fd;
}

int host_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

uint8_t pattern_at(size_t off)
{
	return (uint8_t)(off * 167 + (off >> 8) * 13 + (off >> 16));
}

void pattern_fill(uint8_t *p, size_t off, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = pattern_at(off + i);
}

void pattern_check(const uint8_t *p, size_t off, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != pattern_at(off + i))
			fail_msg("wrong byte at %zu", off + i);
}

struct tcp_conn *conn_inside(const struct guest_conn *c)
{
	return tcp_find(c->g->net->tcp, &c->own, &c->peer);
}

void conn_expire(const struct guest_conn *c)
{
	struct tcp_conn *in = conn_inside(c);

	assert_non_null(in);
	assert_true(in->deadline != 0);
	in->deadline = 1;
}

void conn_send_at(struct guest_conn *c, uint8_t flags, uint32_t seq,
		  uint32_t ack, const void *data, size_t len)
{
	const struct seg s = {
		.from = c->own,
		.to = c->peer,
		.flags = flags,
		.seq = seq,
		.ack = ack,
		.window = c->window,
		.scale = -1,
		.data = data,
		.len = len,
	};

	guest_send(c->g, &s);
}

void conn_send(struct guest_conn *c, uint8_t flags, const void *data,
	       size_t len)
{
	uint32_t seq = c->snd_nxt;

	c->snd_nxt += (uint32_t)len + !!(flags & TH_FIN);
	conn_send_at(c, flags | TH_ACK, seq, c->rcv_nxt, data, len);
}

void conn_syn(struct guest_conn *c, struct guest *g, uint16_t own_port,
	      const struct net_endpoint *peer)
{
	const struct seg s = {
		.to = *peer,
		.from = guest_end(g, peer->addr.family, own_port),
		.flags = TH_SYN,
		.seq = 0xfffffff0u + own_port,
		.window = 65535,
		.mss = 1460,
		.scale = 7,
	};

	memset(c, 0, sizeof(*c));
	c->g = g;
	c->own = s.from;
	c->peer = *peer;
	c->snd_nxt = c->snd_una = s.seq + 1;
	c->window = 8192; /* 1 MiB */
	c->scale = 7;
	guest_send(g, &s);
}

bool conn_open(struct guest_conn *c, struct guest *g, uint16_t own_port,
	       const struct net_endpoint *peer)
{
	struct seg s;
	bool ok;

	conn_syn(c, g, own_port, peer);
	if (!guest_receive(g, &s))
		return false;
	ok = s.flags == (TH_SYN | TH_ACK) && s.ack == c->snd_nxt;
	c->reset = s.flags & TH_RST;
	c->rcv_nxt = s.seq + 1;
	c->peer_window = s.window;
	c->peer_scale = s.scale < 0 ? 0 : (uint8_t)s.scale;
	guest_segment_free(&s);
	if (ok)
		conn_send(c, 0, NULL, 0);
	return ok;
}

void conn_answer(struct guest_conn *c, struct guest *g)
{
	struct seg s;

	memset(c, 0, sizeof(*c));
	c->g = g;
	assert_true(guest_receive(g, &s));
	assert_int_equal(s.flags, TH_SYN);
	c->own = s.to;
	c->peer = s.from;
	c->peer_scale = (uint8_t)s.scale;
	c->rcv_nxt = s.seq + 1;
	c->window = 8192;
	c->scale = 7;
	guest_segment_free(&s);
	s = (struct seg){
		.from = c->own,
		.to = c->peer,
		.flags = TH_SYN | TH_ACK,
		.seq = 1000,
		.ack = c->rcv_nxt,
		.window = 65535,
		.mss = 1460,
		.scale = 7,
	};
	c->snd_nxt = c->snd_una = 1001;
	guest_send(g, &s);
	assert_true(conn_receive(c));
	assert_false(c->reset);
}

static void conn_take(struct guest_conn *c, const struct seg *s)
{
	if (s->flags & TH_RST) {
		c->reset = true;
		return;
	}
	assert_true(s->flags & TH_ACK);
	c->snd_una = s->ack;
	c->peer_window = (uint32_t)s->window << c->peer_scale;
	if (s->seq != c->rcv_nxt)
		return;
	if (s->len && c->data) {
		assert_true(c->received + s->len <= c->data_max);
		memcpy(c->data + c->received, s->data, s->len);
	}
	c->received += s->len;
	c->rcv_nxt += (uint32_t)s->len;
	if (s->flags & TH_FIN) {
		c->rcv_nxt++;
		c->fin = true;
	}
}

bool conn_receive(struct guest_conn *c)
{
	uint32_t before = c->rcv_nxt;
	struct seg s;
	bool any = false;

	while ((!any || guest_has_frame(c->g)) && guest_receive(c->g, &s)) {
		any = true;
		assert_int_equal(s.to.port, c->own.port);
		conn_take(c, &s);
		guest_segment_free(&s);
	}
	if (c->rcv_nxt != before && !c->reset)
		conn_send(c, 0, NULL, 0);
	return any;
}
