/* SPDX-License-Identifier: Apache-2.0 */
/* The host: what it lacks, and releases of msb itself (docs/install.md). */
#ifndef MICROSANDBOX_HOST_H
#define MICROSANDBOX_HOST_H

#include "microsandbox/core.h"
#include "microsandbox/image.h"

MSB_BEGIN_DECLS

/* ---- checks -------------------------------------------------------------- */

typedef enum {
	MSB_CHECK_OK,
	MSB_CHECK_WARN,
	MSB_CHECK_FAIL,
	MSB_CHECK_INFO
} msb_check_state_t;
typedef struct {
	size_t struct_size;
	msb_check_state_t state;
	const char *name;
	const char *detail;
	const char *remedy; /* "" when there is nothing to do */
} msb_check_t;
/* Calls fn for each check, in order; stops when fn returns non-zero. */
int msb_doctor(msb_t *m, int (*fn)(void *ctx, const msb_check_t *check),
	       void *ctx, msb_error_t **ret_err);

/* ---- releases ------------------------------------------------------------ */

typedef struct {
	size_t struct_size;
	/* A directory, or a file, http or https URL; NULL: as config.json
	 * says. */
	const char *source;
	const char *version;  /* NULL: the latest */
	bool older;	      /* instead: the newest before msb_version() */
	const char *ca_certs; /* PEM certificates to trust, too, or NULL */
} msb_release_query_t;

/*
 * Look for a release. MSB_ERR_UNSUPPORTED: this library is part of a package,
 * and its manager's to update.
 */
int msb_release_find(msb_t *m, const msb_release_query_t *q,
		     msb_release_t **ret, msb_error_t **ret_err);
void msb_release_free(msb_release_t *r);
const char *msb_release_version(const msb_release_t *r);
/* Negative, 0, positive: older than msb_version(), the same, newer. */
int msb_release_order(const msb_release_t *r);
/*
 * Get it, check its sum, unpack it below the home's lib, see that it works, and
 * have the home's bin/msb lead to it, in one step; a failure, a kill or a full
 * disk leaves what was there. Waits for another process that does the same;
 * again: also when it is installed already. o: NULL, or who is told of
 * MSB_IMAGE_DOWNLOAD.
 */
int msb_release_install(const msb_release_t *r, bool again,
			const msb_image_options_t *o, msb_error_t **ret_err);

MSB_END_DECLS

#endif
