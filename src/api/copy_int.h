/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying trees between two ends, each of them the host or a guest.
 *
 * An end has a root, the file or directory that is copied or made, and names
 * what is below it by a relative path: parts from listings, which are plain
 * names, joined by '/'; "" is the root itself.
 */
#ifndef MSB_API_COPY_INT_H
#define MSB_API_COPY_INT_H

#include "api/api_int.h"

struct copy_node {
	msb_fs_kind_t kind;
	uint32_t mode; /* permission bits */
	int64_t mtime_s;
};

typedef int (*copy_entry_fn)(void *ctx, const char *name,
			     const struct copy_node *node, struct err *err);
typedef int (*copy_sink_fn)(void *ctx, const void *data, size_t len,
			    struct err *err);

struct copy_end;

struct copy_ops {
	void (*free)(struct copy_end *e);
	/* What a path of the user's is, its last link followed. -ENOENT. */
	int (*look)(struct copy_end *e, const char *path, struct copy_node *ret,
		    struct err *err);
	/* Its canonical form, malloc'ed. */
	int (*canonical)(struct copy_end *e, const char *path, char **ret,
			 struct err *err);

	/* The source's root is path, which exists. */
	int (*from)(struct copy_end *e, const char *path,
		    const struct copy_node *node, struct err *err);
	int (*list)(struct copy_end *e, const char *rel, copy_entry_fn fn,
		    void *ctx, struct err *err);
	int (*read)(struct copy_end *e, const char *rel, copy_sink_fn sink,
		    void *ctx, struct err *err);
	int (*read_link)(struct copy_end *e, const char *rel, char **ret,
			 struct err *err);

	/* The destination's root is path, or name in the directory path. */
	int (*to)(struct copy_end *e, const char *path, const char *name,
		  struct err *err);
	/* 1 made, 0 it is there */
	int (*make_dir)(struct copy_end *e, const char *rel, struct err *err);
	int (*make_link)(struct copy_end *e, const char *rel,
			 const char *target, struct err *err);
	/* One file at a time: create, write..., then finish or abandon. */
	int (*create)(struct copy_end *e, const char *rel,
		      const struct copy_node *node, struct err *err);
	int (*write)(struct copy_end *e, const void *data, size_t len,
		     struct err *err);
	int (*finish)(struct copy_end *e, const struct copy_node *node,
		      struct err *err);
	void (*abandon)(struct copy_end *e);
	/* Of a directory that was made, when all is in it. */
	int (*finish_dir)(struct copy_end *e, const char *rel,
			  const struct copy_node *node, struct err *err);
};

struct copy_end {
	const struct copy_ops *ops;
	bool confined; /* a destination whose links must not lead out of it */
};

int copy_host_new(struct copy_end **ret, struct err *err);
int copy_guest_new(const msb_t *m, const char *sandbox, struct copy_end **ret,
		   struct err *err);

/* "<dir>/<name>", or name when dir is ""; malloc'ed. */
char *copy_join(const char *dir, const char *name);

/* Does a link at rel with this target stay below the root? */
bool copy_link_stays(const char *rel, const char *target);

#endif
