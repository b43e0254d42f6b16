/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole network before a guest that does anything: frames of any bytes,
 * segments that fit the state of a connection more or less, at any time and
 * with any amount of room for the answers. Whatever is sent to the guest must
 * be well-formed, and the numbers of every connection must make sense.
 *
 * The input is a list of steps: what, and its bytes. Everything is denied, so
 * no socket is opened; connections are made by the other side, to owners that
 * do what the input says.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/iov.h"
#include "net/net_int.h"
#include "net/tcp_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONNS 4
#define FRAME_MAX 66000u
#define STEPS_MAX 512

struct owner {
	struct world *w;
	struct tcp_conn *conn; /* NULL: none */
	uint16_t port;
	uint8_t mood;
};

struct world {
	struct loop *loop;
	struct net *net;
	struct owner owners[CONNS];
	unsigned room;
	uint8_t frame[FRAME_MAX];
	struct iovec iov;
};

struct input {
	const uint8_t *p;
	size_t left;
};

static uint8_t take8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

static uint16_t take16(struct input *in)
{
	uint16_t hi = take8(in);

	return (uint16_t)(hi << 8 | take8(in));
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* --- the link --- */

static size_t link_reserve(void *ctx, size_t min, size_t max,
			   const struct iovec **iov, unsigned *n)
{
	struct world *w = ctx;
	size_t len = max < 20000 ? max : 20000; /* may be cut */

	must(min <= max && max <= FRAME_MAX);
	if (!w->room)
		return 0;
	if (len < min)
		len = min;
	w->iov = (struct iovec){ w->frame, len };
	*iov = &w->iov;
	*n = 1;
	return len;
}

static void link_commit(void *ctx, size_t len, const struct net_offload *o)
{
	struct world *w = ctx;
	struct iovec iov = { w->frame, len };
	struct packet p;

	must(w->room && len <= w->iov.iov_len);
	w->room--;
	must(packet_parse(&iov, 1, o, &p) == 0);
	must(!memcmp(p.src_mac, w->net->link_addr.gateway_mac, NET_MAC_LEN));
}

static void link_flush(void *ctx)
{
	(void)ctx;
}

static const struct net_link_ops link_ops = { link_reserve, link_commit,
					      link_flush };

/* --- owners --- */

static void on_established(void *owner, struct tcp_conn *c)
{
	struct owner *o = owner;

	must(o->conn == c);
	if (o->mood & 1)
		(void)tcp_send(c, o->w->frame, 1000);
	if (o->mood & 2)
		tcp_finish(c);
}

static size_t on_data(void *owner, struct tcp_conn *c, const struct iovec *iov,
		      unsigned n, size_t len)
{
	struct owner *o = owner;

	must(o->conn == c && iov_len(iov, n) == len);
	if (o->mood == 0x77) {
		o->conn = NULL;
		tcp_reset(c);
		return 0;
	}
	return len * (o->mood & 3) / 3;
}

static void on_fin(void *owner, struct tcp_conn *c)
{
	struct owner *o = owner;

	must(o->conn == c);
	if (o->mood & 4)
		tcp_finish(c);
	if (o->mood == 0x78) {
		o->conn = NULL;
		tcp_abandon(c);
	}
}

static void on_space(void *owner, struct tcp_conn *c)
{
	struct owner *o = owner;

	must(o->conn == c);
	if (o->mood & 8)
		(void)tcp_send(c, o->w->frame, 30000);
}

static void on_closed(void *owner, struct tcp_conn *c, int error)
{
	struct owner *o = owner;

	(void)error;
	must(o->conn == c);
	o->conn = NULL;
}

static const struct tcp_owner_ops owner_ops = { on_established, on_data, on_fin,
						on_space, on_closed };

static void owner_act(struct owner *o, uint8_t what)
{
	struct iovec iov[2];
	struct tcp_conn *c = o->conn;
	size_t n;

	o->mood = what >> 3;
	switch (what & 7) {
	case 0:
		n = tcp_peek(c, iov);
		must(iov_len(iov, 2) == n);
		tcp_consume(c, n / (size_t)(1 + (o->mood & 3)));
		break;
	case 1:
		(void)tcp_send(c, o->w->frame, (size_t)o->mood * 2000);
		break;
	case 2:
		tcp_finish(c);
		break;
	case 3:
		o->conn = NULL;
		tcp_abandon(c);
		break;
	case 4:
		o->conn = NULL;
		tcp_reset(c);
		break;
	case 5:
		n = tcp_space(c, iov);
		must(iov_len(iov, 2) == n);
		tcp_commit(c, n / 2);
		break;
	case 6:
		o->mood = what & 8 ? 0x77 : 0x78;
		break;
	default:
		if (c->deadline)
			c->deadline = 1;
	}
}

static void dial(struct owner *o)
{
	const struct net_addresses *a = &o->w->net->link_addr;
	bool six = o->port & 1;
	struct net_endpoint from = { six ? a->gateway6 : a->gateway4, o->port };
	struct net_endpoint to = { six ? a->guest6 : a->guest4, 80 };

	o->conn = tcp_connect(o->w->net->tcp, &from, &to, &owner_ops, o);
}

/* --- the guest --- */

static void give(struct world *w, const uint8_t *frame, size_t len, bool csum)
{
	size_t half = len / 2;
	struct iovec iov[2] = { { (void *)frame, half },
				{ (void *)(frame + half), len - half } };
	struct net_offload o = { .needs_csum = csum,
				 .csum_start = ETH_HEADER + IP4_HEADER,
				 .csum_offset = 16 };

	net_input(w->net, iov, 2, &o);
}

/* A segment near what the connection expects. */
static void near_miss(struct world *w, struct input *in)
{
	static uint8_t frame[2048];
	struct net_addresses swapped = w->net->link_addr;
	struct owner *ow = &w->owners[take8(in) % CONNS];
	uint8_t flags = take8(in), opt = take8(in) & 1 ? 8 : 0;
	int8_t seq_off = (int8_t)take8(in), ack_off = (int8_t)take8(in);
	uint16_t window = take16(in), len = take16(in) % 1400, sum;
	bool six = ow->port & 1;
	const struct net_addr *src = six ? &swapped.guest6 : &swapped.guest4;
	const struct net_addr *dst =
		six ? &swapped.gateway6 : &swapped.gateway4;
	struct net_endpoint guest = { *src, 80 }, peer = { *dst, ow->port };
	const struct tcp_conn *c = tcp_find(w->net->tcp, &guest, &peer);
	size_t l4 = (size_t)TCP_HEADER + opt + len, off;
	uint8_t *h;

	off = frame_ip_header(frame, &swapped, src, dst, IPPROTO_TCP, l4, true);
	memcpy(frame, swapped.gateway_mac, NET_MAC_LEN);
	h = frame + off;
	be16_put(h, guest.port);
	be16_put(h + 2, peer.port);
	be32_put(h + 4, (c ? c->rcv_nxt : 0) + (uint32_t)seq_off * 11u);
	be32_put(h + 8, (c ? c->snd_max : 0) + (uint32_t)ack_off * 7u);
	h[12] = (uint8_t)((TCP_HEADER + opt) / 4 << 4);
	h[13] = flags;
	be16_put(h + 14, window);
	be32_put(h + 16, 0);
	for (unsigned i = 0; i < opt; i++)
		h[TCP_HEADER + i] = take8(in);
	sum = csum_fold(csum_bytes(
		h, l4, csum_pseudo(src, dst, IPPROTO_TCP, (uint32_t)l4)));
	memcpy(h + 16, &sum, sizeof(sum));
	give(w, frame, off + l4, false);
}

static void check(const struct tcp_conn *c)
{
	must(seq_le(c->snd_una, c->snd_nxt) && seq_le(c->snd_nxt, c->snd_max));
	must(c->snd.used <= c->snd.size && c->rcv.used <= c->rcv.size);
	must(c->snd_max - c->snd_una <= c->snd.used + 1);
	must(seq_le(c->rcv_nxt, c->rcv_adv));
	must(c->rcv_adv - c->rcv_nxt <= c->rcv_size - c->rcv.used ||
	     c->phase != CONN_SYNCED || c->rcv_fin);
	must(c->mss >= 64);
}

static void step(struct world *w, struct input *in)
{
	struct owner *o;
	size_t len;

	switch (take8(in) % 8) {
	case 0:
		len = take16(in);
		len = len < in->left ? len : in->left;
		give(w, in->p, len, take8(in) & 1);
		len = len < in->left ? len : in->left;
		in->p += len;
		in->left -= len;
		break;
	case 1:
		w->room = take8(in);
		net_link_ready(w->net);
		break;
	case 2:
		net_input_end(w->net);
		break;
	case 3:
		(void)loop_turn(w->loop, 0);
		break;
	case 4:
		o = &w->owners[take8(in) % CONNS];
		if (!o->conn)
			dial(o);
		break;
	case 5:
		o = &w->owners[take8(in) % CONNS];
		if (o->conn)
			owner_act(o, take8(in));
		break;
	default:
		near_miss(w, in);
	}
	for (unsigned i = 0; i < CONNS; i++)
		if (w->owners[i].conn)
			check(w->owners[i].conn);
}

/* The network itself outlives an input: what has state begins with the guest's
 * driver. */
static void world_init(struct world *w)
{
	static struct loop *loop;
	static struct net *net;
	struct net_link link = { .ops = &link_ops,
				 .ctx = w,
				 .csum = true,
				 .tso4 = true,
				 .tso6 = true };
	struct net_addresses a = {
		.guest_mac = { 2, 0x6d, 0x73, 0, 0, 2 },
		.gateway_mac = { 2, 0x6d, 0x73, 0, 0, 1 },
		.mtu = 1500,
		.guest4 = { AF_INET, { 172, 16, 0, 2 } },
		.gateway4 = { AF_INET, { 172, 16, 0, 1 } },
		.guest6 = { AF_INET6, { 0xfd, [15] = 2 } },
		.gateway6 = { AF_INET6, { 0xfd, [15] = 1 } },
	};
	struct net_config c;
	struct err err = { 0 };

	if (!net) {
		must(net_config_init(&c) == 0);
		policy_fini(&c.policy);
		memset(&c.policy, 0, sizeof(c.policy));
		must(strv_add(&c.nameservers, "127.0.0.1:1") == 0);
		must(loop_new(&loop) == 0);
		must(net_new(&c, &a, &(struct net_host){ 0 }, &net, &err) == 0);
	}
	w->room = 4;
	w->loop = loop;
	w->net = net;
	must(net_attach(w->net, w->loop, &link) == 0);
	for (unsigned i = 0; i < CONNS; i++)
		w->owners[i] =
			(struct owner){ .w = w, .port = (uint16_t)(50000 + i) };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct input in = { data, size };

	memset(&w, 0, sizeof(w));
	world_init(&w);
	for (unsigned i = 0; in.left && i < STEPS_MAX; i++)
		step(&w, &in);
	net_input_end(w.net);
	(void)loop_turn(w.loop, 0);
	net_detach(w.net);
	for (unsigned i = 0; i < CONNS; i++)
		must(!w.owners[i].conn);
	return 0;
}
