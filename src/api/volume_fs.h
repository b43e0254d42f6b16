/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a volume from the host. They are served by the file server that
 * serves them to sandboxes (src/fs), of which this is a client as a guest's
 * kernel is one: so a program sees what a guest sees, nothing outside of the
 * directory can be reached, and the quota counts as for any sandbox.
 */
#ifndef MSB_API_VOLUME_FS_H
#define MSB_API_VOLUME_FS_H

#include "api/fs_int.h"

struct volume_fs;

/* quota_mib: 0 = none. ERR_VOLUME_NOT_FOUND when path is not there. */
int volume_fs_open(const char *path, uint64_t quota_mib, struct volume_fs **ret,
		   struct err *err);
void volume_fs_close(struct volume_fs *v);

/* As the functions of the same names in fs_int.h; an error is ERR_FS, or
 * ERR_FS_NOT_FOUND. All requests but those that transfer data or list. */
int volume_fs_call(struct volume_fs *v, const struct msg_fs_request *m,
		   struct msg_fs_response *ret, struct err *err);
int volume_fs_list(struct volume_fs *v, const char *path, fs_entry_fn fn,
		   void *ctx, struct err *err);
int volume_fs_get(struct volume_fs *v, uint64_t handle, uint64_t offset,
		  uint64_t len, bool close, fs_sink_fn sink, void *ctx,
		  struct err *err);
/* All of data, into an open file. */
int volume_fs_put(struct volume_fs *v, uint64_t handle, uint64_t offset,
		  const void *data, size_t len, struct err *err);

#endif
