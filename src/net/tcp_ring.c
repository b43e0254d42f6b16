/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers of connections. A connection has one only while there is something
 * in it. They come in two sizes: a few large ones for whoever is first, small
 * ones for everybody else, so that what all connections together may hold is
 * bounded. Memory that nobody has written to costs nothing.
 */
#include <sys/mman.h>

#include "net/tcp_int.h"

void tcp_rings_init(struct tcp *t, uint32_t connections)
{
	uint32_t size = TCP_RINGS_BUDGET / (connections ? connections : 1);

	size &= ~(TCP_RING_SMALL_MIN - 1);
	if (size < TCP_RING_SMALL_MIN)
		size = TCP_RING_SMALL_MIN;
	if (size > TCP_RING_LARGE)
		size = TCP_RING_LARGE;
	t->small.size = size;
	t->large_snd.size = t->large_rcv.size = TCP_RING_LARGE;
}

static void rings_fini(struct tcp_rings *s)
{
	while (s->nkept)
		(void)munmap(s->kept[--s->nkept], s->size);
}

void tcp_rings_fini(struct tcp *t)
{
	rings_fini(&t->large_snd);
	rings_fini(&t->large_rcv);
	rings_fini(&t->small);
}

static bool rings_get(struct tcp_rings *s, struct tcp_ring *r)
{
	void *p;

	if (s->nkept) {
		p = s->kept[--s->nkept];
	} else {
		p = mmap(NULL, s->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return false;
	}
	s->out++;
	*r = (struct tcp_ring){ .mem = p, .size = s->size, .from = s };
	return true;
}

bool tcp_ring_get_snd(struct tcp *t, struct tcp_ring *r)
{
	if (t->large_snd.out < TCP_RINGS_LARGE && rings_get(&t->large_snd, r))
		return true;
	return rings_get(&t->small, r);
}

bool tcp_ring_get_rcv(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	return rings_get(c->large_window ? &t->large_rcv : &t->small, &c->rcv);
}

void tcp_ring_put(struct tcp_ring *r)
{
	struct tcp_rings *s = r->from;

	if (!r->mem)
		return;
	s->out--;
	if (s->nkept < TCP_RINGS_KEPT)
		s->kept[s->nkept++] = r->mem;
	else
		(void)munmap(r->mem, r->size);
	*r = (struct tcp_ring){ 0 };
}

uint32_t tcp_ring_free(const struct tcp_ring *r, struct iovec ret[2])
{
	uint32_t space = r->size - r->used;
	uint32_t tail = r->head + r->used, first;

	if (tail >= r->size)
		tail -= r->size;
	first = r->size - tail < space ? r->size - tail : space;
	ret[0] = (struct iovec){ r->mem + tail, first };
	ret[1] = (struct iovec){ r->mem, space - first };
	return space;
}

unsigned tcp_ring_used(const struct tcp_ring *r, uint32_t off, uint32_t len,
		       struct iovec ret[2])
{
	uint32_t at = r->head + off, first;

	if (at >= r->size)
		at -= r->size;
	first = r->size - at < len ? r->size - at : len;
	ret[0] = (struct iovec){ r->mem + at, first };
	ret[1] = (struct iovec){ r->mem, len - first };
	return len > first ? 2 : 1;
}

void tcp_ring_drop(struct tcp_ring *r, uint32_t n)
{
	r->used -= n;
	r->head += n;
	if (r->head >= r->size)
		r->head -= r->size;
	/* begin anew where the memory is still in the caches */
	if (!r->used)
		r->head = 0;
}

void tcp_window_choose(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	if (t->large_windows < TCP_RINGS_LARGE) {
		t->large_windows++;
		c->large_window = true;
	}
	c->rcv_size = c->large_window ? t->large_rcv.size : t->small.size;
}
