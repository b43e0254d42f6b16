/* SPDX-License-Identifier: Apache-2.0 */
/* Where snapshots are: names, paths, digests; directories in the making. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/snapshot_int.h"
#include "base/io.h"

#define INDEX_DIR ".index"
#define DIGEST_SHORT_MIN 6u
#define DRAFT_PREFIX ".msb-snapshot."
#define DRAFT_YOUNG_S 60

static int not_found(const char *ref, struct err *err)
{
	return err_set(err, ERR_SNAPSHOT_NOT_FOUND, ENOENT, "%.300s", ref);
}

char *snapshot_home(const msb_t *m)
{
	return strdup(m->home.place[HOME_SNAPSHOTS]);
}

bool snapshot_is_path(const char *ref)
{
	return strchr(ref, '/') || ref[0] == '.' || ref[0] == '~';
}

int snapshot_name_check(const char *name, struct err *err)
{
	if (!*name)
		return err_set(err, ERR_INVALID, EINVAL,
			       "destination must not be empty");
	if (sandbox_name_valid(name))
		return 0;
	return err_set(err, ERR_INVALID, EINVAL,
		       "snapshot name must start with an alphanumeric "
		       "character and contain only alphanumeric characters, "
		       "dots, hyphens, and underscores: %.200s",
		       name);
}

/* ---- one of them -------------------------------------------------------- */

void msb_snapshot_free(msb_snapshot_t *s)
{
	if (!s)
		return;
	free(s->path);
	free(s->name);
	free(s->descriptor);
	snapshot_desc_fini(&s->desc);
	free(s);
}

static int read_descriptor(int dirfd, struct buf *b)
{
	int rc = io_read_file_at(dirfd, SNAPSHOT_FILE, b);

	return rc == -ENOENT ? io_read_file_at(dirfd, SNAPSHOT_FILE_OLD, b)
			     : rc;
}

/* The upper as the descriptor has it: a regular file of that size. */
static int open_upper(int dirfd, const struct snapshot_desc *d, struct err *err)
{
	autoclose int fd = openat(dirfd, d->upper_file,
				  O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
					  O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_SNAPSHOT_INTEGRITY, errno, "open '%s'",
			       d->upper_file);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_SNAPSHOT_INTEGRITY, EINVAL,
			       "'%s' is not a regular file", d->upper_file);
	if ((uint64_t)st.st_size != d->upper_size)
		return err_set(err, ERR_SNAPSHOT_INTEGRITY, EINVAL,
			       "'%s' has %lld bytes, not %llu", d->upper_file,
			       (long long)st.st_size,
			       (unsigned long long)d->upper_size);
	return take_fd(&fd);
}

static int read_snapshot(int dirfd, msb_snapshot_t *s, int *ret_upper,
			 struct err *err)
{
	struct buf b;
	int rc, upper;

	buf_init(&b, SNAPSHOT_JSON_MAX);
	rc = read_descriptor(dirfd, &b);
	if (rc == -ENOENT || rc == -ENOTDIR) {
		rc = not_found(s->path, err);
	} else if (rc) {
		rc = path_err(err, -rc, "read the descriptor in", s->path);
	} else {
		digest_of(buf_data(&b), buf_len(&b), &s->digest);
		rc = snapshot_desc_decode((const char *)buf_data(&b),
					  buf_len(&b), &s->desc, err);
	}
	if (!rc) {
		s->descriptor = buf_take_str(&b);
		rc = s->descriptor ? 0 : api_no_memory(err);
	}
	buf_fini(&b);
	if (rc)
		return rc;
	upper = open_upper(dirfd, &s->desc, err);
	if (upper < 0)
		return upper;
	if (ret_upper)
		*ret_upper = upper;
	else
		close_fd(&upper);
	return 0;
}

int snapshot_open(const char *path, const char *name, msb_snapshot_t **ret,
		  int *ret_upper, struct err *err)
{
	autoclose int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	msb_snapshot_t *s;
	int rc;

	if (dirfd < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? not_found(path, err)
			       : path_err(err, errno, "open", path);
	s = calloc(1, sizeof(*s));
	if (!s)
		return api_no_memory(err);
	s->path = realpath(path, NULL);
	s->name = name ? strdup(name) : NULL;
	rc = s->path && (s->name || !name) ? 0 : api_no_memory(err);
	if (!rc)
		rc = read_snapshot(dirfd, s, ret_upper, err);
	if (rc) {
		if (err && err->kind == ERR_SNAPSHOT_INTEGRITY)
			err_prefix(err, "%.200s", path);
		msb_snapshot_free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

/* ---- all of them -------------------------------------------------------- */

struct visit {
	int (*fn)(void *ctx, msb_snapshot_t *s); /* takes s */
	void *ctx;
};

enum place_kind { VISIT_NAMED, VISIT_INDEX, VISIT_OTHER };

/* Each snapshot in dir. */
static int visit_dir(const char *dir, enum place_kind kind,
		     const struct visit *v)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	int rc = 0;

	while (d && !rc && (e = readdir(d))) {
		autofree char *path = NULL;
		msb_snapshot_t *s = NULL;

		if (kind == VISIT_NAMED ? !sandbox_name_valid(e->d_name)
					: e->d_name[0] == '.')
			continue;
		path = str_fmt("%s/%s", dir, e->d_name);
		if (!path)
			rc = -ENOMEM;
		else if (!snapshot_open(path,
					kind == VISIT_NAMED ? e->d_name : NULL,
					&s, NULL, NULL))
			rc = v->fn(v->ctx, s);
	}
	if (d)
		(void)closedir(d);
	return rc;
}

int snapshot_each(const msb_t *m, int (*fn)(void *ctx, msb_snapshot_t *s),
		  void *ctx, struct err *err)
{
	autofree char *home = snapshot_home(m);
	autofree char *index = home ? str_fmt("%s/" INDEX_DIR, home) : NULL;
	const struct visit v = { fn, ctx };
	int rc = index ? 0 : -ENOMEM;

	if (!rc)
		rc = visit_dir(home, VISIT_NAMED, &v);
	if (!rc)
		rc = visit_dir(index, VISIT_INDEX, &v);
	return rc < 0 ? api_no_memory(err) : rc;
}

/* Is dir the place where the home's own are? */
static bool is_home(const char *home, const struct stat *dir)
{
	struct stat st;

	return stat(home, &st) == 0 && st.st_ino == dir->st_ino &&
	       st.st_dev == dir->st_dev;
}

int snapshot_each_in(const msb_t *m, const char *dir,
		     int (*fn)(void *ctx, msb_snapshot_t *s), void *ctx,
		     struct err *err)
{
	autofree char *home = snapshot_home(m);
	const struct visit v = { fn, ctx };
	struct stat st;
	int rc;

	if (!home)
		return api_no_memory(err);
	if (stat(dir, &st) < 0)
		return path_err(err, errno, "open", dir);
	if (!S_ISDIR(st.st_mode))
		return path_err(err, ENOTDIR, "open", dir);
	rc = visit_dir(dir, is_home(home, &st) ? VISIT_NAMED : VISIT_OTHER, &v);
	return rc < 0 ? api_no_memory(err) : rc;
}

int snapshot_index_add(const msb_t *m, const msb_snapshot_t *s, struct err *err)
{
	autofree char *home = snapshot_home(m);
	autofree char *index = home ? str_fmt("%s/" INDEX_DIR, home) : NULL;
	autofree char *link = NULL;
	char file[DIGEST_TEXT_MAX + 1];
	int rc;

	if (!index)
		return api_no_memory(err);
	digest_file_name(&s->digest, file);
	link = str_fmt("%s/%s", index, file);
	if (!link)
		return api_no_memory(err);
	rc = io_mkdir_p(AT_FDCWD, index, 0700);
	if (!rc && unlink(link) < 0 && errno != ENOENT)
		rc = -errno;
	if (!rc && symlink(s->path, link) < 0 && errno != EEXIST)
		rc = -errno;
	return rc ? path_err(err, -rc, "write the index", index) : 0;
}

struct reindex {
	const msb_t *m;
	int64_t n;
	struct err *err;
};

static int on_reindexed(void *ctx, msb_snapshot_t *s)
{
	struct reindex *r = ctx;
	int rc = s->name ? 0 : snapshot_index_add(r->m, s, r->err);

	r->n++;
	msb_snapshot_free(s);
	return rc;
}

/* Links to what is no snapshot any more, or another one. */
static void sweep_index(const char *index)
{
	DIR *d = opendir(index);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		autofree char *path = str_fmt("%s/%s", index, e->d_name);
		char file[DIGEST_TEXT_MAX + 1];
		msb_snapshot_t *s;

		if (e->d_name[0] == '.' || !path)
			continue;
		file[0] = 0;
		if (!snapshot_open(path, NULL, &s, NULL, NULL)) {
			digest_file_name(&s->digest, file);
			msb_snapshot_free(s);
		}
		if (strcmp(file, e->d_name) != 0)
			(void)unlink(path); /* or next time */
	}
	if (d)
		(void)closedir(d);
}

int snapshot_reindex(const msb_t *m, const char *dir, int64_t *ret_n,
		     struct err *err)
{
	autofree char *home = snapshot_home(m);
	autofree char *index = home ? str_fmt("%s/" INDEX_DIR, home) : NULL;
	struct reindex r = { .m = m, .err = err };
	const struct visit v = { on_reindexed, &r };
	struct stat st;
	bool own;
	int rc;

	if (!index)
		return api_no_memory(err);
	if (dir && stat(dir, &st) < 0)
		return path_err(err, errno, "open", dir);
	own = !dir || is_home(home, &st);
	sweep_index(index);
	rc = visit_dir(own ? home : dir, own ? VISIT_NAMED : VISIT_OTHER, &v);
	if (!rc && own)
		rc = visit_dir(index, VISIT_INDEX, &v);
	if (rc == -ENOMEM && !err->kind)
		return api_no_memory(err);
	*ret_n = r.n;
	return rc;
}

/* ---- looking up --------------------------------------------------------- */

struct search {
	const char *hex; /* of the digest, or its beginning */
	msb_snapshot_t *found;
};

static int on_candidate(void *ctx, msb_snapshot_t *s)
{
	struct search *f = ctx;

	if (f->found || !str_starts(s->digest.text + 7, f->hex))
		msb_snapshot_free(s);
	else
		f->found = s;
	return 0;
}

/* "sha256:" and its digits, or some of the first digits. */
static int find_digest(const msb_t *m, const char *ref, msb_snapshot_t **ret,
		       struct err *err)
{
	struct search f = { .hex = ref };
	struct digest d;
	int rc;

	if (!digest_parse(ref, &d) && str_starts(ref, "sha256:"))
		f.hex = ref + 7;
	if (strlen(f.hex) < DIGEST_SHORT_MIN ||
	    strspn(f.hex, "0123456789abcdef") != strlen(f.hex))
		return not_found(ref, err);
	rc = snapshot_each(m, on_candidate, &f, err);
	if (rc) {
		msb_snapshot_free(f.found);
		return rc;
	}
	*ret = f.found;
	return f.found ? 0 : not_found(ref, err);
}

int snapshot_find(const msb_t *m, const char *ref, msb_snapshot_t **ret,
		  int *ret_upper, struct err *err)
{
	autofree char *home = snapshot_home(m);
	autofree char *path = NULL;
	msb_snapshot_t *found = NULL;
	int rc;

	if (snapshot_is_path(ref))
		return snapshot_open(ref, NULL, ret, ret_upper, err);
	if (home && sandbox_name_valid(ref)) {
		path = str_fmt("%s/%s", home, ref);
		if (!path)
			return api_no_memory(err);
		if (access(path, F_OK) == 0)
			return snapshot_open(path, ref, ret, ret_upper, err);
	}
	rc = find_digest(m, ref, &found, err);
	if (!found)
		return rc;
	if (!ret_upper) {
		*ret = found;
		return 0;
	}
	rc = snapshot_open(found->path, found->name, ret, ret_upper, err);
	msb_snapshot_free(found);
	return rc;
}

/* ---- in the making ------------------------------------------------------ */

/* The path that dest means, and the directory that it is in. */
static int place(const msb_t *m, const char *dest, struct snapshot_draft *d,
		 char **ret_parent, struct err *err)
{
	autofree char *copy = NULL;
	char *slash;
	int rc;

	if (!snapshot_is_path(dest)) {
		rc = snapshot_name_check(dest, err);
		if (rc)
			return rc;
		*ret_parent = snapshot_home(m);
		d->name = strdup(dest);
		if (!*ret_parent || !d->name)
			return api_no_memory(err);
		rc = io_mkdir_p(AT_FDCWD, *ret_parent, 0700);
		if (rc)
			return path_err(err, -rc, "create directory",
					*ret_parent);
		d->path = str_fmt("%s/%s", *ret_parent, dest);
		return d->path ? 0 : api_no_memory(err);
	}
	copy = strdup(dest);
	if (!copy)
		return api_no_memory(err);
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/';)
		copy[--n] = 0;
	slash = strrchr(copy, '/');
	if (!strcmp(slash ? slash + 1 : copy, ".") ||
	    !strcmp(slash ? slash + 1 : copy, "..") || (slash && !slash[1]))
		return err_set(err, ERR_SNAPSHOT_EXISTS, EEXIST, "%.300s",
			       dest);
	*ret_parent =
		slash ? strndup(copy, (size_t)(slash - copy) + 1) : strdup(".");
	d->path = take_ptr(copy);
	return *ret_parent ? 0 : api_no_memory(err);
}

/*
 * Drafts whose makers died. A maker has its draft locked, but for the moment
 * before that: what has just been made is left alone.
 */
static void sweep_drafts(const char *parent)
{
	DIR *dir = opendir(parent);
	const struct dirent *e;
	struct stat st;

	while (dir && (e = readdir(dir))) {
		autoclose int fd = -1;

		if (!str_starts(e->d_name, DRAFT_PREFIX))
			continue;
		fd = openat(dirfd(dir), e->d_name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0 ||
		    st.st_mtim.tv_sec + DRAFT_YOUNG_S > time(NULL) ||
		    flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		/* what cannot go now is tried again */
		(void)io_remove_tree(dirfd(dir), e->d_name);
	}
	if (dir)
		(void)closedir(dir);
}

int snapshot_draft_new(const msb_t *m, const char *dest,
		       struct snapshot_draft *ret, struct err *err)
{
	struct snapshot_draft d = { .fd = -1 };
	autofree char *parent = NULL;
	uint32_t n = 0;
	int rc;

	if (!*dest)
		return snapshot_name_check(dest, err);
	rc = place(m, dest, &d, &parent, err);
	if (!rc && getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		rc = err_sys(err, ERR_IO, errno, "make up a name");
	if (!rc) {
		if (d.name)
			sweep_drafts(parent);
		d.temp = str_fmt("%s/" DRAFT_PREFIX "%08x", parent, n);
		rc = d.temp ? 0 : api_no_memory(err);
	}
	if (d.temp && mkdir(d.temp, 0700) < 0) {
		rc = path_err(err, errno, "create directory", d.temp);
		free(take_ptr(d.temp));
	}
	if (d.temp) {
		d.fd = open(d.temp,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (d.fd < 0 || flock(d.fd, LOCK_EX | LOCK_NB) < 0)
			rc = path_err(err, errno, "open directory", d.temp);
	}
	if (rc)
		snapshot_draft_drop(&d);
	else
		*ret = d;
	return rc;
}

int snapshot_draft_describe(const struct snapshot_draft *d,
			    const struct snapshot_desc *desc, struct err *err)
{
	struct buf b;
	int rc;

	buf_init(&b, SNAPSHOT_JSON_MAX);
	rc = snapshot_desc_encode(desc, &b);
	if (!rc)
		rc = io_write_file_at(d->fd, SNAPSHOT_FILE, buf_data(&b),
				      buf_len(&b), 0600);
	buf_fini(&b);
	if (!rc && fsync(d->fd) < 0)
		rc = -errno;
	return rc ? path_err(err, -rc, "write the descriptor in", d->temp) : 0;
}

/* Only what is a snapshot is replaced. */
static int is_snapshot(const char *path)
{
	autofree char *new = str_fmt("%s/" SNAPSHOT_FILE, path);
	autofree char *old = str_fmt("%s/" SNAPSHOT_FILE_OLD, path);

	return new &&old && (access(new, F_OK) == 0 || access(old, F_OK) == 0);
}

int snapshot_draft_commit(struct snapshot_draft *d, bool force, struct err *err)
{
	int rc = 0;

	if (renameat2(AT_FDCWD, d->temp, AT_FDCWD, d->path, RENAME_NOREPLACE) ==
	    0) {
		free(take_ptr(d->temp));
		return 0;
	}
	if (errno != EEXIST)
		return path_err(err, errno, "create directory", d->path);
	if (!force)
		return err_set(err, ERR_SNAPSHOT_EXISTS, EEXIST, "%.300s",
			       d->name ? d->name : d->path);
	if (!is_snapshot(d->path))
		return err_set(err, ERR_INVALID, EEXIST,
			       "exists and is not a snapshot: %.300s", d->path);
	if (renameat2(AT_FDCWD, d->temp, AT_FDCWD, d->path, RENAME_EXCHANGE) <
	    0)
		return path_err(err, errno, "replace", d->path);
	/* The one before; somebody who sweeps may be at it, too. */
	rc = io_remove_tree(AT_FDCWD, d->temp);
	if (rc && rc != -ENOENT)
		return path_err(err, -rc, "remove", d->temp);
	free(take_ptr(d->temp));
	return 0;
}

void snapshot_draft_drop(struct snapshot_draft *d)
{
	if (d->temp)
		(void)io_remove_tree(AT_FDCWD, d->temp); /* nothing to add */
	close_fd(&d->fd);
	free(d->path);
	free(d->name);
	free(d->temp);
	memset(d, 0, sizeof(*d));
	d->fd = -1;
}
