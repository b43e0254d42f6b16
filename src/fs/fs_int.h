/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the fs room share. */
#ifndef MSB_FS_FS_INT_H
#define MSB_FS_FS_INT_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/list.h"
#include "fs/fs.h"
#include "fs/slots.h"

#define FS_OVERRIDE_LEN 20
#define FS_MAX_HANDLES 65536u
#define FS_MAX_WRITE (1u << 20)
#define FS_MAX_PAGES 256
#define FS_SCRATCH 81920 /* the largest xattr value, a name and a header */
#define FS_MAX_DEPTH 65536u
#define FS_NAMES 4096u /* a power of two */

/* Open flag of the guest kernel's own execve, as it arrives in FUSE_OPEN. */
#define FS_FMODE_EXEC 0x20u

/*
 * Identity of a host file. The mount id keeps two bind mounts of one directory
 * apart, the time of birth a reused inode number from its previous owner.
 */
struct fs_key {
	uint64_t ino, mnt, btime_ns;
	uint32_t major, minor;
	uint32_t type; /* S_IFMT of the host file */
};

/* A version of a file's contents, see fs_open_flags(). */
struct fs_version {
	uint64_t ctime_ns, mtime_ns, size; /* ctime 0: unknown */
};

/* What the extended attribute of a file says. */
struct fs_override {
	bool present;
	uint32_t uid, gid, mode, rdev;
};

struct fs_handle;

/*
 * A host file the guest knows, or a directory above one (inode table: see
 * inode.c). Found by nodeid (slots) and by key (hash).
 */
struct fs_inode {
	struct fs_key key;
	uint64_t nodeid;
	uint64_t nlookup;   /* references the guest holds */
	uint32_t nchildren; /* inodes whose parent is this one */
	int fd;		    /* O_PATH, or -1; owned */
	bool pinned;	    /* the name is gone: fd is the only way here */
	struct list lru;    /* in fds or pins of the server while fd >= 0 */
	struct fs_inode *hash_next;
	struct fs_handle *handles; /* open handles of this inode */
	struct fs_inode *parent;   /* counted in its nchildren; NULL: no name */
	char *name;		   /* in parent; owned */
	struct fs_inode *down;	   /* scratch of the path walk */
	struct fs_version seen;	   /* of the pages the guest may have */
	/* Size and mtime the guest was told and has not changed since. */
	uint64_t told_size, told_mtime_ns;
	bool told;
	struct fs_override ov; /* see fs_stat_view() */
	uint64_t ov_ctime_ns;  /* its value while this is the ctime, or 0 */
	uint64_t ov_until_ms;  /* good until then without a look */
};

struct fs_handle {
	uint64_t fh;
	struct fs_inode *inode;
	struct fs_handle *next; /* of the same inode */
	int fd;			/* owned; -1 for the synthetic directory */
	bool dir;
};

/* One directory is read ahead at a time, whoever reads next takes it over. */
struct fs_dirbuf {
	uint8_t *data; /* owned, FS_SCRATCH bytes */
	size_t pos, len;
	uint64_t owner; /* fh, 0 = nobody */
	uint64_t next;	/* directory offset of the entry at pos */
	bool end;	/* there is none */
};

/* Sums stay within +-FS_USE_MAX, whatever sizes files claim to have. */
#define FS_USE_MAX (INT64_MAX / 4)
struct fs_use {
	int64_t bytes, files;
};

/* What the guest may use up, see quota.c. */
struct fs_quota {
	bool on, whole;
	bool counted; /* base is known */
	struct fs_use limit, base, used;
	uint64_t next_count_ms; /* not before */
	/* Of a limit on the whole: what another server has left to say that it
	 * made the tree grow, as of the latest count. */
	int mark_fd; /* the directory; owned, -1 = opened when it is needed */
	uint64_t mark;
	bool grown; /* by this server, since it last said so */
};

struct fs_server {
	bool readonly, noexec;
	enum fs_stat_virt virt;
	/* Strict, but file systems mounted inside the export may be without
	 * attributes: those are treated as relaxed does. */
	bool lenient;
	enum fs_host_perms perms;
	enum fs_cache cache;
	uint32_t timeout_ms, negative_ms;
	uint32_t trust_ms; /* how long an override is good without a look */
	uint32_t guest_uid, guest_gid;
	/* Single-file export: its name on the host and in the guest; owned. */
	char *file, *shown;

	uid_t euid;
	uint32_t owner_uid, owner_gid; /* of the exported directory */
	uint32_t dev_major, dev_minor; /* of the exported directory */
	/* The exported file system is a local one: close() cannot fail late,
	 * and birth times are stable. */
	bool local;

	bool openat2;		 /* the host has it */
	bool inited;		 /* INIT was answered */
	int root_fd;		 /* O_PATH; owned */
	int proc_fd;		 /* /proc/self/fd; owned */
	struct fs_inode *root;	 /* also in slots */
	struct fs_inode *single; /* the inode of file, once looked up */
	struct slots inodes, handles;
	struct fs_inode **hash;
	uint32_t hash_size; /* power of two */
	uint64_t seed;
	/* Inodes by the hash of their name, the latest of each hash. */
	struct fs_inode *names[FS_NAMES];
	struct list fds;  /* least recently used first */
	struct list pins; /* oldest first */
	uint32_t nfds, npins, max_fds;
	int closing[32]; /* no longer of use; owned */
	unsigned nclosing;
	struct fs_dirbuf dirbuf;
	struct fs_quota quota;
	/* Callers who opened a file they had wrong ideas of, oldest first. */
	uint32_t sent[64];
	unsigned nsent;
	bool plain; /* the latest file had no override, nor may the next */
	uint8_t *in, *out; /* scratch: request and reply body; owned */
	uint64_t read_bytes, written_bytes;
	struct iovec *iov; /* scratch, UIO_MAXIOV entries; owned */
};

/* A file as the host has it and as the guest sees it. */
struct fs_stat {
	struct statx host;
	struct fs_override ov;
	uint32_t uid, gid, mode, rdev;
};

/* inode.c: the inode table */

int fs_table_init(struct fs_server *s, uint32_t max_inodes);
void fs_table_fini(struct fs_server *s);
struct fs_inode *fs_inode_by_id(struct fs_server *s, uint64_t nodeid);
struct fs_inode *fs_inode_by_key(struct fs_server *s, const struct fs_key *key);
/* The inode whose newest name is this one, if it can be told at once. */
struct fs_inode *fs_inode_by_name(struct fs_server *s,
				  const struct fs_inode *parent,
				  const char *name);
/*
 * The inode of key, made when unknown, with (parent, name) as its newest name
 * and one more reference of the guest. Without parent (a nameless file) *fd
 * stays open for it. *fd is an O_PATH descriptor or -1; it is taken (set to
 * -1) or left to the caller.
 */
int fs_inode_get(struct fs_server *s, const struct fs_key *key,
		 struct fs_inode *parent, const char *name, int *fd,
		 struct fs_inode **ret);
void fs_inode_forget(struct fs_server *s, struct fs_inode *in, uint64_t n);
/* Its name was just removed, or moved to (parent, name). */
void fs_inode_orphan(struct fs_server *s, struct fs_inode *in);
int fs_inode_move(struct fs_server *s, struct fs_inode *in,
		  struct fs_inode *parent, const char *name);
/*
 * A descriptor of the inode, O_PATH or better, borrowed until the end of the
 * request; -ESTALE when the host moved or replaced the file.
 */
int fs_inode_fd(struct fs_server *s, struct fs_inode *in);
/* Make sure the inode survives the loss of its name. *fd_in is a descriptor of
 * it or -1, taken if it helps. */
int fs_inode_hold(struct fs_server *s, struct fs_inode *in, int *fd_in);
/* Close cached descriptors down to keep, and at once those that could have
 * waited; true when any was closed. */
bool fs_fds_trim(struct fs_server *s, uint32_t keep);
/* Close *fd before long. */
void fs_close_later(struct fs_server *s, int *fd);

/* NULL unless fh is a handle of this kind, and of in (NULL: of any inode). */
struct fs_handle *fs_handle_get(struct fs_server *s, uint64_t fh,
				const struct fs_inode *in, bool dir);
/* Takes *fd on success. */
int fs_handle_add(struct fs_server *s, struct fs_inode *in, int *fd, bool dir,
		  uint64_t *ret_fh);
void fs_handle_close(struct fs_server *s, struct fs_handle *h);

/* host.c: host system calls on one file */

struct fs_proc {
	char path[32];
};

/* The path that reaches the file behind fd, whatever its type. */
struct fs_proc fs_proc(int fd);
int fs_utimens(int fd, const struct timespec t[2]);
/* One component, never following a link: O_PATH descriptor or -errno. */
int fs_open_child(const struct fs_server *s, int dirfd, const char *name);
/* The same along a path of names; -ENOSYS where the host cannot do that. */
int fs_open_path(const struct fs_server *s, int dirfd, const char *path);
bool fs_probe_openat2(int dirfd);
/* A real descriptor of the regular file or directory behind an O_PATH one. */
int fs_reopen(const struct fs_server *s, int fd, int flags);
int fs_statx(int dirfd, const char *name, struct statx *ret);
void fs_key_of(const struct fs_server *s, const struct statx *st,
	       struct fs_key *ret);
bool fs_key_equal(const struct fs_key *a, const struct fs_key *b);
uint64_t fs_time_ns(const struct statx_timestamp *t);
/*
 * The change time of a file, if a later change is bound to show a newer one;
 * 0 when it changed just now, for time stamps are coarse.
 */
uint64_t fs_settled_ctime_ns(const struct fs_server *s, const struct statx *st);
/* True when the file is on the local file system of the export itself. */
bool fs_is_local(const struct fs_server *s, const struct statx *st);
int fs_chmod(int fd, mode_t mode);
/* Bits the server needs itself on a host file of this type. */
mode_t fs_floor(mode_t type);

/*
 * The guest's root may write what its owner's mode forbids. Where the server
 * owns a file but its mode stands in the way, the mode is widened for the
 * length of one operation. Use: do op; while (rc == -EACCES &&
 * fs_widen(...)); fs_unwiden().
 */
struct fs_widen {
	bool on;
	int fd;
	mode_t mode;
};
bool fs_widen(const struct fs_server *s, struct fs_widen *w, int fd);
void fs_unwiden(struct fs_widen *w);

/* attr.c: attributes as the guest sees them */

/* in is the inode behind fd, or NULL. */
int fs_stat_fd(struct fs_server *s, int fd, struct fs_inode *in,
	       struct fs_stat *ret);
/*
 * The same in steps: ret->host is there, find the override and what the guest
 * sees by it; and keep the override with an inode that came to be known only
 * then. An override that we know is not read again while the ctime proves that
 * it is the same, nor for a moment after we read or wrote it.
 */
int fs_stat_view(struct fs_server *s, int fd, struct fs_inode *in,
		 struct fs_stat *ret);
void fs_stat_show(const struct fs_server *s, struct fs_stat *st);
/* Owner and mode alone, which for files with a known override takes no look at
 * the host; ret->host has the type and perhaps no more. */
int fs_stat_owner(struct fs_server *s, struct fs_inode *in,
		  struct fs_stat *ret);
void fs_stat_keep(const struct fs_server *s, struct fs_inode *in,
		  const struct fs_stat *st);
int fs_stat_inode(struct fs_server *s, struct fs_inode *in,
		  struct fs_stat *ret);
/* The attributes of in for a reply, and how many ms they are good for. */
uint32_t fs_attr_fill(const struct fs_server *s, struct fs_inode *in,
		      const struct fs_stat *st, struct fuse_attr *ret);
void fs_valid(uint32_t ms, uint64_t *ret_sec, uint32_t *ret_nsec);
/*
 * Make the guest's owner, mode and device those of st, as far as the
 * configuration allows: override, and host bits where they follow. st->ov
 * becomes the override the file has then; in, the inode or NULL, learns it.
 */
int fs_stat_apply(const struct fs_server *s, int fd, struct fs_inode *in,
		  struct fs_stat *st, bool mode_changed);
/* Clear set-id bits as a write by an unprivileged process does. */
uint32_t fs_kill_suidgid(uint32_t mode);
int fs_kill_priv(struct fs_server *s, int fd, struct fs_inode *in);
/* True for names that belong to the server, not to the guest. */
bool fs_xattr_hidden(const char *name);
#define FS_MARK_NAME "user.msb.grown" /* of the exported directory */
int fs_xattr_probe(int fd);

/* count.c: what the exported tree holds */

int fs_count_tree(struct fs_server *s, struct fs_use *ret);

/* quota.c: every call is harmless without a quota */

#define FS_AT_END UINT64_MAX /* as an offset: where the file ends */

int64_t fs_use_sum(int64_t a, int64_t b);
/* What the contents of a file count for. */
int64_t fs_use_bytes(const struct statx *st);
void fs_quota_init(struct fs_server *s, const struct fs_config *c);
/* How many of want more bytes there is room for. */
uint64_t fs_quota_room(struct fs_server *s, uint64_t want);
/* Is there room for one more file? 0 or -ENOSPC. */
int fs_quota_inode(struct fs_server *s);
void fs_quota_add(struct fs_server *s, int64_t bytes, int64_t files);
/* A name of this file was removed, and no descriptor of ours is left; st is
 * from before. */
void fs_quota_removed(struct fs_server *s, const struct statx *st);
/* Our last descriptor of a file is about to be closed. */
void fs_quota_closing(struct fs_server *s, int fd);
/*
 * *len bytes are to be written at off: *len becomes what there is room for,
 * *ret_size the size of the file before. 0, or -ENOSPC when it is nothing.
 */
int fs_quota_write(struct fs_server *s, int fd, uint64_t off, uint64_t *len,
		   uint64_t *ret_size);
void fs_quota_written(struct fs_server *s, uint64_t size, uint64_t off,
		      uint64_t len);
/* May the file get this size? *ret_old is what it has. 0 or -ENOSPC. */
int fs_quota_resize(struct fs_server *s, int fd, uint64_t size,
		    uint64_t *ret_old);
void fs_quota_statfs(struct fs_server *s, struct fuse_kstatfs *st);

#endif
