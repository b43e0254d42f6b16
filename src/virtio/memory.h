/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory as the host sees it: a few mapped regions. The rule is copy,
 * check, use the copy: pointers come only from gmem_range(), which checks the
 * whole range, and nothing guest-owned is read twice.
 */
#ifndef MSB_VIRTIO_MEMORY_H
#define MSB_VIRTIO_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define GMEM_MAX_REGIONS 8

struct gmem_region {
	uint64_t gpa;  /* guest physical address of the first byte */
	uint64_t user; /* the same byte in the peer's address space (vhost) */
	uint64_t len;
	uint8_t *host; /* our mapping of it */
};

struct guest_memory {
	struct gmem_region region[GMEM_MAX_REGIONS];
	unsigned nregions;
};

/*
 * Add a mapped region. -EINVAL when it is empty, wraps around or overlaps
 * another one in guest physical space; -ENOSPC when there are too many.
 */
int gmem_add(struct guest_memory *m, const struct gmem_region *add);

/* Host pointer to [gpa, gpa+len), or NULL when any byte is outside one
 * region. len 0 gives NULL. */
void *gmem_range(const struct guest_memory *m, uint64_t gpa, uint64_t len);
/* The same, addressed by the peer's own virtual address (vhost-user rings). */
void *gmem_user_range(const struct guest_memory *m, uint64_t user,
		      uint64_t len);

#endif
