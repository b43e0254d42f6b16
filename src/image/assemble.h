/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From manifest, configuration and blobs to an image in the store: the step
 * that pulling and loading have in common.
 */
#ifndef MSB_IMAGE_ASSEMBLE_H
#define MSB_IMAGE_ASSEMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/digest.h"
#include "image/layer.h"
#include "image/store.h"

enum assemble_event_type {
	ASSEMBLE_WAITING, /* another process is making this layer */
	ASSEMBLE_CACHED,  /* the layer was there already */
	ASSEMBLE_READ,	  /* bytes of the layer's blob have been unpacked */
	ASSEMBLE_DONE,	  /* the layer is there now */
	ASSEMBLE_MERGING, /* all layers are */
};

struct assemble_event {
	enum assemble_event_type type;
	size_t layer;
	uint64_t bytes, total; /* ASSEMBLE_READ, at most every 256 KiB */
};

/*
 * Where the layers' blobs come from. All but on_event are called by several
 * threads at a time, for different layers; nothing of a layer that is in the
 * store already is asked for.
 */
struct assemble_source {
	void *ctx;
	/* Begin to read the blob of a layer, from its first byte. */
	int (*open)(void *ctx, size_t layer, void **ret_stream,
		    struct err *err);
	/*
	 * Its ctx is the stream. The bytes need not have been verified: they
	 * are counted and hashed on their way, and more than the descriptor's
	 * size is never taken.
	 */
	layer_read_fn *read;
	/*
	 * Always called after open() succeeded. result is 0 when the whole blob
	 * was right and the layer is in place, -EBADMSG when the bytes were not
	 * those of the digest, -ECANCELED when another layer failed, or
	 * another error. True asks to have the layer tried once more from
	 * open() on; at most ASSEMBLE_TRIES times in all.
	 */
	bool (*close)(void *stream, int result);
	/* NULL, or told what happens; never by two threads at a time. */
	void (*on_event)(void *ctx, const struct assemble_event *event);
};
#define ASSEMBLE_TRIES 3u

struct assemble_input {
	const char *manifest; /* its raw text, of a single image */
	size_t manifest_len;
	const char *config;
	size_t config_len;
	/* What the text is to hash to; NULL takes its sha256. */
	const struct digest *manifest_digest;
	bool rebuild;	  /* make all layers again */
	unsigned threads; /* layers at a time; 0 picks what suits the host */
	const struct layer_limits *limits; /* NULL for the usual ones */
};

/*
 * Make the image and put its record into the store; *ret is as from
 * image_store_find(). A name is given to it by image_store_name(). The caller
 * holds the store's lock, shared. An image that is complete already costs
 * nothing, unless rebuild is set. ret_cached (NULL allowed) tells whether
 * nothing had to be built.
 */
int image_assemble(const struct image_store *s, const struct assemble_input *in,
		   const struct assemble_source *source, struct image *ret,
		   bool *ret_cached, struct err *err);

#endif
