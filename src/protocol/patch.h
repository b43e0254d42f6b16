/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of a guest's root file system, to be made before any of its programs
 * runs: a sequence of maps, one for each, next to the boot specification in the
 * initramfs (PATCHES_PATH). Directories that are copied are one each with all
 * that is below them, parents first.
 */
#ifndef MSB_PROTOCOL_PATCH_H
#define MSB_PROTOCOL_PATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "protocol/cbor.h"

#define PATCHES_PATH "/msb/patches.cbor"
/* Contents (MSB_PATCH_MAX_BYTES), and what says where they go. */
#define PATCHES_MAX (80u << 20)

enum patch_kind {
	PATCH_FILE,
	PATCH_APPEND,
	PATCH_SYMLINK,
	PATCH_MKDIR,
	PATCH_TREE, /* a new, empty directory */
	PATCH_REMOVE,
};

struct patch {
	enum patch_kind kind;
	struct view path; /* absolute, not empty, no NUL; borrowed */
	struct view data; /* contents; SYMLINK: where it leads; borrowed */
	uint32_t mode;	  /* FILE, MKDIR, TREE: permission bits */
	bool replace;	  /* FILE, SYMLINK, TREE: what exists */
};

/* Append; check buf->failed. */
void patch_put(struct buf *b, const struct patch *p);
/* The next one: 1, 0 at the end, -EBADMSG. */
int patch_next(struct cbor *c, struct patch *ret);

#endif
