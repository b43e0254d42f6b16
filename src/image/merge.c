/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers become one tree, bottom first. Each layer's directories are walked
 * together with those they fall on:
 *
 * - A whiteout takes its name out of the tree and is not in the result.
 * - A directory on a directory gives it its metadata, unless it is implicit,
 *   and its entries; it is emptied before if the new one is opaque.
 * - Anything else replaces what has its name. Links of one file within a layer
 *   stay links of one file.
 * - An implicit directory on a symbolic link is no directory but the path of
 *   what is in it, as when the archive had been unpacked there: it goes where
 *   the link leads. That is done when the rest of its layer is in place.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "image/erofs_format.h"
#include "image/erofs_read.h"
#include "image/erofs_write.h"
#include "image/erofs_xattr.h"
#include "image/layer.h"
#include "image/merge_text.h"
#include "image/tree.h"

/* Over all layers: replaced ones count too. */
#define NODES_MAX 4000000u
#define ARENA_MAX (512u << 20)

/* A layer's directory, and where it goes. */
struct step {
	uint32_t nid, dir;
};
/* Its symbolic link: entry of the tree. */
struct detour {
	uint32_t nid, entry;
};

struct merge {
	struct tree tree;
	struct erofs_reader layer;
	uint64_t base;	    /* blocks of the layers below */
	uint32_t *node_of;  /* by inode number of the layer; 0 not seen */
	struct buf steps;   /* struct step, a stack */
	struct buf detours; /* struct detour */
	struct err *err;
};

static int fail(struct merge *m, int r)
{
	switch (-r) {
	case EUCLEAN:
		return erofs_damaged(m->err);
	case ENOMEM:
		return err_set(m->err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	case EFBIG:
	case ENOSPC:
		return err_set(m->err, ERR_IMAGE, EFBIG,
			       "the image has too many files");
	case E2BIG:
		return err_set(m->err, ERR_IMAGE, E2BIG,
			       "the image's directories are nested too deeply");
	default:
		return err_sys(m->err, ERR_IMAGE, -r,
			       "cannot put the image's layers together");
	}
}

static int push_step(struct merge *m, uint32_t nid, uint32_t dir)
{
	struct step s = { nid, dir };

	if (m->node_of[nid])
		return -EUCLEAN; /* a directory in two places, or in itself */
	m->node_of[nid] = dir;
	return buf_append(&m->steps, &s, sizeof(s));
}

static int take_metadata(struct merge *m, uint32_t node,
			 const struct erofs_inode *i)
{
	struct tree_node *n = tree_node(&m->tree, node);

	n->mode = i->mode;
	n->uid = i->uid;
	n->gid = i->gid;
	n->mtime = i->mtime;
	n->mtime_nsec = i->mtime_nsec;
	return erofs_xattr_store(&m->tree, node, i->xattr, i->xattr_len);
}

static int new_file(struct merge *m, const struct erofs_inode *i,
		    uint32_t *ret_node)
{
	struct tree_node *n;
	uint32_t text;
	int r = tree_new_node(&m->tree, i->mode, ret_node);

	if (!r)
		r = take_metadata(m, *ret_node, i);
	if (r)
		return r;
	n = tree_node(&m->tree, *ret_node);
	n->size = i->size;
	if (S_ISREG(i->mode) && i->block != TREE_NO_BLOCK)
		n->block = (uint32_t)m->base + i->block;
	else if (S_ISCHR(i->mode) || S_ISBLK(i->mode))
		n->rdev = i->rdev;
	if (!S_ISLNK(i->mode))
		return 0;
	r = tree_store(&m->tree, erofs_link_text(i), i->size, &text);
	if (!r)
		tree_node(&m->tree, *ret_node)->text = text;
	return r;
}

static int merge_file(struct merge *m, uint32_t dir,
		      const struct erofs_name *name,
		      const struct erofs_inode *i)
{
	uint32_t node = i->nlink > 1 ? m->node_of[i->nid] : 0;
	int r = 0;

	if (node && tree_is_dir(&m->tree, node))
		return -EUCLEAN;
	if (!node)
		r = new_file(m, i, &node);
	if (r)
		return r;
	m->node_of[i->nid] = node;
	return tree_link(&m->tree, dir, name->text, name->len, node);
}

/* A layer's directory falls on one of the tree, or becomes a new one. */
static int merge_into(struct merge *m, uint32_t node,
		      const struct erofs_inode *i)
{
	int r = 0;

	if (i->flags & TREE_OPAQUE)
		tree_clear(&m->tree, node);
	if (!(i->flags & TREE_IMPLICIT))
		r = take_metadata(m, node, i);
	return r ? r : push_step(m, i->nid, node);
}

static int merge_dir(struct merge *m, uint32_t dir,
		     const struct erofs_name *name, const struct erofs_inode *i)
{
	uint32_t entry = tree_find(&m->tree, dir, name->text, name->len);
	uint32_t node = entry ? m->tree.entries[entry].node : 0;
	int r;

	if (node && S_ISLNK(tree_node(&m->tree, node)->mode) &&
	    (i->flags & TREE_IMPLICIT)) {
		struct detour d = { i->nid, entry };

		return buf_append(&m->detours, &d, sizeof(d));
	}
	if (!node || !tree_is_dir(&m->tree, node)) {
		r = tree_new_dir(&m->tree, dir, &node);
		if (!r)
			r = tree_link(&m->tree, dir, name->text, name->len,
				      node);
		if (r)
			return r;
	}
	return merge_into(m, node, i);
}

static int merge_entry(struct merge *m, uint32_t dir,
		       const struct erofs_name *name)
{
	struct erofs_inode i;
	int r = erofs_inode_read(&m->layer, name->nid, &i);

	if (r)
		return r;
	if (S_ISDIR(i.mode))
		return merge_dir(m, dir, name, &i);
	if (S_ISCHR(i.mode) && i.rdev == 0) {
		uint32_t entry =
			tree_find(&m->tree, dir, name->text, name->len);

		if (entry)
			tree_unlink(&m->tree, entry);
		return 0;
	}
	return merge_file(m, dir, name, &i);
}

static int run_steps(struct merge *m)
{
	int r = 0;

	while (!r && buf_len(&m->steps)) {
		struct erofs_inode i;
		struct erofs_name name;
		struct erofs_dir d;
		struct step s;

		/* The last one; the buffer gives back its room. */
		m->steps.len -= sizeof(s);
		memcpy(&s, m->steps.data + m->steps.len, sizeof(s));
		r = erofs_inode_read(&m->layer, s.nid, &i);
		if (r)
			return r;
		erofs_dir_open(&d, &i);
		while ((r = erofs_dir_read(&m->layer, &d, &name)) > 0) {
			r = merge_entry(m, s.dir, &name);
			if (r)
				return r;
		}
	}
	return r;
}

/* Where the symbolic link leads; if to no directory, it gives way to one. */
static int detour_target(struct merge *m, const struct detour *d,
			 uint32_t *ret_node)
{
	struct tree *t = &m->tree;
	struct tree_entry e = t->entries[d->entry];
	int r;

	if (tree_is_dir(t, e.node)) { /* replaced meanwhile */
		*ret_node = e.node;
		return 0;
	}
	if (S_ISLNK(tree_node(t, e.node)->mode)) {
		/* The walk copies the path before the arena moves. */
		r = tree_walk_dir(t, e.dir,
				  tree_text(t, tree_node(t, e.node)->text),
				  TREE_WALK_CREATE, ret_node);
		if (r != -ENOTDIR && r != -ELOOP && r != -ENAMETOOLONG)
			return r;
	}
	r = tree_new_dir(t, e.dir, ret_node);
	if (!r)
		t->entries[d->entry].node = *ret_node;
	return r;
}

static int run_detours(struct merge *m)
{
	int r = 0;

	for (size_t at = 0; !r && at < buf_len(&m->detours);) {
		struct erofs_inode i;
		struct detour d;
		uint32_t node;

		memcpy(&d, buf_data(&m->detours) + at, sizeof(d));
		at += sizeof(d);
		/* Taken out by an earlier one: nobody will see it. */
		if (!m->tree.entries[d.entry].dir)
			continue;
		r = detour_target(m, &d, &node);
		if (!r)
			r = erofs_inode_read(&m->layer, d.nid, &i);
		if (!r)
			r = merge_into(m, node, &i);
		if (!r)
			r = run_steps(m);
	}
	buf_reset(&m->detours);
	return r;
}

static int merge_layer(struct merge *m, const struct merge_layer *l)
{
	struct erofs_inode root;
	int r = erofs_reader_open(l->fd, &m->layer, m->err);

	if (r)
		return r;
	if (((uint64_t)m->layer.meta_block << EROFS_BLOCK_BITS) +
		    m->layer.meta_len !=
	    l->size)
		r = -EUCLEAN;
	m->node_of = calloc(m->layer.nids, sizeof(*m->node_of));
	if (!r && !m->node_of)
		r = -ENOMEM;
	if (!r)
		r = erofs_inode_read(&m->layer, m->layer.root, &root);
	if (!r && !S_ISDIR(root.mode))
		r = -EUCLEAN;
	if (!r)
		r = merge_into(m, TREE_ROOT, &root);
	if (!r)
		r = run_steps(m);
	if (!r)
		r = run_detours(m);
	free(m->node_of);
	m->node_of = NULL;
	erofs_reader_close(&m->layer);
	return r ? fail(m, r) : 0;
}

static int check_sizes(const struct merge_layer *layers, size_t n,
		       struct err *err)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < n; i++) {
		if (layers[i].size % EROFS_BLOCK)
			return erofs_damaged(err);
		blocks += layers[i].size / EROFS_BLOCK;
		if (blocks >= UINT32_MAX)
			return err_set(err, ERR_IMAGE, EFBIG,
				       "the image is too large");
	}
	return 0;
}

static int write_merged(struct merge *m, const struct merge_layer *layers,
			size_t n, int out, struct merge_result *ret,
			struct err *err)
{
	struct erofs_target target = {
		.fd = out,
		.kind = EROFS_MERGED,
		.meta_block = 1,
		.blocks_behind = m->base,
	};
	autofree char *passwd = NULL, *group = NULL;
	int r = merge_text(&m->tree, layers, n, "/etc/passwd", &passwd, err);

	if (!r)
		r = merge_text(&m->tree, layers, n, "/etc/group", &group, err);
	if (!r)
		r = erofs_write(&m->tree, &target, &ret->size, err);
	if (r)
		return r;
	ret->passwd = take_ptr(passwd);
	ret->group = take_ptr(group);
	return 0;
}

int layers_merge(const struct merge_layer *layers, size_t n, int out,
		 struct merge_result *ret, struct err *err)
{
	struct merge m = { .err = err };
	int r = check_sizes(layers, n, err);

	if (r)
		return r;
	r = tree_init(&m.tree, NODES_MAX, ARENA_MAX);
	if (r)
		return fail(&m, r);
	buf_init(&m.steps, sizeof(struct step) * (size_t)NODES_MAX);
	buf_init(&m.detours, sizeof(struct detour) * (size_t)NODES_MAX);
	for (size_t i = 0; !r && i < n; i++) {
		r = merge_layer(&m, &layers[i]);
		m.base += layers[i].size / EROFS_BLOCK;
	}
	if (!r)
		r = write_merged(&m, layers, n, out, ret, err);
	buf_fini(&m.steps);
	buf_fini(&m.detours);
	tree_fini(&m.tree);
	return r;
}
