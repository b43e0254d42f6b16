/* SPDX-License-Identifier: Apache-2.0 */
/* Table of the sessions that are under way, by id. */
#include <stdlib.h>

#include "runtime/relay_int.h"

#define BUCKETS_MIN 64u
#define BUCKETS_MAX (1u << 18)

static uint32_t bucket_of(const struct session_table *t, uint32_t id)
{
	return (id * 2654435761u >> 8) & (t->nbuckets - 1);
}

struct session *session_find(const struct session_table *t, uint32_t id)
{
	struct session *s;

	if (!t->count)
		return NULL;
	for (s = t->bucket[bucket_of(t, id)]; s; s = s->next)
		if (s->id == id)
			return s;
	return NULL;
}

/* A refusal to grow only makes chains longer. */
static void grow(struct session_table *t, uint32_t n)
{
	struct session_table next = { .nbuckets = n, .count = t->count };

	next.bucket = calloc(n, sizeof(struct session *));
	if (!next.bucket)
		return;
	for (uint32_t i = 0; i < t->nbuckets; i++)
		while (t->bucket[i]) {
			struct session *s = t->bucket[i];
			uint32_t to = bucket_of(&next, s->id);

			t->bucket[i] = s->next;
			s->next = next.bucket[to];
			next.bucket[to] = s;
		}
	free(t->bucket);
	*t = next;
}

struct session *session_add(struct session_table *t, uint32_t id)
{
	struct session *s = calloc(1, sizeof(*s));
	uint32_t b;

	if (!s)
		return NULL;
	if (t->count >= t->nbuckets && t->nbuckets < BUCKETS_MAX)
		grow(t, t->nbuckets ? t->nbuckets * 2 : BUCKETS_MIN);
	if (!t->nbuckets) {
		free(s);
		return NULL;
	}
	s->id = id;
	list_init(&s->link);
	b = bucket_of(t, id);
	s->next = t->bucket[b];
	t->bucket[b] = s;
	t->count++;
	return s;
}

void session_del(struct session_table *t, struct session *s)
{
	struct session **at = &t->bucket[bucket_of(t, s->id)];

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	t->count--;
	list_del(&s->link);
	free(s);
}

void session_table_fini(struct session_table *t)
{
	for (uint32_t i = 0; i < t->nbuckets; i++)
		while (t->bucket[i]) {
			struct session *s = t->bucket[i];

			t->bucket[i] = s->next;
			free(s);
		}
	free(t->bucket);
	*t = (struct session_table){ 0 };
}
