/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of a POSIX archive (ustar with pax records, IEEE 1003.1 "pax"). */
#ifndef MSB_IMAGE_TAR_HEADER_H
#define MSB_IMAGE_TAR_HEADER_H

#include <stdint.h>

#include "base/buf.h"
#include "image/erofs_read.h"

#define TAR_BLOCK 512u

struct tar_member {
	const char *path; /* directories: with a slash at the end */
	const char *link; /* NULL, or the target of a link */
	const struct erofs_inode *inode;
	char type; /* as in the archive: '0' ... '6' */
};

/*
 * Append the member's header, and before it a pax header with what does not fit
 * there. 0, -ENOMEM, or -EUCLEAN for attributes that make no sense.
 */
int tar_header_put(struct buf *out, const struct tar_member *m);

#endif
