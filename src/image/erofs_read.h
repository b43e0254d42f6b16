/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading back a layer image this program wrote. It is a file on disk that may
 * have been damaged since: every number is checked against the metadata, which
 * is held in memory as a whole. Nothing here follows a directory into another;
 * who does has to see that it comes to each only once.
 */
#ifndef MSB_IMAGE_EROFS_READ_H
#define MSB_IMAGE_EROFS_READ_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct erofs_reader {
	int fd;	       /* borrowed */
	uint8_t *meta; /* owned; from the first metadata block to the end */
	uint64_t meta_len;
	uint32_t meta_block, root; /* root: inode number */
	uint32_t nids;		   /* inode numbers are below */
};

struct erofs_inode {
	uint32_t nid;
	uint16_t mode;
	uint32_t uid, gid, nlink, mtime_nsec;
	int64_t mtime;
	uint64_t size;
	uint32_t block; /* regular files: TREE_NO_BLOCK when empty */
	uint32_t rdev;
	/* Attributes, marks not among them come as flags (enum tree_flag). */
	const uint8_t *xattr;
	uint32_t xattr_len;
	uint8_t flags;
	/* Directories and symbolic links: whole blocks, then the tail. */
	const uint8_t *blocks, *tail;
};

struct erofs_name {
	const char *text; /* not terminated */
	size_t len;
	uint32_t nid;
};

struct erofs_dir {
	struct erofs_inode inode;
	uint64_t pos;  /* of the block */
	uint32_t i, n; /* entry within it */
};

/* -EUCLEAN with *err filled when the image is damaged. */
int erofs_reader_open(int fd, struct erofs_reader *ret, struct err *err);
void erofs_reader_close(struct erofs_reader *r);

int erofs_inode_read(const struct erofs_reader *r, uint64_t nid,
		     struct erofs_inode *ret);
/* Target of a symbolic link of 1 to TREE_PATH_MAX bytes, without NUL. */
const char *erofs_link_text(const struct erofs_inode *inode);

/* The inode is a directory. */
void erofs_dir_open(struct erofs_dir *d, const struct erofs_inode *inode);
/* 1 with a name that is none of the dots; 0 at the end, -EUCLEAN. */
int erofs_dir_read(const struct erofs_reader *r, struct erofs_dir *d,
		   struct erofs_name *ret);

/* Up to len bytes of a regular file; short only at its end. */
ssize_t erofs_file_read(const struct erofs_reader *r,
			const struct erofs_inode *inode, uint64_t pos,
			void *buf, size_t len);

/* Fills err: what -EUCLEAN means. */
int erofs_damaged(struct err *err);

#endif
