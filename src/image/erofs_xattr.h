/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes in the form they have behind an EROFS inode, less the
 * header: entries of name length, prefix number, value length, the name behind
 * its prefix, the value, each padded to four bytes.
 */
#ifndef MSB_IMAGE_EROFS_XATTR_H
#define MSB_IMAGE_EROFS_XATTR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "image/tree.h"

/* The inode's 16-bit count of words. */
#define EROFS_XATTR_BODY_MAX (4u * 65534u)
#define EROFS_XATTR_NAME_MAX (32u + 255u)

struct erofs_xattr {
	uint8_t prefix, name_len;
	uint16_t value_len;
	const uint8_t *name, *value;
};

/*
 * Append an attribute of an archive. 1; 0 when it is none that an image keeps,
 * or there already; -EINVAL when its value cannot be right, -E2BIG, -ENOMEM.
 * Kept are user.*, trusted.*, security.* and access control lists, but not what
 * belongs to the host that made the archive or is ours or overlayfs's to say.
 */
int erofs_xattr_encode(struct buf *body, const char *name, const void *value,
		       size_t len);

/* 1 with the attribute at *pos, which moves on; 0 at the end, -EUCLEAN. */
int erofs_xattr_next(const uint8_t *body, size_t len, size_t *pos,
		     struct erofs_xattr *ret);
/* Its full name. */
void erofs_xattr_name(const struct erofs_xattr *x,
		      char ret[EROFS_XATTR_NAME_MAX + 1]);

/*
 * Directories of layers that hide what is below them, or were not in the
 * archive themselves, are marked by attributes. They are never part of a
 * node's body.
 */
size_t erofs_mark_size(uint8_t flags);
void erofs_mark_put(uint8_t flags, uint8_t *ret);
/* The flag an attribute stands for, or 0. */
uint8_t erofs_mark_flag(const struct erofs_xattr *x);

/* Put a body into the arena and give it to a node; empty is none. */
int erofs_xattr_store(struct tree *t, uint32_t node, const uint8_t *body,
		      size_t len);
/* The body of a node, NULL and 0 without. */
const uint8_t *erofs_xattr_body(const struct tree *t, uint32_t node,
				size_t *ret_len);

#endif
