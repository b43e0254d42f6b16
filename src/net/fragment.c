/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragmented datagrams of the guest, put together before any policy looks at
 * them (RFC 791, 8200). What is odd in any way discards the whole datagram, as
 * RFC 5722 asks: pieces that overlap are how a port is hidden from a filter.
 *
 * A set in use is OPEN, with a slot of the arena that has a frame's headers in
 * front of the data, or BAD: its other pieces are swallowed until it expires.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/iov.h"
#include "base/list.h"
#include "net/net_int.h"

#define SETS 64u
#define PIECES 128u
#define LIFETIME_MS 10000u
#define DATA4_MAX (UINT16_MAX - IP4_HEADER)
#define DATA6_MAX UINT16_MAX
#define HEADERS (ETH_HEADER + IP6_HEADER)
#define SLOT (HEADERS + DATA6_MAX + 1u)

struct piece {
	uint16_t off, len; /* the last byte is below 65536 */
};

struct set {
	struct list link; /* of used, oldest first, or of spare */
	struct net_addr src, dst;
	uint32_t id;
	uint64_t born_ms;
	bool bad;
	uint8_t *slot; /* of the arena */
	struct piece pieces[PIECES];
	unsigned npieces;
	size_t have; /* bytes in the pieces */
	size_t end;  /* of the datagram, 0 = not known */
};

struct fragments {
	struct net *net;
	uint8_t *arena; /* SETS slots, mapped; pages appear when touched */
	struct set sets[SETS];
	struct list used, spare;
	struct timer expiry;
	struct iovec iov; /* of the datagram given out */
};

int fragments_new(struct net *n, struct fragments **ret)
{
	struct fragments *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->arena = mmap(NULL, (size_t)SETS * SLOT, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f->arena == MAP_FAILED) {
		free(f);
		return -ENOMEM;
	}
	f->net = n;
	list_init(&f->used);
	list_init(&f->spare);
	for (unsigned i = 0; i < SETS; i++) {
		f->sets[i].slot = f->arena + (size_t)i * SLOT;
		list_add_tail(&f->spare, &f->sets[i].link);
	}
	*ret = f;
	return 0;
}

struct fragments *fragments_free(struct fragments *f)
{
	if (!f)
		return NULL;
	loop_timer_cancel(&f->expiry);
	(void)munmap(f->arena, (size_t)SETS * SLOT);
	free(f);
	return NULL;
}

/* To the front, so that few slots are ever touched. */
static void set_release(struct fragments *f, struct set *s)
{
	list_del(&s->link);
	list_add_tail(f->spare.next, &s->link);
}

static struct set *oldest(struct fragments *f)
{
	return container_of(f->used.next, struct set, link);
}

static void on_expiry(struct timer *t)
{
	struct fragments *f = container_of(t, struct fragments, expiry);
	uint64_t now = loop_now_ms(f->net->loop);

	while (!list_empty(&f->used)) {
		uint64_t age = now - oldest(f)->born_ms;

		if (age < LIFETIME_MS) {
			loop_timer(f->net->loop, t, LIFETIME_MS - age,
				   on_expiry);
			return;
		}
		set_release(f, oldest(f));
	}
	/* Nothing is kept: neither is the memory. */
	(void)madvise(f->arena, (size_t)SETS * SLOT, MADV_DONTNEED);
}

static struct set *set_find(struct fragments *f, const struct packet *p)
{
	for (struct list *i = f->used.next; i != &f->used; i = i->next) {
		struct set *s = container_of(i, struct set, link);

		if (s->id == p->fragment_id &&
		    net_addr_equal(&s->src, &p->src) &&
		    net_addr_equal(&s->dst, &p->dst))
			return s;
	}
	return NULL;
}

static struct set *set_begin(struct fragments *f, const struct packet *p)
{
	struct set *s;

	if (list_empty(&f->spare))
		set_release(f, oldest(f));
	s = container_of(f->spare.next, struct set, link);
	list_del(&s->link);
	list_add_tail(&f->used, &s->link);
	s->src = p->src;
	s->dst = p->dst;
	s->id = p->fragment_id;
	s->born_ms = loop_now_ms(f->net->loop);
	s->bad = false;
	s->npieces = 0;
	s->have = s->end = 0;
	if (!f->expiry.loop)
		loop_timer(f->net->loop, &f->expiry, LIFETIME_MS, on_expiry);
	return s;
}

static bool overlaps(const struct set *s, size_t off, size_t end)
{
	for (unsigned i = 0; i < s->npieces; i++) {
		size_t first = s->pieces[i].off;

		if (off < first + s->pieces[i].len && first < end)
			return true;
	}
	return false;
}

/* Does the piece go with what is there? Then it is the set's. */
static bool set_add(struct set *s, const struct packet *p)
{
	size_t off = p->fragment_off, len = p->payload_len, end = off + len;
	size_t most = p->src.family == AF_INET ? DATA4_MAX : DATA6_MAX;

	if (!len || end > most || s->npieces == PIECES)
		return false;
	if (p->more_fragments ? len % 8 : s->end != 0)
		return false;
	if (off == 0 && len < UDP_HEADER)
		return false;
	if (s->end && end > s->end)
		return false;
	if (overlaps(s, off, end))
		return false;
	if (!p->more_fragments) {
		for (unsigned i = 0; i < s->npieces; i++)
			if ((size_t)s->pieces[i].off + s->pieces[i].len > end)
				return false;
		s->end = end;
	}
	if (iov_read(p->iov, p->niov, p->payload_off, s->slot + HEADERS + off,
		     len) < len)
		return false;
	s->pieces[s->npieces++] =
		(struct piece){ (uint16_t)off, (uint16_t)len };
	s->have += len;
	return true;
}

/* As a frame, with headers as they would be without fragments. */
static bool set_whole(struct fragments *f, struct set *s,
		      const struct packet *p, struct packet *whole)
{
	bool v4 = s->src.family == AF_INET;
	size_t ip_len = v4 ? IP4_HEADER : IP6_HEADER;
	uint8_t *udp = s->slot + HEADERS;
	uint8_t *frame = udp - ip_len - ETH_HEADER;
	size_t len = be16_get(udp + 4);
	uint32_t sum;

	if (len < UDP_HEADER || len > s->end)
		return false;
	if (be16_get(udp + 6) || !v4) {
		sum = csum_pseudo(&s->src, &s->dst, IPPROTO_UDP, (uint32_t)len);
		if (!be16_get(udp + 6) || csum_fold(csum_bytes(udp, len, sum)))
			return false;
	}
	(void)frame_ip_header(frame, &f->net->link_addr, &s->src, &s->dst,
			      IPPROTO_UDP, len, false);
	memcpy(frame, p->dst_mac, NET_MAC_LEN);
	memcpy(frame + NET_MAC_LEN, p->src_mac, NET_MAC_LEN);
	f->iov.iov_base = frame;
	f->iov.iov_len = ETH_HEADER + ip_len + len;
	*whole = *p;
	whole->iov = &f->iov;
	whole->niov = 1;
	whole->ip_off = ETH_HEADER;
	whole->ip_len = ip_len;
	whole->fragment = whole->more_fragments = whole->dont_fragment = false;
	whole->fragment_off = 0;
	whole->l4_off = ETH_HEADER + ip_len;
	whole->udp.sport = be16_get(udp);
	whole->udp.dport = be16_get(udp + 2);
	whole->payload_off = whole->l4_off + UDP_HEADER;
	whole->payload_len = len - UDP_HEADER;
	return true;
}

bool fragments_add(struct fragments *f, const struct packet *p,
		   struct packet *whole)
{
	struct set *s;
	bool good;

	if (!p->fragment || p->proto != IPPROTO_UDP)
		return false;
	s = set_find(f, p);
	if (!s)
		s = set_begin(f, p);
	if (s->bad)
		return false;
	if (!set_add(s, p)) {
		s->bad = true;
		return false;
	}
	if (!s->end || s->have < s->end)
		return false;
	good = set_whole(f, s, p, whole);
	/* Its slot stays as it is until another set begins. */
	set_release(f, s);
	return good;
}
