/* SPDX-License-Identifier: Apache-2.0 */
/* The tree's arrays, its names and the index over them. */
#include "image/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"

/*
 * SipHash-1-3 (Aumasson, Bernstein), keyed: names come from strangers, who
 * must not be able to make all of them meet in one bucket.
 */
static uint64_t rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static uint32_t hash_name(const struct tree *t, uint32_t dir, const char *name,
			  size_t len)
{
	uint64_t v[4] = {
		t->key[0] ^ 0x736f6d6570736575u ^ dir,
		t->key[1] ^ 0x646f72616e646f6du,
		t->key[0] ^ 0x6c7967656e657261u,
		t->key[1] ^ 0x7465646279746573u ^ ((uint64_t)dir << 32),
	};
	uint64_t m, tail = (uint64_t)len << 56;

	for (; len >= 8; name += 8, len -= 8) {
		memcpy(&m, name, 8);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	for (size_t i = 0; i < len; i++)
		tail |= (uint64_t)(uint8_t)name[i] << (8 * i);
	v[3] ^= tail;
	sip_round(v);
	v[0] ^= tail;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	m = v[0] ^ v[1] ^ v[2] ^ v[3];
	return (uint32_t)(m ^ (m >> 32));
}

/* Room for one more element of an array that doubles up to max elements. */
static int grow(void *array, uint32_t *cap, uint32_t used, uint32_t max,
		size_t size)
{
	uint64_t want = *cap ? 2 * (uint64_t)*cap : 256;
	void *p;

	if (used < *cap)
		return 0;
	if (used >= max)
		return -EFBIG;
	if (want > max)
		want = max;
	p = reallocarray(*(void **)array, want, size);
	if (!p)
		return -ENOMEM;
	*(void **)array = p;
	*cap = (uint32_t)want;
	return 0;
}

int tree_init(struct tree *t, uint32_t max_nodes, uint32_t max_arena)
{
	uint32_t none, root;
	int r;

	memset(t, 0, sizeof(*t));
	t->max_nodes = max_nodes;
	t->max_arena = max_arena;
	if (getrandom(t->key, sizeof(t->key), 0) != sizeof(t->key))
		return -errno;
	/* Index 0 of each array is taken: it is "none". */
	r = tree_store(t, "", 0, &none);
	if (!r)
		r = grow(&t->entries, &t->entry_cap, 0, max_nodes,
			 sizeof(*t->entries));
	if (!r)
		memset(&t->entries[t->nentries++], 0, sizeof(*t->entries));
	if (!r)
		r = tree_new_node(t, 0, &none);
	if (!r)
		r = tree_new_dir(t, TREE_ROOT, &root);
	if (r)
		tree_fini(t);
	return r;
}

void tree_fini(struct tree *t)
{
	free(t->nodes);
	free(t->entries);
	free(t->buckets);
	free(t->arena);
	memset(t, 0, sizeof(*t));
}

int tree_reserve(struct tree *t, size_t len, uint32_t *ret, char **ret_data)
{
	uint64_t need = (uint64_t)t->arena_len + len + 1;

	if (len >= t->max_arena || need > t->max_arena)
		return -EFBIG;
	if (need > t->arena_cap) {
		uint64_t cap = t->arena_cap ? t->arena_cap : 4096;
		char *p;

		while (cap < need)
			cap *= 2;
		if (cap > t->max_arena)
			cap = t->max_arena;
		p = realloc(t->arena, cap);
		if (!p)
			return -ENOMEM;
		t->arena = p;
		t->arena_cap = (uint32_t)cap;
	}
	*ret = t->arena_len;
	*ret_data = t->arena + t->arena_len;
	(*ret_data)[len] = '\0';
	t->arena_len = (uint32_t)need;
	return 0;
}

int tree_store(struct tree *t, const void *data, size_t len, uint32_t *ret)
{
	char *p;
	int r = tree_reserve(t, len, ret, &p);

	if (!r && len)
		memcpy(p, data, len);
	return r;
}

int tree_new_node(struct tree *t, uint16_t mode, uint32_t *ret)
{
	int r = grow(&t->nodes, &t->node_cap, t->nnodes, t->max_nodes,
		     sizeof(*t->nodes));
	struct tree_node *n;

	if (r)
		return r;
	n = &t->nodes[t->nnodes];
	memset(n, 0, sizeof(*n));
	n->mode = mode;
	n->block = TREE_NO_BLOCK;
	*ret = t->nnodes++;
	return 0;
}

int tree_new_dir(struct tree *t, uint32_t parent, uint32_t *ret)
{
	uint8_t depth = t->nnodes > TREE_ROOT ? t->nodes[parent].depth + 1 : 0;
	int r;

	if (depth > TREE_DEPTH_MAX)
		return -E2BIG;
	r = tree_new_node(t, S_IFDIR | 0755, ret);
	if (r)
		return r;
	t->nodes[*ret].parent = parent;
	t->nodes[*ret].depth = depth;
	t->nodes[*ret].flags = TREE_IMPLICIT;
	return 0;
}

/* As many buckets as entries, when they have become too few. */
static int rehash(struct tree *t)
{
	uint32_t want = t->nbuckets ? 2 * t->nbuckets : 256;
	uint32_t *buckets;

	if (t->nentries < t->nbuckets)
		return 0;
	buckets = calloc(want, sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	free(t->buckets);
	t->buckets = buckets;
	t->nbuckets = want;
	for (uint32_t i = 1; i < t->nentries; i++) {
		struct tree_entry *e = &t->entries[i];
		uint32_t h;

		if (!e->dir)
			continue;
		h = hash_name(t, e->dir, t->arena + e->name, e->name_len) &
		    (want - 1);
		e->hash_next = buckets[h];
		buckets[h] = i;
	}
	return 0;
}

static uint32_t *bucket_of(const struct tree *t, uint32_t dir, const char *name,
			   size_t len)
{
	return &t->buckets[hash_name(t, dir, name, len) & (t->nbuckets - 1)];
}

uint32_t tree_find(const struct tree *t, uint32_t dir, const char *name,
		   size_t len)
{
	uint32_t i = t->nbuckets ? *bucket_of(t, dir, name, len) : 0;

	for (; i; i = t->entries[i].hash_next) {
		const struct tree_entry *e = &t->entries[i];

		if (e->dir == dir && e->name_len == len &&
		    !memcmp(t->arena + e->name, name, len))
			return i;
	}
	return 0;
}

uint32_t tree_lookup(const struct tree *t, uint32_t dir, const char *name,
		     size_t len)
{
	uint32_t entry = tree_find(t, dir, name, len);

	return entry ? t->entries[entry].node : 0;
}

int tree_link(struct tree *t, uint32_t dir, const char *name, size_t len,
	      uint32_t node)
{
	uint32_t found = tree_find(t, dir, name, len), stored, *bucket;
	struct tree_entry *e;
	int r;

	if (found) {
		t->entries[found].node = node;
		return 0;
	}
	if (len == 0 || len > TREE_NAME_MAX)
		return -ENAMETOOLONG;
	r = rehash(t);
	if (!r)
		r = grow(&t->entries, &t->entry_cap, t->nentries, t->max_nodes,
			 sizeof(*t->entries));
	if (!r)
		r = tree_store(t, name, len, &stored);
	if (r)
		return r;
	name = t->arena + stored;
	bucket = bucket_of(t, dir, name, len);
	e = &t->entries[t->nentries];
	*e = (struct tree_entry){
		.dir = dir,
		.node = node,
		.next = t->nodes[dir].child,
		.hash_next = *bucket,
		.name = stored,
		.name_len = (uint8_t)len,
	};
	if (e->next)
		t->entries[e->next].prev = t->nentries;
	t->nodes[dir].child = t->nentries;
	*bucket = t->nentries++;
	return 0;
}

void tree_unlink(struct tree *t, uint32_t entry)
{
	struct tree_entry *e = &t->entries[entry];
	uint32_t *p = bucket_of(t, e->dir, t->arena + e->name, e->name_len);

	while (*p != entry)
		p = &t->entries[*p].hash_next;
	*p = e->hash_next;
	if (e->prev)
		t->entries[e->prev].next = e->next;
	else
		t->nodes[e->dir].child = e->next;
	if (e->next)
		t->entries[e->next].prev = e->prev;
	e->dir = 0;
}

void tree_clear(struct tree *t, uint32_t dir)
{
	while (t->nodes[dir].child)
		tree_unlink(t, t->nodes[dir].child);
}

static int by_name(const void *a, const void *b, void *ctx)
{
	const struct tree *t = ctx;
	const struct tree_entry *x = &t->entries[*(const uint32_t *)a];
	const struct tree_entry *y = &t->entries[*(const uint32_t *)b];
	uint8_t len = x->name_len < y->name_len ? x->name_len : y->name_len;
	int c = memcmp(t->arena + x->name, t->arena + y->name, len);

	return c ? c : (int)x->name_len - (int)y->name_len;
}

int tree_sort(struct tree *t, uint32_t dir)
{
	autofree uint32_t *list = NULL;
	uint32_t n = 0, i, prev = 0;

	for (i = t->nodes[dir].child; i; i = t->entries[i].next)
		n++;
	if (n < 2)
		return 0;
	list = calloc(n, sizeof(*list));
	if (!list)
		return -ENOMEM;
	n = 0;
	for (i = t->nodes[dir].child; i; i = t->entries[i].next)
		list[n++] = i;
	qsort_r(list, n, sizeof(*list), by_name, t);
	t->nodes[dir].child = list[0];
	for (i = 0; i < n; i++) {
		t->entries[list[i]].prev = prev;
		t->entries[list[i]].next = i + 1 < n ? list[i + 1] : 0;
		prev = list[i];
	}
	return 0;
}
