/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second reader of EROFS for tests, which shares nothing with the one that is
 * tested. It looks names up as the kernel does, by halving.
 */
#ifndef TEST_EROFS_VIEW_H
#define TEST_EROFS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct view {
	uint8_t *data;
	size_t len;
};

struct view_node {
	uint64_t nid, size;
	int64_t mtime;
	unsigned mode, uid, gid, nsec, nlink, rdev;
	uint32_t block;
	const uint8_t *xattrs, *tail;
	size_t xattr_len;
	bool is_inline;
};

/* The files one after the other, as the guest's disk; checks the superblock. */
void view_load(struct view *v, const int *fds, size_t n);
void view_free(struct view *v);

/* Without following symbolic links. */
bool view_find(const struct view *v, const char *path, struct view_node *ret);
/* Names of a directory, the dots not counted; checks their order. */
unsigned view_count(const struct view *v, const char *path);
/* Data of a regular file or a symbolic link at a position; how much of it is
 * there in one piece. */
const void *view_data(const struct view *v, const struct view_node *n,
		      uint64_t pos);
/* Value of an attribute, by prefix number and the rest of the name. */
const void *view_xattr(const struct view_node *n, unsigned prefix,
		       const char *name, size_t *ret_len);

/* Checks that fail the test. */
void view_is_file(const struct view *v, const char *path, const char *data);
void view_is_link(const struct view *v, const char *path, const char *target);
void view_is_absent(const struct view *v, const char *path);
void view_is_dir(const struct view *v, const char *path, unsigned perm);

#endif
