/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client of one repository of a registry (OCI distribution spec 1.1): manifests
 * and blobs, with authentication, redirects and retries. All functions but open
 * and free may be called by several threads.
 */
#ifndef MSB_IMAGE_REGISTRY_H
#define MSB_IMAGE_REGISTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "image/credentials.h"
#include "image/digest.h"
#include "image/http.h"

struct registry_options {
	const char *name;     /* "docker.io", as people write it */
	const char *api_host; /* "registry-1.docker.io", with its port if any */
	const char *repository;
	bool plain_http;
	const struct credential *credential; /* NULL or NULLs: anonymous */
	/* NULL, or told why something is tried again; by any thread. */
	void (*on_note)(void *ctx, const char *text);
	void *ctx;
};

struct registry;

/* The options' texts and http are borrowed until registry_free(). */
int registry_open(const struct registry_options *o, struct http *http,
		  struct registry **ret, struct err *err);
struct registry *registry_free(struct registry *r);

/* A manifest or a configuration, whole, in memory. */
struct registry_document {
	struct buf text;
	char *media_type;     /* as the registry says; NULL when it does not */
	struct digest digest; /* of text, verified */
};
void registry_document_fini(struct registry_document *d);
/* name: a tag; or want is set. size: the bytes it must have, or ..._UNKNOWN. */
int registry_get_manifest(struct registry *r, const char *tag,
			  const struct digest *want, uint64_t size,
			  struct registry_document *ret, struct err *err);
int registry_get_config(struct registry *r, const struct digest *want,
			uint64_t size, struct registry_document *ret,
			struct err *err);

struct registry_fetch {
	const struct digest *digest;
	uint64_t size; /* of the blob */
	uint64_t have; /* bytes that are there; kept up to date */
	/* Takes the next bytes; a negative errno ends the fetch. */
	int (*take)(void *ctx, const void *data, size_t len);
	void *ctx;
	const atomic_bool *cancel;
};
/*
 * Get the rest of a blob, in order, exactly up to its size; what broke off is
 * resumed. The bytes are not verified. -ECANCELED, or a failure that further
 * attempts have not helped against.
 */
int registry_fetch(struct registry *r, struct registry_fetch *f,
		   struct err *err);
/* Have running fetches look at their cancel flags. */
void registry_wake(struct registry *r);

#endif
