/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory is a file that the guest's kernel holds as well. A hostile one
 * can truncate it under our mapping, and then touching it raises SIGBUS. A
 * guarded mapping is replaced by anonymous memory when that happens, and
 * remembered as lost, so that its device fails and not the process.
 *
 * A guard covers accesses of the thread that added it, and is removed by the
 * same thread. The first one takes over SIGBUS for the process; other faults
 * are passed to whoever handled it before.
 */
#ifndef MSB_VIRTIO_GUARD_H
#define MSB_VIRTIO_GUARD_H

#include <stdbool.h>
#include <stddef.h>

struct guard;

/* Unblocks SIGBUS in the calling thread. -ENOSPC: too many; or -errno. */
int guard_add(void *base, size_t len, struct guard **ret);
bool guard_lost(const struct guard *g);
/* Before the memory is unmapped; NULL is allowed. Returns NULL. */
struct guard *guard_remove(struct guard *g);

#endif
