/* SPDX-License-Identifier: Apache-2.0 */
/* Images inside of the library: the worker, resolving, roots made of them. */
#ifndef MSB_API_IMAGE_INT_H
#define MSB_API_IMAGE_INT_H

#include "api/api_int.h"
#include "image/store.h"
#include "image/worker.h"

struct msb_image_options {
	msb_pull_policy_t policy;
	bool force, insecure;
	char *ca_certs, *username, *password;
	msb_image_progress_fn progress; /* NULL: nobody looks */
	void *progress_ctx;
};

/* 0 or -ENOMEM with nothing to free; from may be NULL. */
int image_options_copy(struct msb_image_options *to,
		       const struct msb_image_options *from);
void image_options_fini(struct msb_image_options *o);
/* Tell whoever looks; non-zero: give up. o may be NULL. */
int image_options_tell(const struct msb_image_options *o,
		       const msb_image_event_t *event);

/*
 * Have msb-image do what r says; file_fd (-1: none) is what it reads or writes.
 * *ret is its last event, WORKER_DONE, to be freed with worker_event_fini.
 */
int image_worker_run(msb_t *m, struct worker_request *r, int file_fd,
		     const struct msb_image_options *o,
		     struct worker_event *ret, struct err *err);

/* Have it compress, or expand, what in holds from its offset on into out. */
int image_worker_repack(msb_t *m, bool expand, int in, int out,
			struct err *err);

/* Have it fetch a file into out. */
int image_worker_fetch(msb_t *m, char *url, bool document, char *ca_certs,
		       int out, const struct msb_image_options *o,
		       struct err *err);
/* Have it unpack the archive in into the directory out. */
int image_worker_extract(msb_t *m, int in, int out, struct err *err);

int image_store_of(const msb_t *m, struct image_store *ret, struct err *err);

/*
 * The image that a reference names, by the policy of o: from the cache, from
 * the product's own files, or from its registry. The caller holds the store's
 * lock, shared. *ret_cached (NULL allowed): it was in the cache.
 */
int image_resolve(msb_t *m, const struct image_store *s,
		  const struct image_ref *ref,
		  const struct msb_image_options *o, struct image *ret,
		  bool *ret_cached, struct err *err);
/* A sandbox is being started with it. */
void image_mark_used(const struct image_store *s,
		     const struct digest *manifest);
/* The images that a load ended with, as a list. */
int image_list_of(msb_t *m, const struct worker_event *done,
		  msb_image_list_t **ret, struct err *err);

/* A reference from a user; ERR_INVALID. */
int image_reference_parse(const char *text, struct image_ref *ret,
			  struct err *err);

/* Does a record or snapshot of this home need the manifest? For the store. */
struct image_users {
	struct strv configs; /* of sandboxes, as JSON; digests of snapshots */
	struct strv names;   /* of both, in the same order */
};
int image_users_load(msb_t *m, struct image_users *ret, struct err *err);
void image_users_fini(struct image_users *u);
bool image_is_used(void *users, const struct digest *manifest);

/* ---- roots of sandboxes: image_root.c ------------------------------------ */

/*
 * Settle the root of a sandbox that is being created. c, a copy of what was
 * given and whose root is a reference, gets the manifest's digest, what it
 * inherits, its default mounts and sizes; p gets the image's files. The store
 * is the caller's, who has locked it, shared.
 */
int image_root_settle(msb_t *m, const struct image_store *s,
		      const msb_config_t *given, struct sandbox_config *c,
		      struct boot_plan *p, struct err *err);
/* Make the writable layer in the directory of a new sandbox: an empty one, or a
 * copy of a snapshot's. */
int image_root_make_upper(const msb_t *m, const msb_config_t *given,
			  const struct sandbox_config *c, struct err *err);
/*
 * Find the files of a stored sandbox's image and its writable layer for a boot.
 * An image that is damaged is got again, if that is still possible.
 */
int image_root_plan(msb_t *m, const struct sandbox_config *c,
		    struct boot_plan *p, struct err *err);

#endif
