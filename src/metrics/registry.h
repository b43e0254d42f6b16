/* SPDX-License-Identifier: Apache-2.0 */
/* A registry that is open, between registry.c and reserve.c. */
#ifndef MSB_METRICS_REGISTRY_H
#define MSB_METRICS_REGISTRY_H

#include <stddef.h>

#include "metrics/metrics_int.h"

struct metrics_registry {
	int fd; /* owned */
	char name[METRICS_SHM_NAME_MAX];
	struct registry_header *header; /* mapped, len bytes */
	size_t len;
	uint32_t capacity; /* as checked; the header's may change */
	struct registry_entry *entry;
};

struct metrics_slot *registry_slot(const struct metrics_registry *r,
				   uint32_t slot);
uint64_t registry_slot_offset(const struct metrics_registry *r, uint32_t slot);
/* Have the pages of this range: one that could not be had when it is touched
 * would be a SIGBUS. 0 or an errno. */
int registry_allocate(const struct metrics_registry *r, uint64_t offset,
		      uint64_t len);
void entry_name(const struct registry_entry *e,
		char name[METRICS_NAME_MAX + 1]);

#endif
