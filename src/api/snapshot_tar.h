/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar archives of snapshots: regular files in one level of directories,
 * sparse ones in the pax form 1.0. The reader takes nothing else from an
 * archive that a stranger has made; it never writes a file itself.
 */
#ifndef MSB_API_SNAPSHOT_TAR_H
#define MSB_API_SNAPSHOT_TAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define TAR_MEMBERS_MAX 4096u
#define TAR_NAME_MAX 255u

/* ---- writing ------------------------------------------------------------ */

/* All return 0 or -errno. */
int tar_put_dir(int fd, const char *name);
int tar_put_bytes(int fd, const char *name, const void *data, size_t len);
/* Without its holes; data is read from offset 0 to the end. */
int tar_put_sparse(int fd, const char *name, int from);
int tar_put_end(int fd);

/* ---- reading ------------------------------------------------------------ */

struct tar_member {
	char *name;	 /* owned; "dir/file", each a plain name */
	uint64_t offset; /* of its data in the archive */
	uint64_t stored; /* bytes of it there, the map included */
	uint64_t size;	 /* of the file */
	bool sparse;
};

struct tar_index {
	struct tar_member *members; /* owned; in the order of the archive */
	size_t n;
};

/*
 * Read all headers. Members below "cache/" are left out, as are directories;
 * links, devices, names that lead elsewhere, names twice: ERR_INVALID.
 */
int tar_index_read(int fd, struct tar_index *ret, struct err *err);
void tar_index_fini(struct tar_index *t);
const struct tar_member *tar_index_find(const struct tar_index *t,
					const char *dir, const char *file);
/* A member as text of at most max bytes, appended to out. */
int tar_read_text(int fd, const struct tar_member *m, struct buf *out,
		  struct err *err);
/* A member into the empty file to, with its holes. */
int tar_extract(int fd, const struct tar_member *m, int to, struct err *err);

#endif
