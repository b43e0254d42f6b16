/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking a layer. Rules where the archive does more than add a file:
 *
 * - Parents that have no entry (yet) are made as implicit directories.
 * - Paths lead through symbolic links of the layer, inside of its root.
 * - A later entry replaces an earlier one of the same path, a directory only
 *   the metadata of a directory.
 * - A whiteout speaks of lower layers, wherever it stands: beside a directory
 *   of its name it makes that opaque, beside another file it says nothing new.
 * - A hard link may come before what it links to.
 */
#include "image/tar_unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "image/erofs_xattr.h"

#define ARENA_MAX (256u << 20)
#define XATTRS_MAX 128u
#define NSEC_PER_SEC 1000000000L
#define MAJOR_MAX 0xfffu /* of the kernel's encoding */
#define MINOR_MAX 0xfffffu
#define LINK_HOPS 8u /* hard links to later hard links */

int tar_unpack_init(struct tar_unpack *u, const struct layer_limits *limits,
		    int out, struct err *err)
{
	/* Implicit directories are nodes too. */
	uint64_t nodes = 2 * limits->entries + 16;
	int r;

	memset(u, 0, sizeof(*u));
	u->limits = limits;
	buf_init(&u->xattrs, EROFS_XATTR_BODY_MAX + 4096);
	buf_init(&u->pending, sizeof(uint32_t) * limits->entries);
	r = tree_init(&u->tree,
		      nodes < UINT32_MAX ? (uint32_t)nodes : UINT32_MAX,
		      ARENA_MAX);
	if (!r)
		r = erofs_data_init(&u->data, out);
	if (r) {
		tar_unpack_fini(u);
		return err_sys(err, ERR_NO_MEMORY, -r, "cannot unpack a layer");
	}
	return 0;
}

void tar_unpack_fini(struct tar_unpack *u)
{
	tree_fini(&u->tree);
	erofs_data_fini(&u->data);
	buf_fini(&u->xattrs);
	buf_fini(&u->pending);
}

/* The entry's path is shown without what could move a terminal's cursor. */
static int fail_path(const char *path, int sys, const char *what,
		     struct err *err)
{
	char shown[128];
	size_t n = 0;

	for (; n < sizeof(shown) - 4 && path[n]; n++)
		shown[n] = path[n] >= ' ' && path[n] < 0x7f ? path[n] : '?';
	if (path[n]) {
		memcpy(shown + n, "...", 3);
		n += 3;
	}
	shown[n] = '\0';
	return err_set(err, ERR_IMAGE, sys, "layer entry '%s': %s", shown,
		       what);
}

static int fail(struct archive_entry *e, int sys, const char *what,
		struct err *err)
{
	const char *path = archive_entry_pathname(e);

	return fail_path(path ? path : "", sys, what, err);
}

static int write_fail(int r, struct err *err)
{
	return err_sys(err, r == -ENOSPC ? ERR_NO_SPACE : ERR_IO, -r,
		       "cannot write a layer");
}

static int tree_fail(struct archive_entry *e, int r, struct err *err)
{
	switch (-r) {
	case ENOTDIR:
		return fail(e, ENOTDIR, "not a directory", err);
	case ELOOP:
		return fail(e, ELOOP, "too many symbolic links", err);
	case ENAMETOOLONG:
		return fail(e, ENAMETOOLONG, "path too long", err);
	case E2BIG:
		return fail(e, E2BIG, "path too deep", err);
	case EFBIG:
		return fail(e, EFBIG, "entry count exceeded", err);
	case ENOMEM:
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	default:
		return write_fail(r, err);
	}
}

static int take_xattrs(struct tar_unpack *u, struct archive_entry *e,
		       uint32_t node, struct err *err)
{
	const char *name;
	const void *value;
	unsigned n = 0;
	size_t len;
	int r;

	buf_reset(&u->xattrs);
	(void)archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &len) == ARCHIVE_OK) {
		r = name ? erofs_xattr_encode(&u->xattrs, name, value, len) : 0;
		if (r == -ENOMEM)
			return tree_fail(e, r, err);
		if (r < 0 || ++n > XATTRS_MAX)
			return fail(e, EINVAL, "unsound extended attributes",
				    err);
	}
	r = erofs_xattr_store(&u->tree, node, buf_data(&u->xattrs),
			      buf_len(&u->xattrs));
	return r ? tree_fail(e, r, err) : 0;
}

static void take_mtime(struct tree_node *n, struct archive_entry *e)
{
	long nsec = archive_entry_mtime_nsec(e);

	n->mtime = archive_entry_mtime(e);
	n->mtime_nsec = nsec >= 0 && nsec < NSEC_PER_SEC ? (uint32_t)nsec : 0;
	/* Before 1970 libarchive counts the fraction backwards, we do not. */
	if (n->mtime < 0 && n->mtime_nsec) {
		n->mtime--;
		n->mtime_nsec = NSEC_PER_SEC - n->mtime_nsec;
	}
}

/* What all types have. */
static int take_metadata(struct tar_unpack *u, struct archive_entry *e,
			 uint32_t node, struct err *err)
{
	int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e);
	struct tree_node *n = tree_node(&u->tree, node);

	if (uid < 0 || uid > UINT32_MAX || gid < 0 || gid > UINT32_MAX)
		return fail(e, ERANGE, "owner out of range", err);
	/* Symbolic links have no permissions, and say so like this. */
	n->mode &= S_IFMT;
	n->mode |= S_ISLNK(n->mode) ? 0777
				    : (uint16_t)(archive_entry_perm(e) & 07777);
	n->uid = (uint32_t)uid;
	n->gid = (uint32_t)gid;
	take_mtime(n, e);
	return take_xattrs(u, e, node, err);
}

/* Bytes of a file, which may leave some out: those are zeros. */
static int take_blocks(struct tar_unpack *u, struct archive *a,
		       struct archive_entry *e, uint64_t size, struct err *err)
{
	uint64_t pos = 0;
	int r, s = 0;

	for (;;) {
		const void *data;
		size_t len;
		la_int64_t at;

		r = archive_read_data_block(a, &data, &len, &at);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK)
			return fail(e, EBADMSG, archive_error_string(a), err);
		if (!len)
			continue;
		if (at < 0 || (uint64_t)at < pos || (uint64_t)at > size ||
		    len > size - (uint64_t)at)
			return fail(e, EBADMSG, "unsound file data", err);
		if ((uint64_t)at > pos)
			s = erofs_data_zero(&u->data, (uint64_t)at - pos);
		if (!s)
			s = erofs_data_put(&u->data, data, len);
		if (s)
			return tree_fail(e, s, err);
		pos = (uint64_t)at + len;
	}
	if (pos < size)
		s = erofs_data_zero(&u->data, size - pos);
	if (!s)
		s = erofs_data_end(&u->data);
	return s ? tree_fail(e, s, err) : 0;
}

static int take_file(struct tar_unpack *u, struct archive *a,
		     struct archive_entry *e, uint32_t node, struct err *err)
{
	int64_t size = archive_entry_size(e);
	struct tree_node *n = tree_node(&u->tree, node);

	if (size < 0)
		return fail(e, ERANGE, "negative size", err);
	if ((uint64_t)size > u->limits->file_bytes)
		return fail(e, EFBIG, "file too large", err);
	u->bytes += (uint64_t)size;
	if (u->bytes > u->limits->total_bytes)
		return fail(e, EFBIG, "total extracted size exceeded", err);
	n->size = (uint64_t)size;
	if (!size)
		return 0;
	n->block = erofs_data_block(&u->data);
	return take_blocks(u, a, e, (uint64_t)size, err);
}

static int take_symlink(struct tar_unpack *u, struct archive_entry *e,
			uint32_t node, struct err *err)
{
	const char *target = archive_entry_symlink(e);
	uint32_t text;
	size_t len;
	int r;

	if (!target || !*target)
		return fail(e, EINVAL, "symbolic link without a target", err);
	len = strlen(target);
	if (len > TREE_PATH_MAX)
		return fail(e, ENAMETOOLONG, "symlink target too long", err);
	r = tree_store(&u->tree, target, len, &text);
	if (r)
		return tree_fail(e, r, err);
	tree_node(&u->tree, node)->text = text;
	tree_node(&u->tree, node)->size = len;
	return 0;
}

static int take_device(struct tar_unpack *u, struct archive_entry *e,
		       uint32_t node, struct err *err)
{
	uint64_t major = archive_entry_rdevmajor(e);
	uint64_t minor = archive_entry_rdevminor(e);

	if (major > MAJOR_MAX || minor > MINOR_MAX)
		return fail(e, ERANGE, "device number out of range", err);
	tree_node(&u->tree, node)->rdev =
		(uint32_t)((minor & 0xff) | major << 8 |
			   (minor & ~0xffull) << 12);
	return 0;
}

/* A directory: a new one, or other metadata for one that is there. */
static int take_dir(struct tar_unpack *u, struct archive_entry *e, uint32_t dir,
		    struct err *err)
{
	struct tree *t = &u->tree;
	const struct tar_path *p = &u->path;
	uint32_t node = TREE_ROOT;
	int r;

	if (p->name_len)
		node = tree_lookup(t, dir, p->name, p->name_len);
	if (!node || !tree_is_dir(t, node)) {
		bool replaces = node != 0;

		r = tree_new_dir(t, dir, &node);
		if (!r)
			r = tree_link(t, dir, p->name, p->name_len, node);
		if (r)
			return tree_fail(e, r, err);
		/* What it replaces has hidden the lower directory. */
		if (replaces)
			tree_node(t, node)->flags |= TREE_OPAQUE;
	}
	tree_node(t, node)->flags &= (uint8_t)~TREE_IMPLICIT;
	return take_metadata(u, e, node, err);
}

static int take_whiteout(struct tar_unpack *u, struct archive_entry *e,
			 uint32_t dir, const char *name, size_t len,
			 struct err *err)
{
	struct tree *t = &u->tree;
	uint32_t node = tree_lookup(t, dir, name, len);
	int r = 0;

	if (!node) {
		r = tree_new_node(t, S_IFCHR, &node);
		if (!r)
			r = tree_link(t, dir, name, len, node);
	} else if (tree_is_dir(t, node)) {
		/* It is a new directory now, whatever the lower one was. */
		tree_node(t, node)->flags |= TREE_OPAQUE;
		tree_node(t, node)->flags &= (uint8_t)~TREE_IMPLICIT;
	}
	return r ? tree_fail(e, r, err) : 0;
}

/* Node of a hard link's target, which may be pending itself; 0 is none yet. */
static uint32_t link_target(struct tree *t, const struct tar_path *p)
{
	uint32_t dir, node;

	if (!p->name_len ||
	    tree_walk_dir(t, TREE_ROOT, p->text, TREE_WALK_FIND, &dir))
		return 0;
	node = tree_lookup(t, dir, p->name, p->name_len);
	return node && !tree_is_whiteout(tree_node(t, node)) ? node : 0;
}

static int take_hard_link(struct tar_unpack *u, struct archive_entry *e,
			  uint32_t dir, struct err *err)
{
	const char *text = archive_entry_hardlink(e);
	struct tree *t = &u->tree;
	struct tar_path target = { 0 };
	enum tar_path_error pe = tar_path_parse(text, &target);
	uint32_t node, stored, entry;
	int r = 0;

	if (pe)
		return fail(e, EINVAL, tar_path_error_text(pe), err);
	node = link_target(t, &target);
	if (node && tree_is_dir(t, node))
		return fail(e, EISDIR, "hard link to a directory", err);
	if (node && !(tree_node(t, node)->flags & TREE_PENDING)) {
		r = tree_link(t, dir, u->path.name, u->path.name_len, node);
		return r ? tree_fail(e, r, err) : 0;
	}
	r = tree_store(t, text, strlen(text), &stored);
	if (!r)
		r = tree_new_node(t, 0, &node);
	if (!r) {
		tree_node(t, node)->flags = TREE_PENDING;
		tree_node(t, node)->text = stored;
		r = tree_link(t, dir, u->path.name, u->path.name_len, node);
	}
	entry = tree_find(t, dir, u->path.name, u->path.name_len);
	if (!r)
		r = buf_append(&u->pending, &entry, sizeof(entry));
	return r ? tree_fail(e, r, err) : 0;
}

static int take_other(struct tar_unpack *u, struct archive *a,
		      struct archive_entry *e, uint32_t dir, struct err *err)
{
	unsigned type = archive_entry_filetype(e);
	uint32_t node;
	int r;

	r = tree_new_node(&u->tree, (uint16_t)type, &node);
	if (r)
		return tree_fail(e, r, err);
	r = take_metadata(u, e, node, err);
	if (!r && type == AE_IFREG)
		r = take_file(u, a, e, node, err);
	else if (!r && type == AE_IFLNK)
		r = take_symlink(u, e, node, err);
	else if (!r && (type == AE_IFCHR || type == AE_IFBLK))
		r = take_device(u, e, node, err);
	if (r)
		return r;
	/* The device that overlayfs takes for a whiteout is one. */
	if (tree_is_whiteout(tree_node(&u->tree, node)))
		return take_whiteout(u, e, dir, u->path.name, u->path.name_len,
				     err);
	r = tree_link(&u->tree, dir, u->path.name, u->path.name_len, node);
	return r ? tree_fail(e, r, err) : 0;
}

/* An entry that is there for its name; devices may have such names. */
static bool may_be_marker(struct archive_entry *e)
{
	return archive_entry_hardlink(e) ||
	       archive_entry_filetype(e) == AE_IFREG ||
	       archive_entry_filetype(e) == AE_IFLNK;
}

static int take_named(struct tar_unpack *u, struct archive *a,
		      struct archive_entry *e, uint32_t dir, struct err *err)
{
	size_t prefix = sizeof(TAR_WHITEOUT) - 1;

	if (may_be_marker(e)) {
		switch (tar_name_kind(u->path.name, u->path.name_len)) {
		case TAR_NAME_PLAIN:
			break;
		case TAR_NAME_WHITEOUT:
			return take_whiteout(u, e, dir, u->path.name + prefix,
					     u->path.name_len - prefix, err);
		case TAR_NAME_OPAQUE:
			tree_node(&u->tree, dir)->flags |= TREE_OPAQUE;
			return 0;
		case TAR_NAME_WRONG:
			return fail(e, EINVAL,
				    "whiteout of a directory entry "
				    "that every directory has",
				    err);
		}
	}
	if (archive_entry_hardlink(e))
		return take_hard_link(u, e, dir, err);
	return take_other(u, a, e, dir, err);
}

int tar_unpack_entry(struct tar_unpack *u, struct archive *a,
		     struct archive_entry *e, struct err *err)
{
	const char *text = archive_entry_pathname(e);
	bool is_dir = !archive_entry_hardlink(e) &&
		      archive_entry_filetype(e) == AE_IFDIR;
	enum tar_path_error pe;
	uint32_t dir = TREE_ROOT;
	int r;

	if (++u->entries > u->limits->entries)
		return fail(e, EFBIG, "entry count exceeded", err);
	if (!text)
		return fail(e, EINVAL, "entry without a path", err);
	pe = tar_path_parse(text, &u->path);
	if (pe)
		return fail(e, EINVAL, tar_path_error_text(pe), err);
	if (!u->path.name_len && !is_dir)
		return fail(e, EINVAL, "the root is not a directory", err);
	r = tree_walk_dir(&u->tree, TREE_ROOT, u->path.text, TREE_WALK_CREATE,
			  &dir);
	if (r)
		return tree_fail(e, r, err);
	return is_dir ? take_dir(u, e, dir, err)
		      : take_named(u, a, e, dir, err);
}

/* Follow a hard link of an unseen target through others of its kind. */
static int settle(struct tar_unpack *u, uint32_t entry, struct err *err)
{
	struct tree *t = &u->tree;
	uint32_t node = t->entries[entry].node;
	unsigned hops = 0;

	/* It may have been replaced, or taken out. */
	if (!t->entries[entry].dir)
		return 0;
	while (node && (tree_node(t, node)->flags & TREE_PENDING)) {
		const char *text = tree_text(t, tree_node(t, node)->text);

		if (++hops > LINK_HOPS || tar_path_parse(text, &u->path))
			node = 0;
		else
			node = link_target(t, &u->path);
		if (node && tree_is_dir(t, node))
			return fail_path(text, EISDIR,
					 "hard link to a directory", err);
		if (!node)
			return fail_path(text, ENOENT,
					 "hard link target not found", err);
	}
	t->entries[entry].node = node;
	return 0;
}

int tar_unpack_finish(struct tar_unpack *u, struct err *err)
{
	const uint8_t *list = buf_data(&u->pending);
	int r = 0;

	for (size_t i = 0; !r && i < buf_len(&u->pending);
	     i += sizeof(uint32_t)) {
		uint32_t entry;

		memcpy(&entry, list + i, sizeof(entry));
		r = settle(u, entry, err);
	}
	if (r)
		return r;
	r = erofs_data_flush(&u->data);
	return r ? write_fail(r, err) : 0;
}
