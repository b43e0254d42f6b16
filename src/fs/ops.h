/* SPDX-License-Identifier: Apache-2.0 */
/* A request on its way through its handler, and the handlers. */
#ifndef MSB_FS_OPS_H
#define MSB_FS_OPS_H

#include "fs/fs_int.h"

/* One request on its way through a handler. */
struct fs_req {
	struct fuse_in_header h;
	struct fs_inode *inode; /* of h.nodeid; NULL for ops without one */
	const void *arg;	/* fixed part of the body, in scratch */
	const char *name, *name2;
	const uint8_t *rest; /* body after the fixed part, in scratch */
	size_t rest_len;
	const struct iovec *in_iov; /* for bulk ops, whole request */
	unsigned nin;
	size_t in_off, in_len; /* of the bulk data behind the fixed part */
	const struct iovec *out_iov;
	unsigned nout;
	size_t room; /* bytes for the reply body */
};

/* Copy a reply body; its length, for the handler to return. */
ssize_t fs_reply(struct fs_server *s, const void *data, size_t len);
void fs_entry_fill(const struct fs_server *s, struct fs_inode *in,
		   const struct fs_stat *st, struct fuse_entry_out *ret);

int fs_name_check(const char *name);
int fs_lookup(struct fs_server *s, struct fs_inode *parent, const char *name,
	      struct fuse_entry_out *ret);

/* Operations: length of the reply body left in s->out, or -errno. */

typedef ssize_t fs_op_fn(struct fs_server *s, struct fs_req *r);

/* ops_name.c */
fs_op_fn fs_op_lookup, fs_op_unlink, fs_op_rmdir, fs_op_rename, fs_op_rename2,
	fs_op_link;
/* ops_attr.c */
fs_op_fn fs_op_getattr, fs_op_setattr, fs_op_statx, fs_op_access, fs_op_statfs,
	fs_op_readlink;
/* ops_create.c */
fs_op_fn fs_op_create, fs_op_mkdir, fs_op_mknod, fs_op_symlink, fs_op_tmpfile;
/* ops_file.c; fs_op_read fills the guest's buffers itself */
fs_op_fn fs_op_open, fs_op_read, fs_op_write, fs_op_release, fs_op_flush,
	fs_op_fsync, fs_op_fallocate, fs_op_lseek, fs_op_copy_file_range;
/* ops_dir.c */
fs_op_fn fs_op_opendir, fs_op_readdir, fs_op_readdirplus, fs_op_fsyncdir;
/* ops_xattr.c */
fs_op_fn fs_op_setxattr, fs_op_getxattr, fs_op_listxattr, fs_op_removexattr;

/* ops_file.c: flags of a successful open, and the handle for it. st is the
 * file as it is now, NULL if the guest can have no pages of it. */
int fs_open_reply(struct fs_server *s, struct fs_inode *in, int *fd,
		  uint32_t flags, const struct statx *st,
		  struct fuse_open_out *ret);

#endif
