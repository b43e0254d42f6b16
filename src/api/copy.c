/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying files and trees: where a copy goes, and the walk over it.
 *
 * The walk is a stack of directories, not recursion: how deep a tree is, is the
 * guest's choice. What one entry fails with is told and skipped; what concerns
 * all of them ends the copy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/cancel.h"
#include "api/copy_int.h"
#include "base/buf.h"

#define PENDING_MAX (256u << 20) /* bytes of directories still to be copied */
#define LISTING_MAX (128u << 20) /* bytes of the entries of one */

char *copy_join(const char *dir, const char *name)
{
	size_t len = strlen(dir);

	if (!*dir)
		return strdup(name);
	if (!*name)
		return strdup(dir);
	return str_fmt("%s%s%s", dir, dir[len - 1] == '/' ? "" : "/", name);
}

/*
 * Only a target that goes up first and then down is judged: with "..", behind
 * a name, where it leads depends on what that name is by then. Going up stays
 * below the root, as what is above a link are directories that we made; going
 * down meets links for which the same holds.
 */
bool copy_link_stays(const char *rel, const char *target)
{
	size_t depth = 0;
	bool down = false;

	if (!*target || *target == '/')
		return false;
	for (; *rel; rel++)
		depth += *rel == '/';
	for (const char *p = target; *p; p += *p == '/') {
		size_t part = strcspn(p, "/");

		if (part == 2 && !strncmp(p, "..", 2)) {
			if (down || !depth)
				return false;
			depth--;
		} else if (part && !(part == 1 && *p == '.')) {
			down = true;
		}
		p += part;
	}
	return true;
}

struct pending {
	char *rel; /* owned */
	struct copy_node node;
	bool leave; /* all that is in it was copied */
};

struct copier {
	struct copy_end *from, *to;
	const char *from_path;
	const msb_copy_options_t *o;
	struct pending *stack;
	size_t depth, room, bytes;
	struct buf listing; /* of the directory being copied: struct entry */
	uint64_t skipped;
};

/* In the listing, followed by the name with its NUL. */
struct entry {
	struct copy_node node;
	size_t name_len;
};

/* What no other entry will fare better with. */
static bool is_fatal(const struct err *err)
{
	switch ((int)err->kind) {
	case ERR_IO:
	case ERR_FS:
	case ERR_FS_NOT_FOUND:
	case ERR_PERMISSION:
	case ERR_INVALID:
		return err->sys == ENOSPC || err->sys == EDQUOT ||
		       err->sys == EIO || err->sys == EMFILE ||
		       err->sys == ECANCELED;
	default:
		return true;
	}
}

static void skip(struct copier *c, const char *rel, const char *why)
{
	autofree char *path = copy_join(c->from_path, rel);

	c->skipped++;
	if (c->o && c->o->skipped)
		c->o->skipped(c->o->ctx, path ? path : rel, why);
}

/* A failure with one entry: 0 to go on. */
static int failed(struct copier *c, const char *rel, int rc, struct err *err)
{
	if (is_fatal(err))
		return rc;
	skip(c, rel, err->msg);
	err_clear(err);
	return 0;
}

/* ---- one entry ---------------------------------------------------------- */

static int to_destination(void *ctx, const void *data, size_t len,
			  struct err *err)
{
	struct copy_end *to = ctx;

	if (cancel_requested())
		return err_sys(err, ERR_IO, ECANCELED, "copy");
	return to->ops->write(to, data, len, err);
}

static int copy_file(struct copier *c, const char *rel,
		     const struct copy_node *node, struct err *err)
{
	int rc = c->to->ops->create(c->to, rel, node, err);

	if (rc)
		return rc;
	rc = c->from->ops->read(c->from, rel, to_destination, c->to, err);
	if (!rc)
		return c->to->ops->finish(c->to, node, err);
	c->to->ops->abandon(c->to);
	return rc;
}

static int copy_link(struct copier *c, const char *rel, struct err *err)
{
	autofree char *target = NULL;
	int rc = c->from->ops->read_link(c->from, rel, &target, err);

	if (rc)
		return rc;
	if (c->to->confined && !copy_link_stays(rel, target))
		return err_set(err, ERR_INVALID, ELOOP,
			       "the link leads outside of the copy: %.200s",
			       target);
	return c->to->ops->make_link(c->to, rel, target, err);
}

/* Takes rel. */
static int push(struct copier *c, char *rel, const struct copy_node *node,
		bool leave, struct err *err)
{
	struct pending *list = c->stack;
	size_t bytes = sizeof(*list) + (rel ? strlen(rel) : 0);

	if (rel && c->depth == c->room) {
		list = reallocarray(list, c->room * 2 + 16, sizeof(*list));
		if (list) {
			c->stack = list;
			c->room = c->room * 2 + 16;
		}
	}
	if (!rel || !list || c->bytes + bytes > PENDING_MAX) {
		free(rel);
		return api_no_memory(err);
	}
	c->bytes += bytes;
	list[c->depth++] = (struct pending){ rel, *node, leave };
	return 0;
}

static int copy_entry(struct copier *c, const char *dir, const char *name,
		      const struct copy_node *node, struct err *err)
{
	autofree char *rel = copy_join(dir, name);
	int rc;

	if (!rel)
		return api_no_memory(err);
	switch (node->kind) {
	case MSB_FS_DIR:
		return push(c, take_ptr(rel), node, false, err);
	case MSB_FS_FILE:
		rc = copy_file(c, rel, node, err);
		break;
	case MSB_FS_SYMLINK:
		rc = copy_link(c, rel, err);
		break;
	case MSB_FS_OTHER:
	default:
		skip(c, rel, "neither a file nor a directory nor a link");
		return 0;
	}
	return rc ? failed(c, rel, rc, err) : 0;
}

/* ---- the tree ----------------------------------------------------------- */

static int on_entry(void *ctx, const char *name, const struct copy_node *node,
		    struct err *err)
{
	struct copier *c = ctx;
	const struct entry e = { *node, strlen(name) };

	(void)buf_append(&c->listing, &e, sizeof(e));
	if (buf_append(&c->listing, name, e.name_len + 1))
		return err_set(err, ERR_NO_MEMORY, EFBIG,
			       "directory has too many entries");
	return 0;
}

static int copy_listed(struct copier *c, const char *rel, struct err *err)
{
	const uint8_t *p = buf_data(&c->listing);
	const uint8_t *end = p + buf_len(&c->listing);
	int rc = 0;

	while (!rc && p < end) {
		struct entry e;

		memcpy(&e, p, sizeof(e));
		p += sizeof(e);
		rc = cancel_requested()
			     ? err_sys(err, ERR_IO, ECANCELED, "copy")
			     : copy_entry(c, rel, (const char *)p, &e.node,
					  err);
		p += e.name_len + 1;
	}
	return rc;
}

/* Listed before it is made: where both are one directory under two names, the
 * copy does not find itself. */
static int copy_dir(struct copier *c, const char *rel,
		    const struct copy_node *node, struct err *err)
{
	int rc;

	buf_reset(&c->listing);
	rc = c->from->ops->list(c->from, rel, on_entry, c, err);
	if (rc)
		return rc;
	rc = c->to->ops->make_dir(c->to, rel, err);
	if (rc > 0)
		rc = push(c, strdup(rel), node, true, err);
	return rc ? rc : copy_listed(c, rel, err);
}

static int copy_tree(struct copier *c, const struct copy_node *root,
		     struct err *err)
{
	int rc = push(c, strdup(""), root, false, err);

	while (!rc && c->depth) {
		struct pending p = c->stack[--c->depth];
		bool is_root = !*p.rel && !p.leave;

		c->bytes -= sizeof(p) + strlen(p.rel);
		rc = p.leave ? c->to->ops->finish_dir(c->to, p.rel, &p.node,
						      err)
			     : copy_dir(c, p.rel, &p.node, err);
		if (rc && !is_root)
			rc = failed(c, p.rel, rc, err);
		free(p.rel);
	}
	return rc;
}

/* ---- where it goes ------------------------------------------------------ */

/* Length of path without slashes at its end, at least 1. */
static size_t trimmed(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return len;
}

static bool wants_contents(const char *path)
{
	size_t len = trimmed(path);

	return (len == 1 && path[0] == '.') ||
	       (len > 1 && path[len - 1] == '.' && path[len - 2] == '/');
}

/* Last part of path; malloc'ed, "" for a root directory. */
static int base_name(struct copy_end *e, const char *path, char **ret,
		     struct err *err)
{
	autofree char *real = NULL;
	size_t len = trimmed(path);
	const char *slash = memrchr(path, '/', len);
	const char *start = slash ? slash + 1 : path;
	int rc;

	len -= (size_t)(start - path);
	if (len == 2 && !strncmp(start, "..", 2)) {
		rc = e->ops->canonical(e, path, &real, err);
		if (rc)
			return rc;
		slash = strrchr(real, '/');
		start = slash ? slash + 1 : real;
		len = strlen(start);
	}
	if (!strncmp(start, "..", len)) /* ".", and what a guest may say */
		len = 0;
	*ret = strndup(start, len);
	return *ret ? 0 : api_no_memory(err);
}

static int not_dir(const char *path, struct err *err)
{
	return err_set(err, ERR_INVALID, ENOTDIR, "not a directory: %.300s",
		       path);
}

/* The root becomes name in the directory that path has in front of it. */
static int to_new(struct copy_end *to, const char *path, bool dir,
		  struct err *err)
{
	size_t len = trimmed(path);
	const char *slash = memrchr(path, '/', len);
	autofree char *parent = NULL;
	autofree char *name = NULL;
	struct copy_node node;
	int rc;

	if (path[len] && !dir)
		return err_set(err, ERR_INVALID, ENOENT,
			       "directory does not exist: %.300s", path);
	parent =
		slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	name = slash ? strndup(slash + 1, len - (size_t)(slash + 1 - path))
		     : strndup(path, len);
	if (!parent || !name)
		return api_no_memory(err);
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return not_dir(path, err);
	rc = to->ops->look(to, parent, &node, err);
	if (rc)
		return rc;
	return node.kind == MSB_FS_DIR ? to->ops->to(to, parent, name, err)
				       : not_dir(parent, err);
}

/* path exists and is a directory: into it, or over it. */
static int to_dir(struct copier *c, const char *from, const char *path,
		  bool dir, struct err *err)
{
	autofree char *name = NULL;
	autofree char *full = NULL;
	struct err absent = { 0 };
	struct copy_node node;
	int rc;

	if (dir && wants_contents(from))
		return c->to->ops->to(c->to, path, NULL, err);
	rc = base_name(c->from, from, &name, err);
	if (rc)
		return rc;
	if (!*name) /* all of a root directory */
		return c->to->ops->to(c->to, path, NULL, err);
	full = copy_join(path, name);
	if (!full)
		return api_no_memory(err);
	rc = c->to->ops->look(c->to, full, &node, &absent);
	if (!rc && dir != (node.kind == MSB_FS_DIR))
		return err_set(err, ERR_INVALID, dir ? ENOTDIR : EISDIR,
			       dir ? "not a directory: %.300s"
				   : "is a directory: %.300s",
			       full);
	return c->to->ops->to(c->to, path, name, err);
}

static int find_place(struct copier *c, const char *from, const char *path,
		      bool dir, struct err *err)
{
	struct err absent = { 0 };
	struct copy_node node;
	int rc = c->to->ops->look(c->to, path, &node, &absent);

	if (rc == -ENOENT)
		return to_new(c->to, path, dir, err);
	if (rc) {
		*err = absent;
		return rc;
	}
	if (node.kind == MSB_FS_DIR)
		return to_dir(c, from, path, dir, err);
	if (dir || path[trimmed(path)])
		return not_dir(path, err);
	return c->to->ops->to(c->to, path, NULL, err);
}

/* A directory copied into itself would never end. */
static int check_nesting(struct copier *c, const char *from, const char *path,
			 struct err *err)
{
	autofree char *a = NULL;
	autofree char *b = NULL;
	size_t len;
	int rc = c->from->ops->canonical(c->from, from, &a, err);

	if (rc)
		return rc;
	if (c->to->ops->canonical(c->to, path, &b, NULL))
		return 0; /* not even its directory is there: told later */
	len = strlen(a);
	if (len > 1 && (strncmp(a, b, len) != 0 || (b[len] && b[len] != '/')))
		return 0;
	return err_set(err, ERR_INVALID, EINVAL,
		       "cannot copy a directory into itself: %.300s", from);
}

static int copy(struct copier *c, const char *from, const char *path,
		bool same_end, struct err *err)
{
	struct copy_node node;
	bool dir;
	int rc;

	if (!*from || !*path)
		return err_set(err, ERR_INVALID, EINVAL,
			       "path to copy must not be empty");
	rc = c->from->ops->look(c->from, from, &node, err);
	if (rc)
		return rc;
	dir = node.kind == MSB_FS_DIR;
	if (!dir && node.kind != MSB_FS_FILE)
		return err_set(err, ERR_INVALID, EINVAL,
			       "neither a file nor a directory: %.300s", from);
	if (!dir && from[trimmed(from)])
		return not_dir(from, err);
	if (dir && same_end)
		rc = check_nesting(c, from, path, err);
	if (!rc)
		rc = find_place(c, from, path, dir, err);
	if (!rc)
		rc = c->from->ops->from(c->from, from, &node, err);
	if (rc)
		return rc;
	return dir ? copy_tree(c, &node, err) : copy_file(c, "", &node, err);
}

static int open_end(msb_sandbox_t *s, struct copy_end **ret, struct err *err)
{
	return s ? copy_guest_new(s->m, s->name, ret, err)
		 : copy_host_new(ret, err);
}

static void copier_fini(struct copier *c)
{
	if (c->from)
		c->from->ops->free(c->from);
	if (c->to)
		c->to->ops->free(c->to);
	for (size_t i = 0; i < c->depth; i++)
		free(c->stack[i].rel);
	free(c->stack);
	buf_fini(&c->listing);
}

int64_t msb_copy(msb_sandbox_t *from, const char *from_path, msb_sandbox_t *to,
		 const char *to_path, const msb_copy_options_t *o,
		 msb_error_t **ret_err)
{
	struct copier c = { .from_path = from_path, .o = o };
	bool same =
		(!from && !to) || (from && to && !strcmp(from->name, to->name));
	struct err err = { 0 };
	int rc;

	buf_init(&c.listing, LISTING_MAX);
	rc = open_end(from, &c.from, &err);
	if (!rc)
		rc = open_end(to, &c.to, &err);
	if (!rc)
		rc = copy(&c, from_path, to_path, same, &err);
	copier_fini(&c);
	if (rc)
		return api_fail_err(&err, rc, ret_err);
	return c.skipped > INT64_MAX ? INT64_MAX : (int64_t)c.skipped;
}
