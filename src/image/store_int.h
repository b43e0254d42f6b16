/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the image store share. */
#ifndef MSB_IMAGE_STORE_INT_H
#define MSB_IMAGE_STORE_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "image/store.h"

#define STORE_LAYERS "layers"
#define STORE_MANIFESTS "manifests"
#define STORE_REFS "refs"
#define STORE_TMP "tmp"

#define STORE_RECORD_MAX (64u << 20) /* two documents and users, escaped */
#define STORE_USERS_MAX (1u << 20)   /* of a record's passwd and group */
#define STORE_REF_MAX 4096u	     /* of a name's file */
#define STORE_REF_PATH_MAX 1024u     /* refs/<registry>/<repository>/<file> */

/* "cannot <action>: <system's text>", with the kind that fits the errno. */
int store_err(struct err *err, int sys, const char *fmt, ...) MSB_PRINTF(3, 4);

/* Paths below cache/. */
#define STORE_PATH_MAX (16 + DIGEST_TEXT_MAX + 8)
void store_layer_file(const struct digest *diff_id, char ret[STORE_PATH_MAX]);
void store_merged_file(const struct digest *m, char ret[STORE_PATH_MAX]);
void store_record_file(const struct digest *m, char ret[STORE_PATH_MAX]);
/* The digest in "<alg>_<hex><suffix>", a file's name; false for others. */
bool store_file_digest(const char *name, const char *suffix,
		       struct digest *ret);

/*
 * The directory path below dirfd, every part of it real; -errno. With create,
 * missing parts are made.
 */
int store_open_dir(int dirfd, const char *path, bool create);
/* Replace dirfd/name by a new file that is on disk before it is visible. */
int store_write_file(const struct image_store *s, int dirfd, const char *name,
		     const void *data, size_t len);

/* malloc'ed JSON, NULL when out of memory or when a text is not UTF-8. */
char *store_record_format(const struct image *img);
/*
 * -EINVAL for whatever is not a whole record of this builder whose texts hash
 * to their digests.
 */
int store_record_parse(const char *text, size_t len, struct image *ret);
/* The same from its file; -ENOENT when that is missing or of no use. */
int store_record_load(const struct image_store *s, const struct digest *m,
		      struct image *ret);

int64_t store_now_ms(void);

/* malloc'ed path below cache/; NULL when out of memory. */
char *store_ref_path(const struct image_ref *ref);
/* malloc'ed JSON; NULL when out of memory. */
char *store_ref_format(const struct image_name *n);
int store_ref_parse(const char *text, size_t len, struct image_name *ret);
/* What a name's file says; -ENOENT when that is missing or of no use. */
int store_name_load(const struct image_store *s, const struct image_ref *ref,
		    struct image_name *ret);

struct store_names {
	struct image_name *v; /* in canonical order */
	size_t n;
	struct strv damaged; /* paths of files that say nothing */
};
int store_names_load(const struct image_store *s, struct store_names *ret,
		     struct err *err);
void store_names_fini(struct store_names *names);

/* An EROFS image of ours, of that size, which speaks of so many bytes. */
bool store_erofs_sound(const struct image_store *s, const char *path,
		       uint64_t size, uint64_t disk_size);

#endif
