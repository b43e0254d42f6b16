/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding placeholders. They are sorted, so those with the same beginning are
 * neighbours; reading on narrows the neighbours down to the ones that fit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/secrets/secrets_int.h"

static int by_bytes(const void *a, const void *b)
{
	const struct placeholder *x = a, *y = b;
	const size_t shared = x->len < y->len ? x->len : y->len;
	int order = memcmp(x->text, y->text, shared);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static void drop_repeated(struct placeholders *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->n; i++)
		if (!n || by_bytes(&p->v[n - 1], &p->v[i]) != 0)
			p->v[n++] = p->v[i];
	p->n = n;
}

int placeholders_init(struct placeholders *p, const struct secrets_config *c)
{
	*p = (struct placeholders){ .only = -1 };
	if (!c->n)
		return 0;
	p->v = calloc(c->n, sizeof(*p->v));
	if (!p->v)
		return -ENOMEM;
	p->n = (unsigned)c->n;
	for (unsigned i = 0; i < p->n; i++) {
		const char *text = c->v[i].placeholder;

		p->v[i] = (struct placeholder){ text, strlen(text) };
		p->first[(uint8_t)text[0]] = true;
		if (p->v[i].len > p->longest)
			p->longest = p->v[i].len;
	}
	qsort(p->v, p->n, sizeof(*p->v), by_bytes);
	drop_repeated(p);
	if (p->v[0].text[0] == p->v[p->n - 1].text[0])
		p->only = (uint8_t)p->v[0].text[0];
	return 0;
}

void placeholders_fini(struct placeholders *p)
{
	free(p->v);
	*p = (struct placeholders){ .only = -1 };
}

unsigned placeholder_index(const struct placeholders *p, const char *text)
{
	const struct placeholder key = { text, strlen(text) };
	const struct placeholder *at =
		bsearch(&key, p->v, p->n, sizeof(*p->v), by_bytes);

	return (unsigned)(at - p->v);
}

size_t placeholder_next(const struct placeholders *p, const uint8_t *data,
			size_t from, size_t end)
{
	const uint8_t *at;

	if (from >= end)
		return end;
	if (p->only >= 0) {
		at = memchr(data + from, p->only, end - from);
		return at ? (size_t)(at - data) : end;
	}
	while (from < end && !p->first[data[from]])
		from++;
	return from;
}

/* The first of [lo, hi) whose byte at this depth is c or above. All of them are
 * longer than that and alike up to there. */
static unsigned lower_bound(const struct placeholders *p, unsigned lo,
			    unsigned hi, size_t depth, unsigned c)
{
	while (lo < hi) {
		const unsigned mid = lo + (hi - lo) / 2;

		if ((uint8_t)p->v[mid].text[depth] < c)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int placeholder_at(const struct placeholders *p, const uint8_t *data,
		   size_t len, bool *more)
{
	unsigned lo = 0, hi = p->n;
	int best = -1;

	*more = false;
	for (size_t depth = 0; lo < hi; depth++) {
		if (p->v[lo].len == depth)
			best = (int)lo++;
		if (lo == hi)
			break;
		if (depth == len) {
			*more = true;
			break;
		}
		lo = lower_bound(p, lo, hi, depth, data[depth]);
		hi = lower_bound(p, lo, hi, depth, data[depth] + 1u);
	}
	return best;
}
