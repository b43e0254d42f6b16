/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An append-only file that is renamed away when it is full: NAME -> NAME.1 ->
 * ... -> NAME.4, the oldest is lost. Items (lines) are buffered and never split
 * over two files; after a failed write, as after a crash, the file goes on with
 * a whole line.
 */
#ifndef MSB_LOGS_ROTATE_H
#define MSB_LOGS_ROTATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define ROTATE_LIMIT (10u << 20) /* bytes in one file */
#define ROTATE_KEEP 4		 /* old files kept */

struct rotfile {
	int dirfd; /* borrowed */
	const char *name;
	int fd; /* -1: not open yet, or a rotation could not reopen it */
	uint64_t limit;
	uint64_t size;	   /* whole items on disk */
	const char *head;  /* borrowed; first line of each further file */
	struct buf buffer; /* whole items not written yet */
};

/* The file itself is opened for appending, and made when missing, by the first
 * item; after a failure the next one tries again. */
void rotfile_init(struct rotfile *f, int dirfd, const char *name,
		  uint64_t limit);
/* Make the file before there is an item; a failure is that of the next one. */
void rotfile_prepare(struct rotfile *f);
/* Add one item; it reaches the file at the latest with the next flush. */
int rotfile_add(struct rotfile *f, const void *item, size_t len);
int rotfile_flush(struct rotfile *f);
void rotfile_close(struct rotfile *f); /* flushes */

#endif
