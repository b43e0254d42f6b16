/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much a tree holds. Directories are walked with one descriptor at a time,
 * however deep the guest has made them: the way back up is "..", which counts
 * only when it leads to the directory we came from. What changes under way is
 * counted as it is met.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fs/fs_int.h"

#define NAMES_MAX 65536

/* A directory on the way down, and where reading it goes on. */
struct frame {
	struct fs_key key;
	int64_t off;
};

/* Files with several names, each counted once. */
struct seen {
	struct fs_key *v; /* owned; type 0: free */
	size_t n, size;	  /* size is 0 or a power of two */
};

struct walk {
	const struct fs_server *s;
	struct frame *v; /* owned; the deepest directory is the last one */
	size_t n, cap;
	int fd; /* of the deepest one; owned */
	struct seen seen;
	char *names; /* NAMES_MAX bytes, borrowed */
	struct fs_use sum;
};

static size_t seen_slot(const struct seen *t, const struct fs_key *key)
{
	uint64_t h = key->ino * 0x9e3779b97f4a7c15u;
	size_t i = (size_t)(h >> 32) & (t->size - 1);

	while (t->v[i].type && !fs_key_equal(&t->v[i], key))
		i = (i + 1) & (t->size - 1);
	return i;
}

static int seen_grow(struct seen *t)
{
	struct seen next = { .n = t->n, .size = t->size ? t->size * 2 : 256 };

	next.v = calloc(next.size, sizeof(*next.v));
	if (!next.v)
		return -ENOMEM;
	for (size_t i = 0; i < t->size; i++)
		if (t->v[i].type)
			next.v[seen_slot(&next, &t->v[i])] = t->v[i];
	free(t->v);
	*t = next;
	return 0;
}

/* False for another name of a file that was met before. */
static bool is_new(struct walk *w, const struct statx *st)
{
	struct fs_key key;
	size_t i;

	if (st->stx_nlink < 2 || S_ISDIR(st->stx_mode))
		return true;
	if (w->seen.n * 2 >= w->seen.size && seen_grow(&w->seen))
		return true; /* rather too much than too little */
	fs_key_of(w->s, st, &key);
	i = seen_slot(&w->seen, &key);
	if (w->seen.v[i].type)
		return false;
	w->seen.v[i] = key;
	w->seen.n++;
	return true;
}

/* Names and values of the guest's attributes of the file at path. */
static int64_t xattr_bytes(const char *path, char *names)
{
	ssize_t n = llistxattr(path, names, NAMES_MAX);
	int64_t sum = 0;

	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
		const char *name = names + i;
		ssize_t len;

		if (strncmp(name, "user.", 5) != 0 || fs_xattr_hidden(name))
			continue;
		len = lgetxattr(path, name, NULL, 0);
		if (len >= 0)
			sum += len + (int64_t)strlen(name);
	}
	return sum;
}

static void add(struct walk *w, int64_t bytes)
{
	w->sum.bytes = fs_use_sum(w->sum.bytes, bytes);
}

static void count_entry(struct walk *w, const struct statx *st,
			const char *name)
{
	char path[sizeof(struct fs_proc) + NAME_MAX + 2];

	if (!is_new(w, st))
		return;
	w->sum.files++;
	if (!S_ISREG(st->stx_mode) && !S_ISDIR(st->stx_mode))
		return;
	add(w, fs_use_bytes(st));
	(void)snprintf(path, sizeof(path), "%s/%s", fs_proc(w->fd).path, name);
	add(w, xattr_bytes(path, w->names));
}

static int push(struct walk *w, const struct fs_key *key, int *fd)
{
	if (w->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 64;
		struct frame *v = realloc(w->v, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		w->v = v;
		w->cap = cap;
	}
	w->v[w->n++] = (struct frame){ .key = *key };
	close_fd(&w->fd);
	w->fd = take_fd(fd);
	return 0;
}

/* Open the directory (dirfd, name) and tell who it is; -errno. */
static int open_dir(const struct walk *w, int path_fd, struct fs_key *ret)
{
	struct statx st;
	int rc = path_fd < 0 ? path_fd : fs_statx(path_fd, "", &st);

	if (rc)
		return rc;
	fs_key_of(w->s, &st, ret);
	return fs_reopen(w->s, path_fd, O_RDONLY | O_DIRECTORY);
}

/* Enter the directory name; one that is gone or closed to us is left out. */
static int descend(struct walk *w, const char *name)
{
	autoclose int path_fd = fs_open_child(w->s, w->fd, name);
	struct fs_key key;
	autoclose int fd = open_dir(w, path_fd, &key);

	if (fd == -ENOMEM || fd == -EMFILE || fd == -ENFILE)
		return fd;
	return fd < 0 ? 0 : push(w, &key, &fd);
}

static int ascend(struct walk *w)
{
	autoclose int path_fd = -1;
	autoclose int fd = -1;
	struct fs_key key;

	if (--w->n == 0)
		return 0;
	path_fd = openat(w->fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (path_fd < 0)
		return -errno;
	fd = open_dir(w, path_fd, &key);
	if (fd < 0)
		return fd;
	if (!fs_key_equal(&key, &w->v[w->n - 1].key))
		return -EAGAIN; /* somebody moved the directory */
	close_fd(&w->fd);
	w->fd = take_fd(&fd);
	return lseek(w->fd, w->v[w->n - 1].off, SEEK_SET) < 0 ? -errno : 0;
}

/* Count entries of the deepest directory, until the end or a directory that
 * is to be walked first: 1, 0 at the end, -errno. */
static int count_some(struct walk *w)
{
	char data[4096] __attribute__((aligned(8)));
	ssize_t n = getdents64(w->fd, data, sizeof(data));

	for (ssize_t pos = 0; pos < n;) {
		const struct dirent64 *d = (const void *)(data + pos);
		struct statx st;
		int rc;

		pos += d->d_reclen;
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (fs_statx(w->fd, d->d_name, &st))
			continue; /* gone */
		count_entry(w, &st, d->d_name);
		if (!S_ISDIR(st.stx_mode))
			continue;
		w->v[w->n - 1].off = d->d_off;
		rc = descend(w, d->d_name);
		if (rc)
			return rc;
		return lseek(w->fd, w->v[w->n - 1].off, SEEK_SET) < 0 ? -errno
								      : 1;
	}
	return n < 0 ? -errno : n > 0;
}

int fs_count_tree(struct fs_server *s, struct fs_use *ret)
{
	struct walk w = { .s = s, .fd = -1, .names = (char *)s->dirbuf.data };
	autoclose int fd = fs_reopen(s, s->root_fd, O_RDONLY | O_DIRECTORY);
	int rc = fd < 0 ? fd : push(&w, &s->root->key, &fd);

	s->dirbuf.owner = 0; /* its memory is used here */
	while (!rc && w.n) {
		rc = count_some(&w);
		if (rc >= 0)
			rc = rc ? 0 : ascend(&w);
	}
	close_fd(&w.fd);
	free(w.seen.v);
	free(w.v);
	*ret = w.sum;
	return rc;
}
