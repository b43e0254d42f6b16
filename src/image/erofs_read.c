/* SPDX-License-Identifier: Apache-2.0 */
/* The checked reader of layer images. */
#include "image/erofs_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/io.h"
#include "image/erofs_format.h"
#include "image/erofs_xattr.h"
#include "image/tree.h"

#define META_MAX (1ull << 30)
#define NSEC_PER_SEC 1000000000u

int erofs_damaged(struct err *err)
{
	return err_set(err, ERR_IMAGE, EUCLEAN,
		       "a layer in the image store is damaged");
}

static int read_at(int fd, void *data, size_t len, uint64_t pos)
{
	size_t done = 0;

	while (done < len) {
		struct iovec iov = { (char *)data + done, len - done };
		ssize_t n = io_preadv(fd, &iov, 1, (off_t)(pos + done), 0);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EUCLEAN;
		done += (size_t)n;
	}
	return 0;
}

/* The superblock, and that the file is as long as it says. */
static int check_superblock(int fd, struct erofs_reader *r, uint64_t *ret_size)
{
	uint8_t block[EROFS_BLOCK];
	const uint8_t *sb = block + EROFS_SB_OFFSET;
	struct stat st;
	int e = read_at(fd, block, sizeof(block), 0);

	if (!e && fstat(fd, &st))
		e = -errno;
	if (e)
		return e;
	*ret_size = (uint64_t)le32_get(sb + EROFS_SB_BLOCKS)
		    << EROFS_BLOCK_BITS;
	r->meta_block = le32_get(sb + EROFS_SB_META_BLOCK);
	r->root = le16_get(sb + EROFS_SB_ROOT_NID);
	r->meta_len = *ret_size - ((uint64_t)r->meta_block << EROFS_BLOCK_BITS);
	if (le32_get(sb + EROFS_SB_MAGIC) != EROFS_MAGIC ||
	    le32_get(sb + EROFS_SB_CHECKSUM) != erofs_checksum(block) ||
	    le32_get(sb + EROFS_SB_INCOMPAT) != 0 ||
	    sb[EROFS_SB_BLOCK_BITS] != EROFS_BLOCK_BITS || !r->meta_block ||
	    *ret_size != (uint64_t)st.st_size ||
	    (uint64_t)r->meta_block << EROFS_BLOCK_BITS >= *ret_size ||
	    r->meta_len > META_MAX)
		return -EUCLEAN;
	return 0;
}

int erofs_reader_open(int fd, struct erofs_reader *ret, struct err *err)
{
	uint64_t size = 0;
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->fd = fd;
	r = check_superblock(fd, ret, &size);
	if (!r) {
		ret->meta = malloc(ret->meta_len);
		r = ret->meta ? 0 : -ENOMEM;
	}
	if (!r)
		r = read_at(fd, ret->meta, ret->meta_len, size - ret->meta_len);
	if (!r) {
		ret->nids = (uint32_t)(ret->meta_len / EROFS_SLOT);
		return 0;
	}
	erofs_reader_close(ret);
	if (r == -EUCLEAN)
		return erofs_damaged(err);
	return err_sys(err, r == -ENOMEM ? ERR_NO_MEMORY : ERR_IO, -r,
		       "cannot read a layer's image");
}

void erofs_reader_close(struct erofs_reader *r)
{
	free(r->meta);
	r->meta = NULL;
}

/* Both forms; *ret_len is the bytes taken. */
static void parse_fields(const uint8_t *p, struct erofs_inode *i,
			 size_t *ret_len)
{
	bool extended = le16_get(p + EROFS_I_FORMAT) & 1;

	i->mode = le16_get(p + EROFS_I_MODE);
	i->block = i->rdev = le32_get(p + EROFS_I_BLOCK);
	if (!extended) {
		i->size = le32_get(p + EROFS_I_SIZE);
		i->nlink = le16_get(p + EROFS_C_NLINK);
		i->uid = le16_get(p + EROFS_C_UID);
		i->gid = le16_get(p + EROFS_C_GID);
		*ret_len = EROFS_COMPACT_SIZE;
		return;
	}
	i->size = le64_get(p + EROFS_I_SIZE);
	i->uid = le32_get(p + EROFS_E_UID);
	i->gid = le32_get(p + EROFS_E_GID);
	i->mtime = (int64_t)le64_get(p + EROFS_E_MTIME);
	i->mtime_nsec = le32_get(p + EROFS_E_MTIME_NSEC);
	i->nlink = le32_get(p + EROFS_E_NLINK);
	*ret_len = EROFS_EXTENDED_SIZE;
}

/* The attributes must be sound; marks, which come last, become flags. */
static int parse_xattrs(struct erofs_inode *i, const uint8_t *p, size_t len)
{
	size_t pos = 0;
	int r;

	if (p[4]) /* shared attributes are not used */
		return -EUCLEAN;
	i->xattr = p + EROFS_XATTR_HEADER;
	len -= EROFS_XATTR_HEADER;
	for (;;) {
		struct erofs_xattr x;
		uint8_t flag;

		r = erofs_xattr_next(i->xattr, len, &pos, &x);
		if (r <= 0)
			return r;
		flag = erofs_mark_flag(&x);
		if (flag && !S_ISDIR(i->mode))
			return -EUCLEAN;
		if (!flag && i->flags)
			return -EUCLEAN;
		i->flags |= flag;
		if (!flag)
			i->xattr_len = (uint32_t)pos;
	}
}

/* Where the blocks and the tail of a directory or symbolic link are. */
static int locate_content(const struct erofs_reader *r, struct erofs_inode *i,
			  unsigned layout, uint64_t end)
{
	uint64_t whole = i->size / EROFS_BLOCK * EROFS_BLOCK;
	uint64_t tail = i->size - whole, at;

	if (i->size > r->meta_len)
		return -EUCLEAN;
	if (layout == EROFS_PLAIN && tail) {
		whole += EROFS_BLOCK;
	} else if (tail) {
		if (r->meta_len - end < tail)
			return -EUCLEAN;
		i->tail = r->meta + end;
	}
	if (!whole)
		return 0;
	if (i->block < r->meta_block)
		return -EUCLEAN;
	at = (uint64_t)(i->block - r->meta_block) << EROFS_BLOCK_BITS;
	if (at >= r->meta_len || r->meta_len - at < whole)
		return -EUCLEAN;
	i->blocks = r->meta + at;
	return 0;
}

static int check_file(const struct erofs_reader *r, struct erofs_inode *i,
		      unsigned layout)
{
	uint64_t blocks = i->size / EROFS_BLOCK + !!(i->size % EROFS_BLOCK);

	if (layout != EROFS_PLAIN)
		return -EUCLEAN;
	if (!i->size) {
		i->block = TREE_NO_BLOCK;
		return 0;
	}
	if (!i->block || i->block >= r->meta_block ||
	    blocks > r->meta_block - i->block)
		return -EUCLEAN;
	return 0;
}

static int check_type(const struct erofs_reader *r, struct erofs_inode *i,
		      unsigned layout, uint64_t end)
{
	int e;

	switch (i->mode & S_IFMT) {
	case S_IFREG:
		return check_file(r, i, layout);
	case S_IFDIR:
		return locate_content(r, i, layout, end);
	case S_IFLNK:
		if (i->size == 0 || i->size > TREE_PATH_MAX)
			return -EUCLEAN;
		e = locate_content(r, i, layout, end);
		if (!e && memchr(erofs_link_text(i), '\0', i->size))
			e = -EUCLEAN;
		return e;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return i->size ? -EUCLEAN : 0;
	default:
		return -EUCLEAN;
	}
}

int erofs_inode_read(const struct erofs_reader *r, uint64_t nid,
		     struct erofs_inode *ret)
{
	struct erofs_inode i = { 0 };
	uint64_t at = nid * EROFS_SLOT;
	unsigned layout;
	size_t len, xattrs;
	const uint8_t *p;
	int e = 0;

	if (!nid || nid >= r->nids)
		return -EUCLEAN;
	p = r->meta + at;
	if ((le16_get(p + EROFS_I_FORMAT) & 1) &&
	    r->meta_len - at < EROFS_EXTENDED_SIZE)
		return -EUCLEAN;
	i.nid = (uint32_t)nid;
	layout = le16_get(p + EROFS_I_FORMAT) >> 1;
	if (layout != EROFS_PLAIN && layout != EROFS_INLINE)
		return -EUCLEAN;
	parse_fields(p, &i, &len);
	xattrs = le16_get(p + EROFS_I_XATTRS);
	if (xattrs)
		xattrs = EROFS_XATTR_HEADER + 4 * (xattrs - 1);
	if (r->meta_len - at - len < xattrs || i.mtime_nsec >= NSEC_PER_SEC)
		return -EUCLEAN;
	if (xattrs)
		e = parse_xattrs(&i, p + len, xattrs);
	if (!e)
		e = check_type(r, &i, layout, at + len + xattrs);
	if (!e)
		*ret = i;
	return e;
}

const char *erofs_link_text(const struct erofs_inode *inode)
{
	return (const char *)(inode->blocks ? inode->blocks : inode->tail);
}

void erofs_dir_open(struct erofs_dir *d, const struct erofs_inode *inode)
{
	d->inode = *inode;
	d->pos = 0;
	d->i = d->n = 0;
}

/* The block at pos, and the bytes of it that count. */
static const uint8_t *dir_block(const struct erofs_dir *d, size_t *ret_len)
{
	uint64_t left = d->inode.size - d->pos;

	*ret_len = left < EROFS_BLOCK ? (size_t)left : EROFS_BLOCK;
	if (left < EROFS_BLOCK && d->inode.tail)
		return d->inode.tail;
	return d->inode.blocks + d->pos;
}

static int dir_entry(const uint8_t *block, size_t len, uint32_t i, uint32_t n,
		     struct erofs_name *ret, uint64_t *ret_nid)
{
	const uint8_t *d = block + (size_t)i * EROFS_DIRENT_SIZE, *end;
	size_t from = le16_get(d + 8), to = len;

	if (i + 1 < n)
		to = le16_get(d + EROFS_DIRENT_SIZE + 8);
	if (from < (size_t)n * EROFS_DIRENT_SIZE || from >= to || to > len)
		return -EUCLEAN;
	ret->text = (const char *)block + from;
	/* The last name of a block that is filled up ends at a NUL. */
	end = memchr(block + from, '\0', to - from);
	if (end && (i + 1 < n || end == block + from))
		return -EUCLEAN;
	ret->len = end ? (size_t)(end - (block + from)) : to - from;
	if (ret->len > TREE_NAME_MAX || memchr(ret->text, '/', ret->len))
		return -EUCLEAN;
	*ret_nid = le64_get(d);
	return 0;
}

static bool is_dots(const struct erofs_name *n)
{
	return n->text[0] == '.' &&
	       (n->len == 1 || (n->len == 2 && n->text[1] == '.'));
}

int erofs_dir_read(const struct erofs_reader *r, struct erofs_dir *d,
		   struct erofs_name *ret)
{
	while (d->pos < d->inode.size) {
		const uint8_t *block;
		uint64_t nid;
		size_t len;
		int e;

		block = dir_block(d, &len);
		if (!d->n) {
			if (len < EROFS_DIRENT_SIZE)
				return -EUCLEAN;
			d->n = le16_get(block + 8) / EROFS_DIRENT_SIZE;
			if (!d->n || (size_t)d->n * EROFS_DIRENT_SIZE > len)
				return -EUCLEAN;
		}
		if (d->i == d->n) {
			d->pos += EROFS_BLOCK;
			d->i = d->n = 0;
			continue;
		}
		e = dir_entry(block, len, d->i++, d->n, ret, &nid);
		if (e)
			return e;
		if (is_dots(ret))
			continue;
		if (nid >= r->nids)
			return -EUCLEAN;
		ret->nid = (uint32_t)nid;
		return 1;
	}
	return 0;
}

ssize_t erofs_file_read(const struct erofs_reader *r,
			const struct erofs_inode *inode, uint64_t pos,
			void *buf, size_t len)
{
	uint64_t left = pos < inode->size ? inode->size - pos : 0;
	int e;

	if (len > left)
		len = (size_t)left;
	if (!len)
		return 0;
	e = read_at(r->fd, buf, len,
		    ((uint64_t)inode->block << EROFS_BLOCK_BITS) + pos);
	return e ? e : (ssize_t)len;
}
