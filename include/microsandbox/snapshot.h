/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of stopped sandboxes. */
#ifndef MICROSANDBOX_SNAPSHOT_H
#define MICROSANDBOX_SNAPSHOT_H

#include "microsandbox/core.h"

MSB_BEGIN_DECLS

/*
 * What a stopped sandbox wrote above its image, kept in a directory of its own.
 * ref is a name below the home's snapshots, a path (with "/", or beginning with
 * "." or "~"), or a digest.
 */
typedef struct {
	size_t struct_size;
	const char *const *labels; /* KEY=VALUE */
	size_t nlabels;
	bool force;	/* replace an older one */
	bool integrity; /* record a digest of the contents */
} msb_snapshot_options_t;
/* dest is a name or a path; o and ret may be NULL. */
int msb_snapshot_create(msb_t *m, const char *sandbox, const char *dest,
			const msb_snapshot_options_t *o, msb_snapshot_t **ret,
			msb_error_t **ret_err);
int msb_snapshot_get(msb_t *m, const char *ref, msb_snapshot_t **ret,
		     msb_error_t **ret_err);
void msb_snapshot_free(msb_snapshot_t *s);
/* Newest first. */
int msb_snapshot_list(msb_t *m, msb_snapshot_list_t **ret,
		      msb_error_t **ret_err);
size_t msb_snapshot_list_count(const msb_snapshot_list_t *l);
const msb_snapshot_t *msb_snapshot_list_item(const msb_snapshot_list_t *l,
					     size_t i); /* borrowed */
void msb_snapshot_list_free(msb_snapshot_list_t *l);
/* Those found in dir, whether the home knows them or not. */
int msb_snapshot_list_dir(msb_t *m, const char *dir, msb_snapshot_list_t **ret,
			  msb_error_t **ret_err);
/* Read all of it: 1 it is as recorded, 0 no digest was recorded. */
int msb_snapshot_verify(const msb_snapshot_t *s, msb_error_t **ret_err);
/* The parent of another one only with force. */
int msb_snapshot_remove(msb_t *m, const char *ref, bool force,
			msb_error_t **ret_err);
/* The home's own. */
const char *msb_snapshot_dir(const msb_t *m);
/* Get to know the snapshots in dir (NULL: the home's own): their number. */
int64_t msb_snapshot_reindex(msb_t *m, const char *dir, msb_error_t **ret_err);
/*
 * As one file: a tar archive, compressed with zstd unless plain. parents: also
 * those it was made from, as far as they are known.
 */
int msb_snapshot_export(msb_t *m, const char *ref, const char *path,
			bool parents, bool plain, msb_error_t **ret_err);
/*
 * The snapshot that an archive holds, into dest (NULL: a name from its digest);
 * its parents, if the archive has them, under such names. All of it is checked
 * before any of it is there.
 */
int msb_snapshot_import(msb_t *m, const char *path, const char *dest,
			msb_snapshot_t **ret, msb_error_t **ret_err);

const char *msb_snapshot_digest(const msb_snapshot_t *s); /* its identity */
const char *msb_snapshot_name(const msb_snapshot_t *s);	  /* NULL: elsewhere */
const char *msb_snapshot_path(const msb_snapshot_t *s);
const char *msb_snapshot_json(const msb_snapshot_t *s); /* its descriptor */
const char *msb_snapshot_image(const msb_snapshot_t *s);
const char *msb_snapshot_created_at(const msb_snapshot_t *s); /* RFC 3339 */
uint64_t msb_snapshot_size_bytes(const msb_snapshot_t *s);
/* Digest of the contents, as it was recorded; NULL: it was not. */
const char *msb_snapshot_integrity(const msb_snapshot_t *s);
const char *msb_snapshot_image_digest(const msb_snapshot_t *s);
const char *msb_snapshot_format(const msb_snapshot_t *s); /* "raw" */
const char *msb_snapshot_fstype(const msb_snapshot_t *s);
const char *msb_snapshot_parent(const msb_snapshot_t *s); /* NULL: none */
const char *msb_snapshot_source(const msb_snapshot_t *s); /* NULL: unknown */
/* KEY=VALUE, sorted by key; NULL past the end. */
const char *msb_snapshot_label(const msb_snapshot_t *s, size_t i);

MSB_END_DECLS

#endif
