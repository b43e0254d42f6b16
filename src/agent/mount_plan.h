/* SPDX-License-Identifier: Apache-2.0 */
/* Order and sanity of the user's mounts, decided before any is made. */
#ifndef MSB_AGENT_MOUNT_PLAN_H
#define MSB_AGENT_MOUNT_PLAN_H

#include "base/err.h"
#include "protocol/bootspec.h"

/*
 * Normalise an absolute guest path in place: no empty and no "." components,
 * no slash at the end. -EINVAL when it is relative, has a ".." component or
 * is the root itself.
 */
int mount_path_normalise(char *path);

/*
 * Normalise all paths and sort the list so that parents precede children,
 * whatever their kinds. Fails on a path that cannot be mounted on, on a path
 * given twice, on a file mount with mounts below it, and on an entry that
 * lacks what its kind needs.
 */
int mount_plan(struct boot_mount *mounts, size_t n, struct err *err);

#endif
