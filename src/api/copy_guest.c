/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's end of a copy, by way of its agent. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/copy_int.h"
#include "api/fs_int.h"

#define LINK_MAX_LEN 4096u

struct guest_end {
	struct copy_end end;
	struct msb_fs fs;
	char *root;
	uint64_t handle; /* of the file being written */
	uint32_t write;	 /* id of its transfer */
	char *writing;	 /* its path */
};

static struct guest_end *guest_of(struct copy_end *e)
{
	return container_of(e, struct guest_end, end);
}

static void guest_free(struct copy_end *e)
{
	struct guest_end *g = guest_of(e);

	fs_disconnect(&g->fs);
	free(g->root);
	free(g->writing);
	free(g);
}

/* Says which path the guest's words are about; passes rc on. */
static int about(int rc, const char *path, struct err *err)
{
	if (rc < 0 && err)
		err_prefix(err, "%.200s", path);
	return rc;
}

static struct copy_node node_of(const msb_fs_info_t *i)
{
	return (struct copy_node){ .kind = i->kind,
				   .mode = i->mode,
				   .mtime_s = i->mtime_s };
}

static int guest_look(struct copy_end *e, const char *path,
		      struct copy_node *ret, struct err *err)
{
	struct guest_end *g = guest_of(e);
	msb_fs_info_t info;
	int rc = fs_stat(&g->fs, path, true, &info, err);

	if (!rc)
		*ret = node_of(&info);
	return about(rc, path, err);
}

static int guest_canonical(struct copy_end *e, const char *path, char **ret,
			   struct err *err)
{
	struct guest_end *g = guest_of(e);

	return about(fs_path_answer(&g->fs, MSG_FS_REAL_PATH, path, ret, err),
		     path, err);
}

static int set_root(struct guest_end *g, const char *path, const char *name,
		    struct err *err)
{
	g->root = name ? copy_join(path, name) : strdup(path);
	return g->root ? 0 : api_no_memory(err);
}

static char *full_path(const struct guest_end *g, const char *rel)
{
	return *rel ? copy_join(g->root, rel) : strdup(g->root);
}

/* ---- source ------------------------------------------------------------- */

static int guest_from(struct copy_end *e, const char *path,
		      const struct copy_node *node, struct err *err)
{
	(void)node;
	return set_root(guest_of(e), path, NULL, err);
}

struct listing {
	copy_entry_fn fn;
	void *ctx;
};

static int on_entry(void *ctx, const char *name, const msb_fs_info_t *info,
		    struct err *err)
{
	const struct listing *l = ctx;
	struct copy_node node = node_of(info);

	return l->fn(l->ctx, name, &node, err);
}

static int guest_list(struct copy_end *e, const char *rel, copy_entry_fn fn,
		      void *ctx, struct err *err)
{
	struct guest_end *g = guest_of(e);
	autofree char *path = full_path(g, rel);
	struct listing l = { fn, ctx };

	if (!path)
		return api_no_memory(err);
	return about(fs_list_dir(&g->fs, path, on_entry, &l, err), path, err);
}

static int guest_read(struct copy_end *e, const char *rel, copy_sink_fn sink,
		      void *ctx, struct err *err)
{
	const struct msg_fs_open o = { .read = true };
	struct guest_end *g = guest_of(e);
	autofree char *path = full_path(g, rel);
	uint64_t handle;
	int rc;

	if (!path)
		return api_no_memory(err);
	rc = fs_open_handle(&g->fs, path, &o, &handle, err);
	if (rc)
		return about(rc, path, err);
	rc = fs_get(&g->fs, handle, 0, UINT64_MAX, true, sink, ctx, err);
	/* An error of the sink speaks of its own path. */
	return err->kind == ERR_FS || err->kind == ERR_FS_NOT_FOUND
		       ? about(rc, path, err)
		       : rc;
}

static int guest_read_link(struct copy_end *e, const char *rel, char **ret,
			   struct err *err)
{
	struct guest_end *g = guest_of(e);
	autofree char *path = full_path(g, rel);
	int rc = path ? fs_path_answer(&g->fs, MSG_FS_READ_LINK, path, ret, err)
		      : api_no_memory(err);

	if (!rc && strlen(*ret) > LINK_MAX_LEN) {
		free(*ret);
		rc = err_set(err, ERR_FS, ENAMETOOLONG,
			     "target of the link is too long");
	}
	return path ? about(rc, path, err) : rc;
}

/* ---- destination -------------------------------------------------------- */

static int guest_to(struct copy_end *e, const char *path, const char *name,
		    struct err *err)
{
	return set_root(guest_of(e), path, name, err);
}

static int plain(struct guest_end *g, const struct msg_fs_request *m,
		 const char *path, struct err *err)
{
	struct msg_fs_response a;

	return about(fs_call(&g->fs, m, &a, err), path, err);
}

static int guest_make_dir(struct copy_end *e, const char *rel, struct err *err)
{
	struct guest_end *g = guest_of(e);
	autofree char *path = full_path(g, rel);
	struct msg_fs_request m = { .op = MSG_FS_MKDIR,
				    .mode = { true, 0700 } };
	struct err absent = { 0 };
	msb_fs_info_t info;
	int rc;

	if (!path)
		return api_no_memory(err);
	rc = fs_stat(&g->fs, path, true, &info, &absent);
	if (!rc && info.kind == MSB_FS_DIR)
		return 0;
	if (!rc)
		return about(err_set(err, ERR_FS, ENOTDIR,
				     "is there and is no directory"),
			     path, err);
	if (rc != -ENOENT) {
		*err = absent;
		return about(rc, path, err);
	}
	m.path = view_cstr(path);
	rc = plain(g, &m, path, err);
	return rc ? rc : 1;
}

static int guest_make_link(struct copy_end *e, const char *rel,
			   const char *target, struct err *err)
{
	struct guest_end *g = guest_of(e);
	autofree char *path = full_path(g, rel);
	struct msg_fs_request m = { .op = MSG_FS_SYMLINK,
				    .target = view_cstr(target) };
	struct msg_fs_request old = { .op = MSG_FS_REMOVE };
	struct msg_fs_response a;
	int rc;

	if (!path)
		return api_no_memory(err);
	m.path = old.path = view_cstr(path);
	rc = fs_call(&g->fs, &m, &a, err);
	if (rc == -EEXIST && !plain(g, &old, path, err))
		rc = fs_call(&g->fs, &m, &a, err);
	return about(rc, path, err);
}

static int guest_create(struct copy_end *e, const char *rel,
			const struct copy_node *node, struct err *err)
{
	const struct msg_fs_open o = { .write = true,
				       .create = true,
				       .truncate = true,
				       .mode = { true, node->mode } };
	struct msg_fs_request m = { .op = MSG_FS_WRITE };
	struct guest_end *g = guest_of(e);
	int rc;

	g->writing = full_path(g, rel);
	if (!g->writing)
		return api_no_memory(err);
	rc = fs_open_handle(&g->fs, g->writing, &o, &g->handle, err);
	if (!rc) {
		m.handle = g->handle;
		rc = fs_begin(&g->fs, &m, &g->write, err);
	}
	if (!rc)
		return 0;
	(void)about(rc, g->writing, err);
	free(take_ptr(g->writing));
	return rc;
}

static int guest_write(struct copy_end *e, const void *data, size_t len,
		       struct err *err)
{
	struct guest_end *g = guest_of(e);
	const uint8_t *p = data;
	int rc = 0;

	while (!rc && len) {
		size_t n = len < FS_CHUNK ? len : FS_CHUNK;

		rc = fs_put(&g->fs, g->write, p, n, err);
		p += n;
		len -= n;
	}
	return about(rc, g->writing, err);
}

static struct msg_fs_attrs attributes(const struct copy_node *node)
{
	return (struct msg_fs_attrs){ .mode = { true, node->mode },
				      .mtime = { true, node->mtime_s } };
}

/* End of the data, attributes and close go out together. */
static int guest_finish(struct copy_end *e, const struct copy_node *node,
			struct err *err)
{
	struct guest_end *g = guest_of(e);
	const struct msg_fs_request set = { .op = MSG_FS_FSET_STAT,
					    .handle = g->handle,
					    .attrs = attributes(node) };
	const struct msg_fs_request end = { .op = MSG_FS_CLOSE_HANDLE,
					    .handle = g->handle };
	autofree char *path = take_ptr(g->writing);
	uint32_t ids[3] = { g->write };
	int rc = fs_put(&g->fs, g->write, NULL, 0, err);

	if (!rc)
		rc = fs_begin(&g->fs, &set, &ids[1], err);
	if (!rc)
		rc = fs_begin(&g->fs, &end, &ids[2], err);
	if (!rc)
		rc = fs_end(&g->fs, ids, ARRAY_SIZE(ids), err);
	return about(rc, path, err);
}

static void guest_abandon(struct copy_end *e)
{
	struct guest_end *g = guest_of(e);
	autofree char *path = take_ptr(g->writing);
	struct msg_fs_request m = { .op = MSG_FS_REMOVE };
	struct msg_fs_response a;

	if (!path || g->fs.broken)
		return;
	/* Best effort: better than half a file. */
	if (!fs_put(&g->fs, g->write, NULL, 0, NULL))
		(void)fs_end(&g->fs, &g->write, 1, NULL);
	if (!g->fs.broken)
		(void)fs_close_handle(&g->fs, g->handle, NULL);
	m.path = view_cstr(path);
	if (!g->fs.broken)
		(void)fs_call(&g->fs, &m, &a, NULL);
}

static int guest_finish_dir(struct copy_end *e, const char *rel,
			    const struct copy_node *node, struct err *err)
{
	struct guest_end *g = guest_of(e);
	autofree char *path = full_path(g, rel);
	struct msg_fs_request m = { .op = MSG_FS_SET_STAT,
				    .attrs = attributes(node) };

	if (!path)
		return api_no_memory(err);
	m.path = view_cstr(path);
	return plain(g, &m, path, err);
}

static const struct copy_ops guest_ops = {
	.free = guest_free,
	.look = guest_look,
	.canonical = guest_canonical,
	.from = guest_from,
	.list = guest_list,
	.read = guest_read,
	.read_link = guest_read_link,
	.to = guest_to,
	.make_dir = guest_make_dir,
	.make_link = guest_make_link,
	.create = guest_create,
	.write = guest_write,
	.finish = guest_finish,
	.abandon = guest_abandon,
	.finish_dir = guest_finish_dir,
};

int copy_guest_new(const msb_t *m, const char *sandbox, struct copy_end **ret,
		   struct err *err)
{
	struct guest_end *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return api_no_memory(err);
	rc = fs_connect(m, sandbox, &g->fs, err);
	if (rc) {
		free(g);
		return rc;
	}
	g->end.ops = &guest_ops;
	*ret = &g->end;
	return 0;
}
