/* SPDX-License-Identifier: Apache-2.0 */
/* Files in a running guest. */
#ifndef MICROSANDBOX_FS_H
#define MICROSANDBOX_FS_H

#include "microsandbox/core.h"

MSB_BEGIN_DECLS

/*
 * A connection to the agent of a running sandbox. Paths are the guest's;
 * errors of its file system are MSB_ERR_FS and MSB_ERR_FS_NOT_FOUND, with their
 * errno. After any other error the connection is made anew by the next call;
 * handles of before are then no good. Threads that use one connection wait for
 * each other.
 */
int msb_fs_connect(msb_sandbox_t *s, msb_fs_t **ret, msb_error_t **ret_err);
/*
 * The files of a volume, from the host, whether a sandbox uses it or not, as a
 * guest would see them (docs/mounts.md). Paths begin at its directory; what
 * leads out of it, by ".." or a symbolic link, is MSB_ERR_FS with EXDEV.
 * MSB_ERR_UNSUPPORTED: the volume is a disk; MSB_ERR_VOLUME_NOT_FOUND: it has
 * been removed.
 */
int msb_fs_open_volume(const msb_volume_t *v, msb_fs_t **ret,
		       msb_error_t **ret_err);
void msb_fs_free(msb_fs_t *fs); /* closes what it has open */

typedef enum {
	MSB_FS_FILE,
	MSB_FS_DIR,
	MSB_FS_SYMLINK,
	MSB_FS_OTHER
} msb_fs_kind_t;
typedef struct {
	size_t struct_size; /* set by the library */
	msb_fs_kind_t kind;
	uint32_t mode; /* permission bits */
	uint32_t uid, gid;
	uint64_t size;
	int64_t atime_s, mtime_s;
} msb_fs_info_t;
int msb_fs_stat(msb_fs_t *fs, const char *path, bool follow, msb_fs_info_t *ret,
		msb_error_t **ret_err);
/* 1, 0, or negative: it cannot be told. */
int msb_fs_exists(msb_fs_t *fs, const char *path, msb_error_t **ret_err);
/* With its parents; mode -1 = 0777 less the guest's umask (022 of a volume). */
int msb_fs_mkdir(msb_fs_t *fs, const char *path, int mode,
		 msb_error_t **ret_err);
int msb_fs_remove(msb_fs_t *fs, const char *path, msb_error_t **ret_err);
int msb_fs_remove_dir(msb_fs_t *fs, const char *path, bool recursive,
		      msb_error_t **ret_err);
int msb_fs_copy(msb_fs_t *fs, const char *from, const char *to,
		msb_error_t **ret_err); /* one file, in the guest */
int msb_fs_rename(msb_fs_t *fs, const char *from, const char *to,
		  msb_error_t **ret_err);
int msb_fs_symlink(msb_fs_t *fs, const char *target, const char *path,
		   msb_error_t **ret_err);
int msb_fs_read_link(msb_fs_t *fs, const char *path, char **ret,
		     msb_error_t **ret_err);
int msb_fs_real_path(msb_fs_t *fs, const char *path, char **ret,
		     msb_error_t **ret_err);
enum {
	MSB_FS_SET_MODE = 1 << 0,
	MSB_FS_SET_UID = 1 << 1,
	MSB_FS_SET_GID = 1 << 2,
	MSB_FS_SET_SIZE = 1 << 3,
	MSB_FS_SET_ATIME = 1 << 4,
	MSB_FS_SET_MTIME = 1 << 5,
};
typedef struct {
	size_t struct_size;
	unsigned set; /* which of the following */
	uint32_t mode, uid, gid;
	uint64_t size;
	int64_t atime_s, mtime_s;
} msb_fs_attrs_t;
int msb_fs_set_stat(msb_fs_t *fs, const char *path, bool follow,
		    const msb_fs_attrs_t *attrs, msb_error_t **ret_err);
/* Calls fn for each entry, in no order; non-zero ends it, which is no error. fn
 * must not use fs. */
int msb_fs_list(msb_fs_t *fs, const char *path,
		int (*fn)(void *ctx, const char *name,
			  const msb_fs_info_t *info),
		void *ctx, msb_error_t **ret_err);

/* A file as a whole. *ret is to be freed; max 0 = 2 GiB. */
int msb_fs_read_file(msb_fs_t *fs, const char *path, size_t max, void **ret,
		     size_t *ret_len, msb_error_t **ret_err);
int msb_fs_write_file(msb_fs_t *fs, const char *path, const void *data,
		      size_t len, int mode, bool append, msb_error_t **ret_err);

/* Open files; handles are good for this connection. */
enum {
	MSB_FS_READ = 1 << 0,
	MSB_FS_WRITE = 1 << 1,
	MSB_FS_APPEND = 1 << 2,
	MSB_FS_CREATE = 1 << 3,
	MSB_FS_TRUNCATE = 1 << 4,
	MSB_FS_CREATE_NEW = 1 << 5,
};
int msb_fs_open(msb_fs_t *fs, const char *path, unsigned flags, int mode,
		uint64_t *ret_handle, msb_error_t **ret_err);
int msb_fs_close(msb_fs_t *fs, uint64_t handle, msb_error_t **ret_err);
int msb_fs_fstat(msb_fs_t *fs, uint64_t handle, msb_fs_info_t *ret,
		 msb_error_t **ret_err);
int msb_fs_fset_stat(msb_fs_t *fs, uint64_t handle, const msb_fs_attrs_t *attrs,
		     msb_error_t **ret_err);
/* Bytes read, fewer than len at the end of the file. */
int64_t msb_fs_pread(msb_fs_t *fs, uint64_t handle, uint64_t offset, void *data,
		     size_t len, msb_error_t **ret_err);
int msb_fs_pwrite(msb_fs_t *fs, uint64_t handle, uint64_t offset,
		  const void *data, size_t len, msb_error_t **ret_err);

/*
 * Copy a file, or a directory with all it holds, between the host and running
 * guests, as cp -r does: into to when that is a directory, else as to; of a
 * directory from whose path ends in "/." the contents. Permission bits and
 * times of change are kept, owners are not. Symbolic links are copied as such,
 * but for the path given.
 *
 * Out of a guest nothing is ever written outside of the destination: links in
 * it are not followed, set-uid and set-gid bits are dropped, and a symbolic
 * link that leads outside is not made.
 *
 * The result is the number of entries that could not be copied while the others
 * were; each has been told to skipped.
 */
typedef struct {
	size_t struct_size;
	void (*skipped)(void *ctx, const char *path, const char *why);
	void *ctx;
} msb_copy_options_t;
/* A sandbox NULL is the host; o may be NULL. */
int64_t msb_copy(msb_sandbox_t *from, const char *from_path, msb_sandbox_t *to,
		 const char *to_path, const msb_copy_options_t *o,
		 msb_error_t **ret_err);

MSB_END_DECLS

#endif
