/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on open files. Data goes between host file and guest memory
 * without a copy of ours. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/io.h"
#include "base/iov.h"
#include "fs/ops.h"

/* Copying more than this at once would keep other requests waiting. */
#define COPY_MAX (64u << 20)

/* True when the pages the guest may hold are those of the file as it is now. */
static bool is_unchanged(const struct fs_server *s, struct fs_inode *in,
			 const struct statx *st)
{
	struct fs_version now = { .ctime_ns = fs_settled_ctime_ns(s, st),
				  .mtime_ns = fs_time_ns(&st->stx_mtime),
				  .size = st->stx_size };
	bool same = now.ctime_ns && now.ctime_ns == in->seen.ctime_ns &&
		    now.mtime_ns == in->seen.mtime_ns &&
		    now.size == in->seen.size;

	in->seen = now;
	return same;
}

/*
 * Was this the caller who was sent away last time? The guest's kernel comes
 * back once and then fails, so whoever did is let in, be the file ever so busy.
 */
static bool was_sent_away(struct fs_server *s, uint32_t pid)
{
	for (unsigned i = 0; i < s->nsent; i++) {
		if (s->sent[i] == pid) {
			s->sent[i] = s->sent[--s->nsent];
			return true;
		}
	}
	return false;
}

static void send_away(struct fs_server *s, uint32_t pid)
{
	if (s->nsent == ARRAY_SIZE(s->sent)) { /* forget the oldest */
		memmove(s->sent, s->sent + 1, sizeof(s->sent[0]) * --s->nsent);
	}
	s->sent[s->nsent++] = pid;
}

/*
 * True when the guest opens a file it has wrong ideas of: the host changed it,
 * or put another in its place. On ESTALE the guest looks the path up again and
 * comes back knowing.
 */
static bool is_misjudged(const struct fs_server *s, const struct fs_inode *in,
			 const struct statx *st, bool truncated)
{
	bool replaced = !st->stx_nlink && in->parent;
	bool changed = st->stx_size != in->told_size ||
		       fs_time_ns(&st->stx_mtime) != in->told_mtime_ns;

	return in != s->single && s->cache != FS_CACHE_ALWAYS && in->told &&
	       (replaced || (changed && !truncated));
}

/*
 * The guest's page cache cuts a write where pages end, and others may append in
 * between. Around it a write is one request. Nobody can map what is only
 * written.
 */
static bool only_appends(uint32_t flags)
{
	return (flags & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND);
}

int fs_open_reply(struct fs_server *s, struct fs_inode *in, int *fd,
		  uint32_t flags, const struct statx *st,
		  struct fuse_open_out *ret)
{
	bool same_dev =
		in->key.major == s->dev_major && in->key.minor == s->dev_minor;

	*ret = (struct fuse_open_out){ 0 };
	if (s->cache == FS_CACHE_NEVER || only_appends(flags))
		ret->open_flags |= FOPEN_DIRECT_IO;
	else if (s->cache == FS_CACHE_ALWAYS || (st && is_unchanged(s, in, st)))
		ret->open_flags |= FOPEN_KEEP_CACHE;
	/* Where closing cannot fail late, FLUSH is a round trip for nothing. */
	if ((flags & O_ACCMODE) == O_RDONLY || (s->local && same_dev))
		ret->open_flags |= FOPEN_NOFLUSH;
	return fs_handle_add(s, in, fd, false, &ret->fh);
}

ssize_t fs_op_open(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_open_in *a = r->arg;
	int path_fd = fs_inode_fd(s, r->inode);
	struct fuse_open_out o;
	autoclose int fd = -1;
	uint64_t old = 0;
	struct statx st;
	bool known;
	ssize_t rc;

	if (path_fd < 0)
		return path_fd;
	/* Never a host FIFO, socket or device: opening alone has effects. */
	if (r->inode->key.type != S_IFREG)
		return S_ISDIR(r->inode->key.type) ? -EISDIR : -ENXIO;
	if ((a->flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if (s->readonly && a->flags & (O_ACCMODE | O_TRUNC))
		return -EROFS;
	if (s->noexec && a->flags & FS_FMODE_EXEC)
		return -EACCES;
	/*
	 * O_APPEND is not passed on: the guest says with each write whether it
	 * appends, and page write-back may use any handle. O_DIRECT would put
	 * the host's alignment rules on guest buffers.
	 */
	rc = a->flags & O_TRUNC ? fs_quota_resize(s, path_fd, 0, &old) : 0;
	if (rc)
		return rc;
	fd = fs_reopen(s, path_fd,
		       (int)a->flags &
			       (O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC));
	if (fd < 0)
		return fd;
	fs_quota_add(s, -(int64_t)old, 0);
	rc = fs_statx(fd, "", &st);
	if (rc)
		return rc;
	known = was_sent_away(s, r->h.pid);
	if (!known && is_misjudged(s, r->inode, &st, a->flags & O_TRUNC)) {
		send_away(s, r->h.pid);
		return -ESTALE;
	}
	if (a->flags & O_TRUNC)
		r->inode->told = false;
	if (a->flags & O_TRUNC && a->open_flags & FUSE_OPEN_KILL_SUIDGID) {
		rc = fs_kill_priv(s, fd, r->inode);
		if (rc)
			return rc;
	}
	rc = fs_open_reply(s, r->inode, &fd, a->flags, &st, &o);
	return rc ? rc : fs_reply(s, &o, sizeof(o));
}

ssize_t fs_op_read(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_read_in *a = r->arg;
	const struct fs_handle *h = fs_handle_get(s, a->fh, r->inode, false);
	size_t len = a->size < r->room ? a->size : r->room;
	ssize_t rc;
	unsigned n;

	if (!h)
		return -EBADF;
	if (a->offset > INT64_MAX)
		return -EINVAL;
	if (len > FS_MAX_WRITE)
		len = FS_MAX_WRITE;
	n = iov_slice(r->out_iov, r->nout, sizeof(struct fuse_out_header), len,
		      s->iov, IOV_MAX);
	rc = io_preadv(h->fd, s->iov, (int)n, (off_t)a->offset, 0);
	if (rc > 0)
		s->read_bytes += (uint64_t)rc;
	return rc;
}

ssize_t fs_op_write(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_write_in *a = r->arg;
	const struct fs_handle *h = fs_handle_get(s, a->fh, r->inode, false);
	struct fuse_write_out o = { 0 };
	uint64_t off, size, len = a->size;
	bool append;
	unsigned n;
	ssize_t rc;

	if (!h)
		return -EBADF;
	if (len > r->in_len || len > FS_MAX_WRITE || a->offset > INT64_MAX)
		return -EINVAL;
	if (a->write_flags & FUSE_WRITE_KILL_SUIDGID) {
		rc = fs_kill_priv(s, h->fd, h->inode);
		if (rc)
			return rc;
	}
	h->inode->told = false;
	/* Pages written back from a mapping know where they belong. */
	append = a->flags & O_APPEND && !(a->write_flags & FUSE_WRITE_CACHE);
	off = append ? FS_AT_END : a->offset;
	rc = fs_quota_write(s, h->fd, off, &len, &size);
	if (rc)
		return rc;
	n = iov_slice(r->in_iov, r->nin, r->in_off, len, s->iov, IOV_MAX);
	rc = io_pwritev(h->fd, s->iov, (int)n, (off_t)a->offset,
			append ? RWF_APPEND : 0);
	if (rc < 0)
		return rc;
	fs_quota_written(s, size, off, (uint64_t)rc);
	s->written_bytes += (uint64_t)rc;
	o.size = (uint32_t)rc;
	return fs_reply(s, &o, sizeof(o));
}

ssize_t fs_op_release(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_release_in *a = r->arg;
	bool dir = r->h.opcode == FUSE_RELEASEDIR;
	struct fs_handle *h = fs_handle_get(s, a->fh, NULL, dir);

	if (!h)
		return -EBADF;
	fs_handle_close(s, h);
	return 0;
}

/* Errors of a late write surface when a duplicate is closed. */
ssize_t fs_op_flush(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_flush_in *a = r->arg;
	const struct fs_handle *h = fs_handle_get(s, a->fh, r->inode, false);
	int fd;

	if (!h)
		return -EBADF;
	fd = fcntl(h->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0) /* out of descriptors is no reason to fail a close */
		return errno == EMFILE || errno == ENFILE ? 0 : -errno;
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

ssize_t fs_op_fsync(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_fsync_in *a = r->arg;
	const struct fs_handle *h = fs_handle_get(s, a->fh, r->inode, false);
	int rc;

	if (!h)
		return -EBADF;
	rc = a->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(h->fd)
						   : fsync(h->fd);
	return rc < 0 ? -errno : 0;
}

/* For the changes of content whose requests do not say it. */
static int kill_priv_unless_root(struct fs_server *s, const struct fs_req *r,
				 const struct fs_handle *h)
{
	return r->h.uid ? fs_kill_priv(s, h->fd, h->inode) : 0;
}

ssize_t fs_op_fallocate(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_fallocate_in *a = r->arg;
	const struct fs_handle *h = fs_handle_get(s, a->fh, r->inode, false);
	uint64_t end = a->offset + a->length, size = end;
	int rc;

	if (!h)
		return -EBADF;
	/* The guest's kernel knows no others: they would move contents. */
	if (a->mode & ~(uint32_t)(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
				  FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if (a->offset > INT64_MAX || a->length > INT64_MAX || end > INT64_MAX)
		return -EFBIG;
	rc = a->mode & FALLOC_FL_PUNCH_HOLE
		     ? 0
		     : fs_quota_resize(s, h->fd, end, &size);
	if (rc)
		return rc;
	h->inode->told = false;
	rc = kill_priv_unless_root(s, r, h);
	if (rc)
		return rc;
	if (fallocate(h->fd, (int)a->mode, (off_t)a->offset, (off_t)a->length) <
	    0)
		return -errno;
	/* What was reserved is charged, too, and again when it is written:
	 * that will be put right by a count before anything is refused. */
	fs_quota_written(s, size, end, 0);
	return 0;
}

ssize_t fs_op_lseek(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_lseek_in *a = r->arg;
	const struct fs_handle *h = fs_handle_get(s, a->fh, r->inode, false);
	struct fuse_lseek_out o;
	off_t off;

	if (!h)
		return -EBADF;
	if (a->whence != SEEK_DATA && a->whence != SEEK_HOLE)
		return -EINVAL; /* the others need no server */
	off = lseek(h->fd, (off_t)a->offset, (int)a->whence);
	if (off < 0)
		return -errno;
	o.offset = (uint64_t)off;
	return fs_reply(s, &o, sizeof(o));
}

ssize_t fs_op_copy_file_range(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_copy_file_range_in *a = r->arg;
	const struct fs_inode *to = fs_inode_by_id(s, a->nodeid_out);
	const struct fs_handle *h_in, *h_out;
	off_t off_in = (off_t)a->off_in, off_out = (off_t)a->off_out;
	uint64_t size, len = a->len < COPY_MAX ? a->len : COPY_MAX;
	struct fuse_write_out o = { 0 };
	ssize_t n;

	h_in = fs_handle_get(s, a->fh_in, r->inode, false);
	h_out = to ? fs_handle_get(s, a->fh_out, to, false) : NULL;
	if (!h_in || !h_out)
		return -EBADF;
	if (a->flags || off_in < 0 || off_out < 0)
		return -EINVAL;
	h_out->inode->told = false;
	n = kill_priv_unless_root(s, r, h_out);
	if (n)
		return n;
	n = fs_quota_write(s, h_out->fd, a->off_out, &len, &size);
	if (n)
		return n;
	n = copy_file_range(h_in->fd, &off_in, h_out->fd, &off_out, len, 0);
	if (n < 0)
		return -errno;
	fs_quota_written(s, size, a->off_out, (uint64_t)n);
	o.size = (uint32_t)n;
	return fs_reply(s, &o, sizeof(o));
}
