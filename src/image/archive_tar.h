/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the files of a tar archive lie in it. Layers are read with libarchive;
 * this is about the archive around them, whose files are wanted in any order
 * and without copying them first.
 */
#ifndef MSB_IMAGE_ARCHIVE_TAR_H
#define MSB_IMAGE_ARCHIVE_TAR_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define ARCHIVE_PATH_MAX 4096u

struct archive_tar_entry;

struct archive_tar {
	struct archive_tar_entry *entries; /* sorted by name once complete */
	size_t n, cap;
	struct buf names; /* of entries and links, NUL-terminated */
};

/* Read the headers of the archive in fd, from offset to its end. */
int archive_tar_index(int fd, uint64_t offset, struct archive_tar *ret,
		      struct err *err);
void archive_tar_fini(struct archive_tar *t);
/*
 * Offset and size of a regular file; links to one are followed within the
 * archive. path is relative and without dots. -ENOENT, -ELOOP.
 */
int archive_tar_find(const struct archive_tar *t, const char *path,
		     uint64_t *ret_offset, uint64_t *ret_size);

/*
 * Join a relative path to a directory ("" for the root) and take out dots and
 * empty parts. -EINVAL when the result lies outside, or is empty;
 * -ENAMETOOLONG.
 */
int archive_path_join(const char *dir, size_t dir_len, const char *path,
		      char ret[ARCHIVE_PATH_MAX]);

#endif
