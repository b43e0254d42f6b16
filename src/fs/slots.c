/* SPDX-License-Identifier: Apache-2.0 */
/* Generation-checked table of pointers. */
#include "fs/slots.h"

#include <errno.h>
#include <stdlib.h>

void slots_init(struct slots *t, uint32_t max)
{
	*t = (struct slots){ .max = max };
}

void slots_fini(struct slots *t)
{
	uint32_t max = t->max;

	free(t->v);
	slots_init(t, max);
}

static struct slot *slot_of(const struct slots *t, uint64_t id)
{
	uint32_t index = (uint32_t)id - 1; /* id 0 wraps out of range */

	if (index >= t->n || t->v[index].gen != (uint32_t)(id >> 32))
		return NULL;
	return &t->v[index];
}

static int grow(struct slots *t)
{
	uint32_t cap = t->cap ? t->cap * 2 : 64;
	struct slot *v;

	if (t->cap >= t->max)
		return -ENFILE;
	if (cap > t->max)
		cap = t->max;
	v = realloc(t->v, (size_t)cap * sizeof(*v));
	if (!v)
		return -ENOMEM;
	t->v = v;
	t->cap = cap;
	return 0;
}

int slots_add(struct slots *t, void *p, uint64_t *ret_id)
{
	uint32_t index;

	if (t->used >= t->max)
		return -ENFILE;
	if (t->free) {
		index = t->free - 1;
		t->free = t->v[index].next_free;
	} else {
		int rc = t->n == t->cap ? grow(t) : 0;

		if (rc)
			return rc;
		index = t->n++;
		t->v[index].gen = 0;
	}
	t->v[index].p = p;
	t->used++;
	*ret_id = (uint64_t)t->v[index].gen << 32 | (index + 1);
	return 0;
}

void *slots_get(const struct slots *t, uint64_t id)
{
	const struct slot *slot = slot_of(t, id);

	return slot ? slot->p : NULL;
}

void slots_del(struct slots *t, uint64_t id)
{
	struct slot *slot = slot_of(t, id);

	if (!slot || !slot->p)
		return;
	slot->p = NULL;
	t->used--;
	if (++slot->gen == 0)
		return; /* generations used up: retire the slot for good */
	slot->next_free = t->free;
	t->free = (uint32_t)id;
}
