/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store: <home>/cache, or where config.json has it. The file system
 * is the only truth; every file is built under tmp/ and renamed into place.
 * docs/images.md has the layout.
 */
#ifndef MSB_IMAGE_STORE_H
#define MSB_IMAGE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "image/digest.h"
#include "image/oci.h"
#include "image/reference.h"

/*
 * Files of another builder are made again: it is part of a record and, as the
 * volume's name, of each EROFS image.
 */
#define IMAGE_BUILDER 1
#define IMAGE_VOLUME "msb-image-1" /* 16 bytes at most, with its number */

struct image_store {
	char *path; /* absolute path of cache/ */
	int fd;	    /* of it */
	int lock_fd;
};

/* path is absolute, most often <home>/cache; makes what is missing. */
int image_store_open(const char *path, struct image_store *ret,
		     struct err *err);
void image_store_close(struct image_store *s);

/*
 * Shared while an image is being pulled, or is about to be named by a sandbox;
 * exclusive while something is removed. Blocks. Unlocked by _unlock or _close.
 */
int image_store_lock(struct image_store *s, bool exclusive, struct err *err);
void image_store_unlock(struct image_store *s);

struct image_layer {
	struct digest blob, diff_id;
	char *media_type;
	uint64_t blob_size;
	uint64_t image_size; /* bytes of its EROFS file, a multiple of 4096 */
};

/* One image, for one platform. */
struct image {
	struct digest manifest_digest, config_digest;
	char *manifest, *config_text; /* raw */
	char *media_type;	      /* of the manifest */
	struct oci_config config;
	struct image_layer *layers; /* bottom first */
	size_t nlayers;
	uint64_t merged_size; /* bytes of the merged EROFS file */
	char *passwd, *group; /* of its root, NULL when there is none */
	int64_t created_unix_ms;
};

void image_fini(struct image *img);
/* Sum of the layers' compressed sizes. */
uint64_t image_size(const struct image *img);

/* A name in the store. */
struct image_name {
	char *reference; /* canonical */
	struct digest manifest_digest;
	int64_t created_unix_ms, updated_unix_ms;
};
void image_name_fini(struct image_name *n);

/*
 * The image a reference names, if all its files are there and sound enough to
 * boot; -ENOENT when it has to be pulled (err is then not filled). A reference
 * with a digest finds the manifest of that digest under whatever name.
 */
int image_store_find(const struct image_store *s, const struct image_ref *ref,
		     struct image *ret, struct err *err);
int image_store_find_digest(const struct image_store *s,
			    const struct digest *manifest, struct image *ret,
			    struct err *err);
/*
 * Calls fn for each name in canonical order, whether or not its image is
 * complete; stops when it gives non-zero, and returns that.
 */
int image_store_names(const struct image_store *s,
		      int (*fn)(void *ctx, const struct image_name *n),
		      void *ctx, struct err *err);

/* Writes the record; the files it speaks of are in place already. */
int image_store_put(const struct image_store *s, const struct image *img,
		    struct err *err);
int image_store_name(const struct image_store *s, const struct image_ref *ref,
		     const struct digest *manifest, struct err *err);

/* Absolute paths, malloc'ed; NULL when out of memory. */
char *image_store_merged_path(const struct image_store *s,
			      const struct digest *manifest);
char *image_store_layer_path(const struct image_store *s,
			     const struct digest *diff_id);

struct image_freed {
	unsigned names, manifests, layers, merged;
	uint64_t bytes;
};
/*
 * The store must be locked exclusively. used (NULL for never) tells whether a
 * sandbox or snapshot needs a manifest; its files are kept then.
 *
 * Remove one name, and what it was the last one to refer to; -ENOENT (err is
 * then not filled) when there is no such name.
 */
int image_store_remove_name(const struct image_store *s,
			    const struct image_ref *ref,
			    bool (*used)(void *ctx, const struct digest *m),
			    void *ctx, struct image_freed *ret,
			    struct err *err);
/*
 * Remove every name whose image is not used, and all files that are then of no
 * use to anybody, unfinished downloads included.
 */
int image_store_prune(const struct image_store *s,
		      bool (*used)(void *ctx, const struct digest *m),
		      void *ctx, struct image_freed *ret, struct err *err);

#endif
