/* SPDX-License-Identifier: Apache-2.0 */
/* A rotating log file with its older siblings, as files that are open. */
#ifndef MSB_LOGS_FILES_H
#define MSB_LOGS_FILES_H

#include <stdint.h>

#include "logs/rotate.h"

#define LOG_FILES_MAX (ROTATE_KEEP + 1)

struct log_file {
	int fd;
	/* Of this file and no other, also not of a later one in the same place
	 * on the disk; never 0. */
	uint64_t identity;
	uint64_t size; /* when it was opened */
	int64_t mtime_ns;
	unsigned number; /* in its name then, 0: the live one */
};

struct log_files {
	struct log_file f[LOG_FILES_MAX]; /* oldest first */
	unsigned n;
};

/*
 * Open name, name.1 ... in dirfd, as they are at one moment although somebody
 * rotates them. A missing file is none. 0; -EAGAIN: they are rotated faster
 * than they can be opened; -errno.
 */
int log_files_open(int dirfd, const char *name, struct log_files *ret);
void log_files_close(struct log_files *l);
/* Close and forget the oldest n. */
void log_files_drop(struct log_files *l, unsigned n);
/* Index of the file with this identity, or -1. */
int log_files_find(const struct log_files *l, uint64_t identity);

/* What is at name now: 0 with *ret_identity = 0 when there is nothing. */
int log_file_look(int dirfd, const char *name, uint64_t *ret_identity,
		  uint64_t *ret_size);

#endif
