/* SPDX-License-Identifier: Apache-2.0 */
/* What the launcher wants: JSON in a memory file, see docs/architecture.md. */
#ifndef MSB_RUNTIME_SPEC_H
#define MSB_RUNTIME_SPEC_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/engine.h"
#include "net/config.h"
#include "store/sandbox_config.h"

/* Its slot in the registry of metrics, which is METRICS_FD. */
struct metrics_spec {
	uint32_t interval_ms; /* 0: it has none */
	uint64_t offset, generation;
	char *unavailable; /* why it has none though it should; NULL: no */
};

struct runtime_spec {
	char *sandbox_dir; /* absolute */
	char *kernel, *initramfs;
	enum engine_kind engine;
	struct strv startup; /* n == 0: none */
	/* Files of an image's root: read-only ones that are one disk in this
	 * order, and the writable layer. */
	struct strv lower;
	char *upper;
	/* Whom files of bind mounts belong to that are the user's own. */
	bool has_owner;
	uint32_t owner_uid, owner_gid;
	bool attached;
	uint32_t slot; /* which addresses of its pools the sandbox has */
	struct metrics_spec metrics;
	struct sandbox_config config;
	struct net_config network; /* given to the network when that is made */
};

/* Read and check the whole of fd; on failure nothing is left to free. */
int spec_read(int fd, struct runtime_spec *ret, struct err *err);
int spec_parse(const char *text, size_t len, struct runtime_spec *ret,
	       struct err *err);
void spec_fini(struct runtime_spec *s);

#endif
