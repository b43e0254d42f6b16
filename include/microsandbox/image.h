/* SPDX-License-Identifier: Apache-2.0 */
/* Images in the cache (docs/images.md), and registries. */
#ifndef MICROSANDBOX_IMAGE_H
#define MICROSANDBOX_IMAGE_H

#include "microsandbox/core.h"

MSB_BEGIN_DECLS

/*
 * Images are kept in the home directory's cache. A reference is looked up in
 * its canonical form, so that "alpine" and "docker.io/library/alpine:latest"
 * are one image. The images that come with the product are pulled from its own
 * files, unless the policy is MSB_PULL_ALWAYS.
 */
typedef enum {
	MSB_PULL_IF_MISSING, /* without a network when it is in the cache */
	MSB_PULL_ALWAYS,     /* ask the registry; layers are reused */
	MSB_PULL_NEVER,
} msb_pull_policy_t;

/* What happens while an image is pulled, loaded or saved. */
typedef enum {
	MSB_IMAGE_RESOLVING, /* reference */
	MSB_IMAGE_RESOLVED,  /* reference, layer_count, layer_bytes, total */
	MSB_IMAGE_DOWNLOAD,  /* layer, bytes, total; may go back */
	MSB_IMAGE_UNPACK,    /* layer, bytes, total */
	MSB_IMAGE_WAITING,   /* layer: another process is working on it */
	MSB_IMAGE_CACHED,    /* layer: it was there */
	MSB_IMAGE_LAYER,     /* layer: it is there now */
	MSB_IMAGE_MERGING,
	MSB_IMAGE_NOTE, /* message: a person may want to know */
	MSB_IMAGE_DONE, /* the last one, of a success */
} msb_image_event_kind_t;
typedef struct {
	size_t struct_size;
	msb_image_event_kind_t kind;
	const char *reference; /* canonical */
	size_t layer;	       /* below layer_count, the lowest layer first */
	size_t layer_count;    /* as of the last RESOLVED */
	const uint64_t *layer_bytes; /* RESOLVED: size of each download */
	uint64_t bytes, total;
	const char *message;
} msb_image_event_t;
/*
 * Called from within the function that does the work. Non-zero cancels it: it
 * fails with -ECANCELED.
 */
typedef int (*msb_image_progress_fn)(void *ctx, const msb_image_event_t *event);

msb_image_options_t *msb_image_options_new(void); /* NULL: out of memory */
void msb_image_options_free(msb_image_options_t *o);
void msb_image_options_set_policy(msb_image_options_t *o, msb_pull_policy_t p);
/* Download and build everything again. */
void msb_image_options_set_force(msb_image_options_t *o, bool on);
/* Plain http instead of https. */
void msb_image_options_set_insecure(msb_image_options_t *o, bool on);
/* A file with PEM certificates to trust besides the usual ones. */
int msb_image_options_set_ca_certs(msb_image_options_t *o, const char *path,
				   msb_error_t **e);
/* Instead of the stored credentials. */
int msb_image_options_set_login(msb_image_options_t *o, const char *username,
				const char *password, msb_error_t **e);
void msb_image_options_set_progress(msb_image_options_t *o,
				    msb_image_progress_fn fn, void *ctx);

/* Options may be NULL everywhere. *ret_cached: it was in the cache. */
int msb_image_pull(msb_t *m, const char *reference,
		   const msb_image_options_t *o, bool *ret_cached,
		   msb_error_t **ret_err);
/*
 * Read an archive (of docker save, or an OCI layout, each as a tar, which may
 * be compressed) from fd; input names it in messages. references are further
 * names of its first image. *ret_loaded lists what it held.
 */
int msb_image_load(msb_t *m, int fd, const char *input,
		   const char *const *references, size_t n,
		   const msb_image_options_t *o, msb_image_list_t **ret_loaded,
		   msb_error_t **ret_err);
typedef enum { MSB_ARCHIVE_DOCKER, MSB_ARCHIVE_OCI } msb_archive_t;
/* Write images that are in the cache into fd, an empty file open for reading
 * and writing. */
int msb_image_save(msb_t *m, const char *const *references, size_t n,
		   msb_archive_t format, int fd, const msb_image_options_t *o,
		   msb_error_t **ret_err);

int msb_image_get(msb_t *m, const char *reference, msb_image_t **ret,
		  msb_error_t **ret_err);
void msb_image_free(msb_image_t *img);
/* All names in the cache, in order. */
int msb_image_list(msb_t *m, msb_image_list_t **ret, msb_error_t **ret_err);
size_t msb_image_list_count(const msb_image_list_t *l);
const msb_image_t *msb_image_list_item(const msb_image_list_t *l,
				       size_t i); /* borrowed */
void msb_image_list_free(msb_image_list_t *l);

const char *msb_image_reference(const msb_image_t *img);   /* as people write */
const char *msb_image_canonical(const msb_image_t *img);   /* complete */
const char *msb_image_digest(const msb_image_t *img);	   /* of the manifest */
int64_t msb_image_created_unix_ms(const msb_image_t *img); /* of the name */
/* Sum of the compressed layers; -1 when files of the image are missing. */
int64_t msb_image_size_bytes(const msb_image_t *img);
/* Of its platform; NULL: it does not tell, or files of it are missing. */
const char *msb_image_architecture(const msb_image_t *img);
const char *msb_image_os(const msb_image_t *img);
/* When it was got, or a sandbox was last started with it; -1: files of it are
 * missing. */
int64_t msb_image_last_used_unix_ms(const msb_image_t *img);
typedef struct {
	size_t struct_size; /* set by the caller to sizeof(...) */
	const char *diff_id, *digest, *media_type; /* borrowed from the image */
	uint64_t size_bytes;			   /* compressed */
} msb_image_layer_t;
size_t msb_image_layer_count(const msb_image_t *img);
/* The lowest layer is 0. -ERANGE; -EINVAL: struct_size is not set. */
int msb_image_layer(const msb_image_t *img, size_t i, msb_image_layer_t *ret);
/* Everything that is known, as JSON text (see docs/json.md); owned by img. */
const char *msb_image_json(const msb_image_t *img);

/*
 * Remove a name, and what nothing needs any more. An image that a sandbox was
 * made from is refused (MSB_ERR_IMAGE_IN_USE), or with force loses only its
 * name.
 */
int msb_image_remove(msb_t *m, const char *reference, bool force,
		     msb_error_t **ret_err);
typedef struct {
	size_t struct_size;
	unsigned references, manifests, layers, merged;
	uint64_t bytes;
} msb_image_freed_t;
/* Remove every image that no sandbox was made from, and leftovers. ret may be
 * NULL; its struct_size is set by the caller. */
int msb_image_prune(msb_t *m, msb_image_freed_t *ret, msb_error_t **ret_err);

/* ---- registries ---------------------------------------------------------- */

/* Store a password or token for a registry, such as "ghcr.io". */
int msb_registry_login(msb_t *m, const char *host, const char *username,
		       const char *password, msb_error_t **ret_err);
int msb_registry_logout(msb_t *m, const char *host, bool *ret_found,
			msb_error_t **ret_err);
typedef struct {
	size_t struct_size;
	const char *host, *username;
	const char *source; /* "secret_name", "password_env", "unset", ... */
} msb_registry_t;
/* Calls fn for each registry with a login, sorted; stops when fn gives
 * non-zero. */
int msb_registry_list(msb_t *m,
		      int (*fn)(void *ctx, const msb_registry_t *registry),
		      void *ctx, msb_error_t **ret_err);

MSB_END_DECLS

#endif
