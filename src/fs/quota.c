/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quota of a mount. What counts are the sizes of regular files (or the
 * space of those that have more reserved), extended attributes, and the number
 * of inodes; files without a name count as long as the guest keeps them.
 *
 * 1. Growth is charged when it happens. What the guest removes is credited when
 *    the host has the space again: when our last descriptor of it is closed.
 * 2. Others change the tree as well, so before anything is refused the tree is
 *    counted again: used = tree - base.
 * 3. base is what the guest is not charged for. For a limit on growth it comes
 *    out of the first count, as tree - used: counting before the first write
 *    would cost every mount a walk that few ever need. For a limit on the
 *    whole it is nothing, and the first charge counts.
 * 4. Whoever adds to the tree from the host leaves a mark, see
 * fs_tell_growth(): what was counted before it is no longer good.
 * 5. Counting a big tree takes a small share of the time, or a guest at its
 *    limit could keep us from everything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "fs/fs_int.h"

#define BLOCK 4096u
#define MIN_FILES 65536
/* Space beyond what the size of a file explains was reserved behind its end. */
#define RESERVED (1u << 20)
/* After a count that took long, the next one is so many times that away; not
 * that of a small tree, where it was the host that was busy. */
#define COUNT_LONG_MS 100u
#define COUNT_SMALL 1024
#define COUNT_REST 20u

static int64_t bounded(int64_t v)
{
	if (v > FS_USE_MAX)
		return FS_USE_MAX;
	return v < -FS_USE_MAX ? -FS_USE_MAX : v;
}

int64_t fs_use_sum(int64_t a, int64_t b)
{
	return bounded(bounded(a) + bounded(b));
}

int64_t fs_use_bytes(const struct statx *st)
{
	uint64_t space = st->stx_blocks * 512;

	if (!S_ISREG(st->stx_mode))
		return 0;
	return (int64_t)(space > st->stx_size + RESERVED ? space
							 : st->stx_size);
}

void fs_quota_init(struct fs_server *s, const struct fs_config *c)
{
	struct fs_quota *q = &s->quota;

	q->limit.bytes = c->quota_bytes < FS_USE_MAX ? (int64_t)c->quota_bytes
						     : FS_USE_MAX;
	q->limit.files = q->limit.bytes / BLOCK > MIN_FILES
				 ? q->limit.bytes / BLOCK
				 : MIN_FILES;
	q->whole = c->quota_whole;
	q->mark_fd = -1;
	q->on = c->quota_bytes != 0;
}

/* The mark that is there, 0 for none. */
static uint64_t read_mark(struct fs_server *s)
{
	struct fs_quota *q = &s->quota;
	uint64_t mark = 0;

	if (!q->whole)
		return 0;
	if (q->mark_fd < 0)
		q->mark_fd = fs_reopen(s, s->root_fd, O_RDONLY | O_DIRECTORY);
	if (q->mark_fd < 0 || fgetxattr(q->mark_fd, FS_MARK_NAME, &mark,
					sizeof(mark)) != sizeof(mark))
		return 0; /* as where there are no attributes */
	return mark;
}

void fs_tell_growth(struct fs_server *s)
{
	struct fs_quota *q = &s->quota;
	uint64_t mark = clock_wall_ns(), old;

	if (!q->on || !q->whole || !q->grown)
		return;
	q->grown = false;
	old = read_mark(s);
	if (q->mark_fd < 0 ||
	    fsetxattr(q->mark_fd, FS_MARK_NAME, &mark, sizeof(mark), 0) < 0)
		return; /* they count when they are full */
	if (old == q->mark)
		q->mark = mark; /* it was we alone */
}

/* Is a count needed before anything is added? */
static bool is_outdated(struct fs_server *s)
{
	return s->quota.whole &&
	       (!s->quota.counted || read_mark(s) != s->quota.mark);
}

/* A file that the guest has and the tree has not. */
static void count_nameless(struct fs_use *sum, const struct fs_inode *in)
{
	int fd = in->fd >= 0 ? in->fd : in->handles ? in->handles->fd : -1;
	struct statx st;

	if (fd < 0 || fs_statx(fd, "", &st) || st.stx_nlink)
		return;
	sum->files++;
	sum->bytes = fs_use_sum(sum->bytes, fs_use_bytes(&st));
}

static int count(struct fs_server *s)
{
	uint64_t start = clock_mono_ms(), took;
	struct fs_quota *q = &s->quota;
	struct fs_use sum = { 0 };
	uint64_t mark;
	int rc;

	if (start < q->next_count_ms)
		return -EAGAIN;
	mark = read_mark(s);
	rc = fs_count_tree(s, &sum);
	for (uint32_t i = 0; i < s->inodes.n; i++) {
		const struct fs_inode *in = s->inodes.v[i].p;

		if (in && (in->pinned || in->handles))
			count_nameless(&sum, in);
	}
	took = clock_mono_ms() - start;
	if (took > COUNT_LONG_MS && sum.files > COUNT_SMALL)
		q->next_count_ms = start + took + took * COUNT_REST;
	if (rc)
		return rc;
	if (!q->counted && !q->whole) {
		q->base.bytes = sum.bytes - q->used.bytes;
		q->base.files = sum.files - q->used.files;
	}
	q->counted = true;
	q->mark = mark;
	q->used.bytes = sum.bytes - q->base.bytes;
	q->used.files = sum.files - q->base.files;
	return 0;
}

static int64_t bytes_left(const struct fs_quota *q)
{
	return q->used.bytes < q->limit.bytes ? q->limit.bytes - q->used.bytes
					      : 0;
}

static int64_t files_left(const struct fs_quota *q)
{
	return q->used.files < q->limit.files ? q->limit.files - q->used.files
					      : 0;
}

uint64_t fs_quota_room(struct fs_server *s, uint64_t want)
{
	struct fs_quota *q = &s->quota;

	if (!q->on)
		return want;
	/* Where a count fails, what was charged stands. */
	if (is_outdated(s) || want > (uint64_t)bytes_left(q))
		(void)count(s);
	return want < (uint64_t)bytes_left(q) ? want : (uint64_t)bytes_left(q);
}

int fs_quota_inode(struct fs_server *s)
{
	struct fs_quota *q = &s->quota;

	if (!q->on)
		return 0;
	if (is_outdated(s) || !files_left(q))
		(void)count(s);
	return files_left(q) ? 0 : -ENOSPC;
}

void fs_quota_add(struct fs_server *s, int64_t bytes, int64_t files)
{
	if (!s->quota.on)
		return;
	s->quota.grown |= bytes > 0 || files > 0;
	s->quota.used.bytes = fs_use_sum(s->quota.used.bytes, bytes);
	s->quota.used.files += files;
}

void fs_quota_removed(struct fs_server *s, const struct statx *st)
{
	if (!s->quota.on || (!S_ISDIR(st->stx_mode) && st->stx_nlink > 1))
		return;
	fs_quota_add(s, -fs_use_bytes(st), -1);
}

void fs_quota_closing(struct fs_server *s, int fd)
{
	struct statx st;

	if (s->quota.on && !fs_statx(fd, "", &st) && !st.stx_nlink)
		fs_quota_removed(s, &st);
}

int fs_quota_write(struct fs_server *s, int fd, uint64_t off, uint64_t *len,
		   uint64_t *ret_size)
{
	uint64_t end, room;
	struct statx st;
	int rc;

	*ret_size = 0;
	if (!s->quota.on)
		return 0;
	rc = fs_statx(fd, "", &st);
	if (rc)
		return rc;
	*ret_size = st.stx_size;
	if (off == FS_AT_END)
		off = st.stx_size;
	end = off + *len; /* no overflow: both are below 1 << 63 */
	if (end <= st.stx_size)
		return 0;
	room = fs_quota_room(s, end - st.stx_size);
	if (room < end - st.stx_size) {
		end = st.stx_size + room;
		*len = end > off ? end - off : 0;
	}
	return *len ? 0 : -ENOSPC;
}

void fs_quota_written(struct fs_server *s, uint64_t size, uint64_t off,
		      uint64_t len)
{
	if (off == FS_AT_END)
		off = size;
	if (off + len > size)
		fs_quota_add(s, (int64_t)(off + len - size), 0);
}

int fs_quota_resize(struct fs_server *s, int fd, uint64_t size,
		    uint64_t *ret_old)
{
	struct statx st;
	int rc;

	*ret_old = size;
	if (!s->quota.on)
		return 0;
	rc = fs_statx(fd, "", &st);
	if (rc)
		return rc;
	*ret_old = st.stx_size;
	if (size <= st.stx_size)
		return 0;
	return fs_quota_room(s, size - st.stx_size) < size - st.stx_size
		       ? -ENOSPC
		       : 0;
}

void fs_quota_statfs(struct fs_server *s, struct fuse_kstatfs *st)
{
	uint64_t host_free = st->bavail * st->frsize / BLOCK, left;
	const struct fs_quota *q = &s->quota;

	if (!q->on)
		return;
	(void)count(s); /* else what was charged stands */
	left = (uint64_t)bytes_left(q) / BLOCK;
	st->bsize = st->frsize = BLOCK;
	st->blocks = (uint64_t)(q->base.bytes + q->limit.bytes) / BLOCK;
	st->bfree = st->bavail = left < host_free ? left : host_free;
	st->files = (uint64_t)(q->base.files + q->limit.files);
	if (st->ffree > (uint64_t)files_left(q))
		st->ffree = (uint64_t)files_left(q);
}
