/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing an EROFS image, in four steps:
 *
 * 1. Order: breadth first, so that what one directory names lies together and
 *    the root comes first (its number has 16 bits). Links are counted.
 * 2. Place: every inode gets its slot. The partial last block of a directory
 *    or a symbolic link lies behind its inode ("inline") where it does not
 *    cross the end of a block; all their other blocks are numbered.
 * 3. Inodes are written in order, then those blocks, as one stream.
 * 4. The superblock.
 */
#include "image/erofs_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "image/erofs_dir.h"
#include "image/erofs_format.h"
#include "image/erofs_xattr.h"
#include "image/store.h"

#define OUT_SIZE (1u << 20)
/* A tail that would have to move to a block of its own for its inode to stay
 * is better off moving the inode, up to this size of both. */
#define MOVE_MAX 2048u

#define PLACED_INLINE 128u /* in tree_node.flags */

struct writer {
	struct tree *t;
	const struct erofs_target *target;
	uint32_t *order; /* nodes */
	uint32_t n;
	uint64_t slots_end; /* bytes of the inodes' area */
	uint64_t blocks;    /* behind the inodes */
	uint64_t total;	    /* blocks of the image */
	uint8_t *out;
	size_t out_len;
	uint64_t out_pos; /* of its first byte, in the file */
};

static uint64_t round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) & ~(to - 1);
}

static uint64_t dir_size(const struct tree *t, uint32_t dir)
{
	struct erofs_dir_pack p;
	uint64_t full = 0;
	size_t used, last = 0;

	erofs_dir_begin(&p, t, dir);
	while ((used = erofs_dir_next(&p, NULL))) {
		full += last ? EROFS_BLOCK : 0;
		last = used;
	}
	return full + last;
}

/* nid is not known yet; it tells here that the node is in the order. */
static int visit(struct writer *w, uint32_t node)
{
	struct tree_node *n = tree_node(w->t, node);
	int r;

	n->nlink++;
	if (n->nid)
		return 0;
	n->nid = 1;
	w->order[w->n++] = node;
	if (!S_ISDIR(n->mode))
		return 0;
	n->nlink = 2;
	r = tree_sort(w->t, node);
	n->size = r ? 0 : dir_size(w->t, node);
	return r;
}

static int make_order(struct writer *w)
{
	struct tree *t = w->t;
	int r;

	w->order = calloc(t->nnodes, sizeof(*w->order));
	if (!w->order)
		return -ENOMEM;
	r = visit(w, TREE_ROOT);
	for (uint32_t i = 0; !r && i < w->n; i++) {
		uint32_t dir = w->order[i], e = 0;

		if (tree_is_dir(t, dir))
			e = t->nodes[dir].child;
		for (; !r && e; e = t->entries[e].next) {
			if (tree_is_dir(t, t->entries[e].node))
				t->nodes[dir].nlink++;
			r = visit(w, t->entries[e].node);
		}
	}
	return r;
}

static bool is_compact(const struct tree_node *n)
{
	/* A compact inode's time is that of the image, which is 0. */
	return n->mtime == 0 && n->mtime_nsec == 0 && n->uid <= UINT16_MAX &&
	       n->gid <= UINT16_MAX && n->nlink <= UINT16_MAX &&
	       n->size <= UINT32_MAX;
}

static uint8_t marks_of(const struct writer *w, uint32_t node)
{
	const struct tree_node *n = tree_node(w->t, node);

	if (w->target->kind != EROFS_LAYER || !S_ISDIR(n->mode))
		return 0;
	return n->flags & (TREE_OPAQUE | TREE_IMPLICIT);
}

static size_t xattr_size(const struct writer *w, uint32_t node)
{
	size_t len;

	(void)erofs_xattr_body(w->t, node, &len);
	len += erofs_mark_size(marks_of(w, node));
	return len ? EROFS_XATTR_HEADER + len : 0;
}

static int place(struct writer *w, uint32_t node)
{
	struct tree_node *n = tree_node(w->t, node);
	bool has_blocks = S_ISDIR(n->mode) || S_ISLNK(n->mode);
	size_t body =
		(is_compact(n) ? EROFS_COMPACT_SIZE : EROFS_EXTENDED_SIZE) +
		xattr_size(w, node);
	size_t tail = has_blocks ? n->size % EROFS_BLOCK : 0;
	uint64_t at = round_up(w->slots_end, EROFS_SLOT);
	size_t room = EROFS_BLOCK - at % EROFS_BLOCK;

	if (body + tail > room && (tail ? body + tail <= MOVE_MAX
					: body <= EROFS_BLOCK && body > room)) {
		at = round_up(at, EROFS_BLOCK);
		room = EROFS_BLOCK;
	}
	w->slots_end = at + body;
	if (tail && body + tail <= room) {
		n->flags |= PLACED_INLINE;
		w->slots_end += tail;
	}
	if (has_blocks) {
		uint64_t blocks = n->size / EROFS_BLOCK;

		if (tail && !(n->flags & PLACED_INLINE))
			blocks++;
		n->block = blocks ? (uint32_t)w->blocks : TREE_NO_BLOCK;
		w->blocks += blocks;
	}
	if (at / EROFS_SLOT > UINT32_MAX || w->blocks >= UINT32_MAX)
		return -EFBIG;
	n->nid = (uint32_t)(at / EROFS_SLOT);
	return 0;
}

static int place_all(struct writer *w)
{
	uint64_t meta = w->target->meta_block;
	int r = 0;

	w->slots_end = EROFS_SLOT;
	for (uint32_t i = 0; !r && i < w->n; i++)
		r = place(w, w->order[i]);
	/* fsck.erofs looks for attributes behind an inode without any, too. */
	w->slots_end += EROFS_XATTR_HEADER;
	w->total = meta + round_up(w->slots_end, EROFS_BLOCK) / EROFS_BLOCK +
		   w->blocks;
	/* The last number means "none". */
	if (!r && w->total + w->target->blocks_behind >= UINT32_MAX)
		r = -EFBIG;
	return r;
}

static int out_flush(struct writer *w)
{
	size_t done = 0;

	while (done < w->out_len) {
		struct iovec iov = { w->out + done, w->out_len - done };
		ssize_t n = io_pwritev(w->target->fd, &iov, 1,
				       (off_t)(w->out_pos + done), 0);

		if (n < 0)
			return (int)n;
		done += (size_t)n;
	}
	w->out_pos += done;
	w->out_len = 0;
	return 0;
}

static int out_put(struct writer *w, const void *data, size_t len)
{
	while (len) {
		size_t n = OUT_SIZE - w->out_len;

		if (n > len)
			n = len;
		if (data) {
			memcpy(w->out + w->out_len, data, n);
			data = (const char *)data + n;
		} else {
			memset(w->out + w->out_len, 0, n);
		}
		w->out_len += n;
		len -= n;
		if (w->out_len == OUT_SIZE) {
			int r = out_flush(w);

			if (r)
				return r;
		}
	}
	return 0;
}

/* Zeros up to a position in the metadata. */
static int out_seek(struct writer *w, uint64_t meta_pos)
{
	uint64_t to = ((uint64_t)w->target->meta_block << EROFS_BLOCK_BITS) +
		      meta_pos;

	return out_put(w, NULL, to - (w->out_pos + w->out_len));
}

static uint32_t block_field(const struct writer *w, const struct tree_node *n)
{
	bool dev = S_ISCHR(n->mode) || S_ISBLK(n->mode);

	if (dev)
		return n->rdev;
	if (S_ISREG(n->mode)) {
		if (n->block == TREE_NO_BLOCK || w->target->kind == EROFS_LAYER)
			return n->block;
		return n->block + (uint32_t)w->total;
	}
	/* Not read when there are no blocks. */
	if ((!S_ISDIR(n->mode) && !S_ISLNK(n->mode)) ||
	    n->block == TREE_NO_BLOCK)
		return 0;
	return (uint32_t)(w->total - w->blocks) + n->block;
}

static size_t inode_format(const struct writer *w, uint32_t node, uint32_t ino,
			   uint8_t p[EROFS_EXTENDED_SIZE])
{
	const struct tree_node *n = tree_node(w->t, node);
	bool compact = is_compact(n);
	size_t xattrs = xattr_size(w, node);
	bool sized = S_ISREG(n->mode) || S_ISDIR(n->mode) || S_ISLNK(n->mode);
	unsigned layout = n->flags & PLACED_INLINE ? EROFS_INLINE : EROFS_PLAIN;

	memset(p, 0, EROFS_EXTENDED_SIZE);
	le16_put(p + EROFS_I_FORMAT, (uint16_t)(layout << 1 | !compact));
	if (xattrs)
		le16_put(p + EROFS_I_XATTRS,
			 (uint16_t)((xattrs - EROFS_XATTR_HEADER) / 4 + 1));
	le16_put(p + EROFS_I_MODE, n->mode);
	le32_put(p + EROFS_I_BLOCK, block_field(w, n));
	le32_put(p + EROFS_I_INO, ino);
	if (compact) {
		le32_put(p + EROFS_I_SIZE, sized ? (uint32_t)n->size : 0);
		le16_put(p + EROFS_C_NLINK, (uint16_t)n->nlink);
		le16_put(p + EROFS_C_UID, (uint16_t)n->uid);
		le16_put(p + EROFS_C_GID, (uint16_t)n->gid);
		return EROFS_COMPACT_SIZE;
	}
	le64_put(p + EROFS_I_SIZE, sized ? n->size : 0);
	le32_put(p + EROFS_E_UID, n->uid);
	le32_put(p + EROFS_E_GID, n->gid);
	le64_put(p + EROFS_E_MTIME, (uint64_t)n->mtime);
	le32_put(p + EROFS_E_MTIME_NSEC, n->mtime_nsec);
	le32_put(p + EROFS_E_NLINK, n->nlink);
	return EROFS_EXTENDED_SIZE;
}

static int put_xattrs(struct writer *w, uint32_t node)
{
	uint8_t marks[64] = { 0 };
	uint8_t flags = marks_of(w, node);
	const uint8_t *body;
	size_t len;
	int r;

	if (!xattr_size(w, node))
		return 0;
	body = erofs_xattr_body(w->t, node, &len);
	r = out_put(w, NULL, EROFS_XATTR_HEADER);
	if (!r)
		r = out_put(w, body, len);
	erofs_mark_put(flags, marks);
	if (!r)
		r = out_put(w, marks, erofs_mark_size(flags));
	return r;
}

/*
 * The blocks of a directory, those in front of its tail or the tail alone. A
 * plain directory's last block is filled up.
 */
static int put_dir(struct writer *w, uint32_t dir, bool tail)
{
	const struct tree_node *n = tree_node(w->t, dir);
	uint8_t block[EROFS_BLOCK];
	struct erofs_dir_pack p;
	uint64_t pos = 0;
	size_t used;
	int r = 0;

	erofs_dir_begin(&p, w->t, dir);
	while (!r && (used = erofs_dir_next(&p, block))) {
		bool last = pos + EROFS_BLOCK > n->size;

		pos += EROFS_BLOCK;
		if (last && tail)
			r = out_put(w, block, used);
		else if (!tail && !(last && (n->flags & PLACED_INLINE)))
			r = out_put(w, block, EROFS_BLOCK);
	}
	return r;
}

static int put_inode(struct writer *w, uint32_t node, uint32_t ino)
{
	const struct tree_node *n = tree_node(w->t, node);
	uint8_t inode[EROFS_EXTENDED_SIZE];
	int r = out_seek(w, (uint64_t)n->nid * EROFS_SLOT);

	if (!r)
		r = out_put(w, inode, inode_format(w, node, ino, inode));
	if (!r)
		r = put_xattrs(w, node);
	if (r || !(n->flags & PLACED_INLINE))
		return r;
	if (S_ISDIR(n->mode))
		return put_dir(w, node, true);
	return out_put(w, tree_text(w->t, n->text), n->size);
}

/* What of a node is in blocks behind the inodes. */
static int put_blocks(struct writer *w, uint32_t node)
{
	const struct tree_node *n = tree_node(w->t, node);
	int r;

	if ((!S_ISDIR(n->mode) && !S_ISLNK(n->mode)) ||
	    n->block == TREE_NO_BLOCK)
		return 0;
	if (S_ISDIR(n->mode))
		return put_dir(w, node, false);
	r = out_put(w, tree_text(w->t, n->text), n->size);
	if (!r)
		r = out_put(w, NULL, round_up(n->size, EROFS_BLOCK) - n->size);
	return r;
}

static int write_metadata(struct writer *w)
{
	int r = 0;

	w->out = malloc(OUT_SIZE);
	if (!w->out)
		return -ENOMEM;
	w->out_pos = (uint64_t)w->target->meta_block << EROFS_BLOCK_BITS;
	for (uint32_t i = 0; !r && i < w->n; i++)
		r = put_inode(w, w->order[i], i + 1);
	if (!r)
		r = out_seek(w, round_up(w->slots_end, EROFS_BLOCK));
	for (uint32_t i = 0; !r && i < w->n; i++)
		r = put_blocks(w, w->order[i]);
	return r ? r : out_flush(w);
}

static int write_superblock(struct writer *w)
{
	uint8_t block[EROFS_BLOCK] = { 0 }, *sb = block + EROFS_SB_OFFSET;

	le32_put(sb + EROFS_SB_MAGIC, EROFS_MAGIC);
	le32_put(sb + EROFS_SB_COMPAT, EROFS_COMPAT);
	sb[EROFS_SB_BLOCK_BITS] = EROFS_BLOCK_BITS;
	le16_put(sb + EROFS_SB_ROOT_NID,
		 (uint16_t)tree_node(w->t, TREE_ROOT)->nid);
	le64_put(sb + EROFS_SB_INODES, w->n);
	le32_put(sb + EROFS_SB_BLOCKS,
		 (uint32_t)(w->total + w->target->blocks_behind));
	le32_put(sb + EROFS_SB_META_BLOCK, w->target->meta_block);
	memcpy(sb + EROFS_SB_VOLUME, IMAGE_VOLUME, sizeof(IMAGE_VOLUME) - 1);
	le32_put(sb + EROFS_SB_CHECKSUM, erofs_checksum(block));
	memcpy(w->out, block, sizeof(block));
	w->out_len = sizeof(block);
	w->out_pos = 0;
	return out_flush(w);
}

static enum err_kind error_kind(int r)
{
	if (r == -ENOMEM)
		return ERR_NO_MEMORY;
	return r == -ENOSPC ? ERR_NO_SPACE : ERR_IO;
}

int erofs_write(struct tree *t, const struct erofs_target *target,
		uint64_t *ret_size, struct err *err)
{
	struct writer w = { .t = t, .target = target };
	uint64_t size;
	int r = make_order(&w);

	if (!r)
		r = place_all(&w);
	size = w.total << EROFS_BLOCK_BITS;
	if (!r && ftruncate(target->fd, (off_t)size))
		r = -errno;
	if (!r)
		r = write_metadata(&w);
	if (!r)
		r = write_superblock(&w);
	free(w.out);
	free(w.order);
	if (r)
		return err_sys(err, error_kind(r), -r,
			       "cannot write the file system image");
	*ret_size = size;
	return 0;
}
