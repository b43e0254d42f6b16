/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer's image becomes an archive again: depth first, names in order,
 * whiteouts as files of the names they have in archives. Directories that had
 * no entry in the archive get none.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/io.h"
#include "image/erofs_read.h"
#include "image/layer.h"
#include "image/tar_header.h"
#include "image/tar_path.h"
#include "image/tree.h"

#define OUT_SIZE ((size_t)1 << 20)
#define PATHS_MAX ((size_t)512 << 20)

struct tar_writer {
	struct erofs_reader layer;
	int fd;
	struct buf out;
	uint32_t *seen;	  /* by inode number; see below */
	struct buf paths; /* of the first name of files with several */
	struct erofs_dir dirs[TREE_DEPTH_MAX + 2];
	size_t path_len[TREE_DEPTH_MAX + 2]; /* of each, its slash included */
	unsigned depth;
	struct buf path; /* of the member */
};
/* seen: 0, SEEN_DIR, or 1 + where in paths the first name is. */
#define SEEN_DIR UINT32_MAX

static int flush(struct tar_writer *w)
{
	int r = io_write_full(w->fd, buf_data(&w->out), buf_len(&w->out));

	buf_reset(&w->out);
	return r;
}

static int put_zeros(struct tar_writer *w, size_t len)
{
	static const uint8_t zero[TAR_BLOCK];
	int r = 0;

	for (; !r && len; len -= len < TAR_BLOCK ? len : TAR_BLOCK)
		r = buf_append(&w->out, zero,
			       len < TAR_BLOCK ? len : TAR_BLOCK);
	return r;
}

static int put_data(struct tar_writer *w, const struct erofs_inode *i)
{
	uint64_t pos = 0;
	size_t over = i->size % TAR_BLOCK;

	while (pos < i->size) {
		uint8_t *p = buf_reserve(&w->out, OUT_SIZE);
		ssize_t n;
		int r;

		if (!p)
			return -ENOMEM;
		n = erofs_file_read(&w->layer, i, pos, p, OUT_SIZE);
		if (n < 0)
			return (int)n;
		buf_commit(&w->out, (size_t)n);
		pos += (size_t)n;
		r = buf_len(&w->out) >= OUT_SIZE ? flush(w) : 0;
		if (r)
			return r;
	}
	return over ? put_zeros(w, TAR_BLOCK - over) : 0;
}

/* The path so far is that of the directory; what is behind it goes. */
static const char *member_path(struct tar_writer *w, const char *prefix,
			       const char *name, size_t len, const char *suffix)
{
	w->path.len = w->path_len[w->depth];
	(void)buf_str(&w->path, prefix);
	(void)buf_append(&w->path, name, len);
	(void)buf_str(&w->path, suffix);
	return buf_cstr(&w->path);
}

/* An empty file that stands for what is not there. */
static int put_marker(struct tar_writer *w, const char *path)
{
	const struct erofs_inode none = { .mode = S_IFREG };
	const struct tar_member m = { .path = path,
				      .inode = &none,
				      .type = '0' };

	return path ? tar_header_put(&w->out, &m) : -ENOMEM;
}

static int enter(struct tar_writer *w, const struct erofs_inode *i)
{
	if (w->seen[i->nid] || w->depth + 1 > TREE_DEPTH_MAX + 1)
		return -EUCLEAN; /* a directory in two places, or in itself */
	w->seen[i->nid] = SEEN_DIR;
	w->depth++;
	erofs_dir_open(&w->dirs[w->depth], i);
	w->path_len[w->depth] = buf_len(&w->path);
	if (!(i->flags & TREE_OPAQUE))
		return 0;
	return put_marker(w, member_path(w, TAR_OPAQUE, "", 0, ""));
}

static int put_dir(struct tar_writer *w, const struct erofs_inode *i,
		   const char *path)
{
	const struct tar_member m = { .path = path, .inode = i, .type = '5' };
	int r = 0;

	if (!path)
		return -ENOMEM;
	if (!(i->flags & TREE_IMPLICIT))
		r = tar_header_put(&w->out, &m);
	return r ? r : enter(w, i);
}

/* The path of the file's first name, or NULL and it becomes that. */
static int first_path(struct tar_writer *w, const struct erofs_inode *i,
		      const char *path, const char **ret)
{
	uint32_t at = w->seen[i->nid];

	*ret = NULL;
	if (at == SEEN_DIR)
		return -EUCLEAN;
	if (at) {
		*ret = (const char *)buf_data(&w->paths) + at - 1;
		return 0;
	}
	if (i->nlink < 2)
		return 0;
	w->seen[i->nid] = (uint32_t)buf_len(&w->paths) + 1;
	return buf_append(&w->paths, path, strlen(path) + 1) ? -ENOMEM : 0;
}

static int put_other(struct tar_writer *w, const struct erofs_inode *i,
		     const char *path)
{
	struct tar_member m = { .path = path, .inode = i };
	char target[TREE_PATH_MAX + 1];
	int r;

	if (!path)
		return -ENOMEM;
	r = first_path(w, i, path, &m.link);
	if (r)
		return r;
	if (m.link) {
		m.type = '1';
		return tar_header_put(&w->out, &m);
	}
	switch (i->mode & S_IFMT) {
	case S_IFREG:
		m.type = '0';
		r = tar_header_put(&w->out, &m);
		return r ? r : put_data(w, i);
	case S_IFLNK:
		m.type = '2';
		memcpy(target, erofs_link_text(i), i->size);
		target[i->size] = '\0';
		m.link = target;
		break;
	case S_IFCHR:
		m.type = '3';
		break;
	case S_IFBLK:
		m.type = '4';
		break;
	case S_IFIFO:
		m.type = '6';
		break;
	default: /* no archive has sockets */
		return 0;
	}
	return tar_header_put(&w->out, &m);
}

static int put_name(struct tar_writer *w, const struct erofs_name *name)
{
	struct erofs_inode i;
	int r = erofs_inode_read(&w->layer, name->nid, &i);

	if (r)
		return r;
	if (S_ISDIR(i.mode))
		return put_dir(w, &i,
			       member_path(w, "", name->text, name->len, "/"));
	if (S_ISCHR(i.mode) && i.rdev == 0)
		return put_marker(w, member_path(w, TAR_WHITEOUT, name->text,
						 name->len, ""));
	return put_other(w, &i, member_path(w, "", name->text, name->len, ""));
}

static int put_root(struct tar_writer *w)
{
	struct erofs_inode root;
	int r = erofs_inode_read(&w->layer, w->layer.root, &root);

	if (r)
		return r;
	if (!S_ISDIR(root.mode))
		return -EUCLEAN;
	r = put_dir(w, &root, "./");
	return r;
}

static int put_all(struct tar_writer *w)
{
	int r = put_root(w);

	while (!r && w->depth) {
		struct erofs_name name;

		r = erofs_dir_read(&w->layer, &w->dirs[w->depth], &name);
		if (r > 0)
			r = put_name(w, &name);
		else if (!r)
			w->depth--;
		if (!r && buf_len(&w->out) >= OUT_SIZE)
			r = flush(w);
	}
	/* The end of an archive. */
	if (!r)
		r = put_zeros(w, (size_t)2 * TAR_BLOCK);
	return r ? r : flush(w);
}

static int tar_fail(int r, struct err *err)
{
	if (r == -EUCLEAN)
		return erofs_damaged(err);
	return err_sys(err, r == -ENOMEM ? ERR_NO_MEMORY : ERR_IO, -r,
		       "cannot write a layer's archive");
}

int layer_to_tar(int layer_fd, int out, struct err *err)
{
	struct tar_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return tar_fail(-ENOMEM, err);
	r = erofs_reader_open(layer_fd, &w->layer, err);
	if (r)
		goto free_writer;
	w->fd = out;
	buf_init(&w->out, 4 * OUT_SIZE);
	buf_init(&w->paths, PATHS_MAX);
	buf_init(&w->path, (TREE_NAME_MAX + 8) * (TREE_DEPTH_MAX + 2));
	w->seen = calloc(w->layer.nids, sizeof(*w->seen));
	r = w->seen ? put_all(w) : -ENOMEM;
	if (r)
		r = tar_fail(r, err);
	free(w->seen);
	buf_fini(&w->path);
	buf_fini(&w->paths);
	buf_fini(&w->out);
	erofs_reader_close(&w->layer);
free_writer:
	free(w);
	return r;
}
