/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two hash tables over the same entries: by (name, family), to replace what an
 * answer said before, and by address, to judge a flow. The names and addresses
 * are the choice of whoever answers the guest's questions: the hash is keyed,
 * and everything is bounded.
 */
#include "net/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/list.h"

#define MAX_ENTRIES 4096u
#define MAX_BINDINGS 32768u
#define MAX_ADDRESSES 256u /* of one answer; more are not bound */
#define BUCKETS 4096u	   /* a power of two */

struct entry;

struct binding {
	struct list by_addr;
	struct net_addr addr;
	struct entry *entry;
};

struct entry {
	struct list by_name;
	struct list all; /* in order of expiry */
	uint64_t expires_ms;
	int family;
	unsigned nbindings;
	struct binding *bindings;
	char name[]; /* allocated with the entry */
};

struct names {
	uint64_t key[2];
	unsigned nentries, nbindings;
	struct list all;
	struct list by_name[BUCKETS], by_addr[BUCKETS];
};

/* --- SipHash-1-3: short input, a secret key --- */

static uint64_t rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

static uint64_t sip(const uint64_t key[2], const void *data, size_t len)
{
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575ull,
			  key[1] ^ 0x646f72616e646f6dull,
			  key[0] ^ 0x6c7967656e657261ull,
			  key[1] ^ 0x7465646279746573ull };
	const uint8_t *p = data;
	uint64_t last = (uint64_t)len << 56;
	size_t whole = len & ~(size_t)7;

	for (size_t i = 0; i < whole; i += 8) {
		uint64_t m;
		memcpy(&m, p + i, sizeof(m));
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	for (size_t i = whole; i < len; i++)
		last |= (uint64_t)p[i] << 8 * (i - whole);
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static struct list *name_bucket(const struct names *n, const char *name)
{
	uint64_t h = sip(n->key, name, strlen(name));
	return (struct list *)&n->by_name[h & (BUCKETS - 1)];
}

static struct list *addr_bucket(const struct names *n, const struct net_addr *a)
{
	uint64_t h = sip(n->key, a->b, a->family == AF_INET ? 4 : 16);
	return (struct list *)&n->by_addr[h & (BUCKETS - 1)];
}

/* --- entries --- */

int names_new(struct names **ret)
{
	struct names *n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	if (getrandom(n->key, sizeof(n->key), GRND_NONBLOCK) !=
	    sizeof(n->key)) {
		/* before the host has entropy: better than a constant */
		n->key[0] = clock_mono_ns();
		n->key[1] = clock_wall_ns();
	}
	list_init(&n->all);
	for (unsigned i = 0; i < BUCKETS; i++) {
		list_init(&n->by_name[i]);
		list_init(&n->by_addr[i]);
	}
	*ret = n;
	return 0;
}

static void remove_entry(struct names *n, struct entry *e)
{
	for (unsigned i = 0; i < e->nbindings; i++)
		list_del(&e->bindings[i].by_addr);
	n->nbindings -= e->nbindings;
	n->nentries--;
	list_del(&e->by_name);
	list_del(&e->all);
	free(e->bindings);
	free(e);
}

static struct entry *first_to_expire(struct names *n)
{
	return list_empty(&n->all)
		       ? NULL
		       : container_of(n->all.next, struct entry, all);
}

struct names *names_free(struct names *n)
{
	struct entry *e;
	if (!n)
		return NULL;
	while ((e = first_to_expire(n)))
		remove_entry(n, e);
	free(n);
	return NULL;
}

static struct entry *find_entry(const struct names *n, const char *name,
				int family)
{
	struct list *head = name_bucket(n, name), *pos, *tmp;
	list_for_each_safe(pos, tmp, head)
	{
		struct entry *e = container_of(pos, struct entry, by_name);
		if (e->family == family && !strcmp(e->name, name))
			return e;
	}
	return NULL;
}

/* Most answers live about as long as their neighbours: looking from the end,
 * the place is near. */
static void insert_by_expiry(struct names *n, struct entry *e)
{
	struct list *after = n->all.prev;
	while (after != &n->all &&
	       container_of(after, struct entry, all)->expires_ms >
		       e->expires_ms)
		after = after->prev;
	list_add_tail(after->next, &e->all);
}

static struct entry *new_entry(const char *name, int family, size_t count)
{
	size_t len = strlen(name) + 1;
	struct entry *e = calloc(1, sizeof(*e) + len);
	if (!e)
		return NULL;
	e->bindings = calloc(count, sizeof(*e->bindings));
	if (!e->bindings) {
		free(e);
		return NULL;
	}
	memcpy(e->name, name, len);
	e->family = family;
	list_init(&e->by_name);
	list_init(&e->all);
	return e;
}

static void bind_all(struct names *n, struct entry *e,
		     const struct net_addr *addrs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct binding *b = &e->bindings[i];
		b->addr = net_addr_unmap(&addrs[i]);
		b->entry = e;
		list_add_tail(addr_bucket(n, &b->addr), &b->by_addr);
	}
	e->nbindings = (unsigned)count;
}

int names_bind(struct names *n, const char *name, int family,
	       const struct net_addr *addrs, size_t count, uint32_t ttl_s,
	       uint64_t now_ms)
{
	struct entry *e = find_entry(n, name, family);
	if (e)
		remove_entry(n, e);
	if (!count)
		return 0;
	if (count > MAX_ADDRESSES)
		count = MAX_ADDRESSES;
	e = new_entry(name, family, count);
	if (!e)
		return -ENOMEM;
	while (n->nentries >= MAX_ENTRIES ||
	       n->nbindings + count > MAX_BINDINGS)
		remove_entry(n, first_to_expire(n));
	e->expires_ms = now_ms + (ttl_s ? ttl_s : 1) * 1000ull;
	bind_all(n, e, addrs, count);
	list_add_tail(name_bucket(n, name), &e->by_name);
	insert_by_expiry(n, e);
	n->nentries++;
	n->nbindings += (unsigned)count;
	return 0;
}

bool names_any(const struct names *n, const struct net_addr *a, uint64_t now_ms,
	       bool (*fn)(void *ctx, const char *name), void *ctx)
{
	struct list *head, *pos, *tmp;
	struct net_addr addr = net_addr_unmap(a);
	if (!n)
		return false;
	head = addr_bucket(n, &addr);
	list_for_each_safe(pos, tmp, head)
	{
		const struct binding *b =
			container_of(pos, struct binding, by_addr);
		if (net_addr_equal(&b->addr, &addr) &&
		    b->entry->expires_ms > now_ms && fn(ctx, b->entry->name))
			return true;
	}
	return false;
}

void names_sweep(struct names *n, uint64_t now_ms)
{
	struct entry *e;
	while ((e = first_to_expire(n)) && e->expires_ms <= now_ms)
		remove_entry(n, e);
}
