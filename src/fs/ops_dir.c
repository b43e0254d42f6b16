/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directory reading. Entries stream from the host and keep the host's
 * offsets, so deletions, seeks and rewinds behave as on the host. The server
 * reads ahead for one directory at a time; a reader that finds the buffer
 * taken, or asks for another place, repositions its descriptor.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fs/ops.h"

ssize_t fs_op_opendir(struct fs_server *s, struct fs_req *r)
{
	int path_fd = fs_inode_fd(s, r->inode);
	struct fuse_open_out o = { 0 };
	autoclose int fd = -1;
	int rc;

	if (path_fd < 0)
		return path_fd;
	if (!S_ISDIR(r->inode->key.type))
		return -ENOTDIR;
	if (!s->file) { /* else it is synthetic */
		fd = fs_reopen(s, path_fd, O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			return fd;
	}
	if (s->cache == FS_CACHE_NEVER)
		o.open_flags = FOPEN_DIRECT_IO;
	else if (s->cache == FS_CACHE_ALWAYS)
		o.open_flags = FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR;
	rc = fs_handle_add(s, r->inode, &fd, true, &o.fh);
	return rc ? rc : fs_reply(s, &o, sizeof(o));
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* The entry at directory offset off; else NULL, with *ret_rc 0 at the end or
 * -errno. */
static const struct dirent64 *next_entry(struct fs_server *s,
					 const struct fs_handle *h,
					 uint64_t off, int *ret_rc)
{
	struct fs_dirbuf *b = &s->dirbuf;

	*ret_rc = 0;
	if (b->owner != h->fh || b->next != off) {
		b->owner = 0;
		b->end = false;
		if (off > INT64_MAX || lseek(h->fd, (off_t)off, SEEK_SET) < 0) {
			*ret_rc = -EINVAL;
			return NULL;
		}
		b->owner = h->fh;
		b->next = off;
		b->pos = b->len = 0;
	}
	if (b->end)
		return NULL;
	if (b->pos == b->len) {
		ssize_t n = getdents64(h->fd, b->data, FS_SCRATCH);

		if (n < 0) {
			*ret_rc = -errno;
			b->owner = 0;
		}
		b->end = n == 0;
		if (n <= 0)
			return NULL;
		b->pos = 0;
		b->len = (size_t)n;
	}
	return (const struct dirent64 *)(const void *)(b->data + b->pos);
}

static void take_entry(struct fs_dirbuf *b, const struct dirent64 *d)
{
	b->pos += d->d_reclen;
	b->next = (uint64_t)d->d_off;
}

static void put_dirent(uint8_t *p, uint64_t ino, uint64_t off, uint32_t type,
		       const char *name, size_t len)
{
	struct fuse_dirent d = {
		.ino = ino, .off = off, .namelen = (uint32_t)len, .type = type
	};
	size_t padded = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len);

	memset(p, 0, padded);
	memcpy(p, &d, FUSE_NAME_OFFSET);
	memcpy(p + FUSE_NAME_OFFSET, name, len);
}

/* A regular host file may be anything in the guest. */
static uint32_t shown_type(struct fs_server *s, int dirfd,
			   const struct dirent64 *d)
{
	autoclose int fd = -1;
	struct fs_stat st;

	if (d->d_type != DT_REG || s->virt == FS_STAT_OFF)
		return d->d_type;
	fd = fs_open_child(s, dirfd, d->d_name);
	if (fd < 0 || fs_stat_fd(s, fd, NULL, &st))
		return DT_UNKNOWN;
	return IFTODT(st.mode);
}

/*
 * Look the entry up for the reply: 1, or 0 when it is gone. One that fails for
 * other reasons is listed without a nodeid, so that the guest asks and learns
 * why.
 */
static int plus_entry(struct fs_server *s, struct fs_inode *dir,
		      const struct dirent64 *d, struct fuse_entry_out *ret)
{
	int rc;

	*ret = (struct fuse_entry_out){ 0 };
	if (is_dots(d->d_name))
		return 1; /* the guest knows them */
	rc = fs_lookup(s, dir, d->d_name, ret);
	if (rc)
		*ret = (struct fuse_entry_out){ 0 };
	return rc == -ENOENT ? 0 : 1;
}

static ssize_t synthetic(struct fs_server *s, uint64_t off, size_t room)
{
	const char *names[] = { ".", "..", s->shown };
	size_t used = 0;

	for (; off < 3; off++) {
		size_t len = strlen(names[off]);
		size_t need = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len);

		if (need > room - used)
			return used ? (ssize_t)used : -EINVAL;
		put_dirent(s->out + used, off < 2 ? FUSE_ROOT_ID : 2, off + 1,
			   off < 2 ? DT_DIR : DT_REG, names[off], len);
		used += need;
	}
	return (ssize_t)used;
}

static size_t put_entry(struct fs_server *s, struct fs_req *r, int fd,
			const struct dirent64 *d, bool plus, uint8_t *p)
{
	size_t len = strlen(d->d_name), head = 0;
	uint64_t ino = d->d_ino;
	uint32_t type;

	/* What is above the export is none of the guest's business. */
	if (r->inode == s->root && is_dots(d->d_name))
		ino = s->root->key.ino;
	if (plus) {
		struct fuse_entry_out e;

		head = sizeof(e);
		if (!plus_entry(s, r->inode, d, &e))
			return 0;
		type = e.nodeid ? IFTODT(e.attr.mode) : d->d_type;
		memcpy(p, &e, head);
	} else {
		type = shown_type(s, fd, d);
	}
	put_dirent(p + head, ino, (uint64_t)d->d_off, type, d->d_name, len);
	return head + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len);
}

static ssize_t read_dir(struct fs_server *s, struct fs_req *r, bool plus)
{
	const struct fuse_read_in *a = r->arg;
	const struct fs_handle *h = fs_handle_get(s, a->fh, r->inode, true);
	size_t head =
		FUSE_NAME_OFFSET + (plus ? sizeof(struct fuse_entry_out) : 0);
	size_t room = a->size < r->room ? a->size : r->room;
	uint64_t off = a->offset;
	size_t used = 0;

	if (!h)
		return -EBADF;
	if (room > FS_SCRATCH)
		room = FS_SCRATCH;
	if (s->file)
		return plus ? -ENOSYS : synthetic(s, off, room);
	if (!off)
		s->dirbuf.owner = 0; /* a rewind reads the directory again */
	for (;;) {
		int rc;
		const struct dirent64 *d = next_entry(s, h, off, &rc);

		if (!d)
			return used ? (ssize_t)used : rc;
		/* Before the lookup: its reference must reach the guest. */
		if (FUSE_DIRENT_ALIGN(head + strlen(d->d_name)) > room - used)
			break;
		used += put_entry(s, r, h->fd, d, plus, s->out + used);
		take_entry(&s->dirbuf, d);
		off = s->dirbuf.next;
	}
	return used ? (ssize_t)used : -EINVAL; /* no room for one entry */
}

ssize_t fs_op_readdir(struct fs_server *s, struct fs_req *r)
{
	return read_dir(s, r, false);
}

ssize_t fs_op_readdirplus(struct fs_server *s, struct fs_req *r)
{
	return read_dir(s, r, true);
}

ssize_t fs_op_fsyncdir(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_fsync_in *a = r->arg;
	const struct fs_handle *h = fs_handle_get(s, a->fh, r->inode, true);

	if (!h)
		return -EBADF;
	if (h->fd < 0)
		return 0;
	return fsync(h->fd) < 0 ? -errno : 0;
}
