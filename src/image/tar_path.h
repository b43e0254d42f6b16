/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of archive entries, and what their names mean. */
#ifndef MSB_IMAGE_TAR_PATH_H
#define MSB_IMAGE_TAR_PATH_H

#include <stddef.h>

#include "image/tree.h"

enum tar_path_error {
	TAR_PATH_OK,
	TAR_PATH_TOO_LONG,
	TAR_PATH_TOO_DEEP,
	TAR_PATH_NAME_TOO_LONG,
	TAR_PATH_UPWARDS, /* a ".." component */
};

/* "/dir/ectory" and "name"; both empty for the root. */
struct tar_path {
	char text[TREE_PATH_MAX + 2]; /* the directory, then the name */
	const char *name;
	size_t name_len;
};

/* Relative to the root whatever it looks like; empty and "." components are
 * dropped. */
enum tar_path_error tar_path_parse(const char *text, struct tar_path *ret);
const char *tar_path_error_text(enum tar_path_error e);

enum tar_name {
	TAR_NAME_PLAIN,
	TAR_NAME_WHITEOUT, /* ".wh.NAME" */
	TAR_NAME_OPAQUE,   /* ".wh..wh..opq" */
	TAR_NAME_WRONG,	   /* the whiteout of a dot */
};
#define TAR_WHITEOUT ".wh."
#define TAR_OPAQUE ".wh..wh..opq"

enum tar_name tar_name_kind(const char *name, size_t len);

#endif
