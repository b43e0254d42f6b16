/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's events on their way out. Any thread may tell something. When
 * nobody listens any more the process ends on the spot: nothing of the store
 * is ever half-made in a way that matters.
 */
#ifndef MSB_IMAGE_WORKER_OUT_H
#define MSB_IMAGE_WORKER_OUT_H

#include <pthread.h>

#include "image/oci.h"
#include "image/worker.h"

struct worker_out {
	int fd; /* borrowed */
	pthread_mutex_t lock;
	/* Progress of a layer that was told last, and when. */
	uint64_t told_ms[2][OCI_MAX_LAYERS];
};

void worker_out_init(struct worker_out *o, int fd);
/* Have a thread watch for the reader's end; -errno. */
int worker_out_watch(struct worker_out *o);

void worker_out_event(struct worker_out *o, const struct worker_event *e);
void worker_out_resolving(struct worker_out *o, const char *reference);
/* WORKER_DOWNLOAD or WORKER_UNPACK; left out when it comes too often. */
void worker_out_progress(struct worker_out *o, enum worker_event_type type,
			 size_t layer, uint64_t bytes, uint64_t total);
void worker_out_layer(struct worker_out *o, size_t layer,
		      enum worker_layer_state state);
void worker_out_note(struct worker_out *o, const char *text);
void worker_out_error(struct worker_out *o, const struct err *err);
void worker_out_resolved(struct worker_out *o, const char *reference,
			 const struct digest *manifest,
			 const struct oci_manifest *m);

#endif
