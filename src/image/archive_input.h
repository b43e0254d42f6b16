/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of an archive that is to be loaded, by name: a tar archive, which
 * may be compressed or come from a pipe, or a directory.
 */
#ifndef MSB_IMAGE_ARCHIVE_INPUT_H
#define MSB_IMAGE_ARCHIVE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "image/archive_tar.h"
#include "image/digest.h"
#include "image/store.h"

struct archive_input {
	int fd;	    /* directory, or tar archive without compression */
	bool owned; /* fd is ours: a copy that was unpacked */
	bool directory;
	struct archive_tar tar; /* !directory */
};

/* fd is borrowed for as long as the input is used. */
int archive_input_open(const struct image_store *s, int fd,
		       struct archive_input *ret, struct err *err);
void archive_input_fini(struct archive_input *in);

/* A file of the archive, read at offsets. */
struct archive_file {
	int fd; /* owned: close it */
	uint64_t offset, size;
};

/*
 * path has to be plain: relative, without "." and "..". -ENOENT (err is filled,
 * too) when there is no regular file of that name in the archive.
 */
int archive_input_file(const struct archive_input *in, const char *path,
		       struct archive_file *ret, struct err *err);
bool archive_input_has(const struct archive_input *in, const char *path);
/* A document of at most OCI_DOCUMENT_MAX bytes; *ret_text is malloc'ed. */
int archive_input_text(const struct archive_input *in, const char *path,
		       char **ret_text, size_t *ret_len, struct err *err);
/* Up to len bytes from at on; 0 at the end. */
ssize_t archive_file_read(const struct archive_file *f, uint64_t at, void *buf,
			  size_t len);

#endif
