/* SPDX-License-Identifier: Apache-2.0 */
/* Names and application of resource limits. */
#ifndef MSB_AGENT_RLIMIT_H
#define MSB_AGENT_RLIMIT_H

#include <sys/resource.h>

#include "base/err.h"
#include "protocol/bootspec.h"
#include "protocol/cbor.h"

struct rlimit_set {
	int resource; /* RLIMIT_* */
	struct rlimit limit;
};

#define RLIMIT_NAMES 16

/* RLIMIT_* number of a lower-case name, or -ENOENT. */
int rlimit_find(struct view name);

/* Give the calling process the sandbox-wide limits. */
int rlimit_apply_boot(const struct boot_rlimit *limits, size_t n,
		      struct err *err);

#endif
