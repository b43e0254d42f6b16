/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on names: lookup, unlink, rmdir, rename, link. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fs/ops.h"

int fs_name_check(const char *name)
{
	if (!*name)
		return -EINVAL;
	if (strchr(name, '/') || !strcmp(name, ".."))
		return -EPERM;
	if (!strcmp(name, "."))
		return -EINVAL;
	return strlen(name) > NAME_MAX ? -ENAMETOOLONG : 0;
}

void fs_entry_fill(const struct fs_server *s, struct fs_inode *in,
		   const struct fs_stat *st, struct fuse_entry_out *ret)
{
	uint32_t ms;

	*ret = (struct fuse_entry_out){ .nodeid = in->nodeid };
	fs_valid(s->timeout_ms, &ret->entry_valid, &ret->entry_valid_nsec);
	ms = fs_attr_fill(s, in, st, &ret->attr);
	fs_valid(ms, &ret->attr_valid, &ret->attr_valid_nsec);
}

/*
 * Is the file of this name still the one that we have open? Then it need not be
 * opened to be looked at.
 */
static bool is_still(struct fs_server *s, const struct fs_inode *in, int dirfd,
		     const char *name, struct statx *ret)
{
	struct fs_key key;

	if (!in || in->fd < 0 || fs_statx(dirfd, name, ret))
		return false;
	fs_key_of(s, ret, &key);
	return fs_key_equal(&key, &in->key);
}

int fs_lookup(struct fs_server *s, struct fs_inode *parent, const char *name,
	      struct fuse_entry_out *ret)
{
	struct fs_inode *in = fs_inode_by_name(s, parent, name);
	int dirfd = fs_inode_fd(s, parent), from;
	autoclose int fd = -1;
	struct fs_stat st;
	struct fs_key key;
	int rc = 0;

	if (dirfd < 0)
		return dirfd;
	if (s->file && (parent != s->root || strcmp(name, s->shown) != 0))
		return -ENOENT;
	if (!s->file && is_still(s, in, dirfd, name, &st.host)) {
		from = in->fd;
	} else {
		fd = fs_open_child(s, dirfd, s->file ? s->file : name);
		if (fd < 0)
			return fd;
		rc = fs_statx(fd, "", &st.host);
		if (rc)
			return rc;
		from = fd;
	}
	if (s->file && !S_ISREG(st.host.stx_mode))
		return -ENOENT;
	fs_key_of(s, &st.host, &key);
	rc = fs_stat_view(s, from, fs_inode_by_key(s, &key), &st);
	if (!rc)
		rc = fs_inode_get(s, &key, parent, name, &fd, &in);
	if (rc)
		return rc;
	fs_stat_keep(s, in, &st);
	fs_entry_fill(s, in, &st, ret);
	return 0;
}

ssize_t fs_op_lookup(struct fs_server *s, struct fs_req *r)
{
	struct fuse_entry_out e = { 0 };
	int rc = fs_lookup(s, r->inode, r->name, &e);

	if (rc == -ENOENT && s->negative_ms) {
		fs_valid(s->negative_ms, &e.entry_valid, &e.entry_valid_nsec);
		rc = 0;
	}
	return rc ? rc : fs_reply(s, &e, sizeof(e));
}

/*
 * The inode the guest knows by exactly this name, made fit to live on without
 * it; NULL when there is none. *ret_st is set if the name exists.
 */
static int hold_named(struct fs_server *s, struct fs_inode *dir, int dirfd,
		      const char *name, struct fs_inode **ret,
		      struct statx *ret_st)
{
	struct fs_inode *in = fs_inode_by_name(s, dir, name);
	autoclose int fd = -1;
	struct fs_key key;

	*ret = NULL;
	if (in && in->fd < 0) { /* it will be wanted open */
		fd = fs_open_child(s, dirfd, name);
		if (fd < 0)
			return 0; /* the operation itself will say why */
	}
	if (fs_statx(fd < 0 ? dirfd : fd, fd < 0 ? name : "", ret_st))
		return 0;
	fs_key_of(s, ret_st, &key);
	in = fs_inode_by_key(s, &key);
	if (!in || in->parent != dir || strcmp(in->name, name) != 0)
		return 0;
	*ret = in;
	return fs_inode_hold(s, in, &fd);
}

/* What had this name has it no more. */
static void name_lost(struct fs_server *s, struct fs_inode *in,
		      const struct statx *st)
{
	if (in)
		fs_inode_orphan(s, in);
	else
		fs_quota_removed(s, st);
}

static ssize_t remove_name(struct fs_server *s, struct fs_req *r, int flags)
{
	int dirfd = fs_inode_fd(s, r->inode);
	struct fs_widen w = { 0 };
	struct statx st = { .stx_nlink = UINT32_MAX };
	struct fs_inode *victim;
	int rc;

	if (dirfd < 0)
		return dirfd;
	rc = hold_named(s, r->inode, dirfd, r->name, &victim, &st);
	if (rc)
		return rc;
	do
		rc = unlinkat(dirfd, r->name, flags) < 0 ? -errno : 0;
	while (rc == -EACCES && fs_widen(s, &w, dirfd));
	fs_unwiden(&w);
	if (!rc)
		name_lost(s, victim, &st);
	return rc;
}

ssize_t fs_op_unlink(struct fs_server *s, struct fs_req *r)
{
	return remove_name(s, r, 0);
}

ssize_t fs_op_rmdir(struct fs_server *s, struct fs_req *r)
{
	return remove_name(s, r, AT_REMOVEDIR);
}

/* renameat2 with the modes of both directories widened. */
static int host_rename(const struct fs_server *s, int from, const char *name,
		       int to, const char *name2, unsigned flags)
{
	struct fs_widen w[2] = { 0 };
	int rc;

	do
		rc = renameat2(from, name, to, name2, flags) < 0 ? -errno : 0;
	while (rc == -EACCES &&
	       (fs_widen(s, &w[0], from) || fs_widen(s, &w[1], to)));
	fs_unwiden(&w[1]);
	fs_unwiden(&w[0]);
	return rc;
}

static ssize_t rename_name(struct fs_server *s, struct fs_req *r,
			   uint64_t newdir, unsigned flags)
{
	struct fs_inode *to = fs_inode_by_id(s, newdir);
	struct fs_inode *moved = NULL, *target = NULL;
	struct statx st, old = { .stx_nlink = UINT32_MAX };
	int from_fd, to_fd, rc;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if (!to)
		return -ESTALE;
	from_fd = fs_inode_fd(s, r->inode);
	to_fd = fs_inode_fd(s, to);
	if (from_fd < 0 || to_fd < 0)
		return from_fd < 0 ? from_fd : to_fd;
	rc = hold_named(s, r->inode, from_fd, r->name, &moved, &st);
	if (!rc)
		rc = hold_named(s, to, to_fd, r->name2, &target, &old);
	if (!rc)
		rc = host_rename(s, from_fd, r->name, to_fd, r->name2, flags);
	if (rc)
		return rc;
	if (!(flags & RENAME_EXCHANGE) && moved != target)
		name_lost(s, target, &old);
	else if (!(flags & RENAME_EXCHANGE) && !moved)
		fs_quota_removed(s, &old);
	if (moved == target) /* two names of one file: nothing happens */
		return 0;
	/* An inode that keeps its old name for want of memory is stale, and
	 * found again by the guest's next lookup. */
	if (moved)
		(void)fs_inode_move(s, moved, to, r->name2);
	if (target && flags & RENAME_EXCHANGE)
		(void)fs_inode_move(s, target, r->inode, r->name);
	return 0;
}

ssize_t fs_op_rename(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_rename_in *a = r->arg;

	return rename_name(s, r, a->newdir, 0);
}

ssize_t fs_op_rename2(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_rename2_in *a = r->arg;

	return rename_name(s, r, a->newdir, a->flags);
}

ssize_t fs_op_link(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_link_in *a = r->arg;
	struct fs_inode *old = fs_inode_by_id(s, a->oldnodeid);
	struct fs_widen w = { 0 };
	struct fuse_entry_out e;
	int dirfd, fd, rc;

	if (!old)
		return -ESTALE;
	dirfd = fs_inode_fd(s, r->inode);
	fd = fs_inode_fd(s, old);
	if (dirfd < 0 || fd < 0)
		return dirfd < 0 ? dirfd : fd;
	do
		rc = linkat(AT_FDCWD, fs_proc(fd).path, dirfd, r->name,
			    AT_SYMLINK_FOLLOW) < 0
			     ? -errno
			     : 0;
	while (rc == -EACCES && fs_widen(s, &w, dirfd));
	fs_unwiden(&w);
	if (rc)
		return rc;
	rc = fs_lookup(s, r->inode, r->name, &e);
	if (rc) {
		(void)unlinkat(dirfd, r->name, 0); /* the first error counts */
		return rc;
	}
	return fs_reply(s, &e, sizeof(e));
}
