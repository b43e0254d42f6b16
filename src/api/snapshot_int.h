/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots of stopped sandboxes that were made from images. A snapshot is a
 * directory, <home>/snapshots/NAME or anywhere:
 *
 *   snapshot.json   the descriptor; of earlier versions manifest.json
 *   upper.ext4      the sandbox's writable layer
 *
 * The descriptor is compact JSON with its members in one order, so that the
 * SHA-256 of its bytes is the snapshot's identity. <home>/snapshots/.index has
 * a symbolic link, named by digest, to each snapshot that lies elsewhere.
 */
#ifndef MSB_API_SNAPSHOT_INT_H
#define MSB_API_SNAPSHOT_INT_H

#include "api/api_int.h"
#include "base/buf.h"
#include "image/digest.h"

#define SNAPSHOT_FILE "snapshot.json"
#define SNAPSHOT_FILE_OLD "manifest.json"
#define SNAPSHOT_UPPER "upper.ext4"
#define SNAPSHOT_JSON_MAX (4u << 20)
#define SNAPSHOT_UPPER_MAX (16ull << 40)

struct snapshot_desc {
	char *format; /* "raw" or "qcow2" */
	char *fstype;
	char *image_ref;
	struct digest image;
	bool has_parent;
	struct digest parent;
	char *created_at;   /* RFC 3339 */
	struct strv labels; /* KEY=VALUE, sorted */
	char *upper_file;   /* a plain name */
	uint64_t upper_size;
	char *algorithm; /* of the integrity, NULL = not recorded */
	struct digest integrity;
	char *source; /* sandbox; NULL = not told */
};

void snapshot_desc_fini(struct snapshot_desc *d);
/* The descriptor's bytes; -ENOMEM. */
int snapshot_desc_encode(const struct snapshot_desc *d, struct buf *out);
/*
 * Strict: every member there, none besides, none twice, in order and compact;
 * so the digest of the text is that of the descriptor. ERR_SNAPSHOT_INTEGRITY.
 */
int snapshot_desc_decode(const char *text, size_t len,
			 struct snapshot_desc *ret, struct err *err);

struct msb_snapshot {
	char *path; /* absolute */
	char *name; /* below <home>/snapshots; NULL elsewhere */
	struct digest digest;
	struct snapshot_desc desc;
	char *descriptor; /* its text */
};

/*
 * Read the descriptor in the directory path and look at its upper; the caller
 * may keep the upper's descriptor (ret_upper, NULL allowed). name is copied.
 */
int snapshot_open(const char *path, const char *name, msb_snapshot_t **ret,
		  int *ret_upper, struct err *err);
/* By path, name or digest. */
int snapshot_find(const msb_t *m, const char *ref, msb_snapshot_t **ret,
		  int *ret_upper, struct err *err);
bool snapshot_is_path(const char *ref);
/* Copy the upper of the snapshot at path, taken above that image, into to. */
int snapshot_copy_upper(const char *path, const char *manifest, int to,
			struct err *err);
/* <home>/snapshots, or where config.json has it; malloc'ed. */
char *snapshot_home(const msb_t *m);
int snapshot_name_check(const char *name, struct err *err);
/* Every snapshot that is known; what cannot be read is left out. */
int snapshot_each(const msb_t *m, int (*fn)(void *ctx, msb_snapshot_t *s),
		  void *ctx, struct err *err);
/* Those in dir, known or not; likewise. */
int snapshot_each_in(const msb_t *m, const char *dir,
		     int (*fn)(void *ctx, msb_snapshot_t *s), void *ctx,
		     struct err *err);
/* Remember those in dir (NULL: the home's own place, where nothing needs to be
 * remembered), and forget those that are gone. */
int snapshot_reindex(const msb_t *m, const char *dir, int64_t *ret_n,
		     struct err *err);
/* Remember one that lies elsewhere. */
int snapshot_index_add(const msb_t *m, const msb_snapshot_t *s,
		       struct err *err);

/*
 * A directory that is being made beside the one it is to become. _new makes
 * it, _commit gives it its name (-EEXIST unless force), _drop removes it.
 */
struct snapshot_draft {
	char *path; /* what it is to become */
	char *name; /* see msb_snapshot */
	char *temp;
	int fd; /* of temp */
};
int snapshot_draft_new(const msb_t *m, const char *dest,
		       struct snapshot_draft *ret, struct err *err);
int snapshot_draft_commit(struct snapshot_draft *d, bool force,
			  struct err *err);
void snapshot_draft_drop(struct snapshot_draft *d);
/* Write the descriptor. */
int snapshot_draft_describe(const struct snapshot_draft *d,
			    const struct snapshot_desc *desc, struct err *err);

/* ---- contents: snapshot_data.c ------------------------------------------- */

/* Share blocks where the file system can, else copy without the holes. to is
 * empty. -errno. */
int snapshot_copy(int from, int to);

/* Where a file has data; a malloc'ed list. -errno. */
struct snapshot_extent {
	uint64_t start, end;
};
int snapshot_extents(int fd, struct snapshot_extent **ret, size_t *ret_n);

#define SNAPSHOT_SHA256 "sha256"
#define SNAPSHOT_SPARSE_V1 "msb-sparse-sha256-v1"
#define SNAPSHOT_SPARSE_V2 "msb-sparse-sha256-v2"
bool snapshot_algorithm_known(const char *algorithm);
/*
 * v1 hashes the extents the host's file system tells, which a copy may change;
 * v2 those that are not zero, in blocks of 4096 bytes. -errno.
 */
int snapshot_hash(int fd, const char *algorithm, struct digest *ret);

#endif
