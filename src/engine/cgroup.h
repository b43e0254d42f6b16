/* SPDX-License-Identifier: Apache-2.0 */
/* What the control groups of this process allow everything in it together. */
#ifndef MSB_ENGINE_CGROUP_H
#define MSB_ENGINE_CGROUP_H

#include <stdint.h>

#define CGROUP_NO_LIMIT UINT64_MAX

struct cgroup_limits {
	uint64_t memory; /* bytes */
	uint64_t processes;
};

/*
 * own is the text of /proc/self/cgroup, mounted where the controllers are
 * (/sys/fs/cgroup), of version 1 or 2. The narrowest of a group and all those
 * it lies in counts. What cannot be read is no limit.
 */
void cgroup_limits_read(const char *own, const char *mounted,
			struct cgroup_limits *ret);

#endif
