/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a volume's files: requests to the file server, and paths. */
#ifndef MSB_API_VOLUME_FS_INT_H
#define MSB_API_VOLUME_FS_INT_H

#include <limits.h>
#include <linux/fuse.h>

#include "api/volume_fs.h"
#include "fs/fs.h"

#define VOL_REPLY 65536u
#define VOL_IO (1u << 20)    /* of one request */
#define VOL_UMASK 022u	     /* of what is made without a mode */
#define VOL_LINKS_MAX 40u    /* followed on the way to one file */
#define VOL_FILES_MAX 1024u  /* open at once */
#define VOL_DEPTH_MAX 65536u /* of a tree that is removed */

struct vol_file {
	uint64_t handle; /* as the caller knows it */
	uint64_t node, fh;
	bool append;
};

struct volume_fs {
	struct fs_server *s;
	uint8_t *out; /* owned: VOL_REPLY bytes, of the latest reply */
	/* What the server keeps for the operation under way. */
	uint64_t *held;
	size_t nheld, held_cap;
	struct vol_file *files;
	size_t nfiles;
	uint64_t next_handle;
	char *text; /* owned: the path of the latest answer */
};

/* ---- volume_fuse.c: -errno ----------------------------------------------- */

int vol_init(struct volume_fs *v);
/* Nodes that were found are held until the end of the operation. */
int vol_lookup(struct volume_fs *v, uint64_t dir, const char *name,
	       struct fuse_entry_out *ret);
void vol_release_nodes(struct volume_fs *v);
/* Let go of one node now, or keep it beyond the operation. */
void vol_forget(struct volume_fs *v, uint64_t node);
void vol_keep(struct volume_fs *v, uint64_t node);

/* Of an open file when fh is not NULL. */
int vol_getattr(struct volume_fs *v, uint64_t node, const uint64_t *fh,
		struct fuse_attr *ret);
int vol_setattr(struct volume_fs *v, uint64_t node,
		const struct fuse_setattr_in *a);
/* The target's length; buf has PATH_MAX bytes, and is terminated. */
int vol_readlink(struct volume_fs *v, uint64_t node, char *buf);

int vol_mkdir(struct volume_fs *v, uint64_t dir, const char *name,
	      struct fuse_entry_out *ret);
int vol_symlink(struct volume_fs *v, uint64_t dir, const char *name,
		const char *target);
int vol_unlink(struct volume_fs *v, uint64_t dir, const char *name,
	       bool is_dir);
int vol_rename(struct volume_fs *v, uint64_t dir, const char *name,
	       uint64_t dir2, const char *name2);

int vol_create(struct volume_fs *v, uint64_t dir, const char *name,
	       uint32_t flags, uint32_t mode, uint64_t *ret_node,
	       uint64_t *ret_fh);
int vol_open(struct volume_fs *v, uint64_t node, uint32_t flags,
	     uint64_t *ret_fh);
ssize_t vol_read(struct volume_fs *v, uint64_t node, uint64_t fh, uint64_t off,
		 void *data, size_t len);
/* All of it. */
int vol_write(struct volume_fs *v, const struct vol_file *f, uint64_t off,
	      const void *data, size_t len);
void vol_close(struct volume_fs *v, uint64_t fh);

/* Entries of a directory, "." and ".." left out; fn gives non-zero to stop.
 * attr is NULL where it cannot be told. */
typedef int (*vol_entry_fn)(void *ctx, const char *name,
			    const struct fuse_attr *attr);
int vol_readdir(struct volume_fs *v, uint64_t node, vol_entry_fn fn, void *ctx);

/* ---- volume_remove.c ----------------------------------------------------- */

/* Remove all that is below a directory: 0 or -errno. */
int vol_empty_dir(struct volume_fs *v, uint64_t node);

/* ---- volume_walk.c ------------------------------------------------------- */

enum {
	WALK_FOLLOW = 1 << 0, /* also a link that the path ends in */
	WALK_NEW = 1 << 1,    /* the last part need not be there */
	WALK_MAKE = 1 << 2,   /* directories on the way are made, and the last
			       * one */
};

/* One part of a path, resolved. */
struct vol_part {
	uint64_t node; /* 0: not there, the last one only */
	char *name;    /* owned */
	struct fuse_attr attr;
};

/* Where a path leads: the parts from the volume's directory on, no links. */
struct vol_walk {
	struct vol_part *parts;
	size_t n, cap;
	bool dots;  /* it ended in "." or ".." */
	bool slash; /* or in "/" */
};

/*
 * 0 or -errno; -EXDEV when the path leads out of the volume. Nodes are held as
 * by vol_lookup. To be freed, also on failure.
 */
int vol_walk(struct volume_fs *v, const char *path, unsigned flags,
	     struct vol_walk *ret);
void vol_walk_fini(struct vol_walk *w);
/* The node it ended at, FUSE_ROOT_ID for the volume itself, 0: not there. */
uint64_t vol_walk_node(const struct vol_walk *w);
/* The directory that holds the last part; w->n is not 0. */
uint64_t vol_walk_dir(const struct vol_walk *w);
const char *vol_walk_name(const struct vol_walk *w);
/* Attributes of the node, asked for where it is the volume itself. */
int vol_walk_attr(struct volume_fs *v, const struct vol_walk *w,
		  struct fuse_attr *ret);

#endif
