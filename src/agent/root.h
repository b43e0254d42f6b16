/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's root file system: from the initramfs to the real one. */
#ifndef MSB_AGENT_ROOT_H
#define MSB_AGENT_ROOT_H

#include "base/err.h"
#include "protocol/bootspec.h"

#define ROOT_NEW "/newroot"

/*
 * Mount what the specification names on ROOT_NEW and make it the working
 * directory. *ret_upper becomes a descriptor of the writable layer of an
 * overlay (its path is out of reach once the root has moved, and teardown must
 * still reach it), else -1.
 */
int root_mount(const struct bootspec *spec, int *ret_upper, struct err *err);

/* Make the working directory the root. */
int root_enter(struct err *err);

#endif
