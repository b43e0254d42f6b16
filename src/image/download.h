/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs of layers on their way from a registry. Each is fetched by a thread
 * into tmp/blob_<digest>.part, which survives when the process does not, and
 * read from there at the same time; a lock beside it keeps other processes
 * from the same blob.
 */
#ifndef MSB_IMAGE_DOWNLOAD_H
#define MSB_IMAGE_DOWNLOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "image/layer.h"
#include "image/oci.h"
#include "image/registry.h"
#include "image/store.h"

struct downloads {
	struct registry *registry;
	const struct image_store *store;
	const struct oci_descriptor *layers; /* by index */
	bool from_zero;			     /* keep nothing of earlier times */
	/* Told by any thread. */
	void (*on_progress)(void *ctx, size_t layer, uint64_t bytes,
			    uint64_t total);
	void *ctx;
	/* private from here on */
	pthread_mutex_t lock; /* of list */
	struct list list;
	atomic_bool cancel, full;
	atomic_uint_fast64_t received; /* bytes, over all */
};

/* The upper part is filled in. */
void downloads_init(struct downloads *d);
void downloads_fini(struct downloads *d);

/* As in struct assemble_source; ctx is the downloads. */
int download_open(void *ctx, size_t layer, void **ret_stream, struct err *err);
ssize_t download_read(void *stream, void *buf, size_t len, struct err *err);
bool download_close(void *stream, int result);

#endif
