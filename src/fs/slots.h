/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table of pointers addressed by 64-bit ids that a guest may forge: an id is
 * a slot and that slot's generation, and no id is ever given out twice.
 */
#ifndef MSB_FS_SLOTS_H
#define MSB_FS_SLOTS_H

#include <stdint.h>

struct slot {
	void *p; /* NULL while free */
	uint32_t gen;
	uint32_t next_free;
};

struct slots {
	struct slot *v; /* owned */
	uint32_t n, cap, max;
	uint32_t used;
	uint32_t free; /* first free slot + 1, 0 = none */
};

void slots_init(struct slots *t, uint32_t max);
void slots_fini(struct slots *t); /* the pointers are not touched */
/* The first id of a fresh table is 1. 0, -ENFILE at max, -ENOMEM. */
int slots_add(struct slots *t, void *p, uint64_t *ret_id);
void *slots_get(const struct slots *t, uint64_t id); /* NULL: no such id */
void slots_del(struct slots *t, uint64_t id);

#endif
