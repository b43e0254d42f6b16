/* SPDX-License-Identifier: Apache-2.0 */
/* Trees of a volume that are removed: without recursion, however deep. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/cancel.h"
#include "api/volume_fs_int.h"
#include "base/cleanup.h"
#include "base/str.h"

/* How often a directory may turn out not to be empty, since somebody else
 * writes to it. */
#define ROUNDS_MAX 128

/* A directory on the way down into a tree that is removed. */
struct level {
	uint64_t node;
	char *name; /* in the one above; NULL: the tree itself */
	unsigned rounds;
};

struct removal {
	struct volume_fs *v;
	struct level *levels;
	size_t n, cap;
	struct strv files; /* of the deepest level, to be removed */
	char *dir;	   /* in it, to be removed first */
};

enum { BATCH = 512 };

static int on_victim(void *ctx, const char *name, const struct fuse_attr *attr)
{
	struct removal *r = ctx;

	if (attr && S_ISDIR(attr->mode)) {
		r->dir = strdup(name);
		return r->dir ? 1 : -ENOMEM;
	}
	if (strv_add(&r->files, name))
		return -ENOMEM;
	return r->files.n == BATCH;
}

static int push_level(struct removal *r, uint64_t node, char *name)
{
	if (r->n == VOL_DEPTH_MAX)
		return -ENAMETOOLONG;
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 16;
		struct level *more =
			reallocarray(r->levels, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		r->levels = more;
		r->cap = cap;
	}
	r->levels[r->n++] = (struct level){ .node = node, .name = name };
	return 0;
}

/* The directory that was met; what has become something else meanwhile is a
 * file for the next round. */
static int descend(struct removal *r)
{
	struct fuse_entry_out e;
	char *name = take_ptr(r->dir);
	int rc = vol_lookup(r->v, r->levels[r->n - 1].node, name, &e);

	if (!rc) {
		vol_keep(r->v, e.nodeid);
		rc = S_ISDIR(e.attr.mode) ? push_level(r, e.nodeid, name)
					  : -EAGAIN;
		if (rc)
			vol_forget(r->v, e.nodeid);
	}
	if (rc)
		free(name);
	return rc == -ENOENT || rc == -EAGAIN ? 0 : rc;
}

static int remove_files(struct removal *r, uint64_t dir)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < r->files.n; i++) {
		rc = vol_unlink(r->v, dir, r->files.v[i], false);
		if (rc == -ENOENT || rc == -EISDIR)
			rc = 0; /* the next round looks again */
	}
	strv_fini(&r->files);
	return rc;
}

/* The deepest level is empty: it goes, and the one above is looked at again. */
static int ascend(struct removal *r)
{
	struct level *l = &r->levels[r->n - 1];
	int rc = 0;

	if (l->name) {
		rc = vol_unlink(r->v, r->levels[r->n - 2].node, l->name, true);
		if (rc == -ENOTEMPTY && ++l->rounds < ROUNDS_MAX)
			return 0;
		if (rc == -ENOENT)
			rc = 0;
		vol_forget(r->v, l->node);
		free(l->name);
	}
	r->n--;
	return rc;
}

int vol_empty_dir(struct volume_fs *v, uint64_t node)
{
	struct removal r = { .v = v };
	int rc = push_level(&r, node, NULL);

	while (!rc && r.n) {
		uint64_t dir = r.levels[r.n - 1].node;

		rc = cancel_check();
		if (rc)
			break;
		rc = vol_readdir(v, dir, on_victim, &r);
		if (rc >= 0 && r.files.n)
			rc = remove_files(&r, dir);
		else if (rc >= 0 && !r.dir)
			rc = ascend(&r);
		if (rc >= 0 && r.dir)
			rc = descend(&r);
		rc = rc < 0 ? rc : 0;
	}
	strv_fini(&r.files);
	free(r.dir);
	while (r.n-- > 1) {
		vol_forget(v, r.levels[r.n].node);
		free(r.levels[r.n].name);
	}
	free(r.levels);
	return rc;
}
