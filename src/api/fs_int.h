/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in a guest, over one connection to its agent. The agent belongs to the
 * guest: whatever it answers is checked, its names above all, and nothing of
 * its answers is trusted to be true.
 */
#ifndef MSB_API_FS_INT_H
#define MSB_API_FS_INT_H

#include "api/agent_client.h"
#include "api/api_int.h"

/* One answer, or some progress of a long one, comes within this time. */
#define FS_WAIT_MS 120000u
#define FS_CHUNK 131072u
#define FS_NAME_MAX 255u

struct volume_fs;

struct fs_share;

struct msb_fs {
	struct fs_share *share;	  /* of one that a program has; else NULL */
	struct volume_fs *volume; /* owned; else a guest is asked: */
	struct agent_client c;
	uint64_t wait_ms;
	bool broken; /* what is on the wire is unknown: no further use */
};

int fs_connect(const msb_t *m, const char *sandbox, struct msb_fs *ret,
	       struct err *err);
void fs_disconnect(struct msb_fs *fs);

/*
 * Around the use of one that a program has: whoever else uses it waits, and a
 * connection that was lost is made anew. After a failure it is not entered.
 * fs_leave gives rc.
 */
int fs_enter(struct msb_fs *fs, struct err *err);
int fs_leave(struct msb_fs *fs, int rc);
/* The same with a handle that the program got from fs_handle_out, which becomes
 * the one of this connection. */
int fs_enter_handle(struct msb_fs *fs, uint64_t *handle, struct err *err);
int fs_handle_out(const struct msb_fs *fs, uint64_t *handle, struct err *err);

/* All of data into an open file. */
int fs_put_all(struct msb_fs *fs, uint64_t handle, uint64_t offset,
	       const void *data, size_t len, struct err *err);

/*
 * One request and its answer. *ret borrows until the next call. A refusal is
 * ERR_FS or ERR_FS_NOT_FOUND with the guest's errno; -errno other than that
 * leaves fs broken.
 */
int fs_call(struct msb_fs *fs, const struct msg_fs_request *m,
	    struct msg_fs_response *ret, struct err *err);

/*
 * In two steps, for several at once: fs_begin sends, fs_end waits until all n
 * have been answered and gives the first error.
 */
int fs_begin(struct msb_fs *fs, const struct msg_fs_request *m, uint32_t *ret,
	     struct err *err);
int fs_end(struct msb_fs *fs, const uint32_t *ids, size_t n, struct err *err);

/*
 * Data of a begun write, the only request under way; len 0 ends it, and fs_end
 * is next. A failure that the guest tells before is told here.
 */
int fs_put(struct msb_fs *fs, uint32_t id, const void *data, size_t len,
	   struct err *err);

/* Takes data; a negative errno ends the transfer, and the connection. */
typedef int (*fs_sink_fn)(void *ctx, const void *data, size_t len,
			  struct err *err);
/* Read at most len bytes (UINT64_MAX = to the end) from offset on; close: the
 * handle is done with. */
int fs_get(struct msb_fs *fs, uint64_t handle, uint64_t offset, uint64_t len,
	   bool close, fs_sink_fn sink, void *ctx, struct err *err);

/* Checked: a kind there is; what the guest says of mode and size. */
int fs_info_take(const struct msg_fs_info *from, msb_fs_info_t *ret,
		 struct err *err);
/*
 * Last part of an entry's path: never empty, ".", "..", with a '/' or NUL in
 * it, or too long. name has FS_NAME_MAX + 1 bytes.
 */
int fs_name_take(struct view path, char *name, struct err *err);

int fs_stat(struct msb_fs *fs, const char *path, bool follow,
	    msb_fs_info_t *ret, struct err *err);
int fs_open_handle(struct msb_fs *fs, const char *path,
		   const struct msg_fs_open *o, uint64_t *ret, struct err *err);
int fs_close_handle(struct msb_fs *fs, uint64_t handle, struct err *err);
/* malloc'ed. */
int fs_path_answer(struct msb_fs *fs, enum msg_fs_op op, const char *path,
		   char **ret, struct err *err);

typedef int (*fs_entry_fn)(void *ctx, const char *name,
			   const msb_fs_info_t *info, struct err *err);
/* All entries of a directory, page by page; fn must not use fs. */
int fs_list_dir(struct msb_fs *fs, const char *path, fs_entry_fn fn, void *ctx,
		struct err *err);

#endif
