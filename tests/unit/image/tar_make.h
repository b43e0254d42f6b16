/* SPDX-License-Identifier: Apache-2.0 */
/* Archives made by hand for tests, byte by byte, right ones and wrong ones. */
#ifndef TEST_TAR_MAKE_H
#define TEST_TAR_MAKE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "image/layer.h"

struct tar_item {
	char type; /* 0 stands for '0' */
	const char *path, *link;
	unsigned mode, uid, gid;
	long long mtime;
	const char *data;
	size_t size; /* of data; strlen when 0 */
	unsigned major, minor;
};

/* Ceiling of a test's archive. */
#define TAR_MAKE_MAX ((size_t)256 << 20)

void tar_make_item(struct buf *tar, const struct tar_item *item);
/* A header of any type with a body, its size field as given. */
void tar_make_raw(struct buf *tar, char type, const char *path,
		  const char *size_field, const void *body, size_t len);
/* One record of a pax header for the next item; value may hold NULs. */
void tar_make_record(struct buf *records, const char *key, const void *value,
		     size_t len);
void tar_make_pax(struct buf *tar, const struct buf *records);
/* The same for a single text. */
void tar_make_pax_text(struct buf *tar, const char *key, const char *value);
void tar_make_end(struct buf *tar);

/* Shorthands. */
void tar_make_file(struct buf *tar, const char *path, const char *data);
void tar_make_dir(struct buf *tar, const char *path, unsigned mode);
void tar_make_link(struct buf *tar, char type, const char *path,
		   const char *target);

/* Unpack the bytes as they are; diff_id is of `plain`. Gives a memory file, or
 * -errno with *err. */
int tar_make_convert(const void *bytes, size_t len, const struct buf *plain,
		     const struct layer_limits *limits, struct err *err);
/* End the archive and unpack it; fails the test when that does not work. */
int tar_make_layer(struct buf *tar);
/* End the archive and unpack it, which has to fail with a message that has the
 * text in it. */
void tar_make_refused(struct buf *tar, const struct layer_limits *limits,
		      const char *text);

#endif
