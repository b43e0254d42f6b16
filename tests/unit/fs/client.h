/* SPDX-License-Identifier: Apache-2.0 */
/* A guest kernel's half of FUSE, for tests: makes requests, takes replies. */
#ifndef MSB_TEST_FS_CLIENT_H
#define MSB_TEST_FS_CLIENT_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "fs/fs.h"

#define CLIENT_BODY 131072

struct client {
	struct fs_server *s;
	char dir[64]; /* the exported directory, below the working one */
	int dirfd;    /* of it */
	uint32_t uid, gid;
	uint8_t in[CLIENT_BODY];
	uint8_t out[CLIENT_BODY]; /* of the latest reply, without header */
	size_t room;		  /* for the reply body; 0 = all of out */
};

/* A fresh directory where user attributes work; false: there is none. */
bool client_dir(struct client *c);
/* Start serving it with *cfg (its directory is filled in) and send INIT. */
void client_start(struct client *c, struct fs_config cfg);
/* INIT alone, for a server that c->s already is. */
void client_init(struct client *c);
void client_stop(struct client *c);
void client_rmdir(struct client *c);

/* Length of the reply body, or -errno. */
ssize_t client_call(struct client *c, uint32_t opcode, uint64_t nodeid,
		    const void *arg, size_t arg_len, const void *data,
		    size_t data_len);
/* The same with whole control of the bytes: 0 = no reply. */
ssize_t client_raw(struct client *c, const void *in, size_t in_len, void *out,
		   size_t out_len);

/* Requests with a name; entries and attributes are left in *e or *a. */
int client_lookup(struct client *c, uint64_t dir, const char *name,
		  struct fuse_entry_out *e);
int client_create(struct client *c, uint64_t dir, const char *name,
		  uint32_t flags, uint32_t mode, struct fuse_entry_out *e,
		  uint64_t *fh);
int client_mkdir(struct client *c, uint64_t dir, const char *name,
		 uint32_t mode, struct fuse_entry_out *e);
int client_mknod(struct client *c, uint64_t dir, const char *name,
		 uint32_t mode, uint32_t rdev, struct fuse_entry_out *e);
int client_symlink(struct client *c, uint64_t dir, const char *name,
		   const char *target, struct fuse_entry_out *e);
int client_link(struct client *c, uint64_t node, uint64_t dir, const char *name,
		struct fuse_entry_out *e);
int client_unlink(struct client *c, uint64_t dir, const char *name);
int client_rmdir_at(struct client *c, uint64_t dir, const char *name);
int client_rename(struct client *c, uint64_t dir, const char *name,
		  uint64_t dir2, const char *name2, uint32_t flags);
int client_getattr(struct client *c, uint64_t node, struct fuse_attr *a);
int client_setattr(struct client *c, uint64_t node,
		   const struct fuse_setattr_in *in, struct fuse_attr *a);
int client_chmod(struct client *c, uint64_t node, uint32_t mode,
		 struct fuse_attr *a);
int client_chown(struct client *c, uint64_t node, uint32_t uid, uint32_t gid,
		 struct fuse_attr *a);
int client_open(struct client *c, uint64_t node, uint32_t flags,
		struct fuse_open_out *o);
int client_opendir(struct client *c, uint64_t node, uint64_t *fh);
int client_release(struct client *c, uint64_t node, uint64_t fh, bool dir);
ssize_t client_read(struct client *c, uint64_t node, uint64_t fh, uint64_t off,
		    uint32_t size);
ssize_t client_write(struct client *c, uint64_t node, uint64_t fh, uint64_t off,
		     const char *text, uint32_t flags, uint32_t write_flags);
void client_forget(struct client *c, uint64_t node, uint64_t n);

/* The host's side of the export. */
void host_write(struct client *c, const char *name, const char *text);
void host_stat(struct client *c, const char *name, struct stat *st);
bool host_exists(struct client *c, const char *name);
size_t open_fds(void);

#endif
