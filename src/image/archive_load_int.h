/* SPDX-License-Identifier: Apache-2.0 */
/* What loading has in common for both layouts, and the layouts' own part. */
#ifndef MSB_IMAGE_ARCHIVE_LOAD_INT_H
#define MSB_IMAGE_ARCHIVE_LOAD_INT_H

#include <jansson.h>
#include <stddef.h>

#include "image/archive.h"
#include "image/archive_input.h"
#include "image/oci.h"

/* An image that is to be loaded. */
struct archive_item {
	struct strv names;    /* canonical */
	const json_t *docker; /* its entry in manifest.json, borrowed */
	struct oci_descriptor manifest; /* OCI; without media type */
};

#define ARCHIVE_MAX_IMAGES 1024u

struct archive_plan {
	struct archive_item *items; /* owned */
	size_t n;
	json_t *root;	/* Docker's manifest.json, or NULL */
	size_t skipped; /* images for other platforms */
};

/* The texts of an image, and the archive's files that are its layers. */
struct archive_texts {
	char *manifest, *config;
	size_t manifest_len, config_len;
	struct strv layers;
};

struct archive_loader {
	const struct image_store *store;
	const struct archive_load *load;
	struct archive_input input;
	struct archive_plan plan;
};

/* A new item of the plan, which moves when another one is added. */
int archive_plan_add(struct archive_plan *plan, struct archive_item **ret,
		     struct err *err);
/*
 * Give a name to an image, unless another one has it already. Returns whether
 * text was a reference; -ENOMEM.
 */
int archive_plan_name(struct archive_plan *plan, struct archive_item *item,
		      const char *text, struct err *err);
/* True when an image for that platform can be used. "" is any. */
bool archive_platform_fits(const char *os, const char *arch,
			   const struct archive_load *load);

int archive_docker_plan(struct archive_loader *l, struct err *err);
int archive_docker_texts(const struct archive_loader *l,
			 const struct archive_item *item,
			 struct archive_texts *ret, struct err *err);

int archive_oci_plan(struct archive_loader *l, struct err *err);
int archive_oci_texts(const struct archive_loader *l,
		      const struct archive_item *item,
		      struct archive_texts *ret, struct err *err);

#endif
