/* SPDX-License-Identifier: Apache-2.0 */
/* Address translation over a handful of regions. */
#include "virtio/memory.h"

#include <errno.h>
#include <stdbool.h>

#include "base/bytes.h"

/* Offsets are compared by subtraction, so nothing here can wrap around. */
static bool region_has(uint64_t base, uint64_t size, uint64_t addr,
		       uint64_t len)
{
	return addr >= base && addr - base < size &&
	       len <= size - (addr - base);
}

void *gmem_range(const struct guest_memory *m, uint64_t gpa, uint64_t len)
{
	if (len == 0)
		return NULL;
	for (unsigned i = 0; i < m->nregions; i++) {
		const struct gmem_region *r = &m->region[i];

		if (region_has(r->gpa, r->len, gpa, len))
			return r->host + (gpa - r->gpa);
	}
	return NULL;
}

void *gmem_user_range(const struct guest_memory *m, uint64_t user, uint64_t len)
{
	if (len == 0)
		return NULL;
	for (unsigned i = 0; i < m->nregions; i++) {
		const struct gmem_region *r = &m->region[i];

		if (region_has(r->user, r->len, user, len))
			return r->host + (user - r->user);
	}
	return NULL;
}

int gmem_add(struct guest_memory *m, const struct gmem_region *add)
{
	uint64_t unused;

	if (m->nregions == GMEM_MAX_REGIONS)
		return -ENOSPC;
	if (add->len == 0 || !add_u64(add->gpa, add->len, &unused) ||
	    !add_u64(add->user, add->len, &unused))
		return -EINVAL;
	for (unsigned i = 0; i < m->nregions; i++) {
		const struct gmem_region *r = &m->region[i];

		/* neither may contain the other's first byte */
		if (region_has(r->gpa, r->len, add->gpa, 1) ||
		    region_has(add->gpa, add->len, r->gpa, 1))
			return -EINVAL;
	}
	m->region[m->nregions++] = *add;
	return 0;
}
