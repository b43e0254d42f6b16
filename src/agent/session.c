/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that is going on under a correlation id. */
#include "agent/session.h"

/* Ids of a client are consecutive and those of two differ by the step. */
static size_t bucket_of(uint32_t id)
{
	return (id * 2654435761u) >> 24;
}

void session_add(struct session_table *t, struct session *s, uint32_t id,
		 enum session_kind kind)
{
	size_t i = bucket_of(id);

	s->id = id;
	s->kind = kind;
	s->next = t->bucket[i];
	t->bucket[i] = s;
	t->count++;
}

void session_del(struct session_table *t, struct session *s)
{
	struct session **p = &t->bucket[bucket_of(s->id)];

	for (; *p; p = &(*p)->next) {
		if (*p != s)
			continue;
		*p = s->next;
		t->count--;
		return;
	}
}

struct session *session_find(const struct session_table *t, uint32_t id)
{
	struct session *s = t->bucket[bucket_of(id)];

	while (s && s->id != id)
		s = s->next;
	return s;
}

void session_each(struct session_table *t, enum session_kind kind,
		  void (*fn)(struct session *s, void *ctx), void *ctx)
{
	for (size_t i = 0; i < SESSION_BUCKETS; i++) {
		struct session *s = t->bucket[i], *next;

		for (; s; s = next) {
			next = s->next;
			if (s->kind == kind)
				fn(s, ctx);
		}
	}
}
