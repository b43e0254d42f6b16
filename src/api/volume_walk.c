/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths of a volume. Each part is looked up by itself below the directory that
 * was found before; links are read and their text walked, ".." goes back the
 * way that was come. So nobody who changes the tree meanwhile, be it the host
 * or a guest, can lead a walk out of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/volume_fs_int.h"

/* The rest of the way: of the path, or of a link's target and the path behind
 * it. */
struct rest {
	char *text; /* owned */
	const char *at;
	unsigned links;
};

static void part_fini(struct vol_part *p)
{
	free(p->name);
	memset(p, 0, sizeof(*p));
}

void vol_walk_fini(struct vol_walk *w)
{
	for (size_t i = 0; i < w->n; i++)
		part_fini(&w->parts[i]);
	free(w->parts);
	memset(w, 0, sizeof(*w));
}

uint64_t vol_walk_node(const struct vol_walk *w)
{
	return w->n ? w->parts[w->n - 1].node : FUSE_ROOT_ID;
}

uint64_t vol_walk_dir(const struct vol_walk *w)
{
	return w->n > 1 ? w->parts[w->n - 2].node : FUSE_ROOT_ID;
}

const char *vol_walk_name(const struct vol_walk *w)
{
	return w->parts[w->n - 1].name;
}

int vol_walk_attr(struct volume_fs *v, const struct vol_walk *w,
		  struct fuse_attr *ret)
{
	if (!w->n)
		return vol_getattr(v, FUSE_ROOT_ID, NULL, ret);
	*ret = w->parts[w->n - 1].attr;
	return 0;
}

static bool at_dir(const struct vol_walk *w)
{
	return !w->n || S_ISDIR(w->parts[w->n - 1].attr.mode);
}

static int push(struct vol_walk *w, const char *name, size_t len)
{
	struct vol_part *p;

	if (w->n == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 16;

		p = reallocarray(w->parts, cap, sizeof(*p));
		if (!p)
			return -ENOMEM;
		w->parts = p;
		w->cap = cap;
	}
	p = &w->parts[w->n];
	*p = (struct vol_part){ .name = strndup(name, len) };
	if (!p->name)
		return -ENOMEM;
	w->n++;
	return 0;
}

static void pop(struct vol_walk *w)
{
	part_fini(&w->parts[--w->n]);
}

/* Walk the target of the link at the end of w instead of it. */
static int enter_link(struct volume_fs *v, struct vol_walk *w, struct rest *t)
{
	char target[PATH_MAX];
	char *joined;
	int rc;

	if (++t->links > VOL_LINKS_MAX)
		return -ELOOP;
	rc = vol_readlink(v, vol_walk_node(w), target);
	if (rc < 0)
		return rc;
	/* its author means another root than the volume's */
	if (target[0] == '/')
		return -EXDEV;
	if (strlen(t->at) + (size_t)rc >= 2 * PATH_MAX)
		return -ENAMETOOLONG;
	joined = str_fmt("%s/%s", target, t->at);
	if (!joined)
		return -ENOMEM;
	/* "link" is the file even if that is none, "link/" its directory */
	if (!*t->at)
		joined[rc] = 0;
	free(t->text);
	t->text = joined;
	t->at = joined;
	pop(w);
	return 0;
}

/* The part just pushed: find it, or make it. */
static int find(struct volume_fs *v, struct vol_walk *w, unsigned flags,
		bool last)
{
	struct vol_part *p = &w->parts[w->n - 1];
	struct fuse_entry_out e;
	int rc = vol_lookup(v, vol_walk_dir(w), p->name, &e);

	if (rc == -ENOENT && (flags & WALK_MAKE)) {
		rc = vol_mkdir(v, vol_walk_dir(w), p->name, &e);
		if (rc == -EEXIST) /* somebody was faster */
			rc = vol_lookup(v, vol_walk_dir(w), p->name, &e);
	}
	if (rc == -ENOENT && last && (flags & WALK_NEW))
		return 0;
	if (rc)
		return rc;
	p->node = e.nodeid;
	p->attr = e.attr;
	return 0;
}

/* One part of the path, of len bytes at t->at. */
static int step(struct volume_fs *v, struct vol_walk *w, unsigned flags,
		struct rest *t, size_t len)
{
	const char *name = t->at;
	bool last;
	int rc;

	if (!at_dir(w))
		return -ENOTDIR;
	t->at += len;
	w->slash = *t->at == '/';
	while (*t->at == '/')
		t->at++;
	last = !*t->at;
	w->dots = name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
	if (w->dots) {
		if (len == 2 && !w->n)
			return -EXDEV;
		if (len == 2)
			pop(w);
		return 0;
	}
	if (len > FS_NAME_MAX)
		return -ENAMETOOLONG;
	rc = push(w, name, len);
	if (!rc)
		rc = find(v, w, flags, last);
	if (rc || !vol_walk_node(w) || !S_ISLNK(w->parts[w->n - 1].attr.mode) ||
	    (last && !w->slash && !(flags & WALK_FOLLOW)))
		return rc;
	return enter_link(v, w, t);
}

int vol_walk(struct volume_fs *v, const char *path, unsigned flags,
	     struct vol_walk *ret)
{
	struct rest t = { 0 };
	int rc = 0;

	*ret = (struct vol_walk){ 0 };
	if (!*path)
		return -ENOENT;
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	t.text = strdup(path);
	if (!t.text)
		return -ENOMEM;
	t.at = t.text + strspn(t.text, "/");
	while (!rc && *t.at)
		rc = step(v, ret, flags, &t, strcspn(t.at, "/"));
	free(t.text);
	/* a "/" at the end is only a directory's */
	if (!rc && ret->slash && vol_walk_node(ret) && !at_dir(ret))
		rc = -ENOTDIR;
	return rc;
}
