/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Releases of msb itself. A source, which is a directory or lies on a web
 * server, has these files (docs/install.md):
 *
 *   latest                               a version and a newline
 *   SHA256SUMS                           "<64 hex digits>  <name>" lines
 *   msb-<version>-linux-<arch>.tar.zst   one directory of that name
 *
 * An installed release is a directory below <home>/lib; the link <home>/bin/msb
 * says which one is used, and replacing it is the one step of an update.
 */
#ifndef MSB_API_RELEASE_INT_H
#define MSB_API_RELEASE_INT_H

#include "api/api_int.h"
#include "base/buf.h"

#define RELEASE_VERSION_MAX 32
#define RELEASE_NAME_MAX (RELEASE_VERSION_MAX + 32)
#define RELEASE_SUM_LEN 64 /* hex digits */
#if defined(__x86_64__)
#define RELEASE_ARCH "x86_64"
#elif defined(__aarch64__)
#define RELEASE_ARCH "aarch64"
#endif
#define RELEASE_PREFIX "msb-"
#define RELEASE_SUFFIX "-linux-" RELEASE_ARCH
#define RELEASE_ARCHIVE ".tar.zst"

/* ---- text: release_text.c ------------------------------------------------ */

/* Digits first, then what file names may well have, 32 bytes in all. */
bool release_version_valid(const char *text);
/* -1, 0, 1. Numbers count as such; "1.0-rc1" comes before "1.0". */
int release_version_compare(const char *a, const char *b);
/* A version with or without "v" and white space around; -EINVAL. */
int release_latest_parse(const char *text, size_t len,
			 char ret[RELEASE_VERSION_MAX + 1]);
/*
 * The sum of a file: 0, -ENOENT, or -EBADMSG when the list has two of them.
 * Lines that are none are passed over.
 */
int release_sums_find(const char *text, size_t len, const char *name,
		      char ret[RELEASE_SUM_LEN + 1]);
/* The newest version for this machine before version: 0 or -ENOENT. */
int release_sums_before(const char *text, size_t len, const char *version,
			char ret[RELEASE_VERSION_MAX + 1]);

/* ---- where it comes from: release_source.c ------------------------------- */

struct msb_release {
	msb_t *m;     /* borrowed */
	char *source; /* a directory, absolute, or a URL without slash */
	bool is_url;
	char *ca_certs; /* or NULL */
	char version[RELEASE_VERSION_MAX + 1];
	char sum[RELEASE_SUM_LEN + 1];
};

/* A path, or a file, http or https URL. */
int release_source_set(msb_release_t *r, const char *text, struct err *err);
/* The file of that name, into the empty file out. o may be NULL. */
int release_source_get(const msb_release_t *r, const char *name, bool document,
		       int out, const msb_image_options_t *o, struct err *err);
/* A short one, as text. */
int release_source_read(const msb_release_t *r, const char *name,
			struct buf *ret, struct err *err);

/* ---- where it goes: release_tree.c --------------------------------------- */

/* The directories of a home that hold what is installed. */
struct release_tree {
	const char *home; /* path, borrowed */
	int lib, bin, lock;
};
int release_tree_open(msb_t *m, struct release_tree *ret, struct err *err);
void release_tree_close(struct release_tree *t);
#define RELEASE_STAGE ".new"
/* An empty directory of that name in lib, in place of one that an update which
 * was killed has left: its descriptor. */
int release_tree_stage(const struct release_tree *t, struct err *err);
void release_tree_unstage(const struct release_tree *t);
/*
 * Move directory top in tree_fd into lib, whatever is there, make it the one
 * that is used and see that it works; else everything is as it was.
 */
int release_tree_adopt(const struct release_tree *t, int tree_fd,
		       const char *top, struct err *err);
/* Is the release of that name, or a copy of it, the one that is used? */
bool release_tree_uses(const struct release_tree *t, const char *top);
/* Does the program dir/name start, and end with that status? dir is relative to
 * the home; argument may be NULL. */
int release_try(const struct release_tree *t, const char *dir, const char *name,
		const char *argument, int status, struct err *err);

#endif
