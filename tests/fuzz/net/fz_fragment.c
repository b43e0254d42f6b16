/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragments of a hostile guest: a list of pieces, each
 * flags:1 ident:1 offset:2 length:2. flags & 1: IPv6, & 2: more follow, & 4:
 * another protocol, & 8: the datagram's sum is wrong, & 16: the piece's bytes
 * are not those of the datagram. ident also says how long the datagram is, so
 * that the pieces of one can agree. What comes out must be what went in.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "net/net_int.h"

#define OP 6u
#define OPS_MAX 512u
#define OTHER 4u
#define BAD_SUM 8u
#define BAD_BYTES 16u

static uint8_t frame[65536 + 8];

static void require(bool ok)
{
	if (!ok)
		abort();
}

static size_t length_of(uint8_t ident)
{
	return UDP_HEADER + (size_t)ident * 256;
}

static uint8_t byte_at(uint8_t ident, size_t i)
{
	return (uint8_t)(i * 5 + i / 256 + ident);
}

/* The datagram in full, kept while pieces of the same are asked for. */
static const uint8_t *datagram(const struct packet *p, uint8_t ident)
{
	static uint8_t data[65536 + 8];
	static int made = -1;
	size_t len = length_of(ident);
	int which = p->src.family << 8 | ident;
	uint16_t sum;

	if (made == which)
		return data;
	made = which;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = byte_at(ident, i);
	be16_put(data, 1);
	be16_put(data + 2, 2);
	be16_put(data + 4, (uint16_t)len);
	be16_put(data + 6, 0);
	sum = csum_fold(csum_bytes(
		data, len,
		csum_pseudo(&p->src, &p->dst, IPPROTO_UDP, (uint32_t)len)));
	if (!sum)
		sum = UINT16_MAX;
	memcpy(data + 6, &sum, sizeof(sum));
	return data;
}

/* A whole datagram must be one, up to the bytes its header speaks of. */
static void check(const struct packet *w, uint8_t ident, bool known)
{
	size_t len = w->payload_off + w->payload_len;
	const uint8_t *p;

	require(w->niov == 1 && w->iov[0].iov_len == len);
	require(!w->fragment && w->proto == IPPROTO_UDP);
	require(w->l4_off + UDP_HEADER == w->payload_off);
	require(w->ip_off + w->ip_len == w->l4_off);
	if (!known)
		return;
	require(w->payload_len + UDP_HEADER == length_of(ident));
	p = (const uint8_t *)w->iov[0].iov_base + w->l4_off;
	for (size_t i = UDP_HEADER; i < length_of(ident); i++)
		require(p[i] == byte_at(ident, i));
}

static void give(struct fragments *f, const struct net_addresses *l,
		 const uint8_t *op, bool *spoilt)
{
	struct packet whole, p = {
		.src = op[0] & 1 ? l->guest6 : l->guest4,
		.dst = op[0] & 1 ? l->gateway6 : l->gateway4,
		.proto = op[0] & OTHER ? IPPROTO_TCP : IPPROTO_UDP,
		.fragment = true,
		.more_fragments = op[0] & 2,
		.fragment_id = op[1],
		.fragment_off = be16_get(op + 2) & 0xfff8,
		.payload_len = be16_get(op + 4),
	};
	struct iovec iov = { .iov_base = frame, .iov_len = p.payload_len };
	size_t off = p.fragment_off, len = p.payload_len;

	p.iov = &iov;
	p.niov = 1;
	memset(frame, 0, len);
	if (off < sizeof(frame))
		memcpy(frame, datagram(&p, op[1]) + off,
		       len < sizeof(frame) - off ? len : sizeof(frame) - off);
	if (op[0] & BAD_SUM && len > 6)
		frame[6] ^= 1;
	for (size_t i = 0; i < len && op[0] & BAD_BYTES; i++)
		frame[i] = (uint8_t)~frame[i];
	if (op[0] & (BAD_SUM | BAD_BYTES))
		spoilt[op[1]] = true;
	if (fragments_add(f, &p, &whole))
		check(&whole, op[1], !spoilt[op[1]]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct net_addresses l = {
		.mtu = 1500,
		.guest4 = { AF_INET, { 172, 16, 0, 2 } },
		.gateway4 = { AF_INET, { 172, 16, 0, 1 } },
		.guest6 = { AF_INET6, { 0xfd, [15] = 2 } },
		.gateway6 = { AF_INET6, { 0xfd, [15] = 1 } },
	};
	struct net *n = calloc(1, sizeof(*n));
	bool spoilt[256] = { false };
	struct fragments *f;

	require(n && loop_new(&n->loop) == 0);
	n->link_addr = l;
	require(fragments_new(n, &f) == 0);
	for (unsigned i = 0; i < OPS_MAX && size >= OP; i++) {
		give(f, &l, data, spoilt);
		data += OP;
		size -= OP;
	}
	fragments_free(f);
	loop_free(n->loop);
	free(n);
	return 0;
}
