/* SPDX-License-Identifier: Apache-2.0 */
/* Image references: [registry/]repository[:tag][@digest]. */
#ifndef MSB_IMAGE_REFERENCE_H
#define MSB_IMAGE_REFERENCE_H

#include "base/err.h"
#include "image/digest.h"

struct image_ref {
	char *registry;	  /* "docker.io", "localhost:5000" */
	char *repository; /* "library/alpine" */
	char *tag;	  /* NULL only beside a digest */
	bool has_digest;
	struct digest digest;
};

/* Fills *ret; ERR_INVALID with what is wrong. Nothing to free on failure. */
int image_ref_parse(const char *text, struct image_ref *ret, struct err *err);
void image_ref_fini(struct image_ref *r);
/* malloc'ed "registry/repository[:tag][@digest]", NULL when out of memory. */
char *image_ref_canonical(const struct image_ref *r);
/* The same as people write it: "alpine", "ghcr.io/org/app:v1". */
char *image_ref_short(const struct image_ref *r);
/* Host that answers for the registry: "registry-1.docker.io", or the same. */
const char *image_ref_api_host(const struct image_ref *r);

#endif
