/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the store that are being made. Whoever makes one holds a lock of
 * its name, so that several processes that want the same file make it once.
 */
#ifndef MSB_IMAGE_STORE_WORK_H
#define MSB_IMAGE_STORE_WORK_H

#include <stdatomic.h>

#include "base/err.h"
#include "image/store_int.h"

struct store_work {
	const struct image_store *store; /* borrowed */
	int tmp_fd, lock_fd;
	char lock[STORE_PATH_MAX]; /* names in tmp/ */
	char part[STORE_PATH_MAX];
};

/*
 * Take the lock of a name. When somebody else has it, on_wait (NULL allowed) is
 * called once, and it is waited for; -ECANCELED when *cancel becomes true.
 */
int store_work_begin(const struct image_store *s, const char *name,
		     const atomic_bool *cancel, void (*on_wait)(void *ctx),
		     void *ctx, struct store_work *ret, struct err *err);
/* An empty file to write to, open for reading and writing, or -errno. */
int store_work_file(const struct store_work *w, struct err *err);
/* Its path below cache/. */
void store_work_path(const struct store_work *w, char ret[STORE_PATH_MAX]);
/* Bring it to the disk, then to its place, a path below cache/. */
int store_work_publish(const struct store_work *w, int fd, const char *path,
		       struct err *err);
/* A file for reading and writing that is gone once it is closed. */
int store_nameless_file(const struct image_store *s, struct err *err);
/* Unlock; what has not been published is removed. */
void store_work_end(struct store_work *w);

#endif
