/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as files: what `docker save` makes, and OCI image layouts; as a tar
 * archive (plain, gzip or zstd) or, to be loaded, as a directory.
 */
#ifndef MSB_IMAGE_ARCHIVE_H
#define MSB_IMAGE_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "image/assemble.h"
#include "image/reference.h"
#include "image/store.h"

#define ARCHIVE_LAYER_MAX (10ull << 30) /* bytes of a layer's blob */
#define ARCHIVE_MAX_ENTRIES 1000000u

/* An image of an archive, while it is loaded. */
struct archive_image {
	struct strv names; /* canonical references; it gets all of them */
	struct digest manifest_digest;
	const struct oci_manifest *manifest;
	bool cached; /* nothing had to be built; known at the end */
};

struct archive_load {
	int fd;		   /* a file, a pipe or a directory, borrowed */
	const char *input; /* what messages call it */
	/* References besides those of the archive, for its first image. */
	const struct strv *names;
	const char *arch;
	void *ctx; /* of the following, each of which may be NULL */
	void (*on_begin)(void *ctx, const struct archive_image *image);
	void (*on_event)(void *ctx, const struct assemble_event *event);
	void (*on_done)(void *ctx, const struct archive_image *image);
};

/*
 * Load every image that is for linux and arch; at least one must be. Images
 * before one that fails stay loaded. The caller holds the store's lock, shared.
 */
int archive_load(const struct image_store *s, const struct archive_load *load,
		 struct err *err);

enum archive_format { ARCHIVE_DOCKER, ARCHIVE_OCI };

/*
 * Write images of the store as a tar archive into out, an empty file open for
 * reading and writing. Layers are uncompressed, so digests of manifests are not
 * those of the registry. What is in out is of no use after a failure.
 */
int archive_save(const struct image_store *s, const struct image_ref *refs,
		 size_t nrefs, enum archive_format format, int out,
		 struct err *err);

#endif
