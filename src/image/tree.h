/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file tree in memory: what a layer's archive says, and what layers amount
 * to together. File data is not in it, only where it is.
 *
 * Made for a million entries: nodes and names are 32-bit indices into arrays
 * that only grow, up to ceilings given at birth, and nothing is ever given
 * back. What is taken out of the tree is merely not found any more, so an index
 * that somebody still holds stays harmless. Index 0 is "none", TREE_ROOT is
 * the root directory.
 */
#ifndef MSB_IMAGE_TREE_H
#define MSB_IMAGE_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

#define TREE_ROOT 1u
#define TREE_NO_BLOCK UINT32_MAX /* a file without data */
#define TREE_NAME_MAX 255u
#define TREE_PATH_MAX 4096u
#define TREE_DEPTH_MAX 128u

enum tree_flag {
	/* A directory that was only needed as a parent: it has no metadata. */
	TREE_IMPLICIT = 1,
	/* A directory that hides what lower layers have below it. */
	TREE_OPAQUE = 2,
	/* A hard link whose target has not been seen: mode is 0, text the
	 * target. */
	TREE_PENDING = 4,
};

struct tree_node {
	uint64_t size; /* bytes of a file or symbolic link */
	int64_t mtime;
	uint32_t mtime_nsec;
	uint32_t uid, gid;
	uint32_t nlink;	 /* known once the tree is laid out */
	uint32_t rdev;	 /* devices, in the kernel's encoding */
	uint32_t block;	 /* regular files: of their first byte */
	uint32_t text;	 /* arena: target of a symbolic link */
	uint32_t xattr;	 /* arena: an xattr body, see erofs_xattr.h; or 0 */
	uint32_t child;	 /* directories: first entry */
	uint32_t parent; /* directories: node of the parent */
	uint32_t nid;	 /* of the writer */
	uint16_t mode;
	uint8_t flags;
	uint8_t depth; /* directories: below the root */
};

/* A name. */
struct tree_entry {
	uint32_t dir, node;
	uint32_t next, prev; /* in its directory */
	uint32_t hash_next;
	uint32_t name; /* arena */
	uint8_t name_len;
};

struct tree {
	struct tree_node *nodes;
	struct tree_entry *entries;
	uint32_t *buckets; /* of entries, by directory and name */
	char *arena;
	uint32_t nnodes, node_cap, nentries, entry_cap, nbuckets;
	uint32_t arena_len, arena_cap;
	uint32_t max_nodes, max_arena;
	uint64_t followed; /* bytes of symbolic links, see tree_walk.c */
	uint64_t key[2];
};

/* The root is an implicit directory. */
int tree_init(struct tree *t, uint32_t max_nodes, uint32_t max_arena);
void tree_fini(struct tree *t);

static inline struct tree_node *tree_node(const struct tree *t, uint32_t i)
{
	return &t->nodes[i];
}

static inline bool tree_is_dir(const struct tree *t, uint32_t node)
{
	return S_ISDIR(t->nodes[node].mode);
}

static inline bool tree_is_whiteout(const struct tree_node *n)
{
	return S_ISCHR(n->mode) && n->rdev == 0;
}

static inline const char *tree_text(const struct tree *t, uint32_t offset)
{
	return t->arena + offset;
}

/* Copy bytes into the arena, which moves: offsets stay, pointers do not.
 * -ENOMEM, -EFBIG at the ceiling. A NUL is put behind them. */
int tree_store(struct tree *t, const void *data, size_t len, uint32_t *ret);
/* As tree_store, to be filled through the pointer at once. */
int tree_reserve(struct tree *t, size_t len, uint32_t *ret, char **ret_data);

/* A node that has no name yet; likewise pointers to nodes do not last. */
int tree_new_node(struct tree *t, uint16_t mode, uint32_t *ret);
/* An implicit directory; -E2BIG when it would lie too deep. */
int tree_new_dir(struct tree *t, uint32_t parent, uint32_t *ret);

/* Entry of a name, or 0. */
uint32_t tree_find(const struct tree *t, uint32_t dir, const char *name,
		   size_t len);
/* Node of a name, or 0. */
uint32_t tree_lookup(const struct tree *t, uint32_t dir, const char *name,
		     size_t len);
/* Give a node a name, whose earlier node it loses with all below. The name is
 * one path component. */
int tree_link(struct tree *t, uint32_t dir, const char *name, size_t len,
	      uint32_t node);
void tree_unlink(struct tree *t, uint32_t entry);
/* Take out all entries of a directory. */
void tree_clear(struct tree *t, uint32_t dir);
/* Order a directory's entries by the bytes of their names. */
int tree_sort(struct tree *t, uint32_t dir);

enum tree_walk_mode {
	TREE_WALK_FIND,	  /* -ENOENT when something is missing */
	TREE_WALK_CREATE, /* missing directories are made, implicit ones */
};
/*
 * Follow a path of a symbolic link or an archive from a directory on, through
 * symbolic links, never out of the root. *ret is a directory; -ENOTDIR, -ELOOP.
 */
int tree_walk_dir(struct tree *t, uint32_t dir, const char *path,
		  enum tree_walk_mode mode, uint32_t *ret);
/* The file a path comes to in the end, following a last symbolic link too. */
int tree_walk_file(struct tree *t, const char *path, uint32_t *ret);

#endif
