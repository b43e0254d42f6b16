/* SPDX-License-Identifier: Apache-2.0 */
/* The slot of a sandbox in the registry of metrics, from its start to its end.
 * Nothing here fails: a sandbox without a slot is one without metrics. */
#ifndef MSB_API_METRICS_H
#define MSB_API_METRICS_H

#include <jansson.h>

#include "api/api_int.h"
#include "metrics/metrics.h"

/* The slot of one that is about to start. */
struct metrics_launch {
	uint32_t interval_ms;		   /* 0: no samples are wanted */
	struct metrics_registry *registry; /* borrowed; NULL: there is none */
	struct metrics_ticket ticket;
	char why_not[200]; /* of no registry */
};

void metrics_launch_begin(msb_t *m, const struct sandbox_config *c,
			  struct metrics_launch *ret);
/* A new descriptor for the runtime, or -1: none. */
int metrics_launch_fd(const struct metrics_launch *l);
/* What the runtime is told; NULL when out of memory. */
json_t *metrics_launch_object(const struct metrics_launch *l);
void metrics_launch_spawned(const struct metrics_launch *l, pid_t runtime);
void metrics_launch_failed(const struct metrics_launch *l);

/* Under the life-cycle lock: the runtime of name has ended. forget: nobody
 * wants to see its last sample. */
void metrics_end(msb_t *m, const char *name, bool forget);

#endif
