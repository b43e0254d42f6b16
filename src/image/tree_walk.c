/* SPDX-License-Identifier: Apache-2.0 */
/* Paths within a tree, through its symbolic links and never out of its root. */
#include <errno.h>
#include <string.h>

#include "image/tree.h"

#define WALK_MAX_LINKS 40u
/*
 * Over the life of a tree, bytes of symbolic links' targets: a million paths
 * through forty links of a thousand steps each would take hours.
 */
#define WALK_MAX_FOLLOWED (256ull << 20)

/*
 * What is left of the path. A symbolic link's target is put in front of the
 * rest, which moves to the end of the buffer for it; each walk has its own.
 */
struct walk {
	char rest[2 * TREE_PATH_MAX + 2];
	size_t pos; /* of the rest, which ends at the end of the buffer */
	unsigned links;
};

static int walk_put(struct walk *w, const char *text, size_t len)
{
	/* One byte more: the separator. */
	if (len + 1 > w->pos)
		return -ENAMETOOLONG;
	w->pos -= len + 1;
	memcpy(w->rest + w->pos, text, len);
	w->rest[w->pos + len] = '/';
	return 0;
}

/* The next component; false at the end. */
static bool walk_next(struct walk *w, const char **ret_name, size_t *ret_len)
{
	const char *end = w->rest + sizeof(w->rest);
	const char *p = w->rest + w->pos, *slash;

	while (p < end && *p == '/')
		p++;
	w->pos = (size_t)(p - w->rest);
	if (p == end)
		return false;
	slash = memchr(p, '/', (size_t)(end - p));
	if (!slash)
		slash = end;
	*ret_name = p;
	*ret_len = (size_t)(slash - p);
	w->pos += *ret_len;
	return true;
}

static int walk_link(struct tree *t, struct walk *w, uint32_t node,
		     uint32_t *dir)
{
	const char *target = tree_text(t, t->nodes[node].text);

	t->followed += t->nodes[node].size;
	if (++w->links > WALK_MAX_LINKS || t->followed > WALK_MAX_FOLLOWED)
		return -ELOOP;
	if (*target == '/')
		*dir = TREE_ROOT;
	return walk_put(w, target, t->nodes[node].size);
}

/* Make a directory where there is none; where the lower layers' name was taken
 * away, nothing of theirs shows through it. */
static int walk_make(struct tree *t, uint32_t dir, const char *name, size_t len,
		     uint32_t *ret)
{
	uint32_t before = tree_lookup(t, dir, name, len);
	int r = tree_new_dir(t, dir, ret);

	if (r)
		return r;
	if (before)
		t->nodes[*ret].flags = TREE_OPAQUE;
	return tree_link(t, dir, name, len, *ret);
}

/* One step; *node becomes what the name stands for, a link not yet followed. */
static int walk_step(struct tree *t, uint32_t dir, const char *name, size_t len,
		     enum tree_walk_mode mode, uint32_t *node)
{
	if (len == 1 && name[0] == '.') {
		*node = dir;
		return 0;
	}
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		*node = t->nodes[dir].parent;
		return 0;
	}
	if (len > TREE_NAME_MAX)
		return -ENAMETOOLONG;
	*node = tree_lookup(t, dir, name, len);
	if (*node && !tree_is_whiteout(tree_node(t, *node)))
		return 0;
	if (mode == TREE_WALK_FIND)
		return -ENOENT;
	return walk_make(t, dir, name, len, node);
}

static int walk(struct tree *t, uint32_t dir, const char *path,
		enum tree_walk_mode mode, uint32_t *ret)
{
	struct walk w = { .pos = sizeof(w.rest) };
	const char *name;
	size_t len;
	int r = walk_put(&w, path, strlen(path));

	if (!r && *path == '/')
		dir = TREE_ROOT;
	while (!r && walk_next(&w, &name, &len)) {
		uint32_t node;

		if (!tree_is_dir(t, dir))
			return -ENOTDIR;
		r = walk_step(t, dir, name, len, mode, &node);
		if (!r && S_ISLNK(t->nodes[node].mode))
			r = walk_link(t, &w, node, &dir);
		else if (!r)
			dir = node;
	}
	if (!r)
		*ret = dir;
	return r;
}

int tree_walk_dir(struct tree *t, uint32_t dir, const char *path,
		  enum tree_walk_mode mode, uint32_t *ret)
{
	uint32_t node;
	int r = walk(t, dir, path, mode, &node);

	if (r)
		return r;
	if (!tree_is_dir(t, node))
		return -ENOTDIR;
	*ret = node;
	return 0;
}

int tree_walk_file(struct tree *t, const char *path, uint32_t *ret)
{
	return walk(t, TREE_ROOT, path, TREE_WALK_FIND, ret);
}
