/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passthrough file server: answers the FUSE requests of one guest mount from
 * one host directory, which the guest can never leave.
 *
 * The server knows nothing of the transport: a request is a list of guest
 * buffers, the reply goes straight into another list. It is not thread-safe;
 * one thread at a time serves a server. Descriptors are re-opened through
 * /proc/self/fd, so /proc has to stay mounted and the server has to stay in
 * the process that made it.
 *
 * What the guest sees and when: names, attributes and their absence (when
 * negative_ms is set) may be as old as the timeouts, an owner or mode that
 * another server has set a second more; the contents of a file are at least as
 * new as its last open. Locks are the guest's own.
 */
#ifndef MSB_FS_FS_H
#define MSB_FS_FS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"

struct fs_server;

/* Where the guest's idea of owner, mode and device number is kept. */
enum fs_stat_virt {
	FS_STAT_STRICT,	 /* in an extended attribute; refuse to do without */
	FS_STAT_RELAXED, /* in an extended attribute where that is possible */
	FS_STAT_OFF,	 /* nowhere: the guest sees the host's */
};

enum fs_host_perms {
	FS_PERMS_PRIVATE, /* 0600 and 0700, whatever the guest asks for */
	FS_PERMS_MIRROR,  /* follow the guest's rwx bits */
};

enum fs_cache {
	FS_CACHE_AUTO,	 /* keep file pages while the host file is unchanged */
	FS_CACHE_NEVER,	 /* the guest keeps no pages at all */
	FS_CACHE_ALWAYS, /* nobody but this guest changes the tree */
};

#define FS_TIMEOUT_DEFAULT_MS 5000

/* All zero but path is a usable configuration: a writable, strict export. */
struct fs_config {
	const char *path; /* directory; NULL: use dir_fd */
	int dir_fd;	  /* borrowed, may be O_PATH; used without path */
	/*
	 * Export a directory that holds only this entry of path, a regular
	 * file. It is found by name at each use, so a file that the host
	 * replaces by rename is followed.
	 */
	const char *file;
	/* Symbolic links in path and file are followed once, at the start; else
	 * any is an error. */
	bool follow_symlinks;
	bool readonly;
	bool noexec; /* no regular file is executable in the guest */
	enum fs_stat_virt stat_virt;
	/* When extended attributes cannot be written to the directory, be
	 * relaxed instead of failing: for root directories. */
	bool strict_or_relaxed;
	enum fs_host_perms host_perms;
	enum fs_cache cache;
	/* Names and attributes; 0 = FS_TIMEOUT_DEFAULT_MS. */
	uint32_t timeout_ms;
	/* How long the guest may remember that a name does not exist. */
	uint32_t negative_ms;
	/* Shown as the owner of what belongs to the exporting user. */
	uint32_t guest_uid, guest_gid;
	/* Files the guest may know at once; 0 = 1048576. About 200 bytes
	 * each; a guest needs more than 1 KiB of its own memory for one. */
	uint32_t max_inodes;
	/*
	 * Bytes by which the guest may make the tree grow: file sizes and
	 * extended attributes; 0 = any. It is given one inode for each 4096
	 * of them, at least 65536. With quota_whole the limit is on all that
	 * the tree holds, whoever put it there. Not for a single file.
	 */
	uint64_t quota_bytes;
	bool quota_whole;
};

/* Borrows all of *c. 0 or -errno with err filled. */
int fs_server_new(const struct fs_config *c, struct fs_server **ret,
		  struct err *err);
struct fs_server *fs_server_free(struct fs_server *s);

/* The mode in force, after strict_or_relaxed. */
enum fs_stat_virt fs_server_stat_virt(const struct fs_server *s);
/* The directory that is exported, or that holds the file; O_PATH, borrowed. */
int fs_server_dir(const struct fs_server *s);

/* Bytes of files the guest has read and written so far. */
void fs_server_counts(const struct fs_server *s, uint64_t *ret_read,
		      uint64_t *ret_written);

/* Forget everything the guest knew: its driver was reset. */
void fs_server_reset(struct fs_server *s);

/*
 * Answer one request. in and out are borrowed for the call; in may change
 * under our eyes, nothing of it is read twice. Returns the length of the reply
 * written to out, 0 when there is none (FORGET, or buffers too small even for
 * an error).
 */
ssize_t fs_handle(struct fs_server *s, const struct iovec *in, unsigned nin,
		  const struct iovec *out, unsigned nout);
/*
 * Other servers of the same directory, those with quota_whole, have counted it
 * before this one made it grow, if it did: they are to count again before they
 * let it grow. For one that is served now and then; servers that write all the
 * time would keep each other counting.
 */
void fs_tell_growth(struct fs_server *s);

/*
 * To be called when no request waits: do what could be left for later, such as
 * closing descriptors, which for a removed file means to delete it. Some of it
 * is left undone where nobody calls.
 */
void fs_idle(struct fs_server *s);

#endif
